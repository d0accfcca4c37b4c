use super::super::scorer::Scorer;
use crate::Error;
use crate::encode::UNKNOWN;
use crate::job::Cancel;

/// The pairs of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WindowPairs {
    /// Activity of the window, `[task]`.
    pub activity: Vec<f32>,
    /// Effects of single changes, `[base, 4, task]`; NaN of unknown bases.
    pub effects: Vec<f32>,
    /// Interactions, `[base, behind, 4, 4, task]`: of a change of this base to one letter with a change of the
    /// base `behind` + 1 further on to another. 0 where a letter is the base's own, NaN where a base is unknown
    /// or lies behind the window.
    pub interactions: Vec<f32>,
}

impl WindowPairs {
    /// Pairs of changes of a window: nine of each pair of known bases.
    pub fn pairs_of(&self, window: &[u8], distance: usize) -> u64 {
        let known = |at: usize| window.get(at).is_some_and(|c| *c < UNKNOWN);
        let second = |i: usize| (i + 1..=i + distance).filter(|j| known(*j)).count() as u64;
        let first = (0..window.len()).filter(|i| known(*i));
        9 * first.map(second).sum::<u64>()
    }
}

/// From the effects of all changes near a first change, for every first change: the engine scores one window
/// a first change, and of it the bases within the distance.
pub(super) fn by_effects(
    scorer: &mut Scorer,
    window: &[u8],
    distance: usize,
    cancel: &Cancel,
) -> Result<WindowPairs, Error> {
    let (length, tasks) = (window.len(), scorer.tasks());
    let mut out = WindowPairs {
        interactions: vec![f32::NAN; length * distance * 16 * tasks],
        ..WindowPairs::default()
    };
    scorer.effects(window, 0..length, &mut out.effects)?;
    out.activity = scorer.last_activity();
    let (mut mutant, mut under) = (window.to_vec(), Vec::new());
    for (i, &own) in window.iter().enumerate() {
        let behind = i + 1..length.min(i + 1 + distance);
        if own >= UNKNOWN || behind.is_empty() {
            continue;
        }
        cancel.check()?;
        let alone = &out.effects[behind.start * 4 * tasks..behind.end * 4 * tasks];
        for first in 0..4u8 {
            under.clear();
            match first == own {
                true => under.extend_from_slice(alone),
                false => {
                    mutant[i] = first;
                    scorer.effects(&mutant, behind.clone(), &mut under)?;
                }
            }
            let effects = under
                .chunks_exact(4 * tasks)
                .zip(alone.chunks_exact(4 * tasks));
            for (d, (under, alone)) in effects.enumerate() {
                let at = ((i * distance + d) * 4 + usize::from(first)) * 4 * tasks;
                let to = &mut out.interactions[at..at + 4 * tasks];
                for (to, (under, alone)) in to.iter_mut().zip(under.iter().zip(alone)) {
                    *to = under - alone + 0.0;
                }
            }
        }
        mutant[i] = own;
    }
    Ok(out)
}

/// A window with a change, or two.
#[derive(Clone, Copy)]
struct Change {
    at: (usize, u8),
    second: Option<(usize, u8)>,
}

/// All changes of single bases, then all pairs.
fn changes(window: &[u8], distance: usize) -> impl Iterator<Item = Change> {
    let single = move |from: usize, to: usize| {
        (from..to).flat_map(move |at| {
            let own = window[at];
            let others = (0..4u8).filter(move |b| own < UNKNOWN && *b != own);
            others.map(move |b| (at, b))
        })
    };
    let length = window.len();
    let alone = single(0, length).map(|at| Change { at, second: None });
    let both = single(0, length).flat_map(move |at| {
        let behind = single(at.0 + 1, length.min(at.0 + 1 + distance));
        behind.map(move |second| Change {
            at,
            second: Some(second),
        })
    });
    alone.chain(both)
}

/// Rows that are made at a time.
const ROWS: usize = 2_048;

