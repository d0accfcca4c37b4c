//! The main job: distributions, its strongest elements, and which regions are pictured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::effects::Effects;
use super::elements::{self, Element, Sizes};
use super::factors::Factors;
use super::pictures::{Pictures, codes, letters, picture, pictured};
use super::table::{Column, View};
use super::values::{Region, Tracks, clipped, read, regions, tracks};
use super::{Part, ReportConfig, ReportError, page};
use crate::Error;
use crate::encode::BASES;
use crate::genome::{Aliases, Build, Fasta, Interval};
use crate::intervals::{Annotation, Placed};
use crate::job::{Cancel, RunInfo};
use crate::stats::pearson;

/// Bases read of a track at a time.
const CHUNK: u32 = 1 << 18;
/// Points of a scatter.
const POINTS: usize = 20_000;

/// A distribution over regions.
#[derive(Debug, Serialize)]
pub(super) struct Histogram {
    pub name: String,
    pub label: String,
    pub edges: Vec<f64>,
    pub counts: Vec<u64>,
}

/// Two columns against each other.
#[derive(Debug, Serialize)]
pub(super) struct Scatter {
    pub title: String,
    #[serde(rename = "xName")]
    pub x_name: String,
    #[serde(rename = "yName")]
    pub y_name: String,
    /// Floats in base64.
    pub x: String,
    pub y: String,
    pub diagonal: bool,
    pub r: Option<f64>,
    pub n: usize,
}

/// The genome view.
#[derive(Debug, Serialize)]
pub(super) struct Genome {
    pub name: String,
}

/// Fills the part of a main job; its elements.
///
/// # Errors
/// When tables or tracks cannot be read, or the model fails.
pub(super) fn fill(
    part: &mut Part,
    folder: &Path,
    run: &RunInfo,
    config: &ReportConfig,
    cancel: &Cancel,
) -> Result<Vec<Element>, Error> {
    let Some(mut view) = View::read(&folder.join("regions.tsv"), "regions.tsv")? else {
        return Ok(Vec::new());
    };
    let tasks: Vec<String> = run.settings.get("tasks").map_or_else(Vec::new, |t| {
        serde_json::from_value(t.clone()).unwrap_or_default()
    });
    let tracks = (tasks.iter())
        .map(|task| tracks(folder, task))
        .collect::<Result<Vec<Tracks>, ReportError>>()?;
    let regions = clipped(regions(&view), &tracks);
    let fasta = genome(run, config);
    let browser = browser(fasta.as_ref());
    let mut found = strongest(&regions, &tasks, &tracks, cancel)?;
    let rows = pictured(&view, &regions, &found.list, config.top);
    let mut effects = match &fasta {
        Ok(_) if tracks.iter().any(|t| t.importance.is_some()) => {
            Effects::open(run, config.ort_lib.as_deref(), cancel)
        }
        Ok(_) => Err("the job found no importance".to_owned()),
        Err(why) => Err(why.clone()),
    };
    let factors = config.motifs.as_deref().map(Factors::open).transpose()?;
    let mut pictures = Pictures {
        of_bases: of_bases(run).into(),
        note: note(effects.as_ref().err(), factors.as_ref(), of_bases(run)),
        tasks: tasks.clone(),
        list: Vec::new(),
    };
    let annotations = annotations(config, fasta.as_ref().ok())?;
    for (row, bases) in rows {
        cancel.check()?;
        let region = &regions[row as usize];
        let what = (row, region, bases);
        pictures.list.push(picture(
            what,
            &tracks,
            fasta.as_ref().ok(),
            (&annotations, factors.as_ref()),
            effects.as_mut().ok(),
        )?);
    }
    tell(
        &mut found.list,
        fasta.as_ref().ok(),
        (effects.as_mut().ok(), factors.as_ref()),
        &regions,
        &tasks,
    )?;

    distributions(part, &view, &tasks);
    view.id = "regions".into();
    view.title = "Regions".into();
    view.note = "regions.tsv; start counts from 0, the place from 1. Click a row for its picture, where there is one: the first rows by each column have theirs.".into();
    view.regions = true;
    view.browser.clone_from(&browser);
    let places = regions.iter().map(|r| {
        format!(
            "{}:{}-{}",
            r.contig,
            u64::from(r.bases.start()) + 1,
            r.bases.end()
        )
    });
    view.columns.insert(
        0,
        Column {
            name: "place (from 1)".into(),
            texts: places.collect(),
            link: (!browser.is_empty()).then_some("place"),
            ..Column::default()
        },
    );
    part.tables.insert(0, view);
    if !found.list.is_empty() {
        part.elements = Some(elements::Table::new(&found.list, found.all, browser));
    }
    part.genome = Some(Genome {
        name: fasta.as_ref().map_or_else(
            |_| "genome".to_owned(),
            |f| {
                f.path()
                    .file_name()
                    .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
            },
        ),
    });
    part.regions = Some(pictures);
    Ok(found.list)
}

