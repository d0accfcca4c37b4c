use super::Epoch;

/// Hears how far a run is.
pub trait Progress: Sync {
    /// Before the first pass: how many there are, at most.
    fn start(&self, _passes: u64) {}
    /// A pass of a task with a penalty is done.
    fn pass(&self, _task: &str, _alpha: f64, _epoch: usize, _errors: &Epoch) {}
    /// So many passes are not needed.
    fn spared(&self, _passes: u64) {}
    /// After the last pass.
    fn finish(&self) {}
}

/// Hears nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {}
