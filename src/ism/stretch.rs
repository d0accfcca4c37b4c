use ndarray::{Array, Array2, Array3, ArrayView, ArrayViewMut, Dimension, IntoDimension};

use crate::encode::UNKNOWN;
use crate::genome::{Interval, Lattice};

/// What to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Activities of the windows whose central bases meet the wanted bases.
    Activity,
    /// Activities of all windows that cover a wanted base, and the importance of these bases.
    Importance,
    /// As `Importance`, and the effects of all changes.
    Effects,
}

/// Which strands the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strand {
    /// The forward strand of the FASTA.
    Forward,
    /// The mean of forward and reverse complement.
    Both,
}

impl Strand {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Both => "both",
        }
    }
}

/// A stretch of a contig to be scored: its bases with enough flank, and which of them matter.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// Where the windows lie.
    pub lattice: Lattice,
    /// Base codes; must reach over every window that is needed ([`Stretch::needs`]).
    pub codes: &'a [u8],
    /// Contig coordinate of the first code; negative where windows begin before the contig.
    pub origin: i64,
    /// The bases that matter: disjoint, ascending, none empty.
    pub wanted: &'a [Interval],
}

impl<'a> Stretch<'a> {
    /// The positions `(origin, length)` whose codes are needed for these bases: all windows that
    /// cover any of them.
    pub fn needs(window: u32, wanted: &[Interval]) -> (i64, usize) {
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            return (0, 0);
        };
        let flank = i64::from(window) - 1;
        let origin = i64::from(first.start()) - flank;
        (origin, (i64::from(last.end()) + flank - origin) as usize)
    }

    /// From the first wanted base to the last: the extent of the tables in [`Scores`].
    pub fn span(&self) -> Interval {
        let start = self.wanted.first().map_or(0, Interval::start);
        let end = self.wanted.last().map_or(start, Interval::end);
        Interval::new(start, end).unwrap_or_default()
    }

    /// Codes of the window that starts at `start`.
    pub fn window(&self, start: i64) -> &'a [u8] {
        let from = (start - self.origin) as usize;
        &self.codes[from..from + self.lattice.window() as usize]
    }

    /// Codes of a wanted interval.
    pub fn bases(&self, interval: Interval) -> &'a [u8] {
        let from = (i64::from(interval.start()) - self.origin) as usize;
        &self.codes[from..from + interval.len() as usize]
    }

    /// Finds the windows to be scored, ascending: those that cover a wanted base (or, for activity
    /// alone, have one among their central bases) and hold few enough unknown ones.
    fn find_windows(&self, want: Want, found: &mut Scores) {
        let Scores {
            windows: starts,
            unknown: counts,
            left_out,
            ..
        } = found;
        starts.clear();
        counts.clear();
        left_out.clear();
        for &interval in self.wanted {
            let last = starts.last().copied().unwrap_or(i64::MIN);
            let known = |s: &i64| *s <= last;
            match want {
                Want::Activity => {
                    starts.extend(self.lattice.centred_on(interval).skip_while(known));
                }
                _ => starts.extend(self.lattice.covering(interval).skip_while(known)),
            }
        }
        if !self.codes.contains(&UNKNOWN) {
            counts.resize(starts.len(), 0);
            return;
        }
        let window = self.lattice.window() as usize;
        // Unknown bases of each window by a running count: one pass over the stretch.
        let mut counted = (0usize, 0usize, 0usize); // from, to, unknown
        starts.retain(|&start| {
            let from = (start - self.origin) as usize;
            let to = from + window;
            let unknown = |codes: &[u8]| codes.iter().filter(|&&c| c == UNKNOWN).count();
            counted = if from < counted.1 {
                let gone = unknown(&self.codes[counted.0..from]);
                let come = unknown(&self.codes[counted.1..to]);
                (from, to, counted.2 - gone + come)
            } else {
                (from, to, unknown(&self.codes[from..to]))
            };
            let scored = counted.2 <= self.lattice.most_unknown() as usize;
            match scored {
                true => counts.push(counted.2 as u32),
                false if counted.2 < window => left_out.push(start),
                false => {}
            }
            scored
        });
    }
}

/// The scores of a stretch, in tables of standard layout: the tasks of a row lie side by side.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Starts of the scored windows, ascending.
    pub windows: Vec<i64>,
    /// How many of their bases are unknown.
    pub unknown: Vec<u32>,
    /// Starts of windows with known bases that are not scored, for their unknown ones; ascending.
    pub left_out: Vec<i64>,
    /// Activities of the scored windows, `[window, task]`.
    pub activities: Array2<f32>,
    /// Importance, `[base of the span, task]`; NaN where a base has none (unknown, not wanted, or
    /// in no scored window). Without a base unless wanted.
    pub importance: Array2<f32>,
    /// Effects, `[base of the span, 4, task]`, mutant bases in the order A, C, G, T, the reference
    /// base's own 0; NaN where a base has none. Without a base unless wanted.
    pub effects: Array3<f32>,
    /// Forward passes spent: rows given to the model.
    pub rows: u64,
}

impl Scores {
    /// Finds the windows of a stretch and makes the tables for them, keeping their memory:
    /// activities of 0, nothing else known yet, no row spent.
    pub fn begin(&mut self, stretch: &Stretch<'_>, want: Want, tasks: usize) {
        stretch.find_windows(want, self);
        let bases = |wanted: bool| match wanted {
            true => stretch.span().len() as usize,
            false => 0,
        };
        let (changed, all) = (bases(want != Want::Activity), bases(want == Want::Effects));
        remake(&mut self.activities, [self.windows.len(), tasks], 0.0);
        remake(&mut self.importance, [changed, tasks], f32::NAN);
        remake(&mut self.effects, [all, 4, tasks], f32::NAN);
        self.rows = 0;
    }
}

/// Fills a table of this shape with `value`, in the memory it has.
pub(super) fn remake<T, D, const N: usize>(table: &mut Array<T, D>, shape: [usize; N], value: T)
where
    T: Clone + Default,
    D: Dimension,
    [usize; N]: IntoDimension<Dim = D>,
{
    let (mut values, _) = std::mem::take(table).into_raw_vec_and_offset();
    values.clear();
    values.resize(shape.iter().product(), value);
    // As many values as the shape has places: they always fit.
    *table = Array::from_shape_vec(shape.into_dimension(), values).unwrap_or_default();
}

/// Means of sums over so many windows, as track values: NaN without a window, and never a negative
/// zero.
pub(super) fn means<'s, D: Dimension>(
    sums: impl IntoIterator<Item = &'s f64>,
    windows: u32,
    values: ArrayViewMut<'_, f32, D>,
) {
    for (value, sum) in values.into_iter().zip(sums) {
        *value = match windows {
            0 => f32::NAN,
            n => (sum / f64::from(n)) as f32 + 0.0,
        };
    }
}

/// Copies the columns of these tasks, in this order, from the rows of one table (tasks last) to
/// those of another.
pub fn pick_tasks<D: Dimension>(
    from: ArrayView<'_, f32, D>,
    columns: &[usize],
    mut to: ArrayViewMut<'_, f32, D>,
) {
    for (from, to) in from.rows().into_iter().zip(to.rows_mut()) {
        for (value, &column) in to.into_iter().zip(columns) {
            *value = from[column];
        }
    }
}
