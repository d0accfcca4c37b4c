use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use libdeflater::{CompressionLvl, Compressor};

use super::encode::{Encoded, compress};
use super::index::{Block, BlockSpool, name_tree};
use super::zoom::{Coarsen, ZoomRecord, ZoomSpool};
use super::{ITEMS_PER_SECTION, Summary};
use crate::genome::Contigs;
use crate::tracks::TrackError;

const HEADER: u64 = 64;
const ZOOM_HEADER: u64 = 24;
const SUMMARY: u64 = 40;

/// Room for as many zoom levels as the header has, each four times as coarse as the one before.
const MOST_ZOOMS: usize = 10;
const COARSER: u32 = 4;

/// Writes one bigWig file from [`Encoded`] sections that come in order.
#[derive(Debug)]
pub struct BigWigWriter {
    out: BufWriter<File>,
    path: PathBuf,
    spool_dir: PathBuf,
    data_start: u64,
    position: u64,
    blocks: BlockSpool,
    zoom: ZoomSpool,
    open_zoom: Option<ZoomRecord>,
    reduction: u32,
    summary: Summary,
    largest_section: usize,
    last: (u32, u32),
}

impl BigWigWriter {
    /// Creates the file. `contigs` are all contigs of the genome; `reduction` is the width of the
    /// finest zoom level's bins, the same as the encoders'. Temporary files go to `spool_dir`.
    pub fn create(
        path: &Path,
        contigs: &Contigs,
        reduction: u32,
        spool_dir: &Path,
    ) -> Result<Self, TrackError> {
        let start = || -> io::Result<Self> {
            let mut names: Vec<(&str, u32)> = contigs
                .iter()
                .map(|c| (c.name.as_str(), c.length))
                .collect();
            names.sort_unstable();
            let tree_at = HEADER + ZOOM_HEADER * MOST_ZOOMS as u64 + SUMMARY;
            let tree = name_tree(&names, tree_at);
            let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
            // The front is written at the end, when its numbers are known.
            out.write_all(&vec![0; tree_at as usize])?;
            out.write_all(&tree)?;
            let data_start = tree_at + tree.len() as u64;
            out.write_all(&[0; 8])?;
            Ok(Self {
                out,
                path: path.into(),
                spool_dir: spool_dir.into(),
                data_start,
                position: data_start + 8,
                blocks: BlockSpool::new(spool_dir)?,
                zoom: ZoomSpool::new(spool_dir)?,
                open_zoom: None,
                reduction: reduction.max(1),
                summary: Summary::EMPTY,
                largest_section: 0,
                last: (0, 0),
            })
        };
        start().map_err(|e| TrackError::Write(e, path.into()))
    }

    /// Appends sections; they must follow those before in contig rank and position.
    pub fn append(&mut self, encoded: &Encoded) -> Result<(), TrackError> {
        for block in &encoded.blocks {
            if (block.contig, block.start) < self.last {
                return Err(TrackError::Order(self.path.clone()));
            }
            self.last = (block.contig, block.end);
        }
        let write = || -> io::Result<()> {
            self.out.write_all(&encoded.bytes)?;
            for block in &encoded.blocks {
                self.blocks.push(&Block {
                    offset: self.position + block.offset,
                    ..*block
                })?;
            }
            self.position += encoded.bytes.len() as u64;
            for record in &encoded.zoom {
                // A bin may begin in one batch of sections and end in the next.
                match &mut self.open_zoom {
                    Some(open)
                        if open.contig == record.contig
                            && open.start / self.reduction == record.start / self.reduction =>
                    {
                        open.end = record.end;
                        open.summary.merge(&record.summary);
                    }
                    open => {
                        if let Some(done) = open.replace(*record) {
                            self.zoom.push(&done)?;
                        }
                    }
                }
            }
            Ok(())
        };
        let mut write = write;
        write().map_err(|e| TrackError::Write(e, self.path.clone()))?;
        for summary in &encoded.summary {
            self.summary.merge(summary);
        }
        self.largest_section = self.largest_section.max(encoded.largest_section);
        Ok(())
    }

    /// Writes indexes, zoom levels and header.
    pub fn finish(self) -> Result<(), TrackError> {
        let path = self.path.clone();
        self.close().map_err(|e| TrackError::Write(e, path))
    }

