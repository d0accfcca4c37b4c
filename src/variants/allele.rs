//! What an allele of a VCF record changes, and why it may not be scored.

use serde::{Deserialize, Serialize};

use crate::encode::{self, UNKNOWN};

/// Why an allele, or a whole record, is not scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Skip {
    /// The FASTA lacks the contig.
    UnknownContig,
    /// REF is empty or has anything that is not A, C, G or T.
    RefNotAcgt,
    /// REF is not what the genome has there.
    RefMismatch,
    /// The genome has a base there that is not A, C, G or T.
    GenomeUnknown,
    /// The record has no ALT allele (`.`).
    NoAlt,
    /// `*`: the allele is missing because of another deletion.
    SpanningDeletion,
    /// `<DEL>` and the like.
    Symbolic,
    /// A breakend.
    Breakend,
    /// ALT is empty or has anything that is not A, C, G or T.
    AltNotAcgt,
    /// ALT is REF.
    SameAsRef,
    /// REF or ALT is longer than the window.
    TooLong,
    /// Each window holds too many unknown bases: any, unless the model allows some.
    NoWindow,
    /// A row of a BED without a base.
    EmptyInterval,
    /// POS is 0 or one behind the contig's last base: before or after all bases.
    Telomere,
    /// REF reaches past the contig's end.
    PastContigEnd,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::UnknownContig,
        Self::RefNotAcgt,
        Self::RefMismatch,
        Self::GenomeUnknown,
        Self::NoAlt,
        Self::SpanningDeletion,
        Self::Symbolic,
        Self::Breakend,
        Self::AltNotAcgt,
        Self::SameAsRef,
        Self::TooLong,
        Self::NoWindow,
        Self::EmptyInterval,
        Self::Telomere,
        Self::PastContigEnd,
    ];

    /// The word in `INFO/MPRA_SKIP` and in the table's `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownContig => "unknown_contig",
            Self::RefNotAcgt => "ref_not_acgt",
            Self::RefMismatch => "ref_mismatch",
            Self::GenomeUnknown => "genome_unknown",
            Self::NoAlt => "no_alt",
            Self::SpanningDeletion => "spanning_deletion",
            Self::Symbolic => "symbolic",
            Self::Breakend => "breakend",
            Self::AltNotAcgt => "alt_not_acgt",
            Self::SameAsRef => "same_as_ref",
            Self::TooLong => "too_long",
            Self::NoWindow => "no_window",
            Self::EmptyInterval => "empty_interval",
            Self::Telomere => "telomere",
            Self::PastContigEnd => "past_contig_end",
        }
    }
}

/// A change of the genome, without the bases that REF and ALT share at their ends: the shared
/// suffix is taken away first, then the shared prefix, and one base of each is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Bases from POS to the first base of the change.
    pub at: usize,
    /// Bases that are replaced.
    pub deleted: usize,
    /// Letters that replace them.
    pub inserted: &'a [u8],
}

impl Change<'_> {
    /// The code of the new base, where one base replaces one.
    pub fn single(&self) -> Option<u8> {
        match (self.deleted, self.inserted) {
            (1, [letter]) => encode::code(*letter),
            _ => None,
        }
    }
}

/// Whether all letters are A, C, G or T, of either case.
pub fn is_acgt(letters: &[u8]) -> bool {
    letters
        .iter()
        .all(|&l| encode::code(l).is_some_and(|c| c != UNKNOWN))
}

