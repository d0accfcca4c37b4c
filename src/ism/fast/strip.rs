//! The trunk over a stretch of codes: reference values, and values under every change of a base.

use super::extra::Extra;
use super::floats::{Floats, pass_over_nan};
use super::kernels;
use super::network::Elementwise;
use super::simd::{Level, prefetch};
use super::table::project;
use super::trunk::{Stage, Trunk};
use crate::encode::UNKNOWN;

/// Bases to run through: a piece of a contig, or one window in its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// Base codes. Values are named by the index of the leftmost base of their field.
    pub(super) codes: &'a [u8],
    /// For a frame: the index of the first column that any layer's field can hold (zero padding
    /// of all layers included). Values of a layer outside its bounds are zero padding. Without a
    /// frame there are no bounds.
    pub(super) frame: Option<usize>,
}

impl Context<'_> {
    /// Indices at which layer `l` (0: the input) has values.
    fn bounds(&self, trunk: &Trunk, l: usize) -> (usize, usize) {
        match self.frame {
            None => (0, usize::MAX),
            Some(margin) => {
                let from = margin + trunk.all_pads().0 - trunk.bounds[l].left;
                (from, from + trunk.bounds[l].length)
            }
        }
    }
}

/// Reference values over a range of positions, and what edits need to know of the layers between.
#[derive(Clone, Debug, Default)]
pub(super) struct Strip {
    /// The first position of all tables.
    pub(super) from: usize,
    /// Row ids of the words.
    ids: Vec<u32>,
    /// Projected rows, by stage; empty for the first where the table has them.
    rows: Vec<Floats>,
    /// `[positions, row]`; none where the table has them.
    pub(super) values: Floats,
    /// Whether the values are the table's rows of `ids`.
    in_table: bool,
}

impl Strip {
    /// Makes it one of no position.
    pub(super) fn clear(&mut self) {
        self.from = 0;
        self.ids.clear();
        self.values.clear();
        self.in_table = false;
    }
}

/// What a thread keeps between calls.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) level: Level,
    pub(super) extra: Extra,
    values: Floats,
    rows: Floats,
    edited: Vec<u32>,
    word: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(tabled: &Tabled) -> Self {
        Self {
            level: Level::best(),
            extra: Extra::new(&tabled.trunk, tabled.pools_maxima),
            values: Floats::new(),
            rows: Floats::new(),
            edited: Vec::new(),
            word: Vec::new(),
        }
    }
}

/// Rows of the table, and those that it does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    tabled: &'a Tabled,
    extra: &'a Extra,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(tabled: &'a Tabled, extra: &'a Extra) -> Self {
        Self { tabled, extra }
    }

    /// The table, if it has all these rows.
    #[inline(always)]
    pub(super) fn table_of(self, ids: &[u32]) -> Option<&'a [f32]> {
        let table = &*self.tabled.table;
        super::kernels::in_table(table, ids, self.tabled.row_len).then_some(table)
    }

    /// The row of an id. Ids end when the extra rows are pruned.
    #[inline(always)]
    pub(super) fn row(self, id: u32) -> &'a [f32] {
        self.tabled.row(self.extra, id)
    }

    /// The row of values of a strip's position, counted from its first, if it reaches so far.
    pub(super) fn value(self, strip: &'a Strip, at: usize) -> Option<&'a [f32]> {
        if strip.in_table {
            return strip.ids.get(at).map(|&id| self.row(id));
        }
        let row = self.tabled.trunk.value_row();
        strip.values.get(at * row..(at + 1) * row)
    }

    /// Asks for all rows of a strip that lie in the table: they will be read soon.
    pub(super) fn prefetch(self, strip: &Strip) {
        for &id in strip.ids.iter().filter(|_| strip.in_table) {
            prefetch(self.row(id));
        }
    }

    /// The ids of a strip's rows in the table, with those that the table does not hold put behind
    /// its own: an id from `known` on is an index into the rows that are returned.
    pub(super) fn ids(self, strip: &Strip, ids: &mut Vec<u32>) -> (u32, Vec<&'a [f32]>) {
        let known = self.tabled.zero();
        let mut others = Vec::new();
        ids.clear();
        ids.extend_from_slice(&strip.ids);
        for id in ids.iter_mut().filter(|id| **id >= known) {
            others.push(self.row(*id));
            *id = known + others.len() as u32 - 1;
        }
        (known, others)
    }

    /// The rows of values of positions `from..to`, all of which the strip has.
    pub(super) fn values(
        self,
        strip: &'a Strip,
        (from, to): (usize, usize),
        rows: &mut Vec<&'a [f32]>,
    ) {
        if strip.in_table {
            rows.extend(strip.ids[from..to].iter().map(|&id| self.row(id)));
        } else {
            let row = self.tabled.trunk.value_row();
            rows.extend(strip.values[from * row..to * row].chunks_exact(row));
        }
    }
}

