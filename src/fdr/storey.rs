//! Storey's q-values.

use crate::stats::{q_values, quantile};

/// The share of true null hypotheses: Storey's estimator #{p >= l} / (m (1 - l)) with `l` chosen by
/// the closed form of the bootstrap method (Storey, Taylor and Siegmund 2004; Robinson's form, as in
/// Bioconductor's qvalue 2): among l = 0.05, 0.10 ... 0.95 the one of the least mean squared error
/// about the 10% quantile of all estimates. NaN count for nothing. At most 1; where no p-value
/// reaches the chosen `l`, one is taken to (qvalue stops there), so that it is never 0.
pub fn pi0(p: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = p.iter().copied().filter(|p| !p.is_nan()).collect();
    if sorted.is_empty() {
        return f64::NAN;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let tests = sorted.len() as f64;
    let grid: Vec<(f64, f64, f64)> = (0..19)
        .map(|i| 0.05 + 0.05 * f64::from(i))
        .map(|l| {
            let above = (sorted.len() - sorted.partition_point(|p| *p < l)) as f64;
            (l, above, above / tests / (1.0 - l))
        })
        .collect();
    let mut estimates: Vec<f64> = grid.iter().map(|g| g.2).collect();
    estimates.sort_unstable_by(f64::total_cmp);
    let low = quantile(&estimates, 0.1).unwrap_or(1.0);
    let mut best = (f64::INFINITY, 1.0);
    for (l, above, estimate) in grid {
        let room = tests * (1.0 - l);
        let error = above / (room * room) * (1.0 - above / tests) + (estimate - low).powi(2);
        let estimate = above.max(1.0) / room;
        if error < best.0 || error == best.0 && estimate < best.1 {
            best = (error, estimate);
        }
    }
    best.1.min(1.0)
}

/// Storey's q-values for a share of true nulls: Benjamini and Hochberg's times it. NaN stay NaN.
pub fn storey(p: &[f64], pi0: f64) -> Vec<f64> {
    q_values(p).into_iter().map(|q| q * pi0).collect()
}
