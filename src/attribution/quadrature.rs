/// Points in 0..1 and their weights, which add up to 1: the Gauss-Legendre rule of so many points, exact for polynomials of
/// twice as many terms (Golub and Welsch 1969; here by Newton's method from Chebyshev's points).
pub(super) fn gauss_legendre(points: usize) -> Vec<(f64, f64)> {
    let n = points as f64;
    // The polynomial of degree `points` and its slope at x.
    let legendre = |x: f64| {
        let (mut before, mut value) = (1.0, x);
        for k in 2..=points {
            let k = k as f64;
            (before, value) = (
                value,
                ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
            );
        }
        (value, n * (x * value - before) / (x * x - 1.0))
    };
    let mut rule: Vec<(f64, f64)> = (0..points)
        .map(|i| {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n + 0.5)).cos();
            for _ in 0..100 {
                let (value, slope) = legendre(x);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            let (_, slope) = legendre(x);
            (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect();
    rule.sort_by(|a, b| a.0.total_cmp(&b.0));
    rule
}

#[cfg(test)]
mod tests {
    use super::gauss_legendre;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for points in [1, 2, 3, 7, 20, 50, 301] {
            let rule = gauss_legendre(points);
            assert!(rule.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for degree in [0, 1, points, 2 * points - 1] {
                let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
                let exact = 1.0 / (degree as f64 + 1.0);
                assert!(
                    (sum - exact).abs() < 1e-13,
                    "{points} points, degree {degree}: {sum}"
                );
            }
        }
    }
}