/// What the bases of a run were given: `importance`, or by which method.
pub(super) fn of_bases(run: &RunInfo) -> &str {
    match run.settings.get("method").and_then(|m| m.as_str()) {
        None | Some("ism") => "importance",
        Some(method) => method,
    }
}

fn note(lacking: Option<&String>, factors: Option<&Factors>, of_bases: &str) -> String {
    let motifs = factors.map_or_else(String::new, |f| format!(" {}", f.note()));
    let text = match of_bases {
        "importance" => "Activity of the windows on their central bases; below it, for each task, importance as letters as high as it is, and the effect of every change.".to_owned(),
        method => format!("Activity of the windows on their central bases; below it, for each task, contributions of bases ({method}) as letters as high as they are, and the contribution that every letter would have."),
    };
    match lacking {
        None => format!("{text}{motifs}"),
        Some(why) => format!("{text} There are no effects of changes: {why}.{motifs}"),
    }
}

/// The genome of the run.
pub(super) fn genome(run: &RunInfo, config: &ReportConfig) -> Result<Fasta, String> {
    let input = run.inputs.iter().find(|i| i.role == "fasta");
    let path = match (&config.fasta, input) {
        (Some(path), _) => path.clone(),
        (None, Some(input)) => PathBuf::from(&input.path),
        (None, None) => return Err("run.json names no genome".into()),
    };
    let fasta = Fasta::open(&path, false)
        .map_err(|e| format!("{}: {e} (--fasta says where the genome is)", path.display()))?;
    match input.and_then(|i| i.contigs_sha256.as_ref()) {
        Some(sum) if *sum != fasta.contigs().sha256() => {
            Err(format!("{} is not the genome of the run", path.display()))
        }
        _ => Ok(fasta),
    }
}

/// The address that places are looked up under, where the genome's build is known.
fn browser(fasta: Result<&Fasta, &String>) -> String {
    let contigs = fasta.ok().map(|f| f.contigs());
    let named = contigs
        .iter()
        .flat_map(|c| c.iter())
        .map(|c| (c.name.as_str(), c.length));
    address(Build::of_contigs(named).map(|(build, _)| build))
}

/// UCSC's address of a build, to which a place is added.
pub(super) fn address(build: Option<&Build>) -> String {
    build.map_or_else(String::new, |build| {
        format!(
            "https://genome.ucsc.edu/cgi-bin/hgTracks?db={}&position=",
            build.name
        )
    })
}

fn annotations(
    config: &ReportConfig,
    fasta: Option<&Fasta>,
) -> Result<Vec<(String, Placed)>, Error> {
    let Some(fasta) = fasta else {
        return Ok(Vec::new());
    };
    (config.annotations.iter())
        .map(|named| {
            let intervals = Annotation::read(&named.path)?;
            let placed = intervals.placed(fasta.contigs(), &Aliases::UcscEnsembl, fasta.path())?;
            Ok((named.name.clone(), placed))
        })
        .collect()
}

