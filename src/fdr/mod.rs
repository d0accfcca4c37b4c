//! False discovery rates of a table of p-values (a GWAS), with importance or predicted effects as
//! side information (paper, future work).
//!
//! - Benjamini and Hochberg 1995;
//! - Storey's q-values, with the share of true nulls by the bootstrap method ([`pi0`]);
//! - independent hypothesis weighting ([`weighted`]): hypotheses are binned by a covariate, and
//!   weights of the bins are learnt from the p-values of other folds.
//!
//! What each assumes: `docs/fdr.md`.

mod covariate;
mod error;
mod folds;
mod output;
mod storey;
mod table;
mod weights;

pub use covariate::{Joined, LARGEST, join};
pub use error::FdrError;
pub use folds::{Bins, FoldBy, deal, deal_at_random};
pub use storey::{pi0, storey};
pub use table::{At, Hypotheses, PTable};
pub use weights::{SHARES, Weighted, weighted};

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use crate::Error;
use crate::genome::Aliases;
use crate::job::{self, Cancel, RunInfo};
use crate::output::{Existing, OutputDir};
use crate::stats::q_values;

/// A run of `mpra-score fdr`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The p-values, and the covariate if it is one of the table's columns.
    pub table: PTable,
    /// Else its file: VCF, BCF, bigWig or bedGraph, by its content.
    pub covariate: Option<PathBuf>,
    /// The INFO field [default: [`LARGEST`]].
    pub field: Option<String>,
    /// How contig names are brought together.
    pub aliases: Aliases,
    /// The level at which discoveries are counted and weights learnt, in 0..1.
    pub alpha: f64,
    /// Bins of the covariate, at most.
    pub bins: usize,
    /// Hypotheses a bin, at least.
    pub bin_size: usize,
    /// Folds, 3 to 50.
    pub folds: usize,
    /// What stays together in a fold.
    pub fold_by: FoldBy,
    /// Bases of a block.
    pub block: u32,
    /// Seed of random folds.
    pub seed: u64,
    /// Output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            table: PTable::default(),
            covariate: None,
            field: None,
            aliases: Aliases::None,
            alpha: 0.05,
            bins: 20,
            bin_size: 1500,
            folds: 5,
            fold_by: FoldBy::Auto,
            block: 5_000_000,
            seed: 1,
            out: "fdr".into(),
            force: false,
            command: Vec::new(),
        }
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rows of the table.
    pub rows: usize,
    /// Those with a p-value: the hypotheses tested.
    pub tests: usize,
    /// Tests with a covariate.
    pub with_covariate: usize,
    /// Bins of the covariate, that of missing ones not counted.
    pub bins: usize,
    /// What was kept together in folds.
    pub fold_by: &'static str,
    /// Storey's estimate.
    pub pi0: f64,
    /// Discoveries at alpha: Benjamini-Hochberg, Storey, weighted.
    pub discoveries: [usize; 3],
    /// Columns that were taken, by what they hold.
    pub columns: Vec<(&'static str, String)>,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// All that the tables need; vectors are one a test.
struct Results<'a> {
    config: &'a Config,
    all: &'a Hypotheses,
    /// Row of each test.
    rows: Vec<usize>,
    covariate: &'a [f64],
    bins: Bins,
    fold: Vec<u16>,
    bh: Vec<f64>,
    storey: Vec<f64>,
    weighted: Weighted,
}

