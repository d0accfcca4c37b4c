//! GWAS and fine-mapping tables: the predicted effect of every row's effect allele, and which variant of a
//! locus it may be.
//!
//! Rows are read one after the other (`rows`), their alleles laid on the genome (`align`), scored by workers,
//! and written with what was found behind their own cells (`output`); they wait in a temporary file, since a
//! variant's place among those of its locus (`loci`) is known at the end. Memory holds 64 bytes a row.
//!
//! - **effect**: activity of the effect allele - activity of the other, as the table's own effects.
//! - **locus**: what lies within a distance of the best association (and in disequilibrium with it, where
//!   there are genotypes), or a credible set.
//! - **posterior** of a variant in its locus: its PIP, or Wakefield's approximate Bayes factor (2009) where
//!   there is none, times -ln of the p-value of its predicted effect, over the sum of these in the locus.
//!   -ln(p) has the mean 1 over a background of changes that p was taken from: it calibrates p to an e-value
//!   (Vovk and Wang 2021, section 2).

mod align;
mod loci;
mod output;
mod rows;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::loci::Loci;
use self::output::Outputs;
use self::rows::{Reader, Scored, Worker};
use super::allele::Skip;
use super::background::Background;
use super::build;
use super::clump::{Clump, FilesetAlleles, Genotypes, beside};
use super::combine::Combine;
use super::config::Scoring;
use super::journal::{self, Journal, Left, LongRun};
use super::output::added;
use super::setup::Setup;
use super::{VariantError, annotations_key, annotations_of, check_outputs, scoring_inputs};
use crate::Error;
use crate::genome::{Aliases, Build, Contigs};
use crate::intervals::{Named, Placed};
use crate::job::{self, Cancel, InputFile, Progress};
use crate::liftover::{Chains, LiftoverConfig, Lost, Tally};
use crate::sumstats::{Role, SumTable};

/// The job of `mpra-score variants --sumstats`.
#[derive(Clone, Debug)]
pub struct GwasConfig {
    /// How alleles are scored.
    pub scoring: Scoring,
    /// The associations.
    pub table: SumTable,
    /// Columns whose values tell traits or cohorts apart: rows that differ there are never of one locus.
    pub groups: Vec<String>,
    /// What is one locus, where there are no credible sets.
    pub clump: Clump,
    /// The largest p-value that begins a locus.
    pub lead_p: f64,
    /// Lift the rows' positions to the build of the FASTA.
    pub liftover: Option<LiftoverConfig>,
    /// The table with what was found, tabs between cells (`.gz`: bgzip); `-` for standard output.
    pub out: PathBuf,
    /// The variants of the loci, ranked.
    pub candidates: Option<PathBuf>,
    /// How p-values of tasks become one.
    pub combine: Combine,
    /// Named intervals.
    pub annotations: Vec<Named>,
    /// Whether it is a long run's part, or goes on.
    pub long: LongRun,
    /// Replace what is there.
    pub force: bool,
}

/// What a finished job has done.
#[derive(Clone, Debug)]
pub struct GwasSummary {
    /// Rows.
    pub rows: u64,
    /// Those with an effect.
    pub scored: u64,
    /// The others, by reason.
    pub skipped: Vec<(Status, u64)>,
    /// Scored rows whose effect allele is the genome's.
    pub reference_effect: u64,
    /// Scored rows told on the other strand, and those of which the strand cannot be told.
    pub complement: u64,
    /// Palindromes: A and T, or C and G.
    pub palindromes: u64,
    /// Rows that could not be lifted, by reason; nothing where none was to be.
    pub not_lifted: Option<Tally>,
    /// The columns that were read, by what they hold.
    pub columns: Vec<(&'static str, String)>,
    /// Loci.
    pub loci: usize,
    /// Variants in them.
    pub candidates: usize,
    /// What a locus is.
    pub locus_by: &'static str,
    /// The engine's word.
    pub engine: &'static str,
    /// Changes in the background, what it was sampled from, and the seed.
    pub background: Option<(usize, String, u64)>,
    /// The files written.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Why a row has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// As for a record of a VCF.
    Skip(Skip),
    /// The row does not say where it lies.
    NoPosition,
    /// It has no alleles, or they are no bases and stand alone.
    NoAlleles,
    /// It names the effect allele alone, and that is the genome's.
    NoOtherAllele,
    /// Alleles are anything but A, C, G, T (PLINK's I and D).
    AllelesNotAcgt,
    /// The genome begins with both: a deletion, or an insertion of what is there already.
    BothAlleles,
    /// The row is of a covariate (PLINK's TEST).
    OtherTerm,
    /// Its place is not in the build of the FASTA.
    NotLifted(Lost),
}

impl Status {
    /// The word in the column `MPRA_STATUS`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip(skip) => skip.as_str(),
            Self::NoPosition => "no_position",
            Self::NoAlleles => "no_alleles",
            Self::NoOtherAllele => "no_other_allele",
            Self::AllelesNotAcgt => "alleles_not_acgt",
            Self::BothAlleles => "both_alleles_match",
            Self::OtherTerm => "other_term",
            Self::NotLifted(_) => "not_lifted",
        }
    }
}

