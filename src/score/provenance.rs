//! `run.json`: what was run on what, with what outcome.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::counts::Counts;
use super::pipeline::Job;
use super::sink::SinkState;
use super::{Anchor, Layout, Outputs, RegionSource, ScoreConfig};
use crate::Error;
use crate::genome::{BedSource, Fasta, GenomeError, IndexSource, RegionStatus, Regions};
use crate::job::{self, RunInfo, Shard};
use crate::liftover::LiftoverConfig;
use crate::model::{Ensemble, Quantiles};
use crate::output::Seal;

/// Rows by status, those that occur.
pub(super) fn by_status(regions: &Regions) -> Vec<(RegionStatus, u64)> {
    RegionStatus::ALL
        .into_iter()
        .map(|status| {
            let count = regions.status.iter().filter(|s| **s == status).count();
            (status, count as u64)
        })
        .filter(|(status, count)| *count > 0 || *status == RegionStatus::Ok)
        .collect()
}

/// Everything that the results of a job depend on: two runs with the same key write the same
/// bytes.
///
/// # Errors
/// When the regions' temporary file cannot be read.
pub(super) fn job_key(
    config: &ScoreConfig,
    model: &Ensemble,
    engine: &str,
    fasta: &Fasta,
    regions: &Regions,
    layout: &Layout,
) -> Result<Value, Error> {
    let spec = model.spec();
    let mut rows = Sha256::new();
    for (label, status) in regions.labels()?.zip(&regions.status) {
        let label = label.map_err(|e| GenomeError::Read(e, config.out.clone()))?;
        rows.update(format!("{label}\t{}\n", status.as_str()));
    }
    let modified = config
        .fasta
        .metadata()
        .and_then(|m| m.modified())
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .map(|d| d.as_secs());
    Ok(json!({
        "version": crate::VERSION,
        "model": {
            "sha256": model.sha256(),
            "columns": spec.one_hot.length,
            "window": spec.window,
            "offset": spec.one_hot.offset,
            "alphabet": spec.alphabet,
            "output": config.model_options.reading(),
        },
        "onnxruntime": model.runtime().version(),
        "fasta": {
            "bytes": size(&config.fasta),
            "modified": modified,
            "contigs": fasta.contigs().sha256(),
        },
        "regions": job::hex(&rows.finalize()),
        "settings": settings(config, engine, layout),
        "shard": config.shard.map(|s| format!("{}/{}", s.index(), s.of())),
    }))
}

fn settings(config: &ScoreConfig, engine: &str, layout: &Layout) -> Value {
    json!({
        "tasks": layout.tasks,
        "mean_over": (config.mean_over.iter())
            .map(|(name, tasks)| (name.clone(), json!(tasks)))
            .collect::<Map<_, _>>(),
        "window": layout.lattice.window(),
        "stride": layout.lattice.stride(),
        "most_unknown": layout.lattice.most_unknown(),
        "anchor": match config.anchor {
            Anchor::Genome => "genome",
            Anchor::Region => "region",
        },
        "resize": config.rows.resize,
        "liftover": config.liftover.as_ref().and_then(LiftoverConfig::sha256),
        "strand": config.strand.as_str(),
        "engine": engine,
        "batch": config.batch,
        "method": (config.outputs.attribution).map_or("ism", |a| a.method.as_str()),
        "outputs": config.outputs,
    })
}

/// What `merge` has to know of a shard; stands in its `run.json` under `unfinished`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ShardNotes {
    pub shard: Shard,
    /// The job's key without the shard.
    pub job: Value,
    pub tasks: Vec<String>,
    /// Members of the ensemble.
    pub members: usize,
    pub quantiles: Quantiles,
    pub window: u32,
    pub stride: u32,
    pub outputs: Outputs,
    /// What its files held.
    pub files: SinkState,
    /// What its list of regions and that of contigs held, and that of regions that could not be lifted.
    pub rows: Seal,
    pub contigs: Seal,
    pub rejected: Option<Seal>,
}

/// What a shard leaves.
pub(super) struct Left {
    pub files: SinkState,
    pub rows: Seal,
    pub contigs: Seal,
    pub rejected: Option<Seal>,
}

impl ShardNotes {
    pub fn of(job: &Job<'_>, shard: Shard, left: Left) -> Self {
        let mut key = job.key.clone();
        key["shard"] = Value::Null;
        Self {
            shard,
            job: key,
            tasks: job.layout.tasks.clone(),
            members: job.layout.members.members,
            quantiles: job.layout.quantiles.clone(),
            window: job.layout.lattice.window(),
            stride: job.layout.lattice.stride(),
            outputs: job.outputs,
            files: left.files,
            rows: left.rows,
            contigs: left.contigs,
            rejected: left.rejected,
        }
    }
}

pub(super) fn describe(
    config: &ScoreConfig,
    model: &Ensemble,
    engine: &str,
    job: &Job<'_>,
    (counts, seconds): (&Counts, f64),
    left: Option<Left>,
) -> RunInfo {
    let mut run = RunInfo::new("score", &config.command);
    match &config.regions {
        RegionSource::Bed(BedSource::Text(rows)) => {
            run.settings.insert("regions".into(), rows.as_str().into());
        }
        RegionSource::Bed(source) => run.input("bed", source.name().as_ref()),
        RegionSource::WholeGenome => {}
    }
    run.inputs.push(job.fasta.used());
    run.models = model.used("model");
    run.onnxruntime = Some(model.runtime().used());
    run.settings = job::map(settings(config, engine, &job.layout));
    run.settings.insert(
        "index".into(),
        match job.fasta.index_source() {
            IndexSource::File => "fai",
            IndexSource::Built => "built in memory",
        }
        .into(),
    );
    let whole = config.regions == RegionSource::WholeGenome;
    run.settings.insert("genome".into(), whole.into());
    run.threads = Some(config.threads.get());
    run.counts = count(job.regions.rows(), &by_status(&job.regions), counts);
    run.seconds = Some(seconds);
    let notes = config.shard.zip(left);
    run.unfinished = notes.map(|(shard, left)| json!(ShardNotes::of(job, shard, left)));
    run
}

/// What was read and scored.
pub(super) fn count(
    rows: usize,
    by_status: &[(RegionStatus, u64)],
    counts: &Counts,
) -> Map<String, Value> {
    let by_status: Map<String, Value> = by_status
        .iter()
        .map(|(status, count)| (status.as_str().into(), (*count).into()))
        .collect();
    job::map(json!({
        "rows": rows,
        "rows_by_status": by_status,
        "windows_scored": counts.windows,
        "windows_with_unknown": counts.with_unknown,
        "windows_left_out": counts.left_out,
        "bases_scored": counts.bases,
        "forward_passes": counts.rows,
    }))
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|m| m.len())
}
