use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::Array2;

use super::Common;
use crate::Error;
use crate::encode::BASES;
use crate::job::{Cancel, JobError, ModelUsed};
use crate::model::{
    BATCHES, Ensemble, Model, ModelError, ModelOptions, Pooled, Predict, Runtime, SessionPool,
};

/// Predicts windows: base codes, `[rows, window]`, to activities, `[rows, tasks]`, on several threads; of
/// the members of an ensemble the mean. What a session sees together does not depend on the threads.
///
/// # Errors
/// When a model fails, gives NaN or infinity, or the job is asked to stop.
pub fn predict(
    models: &[Model],
    codes: &[u8],
    batch: NonZeroUsize,
    threads: NonZeroUsize,
    cancel: &Cancel,
) -> Result<Array2<f32>, Error> {
    let mut mean: Option<Array2<f32>> = None;
    for model in models {
        let (window, tasks) = (model.window(), model.tasks());
        let mut one = Array2::zeros((codes.len() / window, tasks));
        // A new array lies row by row: it is always one slice.
        let whole = one.as_slice_mut().unwrap_or_default();
        let pool = SessionPool::new(model, threads, batch, cancel)?;
        let rows = pool.rows() * BATCHES;
        let mut pooled = Pooled(Arc::new(pool));
        for (codes, activities) in (codes.chunks(rows * window)).zip(whole.chunks_mut(rows * tasks))
        {
            pooled.predict(codes, activities).map_err(|e| match e {
                ModelError::Cancelled => JobError::Interrupted { kept: false }.into(),
                other => Error::from(other),
            })?;
        }
        mean = Some(match mean {
            None => one,
            Some(sum) => sum + &one,
        });
    }
    let mean = mean.ok_or(ModelError::NoMember)?;
    Ok(match models.len() {
        1 => mean,
        members => mean / members as f32,
    })
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
