//! The IGVF consortium's forms of a reporter experiment, as MPRAsnakeflow writes and MPRAlib reads them:
//! counts of barcodes, or activities of oligos, and the design with their sequences.

use std::collections::HashMap;
use std::path::Path;

use super::{Assay, DatasetError, Geometry, Igvf, Task};
use crate::counts::{Names, TileLayout};
use crate::input::{InputError, Lines, Place, Row, Table, is_missing, shorten};

/// An oligo of the design.
struct Oligo {
    sequence: String,
    place: Option<Place>,
}

/// What the tables and the design make.
pub(super) struct Assembled {
    pub assay: Assay,
    /// Tiles are as long as most oligos are.
    pub geometry: Geometry,
    /// Places of all tiles; `None` where the design lacks one.
    pub places: Option<Vec<Place>>,
}

impl Igvf {
    /// Reads the tables and the design. Each oligo is a region of one tile.
    ///
    /// # Errors
    /// When a file cannot be read or is none of these; when an oligo stands twice in the design with different
    /// sequences.
    pub(super) fn assemble(&self, only: Option<&[String]>) -> Result<Assembled, DatasetError> {
        let known = || self.tables.iter().map(|(task, _)| task.as_str());
        for name in only.unwrap_or_default() {
            if !known().any(|task| task == name) {
                return Err(DatasetError::UnknownTask {
                    found: name.clone(),
                    known: known().collect::<Vec<_>>().join(", "),
                });
            }
        }
        let design = read_design(&self.design)?;
        let mut union = Union::default();
        let mut tasks: Vec<Task> = Vec::new();
        for (name, path) in &self.tables {
            if only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            if tasks.iter().any(|t| t.name == *name) {
                return Err(DatasetError::Setting(format!("two tables of task {name}")));
            }
            tasks.push(self.task(name, path, &mut union)?);
        }
        for task in &mut tasks {
            for values in &mut task.values {
                values.resize(union.tiles.len(), f64::NAN);
            }
        }
        Ok(finish(union.tiles, tasks, &design))
    }

    /// A task's activities.
    fn task(&self, name: &str, path: &Path, union: &mut Union) -> Result<Task, DatasetError> {
        let empty = || InputError::Empty(path.into());
        let table = Table::new(Lines::open(path)?)?.ok_or_else(empty)?;
        let (replicates, values) = match table.column("barcode") {
            Some(_) => self.barcodes(table, union)?,
            None => self.activities(table, union)?,
        };
        Ok(Task {
            name: name.to_owned(),
            cell_type: name.to_owned(),
            promoter: String::new(),
            replicates,
            values,
        })
    }

