use std::num::NonZeroUsize;

use ndarray::Array2;

use super::{Common, EvaluateError};
use crate::Error;
use crate::encode::BASES;
use crate::job::{Cancel, ModelUsed};
use crate::model::{Cancellable, Ensemble, ModelError, ModelOptions, Predict, Runtime};

/// Predicts windows: base codes, `[rows, window]`, to activities, `[rows, tasks]`, on several
/// threads, each with a session of its own.
///
/// # Errors
/// When the model fails, gives NaN or infinity, or the job is asked to stop.
pub fn predict(
    model: &Ensemble,
    codes: &[u8],
    batch: NonZeroUsize,
    threads: NonZeroUsize,
    cancel: &Cancel,
) -> Result<Array2<f32>, Error> {
    let (window, tasks) = (model.window(), model.tasks());
    let rows = codes.len() / window;
    let mut activities = Array2::zeros((rows, tasks));
    // A new array lies row by row: it is always one slice.
    let whole = activities.as_slice_mut().unwrap_or_default();
    // Whole batches, so that what a session sees together does not depend on the threads.
    let batches = rows.div_ceil(batch.get());
    let share = batches.div_ceil(threads.get()).max(1) * batch.get();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (codes.chunks(share * window))
            .zip(whole.chunks_mut(share * tasks))
            .map(|(codes, activities)| {
                scope.spawn(move || -> Result<(), ModelError> {
                    let mut model = Cancellable::new(model.another()?, cancel.clone());
                    for (codes, activities) in (codes.chunks(batch.get() * window))
                        .zip(activities.chunks_mut(batch.get() * tasks))
                    {
                        model.predict(codes, activities)?;
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Err(_) => return Err(EvaluateError::Thread.into()),
                Ok(Err(ModelError::Cancelled)) => {
                    return Err(crate::job::JobError::Interrupted { kept: false }.into());
                }
                Ok(result) => result?,
            }
        }
        Ok::<(), Error>(())
    })?;
    Ok(activities)
}

/// A model with what the user calls it.
pub struct Predictor {
    /// In tables.
    pub name: &'static str,
    /// The model, of several members their mean.
    pub model: Ensemble,
}

impl Predictor {
    /// Opens the model of a run, and the second one where there is one.
    ///
    /// # Errors
    /// As [`Ensemble::open`].
    pub fn open(common: &Common) -> Result<Vec<Self>, Error> {
        let runtime = Runtime::load(common.ort_lib.as_deref()).map_err(ModelError::from)?;
        let one = |name, sources, options: &ModelOptions| -> Result<Self, Error> {
            Ok(Self {
                name,
                model: Ensemble::open(sources, options, &runtime)?,
            })
        };
        let mut all = vec![one("model", &common.model, &common.model_options)?];
        if let Some(against) = &common.baseline {
            all.push(one("baseline", &against.model, &ModelOptions::default())?);
        }
        Ok(all)
    }

    /// For `run.json`.
    pub fn used(&self) -> Vec<ModelUsed> {
        self.model.used(self.name)
    }

    /// Number of the output column of a task.
    ///
    /// # Errors
    /// When the model has no such task.
    pub fn task(&self, name: &str) -> Result<usize, ModelError> {
        self.model.spec().column(name)
    }
}

/// A code as a letter.
pub(super) fn letter(code: u8) -> char {
    BASES.get(code as usize).copied().unwrap_or('N')
}
