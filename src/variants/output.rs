//! Writing VCF, bgzip-compressed VCF with its index, or BCF with its index: whole or not at all.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use noodles::core::Position;
use noodles::csi::binning_index::Indexer;
use noodles::csi::binning_index::index::header::Builder as IndexHeader;
use noodles::csi::binning_index::index::reference_sequence::bin::Chunk;
use noodles::csi::binning_index::index::reference_sequence::index::{BinnedIndex, LinearIndex};
use noodles::{bgzf, csi, tabix};
use serde::{Deserialize, Serialize};

use super::VariantError;
use crate::output::{WholeFile, stdout};
use crate::vcf::{Dictionary, Header, Record};

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

/// Where a record ends among several, and what an index needs to know of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// End in their bytes, line end included.
    pub upto: usize,
    /// POS, and the last position of REF (or `INFO/END`); 1-based.
    pub start: u32,
    pub end: u32,
}

enum Out {
    Plain(Box<dyn Write>),
    Bgzip(Box<bgzf::io::Writer<BufWriter<File>>>),
}

/// Bits of the smallest bins of an index, and levels of bins above them where all positions lie
/// below 2^29, as in a tabix index. Each further level holds eight times as much.
const SHIFT: u8 = 14;
const DEPTH: u8 = 5;
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
    /// Largest position that the index holds.
    most: u32,
    contigs: Contigs,
    current: Option<usize>,
    seen: HashSet<usize>,
    last: u32,
    sorted: bool,
}

/// How contigs are numbered in the index.
enum Contigs {
    /// In the order of the records.
    Text {
        names: Vec<Vec<u8>>,
        numbers: HashMap<Vec<u8>, usize>,
    },
    /// As in the header, which has so many.
    Bcf(usize),
}

