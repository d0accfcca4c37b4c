use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use super::super::{Architecture, FitConfig, Layers, Schedule};
use super::kind::Kind;
use crate::train::TrainError;

/// What is learned from what, and what becomes of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Text for the model's metadata.
    pub description: Option<String>,
    /// The trunk and the heads.
    pub network: NetworkSpec,
    /// How it is fitted.
    #[serde(default)]
    pub fit: FitSpec,
    /// Which sequences are kept apart.
    #[serde(default)]
    pub split: SplitSpec,
    /// The sources; an epoch shows the training side of the first once.
    #[serde(rename = "source")]
    pub sources: Vec<SourceSpec>,
    /// The tasks of the exported network.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskSpec>,
}

/// The network.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Bases of a window.
    #[serde(default = "window")]
    pub window: usize,
    /// Columns of the input, zero but for the window; as many as the window has when `None`.
    pub columns: Option<usize>,
    /// Column of the window's first base.
    #[serde(default)]
    pub offset: usize,
    /// Its layers, as `--arch` has them.
    pub layers: String,
    /// Whether outputs are means over both strands.
    #[serde(default)]
    pub both_strands: bool,
    /// Models whose leading convolutions it starts from, side by side, as far as they agree: names of carried ones or files.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_more"
    )]
    pub init: Vec<PathBuf>,
}

fn window() -> usize {
    145
}

/// One model, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Models {
        One(PathBuf),
        More(Vec<PathBuf>),
    }
    Ok(match Models::deserialize(from)? {
        Models::One(model) => vec![model],
        Models::More(models) => models,
    })
}

/// A model's path counts from the recipe's folder; one without an ending is a carried model's name.
fn from_folder(folder: &Path, model: &Path) -> PathBuf {
    match model.extension() {
        Some(_) => folder.join(model),
        None => model.into(),
    }
}

/// How a network is fitted; [`FitConfig`] says what each means.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitSpec {
    pub epochs: usize,
    pub batch: usize,
    pub lr: f64,
    pub schedule: Schedule,
    pub patience: usize,
    pub seed: u64,
    pub reverse_complements: bool,
    pub weight_decay: f64,
    pub clip: Option<f64>,
    pub average: Option<f64>,
    /// Leading convolutions that stay as they start.
    #[serde(skip_serializing_if = "nothing")]
    pub freeze: usize,
    /// By source: weights of the validation losses in the one that stops a run; a source that is not
    /// named has none. Where none is, all have their own.
    pub stopping: BTreeMap<String, f64>,
}

impl Default for FitSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 128,
            lr: 1e-3,
            schedule: Schedule::Cosine,
            patience: 20,
            seed: 1,
            reverse_complements: true,
            weight_decay: 0.0,
            clip: None,
            average: None,
            freeze: 0,
            stopping: BTreeMap::new(),
        }
    }
}

fn nothing(layers: &usize) -> bool {
    *layers == 0
}

/// Which sequences are kept apart. Sequences that belong together (of one group, or sharing bases) are on one
/// side: on the test side if one of them is, else on the validation side if one is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSpec {
    /// Contigs of the validation side.
    pub validation_chroms: Vec<String>,
    /// Contigs of the test side.
    pub test_chroms: Vec<String>,
    /// Share of the groups without a contig on the validation side.
    pub validation_share: f64,
    /// Share on the test side.
    pub test_share: f64,
    /// Sequences that share so many bases in a row, on either strand, belong together; 0 for none.
    pub shared_bases: usize,
    /// But not by stretches that more sequences than this have: repeats.
    pub repeats: usize,
    /// Seed of the groups' sides, apart from the network's: networks of several seeds are then learned from
    /// and judged on the same sequences.
    pub seed: u64,
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self {
            validation_chroms: Vec::new(),
            test_chroms: Vec::new(),
            validation_share: 0.05,
            test_share: 0.1,
            shared_bases: 25,
            repeats: 20,
            seed: 1,
        }
    }
}

