//! Agreement of measured and predicted values, with bootstrap intervals over groups.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;

use crate::stats::{self, Moments, Random};

/// How intervals are made: groups (regions, positions) are drawn with replacement.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap {
    /// Replicates; 0 for none.
    pub replicates: u64,
    /// Share of the distribution that an interval holds.
    pub share: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            replicates: 1000,
            share: 0.95,
            seed: 1,
        }
    }
}

/// A figure and its interval; NaN where it cannot be had.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How well predictions agree with measurements.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metrics {
    /// Rows with a measurement.
    pub n: usize,
    /// Groups they are in.
    pub groups: usize,
    /// Mean of (measured - predicted)^2.
    pub mse: Estimate,
    /// 1 - sum of (measured - predicted)^2 / sum of (measured - mean measured)^2: negative where
    /// the mean would predict better.
    pub r2: Estimate,
    /// Pearson's r.
    pub pearson: Estimate,
    /// Spearman's rho; in the bootstrap, ranks are those of the whole.
    pub spearman: Estimate,
}

/// What replicates allow.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    /// Rows with all replicates.
    pub n: usize,
    /// Replicates.
    pub replicates: usize,
    /// Mean of Pearson's r over pairs of replicates.
    pub pearson: f64,
    /// Pearson's r that a perfect prediction of the underlying value would have with the mean of
    /// the replicates: sqrt(k r / (1 + (k - 1) r)) for k replicates (Spearman and Brown).
    pub ceiling: f64,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    values: Moments,
    ranks: Moments,
    squares: f64,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.ranks.merge(&other.ranks);
        self.squares += other.squares;
    }

    /// MSE, R2, Pearson, Spearman.
    fn figures(&self) -> [f64; 4] {
        let scatter = self.values.scatter_of_y();
        let r2 = match scatter > 0.0 {
            true => 1.0 - self.squares / scatter,
            false => f64::NAN,
        };
        [
            self.squares / self.values.n,
            r2,
            self.values.correlation(),
            self.ranks.correlation(),
        ]
    }
}

/// Sums of each group that has rows, in order of the groups' numbers.
fn sums(observed: &[f64], predicted: &[f64], groups: &[u32]) -> Vec<Sums> {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(predicted), mean(observed));
    // Ranks centred too, so that squares keep their digits.
    let middle = (observed.len() + 1) as f64 / 2.0;
    let (rx, ry) = (stats::ranks(predicted), stats::ranks(observed));
    let most = groups.iter().copied().max().map_or(0, |g| g as usize + 1);
    let mut all = vec![Sums::default(); most];
    for (row, &group) in groups.iter().enumerate() {
        let sums = &mut all[group as usize];
        let (x, y) = (predicted[row], observed[row]);
        sums.values.add(x - mx, y - my);
        sums.ranks.add(rx[row] - middle, ry[row] - middle);
        sums.squares += (y - x) * (y - x);
    }
    all.retain(|s| s.values.n > 0.0);
    all
}

fn total<'a>(sums: impl Iterator<Item = &'a Sums>) -> Sums {
    let mut total = Sums::default();
    sums.for_each(|s| total.merge(s));
    total
}

/// Draws of groups: the same for every model measured on the same rows.
fn draws<T: Send>(
    groups: usize,
    bootstrap: &Bootstrap,
    figure: impl Fn(&[usize]) -> T + Sync,
) -> Vec<T> {
    if groups < 2 || bootstrap.replicates < 2 {
        return Vec::new();
    }
    (0..bootstrap.replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut random = Random::new(bootstrap.seed, replicate, 1);
            let drawn: Vec<usize> = (0..groups)
                .map(|_| random.below(groups as u64) as usize)
                .collect();
            figure(&drawn)
        })
        .collect()
}

/// A figure with the central share of what it is on the draws.
pub(super) fn estimate(value: f64, drawn: impl Iterator<Item = f64>, share: f64) -> Estimate {
    let (low, high) = stats::interval(drawn, share)
        .filter(|_| !value.is_nan())
        .unwrap_or((f64::NAN, f64::NAN));
    Estimate { value, low, high }
}

/// Measures predictions. All three slices have one entry a row, without missing values; `groups`
/// numbers what is drawn together.
pub fn metrics(
    observed: &[f64],
    predicted: &[f64],
    groups: &[u32],
    bootstrap: &Bootstrap,
) -> Metrics {
    let sums = sums(observed, predicted, groups);
    let values = total(sums.iter()).figures();
    let drawn = draws(sums.len(), bootstrap, |drawn| {
        total(drawn.iter().map(|&g| &sums[g])).figures()
    });
    let of = |i: usize| estimate(values[i], drawn.iter().map(|d| d[i]), bootstrap.share);
    Metrics {
        n: observed.len(),
        groups: sums.len(),
        mse: of(0),
        r2: of(1),
        pearson: of(2),
        spearman: of(3),
    }
}

/// By how much Pearson's r of `predicted` is above that of `other` on the same rows, with the
/// interval of the difference.
pub fn gain(
    observed: &[f64],
    predicted: &[f64],
    other: &[f64],
    groups: &[u32],
    bootstrap: &Bootstrap,
) -> Estimate {
    let (a, b) = (
        sums(observed, predicted, groups),
        sums(observed, other, groups),
    );
    let difference = |a: Sums, b: Sums| a.values.correlation() - b.values.correlation();
    let value = difference(total(a.iter()), total(b.iter()));
    let drawn = draws(a.len(), bootstrap, |drawn| {
        difference(
            total(drawn.iter().map(|&g| &a[g])),
            total(drawn.iter().map(|&g| &b[g])),
        )
    });
    estimate(value, drawn.into_iter(), bootstrap.share)
}

/// What replicates allow, given `[rows, replicates]`, over those of `rows` that have all of them;
/// `None` with fewer than two replicates or three such rows.
pub fn ceiling(replicates: ArrayView2<'_, f64>, rows: &[usize]) -> Option<Ceiling> {
    let k = replicates.ncols();
    let whole: Vec<usize> = (rows.iter().copied())
        .filter(|&row| replicates.row(row).iter().all(|r| !r.is_nan()))
        .collect();
    if k < 2 || whole.len() < 3 {
        return None;
    }
    let (mut sum, mut pairs) = (0.0, 0.0);
    for a in 0..k {
        for b in a + 1..k {
            let mut moments = Moments::default();
            for &row in &whole {
                moments.add(replicates[[row, a]], replicates[[row, b]]);
            }
            sum += moments.correlation();
            pairs += 1.0;
        }
    }
    let r: f64 = sum / pairs;
    let k_real = k as f64;
    Some(Ceiling {
        n: whole.len(),
        replicates: k,
        pearson: r,
        ceiling: match r > 0.0 {
            true => (k_real * r / (1.0 + (k_real - 1.0) * r)).sqrt(),
            false => f64::NAN,
        },
    })
}
