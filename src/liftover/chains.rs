//! Chains in memory, and what they make of positions and intervals.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bio::data_structures::interval_tree::ArrayBackedIntervalTree;

use super::{LiftoverError, Lost};
use crate::genome::{Aliases, Contig, ContigId, Contigs, Interval};

/// The share of an interval's bases that must be aligned: the default of `liftOver -minMatch`.
pub const MIN_MATCH: f64 = 0.95;

/// Bases that are the same in both builds, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// First base in the source.
    pub source: u32,
    /// First base in the new build, on the chain's strand.
    pub new: u32,
    pub size: u32,
}

impl Block {
    fn end(&self) -> u32 {
        self.source + self.size
    }
}

/// An alignment of two contigs.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// The contigs.
    pub source: ContigId,
    pub new: ContigId,
    /// Whether the new build's strand is the other one; positions of blocks count from its end then.
    pub minus: bool,
    /// Its bases in the source.
    pub start: u32,
    pub end: u32,
    /// Its blocks among all.
    pub blocks: Range<usize>,
}

/// The chains of a file as they are read.
#[derive(Default)]
pub(super) struct Collected {
    chains: Vec<Chain>,
    pub blocks: Vec<Block>,
    sources: Sequences,
    news: Sequences,
}

/// Contigs of one side, each with its length.
#[derive(Default)]
struct Sequences(Vec<Contig>, HashMap<String, ContigId>);

impl Sequences {
    fn id(&mut self, name: &str, length: u32) -> Result<ContigId, (String, &'static str)> {
        if let Some(&id) = self.1.get(name) {
            let before = self.0[id as usize].length;
            return match before == length {
                true => Ok(id),
                false => Err((
                    format!("{name:?} has {length} bases here and {before} before"),
                    "one length a contig",
                )),
            };
        }
        let id = self.0.len() as ContigId;
        self.0.push(Contig {
            name: name.into(),
            length,
        });
        self.1.insert(name.into(), id);
        Ok(id)
    }

    fn contigs(self) -> Contigs {
        // Each name is there once.
        Contigs::new(self.0).unwrap_or_default()
    }
}

impl Collected {
    pub fn source(&mut self, name: &str, size: u32) -> Result<ContigId, (String, &'static str)> {
        self.sources.id(name, size)
    }

    pub fn new_build(&mut self, name: &str, size: u32) -> Result<ContigId, (String, &'static str)> {
        self.news.id(name, size)
    }

    pub fn extend(&mut self, chain: Option<Chain>) {
        self.chains.extend(chain);
    }

    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    pub fn finish(self, path: &Path, aliases: Aliases) -> Chains {
        let sources = self.sources.contigs();
        let mut trees: Vec<Tree> = (0..sources.len()).map(|_| Tree::new()).collect();
        for (number, chain) in self.chains.iter().enumerate() {
            trees[chain.source as usize].insert(chain.start..chain.end, number);
        }
        for tree in &mut trees {
            tree.index();
        }
        Chains {
            path: path.into(),
            aliases,
            sources,
            news: self.news.contigs(),
            chains: self.chains,
            blocks: self.blocks,
            trees,
        }
    }
}

type Tree = ArrayBackedIntervalTree<u32, usize>;

/// The chains of a file, all in memory: 12 bytes a block, 3 MB for those from hg38 to hg19.
#[derive(Debug)]
pub struct Chains {
    path: PathBuf,
    aliases: Aliases,
    sources: Contigs,
    news: Contigs,
    chains: Vec<Chain>,
    blocks: Vec<Block>,
    /// By contig of the source: the stretches of its chains.
    trees: Vec<Tree>,
}

/// A base in the new build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted<'a> {
    /// Its contig, as the chain file names it.
    pub contig: &'a str,
    /// Where, 0-based.
    pub position: u32,
    /// Whether it is read on the other strand there: its letter is the complement.
    pub minus: bool,
}

/// An interval in the new build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiftedInterval<'a> {
    /// Its contig, as the chain file names it.
    pub contig: &'a str,
    /// From the first aligned base to the last.
    pub bases: Interval,
    /// Whether it is read on the other strand there.
    pub minus: bool,
}

