//! What a design may and may not be.

use std::ops::Range;

use super::refusal::Refusal;
use super::sites::{Site, fits};
use crate::encode::UNKNOWN;
use crate::motifs::{Motif, Scanner};

/// What designs must keep to.
#[derive(Debug, Default)]
pub struct Limits {
    /// Most bases that differ from the start.
    pub edits: usize,
    /// Bases of every start that stay as they are.
    pub keep: Vec<Range<usize>>,
    /// Least and greatest share of G and C.
    pub gc: Option<(f64, f64)>,
    /// The longest run of one base.
    pub homopolymer: Option<usize>,
    /// What must not occur, on either strand.
    pub forbidden: Vec<Site>,
    /// Words whose hits in the start stay hits.
    pub kept_sites: Vec<Site>,
    /// Motifs whose hits in the start stay hits.
    pub kept_motifs: Option<KeptMotifs>,
}

/// Motifs whose hits stay, and how hits are found.
#[derive(Debug)]
pub struct KeptMotifs {
    names: Vec<String>,
    scanner: Scanner,
}

impl KeptMotifs {
    /// Motifs, whose hits have a p-value of at most `most_p` on a background of equal shares.
    pub fn new(motifs: &[Motif], most_p: f64) -> Self {
        Self {
            names: motifs.iter().map(|m| m.name.clone()).collect(),
            scanner: Scanner::new(motifs, [0.25; 4], most_p),
        }
    }

    /// How many motifs there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// A hit that stays one.
#[derive(Clone, Debug)]
struct Hit<'a> {
    bases: Range<usize>,
    name: &'a str,
    kind: HitKind<'a>,
}

#[derive(Clone, Copy, Debug)]
enum HitKind<'a> {
    Site(&'a [u8]),
    Motif(&'a Scanner, usize, bool),
}

impl Hit<'_> {
    fn is_hit(&self, codes: &[u8]) -> bool {
        let word = &codes[self.bases.clone()];
        match self.kind {
            HitKind::Site(masks) => fits(masks, word),
            HitKind::Motif(scanner, motif, reverse) => scanner.is_hit(motif, reverse, word),
        }
    }
}

/// The rules for the changes of one start.
#[derive(Clone, Debug)]
pub(super) struct Rules<'a> {
    limits: &'a Limits,
    start: &'a [u8],
    kept: Vec<bool>,
    /// Fewest and most bases that are G or C.
    gc: Option<(usize, usize)>,
    hits: Vec<Hit<'a>>,
}

