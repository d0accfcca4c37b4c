//! The figure of a variant: for the reference and the alternative allele, importance as a letter
//! logo above the effects of all changes as a heat map.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use ndarray::Array2;

use super::{BASE_COLOURS, PlotError, escaped};

/// One allele's sequence and scores, position by position.
pub struct Allele {
    /// In front of its panels.
    pub name: String,
    /// Base codes, 4 where unknown.
    pub codes: Vec<u8>,
    /// Effects of the changes to A, C, G, T, `[position, 4]`; NaN where there is none.
    pub effects: Array2<f32>,
    /// Importance, `[position]`; NaN where there is none.
    pub importance: Vec<f32>,
    /// Columns that the variant changes, half-open.
    pub changed: (usize, usize),
}

/// Both alleles of a variant.
pub struct Figure {
    /// Above everything.
    pub title: String,
    /// Contig, for the axis.
    pub contig: String,
    /// Position of the first column, 1-based.
    pub first: u32,
    /// Reference and alternative.
    pub alleles: [Allele; 2],
}

const COLUMN: f64 = 8.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 92.0;
const TITLE: f64 = 34.0;
const NAME: f64 = 20.0;
const LOGO: f64 = 90.0;
const ROW: f64 = 10.0;
const GAP: f64 = 8.0;
const AXIS: f64 = 40.0;

/// Outlines in a square of 100 by 100, origin at the upper left, drawn with the even-odd rule.
const GLYPHS: [&str; 4] = [
    // A
    "M0 100L38 0H62L100 100H77L69 77H31L23 100ZM37 60H63L50 21Z",
    // C
    "M100 31H78C75 22 65 17 54 17C35 17 23 30 23 50C23 70 35 83 54 83C66 83 76 77 78 67H100\
     C97 88 78 100 54 100C21 100 0 80 0 50C0 20 21 0 54 0C78 0 97 11 100 31Z",
    // G
    "M100 31H78C75 22 65 17 54 17C35 17 23 30 23 50C23 70 35 83 54 83C66 83 76 78 79 66H54V50\
     H100V100H84L82 88C75 96 65 100 54 100C21 100 0 80 0 50C0 20 21 0 54 0C78 0 97 11 100 31Z",
    // T
    "M0 0H100V18H61V100H39V18H0Z",
];

/// Draws a figure.
///
/// # Errors
/// When it cannot be written.
pub fn draw(path: &Path, figure: &Figure) -> Result<(), PlotError> {
    fs::write(path, svg(figure)).map_err(|e| PlotError::Write(e, path.into()))
}

/// Largest absolute value that is a number.
fn largest<'a>(tables: impl Iterator<Item = &'a f32>) -> f64 {
    let most = tables
        .filter(|v| v.is_finite())
        .fold(0.0f32, |m, v| m.max(v.abs()));
    // A flat panel still needs a scale.
    if most > 0.0 { f64::from(most) } else { 1.0 }
}

fn svg(figure: &Figure) -> String {
    let columns = figure.alleles.iter().map(|a| a.codes.len()).max();
    let columns = columns.unwrap_or(0);
    let panel = NAME + LOGO + GAP + 4.0 * ROW + GAP;
    let (width, height) = (
        LEFT + columns as f64 * COLUMN + RIGHT,
        TITLE + 2.0 * panel + AXIS,
    );
    let heat = largest(figure.alleles.iter().flat_map(|a| &a.effects));
    let high = largest(figure.alleles.iter().flat_map(|a| &a.importance));
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<defs>\n"
    );
    for (letter, glyph) in ["A", "C", "G", "T"].iter().zip(GLYPHS) {
        let _ = writeln!(
            out,
            "<path id=\"{letter}\" d=\"{glyph}\" fill-rule=\"evenodd\"/>"
        );
    }
    let _ = write!(
        out,
        "</defs>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(&figure.title)
    );
    for (i, allele) in figure.alleles.iter().enumerate() {
        let top = TITLE + i as f64 * panel;
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top + 14.0,
            escaped(&allele.name)
        );
        // What the variant changes, behind both panels.
        let (from, to) = allele.changed;
        if to > from {
            let _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#fff3bf\"/>",
                LEFT + from as f64 * COLUMN,
                top + NAME - 2.0,
                (to - from) as f64 * COLUMN,
                LOGO + GAP + 4.0 * ROW + 4.0
            );
        }
        logo(&mut out, allele, top + NAME, high);
        heat_map(&mut out, allele, top + NAME + LOGO + GAP, heat);
    }
    let bottom = TITLE + 2.0 * panel;
    axis(&mut out, figure, columns, bottom);
    scale(&mut out, LEFT + columns as f64 * COLUMN + 18.0, heat);
    out.push_str("</svg>\n");
    out
}

