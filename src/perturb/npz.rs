use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::output::{NpzWriter, OutputError};

/// [`NpzWriter`] whose errors name the file.
pub(super) struct Npz {
    file: NpzWriter,
    path: PathBuf,
}

impl Npz {
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let file = NpzWriter::create(path).map_err(|e| OutputError::Write(e, path.into()))?;
        Ok(Self {
            file,
            path: path.into(),
        })
    }

    fn failed(&self) -> impl Fn(io::Error) -> OutputError + use<> {
        let path = self.path.clone();
        move |e| OutputError::Write(e, path.clone())
    }

    /// Begins an array; `dtype` as numpy writes it.
    pub fn begin(&mut self, name: &str, dtype: &str, shape: &[usize]) -> Result<(), OutputError> {
        let failed = self.failed();
        self.file.begin(name, dtype, shape).map_err(failed)
    }

    /// Goes on with it.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let failed = self.failed();
        self.file.write_all(bytes).map_err(failed)
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
        let failed = self.failed();
        self.file.names(name, names).map_err(failed)
    }

    pub fn finish(self) -> Result<(), OutputError> {
        let failed = self.failed();
        self.file.finish().map_err(failed)
    }
}
