use std::sync::{Arc, Mutex};

use ndarray::{Array3, s};

use super::{AttributionError, AttributionSettings, Completeness, Explainer};
use crate::encode::{UNKNOWN, reverse_complement};
use crate::ism::fast::DagPlan;
use crate::ism::{Engine, Scores, Strand, Stretch, Want};
use crate::job::Cancel;
use crate::model::{Ensemble, ModelError};

/// The engines of a job that gives contributions in the place of importance, and hypothetical contributions in the place of
/// effects.
pub struct Attributions {
    settings: AttributionSettings,
    strand: Strand,
    /// By member.
    plans: Vec<Arc<DagPlan>>,
    /// Tasks that are asked for; others stay without.
    tasks: Vec<usize>,
    error: Arc<Mutex<Completeness>>,
}

impl Attributions {
    /// Reads the graphs of all members.
    ///
    /// # Errors
    /// [`AttributionError::Graph`] where one has an operator that passes backwards do not know.
    pub fn new(
        settings: AttributionSettings,
        strand: Strand,
        model: &Ensemble,
        tasks: &[usize],
    ) -> Result<Self, AttributionError> {
        let plans = model.members().iter();
        Ok(Self {
            settings,
            strand,
            plans: plans
                .map(|member| Explainer::plan(member, settings))
                .collect::<Result<_, _>>()?,
            tasks: tasks.to_vec(),
            error: Arc::default(),
        })
    }

    /// Puts a member's engine, which goes on giving activities where they alone are wanted, behind one that explains.
    pub fn engine(
        &self,
        member: usize,
        activities: Box<dyn Engine>,
        cancel: &Cancel,
    ) -> Box<dyn Engine> {
        Box::new(Explaining {
            activities,
            explainer: Explainer::new(&self.plans[member], self.settings, self.error.clone()),
            strand: self.strand,
            tasks: self.tasks.clone(),
            cancel: cancel.clone(),
            checked: false,
            sums: Array3::default([0; 3]),
        })
    }

    /// How far contributions were from adding up so far; `None` of a method whose contributions do not.
    pub fn completeness(&self) -> Option<Completeness> {
        let complete = self.settings.method.is_complete();
        let error = self.error.lock().ok().map(|error| *error);
        error.filter(|error| complete && error.sums > 0)
    }
}

struct Explaining {
    activities: Box<dyn Engine>,
    explainer: Explainer,
    strand: Strand,
    tasks: Vec<usize>,
    cancel: Cancel,
    /// Whether activities have been held against the other engine's.
    checked: bool,
    /// `[base of the span, 4, task asked for]`.
    sums: Array3<f64>,
}

/// How close the activities of the two engines lie, relative to 1 or the activity.
const TOLERANCE: f32 = 1e-4;

impl Explaining {
    /// Activities and hypothetical contributions of a window, `[task asked for, window, 4]`.
    fn window(&mut self, codes: &[u8], out: &mut [f64]) -> Vec<f32> {
        let mut activities = self.explainer.run(codes, &self.tasks, out);
        if self.strand == Strand::Both {
            let mut turned = vec![0; codes.len()];
            reverse_complement(codes, &mut turned);
            let mut theirs = vec![0.0; out.len()];
            let others = self.explainer.run(&turned, &self.tasks, &mut theirs);
            for (a, b) in activities.iter_mut().zip(others) {
                *a = 0.5 * (*a + b);
            }
            let each = 4 * codes.len();
            for (out, theirs) in out.chunks_exact_mut(each).zip(theirs.chunks_exact(each)) {
                // The last base's complement comes first: all four of all turned is the other end first.
                for (a, b) in out.iter_mut().zip(theirs.iter().rev()) {
                    *a = 0.5 * (*a + b);
                }
            }
        }
        activities
    }

    /// Holds activities of the first windows against those of the other engine.
    fn check(&mut self, stretch: &Stretch<'_>, scores: &Scores) -> Result<(), ModelError> {
        let mut theirs = Scores::default();
        (self.activities).score(stretch, Want::Activity, &mut theirs)?;
        for (start, row) in theirs.windows.iter().zip(theirs.activities.rows()) {
            let Ok(own) = scores.windows.binary_search(start) else {
                continue;
            };
            for (a, b) in scores.activities.row(own).iter().zip(row) {
                if (a - b).abs() > TOLERANCE * b.abs().max(1.0) {
                    return Err(ModelError::EnginesDiffer(format!(
                        "a window's activity is {a} in the pass that goes backwards, and {b} in the other engine"
                    )));
                }
            }
            self.checked = true;
        }
        Ok(())
    }
}

impl Engine for Explaining {
    fn tasks(&self) -> usize {
        self.activities.tasks()
    }

    /// A window takes dozens of passes.
    fn stretch(&self) -> u32 {
        64
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        if want == Want::Activity {
            return self.activities.score(stretch, want, scores);
        }
        scores.begin(stretch, want, self.tasks());
        let span = stretch.span();
        let bases = span.len() as usize;
        let mut covered = vec![0u32; bases];
        self.sums = Array3::zeros((bases, 4, self.tasks.len()));
        let window = stretch.lattice.window() as usize;
        let mut found = vec![0.0; self.tasks.len() * window * 4];
        for (index, start) in scores.windows.clone().into_iter().enumerate() {
            if self.cancel.is_requested() {
                return Err(ModelError::Cancelled);
            }
            let codes = stretch.window(start);
            let activities = self.window(codes, &mut found);
            for (to, value) in scores.activities.row_mut(index).iter_mut().zip(&activities) {
                *to = *value;
            }
            for interval in stretch.wanted {
                let from = start.max(i64::from(interval.start()));
                let to = (start + window as i64).min(i64::from(interval.end()));
                for position in from..to {
                    let column = (position - start) as usize;
                    let base = (position - i64::from(span.start())) as usize;
                    if codes[column] == UNKNOWN {
                        continue;
                    }
                    covered[base] += 1;
                    for (task, of_task) in found.chunks_exact(4 * window).enumerate() {
                        for letter in 0..4 {
                            self.sums[[base, letter, task]] += of_task[4 * column + letter];
                        }
                    }
                }
            }
            scores.rows += 1;
        }
        if !self.checked {
            self.check(stretch, scores)?;
        }
        for (base, &windows) in covered.iter().enumerate().filter(|(_, n)| **n > 0) {
            let position = i64::from(span.start()) + base as i64;
            let code = usize::from(stretch.codes[(position - stretch.origin) as usize]);
            // Tasks that nobody asked for are not NaN, which would say that the base has no value.
            scores.importance.row_mut(base).fill(0.0);
            for (nth, &task) in self.tasks.iter().enumerate() {
                let of = self.sums.slice(s![base, .., nth]);
                let mean = |sum: f64| (sum / f64::from(windows)) as f32 + 0.0;
                scores.importance[[base, task]] = mean(of[code]);
                if want == Want::Effects {
                    for (letter, sum) in of.iter().enumerate() {
                        scores.effects[[base, letter, task]] = mean(*sum);
                    }
                }
            }
        }
        match scores.importance.iter().find(|v| v.is_infinite()) {
            Some(value) => Err(ModelError::Run(format!("a contribution is {value}"))),
            None => Ok(()),
        }
    }
}