/// Runs the three procedures and writes `fdr.tsv`, `summary.tsv`, `weights.tsv`, `weights.svg`,
/// `discoveries.svg` and `run.json`.
///
/// # Errors
/// For everything that can be wrong with the table, the covariate, settings and the output folder;
/// when no hypothesis has a covariate; when interrupted.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Summary, Error> {
    check(config)?;
    let started = Instant::now();
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let all = config.table.read()?;
    let joined = covariate(config, &all, cancel)?;
    let rows: Vec<usize> = (0..all.p.len()).filter(|&i| !all.p[i].is_nan()).collect();
    let x: Vec<f64> = rows.iter().map(|&i| joined.values[i]).collect();
    let (results, fold_by, pi0) = compute(config, &all, rows, &x)?;

    cancel.check()?;
    let mut out = OutputDir::create(&config.out, existing)?;
    output::write(&results, &mut out)?;
    let mut summary = Summary {
        rows: all.p.len(),
        tests: results.rows.len(),
        with_covariate: x.iter().filter(|x| !x.is_nan()).count(),
        bins: results.bins.ranges.iter().flatten().count(),
        fold_by,
        pi0,
        discoveries: results.discoveries(config.alpha),
        columns: all.columns.clone(),
        files: Vec::new(),
    };
    let mut run = describe(&results, &joined, &summary);
    run.seconds = Some(started.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

/// The covariate of every hypothesis, from its file or from the table itself.
fn covariate(config: &Config, all: &Hypotheses, cancel: &Cancel) -> Result<Joined, Error> {
    let path = &config.table.table.path;
    match &config.covariate {
        Some(file) => {
            let field = config.field.as_deref();
            join(path, all, file, field, &config.aliases, cancel)
        }
        None if all.covariate.iter().all(|x| x.is_nan()) => {
            let name = config.table.covariate.as_deref().unwrap_or_default();
            let text = format!("{}: column {name:?} holds no number", path.display());
            Err(FdrError::Setting(text).into())
        }
        None => Ok(Joined {
            values: all.covariate.clone(),
            source: "column",
            by: "row",
            other_alleles: 0,
        }),
    }
}

/// The three procedures on the hypotheses that have a p-value, `rows`, with their covariate. Also
/// what was kept together in folds, and Storey's estimate.
fn compute<'a>(
    config: &'a Config,
    all: &'a Hypotheses,
    rows: Vec<usize>,
    x: &'a [f64],
) -> Result<(Results<'a>, &'static str, f64), Error> {
    let p: Vec<f64> = rows.iter().map(|&i| all.p[i]).collect();
    let with_covariate = x.iter().filter(|x| !x.is_nan()).count();
    if with_covariate * 2 < x.len() {
        tracing::warn!(
            "only {with_covariate} of {} hypotheses have a covariate; the others are a group of their own",
            x.len()
        );
    }
    let bins = Bins::new(x, config.bins, config.bin_size);
    let ordered = bins.ranges.iter().flatten().count();
    if ordered < config.bins {
        tracing::warn!(
            "{ordered} bin(s) of the covariate instead of {}: {with_covariate} hypotheses, --bin-size {}, and equal values share a bin{}",
            config.bins,
            config.bin_size,
            match bins.len() {
                1 => "; with one bin all weights are 1",
                _ => "",
            }
        );
    }
    let (fold, fold_by) = folds(config, all, &rows)?;
    let pi0 = storey::pi0(&p);
    let results = Results {
        bh: q_values(&p),
        storey: storey(&p, pi0),
        weighted: weighted(&p, &bins, &fold, config.folds, config.alpha),
        config,
        all,
        rows,
        covariate: x,
        bins,
        fold,
    };
    Ok((results, fold_by, pi0))
}

