//! Does a set of variants change regulation more than controls do?
//!
//! Each site (a position, however many records have it) counts once: by the |effect| of one of its
//! alleles, drawn by the seed where there are several, and by the |importance| of its first base. The area under the ROC
//! curve (Mann and Whitney's U over the number of pairs) says how often a variant of the set exceeds
//! a control; permuting the labels, within parts of equal GC content if asked, says how often
//! chance does as well.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::Array2;
use serde_json::json;

use super::annotate::{Annotator, Shared};
use super::build;
use super::combine::Combine;
use super::config::BackgroundSource;
use super::config::Scoring;
use super::effects::Calls;
use super::fields::Fields;
use super::input::{Input, Piece, VariantSource};
use super::sample::Sample;
use super::setup::Setup;
use super::{VariantError, save};
use crate::Error;
use crate::genome::ContigId;
use crate::job::{self, Cancel, Progress};
use crate::output::{Existing, OutputDir, OutputError, check_file, write};
use crate::plot::{self, Line, PlotError, Style};
use crate::stats::{Random, quantile, ranks};
use crate::vcf::Header;

/// What the set is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Other variants.
    Variants(VariantSource),
    /// The background ([`Scoring::background`]).
    Background,
}

/// The job of `mpra-score variants enrich`.
#[derive(Clone, Debug)]
pub struct EnrichConfig {
    /// How variants are scored. `background.gc_bins`: parts by GC within which labels are permuted.
    pub scoring: Scoring,
    /// The set.
    pub source: VariantSource,
    /// What it is compared with.
    pub control: Control,
    /// Permutations.
    pub permutations: u32,
    /// The output folder.
    pub out: PathBuf,
    /// Replace what is there.
    pub force: bool,
}

/// One task's numbers, by effect or by importance.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Task.
    pub task: String,
    /// `effect` or `importance`.
    pub measure: &'static str,
    /// Sites in the set and among the controls.
    pub sites: (usize, usize),
    /// Mean absolute values.
    pub means: (f64, f64),
    /// How often a variant of the set exceeds a control (ties count half), within parts by GC.
    pub auc: f64,
    /// One-sided: how often permuted labels give as high an area, one added to both counts.
    pub p: f64,
    /// At quantiles of the controls: share, threshold, fraction of the set and of the controls that
    /// is at least as large.
    pub thresholds: Vec<(f64, f64, f64, f64)>,
}

/// Quantiles of the controls at which folds are given.
const SHARES: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];

/// One value a site; the tables are `[site, task]`.
#[derive(Debug)]
struct Set {
    effects: Array2<f32>,
    importance: Array2<f32>,
    gc: Vec<f32>,
    /// Row of each site that was met, and how many of its alleles were.
    met: HashMap<(ContigId, u32), (usize, u64)>,
}

/// Runs the comparison and writes `enrichment.tsv`, `thresholds.tsv`, `enrichment.svg` and
/// `run.json`.
///
/// # Errors
/// As [`super::run`]; and when either set has no site that can be scored.
pub fn run(
    config: &EnrichConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Vec<Comparison>, Vec<PathBuf>), Error> {
    let scoring = &config.scoring;
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    if let Some(path) = &scoring.background.save {
        check_file(path, config.force, &scoring.inputs())?;
    }
    let started = Instant::now();
    let mut saved = None;
    let mut setup = Setup::open(scoring, true, None, cancel)?;
    let seed = scoring.background.seed;
    let control = match &config.control {
        Control::Background => {
            if scoring.background.source == BackgroundSource::None {
                let text = "enrichment needs --control or a background".to_owned();
                return Err(VariantError::Setting(text).into());
            }
            let (kept, sample) = setup.with_background(scoring, cancel)?;
            setup = kept;
            saved = save(sample.as_ref(), scoring, config.force)?;
            sample.map_or_else(|| Set::new(setup.tasks.len()), |s| of_sample(&s, seed))
        }
        Control::Variants(source) => {
            if scoring.background.save.is_some() {
                let text = "there is no background to save: --control is given".to_owned();
                return Err(VariantError::Setting(text).into());
            }
            let (kept, set) = of_variants(setup, scoring, source, seed, progress, cancel)?;
            setup = kept;
            set
        }
    };
    let (setup, set) = of_variants(setup, scoring, &config.source, seed, progress, cancel)?;
    let mut out = OutputDir::create(&config.out, existing)?;
    let parts = parts_by_gc(&set.gc, &control.gc, scoring.background.gc_bins);
    let mut comparisons = Vec::new();
    for (measure, a, b) in [
        ("effect", &set.effects, &control.effects),
        ("importance", &set.importance, &control.importance),
    ] {
        for (task, name) in setup.tasks.iter().enumerate() {
            let column = |table: &Array2<f32>| -> Vec<f32> {
                table.column(task).iter().map(|v| v.abs()).collect()
            };
            let mut comparison = compare(&column(a), &column(b), &parts, config.permutations, seed);
            comparison.task.clone_from(name);
            comparison.measure = measure;
            comparisons.push(comparison);
        }
    }
    write(&out.file("enrichment.tsv"), summary(&comparisons))?;
    write(&out.file("thresholds.tsv"), thresholds(&comparisons))?;
    draw(&comparisons, &out.file("enrichment.svg"))?;
    let mut run = setup.describe(scoring, "variants enrich");
    run.input("set", config.source.path());
    match &config.control {
        Control::Background => {}
        Control::Variants(source) => run.input("control", source.path()),
    }
    let control = match config.control {
        Control::Background => "background",
        Control::Variants(_) => "variants",
    };
    run.settings.insert("control".into(), control.into());
    let gc_parts = scoring.background.gc_bins;
    run.settings.insert("gc_parts".into(), json!(gc_parts));
    run.settings
        .insert("permutations".into(), config.permutations.into());
    run.seconds = Some(started.elapsed().as_secs_f64());
    cancel.check()?;
    let mut files = out.commit(run)?;
    if let Some(saved) = saved {
        files.push(saved.keep()?);
    }
    Ok((comparisons, files))
}

