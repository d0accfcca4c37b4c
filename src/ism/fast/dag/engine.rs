use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::super::network::Unsupported;
use super::edits::{Edit, Edited};
use super::net::{Net, Op};
use super::read;
use super::reference::Reference;
use super::rounding::Rounding;
use crate::encode::{UNKNOWN, reverse_complement};
use crate::ism::sums::Sums;
use crate::ism::{Engine, Scores, Strand, Stretch, Want};
use crate::model::{ModelError, ModelFile, ModelSpec};

/// Floats of values under changes that are kept at a time, for each thread.
const MOST_FLOATS: usize = 1 << 22;

/// A graph that is no chain, read.
#[derive(Clone, Debug)]
pub struct DagPlan {
    net: Net,
    window: usize,
    offset: usize,
    names: Vec<String>,
    /// Bases whose changes are run at a time.
    bases: usize,
}

impl DagPlan {
    /// Reads a model's graph.
    ///
    /// # Errors
    /// When the graph is not of the family, with the reason.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        let net = read::read(file, spec)?;
        let mut plan = Self {
            net,
            window: spec.window,
            offset: spec.one_hot.offset,
            names: spec.tasks.clone(),
            bases: 1,
        };
        plan.bases = (MOST_FLOATS / plan.floats_of_a_base().max(1)).clamp(1, 64);
        Ok(plan)
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        let count = |of: fn(&Op) -> bool| self.net.nodes.iter().filter(|n| of(&n.op)).count();
        // The positions of the input itself, turned.
        let nodes = &self.net.nodes;
        let of_input = |id: usize| {
            let mut id = id;
            while matches!(nodes[id].op, Op::Order(_) | Op::Crop(_)) {
                id = nodes[id].inputs[0];
            }
            id == 0
        };
        let siamese = nodes
            .iter()
            .any(|node| matches!(node.op, Op::Turn) && of_input(node.inputs[0]));
        let strands = match siamese {
            true => ", which reads both strands itself",
            false => "",
        };
        format!(
            "a graph of {} operators with {} convolutions, {} pools, {} joins{strands}",
            self.net.nodes.len() - 1,
            count(|op| matches!(op, Op::Conv(_))),
            count(|op| matches!(op, Op::Pool(..) | Op::Global(..))),
            count(|op| matches!(op, Op::Join(_) | Op::Concat)),
        )
    }

    /// Products of a weight and a value in a pass over a whole window, and of those the ones that a
    /// changed base in its middle alters.
    pub fn products(&self) -> (u64, u64) {
        self.net.products(self.offset + self.window / 2)
    }

    /// By how much rounding moves a window's activities (a standard deviation of each task), and those of
    /// its reverse complement: engines that sum in different orders may differ by some of these.
    pub fn rounding(&self, codes: &[u8]) -> Vec<f32> {
        let rounding = Rounding::new(&self.net);
        let mut turned = vec![0; codes.len()];
        reverse_complement(codes, &mut turned);
        let mut reference = Reference::default();
        let mut of = |codes: &[u8]| {
            reference.run(&self.net, codes, self.offset, false);
            rounding.of(&self.net, &reference)
        };
        let (one, other) = (of(codes), of(&turned));
        one.iter().zip(other).map(|(a, b)| a.max(b)).collect()
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.net.nodes.last().map_or(0, |node| node.form.row())
    }

    /// Floats that the three changes of a base in the middle take, with a convolution's inputs.
    fn floats_of_a_base(&self) -> usize {
        let net = &self.net;
        let spans = net.spans(self.offset + self.window / 2);
        let (mut values, mut patches) = (0, 0);
        for (node, span) in net.nodes.iter().zip(spans) {
            values += span.len() * node.form.row();
            let inputs = match &node.op {
                Op::Conv(conv) => span.len() * conv.width * net.nodes[node.inputs[0]].form.row(),
                Op::Dense(weights, _) => weights.nrows(),
                _ => 0,
            };
            patches = patches.max(inputs);
        }
        3 * (values + patches)
    }
}

/// The engine of one thread for graphs that are no chain.
pub struct DagEngine {
    plan: Arc<DagPlan>,
    strands: Strand,
    pool: Arc<rayon::ThreadPool>,
    /// Of the window and of its reverse complement.
    references: [Reference; 2],
    free: Mutex<Vec<Edited>>,
    sums: Sums,
}

impl DagEngine {
    /// A new engine; changes of a window are run on the pool's threads.
    pub fn new(plan: &Arc<DagPlan>, strands: Strand, pool: &Arc<rayon::ThreadPool>) -> Self {
        Self {
            plan: plan.clone(),
            strands,
            pool: pool.clone(),
            references: Default::default(),
            free: Mutex::default(),
            sums: Sums::default(),
        }
    }

