use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array2;
use serde_json::{Map, Value, json};

use super::super::report::{self, cells, learning};
use super::super::run::one;
use super::super::{
    Architecture, Beside, Epoch, Fit, FitConfig, Judged, Network, State, Summary, Watch,
    start_beside, to_onnx,
};
use super::join::Joined;
use super::{Recipe, groups, kmers, read};
use crate::dataset::Split;
use crate::job::{self, Cancel, RunInfo, sha256};
use crate::model::{Model, ModelError, ModelFile, ModelOptions, ModelSource, Predict, Runtime};
use crate::output::{self, Existing, OutputDir, decimals};
use crate::train::{Examples, Scaling, TrainError};
use crate::{Error, VERSION};

/// How far the exported file may be from the network, in a task's scale.
const TOLERANCE: f64 = 1e-4;
/// Sequences of each source's test side on which it is checked.
const CHECKED: usize = 200;

/// A run of `mpra-score train --recipe`.
#[derive(Clone, Debug)]
pub struct RecipeConfig {
    /// The recipe.
    pub recipe: PathBuf,
    /// Output folder.
    pub out: PathBuf,
    /// What to do with what is in it.
    pub existing: Existing,
    /// Worker threads.
    pub threads: usize,
    /// The ONNX Runtime library.
    pub ort_lib: Option<PathBuf>,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// Trains a network as a recipe says and writes `model.onnx`, `training.tsv`, `learning.svg`,
/// `model.json` and `run.json`.
///
/// # Errors
/// Any error of the recipe, the data, the models, fitting or the output folder.
pub fn run(config: &RecipeConfig, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    job::on_threads(config.threads, || train(config, watch, cancel))
}

/// The data of all sources.
struct Data {
    examples: Vec<Examples>,
    scalings: Vec<Scaling>,
    heads: Vec<Range<usize>>,
    /// What each sequence is called, where it has a name.
    names: Vec<Vec<Option<String>>>,
    /// Examples that are windows of one sequence, side by side.
    apart: Vec<usize>,
    /// What to say of them.
    what: Vec<Value>,
}

fn train(config: &RecipeConfig, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    let recipe = Recipe::read(&config.recipe)?;
    let arch = recipe.architecture()?;
    let fit_config = recipe.fit_config();
    // Before any work: without it the export cannot be checked.
    let runtime = Runtime::load(config.ort_lib.as_deref()).map_err(ModelError::from)?;
    let mut out = OutputDir::create(&config.out, config.existing)?;
    out.keep_notes();
    let data = data(&recipe, &arch, &runtime, cancel)?;
    let fits = fits(&recipe, &arch, &fit_config, &data);
    let (start, init) = network(&recipe, &arch)?;
    let mut key = json!({
        "version": VERSION, "recipe": recipe, "sources": data.what, "threads": config.threads,
    });
    if let Some(init) = init {
        key["init"] = init;
    }
    let begun = Instant::now();
    let trained = learned(&key);
    let state = one(&fits.0, &fits.1, &start, &trained, &out, watch, cancel)?;
    let seconds = begun.elapsed().as_secs_f64();
    write_split(&mut out, &recipe, &data)?;
    write(
        config,
        &recipe,
        &fits,
        (&state, &key, seconds),
        &runtime,
        out,
    )
}

/// What training depends on, so that a run goes on: tasks are put together at its end.
fn learned(key: &Value) -> Value {
    let mut key = key.clone();
    if let Some(recipe) = key["recipe"].as_object_mut() {
        recipe.retain(|name, _| name != "task" && name != "description");
    }
    key
}

fn data(
    recipe: &Recipe,
    arch: &Architecture,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<Data, Error> {
    let (mut examples, mut origins, mut what) = (Vec::new(), Vec::new(), Vec::new());
    for source in &recipe.sources {
        let (read, said) = read::read(source, recipe, runtime, cancel)?;
        for (why, rows) in &read.left_out {
            tracing::info!("{}: {rows} row(s) {why} left out", source.name);
        }
        examples.push(read.examples);
        origins.push(read.origins);
        what.push(said);
    }
    groups::assign(&mut examples, &origins, &recipe.split);
    kmers::label(recipe, &mut examples, &mut what, cancel)?;
    let (mut heads, mut apart) = (Vec::new(), Vec::new());
    let mut next = 0;
    for examples in &mut examples {
        heads.push(next..next + examples.tasks.len());
        next += examples.tasks.len();
        if examples.windows > 1 && !arch.shares_convolutions() {
            apart.push(examples.windows);
            *examples = examples.split_windows(arch.window, 1);
        } else {
            apart.push(1);
        }
    }
    for (what, examples) in what.iter_mut().zip(&examples) {
        let sides = Split::ALL.map(|side| (side.as_str(), json!(examples.originals(side).len())));
        what["sides"] = Value::Object(sides.map(|(k, v)| (k.to_owned(), v)).into_iter().collect());
    }
    let scalings = examples.iter().map(|e| e.scaling(1));
    let names = origins.into_iter().map(|origins| {
        let names = origins.into_iter().map(|o| o.name);
        names.collect()
    });
    Ok(Data {
        names: names.collect(),
        scalings: scalings.collect::<Result<_, _>>()?,
        examples,
        heads,
        apart,
        what,
    })
}

/// The network before the first epoch, and what to say of the models it starts from.
fn network(recipe: &Recipe, arch: &Architecture) -> Result<(Network, Option<Value>), Error> {
    let mut start = Network::random(arch, recipe.heads().len(), recipe.fit.seed);
    let init = &recipe.network.init;
    if init.is_empty() {
        return Ok((start, None));
    }
    let read = |path: &PathBuf| {
        let file = ModelSource::from_arg(Some(path)).read()?;
        let spec = file.spec(&ModelOptions::default())?;
        Ok((file, spec))
    };
    let models = init.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    // Their outputs are tasks, not heads: the dense layers begin anew.
    let layers = start_beside(&mut start, arch, &models)?;
    let names: Vec<_> = init.iter().map(|p| p.display().to_string()).collect();
    let names = names.join(" and ");
    if layers < recipe.fit.freeze {
        return Err(TrainError::Setting(format!(
            "[fit] freeze: {} convolutions are to stay as they are in {names}, and {layers} agree with this network's",
            recipe.fit.freeze,
        ))
        .into());
    }
    tracing::info!("{layers} layer(s) start from {names}");
    let models = (init.iter().zip(&models))
        .map(|(path, (file, _))| json!({ "path": path, "sha256": file.sha256() }));
    let what = json!({ "models": models.collect::<Vec<_>>(), "layers": layers });
    Ok((start, Some(what)))
}

/// `split.tsv`: which side every sequence is on, so that what was never learned from can be found again.
fn write_split(out: &mut OutputDir, recipe: &Recipe, data: &Data) -> Result<(), TrainError> {
    let mut text = "source\tname\tside\n".to_owned();
    let sources = (recipe.sources.iter().zip(&data.examples))
        .zip(&data.names)
        .zip(&data.apart);
    for (((source, examples), names), &apart) in sources {
        let sequences = examples.sides.iter().zip(&examples.parent).step_by(apart);
        for (i, (side, parent)) in sequences.enumerate() {
            if parent.is_some() {
                continue;
            }
            let _ = write!(text, "{}\t", source.name);
            let _ = match names.get(i).and_then(Option::as_ref) {
                Some(name) => writeln!(text, "{name}\t{}", side.as_str()),
                None => writeln!(text, "{}\t{}", i + 1, side.as_str()),
            };
        }
    }
    let path = out.file("split.tsv");
    Ok(output::write(&path, text)?)
}

/// The first source, and the others with their weights.
fn fits<'a>(
    recipe: &Recipe,
    arch: &'a Architecture,
    config: &'a FitConfig,
    data: &'a Data,
) -> (Fit<'a>, Vec<Beside<'a>>) {
    let fit = |i: usize| Fit {
        arch,
        examples: &data.examples[i],
        scaling: &data.scalings[i],
        heads: data.heads[i].clone(),
        config,
    };
    let others = recipe
        .sources
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, source)| {
            let (weight, batch) = source.kind.share();
            Beside {
                fit: fit(i),
                weight,
                batch: batch.unwrap_or(config.batch),
            }
        });
    (fit(0), others.collect())
}

