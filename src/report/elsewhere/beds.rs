//! Regions and elements as bigBed.

use std::path::{Path, PathBuf};

use super::{line, name};
use crate::genome::Contigs;
use crate::report::ReportError;
use crate::report::elements::Element;
use crate::report::table::View;
use crate::report::values::places;
use crate::stats::quantile;
use crate::tracks::{BedItem, Scores, format_value, write_bigbed};

/// Intervals as other programs have them: file, short label, what they are.
pub(super) struct Bed {
    pub file: &'static str,
    pub short: &'static str,
    pub about: &'static str,
}

/// Writes `regions.bb` and `elements.bb`, on the contigs of a track.
pub(super) fn beds(
    track: &Path,
    tasks: &[String],
    view: &View,
    elements: &[Element],
) -> Result<(Vec<Bed>, Vec<PathBuf>), ReportError> {
    let scores = Scores::open("", track, None)?;
    let contigs = &scores.contigs;
    let (mut beds, mut written) = (Vec::new(), Vec::new());
    for (bed, fields, rows) in [
        region_rows(contigs, tasks, view),
        element_rows(contigs, elements),
    ] {
        if !rows.is_empty() {
            let path = track.with_file_name(bed.file);
            written.push(write_bigbed(&path, contigs, bed.about, &fields, rows)?);
            beds.push(bed);
        }
    }
    Ok((beds, written))
}

type Rows = (Bed, Vec<(String, String)>, Vec<BedItem>);

/// Regions that were scored: their score is the activity of the task in which they are most active, from 0 for the
/// lowest thousandth to 1000 for the highest.
fn region_rows(contigs: &Contigs, tasks: &[String], view: &View) -> Rows {
    let column = |task: &String| {
        let column = view.column(&format!("{task}.mean_activity"));
        column.and_then(|c| c.numbers.clone())
    };
    let means: Vec<Vec<f64>> = tasks.iter().filter_map(column).collect();
    let fields = tasks.iter().map(|task| {
        let about = format!("Mean activity, {}", line(task, 80));
        (format!("{}_activity", name(task)), about)
    });
    let most = |row: usize| means.iter().map(|m| m[row]).fold(f64::NAN, f64::max);
    let mut sorted: Vec<f64> = (0..view.rows).map(most).filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let low = quantile(&sorted, 0.001).unwrap_or(0.0);
    let high = quantile(&sorted, 0.999).unwrap_or(0.0);
    let texts = |name: &str| view.texts(name).unwrap_or_default();
    let (names, strands) = (texts("name"), texts("strand"));
    let mut rows = Vec::new();
    for (row, (contig, bases)) in places(view).into_iter().enumerate() {
        let (Some(contig), false) = (contigs.id(&contig), most(row).is_nan()) else {
            continue;
        };
        let mut rest = format!(
            "{}\t{}\t{}",
            names.get(row).map_or_else(|| ".".into(), |n| line(n, 255)),
            share(most(row), low, high),
            strands.get(row).map_or(".", String::as_str),
        );
        for mean in &means {
            rest.push('\t');
            rest += &format_value(mean[row] as f32 + 0.0).to_string();
        }
        rows.push(BedItem {
            contig,
            start: bases.start(),
            end: bases.end(),
            rest,
        });
    }
    let bed = Bed {
        file: "regions.bb",
        short: "MPRA regions",
        about: "Regions scored by mpra-score, darker where more active",
    };
    (bed, fields.collect(), rows)
}

/// The strongest elements; their score is in proportion to the sum of |importance|.
fn element_rows(contigs: &Contigs, elements: &[Element]) -> Rows {
    let most = elements.iter().map(|e| e.score).fold(0.0, f64::max);
    let rows = elements.iter().filter_map(|e| {
        let rest = format!(
            "{}\t{}\t.\t{}\t{}",
            line(&e.task, 255),
            share(e.score, 0.0, most),
            format_value(e.score as f32),
            format_value(e.mean as f32 + 0.0),
        );
        Some(BedItem {
            contig: contigs.id(&e.contig)?,
            start: e.start,
            end: e.end,
            rest,
        })
    });
    let fields = [
        ("sum", "Sum of |importance|"),
        ("mean", "Mean importance; negative where it represses"),
    ];
    let bed = Bed {
        file: "elements.bb",
        short: "MPRA elements",
        about: "Strongest elements: stretches of importance that stand out",
    };
    let own = |(name, about): (&str, &str)| (name.to_owned(), about.to_owned());
    (bed, fields.map(own).to_vec(), rows.collect())
}

/// 0 at the low end, 1000 at the high one.
fn share(value: f64, low: f64, high: f64) -> u32 {
    match high > low {
        true => (1000.0 * (value - low) / (high - low))
            .round()
            .clamp(0.0, 1000.0) as u32,
        false => 1000,
    }
}