    /// Sums of barcodes' counts, and from them log2(RNA/DNA): one added to each sum, divided by their total over
    /// the oligos that were seen (as MPRAlib's oligo activity).
    fn barcodes(&self, mut table: Table, union: &mut Union) -> Result<Values, DatasetError> {
        let path = table.path().to_owned();
        let names = table.names().to_vec();
        let oligo = column(&table, "oligo_name")?;
        let mut replicates: Vec<String> = Vec::new();
        let mut places: Vec<[usize; 2]> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if let Some(replicate) = name.strip_prefix("dna_count_") {
                places.push([at, column(&table, &format!("rna_count_{replicate}"))?]);
                replicates.push(replicate.to_owned());
            }
        }
        if replicates.is_empty() {
            column(&table, "dna_count_1")?;
        }
        // [replicate][tile]: DNA, RNA, barcodes
        let mut sums: Vec<Vec<[u64; 3]>> = vec![Vec::new(); replicates.len()];
        while let Some(Row { line, cells }) = table.next_row()? {
            let tile = union.tile(cells[oligo]);
            for (sums, places) in sums.iter_mut().zip(&places) {
                if sums.len() <= tile {
                    sums.resize(tile + 1, [0; 3]);
                }
                let mut seen = false;
                for (sum, &at) in sums[tile].iter_mut().zip(places) {
                    let count = count(cells[at]).ok_or_else(|| InputError::Line {
                        path: path.clone(),
                        line,
                        problem: format!("{:?} in column {}", shorten(cells[at]), names[at]),
                        expected: "a count, or nothing for 0".into(),
                    })?;
                    *sum += count;
                    seen |= count > 0;
                }
                sums[tile][2] += u64::from(seen);
            }
        }
        let least = u64::from(self.min_barcodes.max(1));
        let values = sums.iter().map(|sums| {
            let seen = sums.iter().filter(|s| s[2] > 0).count() as u64;
            let total = |i: usize| (sums.iter().map(|s| s[i]).sum::<u64>() + seen) as f64;
            let shift = total(0).log2() - total(1).log2();
            let value = |[dna, rna, barcodes]: &[u64; 3]| match *barcodes >= least {
                true => ((rna + 1) as f64).log2() - ((dna + 1) as f64).log2() + shift,
                false => f64::NAN,
            };
            sums.iter().map(value).collect()
        });
        Ok((replicates, values.collect()))
    }

    /// Activities as they stand.
    fn activities(&self, mut table: Table, union: &mut Union) -> Result<Values, DatasetError> {
        let path = table.path().to_owned();
        let names = table.names().to_vec();
        let oligo = column(&table, "oligo_name")?;
        let value = column(&table, "log2FoldChange")?;
        let barcodes = table.column("n_bc");
        let replicate = table.column("replicate");
        let mut replicates: Vec<String> = Vec::new();
        let mut values: Vec<Vec<f64>> = Vec::new();
        while let Some(Row { line, cells }) = table.next_row()? {
            let fail = |at: usize, expected: &str| InputError::Line {
                path: path.clone(),
                line,
                problem: format!("{:?} in column {}", shorten(cells[at]), names[at]),
                expected: expected.into(),
            };
            let name = replicate.map_or("1", |at| cells[at]);
            let at = match replicates.iter().position(|r| r == name) {
                Some(at) => at,
                None => {
                    replicates.push(name.to_owned());
                    values.push(Vec::new());
                    replicates.len() - 1
                }
            };
            let tile = union.tile(cells[oligo]);
            if values[at].len() <= tile {
                values[at].resize(tile + 1, f64::NAN);
            }
            let number = match is_missing(cells[value]) {
                true => Some(f64::NAN),
                false => cells[value].parse::<f64>().ok().filter(|v| v.is_finite()),
            };
            let number = number.ok_or_else(|| fail(value, "a finite number, or NA"))?;
            let enough = match barcodes {
                None => true,
                Some(at) => {
                    let count = cells[at].parse::<f64>().ok().filter(|v| *v >= 0.0);
                    let count = count.ok_or_else(|| fail(at, "a number of barcodes"))?;
                    count >= f64::from(self.min_barcodes)
                }
            };
            if enough {
                values[at][tile] = number;
            }
        }
        Ok((replicates, values))
    }
}

/// Names of replicates, and values `[replicate][tile]`.
type Values = (Vec<String>, Vec<Vec<f64>>);

/// Oligos of all tables by name.
#[derive(Default)]
struct Union {
    tiles: Names,
    numbers: HashMap<String, usize>,
}

impl Union {
    fn tile(&mut self, name: &str) -> usize {
        if let Some(tile) = self.numbers.get(name) {
            return *tile;
        }
        let tile = self.tiles.len();
        self.tiles.push(name);
        self.numbers.insert(name.to_owned(), tile);
        tile
    }
}

fn column(table: &Table, name: &str) -> Result<usize, InputError> {
    table.column(name).ok_or_else(|| InputError::Line {
        path: table.path().into(),
        line: 1,
        problem: format!("columns {}", table.names().join(", ")),
        expected: format!("a column {name}, as in IGVF's reporter experiments"),
    })
}

/// A count; nothing is 0. MPRAlib writes floats where a column has gaps.
fn count(cell: &str) -> Option<u64> {
    if is_missing(cell) {
        return Some(0);
    }
    let float = || {
        cell.parse::<f64>()
            .ok()
            .filter(|v| v.fract() == 0.0 && (0.0..4e9).contains(v))
    };
    cell.parse().ok().or_else(|| float().map(|v| v as u64))
}

