//! Bins of a covariate, and folds.

use std::collections::HashMap;
use std::hash::Hash;

use crate::stats::Random;

/// Hypotheses in bins of about equal count by their covariate; those without one are a bin of their
/// own, the last.
#[derive(Clone, Debug, Default)]
pub struct Bins {
    /// The bin of each hypothesis.
    pub of: Vec<u16>,
    /// Least and greatest covariate of each bin; `None` for the one without.
    pub ranges: Vec<Option<(f64, f64)>>,
    /// Hypotheses in each.
    pub counts: Vec<usize>,
    least: usize,
}

impl Bins {
    /// At most `most` bins (and the one of missing covariates, NaN) of at least `least` hypotheses;
    /// fewer where there are too few hypotheses or distinct values. Equal covariates share a bin.
    pub fn new(covariate: &[f64], most: usize, least: usize) -> Self {
        let (most, least) = (most.clamp(1, usize::from(u16::MAX) - 1), least.max(1));
        let mut sorted: Vec<f64> = covariate.iter().copied().filter(|x| !x.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let all = sorted.len();
        let mut bins = Self {
            least,
            ..Self::default()
        };
        let mut starts = Vec::new();
        let mut at = 0;
        while at < all {
            let left = (most - starts.len()).min((all - at) / least).max(1);
            let last = sorted[at + (all - at) / left - 1];
            // `<=`, not bits: both zeros are one value.
            let mut end = at + sorted[at..].partition_point(|x| *x <= last);
            if all - end < least || left == 1 {
                end = all;
            }
            starts.push(sorted[at]);
            bins.ranges.push(Some((sorted[at], sorted[end - 1])));
            bins.counts.push(end - at);
            at = end;
        }
        let missing = bins.ranges.len();
        if all < covariate.len() {
            bins.ranges.push(None);
            bins.counts.push(covariate.len() - all);
        }
        let of = |x: f64| match x.is_nan() {
            true => missing,
            false => starts.partition_point(|s| *s <= x).saturating_sub(1),
        };
        bins.of = covariate.iter().map(|&x| of(x) as u16).collect();
        bins
    }

    /// How many there are, that of missing covariates included.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no hypothesis.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bins whose weights are learnt. The bin without covariates is one of them if it is large
    /// enough for a bin.
    pub fn learnt(&self) -> Vec<bool> {
        (self.ranges.iter().zip(&self.counts))
            .map(|(range, count)| range.is_some() || *count >= self.least)
            .collect()
    }

    /// What tables call a bin: its number from 1, or `missing`.
    pub fn name(&self, bin: usize) -> String {
        match self.ranges[bin] {
            Some(_) => (bin + 1).to_string(),
            None => "missing".into(),
        }
    }
}

/// What stays together in a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldBy {
    /// Contigs if they fill the folds, else blocks, else (without places) single hypotheses.
    Auto,
    /// Contigs.
    Contig,
    /// Stretches of contigs.
    Block,
    /// Nothing: hypotheses are dealt out at random.
    Random,
}

impl FoldBy {
    /// As in flags and `run.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Contig => "contig",
            Self::Block => "block",
            Self::Random => "random",
        }
    }
}

/// Deals groups out to folds of about equal count: the largest first, each to the fold that has
/// least so far. `None` where there are fewer groups than folds.
pub fn deal<K: Hash + Ord + Copy>(groups: &[K], folds: usize) -> Option<Vec<u16>> {
    let mut counts: HashMap<K, usize> = HashMap::new();
    for group in groups {
        *counts.entry(*group).or_default() += 1;
    }
    if counts.len() < folds || folds == 0 {
        return None;
    }
    let mut order: Vec<(K, usize)> = counts.into_iter().collect();
    order.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut sizes = vec![0; folds];
    let mut fold_of: HashMap<K, u16> = HashMap::with_capacity(order.len());
    for (group, count) in order {
        let (mut fold, mut least) = (0, usize::MAX);
        for (i, &size) in sizes.iter().enumerate() {
            if size < least {
                (fold, least) = (i, size);
            }
        }
        sizes[fold] += count;
        fold_of.insert(group, fold as u16);
    }
    Some(groups.iter().map(|g| fold_of[g]).collect())
}

/// Deals single hypotheses out at random.
pub fn deal_at_random(hypotheses: usize, folds: usize, seed: u64) -> Vec<u16> {
    let mut order: Vec<usize> = (0..hypotheses).collect();
    let mut random = Random::new(seed, 0, 0);
    for i in (1..hypotheses).rev() {
        order.swap(i, random.below(i as u64 + 1) as usize);
    }
    let mut of = vec![0; hypotheses];
    for (place, i) in order.into_iter().enumerate() {
        of[i] = (place % folds.max(1)) as u16;
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_about_equal_count() {
        let x: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        let bins = Bins::new(&x, 4, 10);
        assert_eq!(bins.counts, [25; 4]);
        assert_eq!(bins.ranges[1], Some((25.0, 49.0)));
        for (x, bin) in x.iter().zip(&bins.of) {
            let (low, high) = bins.ranges[usize::from(*bin)].unwrap();
            assert!(low <= *x && *x <= high);
        }
        // Too few for so many.
        assert_eq!(Bins::new(&x, 20, 30).counts, [33, 33, 34]);
        assert_eq!(Bins::new(&x, 20, 101).counts, [100]);
        // Ties: 70 zeros of either sign fill bins of their own; nothing small is left over.
        let mut x = vec![0.0; 70];
        x[3] = -0.0;
        x.extend((1..=30).map(f64::from));
        x.extend([f64::NAN; 5]);
        let bins = Bins::new(&x, 4, 10);
        assert_eq!(bins.counts, [70, 10, 10, 10, 5]);
        assert_eq!((bins.name(0), bins.name(4)), ("1".into(), "missing".into()));
        assert_eq!(bins.learnt(), [true, true, true, true, false]);
        assert!(bins.of[..70].iter().all(|b| *b == 0) && bins.of[100..] == [4; 5]);
        assert_eq!(Bins::new(&x, 4, 25).counts, [70, 30, 5]);
        assert_eq!(Bins::new(&[1.0; 9], 3, 2).counts, [9]);
        assert!(Bins::new(&[], 3, 2).is_empty());
    }

    #[test]
    fn folds_keep_groups_together_and_are_of_like_size() {
        let groups: Vec<u32> = (0..1000).map(|i| (i * i) % 101).collect();
        let of = deal(&groups, 5).unwrap();
        let mut sizes = [0; 5];
        let mut seen: HashMap<u32, u16> = HashMap::new();
        for (g, f) in groups.iter().zip(&of) {
            sizes[usize::from(*f)] += 1;
            assert_eq!(*seen.entry(*g).or_insert(*f), *f);
        }
        assert!(sizes.iter().all(|n| (150..=250).contains(n)), "{sizes:?}");
        assert_eq!(deal(&[1, 1, 2], 3), None);
        let of = deal_at_random(1002, 5, 1);
        assert_eq!(of, deal_at_random(1002, 5, 1));
        assert_ne!(of, deal_at_random(1002, 5, 2));
        let count = |f| of.iter().filter(|g| **g == f).count();
        assert_eq!((count(0), count(4)), (201, 200));
    }
}
