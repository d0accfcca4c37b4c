//! Variants from VCF, BCF or BED, as pieces of text lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use noodles::{bcf, bgzf, vcf};

use super::VariantError;
use super::header::{Header, shorten};
use crate::genome::BGZF_EOF;

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
    Lines(Box<dyn BufRead + Send>),
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
    /// What was seen of the stream, and whether it is bgzip.
    tail: Arc<Mutex<Seen>>,
    bgzip: bool,
}

impl Input {
    /// Opens the input and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or its header is not that of a VCF.
    pub fn open(source: &VariantSource) -> Result<Self, VariantError> {
        let name = source.name();
        let path = PathBuf::from(&name);
        let read_error = |e| VariantError::Read(e, path.clone());
        let (mut reader, tail, bgzip) = open(&path)?;
        if let VariantSource::Bed(_) = source {
            return Ok(Self {
                name,
                records: Records::Lines(reader),
                header: Header::new(std::iter::empty()),
                is_bed: true,
                line: 0,
                tail,
                bgzip,
            });
        }
        let is_bcf = reader.fill_buf().map_err(read_error)?.starts_with(b"BCF");
        if !is_bcf {
            let header = Header::read(&mut reader, &name)?;
            return Ok(Self {
                line: header.first_record_line() - 1,
                name,
                records: Records::Lines(reader),
                header,
                is_bed: false,
                tail,
                bgzip,
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
        let mut header = Header::read(&mut text.as_bytes(), &name)?;
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
            tail,
            bgzip,
        })
    }

    /// Bytes of the file read so far, shared.
    pub fn seen(&self) -> Arc<Mutex<Seen>> {
        self.tail.clone()
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
        let path = || PathBuf::from(&self.name);
        while !piece.is_full() {
            let from = piece.text.len();
            let more = match &mut self.records {
                Records::Lines(reader) => {
                    let read = reader
                        .take(LONGEST_LINE)
                        .read_until(b'\n', &mut piece.text)
                        .map_err(|e| VariantError::Read(e, path()))?;
                    if read as u64 == LONGEST_LINE {
                        return Err(VariantError::Record {
                            path: self.name.clone(),
                            line: self.line + 1,
                            problem: format!("longer than {LONGEST_LINE} bytes"),
                            text: shorten(&String::from_utf8_lossy(&piece.text[from..][..200])),
                        });
                    }
                    read > 0
                }
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
                    }
                    read > 0
                }
            };
            if !more {
                self.check_end()?;
                break;
            }
            self.line += 1;
            let line = &piece.text[from..];
            let passed_over = line.iter().all(u8::is_ascii_whitespace)
                || self.is_bed && (line[0] == b'#' || is_browser_line(line));
            match passed_over {
                true => piece.text.truncate(from),
                false => piece.end_line(self.line),
            }
        }
        Ok((!piece.ends.is_empty()).then_some(piece))
    }

    /// Cut between two blocks, a bgzip file decompresses without a fault.
    fn check_end(&self) -> Result<(), VariantError> {
        let seen = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        match !self.bgzip || seen.last == BGZF_EOF {
            true => Ok(()),
            false => Err(VariantError::Truncated(PathBuf::from(&self.name))),
        }
    }
}

fn is_browser_line(line: &[u8]) -> bool {
    ["track", "browser"].iter().any(|word| {
        line.strip_prefix(word.as_bytes()).is_some_and(|rest| {
            rest.first()
                .is_none_or(|b| matches!(b, b' ' | b'\n' | b'\r'))
        })
    })
}

type Opened = (Box<dyn BufRead + Send>, Arc<Mutex<Seen>>, bool);

/// Opens a file or standard input, plain, gzip or bgzip by its content.
fn open(path: &Path) -> Result<Opened, VariantError> {
    let inner: Box<dyn Read + Send> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(|e| VariantError::Open(e, path.into()))?),
    };
    let seen = Arc::default();
    let mut inner = Tail {
        inner,
        seen: Arc::clone(&seen),
    };
    // A pipe may deliver its first bytes one by one.
    let mut head = Vec::new();
    (&mut inner)
        .take(14)
        .read_to_end(&mut head)
        .map_err(|e| VariantError::Read(e, path.into()))?;
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let bgzip = gzip && head.len() == 14 && head[3] & 4 != 0 && &head[12..14] == b"BC";
    let raw = BufReader::with_capacity(1 << 17, Cursor::new(head).chain(inner));
    let reader: Box<dyn BufRead + Send> = match (bgzip, gzip) {
        (true, _) => Box::new(bgzf::io::Reader::new(raw)),
        (_, true) => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))),
        _ => Box::new(raw),
    };
    Ok((reader, seen, bgzip))
}

/// What was read of a stream.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Bytes.
    pub bytes: u64,
    /// The last of them.
    last: Vec<u8>,
}

struct Tail<R> {
    inner: R,
    seen: Arc<Mutex<Seen>>,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bytes += read as u64;
        let from = read.saturating_sub(BGZF_EOF.len());
        seen.last.extend_from_slice(&buffer[from..read]);
        let surplus = seen.last.len().saturating_sub(BGZF_EOF.len());
        seen.last.drain(..surplus);
        Ok(read)
    }
}