/// The trunk with its table.
#[derive(Debug)]
pub(super) struct Tabled {
    pub(super) trunk: Trunk,
    pub(super) table: Floats,
    /// Floats of its rows.
    row_len: usize,
    /// Whether a max pool is what reads the values.
    pools_maxima: bool,
}

impl Tabled {
    pub(super) fn new(trunk: Trunk, pools_maxima: bool) -> Self {
        let mut table = super::table::build(&trunk);
        if pools_maxima && trunk.stages().is_empty() {
            pass_over_nan(&mut table);
        }
        Self {
            pools_maxima,
            row_len: trunk.table_row(),
            trunk,
            table,
        }
    }

    /// The id of the zero row.
    fn zero(&self) -> u32 {
        1 << (2 * self.trunk.k)
    }

    #[inline(always)]
    fn row<'a>(&'a self, extra: &'a Extra, id: u32) -> &'a [f32] {
        let row = self.row_len;
        let at = id as usize * row;
        match self.table.get(at..at + row) {
            Some(found) => found,
            None => extra.row(id as usize - self.zero() as usize),
        }
    }

    /// The id of the word at `at`, by its letters.
    fn id_of(&self, extra: &mut Extra, context: Context<'_>, word: &[u8], at: usize) -> u32 {
        let trunk = &self.trunk;
        let deep = trunk.deep_pads();
        let mut ends = deep;
        if trunk.depth > 0 {
            let (from, to) = context.bounds(trunk, trunk.depth);
            if at < from || at >= to {
                return self.zero();
            }
            // Without a frame there is no padding anywhere near.
            if context.frame.is_some() {
                ends = ((at - from).min(deep.0), (to - 1 - at).min(deep.1));
            }
        }
        let known = word.iter().all(|&c| c != UNKNOWN);
        if known && ends == deep {
            return word.iter().fold(0, |id, &c| id * 4 + u32::from(c));
        }
        if trunk.depth == 0 {
            return self.zero();
        }
        extra.id(trunk, word, ends)
    }

    /// Ids of the words at `from..to`.
    fn ids(
        &self,
        extra: &mut Extra,
        context: Context<'_>,
        (from, to): (usize, usize),
        ids: &mut Vec<u32>,
    ) {
        let k = self.trunk.k;
        let codes = context.codes;
        ids.clear();
        ids.reserve(to - from);
        // Away from a frame's ends only unknown bases need more than the rolling code.
        let mut plain = 0..usize::MAX;
        if context.frame.is_some() && self.trunk.depth > 0 {
            let (from, to) = context.bounds(&self.trunk, self.trunk.depth);
            let deep = self.trunk.deep_pads();
            plain = from + deep.0..to.saturating_sub(deep.1);
        }
        let mask = self.zero() - 1;
        let mut code = 0u32;
        let mut unknown = 0usize; // bases until the last unknown one has left
        for (i, &c) in codes[from..to + k - 1].iter().enumerate() {
            unknown = unknown.saturating_sub(1);
            if c == UNKNOWN {
                unknown = k;
            }
            code = (code << 2 | u32::from(c & 3)) & mask;
            if i + 1 >= k {
                let at = from + i + 1 - k;
                ids.push(if unknown == 0 && plain.contains(&at) {
                    code
                } else {
                    self.id_of(extra, context, &codes[at..at + k], at)
                });
            }
        }
    }

