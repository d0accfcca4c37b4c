//! Which rows are of one locus, and how likely each is to be the one that counts.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::clump::{Genotypes, Spot, clump};
use super::rows::Key;
use super::{GwasConfig, Kinds};

/// Rows of a credible set further apart than this are of sets that share their name.
const APART: u32 = 1_000_000;

/// What is known of a row in its locus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// From 1, the strongest association's first.
    pub locus: u32,
    /// From 1.
    pub rank: u32,
    /// By association and predicted effect.
    pub posterior: f64,
    /// By the association alone.
    pub by_association: f64,
}

/// The loci of a table.
pub(super) struct Loci {
    /// By row; none for what is in no locus.
    places: HashMap<u32, Place>,
    /// Rows of the table of candidates, by locus and rank, each variant once.
    pub ranked: Vec<u32>,
    pub count: usize,
    /// What makes a locus, in a word.
    pub by: &'static str,
}

impl Loci {
    pub fn find(
        keys: &[Key],
        config: &GwasConfig,
        kinds: Kinds,
        genotypes: Option<&Genotypes>,
    ) -> Self {
        let (unique, same) = unique(keys, config.lead_p, config.clump.distance, kinds.sets);
        let (members, by) = match (kinds.sets, genotypes) {
            (true, _) => (by_sets(keys, &unique), "credible set"),
            (false, None) => (by_leads(keys, &unique, config, None), "distance"),
            (false, some) => (by_leads(keys, &unique, config, some), "disequilibrium"),
        };
        let mut loci = Self {
            places: HashMap::new(),
            ranked: Vec::new(),
            count: members.len(),
            by,
        };
        for (number, members) in (1..).zip(members) {
            loci.rank(keys, number, members, kinds.pip);
        }
        for (row, first) in same {
            if let Some(place) = loci.places.get(&first).copied() {
                loci.places.insert(row, place);
            }
        }
        loci
    }

    /// What is known of a row.
    pub fn of(&self, row: u32) -> Option<Place> {
        self.places.get(&row).copied()
    }

    /// Variants in loci.
    pub fn candidates(&self) -> usize {
        self.ranked.len()
    }

    /// Ranks the rows of a locus.
    fn rank(&mut self, keys: &[Key], locus: u32, mut members: Vec<u32>, by_pip: bool) {
        let evidence = |i: u32| {
            let value = keys[i as usize].evidence;
            if value.is_nan() {
                f64::NEG_INFINITY
            } else {
                value
            }
        };
        let most = members
            .iter()
            .map(|&i| evidence(i))
            .fold(f64::NEG_INFINITY, f64::max);
        let share = |i: u32| match most.is_finite() {
            true => (evidence(i) - most).exp(),
            false => 0.0,
        };
        // What has no predicted effect counts as one of the background does on average.
        let weight = |i: u32| {
            let weight = f64::from(keys[i as usize].weight);
            if weight.is_nan() { 1.0 } else { weight }
        };
        let alone: f64 = members.iter().map(|&i| share(i)).sum();
        let joint: f64 = members.iter().map(|&i| share(i) * weight(i)).sum();
        // PIPs keep their sum, which is how likely the set holds the variant at all.
        let total = match by_pip {
            true if most.is_finite() => alone * most.exp(),
            _ => 1.0,
        };
        let part = |value: f64, of: f64| if of > 0.0 { value / of * total } else { 0.0 };
        let posterior = |i: u32| part(share(i) * weight(i), joint);
        members.sort_by(|&a, &b| {
            (posterior(b).total_cmp(&posterior(a)))
                .then(weight(b).total_cmp(&weight(a)))
                .then(a.cmp(&b))
        });
        for (rank, &row) in (1..).zip(&members) {
            self.places.insert(
                row,
                Place {
                    locus,
                    rank,
                    posterior: posterior(row),
                    by_association: part(share(row), alone),
                },
            );
        }
        self.ranked.extend(members);
    }
}

/// The better association first: by p, then |z|, then PIP; those without last.
fn better(a: &Key, b: &Key) -> Ordering {
    let down = |a: f64, b: f64| a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a));
    down(a.log_p, b.log_p)
        .then_with(|| down(a.abs_z, b.abs_z))
        .then_with(|| down(f64::from(a.pip), f64::from(b.pip)))
}

