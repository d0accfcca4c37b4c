//! Activities of sequences that stand alone: no genome, no regions.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use ndarray::{Array2, Array3, s};
use serde_json::json;

use super::{Anchor, Layout, ScoreError, saturation};
use crate::Error;
use crate::genome::{Lattice, RegionStatus};
use crate::ism::{Engine, EngineSettings, Engines, SequenceWindows, Want, pick_tasks};
use crate::job::{self, Cancel, JobError, Progress, RunInfo};
use crate::labelled::{Piece, Sequences};
use crate::model::{Ensemble, ModelOptions, ModelSources};
use crate::output::{AppendFile, Existing, OutputDir, OutputError, Seal, cell};
use crate::tracks::format_value;

/// What a construct has on either side of the sequence that is tested: base codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flanks {
    /// Before it.
    pub left: Vec<u8>,
    /// Behind it.
    pub right: Vec<u8>,
}

/// A run of [`predict`].
#[derive(Clone, Debug)]
pub struct PredictConfig {
    /// FASTA, or a table with a header: tabs or commas.
    pub sequences: PathBuf,
    /// The table's column of sequences; `sequence` when `None`.
    pub sequence_column: Option<String>,
    /// The table's column of names; `name` or `id` when `None`, where there is one.
    pub name_column: Option<String>,
    /// What sequences shorter than a window are filled up with, on both sides alike (an odd base on the
    /// left); without, they are not scored.
    pub flanks: Option<Flanks>,
    /// The model, or the members of an ensemble.
    pub model: ModelSources,
    /// What the user says of the model.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to write, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Bases from one window of a sequence to the next.
    pub stride: u32,
    /// How windows are scored.
    pub engine: EngineSettings,
    /// Also write the effects of all changes, as long as the longest sequence.
    pub saturation: bool,
    /// The output folder, or `-`: the table alone, to standard output.
    pub out: PathBuf,
    /// Replace results that are there.
    pub force: bool,
    /// The command line, for the provenance file.
    pub command: Vec<String>,
}

