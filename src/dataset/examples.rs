use super::{
    Assay, DatasetError, FilterReason, Filtered, MissingValues, ReplicateRule, TileSequences,
};

/// The tiles that became examples, with their targets.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Index of each tile, ascending.
    pub tiles: Vec<usize>,
    /// Mean over replicates of the normalised log2(RNA/DNA), `[task][example]`, NaN where missing.
    pub activity: Vec<Vec<f64>>,
    /// Mean of the activities, one a task.
    pub mean: Vec<f64>,
    /// Population standard deviation of the activities, one a task.
    pub scale: Vec<f64>,
    /// Mean over tasks of the distance between replicates; NaN where no task has two. See
    /// [`make_examples`].
    pub distance: Vec<f64>,
    /// Replicate weights, 0 (replicates farthest apart) to 1 (nearest); 1 where there is no distance.
    pub weight: Vec<f64>,
    /// The tiles left out, in order.
    pub filtered: Vec<Filtered>,
}

impl Examples {
    /// A task's standardised activity: (activity - mean) / scale.
    pub fn standardized(&self, task: usize, example: usize) -> f64 {
        (self.activity[task][example] - self.mean[task]) / self.scale[task]
    }
}

/// Averages replicates, leaves out tiles without sequence or values, standardises and weighs.
///
/// A task's distance for a tile is that of the point (replicate 1, replicate 2, ...) of normalised
/// log2 ratios from the diagonal: |r1 - r2| / sqrt(2) for two. A tile's distance is the mean over its
/// tasks; its weight is 1 - (distance - least) / (greatest - least) over the data set, as the paper's
/// authors have it.
///
/// # Errors
/// [`DatasetError::NothingLeft`] when every tile is left out, [`DatasetError::NoVariance`] when a
/// task's activities are all equal.
pub fn make_examples(
    assay: &Assay,
    sequences: &TileSequences,
    rule: ReplicateRule,
    missing: MissingValues,
) -> Result<Examples, DatasetError> {
    let means: Vec<Vec<f64>> = assay
        .tasks
        .iter()
        .map(|task| {
            (0..assay.tiles.len())
                .map(|tile| replicate_mean(task.values.iter().map(|r| r[tile]), rule))
                .collect()
        })
        .collect();
    let mut tiles = Vec::new();
    let mut filtered = Vec::new();
    for tile in 0..assay.tiles.len() {
        let lacking: Vec<usize> = (0..means.len())
            .filter(|&t| means[t][tile].is_nan())
            .collect();
        let reason = sequences.unfit[tile].or({
            if lacking.len() == means.len() {
                Some(FilterReason::NoValue)
            } else if !lacking.is_empty() && missing == MissingValues::Filter {
                Some(FilterReason::MissingTask)
            } else {
                None
            }
        });
        match reason {
            None => tiles.push(tile),
            Some(reason) => filtered.push(Filtered {
                tile,
                reason,
                tasks: lacking
                    .iter()
                    .map(|&t| assay.tasks[t].name.clone())
                    .collect(),
            }),
        }
    }
    if tiles.is_empty() {
        return Err(DatasetError::NothingLeft(assay.tiles.len()));
    }
    let activity: Vec<Vec<f64>> = means
        .iter()
        .map(|values| tiles.iter().map(|&tile| values[tile]).collect())
        .collect();
    let (mut mean, mut scale) = (Vec::new(), Vec::new());
    for (task, values) in assay.tasks.iter().zip(&activity) {
        let (m, variance) =
            moments(values).ok_or_else(|| DatasetError::NoVariance(task.name.clone()))?;
        // Equal values leave a variance of rounding errors.
        if variance.sqrt() <= m.abs() * 1e-14 {
            return Err(DatasetError::NoVariance(task.name.clone()));
        }
        mean.push(m);
        scale.push(variance.sqrt());
    }
    let distance: Vec<f64> = tiles
        .iter()
        .map(|&tile| {
            let distances = assay
                .tasks
                .iter()
                .filter_map(|task| from_diagonal(task.values.iter().map(|r| r[tile])));
            let (sum, count) = distances.fold((0.0, 0u32), |(sum, n), d| (sum + d, n + 1));
            sum / f64::from(count)
        })
        .collect();
    let known = || distance.iter().copied().filter(|d| !d.is_nan());
    let (least, most) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), d| {
        (low.min(d), high.max(d))
    });
    let weight = distance
        .iter()
        .map(|&d| {
            if d.is_nan() || most <= least {
                1.0
            } else {
                1.0 - (d - least) / (most - least)
            }
        })
        .collect();
    Ok(Examples {
        tiles,
        activity,
        mean,
        scale,
        distance,
        weight,
        filtered,
    })
}

/// NaN when a value is missing (or, under `Any`, when all are).
fn replicate_mean(values: impl Iterator<Item = f64>, rule: ReplicateRule) -> f64 {
    let (mut sum, mut count) = (0.0, 0u32);
    for value in values {
        match (value.is_nan(), rule) {
            (true, ReplicateRule::All) => return f64::NAN,
            (true, ReplicateRule::Any) => {}
            (false, _) => {
                sum += value;
                count += 1;
            }
        }
    }
    sum / f64::from(count)
}

/// Distance of a point from the diagonal, over the coordinates present; `None` for fewer than two.
fn from_diagonal(values: impl Iterator<Item = f64>) -> Option<f64> {
    let present: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    if present.len() < 2 {
        return None;
    }
    let mean = present.iter().sum::<f64>() / present.len() as f64;
    Some(
        present
            .iter()
            .map(|v| (v - mean).powi(2))
            .sum::<f64>()
            .sqrt(),
    )
}

/// Mean and population variance of the values that are not missing; `None` when there are none.
pub(super) fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let present = || values.iter().filter(|v| !v.is_nan());
    let count = present().count() as f64;
    if count == 0.0 {
        return None;
    }
    let mean = present().sum::<f64>() / count;
    let variance = present().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance))
}