/// `run.json`.
fn describe(results: &Results<'_>, joined: &Joined, summary: &Summary) -> RunInfo {
    let (config, all) = (results.config, results.all);
    let mut run = RunInfo::new("fdr", &config.command);
    run.input("pvalues", &config.table.table.path);
    run.inputs("covariate", &config.covariate);
    run.seed = Some(config.seed);
    run.settings = job::map(json!({
        "alpha": config.alpha,
        "bins": config.bins,
        "bin_size": config.bin_size,
        "folds": config.folds,
        "fold_by": summary.fold_by,
        "block": config.block,
        "zero_based": config.table.table.zero_based,
        "columns": all.columns.iter().map(|(k, v)| json!([k, v])).collect::<Vec<_>>(),
        "covariate_kind": joined.source,
        "joined_by": joined.by,
        "field": match joined.source {
            "vcf" => Some(config.field.as_deref().unwrap_or(LARGEST)),
            _ => None,
        },
    }));
    run.counts = job::map(json!({
        "rows": summary.rows,
        "without_p": summary.rows - summary.tests,
        "tests": summary.tests,
        "with_covariate": summary.with_covariate,
        "without_covariate": summary.tests - summary.with_covariate,
        "other_alleles": joined.other_alleles,
    }));
    run.results = job::map(json!({
        "pi0": summary.pi0,
        "discoveries": {
            "bh": summary.discoveries[0],
            "storey": summary.discoveries[1],
            "ihw": summary.discoveries[2],
        },
        "bins": (0..results.bins.len()).map(|b| json!({
            "bin": results.bins.name(b),
            "range": results.bins.ranges[b].map(|r| [r.0, r.1]),
            "tests": results.bins.counts[b],
        })).collect::<Vec<_>>(),
        "weights": results.weighted.weights,
        "shares": results.weighted.shares,
    }));
    run
}

fn check(config: &Config) -> Result<(), FdrError> {
    let fail = |text: &str| Err(FdrError::Setting(text.into()));
    if !(config.alpha > 0.0 && config.alpha < 1.0) {
        return fail("alpha must lie between 0 and 1");
    }
    if !(3..=50).contains(&config.folds) {
        return fail("weights need 3 to 50 folds");
    }
    if config.bins == 0 || config.bin_size == 0 || config.block == 0 {
        return fail("bins, their size and blocks must be at least 1");
    }
    if config.covariate.is_some() == config.table.covariate.is_some() {
        return fail("the covariate is either a file or a column of the table");
    }
    if config.field.is_some() && config.covariate.is_none() {
        return fail("an INFO field needs a VCF");
    }
    Ok(())
}

/// The fold of each test, and what was kept together.
fn folds(
    config: &Config,
    all: &Hypotheses,
    rows: &[usize],
) -> Result<(Vec<u16>, &'static str), FdrError> {
    let by = |by: FoldBy| -> Option<Vec<u16>> {
        if by == FoldBy::Random {
            return Some(deal_at_random(rows.len(), config.folds, config.seed));
        }
        // Hypotheses without place are kept together.
        let places = rows.iter().map(|&i| all.places.get(i).copied().flatten());
        let groups: Vec<Option<At>> = match by {
            FoldBy::Contig => places.map(|place| place.map(|p| (p.0, 0))).collect(),
            _ => places
                .map(|place| place.map(|p| (p.0, p.1 / config.block)))
                .collect(),
        };
        deal(&groups, config.folds)
    };
    if config.fold_by != FoldBy::Auto {
        let name = config.fold_by.as_str();
        return by(config.fold_by).map(|f| (f, name)).ok_or_else(|| {
            FdrError::Setting(format!(
                "{} folds need at least as many {name}s that hold hypotheses; try fewer --folds, or another --fold-by",
                config.folds
            ))
        });
    }
    for way in [FoldBy::Contig, FoldBy::Block] {
        // One contig with nearly all hypotheses would leave nothing to learn its weights from.
        let even = |fold: &[u16]| {
            let mut sizes = vec![0; config.folds];
            fold.iter().for_each(|f| sizes[usize::from(*f)] += 1);
            sizes.iter().all(|n| n * config.folds <= 2 * fold.len())
        };
        if let Some(fold) = by(way).filter(|f| way != FoldBy::Contig || even(f)) {
            return Ok((fold, way.as_str()));
        }
    }
    tracing::warn!(
        "{}; folds are dealt out at random, which takes hypotheses for independent",
        match all.places.is_empty() {
            true => "no columns of contig and position",
            false => "too few contigs and blocks for the folds",
        }
    );
    Ok((
        by(FoldBy::Random).unwrap_or_default(),
        FoldBy::Random.as_str(),
    ))
}
