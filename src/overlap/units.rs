//! Blocks: stretches of scores that are read, resampled and shifted as one.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::OverlapError;
use crate::genome::{ContigId, Interval};
use crate::intervals::Placed;
use crate::job::Cancel;
use crate::tracks::{Reader, Scores};

/// Gap up to which neighbouring blocks are read in one go.
const NEAR: u32 = 4096;

#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub contig: ContigId,
    pub span: Interval,
    /// Index of the first value, for a table's row.
    first: Option<usize>,
}

/// The blocks of a track: a table's rows; otherwise the merged regions, or contigs, each cut
/// into pieces of `size` from its start.
pub(super) fn blocks(scores: &Scores, regions: Option<&Placed>, size: u32) -> Vec<Block> {
    let mut out = Vec::new();
    if let Some(table) = scores.table() {
        for row in &table.rows {
            let mut push = |span: Interval| {
                out.push(Block {
                    contig: row.contig,
                    span,
                    first: Some(row.first + (span.start() - row.bases.start()) as usize),
                });
            };
            match regions {
                None => push(row.bases),
                Some(regions) => regions.within(row.contig, row.bases).for_each(push),
            }
        }
        return out;
    }
    for (contig, info) in (0..).zip(scores.contigs.iter()) {
        let mut cut = |span: Interval| {
            let mut start = span.start();
            while start < span.end() {
                let end = start.saturating_add(size).min(span.end());
                out.extend(Interval::new(start, end).map(|span| Block {
                    contig,
                    span,
                    first: None,
                }));
                start = end;
            }
        };
        match (Interval::new(0, info.length), regions) {
            (None, _) => {}
            (Some(whole), None) => cut(whole),
            (Some(whole), Some(regions)) => regions.within(contig, whole).for_each(cut),
        }
    }
    out
}

/// Cuts blocks into runs of at most `most` bases (or one block).
pub(super) fn chunks(blocks: &[Block], most: u64) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut from, mut bases) = (0, 0);
    for (i, block) in blocks.iter().enumerate() {
        let len = u64::from(block.span.len());
        if i > from && bases + len > most {
            out.push(from..i);
            (from, bases) = (i, 0);
        }
        bases += len;
    }
    if from < blocks.len() {
        out.push(from..blocks.len());
    }
    out
}

/// Reads the values of blocks, one after the other, into `out`.
pub(super) fn read(
    scores: &Scores,
    reader: &mut Reader<'_>,
    blocks: &[Block],
    scratch: &mut Vec<f32>,
    out: &mut Vec<f32>,
) -> Result<(), OverlapError> {
    out.clear();
    let mut at = 0;
    while at < blocks.len() {
        let block = blocks[at];
        if let (Some(first), Some(table)) = (block.first, scores.table()) {
            out.extend_from_slice(&table.values[first..][..block.span.len() as usize]);
            at += 1;
            continue;
        }
        let mut next = at + 1;
        let mut end = block.span.end();
        while next < blocks.len()
            && blocks[next].contig == block.contig
            && blocks[next].span.start() >= end
            && blocks[next].span.start() - end <= NEAR
        {
            end = blocks[next].span.end();
            next += 1;
        }
        let span = Interval::new(block.span.start(), end).unwrap_or_default();
        reader.fill(block.contig, span, scratch)?;
        for b in &blocks[at..next] {
            out.extend_from_slice(&scratch[b.span.indices_from(span.start())]);
        }
        at = next;
    }
    Ok(())
}

/// Runs `work` over the numbers below `tasks` on the pool's threads, each with a state of its own,
/// and returns the states. The error that is returned is that of the lowest number, whatever the
/// threads; a job that is asked to stop ends with the work that is under way.
pub(super) fn share_out<S: Send>(
    tasks: usize,
    cancel: &Cancel,
    state: impl Fn() -> Result<S, OverlapError> + Sync,
    work: impl Fn(&mut S, usize) -> Result<(), OverlapError> + Sync,
) -> Result<Vec<S>, OverlapError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let threads = rayon::current_num_threads().min(tasks.max(1));
    let run = |_| {
        let mut mine = state().map_err(|e| (0, e))?;
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks || failed.load(Ordering::Relaxed) {
                return Ok(mine);
            }
            let done = match cancel.check() {
                Ok(()) => work(&mut mine, task),
                Err(stopped) => Err(stopped.into()),
            };
            if let Err(error) = done {
                failed.store(true, Ordering::Relaxed);
                return Err((task, error));
            }
        }
    };
    let outcomes: Vec<Result<S, (usize, OverlapError)>> = (0..threads)
        .into_par_iter()
        .with_max_len(1)
        .map(run)
        .collect();
    let mut states = Vec::with_capacity(threads);
    let mut first: Option<(usize, OverlapError)> = None;
    for outcome in outcomes {
        match outcome {
            Ok(state) => states.push(state),
            Err(e) if first.as_ref().is_none_or(|f| e.0 < f.0) => first = Some(e),
            Err(_) => {}
        }
    }
    match first {
        Some((_, error)) => Err(error),
        None => Ok(states),
    }
}
