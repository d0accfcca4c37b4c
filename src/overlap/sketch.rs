//! Scores in some hundred levels, counted block by block: what resampling and shifting work on, so
//! that neither needs the scores again. Level edges are quantiles of a sample; all exact figures
//! come from the counters, only intervals and p-values from here.

use crate::genome::Interval;
use crate::stats::{self, Random};

/// Percentiles at which levels end, of the scores from both ends and of the |scores|.
const SHARES: [f64; 27] = [
    0.001, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 0.999,
];

/// Statistics that get an interval and a p-value, in order.
pub(super) const STATISTICS: [&str; 8] = [
    "auc",
    "auc_absolute",
    "fold_top_1",
    "fold_top_5",
    "fold_bottom_1",
    "fold_bottom_5",
    "curvature",
    "both_ends",
];
pub(super) type Statistics = [f64; STATISTICS.len()];

/// Share of all bases below which levels are joined for the band.
const THIN: f64 = 0.004;

/// No score.
pub(super) const NONE: u16 = u16::MAX;

/// Levels from the highest scores (0) to the lowest, mirrored around zero, so that each pair is a
/// level of |score|.
#[derive(Debug)]
pub(super) struct Levels {
    /// Bits of the |score| at which a level begins, ascending.
    edges: Vec<u32>,
    /// For each upper half of the bits, the edges below it and in it.
    index: Vec<(u16, u16)>,
}

impl Levels {
    pub fn new(mut sample: Vec<f32>) -> Self {
        sample.retain(|v| !v.is_nan());
        let size = |v: f32| (v.abs()).to_bits();
        let at = |sorted: &[f32], share: f64| {
            let i = (sorted.len() as f64 * share) as usize;
            sorted.get(i).map(|&v| size(v))
        };
        sample.sort_unstable_by(f32::total_cmp);
        let mut edges: Vec<u32> = SHARES.iter().filter_map(|&s| at(&sample, s)).collect();
        sample.iter_mut().for_each(|v| *v = v.abs());
        sample.sort_unstable_by(f32::total_cmp);
        edges.extend(SHARES.iter().filter_map(|&s| at(&sample, s)));
        edges.sort_unstable();
        edges.dedup();
        edges.retain(|&e| e > 0);
        let below = |bits: u32| edges.partition_point(|&e| e < bits) as u16;
        let index = (0u32..1 << 15)
            .map(|high| (below((high << 16) + 1), below((high + 1) << 16)))
            .collect();
        Self { edges, index }
    }

    pub fn len(&self) -> usize {
        2 * self.edges.len() + 2
    }

    /// The level of a score, [`NONE`] for NaN.
    pub fn of(&self, value: f32) -> u16 {
        if value.is_nan() {
            return NONE;
        }
        let bits = value.to_bits() & 0x7fff_ffff;
        let (low, high) = self.index[(bits >> 16) as usize];
        let inside = &self.edges[low as usize..high as usize];
        let size = low + inside.partition_point(|&e| e <= bits) as u16;
        let middle = self.edges.len() as u16;
        if value < 0.0 {
            middle + 1 + size
        } else {
            middle - size
        }
    }

    /// Statistics of bases counted by level: `n` in all, `hits` in the annotation.
    pub fn statistics(&self, n: &[u64], hits: &[u64]) -> Statistics {
        let total: u64 = n.iter().sum();
        let positives: u64 = hits.iter().sum();
        let overall = positives as f64 / total as f64;
        let area = |groups: &mut dyn Iterator<Item = (u64, u64)>| {
            let (mut right, mut area) = (0u64, 0.0);
            for (n, hits) in groups {
                area += (n - hits) as f64 * (right as f64 + hits as f64 / 2.0);
                right += hits;
            }
            area / (positives as f64 * (total - positives) as f64)
        };
        let pairs = n.iter().copied().zip(hits.iter().copied());
        let auc = area(&mut pairs.clone());
        let last = n.len() - 1;
        let auc_absolute =
            area(&mut (0..n.len() / 2).map(|i| (n[i] + n[last - i], hits[i] + hits[last - i])));
        let fold = |groups: &mut dyn Iterator<Item = (u64, u64)>, share: f64| {
            let mut left = total as f64 * share;
            let mut found = 0.0;
            for (n, hits) in groups {
                if n > 0 && left > 0.0 {
                    let part = (left / n as f64).min(1.0);
                    found += hits as f64 * part;
                    left -= n as f64;
                }
            }
            found / (total as f64 * share) / overall
        };
        let mut before = 0u64;
        let points: Vec<(f64, f64, f64)> = pairs
            .clone()
            .filter(|p| p.0 > 0)
            .map(|(n, hits)| {
                let x = (before as f64 + n as f64 / 2.0) / total as f64;
                before += n;
                (x, hits as f64 / n as f64 / overall, n as f64)
            })
            .collect();
        let top = [0.01, 0.05].map(|s| fold(&mut pairs.clone(), s));
        let bottom = [0.01, 0.05].map(|s| fold(&mut pairs.clone().rev(), s));
        [
            auc,
            auc_absolute,
            top[0],
            top[1],
            bottom[0],
            bottom[1],
            stats::curvature(points.into_iter()),
            top[1].min(bottom[1]),
        ]
    }
}

