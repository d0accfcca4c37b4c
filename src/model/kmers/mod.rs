//! Models that are sums over k-mers: tables of weights (deltaSVM), and gapped k-mer support vector
//! machines (gkm-SVM, LS-GKM), of which each k-mer gets the score that it has alone.
//!
//! Either becomes a network ([`kmer_graph`]), so that everything that takes a model takes these.

mod kernel;
mod svm;
mod weights;

use std::io::Cursor;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ModelError;
use super::onnx::kmer_graph;
use crate::encode::BASES;
use crate::input::{Input, InputError, Lines};

/// Letters of the longest k-mers: numbers of 4^12 are whole in 32-bit floats.
const LONGEST: usize = 12;

/// Bases of a window where nobody says: the one of Sharpr-MPRA, and of this program's own models.
const WINDOW: usize = 145;

/// The key of [`KmerFacts`] in a model's metadata.
pub(super) const KMERS: &str = "mpra_score.kmers";

/// A weight for every k-mer.
#[derive(Clone, Debug, PartialEq)]
pub struct KmerTable {
    k: usize,
    /// [4^k], by number: the first base is the highest digit; A, C, G, T are 0 to 3.
    weights: Vec<f32>,
    facts: KmerFacts,
}

/// What is known of a table of k-mers beside its weights; `mpra_score.kmers` in a model's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmerFacts {
    /// Bases of a k-mer.
    pub k: usize,
    /// What the weights come from, for people.
    pub from: String,
    /// k-mers without a weight, which count 0.
    pub without: u64,
    /// k-mers whose reverse complement has another weight.
    pub differ: u64,
}

/// The gapped k-mers of a model whose files do not say: letters of an l-mer, those of them that are
/// compared, most mismatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gapped {
    /// Letters.
    pub l: usize,
    /// Compared ones.
    pub k: usize,
    /// Mismatches.
    pub d: usize,
}

impl Default for Gapped {
    /// As `gkmsvm_kernel` and `gkmsvm_classify` take them: 10, 6, 3.
    fn default() -> Self {
        Self { l: 10, k: 6, d: 3 }
    }
}

impl KmerTable {
    /// Reads a table of weights, a model of LS-GKM (`.model.txt`), or one of gkm-SVM of which one of the files
    /// `PREFIX_svseq.fa` and `PREFIX_svalpha.out` is named; plain or gzip. Only of the last are `gapped` asked
    /// for. Also gives the bytes of the other file, where there is one.
    ///
    /// # Errors
    /// [`ModelError::Input`] and [`ModelError::Unfit`], with the line where there is one.
    pub fn read(
        path: &Path,
        bytes: &[u8],
        gapped: Option<Gapped>,
    ) -> Result<(Self, Vec<u8>), ModelError> {
        let mut lines = open(path, bytes.to_vec())?;
        let mut other = Vec::new();
        let table = match svm::kind(path, &mut lines)? {
            svm::Kind::None => weights::read(&mut lines)?,
            svm::Kind::LsGkm => svm::ls_gkm(&mut lines)?,
            svm::Kind::Classic => {
                let read = svm::classic(path, bytes, gapped)?;
                other = read.1;
                read.0
            }
        };
        table.warn(path);
        Ok((table, other))
    }

    /// Bases of a k-mer.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The weights, [4^k], by number: the first base is the highest digit; A, C, G, T are 0 to 3.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What else is known.
    pub fn facts(&self) -> &KmerFacts {
        &self.facts
    }

    /// Rows of k-mers with their weights, in alphabetical order. Where a k-mer and its reverse complement
    /// have one weight, that which comes first stands for both.
    pub fn rows(&self) -> impl Iterator<Item = (String, f32)> + '_ {
        let all = self.weights.iter().enumerate();
        let kept = all.filter(|&(number, weight)| {
            let other = kernel::reverse(number as u32, self.k) as usize;
            number <= other || *weight != self.weights[other]
        });
        kept.map(|(number, &weight)| (letters(number as u32, self.k), weight))
    }

    /// The model as a network of one task, which is called so: the sum over a window's k-mers. An ONNX file.
    pub fn onnx(&self, task: &str) -> Vec<u8> {
        let mut graph = kmer_graph(self.k, &self.weights, false);
        let facts = serde_json::json!(self.facts).to_string();
        let what = format!("{}-mers with weights from {}", self.k, self.facts.from);
        graph
            .metadata("mpra_score.alphabet", "ACGT")
            .metadata("mpra_score.tasks", &serde_json::json!([task]).to_string())
            .metadata("mpra_score.frame", &format!(r#"{{"window": {WINDOW}}}"#))
            .metadata("mpra_score.description", &what)
            .metadata(KMERS, &facts);
        graph.to_bytes()
    }

    fn warn(&self, path: &Path) {
        let (path, k) = (path.display(), self.k);
        if self.facts.without > 0 {
            tracing::warn!(
                "{path}: {} of {} {k}-mers have no weight and count 0",
                self.facts.without,
                self.weights.len()
            );
        }
        if self.facts.differ > 0 {
            tracing::warn!(
                "{path}: {} {k}-mers have another weight than their reverse complement: each strand has its own activities (--strand both takes the mean)",
                self.facts.differ
            );
        }
    }
}

impl KmerFacts {
    /// In one line: how many k-mers there are, and what is missing.
    pub fn describe(&self) -> String {
        let all = 1u64 << (2 * self.k);
        let without = match self.without {
            0 => String::new(),
            n => format!("; {n} have no weight and count 0"),
        };
        let strands = match self.differ {
            0 => "the same on both strands".into(),
            n => format!("{n} differ from their reverse complement"),
        };
        format!(
            "{all} {}-mers, {strands}{without}; from {}",
            self.k, self.from
        )
    }
}

/// Whether a file's first bytes are text, plain or in gzip, and so no ONNX model, which begins with a
/// control character.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1024)];
    let plain = |b: &u8| *b >= b' ' || matches!(b, b'\t' | b'\n' | b'\r');
    head.starts_with(&[0x1f, 0x8b]) || (!head.is_empty() && head.iter().all(plain))
}

/// What a task is called after its file's name: without the endings of its format, and with `_` for what
/// task names cannot have.
pub(super) fn task_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut name = name.as_ref();
    for ending in [
        ".gz", ".txt", ".tsv", ".csv", ".out", ".fa", ".model", "_svalpha", "_svseq",
    ] {
        let shorter = name.strip_suffix(ending);
        name = shorter.filter(|n| !n.is_empty()).unwrap_or(name);
    }
    let sound = |c: char| match c.is_ascii_alphanumeric() || "._+-".contains(c) {
        true => c,
        false => '_',
    };
    let name: String = name.trim_start_matches('.').chars().map(sound).collect();
    match name.is_empty() {
        true => "kmers".into(),
        false => name,
    }
}

/// The lines of a file's bytes.
fn open(path: &Path, bytes: Vec<u8>) -> Result<Lines, InputError> {
    Ok(Lines::new(Input::from_reader(
        path,
        Box::new(Cursor::new(bytes)),
    )?))
}

/// What is wrong with the line that was read last.
fn line(lines: &Lines, problem: String, expected: impl Into<String>) -> ModelError {
    InputError::Line {
        path: lines.path().into(),
        line: lines.number(),
        problem,
        expected: expected.into(),
    }
    .into()
}

/// The letters of a k-mer by its number.
fn letters(number: u32, k: usize) -> String {
    let code = |i: usize| BASES[(number >> (2 * i) & 3) as usize];
    (0..k).rev().map(code).collect()
}

#[cfg(test)]
mod tests;
