use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noodles::bgzf;
use noodles::fasta::fai::Record;
use twobit::TwoBitPhysicalFile;

use super::fai;
use super::{Contig, ContigId, Contigs, GenomeError, two_bit};
use crate::encode::{self, UNKNOWN};
use crate::input::{BGZF_EOF, InputError};

/// Where the contig table came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexSource {
    /// The `.fai` beside the FASTA.
    File,
    /// Built in memory by reading the FASTA once.
    Built,
}

#[derive(Clone, Debug)]
enum Storage {
    Plain,
    Bgzf(Arc<bgzf::gzi::Index>),
    TwoBit,
}

/// A FASTA with its index, plain or bgzip-compressed, or UCSC's .2bit, which is an index of itself. Holds no sequence;
/// [`Fasta::reader`] opens it for reading by region, once a thread.
#[derive(Clone, Debug)]
pub struct Fasta {
    path: PathBuf,
    storage: Storage,
    records: Arc<Vec<Record>>,
    contigs: Arc<Contigs>,
    source: IndexSource,
}

impl Fasta {
    /// Opens a FASTA and its index (`<path>.fai`, for bgzip also `<path>.gzi`). A missing index is
    /// built in memory by one pass over the file; with `write_index` it is also written beside it.
    ///
    /// # Errors
    /// When a file cannot be read, is gzip but not bgzip, is truncated, has no contigs, one name
    /// twice or a contig longer than 2^31 - 1 bases, or does not match its index.
    pub fn open(path: &Path, write_index: bool) -> Result<Self, GenomeError> {
        let open_error = |e| GenomeError::Open(e, path.into());
        // Opening a pipe would wait for its writer, for nothing.
        if !path.metadata().map_err(open_error)?.is_file() {
            return Err(InputError::Pipe {
                path: path.into(),
                format: "FASTA",
            }
            .into());
        }
        let mut file = File::open(path).map_err(open_error)?;
        let read_error = |e| GenomeError::Read(e, path.into());
        let mut magic = Vec::new();
        file.by_ref()
            .take(18)
            .read_to_end(&mut magic)
            .map_err(read_error)?;
        if two_bit::MAGIC.iter().any(|m| magic.starts_with(m)) {
            return Self::two_bit(path);
        }
        let storage = if magic.starts_with(&[0x1f, 0x8b]) {
            // A bgzip block is a gzip member with an extra field named BC.
            if magic.len() < 18 || magic[3] & 4 == 0 || &magic[12..14] != b"BC" {
                return Err(GenomeError::PlainGzip(path.into()));
            }
            check_bgzf_end(&mut file, path)?;
            Storage::Bgzf(Arc::new(read_or_build_gzi(path, write_index)?))
        } else {
            Storage::Plain
        };

        let fai_path = added_extension(path, "fai");
        let (records, source) = if fai_path.exists() {
            warn_if_older(&fai_path, path);
            let records = fai::read(&fai_path)?;
            if records.is_empty() {
                return Err(GenomeError::EmptyIndex(fai_path));
            }
            (records, IndexSource::File)
        } else {
            tracing::info!("no {}: indexing {}", fai_path.display(), path.display());
            (build_fai(path, &storage)?, IndexSource::Built)
        };

        let content = |problem: String| GenomeError::FastaContent {
            path: path.into(),
            problem,
        };
        if records.iter().all(|r| r.length() == 0) {
            return Err(content("it has no sequence".into()));
        }
        let contigs = contigs(
            path,
            records.iter().map(|record| {
                let name = String::from_utf8_lossy(record.name()).into_owned();
                (name, record.length())
            }),
        )?;
        let fasta = Self {
            path: path.into(),
            storage,
            records: Arc::new(records),
            contigs: Arc::new(contigs),
            source,
        };
        match source {
            IndexSource::File => fasta.check_size(&file)?,
            // Only now that it is known to be sound.
            IndexSource::Built if write_index => {
                let text = fai::to_text(&fasta.records)
                    .map_err(|e| GenomeError::Write(e, fai_path.clone()))?;
                fai::write_index(&fai_path, &text)?;
                tracing::info!("wrote {}", fai_path.display());
            }
            IndexSource::Built => {}
        }
        Ok(fasta)
    }

    /// Opens a .2bit.
    fn two_bit(path: &Path) -> Result<Self, GenomeError> {
        let file = two_bit::open(path)?;
        let list = || Ok((file.chrom_names(), file.chrom_sizes()));
        let (names, sizes) = two_bit::read(path, list)?;
        let names = names.into_iter();
        let sizes = sizes.into_iter().map(|size| size as u64);
        Ok(Self {
            path: path.into(),
            storage: Storage::TwoBit,
            records: Arc::default(),
            contigs: Arc::new(contigs(path, names.zip(sizes))?),
            source: IndexSource::File,
        })
    }

