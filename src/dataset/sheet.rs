use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DatasetError;
use crate::input::{InputError, Lines};

/// One replicate of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// Cell type, as `HepG2`.
    pub cell_type: String,
    /// Promoter, as `SV40P`.
    pub promoter: String,
    /// Replicate, as `1`.
    pub replicate: String,
    /// RNA count table.
    pub rna: PathBuf,
    /// DNA (plasmid) count table.
    pub dna: PathBuf,
}

impl Experiment {
    /// The task's name: `HepG2_SV40P`.
    pub fn task(&self) -> String {
        format!("{}_{}", self.cell_type, self.promoter)
    }
}

fn bad(source: &str, problem: impl Into<String>, expected: impl Into<String>) -> DatasetError {
    DatasetError::Experiment {
        source_name: source.into(),
        problem: problem.into(),
        expected: expected.into(),
    }
}

fn checked(experiment: Experiment, source: &str) -> Result<Experiment, DatasetError> {
    for (what, name) in [
        ("cell type", &experiment.cell_type),
        ("promoter", &experiment.promoter),
        ("replicate", &experiment.replicate),
    ] {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        if name.is_empty() || !name.chars().all(sound) {
            return Err(bad(
                source,
                format!("{what} {name:?}"),
                "letters, digits and - _ + .",
            ));
        }
    }
    for (what, path) in [("RNA", &experiment.rna), ("DNA", &experiment.dna)] {
        if path.as_os_str().is_empty() {
            return Err(bad(source, format!("no {what} table"), "a file"));
        }
    }
    Ok(experiment)
}

/// Reads `CELL:PROMOTER:REPLICATE=RNA,DNA`.
///
/// # Errors
/// [`DatasetError::Experiment`] when it is anything else.
pub fn parse_experiment(text: &str) -> Result<Experiment, DatasetError> {
    const FORM: &str = "CELL:PROMOTER:REPLICATE=RNA,DNA";
    let (names, files) = text
        .split_once('=')
        .ok_or_else(|| bad(text, "no `=`", FORM))?;
    let names: Vec<&str> = names.split(':').collect();
    let files: Vec<&str> = files.split(',').collect();
    let (&[cell_type, promoter, replicate], &[rna, dna]) = (names.as_slice(), files.as_slice())
    else {
        let found = format!("{} name(s) and {} file(s)", names.len(), files.len());
        return Err(bad(text, found, FORM));
    };
    let experiment = Experiment {
        cell_type: cell_type.into(),
        promoter: promoter.into(),
        replicate: replicate.into(),
        rna: rna.into(),
        dna: dna.into(),
    };
    checked(experiment, text)
}

/// Reads a sheet of experiments: TOML (`.toml`) with an `[[experiment]]` each, or tab-separated with
/// a header, either with `cell_type`, `promoter`, `replicate`, `rna` and `dna`. Relative paths count
/// from the sheet's folder.
///
/// # Errors
/// When the file cannot be read, has other fields or none, or a name that is not letters and digits.
pub fn read_sheet(path: &Path) -> Result<Vec<Experiment>, DatasetError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let list = if path.extension().is_some_and(|e| e == "toml") {
        read_toml(path)?
    } else {
        read_tsv(path)?
    };
    if list.is_empty() {
        return Err(InputError::Empty(path.into()).into());
    }
    Ok(list
        .into_iter()
        .map(|experiment| Experiment {
            rna: folder.join(experiment.rna),
            dna: folder.join(experiment.dna),
            ..experiment
        })
        .collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    #[serde(default)]
    experiment: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    cell_type: String,
    promoter: String,
    replicate: Number,
    rna: PathBuf,
    dna: PathBuf,
}

/// `replicate = 1` and `replicate = "1"` mean the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(u32),
    Text(String),
}

fn read_toml(path: &Path) -> Result<Vec<Experiment>, DatasetError> {
    let name = path.display().to_string();
    let mut lines = Lines::open(path)?;
    let mut text = String::new();
    while let Some(line) = lines.next_line()? {
        text += line;
        text.push('\n');
    }
    let sheet: Sheet = toml::from_str(&text).map_err(|e| {
        bad(
            &name,
            e.to_string().trim_end().to_owned(),
            "[[experiment]] with cell_type, promoter, replicate, rna, dna",
        )
    })?;
    sheet
        .experiment
        .into_iter()
        .enumerate()
        .map(|(i, row)| {
            let experiment = Experiment {
                cell_type: row.cell_type,
                promoter: row.promoter,
                replicate: match row.replicate {
                    Number::Whole(n) => n.to_string(),
                    Number::Text(text) => text,
                },
                rna: row.rna,
                dna: row.dna,
            };
            checked(experiment, &format!("{name}, experiment {}", i + 1))
        })
        .collect()
}

fn read_tsv(path: &Path) -> Result<Vec<Experiment>, DatasetError> {
    const COLUMNS: [&str; 5] = ["cell_type", "promoter", "replicate", "rna", "dna"];
    let mut lines = Lines::open(path)?;
    let Some(header) = lines.next_filled()? else {
        return Ok(Vec::new());
    };
    let header: Vec<&str> = header.split('\t').map(str::trim).collect();
    let mut order = [0; COLUMNS.len()];
    for (name, at) in COLUMNS.iter().zip(&mut order) {
        *at = header.iter().position(|h| h == name).ok_or_else(|| {
            bad(
                &path.display().to_string(),
                format!("no column {name:?} in the header {header:?}"),
                "the columns cell_type, promoter, replicate, rna, dna, separated by tabs",
            )
        })?;
    }
    let mut list = Vec::new();
    while let Some(line) = lines.next_filled()? {
        let source = format!("{}, line {}", path.display(), lines.number());
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        if fields.len() != header.len() {
            let found = format!("{} column(s)", fields.len());
            return Err(bad(
                &source,
                found,
                format!("{} as in the header", header.len()),
            ));
        }
        let [cell_type, promoter, replicate, rna, dna] = order.map(|at| fields[at]);
        let experiment = Experiment {
            cell_type: cell_type.into(),
            promoter: promoter.into(),
            replicate: replicate.into(),
            rna: rna.into(),
            dna: dna.into(),
        };
        list.push(checked(experiment, &source)?);
    }
    Ok(list)
}
