//! Training from several sources at once, as a recipe file says.
//!
//! Every source has outputs of its own, heads, on a trunk that all share. Fitted, the heads are joined to
//! the tasks of the exported network: each task is a weighted sum of standardised heads, in the units of
//! one of them.

mod file;
mod groups;
mod join;
mod kind;
mod kmers;
mod read;
mod run;

pub use file::{Recipe, SourceSpec, SplitSpec, TaskSpec};
pub use kind::Kind;
pub use run::{RecipeConfig, run};
