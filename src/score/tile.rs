//! Scoring one unit of the plan: sequence in, everything that is to be written out.

use std::io::Write as _;

use super::plan::{Group, Unit};
use super::region_table::Partial;
use super::{Anchor, Layout, Outputs, saturation};
use crate::Error;
use crate::encode::UNKNOWN;
use noodles::bgzf;

use crate::genome::{BGZF_EOF, Contigs, FastaReader, Interval, Lattice, Region};
use crate::ism::{Engine, Scores, Stretch};
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
    pub number: u64,
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
    pub windows_scored: u64,
    pub bases_scored: u64,
    pub rows: u64,
    /// Bases of the unit in regions.
    pub bases: u64,
}

/// One scored stretch of a unit and the regions it serves.
struct Piece {
    /// The wanted bases.
    wanted: Vec<Interval>,
    lattice: Lattice,
    scores: Scores,
    regions: Vec<Group>,
}

impl Piece {
    fn span(&self) -> Interval {
        let start = self.wanted.first().map_or(0, Interval::start);
        let end = self.wanted.last().map_or(start, Interval::end);
        Interval::new(start, end).unwrap_or_default()
    }

    /// Central bases of a window.
    fn bin(&self, window: i64) -> (i64, i64) {
        let from = window + i64::from(self.lattice.centre_offset());
        (from, from + i64::from(self.lattice.stride()))
    }
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
}

