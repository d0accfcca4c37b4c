//! The ranked table. Its rows wait in a temporary file, so that memory holds 40 bytes for each.
//!
//! An allele that is listed more than once (same contig, position, REF and ALT) is ranked once, where it came
//! first, and counts once in q-values.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ndarray::ArrayView1;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::VariantError;
use super::clump::{Clump, Genotypes, Spot, clump as clumps};
use super::combine::{Combine, most};
use crate::genome::{Aliases, Contigs};
use crate::job::{Cancel, JobError};
use crate::output::{WholeFile, cell};
use crate::stats;

/// Values of a row for each task, and their bytes.
const VALUES: usize = 5;
const BYTES: usize = 4 * VALUES;

/// Rows formatted at a time, and by one thread.
const BATCH: usize = 1 << 15;
const PART: usize = 1 << 9;

/// What the table is ranked by, largest or least likely first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RankBy {
    /// |effect| in the task where it is largest.
    Largest,
    /// The p-value of all tasks together.
    P,
    /// |effect| in this task, by name.
    Task(String),
}

/// Rows of one piece.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RowParts {
    /// Each row: lengths of two texts, the texts, then the values.
    bytes: Vec<u8>,
    keys: Vec<Key>,
    /// Which task ranks, if not the largest effect.
    by: Option<usize>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Key {
    effect: f32,
    p: f64,
    /// Where the row begins.
    at: u64,
    variant: Variant,
}

/// Which allele a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Variant {
    /// `u32::MAX` for contigs that the FASTA lacks.
    pub contig: u32,
    /// POS.
    pub start: u32,
    /// Of the contig's name and the alleles.
    hash: u64,
}

impl Variant {
    /// Of a record's contig, its name, POS, REF and ALT (of either case).
    pub fn new(contig: Option<u32>, name: &[u8], start: u32, reference: &[u8], alt: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        let name = if contig.is_some() { b"" } else { name };
        (
            name,
            reference.to_ascii_uppercase(),
            alt.to_ascii_uppercase(),
        )
            .hash(&mut hasher);
        Self {
            contig: contig.unwrap_or(u32::MAX),
            start,
            hash: hasher.finish(),
        }
    }
}

impl RowParts {
    /// For ranking by a task.
    pub fn by(task: Option<usize>) -> Self {
        Self {
            by: task,
            ..Self::default()
        }
    }

    /// Appends a row: which allele it is of, its effects, its p-value, `contig ... status`, its annotations, and for each
    /// task the reference's activity, effect, its spread, importance and (as bits) number of the
    /// p-value's level. `None` when a text is longer than 2^32 bytes.
    pub fn push(
        &mut self,
        variant: Variant,
        (effects, p): (ArrayView1<'_, f32>, f64),
        head: &[u8],
        annotations: &[u8],
        values: impl Iterator<Item = f32>,
    ) -> Option<()> {
        let effect = match self.by {
            Some(task) => effects[task].abs(),
            None => most(effects).1.abs(),
        };
        self.keys.push(Key {
            effect,
            p,
            at: self.bytes.len() as u64,
            variant,
        });
        for text in [head, annotations] {
            let length = u32::try_from(text.len()).ok()?;
            self.bytes.extend(length.to_le_bytes());
        }
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(annotations);
        self.bytes.extend(values.flat_map(f32::to_le_bytes));
        Some(())
    }
}

/// A row read back.
struct Row {
    head: String,
    annotations: String,
    values: Vec<f32>,
}

/// What the ranking needs to know of a job.
pub(super) struct Columns<'a> {
    pub tasks: &'a [String],
    /// Whether effects have a spread.
    pub ensemble: bool,
    pub by: &'a RankBy,
    pub combine: Combine,
    /// p-values of the levels; empty without a background.
    pub levels: Vec<f64>,
    /// For reading and formatting rows.
    pub threads: NonZeroUsize,
    /// What is one signal, where that is asked.
    pub clump: Option<&'a Clump>,
}

