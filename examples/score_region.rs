//! Scores one region: how much each base contributes to the activity that a model predicts.
//!
//! `make setup && ORT_DYLIB_PATH=.setup/onnxruntime cargo run --release --example score_region`

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;

use mpra_score::Cancel;
use mpra_score::genome::{Fasta, Interval, Lattice};
use mpra_score::ism::{EngineChoice, EngineSettings, Engines, Scores, Strand, Stretch, Want};
use mpra_score::model::{Model, ModelOptions, ModelSource};

/// Importance of each base of a region for the model's first task; NaN where a base has none.
pub fn importance(
    fasta: &Path,
    source: &ModelSource,
    contig: &str,
    region: Interval,
) -> Result<Vec<f32>, Box<dyn Error>> {
    // ONNX Runtime is found as the program finds it: `None` is no library named by the user.
    let model = Model::load(source, &ModelOptions::default(), None)?;
    let window = model.spec().window as u32;
    // Several models would be an ensemble.
    let models = [model];
    // `Auto` is the fast engine where the network allows it; both give the same numbers.
    let settings = EngineSettings {
        choice: EngineChoice::Auto,
        strand: Strand::Forward,
        batch: NonZeroUsize::MIN,
        threads: NonZeroUsize::MIN,
    };
    let mut engine = Engines::choose(settings, &models)?.engine(&models, &Cancel::default())?;

    // The bases, with the flanks that the windows over the region's ends need.
    let wanted = [region];
    let (origin, length) = Stretch::needs(window, &wanted);
    let fasta = Fasta::open(fasta, false)?;
    let contig = fasta.contigs().id(contig).ok_or("no such contig")?;
    let mut codes = Vec::new();
    (fasta.reader()?).fetch(contig, origin, length, &mut codes)?;

    // Windows start at the multiples of a fifth of their length, so each base lies in five.
    let lattice = Lattice::genome(window, window / 5).ok_or("the window is too short")?;
    let stretch = Stretch {
        lattice,
        codes: &codes,
        origin,
        wanted: &wanted,
    };
    let mut scores = Scores::default();
    engine.score(&stretch, Want::Importance, &mut scores)?;
    // `importance` is [bases, tasks].
    let tasks = engine.tasks();
    Ok(scores.importance.iter().step_by(tasks).copied().collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let region = Interval::new(500, 520).ok_or("an empty region")?; // 0-based, half-open
    let fasta = Path::new("fixtures/genome.fa");
    let values = importance(fasta, &ModelSource::default(), "chr1", region)?;
    for (base, value) in (region.start()..).zip(values) {
        println!("chr1\t{base}\t{}\t{value}", base + 1);
    }
    Ok(())
}
