//! The tables and the figure.

use std::path::Path;

use super::super::rank::PARTIAL;
use super::super::sketch::{STATISTICS, Statistics, Uncertainty};
use super::{Config, Outcome, TrackOutcome};
use crate::output::Tsv;
use crate::overlap::OverlapError;
use crate::plot;

/// A row a track, annotation and bin.
pub(super) fn bins(results: &[TrackOutcome]) -> Tsv {
    let mut table = Tsv::new(&[
        "scores",
        "annotation",
        "bin",
        "percentile",
        "mean_score",
        "fraction",
        "fold_from_top",
        "fold_from_bottom",
        "last_rank",
    ]);
    for track in results {
        for outcome in &track.outcomes {
            for (i, bin) in (1..).zip(&outcome.bins) {
                table.text(&track.scores).text(&outcome.annotation).count(i);
                for value in [
                    bin.percentile,
                    bin.mean,
                    bin.fraction,
                    bin.fold_top,
                    bin.fold_bottom,
                ] {
                    table.number(value);
                }
                table.count(bin.end).end();
            }
        }
    }
    table
}

/// A row a track and annotation.
pub(super) fn summary(results: &[TrackOutcome]) -> Tsv {
    let mut header: Vec<String> = [
        "scores",
        "annotation",
        "bases",
        "fraction",
        "centre_fraction",
        "auc",
        "auc_negative",
        "auc_absolute",
    ]
    .map(str::to_owned)
    .to_vec();
    for ranking in ["auc", "auc_negative", "auc_absolute"] {
        for rate in PARTIAL {
            header.push(format!("{ranking}_{}%", rate * 100.0));
        }
    }
    header.extend(STATISTICS[2..].iter().map(|s| s.to_string()));
    for s in STATISTICS {
        header.extend(["low", "high", "p"].map(|x| format!("{s}_{x}")));
    }
    for name in [
        "mean_absolute",
        "mean_absolute_in",
        "scored_bases",
        "blocks",
    ] {
        header.push(name.into());
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Tsv::new(&header);
    for track in results {
        for o in &track.outcomes {
            table.text(&track.scores).text(&o.annotation).count(o.bases);
            table.number(o.fraction).number(o.centre_fraction);
            o.roc.iter().for_each(|r| {
                table.number(r.area);
            });
            o.roc.iter().flat_map(|r| r.partial).for_each(|a| {
                table.number(a);
            });
            o.exact[2..].iter().for_each(|&v| {
                table.number(v);
            });
            for i in 0..STATISTICS.len() {
                let of = |f: fn(&Uncertainty) -> &Statistics| {
                    o.uncertainty.as_ref().map_or(f64::NAN, |u| f(u)[i])
                };
                table
                    .number(of(|u| &u.low))
                    .number(of(|u| &u.high))
                    .number(of(|u| &u.p));
            }
            table.number(o.mean_absolute).number(o.mean_absolute_hits);
            table.count(track.bases).count(track.blocks as u64).end();
        }
    }
    table
}

/// The paper's figure 8: a panel a track and annotation.
pub(super) fn draw(
    config: &Config,
    results: &[TrackOutcome],
    path: &Path,
) -> Result<(), OverlapError> {
    let panel = |track: &TrackOutcome, o: &Outcome| {
        let points: Vec<(f64, f64)> = o
            .bins
            .iter()
            .map(|b| (100.0 * b.percentile, b.fraction))
            .collect();
        let band = o.uncertainty.iter().flat_map(|u| &u.band);
        plot::Ranked {
            title: format!("{}, {}", track.scores, o.annotation),
            band: band
                .filter(|b| !b[2].is_nan())
                .flat_map(|b| [(100.0 * b[0], b[2], b[3]), (100.0 * b[1], b[2], b[3])])
                .collect(),
            overall: o.fraction,
            centre: o.centre_fraction,
            points,
        }
    };
    let (first, second) = results.split_at(config.scores.len());
    let mut panels = Vec::new();
    for (i, track) in first.iter().enumerate() {
        for (j, outcome) in track.outcomes.iter().enumerate() {
            panels.push(panel(track, outcome));
            // Side by side: two panels a row.
            if let Some(other) = second.get(i) {
                panels.push(panel(other, &other.outcomes[j]));
            }
        }
    }
    let pairs = !config.compare.is_empty();
    plot::ranked(path, "Bases ranked by score, highest first", &panels, pairs)?;
    Ok(())
}
