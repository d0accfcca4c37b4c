//! The alleles of a table against the genome: which of them is REF, and on which strand they are told.

use serde::{Deserialize, Serialize};

use super::super::allele::is_acgt;
use super::Status;

/// How the alleles of a row lie on the genome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Aligned {
    /// REF and ALT on the genome's forward strand, in capitals.
    pub reference: Vec<u8>,
    pub alt: Vec<u8>,
    /// Whether the table's effect is that of ALT; else it is that of REF.
    pub effect_is_alt: bool,
    /// Whether the table tells them on the other strand.
    pub complement: bool,
}

impl Aligned {
    /// Whether the alleles are each other's complement, so that they look the same on either strand.
    pub fn is_palindrome(&self) -> bool {
        complement(&self.reference) == self.alt
    }

    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match (self.effect_is_alt, self.complement, self.is_palindrome()) {
            (true, _, true) => "alt,palindrome",
            (false, _, true) => "ref,palindrome",
            (true, false, _) => "alt",
            (false, false, _) => "ref",
            (true, true, _) => "alt,complement",
            (false, true, _) => "ref,complement",
        }
    }
}

/// Lays alleles on the genome, whose letters from the row's position on are `genome` (as many as the longer
/// allele has, `N` where unknown or past the contig's end).
///
/// As the table tells them they are tried first, then, for single bases, on the other strand.
///
/// # Errors
/// Why they cannot be told.
pub(super) fn align(effect: &str, other: Option<&str>, genome: &[u8]) -> Result<Aligned, Status> {
    let effect = effect.to_ascii_uppercase().into_bytes();
    let Some(other) = other else {
        // The genome's base is the other one, where it can be.
        if effect.len() != 1 || !is_acgt(&effect) {
            return Err(Status::NoAlleles);
        }
        return match genome.first() {
            Some(base) if !is_acgt(&[*base]) => Err(Status::Skip(super::Skip::GenomeUnknown)),
            Some(base) if *base == effect[0] => Err(Status::NoOtherAllele),
            Some(base) => Ok(Aligned {
                reference: vec![*base],
                alt: effect,
                effect_is_alt: true,
                complement: false,
            }),
            None => Err(Status::NoAlleles),
        };
    };
    let other = other.to_ascii_uppercase().into_bytes();
    if !is_acgt(&effect) || !is_acgt(&other) || effect.is_empty() || other.is_empty() {
        return Err(Status::AllelesNotAcgt);
    }
    if effect == other {
        return Err(Status::Skip(super::Skip::SameAsRef));
    }
    let fits = |allele: &[u8]| genome.starts_with(allele);
    let found = |effect: &[u8], other: &[u8], complement: bool| match (fits(effect), fits(other)) {
        (true, true) => Some(Err(Status::BothAlleles)),
        (false, false) => None,
        (effect_fits, _) => {
            let (reference, alt) = if effect_fits {
                (effect, other)
            } else {
                (other, effect)
            };
            Some(Ok(Aligned {
                reference: reference.to_vec(),
                alt: alt.to_vec(),
                effect_is_alt: !effect_fits,
                complement,
            }))
        }
    };
    if let Some(told) = found(&effect, &other, false) {
        return told;
    }
    // What is known does not contradict one of them.
    let may_fit = |allele: &[u8]| {
        let pairs = || allele.iter().zip(genome);
        pairs().all(|(a, b)| a == b || !is_acgt(&[*b]))
    };
    if may_fit(&effect) || may_fit(&other) {
        return Err(Status::Skip(super::Skip::GenomeUnknown));
    }
    if effect.len() == 1
        && other.len() == 1
        && let Some(told) = found(&complement(&effect), &complement(&other), true)
    {
        return told;
    }
    Err(Status::Skip(super::Skip::RefMismatch))
}

/// The reverse complement of letters A, C, G, T.
pub(super) fn complement(letters: &[u8]) -> Vec<u8> {
    let other = |&l: &u8| match l {
        b'A' => b'T',
        b'C' => b'G',
        b'G' => b'C',
        b'T' => b'A',
        l => l,
    };
    letters.iter().rev().map(other).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Skip;
    use super::*;

    #[test]
    fn which_allele_is_the_genomes() {
        for (effect, other, genome, word, site) in [
            ("A", Some("C"), "C", "alt", "C>A"),
            ("a", Some("c"), "A", "ref", "A>C"),
            ("T", Some("G"), "C", "alt,complement", "C>A"),
            ("G", Some("T"), "C", "ref,complement", "C>A"),
            ("A", Some("T"), "T", "alt,palindrome", "T>A"),
            ("A", Some("T"), "A", "ref,palindrome", "A>T"),
            ("A", Some("AC"), "AG", "ref", "A>AC"),
            ("AC", Some("A"), "AG", "alt", "A>AC"),
            ("A", None, "C", "alt", "C>A"),
        ] {
            let found = align(effect, other, genome.as_bytes()).unwrap();
            assert_eq!(found.as_str(), word, "{effect} {other:?} on {genome}");
            let text = |a: &[u8]| String::from_utf8(a.to_vec()).unwrap();
            let told = format!("{}>{}", text(&found.reference), text(&found.alt));
            assert_eq!(told, site, "{effect} {other:?} on {genome}");
        }
    }

    #[test]
    fn alleles_that_cannot_be_told() {
        for (effect, other, genome, status) in [
            ("A", None, "A", Status::NoOtherAllele),
            ("AC", None, "A", Status::NoAlleles),
            ("I", Some("D"), "A", Status::AllelesNotAcgt),
            ("A", Some("-"), "A", Status::AllelesNotAcgt),
            // An insertion of C, or a deletion of it: the genome goes on either way.
            ("A", Some("AC"), "AC", Status::BothAlleles),
            ("A", Some("A"), "A", Status::Skip(Skip::SameAsRef)),
            ("A", Some("C"), "N", Status::Skip(Skip::GenomeUnknown)),
            ("A", Some("T"), "C", Status::Skip(Skip::RefMismatch)),
            ("AG", Some("AT"), "CC", Status::Skip(Skip::RefMismatch)),
            ("AG", Some("A"), "NN", Status::Skip(Skip::GenomeUnknown)),
            ("AG", Some("A"), "CN", Status::Skip(Skip::RefMismatch)),
        ] {
            assert_eq!(
                align(effect, other, genome.as_bytes()),
                Err(status),
                "{effect} {other:?} on {genome}"
            );
        }
    }
}
