//! Writing VCF, bgzip-compressed VCF with its index, or BCF with its index: whole or not at all.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use noodles::core::Position;
use noodles::csi::binning_index::Indexer;
use noodles::csi::binning_index::index::header::Builder as IndexHeader;
use noodles::csi::binning_index::index::reference_sequence::bin::Chunk;
use noodles::csi::binning_index::index::reference_sequence::index::{BinnedIndex, LinearIndex};
use noodles::{bcf, bgzf, csi, tabix, vcf};

use super::VariantError;
use super::header::Header;
use crate::output::WholeFile;

/// What is written, by the name of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Bgzip,
    Bcf,
    /// `-`: text.
    Stdout,
}

impl Format {
    /// # Errors
    /// [`VariantError::Format`].
    pub fn of(path: &Path) -> Result<Self, VariantError> {
        let name = path.to_string_lossy();
        if name == "-" {
            return Ok(Self::Stdout);
        }
        [
            (".vcf", Self::Text),
            (".vcf.gz", Self::Bgzip),
            (".vcf.bgz", Self::Bgzip),
            (".bcf", Self::Bcf),
        ]
        .into_iter()
        .find_map(|(ending, format)| name.ends_with(ending).then_some(format))
        .ok_or_else(|| VariantError::Format(path.into()))
    }
}

/// Where a record ends in a text of several, and what an index needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// End in the text, line end included.
    pub upto: usize,
    /// POS, and the last position of REF (or `INFO/END`); 1-based.
    pub start: u32,
    pub end: u32,
}

enum Out {
    Plain(Box<dyn Write>),
    Bgzip(Box<bgzf::io::Writer<BufWriter<File>>>),
    Bcf {
        writer: Box<bcf::io::Writer<bgzf::io::Writer<BufWriter<File>>>>,
        header: Box<vcf::Header>,
        record: Box<vcf::Record>,
    },
}

/// Largest position that a tabix index and a `.csi` of the usual shape can hold.
const MOST_TABIX: u32 = 1 << 29;

enum Index {
    /// There is none to be made, or the records are not sorted.
    None,
    Tabix(Box<Indexer<LinearIndex>>),
    Csi(Box<Indexer<BinnedIndex>>),
}

/// The output of a job.
pub(super) struct Writer {
    out: Out,
    /// `None` for standard output.
    file: Option<WholeFile>,
    path: PathBuf,
    index: Index,
    /// Contigs in the order of the records (BCF: of the header), and the record's.
    contigs: Vec<String>,
    current: Option<usize>,
    seen: HashSet<String>,
    last: u32,
    sorted: bool,
    records: u64,
}