    /// Whether it is UCSC's .2bit.
    pub fn is_two_bit(&self) -> bool {
        matches!(self.storage, Storage::TwoBit)
    }

    /// The file's path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contigs in file order.
    pub fn contigs(&self) -> &Arc<Contigs> {
        &self.contigs
    }

    /// Where the contig table came from.
    pub fn index_source(&self) -> IndexSource {
        self.source
    }

    /// A reader with its own file handle.
    pub fn reader(&self) -> Result<FastaReader, GenomeError> {
        let file = File::open(&self.path).map_err(|e| GenomeError::Open(e, self.path.clone()))?;
        let handle = match &self.storage {
            Storage::Plain => Handle::Plain(file),
            Storage::Bgzf(index) => {
                Handle::Bgzf(Box::new(bgzf::io::Reader::new(file)), index.clone())
            }
            Storage::TwoBit => Handle::TwoBit(Box::new(two_bit::open(&self.path)?)),
        };
        Ok(FastaReader {
            fasta: self.clone(),
            handle,
            raw: Vec::new(),
        })
    }

    /// Compares the header line and the end of a contig with what the index says of them.
    ///
    /// # Errors
    /// [`GenomeError::IndexMismatch`] when they differ.
    pub fn check_contig(&self, reader: &mut FastaReader, id: ContigId) -> Result<(), GenomeError> {
        if self.is_two_bit() {
            // Its places stand in the file itself.
            return Ok(());
        }
        let record = &self.records[id as usize];
        let name = &self.contigs.get(id).name;
        // Header: the line before the first base must be this contig's.
        let before = record.position().min(1024);
        let mut head = vec![0; before as usize];
        reader.read_at(record.position() - before, &mut head)?;
        let Some(line) = head.strip_suffix(b"\n") else {
            return Err(self.mismatch(format!("contig {name:?} does not start on a new line")));
        };
        let line_start = line.iter().rposition(|&b| b == b'\n').map(|i| i + 1);
        // A header longer than what was read cannot be compared; the sequence checks remain.
        if line_start.is_some() || before == record.position() {
            let line = &line[line_start.unwrap_or(0)..];
            let found = line.strip_prefix(b">").map(fai::name_in);
            if found != Some(name.as_bytes()) {
                return Err(self.mismatch(format!(
                    "contig {name:?} should start after its header line, which reads {:?}",
                    String::from_utf8_lossy(&line[..line.len().min(60)])
                )));
            }
        }
        // End: the last base is a letter, and after it come only blanks and line ends, then a header
        // or nothing. As many bytes as lead to a next line's first base would show it.
        let mut tail = Vec::new();
        let back = record.length().min(1);
        let behind = fai::gap(record).max(2) + 1;
        reader.read_up_to(fai::end(record) - back, behind + back, &mut tail)?;
        if back == 1 && tail.first().is_none_or(|b| encode::code(*b).is_none()) {
            return Err(self.mismatch(format!(
                "contig {name:?} has no base where its last one of {} should be",
                record.length()
            )));
        }
        let tail = &tail[back as usize..];
        let rest = tail.iter().position(|&b| !fai::is_blank(b));
        if rest.is_some_and(|i| tail[i] != b'>') {
            return Err(self.mismatch(format!(
                "contig {name:?} goes on after the {} bases that the index gives it",
                record.length()
            )));
        }
        Ok(())
    }

    /// Bounds what the index can make a reader take into memory by what there is.
    fn check_size(&self, file: &File) -> Result<(), GenomeError> {
        let needed = self.records.iter().map(fai::end).max().unwrap_or(0);
        let size = match &self.storage {
            Storage::Plain => file
                .metadata()
                .map_err(|e| GenomeError::Read(e, self.path.clone()))?
                .len(),
            // The last block's start, and the most that it holds.
            Storage::Bgzf(index) => {
                let last = (**index).as_ref().last().map_or(0, |block| block.1);
                last.saturating_add(1 << 16)
            }
            Storage::TwoBit => return Ok(()),
        };
        if size < needed {
            let most = match self.storage {
                Storage::Bgzf(_) => "at most ",
                Storage::Plain | Storage::TwoBit => "",
            };
            return Err(self.mismatch(format!(
                "the index describes {needed} bytes, the file has {most}{size}: it is truncated or another file"
            )));
        }
        Ok(())
    }

    fn mismatch(&self, problem: String) -> GenomeError {
        GenomeError::IndexMismatch {
            path: self.path.clone(),
            index: match self.source {
                IndexSource::File => added_extension(&self.path, "fai").display().to_string(),
                IndexSource::Built => "(built in memory)".into(),
            },
            problem,
        }
    }
}

