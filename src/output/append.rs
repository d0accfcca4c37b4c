use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::OutputError;
use super::seal::{Seal, pieces};
use crate::job::hex;

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
