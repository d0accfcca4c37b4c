//! From a record of a BCF to the columns of a VCF.

use super::dictionary::Dictionary;
use super::record::Record;
use super::typed::{
    Bytes, END, END_FLOAT, FLAG, FLOAT, MISSING, MISSING_FLOAT, Problem, TEXT, Typed, bits,
    integer, width,
};

impl Record<'_> {
    /// Appends CHROM, POS, ID, REF and ALT to `out`, and `.` for QUAL, FILTER and INFO.
    ///
    /// # Errors
    /// When the record is not that of this dictionary, or cut off.
    pub fn head(&self, names: &Dictionary, out: &mut Vec<u8>) -> Result<(), String> {
        self.columns(names, out)?;
        out.extend_from_slice(b"\t.\t.\t.");
        Ok(())
    }

    /// Appends all columns to `out`, without a line end. Floats are the shortest decimals that read
    /// back as the same number.
    ///
    /// # Errors
    /// As [`Self::head`]; the message names the column or field.
    pub fn line(&self, names: &Dictionary, out: &mut Vec<u8>) -> Result<(), String> {
        let mut left = self.columns(names, out)?;
        out.push(b'\t');
        float(self.quality(), out);
        out.push(b'\t');
        let filters = left.typed(1).map_err(within("FILTER"))?;
        let width = width(filters.kind)?.max(1);
        if filters.bytes.is_empty() {
            out.push(b'.');
        }
        for (i, number) in filters.bytes.chunks(width).map(integer).enumerate() {
            if i > 0 {
                out.push(b';');
            }
            let name = names.name(number);
            out.extend_from_slice(name.ok_or_else(|| undefined("FILTER", number))?);
        }
        out.push(b'\t');
        self.infos_to(&mut left, names, out)?;
        if names.has_format {
            self.samples_to(names, out)?;
        }
        Ok(())
    }

    /// The first five columns; what is left are FILTER and INFO.
    fn columns(&self, names: &Dictionary, out: &mut Vec<u8>) -> Result<Bytes<'_>, Problem> {
        let contig = self.contig();
        let name = usize::try_from(contig).ok().and_then(|n| names.contig(n));
        out.extend_from_slice(name.ok_or_else(|| undefined("contig", contig))?);
        out.push(b'\t');
        decimal(i64::from(self.start()) + 1, out);
        let mut left = self.values();
        let mut text = |what: &str, out: &mut Vec<u8>| -> Result<(), Problem> {
            let typed = left.typed(1).map_err(within(what))?;
            match typed.kind {
                TEXT | FLAG => {}
                other => return Err(format!("{what} has type {other}, expected text")),
            }
            // A list may be longer than what it holds.
            let text = typed.bytes.split(|&b| b == 0).next().unwrap_or_default();
            out.extend_from_slice(if text.is_empty() { b"." } else { text });
            Ok(())
        };
        out.push(b'\t');
        text("ID", out)?;
        for allele in 0..self.alleles().max(2) {
            out.push(if allele < 2 { b'\t' } else { b',' });
            match allele < self.alleles() {
                true => text(if allele == 0 { "REF" } else { "ALT" }, out)?,
                false => out.push(b'.'),
            }
        }
        Ok(left)
    }

    fn infos_to(
        &self,
        left: &mut Bytes<'_>,
        names: &Dictionary,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        if self.infos() == 0 {
            out.push(b'.');
        }
        for i in 0..self.infos() {
            let key = left.integer().map_err(within("INFO"))?;
            let name = names.name(key).ok_or_else(|| undefined("INFO", key))?;
            let in_field = |problem| format!("INFO/{}: {problem}", String::from_utf8_lossy(name));
            let typed = left.typed(1).map_err(in_field)?;
            if i > 0 {
                out.push(b';');
            }
            out.extend_from_slice(name);
            if typed.count > 0 && typed.kind != FLAG {
                out.push(b'=');
                list(typed, out);
            }
        }
        Ok(())
    }

    fn samples_to(&self, names: &Dictionary, out: &mut Vec<u8>) -> Result<(), Problem> {
        let samples = names.samples;
        if self.formats() == 0 || samples == 0 {
            out.extend(b"\t.".repeat(samples + 1));
            return Ok(());
        }
        if self.sample_count() != samples {
            let found = self.sample_count();
            return Err(format!("{found} samples, the header has {samples}"));
        }
        let mut left = Bytes(self.samples);
        let mut fields = Vec::new();
        out.push(b'\t');
        for i in 0..self.formats() {
            let key = left.integer().map_err(within("FORMAT"))?;
            let name = names.name(key).ok_or_else(|| undefined("FORMAT", key))?;
            let in_field = |problem| format!("FORMAT/{}: {problem}", String::from_utf8_lossy(name));
            let typed = left.typed(samples).map_err(in_field)?;
            let size = typed.count * width(typed.kind)?;
            let genotype = name == b"GT" && !matches!(typed.kind, TEXT | FLOAT);
            fields.push((typed, size, genotype));
            if i > 0 {
                out.push(b':');
            }
            out.extend_from_slice(name);
        }
        for sample in 0..samples {
            for (i, &(typed, size, is_genotype)) in fields.iter().enumerate() {
                out.push(if i > 0 { b':' } else { b'\t' });
                let bytes = &typed.bytes[sample * size..(sample + 1) * size];
                let own = Typed { bytes, ..typed };
                match is_genotype {
                    true => genotype(own, names.first_phase, out),
                    false if own.count == 0 => out.push(b'.'),
                    false => list(own, out),
                }
            }
        }
        Ok(())
    }
}