/// An interval of which every base is in the new build, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// Its contig, as the chain file names it.
    pub contig: &'a str,
    /// As many bases as in the source.
    pub bases: Interval,
    /// Whether they are read on the other strand there, the last one first.
    pub minus: bool,
    /// Bases that go on without a gap before its first and behind its last base, in the direction of
    /// the new build.
    pub around: (u32, u32),
}

impl Chains {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contigs that they lead from, as the file names them.
    pub fn sources(&self) -> &Contigs {
        &self.sources
    }

    /// The contigs that they lead to, as the file names them.
    pub fn targets(&self) -> &Contigs {
        &self.news
    }

    /// Where a base (0-based) is in the new build.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn position(&self, contig: &str, position: u32) -> Result<Lifted<'_>, Lost> {
        let mut found = None;
        for chain in self.over(self.source(contig)?, position, position.saturating_add(1)) {
            let blocks = self.blocks_of(chain);
            let at = blocks.partition_point(|b| b.end() <= position);
            let Some(block) = blocks.get(at).filter(|b| b.source <= position) else {
                continue;
            };
            if found.replace((chain, block)).is_some() {
                return Err(Lost::Duplicated);
            }
        }
        let (chain, block) = found.ok_or(Lost::Deleted)?;
        let new = self.news.get(chain.new);
        let at = block.new + (position - block.source);
        Ok(Lifted {
            contig: &new.name,
            position: match chain.minus {
                false => at,
                true => new.length - 1 - at,
            },
            minus: chain.minus,
        })
    }

    /// Where an interval is in the new build, by the rules of `liftOver -minMatch` ([`MIN_MATCH`]).
    ///
    /// An interval without a base lies between two: they must lie side by side in the new build.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn interval(
        &self,
        contig: &str,
        bases: Interval,
        min_match: f64,
    ) -> Result<LiftedInterval<'_>, Lost> {
        let source = self.source(contig)?;
        if bases.is_empty() {
            return self.between(source, bases.start());
        }
        let chain = self.best(source, bases, min_match)?;
        Ok(self.through(chain, bases))
    }

    /// Where an interval of at least one base is in the new build, if all its bases are, without a gap.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn span(&self, contig: &str, bases: Interval) -> Result<Span<'_>, Lost> {
        let chain = self.best(self.source(contig)?, bases, 1.0)?;
        let blocks = self.blocks_of(chain);
        let at = blocks.partition_point(|b| b.end() <= bases.start());
        let block = blocks.get(at).filter(|b| bases.end() <= b.end());
        let block = block.ok_or(Lost::Interrupted)?;
        let (before, after) = (bases.start() - block.source, block.end() - bases.end());
        let LiftedInterval {
            contig,
            bases,
            minus,
        } = self.through(chain, bases);
        Ok(Span {
            contig,
            bases,
            minus,
            around: match minus {
                false => (before, after),
                true => (after, before),
            },
        })
    }

    /// Compares the lengths of contigs with those of the FASTA that things are lifted to.
    ///
    /// # Errors
    /// [`LiftoverError::Direction`] when the FASTA is of the build that the chains lead from. Where it is
    /// of neither, a warning says so.
    pub fn check(&self, fasta: &Path, contigs: &Contigs) -> Result<(), LiftoverError> {
        let length = |name: &str| {
            let id = self.aliases.resolve(name, contigs)?;
            Some(contigs.get(id).length)
        };
        let alike = |side: &Contigs| side.iter().any(|c| length(&c.name) == Some(c.length));
        if alike(&self.news) {
            return Ok(());
        }
        let shared = (self.news.iter())
            .filter_map(|new| Some((new, self.sources.get(self.sources.id(&new.name)?))))
            .find(|(new, source)| {
                new.length != source.length && length(&source.name) == Some(source.length)
            });
        if let Some((new, source)) = shared {
            return Err(LiftoverError::Direction {
                chains: self.path.clone(),
                fasta: fasta.into(),
                contig: new.name.clone(),
                new: new.length,
                source_length: source.length,
            });
        }
        let first = self.news.iter().find_map(|c| Some((c, length(&c.name)?)));
        if let Some((contig, length)) = first {
            tracing::warn!(
                "{} leads to a build whose {} has {} bases; in the FASTA it has {length}: is it of that build?",
                self.path.display(),
                contig.name,
                contig.length
            );
        }
        Ok(())
    }

    fn source(&self, contig: &str) -> Result<ContigId, Lost> {
        let id = self.aliases.resolve(contig, &self.sources);
        id.ok_or(Lost::UnknownContig)
    }

    /// The chains whose stretch shares a base with `[start, end)`.
    fn over(&self, source: ContigId, start: u32, end: u32) -> impl Iterator<Item = &Chain> {
        let found = self.trees[source as usize].find(start..end);
        found.into_iter().map(|entry| &self.chains[*entry.data()])
    }

    fn blocks_of(&self, chain: &Chain) -> &[Block] {
        &self.blocks[chain.blocks.clone()]
    }

    /// The one chain that has enough of an interval's bases.
    fn best(&self, source: ContigId, bases: Interval, min_match: f64) -> Result<&Chain, Lost> {
        let enough = min_match * f64::from(bases.len());
        let (mut found, mut several, mut partial) = (None, false, 0);
        for chain in self.over(source, bases.start(), bases.end()) {
            let covered = self.covered(chain, bases);
            if covered > 0 && f64::from(covered) >= enough {
                several |= found.replace(chain).is_some();
            } else if covered > 0 {
                partial += 1;
            }
        }
        match (found, partial) {
            (Some(_), _) if several => Err(Lost::Duplicated),
            (Some(chain), _) => Ok(chain),
            (None, 0) => Err(Lost::Deleted),
            (None, 1) => Err(Lost::PartiallyDeleted),
            (None, _) => Err(Lost::Split),
        }
    }

    /// How many bases of an interval a chain has.
    fn covered(&self, chain: &Chain, bases: Interval) -> u32 {
        let blocks = self.blocks_of(chain);
        let first = blocks.partition_point(|b| b.end() <= bases.start());
        (blocks[first..].iter())
            .take_while(|b| b.source < bases.end())
            .map(|b| b.end().min(bases.end()) - b.source.max(bases.start()))
            .sum()
    }

    /// What a chain makes of an interval that has bases in it.
    fn through(&self, chain: &Chain, bases: Interval) -> LiftedInterval<'_> {
        let blocks = self.blocks_of(chain);
        let first = blocks.partition_point(|b| b.end() <= bases.start());
        let last = blocks.partition_point(|b| b.source < bases.end());
        let (first, last) = (&blocks[first], &blocks[last - 1]);
        let start = first.new + bases.start().saturating_sub(first.source);
        let end = last.new + last.size - last.end().saturating_sub(bases.end());
        let new = self.news.get(chain.new);
        let (start, end) = match chain.minus {
            false => (start, end),
            true => (new.length - end, new.length - start),
        };
        LiftedInterval {
            contig: &new.name,
            bases: Interval::new(start, end).unwrap_or_default(),
            minus: chain.minus,
        }
    }

    /// The place between the bases `at - 1` and `at`, or beside the one of them that there is.
    fn between(&self, source: ContigId, at: u32) -> Result<LiftedInterval<'_>, Lost> {
        let length = self.sources.get(source).length;
        let around = Interval::new(at.saturating_sub(1), at.saturating_add(1).min(length));
        let around = around.filter(|i| !i.is_empty()).ok_or(Lost::Deleted)?;
        let lifted = self.through(self.best(source, around, 1.0)?, around);
        if lifted.bases.len() != around.len() {
            return Err(Lost::Interrupted);
        }
        let before = match lifted.minus {
            false => at - around.start(),
            true => around.end() - at,
        };
        let at = lifted.bases.start() + before;
        Ok(LiftedInterval {
            bases: Interval::new(at, at).unwrap_or_default(),
            ..lifted
        })
    }
}

#[cfg(test)]
mod tests;
