//! What was run, in words and figures.

use serde::Serialize;
use serde_json::Value;

use super::score::of_bases;
use crate::genome::grouped;
use crate::job::RunInfo;

/// The words of a part.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// For a methods section.
    pub methods: String,
    pub command: String,
    pub warnings: Vec<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
}

/// The words of a job.
pub(super) fn run(run: &RunInfo) -> Run {
    let mut facts = vec![
        (
            "program".to_owned(),
            format!("{} {}", run.program, run.version),
        ),
        ("job".to_owned(), run.job.clone()),
    ];
    for model in &run.models {
        let name = model.embedded.as_ref().or(model.path.as_ref());
        facts.push((
            model.role.clone(),
            format!(
                "{} (SHA-256 {}; windows of {} bases; {})",
                name.map_or("", String::as_str),
                model.sha256,
                model.window,
                model.tasks.join(", ")
            ),
        ));
    }
    if let Some(runtime) = &run.onnxruntime {
        facts.push(("ONNX Runtime".into(), runtime.version.clone()));
    }
    for input in &run.inputs {
        let sum = input.sha256.as_ref().or(input.contigs_sha256.as_ref());
        let size = input
            .bytes
            .map_or(String::new(), |b| format!(", {b} bytes"));
        let sum = sum.map_or(String::new(), |s| format!(", SHA-256 {s}"));
        facts.push((input.role.clone(), format!("{}{size}{sum}", input.path)));
    }
    for (key, value) in run.counts.iter().chain(&run.settings) {
        facts.push((key.replace('_', " "), plain(value)));
    }
    for (name, value) in [
        ("threads", run.threads.map(|t| t as u64)),
        ("seed", run.seed),
    ] {
        facts.extend(value.map(|v| (name.to_owned(), v.to_string())));
    }
    facts.extend(
        run.seconds
            .map(|s| ("seconds".to_owned(), format!("{s:.1}"))),
    );
    Run {
        methods: methods(run),
        command: run
            .command
            .iter()
            .map(|w| quoted(w))
            .collect::<Vec<_>>()
            .join(" "),
        warnings: warnings(run),
        facts,
    }
}

/// A value as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let pairs = map.iter().map(|(k, v)| format!("{k} {}", plain(v)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(bare) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A path's last name.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn count(run: &RunInfo, key: &str) -> u64 {
    run.counts.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// What a reader should know before believing the numbers.
fn warnings(run: &RunInfo) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(Value::Object(status)) = run.counts.get("rows_by_status") {
        for (word, n) in status.iter().filter(|(word, _)| *word != "ok") {
            out.push(format!(
                "{n} region(s) could not be scored, or not wholly: {word}"
            ));
        }
    }
    let unknown = count(run, "windows_with_unknown");
    if unknown > 0 {
        out.push(format!(
            "{unknown} of the scored windows hold unknown bases, which may inflate their activity"
        ));
    }
    if let Some(Value::Object(lost)) = run.counts.get("rows_not_lifted") {
        let total: u64 = lost.values().filter_map(Value::as_u64).sum();
        if total > 0 {
            out.push(format!(
                "{total} row(s) could not be lifted to the genome's build"
            ));
        }
    }
    out
}

