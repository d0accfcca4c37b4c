//! Patterns: seqlets laid upon each other.

use rayon::prelude::*;

use super::matrix::{Fit, Matrix};
use crate::motifs::ScoredRows;

/// Columns of a pattern before it is trimmed.
pub(super) const FRAME: usize = 40;
/// Bases of a seqlet around its middle that are compared.
pub(super) const WIDE: usize = 22;
/// The farthest that middles are moved apart.
pub(super) const SHIFT: i32 = 9;
/// Columns that are worth less than this share of the best are trimmed away from the ends.
const WORTHLESS: f64 = 0.25;

/// Where a pattern lies in a row: the base under its frame's middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Index of the row among those with values.
    pub row: usize,
    /// Base of the row under the frame's middle; of a reversed site the one before which the middle lies.
    pub middle: i32,
    /// Whether the pattern lies there reversed.
    pub reverse: bool,
}

/// The bases of rows, what they are worth to a task, positive for what is looked for.
pub(super) struct Worths<'a> {
    pub(super) data: &'a ScoredRows,
    /// -1 where what represses is looked for.
    pub(super) sign: f32,
}

impl Worths<'_> {
    /// Contributions of the four bases at a base of a site's frame of so many columns, and its code; `None` outside the row.
    fn column(&self, site: Site, width: usize, column: usize) -> Option<([f32; 4], u8)> {
        let along = match site.reverse {
            false => column as i32,
            true => width as i32 - 1 - column as i32,
        };
        let base = usize::try_from(site.middle - width as i32 / 2 + along).ok()?;
        let row = &self.data.rows[site.row];
        let code = *row.codes.get(base)?;
        let [a, c, g, t] = row.hypothetical[base].map(|v| v * self.sign);
        Some(match site.reverse {
            false => ([a, c, g, t], code),
            true => ([t, g, c, a], if code < 4 { 3 - code } else { code }),
        })
    }

    /// What each base is worth, and its code, of a frame.
    pub(super) fn own(&self, site: Site, width: usize) -> (Vec<u8>, Vec<f32>) {
        (0..width)
            .map(|column| match self.column(site, width, column) {
                Some((all, code)) if code < 4 => (code, all[usize::from(code)]),
                _ => (4, 0.0),
            })
            .unzip()
    }

    /// The matrix of a site. Bases that work against what is looked for are left out: a neighbour of the other sign would else
    /// make the pattern.
    pub(super) fn matrix(&self, site: Site, width: usize) -> Matrix {
        Matrix::new((0..width).map(|column| {
            let (all, code) = self.column(site, width, column).unwrap_or(([0.0; 4], 4));
            let mut own = [0.0; 4];
            if code < 4 {
                own[usize::from(code)] = all[usize::from(code)];
            }
            match own.iter().sum::<f32>() > 0.0 {
                true => (all, own),
                false => ([0.0; 4], [0.0; 4]),
            }
        }))
    }
}

/// A seqlet with its matrix and the same turned over.
#[derive(Clone, Copy)]
pub(super) struct Laying<'a> {
    pub(super) site: Site,
    pub(super) matrices: &'a (Matrix, Matrix),
}

/// Seqlets laid upon each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pattern {
    /// Where it lies; each place once.
    pub sites: Vec<Site>,
    /// How often each base stands in each column of the frame.
    pub counts: Vec<[u64; 4]>,
    /// Mean over the sites of the contribution of the base that is there, `[column][base]`; positive for what is looked for.
    pub own: Vec<[f64; 4]>,
    /// Mean contribution of each base, were it there.
    pub all: Vec<[f64; 4]>,
}

