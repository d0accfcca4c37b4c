//! Appending finished units to the files of the results, in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::region_table::{Columns, PartialSpool};
use super::tile::{TrackPart, UnitResult, bgzf_blocks};
use super::{Formats, Layout, Outputs, saturation};
use crate::Error;
use crate::genome::{Contigs, Regions};
use crate::input::BGZF_EOF;
use crate::output::{AppendFile, OutputDir, OutputError, Seal};
use crate::tracks::bigwig::{BigWigWriter, Held};

/// Width of the finest zoom level's bins for tracks of one value a base. Browsers switch to it
/// from about 256 bases a pixel on and read single values before.
const REDUCTION: u32 = 128;

const PARTIALS: &str = "regions.shares";
const SATURATION: &str = "saturation.parts";
const WINDOWS: &str = "windows.tsv.gz";

/// All there is to know of the files of an unfinished job: what they held.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SinkState {
    counts: Counts,
    bigwigs: BTreeMap<String, Held>,
    files: BTreeMap<String, Seal>,
}

impl SinkState {
    /// What a file held; nothing where it is not known.
    fn held(&self, name: &str) -> Seal {
        self.files.get(name).cloned().unwrap_or_default()
    }

    /// The same of a track's three files.
    fn track(&self, name: &str) -> Held {
        self.bigwigs.get(name).cloned().unwrap_or_default()
    }
}

struct Track {
    /// File name without extension.
    name: String,
    bigwig: Option<BigWigWriter>,
    bedgraph: Option<AppendFile>,
}

/// The open files of a job, all of them growing at their ends only.
pub(super) struct Sink {
    activity: Vec<Track>,
    importance: Vec<Track>,
    windows: Option<AppendFile>,
    partials: PartialSpool,
    saturation: Option<AppendFile>,
    outputs: Outputs,
    tasks: Vec<String>,
    counts: Counts,
}

/// Width of the zoom bins of the activity tracks: at least eight values a bin, so that the first
/// zoom level is worth having.
pub(super) fn activity_reduction(stride: u32) -> u32 {
    stride.saturating_mul(8).max(REDUCTION).next_power_of_two()
}

/// Width of the zoom bins of the importance tracks.
pub(super) fn importance_reduction() -> u32 {
    REDUCTION
}

impl Sink {
    /// Opens all files in the output folder's place for unfinished ones, as they were at `state`.
    pub fn open(
        folder: &Path,
        layout: &Layout,
        outputs: Outputs,
        contigs: &Contigs,
        state: &SinkState,
    ) -> Result<Self, Error> {
        let stride = layout.lattice.stride();
        let tracks = |kind: &str, reduction: u32| -> Result<Vec<Track>, Error> {
            let names = layout.names(&format!(".{kind}"), &format!(".{kind}_spread"));
            (names.into_iter())
                .map(|name| Track::open(folder, name, outputs.formats, contigs, reduction, state))
                .collect()
        };
        let activity = tracks("activity", activity_reduction(stride))?;
        let importance = match outputs.importance {
            true => tracks(outputs.of_bases(), importance_reduction())?,
            false => Vec::new(),
        };
        let file = |name: &str| AppendFile::open(&folder.join(name), &state.held(name));
        let mut windows = match outputs.windows {
            true => Some(file(WINDOWS)?),
            false => None,
        };
        if let Some(windows) = &mut windows
            && windows.length() == 0
        {
            let columns = layout.names("", ".spread").join("\t");
            let header = format!("#contig\tstart\tend\tregion\tunknown\t{columns}\n");
            let header = bgzf_blocks(header.as_bytes())
                .map_err(|e| OutputError::Write(e, windows.path().into()))?;
            windows.append(&header)?;
        }
        Ok(Self {
            activity,
            importance,
            windows,
            partials: PartialSpool::open(
                &folder.join(PARTIALS),
                &state.held(PARTIALS),
                layout.names("", "").len(),
            )?,
            saturation: match outputs.saturation {
                true => Some(file(SATURATION)?),
                false => None,
            },
            outputs,
            tasks: layout.tasks.clone(),
            counts: state.counts,
        })
    }

