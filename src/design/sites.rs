//! Words of bases that must not occur, or must stay: IUPAC letters, and restriction enzymes by name.

use crate::encode::UNKNOWN;

/// Restriction enzymes that libraries are cloned with, and others in common use, with what they recognise,
/// 5' to 3' (REBASE; compared with the table of Biopython 1.88).
#[rustfmt::skip]
const ENZYMES: [(&str, &str); 108] = [
    ("AarI", "CACCTGC"), ("AatII", "GACGTC"), ("Acc65I", "GGTACC"), ("AclI", "AACGTT"), ("AflII", "CTTAAG"),
    ("AflIII", "ACRYGT"), ("AgeI", "ACCGGT"), ("AluI", "AGCT"), ("ApaI", "GGGCCC"), ("ApaLI", "GTGCAC"),
    ("AscI", "GGCGCGCC"), ("AseI", "ATTAAT"), ("AvaI", "CYCGRG"), ("AvrII", "CCTAGG"), ("BamHI", "GGATCC"),
    ("BbsI", "GAAGAC"), ("BclI", "TGATCA"), ("BfaI", "CTAG"), ("BglI", "GCCNNNNNGGC"), ("BglII", "AGATCT"),
    ("BlpI", "GCTNAGC"), ("BpiI", "GAAGAC"), ("BsaI", "GGTCTC"), ("BsaBI", "GATNNNNATC"), ("BseRI", "GAGGAG"),
    ("BsgI", "GTGCAG"), ("BsiWI", "CGTACG"), ("BsmBI", "CGTCTC"), ("BsmI", "GAATGC"), ("BspEI", "TCCGGA"),
    ("BspHI", "TCATGA"), ("BspQI", "GCTCTTC"), ("BsrGI", "TGTACA"), ("BssHII", "GCGCGC"), ("BstBI", "TTCGAA"),
    ("BstEII", "GGTNACC"), ("BstXI", "CCANNNNNNTGG"), ("BtsI", "GCAGTG"), ("ClaI", "ATCGAT"), ("DdeI", "CTNAG"),
    ("DpnII", "GATC"), ("DraI", "TTTAAA"), ("DraIII", "CACNNNGTG"), ("EagI", "CGGCCG"), ("EarI", "CTCTTC"),
    ("Eco31I", "GGTCTC"), ("EcoO109I", "RGGNCCY"), ("EcoRI", "GAATTC"), ("EcoRV", "GATATC"), ("Esp3I", "CGTCTC"),
    ("FokI", "GGATG"), ("FseI", "GGCCGGCC"), ("FspI", "TGCGCA"), ("HaeIII", "GGCC"), ("HhaI", "GCGC"),
    ("HincII", "GTYRAC"), ("HindIII", "AAGCTT"), ("HinfI", "GANTC"), ("HpaI", "GTTAAC"), ("HpaII", "CCGG"),
    ("KasI", "GGCGCC"), ("KpnI", "GGTACC"), ("MboI", "GATC"), ("MfeI", "CAATTG"), ("MluI", "ACGCGT"),
    ("MlyI", "GAGTC"), ("MmeI", "TCCRAC"), ("MscI", "TGGCCA"), ("MseI", "TTAA"), ("MspI", "CCGG"),
    ("NaeI", "GCCGGC"), ("NarI", "GGCGCC"), ("NcoI", "CCATGG"), ("NdeI", "CATATG"), ("NgoMIV", "GCCGGC"),
    ("NheI", "GCTAGC"), ("NlaIII", "CATG"), ("NotI", "GCGGCCGC"), ("NruI", "TCGCGA"), ("NsiI", "ATGCAT"),
    ("PacI", "TTAATTAA"), ("PciI", "ACATGT"), ("PmeI", "GTTTAAAC"), ("PmlI", "CACGTG"), ("PspOMI", "GGGCCC"),
    ("PspXI", "VCTCGAGB"), ("PstI", "CTGCAG"), ("PvuI", "CGATCG"), ("PvuII", "CAGCTG"), ("RsaI", "GTAC"),
    ("SacI", "GAGCTC"), ("SacII", "CCGCGG"), ("SalI", "GTCGAC"), ("SapI", "GCTCTTC"), ("Sau3AI", "GATC"),
    ("SbfI", "CCTGCAGG"), ("ScaI", "AGTACT"), ("SfiI", "GGCCNNNNNGGCC"), ("SmaI", "CCCGGG"), ("SnaBI", "TACGTA"),
    ("SpeI", "ACTAGT"), ("SphI", "GCATGC"), ("SrfI", "GCCCGGGC"), ("StuI", "AGGCCT"), ("SwaI", "ATTTAAAT"),
    ("XbaI", "TCTAGA"), ("XhoI", "CTCGAG"), ("XmaI", "CCCGGG"),
];

/// A word of IUPAC letters, on both strands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The enzyme, or the letters.
    pub name: String,
    /// Of each place the bases that fit, bits by code; the second strand where it differs.
    strands: Vec<Vec<u8>>,
}

