use std::borrow::Cow;
use std::path::Path;

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::session::{room, session};
use super::{ModelError, Runtime};

/// A part of a model that ONNX Runtime runs on one thread: tensors in, activities out.
pub struct Part {
    session: Session,
    output: String,
}

/// What a [`Part`] reads: `[rows, axes...]`.
pub struct PartInput<'a> {
    /// The tensor's name.
    pub name: &'a str,
    /// Its axes behind the batch.
    pub axes: &'a [usize],
    /// Its values.
    pub values: &'a [f32],
}

impl Part {
    /// Opens the part that `bytes` are, as [`onnx::upper_part`](super::onnx::upper_part) makes it, with this
    /// output `[batch, tasks]`; `path` is the model's, for errors.
    ///
    /// # Errors
    /// When ONNX Runtime refuses it.
    pub fn open(
        path: &Path,
        bytes: &[u8],
        output: &str,
        runtime: &Runtime,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            session: session(path, bytes, runtime)?,
            output: output.into(),
        })
    }

    /// Activities of so many rows, `[rows, tasks]`, finite or not.
    ///
    /// # Errors
    /// When ONNX Runtime fails, or gives another number of values.
    pub fn run(
        &mut self,
        rows: usize,
        inputs: &[PartInput<'_>],
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        let fail = |e: ort::Error| ModelError::Run(e.to_string());
        room().map_err(|e| ModelError::Run(e.to_string()))?;
        let mut tensors: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for input in inputs {
            let mut shape = vec![rows as i64];
            shape.extend(input.axes.iter().map(|&n| n as i64));
            let tensor = TensorRef::from_array_view((shape, input.values)).map_err(fail)?;
            tensors.push((input.name.into(), tensor.into()));
        }
        let outputs = self.session.run(tensors).map_err(fail)?;
        let output = outputs
            .get(&self.output)
            .ok_or_else(|| ModelError::Run(format!("no output {:?}", self.output)))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(fail)?;
        if values.len() != activities.len() {
            return Err(ModelError::Run(format!(
                "{rows} windows gave {} values, expected {}",
                values.len(),
                activities.len()
            )));
        }
        activities.copy_from_slice(values);
        Ok(())
    }
}