/// Scores the variants of a source, one value a site.
fn of_variants(
    mut setup: Setup,
    scoring: &Scoring,
    source: &VariantSource,
    seed: u64,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Setup, Set), Error> {
    let mut input = Input::open(source)?;
    let contigs = setup.fasta.contigs().clone();
    let shared = Shared {
        name: input.name().to_owned(),
        is_bed: input.header().is_none(),
        names: input.names().cloned(),
        // No record is written.
        whole: false,
        bcf: None,
        lifting: false,
        width: input.header().map_or(0, Header::width),
        contigs: &contigs,
        scoring,
        field_names: Vec::new(),
        fields: Fields::new(&setup.tasks, false, false),
        background: None,
        combine: Combine::Cauchy,
        annotations: Vec::new(),
        rows: false,
        rank_task: None,
    };
    let scorers = std::mem::take(&mut setup.scorers);
    let mut annotators: Vec<Annotator<'_>> = scorers
        .into_iter()
        .map(|s| Annotator::new(&shared, s))
        .collect();
    let workers: Vec<_> = annotators
        .iter_mut()
        .map(|a| move |piece: Piece| a.calls(&piece))
        .collect();
    let size = source.path().metadata().map_or(0, |m| m.len());
    progress.start(size);
    let watch = input.watch();
    let mut reported = 0;
    let mut set = Set::new(setup.tasks.len());
    let mut random = Random::new(seed, 1, 0);
    let (mut records, mut left_out) = (0u64, 0u64);
    let (mut compared, mut mismatches) = (0, 0);
    job::in_order(
        &mut input,
        |input| Ok(input.next()?),
        workers,
        |calls: Calls| {
            let scored = |site: usize| calls.of(site).any(|c| calls.calls[c].skip.is_none());
            let without = (0..calls.ends.len()).filter(|&site| !scored(site));
            records += calls.ends.len() as u64;
            left_out += without.count() as u64;
            compared += calls.compared;
            mismatches += calls.mismatches;
            for site in 0..calls.ends.len() {
                set.add(&calls, site, &mut random);
            }
            watch.tell(progress, &mut reported);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    if compared > 0 && mismatches == compared {
        let genome = (&*contigs, &scoring.aliases);
        let build = build::differs(&shared.name, input.header(), genome);
        return Err(VariantError::AllMismatch {
            path: shared.name.clone(),
            records: compared,
            // This job lifts nothing: only what differs is said.
            build: build.map(|told| {
                let text = told.text.split(" --liftover").next().unwrap_or_default();
                text.trim_end_matches([':', ';']).to_owned()
            }),
        }
        .into());
    }
    if set.gc.is_empty() {
        return Err(VariantError::EmptySet(shared.name).into());
    }
    if left_out > 0 {
        tracing::warn!(
            "{}: {left_out} of {records} records cannot be scored",
            shared.name
        );
    }
    setup.scorers = annotators.into_iter().map(|a| a.scorer).collect();
    Ok((setup, set))
}

impl Set {
    fn new(tasks: usize) -> Self {
        Self {
            effects: Array2::zeros((0, tasks)),
            importance: Array2::zeros((0, tasks)),
            gc: Vec::new(),
            met: HashMap::new(),
        }
    }

    fn add(&mut self, calls: &Calls, site: usize, random: &mut Random) {
        let Some(place) = calls.places[site] else {
            return;
        };
        for call in calls.of(site).filter(|&c| calls.calls[c].skip.is_none()) {
            let next = self.gc.len();
            let (row, alleles) = self.met.entry(place).or_insert((next, 0));
            *alleles += 1;
            // So each of a site's alleles is as likely as any other, whichever records they come in.
            if *alleles > 1 && random.below(*alleles) > 0 {
                continue;
            }
            let gc = calls.calls[call].gc;
            match *row == next {
                true => {
                    // A row is refused only for its length.
                    let push = |to: &mut Array2<f32>, from: &Array2<f32>| {
                        to.push_row(from.row(call))
                            .expect("all tables have a column for each task");
                    };
                    push(&mut self.effects, &calls.effects);
                    push(&mut self.importance, &calls.importance);
                    self.gc.push(gc);
                }
                false => {
                    self.effects.row_mut(*row).assign(&calls.effects.row(call));
                    self.importance
                        .row_mut(*row)
                        .assign(&calls.importance.row(call));
                    self.gc[*row] = gc;
                }
            }
        }
    }
}

fn of_sample(sample: &Sample, seed: u64) -> Set {
    let mut random = Random::new(seed, 2, 0);
    let mut effects = Array2::zeros(sample.importance.dim());
    for (mut one, changes) in (effects.rows_mut().into_iter()).zip(sample.effects.outer_iter()) {
        one.assign(&changes.row(random.below(3) as usize));
    }
    Set {
        effects,
        importance: sample.importance.clone(),
        gc: sample.gc.clone(),
        met: HashMap::new(),
    }
}

/// Which part each site belongs to, the set's before the controls'.
fn parts_by_gc(set: &[f32], control: &[f32], parts: usize) -> Vec<u32> {
    let mut order: Vec<f32> = set.iter().chain(control).copied().collect();
    order.sort_unstable_by(f32::total_cmp);
    let mut edges: Vec<f32> = (1..parts).map(|p| order[p * order.len() / parts]).collect();
    edges.dedup();
    set.iter()
        .chain(control)
        .map(|gc| edges.partition_point(|e| e <= gc) as u32)
        .collect()
}

/// Compares absolute values; `parts` holds the set's parts, then the controls'.
fn compare(
    set: &[f32],
    control: &[f32],
    parts: &[u32],
    permutations: u32,
    seed: u64,
) -> Comparison {
    let count = parts.iter().max().map_or(0, |m| m + 1);
    let all: Vec<f32> = set.iter().chain(control).copied().collect();
    // Ranks within each part, the set's sites first.
    let mut strata: Vec<(Vec<f64>, usize)> = Vec::new();
    let mut pairs = 0.0;
    for part in 0..count {
        let members: Vec<usize> = (0..all.len()).filter(|&i| parts[i] == part).collect();
        let inside = members.partition_point(|&i| i < set.len());
        let values: Vec<f32> = members.iter().map(|&i| all[i]).collect();
        pairs += inside as f64 * (members.len() - inside) as f64;
        strata.push((ranks(&values), inside));
    }
    let sum = |strata: &[(Vec<f64>, usize)]| -> f64 {
        strata
            .iter()
            .map(|(r, n)| r[..*n].iter().sum::<f64>())
            .sum()
    };
    let least: f64 = strata.iter().map(|(_, n)| (n * (n + 1)) as f64 / 2.0).sum();
    let observed = sum(&strata);
    let mut as_high = 0u32;
    for permutation in 0..permutations {
        let mut random = Random::new(seed, 3, u64::from(permutation));
        for (ranks, inside) in &mut strata {
            // The first `inside` of a shuffle: whatever order the ranks are in, all are as likely.
            for i in 0..*inside {
                let j = i + random.below((ranks.len() - i) as u64) as usize;
                ranks.swap(i, j);
            }
        }
        as_high += u32::from(sum(&strata) >= observed - 1e-6);
    }
    let mean =
        |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let mut sorted: Vec<f64> = control.iter().map(|&v| f64::from(v)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let thresholds = SHARES
        .iter()
        .filter_map(|&share| {
            let threshold = quantile(&sorted, share)?;
            let over = |values: &[f32]| {
                let n = values
                    .iter()
                    .filter(|&&v| f64::from(v) >= threshold)
                    .count();
                n as f64 / values.len() as f64
            };
            Some((share, threshold, over(set), over(control)))
        })
        .collect();
    Comparison {
        task: String::new(),
        measure: "",
        sites: (set.len(), control.len()),
        means: (mean(set), mean(control)),
        auc: (observed - least) / pairs,
        p: f64::from(as_high + 1) / f64::from(permutations + 1),
        thresholds,
    }
}

fn summary(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "measure\ttask\tset_sites\tcontrol_sites\tset_mean\tcontrol_mean\tauc\tpermutation_p\n",
    );
    for c in comparisons {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{:.6}\t{:.6}\t{:.6}\t{:.6}",
            c.measure, c.task, c.sites.0, c.sites.1, c.means.0, c.means.1, c.auc, c.p
        );
    }
    text
}

fn thresholds(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "measure\ttask\tcontrol_quantile\tthreshold\tset_fraction\tcontrol_fraction\tfold\n",
    );
    for c in comparisons {
        for (share, threshold, set, control) in &c.thresholds {
            let _ = writeln!(
                text,
                "{}\t{}\t{share}\t{threshold:.6}\t{set:.6}\t{control:.6}\t{:.4}",
                c.measure,
                c.task,
                set / control
            );
        }
    }
    text
}

