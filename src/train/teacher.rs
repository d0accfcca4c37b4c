//! Labels from trained models: the student learns a teacher's outputs.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ndarray::{Array3, ArrayViewMut2, Axis, Zip, s};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Examples, TrainError};
use crate::ism::{
    Engine, EngineChoice, EngineSettings, Engines, IsmError, SequenceWindows, Strand,
};
use crate::job::{self, sha256};
use crate::model::{Model, ModelError};
use crate::output::write_whole;
use crate::{Cancel, Error};

/// Windows that a teacher without a fast engine is given at a time.
const BATCH: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// A teacher and which of its outputs teach which task.
pub struct Teacher {
    /// The model.
    pub model: Model,
    /// For each task of the student the teacher's output, `None` where it has none.
    pub outputs: Vec<Option<usize>>,
}

impl Teacher {
    /// Finds the outputs by `pairs` of (student's task, teacher's output by name or number from 0);
    /// tasks that no pair names are looked up by their own name.
    ///
    /// # Errors
    /// [`TrainError::UnknownTask`] when a pair names an output that is not there.
    pub fn new(
        model: Model,
        tasks: &[String],
        pairs: &[(String, String)],
    ) -> Result<Self, TrainError> {
        let names = &model.spec().tasks;
        let of = |task: &String| match pairs.iter().find(|(student, _)| student == task) {
            None => Ok(names.iter().position(|n| n == task)),
            Some((_, output)) => find_output(names, output).map(Some),
        };
        let outputs = tasks.iter().map(of);
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { model, outputs })
    }
}

/// A model's output by name, or by number from 0.
///
/// # Errors
/// [`TrainError::UnknownTask`] when there is none.
pub fn find_output(names: &[String], wanted: &str) -> Result<usize, TrainError> {
    let by_name = names.iter().position(|n| n == wanted);
    by_name
        .or_else(|| wanted.parse().ok().filter(|i| *i < names.len()))
        .ok_or_else(|| TrainError::UnknownTask {
            found: wanted.into(),
            known: names.join(", "),
        })
}

/// Labels every sequence: the mean over the teachers that have the task. `reverse` is the share of
/// the reverse complement's output in a label: 0 for the forward strand alone, 0.5 for the mean of
/// both.
///
/// # Errors
/// [`TrainError::Windows`] when a teacher's window is another, [`TrainError::UnknownTask`] when no
/// teacher has a task, or when a model fails.
pub fn label(
    examples: &mut Examples,
    teachers: &[Teacher],
    window: usize,
    reverse: f32,
    cancel: &Cancel,
) -> Result<(), Error> {
    let tasks = examples.tasks.len();
    for (t, task) in examples.tasks.iter().enumerate() {
        if teachers.iter().all(|teacher| teacher.outputs[t].is_none()) {
            let names = teachers.iter().flat_map(|t| &t.model.spec().tasks);
            return Err(TrainError::UnknownTask {
                found: task.clone(),
                known: names.cloned().collect::<Vec<_>>().join(", "),
            }
            .into());
        }
    }
    let shape = (examples.len(), examples.windows, tasks);
    let mut sums = [Array3::<f32>::zeros(shape), Array3::zeros(shape)];
    for teacher in teachers {
        let spec = teacher.model.spec();
        if spec.window != window {
            return Err(TrainError::Windows(format!(
                "{} reads {} bases, the network {window}",
                teacher.model.file().path().display(),
                spec.window
            ))
            .into());
        }
        let settings = EngineSettings {
            choice: EngineChoice::Auto,
            strand: Strand::Forward,
            batch: BATCH,
            threads: job::pool_threads(),
        };
        let chosen = Engines::choose(settings, std::slice::from_ref(&teacher.model))?;
        let engines: Mutex<Vec<Box<dyn Engine>>> = Mutex::new(Vec::new());
        for (strand, sums) in sums.iter_mut().enumerate() {
            let chunk = 64;
            let chunks: Vec<_> = sums.axis_chunks_iter_mut(Axis(0), chunk).collect();
            chunks.into_par_iter().enumerate().try_for_each(
                |(c, mut sums)| -> Result<(), IsmError> {
                    if cancel.is_requested() {
                        return Err(ModelError::Cancelled.into());
                    }
                    let free = engines.lock().ok().and_then(|mut e| e.pop());
                    let mut engine = match free {
                        Some(engine) => engine,
                        None => chosen.engine(std::slice::from_ref(&teacher.model), cancel)?,
                    };
                    let step = examples.step.min(window) as u32;
                    let mut windows = SequenceWindows::new(window as u32, step)
                        .ok_or_else(|| ModelError::Run("the windows have no lattice".into()))?;
                    for (k, sums) in sums.outer_iter_mut().enumerate() {
                        let used = (examples.windows - 1) * step as usize + window;
                        let codes = &examples.sequence(c * chunk + k)[..used];
                        add(
                            &mut windows,
                            engine.as_mut(),
                            codes,
                            strand == 1,
                            teacher,
                            sums,
                        )?;
                    }
                    if let Ok(mut engines) = engines.lock() {
                        engines.push(engine);
                    }
                    Ok(())
                },
            )?;
        }
    }
    for t in 0..tasks {
        let count = teachers
            .iter()
            .filter(|teacher| teacher.outputs[t].is_some());
        let count = count.count() as f32;
        for sums in &mut sums {
            sums.index_axis_mut(Axis(2), t).mapv_inplace(|v| v / count);
        }
    }
    // Both hold windows in forward order; the reverse complement's own order is the reverse.
    let [forward, backward] = &sums;
    let mix = |a: &Array3<f32>, b: &Array3<f32>| {
        Zip::from(a)
            .and(b)
            .map_collect(|a, b| a + reverse * (b - a))
    };
    examples.labels = mix(forward, backward);
    let reversed = mix(backward, forward);
    examples.reversed = Some(
        reversed
            .slice(s![.., ..;-1, ..])
            .as_standard_layout()
            .into_owned(),
    );
    Ok(())
}

