use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bigtools::BigWigRead;
use bigtools::utils::reopen::ReopenableFile;

use super::{Item, TrackError};
use crate::genome::{Contig, ContigId, Contigs, Interval};
use crate::input::{
    BigFileError, Coordinates, Input, InputError, Lines, Place, bed, open_big, read_big, shorten,
};

const BIG_WIG: [u8; 4] = [0x26, 0xfc, 0x8f, 0x88];

/// The scores of one track: a bigWig, a bedGraph, or a SHARPR base-prediction table (`id`, then one
/// value a base) with the coordinates of its regions. Text may be gzip. Values are `f32`.
#[derive(Debug)]
pub struct Scores {
    /// What it is called in tables and figures.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its contigs. In text forms a contig is as long as the last base with a score.
    pub contigs: Contigs,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    BigWig,
    Items(Vec<Vec<Item>>),
    Table(Table),
}

/// A score table: a row a region.
#[derive(Debug)]
pub struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) values: Vec<f32>,
    /// The rows laid on the genome: the mean where several cover a base.
    laid: OnceLock<Vec<Vec<Item>>>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub contig: ContigId,
    pub bases: Interval,
    pub first: usize,
}

impl Scores {
    /// Opens a file. What it is, its content tells.
    ///
    /// # Errors
    /// When it cannot be read, holds no score, a score is not a finite number, a bedGraph gives a
    /// base two values, or a table's region has no place that fits.
    pub fn open(
        name: &str,
        path: &Path,
        coordinates: Option<&Coordinates>,
    ) -> Result<Self, TrackError> {
        Self::from_input(name, Input::open(path)?, coordinates)
    }

    /// The same from an open input.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_input(
        name: &str,
        input: Input,
        coordinates: Option<&Coordinates>,
    ) -> Result<Self, TrackError> {
        let path = &input.path().to_owned();
        let (contigs, kind) = if input.has_magic(BIG_WIG) {
            input.needs_file("bigWig")?;
            let file = open_big_wig(path)?;
            let list = file.chroms().iter().map(|c| Contig {
                name: c.name.clone(),
                length: c.length,
            });
            (list.collect(), Kind::BigWig)
        } else {
            let mut lines = Lines::new(input);
            let first = first_line(&mut lines)?;
            match (first, coordinates) {
                // A region of few integers looks like bedGraph, but for its name.
                (line, Some(Coordinates { path, places }))
                    if !is_bedgraph(&line) || names_region(&line, places) =>
                {
                    read_table(lines, places, path)?
                }
                (line, _) if is_bedgraph(&line) => read_bedgraph(lines)?,
                _ => return Err(TrackError::NoCoordinates(path.into())),
            }
        };
        let mut contigs: Vec<Contig> = contigs;
        if contigs.is_empty() {
            return Err(TrackError::NoScores(path.into(), false));
        }
        // bigWig lists names in its own order; ids follow it.
        contigs.dedup_by(|a, b| a.name == b.name);
        let contigs = Contigs::new(contigs).map_err(|name| {
            BigFileError::binary(path, format!("contig {name:?} is listed twice"))
        })?;
        Ok(Self {
            name: name.into(),
            path: path.into(),
            contigs,
            kind,
        })
    }

    /// The rows, if this is a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Whether values were decimals in a text, so that their `f64` is that of the decimal.
    pub fn is_text(&self) -> bool {
        !matches!(self.kind, Kind::BigWig)
    }

    /// A reader; each thread has its own.
    ///
    /// # Errors
    /// When a bigWig cannot be opened.
    pub fn reader(&self) -> Result<Reader<'_>, TrackError> {
        Ok(Reader {
            scores: self,
            source: match &self.kind {
                Kind::BigWig => Source::BigWig(Box::new(open_big_wig(&self.path)?)),
                Kind::Items(items) => Source::Items(items),
                Kind::Table(table) => Source::Table(table),
            },
        })
    }
}

fn open_big_wig(path: &Path) -> Result<BigWigRead<ReopenableFile>, TrackError> {
    let file = open_big(path)?;
    let open = || BigWigRead::open(file).map_err(|e| BigFileError::binary(path, e));
    Ok(read_big(path, open)?)
}

/// Reads stretches of a track.
pub struct Reader<'a> {
    scores: &'a Scores,
    source: Source<'a>,
}

