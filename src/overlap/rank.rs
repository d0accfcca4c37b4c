//! Bases ranked by score: what falls above a rank, and areas under ROC curves, with ties shared out
//! exactly. Nothing here needs the ranks in one go: every distinct value adds its own part.

use super::counter::Distinct;

/// False positive rates up to which partial areas are taken.
pub(super) const PARTIAL: [f64; 3] = [0.005, 0.01, 0.05];

/// Bins of at most so many bases are summed value by value in the order of rank, as SHARPR does, so
/// that means agree to the last digit; larger ones as value times count.
const SUMMED_ONE_BY_ONE: u64 = 1 << 16;

/// Area under a ROC curve, whole and for the first false positives (not divided by the rate: a
/// ranking at random gives rate^2 / 2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Roc {
    pub area: f64,
    pub partial: [f64; 3],
}

impl Roc {
    /// Adds a group of `n` tied bases, `hits` of them in the annotation, ranked behind `before`
    /// bases with `hits_before` of them in it; of `total` and `positives` in all.
    fn add(
        &mut self,
        n: u64,
        hits: u64,
        before: u64,
        hits_before: u64,
        total: u64,
        positives: u64,
    ) {
        let negatives = (total - positives) as f64;
        let scale = positives as f64 * negatives;
        if scale == 0.0 {
            *self = Self {
                area: f64::NAN,
                partial: [f64::NAN; 3],
            };
            return;
        }
        let (wrong, right) = ((n - hits) as f64, hits as f64);
        let (wrong_before, right_before) = ((before - hits_before) as f64, hits_before as f64);
        self.area += wrong * (right_before + right / 2.0) / scale;
        for (area, rate) in self.partial.iter_mut().zip(PARTIAL) {
            let share = (rate * negatives - wrong_before).clamp(0.0, wrong);
            if share > 0.0 {
                *area += share * (right_before + right * (share / wrong) / 2.0) / scale;
            }
        }
    }
}

/// What is asked about one track and its annotations.
#[derive(Debug)]
pub(super) struct Ranking {
    /// Bases.
    pub n: u64,
    /// Bases in each annotation.
    pub hits: Vec<u64>,
    /// Ends of the bins, as ranks from the top.
    pub edges: Vec<u64>,
    /// Sum of the scores of each bin.
    pub sums: Vec<f64>,
    /// Ranks at which hits are asked for.
    cuts: Vec<u64>,
    /// Expected hits above each, for each annotation.
    above: Vec<Vec<f64>>,
    /// For each annotation: by score, by minus score, by |score|.
    pub roc: Vec<[Roc; 3]>,
    /// Sum of |score|: over all, and over each annotation.
    pub sum_absolute: f64,
    pub sum_absolute_hits: Vec<f64>,
    next_cut: usize,
    next_bin: usize,
    decimal: bool,
}

/// ceil(n * share).
pub(super) fn rank_of(n: u64, share: f64) -> u64 {
    ((n as f64 * share).ceil() as u64).clamp(1, n.max(1))
}

impl Ranking {
    pub fn new(n: u64, hits: Vec<u64>, bins: u64, shares: &[f64], decimal: bool) -> Self {
        let edge = |i: u64| (u128::from(n) * u128::from(i)).div_ceil(u128::from(bins)) as u64;
        let edges: Vec<u64> = (1..=bins).map(edge).collect();
        let mut cuts: Vec<u64> = edges.iter().flat_map(|&e| [e, n - e]).collect();
        for &share in shares {
            let rank = rank_of(n, share);
            cuts.extend([rank, n - rank]);
        }
        cuts.sort_unstable();
        cuts.dedup();
        let sets = hits.len();
        Self {
            n,
            edges,
            sums: vec![0.0; bins as usize],
            above: vec![vec![0.0; cuts.len()]; sets],
            cuts,
            roc: vec![[Roc::default(); 3]; sets],
            sum_absolute: 0.0,
            sum_absolute_hits: vec![0.0; sets],
            hits,
            next_cut: 0,
            next_bin: 0,
            decimal,
        }
    }

