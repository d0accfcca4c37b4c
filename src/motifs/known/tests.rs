use super::Tomtom;
use crate::motifs::Motif;

/// Motifs of a formula, which the recorded run has, too.
fn formula(k: u64, width: u64) -> Motif {
    let count = |c: u64, b: u64| 1 + (k * 31 + c * 17 + b * 7 + c * c * b * 5 + k * k * b) % 23;
    let frequencies = (0..width).map(|c| {
        let counts = [0, 1, 2, 3].map(|b| count(c, b) as f64);
        counts.map(|n| n / counts.iter().sum::<f64>())
    });
    Motif {
        name: format!("m{k}"),
        other_name: String::new(),
        frequencies: frequencies.collect(),
        sites: 0,
    }
}

fn targets() -> Vec<Motif> {
    (0..40).map(|k| formula(k, 5 + k % 7)).collect()
}

/// memelite 0.5.0, `tomtom(Qs, Ts, n_target_bins=None, n_median_bins=100000)`: of each query the three targets of the smallest p.
#[test]
fn as_memelite_has_it() {
    let tomtom = Tomtom::new(&targets());
    for (query, expected) in [
        (
            formula(100, 6),
            [
                (8, 2.661399220e-13, 0, 6, false),
                (31, 7.984197659e-13, 0, 6, false),
                (14, 2.024873127e-03, -1, 4, true),
            ],
        ),
        (
            formula(3, 8),
            [
                (3, 1.237932075e-18, 0, 8, false),
                (26, 3.713796225e-18, 0, 8, false),
                (34, 6.595891835e-02, -3, 8, false),
            ],
        ),
        (
            formula(101, 12),
            [
                (32, 8.291524941e-19, 0, 9, false),
                (9, 5.979211922e-16, 0, 7, false),
                (6, 2.272514375e-12, 0, 11, false),
            ],
        ),
    ] {
        let mut all = tomtom.all_of_matrix(&query.frequencies);
        all.sort_by(|a, b| a.p.total_cmp(&b.p));
        for (found, (motif, p, offset, overlap, reverse)) in all.iter().zip(expected) {
            assert_eq!(
                (found.motif, found.offset, found.overlap, found.reverse),
                (motif, offset, overlap, reverse)
            );
            assert!((found.p / p - 1.0).abs() < 1e-6, "{} {p}", found.p);
            assert_eq!(found.e, found.p * 40.0);
        }
        let best = tomtom.of_matrix(&query.frequencies).unwrap();
        assert_eq!(best, all[0]);
    }
    // The same of a word, GATAAGC.
    let found = tomtom.of_word(&[2, 0, 3, 0, 0, 2, 1]).unwrap();
    assert_eq!((found.motif, found.overlap, found.reverse), (16, 7, true));
    assert!((found.p / 2.710998535e-02 - 1.0).abs() < 1e-6);
}

/// Stretches of words come by how often they have each letter, stretches of matrices column by column: the same numbers.
#[test]
fn words_are_matrices_of_single_letters() {
    let tomtom = Tomtom::new(&targets());
    for word in [
        &[0u8, 0, 3, 1][..],
        &[2],
        &[1, 2, 1, 2, 0, 0, 0, 3, 3, 2, 1, 0, 1],
    ] {
        let matrix: Vec<[f64; 4]> = (word.iter())
            .map(|&code| std::array::from_fn(|b| f64::from(u8::from(b == usize::from(code)))))
            .collect();
        let (a, b) = (
            tomtom.of_word(word).unwrap(),
            tomtom.of_matrix(&matrix).unwrap(),
        );
        assert_eq!(
            (a.motif, a.offset, a.reverse),
            (b.motif, b.offset, b.reverse)
        );
        assert!((a.p / b.p - 1.0).abs() < 1e-9);
    }
    assert!(tomtom.of_word(&[]).is_none() && tomtom.of_word(&[0, 4]).is_none());
    assert!(tomtom.of_matrix(&[]).is_none());
}

/// Of a query of one column and targets of one column the p-value is a share of the columns: those that are as near.
#[test]
fn a_single_column_is_a_rank() {
    let shares = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.7, 0.1, 0.1, 0.1],
        [0.1, 0.1, 0.1, 0.7],
    ];
    let motifs: Vec<Motif> = (shares.iter())
        .map(|column| Motif {
            frequencies: vec![*column],
            ..formula(0, 1)
        })
        .collect();
    let all = Tomtom::new(&motifs).all_of_matrix(&[[1.0, 0.0, 0.0, 0.0]]);
    // With the reverse complements there are eight columns: A, twice mostly A, twice mostly T, and the three others.
    for (likeness, rank) in all.iter().zip([1.0, 8.0, 3.0, 3.0]) {
        let p: f64 = rank / 8.0;
        assert!(
            (likeness.p - (1.0 - (1.0 - p) * (1.0 - p))).abs() < 1e-12,
            "{all:?}"
        );
    }
    assert!(all[3].reverse && !all[2].reverse);
}
