use super::{DagPlan, Plan, Unsupported};
use crate::model::{ModelFile, ModelSpec};

/// How the fast engine does a model: as a chain, which is by far the fastest, or as a graph.
#[derive(Clone, Debug)]
pub enum FastPlan {
    /// Convolutions, one reduction, dense layers.
    Chain(Plan),
    /// Position-wise and local operators, joined as they like.
    Graph(DagPlan),
}

impl FastPlan {
    /// Reads a model's graph.
    ///
    /// # Errors
    /// When it is of neither family, with the reason why it is no graph of the second.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        match Plan::new(file, spec) {
            Ok(plan) => Ok(Self::Chain(plan)),
            Err(_) => DagPlan::new(file, spec).map(Self::Graph),
        }
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Chain(plan) => plan.describe(),
            Self::Graph(plan) => plan.describe(),
        }
    }

    /// Products of a weight and a value in a pass over a whole window, and of those the ones that a
    /// changed base in its middle alters: without what is looked up, and without what windows share.
    pub fn products(&self) -> (u64, u64) {
        match self {
            Self::Chain(plan) => plan.products(),
            Self::Graph(plan) => plan.products(),
        }
    }
}
