//! Flags that mean the same in several subcommands.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::attribution::{AttributionSettings, Method, References};
use crate::dataset::Shares;
use crate::genome::Aliases;
use crate::intervals::Named;
use crate::ism::{EngineChoice, EngineSettings, Strand};
use crate::job::Shard;
use crate::labelled::{Columns, Sides};
use crate::liftover::Tally;
use crate::model::onnx::Reduce;
use crate::model::{Frame, ModelOptions};
use anyhow::Result;
use clap::{Args, ValueEnum};

/// What the user says of a model.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelFlags {
    /// Order of the four input rows, for a model whose metadata do not say [default: ACGT]
    #[arg(long, value_name = "LETTERS")]
    pub alphabet: Option<String>,
    /// Names of the model's outputs, for a model whose metadata do not say [default: task_0,
    /// task_1, ...]
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub task_names: Option<Vec<String>>,
    /// Bases in a window, where the model's input is longer or its length is free: the window is
    /// set OFFSET columns into the input [default offset: centred]
    #[arg(long, value_name = "WINDOW[:OFFSET]", value_parser = frame)]
    pub frame: Option<Frame>,
    /// Which of several outputs gives the activities
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// What becomes of the positions of an output [batch, positions, tasks] or [batch, tasks,
    /// positions], the longer axis being the positions: their `sum`, `mean` or `max`, the sum of N in
    /// the middle (`centre:N`), or the mean weighted by their softmax (`softmax-weighted`)
    #[arg(long, value_name = "HOW")]
    pub reduce: Option<Reduce>,
    /// Score windows too of which up to this share is unknown (N, or past a contig's end): a model that has
    /// not learned gaps may take them for activity [default: 0, or what the model's metadata say]
    #[arg(long, value_name = "FRACTION", value_parser = super::values::share::<f64>)]
    pub max_unknown: Option<f64>,
    /// The ONNX Runtime library [default: $ORT_DYLIB_PATH, the program's folder, ../lib, the
    /// system]
    #[arg(long, value_name = "FILE")]
    pub ort_lib: Option<PathBuf>,
}

impl ModelFlags {
    /// The library's form of them.
    pub fn options(&self) -> ModelOptions {
        ModelOptions {
            alphabet: self.alphabet.clone(),
            task_names: self.task_names.clone(),
            frame: self.frame,
            output: self.output.clone(),
            reduce: self.reduce,
            max_unknown: self.max_unknown,
        }
    }
}

fn frame(text: &str) -> Result<Frame, String> {
    let number = |part: &str| {
        part.parse::<usize>().map_err(|_| {
            format!("{part:?} is not a whole number; expected WINDOW or WINDOW:OFFSET")
        })
    };
    let (window, offset) = match text.split_once(':') {
        Some((window, offset)) => (number(window)?, Some(number(offset)?)),
        None => (number(text)?, None),
    };
    Ok(Frame {
        window,
        offset,
        length: None,
    })
}