/// What a ranking gives beside its table.
#[derive(Default)]
pub(super) struct Ranked {
    /// The first rows that have values; of each signal its best alone.
    pub top: Vec<Top>,
    /// Rows of alleles that were listed before.
    pub repeated: u64,
}

/// A row among the first.
#[derive(Clone, Debug)]
pub(super) struct Top {
    pub rank: u64,
    /// contig, POS, ID, REF, ALT
    pub contig: String,
    pub start: u32,
    pub id: String,
    pub reference: String,
    pub alt: String,
    /// The task that shows: the one ranked by, or the one with the largest effect.
    pub task: usize,
    pub effects: Vec<f32>,
    pub p: f64,
}

/// All rows of a job.
pub(super) struct Ranking {
    spool: BufWriter<File>,
    path: std::path::PathBuf,
    length: u64,
    keys: Vec<Key>,
    /// How many alleles have each level, by task.
    counts: Vec<Vec<u64>>,
    tasks: usize,
}

impl Ranking {
    /// Opens the temporary file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &Path, tasks: usize, levels: usize) -> Result<Self, VariantError> {
        let file =
            tempfile::tempfile_in(folder).map_err(|e| VariantError::Write(e, folder.into()))?;
        Ok(Self {
            spool: BufWriter::with_capacity(1 << 18, file),
            path: folder.into(),
            length: 0,
            keys: Vec::new(),
            counts: vec![vec![0; levels]; tasks],
            tasks,
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn append(&mut self, rows: &RowParts) -> Result<(), VariantError> {
        self.spool
            .write_all(&rows.bytes)
            .map_err(|e| VariantError::Write(e, self.path.clone()))?;
        for (i, key) in rows.keys.iter().enumerate() {
            let end = rows
                .keys
                .get(i + 1)
                .map_or(rows.bytes.len(), |k| k.at as usize);
            let values = &rows.bytes[end - self.tasks * BYTES..end];
            for (counts, value) in self.counts.iter_mut().zip(values.as_chunks::<BYTES>().0) {
                let [.., a, b, c, d] = *value;
                let level = u32::from_le_bytes([a, b, c, d]);
                if let Some(count) = counts.get_mut(level as usize) {
                    *count += 1;
                }
            }
            self.keys.push(Key {
                at: self.length + key.at,
                ..*key
            });
        }
        self.length += rows.bytes.len() as u64;
        Ok(())
    }

    /// Ranks, writes the table if there is to be one, and returns the first rows that have values.
    /// When the job is asked to stop, the table is cut off. `genome`: for the genotypes of `columns.clump`.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn finish(
        mut self,
        columns: &Columns<'_>,
        table: Option<&WholeFile>,
        (top, genome): (usize, (&Contigs, &Aliases)),
        cancel: &Cancel,
    ) -> Result<Ranked, VariantError> {
        let file = (self.spool.into_inner())
            .map_err(|e| VariantError::Write(e.into_error(), self.path.clone()))?;
        // Sorted by place, `q` and `keys` belong together; then each key takes its q along.
        let repeated = repeated(&self.keys);
        let mut p: Vec<f64> = self.keys.iter().map(|k| k.p).collect();
        for &row in &repeated {
            p[row as usize] = f64::NAN;
        }
        let q = stats::q_values(&p);
        drop(p);
        let mut rows = Rows {
            order: order(&self.keys, &repeated, *columns.by == RankBy::P),
            leads: Vec::new(),
            keys: self.keys,
            length: self.length,
            tasks: self.tasks,
            file,
            path: self.path,
        };
        for &row in &repeated {
            let row = rows.row(row);
            let row = row.map_err(|e| VariantError::Write(e, rows.path.clone()))?;
            for (counts, level) in self.counts.iter_mut().zip(row.levels()) {
                if let Some(count) = counts.get_mut(level) {
                    *count -= 1;
                }
            }
        }
        let task_q = level_q(&columns.levels, &self.counts);
        if let Some(clump) = columns.clump {
            rows.leads = rows.clumped(clump, genome)?;
        }
        let first = rows.first(columns, top)?;
        if let Some(whole) = table {
            rows.write(columns, (&q, &task_q), whole, cancel)?;
        }
        Ok(Ranked {
            top: first,
            repeated: repeated.len() as u64,
        })
    }
}

/// Rows of alleles that another row has before, ascending.
fn repeated(keys: &[Key]) -> Vec<u32> {
    let of = |i: u32| keys[i as usize].variant;
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_unstable_by_key(|&i| (of(i), i));
    let pairs = order.windows(2).filter(|pair| of(pair[0]) == of(pair[1]));
    let mut repeated: Vec<u32> = pairs.map(|pair| pair[1]).collect();
    repeated.sort_unstable();
    repeated
}

/// Indices of rows, the first to be shown first, but for those that are there already.
fn order(keys: &[Key], repeated: &[u32], by_p: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys.len() as u32)
        .filter(|i| repeated.binary_search(i).is_err())
        .collect();
    // NaN last; equal ones in the order of the input.
    let down = |a: f32, b: f32| a.is_nan().cmp(&b.is_nan()).then_with(|| b.total_cmp(&a));
    order.sort_unstable_by(|&a, &b| {
        let (x, y) = (&keys[a as usize], &keys[b as usize]);
        let p = match by_p {
            true => x.p.is_nan().cmp(&y.p.is_nan()).then(x.p.total_cmp(&y.p)),
            false => std::cmp::Ordering::Equal,
        };
        p.then_with(|| down(x.effect, y.effect))
            .then_with(|| a.cmp(&b))
    });
    order
}

