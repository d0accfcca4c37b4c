use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use bio::data_structures::interval_tree::ArrayBackedIntervalTree;

use super::IntervalError;
use crate::genome::{Aliases, ContigId, Contigs, Interval};
use crate::input::{Input, bed, excerpt};

/// One interval of an annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Contig, an index into the annotation's own list of names.
    pub contig: u32,
    /// Its bases.
    pub bases: Interval,
    /// Name (column 4), an index into [`Annotation::names`]; `None` where there is none or a `.`.
    pub name: Option<u32>,
    /// Score (column 5), NaN where there is none.
    pub score: f64,
    /// Strand (column 6): 1, -1, or 0 where there is none.
    pub strand: i8,
    /// 1-based line; in a bigBed the row.
    pub line: u64,
}

/// Intervals as a file gives them: BED3 to BED12, narrowPeak (plain or gzip) or bigBed; in any
/// order, overlapping or not.
#[derive(Clone, Debug)]
pub struct Annotation {
    /// The file.
    pub path: PathBuf,
    /// Its contigs, in order of appearance.
    pub contigs: Vec<String>,
    /// Its names, in order of appearance.
    pub names: Vec<String>,
    /// Its intervals of at least one base, in file order.
    pub sites: Vec<Site>,
    /// Rows whose start is their end.
    pub empty_rows: u64,
}

#[derive(Default)]
struct Numbering(HashMap<String, u32>, Vec<String>);

impl Numbering {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&n) = self.0.get(name) {
            return n;
        }
        let n = self.1.len() as u32;
        self.0.insert(name.to_owned(), n);
        self.1.push(name.to_owned());
        n
    }
}

impl Annotation {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, at the first line that is not BED, and when it holds no base.
    pub fn read(path: &Path) -> Result<Self, IntervalError> {
        let annotation = Self::read_bed(bed::input(path)?)?;
        if annotation.sites.is_empty() {
            return Err(IntervalError::Empty(path.into()));
        }
        Ok(annotation)
    }

    fn read_bed(input: Input) -> Result<Self, IntervalError> {
        let mut lines = bed::lines(input);
        let (mut contigs, mut names) = (Numbering::default(), Numbering::default());
        let (mut sites, mut empty_rows) = (Vec::new(), 0);
        let text = String::from_utf8_lossy;
        loop {
            let number = lines.number() + 1;
            let Some(line) = lines.next_bytes()? else {
                break;
            };
            let Some(fields) = bed::Fields::of(line) else {
                continue;
            };
            let row = match fields.row() {
                Ok(row) => row,
                Err(why) => {
                    let problem = format!("{} in {:?}", why.problem, excerpt(&text(line)));
                    return Err(lines.error(problem, why.expected).into());
                }
            };
            let bases = Interval::new(row.start, row.end).unwrap_or_default();
            if bases.is_empty() {
                empty_rows += 1;
                continue;
            }
            sites.push(Site {
                contig: contigs.number(&text(row.contig)),
                bases,
                name: row.name.map(|name| names.number(&text(name))),
                score: text(row.score).parse().unwrap_or(f64::NAN),
                strand: match row.strand {
                    Some('+') => 1,
                    Some(_) => -1,
                    None => 0,
                },
                line: number,
            });
        }
        Ok(Self {
            path: lines.path().into(),
            contigs: contigs.1,
            names: names.1,
            sites,
            empty_rows,
        })
    }

    /// For each of the annotation's contigs its id among `contigs`, `None` for those that have no
    /// scores.
    ///
    /// # Errors
    /// [`IntervalError::NoSharedContigs`] when none of them is there.
    pub fn resolve(
        &self,
        contigs: &Contigs,
        aliases: &Aliases,
        scores: &Path,
    ) -> Result<Vec<Option<ContigId>>, IntervalError> {
        let ids: Vec<Option<ContigId>> = self
            .contigs
            .iter()
            .map(|name| aliases.resolve(name, contigs))
            .collect();
        if ids.iter().all(Option::is_none) {
            let similar = self
                .contigs
                .iter()
                .find_map(|n| Some((n, contigs.similar(n)?)));
            let theirs = similar.map_or(&self.contigs[0], |s| s.0).clone();
            let first = contigs.iter().next().map_or("", |c| c.name.as_str());
            return Err(IntervalError::NoSharedContigs {
                intervals: self.path.clone(),
                scores: scores.into(),
                theirs,
                ours: similar.map_or(first, |s| s.1).to_owned(),
                chr: similar.is_some(),
            });
        }
        Ok(ids)
    }

