//! What a suite writes.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::{Bootstrap, Estimate, EvaluateError};
use super::figures::{GAINS, Who, names};
use super::judge::{Judged, PREDICTIONS};
use super::spec::{Judge, Kind};
use crate::Error;
use crate::output::{self, OutputDir, OutputError, Tsv};
use crate::plot::{self, Forest, ForestPanel, ForestRow};

/// A row of `judges.tsv`.
#[derive(Clone, Debug, Serialize)]
pub struct SuiteRow {
    /// The judge.
    pub judge: String,
    /// `labels`, `values`, `alleles` or `effects`.
    pub kind: &'static str,
    /// The cell, or a difference of two.
    pub cell: String,
    /// `all`, a chromosome, an element, or `mean` (of the elements).
    pub subset: String,
    /// `model`, `baseline`, `gc`, `kmer`, or a difference such as `model - gc`.
    pub predictor: String,
    /// The tasks that predict it, of a model.
    pub task: Option<String>,
    /// The statistic.
    pub statistic: &'static str,
    /// Its value and interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Items.
    pub n: usize,
    /// Positive ones, of labels.
    pub positives: Option<usize>,
    /// What is drawn together.
    pub groups: usize,
}

/// The rows of a judge.
pub(super) fn rows(judge: &Judge, judged: &Judged, how: &Bootstrap) -> Vec<SuiteRow> {
    let mut rows = Vec::new();
    for found in &judged.found {
        let there = |who: Who| match who {
            Who::Model | Who::Baseline => {
                found.tasks.get(who as usize).is_some_and(Option::is_some)
            }
            _ => true,
        };
        for (f, &statistic) in names(judge.kind).iter().enumerate() {
            let row = |predictor: String, task: Option<String>, estimate: Estimate| SuiteRow {
                judge: judge.name.get_ref().clone(),
                kind: judge.kind.as_str(),
                cell: found.cell.clone(),
                subset: found.subset.clone(),
                predictor,
                task,
                statistic,
                estimate,
                n: found.drawn.n,
                positives: found.positives,
                groups: found.drawn.groups,
            };
            for who in Who::ALL.into_iter().filter(|&who| there(who)) {
                let task = found.tasks.get(who as usize).cloned().flatten();
                let estimate = found.drawn.estimate(who, f, how);
                rows.push(row(who.as_str().into(), task, estimate));
            }
            for gain in GAINS.into_iter().filter(|g| there(g.0) && there(g.1)) {
                let predictor = format!("{} - {}", gain.0.as_str(), gain.1.as_str());
                rows.push(row(predictor, None, found.drawn.gain(gain, f, how)));
            }
        }
    }
    rows
}

/// `judges.tsv`.
fn table(rows: &[SuiteRow]) -> Tsv {
    let mut tsv = Tsv::new(&[
        "judge",
        "kind",
        "cell",
        "subset",
        "predictor",
        "task",
        "statistic",
        "value",
        "low",
        "high",
        "n",
        "positives",
        "groups",
    ]);
    for row in rows {
        tsv.text(&row.judge).text(row.kind).text(&row.cell);
        tsv.text(&row.subset).text(&row.predictor);
        tsv.text(row.task.as_deref().unwrap_or("NA"));
        tsv.text(row.statistic);
        let Estimate { value, low, high } = row.estimate;
        tsv.number(value).number(low).number(high);
        tsv.count(row.n as u64);
        match row.positives {
            Some(positives) => tsv.count(positives as u64),
            None => tsv.text("NA"),
        };
        tsv.count(row.groups as u64).end();
    }
    tsv
}

/// What a judge was told, defaults included.
pub(super) fn settings(judge: &Judge) -> Value {
    let cells: Vec<Value> = (judge.cells.iter())
        .map(|cell| json!({"name": cell.name, "task": cell.task.list()}))
        .collect();
    json!({
        "name": judge.name.get_ref(),
        "kind": judge.kind.as_str(),
        "cells": cells,
        "step": judge.step(),
        "pool": judge.pool().as_str(),
        "both_strands": judge.both_strands,
        "strata": judge.strata(),
        "k": judge.k(),
        "folds": judge.folds(),
        "kmer_from": judge.kmer_from,
        "pseudo_count": (judge.kind == Kind::Alleles).then(|| judge.pseudo_count()),
        "min_barcodes": (judge.kind == Kind::Effects).then(|| judge.min_barcodes()),
    })
}

