use serde::{Deserialize, Serialize};

/// An epoch's figures. Losses are weighted mean squared errors of standardised labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub rate: f64,
    /// Mean loss of its batches, dropout on, differences of pairs included.
    pub train: f64,
    /// Loss on the validation side.
    pub validation: f64,
    /// Pearson correlation on the validation side, by task.
    #[serde(deserialize_with = "maybe_nan")]
    pub pearson: Vec<f64>,
    /// The same on the validation side of the further data; NaN for tasks that it lacks.
    #[serde(default, deserialize_with = "maybe_nan")]
    pub beside: Vec<f64>,
    /// Time it took.
    pub seconds: f64,
}

/// JSON has no NaN: serde writes it as null.
fn maybe_nan<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// Is told how far fitting is.
pub trait Watch: Sync {
    /// A step of so many is done; `loss` is its batch's.
    fn step(&self, done: u64, of: u64, epoch: usize, loss: f64);
    /// An epoch is done.
    fn epoch(&self, epoch: &Epoch, of: usize, left_seconds: f64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn step(&self, _: u64, _: u64, _: usize, _: f64) {}
    fn epoch(&self, _: &Epoch, _: usize, _: f64) {}
}
