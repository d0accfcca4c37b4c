use crate::genome::{ContigId, Contigs, Interval, Lattice, Region};

/// Distinct regions that a unit holds at most, where it can be helped: what is kept of a unit grows
/// with them.
const MOST_GROUPS: usize = 2_048;

/// Regions with the same bases: scored once, written a row each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The bases.
    pub bases: Interval,
    /// Their places in the sorted list of regions.
    first: u32,
    count: u32,
}

impl Group {
    /// The input rows of the regions, ascending.
    pub fn rows<'r>(&self, regions: &'r [Region]) -> impl Iterator<Item = u32> + use<'r> {
        let first = self.first as usize;
        regions[first..first + self.count as usize]
            .iter()
            .map(|r| r.row)
    }
}

/// A piece of work: a stretch of one contig and the regions that have bases in it.
///
/// A track's values do not depend on where units are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Position in the order of all units.
    pub number: u64,
    /// The contig.
    pub contig: ContigId,
    /// The contig's rank among the names: the order of the tracks.
    pub rank: u32,
    /// The stretch.
    pub bases: Interval,
    /// The regions with bases in it, by start and end.
    pub regions: Vec<Group>,
    /// End of the last wanted base of this contig before this unit, 0 when there is none. Windows
    /// that start before it were also scored by an earlier unit.
    pub scored_to: u32,
}

/// All units in the order of the tracks.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    contigs: &'a Contigs,
    ranks: Vec<u32>,
    /// By rank of the contig, start, end, row.
    regions: &'a [Region],
    stride: u32,
    length: u32,
    phase: u32,
    next: usize,
    contig: ContigId,
    active: Vec<Group>,
    /// Where the next unit on the current contig may begin.
    position: u32,
    number: u64,
    scored_to: u32,
}

impl<'a> Plan<'a> {
    /// Plans units of about `length` bases, fewer where many regions lie. With the genome's lattice
    /// their ends coincide with ends of the windows' central bases, so that no activity bin is
    /// cut.
    ///
    /// `regions` must have been sorted by [`sort`].
    pub fn new(contigs: &'a Contigs, regions: &'a [Region], lattice: Lattice, length: u32) -> Self {
        let stride = lattice.stride();
        Self {
            contigs,
            ranks: contigs.ranks(),
            regions,
            stride,
            // A power of two of strides, so that halves end where wholes do.
            length: length
                .div_ceil(stride)
                .max(1)
                .next_power_of_two()
                .saturating_mul(stride),
            phase: lattice.centre_offset() % stride,
            next: 0,
            contig: 0,
            active: Vec::new(),
            position: 0,
            number: 0,
            scored_to: 0,
        }
    }

    /// Passes over the units before `number`.
    pub fn skip_to(mut self, number: u64) -> Self {
        while self.number < number && self.next().is_some() {}
        self
    }

    /// The unit that begins at `base`: up to the end of the fixed stretch of `length` bases that
    /// holds it.
    fn stretch_from(&self, base: u32, length: u32) -> Interval {
        let (from, length, phase) = (u64::from(base), u64::from(length), u64::from(self.phase));
        let end = match from.checked_sub(phase) {
            None => phase,
            Some(past) => (past / length + 1) * length + phase,
        };
        // Coordinates stay below 2^31, so the end may be cut there.
        let end = end.min(i32::MAX as u64) as u32;
        Interval::new(base, end).unwrap_or_default()
    }

    /// Takes the next group of equal regions if it starts before `end` on the current contig.
    fn group_before(&self, next: usize, end: u32) -> Option<Group> {
        let region = self.regions.get(next)?;
        if region.contig != self.contig || region.bases.start() >= end {
            return None;
        }
        let same = self.regions[next..]
            .iter()
            .take_while(|r| r.contig == region.contig && r.bases == region.bases);
        Some(Group {
            bases: region.bases,
            first: next as u32,
            count: same.count() as u32,
        })
    }
}

impl Iterator for Plan<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        if self.active.is_empty() {
            let region = self.regions.get(self.next)?;
            if self.next == 0 || self.contig != region.contig {
                self.scored_to = 0;
            }
            self.contig = region.contig;
            self.position = region.bases.start();
        }
        let mut length = self.length;
        let (bases, next) = loop {
            let bases = self.stretch_from(self.position, length);
            let (old, mut next) = (self.active.len(), self.next);
            while let Some(group) = self.group_before(next, bases.end()) {
                next += group.count as usize;
                self.active.push(group);
            }
            if self.active.len() <= MOST_GROUPS.max(2 * old) || length <= self.stride {
                break (bases, next);
            }
            self.active.truncate(old);
            length /= 2;
        };
        self.next = next;
        let unit = Unit {
            number: self.number,
            contig: self.contig,
            rank: self.ranks[self.contig as usize],
            bases: Interval::new(
                bases.start(),
                bases.end().min(self.contigs.get(self.contig).length),
            )
            .unwrap_or(bases),
            regions: self.active.clone(),
            scored_to: self.scored_to,
        };
        self.number += 1;
        let reached = self
            .active
            .iter()
            .map(|r| r.bases.end().min(bases.end()))
            .max();
        self.scored_to = self.scored_to.max(reached.unwrap_or(0));
        self.active.retain(|r| r.bases.end() > bases.end());
        self.position = bases.end();
        Some(unit)
    }
}

