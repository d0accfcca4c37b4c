use serde::{Deserialize, Serialize};

use super::allele::Skip;
use crate::liftover::Tally;

/// What became of records and alleles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub records: u64,
    pub alleles: u64,
    pub scored: u64,
    pub skipped: [u64; Skip::ALL.len()],
    pub compared: u64,
    pub mismatches: u64,
    /// Records on contigs that the FASTA lacks.
    pub off_contig: u64,
    /// The first such contig.
    pub first_off: Option<String>,
    /// Records, and positions of a BED, that could not be lifted.
    pub lost: Tally,
    /// The first contig that the chain file does not know.
    pub first_unknown: Option<String>,
    /// Values that BCF cannot hold as the text has them, and the first.
    pub changed: (u64, Option<String>),
}

impl Counts {
    pub fn add(&mut self, o: &Self) {
        self.records += o.records;
        self.alleles += o.alleles;
        self.scored += o.scored;
        self.compared += o.compared;
        self.mismatches += o.mismatches;
        self.off_contig += o.off_contig;
        if self.first_off.is_none() {
            self.first_off.clone_from(&o.first_off);
        }
        self.lost.add_all(&o.lost);
        if self.first_unknown.is_none() {
            self.first_unknown.clone_from(&o.first_unknown);
        }
        self.changed.0 += o.changed.0;
        if self.changed.1.is_none() {
            self.changed.1.clone_from(&o.changed.1);
        }
        for (a, b) in self.skipped.iter_mut().zip(o.skipped) {
            *a += b;
        }
    }
}
