//! The one way in: opening what users have, lines with their numbers, BED rows, tables with a header,
//! places by name, columns of Parquet.
//!
//! A file is read once, from its beginning, so that a pipe is as good as a file. What it is packed
//! in, its content tells. Formats that are read at any place (FASTA with its index, bigWig) are read
//! by the rooms that know them.

pub mod bed;
mod big;
mod check;
pub mod columns;
mod fence;
mod lines;
mod open;
mod places;
mod sheet;
mod table;

pub use bed::BedRow;
pub use big::BigFileError;
pub(crate) use big::{BigBedText, open_big, read_big};
use check::check_big;
pub(crate) use fence::fenced;
pub use lines::{Lines, excerpt, shorten};
pub use open::{BGZF_EOF, Input, Packing, Watch};
pub use places::{Coordinates, Place, read_places};
pub use sheet::Sheet;
pub use table::{Row, Separator, Table, is_missing};

use std::io;
use std::path::PathBuf;

/// What can be wrong with a text file.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It could not be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// It could not be read to its end (also a truncated gzip stream).
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// A bgzip stream that ends between two blocks: it decompresses without a fault.
    #[error("{0} is truncated: the bgzip end-of-file block is missing")]
    Truncated(PathBuf),
    /// Text in an encoding that nothing here reads.
    #[error("{0} is UTF-16 text; expected UTF-8")]
    Utf16(PathBuf),
    /// A file without line ends would fill the memory.
    #[error("{path}: line {line} is longer than {longest} bytes; expected {expected}")]
    LongLine {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The longest that is read.
        longest: u64,
        /// What would have been right.
        expected: &'static str,
    },
    /// The file has no row.
    #[error("{0} holds no row")]
    Empty(PathBuf),
    /// A line that does not belong there.
    #[error("{path}, line {line}: {problem}; expected {expected}")]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A column that is named and not there.
    #[error("{path} has no column {name:?} ({key}); it has {known}")]
    Column {
        /// The table.
        path: PathBuf,
        /// The setting that names the column.
        key: String,
        /// The name.
        name: String,
        /// The columns there are.
        known: String,
    },
    /// A format that is read at any place, from something that is read once.
    #[error("{path} is {format}, which is read at any place: it cannot come from a pipe")]
    Pipe {
        /// The file.
        path: PathBuf,
        /// The format.
        format: &'static str,
    },
}

/// Why a file cannot be opened, where the user can do something about it.
fn opening_hint(e: &io::Error, path: &std::path::Path) -> Option<String> {
    match e.kind() {
        io::ErrorKind::NotFound => {
            // The nearest folder above that is there.
            let parent = path
                .ancestors()
                .skip(1)
                .find(|p| p.as_os_str().is_empty() || p.exists());
            Some(match parent {
                Some(p) if !p.as_os_str().is_empty() => {
                    format!("there is no such file; is it elsewhere in {}?", p.display())
                }
                _ => "there is no such file here: paths start at the folder you are in".into(),
            })
        }
        io::ErrorKind::PermissionDenied => {
            Some("you may not read it: `ls -l` shows who may".into())
        }
        _ => None,
    }
}

impl InputError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open(e, path) => return opening_hint(e, path),
            Self::Truncated(_) => "the file was cut short: copy or compress it again".into(),
            Self::Utf16(path) => format!(
                "convert it: iconv -f UTF-16 -t UTF-8 {} > utf8.txt",
                path.display()
            ),
            Self::Column { key, .. } => format!("the key {key} names the column"),
            Self::Pipe { .. } => "write it to a file first".into(),
            Self::Read(e, _) => match e.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::Other => "it is damaged or cut short: copy it again".into(),
                _ => return None,
            },
            Self::LongLine { .. } => "is it text, with one row a line?".into(),
            Self::Empty(_) => {
                "headers, comments and blank lines are no rows: is it the right file?".into()
            }
            Self::Line { path, problem, .. } if problem.contains("UTF-8") => format!(
                "convert it: iconv -f LATIN1 -t UTF-8 {} > utf8.txt; or it is no text at all",
                path.display()
            ),
            Self::Line { path, line, .. } => {
                format!(
                    "that line: sed -n {line}p {} (of a packed file: zcat)",
                    path.display()
                )
            }
        })
    }
}
