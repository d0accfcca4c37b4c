//! Figures of score tracks against annotations.

use std::path::Path;

use plotters::prelude::*;

use super::{COLOURS, FONT, Line, PlotError, Style, figure, positive, range, text};

/// Bins of ranked bases: one panel of the paper's figure 8.
pub struct Ranked {
    /// Above the panel.
    pub title: String,
    /// Percentile and fraction of each bin.
    pub points: Vec<(f64, f64)>,
    /// Percentile, low and high end of the interval; may be empty.
    pub band: Vec<(f64, f64, f64)>,
    /// Overall fraction.
    pub overall: f64,
    /// Fraction at region centres, NaN where there is none.
    pub centre: f64,
}

/// Bins as points, a smoothed line, the interval as a band; the overall fraction dashed. With
/// `pairs`, two panels of a row share their vertical axis.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn ranked(path: &Path, title: &str, panels: &[Ranked], pairs: bool) -> Result<(), PlotError> {
    let top = |p: &Ranked| {
        let band = p.band.iter().map(|b| b.2);
        let mut sorted: Vec<f64> = p.points.iter().map(|p| p.1).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        // A few single bins may lie above the axis: with 1 of 1000 the others could not be seen.
        let most = sorted
            .get(sorted.len() * 998 / 1000)
            .copied()
            .unwrap_or(0.0);
        band.chain([most, p.overall]).fold(0.0, f64::max)
    };
    figure(path, title, panels.len(), |i, area| {
        let panel = &panels[i];
        let colour = COLOURS[if pairs { i % 2 } else { 0 }];
        let row = if pairs {
            i / 2 * 2..(i / 2 * 2 + 2).min(panels.len())
        } else {
            i..i + 1
        };
        let top = positive(panels[row].iter().map(top).fold(0.0, f64::max) * 1.08);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, 15))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..100.0, 0.0..top)
            .map_err(text)?;
        super::axes(
            &mut chart,
            "percentile of bases, highest score first",
            "fraction in annotation",
            super::Mesh::Both,
        )?;
        let size = if panel.points.len() > 500 { 1 } else { 2 };
        let dot =
            |&(x, y): &(f64, f64)| Circle::new((x, y.min(top)), size, colour.mix(0.35).filled());
        chart
            .draw_series(panel.points.iter().map(dot))
            .map_err(text)?;
        if !panel.band.is_empty() {
            let low = panel.band.iter().map(|b| (b.0, b.1.max(0.0)));
            let high = panel.band.iter().rev().map(|b| (b.0, b.2.min(top)));
            let outline: Vec<(f64, f64)> = low.chain(high).collect();
            chart
                .draw_series([Polygon::new(outline, colour.mix(0.3).filled())])
                .map_err(text)?;
        }
        chart
            .draw_series(LineSeries::new(
                smooth(&panel.points),
                colour.stroke_width(2),
            ))
            .map_err(text)?;
        chart
            .draw_series(DashedLineSeries::new(
                [(0.0, panel.overall), (100.0, panel.overall)],
                6,
                4,
                BLACK.mix(0.6).stroke_width(1),
            ))
            .map_err(text)?;
        Ok(())
    })
}

/// Local straight lines (tricube weights over 4% of the points), at up to 200 places.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let count = points.len();
    let reach = (count / 50).max(2);
    let step = count.div_ceil(200).max(1);
    let mut places: Vec<usize> = (0..count).step_by(step).collect();
    places.extend(count.checked_sub(1));
    places.dedup();
    places
        .into_iter()
        .map(|at| {
            let window = at.saturating_sub(reach)..(at + reach + 1).min(count);
            let x0 = points[at].0;
            let far = window
                .clone()
                .map(|i| (points[i].0 - x0).abs())
                .fold(f64::MIN_POSITIVE, f64::max)
                * 1.0001;
            let (mut s, mut sx, mut sxx, mut sy, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for &(x, y) in &points[window] {
                let d = x - x0;
                let w = (1.0 - (d.abs() / far).powi(3)).powi(3);
                s += w;
                sx += w * d;
                sxx += w * d * d;
                sy += w * y;
                sxy += w * d * y;
            }
            let det = s * sxx - sx * sx;
            let y = if det > 1e-12 * s * sxx {
                (sxx * sy - sx * sxy) / det
            } else {
                sy / s
            };
            (x0, y.max(0.0))
        })
        .collect()
}

