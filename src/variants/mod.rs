//! Variants: what each allele changes, how unusual that is, and which come first.
//!
//! Lines of a VCF (or BED) are read in pieces (`input`, `header`); workers, one a thread, read the
//! records (`records`), compare REF with the genome (`allele`), score them (`effects`) and write them with their
//! INFO fields (`annotate`); the calling thread takes the pieces in order (`pipeline`) and writes
//! them out (`output`), and the rows of the table into a temporary file from which they are ranked
//! (`rank`). So memory does not grow with the input, but for 24 bytes an allele where there is a
//! table.
//!
//! - **effect** of an allele: activity of the alternative haplotype - activity of the reference,
//!   mean over the windows. For a single-base change it is the engine's saturation effect.
//! - **p**: the share of a background's |effects| at least as large (`background`).
//!
//! Positions are 1-based in VCF and in tables, 0-based in BED and inside.

mod allele;
mod annotate;
mod background;
mod config;
mod effects;
pub mod enrich;
mod error;
mod fields;
mod haplotype;
mod header;
mod input;
mod output;
mod pipeline;
mod plots;
mod rank;
mod records;
mod sample;
mod setup;

pub use allele::Skip;
pub use annotate::Combine;
pub use background::{BackgroundConfig, BackgroundSource};
pub use config::{Plots, Scoring, VariantsConfig};
pub use effects::Windows;
pub use error::VariantError;
pub use input::VariantSource;
pub use rank::RankBy;

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Instant;

use self::annotate::{Annotated, Annotator, Counts, Shared};
use self::background::Background;
use self::fields::Fields;
use self::header::{Header, contig_line, info_line};
use self::input::Input;
use self::output::{Format, Whole, Writer};
use self::rank::{Columns, Ranking};
use self::records::Reader;
use self::sample::Sample;
use self::setup::Setup;
use crate::output::{Existing, OutputDir};
use crate::overlap::Annotation;
use crate::score::Progress;
use crate::{Cancel, Error};

/// What a finished job has done.
#[derive(Clone, Debug)]
pub struct VariantsSummary {
    /// Records read and written.
    pub records: u64,
    /// ALT alleles (changes, for positions).
    pub alleles: u64,
    /// Those with effects.
    pub scored: u64,
    /// Those without, by reason; reasons that occur.
    pub skipped: Vec<(Skip, u64)>,
    /// Records whose REF was compared with the genome, and those that differ.
    pub compared: (u64, u64),
    /// The engine's word.
    pub engine: &'static str,
    /// Changes in the background, what it was sampled from, and the seed.
    pub background: Option<(usize, String, u64)>,
    /// Whether the records were sorted; without that there is no index.
    pub sorted: bool,
    /// The files written.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds, from the first record to the last file.
    pub seconds: f64,
}

