//! How well scores tell two classes apart, from ranks: ties count half, rows may have weights.

/// Rows in order of their scores, ties together: what stays the same whatever the rows' weights are.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// Rows, the least score first.
    order: Vec<u32>,
    /// End in `order` of each run of equal scores.
    ends: Vec<u32>,
}

impl Ranking {
    /// Of these rows of `scores`, none of them NaN.
    pub fn new(scores: &[f64], rows: impl IntoIterator<Item = u32>) -> Self {
        let mut order: Vec<u32> = rows.into_iter().collect();
        let score = |row: u32| scores[row as usize];
        order.sort_unstable_by(|&a, &b| score(a).total_cmp(&score(b)).then(a.cmp(&b)));
        let mut ends = Vec::new();
        for at in 1..=order.len() {
            // `!=`, not bits: both zeros are one score.
            if order
                .get(at)
                .is_none_or(|&row| score(row) != score(order[at - 1]))
            {
                ends.push(at as u32);
            }
        }
        Self { order, ends }
    }

    /// Weights of the positive and the negative rows of each run of equal scores, the least first.
    fn runs<'a>(
        &'a self,
        positive: &'a [bool],
        weights: &'a [f64],
    ) -> impl DoubleEndedIterator<Item = (f64, f64)> + 'a {
        (0..self.ends.len()).map(move |i| {
            let from = i.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
            let (mut p, mut n) = (0.0, 0.0);
            for &row in &self.order[from..self.ends[i] as usize] {
                let weight = weights[row as usize];
                if positive[row as usize] {
                    p += weight;
                } else {
                    n += weight;
                }
            }
            (p, n)
        })
    }

    /// The weight of the pairs of a positive and a negative row in which the positive one has the
    /// higher score, ties by half, and of all such pairs.
    pub fn concordance(&self, positive: &[bool], weights: &[f64]) -> (f64, f64) {
        let (mut below, mut positives, mut right) = (0.0, 0.0, 0.0);
        for (p, n) in self.runs(positive, weights) {
            right += p * (below + 0.5 * n);
            below += n;
            positives += p;
        }
        (right, positives * below)
    }

    /// The area under the ROC curve; NaN where a class is missing.
    pub fn auroc(&self, positive: &[bool], weights: &[f64]) -> f64 {
        let (right, pairs) = self.concordance(positive, weights);
        right / pairs
    }

    /// Average precision: the sum over the distinct scores, the highest first, of the gain in recall
    /// times the precision there (no interpolation). NaN without a positive row.
    pub fn average_precision(&self, positive: &[bool], weights: &[f64]) -> f64 {
        let (mut found, mut taken, mut sum) = (0.0, 0.0, 0.0);
        for (p, n) in self.runs(positive, weights).rev() {
            found += p;
            taken += p + n;
            if p > 0.0 {
                sum += p * found / taken;
            }
        }
        sum / found
    }
}

/// Rows cut into at most `count` strata of about equal size by rank; equal values are in one stratum.
/// The stratum of a row does not depend on the order of the rows.
pub fn strata(values: &[f64], count: usize) -> Vec<u32> {
    let most = count.max(1) as f64;
    let rows = values.len() as f64;
    (super::ranks(values).into_iter())
        .map(|rank| (most * (rank - 0.5) / rows).min(most - 1.0) as u32)
        .collect()
}

/// The rankings of each stratum on its own.
#[derive(Clone, Debug, Default)]
pub struct StrataRanking(Vec<Ranking>);

impl StrataRanking {
    /// Of all rows of `scores`, by their stratum.
    pub fn new(scores: &[f64], strata: &[u32]) -> Self {
        let most = strata.iter().max().map_or(0, |&s| s as usize + 1);
        let mut rows = vec![Vec::new(); most];
        for (row, &stratum) in strata.iter().enumerate() {
            rows[stratum as usize].push(row as u32);
        }
        let rankings = rows.into_iter().map(|rows| Ranking::new(scores, rows));
        Self(rankings.collect())
    }

    /// The share of pairs of a positive and a negative row of one stratum in which the positive one
    /// has the higher score: the AUROC that is left when rows are compared with their like alone.
    pub fn auroc(&self, positive: &[bool], weights: &[f64]) -> f64 {
        let (mut right, mut pairs) = (0.0, 0.0);
        for ranking in &self.0 {
            let (r, p) = ranking.concordance(positive, weights);
            right += r;
            pairs += p;
        }
        right / pairs
    }
}

