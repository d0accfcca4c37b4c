//! Records of another build, lifted to that of the FASTA before anything else is read of them.
//!
//! A record of a VCF is lifted where all bases of its REF are aligned one after the other by one chain,
//! and the new genome has REF there. Positions of a BED are lifted each by itself.

mod alleles;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use self::alleles::{Alleles, Bases, everywhere, spelled};
use super::info;
use super::input::Piece;
use super::records::Reader;
use super::{VariantError, VariantsConfig};
use crate::Error;
use crate::genome::{Aliases, ContigId, Contigs, Fasta, FastaReader, Interval};
use crate::input::bed;
use crate::liftover::{Chains, LiftoverConfig, Lost, Tally};
use crate::vcf::{Header, info_line};

/// INFO field of a lifted record: where it comes from.
pub(super) const FROM: &str = "MPRA_LIFT_FROM";
/// INFO field of a record that was not lifted: why.
pub(super) const LOST: &str = "MPRA_LIFT_LOST";

/// Bases that are read of the genome at a time.
const CHUNK: u32 = 1 << 15;

/// Why a record is not lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reject {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("REF differs from the new genome")]
    RefDiffers,
    #[error("REF and ALT swapped in the new build")]
    Swapped,
    #[error("Indel at a gap of the alignment")]
    Gap,
    #[error("Symbolic allele or breakend")]
    Symbolic,
    #[error("END is not that of REF")]
    End,
    #[error("REF or ALT is no bases")]
    NoBases,
    #[error("No base there")]
    NoBase,
}

/// Whether a reason says that the genome is not what REF says.
pub(super) fn differs(reason: &str) -> bool {
    [Reject::RefDiffers, Reject::Swapped]
        .iter()
        .any(|reject| reject.to_string() == reason)
}

/// The definition of [`FROM`].
pub(super) fn from_line() -> String {
    let text = "Where the record stood before it was lifted to the build of the FASTA: contig:position:strand, the strand of the new build that its bases lie on";
    info_line(FROM, "1", "String", text)
}

/// The definition of [`LOST`].
fn lost_line() -> String {
    let text = "Why the record was not lifted to the build of the FASTA";
    info_line(LOST, "1", "String", text)
}

/// Where records go that are not lifted: beside the output, unless a file is named.
///
/// # Errors
/// When the output is standard output and no file is named.
pub(super) fn rejects_path(config: &VariantsConfig) -> Result<Option<PathBuf>, VariantError> {
    let ending = match config.source {
        super::VariantSource::Vcf(_) => "vcf",
        super::VariantSource::Bed(_) => "bed",
    };
    let endings = [".vcf.gz", ".vcf.bgz", ".vcf", ".bcf"];
    beside(config.liftover.as_ref(), &config.out, &endings, ending)
}

/// The file for what is not lifted: the one that is named, or the output's name without one of `endings` and with
/// `.rejected` and its own ending.
///
/// # Errors
/// When the output is standard output and no file is named.
pub(super) fn beside(
    liftover: Option<&LiftoverConfig>,
    out: &Path,
    endings: &[&str],
    ending: &str,
) -> Result<Option<PathBuf>, VariantError> {
    let Some(liftover) = liftover else {
        return Ok(None);
    };
    if let Some(path) = &liftover.rejects {
        return Ok(Some(path.clone()));
    }
    let name = out.to_string_lossy();
    if name == "-" {
        let text = "--out -: --rejects FILE must say where what cannot be lifted goes";
        return Err(VariantError::Setting(text.into()));
    }
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    let path = format!("{}.rejected.{ending}", stem.unwrap_or(&name));
    Ok(Some(path.into()))
}

/// The header of the records that are not lifted; nothing for a BED.
pub(super) fn rejects_header(header: Option<&Header>) -> Vec<u8> {
    let Some(header) = header else {
        return Vec::new();
    };
    let mut header = header.clone();
    header.without_numbers();
    header.replace(&[LOST.to_owned()], vec![lost_line()]);
    header.text()
}

