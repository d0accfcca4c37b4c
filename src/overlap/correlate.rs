//! Agreement of two tracks (paper, figure 7): Pearson and Spearman over bases and over regions,
//! signed and absolute.
//!
//! Pairs of scores are held in memory (8 bytes a base that has both, 40 while ranks are made).

use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::json;

use super::units::share_out;
use super::{Common, OverlapError};
use crate::genome::Interval;
use crate::intervals::{IntervalError, Named};
use crate::job::Cancel;
use crate::output::Tsv;
use crate::plot;
use crate::stats::{self, Moments, Random};
use crate::tracks::Scores;

/// A run of `mpra-score overlap correlate`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared settings.
    pub common: Common,
    /// One track.
    pub scores: Named,
    /// The other.
    pub with: Named,
}

/// Bases read at a time.
const SPAN: u32 = 1 << 20;

/// A stretch over which scores are averaged, and which the bootstrap draws whole.
#[derive(Clone, Copy, Debug)]
struct Unit {
    ours: u32,
    theirs: u32,
    span: Interval,
}

/// Runs the analysis.
///
/// # Errors
/// For everything that can be wrong with scores, settings and the output folder; also when fewer
/// than three bases have both scores or a track does not vary.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Vec<PathBuf>, OverlapError> {
    config.common.check()?;
    config.common.check_output()?;
    let (table, figure) = config.common.on_threads(|| compute(config, cancel))?;
    let mut out = config.common.output()?;
    table.write(&out.file("correlation.tsv"))?;
    let title = format!("{} against {}", config.with.name, config.scores.name);
    plot::hexes(&out.file("correlation.svg"), &title, &figure)?;
    let inputs = [
        ("scores", &*config.scores.path),
        ("with", &config.with.path),
    ];
    let run = config.common.describe("correlate", inputs, json!({}));
    cancel.check()?;
    Ok(out.commit(run)?)
}

fn compute(config: &Config, cancel: &Cancel) -> Result<(Tsv, Vec<plot::Hexes>), OverlapError> {
    let common = &config.common;
    let files = [config.scores.clone(), config.with.clone()];
    let mut opened = common.open_scores(&files)?.into_iter();
    let (Some(ours), Some(theirs)) = (opened.next(), opened.next()) else {
        return Err(OverlapError::Setting("two score tracks are needed".into()));
    };
    let (units, of) = units(config, &ours, &theirs)?;
    let (bases, ends) = read(&ours, &theirs, &units, common.block, cancel)?;
    let too_few = |n: usize, what: &str| {
        OverlapError::NoVariation(format!(
            "{} and {} share {n} {what}; at least 3 are needed",
            ours.path.display(),
            theirs.path.display()
        ))
    };
    if bases.len() < 3 {
        return Err(too_few(bases.len(), "base(s)"));
    }
    // Means over the units that share a base.
    let (mut means, mut unit_blocks) = (Vec::new(), Vec::new());
    let mut from = 0;
    for &end in &ends.units {
        let part = &bases[from..end];
        if !part.is_empty() {
            let sum = part.iter().fold((0.0, 0.0), |s, p| {
                (s.0 + f64::from(p.0), s.1 + f64::from(p.1))
            });
            let n = part.len() as f64;
            means.push(((sum.0 / n) as f32, (sum.1 / n) as f32));
            unit_blocks.push(means.len());
        }
        from = end;
    }
    let mut table = Tsv::new(&[
        "over",
        "values",
        "method",
        "n",
        "blocks",
        "correlation",
        "low",
        "high",
    ]);
    type Level<'a> = (&'a str, &'a [(f32, f32)], &'a [usize]);
    let levels: [Level; 2] = [("bases", &bases, &ends.blocks), (of, &means, &unit_blocks)];
    for (level, pairs, blocks) in levels {
        for absolute in [false, true] {
            let side = |f: fn(&(f32, f32)) -> f32| -> Vec<f32> {
                pairs
                    .iter()
                    .map(|p| if absolute { f(p).abs() } else { f(p) })
                    .collect()
            };
            let (x, y) = (side(|p| p.0), side(|p| p.1));
            for method in ["pearson", "spearman"] {
                let moments = match method {
                    "pearson" => moments(blocks, |i| (f64::from(x[i]), f64::from(y[i]))),
                    _ => {
                        let (rx, ry) = rayon::join(|| stats::ranks(&x), || stats::ranks(&y));
                        // Centred, so that squares of ranks of 10^9 bases keep their digits.
                        let middle = (x.len() + 1) as f64 / 2.0;
                        moments(blocks, |i| (rx[i] - middle, ry[i] - middle))
                    }
                };
                let (r, low, high) = bootstrap(&moments, common);
                if level == "bases" && !absolute && r.is_nan() {
                    return Err(OverlapError::NoVariation(format!(
                        "all shared scores of {} or {} are equal; there is no correlation",
                        ours.path.display(),
                        theirs.path.display()
                    )));
                }
                table
                    .text(level)
                    .text(if absolute { "absolute" } else { "signed" });
                table
                    .text(method)
                    .count(pairs.len() as u64)
                    .count(moments.len() as u64);
                table.number(r).number(low).number(high).end();
            }
        }
    }
    let panel = |title: &str, points: Vec<(f32, f32)>| plot::Hexes {
        title: title.into(),
        x_label: ours.name.clone(),
        y_label: theirs.name.clone(),
        points,
    };
    Ok((table, vec![panel("bases", bases), panel(of, means)]))
}

