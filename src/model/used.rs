//! Opening a model as jobs do, and what `run.json` says of it.

use std::path::Path;

use super::{Model, ModelError, ModelFile, ModelOptions, ModelSource, ModelSpec, Runtime};
use crate::job::{ModelUsed, OnnxRuntime};

impl Model {
    /// Reads a model, judges it, finds ONNX Runtime and opens a session: what every job begins with.
    ///
    /// # Errors
    /// As [`Model::open`], and when ONNX Runtime cannot be loaded.
    pub fn load(
        source: &ModelSource,
        options: &ModelOptions,
        library: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let file = source.read()?;
        // What is wrong with the file is said before a library is looked for.
        file.adapted(options)?.spec(options)?;
        let runtime = Runtime::load(library)?;
        Self::open(file, options, &runtime)
    }
}

impl ModelSource {
    /// The model for `run.json`, by what it was used as.
    pub fn used(&self, role: &str, model: &Model) -> ModelUsed {
        self.used_file(role, model.file(), model.spec())
    }

    /// The same of a model that was only read.
    pub fn used_file(&self, role: &str, file: &ModelFile, spec: &ModelSpec) -> ModelUsed {
        let (path, embedded) = match self {
            Self::Embedded(model) => (None, Some(model.name().to_owned())),
            Self::File(path) => (Some(path.display().to_string()), None),
        };
        ModelUsed {
            role: role.into(),
            path,
            embedded,
            sha256: file.sha256().into(),
            window: spec.window,
            columns: spec.one_hot.length,
            offset: spec.one_hot.offset,
            alphabet: spec.alphabet.clone(),
            tasks: spec.tasks.clone(),
        }
    }
}

impl Runtime {
    /// The library for `run.json`.
    pub fn used(&self) -> OnnxRuntime {
        OnnxRuntime {
            version: self.version().to_string(),
            path: self.path().display().to_string(),
        }
    }
}