    /// Reference values at positions `from..to`.
    pub(super) fn reference(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        (from, to): (usize, usize),
        strip: &mut Strip,
    ) {
        let trunk = &self.trunk;
        let stages = trunk.stages();
        strip.from = from;
        strip.in_table = false;
        strip.rows.resize(stages.len(), Floats::new());
        let mut later: usize = stages.iter().map(Stage::reach).sum();
        self.ids(
            &mut scratch.extra,
            context,
            (from, to + later),
            &mut strip.ids,
        );
        if stages.is_empty() || !trunk.projected {
            strip.values.clear();
            // Rows lie all over the table: those to come are fetched while others are copied.
            const AHEAD: usize = 6;
            for (i, &id) in strip.ids.iter().enumerate() {
                if let Some(&next) = strip.ids.get(i + AHEAD) {
                    prefetch(self.row(&scratch.extra, next));
                }
                let row = self.row(&scratch.extra, id);
                strip.values.push_row(row);
            }
        }
        let mut row = trunk.table_row();
        for (s, stage) in stages.iter().enumerate() {
            let layer = trunk.depth + s;
            let inputs = to - from + later;
            let computed = s > 0 || !trunk.projected;
            if computed {
                let rows = &mut strip.rows[s];
                project(stage, inputs, (&strip.values, row), rows);
                let width = stage.projected();
                let bounds = context.bounds(trunk, layer);
                for i in outside(bounds, (from, from + inputs)) {
                    rows[i * width..(i + 1) * width].fill(0.0);
                }
            }
            later -= stage.reach();
            let outputs = to - from + later;
            let rows: Vec<&[f32]> = if computed {
                let rows = strip.rows[s].chunks_exact(stage.projected());
                rows.take(inputs).collect()
            } else {
                let row = |&id| self.row(&scratch.extra, id);
                strip.ids[..inputs].iter().map(row).collect()
            };
            strip.values.resize(outputs * stage.row);
            kernels::stage_values(scratch.level, stage, &rows, outputs, &mut strip.values);
            after(&stage.after, &mut strip.values, stage.row);
            row = stage.row;
        }
        if self.pools_maxima {
            pass_over_nan(&mut strip.values);
        }
    }

    /// Which rows of the table are the reference values at positions `from..to`, of a trunk that is
    /// all table.
    pub(super) fn known(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        (from, to): (usize, usize),
        strip: &mut Strip,
    ) {
        strip.from = from;
        strip.in_table = true;
        self.ids(&mut scratch.extra, context, (from, to), &mut strip.ids);
    }

