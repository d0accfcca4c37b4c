//! Exact counts of `f32` values in bounded memory, filled from several threads.
//!
//! A value is its 32 bits: the upper 16 (sign, exponent, 7 bits of the mantissa) name a page, the
//! lower 16 a place in it. A page starts as a list of places and becomes an array of 8-bit counters
//! when that is smaller, then of 16, 32 and 64 bits where a counter would overflow. So memory is at
//! most two bytes a value, and at most the number of distinct patterns that occur: measured scores
//! use some 10^8 of the 2^32, however long the genome.
//!
//! Should the pages outgrow their budget all the same, those of the smallest |value| are dropped
//! and counted by a further pass ([`Counters::passes_on`]).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const PLACES: usize = 1 << 16;
/// Places listed until an array of bytes is no larger.
const MOST_LISTED: usize = PLACES / 2;

#[derive(Debug)]
enum Page {
    Listed(Vec<u16>),
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Words(Box<[u32]>),
    Longs(Box<[u64]>),
}

impl Page {
    const EMPTY: Self = Self::Listed(Vec::new());

    fn bytes(&self) -> usize {
        match self {
            Self::Listed(list) => 2 * list.capacity(),
            Self::Bytes(_) => PLACES,
            Self::Shorts(_) => 2 * PLACES,
            Self::Words(_) => 4 * PLACES,
            Self::Longs(_) => 8 * PLACES,
        }
    }

    /// Counts places; each call may add up to `places.len()` to one counter.
    fn add(&mut self, mut places: &[u16]) {
        if let Self::Listed(list) = self {
            if list.len() + places.len() <= MOST_LISTED {
                list.extend_from_slice(places);
                return;
            }
            let listed = std::mem::take(list);
            *self = Self::Bytes(vec![0; PLACES].into());
            self.add(&listed);
        }
        while !places.is_empty() {
            // Index of the first place that did not fit.
            let done = match self {
                Self::Listed(_) => return,
                Self::Bytes(c) => fill(c, places),
                Self::Shorts(c) => fill(c, places),
                Self::Words(c) => fill(c, places),
                Self::Longs(c) => {
                    for &place in places {
                        c[place as usize] += 1;
                    }
                    places.len()
                }
            };
            places = &places[done..];
            if !places.is_empty() {
                *self = match self {
                    Self::Bytes(c) => Self::Shorts(c.iter().map(|&n| n.into()).collect()),
                    Self::Shorts(c) => Self::Words(c.iter().map(|&n| n.into()).collect()),
                    Self::Words(c) => Self::Longs(c.iter().map(|&n| n.into()).collect()),
                    Self::Listed(_) | Self::Longs(_) => return,
                };
            }
        }
    }

    /// Places and their counts, ascending.
    fn decode(&self, out: &mut Vec<(u16, u64)>) {
        out.clear();
        fn dense<T: Copy + Into<u64>>(counters: &[T], out: &mut Vec<(u16, u64)>) {
            for (place, &n) in counters.iter().enumerate() {
                let n: u64 = n.into();
                if n > 0 {
                    out.push((place as u16, n));
                }
            }
        }
        match self {
            Self::Listed(list) => {
                let mut list = list.clone();
                list.sort_unstable();
                for place in list {
                    match out.last_mut() {
                        Some((last, n)) if *last == place => *n += 1,
                        _ => out.push((place, 1)),
                    }
                }
            }
            Self::Bytes(c) => dense(c, out),
            Self::Shorts(c) => dense(c, out),
            Self::Words(c) => dense(c, out),
            Self::Longs(c) => dense(c, out),
        }
    }
}

trait Small: Copy {
    fn one_more(self) -> Option<Self>;
}
macro_rules! small {
    ($($t:ty)*) => {$(impl Small for $t {
        fn one_more(self) -> Option<Self> { self.checked_add(1) }
    })*};
}
small!(u8 u16 u32);

