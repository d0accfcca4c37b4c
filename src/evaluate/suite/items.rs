//! What a judge has measured of what: sequences, or pairs of alleles, with a value a cell.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::EvaluateError;
use super::sheet::{Filter, Reason};
use super::spec::{Every, Judge, Kind};
use crate::Error;
use crate::encode::{self, UNKNOWN};
use crate::genome::{Aliases, Fasta};
use crate::input::{Input, InputError, Sheet, bed, is_missing};

/// Sequences of one model, base codes without unknown ones.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    pub reference: Vec<Box<[u8]>>,
    /// Of alleles: the alternative ones; else none.
    pub alternative: Vec<Box<[u8]>>,
}

/// The items of a judge that count, all lists of one length, and those that do not.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub ids: Vec<String>,
    /// Empty where it is not known.
    pub chroms: Vec<String>,
    /// Of effects; else empty.
    pub elements: Vec<String>,
    /// Numbers of what is drawn together.
    pub groups: Vec<u32>,
    /// By cell; NaN where it has no value.
    pub measured: Vec<Vec<f64>>,
    /// One for all models, or one each.
    pub sequences: Vec<Sequences>,
    /// Names and reasons.
    pub left_out: Vec<(String, Reason)>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The sequences that a model is given.
    pub(super) fn of_model(&self, model: usize) -> &Sequences {
        &self.sequences[model.min(self.sequences.len() - 1)]
    }

    /// How many are left out, by reason.
    pub(super) fn reasons(&self) -> BTreeMap<&'static str, u64> {
        let mut reasons = BTreeMap::new();
        for (_, reason) in &self.left_out {
            *reasons.entry(*reason).or_default() += 1;
        }
        reasons
    }

    /// # Errors
    /// When nothing is left.
    pub(super) fn checked(self, judge: &Judge) -> Result<Self, EvaluateError> {
        if self.len() > 0 {
            return Ok(self);
        }
        let reasons = self.reasons();
        let reasons: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} {r}")).collect();
        Err(EvaluateError::TooFew(format!(
            "judge {:?}: no row is left ({})",
            judge.name.get_ref(),
            reasons.join(", ")
        )))
    }
}

/// The genome of a run.
pub(super) struct Genome {
    pub fasta: Fasta,
    pub aliases: Aliases,
}

/// What a run has beside the judge.
pub(super) struct Sources<'a> {
    pub genome: Option<&'a Genome>,
    /// Windows of the models.
    pub windows: &'a [usize],
}

impl Sources<'_> {
    pub(super) fn genome(&self, judge: &Judge) -> Result<&Genome, EvaluateError> {
        self.genome.ok_or_else(|| {
            EvaluateError::Setting(format!("judge {:?} needs the genome", judge.name.get_ref()))
        })
    }
}

/// Sheets by path: cells often share one.
#[derive(Default)]
pub(super) struct Sheets(Vec<(PathBuf, Rc<Sheet>)>);

impl Sheets {
    pub(super) fn find(&self, path: &Path) -> Option<Rc<Sheet>> {
        let found = self.0.iter().find(|(known, _)| known == path);
        found.map(|(_, sheet)| sheet.clone())
    }

    /// Reads a file that may be open, and keeps it.
    pub(super) fn read(
        &mut self,
        path: &Path,
        input: Option<Input>,
    ) -> Result<Rc<Sheet>, EvaluateError> {
        let input = input.map_or_else(|| Input::open(path), Ok)?;
        let sheet = Rc::new(Sheet::read(input, path)?);
        self.0.push((path.into(), sheet.clone()));
        Ok(sheet)
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|(path, _)| path.clone()).collect()
    }
}

/// The file of a cell.
pub(super) fn file_of(judge: &Judge, cell: usize) -> PathBuf {
    // `check` has seen that one of them is there.
    (judge.cells[cell].file.clone())
        .or_else(|| judge.file.clone())
        .unwrap_or_default()
}

/// Where a sequence comes from.
#[derive(Debug)]
enum Origin {
    Letters(Box<[u8]>),
    Place(String, u32, u32),
}

/// Rows of all cells' tables, joined by their names.
#[derive(Default)]
struct Joined {
    numbers: HashMap<String, usize>,
    ids: Vec<String>,
    chroms: Vec<String>,
    origins: Vec<Origin>,
    groups: Vec<Option<String>>,
    measured: Vec<Vec<f64>>,
    left_out: BTreeMap<String, Reason>,
}

