//! Alleles of a record in another build.

use super::Reject;
use crate::Error;
use crate::encode::{BASES, UNKNOWN, code};
use crate::liftover::Span;

/// Bases of one contig of the new genome.
pub(super) trait Bases {
    /// Codes of the bases `[from, to)`; those outside the contig are unknown.
    ///
    /// # Errors
    /// When the genome cannot be read.
    fn codes(&mut self, from: u32, to: u32) -> Result<&[u8], Error>;

    /// Bases of the contig.
    fn length(&self) -> u32;
}

/// Alleles as they stand in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alleles {
    /// First base of REF, 0-based.
    pub start: u32,
    pub reference: Vec<u8>,
    pub alts: Vec<Vec<u8>>,
}

/// Whether an allele is spelled out. Others are the same wherever they stand (`.`, `*`, and "any other
/// allele"), or cannot be lifted.
pub(super) fn spelled(allele: &[u8]) -> bool {
    !allele.is_empty() && allele.iter().all(u8::is_ascii_alphabetic)
}

/// Whether an allele that is not spelled out is the same in every build.
pub(super) fn everywhere(allele: &[u8]) -> bool {
    matches!(allele, b"." | b"*" | b"<*>" | b"<NON_REF>")
}

impl Alleles {
    /// Where REF and ALT lie in the new genome: letter by letter on its strand, with REF compared with
    /// it. `span` is REF's.
    ///
    /// # Errors
    /// Outer: when the genome cannot be read. Inner: why the record is not in the new build.
    pub fn lifted(
        reference: &[u8],
        alts: &[&[u8]],
        span: &Span<'_>,
        genome: &mut impl Bases,
    ) -> Result<Result<Self, Reject>, Error> {
        let turned = |allele: &[u8]| match span.minus && spelled(allele) {
            true => bio::alphabets::dna::revcomp(allele),
            false => allele.to_vec(),
        };
        let mut alleles = Self {
            start: span.bases.start(),
            reference: turned(reference),
            alts: alts.iter().map(|alt| turned(alt)).collect(),
        };
        if let Some(reject) = alleles.compared(span, genome)? {
            return Ok(Err(reject));
        }
        let lengths_differ = |alt: &[u8]| spelled(alt) && alt.len() != reference.len();
        let mut differ = false;
        for alt in alleles.alts.iter().filter(|alt| lengths_differ(alt)) {
            differ = true;
            if !alleles.keeps_its_place(alt, span, genome)? {
                return Ok(Err(Reject::Gap));
            }
        }
        // On the other strand, the base that insertions and deletions are hung upon is behind them.
        if differ && span.minus && !alleles.hang_left(genome)? {
            return Ok(Err(Reject::Gap));
        }
        Ok(Ok(alleles))
    }

    /// Compares REF with the genome. A base that is unknown on either side does not differ.
    fn compared(&self, span: &Span<'_>, genome: &mut impl Bases) -> Result<Option<Reject>, Error> {
        let (start, end) = (span.bases.start(), span.bases.end());
        let unlike = |(letter, base): (&u8, &u8)| {
            let letter = code(*letter).unwrap_or(UNKNOWN);
            letter != UNKNOWN && *base != UNKNOWN && letter != *base
        };
        let bases = genome.codes(start, end)?;
        if !self.reference.iter().zip(bases).any(unlike) {
            return Ok(None);
        }
        // A shorter ALT is in the genome by chance too often to be told from it.
        let candidates =
            (self.alts.iter()).filter(|alt| spelled(alt) && alt.len() >= self.reference.len());
        for alt in candidates {
            let more = (alt.len() - self.reference.len()) as u32;
            // What is inserted stands behind the base before it, seen from its own strand.
            let (from, to) = match span.minus {
                false => (start, end.saturating_add(more)),
                true => (start.saturating_sub(more), end),
            };
            let bases = genome.codes(from, to)?;
            let alike =
                |(letter, base): (&u8, &u8)| *base != UNKNOWN && code(*letter) == Some(*base);
            if bases.len() == alt.len() && alt.iter().zip(bases).all(alike) {
                return Ok(Some(Reject::Swapped));
            }
        }
        Ok(Some(Reject::RefDiffers))
    }

