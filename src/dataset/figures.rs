use std::path::Path;

use super::report::pairs;
use super::{Assay, DatasetError, Examples, Report};
use crate::output::decimals;
use crate::plot::{Bars, Density, Line, Style, bars, density, lines};

/// Average |activity| by position in the region (paper, figure 1).
pub fn position(path: &Path, assay: &Assay, report: &Report) -> Result<(), DatasetError> {
    let series: Vec<Line> = assay
        .tasks
        .iter()
        .zip(&report.by_position)
        .map(|(task, values)| Line {
            name: task.name.clone(),
            points: values
                .iter()
                .enumerate()
                .filter(|(_, v)| !v.is_nan())
                .map(|(position, &v)| (position as f64, v))
                .collect(),
        })
        .collect();
    let style = Style {
        title: "Average |activity| by tile position",
        x: "tile position in the region",
        y: "mean |standardised activity|",
    };
    Ok(lines(path, &style, &series)?)
}

/// Histogram of replicate distances (paper, figure 4).
pub fn distance(path: &Path, report: &Report) -> Result<(), DatasetError> {
    let style = Style {
        title: "Distance between replicates",
        x: "distance from the diagonal, mean over tasks (log2)",
        y: "tiles",
    };
    let panels: Vec<Bars> = report
        .distances
        .iter()
        .map(|(low, width, counts)| Bars {
            title: String::new(),
            low: *low,
            width: *width,
            counts: counts.clone(),
        })
        .collect();
    Ok(bars(path, &style, &panels)?)
}

/// Histogram of each task's activities before standardisation, with mean and variance.
pub fn activity(path: &Path, assay: &Assay, examples: &Examples) -> Result<(), DatasetError> {
    const BINS: usize = 60;
    let panels: Vec<Bars> = assay
        .tasks
        .iter()
        .enumerate()
        .map(|(t, task)| {
            let values = || examples.activity[t].iter().filter(|v| !v.is_nan());
            let low = values().copied().fold(f64::INFINITY, f64::min);
            let high = values().copied().fold(f64::NEG_INFINITY, f64::max);
            // Tasks vary, or they would not have been standardised.
            let width = (high - low) / BINS as f64;
            let mut counts = vec![0; BINS];
            for value in values() {
                counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
            }
            Bars {
                title: format!(
                    "{}: mean {:.3}, variance {:.3}",
                    task.name,
                    examples.mean[t],
                    examples.scale[t] * examples.scale[t]
                ),
                low,
                width,
                counts,
            }
        })
        .collect();
    let style = Style {
        title: "Activities before standardisation",
        x: "mean over replicates of log2(RNA/DNA)",
        y: "tiles",
    };
    Ok(bars(path, &style, &panels)?)
}

/// The first replicate of each task against the second.
pub fn replicates(path: &Path, assay: &Assay, report: &Report) -> Result<(), DatasetError> {
    let panels: Vec<Density> = assay
        .tasks
        .iter()
        .zip(&report.correlation)
        .filter(|(task, _)| task.values.len() >= 2)
        .map(|(task, r)| {
            let (x, y) = pairs(&task.values[0], &task.values[1]);
            Density {
                title: format!("{}: r = {}, {} tiles", task.name, decimals(*r, 3), x.len()),
                x_label: format!("replicate {}", task.replicates[0]),
                y_label: format!("replicate {}", task.replicates[1]),
                x,
                y,
            }
        })
        .collect();
    Ok(density(path, "Replicates, log2(RNA/DNA)", &panels)?)
}
