use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::{Assay, DatasetError, Examples, Frame, Geometry, Split, Strand, TileSequences};
use crate::encode::{self, BASES};
use crate::input::Place;
use crate::output::OutputError;

/// Everything a row of the file is made of.
pub struct Rows<'a> {
    /// Tiles and activities.
    pub assay: &'a Assay,
    /// Targets and weights.
    pub examples: &'a Examples,
    /// Sequences of all tiles.
    pub sequences: &'a TileSequences,
    /// Places of all tiles.
    pub places: Option<&'a [Place]>,
    /// Group of every region.
    pub groups: &'a [usize],
    /// Side of every example.
    pub sides: &'a [Split],
    /// The design.
    pub geometry: Geometry,
    /// The input's frame.
    pub frame: Frame,
    /// The strands.
    pub strands: Strand,
}

/// Rows written at a time.
const BATCH: usize = 1 << 16;

/// Writes the examples as Parquet (Snappy) with `metadata` as key-value pairs; returns the number of
/// rows. Rows are in tile order; with both strands a tile's reverse complement follows it.
///
/// Columns: `tile`, `region`, `position` (in the region, from 0), `group` (of overlapping regions),
/// `chrom`, `start`, `end` (0-based, half-open; null without coordinates), `strand` (`+`, `-`),
/// `sequence` (the model's input, `N` where it is empty), `offset` (column of the tile's first base in
/// it), `split`, `weight`; then for each task `T`: `T` (standardised activity), `T.activity` (mean over
/// replicates of the normalised log2 ratio), `T.rep<r>` (the replicates').
///
/// # Errors
/// When the file cannot be written.
pub fn write_parquet(
    path: &Path,
    rows: &Rows,
    metadata: &[(String, String)],
) -> Result<usize, DatasetError> {
    let schema = Arc::new(schema(rows.assay, metadata));
    let file = File::create(path).map_err(|e| OutputError::Write(e, path.into()))?;
    // A full disk is to be told as such, not as a fault of the format.
    let fail = |e: ParquetError| match e {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(e) => OutputError::Write(*e, path.into()).into(),
            Err(e) => DatasetError::Parquet(ParquetError::External(e), path.into()),
        },
        other => DatasetError::Parquet(other, path.into()),
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("mpra-score {}", crate::VERSION))
        .build();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(fail)?;
    let per_tile = match rows.strands {
        Strand::Forward => 1,
        Strand::Both => 2,
    };
    let total = rows.examples.tiles.len() * per_tile;
    for from in (0..total).step_by(BATCH) {
        let range = from..total.min(from + BATCH);
        let batch = RecordBatch::try_new(schema.clone(), columns(rows, range, per_tile))
            .map_err(|e| fail(e.into()))?;
        writer.write(&batch).map_err(fail)?;
    }
    writer.close().map_err(fail)?;
    Ok(total)
}

fn schema(assay: &Assay, metadata: &[(String, String)]) -> Schema {
    let mut fields = vec![
        Field::new("tile", DataType::Utf8, false),
        Field::new("region", DataType::Utf8, false),
        Field::new("position", DataType::Int32, false),
        Field::new("group", DataType::Int32, false),
        Field::new("chrom", DataType::Utf8, true),
        Field::new("start", DataType::Int32, true),
        Field::new("end", DataType::Int32, true),
        Field::new("strand", DataType::Utf8, false),
        Field::new("sequence", DataType::Utf8, false),
        Field::new("offset", DataType::Int32, false),
        Field::new("split", DataType::Utf8, false),
        Field::new("weight", DataType::Float64, false),
    ];
    for task in &assay.tasks {
        let name = &task.name;
        fields.push(Field::new(name, DataType::Float64, true));
        fields.push(Field::new(
            format!("{name}.activity"),
            DataType::Float64,
            true,
        ));
        for replicate in &task.replicates {
            let name = format!("{name}.rep{replicate}");
            fields.push(Field::new(name, DataType::Float64, true));
        }
    }
    let metadata: HashMap<String, String> = metadata.iter().cloned().collect();
    Schema::new_with_metadata(fields, metadata)
}