fn fill<T: Small>(counters: &mut [T], places: &[u16]) -> usize {
    for (i, &place) in places.iter().enumerate() {
        match counters[place as usize].one_more() {
            Some(n) => counters[place as usize] = n,
            None => return i,
        }
    }
    places.len()
}

/// Values of one pass, grouped by page: the form in which threads hand them over.
#[derive(Debug)]
pub struct Grouped {
    starts: Vec<u32>,
    places: Vec<u16>,
}

impl Default for Grouped {
    fn default() -> Self {
        Self {
            starts: vec![0; PLACES + 1],
            places: Vec::new(),
        }
    }
}

/// The bits of a finite value; both zeros are one.
pub fn pattern(value: f32) -> u32 {
    (value + 0.0).to_bits()
}

impl Grouped {
    /// Groups values (those that are not NaN) by page.
    pub fn set(&mut self, values: impl Iterator<Item = f32> + Clone) {
        self.starts.fill(0);
        let bits = values.filter(|v| !v.is_nan()).map(pattern);
        for b in bits.clone() {
            self.starts[(b >> 16) as usize + 1] += 1;
        }
        for page in 0..PLACES {
            self.starts[page + 1] += self.starts[page];
        }
        self.places.clear();
        self.places.resize(self.starts[PLACES] as usize, 0);
        // Each start moves to its page's end, which is the next page's start.
        for b in bits {
            let at = &mut self.starts[(b >> 16) as usize];
            self.places[*at as usize] = b as u16;
            *at += 1;
        }
        self.starts.rotate_right(1);
        self.starts[0] = 0;
    }

    /// How many values.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    fn pages(&self) -> impl Iterator<Item = (usize, &[u16])> {
        (0..PLACES).filter_map(|page| {
            let range = self.starts[page] as usize..self.starts[page + 1] as usize;
            (!range.is_empty()).then(|| (page, &self.places[range]))
        })
    }
}

/// Counters of the same values: of all of them, and of those in each of several sets.
#[derive(Debug)]
pub struct Counters {
    sets: Vec<Vec<Mutex<Page>>>,
    bytes: AtomicUsize,
    budget: usize,
    /// |value| >> 16 counted by this pass: from `floor` to below `ceiling`.
    floor: AtomicU32,
    ceiling: u32,
}

/// One distinct value: how often it occurs, in all and in each set.
#[derive(Debug)]
pub struct Distinct<'a> {
    /// The value.
    pub value: f32,
    /// Occurrences.
    pub n: u64,
    /// Occurrences in each set.
    pub hits: &'a [u64],
}

impl Counters {
    /// Counters for all values and `sets` sets, with pages of at most `budget` bytes.
    pub fn new(sets: usize, budget: usize) -> Self {
        let pages = || (0..PLACES).map(|_| Mutex::new(Page::EMPTY)).collect();
        Self {
            sets: (0..=sets).map(|_| pages()).collect(),
            bytes: AtomicUsize::new(0),
            budget,
            floor: AtomicU32::new(0),
            ceiling: 1 << 15,
        }
    }

    /// Counts values into set 0 (all) or set `1 + i`.
    pub fn add(&self, set: usize, values: &Grouped) {
        for (page, places) in values.pages() {
            let size = page as u32 & 0x7fff;
            if size >= self.ceiling || size < self.floor.load(Ordering::Relaxed) {
                continue;
            }
            let grown = {
                let mut page = lock(&self.sets[set][page]);
                let before = page.bytes();
                page.add(places);
                page.bytes() - before.min(page.bytes())
            };
            let bytes = self.bytes.fetch_add(grown, Ordering::Relaxed) + grown;
            if bytes > self.budget {
                self.shrink();
            }
        }
    }

    /// Drops the pages of the smallest values until a tenth of the budget is free.
    fn shrink(&self) {
        while self.bytes.load(Ordering::Relaxed) > self.budget / 10 * 9 {
            let size = self.floor.fetch_add(1, Ordering::Relaxed);
            if size + 1 >= self.ceiling {
                // At least one page a pass, so that passes come to an end.
                self.floor.store(self.ceiling - 1, Ordering::Relaxed);
                return;
            }
            self.drop_size(size);
        }
    }

