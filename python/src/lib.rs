//! The Python module `mpra_score._core`: thin, so that `mpra_score` in Python is what its users read.
//!
//! Arrays are made in Rust's memory and given to NumPy as they are. While Rust works the interpreter's lock is free, and
//! every tenth of a second signals are looked at, so that Ctrl-C ends a job.

mod table;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use mpra_score::attribution::{AttributionSettings, Method, References};
use mpra_score::ism::{EngineChoice, EngineSettings, Strand, Want};
use mpra_score::model::onnx::Reduce;
use mpra_score::model::{Ensemble, Frame, ModelOptions, ModelSource, ModelSources};
use mpra_score::score::{ArrayScorer, SequenceArrays};
use mpra_score::{Cancel, VERSION, cli};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyArray4, PyReadonlyArray2, PyReadonlyArray4};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Arrays of so many axes.
type Two<'py> = Bound<'py, PyArray2<f32>>;
type Three<'py> = Bound<'py, PyArray3<f32>>;
type Four<'py> = Bound<'py, PyArray4<f32>>;

create_exception!(
    _core,
    Error,
    PyException,
    "What mpra-score says when it cannot go on; `hint` is one line that says how to mend it, or None."
);

/// An exception with the library's words.
pub(crate) fn error(text: String, hint: Option<String>) -> PyErr {
    Python::attach(|py| {
        let whole = match &hint {
            Some(hint) => format!("{text}\nhint: {hint}"),
            None => text,
        };
        let e = Error::new_err(whole);
        // An attribute that cannot be set is no reason to lose the words.
        let _ = e.value(py).setattr("hint", hint);
        e
    })
}

fn failure(e: &mpra_score::Error) -> PyErr {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(e) = cause {
        text += &format!(": {e}");
        cause = e.source();
    }
    error(text, e.hint())
}

