//! Records of a VCF, as far as haplotypes need them.

use super::apply::Change;
use super::calls::Calls;
use crate::encode::{self, UNKNOWN};
use crate::variants::{Skip, change, is_acgt};

/// A record with the genotypes of the chosen samples.
#[derive(Debug)]
pub(super) struct Variant {
    /// First base of REF, 0-based.
    pub start: i64,
    /// One past the last base of REF.
    pub end: i64,
    pub id: String,
    pub reference: String,
    pub alts: String,
    /// Why none of its alleles can be used.
    pub skip: Option<Skip>,
    /// Of each ALT allele what it changes; nothing where it changes nothing, or why it cannot be used.
    pub changes: Vec<Result<Option<Change>, Skip>>,
    pub calls: Calls,
}

/// The columns of a line that are needed.
pub(super) struct Columns<'a> {
    pub contig: &'a [u8],
    /// POS, 1-based.
    pub position: u32,
    pub id: &'a [u8],
    pub reference: &'a [u8],
    pub alts: &'a [u8],
    pub filter: &'a [u8],
    /// FORMAT and samples.
    pub rest: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Splits a line.
    ///
    /// # Errors
    /// In words.
    pub fn of(line: &'a [u8]) -> Result<Self, String> {
        let mut rest = line;
        let mut columns = [&b""[..]; 8];
        for (i, column) in columns.iter_mut().enumerate() {
            let end = rest.iter().position(|&b| b == b'\t').unwrap_or(rest.len());
            *column = &rest[..end];
            if end == rest.len() && i < 7 {
                return Err(format!("{} columns, expected 8 at least", i + 1));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let [contig, position, id, reference, alts, _, filter, _] = columns;
        let number = std::str::from_utf8(position)
            .ok()
            .and_then(|p| p.parse().ok());
        let position = number.filter(|p| *p <= i32::MAX as u32).ok_or_else(|| {
            let text = String::from_utf8_lossy(position);
            format!("POS is {text:?}, expected a whole number")
        })?;
        if contig.is_empty() {
            return Err("CHROM is empty".into());
        }
        Ok(Self {
            contig,
            position,
            id,
            reference,
            alts,
            filter,
            rest,
        })
    }

    /// First base of REF, 0-based, and one past its last.
    pub fn span(&self) -> (i64, i64) {
        let start = i64::from(self.position) - 1;
        (start, start + self.reference.len().max(1) as i64)
    }
}

impl Variant {
    /// Judges a record; `genome` are the codes of the genome where REF lies, those past the contig's end left
    /// out. Changes longer than a window are not made.
    pub fn new(columns: &Columns<'_>, genome: &[u8], calls: Calls, window: usize) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (start, end) = columns.span();
        let skip = whole(columns, genome);
        let reference = columns.reference;
        let of = |alt: &[u8]| match change(reference, alt, window) {
            Ok(found) => {
                let code = |letter: &u8| encode::code(*letter).unwrap_or(UNKNOWN);
                let mut at = start + found.at as i64;
                let end = at + found.deleted as i64;
                let mut inserted: Vec<u8> = found.inserted.iter().map(code).collect();
                // The base that both share is left: insertions and deletions are of none.
                let first = reference.get(found.at).map(code);
                if found.deleted != inserted.len() && inserted.first().copied() == first {
                    at += 1;
                    inserted.remove(0);
                }
                Ok(Some(Change {
                    start: at,
                    end,
                    inserted,
                }))
            }
            // The deletion that spans it has a record of its own.
            Err(Skip::NoAlt | Skip::SpanningDeletion | Skip::SameAsRef) => Ok(None),
            Err(why) => Err(why),
        };
        let changes = match skip {
            None => columns.alts.split(|&b| b == b',').map(of).collect(),
            Some(why) => columns
                .alts
                .split(|&b| b == b',')
                .map(|_| Err(why))
                .collect(),
        };
        Self {
            start,
            end,
            id: text(columns.id),
            reference: text(reference),
            alts: text(columns.alts),
            skip,
            changes,
            calls,
        }
    }
}

/// Why no allele of a record can be used.
fn whole(columns: &Columns<'_>, genome: &[u8]) -> Option<Skip> {
    let reference = columns.reference;
    if columns.position == 0 {
        return Some(Skip::Telomere);
    }
    if reference.is_empty() || !is_acgt(reference) {
        return Some(Skip::RefNotAcgt);
    }
    if genome.len() < reference.len() {
        return Some(Skip::PastContigEnd);
    }
    let differs = |(g, r): (&u8, &u8)| *g != UNKNOWN && encode::code(*r) != Some(*g);
    if genome.iter().zip(reference).any(differs) {
        return Some(Skip::RefMismatch);
    }
    genome.contains(&UNKNOWN).then_some(Skip::GenomeUnknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(reference: &str, alts: &str) -> Variant {
        let line = format!("chr1\t11\trs1\t{reference}\t{alts}\t.\tPASS\t.\tGT\t0|1");
        let columns = Columns::of(line.as_bytes()).unwrap();
        let genome: Vec<u8> = [0, 1, 2, 3, 0, 1]
            .into_iter()
            .take(reference.len())
            .collect();
        Variant::new(&columns, &genome, Calls::default(), 4)
    }

    #[test]
    fn changes_have_no_shared_base() {
        let check = |reference: &str, alt: &str, start: i64, end: i64, inserted: &[u8]| {
            let found = variant(reference, alt);
            let expected = Change {
                start,
                end,
                inserted: inserted.to_vec(),
            };
            assert_eq!(found.changes, [Ok(Some(expected))], "{reference}>{alt}");
        };
        check("A", "G", 10, 11, &[2]);
        check("a", "gA", 10, 11, &[2, 0]);
        check("A", "ATT", 11, 11, &[3, 3]);
        check("ACG", "A", 11, 13, &[]);
        check("ACGT", "AT", 11, 13, &[]);
        check("AC", "AT", 11, 12, &[3]);
        check("AC", "GT", 10, 12, &[2, 3]);
        check("ACG", "TA", 10, 13, &[3, 0]);
    }

    #[test]
    fn what_cannot_be_used() {
        let found = variant("A", "*,G,<DEL>,.,ATTTTT");
        assert_eq!(found.changes[0], Ok(None));
        assert!(matches!(found.changes[1], Ok(Some(_))));
        assert_eq!(found.changes[2], Err(Skip::Symbolic));
        assert_eq!(found.changes[3], Ok(None));
        assert_eq!(found.changes[4], Err(Skip::TooLong));
        assert_eq!(variant("C", "G").skip, Some(Skip::RefMismatch));
        let wrong = || Err(Skip::RefMismatch);
        assert_eq!(variant("C", "G,T").changes, [wrong(), wrong()]);
        assert_eq!(variant("N", "G").skip, Some(Skip::RefNotAcgt));
        for (line, part) in [
            ("chr1\t5\t.\tA\tC\t.\t.", "7 columns"),
            ("chr1\tx\t.\tA\tC\t.\t.\t.", "POS is \"x\""),
            ("\t5\t.\tA\tC\t.\t.\t.", "CHROM is empty"),
        ] {
            let error = Columns::of(line.as_bytes()).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
    }
}
