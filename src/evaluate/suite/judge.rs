//! One judge: read, predicted, compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use ndarray::Array2;

use super::super::{Bootstrap, EvaluateError, number};
use super::alleles;
use super::figures::{Comparison, Drawn, compare};
use super::items::{self, Items, Sources};
use super::kmers::{self, Shares, Weights};
use super::predict::{Ready, mean_of_tasks};
use super::spec::{Cell, Judge, Kind};
use crate::Error;
use crate::job::{Cancel, Progress};
use crate::stats;

/// A comparison with its figures.
pub(super) struct Found {
    pub cell: String,
    /// `all`, `mean`, a chromosome or an element.
    pub subset: String,
    /// What predicts it, by model.
    pub tasks: Vec<Option<String>>,
    /// Of labels.
    pub positives: Option<usize>,
    pub drawn: Drawn,
}

/// What is found, beside the items that it is about: of the whole alone, not of its parts.
type WithItems = (Found, Option<(Vec<usize>, Comparison)>);

/// What a judge found.
pub(super) struct Judged {
    pub found: Vec<Found>,
    pub used: usize,
    pub left_out: BTreeMap<&'static str, u64>,
    pub files: Vec<PathBuf>,
    /// Rows of `predictions.tsv.gz`.
    pub rows: String,
    /// Of the regression fitted to all values of a cell.
    pub weights: Vec<Option<Weights>>,
}

/// What one run of a judge is given beside the judge.
pub(super) struct Bench<'a, 'm> {
    pub sources: Sources<'a>,
    pub models: &'a mut [Ready<'m>],
    /// Pairs (task of the suite, task of the model), by model.
    pub maps: &'a [&'a [(String, String)]],
    /// Judges above this one, with what they found.
    pub above: &'a [(&'a Judge, &'a Judged)],
    pub bootstrap: &'a Bootstrap,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// Output columns of a cell's tasks.
struct Columns {
    numbers: Vec<usize>,
    names: String,
}

pub(super) fn run(judge: &Judge, bench: &mut Bench<'_, '_>) -> Result<Judged, Error> {
    let columns = columns(judge, bench)?;
    let items = match judge.kind.is_change() {
        true => alleles::read(judge, &bench.sources)?,
        false => items::read(judge, &bench.sources)?,
    };
    tracing::info!(
        "judge {:?}: {} of {} are used",
        judge.name.get_ref(),
        items.len(),
        items.len() + items.left_out.len()
    );
    let mut cells = cells(judge, &items);
    check(judge, &cells)?;
    predict(judge, &items, &columns, &mut cells, bench)?;
    bench.cancel.check()?;
    let units = units(&items);
    let folds = kmers::folds(&units, judge.folds(), bench.bootstrap.seed);
    let weights = regress(judge, &items, &folds, &mut cells, bench)?;
    let mut found = Vec::new();
    for cell in with_differences(judge, &items, cells)? {
        bench.cancel.check()?;
        figures(judge, &items, &columns, cell, bench.bootstrap, &mut found);
    }
    let rows = rows(judge, &items, &folds, &found);
    Ok(Judged {
        used: items.len(),
        left_out: items.reasons(),
        files: items.files.clone(),
        found: found.into_iter().map(|f| f.0).collect(),
        rows,
        weights,
    })
}

/// For each model and cell the columns of its tasks; `None` where a baseline lacks one.
fn columns(
    judge: &Judge,
    bench: &Bench<'_, '_>,
) -> Result<Vec<Vec<Option<Columns>>>, EvaluateError> {
    let of_cell = |m: usize, cell: &Cell| -> Result<Option<Columns>, EvaluateError> {
        let predictor = bench.models[m].predictor;
        let mut numbers = Vec::new();
        for task in cell.task.list() {
            let mapped = bench.maps[m].iter().find(|(from, _)| *from == task);
            match predictor.task(mapped.map_or(&task, |(_, to)| to)) {
                Ok(column) => numbers.push(column),
                Err(_) if m > 0 && mapped.is_none() => return Ok(None),
                Err(_) => {
                    return Err(EvaluateError::Task {
                        judge: judge.name.get_ref().clone(),
                        cell: cell.name.clone(),
                        task,
                        model: predictor.name,
                        known: predictor.model.spec().tasks.join(", "),
                    });
                }
            }
        }
        let names: Vec<&str> = (numbers.iter())
            .map(|&c| predictor.model.spec().tasks[c].as_str())
            .collect();
        Ok(Some(Columns {
            names: names.join("+"),
            numbers,
        }))
    };
    (0..bench.models.len())
        .map(|m| judge.cells.iter().map(|cell| of_cell(m, cell)).collect())
        .collect()
}

