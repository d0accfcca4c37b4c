//! Which sequences belong together, and which side of the split they are on.

use std::collections::HashMap;

use super::SplitSpec;
use crate::dataset::Split;
use crate::encode::{UNKNOWN, complement};
use crate::stats::Random;
use crate::train::Examples;

/// Sets of sequences that belong together.
struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    fn find(&mut self, i: u32) -> u32 {
        let mut at = i;
        while self.parent[at as usize] != at {
            let next = self.parent[at as usize];
            self.parent[at as usize] = self.parent[next as usize];
            at = next;
        }
        at
    }

    /// Joins two sets under the smaller of their first members.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
}

/// What is known of a sequence besides its bases.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// What it is called: a row's group column, a region, a variant as `contig:position:ref:alt`; else
    /// the number of the row among those that are used, from 1.
    pub name: Option<String>,
    /// Sequences of one source with the same group belong together.
    pub group: Option<String>,
    /// The contig it lies on.
    pub contig: Option<String>,
    /// The side that its file says.
    pub side: Option<Split>,
}

/// Puts every sequence of all sources on a side.
pub(super) fn assign(sources: &mut [Examples], origins: &[Vec<Origin>], split: &SplitSpec) {
    let total: usize = sources.iter().map(Examples::len).sum();
    let mut sets = Sets {
        parent: (0..total as u32).collect(),
    };
    join_groups(&mut sets, origins);
    join_copies(&mut sets, sources);
    if split.shared_bases > 0 {
        join_shared(&mut sets, sources, split);
    }
    let pinned = |origin: &Origin| {
        let on = |contigs: &[String]| origin.contig.as_ref().is_some_and(|c| contigs.contains(c));
        match origin.side {
            Some(side) => Some(side),
            None if on(&split.test_chroms) => Some(Split::Test),
            None if on(&split.validation_chroms) => Some(Split::Validation),
            None => origin.contig.as_ref().map(|_| Split::Train),
        }
    };
    // The strictest of what its members say; by chance where none says anything.
    let mut sides: HashMap<u32, Split> = HashMap::new();
    for (i, origin) in origins.iter().flatten().enumerate() {
        if let Some(side) = pinned(origin) {
            let set = sets.find(i as u32);
            let said = sides.entry(set).or_insert(side);
            *said = (*said).max(side);
        }
    }
    let mut i = 0u32;
    for examples in sources {
        for side in &mut examples.sides {
            let set = sets.find(i);
            *side = *sides.entry(set).or_insert_with(|| {
                let at = Random::at(split.seed, &[0x5917, u64::from(set)]).uniform();
                if at < split.test_share {
                    Split::Test
                } else if at < split.test_share + split.validation_share {
                    Split::Validation
                } else {
                    Split::Train
                }
            });
            i += 1;
        }
    }
}

fn join_groups(sets: &mut Sets, origins: &[Vec<Origin>]) {
    let mut first: HashMap<(usize, &str), u32> = HashMap::new();
    let mut i = 0;
    for (source, origins) in origins.iter().enumerate() {
        for origin in origins {
            if let Some(group) = &origin.group {
                let other = *first.entry((source, group)).or_insert(i);
                sets.join(i, other);
            }
            i += 1;
        }
    }
}

fn join_copies(sets: &mut Sets, sources: &[Examples]) {
    let mut begin = 0;
    for examples in sources {
        for (i, parent) in examples.parent.iter().enumerate() {
            if let Some(parent) = parent {
                sets.join(begin + i as u32, begin + parent);
            }
        }
        begin += examples.len() as u32;
    }
}

/// Joins sequences that share so many bases in a row.
fn join_shared(sets: &mut Sets, sources: &[Examples], split: &SplitSpec) {
    let mut stretches = Vec::new();
    let mut i = 0u32;
    for examples in sources {
        for k in 0..examples.len() {
            for stretch in canonical(examples.sequence(k), split.shared_bases) {
                stretches.push((stretch, i));
            }
            i += 1;
        }
    }
    stretches.sort_unstable();
    stretches.dedup();
    for same in stretches.chunk_by(|a, b| a.0 == b.0) {
        if same.len() <= split.repeats {
            for pair in same.windows(2) {
                sets.join(pair[0].1, pair[1].1);
            }
        }
    }
}

