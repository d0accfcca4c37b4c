use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use super::null::{Sums, Widths};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::job::{self, Cancel, Progress, RunInfo};
use crate::motifs::seqlets::{rounded, shown_name};
use crate::motifs::{Motif, MotifError, Prepared, Scanner, ScoredRows, Worth, read_motifs};
use crate::output::{Existing, OutputDir, Tsv};
use crate::plot::{Bar, BarPanel, Labelled, Scatter, Style, bar_chart, scatter};
use crate::stats::{Random, p_from_null, q_values};

/// A run of `mpra-score motifs drivers`.
#[derive(Clone, Debug)]
pub struct Config {
    /// A folder of results with `saturation.npz`.
    pub results: PathBuf,
    /// Tasks; all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Two tasks whose difference is judged, too; the first two when `None`, where there are two.
    pub difference: Option<[String; 2]>,
    /// What bases are taken to be worth.
    pub worth: Worth,
    /// Known motifs.
    pub motifs: PathBuf,
    /// The largest p-value of an occurrence.
    pub most_p: f64,
    /// Motifs with fewer occurrences are not judged.
    pub least_hits: usize,
    /// Random placements.
    pub shuffles: usize,
    /// Their seed.
    pub seed: u64,
    /// Worker threads.
    pub threads: usize,
    /// The output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What is said of a motif for a task, or a difference of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Driver {
    /// Mean over the occurrences of the mean over their bases.
    pub mean: f64,
    /// What random placements give on average: exactly, not from the shuffles.
    pub expected: f64,
    /// Their standard deviation, likewise.
    pub deviation: f64,
    /// (mean - expected) / deviation.
    pub z: f64,
    /// Share of the shuffles as far from their mean, the observed one counted with them; two-sided.
    pub p: f64,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rows with values.
    pub rows: usize,
    /// Motifs with enough occurrences, of all.
    pub judged: [usize; 2],
    /// Occurrences.
    pub hits: u64,
    /// For each kind of value its name and the motif with the highest z and the lowest.
    pub ends: Vec<(String, [String; 2])>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

/// Writes `drivers.tsv`, `drivers.svg`, `scatter.svg` (where there are two tasks) and `run.json`.
///
/// # Errors
/// When results or motifs cannot be read, a task is not in them, nothing was scored, or a file cannot be written.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    job::on_threads(config.threads, || judge(config, progress, cancel))
}

/// The kinds of values: the tasks, and what is judged last, the difference of two of them.
struct Kinds {
    names: Vec<String>,
    pair: Option<[usize; 2]>,
}

impl Kinds {
    fn new(config: &Config, tasks: &[String]) -> Result<Self, MotifError> {
        let pair = match &config.difference {
            Some(pair) => {
                let columns = crate::motifs::scored_rows::columns(tasks, Some(pair))?;
                Some([columns[0], columns[1]])
            }
            None => (tasks.len() > 1).then_some([0, 1]),
        };
        let mut names = tasks.to_vec();
        if let Some([a, b]) = pair {
            names.push(format!("{}-{}", tasks[a], tasks[b]));
        }
        Ok(Self { names, pair })
    }
}

