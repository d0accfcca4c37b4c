use std::collections::HashMap;

use super::{Assay, DatasetError, Shares, SplitRule};
use crate::input::Place;

/// The side of the split an example is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// For fitting.
    Train,
    /// For choosing between models.
    Validation,
    /// For the final figure.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The word in the data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The group of every region: regions that overlap, directly or through others, have one group.
/// Groups are numbered by first appearance. Without places every region is a group of its own. A
/// region reaches from the first base of its first tile to the last base of its last, whether or not
/// those tiles became examples; regions that only touch do not overlap.
///
/// # Errors
/// [`DatasetError::Tile`] when the tiles of a region lie on different chromosomes.
pub fn groups(assay: &Assay, places: Option<&[Place]>) -> Result<Vec<usize>, DatasetError> {
    let regions = assay.layout.regions.len();
    let Some(places) = places else {
        return Ok((0..regions).collect());
    };
    let mut spans: Vec<Option<Place>> = vec![None; regions];
    for (row, place) in places.iter().enumerate() {
        let region = assay.layout.region[row] as usize;
        match &mut spans[region] {
            None => spans[region] = Some(place.clone()),
            Some(span) if span.chrom != place.chrom => {
                return Err(DatasetError::Tile {
                    id: assay.tiles.get(row).into(),
                    problem: format!(
                        "it lies on {}, other tiles of its region on {}",
                        place.chrom, span.chrom
                    ),
                });
            }
            Some(span) => {
                span.start = span.start.min(place.start);
                span.end = span.end.max(place.end);
            }
        }
    }
    let mut order: Vec<(usize, &Place)> = spans
        .iter()
        .enumerate()
        .filter_map(|(region, span)| Some((region, span.as_ref()?)))
        .collect();
    order.sort_by(|(_, a), (_, b)| (&a.chrom, a.start, a.end).cmp(&(&b.chrom, b.start, b.end)));
    // Sorted by start, a region overlaps some earlier one exactly when it starts before the farthest
    // end so far.
    let mut cluster = vec![0; regions];
    let mut current: Option<(&str, u32)> = None;
    let mut clusters = 0;
    for (region, span) in order {
        let reach = match current {
            Some((chrom, end)) if chrom == span.chrom && span.start < end => end.max(span.end),
            _ => {
                clusters += 1;
                span.end
            }
        };
        current = Some((&span.chrom, reach));
        cluster[region] = clusters;
    }
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    Ok(cluster
        .into_iter()
        .map(|c| {
            let next = numbers.len();
            *numbers.entry(c).or_insert(next)
        })
        .collect())
}

/// The side of every example. `tiles` are the examples' tiles, `groups` the group of every region.
///
/// # Errors
/// [`DatasetError::NoCoordinates`] for a split by chromosome without places;
/// [`DatasetError::Setting`] when a chromosome the user named has no example.
pub fn split(
    assay: &Assay,
    tiles: &[usize],
    groups: &[usize],
    places: Option<&[Place]>,
    rule: &SplitRule,
) -> Result<Vec<Split>, DatasetError> {
    // The group of every example.
    let of: Vec<usize> = tiles
        .iter()
        .map(|&tile| groups[assay.layout.region[tile] as usize])
        .collect();
    let by_group = |sides: HashMap<usize, Split>| of.iter().map(|group| sides[group]).collect();
    match rule {
        SplitRule::Chromosome {
            validation,
            test,
            required,
        } => {
            let places = places.ok_or(DatasetError::NoCoordinates)?;
            let chroms: Vec<&str> = tiles.iter().map(|&t| places[t].chrom.as_str()).collect();
            check_chromosomes(required, &chroms)?;
            let side = |&chrom: &&str| match chrom {
                _ if validation.iter().any(|v| v == chrom) => Split::Validation,
                _ if test.iter().any(|t| t == chrom) => Split::Test,
                _ => Split::Train,
            };
            Ok(chroms.iter().map(side).collect())
        }
        SplitRule::Region(shares) => {
            // A group is called by the first of its regions' names in byte order.
            let mut names: HashMap<usize, &str> = HashMap::new();
            for (region, name) in assay.layout.regions.iter().enumerate() {
                let known = names.entry(groups[region]).or_insert(name);
                *known = (*known).min(name);
            }
            let side = |(group, name)| (group, shares.side(hash(name, shares.seed)));
            Ok(by_group(names.into_iter().map(side).collect()))
        }
        SplitRule::Random(shares) => Ok(by_group(random_groups(&of, shares))),
        SplitRule::RandomTiles(shares) => Ok(random_tiles(tiles.len(), shares)),
    }
}

/// Refuses a chromosome that must have examples and has none.
fn check_chromosomes(required: &[String], found: &[&str]) -> Result<(), DatasetError> {
    match required.iter().find(|c| !found.contains(&c.as_str())) {
        None => Ok(()),
        Some(chrom) => {
            let mut known = found.to_vec();
            known.sort_unstable();
            known.dedup();
            Err(DatasetError::Setting(format!(
                "no example lies on {chrom}; they lie on {}",
                known.join(", ")
            )))
        }
    }
}

/// Groups, given by example, in random order until the shares are reached.
fn random_groups(of: &[usize], shares: &Shares) -> HashMap<usize, Split> {
    let mut members: HashMap<usize, usize> = HashMap::new();
    let mut order: Vec<usize> = Vec::new();
    for &group in of {
        let count = members.entry(group).or_insert(0);
        if *count == 0 {
            order.push(group);
        }
        *count += 1;
    }
    shuffle(&mut order, shares.seed);
    let total = of.len() as f64;
    let (mut test, mut validation) = (0, 0);
    let mut sides: HashMap<usize, Split> = HashMap::new();
    for group in order {
        let size = members[&group];
        // A group goes where it still brings the share nearer to what was asked for.
        let fits = |have: usize, share: f64| have as f64 + size as f64 / 2.0 <= share * total;
        let side = if fits(test, shares.test) {
            test += size;
            Split::Test
        } else if fits(validation, shares.validation) {
            validation += size;
            Split::Validation
        } else {
            Split::Train
        };
        sides.insert(group, side);
    }
    sides
}

/// Single examples in random order until the shares are reached.
fn random_tiles(examples: usize, shares: &Shares) -> Vec<Split> {
    let mut order: Vec<usize> = (0..examples).collect();
    shuffle(&mut order, shares.seed);
    let part = |share: f64| (share * examples as f64).round() as usize;
    let (test, validation) = (part(shares.test), part(shares.validation));
    let mut sides = vec![Split::Train; examples];
    for (rank, example) in order.into_iter().enumerate() {
        if rank < test {
            sides[example] = Split::Test;
        } else if rank < test + validation {
            sides[example] = Split::Validation;
        }
    }
    sides
}

impl Shares {
    fn side(&self, hash: u64) -> Split {
        // The upper 53 bits as a number from 0 to 1.
        let at = (hash >> 11) as f64 / (1u64 << 53) as f64;
        if at < self.test {
            Split::Test
        } else if at < self.test + self.validation {
            Split::Validation
        } else {
            Split::Train
        }
    }
}

/// FNV-1a, then one round of SplitMix64: the same on every machine and in every version.
fn hash(name: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    let hash = name.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    SplitMix(hash).next()
}

/// Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn shuffle(items: &mut [usize], seed: u64) {
    let mut random = SplitMix(seed);
    for last in (1..items.len()).rev() {
        let draw = (u128::from(random.next()) * (last as u128 + 1)) >> 64;
        items.swap(last, draw as usize);
    }
}
