//! What unfinished jobs and shards leave, sealed: files and notes that changed since are not taken for their own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{OutputError, RUN_JSON};
use crate::job::{hex, sha256};

/// Beside the `run.json` of a shard, its SHA-256, as `sha256sum` writes it.
pub(super) const RUN_SUM: &str = "run.json.sha256";

/// What a file held at some moment: how many bytes, and their SHA-256, so that bytes that changed since are not taken for its own. Of an
/// empty file nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Seal {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }

    /// Of a file as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, OutputError> {
        let (bytes, sha256) = sum(path)?;
        Ok(Self { bytes, sha256 })
    }

    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Reads a small file that must be what it was.
    ///
    /// # Errors
    /// [`OutputError::Read`], [`OutputError::Damaged`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, OutputError> {
        let bytes = fs::read(path).map_err(|e| OutputError::Read(e, path.into()))?;
        self.check(path, bytes.len() as u64, &sha256(&bytes))?;
        Ok(bytes)
    }

    /// Looks whether a file is what it was.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn verify(&self, path: &Path) -> Result<(), OutputError> {
        let (bytes, sha256) = sum(path)?;
        self.check(path, bytes, &sha256)
    }

    pub(super) fn check(&self, path: &Path, bytes: u64, sha256: &str) -> Result<(), OutputError> {
        let problem = if bytes != self.bytes {
            format!("it holds {bytes} bytes, and held {}", self.bytes)
        } else if sha256 != self.sha256 && bytes > 0 {
            "its bytes are not those that were written".into()
        } else {
            return Ok(());
        };
        Err(OutputError::Damaged {
            path: path.into(),
            problem,
        })
    }
}

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// Bytes of a file, and their SHA-256.
fn sum(path: &Path) -> Result<(u64, String), OutputError> {
    let read = |e| OutputError::Read(e, path.into());
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let mut hash = Sha256::new();
    let there = pieces(&mut file, length, |bytes| {
        hash.update(bytes);
        Ok(())
    });
    Ok((there.map_err(read)?, hex(&hash.finalize())))
}

/// Gives the next `bytes` of a file, piece by piece; fewer where it ends before.
pub(super) fn pieces(
    file: &mut File,
    bytes: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER.min(bytes.max(1) as usize)];
    let mut left = bytes;
    while left > 0 {
        let most = buffer.len().min(left.min(BUFFER as u64) as usize);
        match file.read(&mut buffer[..most])? {
            0 => break,
            read => {
                each(&buffer[..read])?;
                left -= read as u64;
            }
        }
    }
    Ok(bytes - left)
}

/// Notes as they stand in a file: with the SHA-256 of their text.
pub(super) fn sealed(notes: &[u8]) -> Vec<u8> {
    let mut text = format!("{{\"sha256\":\"{}\",\"notes\":", sha256(notes)).into_bytes();
    text.extend_from_slice(notes);
    text.push(b'}');
    text
}

/// The text of notes, which must be what was written.
fn unseal(text: &[u8]) -> Result<&[u8], &'static str> {
    let parts = || {
        let rest = text.strip_prefix(b"{\"sha256\":\"")?;
        let (sum, rest) = rest.split_at_checked(64)?;
        let notes = rest.strip_prefix(b"\",\"notes\":")?.strip_suffix(b"}")?;
        Some((sum, notes))
    };
    let (sum, notes) = parts().ok_or("it is not whole")?;
    match sha256(notes).as_bytes() == sum {
        true => Ok(notes),
        false => Err("its bytes are not those that were written"),
    }
}

/// Reads the notes of an unfinished job ([`unfinished`](super::unfinished())).
///
/// # Errors
/// When they cannot be read or are not what was written.
pub fn read_notes<T: DeserializeOwned>(path: &Path) -> Result<T, OutputError> {
    let text = fs::read(path).map_err(|e| OutputError::Read(e, path.into()))?;
    let damaged = |problem: String| OutputError::Checkpoint {
        path: path.into(),
        problem,
    };
    let notes = unseal(&text).map_err(|problem| damaged(problem.into()))?;
    serde_json::from_slice(notes).map_err(|e| damaged(e.to_string()))
}

/// Looks whether the text of a shard's `run.json` is what was written.
///
/// # Errors
/// [`OutputError::Read`] where there is no sum beside it, [`OutputError::Damaged`].
pub fn check_sum(path: &Path, text: &[u8]) -> Result<(), OutputError> {
    let beside = path.with_file_name(RUN_SUM);
    let sum = fs::read(&beside).map_err(|e| OutputError::Read(e, beside))?;
    match sum == sum_of_run(text).as_bytes() {
        true => Ok(()),
        false => Err(OutputError::Damaged {
            path: path.into(),
            problem: format!("its bytes are not those of {RUN_SUM}"),
        }),
    }
}

/// The line of [`RUN_SUM`] for the text of a `run.json`.
pub(super) fn sum_of_run(text: &[u8]) -> String {
    format!("{}  {RUN_JSON}\n", sha256(text))
}