/// A cell, or a difference of two, with the items it is about.
struct About {
    name: String,
    /// Numbers of cells.
    of: (usize, Option<usize>),
    /// Numbers of items.
    items: Vec<usize>,
    it: Comparison,
}

/// Every cell with its measured values.
fn cells(judge: &Judge, items: &Items) -> Vec<About> {
    let sequences = items.of_model(0);
    let gc: Vec<f64> = (sequences.reference.iter().enumerate())
        .map(|(i, reference)| match sequences.alternative.get(i) {
            Some(alternative) => kmers::gc(alternative) - kmers::gc(reference),
            None => kmers::gc(reference),
        })
        .collect();
    (judge.cells.iter().enumerate())
        .map(|(c, cell)| {
            let measured = &items.measured[c];
            let known: Vec<usize> = (0..items.len())
                .filter(|&i| !measured[i].is_nan())
                .collect();
            let mut it = Comparison {
                measured: known.iter().map(|&i| measured[i]).collect(),
                gc: known.iter().map(|&i| gc[i]).collect(),
                groups: known.iter().map(|&i| items.groups[i]).collect(),
                ..Comparison::default()
            };
            it.strata = stats::strata(&it.gc, judge.strata());
            it.predicted[2] = Some(it.gc.clone());
            About {
                name: cell.name.clone(),
                of: (c, None),
                items: known,
                it,
            }
        })
        .collect()
}

/// # Errors
/// When there is too little to compare, before models are run for it.
fn check(judge: &Judge, cells: &[About]) -> Result<(), EvaluateError> {
    for cell in cells {
        let (n, positives) = (cell.items.len(), cell.it.positives());
        let problem = match judge.kind {
            Kind::Labels if positives == 0 || positives == n => {
                format!("{positives} of {n} labels are positive: two classes are compared")
            }
            Kind::Labels => continue,
            _ if n < 3 => format!("{n} value(s), too few to compare"),
            _ if cell.it.measured.iter().all(|&v| v == cell.it.measured[0]) => {
                format!("all {n} values are the same")
            }
            _ => continue,
        };
        return Err(EvaluateError::TooFew(format!(
            "judge {:?}, {}: {problem}",
            judge.name.get_ref(),
            cell.name
        )));
    }
    Ok(())
}

/// Runs the models.
fn predict(
    judge: &Judge,
    items: &Items,
    columns: &[Vec<Option<Columns>>],
    cells: &mut [About],
    bench: &mut Bench<'_, '_>,
) -> Result<(), Error> {
    for (m, model) in bench.models.iter_mut().enumerate() {
        if columns[m].iter().all(Option::is_none) {
            continue;
        }
        let sequences = items.of_model(m);
        let count = sequences.reference.len() + sequences.alternative.len();
        bench.progress.start(count as u64);
        let values: Array2<f64> = model.predict(judge, sequences, bench.progress, bench.cancel)?;
        for (cell, columns) in cells.iter_mut().zip(&columns[m]) {
            let Some(columns) = columns else { continue };
            let all = mean_of_tasks(&values, &columns.numbers);
            cell.it.predicted[m] = Some(cell.items.iter().map(|&i| all[i]).collect());
        }
    }
    Ok(())
}

/// Numbers of what is left out together when the k-mer regression is fitted: chromosomes where they
/// are known, else groups.
fn units(items: &Items) -> Vec<u32> {
    let by_chrom = items::numbered(&items.chroms);
    let known = items.chroms.iter().all(|c| !c.is_empty());
    match known && by_chrom.iter().any(|&unit| unit > 0) {
        true => by_chrom,
        false => items.groups.clone(),
    }
}

