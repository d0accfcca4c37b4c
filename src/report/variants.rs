//! Variants: a scored VCF, or a table of alleles as `mpra-score variants` writes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::score::{address, scatter};
use super::table::{Column, MOST, View};
use super::{Part, ReportError, facts, page};
use crate::genome::Build;
use crate::input::Input;
use crate::job::RunInfo;
use crate::vcf::Reader;

/// Values along the genome.
#[derive(Debug, Serialize)]
pub(super) struct Manhattan {
    pub id: String,
    pub title: String,
    #[serde(rename = "yName")]
    pub y_name: String,
    pub contigs: Vec<Along>,
    /// Positions and values, floats in base64, contig after contig.
    pub x: String,
    pub y: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Along {
    pub name: String,
    pub length: u32,
    pub first: usize,
    pub count: usize,
}

/// The part of a file.
///
/// # Errors
/// When it cannot be read, or is no such file.
pub(super) fn part(path: &Path) -> Result<Part, ReportError> {
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut input = Input::open(path)?;
    let view = match Reader::fits(&mut input)? {
        true => vcf(Reader::new(input)?, &name)?,
        false => View::read(path, &name)?,
    };
    let mut view =
        view.ok_or_else(|| ReportError::NoResults(path.into(), "it has no row".into()))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".run.json");
    let run: RunInfo = std::fs::read_to_string(Path::new(&beside))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_else(|| RunInfo::new("variants", &[]));
    let mut part = Part {
        title: name,
        run: facts::run(&run),
        ..Part::default()
    };
    let places = places(&view);
    for (id, title, label, value) in measures(&view) {
        part.manhattan.extend(places.as_ref().and_then(|places| {
            along(places, &value).map(|(contigs, x, y)| Manhattan {
                id: id.to_owned(),
                title: title.to_owned(),
                y_name: label.to_owned(),
                contigs,
                x,
                y,
            })
        }));
    }
    activities(&mut part, &view);
    for column in &mut view.columns {
        let is_id = ["id", "ID", "rsid", "SNP", "hm_rsid"].contains(&column.name.as_str());
        if is_id && column.texts.iter().any(|t| t.starts_with("rs")) {
            column.link = Some("dbsnp");
        }
    }
    if let Some(places) = &places {
        let text = places.iter().map(|(contig, at)| match at {
            Some(at) => format!("{contig}:{at}"),
            None => "NA".to_owned(),
        });
        view.columns.insert(
            0,
            Column {
                name: "place (from 1)".into(),
                texts: text.collect(),
                link: (!view.browser.is_empty()).then_some("place"),
                ..Column::default()
            },
        );
    }
    view.id = "variants".into();
    view.title = "Variants".into();
    part.tables.push(view);
    Ok(part)
}

/// A scored VCF as a table: place, alleles, and the numbers that this program adds.
fn vcf(mut reader: Reader, name: &str) -> Result<Option<View>, ReportError> {
    let mut names: Vec<String> = Vec::new();
    let mut fixed: [Vec<String>; 5] = Default::default();
    let mut fields: Vec<Vec<String>> = Vec::new();
    let (mut rows, mut left_out) = (0usize, 0);
    let build = Build::of_contigs(reader.header.contigs()).map(|(build, _)| build);
    let browser = address(build);
    while let Some((_, line)) = reader.next_line()? {
        let line = String::from_utf8_lossy(line);
        let cells: Vec<&str> = line.split('\t').collect();
        let [contig, pos, id, reference, alts, _, _, info, ..] = cells[..] else {
            continue;
        };
        for (nth, alt) in alts.split(',').enumerate() {
            if rows == MOST {
                left_out += 1;
                continue;
            }
            for (column, cell) in fixed.iter_mut().zip([contig, pos, id, reference, alt]) {
                column.push(cell.to_owned());
            }
            for entry in info.split(';').filter(|e| e.starts_with("MPRA_")) {
                let (key, values) = entry.split_once('=').unwrap_or((entry, ""));
                let at = match names.iter().position(|n| n == key) {
                    Some(at) => at,
                    None => {
                        names.push(key.to_owned());
                        fields.push(vec!["NA".into(); rows]);
                        names.len() - 1
                    }
                };
                let value = values.split(',').nth(nth).unwrap_or(values);
                fields[at].resize(rows, "NA".into());
                fields[at].push(value.to_owned());
            }
            rows += 1;
        }
    }
    let titles = ["contig", "pos", "id", "ref", "alt"];
    let mut columns: Vec<Column> = titles
        .iter()
        .zip(fixed)
        .map(|(n, c)| Column::of(n, c))
        .collect();
    for (name, mut cells) in names.iter().zip(fields) {
        cells.resize(rows, "NA".into());
        columns.push(Column::of(name, cells));
    }
    Ok((rows > 0).then(|| View {
        title: name.to_owned(),
        rows,
        left_out,
        columns,
        browser,
        ..View::default()
    }))
}

