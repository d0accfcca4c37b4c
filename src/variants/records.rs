//! From lines to records.

use std::collections::HashMap;

use super::VariantError;
use super::allele::{Skip, is_allele};
use super::effects::Site;
use crate::genome::{Aliases, Build, ContigId, Contigs, Interval};
use crate::input::{BedRow, bed, excerpt, shorten};
use crate::vcf::VcfError;

/// A record's columns, as they stand.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub number: u64,
    pub contig: &'a [u8],
    pub id: &'a [u8],
    /// POS, 1-based.
    pub start: u32,
    pub reference: Option<&'a [u8]>,
    pub alts: &'a [u8],
    pub line: &'a [u8],
    /// INFO as a range of the line.
    pub info: (usize, usize),
    pub site: Site<'a>,
}

/// Reads records: resolves contigs, and remembers the last one's name.
pub(super) struct Reader<'a> {
    pub name: &'a str,
    pub width: usize,
    pub contigs: &'a Contigs,
    pub aliases: &'a Aliases,
    /// Whether a record that makes no sense is an error.
    strict: bool,
    /// Whether rows of a BED were lifted.
    pub lifted: bool,
    resolved: HashMap<Vec<u8>, Option<ContigId>>,
}

impl<'a> Reader<'a> {
    pub fn new(
        name: &'a str,
        width: usize,
        (contigs, aliases): (&'a Contigs, &'a Aliases),
        strict: bool,
    ) -> Self {
        Self {
            name,
            width,
            contigs,
            aliases,
            strict,
            lifted: false,
            resolved: HashMap::new(),
        }
    }

    /// The contig of a name.
    pub fn resolve(&mut self, contig: &[u8]) -> Option<ContigId> {
        if let Some(id) = self.resolved.get(contig) {
            return *id;
        }
        let id = std::str::from_utf8(contig)
            .ok()
            .and_then(|name| self.aliases.resolve(name, self.contigs));
        self.resolved.insert(contig.to_vec(), id);
        id
    }

    /// An error that names a record.
    pub fn fail(&self, number: u64, line: &[u8], problem: String) -> VariantError {
        let text = excerpt(&String::from_utf8_lossy(line));
        let path = self.name.into();
        VariantError::Vcf(VcfError::Line {
            path,
            line: number,
            problem,
            text,
        })
    }

