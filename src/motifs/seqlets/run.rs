use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use super::{Null, Rules, Seqlet, call};
use crate::Error;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::motifs::known::Tomtom;
use crate::motifs::scored_rows::runs;
use crate::motifs::{Motif, MotifError, ScoredRows, Worth, read_motifs};
use crate::output::{Existing, OutputDir, Tsv, cell, write};

/// A run of `mpra-score motifs seqlets`.
#[derive(Clone, Debug)]
pub struct Config {
    /// A folder of results with `saturation.npz`.
    pub results: PathBuf,
    /// Tasks; all when `None`.
    pub tasks: Option<Vec<String>>,
    /// What bases are taken to be worth.
    pub worth: Worth,
    /// What is called.
    pub rules: Rules,
    /// Bases added on either side of each seqlet when it is written.
    pub flank: usize,
    /// Known motifs.
    pub known: Option<PathBuf>,
    /// Worker threads.
    pub threads: usize,
    /// The output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rows with values.
    pub rows: usize,
    /// Seqlets by task and sign: positive, negative.
    pub seqlets: Vec<(String, [usize; 2])>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

impl Rules {
    /// Refuses rules that call nothing or cannot be.
    pub(in crate::motifs) fn check(&self) -> Result<(), MotifError> {
        let wrong = if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            "--p lies above 0 and is 1 at most"
        } else if self.shortest == 0 || self.shortest > self.longest {
            "--shortest is 1 at least, and --longest not below it"
        } else if self.longest > 200 {
            "--longest is 200 at most"
        } else {
            return Ok(());
        };
        Err(MotifError::Setting(wrong.into()))
    }
}

/// The seqlets of a task, positive and negative ones, each in order of row and place; `row` is the index into the
/// attributions' rows, places are in the row. A negative seqlet that overlaps a positive one is left out.
///
/// # Errors
/// When all values are the same, or it is cancelled.
pub fn find(
    data: &ScoredRows,
    task: usize,
    rules: &Rules,
    cancel: &Cancel,
) -> Result<[Vec<Seqlet>; 2], Error> {
    let values = |row: usize| &data.rows[row].values[task][..];
    let stretches: Vec<(usize, std::ops::Range<usize>)> = (0..data.rows.len())
        .flat_map(|row| runs(values(row)).into_iter().map(move |run| (row, run)))
        .collect();
    let all = || {
        stretches
            .iter()
            .map(|(row, run)| &values(*row)[run.clone()])
    };
    let mut found = [Vec::new(), Vec::new()];
    for (sign, seqlets) in found.iter_mut().enumerate() {
        cancel.check()?;
        let turned = sign == 1;
        let null = Null::new(all(), turned, rules.longest).ok_or(MotifError::Flat {
            task: data.tasks[task].clone(),
            what: "worth",
        })?;
        let mut called: Vec<Seqlet> = (stretches.par_iter())
            .flat_map_iter(|(row, run)| {
                let mut called = call(*row, &values(*row)[run.clone()], turned, &null, rules);
                for seqlet in &mut called {
                    seqlet.start += run.start;
                    seqlet.end += run.start;
                }
                called
            })
            .collect();
        called.sort_by_key(|s| (s.row, s.start));
        *seqlets = called;
    }
    let [positive, negative] = &mut found;
    negative.retain(|s| {
        let before = positive.partition_point(|p| (p.row, p.end) <= (s.row, s.start));
        let next = positive.get(before);
        !next.is_some_and(|p| p.row == s.row && p.start < s.end)
    });
    Ok(found)
}

