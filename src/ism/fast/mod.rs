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
//! A graph that is no chain is run by a [`DagEngine`] (`dag`): the values of a window are kept, and of a
//! change only the positions that it reaches are computed, operator by operator. A table of k-mers has an engine of its
//! own ([`KmerEngine`]). [`FastPlan`] chooses.
//!
//! # Parts
//! [`Plan`] reads the graph (`graph`, `ops`) into a `network`, and says why it cannot.
//! [`Tables`] are its table (`trunk`, `table`), what leads from there to the first dense layer
//! (`reducer`), head (`head`) and how activities alone are made (`predictor`), built once. A
//! [`FastEngine`] is one thread's state (`strand`; activities alone: `predict`): `sources` make
//! values (`strip`, `extra`) and edits (`blocks`), a `view` of a window is what `reduce` sums. `simd`, `kernels`, `maxima`,
//! `slide` and `panels` are the inner loops, and with `gemm` and `floats` the only places of unsafe code: each
//! of their kernels is a safe function that asserts what its body relies on.

mod bends;
mod blocks;
mod check;
mod dag;
mod engine;
mod extra;
mod floats;
mod gemm;
mod graph;
mod head;
mod kernels;
mod kmers;
mod maxima;
mod network;
mod ops;
mod panels;
mod plan;
mod predict;
mod predictor;
mod reduce;
mod reducer;
mod simd;
mod slide;
mod slopes;
mod sources;
mod strand;
mod strip;
mod table;
mod tables;
mod trunk;
mod view;

pub use check::{Mismatch, check_against_full};
pub use dag::{Backward, DagEngine, DagPlan, DagShared};
pub use engine::FastEngine;
pub use kmers::{KmerEngine, KmerPlan, KmerTables};
pub use network::Unsupported;
pub use plan::{FastPlan, Plan};
pub use tables::Tables;
pub use trunk::Limits;
