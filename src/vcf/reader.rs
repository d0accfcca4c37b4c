//! A VCF or BCF, record by record.

use std::io::{BufRead, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::record::Record;
use super::{Dictionary, Header, VcfError};
use crate::input::{Input, InputError, Lines, Watch};

/// No line, and no header of a BCF, is longer.
const LONGEST: u64 = 1 << 28;

/// No record of a BCF has more bytes.
const LARGEST: u64 = 1 << 31;

enum Records {
    Lines(Box<Lines>),
    Bcf {
        input: Box<Input>,
        names: Arc<Dictionary>,
        count: u64,
    },
}

/// A VCF (plain, gzip or bgzip) or BCF, by its content.
pub struct Reader {
    name: String,
    /// The header; of a BCF with the numbers of its names.
    pub header: Header,
    records: Records,
    watch: Watch,
    raw: Vec<u8>,
    line: Vec<u8>,
}

impl Reader {
    /// Opens a file and reads its header; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or its header is not that of a VCF.
    pub fn open(path: &Path) -> Result<Self, VcfError> {
        Self::new(Input::open(path)?)
    }

    /// Whether an input begins as a VCF or BCF does.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn fits(input: &mut Input) -> Result<bool, InputError> {
        Ok(input.begins_with(b"##fileformat=VCF")? || input.begins_with(b"BCF")?)
    }

    /// Reads the header of an open input.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn new(mut input: Input) -> Result<Self, VcfError> {
        let name = input.path().display().to_string();
        let watch = input.watch();
        let (header, records) = match input.begins_with(b"BCF")? {
            false => {
                let mut lines = Lines::new(input).with_longest(LONGEST, "VCF");
                let header = Header::read(&mut lines)?;
                (header, Records::Lines(Box::new(lines)))
            }
            true => {
                let header = bcf_header(&mut input, &name)?;
                let names = Arc::new(Dictionary::of(&header, &name)?);
                let records = Records::Bcf {
                    input: Box::new(input),
                    names,
                    count: 0,
                };
                (header, records)
            }
        };
        Ok(Self {
            name,
            header,
            records,
            watch,
            raw: Vec::new(),
            line: Vec::new(),
        })
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was read of the file, shared.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The names of a BCF; `None` for a VCF.
    pub fn names(&self) -> Option<&Arc<Dictionary>> {
        match &self.records {
            Records::Lines(_) => None,
            Records::Bcf { names, .. } => Some(names),
        }
    }

    /// Appends the next record as it stands: a line without its end, or the bytes of a [`Record`].
    /// Gives the number of the line (of the record), `None` at the end. Blank lines are passed over.
    ///
    /// # Errors
    /// When the input cannot be read, or is cut off.
    pub fn next_raw(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, VcfError> {
        let (input, count) = match &mut self.records {
            Records::Lines(lines) => loop {
                let Some(line) = lines.next_bytes()? else {
                    return Ok(None);
                };
                if !line.trim_ascii().is_empty() {
                    // What is left of a line end.
                    let end = line
                        .iter()
                        .rposition(|&b| b != b'\r')
                        .map_or(0, |at| at + 1);
                    out.extend_from_slice(&line[..end]);
                    return Ok(Some(lines.number()));
                }
            },
            Records::Bcf { input, count, .. } => (input, count),
        };
        match input.fill_buf().map(<[u8]>::is_empty) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(e) => return Err(input.error(e).into()),
        }
        *count += 1;
        let number = *count;
        let fail = |problem: String| VcfError::Record {
            path: self.name.clone(),
            record: number,
            problem,
        };
        let begin = out.len();
        let mut read = |length: u64, out: &mut Vec<u8>| -> Result<(), VcfError> {
            let taken = input.take(length).read_to_end(out);
            match taken.map_err(|e| input.error(e))? as u64 == length {
                true => Ok(()),
                false => Err(fail("the file ends within it".into())),
            }
        };
        read(8, out)?;
        let length = |at: usize| {
            let bytes = out[begin + at..begin + at + 4].iter().rev();
            bytes.fold(0, |sum: u64, &b| sum << 8 | u64::from(b))
        };
        let (shared, samples) = (length(0), length(4));
        if shared + samples > LARGEST {
            let problem = format!("it says it has {} bytes; none has", shared + samples);
            return Err(fail(problem));
        }
        read(shared + samples, out)?;
        Ok(Some(number))
    }

    /// The next record as a line of a VCF, and its number.
    ///
    /// # Errors
    /// As [`Self::next_raw`], and when a BCF's record cannot be read.
    pub fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, VcfError> {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        let number = self.next_raw(&mut raw)?;
        self.raw = raw;
        let Some(number) = number else {
            return Ok(None);
        };
        let Records::Bcf { names, .. } = &self.records else {
            return Ok(Some((number, &self.raw)));
        };
        self.line.clear();
        Record::new(&self.raw)
            .and_then(|record| record.line(names, &mut self.line))
            .map_err(|problem| VcfError::Record {
                path: self.name.clone(),
                record: number,
                problem,
            })?;
        Ok(Some((number, &self.line)))
    }
}

/// Reads the header of a BCF.
fn bcf_header(input: &mut Input, name: &str) -> Result<Header, VcfError> {
    let fail = |problem: String| VcfError::Header {
        path: name.to_owned(),
        line: 1,
        problem,
    };
    let mut head = Vec::new();
    input
        .take(9)
        .read_to_end(&mut head)
        .map_err(|e| input.error(e))?;
    let [b'B', b'C', b'F', major, minor, a, b, c, d] = head[..] else {
        return Err(fail("the file ends within it".into()));
    };
    if major != 2 || minor > 2 {
        return Err(fail(format!("BCF {major}.{minor}: expected BCF 2.2")));
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > LONGEST {
        return Err(fail(format!(
            "it has {length} bytes; expected at most {LONGEST}"
        )));
    }
    let mut text = Vec::new();
    input
        .take(length)
        .read_to_end(&mut text)
        .map_err(|e| input.error(e))?;
    if (text.len() as u64) < length {
        return Err(fail("the file ends within it".into()));
    }
    text.truncate(text.iter().position(|&b| b == 0).unwrap_or(text.len()));
    let text = Input::from_reader(name.as_ref(), Box::new(Cursor::new(text)))?;
    Header::read(&mut Lines::new(text))
}
