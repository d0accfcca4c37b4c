//! Ridge regression on all k-mers of one length at once, long ones too, whose weights are alike where k-mers are.
//!
//! A sequence's value is a mean plus the sum of its k-mers' weights, of both strands alike. Weights are drawn from a
//! normal distribution in which two k-mers go together the more the more bases they share: base by base, a part
//! `share` of what a weight varies by is the base's own and the rest is common to all four. Values beside the
//! sum are noise. The most likely weights are a kernel ridge regression's: `K = X M X'`, `X` the counts of k-mers and `M`
//! the product, over the places of a k-mer, of `share I + (1 - share) 11'/4`; so (K + ridge) a = y, and
//! the weights are M X' a. The kernel is one of gapped k-mers, as in gkm-SVM (Ghandi et al. 2014), with the weights of matches
//! falling off geometrically; as it is a product over places, `M` times all 4^k weights takes 4k passes over them, and no matrix
//! of sequences by sequences is ever made: conjugate gradients need products with it only.

use crate::Cancel;
use crate::encode::{UNKNOWN, complement_of_kmer};

/// Bases of the longest k-mers that can be regressed on so.
pub const LONGEST_SMOOTH: usize = 11;

/// Sequences of which the kernel's size is taken.
const SAMPLED: usize = 64;
/// Conjugate gradients stop at this share of the values' deviation,
const PRECISION: f64 = 1e-3;
/// or after so many rounds.
const MOST_ROUNDS: usize = 300;

/// What a regression is made with.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smooth {
    /// Bases of a k-mer, 1 to [`LONGEST_SMOOTH`].
    pub k: usize,
    /// Of what a weight varies by, the part that is each base's own, above 0 and at most 1: at 1 each k-mer goes by
    /// itself.
    pub share: f64,
    /// The noise's variance, as a multiple of what k-mers make of a sequence's values beforehand; above 0.
    pub ridge: f64,
}

/// A fitted regression of one task.
#[derive(Clone, Debug)]
pub struct SmoothFit {
    k: usize,
    /// `[4^k]`: the first base is the highest digit. That of a k-mer is also its reverse complement's.
    pub weights: Vec<f64>,
    /// Value of a sequence without k-mers.
    pub mean: f64,
    /// Rounds that it took.
    pub rounds: usize,
}

impl Smooth {
    /// What is wrong with the settings.
    pub fn problem(&self) -> Option<String> {
        let shares = self.share > 0.0 && self.share <= 1.0;
        let ridge = self.ridge > 0.0 && self.ridge.is_finite();
        if !(1..=LONGEST_SMOOTH).contains(&self.k) {
            return Some(format!("k is 1 to {LONGEST_SMOOTH}"));
        }
        (!shares || !ridge).then(|| "share is above 0 and at most 1, ridge above 0".into())
    }

    /// Fits one task's values, one a sequence. `None` when it is asked to stop.
    ///
    /// # Panics
    /// When there is no sequence, not one value a sequence, or [`Smooth::problem`] says something.
    pub fn fit(&self, sequences: &[&[u8]], values: &[f64], cancel: &Cancel) -> Option<SmoothFit> {
        assert!(!sequences.is_empty() && sequences.len() == values.len());
        assert!(self.problem().is_none());
        let counts = Counts::new(self.k, sequences);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let labels: Vec<f64> = values.iter().map(|v| v - mean).collect();
        // K's mean diagonal, so that `ridge` has the same meaning for sequences of all lengths.
        let step = sequences.len().div_ceil(SAMPLED);
        let sampled: Vec<f64> = (0..sequences.len())
            .step_by(step)
            .map(|row| {
                let own = self.spread(counts.up(|_| 1.0, row..row + 1));
                counts.down(&own, row)
            })
            .collect();
        let size = sampled.iter().sum::<f64>() / sampled.len() as f64;
        let size = if size > 0.0 { size } else { 1.0 };
        let rows = sequences.len();
        let up = |v: &[f64]| self.spread(counts.up(|r| v[r], 0..rows));
        // Conjugate gradients on (K / size + ridge) a = y.
        let mut a = vec![0.0; rows];
        let (mut residual, mut direction) = (labels.clone(), labels.clone());
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let begun = dot(&labels, &labels);
        let (mut left, mut rounds) = (begun, 0);
        while left > PRECISION.powi(2) * begun && rounds < MOST_ROUNDS {
            if cancel.is_requested() {
                return None;
            }
            let weights = up(&direction);
            let product: Vec<f64> = (0..rows)
                .map(|r| counts.down(&weights, r) / size + self.ridge * direction[r])
                .collect();
            let step = left / dot(&direction, &product);
            for r in 0..rows {
                a[r] += step * direction[r];
                residual[r] -= step * product[r];
            }
            let next = dot(&residual, &residual);
            for (direction, residual) in direction.iter_mut().zip(&residual) {
                *direction = residual + next / left * *direction;
            }
            left = next;
            rounds += 1;
        }
        let mut weights = up(&a);
        weights.iter_mut().for_each(|w| *w /= size);
        Some(SmoothFit {
            k: self.k,
            weights,
            mean,
            rounds,
        })
    }

