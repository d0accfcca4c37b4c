//! Mean scores over the sites of each name, such as a transcription factor (paper, figure 9).

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;

use super::units::share_out;
use super::{Common, OverlapError};
use crate::genome::Interval;
use crate::intervals::{Annotation, Named, Placed};
use crate::job::Cancel;
use crate::output::Tsv;
use crate::plot;
use crate::stats::{self, Random};
use crate::tracks::Scores;

/// What a site's score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteScore {
    /// Mean over its bases that have a score.
    Mean,
    /// The score of the largest absolute value, with its sign (the first of equals).
    Largest,
}

/// A run of `mpra-score overlap by-name`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared settings.
    pub common: Common,
    /// Tracks; the first two are compared.
    pub scores: Vec<Named>,
    /// Sites with names in column 4.
    pub annotation: PathBuf,
    /// Names to take; all when empty.
    pub names: Vec<String>,
    /// What a site's score is.
    pub site_score: SiteScore,
    /// How many names are labelled in the figure, the farthest from the diagonal first.
    pub label: usize,
    /// Write one row a site too.
    pub sites: bool,
}

/// Sites that are read together lie within so many bases.
const SPAN: u32 = 1 << 18;

#[derive(Clone, Copy, Debug, Default)]
struct SiteValue {
    covered: u32,
    sum: f64,
    largest: f32,
}

impl SiteValue {
    fn score(&self, kind: SiteScore) -> f64 {
        match (self.covered, kind) {
            (0, _) => f64::NAN,
            (n, SiteScore::Mean) => self.sum / f64::from(n),
            (_, SiteScore::Largest) => f64::from(self.largest),
        }
    }
}

fn site_value(values: &[f32]) -> SiteValue {
    let mut v = SiteValue::default();
    for &x in values.iter().filter(|x| !x.is_nan()) {
        v.covered += 1;
        v.sum += f64::from(x);
        if x.abs() > v.largest.abs() || v.covered == 1 {
            v.largest = x;
        }
    }
    v
}

/// Values of all sites of a track, in the order of `sites`; bases outside the regions have none.
fn read_sites(
    scores: &Scores,
    annotation: &Annotation,
    sites: &[usize],
    limits: Option<&Placed>,
    common: &Common,
    cancel: &Cancel,
) -> Result<Vec<SiteValue>, OverlapError> {
    let ids = annotation.resolve(&scores.contigs, &common.aliases, &scores.path)?;
    // By place, so that neighbours are read at once.
    let mut order: Vec<(u32, Interval, usize)> = sites
        .iter()
        .enumerate()
        .filter_map(|(at, &i)| {
            let site = &annotation.sites[i];
            let id = ids[site.contig as usize]?;
            // Behind the last score there is none, and a site's end may be anywhere.
            let end = site.bases.end().min(scores.contigs.get(id).length);
            Some((id, Interval::new(site.bases.start(), end)?, at))
        })
        .collect();
    order.sort_unstable();
    let mut groups = Vec::new();
    let mut from = 0;
    let mut end = 0;
    for i in 0..order.len() {
        let (contig, bases, _) = order[i];
        let first = &order[from];
        let near = bases.start().saturating_sub(end) < 4096;
        if i > from && (contig != first.0 || bases.end() - first.1.start() > SPAN || !near) {
            groups.push(from..i);
            from = i;
            end = 0;
        }
        end = end.max(bases.end());
    }
    if from < order.len() {
        groups.push(from..order.len());
    }
    let states = share_out(
        groups.len(),
        cancel,
        || Ok((scores.reader()?, Vec::new(), Vec::new())),
        |(reader, buffer, out), group| {
            let mine = &order[groups[group].clone()];
            let start = mine[0].1.start();
            let end = mine.iter().map(|s| s.1.end()).max().unwrap_or(start);
            let span = Interval::new(start, end).unwrap_or_default();
            reader.fill(mine[0].0, span, buffer)?;
            if let Some(limits) = limits {
                let mut last = start;
                let mut clear = |from: u32, to: u32| {
                    buffer[(from - start) as usize..(to - start) as usize].fill(f32::NAN);
                };
                for inside in limits.within(mine[0].0, span) {
                    clear(last, inside.start());
                    last = inside.end();
                }
                clear(last, end);
            }
            for (_, bases, at) in mine {
                out.push((*at, site_value(&buffer[bases.indices_from(start)])));
            }
            Ok(())
        },
    )?;
    let mut all = vec![SiteValue::default(); sites.len()];
    for (at, value) in states.into_iter().flat_map(|s| s.2) {
        all[at] = value;
    }
    Ok(all)
}