/// Reads the chain file, and compares its builds with those of the FASTA and of a VCF's header.
///
/// # Errors
/// When it cannot be read, or leads from the build of the FASTA.
pub(super) fn open(
    path: &Path,
    aliases: &Aliases,
    fasta: &Fasta,
    header: Option<&Header>,
) -> Result<Chains, Error> {
    let chains = Chains::read(path, aliases).map_err(VariantError::from)?;
    chains.check(fasta.path(), fasta.contigs())?;
    let listed: Vec<(&str, u32)> = header.map(|h| h.contigs().collect()).unwrap_or_default();
    let alike = |side: &Contigs| {
        let length = |name: &str| Some(side.get(aliases.resolve(name, side)?).length);
        listed.iter().any(|(name, l)| length(name) == Some(*l))
    };
    if alike(chains.targets()) && !alike(chains.sources()) {
        tracing::warn!(
            "the variants' header is of the build that {} leads to: are they lifted already?",
            path.display()
        );
    }
    Ok(chains)
}

/// A lifted piece, and what was lost of it.
#[derive(Debug, Default)]
pub(super) struct LiftedPiece {
    pub piece: Piece,
    /// Lines of the file of rejects.
    pub rejects: Vec<u8>,
    pub lost: Tally,
    /// The first contig that the chain file does not know.
    pub unknown: Option<String>,
}

/// One thread's lift.
pub(super) struct Lifter<'a> {
    chains: &'a Chains,
    aliases: &'a Aliases,
    genome: Genome,
    own: [Vec<u8>; 2],
}

impl<'a> Lifter<'a> {
    /// # Errors
    /// When the FASTA cannot be opened.
    pub fn new(chains: &'a Chains, aliases: &'a Aliases, fasta: &Fasta) -> Result<Self, Error> {
        Ok(Self {
            chains,
            aliases,
            genome: Genome {
                reader: fasta.reader()?,
                fasta: fasta.clone(),
                checked: HashSet::new(),
                contig: 0,
                start: 0,
                codes: Vec::new(),
            },
            own: [FROM, LOST].map(|name| name.as_bytes().to_vec()),
        })
    }

    /// Lifts lines of a VCF, or rows of a BED, which become a row for each of their positions.
    ///
    /// # Errors
    /// At a line that is none, and when the genome cannot be read.
    pub fn piece(
        &mut self,
        piece: &Piece,
        reader: &Reader<'_>,
        is_bed: bool,
    ) -> Result<LiftedPiece, Error> {
        let mut out = LiftedPiece::default();
        for (number, line) in piece.records() {
            match is_bed {
                true => self.bed((number, line), reader, &mut out)?,
                false => self.vcf((number, line), reader, &mut out)?,
            }
        }
        Ok(out)
    }

    /// The contig of the FASTA that one of the chain file is.
    fn target(&self, contig: &str) -> Result<ContigId, Lost> {
        let id = self.aliases.resolve(contig, self.genome.fasta.contigs());
        id.ok_or(Lost::NotInFasta)
    }

