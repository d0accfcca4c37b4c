use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::{
    Assay, Config, CoordinateSource, DatasetError, Examples, Report, Rows, Split, SplitRule,
    Strand, assemble, figures, groups, make_examples, place_tiles, sequences, split, write_parquet,
};
use crate::genome::Fasta;
use crate::job::{self, Cancel, InputFile, RunInfo};
use crate::output::{Existing, OutputDir, write};
use crate::{Error, VERSION};

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The files written, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Tiles read.
    pub tiles: usize,
    /// Tiles that became examples.
    pub kept: usize,
    /// Rows of the Parquet file.
    pub rows: usize,
    /// Name of each task and the correlation of its first two replicates, NaN with fewer.
    pub tasks: Vec<(String, f64)>,
}

/// Reads the experiments and writes `examples.parquet`, `report.tsv`, `filtered.tsv`, the figures and
/// `run.json` into the output folder. The examples are the same for any number of threads.
///
/// # Errors
/// Any error of the tables, the coordinates, the FASTA or the output folder; the folder then holds
/// nothing of this run.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Summary, Error> {
    config.check()?;
    let started = Instant::now();
    OutputDir::check(&config.out, existing(config))?;
    let made = job::on_threads(config.threads, || make(config, cancel));
    let (out, mut summary, mut run) = made?;
    cancel.check()?;
    run.threads = Some(config.threads);
    run.seconds = Some(started.elapsed().as_secs_f64());
    summary.files = out.commit(run)?;
    Ok(summary)
}

fn existing(config: &Config) -> Existing {
    Existing {
        force: config.force,
        resume: false,
    }
}

fn make(config: &Config, cancel: &Cancel) -> Result<(OutputDir, Summary, RunInfo), DatasetError> {
    let only = config.tasks.as_deref();
    let (assay, geometry, designed) = match &config.igvf {
        None => {
            let (experiments, geometry) = (&config.experiments, config.geometry);
            let assay = assemble(
                experiments,
                only,
                geometry,
                config.tile_index,
                config.min_dna,
            )?;
            (assay, geometry, None)
        }
        Some(igvf) => {
            let made = igvf.assemble(only)?;
            (made.assay, made.geometry, made.places)
        }
    };
    cancel.check()?;
    let places = match (&config.coordinates, designed) {
        (CoordinateSource::Auto, Some(places)) => Some(places),
        (source, _) => place_tiles(&assay, source, geometry)?,
    };
    let independent = matches!(config.split, SplitRule::RandomTiles(_))
        || config.coordinates == CoordinateSource::None;
    if places.is_none() && !independent {
        return Err(DatasetError::NoCoordinates);
    }
    let fasta = match &config.fasta {
        Some(path) => Some(Fasta::open(path, false)?),
        None => None,
    };
    let sequences = sequences(
        &assay,
        places.as_deref(),
        fasta.as_ref().map(|fasta| (fasta, &config.aliases)),
        geometry,
    )?;
    cancel.check()?;
    let examples = make_examples(&assay, &sequences, config.replicates, config.missing)?;
    let groups = groups(&assay, places.as_deref())?;
    let sides = split(
        &assay,
        &examples.tiles,
        &groups,
        places.as_deref(),
        &config.split,
    )?;
    for side in Split::ALL {
        if !sides.contains(&side) {
            tracing::warn!("no example is on the {} side of the split", side.as_str());
        }
    }
    let report = Report::new(&assay, &examples, &sequences, &sides, &groups, geometry);

    let rows = Rows {
        assay: &assay,
        examples: &examples,
        sequences: &sequences,
        places: places.as_deref(),
        groups: &groups,
        sides: &sides,
        geometry,
        frame: config.frame,
        strands: config.strands,
    };
    let mut provenance = provenance(config, &assay, &examples, &rows);
    let metadata = metadata(&provenance);
    cancel.check()?;
    // All is read: a run that is ended before has left nothing.
    let mut out = OutputDir::create(&config.out, existing(config))?;
    let path = out.file("examples.parquet");
    let written = write_parquet(&path, &rows, &metadata)?;
    provenance.counts.insert("rows".into(), json!(written));
    cancel.check()?;
    write(&out.file("report.tsv"), report.text())?;
    write(&out.file("filtered.tsv"), filtered(&assay, &examples))?;
    figures::position(&out.file("position.svg"), &assay, &report)?;
    figures::activity(&out.file("activity.svg"), &assay, &examples)?;
    if report.distances.is_some() {
        figures::distance(&out.file("distance.svg"), &report)?;
        figures::replicates(&out.file("replicates.svg"), &assay, &report)?;
    }
    let names = assay.tasks.iter().map(|t| t.name.clone());
    let summary = Summary {
        files: Vec::new(),
        tiles: assay.tiles.len(),
        kept: examples.tiles.len(),
        rows: written,
        tasks: names.zip(report.correlation.iter().copied()).collect(),
    };
    Ok((out, summary, provenance))
}