/// Scores the rows of a table.
///
/// # Errors
/// For everything that can be wrong with the model, the FASTA, the table and the outputs; when no row lies on a
/// contig that the FASTA has. No file is in place then.
pub fn run(
    config: &GwasConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<GwasSummary, Error> {
    check(config)?;
    let started = Instant::now();
    let mut reader = Reader::open(config)?;
    let setup = Setup::open(&config.scoring, false, None, cancel)?;
    let chains = (config.liftover.as_ref())
        .map(|liftover| chains(&liftover.chains, config, &setup))
        .transpose()?;
    let annotations = annotations_of(&config.annotations, &setup, &config.scoring)?;
    let (mut setup, sample) = setup.with_background(&config.scoring, cancel)?;
    let saved = super::save(sample.as_ref(), &config.scoring, config.force)?;
    let described =
        (sample.as_ref()).map(|s| (s.changes(), s.origin.regions.clone(), s.origin.seed));
    let background =
        (sample.as_ref()).map(|s| Background::new(s, config.scoring.background.gc_bins));
    let results_key = setup.results_key(&config.scoring, sample.as_ref());
    drop(sample);
    let contigs = setup.fasta.contigs().clone();
    let shared = Shared {
        fileset: std::mem::take(&mut reader.fileset),
        chains,
        contigs: &contigs,
        config,
        background,
        annotations,
        tasks: setup.tasks.clone(),
        kinds: reader.kind(),
    };
    let mut workers: Vec<Worker<'_>> = std::mem::take(&mut setup.scorers)
        .into_iter()
        .map(|scorer| Worker::new(&shared, scorer))
        .collect();
    let size = config.table.path.metadata();
    progress.start(size.map_or(0, |m| if m.is_file() { m.len() } else { 0 }));
    let mut outputs = match config.long.shard {
        Some(_) => None,
        None => Some(Outputs::create(config, &setup, reader.names())?),
    };
    let mut counts = Counts::default();
    let left = score(
        (config, || job_key(config, results_key)),
        &mut reader,
        &mut workers,
        (&mut outputs, &mut counts),
        (progress, cancel),
    )?;
    progress.finish();
    let (journal, outputs) = match (left, outputs) {
        (Left::Results(journal), Some(outputs)) => (journal, outputs),
        (left, _) => {
            let mut summary = counts.summary(config, &reader, &setup, described);
            if let Left::Part(path) = left {
                summary.files.push(path);
            }
            if let Some(saved) = saved {
                summary.files.push(saved.keep()?);
            }
            summary.seconds = started.elapsed().as_secs_f64();
            return Ok(summary);
        }
    };
    judge(config, &counts, &contigs, reader.build())?;

    let genotypes = genotypes(config, &outputs, &contigs)?;
    let loci = Loci::find(&outputs.keys, config, reader.kind(), genotypes.as_ref());
    cancel.check()?;
    let mut summary = GwasSummary {
        loci: loci.count,
        candidates: loci.candidates(),
        locus_by: loci.by,
        ..counts.summary(config, &reader, &setup, described)
    };
    let mut run = describe(config, &setup, &summary);
    summary.seconds = started.elapsed().as_secs_f64();
    run.seconds = Some(summary.seconds);
    summary.files = outputs.finish(config, &loci, saved, run, cancel)?;
    journal.map(Journal::remove).transpose()?;
    Ok(summary)
}

/// Reads the chains. Tables have codes of contigs more often than names: names with and without `chr` are one.
fn chains(path: &Path, config: &GwasConfig, setup: &Setup) -> Result<Chains, Error> {
    let aliases = match &config.scoring.aliases {
        Aliases::None => &Aliases::UcscEnsembl,
        told => told,
    };
    let chains = Chains::read(path, aliases).map_err(VariantError::from)?;
    chains.check(setup.fasta.path(), setup.fasta.contigs())?;
    Ok(chains)
}

/// What all threads share.
struct Shared<'a> {
    fileset: FilesetAlleles,
    chains: Option<Chains>,
    contigs: &'a Contigs,
    config: &'a GwasConfig,
    background: Option<Background>,
    annotations: Vec<(String, Placed)>,
    tasks: Vec<String>,
    kinds: Kinds,
}

