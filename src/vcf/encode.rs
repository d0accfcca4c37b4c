//! From a line of a VCF to a record of a BCF.

use super::dictionary::{Dictionary, Kind};
use super::samples::Samples;
use super::text::{Changed, float, integer, key_value, undefined};
use super::typed::{
    FLAG, MISSING, MISSING_FLOAT, Problem, put_floats, put_integer, put_integers, put_kind,
    put_text,
};

/// Makes records of a BCF from lines of a VCF, as bcftools does it: `END` tells a record's length,
/// integers that are out of range (or no integers) are missing, and a value is read as far as it
/// is a number. Such values are counted.
#[derive(Debug)]
pub struct Encoder<'d> {
    names: &'d Dictionary,
    integers: Vec<i32>,
    floats: Vec<u32>,
    samples: Samples,
    /// What could not be kept as it was.
    pub changed: Changed,
}

impl<'d> Encoder<'d> {
    /// For a header's dictionary.
    pub fn new(names: &'d Dictionary) -> Self {
        Self {
            names,
            integers: Vec::new(),
            floats: Vec::new(),
            samples: Samples::default(),
            changed: Changed::default(),
        }
    }

    /// Appends the record of a line.
    ///
    /// # Errors
    /// When a column is missing, or something is not in the header; the message names it.
    pub fn encode(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns = line.splitn(9, |&b| b == b'\t');
        let mut next = |name: &str| columns.next().ok_or_else(|| format!("{name} is missing"));
        let contig = next("CHROM")?;
        let contig =
            (self.names.contig_number(contig)).ok_or_else(|| undefined("contig", contig))?;
        let start: i32 = std::str::from_utf8(next("POS")?)
            .ok()
            .and_then(|t| t.parse().ok())
            .filter(|&p| p >= 0)
            .ok_or("POS is no number that BCF can hold")?;
        let (id, reference, alts) = (next("ID")?, next("REF")?, next("ALT")?);
        let (quality, filters, info) = (next("QUAL")?, next("FILTER")?, next("INFO")?);
        let rest = columns.next();

        let begin = out.len();
        out.extend([0; 32]);
        put_text(if id == b"." { b"" } else { id }, out);
        put_text(reference, out);
        let mut alleles = 1;
        if alts != b"." {
            for alt in alts.split(|&b| b == b',') {
                put_text(alt, out);
                alleles += 1;
            }
        }
        self.filters(filters, out)?;
        let infos = self.infos(info, out)?;
        let shared = out.len() - begin - 8;
        let formats = match rest {
            Some(rest) if self.names.samples > 0 => {
                (self.samples).encode(self.names, rest, &mut self.changed, out)?
            }
            Some(rest) if rest != b"." => {
                // A BCF without samples has no place for it.
                self.changed.note("FORMAT", b"", rest);
                0
            }
            _ => 0,
        };
        let individual = out.len() - begin - 8 - shared;

        let fits = |value: usize, most: usize, what: &str| match value <= most {
            true => Ok(value as u32),
            false => Err(format!("{value} {what}, BCF holds {most}")),
        };
        let infos = fits(infos, 0xffff, "INFO fields")?;
        let alleles = fits(alleles, 0xffff, "alleles")?;
        let formats = fits(formats, 0xff, "FORMAT fields")?;
        let samples = fits(self.names.samples, 0xff_ffff, "samples")?;
        let fixed = [
            fits(shared, i32::MAX as usize, "bytes")?,
            fits(individual, i32::MAX as usize, "bytes")?,
            contig,
            start.wrapping_sub(1) as u32,
            length(start, reference, info),
            self.quality(quality),
            alleles << 16 | infos,
            formats << 24 | samples,
        ];
        for (place, value) in out[begin..begin + 32].chunks_exact_mut(4).zip(fixed) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    fn quality(&mut self, text: &[u8]) -> u32 {
        match text {
            b"." => MISSING_FLOAT,
            _ => float(text).unwrap_or_else(|| {
                self.changed.note("QUAL", b"", text);
                MISSING_FLOAT
            }),
        }
    }

    fn filters(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
        self.integers.clear();
        if text != b"." {
            for name in text.split(|&b| b == b';').filter(|n| !n.is_empty()) {
                let number = self.names.filter(name);
                let number = number.ok_or_else(|| undefined("FILTER", name))?;
                self.integers.push(number as i32);
            }
        }
        match self.integers.is_empty() {
            true => put_kind(FLAG, 0, out),
            false => put_integers(&self.integers, self.integers.len(), out),
        }
        Ok(())
    }

    /// Writes INFO and says how many fields it has.
    fn infos(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<usize, Problem> {
        let mut count = 0;
        if text == b"." {
            return Ok(0);
        }
        for entry in text.split(|&b| b == b';') {
            let (key, value) = key_value(entry);
            // A key without a name has nothing to be looked up by.
            if key.is_empty() || entry == b"." {
                if !entry.is_empty() && entry != b"." {
                    self.changed.note("INFO", b"", entry);
                }
                continue;
            }
            let (number, kind) = self.names.info(key).ok_or_else(|| undefined("INFO", key))?;
            put_integer(number as i32, out);
            count += 1;
            match (value, kind) {
                (None, _) => put_kind(FLAG, 0, out),
                (Some(value), Kind::Text) => put_text(value, out),
                (Some(value), Kind::Integer) => {
                    self.integers.clear();
                    for one in value.split(|&b| b == b',') {
                        self.integers.push(integer(one).unwrap_or_else(|nearest| {
                            self.changed.note("INFO", key, one);
                            nearest
                        }));
                    }
                    put_integers(&self.integers, self.integers.len(), out);
                }
                (Some(value), Kind::Float) => {
                    self.floats.clear();
                    for one in value.split(|&b| b == b',') {
                        self.floats.push(float(one).unwrap_or_else(|| {
                            self.changed.note("INFO", key, one);
                            MISSING_FLOAT
                        }));
                    }
                    put_floats(&self.floats, self.floats.len(), out);
                }
            }
        }
        Ok(count)
    }
}

/// Bases from POS on that a record spans: to `END` where that makes sense, else those of REF.
fn length(start: i32, reference: &[u8], info: &[u8]) -> u32 {
    let end = info
        .split(|&b| b == b';')
        .find_map(|entry| entry.strip_prefix(b"END="))
        .and_then(|value| integer(value).ok())
        .filter(|&end| end != MISSING && end >= start);
    match end {
        Some(end) => (i64::from(end) - i64::from(start) + 1) as u32,
        None => reference.len() as u32,
    }
}
