//! UCSC's .2bit, read by `twobit`: which files are one, and what is wrong with those that cannot be read.

use std::path::Path;

use twobit::{TwoBitFile, TwoBitPhysicalFile};

use super::GenomeError;

/// The first bytes, in either byte order.
pub(super) const MAGIC: [[u8; 4]; 2] = [[0x43, 0x27, 0x41, 0x1a], [0x1a, 0x41, 0x27, 0x43]];

pub(super) fn open(path: &Path) -> Result<TwoBitPhysicalFile, GenomeError> {
    TwoBitFile::open(path).map_err(|e| error(e, path))
}

pub(super) fn error(e: twobit::Error, path: &Path) -> GenomeError {
    GenomeError::FastaContent {
        path: path.into(),
        problem: format!("as a .2bit it cannot be read: {e}"),
    }
}
