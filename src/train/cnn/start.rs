//! What a network starts from.

use serde_json::{Value, json};

use super::data::{bring_to_units, output_pairs};
use super::{Config, Fit, Network, start_from};
use crate::Error;
use crate::job::sha256;
use crate::model::ModelFile;
use crate::train::{Examples, Scaling, TrainError, read_dataset};

/// The network before the first epoch, and what to say of where it comes from.
pub(super) fn network(config: &Config, fit: &Fit<'_>) -> Result<(Network, Value), Error> {
    let tasks = &fit.examples.tasks;
    let mut start = Network::random(&config.arch, tasks.len(), config.fit.seed);
    let Some(path) = &config.init else {
        return Ok((start, Value::Null));
    };
    let file = ModelFile::read(path)?;
    let mut said = config.init_options.clone();
    if file.names_tasks() {
        // The names are a teacher's then.
        said.task_names = None;
    }
    let spec = file.spec(&said)?;
    let outputs = output_pairs(&spec.tasks, tasks, &config.init_pairs)?;
    let layers = start_from(
        &mut start,
        &config.arch,
        fit.scaling,
        &file,
        &spec,
        &outputs,
        config.init_reverse,
    )?;
    tracing::info!("{layers} layer(s) start from {}", path.display());
    let what = json!({
        "path": path, "sha256": file.sha256(), "layers": layers, "reverse": config.init_reverse,
    });
    Ok((start, what))
}

/// Measurements that are learned besides.
pub(super) struct Measured {
    pub examples: Examples,
    /// Brings them to the units of the main data.
    pub scaling: Scaling,
    /// Weight of their loss.
    pub weight: f32,
    /// What to say of them.
    pub what: Value,
}

/// Reads the measurements to learn besides, if there are any.
pub(super) fn measured(
    config: &Config,
    fit: &Fit<'_>,
    start: &Network,
) -> Result<Option<Measured>, Error> {
    let Some((path, weight)) = &config.beside else {
        return Ok(None);
    };
    let mut examples = read_dataset(path, None)?.for_tasks(&fit.examples.tasks)?;
    if config.arch.is_bare() && examples.columns != config.arch.window {
        return Err(TrainError::Windows(format!(
            "{} has sequences of {} bases, the network reads {}",
            path.display(),
            examples.columns,
            config.arch.window
        ))
        .into());
    }
    examples.step = examples.columns;
    let scaling = bring_to_units(fit, start, &examples, path)?;
    let what = json!({
        "examples": path, "weight": weight, "scaling": scaling,
        "sequences": examples.len(), "sequences_sha256": sha256(&examples.codes),
    });
    Ok(Some(Measured {
        examples,
        scaling,
        weight: *weight,
        what,
    }))
}
