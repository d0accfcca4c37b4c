use std::path::Path;

use super::super::*;
use super::{Random, SHARES};
use crate::counts::{Names, lay_out};
use crate::input::Place;

fn assay(regions: &[(&str, u32)], tiles: usize) -> (Assay, Vec<Place>) {
    let mut names = Vec::new();
    let mut places = Vec::new();
    for (i, (chrom, start)) in regions.iter().enumerate() {
        for tile in 0..tiles {
            names.push(format!("r{i}_{tile}"));
            let start = start + 4 * tile as u32;
            places.push(Place {
                chrom: (*chrom).to_owned(),
                start,
                end: start + 12,
            });
        }
    }
    let tiles_: Names = names.iter().map(String::as_str).collect();
    let layout = lay_out(Path::new("t"), &tiles_, 1, tiles).unwrap();
    let assay = Assay {
        tiles: tiles_,
        layout,
        table_sequences: None,
        tasks: Vec::new(),
    };
    (assay, places)
}

#[test]
fn overlapping_regions_are_one_group() {
    // 0, 1 and 2 chain: 0 and 2 do not overlap but both overlap 1; 3 touches 2; 4 lies inside 5 on
    // another chromosome.
    let regions = [
        ("chr1", 0),
        ("chr1", 15),
        ("chr1", 30),
        ("chr1", 50),
        ("chr2", 12),
        ("chr2", 10),
    ];
    let (assay, places) = assay(&regions, 3);
    assert_eq!(groups(&assay, Some(&places)).unwrap(), [0, 0, 0, 1, 2, 2]);
    assert_eq!(groups(&assay, None).unwrap(), [0, 1, 2, 3, 4, 5]);
    let mut bad = places;
    bad[1].chrom = "chr9".into();
    assert!(groups(&assay, Some(&bad)).is_err());
}

#[test]
fn no_split_but_random_tiles_divides_overlapping_regions() {
    let mut random = Random(8);
    let regions: Vec<(&str, u32)> = (0..400)
        .map(|_| {
            (
                ["chr8", "chr18", "chr1"][random.below(3) as usize],
                random.below(9000) as u32,
            )
        })
        .collect();
    let (assay, places) = assay(&regions, 3);
    let groups = groups(&assay, Some(&places)).unwrap();
    let tiles: Vec<usize> = (0..places.len()).filter(|_| random.below(5) > 0).collect();
    let chromosome = |named: bool, name: &str| SplitRule::Chromosome {
        validation: vec!["chr8".into()],
        test: vec![name.into()],
        required: if named { vec![name.into()] } else { Vec::new() },
    };
    let divided = |rule: &SplitRule| {
        let sides = split(&assay, &tiles, &groups, Some(&places), rule).unwrap();
        let mut pairs = 0;
        // Every pair of tiles that share a base, by brute force.
        for (i, &a) in tiles.iter().enumerate() {
            for (j, &b) in tiles.iter().enumerate().skip(i + 1) {
                let (p, q) = (&places[a], &places[b]);
                let share = p.chrom == q.chrom && p.start < q.end && q.start < p.end;
                let region = assay.layout.region[a] == assay.layout.region[b];
                pairs += usize::from((share || region) && sides[i] != sides[j]);
            }
        }
        (pairs, sides)
    };
    for seed in 0..4 {
        let shares = Shares { seed, ..SHARES };
        for rule in [SplitRule::Region(shares), SplitRule::Random(shares)] {
            let (pairs, sides) = divided(&rule);
            assert_eq!(pairs, 0, "{rule:?}");
            for side in Split::ALL {
                let share =
                    sides.iter().filter(|s| **s == side).count() as f64 / sides.len() as f64;
                let asked = if side == Split::Train { 0.6 } else { 0.2 };
                assert!((share - asked).abs() < 0.09, "{rule:?}: {side:?} {share}");
            }
        }
    }
    let (pairs, sides) = divided(&chromosome(true, "chr18"));
    assert_eq!(pairs, 0);
    for (side, &tile) in sides.iter().zip(&tiles) {
        let expected = match places[tile].chrom.as_str() {
            "chr8" => Split::Validation,
            "chr18" => Split::Test,
            _ => Split::Train,
        };
        assert_eq!(*side, expected);
    }
    assert!(divided(&SplitRule::RandomTiles(SHARES)).0 > 0);
    let again = divided(&SplitRule::Random(SHARES)).1;
    assert_eq!(divided(&SplitRule::Random(SHARES)).1, again);
    let other = Shares { seed: 99, ..SHARES };
    assert_ne!(divided(&SplitRule::Random(other)).1, again);

    let unknown = split(
        &assay,
        &tiles,
        &groups,
        Some(&places),
        &chromosome(true, "chr7"),
    );
    let error = unknown.unwrap_err().to_string();
    assert!(
        error.contains("no example lies on chr7; they lie on chr1, chr18, chr8"),
        "{error}"
    );
    split(
        &assay,
        &tiles,
        &groups,
        Some(&places),
        &chromosome(false, "chr7"),
    )
    .unwrap();
    assert!(matches!(
        split(&assay, &tiles, &groups, None, &chromosome(false, "chr18")),
        Err(DatasetError::NoCoordinates)
    ));
}

#[test]
fn a_region_stays_where_it_is_when_others_are_added() {
    let regions: Vec<(String, u32)> = (0..60).map(|i| ("chr1".to_owned(), 100 * i)).collect();
    let borrowed: Vec<(&str, u32)> = regions.iter().map(|(c, s)| (c.as_str(), *s)).collect();
    let sides = |count: usize| {
        let (assay, places) = assay(&borrowed[..count], 1);
        let groups = groups(&assay, Some(&places)).unwrap();
        let tiles: Vec<usize> = (0..count).collect();
        split(
            &assay,
            &tiles,
            &groups,
            Some(&places),
            &SplitRule::Region(SHARES),
        )
        .unwrap()
    };
    assert_eq!(sides(30), sides(60)[..30]);
}
