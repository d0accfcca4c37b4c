//! Predicted against measured values.

use std::collections::BTreeMap;

use super::score::{Scatter, scatter};
use super::table::View;

/// Figures of a part, at most.
const MOST: usize = 24;

/// Each `NAME.predicted` against `NAME`, or against `measured`.
pub(super) fn scatters(view: &View) -> Vec<Scatter> {
    (view.columns.iter())
        .filter_map(|predicted| {
            let name = predicted.name.strip_suffix(".predicted")?;
            let measured = view.column(name).or_else(|| view.column("measured"))?;
            Some(figure(
                name,
                predicted.numbers.as_ref()?,
                measured.numbers.as_ref()?,
            ))
        })
        .take(MOST)
        .collect()
}

/// Of the table of a suite: `model` against `measured`, by judge and cell.
pub(super) fn by_judge(view: &View) -> Vec<Scatter> {
    let numbers = |name: &str| view.column(name).and_then(|c| c.numbers.as_ref());
    let (Some(predicted), Some(measured)) = (numbers("model"), numbers("measured")) else {
        return Vec::new();
    };
    let (Some(judges), Some(cells)) = (view.texts("judge"), view.texts("cell")) else {
        return Vec::new();
    };
    let mut pairs: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (row, (judge, cell)) in judges.iter().zip(&cells).enumerate() {
        let (x, y) = pairs.entry(format!("{judge}, {cell}")).or_default();
        x.push(predicted[row]);
        y.push(measured[row]);
    }
    (pairs.iter())
        .filter(|(_, (_, y))| y.iter().any(|v| v.is_finite() && *v != 0.0 && *v != 1.0))
        .map(|(name, (x, y))| figure(name, x, y))
        .take(MOST)
        .collect()
}

fn figure(name: &str, predicted: &[f64], measured: &[f64]) -> Scatter {
    let mut figure = scatter(("predicted", predicted), ("measured", measured), true);
    figure.title = format!("{name}: measured against predicted");
    figure
}

#[cfg(test)]
mod tests {
    use super::super::table::Column;
    use super::*;

    fn view(columns: &[(&str, &[&str])]) -> View {
        let cells = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        View {
            rows: columns[0].1.len(),
            columns: (columns.iter())
                .map(|(name, texts)| Column::of(name, cells(texts)))
                .collect(),
            ..View::default()
        }
    }

    #[test]
    fn what_was_measured_is_found() {
        let of_labels = view(&[
            ("A", &["1", "2", "3", "NA"]),
            ("A.predicted", &["1", "2", "4", "5"]),
            ("A.baseline", &["1", "1", "1", "1"]),
        ]);
        let found = scatters(&of_labels);
        assert!(found.len() == 1 && found[0].n == 3 && found[0].title.starts_with("A:"));
        let of_effects = view(&[
            ("measured", &["1", "2", "3"]),
            ("A.predicted", &["1", "2", "4"]),
            ("B.predicted", &["4", "NA", "4"]),
        ]);
        let n: Vec<usize> = scatters(&of_effects).iter().map(|s| s.n).collect();
        assert_eq!(n, [3, 2]);
        let suite = view(&[
            ("judge", &["a", "a", "a", "b", "b"]),
            ("cell", &["X", "X", "Y", "X", "X"]),
            ("measured", &["0.5", "2", "3", "1", "0"]),
            ("model", &["1", "2", "3", "4", "5"]),
        ]);
        // Classes are no values to be drawn against.
        let titles: Vec<String> = by_judge(&suite).iter().map(|s| s.title.clone()).collect();
        assert_eq!(
            titles,
            ["a, X", "a, Y"].map(|t| format!("{t}: measured against predicted"))
        );
    }
}
