use super::PerturbError;
use crate::motifs::Motif;
use crate::stats::Random;

/// Letters by the set of bases that they stand for: A 1, C 2, G 4, T 8.
const IUPAC: &[u8; 16] = b".ACMGRSVTWYHKDBN";
const ANY: u8 = 15;

/// A motif as a word of IUPAC letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its name.
    pub name: String,
    /// Sets of bases.
    letters: Vec<u8>,
}

impl Word {
    /// Reads `NAME=LETTERS`, or letters that are their own name. Case does not matter, U is T.
    ///
    /// # Errors
    /// [`PerturbError::NoWord`] for something else, no letter, or nothing but N.
    pub fn parse(text: &str) -> Result<Self, PerturbError> {
        let fail = |problem: String| PerturbError::NoWord {
            text: text.into(),
            problem,
        };
        let (name, word) = text.split_once('=').unwrap_or((text, text));
        let mut letters = Vec::new();
        for letter in word.chars() {
            let upper = match letter.to_ascii_uppercase() {
                'U' => 'T',
                upper => upper,
            };
            let set = IUPAC.iter().skip(1).position(|l| char::from(*l) == upper);
            let set = set.ok_or_else(|| fail(format!("{letter:?} is no letter of IUPAC")))?;
            letters.push(set as u8 + 1);
        }
        let problem = if letters.is_empty() {
            "it has no letter"
        } else if name.is_empty() {
            "it has no name before `=`"
        } else if letters.iter().all(|set| *set == ANY) {
            "it stands for every word"
        } else {
            return Ok(Self {
                name: name.into(),
                letters,
            });
        };
        Err(fail(problem.into()))
    }

    /// The likeliest word of a matrix: of equally likely bases the first of A, C, G, T. It is called by the second name of the
    /// motif, where it has one.
    pub fn likeliest(motif: &Motif) -> Self {
        let best = |column: &[f64; 4]| {
            let first = (1..4).fold(0, |best, b| match column[b] > column[best] {
                true => b,
                false => best,
            });
            1 << first
        };
        Self {
            name: match motif.other_name.is_empty() {
                true => motif.name.clone(),
                false => format!("{} {}", motif.name, motif.other_name),
            },
            letters: motif.frequencies.iter().map(best).collect(),
        }
    }

    /// Number of bases.
    #[allow(clippy::len_without_is_empty, reason = "there is always a letter")]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// The letters.
    pub fn text(&self) -> String {
        let letter = |set: &u8| char::from(IUPAC[usize::from(*set)]);
        self.letters.iter().map(letter).collect()
    }

    /// The same motif on the other strand.
    pub fn reverse_complement(&self) -> Self {
        let complement = |set: &u8| set.reverse_bits() >> 4;
        Self {
            name: self.name.clone(),
            letters: self.letters.iter().rev().map(complement).collect(),
        }
    }

    /// Writes the word over base codes: a base that a letter allows stays, another becomes one of those that
    /// it allows, each as likely. So under N everything stays, unknown bases, too.
    pub(super) fn put(&self, codes: &mut [u8], random: &mut Random) {
        for (code, &set) in codes.iter_mut().zip(&self.letters) {
            if set == ANY || *code < 4 && set & (1 << *code) != 0 {
                continue;
            }
            let mut allowed = (0..4u8).filter(|b| set & (1 << b) != 0);
            let count = set.count_ones();
            let which = match count {
                1 => 0,
                n => random.below(u64::from(n)) as usize,
            };
            if let Some(base) = allowed.nth(which) {
                *code = base;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_letters() {
        let word = Word::parse("ap1=tgaSTCAnu").unwrap();
        assert_eq!((word.name.as_str(), word.len()), ("ap1", 9));
        assert_eq!(word.text(), "TGASTCANT");
        assert_eq!(word.reverse_complement().text(), "ANTGASTCA");
        let all = Word::parse("ACGTRYSWKMBDHVN").unwrap();
        assert_eq!(all.name, "ACGTRYSWKMBDHVN");
        assert_eq!(all.reverse_complement().text(), "NBDHVKMWSRYACGT");
        for (text, problem) in [
            ("", "no letter"),
            ("a=", "no letter"),
            ("=ACG", "no name"),
            ("NNN", "every word"),
            ("AC-GT", "'-'"),
            ("x=A.T", "'.'"),
        ] {
            let error = Word::parse(text).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn the_likeliest_word() {
        let mut motif = Motif {
            name: "MA1".into(),
            other_name: String::new(),
            frequencies: vec![
                [0.1, 0.2, 0.3, 0.4],
                [0.3, 0.3, 0.2, 0.2],
                [0.0, 0.5, 0.5, 0.0],
            ],
            sites: 0,
        };
        assert_eq!(Word::likeliest(&motif).text(), "TAC");
        motif.other_name = "JUN".into();
        assert_eq!(Word::likeliest(&motif).name, "MA1 JUN");
    }

    #[test]
    fn what_a_letter_allows_stays() {
        let word = Word::parse("ARN").unwrap();
        let mut seen = [0; 4];
        for draw in 0..400 {
            let mut random = Random::new(draw, 0, 0);
            let mut codes = [1, 2, 4];
            word.put(&mut codes, &mut random);
            assert_eq!(codes, [0, 2, 4]);
            let mut codes = [0, 4, 3];
            word.put(&mut codes, &mut random);
            assert_eq!((codes[0], codes[2]), (0, 3));
            seen[usize::from(codes[1])] += 1;
        }
        assert_eq!((seen[1], seen[3]), (0, 0));
        // Six standard deviations of a binomial(400, 1/2): 60.
        assert!(i32::abs(seen[0] - 200) < 60, "{seen:?}");
    }
}
