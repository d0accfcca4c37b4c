//! Gapped k-mer kernels: what a support vector machine of them gives to a single l-mer.
//!
//! Ghandi, Lee, Mohammad-Noori, Beer (2014), PLoS Comput Biol 10:e1003711; Ghandi, Mohammad-Noori, Beer
//! (2014), J Math Biol 69:469; Lee (2016), Bioinformatics 32:2196, whose program LS-GKM has the positional
//! weights.
//!
//! The kernel of two sequences is the sum over all pairs of their l-mers (of both strands of one of them) of a weight
//! that depends on the number of mismatches alone, `c[m]`, and is 0 above `d`; it is normalised, so that
//! a sequence with itself gives 1. So the support vectors may be added up first: each l-mer gets the sum of
//! the coefficients of those that hold it. The sum over l-mers at each distance is then spread from there over all
//! 4^l of them, one position after the other.

use crate::encode::complement;

/// Bases of an alphabet.
const BASES: f64 = 4.0;

/// What of the gapped k-mers of two l-mers is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Shared gapped k-mers (`gkm_cnt`, LS-GKM's 0).
    Counts,
    /// Estimated counts of l-mers (`gkm_estfull`, 1).
    Full,
    /// Estimated counts without what may be negative (`gkm_esttrunc`, 2, and with positional weights `wgkm`, 4).
    Truncated,
}

/// Weights of l-mers by their place in a sequence (LS-GKM's `wgkm`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Places {
    /// The weight in the middle (M).
    pub most: u8,
    /// l-mers from there to half of it (H).
    pub half: f64,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    pub filter: Filter,
    /// Letters of an l-mer.
    pub l: usize,
    /// Letters of it that are compared.
    pub k: usize,
    /// Most mismatches.
    pub d: usize,
    pub places: Option<Places>,
    /// Whether the reverse complement counts, too.
    pub both: bool,
}

/// A support vector: its coefficient, with its sign, and its base codes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vector {
    pub coefficient: f64,
    pub codes: Vec<u8>,
}

fn choose(n: usize, k: usize) -> f64 {
    match k > n {
        true => 0.0,
        false => (0..k).fold(1.0, |all, i| all * (n - i) as f64 / (i + 1) as f64),
    }
}

impl Kernel {
    /// The weight of a pair of l-mers by their mismatches, `c[0..=d]`.
    pub(super) fn weights(&self) -> Vec<f64> {
        let l = self.l;
        if self.filter == Filter::Counts {
            return (0..=self.d).map(|m| choose(l - m, self.k)).collect();
        }
        let filter = self.estimate();
        // Over all l-mers: t of the places where the two are equal differ from both, u of those where they
        // differ are other than in the first, r of these also other than in the second.
        let weight = |m: usize| {
            let mut sum = 0.0;
            for t in 0..=l - m {
                for u in 0..=m {
                    for r in 0..=u {
                        let (first, second) = (t + u, t + r + m - u);
                        let many = choose(l - m, t) * choose(m, u) * choose(u, r);
                        let letters = (BASES - 1.0).powi(t as i32) * (BASES - 2.0).powi(r as i32);
                        sum += many * letters * filter[first] * filter[second];
                    }
                }
            }
            sum
        };
        (0..=self.d).map(weight).collect()
    }

    /// What an l-mer adds to the estimated count of another, by their mismatches.
    fn estimate(&self) -> Vec<f64> {
        let (l, k) = (self.l, self.k);
        // Of a gapped k-mer with m mismatches (Ghandi et al. 2014, J Math Biol, theorem 3).
        let gapped = |m: usize| {
            let spread: f64 = (0..=k - m)
                .map(|t| choose(l, t) * (BASES - 1.0).powi(t as i32))
                .sum();
            let sign = (0..m).fold(1.0, |all, i| -all * (l - k + i) as f64 / (k - i) as f64);
            sign * spread / (choose(l, k) * BASES.powi(l as i32))
        };
        let mut all: Vec<f64> = (0..=l)
            .map(|m| {
                let terms = (0..=m.min(k))
                    .filter(|i| k - i <= l - m)
                    .map(|i| gapped(i) * choose(l - m, k - i) * choose(m, i));
                terms.sum()
            })
            .collect();
        if self.filter == Filter::Truncated {
            let from = all.iter().position(|v| *v < 1e-50).unwrap_or(all.len());
            all[from..].fill(0.0);
        }
        all
    }

