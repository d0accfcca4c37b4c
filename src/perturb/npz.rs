use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use npyz::{DType, WriterBuilder};
use zip::write::SimpleFileOptions;

use crate::output::OutputError;

/// Arrays in one file, as `numpy.load` reads them, written one after the other.
pub(super) struct Npz {
    zip: zip::ZipWriter<BufWriter<File>>,
    path: PathBuf,
}

impl Npz {
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let file = File::create(path).map_err(|e| OutputError::Write(e, path.into()))?;
        Ok(Self {
            zip: zip::ZipWriter::new(BufWriter::with_capacity(1 << 18, file)),
            path: path.into(),
        })
    }

    fn failed(&self) -> impl Fn(io::Error) -> OutputError + use<> {
        let path = self.path.clone();
        move |e| OutputError::Write(e, path.clone())
    }

    /// Begins an array; `dtype` as numpy writes it.
    pub fn begin(&mut self, name: &str, dtype: &str, shape: &[usize]) -> Result<(), OutputError> {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(true);
        let shape: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
        let failed = self.failed();
        let mut begin = || -> io::Result<()> {
            self.zip.start_file(format!("{name}.npy"), options)?;
            let dtype: npyz::TypeStr = dtype.parse().map_err(io::Error::other)?;
            npyz::WriteOptions::new_header_only()
                .dtype(DType::Plain(dtype))
                .shape(&shape)
                .writer(&mut self.zip)
                .write_header_only()
                .map(drop)
        };
        begin().map_err(failed)
    }

    /// Goes on with it.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let failed = self.failed();
        self.zip.write_all(bytes).map_err(failed)
    }

    /// Goes on with an array of float32.
    pub fn floats(&mut self, values: &[f32]) -> Result<(), OutputError> {
        let mut bytes = Vec::with_capacity(4 * values.len().min(1 << 16));
        for values in values.chunks(1 << 16) {
            bytes.clear();
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            self.put(&bytes)?;
        }
        Ok(())
    }

    /// A whole array of float32.
    pub fn array(
        &mut self,
        name: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<(), OutputError> {
        self.begin(name, "<f4", shape)?;
        self.floats(values)
    }

    /// A whole array of uint32.
    pub fn counts(&mut self, name: &str, values: &[u32]) -> Result<(), OutputError> {
        self.begin(name, "<u4", &[values.len()])?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// A whole array of names, as bytes.
    pub fn names(&mut self, name: &str, names: &[String]) -> Result<(), OutputError> {
        let width = names.iter().map(String::len).max().unwrap_or(1).max(1);
        self.begin(name, &format!("|S{width}"), &[names.len()])?;
        for name in names {
            self.put(name.as_bytes())?;
            self.put(&vec![0; width - name.len()])?;
        }
        Ok(())
    }

    pub fn finish(self) -> Result<(), OutputError> {
        let failed = self.failed();
        let finish = || self.zip.finish()?.flush();
        finish().map_err(failed)
    }
}
