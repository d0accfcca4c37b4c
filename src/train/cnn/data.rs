//! From a configuration to examples in the network's units.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Config, Fit, Network, Source, TeacherSource, draw};
use crate::dataset::Split;
use crate::genome::{Aliases, BedSource, Fasta, InvalidPolicy, Regions, read_bed};
use crate::job::sha256;
use crate::model::{Model, ModelSource, Runtime};
use crate::train::teacher::{LabelCache, Teacher, find_output, label};
use crate::train::{Examples, Scaling, StretchSource, TrainError, read_examples, stretches};
use crate::{Cancel, Error};

/// Reads or makes the examples, and says what they are.
pub(super) fn examples(
    config: &Config,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<(Examples, Value), Error> {
    let window = config.arch.window;
    let source = match &config.source {
        Source::Examples { path, own, tasks } => {
            let examples = read_examples(path, tasks.as_deref(), own)?;
            let bytes = fs::read(path).map_err(|e| TrainError::Read(e, path.clone()))?;
            let what = json!({
                "examples": path, "sha256": sha256(&bytes), "sequences": examples.len(),
            });
            return Ok((examples, what));
        }
        Source::Teacher(source) => source,
    };
    let (mut examples, what) =
        labelled_stretches(source, window, config.fit.seed, runtime, cancel)?;
    if examples.windows > 1 && !shares_convolutions(config)? {
        examples = examples.split_windows(window, 1);
    }
    Ok((examples, what))
}

/// Where stretches of a genome lie.
pub(super) struct Cut<'a> {
    /// The genome.
    pub fasta: &'a Path,
    /// As in [`TeacherSource`], and all others, too.
    pub bed: Option<&'a Path>,
    pub aliases: &'a Aliases,
    pub random: Option<usize>,
    pub stretch: Option<usize>,
    pub step: usize,
    pub validation: &'a [String],
    pub test: &'a [String],
}

impl Cut<'_> {
    /// The stretches without labels, and how many were left out.
    pub fn run(
        &self,
        window: usize,
        seed: u64,
        tasks: Vec<String>,
    ) -> Result<(Examples, usize), Error> {
        let step = self.step;
        let bases = self.stretch.unwrap_or(window);
        if step == 0 || step > window || bases < window {
            return Err(TrainError::Setting(format!(
                "--step is from 1 to the window of {window}, --stretch at least the window"
            ))
            .into());
        }
        // Bases behind the last window would belong to none.
        let bases = window + (bases - window) / step * step;
        let fasta = Fasta::open(self.fasta, false)?;
        let spool = std::env::temp_dir();
        let regions = match self.bed {
            Some(path) => read_bed(
                &BedSource::from_arg(path),
                fasta.contigs(),
                self.aliases,
                InvalidPolicy::Fail,
                &spool,
            )?,
            None => Regions::whole_contigs(fasta.contigs(), &spool)?,
        };
        let (examples, left_out) = stretches(
            &StretchSource {
                fasta: &fasta,
                regions: &regions,
                random: self.random,
                bases,
                window,
                step: if bases == window { window } else { step },
                validation: self.validation,
                test: self.test,
                seed,
            },
            tasks,
        )?;
        if left_out > 0 {
            tracing::info!("{left_out} stretch(es) left out: unknown bases, doubles or too short");
        }
        Ok((examples, left_out))
    }
}