impl Worker<'_> {
    /// Scores a unit.
    pub fn run(&mut self, unit: &Unit) -> Result<UnitResult, Error> {
        let want = self.outputs.want();
        let mut pieces = self.pieces(unit);
        let mut codes = Vec::new();
        let mut result = UnitResult {
            number: unit.number,
            bases: unit.wanted().iter().map(|i| u64::from(i.len())).sum(),
            ..UnitResult::default()
        };
        for piece in &mut pieces {
            codes.clear();
            let (origin, len) = Stretch::needs(self.layout.lattice.window(), &piece.wanted);
            self.reader.fetch(unit.contig, origin, len, &mut codes)?;
            let stretch = Stretch {
                lattice: piece.lattice,
                codes: &codes,
                origin,
                wanted: &piece.wanted,
            };
            if codes.iter().all(|&code| code == UNKNOWN) {
                // Most of a genome's unknown bases come in long runs: nothing to compute.
                piece
                    .scores
                    .nothing(stretch.span(), self.engine.tasks(), want);
            } else {
                self.engine.score(&stretch, want, &mut piece.scores)?;
            }
            result.rows += piece.scores.rows;
            if self.outputs.saturation {
                self.save_effects(unit, piece, &stretch, &mut result.saturation);
            }
        }
        let mut lines = Vec::new();
        for piece in &pieces {
            for region in &piece.regions {
                let rows = region.rows(self.regions).collect();
                result
                    .partials
                    .push((self.partial(unit, piece, region), rows));
            }
            result.windows_scored += self.windows(unit, piece, &mut lines);
        }
        result.windows = bgzf_blocks(&lines);
        self.tracks(unit, &pieces, &mut result);
        Ok(result)
    }

    /// The stretches to score: under the genome's lattice the wanted bases in groups that share no
    /// window, else one for each region.
    fn pieces(&self, unit: &Unit) -> Vec<Piece> {
        let piece = |wanted: Vec<Interval>, lattice, regions| Piece {
            wanted,
            lattice,
            scores: Scores::default(),
            regions,
        };
        match self.layout.anchor {
            Anchor::Region => unit
                .regions
                .iter()
                .filter_map(|region| {
                    let part = region.bases.intersect(unit.bases)?;
                    let lattice = self.layout.lattice.for_region(region.bases.start());
                    Some(piece(vec![part], lattice, vec![*region]))
                })
                .collect(),
            Anchor::Genome => {
                let mut pieces: Vec<Piece> = Vec::new();
                for interval in unit.wanted() {
                    match pieces.last_mut() {
                        Some(last)
                            if interval.start() - last.span().end()
                                < self.layout.lattice.window() =>
                        {
                            last.wanted.push(interval);
                        }
                        _ => pieces.push(piece(vec![interval], self.layout.lattice, Vec::new())),
                    }
                }
                for region in &unit.regions {
                    let Some(part) = region.bases.intersect(unit.bases) else {
                        continue;
                    };
                    let at = pieces.partition_point(|p| p.span().end() <= part.start());
                    if let Some(piece) = pieces.get_mut(at) {
                        piece.regions.push(*region);
                    }
                }
                pieces
            }
        }
    }

    /// A region's share in this unit.
    fn partial(&self, unit: &Unit, piece: &Piece, region: &Group) -> Partial {
        let tasks = self.engine.tasks();
        let columns = &self.layout.columns;
        let part = region.bases.intersect(unit.bases).unwrap_or_default();
        let first = region.bases.start() >= unit.bases.start();
        let mut partial = Partial::new(region.bases.end() <= unit.bases.end(), columns.len());
        let (from, to) = (i64::from(part.start()), i64::from(part.end()));
        let window = i64::from(piece.lattice.window());
        for (i, &start) in piece.scores.windows.iter().enumerate() {
            let bin = piece.bin(start);
            // A window or bin that reaches back into an earlier unit was counted there.
            let covers = start + window > from && start < to && (first || start >= from);
            let drawn = bin.1 > from && bin.0 < to && (first || bin.0 >= from);
            if drawn {
                let activities = &piece.scores.activities[i * tasks..][..tasks];
                partial.add_window(columns.iter().map(|&c| activities[c]));
            }
            partial.windows += u32::from(if self.outputs.importance {
                covers
            } else {
                drawn
            });
            if !self.outputs.importance {
                let overlap = bin.1.min(to) - bin.0.max(from);
                partial.bases += overlap.max(0) as u32;
            }
        }
        if self.outputs.importance {
            let span = piece.span();
            for base in part.start()..part.end() {
                let row =
                    &piece.scores.importance[(base - span.start()) as usize * tasks..][..tasks];
                if !row[0].is_nan() {
                    partial.add_base(base, columns.iter().map(|&c| row[c]));
                }
            }
        }
        partial
    }

    /// Appends the lines of the windows that no earlier unit has written.
    fn windows(&self, unit: &Unit, piece: &Piece, lines: &mut Vec<u8>) -> u64 {
        let tasks = self.engine.tasks();
        let contig = &self.contigs.get(unit.contig).name;
        let (written_to, region) = match (self.layout.anchor, piece.regions.first()) {
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
        let mut count = 0;
        for (i, &start) in piece.scores.windows.iter().enumerate() {
            // Without importance only windows centred in it belong to a unit.
            let place = match self.outputs.importance {
                true => start,
                false => piece.bin(start).0,
            };
            if place < written_to {
                continue;
            }
            count += 1;
            if self.outputs.windows {
                let end = start + i64::from(piece.lattice.window());
                // Writing to memory cannot fail.
                let _ = write!(lines, "{contig}\t{start}\t{end}\t");
                let _ = match row {
                    Some(row) => write!(lines, "{}", u64::from(row) + 1),
                    None => write!(lines, "."),
                };
                for &column in &self.layout.columns {
                    let value = piece.scores.activities[i * tasks + column];
                    let _ = write!(lines, "\t{}", format_value(value));
                }
                lines.push(b'\n');
            }
        }
        count
    }

    fn save_effects(&self, unit: &Unit, piece: &Piece, stretch: &Stretch<'_>, out: &mut Vec<u8>) {
        let tasks = self.engine.tasks();
        let span = piece.span();
        for region in &piece.regions {
            let Some(part) = region.bases.intersect(unit.bases) else {
                continue;
            };
            let rows = part.indices_from(span.start());
            let effects = &piece.scores.effects[rows.start * 4 * tasks..rows.end * 4 * tasks];
            let rows: Vec<u32> = region.rows(self.regions).collect();
            saturation::put_part(
                &rows,
                part.start() - region.bases.start(),
                stretch.bases(part),
                effects
                    .chunks_exact(tasks)
                    .flat_map(|row| self.layout.columns.iter().map(move |&column| row[column])),
                out,
            );
        }
    }

    fn tracks(&mut self, unit: &Unit, pieces: &[Piece], result: &mut UnitResult) {
        let tasks = self.engine.tasks();
        let overlapping = pieces
            .windows(2)
            .any(|pair| pair[1].span().start() < pair[0].span().end());
        let contig = &self.contigs.get(unit.contig).name;
        let formats = self.outputs.formats;
        for (i, &column) in self.layout.columns.iter().enumerate() {
            let mut items = activity_items(pieces, tasks, column);
            if overlapping {
                items = mean_of_overlaps(items);
            }
            if i == 0 && !self.outputs.importance {
                result.bases_scored = items.iter().map(|i| u64::from(i.end - i.start)).sum();
            }
            let encoder = &mut self.activity_encoder;
            result
                .activity
                .push(part(&items, contig, unit.rank, encoder, formats));
            if self.outputs.importance {
                let mut items = importance_items(pieces, tasks, column);
                if overlapping {
                    items = mean_of_overlaps(items);
                }
                if i == 0 {
                    result.bases_scored = items.len() as u64;
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
pub(super) fn bgzf_blocks(lines: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    // Writing to memory cannot fail.
    let mut bytes = writer
        .write_all(lines)
        .and_then(|()| writer.finish())
        .unwrap_or_default();
    bytes.truncate(bytes.len().saturating_sub(BGZF_EOF.len()));
    bytes
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

/// Each scored window's activity on its central bases, clipped to the wanted bases.
fn activity_items(pieces: &[Piece], tasks: usize, column: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces {
        let mut first = 0;
        for (i, &start) in piece.scores.windows.iter().enumerate() {
            let (from, to) = piece.bin(start);
            while first < piece.wanted.len() && i64::from(piece.wanted[first].end()) <= from {
                first += 1;
            }
            for interval in &piece.wanted[first..] {
                let start = from.max(i64::from(interval.start()));
                let end = to.min(i64::from(interval.end()));
                if i64::from(interval.start()) >= to {
                    break;
                }
                if start < end {
                    items.push(Item {
                        start: start as u32,
                        end: end as u32,
                        // No negative zero, which not every reader tells from zero.
                        value: piece.scores.activities[i * tasks + column] + 0.0,
                    });
                }
            }
        }
    }
    items
}

/// One item a base that has an importance.
fn importance_items(pieces: &[Piece], tasks: usize, column: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces {
        let span = piece.span();
        for interval in &piece.wanted {
            for base in interval.start()..interval.end() {
                let value =
                    piece.scores.importance[(base - span.start()) as usize * tasks + column];
                if !value.is_nan() {
                    items.push(Item {
                        start: base,
                        end: base + 1,
                        value,
                    });
                }
            }
        }
    }
    items
}

/// Where items of several regions overlap, cuts them at all ends and takes means (DESIGN: a base's
/// track value is the mean of the regions' values).
fn mean_of_overlaps(items: Vec<Item>) -> Vec<Item> {
    let mut cuts: Vec<u32> = items.iter().flat_map(|i| [i.start, i.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut sums = vec![(0f64, 0u32); cuts.len()];
    for item in &items {
        let from = cuts.partition_point(|&c| c < item.start);
        let to = cuts.partition_point(|&c| c < item.end);
        for (sum, count) in &mut sums[from..to] {
            *sum += f64::from(item.value);
            *count += 1;
        }
    }
    cuts.windows(2)
        .zip(&sums)
        .filter(|(_, (_, count))| *count > 0)
        .map(|(cut, (sum, count))| Item {
            start: cut[0],
            end: cut[1],
            value: (sum / f64::from(*count)) as f32 + 0.0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_items_become_means() {
        let item = |start, end, value| Item { start, end, value };
        let found = mean_of_overlaps(vec![item(0, 10, 1.0), item(10, 12, 5.0), item(4, 11, 3.0)]);
        let expected = [
            item(0, 4, 1.0),
            item(4, 10, 2.0),
            item(10, 11, 4.0),
            item(11, 12, 5.0),
        ];
        assert_eq!(found, expected);
        let apart = vec![item(0, 1, 1.0), item(5, 6, 2.0)];
        assert_eq!(mean_of_overlaps(apart.clone()), apart);
    }
}
