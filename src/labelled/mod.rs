//! Sequences with measured values, from any of the files that hold them: the Parquet file of
//! [`crate::dataset`], a table of sequences, or a BED with values over a genome.

mod bed;
mod parquet;
mod sequences;
mod sides;
mod table;
mod text;

pub use sequences::{Piece, Sequences};
pub use sides::Sides;

use std::path::PathBuf;

use crate::dataset::Split;
use crate::genome::{Aliases, GenomeError};
use crate::input::columns::ColumnsError;
use crate::input::{Input, InputError};
use ndarray::Array2;

/// What can be wrong with labelled sequences.
#[derive(Debug, thiserror::Error)]
pub enum LabelledError {
    /// A text file.
    #[error(transparent)]
    Text(#[from] InputError),
    /// The genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// A Parquet file.
    #[error(transparent)]
    Parquet(#[from] ColumnsError),
    /// A row or the whole of a table.
    #[error("{path}: {problem}; expected {expected}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A BED without a genome.
    #[error("{0} is a BED, and no FASTA is given for its sequences")]
    NoFasta(PathBuf),
    /// No row is left.
    #[error("{path}: no usable row{why}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What became of the rows there were.
        why: String,
    },
    /// The sequences have another length than what they are wanted for.
    #[error("{path}: its sequences have {found}, the model takes windows of {window} bases")]
    Width {
        /// The file.
        path: PathBuf,
        /// Their length.
        found: String,
        /// What the model takes.
        window: usize,
    },
}

impl LabelledError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Parquet(e) => e.hint(),
            Self::NoFasta(_) => Some("--fasta FILE gives the genome".into()),
            Self::Table { .. } => Some(
                "a table has a header with `sequence` and one column a label, separated by tabs"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// Where labelled sequences come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Parquet, a tab-separated table or a BED, told apart by content.
    pub data: PathBuf,
    /// The genome, for a BED; or the sequences of a table without them, by its names.
    pub fasta: Option<PathBuf>,
    /// How contig names of BED and FASTA are brought together.
    pub aliases: Aliases,
    /// How a table calls its columns.
    pub columns: Columns,
}

/// Names of columns in a table of one's own, where they are not the usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Of the sequence: `sequence`.
    pub sequence: Option<String>,
    /// Of what rows have in common that must stay on one side of the split: `group` or `region`.
    pub group: Option<String>,
}

/// One measured quantity.
#[derive(Clone, Debug, Default)]
pub struct Label {
    /// Column name, such as `HepG2_minP`.
    pub name: String,
    /// One a row, NaN where missing: column `name`.
    pub values: Vec<f64>,
    /// Likewise before standardisation, column `name.activity`.
    pub activity: Option<Vec<f64>>,
    /// Likewise of each replicate, `[rows, replicates]`: columns `name.rep<r>` in order of the file.
    pub replicates: Array2<f64>,
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why: `unknown_contig`, `past_contig_end`, `unknown_bases`.
    pub reason: &'static str,
}

/// Sequences of one length with their labels.
#[derive(Clone, Debug, Default)]
pub struct Labelled {
    /// The file.
    pub path: PathBuf,
    /// Columns of a sequence.
    pub width: usize,
    /// Base codes, `[rows, width]`.
    pub codes: Vec<u8>,
    /// Names of the rows.
    pub names: Vec<String>,
    /// Sides of the split, where there is one.
    pub split: Option<Vec<Split>>,
    /// Weights, where there are any.
    pub weight: Option<Vec<f64>>,
    /// Contigs, where there is a column `chrom`.
    pub chroms: Option<Vec<String>>,
    /// Rows that belong together (a region's), numbered; `None` where every row stands alone.
    pub groups: Option<Vec<u32>>,
    /// What was measured.
    pub labels: Vec<Label>,
    /// Rows that are left out.
    pub skipped: Vec<Skipped>,
    /// For tiles in a frame: bases of a tile, and the column of each row's first.
    pub tile: Option<(usize, Vec<usize>)>,
}

impl Labelled {
    /// Reads a file. For a BED the sequences are windows of `window` bases around the middle of
    /// each interval (the interval itself where it has that length), always of the forward strand.
    ///
    /// # Errors
    /// When a file cannot be read, a sequence holds something else than letters, sequences differ
    /// in length, or nothing is left.
    pub fn read(source: &Source, window: usize) -> Result<Self, LabelledError> {
        let path = &source.data;
        let mut input = Input::open(path)?;
        if input.begins_with(b"PAR1")? {
            input.needs_file("Parquet")?;
            return parquet::read(path)?.assemble(&source.columns);
        }
        let columns = &source.columns;
        match text::read(input, source)? {
            text::Text::Table(table) => table.assemble(columns),
            text::Text::Named(table) => table
                .with_sequences(source.fasta.as_deref().unwrap_or(path))?
                .assemble(columns),
            text::Text::Bed(rows) => bed::with_sequences(rows, source, window)?.assemble(columns),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.names.len()
    }

    /// A row's base codes.
    pub fn sequence(&self, row: usize) -> &[u8] {
        &self.codes[row * self.width..][..self.width]
    }

    /// The sequences as windows of `window` bases: as they are, or the tiles without the frame
    /// around them.
    ///
    /// # Errors
    /// [`LabelledError::Width`] when neither has that length.
    pub fn into_windows(mut self, window: usize) -> Result<Self, LabelledError> {
        if self.width == window {
            return Ok(self);
        }
        match self.tile.take() {
            Some((tile, offsets)) if tile == window => {
                self.codes = (offsets.iter().enumerate())
                    .flat_map(|(row, &offset)| &self.sequence(row)[offset..offset + tile])
                    .copied()
                    .collect();
                self.width = tile;
                Ok(self)
            }
            tile => Err(LabelledError::Width {
                found: match tile {
                    Some((tile, _)) => {
                        format!("{} columns around tiles of {tile} bases", self.width)
                    }
                    None => format!("{} bases", self.width),
                },
                path: self.path,
                window,
            }),
        }
    }

    /// The length by which [`into_windows`](Self::into_windows) takes the frame away.
    pub fn bare_width(&self) -> usize {
        self.tile.as_ref().map_or(self.width, |(tile, _)| *tile)
    }

    /// A label by name.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|l| l.name == name)
    }

    /// The rows on a side of the split; all where there is none.
    pub fn side(&self, side: Split) -> Vec<usize> {
        match &self.split {
            Some(split) => (0..self.rows()).filter(|&r| split[r] == side).collect(),
            None => (0..self.rows()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
