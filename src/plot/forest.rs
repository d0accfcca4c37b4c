//! Figures with their intervals, one line a comparison and predictor, in two columns.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{PlotError, escaped};

/// A value with the ends of its interval, which may be NaN.
pub type Interval = (f64, f64, f64);

/// A comparison of four predictors.
pub struct ForestRow {
    /// Above the row, where one begins.
    pub heading: Option<String>,
    /// Beside it.
    pub name: String,
    /// By column and predictor; none where there is no figure.
    pub points: [[Option<Interval>; 4]; 2],
}

/// Comparisons on one scale.
pub struct ForestPanel {
    /// Of the columns; a column without a title is not drawn.
    pub titles: [String; 2],
    /// The value of what says nothing.
    pub chance: f64,
    /// The comparisons.
    pub rows: Vec<ForestRow>,
}

/// The whole figure.
pub struct Forest {
    /// Above everything.
    pub title: String,
    /// Of the predictors.
    pub names: [String; 4],
    /// One below the other.
    pub panels: Vec<ForestPanel>,
}

const LEFT: f64 = 270.0;
const COLUMN: f64 = 330.0;
const GAP: f64 = 36.0;
const WIDTH: f64 = LEFT + 2.0 * COLUMN + GAP + 24.0;
const LINE: f64 = 9.0;
const ROW: f64 = 10.0;
const HEADING: f64 = 24.0;
const TOP: f64 = 74.0;
const TITLE: f64 = 26.0;
const AXIS: f64 = 40.0;

/// Okabe and Ito's blue, vermilion, grey and green: told apart by shape, too.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#666666", "#009e73"];

/// Draws the figure.
///
/// # Errors
/// When it cannot be written.
pub fn forest(path: &Path, figure: &Forest) -> Result<(), PlotError> {
    fs::write(path, svg(figure)).map_err(|e| PlotError::Write(e, path.into()))
}

/// Predictors that have a figure anywhere.
fn present(figure: &Forest) -> Vec<usize> {
    let rows = || figure.panels.iter().flat_map(|p| &p.rows);
    (0..4)
        .filter(|&who| rows().any(|row| row.points.iter().any(|c| c[who].is_some())))
        .collect()
}

fn height(panel: &ForestPanel, lines: usize) -> f64 {
    let rows = panel
        .rows
        .iter()
        .map(|row| ROW + LINE * lines as f64 + if row.heading.is_some() { HEADING } else { 0.0 });
    TITLE + rows.sum::<f64>() + AXIS
}

fn svg(figure: &Forest) -> String {
    let who = present(figure);
    let body: f64 = figure.panels.iter().map(|p| height(p, who.len())).sum();
    let height_of_all = TOP + body;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height_of_all}\" \
         viewBox=\"0 0 {WIDTH} {height_of_all}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"17\">{}</text>\n",
        escaped(&figure.title)
    );
    let mut x = 22.0;
    for &i in &who {
        marker(&mut out, i, x, 50.0);
        let name = escaped(&figure.names[i]);
        let _ = writeln!(out, "<text x=\"{}\" y=\"54\">{name}</text>", x + 10.0);
        x += 40.0 + 7.0 * figure.names[i].chars().count() as f64;
    }
    let mut y = TOP;
    for panel in &figure.panels {
        draw(&mut out, panel, &who, y);
        y += height(panel, who.len());
    }
    out.push_str("</svg>\n");
    out
}

/// A predictor's mark.
fn marker(out: &mut String, who: usize, x: f64, y: f64) {
    let colour = COLOURS[who];
    let _ = match who {
        0 => writeln!(
            out,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"3.6\" fill=\"{colour}\"/>"
        ),
        1 => writeln!(
            out,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"6.4\" height=\"6.4\" fill=\"{colour}\"/>",
            x - 3.2,
            y - 3.2
        ),
        2 => writeln!(
            out,
            "<path d=\"M{:.2} {:.2}l-4 7h8z\" fill=\"{colour}\"/>",
            x,
            y - 4.2
        ),
        _ => writeln!(
            out,
            "<path d=\"M{:.2} {:.2}l4 4.4l-4 4.4l-4 -4.4z\" fill=\"{colour}\"/>",
            x,
            y - 4.4
        ),
    };
}