/// All sources' fits.
fn each<'a, 'b>(
    (first, others): &'b (Fit<'a>, Vec<Beside<'a>>),
) -> impl Iterator<Item = &'b Fit<'a>> {
    std::iter::once(first).chain(others.iter().map(|b| &b.fit))
}

/// Which tasks of which source a head is.
fn head_of(recipe: &Recipe, head: &str) -> (usize, usize) {
    let mut names = recipe.sources.iter().enumerate().flat_map(|(s, source)| {
        let heads = source.kind.heads().into_iter().enumerate();
        heads.map(move |(h, name)| (format!("{}.{name}", source.name), (s, h)))
    });
    let found = names.find(|(name, _)| name == head).map(|(_, place)| place);
    found.unwrap_or((0, 0)) // the recipe was checked
}

/// Finds the tasks' units on the training sides.
fn join(recipe: &Recipe, all: &[&Fit<'_>], best: &Network) -> Result<Joined, TrainError> {
    let weights = Joined::weights(recipe);
    let mut scaling = Scaling {
        mean: Vec::new(),
        scale: Vec::new(),
    };
    // Tasks with units of one source need its predictions once.
    let mut known: HashMap<usize, Array2<f32>> = HashMap::new();
    for (t, task) in recipe.tasks.iter().enumerate() {
        let (source, column) = head_of(recipe, &task.unit);
        let fit = all[source];
        let which = fit.examples.originals(Split::Train);
        let heads = match known.entry(source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(fit.predict_heads(best, &which)?),
        };
        let sums = heads.dot(&weights.column(t));
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let labels = which.iter().flat_map(|&i| {
            let labels = fit.examples.labels_of(i as usize);
            labels.column(column).to_vec()
        });
        for (sum, label) in sums.iter().zip(labels) {
            if !label.is_nan() {
                x.push(f64::from(*sum));
                y.push(f64::from(label));
            }
        }
        Joined::push_unit(&mut scaling, &task.name, &x, &y)?;
    }
    Ok(Joined { weights, scaling })
}

/// The largest difference between the exported file and the network, over windows of all sources' test
/// sides.
fn check(
    recipe: &Recipe,
    all: &[&Fit<'_>],
    best: &Network,
    joined: &Joined,
    (path, runtime): (&std::path::Path, &Runtime),
) -> Result<(usize, f64), Error> {
    let mut model = Model::open(ModelFile::read(path)?, &ModelOptions::default(), runtime)?;
    let window = recipe.network.window;
    let tasks = recipe.tasks.len();
    let (mut rows, mut largest) = (0, 0.0f64);
    for fit in all {
        let mut which = fit.examples.originals(Split::Test);
        which.truncate(CHECKED);
        let heads = fit.predict_all(best, &which)?;
        let windows = fit.examples.windows;
        let mut outputs = vec![0.0; windows * tasks];
        for (k, &i) in which.iter().enumerate() {
            let sequence = fit.examples.sequence(i as usize);
            let starts = (0..windows).map(|w| w * fit.examples.step);
            let codes: Vec<u8> = starts
                .flat_map(|s| sequence[s..s + window].to_vec())
                .collect();
            model.predict(&codes, &mut outputs)?;
            for (w, onnx) in outputs.chunks_exact(tasks).enumerate() {
                let network = joined.tasks(&heads.row(k * windows + w).to_owned());
                for (t, (onnx, network)) in onnx.iter().zip(&network).enumerate() {
                    let off = (f64::from(*onnx) - network).abs() / joined.scaling.scale[t];
                    largest = largest.max(off);
                    if off.is_nan() || off > TOLERANCE {
                        return Err(TrainError::Export {
                            row: rows,
                            task: recipe.tasks[t].name.clone(),
                            onnx: *onnx,
                            network: *network as f32,
                        }
                        .into());
                    }
                }
                rows += 1;
            }
        }
    }
    Ok((rows, largest))
}

fn write(
    config: &RecipeConfig,
    recipe: &Recipe,
    fits: &(Fit<'_>, Vec<Beside<'_>>),
    (state, key, seconds): (&State, &Value, f64),
    runtime: &Runtime,
    mut out: OutputDir,
) -> Result<Summary, Error> {
    let arch = fits.0.arch;
    let all: Vec<&Fit<'_>> = each(fits).collect();
    let joined = join(recipe, &all, &state.best)?;
    let tasks: Vec<String> = recipe.tasks.iter().map(|t| t.name.clone()).collect();
    let description = recipe
        .description
        .clone()
        .unwrap_or_else(|| format!("{arch} trained by mpra-score {VERSION}"));
    let network = joined.network(&state.best);
    let onnx = to_onnx(arch, &network, &joined.scaling, &tasks, &description);
    let path = out.file("model.onnx");
    output::write(&path, &onnx)?;
    let (rows, largest) = check(recipe, &all, &state.best, &joined, (&path, runtime))?;
    write_table(&mut out, recipe, &state.history)?;
    learning(&mut out, &state.history, "loss, sum over sources by weight")?;
    let mut test = Map::new();
    let mut figures = Vec::new();
    for (source, fit) in recipe.sources.iter().zip(&all) {
        let Judged { loss, figures: own } = fit.judge(&state.best, Split::Test)?;
        for (head, figure) in source.kind.heads().iter().zip(own) {
            let name = format!("{}.{head}", source.name);
            test.insert(name.clone(), json!(figure));
            figures.push((name, figure));
        }
        test.insert(format!("{}.loss", source.name), json!(loss));
    }
    let best = state.best_epoch();
    let model = json!({
        "architecture": arch.to_string(),
        "window": arch.window,
        "parameters": state.best.count(),
        "heads": recipe.heads(),
        "tasks": tasks,
        "units": {"mean": joined.scaling.mean, "scale": joined.scaling.scale},
        "sources": key["sources"],
        "recipe": recipe,
        "epochs": state.history.len(),
        "best_epoch": best.map(|b| b.epoch),
        "validation_loss": best.map(|b| b.validation),
        "test": test,
        "export": {"windows": rows, "largest_difference": largest},
        "sha256": sha256(&onnx),
    });
    let path = out.file("model.json");
    output::write(&path, format!("{model:#}\n"))?;
    let mut run = RunInfo::new("train", &config.command);
    run.input("recipe", &config.recipe);
    for init in &recipe.network.init {
        if let Some(file) = ModelSource::from_arg(Some(init)).file() {
            run.input("init", file);
        }
    }
    for source in &recipe.sources {
        for file in source.kind.files() {
            // Genomes are large.
            match fs::metadata(file).is_ok_and(|m| m.len() > 1 << 28) {
                true => run.inputs.push(job::InputFile::sized("source", file)),
                false => run.input("source", file),
            }
        }
    }
    run.onnxruntime = Some(runtime.used());
    run.settings = job::map(key.clone());
    run.threads = Some(config.threads);
    run.seed = Some(recipe.fit.seed);
    run.seconds = Some(seconds);
    let files = out.commit(run)?;
    Ok(Summary {
        files,
        best: best.cloned(),
        test: figures,
    })
}

/// `training.tsv`, with each source's figures on its validation side.
fn write_table(out: &mut OutputDir, recipe: &Recipe, history: &[Epoch]) -> Result<(), TrainError> {
    let mut columns = Vec::new();
    for (i, source) in recipe.sources.iter().enumerate() {
        if i > 0 {
            columns.push(format!("{}.validation_loss", source.name));
        }
        let heads = source.kind.heads().into_iter();
        columns.extend(heads.map(|head| format!("{}.{head}", source.name)));
    }
    report::write_table(out, history, &columns, |row| {
        let mut all: Vec<String> = cells(&row.pearson).collect();
        for other in &row.others {
            all.push(decimals(other.loss, 6));
            all.extend(cells(&other.figures));
        }
        all
    })
}