    fn drop_size(&self, size: u32) {
        for set in &self.sets {
            for page in [size, size | 0x8000] {
                let page = std::mem::replace(&mut *lock(&set[page as usize]), Page::EMPTY);
                self.bytes.fetch_sub(
                    page.bytes().min(self.bytes.load(Ordering::Relaxed)),
                    Ordering::Relaxed,
                );
            }
        }
    }

    /// Ends a pass: pages below the floor that a thread filled while they were being dropped go too.
    pub fn settle(&self) {
        for size in 0..self.floor.load(Ordering::Relaxed).min(self.ceiling) {
            self.drop_size(size);
        }
    }

    /// Prepares the next pass, for what this one dropped; false when nothing was.
    pub fn passes_on(&mut self) -> bool {
        let floor = self.floor.load(Ordering::Relaxed);
        for size in floor..self.ceiling {
            self.drop_size(size);
        }
        self.bytes.store(0, Ordering::Relaxed);
        self.ceiling = floor;
        self.floor.store(0, Ordering::Relaxed);
        floor > 0
    }

    /// The distinct values of this pass: positive ones (zero too), descending.
    pub fn positive(&self, mut each: impl FnMut(&Distinct)) {
        let mut scratch = Scratch::new(self.sets.len());
        for size in (self.floor.load(Ordering::Relaxed)..self.ceiling).rev() {
            scratch.load(&self.sets, size);
            scratch.each(true, &mut each);
        }
    }

    /// The distinct values of this pass: negative ones, descending (smallest |value| first).
    pub fn negative(&self, mut each: impl FnMut(&Distinct)) {
        let mut scratch = Scratch::new(self.sets.len());
        for size in self.floor.load(Ordering::Relaxed)..self.ceiling {
            scratch.load(&self.sets, size | 0x8000);
            scratch.each(false, &mut each);
        }
    }

    /// The distinct |values| of this pass, descending, both signs taken together.
    pub fn absolute(&self, mut each: impl FnMut(&Distinct)) {
        let mut plus = Scratch::new(self.sets.len());
        let mut minus = Scratch::new(self.sets.len());
        for size in (self.floor.load(Ordering::Relaxed)..self.ceiling).rev() {
            plus.load(&self.sets, size);
            minus.load(&self.sets, size | 0x8000);
            for (into, from) in plus.pairs.iter_mut().zip(&minus.pairs) {
                if !from.is_empty() {
                    into.extend_from_slice(from);
                    into.sort_unstable_by_key(|p| p.0);
                    into.dedup_by(|b, a| {
                        let same = a.0 == b.0;
                        if same {
                            a.1 += b.1;
                        }
                        same
                    });
                }
            }
            plus.each(true, &mut each);
        }
    }
}

/// One page of every set, decoded.
struct Scratch {
    page: u32,
    pairs: Vec<Vec<(u16, u64)>>,
    hits: Vec<u64>,
    at: Vec<usize>,
}

impl Scratch {
    fn new(sets: usize) -> Self {
        Self {
            page: 0,
            pairs: vec![Vec::new(); sets],
            hits: vec![0; sets - 1],
            at: vec![0; sets - 1],
        }
    }

    fn load(&mut self, sets: &[Vec<Mutex<Page>>], page: u32) {
        self.page = page;
        for (pairs, set) in self.pairs.iter_mut().zip(sets) {
            lock(&set[page as usize]).decode(pairs);
        }
    }

