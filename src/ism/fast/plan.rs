//! What is known of a model's graph before anything is built: a chain, divided into what the tables are
//! built from, a graph of the wider family, or a table of k-mers.

use super::dag::DagPlan;
use super::graph;
use super::kmers::KmerPlan;
use super::network::{Network, Unsupported};
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

    /// Whether most values of a window depend on where it begins: a deep trunk whose padding most fields
    /// reach. Windows share hardly anything then, and each change is better followed in its own window.
    fn is_mostly_edges(&self) -> bool {
        let trunk = &self.trunk;
        let padded = trunk.pads[trunk.depth..].iter().any(|pads| *pads != (0, 0));
        padded && 2 * trunk.span > self.window
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        let head = match self.network.head.len() {
            1 if self.network.head[0].after.is_empty() => "linear head".into(),
            n => format!("head of {n} dense layers"),
        };
        format!("{}, {}, {head}", self.trunk.text(), self.network.pool_text)
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

/// How the fast engine does a model: as a chain, which is by far the fastest, or as a graph.
#[derive(Clone, Debug)]
pub enum FastPlan {
    /// Convolutions, one reduction, dense layers.
    Chain(Plan),
    /// A sum over a window's k-mers.
    Kmers(KmerPlan),
    /// Position-wise and local operators, joined as they like.
    Graph(DagPlan),
}

impl FastPlan {
    /// Reads a model's graph.
    ///
    /// # Errors
    /// When it is of no family, with the reason why it is none of the second.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        if let Ok(plan) = KmerPlan::new(file, spec) {
            return Ok(Self::Kmers(plan));
        }
        match Plan::new(file, spec) {
            Ok(plan) if plan.is_mostly_edges() => {
                Ok(DagPlan::new(file, spec).map_or(Self::Chain(plan), Self::Graph))
            }
            Ok(plan) => Ok(Self::Chain(plan)),
            Err(_) => DagPlan::new(file, spec).map(Self::Graph),
        }
    }

    /// Whether it is faster than whole passes.
    pub fn pays(&self) -> bool {
        match self {
            Self::Chain(_) | Self::Kmers(_) => true,
            Self::Graph(plan) => plan.pays(),
        }
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Chain(plan) => plan.describe(),
            Self::Kmers(plan) => plan.describe(),
            Self::Graph(plan) => plan.describe(),
        }
    }
}
