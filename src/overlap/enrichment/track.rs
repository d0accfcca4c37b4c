//! One track, read once or more, and all annotations on it.

use std::ops::Range;

use super::{Bin, Config, Outcome, SHARES, TrackOutcome};
use crate::intervals::{Annotation, IntervalError, Placed};
use crate::job::Cancel;
use crate::overlap::counter::{Counters, Grouped};
use crate::overlap::rank::{Ranking, rank_of};
use crate::overlap::sketch::{self, Levels, Sketch, Statistics, Uncertainty};
use crate::overlap::units::{self, Block};
use crate::overlap::{Common, OverlapError};
use crate::stats;
use crate::tracks::{Reader, Scores, TrackError};

/// Scores that level edges are taken from.
const SAMPLE: u64 = 1 << 20;
/// Bases that a thread reads at a time.
const CHUNK: u64 = 1 << 22;

/// Ranks one track against all annotations.
pub(super) fn rank_track(
    config: &Config,
    scores: &Scores,
    annotations: &[(String, Annotation)],
    regions: Option<&Annotation>,
    cancel: &Cancel,
) -> Result<TrackOutcome, OverlapError> {
    let track = Track::place(config, scores, annotations, regions)?;
    let counted = track.count(cancel)?;
    let centres = centres(scores, regions, &config.common)?;
    Ok(track.outcome(counted, &centres))
}

struct Worker<'a> {
    reader: Reader<'a>,
    values: Vec<f32>,
    scratch: Vec<f32>,
    levels: Vec<u16>,
    grouped: Grouped,
    n: u64,
    hits: Vec<u64>,
    blocks: Vec<(usize, Vec<u32>)>,
    null: Vec<u64>,
}

impl<'a> Worker<'a> {
    fn new(scores: &'a Scores, sets: usize, null: usize) -> Result<Self, OverlapError> {
        Ok(Self {
            reader: scores.reader()?,
            values: Vec::new(),
            scratch: Vec::new(),
            levels: Vec::new(),
            grouped: Grouped::default(),
            n: 0,
            hits: vec![0; sets],
            blocks: Vec::new(),
            null: vec![0; null],
        })
    }
}

/// A track cut into blocks, with the annotations placed upon it.
struct Track<'a> {
    config: &'a Config,
    scores: &'a Scores,
    annotations: &'a [(String, Annotation)],
    /// The annotations on the track's contigs.
    sets: Vec<Placed>,
    /// Whether scores outside of some regions are left out.
    limited: bool,
    blocks: Vec<Block>,
    /// The blocks that a thread reads at a time.
    chunks: Vec<Range<usize>>,
    /// Whether blocks are drawn again, or annotations shifted.
    resample: bool,
    /// What both are done with; none without.
    levels: Levels,
}

/// What the passes over a track come to.
struct Counted {
    ranking: Ranking,
    /// As [`Sketch`] has them.
    blocks: Vec<Vec<u32>>,
    null: Vec<u64>,
    passes: u32,
}

impl<'a> Track<'a> {
    fn place(
        config: &'a Config,
        scores: &'a Scores,
        annotations: &'a [(String, Annotation)],
        regions: Option<&Annotation>,
    ) -> Result<Self, OverlapError> {
        let common = &config.common;
        let place = |a: &Annotation| match common.place(a, scores) {
            Err(OverlapError::Intervals(IntervalError::NoSharedContigs { .. }))
                if config.lenient =>
            {
                Ok(Placed::none(&scores.contigs))
            }
            placed => placed,
        };
        let sets: Vec<Placed> = annotations
            .iter()
            .map(|(_, a)| place(a))
            .collect::<Result<_, _>>()?;
        let limits = regions.map(place).transpose()?;
        let blocks = units::blocks(scores, limits.as_ref(), common.block);
        let total: u64 = blocks.iter().map(|b| u64::from(b.span.len())).sum();
        let threads = rayon::current_num_threads() as u64;
        let chunks = units::chunks(&blocks, (total / (8 * threads)).clamp(1 << 14, CHUNK));
        let resample = common.bootstrap > 0 || config.shifts > 0;
        let levels = match resample {
            true => sample_levels(scores, &blocks, total)?,
            false => Levels::new(Vec::new()),
        };
        Ok(Self {
            config,
            scores,
            annotations,
            sets,
            limited: limits.is_some(),
            blocks,
            chunks,
            resample,
            levels,
        })
    }

