use super::{Assay, DatasetError, FilterReason, Geometry};
use crate::counts::Names;
use crate::encode::{self, BASES, UNKNOWN};
use crate::genome::{Aliases, Fasta};
use crate::input::Place;

/// The sequence of every tile.
#[derive(Clone, Debug, Default)]
pub struct TileSequences {
    /// Upper-case A, C, G, T and N, `tile` bases each; empty for tiles that have a reason in `unfit`.
    pub letters: Names,
    /// Why a tile has no usable sequence, one a tile.
    pub unfit: Vec<Option<FilterReason>>,
    /// Tiles with an N.
    pub with_unknown: usize,
    /// Tiles whose sequence in the table differs from the FASTA's; `None` when only one is at hand.
    pub unlike_table: Option<usize>,
}

/// Takes the tiles' sequences from the FASTA when there is one, otherwise from the tables. A tile
/// more than half of whose bases are unknown, whose contig the FASTA lacks, or which reaches past the
/// contig's end gets a reason instead of a sequence.
///
/// # Errors
/// [`DatasetError::NoSequences`] when there is neither; for a sequence in a table that has another
/// length than a tile or letters that are no bases; when the FASTA cannot be read or there are no
/// coordinates for it.
pub fn sequences(
    assay: &Assay,
    places: Option<&[Place]>,
    fasta: Option<(&Fasta, &Aliases)>,
    geometry: Geometry,
) -> Result<TileSequences, DatasetError> {
    let mut found = TileSequences::default();
    let mut codes = Vec::with_capacity(geometry.tile as usize);
    let mut letters = String::with_capacity(geometry.tile as usize);
    let mut take = |found: &mut TileSequences, codes: &[u8]| {
        let unknown = codes.iter().filter(|&&c| c == UNKNOWN).count();
        found.with_unknown += usize::from(unknown > 0);
        letters.clear();
        if 2 * unknown > codes.len() {
            found.unfit.push(Some(FilterReason::UnknownBases));
        } else {
            letters.extend(codes.iter().map(|&c| BASES.get(c as usize).unwrap_or(&'N')));
            found.unfit.push(None);
        }
        found.letters.push(&letters);
    };
    let table = assay.table_sequences.as_ref();
    let table_codes = |row: usize, codes: &mut Vec<u8>| -> Result<bool, DatasetError> {
        codes.clear();
        let text = table.map_or("", |t| t.get(row));
        if text.is_empty() {
            return Ok(false);
        }
        let fail = |problem: String| DatasetError::Tile {
            id: assay.tiles.get(row).into(),
            problem,
        };
        if !encode::push_codes(text.as_bytes(), codes) {
            return Err(fail("its sequence holds something else than bases".into()));
        }
        if codes.len() != geometry.tile as usize {
            return Err(fail(format!(
                "its sequence has {} bases; --tile is {}",
                codes.len(),
                geometry.tile
            )));
        }
        Ok(true)
    };
    let Some((fasta, aliases)) = fasta else {
        if table.is_none() {
            return Err(DatasetError::NoSequences);
        }
        for row in 0..assay.tiles.len() {
            if table_codes(row, &mut codes)? {
                take(&mut found, &codes);
            } else {
                found.unfit.push(Some(FilterReason::NoSequence));
                found.letters.push("");
            }
        }
        return Ok(found);
    };
    let places = places.ok_or_else(|| {
        DatasetError::Setting("sequences from the FASTA need coordinates (--coords)".into())
    })?;
    let mut reader = fasta.reader()?;
    let contigs = fasta.contigs();
    let mut in_table = Vec::new();
    let mut unlike = 0;
    for (row, place) in places.iter().enumerate() {
        let reason = match aliases.resolve(&place.chrom, contigs) {
            None => Some(FilterReason::UnknownContig),
            Some(id) if place.end > contigs.get(id).length => Some(FilterReason::PastContigEnd),
            Some(id) => {
                codes.clear();
                let start = i64::from(place.start);
                reader.fetch(id, start, geometry.tile as usize, &mut codes)?;
                take(&mut found, &codes);
                None
            }
        };
        if reason.is_some() {
            found.unfit.push(reason);
            found.letters.push("");
        } else if table_codes(row, &mut in_table)? && in_table != codes {
            unlike += 1;
        }
    }
    found.unlike_table = table.is_some().then_some(unlike);
    Ok(found)
}
