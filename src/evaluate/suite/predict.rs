//! What models predict for whole sequences.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use super::super::{EvaluateError, Predictor};
use super::items::Sequences;
use super::spec::{Judge, Pool};
use crate::Error;
use crate::ism::{
    Engine, EngineChoice, EngineSettings, Engines, IsmError, SequenceWindows, Strand,
};
use crate::job::{self, Cancel, JobError, Progress};
use crate::model::ModelError;

/// Sequences that a thread takes at a time.
const CHUNK: usize = 64;

/// A model of a run with its engines, one for each choice of strands, made when they are needed.
pub(super) struct Ready<'a> {
    pub predictor: &'a Predictor,
    batch: NonZeroUsize,
    engines: [Option<Engines>; 2],
}

impl<'a> Ready<'a> {
    pub(super) fn new(predictor: &'a Predictor, batch: NonZeroUsize) -> Self {
        Self {
            predictor,
            batch,
            engines: [None, None],
        }
    }

    /// The names of the engines that were used.
    pub(super) fn engine(&self) -> Option<&'static str> {
        self.engines.iter().flatten().next().map(Engines::name)
    }

    /// Activities `[sequence, task]` as the judge pools windows; of alleles, the alternative's less
    /// the reference's.
    ///
    /// # Errors
    /// When the model fails or the job is asked to stop.
    pub(super) fn predict(
        &mut self,
        judge: &Judge,
        sequences: &Sequences,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Array2<f64>, Error> {
        let mut values = self.pooled(judge, &sequences.reference, progress, cancel)?;
        if !sequences.alternative.is_empty() {
            let reference = values;
            values = self.pooled(judge, &sequences.alternative, progress, cancel)?;
            values -= &reference;
        }
        Ok(values)
    }

    fn pooled(
        &mut self,
        judge: &Judge,
        sequences: &[Box<[u8]>],
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Array2<f64>, Error> {
        let model = &self.predictor.model;
        let settings = EngineSettings {
            choice: EngineChoice::Auto,
            strand: match judge.both_strands {
                true => Strand::Both,
                false => Strand::Forward,
            },
            batch: self.batch,
            threads: job::pool_threads(),
        };
        let engines = match &mut self.engines[usize::from(judge.both_strands)] {
            Some(engines) => &*engines,
            none => none.insert(Engines::choose(settings, model.members())?),
        };
        let (window, step) = (model.window(), judge.step() as usize);
        let runner = SequenceWindows::new(window as u32, step as u32);
        let runner = runner.ok_or_else(|| {
            EvaluateError::Setting(format!(
                "judge {:?}: a step of {step} bases between windows of {window}",
                judge.name.get_ref()
            ))
        })?;
        let free: Mutex<Vec<(Box<dyn Engine>, SequenceWindows)>> = Mutex::new(Vec::new());
        let mut values = Array2::zeros((sequences.len(), model.tasks()));
        let chunks: Vec<_> = values.axis_chunks_iter_mut(Axis(0), CHUNK).collect();
        let done = (chunks.into_par_iter().zip(sequences.par_chunks(CHUNK))).try_for_each(
            |(mut values, sequences)| -> Result<(), IsmError> {
                if cancel.is_requested() {
                    return Err(ModelError::Cancelled.into());
                }
                let taken = free.lock().ok().and_then(|mut free| free.pop());
                let (mut engine, mut windows) = match taken {
                    Some(taken) => taken,
                    None => (engines.engine(model.members(), cancel)?, runner.clone()),
                };
                for (codes, values) in sequences.iter().zip(values.outer_iter_mut()) {
                    let codes = match judge.pool() {
                        Pool::Centre => &codes[(codes.len() - window) / 2..][..window],
                        _ => codes,
                    };
                    let activities = windows.run(engine.as_mut(), codes, false)?;
                    pool(judge.pool(), activities.view(), values);
                }
                if let Ok(mut free) = free.lock() {
                    free.push((engine, windows));
                }
                progress.advance(sequences.len() as u64);
                Ok(())
            },
        );
        match done {
            Ok(()) => Ok(values),
            Err(IsmError::Model(ModelError::Cancelled)) => {
                Err(JobError::Interrupted { kept: false }.into())
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// One number a task from those of the windows, `[window, task]`.
fn pool(how: Pool, activities: ArrayView2<'_, f32>, mut values: ArrayViewMut1<'_, f64>) {
    for (value, of_task) in values.iter_mut().zip(activities.columns()) {
        let windows = of_task.iter().map(|&v| f64::from(v));
        *value = match how {
            Pool::Max => windows.fold(f64::NEG_INFINITY, f64::max),
            _ => windows.sum::<f64>() / activities.nrows() as f64,
        };
    }
}

/// The mean over the columns of some tasks.
pub(super) fn mean_of_tasks(values: &Array2<f64>, columns: &[usize]) -> Vec<f64> {
    (values.outer_iter())
        .map(|row| columns.iter().map(|&c| row[c]).sum::<f64>() / columns.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn pools() {
        let activities = array![[1.0f32, -1.0], [2.0, -3.0], [6.0, 1.0]];
        let mut values = ndarray::Array1::zeros(2);
        pool(Pool::Mean, activities.view(), values.view_mut());
        assert_eq!(values, array![3.0, -1.0]);
        pool(Pool::Max, activities.view(), values.view_mut());
        assert_eq!(values, array![6.0, 1.0]);
        assert_eq!(mean_of_tasks(&array![[1.0, 2.0, 6.0]], &[2, 0]), [3.5]);
    }
}
