use std::path::Path;

use super::{Motif, MotifError, jaspar, meme};
use crate::input::Lines;

/// Reads motifs, plain or gzip: MEME's minimal format (JASPAR, HOCOMOCO and others offer it), or JASPAR's own (rows of counts below
/// `>` and a name). Columns are scaled to sum to 1.
///
/// # Errors
/// When the file cannot be read, is not of the DNA alphabet, holds no motif, or a matrix is damaged.
pub fn read_motifs(path: &Path) -> Result<Vec<Motif>, MotifError> {
    let mut lines = Lines::open(path)?;
    let counts = |line: &str| {
        line.starts_with(|c: char| ">[".contains(c) || c.is_ascii_digit())
            || ["A", "C", "G", "T"].contains(&line.split_whitespace().next().unwrap_or(""))
    };
    let first = lines.next_filled()?;
    lines.unread();
    match first.is_some_and(|line| counts(line.trim())) {
        true => jaspar::read(lines),
        false => meme::read(path, lines),
    }
}
