//! Weights of hypotheses, learnt from the p-values of other folds.

use std::collections::HashMap;

use super::folds::Bins;
use crate::stats::q_values;

/// How far learnt weights are taken over, from not at all (all weights 1) to wholly.
pub const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// The weights and what follows from them.
#[derive(Clone, Debug, Default)]
pub struct Weighted {
    /// `[fold][bin]`; the mean over a fold's hypotheses is 1.
    pub weights: Vec<Vec<f64>>,
    /// How far each fold took over what was learnt: one of [`SHARES`].
    pub shares: Vec<f64>,
    /// p over weight, at most 1, of each hypothesis.
    pub p: Vec<f64>,
    /// Benjamini and Hochberg's q-value of `p`.
    pub q: Vec<f64>,
}

/// Independent hypothesis weighting (Ignatiadis et al. 2016, Ignatiadis and Huber 2021).
///
/// A fold's weights come from the p-values of all other folds: the distribution of p in each bin is
/// estimated by Grenander (the least concave majorant of its empirical distribution `F`), and
/// thresholds `t` of the bins are chosen that maximise the expected discoveries, sum of n F(t),
/// while sum of n t <= `alpha` times sum of n F(t). Weights are proportional to thresholds. They are drawn
/// towards 1 as far as gives most discoveries when the same is done within the other folds.
///
/// `p` and `fold` are one a hypothesis, p in 0..=1 without NaN; `alpha` the level at which
/// discoveries are counted. At least three folds must hold hypotheses, else all weights are 1.
pub fn weighted(p: &[f64], bins: &Bins, fold: &[u16], folds: usize, alpha: f64) -> Weighted {
    let learner = Learner::new(p, bins, fold, folds, alpha);
    // What is learnt without two folds serves both.
    let mut without = HashMap::new();
    for a in (0..folds).filter(|_| folds > 2) {
        for b in a + 1..folds {
            without.insert((a, b), learner.thresholds(|f| f != a && f != b));
        }
    }
    let mut out = Weighted::default();
    for own in 0..folds {
        let inner: Vec<(usize, Vec<f64>)> = (0..folds)
            .filter_map(|h| Some((h, without.get(&(own.min(h), own.max(h)))?)))
            .map(|(h, t)| (h, learner.scaled(h, t)))
            .collect();
        // Ties go to the weights nearest to 1.
        let (mut most, mut share) = (0, 0.0);
        for s in SHARES {
            let found = learner.discoveries(&inner, s);
            if found > most {
                (most, share) = (found, s);
            }
        }
        let t = learner.thresholds(|f| f != own);
        out.weights
            .push(drawn(&learner.scaled(own, &t), share).collect());
        out.shares.push(share);
    }
    out.p = (p.iter().zip(&bins.of).zip(fold))
        .map(|((&p, &bin), &fold)| over(p, out.weights[usize::from(fold)][usize::from(bin)]))
        .collect();
    out.q = q_values(&out.p);
    out
}

/// Weights drawn towards 1; the mean stays.
fn drawn(weights: &[f64], share: f64) -> impl Iterator<Item = f64> {
    weights.iter().map(move |w| 1.0 + share * (w - 1.0))
}

fn over(p: f64, weight: f64) -> f64 {
    // 0 / 0: a hypothesis without weight is never rejected.
    if weight > 0.0 {
        (p / weight).min(1.0)
    } else {
        1.0
    }
}

/// p-values by bin and fold.
struct Learner {
    /// `[bin][fold]`, ascending.
    p: Vec<Vec<Vec<f64>>>,
    /// Bins whose weights are learnt; the others' are 1.
    learnt: Vec<bool>,
    alpha: f64,
}

impl Learner {
    fn new(p: &[f64], bins: &Bins, fold: &[u16], folds: usize, alpha: f64) -> Self {
        let mut lists = vec![vec![Vec::new(); folds]; bins.len()];
        for ((&p, &bin), &fold) in p.iter().zip(&bins.of).zip(fold) {
            lists[usize::from(bin)][usize::from(fold)].push(p);
        }
        for list in lists.iter_mut().flatten() {
            list.sort_unstable_by(f64::total_cmp);
        }
        Self {
            p: lists,
            learnt: bins.learnt(),
            alpha,
        }
    }

