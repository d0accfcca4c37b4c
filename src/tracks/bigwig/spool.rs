use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::Path;

use crate::output::{AppendFile, OutputError, Seal};

/// A record of fixed size that waits in a file for the end of the job.
pub(super) trait Record: Sized {
    const SIZE: usize;
    fn put(&self, out: &mut Vec<u8>);
    fn get(bytes: &[u8]) -> Self;
}

/// Records in a file, in the order they came.
#[derive(Debug)]
pub(super) struct Spool<R> {
    file: AppendFile,
    buffer: Vec<u8>,
    kind: PhantomData<R>,
}

impl<R: Record> Spool<R> {
    pub fn open(path: &Path, held: &Seal) -> Result<Self, OutputError> {
        Ok(Self {
            file: AppendFile::open(path, held)?,
            buffer: Vec::with_capacity(R::SIZE),
            kind: PhantomData,
        })
    }

    pub fn push(&mut self, record: &R) -> Result<(), OutputError> {
        self.buffer.clear();
        record.put(&mut self.buffer);
        self.file.append(&self.buffer)
    }

    pub fn seal(&mut self) -> Result<Seal, OutputError> {
        self.file.seal()
    }

    pub fn records(&self) -> u64 {
        self.file.length() / R::SIZE as u64
    }

    /// The records, for reading as often as needed.
    pub fn close(self) -> Result<Replay<R>, OutputError> {
        let records = self.records();
        let path = self.file.path().to_path_buf();
        let file = self.file.into_file()?;
        Ok(Replay {
            reader: BufReader::with_capacity(1 << 16, file),
            path,
            records,
            kind: PhantomData,
        })
    }
}

/// A finished [`Spool`].
#[derive(Debug)]
pub(super) struct Replay<R> {
    reader: BufReader<std::fs::File>,
    path: std::path::PathBuf,
    pub records: u64,
    kind: PhantomData<R>,
}

impl<R: Record> Replay<R> {
    /// Opens the records of another job's spool.
    pub fn open(path: &Path, held: &Seal) -> Result<Self, OutputError> {
        held.verify(path)?;
        let fail = |e| OutputError::Read(e, path.into());
        let file = std::fs::File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        Ok(Self {
            reader: BufReader::with_capacity(1 << 16, file),
            path: path.into(),
            records: length / R::SIZE as u64,
            kind: PhantomData,
        })
    }

    /// Calls `each` with every record, in order.
    pub fn each(
        &mut self,
        mut each: impl FnMut(R) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let fail = |e: io::Error| OutputError::Read(e, self.path.clone());
        self.reader.seek(SeekFrom::Start(0)).map_err(fail)?;
        let mut bytes = vec![0; R::SIZE];
        for _ in 0..self.records {
            self.reader.read_exact(&mut bytes).map_err(fail)?;
            each(R::get(&bytes))?;
        }
        Ok(())
    }

    /// Removes the file: its records have served.
    pub fn remove(self) -> Result<(), OutputError> {
        std::fs::remove_file(&self.path).map_err(|e| OutputError::Write(e, self.path))
    }
}

/// Four bytes of a record.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// Eight bytes of a record.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    let mut long = [0; 8];
    long.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(long)
}