    /// Values under the three changes of each base: `[bases, 3, span, row]`, the changes in the
    /// order A, C, G, T without the base itself, the positions `base - span + 1 ..= base`. The
    /// strip must reach over these; values outside the frame's bounds are of no meaning.
    pub(super) fn edits(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        strip: &Strip,
        bases: &[usize],
        out: &mut [f32],
    ) {
        let trunk = &self.trunk;
        let (k, stages) = (trunk.k, trunk.stages());
        self.edited_ids(scratch, context, strip, bases);
        let Some(last) = stages.len().checked_sub(1) else {
            for (out, &id) in out.chunks_exact_mut(trunk.table_row()).zip(&scratch.edited) {
                out.copy_from_slice(self.row(&scratch.extra, id));
            }
            return;
        };
        if !trunk.projected {
            scratch.values.clear();
            for &id in &scratch.edited {
                let row = self.row(&scratch.extra, id);
                scratch.values.push_row(row);
            }
        }
        let mut row = trunk.table_row();
        let mut reached = k;
        for (s, stage) in stages.iter().enumerate() {
            let layer = trunk.depth + s;
            let computed = s > 0 || !trunk.projected;
            let width = stage.projected();
            if computed {
                let rows = &mut scratch.rows;
                project(
                    stage,
                    bases.len() * 3 * reached,
                    (&scratch.values, row),
                    rows,
                );
                let bounds = context.bounds(trunk, layer);
                for (b, &base) in bases.iter().enumerate() {
                    let range = (base + 1 - reached, base + 1);
                    for i in outside(bounds, range) {
                        for e in 0..3 {
                            let at = (b * 3 + e) * reached + i;
                            rows[at * width..(at + 1) * width].fill(0.0);
                        }
                    }
                }
            }
            let reach = stage.reach();
            let outputs = reached + reach;
            let last = s == last;
            if !last {
                scratch.values.resize(bases.len() * 3 * outputs * stage.row);
            }
            let extra = &scratch.extra;
            let (mut reference, mut changed) = (Vec::new(), Vec::new());
            for (b, &base) in bases.iter().enumerate() {
                reference.clear();
                changed.clear();
                let first = base + 1 - reached - reach - strip.from;
                let inputs = first..first + reached + 2 * reach;
                let edited = b * 3 * reached..(b + 1) * 3 * reached;
                if computed {
                    let rows = &strip.rows[s][inputs.start * width..inputs.end * width];
                    reference.extend(rows.chunks_exact(width));
                    let rows = &scratch.rows[edited.start * width..edited.end * width];
                    changed.extend(rows.chunks_exact(width));
                } else {
                    // The next base's rows are fetched while this one's are summed.
                    let next = edited.end..scratch.edited.len().min(edited.end + 3 * reached);
                    for &id in &scratch.edited[next] {
                        prefetch(self.row(extra, id));
                    }
                    let row = |&id: &u32| self.row(extra, id);
                    reference.extend(strip.ids[inputs].iter().map(row));
                    changed.extend(scratch.edited[edited].iter().map(row));
                }
                let to = if last { &mut *out } else { &mut scratch.values };
                let to = &mut to[b * 3 * outputs * stage.row..][..3 * outputs * stage.row];
                kernels::stage_edits(scratch.level, stage, &reference, &changed, reached, to);
                after(&stage.after, to, stage.row);
            }
            reached = outputs;
            row = stage.row;
        }
        if self.pools_maxima {
            pass_over_nan(out);
        }
    }

    /// Which rows of the table are the values that [`Tabled::edits`] would copy, of a trunk that is
    /// all table: `[bases, 3, span]`.
    pub(super) fn edited_rows(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        strip: &Strip,
        bases: &[usize],
        ids: &mut [u32],
    ) {
        self.edited_ids(scratch, context, strip, bases);
        ids.copy_from_slice(&scratch.edited);
    }

    /// Ids of the changed words: `[bases, 3, k]`.
    fn edited_ids(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        strip: &Strip,
        bases: &[usize],
    ) {
        let k = self.trunk.k;
        let zero = self.zero();
        scratch.edited.clear();
        for &base in bases {
            let code = context.codes[base];
            for new in (0..4).filter(|&c| c != code) {
                for at in base + 1 - k..=base {
                    let old = strip.ids[at - strip.from];
                    let place = 2 * (k - 1 - (base - at)) as u32;
                    let id = if old < zero {
                        old - (u32::from(code) << place) + (u32::from(new) << place)
                    } else if old == zero {
                        zero
                    } else {
                        scratch.word.clear();
                        scratch.word.extend_from_slice(&context.codes[at..at + k]);
                        scratch.word[base - at] = new;
                        self.id_of(&mut scratch.extra, context, &scratch.word, at)
                    };
                    scratch.edited.push(id);
                }
            }
        }
    }
}

fn after(steps: &[Elementwise], rows: &mut [f32], row: usize) {
    for step in steps {
        step.apply(rows, row);
    }
}

/// Offsets into `range` that lie outside `bounds`.
fn outside(bounds: (usize, usize), range: (usize, usize)) -> impl Iterator<Item = usize> {
    let inside = bounds.0..bounds.1;
    (range.0..range.1)
        .enumerate()
        .filter(move |(_, p)| !inside.contains(p))
        .map(|(i, _)| i)
}
