//! `regions.tsv`: what each input row's bases came to, in input order, whatever happened to it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::genome::{RegionStatus, Regions};
use crate::model::Quantiles;
use crate::output::{AppendFile, OutputError, Seal};
use crate::tracks::format_value;

/// A region's share in one unit. Shares of one region are added up in the order of the units.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partial {
    /// Whether the region ends in this unit.
    last: bool,
    /// Windows scored.
    pub windows: u32,
    /// Of these, windows with unknown bases.
    pub with_unknown: u32,
    /// Bases with a value.
    pub bases: u32,
    drawn: u32,
    tasks: Vec<TaskPartial>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct TaskPartial {
    activity_sum: f64,
    activity_max: f32,
    importance_sum: f64,
    absolute_sum: f64,
    absolute_max: f32,
    absolute_at: u32,
}

const HEAD: usize = 4 * 6;
const TASK: usize = 8 * 3 + 4 * 3;

impl Partial {
    pub fn new(last: bool, tasks: usize) -> Self {
        let task = TaskPartial {
            activity_sum: 0.0,
            activity_max: f32::NEG_INFINITY,
            importance_sum: 0.0,
            absolute_sum: 0.0,
            absolute_max: -1.0,
            absolute_at: 0,
        };
        Self {
            last,
            windows: 0,
            with_unknown: 0,
            bases: 0,
            drawn: 0,
            tasks: vec![task; tasks],
        }
    }

    /// Adds the activities of a window whose central bases lie in the region.
    pub fn add_window(&mut self, activities: impl Iterator<Item = f32>) {
        self.drawn += 1;
        for (task, activity) in self.tasks.iter_mut().zip(activities) {
            task.activity_sum += f64::from(activity);
            task.activity_max = task.activity_max.max(activity);
        }
    }

    /// Adds the importances of a base.
    pub fn add_base(&mut self, base: u32, importances: impl Iterator<Item = f32>) {
        self.bases += 1;
        for (task, importance) in self.tasks.iter_mut().zip(importances) {
            task.importance_sum += f64::from(importance);
            task.absolute_sum += f64::from(importance.abs());
            // The first of equals.
            if importance.abs() > task.absolute_max {
                task.absolute_max = importance.abs();
                task.absolute_at = base;
            }
        }
    }

    fn merge(&mut self, next: &Self) {
        self.last = next.last;
        self.windows += next.windows;
        self.with_unknown += next.with_unknown;
        self.bases += next.bases;
        self.drawn += next.drawn;
        for (task, other) in self.tasks.iter_mut().zip(&next.tasks) {
            task.activity_sum += other.activity_sum;
            task.activity_max = task.activity_max.max(other.activity_max);
            task.importance_sum += other.importance_sum;
            task.absolute_sum += other.absolute_sum;
            if other.absolute_max > task.absolute_max {
                task.absolute_max = other.absolute_max;
                task.absolute_at = other.absolute_at;
            }
        }
    }

