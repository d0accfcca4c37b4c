use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::{
    EvaluateError, ExamplesConfig, Predictor, Row, Side, Summary, Values, ceiling, gain, metrics,
    number, predict, table,
};
use crate::dataset::Split;
use crate::labelled::{Label, Labelled, sha256};
use crate::model::Predict;
use crate::output::OutputDir;
use crate::plot::{self, Hexes};
use crate::{Cancel, Error};

/// A label and the output column of each model that predicts it.
struct Pair<'a> {
    label: &'a Label,
    observed: &'a [f64],
    task: String,
    columns: Vec<Option<usize>>,
}

pub(super) fn run(config: &ExamplesConfig, cancel: &Cancel) -> Result<Summary, Error> {
    let common = &config.common;
    OutputDir::check(&common.out, common.existing)?;
    let models = Predictor::open(common)?;
    let data =
        Labelled::read(&config.source, models[0].model.window()).map_err(EvaluateError::from)?;
    let rows = rows(config, &data)?;
    let pairs = pairs(config, &data, &models)?;
    let mut predicted = Vec::new();
    for model in &models {
        let windows = data
            .clone()
            .into_windows(model.model.window())
            .map_err(EvaluateError::from)?;
        let codes: Vec<u8> = (rows.iter().flat_map(|&r| windows.sequence(r)))
            .copied()
            .collect();
        let (batch, threads) = (common.batch, common.threads);
        predicted.push(predict(&model.model, &codes, batch, threads, cancel)?);
    }
    // Predictions of a model's column, as f64, of the rows of `at`.
    let column = |m: usize, column: usize, at: &[usize]| -> Vec<f64> {
        let tasks = models[m].model.tasks();
        at.iter()
            .map(|&i| f64::from(predicted[m][i * tasks + column]))
            .collect()
    };

    let mut found = Vec::new();
    let mut panels = Vec::new();
    for pair in &pairs {
        let at: Vec<usize> = (0..rows.len())
            .filter(|&i| !pair.observed[rows[i]].is_nan())
            .collect();
        let observed: Vec<f64> = at.iter().map(|&i| pair.observed[rows[i]]).collect();
        if observed.len() < 3 || observed.iter().all(|v| *v == observed[0]) {
            return Err(EvaluateError::TooFew(format!(
                "label {}: {} value(s) that do not vary or are too few to compare",
                pair.label.name,
                observed.len()
            ))
            .into());
        }
        let groups: Vec<u32> = at
            .iter()
            .map(|&i| data.groups.as_ref().map_or(i as u32, |g| g[rows[i]]))
            .collect();
        let kept: Vec<usize> = at.iter().map(|&i| rows[i]).collect();
        let replicates = ceiling(&pair.label.replicates, &kept);
        for (m, model) in models.iter().enumerate() {
            let Some(of_task) = pair.columns[m] else {
                continue;
            };
            let values = column(m, of_task, &at);
            let other = (m == 0)
                .then(|| pair.columns.get(1).copied().flatten())
                .flatten();
            found.push(Row {
                of: pair.label.name.clone(),
                task: model.model.spec().tasks[of_task].clone(),
                model: model.name,
                metrics: metrics(&observed, &values, &groups, &common.bootstrap),
                gain: other.map(|c| {
                    gain(
                        &observed,
                        &values,
                        &column(1, c, &at),
                        &groups,
                        &common.bootstrap,
                    )
                }),
                replicates,
            });
            if m == 0 {
                let row = &found[found.len() - 1];
                panels.push(Hexes {
                    title: format!("{}: r = {:.3}", pair.label.name, row.metrics.pearson.value),
                    x_label: "predicted".into(),
                    y_label: "measured".into(),
                    points: (values.iter().zip(&observed))
                        .map(|(x, y)| (*x as f32, *y as f32))
                        .collect(),
                });
            }
        }
    }

    cancel.files_begin();
    let mut out = OutputDir::create(&common.out, common.existing)?;
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).map_err(|e| Error::from(EvaluateError::Write(e, path)))
    };
    write(out.file("metrics.tsv"), table("label", &found))?;
    let text = format!("{:#}\n", json!({ "metrics": found }));
    write(out.file("metrics.json"), text)?;
    write(
        out.file("predictions.tsv"),
        predictions(&data, &rows, &pairs, &models, &predicted),
    )?;
    plot::hexes(
        &out.file("predicted.svg"),
        "Measured against predicted",
        &panels,
    )
    .map_err(EvaluateError::from)?;
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    for row in &data.skipped {
        *skipped.entry(row.reason.into()).or_default() += 1;
    }
    let run = json!({
        "program": "mpra-score",
        "version": crate::VERSION,
        "command": common.command,
        "models": models.iter().map(|m| (m.name, m.describe())).collect::<BTreeMap<_, _>>(),
        "onnxruntime": models[0].model.runtime().version(),
        "data": {
            "path": config.source.data.display().to_string(),
            "sha256": sha256(&config.source.data).map_err(EvaluateError::from)?,
            "fasta": config.source.fasta.as_ref().map(|f| f.display().to_string()),
        },
        "settings": {
            "side": side(config.side, &data).map_or("all", Split::as_str),
            "values": config.values.as_str(),
            "labels": pairs.iter().map(|p| [&p.label.name, &p.task]).collect::<Vec<_>>(),
            "bootstrap": common.bootstrap.replicates,
            "interval": common.bootstrap.share,
            "seed": common.bootstrap.seed,
            "groups": if data.groups.is_some() { "regions" } else { "rows" },
        },
        "threads": common.threads,
        "counts": {"rows": data.rows(), "rows_used": rows.len(), "rows_left_out": skipped},
        "outputs": out.names(),
    });
    cancel.check()?;
    Ok(Summary {
        rows: found,
        files: out.commit(crate::job::RunInfo::legacy(run))?,
        skipped: skipped.into_iter().collect(),
    })
}

