//! Appending finished units to the files of the results, in order.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use noodles::bgzf;

use super::region_table::PartialSpool;
use super::tile::{TrackPart, UnitResult};
use super::{Formats, Layout, Outputs, write_error};
use crate::Error;
use crate::genome::{Contigs, Regions};
use crate::output::OutputDir;
use crate::tracks::BedGraphWriter;
use crate::tracks::bigwig::BigWigWriter;

/// Width of the finest zoom level's bins for tracks of one value a base. Browsers switch to it
/// from about 256 bases a pixel on and read single values before.
const REDUCTION: u32 = 128;

/// Totals over all units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub windows: u64,
    pub bases: u64,
    pub rows: u64,
}

struct Track {
    bigwig: Option<BigWigWriter>,
    bedgraph: Option<BedGraphWriter>,
}

/// The open files of a job.
pub(super) struct Sink {
    activity: Vec<Track>,
    importance: Vec<Track>,
    windows: Option<(bgzf::io::Writer<File>, PathBuf)>,
    partials: PartialSpool,
    table: PathBuf,
    spool_dir: PathBuf,
    stride: u32,
    has_importance: bool,
    counts: Counts,
}

impl Sink {
    pub fn create(
        out: &mut OutputDir,
        layout: &Layout,
        outputs: Outputs,
        contigs: &Contigs,
    ) -> Result<Self, Error> {
        let spool_dir = out.partial().to_path_buf();
        let stride = layout.lattice.stride();
        let mut tracks = |kind: &str, reduction: u32| -> Result<Vec<Track>, Error> {
            let mut tracks = Vec::new();
            for task in &layout.tasks {
                let name = format!("{task}.{kind}");
                tracks.push(Track::create(
                    out,
                    &name,
                    outputs.formats,
                    contigs,
                    reduction,
                )?);
            }
            Ok(tracks)
        };
        let activity = tracks("activity", activity_reduction(stride))?;
        let importance = if outputs.importance {
            tracks("importance", REDUCTION)?
        } else {
            Vec::new()
        };
        let windows = if outputs.windows {
            let path = out.file("windows.tsv.gz");
            let file = File::create(&path).map_err(write_error(&path))?;
            let mut writer = bgzf::io::Writer::new(file);
            let header = format!("#contig\tstart\tend\tregion\t{}\n", layout.tasks.join("\t"));
            writer
                .write_all(header.as_bytes())
                .map_err(write_error(&path))?;
            Some((writer, path))
        } else {
            None
        };
        let partials =
            PartialSpool::new(&spool_dir, layout.tasks.len()).map_err(write_error(&spool_dir))?;
        Ok(Self {
            activity,
            importance,
            windows,
            partials,
            table: out.file("regions.tsv"),
            spool_dir,
            stride,
            has_importance: outputs.importance,
            counts: Counts::default(),
        })
    }

    /// Zoom bins of the activity tracks.
    pub fn activity_reduction(&self) -> u32 {
        activity_reduction(self.stride)
    }

    /// Zoom bins of the importance tracks.
    pub fn importance_reduction(&self) -> u32 {
        REDUCTION
    }

    /// Appends a unit.
    pub fn write(&mut self, result: &UnitResult) -> Result<(), Error> {
        for (tracks, parts) in [
            (&mut self.activity, &result.activity),
            (&mut self.importance, &result.importance),
        ] {
            for (track, part) in tracks.iter_mut().zip(parts) {
                track.append(part)?;
            }
        }
        if let Some((writer, path)) = &mut self.windows {
            writer
                .write_all(&result.windows)
                .map_err(write_error(path))?;
        }
        for partial in &result.partials {
            self.partials
                .push(partial)
                .map_err(write_error(&self.spool_dir))?;
        }
        self.counts.windows += result.windows_scored;
        self.counts.bases += result.bases_scored;
        self.counts.rows += result.rows;
        Ok(())
    }

    /// Completes every file.
    pub fn finish(self, regions: &mut Regions, layout: &Layout) -> Result<Counts, Error> {
        for track in self.activity.into_iter().chain(self.importance) {
            track.finish()?;
        }
        if let Some((writer, path)) = self.windows {
            writer.finish().map_err(write_error(&path))?;
        }
        self.partials
            .write_table(
                regions,
                &self.spool_dir,
                &layout.tasks,
                self.has_importance,
                &self.table,
            )
            .map_err(write_error(&self.table))?;
        Ok(self.counts)
    }
}

/// At least eight values a bin, so that the first zoom level is worth having.
fn activity_reduction(stride: u32) -> u32 {
    stride.saturating_mul(8).max(REDUCTION).next_power_of_two()
}

impl Track {
    fn create(
        out: &mut OutputDir,
        name: &str,
        formats: Formats,
        contigs: &Contigs,
        reduction: u32,
    ) -> Result<Self, Error> {
        let spool_dir = out.partial().to_path_buf();
        let file = |out: &mut OutputDir, extension: &str| out.file(&format!("{name}.{extension}"));
        let bigwig = |path: &Path| BigWigWriter::create(path, contigs, reduction, &spool_dir);
        Ok(Self {
            bigwig: match formats.bigwig {
                true => Some(bigwig(&file(out, "bw"))?),
                false => None,
            },
            bedgraph: match formats.bedgraph {
                true => Some(BedGraphWriter::create(&file(out, "bedGraph"))?),
                false => None,
            },
        })
    }

    fn append(&mut self, part: &TrackPart) -> Result<(), Error> {
        if let Some(writer) = &mut self.bigwig {
            writer.append(&part.encoded)?;
        }
        if let Some(writer) = &mut self.bedgraph {
            writer.append(&part.bedgraph)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        if let Some(writer) = self.bigwig {
            writer.finish()?;
        }
        if let Some(writer) = self.bedgraph {
            writer.finish()?;
        }
        Ok(())
    }
}
