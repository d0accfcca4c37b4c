//! Columns against columns: distances, their medians, and whole numbers made of them.

/// Whole scores a query's span of distances is cut into (Gupta et al. 2007: `t`).
const BINS: f64 = 100.0;

/// How like one column of a query is to each column of all targets.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Minus the Euclidean distance, for each target column.
    scores: Vec<f64>,
    median: f64,
    least: f64,
    most: f64,
}

impl Column {
    pub(super) fn new(column: &[f64; 4], targets: &[[f64; 4]]) -> Self {
        let scores: Vec<f64> = (targets.iter())
            .map(|target| {
                let square: f64 = (column.iter().zip(target))
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum();
                -square.sqrt()
            })
            .collect();
        let mut sorted = scores.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            // Of two in the middle the lower, as memelite has it: the mean of both puts other scores into other bins.
            median: sorted
                .get((sorted.len().max(1) - 1) / 2)
                .copied()
                .unwrap_or(0.0),
            least: sorted.first().copied().unwrap_or(0.0),
            most: sorted.last().copied().unwrap_or(0.0),
            scores,
        }
    }
}

/// What turns scores of a query's columns into whole numbers from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    /// The lowest score less its column's median, rounded down.
    low: f64,
    scale: f64,
}

impl Grid {
    /// One grid for all columns of a query.
    pub(super) fn of<'a>(columns: impl Iterator<Item = &'a Column>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for column in columns {
            low = low.min(column.least - column.median);
            high = high.max(column.most - column.median);
        }
        let low = low.floor();
        // Where all target columns are alike, rounding is not to be stretched over the bins.
        let scale = (BINS / (high - low).max(1.0)).floor();
        Self { low, scale }
    }

    /// What a column that is not aligned counts: its median.
    pub(super) fn unaligned(&self) -> i32 {
        (-self.low * self.scale) as i32
    }

    /// The whole scores of a column, and how often each occurs among the target columns.
    pub(super) fn whole(&self, column: &Column) -> Whole {
        let base = column.median + self.low;
        let scores: Vec<u8> = (column.scores.iter())
            .map(|score| ((score - base) * self.scale + 0.5).floor() as u8)
            .collect();
        let mut shares = vec![0.0; scores.iter().max().map_or(1, |m| usize::from(*m) + 1)];
        for &score in &scores {
            shares[usize::from(score)] += 1.0;
        }
        let total = scores.len().max(1) as f64;
        for share in &mut shares {
            *share /= total;
        }
        Whole { scores, shares }
    }
}

/// A column's scores on a grid.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// For each target column.
    pub(super) scores: Vec<u8>,
    /// Share of the target columns with each score.
    pub(super) shares: Vec<f64>,
}
