use std::collections::TryReserveError;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::{ModelError, ModelFile, ModelOptions, ModelSpec, Predict, Runtime};
use crate::encode::OneHot;

/// A model that ONNX Runtime runs on one thread. Workers each take their own, by
/// [`Model::another`].
pub struct Model {
    file: Arc<ModelFile>,
    spec: Arc<ModelSpec>,
    runtime: Runtime,
    session: Session,
    input: Vec<f32>,
}

impl Model {
    /// Opens a model and proves, with a few passes over small batches, that it gives what its
    /// description promises, and for each window the same whatever else is in the batch.
    ///
    /// # Errors
    /// When the file is not ONNX, does not fit (shape, type, alphabet, task count, batch), or ONNX
    /// Runtime refuses it.
    pub fn open(
        file: ModelFile,
        options: &ModelOptions,
        runtime: &Runtime,
    ) -> Result<Self, ModelError> {
        let file = file.adapted(options)?.into_owned();
        let mut spec = file.spec(options)?;
        let mut session = session(file.path(), file.bytes(), runtime)?;
        let mut trial = |rows| tasks(&mut session, &spec, &file, rows);
        let tried = trial(spec.fixed_batch.unwrap_or(2));
        let tasks = match tried {
            Ok(tasks) => tasks,
            Err(error) if spec.fixed_batch.is_some() => return Err(error),
            // Perhaps its graph says otherwise than its input: a Reshape to one row, for instance.
            Err(error) => match trial(1) {
                Ok(tasks) => {
                    tracing::warn!(
                        "{} takes one window at a time, though its input leaves the batch open: it runs more slowly than it could (with two it says: {error})",
                        file.path().display()
                    );
                    spec.fixed_batch = Some(1);
                    tasks
                }
                Err(_) => return Err(error),
            },
        };
        spec.resolve_tasks(tasks, file.path())?;
        let mut model = Self {
            file: Arc::new(file),
            spec: Arc::new(spec),
            runtime: runtime.clone(),
            session,
            input: Vec::new(),
        };
        model.check_batch()?;
        Ok(model)
    }

    /// The same model in a session of its own.
    pub fn another(&self) -> Result<Self, ModelError> {
        Ok(Self {
            file: self.file.clone(),
            spec: self.spec.clone(),
            runtime: self.runtime.clone(),
            session: session(self.file.path(), self.file.bytes(), &self.runtime)?,
            input: Vec::new(),
        })
    }

    /// What the model asks for and gives.
    pub fn spec(&self) -> &Arc<ModelSpec> {
        &self.spec
    }

    /// The file it came from.
    pub fn file(&self) -> &Arc<ModelFile> {
        &self.file
    }

    /// The ONNX Runtime that runs it.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Predicts from whole inputs: `rows` holds base codes, `[rows, columns of the input]`, with no
    /// frame laid around them. `activities` and errors are as in [`Predict::predict`].
    ///
    /// # Errors
    /// As there.
    pub fn predict_columns(
        &mut self,
        rows: &[u8],
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        let whole = OneHot {
            offset: 0,
            ..self.spec.one_hot
        };
        self.predict_encoded(whole, rows, whole.length, activities)
    }

    /// The activities of windows as they come, finite or not.
    pub(super) fn probe(&mut self, windows: &[u8]) -> Result<Vec<f32>, ModelError> {
        let (one_hot, width) = (self.spec.one_hot, self.spec.window);
        let mut activities = vec![0.0; windows.len() / width * self.spec.tasks.len()];
        self.run_encoded(one_hot, windows, width, &mut activities)?;
        Ok(activities)
    }

    fn predict_encoded(
        &mut self,
        one_hot: OneHot,
        windows: &[u8],
        width: usize,
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        self.run_encoded(one_hot, windows, width, activities)?;
        let Some(at) = activities.iter().position(|v| !v.is_finite()) else {
            return Ok(());
        };
        let tasks = self.spec.tasks.len();
        let codes = &windows[at / tasks * width..][..width];
        Err(ModelError::not_finite(
            activities[at],
            self.task(at % tasks),
            codes,
        ))
    }

