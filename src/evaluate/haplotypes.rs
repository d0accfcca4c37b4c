//! The two sequences of a variant, cut from the genome.

use super::MeasuredVariant;
use super::predict::letter;
use crate::Error;
use crate::encode::{self, UNKNOWN};
use crate::genome::{Aliases, Fasta, FastaReader};
use crate::variants::{Skip, change, is_acgt, is_allele};

/// Reads variants' surroundings.
pub(super) struct Haplotypes<'a> {
    pub fasta: &'a Fasta,
    pub aliases: &'a Aliases,
    pub reader: FastaReader,
}

impl Haplotypes<'_> {
    /// `length` bases of the reference and of the alternative haplotype, the variant's first base at
    /// column `at` of both; or why it is left out. Insertions push bases out at the right end,
    /// deletions let bases in.
    ///
    /// # Errors
    /// When the FASTA cannot be read.
    pub(super) fn of(
        &mut self,
        variant: &MeasuredVariant,
        length: usize,
        at: usize,
    ) -> Result<Result<[Vec<u8>; 2], &'static str>, Error> {
        let Some(contig) = (self.aliases).resolve(&variant.contig, self.fasta.contigs()) else {
            return Ok(Err(Skip::UnknownContig.as_str()));
        };
        let skip = |skip: Skip| Ok(Err(skip.as_str()));
        let (reference, alternative) =
            (variant.reference.as_bytes(), variant.alternative.as_bytes());
        if reference.is_empty() || !is_acgt(reference) {
            return skip(Skip::RefNotAcgt);
        }
        if !is_allele(alternative) {
            return skip(Skip::AltNotAcgt);
        }
        let change = match change(reference, alternative, length) {
            Ok(change) => change,
            Err(reason) => return skip(reason),
        };
        if reference.len().max(alternative.len()) > length - at {
            return skip(Skip::TooLong);
        }
        // POS 0, a telomere, is before the first base.
        let Some(position) = variant.pos.checked_sub(1) else {
            return skip(Skip::Telomere);
        };
        let end = u64::from(position) + reference.len() as u64;
        if end > u64::from(self.fasta.contigs().get(contig).length) {
            return skip(Skip::PastContigEnd);
        }
        // As many bases to the right as the longer of both needs.
        let mut around = Vec::new();
        let start = i64::from(position) - at as i64;
        (self.reader).fetch(contig, start, length + reference.len(), &mut around)?;
        let found = &around[at..at + reference.len()];
        let differs = |(&f, &r): (&u8, &u8)| f != UNKNOWN && encode::code(r) != Some(f);
        if found.iter().zip(reference).any(differs) {
            tracing::debug!(
                "{}:{} (1-based): REF {}, the FASTA has {}",
                variant.contig,
                variant.pos,
                variant.reference,
                found.iter().map(|&c| letter(c)).collect::<String>()
            );
            return skip(Skip::RefMismatch);
        }
        let (before, after) = (at + change.at, at + change.at + change.deleted);
        let inserted = change.inserted.iter().filter_map(|&l| encode::code(l));
        let mut with = around[..before].to_vec();
        with.extend(inserted);
        with.extend_from_slice(&around[after..]);
        with.truncate(length);
        around.truncate(length);
        match around.contains(&UNKNOWN) || with.contains(&UNKNOWN) {
            true => Ok(Err("unknown_bases")),
            false => Ok(Ok([around, with])),
        }
    }
}