/// The assay of oligos, each a region of its own.
fn finish(tiles: Names, tasks: Vec<Task>, design: &HashMap<String, Oligo>) -> Assembled {
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for oligo in tiles.iter().filter_map(|name| design.get(name)) {
        *lengths.entry(oligo.sequence.len()).or_default() += 1;
    }
    let most = lengths.iter().max_by_key(|(length, n)| (**n, **length));
    let length = most.map_or(1, |(length, _)| (*length).max(1));
    let others = lengths
        .iter()
        .filter(|(l, _)| **l != length)
        .map(|(_, n)| *n)
        .sum::<usize>();
    if others > 0 {
        tracing::warn!(
            "{others} oligo(s) have another length than {length} bases and are left out"
        );
    }
    let found = || tiles.iter().map(|name| design.get(name));
    let places: Option<Vec<Place>> = found().map(|o| o?.place.clone()).collect();
    let sequences = found().map(|o| match o {
        Some(o) if o.sequence.len() == length => o.sequence.as_str(),
        _ => "",
    });
    let count = tiles.len();
    Assembled {
        places,
        geometry: Geometry {
            tile: length as u32,
            step: 1,
            tiles: 1,
        },
        assay: Assay {
            table_sequences: Some(sequences.collect()),
            layout: TileLayout {
                regions: tiles.clone(),
                region: (0..count as u32).collect(),
                tile: vec![0; count],
            },
            tiles,
            tasks,
        },
    }
}

/// Reads sequences by name.
fn read_design(path: &Path) -> Result<HashMap<String, Oligo>, DatasetError> {
    let mut lines = Lines::open(path)?;
    let is_fasta = lines
        .next_filled()?
        .is_some_and(|line| line.starts_with('>'));
    lines.unread();
    let mut design: HashMap<String, Oligo> = HashMap::new();
    if is_fasta {
        let mut name = String::new();
        while let Some(line) = lines.next_filled()? {
            match line.strip_prefix('>') {
                Some(header) => {
                    name = header
                        .split_ascii_whitespace()
                        .next()
                        .unwrap_or("")
                        .to_owned();
                    let number = lines.number();
                    if design.contains_key(&name) {
                        return Err(twice(path, number, &name).into());
                    }
                    let sequence = String::new();
                    design.insert(
                        name.clone(),
                        Oligo {
                            sequence,
                            place: None,
                        },
                    );
                }
                None => {
                    if let Some(oligo) = design.get_mut(&name) {
                        oligo.sequence.push_str(line.trim());
                    }
                }
            }
        }
        return Ok(design);
    }
    let Some(mut table) = Table::new(lines)? else {
        return Err(InputError::Empty(path.into()).into());
    };
    let (name, sequence) = (column(&table, "name")?, column(&table, "sequence")?);
    let where_ = ["chr", "start", "end"].map(|c| table.column(c));
    while let Some(Row { line, cells }) = table.next_row()? {
        let place = match where_ {
            [Some(c), Some(s), Some(e)] => {
                let bound = |at: usize| cells[at].parse::<u32>().ok();
                let span = bound(s).zip(bound(e)).filter(|(s, e)| s < e);
                span.filter(|_| !is_missing(cells[c]))
                    .map(|(start, end)| Place {
                        chrom: cells[c].to_owned(),
                        start,
                        end,
                    })
            }
            _ => None,
        };
        let oligo = Oligo {
            sequence: cells[sequence].to_owned(),
            place,
        };
        // An oligo may stand there once for each of its roles.
        let known = design.get(cells[name]);
        if known.is_some_and(|k| !k.sequence.eq_ignore_ascii_case(&oligo.sequence)) {
            return Err(twice(path, line, cells[name]).into());
        }
        design.entry(cells[name].to_owned()).or_insert(oligo);
    }
    Ok(design)
}