enum Handle {
    Plain(File),
    Bgzf(Box<bgzf::io::Reader<File>>, Arc<bgzf::gzi::Index>),
    TwoBit(Box<TwoBitPhysicalFile>),
}

/// Reads sequence of a [`Fasta`] by region.
pub struct FastaReader {
    fasta: Fasta,
    handle: Handle,
    raw: Vec<u8>,
}

impl FastaReader {
    /// Appends the base codes (see [`crate::encode`]) of the positions `[start, start + len)` of a
    /// contig to `codes`. Positions outside the contig are unknown bases, so `start` may be
    /// negative and the end may lie past the contig's.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else than sequence where the index says
    /// there is sequence.
    pub fn fetch(
        &mut self,
        id: ContigId,
        start: i64,
        len: usize,
        codes: &mut Vec<u8>,
    ) -> Result<(), GenomeError> {
        let length = i64::from(self.fasta.contigs.get(id).length);
        let target = codes.len() + len;
        let from = start.clamp(0, length);
        let to = (start + len as i64).clamp(from, length);
        let known_from = codes.len() + (from - start).clamp(0, len as i64) as usize;
        codes.resize(known_from, UNKNOWN);
        if let Handle::TwoBit(file) = &mut self.handle {
            if to > from {
                let name = &self.fasta.contigs.get(id).name;
                let bases = from as usize..to as usize;
                let letters = two_bit::read(&self.fasta.path, || file.read_sequence(name, bases))?;
                // Its letters are A, C, G, T and N.
                encode::push_codes(letters.as_bytes(), codes);
            }
            codes.resize(target, UNKNOWN);
            return Ok(());
        }
        if to > from {
            let record = self.fasta.records[id as usize].clone();
            let first = fai::offset_of(&record, from as u64);
            let last = fai::offset_of(&record, to as u64 - 1);
            let mut raw = std::mem::take(&mut self.raw);
            raw.resize((last - first + 1) as usize, 0);
            self.read_at(first, &mut raw)?;
            let line_bases = record.line_base_count().get();
            let line_end = fai::gap(&record) as usize;
            let mut left = &raw[..];
            // Bases until the first line end, then whole lines.
            let mut room = (line_bases - from as u64 % line_bases) as usize;
            while !left.is_empty() {
                let (line, rest) = left.split_at(room.min(left.len()));
                let clean = encode::push_codes(line, codes);
                let (gap, rest) = rest.split_at(line_end.min(rest.len()));
                if !clean || !ends_line(gap) {
                    let name = &self.fasta.contigs.get(id).name;
                    let odd = line.iter().find(|&&b| encode::code(b).is_none());
                    return Err(match odd {
                        Some(b) if !b"\r\n>".contains(b) => GenomeError::FastaContent {
                            path: self.fasta.path.clone(),
                            problem: format!(
                                "contig {name:?} has {:?}, which is no base, between bases {from} and {to} (0-based)",
                                char::from(*b)
                            ),
                        },
                        _ => self.fasta.mismatch(format!(
                            "contig {name:?} has lines of another length between bases {from} and {to} (0-based)"
                        )),
                    });
                }
                left = rest;
                room = line_bases as usize;
            }
            self.raw = raw;
        }
        codes.resize(target, UNKNOWN);
        Ok(())
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.handle {
            Handle::Plain(file) => file.seek(SeekFrom::Start(offset)).map(drop),
            Handle::Bgzf(reader, index) => reader
                .seek_by_uncompressed_position(index, offset)
                .map(drop),
            Handle::TwoBit(_) => Ok(()),
        }
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), GenomeError> {
        let result = self.seek(offset).and_then(|()| match &mut self.handle {
            Handle::Plain(file) => file.read_exact(buffer),
            Handle::Bgzf(reader, _) => reader.read_exact(buffer),
            Handle::TwoBit(_) => Err(io::ErrorKind::Unsupported.into()),
        });
        match result {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(self.fasta.mismatch(
                "the file ends before the sequence that the index describes: it is truncated or another file"
                    .into(),
            )),
            Err(e) => Err(GenomeError::Read(e, self.fasta.path.clone())),
        }
    }

    fn read_up_to(
        &mut self,
        offset: u64,
        len: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), GenomeError> {
        let result = self.seek(offset).and_then(|()| match &mut self.handle {
            Handle::Plain(file) => file.take(len).read_to_end(buffer),
            Handle::Bgzf(reader, _) => reader.by_ref().take(len).read_to_end(buffer),
            Handle::TwoBit(_) => Err(io::ErrorKind::Unsupported.into()),
        });
        result
            .map(drop)
            .map_err(|e| GenomeError::Read(e, self.fasta.path.clone()))
    }
}

