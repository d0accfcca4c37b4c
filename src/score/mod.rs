//! The main job: regions and a model in, tracks and tables out.
//!
//! The genome is cut into units at fixed coordinates (`plan`). Workers, one a thread, each with a
//! model session and a file handle of its own, fetch sequence, score it and encode what is to be
//! written (`tile`); the calling thread takes the units in order and appends them to the files
//! (`sink`). Only a few units are under way at a time, so memory depends neither on the BED nor
//! on the genome.
//!
//! All state of an unfinished job lies in files that only grow. So a checkpoint is their lengths, a
//! run that was killed goes on from there, and the unfinished files of shards joined end to end
//! (`merge`) are those of the whole; only then are indexes, zoom levels and tables made of them.

mod against;
mod arrays;
mod config;
mod counts;
mod lift;
mod merge;
mod piece;
mod pipeline;
mod plan;
mod predict;
mod provenance;
mod quantiles;
mod region_table;
mod saturation;
mod sink;
mod size;
mod tile;

pub use arrays::{ArrayScorer, SequenceArrays};
pub use config::{Anchor, Formats, Outputs, RegionSource, ScoreConfig};
pub use merge::merge;
pub use predict::{Flanks, PredictConfig, PredictSummary, predict};
pub use quantiles::{QuantilesConfig, RegionSet, write_quantiles};

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use crate::Error;
use crate::attribution::{Attributions, Completeness};
use crate::genome::{Fasta, Lattice, RegionStatus, Regions};
use crate::intervals::Named;
use crate::ism::{Engines, Groups, Members, Scores};
use crate::job::{self, Cancel, InputFile, JobError, Progress};
use crate::liftover::{Rejects, Tally};
use crate::model::{Ensemble, Quantiles};
use crate::output::{OutputDir, Seal};

/// What can be wrong with a scoring job beside its files.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The stride does not fit the window.
    #[error("a stride of {stride} does not fit a window of {window} bases: expected 1 to {window}")]
    Stride {
        /// The stride asked for.
        stride: u32,
        /// The model's window.
        window: u32,
    },
    /// A folder given to `merge` holds no shard.
    #[error("{path} holds no shard: {problem}")]
    NoShard {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// The shards given to `merge` are not each of them once.
    #[error("shard {missing} of {of} is missing or given twice")]
    MissingShard {
        /// The first one.
        missing: u32,
        /// Of how many.
        of: u32,
    },
    /// A set of regions without a scored window.
    #[error("no window over the regions of {0} has known bases alone")]
    NoWindow(PathBuf),
    /// Two sets of one name tell of the same task.
    #[error("the set {set:?} is given twice for task {task:?}")]
    SetTwice {
        /// The set.
        set: String,
        /// The task.
        task: String,
    },
    /// A disk on which the results have no room.
    #[error("the results will take about {}, and at {} {} are free", size::readable(*needed), path.display(), size::readable(*free))]
    NoRoom {
        /// The output folder.
        path: PathBuf,
        /// Bytes that they take, as reckoned.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A mean over tasks that are not there, or of a name that is taken.
    #[error("--mean-over {name}: {problem}")]
    MeanOver {
        /// The mean.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Sequences without a window.
    #[error("sequences of {length} bases are shorter than the model's window of {window}")]
    ShortSequences {
        /// Their length.
        length: usize,
        /// The model's window.
        window: u32,
    },
    /// References that do not fit the sequences.
    #[error(
        "references {found:?} do not fit sequences {sequences:?}: expected a reference or more for each, [sequences, references, {window}, 4], and sequences of {window} bases"
    )]
    References {
        /// Sequences, and their bases.
        sequences: [usize; 2],
        /// Shape of the references.
        found: [usize; 4],
        /// The model's window.
        window: usize,
    },
    /// Regions of several widths, where all must be of one.
    #[error(
        "TF-MoDISco takes regions of one width, and there are some of {first} and of {other} bases"
    )]
    Widths {
        /// One of them.
        first: u32,
        /// Another one.
        other: u32,
    },
    /// No code of a base.
    #[error("{0} is no code of a base: expected 0 to 3 for A, C, G, T, or 4")]
    Code(u8),
    /// The saturation table needs importance.
    #[error("the saturation table cannot be written without importance")]
    SaturationWithoutImportance,
}