fn filtered(assay: &Assay, examples: &Examples) -> String {
    let mut text = String::from("tile\treason\ttasks_without_value\n");
    for filtered in &examples.filtered {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}",
            assay.tiles.get(filtered.tile),
            filtered.reason.as_str(),
            filtered.tasks.join(",")
        );
    }
    text
}

fn provenance(config: &Config, assay: &Assay, examples: &Examples, rows: &Rows) -> RunInfo {
    let mut run = RunInfo::new("dataset", &config.command);
    if let Some(igvf) = &config.igvf {
        for (_, path) in &igvf.tables {
            run.input("reporter_experiment", path);
        }
        run.input("design", &igvf.design);
    }
    for experiment in &config.experiments {
        for (role, path) in [("rna", &experiment.rna), ("dna", &experiment.dna)] {
            if !(run.inputs.iter()).any(|i| i.role == role && i.path == path.to_string_lossy()) {
                run.input(role, path);
            }
        }
    }
    run.inputs("experiments", &config.sheet);
    if let CoordinateSource::File(path) = &config.coordinates {
        run.input("coordinates", path);
    }
    run.inputs.extend(
        config
            .fasta
            .iter()
            .map(|path| InputFile::sized("fasta", path)),
    );
    let tasks: Vec<Value> = assay
        .tasks
        .iter()
        .enumerate()
        .map(|(t, task)| {
            json!({
                "name": task.name,
                "cell_type": task.cell_type,
                "promoter": task.promoter,
                "replicates": task.replicates,
                "mean": examples.mean[t],
                "scale": examples.scale[t],
            })
        })
        .collect();
    let split = match &config.split {
        SplitRule::Region(s) | SplitRule::Random(s) | SplitRule::RandomTiles(s) => {
            json!({"by": config.split.as_str(), "validation": s.validation, "test": s.test, "seed": s.seed})
        }
        SplitRule::Chromosome {
            validation, test, ..
        } => json!({"by": config.split.as_str(), "validation": validation, "test": test}),
    };
    run.settings = job::map(json!({
        "min_dna": config.min_dna,
        "min_barcodes": config.igvf.as_ref().map(|igvf| igvf.min_barcodes),
        "tile_index": config.tile_index,
        "replicates": format!("{:?}", config.replicates).to_lowercase(),
        "missing": format!("{:?}", config.missing).to_lowercase(),
        "sequences": if config.fasta.is_some() { "fasta" } else { "table" },
        "strands": match config.strands { Strand::Forward => "+", Strand::Both => "+-" },
        "split": split,
        "input": {
            "frame": format!("{:?}", config.frame).to_lowercase(),
            "length": rows.input_len(),
            "tile": rows.geometry.tile,
            "step": rows.geometry.step,
            "tiles": rows.geometry.tiles,
        },
    }));
    run.results.insert("tasks".into(), json!(tasks));
    run.counts = job::map(json!({
        "tiles_read": assay.tiles.len(),
        "tiles_kept": examples.tiles.len(),
        "tiles_filtered": examples.filtered.len(),
        "regions": assay.layout.regions.len(),
    }));
    run
}

/// The parts of the provenance that a user of the file looks up by name, and the whole.
fn metadata(run: &RunInfo) -> Vec<(String, String)> {
    let part = |key: &str, value: &Value| (format!("mpra_score.{key}"), value.to_string());
    // The same file of the same inputs, however it was asked for: the command is in `run.json`.
    let run = RunInfo {
        command: Vec::new(),
        threads: None,
        ..run.clone()
    };
    vec![
        ("mpra_score.version".into(), VERSION.into()),
        part("tasks", &run.results["tasks"]),
        part("split", &run.settings["split"]),
        part("input", &run.settings["input"]),
        part("provenance", &json!(run)),
    ]
}
