//! Named bars, to the right and to the left of 0.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{PlotError, escaped, label};

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Beside it.
    pub name: String,
    /// Its length; finite.
    pub value: f64,
}

/// Bars below each other.
#[derive(Clone, Debug, PartialEq)]
pub struct BarPanel {
    /// Above them.
    pub title: String,
    /// From the top.
    pub bars: Vec<Bar>,
}

const ROW: f64 = 15.0;
const NAMES: f64 = 130.0;
const WIDTH: f64 = 380.0;
const HEAD: f64 = 44.0;

/// Draws panels side by side, three a row, each with an axis of its own; `unit` stands below it.
///
/// # Errors
/// When the file cannot be written.
pub fn bar_chart(
    path: &Path,
    title: &str,
    unit: &str,
    panels: &[BarPanel],
) -> Result<(), PlotError> {
    fs::write(path, draw(title, unit, panels)).map_err(|e| PlotError::Write(e, path.into()))
}

fn draw(title: &str, unit: &str, panels: &[BarPanel]) -> String {
    let across = panels.len().clamp(1, 3);
    let most = panels.iter().map(|p| p.bars.len()).max().unwrap_or(0);
    let height = 30.0 + ROW * most as f64 + 34.0;
    let size = (
        WIDTH * across as f64,
        HEAD + height * panels.len().div_ceil(across) as f64,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{2:.0}\" y=\"26\" font-size=\"17\" text-anchor=\"middle\">{3}</text>\n",
        size.0,
        size.1,
        size.0 / 2.0,
        escaped(title)
    );
    for (i, panel) in panels.iter().enumerate() {
        let left = WIDTH * (i % across) as f64 + NAMES;
        let top = HEAD + height * (i / across) as f64 + 30.0;
        let values = || panel.bars.iter().map(|b| b.value);
        let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
        let wide = WIDTH - NAMES - 40.0;
        let scale = if high > low { wide / (high - low) } else { 0.0 };
        let at = |value: f64| left + (value - low) * scale;
        let bottom = top + ROW * panel.bars.len() as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{left:.1}\" y=\"{:.1}\" font-size=\"13\">{}</text>",
            top - 10.0,
            escaped(&panel.title)
        );
        for (row, bar) in panel.bars.iter().enumerate() {
            let y = top + ROW * row as f64;
            let (from, to) = (at(bar.value.min(0.0)), at(bar.value.max(0.0)));
            let colour = if bar.value < 0.0 {
                "#0072b2"
            } else {
                "#d55e00"
            };
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"><title>{}: {}</title></rect>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                y + 2.0,
                to - from,
                ROW - 4.0,
                escaped(&bar.name),
                label(&bar.value),
                left - 5.0,
                y + ROW - 4.0,
                escaped(&short(&bar.name))
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.1},{top:.1}V{bottom:.1}M{left:.1},{bottom:.1}H{1:.1}\" stroke=\"#555\" fill=\"none\"/>",
            at(0.0),
            left + wide
        );
        for value in [low, 0.0, high] {
            // The ends are named where they are not the axis itself.
            if value != 0.0
                || low == 0.0
                || high == 0.0
                || (low * scale < -24.0 && high * scale > 24.0)
            {
                let _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    at(value),
                    bottom + 13.0,
                    label(&((value * 10.0).round() / 10.0))
                );
            }
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            left + wide / 2.0,
            bottom + 27.0,
            escaped(unit)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A name that fits beside the bars.
fn short(name: &str) -> String {
    const MOST: usize = 17;
    match name.chars().count() > MOST {
        true => name.chars().take(MOST - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_leave_zero_to_both_sides() {
        let bar = |name: &str, value| Bar {
            name: name.into(),
            value,
        };
        let panel = BarPanel {
            title: "t".into(),
            bars: vec![bar("a<b", 3.0), bar("c", -1.0)],
        };
        let svg = draw("title", "z", &[panel]);
        // 210 pixels for -1 to 3: 0 lies at 130 + 52.5.
        assert!(
            svg.contains("<rect x=\"182.5\" y=\"76.0\" width=\"157.5\""),
            "{svg}"
        );
        assert!(
            svg.contains("<rect x=\"130.0\" y=\"91.0\" width=\"52.5\""),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
        // Nothing to draw is no fault.
        assert!(draw("t", "z", &[]).ends_with("</svg>\n"));
    }
}
