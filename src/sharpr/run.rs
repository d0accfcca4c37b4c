use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use super::{
    Config, Design, RegionTable, SharprError, Start, Step, average, combine, infer, interpolate,
    read_normalized, read_table, recentre, tracks, write_normalized, write_table,
};
use crate::Error;
use crate::counts::{
    CountTable, Names, Normalized, Sequences, check_pair, check_unique, lay_out, normalize,
    read_counts,
};
use crate::input::{Place, read_places};
use crate::job::{self, Cancel, RunInfo};
use crate::output::{Existing, OutputDir, write};

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The files written, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Regions of the tables.
    pub regions: usize,
    /// Tiles read, when the run started from tiles.
    pub tiles: Option<usize>,
    /// Lines for `report.tsv`: replicate, item, value.
    pub report: Vec<(String, String, String)>,
}

impl Summary {
    fn note(&mut self, replicate: &str, item: &str, value: impl ToString) {
        self.report
            .push((replicate.into(), item.into(), value.to_string()));
    }
}

/// Runs the steps from [`Config::start`] to [`Config::stop_after`] and writes the table of each, with
/// `report.tsv` and `run.json`, into the output folder. Tables and their values are the same for any
/// number of threads.
///
/// # Errors
/// Any error of a step, of reading its input or of the output folder; the folder then holds nothing
/// of this run.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Summary, Error> {
    config.check()?;
    let started = Instant::now();
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let done = job::on_threads(config.threads, || {
        let (stage, places) = (start(config)?, places(config)?);
        // All is read: a run that is ended before has left nothing.
        cancel.check()?;
        let mut out = OutputDir::create(&config.out, existing)?;
        let summary = steps(config, stage, places, &mut out, cancel)?;
        Ok::<_, SharprError>((out, summary))
    });
    let (mut out, mut summary) = done?;

    let mut report = String::from("replicate\titem\tvalue\n");
    for (replicate, item, value) in &summary.report {
        // Writing to a string cannot fail.
        let _ = writeln!(report, "{replicate}\t{item}\t{value}");
    }
    write(&out.file("report.tsv"), report)?;

    let mut run = RunInfo::new("sharpr", &config.command);
    run.threads = Some(config.threads);
    run.inputs("tables", config.start.files());
    run.inputs("regions", &config.regions);
    run.inputs("sizes", &config.sizes);
    run.settings = job::map(json!({
        "tile": config.design.tile(),
        "step": config.design.step(),
        "tiles": config.design.tiles(),
        "intervals": config.design.intervals(),
        "tile_index": config.tile_index,
        "min_dna": config.min_dna,
        "recentre": format!("{:?}", config.recentre).to_lowercase(),
        "prior_variances": config.prior_variances,
        "digits": match config.precision {
            super::Precision::Full => None,
            super::Precision::Digits(digits) => Some(digits),
        },
        "from": config.start.first_step().as_str(),
        "stop_after": config.stop_after.as_str(),
    }));
    run.counts = job::map(json!({"regions": summary.regions, "tiles": summary.tiles}));
    run.seconds = Some(started.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

/// The tables that pass from step to step.
enum Stage {
    Tiles(Vec<(Names, Normalized)>),
    Tables(Vec<RegionTable>),
    Inferred(Vec<Vec<RegionTable>>),
    Combined(RegionTable),
}

/// Where the regions lie, and the contigs with their lengths.
struct Places {
    regions: HashMap<String, Place>,
    sizes: Option<Vec<(String, u32)>>,
}

fn places(config: &Config) -> Result<Option<Places>, SharprError> {
    match &config.regions {
        Some(regions) if config.stop_after >= Step::Interpolate => Ok(Some(Places {
            regions: read_places(regions)?,
            sizes: (config.sizes.as_deref())
                .map(tracks::read_sizes)
                .transpose()?,
        })),
        _ => Ok(None),
    }
}

fn steps(
    config: &Config,
    mut stage: Stage,
    places: Option<Places>,
    out: &mut OutputDir,
    cancel: &Cancel,
) -> Result<Summary, SharprError> {
    let mut summary = Summary::default();
    if let Stage::Tiles(replicates) = &stage {
        summary.tiles = replicates.first().map(|(ids, _)| ids.len());
        for (r, (ids, normalized)) in replicates.iter().enumerate() {
            let without = normalized.barcodes.iter().filter(|&&n| n == 0).count();
            summary.note(&number(r), "tiles", ids.len());
            summary.note(&number(r), "tiles_without_value", without);
        }
    }
    if matches!(config.start, Start::Counts { .. })
        && let Stage::Tiles(replicates) = &stage
    {
        write_all(out, replicates, |r| format!("normalized.{}.tsv", r + 1), {
            |path: &Path, (ids, normalized): &(Names, Normalized)| {
                write_normalized(path, ids, normalized, super::Precision::Full)
            }
        })?;
    }

    cancel.check()?;
    if config.stop_after >= Step::Table
        && let Stage::Tiles(replicates) = &stage
    {
        let tiles = config.design.tiles();
        let made: Vec<(RegionTable, f64)> = replicates
            .par_iter()
            .enumerate()
            .map(|(r, (ids, normalized))| {
                let layout = lay_out(&tile_source(config, r), ids, config.tile_index, tiles)?;
                let mut table = RegionTable::from_tiles(&layout, &normalized.values, tiles);
                let centre = recentre(&mut table, config.recentre)?;
                Ok((table, centre))
            })
            .collect::<Result<_, SharprError>>()?;
        for (r, (_, centre)) in made.iter().enumerate() {
            summary.note(&number(r), "recentred_by", centre);
        }
        let tables: Vec<RegionTable> = made.into_iter().map(|(table, _)| table).collect();
        write_all(
            out,
            &tables,
            |r| format!("table.{}.tsv", r + 1),
            |path, table| write_table(path, table, super::Precision::Full),
        )?;
        stage = Stage::Tables(tables);
    }

    cancel.check()?;
    if config.stop_after >= Step::Infer
        && let Stage::Tables(tables) = &stage
    {
        for (r, table) in tables.iter().enumerate() {
            describe(&mut summary, &number(r), table);
        }
        stage = Stage::Inferred(inferred(config, tables, out, cancel)?);
    }

    cancel.check()?;
    if config.stop_after >= Step::Combine
        && let Stage::Inferred(lists) = &stage
    {
        let averages: Vec<RegionTable> = lists
            .iter()
            .enumerate()
            .map(|(v, tables)| average(tables, &inferred_names(config, v, tables.len())))
            .collect::<Result<_, SharprError>>()?;
        let mut combined = match averages.as_slice() {
            [a, b] => combine(a, b)?,
            [only] => only.clone(),
            _ => return Err(SharprError::Setting("one or two prior variances".into())),
        };
        config.precision.round_table(&mut combined);
        write_table(&out.file("combined.tsv"), &combined, config.precision)?;
        stage = Stage::Combined(combined);
    }

    cancel.check()?;
    if config.stop_after >= Step::Interpolate
        && let Stage::Combined(combined) = &stage
    {
        let scores = interpolate(combined, config.design.step());
        write_table(&out.file("scores.tsv"), &scores, config.precision)?;
        if let (Some(Places { regions, sizes }), Some(path)) = (&places, &config.regions) {
            let sizes = sizes.as_deref();
            let laid = tracks::lay_on_genome(&scores, regions, sizes, path)?;
            tracks::write_tracks(&laid, sizes, |name| out.file(name))?;
        }
    }
    summary.regions = match &stage {
        Stage::Tiles(_) => 0,
        Stage::Tables(tables) => tables.first().map_or(0, |t| t.regions.len()),
        Stage::Inferred(lists) => lists.iter().flatten().next().map_or(0, |t| t.regions.len()),
        Stage::Combined(table) => table.regions.len(),
    };
    Ok(summary)
}

fn start(config: &Config) -> Result<Stage, SharprError> {
    let design = config.design;
    let interval_table = |path: &PathBuf| read_table(path, design.intervals(), false);
    Ok(match &config.start {
        Start::Counts { rna, dna } => Stage::Tiles(read_replicates(rna, dna, config.min_dna)?),
        Start::Normalized(files) => Stage::Tiles(
            files
                .par_iter()
                .map(|path| read_normalized(path))
                .collect::<Result<_, _>>()?,
        ),
        Start::Tables(files) => Stage::Tables(
            files
                .par_iter()
                .map(|path| read_table(path, design.tiles(), true))
                .collect::<Result<_, _>>()?,
        ),
        Start::Inferred(lists) => Stage::Inferred(
            lists
                .par_iter()
                .map(|files| files.par_iter().map(interval_table).collect())
                .collect::<Result<_, _>>()?,
        ),
        Start::Combined(file) => Stage::Combined(interval_table(file)?),
    })
}

/// Reads all count tables, checks them against each other and normalises each pair.
fn read_replicates(
    rna: &[PathBuf],
    dna: &[PathBuf],
    min_dna: u32,
) -> Result<Vec<(Names, Normalized)>, SharprError> {
    // RNA and DNA of a replicate next to each other, so that two threads finish a pair together.
    let paths: Vec<&PathBuf> = rna.iter().zip(dna).flat_map(|(r, d)| [r, d]).collect();
    let tables: Vec<CountTable> = paths
        .par_iter()
        .with_max_len(1)
        .map(|path| read_counts(path, Sequences::Pass))
        .collect::<Result<_, _>>()?;
    tables
        .par_chunks(2)
        .map(|pair| {
            let [rna, dna] = pair else {
                return Err(SharprError::Setting("an RNA table without DNA".into()));
            };
            check_pair(rna, dna)?;
            check_unique(rna)?;
            Ok((rna.ids.clone(), normalize(rna, dna, min_dna)?))
        })
        .collect()
}

fn inferred(
    config: &Config,
    tables: &[RegionTable],
    out: &mut OutputDir,
    cancel: &Cancel,
) -> Result<Vec<Vec<RegionTable>>, SharprError> {
    let design: Design = config.design;
    let mut lists = Vec::new();
    for &variance in &config.prior_variances {
        cancel.check()?;
        let list: Vec<RegionTable> = tables
            .par_iter()
            .enumerate()
            .map(|(r, table)| {
                let name = format!("the tile table of replicate {}", r + 1);
                let mut scores = infer(table, design, variance, &name)?;
                config.precision.round_table(&mut scores);
                Ok(scores)
            })
            .collect::<Result<_, SharprError>>()?;
        write_all(
            out,
            &list,
            |r| format!("infer.{}.v{variance}.tsv", r + 1),
            |path, table| write_table(path, table, config.precision),
        )?;
        lists.push(list);
    }
    Ok(lists)
}

/// Writes one file a replicate, side by side.
fn write_all<T: Sync>(
    out: &mut OutputDir,
    items: &[T],
    name: impl Fn(usize) -> String,
    write: impl Fn(&Path, &T) -> Result<(), SharprError> + Sync,
) -> Result<(), SharprError> {
    let paths: Vec<PathBuf> = (0..items.len()).map(|r| out.file(&name(r))).collect();
    items
        .par_iter()
        .zip(&paths)
        .try_for_each(|(item, path)| write(path, item))
}

/// Report lines of a tile table; a region without any tile gets a line with its name.
fn describe(summary: &mut Summary, replicate: &str, table: &RegionTable) {
    summary.note(replicate, "regions", table.regions.len());
    if let Some((mean, variance, count)) = table.moments() {
        summary.note(replicate, "values", count);
        summary.note(replicate, "mean", mean);
        summary.note(replicate, "variance", variance);
    }
    for (id, row) in table.regions.iter().zip(table.rows()) {
        if row.iter().all(|v| v.is_nan()) {
            summary.note(replicate, "region_without_values", id);
        }
    }
}

fn number(r: usize) -> String {
    (r + 1).to_string()
}

/// The file whose tile names a message should point at.
fn tile_source(config: &Config, r: usize) -> PathBuf {
    match &config.start {
        Start::Counts { rna, .. } => rna[r].clone(),
        Start::Normalized(files) => files[r].clone(),
        _ => PathBuf::new(),
    }
}

fn inferred_names(config: &Config, v: usize, replicates: usize) -> Vec<String> {
    match &config.start {
        Start::Inferred(lists) => lists[v].iter().map(|p| p.display().to_string()).collect(),
        _ => (0..replicates)
            .map(|r| format!("replicate {}", r + 1))
            .collect(),
    }
}