#[derive(Clone, Copy, Debug)]
struct Mean {
    sites: u64,
    mean: f64,
    error: f64,
}

/// Mean and standard error (sample standard deviation over the square root of the number).
fn mean(values: impl Iterator<Item = f64> + Clone) -> Mean {
    let values = values.filter(|v| !v.is_nan());
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
    Mean {
        sites: n as u64,
        mean: if n > 0.0 { mean } else { f64::NAN },
        error: if n > 1.0 {
            (squares / (n - 1.0) / n).sqrt()
        } else {
            f64::NAN
        },
    }
}

#[derive(Clone, Copy, Debug)]
struct Difference {
    value: f64,
    low: f64,
    high: f64,
    p: f64,
}

/// Mean over sites of first minus second track, resampling whole blocks of neighbouring sites.
fn difference(pairs: &[((u32, u32), f64)], common: &Common, name: u64) -> Difference {
    let mut blocks: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
    for (block, d) in pairs {
        let sum = blocks.entry(*block).or_default();
        sum.0 += d;
        sum.1 += 1.0;
    }
    let blocks: Vec<(f64, f64)> = blocks.into_values().collect();
    let ratio = |sum: (f64, f64)| sum.0 / sum.1;
    let add = |a: (f64, f64), b: &(f64, f64)| (a.0 + b.0, a.1 + b.1);
    let value = ratio(blocks.iter().fold((0.0, 0.0), add));
    let (mut low, mut high, mut p) = (f64::NAN, f64::NAN, f64::NAN);
    if blocks.len() > 1 && common.bootstrap > 1 {
        let drawn: Vec<f64> = (0..common.bootstrap)
            .map(|replicate| {
                let mut random = Random::new(common.seed, name, replicate);
                let draw = |_| &blocks[random.below(blocks.len() as u64) as usize];
                ratio((0..blocks.len()).map(draw).fold((0.0, 0.0), add))
            })
            .collect();
        let spread = mean(drawn.iter().copied());
        let deviation = spread.error * (spread.sites as f64).sqrt();
        if deviation > 0.0 {
            p = stats::p_from_normal(value / deviation);
        }
        if let Some(ends) = stats::interval(drawn, common.interval) {
            (low, high) = ends;
        }
    }
    Difference {
        value,
        low,
        high,
        p,
    }
}

struct Factor {
    name: String,
    sites: u64,
    bases: u64,
    means: Vec<Mean>,
    difference: Option<Difference>,
    q: f64,
}

/// Runs the analysis.
///
/// # Errors
/// For everything that can be wrong with scores, sites, settings and the output folder.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Vec<PathBuf>, OverlapError> {
    config.common.check()?;
    config.common.check_output()?;
    let (mut factors, site_table) = config.common.on_threads(|| factors(config, cancel))?;
    let mut out = config.common.output()?;
    let p: Vec<f64> = factors
        .iter()
        .map(|f| f.difference.map_or(f64::NAN, |d| d.p))
        .collect();
    for (factor, q) in factors.iter_mut().zip(stats::q_values(&p)) {
        factor.q = q;
    }
    let key = |f: &Factor| f.difference.map_or(f.means[0].mean, |d| d.value);
    // Highest first, those without a value last, equals by name.
    factors.sort_by(|a, b| {
        let (x, y) = (key(a), key(b));
        x.is_nan()
            .cmp(&y.is_nan())
            .then(y.total_cmp(&x))
            .then_with(|| a.name.cmp(&b.name))
    });
    table(config, &factors).write(&out.file("by-name.tsv"))?;
    if let Some(sites) = site_table {
        sites.write(&out.file("sites.tsv"))?;
    }
    if config.scores.len() > 1 {
        draw(config, &factors, &out.file("by-name.svg"))?;
    }
    let scores = config.scores.iter().map(|s| ("scores", s.path.as_path()));
    let inputs = scores.chain([("annotation", config.annotation.as_path())]);
    let settings = json!({
        "site_score": match config.site_score {
            SiteScore::Mean => "mean",
            SiteScore::Largest => "largest",
        },
        "names": config.names,
    });
    let run = config.common.describe("by-name", inputs, settings);
    cancel.check()?;
    Ok(out.commit(run)?)
}

