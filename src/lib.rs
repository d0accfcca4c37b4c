pub mod encode;
mod error;
pub mod genome;
pub mod ism;
pub mod model;
pub mod output;
pub mod score;
pub mod tracks;

pub use error::Error;

/// The version of this program, as written into every output.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