/// What a finished run has done.
#[derive(Clone, Debug, Default)]
pub struct PredictSummary {
    /// Sequences read.
    pub sequences: u64,
    /// Of these, sequences shorter than a window.
    pub too_short: u64,
    /// Of these, sequences each of whose windows holds unknown bases.
    pub unknown_bases: u64,
    /// Windows scored.
    pub windows: u64,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Predicts the activities of sequences, `predictions.tsv`: a row each, in their order, with the mean and
/// the largest activity over windows `stride` bases apart that lie in the sequence, and, where the
/// model's file has distributions, the share of their windows that are less active than the mean.
///
/// # Errors
/// When the model or the sequences cannot be read, the model fails, or results cannot be written.
pub fn predict(
    config: &PredictConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<PredictSummary, Error> {
    let begun = Instant::now();
    let library = config.ort_lib.as_deref();
    let model = Ensemble::load(&config.model, &config.model_options, library)?;
    let spec = model.spec().clone();
    let (window, stride) = (spec.window as u32, config.stride);
    let lattice = Lattice::genome(window, stride).ok_or(ScoreError::Stride { stride, window })?;
    let lattice = lattice.allowing(spec.most_unknown);
    let tasks = spec.columns(config.tasks.as_deref())?;
    let layout = Layout::new(lattice, Anchor::Genome, &tasks, &model);
    let to_stdout = config.out.as_os_str() == "-";
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    if !to_stdout {
        OutputDir::check(&config.out, existing)?;
    }
    let mut source = Sequences::open(
        &config.sequences,
        config.sequence_column.as_deref(),
        config.name_column.as_deref(),
    )?;
    let chosen = Engines::choose(config.engine, model.members())?;
    let engines = chosen.of_members(config.engine.threads, model.members(), cancel)?;
    let mut out = match to_stdout {
        true => None,
        false => Some(OutputDir::create(&config.out, existing)?),
    };
    let (mut table, mut parts): (Box<dyn std::io::Write>, _) = match &mut out {
        None => (Box::new(crate::output::stdout()?.lock()), None),
        Some(out) => {
            let path = out.file("predictions.tsv");
            let file = std::fs::File::create(&path).map_err(|e| OutputError::Write(e, path))?;
            let parts = config.saturation.then(|| {
                let path = out.partial().join("saturation.parts");
                AppendFile::open(&path, &Seal::default())
            });
            (Box::new(BufWriter::new(file)), parts.transpose()?)
        }
    };
    let failed = |e| OutputError::Write(e, config.out.join("predictions.tsv"));
    table
        .write_all(header(&layout).as_bytes())
        .map_err(failed)?;

    let mut workers: Vec<Worker<'_>> = (engines.into_iter())
        .filter_map(|engine| {
            Some(Worker {
                engine,
                windows: SequenceWindows::new(window, stride)?.allowing(spec.most_unknown),
                layout: &layout,
                flanks: config.flanks.as_ref(),
                saturation: parts.is_some(),
            })
        })
        .collect();
    let workers = workers
        .iter_mut()
        .map(|w| move |piece: Piece| w.run(&piece));
    let mut summary = PredictSummary::default();
    let (mut statuses, mut lengths) = (Vec::new(), Vec::new());
    progress.start(std::fs::metadata(&config.sequences).map_or(0, |m| m.len()));
    let watch = source.watch();
    let mut reported = 0;
    job::in_order(
        &mut source,
        |source| Ok(source.next_piece()?),
        workers.collect(),
        |done: Done| -> Result<(), Error> {
            table.write_all(done.lines.as_bytes()).map_err(failed)?;
            if let Some(parts) = &mut parts {
                parts.append(&done.saturation)?;
                lengths.extend(done.lengths.iter().map(|length| *length as u32));
            }
            for status in &done.statuses {
                summary.sequences += 1;
                summary.too_short += u64::from(*status == Status::TooShort);
                summary.unknown_bases += u64::from(*status == Status::UnknownBases);
            }
            summary.windows += done.windows;
            if parts.is_some() {
                statuses.extend(done.statuses.iter().map(|status| match status {
                    Status::Ok => RegionStatus::Ok,
                    _ => RegionStatus::NoScoredWindow,
                }));
            }
            watch.tell(progress, &mut reported);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    table.flush().map_err(failed)?;
    drop(table);
    if let Some(mut out) = out {
        if let Some(parts) = parts {
            let path = out.file("saturation.npz");
            saturation::write_npz(
                parts,
                "effects",
                (&lengths, &statuses),
                &layout.tasks,
                &path,
            )?;
        }
        let mut run = RunInfo::new("predict", &config.command);
        run.input("sequences", &config.sequences);
        run.models = model.used("model");
        run.onnxruntime = Some(model.runtime().used());
        run.threads = Some(config.engine.threads.get());
        run.settings = job::map(json!({
            "tasks": layout.tasks,
            "window": window,
            "stride": stride,
            "most_unknown": spec.most_unknown,
            "strand": config.engine.strand.as_str(),
            "engine": chosen.name(),
            "flanks": config.flanks.as_ref().map(|f| [f.left.len(), f.right.len()]),
        }));
        run.counts = job::map(json!({
            "sequences": summary.sequences,
            "too_short": summary.too_short,
            "unknown_bases": summary.unknown_bases,
            "windows_scored": summary.windows,
        }));
        run.seconds = Some(begun.elapsed().as_secs_f64());
        if cancel.is_requested() {
            return Err(JobError::Interrupted { kept: false }.into());
        }
        summary.files = out.commit(run)?;
    }
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}

fn header(layout: &Layout) -> String {
    let mut line = String::from("name\tlength\twindows\tstatus");
    for task in &layout.tasks {
        line += &format!("\t{task}.mean_activity\t{task}.max_activity");
        for (set, _) in layout.quantiles.of_task(task) {
            line += &format!("\t{task}.{set}_quantile");
        }
    }
    for task in layout.tasks.iter().filter(|_| layout.members.several()) {
        line += &format!("\t{task}.mean_activity_spread");
    }
    line.push('\n');
    line
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    TooShort,
    UnknownBases,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooShort => "too_short",
            Self::UnknownBases => "unknown_bases",
        }
    }
}

/// What becomes of a piece.
#[derive(Default)]
struct Done {
    lines: String,
    statuses: Vec<Status>,
    lengths: Vec<usize>,
    windows: u64,
    saturation: Vec<u8>,
    /// Row of the first sequence.
    first: u32,
}

struct Worker<'a> {
    engine: Box<dyn Engine>,
    windows: SequenceWindows,
    layout: &'a Layout,
    flanks: Option<&'a Flanks>,
    saturation: bool,
}

impl Worker<'_> {
    fn run(&mut self, piece: &Piece) -> Result<Done, Error> {
        let mut done = Done {
            first: piece.first,
            ..Done::default()
        };
        for (name, codes) in &piece.sequences {
            self.one(name, codes, &mut done)?;
        }
        Ok(done)
    }