/// Where a column begins and what its axis spans.
struct Scale {
    left: f64,
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn new(panel: &ForestPanel, column: usize) -> Self {
        let values = (panel.rows.iter())
            .flat_map(|row| row.points[column].iter().flatten())
            .flat_map(|p| [p.0, p.1, p.2]);
        let (mut low, mut high) = (panel.chance, panel.chance);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        let span = (high - low).max(0.1);
        let step = [0.02, 0.05, 0.1, 0.2, 0.5].into_iter();
        let step = step.clone().find(|s| span / s <= 7.0).unwrap_or(1.0);
        Self {
            left: LEFT + column as f64 * (COLUMN + GAP),
            low: (low / step).floor() * step,
            high: ((low + span) / step).ceil() * step,
            step,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.left + COLUMN * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count).map(|i| self.low + self.step * i as f64)
    }
}

fn draw(out: &mut String, panel: &ForestPanel, who: &[usize], top: f64) {
    let bottom = top + height(panel, who.len()) - AXIS;
    let columns = (0..2).filter(|&c| !panel.titles[c].is_empty());
    let scales: Vec<(usize, Scale)> = columns.map(|c| (c, Scale::new(panel, c))).collect();
    for (c, scale) in &scales {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"14\" font-weight=\"bold\">{}</text>",
            scale.left,
            top + 14.0,
            escaped(&panel.titles[*c])
        );
        for tick in scale.ticks() {
            let x = scale.x(tick);
            // A tick at 0 may have been rounded to just below it.
            let text = format!("{:.2}", (tick * 100.0).round() / 100.0 + 0.0);
            let _ = writeln!(
                out,
                "<path d=\"M{x:.2} {:.2}V{bottom:.2}\" stroke=\"#dddddd\"/>\
                 <text x=\"{x:.2}\" y=\"{:.2}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
                top + TITLE - 4.0,
                bottom + 16.0,
                text
            );
        }
        let x = scale.x(panel.chance);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.2} {:.2}V{bottom:.2}\" stroke=\"#444444\" stroke-dasharray=\"4 3\"/>",
            top + TITLE - 4.0
        );
    }
    let mut y = top + TITLE;
    for row in &panel.rows {
        if let Some(heading) = &row.heading {
            let heading = escaped(heading);
            let _ = writeln!(
                out,
                "<text x=\"16\" y=\"{:.2}\" font-size=\"13\" font-weight=\"bold\">{heading}</text>",
                y + 16.0
            );
            y += HEADING;
        }
        let middle = y + LINE * who.len() as f64 / 2.0;
        let _ = writeln!(
            out,
            "<text x=\"28\" y=\"{:.2}\">{}</text>",
            middle + 4.0,
            escaped(&row.name)
        );
        for (c, scale) in &scales {
            for (line, &i) in who.iter().enumerate() {
                let Some((value, low, high)) = row.points[*c][i] else {
                    continue;
                };
                let at = y + LINE * (line as f64 + 0.5);
                if low.is_finite() && high.is_finite() {
                    let _ = writeln!(
                        out,
                        "<path d=\"M{:.2} {at:.2}H{:.2}\" stroke=\"{}\" stroke-width=\"1.6\"/>",
                        scale.x(low),
                        scale.x(high),
                        COLOURS[i]
                    );
                }
                marker(out, i, scale.x(value), at);
            }
        }
        y += LINE * who.len() as f64 + ROW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Forest {
        let points = [
            Some((0.7, 0.65, 0.75)),
            None,
            Some((0.4, f64::NAN, f64::NAN)),
            None,
        ];
        Forest {
            title: "a < b".into(),
            names: ["model", "baseline", "gc", "kmer"].map(str::to_owned),
            panels: vec![ForestPanel {
                titles: ["AUROC".into(), String::new()],
                chance: 0.5,
                rows: vec![ForestRow {
                    heading: Some("labels".into()),
                    name: "HepG2".into(),
                    points: [points, [None; 4]],
                }],
            }],
        }
    }

    #[test]
    fn only_what_is_there_is_drawn() {
        let svg = svg(&one());
        assert!(svg.contains("a &lt; b") && svg.contains(">HepG2<"), "{svg}");
        // A mark of the model and its key; no interval where it is not known; no baseline.
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("stroke-width=\"1.6\"").count(), 1);
        assert!(!svg.contains("baseline") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn axes_hold_all_intervals_and_chance() {
        let scale = Scale::new(&one().panels[0], 0);
        assert!(scale.low <= 0.4 && scale.high >= 0.75);
        let ticks: Vec<f64> = scale.ticks().collect();
        assert!((3..=9).contains(&ticks.len()), "{ticks:?}");
        assert!(ticks.iter().any(|t| (t - 0.5).abs() < 1e-9), "{ticks:?}");
    }
}
