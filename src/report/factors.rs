//! Hits of known motifs below regions and in elements.

use std::path::Path;

use serde::Serialize;

use crate::motifs::{Hit, MotifError, Scanner, read_motifs};

/// Largest p-value of a hit.
const MOST_P: f64 = 1e-4;
/// Bases that there are for each hit shown below a region.
const PER_HIT: usize = 20;

/// Intervals below a region: first base, end (counted from the picture's first base), name.
#[derive(Debug, Serialize)]
pub(super) struct Track {
    pub name: String,
    pub intervals: Vec<(i64, i64, String)>,
}

/// Known motifs, ready to be found.
pub(super) struct Factors {
    scanner: Scanner,
    names: Vec<String>,
    /// What the file is called.
    pub file: String,
}

impl Factors {
    /// Reads motifs in MEME's minimal format.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such file.
    pub fn open(path: &Path) -> Result<Self, MotifError> {
        let motifs = read_motifs(path)?;
        let name = |m: &crate::motifs::Motif| match m.other_name.is_empty() {
            true => m.name.clone(),
            false => m.other_name.clone(),
        };
        Ok(Self {
            names: motifs.iter().map(name).collect(),
            scanner: Scanner::new(&motifs, [0.25; 4], MOST_P),
            file: path
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        })
    }

    /// The rule of [`below`](Self::below), in words.
    pub fn note(&self) -> String {
        format!(
            "Motifs: hits of {} with p at most {MOST_P} (a word of equal shares of the bases), the rarest first, those that overlap a rarer one left out, at most one for {PER_HIT} bases.",
            self.file
        )
    }

    /// The hits shown below a stretch.
    pub fn below(&self, codes: &[u8]) -> Track {
        let mut hits = self.rarest(codes);
        let mut kept: Vec<Hit> = Vec::new();
        hits.retain(|hit| {
            let free = kept.len() < codes.len().div_ceil(PER_HIT)
                && kept
                    .iter()
                    .all(|k| hit.end <= k.start || k.end <= hit.start);
            if free {
                kept.push(*hit);
            }
            free
        });
        Track {
            name: "motifs".into(),
            intervals: kept
                .iter()
                .map(|h| (h.start as i64, h.end as i64, self.told(h)))
                .collect(),
        }
    }

    /// The rarest hit that has half of its bases in the range, or half of the range.
    pub fn best(&self, codes: &[u8], from: usize, to: usize) -> Option<String> {
        let hits = self.rarest(codes);
        let best = hits.iter().find(|h| {
            let shared = h.end.min(to).saturating_sub(h.start.max(from));
            2 * shared >= (h.end - h.start).min(to - from)
        });
        best.map(|h| self.told(h))
    }

    fn rarest(&self, codes: &[u8]) -> Vec<Hit> {
        let mut hits = self.scanner.hits(codes);
        hits.sort_by(|a, b| a.p.total_cmp(&b.p).then(b.score.total_cmp(&a.score)));
        hits
    }

    fn told(&self, hit: &Hit) -> String {
        let strand = if hit.reverse { '-' } else { '+' };
        format!("{} ({strand}) p {:.1e}", self.names[hit.motif], hit.p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_hits_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known.meme");
        // TGACTCA, and the same word with one base less sure.
        let row = |b: usize, share: f64| {
            let rest = (1.0 - share) / 3.0;
            let row: Vec<String> = (0..4)
                .map(|i| if i == b { share } else { rest }.to_string())
                .collect();
            row.join(" ")
        };
        let matrix = |name: &str, last: f64| {
            let word = [3, 2, 0, 1, 3, 1, 0].map(|b| row(b, 1.0));
            let last = row(0, last);
            format!(
                "MOTIF {name}\nletter-probability matrix: alength= 4 w= 8\n{}\n{last}\n",
                word.join("\n")
            )
        };
        let text = format!(
            "MEME version 4\n\n{}{}",
            matrix("sure", 1.0),
            matrix("X1 vague", 0.4)
        );
        std::fs::write(&path, text).unwrap();
        let factors = Factors::open(&path).unwrap();
        let codes: Vec<u8> = "CCCCCCCCCCTGACTCAACCCCCCCCCCCCTTGAGTCACC"
            .bytes()
            .map(|b| b"ACGT".iter().position(|l| *l == b).unwrap() as u8)
            .collect();
        let track = factors.below(&codes);
        let places: Vec<(i64, i64)> = track.intervals.iter().map(|i| (i.0, i.1)).collect();
        assert_eq!(places, [(10, 18), (30, 38)], "{:?}", track.intervals);
        assert!(track.intervals[0].2.starts_with("sure (+) p 1.5e-5"));
        assert!(track.intervals[1].2.starts_with("sure (-)"));
        assert_eq!(factors.best(&codes, 10, 14).unwrap(), track.intervals[0].2);
        assert_eq!(factors.best(&codes, 0, 9), None);
        assert!(factors.best(&codes, 14, 30).is_some() && factors.best(&codes, 15, 29).is_none());
        assert!(factors.note().contains("known.meme"));
    }
}
