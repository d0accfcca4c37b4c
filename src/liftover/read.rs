//! The text of a chain file.

use std::path::Path;

use super::chains::{Block, Chain, Chains, Collected};
use crate::genome::Aliases;
use crate::input::{InputError, Lines, shorten};

const HEADER: &str = "chain SCORE NAME SIZE + START END NAME SIZE STRAND START END [ID]";
const BLOCK: &str = "SIZE, or SIZE and the gaps behind it in both genomes";

/// One of the two sides of a `chain` line.
struct Side<'a> {
    name: &'a str,
    size: u32,
    minus: bool,
    start: u32,
    end: u32,
}

/// A chain whose blocks are being read.
struct Open {
    chain: Chain,
    /// Where its next block begins, and where its last one ends, on both sides.
    at: (u32, u32),
    end: (u32, u32),
    /// The gaps before the next block.
    gap: bool,
}

impl Chains {
    /// Reads a chain file, plain, gzip or bgzip; `-` is standard input. Contigs of what is lifted are
    /// found in it under the names of `aliases`, too.
    ///
    /// # Errors
    /// When it cannot be read or holds no chain, and at the first line that is not that of a chain file,
    /// or a chain whose blocks do not add up to its ends.
    pub fn read(path: &Path, aliases: &Aliases) -> Result<Self, InputError> {
        let mut lines = Lines::open(path)?;
        let mut all = Collected::default();
        let mut open: Option<Open> = None;
        while let Some(line) = lines.next_line()? {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let last = match &mut open {
                None => header(&words, &mut all).map(|chain| {
                    open = Some(chain);
                    false
                }),
                Some(chain) => block(&words, chain, &mut all),
            };
            match last {
                Err((problem, expected)) => return Err(lines.error(problem, expected)),
                Ok(true) => all.extend(open.take().map(|done| done.chain)),
                Ok(false) => {}
            }
        }
        match open {
            Some(_) => Err(lines.error("the file ends within a chain", BLOCK)),
            None if all.is_empty() => Err(InputError::Empty(path.into())),
            None => Ok(all.finish(path, aliases.clone())),
        }
    }
}

/// What was found, and what would have been right.
type Wrong = (String, &'static str);

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (number <= i32::MAX as u32).then_some(number)
}

fn header(words: &[&str], all: &mut Collected) -> Result<Open, Wrong> {
    let wrong = |problem: String| (problem, HEADER);
    if !matches!(words.len(), 12 | 13) || words[0] != "chain" {
        let text = words.join(" ");
        return Err(wrong(format!("{:?}", shorten(&text))));
    }
    let side = |from: usize| -> Result<Side<'_>, Wrong> {
        let number = |at: usize| {
            number(words[from + at])
                .ok_or_else(|| wrong(format!("{:?}", shorten(words[from + at]))))
        };
        let side = Side {
            name: words[from],
            size: number(1)?,
            minus: match words[from + 2] {
                "+" => false,
                "-" => true,
                other => return Err(wrong(format!("strand {:?}", shorten(other)))),
            },
            start: number(3)?,
            end: number(4)?,
        };
        match side.start < side.end && side.end <= side.size {
            true => Ok(side),
            false => Err((
                format!(
                    "{} to {} on {:?}, which has {} bases",
                    side.start, side.end, side.name, side.size
                ),
                "0 <= START < END <= SIZE",
            )),
        }
    };
    let (source, new) = (side(2)?, side(7)?);
    if source.minus {
        return Err(("strand - of the source".into(), "strand +"));
    }
    let chain = Chain {
        source: all.source(source.name, source.size)?,
        new: all.new_build(new.name, new.size)?,
        minus: new.minus,
        start: source.start,
        end: source.end,
        blocks: all.blocks.len()..all.blocks.len(),
    };
    Ok(Open {
        chain,
        at: (source.start, new.start),
        end: (source.end, new.end),
        gap: true,
    })
}

/// Reads a block and the gaps behind it; `true` after the last one.
fn block(words: &[&str], open: &mut Open, all: &mut Collected) -> Result<bool, Wrong> {
    let numbers: Option<Vec<u32>> = words.iter().map(|word| number(word)).collect();
    let numbers = numbers.unwrap_or_default();
    let (size, gaps) = match numbers[..] {
        [size] => (size, None),
        [size, source, new] => (size, Some((source, new))),
        _ => return Err((format!("{:?}", shorten(&words.join(" "))), BLOCK)),
    };
    let (source, new) = open.at;
    let past = |at: u32, more: u32, end: u32| at.checked_add(more).filter(|&to| to <= end);
    let sums = || (past(source, size, open.end.0), past(new, size, open.end.1));
    let (Some(source_end), Some(new_end)) = sums() else {
        let problem = "the blocks reach past the chain's end".into();
        return Err((problem, "blocks and gaps that add up"));
    };
    match all.blocks.last_mut() {
        // A block that goes on where the last one ended is one with it.
        Some(last) if !open.gap => last.size += size,
        _ => all.blocks.push(Block { source, new, size }),
    }
    open.chain.blocks.end = all.blocks.len();
    let Some((source_gap, new_gap)) = gaps else {
        return match (source_end, new_end) == open.end {
            true => Ok(true),
            false => Err((
                format!(
                    "the last block ends at {source_end} and {new_end}, the chain at {} and {}",
                    open.end.0, open.end.1
                ),
                "blocks and gaps that add up",
            )),
        };
    };
    open.at = (
        source_end.saturating_add(source_gap),
        new_end.saturating_add(new_gap),
    );
    open.gap = (source_gap, new_gap) != (0, 0);
    Ok(false)
}
