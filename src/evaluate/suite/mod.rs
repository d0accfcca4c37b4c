//! A model before many judges, always beside the share of G and C and a regression on k-mers.
//!
//! A suite file (`spec`) names the judges. Each is read (`sheet`, `items`, `alleles`), predicted by the
//! models (`predict`) and the baselines (`kmers`), and compared (`judge`, `figures`).

mod alleles;
mod figures;
mod items;
mod judge;
mod kmers;
mod output;
mod predict;
mod sheet;
mod spec;

pub use figures::Who;
pub use output::SuiteRow;
pub use spec::{Kind, Pool};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Bootstrap, Common, EvaluateError, Predictor};
use crate::genome::{Aliases, Fasta};
use crate::job::{self, Cancel, InputFile, Progress, RunInfo};
use crate::output::OutputDir;
use crate::{Error, genome};

use items::{Genome, Sources};
use judge::{Bench, Judged};
use predict::Ready;

/// A run of [`super::run_suite`].
#[derive(Clone, Debug)]
pub struct SuiteConfig {
    /// The suite file.
    pub suite: PathBuf,
    /// The genome, instead of the suite's.
    pub fasta: Option<PathBuf>,
    /// How contig names are brought together.
    pub aliases: Aliases,
    /// Bootstrap replicates, instead of the suite's.
    pub replicates: Option<u64>,
    /// The share of an interval, instead of the suite's.
    pub share: Option<f64>,
    /// The seed, instead of the suite's.
    pub seed: Option<u64>,
    /// The rest. `map` and the baseline's have pairs (task of the suite, task of the model);
    /// `bootstrap` is not used.
    pub common: Common,
}

/// What a suite found.
#[derive(Clone, Debug)]
pub struct SuiteSummary {
    /// The rows of `judges.tsv`.
    pub rows: Vec<SuiteRow>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Judges with how many items are left out, by reason.
    pub left_out: Vec<(String, BTreeMap<&'static str, u64>)>,
}

pub(super) fn run(
    config: &SuiteConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<SuiteSummary, Error> {
    let common = &config.common;
    OutputDir::check(&common.out, common.existing)?;
    let suite = spec::read(&config.suite)?;
    let default = Bootstrap::default();
    let bootstrap = Bootstrap {
        replicates: (config.replicates.or(suite.bootstrap)).unwrap_or(default.replicates),
        share: config.share.or(suite.interval).unwrap_or(default.share),
        seed: config.seed.or(suite.seed).unwrap_or(default.seed),
    };
    let predictors = Predictor::open(common)?;
    let mut maps = vec![common.map.as_slice()];
    maps.extend(common.baseline.iter().map(|b| b.map.as_slice()));
    check_maps(&suite.judges, &maps)?;
    let fasta = config.fasta.as_ref().or(suite.fasta.as_ref());
    let genome = fasta.map(|path| open(path, &config.aliases)).transpose()?;
    let windows: Vec<usize> = predictors.iter().map(|p| p.model.window()).collect();
    let mut models: Vec<Ready<'_>> = (predictors.iter())
        .map(|predictor| Ready::new(predictor, common.batch))
        .collect();
    let mut all: Vec<Judged> = Vec::new();
    let mut rows = Vec::new();
    for judge in &suite.judges {
        cancel.check()?;
        let above: Vec<_> = suite.judges.iter().zip(&all).collect();
        let judged = judge::run(
            judge,
            &mut Bench {
                sources: Sources {
                    genome: genome.as_ref(),
                    windows: &windows,
                },
                models: &mut models,
                maps: &maps,
                above: &above,
                bootstrap: &bootstrap,
                progress,
                cancel,
            },
        )?;
        rows.extend(output::rows(judge, &judged, &bootstrap));
        all.push(judged);
    }
    if predictors.len() > 1 && !rows.iter().any(|row| row.predictor == "baseline") {
        return Err(EvaluateError::Setting(
            "the baseline has none of the suite's tasks: --baseline-map TASK=TASK pairs them"
                .into(),
        )
        .into());
    }
    progress.finish();
    let mut out = OutputDir::create(&common.out, common.existing)?;
    output::write(&mut out, &suite.judges, &all, &rows)?;
    let mut run = RunInfo::new("evaluate", &common.command);
    run.input("suite", &config.suite);
    let mut seen: Vec<&PathBuf> = Vec::new();
    for path in all.iter().flat_map(|judged| &judged.files) {
        if !seen.contains(&path) {
            seen.push(path);
            run.input("measured", path);
        }
    }
    run.inputs
        .extend(fasta.map(|path| InputFile::sized("fasta", path)));
    run.models = predictors.iter().flat_map(Predictor::used).collect();
    run.onnxruntime = predictors.first().map(|p| p.model.runtime().used());
    run.settings = job::map(json!({
        "judges": suite.judges.iter().map(output::settings).collect::<Vec<Value>>(),
        "engines": models.iter().map(Ready::engine).collect::<Vec<_>>(),
        "maps": maps,
        "bootstrap": bootstrap.replicates,
        "interval": bootstrap.share,
    }));
    run.seed = Some(bootstrap.seed);
    run.threads = Some(common.threads.get());
    run.counts = (suite.judges.iter().zip(&all))
        .map(|(judge, judged)| {
            let counts = json!({"used": judged.used, "left_out": judged.left_out});
            (judge.name.get_ref().clone(), counts)
        })
        .collect();
    cancel.check()?;
    let left_out = (suite.judges.iter().zip(all))
        .map(|(judge, judged)| (judge.name.get_ref().clone(), judged.left_out));
    Ok(SuiteSummary {
        left_out: left_out.collect(),
        files: out.commit(run)?,
        rows,
    })
}

fn open(path: &std::path::Path, aliases: &Aliases) -> Result<Genome, genome::GenomeError> {
    Ok(Genome {
        fasta: Fasta::open(path, false)?,
        aliases: aliases.clone(),
    })
}

/// # Errors
/// When a pair names a task that the suite does not have.
fn check_maps(judges: &[spec::Judge], maps: &[&[(String, String)]]) -> Result<(), EvaluateError> {
    let mut known: Vec<String> = (judges.iter().flat_map(|judge| &judge.cells))
        .flat_map(|cell| cell.task.list())
        .collect();
    known.sort_unstable();
    known.dedup();
    for (task, _) in maps.iter().flat_map(|map| map.iter()) {
        if !known.contains(task) {
            return Err(EvaluateError::Unknown {
                what: "task of the suite",
                name: task.clone(),
                known: known.join(", "),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