/// The stretches of `k` known bases, at most 31, as numbers that are the same for both strands.
fn canonical(codes: &[u8], k: usize) -> impl Iterator<Item = u64> {
    let mask = (1u64 << (2 * k)) - 1;
    let (mut forward, mut reverse, mut known) = (0u64, 0u64, 0);
    codes.iter().filter_map(move |&code| {
        if code >= UNKNOWN {
            known = 0;
            return None;
        }
        known += 1;
        forward = (forward << 2 | u64::from(code)) & mask;
        reverse = reverse >> 2 | u64::from(complement(code)) << (2 * (k - 1));
        (known >= k).then_some(forward.min(reverse))
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::encode::reverse_complement;
    use crate::train::{Objective, Reading};

    fn examples(sequences: &[Vec<u8>]) -> Examples {
        let n = sequences.len();
        Examples {
            tasks: vec!["t".into()],
            columns: sequences[0].len(),
            windows: 1,
            step: 0,
            reading: Reading::Windows,
            objective: Objective::Values,
            codes: sequences.concat(),
            labels: Array3::zeros((n, 1, 1)),
            reversed: None,
            weights: vec![1.0; n],
            sides: vec![Split::Train; n],
            parent: vec![None; n],
            shift: 0,
        }
    }

    fn bases(n: usize, seed: u64) -> Vec<u8> {
        let mut random = Random::at(seed, &[]);
        (0..n).map(|_| random.index(4) as u8).collect()
    }

    #[test]
    fn sequences_that_belong_together_are_on_the_strictest_side() {
        // 0 and 1 of one group; 2 has 25 bases of 1, on the other strand; 3 stands alone.
        let mut sequences: Vec<Vec<u8>> = (0..4).map(|i| bases(60, i)).collect();
        let mut turned = vec![0; 25];
        reverse_complement(&sequences[1][10..35], &mut turned);
        sequences[2][30..55].copy_from_slice(&turned);
        let first = examples(&sequences);
        // A second source whose second sequence holds 25 bases of 2, by contig on the test side.
        let mut others: Vec<Vec<u8>> = (10..12).map(|i| bases(60, i)).collect();
        others[1][..25].copy_from_slice(&sequences[2][..25]);
        let second = examples(&others);
        let of = |group: Option<&str>, contig: Option<&str>| Origin {
            name: None,
            group: group.map(str::to_owned),
            contig: contig.map(str::to_owned),
            side: None,
        };
        let origins = [
            vec![
                of(Some("a"), None),
                of(Some("a"), None),
                of(None, None),
                of(None, None),
            ],
            vec![of(None, Some("chr1")), of(None, Some("chr8"))],
        ];
        let split = SplitSpec {
            test_chroms: vec!["chr8".into()],
            validation_share: 0.0,
            test_share: 0.0,
            ..SplitSpec::default()
        };
        let mut sources = [first, second];
        assign(&mut sources, &origins, &split);
        let (test, train) = (Split::Test, Split::Train);
        assert_eq!(sources[0].sides, [test, test, test, train]);
        assert_eq!(sources[1].sides, [train, test]);
        // So many bases they do not have in common, and repeats do not count.
        for split in [
            SplitSpec {
                shared_bases: 31,
                ..split.clone()
            },
            SplitSpec {
                repeats: 1,
                ..split.clone()
            },
        ] {
            assign(&mut sources, &origins, &split);
            assert_eq!(sources[0].sides, [train; 4]);
        }
    }

    #[test]
    fn shares_are_kept_by_chance() {
        let mut sources = [examples(
            &(0..3000).map(|i| bases(40, i)).collect::<Vec<_>>(),
        )];
        let origins = [vec![Origin::default(); 3000]];
        assign(
            &mut sources,
            &origins,
            &SplitSpec {
                seed: 4,
                ..SplitSpec::default()
            },
        );
        let count = |side: Split| sources[0].sides.iter().filter(|s| **s == side).count();
        assert!((250..350).contains(&count(Split::Test)));
        assert!((110..190).contains(&count(Split::Validation)));
    }
}