/// What became of the rows.
#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    scored: u64,
    skipped: HashMap<Status, u64>,
    reference_effect: u64,
    complement: u64,
    palindromes: u64,
    /// Rows with alleles and a place on a contig of the FASTA, and those of them that fit the genome.
    compared: u64,
    fitting: u64,
    placed: u64,
    off_contig: u64,
    first_off: Option<String>,
    lost: Tally,
}

impl Counts {
    /// What is known before loci are.
    fn summary(
        &self,
        config: &GwasConfig,
        reader: &Reader,
        setup: &Setup,
        background: Option<(usize, String, u64)>,
    ) -> GwasSummary {
        GwasSummary {
            rows: self.rows,
            scored: self.scored,
            skipped: self.skipped(),
            reference_effect: self.reference_effect,
            complement: self.complement,
            palindromes: self.palindromes,
            not_lifted: config.liftover.as_ref().map(|_| self.lost.clone()),
            columns: reader.taken(),
            loci: 0,
            candidates: 0,
            locus_by: "distance",
            engine: setup.engine,
            background,
            files: Vec::new(),
            seconds: 0.0,
        }
    }

    /// The reasons, the most frequent first; why rows could not be lifted has a table of its own.
    fn skipped(&self) -> Vec<(Status, u64)> {
        let mut all: Vec<(Status, u64)> = Vec::new();
        for (status, n) in &self.skipped {
            match all.iter_mut().find(|(s, _)| s.as_str() == status.as_str()) {
                Some((_, sum)) => *sum += n,
                None => all.push((*status, *n)),
            }
        }
        all.sort_by_key(|(status, n)| (std::cmp::Reverse(*n), *status));
        all
    }
}

