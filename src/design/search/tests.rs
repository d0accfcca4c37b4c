use std::collections::HashSet;

use ndarray::{Array1, Array3};
use proptest::prelude::*;

use super::super::rules::Limits;
use super::super::sites::Site;
use super::*;

/// Two activities of a sequence in closed form: one of single bases by place, and one of neighbours, so that
/// effects depend on what is beside them.
fn activities(codes: &[u8]) -> Array1<f32> {
    let single = |(at, &c): (usize, &u8)| ((at * 7 + usize::from(c) * 5) % 11) as f32 / 8.0;
    let pair = |(at, two): (usize, &[u8])| {
        let word = usize::from(two[0]) * 4 + usize::from(two[1]);
        ((at * 3 + word * 13) % 17) as f32 / 16.0
    };
    let first = codes.iter().enumerate().map(single).sum();
    let second = codes.windows(2).enumerate().map(pair).sum();
    Array1::from(vec![first, second])
}

fn map(objective: &Objective, codes: &[u8]) -> Map {
    let own = activities(codes);
    let effects = Array3::from_shape_fn((codes.len(), 4, 2), |(at, to, task)| {
        let mut mutant = codes.to_vec();
        mutant[at] = to as u8;
        activities(&mutant)[task] - own[task]
    });
    Map::new(objective, own.view(), effects.view())
}

fn objective() -> Objective {
    let tasks = ["a", "b"].map(String::from);
    Objective::parse("a - 0.5 * b", &tasks).unwrap()
}

/// Runs a search to its end.
fn design(limits: &Limits, goal: Goal, method: Method, start: &[u8], seed: u64) -> (Node, End) {
    let objective = objective();
    let rules = Rules::new(limits, start, &[]).unwrap();
    let mut search = Search::new(Task { rules, goal }, method, start, seed, 0);
    loop {
        let maps: Vec<Map> = (search.wants().iter())
            .map(|c| map(&objective, c))
            .collect();
        if maps.is_empty() {
            break;
        }
        search.advance(&maps);
    }
    let (node, end) = search.best(limits.edits).unwrap();
    let (before, _) = search.start().unwrap();
    assert_eq!(before, objective.value(activities(start).view()));
    (node.clone(), end)
}

/// The same greedy steps, found by trying every sequence one base away and looking at it whole.
fn brute(limits: &Limits, goal: Goal, start: &[u8]) -> Vec<Vec<u8>> {
    let objective = objective();
    let rules = Rules::new(limits, start, &[]).unwrap();
    let worth = |codes: &[u8]| goal.worth(objective.value(activities(codes).view()));
    let mut now = start.to_vec();
    let mut path = vec![now.clone()];
    loop {
        let broken = rules.broken(&now);
        let mut best: Option<(usize, f64, Vec<u8>)> = None;
        for at in 0..now.len() {
            for to in 0..4 {
                let mut next = now.clone();
                next[at] = to;
                let edits = next.iter().zip(start).filter(|(a, b)| a != b).count();
                let (worse, value) = (rules.broken(&next), worth(&next));
                let mends = worse == 0 || worse < broken;
                if next == now || edits > limits.edits || !mends {
                    continue;
                }
                let better = best.as_ref().is_none_or(|(wrong, most, _)| {
                    worse < *wrong || worse == *wrong && value > *most + 1e-9
                });
                if better {
                    best = Some((worse, value, next));
                }
            }
        }
        match best {
            Some((worse, value, next)) if worse < broken || value > worth(&now) + 1e-4 => {
                now = next;
                path.push(now.clone());
            }
            _ => return path,
        }
    }
}

