use std::fmt::Write as _;

use super::examples::moments;
use super::{Assay, Examples, FilterReason, Geometry, Split, TileSequences};
use crate::stats::{pearson, spearman};

/// Bins of the histogram of replicate distances.
const BINS: usize = 40;

/// The figures of `report.tsv`, and what the SVGs are drawn from.
#[derive(Clone, Debug)]
pub struct Report {
    /// Rows: item, task, key, value; a field without meaning is empty.
    pub rows: Vec<[String; 4]>,
    /// Mean |standardised activity|, `[task][position]`, NaN where no example lies.
    pub by_position: Vec<Vec<f64>>,
    /// Lower bound of the first bin of distances, width of a bin, and how many examples each holds.
    pub distances: Option<(f64, f64, Vec<usize>)>,
    /// Correlation of the first two replicates, one a task; NaN with fewer.
    pub correlation: Vec<f64>,
}

impl Report {
    /// Collects the figures.
    pub fn new(
        assay: &Assay,
        examples: &Examples,
        sequences: &TileSequences,
        sides: &[Split],
        groups: &[usize],
        geometry: Geometry,
    ) -> Self {
        let mut report = Self {
            rows: Vec::new(),
            by_position: Vec::new(),
            distances: distances(&examples.distance),
            correlation: Vec::new(),
        };
        report.count(assay, examples, sequences, sides, groups);
        for (t, task) in assay.tasks.iter().enumerate() {
            let name = task.name.as_str();
            let activity = &examples.activity[t];
            let with_value = activity.iter().filter(|v| !v.is_nan()).count();
            report.add("examples_with_value", name, "", with_value);
            report.add("mean", name, "", examples.mean[t]);
            report.add("variance", name, "", examples.scale[t] * examples.scale[t]);
            for (replicate, values) in task.replicates.iter().zip(&task.values) {
                let kept: Vec<f64> = examples.tiles.iter().map(|&tile| values[tile]).collect();
                if let Some((mean, variance)) = moments(&kept) {
                    report.add("replicate_mean", name, replicate, mean);
                    report.add("replicate_variance", name, replicate, variance);
                }
            }
            report.correlate(t, assay);
            let mean_abs = by_position(assay, examples, t, geometry);
            for (position, value) in mean_abs.iter().enumerate() {
                report.add("mean_abs_activity", name, position, number(*value));
            }
            report.by_position.push(mean_abs);
        }
        if let Some((low, width, counts)) = report.distances.clone() {
            for (bin, count) in counts.iter().enumerate() {
                let from = low + width * bin as f64;
                report.add("replicate_distance", "", format!("{from:.4}"), count);
            }
        }
        report
    }

    fn count(
        &mut self,
        assay: &Assay,
        examples: &Examples,
        sequences: &TileSequences,
        sides: &[Split],
        groups: &[usize],
    ) {
        self.add("tiles_read", "", "", assay.tiles.len());
        self.add("tiles_kept", "", "", examples.tiles.len());
        for reason in FilterReason::ALL {
            let count = examples.filtered.iter().filter(|f| f.reason == reason);
            self.add("tiles_filtered", "", reason.as_str(), count.count());
        }
        for task in &assay.tasks {
            let count = examples
                .filtered
                .iter()
                .filter(|f| f.tasks.contains(&task.name));
            self.add(
                "tiles_filtered_without_value",
                &task.name,
                "",
                count.count(),
            );
            for (replicate, values) in task.replicates.iter().zip(&task.values) {
                let count = values.iter().filter(|v| v.is_nan()).count();
                self.add("tiles_without_value", &task.name, replicate, count);
            }
        }
        self.add("tiles_with_unknown_bases", "", "", sequences.with_unknown);
        if let Some(count) = sequences.unlike_table {
            self.add("tiles_unlike_fasta", "", "", count);
        }
        self.add("regions", "", "", assay.layout.regions.len());
        let group_count = groups.iter().max().map_or(0, |g| g + 1);
        self.add("groups_of_overlapping_regions", "", "", group_count);
        for side in Split::ALL {
            let count = sides.iter().filter(|s| **s == side).count();
            self.add("split", "", side.as_str(), count);
        }
        self.add(
            "groups_on_several_sides",
            "",
            "",
            divided(assay, examples, sides, groups),
        );
    }

    fn correlate(&mut self, t: usize, assay: &Assay) {
        let task = &assay.tasks[t];
        let mut all = Vec::new();
        for a in 0..task.values.len() {
            for b in a + 1..task.values.len() {
                let (x, y) = pairs(&task.values[a], &task.values[b]);
                let r = pearson(&x, &y);
                let key = format!("{},{}", task.replicates[a], task.replicates[b]);
                self.add("replicate_pairs", &task.name, &key, x.len());
                self.add("replicate_correlation", &task.name, &key, number(r));
                self.add(
                    "replicate_rank_correlation",
                    &task.name,
                    &key,
                    number(spearman(&x, &y)),
                );
                all.push(r);
            }
        }
        self.correlation
            .push(all.first().copied().unwrap_or(f64::NAN));
    }

    fn add(&mut self, item: &str, task: &str, key: impl ToString, value: impl ToString) {
        self.rows
            .push([item.into(), task.into(), key.to_string(), value.to_string()]);
    }

    /// The table with its header.
    pub fn text(&self) -> String {
        let mut text = String::from("item\ttask\tkey\tvalue\n");
        for [item, task, key, value] in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{item}\t{task}\t{key}\t{value}");
        }
        text
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NA".into()
    } else {
        value.to_string()
    }
}

/// Values of the tiles that have both.
pub(super) fn pairs(a: &[f64], b: &[f64]) -> (Vec<f64>, Vec<f64>) {
    a.iter()
        .zip(b)
        .filter(|(a, b)| !a.is_nan() && !b.is_nan())
        .map(|(&a, &b)| (a, b))
        .unzip()
}

fn by_position(assay: &Assay, examples: &Examples, task: usize, geometry: Geometry) -> Vec<f64> {
    let mut sums = vec![(0.0, 0u32); geometry.tiles as usize];
    for (example, &tile) in examples.tiles.iter().enumerate() {
        let value = examples.standardized(task, example);
        if !value.is_nan() {
            let (sum, count) = &mut sums[assay.layout.tile[tile] as usize];
            *sum += value.abs();
            *count += 1;
        }
    }
    sums.into_iter()
        .map(|(sum, n)| sum / f64::from(n))
        .collect()
}

/// How many groups have examples on more than one side.
fn divided(assay: &Assay, examples: &Examples, sides: &[Split], groups: &[usize]) -> usize {
    let count = groups.iter().max().map_or(0, |g| g + 1);
    let mut first: Vec<Option<Split>> = vec![None; count];
    let mut divided = vec![false; count];
    for (&tile, &side) in examples.tiles.iter().zip(sides) {
        let group = groups[assay.layout.region[tile] as usize];
        divided[group] |= *first[group].get_or_insert(side) != side;
    }
    divided.into_iter().filter(|d| *d).count()
}

fn distances(values: &[f64]) -> Option<(f64, f64, Vec<usize>)> {
    let known: Vec<f64> = values.iter().copied().filter(|d| !d.is_nan()).collect();
    let most = known.iter().copied().fold(f64::NAN, f64::max);
    if most.is_nan() {
        return None;
    }
    let width = if most > 0.0 { most / BINS as f64 } else { 1.0 };
    let mut counts = vec![0; BINS];
    for distance in known {
        counts[((distance / width) as usize).min(BINS - 1)] += 1;
    }
    Some((0.0, width, counts))
}
