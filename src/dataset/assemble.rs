use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::{DatasetError, Experiment, Geometry};
use crate::counts::{
    CountTable, Names, Sequences, TileLayout, check_pair, check_unique, lay_out, normalize,
    read_counts,
};

/// One task's activities.
#[derive(Clone, Debug)]
pub struct Task {
    /// `CELL_PROMOTER`.
    pub name: String,
    /// Cell type.
    pub cell_type: String,
    /// Promoter.
    pub promoter: String,
    /// Names of the replicates.
    pub replicates: Vec<String>,
    /// Normalised log2(RNA/DNA), `[replicate][tile]`, NaN where a tile has no value.
    pub values: Vec<Vec<f64>>,
}

/// Every tile of every table, with its activities.
#[derive(Clone, Debug)]
pub struct Assay {
    /// Tile names in order of first appearance.
    pub tiles: Names,
    /// Regions and positions.
    pub layout: TileLayout,
    /// Sequences as the tables have them, empty for tiles of tables without; `None` when no table
    /// has any.
    pub table_sequences: Option<Names>,
    /// The tasks in order of first appearance, or as asked for.
    pub tasks: Vec<Task>,
}

/// Reads every table (once, also where several experiments share a DNA table), normalises each RNA
/// table by its DNA table, and brings the tiles together by name. Tables of one replicate may be
/// several when they hold different tiles (the two designs of the scale-up).
///
/// # Errors
/// Any error of a table or a pair; an unknown task in `only`; a tile that one replicate has twice,
/// or whose sequence differs between tables.
pub fn assemble(
    experiments: &[Experiment],
    only: Option<&[String]>,
    geometry: Geometry,
    tile_index: usize,
    min_dna: u32,
) -> Result<Assay, DatasetError> {
    let tasks = choose_tasks(experiments, only)?;
    let used: Vec<&Experiment> = experiments
        .iter()
        .filter(|e| tasks.iter().any(|t| t.name == e.task()))
        .collect();
    let mut paths: Vec<&PathBuf> = Vec::new();
    for path in used.iter().flat_map(|e| [&e.rna, &e.dna]) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut tables: Vec<CountTable> = paths
        .par_iter()
        .with_max_len(1)
        .map(|path| read_counts(path, Sequences::Keep))
        .collect::<Result<_, _>>()?;
    // Every path of an experiment was put into `paths` above, so both look-ups succeed.
    let index = |path: &PathBuf| paths.iter().position(|p| *p == path).unwrap_or(0);
    let pairs: Vec<Pair> = used
        .iter()
        .map(|e| (index(&e.rna), index(&e.dna)))
        .collect();
    let (union, rows) = unite(&pairs, &tables, geometry, tile_index)?;
    for table in &mut tables {
        table.sequences = None;
    }
    let normalized = pairs
        .par_iter()
        .map(|&(rna, dna)| normalize(&tables[rna], &tables[dna], min_dna))
        .collect::<Result<Vec<_>, _>>()?;
    let mut tasks = tasks;
    for task in &mut tasks {
        let mine: Vec<Replicate> = (used.iter().zip(&rows).zip(&normalized))
            .filter(|((experiment, _), _)| experiment.task() == task.name)
            .map(|((experiment, rows), normalized)| {
                (*experiment, &rows[..], &normalized.values[..])
            })
            .collect();
        fill(task, &union.tiles, &mine)?;
    }
    let first = used.first().map(|e| e.rna.clone()).unwrap_or_default();
    let layout = lay_out(&first, &union.tiles, tile_index, geometry.tiles as usize)?;
    Ok(Assay {
        tiles: union.tiles,
        layout,
        table_sequences: union
            .sequences
            .iter()
            .any(|s| !s.is_empty())
            .then(|| union.sequences.iter().map(String::as_str).collect()),
        tasks,
    })
}

/// An experiment's tables by index: RNA, DNA.
type Pair = (usize, usize);

/// An experiment, the tile of every row of its RNA table, and the row's value.
type Replicate<'a> = (&'a Experiment, &'a [u32], &'a [f64]);

