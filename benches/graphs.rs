//! `cargo bench --bench graphs`: the fast engine on networks that are no chain, against the full one, two
//! threads.
//!
//! For each published architecture, random weights, it alternates between all changes of one window by
//! either engine and prints windows a second (medians), their ratio, the ratio that counting products of
//! weights and values allows, and the largest difference of an effect. Of a network of which a window takes the full
//! engine many minutes it changes a sixty-fourth of the bases, in the middle, and the time of all is reckoned from that of a pass: `~`.
//! `cargo bench --bench graphs -- bpnet` runs one (of networks that take minutes there is one round); `fast` among
//! the arguments the fast engine alone, for profiles.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use mpra_score::Cancel;
use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::DagPlan;
use mpra_score::ism::{
    Engine, EngineChoice, EngineSettings, Engines, Scores, Strand, Stretch, Want,
};
use mpra_score::model::onnx::{GraphBuilder, presets};
use mpra_score::model::{Model, ModelFile, ModelOptions, Runtime};
use ndarray::s;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// Rows of a batch of the full engine: the best of 8 to 64 for most of these networks.
const BATCH: NonZeroUsize = NonZeroUsize::new(16).unwrap();
const ROUNDS: usize = 3;
/// Stretches of which a job checks some bases, and how many at most.
const CHECKS: usize = 4;
const CHECKED: u32 = 8;

type Preset = fn(presets::Normal<'_>) -> GraphBuilder;

const NETWORKS: [(&str, Preset); 8] = [
    ("dragonn", presets::dragonn),
    ("basset", presets::basset),
    ("deepstarr", presets::deepstarr),
    ("malinois", presets::malinois),
    ("bpnet", |normal| presets::bpnet(normal, 64)),
    ("legnet", |normal| presets::legnet(normal, true)),
    ("search", presets::search),
    ("chrombpnet", |normal| presets::bpnet(normal, 512)),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let alone = args.iter().any(|a| a == "fast");
    let named = |name: &str| args.iter().all(|a| a == "fast") || args.iter().any(|a| a == name);
    let runtime = Runtime::load(None)?;
    println!(
        "ONNX Runtime {}, {THREADS} threads, medians of {ROUNDS}, alternating",
        runtime.version()
    );
    println!(
        "network\tbases\tfull, windows/s\tfast, windows/s\tratio\tallowed\tof it\tlargest difference"
    );
    for (name, preset) in NETWORKS.iter().filter(|(name, _)| named(name)) {
        let bytes = preset(&mut presets::normal_from(1)).to_bytes();
        let file = ModelFile::from_bytes(Path::new(name), bytes)?;
        let model = Model::open(file, &ModelOptions::default(), &runtime)?;
        network(name, &model, alone)?;
    }
    Ok(())
}

fn engine(
    model: &Model,
    choice: EngineChoice,
) -> Result<Box<dyn Engine>, Box<dyn std::error::Error>> {
    let settings = EngineSettings {
        choice,
        strand: Strand::Forward,
        batch: BATCH,
        threads: THREADS,
    };
    let models = std::slice::from_ref(model);
    Ok(Engines::choose(settings, models)?.engine(models, &Cancel::default())?)
}

fn network(name: &str, model: &Model, alone: bool) -> Result<(), Box<dyn std::error::Error>> {
    let window = model.spec().window as u32;
    let plan = DagPlan::new(model.file(), model.spec())?;
    // All passes by the full engine; one, and what each change alters, by the fast one.
    let (below, changed) = plan.products();
    let whole = match plan.is_cut() {
        // What lies above a cut is not counted: by the same network without what it is cut for, whose
        // own products are few.
        true => {
            let bytes = presets::legnet(&mut presets::normal_from(1), false).to_bytes();
            let file = ModelFile::from_bytes(Path::new(name), bytes)?;
            DagPlan::new(&file, model.spec())?.products().0
        }
        false => below,
    };
    let (whole, changed) = (whole as f64, (whole - below + changed) as f64);
    let passes = 3.0 * f64::from(window);
    let allowed = (passes + 1.0) * whole / (whole + passes * changed);
    // As a user has it: LegNet is not cut, as that would not pay.
    let mut fast = engine(model, EngineChoice::Auto)?;
    // Warms it, and makes the checks against the full engine, of which a job makes so many.
    for _ in 0..CHECKS {
        one(fast.as_mut(), window, window / 2..window / 2 + CHECKED)?;
    }
    let mut full = match alone {
        true => None,
        false => Some(engine(model, EngineChoice::Full)?),
    };
    // Bases that the full engine changes.
    let some = match passes * whole > 1e13 {
        true => window / 64,
        false => window,
    };
    let from = (window - some) / 2;
    let (mut slow, mut quick, mut difference) = (Vec::new(), Vec::new(), f32::NAN);
    for round in 0..ROUNDS {
        // A window of the largest takes the full engine minutes: once must do.
        if round > 0 && slow.last().is_some_and(|speed| *speed < 0.02) {
            break;
        }
        let (seconds, found) = one(fast.as_mut(), window, 0..window)?;
        quick.push(1.0 / seconds);
        if let Some(full) = &mut full {
            let (seconds, expected) = one(full.as_mut(), window, from..from + some)?;
            let made = 3.0 * f64::from(some) + 1.0;
            slow.push(made / (passes + 1.0) / seconds);
            let found = found
                .effects
                .slice(s![from as usize..(from + some) as usize, .., ..]);
            let pairs = found.iter().zip(&expected.effects);
            let apart = pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
            difference = apart.fold(0.0, f32::max);
        }
    }
    let (slow, quick) = (median(slow), median(quick));
    let reckoned = if some < window { "~" } else { "" };
    println!(
        "{name}\t{window}\t{reckoned}{slow:.4}\t{quick:.3}\t{:.2}\t{allowed:.2}\t{:.2}\t{difference:.1e}",
        quick / slow,
        quick / slow / allowed
    );
    Ok(())
}

/// All changes of these bases of one window.
fn one(
    engine: &mut dyn Engine,
    window: u32,
    bases: Range<u32>,
) -> Result<(f64, Scores), Box<dyn std::error::Error>> {
    let lattice = Lattice::genome(window, window).ok_or("no lattice")?;
    let whole = [Interval::new(window, 2 * window).ok_or("no interval")?];
    let (origin, length) = Stretch::needs(window, &whole);
    let wanted = [Interval::new(window + bases.start, window + bases.end).ok_or("no interval")?];
    let mut state = 1u64;
    let codes: Vec<u8> = (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 62) as u8
        })
        .collect();
    let stretch = Stretch {
        lattice,
        codes: &codes,
        origin,
        wanted: &wanted,
    };
    let mut scores = Scores::default();
    let begun = Instant::now();
    engine.score(&stretch, Want::Effects, &mut scores)?;
    Ok((begun.elapsed().as_secs_f64(), scores))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