/// All rows, ranked.
struct Rows {
    /// In the order of the input.
    keys: Vec<Key>,
    /// By rank.
    order: Vec<u32>,
    /// The rank, from 0, of the row whose signal a row is of, by rank; empty where that is not asked.
    leads: Vec<Option<u32>>,
    file: File,
    path: std::path::PathBuf,
    length: u64,
    tasks: usize,
}

impl Rows {
    /// Reads a row.
    fn row(&self, index: u32) -> io::Result<Row> {
        let at = self.keys[index as usize].at;
        let end = (self.keys.get(index as usize + 1)).map_or(self.length, |next| next.at);
        let mut bytes = vec![0; (end - at) as usize];
        self.file.read_exact_at(&mut bytes, at)?;
        Row::read(&bytes, self.tasks)
    }

    /// For each row, by rank, the one whose signal it is of.
    fn clumped(
        &self,
        clump: &Clump,
        genome: (&Contigs, &Aliases),
    ) -> Result<Vec<Option<u32>>, VariantError> {
        let keys = || self.order.iter().map(|&i| &self.keys[i as usize]);
        let at = |key: &Key| (key.variant.contig, key.variant.start.saturating_sub(1));
        let spots: Vec<Spot> = keys()
            .map(|key| Spot {
                set: (key.variant.contig, 0),
                position: at(key).1,
            })
            .collect();
        let genotypes = match &clump.genotypes {
            None => None,
            Some(prefix) => {
                let places: HashSet<(u32, u32)> = keys().map(at).collect();
                let wanted = |contig, position| places.contains(&(contig, position));
                Some(Genotypes::read(prefix, genome, wanted)?)
            }
        };
        let key = |rank: usize| &self.keys[self.order[rank] as usize];
        let r2 = |a: usize, b: usize| {
            let all = genotypes.as_ref()?;
            let row = |rank: usize| {
                let (contig, position) = at(key(rank));
                all.at(contig, position)
            };
            all.r2(row(a)?, row(b)?)
        };
        let least = genotypes.as_ref().map(|_| clump.r2);
        let leads =
            |rank: usize| !key(rank).effect.is_nan() && key(rank).variant.contig != u32::MAX;
        Ok(clumps(&spots, clump.distance, least, r2, leads))
    }