/// Scores variants.
///
/// # Errors
/// For everything that can be wrong with the model, the FASTA, the variants and the outputs; when
/// all records lie on contigs that the FASTA lacks, or every REF differs from the genome. No file
/// is in place then.
pub fn run(
    config: &VariantsConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<VariantsSummary, Error> {
    let format = Format::of(&config.out)?;
    check_outputs(config)?;
    let scoring = &config.scoring;
    let rows = config.table.is_some() || config.plots.is_some();
    let setup = Setup::open(scoring, config.table.is_some(), cancel)?;
    let contigs = setup.fasta.contigs().clone();
    if let RankBy::Task(name) = &config.rank_by
        && !setup.tasks.contains(name)
    {
        return Err(crate::model::ModelError::UnknownTask {
            name: name.clone(),
            known: setup.tasks,
        }
        .into());
    }
    let mut input = Input::open(&config.source)?;
    let mut annotations = Vec::new();
    for named in &config.annotations {
        let placed = Annotation::read(&named.path)?.placed(
            &contigs,
            &scoring.aliases,
            setup.fasta.path(),
        )?;
        annotations.push((named.name.clone(), placed));
    }

    let (setup, sample) = setup.with_background(scoring, cancel)?;
    if config.rank_by == RankBy::P && sample.is_none() {
        let text = "ranking by p needs a background".to_owned();
        return Err(VariantError::Setting(text).into());
    }
    cancel.files_begin();
    let mut others = Vec::new();
    others.extend(save(sample.as_ref(), scoring)?);
    let described = sample
        .as_ref()
        .map(|s| (s.changes(), s.origin.regions.clone(), s.origin.seed));
    let fields = Fields::new(&setup.tasks, sample.is_some());
    let mut header = std::mem::replace(&mut input.header, Header::new(std::iter::empty()));
    if input.is_bed() {
        header = Header::new(contigs.iter().map(|c| (c.name.clone(), c.length)));
    }
    let width = header.width();
    let mut lines = definitions(&fields, &setup, scoring);
    lines.extend(provenance(&setup, scoring, sample.as_ref()));
    header.replace(&fields.all(), lines);

    let shared = Shared {
        name: input.name().to_owned(),
        is_bed: input.is_bed(),
        width,
        contigs: &contigs,
        aliases: &scoring.aliases,
        replaced: fields.all().into_iter().map(String::into_bytes).collect(),
        fields,
        background: sample
            .as_ref()
            .map(|s| Background::new(s, scoring.background.gc_bins)),
        combine: config.combine,
        annotations,
        rows,
        rank_task: match &config.rank_by {
            RankBy::Task(name) => setup.tasks.iter().position(|t| t == name),
            _ => None,
        },
    };
    drop(sample);
    if let Some(background) = &shared.background {
        let (changes, parts) = background.smallest();
        if parts > 1 {
            tracing::info!("{parts} parts of the background by GC, of {changes} changes or more");
        }
    }
    if format == Format::Bcf && header.contigs().next().is_none() {
        let found = contigs_of(&config.source, &shared)?;
        header.lines.extend(found);
    }

    let started = Instant::now();
    let longest = contigs.iter().map(|c| c.length).max().unwrap_or(0);
    let mut writer = Writer::create(&config.out, &header, longest)?;
    let table = config.table.as_deref().map(Whole::create).transpose()?;
    let levels = shared
        .background
        .as_ref()
        .map_or_else(Vec::new, Background::p_values);
    let mut ranking = match rows {
        true => Some(Ranking::new(
            &spool_folder(config),
            setup.tasks.len(),
            levels.len(),
        )?),
        false => None,
    };

    progress.start(
        config
            .source
            .path()
            .metadata()
            .map_or(0, |m| if m.is_file() { m.len() } else { 0 }),
    );
    let seen = input.seen();
    let mut reported = 0;
    let mut counts = Counts::default();
    let mut annotators: Vec<Annotator<'_>> = setup
        .scorers
        .into_iter()
        .map(|scorer| Annotator::new(&shared, scorer))
        .collect();
    let workers: Vec<_> = annotators
        .iter_mut()
        .map(|a| move |piece: input::Piece| a.run(&piece))
        .collect();
    pipeline::in_order(
        &mut input,
        |input| Ok(input.next()?),
        workers,
        |done: Annotated| {
            let was_sorted = writer.is_sorted();
            writer.append(&done.text, &done.places)?;
            if was_sorted && !writer.is_sorted() && matches!(format, Format::Bgzip | Format::Bcf) {
                tracing::warn!(
                    "{} is not sorted: it is scored in its own order, without an index",
                    shared.name
                );
            }
            if let Some(ranking) = &mut ranking {
                ranking.append(&done.rows)?;
            }
            counts.add(&done.counts);
            let bytes = seen.lock().unwrap_or_else(PoisonError::into_inner).bytes;
            progress.advance(bytes - reported);
            reported = bytes;
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    judge(&counts, &shared)?;

    let columns = Columns {
        tasks: &setup.tasks,
        by: &config.rank_by,
        combine: config.combine,
        levels,
        threads: scoring.threads,
    };
    let most = config.plots.as_ref().map_or(0, |p| p.top);
    let top = match ranking {
        Some(ranking) => ranking.finish(&columns, table.as_ref(), most, cancel)?,
        None => Vec::new(),
    };
    let mut drawn = None;
    if let (Some(plots), Some(annotator)) = (&config.plots, annotators.first_mut()) {
        let existing = Existing {
            force: config.force,
            resume: false,
        };
        let mut folder = OutputDir::create(&plots.folder, existing)?;
        plots::draw(
            &top,
            &shared,
            &setup.tasks,
            &mut annotator.scorer,
            &mut folder,
        )?;
        drawn = Some(folder);
    }
    if cancel.is_requested() {
        return Err(Error::Interrupted { kept: false });
    }
    let sorted = writer.is_sorted();
    others.extend(table);
    let mut files = writer.finish(others)?;
    if let Some(folder) = drawn {
        let run = plots::describe(&config.scoring, &setup.sha256, &folder);
        files.extend(folder.commit(&run)?);
    }
    Ok(VariantsSummary {
        records: counts.records,
        alleles: counts.alleles,
        scored: counts.scored,
        skipped: (Skip::ALL.into_iter())
            .map(|s| (s, counts.skipped[s as usize]))
            .filter(|(_, n)| *n > 0)
            .collect(),
        compared: (counts.compared, counts.mismatches),
        engine: setup.engine,
        background: described,
        sorted,
        files,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Writes the background to where it is to be saved, under a temporary name.
///
/// # Errors
/// When it cannot be written.
fn save(sample: Option<&Sample>, scoring: &Scoring) -> Result<Option<Whole>, VariantError> {
    let (Some(sample), Some(path)) = (sample, &scoring.background.save) else {
        return Ok(None);
    };
    let whole = Whole::create(path)?;
    sample
        .write(&mut whole.file()?)
        .map_err(|e| VariantError::Write(e, path.clone()))?;
    Ok(Some(whole))
}

fn check_outputs(config: &VariantsConfig) -> Result<(), Error> {
    let mut paths: Vec<&Path> = vec![&config.out];
    paths.extend(config.table.as_deref());
    paths.extend(config.scoring.background.save.as_deref());
    for (i, path) in paths.iter().enumerate() {
        output::check(path, config.force)?;
        if paths[..i].contains(path) {
            let text = format!("two outputs are called {}", path.display());
            return Err(VariantError::Setting(text).into());
        }
    }
    if let Some(plots) = &config.plots {
        let existing = Existing {
            force: config.force,
            resume: false,
        };
        OutputDir::check(&plots.folder, existing)?;
    }
    Ok(())
}

/// Rows wait beside the table: there is room for as much as that takes.
fn spool_folder(config: &VariantsConfig) -> PathBuf {
    match config.table.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        Some(_) => ".".into(),
        None => std::env::temp_dir(),
    }
}

/// Definitions of the INFO fields.
fn definitions(fields: &Fields, setup: &Setup, scoring: &Scoring) -> Vec<String> {
    let windows = match scoring.windows {
        Windows::All => format!("mean over the {}-bp windows that hold it", setup.key.window),
        Windows::Centre => format!("in the {}-bp window centred on it", setup.key.window),
    };
    let mut lines = Vec::new();
    for (name, task) in fields.effects.iter().zip(&setup.tasks) {
        let text = format!(
            "Predicted effect on {task}: activity of ALT - activity of REF, log2(RNA/DNA), {windows}"
        );
        lines.push(info_line(name, "A", "Float", &text));
    }
    for (name, task) in fields.p.iter().zip(&setup.tasks) {
        let text = format!(
            "Share of the background's single-base changes whose absolute effect on {task} is as large"
        );
        lines.push(info_line(name, "A", "Float", &text));
    }
    lines.push(info_line(
        &fields.most,
        "A",
        "Float",
        "The effect that is largest in absolute value over the tasks",
    ));
    lines.push(info_line(
        &fields.skip,
        ".",
        "String",
        "Why an ALT allele is not scored, for each in order; a dot where it is",
    ));
    lines
}

fn provenance(setup: &Setup, scoring: &Scoring, sample: Option<&Sample>) -> Vec<String> {
    let one_line = |text: String| text.replace(['\n', '\r'], " ");
    let mut lines = vec![
        format!("##mpra-scoreVersion={}", crate::VERSION),
        format!("##mpra-scoreModel=sha256:{}", setup.sha256),
        one_line(format!("##mpra-scoreCommand={}", scoring.command.join(" "))),
    ];
    if let Some(sample) = sample {
        let origin = &sample.origin;
        lines.push(one_line(format!(
            "##mpra-scoreBackground={} changes in {} windows of {}, seed {}, {} parts by GC",
            sample.changes(),
            sample.gc.len() / origin.key.window as usize,
            origin.regions,
            origin.seed,
            scoring.background.gc_bins
        )));
    }
    lines
}

/// Contigs of a VCF that does not define them, for BCF: reads it once more.
fn contigs_of(source: &VariantSource, shared: &Shared<'_>) -> Result<Vec<String>, Error> {
    if source.path().as_os_str() == "-" {
        let text = "BCF needs contigs in the header, and standard input has none";
        return Err(VariantError::Setting(text.into()).into());
    }
    let mut input = Input::open(source)?;
    let mut reader = Reader::new(shared);
    let mut lines: Vec<String> = Vec::new();
    let mut last = Vec::new();
    while let Some(piece) = input.next()? {
        for (_, line) in piece.lines() {
            let name = line.split(|&b| b == b'\t').next().unwrap_or(line);
            if name == last {
                continue;
            }
            last = name.to_vec();
            let length = reader.resolve(name).map(|id| shared.contigs.get(id).length);
            let name = String::from_utf8_lossy(name);
            let text = match length {
                Some(length) => contig_line(&name, length),
                None => format!("##contig=<ID={name}>"),
            };
            if !lines.contains(&text) {
                lines.push(text);
            }
        }
    }
    Ok(lines)
}

/// Refuses results of which none means anything, and says where many may not.
fn judge(counts: &Counts, shared: &Shared<'_>) -> Result<(), Error> {
    if counts.records == 0 {
        tracing::warn!("no records in {}", shared.name);
        return Ok(());
    }
    if counts.off_contig == counts.records {
        let contig = counts.first_off.clone().unwrap_or_default();
        return Err(VariantError::NoContig {
            path: shared.name.clone(),
            records: counts.records,
            similar: shared.contigs.similar(&contig).map(str::to_owned),
            contig,
        }
        .into());
    }
    if counts.compared > 0 && counts.mismatches == counts.compared {
        return Err(VariantError::AllMismatch {
            path: shared.name.clone(),
            records: counts.compared,
        }
        .into());
    }
    // A wrong build still agrees in a quarter of the bases.
    if counts.mismatches * 20 > counts.compared {
        tracing::warn!(
            "REF differs from the genome in {} of {} records: is the FASTA of the same build?",
            counts.mismatches,
            counts.compared
        );
    }
    if counts.off_contig > 0 {
        tracing::warn!(
            "{} of {} records lie on contigs that the FASTA lacks, the first on {:?}",
            counts.off_contig,
            counts.records,
            counts.first_off.as_deref().unwrap_or("")
        );
    }
    Ok(())
}
