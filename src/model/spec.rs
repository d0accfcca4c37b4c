use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use serde::Deserialize;

use super::onnx::{FLOAT, KmerGraph, Reduce, ValueInfoProto, kmer_graph, one_output, type_name};
use super::quantiles::{QUANTILES, Quantiles};
use super::{ModelError, ModelFile};
use crate::encode::{BASES, Layout, OneHot};

/// Most columns, tasks and rows of a fixed batch that a model may have: far more than any has, and
/// little enough that a damaged file cannot ask for all memory.
const MOST_COLUMNS: usize = 1 << 24;
const MOST_TASKS: usize = 1 << 16;
const MOST_INPUT: usize = 1 << 28;
/// How far an operator may reach: padding in a file of a kilobyte could ask for gigabytes, and ONNX Runtime ends the process
/// at a dilation of 2^31.
const MOST_REACH: i64 = 1 << 16;
/// Attributes that say how far.
const REACHES: [(&str, &str); 3] = [
    ("pads", "pads"),
    ("dilations", "dilates by"),
    ("strides", "strides by"),
];

/// The window's place in the model's input, for models whose input is longer than the window
/// (paper, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Frame {
    /// Bases in a window.
    pub window: usize,
    /// Column of the window's first base; centred (rounded down) when not given.
    #[serde(default)]
    pub offset: Option<usize>,
    /// Columns of the model's input, where the graph leaves them open.
    #[serde(default, rename = "frame")]
    pub length: Option<usize>,
}

/// What the user says of a model; it wins over the model's own metadata.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// Order of the four rows, such as `ATCG`.
    pub alphabet: Option<String>,
    /// Names of the tasks, one an output column.
    pub task_names: Option<Vec<String>>,
    /// Window and offset.
    pub frame: Option<Frame>,
    /// Which of several outputs.
    pub output: Option<String>,
    /// What becomes of the positions of an output that has them.
    pub reduce: Option<Reduce>,
    /// The share of a window's bases that may be unknown; otherwise `mpra_score.max_unknown`, or none.
    pub max_unknown: Option<f64>,
}

/// What a model asks for and gives.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Bases in a window.
    pub window: usize,
    /// How a window becomes an input row.
    pub one_hot: OneHot,
    /// Order of the four rows, as letters.
    pub alphabet: String,
    /// Names of the output columns. Until the model has run once, empty where neither the graph
    /// nor the metadata tells their number.
    pub tasks: Vec<String>,
    /// Most unknown bases of a window that is scored.
    pub most_unknown: u32,
    /// Rows a batch must have, where the graph fixes them.
    pub fixed_batch: Option<usize>,
    /// Name of the graph's input.
    pub input: String,
    /// Name of the graph's output.
    pub output: String,
    /// `mpra_score.description`.
    pub description: Option<String>,
    /// `mpra_score.quantiles`; without a set where the file has none.
    pub quantiles: Arc<Quantiles>,
    tasks_named: bool,
    /// Output columns as the graph states them.
    stated_tasks: Option<usize>,
}

impl ModelOptions {
    /// Which output is read and how, as text: results depend on it. Empty where nothing is said.
    pub fn reading(&self) -> String {
        let reduce = self.reduce.map(|reduce| reduce.to_string());
        let parts = [self.output.clone(), reduce];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl ModelFile {
    /// The model with one output `[batch, tasks]`, as the user says: what is opened and judged. The
    /// SHA-256 stays that of the file.
    ///
    /// # Errors
    /// [`ModelError::Unfit`] when it cannot be made.
    pub fn adapted(&self, options: &ModelOptions) -> Result<Cow<'_, Self>, ModelError> {
        if let Some(reduce) = options.reduce
            && let Some(graph) = KmerGraph::read(self.graph())
        {
            return self.reduced(&graph, reduce);
        }
        let name = options.output.as_deref();
        let bytes = one_output(
            self.bytes(),
            self.proto(),
            self.graph(),
            name,
            options.reduce,
        )
        .map_err(|problem| self.unfit("output", problem))?;
        let Some(bytes) = bytes else {
            return Ok(Cow::Borrowed(self));
        };
        let adapted = Self::from_bytes(self.path(), bytes)?;
        Ok(Cow::Owned(adapted.made_of(self)))
    }

    /// A table of k-mers whose activities are sums or means.
    fn reduced(&self, graph: &KmerGraph, reduce: Reduce) -> Result<Cow<'_, Self>, ModelError> {
        let mean = match reduce {
            Reduce::Sum => false,
            Reduce::Mean => true,
            other => {
                let problem = format!("--reduce {other} of k-mers, expected sum or mean");
                return Err(self.unfit("output", problem));
            }
        };
        if mean == graph.mean {
            return Ok(Cow::Borrowed(self));
        }
        let mut model = kmer_graph(graph.k, &graph.weights, mean).build();
        let kept = self.proto().metadata_props.iter();
        // Distributions were those of the other activities.
        model.metadata_props = kept.filter(|p| p.key != QUANTILES).cloned().collect();
        let adapted = Self::from_bytes(self.path(), model.encode_to_vec())?;
        Ok(Cow::Owned(adapted.made_of(self)))
    }

