//! One model on several threads: whoever has rows to predict gives them to all of them.

use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{Cancellable, Model, ModelError, Predict};
use crate::job::Cancel;

/// Batches that a [`Pooled`] likes to be given at a time, so that all threads are busy to its end.
pub const BATCHES: usize = 64;

/// Sessions of a model, each on a thread of its own. Work is dealt out batch by batch to whichever is
/// free, so that one caller keeps all of them busy, and several callers share them.
pub struct SessionPool {
    /// Taken away when the pool ends.
    batches: Option<Sender<Batch>>,
    threads: Vec<JoinHandle<()>>,
    rows: usize,
    window: usize,
    tasks: Vec<String>,
}

struct Batch {
    number: usize,
    codes: Vec<u8>,
    done: Sender<(usize, Result<Vec<f32>, ModelError>)>,
}

impl SessionPool {
    /// Opens so many sessions; `batch` rows are run at a time, and as many as the graph fixes where it
    /// does. They fail with [`ModelError::Cancelled`] once the job is asked to stop.
    ///
    /// # Errors
    /// When a session cannot be opened.
    pub fn new(
        model: &Model,
        threads: NonZeroUsize,
        batch: NonZeroUsize,
        cancel: &Cancel,
    ) -> Result<Self, ModelError> {
        let (batches, waiting) = mpsc::channel::<Batch>();
        let waiting = Arc::new(Mutex::new(waiting));
        let sessions = (0..threads.get()).map(|_| model.another());
        let sessions = sessions.collect::<Result<Vec<Model>, _>>()?;
        let start = |session: Model| {
            let (waiting, cancel) = (waiting.clone(), cancel.clone());
            thread::spawn(move || serve(&mut Cancellable::new(session, cancel), &waiting))
        };
        let spec = model.spec();
        Ok(Self {
            batches: Some(batches),
            threads: sessions.into_iter().map(start).collect(),
            rows: spec.fixed_batch.unwrap_or(0).max(batch.get()),
            window: spec.window,
            tasks: spec.tasks.clone(),
        })
    }

    /// Rows that are run at a time.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Runs batches until no more can come.
fn serve(model: &mut dyn Predict, waiting: &Mutex<Receiver<Batch>>) {
    loop {
        let next = waiting.lock().map(|waiting| waiting.recv());
        let Ok(Ok(batch)) = next else {
            return;
        };
        let rows = batch.codes.len() / model.window();
        let mut activities = vec![0.0; rows * model.tasks()];
        let result = model.predict(&batch.codes, &mut activities);
        // Nobody listens where another batch has failed.
        let _ = batch.done.send((batch.number, result.map(|()| activities)));
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so, and its caller has an error.
            let _ = thread.join();
        }
    }
}

/// A model that predicts on a pool's threads.
#[derive(Clone)]
pub struct Pooled(pub Arc<SessionPool>);

impl Predict for Pooled {
    fn window(&self) -> usize {
        self.0.window
    }

    fn tasks(&self) -> usize {
        self.0.tasks.len()
    }

    fn task(&self, task: usize) -> String {
        self.0.tasks[task].clone()
    }

    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
        let pool = &*self.0;
        let ended = || ModelError::Run("a thread of ONNX Runtime ended".into());
        let (done, results) = mpsc::channel();
        let batches = pool.batches.as_ref().ok_or_else(ended)?;
        for (number, codes) in windows.chunks(pool.rows * pool.window).enumerate() {
            let batch = Batch {
                number,
                codes: codes.to_vec(),
                done: done.clone(),
            };
            batches.send(batch).map_err(|_| ended())?;
        }
        drop(done);
        let size = pool.rows * pool.tasks.len();
        let mut missing = activities.len().div_ceil(size.max(1));
        // The first in order, so that the same input fails in the same words.
        let mut failed: Option<(usize, ModelError)> = None;
        for (number, result) in results {
            missing -= 1;
            match result {
                Ok(values) => activities[number * size..][..values.len()].copy_from_slice(&values),
                Err(e) if failed.as_ref().is_none_or(|(first, _)| number < *first) => {
                    failed = Some((number, e));
                }
                Err(_) => {}
            }
        }
        match failed {
            Some((_, e)) => Err(e),
            None if missing > 0 => Err(ended()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelFile, ModelOptions, Runtime};

    #[test]
    fn a_pool_gives_what_the_model_gives() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/demo.onnx");
        let file = ModelFile::read(path.as_ref()).unwrap();
        let runtime = Runtime::load(None).unwrap();
        let mut model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
        let (window, tasks) = (model.window(), model.tasks());
        let number = |n| NonZeroUsize::new(n).unwrap();
        let cancel = Cancel::default();
        let pool = SessionPool::new(&model, number(3), number(7), &cancel).unwrap();
        let pooled = Pooled(Arc::new(pool));
        let codes: Vec<u8> = (0..100 * window as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 30) as u8)
            .collect();
        let mut expected = vec![0.0; 100 * tasks];
        for (codes, values) in (codes.chunks(7 * window)).zip(expected.chunks_mut(7 * tasks)) {
            model.predict(codes, values).unwrap();
        }
        // From several places at once.
        thread::scope(|scope| {
            for rows in [100, 99, 8, 7, 1] {
                let (mut pooled, codes, expected) = (pooled.clone(), &codes, &expected);
                scope.spawn(move || {
                    let mut found = vec![0.0; rows * tasks];
                    pooled.predict(&codes[..rows * window], &mut found).unwrap();
                    let same = found
                        .iter()
                        .zip(expected)
                        .all(|(a, b)| (a - b).abs() < 1e-5);
                    assert!(same && !found.contains(&0.0));
                    if rows == 100 {
                        assert_eq!(&found, expected);
                    }
                });
            }
        });
        assert_eq!(pooled.task(0), model.task(0));
        let mut pooled = pooled;
        assert!(pooled.predict(&[], &mut []).is_ok());
        cancel.request();
        let stopped = pooled.predict(&codes[..window], &mut vec![0.0; tasks]);
        assert!(matches!(stopped, Err(ModelError::Cancelled)));
    }
}
