//! Small figures as SVG: lines, histograms, two-dimensional densities. They show what a table says;
//! the table is what to compute with.

mod bars;
mod forest;
pub mod logo;
mod overlap;
pub mod perturb;
mod steps;
pub mod variant;

pub use bars::{Bar, BarPanel, bar_chart};
pub use forest::{Forest, ForestPanel, ForestRow, forest};
pub use overlap::{Heat, Hexes, Labelled, Ranked, Scatter, heat, hexes, profiles, ranked, scatter};
pub use steps::steps;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// A figure that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library refused.
    #[error("cannot draw {1}: {0}")]
    Draw(String, PathBuf),
    /// The file could not be written.
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
}

/// Title and axis labels.
pub struct Style<'a> {
    /// Above the figure.
    pub title: &'a str,
    /// Below the horizontal axis.
    pub x: &'a str,
    /// Beside the vertical axis.
    pub y: &'a str,
}

/// A line with its name in the legend.
pub struct Line {
    /// The name.
    pub name: String,
    /// Points in order of x.
    pub points: Vec<(f64, f64)>,
}

/// A histogram: `counts[i]` values in `low + i * width .. low + (i + 1) * width`.
pub struct Bars {
    /// Above the panel.
    pub title: String,
    /// Lower end of the first bin.
    pub low: f64,
    /// Width of a bin, above 0.
    pub width: f64,
    /// Values in each bin.
    pub counts: Vec<usize>,
}

/// Points to be counted on a grid.
pub struct Density {
    /// Above the panel.
    pub title: String,
    /// Label of x.
    pub x_label: String,
    /// Label of y.
    pub y_label: String,
    /// Coordinates.
    pub x: Vec<f64>,
    /// As many as of x.
    pub y: Vec<f64>,
}

/// Told apart with the common forms of colour blindness (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// The colours of A, C, G, T (by code, see [`crate::encode`]) in every figure: the usual green, blue,
/// orange and red of sequence logos, in the shades of [`COLOURS`].
const BASE_COLOURS: [&str; 4] = ["#009e73", "#0072b2", "#e69f00", "#d55e00"];

const PANEL: (u32, u32) = (520, 380);
const TITLE: u32 = 40;
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), String>;

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// Draws panels side by side, two a row, under one title.
fn figure(
    path: &Path,
    title: &str,
    panels: usize,
    draw: impl Fn(usize, &Area) -> Drawn,
) -> Result<(), PlotError> {
    let columns = panels.clamp(1, 2);
    let rows = panels.div_ceil(columns).max(1);
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32 + TITLE);
    let mut svg = String::new();
    let mut drawn = || -> Drawn {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(text)?;
        let body = root.titled(title, (FONT, 20)).map_err(text)?;
        for (i, area) in body.split_evenly((rows, columns)).iter().enumerate() {
            if i < panels {
                draw(i, area)?;
            }
        }
        root.present().map_err(text)
    };
    drawn().map_err(|e| PlotError::Draw(e, path.into()))?;
    fs::write(path, svg).map_err(|e| PlotError::Write(e, path.into()))
}

/// Text as it stands in an SVG file.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Lines behind the data.
#[derive(Clone, Copy, PartialEq)]
enum Mesh {
    Both,
    Horizontal,
    None,
}

/// Draws a panel's axes with their labels.
fn axes<DB: DrawingBackend>(
    chart: &mut ChartContext<'_, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    x: &str,
    y: &str,
    lines: Mesh,
) -> Result<(), String> {
    let mut mesh = chart.configure_mesh();
    if lines != Mesh::Both {
        mesh.disable_x_mesh();
    }
    if lines == Mesh::None {
        mesh.disable_y_mesh();
    }
    mesh.light_line_style(TRANSPARENT)
        .x_desc(x)
        .y_desc(y)
        .label_style((FONT, 13))
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()
        .map_err(text)
}

