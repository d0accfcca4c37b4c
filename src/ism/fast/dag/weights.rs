//! A layer's weights, as a matrix and as products take them.

use std::ops::Deref;
use std::sync::OnceLock;

use ndarray::Array2;

use crate::ism::fast::panels::{Panels, Row};

/// Weights `[inputs, outputs]`, laid out for products when the first is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    matrix: Array2<f32>,
    panels: OnceLock<Panels>,
}

impl Weights {
    /// The same weights, each made another.
    pub(super) fn map(&self, of: impl FnMut(&f32) -> f32) -> Self {
        self.matrix.map(of).into()
    }

    /// [`Panels::add`].
    pub(super) fn add(&self, first: usize, rows: &[Row<'_>], out: &mut [f32]) {
        let panels = self.panels.get_or_init(|| Panels::new(self.matrix.view()));
        panels.add(first, rows, out);
    }
}

impl From<Array2<f32>> for Weights {
    fn from(matrix: Array2<f32>) -> Self {
        Self {
            matrix,
            panels: OnceLock::new(),
        }
    }
}

impl Deref for Weights {
    type Target = Array2<f32>;

    fn deref(&self) -> &Self::Target {
        &self.matrix
    }
}