/// Judges an ALT allele of a record whose REF is all A, C, G, T.
///
/// # Errors
/// The reason why it cannot be scored.
pub fn change<'a>(reference: &[u8], alt: &'a [u8], window: usize) -> Result<Change<'a>, Skip> {
    match alt {
        b"." => return Err(Skip::NoAlt),
        b"*" => return Err(Skip::SpanningDeletion),
        [b'<', ..] => return Err(Skip::Symbolic),
        _ if alt.iter().any(|b| matches!(b, b'[' | b']' | b'.')) => return Err(Skip::Breakend),
        _ if alt.is_empty() || !is_acgt(alt) => return Err(Skip::AltNotAcgt),
        _ => {}
    }
    let same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
    if reference.len() == alt.len() && reference.iter().zip(alt).all(|p| same(&p)) {
        return Err(Skip::SameAsRef);
    }
    let most = reference.len().min(alt.len()) - 1;
    let suffix = (reference.iter().rev().zip(alt.iter().rev()))
        .take(most)
        .take_while(same)
        .count();
    let prefix = (reference.iter().zip(alt))
        .take(most - suffix)
        .take_while(same)
        .count();
    let change = Change {
        at: prefix,
        deleted: reference.len() - suffix - prefix,
        inserted: &alt[prefix..alt.len() - suffix],
    };
    match change.deleted.max(change.inserted.len()) > window {
        true => Err(Skip::TooLong),
        false => Ok(change),
    }
}

/// Whether text could be an ALT allele at all: letters, `*`, `.`, symbolic or breakend.
pub fn is_allele(alt: &[u8]) -> bool {
    match alt {
        [] => false,
        [b'<', .., b'>'] => true,
        b"." | b"*" => true,
        _ if alt.contains(&b'[') || alt.contains(&b']') => true,
        _ => alt.iter().all(|b| b.is_ascii_alphabetic() || *b == b'.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_ends_are_taken_away() {
        let check = |reference: &str, alt: &'static str, expected: (usize, usize, &str)| {
            let found = change(reference.as_bytes(), alt.as_bytes(), 20).unwrap();
            let found = (
                found.at,
                found.deleted,
                std::str::from_utf8(found.inserted).unwrap(),
            );
            assert_eq!(found, expected, "{reference}>{alt}");
        };
        check("A", "C", (0, 1, "C"));
        check("a", "T", (0, 1, "T"));
        check("AC", "AT", (1, 1, "T"));
        check("CAG", "CTG", (1, 1, "T"));
        check("AC", "GT", (0, 2, "GT"));
        // An insertion and a deletion keep one base, the leftmost.
        check("A", "ATT", (0, 1, "ATT"));
        check("ATT", "A", (0, 3, "A"));
        check("ATT", "AT", (0, 2, "A"));
        check("GCAT", "GCAAT", (1, 1, "CA"));
        check("CAA", "CTTT", (1, 2, "TTT"));
        // Nothing in common.
        check("ACG", "TTTT", (0, 3, "TTTT"));
    }

    #[test]
    fn what_cannot_be_scored() {
        let check = |reference: &str, alt: &str, expected: Skip| {
            assert_eq!(
                change(reference.as_bytes(), alt.as_bytes(), 5).unwrap_err(),
                expected,
                "{alt}"
            );
        };
        check("A", ".", Skip::NoAlt);
        check("A", "*", Skip::SpanningDeletion);
        check("A", "<DEL>", Skip::Symbolic);
        check("A", "<*>", Skip::Symbolic);
        check("A", "A[chr1:5[", Skip::Breakend);
        check("A", "]chr1:5]A", Skip::Breakend);
        check("A", ".A", Skip::Breakend);
        check("A", "N", Skip::AltNotAcgt);
        check("A", "R", Skip::AltNotAcgt);
        check("A", "", Skip::AltNotAcgt);
        check("A", "-", Skip::AltNotAcgt);
        check("A", "*CA", Skip::AltNotAcgt);
        check("A", "a", Skip::SameAsRef);
        check("A", "AAAAAC", Skip::TooLong);
        check("AAAAAC", "A", Skip::TooLong);
        // Long, but the change is short.
        assert!(change(b"AAAAAAC", b"AAAAAAG", 5).is_ok());
        assert!(is_allele(b"<INS:ME>") && is_allele(b"G]17:198982]") && is_allele(b"acgtn"));
        assert!(!is_allele(b"") && !is_allele(b"A1") && !is_allele(b"<DEL") && !is_allele(b"-"));
    }
}
