//! Convolutional networks, fitted by burn.

mod arch;
mod export;
mod fit;
mod init;
mod network;
mod state;

pub use arch::{Architecture, Layer, Layers};
pub use export::to_onnx;
pub use fit::{Epoch, Fit, FitConfig, Schedule, Unwatched, Watch};
pub use init::start_from;
pub use network::{Geometry, Parameters, Running, Weights};
pub use state::{Moments, Notes, State};
mod run;
pub use run::{Config, Source, Summary, TeacherSource, run};
