//! Variants from VCF, BCF or BED, as pieces of text lines.

use std::io::{self, BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use noodles::{bcf, vcf};

use super::VariantError;
use super::header::Header;
use crate::input::{self, InputError, Lines, Watch};

/// Records of a piece, and bytes after which it ends earlier.
const RECORDS: usize = 2_048;
const BYTES: usize = 4 << 20;

/// No record is longer.
const LONGEST_LINE: u64 = 1 << 28;

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

    /// The name for messages.
    pub(super) fn name(&self) -> String {
        self.path().display().to_string()
    }
}

/// Consecutive lines of the input.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Line number of the first record, from 1 (BCF: number of the record).
    pub line: u64,
    /// The lines, without line ends.
    text: Vec<u8>,
    /// End of each in `text`.
    ends: Vec<usize>,
    /// Line number of each, from `line` on.
    numbers: Vec<u32>,
}

impl Piece {
    /// Lines with their numbers.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        (0..self.ends.len()).map(|i| {
            let from = i.checked_sub(1).map_or(0, |i| self.ends[i]);
            let number = self.line + u64::from(self.numbers[i]);
            (number, &self.text[from..self.ends[i]])
        })
    }

    fn is_full(&self) -> bool {
        self.ends.len() >= RECORDS || self.text.len() >= BYTES
    }

    /// Ends the line whose bytes were appended to the text.
    fn end_line(&mut self, number: u64) {
        if self.ends.is_empty() {
            self.line = number;
        }
        let from = self.ends.last().copied().unwrap_or(0);
        while self.text.len() > from && matches!(self.text.last(), Some(b'\n' | b'\r')) {
            self.text.pop();
        }
        self.numbers.push((number - self.line) as u32);
        self.ends.push(self.text.len());
    }
}

enum Records {
    Lines(Box<Lines>),
    Bcf {
        reader: Box<bcf::io::Reader<Box<dyn BufRead + Send>>>,
        header: Box<vcf::Header>,
        record: Box<bcf::Record>,
    },
}

/// An open input.
pub(super) struct Input {
    name: String,
    records: Records,
    /// The header; of a BED an empty one.
    pub header: Header,
    is_bed: bool,
    line: u64,
    watch: Watch,
}

impl Input {
    /// Opens the input and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or its header is not that of a VCF.
    pub fn open(source: &VariantSource) -> Result<Self, VariantError> {
        let name = source.name();
        let path = PathBuf::from(&name);
        let read_error = |e| VariantError::from(InputError::Read(e, path.clone()));
        let mut reader = input::Input::open(&path)?;
        let watch = reader.watch();
        if let VariantSource::Bed(_) = source {
            return Ok(Self {
                name,
                records: Records::Lines(Box::new(input::bed::lines(reader))),
                header: Header::new(std::iter::empty()),
                is_bed: true,
                line: 0,
                watch,
            });
        }
        if !reader.begins_with(b"BCF")? {
            let mut lines = Lines::new(reader).with_longest(LONGEST_LINE, "VCF");
            let header = Header::read(&mut lines)?;
            return Ok(Self {
                line: 0,
                name,
                records: Records::Lines(Box::new(lines)),
                header,
                is_bed: false,
                watch,
            });
        }
        // The header's text, for what is passed through; noodles reads it again for the records.
        let mut head = vec![0; 9];
        reader.read_exact(&mut head).map_err(read_error)?;
        let length = u32::from_le_bytes([head[5], head[6], head[7], head[8]]);
        (&mut reader)
            .take(u64::from(length))
            .read_to_end(&mut head)
            .map_err(read_error)?;
        let text = String::from_utf8_lossy(&head[9..]).into_owned();
        let text = text.trim_end_matches('\0');
        let text: Box<dyn Read + Send> = Box::new(Cursor::new(text.to_owned().into_bytes()));
        let text = input::Input::from_reader(&path, text)?;
        let mut header = Header::read(&mut Lines::new(text))?;
        header.without_numbers();
        let whole: Box<dyn BufRead + Send> = Box::new(Cursor::new(head).chain(reader));
        let mut reader = Box::new(bcf::io::Reader::from(whole));
        let numbered = reader.read_header().map_err(|e| VariantError::Header {
            path: name.clone(),
            line: 1,
            problem: e.to_string(),
        })?;
        Ok(Self {
            name,
            records: Records::Bcf {
                reader,
                header: Box::new(numbered),
                record: Box::default(),
            },
            header,
            is_bed: false,
            line: 0,
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

    /// Whether records are rows of a BED.
    pub fn is_bed(&self) -> bool {
        self.is_bed
    }

    /// The next lines; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or is cut off.
    pub fn next(&mut self) -> Result<Option<Piece>, VariantError> {
        let mut piece = Piece::default();
        while !piece.is_full() {
            let more = match &mut self.records {
                Records::Lines(lines) => match lines.next_bytes()? {
                    None => false,
                    Some(line) => {
                        // A VCF has no comments below its header.
                        let passed_over = match self.is_bed {
                            true => input::bed::is_header(line),
                            false => line.iter().all(u8::is_ascii_whitespace),
                        };
                        if !passed_over {
                            piece.text.extend_from_slice(line);
                            piece.end_line(lines.number());
                        }
                        true
                    }
                },
                Records::Bcf {
                    reader,
                    header,
                    record,
                } => {
                    let fail = |e: io::Error| VariantError::Record {
                        path: self.name.clone(),
                        line: self.line + 1,
                        problem: format!("cannot read this BCF record: {e}"),
                        text: String::new(),
                    };
                    let read = reader.read_record(record).map_err(fail)?;
                    if read > 0 {
                        use vcf::variant::io::Write;
                        vcf::io::Writer::new(&mut piece.text)
                            .write_variant_record(header, &**record)
                            .map_err(fail)?;
                        self.line += 1;
                        piece.end_line(self.line);
                    }
                    read > 0
                }
            };
            if !more {
                break;
            }
        }
        Ok((!piece.ends.is_empty()).then_some(piece))
    }
}
