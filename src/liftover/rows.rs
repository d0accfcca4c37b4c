//! Rows of a BED on their way to regions.

use std::io;
use std::path::{Path, PathBuf};

use super::{Chains, LiftoverError, Lost, MIN_MATCH, Rejects, Tally};
use crate::genome::{Aliases, Contigs, GenomeError, Interval, Moved, Mover};
use crate::input::BedRow;

/// Lifts the rows of a BED ([`crate::genome::read_moved_bed`]) to the contigs of a FASTA.
#[derive(Debug)]
pub struct RowLift<'a> {
    chains: &'a Chains,
    contigs: &'a Contigs,
    aliases: &'a Aliases,
    rejects: Rejects,
    spool: PathBuf,
    lifted: u64,
    /// Contig of the first row that the chain file does not know.
    unknown: Option<String>,
}

impl<'a> RowLift<'a> {
    /// A lift to the contigs of a FASTA, which are found under the names of `aliases`, too. What is lost
    /// waits in a temporary file in `spool`.
    ///
    /// # Errors
    /// When that file cannot be made.
    pub fn new(
        chains: &'a Chains,
        (contigs, aliases): (&'a Contigs, &'a Aliases),
        spool: &Path,
    ) -> Result<Self, GenomeError> {
        Ok(Self {
            chains,
            contigs,
            aliases,
            rejects: Rejects::create(spool).map_err(|e| GenomeError::Write(e, spool.into()))?,
            spool: spool.into(),
            lifted: 0,
            unknown: None,
        })
    }

    /// The rows that were lost.
    ///
    /// # Errors
    /// [`LiftoverError::NothingLifted`] when there were rows and all were lost. `path`: their file, for
    /// the message.
    pub fn finish(self, path: &str) -> Result<Rejects, LiftoverError> {
        let lost = self.rejects.tally();
        if self.lifted == 0 && lost.total() > 0 {
            let similar = |name: &String| self.chains.sources().similar(name).map(str::to_owned);
            return Err(LiftoverError::NothingLifted {
                path: path.into(),
                rows: lost.total(),
                what: Tally::clone(lost),
                similar: self.unknown.as_ref().and_then(similar),
            });
        }
        Ok(self.rejects)
    }

    fn lift(&self, contig: &str, bases: Interval) -> Result<Moved, Lost> {
        let lifted = self.chains.interval(contig, bases, MIN_MATCH)?;
        let target = self.aliases.resolve(lifted.contig, self.contigs);
        let target = target.ok_or(Lost::NotInFasta)?;
        Ok(Moved {
            contig: self.contigs.get(target).name.clone(),
            bases: lifted.bases,
            reversed: lifted.minus,
        })
    }
}

impl Mover for RowLift<'_> {
    fn moved(&mut self, row: &BedRow<'_>, line: &[u8]) -> Result<Option<Moved>, GenomeError> {
        let contig = &*String::from_utf8_lossy(row.contig);
        // A row's end is not before its start.
        let bases = Interval::new(row.start, row.end).unwrap_or_default();
        let lost = match self.lift(contig, bases) {
            Ok(moved) => {
                self.lifted += 1;
                return Ok(Some(moved));
            }
            Err(lost) => lost,
        };
        if lost == Lost::UnknownContig {
            self.unknown.get_or_insert_with(|| contig.to_owned());
        }
        let fail = |e: io::Error| GenomeError::Write(e, self.spool.clone());
        self.rejects.add(lost, line).map_err(fail)?;
        Ok(None)
    }
}