/// Reads a judge of kind labels or values.
pub(super) fn read(judge: &Judge, sources: &Sources<'_>) -> Result<Items, Error> {
    let mut sheets = Sheets::default();
    let mut joined = Joined {
        measured: vec![Vec::new(); judge.cells.len()],
        ..Joined::default()
    };
    for cell in 0..judge.cells.len() {
        let path = file_of(judge, cell);
        let sheet = match sheets.find(&path) {
            Some(sheet) => sheet,
            None => sheets.read(&path, None)?,
        };
        join(judge, cell, &sheet, &mut joined)?;
    }
    let mut files = sheets.paths();
    if let Some(path) = &judge.regions {
        place_in_regions(path, &mut joined)?;
        files.push(path.clone());
    }
    let mut items = with_sequences(judge, joined, sources)?;
    items.files = files;
    Ok(items.checked(judge)?)
}

/// Adds the rows of a cell's table.
fn join(judge: &Judge, cell: usize, sheet: &Sheet, to: &mut Joined) -> Result<(), EvaluateError> {
    let spec = &judge.cells[cell];
    let filter = Filter::new(judge, sheet)?;
    let (key, name) = match judge.kind {
        Kind::Labels => ("label", spec.label.as_deref().unwrap_or("label")),
        _ => ("value", spec.value.as_deref().unwrap_or(&spec.name)),
    };
    let value = sheet.column(key, name)?;
    let id = match sheet.named("id", &judge.id, "id")? {
        None => sheet.find("name"),
        id => id,
    };
    let chrom = sheet.named("chrom", &judge.chrom, "chrom")?;
    let in_regions = judge.regions.is_some();
    let sequence = match in_regions {
        true => None,
        false => sheet.named("sequence", &judge.sequence, "sequence")?,
    };
    let place = match in_regions || sequence.is_some() {
        true => None,
        false => Some((
            sheet.column("chrom", judge.chrom.as_deref().unwrap_or("chrom"))?,
            sheet.column("start", judge.start.as_deref().unwrap_or("start"))?,
            sheet.column("end", judge.end.as_deref().unwrap_or("end"))?,
        )),
    };
    let group = judge.group.as_ref();
    let group = group.map(|g| sheet.column("group", g)).transpose()?;
    let mut seen = vec![false; to.ids.len()];
    for row in 0..sheet.rows() {
        let bounds = match place {
            None => None,
            Some((c, s, e)) => Some((
                sheet.cell(row, c),
                sheet.coordinate(row, s, 0)?,
                sheet.coordinate(row, e, 0)?,
            )),
        };
        let name = match (id, bounds) {
            (Some(column), _) => sheet.cell(row, column).to_owned(),
            (None, Some((chrom, start, end))) => format!("{chrom}:{start}-{end}"),
            (None, None) => format!("row{}", row + 1),
        };
        let measured = match judge.kind {
            Kind::Labels => class(judge, sheet.cell(row, value)),
            _ => match sheet.number(row, value)? {
                v if v.is_nan() => Err("no_value"),
                v => Ok(v),
            },
        };
        let reason = filter.reason(judge, sheet, row).or(measured.err());
        if let Some(reason) = reason {
            to.left_out.entry(name).or_insert(reason);
            continue;
        }
        let item = match to.numbers.get(&name) {
            Some(&item) => item,
            None => {
                let origin = match (sequence, bounds) {
                    (Some(column), _) => Origin::Letters(letters(sheet, row, column)?),
                    (None, Some((chrom, start, end))) => Origin::Place(chrom.into(), start, end),
                    // Its place is looked for in the regions.
                    (None, None) => Origin::Place(String::new(), 0, 0),
                };
                to.numbers.insert(name.clone(), to.ids.len());
                to.ids.push(name);
                to.chroms
                    .push(chrom.map_or(String::new(), |c| sheet.cell(row, c).into()));
                to.origins.push(origin);
                to.groups.push(group.map(|g| sheet.cell(row, g).to_owned()));
                to.measured.iter_mut().for_each(|m| m.push(f64::NAN));
                seen.push(false);
                to.ids.len() - 1
            }
        };
        if std::mem::replace(&mut seen[item], true) {
            return Err(InputError::Line {
                path: sheet.path.clone(),
                line: sheet.lines[row],
                problem: format!("{:?} a second time", to.ids[item]),
                expected: "a row a name (id names the column)".into(),
            }
            .into());
        }
        to.measured[cell][item] = measured.unwrap_or(f64::NAN);
    }
    Ok(())
}

