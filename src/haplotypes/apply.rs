//! From changes to the sequence of a haplotype.

use super::place::Place;

/// A change of the genome without bases that both alleles share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    /// First replaced base; of an insertion the base behind it.
    pub start: i64,
    /// One past the last replaced base.
    pub end: i64,
    /// Codes of the bases that replace them.
    pub inserted: Vec<u8>,
}

impl Change {
    /// Bases that the haplotype lacks by it.
    pub fn lost(&self) -> i64 {
        (self.end - self.start - self.inserted.len() as i64).max(0)
    }

    /// Whether it cannot be made beside an earlier one: both replace a base, one lies within what the other
    /// replaces, or both insert at one place. `before` does not begin behind it.
    fn conflicts(&self, before: &Self) -> bool {
        let insertions = self.start == self.end && before.start == before.end;
        self.start < before.end || insertions && self.start == before.start
    }
}

/// What became of a haplotype's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// As many bases as the core has; `None` where too many are deleted.
    pub codes: Option<Vec<u8>>,
    /// Changes that are in the sequence.
    pub carried: Vec<usize>,
    /// Changes that conflict with an earlier one.
    pub conflicts: Vec<usize>,
}

/// Makes changes, given in the order of their records, in the bases that are read around a place. They are made from
/// left to right, an insertion before what begins at its place; of two that conflict the first is made, of
/// two that begin at one place the one of the earlier record. A change that is there twice is made once.
pub(super) fn apply(place: &Place, reference: &[u8], changes: &[&Change]) -> Applied {
    let origin = place.read().0;
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|&i| (changes[i].start, changes[i].end > changes[i].start));
    let mut applied = Applied::default();
    let mut codes: Vec<u8> = Vec::with_capacity(reference.len() + 64);
    // What of the reference is in `codes`, and where the region's middle is.
    let mut done = origin;
    let mut middle = None;
    let copy = |codes: &mut Vec<u8>, from: i64, to: i64| {
        codes.extend_from_slice(&reference[(from - origin) as usize..(to - origin) as usize]);
    };
    let mut made: Vec<(usize, usize, usize)> = Vec::new(); // change, its bases in `codes`
    let mut last: Option<usize> = None;
    for i in order {
        let change = changes[i];
        if let Some(before) = last.map(|last: usize| changes[last]) {
            if before == change {
                continue;
            }
            if change.conflicts(before) {
                applied.conflicts.push(i);
                continue;
            }
        }
        copy(&mut codes, done, change.start);
        if middle.is_none() && place.middle < change.start {
            middle = Some(codes.len() - (change.start - place.middle) as usize);
        }
        let from = codes.len();
        if middle.is_none() && place.middle < change.end {
            // Replaced: the base in its place, or the first one behind.
            let within = (place.middle - change.start) as usize;
            middle = Some(from + within.min(change.inserted.len()));
        }
        codes.extend_from_slice(&change.inserted);
        made.push((i, from, codes.len()));
        done = change.end;
        last = Some(i);
    }
    let middle = middle.unwrap_or_else(|| codes.len() + (place.middle - done) as usize);
    copy(&mut codes, done, origin + reference.len() as i64);
    let Some(from) = middle.checked_sub(place.before()) else {
        return applied;
    };
    let to = from + place.length;
    applied.carried = (made.into_iter())
        .filter(|&(_, first, end)| match first == end {
            true => from < first && first < to,
            false => first < to && from < end,
        })
        .map(|(i, ..)| i)
        .collect();
    // More bases than these are not known to be without variants of their own.
    let lost: i64 = applied.carried.iter().map(|&i| changes[i].lost()).sum();
    if lost <= place.most_deleted() {
        applied.codes = codes.get(from..to).map(<[u8]>::to_vec);
    }
    applied
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::genome::{Interval, Region};

    fn place(from: u32, to: u32) -> Place {
        let region = Region {
            contig: 0,
            bases: Interval::new(from, to).unwrap(),
            row: 0,
        };
        Place::of(&region, 10, 3)
    }

    fn bases(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * i % 7 % 4) as u8).collect()
    }

    fn change(start: i64, end: i64, inserted: &[u8]) -> Change {
        Change {
            start,
            end,
            inserted: inserted.to_vec(),
        }
    }

    #[test]
    fn the_middle_stays_in_its_column() {
        let place = place(40, 50);
        let (origin, length) = place.read();
        let genome = bases(120);
        let reference = &genome[origin as usize..origin as usize + length];
        let at = |changes: &[&Change]| apply(&place, reference, changes);
        let plain = at(&[]);
        assert_eq!(plain.codes.as_deref(), Some(&genome[40..50]));
        assert_eq!(place.middle, 45);
        // An insertion to the left pushes bases out on the left.
        let insertion = change(43, 43, &[3, 3]);
        let expected = [&genome[42..43], &[3, 3], &genome[43..50]].concat();
        let found = at(&[&insertion]);
        assert_eq!((found.codes, found.carried), (Some(expected), vec![0]));
        // A deletion to the right lets bases in on the right.
        let deletion = change(46, 48, &[]);
        let expected = [&genome[40..46], &genome[48..52]].concat();
        assert_eq!(at(&[&deletion]).codes, Some(expected));
        // The middle is deleted: the first base behind takes its place.
        let deletion = change(44, 47, &[]);
        let expected = [&genome[39..44], &genome[47..52]].concat();
        assert_eq!(at(&[&deletion]).codes, Some(expected));
        // Pushed out of the sequence.
        let far = change(48, 48, &[0; 3]);
        let edge = change(49, 50, &[2]);
        let found = at(&[&far, &edge]);
        assert_eq!(found.carried, [0]);
    }

    #[test]
    fn conflicts_by_rule() {
        let place = place(40, 50);
        let (origin, length) = place.read();
        let genome = bases(120);
        let reference = &genome[origin as usize..origin as usize + length];
        let conflicts = |changes: &[Change]| {
            let changes: Vec<&Change> = changes.iter().collect();
            let found = apply(&place, reference, &changes);
            (found.carried, found.conflicts)
        };
        let (deletion, snv) = (change(42, 45, &[]), change(44, 45, &[1]));
        assert_eq!(
            conflicts(&[deletion.clone(), snv.clone()]),
            (vec![0], vec![1])
        );
        // By place, not by record.
        assert_eq!(
            conflicts(&[snv.clone(), deletion.clone()]),
            (vec![1], vec![0])
        );
        // Two changes of one base: the first record's.
        let other = change(44, 45, &[2]);
        assert_eq!(conflicts(&[snv.clone(), other]), (vec![0], vec![1]));
        // The same twice is one.
        assert_eq!(conflicts(&[snv.clone(), snv.clone()]), (vec![0], vec![]));
        // Beside each other, or an insertion before a change of the base behind it.
        let (before, after) = (change(44, 44, &[3]), change(45, 45, &[3]));
        assert_eq!(
            conflicts(&[snv.clone(), before.clone()]),
            (vec![1, 0], vec![])
        );
        assert_eq!(conflicts(&[snv.clone(), after]), (vec![0, 1], vec![]));
        assert_eq!(
            conflicts(&[before.clone(), change(44, 44, &[1])]),
            (vec![0], vec![1])
        );
        assert_eq!(conflicts(&[deletion, before]), (vec![0], vec![1]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_haplotype_is_what_a_person_would_cut_out(
            steps in prop::collection::vec((1i64..9, 0i64..4, 0usize..4), 0..8),
            region in (40u32..50, 1u32..25),
        ) {
            let place = place(region.0, region.0 + region.1);
            let (origin, length) = place.read();
            let genome = bases(160);
            let reference = &genome[origin as usize..origin as usize + length];
            // Changes that do not touch, with what each makes of its bases.
            let (mut at, mut changes) = (place.reach().0, Vec::new());
            for (gap, deleted, inserted) in steps {
                at += gap;
                if (deleted == 0 && inserted == 0) || at + deleted >= place.reach().1 {
                    continue;
                }
                changes.push(change(at, at + deleted, &vec![(gap % 4) as u8; inserted]));
                at += deleted;
            }
            let found = apply(&place, reference, &changes.iter().collect::<Vec<_>>());
            // Base by base, each with the place in the genome that it is from.
            let mut all: Vec<(u8, Option<i64>)> = Vec::new();
            for (i, &code) in genome.iter().enumerate() {
                let i = i as i64;
                for change in changes.iter().filter(|c| c.start == i) {
                    all.extend(change.inserted.iter().enumerate().map(|(k, &c)| {
                        let from = change.start + k as i64;
                        (c, (from < change.end).then_some(from))
                    }));
                }
                if !changes.iter().any(|c| (c.start..c.end).contains(&i)) {
                    all.push((code, Some(i)));
                }
            }
            let middle = all.iter().position(|(_, from)| from.is_some_and(|f| f >= place.middle));
            let from = middle.unwrap() - place.before();
            let expected: Vec<u8> = all[from..from + place.length].iter().map(|b| b.0).collect();
            let lost: i64 = found.carried.iter().map(|&i| changes[i].lost()).sum();
            match lost <= place.most_deleted() {
                true => prop_assert_eq!(found.codes, Some(expected)),
                false => prop_assert_eq!(found.codes, None),
            }
        }
    }
}