    fn vcf(
        &mut self,
        (number, line): (u64, &[u8]),
        reader: &Reader<'_>,
        out: &mut LiftedPiece,
    ) -> Result<(), Error> {
        let ends = reader.columns(number, line)?;
        let field = |i: usize| {
            let from = if i == 0 { 0 } else { ends[i - 1] + 1 };
            &line[from..ends[i]]
        };
        let start = reader.position(number, line, field(1))?;
        let alts: Vec<&[u8]> = field(4).split(|&b| b == b',').collect();
        let contig = String::from_utf8_lossy(field(0));
        let info = field(7);
        let found = self.record(&contig, start, (field(3), &alts), info)?;
        let (id, minus, alleles) = match found {
            Ok(found) => found,
            Err(reject) => {
                out.lose(reject, &contig);
                let rejects = &mut out.rejects;
                rejects.extend_from_slice(&line[..ends[6] + 1]);
                let before = rejects.len();
                info::keep(info, &self.own, rejects);
                separate(rejects, before);
                let word = reject.to_string().replace(' ', "_");
                // Writing to memory cannot fail.
                let _ = write!(rejects, "{LOST}={word}");
                rejects.extend_from_slice(&line[ends[7]..]);
                rejects.push(b'\n');
                return Ok(());
            }
        };
        let mut new = Vec::with_capacity(line.len() + 48);
        let name = &self.genome.fasta.contigs().get(id).name;
        let _ = write!(new, "{name}\t{}\t", alleles.start + 1);
        new.extend_from_slice(field(2));
        new.push(b'\t');
        new.extend_from_slice(&alleles.reference);
        new.push(b'\t');
        new.extend_from_slice(&alleles.alts.join(&b','));
        new.extend_from_slice(&line[ends[4]..ends[6] + 1]);
        let before = new.len();
        let mut without = self.own.to_vec();
        let end = info::end(info);
        if end.is_some() {
            without.push(b"END".to_vec());
        }
        info::keep(info, &without, &mut new);
        if end.is_some() {
            separate(&mut new, before);
            let _ = write!(
                new,
                "END={}",
                alleles.start as usize + alleles.reference.len()
            );
        }
        separate(&mut new, before);
        push_from(&mut new, &contig, start, minus);
        new.extend_from_slice(&line[ends[7]..]);
        out.piece.push(number, &new, 0);
        Ok(())
    }

    /// Where a record lies in the new build.
    #[allow(clippy::type_complexity)] // the outer error ends the job, the inner one the record
    fn record(
        &mut self,
        contig: &str,
        start: u32,
        (reference, alts): (&[u8], &[&[u8]]),
        info: &[u8],
    ) -> Result<Result<(ContigId, bool, Alleles), Reject>, Error> {
        let first = match start.checked_sub(1) {
            Some(first) => first,
            None => return Ok(Err(Reject::NoBase)),
        };
        if !spelled(reference) {
            return Ok(Err(Reject::NoBases));
        }
        let odd = alts.iter().find(|alt| !spelled(alt) && !everywhere(alt));
        if let Some(alt) = odd {
            let symbolic = alt.iter().any(|b| b"<[].".contains(b));
            return Ok(Err(match symbolic {
                true => Reject::Symbolic,
                false => Reject::NoBases,
            }));
        }
        let end = first.saturating_add(reference.len() as u32);
        if info::end(info).is_some_and(|told| told != end) {
            return Ok(Err(Reject::End));
        }
        let bases = Interval::new(first, end).unwrap_or_default();
        let found = self.chains.span(contig, bases);
        let found = found.and_then(|span| Ok((self.target(span.contig)?, span)));
        let (id, span) = match found {
            Ok(found) => found,
            Err(lost) => return Ok(Err(lost.into())),
        };
        self.genome.turn_to(id)?;
        let alleles = Alleles::lifted(reference, alts, &span, &mut self.genome)?;
        Ok(alleles.map(|alleles| (id, span.minus, alleles)))
    }

