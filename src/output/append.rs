use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::OutputError;
use crate::job::hex;

/// What a file held at some moment: how many bytes, and their SHA-256, so that bytes that changed since are not taken for its own. Of an
/// empty file nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    bytes: u64,
    sha256: String,
}

impl Seal {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: crate::job::sha256(bytes),
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
        let bytes = std::fs::read(path).map_err(|e| OutputError::Read(e, path.into()))?;
        self.check(path, bytes.len() as u64, &crate::job::sha256(&bytes))?;
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

    fn check(&self, path: &Path, bytes: u64, sha256: &str) -> Result<(), OutputError> {
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

/// A file that only grows, and that can be cut back to what it once held: the unit of resuming.
/// All state of an unfinished job lies in such files, so that a checkpoint is nothing but their
/// seals.
#[derive(Debug)]
pub struct AppendFile {
    out: BufWriter<File>,
    path: PathBuf,
    length: u64,
    hash: Sha256,
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
fn pieces(
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

impl AppendFile {
    /// Opens a file for appending: a new one where nothing is to be there, else what is there, cut back to
    /// what it held.
    ///
    /// # Errors
    /// When it cannot be opened, or does not begin with what it held.
    pub fn open(path: &Path, held: &Seal) -> Result<Self, OutputError> {
        let length = held.bytes;
        let mut hash = Sha256::new();
        let mut open = || -> io::Result<(File, u64)> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(length == 0)
                .open(path)?;
            let there = pieces(&mut file, length, |bytes| {
                hash.update(bytes);
                Ok(())
            })?;
            Ok((file, there))
        };
        let failed = |e| OutputError::Write(e, path.into());
        let (mut file, there) = open().map_err(failed)?;
        held.check(path, there, &hex(&hash.clone().finalize()))?;
        (file.set_len(length))
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(failed)?;
        Ok(Self {
            out: BufWriter::with_capacity(1 << 16, file),
            path: path.into(),
            length,
            hash,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        self.out
            .write_all(bytes)
            .map_err(|e| OutputError::Write(e, self.path.clone()))
    }

    /// Appends the rest of another file from an offset on.
    ///
    /// # Errors
    /// When it cannot be read or this one not be written, or it is not what it was.
    pub fn append_file(
        &mut self,
        from: &Path,
        offset: u64,
        held: &Seal,
    ) -> Result<(), OutputError> {
        // Before a byte of it is taken.
        held.verify(from)?;
        let read = |e| OutputError::Read(e, from.into());
        let mut file = File::open(from).map_err(read)?;
        let length = held.bytes;
        file.seek(SeekFrom::Start(offset)).map_err(read)?;
        let mut failed = None;
        pieces(&mut file, length.saturating_sub(offset), |bytes| {
            self.append(bytes).map_err(|e| {
                failed = Some(e);
                io::Error::other("stopped")
            })
        })
        .map(drop)
        .map_err(|e| failed.unwrap_or_else(|| read(e)))
    }

    /// Makes sure that everything appended survives a crash of the machine, and tells what it is.
    pub fn seal(&mut self) -> Result<Seal, OutputError> {
        let sync = |out: &mut BufWriter<File>| out.flush().and_then(|()| out.get_ref().sync_data());
        sync(&mut self.out).map_err(|e| OutputError::Write(e, self.path.clone()))?;
        Ok(Seal {
            bytes: self.length,
            sha256: match self.length {
                0 => String::new(),
                _ => hex(&self.hash.clone().finalize()),
            },
        })
    }

    /// The complete file, open for reading and writing, positioned at its start.
    pub fn into_file(self) -> Result<File, OutputError> {
        let Self { out, path, .. } = self;
        out.into_inner()
            .map_err(|e| e.into_error())
            .and_then(|mut file| file.seek(SeekFrom::Start(0)).map(|_| file))
            .map_err(|e| OutputError::Write(e, path))
    }

    /// Writes what is left in memory.
    pub fn finish(self) -> Result<(), OutputError> {
        self.into_file().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_back_and_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let nothing = Seal::default();
        let mut file = AppendFile::open(&path, &nothing).unwrap();
        assert_eq!(file.seal().unwrap(), nothing);
        file.append(b"abc").unwrap();
        let held = file.seal().unwrap();
        assert_eq!(held, Seal::of(b"abc"));
        file.append(b"def").unwrap();
        let more = file.seal().unwrap();
        drop(file);
        let mut file = AppendFile::open(&path, &held).unwrap();
        file.append(b"XY").unwrap();
        assert_eq!(file.length(), 5);
        let seal = file.seal().unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcXY");
        assert_eq!(seal.read(&path).unwrap(), b"abcXY");
        // Of another time: too short, and of other bytes.
        let damaged = |e| matches!(e, OutputError::Damaged { .. });
        assert!(damaged(AppendFile::open(&path, &more).unwrap_err()));
        assert!(damaged(more.read(&path).unwrap_err()));
        assert_eq!(std::fs::read(&path).unwrap(), b"abcXY");
        let mut other = AppendFile::open(&dir.path().join("g"), &nothing).unwrap();
        assert!(damaged(other.append_file(&path, 2, &held).unwrap_err()));
        other.append_file(&path, 2, &seal).unwrap();
        assert_eq!(other.seal().unwrap(), Seal::of(b"cXY"));
        other.finish().unwrap();
        assert_eq!(std::fs::read(dir.path().join("g")).unwrap(), b"cXY");
        std::fs::write(&path, b"abQXY").unwrap();
        assert!(damaged(AppendFile::open(&path, &held).unwrap_err()));
    }
}