    /// Rows of `width` base codes, made into the model's input by `one_hot`.
    fn run_encoded(
        &mut self,
        one_hot: OneHot,
        windows: &[u8],
        width: usize,
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        let tasks = self.spec.tasks.len();
        let rows = windows.len() / width;
        debug_assert_eq!(activities.len(), rows * tasks);
        // A model with a fixed batch gets its last batch filled up with zeros.
        let batch = self.spec.fixed_batch.unwrap_or(rows).max(1);
        let row_len = one_hot.row_len();
        for (windows, activities) in windows
            .chunks(batch * width)
            .zip(activities.chunks_mut(batch * tasks))
        {
            let used = windows.len() / width;
            self.input.resize(batch * row_len, 0.0);
            for (codes, row) in windows
                .chunks_exact(width)
                .zip(self.input.chunks_exact_mut(row_len))
            {
                one_hot.encode(codes, row);
            }
            self.input[used * row_len..].fill(0.0);
            let (_, values) = run(
                &mut self.session,
                &self.spec,
                self.file.path(),
                &self.input,
                batch,
            )?;
            if values.len() != batch * tasks {
                return Err(ModelError::Run(format!(
                    "{batch} windows of {tasks} tasks gave {} values",
                    values.len()
                )));
            }
            activities.copy_from_slice(&values[..activities.len()]);
        }
        Ok(())
    }
}

impl Predict for Model {
    fn window(&self) -> usize {
        self.spec.window
    }

    fn tasks(&self) -> usize {
        self.spec.tasks.len()
    }

    fn task(&self, task: usize) -> String {
        self.spec.tasks[task].clone()
    }

    fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
        self.predict_encoded(self.spec.one_hot, windows, self.window(), activities)
    }
}

/// How many tasks a trial run of so many windows gives.
fn tasks(
    session: &mut Session,
    spec: &ModelSpec,
    file: &ModelFile,
    rows: usize,
) -> Result<usize, ModelError> {
    let mut input = vec![0.0; rows * spec.one_hot.row_len()];
    // One base set, so that models which divide by the number of bases see one.
    spec.one_hot
        .encode(&vec![0; spec.window], &mut input[..spec.one_hot.row_len()]);
    let (shape, _) = run(session, spec, file.path(), &input, rows)?;
    match shape.as_slice() {
        [r, t] if *r == rows as i64 && *t > 0 => Ok(*t as usize),
        other => Err(ModelError::Unfit {
            path: file.path().into(),
            what: "output shape",
            problem: format!("{rows} windows gave {other:?}, expected [{rows}, tasks]"),
        }),
    }
}

/// A session of a model's bytes; `path` is for errors.
pub(super) fn session(path: &Path, bytes: &[u8], runtime: &Runtime) -> Result<Session, ModelError> {
    // One thread a session: workers run side by side, which for these small networks is faster
    // than several threads on one batch, and results do not depend on how a batch is split.
    let open = || -> ort::Result<Session> {
        Session::builder(&runtime.environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .commit_from_memory(bytes)
    };
    let fail = |message| ModelError::Load {
        path: path.into(),
        message,
    };
    room().map_err(|e| fail(e.to_string()))?;
    open().map_err(|e| fail(e.to_string()))
}

/// Asks for a little memory, before a thread goes into ONNX Runtime: that has variables of each thread, and where the C library finds
/// no memory for them it ends the process, without the words that are said where there is none here.
pub(super) fn room() -> Result<(), TryReserveError> {
    let mut little: Vec<u8> = Vec::new();
    little.try_reserve_exact(1 << 16)?;
    black_box(&mut little);
    Ok(())
}

fn run(
    session: &mut Session,
    spec: &ModelSpec,
    path: &Path,
    input: &[f32],
    rows: usize,
) -> Result<(Vec<i64>, Vec<f32>), ModelError> {
    let fail = |e: ort::Error| ModelError::Run(format!("{}: {e}", path.display()));
    let shape = spec.one_hot.layout.shape(rows, spec.one_hot.length);
    room().map_err(|e| ModelError::Run(format!("{}: {e}", path.display())))?;
    let tensor = TensorRef::from_array_view((shape, input)).map_err(fail)?;
    let outputs = session
        .run(ort::inputs![spec.input.as_str() => tensor])
        .map_err(fail)?;
    let output = outputs.get(spec.output.as_str()).ok_or_else(|| {
        let path = path.display();
        ModelError::Run(format!("{path}: no output {:?}", spec.output))
    })?;
    let (shape, values) = output.try_extract_tensor::<f32>().map_err(fail)?;
    Ok((shape.to_vec(), values.to_vec()))
}
