//! Scores by distance from anchors, such as transcription starts, as deepTools' `computeMatrix
//! reference-point` and `plotProfile` define them: a bin's value at an anchor is the mean over its
//! bases that have a score, a profile the mean (or median) over the anchors that have one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1, s};
use serde_json::json;

use super::units::share_out;
use super::{Common, OverlapError};
use crate::genome::{ContigId, Interval};
use crate::intervals::{Annotation, Named, Placed, Site};
use crate::job::Cancel;
use crate::output::Tsv;
use crate::tracks::{Reader, Scores};
use crate::{plot, stats};

/// Which base of an anchor is at distance 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its first base in the direction of its strand.
    Start,
    /// Its middle base, start + length / 2.
    Centre,
    /// Behind its last base in the direction of its strand.
    End,
}

/// How anchors are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// All together.
    One,
    /// By column 4; these names, or all when empty.
    Names(Vec<String>),
    /// By quantile of column 5, lowest first.
    Quantiles(usize),
}

/// In which order a heat map's rows stand, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeatOrder {
    /// By the mean score around the anchor.
    Mean,
    /// By column 5.
    Score,
}

/// A run of `mpra-score overlap profile`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared settings.
    pub common: Common,
    /// Tracks.
    pub scores: Vec<Named>,
    /// Anchors.
    pub anchors: PathBuf,
    /// Bases to either side.
    pub flank: u32,
    /// Bases of a bin.
    pub bin: u32,
    /// Where distance 0 is.
    pub reference: Reference,
    /// Take anchors without strand as forward.
    pub unstranded: bool,
    /// Scores above are counted (the paper's enhancers).
    pub above: f64,
    /// Scores below are counted (repressors).
    pub below: f64,
    /// Groups.
    pub groups: Groups,
    /// Draw a heat map.
    pub heat: Option<HeatOrder>,
}

/// Anchors that a task reads.
const BATCH: usize = 64;
/// Rows of a heat map; more anchors are averaged.
const HEAT_ROWS: usize = 150;
const HEAT_COLUMNS: usize = 120;

#[derive(Clone, Copy, Debug)]
struct Anchor {
    contig: ContigId,
    /// Position of distance 0: the base's left edge forward, its right edge in reverse.
    at: i64,
    forward: bool,
}

fn anchor(site: &Site, contig: ContigId, reference: Reference) -> Anchor {
    let forward = site.strand >= 0;
    let (start, end) = (i64::from(site.bases.start()), i64::from(site.bases.end()));
    let at = match (reference, forward) {
        (Reference::Start, true) | (Reference::End, false) => start,
        (Reference::Start, false) | (Reference::End, true) => end,
        (Reference::Centre, _) => start + (end - start) / 2,
    };
    Anchor {
        contig,
        at,
        forward,
    }
}

/// Counts of bases in one bin of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    bases: u64,
    above: u64,
    below: u64,
}

/// One track around all anchors.
struct Matrix {
    /// `[anchor, bin]`, NaN where no base has a score.
    values: Array2<f32>,
    /// `[group, bin]`.
    counts: Array2<Count>,
}

