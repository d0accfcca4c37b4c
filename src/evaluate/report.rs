use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::{Ceiling, Estimate, Metrics};

/// A row of `metrics.tsv`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured: a label, or an element of the genome.
    pub of: String,
    /// The task that predicts it.
    pub task: String,
    /// `model` or `baseline`.
    pub model: &'static str,
    /// The figures.
    pub metrics: Metrics,
    /// Pearson's r above that of the baseline.
    pub gain: Option<Estimate>,
    /// What replicates allow.
    pub replicates: Option<Ceiling>,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The rows of `metrics.tsv`.
    pub rows: Vec<Row>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Rows left out, by reason.
    pub skipped: Vec<(String, u64)>,
}

/// Shortest decimal that reads back the same; NA for what is no number.
pub(crate) fn number(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value}"),
        false => "NA".into(),
    }
}

/// `metrics.tsv`; `of` is the name of its first column.
pub(crate) fn table(of: &str, rows: &[Row]) -> String {
    let mut text = format!("{of}\ttask\tmodel\tn\tgroups");
    for name in ["mse", "r2", "pearson", "spearman", "pearson_gain"] {
        // Writing to a string cannot fail.
        let _ = write!(text, "\t{name}\t{name}_low\t{name}_high");
    }
    text.push_str("\treplicate_pearson\treplicate_ceiling\n");
    let none = Estimate {
        value: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    };
    for row in rows {
        let m = &row.metrics;
        let _ = write!(
            text,
            "{}\t{}\t{}\t{}\t{}",
            row.of, row.task, row.model, m.n, m.groups
        );
        for e in [m.mse, m.r2, m.pearson, m.spearman, row.gain.unwrap_or(none)] {
            let _ = write!(
                text,
                "\t{}\t{}\t{}",
                number(e.value),
                number(e.low),
                number(e.high)
            );
        }
        let (r, ceiling) =
            (row.replicates).map_or((f64::NAN, f64::NAN), |c| (c.pearson, c.ceiling));
        let _ = writeln!(text, "\t{}\t{}", number(r), number(ceiling));
    }
    text
}
