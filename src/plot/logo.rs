//! Letters stacked by height: sequence logos of motifs, and of signed scores base by base.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{BASE_COLOURS, PlotError, escaped};

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Logo {
    /// Above the panel.
    pub title: String,
    /// Heights of A, C, G, T, column by column. Letters above 0 are stacked upwards, the tallest on
    /// top; letters below 0 downwards from the axis, upside down, the longest at the bottom.
    pub columns: Vec<[f64; 4]>,
}

/// Outlines in the unit square, y downwards.
const LETTERS: [&str; 4] = [
    "M0,1L0.39,0H0.61L1,1H0.79L0.7,0.74H0.3L0.21,1ZM0.36,0.58H0.64L0.5,0.17Z",
    "M0.99,0.33A0.5,0.5 0 1 0 0.99,0.67L0.78,0.62A0.3,0.34 0 1 1 0.78,0.38Z",
    "M0.98,0.31A0.5,0.5 0 1 0 0.99,0.69V0.48H0.55V0.63H0.78A0.3,0.34 0 1 1 0.77,0.37Z",
    "M0,0H1V0.17H0.61V1H0.39V0.17H0Z",
];

/// Bits of a column of shares, against a quarter each: 0 to 2.
pub fn information(shares: &[f64; 4]) -> f64 {
    let entropy: f64 = (shares.iter())
        .filter(|p| **p > 0.0)
        .map(|p| -p * p.log2())
        .sum();
    (2.0 - entropy).max(0.0)
}

const HEIGHT: f64 = 90.0;
const LEFT: f64 = 44.0;
const ABOVE: f64 = 26.0;
const BELOW: f64 = 18.0;
const HEAD: f64 = 40.0;

/// Draws logos, as many side by side as fit a page. The vertical axis, named `unit`, reaches up to
/// `top`, or to what the tallest stack of all panels needs; all panels have the same.
///
/// # Errors
/// When the file cannot be written.
pub fn logos(
    path: &Path,
    title: &str,
    unit: &str,
    top: Option<f64>,
    panels: &[Logo],
) -> Result<(), PlotError> {
    let svg = draw(title, unit, top, panels);
    fs::write(path, svg).map_err(|e| PlotError::Write(e, path.into()))
}

fn draw(title: &str, unit: &str, top: Option<f64>, panels: &[Logo]) -> String {
    let widest = panels.iter().map(|p| p.columns.len()).max().unwrap_or(1);
    // Motifs in large letters, whole regions in small ones.
    let cell = if widest <= 40 { 16.0 } else { 7.0 };
    let (width, height) = (LEFT + cell * widest as f64 + 16.0, ABOVE + HEIGHT + BELOW);
    let across = ((1000.0 / width) as usize).clamp(1, panels.len().max(1));
    let down = panels.len().div_ceil(across);
    let stack = |sign: f64, column: &[f64; 4]| -> f64 {
        let heights = column.iter().map(|h| h * sign);
        heights.filter(|h| h.is_finite() && *h > 0.0).sum()
    };
    let most = |sign: f64| {
        let columns = panels.iter().flat_map(|p| &p.columns);
        columns.map(|c| stack(sign, c)).fold(0.0, f64::max)
    };
    let (high, low) = (top.unwrap_or_else(|| most(1.0)), most(-1.0));
    let scale = match high + low > 0.0 {
        true => HEIGHT / (high + low),
        false => 0.0,
    };
    let size = (
        (width * across as f64).max(300.0),
        HEAD + height * down as f64 + 8.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{2:.0}\" y=\"24\" font-size=\"17\" text-anchor=\"middle\">{3}</text>\n",
        size.0,
        size.1,
        size.0 / 2.0,
        escaped(title)
    );
    for (i, panel) in panels.iter().enumerate() {
        let x = width * (i % across) as f64 + LEFT;
        let y = HEAD + height * (i / across) as f64 + ABOVE;
        let zero = y + high * scale;
        let end = x + cell * panel.columns.len() as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"12\">{}</text>\n\
             <path d=\"M{x:.1},{y:.1}V{:.1}M{x:.1},{zero:.1}H{end:.1}\" stroke=\"#555\" fill=\"none\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">0</text>\n\
             <text transform=\"translate({:.1},{:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            y - 8.0,
            escaped(&panel.title),
            y + HEIGHT,
            x - 4.0,
            y + 8.0,
            super::label(&((high * 100.0).round() / 100.0)),
            x - 4.0,
            zero + 3.0,
            x - 30.0,
            y + HEIGHT / 2.0,
            escaped(unit)
        );
        for (at, column) in panel.columns.iter().enumerate() {
            let left = x + cell * at as f64;
            for sign in [1.0, -1.0] {
                let mut letters: Vec<(usize, f64)> = (column.iter().enumerate())
                    .map(|(base, h)| (base, h * sign * scale))
                    .filter(|(_, h)| h.is_finite() && *h > 0.02)
                    .collect();
                letters.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
                let mut from = zero;
                for (base, h) in letters {
                    // Downwards the letter is turned over: its top stays away from the axis.
                    let to = from - sign * h;
                    let _ = writeln!(
                        svg,
                        "<path d=\"{}\" fill=\"{}\" fill-rule=\"evenodd\" transform=\"translate({:.2},{to:.2}) scale({:.2},{:.3})\"/>",
                        LETTERS[base],
                        BASE_COLOURS[base],
                        left + 0.04 * cell,
                        0.92 * cell,
                        sign * h
                    );
                    from = to;
                }
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_a_column() {
        assert_eq!(information(&[1.0, 0.0, 0.0, 0.0]), 2.0);
        assert_eq!(information(&[0.5, 0.0, 0.5, 0.0]), 1.0);
        assert_eq!(information(&[0.25; 4]), 0.0);
    }

    #[test]
    fn letters_are_stacked_by_height_on_both_sides_of_the_axis() {
        let logo = Logo {
            title: "a < b".into(),
            columns: vec![[3.0, 0.0, 1.0, -2.0], [f64::NAN, 0.0, 0.0, 0.0]],
        };
        let svg = draw("t", "log2", None, &[logo]);
        // 4 up, 2 down on 90 pixels: 15 a unit. The axis lies at 40 + 26 + 60.
        let letters: Vec<&str> = svg.lines().filter(|l| l.contains("scale(")).collect();
        assert_eq!(letters.len(), 3, "{svg}");
        let at = |base: usize, place: &str| {
            (letters.iter()).any(|l| l.contains(LETTERS[base]) && l.contains(place))
        };
        assert!(at(2, ",111.00) scale(14.72,15.000)"), "{letters:?}");
        assert!(at(0, ",66.00) scale(14.72,45.000)"));
        for (base, colour) in [(0, "#009e73"), (2, "#e69f00"), (3, "#d55e00")] {
            assert!(at(base, &format!("fill=\"{colour}\"")), "{letters:?}");
        }
        assert!(at(3, ",156.00) scale(14.72,-30.000)"));
        assert!(svg.contains("a &lt; b"));
    }
}
