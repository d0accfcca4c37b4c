//! A motif put into backgrounds, alone or with another.
//!
//! The effect of a motif in a background is activity(with it) - activity(without). Of two motifs at a spacing the
//! interaction is f(both) - f(first alone) - f(second alone) + f(neither), each alone where it lies beside the
//! other: what both do beyond the sum of what each does.

mod backgrounds;
mod design;
mod output;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use self::backgrounds::Background;
use self::design::Design;
use super::PerturbError;
use super::effects::Test;
use super::items::{self, Source};
use super::scorer::{Loaded, Scorer, Scoring};
use super::word::Word;
use crate::Error;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::motifs::read_motifs;
use crate::output::{Existing, OutputDir, write};

/// What motifs are put into: windows. Of a longer sequence it is the one in the middle.
#[derive(Clone, Debug)]
pub enum Backgrounds {
    /// Sequences as they are.
    Given(Source),
    /// Sequences shuffled with their pairs of neighbours kept (dinucleotide shuffles), one after the other until there
    /// are so many.
    Shuffled {
        /// The sequences.
        source: Source,
        /// How many shuffles.
        count: usize,
    },
    /// Random bases.
    Random {
        /// How many sequences.
        count: usize,
        /// Share of G and C, of which each is as likely.
        gc: f64,
    },
}

/// The other one of two motifs.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The motif.
    pub word: Word,
    /// Least and most bases between the end of the first motif and the begin of this one.
    pub spacings: (usize, usize),
}

/// A run of [`marginalize`].
#[derive(Clone, Debug)]
pub struct MarginalizeConfig {
    /// What motifs are put into.
    pub backgrounds: Backgrounds,
    /// Motifs.
    pub words: Vec<Word>,
    /// Motifs in MEME's minimal format, of which the likeliest words are taken.
    pub motifs: Option<PathBuf>,
    /// Also the reverse complement of every motif (of two, every orientation is tried anyway).
    pub reverse: bool,
    /// A second motif, which follows the first.
    pub partner: Option<Partner>,
    /// Column of the window at which the motif begins, the first of two; `None`: so that the motif, or both, lie in
    /// the middle (from length / 2 - bases / 2 on, both rounded down).
    pub position: Option<usize>,
    /// How p-values are made.
    pub test: Test,
    /// Seed of backgrounds and of ambiguous letters.
    pub seed: u64,
    /// The model.
    pub scoring: Scoring,
    /// The output folder.
    pub out: PathBuf,
    /// Replace results that are there.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What a finished run has done.
#[derive(Clone, Debug, Default)]
pub struct MarginalizeSummary {
    /// Backgrounds used.
    pub backgrounds: usize,
    /// Sequences that are none, by reason.
    pub left_out: Vec<(&'static str, u64)>,
    /// Motifs, without their reverse complements.
    pub motifs: usize,
    /// Rows of the table.
    pub rows: usize,
    /// Windows scored.
    pub windows: u64,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Writes `marginal.tsv`, or `spacing.tsv` of two motifs; the values of every background (`.npz`), the backgrounds
/// and figures.
///
/// # Errors
/// When the model, motifs or sequences cannot be read, a motif does not fit, the model fails, or results
/// cannot be written.
pub fn marginalize(
    config: &MarginalizeConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<MarginalizeSummary, Error> {
    let begun = Instant::now();
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let mut words = config.words.clone();
    if let Some(path) = &config.motifs {
        words.extend(read_motifs(path)?.iter().map(Word::likeliest));
    }
    if words.is_empty() {
        return Err(PerturbError::Setting("no motif is given".into()).into());
    }
    let loaded = Loaded::open(&config.scoring)?;
    let window = loaded.window();
    let partner = config.partner.as_ref();
    let design = Design::new(&words, config.reverse, partner, config.position, window)?;
    let known = (window, loaded.most_unknown());
    let (backgrounds, read) = backgrounds::make(&config.backgrounds, config.seed, known, cancel)?;

    let scorers = loaded.scorers(cancel)?;
    let mut out = OutputDir::create(&config.out, existing)?;
    progress.start((backgrounds.len() * design.windows() * window) as u64);
    let mut numbers = 0..backgrounds.len();
    let workers = scorers.into_iter().map(|mut scorer: Scorer| {
        let (design, backgrounds) = (&design, &backgrounds);
        move |number: usize| -> Result<Vec<f32>, Error> {
            let codes: &[u8] = &backgrounds[number].codes;
            let mut found = Vec::new();
            let mut rows = Vec::new();
            // A few at a time: a thousand motifs at a hundred spacings are many windows.
            for part in 0..design.parts() {
                cancel.check()?;
                rows.clear();
                design.write(part, codes, (config.seed, number as u64), &mut rows);
                scorer.activities(&rows, &mut found)?;
            }
            Ok(found)
        }
    });
    let mut found = Vec::new();
    job::in_order(
        &mut numbers,
        |numbers| Ok::<_, Error>(numbers.next()),
        workers.collect(),
        |activities: Vec<f32>| -> Result<(), Error> {
            found.push(activities);
            progress.advance((design.windows() * window) as u64);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();

    let left_out: Vec<(&'static str, u64)> = (items::left_out(&read).iter())
        .map(|(status, count)| (status.as_str(), *count))
        .collect();
    if !left_out.is_empty() {
        items::write_left_out(&read, &out.file("left_out.tsv"))?;
    }
    let named = |b: &Background| (b.name.clone(), b.codes.clone());
    let all: Vec<(String, Vec<u8>)> = backgrounds.iter().map(named).collect();
    let text = items::fasta(all.iter().map(|(name, codes)| (name.clone(), &codes[..])));
    write(&out.file("backgrounds.fa"), text)?;
    output::write(&design, &found, &loaded.tasks, config.test, &mut out)?;

    let mut run = RunInfo::new("marginalize", &config.command);
    let (kind, count, gc) = match &config.backgrounds {
        Backgrounds::Given(source) => {
            source.note(&mut run);
            ("given", None, None)
        }
        Backgrounds::Shuffled { source, count } => {
            source.note(&mut run);
            ("shuffled", Some(*count), None)
        }
        Backgrounds::Random { count, gc } => ("random", Some(*count), Some(*gc)),
    };
    run.inputs("motifs", &config.motifs);
    run.seed = Some(config.seed);
    run.settings = loaded.note(&mut run);
    run.settings.extend(job::map(json!({
        "backgrounds": kind,
        "random": count,
        "gc": gc,
        "position": config.position,
        "reverse": config.reverse,
        "with": partner.map(|p| p.word.text()),
        "spacing": partner.map(|p| [p.spacings.0, p.spacings.1]),
        "test": config.test.as_str(),
    })));
    let mut summary = MarginalizeSummary {
        backgrounds: backgrounds.len(),
        left_out,
        motifs: words.len(),
        rows: design.rows.len(),
        windows: (backgrounds.len() * design.windows()) as u64,
        ..MarginalizeSummary::default()
    };
    run.counts = job::map(json!({
        "backgrounds": summary.backgrounds,
        "motifs": summary.motifs,
        "rows": summary.rows,
        "windows_scored": summary.windows,
    }));
    for (status, count) in &summary.left_out {
        run.counts.insert((*status).into(), json!(count));
    }
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}