    /// Judges the model by its description, before anything runs.
    ///
    /// # Errors
    /// [`ModelError::Unfit`], naming which of external data, inputs, type, shape, alphabet, frame
    /// or task count is wrong.
    pub fn spec(&self, options: &ModelOptions) -> Result<ModelSpec, ModelError> {
        let (input, output) = self.ends()?;
        for node in &self.graph().node {
            for (attribute, does) in REACHES {
                let values = node.attribute(attribute).map_or(&[][..], |a| &a.ints);
                if let Some(wide) = values.iter().find(|value| **value > MOST_REACH) {
                    let problem = format!(
                        "{} {does} {wide} positions; at most {MOST_REACH} are supported",
                        node.op_type
                    );
                    return Err(self.unfit(attribute, problem));
                }
            }
        }
        let frame = match &options.frame {
            Some(frame) => Some(*frame),
            None => self.metadata_json::<Frame>("mpra_score.frame", "frame")?,
        };
        let (layout, fixed_batch, length) = self.input_shape(input, frame)?;
        let (window, offset) = self.window(frame, length, fixed_batch)?;
        if let Some(facts) = self.kmers()?
            && window < facts.k
        {
            let problem = format!("{window} bases hold no {}-mer", facts.k);
            return Err(self.unfit("window", problem));
        }
        let alphabet = match &options.alphabet {
            Some(alphabet) => alphabet,
            None => self
                .proto()
                .metadata("mpra_score.alphabet")
                .unwrap_or("ACGT"),
        };
        let rows = alphabet_rows(alphabet).ok_or_else(|| {
            self.unfit(
                "alphabet",
                format!("{alphabet:?}, expected the letters A, C, G, T in some order"),
            )
        })?;
        let names = match &options.task_names {
            Some(names) => Some(names.clone()),
            None => self.metadata_json::<Vec<String>>("mpra_score.tasks", "task names")?,
        };
        let count = match output.shape() {
            None => None,
            Some(axes) if axes.len() == 2 => axes[1],
            Some(axes) => {
                return Err(self.unfit(
                    "output shape",
                    format!("{}, expected [batch, tasks]", axes_text(&axes)),
                ));
            }
        };
        let mut spec = ModelSpec {
            window,
            one_hot: OneHot {
                layout,
                length,
                offset,
                rows,
            },
            alphabet: alphabet.to_owned(),
            tasks_named: names.is_some(),
            stated_tasks: count,
            tasks: names.unwrap_or_default(),
            most_unknown: self.most_unknown(options, window)?,
            fixed_batch,
            input: input.name.clone(),
            output: output.name.clone(),
            description: self
                .proto()
                .metadata("mpra_score.description")
                .map(str::to_owned),
            quantiles: Arc::new(self.quantiles()?),
        };
        if let Some(count) = count {
            spec.resolve_tasks(count, self.path())?;
        }
        Ok(spec)
    }

    fn most_unknown(&self, options: &ModelOptions, window: usize) -> Result<u32, ModelError> {
        let what = "max_unknown";
        let said = self.metadata_json::<f64>("mpra_score.max_unknown", what)?;
        let share = options.max_unknown.or(said).unwrap_or(0.0);
        match (0.0..=1.0).contains(&share) {
            true => Ok((share * window as f64) as u32),
            false => Err(self.unfit(what, format!("{share}, expected a share from 0 to 1"))),
        }
    }

