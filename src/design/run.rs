use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::{Array2, s};
use serde_json::json;

use super::rows::{Design, Rows, status};
use super::rules::{Limits, Rules};
use super::search::{Map, Search, Task};
use super::starts::{Start, read};
use super::{DesignConfig, DesignError, Goal, KeepMotif, Method, Objective, Refusal, Starts};
use crate::Error;
use crate::ism::{EngineChoice, EngineSettings, Want};
use crate::job::{self, Cancel, JobError, Progress, RunInfo};
use crate::model::Ensemble;
use crate::output::{Existing, OutputDir, OutputError, write};
use crate::plot::{Style, steps};
use crate::score::ArrayScorer;

/// Numbers of effects that are kept at a time, and starts that go together.
const EFFECTS: usize = 1 << 24;
const TOGETHER: usize = 1_024;

/// What a finished run has done.
#[derive(Clone, Debug, Default)]
pub struct DesignSummary {
    /// Starts read.
    pub starts: u64,
    /// Those left out, by status.
    pub refused: BTreeMap<&'static str, u64>,
    /// Sequences of which activities and all effects were found.
    pub maps: u64,
    /// By how much activities of the two engines differ at most; of the value, or of 1 where that is larger.
    pub largest_difference: f64,
    /// The engine of the search.
    pub engine: &'static str,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The engines and what is asked of them.
struct Asked<'a> {
    scorer: &'a ArrayScorer,
    full: Option<&'a ArrayScorer>,
    objective: &'a Objective,
    stride: u32,
    cancel: &'a Cancel,
}

