use super::patterns::Worths;
use super::run::patterns;
use crate::job::Cancel;
use crate::motifs::ScoredRows;
use crate::motifs::scored_rows::Row;
use crate::motifs::seqlets::{Rules, find};
use crate::stats::Random;

const AP1: [u8; 7] = [3, 2, 0, 1, 3, 1, 0];
const GATA: [u8; 8] = [0, 2, 0, 3, 0, 0, 2, 2];

/// Random sequences, in each of which one of two words lies on either strand, under contributions; where they lie and which.
fn planted() -> (ScoredRows, Vec<[usize; 3]>) {
    let mut random = Random::new(5, 0, 0);
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for number in 0..240 {
        let mut codes: Vec<u8> = (0..120).map(|_| random.below(4) as u8).collect();
        let mut worth: Vec<f32> = (0..120).map(|_| 0.05 * random.normal() as f32).collect();
        let kind = usize::from(number % 3 == 0);
        let mut word = if kind == 0 {
            AP1.to_vec()
        } else {
            GATA.to_vec()
        };
        let strand = random.below(2) as usize;
        if strand == 1 {
            word.reverse();
            word.iter_mut().for_each(|c| *c = 3 - *c);
        }
        let at = 20 + random.index(70);
        codes[at..at + word.len()].copy_from_slice(&word);
        for v in &mut worth[at..at + word.len()] {
            *v += 0.8 + 0.2 * random.uniform() as f32;
        }
        // A base is worth what it gives over the mean: the three others share the opposite.
        let hypothetical = codes.iter().zip(&worth).map(|(&code, &w)| {
            std::array::from_fn(|b| if b == usize::from(code) { w } else { -w / 3.0 })
        });
        places.push([kind, strand, at]);
        rows.push(Row {
            number,
            hypothetical: hypothetical.collect(),
            codes,
            values: vec![worth],
            ..Row::default()
        });
    }
    let data = ScoredRows {
        tasks: vec!["t".into()],
        rows,
        ..ScoredRows::default()
    };
    (data, places)
}

#[test]
fn planted_words_are_found_and_nothing_else() {
    let (data, places) = planted();
    let cancel = Cancel::default();
    let [seqlets, _] = find(&data, 0, &Rules::default(), &cancel).unwrap();
    let sites = super::run::strongest(seqlets, 20_000);
    let worths = Worths {
        data: &data,
        sign: 1.0,
    };
    let found = patterns(&worths, &sites, 4, 20, &cancel).unwrap();
    assert_eq!(
        found.len(),
        2,
        "{:?}",
        found.iter().map(|p| p.sites.len()).collect::<Vec<_>>()
    );
    for (pattern, (kind, word)) in found.iter().zip([(0, &AP1[..]), (1, &GATA[..])]) {
        let total = places.iter().filter(|p| p[0] == kind).count();
        assert!(pattern.sites.len() * 20 > total * 19 && pattern.sites.len() <= total + 2);
        let letters: Vec<u8> = (pattern.frequencies().iter())
            .map(|c| {
                (0..4u8)
                    .max_by(|&a, &b| c[usize::from(a)].total_cmp(&c[usize::from(b)]))
                    .unwrap()
            })
            .collect();
        let turned: Vec<u8> = letters.iter().rev().map(|c| 3 - c).collect();
        assert!(letters == word || turned == word, "{letters:?}");
        assert!((pattern.contribution() / (0.9 * word.len() as f64) - 1.0).abs() < 0.05);
        // All sites of one strand lie alike on their words.
        let mut along = std::collections::BTreeSet::new();
        for site in pattern.sites.iter().filter(|s| places[s.row][0] == kind) {
            let [_, strand, at] = places[site.row];
            let middle = site.middle - at as i32;
            let from_begin = if strand == 1 {
                word.len() as i32 - middle
            } else {
                middle
            };
            along.insert((from_begin, site.reverse == (strand == 1)));
        }
        assert_eq!(along.len(), 1, "{along:?}");
    }
    // Nothing hangs on threads.
    let alone = crate::job::on_threads(1, || patterns(&worths, &sites, 4, 20, &cancel)).unwrap();
    assert_eq!(alone, found);
}

#[test]
fn words_that_repress_are_found_with_the_sign_turned() {
    let (mut data, _) = planted();
    for row in &mut data.rows {
        row.values[0].iter_mut().for_each(|v| *v = -*v);
        row.hypothetical.iter_mut().flatten().for_each(|v| *v = -*v);
    }
    let cancel = Cancel::default();
    let [positive, negative] = find(&data, 0, &Rules::default(), &cancel).unwrap();
    // What is left on the other side is noise.
    assert!(
        positive.len() < negative.len(),
        "{} {}",
        positive.len(),
        negative.len()
    );
    let worths = Worths {
        data: &data,
        sign: -1.0,
    };
    let sites = super::run::strongest(negative, 20_000);
    let found = patterns(&worths, &sites, 4, 20, &cancel).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|p| p.contribution() > 0.0));
    // None are left where more seqlets are asked for than there are.
    assert!(
        patterns(&worths, &sites, 4, 500, &cancel)
            .unwrap()
            .is_empty()
    );
    assert!(patterns(&worths, &[], 4, 20, &cancel).unwrap().is_empty());
}
