use super::{Null, Rules, call, find};
use crate::job::Cancel;
use crate::motifs::scored_rows::Row;
use crate::motifs::{MotifError, ScoredRows};

/// Six rows of 80 values of a formula, with a stretch that is high and one that is low in each.
fn values() -> Vec<Vec<f32>> {
    (0..6usize)
        .map(|r| {
            let mut row: Vec<f32> = (0..80usize)
                .map(|j| {
                    let h = (r * 7919 + j * 104_729 + j * j * 31) % 1000;
                    h as f32 / 1000.0 - 0.5
                })
                .collect();
            row[10 * r + 5..10 * r + 13]
                .iter_mut()
                .for_each(|v| *v += 1.5);
            row[70 - 5 * r..76 - 5 * r]
                .iter_mut()
                .for_each(|v| *v -= 1.25);
            row
        })
        .collect()
}

/// tangermeme 1.6.0, `recursive_seqlets(X)` and, with the sign of the sum turned back, `recursive_seqlets(-X)`: row, start, end, sum, p.
const POSITIVE: [(usize, usize, usize, f64, f64); 6] = [
    (0, 4, 14, 1.191999996e+01, 4.936157604e-07),
    (1, 14, 24, 1.270999992e+01, 9.293241914e-08),
    (2, 24, 34, 1.150000000e+01, 1.102035104e-06),
    (3, 35, 44, 1.041100004e+01, 3.171771497e-06),
    (4, 44, 51, 8.044000030e+00, 3.757996279e-05),
    (5, 54, 64, 1.286999989e+01, 6.629154331e-08),
];
const NEGATIVE: [(usize, usize, usize, f64, f64); 6] = [
    (0, 69, 77, -7.827999979e+00, 3.654154072e-06),
    (1, 63, 71, -6.300000012e+00, 1.019634083e-04),
    (2, 59, 67, -7.244000018e+00, 1.386956687e-05),
    (3, 54, 63, -8.232999980e+00, 3.667857122e-06),
    (4, 52, 57, -3.500000060e+00, 3.894819752e-03),
    (5, 44, 52, -7.867999941e+00, 3.320638225e-06),
];

#[test]
fn as_tangermeme_calls_them() {
    let rows = values();
    let rules = Rules::default();
    for (turned, expected) in [(false, POSITIVE), (true, NEGATIVE)] {
        let null = Null::new(rows.iter().map(|r| &r[..]), turned, rules.longest).unwrap();
        let mut found: Vec<_> = (rows.iter().enumerate())
            .flat_map(|(i, row)| call(i, row, turned, &null, &rules))
            .collect();
        found.sort_by_key(|s| (s.row, s.start));
        assert_eq!(found.len(), expected.len());
        for (s, (row, start, end, sum, p)) in found.iter().zip(expected) {
            assert_eq!((s.row, s.start, s.end), (row, start, end));
            assert!(
                (s.sum - sum).abs() < 1e-8 && (s.p / p - 1.0).abs() < 1e-8,
                "{s:?}"
            );
        }
    }
}

fn data(values: Vec<Vec<f32>>) -> ScoredRows {
    let row = |(number, values): (usize, Vec<f32>)| Row {
        number,
        codes: vec![0; values.len()],
        values: vec![values],
        ..Row::default()
    };
    ScoredRows {
        tasks: vec!["t".into()],
        rows: values.into_iter().enumerate().map(row).collect(),
        ..ScoredRows::default()
    }
}

#[test]
fn bases_without_values_part_stretches() {
    let whole = find(&data(values()), 0, &Rules::default(), &Cancel::default()).unwrap();
    // Row 4's low stretch overlaps nothing, row 4's high one is cut.
    let mut cut = values();
    cut[1][18] = f32::NAN;
    cut[0].splice(0..0, [f32::NAN; 7]);
    let found = find(&data(cut), 0, &Rules::default(), &Cancel::default()).unwrap();
    let places = |s: &[super::Seqlet]| -> Vec<(usize, usize, usize)> {
        s.iter().map(|s| (s.row, s.start, s.end)).collect()
    };
    let expected: Vec<_> = POSITIVE.iter().map(|s| (s.0, s.1, s.2)).collect();
    assert_eq!(places(&whole[0]), expected);
    let found = places(&found[0]);
    assert!(found.contains(&(0, 11, 21)), "{found:?}");
    assert!(
        found.iter().all(|s| s.0 != 1 || s.2 <= 18 || s.1 > 18),
        "{found:?}"
    );
    assert!(found.contains(&(3, 35, 44)));
}

#[test]
fn negative_seqlets_give_way_to_positive_ones() {
    let mut rows = values();
    // A stretch that is both: high bases beside low ones, within one span of significance each.
    for row in &mut rows {
        row[30..34].fill(2.0);
        row[34..38].fill(-2.0);
    }
    let [positive, negative] = find(&data(rows), 0, &Rules::default(), &Cancel::default()).unwrap();
    let meet = |n: &super::Seqlet| {
        let others = positive.iter().filter(|p| p.row == n.row);
        others.clone().any(|p| p.start < n.end && n.start < p.end)
    };
    assert!(!negative.is_empty() && !negative.iter().any(meet));
}

#[test]
fn nothing_stands_out_of_equal_values() {
    let flat = data(vec![vec![0.25; 50]]);
    let error = find(&flat, 0, &Rules::default(), &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("nothing stands out"), "{error}");
    for rules in [
        Rules {
            threshold: 0.0,
            ..Rules::default()
        },
        Rules {
            shortest: 0,
            ..Rules::default()
        },
        Rules {
            shortest: 9,
            longest: 8,
            ..Rules::default()
        },
    ] {
        assert!(matches!(rules.check(), Err(MotifError::Setting(_))));
    }
}