fn twice(path: &Path, line: u64, name: &str) -> InputError {
    InputError::Line {
        path: path.into(),
        line,
        problem: format!("oligo {name:?} stands twice, with another sequence"),
        expected: "one sequence a name".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn igvf(folder: &Path, table: &str, design: &str) -> Igvf {
        std::fs::write(folder.join("t.tsv"), table).unwrap();
        std::fs::write(folder.join("d"), design).unwrap();
        Igvf {
            tables: vec![("HepG2".into(), folder.join("t.tsv"))],
            design: folder.join("d"),
            min_barcodes: 2,
        }
    }

    const DESIGN: &str = "name\tsequence\tcategory\tchr\tstart\tend\no1\tACGT\tx\tchr1\t5\t9\no2\tACGA\tx\tchr1\t7\t11\no3\tACGTT\tx\tNA\tNA\tNA\n";

    #[test]
    fn counts_of_barcodes() {
        let dir = tempfile::tempdir().unwrap();
        let table = "barcode\toligo_name\tdna_count_a\trna_count_a\tdna_count_b\trna_count_b\n\
            AA\to1\t10\t30\t1\t\nAC\to1\t20\t\t\t\nAG\to2\t4\t4.0\t\t5\nAT\to2\t3\t1\t\t6\nCC\to1\t\t\t\t\n";
        let made = igvf(dir.path(), table, DESIGN).assemble(None).unwrap();
        let task = &made.assay.tasks[0];
        assert_eq!(task.replicates, ["a", "b"]);
        // Sums 30, 30 and 7, 5; totals with one for each of two oligos 39 and 37.
        let shift = (39f64 / 37.0).log2();
        let expected = [shift, (6f64 / 8.0).log2() + shift];
        for (found, expected) in task.values[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12);
        }
        // One barcode of o1 was seen in b, two of o2.
        assert!(task.values[1][0].is_nan() && !task.values[1][1].is_nan());
        assert_eq!((made.geometry.tile, made.geometry.tiles), (4, 1));
        assert_eq!(made.places.unwrap()[1].start, 7);
    }

    #[test]
    fn activities_and_a_fasta() {
        let dir = tempfile::tempdir().unwrap();
        let table = "replicate\toligo_name\tdna_counts\trna_counts\tdna_normalized\trna_normalized\tlog2FoldChange\tn_bc\n\
            1\to1\t1\t1\t1\t1\t0.5\t3\n1\to2\t1\t1\t1\t1\t-1\t1\n2\to1\t1\t1\t1\t1\t0.25\t2\n";
        let made = igvf(dir.path(), table, ">o1 first\nAC\nGT\n>o2\nACGA\n>o3\nA\n");
        let made = made.assemble(None).unwrap();
        let values = &made.assay.tasks[0].values;
        assert_eq!(values[0][0], 0.5);
        assert!(values[0][1].is_nan() && values[1][1].is_nan());
        assert_eq!(values[1][0], 0.25);
        assert_eq!(made.assay.table_sequences.unwrap().get(0), "ACGT");
        assert!(made.places.is_none());
    }

    #[test]
    fn what_is_no_such_table() {
        let dir = tempfile::tempdir().unwrap();
        let header = "barcode\toligo_name\tdna_count_a\trna_count_a\n";
        for (table, design, problem) in [
            ("barcode\toligo_name\n", DESIGN, "a column dna_count_1"),
            (
                "barcode\toligo_name\tdna_count_a\n",
                DESIGN,
                "a column rna_count_a",
            ),
            ("a\tb\n", DESIGN, "a column oligo_name"),
            ("", DESIGN, "holds no row"),
            (
                &format!("{header}A\to1\tx\t1\n"),
                DESIGN,
                "\"x\" in column dna_count_a",
            ),
            (header, "name\n", "a column sequence"),
            (header, ">a\nAC\n>a\nAC\n", "stands twice"),
            (header, "name\tsequence\na\tAC\na\tAG\n", "stands twice"),
        ] {
            let error = igvf(dir.path(), table, design)
                .assemble(None)
                .err()
                .unwrap();
            assert!(error.to_string().contains(problem), "{table:?}: {error}");
        }
    }
}
