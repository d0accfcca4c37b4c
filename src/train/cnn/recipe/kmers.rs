//! Regressions on k-mers as teachers: fitted to what another source measured, taught on a genome.

use rayon::prelude::*;
use serde_json::{Value, json};

use super::{Kind, Recipe};
use crate::dataset::Split;
use crate::stats::pearson;
use crate::train::kmer::{Smooth, SmoothFit};
use crate::train::{Examples, TrainError};
use crate::{Cancel, Error};

/// Fits every such source's regressions to the training side of its own source, and labels its windows.
pub(super) fn label(
    recipe: &Recipe,
    sources: &mut [Examples],
    what: &mut [Value],
    cancel: &Cancel,
) -> Result<(), Error> {
    for (i, source) in recipe.sources.iter().enumerate() {
        let (Kind::Kmers { of, columns, .. }, Some(smooth)) = (&source.kind, source.kind.smooth())
        else {
            continue;
        };
        // The recipe has been checked: the source and its columns are there.
        let Some(taught_by) = recipe.sources.iter().position(|source| source.name == *of) else {
            continue;
        };
        let measured = &sources[taught_by];
        let heads: Vec<usize> = (columns.iter())
            .filter_map(|column| measured.tasks.iter().position(|task| task == column))
            .collect();
        for &head in &heads {
            if labelled(measured, head, Split::Train).0.is_empty() {
                let problem = format!(
                    "source {}: no training row of {of} has a label {}",
                    source.name, measured.tasks[head]
                );
                return Err(TrainError::Setting(problem).into());
            }
        }
        let fits = (heads.par_iter())
            .map(|&head| fit(smooth, measured, head, cancel))
            .collect::<Option<Vec<_>>>()
            .ok_or(crate::job::JobError::Interrupted { kept: false })?;
        let mut figures = Vec::new();
        for ((column, &head), fit) in columns.iter().zip(&heads).zip(&fits) {
            let [train, validation, test] = Split::ALL.map(|side| {
                let (sequences, values) = labelled(measured, head, side);
                let predicted: Vec<f64> = sequences.par_iter().map(|s| fit.predict(s)).collect();
                pearson(&predicted, &values)
            });
            tracing::info!(
                "{}: {column} of {of} by its {}-mers, r {train:.3} on the training side, {validation:.3} on the \
                 validation side, in {} rounds",
                source.name,
                smooth.k,
                fit.rounds
            );
            figures.push(json!({
                "column": column, "rounds": fit.rounds,
                "pearson": {"train": train, "validation": validation, "test": test},
            }));
        }
        what[i]["kmers"] = json!({"of": of, "settings": smooth, "fits": figures});
        teach(&mut sources[i], &fits, recipe.network.window);
    }
    Ok(())
}

/// Sequences of a side that have a label, and their labels.
fn labelled(examples: &Examples, head: usize, side: Split) -> (Vec<&[u8]>, Vec<f64>) {
    (0..examples.len())
        .filter(|&i| examples.sides[i] == side && examples.parent[i].is_none())
        .map(|i| {
            (
                examples.sequence(i),
                f64::from(examples.labels[[i, 0, head]]),
            )
        })
        .filter(|(_, label)| !label.is_nan())
        .unzip()
}

fn fit(smooth: Smooth, examples: &Examples, head: usize, cancel: &Cancel) -> Option<SmoothFit> {
    let (sequences, values) = labelled(examples, head, Split::Train);
    smooth.fit(&sequences, &values, cancel)
}

/// Puts what the regressions say of each window.
fn teach(examples: &mut Examples, fits: &[SmoothFit], window: usize) {
    let (windows, step) = (examples.windows, examples.step);
    let rows: Vec<f32> = (0..examples.len() * windows)
        .into_par_iter()
        .flat_map_iter(|row| {
            let from = row % windows * step;
            let codes = &examples.sequence(row / windows)[from..from + window];
            fits.iter().map(move |fit| fit.predict(codes) as f32)
        })
        .collect();
    for (label, value) in examples.labels.iter_mut().zip(rows) {
        *label = value;
    }
}
