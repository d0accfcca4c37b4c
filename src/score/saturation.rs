//! `saturation.npz`: the effects of every change in every region, as numpy reads it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::encode::UNKNOWN;
use crate::genome::{RegionStatus, Regions};
use crate::output::{AppendFile, NpzWriter, OutputDir, OutputError};

/// Appends the part of regions (of the same bases, in these rows) that begins `position` bases into
/// them: its place, then of its bases the codes, the effects, `[4, tasks]` each, and the importances, `[tasks]` each.
pub(super) fn put_part(
    rows: &[u32],
    position: u32,
    codes: &[u8],
    effects: impl Iterator<Item = f32>,
    importance: impl Iterator<Item = f32>,
    out: &mut Vec<u8>,
) {
    for word in [rows.len() as u32, position, codes.len() as u32] {
        out.extend(word.to_le_bytes());
    }
    out.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
    out.extend_from_slice(codes);
    out.extend(effects.chain(importance).flat_map(f32::to_le_bytes));
}

/// Writes the archive from the parts of all regions (of `lengths` bases, by row; the longest is the arrays'):
/// `array`, which is `effects` or `contributions` (float32, `[rows, longest, 4, tasks]`, NaN behind a region's end and in rows that were not scored), `importance` (`[rows, longest, tasks]`, likewise), `one_hot`
/// (uint8, `[rows, longest, 4]`, zero there), `lengths` (uint32, `[rows]`) and `tasks` (names).
pub(super) fn write_npz(
    parts: AppendFile,
    array: &str,
    (lengths, status): (&[u32], &[RegionStatus]),
    tasks: &[String],
    path: &Path,
) -> Result<(), OutputError> {
    let folder = parts
        .path()
        .parent()
        .unwrap_or(Path::new("."))
        .to_path_buf();
    let size = parts.length();
    let scored = status.iter().zip(lengths).filter(|(s, _)| is_scored(**s));
    let longest = scored.map(|(_, length)| *length).max().unwrap_or(0);
    let parts = parts.into_file()?;
    let write = || -> io::Result<()> {
        let table = Table {
            effects: tempfile::tempfile_in(&folder)?,
            importance: tempfile::tempfile_in(&folder)?,
            one_hot: tempfile::tempfile_in(&folder)?,
            length: longest as usize,
            tasks: tasks.len(),
        };
        table.fill(parts, size)?;
        table.archive(array, (lengths, status), tasks, path)
    };
    write().map_err(|e| OutputError::Write(e, path.into()))
}

