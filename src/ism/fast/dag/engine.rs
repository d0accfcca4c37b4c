use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::super::network::Unsupported;
use super::cut::{Cut, Upper};
use super::edits::{Edit, Edited};
use super::net::{Net, Op};
use super::read;
use super::reference::Reference;
use super::rounding::Rounding;
use crate::encode::{UNKNOWN, reverse_complement};
use crate::ism::sums::Sums;
use crate::ism::{Engine, IsmError, Scores, Strand, Stretch, Want};
use crate::model::{ModelError, ModelFile, ModelSpec, Runtime};

/// Floats of values under changes that are kept at a time, for each thread.
const MOST_FLOATS: usize = 1 << 22;

/// Share of a pass that a cut must save. LegNet's would save a twentieth at most, and took a tenth more time.
const LEAST_SAVED: f64 = 0.25;

/// A graph that is no chain, read: whole, or as far as it can be.
#[derive(Clone, Debug)]
pub struct DagPlan {
    net: Net,
    /// What is left above.
    cut: Option<Cut>,
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
    /// When not even its first convolution is of the family, with the reason.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        let (net, cut) = match read::whole(file, spec) {
            Ok(net) => (net, None),
            Err(reason) => {
                let (net, cut) = read::below(file, spec).map_err(|_| reason)?;
                (net, Some(cut))
            }
        };
        let mut plan = Self {
            net,
            cut,
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
        let cut = match &self.cut {
            Some(cut) => format!(
                ", cut there: what lies above runs whole for every change, because {}",
                cut.why
            ),
            None => String::new(),
        };
        format!(
            "a graph of {} operators with {} convolutions, {} pools, {} joins{strands}{cut}",
            self.net.nodes.len() - 1,
            count(|op| matches!(op, Op::Conv(_))),
            count(|op| matches!(op, Op::Pool(..) | Op::Global(..))),
            count(|op| matches!(op, Op::Join(_) | Op::Concat)),
        )
    }

    /// The network, as far as it is read.
    pub(super) fn net(&self) -> &Net {
        &self.net
    }

    /// Bases of a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Column of the input at which a window begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Why the upper part could not be read, where there is one.
    pub fn why_cut(&self) -> Option<&Unsupported> {
        self.cut.as_ref().map(|cut| &cut.why)
    }

    /// Whether ONNX Runtime runs the upper part of the graph, whole, for every change.
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// The share of a pass's products that is saved, of a graph that is cut reckoned with what lies above it.
    pub fn saved(&self) -> f64 {
        let (whole, changed) = self.products();
        let above = self.cut.as_ref().map_or(0, |cut| cut.products);
        (whole - changed) as f64 / (whole + above).max(1) as f64
    }

    /// Whether it is faster than whole passes: a cut graph is where it saves more than handing values on
    /// costs.
    pub fn pays(&self) -> bool {
        !self.is_cut() || self.saved() >= LEAST_SAVED
    }

    /// Products of a weight and a value in a pass over a whole window, and of those the ones that a
    /// changed base in its middle alters; below the cut where there is one.
    pub fn products(&self) -> (u64, u64) {
        self.net.products(self.offset + self.window / 2)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        match self.cut {
            Some(_) => self.names.len(),
            None => self.net.nodes.last().map_or(0, |node| node.form.row()),
        }
    }

    /// Floats that the three changes of a base in the middle take, with a convolution's inputs.
    fn floats_of_a_base(&self) -> usize {
        let net = &self.net;
        let spans = net.spans(self.offset + self.window / 2);
        let (mut values, mut patches) = (0, 0);
        for (node, span) in net.nodes.iter().zip(&spans) {
            values += span.len() * node.form.row();
            let inputs = match &node.op {
                Op::Conv(conv) => {
                    let (of, row) = (node.inputs[0], net.nodes[node.inputs[0]].form.row());
                    match conv.by_differences(spans[of].len(), span.len()) {
                        true => spans[of].len() * row,
                        false => span.len() * conv.width * row,
                    }
                }
                Op::Dense(weights, _) => weights.nrows(),
                _ => 0,
            };
            patches = patches.max(inputs);
        }
        let handed_on = self.cut.as_ref().map_or(0, Cut::floats);
        3 * (values + patches + handed_on)
    }
}

/// What the engines of one model share.
pub struct DagShared {
    plan: DagPlan,
    pool: rayon::ThreadPool,
    upper: Option<Upper>,
}

