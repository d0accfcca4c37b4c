use std::path::Path;

use super::unfinished::{Unfinished, open};
use super::{OutputError, write_whole};

/// Writes an index beside an input, whole or not at all; [`settle_indexes`](super::settle_indexes) says whether it stays.
///
/// # Errors
/// As [`write_whole`].
pub fn write_index(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    write_whole(path, bytes)?;
    open().begins(Unfinished::Index(path.into()));
    Ok(())
}