impl ScoreError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRoom { .. } => Some(
                "another --out; or --precision 8 (five eighths of it), --mean-over, --tasks, --no-importance".into(),
            ),
            Self::Widths { .. } => Some("--resize N takes N bases about the middle of each".into()),
            Self::NoShard { .. } => Some("shards are written with --shard I/N".into()),
            _ => None,
        }
    }
}

/// What a finished job has done.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Input rows.
    pub regions: u64,
    /// Rows by status.
    pub by_status: Vec<(RegionStatus, u64)>,
    /// Rows that could not be lifted to the build of the FASTA, by reason; nothing where none was to be.
    pub not_lifted: Option<Tally>,
    /// Windows scored.
    pub windows: u64,
    /// Of these, windows with unknown bases.
    pub with_unknown: u64,
    /// Windows with known bases that were not scored, for their unknown ones.
    pub left_out: u64,
    /// Bases with a value.
    pub bases: u64,
    /// How far contributions are from adding up, of methods whose contributions do.
    pub completeness: Option<Completeness>,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds of scoring.
    pub seconds: f64,
}

/// What stays the same over all units.
#[derive(Debug)]
pub(crate) struct Layout {
    lattice: Lattice,
    anchor: Anchor,
    /// Columns of the scores to be written, once the members' values are means with their spreads
    /// behind them: a mean for each task, then of an ensemble a spread for each.
    columns: Vec<usize>,
    /// Names of the tasks.
    tasks: Vec<String>,
    /// How the columns of the engine's scores lie.
    members: Members,
    /// Tasks that are put together, before anything else: their means are then the tasks.
    groups: Option<Groups>,
    /// What the model says of its activities; nothing of an ensemble's.
    quantiles: Quantiles,
}

impl Layout {
    /// Of these tasks of an ensemble.
    fn new(lattice: Lattice, anchor: Anchor, tasks: &[usize], model: &Ensemble) -> Self {
        let spec = model.spec();
        let members = Members {
            members: model.members().len(),
            tasks: spec.tasks.len(),
        };
        let spread = tasks.iter().map(|task| members.tasks + task);
        let spread = spread.filter(|_| members.several());
        Self {
            lattice,
            anchor,
            columns: tasks.iter().copied().chain(spread).collect(),
            tasks: tasks.iter().map(|&t| spec.tasks[t].clone()).collect(),
            members,
            groups: None,
            quantiles: match members.several() {
                false => Quantiles::clone(&spec.quantiles),
                true => Quantiles::default(),
            },
        }
    }

    /// Of means over tasks, which stand in the tasks' place.
    ///
    /// # Errors
    /// When a task is not there, or a mean has no task or a name that is taken.
    fn of_means(
        lattice: Lattice,
        anchor: Anchor,
        means: &[(String, Vec<String>)],
        model: &Ensemble,
    ) -> Result<Self, Error> {
        let spec = model.spec();
        let mut seen = std::collections::BTreeSet::new();
        let mut columns = Vec::new();
        for (name, tasks) in means {
            let problem = match (tasks.is_empty(), seen.insert(name)) {
                (true, _) => Some("no task"),
                (_, false) => Some("the name is given twice"),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(ScoreError::MeanOver {
                    name: name.clone(),
                    problem: problem.into(),
                }
                .into());
            }
            columns.push(spec.columns(Some(tasks))?);
        }
        let groups = Groups {
            columns,
            of: Members {
                members: model.members().len(),
                tasks: spec.tasks.len(),
            },
        };
        let members = groups.members();
        let spread = (0..means.len() * usize::from(members.several())).map(|i| members.tasks + i);
        Ok(Self {
            lattice,
            anchor,
            columns: (0..means.len()).chain(spread).collect(),
            tasks: means.iter().map(|(name, _)| name.clone()).collect(),
            members,
            groups: Some(groups),
            quantiles: Quantiles::default(),
        })
    }