impl Pattern {
    /// From sites, of which those that lie at one place (on either strand) count once.
    pub(super) fn new(worths: &Worths<'_>, mut sites: Vec<Site>) -> Self {
        sites.sort_unstable();
        sites.dedup_by_key(|s| (s.row, s.middle));
        let mut pattern = Self {
            counts: vec![[0; 4]; FRAME],
            own: vec![[0.0; 4]; FRAME],
            all: vec![[0.0; 4]; FRAME],
            sites,
        };
        for &site in &pattern.sites {
            for column in 0..FRAME {
                let Some((all, code)) = worths.column(site, FRAME, column) else {
                    continue;
                };
                for (sum, value) in pattern.all[column].iter_mut().zip(all) {
                    *sum += f64::from(value);
                }
                if code < 4 {
                    pattern.counts[column][usize::from(code)] += 1;
                    pattern.own[column][usize::from(code)] += f64::from(all[usize::from(code)]);
                }
            }
        }
        let n = pattern.sites.len().max(1) as f64;
        for column in pattern.own.iter_mut().chain(&mut pattern.all) {
            column.iter_mut().for_each(|v| *v /= n);
        }
        pattern
    }

    /// The columns between the first and the last that are worth much.
    pub fn core(&self) -> std::ops::Range<usize> {
        let worth: Vec<f64> = self.own.iter().map(|c| c.iter().sum()).collect();
        let most = worth.iter().copied().fold(0.0, f64::max);
        let much = |w: &f64| *w > 0.0 && *w >= WORTHLESS * most;
        match (worth.iter().position(much), worth.iter().rposition(much)) {
            (Some(from), Some(to)) => from..to + 1,
            _ => 0..0,
        }
    }

    /// Shares of the bases in the core's columns.
    pub fn frequencies(&self) -> Vec<[f64; 4]> {
        (self.counts[self.core()].iter())
            .map(|column| {
                let total = column.iter().sum::<u64>();
                match total {
                    0 => [0.25; 4],
                    _ => column.map(|n| n as f64 / total as f64),
                }
            })
            .collect()
    }

    /// Mean over the sites of what the core's bases are worth together.
    pub fn contribution(&self) -> f64 {
        self.own[self.core()].iter().flatten().sum()
    }

    /// The core alone, as a matrix, and the same turned over.
    fn matrices(&self) -> (Matrix, Matrix) {
        let core = self.core();
        let single = |column: &[f64; 4]| column.map(|v| v as f32);
        let columns = self.all[core.clone()].iter().zip(&self.own[core]);
        let matrix = Matrix::new(columns.map(|(all, own)| (single(all), single(own))));
        let turned = matrix.reversed();
        (matrix, turned)
    }

    /// The sites turned over.
    pub(super) fn turned(sites: &[Site]) -> Vec<Site> {
        let turned = sites.iter().map(|site| Site {
            reverse: !site.reverse,
            ..*site
        });
        turned.collect()
    }
}

/// Lays seqlets upon the core of a pattern: where the pattern then lies, and how like each is.
fn laid(pattern: &Pattern, seqlets: &[Laying<'_>]) -> Vec<(Site, f32)> {
    let core = pattern.core();
    if core.is_empty() {
        return Vec::new();
    }
    let (matrix, _) = pattern.matrices();
    let most = SHIFT + (WIDE as i32 + core.len() as i32) / 4;
    (seqlets.par_iter())
        .map(|seqlet| {
            let (ours, turned) = seqlet.matrices;
            let fit = matrix.fit(ours, turned, most);
            let site = moved(seqlet.site, fit.offset, fit.reverse, &core);
            (site, fit.likeness)
        })
        .collect()
}

/// Where a pattern lies by a seqlet whose first column (of `WIDE`, turned over where `reverse`) lies under column `offset` of the core.
fn moved(seqlet: Site, offset: i32, reverse: bool, core: &std::ops::Range<usize>) -> Site {
    // Columns from the seqlet's middle to the frame's, along the pattern.
    let along = FRAME as i32 / 2 - (core.start as i32 + offset + WIDE as i32 / 2);
    let reverse = seqlet.reverse != reverse;
    Site {
        middle: seqlet.middle + if reverse { -along } else { along },
        reverse,
        ..seqlet
    }
}

/// A pattern of a group: its members laid upon the one that is most like the others (the first), then twice upon their mean.
pub(super) fn of_group(worths: &Worths<'_>, members: &[Laying<'_>]) -> Pattern {
    let first = members.iter().take(1).map(|m| m.site);
    let mut pattern = Pattern::new(worths, first.collect());
    for _ in 0..3 {
        let laid = laid(&pattern, members);
        pattern = Pattern::new(worths, laid.into_iter().map(|l| l.0).collect());
    }
    pattern
}

