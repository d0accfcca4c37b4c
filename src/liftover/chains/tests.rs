//! Chains made up for the test, and a twin that looks at every base.

use std::io::Write;

use proptest::prelude::*;

use super::*;

/// Two chains side by side, the second on the other strand of `n`; a third over bases of the first.
///
/// - `a` 10..40 is `n` 110..140 but for a gap: 20..25 are deleted, and three bases inserted there.
/// - `a` 50..60 is `n` 80..90, read backwards.
/// - `a` 35..45 is `m` 5..15.
const TEXT: &str = "# made up\n\
    chain 100 a 100 + 10 40 n 200 + 110 138 1\n10\t5\t3\n15\n\n\
    chain 50 a 100 + 50 60 n 200 - 110 120 2\n10 0 0\n0\n\n\
    chain 20 a 100 + 35 45 m 30 + 5 15\n10\n";

fn chains(text: &str) -> Chains {
    read(text).unwrap()
}

fn read(text: &str) -> Result<Chains, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Chains::read(file.path(), &Aliases::UcscEnsembl).map_err(|e| e.to_string())
}

fn interval(start: u32, end: u32) -> Interval {
    Interval::new(start, end).unwrap()
}

#[test]
fn positions() {
    let chains = chains(TEXT);
    let at = |position| {
        let lifted = chains.position("a", position);
        lifted.map(|l| (l.contig, l.position, l.minus))
    };
    assert_eq!(at(9), Err(Lost::Deleted));
    assert_eq!(at(10), Ok(("n", 110, false)));
    assert_eq!(at(19), Ok(("n", 119, false)));
    assert_eq!(at(22), Err(Lost::Deleted));
    assert_eq!(at(25), Ok(("n", 123, false)));
    assert_eq!(at(34), Ok(("n", 132, false)));
    assert_eq!(at(36), Err(Lost::Duplicated));
    assert_eq!(at(40), Ok(("m", 10, false)));
    // 200 - 110 - 1 on the forward strand, then backwards.
    assert_eq!(at(50), Ok(("n", 89, true)));
    assert_eq!(at(59), Ok(("n", 80, true)));
    assert_eq!(at(u32::MAX), Err(Lost::Deleted));
    assert_eq!(chains.position("b", 3), Err(Lost::UnknownContig));
}

#[test]
fn intervals_as_liftover_has_them() {
    let chains = chains(TEXT);
    let lift = |start, end, min_match| {
        let lifted = chains.interval("a", interval(start, end), min_match);
        lifted.map(|l| (l.contig, l.bases.start(), l.bases.end(), l.minus))
    };
    assert_eq!(lift(12, 18, MIN_MATCH), Ok(("n", 112, 118, false)));
    assert_eq!(lift(50, 60, MIN_MATCH), Ok(("n", 80, 90, true)));
    assert_eq!(lift(52, 55, MIN_MATCH), Ok(("n", 85, 88, true)));
    assert_eq!(lift(0, 10, MIN_MATCH), Err(Lost::Deleted));
    assert_eq!(lift(20, 25, MIN_MATCH), Err(Lost::Deleted));
    // 15 of 20 bases.
    assert_eq!(lift(10, 30, MIN_MATCH), Err(Lost::PartiallyDeleted));
    assert_eq!(lift(10, 30, 0.75), Ok(("n", 110, 128, false)));
    // 19 of 20 are 0.95; the bases at the ends that are lost fall off.
    assert_eq!(lift(59, 79, MIN_MATCH), Err(Lost::PartiallyDeleted));
    assert_eq!(lift(49, 60, 0.9), Ok(("n", 80, 90, true)));
    // Two chains have a part each, or both have it all.
    assert_eq!(lift(44, 52, MIN_MATCH), Err(Lost::Split));
    assert_eq!(lift(36, 39, MIN_MATCH), Err(Lost::Duplicated));
    assert_eq!(lift(33, 39, MIN_MATCH), Ok(("n", 131, 137, false)));
}

