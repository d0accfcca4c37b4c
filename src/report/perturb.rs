//! What is said of sequences that were changed on purpose: below their tables, and for a methods section.

use super::table::View;
use crate::job::RunInfo;

/// Says how a table of one of these jobs is to be read.
pub(super) fn note(run: &RunInfo, view: &mut View) {
    let note = match (run.job.as_str(), view.title.as_str()) {
        ("pairs", "pairs.tsv") => {
            "The strongest interactions f(ab) - f(a) - f(b) + f(0) of two single-base changes, for each pair of bases its strongest pair of changes. Positive: together they give more activity than the sum of their effects. Positions count from 0 in the sequence that was scored."
        }
        ("pairs", "sequences.tsv") => {
            "Sequences, with the mean |interaction| over all pairs of changes and the largest one."
        }
        ("marginalize", "marginal.tsv") => {
            "Mean effect of putting each motif into the backgrounds: activity with it minus activity without. p: two-sided, over backgrounds; q: over the rows of the table."
        }
        ("marginalize", "spacing.tsv") => {
            "Two motifs in the backgrounds. Interaction: what both do beyond the sum of what each does alone at the same place. Strand and with_strand: - is the reverse complement; the first motif lies first."
        }
        ("ablate", "ablations.tsv") => {
            "Activity when a stretch is shuffled or replaced, minus activity as it was: negative where what was there drives expression. Start and end count from 0 in the sequence or region; sd: over draws."
        }
        (_, "left_out.tsv") => "Sequences that cannot be scored, with the reason.",
        _ => return,
    };
    note.clone_into(&mut view.note);
}

/// The sentence of a methods section, without the program's version and the model; nothing for other jobs.
pub(super) fn methods(run: &RunInfo) -> Option<String> {
    let setting = |key: &str| match run.settings.get(key) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let text = |key: &str| setting(key).unwrap_or_default();
    let windows = match setting("stride") {
        Some(stride) => {
            format!("windows {stride} bases apart (means over those that hold what is changed)")
        }
        None => "the window in the middle of each sequence".to_owned(),
    };
    Some(match run.job.as_str() {
        "pairs" => format!(
            "Interactions f(ab) - f(a) - f(b) + f(0) of all pairs of single-base changes up to {} bases apart were predicted on {windows}, {} strand",
            text("distance"),
            text("strand"),
        ),
        "marginalize" => {
            let kind = match text("backgrounds").as_str() {
                "shuffled" => "dinucleotide shuffles of the sequences",
                "random" => "random sequences",
                _ => "the sequences",
            };
            let n = run.counts.get("backgrounds").map(ToString::to_string);
            format!(
                "Motifs were put into {} backgrounds ({kind}; seed {}), and the change of predicted activity was tested against 0 over backgrounds ({} test, Benjamini-Hochberg q-values)",
                n.unwrap_or_default(),
                run.seed.unwrap_or_default(),
                text("test"),
            )
        }
        "ablate" => format!(
            "Stretches were replaced (by {}, {} draw(s)), and the mean change of predicted activity was taken on {windows}",
            text("by"),
            text("shuffles"),
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_have_their_notes() {
        let mut run = RunInfo::new("pairs", &[]);
        let mut view = View {
            title: "pairs.tsv".into(),
            ..View::default()
        };
        note(&run, &mut view);
        assert!(view.note.contains("f(ab)"));
        run.settings =
            crate::job::map(serde_json::json!({"distance": 20, "stride": null, "strand": "both"}));
        let text = methods(&run).unwrap();
        assert!(
            text.contains("up to 20 bases")
                && text.contains("in the middle")
                && text.contains("both strand")
        );
        run.job = "score".into();
        assert!(methods(&run).is_none());
        let mut other = View::default();
        note(&run, &mut other);
        assert!(other.note.is_empty());
    }
}
