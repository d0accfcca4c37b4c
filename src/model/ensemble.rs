//! Several models that answer as one.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{
    Model, ModelError, ModelFile, ModelOptions, ModelSource, ModelSources, ModelSpec, Runtime,
};
use crate::job::ModelUsed;

/// Models with the same window and the same tasks, of which the mean is asked for. One model is an
/// ensemble of one.
pub struct Ensemble {
    members: Vec<Model>,
    sources: Vec<ModelSource>,
    spec: Arc<ModelSpec>,
    runtime: Runtime,
}

fn read(sources: &ModelSources) -> Result<Vec<ModelFile>, ModelError> {
    sources.members().iter().map(ModelSource::read).collect()
}

impl Ensemble {
    /// Reads the models, judges them, finds ONNX Runtime and opens a session of each: what every job
    /// begins with.
    ///
    /// # Errors
    /// As [`Model::open`], when ONNX Runtime cannot be loaded, and when the members do not go
    /// together.
    pub fn load(
        sources: &ModelSources,
        options: &ModelOptions,
        library: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let files = read(sources)?;
        // What is wrong with the files is said before a library is looked for.
        for file in &files {
            file.adapted(options)?.spec(options)?;
        }
        Self::of(sources, files, options, &Runtime::load(library)?)
    }

    /// The same with a library that is at hand.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn open(
        sources: &ModelSources,
        options: &ModelOptions,
        runtime: &Runtime,
    ) -> Result<Self, ModelError> {
        Self::of(sources, read(sources)?, options, runtime)
    }

    /// Of files that have been read.
    fn of(
        sources: &ModelSources,
        files: Vec<ModelFile>,
        options: &ModelOptions,
        runtime: &Runtime,
    ) -> Result<Self, ModelError> {
        let sources = sources.members();
        let open = |file: ModelFile| Model::open(file, options, runtime);
        let members: Vec<Model> = files.into_iter().map(open).collect::<Result<_, _>>()?;
        let (Some(first), Some(second)) = (members.first(), sources.first()) else {
            return Err(ModelError::NoMember);
        };
        let spec = first.spec().clone();
        for (source, member) in sources.iter().zip(&members) {
            let other = member.spec();
            let (what, found, expected) = if other.window != spec.window {
                ("window", other.window.to_string(), spec.window.to_string())
            } else if other.tasks != spec.tasks {
                ("tasks", other.tasks.join(", "), spec.tasks.join(", "))
            } else {
                continue;
            };
            return Err(ModelError::Members {
                member: source.to_string(),
                first: second.to_string(),
                what,
                found,
                expected,
            });
        }
        Ok(Self {
            members,
            sources: sources.to_vec(),
            spec,
            runtime: runtime.clone(),
        })
    }

    /// The members, at least one.
    pub fn members(&self) -> &[Model] {
        &self.members
    }

    /// Bases in a window.
    pub fn window(&self) -> usize {
        self.spec.window
    }

    /// Number of activities a window.
    pub fn tasks(&self) -> usize {
        self.spec.tasks.len()
    }

    /// Window and tasks of all members; the rest is the first one's.
    pub fn spec(&self) -> &Arc<ModelSpec> {
        &self.spec
    }

    /// SHA-256, hexadecimal: of the file; of several, of their sums one after the other.
    pub fn sha256(&self) -> String {
        match &self.members[..] {
            [one] => one.file().sha256().to_owned(),
            several => {
                let mut all = Sha256::new();
                for member in several {
                    all.update(member.file().sha256());
                }
                all.finalize().iter().map(|b| format!("{b:02x}")).collect()
            }
        }
    }

    /// The ONNX Runtime that runs them.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The members for `run.json`, by what they were used as.
    pub fn used(&self, role: &str) -> Vec<ModelUsed> {
        (self.sources.iter().zip(&self.members))
            .map(|(source, model)| source.used(role, model))
            .collect()
    }
}

/// The name for messages.
impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, source) in self.sources.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{source}")?;
        }
        Ok(())
    }
}
