//! What is written.

use std::fmt::Write;

use super::refusal::Refusal;
use super::search::{End, Node};
use crate::encode::BASES;
use crate::output::cell;
use crate::plot::Line;
use crate::tracks::format_value;

/// Lines of the figure.
const DRAWN: usize = 200;

/// A design, whole.
pub(super) struct Design<'a> {
    pub name: &'a str,
    pub start: &'a [u8],
    pub kept_hits: usize,
    /// Objective and activities of the start.
    pub before: (f64, &'a [f32]),
    pub node: &'a Node,
    pub end: End,
    /// The objective by the full engine.
    pub full_objective: f64,
}

/// The tables, row by row.
pub(super) struct Rows {
    pub designs: String,
    pub trajectory: String,
    pub fasta: String,
    pub lines: Vec<Line>,
    columns: Vec<usize>,
}

impl Rows {
    /// For tasks with these names and columns.
    pub fn new(tasks: &[String], columns: &[usize]) -> Self {
        let mut designs = String::from(
            "name\tlength\tstatus\tended\tkept_hits\tsteps\tedits\tstart_objective\tobjective\tfull_objective\tgain",
        );
        let mut trajectory = String::from("name\tstep\tposition\tfrom\tto\tedits\tobjective");
        for task in tasks {
            // Writing to a string cannot fail.
            let _ = write!(designs, "\t{task}.start_activity\t{task}.activity");
            let _ = write!(trajectory, "\t{task}.activity");
        }
        designs.push_str("\tchanges\tstart_sequence\tsequence\n");
        trajectory.push('\n');
        Self {
            designs,
            trajectory,
            fasta: String::new(),
            lines: Vec::new(),
            columns: columns.to_vec(),
        }
    }

    /// A start from which nothing was designed.
    pub fn refused(&mut self, name: &str, codes: &[u8], status: &str, kept_hits: Option<usize>) {
        let hits = kept_hits.map_or("NA".into(), |n| n.to_string());
        let values = "\tNA".repeat(6 + 2 * self.columns.len());
        let _ = writeln!(
            self.designs,
            "{}\t{}\t{status}\tNA\t{hits}{values}\tNA\t{}\tNA",
            cell(name),
            codes.len(),
            match codes.is_empty() {
                true => "NA".into(),
                false => letters(codes),
            },
        );
    }

    /// A design.
    pub fn design(&mut self, design: &Design<'_>) {
        let Design { start, node, .. } = design;
        let name = cell(design.name);
        let (before, activities) = design.before;
        let _ = write!(
            self.designs,
            "{name}\t{}\tok\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            start.len(),
            design.end.as_str(),
            design.kept_hits,
            node.steps.len(),
            node.edits,
            number(before),
            number(node.objective),
            number(design.full_objective),
            number(node.objective - before),
        );
        let _ = write!(
            self.trajectory,
            "{name}\t0\tNA\tNA\tNA\t0\t{}",
            number(before)
        );
        for &column in &self.columns {
            let (first, last) = (activities[column], node.activities[column]);
            let _ = write!(
                self.designs,
                "\t{}\t{}",
                format_value(first),
                format_value(last)
            );
            let _ = write!(self.trajectory, "\t{}", format_value(first));
        }
        let changes: Vec<String> = (start.iter().zip(&node.codes).enumerate())
            .filter(|(_, (a, b))| a != b)
            .map(|(at, (&a, &b))| format!("{at}{}>{}", letter(a), letter(b)))
            .collect();
        let sequence = letters(&node.codes);
        let _ = writeln!(
            self.designs,
            "\t{}\t{}\t{sequence}",
            match changes.is_empty() {
                true => "NA".into(),
                false => changes.join(","),
            },
            letters(start),
        );
        self.trajectory.push('\n');
        let mut points = vec![(0.0, before)];
        for (i, step) in node.steps.iter().enumerate() {
            let _ = write!(
                self.trajectory,
                "{name}\t{}\t{}\t{}\t{}\t{}\t{}",
                i + 1,
                step.at,
                letter(step.from),
                letter(step.to),
                step.edits,
                number(step.objective),
            );
            for &column in &self.columns {
                let _ = write!(
                    self.trajectory,
                    "\t{}",
                    format_value(step.activities[column])
                );
            }
            self.trajectory.push('\n');
            points.push((i as f64 + 1.0, step.objective));
        }
        // A FASTA's name ends at a blank.
        let plain = design
            .name
            .replace(|c: char| c.is_whitespace() || c.is_control(), "_");
        let _ = writeln!(
            self.fasta,
            ">{plain} edits={} objective={}\n{sequence}",
            node.edits,
            number(node.objective)
        );
        if self.lines.len() < DRAWN {
            self.lines.push(Line {
                name: design.name.chars().take(40).collect(),
                points,
            });
        }
    }
}

/// The status of a start that is refused.
pub(super) fn status(refusal: &Refusal) -> &'static str {
    refusal.as_str()
}

fn letter(code: u8) -> char {
    BASES.get(usize::from(code)).copied().unwrap_or('N')
}

fn letters(codes: &[u8]) -> String {
    codes.iter().map(|c| letter(*c)).collect()
}

/// A value of the objective, as exact as activities are.
fn number(value: f64) -> impl std::fmt::Display {
    format_value(value as f32 + 0.0)
}