/// Runs something without the interpreter's lock, on a thread of its own, and looks at signals meanwhile. What panics there is an
/// exception here.
fn unlocked<T: Send>(
    py: Python<'_>,
    cancel: &Cancel,
    run: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    thread::scope(|scope| {
        let (done, wait) = sync_channel::<()>(1);
        let job = scope.spawn(move || {
            let result = run();
            // Nobody waits where the interpreter is gone.
            let _ = done.send(());
            result
        });
        let (mut signal, mut wait) = (None, wait);
        loop {
            // It goes there and back, as it may not be shared between threads.
            let waited;
            (waited, wait) =
                py.detach(move || (wait.recv_timeout(Duration::from_millis(100)), wait));
            if waited != Err(RecvTimeoutError::Timeout) {
                break;
            }
            if signal.is_none()
                && let Err(e) = py.check_signals()
            {
                cancel.request();
                signal = Some(e);
            }
        }
        let result = py.detach(|| job.join());
        match (signal, result) {
            (Some(e), _) => Err(e),
            (None, Ok(result)) => Ok(result),
            (None, Err(panic)) => {
                let text = (panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                Err(error(
                    format!("a fault of mpra-score itself, please report it: {text}"),
                    None,
                ))
            }
        }
    })
}

/// A model, ready to be asked.
#[pyclass(frozen, module = "mpra_score._core")]
struct Scorer(ArrayScorer);

#[pymethods]
impl Scorer {
    /// Opens models: files or names of embedded ones; several are an ensemble.
    #[new]
    #[pyo3(signature = (models, *, threads, engine, strand, batch, ort_lib=None, alphabet=None, task_names=None, frame=None, output=None, reduce=None, max_unknown=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        models: Vec<PathBuf>,
        threads: usize,
        engine: &str,
        strand: &str,
        batch: usize,
        ort_lib: Option<PathBuf>,
        alphabet: Option<String>,
        task_names: Option<Vec<String>>,
        frame: Option<(usize, Option<usize>)>,
        output: Option<String>,
        reduce: Option<String>,
        max_unknown: Option<f64>,
    ) -> PyResult<Self> {
        let positive = |n: usize, what: &str| {
            NonZeroUsize::new(n)
                .ok_or_else(|| PyValueError::new_err(format!("{what} is 0; expected at least 1")))
        };
        let settings = EngineSettings {
            choice: match engine {
                "auto" => EngineChoice::Auto,
                "fast" => EngineChoice::Fast,
                "full" => EngineChoice::Full,
                other => {
                    let text = format!("engine {other:?}; expected \"auto\", \"fast\" or \"full\"");
                    return Err(PyValueError::new_err(text));
                }
            },
            strand: match strand {
                "forward" => Strand::Forward,
                "both" => Strand::Both,
                other => {
                    let text = format!("strand {other:?}; expected \"forward\" or \"both\"");
                    return Err(PyValueError::new_err(text));
                }
            },
            batch: positive(batch, "batch")?,
            threads: positive(threads, "threads")?,
        };
        let reduce = reduce
            .map(|how| how.parse::<Reduce>())
            .transpose()
            .map_err(|e| PyValueError::new_err(e.to_string()))?;
        let options = ModelOptions {
            alphabet,
            task_names,
            frame: frame.map(|(window, offset)| Frame {
                window,
                offset,
                length: None,
            }),
            output,
            reduce,
            max_unknown,
        };
        let sources: Vec<ModelSource> = (models.iter())
            .map(|model| ModelSource::from_arg(Some(model)))
            .collect();
        let open = || -> Result<ArrayScorer, mpra_score::Error> {
            let sources = ModelSources::new(sources);
            let model = Ensemble::load(&sources, &options, ort_lib.as_deref())?;
            ArrayScorer::new(model, settings)
        };
        let opened = unlocked(py, &Cancel::default(), open)?;
        opened.map(Self).map_err(|e| failure(&e))
    }

    /// What is known of the model.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let model = self.0.model();
        let spec = model.spec();
        let info = PyDict::new(py);
        info.set_item("window", spec.window)?;
        info.set_item("tasks", spec.tasks.clone())?;
        info.set_item("sha256", model.sha256())?;
        info.set_item("members", model.members().len())?;
        info.set_item("engine", self.0.engine())?;
        info.set_item("max_unknown", spec.most_unknown)?;
        info.set_item("onnxruntime", model.runtime().version())?;
        Ok(info)
    }

    /// Activities `[n, task]` of base codes `[n, length]`.
    fn activities<'py>(
        &self,
        py: Python<'py>,
        codes: PyReadonlyArray2<'py, u8>,
        stride: u32,
    ) -> PyResult<Two<'py>> {
        let arrays = self.run(py, &codes, stride, Want::Activity)?;
        Ok(arrays.activities.into_pyarray(py))
    }

    /// Activities, and importance `[n, base, task]`.
    fn importance<'py>(
        &self,
        py: Python<'py>,
        codes: PyReadonlyArray2<'py, u8>,
        stride: u32,
    ) -> PyResult<(Two<'py>, Three<'py>)> {
        let arrays = self.run(py, &codes, stride, Want::Importance)?;
        Ok((
            arrays.activities.into_pyarray(py),
            arrays.importance.into_pyarray(py),
        ))
    }

    /// Activities, importance, and effects `[n, base, 4, task]`.
    fn effects<'py>(
        &self,
        py: Python<'py>,
        codes: PyReadonlyArray2<'py, u8>,
        stride: u32,
    ) -> PyResult<(Two<'py>, Three<'py>, Four<'py>)> {
        let arrays = self.run(py, &codes, stride, Want::Effects)?;
        Ok((
            arrays.activities.into_pyarray(py),
            arrays.importance.into_pyarray(py),
            arrays.effects.into_pyarray(py),
        ))
    }

    /// Hypothetical contributions `[n, base, 4, task]`: of the method's own references, or of given ones `[n, references, base, 4]`.
    #[pyo3(signature = (codes, stride, method, steps, references, shuffles, seed, given=None))]
    #[allow(clippy::too_many_arguments)]
    fn contributions<'py>(
        &self,
        py: Python<'py>,
        codes: PyReadonlyArray2<'py, u8>,
        stride: u32,
        method: &str,
        steps: usize,
        references: &str,
        shuffles: usize,
        seed: u64,
        given: Option<PyReadonlyArray4<'py, f32>>,
    ) -> PyResult<Four<'py>> {
        let positive = |n: usize, what: &str| match n {
            0 => Err(PyValueError::new_err(format!(
                "{what} is 0; expected at least 1"
            ))),
            n => Ok(n),
        };
        let method = match method {
            "deeplift" => Method::DeepLift,
            "integrated-gradients" => Method::IntegratedGradients {
                steps: positive(steps, "steps")?,
            },
            "gradient-input" => Method::GradientInput,
            other => {
                let text = format!(
                    "method {other:?}; expected \"deeplift\", \"integrated-gradients\" or \"gradient-input\""
                );
                return Err(PyValueError::new_err(text));
            }
        };
        let references = match references {
            "zeros" => References::Zeros,
            "uniform" => References::Uniform,
            "gc" => References::Gc,
            "shuffles" => References::Shuffles {
                count: positive(shuffles, "shuffles")?,
                seed,
            },
            other => {
                let text = format!(
                    "references {other:?}; expected \"zeros\", \"uniform\", \"gc\", \"shuffles\" or an array"
                );
                return Err(PyValueError::new_err(text));
            }
        };
        let (cancel, codes) = (Cancel::default(), codes.as_array());
        let found = match &given {
            Some(given) => {
                let given = given.as_array();
                let run = || self.0.contributions_against(codes, given, method, &cancel);
                unlocked(py, &cancel, run)?
            }
            None => {
                let settings = AttributionSettings { method, references };
                let run = || self.0.contributions(codes, stride, settings, &cancel);
                unlocked(py, &cancel, run)?.map(|arrays| arrays.effects)
            }
        };
        found
            .map(|found| found.into_pyarray(py))
            .map_err(|e| failure(&e))
    }
}

impl Scorer {
    fn run(
        &self,
        py: Python<'_>,
        codes: &PyReadonlyArray2<'_, u8>,
        stride: u32,
        want: Want,
    ) -> PyResult<SequenceArrays> {
        let (cancel, codes) = (Cancel::default(), codes.as_array());
        let result = unlocked(py, &cancel, || self.0.run(codes, stride, want, &cancel))?;
        result.map_err(|e| failure(&e))
    }
}

/// Runs a command of the program: its words without the program's name.
#[pyfunction]
fn run(py: Python<'_>, words: Vec<OsString>) -> PyResult<()> {
    let cancel = Cancel::default();
    let result = unlocked(py, &cancel, || cli::run(words, &cancel))?;
    result.map_err(|failure| match failure.interrupted {
        true => PyKeyboardInterrupt::new_err(failure.text),
        false => error(failure.text, failure.hint),
    })
}

/// The program itself, with the words of a process; gives its exit code, or ends the process.
#[pyfunction]
fn main(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| cli::main_with(words))
}

#[pymodule]
fn _core(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Error", py.get_type::<Error>())?;
    module.add("__version__", VERSION)?;
    module.add_class::<Scorer>()?;
    module.add_class::<table::Table>()?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    Ok(())
}