enum Source<'a> {
    BigWig(Box<BigWigRead<ReopenableFile>>),
    Items(&'a [Vec<Item>]),
    Table(&'a Table),
}

impl Reader<'_> {
    /// The values of a stretch, one a base, NaN where there is none. Bases past a contig's end have
    /// none.
    ///
    /// # Errors
    /// When the file cannot be read or holds a value that is not finite.
    pub fn fill(
        &mut self,
        contig: ContigId,
        span: Interval,
        out: &mut Vec<f32>,
    ) -> Result<(), TrackError> {
        out.clear();
        out.resize(span.len() as usize, f32::NAN);
        let path = &self.scores.path;
        let name = &self.scores.contigs.get(contig).name;
        let mut set = |start: u32, end: u32, value: f32| {
            if !value.is_finite() {
                return Err(TrackError::NotFinite {
                    path: path.clone(),
                    place: format!("{name}:{start}-{end}"),
                    value,
                });
            }
            let (start, end) = (start.max(span.start()), end.min(span.end()));
            if start < end {
                let at = (start - span.start()) as usize;
                out[at..at + (end - start) as usize].fill(value);
            }
            Ok(())
        };
        if let Source::Table(table) = self.source {
            // Laid on the genome when first asked for: ranking reads rows instead.
            let contigs = self.scores.contigs.len();
            self.source = Source::Items(table.laid.get_or_init(|| lay(table, contigs)));
        }
        match &mut self.source {
            Source::BigWig(file) => {
                let length = self.scores.contigs.get(contig).length;
                let end = span.end().min(length);
                if span.start() >= end {
                    return Ok(());
                }
                let values = read_big(path, || {
                    let failed = |e: &dyn std::fmt::Display| BigFileError::binary(path, e);
                    let values = file.get_interval(name, span.start(), end);
                    let values = values.map_err(|e| failed(&e))?;
                    values
                        .collect::<Result<Vec<_>, _>>()
                        .map_err(|e| failed(&e))
                })?;
                for v in values {
                    set(v.start, v.end, v.value)?;
                }
            }
            Source::Table(_) => {}
            Source::Items(items) => {
                let items = &items[contig as usize];
                let from = items.partition_point(|i| i.end <= span.start());
                for item in items[from..].iter().take_while(|i| i.start < span.end()) {
                    set(item.start, item.end, item.value)?;
                }
            }
        }
        Ok(())
    }
}

/// The first line that is no header, which is read again.
fn first_line(lines: &mut Lines) -> Result<String, TrackError> {
    while let Some(line) = lines.next_filled()? {
        if !bed::is_header(line.as_bytes()) {
            lines.unread();
            return Ok(line);
        }
    }
    Err(TrackError::NoScores(lines.path().into(), false))
}

fn is_bedgraph(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let four = fields.clone().count() == 4;
    let numbers = fields.by_ref().skip(1).take(2);
    four && numbers
        .filter(|f| bed::coordinate(f.as_bytes()).is_some())
        .count()
        == 2
}

fn names_region(line: &str, places: &HashMap<String, Place>) -> bool {
    line.split('\t')
        .next()
        .is_some_and(|n| places.contains_key(n))
}

type Read = (Vec<Contig>, Kind);

fn read_bedgraph(mut lines: Lines) -> Result<Read, TrackError> {
    let path = lines.path().to_owned();
    let mut contigs: Vec<Contig> = Vec::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut items: Vec<Vec<Item>> = Vec::new();
    let mut last = String::new();
    let mut id = 0;
    while let Some(line) = lines.next_line()? {
        if bed::is_header(line.as_bytes()) {
            continue;
        }
        let mut f = line.split_ascii_whitespace();
        let parsed = (|| {
            let contig = f.next()?;
            let start = bed::coordinate(f.next()?.as_bytes())?;
            let end = bed::coordinate(f.next()?.as_bytes())?;
            let value: f32 = f.next()?.parse().ok()?;
            (start < end && f.next().is_none()).then_some((contig, Item { start, end, value }))
        })();
        let Some((contig, item)) = parsed else {
            let found = format!("{:?}", shorten(line));
            return Err(lines
                .error(
                    found,
                    "bedGraph: contig, start, end, score; start below end",
                )
                .into());
        };
        if !item.value.is_finite() {
            return Err(TrackError::NotFinite {
                path: path.clone(),
                place: format!("{contig}:{}-{}", item.start, item.end),
                value: item.value,
            });
        }
        if contig != last {
            id = *ids.entry(contig.to_owned()).or_insert_with(|| {
                contigs.push(Contig {
                    name: contig.to_owned(),
                    length: 0,
                });
                items.push(Vec::new());
                items.len() - 1
            });
            contig.clone_into(&mut last);
        }
        contigs[id].length = contigs[id].length.max(item.end);
        items[id].push(item);
    }
    for (list, contig) in items.iter_mut().zip(&contigs) {
        list.sort_unstable_by_key(|i| i.start);
        if let Some(w) = list.windows(2).find(|w| w[1].start < w[0].end) {
            return Err(TrackError::TwoValues {
                path: path.clone(),
                contig: contig.name.clone(),
                position: w[1].start,
            });
        }
    }
    Ok((contigs, Kind::Items(items)))
}