    /// The mean of both strands' weights, times M, place by place.
    fn spread(&self, mut weights: Vec<f64>) -> Vec<f64> {
        let both =
            |number: usize| 0.5 * (weights[number] + weights[complement_of_kmer(self.k, number)]);
        weights = (0..weights.len()).map(both).collect();
        for place in 0..self.k {
            let apart = 1 << (2 * place);
            for block in weights.chunks_exact_mut(4 * apart) {
                for i in 0..apart {
                    let at = [i, i + apart, i + 2 * apart, i + 3 * apart];
                    let mean = at.iter().map(|&i| block[i]).sum::<f64>() / 4.0;
                    for i in at {
                        block[i] = self.share * block[i] + (1.0 - self.share) * mean;
                    }
                }
            }
        }
        weights
    }
}

impl SmoothFit {
    /// The value of a sequence of base codes, or of a part of one.
    pub fn predict(&self, codes: &[u8]) -> f64 {
        let mut sum = self.mean;
        each(self.k, codes, |number| sum += self.weights[number]);
        sum
    }
}

/// The k-mers of sequences, as numbers.
struct Counts {
    k: usize,
    numbers: Vec<u32>,
    /// One more than there are sequences: where each one's begin.
    starts: Vec<usize>,
}

impl Counts {
    fn new(k: usize, sequences: &[&[u8]]) -> Self {
        let (mut numbers, mut starts) = (Vec::new(), vec![0]);
        for codes in sequences {
            each(k, codes, |number| numbers.push(number as u32));
            starts.push(numbers.len());
        }
        Self { k, numbers, starts }
    }

    fn of(&self, row: usize) -> &[u32] {
        &self.numbers[self.starts[row]..self.starts[row + 1]]
    }

    /// X' of values of some rows.
    fn up(&self, value: impl Fn(usize) -> f64, rows: std::ops::Range<usize>) -> Vec<f64> {
        let mut weights = vec![0.0; 1 << (2 * self.k)];
        for row in rows {
            let value = value(row);
            for &number in self.of(row) {
                weights[number as usize] += value;
            }
        }
        weights
    }

    /// X of weights, one row.
    fn down(&self, weights: &[f64], row: usize) -> f64 {
        let numbers = self.of(row).iter();
        numbers.map(|&number| weights[number as usize]).sum()
    }
}

