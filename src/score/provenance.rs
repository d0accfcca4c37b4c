//! `run.json`: what was run on what, with what outcome.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::merge::ShardNotes;
use super::pipeline::Job;
use super::sink::Counts;
use super::{Anchor, Layout, RegionSource, ScoreConfig, Strand};
use crate::Error;
use crate::genome::{BedSource, Fasta, GenomeError, IndexSource, RegionStatus, Regions};
use crate::model::Model;

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
    model: &Model,
    engine: &str,
    fasta: &Fasta,
    regions: &Regions,
    layout: &Layout,
) -> Result<Value, Error> {
    let spec = model.spec();
    let mut contigs = Sha256::new();
    for contig in fasta.contigs().iter() {
        contigs.update(format!("{}\t{}\n", contig.name, contig.length));
    }
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
            "sha256": model.file().sha256(),
            "columns": spec.one_hot.length,
            "window": spec.window,
            "offset": spec.one_hot.offset,
            "alphabet": spec.alphabet,
        },
        "onnxruntime": model.runtime().version(),
        "fasta": {
            "bytes": size(&config.fasta),
            "modified": modified,
            "contigs": hex(contigs),
        },
        "regions": hex(rows),
        "settings": settings(config, engine, layout),
        "shard": config.shard.map(|s| format!("{}/{}", s.index(), s.of())),
    }))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn settings(config: &ScoreConfig, engine: &str, layout: &Layout) -> Value {
    json!({
        "tasks": layout.tasks,
        "window": layout.lattice.window(),
        "stride": layout.lattice.stride(),
        "anchor": match config.anchor {
            Anchor::Genome => "genome",
            Anchor::Region => "region",
        },
        "strand": match config.strand {
            Strand::Forward => "forward",
            Strand::Both => "both",
        },
        "engine": engine,
        "batch": config.batch,
        "outputs": config.outputs,
    })
}

pub(super) fn describe(
    config: &ScoreConfig,
    model: &Model,
    engine: &str,
    job: &Job<'_>,
    counts: &Counts,
    seconds: f64,
) -> Value {
    let spec = model.spec();
    let source = config.model.describe();
    let regions = match &config.regions {
        RegionSource::WholeGenome => json!({"genome": true}),
        RegionSource::Bed(BedSource::Stdin) => json!({"path": "-"}),
        RegionSource::Bed(BedSource::File(path)) => {
            json!({"path": text(path), "bytes": size(path)})
        }
    };
    let status: serde_json::Map<String, Value> = by_status(&job.regions)
        .into_iter()
        .map(|(status, count)| (status.as_str().into(), count.into()))
        .collect();
    json!({
        "program": "mpra-score",
        "version": crate::VERSION,
        "command": config.command,
        "model": {
            "path": source["path"],
            "embedded": source["embedded"],
            "sha256": model.file().sha256(),
            "window": spec.window,
            "columns": spec.one_hot.length,
            "offset": spec.one_hot.offset,
            "alphabet": spec.alphabet,
            "tasks": spec.tasks,
        },
        "onnxruntime": {
            "version": model.runtime().version(),
            "path": text(model.runtime().path()),
        },
        "fasta": {
            "path": text(&config.fasta),
            "bytes": size(&config.fasta),
            "contigs": job.fasta.contigs().len(),
            "index": match job.fasta.index_source() {
                IndexSource::File => "fai",
                IndexSource::Built => "built in memory",
            },
        },
        "regions": regions,
        "settings": settings(config, engine, &job.layout),
        "threads": config.threads,
        "counts": {
            "rows": job.regions.rows(),
            "rows_by_status": status,
            "windows_scored": counts.windows,
            "bases_scored": counts.bases,
            "forward_passes": counts.rows,
        },
        "seconds": seconds,
        "outputs": job.out.names(),
        "unfinished": config.shard.map(|shard| ShardNotes::of(job, shard, *counts)),
    })
}

/// A path as text; what is not UTF-8 in it is replaced.
fn text(path: &Path) -> String {
    path.display().to_string()
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|m| m.len())
}
