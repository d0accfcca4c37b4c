use std::fmt::Write as _;
use std::path::Path;

use super::{Motif, MotifError};
use crate::input::Lines;

/// The text of a file in MEME's minimal format, version 5.
pub fn write_meme(background: [f64; 4], motifs: &[Motif]) -> String {
    let [a, c, g, t] = background;
    let mut text = format!(
        "MEME version 5\n\nALPHABET= ACGT\n\nstrands: +\n\nBackground letter frequencies\nA {a:.6} C {c:.6} G {g:.6} T {t:.6}\n"
    );
    for motif in motifs {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\nMOTIF {} {}\nletter-probability matrix: alength= 4 w= {} nsites= {} E= 0",
            motif.name,
            motif.other_name,
            motif.frequencies.len(),
            motif.sites
        );
        for [a, c, g, t] in &motif.frequencies {
            let _ = writeln!(text, " {a:.6} {c:.6} {g:.6} {t:.6}");
        }
    }
    text
}

/// Reads motifs in MEME's minimal format.
pub(super) fn read(path: &Path, mut lines: Lines) -> Result<Vec<Motif>, MotifError> {
    let mut motifs: Vec<Motif> = Vec::new();
    // Rows still to come of the matrix that is being read.
    let mut left = 0usize;
    let mut first = true;
    loop {
        let fail = |line: u64, problem: String, expected: &str| MotifError::Meme {
            path: path.into(),
            line,
            problem,
            expected: expected.into(),
        };
        let Some(line) = lines.next_filled()? else {
            if left > 0 {
                return Err(fail(
                    lines.number(),
                    format!("the file ends {left} row(s) too early"),
                    "as many rows as w=",
                ));
            }
            break;
        };
        let number = lines.number();
        let line = line.trim();
        if first {
            first = false;
            if !line.starts_with("MEME version") {
                return Err(fail(
                    number,
                    format!("{line:?}"),
                    "\"MEME version\" and a number, or `>` and a motif's name",
                ));
            }
        } else if left > 0 {
            let cells: Option<Vec<f64>> = (line.split_whitespace())
                .map(|c| c.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0))
                .collect();
            let row: Option<[f64; 4]> = cells.and_then(|c| c.try_into().ok());
            let sum = row.map_or(0.0, |r| r.iter().sum::<f64>());
            let (Some(row), Some(motif)) = (row.filter(|_| sum > 0.0), motifs.last_mut()) else {
                return Err(fail(
                    number,
                    format!("{line:?}"),
                    "four shares, of A, C, G, T",
                ));
            };
            motif.frequencies.push(row.map(|v| v / sum));
            left -= 1;
        } else if let Some(alphabet) = line.strip_prefix("ALPHABET=") {
            if alphabet.trim() != "ACGT" {
                return Err(fail(
                    number,
                    format!("alphabet {:?}", alphabet.trim()),
                    "ACGT",
                ));
            }
        } else if let Some(names) = line.strip_prefix("MOTIF ") {
            let mut names = names.split_whitespace();
            motifs.push(Motif {
                name: names.next().unwrap_or_default().into(),
                other_name: names.collect::<Vec<_>>().join(" "),
                frequencies: Vec::new(),
                sites: 0,
            });
        } else if line.starts_with("letter-probability matrix") {
            let value = |key: &str| -> Option<usize> {
                let rest = &line[line.find(key)? + key.len()..];
                rest.split_whitespace().next()?.parse().ok()
            };
            match (value(" w="), motifs.last_mut()) {
                (Some(width), Some(motif)) if width > 0 && motif.frequencies.is_empty() => {
                    left = width;
                    motif.sites = value("nsites=").unwrap_or(0) as u64;
                }
                _ => {
                    return Err(fail(
                        number,
                        format!("{line:?}"),
                        "`w=` and one matrix a motif",
                    ));
                }
            }
        }
    }
    motifs.retain(|m| !m.frequencies.is_empty());
    match motifs.is_empty() {
        true => Err(MotifError::Meme {
            path: path.into(),
            line: lines.number(),
            problem: "no motif with a letter-probability matrix".into(),
            expected: "at least one".into(),
        }),
        false => Ok(motifs),
    }
}
