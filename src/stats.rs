//! Small statistics with closed forms in their tests.

/// Random numbers that depend on nothing but their seeds (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A stream for a seed and two numbers, such as a replicate and a block.
    pub fn new(seed: u64, a: u64, b: u64) -> Self {
        let mut mixed = Self(seed);
        let first = mixed.next();
        mixed.0 = first ^ a.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let second = mixed.next();
        mixed.0 = second ^ b.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7);
        mixed
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (which is not 0); the bias of at most n / 2^64 does not matter here.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

/// The central `share` of values, by linear interpolation between order statistics. NaN are left
/// out; `None` when nothing is left.
pub(super) fn interval(values: impl IntoIterator<Item = f64>, share: f64) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - share) / 2.0;
    Some((quantile(&sorted, tail)?, quantile(&sorted, 1.0 - tail)?))
}

/// Quantile of ascending values (R's type 7, numpy's default).
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let low = sorted[at.floor() as usize];
    let high = sorted[at.ceil() as usize];
    Some(low + (high - low) * at.fract())
}

/// Two-sided p-value of a statistic among those of `null`, the observed one counted with them:
/// how often one lies as far from their mean.
pub(super) fn p_from_null(observed: f64, null: &[f64]) -> f64 {
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
pub(super) fn p_from_normal(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Benjamini and Hochberg's q-values (1995); NaN stay NaN and count for nothing.
pub(super) fn q_values(p: &[f64]) -> Vec<f64> {
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

/// Ranks from 1, ties sharing the mean of theirs.
pub(super) fn ranks<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    let value = |at: u32| -> f64 { values[at as usize].into() };
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let equal = value(order[from]);
        let mut to = from + 1;
        // `==`, not bits: both zeros are one value.
        while to < order.len() && value(order[to]) == equal {
            to += 1;
        }
        let rank = (from + to + 1) as f64 / 2.0;
        for &i in &order[from..to] {
            ranks[i as usize] = rank;
        }
        from = to;
    }
    ranks
}

/// Sums from which a correlation follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    pub fn merge(&mut self, o: &Self) {
        self.n += o.n;
        self.x += o.x;
        self.y += o.y;
        self.xx += o.xx;
        self.yy += o.yy;
        self.xy += o.xy;
    }

    /// Sum of squares of y about its mean.
    pub fn scatter_of_y(&self) -> f64 {
        self.yy - self.y * self.y / self.n
    }

    /// Pearson's r; NaN without variation.
    pub fn correlation(&self) -> f64 {
        let cov = self.xy - self.x * self.y / self.n;
        let vx = self.xx - self.x * self.x / self.n;
        let vy = self.yy - self.y * self.y / self.n;
        // What rounding leaves of a variance of zero is not variation.
        if vx <= 1e-12 * self.xx || vy <= 1e-12 * self.yy {
            return f64::NAN;
        }
        (cov / (vx * vy).sqrt()).clamp(-1.0, 1.0)
    }
}

/// The coefficient of x^2 in the weighted least-squares parabola through points; NaN with fewer
/// than three places.
pub(super) fn curvature(points: impl Iterator<Item = (f64, f64, f64)> + Clone) -> f64 {
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
        close(quantile(&[1.0, 2.0], 0.5).unwrap(), 1.5);
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
    fn benjamini_hochberg() {
        // R 4: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.9), "BH")
        let q = q_values(&[0.01, 0.04, 0.03, f64::NAN, 0.005, 0.9]);
        for (q, expected) in q.iter().zip([0.025, 0.05, 0.05, f64::NAN, 0.025, 0.9]) {
            close(*q, expected);
        }
    }

    #[test]
    fn correlations() {
        assert_eq!(
            ranks(&[3.0f32, -1.0, 3.0, 0.0, -0.0]),
            [4.5, 1.0, 4.5, 2.5, 2.5]
        );
        let r = |points: &[(f64, f64)]| {
            let mut m = Moments::default();
            points.iter().for_each(|&(x, y)| m.add(x, y));
            m.correlation()
        };
        close(r(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]), 1.0);
        close(r(&[(1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]), -1.0);
        // cov = 1, variances 2 and 2 (sums): 0.5.
        close(r(&[(0.0, 0.0), (1.0, 2.0), (2.0, 1.0)]), 0.5);
        close(r(&[(0.1, 0.3), (0.1, 2.0), (0.1, 1.0)]), f64::NAN);
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
    fn random_numbers_are_spread() {
        let mut r = Random::new(1, 2, 3);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[r.below(10) as usize] += 1;
        }
        // Six standard deviations of a binomial(1e5, 0.1): 570.
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 570),
            "{counts:?}"
        );
        assert_ne!(Random::new(1, 2, 3).next(), Random::new(1, 3, 2).next());
    }
}
