use super::Summary;
use super::spool::{Record, long, word};

/// Summary of the values in a bin; `start` and `end` bound the bases that have one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZoomRecord {
    pub contig: u32,
    pub start: u32,
    pub end: u32,
    pub summary: Summary,
}

impl ZoomRecord {
    /// The record as bigWig has it (32 bytes, single precision).
    pub fn put_final(&self, out: &mut Vec<u8>) {
        for word in [self.contig, self.start, self.end, self.summary.bases as u32] {
            out.extend(word.to_le_bytes());
        }
        let s = &self.summary;
        for value in [s.min, s.max, s.sum, s.sum_squares] {
            out.extend((value as f32).to_le_bytes());
        }
    }
}

/// In the temporary file: as in a bigWig, but with full precision.
impl Record for ZoomRecord {
    const SIZE: usize = 4 * 3 + 8 * 5;

    fn put(&self, out: &mut Vec<u8>) {
        for word in [self.contig, self.start, self.end] {
            out.extend(word.to_le_bytes());
        }
        let s = &self.summary;
        out.extend(s.bases.to_le_bytes());
        for value in [s.min, s.max, s.sum, s.sum_squares] {
            out.extend(value.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> Self {
        let double = |at| f64::from_bits(long(bytes, at));
        Self {
            contig: word(bytes, 0),
            start: word(bytes, 4),
            end: word(bytes, 8),
            summary: Summary {
                bases: long(bytes, 12),
                min: double(20),
                max: double(28),
                sum: double(36),
                sum_squares: double(44),
            },
        }
    }
}

/// Joins neighbouring records that lie in one bin: parts of a bin that came in two batches, or
/// bins of a finer level.
#[derive(Debug)]
pub(super) struct Coarsen {
    reduction: u32,
    open: Option<ZoomRecord>,
}

impl Coarsen {
    pub fn new(reduction: u32) -> Self {
        Self {
            reduction,
            open: None,
        }
    }

    /// Takes a record; gives back the bin before it once it is complete.
    pub fn push(&mut self, record: &ZoomRecord) -> Option<ZoomRecord> {
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
    pub fn finish(self) -> Option<ZoomRecord> {
        self.open
    }
}