impl DagShared {
    /// Changes of a window will be run on so many threads, and where the graph is cut, so many rows at a time
    /// by ONNX Runtime.
    ///
    /// # Errors
    /// When threads cannot be started, or ONNX Runtime refuses what lies above the cut.
    pub fn new(
        plan: DagPlan,
        threads: NonZeroUsize,
        batch: NonZeroUsize,
        runtime: &Runtime,
    ) -> Result<Self, IsmError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        let pool = pool
            .build()
            .map_err(|e| IsmError::Threads(threads.get(), e))?;
        let open = |cut| Upper::open(cut, runtime, batch.get(), plan.tasks());
        let upper = plan.cut.as_ref().map(open).transpose()?;
        Ok(Self { plan, pool, upper })
    }

    /// By how much rounding moves a window's activities (a standard deviation of each task), and those of
    /// its reverse complement: engines that sum in different orders may differ by some of these. Through what
    /// lies above a cut, errors are followed by trying: some of their size are put on the values there.
    ///
    /// # Errors
    /// When ONNX Runtime fails.
    pub fn rounding(&self, codes: &[u8]) -> Result<Vec<f32>, ModelError> {
        let plan = &self.plan;
        let rounding = Rounding::new(&plan.net);
        let mut turned = vec![0; codes.len()];
        reverse_complement(codes, &mut turned);
        let mut reference = Reference::default();
        let mut most = vec![0.0f32; plan.tasks()];
        for codes in [codes, &turned] {
            reference.run(&plan.net, codes, plan.offset, false);
            let errors = rounding.of(&plan.net, &reference);
            let found = match &self.upper {
                None => errors.into_iter().next().unwrap_or_default(),
                Some(upper) => upper.spread(&plan.net, &reference, &errors)?,
            };
            for (most, found) in most.iter_mut().zip(found) {
                *most = most.max(found);
            }
        }
        Ok(most)
    }

    /// Activities of a window that has been run.
    fn activities(&self, reference: &Reference, out: &mut [f32]) -> Result<(), ModelError> {
        let Some(upper) = &self.upper else {
            out.copy_from_slice(reference.activities());
            return Ok(());
        };
        let value = |_, id: usize, out: &mut Vec<f32>| {
            out.extend_from_slice(&reference.values[id]);
        };
        upper.run(1, value, out)
    }
}

/// The engine of one thread for graphs that are no chain.
pub struct DagEngine {
    shared: Arc<DagShared>,
    strands: Strand,
    /// Of the window and of its reverse complement.
    references: [Reference; 2],
    free: Mutex<Vec<Edited>>,
    sums: Sums,
}

impl DagEngine {
    /// A new engine.
    pub fn new(shared: &Arc<DagShared>, strands: Strand) -> Self {
        Self {
            shared: shared.clone(),
            strands,
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
        let plan = &self.shared.plan;
        let [forward, other] = &mut self.references;
        forward.run(&plan.net, codes, plan.offset, changes);
        self.shared.activities(forward, out)?;
        if self.strands == Strand::Both {
            let mut turned = vec![0; codes.len()];
            reverse_complement(codes, &mut turned);
            other.run(&plan.net, &turned, plan.offset, changes);
            let mut theirs = vec![0.0; out.len()];
            self.shared.activities(other, &mut theirs)?;
            for (a, b) in out.iter_mut().zip(theirs) {
                *a = 0.5 * (*a + b);
            }
        }
        self.finite(codes, out)
    }

    fn finite(&self, codes: &[u8], activities: &[f32]) -> Result<(), ModelError> {
        match activities.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let task = at % self.tasks();
                let name = self.shared.plan.names.get(task).cloned();
                let name = name.unwrap_or_else(|| format!("task_{task}"));
                Err(ModelError::not_finite(activities[at], name, codes))
            }
        }
    }

    /// Activities under the three changes of each of these columns, `[column, 3, task]`, the changes in
    /// the order A, C, G, T without the base itself.
    fn changes(&self, codes: &[u8], columns: &[usize], out: &mut [f32]) -> Result<(), ModelError> {
        let plan = &self.shared.plan;
        let each = 3 * plan.tasks();
        let run = |(columns, out): (&[usize], &mut [f32])| -> Result<(), ModelError> {
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
                edited.run(&plan.net, reference, &edits);
                let above;
                let found = match &self.shared.upper {
                    None => edited.activities(),
                    Some(upper) => {
                        let mut all = vec![0.0; out.len()];
                        let value = |edit, id, out: &mut Vec<f32>| {
                            edited.value(&plan.net, reference, (edit, id), out);
                        };
                        upper.run(edits.len(), value, &mut all)?;
                        above = all;
                        &above
                    }
                };
                match strand {
                    0 => out.copy_from_slice(found),
                    _ => (out.iter_mut().zip(found)).for_each(|(a, b)| *a = 0.5 * (*a + b)),
                }
            }
            if let Ok(mut free) = self.free.lock() {
                free.push(edited);
            }
            Ok(())
        };
        let parts = columns.chunks(plan.bases);
        let parts: Vec<_> = parts.zip(out.chunks_mut(plan.bases * each)).collect();
        match parts.len() {
            0 | 1 => parts.into_iter().try_for_each(run),
            _ => (self.shared.pool).install(|| parts.into_par_iter().try_for_each(run)),
        }
    }
}

impl Engine for DagEngine {
    fn tasks(&self) -> usize {
        self.shared.plan.tasks()
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        let tasks = self.tasks();
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
            self.changes(codes, &columns, &mut found)?;
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
        self.shared.plan.window as u32
    }
}