/// Sentences for a methods section.
fn methods(run: &RunInfo) -> String {
    let setting = |key: &str| run.settings.get(key).map(plain).unwrap_or_default();
    let models = run.models.iter().map(|m| {
        let name = m.embedded.as_ref().or(m.path.as_ref());
        let sum = m.sha256.get(..12).unwrap_or(&m.sha256);
        format!(
            "{} (SHA-256 {sum}...)",
            base(name.map_or("", String::as_str))
        )
    });
    let models = models.collect::<Vec<_>>().join(" and ");
    let input = |role: &str| {
        let found = run.inputs.iter().find(|i| i.role == role);
        found.map_or_else(
            || "named on the command line".to_owned(),
            |i| base(&i.path).to_owned(),
        )
    };
    let runtime = run
        .onnxruntime
        .as_ref()
        .map_or(String::new(), |r| format!(", ONNX Runtime {}", r.version));
    match run.job.as_str() {
        "score" => format!(
            "Regulatory activity and the importance of each base were predicted with mpra-score {} (model {models}{runtime}) for {} regions ({}) of the genome {}. The network was run on windows of {} bases, every {} bases, {}, on {}; {} windows were scored. A window with more than {} unknown bases was not scored ({} left out).{}",
            run.version,
            grouped(count(run, "rows")),
            input("bed"),
            input("fasta"),
            setting("window"),
            setting("stride"),
            match setting("anchor").as_str() {
                "genome" => "at multiples of that distance",
                _ => "counted from each region",
            },
            match setting("strand").as_str() {
                "both" => "both strands (their mean)",
                _ => "the forward strand",
            },
            grouped(count(run, "windows_scored")),
            setting("most_unknown"),
            grouped(count(run, "windows_left_out")),
            importance(run),
        ),
        "variants" | "variants enrich" => format!(
            "Effects of alleles were predicted with mpra-score {} (model {models}{runtime}) as the activity of the alternative minus that of the reference sequence, the mean over the windows that hold the variant ({} windows, stride {}, {} strand).",
            run.version,
            setting("windows"),
            setting("stride"),
            setting("strand"),
        ),
        "design" => format!(
            "{} sequences were designed with mpra-score {} (model {models}{runtime}): single bases were changed towards the objective \"{}\" ({}; {} search), at most {} a sequence, by the exact effects of all changes ({} engine); designs were scored once more by the full engine.",
            grouped(count(run, "starts")),
            run.version,
            setting("objective"),
            setting("goal"),
            setting("method"),
            setting("edits"),
            setting("engine"),
        ),
        "haplotypes" => format!(
            "Haplotypes of {} samples ({}) over the regions of {} were scored with mpra-score {} (model {models}{runtime}): all variants of a chromosome together in the sequence around each region's middle base, {} distinct sequences, means over windows of {} bases every {} bases, {} strand.",
            grouped(count(run, "samples")),
            input("vcf"),
            input("bed"),
            run.version,
            grouped(count(run, "distinct")),
            setting("window"),
            setting("stride"),
            setting("strand"),
        ),
        job => format!(
            "{} with mpra-score {} ({job}){}.",
            super::perturb::methods(run).unwrap_or_else(|| "Computed".into()),
            run.version,
            match models.is_empty() {
                true => String::new(),
                false => format!(", model {models}{runtime}"),
            }
        ),
    }
}

/// How the bases of a run were given their values.
fn importance(run: &RunInfo) -> String {
    let engine = run.settings.get("engine").map(plain).unwrap_or_default();
    let method = match of_bases(run) {
        "importance" => {
            return format!(
                " The importance of a base is the largest change of predicted activity among its three substitutions (in-silico mutagenesis, {engine} engine), reference minus mutant, averaged over the windows that hold the base."
            );
        }
        "deeplift" => "DeepLIFT's rescale rule (Shrikumar et al. 2017)",
        "integrated-gradients" => "integrated gradients (Sundararajan et al. 2017)",
        _ => "the gradient times the input",
    };
    let of = |key: &str| run.settings.get("outputs")?.get("attribution")?.get(key);
    let references = of("references").map_or(String::new(), |references| {
        match references.get("shuffles") {
            Some(shuffles) => format!(
                ", held against {} shuffles of the window that keep its pairs of neighbours",
                shuffles.get("count").map(plain).unwrap_or_default()
            ),
            None => match plain(references).as_str() {
                "uniform" => ", held against a quarter of every letter".into(),
                "gc" => ", held against the window's share of G and C in every column".into(),
                _ => String::new(),
            },
        }
    });
    format!(
        " The contribution of a base was found by {method}{references}, averaged over the windows that hold the base."
    )
}
