//! A background: the effects of every possible single-base change in sampled windows.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use ndarray::{Array2, Array3, ArrayView1};
use npyz::NpyFile;
use serde::{Deserialize, Serialize};

use super::VariantError;
use super::config::{BackgroundConfig, BackgroundSource};
use super::effects::Scorer;
use super::windows::{centred, gc};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Aliases, ContigId, Fasta, Interval};
use crate::input::InputError;
use crate::intervals::Annotation;
use crate::job::Cancel;
use crate::output::NpzWriter;
use crate::stats::Random;

/// What a background's effects depend on, beside the sequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub model: String,
    pub tasks: Vec<String>,
    pub window: u32,
    pub stride: u32,
    /// Most unknown bases of a window that is scored.
    pub most_unknown: u32,
    /// First column and number of columns of the model's input, and the order of its rows.
    pub frame: (usize, usize, String),
    /// Which output of the model, and how it is read.
    #[serde(default)]
    pub output: String,
    pub windows: String,
    pub strand: String,
}

/// How a background was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    pub key: Key,
    /// `genome`, or the file's name.
    pub regions: String,
    pub sampled_windows: u32,
    pub seed: u64,
    pub version: String,
}

/// Sampled changes.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub origin: Origin,
    /// `[base, 3, task]`: of the three changes, in the order A, C, G, T.
    pub effects: Array3<f32>,
    /// `[base, task]`
    pub importance: Array2<f32>,
    /// GC content of the window centred on the base, `[base]`.
    pub gc: Vec<f32>,
}

impl Sample {
    pub fn tasks(&self) -> usize {
        self.origin.key.tasks.len()
    }

    /// Single-base changes.
    pub fn changes(&self) -> usize {
        self.gc.len() * 3
    }

    /// Samples windows and scores them.
    ///
    /// # Errors
    /// When the regions cannot be read or hold no known window, and when scoring fails.
    pub fn draw(
        config: &BackgroundConfig,
        key: Key,
        fasta: &Fasta,
        aliases: &Aliases,
        scorers: &mut [Scorer],
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let (name, spans) = match &config.source {
            BackgroundSource::File(path) => {
                let contigs = fasta.contigs();
                let placed = Annotation::read(path)?.placed(contigs, aliases, fasta.path())?;
                let spans = (0..contigs.len() as ContigId)
                    .flat_map(|id| {
                        let all = Interval::new(0, contigs.get(id).length).unwrap_or_default();
                        placed.within(id, all).map(move |i| (id, i))
                    })
                    .collect();
                (path.display().to_string(), spans)
            }
            _ => ("genome".to_owned(), whole(fasta)),
        };
        let window = key.window;
        let chosen = choose(config, fasta, &spans, window, &name, cancel)?;
        let (bases, tasks) = (chosen.len() * window as usize, key.tasks.len());
        let mut sample = Self {
            origin: Origin {
                key,
                regions: name,
                sampled_windows: config.windows,
                seed: config.seed,
                version: crate::VERSION.into(),
            },
            effects: Array3::zeros((bases, 3, tasks)),
            importance: Array2::zeros((bases, tasks)),
            gc: Vec::with_capacity(bases),
        };
        // Every base of every window is known, so none is left out.
        let mut places = (sample.effects.outer_iter_mut()).zip(sample.importance.rows_mut());
        let workers: Vec<_> = scorers
            .iter_mut()
            .map(|scorer| {
                move |(contig, start): (ContigId, u32)| -> Result<_, Error> {
                    let origin = i64::from(start) - i64::from(window);
                    let codes = scorer.fetch(contig, origin, 3 * window as usize)?;
                    let bases = Interval::new(start, start + window).unwrap_or_default();
                    let (effects, importance) = scorer.saturate(&codes, origin, bases)?;
                    Ok((codes, start, effects, importance))
                }
            })
            .collect();
        crate::job::in_order(
            &mut chosen.into_iter(),
            |list| Ok(list.next()),
            workers,
            |(codes, start, effects, importance)| {
                let tables = effects.outer_iter().zip(importance.rows()).zip(&mut places);
                for (i, ((effects, importance), (mut changes, mut place))) in tables.enumerate() {
                    place.assign(&importance);
                    let base = codes[window as usize + i];
                    let at = centred(start + i as u32, window) - i64::from(start);
                    let at = (at + i64::from(window)) as usize;
                    sample.gc.push(gc(&codes[at..at + window as usize]));
                    let others = (0..4).filter(|&c| c != usize::from(base));
                    for (new, mut place) in others.zip(changes.outer_iter_mut()) {
                        place.assign(&effects.row(new));
                    }
                }
                Ok(())
            },
            cancel,
        )?;
        Ok(sample)
    }

