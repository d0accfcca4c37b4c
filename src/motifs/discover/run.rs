use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use super::graph::{Graph, groups};
use super::matrix::Matrix;
use super::neighbours::{nearest, words};
use super::output::{Found, Written};
use super::patterns::{Laying, Pattern, SHIFT, Site, WIDE, Worths, join, of_group, share_out};
use crate::Error;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::motifs::known::Tomtom;
use crate::motifs::seqlets::{Rules, Seqlet, find};
use crate::motifs::{MotifError, ScoredRows, Worth, read_motifs};
use crate::output::{Existing, OutputDir};
use crate::tracks::Saturation;

/// A run of `mpra-score motifs discover`.
#[derive(Clone, Debug)]
pub struct Config {
    /// A folder of results with `saturation.npz`.
    pub results: PathBuf,
    /// Tasks, each for itself; all when `None`.
    pub tasks: Option<Vec<String>>,
    /// What is called a seqlet.
    pub rules: Rules,
    /// Seqlets of a task and sign: those of the smallest p-values.
    pub most_seqlets: usize,
    /// Patterns of fewer seqlets are left out.
    pub least_seqlets: usize,
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
    /// By task and sign: seqlets, patterns, and the seqlets in them.
    pub found: Vec<(String, [usize; 3])>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

/// Neighbours of a seqlet in the graph, and those that are looked at for them.
const NEIGHBOURS: usize = 30;
const CANDIDATES: usize = 100;
/// Seqlets that are less like are no neighbours.
const LEAST_LIKENESS: f32 = 0.35;
/// Patterns as like as this are one.
const ONE: f32 = 0.7;
/// Seqlets less like a pattern are none of it.
const LEAST_MEMBER: f32 = 0.4;

/// Writes `motifs.meme`, `motifs.tsv`, `motifs.json`, `sites.bed`, `logos.svg`, `contributions.svg` and `run.json`.
///
/// # Errors
/// When results or motifs cannot be read, a task is not in them, nothing was scored, or a file cannot be written.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    job::on_threads(config.threads, || discover(config, progress, cancel))
}

