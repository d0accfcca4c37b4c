//! Tables of k-mers and their weights, as deltaSVM reads them (Lee et al. 2015, Nat Genet 47:955).

use super::kernel::reverse;
use super::{KmerFacts, KmerTable, LONGEST, line};
use crate::input::Lines;
use crate::model::ModelError;

/// What a row must be.
const ROW: &str = "a k-mer and its weight (or a k-mer, its reverse complement and their weight)";

/// A row's k-mer and weight.
struct Row<'a> {
    kmer: &'a str,
    other: Option<&'a str>,
    weight: &'a str,
}

/// Reads the rows that are left.
///
/// # Errors
/// With the line, where one is no row of such a table.
pub(super) fn read(lines: &mut Lines) -> Result<KmerTable, ModelError> {
    let mut k = 0;
    let mut given: Vec<f32> = Vec::new();
    let mut rows = 0u64;
    let mut first = true;
    loop {
        let (number, weight) = {
            let Some(text) = lines.next_line()? else {
                break;
            };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let row = match row(text) {
                Ok(row) => row,
                Err(found) => {
                    let wanted = if first { NEITHER } else { ROW };
                    return Err(line(lines, found, wanted));
                }
            };
            let head = std::mem::take(&mut first)
                && !row.kmer.bytes().all(is_base)
                && row.weight.parse::<f64>().is_err();
            if head {
                continue;
            }
            let checked = checked(&row, &mut k);
            match checked {
                Ok(found) => found,
                Err((found, wanted)) => return Err(line(lines, found, wanted)),
            }
        };
        if given.is_empty() {
            given.resize(1 << (2 * k), f32::NAN);
        }
        let place = &mut given[number as usize];
        if !place.is_nan() {
            let text = super::letters(number, k);
            return Err(line(
                lines,
                format!("{text} stands twice"),
                "each k-mer once",
            ));
        }
        *place = weight;
        rows += 1;
    }
    if rows == 0 {
        return Err(ModelError::Unfit {
            path: lines.path().into(),
            what: "k-mers",
            problem: format!("it holds none; expected rows of {ROW}"),
        });
    }
    Ok(complete(k, given, rows))
}

const NEITHER: &str = "an ONNX model, a gkm-SVM model, or rows of a k-mer and its weight";

fn row(text: &str) -> Result<Row<'_>, String> {
    let split = |c: char| c == ',' || c.is_whitespace();
    let mut fields = text
        .split(split)
        .map(|field| field.trim_matches('"'))
        .filter(|field| !field.is_empty());
    let fields = [fields.next(), fields.next(), fields.next(), fields.next()];
    match fields {
        [Some(kmer), Some(weight), None, None] => Ok(Row {
            kmer,
            other: None,
            weight,
        }),
        [Some(kmer), Some(other), Some(weight), None] => Ok(Row {
            kmer,
            other: Some(other),
            weight,
        }),
        _ => {
            let many = text.split(split).filter(|field| !field.is_empty()).count();
            Err(match many {
                1 => "one column".into(),
                n => format!("{n} columns"),
            })
        }
    }
}

/// The number and the weight of a row. `k` is what the rows before have, 0 in the first.
fn checked(row: &Row<'_>, k: &mut usize) -> Result<(u32, f32), (String, String)> {
    let kmer = row.kmer;
    let shown = || crate::input::shorten(kmer);
    if let Some(letter) = kmer.chars().find(|&c| !c.is_ascii() || !is_base(c as u8)) {
        return Err((
            format!("the letter {letter:?} in {:?}", shown()),
            match *k {
                0 => NEITHER.into(),
                _ => "a k-mer of the letters A, C, G, T".into(),
            },
        ));
    }
    if *k != 0 && kmer.len() != *k {
        return Err((
            format!("a k-mer of {} letters ({})", kmer.len(), shown()),
            format!("{k} letters, as in the rows before"),
        ));
    }
    if kmer.len() > LONGEST {
        return Err((
            format!("a k-mer of {} letters", kmer.len()),
            format!("at most {LONGEST}"),
        ));
    }
    *k = kmer.len();
    let number = number(kmer);
    if let Some(other) = row.other {
        let own = other.len() == kmer.len() && other.bytes().all(is_base);
        if !own || self::number(other) != reverse(number, *k) {
            return Err((
                format!("{other:?} in the second of three columns"),
                format!("the reverse complement of {kmer}"),
            ));
        }
    }
    let weight = row.weight.parse::<f32>().ok().filter(|w| w.is_finite());
    let weight =
        weight.ok_or_else(|| (format!("the weight {:?}", row.weight), "a number".into()))?;
    Ok((number, weight))
}

fn is_base(letter: u8) -> bool {
    crate::encode::code(letter).is_some_and(|code| code < crate::encode::UNKNOWN)
}

/// Of letters that are bases.
fn number(kmer: &str) -> u32 {
    let codes = kmer.bytes().filter_map(crate::encode::code);
    codes.fold(0, |n, code| 4 * n + u32::from(code))
}

/// A k-mer that is not given has the weight of its reverse complement, or 0.
fn complete(k: usize, given: Vec<f32>, rows: u64) -> KmerTable {
    let (mut without, mut differ) = (0, 0);
    let weights: Vec<f32> = (given.iter().enumerate())
        .map(|(number, &own)| {
            let other = given[reverse(number as u32, k) as usize];
            match (own.is_nan(), other.is_nan()) {
                (true, true) => {
                    without += 1;
                    0.0
                }
                (true, false) => other,
                (false, true) => own,
                (false, false) => {
                    differ += u64::from(own != other);
                    own
                }
            }
        })
        .collect();
    KmerTable {
        k,
        weights,
        facts: KmerFacts {
            k,
            from: format!("a table of {rows} weights"),
            without,
            differ,
        },
    }
}