fn read_table(
    mut lines: Lines,
    places: &HashMap<String, Place>,
    coordinates: &Path,
) -> Result<Read, TrackError> {
    let path = lines.path().to_owned();
    let mut contigs: Vec<Contig> = Vec::new();
    let mut ids: HashMap<&str, u32> = HashMap::new();
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    loop {
        let number = lines.number() + 1;
        let Some(line) = lines.next_line()? else {
            break;
        };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let first = values.len();
        let mut cells = line.split('\t');
        let region = cells.next().unwrap_or("");
        let mut bad = None;
        for cell in cells {
            match decimal(cell) {
                _ if cell.is_empty() => values.push(f32::NAN),
                Some(v) => values.push(v),
                None => {
                    bad = Some(cell);
                    break;
                }
            }
        }
        let fail = |problem: String| TrackError::Coordinates {
            path: path.clone(),
            line: number,
            region: region.to_owned(),
            problem,
        };
        if let Some(cell) = bad {
            if cell.trim().parse::<f32>().is_ok_and(|v| !v.is_finite()) {
                return Err(TrackError::NotFinite {
                    path: path.clone(),
                    place: format!("line {number}"),
                    value: cell.trim().parse().unwrap_or(f32::NAN),
                });
            }
            let found = format!("{:?}", shorten(cell));
            return Err(lines.error(found, "a region, then one score a base").into());
        }
        let place = places
            .get(region)
            .ok_or_else(|| fail(format!("it is not in {}", coordinates.display())))?;
        let bases = Interval::new(place.start, place.end).unwrap_or_default();
        if bases.len() as usize != values.len() - first {
            return Err(fail(format!(
                "{} value(s) for {} base(s)",
                values.len() - first,
                bases.len()
            )));
        }
        let contig = *ids.entry(place.chrom.as_str()).or_insert_with(|| {
            contigs.push(Contig {
                name: place.chrom.clone(),
                length: 0,
            });
            contigs.len() as u32 - 1
        });
        let length = &mut contigs[contig as usize].length;
        *length = (*length).max(bases.end());
        rows.push(Row {
            contig,
            bases,
            first,
        });
    }
    if rows.is_empty() {
        return Err(InputError::Empty(path).into());
    }
    let laid = OnceLock::new();
    Ok((contigs, Kind::Table(Table { rows, values, laid })))
}

/// A finite number. Short decimals, the rule in these tables, are read without the general parser:
/// an integer below 2^24 over a power of ten up to 10^10 is one correctly rounded division.
fn decimal(text: &str) -> Option<f32> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    let (mut n, mut places, mut point) = (0u32, 0, false);
    let short = !digits.is_empty()
        && digits.len() <= 8
        && digits.iter().all(|&b| match b {
            b'0'..=b'9' => {
                n = n * 10 + u32::from(b - b'0');
                places += i32::from(point);
                true
            }
            b'.' if !point => {
                point = true;
                true
            }
            _ => false,
        })
        && digits.len() > usize::from(point)
        && n < 1 << 24;
    if short {
        let value = n as f32 / 10f32.powi(places);
        return Some(if negative { -value } else { value });
    }
    text.trim().parse::<f32>().ok().filter(|v| v.is_finite())
}

