//! A suite file: TOML, a `[[judge]]` each. What it may say is written down in `docs/evaluate.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::super::EvaluateError;
use crate::input::Lines;

/// What a judge has measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Two classes of sequences.
    Labels,
    /// A number a sequence.
    Values,
    /// Two alleles with a number each.
    Alleles,
    /// Effects of changes, by element.
    Effects,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Values => "values",
            Self::Alleles => "alleles",
            Self::Effects => "effects",
        }
    }

    /// Whether what is predicted is a difference of two alleles.
    pub(super) fn is_change(self) -> bool {
        matches!(self, Self::Alleles | Self::Effects)
    }
}

/// How the windows of a sequence become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// The mean over the windows.
    Mean,
    /// The greatest of the windows.
    Max,
    /// The window in the middle alone.
    Centre,
}

impl Pool {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Centre => "centre",
        }
    }
}

/// One text, number or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Texts {
    One(Text),
    Many(Vec<Text>),
}

impl Texts {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.get()],
            Self::Many(texts) => texts.iter().map(Text::get).collect(),
        }
    }
}

/// `1` and `"1"` mean the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Word(String),
    Whole(i64),
    Real(f64),
}

impl Text {
    pub(super) fn get(&self) -> String {
        match self {
            Self::Word(text) => text.clone(),
            Self::Whole(n) => n.to_string(),
            Self::Real(x) => x.to_string(),
        }
    }
}

/// Cells to be compared: one pair, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Pairs {
    One([String; 2]),
    Many(Vec<[String; 2]>),
}

/// Every so manieth group.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Every {
    /// Groups are numbered by their names in order of the alphabet; one of so many is meant.
    pub of: u32,
    /// The number of the first.
    #[serde(default)]
    pub first: u32,
    /// Whether those are left out, instead of the others.
    #[serde(default)]
    pub leave_out: bool,
}

/// What is measured in a cell, and which tasks predict it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    pub name: String,
    pub task: Texts,
    pub file: Option<PathBuf>,
    pub label: Option<String>,
    pub value: Option<String>,
    pub effect: Option<String>,
    pub ref_value: Option<String>,
    pub alt_value: Option<String>,
    pub kmer_cell: Option<String>,
}

/// A judge as it stands in the file; paths count from the file's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judge {
    pub name: Spanned<String>,
    pub kind: Kind,
    pub file: Option<PathBuf>,
    pub regions: Option<PathBuf>,
    pub cells: Vec<Cell>,
    difference: Option<Pairs>,
    // Names of columns.
    pub id: Option<String>,
    pub chrom: Option<String>,
    pub start: Option<String>,
    pub end: Option<String>,
    pub sequence: Option<String>,
    pub position: Option<String>,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub alt: Option<String>,
    pub element: Option<String>,
    pub barcodes: Option<String>,
    pub group: Option<String>,
    // What of them counts.
    pub positive: Option<Text>,
    pub negative: Option<Text>,
    pub width: Option<u32>,
    pub pseudo_count: Option<f64>,
    pub min_barcodes: Option<f64>,
    #[serde(default, rename = "where")]
    pub keep: BTreeMap<String, Texts>,
    #[serde(default)]
    pub where_not: BTreeMap<String, Texts>,
    pub chroms: Option<Vec<String>>,
    pub leave_out_chroms: Option<Vec<String>>,
    pub every: Option<Every>,
    pub group_suffixes: Option<Vec<String>>,
    // How it is judged.
    step: Option<u32>,
    pool: Option<Pool>,
    #[serde(default)]
    pub both_strands: bool,
    strata: Option<usize>,
    k: Option<usize>,
    folds: Option<u32>,
    pub kmer_from: Option<String>,
    by_chrom: Option<bool>,
    /// The line of its name, from 1.
    #[serde(skip)]
    pub line: usize,
}

impl Judge {
    pub(super) fn step(&self) -> u32 {
        self.step.unwrap_or(5)
    }

    pub(super) fn pool(&self) -> Pool {
        self.pool.unwrap_or(match self.kind.is_change() {
            true => Pool::Centre,
            false => Pool::Mean,
        })
    }

    pub(super) fn strata(&self) -> usize {
        self.strata.unwrap_or(20)
    }

    pub(super) fn k(&self) -> usize {
        self.k.unwrap_or(5)
    }

