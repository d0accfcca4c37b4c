//! Tables of `mpra-score motifs` as the page has them: with what they are, and of long ones the rows that count.

use std::path::Path;

use super::ReportError;
use super::table::View;
use crate::job::RunInfo;

/// Rows shown of a table.
const SHOWN: usize = 2_000;

/// What is said of a table, and the column of which the smallest values are shown where it is long.
fn known(name: &str) -> Option<(&'static str, &'static str, Option<&'static str>)> {
    Some(match name {
        "seqlets.tsv" => (
            "Stretches of significant importance",
            "p ranks stretches and is no error rate; motif is the known motif that the bases are most like",
            Some("p"),
        ),
        "drivers.tsv" => (
            "Known motifs and what lies under them",
            "z: mean worth inside a motif's occurrences against the same number of places moved at random inside the same regions",
            None,
        ),
        "motifs.tsv" => ("Motifs", "", None),
        "hits.tsv" => ("Occurrences of known motifs", "", Some("p")),
        _ => return None,
    })
}

/// The tables of a run, if it is one of `mpra-score motifs`.
///
/// # Errors
/// When one cannot be read.
pub(super) fn tables(folder: &Path, run: &RunInfo) -> Result<Option<Vec<View>>, ReportError> {
    if !run.job.starts_with("motifs ") {
        return Ok(None);
    }
    let mut views = Vec::new();
    for name in &run.outputs {
        let Some((title, note, by)) = known(name) else {
            continue;
        };
        let Some(mut view) = View::read(&folder.join(name), name)? else {
            continue;
        };
        view.title = title.into();
        view.note = note.into();
        shorten(&mut view, by);
        views.push(view);
    }
    Ok(Some(views))
}

/// Leaves the rows of the smallest values of a column, or the first ones, in their order.
fn shorten(view: &mut View, by: Option<&str>) {
    if view.rows <= SHOWN {
        return;
    }
    let mut rows: Vec<usize> = (0..view.rows).collect();
    if let Some(values) = by.and_then(|by| view.column(by)?.numbers.as_ref()) {
        rows.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    }
    rows.truncate(SHOWN);
    rows.sort_unstable();
    for column in &mut view.columns {
        if let Some(numbers) = &mut column.numbers {
            *numbers = rows.iter().map(|&row| numbers[row]).collect();
        }
        if !column.texts.is_empty() {
            column.texts = rows.iter().map(|&row| column.texts[row].clone()).collect();
        }
    }
    view.left_out += (view.rows - SHOWN) as u64;
    view.rows = SHOWN;
}

/// What was done, for a methods section.
pub(super) fn methods(run: &RunInfo) -> Option<String> {
    let version = &run.version;
    let setting = |key: &str| run.settings.get(key).map(ToString::to_string);
    let number = |key: &str| setting(key).unwrap_or_else(|| "?".into());
    let worth = number("worth").replace('"', "");
    let seqlets = format!(
        "stretches of {} to {} bases whose {worth} is significant (recursive seqlets, p below {})",
        number("shortest"),
        number("longest"),
        number("p"),
    );
    Some(match run.job.as_str() {
        "motifs scan" => format!(
            "Occurrences of known motifs were found with mpra-score {version}: log-odds scores with exact p-values of at most {} on both strands.",
            number("p"),
        ),
        "motifs seqlets" => format!(
            "With mpra-score {version}, {seqlets} were called, and compared with known motifs by Tomtom's statistic (Gupta et al. 2007).",
        ),
        "motifs drivers" => format!(
            "With mpra-score {version}, the mean {worth} of bases inside occurrences of known motifs (p at most {}) was compared with {} random placements of the same occurrences inside the same regions (seed {}).",
            number("p"),
            number("shuffles"),
            run.seed.unwrap_or_default(),
        ),
        "motifs discover" => format!(
            "With mpra-score {version}, {seqlets} were grouped by the likeness of their contributions (gapped words, nearest neighbours, Louvain's method), laid upon each other and joined to motifs of {} seqlets or more.",
            number("least_seqlets"),
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::Column;
    use super::*;

    #[test]
    fn long_tables_keep_the_rows_that_count() {
        let rows = 3 * SHOWN;
        let p: Vec<f64> = (0..rows).map(|i| ((i * 7) % rows) as f64).collect();
        let mut view = View {
            rows,
            columns: vec![
                Column::numbers("p", p.clone()),
                Column::of("name", (0..rows).map(|i| format!("n{i}")).collect()),
            ],
            ..View::default()
        };
        shorten(&mut view, Some("p"));
        assert_eq!((view.rows, view.left_out), (SHOWN, 2 * SHOWN as u64));
        let kept = view.column("p").and_then(|c| c.numbers.clone()).unwrap();
        assert!(kept.iter().all(|v| *v < SHOWN as f64));
        let row = p.iter().position(|v| *v == kept[5]).unwrap();
        assert_eq!(view.columns[1].texts[5], format!("n{row}"));
    }
}
