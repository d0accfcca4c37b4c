//! Interactions of pairs of changes.
//!
//! The interaction of a change `a` of one base and a change `b` of another, in a window, is
//! f(ab) - f(a) - f(b) + f(0): by how much the effect of both differs from the sum of their effects. With
//! the effects of all changes of the window under `a`, which the fast engine gives, it is
//! effect(b under a) - effect(b): so the double mutants are never run one by one. Over several windows it
//! is the mean over those that hold both bases.

mod collect;
mod output;
mod window;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use self::collect::Collector;
use self::output::Output;
use self::window::{WindowPairs, by_activities, by_effects};
use super::PerturbError;
use super::items::{self, Item, Source, Windows};
use super::scorer::{Loaded, Scorer, Scoring};
use crate::Error;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::output::{Existing, OutputDir};

/// Bytes of the sums of one sequence that are still taken into memory.
const MOST_BYTES: f64 = 8e9;

/// A run of [`pairs`].
#[derive(Clone, Debug)]
pub struct PairsConfig {
    /// The sequences.
    pub source: Source,
    /// Their windows.
    pub windows: Windows,
    /// Largest distance of the two bases, 1 or more; those of one window are as far apart as it is long less one.
    pub distance: usize,
    /// Pairs of bases in the table, for each task.
    pub top: usize,
    /// Sequences that get a picture, the first ones.
    pub pictures: usize,
    /// Whether the arrays of all pairs are written.
    pub arrays: bool,
    /// The model.
    pub scoring: Scoring,
    /// The output folder.
    pub out: PathBuf,
    /// Replace results that are there.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What a finished run has done.
#[derive(Clone, Debug, Default)]
pub struct PairsSummary {
    /// Sequences read.
    pub sequences: usize,
    /// Of these, sequences that cannot be scored, by reason.
    pub left_out: Vec<(&'static str, u64)>,
    /// Windows scored.
    pub windows: u64,
    /// Pairs of changes, over all windows.
    pub pairs: u64,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Writes `pairs.tsv`, `sequences.tsv`, `pairs.npz` and figures.
///
/// # Errors
/// When the model or the sequences cannot be read, none can be scored, the model fails, or results cannot
/// be written.
pub fn pairs(
    config: &PairsConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<PairsSummary, Error> {
    let begun = Instant::now();
    if config.distance == 0 {
        return Err(PerturbError::Setting("--distance is at least 1".into()).into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let loaded = Loaded::open(&config.scoring)?;
    let (window, tasks) = (loaded.window(), loaded.tasks.len());
    if window < 2 {
        return Err(PerturbError::Setting("a window of one base has no pairs".into()).into());
    }
    let known = (window, loaded.most_unknown());
    let items = items::read(&config.source, config.windows, known, cancel)?;
    let distance = config.distance.min(window - 1);
    for item in items.iter().filter(|item| !item.starts.is_empty()) {
        let bytes = item.codes.len() as f64 * (distance * 16 * tasks * size_of::<f64>()) as f64;
        if bytes > MOST_BYTES {
            return Err(PerturbError::TooLarge {
                name: item.name.clone(),
                gigabytes: bytes / 1e9,
            }
            .into());
        }
    }
    let scorers = loaded.scorers(cancel)?;
    let mut out = OutputDir::create(&config.out, existing)?;
    let mut output = Output::create(config, &items, (distance, &loaded.tasks), &mut out)?;

    let windows: usize = items.iter().map(|item| item.starts.len()).sum();
    progress.start((windows * window) as u64);
    // Windows in order of the sequences.
    let mut units = (items.iter().enumerate())
        .flat_map(|(row, item)| item.starts.iter().map(move |start| (row, *start)));
    let full = loaded.is_full();
    let workers = scorers.into_iter().map(|mut scorer: Scorer| {
        let items: &[Item] = &items;
        move |(row, start): (usize, usize)| -> Result<(usize, usize, WindowPairs), Error> {
            let codes = &items[row].codes[start..start + window];
            let found = match full {
                true => by_activities(&mut scorer, codes, distance, cancel)?,
                false => by_effects(&mut scorer, codes, distance, cancel)?,
            };
            Ok((row, start, found))
        }
    });
    let mut summary = PairsSummary {
        sequences: items.len(),
        left_out: (items::left_out(&items).iter())
            .map(|(status, count)| (status.as_str(), *count))
            .collect(),
        ..PairsSummary::default()
    };
    let mut open: Option<Collector> = None;
    job::in_order(
        &mut units,
        |units| Ok::<_, Error>(units.next()),
        workers.collect(),
        |(row, start, found): (usize, usize, WindowPairs)| -> Result<(), Error> {
            let item = &items[row];
            let collector =
                open.get_or_insert_with(|| Collector::new(item.codes.len(), distance, tasks));
            collector.add(start, &found);
            summary.windows += 1;
            summary.pairs += found.pairs_of(&item.codes[start..start + window], distance);
            if item.starts.last() == Some(&start)
                && let Some(collector) = open.take()
            {
                output.row(row, &collector.finish(item.starts.len()))?;
            }
            progress.advance(window as u64);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    output.finish()?;

    let mut run = RunInfo::new("pairs", &config.command);
    config.source.note(&mut run);
    run.settings = loaded.note(&mut run);
    run.settings.extend(job::map(json!({
        "distance": distance,
        "windows": config.windows.as_str(),
        "stride": config.windows.stride(),
        "top": config.top,
    })));
    run.counts = job::map(json!({
        "sequences": summary.sequences,
        "windows_scored": summary.windows,
        "pairs_of_changes": summary.pairs,
    }));
    for (status, count) in &summary.left_out {
        run.counts.insert((*status).into(), json!(count));
    }
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}
