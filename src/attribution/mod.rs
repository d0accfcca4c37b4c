//! Contributions of bases by other methods than in-silico mutagenesis: gradient times input, integrated gradients and
//! DeepLIFT (the paper's "gradient-based methods", section 4.4).
//!
//! A **contribution** of a base is its share in what a window's activity is above that of references. Of every base there is
//! also the *hypothetical* contribution that each of the four letters would have in its place, as TF-MoDISco takes them; the
//! contribution is that of the letter that stands there. Where multipliers `m` are found by a method for a column, the
//! hypothetical contribution of a letter is the sum over the column's four rows of `m * (letter - reference)`.
//!
//! - [`Method::GradientInput`]: `m` is the gradient, the reference zero.
//! - [`Method::IntegratedGradients`] (Sundararajan et al. 2017): `m` is the mean of the gradients on the straight way from
//!   reference to input, by Gauss-Legendre quadrature.
//! - [`Method::DeepLift`] (Shrikumar et al. 2017; over several references also called DeepSHAP): `m` by the rescale rule.
//!
//! Of the last two, contributions add up to the difference of activities, exactly or up to the quadrature
//! ([`Completeness`]). Positive means that the base drives expression, as with importance.

mod engine;
mod explain;
mod quadrature;
mod references;

pub use engine::Attributions;
pub use explain::{Completeness, Explainer};
pub use references::References;

use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// How bases are given their contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// DeepLIFT's rescale rule.
    #[serde(rename = "deeplift")]
    DeepLift,
    /// The gradient along the way from a reference, at so many points.
    IntegratedGradients {
        /// Points, at least 1.
        steps: usize,
    },
    /// The gradient at the input.
    GradientInput,
}

/// What bases may have been given: the words in the names of tracks.
pub const OF_BASES: [&str; 4] = [
    "importance",
    "deeplift",
    "integrated-gradients",
    "gradient-input",
];

impl Method {
    /// The word for it, in names of tracks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeepLift => "deeplift",
            Self::IntegratedGradients { .. } => "integrated-gradients",
            Self::GradientInput => "gradient-input",
        }
    }

    /// Whether contributions add up to a difference of activities.
    pub fn is_complete(self) -> bool {
        self != Self::GradientInput
    }
}

/// A method with what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributionSettings {
    /// The method.
    pub method: Method,
    /// The references; of gradient times input none.
    pub references: References,
}

/// What can be wrong with attributions.
#[derive(Debug, thiserror::Error)]
pub enum AttributionError {
    /// A graph that is not read whole.
    #[error("{method} cannot go backwards through this model: {problem}")]
    Graph {
        /// The method asked for.
        method: &'static str,
        /// Which operator, and why.
        problem: String,
    },
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl AttributionError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Graph { .. } => Some("--method ism runs every model".into()),
            Self::Model(e) => e.hint(),
        }
    }
}
