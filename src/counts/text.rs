use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::CountsError;

/// The lines of a text file, plain, gzip or bgzip by its content, with their numbers for messages.
/// Line ends may be LF or CRLF; a byte order mark is passed over.
pub struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(path: &Path) -> Result<Self, CountsError> {
        let file = File::open(path).map_err(|e| CountsError::Open(e, path.into()))?;
        Self::from_reader(path, Box::new(file))
    }

    /// Reads a stream; `path` is its name in messages.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn from_reader(path: &Path, mut inner: Box<dyn Read + Send>) -> Result<Self, CountsError> {
        // A pipe may deliver its first bytes one by one.
        let mut head = Vec::new();
        (&mut inner)
            .take(2)
            .read_to_end(&mut head)
            .map_err(|e| CountsError::Read(e, path.into()))?;
        let packed = head == [0x1f, 0x8b];
        let reader = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(inner));
        let reader: Box<dyn BufRead + Send> = if packed {
            Box::new(BufReader::with_capacity(
                1 << 18,
                MultiGzDecoder::new(reader),
            ))
        } else {
            Box::new(reader)
        };
        Ok(Self {
            path: path.into(),
            reader,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line without its end, `None` after the last.
    ///
    /// # Errors
    /// When the file cannot be read or the line is not UTF-8.
    pub fn next_line(&mut self) -> Result<Option<&str>, CountsError> {
        self.line.clear();
        let read = self
            .reader
            .read_until(b'\n', &mut self.line)
            .map_err(|e| CountsError::Read(e, self.path.clone()))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = self.line.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(CountsError::Line {
                path: self.path.clone(),
                line: self.number,
                problem: "bytes that are not UTF-8 text".into(),
                expected: "a text table".into(),
            }),
        }
    }

    /// The next line that holds anything but blanks.
    ///
    /// # Errors
    /// As [`next_line`](Self::next_line).
    pub fn next_filled(&mut self) -> Result<Option<String>, CountsError> {
        while let Some(line) = self.next_line()? {
            if !line.trim().is_empty() {
                return Ok(Some(line.to_owned()));
            }
        }
        Ok(None)
    }

    /// Number of the line read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the line read last.
    pub fn error(&self, problem: impl Into<String>, expected: impl Into<String>) -> CountsError {
        CountsError::Line {
            path: self.path.clone(),
            line: self.number,
            problem: problem.into(),
            expected: expected.into(),
        }
    }
}

/// A text cut to what fits into a message.
pub fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
