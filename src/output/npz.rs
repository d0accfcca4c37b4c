//! `.npz`: arrays in one file, as `numpy.load` reads them.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use npyz::{DType, TypeStr, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Arrays that are written one after the other: [`begin`](Self::begin) each, then its bytes.
///
/// Dropped without [`finish`](Self::finish), the file is as it happens to be.
pub(crate) struct NpzWriter {
    // Dropped before the archive.
    given_up: GivenUp,
    zip: ZipWriter<Failing>,
}

/// Says, when it is dropped, that nothing more is to be written.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file that takes everything, and drops it, once a write has failed or the archive was given up: the archive's own writer
/// tries to finish it when it is dropped, and would print why it cannot.
struct Failing {
    file: BufWriter<File>,
    /// Where the next byte goes, and the farthest that it has been: nothing stands behind that.
    at: u64,
    end: u64,
    failed: Arc<AtomicBool>,
}

impl Failing {
    /// Does something with the file unless that has failed before.
    fn attempt<T>(
        &mut self,
        instead: T,
        act: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.failed.load(Ordering::Relaxed) {
            return Ok(instead);
        }
        let done = act(&mut self.file);
        self.failed.store(done.is_err(), Ordering::Relaxed);
        done
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.attempt(bytes.len(), |file| file.write(bytes))?;
        self.at += written as u64;
        self.end = self.end.max(self.at);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), |file| file.flush())
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Given up, it stands at its end: the archive's writer takes lengths for differences of places.
        let sought = self.attempt(self.end, |file| file.seek(to));
        self.at = *sought.as_ref().unwrap_or(&self.end);
        self.end = self.end.max(self.at);
        sought
    }
}

impl NpzWriter {
    /// Begins a file; the same content gives the same bytes.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self::new(File::create(path)?))
    }

    /// Into an open file.
    pub fn new(file: File) -> Self {
        let failed = Arc::new(AtomicBool::new(false));
        let zip = ZipWriter::new(Failing {
            file: BufWriter::with_capacity(1 << 18, file),
            at: 0,
            end: 0,
            failed: failed.clone(),
        });
        Self {
            given_up: GivenUp(failed),
            zip,
        }
    }

    /// Begins an array in C order; `dtype` as numpy writes it.
    pub fn begin(&mut self, name: &str, dtype: &str, shape: &[usize]) -> io::Result<()> {
        self.entry(&format!("{name}.npy"))?;
        let dtype: TypeStr = dtype.parse().map_err(io::Error::other)?;
        let shape: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
        npyz::WriteOptions::new_header_only()
            .dtype(DType::Plain(dtype))
            .shape(&shape)
            .writer(&mut self.zip)
            .write_header_only()
            .map(drop)
    }

    /// Begins an entry that is no array.
    pub fn entry(&mut self, name: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(true);
        Ok(self.zip.start_file(name, options)?)
    }

    /// A whole array of names, as bytes.
    pub fn names(&mut self, name: &str, names: &[String]) -> io::Result<()> {
        let width = names.iter().map(String::len).max().unwrap_or(1).max(1);
        self.begin(name, &format!("|S{width}"), &[names.len()])?;
        for name in names {
            self.write_all(name.as_bytes())?;
            self.write_all(&vec![0; width - name.len()])?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(self) -> io::Result<()> {
        let Self { given_up, zip } = self;
        if given_up.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("an earlier write failed"));
        }
        zip.finish()?.flush()
    }
}

impl Write for NpzWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_once_and_ends_nothing_else() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut npz = NpzWriter::new(file);
        let error = npz.begin("a", "<f4", &[1 << 18]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let error = npz.finish().unwrap_err();
        assert!(error.to_string().contains("an earlier write"), "{error}");
    }

    #[test]
    fn an_archive_that_is_given_up_is_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        // How every archive ends.
        let ended = || {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(4).any(|at| at == b"PK\x05\x06")
        };
        for finish in [false, true] {
            let mut npz = NpzWriter::create(&path).unwrap();
            npz.begin("a", "|u1", &[3]).unwrap();
            npz.write_all(&[1, 2, 3]).unwrap();
            match finish {
                true => npz.finish().unwrap(),
                false => drop(npz),
            }
            assert_eq!(ended(), finish);
        }
    }
}
