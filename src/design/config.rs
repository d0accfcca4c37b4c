use std::ops::Range;
use std::path::PathBuf;

use super::rules::{KeptMotifs, Limits};
use super::{DesignError, Goal, Method, Site, Starts};
use crate::ism::EngineSettings;
use crate::model::{ModelOptions, ModelSources};
use crate::motifs::read_motifs;

/// A motif whose hits in a start stay hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepMotif {
    /// IUPAC letters, or an enzyme's site.
    Site(Site),
    /// All motifs of a file in MEME's minimal format.
    Meme(PathBuf),
}

/// A run of [`run`](super::run).
#[derive(Clone, Debug)]
pub struct DesignConfig {
    /// What is changed.
    pub starts: Starts,
    /// Leave starts out from which nothing can be designed, with their reason, instead of stopping.
    pub skip_invalid: bool,
    /// A linear expression of tasks, see [`Objective`](super::Objective).
    pub objective: String,
    /// Where it is to go.
    pub goal: Goal,
    /// How.
    pub method: Method,
    /// Most bases that differ from the start, at least 1.
    pub edits: usize,
    /// Stretches of every start that stay, from 0, half-open.
    pub keep: Vec<Range<usize>>,
    /// A BED of stretches that stay: of sequences by name, of regions in the genome.
    pub keep_bed: Option<PathBuf>,
    /// Least and greatest share of G and C.
    pub gc: Option<(f64, f64)>,
    /// The longest run of one base.
    pub homopolymer: Option<usize>,
    /// What must not occur.
    pub forbid: Vec<Site>,
    /// What must stay.
    pub keep_motifs: Vec<KeepMotif>,
    /// The largest p-value of a hit of a motif of a file.
    pub motif_p: f64,
    /// Seed of random starts and of annealing.
    pub seed: u64,
    /// The model, or the members of an ensemble.
    pub model: ModelSources,
    /// What the user says of the model.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to write, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Bases from one window of a sequence to the next.
    pub stride: u32,
    /// How windows are scored.
    pub engine: EngineSettings,
    /// By how much activities of the two engines may differ: of the value, or of 1 where that is larger.
    pub tolerance: f64,
    /// The output folder.
    pub out: PathBuf,
    /// Replace results that are there.
    pub force: bool,
    /// The command line, for the provenance file.
    pub command: Vec<String>,
}

impl DesignConfig {
    /// The limits that hold for every start.
    ///
    /// # Errors
    /// [`DesignError::Setting`] where they cannot hold, and when a file of motifs cannot be read.
    pub(super) fn limits(&self) -> Result<Limits, DesignError> {
        let wrong = |text: &str| Err(DesignError::Setting(text.into()));
        if self.edits == 0 {
            return wrong("--edits 0 changes nothing");
        }
        if self.homopolymer == Some(0) {
            return wrong("--homopolymer 0: every base is a run of 1");
        }
        if let Some((least, most)) = self.gc
            && !(0.0..=1.0).contains(&least) | !(0.0..=1.0).contains(&most) | (least > most)
        {
            return wrong("--gc: expected two shares, the first not above the second");
        }
        match self.method {
            Method::Beam(0) => return wrong("--width 0: no sequence is kept"),
            Method::Anneal(schedule) => {
                let (first, last) = schedule.temperatures;
                if !(first >= last && last > 0.0 && first.is_finite()) {
                    return wrong(
                        "--temperature: expected FIRST,LAST above 0, the last not above the first",
                    );
                }
            }
            _ => {}
        }
        if let Goal::Target(value) = self.goal
            && !value.is_finite()
        {
            return wrong("--target: expected a number");
        }
        let mut kept_sites = Vec::new();
        let mut motifs = Vec::new();
        for motif in &self.keep_motifs {
            match motif {
                KeepMotif::Site(site) => kept_sites.push(site.clone()),
                KeepMotif::Meme(path) => motifs.extend(read_motifs(path)?),
            }
        }
        Ok(Limits {
            edits: self.edits,
            keep: self.keep.clone(),
            gc: self.gc,
            homopolymer: self.homopolymer,
            forbidden: self.forbid.clone(),
            kept_sites,
            kept_motifs: match motifs.is_empty() {
                true => None,
                false => Some(KeptMotifs::new(&motifs, self.motif_p)),
            },
        })
    }
}
