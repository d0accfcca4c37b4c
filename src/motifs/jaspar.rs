use super::{Motif, MotifError};
use crate::input::{Lines, shorten};

/// A row of a matrix: the base that it is of, where it says so, and its numbers.
type Numbers = (Option<usize>, Vec<f64>);

/// Reads JASPAR's formats: each motif a line `>identifier name`, then a row of counts a base (`A [ 1 2 3 ]`, or numbers alone in the
/// order A, C, G, T), or, as HOCOMOCO has them, a row of four counts a column. A file of numbers alone is one motif, named
/// after the file.
pub(super) fn read(mut lines: Lines) -> Result<Vec<Motif>, MotifError> {
    let mut motifs = Vec::new();
    let mut open: Option<(Motif, u64, Vec<Numbers>)> = None;
    loop {
        let line = lines.next_filled()?;
        let head = line
            .as_deref()
            .map(str::trim)
            .and_then(|l| l.strip_prefix('>'));
        if let (None, Some(text)) = (head, &line) {
            let row = numbers(text).ok_or_else(|| {
                let line = shorten(text.trim());
                fail(
                    &lines,
                    lines.number(),
                    format!("{line:?}"),
                    "a row of counts",
                )
            })?;
            let stem = lines.path().file_stem().unwrap_or_default();
            let number = lines.number();
            open.get_or_insert_with(|| (named(&stem.to_string_lossy()), number, Vec::new()))
                .2
                .push(row);
            continue;
        }
        if let Some((mut motif, number, rows)) = open.take() {
            (motif.frequencies, motif.sites) = matrix(&rows).map_err(|problem| {
                let expected = "four rows of counts, of A, C, G, T, or a row of four a column";
                fail(
                    &lines,
                    number,
                    format!("motif {}: {problem}", motif.name),
                    expected,
                )
            })?;
            motifs.push(motif);
        }
        match head {
            Some(head) => open = Some((named(head), lines.number(), Vec::new())),
            None => return Ok(motifs),
        }
    }
}

fn fail(lines: &Lines, line: u64, problem: String, expected: &str) -> MotifError {
    MotifError::Meme {
        path: lines.path().into(),
        line,
        problem,
        expected: expected.into(),
    }
}

fn named(head: &str) -> Motif {
    let mut names = head.split_whitespace();
    Motif {
        name: names.next().unwrap_or("motif").into(),
        other_name: names.collect::<Vec<_>>().join(" "),
        frequencies: Vec::new(),
        sites: 0,
    }
}

fn numbers(line: &str) -> Option<Numbers> {
    let mut words = line.split(|c: char| c.is_whitespace() || "[]:|,".contains(c));
    let mut words = words.by_ref().filter(|w| !w.is_empty()).peekable();
    let base = words
        .peek()
        .and_then(|w| ["A", "C", "G", "T"].iter().position(|b| b == w));
    if base.is_some() {
        words.next();
    }
    let numbers: Option<Vec<f64>> = words
        .map(|w| w.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0))
        .collect();
    Some((base, numbers?))
}

/// The shares, column by column, and the number of sites (0 where the numbers are shares).
fn matrix(rows: &[Numbers]) -> Result<(Vec<[f64; 4]>, u64), String> {
    let width = rows.first().map_or(0, |(_, numbers)| numbers.len());
    if width == 0 {
        return Err("a matrix of width 0".into());
    }
    if rows.iter().any(|(_, numbers)| numbers.len() != width) {
        return Err("rows of different lengths".into());
    }
    let labelled = rows.iter().any(|(base, _)| base.is_some());
    let in_order = rows
        .iter()
        .enumerate()
        .all(|(i, (base, _))| *base == Some(i));
    let across = rows.len() == 4;
    if labelled && !(in_order && across) {
        return Err("its rows are not A, C, G, T".into());
    }
    let columns: Vec<[f64; 4]> = match (across, width) {
        (true, _) => (0..width)
            .map(|column| std::array::from_fn(|base| rows[base].1[column]))
            .collect(),
        (false, 4) => (rows.iter())
            .map(|(_, numbers)| std::array::from_fn(|base| numbers[base]))
            .collect(),
        _ => return Err(format!("{} rows of {width} numbers", rows.len())),
    };
    let sums: Vec<f64> = columns.iter().map(|c| c.iter().sum()).collect();
    if sums.iter().any(|sum| *sum <= 0.0) {
        return Err("a column without counts".into());
    }
    let most = sums.iter().copied().fold(0.0, f64::max);
    // Shares sum to 1, but for their rounding.
    let sites = if most > 1.5 { most.round() as u64 } else { 0 };
    let shares = columns.iter().zip(&sums).map(|(c, sum)| c.map(|v| v / sum));
    Ok((shares.collect(), sites))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::motifs::read_motifs;

    fn read_text(text: &str) -> Result<Vec<Motif>, MotifError> {
        let dir = tempfile::tempdir().unwrap();
        let path: &Path = &dir.path().join("alone.pfm");
        std::fs::write(path, text).unwrap();
        read_motifs(path)
    }

    #[test]
    fn all_layouts() {
        let expected = vec![
            [0.25, 0.5, 0.25, 0.0],
            [0.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 0.0],
        ];
        let labelled = ">MA1.1\tFOX::JUN x\nA [ 1 0 4 ]\nC [ 2 0 0 ]\nG [ 1 0 0 ]\nT [ 0 4 0 ]\n";
        let plain = ">MA1.1 FOX::JUN x\n1 0 4\n2 0 0\n1 0 0\n0 4 0\n\n";
        let columns = ">MA1.1 FOX::JUN x\n1 2 1 0\n0 0 0 4\n4 0 0 0\n";
        for text in [labelled, plain, columns] {
            let motifs = read_text(text).unwrap();
            assert_eq!(motifs[0].frequencies, expected, "{text}");
            assert_eq!((&motifs[0].name[..], motifs[0].sites), ("MA1.1", 4));
            assert_eq!(motifs[0].other_name, "FOX::JUN x");
        }
        let two = read_text(&format!("{labelled}>b\n1\n0\n0\n0\n")).unwrap();
        assert_eq!((two.len(), &two[1].name[..]), (2, "b"));
        assert_eq!(two[1].sites, 0);
        let alone = read_text("1 0 4\n2 0 0\n1 0 0\n0 4 0\n").unwrap();
        assert_eq!((&alone[0].name[..], alone.len()), ("alone", 1));
    }

    #[test]
    fn what_is_damaged_is_refused_by_line() {
        for (text, words) in [
            (
                ">a\n>b\n1\n1\n1\n1\n",
                "line 1: motif a: a matrix of width 0",
            ),
            (">a\nA [ ]\nC [ ]\nG [ ]\nT [ ]\n", "width 0"),
            (">a\n1 2\n1\n1 2\n1 2\n", "rows of different lengths"),
            (">a\n1 2 3\n1 2 3\n", "2 rows of 3 numbers"),
            (">a\n1 0\n1 0\n1 0\n1 0\n", "a column without counts"),
            (">a\nC 1\nA 1\nG 1\nT 1\n", "not A, C, G, T"),
            (">a\n1 x 3\n", "line 2: \"1 x 3\""),
            (">a\n1 -2 3\n", "line 2"),
            ("hello\n", "line 1: \"hello\""),
            ("1 x\n", "line 1: \"1 x\""),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
