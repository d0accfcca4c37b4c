//! Stretches of significant importance: the recursive seqlet algorithm of tangermeme (Schreiber 2025).
//!
//! Values are put into bins of equal width between their least and their largest. By convolution of the bins' histogram there is
//! the chance, were bases independent, that a span of so many bases sums up to as much: its p-value. A seqlet is a span all of
//! whose inner spans (of the shortest length or longer) have p-values below the threshold; longer ones are called first, of a length those
//! with the smaller p-value, and none overlaps another.

use std::ops::Range;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// p-values of a seqlet's spans lie below this.
    pub threshold: f64,
    /// Bases of the shortest seqlet.
    pub shortest: usize,
    /// Bases of the longest.
    pub longest: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.01,
            shortest: 4,
            longest: 25,
        }
    }
}

/// A stretch that was called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seqlet {
    /// Which stretch of values.
    pub row: usize,
    /// First base, and one past the last.
    pub start: usize,
    /// One past the last base.
    pub end: usize,
    /// Sum of its values.
    pub sum: f64,
    /// Chance of as large a sum over as many bases.
    pub p: f64,
}

const BINS: usize = 1000;

/// The chances of sums over spans, from all values of a set.
#[derive(Debug)]
pub struct Null {
    least: f32,
    width: f64,
    /// For spans of each length the chance of a sum of bins of at least so much.
    tails: Vec<Vec<f64>>,
}

impl Null {
    /// From finite values; `None` where they are all alike. `turned`: of the values with the other sign.
    pub fn new<'a>(
        values: impl Iterator<Item = &'a [f32]> + Clone,
        turned: bool,
        longest: usize,
    ) -> Option<Self> {
        let sign = sign(turned);
        let all = || values.clone().flatten().map(move |v| sign * v);
        let (least, most) = all().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, m), v| {
            (l.min(v), m.max(v))
        });
        if least >= most {
            return None;
        }
        let mut null = Self {
            least,
            width: f64::from(most - least) / (BINS - 1) as f64,
            tails: vec![vec![1.0]],
        };
        let mut counts = vec![0u64; BINS];
        let mut total = 0u64;
        for value in all() {
            counts[null.bin(value)] += 1;
            total += 1;
        }
        let shares: Vec<(usize, f64)> = (counts.iter().enumerate())
            .filter(|(_, n)| **n > 0)
            .map(|(bin, &n)| (bin, n as f64 / total as f64))
            .collect();
        let mut chances = vec![1.0];
        for _ in 0..longest {
            let mut next = vec![0.0; chances.len() + BINS - 1];
            for &(bin, share) in &shares {
                for (to, chance) in next[bin..].iter_mut().zip(&chances) {
                    *to += share * chance;
                }
            }
            chances = next;
            let mut sum = 0.0;
            let mut tail: Vec<f64> = (chances.iter().rev())
                .map(|chance| {
                    sum += chance;
                    sum
                })
                .collect();
            tail.reverse();
            null.tails.push(tail);
        }
        Some(null)
    }

    fn bin(&self, value: f32) -> usize {
        let bin = (f64::from(value - self.least) / self.width).floor();
        (bin.max(0.0) as usize).min(BINS - 1)
    }
}

fn sign(turned: bool) -> f32 {
    if turned { -1.0 } else { 1.0 }
}

/// A span that may become a seqlet.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    /// The largest p-value of the spans that begin with it and are no longer.
    p: f64,
    /// The largest of all spans inside it.
    inner: f64,
}

/// Calls the seqlets of one stretch of values, in the order in which they are called; sums have the values' own sign.
pub fn call(row: usize, values: &[f32], turned: bool, null: &Null, rules: &Rules) -> Vec<Seqlet> {
    let mut bins = vec![0usize];
    let mut sums = vec![0.0f64];
    for (i, &value) in values.iter().enumerate() {
        bins.push(bins[i] + null.bin(sign(turned) * value));
        sums.push(sums[i] + f64::from(value));
    }
    let p_of = |start: usize, length: usize| {
        let tail = &null.tails[length];
        tail[bins[start + length] - bins[start]]
    };
    let longest = rules.longest.min(values.len());
    let mut of_length: Vec<(usize, Vec<Span>)> = Vec::new();
    for length in rules.shortest..=longest {
        let spans: Vec<Span> = match of_length.last() {
            None => (0..=values.len() - length)
                .map(|start| {
                    let p = p_of(start, length);
                    Span { start, p, inner: p }
                })
                .filter(|span| span.inner < rules.threshold)
                .collect(),
            // A span needs both that are a base shorter.
            Some((_, shorter)) => (shorter.windows(2))
                .filter(|pair| pair[1].start == pair[0].start + 1)
                .map(|pair| {
                    let p = p_of(pair[0].start, length).max(pair[0].p);
                    Span {
                        start: pair[0].start,
                        p,
                        inner: p.max(pair[1].inner),
                    }
                })
                .filter(|span| span.inner < rules.threshold)
                .collect(),
        };
        if spans.is_empty() {
            break;
        }
        of_length.push((length, spans));
    }
    let mut taken = vec![false; values.len()];
    let mut called = Vec::new();
    for (length, mut spans) in of_length.into_iter().rev() {
        spans.sort_by(|a, b| a.p.total_cmp(&b.p));
        for span in spans {
            let bases: Range<usize> = span.start..span.start + length;
            if taken[bases.clone()].iter().any(|t| *t) {
                continue;
            }
            taken[bases.clone()].fill(true);
            called.push(Seqlet {
                row,
                start: bases.start,
                end: bases.end,
                sum: sums[bases.end] - sums[bases.start],
                p: p_of(span.start, length),
            });
        }
    }
    called
}
