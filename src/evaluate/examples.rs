use std::collections::BTreeMap;
use std::fmt::Write as _;

use ndarray::Array2;
use serde_json::json;

use super::output::{Comparison, Found, Kind, intervals, write};
use super::{
    EvaluateError, ExamplesConfig, Predictor, Side, Summary, Values, ceiling, number, predict,
};
use crate::dataset::Split;
use crate::job::InputFile;
use crate::labelled::{Label, Labelled};
use crate::output::OutputDir;
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
    let predicted = (models.iter())
        .map(|model| {
            let windows = data.clone().into_windows(model.model.window());
            let windows = windows.map_err(EvaluateError::from)?;
            let codes: Vec<u8> = (rows.iter().flat_map(|&r| windows.sequence(r)))
                .copied()
                .collect();
            predict(
                model.model.members(),
                &codes,
                common.batch,
                common.threads,
                cancel,
            )
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let found = compare(config, &data, &rows, &pairs, &models, &predicted)?;

    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    for row in &data.skipped {
        *skipped.entry(row.reason.into()).or_default() += 1;
    }
    let mut inputs = vec![InputFile::whole("data", &config.source.data)];
    let fasta = config.source.fasta.iter();
    inputs.extend(fasta.map(|path| InputFile::sized("fasta", path)));
    let labels: Vec<_> = pairs.iter().map(|p| [&p.label.name, &p.task]).collect();
    let side = side(config.side, &data).map_or("all", Split::as_str);
    let mut settings = vec![
        ("side", side.into()),
        ("values", config.values.as_str().into()),
        ("labels", json!(labels)),
    ];
    settings.extend(intervals(&common.bootstrap));
    let grouped = data.groups.is_some();
    settings.push(("groups", if grouped { "regions" } else { "rows" }.into()));
    let kind = Kind {
        of: "label",
        title: "Measured against predicted",
        rows: (
            "predictions.tsv",
            predictions(&data, &rows, &pairs, &predicted),
        ),
        inputs,
        settings,
        counts: json!({"rows": data.rows(), "rows_used": rows.len(), "rows_left_out": skipped}),
        skipped,
    };
    write(common, &models, found, kind, cancel)
}

/// Compares every label with its predictions, which have a row for each of `rows`.
fn compare(
    config: &ExamplesConfig,
    data: &Labelled,
    rows: &[usize],
    pairs: &[Pair<'_>],
    models: &[Predictor],
    predicted: &[Array2<f32>],
) -> Result<Found, EvaluateError> {
    let mut found = Found::new(["predicted", "measured"]);
    for pair in pairs {
        let at: Vec<usize> = (0..rows.len())
            .filter(|&i| !pair.observed[rows[i]].is_nan())
            .collect();
        let kept: Vec<usize> = at.iter().map(|&i| rows[i]).collect();
        let observed: Vec<f64> = kept.iter().map(|&row| pair.observed[row]).collect();
        if observed.len() < 3 || observed.iter().all(|v| *v == observed[0]) {
            return Err(EvaluateError::TooFew(format!(
                "label {}: {} value(s) that do not vary or are too few to compare",
                pair.label.name,
                observed.len()
            )));
        }
        let groups: Vec<u32> = at
            .iter()
            .map(|&i| data.groups.as_ref().map_or(i as u32, |g| g[rows[i]]))
            .collect();
        let values = |(predicted, column): (&Array2<f32>, &Option<usize>)| {
            let column = (*column)?;
            let values = at.iter().map(|&i| f64::from(predicted[[i, column]]));
            Some((column, values.collect()))
        };
        let comparison = Comparison {
            of: &pair.label.name,
            title: pair.label.name.clone(),
            observed: &observed,
            groups: &groups,
            replicates: ceiling(pair.label.replicates.view(), &kept),
            predicted: predicted.iter().zip(&pair.columns).map(values).collect(),
        };
        found.add(&comparison, models, &config.common.bootstrap);
    }
    Ok(found)
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
            model: models[0].model.to_string(),
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
    predicted: &[Array2<f32>],
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
            let _ = write!(text, "\t{}", predicted[m][[i, column]]);
        }
        text.push('\n');
    }
    let empty = "\tNA".repeat(pairs.len() + each().count());
    for row in &data.skipped {
        let _ = writeln!(text, "{}\tNA\t{}{empty}", row.name, row.reason);
    }
    text
}