/// The regions given (each row), else a table's rows, else blocks.
fn units(
    config: &Config,
    ours: &Scores,
    theirs: &Scores,
) -> Result<(Vec<Unit>, &'static str), OverlapError> {
    let common = &config.common;
    let pair = |name: &str| {
        let a = common.aliases.resolve(name, &ours.contigs)?;
        let b = common.aliases.resolve(name, &theirs.contigs)?;
        Some((a, b))
    };
    let mut units = Vec::new();
    let what;
    if let Some(regions) = common.open_regions()? {
        regions.resolve(&ours.contigs, &common.aliases, &ours.path)?;
        for site in &regions.sites {
            if let Some((a, b)) = pair(&regions.contigs[site.contig as usize]) {
                // Behind an end there are no pairs, and an end may be anywhere.
                let end = ours.contigs.get(a).length.min(theirs.contigs.get(b).length);
                let end = site.bases.end().min(end);
                if let Some(span) = Interval::new(site.bases.start(), end) {
                    units.push(Unit {
                        ours: a,
                        theirs: b,
                        span,
                    });
                }
            }
        }
        what = "regions";
    } else if let Some((table, other)) = ours
        .table()
        .map(|t| (t, ours))
        .or_else(|| theirs.table().map(|t| (t, theirs)))
    {
        for row in &table.rows {
            if let Some((a, b)) = pair(&other.contigs.get(row.contig).name) {
                units.push(Unit {
                    ours: a,
                    theirs: b,
                    span: row.bases,
                });
            }
        }
        what = "regions";
    } else {
        for contig in ours.contigs.iter() {
            let Some((a, b)) = pair(&contig.name) else {
                continue;
            };
            let mut start = 0;
            while start < contig.length {
                let end = start.saturating_add(common.block).min(contig.length);
                if let Some(span) = Interval::new(start, end) {
                    units.push(Unit {
                        ours: a,
                        theirs: b,
                        span,
                    });
                }
                start = end;
            }
        }
        what = "blocks";
    }
    if units.is_empty() {
        let name = |s: &Scores| s.contigs.iter().next().map_or("", |c| &c.name).to_owned();
        let similar = ours
            .contigs
            .iter()
            .any(|c| theirs.contigs.similar(&c.name).is_some());
        return Err(IntervalError::NoSharedContigs {
            intervals: theirs.path.clone(),
            scores: ours.path.clone(),
            theirs: name(theirs),
            ours: name(ours),
            chr: similar,
        }
        .into());
    }
    // A base that lies in several regions counts once: each region keeps what is left of it.
    units.sort_unstable_by_key(|u| (u.ours, u.span));
    Ok((units, what))
}

struct Ends {
    /// Where each unit's pairs end.
    units: Vec<usize>,
    /// Where each bootstrap block's pairs end.
    blocks: Vec<usize>,
}

type Pairs = Vec<(f32, f32)>;

