use std::sync::Arc;

use super::super::calls::Calls;
use super::super::record::Columns;
use super::*;
use crate::genome::{Interval, Region};

/// The genome, of 120 bases.
fn genome() -> Vec<u8> {
    (0..120).map(|i| (i * i % 11 % 4) as u8).collect()
}

fn letter(code: u8) -> char {
    ['A', 'C', 'G', 'T'][usize::from(code)]
}

/// A record of the genome: `at` 0-based, `deleted` bases of REF.
fn variant(at: usize, deleted: usize, alts: &str, genotypes: &str) -> Arc<Variant> {
    let genome = genome();
    let reference: String = genome[at..at + deleted]
        .iter()
        .map(|c| letter(*c))
        .collect();
    let line = format!(
        "c\t{}\t.\t{reference}\t{alts}\t.\t.\t.\tGT:PS\t{genotypes}",
        at + 1
    );
    let columns = Columns::of(line.as_bytes()).unwrap();
    let samples = genotypes.split('\t').count();
    let chosen: Vec<Option<usize>> = (0..samples).map(Some).collect();
    let calls = Calls::read(columns.rest, &chosen, samples, alts.split(',').count()).unwrap();
    Arc::new(Variant::new(&columns, &genome[at..at + deleted], calls, 10))
}

/// A region of 10 bases from 50, with a window as long.
fn told(variants: &[Arc<Variant>], samples: usize, assume: bool) -> Told {
    let region = Region {
        contig: 0,
        bases: Interval::new(50, 60).unwrap(),
        row: 0,
    };
    let place = Place::of(&region, 10, 2);
    let (from, length) = place.read();
    let genome = genome();
    let job = Job {
        region,
        place,
        variants: variants.to_vec(),
    };
    let reference = &genome[from as usize..from as usize + length];
    tell(&job, reference, samples, assume)
}

/// A base that the genome does not have there.
fn other(at: usize) -> String {
    letter((genome()[at] + 1) % 4).to_string()
}

fn statuses(told: &Told) -> Vec<&'static str> {
    let word =
        |s: &Result<Vec<Haplotype>, Refused>| s.as_ref().map_or_else(|r| r.as_str(), |_| "ok");
    told.samples.iter().map(word).collect()
}

#[test]
fn equal_sequences_are_one() {
    let variants = [
        variant(52, 1, &other(52), "0|1\t1|1\t0|0"),
        variant(55, 1, &other(55), "1|0\t0|0\t0|0"),
    ];
    let told = told(&variants, 3, false);
    assert_eq!(statuses(&told), ["ok"; 3]);
    let numbers: Vec<Vec<Option<usize>>> = (told.samples.iter())
        .map(|s| s.as_ref().unwrap().iter().map(|h| h.sequence).collect())
        .collect();
    assert_eq!(numbers[0], [Some(1), Some(2)]);
    assert_eq!(numbers[1], [Some(2); 2]);
    assert_eq!(numbers[2], [Some(0); 2]);
    let counts: Vec<usize> = told.distinct.iter().map(|d| d.count).collect();
    assert_eq!(counts, [2, 1, 3]);
    let mut expected = genome()[50..60].to_vec();
    assert_eq!(told.distinct[0].codes, expected);
    expected[2] = (expected[2] + 1) % 4;
    assert_eq!(told.distinct[2].codes, expected);
    assert_eq!(told.distinct[2].changes, [(0, 1)]);
}