    /// Writes a `.npz` that [`Sample::read`] reads, and numpy, too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: File) -> std::io::Result<()> {
        let mut archive = NpzWriter::new(file);
        let tables = [
            ("effects", self.effects.view().into_dyn()),
            ("importance", self.importance.view().into_dyn()),
            ("gc", ArrayView1::from(&self.gc).into_dyn()),
        ];
        for (name, values) in tables {
            archive.begin(name, "<f4", values.shape())?;
            for value in &values {
                archive.write_all(&value.to_le_bytes())?;
            }
        }
        archive.entry("origin.json")?;
        archive.write_all(&serde_json::to_vec_pretty(&self.origin)?)?;
        archive.finish()
    }

    /// Whether a file is a saved background rather than regions.
    pub fn is_saved(path: &Path) -> Result<bool, VariantError> {
        let fail = |e| InputError::Open(e, path.into());
        // What is read of a pipe here would be missing later.
        if !path.metadata().map_err(fail)?.is_file() {
            return Ok(false);
        }
        let mut magic = [0; 4];
        let mut file = File::open(path).map_err(fail)?;
        Ok(file.read_exact(&mut magic).is_ok() && magic == *b"PK\x03\x04")
    }

    /// Reads a saved background.
    ///
    /// # Errors
    /// When it cannot be read, or was made with another model or other rules.
    pub fn read(path: &Path, key: &Key) -> Result<Self, VariantError> {
        let fail = |problem: String| VariantError::NoBackground {
            path: path.into(),
            problem,
        };
        let file = File::open(path).map_err(|e| InputError::Open(e, path.into()))?;
        let mut archive = zip::ZipArchive::new(file).map_err(|e| fail(e.to_string()))?;
        let mut text = String::new();
        archive
            .by_name("origin.json")
            .map_err(|e| fail(e.to_string()))?
            .read_to_string(&mut text)
            .map_err(|e| fail(e.to_string()))?;
        let origin: Origin = serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?;
        let theirs = &origin.key;
        let differs: Vec<&str> = [
            ("the model", theirs.model != key.model),
            ("the tasks", theirs.tasks != key.tasks),
            ("the window", theirs.window != key.window),
            ("the stride", theirs.stride != key.stride),
            ("--max-unknown", theirs.most_unknown != key.most_unknown),
            ("the frame or alphabet", theirs.frame != key.frame),
            ("the output", theirs.output != key.output),
            ("--windows", theirs.windows != key.windows),
            ("--strand", theirs.strand != key.strand),
        ]
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect();
        if !differs.is_empty() {
            return Err(VariantError::OtherBackground {
                path: path.into(),
                differs: differs.join(", "),
            });
        }
        let gc = array(&mut archive, "gc.npy").map_err(fail)?;
        let effects = array(&mut archive, "effects.npy").map_err(fail)?;
        let importance = array(&mut archive, "importance.npy").map_err(fail)?;
        let (bases, tasks) = (gc.len(), origin.key.tasks.len());
        let tables = Array3::from_shape_vec((bases, 3, tasks), effects)
            .and_then(|e| Ok((e, Array2::from_shape_vec((bases, tasks), importance)?)));
        match tables {
            Ok((effects, importance)) if bases > 0 => Ok(Self {
                origin,
                effects,
                importance,
                gc,
            }),
            _ => Err(fail("its tables do not fit each other".into())),
        }
    }
}

fn array<R: Read + Seek>(archive: &mut zip::ZipArchive<R>, name: &str) -> Result<Vec<f32>, String> {
    let mut entry = archive.by_name(name).map_err(|e| e.to_string())?;
    // To its end: only there its checksum is looked at.
    let mut bytes = Vec::new();
    (entry.read_to_end(&mut bytes)).map_err(|e| format!("{name}: {e}"))?;
    let file = NpyFile::new(bytes.as_slice()).map_err(|e| e.to_string())?;
    let values = file.into_vec::<f32>().map_err(|e| e.to_string())?;
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(values),
        false => Err(format!("{name} holds what is no number")),
    }
}