/// How bases are given values.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Method")]
pub struct AttributionFlags {
    /// In-silico mutagenesis (importance), or contributions of bases: by DeepLIFT's rescale rule, by integrated gradients,
    /// or by the gradient times the input
    #[arg(long, value_enum, default_value = "ism")]
    method: MethodFlag,
    /// What contributions are held against: columns of zeros; a quarter of each letter; the window's own share of G and C;
    /// or --shuffles of the window that keep its pairs of neighbours [default: shuffles for deeplift, uniform for
    /// integrated-gradients]
    #[arg(long, value_enum)]
    references: Option<ReferencesFlag>,
    /// Shuffles of a window
    #[arg(long, value_name = "N", default_value = "20")]
    shuffles: NonZeroUsize,
    /// Seed of the shuffles
    #[arg(long, value_name = "N", default_value_t = 1)]
    shuffle_seed: u64,
    /// Points between reference and window at which integrated gradients are taken (Gauss-Legendre)
    #[arg(long, value_name = "N", default_value = "50")]
    steps: NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum MethodFlag {
    Ism,
    #[value(name = "deeplift")]
    DeepLift,
    IntegratedGradients,
    GradientInput,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReferencesFlag {
    Zeros,
    Uniform,
    Gc,
    Shuffles,
}

impl AttributionFlags {
    /// The library's form of them; `None` of in-silico mutagenesis.
    pub fn settings(&self) -> Option<AttributionSettings> {
        let method = match self.method {
            MethodFlag::Ism => return None,
            MethodFlag::DeepLift => Method::DeepLift,
            MethodFlag::IntegratedGradients => Method::IntegratedGradients {
                steps: self.steps.get(),
            },
            MethodFlag::GradientInput => Method::GradientInput,
        };
        let usual = match method {
            Method::DeepLift => ReferencesFlag::Shuffles,
            Method::IntegratedGradients { .. } => ReferencesFlag::Uniform,
            Method::GradientInput => ReferencesFlag::Zeros,
        };
        Some(AttributionSettings {
            method,
            references: match self.references.unwrap_or(usual) {
                ReferencesFlag::Zeros => References::Zeros,
                ReferencesFlag::Uniform => References::Uniform,
                ReferencesFlag::Gc => References::Gc,
                ReferencesFlag::Shuffles => References::Shuffles {
                    count: self.shuffles.get(),
                    seed: self.shuffle_seed,
                },
            },
        })
    }
}

/// What a table of one's own needs beside its file.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "A table of your own")]
pub struct TableFlags {
    /// The column of sequences [default: sequence]
    #[arg(long, value_name = "NAME")]
    pub sequence_column: Option<String>,
    /// The column of what rows have in common that must stay on one side of the split [default: group or
    /// region, where there is one]
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
    /// Without a column `split`: share of the rows, or groups, that are the validation side
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = super::values::share::<f64>)]
    pub validation_share: f64,
    /// Likewise the test side; of a table with a column `chrom`, rows are put on sides by
    /// --validation-chroms and --test-chroms where it has any of these
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = super::values::share::<f64>)]
    pub test_share: f64,
}

impl TableFlags {
    /// How columns are called.
    pub fn columns(&self) -> Columns {
        Columns {
            sequence: self.sequence_column.clone(),
            group: self.group_column.clone(),
        }
    }

    /// How rows come on sides.
    pub fn sides(&self, validation: &[String], test: &[String], seed: u64) -> Sides {
        Sides {
            validation: validation.to_vec(),
            test: test.to_vec(),
            shares: Shares {
                validation: self.validation_share,
                test: self.test_share,
                seed,
            },
        }
    }
}

/// `--strand`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StrandFlag {
    Forward,
    Both,
}

impl From<StrandFlag> for Strand {
    fn from(flag: StrandFlag) -> Self {
        match flag {
            StrandFlag::Forward => Self::Forward,
            StrandFlag::Both => Self::Both,
        }
    }
}

/// `--engine`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineFlag {
    Auto,
    Fast,
    Full,
}

impl From<EngineFlag> for EngineChoice {
    fn from(flag: EngineFlag) -> Self {
        match flag {
            EngineFlag::Auto => Self::Auto,
            EngineFlag::Fast => Self::Fast,
            EngineFlag::Full => Self::Full,
        }
    }
}

/// How windows are computed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How to compute")]
pub struct ComputeFlags {
    /// How to compute: `fast` reads convolutional networks and computes only what a change alters,
    /// the same values to 1e-5; `full` runs every window and every mutant through ONNX Runtime;
    /// `auto` is fast where the model allows it, and says so where not
    #[arg(long, value_enum, default_value = "auto")]
    engine: EngineFlag,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Windows and mutants given to the model at a time by the full engine
    #[arg(long, value_name = "N", default_value = "16")]
    pub batch: NonZeroUsize,
}

impl ComputeFlags {
    /// Which engine.
    pub fn choice(&self) -> EngineChoice {
        self.engine.into()
    }

    /// Worker threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(all_cores)
    }

    /// All of it, with the strands.
    pub fn settings(&self, strand: StrandFlag) -> EngineSettings {
        EngineSettings {
            choice: self.choice(),
            strand: strand.into(),
            batch: self.batch,
            threads: self.threads(),
        }
    }
}