/// 1 for the positive class, 0 for the negative one.
fn class(judge: &Judge, cell: &str) -> Result<f64, Reason> {
    let is = |text: &super::spec::Text| text.get() == cell;
    if is_missing(cell) {
        return Err("no_value");
    }
    match (&judge.positive, &judge.negative) {
        (Some(positive), _) if is(positive) => Ok(1.0),
        (None, _) if cell == "1" => Ok(1.0),
        (_, Some(negative)) if !is(negative) => Err("other_class"),
        _ => Ok(0.0),
    }
}

fn letters(sheet: &Sheet, row: usize, column: usize) -> Result<Box<[u8]>, EvaluateError> {
    let mut codes = Vec::new();
    if encode::push_codes(sheet.cell(row, column).as_bytes(), &mut codes) {
        return Ok(codes.into());
    }
    Err(InputError::Line {
        path: sheet.path.clone(),
        line: sheet.lines[row],
        problem: "a sequence with something else than letters".into(),
        expected: "bases".into(),
    }
    .into())
}

/// Puts every item at the place that the row of its name has in a BED; one without a row stays without
/// a place.
fn place_in_regions(path: &Path, joined: &mut Joined) -> Result<(), EvaluateError> {
    let mut lines = bed::open(path)?;
    let mut found = vec![false; joined.ids.len()];
    while let Some(line) = lines.next_line()? {
        let Some(fields) = bed::Fields::of(line.as_bytes()) else {
            continue;
        };
        let row = fields.row();
        let owned = row.map(|row| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(row.contig), row.start, row.end, row.name.map(text))
        });
        let (contig, start, end, name) = owned.map_err(|e| InputError::Line {
            path: path.into(),
            line: lines.number(),
            problem: e.problem,
            expected: e.expected.into(),
        })?;
        let Some(&item) = name.as_ref().and_then(|name| joined.numbers.get(name)) else {
            continue;
        };
        if std::mem::replace(&mut found[item], true) {
            return Err(InputError::Line {
                path: path.into(),
                line: lines.number(),
                problem: format!("{:?} a second time", joined.ids[item]),
                expected: "a row a name".into(),
            }
            .into());
        }
        if joined.chroms[item].is_empty() {
            joined.chroms[item].clone_from(&contig);
        }
        joined.origins[item] = Origin::Place(contig, start, end);
    }
    Ok(())
}

/// Looks sequences up, and leaves out what has none.
fn with_sequences(judge: &Judge, joined: Joined, sources: &Sources<'_>) -> Result<Items, Error> {
    let longest = sources.windows.iter().copied().max().unwrap_or(1);
    let around = match (&judge.regions, judge.width) {
        (Some(_), None) => None,
        (_, width) => Some(width.map_or(longest, |w| w as usize)),
    };
    let mut left_out = joined.left_out;
    let mut places = Vec::new();
    let mut kept = Vec::new();
    let mut sequences = Vec::new();
    let genome = match joined
        .origins
        .iter()
        .any(|o| matches!(o, Origin::Place(..)))
    {
        true => Some(sources.genome(judge)?),
        false => None,
    };
    let mut reader = genome.map(|g| g.fasta.reader()).transpose()?;
    for (item, origin) in joined.origins.into_iter().enumerate() {
        let found = match (origin, genome, &mut reader) {
            (Origin::Letters(codes), ..) => Ok((None, codes)),
            (Origin::Place(contig, start, end), Some(genome), Some(reader)) => {
                fetch(genome, reader, &contig, start, end, around)?
            }
            // There is a genome where there is a place.
            _ => Err("no_sequence"),
        };
        let found = found.and_then(|(place, codes)| match () {
            () if codes.contains(&UNKNOWN) => Err("unknown_bases"),
            () if codes.len() < longest => Err("shorter_than_window"),
            () => Ok((place, codes)),
        });
        match found {
            Ok((place, codes)) => {
                kept.push(item);
                places.push(place);
                sequences.push(codes);
            }
            Err(reason) => {
                left_out.insert(joined.ids[item].clone(), reason);
            }
        }
    }
    let groups = group_names(judge, &joined.ids, &joined.groups, &kept, &places);
    let stays = chosen(judge.every, &groups);
    for (&item, _) in kept.iter().zip(&stays).filter(|(_, stays)| !**stays) {
        left_out.insert(joined.ids[item].clone(), "every");
    }
    let pick = |list: &[String]| -> Vec<String> {
        let kept = kept.iter().zip(&stays).filter(|(_, stays)| **stays);
        kept.map(|(&item, _)| list[item].clone()).collect()
    };
    let ids = pick(&joined.ids);
    let measured = (joined.measured.iter())
        .map(|of_cell| {
            let kept = kept.iter().zip(&stays).filter(|(_, stays)| **stays);
            kept.map(|(&item, _)| of_cell[item]).collect()
        })
        .collect();
    let groups: Vec<&String> = (groups.iter().zip(&stays))
        .filter_map(|(g, stays)| stays.then_some(g))
        .collect();
    let sequences = (sequences.into_iter().zip(&stays))
        .filter_map(|(s, stays)| stays.then_some(s))
        .collect();
    // Left out in one cell and there in another is not left out.
    let used: HashSet<&String> = ids.iter().collect();
    left_out.retain(|name, _| !used.contains(name));
    Ok(Items {
        chroms: pick(&joined.chroms),
        elements: vec![String::new(); ids.len()],
        groups: numbered(&groups),
        measured,
        sequences: vec![Sequences {
            reference: sequences,
            alternative: Vec::new(),
        }],
        left_out: left_out.into_iter().collect(),
        files: Vec::new(),
        ids,
    })
}