    /// Weights of a sequence's l-mers by their place, of so many.
    fn place_weights(&self, count: usize) -> Vec<f64> {
        let Some(places) = self.places else {
            return vec![1.0; count];
        };
        let centre = (count / 2) as f64;
        let most = f64::from(places.most);
        let weight = |i: usize| {
            let away = (centre - i as f64).abs();
            let weight =
                (most * (-std::f64::consts::LN_2 * away / places.half).exp() + 1.0).floor();
            weight.min(most)
        };
        (0..count).map(weight).collect()
    }

    /// l-mers of a sequence, each with its weight: those of the strand as it is, then of the other.
    fn words(&self, codes: &[u8]) -> (Vec<(u32, f64)>, usize) {
        let forward: Vec<u32> = numbers(codes, self.l);
        let weights = self.place_weights(forward.len());
        let n = forward.len();
        let mut words: Vec<(u32, f64)> = forward.iter().copied().zip(weights).collect();
        if self.both {
            for i in 0..n {
                let (word, weight) = words[i];
                words.push((reverse(word, self.l), weight));
            }
        }
        (words, n)
    }

    /// The score of every l-mer alone, [4^l], by its number: the sum over the support vectors of coefficient
    /// and kernel, less `rho`.
    pub(super) fn table(&self, vectors: &[Vector], rho: f64) -> Vec<f32> {
        let weights = self.weights();
        let size = 1usize << (2 * self.l);
        let mut layers = vec![vec![0.0f64; size]; self.d + 1];
        for vector in vectors {
            let (words, forward) = self.words(&vector.codes);
            let mut norm = 0.0;
            for &(a, wa) in &words[..forward] {
                for &(b, wb) in &words {
                    let m = mismatches(a, b);
                    if m <= self.d {
                        norm += weights[m] * wa * wb;
                    }
                }
            }
            let share = vector.coefficient / norm.sqrt();
            for (word, weight) in words {
                layers[0][word as usize] += share * weight;
            }
        }
        self.spread(&mut layers);
        let score = |word: usize| {
            let other = reverse(word as u32, self.l);
            // Both strands of an l-mer have one score, to the last bit.
            let at = match self.both {
                true => word.min(other as usize),
                false => word,
            };
            let sum: f64 = (weights.iter().zip(&layers))
                .map(|(w, layer)| w * layer[at])
                .sum();
            let m = mismatches(word as u32, other);
            let own = match self.both && m <= self.d {
                true => weights[0] + weights[m],
                false => weights[0],
            };
            (sum / own.sqrt() - rho) as f32
        };
        (0..size).map(score).collect()
    }

    /// From the first layer, what l-mers have, to layer m, what those with m mismatches have together.
    fn spread(&self, layers: &mut [Vec<f64>]) {
        for place in 0..self.l {
            let step = 1usize << (2 * place);
            for m in (1..layers.len()).rev() {
                let (below, own) = layers.split_at_mut(m);
                let blocks = below[m - 1].chunks_exact(4 * step);
                for (from, to) in blocks.zip(own[0].chunks_exact_mut(4 * step)) {
                    for i in 0..step {
                        let [a, b, c, d] = [0, 1, 2, 3].map(|base| from[base * step + i]);
                        let all = (a + b) + (c + d);
                        to[i] += all - a;
                        to[step + i] += all - b;
                        to[2 * step + i] += all - c;
                        to[3 * step + i] += all - d;
                    }
                }
            }
        }
    }
}

/// Numbers of a sequence's k-mers, the first base being the highest digit.
fn numbers(codes: &[u8], k: usize) -> Vec<u32> {
    let number = |word: &[u8]| word.iter().fold(0, |n, &code| 4 * n + u32::from(code));
    codes.windows(k).map(number).collect()
}

/// The number of a k-mer's reverse complement.
pub(super) fn reverse(number: u32, k: usize) -> u32 {
    (0..k).fold(0, |n, i| {
        let code = (number >> (2 * i) & 3) as u8;
        4 * n + u32::from(complement(code))
    })
}