fn discover(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let begun = Instant::now();
    config.rules.check()?;
    if config.least_seqlets < 2 {
        return Err(MotifError::Setting("--least-seqlets is 2 at least".into()).into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let known = config.known.as_deref().map(read_motifs).transpose()?;
    let tomtom = known.as_deref().map(Tomtom::new);
    let source = Saturation::open(&config.results)?;
    let columns = crate::motifs::scored_rows::columns(&source.tasks, config.tasks.as_deref())?;
    let tasks: Vec<String> = (columns.iter().map(|&c| source.tasks[c].clone())).collect();
    let mut written = Written::default();
    let mut summary = Summary::default();
    let mut bases = 0;
    progress.start(2 * tasks.len() as u64);
    for task in &tasks {
        let only = std::slice::from_ref(task);
        let data = ScoredRows::read(
            &config.results,
            Some(only),
            Worth::Contribution,
            true,
            cancel,
        )?;
        (summary.rows, bases) = (data.rows.len(), data.bases());
        let seqlets = find(&data, 0, &config.rules, cancel)?;
        for (seqlets, sign) in seqlets.into_iter().zip([1.0, -1.0]) {
            let worths = Worths { data: &data, sign };
            let sites = strongest(seqlets, config.most_seqlets);
            let narrowest = config.rules.shortest;
            let patterns = patterns(&worths, &sites, narrowest, config.least_seqlets, cancel)?;
            let word = if sign > 0.0 { "positive" } else { "negative" };
            let members = patterns.iter().map(|p| p.sites.len()).sum();
            summary.found.push((
                format!("{task} {word}"),
                [sites.len(), patterns.len(), members],
            ));
            for (number, pattern) in patterns.into_iter().enumerate() {
                let found = Found {
                    name: format!("{task}.{}.{}", &word[..3], number + 1),
                    task,
                    word,
                    sign: f64::from(sign),
                    pattern,
                };
                written.add(found, &data, tomtom.as_ref().zip(known.as_deref()));
            }
            progress.advance(1);
        }
    }
    progress.finish();
    let mut out = OutputDir::create(&config.out, existing)?;
    written.write(&mut out)?;
    let mut run = RunInfo::new("motifs discover", &config.command);
    run.input("results", source.path());
    run.inputs("known_motifs", &config.known);
    run.threads = Some(config.threads);
    run.settings = job::map(json!({
        "tasks": tasks,
        "worth": Worth::Contribution.as_str(),
        "p": config.rules.threshold,
        "shortest": config.rules.shortest,
        "longest": config.rules.longest,
        "most_seqlets": config.most_seqlets,
        "least_seqlets": config.least_seqlets,
    }));
    let of = |which: usize| -> serde_json::Map<_, _> {
        let found = summary.found.iter();
        found
            .map(|(name, n)| (name.clone(), json!(n[which])))
            .collect()
    };
    run.counts = job::map(json!({
        "rows": summary.rows,
        "bases": bases,
        "seqlets": of(0),
        "patterns": of(1),
        "seqlets_in_patterns": of(2),
        "known_motifs": known.as_ref().map(Vec::len),
    }));
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

/// The middles of the seqlets of the smallest p-values, in order of row and place.
pub(super) fn strongest(mut seqlets: Vec<Seqlet>, most: usize) -> Vec<Site> {
    seqlets.sort_by(|a, b| {
        let place = (a.row, a.start).cmp(&(b.row, b.start));
        a.p.total_cmp(&b.p)
            .then(b.sum.abs().total_cmp(&a.sum.abs()))
            .then(place)
    });
    seqlets.truncate(most);
    let mut sites: Vec<Site> = (seqlets.iter())
        .map(|s| Site {
            row: s.row,
            middle: (s.start + s.end).div_ceil(2) as i32,
            reverse: false,
        })
        .collect();
    sites.sort_unstable();
    sites
}

/// The patterns of seqlets whose core has `narrowest` columns, of `least` sites, those of most sites first.
pub(super) fn patterns(
    worths: &Worths<'_>,
    seqlets: &[Site],
    narrowest: usize,
    least: usize,
    cancel: &Cancel,
) -> Result<Vec<Pattern>, Error> {
    let words: Vec<_> = (seqlets.par_iter())
        .map(|&site| {
            let (codes, own) = worths.own(site, WIDE);
            words(&codes, &own)
        })
        .collect();
    let matrices: Vec<(Matrix, Matrix)> = (seqlets.par_iter())
        .map(|&site| {
            let matrix = worths.matrix(site, WIDE);
            let turned = matrix.reversed();
            (matrix, turned)
        })
        .collect();
    cancel.check()?;
    let layings: Vec<Laying<'_>> = (seqlets.iter().zip(&matrices))
        .map(|(&site, matrices)| Laying { site, matrices })
        .collect();
    let near = nearest(&words, &matrices, CANDIDATES, NEIGHBOURS, SHIFT);
    cancel.check()?;
    let mut graph: Graph = vec![BTreeMap::new(); seqlets.len()];
    for (seqlet, near) in near.iter().enumerate() {
        for &(other, likeness) in near.iter().filter(|n| n.1 >= LEAST_LIKENESS) {
            // Where both are among the other's nearest, twice.
            let weight = f64::from(likeness).powi(4);
            *graph[seqlet].entry(other).or_default() += weight;
            *graph[other as usize].entry(seqlet as u32).or_default() += weight;
        }
    }
    let group = groups(&graph, 1.0);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (seqlet, group) in group.into_iter().enumerate() {
        members.entry(group).or_default().push(seqlet);
    }
    members.retain(|_, m| m.len() >= 5.min(least));
    cancel.check()?;
    let degree = |seqlet: &usize| graph[*seqlet].values().sum::<f64>();
    let mut found: Vec<Pattern> = (members.into_values().collect::<Vec<_>>().into_par_iter())
        .map(|mut members| {
            members.sort_by(|a, b| degree(b).total_cmp(&degree(a)).then(a.cmp(b)));
            let members: Vec<Laying<'_>> = members.iter().map(|&m| layings[m]).collect();
            of_group(worths, &members)
        })
        .collect();
    for _ in 0..2 {
        cancel.check()?;
        found = join(worths, found, ONE);
        found = share_out(worths, &found, &layings, LEAST_MEMBER);
        found.retain(|p| p.sites.len() >= least && p.core().len() >= narrowest);
    }
    found.sort_by(|a, b| {
        b.sites
            .len()
            .cmp(&a.sites.len())
            .then(a.sites.cmp(&b.sites))
    });
    Ok(found)
}