/// The strongest elements, and how many there are in all.
struct Found {
    list: Vec<Element>,
    all: u64,
}

/// Finds elements of all regions and tasks; regions that overlap give each element once.
fn strongest(
    regions: &[Region],
    tasks: &[String],
    tracks: &[Tracks],
    cancel: &Cancel,
) -> Result<Found, Error> {
    let mut found = Found {
        list: Vec::new(),
        all: 0,
    };
    let mut values = Vec::new();
    for (task, tracks) in tasks.iter().zip(tracks) {
        let Some(scores) = &tracks.importance else {
            continue;
        };
        let mut reader = scores.reader().map_err(ReportError::from)?;
        let mut sizes = Sizes::new();
        for (region, bases) in regions.iter().flat_map(chunks) {
            cancel.check()?;
            read((scores, &mut reader), &region.contig, bases, &mut values)?;
            sizes.add(&values);
        }
        let threshold = sizes.threshold();
        let mut seen = BTreeSet::new();
        for (row, region) in (0..).zip(regions) {
            for (_, bases) in chunks(region) {
                cancel.check()?;
                read((scores, &mut reader), &region.contig, bases, &mut values)?;
                for (from, to) in elements::find(&values, threshold) {
                    let (start, end) = (bases.start() + from as u32, bases.start() + to as u32);
                    if !seen.insert((region.contig.clone(), start, end)) {
                        continue;
                    }
                    let these = values[from..to].iter().filter(|v| !v.is_nan());
                    let (sum, absolute) = these.fold((0.0, 0.0), |(s, a), v| {
                        (s + f64::from(*v), a + f64::from(v.abs()))
                    });
                    found.all += 1;
                    found.list.push(Element {
                        contig: region.contig.clone(),
                        start,
                        end,
                        task: task.clone(),
                        tasks: vec![task.clone()],
                        score: absolute,
                        mean: sum / (to - from) as f64,
                        sequence: String::new(),
                        changes: String::new(),
                        motif: None,
                        row,
                        region: region.name.clone(),
                    });
                }
            }
            if found.list.len() > 16 * elements::MOST {
                keep(&mut found.list);
            }
        }
    }
    keep(&mut found.list);
    found.list = elements::joined(found.list);
    found.list.truncate(elements::MOST);
    Ok(found)
}

/// Keeps the strongest.
fn keep(list: &mut Vec<Element>) {
    list.sort_by(|a, b| {
        (b.score.total_cmp(&a.score))
            .then_with(|| (&a.contig, a.start, &a.task).cmp(&(&b.contig, b.start, &b.task)))
    });
    list.truncate(8 * elements::MOST);
}

/// A region in stretches.
fn chunks(region: &Region) -> impl Iterator<Item = (&Region, Interval)> {
    let bases = region.bases;
    (bases.start()..bases.end())
        .step_by(CHUNK as usize)
        .filter_map(move |from| {
            let to = bases.end().min(from.saturating_add(CHUNK));
            Some((region, Interval::new(from, to)?))
        })
}

