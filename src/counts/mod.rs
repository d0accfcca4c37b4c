//! Count tables of a reporter assay and the activities they give: the two published text forms,
//! RNA beside DNA, log2 ratios, the median over barcodes, and the tile names that say where in its
//! region a tile lies.
//!
//! One table holds the reads of one sequencing library: a row a tile, a column a barcode. An RNA
//! table and the DNA (plasmid) table it is divided by must list the same tiles in the same order;
//! nothing is matched up silently.

mod names;
mod normalize;
mod read;
mod tiles;

pub use names::Names;
pub use normalize::{Normalized, normalize};
pub use read::{CountTable, Form, Sequences, check_pair, check_unique, read_counts};
pub use tiles::{TileLayout, lay_out};

use std::path::PathBuf;

use crate::input::InputError;

/// What can be wrong with a count table or with the names of its tiles.
#[derive(Debug, thiserror::Error)]
pub enum CountsError {
    /// The file as such, or a line that does not belong in such a table.
    #[error(transparent)]
    Input(#[from] InputError),
    /// RNA and DNA name different tiles on the same row.
    #[error(
        "{rna} and {dna} differ at tile row {row} (header not counted): {rna_id:?} and {dna_id:?}"
    )]
    Mismatch {
        /// The RNA table.
        rna: PathBuf,
        /// The DNA table.
        dna: PathBuf,
        /// 1-based number of the first row that differs.
        row: usize,
        /// The tile of the RNA table there, or what stands in its place.
        rna_id: String,
        /// The tile of the DNA table there, or what stands in its place.
        dna_id: String,
    },
    /// RNA and DNA have different numbers of barcodes.
    #[error("{rna} has {rna_barcodes} barcode(s) a tile, {dna} has {dna_barcodes}")]
    Barcodes {
        /// The RNA table.
        rna: PathBuf,
        /// Its barcodes.
        rna_barcodes: usize,
        /// The DNA table.
        dna: PathBuf,
        /// Its barcodes.
        dna_barcodes: usize,
    },
    /// The barcode sequences of a tile differ between RNA and DNA, so their counts cannot be paired.
    #[error("{rna} and {dna} list different barcodes (column Tags) for tile {id:?}")]
    Tags {
        /// The RNA table.
        rna: PathBuf,
        /// The DNA table.
        dna: PathBuf,
        /// The first such tile.
        id: String,
    },
    /// One tile stands on two rows.
    #[error("{path}: tile {id:?} stands twice, at tile rows {first} and {second}")]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The tile.
        id: String,
        /// 1-based number of its first row, header not counted.
        first: usize,
        /// 1-based number of its second row.
        second: usize,
    },
    /// A tile's name does not say where in its region it lies.
    #[error("{path}: tile {id:?} (row {row}): {problem}; expected {expected}")]
    TileName {
        /// The file.
        path: PathBuf,
        /// The tile.
        id: String,
        /// 1-based row, header not counted.
        row: usize,
        /// What is wrong.
        problem: String,
        /// What would have been right.
        expected: String,
    },
}

impl CountsError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TileName { .. } => Some(
                "--tile-index counts the fields between underscores from 0: 3 for H1hesc_1_0_14_chr20_30310735, 2 for high_0_8; --tiles is the number of tiles a region"
                    .into(),
            ),
            Self::Mismatch { .. } | Self::Barcodes { .. } | Self::Tags { .. } => Some(
                "give each RNA table the DNA table of the same design, sorted alike".into(),
            ),
            Self::Input(InputError::Line { .. }) => Some(
                "a count table is `ID Sequence Tags Counts` (GEO), or a header of barcode columns and then id and counts (SHARPR), separated by tabs"
                    .into(),
            ),
            Self::Input(e) => e.hint(),
            Self::Duplicate { .. } => Some("were tables joined twice? a tile has one row".into()),
        }
    }
}

#[cfg(test)]
mod tests;
