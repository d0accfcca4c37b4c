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
}