/// Lines that may be negative, with a line at x = 0; one panel each.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn profiles(
    path: &Path,
    title: &str,
    panels: &[(Style<'_>, Vec<Line>)],
) -> Result<(), PlotError> {
    figure(path, title, panels.len(), |i, area| {
        let (style, series) = &panels[i];
        let all = || {
            series
                .iter()
                .flat_map(|s| &s.points)
                .filter(|p| !p.1.is_nan())
        };
        let x = range(all().map(|p| p.0));
        let y = range(all().map(|p| p.1));
        let pad = (y.1 - y.0) * 0.08;
        let mut chart = ChartBuilder::on(area)
            .caption(style.title, (FONT, 15))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0..x.1, y.0 - pad..y.1 + pad)
            .map_err(text)?;
        super::axes(&mut chart, style.x, style.y, super::Mesh::Both)?;
        let anchor = [(0.0, y.0 - pad), (0.0, y.1 + pad)];
        chart
            .draw_series(LineSeries::new(anchor, BLACK.mix(0.4)))
            .map_err(text)?;
        for (k, line) in series.iter().enumerate() {
            let colour = COLOURS[k % COLOURS.len()];
            // A bin without a value is a gap.
            for (n, run) in line.points.split(|p| p.1.is_nan()).enumerate() {
                let drawn = chart
                    .draw_series(LineSeries::new(run.iter().copied(), colour.stroke_width(2)))
                    .map_err(text)?;
                if n == 0 && series.len() > 1 {
                    drawn.label(&line.name).legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                    });
                }
            }
        }
        if series.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .label_font((FONT, 13))
                .draw()
                .map_err(text)?;
        }
        Ok(())
    })
}

/// A point that may have its name beside it.
pub struct Labelled {
    /// Coordinates.
    pub at: (f64, f64),
    /// Half-widths of the error bars.
    pub error: (f64, f64),
    /// The name, where it is to be drawn.
    pub name: Option<String>,
}

/// Named points, one score set against another (the paper's figure 9).
pub struct Scatter<'a> {
    /// Title and axes.
    pub style: Style<'a>,
    /// The points.
    pub points: Vec<Labelled>,
}

/// Draws points with error bars, names, and the diagonal.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn scatter(path: &Path, figure_of: &Scatter<'_>) -> Result<(), PlotError> {
    let style = &figure_of.style;
    let points = &figure_of.points;
    figure(path, style.title, 1, |_, area| {
        let x = range(points.iter().map(|p| p.at.0));
        let y = range(points.iter().map(|p| p.at.1));
        let (px, py) = ((x.1 - x.0) * 0.12, (y.1 - y.0) * 0.1);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0 - px..x.1 + 2.0 * px, y.0 - py..y.1 + py)
            .map_err(text)?;
        super::axes(&mut chart, style.x, style.y, super::Mesh::Both)?;
        let low = (x.0 - px).max(y.0 - py);
        let high = (x.1 + 2.0 * px).min(y.1 + py);
        if low < high {
            chart
                .draw_series(LineSeries::new([(low, low), (high, high)], BLACK.mix(0.4)))
                .map_err(text)?;
        }
        for p in points {
            let bars = [
                [(p.at.0 - p.error.0, p.at.1), (p.at.0 + p.error.0, p.at.1)],
                [(p.at.0, p.at.1 - p.error.1), (p.at.0, p.at.1 + p.error.1)],
            ];
            for bar in bars.iter().filter(|b| !b[0].0.is_nan() && !b[0].1.is_nan()) {
                chart
                    .draw_series(LineSeries::new(bar.iter().copied(), COLOURS[0].mix(0.35)))
                    .map_err(text)?;
            }
        }
        chart
            .draw_series(
                points
                    .iter()
                    .map(|p| Circle::new(p.at, 3, COLOURS[0].filled())),
            )
            .map_err(text)?;
        // Names where they fit, those farthest from the diagonal first.
        let mut named: Vec<&Labelled> = points.iter().filter(|p| p.name.is_some()).collect();
        let off = |p: &Labelled| (p.at.0 - p.at.1).abs();
        named.sort_by(|a, b| off(b).total_cmp(&off(a)));
        let mut taken: Vec<[i32; 4]> = points
            .iter()
            .map(|p| chart.backend_coord(&p.at))
            .map(|(x, y)| [x - 3, y - 3, x + 3, y + 3])
            .collect();
        for p in named {
            let name = p.name.clone().unwrap_or_default();
            let (x, y) = chart.backend_coord(&p.at);
            let wide = 7 * name.chars().count() as i32;
            let places = [(6, -6), (-6 - wide, -6), (6, -18), (6, 5), (-6 - wide, 5)];
            let free = places.into_iter().find_map(|(dx, dy)| {
                let frame = [x + dx, y + dy, x + dx + wide, y + dy + 12];
                let meets = |t: &[i32; 4]| {
                    t[0] < frame[2] && frame[0] < t[2] && t[1] < frame[3] && frame[1] < t[3]
                };
                (!taken.iter().any(meets)).then_some(((dx, dy), frame))
            });
            if let Some((offset, frame)) = free {
                taken.push(frame);
                let text_at = EmptyElement::at(p.at) + Text::new(name, offset, (FONT, 12));
                chart.draw_series([text_at]).map_err(text)?;
            }
        }
        Ok(())
    })
}

/// Points counted on a grid of hexagons.
pub struct Hexes {
    /// Above the panel.
    pub title: String,
    /// Label of x.
    pub x_label: String,
    /// Label of y.
    pub y_label: String,
    /// Points.
    pub points: Vec<(f32, f32)>,
}