    /// Reads the track, once for as many distinct scores as fit into memory.
    fn count(&self, cancel: &Cancel) -> Result<Counted, OverlapError> {
        let mut counters = Counters::new(self.sets.len(), self.config.memory);
        let mut seen = Seen::new(self.sets.len());
        let states = self.pass(&counters, self.resample, cancel)?;
        let mut counted = self.counted(states)?;
        loop {
            seen.sweep(&counters, &mut counted.ranking);
            if !counters.passes_on() {
                return Ok(counted);
            }
            tracing::warn!(
                "{}: more distinct scores than fit into memory; reading it once more",
                self.scores.path.display()
            );
            self.pass(&counters, false, cancel)?;
            counted.passes += 1;
        }
    }

    /// Reads the track once, into the counters and, if it is to be resampled, into the workers.
    fn pass(
        &self,
        counters: &Counters,
        resample: bool,
        cancel: &Cancel,
    ) -> Result<Vec<Worker<'a>>, OverlapError> {
        let (sets, shifts) = (self.sets.len(), self.config.shifts as usize);
        let null = match resample {
            true => self.levels.len() * sets * shifts,
            false => 0,
        };
        let states = units::share_out(
            self.chunks.len(),
            cancel,
            || Worker::new(self.scores, sets, null),
            |worker, chunk| self.read(chunk, counters, resample, worker),
        )?;
        counters.settle();
        Ok(states)
    }

    /// Reads a chunk's scores and counts them: all, and those in each annotation.
    fn read(
        &self,
        chunk: usize,
        counters: &Counters,
        resample: bool,
        w: &mut Worker<'_>,
    ) -> Result<(), OverlapError> {
        let range = self.chunks[chunk].clone();
        let mine = &self.blocks[range.clone()];
        units::read(
            self.scores,
            &mut w.reader,
            mine,
            &mut w.scratch,
            &mut w.values,
        )?;
        let set_ranges: Vec<Vec<Vec<Range<usize>>>> = mine
            .iter()
            .map(|b| sketch::ranges(&self.sets, b.contig, b.span))
            .collect();
        w.grouped.set(w.values.iter().copied());
        counters.add(0, &w.grouped);
        w.n += w.grouped.len();
        for set in 0..self.sets.len() {
            // The scores of this set, block by block.
            w.scratch.clear();
            let mut at = 0;
            for (block, ranges) in mine.iter().zip(&set_ranges) {
                for r in &ranges[set] {
                    w.scratch
                        .extend_from_slice(&w.values[at + r.start..at + r.end]);
                }
                at += block.span.len() as usize;
            }
            w.grouped.set(w.scratch.iter().copied());
            counters.add(1 + set, &w.grouped);
            w.hits[set] += w.grouped.len();
        }
        if resample {
            self.sketch(range, &set_ranges, w);
        }
        Ok(())
    }

    /// Counts the scores that a worker has just read by block and level, as they lie and shifted.
    fn sketch(
        &self,
        range: Range<usize>,
        set_ranges: &[Vec<Vec<Range<usize>>>],
        w: &mut Worker<'_>,
    ) {
        let count = self.levels.len();
        let mut at = 0;
        for (i, ranges) in range.zip(set_ranges) {
            let block = &self.blocks[i];
            let len = block.span.len() as usize;
            let values = &w.values[at..at + len];
            at += len;
            if values.iter().all(|v| v.is_nan()) {
                continue;
            }
            w.levels.clear();
            w.levels.extend(values.iter().map(|&v| self.levels.of(v)));
            w.blocks
                .push((i, sketch::count_block(&w.levels, count, ranges)));
            // The same distance for every track over the same block.
            let id = u64::from(block.contig) << 32 | u64::from(block.span.start());
            sketch::shift_block(
                &w.levels,
                count,
                ranges,
                self.config.shifts,
                self.config.common.seed,
                id,
                &mut w.null,
            );
        }
    }

    /// Adds up what the workers of the first pass have.
    fn counted(&self, states: Vec<Worker<'_>>) -> Result<Counted, OverlapError> {
        let n: u64 = states.iter().map(|s| s.n).sum();
        let hits: Vec<u64> = (0..self.sets.len())
            .map(|i| states.iter().map(|s| s.hits[i]).sum())
            .collect();
        let (config, scores) = (self.config, self.scores);
        check_counts(config, scores, self.annotations, self.limited, n, &hits)?;
        let bins = config.bins.min(n);
        let ranking = Ranking::new(n, hits, bins, &SHARES, scores.is_text());
        let mut blocks: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut null = Vec::new();
        for state in states {
            blocks.extend(state.blocks);
            null.resize(state.null.len(), 0);
            for (sum, n) in null.iter_mut().zip(&state.null) {
                *sum += n;
            }
        }
        blocks.sort_unstable_by_key(|c| c.0);
        Ok(Counted {
            ranking,
            blocks: blocks.into_iter().map(|c| c.1).collect(),
            null,
            passes: 1,
        })
    }

    /// What is reported of the track.
    fn outcome(self, counted: Counted, centres: &[(u32, u32)]) -> TrackOutcome {
        let (common, ranking) = (&self.config.common, counted.ranking);
        let sketch = Sketch {
            levels: self.levels,
            blocks: counted.blocks,
            null: counted.null,
        };
        let exact: Vec<Statistics> = (0..self.sets.len()).map(|i| exact(&ranking, i)).collect();
        let mut uncertain: Vec<Option<Uncertainty>> = match self.resample {
            true => sketch
                .uncertainty(&exact, common.bootstrap, common.interval, common.seed)
                .into_iter()
                .map(Some)
                .collect(),
            false => vec![None; self.sets.len()],
        };
        let outcomes = (self.annotations.iter().zip(&self.sets).enumerate())
            .map(|(i, ((name, _), set))| {
                let inside = centres.iter().filter(|c| set.contains(c.0, c.1)).count();
                Outcome {
                    annotation: name.clone(),
                    bases: ranking.hits[i],
                    fraction: ranking.fraction(i),
                    centre_fraction: inside as f64 / centres.len() as f64,
                    roc: ranking.roc[i],
                    exact: exact[i],
                    uncertainty: uncertain[i].take(),
                    mean_absolute: ranking.sum_absolute / ranking.n as f64,
                    mean_absolute_hits: ranking.sum_absolute_hits[i] / ranking.hits[i] as f64,
                    bins: bins(&ranking, i),
                }
            })
            .collect();
        TrackOutcome {
            scores: self.scores.name.clone(),
            bases: ranking.n,
            passes: counted.passes,
            blocks: sketch.blocks.len(),
            outcomes,
        }
    }
}

