//! Scoring one unit of the plan: sequence in, everything that is to be written out.

use std::io::{self, Write as _};

use ndarray::{Array2, Array3, ArrayView1, s};
use noodles::bgzf;

use super::counts::Counts;
use super::piece::{Family, Piece, activity_items, importance_items, mean_of_overlaps, near_known};
use super::plan::{Group, Unit};
use super::region_table::Partial;
use super::{Anchor, Layout, Outputs, saturation};
use crate::Error;
use crate::genome::{Contigs, FastaReader, Interval, Region};
use crate::input::BGZF_EOF;
use crate::ism::{Engine, Scores, Stretch, pick_tasks};
use crate::output::OutputError;
use crate::tracks::bigwig::{Encoded, Encoder};
use crate::tracks::{Item, format_value, write_bedgraph};

/// What one unit adds to one track.
#[derive(Debug, Default)]
pub(super) struct TrackPart {
    pub encoded: Encoded,
    pub bedgraph: Vec<u8>,
}

/// What one unit adds to the results.
#[derive(Debug, Default)]
pub(super) struct UnitResult {
    /// By task, as written.
    pub activity: Vec<TrackPart>,
    /// By task, as written; empty without importance.
    pub importance: Vec<TrackPart>,
    /// A region's share, and the rows that it is the share of.
    pub partials: Vec<(Partial, Vec<u32>)>,
    /// Part of `windows.tsv.gz`, compressed.
    pub windows: Vec<u8>,
    /// Parts of the saturation table.
    pub saturation: Vec<u8>,
    pub counts: Counts,
    /// Bases of the unit in regions.
    pub bases: u64,
}

/// A worker's tools: its engine, its file handle, its buffers.
pub(super) struct Worker<'a> {
    pub layout: &'a Layout,
    pub outputs: &'a Outputs,
    pub contigs: &'a Contigs,
    /// In the order of the plan.
    pub regions: &'a [Region],
    pub engine: Box<dyn Engine>,
    pub reader: FastaReader,
    pub activity_encoder: Encoder,
    pub importance_encoder: Encoder,
    /// Base codes, kept for their memory.
    pub codes: Vec<u8>,
}