    /// Runs a window, and on both strands its reverse complement; its activities go to `out`.
    fn reference(
        &mut self,
        codes: &[u8],
        changes: bool,
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let plan = &*self.plan;
        let [forward, other] = &mut self.references;
        forward.run(&plan.net, codes, plan.offset, changes);
        out.copy_from_slice(forward.activities());
        if self.strands == Strand::Both {
            let mut turned = vec![0; codes.len()];
            reverse_complement(codes, &mut turned);
            other.run(&plan.net, &turned, plan.offset, changes);
            for (a, b) in out.iter_mut().zip(other.activities()) {
                *a = 0.5 * (*a + b);
            }
        }
        self.finite(codes, out)
    }

    fn finite(&self, codes: &[u8], activities: &[f32]) -> Result<(), ModelError> {
        match activities.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let task = at % self.plan.tasks();
                let name = self.plan.names.get(task).cloned();
                let name = name.unwrap_or_else(|| format!("task_{task}"));
                Err(ModelError::not_finite(activities[at], name, codes))
            }
        }
    }

    /// Activities under the three changes of each of these columns, `[column, 3, task]`, the changes in
    /// the order A, C, G, T without the base itself.
    fn changes(&self, codes: &[u8], columns: &[usize], out: &mut [f32]) {
        let plan = &*self.plan;
        let each = 3 * plan.tasks();
        let run = |(columns, out): (&[usize], &mut [f32])| {
            let free = self.free.lock().ok().and_then(|mut free| free.pop());
            let mut edited = free.unwrap_or_default();
            let mut edits = Vec::with_capacity(3 * columns.len());
            let both = self.strands == Strand::Both;
            let row = |code: u8| usize::from(plan.net.rows[usize::from(code)]);
            for (strand, reference) in self
                .references
                .iter()
                .enumerate()
                .take(1 + usize::from(both))
            {
                edits.clear();
                for &column in columns {
                    let code = codes[column];
                    for new in (0..4).filter(|&c| c != code) {
                        let (place, from, to) = match strand {
                            0 => (column, code, new),
                            _ => (plan.window - 1 - column, 3 - code, 3 - new),
                        };
                        edits.push(Edit {
                            column: plan.offset + place,
                            from: row(from),
                            to: row(to),
                        });
                    }
                }
                let found = edited.run(&plan.net, reference, &edits);
                match strand {
                    0 => out.copy_from_slice(found),
                    _ => (out.iter_mut().zip(found)).for_each(|(a, b)| *a = 0.5 * (*a + b)),
                }
            }
            if let Ok(mut free) = self.free.lock() {
                free.push(edited);
            }
        };
        let parts = columns.chunks(plan.bases);
        let parts: Vec<_> = parts.zip(out.chunks_mut(plan.bases * each)).collect();
        match parts.len() {
            0 | 1 => parts.into_iter().for_each(run),
            _ => self.pool.install(|| parts.into_par_iter().for_each(run)),
        }
    }
}

impl Engine for DagEngine {
    fn tasks(&self) -> usize {
        self.plan.tasks()
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        let tasks = self.plan.tasks();
        scores.begin(stretch, want, tasks);
        let span = stretch.span();
        self.sums.begin(scores, want, tasks);
        let changes = want != Want::Activity;
        let (mut columns, mut found) = (Vec::new(), Vec::new());
        let mut activities = vec![0.0; tasks];
        for (index, start) in scores.windows.clone().into_iter().enumerate() {
            let codes = stretch.window(start);
            self.reference(codes, changes, &mut activities)?;
            for (to, value) in scores.activities.row_mut(index).iter_mut().zip(&activities) {
                *to = *value;
            }
            if !changes {
                continue;
            }
            columns.clear();
            let end = start + codes.len() as i64;
            for interval in stretch.wanted {
                let from = start.max(i64::from(interval.start()));
                let to = end.min(i64::from(interval.end()));
                let known = |c: &usize| codes[*c] != UNKNOWN;
                columns.extend((from..to).map(|p| (p - start) as usize).filter(known));
            }
            found.clear();
            found.resize(columns.len() * 3 * tasks, 0.0);
            self.changes(codes, &columns, &mut found);
            if let Some(at) = found.iter().position(|v| !v.is_finite()) {
                let (column, nth) = (columns[at / (3 * tasks)], at / tasks % 3);
                let mut mutant = codes.to_vec();
                let new = (0..4).filter(|&c| c != codes[column]).nth(nth);
                mutant[column] = new.unwrap_or(UNKNOWN);
                return self.finite(&mutant, &found[at / tasks * tasks..][..tasks]);
            }
            let first = (start - i64::from(span.start())) as isize;
            for (&column, changed) in columns.iter().zip(found.chunks_exact(3 * tasks)) {
                let base = (first + column as isize) as usize;
                let others = (0..4).filter(|&c| c != codes[column]);
                for (nth, (new, values)) in others.zip(changed.chunks_exact(tasks)).enumerate() {
                    let losses = activities.iter().zip(values).map(|(r, a)| r - a);
                    self.sums.add(base, new, nth == 2, losses);
                }
            }
        }
        self.sums.finish(scores);
        Ok(())
    }

    fn stretch(&self) -> u32 {
        self.plan.window as u32
    }
}
