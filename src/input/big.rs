//! bigBed and bigWig: opening one, what can be wrong with it; a bigBed as the text of a BED.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bigtools::BigBedRead;
use bigtools::utils::reopen::ReopenableFile;

use super::{InputError, check_big, fenced};

/// What can be wrong with a bigBed or bigWig.
#[derive(Debug, thiserror::Error)]
pub enum BigFileError {
    /// It cannot be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}: {problem}")]
    Binary {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        problem: String,
    },
}

impl BigFileError {
    /// A file that its reader cannot read.
    pub(crate) fn binary(path: &Path, problem: impl ToString) -> Self {
        Self::Binary {
            path: path.into(),
            problem: problem.to_string(),
        }
    }
}

/// The file for `bigtools`' readers, whose own `open_file` prints, and which believe what a file says of its lengths.
pub(crate) fn open_big(path: &Path) -> Result<ReopenableFile, BigFileError> {
    let file = File::open(path).map_err(|e| BigFileError::Open(e, path.into()))?;
    check_big(&file).map_err(|problem| BigFileError::binary(path, problem))?;
    Ok(ReopenableFile {
        path: path.into(),
        file,
    })
}

/// Reads with `bigtools`.
///
/// # Errors
/// Those of `read`; [`BigFileError::Binary`] where it panics.
pub(crate) fn read_big<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, BigFileError>,
) -> Result<T, BigFileError> {
    let damaged = || Err(BigFileError::binary(path, "it is damaged"));
    fenced(read).unwrap_or_else(damaged)
}

/// The rows of a bigBed as the text of a BED, contig after contig.
pub(crate) struct BigBedText {
    path: PathBuf,
    file: BigBedRead<ReopenableFile>,
    /// Contigs still to be read, the next one last.
    contigs: Vec<(String, u32)>,
    text: Vec<u8>,
    at: usize,
}

impl BigBedText {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened or is damaged.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let damaged = |e: String| InputError::Read(io::Error::other(e), path.into());
        let file = open_big(path).map_err(|e| match e {
            BigFileError::Open(e, path) => InputError::Open(e, path),
            other => damaged(other.to_string()),
        })?;
        let open = || BigBedRead::open(file).map_err(|e| BigFileError::binary(path, e));
        let file = read_big(path, open).map_err(|e| damaged(e.to_string()))?;
        let contigs = file.chroms().iter().rev();
        Ok(Self {
            path: path.into(),
            contigs: contigs.map(|c| (c.name.clone(), c.length)).collect(),
            file,
            text: Vec::new(),
            at: 0,
        })
    }

    /// Makes the text of the next contig that has rows.
    fn fill(&mut self) -> io::Result<()> {
        (self.at, self.text) = (0, Vec::new());
        while self.text.is_empty() {
            let Some((name, length)) = self.contigs.pop() else {
                break;
            };
            let (file, path) = (&mut self.file, &self.path);
            let read = || {
                let failed = |e: &dyn std::fmt::Display| BigFileError::binary(path, e);
                let mut text = String::new();
                let entries = file.get_interval(&name, 0, length);
                for entry in entries.map_err(|e| failed(&e))? {
                    let entry = entry.map_err(|e| failed(&e))?;
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{name}\t{}\t{}", entry.start, entry.end);
                    if !entry.rest.is_empty() {
                        let _ = write!(text, "\t{}", entry.rest);
                    }
                    text.push('\n');
                }
                Ok(text)
            };
            let text = read_big(path, read).map_err(io::Error::other)?;
            self.text = text.into_bytes();
        }
        Ok(())
    }
}

impl Read for BigBedText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            self.fill()?;
        }
        let mut rest = &self.text[self.at..];
        let n = rest.read(buffer)?;
        self.at += n;
        Ok(n)
    }
}
