//! Distributions of a model's activities over sets of windows, kept in the model's own file, so that
//! an activity can be told as a share: of the genome's background, of active elements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The metadata property that holds them.
pub const QUANTILES: &str = "mpra_score.quantiles";

/// Steps of a distribution: a thousandth.
const STEPS: usize = 1_000;

/// Distributions of activities, by set of windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles(pub Vec<WindowSet>);

/// The activities of a set of windows, such as `background`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowSet {
    /// Its name: `background` gives the columns `TASK.background_quantile`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// By task.
    pub tasks: BTreeMap<String, Distribution>,
}

/// Activities of so many windows, as values at equally spaced shares from the lowest to the highest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Windows that were scored.
    pub windows: u64,
    /// Ascending.
    pub values: Vec<f32>,
}

impl Quantiles {
    /// The distributions of a task, each with the name of its set.
    pub fn of_task(&self, task: &str) -> Vec<(&str, &Distribution)> {
        let sets = self.0.iter();
        sets.filter_map(|set| Some((set.name.as_str(), set.tasks.get(task)?)))
            .collect()
    }
}

impl Distribution {
    /// Of activities, in any order; `None` without one.
    pub fn of(mut activities: Vec<f32>) -> Option<Self> {
        activities.sort_unstable_by(f32::total_cmp);
        let last = activities.len().checked_sub(1)?;
        let at = |step: usize| {
            let place = step as f64 / STEPS as f64 * last as f64;
            let (low, part) = (place.floor() as usize, place.fract());
            let high = activities[(low + 1).min(last)];
            // Five digits are more than a distribution of windows can say.
            round(f64::from(activities[low]) * (1.0 - part) + f64::from(high) * part)
        };
        Some(Self {
            windows: activities.len() as u64,
            values: (0..=STEPS).map(at).collect(),
        })
    }

    /// The share of the windows whose activity is below this one, of equal ones half: 0 below all of
    /// them, 1 above all. NaN of NaN.
    pub fn share_below(&self, activity: f32) -> f32 {
        if activity.is_nan() {
            return f32::NAN;
        }
        let steps = self.values.len().saturating_sub(1).max(1) as f32;
        let below = self.values.partition_point(|v| *v < activity);
        let upto = self.values.partition_point(|v| *v <= activity);
        if below < upto {
            return (below + upto - 1) as f32 / 2.0 / steps;
        }
        let (Some(low), Some(high)) = (below.checked_sub(1), self.values.get(below)) else {
            return if below == 0 { 0.0 } else { 1.0 };
        };
        let from = self.values[low];
        (low as f32 + (activity - from) / (high - from)) / steps
    }

    fn is_sound(&self) -> bool {
        self.values.len() > 1
            && self.values.iter().all(|v| v.is_finite())
            && self.values.is_sorted()
    }
}

fn round(value: f64) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value as f32)
}

impl Quantiles {
    /// What is wrong with them, if anything.
    pub fn problem(&self) -> Option<String> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
        self.0.iter().find_map(|set| {
            if set.name.is_empty() || !set.name.chars().all(sound) {
                return Some(format!("a set is called {:?}", set.name));
            }
            let mut tasks = set.tasks.iter();
            let (task, _) = tasks.find(|(_, distribution)| !distribution.is_sound())?;
            Some(format!("{:?} of {task:?} does not ascend", set.name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelFile, ModelOptions, ModelSource};

    #[test]
    fn shares_are_those_of_the_values() {
        let values: Vec<f32> = (0..=10_000).rev().map(|i| i as f32 / 100.0).collect();
        let all = Distribution::of(values).unwrap();
        assert_eq!((all.windows, all.values.len()), (10_001, 1_001));
        for (activity, share) in [
            (-1.0, 0.0),
            (0.0, 0.0),
            (25.0, 0.25),
            (99.95, 0.9995),
            (100.0, 1.0),
            (101.0, 1.0),
        ] {
            let found = all.share_below(activity);
            assert!((found - share).abs() < 1e-5, "{activity}: {found}");
        }
        assert!(all.share_below(f32::NAN).is_nan());
        // Equal values: half of them.
        let flat = Distribution::of([vec![0.0; 1_000], vec![1.0; 1_000]].concat()).unwrap();
        assert!((flat.share_below(0.0) - 0.25).abs() < 2e-3);
        assert!((flat.share_below(0.5) - 0.5).abs() < 2e-3);
        assert_eq!(Distribution::of(vec![2.0]).unwrap().share_below(2.0), 0.5);
        assert_eq!(Distribution::of(vec![]), None);
    }

    fn set(name: &str, task: &str, values: &[f32]) -> Quantiles {
        let distribution = Distribution {
            windows: 7,
            values: values.to_vec(),
        };
        Quantiles(vec![WindowSet {
            name: name.into(),
            description: "a test".into(),
            tasks: BTreeMap::from([(task.into(), distribution)]),
        }])
    }

    #[test]
    fn files_keep_all_else() {
        let file = ModelSource::default().read().unwrap();
        let task = &file.spec(&ModelOptions::default()).unwrap().tasks[1];
        let (first, second) = (
            set("a", task, &[0.0, 1.0]),
            set("b", task, &[0.5, 0.5, 2.0]),
        );
        let once = file.with_quantiles(&first).unwrap();
        let once = ModelFile::from_bytes("m".as_ref(), once).unwrap();
        let twice = once.with_quantiles(&second).unwrap();
        let twice = ModelFile::from_bytes("m".as_ref(), twice).unwrap();
        for (file, expected) in [(once, first), (twice, second)] {
            let spec = file.spec(&ModelOptions::default()).unwrap();
            assert_eq!(*spec.quantiles, expected);
        }
    }

    #[test]
    fn damaged_ones_are_refused() {
        let file = ModelSource::default().read().unwrap();
        let task = &file.spec(&ModelOptions::default()).unwrap().tasks[0];
        for (wrong, problem) in [
            (set("a b", task, &[0.0, 1.0]), "called"),
            (set("a", task, &[1.0, 0.0]), "ascend"),
            (set("a", task, &[1.0]), "ascend"),
        ] {
            let bytes = file.with_quantiles(&wrong).unwrap();
            let file = ModelFile::from_bytes("m".as_ref(), bytes).unwrap();
            let error = file.spec(&ModelOptions::default()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