fn score(
    (config, job): (&GwasConfig, impl FnOnce() -> Value),
    reader: &mut Reader,
    workers: &mut [Worker<'_>],
    (outputs, counts): (&mut Option<Outputs>, &mut Counts),
    (progress, cancel): (&dyn Progress, &Cancel),
) -> Result<Left, Error> {
    let workers: Vec<_> = (workers.iter_mut())
        .map(|w| move |piece: rows::Piece| w.run(piece))
        .collect();
    let watch = reader.watch();
    let mut reported = 0;
    journal::drive(
        (&config.long, &config.out, job),
        reader,
        |reader| Ok(reader.next_piece()?),
        workers,
        |done: Vec<Scored>| {
            for row in &done {
                count(row, counts);
                if let Some(outputs) = outputs {
                    outputs.append(row)?;
                }
            }
            if let Some(watch) = &watch {
                watch.tell(progress, &mut reported);
            }
            Ok(())
        },
        cancel,
    )
}

/// Everything that the pieces of a job depend on.
fn job_key(config: &GwasConfig, results: Value) -> Value {
    let hash = |path: &Path| InputFile::whole("", path).sha256;
    // Alleles may come from there.
    let prefix = config.clump.genotypes.as_ref();
    let bim = prefix.and_then(|prefix| hash(&beside(prefix, ".bim")));
    json!({
        "results": results,
        "input": hash(&config.table.path),
        "columns": config.table.named.iter().map(|(r, n)| json!([r.as_str(), n])).collect::<Vec<_>>(),
        "zero_based": config.table.zero_based,
        "groups": config.groups,
        "genotypes": bim,
        "liftover": config.liftover.as_ref().map(LiftoverConfig::sha256),
        "combine": config.combine.as_str(),
        "annotations": annotations_key(&config.annotations),
    })
}

fn count(row: &Scored, counts: &mut Counts) {
    counts.rows += 1;
    match row.status {
        None => counts.scored += 1,
        Some(status) => *counts.skipped.entry(status).or_default() += 1,
    }
    if let Some(Status::NotLifted(lost)) = row.status {
        counts.lost.add(lost);
    }
    let mismatch = row.status == Some(Status::Skip(Skip::RefMismatch));
    counts.compared += u64::from(mismatch || row.aligned.is_some());
    counts.fitting += u64::from(row.aligned.is_some());
    if let Some(contig) = &row.off_contig {
        counts.off_contig += 1;
        counts.first_off.get_or_insert_with(|| contig.clone());
    }
    counts.placed += u64::from(row.placed);
    if let (None, Some(aligned)) = (row.status, &row.aligned) {
        counts.reference_effect += u64::from(!aligned.effect_is_alt);
        counts.complement += u64::from(aligned.complement);
        counts.palindromes += u64::from(aligned.is_palindrome());
    }
}

/// Refuses settings and outputs before anything is read.
fn check(config: &GwasConfig) -> Result<(), Error> {
    let setting = |text: &str| Err(VariantError::Setting(text.into()).into());
    if !(config.lead_p > 0.0 && config.lead_p <= 1.0) {
        return setting("the p-value of a locus' best association must lie between 0 and 1");
    }
    if !(config.clump.r2 > 0.0 && config.clump.r2 <= 1.0) {
        return setting("a squared correlation must lie between 0 and 1");
    }
    let name = config.out.to_string_lossy();
    if [".vcf", ".vcf.gz", ".bcf"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return setting("the output of --sumstats is a table: a name such as scored.tsv.gz");
    }
    config.long.check(&config.table.path, &config.out, false)?;
    let part = config.long.name(&config.out);
    let about = added(&config.out, "run.json");
    let mut paths: Vec<&Path> = vec![&part];
    if config.long.shard.is_none() && config.out.as_os_str() != "-" {
        paths.push(&about);
    }
    paths.extend(config.candidates.as_deref());
    let rejects = output::rejects_path(config)?;
    paths.extend(rejects.as_deref());
    paths.extend(config.scoring.background.save.as_deref());
    let mut inputs = scoring_inputs(&config.scoring, &config.annotations);
    inputs.push(&config.table.path);
    inputs.extend(config.liftover.as_ref().map(|l| l.chains.as_path()));
    Ok(check_outputs(&paths, config.force, &inputs)?)
}

/// Genotypes of what may be in a locus: near enough to an association that may begin one.
fn genotypes(
    config: &GwasConfig,
    outputs: &Outputs,
    contigs: &Contigs,
) -> Result<Option<Genotypes>, Error> {
    let Some(prefix) = &config.clump.genotypes else {
        return Ok(None);
    };
    let mut near: HashMap<u32, Vec<u32>> = HashMap::new();
    for key in outputs.keys.iter().filter(|k| k.may_lead(config.lead_p)) {
        near.entry(key.contig).or_default().push(key.position);
    }
    near.values_mut().for_each(|list| list.sort_unstable());
    let distance = config.clump.distance;
    let wanted = |contig: u32, at: u32| {
        near.get(&contig).is_some_and(|list| {
            let first = list.partition_point(|&p| p < at.saturating_sub(distance));
            list.get(first)
                .is_some_and(|&p| p <= at.saturating_add(distance))
        })
    };
    let all = Genotypes::read(prefix, (contigs, &config.scoring.aliases), wanted)?;
    tracing::info!("genotypes of {} sites near associations", all.len());
    Ok(Some(all))
}

/// Refuses results of which none means anything, and says where many may not.
fn judge(
    config: &GwasConfig,
    counts: &Counts,
    contigs: &Contigs,
    told: Option<(&'static Build, String)>,
) -> Result<(), Error> {
    let name = config.table.path.display().to_string();
    let build = match config.liftover {
        None => build::of_table(&name, told, contigs),
        Some(_) => None,
    };
    if counts.rows == 0 {
        tracing::warn!("no rows in {name}");
        return Ok(());
    }
    if counts.placed > 0 && counts.off_contig == counts.placed {
        let contig = counts.first_off.clone().unwrap_or_default();
        return Err(VariantError::NoContig {
            path: name,
            records: counts.placed,
            similar: contigs.similar(&contig).map(str::to_owned),
            contig,
        }
        .into());
    }
    if counts.compared > 0 && counts.fitting == 0 {
        return Err(VariantError::AllMismatch {
            path: name,
            records: counts.compared,
            build,
        }
        .into());
    }
    let without = counts.skipped.get(&Status::NoAlleles);
    if without == Some(&counts.rows) {
        return Err(VariantError::NoAlleles(name).into());
    }
    // Of alleles that do not belong there a half still fits, by chance or on the other strand.
    let misfits = counts.compared - counts.fitting;
    if misfits * 20 > counts.compared {
        tracing::warn!(
            "neither allele is the genome's in {misfits} of {} rows: {}",
            counts.compared,
            build
                .as_deref()
                .unwrap_or("is the FASTA of the same build?")
        );
    }
    if counts.off_contig > 0 {
        tracing::warn!(
            "{} of {} rows lie on contigs that the FASTA lacks, the first on {:?}",
            counts.off_contig,
            counts.rows,
            counts.first_off.as_deref().unwrap_or("")
        );
    }
    Ok(())
}

/// `run.json`.
fn describe(config: &GwasConfig, setup: &Setup, summary: &GwasSummary) -> job::RunInfo {
    let mut run = setup.describe(&config.scoring, "variants");
    run.input("sumstats", &config.table.path);
    for named in &config.annotations {
        run.input("annotation", &named.path);
    }
    if let Some(liftover) = &config.liftover {
        run.input("chain", &liftover.chains);
    }
    run.settings.extend(job::map(json!({
        "columns": summary.columns.iter().map(|(k, v)| json!([k, v])).collect::<Vec<_>>(),
        "zero_based": config.table.zero_based,
        "group_columns": config.groups,
        "locus_by": summary.locus_by,
        "clump_bases": config.clump.distance,
        "clump_r2": config.clump.genotypes.as_ref().map(|_| config.clump.r2),
        "genotypes": config.clump.genotypes.as_ref().map(|p| p.display().to_string()),
        "lead_p": config.lead_p,
        "combine": config.combine.as_str(),
        "background": summary.background.as_ref().map(|(n, from, _)| json!([n, from])),
    })));
    let skipped = summary.skipped.iter();
    run.counts = job::map(json!({
        "rows": summary.rows,
        "scored": summary.scored,
        "skipped": skipped.map(|(s, n)| (s.as_str(), *n)).collect::<HashMap<_, _>>(),
        "effect_allele_is_reference": summary.reference_effect,
        "other_strand": summary.complement,
        "palindromes": summary.palindromes,
        "rows_not_lifted": summary.not_lifted.as_ref().map(Tally::object),
        "loci": summary.loci,
        "candidates": summary.candidates,
    }));
    run
}

/// Whether a table has p-values or posterior probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds {
    association: bool,
    pip: bool,
    sets: bool,
}

impl Kinds {
    fn of(has: impl Fn(Role) -> bool) -> Self {
        let association = [Role::P, Role::LogP, Role::Z, Role::Beta, Role::ChiSquared];
        Self {
            association: association.into_iter().any(&has),
            pip: has(Role::Pip),
            sets: has(Role::Pip) && has(Role::CredibleSet),
        }
    }
}
