//! Random search over architectures with successive halving (Jamieson and Talwalkar 2016).

use std::fmt::Write as _;
use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Architecture, Fit, Layer, Network, Notes, Padding, State, Watch};
use crate::job::{JobError, same_settings};
use crate::output::{self, OutputDir, decimals};
use crate::stats::Random;
use crate::train::TrainError;
use crate::{Cancel, Error};

/// One in so many goes on to the next round, with so many times the epochs.
const KEEP: usize = 3;

/// The least of the paper's pools.
const LEAST_POOL: usize = 10;

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
/// outputs. Where its convolutions leave fewer positions than the pool takes, all of them are padded:
/// so every draw fits, and each number of layers, width and pool is as likely as any other. Pools and
/// widths go up to the input's columns where those are fewer than 50 or 15.
///
/// # Errors
/// [`TrainError::Setting`] for an input of fewer than 10 columns, the least pool.
pub fn draw(input: &Architecture, seed: u64, number: usize) -> Result<Architecture, TrainError> {
    if input.length < LEAST_POOL {
        return Err(TrainError::Setting(format!(
            "--search needs an input of at least {LEAST_POOL} columns, not {}",
            input.length
        )));
    }
    let mut random = Random::at(seed, &[0x5ea2, number as u64]);
    let mut between = |low: usize, high: usize| low + random.index(high - low + 1);
    let convs: Vec<(usize, usize)> = (0..between(1, 10))
        .map(|_| (between(30, 100), between(8, input.length.min(15))))
        .collect();
    let pool = between(LEAST_POOL, input.length.min(50));
    let hidden = (between(1, 2) == 2).then(|| between(30, 100));
    let reach: usize = convs.iter().map(|c| c.1 - 1).sum();
    let padding = match reach + pool <= input.length {
        true => Padding::None,
        false => Padding::Same,
    };
    let mut layers = Vec::new();
    for (filters, width) in convs {
        layers.push(Layer::Conv {
            filters,
            width,
            padding,
        });
        layers.push(Layer::Relu);
    }
    layers.push(Layer::MaxPool(pool));
    if let Some(outputs) = hidden {
        layers.extend([Layer::Dense(Some(outputs)), Layer::Relu]);
    }
    layers.push(Layer::Dense(None));
    Architecture::new(input.window, input.length, input.offset, layers)
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
            same_settings(&notes.run, key)?;
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
                heads: fit.heads.clone(),
                ..*fit
            };
            let start = Network::random(&archs[i], tasks.len(), config.seed);
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
            match fit.run(state, until, &[], &mut save, watch, cancel) {
                Ok(_) => {}
                Err(Error::Train(TrainError::Diverged { .. })) => {
                    tracing::warn!("draw {} diverged", i + 1);
                    notes.diverged.push(i);
                    out.write_checkpoint(&notes)?;
                }
                Err(e) if e.interrupted().is_some() => {
                    // This draw has perhaps nothing to go on from, but another has.
                    let kept = notes.draws.iter().any(Option::is_some);
                    return Err(JobError::Interrupted { kept }.into());
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
    let start = Network::random(&archs[winner], tasks.len(), config.seed);
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
            Network::random(arch, tasks.len(), 0).count(),
            history.len()
        );
        match best {
            Some(best) => {
                let _ = write!(text, "\t{}", decimals(best.validation, 6));
                for r in &best.pearson {
                    let _ = write!(text, "\t{}", decimals(*r, 4));
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
    Ok(output::write(&path, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(window: usize, length: usize) -> Architecture {
        let layers = vec![
            Layer::Conv {
                filters: 1,
                width: 1,
                padding: Padding::None,
            },
            Layer::Dense(None),
        ];
        Architecture::new(window, length, 0, layers).unwrap()
    }

    /// Number of convolutions, whether they are padded, positions that unpadded ones would take, pool.
    fn shape(arch: &Architecture) -> (usize, bool, usize, usize) {
        let (mut convs, mut reach, mut pool) = (Vec::new(), 0, 0);
        for layer in &arch.layers {
            match *layer {
                Layer::Conv { width, padding, .. } => {
                    assert!((8..=15).contains(&width));
                    convs.push(padding);
                    reach += width - 1;
                }
                Layer::MaxPool(size) => pool = size,
                _ => {}
            }
        }
        assert!(convs.iter().all(|p| *p == convs[0]), "{arch}");
        (convs.len(), convs[0] == Padding::Same, reach, pool)
    }

    #[test]
    fn every_draw_fits_and_none_is_drawn_again() {
        let n = 3000;
        for length in [145, 295] {
            let input = input(145, length);
            let (mut depths, mut pools, mut padded) = ([0usize; 11], [0usize; 51], 0);
            for number in 0..n {
                let (depth, same, reach, pool) = shape(&draw(&input, 7, number).unwrap());
                // Padded where it would not fit, and nowhere else.
                assert_eq!(same, reach + pool > length);
                depths[depth] += 1;
                pools[pool] += 1;
                padded += usize::from(same);
            }
            // Five standard deviations around each's equal share.
            let even = |count: usize, share: f64| {
                let mean = n as f64 * share;
                (count as f64 - mean).abs() < 5.0 * (mean * (1.0 - share)).sqrt()
            };
            assert!(depths[1..].iter().all(|&c| even(c, 0.1)), "{depths:?}");
            assert!(
                pools[10..].iter().all(|&c| even(c, 1.0 / 41.0)),
                "{pools:?}"
            );
            // The deepest and widest draw takes 10 * 14 + 50 columns.
            match length {
                // About one in 27, most of them of 8 convolutions and more.
                145 => assert!(padded > n / 50, "{padded}"),
                _ => assert_eq!(padded, 0),
            }
        }
    }

    #[test]
    fn short_inputs_cut_the_ranges_and_the_shortest_is_refused() {
        for length in [10, 12, 40] {
            for number in 0..200 {
                let (_, _, _, pool) = shape(&draw(&input(length, length), 1, number).unwrap());
                assert!(pool <= length);
            }
        }
        let error = draw(&input(9, 9), 1, 0).unwrap_err();
        assert!(error.to_string().contains("at least 10 columns"), "{error}");
    }
}
