use std::path::PathBuf;

use super::super::items::{Item, letters};
use super::super::npz::Npz;
use super::super::{PerturbError, table};
use super::PairsConfig;
use super::collect::SequencePairs;
use crate::Error;
use crate::encode::{BASES, UNKNOWN};
use crate::output::{OutputDir, OutputError, Tsv};
use crate::plot::perturb::{PairPanel, pair_map};

/// Panels of a picture: tasks.
const MOST_PANELS: usize = 8;
/// Longest sequence that is drawn.
const LONGEST: usize = 2_000;

/// A pair of bases with its strongest pair of changes.
#[derive(Clone, Copy, Debug)]
struct Pair {
    row: usize,
    /// Places in the sequence.
    at: [usize; 2],
    to: [usize; 2],
    interaction: f32,
    effects: [f32; 2],
    windows: u32,
}

/// The strongest of a stream of pairs; of equals the first.
struct Strongest {
    most: usize,
    kept: Vec<Pair>,
    /// What is not stronger than this is not among them.
    least: f32,
}

impl Strongest {
    fn new(most: usize) -> Self {
        Self {
            most,
            kept: Vec::new(),
            least: if most == 0 { f32::INFINITY } else { 0.0 },
        }
    }

    fn add(&mut self, pair: Pair) {
        if pair.interaction.abs() > self.least {
            self.kept.push(pair);
            if self.kept.len() >= 2 * self.most + 64 {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        // Stable: equals stay in their order.
        (self.kept).sort_by(|a, b| b.interaction.abs().total_cmp(&a.interaction.abs()));
        self.kept.truncate(self.most);
        if self.kept.len() == self.most
            && let Some(last) = self.kept.last()
        {
            self.least = last.interaction.abs();
        }
    }
}

/// Writes what is found as it comes.
pub(super) struct Output<'a> {
    items: &'a [Item],
    tasks: &'a [String],
    distance: usize,
    /// Bases of the arrays' rows.
    longest: usize,
    arrays: Option<Npz>,
    /// Rows of the arrays that are written.
    rows: usize,
    activities: Vec<f32>,
    effects: Vec<f32>,
    windows: Vec<u32>,
    /// By task.
    strongest: Vec<Strongest>,
    sequences: Tsv,
    sequences_path: PathBuf,
    pairs_path: PathBuf,
    /// Where pictures go, by row.
    pictures: Vec<(usize, PathBuf)>,
}

impl<'a> Output<'a> {
    pub fn create(
        config: &PairsConfig,
        items: &'a [Item],
        (distance, tasks): (usize, &'a [String]),
        out: &mut OutputDir,
    ) -> Result<Self, OutputError> {
        let scored = || {
            items
                .iter()
                .enumerate()
                .filter(|(_, i)| !i.starts.is_empty())
        };
        let longest = scored()
            .map(|(_, item)| item.codes.len())
            .max()
            .unwrap_or(0);
        let (pairs_path, sequences_path) = (out.file("pairs.tsv"), out.file("sequences.tsv"));
        let mut arrays = match config.arrays {
            true => Some(Npz::create(&out.file("pairs.npz"))?),
            false => None,
        };
        if let Some(arrays) = &mut arrays {
            let shape = [items.len(), longest, distance, 4, 4, tasks.len()];
            arrays.begin("interactions", "<f4", &shape)?;
        }
        let drawn = scored().filter(|(_, item)| item.codes.len() <= LONGEST);
        let pictures = (drawn.take(config.pictures).enumerate())
            .map(|(n, (row, _))| (row, out.file(&format!("pairs.{}.svg", n + 1))))
            .collect();
        let first = ["name", "contig", "start", "length", "windows", "status"];
        let each = ["activity", "mean_abs_interaction", "largest_interaction"];
        Ok(Self {
            items,
            tasks,
            distance,
            longest,
            arrays,
            rows: 0,
            activities: Vec::new(),
            effects: Vec::new(),
            windows: Vec::new(),
            strongest: (tasks.iter()).map(|_| Strongest::new(config.top)).collect(),
            sequences: table::header(&first, tasks, &each),
            sequences_path,
            pairs_path,
            pictures,
        })
    }

    /// Writes the rows before this one, which have no values, and this one.
    pub fn row(&mut self, row: usize, found: &SequencePairs) -> Result<(), Error> {
        self.none_before(row)?;
        let (tasks, length) = (self.tasks.len(), self.items[row].codes.len());
        if let Some(arrays) = &mut self.arrays {
            arrays.floats(&found.interactions)?;
            let behind = (self.longest - length) * self.distance * 16 * tasks;
            arrays.floats(&vec![f32::NAN; behind])?;
            self.activities.extend_from_slice(&found.activity);
            self.effects.extend_from_slice(&found.effects);
            let behind = (self.longest - length) * 4 * tasks;
            self.effects.extend(std::iter::repeat_n(f32::NAN, behind));
            self.windows.push(found.windows as u32);
        }
        self.rows = row + 1;
        let best: Vec<Vec<Pair>> = (0..tasks).map(|task| self.best(row, found, task)).collect();
        self.head(row, found.windows);
        for (task, pairs) in best.iter().enumerate() {
            table::put(&mut self.sequences, found.activity[task]);
            let of_task = found.interactions.iter().skip(task).step_by(tasks);
            let changes = of_task
                .filter(|v| !v.is_nan() && **v != 0.0)
                .map(|v| v.abs());
            let (sum, n) = changes.fold((0.0f64, 0u64), |(s, n), v| (s + f64::from(v), n + 1));
            // Those that are exactly 0 count, too.
            let all = (pairs.len() as u64 * 9).max(n);
            table::put(&mut self.sequences, (sum / all as f64) as f32);
            let largest =
                (pairs.iter()).max_by(|a, b| a.interaction.abs().total_cmp(&b.interaction.abs()));
            table::put(
                &mut self.sequences,
                largest.map_or(f32::NAN, |p| p.interaction),
            );
            for pair in pairs {
                self.strongest[task].add(*pair);
            }
        }
        self.sequences.end();
        if let Some((_, path)) = self.pictures.iter().find(|(drawn, _)| *drawn == row) {
            self.draw(row, &best, path)?;
        }
        Ok(())
    }

    /// The strongest pair of changes of every pair of bases that has one.
    fn best(&self, row: usize, found: &SequencePairs, task: usize) -> Vec<Pair> {
        let (codes, tasks) = (&self.items[row].codes, self.tasks.len());
        let blocks = found.interactions.chunks_exact(16 * tasks).enumerate();
        let mut pairs = Vec::new();
        for (n, block) in blocks {
            let i = n / self.distance;
            let j = i + 1 + n % self.distance;
            let known = |at: usize| codes.get(at).filter(|c| **c < UNKNOWN).copied();
            let (Some(a), Some(b), true) = (known(i), known(j), found.counts[n] > 0) else {
                continue;
            };
            let mut best: Option<(usize, f32)> = None;
            for (pair, value) in block.iter().skip(task).step_by(tasks).enumerate() {
                let changed = pair / 4 != usize::from(a) && pair % 4 != usize::from(b);
                if changed && best.is_none_or(|(_, most)| value.abs() > most.abs()) {
                    best = Some((pair, *value));
                }
            }
            let Some((pair, interaction)) = best else {
                continue;
            };
            let to = [pair / 4, pair % 4];
            let effect = |at: usize, to: usize| found.effects[(at * 4 + to) * tasks + task];
            pairs.push(Pair {
                row,
                at: [i, j],
                to,
                interaction,
                effects: [effect(i, to[0]), effect(j, to[1])],
                windows: found.counts[n],
            });
        }
        pairs
    }

    fn none_before(&mut self, row: usize) -> Result<(), OutputError> {
        while self.rows < row {
            let missing = self.longest * 4 * self.tasks.len();
            if let Some(arrays) = &mut self.arrays {
                arrays.floats(&vec![f32::NAN; missing * 4 * self.distance])?;
                self.effects.extend(std::iter::repeat_n(f32::NAN, missing));
                (self.activities).extend(std::iter::repeat_n(f32::NAN, self.tasks.len()));
                self.windows.push(0);
            }
            self.head(self.rows, 0);
            for _ in 0..3 * self.tasks.len() {
                table::put(&mut self.sequences, f32::NAN);
            }
            self.sequences.end();
            self.rows += 1;
        }
        Ok(())
    }

    fn head(&mut self, row: usize, windows: usize) {
        let item = &self.items[row];
        let (contig, start) = match &item.place {
            Some((contig, start)) => (contig.as_str(), *start as f64),
            None => (".", 0.0),
        };
        let table = self.sequences.text(&item.name).text(contig).number(start);
        table.count(item.codes.len() as u64).count(windows as u64);
        table.text(item.status.as_str());
    }

    fn draw(&self, row: usize, best: &[Vec<Pair>], path: &std::path::Path) -> Result<(), Error> {
        let item = &self.items[row];
        let panels = self.tasks.iter().zip(best).take(MOST_PANELS);
        let panels: Vec<PairPanel> = panels
            .map(|(task, pairs)| PairPanel {
                title: task.clone(),
                pairs: (pairs.iter())
                    .map(|p| (p.at[0], p.at[1], f64::from(p.interaction)))
                    .collect(),
            })
            .collect();
        let first = item.place.as_ref().map_or(0, |(_, start)| *start);
        pair_map(
            path,
            &format!(
                "{}: the strongest interaction of each pair of bases",
                item.name
            ),
            (&letters(&item.codes), first, self.distance),
            &panels,
        )
        .map_err(PerturbError::from)?;
        Ok(())
    }

    /// Writes the rest.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.none_before(self.items.len())?;
        let (rows, longest, tasks) = (self.items.len(), self.longest, self.tasks.len());
        if let Some(mut arrays) = self.arrays.take() {
            arrays.array("effects", &[rows, longest, 4, tasks], &self.effects)?;
            arrays.array("activities", &[rows, tasks], &self.activities)?;
            arrays.counts("windows", &self.windows)?;
            let scored = |item: &Item| !item.starts.is_empty();
            let lengths = self.items.iter().map(|item| match scored(item) {
                true => item.codes.len() as u32,
                false => 0,
            });
            arrays.counts("lengths", &lengths.collect::<Vec<u32>>())?;
            arrays.begin("one_hot", "|u1", &[rows, longest, 4])?;
            for item in self.items {
                let codes = if scored(item) { &item.codes[..] } else { &[] };
                let columns = codes
                    .iter()
                    .chain(std::iter::repeat(&UNKNOWN))
                    .take(longest);
                let one_hot = columns.flat_map(|c| (0..4).map(move |b| u8::from(*c == b)));
                arrays.put(&one_hot.collect::<Vec<u8>>())?;
            }
            arrays.names("tasks", self.tasks)?;
            arrays.finish()?;
        }
        self.sequences.write(&self.sequences_path)?;
        let mut pairs = Tsv::new(&[
            "task",
            "rank",
            "name",
            "position_a",
            "ref_a",
            "alt_a",
            "position_b",
            "ref_b",
            "alt_b",
            "distance",
            "contig",
            "contig_a",
            "contig_b",
            "windows",
            "effect_a",
            "effect_b",
            "interaction",
        ]);
        for (task, strongest) in self.tasks.iter().zip(&mut self.strongest) {
            strongest.cut();
            for (rank, pair) in strongest.kept.iter().enumerate() {
                let item = &self.items[pair.row];
                pairs.text(task).count(rank as u64 + 1).text(&item.name);
                for (at, to) in pair.at.iter().zip(pair.to) {
                    pairs
                        .count(*at as u64)
                        .text(&letters(&item.codes[*at..at + 1]));
                    pairs.text(&BASES[to].to_string());
                }
                pairs.count((pair.at[1] - pair.at[0]) as u64);
                match &item.place {
                    None => pairs.text(".").text("NA").text("NA"),
                    Some((contig, start)) => {
                        let [a, b] = pair.at.map(|at| (start + at as i64) as f64);
                        pairs.text(contig).number(a).number(b)
                    }
                };
                pairs.count(u64::from(pair.windows));
                for value in pair.effects.iter().chain([&pair.interaction]) {
                    table::put(&mut pairs, *value);
                }
                pairs.end();
            }
        }
        pairs.write(&self.pairs_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_stay_and_of_equals_the_first() {
        let sizes = [1.0, -3.0, 2.0, 3.0, 0.0, -2.0, 5.0, 3.0];
        let mut strongest = Strongest::new(3);
        for n in 0..400 {
            strongest.add(Pair {
                row: n,
                at: [0, 1],
                to: [0, 1],
                interaction: sizes[n % 8] - if n == 300 { 9.0 } else { 0.0 },
                effects: [0.0; 2],
                windows: 1,
            });
        }
        strongest.cut();
        let rows: Vec<usize> = strongest.kept.iter().map(|p| p.row).collect();
        // 300 is 0 - 9 there; the others 5.
        assert_eq!(rows, [300, 6, 14]);
        let mut none = Strongest::new(0);
        none.add(strongest.kept[0]);
        none.cut();
        assert!(none.kept.is_empty());
    }
}
