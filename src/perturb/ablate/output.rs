use super::super::effects::Effect;
use super::super::items::{self, Item};
use super::super::npz::Npz;
use super::super::{PerturbError, table};
use super::Ablation;
use super::targets::{Target, TargetStatus};
use crate::Error;
use crate::output::{OutputDir, Tsv, write};
use crate::plot::perturb::{EffectBar, effect_bars};

/// Stretches and tasks that are drawn.
const MOST_BARS: usize = 40;
const MOST_PANELS: usize = 12;

/// Collects the rows.
pub(super) struct Output<'a> {
    items: &'a [Item],
    tasks: &'a [String],
    draws: usize,
    table: Tsv,
    rows: usize,
    before: Vec<f32>,
    after: Vec<f32>,
    bars: Vec<EffectBar>,
    sequences: Vec<(String, Vec<u8>)>,
}

impl<'a> Output<'a> {
    pub fn new(items: &'a [Item], tasks: &'a [String], draws: usize) -> Self {
        let first = [
            "name",
            "start",
            "end",
            "contig",
            "contig_start",
            "contig_end",
            "ablated",
            "strand",
            "p",
            "status",
            "windows",
            "changed",
        ];
        Self {
            items,
            tasks,
            draws,
            table: table::header(&first, tasks, &["activity", "effect", "sd"]),
            rows: 0,
            before: Vec::new(),
            after: Vec::new(),
            bars: Vec::new(),
            sequences: Vec::new(),
        }
    }

    pub fn row(&mut self, target: &Target, done: &Ablation) {
        let (start, end) = target.given;
        let table = &mut self.table;
        table
            .text(&target.sequence)
            .count(start.into())
            .count(end.into());
        let place = target.item.and_then(|row| {
            let item = &self.items[row];
            let (contig, first) = item.place.as_ref()?;
            let at = |base: u32| (first + item.own.start as i64 + i64::from(base)) as f64;
            Some((contig, at(start), at(end)))
        });
        match place {
            Some((contig, from, to)) => table.text(contig).number(from).number(to),
            None => table.text(".").text("NA").text("NA"),
        };
        table.text(target.name.as_deref().unwrap_or("."));
        match target.hit {
            Some((strand, p)) => table.text(&strand.to_string()).number(p),
            None => table.text(".").text("NA"),
        };
        table
            .text(target.status.as_str())
            .count(done.windows as u64);
        table.count(done.changed as u64);
        let tasks = self.tasks.len();
        let mut bar = Vec::new();
        for task in 0..tasks {
            if target.status != TargetStatus::Ok {
                for _ in 0..3 {
                    table::put(table, f32::NAN);
                }
                continue;
            }
            let before = f64::from(done.before[task]);
            let of_task = done.after.iter().skip(task).step_by(tasks);
            let effects: Vec<f64> = of_task.map(|after| f64::from(*after) - before).collect();
            let effect = Effect::of(&effects);
            table::put(table, before as f32);
            table::put(table, effect.mean as f32);
            table::put(table, effect.spread as f32);
            bar.push((effect.mean, effect.spread));
        }
        table.end();
        self.rows += 1;
        let none = std::iter::repeat(&f32::NAN);
        let (before, after) = (done.before.iter(), done.after.iter());
        self.before.extend(before.chain(none.clone()).take(tasks));
        self.after
            .extend(after.chain(none).take(self.draws * tasks));
        if target.status == TargetStatus::Ok {
            bar.truncate(MOST_PANELS);
            let what = target.name.as_deref().unwrap_or("");
            self.bars.push(EffectBar {
                name: format!("{}:{start}-{end} {what}", target.sequence),
                values: bar,
            });
        }
        for (draw, codes) in done.sequences.iter().enumerate() {
            let name = format!("{}:{start}-{end}#{}", target.sequence, draw + 1);
            self.sequences.push((name, codes.clone()));
        }
    }

    pub fn write(mut self, out: &mut OutputDir, sequences: bool) -> Result<(), Error> {
        self.table.write(&out.file("ablations.tsv"))?;
        let tasks = self.tasks.len();
        let mut arrays = Npz::create(&out.file("ablations.npz"))?;
        arrays.array("before", &[self.rows, tasks], &self.before)?;
        arrays.array("after", &[self.rows, self.draws, tasks], &self.after)?;
        arrays.names("tasks", self.tasks)?;
        arrays.finish()?;
        if sequences {
            let all = self
                .sequences
                .iter()
                .map(|(name, codes)| (name.clone(), &codes[..]));
            write(&out.file("ablated.fa"), items::fasta(all))?;
        }
        let size = |bar: &EffectBar| bar.values.iter().fold(0.0, |m: f64, v| m.max(v.0.abs()));
        let many = self.bars.len() > MOST_BARS;
        if many {
            self.bars.sort_by(|a, b| size(b).total_cmp(&size(a)));
            self.bars.truncate(MOST_BARS);
        }
        let title = match many {
            false => "Effect of each ablation, with the standard deviation over draws".into(),
            true => format!("The {MOST_BARS} largest effects, with standard deviations over draws"),
        };
        let panels = &self.tasks[..tasks.min(MOST_PANELS)];
        let path = out.file("ablations.svg");
        effect_bars(&path, &title, panels, &self.bars).map_err(PerturbError::from)?;
        Ok(())
    }
}
