use super::super::PerturbError;
use super::super::word::Word;
use super::Partner;
use crate::stats::Random;

/// What is put where, row by row of the table.
#[derive(Clone, Debug)]
pub(super) struct Design {
    /// Words with their reverse complements: those of motif `m` are 2 m and 2 m + 1; the partner's are the last two.
    words: Vec<Word>,
    pub rows: Vec<Row>,
    /// Whether a second motif is put in.
    pub pairs: bool,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The word, and the column where it begins.
    pub first: Put,
    /// The second one.
    pub second: Option<Put>,
    /// Bases between them.
    pub spacing: usize,
}

/// A word at a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    word: usize,
    start: usize,
}

/// Rows that are written at a time.
const PART: usize = 512;

impl Design {
    /// Every motif, with its reverse complement if that is wanted; or with a partner at every spacing, in every
    /// orientation.
    ///
    /// # Errors
    /// [`PerturbError::DoesNotFit`], or when no spacing is asked for.
    pub fn new(
        motifs: &[Word],
        reverse: bool,
        partner: Option<&Partner>,
        position: Option<usize>,
        window: usize,
    ) -> Result<Self, PerturbError> {
        let all = motifs.iter().chain(partner.map(|p| &p.word));
        let words: Vec<Word> = all
            .flat_map(|w| [w.clone(), w.reverse_complement()])
            .collect();
        // Where so many bases begin.
        let begin = |bases: usize, what: &dyn Fn() -> String| {
            let start = position.or_else(|| (window / 2).checked_sub(bases / 2));
            let fits = start.filter(|start| start.saturating_add(bases) <= window);
            fits.ok_or_else(|| PerturbError::DoesNotFit {
                what: what(),
                needed: bases,
                window,
                place: position.map_or(String::new(), |p| format!(" from base {p} on")),
            })
        };
        let mut rows = Vec::new();
        for (m, motif) in motifs.iter().enumerate() {
            let Some(partner) = partner else {
                let start = begin(motif.len(), &|| format!("the motif {}", motif.name))?;
                for word in 2 * m..=2 * m + usize::from(reverse) {
                    rows.push(Row {
                        first: Put { word, start },
                        second: None,
                        spacing: 0,
                    });
                }
                continue;
            };
            let (least, most) = partner.spacings;
            if least > most {
                let text = format!("--spacing {least}-{most}: the first is larger");
                return Err(PerturbError::Setting(text));
            }
            for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                for spacing in least..=most {
                    let bases = motif.len() + partner.word.len() + spacing;
                    let start = begin(bases, &|| {
                        let other = &partner.word.name;
                        format!("{} and {other} with {spacing} bases between", motif.name)
                    })?;
                    rows.push(Row {
                        first: Put {
                            word: 2 * m + first,
                            start,
                        },
                        second: Some(Put {
                            word: 2 * motifs.len() + second,
                            start: start + motif.len() + spacing,
                        }),
                        spacing,
                    });
                }
            }
        }
        Ok(Self {
            words,
            rows,
            pairs: partner.is_some(),
        })
    }

    /// Windows of each row: with both, the first alone, the second alone; or one.
    pub fn each(&self) -> usize {
        if self.pairs { 3 } else { 1 }
    }

    /// Windows of each background, the first of them as it is.
    pub fn windows(&self) -> usize {
        1 + self.rows.len() * self.each()
    }

    /// Parts in which they are written.
    pub fn parts(&self) -> usize {
        self.rows.len().div_ceil(PART)
    }

    /// Appends the windows of a part for a background. Ambiguous letters of a word at a column become the same bases
    /// of a background, alone and beside another word.
    pub fn write(&self, part: usize, codes: &[u8], (seed, number): (u64, u64), out: &mut Vec<u8>) {
        if part == 0 {
            out.extend_from_slice(codes);
        }
        let mut window = |puts: &[Put]| {
            let from = out.len();
            out.extend_from_slice(codes);
            for put in puts {
                let place = [number, put.word as u64, put.start as u64];
                let word = &self.words[put.word];
                let to = &mut out[from + put.start..][..word.len()];
                word.put(to, &mut Random::at(seed, &place));
            }
        };
        let rows = self.rows.chunks(PART).nth(part).unwrap_or_default();
        for row in rows {
            match row.second {
                None => window(&[row.first]),
                Some(second) => {
                    window(&[row.first, second]);
                    window(&[row.first]);
                    window(&[second]);
                }
            }
        }
    }

    /// The word of a row's motif, and whether it is the reverse complement.
    pub fn word(&self, put: Put) -> (&Word, bool) {
        (&self.words[put.word], put.word % 2 == 1)
    }

    /// Number of a word's motif.
    pub fn motif(&self, put: Put) -> usize {
        put.word / 2
    }

    /// Column where a word begins.
    pub fn start(&self, put: Put) -> usize {
        put.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word::parse(text).unwrap()
    }

    #[test]
    fn motifs_lie_in_the_middle_or_where_they_should() {
        let motifs = [word("ACG"), word("TT")];
        let design = Design::new(&motifs, true, None, None, 9).unwrap();
        let mut out = Vec::new();
        design.write(0, &[2; 9], (1, 0), &mut out);
        // From 9 / 2 - 3 / 2 = 3, and 9 / 2 - 2 / 2 = 3.
        let rows: Vec<&[u8]> = out.chunks(9).collect();
        assert_eq!(rows.len(), design.windows());
        assert_eq!(rows[0], [2; 9]);
        assert_eq!(rows[1], [2, 2, 2, 0, 1, 2, 2, 2, 2]);
        assert_eq!(rows[2], [2, 2, 2, 1, 2, 3, 2, 2, 2]);
        assert_eq!(rows[3], [2, 2, 2, 3, 3, 2, 2, 2, 2]);
        assert_eq!(rows[4], [2, 2, 2, 0, 0, 2, 2, 2, 2]);
        let at = |position, window| Design::new(&motifs, false, None, position, window);
        assert_eq!(at(Some(6), 9).unwrap().rows[0].first.start, 6);
        for (position, window) in [(Some(7), 9), (None, 2), (Some(usize::MAX - 9), 9)] {
            let error = at(position, window).unwrap_err();
            assert!(
                error.to_string().contains("the motif ACG (3 bases)"),
                "{error}"
            );
        }
    }

    #[test]
    fn two_motifs_at_every_spacing() {
        let partner = Partner {
            word: word("CT"),
            spacings: (0, 2),
        };
        let design = |spacings, window| {
            let partner = Partner {
                spacings,
                ..partner.clone()
            };
            Design::new(&[word("AAC")], false, Some(&partner), None, window)
        };
        let eight = design((0, 2), 8).unwrap();
        assert_eq!((eight.rows.len(), eight.windows()), (12, 37));
        let mut out = Vec::new();
        eight.write(0, &[4; 8], (1, 0), &mut out);
        let rows: Vec<&[u8]> = out.chunks(8).collect();
        // Spacing 1 of the first orientation: 6 bases from 8 / 2 - 6 / 2 = 1.
        assert_eq!(rows[4], [4, 0, 0, 1, 4, 1, 3, 4]);
        assert_eq!(rows[5], [4, 0, 0, 1, 4, 4, 4, 4]);
        assert_eq!(rows[6], [4, 4, 4, 4, 4, 1, 3, 4]);
        // The first and the second turned, spacing 0: 5 bases from 4 - 2.
        assert_eq!(rows[28], [4, 4, 2, 3, 3, 0, 2, 4]);
        assert!(design((0, 3), 8).is_ok());
        let error = design((0, 4), 8).unwrap_err();
        assert!(
            error.to_string().contains("4 bases between (9 bases)"),
            "{error}"
        );
        assert!(design((2, 1), 8).is_err());
    }

    #[test]
    fn ambiguous_letters_are_the_same_alone_and_beside() {
        let partner = Partner {
            word: word("NSN"),
            spacings: (0, 5),
        };
        let design = Design::new(&[word("RYRY")], false, Some(&partner), None, 20).unwrap();
        let background = [4; 20];
        let mut out = Vec::new();
        design.write(0, &background, (7, 3), &mut out);
        for rows in out[20..].chunks(60) {
            let (both, first, second) = (&rows[..20], &rows[20..40], &rows[40..]);
            for i in 0..20 {
                assert_eq!(both[i], first[i].min(second[i]));
            }
        }
    }
}
