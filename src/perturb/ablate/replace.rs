use std::fmt;

use super::super::PerturbError;
use super::super::items::letters;
use crate::encode::push_codes;
use crate::stats::{Random, shuffle_keeping_pairs};

/// What comes in the place of a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Its own bases, shuffled with their pairs of neighbours kept.
    Dinucleotide,
    /// Its own bases in any order.
    Shuffle,
    /// Bases of which each is as likely.
    Uniform,
    /// These codes, over and over, the first at the first base; 4 is N, a column of zeros for the model.
    Letters(Vec<u8>),
}

impl Replacement {
    /// Reads `dinucleotide`, `shuffle`, `uniform`, or letters of bases.
    ///
    /// # Errors
    /// [`PerturbError::Setting`] for something else.
    pub fn parse(text: &str) -> Result<Self, PerturbError> {
        Ok(match text {
            "dinucleotide" => Self::Dinucleotide,
            "shuffle" => Self::Shuffle,
            "uniform" => Self::Uniform,
            letters => {
                let mut codes = Vec::new();
                let known = |b: &u8| b"ACGTNacgtn".contains(b);
                let sound = !letters.is_empty() && letters.as_bytes().iter().all(known);
                if !sound || !push_codes(letters.as_bytes(), &mut codes) {
                    return Err(PerturbError::Setting(format!(
                        "--by {text:?}: expected dinucleotide, shuffle, uniform, or letters of A, C, G, T, N"
                    )));
                }
                Self::Letters(codes)
            }
        })
    }

    /// Whether it is drawn at random.
    pub fn is_random(&self) -> bool {
        !matches!(self, Self::Letters(_))
    }

    /// Writes it in the place of what was there.
    pub(super) fn put(&self, was: &[u8], to: &mut [u8], random: &mut Random) {
        match self {
            Self::Dinucleotide => to.copy_from_slice(&shuffle_keeping_pairs(was, random)),
            Self::Shuffle => {
                to.copy_from_slice(was);
                random.shuffle(to);
            }
            Self::Uniform => to.iter_mut().for_each(|code| *code = random.below(4) as u8),
            Self::Letters(codes) => {
                for (to, code) in to.iter_mut().zip(codes.iter().cycle()) {
                    *to = *code;
                }
            }
        }
    }
}

/// As it is read.
impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dinucleotide => f.write_str("dinucleotide"),
            Self::Shuffle => f.write_str("shuffle"),
            Self::Uniform => f.write_str("uniform"),
            Self::Letters(codes) => f.write_str(&letters(codes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replacement_does_what_it_says() {
        let was = [0, 1, 1, 2, 3, 0, 1, 2, 2, 4, 0, 3];
        let put = |text: &str, seed| {
            let mut to = was;
            let replacement = Replacement::parse(text).unwrap();
            assert_eq!(replacement.to_string(), text);
            replacement.put(&was, &mut to, &mut Random::new(seed, 0, 0));
            to
        };
        assert_eq!(put("ACN", 1), [0, 1, 4, 0, 1, 4, 0, 1, 4, 0, 1, 4]);
        let sorted = |mut codes: [u8; 12]| {
            codes.sort_unstable();
            codes
        };
        let pairs = |codes: [u8; 12]| {
            let mut pairs: Vec<[u8; 2]> = codes.windows(2).map(|p| [p[0], p[1]]).collect();
            pairs.sort_unstable();
            pairs
        };
        let mut differ = [0; 3];
        for seed in 0..40 {
            let (two, one, none) = (
                put("dinucleotide", seed),
                put("shuffle", seed),
                put("uniform", seed),
            );
            assert_eq!(pairs(two), pairs(was));
            assert_eq!(sorted(one), sorted(was));
            assert!(none.iter().all(|c| *c < 4));
            for (n, codes) in [two, one, none].into_iter().enumerate() {
                differ[n] += u32::from(codes != was);
            }
        }
        assert!(differ.iter().all(|n| *n > 20), "{differ:?}");
        for wrong in ["", "dinuc", "ACX", "AC GT", "random"] {
            assert!(Replacement::parse(wrong).is_err(), "{wrong}");
        }
    }
}