#[test]
fn intervals_without_a_base_lie_between_two() {
    let chains = chains(TEXT);
    let lift = |at| {
        let lifted = chains.interval("a", interval(at, at), MIN_MATCH);
        lifted.map(|l| (l.bases.start(), l.bases.len(), l.minus))
    };
    assert_eq!(lift(15), Ok((115, 0, false)));
    // Between 52 (87) and 53 (86).
    assert_eq!(lift(53), Ok((87, 0, true)));
    assert_eq!(lift(10), Err(Lost::PartiallyDeleted));
    assert_eq!(lift(22), Err(Lost::Deleted));
    assert_eq!(lift(200), Err(Lost::Deleted));
}

#[test]
fn spans_have_every_base() {
    let chains = chains(
        "chain 9 a 100 + 0 30 n 90 + 10 44 1\n5\t0\t0\n5\t0\t4\n20\n\
         chain 9 a 100 + 40 50 n 90 - 0 10 2\n10\n",
    );
    let span = |start, end| {
        let span = chains.span("a", interval(start, end));
        span.map(|s| (s.bases.start(), s.bases.end(), s.minus, s.around))
    };
    // Blocks without a gap between them are one.
    assert_eq!(span(4, 7), Ok((14, 17, false, (4, 3))));
    assert_eq!(span(10, 12), Ok((24, 26, false, (0, 18))));
    assert_eq!(span(9, 11), Err(Lost::Interrupted));
    assert_eq!(span(29, 31), Err(Lost::PartiallyDeleted));
    assert_eq!(span(42, 43), Ok((87, 88, true, (7, 2))));
}

#[test]
fn names_with_and_without_chr() {
    let chains = chains("chain 9 chr1 10 + 0 10 chr2 10 + 0 10 1\n10\n");
    assert_eq!(chains.position("1", 3).unwrap().contig, "chr2");
}

#[test]
fn the_other_direction_is_noticed() {
    let chains = chains("chain 9 chr1 10 + 0 10 chr1 12 + 0 10 1\n10\n");
    let check = |length| {
        let contig = Contig {
            name: "1".into(),
            length,
        };
        let contigs = Contigs::new(vec![contig]).unwrap();
        chains.check("g.fa".as_ref(), &contigs)
    };
    assert!(check(12).is_ok() && check(11).is_ok());
    let error = check(10).unwrap_err();
    assert!(error.to_string().contains("whose chr1 has 12"), "{error}");
    assert!(error.hint().unwrap().contains("other direction"));
}

