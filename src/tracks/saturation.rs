//! `saturation.npz`, read back row by row: the effects of every change in every region.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyHeader, Order};

use super::TrackError;
use crate::encode::UNKNOWN;
use crate::input::{Input, InputError, Sheet};

/// The archive's name in a folder of results.
const NAME: &str = "saturation.npz";

/// The effects of a folder of results, a row at a time, with where each row lies.
#[derive(Debug)]
pub struct Saturation {
    path: PathBuf,
    /// Names of the tasks.
    pub tasks: Vec<String>,
    /// Bases of each row; 0 for rows that were not scored.
    pub lengths: Vec<u32>,
    /// Where each row lies.
    pub places: Vec<RowPlace>,
    /// Whether it holds hypothetical contributions, by another method than in-silico mutagenesis, in the place of effects.
    pub contributions: bool,
    longest: usize,
    effects: BufReader<File>,
    one_hot: BufReader<File>,
    next: usize,
    bytes: Vec<u8>,
}

/// Where a row lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPlace {
    /// Contig; of sequences that stand alone their name.
    pub contig: String,
    /// First base, 0-based; 0 for sequences that stand alone.
    pub start: u32,
    /// The region's name.
    pub name: String,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaturationRow {
    /// Its number, from 0.
    pub row: usize,
    /// A code a base.
    pub codes: Vec<u8>,
    /// Mutant - reference, or hypothetical contributions, `[base, 4 (A, C, G, T), task]`; NaN where there is none.
    pub effects: Vec<f32>,
}

impl Saturation {
    /// Opens the archive of a folder of results (or the archive itself) with the table beside it: `regions.tsv` of the main job,
    /// `predictions.tsv` of `predict`.
    ///
    /// # Errors
    /// When it is not there, was not written by this program, is cut short, or the table has other rows.
    pub fn open(results: &Path) -> Result<Self, TrackError> {
        let (folder, path) = match results.is_dir() {
            true => (results.to_path_buf(), results.join(NAME)),
            false => {
                let folder = results.parent().unwrap_or(Path::new(""));
                (folder.to_path_buf(), results.to_path_buf())
            }
        };
        if results.is_dir() && !path.exists() {
            return Err(TrackError::NoSaturation(results.into()));
        }
        let fail = |problem: String| TrackError::Saturation {
            path: path.clone(),
            problem,
        };
        let open = || File::open(&path).map_err(|e| InputError::Open(e, path.clone()));
        let mut archive = zip::ZipArchive::new(open()?)
            .map_err(|e| fail(format!("it is no archive, or cut short ({e})")))?;
        let contributions = archive.index_for_name("contributions.npy").is_some();
        let mut array = |name: &'static str, kind: &str| -> Result<Array, TrackError> {
            let entry = archive
                .by_name(name)
                .map_err(|e| fail(format!("{name}: {e}")))?;
            let start = match entry.compression() {
                zip::CompressionMethod::Stored => entry.data_start(),
                _ => None,
            };
            let Some(start) = start else {
                return Err(fail(format!("{name} is compressed; it is written plain")));
            };
            let size = entry.size();
            drop(entry);
            let mut file = BufReader::with_capacity(1 << 18, open()?);
            let header = file
                .seek(SeekFrom::Start(start))
                .and_then(|_| NpyHeader::from_reader(&mut file))
                .map_err(|e| fail(format!("{name}: {e}")))?;
            let dtype = match header.dtype() {
                DType::Plain(text) => text.to_string(),
                _ => "a record".into(),
            };
            if !dtype.starts_with(kind) || header.order() != Order::C {
                let problem = format!("{name} is of type {dtype}; expected {kind} in C's order");
                return Err(fail(problem));
            }
            let shape: Vec<usize> = header.shape().iter().map(|&d| d as usize).collect();
            let begun = file
                .stream_position()
                .map_err(|e| InputError::Read(e, path.clone()))?;
            let width = match kind {
                "|S" => dtype[2..].parse().unwrap_or(0),
                "|u1" => 1,
                _ => 4,
            };
            let expected = shape
                .iter()
                .try_fold(width, |n: usize, &d| n.checked_mul(d));
            if expected.map(|n| n as u64 + (begun - start)) != Some(size) {
                return Err(fail(format!(
                    "{name} has {size} bytes, which is not what its shape {shape:?} takes"
                )));
            }
            Ok(Array { file, shape, width })
        };
        let effects = match contributions {
            true => array("contributions.npy", "<f4")?,
            false => array("effects.npy", "<f4")?,
        };
        let one_hot = array("one_hot.npy", "|u1")?;
        let lengths = array("lengths.npy", "<u4")?;
        let tasks = array("tasks.npy", "|S")?;
        let (rows, longest) = match effects.shape[..] {
            [rows, longest, 4, n] if tasks.shape == [n] && n > 0 => (rows, longest),
            _ => {
                return Err(fail(format!(
                    "effects are of shape {:?}; expected [rows, bases, 4, tasks]",
                    effects.shape
                )));
            }
        };
        if one_hot.shape != [rows, longest, 4] || lengths.shape != [rows] {
            return Err(fail(
                "its arrays are not of the same rows and bases".to_owned(),
            ));
        }
        let width = tasks.width;
        let names = tasks.bytes(&path)?;
        let tasks = (names.chunks_exact(width.max(1)))
            .map(|name| {
                String::from_utf8_lossy(name)
                    .trim_end_matches('\0')
                    .to_owned()
            })
            .collect();
        let lengths: Vec<u32> = (lengths.bytes(&path)?.as_chunks::<4>().0.iter())
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        if let Some(length) = lengths.iter().find(|l| **l as usize > longest) {
            return Err(fail(format!(
                "a row of {length} bases in arrays of {longest}"
            )));
        }
        let places = places(&folder, &lengths)?;
        Ok(Self {
            path,
            tasks,
            lengths,
            places,
            longest,
            effects: effects.file,
            contributions,
            one_hot: one_hot.file,
            next: 0,
            bytes: Vec::new(),
        })
    }

    /// The archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next row, without bases that were not scored; `None` after the last.
    ///
    /// # Errors
    /// When the archive cannot be read, or a base is not one-hot.
    pub fn next_row(&mut self) -> Result<Option<SaturationRow>, TrackError> {
        let Some(&length) = self.lengths.get(self.next) else {
            return Ok(None);
        };
        let length = length as usize;
        let mut row = SaturationRow {
            row: self.next,
            ..SaturationRow::default()
        };
        self.next += 1;
        let width = 16 * self.tasks.len();
        let read = |file: &mut BufReader<File>, width: usize, bytes: &mut Vec<u8>| {
            bytes.resize(length * width, 0);
            file.read_exact(bytes)?;
            file.seek_relative(((self.longest - length) * width) as i64)
        };
        let fail = |e: io::Error| InputError::Read(e, self.path.clone());
        read(&mut self.effects, width, &mut self.bytes).map_err(fail)?;
        row.effects.extend(
            self.bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b)),
        );
        read(&mut self.one_hot, 4, &mut self.bytes).map_err(fail)?;
        for (base, column) in self.bytes.as_chunks::<4>().0.iter().enumerate() {
            row.codes.push(match column {
                [0, 0, 0, 0] => UNKNOWN,
                [1, 0, 0, 0] => 0,
                [0, 1, 0, 0] => 1,
                [0, 0, 1, 0] => 2,
                [0, 0, 0, 1] => 3,
                other => {
                    return Err(TrackError::Saturation {
                        path: self.path.clone(),
                        problem: format!("base {base} of row {} is {other:?}", row.row),
                    });
                }
            });
        }
        Ok(Some(row))
    }
}

