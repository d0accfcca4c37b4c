//! UCSC's .2bit, read by `twobit`: which files are one, and what is wrong with those that cannot be read.

use std::path::Path;

use twobit::{TwoBitFile, TwoBitPhysicalFile};

use super::GenomeError;
use crate::input::fenced;

/// The first bytes, in either byte order.
pub(super) const MAGIC: [[u8; 4]; 2] = [[0x43, 0x27, 0x41, 0x1a], [0x1a, 0x41, 0x27, 0x43]];

pub(super) fn open(path: &Path) -> Result<TwoBitPhysicalFile, GenomeError> {
    read(path, || TwoBitFile::open(path))
}

/// Reads with `twobit`, which panics at some damaged files.
pub(super) fn read<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, twobit::Error>,
) -> Result<T, GenomeError> {
    let content = |problem: String| GenomeError::FastaContent {
        path: path.into(),
        problem,
    };
    match fenced(read) {
        Some(read) => read.map_err(|e| content(format!("as a .2bit it cannot be read: {e}"))),
        None => Err(content("as a .2bit it is damaged".into())),
    }
}