fn columns(rows: &Rows, range: std::ops::Range<usize>, per_tile: usize) -> Vec<ArrayRef> {
    let Rows {
        assay, examples, ..
    } = rows;
    let example = |row: usize| row / per_tile;
    let tile = |row: usize| examples.tiles[example(row)];
    let reverse = |row: usize| row % per_tile == 1;
    let region = |row: usize| assay.layout.region[tile(row)] as usize;
    let place = |row: usize| rows.places.map(|places| &places[tile(row)]);
    // Positions are below 2^31 and tiles below 10,000, as reading them has checked.
    let int = |n: usize| n as i32;
    let texts = |f: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(range.clone().map(f)))
    };
    let ints = |f: &dyn Fn(usize) -> Option<i32>| -> ArrayRef {
        Arc::new(Int32Array::from_iter(range.clone().map(f)))
    };
    let floats = |f: &dyn Fn(usize) -> f64| -> ArrayRef {
        let value = |row| Some(f(row)).filter(|v| !v.is_nan());
        Arc::new(Float64Array::from_iter(range.clone().map(value)))
    };
    let offset = |row: usize| rows.offset(tile(row), reverse(row));
    let mut columns = vec![
        texts(&|row| assay.tiles.get(tile(row)).to_owned()),
        texts(&|row| assay.layout.regions.get(region(row)).to_owned()),
        ints(&|row| Some(assay.layout.tile[tile(row)] as i32)),
        ints(&|row| Some(int(rows.groups[region(row)]))),
        Arc::new(StringArray::from_iter(
            range
                .clone()
                .map(|row| place(row).map(|p| p.chrom.as_str())),
        )),
        ints(&|row| place(row).map(|p| p.start as i32)),
        ints(&|row| place(row).map(|p| p.end as i32)),
        texts(&|row| if reverse(row) { "-" } else { "+" }.to_owned()),
        texts(&|row| rows.input(tile(row), reverse(row))),
        ints(&|row| Some(int(offset(row)))),
        texts(&|row| rows.sides[example(row)].as_str().to_owned()),
        floats(&|row| examples.weight[example(row)]),
    ];
    for (t, task) in assay.tasks.iter().enumerate() {
        columns.push(floats(&|row| examples.standardized(t, example(row))));
        columns.push(floats(&|row| examples.activity[t][example(row)]));
        for values in &task.values {
            columns.push(floats(&|row| values[tile(row)]));
        }
    }
    columns
}

impl Rows<'_> {
    /// Columns of the model's input.
    pub fn input_len(&self) -> usize {
        match self.frame {
            Frame::Tile => self.geometry.tile as usize,
            Frame::Region => self.geometry.region_len() as usize,
        }
    }

    /// Column of the tile's first base. The reverse complement is that of the whole input, so that the
    /// tile keeps its place in the region as seen from the other strand.
    fn offset(&self, tile: usize, reverse: bool) -> usize {
        let position = self.assay.layout.tile[tile] as usize;
        let forward = match self.frame {
            Frame::Tile => 0,
            Frame::Region => self.geometry.step as usize * position,
        };
        if reverse {
            self.input_len() - self.geometry.tile as usize - forward
        } else {
            forward
        }
    }

    fn input(&self, tile: usize, reverse: bool) -> String {
        let letters = self.sequences.letters.get(tile);
        let offset = self.offset(tile, reverse);
        let mut input = "N".repeat(offset);
        if reverse {
            let complement = |c: char| {
                // Letters were checked when they were read; anything unknown stays N.
                let code = u8::try_from(c).ok().and_then(encode::code);
                code.and_then(|code| BASES.get(encode::complement(code) as usize))
                    .copied()
                    .unwrap_or('N')
            };
            input.extend(letters.chars().rev().map(complement));
        } else {
            input.push_str(letters);
        }
        let rest = self.input_len() - input.len();
        input.extend(std::iter::repeat_n('N', rest));
        input
    }
}