impl Writer {
    /// Opens the output and writes the header. `names`: those of a BCF's header. `longest`: length
    /// of the genome's longest contig.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(
        path: &Path,
        header: &Header,
        names: Option<&Dictionary>,
        longest: u32,
        replace: bool,
    ) -> Result<Self, VariantError> {
        let format = Format::of(path)?;
        let write = |e| VariantError::Write(e, path.into());
        let file = match format {
            Format::Stdout => None,
            _ => Some(WholeFile::create(path, replace)?),
        };
        let mut out = match &file {
            None => Out::Plain(Box::new(BufWriter::with_capacity(1 << 16, stdout()?))),
            Some(file) => {
                let out = BufWriter::with_capacity(1 << 17, file.file()?);
                match format {
                    Format::Text => Out::Plain(Box::new(out)),
                    _ => Out::Bgzip(Box::new(bgzf::io::Writer::new(out))),
                }
            }
        };
        let text = match names {
            None => header.text(),
            Some(_) => bcf_header(header).map_err(write)?,
        };
        out.write_all(&text).map_err(write)?;
        let depth = if longest < MOST_TABIX {
            DEPTH
        } else {
            DEPTH + 1
        };
        let index = match format {
            Format::Bgzip if depth == DEPTH => {
                Indexer::new(SHIFT, depth).map(|i| Index::Tabix(i.into()))
            }
            Format::Bgzip | Format::Bcf => Indexer::new(SHIFT, depth).map(|i| Index::Csi(i.into())),
            Format::Text | Format::Stdout => None,
        };
        let contigs = match names {
            Some(names) => Contigs::Bcf(names.contigs()),
            None => Contigs::Text {
                names: Vec::new(),
                numbers: HashMap::new(),
            },
        };
        Ok(Self {
            out,
            file,
            path: path.into(),
            index: index.unwrap_or(Index::None),
            most: if depth == DEPTH { MOST_TABIX } else { u32::MAX },
            contigs,
            current: None,
            seen: HashSet::new(),
            last: 0,
            sorted: true,
        })
    }

    /// Appends records.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, bytes: &[u8], places: &[Place]) -> Result<(), VariantError> {
        let mut from = 0;
        for place in places {
            let record = &bytes[from..place.upto];
            from = place.upto;
            self.note_order(record, place.start);
            let before = self.position();
            let written = self.out.write_all(record);
            written.map_err(|e| VariantError::Write(e, self.path.clone()))?;
            self.note_place(place, before)?;
        }
        Ok(())
    }

    fn position(&self) -> bgzf::VirtualPosition {
        match &self.out {
            Out::Plain(_) => bgzf::VirtualPosition::MIN,
            Out::Bgzip(out) => out.virtual_position(),
        }
    }

    /// Notices records out of order: by position, or a contig that comes again (for BCF, whose
    /// index counts contigs as the header does: one that comes too late).
    fn note_order(&mut self, record: &[u8], start: u32) {
        if !self.sorted {
            return;
        }
        let number = self.contigs.number(record, self.current);
        self.sorted = match number == self.current {
            true => start >= self.last,
            false => number.is_some_and(|n| self.seen.insert(n)) && self.current <= number,
        };
        self.current = number;
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
        // A telomere's 0 is found at 1, as by tabix.
        let first = place.start.max(1);
        let last = place.end.max(first);
        if last > self.most && !matches!(self.index, Index::None) {
            tracing::warn!(
                "a record reaches position {last}, which the index of a genome like this does not hold: there is none"
            );
            self.index = Index::None;
        }
        let span = Position::try_from(first as usize)
            .and_then(|s| Ok((s, Position::try_from(last as usize)?)));
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
        }
        .map_err(fail)?;
        // A BCF's contigs are numbered by its header, which has their names.
        let (count, header) = match self.contigs {
            Contigs::Bcf(count) => (count, None),
            Contigs::Text { names, .. } => {
                let count = names.len();
                let names = names.into_iter().map(Into::into).collect();
                let header = IndexHeader::vcf().set_reference_sequence_names(names);
                (count, Some(header.build()))
            }
        };
        let index = match self.index {
            Index::None => None,
            Index::Tabix(indexer) => {
                let whole = WholeFile::create(&added(&path, "tbi"), true)?;
                let indexer = match header {
                    Some(header) => indexer.set_header(header),
                    None => *indexer,
                };
                let index = indexer.build(count);
                let mut writer = tabix::io::Writer::new(BufWriter::new(whole.file()?));
                writer.write_index(&index).map_err(fail)?;
                sync(writer.into_inner()).map_err(fail)?;
                Some(whole)
            }
            Index::Csi(indexer) => {
                let whole = WholeFile::create(&added(&path, "csi"), true)?;
                let indexer = match header {
                    Some(header) => indexer.set_header(header),
                    None => *indexer,
                };
                let index = indexer.build(count);
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

impl Out {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Bgzip(out) => out.write_all(bytes),
        }
    }
}

impl Contigs {
    /// The number of a record's contig; `current` is the last record's.
    fn number(&mut self, record: &[u8], current: Option<usize>) -> Option<usize> {
        let (names, numbers) = match self {
            Self::Bcf(_) => return usize::try_from(Record::new(record).ok()?.contig()).ok(),
            Self::Text { names, numbers } => (names, numbers),
        };
        let end = record.iter().position(|&b| b == b'\t').unwrap_or(0);
        let name = &record[..end];
        if current.is_some_and(|c| names[c] == name) {
            return current;
        }
        let known = numbers.get(name).copied();
        Some(known.unwrap_or_else(|| {
            names.push(name.to_vec());
            numbers.insert(name.to_vec(), names.len() - 1);
            names.len() - 1
        }))
    }
}

/// The head of a BCF 2.2: its header, as text that ends with a zero byte.
fn bcf_header(header: &Header) -> io::Result<Vec<u8>> {
    let text = header.text();
    let length = u32::try_from(text.len() + 1)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a header of 4 GB or more"))?;
    let mut head = b"BCF\x02\x02".to_vec();
    head.extend(length.to_le_bytes());
    head.extend(text);
    head.push(0);
    Ok(head)
}

/// A file's name with a dot and an ending.
pub(super) fn added(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