fn mismatches(a: u32, b: u32) -> usize {
    let differ = a ^ b;
    ((differ | differ >> 1) & 0x5555_5555).count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Random;

    fn kernel(filter: Filter, (l, k, d): (usize, usize, usize)) -> Kernel {
        Kernel {
            filter,
            l,
            k,
            d,
            places: None,
            both: true,
        }
    }

    /// As `gkmsvm.kernels.esttrunc._build_estlmer_table(l, k, truncate)` of gkmsvm-lite 0.1.0 printed them.
    #[test]
    fn weights_of_mismatches() {
        let close = |kernel: Kernel, expected: &[f64]| {
            let found = kernel.weights();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
            }
        };
        close(
            kernel(Filter::Truncated, (11, 7, 3)),
            &[
                0.2200049901184684,
                0.06041187953087501,
                0.013319240119017195,
                0.0017748346654116172,
            ],
        );
        close(
            kernel(Filter::Truncated, (10, 6, 3)),
            &[
                0.16959830600535497,
                0.05573480820748955,
                0.014950497890822588,
                0.0027788987208623426,
            ],
        );
        close(
            kernel(Filter::Full, (10, 6, 3)),
            &[
                0.22412490844726565,
                0.058399200439453146,
                0.0064888000488281215,
                -0.0021629333496093785,
            ],
        );
        // C(11 - m, 7).
        close(
            kernel(Filter::Counts, (11, 7, 3)),
            &[330.0, 120.0, 36.0, 8.0],
        );
    }

    #[test]
    fn reverse_complements_of_numbers() {
        let word = |text: &str| {
            let codes: Vec<u8> = text.bytes().filter_map(crate::encode::code).collect();
            numbers(&codes, codes.len())[0]
        };
        assert_eq!(reverse(word("AACGT"), 5), word("ACGTT"));
        assert_eq!(reverse(word("T"), 1), word("A"));
        assert_eq!(mismatches(word("AACGT"), word("ACCTT")), 2);
    }

    /// Against every pair of l-mers, by the definition.
    #[test]
    fn tables_are_sums_over_all_pairs() {
        let mut random = Random::at(3, &[]);
        let mut sequence = |n: usize| (0..n).map(|_| random.below(4) as u8).collect::<Vec<u8>>();
        let vectors: Vec<Vector> = [(0.7, 20), (-1.0, 31), (0.25, 9)]
            .into_iter()
            .map(|(coefficient, n)| Vector {
                coefficient,
                codes: sequence(n),
            })
            .collect();
        for (filter, both, places) in [
            (Filter::Counts, true, None),
            (Filter::Full, false, None),
            (
                Filter::Truncated,
                true,
                Some(Places {
                    most: 50,
                    half: 4.0,
                }),
            ),
        ] {
            let kernel = Kernel {
                both,
                places,
                ..kernel(filter, (5, 3, 2))
            };
            let c = kernel.weights();
            let rc = |codes: &[u8]| {
                let mut out = vec![0; codes.len()];
                crate::encode::reverse_complement(codes, &mut out);
                out
            };
            // The kernel of two sequences, not normalised.
            let raw = |a: &[u8], b: &[u8]| -> f64 {
                let weight = |n: usize, i: usize| match places {
                    None => 1.0,
                    Some(p) => {
                        let away = (n / 2).abs_diff(i) as f64;
                        (f64::from(p.most) * 0.5f64.powf(away / p.half) + 1.0)
                            .floor()
                            .min(f64::from(p.most))
                    }
                };
                let mut sum = 0.0;
                let turned = rc(b);
                let n = b.len() - 4;
                for (i, x) in a.windows(5).enumerate() {
                    for (strand, b) in [b, &turned].into_iter().enumerate() {
                        for (j, y) in b.windows(5).enumerate().filter(|_| both || strand == 0) {
                            let m = x.iter().zip(y).filter(|(x, y)| x != y).count();
                            let j = if strand == 0 { j } else { n - 1 - j };
                            if m <= 2 {
                                sum += c[m] * weight(a.len() - 4, i) * weight(n, j);
                            }
                        }
                    }
                }
                sum
            };
            let table = kernel.table(&vectors, 0.125);
            for (number, &found) in table.iter().enumerate() {
                let word: Vec<u8> = (0..5)
                    .rev()
                    .map(|i| (number >> (2 * i) & 3) as u8)
                    .collect();
                let expected: f64 = vectors
                    .iter()
                    .map(|v| {
                        let own = raw(&v.codes, &v.codes) * raw(&word, &word);
                        v.coefficient * raw(&word, &v.codes) / own.sqrt()
                    })
                    .sum();
                let expected = expected - 0.125;
                assert!(
                    (f64::from(found) - expected).abs() < 1e-6,
                    "{found} {expected}"
                );
            }
        }
    }
}