/// Stretches of a genome as a teacher labels them, and what to say of them.
pub(super) fn labelled_stretches(
    source: &TeacherSource,
    window: usize,
    seed: u64,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<(Examples, Value), Error> {
    let mut teachers = Vec::new();
    let mut models = Vec::new();
    for path in &source.models {
        let file = ModelSource::from_arg(Some(path)).read()?;
        models.push(json!({"path": path, "sha256": file.sha256()}));
        let model = Model::open(file, &source.options, runtime)?;
        teachers.push(Teacher::new(model, &source.tasks, &source.pairs)?);
    }
    let cut = Cut {
        fasta: &source.fasta,
        bed: source.bed.as_deref(),
        aliases: &source.aliases,
        random: source.random,
        stretch: source.stretch,
        step: source.step,
        validation: &source.validation,
        test: &source.test,
    };
    let (mut examples, left_out) = cut.run(window, seed, source.tasks.clone())?;
    let step = source.step;
    let bases = examples.columns;
    if let Some(mutants) = &source.mutants {
        mutants.append(&mut examples, seed);
    }
    let cache = source
        .cache
        .as_ref()
        .map(|path| LabelCache::new(path, &examples, &teachers, source.reverse));
    let known = match &cache {
        Some(cache) => cache.load(&mut examples)?,
        None => false,
    };
    if !known {
        let begun = Instant::now();
        label(&mut examples, &teachers, window, source.reverse, cancel)?;
        tracing::info!(
            "{} windows labelled in {:.1} s",
            examples.len() * examples.windows,
            begun.elapsed().as_secs_f64()
        );
        if let Some(cache) = &cache {
            cache.save(&examples)?;
        }
    }
    let what = json!({
        "teachers": models,
        "fasta": source.fasta,
        "bed": source.bed,
        "random": source.random,
        "stretch": bases,
        "step": step,
        "outputs": source.pairs,
        "reverse": source.reverse,
        "mutants": source.mutants,
        "validation": source.validation,
        "test": source.test,
        "sequences": examples.len(),
        "left_out": left_out,
        "sequences_sha256": sha256(&examples.codes),
    });
    Ok((examples, what))
}

/// Whether the network, and each that a search draws, can share convolutions among the windows of a
/// sequence. All draws of a search see the same batches.
fn shares_convolutions(config: &Config) -> Result<bool, TrainError> {
    let mut shares = config.arch.shares_convolutions();
    for i in 0..config.search.unwrap_or(0) {
        shares &= draw(&config.arch, config.fit.seed, i)?.shares_convolutions();
    }
    Ok(shares)
}

/// The output that each task has in another model, by `pairs` or by its own name.
pub(super) fn output_pairs(
    names: &[String],
    tasks: &[String],
    pairs: &[(String, String)],
) -> Result<Vec<Option<usize>>, TrainError> {
    let of = |task: &String| match pairs.iter().find(|(t, _)| t == task) {
        None => Ok(names.iter().position(|n| n == task)),
        Some((_, output)) => match names.contains(output) {
            // An earlier student has the task itself.
            false if names.contains(task) => Ok(names.iter().position(|n| n == task)),
            _ => find_output(names, output).map(Some),
        },
    };
    tasks.iter().map(of).collect()
}

/// Measurements have other units than a teacher's outputs: by the regression, over their training
/// side, of each task's labels on the starting network's outputs, they are brought to those.
pub(super) fn bring_to_units(
    fit: &Fit<'_>,
    start: &Network,
    examples: &Examples,
    path: &std::path::Path,
) -> Result<Scaling, TrainError> {
    let plain = Scaling {
        mean: vec![0.0; examples.tasks.len()],
        scale: vec![1.0; examples.tasks.len()],
    };
    let own = Fit {
        examples,
        scaling: &plain,
        heads: 0..examples.tasks.len(),
        ..*fit
    };
    let which = examples.originals(Split::Train);
    let outputs = own.predict(start, &which)?;
    let mut scaling = plain.clone();
    for (t, task) in examples.tasks.iter().enumerate() {
        let mut pairs = Vec::new();
        for (&i, output) in which.iter().zip(outputs.column(t)) {
            let label = examples.labels_of(i as usize)[[0, t]];
            if !label.is_nan() {
                pairs.push((f64::from(*output), f64::from(label)));
            }
        }
        if pairs.is_empty() {
            continue;
        }
        let n = pairs.len() as f64;
        let mx = pairs.iter().map(|p| p.0).sum::<f64>() / n;
        let my = pairs.iter().map(|p| p.1).sum::<f64>() / n;
        let covariance = pairs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>();
        let variance = pairs.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>();
        let slope = covariance / variance;
        if !(slope.is_finite() && slope > 0.0) {
            return Err(TrainError::Labels {
                task: task.clone(),
                problem: format!(
                    "the measurements of {} do not rise with the starting network's outputs (slope {slope:.3}), so they cannot be brought to its units",
                    path.display()
                ),
            });
        }
        // Standardised outputs have mean 0 and scale 1: label = intercept + slope * output.
        scaling.mean[t] = my - slope * mx;
        scaling.scale[t] = slope;
    }
    Ok(scaling)
}
