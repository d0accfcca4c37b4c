//! Reads a track's values over an interval.
//!
//! After `make demo`:
//! `cargo run --release --example read_track demo-results/HepG2_minP.importance.bw chr1 500 520`

use std::error::Error;
use std::path::Path;

use mpra_score::genome::Interval;
use mpra_score::tracks::Scores;

/// One value a base, NaN where the track has none. bigWig, bedGraph (gzip or not): the file's
/// content tells which.
pub fn values(track: &Path, contig: &str, bases: Interval) -> Result<Vec<f32>, Box<dyn Error>> {
    let scores = Scores::open("track", track, None)?;
    let contig = (scores.contigs.id(contig)).ok_or("the track has no such contig")?;
    let mut values = Vec::new();
    // A reader holds its file open: one a thread, for as many intervals as are wanted.
    scores.reader()?.fill(contig, bases, &mut values)?;
    Ok(values)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [track, contig, start, end] = &arguments[..] else {
        return Err("give TRACK CONTIG START END (0-based, half-open)".into());
    };
    let bases = Interval::new(start.parse()?, end.parse()?).ok_or("END is not beyond START")?;
    for (base, value) in (bases.start()..).zip(values(track.as_ref(), contig, bases)?) {
        println!("{contig}\t{base}\t{}\t{value}", base + 1);
    }
    Ok(())
}
