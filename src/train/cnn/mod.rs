//! Convolutional networks: fitted by gradients, written as ONNX.

mod adam;
mod arch;
mod batch;
mod config;
mod data;
mod export;
mod fit;
mod init;
mod loss;
mod network;
mod pass;
pub mod recipe;
mod report;
mod run;
mod search;
mod start;
mod state;
mod watch;

pub use adam::Moments;
pub use arch::{Architecture, Layer, Layers, Padding};
pub use config::{Config, Source, Summary, TeacherSource};
pub use export::to_onnx;
pub use fit::{Beside, Fit, FitConfig, Schedule};
pub use init::{start_beside, start_from};
pub use network::{FittedLayer, Network};
pub use pass::Geometry;
pub use run::run;
pub use search::draw;
pub use state::{Notes, State};
pub use watch::{Epoch, Judged, Unwatched, Watch};