impl<'a> Rules<'a> {
    /// The rules of a start of known bases, of which `keep` stay beside those of the limits. Stretches are
    /// cut off at its end.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn new(
        limits: &'a Limits,
        start: &'a [u8],
        keep: &[Range<usize>],
    ) -> Result<Self, Refusal> {
        if start.contains(&UNKNOWN) {
            return Err(Refusal::UnknownBases);
        }
        let mut kept = vec![false; start.len()];
        for stretch in limits.keep.iter().chain(keep) {
            let end = stretch.end.min(kept.len());
            if let Some(bases) = kept.get_mut(stretch.start..end) {
                bases.fill(true);
            }
        }
        let gc = match limits.gc {
            None => None,
            Some((least, most)) => {
                let length = start.len() as f64;
                // Shares such as 0.1 have no exact float.
                let low = (least * length - 1e-9).ceil().max(0.0) as usize;
                let high = (most * length + 1e-9).floor() as usize;
                if low > high {
                    return Err(Refusal::GcNone(least, most));
                }
                Some((low, high))
            }
        };
        let mut rules = Self {
            limits,
            start,
            kept,
            gc,
            hits: Vec::new(),
        };
        rules.find_hits();
        rules.check()?;
        Ok(rules)
    }

    fn find_hits(&mut self) {
        for site in &self.limits.kept_sites {
            let hits = site.hits(self.start).map(|(at, strand)| Hit {
                bases: at..at + site.len(),
                name: &site.name,
                kind: HitKind::Site(&site.strands()[strand]),
            });
            self.hits.extend(hits);
        }
        if let Some(motifs) = &self.limits.kept_motifs {
            let hits = motifs.scanner.hits(self.start);
            self.hits.extend(hits.into_iter().map(|hit| Hit {
                bases: hit.start..hit.end,
                name: &motifs.names[hit.motif],
                kind: HitKind::Motif(&motifs.scanner, hit.motif, hit.reverse),
            }));
        }
    }

    /// How many hits of motifs stay.
    pub fn kept_hits(&self) -> usize {
        self.hits.len()
    }

    /// Looks for what no change can mend.
    fn check(&self) -> Result<(), Refusal> {
        if self.kept.iter().all(|k| *k) {
            return Err(Refusal::AllKept);
        }
        let mut codes = self.start.to_vec();
        if let Some(most) = self.limits.homopolymer {
            for run in runs(self.start) {
                let longest = self.kept[run.clone()].chunk_by(|a, b| a == b);
                let longest = longest.filter(|part| part[0]).map(<[bool]>::len).max();
                if longest.is_some_and(|n| n > most) {
                    return Err(Refusal::KeptRun(run, most));
                }
            }
        }
        for site in &self.limits.forbidden {
            let hits: Vec<_> = site.hits(self.start).collect();
            for (at, strand) in hits {
                let masks = &site.strands()[strand];
                let bases = at..at + site.len();
                // Any other base at a place without a kept motif, or one that the motif allows.
                let mut by_motif = None;
                let mut mends = false;
                for place in bases.clone() {
                    if self.kept[place] || masks[place - at] == 15 {
                        continue;
                    }
                    for base in (0..4).filter(|b| masks[place - at] >> b & 1 == 0) {
                        match self.breaks(&mut codes, place, base) {
                            None => mends = true,
                            Some(hit) => by_motif = Some(hit.name.to_owned()),
                        }
                    }
                }
                if !mends {
                    return Err(match by_motif {
                        Some(motif) => Refusal::SiteInMotif(site.name.clone(), bases, motif),
                        None => Refusal::KeptSite(site.name.clone(), bases),
                    });
                }
            }
        }
        if let Some((low, high)) = self.gc {
            let strong = |c: u8| c == 1 || c == 2;
            let now = self.start.iter().filter(|c| strong(**c)).count();
            let free = || self.start.iter().zip(&self.kept).filter(|(_, k)| !**k);
            let strong_free = free().filter(|(c, _)| strong(**c)).count();
            let weak_free = free().count() - strong_free;
            let edits = self.limits.edits;
            let least = now - strong_free.min(edits);
            let most = now + weak_free.min(edits);
            if most < low || least > high {
                let share = |n: usize| n as f64 / self.start.len() as f64;
                return Err(Refusal::Gc {
                    now: share(now),
                    reachable: (share(least), share(most)),
                    edits,
                });
            }
        }
        Ok(())
    }

    /// The kept hit that a change would break.
    fn breaks(&self, codes: &mut [u8], at: usize, base: u8) -> Option<&Hit<'a>> {
        let before = std::mem::replace(&mut codes[at], base);
        let mut over = self.hits.iter().filter(|hit| hit.bases.contains(&at));
        let broken = over.find(|hit| !hit.is_hit(codes));
        codes[at] = before;
        broken
    }

    /// Whether a base may be changed at all.
    pub fn is_free(&self, at: usize) -> bool {
        !self.kept[at]
    }

    /// Bases that differ from the start after a change, of a sequence with so many; `None` where that is
    /// too many, the base stays as it is, or is kept.
    pub fn edits_after(&self, codes: &[u8], edits: usize, at: usize, base: u8) -> Option<usize> {
        if self.kept[at] || codes[at] == base {
            return None;
        }
        let differs = |code: u8| usize::from(code != self.start[at]);
        let after = edits - differs(codes[at]) + differs(base);
        (after <= self.limits.edits).then_some(after)
    }

    /// How much is wrong with a sequence: hits of forbidden sites, bases of runs beyond the longest that
    /// is allowed, and bases of G and C that are too many or missing.
    pub fn broken(&self, codes: &[u8]) -> usize {
        let sites = self.limits.forbidden.iter();
        sites.map(|s| s.hits(codes).count()).sum::<usize>()
            + self.excess(codes)
            + self.gc_off(codes.iter().filter(|c| matches!(c, 1 | 2)).count())
    }

    /// How much is wrong after a change, where `broken` is wrong before it; `None` where it breaks a kept
    /// motif. `codes` is as before when it returns.
    pub fn broken_after(
        &self,
        codes: &mut [u8],
        strong: usize,
        broken: usize,
        (at, base): (usize, u8),
    ) -> Option<usize> {
        if self.breaks(codes, at, base).is_some() {
            return None;
        }
        let old = codes[at];
        let is_strong = |code: u8| usize::from(matches!(code, 1 | 2));
        let strong_after = strong + is_strong(base) - is_strong(old);
        // What is not near stays as it is.
        let before = self.near(codes, at) + self.gc_off(strong);
        codes[at] = base;
        let after = self.near(codes, at) + self.gc_off(strong_after);
        codes[at] = old;
        Some(broken + after - before)
    }

    /// What is wrong with sites and runs that a change at a place may alter. The runs are those of the
    /// stretch between the runs beside the place, whatever stands at the place.
    fn near(&self, codes: &[u8], at: usize) -> usize {
        let sites: usize = (self.limits.forbidden.iter())
            .map(|s| s.over(codes, at))
            .sum();
        if self.limits.homopolymer.is_none() {
            return sites;
        }
        let before = codes[..at].chunk_by(|a, b| a == b).next_back();
        let after = codes[at + 1..].chunk_by(|a, b| a == b).next();
        let from = at - before.map_or(0, <[u8]>::len);
        let to = at + 1 + after.map_or(0, <[u8]>::len);
        sites + self.excess(&codes[from..to])
    }

    fn excess(&self, codes: &[u8]) -> usize {
        let Some(most) = self.limits.homopolymer else {
            return 0;
        };
        runs(codes).map(|run| run.len().saturating_sub(most)).sum()
    }

    fn gc_off(&self, strong: usize) -> usize {
        match self.gc {
            None => 0,
            Some((low, high)) => low.saturating_sub(strong) + strong.saturating_sub(high),
        }
    }

    /// In words, what is wrong with a sequence.
    pub fn what_is_broken(&self, codes: &[u8]) -> String {
        let mut words = Vec::new();
        for site in &self.limits.forbidden {
            let found = site.hits(codes).count();
            if found > 0 {
                words.push(format!("{} occurs {found} time(s)", site.name));
            }
        }
        if self.excess(codes) > 0 {
            let longest = runs(codes).map(|run| run.len()).max().unwrap_or(0);
            words.push(format!("a run of {longest} equal bases"));
        }
        let strong = codes.iter().filter(|c| matches!(c, 1 | 2)).count();
        if self.gc_off(strong) > 0 {
            words.push(format!(
                "a share of G and C of {:.3}",
                strong as f64 / codes.len() as f64
            ));
        }
        words.join(", ")
    }
}