/// From the activities of all mutants, single and double, each a row of a batch.
pub(super) fn by_activities(
    scorer: &mut Scorer,
    window: &[u8],
    distance: usize,
    cancel: &Cancel,
) -> Result<WindowPairs, Error> {
    let (length, tasks) = (window.len(), scorer.tasks());
    let (mut rows, mut activities) = (window.to_vec(), Vec::new());
    for change in changes(window, distance) {
        let start = rows.len();
        rows.extend_from_slice(window);
        rows[start + change.at.0] = change.at.1;
        if let Some((at, to)) = change.second {
            rows[start + at] = to;
        }
        if rows.len() >= ROWS * length {
            cancel.check()?;
            scorer.activities(&rows, &mut activities)?;
            rows.clear();
        }
    }
    scorer.activities(&rows, &mut activities)?;

    let mut found = activities.chunks_exact(tasks);
    let reference = found.next().unwrap_or_default();
    let mut out = WindowPairs {
        activity: reference.to_vec(),
        effects: vec![f32::NAN; length * 4 * tasks],
        interactions: vec![f32::NAN; length * distance * 16 * tasks],
    };
    // A base's own letter changes nothing.
    let known = |at: usize| window.get(at).copied().filter(|own| *own < UNKNOWN);
    for (i, own) in (0..length).filter_map(|i| Some((i, usize::from(known(i)?)))) {
        out.effects[(i * 4 + own) * tasks..][..tasks].fill(0.0);
        for d in 0..distance {
            let Some(second) = known(i + 1 + d) else {
                continue;
            };
            let block = &mut out.interactions[(i * distance + d) * 16 * tasks..][..16 * tasks];
            for (n, pair) in block.chunks_exact_mut(tasks).enumerate() {
                if n / 4 == own || n % 4 == usize::from(second) {
                    pair.fill(0.0);
                }
            }
        }
    }
    let place = |(at, to): (usize, u8)| (at * 4 + usize::from(to)) * tasks;
    for (change, activity) in changes(window, distance).zip(found) {
        let Change { at: (i, a), second } = change;
        match second {
            None => {
                let to = &mut out.effects[place(change.at)..][..tasks];
                for (to, (new, old)) in to.iter_mut().zip(activity.iter().zip(reference)) {
                    *to = new - old + 0.0;
                }
            }
            Some((j, b)) => {
                let pair = (i * distance + j - i - 1) * 16 + usize::from(a) * 4 + usize::from(b);
                for (task, both) in activity.iter().enumerate() {
                    let both = f64::from(*both) - f64::from(reference[task]);
                    let alone =
                        [change.at, (j, b)].map(|c| f64::from(out.effects[place(c) + task]));
                    out.interactions[pair * tasks + task] =
                        (both - alone[0] - alone[1]) as f32 + 0.0;
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ism::FullEngine;
    use crate::model::{ModelError, Predict};

    /// Activities whose interactions are known: each task is a sum over bases of a weight, and over pairs of
    /// bases of another.
    struct Pairwise(usize);

    fn weight(place: usize, base: u8, task: usize) -> f64 {
        match base {
            4 => 0.0,
            b => ((place * 37 + usize::from(b) * 11 + task * 5) % 64) as f64 / 64.0 - 0.5,
        }
    }

    fn joint(places: [usize; 2], bases: [u8; 2], task: usize) -> f64 {
        match bases.contains(&4) {
            true => 0.0,
            false => weight(
                places[0] * 5 + places[1] * 3,
                (bases[0] * 2 + bases[1]) % 4,
                task,
            ),
        }
    }

    impl Predict for Pairwise {
        fn window(&self) -> usize {
            self.0
        }

        fn tasks(&self) -> usize {
            2
        }

        fn predict(&mut self, windows: &[u8], out: &mut [f32]) -> Result<(), ModelError> {
            let rows = windows.chunks_exact(self.0).zip(out.chunks_exact_mut(2));
            for (codes, out) in rows {
                for (task, value) in out.iter_mut().enumerate() {
                    let mut sum = 0.0;
                    for (i, &a) in codes.iter().enumerate() {
                        sum += weight(i, a, task);
                        for (j, &b) in codes.iter().enumerate().skip(i + 1) {
                            sum += joint([i, j], [a, b], task);
                        }
                    }
                    *value = sum as f32;
                }
            }
            Ok(())
        }
    }

    fn scorer(window: usize) -> Scorer {
        Scorer::new(Box::new(FullEngine::new(Pairwise(window), 7)), window)
    }

    #[test]
    fn interactions_of_a_pairwise_model() {
        let mut window: Vec<u8> = (0..12usize).map(|i| (i * i / 3 % 4) as u8).collect();
        for unknown in [false, true] {
            if unknown {
                window[3] = UNKNOWN;
                window[11] = UNKNOWN;
            }
            for distance in [1, 4, 11] {
                let cancel = Cancel::default();
                let effects = by_effects(&mut scorer(12), &window, distance, &cancel).unwrap();
                let rows = by_activities(&mut scorer(12), &window, distance, &cancel).unwrap();
                let mut counted = 0;
                for i in 0..12 {
                    for d in 0..distance {
                        for pair in 0..32 {
                            let at = (i * distance + d) * 32 + pair;
                            let (a, b, task) = (pair / 8, pair / 2 % 4, pair % 2);
                            let found = [effects.interactions[at], rows.interactions[at]];
                            let j = i + 1 + d;
                            if j >= 12 || window[i] == UNKNOWN || window[j] == UNKNOWN {
                                assert!(found[0].is_nan() && found[1].is_nan());
                                continue;
                            }
                            let (own, other) = (window[i], window[j]);
                            let g = |a, b| joint([i, j], [a, b], task);
                            let (a, b) = (a as u8, b as u8);
                            let expected = g(a, b) - g(a, other) - g(own, b) + g(own, other);
                            for found in found {
                                assert!((f64::from(found) - expected).abs() < 1e-5, "{found}");
                            }
                            counted += u64::from(a != own && b != other);
                        }
                    }
                }
                assert_eq!(counted, 2 * effects.pairs_of(&window, distance));
                assert_eq!(effects.activity, rows.activity);
                let singles = effects.effects.iter().zip(&rows.effects);
                for (a, b) in singles {
                    assert!(a.is_nan() && b.is_nan() || (a - b).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn a_job_that_is_asked_to_stop_stops() {
        let cancel = Cancel::default();
        cancel.request();
        assert!(by_effects(&mut scorer(6), &[0; 6], 2, &cancel).is_err());
    }
}
