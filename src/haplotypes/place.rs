//! Where the windows of a region lie.

use crate::genome::{Interval, Region};

/// The windows of a region, on the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First base of the first window; negative before the contig.
    pub start: i64,
    /// Bases from there to the end of the last window.
    pub length: usize,
    /// The middle base of the region.
    pub middle: i64,
    /// Bases of a window.
    window: i64,
}

impl Place {
    /// As few windows as hold the region, `stride` apart, with the region's middle in their middle.
    pub fn of(region: &Region, window: u32, stride: u32) -> Self {
        Self::around(region.bases, window, stride)
    }

    fn around(bases: Interval, window: u32, stride: u32) -> Self {
        let more = bases.len().saturating_sub(window).div_ceil(stride.max(1));
        let length = i64::from(window) + i64::from(more) * i64::from(stride);
        let (start, bases_length) = (i64::from(bases.start()), i64::from(bases.len()));
        Self {
            start: start + (bases_length - length).div_euclid(2),
            length: length as usize,
            middle: start + bases_length / 2,
            window: i64::from(window),
        }
    }

    /// One past the last base of the last window.
    pub fn end(&self) -> i64 {
        self.start + self.length as i64
    }

    /// Bases of a haplotype before the region's middle base.
    pub fn before(&self) -> usize {
        (self.middle - self.start) as usize
    }

    /// Most bases that a haplotype may lack: so many from beside the core may be needed.
    pub fn most_deleted(&self) -> i64 {
        self.window
    }

    /// The bases whose variants may matter: a window more on both sides.
    pub fn reach(&self) -> (i64, i64) {
        (self.start - self.window, self.end() + self.window)
    }

    /// First base and number of the bases that are read: no change of at most a window's length that touches
    /// the reach goes beyond.
    pub fn read(&self) -> (i64, usize) {
        let from = self.start - 2 * self.window;
        (from, (self.end() + 2 * self.window - from) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_the_region_and_its_middle_is_theirs() {
        let place = |from, to| Place::around(Interval::new(from, to).unwrap(), 145, 29);
        let short = place(1000, 1020);
        assert_eq!((short.start, short.length, short.middle), (937, 145, 1010));
        let same = place(1000, 1145);
        assert_eq!((same.start, same.length, same.middle), (1000, 145, 1072));
        // 151 more are six strides.
        let long = place(1000, 1296);
        assert_eq!((long.start, long.length), (1000 - 12, 145 + 6 * 29));
        for length in 1..600 {
            let found = place(500, 500 + length);
            let (left, right) = (500 - found.start, found.end() - 500 - i64::from(length));
            assert!((left - right).abs() <= 1, "{length}: {left} {right}");
            assert!(left >= 0 && right >= 0, "{length}");
            assert_eq!((found.length - 145) % 29, 0);
            assert!(found.length as i64 >= i64::from(length));
            assert!(found.length == 145 || found.length as i64 - i64::from(length) < 29);
        }
        assert_eq!(place(3, 10).start, 3 - 69);
    }
}
