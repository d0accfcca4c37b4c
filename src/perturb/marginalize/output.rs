use super::super::effects::{Effect, Test};
use super::super::npz::Npz;
use super::super::{PerturbError, table};
use super::design::{Design, Put, Row};
use crate::Error;
use crate::output::OutputDir;
use crate::plot::perturb::{EffectBar, effect_bars};
use crate::plot::{Line, Style, profiles};
use crate::stats::q_values;

/// Motifs and panels that are drawn.
const MOST_BARS: usize = 40;
const MOST_PANELS: usize = 12;

/// Activities, `[background][window of the design, task]`.
struct Found<'a> {
    activities: &'a [Vec<f32>],
    tasks: usize,
    each: usize,
}

impl Found<'_> {
    /// A task's activity without a motif in each background.
    fn before(&self, task: usize) -> impl Iterator<Item = f64> {
        self.activities.iter().map(move |a| f64::from(a[task]))
    }

    /// A task's effects in each background: of the n-th window of a row.
    fn effects(&self, row: usize, n: usize, task: usize) -> Vec<f64> {
        let at = (1 + row * self.each + n) * self.tasks + task;
        let after = self.activities.iter().map(|a| f64::from(a[at]));
        after.zip(self.before(task)).map(|(a, b)| a - b).collect()
    }

    /// What a row's p-value is of: the effect, or of two motifs the interaction.
    fn values(&self, row: usize, task: usize) -> Vec<f64> {
        let both = self.effects(row, 0, task);
        if self.each == 1 {
            return both;
        }
        let (first, second) = (self.effects(row, 1, task), self.effects(row, 2, task));
        let alone = first.iter().zip(&second).map(|(a, b)| a + b);
        both.iter()
            .zip(alone)
            .map(|(both, sum)| both - sum)
            .collect()
    }
}

/// Writes tables, arrays and figures.
pub(super) fn write(
    design: &Design,
    activities: &[Vec<f32>],
    tasks: &[String],
    test: Test,
    out: &mut OutputDir,
) -> Result<(), Error> {
    let found = Found {
        activities,
        tasks: tasks.len(),
        each: design.each(),
    };
    // By task and row.
    let of_task = |task: usize| -> Vec<(Effect, f64)> {
        let one = |row: usize| {
            let values = found.values(row, task);
            (Effect::of(&values), test.p(&values))
        };
        (0..design.rows.len()).map(one).collect()
    };
    let effects: Vec<Vec<(Effect, f64)>> = (0..tasks.len()).map(of_task).collect();
    let q: Vec<Vec<f64>> = (effects.iter())
        .map(|rows| q_values(&rows.iter().map(|(_, p)| *p).collect::<Vec<f64>>()))
        .collect();

    let (name, first, each): (_, &[&str], &[&str]) = match design.pairs {
        false => (
            "marginal",
            &["motif", "word", "strand", "start", "backgrounds"],
            &["effect", "se", "positive", "p", "q"],
        ),
        true => (
            "spacing",
            &[
                "motif",
                "with",
                "strand",
                "with_strand",
                "spacing",
                "start",
                "backgrounds",
            ],
            &[
                "interaction",
                "se",
                "positive",
                "p",
                "q",
                "both",
                "first",
                "second",
            ],
        ),
    };
    let mut rows = table::header(first, tasks, each);
    for (r, row) in design.rows.iter().enumerate() {
        let (word, _) = design.word(row.first);
        rows.text(&word.name);
        match row.second {
            None => rows.text(&word.text()).text(sign(design, row.first)),
            Some(second) => {
                rows.text(&design.word(second).0.name);
                rows.text(sign(design, row.first))
                    .text(sign(design, second));
                rows.count(row.spacing as u64)
            }
        };
        rows.count(design.start(row.first) as u64);
        rows.count(activities.len() as u64);
        for task in 0..tasks.len() {
            let (effect, p) = effects[task][r];
            for value in [effect.mean, effect.error, effect.positive] {
                table::put(&mut rows, value as f32);
            }
            table::put_p(&mut rows, p);
            table::put_p(&mut rows, q[task][r]);
            for n in (0..found.each).filter(|_| design.pairs) {
                let mean = Effect::of(&found.effects(r, n, task)).mean;
                table::put(&mut rows, mean as f32);
            }
        }
        rows.end();
    }
    rows.write(&out.file(&format!("{name}.tsv")))?;

    let mut arrays = Npz::create(&out.file(&format!("{name}.npz")))?;
    let (backgrounds, count) = (activities.len(), tasks.len());
    let before: Vec<f32> = activities
        .iter()
        .flat_map(|a| &a[..count])
        .copied()
        .collect();
    arrays.array("before", &[backgrounds, count], &before)?;
    let names: &[&str] = match design.pairs {
        false => &["after"],
        true => &["both", "first", "second"],
    };
    for (n, name) in names.iter().enumerate() {
        arrays.begin(name, "<f4", &[design.rows.len(), backgrounds, count])?;
        for row in 0..design.rows.len() {
            let at = (1 + row * found.each + n) * count;
            let of_row = activities.iter().flat_map(|a| &a[at..at + count]);
            arrays.floats(&of_row.copied().collect::<Vec<f32>>())?;
        }
    }
    arrays.names("tasks", tasks)?;
    arrays.finish()?;

    let path = out.file(&format!("{name}.svg"));
    let drawn = match design.pairs {
        false => bars(&path, design, &effects, tasks),
        true => lines(&path, design, &effects, tasks),
    };
    drawn.map_err(PerturbError::from)?;
    Ok(())
}

