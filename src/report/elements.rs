//! Elements: stretches of importance that stand out.
//!
//! A base stands out where the mean |importance| of the five bases around it is at least as large as that of one base in a
//! hundred; such bases, with gaps of up to three between them, are an element when they are four or more. Its score is
//! the sum of |importance| over it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::page;
use super::table::Column;

/// Bases over which |importance| is averaged, to either side.
const SIDE: usize = 2;
/// Largest gap within an element, and the least that it has of bases.
const GAP: usize = 3;
const LEAST: usize = 4;
/// The share of bases that does not stand out.
const SHARE: f64 = 0.99;
/// Elements that are kept.
pub(super) const MOST: usize = 1_000;

/// A stretch of one task's importance.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub contig: String,
    /// 0-based, half-open.
    pub start: u32,
    pub end: u32,
    /// The task in which it is strongest, and all in which it is one.
    pub task: String,
    pub tasks: Vec<String>,
    /// Sum of |importance|.
    pub score: f64,
    /// Mean importance, with its sign.
    pub mean: f64,
    /// Bases of it, where the genome is at hand.
    pub sequence: String,
    /// The strongest changes: `123A>C -0.5`, positions from 1.
    pub changes: String,
    /// The known motif in it, where motifs are given and one fits.
    pub motif: Option<String>,
    /// Row of its region, and the region's name.
    pub row: u32,
    pub region: String,
}

/// How often |importance| is how large: a histogram on a logarithmic scale, which needs no memory for the
/// values.
pub(super) struct Sizes {
    counts: Vec<u64>,
    total: u64,
}

const PER_OCTAVE: f64 = 64.0;
const LOWEST: f64 = -40.0;

impl Sizes {
    pub fn new() -> Self {
        Self {
            counts: vec![0; (80.0 * PER_OCTAVE) as usize],
            total: 0,
        }
    }

    fn bin(&self, value: f32) -> usize {
        let octave = f64::from(value.abs()).log2().max(LOWEST);
        (((octave - LOWEST) * PER_OCTAVE) as usize).min(self.counts.len() - 1)
    }

    /// Counts the averaged values of a stretch.
    pub fn add(&mut self, importance: &[f32]) {
        for value in averaged(importance) {
            if !value.is_nan() {
                let bin = self.bin(value);
                self.counts[bin] += 1;
                self.total += 1;
            }
        }
    }

    /// The size that [`SHARE`] of the values lie below.
    pub fn threshold(&self) -> f32 {
        let wanted = (self.total as f64 * SHARE) as u64;
        let mut seen = 0;
        for (bin, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > wanted {
                return 2f64.powf(bin as f64 / PER_OCTAVE + LOWEST) as f32;
            }
        }
        f32::INFINITY
    }
}

/// Mean |importance| around each base; NaN where the base has none.
fn averaged(importance: &[f32]) -> impl Iterator<Item = f32> {
    (0..importance.len()).map(|i| {
        if importance[i].is_nan() {
            return f32::NAN;
        }
        let around = &importance[i.saturating_sub(SIDE)..importance.len().min(i + SIDE + 1)];
        let known = around.iter().filter(|v| !v.is_nan());
        let (sum, n) = known.fold((0.0, 0), |(s, n), v| (s + v.abs(), n + 1));
        sum / n.max(1) as f32
    })
}

/// Elements of a stretch, as ranges of it.
pub(super) fn find(importance: &[f32], threshold: f32) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    if threshold <= 0.0 {
        return found;
    }
    for (i, value) in averaged(importance).enumerate() {
        if value.is_nan() || value < threshold {
            continue;
        }
        match found.last_mut() {
            Some((_, end)) if i - *end <= GAP => *end = i + 1,
            _ => found.push((i, i + 1)),
        }
    }
    found.retain(|(from, to)| to - from >= LEAST);
    found
}

/// Makes one of elements that overlap, of whichever tasks: the strongest stays. `list`: the strongest first.
pub(super) fn joined(list: Vec<Element>) -> Vec<Element> {
    let mut kept: Vec<Element> = Vec::new();
    let mut places: BTreeMap<String, BTreeMap<u32, usize>> = BTreeMap::new();
    for element in list {
        let here = places.entry(element.contig.clone()).or_default();
        // Those that are kept do not overlap, so only neighbours can hold a base of it.
        let before = here.range(..element.end).next_back();
        let over = before
            .map(|(_, at)| *at)
            .filter(|at| kept[*at].end > element.start);
        match over {
            Some(at) => {
                if !kept[at].tasks.contains(&element.task) {
                    kept[at].tasks.push(element.task);
                }
            }
            None => {
                here.insert(element.start, kept.len());
                kept.push(element);
            }
        }
    }
    kept
}

/// The elements as BED: contig, start, end, name (task and region), score of 0 to 1000, strand (`+` drives, `-`
/// represses: an element has no strand of its own, so `.`), then sum, mean, task, row of the region from 1.
pub(super) fn bed(elements: &[Element]) -> String {
    let most = elements
        .iter()
        .map(|e| e.score)
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut order: Vec<&Element> = elements.iter().collect();
    order.sort_by(|a, b| {
        (&a.contig, a.start, a.end, &a.task).cmp(&(&b.contig, b.start, b.end, &b.task))
    });
    let mut text = String::new();
    for e in order {
        let name = word(&format!("{}|{}", e.task, e.region));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{name}\t{}\t.\t{:.6}\t{:.6}\t{}\t{}",
            word(&e.contig),
            e.start,
            e.end,
            (1000.0 * e.score / most).round(),
            e.score,
            e.mean,
            word(&e.task),
            e.row + 1,
        );
    }
    text
}

