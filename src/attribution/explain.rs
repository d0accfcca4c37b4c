use std::sync::{Arc, Mutex};

use super::references::columns;
use super::{AttributionError, AttributionSettings, Method};
use crate::encode::UNKNOWN;
use crate::ism::fast::{Backward, DagPlan};
use crate::model::Model;

/// How far contributions are from adding up to the differences of activities, over windows and tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Completeness {
    /// Windows times tasks.
    pub sums: u64,
    /// The errors' absolute values, added up.
    pub total: f64,
    /// The largest of them.
    pub largest: f64,
}

impl Completeness {
    /// Adds the error of one window's contributions for one task.
    pub fn add(&mut self, error: f64) {
        self.sums += 1;
        self.total += error.abs();
        self.largest = self.largest.max(error.abs());
    }

    /// The mean error, in units of the activity; NaN without a window.
    pub fn mean(&self) -> f64 {
        self.total / self.sums as f64
    }
}

/// Finds contributions in windows of one model. One a thread.
pub struct Explainer {
    backward: Backward,
    settings: AttributionSettings,
    /// Points and weights of the quadrature.
    points: Vec<(f64, f64)>,
    window: usize,
    multipliers: Vec<f32>,
    error: Arc<Mutex<Completeness>>,
}

impl Explainer {
    /// Reads a model's graph, to be shared by all threads.
    ///
    /// # Errors
    /// [`AttributionError::Graph`] where it has an operator that passes backwards do not know.
    pub fn plan(
        model: &Model,
        settings: AttributionSettings,
    ) -> Result<Arc<DagPlan>, AttributionError> {
        let plan = Backward::plan(model.file(), model.spec());
        plan.map_err(|e| AttributionError::Graph {
            method: settings.method.as_str(),
            problem: e.to_string(),
        })
    }

    /// Of a graph; errors of completeness are added up in `error`.
    pub fn new(
        plan: &Arc<DagPlan>,
        settings: AttributionSettings,
        error: Arc<Mutex<Completeness>>,
    ) -> Self {
        Self {
            backward: Backward::new(plan),
            settings,
            points: match settings.method {
                Method::IntegratedGradients { steps } => super::quadrature::gauss_legendre(steps),
                _ => Vec::new(),
            },
            window: plan.window(),
            multipliers: Vec::new(),
            error,
        }
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.backward.tasks()
    }

    /// Activities of a window of base codes, of all tasks, and hypothetical contributions for some, held against the
    /// method's own references: `contributions` is `[task of these, window, 4 (A, C, G, T)]`.
    pub fn run(&mut self, codes: &[u8], tasks: &[usize], contributions: &mut [f64]) -> Vec<f32> {
        let references = match self.settings.method {
            Method::GradientInput => Vec::new(),
            _ => self.settings.references.of(codes),
        };
        self.against(codes, &references, tasks, contributions)
    }

    /// The same, held against given references, `[window, 4 (A, C, G, T)]` each; of gradient times input none.
    pub fn against(
        &mut self,
        codes: &[u8],
        references: &[Vec<f32>],
        tasks: &[usize],
        contributions: &mut [f64],
    ) -> Vec<f32> {
        let input = columns(codes);
        let each = self.window * 4;
        self.multipliers.resize(tasks.len() * each, 0.0);
        contributions.fill(0.0);
        let activities = self.backward.input(&input).to_vec();
        if self.settings.method == Method::GradientInput {
            self.backward.gradients(tasks, &mut self.multipliers);
            for (to, m) in contributions.iter_mut().zip(&self.multipliers) {
                *to = f64::from(*m);
            }
            return activities;
        }
        let share = 1.0 / references.len() as f64;
        let mut means = vec![0.0; tasks.len()];
        for reference in references {
            let theirs = match self.settings.method {
                Method::IntegratedGradients { .. } => self.along(&input, reference, tasks),
                _ => {
                    let out = &mut self.multipliers;
                    self.backward.multipliers(reference, tasks, out).to_vec()
                }
            };
            for (mean, &task) in means.iter_mut().zip(tasks) {
                *mean += share * f64::from(theirs[task]);
            }
            let (m, _) = self.multipliers.as_chunks::<4>();
            let (to, _) = contributions.as_chunks_mut::<4>();
            let (reference, _) = reference.as_chunks::<4>();
            for (m, to) in m.chunks(self.window).zip(to.chunks_mut(self.window)) {
                for ((m, to), reference) in m.iter().zip(to).zip(reference) {
                    let m = m.map(f64::from);
                    let held = m.iter().zip(reference).map(|(m, r)| m * f64::from(*r));
                    let held: f64 = held.sum();
                    for (to, m) in to.iter_mut().zip(m) {
                        *to += share * (m - held);
                    }
                }
            }
        }
        self.note(codes, tasks, (&activities, &means), contributions);
        activities
    }

    /// Gradients along the way from a reference, averaged; returns the reference's activities.
    fn along(&mut self, input: &[f32], reference: &[f32], tasks: &[usize]) -> Vec<f32> {
        let theirs = self.backward.input(reference).to_vec();
        let mut sums = vec![0.0f64; self.multipliers.len()];
        let mut between = vec![0.0f32; input.len()];
        for &(at, weight) in &self.points {
            for (to, (x, r)) in between.iter_mut().zip(input.iter().zip(reference)) {
                *to = r + at as f32 * (x - r);
            }
            self.backward.input(&between);
            self.backward.gradients(tasks, &mut self.multipliers);
            for (sum, m) in sums.iter_mut().zip(&self.multipliers) {
                *sum += weight * f64::from(*m);
            }
        }
        for (to, sum) in self.multipliers.iter_mut().zip(sums) {
            *to = sum as f32;
        }
        theirs
    }

    /// Notes by how much contributions do not add up. Unknown bases are zero in input and references, and have none.
    fn note(
        &self,
        codes: &[u8],
        tasks: &[usize],
        (activities, means): (&[f32], &[f64]),
        contributions: &[f64],
    ) {
        let Ok(mut error) = self.error.lock() else {
            return;
        };
        let each = self.window * 4;
        for ((&task, mean), of_task) in tasks
            .iter()
            .zip(means)
            .zip(contributions.chunks_exact(each))
        {
            let own = codes.iter().zip(of_task.as_chunks::<4>().0);
            let own = own.filter(|(code, _)| **code < UNKNOWN);
            let sum: f64 = own.map(|(code, four)| four[usize::from(*code)]).sum();
            error.add(sum - (f64::from(activities[task]) - mean));
        }
    }
}
