use serde::{Deserialize, Serialize};

use crate::encode::UNKNOWN;
use crate::stats::{Random, shuffle_keeping_pairs};

/// What a window is held against. A base that is unknown is so in all references, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum References {
    /// Columns of zeros.
    Zeros,
    /// A quarter of every letter in every column.
    Uniform,
    /// In every column the window's own share of G and C, and of A and T, half for each.
    Gc,
    /// Sequences with the window's pairs of neighbours in another order. Which ones depends on the seed and the window's
    /// own bases, not on where it lies.
    Shuffles {
        /// How many, at least 1.
        count: usize,
        /// Seed.
        seed: u64,
    },
}

impl References {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Uniform => "uniform",
            Self::Gc => "gc",
            Self::Shuffles { .. } => "shuffles",
        }
    }

    /// References of a window of base codes, `[window, 4 (A, C, G, T)]` each.
    pub fn of(self, codes: &[u8]) -> Vec<Vec<f32>> {
        let all = |shares: [f32; 4]| {
            let column = |&code: &u8| if code < UNKNOWN { shares } else { [0.0; 4] };
            vec![codes.iter().flat_map(column).collect()]
        };
        match self {
            Self::Zeros => all([0.0; 4]),
            Self::Uniform => all([0.25; 4]),
            Self::Gc => {
                let known = codes.iter().filter(|c| **c < UNKNOWN).count().max(1);
                let strong = codes.iter().filter(|c| matches!(c, 1 | 2)).count();
                let gc = 0.5 * strong as f32 / known as f32;
                all([0.5 - gc, gc, gc, 0.5 - gc])
            }
            Self::Shuffles { count, seed } => {
                let mut random = Random::at(seed, &[content(codes)]);
                (0..count)
                    .map(|_| columns(&shuffle_known(codes, &mut random)))
                    .collect()
            }
        }
    }
}

/// The stretches of known bases, each shuffled by itself.
fn shuffle_known(codes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = Vec::with_capacity(codes.len());
    for stretch in codes.chunk_by(|a, b| (*a < UNKNOWN) == (*b < UNKNOWN)) {
        match stretch[0] < UNKNOWN {
            true => out.extend(shuffle_keeping_pairs(stretch, random)),
            false => out.extend(stretch),
        }
    }
    out
}

/// Base codes as one-hot columns, `[window, 4 (A, C, G, T)]`; zero where unknown.
pub(super) fn columns(codes: &[u8]) -> Vec<f32> {
    let column = |&code: &u8| {
        std::array::from_fn::<f32, 4, _>(|b| f32::from(u8::from(usize::from(code) == b)))
    };
    codes.iter().flat_map(column).collect()
}

/// A number for a sequence (FNV-1a).
fn content(codes: &[u8]) -> u64 {
    codes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &code| {
        (hash ^ u64::from(code)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_what_they_are_called() {
        let codes = [0, 1, 1, 2, UNKNOWN, 3, 0, 0, 1, 0, 2, 0, 3, 1, 3, 2, 0];
        let of = |references: References| references.of(&codes);
        assert_eq!(of(References::Zeros), [vec![0.0; 68]]);
        let uniform = &of(References::Uniform)[0];
        assert_eq!(uniform[..16], [0.25; 16]);
        assert_eq!(uniform[16..20], [0.0; 4]);
        // Seven of sixteen.
        let gc = &of(References::Gc)[0];
        for (found, expected) in gc[..4].iter().zip([9.0, 7.0, 7.0, 9.0]) {
            assert!((found - expected / 32.0).abs() < 1e-7);
        }
        let shuffles = References::Shuffles { count: 5, seed: 1 };
        let found = of(shuffles);
        assert_eq!(found.len(), 5);
        assert_eq!(found, of(shuffles));
        assert_ne!(found, of(References::Shuffles { count: 5, seed: 2 }));
        for shuffled in found {
            assert_eq!(shuffled[16..20], [0.0; 4]);
            assert_eq!(shuffled[..4], columns(&codes)[..4]);
            assert_eq!(shuffled.iter().sum::<f32>(), 16.0);
        }
    }
}
