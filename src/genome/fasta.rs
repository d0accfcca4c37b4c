use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noodles::bgzf;
use noodles::fasta::fai::Record;
use twobit::{TwoBitFile, TwoBitPhysicalFile};

use super::fai;
use super::{Contig, ContigId, Contigs, GenomeError};
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

/// UCSC's .2bit, in either byte order.
const TWO_BIT: [[u8; 4]; 2] = [[0x43, 0x27, 0x41, 0x1a], [0x1a, 0x41, 0x27, 0x43]];

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
        if TWO_BIT.iter().any(|m| magic.starts_with(m)) {
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
                fai::write_whole(&fai_path, &text)?;
                tracing::info!("wrote {}", fai_path.display());
            }
            IndexSource::Built => {}
        }
        Ok(fasta)
    }

    /// Opens a .2bit.
    fn two_bit(path: &Path) -> Result<Self, GenomeError> {
        let file = open_two_bit(path)?;
        let names = file.chrom_names().into_iter();
        let sizes = file.chrom_sizes().into_iter().map(|size| size as u64);
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
            Storage::TwoBit => Handle::TwoBit(Box::new(open_two_bit(&self.path)?)),
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
                let letters = file.read_sequence(name, from as usize..to as usize);
                let letters = letters.map_err(|e| two_bit_error(e, &self.fasta.path))?;
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

fn open_two_bit(path: &Path) -> Result<TwoBitPhysicalFile, GenomeError> {
    TwoBitFile::open(path).map_err(|e| two_bit_error(e, path))
}

fn two_bit_error(e: twobit::Error, path: &Path) -> GenomeError {
    GenomeError::FastaContent {
        path: path.into(),
        problem: format!("as a .2bit it cannot be read: {e}"),
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
        fai::write_whole(&gzi_path, &writer.into_inner())?;
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
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &str = ">one first\nACGTN\nacgtr\nAC\n>two\nGG\n";

    fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn bgzip(text: &[u8]) -> Vec<u8> {
        let mut writer = bgzf::io::Writer::new(Vec::new());
        // Small blocks, so that reads cross them.
        for chunk in text.chunks(7) {
            writer.write_all(chunk).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    fn fetch(fasta: &Fasta, id: ContigId, start: i64, len: usize) -> Vec<u8> {
        let mut codes = Vec::new();
        fasta
            .reader()
            .unwrap()
            .fetch(id, start, len, &mut codes)
            .unwrap();
        codes
    }

    /// A .2bit of some contigs (UCSC's format, version 0): letters, with blocks of N.
    fn two_bit(contigs: &[(&str, &str)]) -> Vec<u8> {
        let word = |n: usize| (n as u32).to_le_bytes();
        let mut index = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        let head = 16 + contigs.iter().map(|(n, _)| n.len() + 5).sum::<usize>();
        for (name, text) in contigs {
            index.push(name.len() as u8);
            index.extend(name.as_bytes());
            index.extend(word(head + data.len()));
            let text = text.to_ascii_uppercase();
            let bases: Vec<u8> = text.bytes().collect();
            let mut blocks: Vec<(usize, usize)> = Vec::new();
            for (i, _) in bases.iter().enumerate().filter(|(_, b)| **b == b'N') {
                match blocks.last_mut() {
                    Some((start, length)) if *start + *length == i => *length += 1,
                    _ => blocks.push((i, 1)),
                }
            }
            data.extend(word(bases.len()));
            data.extend(word(blocks.len()));
            data.extend(blocks.iter().flat_map(|b| word(b.0)));
            data.extend(blocks.iter().flat_map(|b| word(b.1)));
            data.extend([word(0), word(0)].concat());
            for four in bases.chunks(4) {
                let mut byte = 0;
                for i in 0..4 {
                    let code = four
                        .get(i)
                        .map_or(0, |b| b"TCAG".iter().position(|l| l == b).unwrap_or(0));
                    byte = byte << 2 | code as u8;
                }
                data.push(byte);
            }
        }
        let header = [0x1a41_2743, 0, contigs.len() as u32, 0];
        [
            header.iter().flat_map(|w| w.to_le_bytes()).collect(),
            index,
            data,
        ]
        .concat()
    }

    #[test]
    fn two_bit_files_are_genomes() {
        let dir = tempfile::tempdir().unwrap();
        let contigs = [("one", "ACGTNacgtrACGNNNNTTG"), ("two", "GG")];
        let text: String = contigs
            .iter()
            .map(|(n, s)| format!(">{n}\n{s}\n"))
            .collect();
        let plain = Fasta::open(&write(dir.path(), "a.fa", text.as_bytes()), false).unwrap();
        // A letter of several bases is an N there.
        let known = contigs.map(|(n, s)| (n, s.replace('r', "N")));
        let known: Vec<(&str, &str)> = known.iter().map(|(n, s)| (*n, &s[..])).collect();
        let bytes = two_bit(&known);
        let path = write(dir.path(), "a.2bit", &bytes);
        let packed = Fasta::open(&path, false).unwrap();
        assert!(packed.is_two_bit() && !plain.is_two_bit());
        assert_eq!(packed.contigs().table(), plain.contigs().table());
        for id in [0, 1] {
            for start in -3..23 {
                for len in [0, 1, 2, 5, 9, 30] {
                    assert_eq!(
                        fetch(&packed, id, start, len),
                        fetch(&plain, id, start, len),
                        "{id} {start} {len}"
                    );
                }
            }
        }
        // Cut anywhere it is refused, when it is opened or where it is read.
        for cut in 0..bytes.len() {
            let path = write(dir.path(), "cut.2bit", &bytes[..cut]);
            let read = Fasta::open(&path, false).and_then(|fasta| {
                let (mut reader, mut codes) = (fasta.reader()?, Vec::new());
                reader.fetch(0, 0, 20, &mut codes)?;
                reader.fetch(1, 0, 2, &mut codes)
            });
            assert!(read.is_err(), "{cut}");
        }
    }

    #[test]
    fn any_interval_plain_and_bgzip() {
        let dir = tempfile::tempdir().unwrap();
        let plain = Fasta::open(&write(dir.path(), "a.fa", TEXT.as_bytes()), false).unwrap();
        let packed =
            Fasta::open(&write(dir.path(), "a.fa.gz", &bgzip(TEXT.as_bytes())), true).unwrap();
        assert!(dir.path().join("a.fa.gz.gzi").exists() && !dir.path().join("a.fa.fai").exists());
        let again = Fasta::open(&dir.path().join("a.fa.gz"), false).unwrap();
        assert_eq!(again.index_source(), IndexSource::File);
        let whole = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1];
        for start in -3i64..14 {
            for len in 0..16usize {
                let expected: Vec<u8> = (start..start + len as i64)
                    .map(|p| {
                        usize::try_from(p)
                            .ok()
                            .and_then(|p| whole.get(p))
                            .copied()
                            .unwrap_or(4)
                    })
                    .collect();
                for fasta in [&plain, &packed, &again] {
                    assert_eq!(fetch(fasta, 0, start, len), expected, "{start} {len}");
                }
            }
        }
        assert_eq!(fetch(&packed, 1, 0, 2), [2, 2]);
        for fasta in [&plain, &packed] {
            let mut reader = fasta.reader().unwrap();
            fasta.check_contig(&mut reader, 0).unwrap();
            fasta.check_contig(&mut reader, 1).unwrap();
        }
    }

    #[test]
    fn an_index_of_another_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "a.fa", TEXT.as_bytes());
        let check = |fai: &str, part: &str| {
            write(dir.path(), "a.fa.fai", fai.as_bytes());
            let error = Fasta::open(&path, false)
                .and_then(|fasta| {
                    let mut reader = fasta.reader()?;
                    for id in 0..fasta.contigs().len() as u32 {
                        fasta.check_contig(&mut reader, id)?;
                        let length = fasta.contigs().get(id).length as usize;
                        reader.fetch(id, 0, length, &mut Vec::new())?;
                    }
                    Ok(())
                })
                .unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        check(
            "one\t12\t11\t5\t6\ntwo\t200\t30\t2\t3\n",
            "truncated or another file",
        );
        check("uno\t12\t11\t5\t6\n", "header line");
        check("one\t12\t12\t5\t6\n", "new line");
        check("one\t13\t11\t5\t6\n", "has no base where its last one");
        check("one\t7\t11\t5\t6\n", "goes on");
        check("one\t12\t11\t4\t5\n", "lines of another length");
        check("", "is empty");
        check("one\t12\n", "line 1: expected name");
    }

    /// Texts with the index that `samtools faidx FILE` 1.16.1 writes for each, plain and by bgzip
    /// alike, and the bases that `samtools faidx FILE CONTIG` and `CONTIG:i-i` for each `i` give.
    const BLANKS: [(&str, &str, &[&str]); 9] = [
        ("> chr1\nACGT\nAC\n", "chr1\t6\t7\t4\t5\n", &["ACGTAC"]),
        (
            ">  chr1 more\nACGT\nAC\n",
            "chr1\t6\t13\t4\t5\n",
            &["ACGTAC"],
        ),
        (
            "> \t chr1\tx\nACGT\nAC\n",
            "chr1\t6\t11\t4\t5\n",
            &["ACGTAC"],
        ),
        (
            ">\u{b}chr1\u{c}\nACGT\nAC\n",
            "chr1\t6\t8\t4\t5\n",
            &["ACGTAC"],
        ),
        (
            ">a\nACGT \nACGT\t\nAC\n>b\nGG\n",
            "a\t10\t3\t4\t6\nb\t2\t21\t2\t3\n",
            &["ACGTACGTAC", "GG"],
        ),
        (
            ">a\nACGT  \nACGT  \nACG   \n>b\nGG\n",
            "a\t11\t3\t4\t7\nb\t2\t27\t2\t3\n",
            &["ACGTACGTACG", "GG"],
        ),
        (
            "> a\r\nACGT \r\nAC\r\n>  b\r\nGG\r\n",
            "a\t6\t5\t4\t7\nb\t2\t22\t2\t4\n",
            &["ACGTAC", "GG"],
        ),
        (
            ">a\nACGT\n  \n>b\nGG\n",
            "a\t4\t3\t4\t5\nb\t2\t14\t2\t3\n",
            &["ACGT", "GG"],
        ),
        (
            "> a\n   \n>b\nGG\n",
            "a\t0\t4\t0\t4\nb\t2\t11\t2\t3\n",
            &["", "GG"],
        ),
    ];

    #[test]
    fn blanks_where_samtools_reads_them() {
        for (text, fai, bases) in BLANKS {
            for packed in [false, true] {
                for indexed in [true, false] {
                    let dir = tempfile::tempdir().unwrap();
                    let path = match packed {
                        false => write(dir.path(), "a.fa", text.as_bytes()),
                        true => write(dir.path(), "a.fa.gz", &bgzip(text.as_bytes())),
                    };
                    if indexed {
                        std::fs::write(added_extension(&path, "fai"), fai).unwrap();
                    }
                    let fasta = Fasta::open(&path, true).unwrap();
                    let written = std::fs::read_to_string(added_extension(&path, "fai")).unwrap();
                    // Where there is no base, noodles' record cannot say 0 bases a line.
                    let expected = match indexed {
                        true => fai.to_owned(),
                        false => fai.replace("\t0\t4\t0\t", "\t0\t4\t1\t"),
                    };
                    assert_eq!(written, expected, "{text:?}");
                    let names: Vec<&str> =
                        (fasta.contigs().iter().map(|c| c.name.as_str())).collect();
                    let theirs: Vec<&str> =
                        (fai.lines().filter_map(|l| l.split('\t').next())).collect();
                    assert_eq!(names, theirs, "{text:?}");
                    let mut reader = fasta.reader().unwrap();
                    for (id, bases) in bases.iter().enumerate() {
                        let id = id as ContigId;
                        fasta.check_contig(&mut reader, id).unwrap();
                        let mut codes = Vec::new();
                        encode::push_codes(bases.as_bytes(), &mut codes);
                        assert_eq!(fetch(&fasta, id, 0, codes.len()), codes, "{text:?}");
                        for (at, &code) in codes.iter().enumerate() {
                            assert_eq!(fetch(&fasta, id, at as i64, 1), [code], "{text:?} {at}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn blanks_that_displace_bases_are_refused() {
        // `samtools faidx` 1.16.1 indexes these as `a 9 3 4 6` and gives, by single bases
        // (`a:i-i`), ACGGACGGA, ACGGACCGA and AACGAACGA: not what stands there.
        for text in [
            ">a\nAC GT\nAC GT\nA\n",
            ">a\nAC GT\nA CGT\nA\n",
            ">a\n ACGT\n ACGT\n A\n",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = write(dir.path(), "a.fa", text.as_bytes());
            let error = Fasta::open(&path, false).unwrap_err().to_string();
            assert!(error.contains("line 2: a blank"), "{error}");
            write(dir.path(), "a.fa.fai", b"a\t9\t3\t4\t6\n");
            let fasta = Fasta::open(&path, false).unwrap();
            let mut reader = fasta.reader().unwrap();
            let error = reader.fetch(0, 0, 9, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("no base"), "{error}");
        }
    }

    #[test]
    fn a_stale_index_is_noticed_behind_trailing_blanks() {
        let dir = tempfile::tempdir().unwrap();
        let text = ">a\nACGT      \nACGT      \n";
        let path = write(dir.path(), "a.fa", text.as_bytes());
        write(dir.path(), "a.fa.fai", b"a\t4\t3\t4\t11\n");
        let fasta = Fasta::open(&path, false).unwrap();
        let error = fasta.check_contig(&mut fasta.reader().unwrap(), 0);
        assert!(error.unwrap_err().to_string().contains("goes on"));
        // A line end of the wrong place, though all between the bases is blank.
        write(dir.path(), "a.fa.fai", b"a\t8\t3\t4\t10\n");
        let fasta = Fasta::open(&path, false).unwrap();
        let error = (fasta.reader().unwrap()).fetch(0, 0, 8, &mut Vec::new());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("lines of another length"), "{error}");
    }

    #[test]
    fn damaged_indexes_of_bgzip_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "a.fa.gz", &bgzip(TEXT.as_bytes()));
        // Would have a reader take terabytes into memory.
        write(
            dir.path(),
            "a.fa.gz.fai",
            b"one\t12\t11\t1\t1000000000000\n",
        );
        let error = Fasta::open(&path, true).unwrap_err().to_string();
        assert!(error.contains("has at most 655"), "{error}");
        std::fs::remove_file(dir.path().join("a.fa.gz.fai")).unwrap();
        let gzi = dir.path().join("a.fa.gz.gzi");
        let mut bytes = std::fs::read(&gzi).unwrap();
        // The format: a count, then two offsets a block.
        bytes[8..].rotate_left(16);
        std::fs::write(&gzi, bytes).unwrap();
        let error = Fasta::open(&path, true).unwrap_err();
        assert!(error.to_string().contains("not in order"), "{error}");
        assert!(error.hint().unwrap().contains("a.fa.gz.gzi"));
    }

    #[test]
    fn damaged_files() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str, bytes: &[u8]| {
            Fasta::open(&write(dir.path(), name, bytes), false)
                .unwrap_err()
                .to_string()
        };
        let packed = bgzip(TEXT.as_bytes());
        assert!(open("t.fa.gz", &packed[..packed.len() - 9]).contains("truncated"));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(TEXT.as_bytes()).unwrap();
        assert!(open("g.fa.gz", &gz.finish().unwrap()).contains("not bgzip"));
        assert!(open("e.fa", b"").contains("no sequence"));
        assert!(open("x.fa", b"hello\n").contains("not an indexable FASTA"));
        assert!(open("d.fa", b">a\nAC\n>a\nGT\n").contains("twice"));
        assert!(matches!(
            Fasta::open(&dir.path().join("none.fa"), false),
            Err(GenomeError::Open(..))
        ));
    }
}
