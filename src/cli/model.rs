use std::io::{self, Write};
use std::path::PathBuf;

use crate::Error;
use crate::ism::fast::{DagPlan, FastPlan, KmerPlan};
use crate::model::{Model, ModelError, ModelSource, Runtime};
use anyhow::Result;
use clap::{Args, Subcommand};

use super::convert::ConvertArgs;
use super::filters::FiltersArgs;
use super::quantiles::QuantilesArgs;
use super::shared::ModelFlags;

#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Print what a model asks for and gives, and whether it can be used
    ///
    /// The exit code is 1 when it cannot, with the reason on standard error.
    Info(InfoArgs),
    Convert(ConvertArgs),
    Motifs(FiltersArgs),
    Quantiles(QuantilesArgs),
}

#[derive(Debug, Args)]
struct InfoArgs {
    /// An ONNX file, a table of k-mers, a gkm-SVM model, or a model that the program carries:
    /// `default`, `distilled` or `paper`
    #[arg(default_value = "default")]
    model: PathBuf,
    #[command(flatten)]
    flags: ModelFlags,
}

pub fn run(args: ModelArgs, quiet: bool) -> Result<()> {
    match args.command {
        ModelCommand::Info(args) => info(&args),
        ModelCommand::Convert(args) => args.run(quiet),
        ModelCommand::Motifs(args) => args.run(quiet),
        ModelCommand::Quantiles(args) => args.run(quiet),
    }
}

fn info(args: &InfoArgs) -> Result<()> {
    let source = ModelSource::from_arg(Some(&args.model));
    let read = source.read().map_err(Error::from)?;
    let mut out = io::stdout().lock();
    // A file's own text is not to reach the terminal with control characters in it.
    let plain = |text: String| -> String {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let mut line = |key: &str, value: String| writeln!(out, "{key:<12} {}", plain(value));
    match &source {
        ModelSource::Embedded(model) => line("embedded", model.name().to_owned())?,
        ModelSource::File(path) => line("file", path.display().to_string())?,
    }
    line("sha256", read.sha256().to_owned())?;
    line("opset", read.proto().opset().to_string())?;
    let producer = format!(
        "{} {}",
        read.proto().producer_name,
        read.proto().producer_version
    );
    if !producer.trim().is_empty() {
        line("producer", producer.trim().to_owned())?;
    }
    line("parameters", read.parameters().to_string())?;
    for (key, values) in [
        ("input", read.inputs()),
        ("output", read.graph().output.iter().collect()),
    ] {
        for value in values {
            line(key, format!("{} {}", value.name, value.description()))?;
        }
    }

    if let Some(facts) = read.kmers().map_err(Error::from)? {
        line("kmers", facts.describe())?;
    }

    let options = args.flags.options();
    let file = read.adapted(&options).map_err(Error::from)?;

    // The description first, as far as it goes; then a trial run has the last word.
    let mut spec = file.spec(&options).map_err(Error::from)?;
    let runtime = Runtime::load(args.flags.ort_lib.as_deref()).map_err(ModelError::from);
    let judged = runtime.and_then(|runtime| {
        Model::open(read.clone(), &options, &runtime).map(|model| (model.spec().clone(), runtime))
    });
    if let Ok((tried, _)) = &judged {
        spec = (**tried).clone();
    }
    line("window", format!("{} bases", spec.window))?;
    line(
        "frame",
        match spec.one_hot.length == spec.window {
            true => "none: the window fills the input".into(),
            false => format!(
                "{} columns, the window at offset {}",
                spec.one_hot.length, spec.one_hot.offset
            ),
        },
    )?;
    line("alphabet", spec.alphabet.clone())?;
    line("tasks", spec.tasks.join(", "))?;
    let fixed = spec.fixed_batch.map(|rows| format!("fixed at {rows}"));
    // A single window has no other beside it.
    let alone = (spec.fixed_batch != Some(1) && judged.is_ok())
        .then(|| "each window is scored on its own".to_owned());
    let batch: Vec<String> = fixed.into_iter().chain(alone).collect();
    if !batch.is_empty() {
        line("batch", batch.join(", "))?;
    }
    if let Some(description) = &spec.description {
        line("description", description.clone())?;
    }
    for set in &spec.quantiles.0 {
        line("quantiles", format!("{}: {}", set.name, set.description))?;
    }
    line(
        "engine",
        match FastPlan::new(&file, &spec) {
            Ok(plan) if !plan.pays() => format!(
                "full; fast would save too little, below a cut alone ({})",
                plan.describe()
            ),
            Ok(plan) => format!("fast ({})", plan.describe()),
            Err(reason) => format!("full only: {reason}"),
        },
    )?;
    if let Ok(plan) = KmerPlan::new(&file, &spec) {
        let text = format!(
            "a changed base alters at most {} of a window's {} k-mers",
            plan.per_change(),
            plan.per_window()
        );
        line("change", text)?;
    }
    // Every chain is a graph, too.
    else if let Ok(plan) = DagPlan::new(&file, &spec) {
        let (whole, changed) = plan.products();
        let text = format!(
            "a changed base alters {changed} of a pass's {whole} products of weights ({:.1}%)",
            100.0 * changed as f64 / whole.max(1) as f64
        );
        line("change", text)?;
    }
    let (_, runtime) = judged.map_err(Error::from)?;
    line(
        "usable",
        format!("yes, with ONNX Runtime {}", runtime.version()),
    )?;
    Ok(())
}