fn read(
    ours: &Scores,
    theirs: &Scores,
    units: &[Unit],
    block: u32,
    cancel: &Cancel,
) -> Result<(Pairs, Ends), OverlapError> {
    // Neighbouring units read together.
    let mut groups = Vec::new();
    let mut from = 0;
    for i in 1..=units.len() {
        let split = i == units.len()
            || units[i].ours != units[from].ours
            || units[i].span.end().saturating_sub(units[from].span.start()) > SPAN
            || units[i]
                .span
                .start()
                .saturating_sub(units[i - 1].span.end())
                > 4096;
        if split {
            groups.push(from..i);
            from = i;
        }
    }
    let states = share_out(
        groups.len(),
        cancel,
        || {
            Ok((
                ours.reader()?,
                theirs.reader()?,
                Vec::new(),
                Vec::new(),
                Vec::new(),
            ))
        },
        |(a, b, x, y, out), g| {
            let mine = &units[groups[g].clone()];
            let start = mine[0].span.start();
            let end = mine.iter().map(|u| u.span.end()).max().unwrap_or(start);
            let span = Interval::new(start, end).unwrap_or_default();
            a.fill(mine[0].ours, span, x)?;
            b.fill(mine[0].theirs, span, y)?;
            let (mut pairs, mut ends) = (Pairs::new(), Vec::new());
            let mut done = start;
            for unit in mine {
                let from = unit.span.start().max(done).min(unit.span.end());
                let part = (from - start) as usize..(unit.span.end() - start) as usize;
                done = done.max(unit.span.end());
                let both = x[part.clone()].iter().zip(&y[part]);
                pairs.extend(
                    both.filter(|p| !p.0.is_nan() && !p.1.is_nan())
                        .map(|p| (*p.0, *p.1)),
                );
                ends.push(pairs.len());
            }
            out.push((g, pairs, ends));
            Ok(())
        },
    )?;
    let mut parts: Vec<(usize, Pairs, Vec<usize>)> = states.into_iter().flat_map(|s| s.4).collect();
    parts.sort_unstable_by_key(|p| p.0);
    let mut all = Pairs::new();
    let mut ends = Ends {
        units: Vec::new(),
        blocks: Vec::new(),
    };
    let mut last = None;
    for (g, pairs, unit_ends) in parts {
        for (unit, end) in units[groups[g].clone()].iter().zip(unit_ends) {
            let end = all.len() + end;
            ends.units.push(end);
            // Regions that overlap or lie in the same block are drawn together.
            let key = (unit.ours, unit.span.start() / block.max(1));
            match ends.blocks.last_mut() {
                Some(e) if last == Some(key) => *e = end,
                _ => ends.blocks.push(end),
            }
            last = Some(key);
        }
        all.extend(pairs);
    }
    ends.blocks.dedup();
    ends.blocks.retain(|&e| e > 0);
    Ok((all, ends))
}

/// Moments of each block, given where each ends.
fn moments(ends: &[usize], of: impl Fn(usize) -> (f64, f64) + Sync) -> Vec<Moments> {
    (0..ends.len())
        .into_par_iter()
        .map(|b| {
            let from = if b > 0 { ends[b - 1] } else { 0 };
            let mut m = Moments::default();
            for (x, y) in (from..ends[b]).map(&of) {
                m.add(x, y);
            }
            m
        })
        .collect()
}

/// The correlation and its interval over resampled blocks. Ranks are those of the whole, not made
/// anew for each replicate.
fn bootstrap(blocks: &[Moments], common: &Common) -> (f64, f64, f64) {
    let sum = |list: &mut dyn Iterator<Item = &Moments>| {
        let mut all = Moments::default();
        list.for_each(|m| all.merge(m));
        all.correlation()
    };
    let r = sum(&mut blocks.iter());
    let drawn: Vec<f64> = (0..common.bootstrap)
        .into_par_iter()
        .map(|replicate| {
            let mut random = Random::new(common.seed, replicate, 1);
            sum(&mut (0..blocks.len()).map(|_| &blocks[random.below(blocks.len() as u64) as usize]))
        })
        .collect();
    let enough = blocks.len() > 1 && common.bootstrap > 1;
    let ends = stats::interval(drawn, common.interval).filter(|_| enough);
    let (low, high) = ends.unwrap_or((f64::NAN, f64::NAN));
    (r, low, high)
}