fn factors(config: &Config, cancel: &Cancel) -> Result<(Vec<Factor>, Option<Tsv>), OverlapError> {
    let common = &config.common;
    let scores = common.open_scores(&config.scores)?;
    let annotation = Annotation::read(&config.annotation)?;
    let unnamed = annotation.sites.iter().find(|s| s.name.is_none());
    if let Some(site) = unnamed.filter(|_| annotation.names.is_empty()) {
        return Err(OverlapError::NoName {
            path: annotation.path.clone(),
            line: site.line,
        });
    }
    let wanted: HashSet<u32> = annotation.select(&config.names)?;
    let regions = common.open_regions()?;
    let sites: Vec<usize> = (0..annotation.sites.len())
        .filter(|&i| {
            annotation.sites[i]
                .name
                .is_some_and(|n| wanted.contains(&n))
        })
        .collect();
    let mut values: Vec<Vec<SiteValue>> = Vec::new();
    for s in &scores {
        let limits = regions.as_ref().map(|r| common.place(r, s)).transpose()?;
        let read = read_sites(s, &annotation, &sites, limits.as_ref(), common, cancel)?;
        if read.iter().all(|v| v.covered == 0) {
            return Err(OverlapError::NoSharedBases {
                intervals: annotation.path.clone(),
                scores: s.path.clone(),
            });
        }
        values.push(read);
    }
    let mut by_name: Vec<Vec<usize>> = vec![Vec::new(); annotation.names.len()];
    for (at, &i) in sites.iter().enumerate() {
        if let Some(name) = annotation.sites[i].name {
            by_name[name as usize].push(at);
        }
    }
    let score = |track: usize, at: usize| values[track][at].score(config.site_score);
    let factors = by_name
        .par_iter()
        .enumerate()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| {
            let place = |at: usize| &annotation.sites[sites[at]];
            let means = (0..scores.len())
                .map(|t| mean(list.iter().map(|&at| score(t, at))))
                .collect();
            let difference = (scores.len() > 1).then(|| {
                let pairs: Vec<((u32, u32), f64)> = list
                    .iter()
                    .map(|&at| {
                        let site = place(at);
                        let block = (site.contig, site.bases.start() / common.block);
                        (block, score(0, at) - score(1, at))
                    })
                    .filter(|p| !p.1.is_nan())
                    .collect();
                difference(&pairs, common, name as u64)
            });
            Factor {
                name: annotation.names[name].clone(),
                sites: list.len() as u64,
                bases: union(list.iter().map(|&at| (place(at).contig, place(at).bases))),
                means,
                difference,
                q: f64::NAN,
            }
        })
        .collect();
    let table = config
        .sites
        .then(|| site_table(config, &annotation, &sites, &values));
    Ok((factors, table))
}

/// Bases in at least one of the intervals.
fn union(intervals: impl Iterator<Item = (u32, Interval)>) -> u64 {
    let mut list: Vec<(u32, Interval)> = intervals.collect();
    list.sort_unstable();
    let (mut bases, mut contig, mut end) = (0, u32::MAX, 0);
    for (c, i) in list {
        if c != contig {
            (contig, end) = (c, 0);
        }
        bases += u64::from(i.end().saturating_sub(end.max(i.start())));
        end = end.max(i.end());
    }
    bases
}