/// An array of the archive, its file at the first value.
struct Array {
    file: BufReader<File>,
    shape: Vec<usize>,
    /// Bytes of a value.
    width: usize,
}

impl Array {
    /// All of it; for small ones.
    fn bytes(mut self, path: &Path) -> Result<Vec<u8>, InputError> {
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * self.width];
        self.file
            .read_exact(&mut bytes)
            .map_err(|e| InputError::Read(e, path.into()))?;
        Ok(bytes)
    }
}

/// The rows of the table beside the archive.
fn places(folder: &Path, lengths: &[u32]) -> Result<Vec<RowPlace>, TrackError> {
    let regions = folder.join("regions.tsv");
    let predictions = folder.join("predictions.tsv");
    let alone = !regions.exists() && predictions.exists();
    let path = if alone { predictions } else { regions };
    let sheet = match lengths.is_empty() {
        // A table without rows is no sheet.
        true => return Ok(Vec::new()),
        false => Sheet::read(Input::open(&path)?, &path)?,
    };
    let wrong = |row: usize, problem: String| InputError::Line {
        path: path.clone(),
        line: sheet.lines.get(row).copied().unwrap_or(1),
        problem,
        expected: format!("the {} rows of {NAME}", lengths.len()),
    };
    if sheet.rows() != lengths.len() {
        return Err(wrong(0, format!("{} rows", sheet.rows())).into());
    }
    let name = sheet.column("name", "name")?;
    let columns = match alone {
        true => None,
        false => Some((
            sheet.column("contig", "contig")?,
            sheet.column("start", "start")?,
            sheet.column("end", "end")?,
        )),
    };
    (lengths.iter().enumerate())
        .map(|(row, &length)| {
            let text = |column| sheet.cell(row, column).to_owned();
            let Some((contig, start, end)) = columns else {
                return Ok(RowPlace {
                    contig: text(name),
                    start: 0,
                    name: text(name),
                });
            };
            let number = |column| sheet.cell(row, column).parse::<u32>().ok();
            // Rows that were not scored may have no place.
            let place = number(start).zip(number(end));
            let fits = place.is_some_and(|(start, end)| end.checked_sub(start) == Some(length));
            if length > 0 && !fits {
                let problem = format!("{}-{}, but {length} bases", text(start), text(end));
                return Err(wrong(row, problem).into());
            }
            Ok(RowPlace {
                contig: text(contig),
                start: place.map_or(0, |p| p.0),
                name: text(name),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
