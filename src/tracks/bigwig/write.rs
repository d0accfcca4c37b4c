use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use libdeflater::{CompressionLvl, Compressor};
use serde::{Deserialize, Serialize};

use super::encode::{Encoded, compress};
use super::index::{Block, name_tree, write_tree};
use super::spool::{Replay, Spool};
use super::zoom::{Coarsen, ZoomRecord};
use super::{ITEMS_PER_SECTION, LARGEST_SECTION, Summary};
use crate::genome::Contigs;
use crate::output::{AppendFile, OutputError, Seal};
use crate::tracks::TrackError;

const HEADER: u64 = 64;
const ZOOM_HEADER: u64 = 24;
const SUMMARY: u64 = 40;
const MAGIC: u32 = 0x888F_FC26;

/// Room for as many zoom levels as the header has, each four times as coarse as the one before.
const MOST_ZOOMS: usize = 10;
const COARSER: u32 = 4;

/// What the three files of an unfinished track held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    data: Seal,
    blocks: Seal,
    zoom: Seal,
}

/// Writes one bigWig file from [`Encoded`] sections that come in order.
#[derive(Debug)]
pub struct BigWigWriter {
    data: AppendFile,
    blocks: Spool<Block>,
    zoom: Spool<ZoomRecord>,
    data_start: u64,
    reduction: u32,
    last: (u32, u32),
}

impl BigWigWriter {
    /// Creates the file, or takes up an unfinished one as it was. `contigs` are all
    /// contigs of the genome; `reduction` is the width of the finest zoom level's bins, the same
    /// as the encoders'. Two more files are kept beside it until the end.
    ///
    /// # Errors
    /// When the files cannot be written, or are not what they were.
    pub fn open(
        path: &Path,
        contigs: &Contigs,
        reduction: u32,
        held: &Held,
    ) -> Result<Self, TrackError> {
        let mut names: Vec<(&str, u32)> = contigs
            .iter()
            .map(|c| (c.name.as_str(), c.length))
            .collect();
        names.sort_unstable();
        let tree_at = HEADER + ZOOM_HEADER * MOST_ZOOMS as u64 + SUMMARY;
        let tree = name_tree(&names, tree_at);
        let data_start = tree_at + tree.len() as u64;
        let mut data = AppendFile::open(path, &held.data)?;
        if held.data.is_empty() {
            // The front is written at the end, when its numbers are known.
            data.append(&vec![0; tree_at as usize])?;
            data.append(&tree)?;
            data.append(&[0; 8])?;
        }
        Ok(Self {
            data,
            blocks: Spool::open(&beside(path, "blocks"), &held.blocks)?,
            zoom: Spool::open(&beside(path, "zoom"), &held.zoom)?,
            data_start,
            reduction: reduction.max(1),
            last: (0, 0),
        })
    }

    /// Makes sure that everything appended survives a crash, and tells what there is.
    pub fn checkpoint(&mut self) -> Result<Held, TrackError> {
        Ok(Held {
            data: self.data.seal()?,
            blocks: self.blocks.seal()?,
            zoom: self.zoom.seal()?,
        })
    }

    /// Appends sections; they must follow those before in contig rank and position.
    pub fn append(&mut self, encoded: &Encoded) -> Result<(), TrackError> {
        for block in &encoded.blocks {
            self.push_block(block, self.data.length())?;
        }
        self.data.append(&encoded.bytes)?;
        for record in &encoded.zoom {
            self.zoom.push(record)?;
        }
        Ok(())
    }

    /// Appends the sections of another unfinished track of the same genome (its files lie beside
    /// `path`), which must be what it was.
    pub fn append_unfinished(&mut self, path: &Path, held: &Held) -> Result<(), TrackError> {
        let from = self.data_start + 8;
        let to = self.data.length();
        let mut blocks = Replay::<Block>::open(&beside(path, "blocks"), &held.blocks)?;
        let mut order = Ok(());
        blocks.each(|block| {
            let moved = Block {
                offset: block.offset - from,
                ..block
            };
            if order.is_ok() {
                order = self.push_block(&moved, to);
            }
            Ok(())
        })?;
        order?;
        self.data.append_file(path, from, &held.data)?;
        Replay::<ZoomRecord>::open(&beside(path, "zoom"), &held.zoom)?
            .each(|record| self.zoom.push(&record))?;
        Ok(())
    }