    /// The set of bases that the intervals cover, on the contigs of a score track.
    ///
    /// # Errors
    /// [`IntervalError::NoSharedContigs`].
    pub fn placed(
        &self,
        contigs: &Contigs,
        aliases: &Aliases,
        scores: &Path,
    ) -> Result<Placed, IntervalError> {
        let ids = self.resolve(contigs, aliases, scores)?;
        let mut lists: Vec<Vec<Interval>> = vec![Vec::new(); contigs.len()];
        for site in &self.sites {
            if let Some(id) = ids[site.contig as usize] {
                lists[id as usize].push(site.bases);
            }
        }
        Ok(Placed::new(lists))
    }

    /// Names asked for, as a set of their numbers; all when none is asked for.
    ///
    /// # Errors
    /// [`IntervalError::UnknownName`].
    pub fn select(&self, wanted: &[String]) -> Result<HashSet<u32>, IntervalError> {
        if wanted.is_empty() {
            return Ok((0..self.names.len() as u32).collect());
        }
        wanted
            .iter()
            .map(|name| {
                let at = self.names.iter().position(|n| n == name);
                at.map(|n| n as u32)
                    .ok_or_else(|| IntervalError::UnknownName {
                        path: self.path.clone(),
                        what: "name",
                        name: name.clone(),
                        known: some_of(&self.names),
                    })
            })
            .collect()
    }
}

fn some_of(names: &[String]) -> String {
    const MOST: usize = 12;
    let more = if names.len() > MOST { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(MOST)].join(", "))
}

/// A set of bases on the contigs of a score track: intervals merged, so that every base counts
/// once.
#[derive(Clone, Debug)]
pub struct Placed {
    contigs: Vec<ArrayBackedIntervalTree<u32, ()>>,
}

impl Placed {
    fn new(lists: Vec<Vec<Interval>>) -> Self {
        let contigs = lists
            .into_iter()
            .map(|mut list| {
                list.sort_unstable();
                list.dedup_by(|next, kept| {
                    // `next` starts at or behind `kept`'s start.
                    let joined = Interval::new(kept.start(), kept.end().max(next.end()));
                    match joined.filter(|_| next.start() <= kept.end()) {
                        Some(joined) => {
                            *kept = joined;
                            true
                        }
                        None => false,
                    }
                });
                let merged = list.iter().map(|i| (i.start()..i.end(), ()));
                merged.collect()
            })
            .collect();
        Self { contigs }
    }

    /// No base at all.
    pub(crate) fn none(contigs: &Contigs) -> Self {
        Self::new(vec![Vec::new(); contigs.len()])
    }

