use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hash::sha256_file;

/// `run.json`: what was run on what, with what outcome. The same keys for every job; what a job does
/// not have is null or empty. `docs/run.md` explains each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// `mpra-score`.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The subcommand, such as `score` or `overlap enrichment`.
    pub job: String,
    /// The command line, a word an element.
    pub command: Vec<String>,
    /// The files that were read.
    pub inputs: Vec<InputFile>,
    /// The models that were run or read.
    pub models: Vec<ModelUsed>,
    /// The library that ran them.
    pub onnxruntime: Option<OnnxRuntime>,
    /// What the job was told, defaults included.
    pub settings: Map<String, Value>,
    /// Worker threads; results do not depend on them.
    pub threads: Option<usize>,
    /// Seed of everything drawn at random.
    pub seed: Option<u64>,
    /// How much was read, used and left out.
    pub counts: Map<String, Value>,
    /// What came out, where it is not in a file of its own.
    pub results: Map<String, Value>,
    /// Wall-clock seconds of the work.
    pub seconds: Option<f64>,
    /// The files of the results, beside this one.
    pub outputs: Vec<String>,
    /// Folders of the shards these results were merged from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<String>,
    /// Of a shard: what merging has to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Value>,
}

impl RunInfo {
    /// A run of this program.
    pub fn new(job: &str, command: &[String]) -> Self {
        Self {
            program: "mpra-score".into(),
            version: crate::VERSION.into(),
            job: job.into(),
            command: command.to_vec(),
            ..Self::default()
        }
    }

    /// Paths of all files that were read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let models = self.models.iter().filter_map(|m| m.path.as_deref());
        let inputs = self.inputs.iter().map(|input| input.path.as_str());
        inputs.chain(models).map(Path::new)
    }

    /// Adds a file that was read whole.
    pub fn input(&mut self, role: &str, path: &Path) {
        self.inputs.push(InputFile::whole(role, path));
    }

    /// Adds files that were read whole, those that there are.
    pub fn inputs<'a>(&mut self, role: &str, paths: impl IntoIterator<Item = &'a PathBuf>) {
        self.inputs
            .extend(paths.into_iter().map(|path| InputFile::whole(role, path)));
    }
}

/// An object as a map; anything else is empty.
pub(crate) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// What it was read as, such as `bed`.
    pub role: String,
    /// Its path as given; `-` is standard input.
    pub path: String,
    /// Its size; none for a stream.
    pub bytes: Option<u64>,
    /// SHA-256 of its content; none for a stream, and for a FASTA.
    pub sha256: Option<String>,
    /// Of a FASTA, which is read in places: SHA-256 of `name<TAB>length<LF>` of all contigs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contigs_sha256: Option<String>,
}

impl InputFile {
    /// A file that was read whole: it is read once more for its hash.
    pub fn whole(role: &str, path: &Path) -> Self {
        let mut file = Self::sized(role, path);
        if file.bytes.is_some() {
            file.sha256 = sha256_file(path).ok();
        }
        file
    }

    /// A file that is too large to be read once more.
    pub fn sized(role: &str, path: &Path) -> Self {
        let metadata = path.metadata().ok().filter(|m| m.is_file());
        Self {
            role: role.into(),
            path: path.display().to_string(),
            bytes: metadata.map(|m| m.len()),
            ..Self::default()
        }
    }
}

/// A model that was run or read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// What it was used as, such as `model`, `baseline` or `teacher`.
    pub role: String,
    /// Its file, if it is not an embedded one.
    pub path: Option<String>,
    /// Its name, if it is.
    pub embedded: Option<String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bases of a window.
    pub window: usize,
    /// Columns of its input.
    pub columns: usize,
    /// Columns before the window.
    pub offset: usize,
    /// Order of its four rows.
    pub alphabet: String,
    /// Its outputs.
    pub tasks: Vec<String>,
}

/// The ONNX Runtime that ran the models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnnxRuntime {
    /// Its version.
    pub version: String,
    /// The library's file.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_carry_size_and_hash() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let mut run = RunInfo::new("score", &["mpra-score".into()]);
        run.input("bed", file.path());
        run.input("bed", "-".as_ref());
        assert_eq!(run.inputs[0].bytes, Some(3));
        assert!(
            run.inputs[0]
                .sha256
                .as_ref()
                .unwrap()
                .starts_with("ba7816bf")
        );
        assert_eq!((run.inputs[1].bytes, &run.inputs[1].sha256), (None, &None));
        // What is written reads back, and every job has the same keys.
        let value = serde_json::to_value(&run).unwrap();
        assert_eq!(
            serde_json::from_value::<RunInfo>(value.clone()).unwrap(),
            run
        );
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 14, "{keys:?}");
    }
}