/// Runs the analysis.
///
/// # Errors
/// For everything that can be wrong with scores, anchors, settings and the output folder.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Vec<PathBuf>, OverlapError> {
    config.common.check()?;
    let fail = |text: &str| Err(OverlapError::Setting(text.into()));
    if config.bin == 0 || config.flank == 0 || !config.flank.is_multiple_of(config.bin) {
        return fail("--flank must be a multiple of --bin, and both at least 1");
    }
    if config.flank > 1 << 24 {
        return fail("--flank must be at most 16,777,216");
    }
    if config.below.is_nan() || config.above.is_nan() || config.below > config.above {
        return fail("--below must not be higher than --above");
    }
    if config.groups == Groups::Quantiles(0) {
        return fail("at least one quantile group is needed");
    }
    config.common.check_output()?;
    let (table, groups, summaries, heats) = config.common.on_threads(|| compute(config, cancel))?;
    let mut out = config.common.output()?;
    table.write(&out.file("profile.tsv"))?;
    draw(config, &groups, &summaries, &out.file("profile.svg"))?;
    if config.heat.is_some() {
        draw_heat(config, &heats, &out.file("heatmap.svg"))?;
    }
    let scores = config.scores.iter().map(|s| ("scores", s.path.as_path()));
    let inputs = scores.chain([("anchors", config.anchors.as_path())]);
    let settings = json!({
        "flank": config.flank,
        "bin": config.bin,
        "reference": format!("{:?}", config.reference).to_lowercase(),
        "unstranded": config.unstranded,
        "above": config.above,
        "below": config.below,
        "anchors": groups.iter().map(|g| json!({"group": g.name, "anchors": g.members.len()})).collect::<Vec<_>>(),
    });
    let run = config.common.describe("profile", inputs, settings);
    cancel.check()?;
    Ok(out.commit(run)?)
}

struct Group {
    name: String,
    members: Vec<usize>,
}

/// The table, the groups, and for each track its summaries (`[group, bin]`) and what its heat map
/// shows: values (`[anchor, bin]`), and the order of the anchors.
type Computed = (Tsv, Vec<Group>, Vec<Array2<Summary>>, Vec<HeatInput>);
type HeatInput = (Array2<f32>, Vec<usize>);

fn compute(config: &Config, cancel: &Cancel) -> Result<Computed, OverlapError> {
    let common = &config.common;
    let scores = common.open_scores(&config.scores)?;
    let anchors = Annotation::read(&config.anchors)?;
    if let Some(site) = anchors.sites.iter().find(|s| s.strand == 0)
        && !config.unstranded
    {
        return Err(OverlapError::NoStrand {
            path: anchors.path.clone(),
            line: site.line,
        });
    }
    let groups = group(config, &anchors)?;
    let regions = common.open_regions()?;
    let mut table = Tsv::new(&[
        "scores",
        "group",
        "distance",
        "anchors",
        "mean",
        "median",
        "variance",
        "bases",
        "fraction_above",
        "fraction_below",
    ]);
    let mut of_group = vec![usize::MAX; anchors.sites.len()];
    for (g, group) in groups.iter().enumerate() {
        group.members.iter().for_each(|&m| of_group[m] = g);
    }
    let (mut summaries, mut heats) = (Vec::new(), Vec::new());
    for s in &scores {
        let limits = regions.as_ref().map(|r| common.place(r, s)).transpose()?;
        let matrix = read(
            config,
            s,
            &anchors,
            &of_group,
            groups.len(),
            limits.as_ref(),
            cancel,
        )?;
        if matrix.values.iter().all(|v| v.is_nan()) {
            return Err(OverlapError::NoSharedBases {
                intervals: anchors.path.clone(),
                scores: s.path.clone(),
            });
        }
        let track = Array2::from_shape_fn(matrix.counts.dim(), |(g, bin)| {
            let column = matrix.values.column(bin);
            let members = groups[g].members.iter().map(|&m| column[m]);
            summarise(members, matrix.counts[[g, bin]])
        });
        for (group, summaries) in groups.iter().zip(track.rows()) {
            for (bin, summary) in summaries.iter().enumerate() {
                let distance = f64::from(config.bin) * bin as f64 - f64::from(config.flank);
                table
                    .text(&s.name)
                    .text(&group.name)
                    .number(distance)
                    .count(summary.anchors);
                for v in [summary.mean, summary.median, summary.variance] {
                    table.number(v);
                }
                table.count(summary.count.bases);
                table.number(summary.share(summary.count.above));
                table.number(summary.share(summary.count.below)).end();
            }
        }
        if let Some(order) = config.heat {
            let rows = heat_rows(order, &anchors, &matrix.values, &of_group);
            heats.push((matrix.values, rows));
        }
        summaries.push(track);
    }
    Ok((table, groups, summaries, heats))
}

