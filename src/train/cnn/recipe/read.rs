//! Reading a recipe's sources.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ndarray::Array3;
use serde_json::{Value, json};

use super::super::config::TeacherSource;
use super::super::data;
use super::groups::Origin;
use super::{Kind, Recipe, SourceSpec};
use crate::dataset::Split;
use crate::encode::{UNKNOWN, code};
use crate::genome::{Aliases, Fasta, FastaReader};
use crate::input::{Input, Sheet, bed};
use crate::model::{ModelOptions, Runtime};
use crate::train::{Examples, Objective, Reading, TrainError, read_dataset};
use crate::{Cancel, Error};

/// A source's data.
pub(super) struct Read {
    pub examples: Examples,
    /// One a sequence.
    pub origins: Vec<Origin>,
    /// Rows that could not be used, by reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Read {
    /// Nothing yet, for sequences of so many columns.
    fn new(tasks: Vec<String>, objective: Objective) -> Self {
        Self {
            examples: Examples {
                tasks,
                columns: 0,
                windows: 1,
                step: 0,
                reading: Reading::Windows,
                objective,
                codes: Vec::new(),
                labels: Array3::zeros((0, 1, 0)),
                reversed: None,
                weights: Vec::new(),
                sides: Vec::new(),
                parent: Vec::new(),
                shift: 0,
            },
            origins: Vec::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Examples whose sides have been said, by their contigs or their file.
    pub fn on_their_sides(examples: Examples) -> Self {
        let side = |side: &Split| Origin {
            side: Some(*side),
            ..Origin::default()
        };
        Self {
            origins: examples.sides.iter().map(side).collect(),
            examples,
            left_out: BTreeMap::new(),
        }
    }

    fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }

    fn push(&mut self, codes: &[u8], parent: Option<u32>, origin: Origin) {
        let examples = &mut self.examples;
        examples.columns = codes.len();
        examples.codes.extend_from_slice(codes);
        examples.weights.push(1.0);
        examples.sides.push(Split::Train);
        examples.parent.push(parent);
        self.origins.push(origin);
    }

    /// Puts the labels, row by row, to the sequences, and says how the windows lie.
    fn finish(
        mut self,
        labels: Vec<f32>,
        path: &Path,
        (window, step): (usize, usize),
        reading: Reading,
    ) -> Result<Self, TrainError> {
        let bad = |problem: String| TrainError::Data {
            path: path.into(),
            problem,
        };
        let examples = &mut self.examples;
        if examples.sides.is_empty() {
            let why: Vec<String> = (self.left_out.iter())
                .map(|(w, n)| format!("{n} {w}"))
                .collect();
            return Err(bad(format!("no row can be used ({})", why.join(", "))));
        }
        if examples.columns < window || step == 0 {
            return Err(bad(format!(
                "its sequences have {} bases, a window {window}; a step is 1 or more",
                examples.columns
            )));
        }
        let windows = (examples.columns - window) / step + 1;
        if !(examples.columns - window).is_multiple_of(step) {
            return Err(bad(format!(
                "windows {step} bases apart leave a rest of its sequences of {} bases",
                examples.columns
            )));
        }
        (examples.windows, examples.step, examples.reading) = (windows, step, reading);
        let shape = (examples.sides.len(), 1, examples.tasks.len());
        examples.labels = Array3::from_shape_vec(shape, labels)
            .map_err(|_| bad("its labels do not fit its sequences".into()))?;
        Ok(self)
    }
}

/// Reads a source for windows of the recipe's network; also says what it is, for `run.json`.
pub(super) fn read(
    source: &SourceSpec,
    recipe: &Recipe,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<(Read, Value), Error> {
    let window = recipe.network.window;
    let mut read = match &source.kind {
        Kind::Values { .. } => values(&source.kind, window)?,
        Kind::Labels { .. } => labels(&source.kind, window)?,
        Kind::Alleles { .. } => alleles(&source.kind, window)?,
        Kind::Teacher { .. } => teacher(&source.kind, recipe, runtime, cancel)?,
        Kind::Kmers { .. } => kmers(&source.kind, recipe)?,
        Kind::Examples { file, columns, .. } => {
            Read::on_their_sides(read_dataset(file, Some(columns))?)
        }
    };
    read.examples.shift = source.kind.shift();
    let what = json!({
        "name": source.name,
        "sequences": read.examples.len(),
        "columns": read.examples.columns,
        "windows": read.examples.windows,
        "left_out": read.left_out,
        "sequences_sha256": crate::job::sha256(&read.examples.codes),
    });
    Ok((read, what))
}

/// Reads a table.
fn sheet(path: &Path) -> Result<Sheet, TrainError> {
    Ok(Sheet::read(Input::open(path)?, path)?)
}

fn values(kind: &Kind, window: usize) -> Result<Read, TrainError> {
    let Kind::Values {
        file,
        sequence,
        columns,
        differences,
        group,
        group_suffixes,
        step,
        read: reading,
        ..
    } = kind
    else {
        unreachable!("called for values");
    };
    let sheet = sheet(file)?;
    let sequence = sheet.column("sequence", sequence)?;
    let places = columns.iter().map(|name| sheet.column("columns", name));
    let places = places.collect::<Result<Vec<usize>, _>>()?;
    let mut pairs = Vec::with_capacity(differences.len());
    for (a, b) in differences {
        let place = |name| sheet.column("differences", name);
        pairs.push((place(a)?, place(b)?));
    }
    let group = group.as_ref().map(|name| sheet.column("group", name));
    let group = group.transpose()?;
    let mut read = Read::new(kind.heads(), Objective::Values);
    let mut labels = Vec::new();
    for row in 0..sheet.rows() {
        let codes = codes_of(sheet.cell(row, sequence));
        let values = places.iter().map(|&place| sheet.number(row, place));
        let mut values = values.collect::<Result<Vec<f64>, _>>()?;
        for &(a, b) in &pairs {
            values.push(sheet.number(row, a)? - sheet.number(row, b)?);
        }
        let expected = read.examples.columns;
        if !read.origins.is_empty() && codes.len() != expected {
            return Err(TrainError::Data {
                path: file.clone(),
                problem: format!(
                    "line {}: a sequence of {} bases among ones of {expected}; sequences of other lengths are another source",
                    sheet.lines[row],
                    codes.len()
                ),
            });
        }
        if codes.contains(&UNKNOWN) {
            read.leave_out("with unknown bases");
            continue;
        }
        if values.iter().all(|v| v.is_nan()) {
            read.leave_out("without a value");
            continue;
        }
        let name = group.map(|column| sheet.cell(row, column));
        let group = name.map(|name| {
            let mut endings = group_suffixes.iter();
            let ending = endings.find_map(|e| name.strip_suffix(e.as_str()));
            ending.unwrap_or(name).to_owned()
        });
        labels.extend(values.iter().map(|v| *v as f32));
        let origin = Origin {
            name: name.map(str::to_owned),
            group,
            ..Origin::default()
        };
        read.push(&codes, None, origin);
    }
    read.finish(labels, file, (window, *step), Reading::from(*reading))
}

/// An indexed genome.
struct Genome {
    fasta: Fasta,
    reader: FastaReader,
}

impl Genome {
    fn open(path: &Path) -> Result<Self, Error> {
        let fasta = Fasta::open(path, false)?;
        let reader = fasta.reader()?;
        Ok(Self { fasta, reader })
    }

    /// The codes of an interval, or why it has none to learn from.
    fn codes(
        &mut self,
        contig: &str,
        from: i64,
        bases: usize,
    ) -> Result<Result<Vec<u8>, &'static str>, Error> {
        let contigs = self.fasta.contigs();
        let Some(id) = contigs.id(contig) else {
            return Ok(Err("on an unknown contig"));
        };
        if from < 0 || from as u64 + bases as u64 > u64::from(contigs.get(id).length) {
            return Ok(Err("beyond a contig's end"));
        }
        let mut codes = Vec::with_capacity(bases);
        self.reader.fetch(id, from, bases, &mut codes)?;
        Ok(match codes.contains(&UNKNOWN) {
            true => Err("with unknown bases"),
            false => Ok(codes),
        })
    }
}

fn labels(kind: &Kind, window: usize) -> Result<Read, Error> {
    let Kind::Labels {
        regions,
        fasta,
        files,
        id,
        label: class,
        positive,
        negative,
        step,
        ..
    } = kind
    else {
        unreachable!("called for labels");
    };
    let heads: Vec<String> = files.keys().cloned().collect();
    // By the region's name, upper and lower case being one.
    let mut known: HashMap<String, Vec<f32>> = HashMap::new();
    let mut other = 0;
    for (head, path) in files.values().enumerate() {
        let sheet = sheet(path)?;
        let (id, class) = (sheet.column("id", id)?, sheet.column("label", class)?);
        for row in 0..sheet.rows() {
            let label = match sheet.cell(row, class) {
                c if c == positive => 1.0,
                c if c == negative => 0.0,
                _ => {
                    other += 1;
                    continue;
                }
            };
            let name = sheet.cell(row, id).to_ascii_lowercase();
            known
                .entry(name)
                .or_insert_with(|| vec![f32::NAN; heads.len()])[head] = label;
        }
    }
    let mut genome = Genome::open(fasta)?;
    let mut read = Read::new(heads, Objective::Classes);
    if other > 0 {
        read.left_out.insert("of another class", other);
    }
    let mut labels = Vec::new();
    let mut lines = bed::open(regions)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some(line) = lines.next_bytes()? {
        let Some(fields) = bed::Fields::of(line) else {
            continue;
        };
        let row = fields.row().map_err(|why| TrainError::Data {
            path: regions.clone(),
            problem: format!("{}; expected {}", why.problem, why.expected),
        })?;
        let row_name = row.name.map(text);
        let name = row_name.clone().unwrap_or_default().to_ascii_lowercase();
        let Some(of_region) = known.get(&name) else {
            read.leave_out("without a class");
            continue;
        };
        let contig = text(row.contig);
        let bases = (row.end - row.start) as usize;
        if !read.origins.is_empty() && bases != read.examples.columns {
            return Err(TrainError::Data {
                path: regions.clone(),
                problem: format!(
                    "region {name} has {bases} bases, others {}",
                    read.examples.columns
                ),
            }
            .into());
        }
        match genome.codes(&contig, i64::from(row.start), bases)? {
            Err(why) => read.leave_out(why),
            Ok(codes) => {
                labels.extend(of_region);
                let origin = Origin {
                    name: row_name,
                    contig: Some(contig),
                    ..Origin::default()
                };
                read.push(&codes, None, origin);
            }
        }
    }
    Ok(read.finish(labels, regions, (window, *step), Reading::Mean)?)
}

fn alleles(kind: &Kind, window: usize) -> Result<Read, Error> {
    let Kind::Alleles {
        files,
        fasta,
        chrom,
        position,
        reference,
        alternative,
        ref_value,
        alt_value,
        pseudo_count,
        ..
    } = kind
    else {
        unreachable!("called for alleles");
    };
    let mut genome = Genome::open(fasta)?;
    let heads: Vec<String> = files.keys().cloned().collect();
    let mut read = Read::new(heads.clone(), Objective::Differences);
    let mut labels = Vec::new();
    for (head, path) in files.values().enumerate() {
        let sheet = sheet(path)?;
        let named = [
            ("chrom", chrom),
            ("position", position),
            ("ref", reference),
            ("alt", alternative),
            ("ref_value", ref_value),
            ("alt_value", alt_value),
        ];
        let places = named.map(|(key, name)| sheet.column(key, name));
        let [contig, at, reference, alternative, before, after] = places;
        let places = [contig?, at?, reference?, alternative?];
        let (before, after) = (before?, after?);
        for row in 0..sheet.rows() {
            let cell = |i: usize| sheet.cell(row, places[i]);
            let at = i64::from(sheet.coordinate(row, places[1], 1)?) - 1;
            let (before, after) = (sheet.number(row, before)?, sheet.number(row, after)?);
            let effect = ((after + pseudo_count) / (before + pseudo_count)).log2();
            let (Some(from), Some(to)) = (base(cell(2)), base(cell(3))) else {
                read.leave_out("that change more than one base");
                continue;
            };
            if !effect.is_finite() {
                read.leave_out("without an effect");
                continue;
            }
            let middle = window / 2;
            match genome.codes(cell(0), at - middle as i64, window)? {
                Err(why) => read.leave_out(why),
                Ok(codes) if codes[middle] != from => {
                    read.leave_out("whose reference base is another");
                }
                Ok(mut codes) => {
                    let [contig, pos, from, to_base] = [0, 1, 2, 3].map(cell);
                    let origin = Origin {
                        name: Some(format!("{contig}:{pos}:{from}:{to_base}")),
                        contig: Some(contig.to_owned()),
                        ..Origin::default()
                    };
                    let parent = read.origins.len() as u32;
                    read.push(&codes, None, origin.clone());
                    codes[middle] = to;
                    read.push(&codes, Some(parent), origin);
                    for label in [0.0, effect as f32] {
                        let heads = 0..heads.len();
                        labels.extend(heads.map(|h| if h == head { label } else { f32::NAN }));
                    }
                }
            }
        }
    }
    let path = files.values().next().map_or(fasta, |f| f);
    Ok(read.finish(labels, path, (window, 1), Reading::Windows)?)
}

/// The codes of a cell's letters; those that do not belong in a sequence are unknown bases.
fn codes_of(cell: &str) -> Vec<u8> {
    let letters = cell.bytes();
    letters
        .map(|letter| code(letter).unwrap_or(UNKNOWN))
        .collect()
}

/// The code of a cell that is one known base.
fn base(cell: &str) -> Option<u8> {
    let codes = codes_of(cell);
    (codes.len() == 1 && codes[0] < UNKNOWN).then(|| codes[0])
}

fn teacher(
    kind: &Kind,
    recipe: &Recipe,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<Read, Error> {
    let Kind::Teacher {
        model,
        outputs,
        fasta,
        bed,
        random,
        stretch,
        reverse_share,
        step,
        ..
    } = kind
    else {
        unreachable!("called for a teacher");
    };
    let source = TeacherSource {
        models: vec![model.into()],
        options: ModelOptions::default(),
        tasks: outputs.clone(),
        pairs: Vec::new(),
        reverse: *reverse_share,
        fasta: fasta.clone(),
        bed: Some(bed.clone()),
        aliases: Aliases::default(),
        random: *random,
        stretch: *stretch,
        step: *step,
        mutants: None,
        validation: recipe.split.validation_chroms.clone(),
        test: recipe.split.test_chroms.clone(),
        cache: None,
    };
    let window = recipe.network.window;
    let (examples, _) =
        data::labelled_stretches(&source, window, recipe.fit.seed, runtime, cancel)?;
    Ok(Read::on_their_sides(examples))
}

/// Windows that get their labels when all sources are on their sides.
fn kmers(kind: &Kind, recipe: &Recipe) -> Result<Read, Error> {
    let Kind::Kmers {
        columns,
        fasta,
        bed,
        random,
        stretch,
        step,
        ..
    } = kind
    else {
        unreachable!("called for k-mers");
    };
    let cut = data::Cut {
        fasta,
        bed: Some(bed),
        aliases: &Aliases::default(),
        random: *random,
        stretch: *stretch,
        step: *step,
        validation: &recipe.split.validation_chroms,
        test: &recipe.split.test_chroms,
    };
    let (mut examples, _) = cut.run(recipe.network.window, recipe.fit.seed, columns.clone())?;
    let shape = (examples.len(), examples.windows, columns.len());
    examples.labels = Array3::zeros(shape);
    Ok(Read::on_their_sides(examples))
}
