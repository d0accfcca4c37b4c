//! Figures of changed sequences: maps of pairs of bases, bars of effects.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{BASE_COLOURS, PlotError, escaped};

/// A task's pairs.
pub struct PairPanel {
    /// Above the panel.
    pub title: String,
    /// Both places, from 0, the first before the second, and the value.
    pub pairs: Vec<(usize, usize, f64)>,
}

/// Shades on either side of white.
const SHADES: i32 = 12;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 110.0;
const HEAD: f64 = 34.0;
const TITLE: f64 = 22.0;
const BELOW: f64 = 44.0;

/// A colour between white and blue (below 0) or vermilion (above), Okabe and Ito's.
fn shade(step: i32) -> String {
    let full: [f64; 3] = match step < 0 {
        true => [0.0, 114.0, 178.0],
        false => [213.0, 94.0, 0.0],
    };
    let share = f64::from(step.abs()) / f64::from(SHADES);
    let [r, g, b] = full.map(|c| (255.0 + (c - 255.0) * share).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Maps of pairs, one panel a task below the other: each pair stands above the middle between its bases, as high as they
/// are apart. Blue below 0, vermilion above, full colour at the 99.5th percentile of |value|. The sequence stands below
/// the panels, with the coordinate of its first letter.
///
/// # Errors
/// When the file cannot be written.
pub fn pair_map(
    path: &Path,
    title: &str,
    (letters, first, distance): (&str, i64, usize),
    panels: &[PairPanel],
) -> Result<(), PlotError> {
    let columns = letters.len().max(1);
    let cell = (1_400.0 / columns as f64).clamp(1.5, 9.0);
    let row = (160.0 / distance as f64).clamp(1.5, cell.max(3.0));
    let high = row * distance as f64;
    let (width, panel) = (LEFT + cell * columns as f64 + RIGHT, TITLE + high + BELOW);
    let height = HEAD + panel * panels.len() as f64;
    let mut svg = opened(width, height, title);
    for (n, panel_of) in panels.iter().enumerate() {
        let top = HEAD + panel * n as f64 + TITLE;
        let mut sizes: Vec<f64> = panel_of.pairs.iter().map(|p| p.2.abs()).collect();
        sizes.retain(|v| v.is_finite());
        sizes.sort_unstable_by(f64::total_cmp);
        let full = sizes.get(sizes.len() * 995 / 1000).copied().unwrap_or(0.0);
        let full = super::positive(full);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
            top - 7.0,
            escaped(&panel_of.title)
        );
        // One path a shade: thousands of cells are a small file then.
        let mut paths = vec![String::new(); 2 * SHADES as usize + 1];
        for (i, j, value) in &panel_of.pairs {
            let step = (value / full * f64::from(SHADES)).round();
            if !step.is_finite() || step == 0.0 {
                continue;
            }
            let step = step.clamp(f64::from(-SHADES), f64::from(SHADES)) as i32;
            let x = LEFT + cell * (i + j) as f64 / 2.0;
            let y = top + high - row * (j - i) as f64;
            let _ = write!(
                paths[(step + SHADES) as usize],
                "M{x:.2} {y:.2}h{cell:.2}v{row:.2}h-{cell:.2}z"
            );
        }
        for (step, path) in (-SHADES..).zip(&paths).filter(|(_, path)| !path.is_empty()) {
            let _ = writeln!(svg, "<path fill=\"{}\" d=\"{path}\"/>", shade(step));
        }
        let end = LEFT + cell * columns as f64;
        let bottom = top + high;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {top:.1}V{bottom:.1}H{end:.1}\" stroke=\"#555\" fill=\"none\"/>"
        );
        for apart in [1, distance.div_ceil(2), distance] {
            let y = bottom - row * (apart as f64 - 0.5) + 4.0;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{apart}</text>",
                LEFT - 6.0
            );
        }
        let _ = writeln!(
            svg,
            "<text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">bases apart</text>",
            top + high / 2.0
        );
        sequence(&mut svg, letters, first, cell, bottom);
        // The scale.
        for step in -SHADES..=SHADES {
            let y = top + 8.0 + f64::from(SHADES - step) * 4.0;
            let x = end + 14.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"10\" height=\"4.2\" fill=\"{}\"/>",
                shade(step)
            );
            if step.abs() == SHADES || step == 0 {
                let value = full * f64::from(step) / f64::from(SHADES);
                let _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    x + 15.0,
                    y + 6.0,
                    short(value)
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    fs::write(path, svg).map_err(|e| PlotError::Write(e, path.into()))
}

/// Letters below a panel where they can be read, and coordinates.
fn sequence(svg: &mut String, letters: &str, first: i64, cell: f64, bottom: f64) {
    if cell >= 5.0 {
        for (i, letter) in letters.chars().enumerate() {
            let colour = "ACGT".find(letter).map_or("#888", |b| BASE_COLOURS[b]);
            let _ = writeln!(
                svg,
                "<text x=\"{:.2}\" y=\"{:.1}\" font-size=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{letter}</text>",
                LEFT + cell * (i as f64 + 0.5),
                bottom + 11.0,
                (cell * 1.3).min(11.0)
            );
        }
    }
    let every = [10, 20, 50, 100, 200, 500].into_iter();
    let every = every
        .clone()
        .find(|n| cell * *n as f64 >= 60.0)
        .unwrap_or(1_000);
    for (i, _) in letters.chars().enumerate() {
        let place = first + i as i64;
        if place % every as i64 == 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{place}</text>",
                LEFT + cell * (i as f64 + 0.5),
                bottom + 26.0
            );
        }
    }
}