fn table(config: &Config, factors: &[Factor]) -> Tsv {
    let mut header: Vec<String> = ["rank", "name", "sites", "bases"]
        .map(str::to_owned)
        .to_vec();
    for s in &config.scores {
        header.extend(["scored_sites", "mean", "se"].map(|x| format!("{}.{x}", s.name)));
    }
    if config.scores.len() > 1 {
        header.extend(["difference", "low", "high", "p", "q"].map(str::to_owned));
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Tsv::new(&header);
    for (rank, f) in (1..).zip(factors) {
        table
            .count(rank)
            .text(&f.name)
            .count(f.sites)
            .count(f.bases);
        for m in &f.means {
            table.count(m.sites).number(m.mean).number(m.error);
        }
        if let Some(d) = f.difference {
            table
                .number(d.value)
                .number(d.low)
                .number(d.high)
                .number(d.p)
                .number(f.q);
        }
        table.end();
    }
    table
}

fn site_table(
    config: &Config,
    annotation: &Annotation,
    sites: &[usize],
    values: &[Vec<SiteValue>],
) -> Tsv {
    let mut header: Vec<String> = ["contig", "start", "end", "name"]
        .map(str::to_owned)
        .to_vec();
    for s in &config.scores {
        header.extend(["covered", "mean", "largest"].map(|x| format!("{}.{x}", s.name)));
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Tsv::new(&header);
    for (at, &i) in sites.iter().enumerate() {
        let site = &annotation.sites[i];
        let name = site.name.map_or(".", |n| &annotation.names[n as usize]);
        table.text(&annotation.contigs[site.contig as usize]);
        table
            .count(site.bases.start().into())
            .count(site.bases.end().into())
            .text(name);
        for track in values {
            let v = track[at];
            table.count(v.covered.into());
            table
                .number(v.score(SiteScore::Mean))
                .number(v.score(SiteScore::Largest));
        }
        table.end();
    }
    table
}

fn draw(config: &Config, factors: &[Factor], path: &Path) -> Result<(), OverlapError> {
    let mut order: Vec<(usize, f64)> = factors
        .iter()
        .enumerate()
        .filter_map(|(i, f)| Some((i, f.difference?.value.abs())))
        .filter(|d| !d.1.is_nan())
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: HashSet<usize> = order.iter().take(config.label).map(|o| o.0).collect();
    let points = factors
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.means[0].mean.is_nan() && !f.means[1].mean.is_nan())
        .map(|(i, f)| plot::Labelled {
            at: (f.means[0].mean, f.means[1].mean),
            error: (f.means[0].error, f.means[1].error),
            name: named.contains(&i).then(|| f.name.clone()),
        })
        .collect();
    let what = match config.site_score {
        SiteScore::Mean => "Mean score",
        SiteScore::Largest => "Mean of the largest |score|",
    };
    let figure = plot::Scatter {
        style: plot::Style {
            title: &format!("{what} over the sites of each name"),
            x: &config.scores[0].name,
            y: &config.scores[1].name,
        },
        points,
    };
    plot::scatter(path, &figure)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_site() {
        let v = site_value(&[f32::NAN, 1.0, -3.0, 3.0]);
        assert_eq!((v.covered, v.sum, v.largest), (3, 1.0, -3.0));
        assert_eq!(v.score(SiteScore::Mean), 1.0 / 3.0);
        assert!(site_value(&[f32::NAN]).score(SiteScore::Largest).is_nan());
    }

    #[test]
    fn means_and_unions() {
        let m = mean([1.0, 2.0, f64::NAN, 6.0].into_iter());
        assert_eq!((m.sites, m.mean), (3, 3.0));
        // Sample variance 7: sqrt(7 / 3).
        assert!((m.error - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        let i = |a, b| Interval::new(a, b).unwrap();
        let list = [
            (0, i(0, 10)),
            (1, i(0, 10)),
            (0, i(5, 12)),
            (0, i(6, 7)),
            (0, i(20, 21)),
        ];
        assert_eq!(union(list.into_iter()), 12 + 1 + 10);
    }

    #[test]
    fn differences() {
        let pairs: Vec<((u32, u32), f64)> = (0..400)
            .map(|i| ((0, i / 2), 1.0 + f64::from(i % 2)))
            .collect();
        let d = difference(&pairs, &Common::default(), 0);
        // Every block has the same mean: no spread at all.
        assert_eq!((d.value, d.low, d.high), (1.5, 1.5, 1.5));
        let pairs: Vec<((u32, u32), f64)> = (0..400)
            .map(|i| ((0, i), if i % 2 == 0 { 1.0 } else { -1.0 }))
            .collect();
        let d = difference(&pairs, &Common::default(), 0);
        // Standard error 1/20: the 95% interval is near +-0.098.
        assert!(d.value == 0.0 && d.p == 1.0);
        assert!(
            (d.high - 0.098).abs() < 0.03 && (d.low + 0.098).abs() < 0.03,
            "{d:?}"
        );
    }
}