/// Bases of one block by level: all, then those in each annotation (`[1 + annotation][level]`).
pub(super) fn count_block(
    levels: &[u16],
    count: usize,
    sets: &[Vec<std::ops::Range<usize>>],
) -> Vec<u32> {
    let mut out = vec![0u32; count * (1 + sets.len())];
    let mut add = |set: usize, part: &[u16]| {
        let row = &mut out[set * count..][..count];
        for &level in part {
            if level != NONE {
                row[level as usize] += 1;
            }
        }
    };
    add(0, levels);
    for (set, ranges) in sets.iter().enumerate() {
        for range in ranges {
            add(set + 1, &levels[range.clone()]);
        }
    }
    out
}

/// Adds to `null[shift][annotation][level]` what the annotations would hit if those of this block were
/// turned in a circle, all of them by the same distance.
pub(super) fn shift_block(
    levels: &[u16],
    count: usize,
    sets: &[Vec<std::ops::Range<usize>>],
    shifts: u64,
    seed: u64,
    block: u64,
    null: &mut [u64],
) {
    if sets.iter().all(Vec::is_empty) {
        return;
    }
    let len = levels.len();
    let mut random = Random::new(seed, u64::MAX, block);
    for shift in 0..shifts as usize {
        let by = random.below(len as u64) as usize;
        for (set, ranges) in sets.iter().enumerate() {
            let row = &mut null[(shift * sets.len() + set) * count..][..count];
            let mut add = |part: &[u16]| {
                for &level in part {
                    if level != NONE {
                        row[level as usize] += 1;
                    }
                }
            };
            for range in ranges {
                let (start, end) = (range.start + by, range.end + by);
                if start >= len {
                    add(&levels[start - len..end - len]);
                } else {
                    add(&levels[start..end.min(len)]);
                    add(&levels[..end.saturating_sub(len)]);
                }
            }
        }
    }
}

/// Where the sets meet a block, as indices of its values.
pub(super) fn ranges(
    sets: &[crate::intervals::Placed],
    contig: u32,
    span: Interval,
) -> Vec<Vec<std::ops::Range<usize>>> {
    sets.iter()
        .map(|set| {
            set.within(contig, span)
                .map(|i| i.indices_from(span.start()))
                .collect()
        })
        .collect()
}

/// Interval and p-value of each statistic, and the interval of the fraction in each level.
#[derive(Clone, Debug)]
pub(super) struct Uncertainty {
    pub low: Statistics,
    pub high: Statistics,
    pub p: Statistics,
    /// Percentile at which a run of levels begins and ends, interval of its fraction.
    pub band: Vec<[f64; 4]>,
}

/// Block histograms and shifted hits of a track.
#[derive(Debug)]
pub(super) struct Sketch {
    pub levels: Levels,
    /// `[1 + annotation][level]` of every block with scores, in order.
    pub blocks: Vec<Vec<u32>>,
    /// `[shift][annotation][level]`.
    pub null: Vec<u64>,
}

