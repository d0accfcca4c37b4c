use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::OutputError;

/// A file that only grows, and that can be cut back to a length it once had: the unit of resuming.
/// All state of an unfinished job lies in such files, so that a checkpoint is nothing but their
/// lengths.
#[derive(Debug)]
pub struct AppendFile {
    out: BufWriter<File>,
    path: PathBuf,
    length: u64,
}

impl AppendFile {
    /// Opens a file of `length` bytes for appending: a new one for 0, else what is there, cut back
    /// to that length.
    ///
    /// # Errors
    /// When it cannot be opened, or is shorter than `length`.
    pub fn open(path: &Path, length: u64) -> Result<Self, OutputError> {
        let open = || -> io::Result<Self> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(length == 0)
                .open(path)?;
            if file.metadata()?.len() < length {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("it should hold {length} bytes of an unfinished run"),
                ));
            }
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok(Self {
                out: BufWriter::with_capacity(1 << 16, file),
                path: path.into(),
                length,
            })
        };
        open().map_err(|e| OutputError::Write(e, path.into()))
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
        self.out
            .write_all(bytes)
            .map_err(|e| OutputError::Write(e, self.path.clone()))
    }

    /// Appends the rest of another file from an offset on.
    pub fn append_file(&mut self, from: &Path, offset: u64) -> Result<(), OutputError> {
        let copy = |out: &mut BufWriter<File>| -> io::Result<u64> {
            let mut file = File::open(from)?;
            file.seek(SeekFrom::Start(offset))?;
            io::copy(&mut BufReader::with_capacity(1 << 20, file), out)
        };
        self.length += copy(&mut self.out).map_err(|e| OutputError::Write(e, self.path.clone()))?;
        Ok(())
    }

    /// Makes sure that everything appended survives a crash of the machine.
    pub fn sync(&mut self) -> Result<(), OutputError> {
        let sync = |out: &mut BufWriter<File>| out.flush().and_then(|()| out.get_ref().sync_data());
        sync(&mut self.out).map_err(|e| OutputError::Write(e, self.path.clone()))
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
        let mut file = AppendFile::open(&path, 0).unwrap();
        file.append(b"abcdef").unwrap();
        file.sync().unwrap();
        drop(file);
        let mut file = AppendFile::open(&path, 3).unwrap();
        file.append(b"XY").unwrap();
        assert_eq!(file.length(), 5);
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcXY");
        assert!(AppendFile::open(&path, 9).is_err());
        let mut other = AppendFile::open(&dir.path().join("g"), 0).unwrap();
        other.append_file(&path, 2).unwrap();
        other.finish().unwrap();
        assert_eq!(std::fs::read(dir.path().join("g")).unwrap(), b"cXY");
    }
}
