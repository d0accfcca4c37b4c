//! The models inside the program, and what `--model` may name.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{ModelError, ModelFile};

/// A model that the program carries; see `models/` in the source folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Embedded {
    /// The one that is used when none is named: made for speed and accuracy.
    #[default]
    Default,
    /// The default of earlier versions, learnt from MPRA-DragoNN.
    Distilled,
    /// The paper's network.
    Paper,
}

impl Embedded {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Distilled, Self::Paper];

    /// The name by which `--model` finds it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Distilled => "distilled",
            Self::Paper => "paper",
        }
    }

    /// The bytes of its ONNX file.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Default => include_bytes!("../../models/default.onnx"),
            Self::Distilled => include_bytes!("../../models/distilled.onnx"),
            Self::Paper => include_bytes!("../../models/paper.onnx"),
        }
    }
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// From the program itself.
    Embedded(Embedded),
    /// From an ONNX file.
    File(PathBuf),
}

impl ModelSource {
    /// Its file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Embedded(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// What a `--model` argument names: the default model when there is none, an embedded model by
    /// its name, everything else as a path. A file that has the name of an embedded model is
    /// reached as `./paper`.
    pub fn from_arg(arg: Option<&Path>) -> Self {
        let Some(path) = arg else {
            return Self::default();
        };
        (Embedded::ALL.into_iter())
            .find(|e| path.as_os_str() == e.name())
            .map_or_else(|| Self::File(path.into()), Self::Embedded)
    }

    /// Reads and decodes the model.
    ///
    /// # Errors
    /// When the file cannot be read or is not ONNX.
    pub fn read(&self) -> Result<ModelFile, ModelError> {
        match self {
            Self::Embedded(model) => {
                ModelFile::from_bytes(self.to_string().as_ref(), model.bytes().to_vec())
            }
            Self::File(path) => ModelFile::read(path),
        }
    }
}

impl Default for ModelSource {
    fn default() -> Self {
        Self::Embedded(Embedded::default())
    }
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// The name for messages.
impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(model) => write!(f, "the embedded model {:?}", model.name()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a `--model` argument names: one model, or the members of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSources(Vec<ModelSource>);

impl ModelSources {
    /// Files of the members.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(ModelSource::file)
    }

    /// `a.onnx`, or `a.onnx,b.onnx` for an ensemble; the default model when there is no argument. A
    /// file whose name holds a comma is one model.
    pub fn from_arg(arg: Option<&Path>) -> Self {
        let parts = arg.and_then(Path::to_str).filter(|text| text.contains(','));
        match (arg, parts) {
            (Some(path), Some(text)) if !path.is_file() => Self(
                (text.split(','))
                    .map(|part| ModelSource::from_arg(Some(part.as_ref())))
                    .collect(),
            ),
            _ => ModelSource::from_arg(arg).into(),
        }
    }

    /// Of these members.
    pub fn new(members: Vec<ModelSource>) -> Self {
        Self(members)
    }

    /// The members.
    pub fn members(&self) -> &[ModelSource] {
        &self.0
    }
}

impl Default for ModelSources {
    fn default() -> Self {
        ModelSource::default().into()
    }
}

impl From<ModelSource> for ModelSources {
    fn from(source: ModelSource) -> Self {
        Self(vec![source])
    }
}

impl From<PathBuf> for ModelSources {
    fn from(path: PathBuf) -> Self {
        ModelSource::from(path).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelOptions;

    #[test]
    fn names_and_paths() {
        let source = |text: &str| ModelSource::from_arg(Some(text.as_ref()));
        let embedded = ModelSource::Embedded;
        assert_eq!(ModelSource::from_arg(None), embedded(Embedded::Default));
        assert_eq!(source("default"), embedded(Embedded::Default));
        assert_eq!(source("distilled"), embedded(Embedded::Distilled));
        assert_eq!(source("paper"), embedded(Embedded::Paper));
        for path in ["./paper", "Paper", "paper.onnx", "models/default"] {
            assert_eq!(source(path), ModelSource::File(path.into()));
        }
    }

    #[test]
    fn lists_are_ensembles() {
        let members = |text: &str| {
            ModelSources::from_arg(Some(text.as_ref()))
                .members()
                .to_vec()
        };
        let file = |name: &str| ModelSource::File(name.into());
        assert_eq!(members("a.onnx"), [file("a.onnx")]);
        assert_eq!(
            members("default,b.onnx"),
            [ModelSource::default(), file("b.onnx")]
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a,b.onnx");
        std::fs::write(&path, "").unwrap();
        assert_eq!(
            members(path.to_str().unwrap()),
            [file(path.to_str().unwrap())]
        );
        let default = ModelSources::from_arg(None);
        assert_eq!(default.members(), [ModelSource::default()]);
    }

    #[test]
    fn embedded_models_have_the_four_tasks_and_are_small() {
        let mut bytes = 0;
        for model in Embedded::ALL {
            let file = ModelSource::Embedded(model).read().unwrap();
            let spec = file.spec(&ModelOptions::default()).unwrap();
            assert_eq!(
                spec.tasks,
                ["HepG2_minP", "K562_minP", "HepG2_SV40P", "K562_SV40P"]
            );
            assert_eq!(spec.window, 145);
            assert!(spec.description.is_some(), "{}", model.name());
            bytes += model.bytes().len();
        }
        // A package of crates.io may have 10 MB.
        assert!(bytes <= 8 << 20, "{bytes}");
    }
}