    fn one(&mut self, name: &str, codes: &[u8], done: &mut Done) -> Result<(), Error> {
        let layout = self.layout;
        let (left, whole) = filled(codes, layout.lattice.window() as usize, self.flanks);
        let mut status = match self.windows.count(whole.len()) {
            0 => Status::TooShort,
            _ => Status::Ok,
        };
        let (mut windows, columns) = (0, &layout.columns);
        let mut values = vec![(0.0f64, f32::NEG_INFINITY); columns.len()];
        if status == Status::Ok {
            let engine = self.engine.as_mut();
            let scores = self.windows.score(engine, &whole, false, Want::Activity)?;
            layout.members.reduce(scores);
            windows = scores.windows.len();
            for row in scores.activities.rows() {
                for ((sum, most), &column) in values.iter_mut().zip(columns) {
                    *sum += f64::from(row[column]);
                    *most = most.max(row[column]);
                }
            }
            if windows == 0 {
                status = Status::UnknownBases;
            }
        }
        let lines = &mut done.lines;
        *lines += &format!(
            "{}\t{}\t{windows}\t{}",
            cell(name),
            codes.len(),
            status.as_str()
        );
        let mut put = |value: f64| match windows {
            0 => lines.push_str("\tNA"),
            _ => *lines += &format!("\t{}", format_value(value as f32 + 0.0)),
        };
        let (means, spreads) = values.split_at(layout.tasks.len());
        for (task, (sum, most)) in layout.tasks.iter().zip(means) {
            let mean = sum / windows as f64;
            put(mean);
            put(f64::from(*most));
            for (_, distribution) in layout.quantiles.of_task(task) {
                put(f64::from(distribution.share_below(mean as f32)));
            }
        }
        for (sum, _) in spreads {
            put(sum / windows as f64);
        }
        done.lines.push('\n');
        if self.saturation {
            self.effects(codes, &whole, left, status, done)?;
        }
        done.windows += windows as u64;
        done.statuses.push(status);
        Ok(())
    }

    /// Appends the effects of a sequence's changes, without those of its flanks.
    fn effects(
        &mut self,
        codes: &[u8],
        whole: &[u8],
        left: usize,
        status: Status,
        done: &mut Done,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let columns = &layout.columns[..layout.tasks.len()];
        let mut effects = Array3::from_elem((codes.len(), 4, columns.len()), f32::NAN);
        let mut importance = Array2::from_elem((codes.len(), columns.len()), f32::NAN);
        if status == Status::Ok {
            let engine = self.engine.as_mut();
            let scores = self.windows.score(engine, whole, false, Want::Effects)?;
            layout.members.reduce(scores);
            // Bases behind the last window have none.
            let covered = scores.effects.dim().0.min(left + codes.len());
            let from = scores.effects.slice(s![left.min(covered)..covered, .., ..]);
            let to = s![..covered.saturating_sub(left), .., ..];
            pick_tasks(from, columns, effects.slice_mut(to));
            let from = scores.importance.slice(s![left.min(covered)..covered, ..]);
            let to = s![..covered.saturating_sub(left), ..];
            pick_tasks(from, columns, importance.slice_mut(to));
        }
        let row = done.first + done.statuses.len() as u32;
        let (effects, importance) = (effects.iter().copied(), importance.iter().copied());
        let to = &mut done.saturation;
        saturation::put_part(&[row], 0, codes, effects, importance, to);
        done.lengths.push(codes.len());
        Ok(())
    }
}

/// A sequence as long as a window at least, where the flanks allow, and the bases before it.
fn filled(codes: &[u8], window: usize, flanks: Option<&Flanks>) -> (usize, Vec<u8>) {
    let missing = window.saturating_sub(codes.len());
    let (right, left) = (missing / 2, missing - missing / 2);
    match flanks {
        Some(flanks) if left <= flanks.left.len() && right <= flanks.right.len() => {
            let before = &flanks.left[flanks.left.len() - left..];
            (left, [before, codes, &flanks.right[..right]].concat())
        }
        _ => (0, codes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sequences_are_filled_up_on_both_sides() {
        let flanks = Flanks {
            left: vec![0, 1, 2],
            right: vec![3, 2],
        };
        let filled = |codes: &[u8], window| filled(codes, window, Some(&flanks));
        assert_eq!(filled(&[0, 0], 5), (2, vec![1, 2, 0, 0, 3]));
        assert_eq!(filled(&[0, 0], 4), (1, vec![2, 0, 0, 3]));
        // Nothing is put beside what is long enough, nor where the flanks do not reach.
        assert_eq!(filled(&[0, 0], 2), (0, vec![0, 0]));
        assert_eq!(filled(&[0, 0], 9), (0, vec![0, 0]));
    }
}
