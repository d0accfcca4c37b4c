use std::collections::BTreeMap;
use std::fmt::Write as _;

use ndarray::Array2;
use serde_json::json;

use super::haplotypes::Haplotypes;
use super::output::{Comparison, Found, Kind, intervals, write};
use super::{
    EvaluateError, MeasuredVariant, Predictor, Summary, VariantsConfig, number, predict,
    read_variants,
};
use crate::genome::Fasta;
use crate::job::InputFile;
use crate::output::OutputDir;
use crate::{Cancel, Error};

/// Element under which all variants together are reported.
const ALL: &str = "all";

pub(super) fn run(config: &VariantsConfig, cancel: &Cancel) -> Result<Summary, Error> {
    let common = &config.common;
    OutputDir::check(&common.out, common.existing)?;
    let models = Predictor::open(common)?;
    let tasks = tasks(config, &models[0])?;
    let columns = columns(config, &tasks, &models)?;
    let variants = read_variants(&config.variants, &config.fields)?;
    if variants.iter().all(|v| v.barcodes.is_nan()) && config.min_barcodes > 0.0 {
        tracing::warn!(
            "no variant has {}: --min-barcodes has nothing to judge",
            config.fields.barcodes
        );
    }
    let (status, effects) = effects(config, &variants, &models, cancel)?;
    let usable: Vec<usize> = (0..variants.len()).filter(|&i| status[i] == "ok").collect();
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    for reason in status.iter().filter(|s| **s != "ok") {
        *skipped.entry((*reason).into()).or_default() += 1;
    }
    if usable.len() < 3 {
        let reasons: Vec<String> = skipped.iter().map(|(r, n)| format!("{n} {r}")).collect();
        return Err(EvaluateError::TooFew(format!(
            "{}: {} usable variant(s) of {} ({})",
            config.variants.display(),
            usable.len(),
            variants.len(),
            reasons.join(", ")
        ))
        .into());
    }
    let mut found = Found::new(["predicted effect", "measured effect"]);
    for (element, rows) in elements(&variants, &usable) {
        if rows.len() < 3 {
            tracing::warn!(
                "element {element}: {} variant(s), too few to compare",
                rows.len()
            );
            continue;
        }
        let observed: Vec<f64> = rows.iter().map(|&i| variants[i].effect).collect();
        let groups = positions(rows.iter().map(|&i| &variants[i]));
        for (task, columns) in tasks.iter().zip(&columns) {
            let values = |(effects, column): (&Array2<f32>, &Option<usize>)| {
                let column = (*column)?;
                let values = rows.iter().map(|&i| f64::from(effects[[i, column]]));
                Some((column, values.collect()))
            };
            let comparison = Comparison {
                of: element,
                title: format!("{element}, {task}"),
                observed: &observed,
                groups: &groups,
                replicates: None,
                predicted: effects.iter().zip(columns).map(values).collect(),
            };
            found.add(&comparison, &models, &common.bootstrap);
        }
    }

    let mut settings = vec![
        ("tasks", json!(tasks)),
        ("effect_field", json!(config.fields.effect)),
        ("element_field", json!(config.fields.element)),
        ("barcode_field", json!(config.fields.barcodes)),
        ("min_barcodes", json!(config.min_barcodes)),
    ];
    settings.extend(intervals(&common.bootstrap));
    let kind = Kind {
        of: "element",
        title: "Measured against predicted effects",
        rows: (
            "variants.tsv",
            every_variant(&variants, &status, &columns, &models, &effects),
        ),
        inputs: vec![
            InputFile::whole("variants", &config.variants),
            InputFile::sized("fasta", &config.fasta),
        ],
        settings,
        counts: json!({"variants": variants.len(), "variants_used": usable.len(), "variants_left_out": skipped}),
        skipped,
    };
    write(common, &models, found, kind, cancel)
}

/// Each variant's status, and each model's effects, `[variants, tasks]`: NaN where the model's window
/// leaves the variant out.
fn effects(
    config: &VariantsConfig,
    variants: &[MeasuredVariant],
    models: &[Predictor],
    cancel: &Cancel,
) -> Result<(Vec<&'static str>, Vec<Array2<f32>>), Error> {
    let fasta = Fasta::open(&config.fasta, false)?;
    let mut haplotypes = Haplotypes {
        reader: fasta.reader()?,
        fasta: &fasta,
        aliases: &config.aliases,
    };
    let mut status = vec!["ok"; variants.len()];
    let mut effects = Vec::new();
    for model in models {
        let window = model.model.window();
        let mut codes = Vec::new();
        let mut used = Vec::new();
        for (i, variant) in variants.iter().enumerate() {
            let found = if variant.effect.is_nan() {
                Err("no_effect")
            } else if variant.barcodes < config.min_barcodes {
                Err("few_barcodes")
            } else {
                haplotypes.of(variant, window, window / 2)?
            };
            match found {
                Ok(both) => {
                    codes.extend(both.into_iter().flatten());
                    used.push(i);
                }
                Err(reason) => status[i] = reason,
            }
        }
        let (batch, threads) = (config.common.batch, config.common.threads);
        let activities = predict(model.model.members(), &codes, batch, threads, cancel)?;
        let mut of_model = Array2::from_elem((variants.len(), model.model.tasks()), f32::NAN);
        // The reference's row and the alternative's.
        for (pair, &i) in activities
            .exact_chunks((2, model.model.tasks()))
            .into_iter()
            .zip(&used)
        {
            of_model.row_mut(i).assign(&(&pair.row(1) - &pair.row(0)));
        }
        effects.push(of_model);
    }
    Ok((status, effects))
}

