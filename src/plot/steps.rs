use std::path::Path;

use plotters::prelude::*;

use super::{COLOURS, FONT, Line, Mesh, PlotError, Style, axes, figure, range, text};

/// With more lines there is no legend, and they are thin.
const NAMED: usize = 10;

/// Values that change at whole steps: a line each, with both axes as far as the values go.
///
/// # Errors
/// When the figure cannot be drawn or written.
pub fn steps(path: &Path, style: &Style, series: &[Line]) -> Result<(), PlotError> {
    let all = || series.iter().flat_map(|s| &s.points);
    let x = range(all().map(|p| p.0).chain([0.0]));
    let y = range(all().map(|p| p.1));
    let room = 0.05 * (y.1 - y.0);
    let few = series.len() <= NAMED;
    figure(path, style.title, 1, |_, area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0..x.1, y.0 - room..y.1 + room)
            .map_err(text)?;
        axes(&mut chart, style.x, style.y, Mesh::Both)?;
        for (i, line) in series.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let stroke = match few {
                true => colour.stroke_width(2),
                false => colour.mix(0.4).stroke_width(1),
            };
            let drawn = chart
                .draw_series(LineSeries::new(line.points.iter().copied(), stroke))
                .map_err(text)?;
            if few {
                drawn.label(&line.name).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            }
        }
        if few {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerRight)
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .label_font((FONT, 13))
                .draw()
                .map_err(text)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_zero_are_drawn_and_many_lines_have_no_legend() {
        let dir = tempfile::tempdir().unwrap();
        let draw = |count: usize| {
            let path = dir.path().join("s.svg");
            let line = |i: usize| Line {
                name: format!("start <{i}>"),
                points: vec![(0.0, -2.0 - i as f64), (1.0, -1.0)],
            };
            let style = Style {
                title: "t",
                x: "step",
                y: "objective",
            };
            let lines: Vec<Line> = (0..count).map(line).collect();
            steps(&path, &style, &lines).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        let few = draw(2);
        assert_eq!(few.matches("start &lt;").count(), 2);
        // The lines and their marks in the legend.
        assert!(few.matches("<polyline").count() >= 4);
        let many = draw(30);
        assert!(!many.contains("start &lt;") && many.matches("<polyline").count() >= 30);
        // Nothing to draw is no error.
        draw(0);
    }
}
