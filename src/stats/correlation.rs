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

/// Correlation of weighted rows of two lists, and what is left of it given a third.
///
/// Values are taken from their means first, so that sums of squares keep their digits.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    x: Vec<f64>,
    y: Vec<f64>,
    given: Vec<f64>,
    strata: Vec<u32>,
    count: usize,
}

impl Rows {
    /// All four lists have an entry a row. `strata` are numbers of rows that are alike.
    pub fn new(x: &[f64], y: &[f64], given: &[f64], strata: &[u32]) -> Self {
        let centred = |v: &[f64]| -> Vec<f64> {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            v.iter().map(|v| v - mean).collect()
        };
        Self {
            x: centred(x),
            y: centred(y),
            given: centred(given),
            strata: strata.to_vec(),
            count: strata.iter().max().map_or(0, |&s| s as usize + 1),
        }
    }

    /// Pearson's r of x and y alone.
    pub fn correlation(&self, weights: &[f64]) -> f64 {
        let mut sums = Weighted::default();
        for ((&x, &y), &weight) in self.x.iter().zip(&self.y).zip(weights) {
            sums.add(weight, x, y);
        }
        sums.correlation()
    }

    /// Pearson's r of x and y; their partial correlation given the third list; and r within strata:
    /// of what rows differ by from the mean of their stratum. NaN without variation.
    pub fn figures(&self, weights: &[f64]) -> [f64; 3] {
        let mut parts = vec![Weighted::default(); self.count];
        let (mut xz, mut yz) = (Weighted::default(), Weighted::default());
        for (row, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                let (x, y, z) = (self.x[row], self.y[row], self.given[row]);
                parts[self.strata[row] as usize].add(weight, x, y);
                xz.add(weight, x, z);
                yz.add(weight, y, z);
            }
        }
        let mut whole = Weighted::default();
        let mut within = [0.0; 5];
        for part in parts.iter().filter(|p| p.weight > 0.0) {
            whole.merge(part);
            let [xx, yy, xy] = part.centred();
            for (sum, add) in within.iter_mut().zip([xx, yy, xy, part.xx, part.yy]) {
                *sum += add;
            }
        }
        let [xx, yy, xy, raw_x, raw_y] = within;
        let r = whole.correlation();
        [
            r,
            partial(r, xz.correlation(), yz.correlation()),
            ratio(xy, xx, yy, raw_x, raw_y),
        ]
    }
}

/// The correlation of x and y given z, from the three correlations; NaN where z settles one of them.
pub(crate) fn partial(xy: f64, xz: f64, yz: f64) -> f64 {
    let left = (1.0 - xz * xz) * (1.0 - yz * yz);
    match left > 1e-12 {
        true => ((xy - xz * yz) / left.sqrt()).clamp(-1.0, 1.0),
        false => f64::NAN,
    }
}

/// r from sums about the mean; NaN where rounding alone is left of a variance.
fn ratio(xy: f64, xx: f64, yy: f64, raw_x: f64, raw_y: f64) -> f64 {
    if xx <= 1e-12 * raw_x || yy <= 1e-12 * raw_y {
        return f64::NAN;
    }
    (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0)
}

#[derive(Clone, Copy, Debug, Default)]
struct Weighted {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Weighted {
    fn add(&mut self, weight: f64, x: f64, y: f64) {
        let (wx, wy) = (weight * x, weight * y);
        self.weight += weight;
        self.x += wx;
        self.y += wy;
        self.xx += wx * x;
        self.yy += wy * y;
        self.xy += wx * y;
    }

    fn merge(&mut self, o: &Self) {
        self.weight += o.weight;
        self.x += o.x;
        self.y += o.y;
        self.xx += o.xx;
        self.yy += o.yy;
        self.xy += o.xy;
    }

    /// Sums of squares of x, of y, and of products, about the means.
    fn centred(&self) -> [f64; 3] {
        [
            self.xx - self.x * self.x / self.weight,
            self.yy - self.y * self.y / self.weight,
            self.xy - self.x * self.y / self.weight,
        ]
    }

    fn correlation(&self) -> f64 {
        let [xx, yy, xy] = self.centred();
        ratio(xy, xx, yy, self.xx, self.yy)
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

    /// Residuals of least squares, rows repeated by their weights, strata one by one.
    #[test]
    fn weighted_rows_equal_their_twins() {
        let mut random = super::super::Random::new(2, 0, 0);
        let n = 80;
        let z: Vec<f64> = (0..n).map(|_| 100.0 + random.normal()).collect();
        let mix = |z: &f64, e: f64| 0.7 * z + e;
        let x: Vec<f64> = z.iter().map(|z| mix(z, random.normal())).collect();
        let y: Vec<f64> = z.iter().map(|z| mix(z, random.normal())).collect();
        let strata = super::super::strata(&z, 6);
        let weights: Vec<f64> = (0..n).map(|_| random.below(3) as f64).collect();
        let rows: Vec<usize> = (0..n)
            .flat_map(|i| std::iter::repeat_n(i, weights[i] as usize))
            .collect();
        let take = |v: &[f64]| rows.iter().map(|&i| v[i]).collect::<Vec<f64>>();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let residuals = |v: &[f64], z: &[f64]| -> Vec<f64> {
            let (mv, mz) = (mean(v), mean(z));
            let cov: f64 = v.iter().zip(z).map(|(v, z)| (v - mv) * (z - mz)).sum();
            let slope = cov / z.iter().map(|z| (z - mz).powi(2)).sum::<f64>();
            (v.iter().zip(z))
                .map(|(v, z)| v - mv - slope * (z - mz))
                .collect()
        };
        let from_stratum = |v: &[f64]| -> Vec<f64> {
            (rows.iter())
                .map(|&i| {
                    let like: Vec<f64> = (rows.iter())
                        .filter(|&&j| strata[j] == strata[i])
                        .map(|&j| v[j])
                        .collect();
                    v[i] - mean(&like)
                })
                .collect()
        };
        let [r, given, within] = Rows::new(&x, &y, &z, &strata).figures(&weights);
        let (tx, ty, tz) = (take(&x), take(&y), take(&z));
        close(r, pearson(&tx, &ty));
        let ranked = Rows::new(&x, &y, &z, &strata);
        close(ranked.correlation(&weights), r);
        close(given, pearson(&residuals(&tx, &tz), &residuals(&ty, &tz)));
        close(within, pearson(&from_stratum(&x), &from_stratum(&y)));
        // Nothing is left of z given z.
        let [_, given, _] = Rows::new(&z, &y, &z, &strata).figures(&weights);
        assert!(given.is_nan());
        // The textbook's formula: r 0.5 each, so (0.5 - 0.25) / 0.75.
        close(partial(0.5, 0.5, 0.5), 1.0 / 3.0);
    }
}