/// Hexagons, darker where there are more points (logarithmic). Axes span all but the outermost
/// 0.1% of each coordinate at either end; points beyond count at the edge.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn hexes(path: &Path, title: &str, panels: &[Hexes]) -> Result<(), PlotError> {
    const ACROSS: f64 = 48.0;
    figure(path, title, panels.len(), |i, area| {
        let panel = &panels[i];
        let span = |of: fn(&(f32, f32)) -> f32| {
            let mut sorted: Vec<f32> = panel.points.iter().map(of).collect();
            sorted.sort_unstable_by(f32::total_cmp);
            let at = |share: f64| {
                let i = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
                sorted.get(i).map_or(f64::NAN, |&v| f64::from(v))
            };
            range([at(0.001), at(0.999)].into_iter())
        };
        let (x, y) = (span(|p| p.0), span(|p| p.1));
        // Unit: the width of a hexagon; rows are sqrt(3)/2 apart, every second one shifted by half.
        let (ux, uy) = ((x.1 - x.0) / ACROSS, (y.1 - y.0) / ACROSS);
        let rows = 3f64.sqrt() / 2.0;
        let mut cells = std::collections::BTreeMap::<(i32, i32), u32>::new();
        for &(px, py) in &panel.points {
            let px = (f64::from(px).clamp(x.0, x.1) - x.0) / ux;
            let py = (f64::from(py).clamp(y.0, y.1) - y.0) / uy;
            // The nearer centre of the two lattices of rectangles.
            let (a, b) = (px.round(), (py / (2.0 * rows)).round());
            let (c, d) = ((px - 0.5).round(), (py / (2.0 * rows) - 0.5).round());
            let far = |cx: f64, cy: f64| (px - cx).powi(2) + (py - cy).powi(2);
            let cell = if far(a, b * 2.0 * rows) <= far(c + 0.5, (d + 0.5) * 2.0 * rows) {
                (2 * a as i32, 2 * b as i32)
            } else {
                (2 * c as i32 + 1, 2 * d as i32 + 1)
            };
            *cells.entry(cell).or_default() += 1;
        }
        let most = cells.values().copied().max().unwrap_or(1);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, 15))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0 - ux..x.1 + ux, y.0 - uy..y.1 + uy)
            .map_err(text)?;
        super::axes(
            &mut chart,
            &panel.x_label,
            &panel.y_label,
            super::Mesh::Both,
        )?;
        chart
            .draw_series(cells.iter().map(|(&(cx, cy), &n)| {
                let (cx, cy) = (f64::from(cx) / 2.0, f64::from(cy) * rows);
                let corners: Vec<(f64, f64)> = (0..6)
                    .map(|k| {
                        let angle = std::f64::consts::PI / 6.0 * f64::from(2 * k + 1);
                        let r = 1.0 / 3f64.sqrt();
                        (
                            x.0 + (cx + r * angle.cos()) * ux,
                            y.0 + (cy + r * angle.sin()) * uy,
                        )
                    })
                    .collect();
                let share = f64::from(n).ln_1p() / f64::from(most).ln_1p();
                Polygon::new(corners, COLOURS[0].mix(0.08 + 0.92 * share).filled())
            }))
            .map_err(text)?;
        Ok(())
    })
}

/// Rows of values, NaN where there is none.
pub struct Heat {
    /// Above the panel.
    pub title: String,
    /// Label of x.
    pub x_label: String,
    /// Label of y.
    pub y_label: String,
    /// Left end of the first bin and right end of the last.
    pub x: (f64, f64),
    /// One row each, the first on top.
    pub rows: Vec<Vec<f64>>,
}

/// Blue below zero, orange above, white at zero; full colour at the 98th percentile of |value|.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn heat(path: &Path, title: &str, panels: &[Heat]) -> Result<(), PlotError> {
    figure(path, title, panels.len(), |i, area| {
        let panel = &panels[i];
        let mut sizes: Vec<f64> = panel.rows.iter().flatten().map(|v| v.abs()).collect();
        sizes.retain(|v| !v.is_nan());
        sizes.sort_unstable_by(f64::total_cmp);
        let full = positive(sizes.get(sizes.len() * 98 / 100).copied().unwrap_or(1.0));
        let rows = panel.rows.len().max(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(
                format!("{} (full colour: {full:.3})", panel.title),
                (FONT, 15),
            )
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(panel.x.0..panel.x.1, rows..0.0)
            .map_err(text)?;
        super::axes(
            &mut chart,
            &panel.x_label,
            &panel.y_label,
            super::Mesh::None,
        )?;
        let boxes = panel.rows.iter().enumerate().flat_map(|(r, row)| {
            let width = (panel.x.1 - panel.x.0) / row.len() as f64;
            row.iter()
                .enumerate()
                .filter(|(_, v)| !v.is_nan())
                .map(move |(c, v)| {
                    let colour = if *v < 0.0 { COLOURS[0] } else { COLOURS[1] };
                    let x = panel.x.0 + width * c as f64;
                    Rectangle::new(
                        [(x, r as f64), (x + width, r as f64 + 1.0)],
                        colour.mix((v.abs() / full).min(1.0)).filled(),
                    )
                })
        });
        chart.draw_series(boxes).map_err(text)?;
        Ok(())
    })
}