    fn push_block(&mut self, block: &Block, base: u64) -> Result<(), TrackError> {
        if (block.contig, block.start) < self.last {
            return Err(TrackError::Order(self.data.path().into()));
        }
        self.last = (block.contig, block.end);
        self.blocks.push(&Block {
            offset: base + block.offset,
            ..*block
        })?;
        Ok(())
    }

    /// Writes indexes, zoom levels and header.
    pub fn finish(self) -> Result<(), TrackError> {
        let Self {
            data: mut out,
            blocks,
            zoom,
            data_start,
            mut reduction,
            ..
        } = self;
        let sections = blocks.records();
        let index_at = out.length();
        // The spools stay: a run that is killed while it finishes goes on from them.
        write_tree(&mut blocks.close()?, &mut out)?;

        // Parts of one bin may have come in two batches; the file's summary is that of its bins,
        // so that it does not depend on the batches.
        let path = out.path().to_path_buf();
        let mut level = coarsened(&mut zoom.close()?, reduction, &beside(&path, "level0"))?;
        let mut summary = Summary::EMPTY;
        level.each(|record| {
            summary.merge(&record.summary);
            Ok(())
        })?;

        let mut zooms: Vec<(u32, u64, u64)> = Vec::new();
        let mut records_before = u64::MAX;
        // A level that joins nothing tells a browser nothing new.
        while level.records > 0 && level.records < records_before && zooms.len() < MOST_ZOOMS {
            records_before = level.records;
            let data_at = out.length();
            out.append(&(level.records as u32).to_le_bytes())?;
            let index_path = beside(&path, "index");
            let mut sections = ZoomSections::new(&mut out, &index_path)?;
            level.each(|record| sections.push(record))?;
            let mut blocks = sections.finish()?;
            zooms.push((reduction, data_at, out.length()));
            write_tree(&mut blocks, &mut out)?;
            blocks.remove()?;
            reduction = reduction.saturating_mul(COARSER);
            let next = beside(&path, &format!("level{}", zooms.len()));
            let coarser = coarsened(&mut level, reduction, &next)?;
            std::mem::replace(&mut level, coarser).remove()?;
        }
        level.remove()?;

        // As UCSC's writer: the magic number again at the very end.
        out.append(&MAGIC.to_le_bytes())?;
        let front = front(&zooms, data_start, index_at, summary);
        let mut file = out.into_file()?;
        let close = || {
            file.write_all(&front)?;
            file.seek(SeekFrom::Start(data_start))?;
            file.write_all(&sections.to_le_bytes())
        };
        let mut close = close;
        close().map_err(|e| OutputError::Write(e, path).into())
    }
}

/// Everything before the names: header, zoom headers, summary.
fn front(zooms: &[(u32, u64, u64)], data_start: u64, index_at: u64, summary: Summary) -> Vec<u8> {
    let mut front = Vec::new();
    front.extend(MAGIC.to_le_bytes());
    front.extend(4u16.to_le_bytes());
    front.extend((zooms.len() as u16).to_le_bytes());
    let summary_at = HEADER + ZOOM_HEADER * MOST_ZOOMS as u64;
    for offset in [summary_at + SUMMARY, data_start, index_at] {
        front.extend(offset.to_le_bytes());
    }
    front.extend([0; 12]); // bigBed's field counts and autoSql
    front.extend(summary_at.to_le_bytes());
    front.extend((LARGEST_SECTION as u32).to_le_bytes());
    front.extend([0; 8]); // no extension
    for (reduction, data_at, index_at) in zooms {
        front.extend(reduction.to_le_bytes());
        front.extend([0; 4]);
        front.extend(data_at.to_le_bytes());
        front.extend(index_at.to_le_bytes());
    }
    front.resize(summary_at as usize, 0);
    let s = match summary.bases {
        0 => Summary {
            min: 0.0,
            max: 0.0,
            ..Summary::EMPTY
        },
        _ => summary,
    };
    front.extend(s.bases.to_le_bytes());
    for value in [s.min, s.max, s.sum, s.sum_squares] {
        front.extend(value.to_le_bytes());
    }
    front
}

