use super::UNKNOWN;

/// Order of the axes of a model's input, batch first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[batch, length, 4]`
    LengthBases,
    /// `[batch, 4, length]`
    BasesLength,
    /// `[batch, 1, 4, length]`
    OneBasesLength,
    /// `[batch, 1, length, 4]`
    OneLengthBases,
}

impl Layout {
    /// The input's shape for so many rows.
    pub fn shape(self, rows: usize, length: usize) -> Vec<i64> {
        let (rows, length) = (rows as i64, length as i64);
        match self {
            Self::LengthBases => vec![rows, length, 4],
            Self::BasesLength => vec![rows, 4, length],
            Self::OneBasesLength => vec![rows, 1, 4, length],
            Self::OneLengthBases => vec![rows, 1, length, 4],
        }
    }

    /// Distance between neighbouring positions and between neighbouring bases, in floats.
    pub fn steps(self, length: usize) -> (usize, usize) {
        match self {
            Self::LengthBases | Self::OneLengthBases => (4, 1),
            Self::BasesLength | Self::OneBasesLength => (1, length),
        }
    }
}

/// How a window of base codes becomes one row of a model's input: the window's bases stand
/// `offset` columns into `length` columns, all other columns are zero (paper, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneHot {
    /// Order of the axes.
    pub layout: Layout,
    /// Columns of the model's input.
    pub length: usize,
    /// Column of the window's first base.
    pub offset: usize,
    /// Row of each base code: `rows[code]` is the index of A, C, G, T on the axis of four.
    pub rows: [u8; 4],
}

impl OneHot {
    /// Floats of one row of the input.
    pub fn row_len(&self) -> usize {
        4 * self.length
    }

    /// Writes one window of base codes as one row (`row_len` floats, overwritten whole).
    pub fn encode(&self, codes: &[u8], row: &mut [f32]) {
        debug_assert!(self.offset + codes.len() <= self.length && row.len() == self.row_len());
        row.fill(0.0);
        let (position_step, base_step) = self.layout.steps(self.length);
        for (i, &code) in codes.iter().enumerate() {
            if code < UNKNOWN {
                let base = self.rows[code as usize] as usize;
                row[(self.offset + i) * position_step + base * base_step] = 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_frames_and_alphabets() {
        let codes = [0, 3, UNKNOWN, 2];
        for layout in [
            Layout::LengthBases,
            Layout::BasesLength,
            Layout::OneBasesLength,
            Layout::OneLengthBases,
        ] {
            // Alphabet ATCG: A is row 0, T row 1, C row 2, G row 3.
            let one_hot = OneHot {
                layout,
                length: 6,
                offset: 1,
                rows: [0, 2, 3, 1],
            };
            let mut row = vec![7.0; one_hot.row_len()];
            one_hot.encode(&codes, &mut row);
            let mut expected = vec![0.0; 24];
            let at = |column: usize, base: usize| match layout {
                Layout::LengthBases | Layout::OneLengthBases => column * 4 + base,
                _ => base * 6 + column,
            };
            expected[at(1, 0)] = 1.0;
            expected[at(2, 1)] = 1.0;
            expected[at(4, 3)] = 1.0;
            assert_eq!(row, expected, "{layout:?}");
        }
        assert_eq!(Layout::OneBasesLength.shape(2, 6), [2, 1, 4, 6]);
        assert_eq!(Layout::LengthBases.shape(2, 6), [2, 6, 4]);
    }
}