impl Sketch {
    /// `exact` are the exact statistics of each annotation, on which intervals are centred.
    pub fn uncertainty(
        &self,
        exact: &[Statistics],
        replicates: u64,
        share: f64,
        seed: u64,
    ) -> Vec<Uncertainty> {
        use rayon::prelude::*;
        let count = self.levels.len();
        let sets = exact.len();
        let mut whole = vec![0u64; count * (1 + sets)];
        let add = |sum: &mut [u64], block: &[u32]| {
            for (s, &b) in sum.iter_mut().zip(block) {
                *s += u64::from(b);
            }
        };
        self.blocks.iter().for_each(|b| add(&mut whole, b));
        let resampled: Vec<Vec<u64>> = (0..replicates)
            .into_par_iter()
            .map(|replicate| {
                let mut random = Random::new(seed, replicate, 0);
                let mut sum = vec![0u64; whole.len()];
                for _ in 0..self.blocks.len() {
                    let drawn = random.below(self.blocks.len() as u64) as usize;
                    add(&mut sum, &self.blocks[drawn]);
                }
                sum
            })
            .collect();
        let all = &whole[..count];
        let total: u64 = all.iter().sum();
        (0..sets)
            .into_par_iter()
            .map(|set| {
                let part = (set + 1) * count..(set + 2) * count;
                let here = self.levels.statistics(all, &whole[part.clone()]);
                let drawn: Vec<Statistics> = resampled
                    .iter()
                    .map(|r| self.levels.statistics(&r[..count], &r[part.clone()]))
                    .collect();
                let null: Vec<Statistics> = self
                    .null
                    .chunks(count)
                    .skip(set)
                    .step_by(sets)
                    .map(|hits| self.levels.statistics(all, hits))
                    .collect();
                let mut u = Uncertainty {
                    low: [f64::NAN; STATISTICS.len()],
                    high: [f64::NAN; STATISTICS.len()],
                    p: [f64::NAN; STATISTICS.len()],
                    band: Vec::new(),
                };
                for i in 0..STATISTICS.len() {
                    if let Some((low, high)) = stats::interval(drawn.iter().map(|d| d[i]), share) {
                        u.low[i] = low + exact[set][i] - here[i];
                        u.high[i] = high + exact[set][i] - here[i];
                    }
                    let null: Vec<f64> = null.iter().map(|n| n[i]).collect();
                    u.p[i] = stats::p_from_null(here[i], &null);
                }
                let mut before = 0;
                let mut level = 0;
                while level < count {
                    // Levels with few bases are taken together: alone they say nothing.
                    let from = level;
                    let mut n = 0;
                    while level < count && n as f64 <= THIN * total as f64 {
                        n += all[level];
                        level += 1;
                    }
                    if n == 0 {
                        break;
                    }
                    let fraction = |n: &[u64], hits: &[u64]| {
                        hits.iter().sum::<u64>() as f64 / n.iter().sum::<u64>() as f64
                    };
                    let inside = part.start + from..part.start + level;
                    let drawn = resampled
                        .iter()
                        .map(|r| fraction(&r[from..level], &r[inside.clone()]));
                    let (low, high) = stats::interval(drawn, share).unwrap_or((f64::NAN, f64::NAN));
                    let ends = [before, before + n].map(|b| b as f64 / total as f64);
                    u.band.push([ends[0], ends[1], low, high]);
                    before += n;
                }
                u
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_order_of_scores() {
        let sample: Vec<f32> = (-500..500).map(|i| (i as f32) / 37.0).collect();
        let levels = Levels::new(sample.clone());
        let mut last = 0;
        for v in sample.iter().rev() {
            let l = levels.of(*v);
            assert!(l >= last && (l as usize) < levels.len(), "{v}");
            // The mirror image is in the mirror level.
            if *v != 0.0 {
                assert_eq!(l as usize + levels.of(-v) as usize, levels.len() - 1);
            }
            last = l;
        }
        assert_eq!(levels.of(f32::NAN), NONE);
        assert_eq!(levels.of(1e30), 0);
    }

    #[test]
    fn statistics_of_two_levels() {
        // One edge at 1: levels >= 1, 0..1, -1..0, <= -1.
        let levels = Levels {
            edges: vec![1.0f32.to_bits()],
            index: Levels::new(vec![1.0]).index,
        };
        assert_eq!([1.0, 0.5, -0.5, -3.0].map(|v| levels.of(v)), [0, 1, 2, 3]);
        // 10 bases a level; hits 10, 0, 0, 10: AUC 1/2, by |score| 1; top 5% (2 bases): fold 2.
        let s = levels.statistics(&[10; 4], &[10, 0, 0, 10]);
        assert_eq!(s[..4], [0.5, 1.0, 2.0, 2.0]);
        assert!(s[6] > 0.0);
        assert_eq!(s[7], 2.0);
        let s = levels.statistics(&[10; 4], &[10, 0, 0, 0]);
        assert_eq!(
            s[..6],
            [
                1.0,
                (100.0 + 20.0 * 10.0) / 300.0 - 1.0 / 6.0,
                4.0,
                4.0,
                0.0,
                0.0
            ]
        );
    }

    #[test]
    fn shifts_keep_the_number_of_bases() {
        let levels = [0u16, 1, 2, 3, 0, 1, 2, 3, 0, 1];
        let sets = vec![vec![2..5, 8..10]];
        let mut null = vec![0; 4 * 50];
        shift_block(&levels, 4, &sets, 50, 7, 3, &mut null);
        let mut kinds = std::collections::HashSet::new();
        for row in null.chunks(4) {
            assert_eq!(row.iter().sum::<u64>(), 5);
            kinds.insert(row.to_vec());
        }
        assert!(kinds.len() > 2);
        let plain = count_block(&levels, 4, &sets);
        assert_eq!(plain, [3, 3, 2, 2, 2, 1, 1, 1]);
    }
}
