use std::collections::HashMap;

use rayon::prelude::*;

use super::{Filters, MotifError};
use crate::encode::UNKNOWN;

/// The words that activate a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Sites {
    /// Occurrences of words above the threshold.
    pub count: u64,
    /// The filter's largest value on any word.
    pub largest: f32,
    /// Values above it count.
    pub threshold: f32,
    /// `[column][base]`, occurrences.
    pub counts: Vec<[u64; 4]>,
}

impl Sites {
    /// Shares of the bases, column by column; a quarter each without sites.
    pub fn frequencies(&self) -> Vec<[f64; 4]> {
        let n = self.count as f64;
        (self.counts.iter())
            .map(|column| match self.count {
                0 => [0.25; 4],
                _ => column.map(|c| c as f64 / n),
            })
            .collect()
    }
}

/// Collects the words of `width` known bases of sequences with how often each occurs: filters are
/// then run once a word.
#[derive(Debug, Default)]
pub struct Words {
    width: usize,
    counts: HashMap<u64, u64>,
    /// Occurrences of each base.
    pub bases: [u64; 4],
}

/// Most different words that are kept: some 4 GB.
const MOST: usize = 100_000_000;

/// Longest words that fit a number.
pub const WIDEST: usize = 32;

impl Words {
    /// For words of this many bases, 1 to [`WIDEST`].
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// Adds a sequence of base codes.
    ///
    /// # Errors
    /// [`MotifError::TooManyWords`].
    pub fn add(&mut self, codes: &[u8]) -> Result<(), MotifError> {
        let mask = u64::MAX >> (64 - 2 * self.width);
        let (mut word, mut run) = (0u64, 0);
        for &code in codes {
            if code >= UNKNOWN {
                run = 0;
                continue;
            }
            self.bases[code as usize] += 1;
            word = (word << 2 | u64::from(code)) & mask;
            run += 1;
            if run >= self.width {
                *self.counts.entry(word).or_default() += 1;
            }
        }
        match self.counts.len() > MOST {
            true => Err(MotifError::TooManyWords(self.width)),
            false => Ok(()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Words, in order, with their occurrences.
    fn sorted(&self) -> Vec<(Vec<u8>, u64)> {
        let mut words: Vec<(u64, u64)> = self.counts.iter().map(|(w, c)| (*w, *c)).collect();
        words.sort_unstable();
        (words.into_iter())
            .map(|(word, count)| {
                let base = |at: usize| (word >> (2 * (self.width - 1 - at)) & 3) as u8;
                ((0..self.width).map(base).collect(), count)
            })
            .collect()
    }
}

/// The sites of every filter: occurrences of words on which its value (bias included) is above 0 and
/// above `share` of its largest value on any word (as DeepBind and Basset do).
pub fn sites(filters: &Filters, words: &Words, share: f32) -> Vec<Sites> {
    let words = words.sorted();
    (0..filters.weights.len())
        .into_par_iter()
        .map(|f| {
            let values: Vec<f32> = words.iter().map(|(w, _)| filters.value(f, w)).collect();
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let threshold = (share * largest).max(0.0);
            let mut sites = Sites {
                count: 0,
                largest,
                threshold,
                counts: vec![[0; 4]; filters.width],
            };
            for ((word, count), value) in words.iter().zip(values) {
                if value > threshold {
                    sites.count += count;
                    for (column, &code) in sites.counts.iter_mut().zip(word) {
                        column[code as usize] += count;
                    }
                }
            }
            sites
        })
        .collect()
}
