//! What all threads share.

use std::sync::Arc;

use super::floats::Floats;
use super::head::Head;
use super::network::Reduction;
use super::plan::Plan;
use super::predictor::{self, Predictor};
use super::reducer::{Reducer, Way};
use super::strip::{Context, Lookup, Scratch, Strip, Tabled};
use crate::encode::UNKNOWN;

/// Up to so many bases a window, windows share sliding maxima.
const DENSE: usize = 16;

/// Bases of a run beyond which a new one is begun.
const MOST_BASES: usize = 1280;

/// What all threads share: the plan with its table, weights and constants.
#[derive(Debug)]
pub struct Tables {
    pub(super) tabled: Tabled,
    pub(super) reducer: Reducer,
    pub(super) head: Head,
    pub(super) window: usize,
    names: Vec<String>,
    /// Columns of the frame with all layers' padding, and of the window's first base in it.
    pub(super) framed: usize,
    /// Position whose field begins at the window's first base.
    pub(super) first: usize,
    /// Reference values of a frame without bases, `[positions, row]`.
    pub(super) blank: Floats,
    /// How activities alone are made, where windows can share maxima.
    pub(super) predictor: Option<Predictor>,
}

impl Tables {
    /// Computes the table. Takes up to a second or two for the largest.
    pub fn build(plan: &Plan) -> Arc<Self> {
        let pools_maxima = plan.network.reduction == Reduction::Max;
        let tabled = Tabled::new(plan.trunk.clone(), pools_maxima);
        let trunk = &tabled.trunk;
        let (left, right) = trunk.all_pads();
        let framed = left + plan.network.length + right;
        let first = plan.offset + left;
        let mut scratch = Scratch::new(&tabled);
        let mut strip = Strip::default();
        let codes = vec![UNKNOWN; framed + 2 * trunk.span];
        let context = Context {
            codes: &codes,
            frame: Some(trunk.span),
        };
        tabled.reference(
            &mut scratch,
            context,
            (trunk.span, trunk.span + trunk.length()),
            &mut strip,
        );
        let reached = (
            (first + 1).saturating_sub(trunk.span),
            trunk.length().min(first + plan.window),
        );
        let reducer = Reducer::new(&plan.network, &strip.values, reached, trunk.span);
        let mut tables = Self {
            predictor: None,
            head: Head::new(&plan.network.head[0], &plan.network.head[1..]),
            window: plan.window,
            names: plan.names.clone(),
            framed,
            first,
            blank: strip.values,
            reducer,
            tabled,
        };
        let trunk = &tables.tabled.trunk;
        let short = trunk.span <= predictor::LONGEST + 1 && plan.window >= trunk.span;
        let table = Some(&*tables.tabled.table).filter(|_| tables.looks_up_all());
        if tables.head.is_linear() {
            let interior = tables.interior();
            tables.predictor = Predictor::new(&tables.reducer, interior, short, table);
        }
        Arc::new(tables)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.head.tasks
    }

    /// The name of a task, for messages.
    pub(super) fn task(&self, task: usize) -> String {
        let name = self.names.get(task);
        name.map_or_else(|| format!("task_{task}"), String::clone)
    }

    /// Positions whose field lies within the window.
    pub(super) fn interior(&self) -> (usize, usize) {
        let to = (self.first + self.window + 1).saturating_sub(self.tabled.trunk.span);
        (
            self.first,
            to.min(self.tabled.trunk.length()).max(self.first),
        )
    }

    /// Whether edits need no values of their own: the table has them, and a max pool merges them.
    pub(super) fn looks_up_all(&self) -> bool {
        self.reducer.way == Way::Max && self.tabled.trunk.stages().is_empty()
    }

    /// Reference values at positions `range`, or their ids where the table has them.
    pub(super) fn reference(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        range: (usize, usize),
        strip: &mut Strip,
    ) {
        if self.looks_up_all() {
            self.tabled.known(scratch, context, range, strip);
            Lookup::new(&self.tabled, &scratch.extra).prefetch(strip);
        } else {
            self.tabled.reference(scratch, context, range, strip);
        }
    }

    /// Whether so many windows over so many bases share sliding maxima.
    pub(super) fn is_dense(&self, windows: usize, bases: usize) -> bool {
        windows * DENSE > bases
    }

    /// Bases that may be run at once: many where nothing is kept by base and the maxima of a run's
    /// first window are the only ones that no other window before it needed.
    pub(super) fn most_bases(&self, effects: bool, stride: usize) -> usize {
        let predicts = self.predictor.is_some() && self.looks_up_all();
        if !effects && predicts && stride < DENSE / 2 {
            64 * MOST_BASES
        } else {
            MOST_BASES
        }
    }

    /// Bases that must stand on either side of a run's codes.
    pub(super) fn margin(&self) -> usize {
        self.tabled.trunk.span
    }
}
