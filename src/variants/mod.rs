//! Variants: what each allele changes, how unusual that is, and which come first.
//!
//! Records of a VCF, BCF or BED are read in pieces (`input`); workers, one a thread, read their first
//! columns (`records`), compare REF with the genome (`allele`), score them (`effects`) and write them as they
//! came, with INFO fields added (`annotate`, `info`); the calling thread takes the pieces in order ([`crate::job::in_order`]) and writes
//! them out (`output`), and the rows of the table into a temporary file from which they are ranked
//! (`rank`). So memory does not grow with the input, but for 40 bytes an allele where there is a
//! table.
//!
//! - **effect** of an allele: activity of the alternative haplotype - activity of the reference,
//!   mean over the windows. For a single-base change it is the engine's saturation effect.
//! - **p**: the share of a background's |effects| at least as large (`background`).
//!
//! Positions are 1-based in VCF and in tables, 0-based in BED and inside.

mod allele;
mod annotate;
mod background;
mod build;
mod clump;
mod combine;
mod config;
mod counts;
mod effects;
pub mod enrich;
mod error;
mod fields;
pub mod gwas;
mod haplotype;
mod heading;
mod info;
mod input;
mod journal;
mod judge;
mod lift;
mod output;
mod plots;
mod rank;
mod records;
mod sample;
mod setup;
mod windows;

pub use allele::{Change, Skip, change, is_acgt, is_allele};
pub use clump::Clump;
pub use combine::Combine;
pub use config::{BackgroundConfig, BackgroundSource, Plots, Scoring, VariantsConfig};
pub use error::VariantError;
pub use input::VariantSource;
pub use journal::LongRun;
pub use rank::RankBy;
pub use windows::Windows;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use self::annotate::{Annotated, Annotator, Shared};
use self::background::Background;
use self::counts::Counts;
use self::effects::Scorer;
use self::fields::Fields;
use self::heading::heading;
use self::input::Input;
use self::journal::{Journal, Left};
use self::output::{Format, Writer};
use self::rank::{Columns, Ranked, Ranking};
use self::sample::Sample;
use self::setup::Setup;
use crate::Error;
use crate::intervals::{Annotation, Named, Placed};
use crate::job::{Cancel, InputFile, Progress};
use crate::liftover::{Chains, LiftoverConfig, Tally};
use crate::output::{Existing, OutputDir, WholeFile, check_file};
use crate::vcf::Header;

/// What a finished job has done.
#[derive(Clone, Debug)]
pub struct VariantsSummary {
    /// Records read and written.
    pub records: u64,
    /// ALT alleles (changes, for positions).
    pub alleles: u64,
    /// Those with effects.
    pub scored: u64,
    /// Those without, by reason; reasons that occur.
    pub skipped: Vec<(Skip, u64)>,
    /// Records whose REF was compared with the genome, and those that differ.
    pub compared: (u64, u64),
    /// Alleles that were listed more than once and are ranked once; 0 where nothing is ranked.
    pub repeated: u64,
    /// Records, and positions of a BED, that could not be lifted to the build of the FASTA, by reason;
    /// nothing where none was to be.
    pub not_lifted: Option<Tally>,
    /// Values that BCF cannot hold as the VCF has them.
    pub changed: u64,
    /// The engine's word.
    pub engine: &'static str,
    /// Changes in the background, what it was sampled from, and the seed.
    pub background: Option<(usize, String, u64)>,
    /// Whether the records were sorted; without that there is no index.
    pub sorted: bool,
    /// The files written.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds, background included.
    pub seconds: f64,
}