type Placed = (Option<(String, i64, i64)>, Box<[u8]>);

/// The bases of a place, or `around` bases about its middle.
fn fetch(
    genome: &Genome,
    reader: &mut crate::genome::FastaReader,
    contig: &str,
    start: u32,
    end: u32,
    around: Option<usize>,
) -> Result<Result<Placed, Reason>, Error> {
    if contig.is_empty() {
        return Ok(Err("no_region"));
    }
    let contigs = genome.fasta.contigs();
    let Some(id) = genome.aliases.resolve(contig, contigs) else {
        return Ok(Err("unknown_contig"));
    };
    let (start, end) = (i64::from(start), i64::from(end));
    let (from, to) = match around {
        None => (start, end),
        Some(width) => {
            let from = (start + end) / 2 - (width / 2) as i64;
            (from, from + width as i64)
        }
    };
    if from < 0 || to > i64::from(contigs.get(id).length) {
        return Ok(Err("past_contig_end"));
    }
    let mut codes = Vec::new();
    reader.fetch(id, from, (to - from).max(0) as usize, &mut codes)?;
    Ok(Ok((Some((contig.to_owned(), from, to)), codes.into())))
}

/// Names of what is drawn together: the column, else the name without its suffix, else places that
/// overlap, else every item on its own.
fn group_names(
    judge: &Judge,
    ids: &[String],
    column: &[Option<String>],
    kept: &[usize],
    places: &[Option<(String, i64, i64)>],
) -> Vec<String> {
    let suffixes = judge.group_suffixes.as_deref().unwrap_or(&[]);
    let stem = |id: &str| -> String {
        let cut = suffixes.iter().find_map(|s| id.strip_suffix(s.as_str()));
        cut.unwrap_or(id).to_owned()
    };
    let mut names: Vec<String> = (kept.iter())
        .map(|&item| column[item].clone().unwrap_or_else(|| stem(&ids[item])))
        .collect();
    if judge.group.is_some() || !suffixes.is_empty() {
        return names;
    }
    let mut order: Vec<usize> = (0..kept.len()).filter(|&i| places[i].is_some()).collect();
    order.sort_by(|&a, &b| places[a].cmp(&places[b]));
    let mut last: Option<(&str, i64, usize)> = None;
    for i in order {
        let Some((contig, from, to)) = &places[i] else {
            continue;
        };
        match last {
            Some((c, end, first)) if c == contig && *from < end => {
                names[i] = names[first].clone();
                last = Some((c, end.max(*to), first));
            }
            _ => last = Some((contig, *to, i)),
        }
    }
    names
}

/// Which items stay when every so manieth group is chosen.
pub(super) fn chosen(every: Option<Every>, groups: &[String]) -> Vec<bool> {
    let Some(every) = every else {
        return vec![true; groups.len()];
    };
    let mut names: Vec<&String> = groups.iter().collect();
    names.sort_unstable();
    names.dedup();
    let number = |name: &String| names.partition_point(|n| *n < name) as u32;
    (groups.iter())
        .map(|name| (number(name) % every.of == every.first) != every.leave_out)
        .collect()
}

/// Numbers of names in order of appearance.
pub(super) fn numbered<T: std::hash::Hash + Eq>(names: &[T]) -> Vec<u32> {
    let mut numbers: HashMap<&T, u32> = HashMap::new();
    (names.iter())
        .map(|name| {
            let next = numbers.len() as u32;
            *numbers.entry(name).or_insert(next)
        })
        .collect()
}
