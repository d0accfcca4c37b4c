use ndarray::s;

use crate::genome::{Interval, Lattice};
use crate::ism::{Engine, Scores, Stretch, Want};
use crate::model::ModelError;

/// How far two engines may lie apart: `TOLERANCE * max(1, |value|)`, or what rounding explains.
pub const TOLERANCE: f32 = 1e-5;

/// As many standard deviations of rounding are explained by it.
const DEVIATIONS: f32 = 12.0;

/// The fast engine does not agree with the full one.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// A value differs.
    #[error(
        "the fast engine gives {fast} for {what}, the full one {full}: they differ by more than 1e-5 of the value and than rounding explains"
    )]
    Value {
        /// Which value, for instance `the activity of the window at 145 (task 2)`.
        what: String,
        /// The fast engine's.
        fast: f32,
        /// The full engine's.
        full: f32,
    },
    /// The engines do not score the same windows.
    #[error("the fast engine scores {fast} values of {what}, the full one {full}")]
    Count {
        /// Of what.
        what: &'static str,
        /// The fast engine's.
        fast: usize,
        /// The full engine's.
        full: usize,
    },
    /// One of the engines failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Scores stretches with both engines and compares every activity and every effect, and the
/// importance of bases off ties: where two effects of opposite sign are equally large within the
/// tolerance, either is right. `rounding` says, for a window of codes, by how much rounding moves each
/// task's activity (a standard deviation); it is asked only where values differ by more than
/// `TOLERANCE * max(1, |value|)`.
///
/// # Errors
/// On the first value that differs, or when a model fails.
pub fn check_against_full(
    fast: &mut dyn Engine,
    full: &mut dyn Engine,
    stretches: &[Stretch<'_>],
    rounding: &dyn Fn(&[u8]) -> Vec<f32>,
) -> Result<(), Mismatch> {
    let (mut a, mut b) = (Scores::default(), Scores::default());
    for stretch in stretches {
        fast.score(stretch, Want::Effects, &mut a)?;
        full.score(stretch, Want::Effects, &mut b)?;
        let mut allowed = Allowed {
            stretch,
            windows: &b.windows.clone(),
            rounding,
            found: None,
        };
        compare(stretch, &a, &b, &mut allowed)?;
        compare_importance(stretch, full, (&a, &b), &mut allowed)?;
    }
    Ok(())
}

/// What rounding explains in a stretch, found out when it is asked for.
struct Allowed<'a> {
    stretch: &'a Stretch<'a>,
    windows: &'a [i64],
    rounding: &'a dyn Fn(&[u8]) -> Vec<f32>,
    found: Option<Vec<f32>>,
}

impl Allowed<'_> {
    /// Whether two values of a task are as good as equal.
    fn close(&mut self, task: usize, a: f32, b: f32) -> bool {
        close(a, b) || (a - b).abs() <= self.of(task)
    }

    /// The most of all windows; an effect is a difference of two activities.
    fn of(&mut self, task: usize) -> f32 {
        let found = self.found.get_or_insert_with(|| {
            let mut most: Vec<f32> = Vec::new();
            for &window in self.windows {
                let one = (self.rounding)(self.stretch.window(window));
                most.resize(most.len().max(one.len()), 0.0);
                for (most, one) in most.iter_mut().zip(one) {
                    *most = most.max(one);
                }
            }
            most
        });
        DEVIATIONS * found.get(task).copied().unwrap_or(0.0)
    }
}

/// Compares two sets of scores of one stretch.
fn compare(
    stretch: &Stretch<'_>,
    fast: &Scores,
    full: &Scores,
    allowed: &mut Allowed<'_>,
) -> Result<(), Mismatch> {
    let count = |what, fast: usize, full: usize| {
        if fast == full {
            Ok(())
        } else {
            Err(Mismatch::Count { what, fast, full })
        }
    };
    count("windows", fast.windows.len(), full.windows.len())?;
    count("activities", fast.activities.len(), full.activities.len())?;
    count("effects", fast.effects.len(), full.effects.len())?;
    count("importance", fast.importance.len(), full.importance.len())?;
    let start = stretch.span().start() as usize;
    let activities = fast.activities.iter().zip(full.activities.indexed_iter());
    for (&a, ((window, task), &b)) in activities {
        if !allowed.close(task, a, b) {
            let window = full.windows.get(window).copied().unwrap_or(0);
            return Err(Mismatch::Value {
                what: format!("the activity of the window at {window} (task {task})"),
                fast: a,
                full: b,
            });
        }
    }
    let effects = fast.effects.iter().zip(full.effects.indexed_iter());
    for (&a, ((base, new, task), &b)) in effects {
        if !allowed.close(task, a, b) {
            return Err(Mismatch::Value {
                what: format!(
                    "the effect of {} at {} (task {task})",
                    crate::encode::BASES[new],
                    start + base
                ),
                fast: a,
                full: b,
            });
        }
    }
    Ok(())
}

/// Importance, where it differs, must be explained by ties: in each window over the base, the full
/// engine's effects say how far another choice could have moved it.
fn compare_importance(
    stretch: &Stretch<'_>,
    full_engine: &mut dyn Engine,
    (fast, full): (&Scores, &Scores),
    allowed: &mut Allowed<'_>,
) -> Result<(), Mismatch> {
    let start = stretch.span().start();
    let mut windows = Scores::default();
    let importance = fast.importance.iter().zip(full.importance.indexed_iter());
    for (&a, ((base, task), &b)) in importance {
        if allowed.close(task, a, b) {
            continue;
        }
        let explained = allowed.of(task);
        let base = start + base as u32;
        let mut slack = 0.0f32;
        let mut count = 0;
        if let (Some(wanted), false, false) =
            (Interval::new(base, base + 1), a.is_nan(), b.is_nan())
        {
            let window = stretch.lattice.window();
            for first in stretch.lattice.covering(wanted) {
                // The lattice on which this is the only window over the base.
                let phase = first.rem_euclid(i64::from(window)) as u32;
                let Some(alone) = Lattice::genome(window, window) else {
                    continue;
                };
                let only = Stretch {
                    lattice: alone
                        .for_region(phase)
                        .allowing(stretch.lattice.most_unknown()),
                    wanted: &[wanted],
                    ..*stretch
                };
                full_engine.score(&only, Want::Effects, &mut windows)?;
                if windows.windows.is_empty() {
                    continue;
                }
                count += 1;
                let losses = windows
                    .effects
                    .slice(s![0, .., task])
                    .mapv(|effect| -effect);
                let most = losses.iter().fold(0.0f32, |m, l| m.max(l.abs()));
                let chosen = windows.importance[[0, task]];
                slack += losses
                    .iter()
                    .filter(|l| l.abs() >= most - 2.0 * (TOLERANCE * most.max(1.0) + explained))
                    .map(|l| (l - chosen).abs())
                    .fold(0.0, f32::max);
            }
        }
        let slack = slack / count.max(1) as f32;
        if (a - b).abs() <= slack + TOLERANCE * b.abs().max(1.0) + explained {
            continue;
        }
        return Err(Mismatch::Value {
            what: format!("the importance at {base} (task {task})"),
            fast: a,
            full: b,
        });
    }
    Ok(())
}

fn close(a: f32, b: f32) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * b.abs().max(1.0)
}
