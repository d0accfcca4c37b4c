//! The main job's scores against annotations, at its end and into the same folder.

use std::fmt::Write as _;

use serde_json::Value;

use super::pipeline::Job;
use super::{RegionSource, ScoreConfig};
use crate::Error;
use crate::genome::Fasta;
use crate::intervals::{Annotation, Named};
use crate::job::Cancel;
use crate::output::write;
use crate::overlap::{Common, OverlapError, enrichment};

const REGIONS: &str = "enrichment.regions.bed";

/// Reads and judges the annotations before hours of scoring.
pub(super) fn read(
    config: &ScoreConfig,
    annotations: &[Named],
    fasta: &Fasta,
) -> Result<Vec<(String, Annotation)>, Error> {
    let read = enrichment::read_annotations(annotations)?;
    for (_, annotation) in &read {
        annotation.resolve(fasta.contigs(), &config.aliases, &config.fasta)?;
    }
    let mut names: Vec<&str> = annotations.iter().map(|a| a.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|w| w[0] == w[1]) {
        None => Ok(read),
        Some(w) => Err(OverlapError::Setting(format!(
            "two annotations are called {:?}; name them with --annotation NAME=FILE",
            w[0]
        ))
        .into()),
    }
}

/// Ranks the importance of every task (activity where there is none). Returns what belongs into
/// `run.json`.
pub(super) fn rank(
    config: &ScoreConfig,
    (annotations, read): (&[Named], &[(String, Annotation)]),
    job: &mut Job<'_>,
    bases: u64,
    cancel: &Cancel,
) -> Result<Option<Value>, Error> {
    if annotations.is_empty() || config.shard.is_some() {
        return Ok(None);
    }
    if bases == 0 {
        tracing::warn!("no base was scored: nothing to rank against the annotations");
        return Ok(None);
    }
    let what = match config.outputs.importance {
        true => config.outputs.of_bases(),
        false => "activity",
    };
    let ending = match config.outputs.formats.bigwig {
        true => "bw",
        false => "bedGraph",
    };
    let scores = job.layout.tasks.iter().map(|task| Named {
        name: format!("{task}.{what}"),
        path: job.out.partial().join(format!("{task}.{what}.{ending}")),
    });
    let scores: Vec<Named> = scores.collect();
    let regions = match config.regions {
        RegionSource::WholeGenome => None,
        RegionSource::Bed(_) => {
            let mut text = String::new();
            for region in &job.regions.scorable {
                let name = &job.fasta.contigs().get(region.contig).name;
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{name}\t{}\t{}",
                    region.bases.start(),
                    region.bases.end()
                );
            }
            // Not among the results: it goes with the unfinished files.
            let path = job.out.partial().join(REGIONS);
            write(&path, text)?;
            Some(path)
        }
    };
    let mut settings = enrichment::Config::new(Common {
        threads: config.threads,
        regions,
        aliases: config.aliases.clone(),
        ..Common::default()
    });
    settings.scores = scores;
    settings.annotations = annotations.to_vec();
    settings.lenient = true;
    let details = enrichment::add_to(&settings, read, &mut job.out, enrichment::FILES, cancel)?;
    Ok(Some(serde_json::json!({
        "annotations": annotations.iter().map(|a| serde_json::json!({
            "name": a.name,
            "path": a.path.display().to_string(),
        })).collect::<Vec<_>>(),
        "bins": settings.bins,
        "shifts": settings.shifts,
        "bootstrap": settings.common.bootstrap,
        "seed": settings.common.seed,
        "tracks": details,
    })))
}
