//! How an input is spoiled.

use proptest::prelude::*;
use proptest::sample::Index;

/// Numbers that no table expects, as text.
const NUMBERS: [&str; 24] = [
    "",
    "0",
    "-0",
    "-1",
    "1",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e308",
    "1e309",
    "-1e308",
    "1e-320",
    "1e40",
    "nan",
    "inf",
    "-inf",
    "NA",
    ".",
    "0x10",
    "1,5",
];

/// And as the bytes of a binary field.
const WORDS: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0xf000_0000,
    0x7f80_0000,
    0x7fc0_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Pieces that stand where they should not.
const PIECES: [&[u8]; 16] = [
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"#",
    b"\"",
    b",",
    b"-",
    b"+",
    b">",
    b"N",
    b"\x1f\x8b",
    b"nan",
];

/// One change of a file.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// A bit is another.
    Flip(Index, u8),
    /// A byte is another.
    Byte(Index, u8),
    /// The end is missing.
    Cut(Index),
    /// A stretch is missing.
    Remove(Index, u16),
    /// A stretch stands twice.
    Repeat(Index, u16),
    /// A stretch of the file, at another place.
    Copy(Index, Index, u16),
    /// Something is put in.
    Insert(Index, Index),
    /// Two, four or eight bytes are an extreme number.
    Word(Index, Index, u8),
    /// A number of a text is another.
    Number(Index, Index),
    /// A line is missing, stands twice, or is somewhere else.
    Line(Index, Index, u8),
    /// A field of a line is missing, or another's.
    Field(Index, Index, u8),
    /// All lines end, or all fields are parted, in another way.
    Separators(u8),
}

/// One to four changes.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<Index>;
    let one = prop_oneof![
        3 => (at(), 0..8u8).prop_map(|(i, bit)| Mutation::Flip(i, bit)),
        2 => (at(), any::<u8>()).prop_map(|(i, byte)| Mutation::Byte(i, byte)),
        2 => at().prop_map(Mutation::Cut),
        2 => (at(), any::<u16>()).prop_map(|(i, n)| Mutation::Remove(i, n)),
        1 => (at(), any::<u16>()).prop_map(|(i, n)| Mutation::Repeat(i, n)),
        1 => (at(), at(), any::<u16>()).prop_map(|(i, j, n)| Mutation::Copy(i, j, n)),
        2 => (at(), at()).prop_map(|(i, j)| Mutation::Insert(i, j)),
        4 => (at(), at(), 1..4u8).prop_map(|(i, j, n)| Mutation::Word(i, j, n)),
        6 => (at(), at()).prop_map(|(i, j)| Mutation::Number(i, j)),
        2 => (at(), at(), 0..3u8).prop_map(|(i, j, n)| Mutation::Line(i, j, n)),
        3 => (at(), at(), 0..3u8).prop_map(|(i, j, n)| Mutation::Field(i, j, n)),
        1 => (0..5u8).prop_map(Mutation::Separators),
    ];
    proptest::collection::vec(one, 1..5)
}

/// A file with these changes.
pub fn mutated(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        apply(&mut bytes, mutation);
    }
    bytes
}

/// Lengths are mostly short.
fn stretch(bytes: &[u8], from: Index, length: u16) -> std::ops::Range<usize> {
    let from = from.index(bytes.len());
    let length = match length % 4 {
        0 => usize::from(length),
        1 => usize::from(length % 512),
        _ => usize::from(length % 16) + 1,
    };
    from..bytes.len().min(from + length)
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match mutation {
        Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Mutation::Byte(at, byte) => bytes[at.index(length)] = *byte,
        Mutation::Cut(at) => bytes.truncate(at.index(length)),
        Mutation::Remove(at, n) => drop(bytes.drain(stretch(bytes, *at, *n))),
        Mutation::Repeat(at, n) => {
            let range = stretch(bytes, *at, *n);
            let piece = bytes[range.clone()].to_vec();
            bytes.splice(range.start..range.start, piece);
        }
        Mutation::Copy(at, to, n) => {
            let piece = bytes[stretch(bytes, *at, *n)].to_vec();
            let to = to.index(length);
            bytes.splice(to..to, piece);
        }
        Mutation::Insert(at, what) => {
            let at = at.index(length);
            bytes.splice(at..at, PIECES[what.index(PIECES.len())].iter().copied());
        }
        Mutation::Word(at, what, power) => {
            let word = WORDS[what.index(WORDS.len())].to_le_bytes();
            let at = at.index(length);
            let end = length.min(at + (1 << power));
            bytes[at..end].copy_from_slice(&word[..end - at]);
        }
        Mutation::Number(at, what) => {
            let numeric = |b: &u8| b.is_ascii_digit() || b".-+eE".contains(b);
            let from = at.index(length);
            let Some(first) = bytes[from..].iter().position(u8::is_ascii_digit) else {
                return;
            };
            let start = from + first;
            let digits = bytes[start..].iter().take_while(|b| numeric(b)).count();
            let number = NUMBERS[what.index(NUMBERS.len())];
            bytes.splice(start..start + digits, number.bytes());
        }
        Mutation::Line(at, other, how) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            let (at, other) = (at.index(lines.len()), other.index(lines.len()));
            match how {
                0 => drop(lines.remove(at)),
                1 => lines.insert(other, lines[at]),
                _ => lines.swap(at, other),
            }
            *bytes = lines.concat();
        }
        Mutation::Field(at, other, how) => {
            let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
            let which = at.index(lines.len());
            let mut fields: Vec<&[u8]> = lines[which].split(|b| *b == b'\t').collect();
            let (from, to) = (at.index(fields.len()), other.index(fields.len()));
            match how {
                0 => drop(fields.remove(from)),
                1 => fields.insert(to, fields[from]),
                _ => fields.swap(from, to),
            }
            let line = fields.join(&b'\t');
            let mut lines = lines;
            lines[which] = &line;
            *bytes = lines.join(&b'\n');
        }
        Mutation::Separators(how) => {
            let (from, to): (u8, &[u8]) = match how {
                0 => (b'\n', b"\r\n"),
                1 => (b'\n', b"\r"),
                2 => (b'\t', b" "),
                3 => (b'\t', b","),
                _ => (b'\n', b"\n\n"),
            };
            let pieces: Vec<&[u8]> = bytes.split(|b| *b == from).collect();
            *bytes = pieces.join(to);
        }
    }
}