/// Adds the teacher's outputs for the windows of a sequence, in its forward order.
fn add(
    windows: &mut SequenceWindows,
    engine: &mut dyn Engine,
    codes: &[u8],
    reverse: bool,
    teacher: &Teacher,
    mut sums: ArrayViewMut2<'_, f32>,
) -> Result<(), ModelError> {
    let activities = windows.run(engine, codes, reverse)?;
    let last = activities.nrows() - 1;
    if last + 1 != sums.nrows() {
        return Err(ModelError::Run(format!(
            "{} of {} windows were scored",
            last + 1,
            sums.nrows()
        )));
    }
    for (k, row) in activities.outer_iter().enumerate() {
        let window = if reverse { last - k } else { k };
        for (sum, output) in sums.row_mut(window).into_iter().zip(&teacher.outputs) {
            if let Some(output) = output {
                *sum += row[*output];
            }
        }
    }
    Ok(())
}

/// A file of labels, so that they need not be made again. It begins with a line that says of what
/// sequences, teachers and settings they are, and ends with the SHA-256 of all before.
pub struct LabelCache {
    path: PathBuf,
    key: String,
}

impl LabelCache {
    /// The cache in a file for these labels.
    pub fn new(path: &Path, examples: &Examples, teachers: &[Teacher], reverse: f32) -> Self {
        let mut hash = Sha256::new();
        hash.update(&examples.codes);
        hash.update(format!("{} {} {reverse}", examples.windows, examples.step));
        for teacher in teachers {
            hash.update(teacher.model.file().sha256());
            hash.update(format!("{:?}", teacher.outputs));
        }
        let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Self {
            path: path.into(),
            key: format!("mpra-score labels 2 {hex}\n"),
        }
    }

    /// Takes the labels from the file; `false` when it is not there or of something else.
    ///
    /// # Errors
    /// [`TrainError::Read`], and [`TrainError::Data`] when it is damaged.
    pub fn load(&self, examples: &mut Examples) -> Result<bool, TrainError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(TrainError::Read(e, self.path.clone())),
        };
        let shape = (examples.len(), examples.windows, examples.tasks.len());
        let n = shape.0 * shape.1 * shape.2;
        let damaged = || TrainError::Data {
            path: self.path.clone(),
            problem:
                "these are not the labels that were written; remove it, and they are made anew"
                    .into(),
        };
        if !bytes.starts_with(self.key.as_bytes()) {
            return Ok(false);
        }
        let (bytes, sum) = (bytes.len().checked_sub(64))
            .map(|at| bytes.split_at(at))
            .ok_or_else(damaged)?;
        if sha256(bytes).as_bytes() != sum {
            return Err(damaged());
        }
        let values = bytes.get(self.key.len()..).unwrap_or_default();
        if values.len() != 8 * n {
            return Ok(false);
        }
        let (chunks, _) = values.as_chunks::<4>();
        let mut floats: Vec<f32> = chunks.iter().map(|c| f32::from_le_bytes(*c)).collect();
        let reversed = Array3::from_shape_vec(shape, floats.split_off(n));
        let (Ok(labels), Ok(reversed)) = (Array3::from_shape_vec(shape, floats), reversed) else {
            return Ok(false);
        };
        (examples.labels, examples.reversed) = (labels, Some(reversed));
        Ok(true)
    }

    /// Writes the labels; the file is whole or not there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, examples: &Examples) -> Result<(), TrainError> {
        let reversed = examples.reversed.iter().flatten();
        let mut bytes = self.key.clone().into_bytes();
        for value in examples.labels.iter().chain(reversed) {
            bytes.extend(value.to_le_bytes());
        }
        let sum = sha256(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Ok(write_whole(&self.path, &bytes)?)
    }
}
