//! How large the results will be, and whether there is room for them, before a run begins.

use std::path::Path;

use super::{Outputs, ScoreError};
use crate::genome::{Interval, Regions};

/// Bytes of a bigWig for a base with all bits, and for each bit less (measured on importance, paper's network: 4.0 with 23 bits,
/// 2.5 with 8, indexes and zoom levels included); never below the last.
const BIG_WIG: (f64, f64, f64) = (4.0, 1.5 / 15.0, 1.0);
/// Bytes of a line of a bedGraph, without the digits.
const BED_GRAPH: f64 = 32.0;
/// Compressed bytes of a line of `windows.tsv.gz`, and of each task in it.
const WINDOW: (f64, f64) = (10.0, 5.0);
/// The share of what is reckoned that must be free: it may be less.
const SURE: f64 = 0.7;

/// Bases that regions hold, those of several counted once.
pub(super) fn bases(regions: &Regions) -> u64 {
    let mut all: Vec<(u32, Interval)> = (regions.scorable.iter())
        .map(|r| (r.contig, r.bases))
        .collect();
    all.sort_unstable_by_key(|(contig, bases)| (*contig, bases.start(), bases.end()));
    let (mut sum, mut reached) = (0u64, (0, 0));
    for (contig, bases) in all {
        let start = match reached.0 == contig {
            true => bases.start().max(reached.1),
            false => bases.start(),
        };
        sum += u64::from(bases.end().saturating_sub(start));
        let end = match reached.0 == contig {
            true => reached.1.max(bases.end()),
            false => bases.end(),
        };
        reached = (contig, end);
    }
    sum
}

/// Positions of `saturation.npz`: as many as the longest region has, for every row.
pub(super) fn positions(regions: &Regions) -> u64 {
    let longest = regions.scorable.iter().map(|r| r.bases.len()).max();
    u64::from(longest.unwrap_or(0)) * regions.rows() as u64
}

/// Bytes of the results for so many bases, and positions of `saturation.npz`.
pub(super) fn reckoned(
    (bases, positions): (u64, u64),
    columns: usize,
    stride: u32,
    outputs: &Outputs,
) -> u64 {
    let bits = f64::from(outputs.precision.kept());
    let (whole, less, least) = BIG_WIG;
    let value = (whole - (23.0 - bits) * less).max(least);
    let stride = f64::from(stride);
    let mut each = 0.0;
    let tracks = [(true, stride), (outputs.importance, 1.0)];
    for (_, apart) in tracks.iter().filter(|(wanted, _)| *wanted) {
        // Of activity a value a window, which is an interval of its own.
        let item = if *apart > 1.0 { value + 2.5 } else { value };
        if outputs.formats.bigwig {
            each += item / apart;
        }
        if outputs.formats.bedgraph {
            each += BED_GRAPH / apart;
        }
    }
    let mut all = each * columns as f64;
    if outputs.windows {
        all += (WINDOW.0 + WINDOW.1 * columns as f64) / stride;
    }
    let mut bytes = all * bases as f64;
    if outputs.saturation {
        // Parts, and the table that is made of them, twice while it is.
        let each = 20.0 * columns as f64;
        bytes += each * bases as f64 + 2.0 * each * positions as f64;
    }
    bytes as u64
}

/// Refuses a disk that has no room.
///
/// # Errors
/// [`ScoreError::NoRoom`].
pub(super) fn check_room(out: &Path, needed: u64) -> Result<(), ScoreError> {
    let Some(free) = free(out) else { return Ok(()) };
    match (free as f64) < SURE * needed as f64 {
        true => Err(ScoreError::NoRoom {
            path: out.into(),
            needed,
            free,
        }),
        false => Ok(()),
    }
}

/// Free bytes where a folder is or will be; `None` where that cannot be told.
fn free(out: &Path) -> Option<u64> {
    let absolute = std::path::absolute(out).ok()?;
    let there = absolute.ancestors().find(|p| p.exists())?;
    // Some file systems count nothing.
    let told = rustix::fs::statvfs(there)
        .ok()
        .filter(|told| told.f_blocks > 0)?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Bytes as a person reads them.
pub(super) fn readable(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    let bytes = bytes as f64;
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes / unit),
        None => format!("{:.0} kB", (bytes / 1e3).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Formats;
    use super::*;
    use crate::tracks::Precision;

    fn outputs(precision: Precision) -> Outputs {
        Outputs {
            importance: true,
            attribution: None,
            modisco: false,
            windows: false,
            saturation: false,
            wide: false,
            formats: Formats {
                bigwig: true,
                bedgraph: false,
            },
            precision,
        }
    }

    #[test]
    fn a_genome_is_reckoned() {
        let whole = reckoned((3_100_000_000, 0), 4, 29, &outputs(Precision::FULL));
        assert!((50e9..55e9).contains(&(whole as f64)), "{whole}");
        let eight = reckoned(
            (3_100_000_000, 0),
            4,
            29,
            &outputs(Precision::bits(8).unwrap()),
        );
        assert!((32e9..35e9).contains(&(eight as f64)), "{eight}");
        let activity = Outputs {
            importance: false,
            ..outputs(Precision::FULL)
        };
        assert!(reckoned((3_100_000_000, 0), 4, 29, &activity) < 4_000_000_000);
        assert_eq!(readable(57_300_000_000), "57.3 GB");
        assert_eq!(readable(1_500), "2 kB");
    }

    #[test]
    fn a_full_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("not/yet/there");
        assert!(check_room(&out, 1).is_ok());
        let error = check_room(&out, u64::MAX).unwrap_err();
        assert!(error.to_string().contains("free"), "{error}");
        assert!(error.hint().unwrap().contains("--precision"));
    }
}
