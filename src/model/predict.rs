use super::ModelError;
use crate::encode::reverse_complement;
use crate::job::Cancel;

/// A function from windows to activities.
pub trait Predict {
    /// Bases in a window.
    fn window(&self) -> usize;

    /// Number of activities a window.
    fn tasks(&self) -> usize;

    /// The name of a task, for messages.
    fn task(&self, task: usize) -> String {
        format!("task_{task}")
    }

    /// Predicts the activities of windows.
    ///
    /// `windows` holds base codes, `[rows, window]` row-major; `activities` receives
    /// `[rows, tasks]`, row-major. Unknown bases ([`crate::encode::UNKNOWN`]) are zero columns.
    ///
    /// # Errors
    /// When the model fails or gives NaN or infinity.
    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError>;
}

impl<P: Predict + ?Sized> Predict for Box<P> {
    fn window(&self) -> usize {
        (**self).window()
    }

    fn tasks(&self) -> usize {
        (**self).tasks()
    }

    fn task(&self, task: usize) -> String {
        (**self).task(task)
    }

    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
        (**self).predict(windows, activities)
    }
}

/// A model that fails with [`ModelError::Cancelled`] once its job is asked to stop, so that a long
/// batch of work ends soon.
#[derive(Debug)]
pub struct Cancellable<P> {
    inner: P,
    cancel: Cancel,
}

impl<P: Predict> Cancellable<P> {
    /// Wraps a model.
    pub fn new(inner: P, cancel: Cancel) -> Self {
        Self { inner, cancel }
    }
}

impl<P: Predict> Predict for Cancellable<P> {
    fn window(&self) -> usize {
        self.inner.window()
    }

    fn tasks(&self) -> usize {
        self.inner.tasks()
    }

    fn task(&self, task: usize) -> String {
        self.inner.task(task)
    }

    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
        match self.cancel.is_requested() {
            true => Err(ModelError::Cancelled),
            false => self.inner.predict(windows, activities),
        }
    }
}

/// The mean of a model's activities for a window and for its reverse complement
/// (`--strand both`). Effects and importance of this model are those of the mean.
#[derive(Debug)]
pub struct BothStrands<P> {
    inner: P,
    reversed: Vec<u8>,
    other: Vec<f32>,
}

impl<P: Predict> BothStrands<P> {
    /// Wraps a model.
    pub fn new(inner: P) -> Self {
        Self {
            inner,
            reversed: Vec::new(),
            other: Vec::new(),
        }
    }
}

impl<P: Predict> Predict for BothStrands<P> {
    fn window(&self) -> usize {
        self.inner.window()
    }

    fn tasks(&self) -> usize {
        self.inner.tasks()
    }

    fn task(&self, task: usize) -> String {
        self.inner.task(task)
    }

    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
        let window = self.window();
        self.reversed.resize(windows.len(), 0);
        for (from, to) in windows
            .chunks_exact(window)
            .zip(self.reversed.chunks_exact_mut(window))
        {
            reverse_complement(from, to);
        }
        self.other.resize(activities.len(), 0.0);
        self.inner.predict(windows, activities)?;
        self.inner.predict(&self.reversed, &mut self.other)?;
        for (a, b) in activities.iter_mut().zip(&self.other) {
            *a = 0.5 * (*a + b);
        }
        Ok(())
    }
}
