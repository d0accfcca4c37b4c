use libdeflater::{CompressionLvl, Compressor};

use super::index::Block;
use super::zoom::ZoomRecord;
use super::{ITEMS_PER_SECTION, Summary};
use crate::tracks::Item;

/// A run of neighbouring items of equal length becomes `fixedStep` sections of its own from this
/// length on; shorter ones share `bedGraph` sections.
const FIXED_STEP_FROM: usize = 64;

/// Deflate level: the low bits of importances do not compress, so more effort buys little.
const LEVEL: i32 = 3;

/// Compressed sections of one contig, ready to be appended to a file.
#[derive(Debug, Default)]
pub struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// Offsets relative to the start of `bytes`.
    pub(super) blocks: Vec<Block>,
    pub(super) zoom: Vec<ZoomRecord>,
}

/// Turns items into compressed bigWig sections. One a thread; buffers are reused.
pub struct Encoder {
    compressor: Compressor,
    raw: Vec<u8>,
    reduction: u32,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder(reduction {})", self.reduction)
    }
}

impl Encoder {
    /// An encoder for tracks whose finest zoom level has bins of `reduction` bases; the file's
    /// writer must have the same.
    pub fn new(reduction: u32) -> Self {
        // Level 3 is one that libdeflate has.
        let level = CompressionLvl::new(LEVEL).unwrap_or_default();
        Self {
            compressor: Compressor::new(level),
            raw: Vec::new(),
            reduction: reduction.max(1),
        }
    }

    /// Encodes items of a contig (by its rank), ascending and without overlaps.
    pub fn items(&mut self, contig: u32, items: &[Item], out: &mut Encoded) {
        for item in items {
            self.zoom(contig, item, out);
        }

        let mut loose = 0;
        let mut at = 0;
        while at < items.len() {
            let run = run_length(&items[at..]);
            if run >= FIXED_STEP_FROM {
                self.bed_graph(contig, &items[loose..at], out);
                self.fixed_step(contig, &items[at..at + run], out);
                loose = at + run;
            }
            at += run;
        }
        self.bed_graph(contig, &items[loose..], out);
    }

    fn bed_graph(&mut self, contig: u32, items: &[Item], out: &mut Encoded) {
        for items in items.chunks(ITEMS_PER_SECTION) {
            self.header(contig, items, 0, 0, 1);
            for item in items {
                self.raw.extend(item.start.to_le_bytes());
                self.raw.extend(item.end.to_le_bytes());
                self.raw.extend(item.value.to_le_bytes());
            }
            self.section(contig, items, out);
        }
    }

    fn fixed_step(&mut self, contig: u32, items: &[Item], out: &mut Encoded) {
        for items in items.chunks(ITEMS_PER_SECTION) {
            let span = items[0].end - items[0].start;
            self.header(contig, items, span, span, 3);
            self.raw
                .extend(items.iter().flat_map(|i| i.value.to_le_bytes()));
            self.section(contig, items, out);
        }
    }

    fn header(&mut self, contig: u32, items: &[Item], step: u32, span: u32, kind: u8) {
        self.raw.clear();
        let (first, last) = (items[0], items[items.len() - 1]);
        for word in [contig, first.start, last.end, step, span] {
            self.raw.extend(word.to_le_bytes());
        }
        self.raw.extend([kind, 0]);
        self.raw.extend((items.len() as u16).to_le_bytes());
    }

    fn section(&mut self, contig: u32, items: &[Item], out: &mut Encoded) {
        let offset = out.bytes.len();
        compress(&mut self.compressor, &self.raw, &mut out.bytes);
        out.blocks.push(Block {
            contig,
            start: items[0].start,
            end: items[items.len() - 1].end,
            offset: offset as u64,
            size: (out.bytes.len() - offset) as u32,
        });
    }

    /// Adds an item to the finest zoom level, whose bins start at multiples of the reduction.
    fn zoom(&mut self, contig: u32, item: &Item, out: &mut Encoded) {
        let mut start = item.start;
        while start < item.end {
            let bin = start / self.reduction;
            let end = item.end.min((bin + 1).saturating_mul(self.reduction));
            match out.zoom.last_mut() {
                Some(last) if last.contig == contig && last.start / self.reduction == bin => {
                    last.end = end;
                    last.summary.add(item.value, end - start);
                }
                _ => {
                    let mut summary = Summary::EMPTY;
                    summary.add(item.value, end - start);
                    out.zoom.push(ZoomRecord {
                        contig,
                        start,
                        end,
                        summary,
                    });
                }
            }
            start = end;
        }
    }
}

/// Appends `raw` to `out` in zlib format.
pub(super) fn compress(compressor: &mut Compressor, raw: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + compressor.zlib_compress_bound(raw.len()), 0);
    // The bound is what libdeflate guarantees to suffice, so this cannot fail.
    let size = compressor
        .zlib_compress(raw, &mut out[from..])
        .expect("libdeflate's own bound suffices");
    out.truncate(from + size);
}

/// Number of items at the front that adjoin each other and are equally long.
fn run_length(items: &[Item]) -> usize {
    let span = items[0].end - items[0].start;
    let mut run = 1;
    while run < items.len()
        && items[run].start == items[run - 1].end
        && items[run].end - items[run].start == span
    {
        run += 1;
    }
    run
}
