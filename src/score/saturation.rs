//! `saturation.npz`: the effects of every change in every region, as numpy reads it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use npyz::{DType, WriterBuilder};
use zip::write::SimpleFileOptions;

use crate::encode::UNKNOWN;
use crate::genome::RegionStatus;
use crate::output::OutputError;

/// The tables of all regions in temporary files, each region at the place of its row, so that
/// workers can write in any order.
#[derive(Debug)]
pub(super) struct SaturationSpool {
    effects: File,
    one_hot: File,
    length: usize,
    tasks: usize,
    folder: PathBuf,
}

impl SaturationSpool {
    /// For regions of `length` bases.
    pub fn new(folder: &Path, length: u32, tasks: usize) -> io::Result<Self> {
        Ok(Self {
            effects: tempfile::tempfile_in(folder)?,
            one_hot: tempfile::tempfile_in(folder)?,
            length: length as usize,
            tasks,
            folder: folder.into(),
        })
    }

    /// Writes the part of a region that begins `position` bases into it: effects as
    /// `[bases, 4, tasks]`, and its base codes.
    pub fn put(
        &self,
        row: u32,
        position: u32,
        effects: impl Iterator<Item = f32>,
        codes: &[u8],
    ) -> Result<(), OutputError> {
        let at = u64::from(row) * self.length as u64 + u64::from(position);
        let bytes: Vec<u8> = effects.flat_map(f32::to_le_bytes).collect();
        let one_hot: Vec<u8> = codes
            .iter()
            .flat_map(|&code| (0..4).map(move |b| u8::from(code == b && code < UNKNOWN)))
            .collect();
        self.effects
            .write_all_at(&bytes, at * (4 * self.tasks * size_of::<f32>()) as u64)
            .and_then(|()| self.one_hot.write_all_at(&one_hot, at * 4))
            .map_err(|e| OutputError::Write(e, self.folder.clone()))
    }

    /// Writes the archive: `effects` (float32, `[rows, length, 4, tasks]`, NaN in rows that were
    /// not scored), `one_hot` (uint8, `[rows, length, 4]`, zero there) and `tasks` (names).
    pub fn write_npz(
        self,
        status: &[RegionStatus],
        tasks: &[String],
        path: &Path,
    ) -> io::Result<()> {
        let rows = status.len();
        let mut zip = zip::ZipWriter::new(BufWriter::with_capacity(1 << 18, File::create(path)?));
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(true);
        let shape = |dims: &[usize]| dims.iter().map(|&d| d as u64).collect::<Vec<u64>>();

        zip.start_file("effects.npy", options)?;
        header(&mut zip, "<f4", &shape(&[rows, self.length, 4, self.tasks]))?;
        let row_size = self.length * 4 * self.tasks * size_of::<f32>();
        let missing: Vec<u8> = f32::NAN.to_le_bytes().repeat(row_size / size_of::<f32>());
        copy_rows(self.effects, row_size, status, &missing, &mut zip)?;

        zip.start_file("one_hot.npy", options)?;
        header(&mut zip, "|u1", &shape(&[rows, self.length, 4]))?;
        let missing = vec![0; self.length * 4];
        copy_rows(self.one_hot, self.length * 4, status, &missing, &mut zip)?;

        zip.start_file("tasks.npy", options)?;
        let width = tasks.iter().map(String::len).max().unwrap_or(1).max(1);
        header(&mut zip, &format!("|S{width}"), &shape(&[tasks.len()]))?;
        for task in tasks {
            zip.write_all(task.as_bytes())?;
            zip.write_all(&vec![0; width - task.len()])?;
        }
        zip.finish()?.flush()
    }
}

fn header(out: &mut impl Write, dtype: &str, shape: &[u64]) -> io::Result<()> {
    let dtype: npyz::TypeStr = dtype.parse().map_err(io::Error::other)?;
    npyz::WriteOptions::new_header_only()
        .dtype(DType::Plain(dtype))
        .shape(shape)
        .writer(out)
        .write_header_only()
        .map(drop)
}

fn copy_rows(
    mut file: File,
    row_size: usize,
    status: &[RegionStatus],
    missing: &[u8],
    out: &mut impl Write,
) -> io::Result<()> {
    file.set_len(row_size as u64 * status.len() as u64)?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut row = vec![0; row_size];
    for status in status {
        reader.read_exact(&mut row)?;
        // What was not scored was not written either: the file has a hole there.
        out.write_all(match status {
            RegionStatus::Ok | RegionStatus::NoScoredWindow => &row,
            _ => missing,
        })?;
    }
    Ok(())
}