    fn quantiles(&self) -> Result<Quantiles, ModelError> {
        let what = "quantiles";
        let found: Quantiles = self.metadata_json(QUANTILES, what)?.unwrap_or_default();
        match found.problem() {
            Some(problem) => Err(self.unfit(what, problem)),
            None => Ok(found),
        }
    }

    /// The one float input and the one float output.
    fn ends(&self) -> Result<(&ValueInfoProto, &ValueInfoProto), ModelError> {
        let unfit = |what, problem| self.unfit(what, problem);
        if let Some(weight) = self.graph().initializer.iter().find(|w| w.is_external()) {
            return Err(unfit(
                "external data",
                format!("the weight {:?} lies in another file", weight.name),
            ));
        }
        let [input] = self.inputs()[..] else {
            let names: Vec<&str> = self.inputs().iter().map(|i| i.name.as_str()).collect();
            return Err(unfit(
                "input count",
                format!("{} inputs {names:?}, expected one", names.len()),
            ));
        };
        let [output] = &self.graph().output[..] else {
            let names: Vec<&str> = self
                .graph()
                .output
                .iter()
                .map(|o| o.name.as_str())
                .collect();
            return Err(unfit(
                "output count",
                format!("{} outputs {names:?}, expected one", names.len()),
            ));
        };
        for (which, value) in [("input", input), ("output", output)] {
            // An output's type may be left out; the trial run tells.
            if value.elem_type() != FLOAT && (which == "input" || value.elem_type() != 0) {
                return Err(unfit(
                    "type",
                    format!(
                        "{which} {:?} is {}, expected float (32 bits)",
                        value.name,
                        type_name(value.elem_type())
                    ),
                ));
            }
        }
        Ok((input, output))
    }

    /// Bases of a window and the column of the first, of an input of `length` columns.
    fn window(
        &self,
        frame: Option<Frame>,
        length: usize,
        fixed_batch: Option<usize>,
    ) -> Result<(usize, usize), ModelError> {
        let unfit = |what, problem| self.unfit(what, problem);
        if length > MOST_COLUMNS {
            return Err(unfit(
                "input shape",
                format!("{length} columns; at most {MOST_COLUMNS} are supported"),
            ));
        }
        if fixed_batch.is_some_and(|b| b.saturating_mul(4 * length) > MOST_INPUT) {
            return Err(unfit(
                "input shape",
                "the fixed batch is too large; export the model with a free batch axis".into(),
            ));
        }
        let window = frame.map_or(length, |f| f.window);
        if window == 0 || window > length {
            return Err(unfit(
                "frame",
                format!("a window of {window} bases does not fit the input's {length} columns"),
            ));
        }
        let offset = frame
            .and_then(|f| f.offset)
            .unwrap_or((length - window) / 2);
        if offset.checked_add(window).is_none_or(|end| end > length) {
            return Err(unfit(
                "frame",
                format!(
                    "a window of {window} bases at offset {offset} reaches past the input's {length} columns"
                ),
            ));
        }
        Ok((window, offset))
    }

    /// Whether the file itself names its tasks.
    pub fn names_tasks(&self) -> bool {
        self.proto().metadata("mpra_score.tasks").is_some()
    }