    /// The thresholds of the bins that some folds suggest; all 0 where they hold no discovery.
    ///
    /// The problem is linear on the pieces of the majorants, whose slopes fall: taking pieces by
    /// falling slope until the budget is used up solves it (a continuous knapsack).
    fn thresholds(&self, folds: impl Fn(usize) -> bool) -> Vec<f64> {
        let mut pieces: Vec<(f64, usize, f64, f64)> = Vec::new();
        for (bin, lists) in self.p.iter().enumerate().filter(|(b, _)| self.learnt[*b]) {
            let mut p: Vec<f64> = (lists.iter().enumerate())
                .filter(|(fold, _)| folds(*fold))
                .flat_map(|(_, list)| list.iter().copied())
                .collect();
            // Runs in order: the stable sort merges them.
            p.sort_by(f64::total_cmp);
            let tests = p.len() as f64;
            for (width, height) in majorant(&p) {
                // Tests, not shares: bins of more hypotheses cost and give more.
                pieces.push((
                    height / width,
                    bin,
                    width,
                    tests * (width - self.alpha * height),
                ));
            }
        }
        pieces.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut t = vec![0.0; self.p.len()];
        let mut cost = 0.0;
        for same in pieces.chunk_by(|a, b| a.0 == b.0) {
            let more: f64 = same.iter().map(|piece| piece.3).sum();
            // Pieces of one slope are taken alike, whatever the bins' order.
            let share = match cost + more > 0.0 {
                true => (-cost / more).clamp(0.0, 1.0),
                false => 1.0,
            };
            for &(_, bin, width, _) in same {
                t[bin] += share * width;
            }
            cost += more;
            if cost > 0.0 {
                break;
            }
        }
        t
    }

    /// Weights of one fold in proportion to thresholds, 1 on average over its hypotheses.
    fn scaled(&self, fold: usize, thresholds: &[f64]) -> Vec<f64> {
        let (mut tests, mut sum) = (0.0, 0.0);
        for (bin, lists) in self.p.iter().enumerate().filter(|(b, _)| self.learnt[*b]) {
            let n = lists[fold].len() as f64;
            tests += n;
            sum += n * thresholds[bin];
        }
        (thresholds.iter().zip(&self.learnt))
            .map(|(&t, &learnt)| match learnt && sum > 0.0 {
                true => t * tests / sum,
                false => 1.0,
            })
            .collect()
    }

    /// Rejections by weighted Benjamini-Hochberg in some folds, weights drawn towards 1.
    fn discoveries(&self, folds: &[(usize, Vec<f64>)], share: f64) -> usize {
        let (mut small, mut tests) = (Vec::new(), 0);
        for (fold, weights) in folds {
            for (lists, weight) in self.p.iter().zip(drawn(weights, share)) {
                let list = &lists[*fold];
                tests += list.len();
                // Only p-values up to alpha can be rejected.
                let few = list.iter().map(|&p| over(p, weight));
                small.extend(few.take_while(|p| *p <= self.alpha));
            }
        }
        small.sort_by(f64::total_cmp);
        let step = self.alpha / tests as f64;
        (small.iter().enumerate().rev())
            .find(|(i, p)| **p <= step * (i + 1) as f64)
            .map_or(0, |(i, _)| i + 1)
    }
}