fn lay(table: &Table, contigs: usize) -> Vec<Vec<Item>> {
    let mut by_contig: Vec<Vec<&Row>> = vec![Vec::new(); contigs];
    for row in &table.rows {
        by_contig[row.contig as usize].push(row);
    }
    by_contig
        .into_iter()
        .map(|mut rows| {
            rows.sort_by_key(|r| r.bases.start());
            let mut items = Vec::new();
            let mut at = 0;
            while at < rows.len() {
                let start = rows[at].bases.start();
                let mut end = rows[at].bases.end();
                let mut next = at + 1;
                while next < rows.len() && rows[next].bases.start() < end {
                    end = end.max(rows[next].bases.end());
                    next += 1;
                }
                let mut sums = vec![(0.0f64, 0u32); (end - start) as usize];
                for row in &rows[at..next] {
                    let values = &table.values[row.first..][..row.bases.len() as usize];
                    for (sum, v) in sums[row.bases.indices_from(start)].iter_mut().zip(values) {
                        if !v.is_nan() {
                            sum.0 += f64::from(*v);
                            sum.1 += 1;
                        }
                    }
                }
                for (base, (sum, n)) in (start..).zip(sums) {
                    if n > 0 {
                        items.push(Item {
                            start: base,
                            end: base + 1,
                            value: (sum / f64::from(n)) as f32,
                        });
                    }
                }
                at = next;
            }
            items
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    proptest! {
        #[test]
        fn decimals(n in -99_999_999i64..100_000_000, places in 0usize..6) {
            let text = format!("{:.*}", places, n as f64 / 10f64.powi(places as i32));
            prop_assert_eq!(decimal(&text), text.parse::<f32>().ok());
        }
    }

    #[test]
    fn odd_numbers() {
        for text in ["", "-", ".", "1.2.3", "x", "NaN", "inf", "1e", "+"] {
            assert_eq!(decimal(text), None, "{text}");
        }
        for (text, value) in [
            ("1e-3", 1e-3),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0.007", -0.007),
            ("16777217", 16777217.0),
        ] {
            assert_eq!(decimal(text), Some(value), "{text}");
        }
    }

    #[test]
    fn tables_and_bedgraphs() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let coords = "a\tchr1\t10\t14\nb\tchr1\t12\t16\nc\tchr2\t0\t4\n";
        let coords = Coordinates::read(&file("c.txt", coords)).unwrap();
        let table = file("t.tsv", "a\t1\t2\t3\t4\nb\t5\t\t7\t8\nc\t0\t0\t0\t-1.5\n");
        let scores = Scores::open("t", &table, Some(&coords)).unwrap();
        let mut out = Vec::new();
        let span = Interval::new(9, 17).unwrap();
        scores.reader().unwrap().fill(0, span, &mut out).unwrap();
        let known: Vec<f32> = out.iter().copied().filter(|v| !v.is_nan()).collect();
        assert_eq!(known, [1.0, 2.0, 4.0, 4.0, 7.0, 8.0]);
        assert!(out[0].is_nan() && out[7].is_nan());
        for (text, part) in [
            (
                "a\t1\t2\t3\n",
                "line 1: region \"a\": 3 value(s) for 4 base(s)",
            ),
            ("z\t1\n", "it is not in"),
            ("a\t1\t2\tx\t4\n", "\"x\""),
            ("a\t1\t2\tNaN\t4\n", "the score at line 1 is NaN"),
        ] {
            let path = file("bad.tsv", text);
            let error = Scores::open("t", &path, Some(&coords))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = Scores::open("t", &table, None).unwrap_err();
        assert!(error.hint().unwrap().contains("--coordinates"), "{error}");

        let graph = file(
            "g.bedGraph",
            "track x\nchr2\t5\t7\t1.5\nchr1\t0\t2\t-1\nchr2\t2\t5\t9\n",
        );
        let scores = Scores::open("g", &graph, None).unwrap();
        assert_eq!(scores.contigs.get(0).name, "chr2");
        scores
            .reader()
            .unwrap()
            .fill(0, Interval::new(1, 6).unwrap(), &mut out)
            .unwrap();
        assert!(out[0].is_nan());
        assert_eq!(out[1..], [9.0, 9.0, 9.0, 1.5]);
        for (text, part) in [
            (
                "chr1\t0\t5\t1\nchr1\t4\t6\t2\n",
                "chr1:4 (0-based) has two values",
            ),
            ("chr1\t0\t5\tnan\n", "chr1:0-5 is NaN"),
            ("chr1\t0\t5\t1\nchr1\t9\t7\t2\n", "line 2"),
            ("", "holds no score"),
        ] {
            let error = Scores::open("g", &file("b", text), None)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
