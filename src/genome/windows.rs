use super::Interval;

/// The window starts `phase + k * stride` (any integer `k`) of windows of `window` bases.
///
/// With `--anchor genome` the phase is 0: starts are the multiples of the stride. With
/// `--anchor region` the starts are `region.start - (window - stride) + k * stride` below
/// `region.end`, which is the set of all starts of one lattice whose windows cover a base of the
/// region; [`Lattice::for_region`] gives its phase. So one rule serves both: the windows of a set
/// of bases are the lattice's windows that cover any of them.
///
/// Starts may be negative and windows may reach past a contig's end; bases there are unknown, and a window
/// is scored only where it holds no more unknown bases than [`Lattice::allowing`] says: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    window: u32,
    stride: u32,
    phase: u32,
    most_unknown: u32,
}

impl Lattice {
    /// `None` unless `1 <= stride <= window`: with a longer stride some bases would lie in no
    /// window.
    pub fn genome(window: u32, stride: u32) -> Option<Self> {
        (1..=window).contains(&stride).then_some(Self {
            window,
            stride,
            phase: 0,
            most_unknown: 0,
        })
    }

    /// The same windows, scored with up to so many unknown bases.
    pub fn allowing(self, most_unknown: u32) -> Self {
        Self {
            most_unknown,
            ..self
        }
    }

    /// Most unknown bases of a window that is scored.
    pub fn most_unknown(&self) -> u32 {
        self.most_unknown
    }

    /// The same window and stride, anchored at a region that starts at `start`.
    pub fn for_region(self, start: u32) -> Self {
        let first = i64::from(start) - i64::from(self.window) + i64::from(self.stride);
        Self {
            phase: first.rem_euclid(i64::from(self.stride)) as u32,
            ..self
        }
    }

    /// Bases in a window.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Bases from one window's start to the next's.
    pub fn stride(&self) -> u32 {
        self.stride
    }

    /// Start of the bases on which a window's activity is drawn, relative to the window's start:
    /// its central `stride` bases begin at `(window - stride) / 2`, rounded down.
    pub fn centre_offset(&self) -> u32 {
        (self.window - self.stride) / 2
    }

    /// The smallest window start that is at least `from`.
    pub fn first_at_or_after(&self, from: i64) -> i64 {
        let stride = i64::from(self.stride);
        from + (i64::from(self.phase) - from).rem_euclid(stride)
    }

    /// Starts of the windows that cover any base of `bases`, ascending.
    pub fn covering(&self, bases: Interval) -> impl Iterator<Item = i64> + use<> {
        let first = self.first_at_or_after(i64::from(bases.start()) - i64::from(self.window) + 1);
        self.steps(first, bases)
    }

    /// Starts of the windows whose central `stride` bases hold any base of `bases`, ascending.
    pub fn centred_on(&self, bases: Interval) -> impl Iterator<Item = i64> + use<> {
        let centre = i64::from(self.centre_offset());
        let first =
            self.first_at_or_after(i64::from(bases.start()) - centre - i64::from(self.stride) + 1);
        let end = i64::from(bases.end()) - centre;
        let empty = bases.is_empty();
        (0i64..)
            .map({
                let stride = i64::from(self.stride);
                move |k| first + k * stride
            })
            .take_while(move |&s| !empty && s < end)
    }

    fn steps(&self, first: i64, bases: Interval) -> impl Iterator<Item = i64> + use<> {
        let end = i64::from(bases.end());
        let empty = bases.is_empty();
        let stride = i64::from(self.stride);
        (0i64..)
            .map(move |k| first + k * stride)
            .take_while(move |&s| !empty && s < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_fifteen_windows() {
        // DESIGN: for a 295-bp region, window 145 and stride 29 the starts are -116 .. 290.
        let lattice = Lattice::genome(145, 29).unwrap().for_region(10_000);
        let region = Interval::new(10_000, 10_295).unwrap();
        let starts: Vec<i64> = lattice.covering(region).map(|s| s - 10_000).collect();
        let expected: Vec<i64> = (0..15).map(|k| -116 + 29 * k).collect();
        assert_eq!(starts, expected);
    }

    #[test]
    fn one_window_for_a_region_of_window_length() {
        let lattice = Lattice::genome(145, 145).unwrap().for_region(77);
        let region = Interval::new(77, 77 + 145).unwrap();
        assert_eq!(lattice.covering(region).collect::<Vec<_>>(), [77]);
        assert_eq!(lattice.centred_on(region).collect::<Vec<_>>(), [77]);
    }

    #[test]
    fn windows_equal_a_brute_force_search() {
        for (window, stride) in [(7u32, 1u32), (7, 2), (8, 3), (10, 10), (5, 4)] {
            for start in 0..25u32 {
                for len in [1u32, 2, 9] {
                    let bases = Interval::new(start, start + len).unwrap();
                    for lattice in [
                        Lattice::genome(window, stride).unwrap(),
                        Lattice::genome(window, stride).unwrap().for_region(start),
                    ] {
                        let all = (-40i64..80).filter(|s| {
                            (s - i64::from(lattice.phase)).rem_euclid(i64::from(stride)) == 0
                        });
                        let meets =
                            |a: i64, b: i64| a < i64::from(start + len) && b > i64::from(start);
                        let covering: Vec<i64> = all
                            .clone()
                            .filter(|&s| meets(s, s + i64::from(window)))
                            .collect();
                        assert_eq!(lattice.covering(bases).collect::<Vec<_>>(), covering);
                        let c = i64::from((window - stride) / 2);
                        let centred: Vec<i64> = all
                            .filter(|&s| meets(s + c, s + c + i64::from(stride)))
                            .collect();
                        assert_eq!(lattice.centred_on(bases).collect::<Vec<_>>(), centred);
                    }
                }
            }
        }
    }

    #[test]
    fn empty_intervals_have_no_windows() {
        let lattice = Lattice::genome(5, 2).unwrap();
        let empty = Interval::new(4, 4).unwrap();
        assert_eq!(
            lattice.covering(empty).count() + lattice.centred_on(empty).count(),
            0
        );
        assert!(Lattice::genome(5, 6).is_none() && Lattice::genome(5, 0).is_none());
    }
}