    /// Totals so far.
    pub fn counts(&self) -> Counts {
        self.counts
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
        if let Some(windows) = &mut self.windows {
            windows.append(&result.windows)?;
        }
        if let Some(parts) = &mut self.saturation {
            parts.append(&result.saturation)?;
        }
        for (partial, rows) in &result.partials {
            for &row in rows {
                self.partials.push(row, partial)?;
            }
        }
        self.counts += result.counts;
        Ok(())
    }

    /// Makes everything appended so far safe from a crash, and tells what there is.
    pub fn state(&mut self) -> Result<SinkState, Error> {
        let mut state = SinkState {
            counts: self.counts,
            ..SinkState::default()
        };
        for track in self.activity.iter_mut().chain(&mut self.importance) {
            if let Some(bigwig) = &mut track.bigwig {
                state
                    .bigwigs
                    .insert(track.name.clone(), bigwig.checkpoint()?);
            }
            if let Some(file) = &mut track.bedgraph {
                state.files.insert(bedgraph_name(&track.name), file.seal()?);
            }
        }
        let spools = [
            (WINDOWS, self.windows.as_mut()),
            (SATURATION, self.saturation.as_mut()),
            (PARTIALS, Some(self.partials.file())),
        ];
        for (name, file) in spools {
            if let Some(file) = file {
                state.files.insert(name.into(), file.seal()?);
            }
        }
        Ok(state)
    }

    /// Appends the unfinished files of another job on the same genome, a shard, which must be what they were.
    pub fn append_unfinished(&mut self, folder: &Path, state: &SinkState) -> Result<(), Error> {
        for track in self.activity.iter_mut().chain(&mut self.importance) {
            if let Some(bigwig) = &mut track.bigwig {
                let held = state.track(&track.name);
                bigwig.append_unfinished(&folder.join(bigwig_name(&track.name)), &held)?;
            }
            if let Some(file) = &mut track.bedgraph {
                let name = bedgraph_name(&track.name);
                file.append_file(&folder.join(&name), 0, &state.held(&name))?;
            }
        }
        if let Some(windows) = &mut self.windows {
            // Every part begins with the header line, in a block of its own.
            let (path, held) = (folder.join(WINDOWS), state.held(WINDOWS));
            held.verify(&path)?;
            windows.append_file(&path, windows_header(&path)?, &held)?;
        }
        if let Some(parts) = &mut self.saturation {
            parts.append_file(&folder.join(SATURATION), 0, &state.held(SATURATION))?;
        }
        self.partials
            .file()
            .append_file(&folder.join(PARTIALS), 0, &state.held(PARTIALS))?;
        self.counts += state.counts;
        Ok(())
    }

    /// Names of the unfinished files.
    pub fn unfinished_files(&self) -> Vec<String> {
        let mut names = vec![PARTIALS.to_owned()];
        for track in self.activity.iter().chain(&self.importance) {
            if track.bigwig.is_some() {
                let name = bigwig_name(&track.name);
                names.extend([format!("{name}.blocks"), format!("{name}.zoom"), name]);
            }
            if track.bedgraph.is_some() {
                names.push(bedgraph_name(&track.name));
            }
        }
        names.extend(self.windows.is_some().then(|| WINDOWS.to_owned()));
        names.extend(self.saturation.is_some().then(|| SATURATION.to_owned()));
        names
    }

