use std::path::PathBuf;

use super::{Architecture, Epoch, FitConfig};
use crate::genome::Aliases;
use crate::model::ModelOptions;
use crate::output::Existing;
use crate::train::{Mutants, OwnTable, TrainError};

/// What a network learns from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A Parquet file of `mpra-score dataset`, or a table of sequences and values of one's own.
    Examples {
        /// The file.
        path: PathBuf,
        /// What a table of one's own needs besides.
        own: Box<OwnTable>,
        /// Only these tasks, in this order.
        tasks: Option<Vec<String>>,
    },
    /// A teacher's outputs on stretches of a genome.
    Teacher(Box<TeacherSource>),
}

/// A teacher and what it labels.
#[derive(Clone, Debug)]
pub struct TeacherSource {
    /// The models; a task's label is the mean over those that have it.
    pub models: Vec<PathBuf>,
    /// What the user says of them.
    pub options: ModelOptions,
    /// The student's tasks.
    pub tasks: Vec<String>,
    /// Student's task and teacher's output, where their names differ.
    pub pairs: Vec<(String, String)>,
    /// Share of the reverse complement's output in a label.
    pub reverse: f32,
    /// The genome.
    pub fasta: PathBuf,
    /// Regions; the whole genome when there are none.
    pub bed: Option<PathBuf>,
    /// Names of contigs.
    pub aliases: Aliases,
    /// So many random stretches instead of the regions themselves.
    pub random: Option<usize>,
    /// Bases of a stretch; the window where not given.
    pub stretch: Option<usize>,
    /// Bases from one window of a stretch to the next.
    pub step: usize,
    /// Mutated copies of training stretches.
    pub mutants: Option<Mutants>,
    /// Contigs of the validation side.
    pub validation: Vec<String>,
    /// Contigs of the test side.
    pub test: Vec<String>,
    /// A file to keep labels in.
    pub cache: Option<PathBuf>,
}

/// Most of anything that is counted: far beyond any use, so that sums do not overflow.
const MANY: usize = 1_000_000;

/// A run of `mpra-score train`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data.
    pub source: Source,
    /// The architecture.
    pub arch: Architecture,
    /// Measurements to learn from besides a teacher: examples, and the weight of their loss.
    pub beside: Option<(PathBuf, f32)>,
    /// Another model to start from.
    pub init: Option<PathBuf>,
    /// Task and output of that model, where their names differ.
    pub init_pairs: Vec<(String, String)>,
    /// Join that model with its reverse complement, with this share of the outputs.
    pub init_reverse: Option<f32>,
    /// What the user says of it; names of tasks only where its metadata have none.
    pub init_options: ModelOptions,
    /// Draw so many architectures at random and take the best by successive halving; `arch` then
    /// only says the input.
    pub search: Option<usize>,
    /// The fitting.
    pub fit: FitConfig,
    /// Text for the model's metadata.
    pub description: Option<String>,
    /// Output folder.
    pub out: PathBuf,
    /// What to do with what is in it.
    pub existing: Existing,
    /// Worker threads.
    pub threads: usize,
    /// The ONNX Runtime library.
    pub ort_lib: Option<PathBuf>,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

impl FitConfig {
    /// Judges the numbers; `said` is how the user knows a setting by its name.
    ///
    /// # Errors
    /// What is wrong, for one outside its range, NaN and infinity among them.
    pub(super) fn check(&self, said: impl Fn(&str) -> String) -> Result<(), String> {
        for (name, number) in [
            ("batch", self.batch),
            ("epochs", self.epochs),
            ("patience", self.patience),
        ] {
            if !(1..=MANY).contains(&number) {
                return Err(format!("{} is 1 to {MANY}", said(name)));
            }
        }
        // Comparisons that NaN fails.
        let above_zero = |v: f64| v > 0.0 && v.is_finite();
        if !above_zero(self.rate) {
            return Err(format!(
                "{} is a number above 0, not {}",
                said("lr"),
                self.rate
            ));
        }
        for (name, number) in [
            ("weight_decay", self.weight_decay),
            ("pair_weight", f64::from(self.pair_weight)),
        ] {
            if !(number >= 0.0 && number.is_finite()) {
                return Err(format!("{} is 0 or more, not {number}", said(name)));
            }
        }
        if self.clip.is_some_and(|c| !above_zero(c)) {
            return Err(format!("{} is a number above 0", said("clip")));
        }
        if self.average.is_some_and(|a| !(0.0..1.0).contains(&a)) {
            return Err(format!("{} is from 0 to below 1", said("average")));
        }
        Ok(())
    }
}

impl Config {
    /// Judges the settings that do not depend on the data.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a number outside its range, NaN and infinity among them, or for
    /// settings that do not go together.
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |text: String| Err(TrainError::Setting(text));
        let fit = &self.fit;
        let flag = |name: &str| format!("--{}", name.replace('_', "-"));
        fit.check(flag).map_err(TrainError::Setting)?;
        if self.search.is_some_and(|n| !(1..=MANY).contains(&n)) {
            return fail(format!("--search is 1 to {MANY}"));
        }
        // A comparison that NaN fails.
        let above_zero = |v: f64| v > 0.0 && v.is_finite();
        if let Some((_, weight)) = &self.beside
            && !above_zero((*weight).into())
        {
            return fail(format!("--data-weight is a number above 0, not {weight}"));
        }
        let mut shares = vec![("--init-reverse", self.init_reverse)];
        if let Source::Teacher(source) = &self.source {
            shares.push(("--reverse-share", Some(source.reverse)));
            if let Some(mutants) = &source.mutants
                && !(1 <= mutants.fewest && mutants.fewest <= mutants.most)
            {
                return fail("--changes are LOW to HIGH, from 1 on".into());
            }
        }
        for (flag, share) in shares {
            if share.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
                return fail(format!("{flag} is from 0 to 1"));
            }
        }
        if self.search.is_none() && fit.frozen > self.arch.convolutions() {
            return fail(format!(
                "--freeze {} is more than the network's {} convolution(s)",
                fit.frozen,
                self.arch.convolutions()
            ));
        }
        if self.search.is_some() && self.arch.both_strands {
            return fail("--search draws networks of one strand".into());
        }
        if self.search.is_some() && (self.init.is_some() || self.beside.is_some()) {
            let text = "--search draws its networks: --init, and --data beside a teacher, do not go with it";
            return fail(text.into());
        }
        Ok(())
    }
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Files written, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Best epoch.
    pub best: Option<Epoch>,
    /// Pearson correlation on the test side, by task.
    pub test: Vec<(String, f64)>,
}
