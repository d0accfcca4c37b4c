//! Stretches of a unit: which bases are worth scoring, and the items that the scores become.

use ndarray::s;

use super::plan::Group;
use crate::encode::UNKNOWN;
use crate::genome::{Interval, Lattice};
use crate::ism::Scores;
use crate::tracks::Item;

/// What one lattice serves in a unit: all regions under the genome's anchor, else one.
pub(super) struct Family {
    pub lattice: Lattice,
    /// The regions' bases in the unit: disjoint, ascending.
    pub wanted: Vec<Interval>,
    pub regions: Vec<Group>,
}

/// One scored stretch.
pub(super) struct Piece {
    /// The bases scored: disjoint, ascending.
    pub wanted: Vec<Interval>,
    pub lattice: Lattice,
    pub scores: Scores,
}

impl Family {
    /// Wanted bases in groups that share no window.
    pub fn groups(&self) -> Vec<Vec<Interval>> {
        grouped(self.wanted.iter().copied(), self.lattice.window())
    }
}

/// Joins intervals that a window may cover two of.
fn grouped(intervals: impl Iterator<Item = Interval>, window: u32) -> Vec<Vec<Interval>> {
    let mut groups: Vec<Vec<Interval>> = Vec::new();
    for interval in intervals {
        match groups.last_mut() {
            Some(group)
                if group
                    .last()
                    .is_some_and(|l| interval.start() - l.end() < window) =>
            {
                group.push(interval);
            }
            _ => groups.push(vec![interval]),
        }
    }
    groups
}

/// The wanted bases that a scored window may cover, again in groups that share no window: those
/// with a known base less than a window away. Most of a genome's unknown bases come in long runs.
/// `codes` begins at `origin`.
pub(super) fn near_known(
    wanted: &[Interval],
    codes: &[u8],
    origin: i64,
    window: u32,
) -> Vec<Vec<Interval>> {
    let window_i = i64::from(window);
    // Runs of bases near known ones, in contig coordinates.
    let mut runs: Vec<(i64, i64)> = Vec::new();
    let mut at = 0;
    while let Some(first) = codes[at..].iter().position(|&c| c != UNKNOWN) {
        let from = at + first;
        let known = codes[from..].iter().position(|&c| c == UNKNOWN);
        let to = known.map_or(codes.len(), |n| from + n);
        let (start, end) = (
            origin + from as i64 - window_i,
            origin + to as i64 + window_i,
        );
        match runs.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => runs.push((start, end)),
        }
        at = to;
    }
    let mut near = Vec::new();
    let mut next = 0;
    for interval in wanted {
        while next < runs.len() && runs[next].1 <= i64::from(interval.start()) {
            next += 1;
        }
        for run in &runs[next..] {
            let clip = |p: i64| p.clamp(0, i64::from(u32::MAX)) as u32;
            let run = Interval::new(clip(run.0), clip(run.1)).unwrap_or_default();
            if run.start() >= interval.end() {
                break;
            }
            near.extend(interval.intersect(run));
        }
    }
    grouped(near.into_iter(), window)
}

impl Piece {
    pub fn span(&self) -> Interval {
        let start = self.wanted.first().map_or(0, Interval::start);
        let end = self.wanted.last().map_or(start, Interval::end);
        Interval::new(start, end).unwrap_or_default()
    }

    /// Central bases of a window.
    pub fn bin(&self, window: i64) -> (i64, i64) {
        let from = window + i64::from(self.lattice.centre_offset());
        (from, from + i64::from(self.lattice.stride()))
    }
}

/// Each scored window's activity on its central bases, clipped to the wanted bases.
pub(super) fn activity_items(pieces: &[Piece], column: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces {
        let mut first = 0;
        let activities = piece.scores.activities.column(column);
        for (&start, &activity) in piece.scores.windows.iter().zip(activities) {
            let (from, to) = piece.bin(start);
            while first < piece.wanted.len() && i64::from(piece.wanted[first].end()) <= from {
                first += 1;
            }
            for interval in &piece.wanted[first..] {
                let start = from.max(i64::from(interval.start()));
                let end = to.min(i64::from(interval.end()));
                if i64::from(interval.start()) >= to {
                    break;
                }
                if start < end {
                    items.push(Item {
                        start: start as u32,
                        end: end as u32,
                        // No negative zero, which not every reader tells from zero.
                        value: activity + 0.0,
                    });
                }
            }
        }
    }
    items
}

/// One item a base that has an importance.
pub(super) fn importance_items(pieces: &[Piece], column: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces {
        let span = piece.span();
        for interval in &piece.wanted {
            let bases = interval.indices_from(span.start());
            let values = piece.scores.importance.slice(s![bases, column]);
            for (base, &value) in (interval.start()..interval.end()).zip(values) {
                if !value.is_nan() {
                    items.push(Item {
                        start: base,
                        end: base + 1,
                        value,
                    });
                }
            }
        }
    }
    items
}

/// Where items of several regions overlap, cuts them at all ends and takes means (DESIGN: a base's
/// track value is the mean of the regions' values).
pub(super) fn mean_of_overlaps(items: Vec<Item>) -> Vec<Item> {
    let mut cuts: Vec<u32> = items.iter().flat_map(|i| [i.start, i.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut sums = vec![(0f64, 0u32); cuts.len()];
    for item in &items {
        let from = cuts.partition_point(|&c| c < item.start);
        let to = cuts.partition_point(|&c| c < item.end);
        for (sum, count) in &mut sums[from..to] {
            *sum += f64::from(item.value);
            *count += 1;
        }
    }
    cuts.windows(2)
        .zip(&sums)
        .filter(|(_, (_, count))| *count > 0)
        .map(|(cut, (sum, count))| Item {
            start: cut[0],
            end: cut[1],
            value: (sum / f64::from(*count)) as f32 + 0.0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_items_become_means() {
        let item = |start, end, value| Item { start, end, value };
        let found = mean_of_overlaps(vec![item(0, 10, 1.0), item(10, 12, 5.0), item(4, 11, 3.0)]);
        let expected = [
            item(0, 4, 1.0),
            item(4, 10, 2.0),
            item(10, 11, 4.0),
            item(11, 12, 5.0),
        ];
        assert_eq!(found, expected);
        let apart = vec![item(0, 1, 1.0), item(5, 6, 2.0)];
        assert_eq!(mean_of_overlaps(apart.clone()), apart);
    }

    #[test]
    fn only_bases_near_known_ones_are_scored() {
        let i = |a, b| Interval::new(a, b).unwrap();
        // Known at 100..103 and 140..141; codes from 50 on, windows of 10.
        let mut codes = vec![UNKNOWN; 200];
        codes[50..53].fill(1);
        codes[90] = 2;
        let near = near_known(&[i(60, 230)], &codes, 50, 10);
        assert_eq!(near, [vec![i(90, 113)], vec![i(130, 151)]]);
        let near = near_known(&[i(95, 99), i(101, 160)], &codes, 50, 10);
        assert_eq!(near, [vec![i(95, 99), i(101, 113)], vec![i(130, 151)]]);
        assert!(near_known(&[i(160, 200)], &codes, 50, 10).is_empty());
        assert_eq!(near_known(&[i(0, 20)], &[0; 40], -10, 10), [vec![i(0, 20)]]);
    }
}