/// Elements with their variants in order of appearance, then all together.
fn elements<'a>(variants: &'a [MeasuredVariant], usable: &[usize]) -> Vec<(&'a str, Vec<usize>)> {
    let mut elements: Vec<(&str, Vec<usize>)> = Vec::new();
    for &i in usable {
        let name = variants[i].element.as_str();
        match elements.iter_mut().find(|e| e.0 == name) {
            Some((_, rows)) => rows.push(i),
            None => elements.push((name, vec![i])),
        }
    }
    if elements.len() > 1 || elements.first().is_some_and(|e| e.0 == ".") {
        elements.retain(|e| e.0 != ".");
        elements.push((ALL, usable.to_vec()));
    }
    elements
}

fn tasks(config: &VariantsConfig, model: &Predictor) -> Result<Vec<String>, EvaluateError> {
    let spec = model.model.spec();
    let columns = spec.columns(config.tasks.as_deref())?;
    Ok(columns.iter().map(|&c| spec.tasks[c].clone()).collect())
}

/// For each task the output columns of the models: of the second one that of the task it is mapped
/// to, else of the same name.
fn columns(
    config: &VariantsConfig,
    tasks: &[String],
    models: &[Predictor],
) -> Result<Vec<Vec<Option<usize>>>, EvaluateError> {
    let map = (config.common.baseline.as_ref()).map_or(&[][..], |b| b.map.as_slice());
    if let Some((unknown, _)) = map.iter().find(|(task, _)| !tasks.contains(task)) {
        return Err(EvaluateError::Unknown {
            what: "task",
            name: unknown.clone(),
            known: tasks.join(", "),
        });
    }
    let mut all = Vec::new();
    for task in tasks {
        let mut columns = vec![Some(models[0].task(task)?)];
        if let Some(baseline) = models.get(1) {
            columns.push(match map.iter().find(|(t, _)| t == task) {
                Some((_, other)) => Some(baseline.task(other)?),
                None => baseline.task(task).ok(),
            });
        }
        all.push(columns);
    }
    if models.len() > 1 && all.iter().all(|columns| columns[1].is_none()) {
        return Err(EvaluateError::Setting(format!(
            "the baseline has none of the tasks {}: --baseline-map TASK=TASK pairs them",
            tasks.join(", ")
        )));
    }
    Ok(all)
}

/// Numbers of the positions, so that the changes of one base are drawn together.
fn positions<'a>(variants: impl Iterator<Item = &'a MeasuredVariant>) -> Vec<u32> {
    let mut numbers: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    variants
        .map(|v| {
            let next = numbers.len() as u32;
            *numbers.entry((&v.contig, v.pos)).or_insert(next)
        })
        .collect()
}

fn every_variant(
    variants: &[MeasuredVariant],
    status: &[&str],
    columns: &[Vec<Option<usize>>],
    models: &[Predictor],
    effects: &[Array2<f32>],
) -> String {
    let mut text = String::from("contig\tpos\tid\tref\talt\telement\tbarcodes\tstatus\tmeasured");
    let columns: Vec<(usize, usize)> = (columns.iter())
        .flat_map(|of_task| (of_task.iter().enumerate()).filter_map(|(m, c)| Some((m, (*c)?))))
        .collect();
    // Writing to a string cannot fail.
    for &(m, column) in &columns {
        let suffix = ["predicted", "baseline"][m];
        let _ = write!(text, "\t{}.{suffix}", models[m].model.spec().tasks[column]);
    }
    text.push('\n');
    for (i, v) in variants.iter().enumerate() {
        let _ = write!(
            text,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            v.contig,
            v.pos,
            v.id,
            v.reference,
            v.alternative,
            v.element,
            number(v.barcodes),
            status[i],
            number(v.effect)
        );
        for &(m, column) in &columns {
            let value = effects[m][[i, column]];
            let shown = match status[i] == "ok" && !value.is_nan() {
                true => value.to_string(),
                false => "NA".into(),
            };
            let _ = write!(text, "\t{shown}");
        }
        text.push('\n');
    }
    text
}