    /// The first rows that have values.
    fn first(&self, columns: &Columns<'_>, top: usize) -> Result<Vec<Top>, VariantError> {
        let shown = match columns.by {
            RankBy::Task(name) => columns.tasks.iter().position(|t| t == name),
            _ => None,
        };
        let mut first = Vec::new();
        for (rank, &index) in (1..).zip(&self.order) {
            let key = &self.keys[index as usize];
            // Those without values come last, by whatever is ranked.
            if first.len() == top || key.effect.is_nan() {
                break;
            }
            let lead = self.leads.get(rank as usize - 1);
            if lead.is_some_and(|lead| *lead != Some(rank as u32 - 1)) {
                continue;
            }
            let row = (self.row(index)).map_err(|e| VariantError::Write(e, self.path.clone()))?;
            first.extend(row.top(rank, key.p, shown));
        }
        Ok(first)
    }

    /// Writes the table, with the q-values of the rows and of each task's levels. Rows lie all over
    /// the temporary file: threads read and format them, a batch at a time.
    fn write(
        &self,
        columns: &Columns<'_>,
        (q, task_q): (&[f64], &[Vec<f64>]),
        whole: &WholeFile,
        cancel: &Cancel,
    ) -> Result<(), VariantError> {
        let write_error = |e| VariantError::Write(e, whole.path().into());
        let mut out = BufWriter::with_capacity(1 << 18, whole.file()?);
        out.write_all(columns.header().as_bytes())
            .map_err(write_error)?;
        let threads = columns.threads.get();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| JobError::Threads(threads, e))?;
        for (batch, ranked) in self.order.chunks(BATCH).enumerate() {
            if cancel.is_requested() {
                break;
            }
            let lines = |(part, indices): (usize, &[u32])| -> io::Result<String> {
                let mut text = String::new();
                for (i, &index) in indices.iter().enumerate() {
                    let rank = (batch * BATCH + part * PART + i) as u64 + 1;
                    let (p, q) = (self.keys[index as usize].p, q[index as usize]);
                    let lead = self.leads.get(rank as usize - 1).copied();
                    self.row(index)?
                        .line((rank, lead), (p, q), columns, task_q, &mut text);
                }
                Ok(text)
            };
            let texts: Vec<String> = pool
                .install(|| {
                    ranked
                        .par_chunks(PART)
                        .enumerate()
                        .map(lines)
                        .collect::<io::Result<_>>()
                })
                .map_err(|e| VariantError::Write(e, self.path.clone()))?;
            for text in texts {
                out.write_all(text.as_bytes()).map_err(write_error)?;
            }
        }
        out.flush().map_err(write_error)
    }
}

/// The q-value of each level of each task.
fn level_q(levels: &[f64], counts: &[Vec<u64>]) -> Vec<Vec<f64>> {
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by(|&a, &b| levels[a].total_cmp(&levels[b]));
    counts
        .iter()
        .map(|counts| {
            let sorted: Vec<u64> = order.iter().map(|&l| counts[l]).collect();
            let q = stats::q_values_of_levels(&sorted, |i| levels[order[i]]);
            let mut by_level = vec![f64::NAN; levels.len()];
            for (&level, q) in order.iter().zip(q) {
                by_level[level] = q;
            }
            by_level
        })
        .collect()
}

impl Columns<'_> {
    fn header(&self) -> String {
        let combined = self.combine.as_str();
        let lead = if self.clump.is_some() { "\tlead" } else { "" };
        let mut text = format!(
            "rank{lead}\tcontig\tpos\tid\tref\talt\tstatus\tmax_effect\tmax_task\t{combined}_p\t{combined}_q"
        );
        for task in self.tasks {
            let all = ["reference", "effect", "spread", "p", "q", "importance"];
            let given = |column: &&str| self.ensemble || *column != "spread";
            for column in all.into_iter().filter(given) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\t{task}.{column}");
            }
        }
        text + "\tannotations\n"
    }
}