/// What `--chrom-alias` says: a file, or `ucsc-ensembl`.
pub fn aliases(flag: Option<&Path>) -> Result<Aliases> {
    Ok(match flag {
        None => Aliases::None,
        Some(name) if name.as_os_str() == "ucsc-ensembl" => Aliases::UcscEnsembl,
        Some(path) => Aliases::from_file(path).map_err(Error::from)?,
    })
}

/// Says what could not be lifted.
pub fn not_lifted(lost: Option<&Tally>, what: &str) {
    if let Some(lost) = lost.filter(|lost| lost.total() > 0) {
        say(format!(
            "{} {what} could not be lifted to the build of the FASTA ({lost}): see the rejected ones",
            lost.total()
        ));
    }
}

/// `--shard`.
pub fn shard(text: &str) -> Result<Shard, String> {
    text.split_once('/')
        .and_then(|(index, of)| Shard::new(index.parse().ok()?, of.parse().ok()?))
        .ok_or_else(|| format!("{text:?} is not I/N with I from 1 to N"))
}

/// `NAME=FILE`, or a file that is called by its name without the endings of its format.
pub fn named(text: &str) -> Result<Named, String> {
    let (name, path) = match text.split_once('=') {
        // A path with `=` in a folder's name.
        Some((name, _)) if name.contains('/') => (None, text),
        Some(("", _)) => return Err(format!("{text:?} has no name before `=`")),
        Some((name, path)) => (Some(name), path),
        None => (None, text),
    };
    if path.is_empty() {
        return Err(format!("{text:?} names no file"));
    }
    let name = name.map_or_else(|| stem(Path::new(path)), str::to_owned);
    if name.contains(['\t', '\n']) {
        return Err("a name must not hold a tab".into());
    }
    Ok(Named {
        name,
        path: path.into(),
    })
}

fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let mut name = name.as_ref();
    for ending in [
        ".gz",
        ".bw",
        ".bigWig",
        ".bedGraph",
        ".bed",
        ".narrowPeak",
        ".bb",
        ".bigBed",
        ".tsv",
        ".txt",
    ] {
        name = name
            .strip_suffix(ending)
            .filter(|n| !n.is_empty())
            .unwrap_or(name);
    }
    name.to_owned()
}

/// As many threads as the machine has cores.
pub fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The command line as typed; what is not UTF-8 in it is replaced.
pub fn command_line() -> Vec<String> {
    std::env::args_os()
        .map(|a| a.to_string_lossy().into_owned())
        .collect()
}

/// What was written, on standard error: the first files, and how many there are.
pub fn wrote(files: &[PathBuf]) {
    for file in files.iter().take(16) {
        say(format!("  {}", file.display()));
    }
    if let Some(more) = files.len().checked_sub(16).filter(|&n| n > 0) {
        say(format!("  and {more} more files"));
    }
}

/// A line for the user on standard error, which may be closed or full: results matter more.
pub fn say(line: String) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// ` (2 too_short, 1 empty)` of the reasons that occur, or nothing.
pub fn left_out<'a>(reasons: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let reasons = reasons.into_iter().filter(|(_, n)| *n > 0);
    let each: Vec<String> = reasons.map(|(why, n)| format!("{n} {why}")).collect();
    match each.is_empty() {
        true => String::new(),
        false => format!(" ({})", each.join(", ")),
    }
}

/// `1 design`, `2 designs`.
pub fn many(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (text, name, path) in [
            ("a=b/c.bw", "a", "b/c.bw"),
            (
                "b/HepG2.importance.bw",
                "HepG2.importance",
                "b/HepG2.importance.bw",
            ),
            ("x=1/s.bed.gz", "x", "1/s.bed.gz"),
            ("a/x=1/s.bed.gz", "s", "a/x=1/s.bed.gz"),
        ] {
            let n = named(text).unwrap();
            assert_eq!((n.name.as_str(), n.path.as_path()), (name, Path::new(path)));
        }
        assert!(named("=x").is_err() && named("x=").is_err());
    }
}
