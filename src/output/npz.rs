//! `.npz`: arrays in one file, as `numpy.load` reads them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::path::Path;

use npyz::{DType, TypeStr, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Arrays that are written one after the other: [`begin`](Self::begin) each, then its bytes.
///
/// Dropped without [`finish`](Self::finish), the file is left as it is, and closed with the process: the archive's own
/// writer would try to finish it, and print why it cannot.
pub(crate) struct NpzWriter(ManuallyDrop<ZipWriter<BufWriter<File>>>);

impl NpzWriter {
    /// Begins a file; the same content gives the same bytes.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self::new(File::create(path)?))
    }

    /// Into an open file.
    pub fn new(file: File) -> Self {
        let zip = ZipWriter::new(BufWriter::with_capacity(1 << 18, file));
        Self(ManuallyDrop::new(zip))
    }

    /// Begins an array in C order; `dtype` as numpy writes it.
    pub fn begin(&mut self, name: &str, dtype: &str, shape: &[usize]) -> io::Result<()> {
        self.entry(&format!("{name}.npy"))?;
        let dtype: TypeStr = dtype.parse().map_err(io::Error::other)?;
        let shape: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
        npyz::WriteOptions::new_header_only()
            .dtype(DType::Plain(dtype))
            .shape(&shape)
            .writer(&mut *self.0)
            .write_header_only()
            .map(drop)
    }

    /// Begins an entry that is no array.
    pub fn entry(&mut self, name: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(true);
        Ok(self.0.start_file(name, options)?)
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
        ManuallyDrop::into_inner(self.0).finish()?.flush()
    }
}

impl Write for NpzWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