impl Site {
    /// An enzyme of the table, in any case, or IUPAC letters.
    ///
    /// # Errors
    /// In words, where it is neither, or every sequence would have it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let enzyme = ENZYMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        let (name, letters) = enzyme.copied().unwrap_or((text, text));
        let masks: Option<Vec<u8>> = letters.bytes().map(mask).collect();
        let Some(masks) = masks.filter(|m| !m.is_empty()) else {
            // Roman numbers are often written as digits.
            let roman = [("1", "i"), ("2", "ii"), ("3", "iii"), ("5", "v")];
            let plain = (roman.iter()).fold(text.to_lowercase(), |t, (d, r)| t.replace(d, r));
            let like =
                |(name, _): &&(&str, &str)| strsim::jaro_winkler(&name.to_lowercase(), &plain);
            let near = ENZYMES.iter().map(|e| (like(&e), e.0));
            let best = near
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|b| b.0 > 0.85);
            return Err(match best {
                Some((_, name)) => format!(
                    "{text:?} is neither an enzyme that is known here nor IUPAC letters; is {name} meant?"
                ),
                None => format!(
                    "{text:?} is neither an enzyme that is known here nor IUPAC letters; its site can be given in their place, such as GAATTC"
                ),
            });
        };
        if masks.iter().all(|m| *m == 15) {
            return Err(format!("{text:?} fits every sequence"));
        }
        let complement = |m: &u8| m.reverse_bits() >> 4;
        let reverse: Vec<u8> = masks.iter().rev().map(complement).collect();
        let mut strands = vec![masks];
        if strands[0] != reverse {
            strands.push(reverse);
        }
        Ok(Self {
            name: name.into(),
            strands,
        })
    }

    /// Names of the enzymes that are known.
    pub fn enzymes() -> impl Iterator<Item = &'static str> {
        ENZYMES.iter().map(|(name, _)| *name)
    }

    /// Its strands that differ, 1 or 2.
    pub fn strands(&self) -> &[Vec<u8>] {
        &self.strands
    }

    /// Bases that it spans.
    pub fn len(&self) -> usize {
        self.strands[0].len()
    }

    /// Never: a site has a base.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it lies in a sequence: first base, and number of the strand.
    pub fn hits<'a>(&'a self, codes: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let strands = self.strands.iter().enumerate();
        strands.flat_map(move |(strand, masks)| {
            let words = codes.windows(masks.len()).enumerate();
            words
                .filter(|(_, word)| fits(masks, word))
                .map(move |(at, _)| (at, strand))
        })
    }

    /// How many of its hits hold a place.
    pub(super) fn over(&self, codes: &[u8], at: usize) -> usize {
        let width = self.len();
        let from = at.saturating_sub(width - 1);
        let to = (at + width).min(codes.len());
        self.hits(&codes[from..to]).count()
    }
}

/// Whether a word of codes fits; an unknown base fits nothing.
pub(super) fn fits(masks: &[u8], word: &[u8]) -> bool {
    masks.len() == word.len()
        && masks
            .iter()
            .zip(word)
            .all(|(mask, &code)| code < UNKNOWN && mask >> code & 1 == 1)
}

/// The bases that an IUPAC letter stands for.
fn mask(letter: u8) -> Option<u8> {
    Some(match letter.to_ascii_uppercase() {
        b'A' => 1,
        b'C' => 2,
        b'G' => 4,
        b'T' | b'U' => 8,
        b'R' => 5,
        b'Y' => 10,
        b'S' => 6,
        b'W' => 9,
        b'K' => 12,
        b'M' => 3,
        b'B' => 14,
        b'D' => 13,
        b'H' => 11,
        b'V' => 7,
        b'N' => 15,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::push_codes;

    fn codes(text: &str) -> Vec<u8> {
        let mut codes = Vec::new();
        assert!(push_codes(text.as_bytes(), &mut codes));
        codes
    }

    #[test]
    fn enzymes_and_letters_on_both_strands() {
        let hits = |site: &str, text: &str| -> Vec<(usize, usize)> {
            Site::parse(site).unwrap().hits(&codes(text)).collect()
        };
        // Its own reverse complement: once.
        assert_eq!(hits("ecori", "AGAATTCA"), [(1, 0)]);
        assert_eq!(hits("GAATTC", "AGAATTCA"), [(1, 0)]);
        assert_eq!(hits("BsmBI", "CGTCTCAGAGACG"), [(0, 0), (7, 1)]);
        assert_eq!(hits("SfiI", "GGCCACGTAGGCC"), [(0, 0)]);
        assert_eq!(hits("WS", "AC"), [(0, 0)]);
        assert_eq!(hits("AYC", "ATCNACCGAT"), [(0, 0), (4, 0), (7, 1)]);
        assert_eq!(hits("ACGT", "ACN"), []);
        let site = Site::parse("AAA").unwrap();
        assert_eq!(site.over(&codes("CAAAAC"), 2), 2);
        assert_eq!(site.over(&codes("CAAAAC"), 0), 0);
        for (text, part) in [
            ("EcoR1", "is EcoRI meant?"),
            ("XQZ", "neither an enzyme"),
            ("", "neither"),
            ("NN", "fits every sequence"),
        ] {
            let error = Site::parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn names_are_distinct_and_none_reads_as_letters() {
        let names: std::collections::BTreeSet<String> = ENZYMES
            .iter()
            .map(|(name, _)| name.to_lowercase())
            .collect();
        assert_eq!(names.len(), ENZYMES.len());
        for (name, letters) in ENZYMES {
            assert!(letters.bytes().all(|b| mask(b).is_some()), "{name}");
            assert!(name.bytes().any(|b| mask(b).is_none()), "{name}");
        }
    }
}