fn opened(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    )
}

/// Three figures of a number.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

/// An effect with its name.
pub struct EffectBar {
    /// Beside the bar.
    pub name: String,
    /// One a panel, NaN where there is none: the value, and the half-width of its interval.
    pub values: Vec<(f64, f64)>,
}

const NAMES: f64 = 230.0;
const PANEL: f64 = 240.0;
const GAP: f64 = 18.0;
const LINE: f64 = 16.0;

/// Effects as bars to the right (above 0) and left of a line at 0, with whiskers; one panel a task side by side, each with
/// a scale of its own.
///
/// # Errors
/// When the file cannot be written.
pub fn effect_bars(
    path: &Path,
    title: &str,
    panels: &[String],
    bars: &[EffectBar],
) -> Result<(), PlotError> {
    let width = NAMES + (PANEL + GAP) * panels.len() as f64 + 10.0;
    let (top, high) = (HEAD + TITLE, LINE * bars.len() as f64);
    let mut svg = opened(width, top + high + 34.0, title);
    for (n, bar) in bars.iter().enumerate() {
        let name: String = bar.name.chars().take(36).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 8.0,
            top + LINE * n as f64 + 12.0,
            escaped(&name)
        );
    }
    for (p, panel) in panels.iter().enumerate() {
        let left = NAMES + (PANEL + GAP) * p as f64;
        let values = bars.iter().filter_map(|bar| bar.values.get(p));
        let ends = values.flat_map(|(value, half)| {
            let half = if half.is_nan() { 0.0 } else { *half };
            [value - half, value + half]
        });
        let (low, most) = ends
            .filter(|v| v.is_finite())
            .fold((0.0f64, 0.0f64), |(low, most), v| (low.min(v), most.max(v)));
        let scale = PANEL / super::positive(most - low);
        let x = |value: f64| left + (value - low) * scale;
        let _ = writeln!(
            svg,
            "<text x=\"{left:.1}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
            top - 7.0,
            escaped(panel)
        );
        for (n, bar) in bars.iter().enumerate() {
            let Some(&(value, half)) = bar.values.get(p).filter(|v| v.0.is_finite()) else {
                continue;
            };
            let (from, to) = (x(value.min(0.0)), x(value.max(0.0)));
            let y = top + LINE * n as f64;
            let colour = if value < 0.0 { "#0072b2" } else { "#d55e00" };
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.2}\" y=\"{:.1}\" width=\"{:.2}\" height=\"10\" fill=\"{colour}\"/>",
                y + 3.0,
                to - from
            );
            if half.is_finite() {
                let _ = writeln!(
                    svg,
                    "<path d=\"M{:.2} {1:.1}H{2:.2}\" stroke=\"black\"/>",
                    x(value - half),
                    y + 8.0,
                    x(value + half)
                );
            }
        }
        let (zero, bottom) = (x(0.0), top + high + 4.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{zero:.2} {top:.1}V{bottom:.1}\" stroke=\"#555\"/>"
        );
        for value in [low, 0.0, most] {
            if value == 0.0 || (x(value) - zero).abs() > 24.0 {
                let _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    x(value),
                    bottom + 14.0,
                    short(value)
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    fs::write(path, svg).map_err(|e| PlotError::Write(e, path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_its_cell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.svg");
        let panel = PairPanel {
            title: "a<b".into(),
            pairs: vec![(0, 1, 1.0), (0, 2, -1.0), (1, 2, 0.0), (2, 3, 0.5)],
        };
        pair_map(&path, "t", ("ACGN", 100, 2), &[panel]).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        // Three that are not 0, each with one h...z.
        assert_eq!(svg.matches("z\"/>").count(), 3);
        assert!(svg.contains("a&lt;b") && svg.contains(">N</text>") && svg.contains(">100</text>"));
        assert!(svg.contains(&shade(SHADES)) && svg.contains(&shade(-SHADES)));
        assert_eq!(
            (shade(0), shade(SHADES)),
            ("#ffffff".into(), "#d55e00".into())
        );
    }

    #[test]
    fn bars_lie_on_their_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        let bar = |name: &str, value, half| EffectBar {
            name: name.into(),
            values: vec![(value, half)],
        };
        let bars = [
            bar("x&", 3.0, 1.0),
            bar("y", -1.0, f64::NAN),
            bar("z", f64::NAN, 0.0),
        ];
        effect_bars(&path, "t", &["task".into()], &bars).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        // From -1 to 4 over the panel: 0 lies a fifth into it.
        assert!(
            svg.contains("<rect x=\"278.00\" y=\"59.0\" width=\"144.00\""),
            "{svg}"
        );
        assert!(
            svg.contains("<rect x=\"230.00\" y=\"75.0\" width=\"48.00\""),
            "{svg}"
        );
        assert_eq!(svg.matches("height=\"10\"").count(), 2);
        assert!(svg.contains("x&amp;"));
    }
}