/// Predictions of the k-mer regression, and the weights of each cell.
fn regress(
    judge: &Judge,
    items: &Items,
    folds: &[u32],
    cells: &mut [About],
    bench: &Bench<'_, '_>,
) -> Result<Vec<Option<Weights>>, Error> {
    let from = judge.kmer_from.as_ref();
    let from = from.and_then(|name| bench.above.iter().find(|(j, _)| j.name.get_ref() == name));
    let k = from.map_or(judge.k(), |(other, _)| other.k());
    let sequences = items.of_model(0);
    let shares = Shares::new(k, &sequences.reference, &sequences.alternative);
    let mut all = Vec::new();
    for c in 0..cells.len() {
        if let Some((other, judged)) = from {
            let name = (judge.cells[c].kmer_cell.as_ref()).unwrap_or(&judge.cells[c].name);
            let Some(at) = other.cells.iter().position(|cell| cell.name == *name) else {
                let known: Vec<&str> = other.cells.iter().map(|c| c.name.as_str()).collect();
                return Err(EvaluateError::Unknown {
                    what: "cell of kmer_from",
                    name: name.clone(),
                    known: known.join(", "),
                }
                .into());
            };
            let predict = |w: &Weights| {
                let rows = cells[c].items.iter().map(|&i| &shares.rows[i]);
                rows.map(|row| w.predict(row) - w.predict(&[])).collect()
            };
            cells[c].it.predicted[3] = judged.weights[at].as_ref().map(predict);
            continue;
        }
        let twin = (0..c).find(|&b| same(&items.measured[b], &items.measured[c]));
        if let Some(twin) = twin {
            cells[c].it.predicted[3] = cells[twin].it.predicted[3].clone();
            let weights: Option<Weights> = all.get(twin).cloned().flatten();
            all.push(weights);
            continue;
        }
        let fitted = kmers::fit(&shares, &items.measured[c], folds, bench.cancel)?;
        if fitted.weights.is_none() {
            tracing::warn!(
                "judge {:?}: all items are of one chromosome or group: no k-mer regression",
                judge.name.get_ref()
            );
        }
        cells[c].it.predicted[3] = fitted.weights.is_some().then(|| {
            let kept = cells[c].items.iter();
            kept.map(|&i| fitted.predictions[i]).collect()
        });
        all.push(fitted.weights);
    }
    Ok(all)
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

/// Adds the differences of cells.
fn with_differences(
    judge: &Judge,
    items: &Items,
    mut cells: Vec<About>,
) -> Result<Vec<About>, EvaluateError> {
    let mut differences = Vec::new();
    for [a, b] in judge.differences() {
        let (first, second) = (&cells[a], &cells[b]);
        // Places of the items in the second cell's lists.
        let mut at = vec![usize::MAX; items.len()];
        (second.items.iter().enumerate()).for_each(|(place, &item)| at[item] = place);
        let both: Vec<(usize, usize)> = (first.items.iter().enumerate())
            .filter_map(|(place, &item)| (at[item] != usize::MAX).then_some((place, at[item])))
            // Of labels only those count that differ.
            .filter(|&(i, j)| {
                judge.kind != Kind::Labels || first.it.measured[i] != second.it.measured[j]
            })
            .collect();
        let less = |x: &[f64], y: &[f64]| both.iter().map(|&(i, j)| x[i] - y[j]).collect();
        let of_first = |v: &[f64]| both.iter().map(|&(i, _)| v[i]).collect::<Vec<f64>>();
        let gc = of_first(&first.it.gc);
        let mut it = Comparison {
            measured: match judge.kind {
                Kind::Labels => of_first(&first.it.measured),
                _ => less(&first.it.measured, &second.it.measured),
            },
            predicted: [0, 1, 2, 3].map(|who| {
                let (x, y) = (&first.it.predicted[who], &second.it.predicted[who]);
                Some(less(x.as_ref()?, y.as_ref()?))
            }),
            strata: stats::strata(&gc, judge.strata()),
            groups: both.iter().map(|&(i, _)| first.it.groups[i]).collect(),
            gc,
        };
        it.predicted[2] = Some(it.gc.clone());
        differences.push(About {
            name: format!("{} - {}", first.name, second.name),
            of: (a, Some(b)),
            items: both.iter().map(|&(i, _)| first.items[i]).collect(),
            it,
        });
    }
    check(judge, &differences)?;
    cells.extend(differences);
    Ok(cells)
}

/// The figures of a cell or difference, and of its parts. What is found stands beside the items that
/// its rows of predictions are about, for the whole alone.
fn figures(
    judge: &Judge,
    items: &Items,
    columns: &[Vec<Option<Columns>>],
    about: About,
    how: &Bootstrap,
    found: &mut Vec<WithItems>,
) {
    let tasks: Vec<Option<String>> = (columns.iter())
        .map(|of_model| {
            let first = of_model[about.of.0].as_ref()?.names.clone();
            match about.of.1 {
                None => Some(first),
                Some(b) => Some(format!("{first} - {}", of_model[b].as_ref()?.names)),
            }
        })
        .collect();
    let one = |subset: &str, drawn: Drawn, positives: usize| Found {
        cell: about.name.clone(),
        subset: subset.to_owned(),
        tasks: tasks.clone(),
        positives: (judge.kind == Kind::Labels).then_some(positives),
        drawn,
    };
    let parts = |names: &[String]| -> Vec<(String, Vec<usize>)> {
        let mut parts: BTreeMap<(u32, &str), Vec<usize>> = BTreeMap::new();
        for (place, &item) in about.items.iter().enumerate() {
            let name = names[item].as_str();
            let digits = name.trim_start_matches("chr").parse().unwrap_or(u32::MAX);
            parts.entry((digits, name)).or_default().push(place);
        }
        let named = parts
            .into_iter()
            .map(|((_, name), places)| (name.into(), places));
        named.collect()
    };
    let mut more = Vec::new();
    if judge.kind == Kind::Effects {
        let elements = parts(&items.elements);
        let drawn: Vec<(String, Drawn)> = (elements.into_iter().enumerate())
            .map(|(e, (name, places))| {
                // Elements are drawn on their own.
                let stream = 2 + e as u64;
                (
                    name,
                    compare(judge.kind, &about.it.of(&places), how, stream),
                )
            })
            .collect();
        if drawn.len() > 1 {
            let each: Vec<Drawn> = drawn.iter().map(|d| d.1.clone()).collect();
            more.extend(drawn.into_iter().map(|(name, drawn)| one(&name, drawn, 0)));
            more.extend(Drawn::mean(&each).map(|drawn| one("mean", drawn, 0)));
        }
    }
    if judge.by_chrom() {
        for (name, places) in parts(&items.chroms).into_iter().filter(|p| !p.0.is_empty()) {
            let it = about.it.of(&places);
            more.push(one(&name, compare(judge.kind, &it, how, 1), it.positives()));
        }
    }
    let whole = compare(judge.kind, &about.it, how, 1);
    let whole = one("all", whole, about.it.positives());
    found.push((whole, Some((about.items, about.it))));
    found.extend(more.into_iter().map(|found| (found, None)));
}

/// The rows of `predictions.tsv.gz`.
pub(super) const PREDICTIONS: &str = "judge\tid\tchrom\telement\tgroup\tfold\tstatus\tcell\tmeasured\tmodel\tbaseline\tgc\tkmer\tstratum\n";

fn rows(judge: &Judge, items: &Items, folds: &[u32], found: &[WithItems]) -> String {
    let name = judge.name.get_ref();
    let or_na = |text: &str| if text.is_empty() { "NA" } else { text }.to_owned();
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (found, about) in found {
        let Some((kept, it)) = about else { continue };
        for (place, &item) in kept.iter().enumerate() {
            let _ = write!(
                text,
                "{name}\t{}\t{}\t{}\t{}\t{}\tok\t{}\t{}",
                items.ids[item],
                or_na(&items.chroms[item]),
                or_na(&items.elements[item]),
                items.groups[item],
                folds[item],
                found.cell,
                number(it.measured[place])
            );
            for predicted in &it.predicted {
                let value = predicted.as_ref().map_or(f64::NAN, |p| p[place]);
                let _ = write!(text, "\t{}", number(value));
            }
            let _ = writeln!(text, "\t{}", it.strata[place]);
        }
    }
    for (id, reason) in &items.left_out {
        let _ = writeln!(
            text,
            "{name}\t{id}\tNA\tNA\tNA\tNA\t{reason}{}",
            "\tNA".repeat(7)
        );
    }
    text
}