/// Several lines in one panel, the vertical axis from 0.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn lines(path: &Path, style: &Style, series: &[Line]) -> Result<(), PlotError> {
    let all = || series.iter().flat_map(|s| &s.points);
    let x = range(all().map(|p| p.0));
    let top = all().map(|p| p.1).fold(0.0, f64::max);
    figure(path, style.title, 1, |_, area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(x.0..x.1, 0.0..positive(top * 1.15))
            .map_err(text)?;
        axes(&mut chart, style.x, style.y, Mesh::Both)?;
        for (i, line) in series.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            chart
                .draw_series(LineSeries::new(
                    line.points.iter().copied(),
                    colour.stroke_width(2),
                ))
                .map_err(text)?
                .label(&line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            let dot = |&point: &(f64, f64)| Circle::new(point, 3, colour.filled());
            chart
                .draw_series(line.points.iter().map(dot))
                .map_err(text)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 13))
            .draw()
            .map_err(text)
    })
}

/// One histogram a panel.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn bars(path: &Path, style: &Style, panels: &[Bars]) -> Result<(), PlotError> {
    figure(path, style.title, panels.len(), |i, area| {
        let panel = &panels[i];
        let high = panel.low + panel.width * panel.counts.len() as f64;
        let top = panel.counts.iter().copied().max().unwrap_or(0) as f64;
        let mut builder = ChartBuilder::on(area);
        if !panel.title.is_empty() {
            builder.caption(&panel.title, (FONT, 15));
        }
        let mut chart = builder
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(panel.low..high, 0.0..positive(top * 1.05))
            .map_err(text)?;
        axes(&mut chart, style.x, style.y, Mesh::Horizontal)?;
        let bar = |(bin, &count): (usize, &usize)| {
            let from = panel.low + panel.width * bin as f64;
            Rectangle::new(
                [(from, 0.0), (from + panel.width, count as f64)],
                COLOURS[i % COLOURS.len()].mix(0.85).filled(),
            )
        };
        chart
            .draw_series(panel.counts.iter().enumerate().map(bar))
            .map_err(text)?;
        Ok(())
    })
}

/// Points counted on a square grid, one panel each, darker where there are more (logarithmic), with
/// the diagonal. A grid keeps half a million points in a small file.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn density(path: &Path, title: &str, panels: &[Density]) -> Result<(), PlotError> {
    const CELLS: usize = 64;
    figure(path, title, panels.len(), |i, area| {
        let panel = &panels[i];
        let (low, high) = range(panel.x.iter().chain(&panel.y).copied());
        let width = (high - low) / CELLS as f64;
        let cell = |value: f64| (((value - low) / width) as usize).min(CELLS - 1);
        let mut counts = vec![0u32; CELLS * CELLS];
        for (&x, &y) in panel.x.iter().zip(&panel.y) {
            counts[cell(x) * CELLS + cell(y)] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, 15))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(low..high, low..high)
            .map_err(text)?;
        axes(&mut chart, &panel.x_label, &panel.y_label, Mesh::Both)?;
        let shade = |count: u32| {
            let share = f64::from(count).ln_1p() / f64::from(most).ln_1p();
            COLOURS[i % COLOURS.len()].mix(0.15 + 0.85 * share).filled()
        };
        let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        chart
            .draw_series(filled.map(|(at, &count)| {
                let x = low + width * (at / CELLS) as f64;
                let y = low + width * (at % CELLS) as f64;
                Rectangle::new([(x, y), (x + width, y + width)], shade(count))
            }))
            .map_err(text)?;
        let diagonal = [(low, low), (high, high)];
        chart
            .draw_series(LineSeries::new(diagonal, BLACK.mix(0.5)))
            .map_err(text)?;
        Ok(())
    })
}

/// Axes end there: with wider ones, or such as are no wider than rounding, the drawing library looks for ticks for ever.
const FARTHEST: f64 = 1e100;

/// Least and greatest value, widened where they would make no axis.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if !low.is_finite() || !high.is_finite() {
        return (0.0, 1.0);
    }
    let inside = |v: f64| v.clamp(-FARTHEST, FARTHEST);
    let (low, high) = (inside(low), inside(high));
    let size = low.abs().max(high.abs());
    match high - low > 1e-9 * size {
        true => (low, high),
        false => {
            let room = f64::max(0.5, 1e-3 * size);
            (low - room, high + room)
        }
    }
}

/// Axis labels without decimals that say nothing.
fn label(value: &f64) -> String {
    // Adding 0 makes -0 plain.
    format!("{}", (value * 1e6).round() / 1e6 + 0.0)
}

fn positive(top: f64) -> f64 {
    if top > 0.0 { top.min(FARTHEST) } else { 1.0 }
}