    pub(super) fn folds(&self) -> u32 {
        self.folds.unwrap_or(5)
    }

    pub(super) fn pseudo_count(&self) -> f64 {
        self.pseudo_count.unwrap_or(1.0)
    }

    pub(super) fn min_barcodes(&self) -> f64 {
        self.min_barcodes.unwrap_or(10.0)
    }

    pub(super) fn by_chrom(&self) -> bool {
        self.by_chrom.unwrap_or(self.kind == Kind::Labels)
    }

    /// Pairs of numbers of cells.
    pub(super) fn differences(&self) -> Vec<[usize; 2]> {
        let number = |name: &String| self.cells.iter().position(|c| c.name == *name);
        let pairs = match &self.difference {
            None => &[][..],
            Some(Pairs::One(pair)) => std::slice::from_ref(pair),
            Some(Pairs::Many(pairs)) => pairs,
        };
        // `check` has found every name.
        (pairs.iter())
            .filter_map(|[a, b]| Some([number(a)?, number(b)?]))
            .collect()
    }

    /// Optional keys that are there and belong to some kinds only, with those.
    fn particular(&self) -> Vec<(&'static str, &'static [Kind])> {
        use Kind::{Alleles, Effects, Labels, Values};
        const SEQUENCES: &[Kind] = &[Labels, Values];
        const CHANGES: &[Kind] = &[Alleles, Effects];
        let cell = |of: fn(&Cell) -> bool| self.cells.iter().any(of);
        [
            ("regions", self.regions.is_some(), SEQUENCES),
            ("start", self.start.is_some(), SEQUENCES),
            ("end", self.end.is_some(), SEQUENCES),
            ("sequence", self.sequence.is_some(), SEQUENCES),
            ("width", self.width.is_some(), SEQUENCES),
            ("positive", self.positive.is_some(), &[Labels]),
            ("negative", self.negative.is_some(), &[Labels]),
            ("label", cell(|c| c.label.is_some()), &[Labels]),
            ("value", cell(|c| c.value.is_some()), &[Values]),
            ("position", self.position.is_some(), CHANGES),
            ("ref", self.reference.is_some(), CHANGES),
            ("alt", self.alt.is_some(), CHANGES),
            ("kmer_from", self.kmer_from.is_some(), CHANGES),
            ("kmer_cell", cell(|c| c.kmer_cell.is_some()), CHANGES),
            ("pseudo_count", self.pseudo_count.is_some(), &[Alleles]),
            ("ref_value", cell(|c| c.ref_value.is_some()), &[Alleles]),
            ("alt_value", cell(|c| c.alt_value.is_some()), &[Alleles]),
            ("effect", cell(|c| c.effect.is_some()), &[Effects]),
            ("element", self.element.is_some(), &[Effects]),
            ("barcodes", self.barcodes.is_some(), &[Effects]),
            ("min_barcodes", self.min_barcodes.is_some(), &[Effects]),
        ]
        .into_iter()
        .filter_map(|(key, there, kinds)| there.then_some((key, kinds)))
        .collect()
    }