fn within(what: &str) -> impl Fn(Problem) -> Problem {
    move |problem| format!("{what}: {problem}")
}

fn undefined(what: &str, number: i32) -> Problem {
    format!("the header has no {what} of the number {number}")
}

/// Values up to the list's end, separated by commas.
fn list(typed: Typed<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    match typed.kind {
        TEXT => {
            let text = typed.bytes.split(|&b| b == 0).next().unwrap_or_default();
            // 7 stands for a missing character.
            out.extend(text.iter().map(|&b| if b == 7 { b'.' } else { b }));
            return;
        }
        FLOAT => {
            let all = typed.bytes.chunks(4).map(bits);
            for value in all.take_while(|&v| v != END_FLOAT) {
                separate(begin, out);
                float(value, out);
            }
        }
        _ => {
            let width = typed.bytes.len() / typed.count.max(1);
            let all = typed.bytes.chunks(width.max(1)).map(integer);
            for value in all.take_while(|&v| v != END) {
                separate(begin, out);
                match value {
                    MISSING => out.push(b'.'),
                    value => decimal(i64::from(value), out),
                }
            }
        }
    }
    if out.len() == begin {
        out.push(b'.');
    }
}

fn separate(begin: usize, out: &mut Vec<u8>) {
    if out.len() > begin {
        out.push(b',');
    }
}

/// A genotype: each allele is (number + 1) * 2, or 0 where missing, and 1 more where it is phased.
/// The first allele's phase is written only from VCF 4.4 on, and where the others do not tell it.
fn genotype(typed: Typed<'_>, first_phase: bool, out: &mut Vec<u8>) {
    let width = typed.bytes.len() / typed.count.max(1);
    let alleles = || {
        let all = typed.bytes.chunks(width.max(1)).map(integer);
        all.take_while(|&v| v != END)
    };
    let phased = |v: i32| v & 1 == 1;
    if let (true, Some(first)) = (first_phase, alleles().next()) {
        let implied = match alleles().nth(1) {
            None => first >> 1 > 0,
            Some(_) => alleles().skip(1).all(phased),
        };
        if phased(first) != implied {
            out.push(if phased(first) { b'|' } else { b'/' });
        }
    }
    let begin = out.len();
    for (i, value) in alleles().enumerate() {
        if i > 0 {
            out.push(if phased(value) { b'|' } else { b'/' });
        }
        match value >> 1 {
            number if number > 0 => decimal(i64::from(number) - 1, out),
            _ => out.push(b'.'),
        }
    }
    if out.len() == begin {
        out.push(b'.');
    }
}

/// A float, by its bits.
fn float(bits: u32, out: &mut Vec<u8>) {
    let value = f32::from_bits(bits);
    match value {
        _ if bits == MISSING_FLOAT => out.push(b'.'),
        _ if value.is_nan() => out.extend_from_slice(b"nan"),
        f32::INFINITY => out.extend_from_slice(b"inf"),
        f32::NEG_INFINITY => out.extend_from_slice(b"-inf"),
        _ => {
            let mut buffer = zmij::Buffer::new();
            let written = buffer.format(value);
            out.extend_from_slice(written.strip_suffix(".0").unwrap_or(written).as_bytes());
        }
    }
}

fn decimal(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}