impl Worker<'_> {
    /// Scores a unit.
    pub fn run(&mut self, unit: &Unit) -> Result<UnitResult, Error> {
        let mut result = UnitResult {
            bases: unit.wanted().iter().map(|i| u64::from(i.len())).sum(),
            ..UnitResult::default()
        };
        let mut all = Vec::new();
        let mut lines = Vec::new();
        for family in self.families(unit) {
            let mut pieces = Vec::new();
            for group in family.groups() {
                self.score(unit, &family, &group, &mut pieces, &mut result)?;
            }
            for region in &family.regions {
                let rows = region.rows(self.regions).collect();
                let partial = self.partial(unit, &pieces, region);
                result.partials.push((partial, rows));
            }
            result.counts += self.windows(unit, &family, &pieces, &mut lines);
            all.append(&mut pieces);
        }
        result.windows =
            bgzf_blocks(&lines).map_err(|e| OutputError::Write(e, "windows.tsv.gz".into()))?;
        self.tracks(unit, &all, &mut result);
        Ok(result)
    }

    fn families(&self, unit: &Unit) -> Vec<Family> {
        match self.layout.anchor {
            Anchor::Region => unit
                .regions
                .iter()
                .filter_map(|region| {
                    Some(Family {
                        lattice: self.layout.lattice.for_region(region.bases.start()),
                        wanted: vec![region.bases.intersect(unit.bases)?],
                        regions: vec![*region],
                    })
                })
                .collect(),
            Anchor::Genome => vec![Family {
                lattice: self.layout.lattice,
                wanted: unit.wanted(),
                regions: unit.regions.clone(),
            }],
        }
    }

    /// Fetches the sequence of some wanted bases and scores what is known of it.
    fn score(
        &mut self,
        unit: &Unit,
        family: &Family,
        group: &[Interval],
        pieces: &mut Vec<Piece>,
        result: &mut UnitResult,
    ) -> Result<(), Error> {
        let window = self.layout.lattice.window();
        let (origin, len) = Stretch::needs(window, group);
        let mut codes = std::mem::take(&mut self.codes);
        codes.clear();
        self.reader.fetch(unit.contig, origin, len, &mut codes)?;
        let scored_before = pieces.len();
        for wanted in near_known(group, &codes, origin, window) {
            let (from, len) = Stretch::needs(window, &wanted);
            let at = (from - origin) as usize;
            let stretch = Stretch {
                lattice: family.lattice,
                codes: &codes[at..at + len],
                origin: from,
                wanted: &wanted,
            };
            let mut scores = Scores::default();
            self.engine
                .score(&stretch, self.outputs.want(), &mut scores)?;
            self.layout.reduce(&mut scores);
            result.counts.rows += scores.rows;
            pieces.push(Piece {
                wanted,
                lattice: family.lattice,
                scores,
            });
        }
        if self.outputs.saturation {
            for region in &family.regions {
                for part in group
                    .iter()
                    .filter_map(|g| region.bases.intersect(unit.bases)?.intersect(*g))
                {
                    let at = (i64::from(part.start()) - origin) as usize;
                    let codes = &codes[at..at + part.len() as usize];
                    let pieces = &pieces[scored_before..];
                    self.save_effects(region, part, codes, pieces, &mut result.saturation);
                }
            }
        }
        self.codes = codes;
        Ok(())
    }

    /// A region's share in this unit.
    fn partial(&self, unit: &Unit, pieces: &[Piece], region: &Group) -> Partial {
        let columns = &self.layout.columns;
        let part = region.bases.intersect(unit.bases).unwrap_or_default();
        let first = region.bases.start() >= unit.bases.start();
        let mut partial = Partial::new(region.bases.end() <= unit.bases.end(), columns.len());
        let (from, to) = (i64::from(part.start()), i64::from(part.end()));
        let window = i64::from(self.layout.lattice.window());
        let at = pieces.partition_point(|p| p.span().end() <= part.start());
        let here = pieces[at..]
            .iter()
            .take_while(|p| p.span().start() < part.end());
        for piece in here {
            let lowest = piece
                .scores
                .windows
                .partition_point(|&s| s + window <= from);
            for (i, &start) in piece.scores.windows.iter().enumerate().skip(lowest) {
                if start >= to {
                    break;
                }
                let bin = piece.bin(start);
                // A window or bin that reaches back into an earlier unit was counted there.
                let covers = first || start >= from;
                let drawn = bin.1 > from && bin.0 < to && (first || bin.0 >= from);
                if drawn {
                    let activities = piece.scores.activities.row(i);
                    partial.add_window(columns.iter().map(|&c| activities[c]));
                }
                let counts = if self.outputs.importance {
                    covers
                } else {
                    drawn
                };
                partial.windows += u32::from(counts);
                let unknown = counts && piece.scores.unknown[i] > 0;
                partial.with_unknown += u32::from(unknown);
                if !self.outputs.importance {
                    let overlap = bin.1.min(to) - bin.0.max(from);
                    partial.bases += overlap.max(0) as u32;
                }
            }
            if self.outputs.importance {
                let origin = piece.span().start();
                for bases in piece.wanted.iter().filter_map(|w| w.intersect(part)) {
                    let rows = bases.indices_from(origin);
                    let rows = piece.scores.importance.slice(s![rows, ..]);
                    for (base, row) in (bases.start()..bases.end()).zip(rows.rows()) {
                        if !row[0].is_nan() {
                            partial.add_base(base, columns.iter().map(|&c| row[c]));
                        }
                    }
                }
            }
        }
        partial
    }

    /// Appends the lines of the windows that no earlier unit has written, and counts them.
    fn windows(
        &self,
        unit: &Unit,
        family: &Family,
        pieces: &[Piece],
        lines: &mut Vec<u8>,
    ) -> Counts {
        let contig = &self.contigs.get(unit.contig).name;
        let (written_to, region) = match (self.layout.anchor, family.regions.first()) {
            // Bins are never cut, so each of these windows belongs to one unit.
            (Anchor::Genome, _) if !self.outputs.importance => (i64::MIN, None),
            (Anchor::Genome, _) if unit.scored_to == 0 => (i64::MIN, None),
            (Anchor::Genome, _) => (i64::from(unit.scored_to), None),
            (Anchor::Region, Some(r)) if r.bases.start() < unit.bases.start() => {
                (i64::from(unit.bases.start()), Some(r))
            }
            (Anchor::Region, r) => (i64::MIN, r),
        };
        // Regions of the same bases share their windows; they stand under the first one's row.
        let row = region.and_then(|r| r.rows(self.regions).next());
        let mut counts = Counts::default();
        for piece in pieces {
            // Without importance only windows centred in it belong to a unit.
            let is_new = |start: i64| match self.outputs.importance {
                true => start >= written_to,
                false => piece.bin(start).0 >= written_to,
            };
            let left_out = piece.scores.left_out.iter().filter(|start| is_new(**start));
            counts.left_out += left_out.count() as u64;
            let windows = piece.scores.windows.iter().zip(&piece.scores.unknown);
            for (i, (&start, &unknown)) in windows.enumerate() {
                if !is_new(start) {
                    continue;
                }
                counts.windows += 1;
                counts.with_unknown += u64::from(unknown > 0);
                if self.outputs.windows {
                    let activities = piece.scores.activities.row(i);
                    self.window_line(contig, start, (row, unknown), activities, lines);
                }
            }
        }
        counts
    }

    fn window_line(
        &self,
        contig: &str,
        start: i64,
        (row, unknown): (Option<u32>, u32),
        activities: ArrayView1<'_, f32>,
        lines: &mut Vec<u8>,
    ) {
        let end = start + i64::from(self.layout.lattice.window());
        // Writing to memory cannot fail.
        let _ = write!(lines, "{contig}\t{start}\t{end}\t");
        let _ = match row {
            Some(row) => write!(lines, "{}", u64::from(row) + 1),
            None => write!(lines, "."),
        };
        let _ = write!(lines, "\t{unknown}");
        for &column in &self.layout.columns {
            let _ = write!(lines, "\t{}", format_value(activities[column]));
        }
        lines.push(b'\n');
    }

    /// Appends a part of a region to the saturation table, NaN where nothing was scored.
    fn save_effects(
        &self,
        region: &Group,
        part: Interval,
        codes: &[u8],
        pieces: &[Piece],
        out: &mut Vec<u8>,
    ) {
        let columns = &self.layout.columns[..self.layout.tasks.len()];
        let shape = (part.len() as usize, 4, columns.len());
        let mut effects = Array3::from_elem(shape, f32::NAN);
        let mut importance = Array2::from_elem((shape.0, shape.2), f32::NAN);
        for piece in pieces {
            let origin = piece.span().start();
            for bases in piece.wanted.iter().filter_map(|w| w.intersect(part)) {
                let from = s![bases.indices_from(origin), .., ..];
                let to = s![bases.indices_from(part.start()), .., ..];
                let from = piece.scores.effects.slice(from);
                pick_tasks(from, columns, effects.slice_mut(to));
                let from = s![bases.indices_from(origin), ..];
                let to = s![bases.indices_from(part.start()), ..];
                let from = piece.scores.importance.slice(from);
                pick_tasks(from, columns, importance.slice_mut(to));
            }
        }
        let rows: Vec<u32> = region.rows(self.regions).collect();
        let position = part.start() - region.bases.start();
        let round = |v: &f32| self.outputs.precision.round(*v);
        let (effects, importance) = (effects.iter().map(round), importance.iter().map(round));
        saturation::put_part(&rows, position, codes, effects, importance, out);
    }

    fn tracks(&mut self, unit: &Unit, pieces: &[Piece], result: &mut UnitResult) {
        let overlapping = pieces
            .windows(2)
            .any(|pair| pair[1].span().start() < pair[0].span().end());
        let contig = &self.contigs.get(unit.contig).name;
        let formats = self.outputs.formats;
        for (i, &column) in self.layout.columns.iter().enumerate() {
            let mut items = activity_items(pieces, column);
            if overlapping {
                items = mean_of_overlaps(items);
            }
            self.outputs.round(&mut items);
            if i == 0 && !self.outputs.importance {
                result.counts.bases = items.iter().map(|i| u64::from(i.end - i.start)).sum();
            }
            let encoder = &mut self.activity_encoder;
            result
                .activity
                .push(part(&items, contig, unit.rank, encoder, formats));
            if self.outputs.importance {
                let mut items = importance_items(pieces, column);
                if overlapping {
                    items = mean_of_overlaps(items);
                }
                self.outputs.round(&mut items);
                if i == 0 {
                    result.counts.bases = items.len() as u64;
                }
                let encoder = &mut self.importance_encoder;
                result
                    .importance
                    .push(part(&items, contig, unit.rank, encoder, formats));
            }
        }
    }
}

/// The lines as whole bgzip blocks, so that parts can be joined end to end.
///
/// # Errors
/// When they cannot be compressed.
pub(super) fn bgzf_blocks(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    writer.write_all(lines)?;
    let mut bytes = writer.finish()?;
    bytes.truncate(bytes.len().saturating_sub(BGZF_EOF.len()));
    Ok(bytes)
}

fn part(
    items: &[Item],
    contig: &str,
    rank: u32,
    encoder: &mut Encoder,
    formats: super::Formats,
) -> TrackPart {
    let mut part = TrackPart::default();
    if formats.bigwig {
        encoder.items(rank, items, &mut part.encoded);
    }
    if formats.bedgraph {
        write_bedgraph(contig, items, &mut part.bedgraph);
    }
    part
}