/// Where the rows lie: contig, and position from 1.
fn places(view: &View) -> Option<Vec<(String, Option<u32>)>> {
    let number = |t: &String| t.parse::<f64>().ok().map(|v| v as u32);
    if let Some(sites) = view.column("MPRA_SITE") {
        return Some(
            sites
                .texts
                .iter()
                .map(|site| {
                    let mut parts = site.split(':');
                    let contig = parts.next().unwrap_or("").to_owned();
                    (contig, parts.next().and_then(|p| p.parse().ok()))
                })
                .collect(),
        );
    }
    let contigs = view.texts("contig")?;
    let positions = view.texts("pos")?;
    Some(
        contigs
            .into_iter()
            .zip(positions.iter().map(number))
            .collect(),
    )
}

/// What is shown along the genome: id, title, label of the axis, values.
fn measures(view: &View) -> Vec<(&'static str, &'static str, &'static str, Vec<f64>)> {
    let numbers = |names: &[&str]| names.iter().find_map(|n| view.column(n)?.numbers.clone());
    let mut out = Vec::new();
    if let Some(z) = numbers(&["MPRA_ABS_Z"]) {
        let values = z.iter().map(|z| crate::stats::log10_p(*z)).collect();
        out.push(("-z", "Association", "-log10 p of the association", values));
    }
    if let Some(effect) = numbers(&["max_effect", "MPRA_MAX"]) {
        let values = effect.iter().map(|e| e.abs()).collect();
        out.push(("-effect", "Predicted effect", "largest |effect|", values));
    }
    if let Some(p) = numbers(&["cauchy_p", "product_p", "MPRA_P"]) {
        let values = p.iter().map(|p| -p.log10()).collect();
        out.push((
            "-p",
            "How unusual the predicted effect is",
            "-log10 p",
            values,
        ));
    }
    out
}

/// The values contig after contig.
fn along(places: &[(String, Option<u32>)], values: &[f64]) -> Option<(Vec<Along>, String, String)> {
    let mut by_contig: BTreeMap<(u32, &str), Vec<(u32, f64)>> = BTreeMap::new();
    for ((contig, at), value) in places.iter().zip(values) {
        if let (Some(at), true) = (at, value.is_finite()) {
            by_contig
                .entry((rank(contig), contig))
                .or_default()
                .push((*at, *value));
        }
    }
    let (mut contigs, mut x, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, name), points) in by_contig.iter().take(200) {
        contigs.push(Along {
            name: (*name).to_owned(),
            length: points.iter().map(|p| p.0).max().unwrap_or(1).max(1),
            first: x.len(),
            count: points.len(),
        });
        x.extend(points.iter().map(|p| p.0 as f32));
        y.extend(points.iter().map(|p| p.1 as f32));
    }
    (!x.is_empty()).then(|| (contigs, page::floats(x), page::floats(y)))
}

/// Chromosomes by their numbers, then the others.
fn rank(contig: &str) -> u32 {
    let bare = contig.strip_prefix("chr").unwrap_or(contig);
    match bare {
        "X" => 900,
        "Y" => 901,
        "M" | "MT" => 902,
        other => other.parse().unwrap_or(1_000),
    }
}

/// Reference against alternative activity, of the ranked table.
fn activities(part: &mut Part, view: &View) {
    for column in &view.columns {
        let Some(task) = column.name.strip_suffix(".reference") else {
            continue;
        };
        let effect = view.column(&format!("{task}.effect"));
        if let (Some(reference), Some(effect)) =
            (&column.numbers, effect.and_then(|c| c.numbers.as_ref()))
        {
            let alternative: Vec<f64> = reference.iter().zip(effect).map(|(r, e)| r + e).collect();
            let mut figure = scatter(
                (&format!("{task}, reference"), reference),
                (&format!("{task}, alternative"), &alternative),
                true,
            );
            figure.title = format!("{task}: alternative against reference allele");
            part.scatters.push(figure);
        }
    }
}