fn logo(out: &mut String, allele: &Allele, top: f64, high: f64) {
    let middle = top + LOGO / 2.0;
    let unit = LOGO / 2.0 / high;
    let right = LEFT + allele.codes.len() as f64 * COLUMN;
    let _ = write!(
        out,
        "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#999\" \
         stroke-width=\"0.5\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{high:.2}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">-{high:.2}</text>\n",
        LEFT - 6.0,
        top + 9.0,
        LEFT - 6.0,
        top + LOGO
    );
    for (i, (&code, &value)) in allele.codes.iter().zip(&allele.importance).enumerate() {
        let Some(colour) = BASE_COLOURS.get(usize::from(code)) else {
            continue;
        };
        let tall = f64::from(value).abs() * unit;
        // Shorter letters cannot be seen.
        if !value.is_finite() || tall < 0.3 {
            continue;
        }
        let x = LEFT + i as f64 * COLUMN;
        let y = if value > 0.0 { middle - tall } else { middle };
        let letter = ['A', 'C', 'G', 'T'][usize::from(code)];
        let _ = writeln!(
            out,
            "<use href=\"#{letter}\" fill=\"{colour}\" transform=\"translate({:.2} {y:.2}) \
             scale({:.4} {:.4})\"/>",
            x + 0.3,
            (COLUMN - 0.6) / 100.0,
            tall / 100.0
        );
    }
}

fn heat_map(out: &mut String, allele: &Allele, top: f64, most: f64) {
    for (row, letter) in ["A", "C", "G", "T"].iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"9\">{letter}</text>",
            LEFT - 6.0,
            top + (row as f64 + 0.85) * ROW
        );
    }
    for (i, effects) in allele.effects.outer_iter().enumerate() {
        let own = allele.codes.get(i).map_or(4, |&c| usize::from(c));
        for (row, &effect) in effects.iter().enumerate() {
            let fill = match effect.is_finite() && row != own {
                true => colour(f64::from(effect) / most),
                false => "#d9d9d9".into(),
            };
            let _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{COLUMN}\" height=\"{ROW}\" fill=\"{fill}\"/>",
                LEFT + i as f64 * COLUMN,
                top + row as f64 * ROW
            );
        }
    }
}

/// Blue below 0, white at 0, red above.
fn colour(share: f64) -> String {
    let share = share.clamp(-1.0, 1.0);
    let end: [f64; 3] = match share < 0.0 {
        true => [33.0, 102.0, 172.0],
        false => [178.0, 24.0, 43.0],
    };
    let part = |c: f64| (255.0 + (c - 255.0) * share.abs()).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        part(end[0]),
        part(end[1]),
        part(end[2])
    )
}

fn axis(out: &mut String, figure: &Figure, columns: usize, top: f64) {
    for i in 0..columns {
        let position = u64::from(figure.first) + i as u64;
        if !position.is_multiple_of(20) {
            continue;
        }
        let x = LEFT + (i as f64 + 0.5) * COLUMN;
        let _ = write!(
            out,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\" stroke=\"#333\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{position}</text>\n",
            top - GAP,
            top - GAP + 4.0,
            top - GAP + 16.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">position on {} (1-based; right of an \
         insertion or deletion, of the reference)</text>",
        LEFT + columns as f64 * COLUMN / 2.0,
        top + 26.0,
        escaped(&figure.contig)
    );
}

fn scale(out: &mut String, x: f64, most: f64) {
    const STEPS: usize = 21;
    let top = TITLE + NAME;
    for step in 0..STEPS {
        let share = 1.0 - 2.0 * step as f64 / (STEPS - 1) as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"6.2\" fill=\"{}\"/>",
            top + step as f64 * 6.0,
            colour(share)
        );
    }
    for (share, text) in [(0.0, most), (0.5, 0.0), (1.0, -most)] {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" font-size=\"10\">{text:+.2}</text>",
            x + 16.0,
            top + share * STEPS as f64 * 6.0 + 4.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{}\" font-size=\"10\">effect</text>",
        top - 8.0
    );
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_figure_shows_each_letter_and_each_change() {
        let allele = |code: u8| Allele {
            name: "a < b".into(),
            codes: vec![0, code, 4],
            effects: array![[0.0, 1.0, -1.0, 0.5], [0.1, 0.2, 0.0, 0.3], [f32::NAN; 4]],
            importance: vec![-0.5, 1.0, f32::NAN],
            changed: (1, 2),
        };
        let text = svg(&Figure {
            title: "t".into(),
            contig: "chr1".into(),
            first: 19,
            alleles: [allele(2), allele(3)],
        });
        // Two letters an allele: A twice, G and T once; the unknown base has none.
        let count = |part: &str| text.matches(part).count();
        assert_eq!(
            (
                count("href=\"#A\""),
                count("href=\"#G\""),
                count("href=\"#T\"")
            ),
            (2, 1, 1)
        );
        // In the colours of every figure.
        for letter in [
            "#A\" fill=\"#009e73\"",
            "#G\" fill=\"#e69f00\"",
            "#T\" fill=\"#d55e00\"",
        ] {
            assert!(text.contains(letter), "{letter}");
        }
        // A's letter hangs below the axis at half height, G's stands above at full height.
        assert!(text.contains("translate(60.30 99.00) scale(0.0740 0.2250)"));
        assert!(text.contains("translate(68.30 54.00) scale(0.0740 0.4500)"));
        // Of 2 x 12 cells grey are: own bases and the unknown position's.
        assert_eq!(count("fill=\"#d9d9d9\""), 2 * (1 + 1 + 4));
        assert!(count(&colour(1.0)) >= 2 && count(&colour(-1.0)) >= 2);
        assert!(text.contains(">20</text>") && text.contains("a &lt; b"));
        assert_eq!(
            (colour(0.0), colour(-2.0)),
            ("#ffffff".into(), "#2166ac".into())
        );
    }
}