/// Joins the records of a level into bins of `reduction` bases, in a new file.
fn coarsened(
    level: &mut Replay<ZoomRecord>,
    reduction: u32,
    path: &Path,
) -> Result<Replay<ZoomRecord>, OutputError> {
    let mut next = Spool::open(path, &Seal::default())?;
    let mut coarsen = Coarsen::new(reduction);
    level.each(|record| {
        coarsen
            .push(&record)
            .map_or(Ok(()), |done| next.push(&done))
    })?;
    coarsen.finish().map_or(Ok(()), |done| next.push(&done))?;
    next.close()
}

/// `<path>.<extension>`
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// The data part of one zoom level.
struct ZoomSections<'a> {
    out: &'a mut AppendFile,
    blocks: Spool<Block>,
    compressor: Compressor,
    pending: Vec<ZoomRecord>,
}

impl<'a> ZoomSections<'a> {
    fn new(out: &'a mut AppendFile, index: &Path) -> Result<Self, OutputError> {
        Ok(Self {
            out,
            blocks: Spool::open(index, &Seal::default())?,
            compressor: Compressor::new(CompressionLvl::default()),
            pending: Vec::with_capacity(ITEMS_PER_SECTION),
        })
    }

    fn push(&mut self, record: ZoomRecord) -> Result<(), OutputError> {
        let contig_ends = self
            .pending
            .last()
            .is_some_and(|p| p.contig != record.contig);
        if contig_ends || self.pending.len() == ITEMS_PER_SECTION {
            self.flush()?;
        }
        self.pending.push(record);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else {
            return Ok(());
        };
        let mut raw = Vec::with_capacity(32 * self.pending.len());
        self.pending.iter().for_each(|r| r.put_final(&mut raw));
        let mut packed = Vec::new();
        compress(&mut self.compressor, &raw, &mut packed);
        self.blocks.push(&Block {
            contig: first.contig,
            start: first.start,
            end: last.end,
            offset: self.out.length(),
            size: packed.len() as u32,
        })?;
        self.out.append(&packed)?;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Replay<Block>, OutputError> {
        self.flush()?;
        self.blocks.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;
    use crate::tracks::Item;
    use crate::tracks::bigwig::Encoder;
    use bigtools::BigWigRead;
    use proptest::prelude::*;

    fn contigs(lengths: &[(&str, u32)]) -> Contigs {
        Contigs::new(
            lengths
                .iter()
                .map(|(n, l)| Contig {
                    name: (*n).into(),
                    length: *l,
                })
                .collect(),
        )
        .unwrap()
    }

    /// Writes items by contig rank, cut into batches, and opens the file with bigtools.
    fn round_trip(
        contigs: &Contigs,
        tracks: &[(u32, Vec<Item>)],
        batch: usize,
        reduction: u32,
    ) -> (
        tempfile::TempDir,
        BigWigRead<bigtools::utils::reopen::ReopenableFile>,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.bw");
        let mut writer = BigWigWriter::open(&path, contigs, reduction, &Held::default()).unwrap();
        let mut encoder = Encoder::new(reduction);
        for (rank, items) in tracks {
            for items in items.chunks(batch) {
                let mut encoded = Encoded::default();
                encoder.items(*rank, items, &mut encoded);
                writer.append(&encoded).unwrap();
            }
        }
        writer.finish().unwrap();
        let reader = BigWigRead::open_file(&path).unwrap();
        (dir, reader)
    }

    fn items_from(gaps: &[(u32, u32, f32)]) -> Vec<Item> {
        let mut at = 0;
        gaps.iter()
            .map(|&(gap, length, value)| {
                let start = at + gap;
                at = start + length;
                Item {
                    start,
                    end: at,
                    value,
                }
            })
            .collect()
    }

    fn check(contigs: &Contigs, tracks: &[(u32, Vec<Item>)], batch: usize, reduction: u32) {
        let (_dir, mut reader) = round_trip(contigs, tracks, batch, reduction);
        let mut names: Vec<_> = contigs.iter().cloned().collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let mut all = Summary::EMPTY;
        for (rank, contig) in names.iter().enumerate() {
            let expected: Vec<Item> = tracks
                .iter()
                .filter(|(r, _)| *r == rank as u32)
                .flat_map(|(_, items)| items.clone())
                .collect();
            let found: Vec<Item> = reader
                .get_interval(&contig.name, 0, contig.length)
                .unwrap()
                .map(|v| v.unwrap())
                .map(|v| Item {
                    start: v.start,
                    end: v.end,
                    value: v.value,
                })
                .collect();
            assert_eq!(found, expected);
            expected
                .iter()
                .for_each(|i| all.add(i.value, i.end - i.start));

            // The finest zoom level against sums over its bins.
            if !expected.is_empty() {
                let zoom: Vec<_> = reader
                    .get_zoom_interval(&contig.name, 0, contig.length, reduction)
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                let bases: u64 = zoom.iter().map(|z| z.summary.bases_covered).sum();
                assert_eq!(
                    bases,
                    expected
                        .iter()
                        .map(|i| u64::from(i.end - i.start))
                        .sum::<u64>()
                );
                for z in &zoom {
                    let mut bin = Summary::EMPTY;
                    for i in &expected {
                        let low = z.start / reduction * reduction;
                        let from = i.start.max(low);
                        let to = i.end.min(low + reduction);
                        if from < to {
                            bin.add(i.value, to - from);
                        }
                    }
                    assert_eq!(bin.bases, z.summary.bases_covered);
                    assert_eq!(bin.min as f32, z.summary.min_val as f32);
                    assert_eq!(bin.max as f32, z.summary.max_val as f32);
                    assert!((bin.sum - z.summary.sum).abs() <= 1e-5 * (1.0 + bin.sum.abs()));
                }
            }
        }
        let summary = reader.get_summary().unwrap();
        assert_eq!(summary.bases_covered, all.bases);
        assert!((summary.sum - all.sum).abs() <= 1e-9 * (1.0 + all.sum.abs()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn reads_back_as_written(
            first in prop::collection::vec((0u32..3, 1u32..4, -5f32..5.0), 1..400),
            second in prop::collection::vec((0u32..200, 1u32..40, -1f32..1.0), 0..60),
            batch in 1usize..500,
            reduction in 1u32..70,
        ) {
            let contigs = contigs(&[("chr2", 100_000), ("chr1", 100_000), ("chr10", 7)]);
            check(&contigs, &[(0, items_from(&first)), (2, items_from(&second))], batch, reduction);
        }
    }

    #[test]
    fn long_dense_runs_and_many_sections() {
        // More than 256 sections, so that the R tree has an inner level; dense runs and gaps.
        let length = 400_000;
        let items: Vec<Item> = (0..length)
            .filter(|i| i % 5_000 != 17)
            .map(|start| Item {
                start,
                end: start + 1,
                value: (start as f32 * 0.37).sin(),
            })
            .collect();
        check(
            &contigs(&[("a", length), ("b", 10)]),
            &[(0, items)],
            65_536,
            128,
        );
    }

    #[test]
    fn many_contigs() {
        // More than 256 names, so that the name tree has an inner level.
        let names: Vec<String> = (0..700).map(|i| format!("scaffold_{i}")).collect();
        let list: Vec<(&str, u32)> = names.iter().map(|n| (n.as_str(), 50)).collect();
        let tracks: Vec<(u32, Vec<Item>)> = (0..700)
            .map(|rank| {
                (
                    rank,
                    vec![Item {
                        start: rank % 49,
                        end: rank % 49 + 1,
                        value: rank as f32,
                    }],
                )
            })
            .collect();
        check(&contigs(&list), &tracks, 10, 16);
    }

    #[test]
    fn an_empty_track_opens() {
        let contigs = contigs(&[("a", 10)]);
        let (_dir, mut reader) = round_trip(&contigs, &[], 1, 8);
        assert_eq!(reader.get_interval("a", 0, 10).unwrap().count(), 0);
    }

    #[test]
    fn disorder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let contigs = contigs(&[("a", 10)]);
        let mut writer =
            BigWigWriter::open(&dir.path().join("t.bw"), &contigs, 8, &Held::default()).unwrap();
        let mut encoded = Encoded::default();
        let item = Item {
            start: 4,
            end: 5,
            value: 1.0,
        };
        Encoder::new(8).items(0, &[item], &mut encoded);
        writer.append(&encoded).unwrap();
        assert!(matches!(writer.append(&encoded), Err(TrackError::Order(_))));
    }
}