/// Designs sequences.
///
/// # Errors
/// When the model, the starts or the objective cannot be read, constraints contradict each other or the
/// starts, the engines do not agree on a design, or results cannot be written.
pub fn run(
    config: &DesignConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DesignSummary, Error> {
    let begun = Instant::now();
    let limits = config.limits()?;
    if config.out.as_os_str() == "-" {
        return Err(OutputError::Stdout.into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let library = config.ort_lib.as_deref();
    let model = Ensemble::load(&config.model, &config.model_options, library)?;
    let spec = model.spec().clone();
    let objective = Objective::parse(&config.objective, &spec.tasks)?;
    let columns = spec.columns(config.tasks.as_deref())?;
    let tasks: Vec<String> = columns.iter().map(|c| spec.tasks[*c].clone()).collect();
    let (starts, fasta) = read(
        &config.starts,
        (spec.window, config.seed),
        config.keep_bed.as_deref(),
    )?;
    if !config.skip_invalid {
        for start in &starts {
            rules(start, &limits, spec.window).map_err(|r| refusal(start, r))?;
        }
    }
    let used = model.used("model");
    let runtime = model.runtime().clone();
    let scorer = ArrayScorer::new(model, config.engine)?;
    let full = match scorer.engine() {
        "full" => None,
        _ => {
            let settings = EngineSettings {
                choice: EngineChoice::Full,
                ..config.engine
            };
            let model = Ensemble::open(&config.model, &config.model_options, &runtime)?;
            Some(ArrayScorer::new(model, settings)?)
        }
    };
    let asked = Asked {
        scorer: &scorer,
        full: full.as_ref(),
        objective: &objective,
        stride: config.stride,
        cancel,
    };
    let mut out = OutputDir::create(&config.out, existing)?;
    let mut summary = DesignSummary {
        engine: scorer.engine(),
        ..DesignSummary::default()
    };
    let mut rows = Rows::new(&tasks, &columns);
    progress.start(starts.len() as u64);
    let mut first = 0;
    while first < starts.len() {
        let width = match config.method {
            Method::Beam(width) => width,
            _ => 1,
        };
        let longest = starts[first].codes.len().max(spec.window);
        let each = width * longest * 4 * spec.tasks.len();
        let count = (EFFECTS / each.max(1)).clamp(1, TOGETHER);
        let last = starts.len().min(first + count);
        let chunk = &starts[first..last];
        let numbers = first as u64;
        together(
            config,
            &asked,
            &limits,
            (chunk, numbers),
            &mut rows,
            &mut summary,
        )?;
        progress.advance(chunk.len() as u64);
        first = last;
    }
    progress.finish();
    write(&out.file("designs.tsv"), &rows.designs)?;
    write(&out.file("trajectory.tsv"), &rows.trajectory)?;
    write(&out.file("designs.fa"), &rows.fasta)?;
    let title = format!(
        "{}: {}",
        config.method.as_str(),
        shortened(objective.text())
    );
    let style = Style {
        title: &title,
        x: "step",
        y: "objective",
    };
    steps(&out.file("objective.svg"), &style, &rows.lines).map_err(DesignError::from)?;

    let mut run = RunInfo::new("design", &config.command);
    match &config.starts {
        Starts::Sequences { path, .. } => run.input("sequences", path),
        Starts::Regions { bed, .. } => run.input("bed", bed.name().as_ref()),
        Starts::Random { .. } => {}
    }
    run.inputs
        .extend(fasta.as_ref().map(crate::genome::Fasta::used));
    run.inputs("keep_bed", &config.keep_bed);
    for motif in &config.keep_motifs {
        if let KeepMotif::Meme(path) = motif {
            run.input("motifs", path);
        }
    }
    run.models = used;
    run.onnxruntime = Some(runtime.used());
    run.threads = Some(config.engine.threads.get());
    run.seed = Some(config.seed);
    run.settings = settings(config, &objective, &tasks, (scorer.engine(), spec.window));
    run.counts = job::map(json!({
        "starts": summary.starts,
        "refused": summary.refused,
        "maps": summary.maps,
    }));
    run.results = job::map(json!({
        "largest_difference_of_engines": summary.largest_difference,
    }));
    run.seconds = Some(begun.elapsed().as_secs_f64());
    if cancel.is_requested() {
        return Err(JobError::Interrupted { kept: false }.into());
    }
    summary.files = out.commit(run)?;
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}

fn settings(
    config: &DesignConfig,
    objective: &Objective,
    tasks: &[String],
    (engine, window): (&str, usize),
) -> serde_json::Map<String, serde_json::Value> {
    let (width, schedule) = match config.method {
        Method::Greedy => (None, None),
        Method::Beam(width) => (Some(width), None),
        Method::Anneal(schedule) => (None, Some(schedule)),
    };
    let kept = |motif: &KeepMotif| match motif {
        KeepMotif::Site(site) => site.name.clone(),
        KeepMotif::Meme(path) => path.display().to_string(),
    };
    job::map(json!({
        "objective": objective.text(),
        "goal": config.goal.as_str(),
        "target": match config.goal { Goal::Target(value) => Some(value), _ => None },
        "method": config.method.as_str(),
        "width": width,
        "proposals": schedule.map(|s| s.proposals),
        "temperatures": schedule.map(|s| s.temperatures),
        "edits": config.edits,
        "keep": config.keep.iter().map(|r| [r.start, r.end]).collect::<Vec<_>>(),
        "gc": config.gc,
        "homopolymer": config.homopolymer,
        "forbid": config.forbid.iter().map(|s| &s.name).collect::<Vec<_>>(),
        "keep_motifs": config.keep_motifs.iter().map(kept).collect::<Vec<_>>(),
        "motif_p": config.motif_p,
        "tasks": tasks,
        "window": window,
        "stride": config.stride,
        "strand": config.engine.strand.as_str(),
        "engine": engine,
        "tolerance": config.tolerance,
    }))
}

/// A title of one line.
fn shortened(text: &str) -> String {
    match text.chars().count() > 60 {
        true => text.chars().take(57).chain("...".chars()).collect(),
        false => text.to_owned(),
    }
}

/// The rules of a start, or why there are none.
fn rules<'a>(
    start: &'a Start,
    limits: &'a Limits,
    window: usize,
) -> Result<Option<Rules<'a>>, Refusal> {
    if start.status.is_some() {
        return Ok(None);
    }
    let length = start.codes.len();
    if length < window {
        return Err(Refusal::TooShort { length, window });
    }
    Rules::new(limits, &start.codes, &start.keep).map(Some)
}

fn refusal(start: &Start, refusal: Refusal) -> DesignError {
    DesignError::Start {
        name: start.name.clone(),
        refusal,
    }
}

/// What becomes of a start.
enum Fate<'a> {
    Search(Box<Search<'a>>),
    Refused(&'static str),
}

/// Designs from some starts side by side; `first` is the number of the first one.
fn together(
    config: &DesignConfig,
    asked: &Asked<'_>,
    limits: &Limits,
    (starts, first): (&[Start], u64),
    rows: &mut Rows,
    summary: &mut DesignSummary,
) -> Result<(), Error> {
    let window = asked.scorer.model().window();
    let mut fates = Vec::with_capacity(starts.len());
    for (number, start) in (first..).zip(starts) {
        fates.push(match rules(start, limits, window) {
            Ok(Some(rules)) => {
                let task = Task {
                    rules,
                    goal: config.goal,
                };
                let (method, codes) = (config.method, &start.codes);
                Fate::Search(Box::new(Search::new(
                    task,
                    method,
                    codes,
                    config.seed,
                    number,
                )))
            }
            Ok(None) => Fate::Refused(start.status.unwrap_or("empty")),
            Err(refused) => Fate::Refused(status(&refused)),
        });
    }
    loop {
        let mut wanted: Vec<(usize, &[u8])> = Vec::new();
        for (i, fate) in fates.iter().enumerate() {
            if let Fate::Search(search) = fate {
                wanted.extend(search.wants().into_iter().map(|codes| (i, codes)));
            }
        }
        if wanted.is_empty() {
            break;
        }
        let codes: Vec<&[u8]> = wanted.iter().map(|(_, codes)| *codes).collect();
        let maps = asked.maps(&codes)?;
        summary.maps += maps.len() as u64;
        let mut of: BTreeMap<usize, Vec<Map>> = BTreeMap::new();
        for ((i, _), map) in wanted.iter().zip(maps) {
            of.entry(*i).or_default().push(map);
        }
        for (i, maps) in of {
            if let Fate::Search(search) = &mut fates[i] {
                search.advance(&maps);
            }
        }
    }
    // What is not mended is no design.
    for (start, fate) in starts.iter().zip(&mut fates) {
        let Fate::Search(search) = fate else {
            continue;
        };
        let Some((node, _)) = search.best(limits.edits) else {
            continue;
        };
        if node.broken > 0 {
            let unmet = Refusal::Unmet(search.rules().what_is_broken(&node.codes));
            if !config.skip_invalid {
                return Err(refusal(start, unmet).into());
            }
            *fate = Fate::Refused(status(&unmet));
        }
    }
    let finals: Vec<&[u8]> = (starts.iter().zip(&fates))
        .filter_map(|(start, fate)| match fate {
            Fate::Search(search) => {
                let (node, _) = search.best(limits.edits)?;
                Some([&start.codes[..], &node.codes])
            }
            Fate::Refused(_) => None,
        })
        .flatten()
        .collect();
    let full = asked.full(&finals)?;
    let mut full = full.outer_iter();
    for (start, fate) in starts.iter().zip(&fates) {
        summary.starts += 1;
        let search = match fate {
            Fate::Search(search) => search,
            Fate::Refused(word) => {
                *summary.refused.entry(word).or_default() += 1;
                let hits = rules(start, limits, window).ok().flatten();
                rows.refused(&start.name, &start.codes, word, hits.map(|r| r.kept_hits()));
                continue;
            }
        };
        let (Some((node, end)), Some(before)) = (search.best(limits.edits), search.start()) else {
            continue;
        };
        let (Some(full_before), Some(full_after)) = (full.next(), full.next()) else {
            continue;
        };
        for (fast, full) in [(before.1, full_before), (&node.activities[..], full_after)] {
            // With the full engine alone there is nothing to compare.
            if asked.full.is_none() {
                break;
            }
            for (task, (&fast, &full)) in fast.iter().zip(full).enumerate() {
                let off = f64::from((fast - full).abs()) / f64::from(full.abs().max(1.0));
                summary.largest_difference = summary.largest_difference.max(off);
                if off.is_nan() || off > config.tolerance {
                    return Err(DesignError::Disagree {
                        name: start.name.clone(),
                        task: asked.scorer.model().spec().tasks[task].clone(),
                        fast,
                        full,
                        tolerance: config.tolerance,
                    }
                    .into());
                }
            }
        }
        rows.design(&Design {
            name: &start.name,
            start: &start.codes,
            kept_hits: search.rules().kept_hits(),
            before,
            node,
            end,
            full_objective: asked.objective.value(full_after),
        });
    }
    Ok(())
}

impl Asked<'_> {
    /// Activities and effects of sequences, in their order.
    fn maps(&self, sequences: &[&[u8]]) -> Result<Vec<Map>, Error> {
        let tasks = self.scorer.model().tasks();
        let mut maps: Vec<Option<Map>> = vec![None; sequences.len()];
        for (length, numbers) in by_length(sequences) {
            let at_a_time = (EFFECTS / (4 * length * tasks).max(1)).max(1);
            for some in numbers.chunks(at_a_time) {
                let codes = array(sequences, some, length);
                let found =
                    (self.scorer).run(codes.view(), self.stride, Want::Effects, self.cancel)?;
                for (i, &number) in some.iter().enumerate() {
                    maps[number] = Some(Map::new(
                        self.objective,
                        found.activities.row(i),
                        found.effects.slice(s![i, .., .., ..]),
                    ));
                }
            }
        }
        // Each is of a length: none is left out.
        Ok(maps.into_iter().flatten().collect())
    }

    /// Activities by the full engine `[sequence, task]`.
    fn full(&self, sequences: &[&[u8]]) -> Result<Array2<f32>, Error> {
        let scorer = self.full.unwrap_or(self.scorer);
        let mut all = Array2::zeros((sequences.len(), scorer.model().tasks()));
        for (length, numbers) in by_length(sequences) {
            let codes = array(sequences, &numbers, length);
            let found = scorer.run(codes.view(), self.stride, Want::Activity, self.cancel)?;
            for (row, &number) in found.activities.outer_iter().zip(&numbers) {
                all.row_mut(number).assign(&row);
            }
        }
        Ok(all)
    }
}

/// Numbers of sequences, by length.
fn by_length(sequences: &[&[u8]]) -> BTreeMap<usize, Vec<usize>> {
    let mut lengths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, codes) in sequences.iter().enumerate() {
        lengths.entry(codes.len()).or_default().push(i);
    }
    lengths
}

/// Some of the sequences, all of this length.
fn array(sequences: &[&[u8]], numbers: &[usize], length: usize) -> Array2<u8> {
    let of = |(i, at): (usize, usize)| sequences[numbers[i]][at];
    Array2::from_shape_fn((numbers.len(), length), of)
}
