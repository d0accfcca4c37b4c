//! Alleles against haplotypes that are written out.

use proptest::prelude::*;

use super::*;
use crate::encode::push_codes;
use crate::genome::Interval;

struct Contig(Vec<u8>);

impl Contig {
    fn new(letters: &[u8]) -> Self {
        let mut codes = Vec::new();
        assert!(push_codes(letters, &mut codes));
        Self(codes)
    }
}

impl Bases for Contig {
    fn codes(&mut self, from: u32, to: u32) -> Result<&[u8], Error> {
        let missing = (to as usize).saturating_sub(self.0.len());
        // One base is asked for at a time where it may lie outside.
        match missing {
            0 => Ok(&self.0[from as usize..to as usize]),
            _ => Ok(&[]),
        }
    }

    fn length(&self) -> u32 {
        self.0.len() as u32
    }
}

/// Lifts `REF>ALT` whose REF is `[start, end)` of the new genome, within aligned bases `[low, high)`.
fn lift(
    genome: &str,
    (start, end): (u32, u32),
    (low, high): (u32, u32),
    minus: bool,
    change: &str,
) -> Result<(u32, String), Reject> {
    let (reference, alts) = change.split_once('>').unwrap();
    let alts: Vec<&[u8]> = alts.split(',').map(str::as_bytes).collect();
    let span = Span {
        contig: "n",
        bases: Interval::new(start, end).unwrap(),
        minus,
        around: (start - low, high - end),
    };
    let mut genome = Contig::new(genome.as_bytes());
    let lifted = Alleles::lifted(reference.as_bytes(), &alts, &span, &mut genome).unwrap();
    lifted.map(|a| {
        let text = |allele: &[u8]| String::from_utf8(allele.to_vec()).unwrap();
        let alts: Vec<String> = a.alts.iter().map(|alt| text(alt)).collect();
        let change = format!("{}>{}", text(&a.reference), alts.join(","));
        (a.start, change)
    })
}

#[test]
fn single_bases() {
    let at = |minus, change| lift("ACGTACGT", (2, 3), (2, 3), minus, change);
    let is = |start: u32, change: &str| Ok((start, change.to_owned()));
    assert_eq!(at(false, "G>A,T"), is(2, "G>A,T"));
    // In lower case, and with what is no letter.
    assert_eq!(at(false, "g>.,*,<NON_REF>"), is(2, "g>.,*,<NON_REF>"));
    assert_eq!(at(true, "C>t,*"), is(2, "G>a,*"));
    assert_eq!(at(true, "C>N,R"), is(2, "G>N,Y"));
    assert_eq!(at(false, "C>A"), Err(Reject::RefDiffers));
    assert_eq!(at(false, "C>A,G"), Err(Reject::Swapped));
    assert_eq!(at(true, "A>C"), Err(Reject::Swapped));
    assert_eq!(at(true, "G>T"), Err(Reject::RefDiffers));
    // What is unknown does not differ.
    assert_eq!(lift("AN", (1, 2), (0, 2), false, "C>T"), is(1, "C>T"));
    assert_eq!(at(false, "N>T"), is(2, "N>T"));
}

#[test]
fn several_bases() {
    let genome = "ACGTTACGT";
    let at = |minus, change| lift(genome, (2, 4), (2, 4), minus, change);
    assert_eq!(at(false, "GT>CC"), Ok((2, "GT>CC".into())));
    assert_eq!(at(true, "AC>AG"), Ok((2, "GT>CT".into())));
    assert_eq!(at(true, "TT>AC"), Err(Reject::Swapped));
}

#[test]
fn insertions_and_deletions() {
    //            0123456789
    let genome = "GATTTCAGGC";
    let whole = (0, 10);
    let is = |start: u32, change: &str| Ok((start, change.to_owned()));
    // Forwards, a record stays as it is.
    assert_eq!(lift(genome, (1, 3), whole, false, "AT>A"), is(1, "AT>A"));
    assert_eq!(lift(genome, (4, 5), whole, false, "T>TT"), is(4, "T>TT"));
    // Backwards, it is hung upon the base before and goes left: A>AA behind 4 is TT at 1.
    assert_eq!(lift(genome, (4, 5), whole, true, "A>AA"), is(1, "A>AT"));
    assert_eq!(lift(genome, (3, 6), whole, true, "GAA>G"), is(1, "ATT>A"));
    assert_eq!(
        lift(genome, (5, 6), whole, true, "G>GT,GTT"),
        is(4, "T>TA,TAA")
    );
    // Some bases for others.
    assert_eq!(lift(genome, (5, 7), whole, true, "TG>A"), is(5, "CA>T"));
    assert_eq!(
        lift(genome, (5, 7), (5, 7), false, "CA>T"),
        Err(Reject::Gap)
    );
    assert_eq!(lift(genome, (5, 7), (4, 8), false, "CA>T"), is(5, "CA>T"));
    // The run of T may be written anywhere in 2..5, and needs a base on either side.
    for (low, high) in [(2, 10), (0, 5), (3, 4)] {
        let (from, to) = (low.max(3), 4);
        let found = lift(genome, (from, to), (low, high), false, "T>TT");
        assert_eq!(found, Err(Reject::Gap), "{low}..{high}");
    }
    assert_eq!(lift(genome, (3, 4), (1, 6), false, "T>TT"), is(3, "T>TT"));
    // REF differs, and the genome has what is inserted.
    assert_eq!(
        lift(genome, (1, 2), whole, false, "C>ATT"),
        Err(Reject::Swapped)
    );
    assert_eq!(
        lift(genome, (4, 5), whole, true, "C>AAA"),
        Err(Reject::Swapped)
    );
    assert_eq!(
        lift(genome, (1, 2), whole, false, "C>AGG"),
        Err(Reject::RefDiffers)
    );
    // There is no base before the contig's first to hang upon.
    assert_eq!(lift("TTC", (1, 2), (0, 3), true, "A>AA"), Err(Reject::Gap));
    assert_eq!(lift("TTC", (0, 1), (0, 3), false, "T>TT"), is(0, "T>TT"));
    // Where the genome is unknown, so is that base.
    assert_eq!(lift("NNNNN", (2, 4), (0, 5), true, "AC>A"), is(1, "NG>N"));
}