impl Row {
    fn read(bytes: &[u8], tasks: usize) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a damaged temporary file");
        let length = |at: usize| -> Option<usize> {
            let word = bytes.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*word) as usize)
        };
        let (head, annotations) = length(0).zip(length(4)).ok_or_else(damaged)?;
        let values = 8 + head + annotations;
        let text = |from: usize, to: usize| -> io::Result<String> {
            let bytes = bytes.get(from..to).ok_or_else(damaged)?;
            Ok(String::from_utf8_lossy(bytes).into_owned())
        };
        let floats = bytes.get(values..).ok_or_else(damaged)?;
        let floats: Vec<f32> = (floats.as_chunks::<4>().0.iter())
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        match floats.len() == tasks * VALUES {
            true => Ok(Self {
                head: text(8, 8 + head)?,
                annotations: text(8 + head, values)?,
                values: floats,
            }),
            false => Err(damaged()),
        }
    }

    /// The number of each task's level.
    fn levels(&self) -> impl Iterator<Item = usize> {
        self.values
            .chunks_exact(VALUES)
            .map(|v| v[4].to_bits() as usize)
    }

    fn effects(&self) -> Vec<f32> {
        self.values.chunks_exact(VALUES).map(|v| v[1]).collect()
    }

    fn top(&self, rank: u64, p: f64, shown: Option<usize>) -> Option<Top> {
        let fields: Vec<&str> = self.head.split('\t').collect();
        let [contig, start, id, reference, alt, _] = fields[..] else {
            return None;
        };
        let effects = self.effects();
        Some(Top {
            rank,
            contig: contig.into(),
            start: start.parse().ok()?,
            id: id.into(),
            reference: reference.into(),
            alt: alt.into(),
            task: shown.unwrap_or_else(|| most(&effects).0),
            effects,
            p,
        })
    }

    fn line(
        &self,
        (rank, lead): (u64, Option<Option<u32>>),
        (p, q): (f64, f64),
        columns: &Columns<'_>,
        task_q: &[Vec<f64>],
        line: &mut String,
    ) {
        let mut buffer = zmij::Buffer::new();
        let mut put = |line: &mut String, value: Option<f64>, narrow: bool| {
            line.push('\t');
            let Some(value) =
                value.filter(|v| v.is_finite() && !(narrow && (*v as f32).is_infinite()))
            else {
                line.push_str("NA");
                return;
            };
            let text = match narrow {
                true => buffer.format(value as f32 + 0.0),
                false => buffer.format(value + 0.0),
            };
            line.push_str(text.strip_suffix(".0").unwrap_or(text));
        };
        // Writing to a string cannot fail.
        let _ = match lead {
            None => write!(line, "{rank}"),
            Some(None) => write!(line, "{rank}\tNA"),
            Some(Some(lead)) => write!(line, "{rank}\t{}", lead + 1),
        };
        for text in self.head.split('\t') {
            line.push('\t');
            line.push_str(&cell(text));
        }
        let effects = self.effects();
        let (task, effect) = most(&effects);
        put(line, Some(f64::from(effect)), true);
        line.push('\t');
        line.push_str(match effect.is_nan() {
            true => "NA",
            false => &columns.tasks[task],
        });
        put(line, Some(p), true);
        put(line, Some(q), true);
        for (values, q) in self.values.chunks_exact(VALUES).zip(task_q) {
            let level = values[4].to_bits() as usize;
            put(line, Some(f64::from(values[0])), true);
            put(line, Some(f64::from(values[1])), true);
            if columns.ensemble {
                put(line, Some(f64::from(values[2])), true);
            }
            put(line, columns.levels.get(level).copied(), true);
            put(line, q.get(level).copied(), true);
            put(line, Some(f64::from(values[3])), true);
        }
        line.push('\t');
        line.push_str(&self.annotations);
        line.push('\n');
    }
}