/// The side of the split that is used; `None` for all.
fn side(side: Side, data: &Labelled) -> Option<Split> {
    match (side, &data.split) {
        (Side::Of(side), _) => Some(side),
        (Side::Auto, Some(split)) if split.contains(&Split::Test) => Some(Split::Test),
        _ => None,
    }
}

fn rows(config: &ExamplesConfig, data: &Labelled) -> Result<Vec<usize>, EvaluateError> {
    let rows = match side(config.side, data) {
        None => (0..data.rows()).collect(),
        Some(_) if data.split.is_none() => {
            return Err(EvaluateError::Setting(format!(
                "{} has no column `split`",
                data.path.display()
            )));
        }
        Some(side) => data.side(side),
    };
    match rows.is_empty() {
        true => Err(EvaluateError::TooFew(format!(
            "{} has no row on that side of the split",
            data.path.display()
        ))),
        false => Ok(rows),
    }
}

/// Labels and tasks of equal names, and those that the user pairs.
fn pairs<'a>(
    config: &ExamplesConfig,
    data: &'a Labelled,
    models: &[Predictor],
) -> Result<Vec<Pair<'a>>, EvaluateError> {
    let labels: Vec<&str> = data.labels.iter().map(|l| l.name.as_str()).collect();
    let maps: Vec<&[(String, String)]> = std::iter::once(config.common.map.as_slice())
        .chain(config.common.baseline.iter().map(|b| b.map.as_slice()))
        .collect();
    for (label, _) in maps.iter().flat_map(|m| m.iter()) {
        if data.label(label).is_none() {
            return Err(EvaluateError::Unknown {
                what: "label",
                name: label.clone(),
                known: labels.join(", "),
            });
        }
    }
    let mut pairs = Vec::new();
    for label in &data.labels {
        let mut columns = Vec::new();
        for (model, map) in models.iter().zip(&maps) {
            let mut named = map.iter().filter(|m| m.0 == label.name).map(|m| &m.1);
            let column = match named.next() {
                Some(task) => Some(model.task(task)?),
                None => model.task(&label.name).ok(),
            };
            if let Some(second) = named.next() {
                return Err(EvaluateError::Setting(format!(
                    "label {} is mapped twice, also to {second}",
                    label.name
                )));
            }
            columns.push(column);
        }
        let Some(column) = columns[0] else { continue };
        let task = models[0].model.spec().tasks[column].clone();
        // A baseline without the label's name may have the name of the model's task.
        if let Some(None) = columns.get(1) {
            columns[1] = models[1].task(&task).ok();
        }
        let observed = match (config.values, &label.activity) {
            (Values::Standardised, _) => &label.values,
            (Values::Activity, Some(activity)) => activity,
            (Values::Activity, None) => {
                return Err(EvaluateError::Setting(format!(
                    "{} has no column {}.activity",
                    data.path.display(),
                    label.name
                )));
            }
        };
        pairs.push(Pair {
            label,
            observed,
            task,
            columns,
        });
    }
    if pairs.is_empty() {
        return Err(EvaluateError::NoPairs {
            path: data.path.clone(),
            model: models[0].source.to_string(),
            labels: match labels.is_empty() {
                true => "none".into(),
                false => labels.join(", "),
            },
            tasks: models[0].model.spec().tasks.join(", "),
        });
    }
    Ok(pairs)
}

/// One row a sequence: what was measured and what is predicted; rows left out with their reason.
fn predictions(
    data: &Labelled,
    rows: &[usize],
    pairs: &[Pair<'_>],
    models: &[Predictor],
    predicted: &[Vec<f32>],
) -> String {
    let mut text = String::from("name\tsplit\tstatus");
    let each = || {
        pairs.iter().flat_map(|pair| {
            (pair.columns.iter().enumerate()).filter_map(move |(m, c)| Some((pair, m, (*c)?)))
        })
    };
    // Writing to a string cannot fail.
    for pair in pairs {
        let _ = write!(text, "\t{}", pair.label.name);
    }
    for (pair, m, _) in each() {
        let suffix = ["predicted", "baseline"][m];
        let _ = write!(text, "\t{}.{suffix}", pair.label.name);
    }
    text.push('\n');
    for (i, &row) in rows.iter().enumerate() {
        let split = data.split.as_ref().map_or("NA", |s| s[row].as_str());
        let _ = write!(text, "{}\t{split}\tok", data.names[row]);
        for pair in pairs {
            let _ = write!(text, "\t{}", number(pair.observed[row]));
        }
        for (_, m, column) in each() {
            let tasks = models[m].model.tasks();
            let _ = write!(text, "\t{}", predicted[m][i * tasks + column]);
        }
        text.push('\n');
    }
    let empty = "\tNA".repeat(pairs.len() + each().count());
    for row in &data.skipped {
        let _ = writeln!(text, "{}\tNA\t{}{empty}", row.name, row.reason);
    }
    text
}