fn check_counts(
    config: &Config,
    scores: &Scores,
    annotations: &[(String, Annotation)],
    limited: bool,
    n: u64,
    hits: &[u64],
) -> Result<(), OverlapError> {
    if n == 0 {
        return Err(TrackError::NoScores(scores.path.clone(), limited).into());
    }
    if config.lenient {
        return Ok(());
    }
    if n < config.bins {
        return Err(OverlapError::TooFewBases {
            scores: scores.path.clone(),
            bases: n,
            bins: config.bins,
        });
    }
    match hits.iter().position(|&h| h == 0) {
        None => Ok(()),
        Some(i) => Err(OverlapError::NoSharedBases {
            intervals: annotations[i].1.path.clone(),
            scores: scores.path.clone(),
        }),
    }
}

/// Level edges from a sample that is spread over all blocks.
fn sample_levels(scores: &Scores, blocks: &[Block], total: u64) -> Result<Levels, OverlapError> {
    let step = total.div_ceil(SAMPLE).max(1) as usize;
    let picked: Vec<Block> = match step {
        1 => blocks.to_vec(),
        _ => (0..blocks.len()).step_by(step).map(|i| blocks[i]).collect(),
    };
    let mut reader = scores.reader()?;
    let (mut scratch, mut values, mut sample) = (Vec::new(), Vec::new(), Vec::new());
    for block in picked.chunks(16) {
        units::read(scores, &mut reader, block, &mut scratch, &mut values)?;
        sample.extend(values.iter().copied().filter(|v| !v.is_nan()));
    }
    if sample.is_empty() && step > 1 {
        // Sparse scores: take every block until there are enough.
        for block in blocks.chunks(256) {
            units::read(scores, &mut reader, block, &mut scratch, &mut values)?;
            sample.extend(values.iter().copied().filter(|v| !v.is_nan()));
            if sample.len() as u64 >= SAMPLE {
                break;
            }
        }
    }
    Ok(Levels::new(sample))
}