/// Scores variants.
///
/// # Errors
/// For everything that can be wrong with the model, the FASTA, the variants and the outputs; when
/// all records lie on contigs that the FASTA lacks, or every REF differs from the genome. No file
/// is in place then.
pub fn run(
    config: &VariantsConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<VariantsSummary, Error> {
    check(config)?;
    let started = Instant::now();
    let scoring = &config.scoring;
    let setup = {
        let explained = config.plots.as_ref().and_then(|plots| plots.attribution);
        Setup::open(scoring, config.table.is_some(), explained, cancel)?
    };
    let rank_task = match &config.rank_by {
        RankBy::Task(name) => Some(setup.task(name)?),
        _ => None,
    };
    let contigs = setup.fasta.contigs().clone();
    let mut input = Input::open(&config.source)?;
    let chains = chains(config, &input, &setup)?;
    let annotations = annotations_of(&config.annotations, &setup, scoring)?;
    let (mut setup, sample) = setup.with_background(scoring, cancel)?;
    if config.rank_by == RankBy::P && sample.is_none() {
        let text = "ranking by p needs a background".to_owned();
        return Err(VariantError::Setting(text).into());
    }

    let saved = save(sample.as_ref(), scoring, config.force)?;
    let described = sample
        .as_ref()
        .map(|s| (s.changes(), s.origin.regions.clone(), s.origin.seed));
    let fields = Fields::new(&setup.tasks, setup.ensemble, sample.is_some());
    let (header, bcf) = heading(config, &input, &setup, &fields, sample.as_ref(), cancel)?;
    let shared = Shared {
        name: input.name().to_owned(),
        is_bed: input.header().is_none(),
        names: input.names().cloned(),
        whole: bcf.is_none() || chains.is_some(),
        bcf,
        width: header.width(),
        lifting: chains.is_some(),
        contigs: &contigs,
        scoring,
        field_names: fields.all().into_iter().map(String::into_bytes).collect(),
        fields,
        background: sample
            .as_ref()
            .map(|s| Background::new(s, scoring.background.gc_bins)),
        combine: config.combine,
        annotations,
        rows: config.table.is_some() || config.plots.is_some(),
        rank_task,
    };
    let results_key = setup.results_key(scoring, sample.as_ref());
    drop(sample);

    // A part is not written as results.
    let mut outputs = match config.long.shard {
        Some(_) => None,
        None => {
            let mut outputs = Outputs::create(config, &setup, &shared, &header)?;
            outputs.open_rejects(config, &input)?;
            Some(outputs)
        }
    };
    let mut explainer = setup.explainer.take();
    let mut annotators: Vec<Annotator<'_>> = std::mem::take(&mut setup.scorers)
        .into_iter()
        .map(|scorer| Annotator::new(&shared, scorer).lifting(chains.as_ref(), &setup.fasta))
        .collect::<Result<_, Error>>()?;
    let size = config.source.path().metadata();
    progress.start(size.map_or(0, |m| if m.is_file() { m.len() } else { 0 }));
    let job = || job_key(config, &shared, results_key);
    let watched = (progress, cancel);
    let (counts, left) = annotate(
        config,
        job,
        &mut input,
        &mut annotators,
        &mut outputs,
        watched,
    )?;
    progress.finish();
    let not_lifted = chains.is_some().then(|| counts.lost.clone());
    let (mut files, mut repeated, mut sorted) = (Vec::new(), 0, true);
    match (left, outputs) {
        (Left::Results(journal), Some(mut outputs)) => {
            judge::lifting(&counts, &shared, chains.as_ref())?;
            let told = told(&input, &setup, scoring);
            judge::records(&counts, &shared, told.filter(|_| chains.is_none()))?;
            outputs.others.extend(saved);
            sorted = outputs.writer.is_sorted();
            let scorer = (explainer.as_mut()).or(annotators.first_mut().map(|a| &mut a.scorer));
            let of_scorer = (scorer, not_lifted.as_ref());
            (files, repeated) = outputs.finish(config, &setup, &shared, of_scorer, cancel)?;
            journal.map(Journal::remove).transpose()?;
        }
        (Left::Part(path), _) => {
            files.push(path);
            if let Some(saved) = saved {
                files.push(saved.keep()?);
            }
        }
        (Left::Results(_), None) => {}
    }
    Ok(VariantsSummary {
        records: counts.records,
        alleles: counts.alleles,
        scored: counts.scored,
        skipped: (Skip::ALL.into_iter())
            .map(|s| (s, counts.skipped[s as usize]))
            .filter(|(_, n)| *n > 0)
            .collect(),
        compared: (counts.compared, counts.mismatches),
        repeated,
        not_lifted,
        changed: counts.changed.0,
        engine: setup.engine,
        background: described,
        sorted,
        files,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Refuses settings and outputs before anything is read.
fn check(config: &VariantsConfig) -> Result<(), Error> {
    Format::of(&config.out)?;
    config
        .long
        .check(config.source.path(), &config.out, config.plots.is_some())?;
    let name = config.long.name(&config.out);
    let mut paths: Vec<&Path> = vec![&name];
    paths.extend(config.table.as_deref());
    let rejects = lift::rejects_path(config)?;
    paths.extend(rejects.as_deref());
    paths.extend(config.scoring.background.save.as_deref());
    let mut inputs = scoring_inputs(&config.scoring, &config.annotations);
    inputs.push(config.source.path());
    inputs.extend(config.liftover.as_ref().map(|l| l.chains.as_path()));
    check_outputs(&paths, config.force, &inputs)?;
    if let Some(plots) = &config.plots {
        OutputDir::check(&plots.folder, existing(config))?;
    }
    Ok(())
}

/// Files that a job reads beside its variants.
fn scoring_inputs<'a>(scoring: &'a Scoring, annotations: &'a [Named]) -> Vec<&'a Path> {
    let mut paths = scoring.inputs();
    paths.extend(annotations.iter().map(|a| a.path.as_path()));
    paths
}

/// Refuses files that are there already, unless they are to be replaced, those that are read, and one name for two of them.
fn check_outputs(paths: &[&Path], force: bool, inputs: &[&Path]) -> Result<(), VariantError> {
    for (i, path) in paths.iter().enumerate() {
        check_file(path, force, inputs)?;
        if paths[..i].contains(path) {
            let text = format!("two outputs are called {}", path.display());
            return Err(VariantError::Setting(text));
        }
    }
    Ok(())
}

/// Names of annotations with the SHA-256 of their files, for who compares two jobs.
fn annotations_key(named: &[Named]) -> Value {
    let one = |named: &Named| json!([named.name, InputFile::whole("", &named.path).sha256]);
    named.iter().map(one).collect()
}

fn existing(config: &VariantsConfig) -> Existing {
    Existing {
        force: config.force,
        resume: false,
    }
}

/// The chains that records are lifted by, if they are. If not, and files are plainly of different
/// builds, a warning says so at once.
fn chains(config: &VariantsConfig, input: &Input, setup: &Setup) -> Result<Option<Chains>, Error> {
    let scoring = &config.scoring;
    if let Some(liftover) = &config.liftover {
        let (path, header) = (&liftover.chains, input.header());
        return lift::open(path, &scoring.aliases, &setup.fasta, header).map(Some);
    }
    if let Some(told) = told(input, setup, scoring).filter(|told| told.sure) {
        tracing::warn!("{}", told.text);
    }
    Ok(None)
}

/// What tells that the variants are of another build than the FASTA.
fn told(input: &Input, setup: &Setup, scoring: &Scoring) -> Option<build::Told> {
    let genome = (&**setup.fasta.contigs(), &scoring.aliases);
    build::differs(input.name(), input.header(), genome)
}

fn annotations_of(
    named: &[Named],
    setup: &Setup,
    scoring: &Scoring,
) -> Result<Vec<(String, Placed)>, Error> {
    let (contigs, aliases) = (setup.fasta.contigs(), &scoring.aliases);
    (named.iter())
        .map(|named| {
            let intervals = Annotation::read(&named.path)?;
            let placed = intervals.placed(contigs, aliases, setup.fasta.path())?;
            Ok((named.name.clone(), placed))
        })
        .collect()
}

/// Scores all records; memory does not grow with them, but for what the ranking keeps.
fn annotate(
    config: &VariantsConfig,
    job: impl FnOnce() -> Value,
    input: &mut Input,
    annotators: &mut [Annotator<'_>],
    outputs: &mut Option<Outputs>,
    (progress, cancel): (&dyn Progress, &Cancel),
) -> Result<(Counts, Left), Error> {
    let workers: Vec<_> = annotators
        .iter_mut()
        .map(|a| move |piece: input::Piece| a.run(&piece))
        .collect();
    let watch = input.watch();
    let mut reported = 0;
    let mut counts = Counts::default();
    let left = journal::drive(
        (&config.long, &config.out, job),
        input,
        |input| Ok(input.next()?),
        workers,
        |done: Annotated| {
            if let Some(outputs) = outputs {
                outputs.append(&done)?;
            }
            counts.add(&done.counts);
            watch.tell(progress, &mut reported);
            Ok(())
        },
        cancel,
    )?;
    Ok((counts, left))
}

/// Everything that the pieces of a job depend on.
fn job_key(config: &VariantsConfig, shared: &Shared<'_>, results: Value) -> Value {
    let hash = |path: &Path| InputFile::whole("", path).sha256;
    json!({
        "results": results,
        "input": hash(config.source.path()),
        "bcf": shared.bcf.is_some(),
        "liftover": config.liftover.as_ref().map(LiftoverConfig::sha256),
        "table": shared.rows,
        "rank_task": shared.rank_task,
        "combine": config.combine.as_str(),
        "annotations": annotations_key(&config.annotations),
    })
}

/// Everything that a job writes.
struct Outputs {
    name: String,
    format: Format,
    writer: Writer,
    table: Option<WholeFile>,
    ranking: Option<Ranking>,
    /// p-values that the background can give.
    levels: Vec<f64>,
    others: Vec<WholeFile>,
    /// Where records go that could not be lifted.
    rejects: Option<(WholeFile, BufWriter<File>)>,
}

impl Outputs {
    fn create(
        config: &VariantsConfig,
        setup: &Setup,
        shared: &Shared<'_>,
        header: &Header,
    ) -> Result<Self, VariantError> {
        let levels = shared
            .background
            .as_ref()
            .map_or_else(Vec::new, Background::p_values);
        if let Some(background) = &shared.background {
            let (changes, parts) = background.smallest();
            if parts > 1 {
                tracing::info!(
                    "{parts} parts of the background by GC, of {changes} changes or more"
                );
            }
        }
        let longest = shared.contigs.iter().map(|c| c.length).max().unwrap_or(0);
        let ranking = match shared.rows {
            true => {
                let folder = spool_folder(config);
                Some(Ranking::new(&folder, setup.tasks.len(), levels.len())?)
            }
            false => None,
        };
        Ok(Self {
            name: shared.name.clone(),
            format: Format::of(&config.out)?,
            writer: Writer::create(
                &config.out,
                header,
                shared.bcf.as_ref().map(|bcf| &bcf.names),
                longest,
                config.force,
            )?,
            table: (config.table.as_deref())
                .map(|path| WholeFile::create(path, config.force))
                .transpose()?,
            ranking,
            levels,
            others: Vec::new(),
            rejects: None,
        })
    }

    /// Opens the file for what cannot be lifted, if there is to be one.
    fn open_rejects(&mut self, config: &VariantsConfig, input: &Input) -> Result<(), VariantError> {
        if let Some(path) = lift::rejects_path(config)? {
            let whole = WholeFile::create(&path, config.force)?;
            let mut file = BufWriter::new(whole.file()?);
            (file.write_all(&lift::rejects_header(input.header())))
                .map_err(|e| VariantError::Write(e, path))?;
            self.rejects = Some((whole, file));
        }
        Ok(())
    }

    fn append(&mut self, done: &Annotated) -> Result<(), VariantError> {
        let was_sorted = self.writer.is_sorted();
        self.writer.append(&done.bytes, &done.places)?;
        let indexed = matches!(self.format, Format::Bgzip | Format::Bcf);
        if was_sorted && !self.writer.is_sorted() && indexed {
            tracing::warn!(
                "{} is not sorted: it is scored in its own order, without an index",
                self.name
            );
        }
        if let Some(ranking) = &mut self.ranking {
            ranking.append(&done.rows)?;
        }
        if let Some((whole, file)) = &mut self.rejects {
            let written = file.write_all(&done.rejects);
            written.map_err(|e| VariantError::Write(e, whole.path().into()))?;
        }
        Ok(())
    }

    /// Ranks, draws and gives all files their names.
    fn finish(
        mut self,
        config: &VariantsConfig,
        setup: &Setup,
        shared: &Shared<'_>,
        (scorer, not_lifted): (Option<&mut Scorer>, Option<&Tally>),
        cancel: &Cancel,
    ) -> Result<(Vec<PathBuf>, u64), Error> {
        let columns = Columns {
            tasks: &setup.tasks,
            ensemble: setup.ensemble,
            by: &config.rank_by,
            combine: config.combine,
            levels: self.levels,
            threads: config.scoring.threads,
            clump: config.clump.as_ref(),
        };
        let most = config.plots.as_ref().map_or(0, |p| p.top);
        let genome = (shared.contigs, &config.scoring.aliases);
        let ranked = match self.ranking {
            Some(ranking) => {
                ranking.finish(&columns, self.table.as_ref(), (most, genome), cancel)?
            }
            None => Ranked::default(),
        };
        let mut drawn = None;
        if let (Some(plots), Some(scorer)) = (&config.plots, scorer) {
            let mut folder = OutputDir::create(&plots.folder, existing(config))?;
            plots::draw(
                &ranked.top,
                shared,
                &setup.tasks,
                scorer,
                &mut folder,
                cancel,
            )?;
            drawn = Some(folder);
        }
        cancel.check()?;
        if let Some((whole, mut file)) = self.rejects.take() {
            let flushed = file.flush();
            flushed.map_err(|e| VariantError::Write(e, whole.path().into()))?;
            self.others.push(whole);
        }
        let others = self.others.into_iter().chain(self.table).collect();
        let mut files = self.writer.finish(others)?;
        if let Some(folder) = drawn {
            let mut run = setup.describe(&config.scoring, "variants");
            run.input("variants", config.source.path());
            for named in &config.annotations {
                run.input("annotation", &named.path);
            }
            if let (Some(liftover), Some(lost)) = (&config.liftover, not_lifted) {
                run.input("chain", &liftover.chains);
                let count = lost.object().into();
                run.counts.insert("rows_not_lifted".into(), count);
            }
            files.extend(folder.commit(run)?);
        }
        Ok((files, ranked.repeated))
    }
}

/// Writes the background to where it is to be saved, under a temporary name.
///
/// # Errors
/// When it cannot be written.
fn save(
    sample: Option<&Sample>,
    scoring: &Scoring,
    replace: bool,
) -> Result<Option<WholeFile>, VariantError> {
    let (Some(sample), Some(path)) = (sample, &scoring.background.save) else {
        return Ok(None);
    };
    let whole = WholeFile::create(path, replace)?;
    sample
        .write(whole.file()?)
        .map_err(|e| VariantError::Write(e, path.clone()))?;
    Ok(Some(whole))
}

/// Rows wait beside the table: there is room for as much as that takes.
fn spool_folder(config: &VariantsConfig) -> PathBuf {
    match config.table.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        Some(_) => ".".into(),
        None => std::env::temp_dir(),
    }
}
