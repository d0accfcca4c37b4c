//! Typed values of BCF: a byte with type and count, then the values, little-endian.

/// What is wrong with a record, in words.
pub(super) type Problem = String;

pub(super) const FLAG: u8 = 0;
pub(super) const INT8: u8 = 1;
pub(super) const INT16: u8 = 2;
pub(super) const INT32: u8 = 3;
pub(super) const FLOAT: u8 = 5;
pub(super) const TEXT: u8 = 7;

/// A missing integer, and the end of a list that is shorter than its place, as they are widened to
/// 32 bits; and the bits of the same among floats.
pub(super) const MISSING: i32 = i32::MIN;
pub(super) const END: i32 = i32::MIN + 1;
pub(super) const MISSING_FLOAT: u32 = 0x7f80_0001;
pub(super) const END_FLOAT: u32 = 0x7f80_0002;

/// The smallest integer of 32 bits that is a value: the eight below it are reserved.
pub(super) const LEAST: i32 = i32::MIN + 8;

/// Values as they stand in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed<'a> {
    pub kind: u8,
    pub count: usize,
    pub bytes: &'a [u8],
}

/// Bytes that are read from their beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            let left = self.0.len();
            return Err(format!("{count} bytes expected, {left} are left"));
        };
        self.0 = rest;
        Ok(taken)
    }

    /// Type and count of the values that follow.
    ///
    /// # Errors
    /// When there is no such type or the bytes end.
    pub fn kind(&mut self) -> Result<(u8, usize), Problem> {
        let first = self.take(1)?[0];
        let (kind, mut count) = (first & 15, usize::from(first >> 4));
        width(kind)?;
        if count == 15 {
            count = usize::try_from(self.integer()?)
                .map_err(|_| "a negative number of values".to_owned())?;
        }
        Ok((kind, count))
    }

    /// Values with their type; `times` as many as they say (one list for each sample).
    ///
    /// # Errors
    /// As [`Self::kind`].
    pub fn typed(&mut self, times: usize) -> Result<Typed<'a>, Problem> {
        let (kind, count) = self.kind()?;
        let length = (count.checked_mul(width(kind)?)).and_then(|n| n.checked_mul(times));
        let bytes = self.take(length.ok_or("more values than any file has")?)?;
        Ok(Typed { kind, count, bytes })
    }

    /// One typed integer.
    ///
    /// # Errors
    /// When there is another type or the bytes end.
    pub fn integer(&mut self) -> Result<i32, Problem> {
        let first = self.take(1)?[0];
        if first >> 4 != 1 || !(INT8..=INT32).contains(&(first & 15)) {
            return Err(format!("one integer expected, found type {first:#04x}"));
        }
        let bytes = self.take(width(first & 15)?)?;
        Ok(integer(bytes))
    }
}

/// Bytes of a value.
pub(super) fn width(kind: u8) -> Result<usize, Problem> {
    match kind {
        FLAG => Ok(0),
        INT8 | TEXT => Ok(1),
        INT16 => Ok(2),
        INT32 | FLOAT => Ok(4),
        other => Err(format!("there is no type {other} in BCF")),
    }
}

/// An integer of 1, 2 or 4 bytes; the reserved values of each width become those of 32 bits.
pub(super) fn integer(bytes: &[u8]) -> i32 {
    let reserved = |value: i32, least: i32| match value - least {
        0 => MISSING,
        1 => END,
        _ => value,
    };
    match *bytes {
        [a] => reserved(i32::from(a as i8), i32::from(i8::MIN)),
        [a, b] => reserved(i32::from(i16::from_le_bytes([a, b])), i32::from(i16::MIN)),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
        _ => MISSING,
    }
}

/// The bits of a float of 4 bytes.
pub(super) fn bits(bytes: &[u8]) -> u32 {
    match *bytes {
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => MISSING_FLOAT,
    }
}

/// Writes type and count.
pub(super) fn put_kind(kind: u8, count: usize, out: &mut Vec<u8>) {
    match count < 15 {
        true => out.push((count as u8) << 4 | kind),
        false => {
            out.push(15 << 4 | kind);
            // No list is longer than a record, which has fewer than 2^31 bytes.
            put_integer(i32::try_from(count).unwrap_or(i32::MAX), out);
        }
    }
}

/// Writes one integer with its type.
pub(super) fn put_integer(value: i32, out: &mut Vec<u8>) {
    put_integers(&[value], 1, out);
}

/// Writes integers with the narrowest type that holds them all; `count` is that of one list.
pub(super) fn put_integers(values: &[i32], count: usize, out: &mut Vec<u8>) {
    let sound = || values.iter().copied().filter(|&v| v >= LEAST);
    let (least, most) = sound().fold((0, 0), |(a, b), v| (v.min(a), v.max(b)));
    let narrow = |v: i32| match v {
        MISSING => i16::MIN,
        END => i16::MIN + 1,
        v => v as i16,
    };
    if least >= i32::from(i8::MIN) + 8 && most <= i32::from(i8::MAX) {
        put_kind(INT8, count, out);
        out.extend(values.iter().map(|&v| match v {
            MISSING => 0x80,
            END => 0x81,
            v => v as i8 as u8,
        }));
    } else if least >= i32::from(i16::MIN) + 8 && most <= i32::from(i16::MAX) {
        put_kind(INT16, count, out);
        out.extend(values.iter().flat_map(|&v| narrow(v).to_le_bytes()));
    } else {
        put_kind(INT32, count, out);
        out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
}

/// Writes floats, given as bits; `count` is that of one list.
pub(super) fn put_floats(values: &[u32], count: usize, out: &mut Vec<u8>) {
    put_kind(FLOAT, count, out);
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

/// Writes text.
pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_kind(TEXT, text.len(), out);
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_narrowest_type() {
        let check = |values: &[i32], kind: u8| {
            let mut out = Vec::new();
            put_integers(values, values.len(), &mut out);
            let typed = Bytes(&out).typed(1).unwrap();
            assert_eq!(
                (typed.kind, typed.count),
                (kind, values.len()),
                "{values:?}"
            );
            let width = width(kind).unwrap();
            let found: Vec<i32> = typed.bytes.chunks(width).map(integer).collect();
            assert_eq!(found, values);
        };
        check(&[0, 127, -120, MISSING, END], INT8);
        check(&[128], INT16);
        check(&[-121, MISSING, END], INT16);
        check(&[32_767, -32_760], INT16);
        check(&[32_768], INT32);
        check(&[-32_761, MISSING, END], INT32);
        check(&[i32::MAX, LEAST], INT32);
        check(&[5; 15], INT8);
        check(&[300; 200], INT16);
    }

    #[test]
    fn what_is_cut_off_is_said() {
        let fails = |bytes: &[u8], part: &str| {
            let problem = Bytes(bytes).typed(1).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        };
        fails(&[], "1 bytes expected, 0 are left");
        fails(&[0x27, b'a'], "2 bytes expected, 1 are left");
        fails(&[0x14], "no type 4");
        fails(&[0xf1, 0x11, 0xff], "a negative number");
        fails(&[0xf1, 0x21, 1, 1], "one integer expected");
        fails(&[0xf3, 0x13, 0xff, 0xff, 0xff, 0x7f], "are left");
    }
}