/// Gives the strongest elements their bases, and the changes in them that matter most.
fn tell(
    list: &mut [Element],
    fasta: Option<&Fasta>,
    (mut effects, factors): (Option<&mut Effects>, Option<&Factors>),
    regions: &[Region],
    tasks: &[String],
) -> Result<(), Error> {
    /// Bases before and behind an element in which a motif may begin or end.
    const FLANK: u32 = 40;
    let Some(fasta) = fasta else {
        return Ok(());
    };
    for (rank, element) in list.iter_mut().enumerate() {
        let Some(contig) = Aliases::UcscEnsembl.resolve(&element.contig, fasta.contigs()) else {
            continue;
        };
        let shown = element.end.min(element.start + 60);
        let bases = Interval::new(element.start, shown).unwrap_or_default();
        let known = codes(fasta, contig, bases.start().into(), bases.len() as usize)?;
        element.sequence = letters(&known);
        if let Some(factors) = factors {
            let (before, length) = (FLANK as usize, (element.end - element.start) as usize);
            let start = i64::from(element.start) - i64::from(FLANK);
            let around = codes(fasta, contig, start, length + 2 * before)?;
            element.motif = factors.best(&around, before, before + length);
        }
        // The first of them alone: each asks the model once more.
        let Some(effects) = effects.as_deref_mut().filter(|_| rank < 300) else {
            continue;
        };
        let start = regions[element.row as usize].bases.start();
        let all = effects.of(fasta, (contig, bases, start))?;
        let Some(values) = tasks
            .iter()
            .position(|t| *t == element.task)
            .and_then(|t| all.get(t))
        else {
            continue;
        };
        let mut order: Vec<usize> = (0..values.len())
            .filter(|&i| values[i].is_finite())
            .collect();
        order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
        let reference: Vec<char> = element.sequence.chars().collect();
        let change = |&i: &usize| {
            let (base, to) = (i / 4, BASES[i % 4]);
            let position = u64::from(element.start) + base as u64 + 1;
            format!("{position}{}>{to} {:+.3}", reference[base], values[i])
        };
        let words: Vec<String> = order.iter().take(3).map(change).collect();
        element.changes = words.join(", ");
    }
    Ok(())
}

/// Histograms of activities, and tasks against each other.
fn distributions(part: &mut Part, view: &View, tasks: &[String]) {
    let column = |task: &String| {
        let name = format!("{task}.mean_activity");
        view.column(&name).and_then(|c| c.numbers.as_ref())
    };
    let known: Vec<(&String, &Vec<f64>)> =
        tasks.iter().filter_map(|t| Some((t, column(t)?))).collect();
    if view.rows < 3 {
        return;
    }
    for (task, values) in known.iter().take(12) {
        part.histograms.extend(histogram(task, values));
    }
    for (i, (x, xs)) in known.iter().enumerate() {
        for (y, ys) in &known[i + 1..] {
            if part.scatters.len() < 6 {
                part.scatters.push(scatter((x, xs), (y, ys), true));
            }
        }
    }
}

fn histogram(task: &str, values: &[f64]) -> Option<Histogram> {
    let known = || values.iter().copied().filter(|v| v.is_finite());
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    if low >= high {
        return None;
    }
    const BINS: usize = 40;
    let edges: Vec<f64> = (0..=BINS)
        .map(|i| low + (high - low) * i as f64 / BINS as f64)
        .collect();
    let mut counts = vec![0; BINS];
    for value in known() {
        let bin = ((value - low) / (high - low) * BINS as f64) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    Some(Histogram {
        name: task.to_owned(),
        label: "mean activity of the region".into(),
        edges,
        counts,
    })
}

/// Two columns against each other; of many rows every so many.
pub(super) fn scatter(
    (x_name, x): (&str, &[f64]),
    (y_name, y): (&str, &[f64]),
    diagonal: bool,
) -> Scatter {
    let pairs: Vec<(f64, f64)> = (x.iter().copied().zip(y.iter().copied()))
        .filter(|(a, b)| a.is_finite() && b.is_finite())
        .collect();
    let (all_x, all_y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let r = pearson(&all_x, &all_y);
    let step = pairs.len().div_ceil(POINTS).max(1);
    let some = |list: &[f64]| page::floats(list.iter().step_by(step).map(|v| *v as f32));
    Scatter {
        title: format!("{y_name} against {x_name}"),
        x_name: x_name.to_owned(),
        y_name: y_name.to_owned(),
        x: some(&all_x),
        y: some(&all_y),
        diagonal,
        r: (!r.is_nan()).then_some(r),
        n: pairs.len(),
    }
}
