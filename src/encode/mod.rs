//! Bases as numbers: 0 to 3 for A, C, G, T in either case, [`UNKNOWN`] for everything else.
//!
//! An unknown base (N, another IUPAC code, a position outside the contig) is a zero column in the
//! model's input. Turning codes into one-hot columns in a model's own layout and alphabet is the
//! work of [`OneHot`]; nothing above `model/` sees floats of sequence.

mod one_hot;

pub use one_hot::{Layout, OneHot};

/// The code of a base that is not A, C, G or T.
pub const UNKNOWN: u8 = 4;

/// Letters by code.
pub const BASES: [char; 4] = ['A', 'C', 'G', 'T'];

/// Code by byte; 255 for bytes that do not belong in a sequence.
const CODES: [u8; 256] = {
    let mut table = [255u8; 256];
    let mut letter = 0;
    while letter < 26 {
        table[b'A' as usize + letter] = UNKNOWN;
        table[b'a' as usize + letter] = UNKNOWN;
        letter += 1;
    }
    table[b'*' as usize] = UNKNOWN;
    table[b'-' as usize] = UNKNOWN;
    table[b'A' as usize] = 0;
    table[b'a' as usize] = 0;
    table[b'C' as usize] = 1;
    table[b'c' as usize] = 1;
    table[b'G' as usize] = 2;
    table[b'g' as usize] = 2;
    table[b'T' as usize] = 3;
    table[b't' as usize] = 3;
    table
};

/// The code of one letter; `None` for a byte that does not belong in a sequence.
pub fn code(letter: u8) -> Option<u8> {
    let code = CODES[letter as usize];
    (code != 255).then_some(code)
}

/// Appends the codes of sequence letters; `false` when a byte does not belong in a sequence.
pub fn push_codes(letters: &[u8], codes: &mut Vec<u8>) -> bool {
    let mut highest = 0;
    codes.extend(letters.iter().map(|&letter| {
        let code = CODES[letter as usize];
        highest = highest.max(code);
        code
    }));
    highest <= UNKNOWN
}

/// The code of the complementary base; unknown stays unknown.
pub fn complement(code: u8) -> u8 {
    if code < UNKNOWN { 3 - code } else { code }
}

/// The number of the reverse complement of a k-mer, whose first base is its number's highest digit.
pub(crate) fn complement_of_kmer(k: usize, number: usize) -> usize {
    (0..k).fold(0, |turned, place| {
        4 * turned + usize::from(complement((number >> (2 * place) & 3) as u8))
    })
}

/// Writes the reverse complement of `codes` into `out` (same length).
pub fn reverse_complement(codes: &[u8], out: &mut [u8]) {
    for (to, &from) in out.iter_mut().zip(codes.iter().rev()) {
        *to = complement(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        let mut codes = Vec::new();
        assert!(push_codes(b"ACGTacgtNnRy-*U", &mut codes));
        assert_eq!(codes, [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4]);
        assert!(!push_codes(b"AC>T", &mut Vec::new()));
        assert!(!push_codes(b"AC\nT", &mut Vec::new()));
        assert_eq!(code(b'g'), Some(2));
        assert_eq!(code(b'1'), None);
    }

    #[test]
    fn reverse_complement_keeps_unknown() {
        let mut out = [9; 5];
        reverse_complement(&[0, 1, 4, 2, 2], &mut out);
        assert_eq!(out, [1, 1, 4, 2, 3]);
    }
}
