//! Statistics that several analyses share, with closed forms in their tests.

mod cholesky;
mod classes;
mod correlation;
mod estimates;
mod random;
mod shuffle;

pub use cholesky::Cholesky;
pub use classes::{Ranking, StrataRanking, strata};
pub(crate) use correlation::{Moments, Rows};
pub use correlation::{pearson, ranks, spearman};
pub use estimates::{abs_z, log10_p};
pub(crate) use estimates::{curvature, interval, p_from_normal, p_from_null};
pub use random::Random;
pub use shuffle::shuffle_keeping_pairs;

/// Benjamini and Hochberg's q-values (1995); NaN stay NaN and count for nothing.
pub fn q_values(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let tests = order.len();
    let mut q = vec![f64::NAN; p.len()];
    let mut least = 1.0f64;
    for (done, i) in order.into_iter().enumerate() {
        least = least.min(p[i] * tests as f64 / (tests - done) as f64);
        q[i] = least;
    }
    q
}

/// The same where p-values come in few different levels: `counts[i]` tests have the p-value
/// `p(i)`, which rises with `i`. Returns the q-value of each level (1 above the highest that
/// occurs).
pub fn q_values_of_levels(counts: &[u64], p: impl Fn(usize) -> f64) -> Vec<f64> {
    let tests: u64 = counts.iter().sum();
    let mut q = vec![1.0; counts.len()];
    let (mut least, mut at_most) = (1.0f64, tests);
    for (level, &count) in counts.iter().enumerate().rev() {
        if at_most > 0 {
            least = least.min(p(level) * tests as f64 / at_most as f64);
        }
        q[level] = least;
        at_most -= count;
    }
    q
}

/// p-values above this count as this in [`cauchy`]: a single p-value of 1, such as that of an
/// effect of exactly 0, would else outweigh all others (the truncated Cauchy test of Fang et al.
/// 2023 takes the same care).
const MOST_P: f64 = 0.99;

/// The Cauchy combination of p-values (Liu and Xie 2020), of equal weights: valid in the tail for
/// p-values that depend on each other in any way. NaN count for nothing; NaN where none is left.
pub fn cauchy(p: impl IntoIterator<Item = f64>) -> f64 {
    use std::f64::consts::{FRAC_1_PI, PI};
    let (mut sum, mut n, mut only) = (0.0, 0u32, f64::NAN);
    for p in p.into_iter().filter(|p| !p.is_nan()) {
        only = p;
        let p = p.min(MOST_P);
        // tan((1/2 - p) pi), by its limit where the difference would round off.
        sum += match p < 1e-15 {
            true => FRAC_1_PI / p,
            false => ((0.5 - p) * PI).tan(),
        };
        n += 1;
    }
    if n < 2 {
        return only;
    }
    let mean = sum / f64::from(n);
    match mean > 1e15 {
        true => FRAC_1_PI / mean,
        false => 0.5 - mean.atan() * FRAC_1_PI,
    }
}

/// The p-value of a product of p-values, were they independent (Fisher's method): the chance that
/// the product of as many uniform numbers is as small. It rises with the product, so it ranks as
/// the product does. Not valid for tests that depend on each other. NaN count for nothing; NaN
/// where none is left.
pub fn product(p: impl IntoIterator<Item = f64>) -> f64 {
    let (mut log, mut n) = (0.0f64, 0u32);
    for p in p.into_iter().filter(|p| !p.is_nan()) {
        log -= p.ln();
        n += 1;
    }
    if n == 0 {
        return f64::NAN;
    }
    // The upper tail of a gamma distribution of whole shape n.
    let (mut term, mut sum) = (1.0, 1.0);
    for i in 1..n {
        term *= log / f64::from(i);
        sum += term;
    }
    ((-log).exp() * sum).min(1.0)
}

/// Quantile of ascending values (R's type 7, numpy's default).
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let low = sorted[at.floor() as usize];
    let high = sorted[at.ceil() as usize];
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!(
            (a - b).abs() < 1e-9 * b.abs().max(1.0) || a.is_nan() && b.is_nan(),
            "{a} {b}"
        );
    }

    #[test]
    fn benjamini_hochberg() {
        // R 4: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.9), "BH")
        let q = q_values(&[0.01, 0.04, 0.03, f64::NAN, 0.005, 0.9]);
        for (q, expected) in q.iter().zip([0.025, 0.05, 0.05, f64::NAN, 0.025, 0.9]) {
            close(*q, expected);
        }
    }

    #[test]
    fn levels_give_the_same_as_single_tests() {
        let mut random = Random::new(3, 0, 0);
        for levels in [1usize, 2, 7, 40] {
            let counts: Vec<u64> = (0..levels).map(|_| random.below(4)).collect();
            let p = |level: usize| (level + 1) as f64 / (levels + 1) as f64;
            let single: Vec<f64> = counts
                .iter()
                .enumerate()
                .flat_map(|(l, &n)| (0..n).map(move |_| p(l)))
                .collect();
            let expected = q_values(&single);
            let q = q_values_of_levels(&counts, p);
            for (p_one, q_one) in single.iter().zip(expected) {
                let level = (p_one * (levels + 1) as f64).round() as usize - 1;
                close(q[level], q_one);
            }
        }
    }

    #[test]
    fn combinations() {
        // One p-value stays what it is.
        close(cauchy([0.03]), 0.03);
        close(product([0.03]), 0.03);
        assert!(cauchy([]).is_nan() && product([f64::NAN]).is_nan());
        // Equal p-values combine to themselves.
        close(cauchy([0.2, 0.2, f64::NAN, 0.2]), 0.2);
        close(cauchy([1e-20, 1e-20]) / 1e-20, 1.0);
        // (tan(0.4 pi) + tan(0)) / 2 = 1.53884176858763; 1/2 - atan of it / pi.
        close(
            cauchy([0.1, 0.5]),
            0.5 - 1.538_841_768_587_626_7_f64.atan() / std::f64::consts::PI,
        );
        // One p-value of 1 does not undo a small one.
        assert!(cauchy([1e-6, 1.0, 1.0, 1.0]) < 1e-5);
        // Fisher: -2 ln(0.1 * 0.2) = 7.824 with 4 degrees of freedom: 0.02 (1 - ln 0.02).
        close(product([0.1, 0.2]), 0.02 * (1.0 - 0.02f64.ln()));
        close(product([1.0, 1.0, 1.0]), 1.0);
    }

    #[test]
    fn quantiles() {
        close(quantile(&[1.0, 2.0], 0.5).unwrap(), 1.5);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