fn whole(fasta: &Fasta) -> Vec<(ContigId, Interval)> {
    (0..)
        .zip(fasta.contigs().iter())
        .filter_map(|(id, c)| Some((id, Interval::new(0, c.length)?)))
        .collect()
}

/// Windows around bases drawn evenly from the spans, those of known bases only.
fn choose(
    config: &BackgroundConfig,
    fasta: &Fasta,
    spans: &[(ContigId, Interval)],
    window: u32,
    name: &str,
    cancel: &Cancel,
) -> Result<Vec<(ContigId, u32)>, Error> {
    /// Tries for each window: a genome known in one part of a thousand still gives enough.
    const TRIES: u64 = 5_000;
    let mut ends = Vec::with_capacity(spans.len());
    let mut total = 0u64;
    for (_, span) in spans {
        total += u64::from(span.len());
        ends.push(total);
    }
    let mut reader = fasta.reader()?;
    let mut random = Random::new(config.seed, 0, 0);
    let (mut chosen, mut codes) = (Vec::new(), Vec::new());
    let mut tries = TRIES * u64::from(config.windows);
    while chosen.len() < config.windows as usize && tries > 0 && total > 0 {
        cancel.check()?;
        tries -= 1;
        let drawn = random.below(total);
        let at = ends.partition_point(|&e| e <= drawn);
        let (contig, span) = spans[at];
        // Below 2^32, as the span is.
        let base = (u64::from(span.end()) - (ends[at] - drawn)) as u32;
        let start = centred(base, window);
        let length = fasta.contigs().get(contig).length;
        if start < 0 || start + i64::from(window) > i64::from(length) {
            continue;
        }
        codes.clear();
        reader.fetch(contig, start, window as usize, &mut codes)?;
        if !codes.contains(&UNKNOWN) {
            chosen.push((contig, start as u32));
        }
    }
    match chosen.len() {
        0 => Err(VariantError::EmptyBackground(name.into()).into()),
        n => {
            if n < config.windows as usize {
                tracing::warn!(
                    "only {n} of {} background windows found in {name}",
                    config.windows
                );
            }
            Ok(chosen)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn sample() -> Sample {
        // 100 bases with one task: |effects| 0.00 to 2.99, GC 0.00 to 0.99.
        Sample {
            origin: Origin {
                key: Key {
                    model: "m".into(),
                    tasks: vec!["t".into()],
                    window: 10,
                    stride: 2,
                    most_unknown: 0,
                    frame: (0, 10, "ACGT".into()),
                    output: String::new(),
                    windows: "all".into(),
                    strand: "forward".into(),
                },
                regions: "genome".into(),
                sampled_windows: 10,
                seed: 1,
                version: "0".into(),
            },
            effects: Array3::from_shape_fn((100, 3, 1), |(base, change, _)| {
                let i = 3 * base + change;
                (if i % 2 == 0 { i as f32 } else { -(i as f32) }) / 100.0
            }),
            importance: Array2::from_shape_fn((100, 1), |(base, _)| base as f32),
            gc: (0..100).map(|i| i as f32 / 100.0).collect(),
        }
    }

    #[test]
    fn saved_backgrounds_come_back_and_are_not_mistaken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.npz");
        let sample = sample();
        sample.write(File::create(&path).unwrap()).unwrap();
        assert!(Sample::is_saved(&path).unwrap());
        let key = sample.origin.key.clone();
        let again = Sample::read(&path, &key).unwrap();
        assert_eq!(again.effects, sample.effects);
        assert_eq!(again.importance, sample.importance);
        assert_eq!(again.gc, sample.gc);
        let other = Key {
            model: "n".into(),
            stride: 3,
            most_unknown: 5,
            ..key.clone()
        };
        let error = Sample::read(&path, &other).unwrap_err().to_string();
        assert!(
            error.contains("the model, the stride, --max-unknown differ"),
            "{error}"
        );
        std::fs::write(&path, b"chr1\t1\t2\n").unwrap();
        assert!(!Sample::is_saved(&path).unwrap());
        assert!(Sample::read(&path, &key).is_err());
    }
}
