//! Intervals, p-values and curvature, from samples and sums.

use super::quantile;

/// The central `share` of values, by linear interpolation between order statistics. NaN are left
/// out; `None` when nothing is left.
pub(crate) fn interval(values: impl IntoIterator<Item = f64>, share: f64) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - share) / 2.0;
    Some((quantile(&sorted, tail)?, quantile(&sorted, 1.0 - tail)?))
}

/// Two-sided p-value of a statistic among those of `null`, the observed one counted with them:
/// how often one lies as far from their mean.
pub(crate) fn p_from_null(observed: f64, null: &[f64]) -> f64 {
    let null: Vec<f64> = null.iter().copied().filter(|v| !v.is_nan()).collect();
    if observed.is_nan() || null.is_empty() {
        return f64::NAN;
    }
    let mean = null.iter().sum::<f64>() / null.len() as f64;
    let far = (observed - mean).abs();
    // Rounding must not tell equal statistics apart.
    let as_far = null
        .iter()
        .filter(|v| (*v - mean).abs() >= far - 1e-12)
        .count();
    (as_far + 1) as f64 / (null.len() + 1) as f64
}

/// Two-sided p-value of a standard normal deviate.
pub(crate) fn p_from_normal(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The coefficient of x^2 in the weighted least-squares parabola through points; NaN with fewer
/// than three places.
pub(crate) fn curvature(points: impl Iterator<Item = (f64, f64, f64)> + Clone) -> f64 {
    let weight: f64 = points.clone().map(|p| p.2).sum();
    let centre = points.clone().map(|(x, _, w)| x * w).sum::<f64>() / weight;
    let (mut s, mut t) = ([0.0; 5], [0.0; 3]);
    for (x, y, w) in points {
        let x = x - centre;
        let mut power = w;
        for (k, s) in s.iter_mut().enumerate() {
            *s += power;
            if k < 3 {
                t[k] += power * y;
            }
            power *= x;
        }
    }
    // s[1] = 0 by the choice of centre: Cramer's rule in what is left.
    let det = s[0] * (s[2] * s[4] - s[3] * s[3]) - s[2] * s[2] * s[2];
    let top = s[0] * (s[2] * t[2] - s[3] * t[1]) - s[2] * s[2] * t[0];
    if det.abs() < 1e-14 * s[0] * s[2] * s[4] || !det.is_finite() {
        f64::NAN
    } else {
        top / det
    }
}

/// -log10 of the two-sided p-value of a z-score, also where the p-value itself is too small for a double.
pub fn log10_p(z: f64) -> f64 {
    use std::f64::consts::{LN_10, PI, SQRT_2};
    let x = z.abs() / SQRT_2;
    if x < 20.0 {
        return -libm::erfc(x).log10() + 0.0;
    }
    // The first terms of erfc's expansion, of which the next is below 1e-8 here.
    let square = x * x;
    let series = 1.0 - 0.5 / square + 0.75 / (square * square);
    (square + (x * PI.sqrt()).ln() - series.ln()) / LN_10
}

/// |z| of a two-sided p-value, given as its -log10; NaN of NaN. A p-value of 0 (infinity) counts as the
/// smallest double, 4.9e-324: tables have 0 for what was too small to be written.
pub fn abs_z(log: f64) -> f64 {
    if log.is_nan() {
        return f64::NAN;
    }
    let wanted = if log.is_finite() {
        log.max(0.0)
    } else {
        323.306
    };
    // p is at most exp(-z^2 / 2).
    let (mut low, mut high) = (0.0, (2.0 * std::f64::consts::LN_10 * wanted).sqrt() + 1e-9);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match log10_p(middle) < wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 || a.is_nan() && b.is_nan(), "{a} {b}");
    }

    #[test]
    fn quantiles_and_p_values() {
        let (low, high) = interval((0..101).map(f64::from), 0.9).unwrap();
        close(low, 5.0);
        close(high, 95.0);
        assert_eq!(interval([f64::NAN], 0.9), None);
        // 1 to 9: none as far from 5 as 20, four of nine (and itself) as far as 3.
        let null: Vec<f64> = (1..10).map(f64::from).collect();
        close(p_from_null(20.0, &null), 0.1);
        close(p_from_null(8.0, &null), 0.5);
        close(p_from_null(5.0, &null), 1.0);
        // R: 2 * pnorm(-1.96), 2 * pnorm(-5).
        close(p_from_normal(1.96), 0.04999579029644087);
        close(p_from_normal(-5.0), 5.733031437583866e-07);
    }

    #[test]
    fn parabolas() {
        let points = (0..50).map(|i| {
            let x = f64::from(i) / 49.0;
            (x, 3.0 * x * x - 2.0 * x + 1.0, 1.0 + f64::from(i % 3))
        });
        close(curvature(points), 3.0);
        close(
            curvature([(0.0, 1.0, 1.0), (1.0, 2.0, 1.0)].into_iter()),
            f64::NAN,
        );
    }

    #[test]
    fn z_scores_of_p_values() {
        for (p, z) in [
            (0.05, 1.959_963_985),
            (5e-8, 5.451_310_444),
            (1.0, 0.0),
            (1e-300, 37.065_787_88),
        ] {
            let found = abs_z(-f64::log10(p));
            assert!((found - z).abs() < 1e-6, "{p}: {found}");
        }
        // Both formulas agree where one takes over, and beyond the doubles.
        let (below, above) = (
            log10_p(20.0 * 2f64.sqrt() - 1e-9),
            log10_p(20.0 * 2f64.sqrt() + 1e-9),
        );
        assert!((below - above).abs() < 1e-6, "{below} {above}");
        // pnorm(-100, log.p = TRUE) is -5005.524209.
        let expected = (5_005.524_209 - 2f64.ln()) / std::f64::consts::LN_10;
        assert!((abs_z(expected) - 100.0).abs() < 1e-6);
        assert!(
            (abs_z(f64::INFINITY) - 38.485).abs() < 0.01,
            "{}",
            abs_z(f64::INFINITY)
        );
        assert!(abs_z(f64::NAN).is_nan());
    }
}