    fn close(mut self) -> io::Result<()> {
        if let Some(done) = self.open_zoom.take() {
            self.zoom.push(&done)?;
        }
        let sections = self.blocks.blocks;
        let index_at = self.position;
        let out = &mut self.out;
        self.blocks.write_tree(out, index_at, index_at)?;

        let mut zooms: Vec<(u32, u64, u64)> = Vec::new();
        let mut level = self.zoom;
        let mut reduction = self.reduction;
        let mut records_before = u64::MAX;
        let mut largest_section = self.largest_section;
        // A level that joins nothing tells a browser nothing new.
        while level.records > 0 && level.records < records_before && zooms.len() < MOST_ZOOMS {
            records_before = level.records;
            let data_at = out.stream_position()?;
            let mut section = ZoomSections {
                out,
                position: data_at + 4,
                blocks: BlockSpool::new(&self.spool_dir)?,
                compressor: Compressor::new(CompressionLvl::default()),
                pending: Vec::with_capacity(ITEMS_PER_SECTION),
                largest: 0,
            };
            section
                .out
                .write_all(&(level.records as u32).to_le_bytes())?;
            let coarser = reduction.saturating_mul(COARSER);
            let mut coarsen = Coarsen::new(coarser);
            let mut next = ZoomSpool::new(&self.spool_dir)?;
            level.replay(|record| {
                section.push(record)?;
                coarsen
                    .push(&record)
                    .map_or(Ok(()), |done| next.push(&done))
            })?;
            coarsen.finish().map_or(Ok(()), |done| next.push(&done))?;
            section.flush()?;
            largest_section = largest_section.max(section.largest);
            let (index_at, blocks) = (section.position, section.blocks);
            blocks.write_tree(out, index_at, index_at)?;
            zooms.push((reduction, data_at, index_at));
            level = next;
            reduction = coarser;
        }

        // As UCSC's writer: the magic number again at the very end.
        out.write_all(&MAGIC.to_le_bytes())?;

        let mut front = Vec::new();
        front.extend(MAGIC.to_le_bytes());
        front.extend(4u16.to_le_bytes());
        front.extend((zooms.len() as u16).to_le_bytes());
        let summary_at = HEADER + ZOOM_HEADER * MOST_ZOOMS as u64;
        for offset in [summary_at + SUMMARY, self.data_start, index_at] {
            front.extend(offset.to_le_bytes());
        }
        front.extend([0; 12]); // bigBed's field counts and autoSql
        front.extend(summary_at.to_le_bytes());
        front.extend((largest_section as u32).to_le_bytes());
        front.extend([0; 8]); // no extension
        for (reduction, data_at, index_at) in &zooms {
            front.extend(reduction.to_le_bytes());
            front.extend([0; 4]);
            front.extend(data_at.to_le_bytes());
            front.extend(index_at.to_le_bytes());
        }
        front.resize(summary_at as usize, 0);
        let s = match self.summary {
            Summary { bases: 0, .. } => Summary {
                min: 0.0,
                max: 0.0,
                ..Summary::EMPTY
            },
            summary => summary,
        };
        front.extend(s.bases.to_le_bytes());
        for value in [s.min, s.max, s.sum, s.sum_squares] {
            front.extend(value.to_le_bytes());
        }
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&front)?;
        out.seek(SeekFrom::Start(self.data_start))?;
        out.write_all(&sections.to_le_bytes())?;
        out.flush()
    }
}

const MAGIC: u32 = 0x888F_FC26;

/// The data part of one zoom level.
struct ZoomSections<'a> {
    out: &'a mut BufWriter<File>,
    position: u64,
    blocks: BlockSpool,
    compressor: Compressor,
    pending: Vec<ZoomRecord>,
    largest: usize,
}

impl ZoomSections<'_> {
    fn push(&mut self, record: ZoomRecord) -> io::Result<()> {
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

    fn flush(&mut self) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else {
            return Ok(());
        };
        let mut raw = Vec::with_capacity(32 * self.pending.len());
        self.pending.iter().for_each(|r| r.put(&mut raw));
        let mut packed = Vec::new();
        compress(&mut self.compressor, &raw, &mut packed);
        self.out.write_all(&packed)?;
        self.blocks.push(&Block {
            contig: first.contig,
            start: first.start,
            end: last.end,
            offset: self.position,
            size: packed.len() as u32,
        })?;
        self.position += packed.len() as u64;
        self.largest = self.largest.max(raw.len());
        self.pending.clear();
        Ok(())
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
        let mut writer = BigWigWriter::create(&path, contigs, reduction, dir.path()).unwrap();
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
            BigWigWriter::create(&dir.path().join("t.bw"), &contigs, 8, dir.path()).unwrap();
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