    /// Names of the files that the results will have.
    pub fn result_files(&self) -> Vec<String> {
        let mut names = vec!["regions.tsv".to_owned()];
        for track in self.activity.iter().chain(&self.importance) {
            names.extend(track.bigwig.is_some().then(|| bigwig_name(&track.name)));
            names.extend(track.bedgraph.is_some().then(|| bedgraph_name(&track.name)));
        }
        names.extend(self.windows.is_some().then(|| WINDOWS.to_owned()));
        if self.saturation.is_some() {
            match self.outputs.modisco {
                false => names.push("saturation.npz".into()),
                true => {
                    let tasks = self.tasks.iter().map(String::as_str);
                    let arrays = std::iter::once("one_hot").chain(tasks);
                    names.extend(arrays.map(|name| format!("modisco.{name}.npz")));
                    names.push("modisco.regions.bed".into());
                }
            }
        }
        names
    }

    /// Completes every file of the results.
    pub fn finish(
        self,
        regions: &mut Regions,
        layout: &Layout,
        out: &mut OutputDir,
    ) -> Result<Counts, Error> {
        for track in self.activity.into_iter().chain(self.importance) {
            if let Some(bigwig) = track.bigwig {
                out.file(&bigwig_name(&track.name));
                bigwig.finish()?;
            }
            if let Some(file) = track.bedgraph {
                out.file(&bedgraph_name(&track.name));
                file.finish()?;
            }
        }
        let table = out.file("regions.tsv");
        let columns = Columns {
            tasks: &layout.tasks,
            importance: self.outputs.importance.then(|| self.outputs.of_bases()),
            wide: self.outputs.wide,
            quantiles: &layout.quantiles,
        };
        self.partials.write_table(regions, &columns, &table)?;
        if let Some(mut windows) = self.windows {
            out.file(WINDOWS);
            windows.append(&BGZF_EOF)?;
            windows.finish()?;
        }
        if let Some(parts) = self.saturation {
            let lengths = regions.lengths()?;
            if self.outputs.modisco {
                let centre = self.outputs.attribution.is_none();
                let rows = (&lengths[..], &*regions);
                saturation::write_modisco(parts, rows, &layout.tasks, centre, out)?;
                return Ok(self.counts);
            }
            let path = out.file("saturation.npz");
            let array = match self.outputs.attribution {
                Some(_) => "contributions",
                None => "effects",
            };
            let rows = (&lengths[..], &regions.status[..]);
            saturation::write_npz(parts, array, rows, &layout.tasks, &path)?;
        }
        Ok(self.counts)
    }
}

/// Length of the first bgzip block of a file: its size less one stands in bytes 16 and 17.
fn windows_header(path: &Path) -> Result<u64, OutputError> {
    use std::io::Read;
    let mut head = [0; 18];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(|e| OutputError::Read(e, path.into()))?;
    Ok(u64::from(u16::from_le_bytes([head[16], head[17]])) + 1)
}

fn bigwig_name(track: &str) -> String {
    format!("{track}.bw")
}

fn bedgraph_name(track: &str) -> String {
    format!("{track}.bedGraph")
}

impl Track {
    fn open(
        folder: &Path,
        name: String,
        formats: Formats,
        contigs: &Contigs,
        reduction: u32,
        state: &SinkState,
    ) -> Result<Self, Error> {
        let path = |name: String| -> PathBuf { folder.join(name) };
        let held = state.track(&name);
        let text = bedgraph_name(&name);
        Ok(Self {
            bigwig: match formats.bigwig {
                true => {
                    let path = path(bigwig_name(&name));
                    Some(BigWigWriter::open(&path, contigs, reduction, &held)?)
                }
                false => None,
            },
            bedgraph: match formats.bedgraph {
                true => Some(AppendFile::open(&path(text.clone()), &state.held(&text))?),
                false => None,
            },
            name,
        })
    }

    fn append(&mut self, part: &TrackPart) -> Result<(), Error> {
        if let Some(writer) = &mut self.bigwig {
            writer.append(&part.encoded)?;
        }
        if let Some(file) = &mut self.bedgraph {
            file.append(&part.bedgraph)?;
        }
        Ok(())
    }
}
