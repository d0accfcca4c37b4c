pub mod counts;
pub mod dataset;
pub mod encode;
mod error;
pub mod genome;
pub mod output;
pub mod plot;
pub mod sharpr;

pub use error::Error;

/// The version of this program, as written into every output.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