fn letters(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"AC".to_vec()), 1..most)
}

fn reversed(letters: &[u8], minus: bool) -> Vec<u8> {
    match minus {
        true => bio::alphabets::dna::revcomp(letters),
        false => letters.to_vec(),
    }
}

/// A sequence with `[at, at + deleted)` replaced.
fn changed(letters: &[u8], at: usize, deleted: usize, inserted: &[u8]) -> Vec<u8> {
    [&letters[..at], inserted, &letters[at + deleted..]].concat()
}

proptest! {
    #[test]
    fn a_lifted_allele_makes_the_same_haplotype(
        genome in letters(24),
        cut in (0usize..24, 1usize..24),
        at in (0usize..24, 1usize..5),
        alt in letters(5),
        minus in any::<bool>(),
    ) {
        // The aligned bases, as they are in the old genome, and a REF within them.
        let low = cut.0 % genome.len();
        let high = (low + cut.1).min(genome.len());
        let old = reversed(&genome[low..high], minus);
        let from = at.0 % old.len();
        let to = (from + at.1).min(old.len());
        let reference = &old[from..to];
        prop_assume!(reference != alt);
        let haplotype = reversed(&changed(&old, from, to - from, &alt), minus);
        let expected = [&genome[..low], &haplotype, &genome[high..]].concat();

        let (start, end) = match minus {
            false => (low + from, low + to),
            true => (high - to, high - from),
        };
        let span = Span {
            contig: "n",
            bases: Interval::new(start as u32, end as u32).unwrap(),
            minus,
            around: ((start - low) as u32, (high - end) as u32),
        };
        let lifted = Alleles::lifted(reference, &[&alt], &span, &mut Contig::new(&genome)).unwrap();
        let reject = match lifted {
            Ok(lifted) => {
                let (at, reference) = (lifted.start as usize, &lifted.reference);
                prop_assert_eq!(&genome[at..at + reference.len()], &reference[..]);
                let made = changed(&genome, at, reference.len(), &lifted.alts[0]);
                prop_assert_eq!(made, &expected[..]);
                if minus && reference.len() != lifted.alts[0].len() {
                    // As short and as far left as it can be.
                    prop_assert_ne!(reference.last(), lifted.alts[0].last());
                    let both = reference.len().min(lifted.alts[0].len()) > 1;
                    prop_assert!(!both || reference[0] != lifted.alts[0][0]);
                }
                None
            }
            Err(reject) => Some(reject),
        };
        // All ways to write it with as few bases as it takes.
        let size = expected.len() as i64 - genome.len() as i64;
        if size == 0 {
            prop_assert_eq!(reject, None);
            return Ok(());
        }
        let fewest = (0..=genome.len()).flat_map(|at| (at..=genome.len()).map(move |to| (at, to - at)));
        let ways: Vec<(usize, usize)> = fewest
            .filter(|&(at, deleted)| {
                let inserted = deleted as i64 + size;
                inserted >= 0
                    && at as i64 + inserted <= expected.len() as i64
                    && changed(&genome, at, deleted, &expected[at..at + inserted as usize]) == expected
            })
            .collect();
        let least = ways.iter().map(|w| w.1).min().unwrap();
        let pure = least == 0 || least as i64 + size == 0;
        let inside = |&(at, deleted): &(usize, usize)| {
            (at == 0 || at > low) && (at + deleted == genome.len() || at + deleted < high)
        };
        let all_inside = ways.iter().filter(|w| w.1 == least).all(inside);
        let at_begin = minus && ways.iter().any(|w| w.1 == least && w.0 == 0);
        match reject {
            None => prop_assert!(!pure || all_inside, "{ways:?}"),
            Some(Reject::Gap) => prop_assert!(!pure || !all_inside || at_begin, "{ways:?}"),
            Some(other) => prop_assert!(false, "{other}"),
        }
    }
}