/// Writes the tables and the figure.
pub(super) fn write(
    out: &mut OutputDir,
    judges: &[Judge],
    judged: &[Judged],
    rows: &[SuiteRow],
) -> Result<(), Error> {
    table(rows).write(&out.file("judges.tsv"))?;
    let each: Vec<Value> = (judges.iter().zip(judged))
        .map(|(judge, judged)| {
            let own = rows.iter().filter(|r| r.judge == *judge.name.get_ref());
            json!({
                "settings": settings(judge),
                "used": judged.used,
                "left_out": judged.left_out,
                "rows": own.collect::<Vec<_>>(),
            })
        })
        .collect();
    let text = format!("{:#}\n", json!({ "judges": each }));
    output::write(&out.file("judges.json"), text)?;
    predictions(out, judged)?;
    plot::forest(&out.file("judges.svg"), &forest(judges, rows)).map_err(EvaluateError::from)?;
    Ok(())
}

/// `predictions.tsv.gz`, of the same bytes in every run.
fn predictions(out: &mut OutputDir, judged: &[Judged]) -> Result<(), OutputError> {
    let path = out.file("predictions.tsv.gz");
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut write = || -> std::io::Result<()> {
        packed.write_all(PREDICTIONS.as_bytes())?;
        (judged.iter()).try_for_each(|judged| packed.write_all(judged.rows.as_bytes()))
    };
    let packed = match write() {
        Ok(()) => packed.finish(),
        Err(e) => Err(e),
    };
    output::write(
        &path,
        packed.map_err(|e| OutputError::Write(e, path.clone()))?,
    )
}

/// The statistics of a panel: overall, and among items of like composition.
struct Shown {
    titles: [&'static str; 2],
    statistics: [&'static str; 2],
    chance: f64,
    kinds: &'static [Kind],
}

const SHOWN: [Shown; 3] = [
    Shown {
        titles: ["AUROC", "AUROC within GC strata"],
        statistics: ["auroc", "conditional_auroc"],
        chance: 0.5,
        kinds: &[Kind::Labels],
    },
    Shown {
        titles: ["Pearson r", "Pearson r within GC strata"],
        statistics: ["pearson", "stratum_pearson"],
        chance: 0.0,
        kinds: &[Kind::Values, Kind::Alleles, Kind::Effects],
    },
    Shown {
        titles: ["agreement of signs", ""],
        statistics: ["sign_agreement", ""],
        chance: 0.5,
        kinds: &[Kind::Alleles, Kind::Effects],
    },
];

/// The whole of every cell, and elements one by one.
fn forest(judges: &[Judge], rows: &[SuiteRow]) -> Forest {
    let mut panels = Vec::new();
    for shown in &SHOWN {
        let mut lines: Vec<ForestRow> = Vec::new();
        let chosen = judges.iter().filter(|j| shown.kinds.contains(&j.kind));
        for judge in chosen {
            let name = judge.name.get_ref();
            let mut places: Vec<(&str, &str)> = Vec::new();
            let own = rows.iter().filter(|r| r.judge == *name);
            for row in own.filter(|r| r.subset == "all" || judge.kind == Kind::Effects) {
                let place = (row.cell.as_str(), row.subset.as_str());
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            for (i, (cell, subset)) in places.into_iter().enumerate() {
                let point = |statistic: &str, who: Who| {
                    let found = rows.iter().find(|r| {
                        r.judge == *name
                            && r.cell == cell
                            && r.subset == subset
                            && r.statistic == statistic
                            && r.predictor == who.as_str()
                    })?;
                    let e = found.estimate;
                    (!e.value.is_nan()).then_some((e.value, e.low, e.high))
                };
                lines.push(ForestRow {
                    heading: (i == 0).then(|| name.clone()),
                    name: match subset {
                        "all" => cell.to_owned(),
                        part => format!("{cell}, {part}"),
                    },
                    points: shown.statistics.map(|s| Who::ALL.map(|who| point(s, who))),
                });
            }
        }
        if !lines.is_empty() {
            panels.push(ForestPanel {
                titles: shown.titles.map(str::to_owned),
                chance: shown.chance,
                rows: lines,
            });
        }
    }
    Forest {
        title: "Judges".into(),
        names: ["model", "baseline", "share of G and C", "k-mer regression"].map(str::to_owned),
        panels,
    }
}
