//! The fast engine: the same values as [`super::FullEngine`], for a fraction of the work.
//!
//! # What may be reused, and why
//! The trunk is a chain of convolutions and element-wise functions. Its value at a position is a
//! function of the `span` columns of its receptive field, and of nothing else, as long as no
//! layer's zero padding lies in that field.
//!
//! 1. So a value whose field lies within the window does not depend on the window: windows that
//!    overlap share it, and a field with unknown bases is one with zero columns.
//! 2. A change at base `g` changes only values whose field holds `g`, `span` of them. Under the
//!    change these, too, are the same in every window in which their field is interior.
//! 3. Values whose field holds columns outside the window (frames, zero padding) do depend on the
//!    window: they are made for each window, from its own columns, layer by layer within the
//!    layers' bounds (zero padding of a deeper layer is not a value of the layer before it).
//! 4. A function of `k` bases has 4^k values: the first layers, whose fields span up to about nine
//!    bases, are looked up. Products with the next layer's weights are made when the table is.
//! 5. The first dense layer is linear, so an effect on its sums is a sum over changed features:
//!    differences of reached values without a pool, changed maxima with one. Deeper heads run on
//!    reference plus difference.
//!
//! All of this reorders sums of f32 and nothing else; no value is approximated.
//!
//! # Parts
//! [`Plan`] reads the graph (`graph`, `ops`) into a `network`, and says why it cannot.
//! [`Tables`] are its table (`trunk`, `table`) and head (`reduce`, `head`), built once. A
//! [`FastEngine`] is one thread's state (`strip`, `extra`, `strand`, `blocks`, `predict`); `simd`, `kernels`,
//! `maxima` and `slide` are the inner loops.

mod blocks;
mod check;
mod engine;
mod extra;
mod floats;
mod gemm;
mod graph;
mod head;
mod kernels;
mod maxima;
mod network;
mod ops;
mod predict;
mod reduce;
mod simd;
mod slide;
mod strand;
mod strip;
mod table;
mod trunk;

pub use check::{Mismatch, check_against_full};
pub use engine::{FastEngine, Strands};
pub use strand::Tables;
pub use trunk::Limits;

use self::network::Network;
use self::trunk::Trunk;
use crate::model::{ModelFile, ModelSpec};

/// Why a graph cannot be done fast: one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub(super) String);

/// A graph of the supported family, read and divided into table, stages, reduction and head.
#[derive(Clone, Debug)]
pub struct Plan {
    network: Network,
    trunk: Trunk,
    window: usize,
    offset: usize,
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

    /// Bytes that the table takes, shared by all threads.
    pub fn table_bytes(&self) -> usize {
        (self.trunk.table_row() * 4) << (2 * self.trunk.k)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.network.tasks()
    }
}