/// The contigs of a genome.
fn contigs(
    path: &Path,
    lengths: impl Iterator<Item = (String, u64)>,
) -> Result<Contigs, GenomeError> {
    let content = |problem: String| GenomeError::FastaContent {
        path: path.into(),
        problem,
    };
    let list = lengths.map(|(name, length)| {
        let fits = u32::try_from(length).ok().filter(|&l| l <= i32::MAX as u32);
        match fits {
            Some(length) => Ok(Contig { name, length }),
            None => Err(content(format!(
                "contig {name:?} has {length} bases; at most 2,147,483,647 are supported"
            ))),
        }
    });
    let list = list.collect::<Result<Vec<_>, _>>()?;
    Contigs::new(list).map_err(|name| content(format!("contig name {name:?} stands twice")))
}

/// Whether what lies between two lines' bases is blanks and one line end, or nothing.
fn ends_line(gap: &[u8]) -> bool {
    gap.split_last().is_none_or(|(&last, blanks)| {
        last == b'\n' && blanks.iter().all(|&b| b != b'\n' && fai::is_blank(b))
    })
}

fn added_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn warn_if_older(index: &Path, file: &Path) {
    let modified = |p: &Path| p.metadata().and_then(|m| m.modified()).ok();
    if let (Some(index_time), Some(file_time)) = (modified(index), modified(file))
        && index_time < file_time
    {
        tracing::warn!(
            "{} is older than {}: if the FASTA changed, index it again",
            index.display(),
            file.display()
        );
    }
}

fn check_bgzf_end(file: &mut File, path: &Path) -> Result<(), GenomeError> {
    let mut tail = [0; BGZF_EOF.len()];
    let complete = file
        .seek(SeekFrom::End(-(tail.len() as i64)))
        .and_then(|_| file.read_exact(&mut tail))
        .is_ok()
        && tail == BGZF_EOF;
    if complete {
        Ok(())
    } else {
        Err(GenomeError::TruncatedBgzf(path.into()))
    }
}

fn read_or_build_gzi(path: &Path, write_index: bool) -> Result<bgzf::gzi::Index, GenomeError> {
    let gzi_path = added_extension(path, "gzi");
    if gzi_path.exists() {
        let index =
            bgzf::gzi::fs::read(&gzi_path).map_err(|e| GenomeError::Read(e, gzi_path.clone()))?;
        // noodles finds blocks by halving and does not look whether they are in order.
        if !index.as_ref().is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
            return Err(GenomeError::IndexMismatch {
                path: path.into(),
                index: gzi_path.display().to_string(),
                problem: "its blocks are not in order".into(),
            });
        }
        return Ok(index);
    }
    tracing::info!(
        "no {}: indexing the blocks of {}",
        gzi_path.display(),
        path.display()
    );
    let build = || -> io::Result<bgzf::gzi::Index> {
        let mut reader = bgzf::io::Reader::new(File::open(path)?);
        let mut blocks = Vec::new();
        let mut uncompressed = 0;
        loop {
            let len = reader.fill_buf()?.len();
            if len == 0 {
                return Ok(blocks.into());
            }
            // The first block is implicit in the format.
            if uncompressed > 0 {
                blocks.push((reader.virtual_position().compressed(), uncompressed));
            }
            uncompressed += len as u64;
            reader.consume(len);
        }
    };
    let index = build().map_err(|e| GenomeError::Read(e, path.into()))?;
    if write_index {
        let mut writer = bgzf::gzi::io::Writer::new(Vec::new());
        (writer.write_index(&index)).map_err(|e| GenomeError::Write(e, gzi_path.clone()))?;
        fai::write_index(&gzi_path, &writer.into_inner())?;
        tracing::info!("wrote {}", gzi_path.display());
    }
    Ok(index)
}

fn build_fai(path: &Path, storage: &Storage) -> Result<Vec<Record>, GenomeError> {
    let file = File::open(path).map_err(|e| GenomeError::Open(e, path.into()))?;
    let reader: Box<dyn BufRead> = match storage {
        // A .2bit needs no index.
        Storage::Plain | Storage::TwoBit => Box::new(BufReader::with_capacity(1 << 16, file)),
        Storage::Bgzf(_) => Box::new(bgzf::io::Reader::new(file)),
    };
    fai::build(reader)
        .map_err(|e| GenomeError::Read(e, path.into()))?
        .map_err(|problem| GenomeError::FastaContent {
            path: path.into(),
            problem: format!("not an indexable FASTA: {problem}"),
        })
}

#[cfg(test)]
mod tests;