/// Writes what `modisco motifs -s ONE_HOT -a TASK` takes, of the regions that were scored, all of one width: `modisco.one_hot.npz`
/// and for each task `modisco.TASK.npz`, each with one array `[region, 4, position]`, float32, and `modisco.regions.bed`, the
/// regions in their order. Effects become hypothetical contributions by taking away the mean over the four bases of a
/// position; contributions are hypothetical ones already. Bases without a value have 0.
pub(super) fn write_modisco(
    parts: AppendFile,
    (lengths, regions): (&[u32], &Regions),
    tasks: &[String],
    centre: bool,
    out: &mut OutputDir,
) -> Result<(), OutputError> {
    let folder = out.partial().to_path_buf();
    let size = parts.length();
    let ok = |status: &RegionStatus| *status == RegionStatus::Ok;
    let kept = regions.status.iter().filter(|s| ok(s)).count();
    let width = (regions.status.iter().zip(lengths))
        .filter(|(status, _)| is_scored(**status))
        .map(|(_, length)| *length as usize)
        .max()
        .unwrap_or(0);
    let parts = parts.into_file()?;
    let names = std::iter::once("one_hot").chain(tasks.iter().map(String::as_str));
    let paths: Vec<PathBuf> = names
        .map(|name| out.file(&format!("modisco.{name}.npz")))
        .collect();
    let bed = out.file("modisco.regions.bed");
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |e| OutputError::Write(e, path)
    };
    let table = || -> io::Result<Table> {
        let table = Table {
            effects: tempfile::tempfile_in(&folder)?,
            importance: tempfile::tempfile_in(&folder)?,
            one_hot: tempfile::tempfile_in(&folder)?,
            length: width,
            tasks: tasks.len(),
        };
        table.fill(parts, size)?;
        Ok(table)
    };
    let table = table().map_err(failed(&folder))?;
    let shape = [kept, 4, width];
    let mut archives = paths
        .iter()
        .map(|path| One::create(path, &shape).map_err(failed(path)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut lines = BufWriter::new(File::create(&bed).map_err(failed(&bed))?);
    let mut each = || -> io::Result<()> {
        let mut effects = vec![0; width * table.row_of_effects()];
        let mut one_hot = vec![0; width * 4];
        let base_bytes = (effects.len() as u64, one_hot.len() as u64);
        let labels = regions.labels().map_err(io::Error::other)?;
        for (row, (label, status)) in labels.zip(&regions.status).enumerate() {
            let label = label?;
            if !ok(status) {
                continue;
            }
            let at = row as u64;
            (table.effects).read_exact_at(&mut effects, at * base_bytes.0)?;
            (table.one_hot).read_exact_at(&mut one_hot, at * base_bytes.1)?;
            archives[0].row(width, |letter, base| f32::from(one_hot[base * 4 + letter]))?;
            let value = |base: usize, letter: usize, task: usize| {
                let at = 4 * ((base * 4 + letter) * tasks.len() + task);
                let mut bytes = [0; 4];
                bytes.copy_from_slice(&effects[at..at + 4]);
                let value = f32::from_le_bytes(bytes);
                if value.is_nan() { 0.0 } else { value }
            };
            for (task, archive) in archives[1..].iter_mut().enumerate() {
                archive.row(width, |letter, base| {
                    let four: f32 = (0..4).map(|l| value(base, l, task)).sum();
                    let mean = if centre { 0.25 * four } else { 0.0 };
                    value(base, letter, task) - mean
                })?;
            }
            let cells: Vec<&str> = label.split('\t').collect();
            if let [contig, start, end, name, strand, ..] = cells[..] {
                writeln!(lines, "{contig}\t{start}\t{end}\t{name}\t0\t{strand}")?;
            }
        }
        lines.flush()
    };
    each().map_err(failed(&folder))?;
    for (archive, path) in archives.into_iter().zip(&paths) {
        archive.finish().map_err(failed(path))?;
    }
    Ok(())
}

/// An archive of one array, `arr_0`, written row by row.
struct One(NpzWriter, Vec<u8>);

impl One {
    fn create(path: &Path, shape: &[usize]) -> io::Result<Self> {
        let mut file = NpzWriter::create(path)?;
        file.begin("arr_0", "<f4", shape)?;
        Ok(Self(file, Vec::new()))
    }

    fn row(&mut self, width: usize, value: impl Fn(usize, usize) -> f32) -> io::Result<()> {
        self.1.clear();
        for letter in 0..4 {
            for base in 0..width {
                self.1.extend(value(letter, base).to_le_bytes());
            }
        }
        self.0.write_all(&self.1)
    }

    fn finish(self) -> io::Result<()> {
        self.0.finish()
    }
}

/// Both arrays in temporary files, each region at the place of its row.
struct Table {
    effects: File,
    importance: File,
    one_hot: File,
    length: usize,
    tasks: usize,
}

impl Table {
    fn fill(&self, parts: File, size: u64) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 18, parts);
        let mut read = 0;
        let (mut head, mut rows, mut codes) = ([0; 12], Vec::new(), Vec::new());
        let (mut effects, mut importance, mut one_hot) = (Vec::new(), Vec::new(), Vec::new());
        while read < size {
            reader.read_exact(&mut head)?;
            let word = |at: usize| {
                let mut word = [0; 4];
                word.copy_from_slice(&head[at..at + 4]);
                u32::from_le_bytes(word) as usize
            };
            let bases = word(8);
            rows.resize(4 * word(0), 0);
            reader.read_exact(&mut rows)?;
            codes.resize(bases, 0);
            effects.resize(bases * self.row_of_effects(), 0);
            reader.read_exact(&mut codes)?;
            importance.resize(bases * self.row_of_importance(), 0);
            reader.read_exact(&mut effects)?;
            reader.read_exact(&mut importance)?;
            let floats = effects.len() + importance.len();
            read += (head.len() + rows.len() + codes.len() + floats) as u64;
            one_hot.clear();
            for &code in &codes {
                one_hot.extend((0..4).map(|b| u8::from(code == b && code < UNKNOWN)));
            }
            for row in rows.as_chunks::<4>().0 {
                let row = u32::from_le_bytes(*row) as usize;
                let at = (row * self.length + word(4)) as u64;
                self.effects
                    .write_all_at(&effects, at * self.row_of_effects() as u64)?;
                self.importance
                    .write_all_at(&importance, at * self.row_of_importance() as u64)?;
                self.one_hot.write_all_at(&one_hot, at * 4)?;
            }
        }
        Ok(())
    }

    /// Bytes of a base's effects.
    fn row_of_effects(&self) -> usize {
        4 * self.tasks * size_of::<f32>()
    }

    /// Bytes of a base's importances.
    fn row_of_importance(&self) -> usize {
        self.tasks * size_of::<f32>()
    }

    fn archive(
        self,
        array: &str,
        (lengths, status): (&[u32], &[RegionStatus]),
        tasks: &[String],
        path: &Path,
    ) -> io::Result<()> {
        let rows = status.len();
        let mut file = NpzWriter::create(path)?;
        file.begin(array, "<f4", &[rows, self.length, 4, self.tasks])?;
        let rows_of = || status.iter().copied().zip(lengths.iter().copied());
        let (base, nan) = (self.row_of_effects(), f32::NAN.to_le_bytes());
        let of_importance = self.row_of_importance();
        copy_rows(
            self.effects,
            (self.length, base),
            rows_of(),
            &nan,
            &mut file,
        )?;

        file.begin("importance", "<f4", &[rows, self.length, self.tasks])?;
        let base = of_importance;
        copy_rows(
            self.importance,
            (self.length, base),
            rows_of(),
            &nan,
            &mut file,
        )?;

        file.begin("one_hot", "|u1", &[rows, self.length, 4])?;
        copy_rows(self.one_hot, (self.length, 4), rows_of(), &[0], &mut file)?;

        file.begin("lengths", "<u4", &[rows])?;
        for (status, length) in rows_of() {
            let length = if is_scored(status) { length } else { 0 };
            file.write_all(&length.to_le_bytes())?;
        }

        file.names("tasks", tasks)?;
        file.finish()
    }
}

/// Whether there are values of a row.
fn is_scored(status: RegionStatus) -> bool {
    matches!(status, RegionStatus::Ok | RegionStatus::NoScoredWindow)
}

/// Copies rows of so many bases, each of so many bytes; `missing` stands where there is none.
fn copy_rows(
    mut file: File,
    (bases, base): (usize, usize),
    rows: impl ExactSizeIterator<Item = (RegionStatus, u32)>,
    missing: &[u8],
    out: &mut impl Write,
) -> io::Result<()> {
    let row_size = bases * base;
    file.set_len(row_size as u64 * rows.len() as u64)?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut row = vec![0; row_size];
    for (status, length) in rows {
        reader.read_exact(&mut row)?;
        // What was not scored was not written either: the file has a hole there.
        let known = if is_scored(status) {
            length as usize
        } else {
            0
        };
        for bytes in row[known.min(bases) * base..].chunks_exact_mut(missing.len()) {
            bytes.copy_from_slice(missing);
        }
        out.write_all(&row)?;
    }
    Ok(())
}
