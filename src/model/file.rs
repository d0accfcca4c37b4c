//! A model's file: what it holds, before it is judged.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ModelError;
use super::kmers::{self, Gapped, KMERS, KmerFacts, KmerTable};
use super::onnx::{
    FLOAT, GraphProto, ModelProto, TensorProto, ValueInfoProto, weights_inside, with_property,
};
use super::quantiles::{QUANTILES, Quantiles};
use crate::job::hex;

/// A model file in memory, decoded but not yet judged.
#[derive(Clone, Debug)]
pub struct ModelFile {
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: String,
    proto: ModelProto,
}

impl ModelFile {
    /// Reads a file, and the weights that lie in other files of its folder. A text file (plain or gzip) is a
    /// table of k-mers or a gapped k-mer support vector machine ([`KmerTable`]), of which the network is made.
    ///
    /// # Errors
    /// When it cannot be read or is neither, or weights lie where they cannot be read from.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = fs::read(path).map_err(|e| ModelError::Read(e, path.into()))?;
        if kmers::is_text(&bytes) {
            return Self::read_kmers(path, &bytes, None).map(|(file, _)| file);
        }
        let file = Self::from_bytes(path, bytes)?;
        if !file
            .graph()
            .initializer
            .iter()
            .any(TensorProto::is_external)
        {
            return Ok(file);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let whole = weights_inside(&file.bytes, folder)
            .map_err(|problem| file.unfit("external data", problem))?;
        Self::from_bytes(path, whole)
    }

    /// Reads a table of k-mers or a gapped k-mer support vector machine from a text file's bytes, and makes the
    /// network of it. `gapped` is for files that do not say. The SHA-256 is that of the file (of two files, of the
    /// one that is named with the other behind it).
    ///
    /// # Errors
    /// As [`KmerTable::read`].
    pub fn read_kmers(
        path: &Path,
        bytes: &[u8],
        gapped: Option<Gapped>,
    ) -> Result<(Self, KmerTable), ModelError> {
        let (table, other) = KmerTable::read(path, bytes, gapped)?;
        let file = Self::from_bytes(path, table.onnx(&kmers::task_name(path)))?;
        let sha256 = Sha256::new()
            .chain_update(bytes)
            .chain_update(other)
            .finalize();
        let file = Self {
            sha256: hex(&sha256),
            ..file
        };
        Ok((file, table))
    }

    /// What is known of the table of k-mers that the model was made from, if it is one.
    ///
    /// # Errors
    /// When the metadata do not decode.
    pub fn kmers(&self) -> Result<Option<KmerFacts>, ModelError> {
        self.metadata_json(KMERS, "k-mers")
    }

    /// Decodes a model; `path` is its name in messages.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ModelError> {
        let not_onnx = |problem: String| ModelError::NotOnnx {
            path: path.into(),
            problem,
        };
        let proto = ModelProto::decode(bytes.as_slice())
            .map_err(|e| not_onnx(format!("it does not decode ({e})")))?;
        // Protocol buffers have no magic number: random bytes and empty files may decode.
        if proto.graph.as_ref().is_none_or(|g| g.output.is_empty()) {
            return Err(not_onnx("it holds no graph".into()));
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Self {
            path: path.into(),
            bytes,
            sha256,
            proto,
        })
    }

    /// The name for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes, all weights inside.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of [`bytes`](Self::bytes), hexadecimal: the file's own where it is the only one.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The decoded model.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The decoded graph.
    pub fn graph(&self) -> &GraphProto {
        static EMPTY: std::sync::OnceLock<GraphProto> = std::sync::OnceLock::new();
        // Present since `from_bytes`; the empty graph only spares callers an Option.
        self.proto
            .graph
            .as_ref()
            .unwrap_or_else(|| EMPTY.get_or_init(GraphProto::default))
    }

    /// Inputs that are no weights (older models list their weights among the inputs).
    pub fn inputs(&self) -> Vec<&ValueInfoProto> {
        let graph = self.graph();
        graph
            .input
            .iter()
            .filter(|i| graph.initializer.iter().all(|w| w.name != i.name))
            .collect()
    }

    /// Number of trained values: elements of all float weights.
    pub fn parameters(&self) -> u64 {
        let weights = self.graph().initializer.iter();
        weights
            .filter(|w| w.data_type == FLOAT)
            .map(|w| w.elements())
            .fold(0, u64::saturating_add)
    }

    /// The same known by another's SHA-256: what was made of that.
    pub(super) fn made_of(self, other: &Self) -> Self {
        Self {
            sha256: other.sha256.clone(),
            ..self
        }
    }

    /// The file's bytes with these distributions of activities in place of those that it has; nothing
    /// else is changed.
    ///
    /// # Errors
    /// [`ModelError::NotOnnx`] when the bytes cannot be followed.
    pub fn with_quantiles(&self, quantiles: &Quantiles) -> Result<Vec<u8>, ModelError> {
        let value = serde_json::json!(quantiles).to_string();
        with_property(&self.bytes, QUANTILES, &value).map_err(|problem| ModelError::NotOnnx {
            path: self.path.clone(),
            problem,
        })
    }

    pub(super) fn unfit(&self, what: &'static str, problem: String) -> ModelError {
        ModelError::Unfit {
            path: self.path.clone(),
            what,
            problem,
        }
    }

    pub(super) fn metadata_json<T: for<'de> Deserialize<'de>>(
        &self,
        key: &str,
        what: &'static str,
    ) -> Result<Option<T>, ModelError> {
        let Some(text) = self.proto.metadata(key) else {
            return Ok(None);
        };
        serde_json::from_str(text)
            .map(Some)
            .map_err(|e| ModelError::Unfit {
                path: self.path.clone(),
                what,
                problem: format!("metadata {key} is {:?}: {e}", shortened(text)),
            })
    }
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