#[cfg(test)]
mod tests {
    use super::super::Random;
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12 || a.is_nan() && b.is_nan(), "{a} {b}");
    }

    fn all(scores: &[f64]) -> Ranking {
        Ranking::new(scores, 0..scores.len() as u32)
    }

    #[test]
    fn by_hand() {
        // scikit-learn's examples: roc_auc_score and average_precision_score of these are 0.75, 0.83...
        let scores = [0.1, 0.4, 0.35, 0.8];
        let positive = [false, false, true, true];
        let one = [1.0; 4];
        close(all(&scores).auroc(&positive, &one), 0.75);
        close(
            all(&scores).average_precision(&positive, &one),
            (1.0 + 2.0 / 3.0) / 2.0,
        );
        // Scores that say nothing: 0.5, and the share of positives.
        close(all(&[2.0; 4]).auroc(&positive, &one), 0.5);
        close(all(&[2.0; 4]).average_precision(&positive, &one), 0.5);
        close(all(&[0.0, -0.0]).auroc(&[true, false], &one), 0.5);
        assert!(all(&scores).auroc(&[true; 4], &one).is_nan());
        assert!(all(&scores).average_precision(&[false; 4], &one).is_nan());
    }

    /// Each pair on its own; each threshold on its own; a row of weight 3 thrice.
    #[test]
    fn brute_force_twins() {
        for seed in 0..30 {
            let mut random = Random::new(seed, 1, 0);
            let rows = 3 + random.index(40);
            let scores: Vec<f64> = (0..rows).map(|_| random.below(12) as f64).collect();
            let positive: Vec<bool> = (0..rows).map(|_| random.below(3) == 0).collect();
            let weights: Vec<f64> = (0..rows).map(|_| random.below(4) as f64).collect();
            let gc: Vec<f64> = (0..rows).map(|_| random.below(9) as f64).collect();
            let strata = strata(&gc, 4);
            let repeated: Vec<usize> = (0..rows)
                .flat_map(|row| std::iter::repeat_n(row, weights[row] as usize))
                .collect();
            let pairs = |same: bool| {
                let (mut right, mut count) = (0.0, 0.0);
                for &p in repeated.iter().filter(|&&p| positive[p]) {
                    for &n in repeated.iter().filter(|&&n| !positive[n]) {
                        if same && strata[p] != strata[n] {
                            continue;
                        }
                        count += 1.0;
                        right += match scores[p].total_cmp(&scores[n]) {
                            std::cmp::Ordering::Greater => 1.0,
                            std::cmp::Ordering::Equal => 0.5,
                            std::cmp::Ordering::Less => 0.0,
                        };
                    }
                }
                right / count
            };
            close(all(&scores).auroc(&positive, &weights), pairs(false));
            let within = StrataRanking::new(&scores, &strata);
            close(within.auroc(&positive, &weights), pairs(true));

            let positives = repeated.iter().filter(|&&r| positive[r]).count() as f64;
            let (mut sum, mut recall) = (0.0, 0.0);
            for threshold in (0..12).rev() {
                let at_least: Vec<&usize> = (repeated.iter())
                    .filter(|&&r| scores[r] >= f64::from(threshold))
                    .collect();
                let hits = at_least.iter().filter(|&&&r| positive[r]).count() as f64;
                if !at_least.is_empty() {
                    let precision = hits / at_least.len() as f64;
                    sum += (hits / positives - recall) * precision;
                    recall = hits / positives;
                }
            }
            close(all(&scores).average_precision(&positive, &weights), sum);
        }
    }

    #[test]
    fn strata_are_about_equal_and_keep_ties_together() {
        let values: Vec<f64> = (0..100).map(|i| f64::from((i * 37) % 100)).collect();
        let cut = strata(&values, 20);
        for stratum in 0..20 {
            assert_eq!(cut.iter().filter(|&&s| s == stratum).count(), 5);
        }
        for (value, stratum) in values.iter().zip(&cut) {
            assert_eq!(*stratum, (*value / 5.0) as u32);
        }
        let tied = strata(&[1.0, 0.0, 1.0, 1.0, 2.0], 5);
        assert_eq!(tied, [2, 0, 2, 2, 4]);
        assert_eq!(strata(&[3.0; 7], 20), [10; 7]);
        assert_eq!(strata(&[1.0, 2.0], 1), [0, 0]);
        assert!(strata(&[], 20).is_empty());
    }
}
