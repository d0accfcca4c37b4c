//! Joining shards: the same files as one run writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::pipeline::Job;
use super::provenance::{Left, ShardNotes, by_status, count};
use super::sink::{Sink, SinkState};
use super::{Anchor, Layout, ScoreError, Summary, lift};
use crate::Error;
use crate::genome::{Contig, Contigs, Lattice, Regions};
use crate::ism::Members;
use crate::job::{Cancel, RunInfo, same_settings};
use crate::output::{Existing, OutputDir, OutputError, RUN_JSON, Seal, check_input};

const ROWS: &str = "rows.tsv";
const CONTIGS: &str = "contigs.tsv";

/// Makes the unfinished files of a job its results: a shard.
pub(super) fn leave_shard(job: &mut Job<'_>, mut sink: Sink) -> Result<Left, Error> {
    let files = sink.state()?;
    for name in sink.unfinished_files() {
        job.out.file(&name);
    }
    let rows = job.out.file(ROWS);
    job.regions.save(&rows)?;
    let path = job.out.file(CONTIGS);
    let contigs = job.fasta.contigs().table();
    let contigs_seal = Seal::of(contigs.as_bytes());
    crate::output::write(&path, contigs)?;
    Ok(Left {
        files,
        rows: Seal::of_file(&rows)?,
        contigs: contigs_seal,
        rejected: None,
    })
}

/// Joins the shards of one job, given in any order, into the results that one run would have
/// written, byte for byte (but for `run.json`). The shards stay.
///
/// # Errors
/// When a folder holds no shard, the shards are of different jobs, one is missing or given twice, a file is not what it was when the
/// shard was done ([`OutputError::Damaged`]), or one cannot be read or written.
pub fn merge(
    shards: &[PathBuf],
    out: &Path,
    force: bool,
    command: &[String],
    cancel: &Cancel,
) -> Result<Summary, Error> {
    let started = Instant::now();
    let folders: Vec<&Path> = shards.iter().map(PathBuf::as_path).collect();
    check_input(out, folders.into_iter())?;
    let mut found = Vec::new();
    for folder in shards {
        found.push((folder, read_notes(folder)?));
    }
    found.sort_by_key(|(_, (_, notes))| notes.shard.index());
    let Some((first_folder, (run, first))) = found.first().cloned() else {
        return Err(ScoreError::MissingShard { missing: 1, of: 1 }.into());
    };
    for (place, (_, (_, notes))) in found.iter().enumerate() {
        same_settings(&first.job, &notes.job)?;
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

    let contigs = read_contigs(first_folder, &first.contigs)?;
    let (window, stride) = (first.window, first.stride);
    let layout = Layout {
        lattice: Lattice::genome(window, stride).ok_or(ScoreError::Stride { stride, window })?,
        // Neither matters for files that are only joined.
        anchor: Anchor::Genome,
        columns: Vec::new(),
        tasks: first.tasks.clone(),
        groups: None,
        members: Members {
            members: first.members,
            tasks: first.tasks.len(),
        },
        quantiles: first.quantiles.clone(),
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
        cancel.check()?;
        sink.append_unfinished(folder, &notes.files)?;
    }
    cancel.check()?;
    for (folder, (_, notes)) in &found {
        notes.rows.verify(&folder.join(ROWS))?;
        notes.contigs.verify(&folder.join(CONTIGS))?;
    }
    let mut regions = Regions::restore(&first_folder.join(ROWS), out.partial())?;
    let counts = sink.finish(&mut regions, &layout, &mut out)?;

    if run.outputs.iter().any(|name| name == lift::REJECTED) {
        // Each shard has the whole.
        let (from, to) = (first_folder.join(lift::REJECTED), out.file(lift::REJECTED));
        if let Some(held) = &first.rejected {
            held.verify(&from)?;
        }
        fs::copy(&from, &to).map_err(|e| OutputError::Read(e, from.clone()))?;
    }

    let statuses = by_status(&regions);
    let rows = regions.rows();
    let mut run = run;
    run.job = "merge".into();
    run.command = command.to_vec();
    run.merged = found
        .iter()
        .map(|(folder, _)| folder.display().to_string())
        .collect();
    let not_lifted = run.counts.shift_remove("rows_not_lifted");
    run.counts = count(rows, &statuses, &counts);
    (run.counts).extend(not_lifted.map(|lost| ("rows_not_lifted".into(), lost)));
    run.seconds = found.iter().map(|(_, (run, _))| run.seconds).sum();
    run.unfinished = None;
    cancel.check()?;
    let files = out.commit(run)?;
    Ok(Summary {
        regions: rows as u64,
        by_status: statuses,
        not_lifted: None,
        windows: counts.windows,
        with_unknown: counts.with_unknown,
        left_out: counts.left_out,
        bases: counts.bases,
        completeness: None,
        files,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn read_notes(folder: &Path) -> Result<(RunInfo, ShardNotes), Error> {
    let no_shard = |problem: String| ScoreError::NoShard {
        path: folder.into(),
        problem,
    };
    let path = folder.join(RUN_JSON);
    let text = fs::read(&path).map_err(|e| no_shard(format!("cannot read {RUN_JSON}: {e}")))?;
    let run: RunInfo =
        serde_json::from_slice(&text).map_err(|e| no_shard(format!("{RUN_JSON}: {e}")))?;
    let Some(notes) = run.unfinished.clone() else {
        return Err(no_shard("these are the results of a whole run".into()).into());
    };
    crate::output::check_sum(&path, &text)?;
    let notes = serde_json::from_value(notes).map_err(|e| no_shard(format!("{RUN_JSON}: {e}")))?;
    Ok((run, notes))
}

fn read_contigs(folder: &Path, held: &Seal) -> Result<Contigs, Error> {
    let path = folder.join(CONTIGS);
    let damaged = |problem: &str| ScoreError::NoShard {
        path: folder.into(),
        problem: format!("{CONTIGS}: {problem}"),
    };
    let text = held.read(&path)?;
    let text = String::from_utf8(text).map_err(|_| damaged("it is no text"))?;
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