/// Joins patterns that are as like as `enough`, the most like first.
pub(super) fn join(worths: &Worths<'_>, patterns: Vec<Pattern>, enough: f32) -> Vec<Pattern> {
    let matrices = |p: &Pattern| p.matrices();
    let mut matrices: Vec<(Matrix, Matrix)> = patterns.par_iter().map(matrices).collect();
    let mut patterns: Vec<Option<Pattern>> = patterns.into_iter().map(Some).collect();
    let n = patterns.len();
    // Of those that are still there, for each pair a < b.
    let mut fits: Vec<Vec<Fit>> = (0..n)
        .into_par_iter()
        .map(|a| (a + 1..n).map(|b| fit(&matrices, a, b)).collect())
        .collect();
    loop {
        let mut best: Option<(Fit, usize, usize)> = None;
        for a in (0..n).filter(|a| patterns[*a].is_some()) {
            for b in (a + 1..n).filter(|b| patterns[*b].is_some()) {
                let fit = fits[a][b - a - 1];
                if fit.likeness >= best.map_or(enough, |b| b.0.likeness.next_up()) {
                    best = Some((fit, a, b));
                }
            }
        }
        let Some((fit_of, a, b)) = best else {
            return patterns.into_iter().flatten().collect();
        };
        if let (Some(ours), Some(theirs)) = (patterns[a].take(), patterns[b].take()) {
            let joined = joined(worths, &ours, &theirs, fit_of);
            matrices[a] = joined.matrices();
            patterns[a] = Some(joined);
        }
        for other in (0..n).filter(|other| *other != a && patterns[*other].is_some()) {
            let (low, high) = (a.min(other), a.max(other));
            fits[low][high - low - 1] = fit(&matrices, low, high);
        }
    }
}

fn fit(matrices: &[(Matrix, Matrix)], a: usize, b: usize) -> Fit {
    matrices[a].0.fit(&matrices[b].0, &matrices[b].1, 12)
}

/// One pattern of two whose cores lie upon each other like that.
fn joined(worths: &Worths<'_>, a: &Pattern, b: &Pattern, fit: Fit) -> Pattern {
    let (ours, theirs) = (a.core(), b.core());
    // Where their core begins in their frame, as it lies.
    let before = match fit.reverse {
        false => theirs.start,
        true => FRAME - theirs.end,
    };
    let along = -(ours.start as i32 + fit.offset - before as i32);
    let mut sites = a.sites.clone();
    sites.extend(b.sites.iter().map(|site| {
        let reverse = site.reverse != fit.reverse;
        Site {
            middle: site.middle + if reverse { -along } else { along },
            reverse,
            ..*site
        }
    }));
    Pattern::new(worths, sites)
}

/// Gives each seqlet to the pattern it is most like, if it is as like as `enough`, and makes the patterns anew of their seqlets.
pub(super) fn share_out(
    worths: &Worths<'_>,
    patterns: &[Pattern],
    seqlets: &[Laying<'_>],
    enough: f32,
) -> Vec<Pattern> {
    let mut best: Vec<Option<(usize, Site, f32)>> = vec![None; seqlets.len()];
    for (number, pattern) in patterns.iter().enumerate() {
        for (best, (site, likeness)) in best.iter_mut().zip(laid(pattern, seqlets)) {
            if likeness >= enough && best.is_none_or(|b| likeness > b.2) {
                *best = Some((number, site, likeness));
            }
        }
    }
    let mut sites = vec![Vec::new(); patterns.len()];
    for (number, site, _) in best.into_iter().flatten() {
        sites[number].push(site);
    }
    let filled = sites.into_iter().filter(|s| !s.is_empty());
    filled.map(|s| Pattern::new(worths, s)).collect()
}
