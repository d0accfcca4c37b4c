//! Designs beside their starts, and haplotypes beside the reference.

use std::path::Path;

use super::score::scatter;
use super::table::View;
use super::{Part, ReportError};

/// Figures of a part, at most.
const MOST: usize = 24;

/// Adds to a part what its tables come to: of a table of designs the objective and the activities of the designs against
/// those of their starts; of a job on haplotypes `regions.tsv`, and the activities of the haplotypes against those of the
/// reference.
///
/// # Errors
/// When a table cannot be read.
pub(super) fn fill(part: &mut Part, folder: &Path, job: &str) -> Result<(), ReportError> {
    match job {
        "design" => {
            let designs = part.tables.iter().find(|t| t.title == "designs.tsv");
            let figures = designs.map(of_designs).unwrap_or_default();
            part.scatters.extend(figures);
            let notes = [
                (
                    "designs.tsv",
                    "One row a start. Objective and activities are those of the engine of the search, full_objective of the full engine.",
                ),
                (
                    "trajectory.tsv",
                    "One row a step; step 0 is the start. Positions count from 0.",
                ),
            ];
            note(part, &notes);
        }
        "haplotypes" => {
            if let Some(regions) = View::read(&folder.join("regions.tsv"), "regions.tsv")? {
                part.tables.insert(0, regions);
            }
            let haplotypes = part.tables.iter().find(|t| t.title == "haplotypes.tsv");
            let figures = haplotypes.map(of_haplotypes).unwrap_or_default();
            part.scatters.extend(figures);
            let notes = [
                (
                    "regions.tsv",
                    "One row a region. Lowest and highest are over the haplotypes of all samples.",
                ),
                (
                    "haplotypes.tsv",
                    "One row a chromosome of a sample. Difference: haplotype minus reference.",
                ),
                (
                    "skipped.tsv",
                    "Alleles that are in no sequence, with the reason. Positions count from 1.",
                ),
            ];
            note(part, &notes);
        }
        _ => {}
    }
    Ok(())
}

fn note(part: &mut Part, notes: &[(&str, &str)]) {
    for table in &mut part.tables {
        if let Some((_, text)) = notes.iter().find(|(name, _)| table.title == *name) {
            table.note = (*text).to_owned();
        }
    }
}

fn of_designs(view: &View) -> Vec<super::score::Scatter> {
    let pair = |before: &str, after: &str| {
        let numbers = |name: &str| view.column(name)?.numbers.as_ref();
        let mut figure = scatter(
            ("start", numbers(before)?),
            ("design", numbers(after)?),
            true,
        );
        figure.title = format!("{after}: design against start");
        Some(figure)
    };
    let tasks = view
        .columns
        .iter()
        .filter_map(|c| c.name.strip_suffix(".start_activity"));
    let mut figures: Vec<_> = pair("start_objective", "objective").into_iter().collect();
    for task in tasks {
        figures.extend(pair(
            &format!("{task}.start_activity"),
            &format!("{task}.activity"),
        ));
    }
    figures.truncate(MOST);
    figures
}

fn of_haplotypes(view: &View) -> Vec<super::score::Scatter> {
    (view.columns.iter())
        .filter_map(|column| {
            let task = column.name.strip_suffix(".difference")?;
            let differences = column.numbers.as_ref()?;
            let own = view.column(&format!("{task}.activity"))?.numbers.as_ref()?;
            let reference: Vec<f64> = own.iter().zip(differences).map(|(a, d)| a - d).collect();
            let mut figure = scatter(("reference", &reference), ("haplotype", own), true);
            figure.title = format!("{task}: haplotypes against the reference");
            Some(figure)
        })
        .take(MOST)
        .collect()
}