/// A name that stays in its column, and that no spreadsheet takes for a formula.
fn word(text: &str) -> String {
    let sound = |c: char| {
        if c.is_whitespace() || c.is_control() {
            '_'
        } else {
            c
        }
    };
    let text: String = text.chars().take(255).map(sound).collect();
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("_{text}"),
        false => text,
    }
}

/// The table of the page.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    title: String,
    note: String,
    rows: usize,
    left_out: u64,
    elsewhere: &'static str,
    columns: Vec<Column>,
    /// Row of each element's region.
    region: Vec<u32>,
    browser: String,
}

impl Table {
    /// The table of elements, the strongest first; `browser` is the address that places are looked up under.
    pub fn new(elements: &[Element], found: u64, browser: String) -> Self {
        let text = |name: &str, of: &dyn Fn(&Element) -> String| Column {
            name: name.to_owned(),
            texts: elements.iter().map(of).collect(),
            ..Column::default()
        };
        let number = |name: &str, of: &dyn Fn(&Element) -> f64| {
            Column::numbers(name, elements.iter().map(of).collect())
        };
        let rank = (1..=elements.len()).map(|r| r as f64).collect();
        let mut place = text("place (from 1)", &|e| {
            format!("{}:{}-{}", e.contig, e.start + 1, e.end)
        });
        place.link = (!browser.is_empty()).then_some("place");
        Self {
            title: "elements".into(),
            note: "Stretches where the mean |importance| of five bases is that of the strongest hundredth of all scored bases of the task. Click a row for its picture; elements.bed has them for a genome browser. Sum: of |importance|; mean: negative where the element represses.".into(),
            rows: elements.len(),
            left_out: found.saturating_sub(elements.len() as u64),
            elsewhere: "are weaker",
            region: elements.iter().map(|e| e.row).collect(),
            columns: vec![
                Column::numbers("rank", rank),
                place,
                number("bases", &|e| f64::from(e.end - e.start)),
                text("strongest in", &|e| e.task.clone()),
                text("found in", &|e| e.tasks.join(", ")),
                number("sum", &|e| e.score),
                number("mean", &|e| e.mean),
                text("sequence", &|e| e.sequence.clone()),
                text("strongest changes", &|e| e.changes.clone()),
                text("known motif", &|e| {
                    e.motif.clone().unwrap_or_else(|| ".".to_owned())
                }),
                text("region", &|e| e.region.clone()),
            ],
            browser,
        }
    }
}

/// Floats for the page.
pub(super) fn packed(values: &[f32]) -> String {
    page::floats(values.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_out() {
        let mut importance = vec![0.01f32; 400];
        importance[100..106].fill(-1.0);
        importance[109..112].fill(1.0);
        importance[200] = 0.5;
        importance[300] = f32::NAN;
        let mut sizes = Sizes::new();
        sizes.add(&importance);
        let threshold = sizes.threshold();
        assert!(threshold > 0.1 && threshold < 1.0, "{threshold}");
        let found = find(&importance, 0.5);
        assert_eq!(found.len(), 1);
        let (from, to) = found[0];
        assert!(
            (99..=101).contains(&from) && (110..=113).contains(&to),
            "{found:?}"
        );
        assert!(find(&importance, f32::INFINITY).is_empty());
        // Nothing stands out where all is equal and nothing.
        let mut none = Sizes::new();
        none.add(&[f32::NAN; 9]);
        assert!(none.threshold().is_infinite());
    }

    #[test]
    fn overlapping_elements_are_one() {
        let of = |start, end, task: &str, score| Element {
            contig: "chr1".into(),
            start,
            end,
            task: task.into(),
            tasks: vec![task.into()],
            score,
            mean: score,
            sequence: String::new(),
            changes: String::new(),
            motif: None,
            row: 0,
            region: String::new(),
        };
        let all = joined(vec![
            of(10, 20, "A", 5.0),
            of(30, 40, "A", 4.0),
            of(15, 35, "B", 3.0),
            of(50, 60, "B", 2.0),
            of(52, 54, "A", 1.0),
        ]);
        let told: Vec<(u32, String)> = all.iter().map(|e| (e.start, e.tasks.join(","))).collect();
        let expected = [(10, "A"), (30, "A,B"), (50, "B,A")];
        assert_eq!(told, expected.map(|(at, tasks)| (at, tasks.to_owned())));
    }

    #[test]
    fn names_stay_in_their_columns() {
        let element = Element {
            contig: "chr1".into(),
            start: 9,
            end: 19,
            task: "A".into(),
            tasks: vec!["A".into()],
            score: 2.0,
            mean: -0.2,
            sequence: String::new(),
            changes: String::new(),
            motif: None,
            row: 0,
            region: "=cmd\t<b>\n".into(),
        };
        assert_eq!(
            bed(&[element]),
            "chr1\t9\t19\tA|=cmd_<b>_\t1000\t.\t2.000000\t-0.200000\tA\t1\n"
        );
    }
}
