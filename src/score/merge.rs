//! Joining shards: the same files as one run writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::{Outputs, Shard};
use super::pipeline::{Job, same_job};
use super::provenance::by_status;
use super::sink::{Counts, Sink, SinkState};
use super::{Anchor, Layout, ScoreError, Summary};
use crate::Error;
use crate::genome::{Contig, Contigs, Lattice, Regions};
use crate::output::{Existing, OutputDir, OutputError, RUN_JSON};

const ROWS: &str = "rows.tsv";
const CONTIGS: &str = "contigs.tsv";

/// What `merge` has to know of a shard; stands in its `run.json` under `unfinished`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ShardNotes {
    shard: Shard,
    /// The job's key without the shard.
    job: Value,
    tasks: Vec<String>,
    window: u32,
    stride: u32,
    outputs: Outputs,
    region_length: u32,
    counts: Counts,
}

impl ShardNotes {
    pub fn of(job: &Job<'_>, shard: Shard, counts: Counts) -> Self {
        let mut key = job.key.clone();
        key["shard"] = Value::Null;
        Self {
            shard,
            job: key,
            tasks: job.layout.tasks.clone(),
            window: job.layout.lattice.window(),
            stride: job.layout.lattice.stride(),
            outputs: job.outputs,
            region_length: job.regions.common_length().unwrap_or(0),
            counts,
        }
    }
}

/// Makes the unfinished files of a job its results: a shard.
pub(super) fn leave_shard(job: &mut Job<'_>, mut sink: Sink) -> Result<(), Error> {
    sink.state()?;
    for name in sink.unfinished_files() {
        job.out.file(&name);
    }
    job.regions.save(&job.out.file(ROWS))?;
    let path = job.out.file(CONTIGS);
    let lines: String = (job.fasta.contigs().iter())
        .map(|c| format!("{}\t{}\n", c.name, c.length))
        .collect();
    fs::write(&path, lines).map_err(|e| OutputError::Write(e, path))?;
    Ok(())
}

/// Joins the shards of one job, given in any order, into the results that one run would have
/// written, byte for byte (but for `run.json`). The shards stay.
///
/// # Errors
/// When a folder holds no shard, the shards are of different jobs, one is missing or given twice,
/// or a file cannot be read or written.
pub fn merge(
    shards: &[PathBuf],
    out: &Path,
    force: bool,
    command: &[String],
) -> Result<Summary, Error> {
    let started = Instant::now();
    let mut found = Vec::new();
    for folder in shards {
        found.push((folder, read_notes(folder)?));
    }
    found.sort_by_key(|(_, (_, notes))| notes.shard.index());
    let Some((first_folder, (run, first))) = found.first().cloned() else {
        return Err(ScoreError::MissingShard { missing: 1, of: 1 }.into());
    };
    for (place, (_, (_, notes))) in found.iter().enumerate() {
        same_job(&first.job, &notes.job)?;
        if notes.shard.index() as usize != place + 1 || notes.shard.of() != first.shard.of() {
            let missing = place as u32 + 1;
            return Err(ScoreError::MissingShard {
                missing,
                of: first.shard.of(),
            }
            .into());
        }
    }
    if found.len() != first.shard.of() as usize {
        let missing = found.len() as u32 + 1;
        return Err(ScoreError::MissingShard {
            missing,
            of: first.shard.of(),
        }
        .into());
    }

    let contigs = read_contigs(first_folder)?;
    let (window, stride) = (first.window, first.stride);
    let layout = Layout {
        lattice: Lattice::genome(window, stride).ok_or(ScoreError::Stride { stride, window })?,
        // Neither matters for files that are only joined.
        anchor: Anchor::Genome,
        columns: Vec::new(),
        tasks: first.tasks.clone(),
    };
    let mut out = OutputDir::create(
        out,
        Existing {
            force,
            resume: false,
        },
    )?;
    let state = SinkState::default();
    let mut sink = Sink::open(out.partial(), &layout, first.outputs, &contigs, &state)?;
    for (folder, (_, notes)) in &found {
        sink.append_unfinished(folder, notes.counts)?;
    }
    let mut regions = Regions::restore(&first_folder.join(ROWS), out.partial())?;
    let counts = sink.finish(&mut regions, &layout, first.region_length, &mut out)?;

    let mut run = run;
    let statuses = by_status(&regions);
    run["command"] = json!(command);
    run["merged"] = json!(
        found
            .iter()
            .map(|(f, _)| f.display().to_string())
            .collect::<Vec<_>>()
    );
    run["counts"]["rows_by_status"] = statuses
        .iter()
        .map(|(status, count)| (status.as_str().to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    run["counts"]["windows_scored"] = json!(counts.windows);
    run["counts"]["bases_scored"] = json!(counts.bases);
    run["counts"]["forward_passes"] = json!(counts.rows);
    let seconds: f64 = found
        .iter()
        .filter_map(|(_, (run, _))| run["seconds"].as_f64())
        .sum();
    run["seconds"] = json!(seconds);
    run["outputs"] = json!(out.names());
    if let Some(fields) = run.as_object_mut() {
        fields.remove("unfinished");
    }
    let files = out.commit(&run)?;
    Ok(Summary {
        regions: regions.rows() as u64,
        by_status: statuses,
        windows: counts.windows,
        bases: counts.bases,
        files,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn read_notes(folder: &Path) -> Result<(Value, ShardNotes), Error> {
    let no_shard = |problem: String| ScoreError::NoShard {
        path: folder.into(),
        problem,
    };
    let path = folder.join(RUN_JSON);
    let text = fs::read(&path).map_err(|e| no_shard(format!("cannot read {RUN_JSON}: {e}")))?;
    let run: Value =
        serde_json::from_slice(&text).map_err(|e| no_shard(format!("{RUN_JSON}: {e}")))?;
    if run["unfinished"].is_null() {
        return Err(no_shard("these are the results of a whole run".into()).into());
    }
    let notes = serde_json::from_value(run["unfinished"].clone())
        .map_err(|e| no_shard(format!("{RUN_JSON}: {e}")))?;
    Ok((run, notes))
}

fn read_contigs(folder: &Path) -> Result<Contigs, Error> {
    let path = folder.join(CONTIGS);
    let damaged = |problem: &str| ScoreError::NoShard {
        path: folder.into(),
        problem: format!("{CONTIGS}: {problem}"),
    };
    let text = fs::read_to_string(&path).map_err(|e| OutputError::Read(e, path.clone()))?;
    let mut list = Vec::new();
    for line in text.lines() {
        let (name, length) = line.split_once('\t').ok_or_else(|| damaged(line))?;
        list.push(Contig {
            name: name.to_owned(),
            length: length.parse().map_err(|_| damaged(line))?,
        });
    }
    Ok(Contigs::new(list).map_err(|name| damaged(&name))?)
}