/// Rows that may be in a locus, each variant of a group once (the better row of it), by place; and the others of
/// the same variants, with the row that stands for them.
fn unique(keys: &[Key], lead_p: f64, distance: u32, sets: bool) -> (Vec<u32>, Vec<(u32, u32)>) {
    let of = |i: u32| &keys[i as usize];
    let place = |i: u32| (of(i).group, of(i).contig, of(i).position);
    let mut rows: Vec<u32> = (0..keys.len() as u32)
        .filter(|&i| of(i).contig != u32::MAX && (!sets || of(i).set > 0))
        .collect();
    rows.sort_by_key(|&i| (place(i), of(i).alleles, of(i).set, i));
    if !sets {
        // Only what lies near enough to something that may begin a locus, on either side.
        let mut near = vec![false; rows.len()];
        let mut mark = |order: &mut dyn Iterator<Item = usize>| {
            let mut last: Option<u32> = None;
            for at in order {
                let row = rows[at];
                if of(row).may_lead(lead_p) {
                    last = Some(row);
                }
                let (group, contig, position) = place(row);
                near[at] |= last.is_some_and(|lead| {
                    let (g, c, p) = place(lead);
                    (g, c) == (group, contig) && p.abs_diff(position) <= distance
                });
            }
        };
        mark(&mut (0..rows.len()));
        mark(&mut (0..rows.len()).rev());
        let mut kept = near.iter();
        rows.retain(|_| kept.next().is_some_and(|near| *near));
    }
    let mut first: Vec<u32> = Vec::new();
    let mut same: Vec<(u32, u32)> = Vec::new();
    let variant = |i: u32| (place(i), of(i).alleles, if sets { of(i).set } else { 0 });
    for rows in rows.chunk_by(|&a, &b| variant(a) == variant(b)) {
        let best = rows
            .iter()
            .copied()
            .min_by(|&a, &b| better(of(a), of(b)).then(a.cmp(&b)));
        for &row in rows {
            match best {
                Some(best) if best != row => same.push((row, best)),
                _ => first.push(row),
            }
        }
    }
    (first, same)
}

/// Credible sets: rows of one name, group and contig, near each other.
fn by_sets(keys: &[Key], rows: &[u32]) -> Vec<Vec<u32>> {
    let of = |i: u32| &keys[i as usize];
    let mut rows = rows.to_vec();
    rows.sort_by_key(|&i| (of(i).group, of(i).contig, of(i).set, of(i).position, i));
    let joined = |a: &u32, b: &u32| {
        let (a, b) = (of(*a), of(*b));
        (a.group, a.contig, a.set) == (b.group, b.contig, b.set) && b.position - a.position <= APART
    };
    let sets = rows.chunk_by(joined).map(<[u32]>::to_vec).collect();
    in_order(keys, sets)
}

/// What is near to the best association, then to the best of those left.
fn by_leads(
    keys: &[Key],
    rows: &[u32],
    config: &GwasConfig,
    genotypes: Option<&Genotypes>,
) -> Vec<Vec<u32>> {
    let of = |i: u32| &keys[i as usize];
    let mut rows = rows.to_vec();
    rows.sort_by(|&a, &b| better(of(a), of(b)).then(a.cmp(&b)));
    let spots: Vec<Spot> = (rows.iter().map(|&i| of(i)))
        .map(|key| Spot {
            set: (key.contig, key.group),
            position: key.position,
        })
        .collect();
    let row = |i: usize| {
        let key = of(rows[i]);
        genotypes?.at(key.contig, key.position)
    };
    let r2 = |a: usize, b: usize| genotypes?.r2(row(a)?, row(b)?);
    let least = genotypes.map(|_| config.clump.r2);
    let may_lead = |i: usize| of(rows[i]).may_lead(config.lead_p);
    let leads = clump(&spots, config.clump.distance, least, r2, may_lead);
    let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
    for (row, lead) in rows.iter().zip(leads) {
        if let Some(lead) = lead {
            members.entry(lead).or_default().push(*row);
        }
    }
    in_order(keys, members.into_values().collect())
}