/// The grouped anchors with a score, in the order of a heat map's rows.
fn heat_rows(
    order: HeatOrder,
    anchors: &Annotation,
    values: &Array2<f32>,
    of_group: &[usize],
) -> Vec<usize> {
    let key = |m: usize| match order {
        HeatOrder::Score => anchors.sites[m].score,
        HeatOrder::Mean => {
            let row = values.row(m);
            let known = row.iter().filter(|v| !v.is_nan());
            known.clone().map(|&v| f64::from(v)).sum::<f64>() / known.count() as f64
        }
    };
    let mut rows: Vec<(f64, usize)> = (0..anchors.sites.len())
        .filter(|&m| of_group[m] != usize::MAX && values.row(m).iter().any(|v| !v.is_nan()))
        .map(|m| (key(m), m))
        .collect();
    rows.sort_by(|a, b| {
        let missing = a.0.is_nan().cmp(&b.0.is_nan());
        missing.then(b.0.total_cmp(&a.0)).then(a.1.cmp(&b.1))
    });
    rows.into_iter().map(|r| r.1).collect()
}

fn group(config: &Config, anchors: &Annotation) -> Result<Vec<Group>, OverlapError> {
    let all = 0..anchors.sites.len();
    Ok(match &config.groups {
        Groups::One => vec![Group {
            name: "all".into(),
            members: all.collect(),
        }],
        Groups::Names(names) => {
            if let Some(site) = anchors.sites.iter().find(|s| s.name.is_none())
                && anchors.names.is_empty()
            {
                return Err(OverlapError::NoName {
                    path: anchors.path.clone(),
                    line: site.line,
                });
            }
            let wanted = anchors.select(names)?;
            let mut members: HashMap<u32, Vec<usize>> = HashMap::new();
            for i in all {
                if let Some(name) = anchors.sites[i].name
                    && wanted.contains(&name)
                {
                    members.entry(name).or_default().push(i);
                }
            }
            let mut groups: Vec<Group> = members
                .into_iter()
                .map(|(name, members)| Group {
                    name: anchors.names[name as usize].clone(),
                    members,
                })
                .collect();
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            groups
        }
        Groups::Quantiles(count) => {
            let mut order: Vec<usize> = all.collect();
            if let Some(&i) = order.iter().find(|&&i| anchors.sites[i].score.is_nan()) {
                return Err(OverlapError::Setting(format!(
                    "{}, line {}: no number in column 5 to group by",
                    anchors.path.display(),
                    anchors.sites[i].line
                )));
            }
            order.sort_by(|&a, &b| {
                anchors.sites[a]
                    .score
                    .total_cmp(&anchors.sites[b].score)
                    .then(a.cmp(&b))
            });
            let mut groups: Vec<Group> = (0..*count)
                .map(|q| Group {
                    name: format!("score_{}_of_{count}", q + 1),
                    members: order[order.len() * q / count..order.len() * (q + 1) / count].to_vec(),
                })
                .collect();
            groups.iter_mut().for_each(|g| g.members.sort_unstable());
            groups
        }
    })
}

fn read(
    config: &Config,
    scores: &Scores,
    anchors: &Annotation,
    of_group: &[usize],
    groups: usize,
    limits: Option<&Placed>,
    cancel: &Cancel,
) -> Result<Matrix, OverlapError> {
    let ids = anchors.resolve(&scores.contigs, &config.common.aliases, &scores.path)?;
    let bins = (2 * config.flank / config.bin) as usize;
    let batches = anchors.sites.len().div_ceil(BATCH);
    let states = share_out(
        batches,
        cancel,
        || {
            Ok(State {
                config,
                limits,
                reader: scores.reader()?,
                buffer: Vec::new(),
                line: vec![f32::NAN; 2 * config.flank as usize],
                rows: Vec::new(),
                counts: Array2::default((groups, bins)),
            })
        },
        |state, batch| {
            let last = anchors.sites.len().min((batch + 1) * BATCH);
            let mine = (batch * BATCH..last).zip(&anchors.sites[batch * BATCH..last]);
            for ((i, site), &group) in mine.zip(&of_group[batch * BATCH..last]) {
                let Some(contig) = ids[site.contig as usize] else {
                    continue;
                };
                if group == usize::MAX {
                    continue;
                }
                state.read(&anchor(site, contig, config.reference))?;
                let row = state.bins(group);
                state.rows.push((i, row));
            }
            Ok(())
        },
    )?;
    let mut matrix = Matrix {
        values: Array2::from_elem((anchors.sites.len(), bins), f32::NAN),
        counts: Array2::default((groups, bins)),
    };
    for state in states {
        for (i, row) in state.rows {
            matrix.values.row_mut(i).assign(&ArrayView1::from(&row));
        }
        for (sum, c) in matrix.counts.iter_mut().zip(state.counts) {
            sum.bases += c.bases;
            sum.above += c.above;
            sum.below += c.below;
        }
    }
    Ok(matrix)
}