    /// Before groups are added in order of rank, from the one behind `before` bases on.
    pub fn seek(&mut self, before: u64) {
        self.next_cut = self.cuts.partition_point(|&c| c <= before);
        self.next_bin = self.edges.partition_point(|&e| e <= before);
    }

    /// Adds one distinct score.
    pub fn add(&mut self, group: &Distinct, before: u64, hits_before: &[u64]) {
        let end = before + group.n;
        let value = match self.decimal {
            // The f64 that the text's decimal means, of which the f32 is only the nearest one.
            true => format!("{}", group.value)
                .parse()
                .unwrap_or(f64::from(group.value)),
            false => f64::from(group.value),
        };
        self.sum_absolute += value.abs() * group.n as f64;
        while self.next_cut < self.cuts.len() && self.cuts[self.next_cut] <= end {
            let share = (self.cuts[self.next_cut] - before) as f64 / group.n as f64;
            for ((above, &hits), &earlier) in self.above.iter_mut().zip(group.hits).zip(hits_before)
            {
                above[self.next_cut] = earlier as f64 + hits as f64 * share;
            }
            self.next_cut += 1;
        }
        let mut at = before;
        while at < end {
            let bin = self.next_bin;
            let stop = self.edges[bin].min(end);
            let size = self.edges[bin] - if bin > 0 { self.edges[bin - 1] } else { 0 };
            if size <= SUMMED_ONE_BY_ONE {
                for _ in at..stop {
                    self.sums[bin] += value;
                }
            } else {
                self.sums[bin] += value * (stop - at) as f64;
            }
            at = stop;
            if stop == self.edges[bin] {
                self.next_bin += 1;
            }
        }
        for (i, (&hits, &earlier)) in group.hits.iter().zip(hits_before).enumerate() {
            let (all, positives) = (self.n, self.hits[i]);
            self.sum_absolute_hits[i] += value.abs() * hits as f64;
            self.roc[i][0].add(group.n, hits, before, earlier, all, positives);
            self.roc[i][1].add(
                group.n,
                hits,
                all - before - group.n,
                positives - earlier - hits,
                all,
                positives,
            );
        }
    }

    /// Adds one distinct |score|.
    pub fn add_absolute(&mut self, group: &Distinct, before: u64, hits_before: &[u64]) {
        for (i, (&hits, &earlier)) in group.hits.iter().zip(hits_before).enumerate() {
            self.roc[i][2].add(group.n, hits, before, earlier, self.n, self.hits[i]);
        }
    }

    /// Expected hits of annotation `set` among the `rank` highest bases; `rank` must be one of the
    /// cuts, 0 or n.
    pub fn above(&self, set: usize, rank: u64) -> f64 {
        match self.cuts.binary_search(&rank) {
            _ if rank == 0 => 0.0,
            Ok(i) => self.above[set][i],
            Err(_) => f64::NAN,
        }
    }

    /// Overall fraction in annotation `set`.
    pub fn fraction(&self, set: usize) -> f64 {
        self.hits[set] as f64 / self.n as f64
    }

    /// Fold over the overall fraction among the `rank` highest bases.
    pub fn fold_top(&self, set: usize, rank: u64) -> f64 {
        self.above(set, rank) / rank as f64 / self.fraction(set)
    }

    /// Fold over the overall fraction among the `rank` lowest bases.
    pub fn fold_bottom(&self, set: usize, rank: u64) -> f64 {
        let hits = self.hits[set] as f64 - self.above(set, self.n - rank);
        hits / rank as f64 / self.fraction(set)
    }

    /// Fraction of each bin in annotation `set`.
    pub fn bin_fractions(&self, set: usize) -> Vec<f64> {
        let mut last = (0, 0.0);
        let fraction = |&edge: &u64| {
            let above = self.above(set, edge);
            let f = (above - last.1) / (edge - last.0) as f64;
            last = (edge, above);
            f
        };
        self.edges.iter().map(fraction).collect()
    }
}