    /// What is wrong with it, and what would be right.
    fn check(&self, above: &[Judge]) -> Result<(), (String, String)> {
        let wrong = |problem: String, expected: &str| Err((problem, expected.to_owned()));
        if let Some((key, kinds)) =
            (self.particular().into_iter()).find(|(_, kinds)| !kinds.contains(&self.kind))
        {
            let kinds: Vec<&str> = kinds.iter().map(|k| k.as_str()).collect();
            return Err((
                format!("{key} in a judge of kind {}", self.kind.as_str()),
                format!("it in kind {}", kinds.join(" or ")),
            ));
        }
        if self.cells.is_empty() {
            return wrong("no cell".into(), "cells = [{ name, task, ... }]");
        }
        for (i, cell) in self.cells.iter().enumerate() {
            if self.cells[..i].iter().any(|c| c.name == cell.name) {
                return wrong(
                    format!("two cells {:?}", cell.name),
                    "cells of different names",
                );
            }
            if cell.task.list().is_empty() {
                return wrong(
                    format!("cell {:?} without a task", cell.name),
                    "a task, or several",
                );
            }
            if cell.file.is_none() && self.file.is_none() {
                return wrong(
                    format!("cell {:?} without a file", cell.name),
                    "file of the judge or of the cell",
                );
            }
        }
        let pairs = match &self.difference {
            None => Vec::new(),
            Some(Pairs::One(pair)) => vec![pair],
            Some(Pairs::Many(pairs)) => pairs.iter().collect(),
        };
        let known: Vec<&str> = self.cells.iter().map(|c| c.name.as_str()).collect();
        for name in pairs.into_iter().flatten() {
            if !known.contains(&name.as_str()) {
                return Err((
                    format!("difference of an unknown cell {name:?}"),
                    format!("two of {}", known.join(", ")),
                ));
            }
        }
        if let Some(from) = &self.kmer_from {
            let found = above.iter().find(|j| j.name.get_ref() == from);
            match found {
                Some(judge) if !judge.kind.is_change() => {}
                _ => {
                    return wrong(
                        format!("kmer_from {from:?}"),
                        "a judge of kind labels or values above this one",
                    );
                }
            }
        }
        for (key, fits, expected) in [
            ("step", self.step() >= 1, "1 or more"),
            (
                "strata",
                (1..=10_000).contains(&self.strata()),
                "1 to 10000",
            ),
            ("k", (1..=6).contains(&self.k()), "1 to 6"),
            ("folds", (2..=50).contains(&self.folds()), "2 to 50"),
            (
                "pseudo_count",
                self.pseudo_count() >= 0.0 && self.pseudo_count().is_finite(),
                "0 or more",
            ),
            (
                "width",
                self.width.is_none_or(|w| (1..=1_000_000).contains(&w)),
                "1 to 1000000",
            ),
            (
                "every",
                self.every.is_none_or(|e| e.of >= 2 && e.first < e.of),
                "of = 2 or more, first below it",
            ),
        ] {
            if !fits {
                return wrong(format!("{key} out of its range"), expected);
            }
        }
        Ok(())
    }
}

/// A suite as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    pub fasta: Option<PathBuf>,
    pub bootstrap: Option<u64>,
    pub interval: Option<f64>,
    pub seed: Option<u64>,
    #[serde(default, rename = "judge")]
    pub judges: Vec<Judge>,
}

/// Reads and checks a suite.
pub(super) fn read(path: &Path) -> Result<Suite, EvaluateError> {
    let mut lines = Lines::open(path)?;
    let mut text = String::new();
    while let Some(line) = lines.next_line()? {
        text += line;
        text.push('\n');
    }
    let fail = |line: usize, problem: String, expected: String| EvaluateError::Suite {
        path: path.into(),
        line,
        problem,
        expected,
    };
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|&b| b == b'\n').count();
    let mut suite: Suite = toml::from_str(&text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(span.start));
        let (problem, expected) = match e.message().split_once(", expected ") {
            Some((problem, expected)) => (problem.to_owned(), expected.to_owned()),
            None => (
                e.message().trim_end().to_owned(),
                "TOML with a [[judge]] each".into(),
            ),
        };
        fail(line, problem, expected)
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let from_here = |path: &mut Option<PathBuf>| {
        if let Some(path) = path {
            *path = folder.join(&*path);
        }
    };
    from_here(&mut suite.fasta);
    for judge in &mut suite.judges {
        judge.line = line_of(judge.name.span().start);
        from_here(&mut judge.file);
        from_here(&mut judge.regions);
        (judge.cells.iter_mut()).for_each(|cell| from_here(&mut cell.file));
    }
    if suite.judges.is_empty() {
        return Err(fail(1, "no judge".into(), "a [[judge]] or more".into()));
    }
    for (i, judge) in suite.judges.iter().enumerate() {
        let above = &suite.judges[..i];
        let name = judge.name.get_ref();
        if above.iter().any(|j| j.name.get_ref() == name) {
            let problem = format!("two judges {name:?}");
            return Err(fail(judge.line, problem, "different names".into()));
        }
        judge.check(above).map_err(|(problem, expected)| {
            fail(judge.line, format!("judge {name:?}: {problem}"), expected)
        })?;
    }
    if !(suite.interval).is_none_or(|share| share > 0.0 && share < 1.0) {
        return Err(fail(
            1,
            "interval out of its range".into(),
            "between 0 and 1".into(),
        ));
    }
    Ok(suite)
}