    fn bed(
        &mut self,
        (number, line): (u64, &[u8]),
        reader: &Reader<'_>,
        out: &mut LiftedPiece,
    ) -> Result<(), Error> {
        let Some(fields) = bed::Fields::of(line) else {
            return Ok(());
        };
        let row = reader.bed_row(number, line, &fields)?;
        let contig = &*String::from_utf8_lossy(row.contig);
        let name = row.name.unwrap_or(b".");
        if row.start == row.end {
            out.lose_row(Reject::NoBase, line);
        }
        // Neighbours that are lost for the same reason are one row.
        let mut lost: Option<(Lost, u32)> = None;
        for at in row.start..=row.end {
            let found = match at < row.end {
                true => (self.chains.position(contig, at))
                    .and_then(|new| Ok((self.target(new.contig)?, new)))
                    .map_err(Some),
                false => Err(None),
            };
            let why = found.err().flatten();
            if let Some((before, from)) = lost.filter(|(before, _)| Some(*before) != why) {
                match (from, at) == (row.start, row.end) {
                    true => out.lose_row(before.into(), line),
                    false => {
                        let mut part = format!("{contig}\t{from}\t{at}\t").into_bytes();
                        part.extend_from_slice(name);
                        out.lose_row(before.into(), &part);
                    }
                }
                lost = None;
            }
            if let Some(why) = why {
                lost.get_or_insert((why, at));
                out.lose(why.into(), contig);
            }
            let Ok((id, new)) = found else { continue };
            let target = &self.genome.fasta.contigs().get(id).name;
            let (from, to) = (new.position, new.position + 1);
            let mut text = format!("{target}\t{from}\t{to}\t").into_bytes();
            text.extend_from_slice(name);
            text.push(b'\t');
            push_from(&mut text, contig, at + 1, new.minus);
            out.piece.push(number, &text, to);
        }
        Ok(())
    }
}

impl LiftedPiece {
    /// Counts a record, or a position, that is lost.
    fn lose(&mut self, reject: Reject, contig: &str) {
        self.lost.add(reject);
        if reject == Reject::Lost(Lost::UnknownContig) {
            self.unknown.get_or_insert_with(|| contig.to_owned());
        }
    }

    /// Keeps a row of a BED.
    fn lose_row(&mut self, reject: Reject, row: &[u8]) {
        let _ = writeln!(self.rejects, "#{reject}");
        self.rejects.extend_from_slice(row);
        self.rejects.push(b'\n');
        if reject == Reject::NoBase {
            self.lost.add(reject);
        }
    }
}

/// Begins another entry of INFO.
fn separate(line: &mut Vec<u8>, begin: usize) {
    if line.len() > begin && !line.ends_with(b";") {
        line.push(b';');
    }
}

/// Where a record stood, 1-based.
fn push_from(line: &mut Vec<u8>, contig: &str, position: u32, minus: bool) {
    let sound = |c: char| match ";=,".contains(c) || c.is_whitespace() {
        true => '_',
        false => c,
    };
    let contig: String = contig.chars().map(sound).collect();
    let strand = if minus { '-' } else { '+' };
    // Writing to memory cannot fail.
    let _ = write!(line, "{FROM}={contig}:{position}:{strand}");
}

/// The new genome, a stretch of one contig at a time.
struct Genome {
    fasta: Fasta,
    reader: FastaReader,
    /// Contigs whose index was compared with the FASTA.
    checked: HashSet<ContigId>,
    contig: ContigId,
    /// The stretch that is in memory.
    start: u32,
    codes: Vec<u8>,
}

impl Genome {
    fn turn_to(&mut self, contig: ContigId) -> Result<(), Error> {
        if self.checked.insert(contig) {
            self.fasta.check_contig(&mut self.reader, contig)?;
        }
        if self.contig != contig {
            self.contig = contig;
            self.codes.clear();
        }
        Ok(())
    }
}

impl Bases for Genome {
    fn codes(&mut self, from: u32, to: u32) -> Result<&[u8], Error> {
        let held = self.start..=self.start.saturating_add(self.codes.len() as u32);
        if self.codes.is_empty() || !held.contains(&from) || !held.contains(&to) {
            // Repeats are followed to the left, too.
            let start = from.saturating_sub(CHUNK / 8);
            let length = (to - start).saturating_add(CHUNK) as usize;
            self.codes.clear();
            let (contig, codes) = (self.contig, &mut self.codes);
            self.reader.fetch(contig, i64::from(start), length, codes)?;
            self.start = start;
        }
        let at = |position: u32| (position - self.start) as usize;
        Ok(&self.codes[at(from)..at(to)])
    }

    fn length(&self) -> u32 {
        self.fasta.contigs().get(self.contig).length
    }
}
