//! What is left of an activity when stretches of a sequence are shuffled or replaced.
//!
//! The effect of an ablation is activity(ablated) - activity(as it was), the mean over shuffles, and over
//! the windows that hold a base of the stretch: negative where what was there drove expression.

mod output;
mod replace;
mod targets;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

pub use self::replace::Replacement;
pub use self::targets::Targets;

use self::output::Output;
use self::targets::{Target, TargetStatus};
use super::PerturbError;
use super::items::{self, Item, Source, Windows};
use super::scorer::{Loaded, Scorer, Scoring};
use crate::Error;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::output::{Existing, OutputDir};
use crate::stats::Random;

/// A run of [`ablate`].
#[derive(Clone, Debug)]
pub struct AblateConfig {
    /// The sequences.
    pub source: Source,
    /// Their windows.
    pub windows: Windows,
    /// What is taken away.
    pub targets: Targets,
    /// What comes in its place.
    pub replacement: Replacement,
    /// How often, where that is drawn at random.
    pub shuffles: usize,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Also write the ablated sequences.
    pub sequences: bool,
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
pub struct AblateSummary {
    /// Sequences read.
    pub sequences: usize,
    /// Stretches, a row of the table each.
    pub ablations: usize,
    /// Of these, stretches without a value, by reason.
    pub left_out: Vec<(&'static str, u64)>,
    /// Windows scored.
    pub windows: u64,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// What became of one stretch.
#[derive(Debug, Default)]
struct Ablation {
    /// Windows that hold a base of it.
    windows: usize,
    /// Draws that differ from what was there.
    changed: usize,
    /// Means over the windows, `[task]`, and `[draw, task]`.
    before: Vec<f32>,
    after: Vec<f32>,
    /// The ablated sequences, if they are wanted.
    sequences: Vec<Vec<u8>>,
}

/// Writes `ablations.tsv`, `ablations.npz`, a figure and, if it is wanted, `ablated.fa`.
///
/// # Errors
/// When the model, sequences, intervals or motifs cannot be read, none can be scored, the model fails, or
/// results cannot be written.
pub fn ablate(
    config: &AblateConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<AblateSummary, Error> {
    let begun = Instant::now();
    let draws = match config.replacement.is_random() {
        true => config.shuffles,
        false => 1,
    };
    if draws == 0 {
        return Err(PerturbError::Setting("--shuffles is at least 1".into()).into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let loaded = Loaded::open(&config.scoring)?;
    let window = loaded.window();
    let known = (window, loaded.most_unknown());
    let items = items::read(&config.source, config.windows, known, cancel)?;
    let targets = targets::find(&config.targets, &items, window)?;

    let scorers = loaded.scorers(cancel)?;
    let mut out = OutputDir::create(&config.out, existing)?;
    let mut output = Output::new(&items, &loaded.tasks, draws);
    progress.start(targets.len() as u64);
    let mut numbers = 0..targets.len();
    let workers = scorers.into_iter().map(|scorer| {
        let mut worker = Worker {
            scorer,
            config,
            items: &items,
            draws,
        };
        let targets = &targets;
        move |number: usize| worker.run(&targets[number], cancel)
    });
    let mut summary = AblateSummary {
        sequences: items.len(),
        ablations: targets.len(),
        ..AblateSummary::default()
    };
    let mut next = targets.iter();
    job::in_order(
        &mut numbers,
        |numbers| Ok::<_, Error>(numbers.next()),
        workers.collect(),
        |done: Ablation| -> Result<(), Error> {
            if let Some(target) = next.next() {
                output.row(target, &done);
            }
            summary.windows += (done.windows * (1 + draws)) as u64;
            progress.advance(1);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    output.write(&mut out, config.sequences)?;
    if !items::left_out(&items).is_empty() {
        items::write_left_out(&items, &out.file("left_out.tsv"))?;
    }
    for status in TargetStatus::ALL {
        let count = targets.iter().filter(|t| t.status == status).count();
        if count > 0 && status != TargetStatus::Ok {
            summary.left_out.push((status.as_str(), count as u64));
        }
    }

    let mut run = RunInfo::new("ablate", &config.command);
    config.source.note(&mut run);
    let most_p = config.targets.note(&mut run);
    run.seed = config.replacement.is_random().then_some(config.seed);
    run.settings = loaded.note(&mut run);
    run.settings.extend(job::map(json!({
        "windows": config.windows.as_str(),
        "stride": config.windows.stride(),
        "by": config.replacement.to_string(),
        "shuffles": draws,
        "hit_p": most_p,
    })));
    run.counts = job::map(json!({
        "sequences": summary.sequences,
        "ablations": summary.ablations,
        "windows_scored": summary.windows,
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

struct Worker<'a> {
    scorer: Scorer,
    config: &'a AblateConfig,
    items: &'a [Item],
    draws: usize,
}

impl Worker<'_> {
    fn run(&mut self, target: &Target, cancel: &Cancel) -> Result<Ablation, Error> {
        let (Some(row), TargetStatus::Ok) = (target.item, target.status) else {
            return Ok(Ablation::default());
        };
        cancel.check()?;
        let (item, config) = (&self.items[row], self.config);
        let (window, tasks) = (self.scorer.window(), self.scorer.tasks());
        let bases = target.bases.clone();
        let starts = targets::windows(item, &bases, window);
        let mut done = Ablation {
            windows: starts.len(),
            ..Ablation::default()
        };
        let mut changed = item.codes.clone();
        let mut rows = Vec::new();
        let mut activities = Vec::new();
        // The windows of the sequence as it is, then of each draw.
        for draw in 0..=self.draws {
            if let Some(draw) = draw.checked_sub(1) {
                let place = [
                    row as u64,
                    bases.start as u64,
                    bases.end as u64,
                    draw as u64,
                ];
                let mut random = Random::at(config.seed, &place);
                let was = &item.codes[bases.clone()];
                config
                    .replacement
                    .put(was, &mut changed[bases.clone()], &mut random);
                done.changed += usize::from(changed[bases.clone()] != *was);
                if config.sequences {
                    done.sequences.push(changed.clone());
                }
            }
            rows.clear();
            for start in starts.clone() {
                rows.extend_from_slice(&changed[start..start + window]);
            }
            activities.clear();
            self.scorer.activities(&rows, &mut activities)?;
            let means = (0..tasks).map(|task| {
                let of_task = activities.iter().skip(task).step_by(tasks);
                let sum: f64 = of_task.map(|v| f64::from(*v)).sum();
                (sum / starts.len() as f64) as f32 + 0.0
            });
            match draw {
                0 => done.before.extend(means),
                _ => done.after.extend(means),
            }
        }
        Ok(done)
    }
}