    /// Whether an insertion or deletion lies within aligned bases wherever it may be written: along a
    /// repeat, and with a base on either side. At a gap, the new genome itself may have what is inserted
    /// or lack what is deleted, and then REF is not what it was.
    fn keeps_its_place(
        &self,
        alt: &[u8],
        span: &Span<'_>,
        genome: &mut impl Bases,
    ) -> Result<bool, Error> {
        let reference = &self.reference[..];
        let same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
        let most = reference.len().min(alt.len());
        let suffix = (reference.iter().rev().zip(alt.iter().rev()))
            .take(most)
            .take_while(same)
            .count();
        let prefix = (reference.iter().zip(alt))
            .take(most - suffix)
            .take_while(same)
            .count();
        let deleted = &reference[prefix..reference.len() - suffix];
        let inserted = &alt[prefix..alt.len() - suffix];
        let unit = match (deleted, inserted) {
            ([], unit) | (unit, []) => unit,
            // Some bases for others: it cannot be moved.
            _ => &[],
        };
        let unit: Vec<u8> = unit.iter().map(|l| code(*l).unwrap_or(UNKNOWN)).collect();
        let known = |base: u8| base != UNKNOWN;
        let mut low = self.start + prefix as u32;
        let mut high = low + deleted.len() as u32;
        let least = span.bases.start() - span.around.0;
        let most = span.bases.end() + span.around.1;
        let mut moved = 0;
        while low > 0 {
            if low <= least {
                return Ok(false);
            }
            let base = genome.codes(low - 1, low)?[0];
            match unit.get(unit.len().wrapping_sub(1 + moved)) {
                Some(&last) if known(base) && base == last => low -= 1,
                _ => break,
            }
            moved = (moved + 1) % unit.len();
        }
        moved = 0;
        while high < genome.length() {
            if high >= most {
                return Ok(false);
            }
            let base = genome.codes(high, high + 1)?[0];
            match unit.get(moved) {
                Some(&first) if known(base) && base == first => high += 1,
                _ => break,
            }
            moved = (moved + 1) % unit.len();
        }
        Ok(true)
    }

    /// Writes the alleles with a base before them and as far left as they go (Tan, Abecasis and Kang
    /// 2015). `false` where there is no such base.
    fn hang_left(&mut self, genome: &mut impl Bases) -> Result<bool, Error> {
        let mut alleles: Vec<&mut Vec<u8>> = (self.alts.iter_mut())
            .filter(|alt| spelled(alt))
            .chain([&mut self.reference])
            .collect();
        let shared = |letters: &mut dyn Iterator<Item = Option<u8>>| -> bool {
            let mut letters = letters.map(|l| l.map(|l| l.to_ascii_uppercase()));
            let first = letters.next().flatten();
            first.is_some_and(|l| l != b'N') && letters.all(|l| l == first)
        };
        loop {
            let shortened = shared(&mut alleles.iter().map(|a| a.last().copied()));
            if shortened {
                for allele in &mut alleles {
                    allele.pop();
                }
            }
            if alleles.iter().any(|a| a.is_empty()) {
                let Some(before) = self.start.checked_sub(1) else {
                    return Ok(false);
                };
                let base = genome.codes(before, self.start)?[0];
                let letter = BASES.get(usize::from(base)).map_or(b'N', |l| *l as u8);
                for allele in &mut alleles {
                    allele.insert(0, letter);
                }
                self.start = before;
            } else if !shortened {
                break;
            }
        }
        while alleles.iter().all(|a| a.len() > 1)
            && shared(&mut alleles.iter().map(|a| a.first().copied()))
        {
            for allele in &mut alleles {
                allele.remove(0);
            }
            self.start += 1;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