    fn each(&mut self, descending: bool, each: &mut impl FnMut(&Distinct)) {
        let all = self.pairs[0].len();
        for (at, pairs) in self.at.iter_mut().zip(&self.pairs[1..]) {
            *at = if descending { pairs.len() } else { 0 };
        }
        for i in 0..all {
            let (place, n) = self.pairs[0][if descending { all - 1 - i } else { i }];
            for ((hits, at), pairs) in self.hits.iter_mut().zip(&mut self.at).zip(&self.pairs[1..])
            {
                let next = match descending {
                    true => at.checked_sub(1),
                    false => Some(*at),
                };
                *hits = 0;
                if let Some(&(p, count)) = next.and_then(|i| pairs.get(i))
                    && p == place
                {
                    *hits = count;
                    *at = if descending { *at - 1 } else { *at + 1 };
                }
            }
            each(&Distinct {
                value: f32::from_bits(self.page << 16 | u32::from(place)),
                n,
                hits: &self.hits,
            });
        }
    }
}

/// A panic of another thread leaves counters that no one will read.
fn lock(page: &Mutex<Page>) -> std::sync::MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Seen = Vec<(u32, u64, Vec<u64>)>;

    fn seen(run: impl FnOnce(&mut dyn FnMut(&Distinct))) -> Seen {
        let mut out = Seen::new();
        run(&mut |d| out.push((d.value.to_bits(), d.n, d.hits.to_vec())));
        out
    }

    /// Twin: sort everything.
    fn check(values: &[f32], set: &[f32], budget: usize) -> usize {
        let mut counters = Counters::new(1, budget);
        let (mut positive, mut negative, mut absolute) = (Seen::new(), Seen::new(), Seen::new());
        let mut passes = 0;
        loop {
            passes += 1;
            let mut grouped = Grouped::default();
            for (i, part) in [values, set].iter().enumerate() {
                for chunk in part.chunks(1000) {
                    grouped.set(chunk.iter().copied());
                    counters.add(i, &grouped);
                }
            }
            counters.settle();
            positive.extend(seen(|f| counters.positive(f)));
            negative.splice(0..0, seen(|f| counters.negative(f)));
            absolute.extend(seen(|f| counters.absolute(f)));
            if !counters.passes_on() {
                break;
            }
        }
        let count = |of: &dyn Fn(f32) -> Option<f32>| {
            let mut map: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
            for v in values.iter().filter_map(|&v| of(v)) {
                map.entry((v + 0.0).to_bits()).or_default().0 += 1;
            }
            for v in set.iter().filter_map(|&v| of(v)) {
                map.entry((v + 0.0).to_bits()).or_default().1 += 1;
            }
            let list: Seen = map.into_iter().map(|(b, (n, h))| (b, n, vec![h])).collect();
            list
        };
        let descending = |mut list: Seen| {
            list.reverse();
            list
        };
        assert_eq!(positive, descending(count(&|v| (v >= 0.0).then_some(v))));
        // Bits of negative values ascend with |value|: descending by value.
        assert_eq!(negative, count(&|v| (v < 0.0).then_some(v)));
        assert_eq!(absolute, descending(count(&|v| Some(v.abs()))));
        passes
    }

    proptest! {
        #[test]
        fn equal_to_sorting(values in prop::collection::vec(-3i32..3, 0..400), scale in -2i32..2) {
            let values: Vec<f32> = values.iter().map(|&v| v as f32 * 10f32.powi(scale)).collect();
            let set: Vec<f32> = values.iter().copied().step_by(3).collect();
            check(&values, &set, 1 << 20);
        }
    }

    #[test]
    fn any_pattern_any_count_and_too_small_a_budget() {
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 32) as u32
        };
        let mut values: Vec<f32> = (0..60_000)
            .map(|_| f32::from_bits(next()))
            .filter(|v| v.is_finite())
            .collect();
        assert_eq!(check(&values, &values[..9000], 1 << 30), 1);
        assert!(check(&values, &values[..9000], 50_000) > 1);
        // Counters of 8 and of 16 bits overflow.
        values.extend(std::iter::repeat_n(0.5, 70_000));
        values.extend((0..40_000).map(|i| 1.0 + i as f32 * f32::EPSILON));
        values.extend([0.0, -0.0, f32::MIN_POSITIVE / 2.0]);
        check(&values, &values[50_000..], 1 << 30);
    }
}
