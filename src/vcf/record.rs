//! A record of a BCF: fixed numbers, then typed values.

use super::typed::{Bytes, FLOAT, MISSING_FLOAT, Problem, put_integer, put_kind, put_text};

/// Bytes of the fixed numbers.
const FIXED: usize = 24;

/// A record of a BCF, with the lengths of its two parts before it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// CHROM to INFO.
    pub(super) shared: &'a [u8],
    /// FORMAT and samples.
    pub(super) samples: &'a [u8],
}

impl<'a> Record<'a> {
    /// # Errors
    /// When the bytes are fewer than the lengths say, or than the fixed numbers take.
    pub fn new(bytes: &'a [u8]) -> Result<Self, String> {
        let mut bytes = Bytes(bytes);
        let lengths = [number(bytes.take(4)?), number(bytes.take(4)?)];
        let shared = bytes.take(lengths[0] as usize)?;
        let samples = bytes.take(lengths[1] as usize)?;
        match shared.len() < FIXED {
            true => Err(format!("{} bytes: too few for a record", shared.len())),
            false => Ok(Self { shared, samples }),
        }
    }

    fn fixed(&self, at: usize) -> u32 {
        number(&self.shared[at..at + 4])
    }

    /// The number of its contig.
    pub fn contig(&self) -> i32 {
        self.fixed(0) as i32
    }

    /// POS, 0-based; -1 for a telomere's 0.
    pub fn start(&self) -> i32 {
        self.fixed(4) as i32
    }

    /// Bases of the reference that it spans.
    pub fn length(&self) -> i32 {
        self.fixed(8) as i32
    }

    /// The bits of QUAL.
    pub(super) fn quality(&self) -> u32 {
        self.fixed(12)
    }

    pub(super) fn infos(&self) -> usize {
        (self.fixed(16) & 0xffff) as usize
    }

    pub(super) fn alleles(&self) -> usize {
        (self.fixed(16) >> 16) as usize
    }

    pub(super) fn sample_count(&self) -> usize {
        (self.fixed(20) & 0xff_ffff) as usize
    }

    pub(super) fn formats(&self) -> usize {
        (self.fixed(20) >> 24) as usize
    }

    /// What comes after the fixed numbers.
    pub(super) fn values(&self) -> Bytes<'a> {
        Bytes(&self.shared[FIXED..])
    }

    /// Passes over ID, alleles and FILTER.
    fn info_at(&self) -> Result<Bytes<'a>, Problem> {
        let mut values = self.values();
        for _ in 0..self.alleles() + 2 {
            values.typed(1)?;
        }
        Ok(values)
    }

    /// Appends the record to `out`, without the INFO fields of the numbers `without` and with new
    /// ones.
    ///
    /// # Errors
    /// When its INFO cannot be read, or has too many fields.
    pub fn with_info(
        &self,
        without: &[u32],
        new: &NewInfo,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut left = self.info_at()?;
        let begin = out.len();
        out.extend([0; 8]);
        let head = self.shared.len() - left.0.len();
        out.extend_from_slice(&self.shared[..head]);
        let mut count = new.count;
        for _ in 0..self.infos() {
            let before = left.0;
            let key = left.integer()?;
            left.typed(1)?;
            if !without.iter().any(|&n| n as i32 == key) {
                out.extend_from_slice(&before[..before.len() - left.0.len()]);
                count += 1;
            }
        }
        out.extend_from_slice(&new.bytes);
        let shared = out.len() - begin - 8;
        out.extend_from_slice(self.samples);
        let counts = u16::try_from(count).map_err(|_| "more than 65535 INFO fields")?;
        let at = begin + 8 + 16;
        out[at..at + 2].copy_from_slice(&counts.to_le_bytes());
        let lengths = [shared, self.samples.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        out[begin..begin + 4].copy_from_slice(&lengths[0].to_le_bytes());
        out[begin + 4..begin + 8].copy_from_slice(&lengths[1].to_le_bytes());
        Ok(())
    }
}

/// Four bytes as a number.
fn number(bytes: &[u8]) -> u32 {
    match *bytes {
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// INFO fields to be added to a record.
#[derive(Clone, Debug, Default)]
pub struct NewInfo {
    bytes: Vec<u8>,
    count: usize,
}

impl NewInfo {
    /// Without fields, as it was made.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Adds floats; NaN is a missing value.
    pub fn floats(&mut self, number: u32, values: impl ExactSizeIterator<Item = f32>) {
        self.key(number);
        put_kind(FLOAT, values.len(), &mut self.bytes);
        let bits = values.map(|v| {
            if v.is_nan() {
                MISSING_FLOAT
            } else {
                v.to_bits()
            }
        });
        self.bytes.extend(bits.flat_map(u32::to_le_bytes));
    }

    /// Adds text.
    pub fn text(&mut self, number: u32, text: &[u8]) {
        self.key(number);
        put_text(text, &mut self.bytes);
    }

    fn key(&mut self, number: u32) {
        self.count += 1;
        // A dictionary has fewer names.
        put_integer(i32::try_from(number).unwrap_or(i32::MAX), &mut self.bytes);
    }
}
