//! Random search over architectures with successive halving (Jamieson and Talwalkar 2016).

use std::fmt::Write as _;
use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::run::same_run;
use super::{Architecture, Fit, Layer, Notes, Parameters, State, Watch};
use crate::output::OutputDir;
use crate::train::{Random, TrainError};
use crate::{Cancel, Error};

/// One in so many goes on to the next round, with so many times the epochs.
const KEEP: usize = 3;

/// Draws tried before giving up: deep and wide ones leave no position.
const TRIES: usize = 10_000;

/// What a search leaves behind to be taken up again.
#[derive(Serialize, Deserialize)]
struct SearchNotes {
    run: Value,
    /// One a draw; `None` where it was not begun.
    draws: Vec<Option<Notes>>,
    /// Draws whose loss was no number.
    diverged: Vec<usize>,
}

/// The architecture of a draw over the paper's ranges: 1 to 10 convolutions of 30 to 100 filters 8 to
/// 15 wide, each with ReLU; max pool 10 to 50; 1 or 2 dense layers, the first of two with 30 to 100
/// outputs. Draws that leave no position are drawn again.
///
/// # Errors
/// [`TrainError::Setting`] when the input is too short for any.
pub fn draw(input: &Architecture, seed: u64, number: usize) -> Result<Architecture, TrainError> {
    let mut random = Random::new(seed, &[0x5ea2, number as u64]);
    let mut between = |low: usize, high: usize| low + random.below(high - low + 1);
    for _ in 0..TRIES {
        let mut layers = Vec::new();
        for _ in 0..between(1, 10) {
            layers.push(Layer::Conv {
                filters: between(30, 100),
                width: between(8, 15),
            });
            layers.push(Layer::Relu);
        }
        layers.push(Layer::MaxPool(between(10, 50)));
        if between(1, 2) == 2 {
            layers.extend([Layer::Dense(Some(between(30, 100))), Layer::Relu]);
        }
        layers.push(Layer::Dense(None));
        let arch = Architecture::new(input.window, input.length, input.offset, layers);
        if let Ok(arch) = arch {
            return Ok(arch);
        }
    }
    Err(TrainError::Setting(format!(
        "no architecture of the search fits an input of {} columns",
        input.length
    )))
}

/// Searches, writes `search.tsv`, and returns the best architecture with its fitted state. The last
/// round trains for all epochs of the configuration, each round before for a third of the next.
pub(super) fn search(
    fit: &Fit<'_>,
    draws: usize,
    key: &Value,
    out: &mut OutputDir,
    watch: &dyn Watch,
    cancel: &Cancel,
) -> Result<(Architecture, State), Error> {
    let config = fit.config;
    let tasks = &fit.examples.tasks;
    let archs = (0..draws).map(|i| draw(fit.arch, config.seed, i));
    let archs = archs.collect::<Result<Vec<_>, _>>()?;
    let mut notes = match out.checkpoint::<SearchNotes>()? {
        Some(notes) => {
            same_run(&notes.run, key)?;
            notes
        }
        None => SearchNotes {
            run: key.clone(),
            draws: vec![None; draws],
            diverged: Vec::new(),
        },
    };
    let rounds = (0..).take_while(|r| draws / KEEP.pow(*r) > 0).count();
    let mut alive: Vec<usize> = (0..draws).collect();
    for round in 0..rounds {
        let share = KEEP.pow((rounds - 1 - round) as u32);
        let until = config.epochs.div_ceil(share);
        for &i in &alive {
            if notes.diverged.contains(&i) {
                continue;
            }
            let fit = Fit {
                arch: &archs[i],
                device: fit.device.clone(),
                ..*fit
            };
            let start = Parameters::random(&archs[i], tasks.len(), config.seed);
            let state = match &notes.draws[i] {
                Some(notes) => State::load(out.partial(), notes, &start)?,
                None => State::new(start),
            };
            tracing::info!(
                "round {} of {rounds}, draw {}: {}",
                round + 1,
                i + 1,
                archs[i]
            );
            let mut save = |state: &State| -> Result<(), Error> {
                let saved = state.save(out.partial(), &format!("draw{i}"), &Value::Null)?;
                let old = notes.draws[i].replace(saved);
                out.write_checkpoint(&notes)?;
                if let Some(old) = old {
                    // The notes no longer name it; a leftover goes with the folder.
                    let _ = fs::remove_file(out.partial().join(old.file));
                }
                Ok(())
            };
            match fit.run(state, until, None, &mut save, watch, cancel) {
                Ok(_) => {}
                Err(Error::Train(TrainError::Diverged { .. })) => {
                    tracing::warn!("draw {} diverged", i + 1);
                    notes.diverged.push(i);
                    out.write_checkpoint(&notes)?;
                }
                Err(e) => return Err(e),
            }
        }
        alive.retain(|i| !notes.diverged.contains(i));
        let loss = |i: &usize| best(&notes.draws[*i]);
        alive.sort_by(|a, b| loss(a).total_cmp(&loss(b)).then(a.cmp(b)));
        if round + 1 < rounds {
            alive.truncate(draws.div_ceil(KEEP.pow(round as u32 + 1)));
        }
    }
    let Some(&winner) = alive.first() else {
        return Err(TrainError::Setting("every network of the search diverged".into()).into());
    };
    write_table(out, &archs, &notes, winner, tasks)?;
    let start = Parameters::random(&archs[winner], tasks.len(), config.seed);
    let state = match &notes.draws[winner] {
        Some(notes) => State::load(out.partial(), notes, &start)?,
        None => State::new(start),
    };
    Ok((archs[winner].clone(), state))
}

/// The lowest validation loss of a draw.
fn best(notes: &Option<Notes>) -> f64 {
    let epochs = notes.iter().flat_map(|n| &n.history);
    epochs.map(|e| e.validation).fold(f64::INFINITY, f64::min)
}

fn write_table(
    out: &mut OutputDir,
    archs: &[Architecture],
    notes: &SearchNotes,
    winner: usize,
    tasks: &[String],
) -> Result<(), TrainError> {
    let mut text = "draw\tlayers\tparameters\tepochs\tvalidation_loss".to_owned();
    for task in tasks {
        let _ = write!(text, "\t{task}.validation_pearson");
    }
    text.push_str("\toutcome\n");
    for (i, arch) in archs.iter().enumerate() {
        let history = notes.draws[i].as_ref().map_or(&[][..], |n| &n.history);
        let best = (history.iter()).min_by(|a, b| a.validation.total_cmp(&b.validation));
        let _ = write!(
            text,
            "{}\t{arch}\t{}\t{}",
            i + 1,
            Parameters::random(arch, tasks.len(), 0).count(),
            history.len()
        );
        match best {
            Some(best) => {
                let _ = write!(text, "\t{:.6}", best.validation);
                for r in &best.pearson {
                    let _ = write!(text, "\t{r:.4}");
                }
            }
            None => text.push_str(&"\tNA".repeat(1 + tasks.len())),
        }
        let _ = writeln!(
            text,
            "\t{}",
            match (i == winner, notes.diverged.contains(&i)) {
                (true, _) => "best",
                (_, true) => "diverged",
                _ => "left behind",
            }
        );
    }
    let path = out.file("search.tsv");
    fs::write(&path, text).map_err(|e| TrainError::Write(e, path.clone()))
}