fn judge(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let begun = Instant::now();
    if !(config.most_p > 0.0 && config.most_p <= 1.0) {
        return Err(MotifError::Setting("--p lies above 0 and is 1 at most".into()).into());
    }
    if config.least_hits == 0 {
        return Err(MotifError::Setting("--least-hits is 1 at least".into()).into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let motifs = read_motifs(&config.motifs)?;
    let tasks = config.tasks.as_deref();
    let data = ScoredRows::read(&config.results, tasks, config.worth, false, cancel)?;
    let kinds = Kinds::new(config, &data.tasks)?;
    let rows: Vec<Sums> = (data.rows.par_iter())
        .map(|row| {
            let mut values = row.values.clone();
            if let Some([a, b]) = kinds.pair {
                let pairs = values[a].iter().zip(&values[b]);
                values.push(pairs.map(|(a, b)| a - b).collect());
            }
            Sums::new(&values)
        })
        .collect();
    let scanner = Scanner::new(&motifs, background(&data), config.most_p);
    let found = occurrences(&data, &rows, &scanner, motifs.len(), cancel)?;

    let mut widths: HashMap<usize, Widths> = HashMap::new();
    for motif in &motifs {
        cancel.check()?;
        let width = motif.frequencies.len();
        let kinds = kinds.names.len();
        widths
            .entry(width)
            .or_insert_with(|| Widths::new(&rows, width, kinds));
    }
    progress.start(motifs.len() as u64);
    let judged: Vec<Option<Vec<Driver>>> = (found.par_iter().enumerate())
        .map(|(motif, hits)| {
            cancel.check()?;
            progress.advance(1);
            if hits.len() < config.least_hits {
                return Ok(None);
            }
            let width = motifs[motif].frequencies.len();
            let random = |shuffle: usize| Random::new(config.seed, motif as u64, shuffle as u64);
            let kinds = kinds.names.len();
            let moments = &widths[&width];
            Ok(Some(drivers(
                &rows,
                hits,
                width,
                moments,
                kinds,
                config.shuffles,
                random,
            )))
        })
        .collect::<Result<_, Error>>()?;
    progress.finish();

    let mut summary = Summary {
        rows: data.rows.len(),
        judged: [judged.iter().flatten().count(), motifs.len()],
        hits: found.iter().map(|hits| hits.len() as u64).sum(),
        ..Summary::default()
    };
    let (table, panels) = tables(&kinds, &motifs, &found, &judged, &mut summary);
    let mut out = OutputDir::create(&config.out, existing)?;
    table.write(&out.file("drivers.tsv"))?;
    let title = format!(
        "Mean {} under known motifs, z against moved places",
        config.worth.as_str()
    );
    bar_chart(&out.file("drivers.svg"), &title, "z", &panels).map_err(MotifError::from)?;
    if let Some([a, b]) = kinds.pair {
        let figure = against(config, &kinds.names, [a, b], &motifs, &judged);
        scatter(&out.file("scatter.svg"), &figure).map_err(MotifError::from)?;
    }
    let mut run = RunInfo::new("motifs drivers", &config.command);
    run.input("results", &data.path);
    run.input("motifs", &config.motifs);
    run.threads = Some(config.threads);
    run.seed = Some(config.seed);
    run.settings = job::map(json!({
        "tasks": data.tasks,
        "difference": kinds.pair.map(|[a, b]| [&data.tasks[a], &data.tasks[b]]),
        "worth": config.worth.as_str(),
        "p": config.most_p,
        "least_hits": config.least_hits,
        "shuffles": config.shuffles,
    }));
    run.counts = job::map(json!({
        "rows": data.rows.len() as u64 + data.left_out,
        "rows_without_values": data.left_out,
        "bases": data.bases(),
        "motifs": motifs.len(),
        "motifs_judged": summary.judged[0],
        "hits": summary.hits,
    }));
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

/// Shares of the bases in the rows, both strands together; a quarter each where one is missing.
fn background(data: &ScoredRows) -> [f64; 4] {
    let mut counts = [0u64; 4];
    for &code in data.rows.iter().flat_map(|row| &row.codes) {
        if code < UNKNOWN {
            counts[usize::from(code)] += 1;
        }
    }
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let share = |base: usize| (counts[base] + counts[3 - base]) as f64 / (2.0 * total);
    let shares = [0, 1, 2, 3].map(share);
    match shares.contains(&0.0) {
        true => [0.25; 4],
        false => shares,
    }
}

/// Row and first base of each motif's occurrences that have values; a place counts once, whatever its strand.
fn occurrences(
    data: &ScoredRows,
    rows: &[Sums],
    scanner: &Scanner,
    motifs: usize,
    cancel: &Cancel,
) -> Result<Vec<Vec<(usize, usize)>>, Error> {
    let prepared: Vec<Prepared<'_>> = (data.rows.par_iter())
        .map(|row| Prepared::new(&row.codes))
        .collect();
    (0..motifs)
        .into_par_iter()
        .map(|motif| {
            cancel.check()?;
            let mut hits: Vec<(usize, usize)> = (scanner.hits_of(motif, &prepared).iter())
                .filter(|(row, hit)| rows[*row].has(hit.start, hit.end - hit.start))
                .map(|(row, hit)| (*row, hit.start))
                .collect();
            hits.dedup();
            Ok(hits)
        })
        .collect()
}

/// What is said of one motif, for each kind of value.
fn drivers(
    rows: &[Sums],
    hits: &[(usize, usize)],
    width: usize,
    moments: &Widths,
    kinds: usize,
    shuffles: usize,
    random: impl Fn(usize) -> Random,
) -> Vec<Driver> {
    let n = hits.len() as f64;
    let mut shuffled = vec![vec![0.0; shuffles]; kinds];
    for shuffle in 0..shuffles {
        let mut random = random(shuffle);
        for &(row, _) in hits {
            let at = rows[row].draw(width, moments.0[row].places, &mut random);
            for (kind, sums) in shuffled.iter_mut().enumerate() {
                sums[shuffle] += rows[row].mean(kind, at, width) / n;
            }
        }
    }
    (0..kinds)
        .map(|kind| {
            let over = |value: &dyn Fn(usize, usize) -> f64| -> f64 {
                hits.iter().map(|&(row, start)| value(row, start)).sum()
            };
            let mean = over(&|row, start| rows[row].mean(kind, start, width)) / n;
            let expected = over(&|row, _| moments.0[row].mean[kind]) / n;
            let deviation = over(&|row, _| moments.0[row].variance[kind]).sqrt() / n;
            let p = match shuffles {
                0 => f64::NAN,
                _ => p_from_null(mean, &shuffled[kind]),
            };
            Driver {
                mean,
                expected,
                deviation,
                z: (mean - expected) / deviation,
                p,
            }
        })
        .collect()
}

/// Motifs drawn of each kind at either end.
const DRAWN: usize = 15;

fn tables(
    kinds: &Kinds,
    motifs: &[Motif],
    found: &[Vec<(usize, usize)>],
    judged: &[Option<Vec<Driver>>],
    summary: &mut Summary,
) -> (Tsv, Vec<BarPanel>) {
    let mut table = Tsv::new(&[
        "motif",
        "motif_name",
        "value",
        "hits",
        "regions",
        "mean",
        "shuffled_mean",
        "shuffled_deviation",
        "z",
        "p",
        "q",
    ]);
    let mut panels = Vec::new();
    for (kind, name) in kinds.names.iter().enumerate() {
        let of = |motif: usize| judged[motif].as_ref().map(|kinds| kinds[kind]);
        let p: Vec<f64> = (0..motifs.len())
            .map(|m| of(m).map_or(f64::NAN, |d| d.p))
            .collect();
        let q = q_values(&p);
        let z = |motif: usize| of(motif).map_or(f64::NAN, |d| d.z);
        let mut order: Vec<usize> = (0..motifs.len()).collect();
        // What has no z comes last.
        let key = |motif: usize| {
            if z(motif).is_nan() {
                f64::NEG_INFINITY
            } else {
                z(motif)
            }
        };
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
        for &motif in &order {
            let hits = &found[motif];
            let mut regions: Vec<usize> = hits.iter().map(|hit| hit.0).collect();
            regions.dedup();
            table
                .text(&motifs[motif].name)
                .text(shown_name(&motifs[motif]))
                .text(name)
                .count(hits.len() as u64)
                .count(regions.len() as u64);
            let driver = of(motif);
            let mut put = |value: fn(&Driver) -> f64| {
                table.number(driver.as_ref().map_or(f64::NAN, |d| rounded(value(d))));
            };
            put(|d| d.mean);
            put(|d| d.expected);
            put(|d| d.deviation);
            put(|d| d.z);
            put(|d| d.p);
            table.number(q[motif]).end();
        }
        order.retain(|&motif| z(motif).is_finite());
        let ends = [order.first(), order.last()];
        let shown = ends.map(|m| m.map_or_else(|| "none".to_owned(), |&m| label(&motifs[m])));
        summary.ends.push((name.clone(), shown));
        let low = order
            .len()
            .saturating_sub(DRAWN)
            .max(DRAWN.min(order.len()));
        let drawn = order[..DRAWN.min(order.len())].iter().chain(&order[low..]);
        panels.push(BarPanel {
            title: name.clone(),
            bars: drawn
                .map(|&motif| Bar {
                    name: label(&motifs[motif]),
                    value: z(motif),
                })
                .collect(),
        });
    }
    (table, panels)
}

/// The name that people know a motif by.
fn label(motif: &Motif) -> String {
    // HOCOMOCO's identifiers begin with the factor.
    let other = motif.other_name.split_whitespace().next();
    let name = other.or_else(|| motif.name.split('.').next());
    name.unwrap_or(&motif.name).to_owned()
}

/// One task against another; the most different motifs by name.
fn against<'a>(
    config: &Config,
    names: &'a [String],
    [a, b]: [usize; 2],
    motifs: &[Motif],
    judged: &[Option<Vec<Driver>>],
) -> Scatter<'a> {
    const NAMED: usize = 25;
    let pair = names.len() - 1;
    let mut order: Vec<(usize, &Vec<Driver>)> = (judged.iter().enumerate())
        .filter_map(|(motif, kinds)| Some((motif, kinds.as_ref()?)))
        .filter(|(_, kinds)| kinds[pair].z.is_finite())
        .collect();
    let far = |kinds: &Vec<Driver>| kinds[pair].z.abs();
    order.sort_by(|x, y| far(y.1).total_cmp(&far(x.1)).then(x.0.cmp(&y.0)));
    let points = order
        .iter()
        .enumerate()
        .map(|(rank, (motif, kinds))| Labelled {
            at: (kinds[a].mean, kinds[b].mean),
            error: (f64::NAN, f64::NAN),
            name: (rank < NAMED).then(|| label(&motifs[*motif])),
        });
    Scatter {
        style: Style {
            title: match config.worth {
                Worth::Importance => "Mean importance under known motifs",
                Worth::Contribution => "Mean contribution under known motifs",
            },
            x: &names[a],
            y: &names[b],
        },
        points: points.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments are those that very many shuffles come to, and an occurrence on the only important bases stands out.
    #[test]
    fn shuffles_agree_with_the_exact_moments() {
        let mut random = Random::new(3, 0, 0);
        let rows: Vec<Sums> = (0..20)
            .map(|row| {
                let mut values: Vec<f32> = (0..60).map(|_| random.normal() as f32).collect();
                values[20..26].fill(4.0);
                values[row] = f32::NAN;
                Sums::new(&[values.clone(), values.iter().map(|v| -v).collect()])
            })
            .collect();
        let widths = Widths::new(&rows, 6, 2);
        let hits: Vec<(usize, usize)> = (0..20).map(|row| (row, 20)).collect();
        let shuffles = 4000;
        let seeds = |shuffle: usize| Random::new(1, 0, shuffle as u64);
        let found = drivers(&rows, &hits, 6, &widths, 2, shuffles, seeds);
        let mut means = Vec::new();
        for shuffle in 0..shuffles {
            let mut random = seeds(shuffle);
            let draw = |row: &Sums, random: &mut Random| {
                row.mean(0, row.draw(6, row.places(6), random), 6)
            };
            means.push(rows.iter().map(|row| draw(row, &mut random)).sum::<f64>() / 20.0);
        }
        let mean = means.iter().sum::<f64>() / shuffles as f64;
        let deviation =
            (means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / shuffles as f64).sqrt();
        assert!((found[0].expected - mean).abs() < 4.0 * deviation / (shuffles as f64).sqrt());
        assert!((found[0].deviation / deviation - 1.0).abs() < 0.05);
        assert_eq!(found[0].mean, 4.0);
        assert!(found[0].z > 10.0 && found[1].z < -10.0);
        assert_eq!(found[0].p, 1.0 / 4001.0);
    }
}
