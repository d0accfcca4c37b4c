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
    /// What further data say.
    #[serde(default)]
    pub others: Vec<Judged>,
    /// Time it took.
    pub seconds: f64,
}

/// A network on one side of the split of some data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Loss.
    #[serde(deserialize_with = "maybe_nan_number")]
    pub loss: f64,
    /// For each task the Pearson correlation of outputs and labels, or of their differences; of classes
    /// the AUROC. NaN for tasks that the data lack.
    #[serde(deserialize_with = "maybe_nan")]
    pub figures: Vec<f64>,
}

fn maybe_nan_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
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