/// Writes `seqlets.tsv`, `seqlets.bed` and `run.json`.
///
/// # Errors
/// When results or motifs cannot be read, a task is not in them, nothing was scored, or a file cannot be written.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let begun = Instant::now();
    config.rules.check()?;
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let known = config.known.as_deref().map(read_motifs).transpose()?;
    let tasks = config.tasks.as_deref();
    let data = ScoredRows::read(&config.results, tasks, config.worth, false, cancel)?;
    let tomtom = known.as_deref().map(Tomtom::new);
    let mut summary = Summary {
        rows: data.rows.len(),
        ..Summary::default()
    };
    let mut table = Tsv::new(&[
        "contig",
        "start",
        "end",
        "region",
        "task",
        "sign",
        "bases",
        "sum",
        "mean",
        "p",
        "sequence",
        "motif",
        "motif_name",
        "motif_strand",
        "motif_offset",
        "motif_overlap",
        "motif_p",
        "motif_e",
    ]);
    let mut bed: Vec<(&str, u32, u32, String)> = Vec::new();
    progress.start(data.tasks.len() as u64);
    for (task, name) in data.tasks.iter().enumerate() {
        let found = job::on_threads(config.threads, || find(&data, task, &config.rules, cancel))?;
        summary
            .seqlets
            .push((name.clone(), [found[0].len(), found[1].len()]));
        for (seqlets, (sign, mark)) in found.iter().zip([("positive", '+'), ("negative", '-')]) {
            let near = job::on_threads(config.threads, || -> Result<_, Error> {
                let near = seqlets.par_iter().map(|s| {
                    cancel.check()?;
                    let word = &data.rows[s.row].codes[s.start..s.end];
                    Ok(tomtom.as_ref().and_then(|t| t.of_word(word)))
                });
                near.collect::<Result<Vec<_>, Error>>()
            })?;
            for (seqlet, near) in seqlets.iter().zip(near) {
                let row = &data.rows[seqlet.row];
                let start = seqlet.start.saturating_sub(config.flank);
                let end = (seqlet.end + config.flank).min(row.codes.len());
                let (from, to) = (row.place.start + start as u32, row.place.start + end as u32);
                table
                    .text(&row.place.contig)
                    .count(from.into())
                    .count(to.into())
                    .text(&row.place.name)
                    .text(name)
                    .text(sign)
                    .count((seqlet.end - seqlet.start) as u64)
                    .number(rounded(seqlet.sum))
                    .number(rounded(seqlet.sum / (seqlet.end - seqlet.start) as f64))
                    .number(rounded(seqlet.p))
                    .text(&letters(&row.codes[start..end]));
                let motif = near.zip(known.as_deref()).map(|(l, k)| (l, &k[l.motif]));
                let (label, strand) = match motif {
                    None => {
                        (0..7).for_each(|_| {
                            table.text("NA");
                        });
                        (format!("{name}{mark}"), '.')
                    }
                    Some((like, motif)) => {
                        let strand = if like.reverse { '-' } else { '+' };
                        table
                            .text(&motif.name)
                            .text(shown_name(motif))
                            .text(&strand.to_string())
                            .number(like.offset as f64)
                            .count(like.overlap as u64)
                            .number(rounded(like.p))
                            .number(rounded(like.e));
                        (format!("{name}{mark}:{}", motif.name), strand)
                    }
                };
                table.end();
                let mut rest = String::new();
                // Writing to a string cannot fail. Names of BED have no blanks.
                let _ = write!(
                    rest,
                    "{}\t{}\t{strand}\t{}",
                    cell(&label).replace(' ', "_"),
                    score(seqlet.p),
                    rounded(seqlet.p)
                );
                bed.push((&row.place.contig, from, to, rest));
            }
        }
        progress.advance(1);
    }
    progress.finish();
    bed.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    let bed: String = (bed.iter())
        .map(|(contig, from, to, rest)| format!("{contig}\t{from}\t{to}\t{rest}\n"))
        .collect();

    let mut out = OutputDir::create(&config.out, existing)?;
    table.write(&out.file("seqlets.tsv"))?;
    write(&out.file("seqlets.bed"), bed)?;
    let mut run = RunInfo::new("motifs seqlets", &config.command);
    run.input("results", &data.path);
    run.inputs("known_motifs", &config.known);
    run.threads = Some(config.threads);
    run.settings = job::map(json!({
        "tasks": data.tasks,
        "worth": config.worth.as_str(),
        "p": config.rules.threshold,
        "shortest": config.rules.shortest,
        "longest": config.rules.longest,
        "flank": config.flank,
    }));
    let of = |sign: usize| -> serde_json::Map<_, _> {
        let counts = summary.seqlets.iter();
        counts.map(|(t, n)| (t.clone(), json!(n[sign]))).collect()
    };
    run.counts = job::map(json!({
        "rows": data.rows.len() as u64 + data.left_out,
        "rows_without_values": data.left_out,
        "bases": data.bases(),
        "positive_seqlets": of(0),
        "negative_seqlets": of(1),
        "known_motifs": known.as_ref().map(Vec::len),
    }));
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

/// A motif's second name, `.` where there is none.
pub(in crate::motifs) fn shown_name(motif: &Motif) -> &str {
    match motif.other_name.is_empty() {
        true => ".",
        false => &motif.other_name,
    }
}

/// The letters of codes.
pub(in crate::motifs) fn letters(codes: &[u8]) -> String {
    let letter = |code: &u8| char::from(b"ACGTN"[usize::from(*code).min(4)]);
    codes.iter().map(letter).collect()
}

/// Seven digits, as many as there are of values that come from 32-bit floats.
pub(in crate::motifs) fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// BED's score, 0 to 1000: -100 log10 p.
fn score(p: f64) -> u32 {
    (-100.0 * p.log10()).clamp(0.0, 1000.0) as u32
}