/// The least concave majorant of the empirical distribution of ascending p-values on 0..=1, as
/// widths and heights of its pieces from the left (Grenander 1956); a piece at p = 0 has no width.
fn majorant(p: &[f64]) -> Vec<(f64, f64)> {
    let tests = p.len() as f64;
    let mut corners: Vec<(f64, f64)> = vec![(0.0, 0.0)];
    let points = p
        .iter()
        .enumerate()
        .filter(|&(i, v)| p.get(i + 1) != Some(v))
        .map(|(i, &v)| (v, (i + 1) as f64 / tests));
    for point in points.chain([(1.0, 1.0)]) {
        while let [.., a, b] = corners[..] {
            // Is b on or below the line from a to the point?
            let turn = (b.0 - a.0) * (point.1 - a.1) - (b.1 - a.1) * (point.0 - a.0);
            if turn < 0.0 {
                break;
            }
            corners.pop();
        }
        if corners.last() != Some(&point) {
            corners.push(point);
        }
    }
    corners
        .windows(2)
        .map(|w| (w[1].0 - w[0].0, w[1].1 - w[0].1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value of the majorant: the highest chord over pairs of points around it.
    fn brute(p: &[f64], at: f64) -> f64 {
        let n = p.len() as f64;
        let mut points = vec![(0.0, 0.0), (1.0, 1.0)];
        points.extend(p.iter().enumerate().map(|(i, &v)| (v, (i + 1) as f64 / n)));
        let mut most = 0.0f64;
        for a in points.iter().filter(|a| a.0 <= at) {
            for b in points.iter().filter(|b| b.0 >= at) {
                most = most.max(match b.0 > a.0 {
                    true => a.1 + (b.1 - a.1) * (at - a.0) / (b.0 - a.0),
                    false => a.1.max(b.1),
                });
            }
        }
        most
    }

    #[test]
    fn majorants_are_the_highest_chords() {
        let mut random = crate::stats::Random::new(5, 0, 0);
        let mut uniform = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        for n in [1, 2, 3, 10, 40] {
            let mut p: Vec<f64> = (0..n).map(|_| uniform().powi(3)).collect();
            if n > 5 {
                (p[0], p[1], p[2], p[3]) = (0.0, 0.0, p[4], 1.0);
            }
            p.sort_by(f64::total_cmp);
            let pieces = majorant(&p);
            assert!(pieces.windows(2).all(|w| w[0].1 * w[1].0 > w[1].1 * w[0].0));
            for i in 0..=50 {
                let at = f64::from(i) / 50.0;
                let (mut x, mut y) = (0.0, 0.0);
                for &(width, height) in &pieces {
                    if width == 0.0 {
                        y += height;
                        continue;
                    }
                    let part = ((at - x) / width).clamp(0.0, 1.0);
                    y += part * height;
                    x += width;
                }
                assert!((y - brute(&p, at)).abs() < 1e-9, "{n} {at} {y}");
            }
        }
    }

    #[test]
    fn thresholds_are_the_best_of_a_grid() {
        // Two bins, one of them with small p-values: all thresholds on a grid, by brute force.
        let mut random = crate::stats::Random::new(6, 0, 0);
        let mut uniform = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let alpha = 0.1;
        let mut sets = [Vec::new(), Vec::new()];
        for i in 0..400 {
            sets[0].push(if i % 3 == 0 {
                uniform().powi(12)
            } else {
                uniform()
            });
            sets[1].push(if i % 20 == 0 {
                uniform().powi(12)
            } else {
                uniform()
            });
        }
        sets.iter_mut().for_each(|s| s.sort_by(f64::total_cmp));
        let learner = Learner {
            p: sets.iter().map(|s| vec![s.clone()]).collect(),
            learnt: vec![true; 2],
            alpha,
        };
        let t = learner.thresholds(|_| true);
        let value = |t: [f64; 2], f: [f64; 2]| (f[0] + f[1], t[0] + t[1] - alpha * (f[0] + f[1]));
        let (found, cost) = value([t[0], t[1]], [brute(&sets[0], t[0]), brute(&sets[1], t[1])]);
        assert!(
            cost.abs() < 1e-9 && t[0] > t[1] && t[1] > 0.0,
            "{t:?} {cost}"
        );
        let grid: Vec<f64> = (0..100).map(|i| f64::from(i) * 0.002).collect();
        let heights =
            [0, 1].map(|s| -> Vec<f64> { grid.iter().map(|&t| brute(&sets[s], t)).collect() });
        for i in 0..100 {
            for j in 0..100 {
                let (other, cost) = value([grid[i], grid[j]], [heights[0][i], heights[1][j]]);
                assert!(cost > 0.0 || other <= found + 1e-9, "{i} {j}");
            }
        }
    }

    #[test]
    fn discoveries_are_those_of_the_q_values() {
        let mut random = crate::stats::Random::new(7, 0, 0);
        let mut uniform = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let p: Vec<f64> = (0..3000).map(|_| uniform().powi(3)).collect();
        let x: Vec<f64> = (0..3000).map(f64::from).collect();
        let fold: Vec<u16> = (0..3000).map(|i| i % 3).collect();
        let bins = Bins::new(&x, 4, 100);
        let learner = Learner::new(&p, &bins, &fold, 3, 0.1);
        let weights = vec![0.0, 0.5, 1.0, 2.5];
        let all: Vec<(usize, Vec<f64>)> = (0..3).map(|f| (f, weights.clone())).collect();
        let weighted: Vec<f64> = (p.iter().zip(&bins.of))
            .map(|(&p, &b)| over(p, weights[usize::from(b)]))
            .collect();
        let expected = q_values(&weighted).iter().filter(|q| **q <= 0.1).count();
        assert!(expected > 100);
        assert_eq!(learner.discoveries(&all, 1.0), expected);
    }
}
