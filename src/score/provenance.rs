//! `run.json`: what was run on what, with what outcome.

use std::path::Path;

use serde_json::{Value, json};

use super::pipeline::Job;
use super::sink::Counts;
use super::{Anchor, EngineChoice, RegionSource, ScoreConfig, Strand};
use crate::genome::{BedSource, IndexSource, RegionStatus, Regions};
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

pub(super) fn describe(
    config: &ScoreConfig,
    model: &Model,
    job: &Job<'_>,
    counts: &Counts,
    seconds: f64,
) -> Value {
    let spec = model.spec();
    let regions = match &config.regions {
        RegionSource::WholeGenome => json!({"genome": true}),
        RegionSource::Bed(BedSource::Stdin) => json!({"path": "-"}),
        RegionSource::Bed(BedSource::File(path)) => json!({"path": path, "bytes": size(path)}),
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
            "path": config.model,
            "sha256": model.file().sha256(),
            "window": spec.window,
            "columns": spec.one_hot.length,
            "offset": spec.one_hot.offset,
            "alphabet": spec.alphabet,
            "tasks": spec.tasks,
        },
        "onnxruntime": {
            "version": model.runtime().version(),
            "path": model.runtime().path(),
        },
        "fasta": {
            "path": config.fasta,
            "bytes": size(&config.fasta),
            "contigs": job.fasta.contigs().len(),
            "index": match job.fasta.index_source() {
                IndexSource::File => "fai",
                IndexSource::Built => "built in memory",
            },
        },
        "regions": regions,
        "settings": {
            "tasks": job.layout.tasks,
            "stride": job.layout.lattice.stride(),
            "anchor": match config.anchor {
                Anchor::Genome => "genome",
                Anchor::Region => "region",
            },
            "strand": match config.strand {
                Strand::Forward => "forward",
                Strand::Both => "both",
            },
            "engine": match config.engine {
                EngineChoice::Full => "full",
            },
            "batch": config.batch,
            "threads": config.threads,
            "importance": config.outputs.importance,
        },
        "counts": {
            "rows": job.regions.rows(),
            "rows_by_status": status,
            "windows_scored": counts.windows,
            "bases_scored": counts.bases,
            "forward_passes": counts.rows,
        },
        "seconds": seconds,
        "outputs": job.out.names(),
    })
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|m| m.len())
}