/// What a thread reads anchors with, and what it has read.
struct State<'a> {
    config: &'a Config,
    /// Where scores count, if not everywhere.
    limits: Option<&'a Placed>,
    reader: Reader<'a>,
    buffer: Vec<f32>,
    /// The scores around one anchor, in its direction.
    line: Vec<f32>,
    /// Anchors and their bins.
    rows: Vec<(usize, Vec<f32>)>,
    counts: Array2<Count>,
}

impl State<'_> {
    /// Reads the scores around an anchor.
    fn read(&mut self, a: &Anchor) -> Result<(), OverlapError> {
        let flank = i64::from(self.config.flank);
        let from = a.at - flank;
        let clip = |p: i64| p.clamp(0, i64::from(i32::MAX)) as u32;
        let span = Interval::new(clip(from), clip(a.at + flank)).unwrap_or_default();
        self.reader.fill(a.contig, span, &mut self.buffer)?;
        self.line.fill(f32::NAN);
        let at = (i64::from(span.start()) - from) as usize;
        match self.limits {
            None => self.line[at..at + self.buffer.len()].copy_from_slice(&self.buffer),
            Some(limits) => {
                for part in limits.within(a.contig, span) {
                    let range = part.indices_from(span.start());
                    self.line[at + range.start..at + range.end]
                        .copy_from_slice(&self.buffer[range]);
                }
            }
        }
        if !a.forward {
            self.line.reverse();
        }
        Ok(())
    }

    /// Means of the scores by bin, whose bases count for a group.
    fn bins(&mut self, group: usize) -> Vec<f32> {
        let counts = self.counts.row_mut(group);
        let parts = self.line.chunks(self.config.bin as usize);
        let bin = |(part, count): (&[f32], &mut Count)| {
            let (mut sum, mut n) = (0.0f64, 0u64);
            for &v in part.iter().filter(|v| !v.is_nan()) {
                let v = f64::from(v);
                sum += v;
                n += 1;
                count.above += u64::from(v > self.config.above);
                count.below += u64::from(v < self.config.below);
            }
            count.bases += n;
            match n {
                0 => f32::NAN,
                n => (sum / n as f64) as f32,
            }
        };
        parts.zip(counts).map(bin).collect()
    }
}

/// One bin of a group's profile.
#[derive(Clone, Copy, Debug)]
struct Summary {
    anchors: u64,
    mean: f64,
    median: f64,
    variance: f64,
    count: Count,
}

impl Summary {
    fn share(&self, part: u64) -> f64 {
        part as f64 / self.count.bases as f64
    }
}

/// Variance is that of the sample (n - 1).
fn summarise(column: impl Iterator<Item = f32>, count: Count) -> Summary {
    let mut known: Vec<f64> = column.filter(|v| !v.is_nan()).map(f64::from).collect();
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let squares: f64 = known.iter().map(|v| (v - mean).powi(2)).sum();
    known.sort_unstable_by(f64::total_cmp);
    Summary {
        anchors: known.len() as u64,
        mean,
        median: stats::quantile(&known, 0.5).unwrap_or(f64::NAN),
        variance: if known.len() > 1 {
            squares / (n - 1.0)
        } else {
            f64::NAN
        },
        count,
    }
}