/// Runs of equal bases.
fn runs(codes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    codes.chunk_by(|a, b| a == b).map(move |run| {
        from += run.len();
        from - run.len()..from
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::push_codes;
    use proptest::prelude::*;

    fn codes(text: &str) -> Vec<u8> {
        let mut codes = Vec::new();
        assert!(push_codes(text.as_bytes(), &mut codes));
        codes
    }

    fn limits() -> Limits {
        Limits {
            edits: 3,
            gc: Some((0.3, 0.6)),
            homopolymer: Some(3),
            forbidden: ["EcoRI", "AYC", "TTTT"]
                .map(|s| Site::parse(s).unwrap())
                .into(),
            ..Limits::default()
        }
    }

    proptest! {
        #[test]
        fn a_change_counts_as_the_whole_sequence_would(
            start in prop::collection::vec(0u8..4, 4..40),
            at in 0usize..40,
            base in 0u8..4,
        ) {
            let at = at % start.len();
            let limits = Limits { gc: Some((0.0, 0.5)), edits: 40, ..limits() };
            let Ok(rules) = Rules::new(&limits, &start, &[]) else {
                return Ok(());
            };
            let mut changed = start.clone();
            let strong = start.iter().filter(|c| matches!(c, 1 | 2)).count();
            let found = rules.broken_after(&mut changed, strong, rules.broken(&start), (at, base));
            prop_assert_eq!(&changed, &start);
            changed[at] = base;
            prop_assert_eq!(found, Some(rules.broken(&changed)));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let refuse = |limits: &Limits, start: &str, keep: &[(usize, usize)]| {
            let keep: Vec<Range<usize>> = keep.iter().map(|k| k.0..k.1).collect();
            Rules::new(limits, &codes(start), &keep)
                .unwrap_err()
                .to_string()
        };
        let check = |limits: &Limits, start: &str, keep: &[(usize, usize)], part: &str| {
            let words = refuse(limits, start, keep);
            assert!(words.contains(part), "{words}");
        };
        let all = limits();
        check(&all, "ACGTN", &[], "unknown bases");
        check(
            &all,
            "ACGTGACG",
            &[(0, 4), (3, 9)],
            "no base may be changed",
        );
        check(&all, "CGGAATTCGG", &[(2, 8)], "EcoRI");
        check(&all, "CGAAAAACGG", &[(1, 8)], "longest run");
        check(&all, "GGCGCGCGCGGCGCGCGCGC", &[], "share of G and C");
        check(&all, "A", &[], "no whole number of bases");
        // The same site is to stay and to go.
        let both = Limits {
            kept_sites: vec![Site::parse("GAATTC").unwrap()],
            gc: None,
            ..limits()
        };
        check(&both, "CGGAATTCGG", &[], "is also part of a hit of GAATTC");
        // Its last bases may change, where the motif ends before it.
        let most = Limits {
            kept_sites: vec![Site::parse("GGAAT").unwrap()],
            gc: None,
            ..limits()
        };
        assert!(Rules::new(&most, &codes("CGGAATTCGG"), &[]).is_ok());
        check(&most, "CGGAATTCGG", &[(6, 9)], "a hit of GGAAT");
    }

    #[test]
    fn kept_hits_stay_hits() {
        let limits = Limits {
            edits: 9,
            kept_sites: vec![Site::parse("CAYG").unwrap()],
            ..Limits::default()
        };
        let start = codes("TTCACGTT");
        let rules = Rules::new(&limits, &start, &[]).unwrap();
        assert_eq!(rules.kept_hits(), 1);
        let mut now = start.clone();
        let mut after = |at, base| rules.broken_after(&mut now, 3, 0, (at, base));
        assert_eq!(after(4, 3), Some(0));
        assert_eq!(after(4, 0), None);
        assert_eq!(after(2, 3), None);
        assert_eq!(after(0, 0), Some(0));
    }
}