/// Calls `f` with the number of every k-mer of known bases.
fn each(k: usize, codes: &[u8], mut f: impl FnMut(usize)) {
    let (mut word, mut run) = (0usize, 0);
    for &code in codes {
        if code >= UNKNOWN {
            run = 0;
            continue;
        }
        word = (word << 2 | usize::from(code)) & ((1 << (2 * k)) - 1);
        run += 1;
        if run >= k {
            f(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::complement;
    use crate::stats::Random;

    fn sequences(count: usize, bases: usize, seed: u64) -> Vec<Vec<u8>> {
        let mut random = Random::new(seed, 0, 0);
        let mut sequence = || (0..bases).map(|_| random.below(4) as u8).collect();
        (0..count).map(|_| sequence()).collect()
    }

    /// Against the kernel written out, pair of k-mers by pair of k-mers, and solved by elimination.
    #[test]
    fn weights_are_the_kernel_regressions() {
        let (k, share, ridge) = (3, 0.4, 0.7);
        let owned = sequences(12, 9, 3);
        let rows: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        let values: Vec<f64> = (0..12).map(|i| ((i * 7) % 5) as f64 - 1.3).collect();
        let smooth = Smooth { k, share, ridge };
        let fit = smooth.fit(&rows, &values, &Cancel::default()).unwrap();

        let strands = |codes: &[u8]| -> Vec<Vec<u8>> {
            let other: Vec<u8> = codes.iter().rev().map(|&c| complement(c)).collect();
            let of = |codes: &[u8]| codes.windows(k).map(<[u8]>::to_vec).collect::<Vec<_>>();
            [of(codes), of(&other)].concat()
        };
        let alike = |a: &[u8], b: &[u8]| -> f64 {
            let place =
                |(a, b): (&u8, &u8)| share * f64::from(u8::from(a == b)) + (1.0 - share) / 4.0;
            a.iter().zip(b).map(place).product()
        };
        let kernel = |a: &[u8], b: &[u8]| -> f64 {
            let (a, b) = (strands(a), strands(b));
            // Each strand is half of a sequence's counts.
            a.iter()
                .flat_map(|a| b.iter().map(move |b| alike(a, b) / 4.0))
                .sum()
        };
        let n = rows.len();
        let size = (0..n).map(|i| kernel(rows[i], rows[i])).sum::<f64>() / n as f64;
        let mean = values.iter().sum::<f64>() / n as f64;
        let mut system: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let row = (0..n)
                    .map(|j| kernel(rows[i], rows[j]) / size + if i == j { ridge } else { 0.0 });
                row.chain([values[i] - mean]).collect()
            })
            .collect();
        for i in 0..n {
            let pivot = system[i].clone();
            for (_, row) in system.iter_mut().enumerate().filter(|(j, _)| *j != i) {
                let factor = row[i] / pivot[i];
                (row.iter_mut().zip(&pivot)).for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
        let a: Vec<f64> = (0..n).map(|i| system[i][n] / system[i][i]).collect();
        for codes in sequences(5, 20, 9) {
            let sum: f64 = (0..n).map(|i| a[i] * kernel(&codes, rows[i]) / size).sum();
            let predicted = fit.predict(&codes);
            assert!(
                (predicted - mean - sum).abs() < 2e-3,
                "{predicted} {}",
                mean + sum
            );
            let turned: Vec<u8> = codes.iter().rev().map(|&c| complement(c)).collect();
            assert!((fit.predict(&turned) - predicted).abs() < 1e-9);
        }
    }

    /// Values that a motif of six bases makes, with noise: found again in sequences it has not seen, better than with k-mers
    /// that go by themselves.
    #[test]
    fn like_kmers_help_each_other() {
        let owned = sequences(1500, 60, 5);
        let rows: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        let motif = [1u8, 0, 2, 2, 3, 0];
        let mut random = Random::new(8, 0, 0);
        let strength = |codes: &[u8]| -> f64 {
            let of = |codes: &[u8]| -> f64 {
                let alike = |at: &[u8]| at.iter().zip(&motif).filter(|(a, b)| a == b).count();
                let best = codes.windows(6).map(alike).max().unwrap_or(0);
                if best >= 5 { 1.0 } else { 0.0 }
            };
            let other: Vec<u8> = codes.iter().rev().map(|&c| complement(c)).collect();
            of(codes) + of(&other)
        };
        let noise = |random: &mut Random| random.below(1000) as f64 / 500.0 - 1.0;
        let values: Vec<f64> = rows
            .iter()
            .map(|row| strength(row) + 0.5 * noise(&mut random))
            .collect();
        let (train, test) = rows.split_at(1200);
        let found = |share: f64| -> f64 {
            let smooth = Smooth {
                k: 7,
                share,
                ridge: 1.0,
            };
            let fit = smooth
                .fit(train, &values[..1200], &Cancel::default())
                .unwrap();
            let predicted: Vec<f64> = test.iter().map(|row| fit.predict(row)).collect();
            let truth: Vec<f64> = test.iter().map(|row| strength(row)).collect();
            crate::stats::pearson(&predicted, &truth)
        };
        let (alike, apart) = (found(0.5), found(1.0));
        assert!(alike > 0.5 && alike > apart + 0.05, "{alike} {apart}");
    }
}