    /// Columns of a member that what is written depends on, of these tasks or of those that are put together.
    fn wanted(&self, tasks: &[usize]) -> Vec<usize> {
        let mut columns = match &self.groups {
            Some(groups) => groups.columns.concat(),
            None => tasks.to_vec(),
        };
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Makes of an engine's scores what is written: means over tasks, over members, and their spreads.
    fn reduce(&self, scores: &mut Scores) {
        if let Some(groups) = &self.groups {
            groups.reduce(scores);
        }
        self.members.reduce(scores);
    }

    /// Names for the columns: each task's with `mean` behind it, then each with `spread`.
    fn names(&self, mean: &str, spread: &str) -> Vec<String> {
        let with = |end: &str| -> Vec<String> {
            let tasks = self.tasks.iter();
            tasks.map(|task| format!("{task}{end}")).collect()
        };
        let mut names = with(mean);
        if self.members.several() {
            names.extend(with(spread));
        }
        names
    }
}

/// Runs the main job.
///
/// `cancel` may be set from another thread (a signal handler): the job then stops, removes its
/// unfinished files and returns [`JobError::Interrupted`].
///
/// # Errors
/// For everything that can be wrong with the model, the FASTA, the BED and the output folder, and
/// when the model gives NaN or infinity. No file of the results is in place then.
pub fn run(
    config: &ScoreConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    run_with(config, &[], progress, cancel)
}

/// Runs the main job, then ranks every task's scores against annotations, into the same folder
/// (see [`crate::overlap::enrichment`]).
///
/// # Errors
/// As [`run`], and when an annotation cannot be read or shares no contig with the FASTA, before the
/// first base is read.
pub fn run_with(
    config: &ScoreConfig,
    annotations: &[Named],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    if config.outputs.saturation && !config.outputs.importance {
        return Err(ScoreError::SaturationWithoutImportance.into());
    }
    // The model is judged before the first base is read.
    let model = Ensemble::load(
        &config.model,
        &config.model_options,
        config.ort_lib.as_deref(),
    )?;
    let spec = model.spec().clone();
    let tasks = spec.columns(config.tasks.as_deref())?;
    let lattice = config.lattice(&spec)?;
    let layout = match config.mean_over.is_empty() {
        true => Layout::new(lattice, config.anchor, &tasks, &model),
        false => Layout::of_means(lattice, config.anchor, &config.mean_over, &model)?,
    };

    let fasta = Fasta::open(&config.fasta, config.write_index)?;
    let read = against::read(config, annotations, &fasta)?;
    // What takes a while and can fail comes before the first file is made.
    OutputDir::check(&config.out, config.existing)?;
    let (regions, mut lost) = lift::regions(config, &fasta, &std::env::temp_dir())?;
    if regions.rows() == 0 {
        tracing::warn!("no regions in the input: the results are empty");
    }
    if let Some(first) = regions.all_missed() {
        let rows = regions.rows();
        tracing::warn!("none of {rows} region(s) lies on a contig of the FASTA: {first}");
    }
    check_contigs(&fasta, &regions)?;
    if config.outputs.saturation && config.outputs.modisco {
        let mut widths = regions.scorable.iter().map(|r| r.bases.len());
        let first = widths.next().unwrap_or(0);
        if let Some(other) = widths.find(|width| *width != first) {
            return Err(ScoreError::Widths { first, other }.into());
        }
    }

    if !config.existing.resume {
        let mut bases = size::bases(&regions);
        if let Some(shard) = config.shard {
            bases /= u64::from(shard.of());
        }
        let positions = size::positions(&regions);
        let needed = size::reckoned(
            (bases, positions),
            layout.columns.len(),
            lattice.stride(),
            &config.outputs,
        );
        tracing::info!("the results will take about {}", size::readable(needed));
        size::check_room(&config.out, needed)?;
    }
    let chosen = Engines::choose(config.engine_settings(), model.members())?;
    let explained = match config
        .outputs
        .attribution
        .filter(|_| config.outputs.importance)
    {
        Some(settings) => {
            let wanted = layout.wanted(&tasks);
            Some(Attributions::new(settings, config.strand, &model, &wanted)?)
        }
        None => None,
    };
    let behind = |member: usize, engine| match &explained {
        Some(explained) => explained.engine(member, engine, cancel),
        None => engine,
    };
    let engines = chosen.of_members_behind(config.threads, model.members(), cancel, &behind)?;
    let out = OutputDir::create(&config.out, config.existing)?;
    if lost.is_some() {
        out.reserve(&[lift::REJECTED])?;
    }
    let started = Instant::now();
    let mut job = pipeline::Job {
        key: provenance::job_key(config, &model, chosen.name(), &fasta, &regions, &layout)?,
        layout,
        outputs: config.outputs,
        fasta: &fasta,
        regions,
        out,
        shard: config.shard,
        resume: config.existing.resume,
        checkpoint_every: config.checkpoint_every,
    };
    let sink = job.score(engines, progress, cancel)?;
    let counts = sink.counts();
    let mut left = None;
    if config.shard.is_some() {
        left = Some(merge::leave_shard(&mut job, sink)?);
    } else {
        sink.finish(&mut job.regions, &job.layout, &mut job.out)?;
    }
    let ranked = against::rank(config, (annotations, &read), &mut job, counts.bases, cancel)?;
    let seconds = started.elapsed().as_secs_f64();
    let elsewhere = lift::write(config, lost.as_mut(), &mut job.out)?;
    if let (Some(left), Some(_)) = (&mut left, &lost) {
        left.rejected = Some(Seal::of_file(&job.out.partial().join(lift::REJECTED))?);
    }
    let done = (&counts, seconds);
    let mut run = provenance::describe(config, &model, chosen.name(), &job, done, left);
    let completeness = explained.as_ref().and_then(Attributions::completeness);
    if let Some(error) = completeness {
        run.counts.extend(job::map(json!({
            "mean_completeness_error": error.mean(),
            "largest_completeness_error": error.largest,
        })));
    }
    run.inputs.extend(
        annotations
            .iter()
            .map(|a| InputFile::whole("annotation", &a.path)),
    );
    let not_lifted = lost.as_ref().map(Rejects::tally);
    lift::describe(config, not_lifted, &mut run);
    if let Some(ranked) = ranked {
        run.results.insert("enrichment".into(), ranked);
    }
    let by_status = provenance::by_status(&job.regions);
    let regions = job.regions.rows() as u64;
    if cancel.is_requested() {
        return Err(JobError::Interrupted {
            kept: config.existing.resume,
        }
        .into());
    }
    let mut files = job.out.commit(run)?;
    if let Some(elsewhere) = elsewhere {
        files.push(elsewhere.keep()?);
    }
    Ok(Summary {
        regions,
        by_status,
        not_lifted: not_lifted.cloned(),
        windows: counts.windows,
        with_unknown: counts.with_unknown,
        left_out: counts.left_out,
        bases: counts.bases,
        completeness,
        files,
        seconds,
    })
}

/// Compares the index with the FASTA for the contigs that are used, before hours of scoring.
fn check_contigs(fasta: &Fasta, regions: &Regions) -> Result<(), Error> {
    let mut used: Vec<u32> = regions.scorable.iter().map(|r| r.contig).collect();
    used.sort_unstable();
    used.dedup();
    let mut reader = fasta.reader()?;
    for id in used {
        fasta.check_contig(&mut reader, id)?;
    }
    Ok(())
}