/// Brings the tiles of all pairs together by name; with the tile of every row of every RNA table.
fn unite(
    pairs: &[Pair],
    tables: &[CountTable],
    geometry: Geometry,
    tile_index: usize,
) -> Result<(Union, Vec<Vec<u32>>), DatasetError> {
    let mut union = Union::default();
    let mut rows: Vec<Vec<u32>> = Vec::with_capacity(pairs.len());
    for (i, &(rna, dna)) in pairs.iter().enumerate() {
        let (rna, dna) = (&tables[rna], &tables[dna]);
        check_pair(rna, dna)?;
        // Replicates mostly list the same tiles: those are looked up once.
        let same = (pairs[..i].iter()).position(|&(earlier, _)| tables[earlier].ids == rna.ids);
        match same {
            Some(at) => {
                let known = rows[at].clone();
                union.add_sequences(&known, rna)?;
                rows.push(known);
            }
            None => {
                check_unique(rna)?;
                // For the message: a name is judged beside the file that has it.
                lay_out(&rna.path, &rna.ids, tile_index, geometry.tiles as usize)?;
                rows.push(union.add(rna)?);
            }
        }
        union.add_sequences(&rows[rows.len() - 1], dna)?;
    }
    Ok((union, rows))
}

/// Gives a task the values of its replicates; several tables of one must hold different tiles.
fn fill(task: &mut Task, tiles: &Names, mine: &[Replicate<'_>]) -> Result<(), DatasetError> {
    let mut present: Vec<Vec<bool>> = Vec::new();
    for &(experiment, rows, values) in mine {
        let name = &experiment.replicate;
        let replicate = match task.replicates.iter().position(|r| r == name) {
            Some(at) => at,
            None => {
                task.replicates.push(name.clone());
                task.values.push(vec![f64::NAN; tiles.len()]);
                present.push(vec![false; tiles.len()]);
                task.values.len() - 1
            }
        };
        for (&tile, &value) in rows.iter().zip(values) {
            let tile = tile as usize;
            if std::mem::replace(&mut present[replicate][tile], true) {
                return Err(DatasetError::Tile {
                    id: tiles.get(tile).into(),
                    problem: format!(
                        "replicate {name} of {} has it in two tables; the second is {}",
                        task.name,
                        experiment.rna.display()
                    ),
                });
            }
            task.values[replicate][tile] = value;
        }
    }
    Ok(())
}

fn choose_tasks(
    experiments: &[Experiment],
    only: Option<&[String]>,
) -> Result<Vec<Task>, DatasetError> {
    let mut tasks: Vec<Task> = Vec::new();
    for experiment in experiments {
        match tasks.iter().find(|t| t.name == experiment.task()) {
            None => tasks.push(Task {
                name: experiment.task(),
                cell_type: experiment.cell_type.clone(),
                promoter: experiment.promoter.clone(),
                replicates: Vec::new(),
                values: Vec::new(),
            }),
            // `a_b` + `c` and `a` + `b_c` would share a name.
            Some(t) if t.cell_type != experiment.cell_type => {
                return Err(DatasetError::Setting(format!(
                    "two tasks would be called {}",
                    t.name
                )));
            }
            Some(_) => {}
        }
    }
    let Some(only) = only else {
        return Ok(tasks);
    };
    let known: Vec<&str> = tasks.iter().map(|t| t.name.as_str()).collect();
    let known = known.join(", ");
    let mut chosen: Vec<Task> = Vec::new();
    for name in only {
        let task = tasks.iter().find(|t| t.name == *name);
        let task = task.ok_or_else(|| DatasetError::UnknownTask {
            found: name.clone(),
            known: known.clone(),
        })?;
        if chosen.iter().all(|t| t.name != *name) {
            chosen.push(task.clone());
        }
    }
    Ok(chosen)
}

/// Tiles of all tables by name.
#[derive(Default)]
struct Union {
    tiles: Names,
    index: HashMap<String, u32>,
    sequences: Vec<String>,
}

impl Union {
    /// Adds a table's tiles and returns the number of each.
    fn add(&mut self, table: &CountTable) -> Result<Vec<u32>, DatasetError> {
        let mut rows = Vec::with_capacity(table.rows());
        for id in table.ids.iter() {
            let next = self.tiles.len() as u32;
            let tile = match self.index.get(id) {
                Some(&tile) => tile,
                None => {
                    self.index.insert(id.to_owned(), next);
                    self.tiles.push(id);
                    self.sequences.push(String::new());
                    next
                }
            };
            rows.push(tile);
        }
        self.add_sequences(&rows, table)?;
        Ok(rows)
    }

    fn add_sequences(&mut self, rows: &[u32], table: &CountTable) -> Result<(), DatasetError> {
        let Some(sequences) = &table.sequences else {
            return Ok(());
        };
        for (&tile, sequence) in rows.iter().zip(sequences.iter()) {
            let known = &mut self.sequences[tile as usize];
            if known.is_empty() {
                known.push_str(sequence);
            } else if !known.eq_ignore_ascii_case(sequence) {
                return Err(DatasetError::Tile {
                    id: self.tiles.get(tile as usize).into(),
                    problem: format!(
                        "its sequence in {} differs from that in an earlier table",
                        table.path.display()
                    ),
                });
            }
        }
        Ok(())
    }
}
