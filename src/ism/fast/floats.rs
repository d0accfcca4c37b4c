//! Tables of f32 whose rows begin on cache lines: a vector of 64 bytes that crosses a line costs
//! two loads.

use std::ops::{Deref, DerefMut};

use super::simd::PAD;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; PAD]);

/// A growing table of f32, a whole number of lines long.
#[derive(Clone, Debug, Default)]
pub(super) struct Floats(Vec<Line>);

impl Floats {
    /// No floats yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `n` zeros, for a table that is read at random: asks for large pages before the first
    /// touch, since with pages of 4 kB each look-up would miss the processor's cache of page
    /// addresses.
    pub(super) fn large(n: usize) -> Self {
        let mut lines = Vec::with_capacity(n.div_ceil(PAD));
        large_pages(
            lines.as_ptr() as usize,
            lines.capacity() * size_of::<Line>(),
        );
        lines.resize(n.div_ceil(PAD), Line([0.0; PAD]));
        Self(lines)
    }

    /// Room for `n` floats.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n.div_ceil(PAD)))
    }

    /// Makes it `n` floats long (rounded up to lines), new ones zero.
    pub(super) fn resize(&mut self, n: usize) {
        self.0.resize(n.div_ceil(PAD), Line([0.0; PAD]));
    }

    /// The first `n` floats, made if there are not as many; of no particular values.
    pub(super) fn room(&mut self, n: usize) -> &mut [f32] {
        if self.len() < n {
            self.resize(n);
        }
        &mut self[..n]
    }

    /// Removes all floats.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Removes all but the first `n`.
    pub(super) fn truncate(&mut self, n: usize) {
        self.0.truncate(n.div_ceil(PAD));
    }

    /// Appends a row; it is filled up with zeros to whole lines.
    pub(super) fn push_row(&mut self, row: &[f32]) {
        let (lines, rest) = row.as_chunks::<PAD>();
        self.0.extend(lines.iter().map(|l| Line(*l)));
        if !rest.is_empty() {
            let mut line = Line([0.0; PAD]);
            line.0[..rest.len()].copy_from_slice(rest);
            self.0.push(line);
        }
    }
}

impl From<&[f32]> for Floats {
    fn from(values: &[f32]) -> Self {
        let mut out = Self::new();
        out.push_row(values);
        out
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are arrays of floats without gaps (64 bytes, aligned to 64).
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * PAD) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * PAD) }
    }
}

/// Makes values that are not a number such that maxima pass over them: ONNX Runtime's do.
pub(super) fn pass_over_nan(values: &mut [f32]) {
    // Looking takes vectors and writes nothing; hardly ever is there one.
    for part in values.chunks_mut(256) {
        if part.iter().fold(false, |found, v| found | v.is_nan()) {
            for v in part.iter_mut().filter(|v| v.is_nan()) {
                *v = f32::NEG_INFINITY;
            }
        }
    }
}

/// Whether none is NaN or infinite. Without a way out halfway this takes vectors.
pub(super) fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |f, v| f & v.is_finite())
}

#[cfg(target_os = "linux")]
fn large_pages(address: usize, bytes: usize) {
    const PAGE: usize = 4096;
    let from = address.next_multiple_of(PAGE);
    let to = (address + bytes) & !(PAGE - 1);
    if to > from + (4 << 20) {
        // SAFETY: the range lies within memory that the caller owns; the advice changes no
        // contents. A kernel that cannot follow it says so, which is of no consequence.
        unsafe {
            libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn large_pages(_: usize, _: usize) {}
