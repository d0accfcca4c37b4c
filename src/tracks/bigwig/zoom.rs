use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Summary;

/// Summary of the values in a bin; `start` and `end` bound the bases that have one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZoomRecord {
    pub contig: u32,
    pub start: u32,
    pub end: u32,
    pub summary: Summary,
}

/// Bytes of a record in the temporary file: as in a bigWig, but with full precision.
const SPOOLED: usize = 4 * 3 + 8 * 5;

impl ZoomRecord {
    /// The record as bigWig has it (32 bytes, single precision).
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for word in [self.contig, self.start, self.end, self.summary.bases as u32] {
            out.extend(word.to_le_bytes());
        }
        let s = &self.summary;
        for value in [s.min, s.max, s.sum, s.sum_squares] {
            out.extend((value as f32).to_le_bytes());
        }
    }
}

/// Zoom records waiting in a temporary file.
#[derive(Debug)]
pub(super) struct ZoomSpool {
    file: BufWriter<File>,
    pub(super) records: u64,
}

impl ZoomSpool {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile_in(folder)?),
            records: 0,
        })
    }

    pub(super) fn push(&mut self, record: &ZoomRecord) -> io::Result<()> {
        let mut bytes = [0; SPOOLED];
        let s = &record.summary;
        bytes[0..4].copy_from_slice(&record.contig.to_le_bytes());
        bytes[4..8].copy_from_slice(&record.start.to_le_bytes());
        bytes[8..12].copy_from_slice(&record.end.to_le_bytes());
        bytes[12..20].copy_from_slice(&s.bases.to_le_bytes());
        for (i, value) in [s.min, s.max, s.sum, s.sum_squares].into_iter().enumerate() {
            bytes[20 + 8 * i..28 + 8 * i].copy_from_slice(&value.to_le_bytes());
        }
        self.records += 1;
        self.file.write_all(&bytes)
    }

    /// Calls `each` with every record, in order.
    pub(super) fn replay(
        self,
        mut each: impl FnMut(ZoomRecord) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(|e| e.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut bytes = [0; SPOOLED];
        for _ in 0..self.records {
            reader.read_exact(&mut bytes)?;
            let word = |at: usize| {
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[at..at + 4]);
                u32::from_le_bytes(word)
            };
            let long = |at: usize| {
                let mut long = [0; 8];
                long.copy_from_slice(&bytes[at..at + 8]);
                long
            };
            each(ZoomRecord {
                contig: word(0),
                start: word(4),
                end: word(8),
                summary: Summary {
                    bases: u64::from_le_bytes(long(12)),
                    min: f64::from_le_bytes(long(20)),
                    max: f64::from_le_bytes(long(28)),
                    sum: f64::from_le_bytes(long(36)),
                    sum_squares: f64::from_le_bytes(long(44)),
                },
            })?;
        }
        Ok(())
    }
}

/// Joins records of one level into bins of the next.
#[derive(Debug)]
pub(super) struct Coarsen {
    reduction: u32,
    open: Option<ZoomRecord>,
}

impl Coarsen {
    pub(super) fn new(reduction: u32) -> Self {
        Self {
            reduction,
            open: None,
        }
    }

    /// Takes a record; gives back the bin before it once it is complete.
    pub(super) fn push(&mut self, record: &ZoomRecord) -> Option<ZoomRecord> {
        match &mut self.open {
            Some(open)
                if open.contig == record.contig
                    && open.start / self.reduction == record.start / self.reduction =>
            {
                open.end = record.end;
                open.summary.merge(&record.summary);
                None
            }
            open => open.replace(*record),
        }
    }

    /// The last bin.
    pub(super) fn finish(self) -> Option<ZoomRecord> {
        self.open
    }
}