    /// Layout, fixed batch and number of columns of the input.
    fn input_shape(
        &self,
        input: &ValueInfoProto,
        frame: Option<Frame>,
    ) -> Result<(Layout, Option<usize>, usize), ModelError> {
        const EXPECTED: &str =
            "expected [batch, W, 4], [batch, 4, W], [batch, 1, 4, W] or [batch, 1, W, 4]";
        let unfit = |problem: String| ModelError::Unfit {
            path: self.path().into(),
            what: "input shape",
            problem,
        };
        let axes = input
            .shape()
            .ok_or_else(|| unfit(format!("the graph states none; {EXPECTED}")))?;
        let found = axes_text(&axes);
        let (last_two, layouts) = match axes.as_slice() {
            [_, a, b] => ((*a, *b), (Layout::LengthBases, Layout::BasesLength)),
            [_, None | Some(1), a, b] => {
                ((*a, *b), (Layout::OneLengthBases, Layout::OneBasesLength))
            }
            _ => return Err(unfit(format!("{found}; {EXPECTED}"))),
        };
        let (layout, length) = match last_two {
            (Some(4), Some(4)) => return Err(unfit(format!("{found} is ambiguous; {EXPECTED}"))),
            (length, Some(4)) => (layouts.0, length),
            (Some(4), length) => (layouts.1, length),
            _ => return Err(unfit(format!("{found}; {EXPECTED}"))),
        };
        let stated = frame.and_then(|f| f.length);
        let length = match (length, stated) {
            (Some(length), Some(stated)) if length != stated => {
                return Err(unfit(format!(
                    "{found}, but the frame is said to have {stated} columns"
                )));
            }
            (Some(length), _) => length,
            // Where the graph leaves the length open, the frame says it, or the window is all.
            (None, stated) => stated.or(frame.map(|f| f.window)).ok_or_else(|| {
                unfit(format!(
                    "{found} leaves the window's length open: give it with --frame WINDOW"
                ))
            })?,
        };
        Ok((layout, axes[0], length))
    }
}

impl ModelSpec {
    /// Which output columns are meant by these task names (all, without names), in their order.
    ///
    /// # Errors
    /// [`ModelError::UnknownTask`], [`ModelError::RepeatedTask`].
    pub fn columns(&self, wanted: Option<&[String]>) -> Result<Vec<usize>, ModelError> {
        let Some(wanted) = wanted else {
            return Ok((0..self.tasks.len()).collect());
        };
        let mut columns = Vec::new();
        for name in wanted {
            let column = self.column(name)?;
            if columns.contains(&column) {
                return Err(ModelError::RepeatedTask(name.clone()));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// The output column of a task.
    ///
    /// # Errors
    /// [`ModelError::UnknownTask`].
    pub fn column(&self, name: &str) -> Result<usize, ModelError> {
        let found = self.tasks.iter().position(|t| t == name);
        found.ok_or_else(|| ModelError::UnknownTask {
            name: name.into(),
            known: self.tasks.clone(),
        })
    }

    /// Sets or checks the task names once their number is known.
    pub(super) fn resolve_tasks(&mut self, count: usize, path: &Path) -> Result<(), ModelError> {
        let unfit = |what, problem: String| ModelError::Unfit {
            path: path.into(),
            what,
            problem,
        };
        if count > MOST_TASKS {
            return Err(unfit(
                "task count",
                format!("{count} tasks; at most {MOST_TASKS} are supported"),
            ));
        }
        if self.stated_tasks.is_some_and(|stated| stated != count) {
            return Err(unfit(
                "task count",
                format!(
                    "the graph states {}, a trial run gave {count}",
                    self.stated_tasks.unwrap_or(0)
                ),
            ));
        }
        if !self.tasks_named {
            self.tasks = (0..count).map(|i| format!("task_{i}")).collect();
        }
        if self.tasks.len() != count {
            return Err(unfit(
                "task count",
                format!("{} names for {count} output columns", self.tasks.len()),
            ));
        }
        let mut seen = HashSet::new();
        for name in &self.tasks {
            // Names become file names and table columns.
            let sound = !name.is_empty()
                && !name.starts_with('.')
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
            if !sound {
                return Err(unfit(
                    "task names",
                    format!(
                        "{name:?}: letters, digits and . _ + - only, as files are named after tasks"
                    ),
                ));
            }
            // Some file systems do not tell upper from lower case.
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(unfit("task names", format!("{name:?} stands twice")));
            }
        }
        Ok(())
    }
}

fn alphabet_rows(alphabet: &str) -> Option<[u8; 4]> {
    let letters: Vec<char> = alphabet.chars().map(|c| c.to_ascii_uppercase()).collect();
    if letters.len() != 4 {
        return None;
    }
    let mut rows = [0; 4];
    for (code, base) in BASES.iter().enumerate() {
        rows[code] = letters.iter().position(|l| l == base)? as u8;
    }
    Some(rows)
}

/// `[batch, 145, 4]`, free axes as `?`.
pub(crate) fn axes_text(axes: &[Option<usize>]) -> String {
    let texts: Vec<String> = axes
        .iter()
        .map(|a| a.map_or("?".into(), |n| n.to_string()))
        .collect();
    format!("[{}]", texts.join(", "))
}