/// Sorts regions into the order of the tracks: rank of the contig, start, end, row.
pub(super) fn sort(regions: &mut [Region], contigs: &Contigs) {
    let ranks = contigs.ranks();
    regions.sort_unstable_by_key(|r| {
        (
            ranks[r.contig as usize],
            r.bases.start(),
            r.bases.end(),
            r.row,
        )
    });
}

impl Unit {
    /// The union of the unit's bases in regions: disjoint, ascending, neighbours joined.
    pub fn wanted(&self) -> Vec<Interval> {
        let mut union: Vec<Interval> = Vec::new();
        for region in &self.regions {
            let Some(part) = region.bases.intersect(self.bases) else {
                continue;
            };
            match union.last_mut() {
                Some(last) if part.start() <= last.end() => {
                    let end = last.end().max(part.end());
                    *last = Interval::new(last.start(), end).unwrap_or(*last);
                }
                _ => union.push(part),
            }
        }
        union
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;
    use proptest::prelude::*;

    fn region(contig: u32, start: u32, end: u32, row: u32) -> Region {
        Region {
            contig,
            bases: Interval::new(start, end).unwrap(),
            row,
        }
    }

    #[test]
    fn crowded_stretches_are_cut_finer() {
        let contigs = Contigs::new(vec![Contig {
            name: "a".into(),
            length: 1 << 20,
        }])
        .unwrap();
        let mut regions: Vec<Region> = (0..20_000)
            .map(|row| region(0, 5 + row / 2, 40 + row / 2, row))
            .collect();
        sort(&mut regions, &contigs);
        let lattice = Lattice::genome(145, 29).unwrap();
        let units: Vec<Unit> = Plan::new(&contigs, &regions, lattice, 1 << 16).collect();
        assert!(units.iter().all(|u| u.regions.len() <= MOST_GROUPS));
        assert_eq!(
            units
                .iter()
                .flat_map(|u| u.wanted())
                .map(|i| i.len())
                .sum::<u32>(),
            10_034
        );
        // The same region a million times is one group.
        let mut regions: Vec<Region> = (0..100_000).map(|row| region(0, 50, 90, row)).collect();
        sort(&mut regions, &contigs);
        let units: Vec<Unit> = Plan::new(&contigs, &regions, lattice, 1 << 16).collect();
        assert_eq!(units.iter().map(|u| u.regions.len()).sum::<usize>(), 1);
    }

    proptest! {
        #[test]
        fn units_tile_the_regions_in_order(
            raw in prop::collection::vec((0u32..2, 0u32..300, 1u32..120), 0..30),
            length in 1u32..90,
            stride in 1u32..11,
        ) {
            let contig = |name: &str| Contig { name: name.into(), length: 420 };
            let contigs = Contigs::new(vec![contig("b"), contig("a")]).unwrap();
            let mut regions: Vec<Region> = raw
                .iter()
                .enumerate()
                .map(|(row, &(c, s, l))| region(c, s, s + l, row as u32))
                .collect();
            sort(&mut regions, &contigs);
            let lattice = Lattice::genome(11, stride).unwrap();
            let units: Vec<Unit> = Plan::new(&contigs, &regions, lattice, length).collect();
            let ranks = contigs.ranks();

            // Every base of every region in exactly one unit, in ascending order.
            let mut seen: Vec<(u32, u32)> = Vec::new();
            let mut ended: Vec<u32> = Vec::new();
            for (number, unit) in units.iter().enumerate() {
                prop_assert_eq!(unit.number, number as u64);
                prop_assert!(!unit.wanted().is_empty());
                for interval in unit.wanted() {
                    seen.extend((interval.start()..interval.end()).map(|b| (unit.rank, b)));
                }
                let before = seen.iter().filter(|s| s.0 == unit.rank && s.1 < unit.bases.start());
                prop_assert_eq!(unit.scored_to, before.map(|s| s.1 + 1).max().unwrap_or(0));
                for group in &unit.regions {
                    prop_assert!(group.bases.intersect(unit.bases).is_some());
                    for row in group.rows(&regions) {
                        let region = regions.iter().find(|r| r.row == row).unwrap();
                        prop_assert_eq!((region.contig, region.bases), (unit.contig, group.bases));
                        if region.bases.end() <= unit.bases.end() {
                            ended.push(row);
                        }
                    }
                }
                // No bin is cut: units end where the central bases of a window end.
                let edge = unit.bases.end();
                prop_assert!(edge == 420 || (edge + stride - lattice.centre_offset() % stride).is_multiple_of(stride));
            }
            let mut expected: Vec<(u32, u32)> = regions
                .iter()
                .flat_map(|r| (r.bases.start()..r.bases.end()).map(|b| (ranks[r.contig as usize], b)))
                .collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(seen, expected);
            // Every region ends in exactly one unit.
            ended.sort_unstable();
            prop_assert_eq!(ended, (0..regions.len() as u32).collect::<Vec<_>>());
        }
    }
}