fn draw(comparisons: &[Comparison], path: &Path) -> Result<(), Error> {
    let lines: Vec<Line> = comparisons
        .iter()
        .filter(|c| c.measure == "effect")
        .map(|c| Line {
            name: format!("{} (AUC {:.3}, p {:.2e})", c.task, c.auc, c.p),
            points: c
                .thresholds
                .iter()
                .map(|(share, _, set, control)| (share * 100.0, set / control))
                .collect(),
        })
        .collect();
    let style = Style {
        title: "Variants of the set over controls",
        x: "percentile of the controls' |effect|",
        y: "fold at or above",
    };
    plot::lines(path, &style, &lines).map_err(|e| match e {
        PlotError::Write(e, path) => OutputError::Write(e, path).into(),
        PlotError::Draw(text, path) => OutputError::Write(std::io::Error::other(text), path).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_p_values() {
        // 3 of the set against 4 controls: nine of the 12 pairs are won, one is a tie.
        let set = [3.0, 5.0, 6.0];
        let control = [1.0, 2.0, 3.0, 5.5];
        let one = compare(&set, &control, &[0; 7], 20_000, 1);
        assert!(
            (one.auc - (2.5 + 3.0 + 4.0) / 12.0).abs() < 1e-9,
            "{}",
            one.auc
        );
        // By enumeration of the 35 ways to choose three of the ranks 1, 2, 3.5, 3.5, 5, 6, 7.
        let ranks = [1.0, 2.0, 3.5, 3.5, 5.0, 6.0, 7.0];
        let mut as_high = 0;
        for a in 0..7 {
            for b in a + 1..7 {
                for c in b + 1..7 {
                    as_high += u32::from(ranks[a] + ranks[b] + ranks[c] >= 3.5 + 5.0 + 7.0);
                }
            }
        }
        let expected = f64::from(as_high) / 35.0;
        assert!((one.p - expected).abs() < 0.015, "{} {expected}", one.p);
        assert_eq!(one.thresholds[0], (0.5, 2.5, 1.0, 0.5));
        // Two parts: within them the set wins 1 of 2 and 2 of 2 pairs.
        let two = compare(
            &[2.0, 9.0],
            &[1.0, 3.0, 7.0, 8.0],
            &[0, 1, 0, 0, 1, 1],
            0,
            1,
        );
        assert!((two.auc - 0.75).abs() < 1e-9);
    }

    #[test]
    fn no_difference_gives_no_small_p() {
        let mut random = Random::new(9, 0, 0);
        let mut draw =
            |n: usize| -> Vec<f32> { (0..n).map(|_| random.below(1_000_000) as f32).collect() };
        let (set, control) = (draw(150), draw(900));
        let same = compare(&set, &control, &vec![0; 1050], 999, 4);
        assert!(same.p > 0.02 && (same.auc - 0.5).abs() < 0.08, "{same:?}");
        let higher: Vec<f32> = set.iter().map(|v| v + 400_000.0).collect();
        assert!(compare(&higher, &control, &vec![0; 1050], 999, 4).p <= 0.001);
    }

    #[test]
    fn parts_are_about_equal() {
        let gc: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        let parts = parts_by_gc(&gc[..40], &gc[40..], 4);
        for part in 0..4 {
            assert_eq!(parts.iter().filter(|&&p| p == part).count(), 25);
        }
    }
}
