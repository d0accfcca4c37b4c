/// A stretch of a contig: 0-based, half-open, never reversed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    start: u32,
    end: u32,
}

impl Interval {
    /// The interval `[start, end)`; `None` when `end < start`.
    pub fn new(start: u32, end: u32) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// First base, 0-based.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// One past the last base.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Number of bases.
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Whether it holds no base.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The bases in both, `None` when there are none.
    pub fn intersect(&self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// The interval as array indices relative to `origin`, which must not lie behind its start.
    pub fn indices_from(&self, origin: u32) -> std::ops::Range<usize> {
        debug_assert!(origin <= self.start);
        (self.start - origin) as usize..(self.end - origin) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersections() {
        let i = |a, b| Interval::new(a, b).unwrap();
        assert_eq!(i(0, 10).intersect(i(5, 20)), Some(i(5, 10)));
        assert_eq!(i(0, 10).intersect(i(10, 20)), None);
        assert_eq!(i(3, 3).intersect(i(0, 9)), None);
        assert_eq!(Interval::new(2, 1), None);
        assert_eq!(i(5, 8).indices_from(3), 2..5);
    }
}