/// Distinct values that earlier passes have handed to the ranking.
struct Seen {
    top: (u64, Vec<u64>),
    bottom: (u64, Vec<u64>),
    absolute: (u64, Vec<u64>),
}

impl Seen {
    fn new(sets: usize) -> Self {
        let none = || (0, vec![0; sets]);
        Self {
            top: none(),
            bottom: none(),
            absolute: none(),
        }
    }

    fn sweep(&mut self, counters: &Counters, ranking: &mut Ranking) {
        fn step(at: &mut (u64, Vec<u64>), n: u64, hits: &[u64]) {
            at.0 += n;
            at.1.iter_mut().zip(hits).for_each(|(a, h)| *a += h);
        }
        ranking.seek(self.top.0);
        counters.positive(|d| {
            ranking.add(d, self.top.0, &self.top.1);
            step(&mut self.top, d.n, d.hits);
        });
        // Negative scores come from above too; what lies below them was seen in earlier passes.
        counters.negative(|d| step(&mut self.bottom, d.n, d.hits));
        let mut at = (ranking.n - self.bottom.0, Vec::new());
        at.1 = ranking
            .hits
            .iter()
            .zip(&self.bottom.1)
            .map(|(a, b)| a - b)
            .collect();
        ranking.seek(at.0);
        counters.negative(|d| {
            ranking.add(d, at.0, &at.1);
            step(&mut at, d.n, d.hits);
        });
        counters.absolute(|d| {
            ranking.add_absolute(d, self.absolute.0, &self.absolute.1);
            step(&mut self.absolute, d.n, d.hits);
        });
    }
}

/// The middle base of every region: start + length / 2.
fn centres(
    scores: &Scores,
    regions: Option<&Annotation>,
    common: &Common,
) -> Result<Vec<(u32, u32)>, OverlapError> {
    let middle = |start: u32, len: u32| start + len / 2;
    Ok(match (regions, scores.table()) {
        (Some(regions), _) => {
            let ids = regions.resolve(&scores.contigs, &common.aliases, &scores.path)?;
            regions
                .sites
                .iter()
                .filter_map(|s| {
                    let contig = ids[s.contig as usize]?;
                    Some((contig, middle(s.bases.start(), s.bases.len())))
                })
                .collect()
        }
        (None, Some(table)) => table
            .rows
            .iter()
            .map(|r| (r.contig, middle(r.bases.start(), r.bases.len())))
            .collect(),
        (None, None) => Vec::new(),
    })
}

fn exact(ranking: &Ranking, set: usize) -> Statistics {
    let ranks = SHARES.map(|s| rank_of(ranking.n, s));
    let top = ranks.map(|r| ranking.fold_top(set, r));
    let bottom = ranks.map(|r| ranking.fold_bottom(set, r));
    let fractions = ranking.bin_fractions(set);
    let overall = ranking.fraction(set);
    let count = fractions.len() as f64;
    let points = fractions
        .iter()
        .enumerate()
        .map(|(i, f)| ((i as f64 + 0.5) / count, f / overall, 1.0));
    [
        ranking.roc[set][0].area,
        ranking.roc[set][2].area,
        top[0],
        top[1],
        bottom[0],
        bottom[1],
        stats::curvature(points),
        top[1].min(bottom[1]),
    ]
}

fn bins(ranking: &Ranking, set: usize) -> Vec<Bin> {
    let count = ranking.edges.len();
    let fractions = ranking.bin_fractions(set);
    let mut start = 0;
    ranking
        .edges
        .iter()
        .zip(&ranking.sums)
        .zip(fractions)
        .zip(1u64..)
        .map(|(((&end, &sum), fraction), i)| {
            let size = end - start;
            start = end;
            Bin {
                end,
                percentile: i as f64 / count as f64,
                mean: sum / size as f64,
                fraction,
                fold_top: ranking.fold_top(set, end),
                fold_bottom: ranking.fold_bottom(set, end),
            }
        })
        .collect()
}
