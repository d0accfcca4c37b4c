//! Flags that mean the same in several subcommands.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use mpra_score::Error;
use mpra_score::genome::Aliases;
use mpra_score::ism::{EngineChoice, Strand};
use mpra_score::model::onnx::Reduce;
use mpra_score::model::{Frame, ModelOptions};

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
pub enum EngineFlag {
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

/// What `--chrom-alias` says: a file, or `ucsc-ensembl`.
pub fn aliases(flag: Option<&Path>) -> Result<Aliases> {
    Ok(match flag {
        None => Aliases::None,
        Some(name) if name.as_os_str() == "ucsc-ensembl" => Aliases::UcscEnsembl,
        Some(path) => Aliases::from_file(path).map_err(Error::from)?,
    })
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

/// A line for the user on standard error, which may be closed or full: results matter more.
pub fn say(line: String) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