    /// A record of a VCF. One that makes no sense is not scored, or (`strict`) an error.
    ///
    /// # Errors
    /// Also when it has not the columns of a record, or POS is no number.
    pub fn vcf<'l>(&mut self, number: u64, line: &'l [u8]) -> Result<Record<'l>, VariantError> {
        let ends = self.columns(number, line)?;
        let field = |i: usize| {
            let from = if i == 0 { 0 } else { ends[i - 1] + 1 };
            &line[from..ends[i]]
        };
        let (contig, reference, alts) = (field(0), field(3), field(4));
        let start = self.position(number, line, field(1))?;
        if contig.is_empty() {
            return Err(self.fail(number, line, "CHROM is empty".into()));
        }
        let id = self.resolve(contig);
        let skip = self.outside(id, start, reference);
        let skip = match reference.is_empty() || !reference.iter().all(u8::is_ascii_alphabetic) {
            true => Some(Skip::RefNotAcgt),
            false => skip,
        };
        if self.strict
            && let Some(problem) = self.nonsense((id, start), reference, alts, skip)
        {
            return Err(self.fail(number, line, problem));
        }
        Ok(Record {
            number,
            contig,
            id: field(2),
            start,
            reference: Some(reference),
            alts,
            line,
            info: (ends[6] + 1, ends[7]),
            site: Site {
                contig: id,
                start: start.saturating_sub(1),
                skip,
                reference: Some(reference),
                alts,
            },
        })
    }

    /// POS.
    ///
    /// # Errors
    /// When it is no number.
    pub fn position(&self, number: u64, line: &[u8], digits: &[u8]) -> Result<u32, VariantError> {
        let start = std::str::from_utf8(digits)
            .ok()
            .filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse::<u32>().ok())
            .filter(|&p| p <= i32::MAX as u32);
        start.ok_or_else(|| {
            let text = String::from_utf8_lossy(digits);
            let problem = format!("POS is {text:?}, expected a whole number");
            self.fail(number, line, problem)
        })
    }

    /// Ends of the first eight columns.
    ///
    /// # Errors
    /// When there are more or fewer columns than the header has.
    pub fn columns(&self, number: u64, line: &[u8]) -> Result<[usize; 8], VariantError> {
        let mut ends = [line.len(); 8];
        let mut found = 0;
        for (at, &byte) in line.iter().enumerate() {
            if byte == b'\t' {
                ends[found] = at;
                found += 1;
                if found == 8 {
                    break;
                }
            }
        }
        // Sample columns are only counted.
        let samples = match found {
            8 => line[ends[7] + 1..].iter().filter(|&&b| b == b'\t').count(),
            _ => 0,
        };
        let columns = found + samples + 1;
        match columns == self.width {
            true => Ok(ends),
            false => {
                let problem = format!("{columns} columns, the header has {}", self.width);
                Err(self.fail(number, line, problem))
            }
        }
    }

    /// Why a record does not lie on its contig: a telomere has the position 0, or the one behind the
    /// last base.
    fn outside(&self, contig: Option<ContigId>, start: u32, reference: &[u8]) -> Option<Skip> {
        let length = u64::from(self.contigs.get(contig?).length);
        let end = u64::from(start) + reference.len() as u64;
        if start == 0 || u64::from(start) == length + 1 && reference.len() == 1 {
            return Some(Skip::Telomere);
        }
        (end > length + 1).then_some(Skip::PastContigEnd)
    }

    /// What makes no sense in a record.
    fn nonsense(
        &self,
        (contig, start): (Option<ContigId>, u32),
        reference: &[u8],
        alts: &[u8],
        skip: Option<Skip>,
    ) -> Option<String> {
        if skip == Some(Skip::RefNotAcgt) {
            let text = String::from_utf8_lossy(reference);
            return Some(format!("REF is {:?}, expected bases", shorten(&text)));
        }
        if let Some(alt) = alts.split(|&b| b == b',').find(|a| !is_allele(a)) {
            let text = String::from_utf8_lossy(alt);
            return Some(format!("ALT has {:?}, which is no allele", shorten(&text)));
        }
        let found = self
            .contigs
            .get(contig.filter(|_| skip == Some(Skip::PastContigEnd))?);
        let end = u64::from(start) - 1 + reference.len() as u64;
        Some(format!(
            "REF reaches position {end} of {}, which has {} bases in the FASTA",
            found.name, found.length
        ))
    }

    /// A row of a BED.
    ///
    /// # Errors
    /// When it is none.
    pub fn bed_row<'l>(
        &self,
        number: u64,
        line: &'l [u8],
        fields: &bed::Fields<'l>,
    ) -> Result<BedRow<'l>, VariantError> {
        fields.row().map_err(|why| {
            let problem = format!("{}; expected {}", why.problem, why.expected);
            self.fail(number, line, problem)
        })
    }

    /// The positions of a row of a BED, each as a record; of one that is part of a longer row, this ends
    /// at `row_end`.
    pub fn bed<'l>(
        &mut self,
        (number, row_end): (u64, u32),
        line: &'l [u8],
        records: &mut Vec<Record<'l>>,
    ) -> Result<(), VariantError> {
        let Some(fields) = bed::Fields::of(line) else {
            return Ok(());
        };
        let row = self.bed_row(number, line, &fields)?;
        // What was lifted has its INFO behind the name.
        let info = match self.lifted {
            true => (line.len() - row.score.len(), line.len()),
            false => (0, 0),
        };
        let contig = row.contig;
        let id = row.name.unwrap_or(b".");
        // A row's end is not before its start.
        let span = Interval::new(row.start, row.end).unwrap_or_default();
        let found = self.resolve(contig);
        if let Some(found) = found {
            let length = self.contigs.get(found).length;
            if span.end().max(row_end) > length {
                let end = span.end().max(row_end);
                let mut problem = format!("it reaches past the contig's end at {length}");
                if let Some(explained) = Build::reaching(&self.contigs.get(found).name, length, end)
                {
                    problem += &format!("; {explained}");
                }
                return Err(self.fail(number, line, problem));
            }
        }
        // Without a base, the one before it stands in the record, unscored.
        let bases = match span.is_empty() {
            true => {
                let before = span.start().saturating_sub(1);
                before..before + 1
            }
            false => span.start()..span.end(),
        };
        let alts: &[u8] = if span.is_empty() { b"" } else { b"." };
        for base in bases {
            records.push(Record {
                number,
                contig,
                id,
                start: base + 1,
                reference: None,
                alts,
                line,
                info,
                site: Site {
                    contig: found,
                    start: base,
                    skip: None,
                    reference: None,
                    alts,
                },
            });
        }
        Ok(())
    }
}
