//! What the four analyses share: settings, inputs, threads, `run.json`.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::OverlapError;
use crate::genome::Aliases;
use crate::input::Coordinates;
use crate::intervals::{Annotation, Named, Placed};
use crate::job::{self, RunInfo};
use crate::output::{Existing, OutputDir};
use crate::tracks::{Scores, TrackError};

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
        job::on_threads(self.threads.get(), work)
    }

    pub(super) fn open_scores(&self, files: &[Named]) -> Result<Vec<Scores>, OverlapError> {
        unique(files, "--scores")?;
        let coordinates = self.read_coordinates()?;
        files
            .iter()
            .map(|f| Ok(Scores::open(&f.name, &f.path, coordinates.as_ref())?))
            .collect()
    }

    pub(super) fn read_coordinates(&self) -> Result<Option<Coordinates>, OverlapError> {
        let read = |path| Coordinates::read(path).map_err(TrackError::from);
        Ok(self.coordinates.as_deref().map(read).transpose()?)
    }

    pub(super) fn open_regions(&self) -> Result<Option<Annotation>, OverlapError> {
        Ok(self.regions.as_deref().map(Annotation::read).transpose()?)
    }

    pub(super) fn place(
        &self,
        intervals: &Annotation,
        scores: &Scores,
    ) -> Result<Placed, OverlapError> {
        Ok(intervals.placed(&scores.contigs, &self.aliases, &scores.path)?)
    }

    fn existing(&self) -> Existing {
        Existing {
            force: self.force,
            resume: false,
        }
    }

    /// Refuses the output folder before any work; it is made when there is something to write, so
    /// that a run that still reads leaves nothing when it is ended.
    pub(super) fn check_output(&self) -> Result<(), OverlapError> {
        Ok(OutputDir::check(&self.out, self.existing())?)
    }

    pub(super) fn output(&self) -> Result<OutputDir, OverlapError> {
        Ok(OutputDir::create(&self.out, self.existing())?)
    }

    /// `run.json`: the analysis, its inputs by what they are, and its own settings.
    pub(super) fn describe<'a>(
        &self,
        analysis: &str,
        inputs: impl IntoIterator<Item = (&'static str, &'a Path)>,
        settings: Value,
    ) -> RunInfo {
        let mut run = RunInfo::new(&format!("overlap {analysis}"), &self.command);
        for (role, path) in inputs {
            run.input(role, path);
        }
        run.inputs("coordinates", &self.coordinates);
        run.inputs("regions", &self.regions);
        run.settings = job::map(settings);
        run.settings
            .insert("bootstrap".into(), self.bootstrap.into());
        run.settings.insert("interval".into(), self.interval.into());
        run.settings.insert("block".into(), self.block.into());
        run.seed = Some(self.seed);
        run.threads = Some(self.threads.get());
        run
    }
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
