//! A graph read and divided: what the tables are built from.

use super::graph;
use super::network::{Cell, Network, Unsupported};
use super::trunk::{Limits, Trunk};
use crate::model::{ModelFile, ModelSpec};

/// A graph of the supported family, read and divided into table, stages, reduction and head.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) network: Network,
    pub(super) trunk: Trunk,
    pub(super) window: usize,
    pub(super) offset: usize,
    /// Of the tasks, as far as they are known.
    pub(super) names: Vec<String>,
}

impl Plan {
    /// Reads a model's graph.
    ///
    /// # Errors
    /// When the graph is not of the family, with the reason.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        Self::with_limits(file, spec, Limits::default())
    }

    /// The same, with other limits for the table.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_limits(
        file: &ModelFile,
        spec: &ModelSpec,
        limits: Limits,
    ) -> Result<Self, Unsupported> {
        let network = graph::read(file, spec)?;
        let trunk = Trunk::new(&network, limits);
        Ok(Self {
            network,
            trunk,
            window: spec.window,
            offset: spec.one_hot.offset,
            names: spec.tasks.clone(),
        })
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        let head = match self.network.head.len() {
            1 if self.network.head[0].after.is_empty() => "linear head".into(),
            n => format!("head of {n} dense layers"),
        };
        format!("{}, {}, {head}", self.trunk.text(), self.network.pool_text)
    }

    /// Products of a weight and a value in a pass over a whole window, and of those the ones that one
    /// changed base alters, as the graph stands: without the table, and without what windows share.
    pub fn products(&self) -> (u64, u64) {
        let network = &self.network;
        let (mut whole, mut changed, mut span) = (0, 0, 1);
        for (l, conv) in network.convs.iter().enumerate() {
            let length = self.trunk.bounds[l + 1].length;
            span += conv.reach();
            let each = (conv.outputs * conv.inputs * conv.width) as u64;
            whole += each * length as u64;
            changed += each * span.min(length) as u64;
        }
        // The cells that most edits reach: those of the middle position.
        let positions = self.trunk.length();
        let reached = positions.saturating_sub(span) / 2..(positions + span).div_ceil(2);
        let touched = |cell: &&Cell| cell.from < reached.end && reached.start < cell.to;
        let cells = network.cells.iter().filter(touched).count();
        for (d, dense) in network.head.iter().enumerate() {
            let each = (dense.inputs * dense.outputs) as u64;
            whole += each;
            changed += match d {
                0 => each * cells as u64 / network.cells.len().max(1) as u64,
                _ => each,
            };
        }
        (whole, changed)
    }

    /// Bytes that the table takes, shared by all threads.
    pub fn table_bytes(&self) -> usize {
        (self.trunk.table_row() * 4) << (2 * self.trunk.k)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.network.tasks()
    }
}
