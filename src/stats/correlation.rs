//! Correlation: of two lists at once, and from sums that add up over parts.

/// Pearson's correlation; NaN for fewer than two pairs or values that do not vary.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(x), mean(y));
    let mut sums = [0.0; 3];
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mx, y - my);
        sums[0] += dx * dy;
        sums[1] += dx * dx;
        sums[2] += dy * dy;
    }
    sums[0] / (sums[1] * sums[2]).sqrt()
}

/// Spearman's rank correlation, ties at their mean rank.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x), &ranks(y))
}

/// Ranks from 1, ties sharing the mean of theirs.
pub fn ranks<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
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
pub(crate) struct Moments {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 || a.is_nan() && b.is_nan(), "{a} {b}");
    }

    #[test]
    fn correlations() {
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
    fn ranks_share_ties() {
        assert_eq!(
            ranks(&[3.0f32, -1.0, 3.0, 0.0, -0.0]),
            [4.5, 1.0, 4.5, 2.5, 2.5]
        );
    }

    #[test]
    fn lists_and_sums_agree() {
        let mut random = super::super::Random::new(1, 0, 0);
        let mut draw = || (0..50).map(|_| random.normal()).collect::<Vec<f64>>();
        let (x, y) = (draw(), draw());
        let mut sums = Moments::default();
        x.iter().zip(&y).for_each(|(&x, &y)| sums.add(x, y));
        close(pearson(&x, &y), sums.correlation());
        // R: cor(c(1, 2, 3, 4), c(1, 3, 2, 9), method = "spearman")
        close(spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 9.0]), 0.8);
        assert!(pearson(&[1.0, 1.0], &[0.0, 2.0]).is_nan());
    }
}