impl Writer {
    /// Opens the output and writes the header. `longest`: length of the genome's longest contig.
    ///
    /// # Errors
    /// When it cannot be written, or noodles cannot read the header (BCF only).
    pub fn create(path: &Path, header: &Header, longest: u32) -> Result<Self, VariantError> {
        let format = Format::of(path)?;
        let write = |e| VariantError::Write(e, path.into());
        let file = match format {
            Format::Stdout => None,
            _ => Some(WholeFile::create(path)?),
        };
        let buffered = |file: &Option<WholeFile>| -> Result<BufWriter<File>, VariantError> {
            match file {
                Some(file) => Ok(BufWriter::with_capacity(1 << 17, file.file()?)),
                None => Err(write(io::Error::other("no file"))),
            }
        };
        let text = header.text();
        let out = match format {
            Format::Stdout => {
                let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
                out.write_all(text.as_bytes()).map_err(write)?;
                Out::Plain(Box::new(out))
            }
            Format::Text => {
                let mut out = buffered(&file)?;
                out.write_all(text.as_bytes()).map_err(write)?;
                Out::Plain(Box::new(out))
            }
            Format::Bgzip => {
                let mut out = bgzf::io::Writer::new(buffered(&file)?);
                out.write_all(text.as_bytes()).map_err(write)?;
                Out::Bgzip(Box::new(out))
            }
            Format::Bcf => {
                let header: vcf::Header =
                    text.parse()
                        .map_err(|e: vcf::header::ParseError| VariantError::Bcf {
                            record: 0,
                            problem: format!("the header: {e}"),
                        })?;
                let mut writer = bcf::io::Writer::from(bgzf::io::Writer::new(buffered(&file)?));
                writer.write_header(&header).map_err(write)?;
                Out::Bcf {
                    writer: Box::new(writer),
                    header: Box::new(header),
                    record: Box::default(),
                }
            }
        };
        // Each further level of bins holds eight times as much.
        let depth = if longest < MOST_TABIX { 5 } else { 6 };
        let index = match format {
            Format::Bgzip if depth == 5 => Indexer::new(14, depth).map(|i| Index::Tabix(i.into())),
            Format::Bgzip | Format::Bcf => Indexer::new(14, depth).map(|i| Index::Csi(i.into())),
            Format::Text | Format::Stdout => None,
        };
        let contigs = match &out {
            Out::Bcf { header, .. } => header.contigs().keys().map(|k| k.to_string()).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            out,
            file,
            path: path.into(),
            index: index.unwrap_or(Index::None),
            contigs,
            current: None,
            seen: HashSet::new(),
            last: 0,
            sorted: true,
            records: 0,
        })
    }

    /// Appends records.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, text: &[u8], places: &[Place]) -> Result<(), VariantError> {
        let mut from = 0;
        for place in places {
            let line = &text[from..place.upto];
            from = place.upto;
            self.records += 1;
            let end = line.iter().position(|&b| b == b'\t').unwrap_or(0);
            let contig = std::str::from_utf8(&line[..end]).unwrap_or("");
            self.note_order(contig, place.start);
            let before = self.position();
            self.write(line)?;
            self.note_place(place, before)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), VariantError> {
        let fail = |e| VariantError::Write(e, self.path.clone());
        match &mut self.out {
            Out::Plain(out) => out.write_all(line).map_err(fail),
            Out::Bgzip(out) => out.write_all(line).map_err(fail),
            Out::Bcf {
                writer,
                header,
                record,
            } => {
                use vcf::variant::io::Write;
                let number = self.records;
                let bcf = |e: io::Error| match e.kind() {
                    io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => VariantError::Bcf {
                        record: number,
                        problem: e.to_string(),
                    },
                    _ => fail(e),
                };
                vcf::io::Reader::new(line)
                    .read_record(record)
                    .map_err(bcf)?;
                writer.write_variant_record(header, &**record).map_err(bcf)
            }
        }
    }

    fn position(&self) -> bgzf::VirtualPosition {
        match &self.out {
            Out::Plain(_) => bgzf::VirtualPosition::MIN,
            Out::Bgzip(out) => out.virtual_position(),
            Out::Bcf { writer, .. } => writer.get_ref().virtual_position(),
        }
    }

    /// Notices records out of order: by position, or a contig that comes again (for BCF, whose
    /// index counts contigs as the header does: one that comes too late).
    fn note_order(&mut self, contig: &str, start: u32) {
        if !self.sorted {
            return;
        }
        if self.current.is_some_and(|c| self.contigs[c] == contig) {
            self.sorted = start >= self.last;
        } else {
            let number = match &self.out {
                Out::Bcf { .. } => self.contigs.iter().position(|c| c == contig),
                _ => {
                    self.contigs.push(contig.to_owned());
                    Some(self.contigs.len() - 1)
                }
            };
            self.sorted = self.seen.insert(contig.to_owned()) && self.current <= number;
            self.current = number;
        }
        self.last = start;
    }

    fn note_place(
        &mut self,
        place: &Place,
        before: bgzf::VirtualPosition,
    ) -> Result<(), VariantError> {
        if !self.sorted {
            self.index = Index::None;
            return Ok(());
        }
        let after = self.position();
        let Some(reference) = self.current else {
            return Ok(());
        };
        let span = Position::try_from(place.start as usize)
            .and_then(|s| Ok((s, Position::try_from(place.end.max(place.start) as usize)?)));
        let Ok((start, end)) = span else {
            return Ok(());
        };
        let context = Some((reference, start, end, true));
        let added = match &mut self.index {
            Index::None => Ok(()),
            Index::Tabix(indexer) => indexer.add_record(context, Chunk::new(before, after)),
            Index::Csi(indexer) => indexer.add_record(context, Chunk::new(before, after)),
        };
        added.map_err(|e| VariantError::Write(io::Error::other(e), self.path.clone()))
    }

    /// Whether all records so far were sorted.
    pub fn is_sorted(&self) -> bool {
        self.sorted
    }

    /// Completes the output, its index and `others`, and gives them their names. An index of an
    /// earlier output that this one has none for is removed.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn finish(self, others: Vec<WholeFile>) -> Result<Vec<PathBuf>, VariantError> {
        let path = self.path;
        let fail = |e| VariantError::Write(e, path.clone());
        let sync =
            |out: bgzf::io::Writer<BufWriter<File>>| -> io::Result<()> { out.finish()?.flush() };
        match self.out {
            Out::Plain(mut out) => out.flush(),
            Out::Bgzip(out) => sync(*out),
            Out::Bcf { writer, .. } => sync(writer.into_inner()),
        }
        .map_err(fail)?;
        let names: csi::binning_index::index::header::ReferenceSequenceNames =
            self.contigs.iter().map(|c| c.as_str().into()).collect();
        let header = || {
            IndexHeader::vcf()
                .set_reference_sequence_names(names.clone())
                .build()
        };
        let index = match self.index {
            Index::None => None,
            Index::Tabix(indexer) => {
                let whole = WholeFile::create(&added(&path, "tbi"))?;
                let index = indexer.set_header(header()).build(names.len());
                let mut writer = tabix::io::Writer::new(BufWriter::new(whole.file()?));
                writer.write_index(&index).map_err(fail)?;
                sync(writer.into_inner()).map_err(fail)?;
                Some(whole)
            }
            Index::Csi(indexer) => {
                let whole = WholeFile::create(&added(&path, "csi"))?;
                let bcf = path.extension().is_some_and(|e| e == "bcf");
                let indexer = match bcf {
                    // A BCF's contigs are numbered by its header.
                    true => *indexer,
                    false => indexer.set_header(header()),
                };
                let index = indexer.build(names.len());
                let mut writer = csi::io::Writer::new(BufWriter::new(whole.file()?));
                writer.write_index(&index).map_err(fail)?;
                sync(writer.into_inner()).map_err(fail)?;
                Some(whole)
            }
        };
        let Some(file) = self.file else {
            return Ok(others
                .into_iter()
                .map(WholeFile::keep)
                .collect::<Result<_, _>>()?);
        };
        for ending in ["tbi", "csi"] {
            let stale = added(&path, ending);
            let replaced = index.as_ref().is_some_and(|i| i.path() == stale);
            if !replaced && stale.exists() {
                std::fs::remove_file(&stale).map_err(|e| VariantError::Write(e, stale.clone()))?;
            }
        }
        let mut kept = vec![file.keep()?];
        for file in index.into_iter().chain(others) {
            kept.push(file.keep()?);
        }
        Ok(kept)
    }
}

fn added(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