#[test]
fn what_the_phase_must_be_known_for() {
    let far = variant(44, 1, &other(44), "0/1\t0/1\t0/1");
    let near = variant(52, 1, &other(52), "0/1\t1/1\t./.");
    let told_of = |variants: &[Arc<Variant>], assume| statuses(&told(variants, 3, assume));
    // Beside the core nothing matters.
    assert_eq!(told_of(std::slice::from_ref(&far), false), ["ok"; 3]);
    assert_eq!(
        told_of(&[far.clone(), near.clone()], false),
        ["unphased", "ok", "ok"]
    );
    assert_eq!(told_of(&[far.clone(), near], true), ["ok"; 3]);
    // A deletion lets it in, for who carries it.
    let genome = genome();
    let first: String = genome[53..54].iter().map(|c| letter(*c)).collect();
    let deletion = variant(53, 8, &first, "1|1\t0|0\t0|1");
    assert_eq!(
        told_of(&[far, deletion], false),
        ["unphased", "ok", "unphased"]
    );
    // One allele is not known, and which.
    let half = variant(52, 1, &other(52), "./1\t.|1\t1|.");
    assert_eq!(
        told_of(std::slice::from_ref(&half), false),
        ["unphased", "ok", "ok"]
    );
    let found = told(&[half], 3, false);
    let second = found.samples[1].as_ref().unwrap();
    assert_eq!((second[0].missing, second[0].sequence), (1, Some(0)));
    assert_eq!((second[1].missing, second[1].sequence), (0, Some(1)));
    // Phase sets.
    let a = variant(52, 1, &other(52), "0|1:7\t0|1:7\t0|1");
    let b = variant(57, 1, &other(57), "1|0:7\t1|0:9\t1|0");
    assert_eq!(
        told_of(&[a.clone(), b.clone()], false),
        ["ok", "phase_sets", "ok"]
    );
    assert_eq!(told_of(&[a, b], true), ["ok"; 3]);
}

#[test]
fn ploidy_is_that_of_the_genotypes() {
    let a = variant(52, 1, &other(52), "1\t0|1\t0|1|1");
    let b = variant(57, 1, &other(57), "0\t1\t1|0|0");
    let found = told(&[a, b], 3, false);
    assert_eq!(statuses(&found), ["ok", "ploidy_differs", "ok"]);
    assert_eq!(found.samples[0].as_ref().unwrap().len(), 1);
    assert_eq!(found.samples[2].as_ref().unwrap().len(), 3);
    // Without a record there are two.
    let none = told(&[], 1, false);
    assert_eq!(none.samples[0].as_ref().unwrap().len(), 2);
    assert_eq!(none.distinct[0].count, 2);
}

#[test]
fn what_is_left_out_is_counted() {
    let symbolic = variant(52, 1, "<DEL>", "0|1\t1|1");
    let mut wrong = variant(54, 1, &other(54), "1|1\t0|0");
    if let Some(wrong) = Arc::get_mut(&mut wrong) {
        wrong.skip = Some(crate::variants::Skip::RefMismatch);
        wrong.changes = vec![Err(crate::variants::Skip::RefMismatch)];
    }
    let a = variant(56, 1, &other(56), "1|0\t1|0");
    let b = variant(
        56,
        1,
        &letter((genome()[56] + 2) % 4).to_string(),
        "1|0\t0|1",
    );
    let found = told(&[symbolic, wrong, a, b], 2, false);
    let haplotype = |sample: usize, h: usize| found.samples[sample].as_ref().unwrap()[h].clone();
    let of = |h: Haplotype| (h.carried, h.conflicts, h.unusable);
    assert_eq!(of(haplotype(0, 0)), (1, 1, 1));
    assert_eq!(of(haplotype(0, 1)), (0, 0, 2));
    assert_eq!(of(haplotype(1, 0)), (1, 0, 1));
    assert_eq!(of(haplotype(1, 1)), (1, 0, 1));
    let left_out: Vec<_> = found.left_out.into_iter().collect();
    assert_eq!(
        left_out,
        [((0, 1, false), 3), ((1, 1, false), 2), ((3, 1, true), 1)]
    );
}

#[test]
fn too_much_deleted_is_no_sequence() {
    let genome = genome();
    let at = |from: usize| {
        let first: String = genome[from..from + 1].iter().map(|c| letter(*c)).collect();
        variant(from, 9, &first, "1|0")
    };
    // 24 bases are gone; a window's 10 are known beside the core.
    let found = told(&[at(41), at(51), at(61)], 1, false);
    let sample = found.samples[0].as_ref().unwrap();
    assert_eq!((sample[0].sequence, sample[1].sequence), (None, Some(0)));
    let found = told(&[at(51)], 1, false);
    assert_eq!(found.samples[0].as_ref().unwrap()[0].sequence, Some(1));
    // The middle, 55, is gone with 52 to 59.
    let expected = [&genome[47..52], &genome[60..65]].concat();
    assert_eq!(found.distinct[1].codes, expected);
}