    /// What of the set lies in `span`, ascending and clipped.
    pub fn within(&self, contig: ContigId, span: Interval) -> impl Iterator<Item = Interval> + '_ {
        let mut found = Vec::new();
        if let Some(tree) = self.contigs.get(contig as usize) {
            // The tree is walked from left to right.
            tree.find_into(span.start()..span.end(), &mut found);
        }
        (found.into_iter()).filter_map(move |e| {
            Interval::new(e.interval().start, e.interval().end)?.intersect(span)
        })
    }

    /// Whether a base belongs to the set.
    pub fn contains(&self, contig: ContigId, base: u32) -> bool {
        Interval::new(base, base.saturating_add(1))
            .is_some_and(|b| self.within(contig, b).next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;
    use proptest::prelude::*;
    use std::io::Write;

    fn contigs() -> Contigs {
        let contig = |name: &str| Contig {
            name: name.into(),
            length: 1000,
        };
        Contigs::new(vec![contig("chr1"), contig("chr2")]).unwrap()
    }

    fn read(text: &str, gzip: bool) -> Result<Annotation, IntervalError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bed");
        if gzip {
            let file = std::fs::File::create(&path).unwrap();
            let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            gz.write_all(text.as_bytes()).unwrap();
            gz.finish().unwrap();
        } else {
            std::fs::write(&path, text).unwrap();
        }
        Annotation::read(&path)
    }

    #[test]
    fn flavours_of_bed() {
        let text = "track name=x\n#c\nchr2\t5\t9\tCTCF\t7\t-\nchr1 1 3\n\
                    chr2\t7\t20\t.\t1000\t+\t2.4\t-1\t0.6\t130\r\nchrUn\t0\t4\nchr1\t8\t8\n";
        for gzip in [false, true] {
            let a = read(text, gzip).unwrap();
            assert_eq!((a.sites.len(), a.empty_rows), (4, 1));
            assert_eq!(a.names, ["CTCF"]);
            let s = &a.sites[0];
            assert_eq!((s.strand, s.score, s.line), (-1, 7.0, 3));
            assert_eq!((a.sites[2].name, a.sites[2].strand), (None, 1));
            let p = a.placed(&contigs(), &Aliases::None, "s".as_ref()).unwrap();
            let whole = Interval::new(0, 1000).unwrap();
            let on = |c| {
                p.within(c, whole)
                    .map(|i| (i.start(), i.end()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(on(0), [(1, 3)]);
            assert_eq!(on(1), [(5, 20)]);
            assert!(p.contains(1, 5) && p.contains(1, 19) && !p.contains(1, 20));
        }
    }

    #[test]
    fn bad_annotations() {
        for (text, part) in [
            ("chr1\t5\n", "line 1"),
            ("chr1\t1\t2\nchr1\t9\t3\n", "line 2"),
            ("chr1\tx\t3\n", "start is \"x\""),
            ("chr1\t+300\t400\n", "start is \"+300\""),
            ("", "holds no interval"),
            ("#only\nchr1\t4\t4\n", "holds no interval"),
        ] {
            let error = read(text, false).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let a = read("1\t0\t5\tx\n", false).unwrap();
        let error = a
            .placed(&contigs(), &Aliases::None, "s".as_ref())
            .unwrap_err();
        assert!(
            error.to_string().contains("\"1\" there, \"chr1\" here"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("--chrom-alias"));
        assert!(
            a.placed(&contigs(), &Aliases::UcscEnsembl, "s".as_ref())
                .is_ok()
        );
        let error = a.select(&["y".into()]).unwrap_err().to_string();
        assert!(error.contains("no name \"y\"; it has: x"), "{error}");
    }

    proptest! {
        /// Twin: a mark for every base.
        #[test]
        fn a_set_of_bases(list in prop::collection::vec((0u32..90, 1u32..30), 1..20), from in 0u32..100, long in 1u32..50) {
            let mut bases = [false; 200];
            let mut text = String::new();
            for (start, len) in list {
                bases[start as usize..(start + len) as usize].fill(true);
                text.push_str(&format!("chr1\t{start}\t{}\n", start + len));
            }
            let placed = read(&text, false).unwrap().placed(&contigs(), &Aliases::None, "s".as_ref()).unwrap();
            let span = Interval::new(from, from + long).unwrap();
            let mut got = [false; 200];
            let mut last = 0;
            for i in placed.within(0, span) {
                prop_assert!(i.start() >= last && !i.is_empty());
                last = i.end();
                got[i.start() as usize..i.end() as usize].fill(true);
            }
            for b in 0..200 {
                let inside = (from..from + long).contains(&(b as u32));
                prop_assert_eq!(got[b], bases[b] && inside);
                prop_assert_eq!(placed.contains(0, b as u32), bases[b]);
            }
        }
    }
}