/// `-` of a reverse complement.
fn sign(design: &Design, put: Put) -> &'static str {
    if design.word(put).1 { "-" } else { "+" }
}

/// `+-`: the first motif as given, the second its reverse complement.
fn orientation(design: &Design, row: &Row) -> String {
    let both = [Some(row.first), row.second].into_iter().flatten();
    both.map(|put| sign(design, put)).collect()
}

/// The motifs with the largest effects.
fn bars(
    path: &std::path::Path,
    design: &Design,
    effects: &[Vec<(Effect, f64)>],
    tasks: &[String],
) -> Result<(), crate::plot::PlotError> {
    let size = |row: usize| {
        let means = effects.iter().map(|rows| rows[row].0.mean.abs());
        means.filter(|m| !m.is_nan()).fold(0.0, f64::max)
    };
    let mut order: Vec<usize> = (0..design.rows.len()).collect();
    order.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
    order.truncate(MOST_BARS);
    // Of a few, as they were given.
    if design.rows.len() <= MOST_BARS {
        order.sort_unstable();
    }
    let bars: Vec<EffectBar> = (order.iter())
        .map(|row| {
            let first = design.rows[*row].first;
            EffectBar {
                name: format!("{} {}", design.word(first).0.name, sign(design, first)),
                values: (effects.iter().take(MOST_PANELS))
                    .map(|rows| (rows[*row].0.mean, rows[*row].0.error))
                    .collect(),
            }
        })
        .collect();
    let title = match design.rows.len() > MOST_BARS {
        false => "Mean effect over backgrounds, with its standard error".into(),
        true => format!("The {MOST_BARS} largest mean effects, with standard errors"),
    };
    effect_bars(path, &title, &tasks[..tasks.len().min(MOST_PANELS)], &bars)
}

/// The interaction against spacing, a line an orientation.
fn lines(
    path: &std::path::Path,
    design: &Design,
    effects: &[Vec<(Effect, f64)>],
    tasks: &[String],
) -> Result<(), crate::plot::PlotError> {
    // Rows of a motif follow each other: four orientations, each with all spacings.
    let with = design.rows.first().and_then(|row| row.second);
    let with = with.map_or("", |put| design.word(put).0.name.as_str());
    let groups: Vec<&[Row]> = design
        .rows
        .chunk_by(|a, b| design.motif(a.first) == design.motif(b.first))
        .collect();
    let mut titles = Vec::new();
    let mut at = 0;
    for group in groups {
        for (task, rows) in tasks.iter().zip(effects) {
            let mut lines: Vec<Line> = Vec::new();
            for (row, (effect, _)) in group.iter().zip(&rows[at..]) {
                let name = orientation(design, row);
                let point = (row.spacing as f64, effect.mean);
                match lines.last_mut().filter(|line| line.name == name) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line {
                        name,
                        points: vec![point],
                    }),
                }
            }
            let name = &design.word(group[0].first).0.name;
            titles.push((format!("{task}: {name} and {with}"), lines));
        }
        at += group.len();
    }
    titles.truncate(MOST_PANELS);
    let panels: Vec<(Style<'_>, Vec<Line>)> = (titles.iter_mut())
        .map(|(title, lines)| {
            let style = Style {
                title,
                x: "bases between the motifs",
                y: "mean interaction",
            };
            (style, std::mem::take(lines))
        })
        .collect();
    profiles(path, "Both motifs beyond the sum of each alone", &panels)
}
