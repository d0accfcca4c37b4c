//! Design: sequences changed base by base towards an objective over tasks.
//!
//! Starts come from a file, a genome or a generator (`starts`). Each has its rules: stretches and motifs that stay,
//! sites and runs that may not be, a range of G and C (`rules`, `sites`). A search says which sequences it wants to
//! know of and is told their activities and the effects of all their changes, the exact saturation map
//! (`search`); many searches ask at a time, so that threads have work and results do not depend on
//! their number (`run`). Every design is scored once more by the full engine.
//!
//! - **objective**: a linear expression of tasks' activities. Of a sequence longer than a window the activity is
//!   the mean over windows `stride` bases apart, as [`crate::score::ArrayScorer`] gives it.
//! - **step**: one change of one base. **edits**: bases in which a sequence differs from its start.
//!
//! Places in sequences are counted from 0, stretches are half-open.

mod config;
mod error;
mod objective;
mod refusal;
mod rows;
mod rules;
mod run;
mod search;
mod sites;
mod starts;

pub use config::{DesignConfig, KeepMotif};
pub use error::DesignError;
pub use objective::{Goal, Objective};
pub use refusal::Refusal;
pub use rules::{KeptMotifs, Limits};
pub use run::{DesignSummary, run};
pub use search::{End, LEAST_GAIN, Method, Schedule, Step};
pub use sites::Site;
pub use starts::Starts;