/// A source.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "toml::Table")]
pub struct SourceSpec {
    /// Its name; its heads are `NAME.COLUMN`.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

// Flattened fields cannot be told from unknown ones, which are errors here.
impl TryFrom<toml::Table> for SourceSpec {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let name = match table.remove("name") {
            Some(toml::Value::String(name)) => name,
            Some(other) => return Err(format!("a source's name is text, not {other}")),
            None => return Err("a source has no name".into()),
        };
        match Kind::deserialize(toml::Value::Table(table)) {
            Ok(kind) => Ok(Self { name, kind }),
            Err(e) => Err(format!("source {name}: {}", e.message())),
        }
    }
}

/// A task of the exported network.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Its name.
    pub name: String,
    /// Weights of standardised heads.
    pub heads: BTreeMap<String, f64>,
    /// The head in whose units the task is: by the regression of its labels on the weighted sum, on the
    /// training side.
    pub unit: String,
}

impl Recipe {
    /// Reads a recipe; its paths are made to count from where the program runs.
    ///
    /// # Errors
    /// [`TrainError::Read`], or [`TrainError::Recipe`] for what is no recipe.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(|e| TrainError::Read(e, path.into()))?;
        let mut recipe: Self = toml::from_str(&text).map_err(|e| TrainError::Recipe {
            path: path.into(),
            problem: e.to_string().trim_end().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for model in &mut recipe.network.init {
            *model = from_folder(folder, model);
        }
        for source in &mut recipe.sources {
            for file in source.kind.files_mut() {
                *file = folder.join(&*file);
            }
            if let Kind::Teacher { model, .. } = &mut source.kind {
                let path = from_folder(folder, Path::new(model.as_str()));
                *model = path.to_string_lossy().into_owned();
            }
        }
        recipe.check().map_err(|problem| TrainError::Recipe {
            path: path.into(),
            problem,
        })?;
        Ok(recipe)
    }

    /// Names of all heads, source by source.
    pub fn heads(&self) -> Vec<String> {
        let all = self.sources.iter().flat_map(|s| {
            let heads = s.kind.heads().into_iter();
            heads.map(|h| format!("{}.{h}", s.name))
        });
        all.collect()
    }

    fn check(&self) -> Result<(), String> {
        let heads = self.heads();
        for (i, head) in heads.iter().enumerate() {
            if heads[..i].contains(head) {
                return Err(format!("there are two heads {head}"));
            }
        }
        for source in &self.sources {
            let (weight, batch) = source.kind.share();
            if source.kind.heads().is_empty() {
                return Err(format!("source {} has no heads", source.name));
            }
            if !(weight > 0.0 && weight.is_finite()) || batch == Some(0) {
                return Err(format!(
                    "source {}: weight and batch are above 0",
                    source.name
                ));
            }
        }
        for source in &self.sources {
            let problem = self.kmers_problem(&source.kind);
            if let Some(problem) = problem {
                return Err(format!("source {}: {problem}", source.name));
            }
        }
        let stopping = &self.fit.stopping;
        for (name, weight) in stopping {
            if !self.sources.iter().any(|source| source.name == *name) {
                return Err(format!("[fit] stopping: no source {name}"));
            }
            if !(*weight >= 0.0 && weight.is_finite()) {
                return Err(format!("[fit] stopping: the weight of {name} is 0 or more"));
            }
        }
        if !stopping.is_empty() && stopping.values().all(|weight| *weight == 0.0) {
            return Err("[fit] stopping: one weight is above 0".into());
        }
        if self.sources.is_empty() || self.tasks.is_empty() {
            return Err("it needs a [[source]] and a [[task]]".into());
        }
        for (i, task) in self.tasks.iter().enumerate() {
            if self.tasks[..i].iter().any(|t| t.name == task.name) {
                return Err(format!("there are two tasks {}", task.name));
            }
            for head in task.heads.keys().chain([&task.unit]) {
                if !heads.contains(head) {
                    let known = heads.join(", ");
                    return Err(format!(
                        "task {}: no head {head}; there are {known}",
                        task.name
                    ));
                }
            }
            if task.heads.is_empty() || !task.heads.values().all(|w| w.is_finite()) {
                return Err(format!("task {} needs heads with numbers", task.name));
            }
        }
        self.fit_config().check(|name| format!("[fit] {name}"))?;
        if self.fit.freeze > 0 && self.network.init.is_empty() {
            return Err("[fit] freeze: there is no `init` in [network] to start from".into());
        }
        let split = &self.split;
        if !(split.validation_share >= 0.0
            && split.test_share >= 0.0
            && split.validation_share + split.test_share < 1.0)
        {
            return Err("shares of the split are 0 or more and together below 1".into());
        }
        if split.shared_bases > 31 {
            return Err("shared_bases is at most 31".into());
        }
        Ok(())
    }

    /// What is wrong with a regression on k-mers.
    fn kmers_problem(&self, kind: &Kind) -> Option<String> {
        let Kind::Kmers { of, columns, .. } = kind else {
            return None;
        };
        let source = self.sources.iter().find(|source| source.name == *of);
        let source = match source.map(|source| &source.kind) {
            None => return Some(format!("of: there is no source {of}")),
            Some(kind @ (Kind::Values { .. } | Kind::Labels { .. })) => kind,
            Some(_) => {
                return Some(format!(
                    "of: {of} has neither values nor labels of sequences"
                ));
            }
        };
        let heads = source.heads();
        let unknown = columns.iter().find(|column| !heads.contains(column));
        match unknown {
            Some(column) => Some(format!(
                "{of} has no column {column}; there are {}",
                heads.join(", ")
            )),
            None => kind.smooth().and_then(|smooth| smooth.problem()),
        }
    }

    /// The architecture.
    ///
    /// # Errors
    /// [`TrainError::Setting`] when it cannot be built.
    pub fn architecture(&self) -> Result<Architecture, TrainError> {
        let network = &self.network;
        let layers: Layers = network.layers.parse()?;
        let columns = network.columns.unwrap_or(network.window);
        let arch = Architecture::new(network.window, columns, network.offset, layers.0)?;
        match network.both_strands {
            true => arch.on_both_strands(),
            false => Ok(arch),
        }
    }

    /// How it is fitted.
    pub fn fit_config(&self) -> FitConfig {
        let fit = &self.fit;
        FitConfig {
            epochs: fit.epochs,
            batch: fit.batch,
            rate: fit.lr,
            schedule: fit.schedule,
            patience: fit.patience,
            seed: fit.seed,
            // A network of both strands sees both in every pass.
            reverse_complements: fit.reverse_complements && !self.network.both_strands,
            pair_weight: 0.0,
            frozen: fit.freeze,
            weight_decay: fit.weight_decay,
            clip: fit.clip,
            average: fit.average,
            stopping: match fit.stopping.is_empty() {
                true => Vec::new(),
                false => {
                    let names = self.sources.iter().map(|source| &source.name);
                    names
                        .map(|name| fit.stopping.get(name).copied().unwrap_or(0.0))
                        .collect()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the model card says each carried model is made by.
    #[test]
    fn carried_models_recipes_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/recipes");
        for name in ["first", "second", "default", "paper"] {
            let recipe = Recipe::read(&folder.join(format!("{name}.toml"))).unwrap();
            recipe.architecture().unwrap();
            if name == "second" {
                continue; // whose heads are its tasks
            }
            let tasks: Vec<&str> = recipe.tasks.iter().map(|t| t.name.as_str()).collect();
            let four = ["HepG2_minP", "K562_minP", "HepG2_SV40P", "K562_SV40P"];
            assert_eq!(tasks, four, "{name}");
        }
        let joined = Recipe::read(&folder.join("default.toml")).unwrap();
        let begun = ["first/model.onnx", "second/model.onnx"].map(|m| folder.join(m));
        assert_eq!(joined.network.init, begun);
    }
}
