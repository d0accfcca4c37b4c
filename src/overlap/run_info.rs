//! What the four analyses share: inputs, threads, tables, `run.json`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Annotation, OverlapError, Placed, Scores};
use crate::genome::Aliases;
use crate::output::{Existing, OutputDir};

/// A file and what it is called in tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Name.
    pub name: String,
    /// File.
    pub path: PathBuf,
}

/// Settings of all analyses.
#[derive(Clone, Debug)]
pub struct Common {
    /// Output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// Worker threads; answers do not depend on them.
    pub threads: NonZeroUsize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Bootstrap replicates; 0 for none.
    pub bootstrap: u64,
    /// Share of the bootstrap distribution that an interval holds.
    pub interval: f64,
    /// Bases of a block where there are no regions.
    pub block: u32,
    /// Where the regions of score tables lie.
    pub coordinates: Option<PathBuf>,
    /// Everything is limited to these.
    pub regions: Option<PathBuf>,
    /// How contig names are brought together.
    pub aliases: Aliases,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            out: "overlap".into(),
            force: false,
            threads: NonZeroUsize::MIN,
            seed: 1,
            bootstrap: 200,
            interval: 0.95,
            block: 100_000,
            coordinates: None,
            regions: None,
            aliases: Aliases::None,
            command: Vec::new(),
        }
    }
}

impl Common {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`OverlapError::Setting`].
    pub(super) fn check(&self) -> Result<(), OverlapError> {
        let fail = |text: &str| Err(OverlapError::Setting(text.into()));
        if !(self.interval > 0.0 && self.interval < 1.0) {
            return fail("the interval's share must lie between 0 and 1");
        }
        if self.block == 0 {
            return fail("blocks need at least one base");
        }
        Ok(())
    }

    /// Runs `work` on a pool of the threads asked for.
    pub(super) fn on_threads<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, OverlapError> + Send,
    ) -> Result<T, OverlapError> {
        let threads = self.threads.get();
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| OverlapError::Threads(threads, e))?
            .install(work)
    }

    pub(super) fn open_scores(&self, files: &[Named]) -> Result<Vec<Scores>, OverlapError> {
        unique(files, "--scores")?;
        files
            .iter()
            .map(|f| Scores::open(&f.name, &f.path, self.coordinates.as_deref()))
            .collect()
    }

    pub(super) fn open_regions(&self) -> Result<Option<Annotation>, OverlapError> {
        self.regions.as_deref().map(Annotation::read).transpose()
    }

    pub(super) fn place(
        &self,
        intervals: &Annotation,
        scores: &Scores,
    ) -> Result<Placed, OverlapError> {
        intervals.placed(&scores.contigs, &self.aliases, &scores.path)
    }

    pub(super) fn output(&self) -> Result<OutputDir, OverlapError> {
        let existing = Existing {
            force: self.force,
            resume: false,
        };
        Ok(OutputDir::create(&self.out, existing)?)
    }

    /// `run.json` without the outputs.
    pub(super) fn describe(&self, analysis: &str, inputs: &[&Path], settings: Value) -> Value {
        let inputs: Vec<Value> = inputs
            .iter()
            .copied()
            .chain(self.coordinates.as_deref())
            .chain(self.regions.as_deref())
            .map(|path| json!({"path": path.display().to_string(), "bytes": path.metadata().ok().map(|m| m.len())}))
            .collect();
        json!({
            "program": "mpra-score",
            "version": crate::VERSION,
            "command": self.command,
            "analysis": analysis,
            "inputs": inputs,
            "settings": settings,
            "seed": self.seed,
            "bootstrap": self.bootstrap,
            "interval": self.interval,
            "block": self.block,
            "threads": self.threads,
        })
    }
}

/// Puts the results in place and returns their paths.
pub(super) fn commit(out: OutputDir, mut run: Value) -> Result<Vec<PathBuf>, OverlapError> {
    run["outputs"] = json!(out.names());
    Ok(out.commit(&run)?)
}

/// Names must tell inputs apart.
pub(super) fn unique(files: &[Named], flag: &str) -> Result<(), OverlapError> {
    let mut seen = HashSet::new();
    match files.iter().find(|f| !seen.insert(&f.name)) {
        None => Ok(()),
        Some(f) => Err(OverlapError::Setting(format!(
            "two inputs of {flag} are called {:?}; name them with {flag} NAME=FILE",
            f.name
        ))),
    }
}

/// A tab-separated table in the making.
#[derive(Debug, Default)]
pub(super) struct Table(String);

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self(header.join("\t") + "\n")
    }

    pub fn text(&mut self, cell: &str) -> &mut Self {
        self.sep();
        self.0.push_str(cell);
        self
    }

    pub fn count(&mut self, n: u64) -> &mut Self {
        self.sep();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{n}");
        self
    }

    /// Shortest decimal that reads back the same; NA for NaN.
    pub fn number(&mut self, value: f64) -> &mut Self {
        self.sep();
        if value.is_nan() {
            self.0.push_str("NA");
        } else {
            let mut buffer = zmij::Buffer::new();
            let text = buffer.format(value + 0.0);
            self.0.push_str(text.strip_suffix(".0").unwrap_or(text));
        }
        self
    }

    fn sep(&mut self) {
        if !self.0.ends_with('\n') && !self.0.is_empty() {
            self.0.push('\t');
        }
    }

    pub fn end(&mut self) {
        self.0.push('\n');
    }

    pub fn write(&self, path: &Path) -> Result<(), OverlapError> {
        fs::write(path, &self.0).map_err(|e| OverlapError::Write(e, path.into()))
    }
}