/// Loci, the strongest association's first.
fn in_order(keys: &[Key], mut loci: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let of = |i: &u32| &keys[*i as usize];
    let best = |locus: &[u32]| {
        let order = |a: &&u32, b: &&u32| better(of(a), of(b)).then(a.cmp(b));
        locus.iter().min_by(order).copied()
    };
    let mut keyed: Vec<(Option<u32>, Vec<u32>)> =
        loci.drain(..).map(|locus| (best(&locus), locus)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => better(of(a), of(b)).then(a.cmp(b)),
        _ => a.cmp(b),
    });
    keyed.into_iter().map(|(_, locus)| locus).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::clump::Clump;
    use super::*;

    fn key(position: u32, log_p: f64, p_effect: f64) -> Key {
        Key {
            at: 0,
            contig: 0,
            position,
            alleles: 7,
            abs_z: log_p.sqrt(),
            log_p,
            evidence: log_p,
            pip: f32::NAN,
            weight: -p_effect.ln() as f32,
            set: 0,
            group: 0,
        }
    }

    fn config() -> GwasConfig {
        GwasConfig {
            scoring: crate::variants::config::tests::scoring(),
            table: crate::sumstats::SumTable::default(),
            groups: Vec::new(),
            clump: Clump {
                distance: 100,
                ..Clump::default()
            },
            lead_p: 1e-5,
            liftover: None,
            out: "-".into(),
            candidates: None,
            combine: crate::variants::Combine::Cauchy,
            annotations: Vec::new(),
            long: crate::variants::LongRun::default(),
            force: false,
        }
    }

    const ASSOCIATION: Kinds = Kinds {
        association: true,
        pip: false,
        sets: false,
    };

    #[test]
    fn effects_settle_what_the_association_cannot() {
        // Two rows that are equally associated, the second with an effect that one in 1,000 has.
        let keys = [
            key(1000, 8.0, 0.5),
            key(1050, 8.0, 0.001),
            key(1090, 6.0, 1e-5),
            key(5000, 5.5, 0.5),
            key(9000, 3.0, 0.5),
            key(1050, 8.0, 0.001),
        ];
        let loci = Loci::find(&keys, &config(), ASSOCIATION, None);
        assert_eq!((loci.count, loci.candidates(), loci.by), (2, 4, "distance"));
        assert_eq!(loci.ranked, [1, 2, 0, 3]);
        let (first, second) = (loci.of(0).unwrap(), loci.of(1).unwrap());
        assert_eq!(
            (first.locus, second.locus, loci.of(3).unwrap().locus),
            (1, 1, 2)
        );
        assert!(loci.of(4).is_none());
        // The same variant once more is where the first is.
        assert_eq!(loci.of(5), loci.of(1));
        let ratio = second.posterior / first.posterior;
        assert!(
            (ratio - 0.001f64.ln() / 0.5f64.ln()).abs() < 1e-6,
            "{ratio}"
        );
        assert!((first.by_association - second.by_association).abs() < 1e-12);
        let sum: f64 = (0..3).map(|i| loci.of(i).unwrap().posterior).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn posteriors_of_sets_keep_their_sum() {
        let row = |position, set, pip: f64, p| Key {
            set,
            pip: pip as f32,
            evidence: pip.ln(),
            log_p: f64::NAN,
            ..key(position, 0.0, p)
        };
        let mut keys = vec![
            row(10, 1, 0.5, 0.01),
            row(20, 1, 0.4, f64::NAN),
            row(30, 0, 0.3, 0.1),
            // The same name far away is another set, and so is that of another trait.
            row(3_000_000, 1, 0.9, 0.5),
            row(20, 1, 0.8, 0.5),
        ];
        keys[4].group = 1;
        let kinds = Kinds {
            association: false,
            pip: true,
            sets: true,
        };
        let loci = Loci::find(&keys, &config(), kinds, None);
        assert_eq!((loci.count, loci.by), (3, "credible set"));
        assert_eq!(loci.ranked, [3, 4, 0, 1]);
        let sum = loci.of(0).unwrap().posterior + loci.of(1).unwrap().posterior;
        assert!((sum - 0.9).abs() < 1e-9, "{sum}");
        assert!((loci.of(0).unwrap().by_association - 0.5).abs() < 1e-9);
        assert!(loci.of(2).is_none());
    }
}