fn limits(edits: usize, sites: &[&str]) -> Limits {
    Limits {
        edits,
        forbidden: sites.iter().map(|s| Site::parse(s).unwrap()).collect(),
        gc: Some((0.2, 0.8)),
        homopolymer: Some(4),
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn greedy_equals_trying_everything(
        start in prop::collection::vec(0u8..4, 12..24),
        edits in 1usize..7,
        goal in prop::sample::select(vec![Goal::Maximize, Goal::Minimize, Goal::Target(6.0)]),
    ) {
        let limits = limits(edits, &["ACG", "GGYR"]);
        if Rules::new(&limits, &start, &[]).is_err() {
            return Ok(());
        }
        let (node, _) = design(&limits, goal, Method::Greedy, &start, 1);
        let path = brute(&limits, goal, &start);
        let mut codes = start.clone();
        let mut walked = vec![codes.clone()];
        for step in &node.steps {
            prop_assert_eq!(codes[step.at], step.from);
            codes[step.at] = step.to;
            walked.push(codes.clone());
        }
        prop_assert_eq!(&walked, &path);
        prop_assert_eq!(&node.codes, &codes);
        // A beam of one is the same.
        let (one, _) = design(&limits, goal, Method::Beam(1), &start, 1);
        prop_assert_eq!(&one.codes, &node.codes);
        prop_assert_eq!(&one.steps, &node.steps);
    }

    #[test]
    fn designs_keep_to_their_limits(
        start in prop::collection::vec(0u8..4, 20..40),
        edits in 1usize..9,
        keep in (0usize..15, 1usize..9),
        method in 0usize..3,
        seed in 0u64..1000,
    ) {
        let keep = keep.0..keep.0 + keep.1;
        prop_assume!(keep.end <= start.len());
        let limits = Limits {
            keep: vec![keep.clone()],
            kept_sites: vec![Site::parse("CAYR").unwrap()],
            ..limits(edits, &["GATC", "TTT"])
        };
        let Ok(rules) = Rules::new(&limits, &start, &[]) else {
            return Ok(());
        };
        let schedule = Schedule { proposals: 200, temperatures: (0.5, 0.01) };
        let method = [Method::Greedy, Method::Beam(4), Method::Anneal(schedule)][method];
        let (node, end) = design(&limits, Goal::Maximize, method, &start, seed);
        // Counted from nothing but the sequences.
        let differ = node.codes.iter().zip(&start).filter(|(a, b)| a != b).count();
        prop_assert_eq!(differ, node.edits);
        prop_assert!(differ <= edits && (end == End::EditsUsed) == (differ == edits));
        prop_assert_eq!(&node.codes[keep.clone()], &start[keep]);
        let letters = |codes: &[u8]| -> String {
            codes.iter().map(|c| ['A', 'C', 'G', 'T'][usize::from(*c)]).collect()
        };
        let (before, text) = (letters(&start), letters(&node.codes));
        prop_assert_eq!(node.broken, rules.broken(&node.codes));
        if node.broken == 0 {
            prop_assert!(!text.contains("GATC") && !text.contains("TTT") && !text.contains("AAAAA"));
            let strong = text.matches(['G', 'C']).count() as f64 / text.len() as f64;
            prop_assert!((0.2..=0.8).contains(&strong), "{}", strong);
        } else {
            // Mending comes first, and ends where no single change mends more.
            prop_assert!(node.broken <= rules.broken(&start));
        }
        for (at, word) in before.as_bytes().windows(4).enumerate() {
            let fits = |word: &[u8]| {
                let forward = word[..2] == *b"CA" && b"CT".contains(&word[2]) && b"AG".contains(&word[3]);
                let reverse = word[2..] == *b"TG" && b"AG".contains(&word[1]) && b"CT".contains(&word[0]);
                (forward, reverse)
            };
            let (was, is) = (fits(word), fits(&text.as_bytes()[at..at + 4]));
            prop_assert!(was.0 <= is.0 && was.1 <= is.1, "{} {}", before, text);
        }
        // The objective is that of the sequence.
        let value = objective().value(activities(&node.codes).view());
        prop_assert!((value - node.objective).abs() < 1e-6);
        let untouched = objective().value(activities(&start).view());
        if rules.broken(&start) == 0 {
            prop_assert!(node.objective >= untouched);
        }
    }
}

#[test]
fn a_site_goes_before_anything_else() {
    let limits = limits(5, &["EcoRI"]);
    let mut start = vec![0u8, 1, 3, 1, 0, 1, 3, 2, 1, 3];
    start.extend([2, 0, 0, 3, 3, 1]); // GAATTC
    start.extend([0, 1, 3, 0, 1, 2]);
    let (node, _) = design(&limits, Goal::Maximize, Method::Greedy, &start, 1);
    assert!((10..16).contains(&node.steps[0].at), "{:?}", node.steps[0]);
    // Of the changes that take it away, the best for the objective.
    let objective = objective();
    let map = map(&objective, &start);
    let best = (10..16)
        .flat_map(|at| (0..4).map(move |to| (at, to)))
        .filter(|&(at, to)| start[at] != to)
        .map(|(at, to)| map.after(at, to))
        .fold(f64::NEG_INFINITY, f64::max);
    assert!((node.steps[0].objective - best).abs() < 1e-6);
}

/// All sequences within so many edits.
fn within(start: &[u8], edits: usize) -> HashSet<Vec<u8>> {
    let mut all = HashSet::from([start.to_vec()]);
    for _ in 0..edits {
        let mut next = all.clone();
        for codes in &all {
            for at in 0..codes.len() {
                for to in 0..4 {
                    let mut one = codes.clone();
                    one[at] = to;
                    next.insert(one);
                }
            }
        }
        all = next;
    }
    all
}

#[test]
fn wide_beams_and_slow_cooling_find_the_best() {
    let start = [0u8, 3, 1, 2, 0, 0, 2, 1];
    let limits = Limits {
        edits: 3,
        ..Limits::default()
    };
    let objective = objective();
    let value = |codes: &[u8]| objective.value(activities(codes).view());
    let best = within(&start, 3)
        .iter()
        .map(|c| value(c))
        .fold(f64::NEG_INFINITY, f64::max);
    let (node, _) = design(&limits, Goal::Maximize, Method::Beam(5_000), &start, 1);
    assert!(
        (node.objective - best).abs() < 1e-6,
        "{} {best}",
        node.objective
    );
    let schedule = Schedule {
        proposals: 4_000,
        temperatures: (2.0, 0.02),
    };
    let (node, _) = design(&limits, Goal::Maximize, Method::Anneal(schedule), &start, 7);
    assert!(
        (node.objective - best).abs() < 1e-6,
        "{} {best}",
        node.objective
    );
    // The same seed, the same walk.
    let again = |seed| {
        design(
            &limits,
            Goal::Maximize,
            Method::Anneal(schedule),
            &start,
            seed,
        )
        .0
    };
    assert_eq!(again(7).steps, node.steps);
    assert_ne!(again(8).steps, node.steps);
}

#[test]
fn targets_are_reached() {
    let start = [0u8; 30];
    let limits = Limits {
        edits: 30,
        ..Limits::default()
    };
    let value = objective().value(activities(&start).view());
    let (node, end) = design(&limits, Goal::Target(value), Method::Greedy, &start, 1);
    assert_eq!((node.steps.len(), end), (0, End::Reached));
    let (node, _) = design(
        &limits,
        Goal::Target(value + 2.0),
        Method::Beam(20),
        &start,
        1,
    );
    assert!(
        (node.objective - value - 2.0).abs() < 0.05,
        "{}",
        node.objective
    );
}

#[test]
fn it_cools_by_one_factor() {
    let schedule = Schedule {
        proposals: 5,
        temperatures: (1.6, 0.1),
    };
    let found: Vec<f64> = (0..5).map(|i| schedule.temperature(i)).collect();
    for (found, expected) in found.iter().zip([1.6, 0.8, 0.4, 0.2, 0.1]) {
        assert!((found - expected).abs() < 1e-12);
    }
    let one = Schedule {
        proposals: 1,
        temperatures: (1.0, 0.1),
    };
    assert_eq!(one.temperature(0), 1.0);
}