#[test]
fn bad_files_name_the_line() {
    let check = |text: &str, part: &str| {
        let error = read(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    check("", "holds no row");
    check("chr1\t5\n", "line 1: \"chr1 5\"; expected chain SCORE");
    let head = "chain 9 a 9 + 0 5 b 9 + 0 6 1\n";
    check(head, "line 1: the file ends within a chain");
    check(&head.replace("9 + 0 5", "9 - 0 5"), "strand -");
    check(&head.replace("+ 0 6", "x 0 6"), "strand \"x\"");
    check(&head.replace("0 5", "5 5"), "5 to 5 on \"a\"");
    check(&head.replace("0 6", "0 10"), "0 to 10 on \"b\"");
    check(&head.replace("0 6", "-1 6"), "\"-1\"");
    check(
        &format!("{head}5\n"),
        "line 2: the last block ends at 5 and 5",
    );
    check(&format!("{head}3 0\n"), "line 2: \"3 0\"");
    check(
        &format!("{head}3\t0\t1\n6\n"),
        "line 3: the blocks reach past",
    );
    check(
        &format!("{head}3\t9\t1\n2\n"),
        "line 3: the blocks reach past",
    );
    check(
        &format!("{head}3\t4294967295\t1\n"),
        "line 2: \"3 4294967295 1\"",
    );
    check(&format!("{head}{head}"), "line 2: \"chain 9");
    check(
        &format!("{head}2\t0\t1\n3\n\n{}", head.replace("a 9", "a 8")),
        "line 5: \"a\" has 8 bases here and 9 before",
    );
}

/// A chain as numbers: its blocks on both sides.
#[derive(Clone, Debug)]
struct Made {
    minus: bool,
    blocks: Vec<(u32, u32, u32)>,
}

const LENGTH: u32 = 120;

fn made() -> impl Strategy<Value = Made> {
    let block = (1u32..12, 0u32..6, 0u32..6);
    let blocks = prop::collection::vec(block, 1..6);
    (any::<bool>(), 0u32..30, 0u32..30, blocks).prop_map(|(minus, source, new, steps)| {
        let (mut at, mut to) = (source, new);
        let mut blocks = Vec::new();
        for (size, gap, new_gap) in steps {
            blocks.push((at, to, size));
            (at, to) = (at + size + gap, to + size + new_gap);
        }
        Made { minus, blocks }
    })
}

fn text_of(all: &[Made]) -> String {
    let mut text = String::new();
    for made in all {
        let (first, last) = (made.blocks[0], made.blocks[made.blocks.len() - 1]);
        text += &format!(
            "chain 1 a {LENGTH} + {} {} n {LENGTH} {} {} {} 1\n",
            first.0,
            last.0 + last.2,
            if made.minus { '-' } else { '+' },
            first.1,
            last.1 + last.2
        );
        for (block, next) in made.blocks.iter().zip(&made.blocks[1..]) {
            let gaps = (next.0 - block.0 - block.2, next.1 - block.1 - block.2);
            text += &format!("{}\t{}\t{}\n", block.2, gaps.0, gaps.1);
        }
        text += &format!("{}\n\n", last.2);
    }
    text
}

/// Every base of the source that a chain has, and where it is.
fn bases_of(made: &Made) -> Vec<(u32, u32)> {
    let pairs =
        (made.blocks.iter()).flat_map(|&(at, to, size)| (0..size).map(move |i| (at + i, to + i)));
    pairs
        .map(|(at, to)| (at, if made.minus { LENGTH - 1 - to } else { to }))
        .collect()
}

proptest! {
    #[test]
    fn every_interval_is_what_its_bases_say(
        all in prop::collection::vec(made(), 1..4),
        min_match in prop::sample::select(vec![0.1, 0.5, 0.95, 1.0]),
    ) {
        let chains = chains(&text_of(&all));
        let tables: Vec<Vec<(u32, u32)>> = all.iter().map(bases_of).collect();
        for start in 0..LENGTH {
            for end in start + 1..(start + 25).min(LENGTH + 3) {
                let inside = |table: &Vec<(u32, u32)>| -> Vec<u32> {
                    let pairs = table.iter().filter(|p| (start..end).contains(&p.0));
                    pairs.map(|p| p.1).collect()
                };
                let hits: Vec<Vec<u32>> = tables.iter().map(inside).collect();
                let share = |h: &Vec<u32>| h.len() as f64 / f64::from(end - start);
                let enough: Vec<usize> = (0..hits.len())
                    .filter(|&i| !hits[i].is_empty() && share(&hits[i]) >= min_match)
                    .collect();
                let some = hits.iter().filter(|h| !h.is_empty()).count();
                let expected = match (&enough[..], some) {
                    ([one], _) => {
                        let (least, most) = (hits[*one].iter().min(), hits[*one].iter().max());
                        Ok((*least.unwrap(), most.unwrap() + 1, all[*one].minus))
                    }
                    ([], 0) => Err(Lost::Deleted),
                    ([], 1) => Err(Lost::PartiallyDeleted),
                    ([], _) => Err(Lost::Split),
                    _ => Err(Lost::Duplicated),
                };
                let found = chains.interval("a", interval(start, end), min_match);
                let found = found.map(|l| (l.bases.start(), l.bases.end(), l.minus));
                prop_assert_eq!(found, expected, "{}..{}", start, end);
                if end == start + 1 {
                    let found = chains.position("a", start);
                    let found = found.map(|l| (l.position, l.position + 1, l.minus));
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