fn draw(
    config: &Config,
    groups: &[Group],
    tracks: &[Array2<Summary>],
    path: &Path,
) -> Result<(), OverlapError> {
    let x = |bin: usize| (bin as f64 + 0.5) * f64::from(config.bin) - f64::from(config.flank);
    let above = format!(
        "fraction of bases above {} or below {}",
        config.above, config.below
    );
    let mut panels = Vec::new();
    for (s, track) in config.scores.iter().zip(tracks) {
        let line = |name: String, g: usize, of: &dyn Fn(&Summary) -> f64| plot::Line {
            name,
            points: (track.row(g).iter().enumerate())
                .map(|(bin, summary)| (x(bin), of(summary)))
                .collect(),
        };
        let means = groups
            .iter()
            .enumerate()
            .map(|(g, group)| line(group.name.clone(), g, &|s| s.mean))
            .collect();
        let style = |y| plot::Style {
            title: s.name.as_str(),
            x: "distance from the anchor (bases, upstream negative)",
            y,
        };
        panels.push((style("mean score"), means));
        let mut shares = Vec::new();
        for (g, group) in groups.iter().enumerate() {
            shares.push(line(format!("{}, above", group.name), g, &|s| {
                s.share(s.count.above)
            }));
            shares.push(line(format!("{}, below", group.name), g, &|s| {
                s.share(s.count.below)
            }));
        }
        panels.push((style(above.as_str()), shares));
    }
    plot::profiles(path, "Scores around anchors", &panels)?;
    Ok(())
}

fn draw_heat(config: &Config, matrices: &[HeatInput], path: &Path) -> Result<(), OverlapError> {
    let bins = (2 * config.flank / config.bin) as usize;
    let panels: Vec<plot::Heat> = config
        .scores
        .iter()
        .zip(matrices)
        .map(|(s, (values, order))| {
            let (rows, columns) = (order.len().min(HEAT_ROWS), bins.min(HEAT_COLUMNS));
            let cell = |r: usize, c: usize| {
                let members = &order[order.len() * r / rows..order.len() * (r + 1) / rows];
                let part = bins * c / columns..bins * (c + 1) / columns;
                let (mut sum, mut n) = (0.0, 0u32);
                for &m in members {
                    let row = values.slice(s![m, part.clone()]);
                    for &v in row.iter().filter(|v| !v.is_nan()) {
                        sum += f64::from(v);
                        n += 1;
                    }
                }
                sum / f64::from(n)
            };
            plot::Heat {
                title: s.name.clone(),
                x_label: "distance from the anchor (bases, upstream negative)".into(),
                y_label: format!("{} anchors in {rows} rows", order.len()),
                x: (-f64::from(config.flank), f64::from(config.flank)),
                rows: (0..rows)
                    .map(|r| (0..columns).map(|c| cell(r, c)).collect())
                    .collect(),
            }
        })
        .collect();
    plot::heat(path, "Scores around each anchor", &panels)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_points() {
        let site = |strand| Site {
            contig: 0,
            bases: Interval::new(10, 20).unwrap(),
            name: None,
            score: 0.0,
            strand,
            line: 1,
        };
        for (strand, reference, at) in [
            (1, Reference::Start, 10),
            (-1, Reference::Start, 20),
            (1, Reference::End, 20),
            (-1, Reference::End, 10),
            (0, Reference::Start, 10),
            (1, Reference::Centre, 15),
        ] {
            assert_eq!(anchor(&site(strand), 0, reference).at, at);
        }
    }

    #[test]
    fn summaries() {
        let s = summarise([1.0, f32::NAN, 2.0, 6.0].into_iter(), Count::default());
        assert_eq!(
            (s.anchors, s.mean, s.median, s.variance),
            (3, 3.0, 2.0, 7.0)
        );
        assert!(
            summarise([f32::NAN].into_iter(), Count::default())
                .mean
                .is_nan()
        );
    }
}