    fn put(&self, row: u32, out: &mut Vec<u8>) {
        let head = [
            row,
            u32::from(self.last),
            self.windows,
            self.bases,
            self.drawn,
            self.with_unknown,
        ];
        out.extend(head.iter().flat_map(|w| w.to_le_bytes()));
        for t in &self.tasks {
            for value in [t.activity_sum, t.importance_sum, t.absolute_sum] {
                out.extend(value.to_le_bytes());
            }
            out.extend(t.activity_max.to_le_bytes());
            out.extend(t.absolute_max.to_le_bytes());
            out.extend(t.absolute_at.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> (u32, Self) {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let double = |at: usize| {
            let mut long = [0; 8];
            long.copy_from_slice(&bytes[at..at + 8]);
            f64::from_le_bytes(long)
        };
        let partial = Self {
            last: word(4) == 1,
            windows: word(8),
            bases: word(12),
            drawn: word(16),
            with_unknown: word(20),
            tasks: (0..(bytes.len() - HEAD) / TASK)
                .map(|i| HEAD + i * TASK)
                .map(|at| TaskPartial {
                    activity_sum: double(at),
                    importance_sum: double(at + 8),
                    absolute_sum: double(at + 16),
                    activity_max: f32::from_bits(word(at + 24)),
                    absolute_max: f32::from_bits(word(at + 28)),
                    absolute_at: word(at + 32),
                })
                .collect(),
        };
        (word(0), partial)
    }
}

/// What the table has of each region.
pub(super) struct Columns<'a> {
    pub tasks: &'a [String],
    /// The word for what bases are given, if anything.
    pub importance: Option<&'static str>,
    /// All columns, not the short form.
    pub wide: bool,
    pub quantiles: &'a Quantiles,
}

/// The shares of all regions, in a file in the order of the units.
#[derive(Debug)]
pub(super) struct PartialSpool {
    file: AppendFile,
    tasks: usize,
    buffer: Vec<u8>,
}

impl PartialSpool {
    /// Opens the file as it was.
    pub fn open(path: &Path, held: &Seal, tasks: usize) -> Result<Self, OutputError> {
        Ok(Self {
            file: AppendFile::open(path, held)?,
            tasks,
            buffer: Vec::new(),
        })
    }

    /// The file beneath.
    pub fn file(&mut self) -> &mut AppendFile {
        &mut self.file
    }

    pub fn push(&mut self, row: u32, partial: &Partial) -> Result<(), OutputError> {
        self.buffer.clear();
        partial.put(row, &mut self.buffer);
        self.file.append(&self.buffer)
    }

    /// Adds the shares up and writes the table. Only the regions that are open at one point of the
    /// genome are in memory. Rows without a scored window get their status here.
    pub fn write_table(
        self,
        regions: &mut Regions,
        columns: &Columns<'_>,
        path: &Path,
    ) -> Result<(), OutputError> {
        let size = HEAD + TASK * self.tasks;
        let shares = self.file.length() / size as u64;
        let folder = self
            .file
            .path()
            .parent()
            .unwrap_or(Path::new("."))
            .to_path_buf();
        let file = self.file.into_file()?;
        let write = || -> io::Result<()> {
            let whole = add_up(file, shares, size, regions, &folder)?;
            print(whole, size, regions, columns, path)
        };
        write().map_err(|e| OutputError::Write(e, path.into()))
    }
}

/// Adds up the shares of each row, into a file with a record a row.
fn add_up(
    shares: File,
    count: u64,
    size: usize,
    regions: &mut Regions,
    folder: &Path,
) -> io::Result<File> {
    let mut reader = BufReader::with_capacity(1 << 16, shares);
    let whole = tempfile::tempfile_in(folder)?;
    whole.set_len(size as u64 * regions.rows() as u64)?;
    let mut open: HashMap<u32, Partial> = HashMap::new();
    let mut bytes = vec![0; size];
    let mut done = Vec::with_capacity(size);
    for _ in 0..count {
        reader.read_exact(&mut bytes)?;
        let (row, next) = Partial::get(&bytes);
        let partial = match open.remove(&row) {
            Some(mut partial) => {
                partial.merge(&next);
                partial
            }
            None => next,
        };
        if partial.last {
            done.clear();
            partial.put(row, &mut done);
            whole.write_all_at(&done, u64::from(row) * size as u64)?;
            if partial.windows == 0 {
                regions.status[row as usize] = RegionStatus::NoScoredWindow;
            }
        } else {
            open.insert(row, partial);
        }
    }
    Ok(whole)
}

fn print(
    whole: File,
    size: usize,
    regions: &Regions,
    columns: &Columns<'_>,
    path: &Path,
) -> io::Result<()> {
    let Columns {
        tasks,
        importance,
        wide,
        quantiles,
    } = *columns;
    let kind = importance.unwrap_or_default();
    let importance = importance.is_some() && wide;
    // By task, what its mean activity is looked up in.
    let distributions: Vec<_> = tasks.iter().map(|task| quantiles.of_task(task)).collect();
    let mut out = BufWriter::new(File::create(path)?);
    write!(
        out,
        "contig\tstart\tend\tname\tstrand\twindows\tunknown_windows\tbases\tstatus"
    )?;
    for (task, distributions) in tasks.iter().zip(&distributions) {
        write!(out, "\t{task}.mean_activity")?;
        if wide {
            write!(out, "\t{task}.max_activity")?;
        }
        for (set, _) in distributions {
            write!(out, "\t{task}.{set}_quantile")?;
        }
        if importance {
            write!(
                out,
                "\t{task}.mean_{kind}\t{task}.mean_abs_{kind}\t{task}.max_abs_{kind}\t{task}.max_abs_position"
            )?;
        }
    }
    // Behind the tasks stand the spreads of an ensemble.
    let spread = (size - HEAD) / TASK > tasks.len();
    for task in tasks.iter().filter(|_| spread) {
        write!(out, "\t{task}.mean_activity_spread")?;
        if importance {
            write!(out, "\t{task}.mean_{kind}_spread")?;
        }
    }
    writeln!(out)?;
    let mut whole = BufReader::with_capacity(1 << 16, whole);
    whole.seek(SeekFrom::Start(0))?;
    let mut bytes = vec![0; size];
    let labels = regions.labels().map_err(io::Error::other)?;
    for (label, status) in labels.zip(&regions.status) {
        whole.read_exact(&mut bytes)?;
        let (_, row) = Partial::get(&bytes);
        write!(
            out,
            "{}\t{}\t{}\t{}\t{}",
            label?,
            row.windows,
            row.with_unknown,
            row.bases,
            status.as_str()
        )?;
        let activity = row.drawn > 0;
        let (known, bases) = (row.bases > 0, f64::from(row.bases));
        let (means, spreads) = row.tasks.split_at(tasks.len());
        for (task, distributions) in means.iter().zip(&distributions) {
            let mean = task.activity_sum / f64::from(row.drawn);
            put(&mut out, activity, mean)?;
            if wide {
                put(&mut out, activity, f64::from(task.activity_max))?;
            }
            for (_, distribution) in distributions {
                let share = distribution.share_below(mean as f32);
                put(&mut out, activity, f64::from(share))?;
            }
            if importance {
                put(&mut out, known, task.importance_sum / bases)?;
                put(&mut out, known, task.absolute_sum / bases)?;
                put(&mut out, known, f64::from(task.absolute_max))?;
                if known {
                    write!(out, "\t{}", task.absolute_at)?;
                } else {
                    write!(out, "\tNA")?;
                }
            }
        }
        for task in spreads {
            put(&mut out, activity, task.activity_sum / f64::from(row.drawn))?;
            if importance {
                put(&mut out, known, task.importance_sum / bases)?;
            }
        }
        writeln!(out)?;
    }
    out.flush()
}

fn put(out: &mut impl Write, known: bool, value: f64) -> io::Result<()> {
    if known {
        write!(out, "\t{}", format_value(value as f32 + 0.0))
    } else {
        write!(out, "\tNA")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_survive_the_spool() {
        let mut partial = Partial::new(true, 2);
        partial.add_window([1.5, -2.0].into_iter());
        partial.add_base(40, [-3.0, 0.0].into_iter());
        partial.add_base(41, [3.0, 0.5].into_iter());
        partial.windows = 9;
        partial.with_unknown = 3;
        let mut bytes = Vec::new();
        partial.put(7, &mut bytes);
        assert_eq!(bytes.len(), HEAD + 2 * TASK);
        assert_eq!(Partial::get(&bytes), (7, partial.clone()));
        assert_eq!(partial.tasks[0].absolute_at, 40, "the first of equals");
        assert_eq!(partial.tasks[1].absolute_at, 41);
    }
}
