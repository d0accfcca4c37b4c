//! Variants from VCF, BCF or BED, as pieces of lines or of a BCF's records.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::VariantError;
use crate::input::{InputError, Lines, Watch, bed};
use crate::vcf::{Dictionary, Header, Reader, Record, VcfError};

/// Records of a piece, and bytes after which it ends earlier.
const RECORDS: usize = 2_048;
const BYTES: usize = 4 << 20;
/// Positions of a piece, each of which becomes a record; a longer row of a BED is cut.
const POSITIONS: u32 = 4_096;

/// Where variants come from; `-` is standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariantSource {
    /// VCF (plain, gzip or bgzip) or BCF, by its content.
    Vcf(PathBuf),
    /// Positions: BED, plain, gzip or bgzip.
    Bed(PathBuf),
}

impl VariantSource {
    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Vcf(path) | Self::Bed(path) => path,
        }
    }

    /// Whether it can be read a second time.
    pub(super) fn is_file(&self) -> bool {
        self.path().metadata().is_ok_and(|m| m.is_file())
    }
}

/// Consecutive records of the input.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Line number of the first record, from 1 (BCF: number of the record).
    pub line: u64,
    /// Lines without line ends, or a BCF's records.
    bytes: Vec<u8>,
    /// End of each in `bytes`.
    ends: Vec<usize>,
    /// Line number of each, from `line` on.
    numbers: Vec<u32>,
    /// Of a BED's rows, where the row ends that each is a part of.
    row_ends: Vec<u32>,
    /// Positions that the rows of a BED hold.
    positions: u32,
}

impl Piece {
    /// Lines, or records, with their numbers.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        (0..self.ends.len()).map(|i| (self.line + u64::from(self.numbers[i]), self.record(i)))
    }

    /// One of them.
    pub fn record(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |i| self.ends[i]);
        &self.bytes[from..self.ends[index]]
    }

    fn is_full(&self) -> bool {
        self.ends.len() >= RECORDS || self.bytes.len() >= BYTES || self.positions >= POSITIONS
    }

    /// Where the row of a BED ends that one of them is a part of.
    pub fn row_end(&self, index: usize) -> u32 {
        self.row_ends.get(index).copied().unwrap_or(0)
    }

    /// Ends the record whose bytes were appended.
    fn end(&mut self, number: u64) {
        if self.ends.is_empty() {
            self.line = number;
        }
        self.numbers.push((number - self.line) as u32);
        self.ends.push(self.bytes.len());
    }

    /// Appends a line; of a BED's row, with where it ends.
    pub fn push(&mut self, number: u64, line: &[u8], row_end: u32) {
        self.bytes.extend_from_slice(line);
        self.row_ends.push(row_end);
        self.end(number);
    }

    /// A BCF's records as lines; `whole`, or with no more than what variants are.
    ///
    /// # Errors
    /// When a record cannot be read. `path` is for the message.
    pub fn lines(&self, names: &Dictionary, whole: bool, path: &str) -> Result<Self, VcfError> {
        let mut lines = Self::default();
        for (number, bytes) in self.records() {
            Record::new(bytes)
                .and_then(|record| match whole {
                    true => record.line(names, &mut lines.bytes),
                    false => record.head(names, &mut lines.bytes),
                })
                .map_err(|problem| VcfError::Record {
                    path: path.into(),
                    record: number,
                    problem,
                })?;
            lines.end(number);
        }
        Ok(lines)
    }
}

/// The rows of a BED, long ones in parts: memory does not grow with an interval.
struct BedRows {
    lines: Lines,
    /// What is left of a row.
    left: Option<Part>,
}

struct Part {
    contig: Vec<u8>,
    name: Vec<u8>,
    start: u32,
    end: u32,
    number: u64,
}

impl BedRows {
    /// Appends the next row, or part of one, to a piece; its line number, `None` at the end. Rows that are
    /// none are given as they are, to be refused by who reads them.
    fn next(&mut self, piece: &mut Piece) -> Result<Option<u64>, InputError> {
        if self.left.is_none() {
            let line = loop {
                match self.lines.next_bytes()? {
                    None => return Ok(None),
                    Some(line) if bed::is_header(line) => {}
                    Some(line) => break line,
                }
            };
            let row = bed::Fields::of(line).and_then(|fields| fields.row().ok());
            let Some(row) = row.filter(|row| row.end - row.start > POSITIONS) else {
                let ends = row.map_or((0, 0), |row| (row.start, row.end));
                piece.bytes.extend_from_slice(line);
                piece.row_ends.push(ends.1);
                piece.positions += ends.1 - ends.0;
                return Ok(Some(self.lines.number()));
            };
            self.left = Some(Part {
                contig: row.contig.to_vec(),
                name: row.name.unwrap_or(b".").to_vec(),
                start: row.start,
                end: row.end,
                number: 0,
            });
            if let Some(part) = &mut self.left {
                part.number = self.lines.number();
            }
        }
        let Some(part) = &mut self.left else {
            return Ok(None);
        };
        let to = part.end.min(part.start + POSITIONS);
        piece.bytes.extend_from_slice(&part.contig);
        piece
            .bytes
            .extend_from_slice(format!("\t{}\t{to}\t", part.start).as_bytes());
        piece.bytes.extend_from_slice(&part.name);
        piece.row_ends.push(part.end);
        piece.positions += to - part.start;
        let (number, done) = (part.number, to == part.end);
        part.start = to;
        if done {
            self.left = None;
        }
        Ok(Some(number))
    }
}

enum Records {
    Bed(Box<BedRows>),
    Vcf(Box<Reader>),
}

/// An open input.
pub(super) struct Input {
    name: String,
    records: Records,
    watch: Watch,
}

impl Input {
    /// Opens the input and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or its header is not that of a VCF.
    pub fn open(source: &VariantSource) -> Result<Self, VariantError> {
        let name = source.path().display().to_string();
        let (records, watch) = match source {
            VariantSource::Bed(path) => {
                let reader = bed::input(path)?;
                let watch = reader.watch();
                let rows = BedRows {
                    lines: bed::lines(reader),
                    left: None,
                };
                (Records::Bed(Box::new(rows)), watch)
            }
            VariantSource::Vcf(path) => {
                let reader = Reader::open(path)?;
                let watch = reader.watch();
                (Records::Vcf(Box::new(reader)), watch)
            }
        };
        Ok(Self {
            name,
            records,
            watch,
        })
    }

    /// What was read of the file, shared.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header; `None` for a BED.
    pub fn header(&self) -> Option<&Header> {
        match &self.records {
            Records::Bed(_) => None,
            Records::Vcf(reader) => Some(&reader.header),
        }
    }

    /// The names of a BCF.
    pub fn names(&self) -> Option<&Arc<Dictionary>> {
        match &self.records {
            Records::Bed(_) => None,
            Records::Vcf(reader) => reader.names(),
        }
    }

    /// The next records; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or is cut off.
    pub fn next(&mut self) -> Result<Option<Piece>, VariantError> {
        let mut piece = Piece::default();
        while !piece.is_full() {
            let number = match &mut self.records {
                Records::Vcf(reader) => reader.next_raw(&mut piece.bytes)?,
                Records::Bed(rows) => rows.next(&mut piece)?,
            };
            match number {
                Some(number) => piece.end(number),
                None => break,
            }
        }
        Ok((!piece.ends.is_empty()).then_some(piece))
    }
}
