use crate::genome::{ContigId, Contigs, Interval, Lattice, Region};

/// A piece of work: a stretch of one contig and the regions that have bases in it.
///
/// Units are cut at fixed contig coordinates, so the cuts depend neither on the regions nor on the
/// number of threads, and a track's values do not depend on the cuts.
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
    /// The regions with bases in it, by start, end and row.
    pub regions: Vec<Region>,
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
    length: u32,
    phase: u32,
    next: usize,
    active: Vec<Region>,
    /// Where the next unit on the current contig may begin.
    position: u32,
    number: u64,
    scored_to: u32,
}

impl<'a> Plan<'a> {
    /// Plans units of about `length` bases. With the genome's lattice their ends coincide with
    /// ends of the windows' central bases, so that no activity bin is cut.
    ///
    /// `regions` must have been sorted by [`sort`].
    pub fn new(contigs: &'a Contigs, regions: &'a [Region], lattice: Lattice, length: u32) -> Self {
        let stride = lattice.stride();
        Self {
            contigs,
            ranks: contigs.ranks(),
            regions,
            length: length.div_ceil(stride).max(1) * stride,
            phase: lattice.centre_offset() % stride,
            next: 0,
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

    /// How many units were given out.
    pub fn given(&self) -> u64 {
        self.number
    }

    /// The fixed stretch that holds a base.
    fn stretch_at(&self, base: u32) -> Interval {
        let (base, length, phase) = (
            u64::from(base),
            u64::from(self.length),
            u64::from(self.phase),
        );
        let start = if base < phase {
            0
        } else {
            (base - phase) / length * length + phase
        };
        let end = if base < phase { phase } else { start + length };
        // Coordinates stay below 2^31, so the end may be cut there.
        let clip = |p: u64| p.min(i32::MAX as u64) as u32;
        Interval::new(clip(start), clip(end)).unwrap_or_default()
    }
}

impl Iterator for Plan<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        if self.active.is_empty() {
            let region = self.regions.get(self.next)?;
            let same_contig = self.next > 0 && self.regions[self.next - 1].contig == region.contig;
            if !same_contig {
                self.scored_to = 0;
            }
            self.position = region.bases.start();
        }
        let contig = match self.active.first() {
            Some(region) => region.contig,
            None => self.regions[self.next].contig,
        };
        let bases = self.stretch_at(self.position);
        while let Some(region) = self.regions.get(self.next)
            && region.contig == contig
            && region.bases.start() < bases.end()
        {
            self.active.push(*region);
            self.next += 1;
        }
        let unit = Unit {
            number: self.number,
            contig,
            rank: self.ranks[contig as usize],
            bases: Interval::new(
                bases.start(),
                bases.end().min(self.contigs.get(contig).length),
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
            for (number, unit) in units.iter().enumerate() {
                prop_assert_eq!(unit.number, number as u64);
                prop_assert!(!unit.wanted().is_empty());
                for interval in unit.wanted() {
                    seen.extend((interval.start()..interval.end()).map(|b| (unit.rank, b)));
                }
                let before = seen.iter().filter(|s| s.0 == unit.rank && s.1 < unit.bases.start());
                prop_assert_eq!(unit.scored_to, before.map(|s| s.1 + 1).max().unwrap_or(0));
                for r in &unit.regions {
                    prop_assert!(r.bases.intersect(unit.bases).is_some());
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
        }
    }
}
