//! `cargo bench --bench ism`: the fast engine against the full one, on two threads.
//!
//! For each network it alternates, five times, between the full engine on a few windows and the
//! fast engine on a longer stretch (all windows over every base, stride 29, importance of all
//! tasks), and prints medians, their ratio, and each target; last the embedded default model. Needs ONNX Runtime
//! (`ORT_DYLIB_PATH`, as the program). `cargo bench --bench ism -- paper` runs one network, and
//! `ism` or `predict` among the arguments one part of the fast engine alone, for profiles.
//! `cargo bench --bench ism -- frontier` runs the fast engine alone on networks of the default model's
//! shape with more and fewer filters in the last convolution: bases a second against capacity.

use std::path::Path;
use std::thread;
use std::time::Instant;

use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::{FastEngine, Plan, Tables};
use mpra_score::ism::{Engine, FullEngine, Scores, Strand, Stretch, Want};
use mpra_score::model::onnx::{GraphBuilder, presets};
use mpra_score::model::{Embedded, Model, ModelFile, ModelOptions, Runtime};
use mpra_score::train::Scaling;
use mpra_score::train::cnn::{Architecture, Layers, Network, to_onnx};

const THREADS: usize = 2;
const ROUNDS: usize = 5;
const WINDOW: u32 = 145;
const STRIDE: u32 = 29;
/// Filters of the last convolution of the networks of `frontier`.
const FRONTIER: [usize; 5] = [28, 36, 44, 48, 56];
const FRONTIER_TASKS: usize = 4;

struct Target {
    ratio: f64,
    bases: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (parts, only): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .partition(|a| ["ism", "predict"].contains(&a.as_str()));
    let runtime = Runtime::load(None)?;
    println!(
        "ONNX Runtime {}, {THREADS} threads, medians of {ROUNDS}, alternating",
        runtime.version()
    );
    if only.iter().any(|o| o == "frontier") {
        frontier()?;
        if only.len() == 1 {
            return Ok(());
        }
    }
    type Preset = fn(presets::Normal<'_>) -> GraphBuilder;
    let networks: [(&str, Preset, Target); 4] = [
        (
            "paper",
            presets::paper,
            Target {
                ratio: 1500.0,
                bases: 1e6,
            },
        ),
        (
            "authors",
            presets::authors,
            Target {
                ratio: 50.0,
                bases: 0.0,
            },
        ),
        (
            "dragonn",
            presets::dragonn,
            Target {
                ratio: 40.0,
                bases: 0.0,
            },
        ),
        (
            "compact",
            presets::compact,
            Target {
                ratio: 500.0,
                bases: 250e3,
            },
        ),
    ];
    for (name, preset, target) in networks {
        if !only.is_empty() && !only.iter().any(|o| o == name) {
            continue;
        }
        let bytes = preset(&mut presets::normal_from(1)).to_bytes();
        run_network(name, bytes, &target, &parts, &runtime)?;
    }
    if only.is_empty() || only.iter().any(|o| o == "default") {
        // The embedded one.
        let target = Target {
            ratio: 0.0,
            bases: 250e3,
        };
        let bytes = Embedded::Default.bytes().to_vec();
        run_network("default", bytes, &target, &parts, &runtime)?;
    }
    Ok(())
}

/// The fast engine on networks of the default model's shape, `FRONTIER` filters in the last
/// convolution. Weights are random: the time does not depend on them. Each round runs every network
/// once, so that a slow moment of the machine hits them alike.
fn frontier() -> Result<(), Box<dyn std::error::Error>> {
    let mut plans = Vec::new();
    for filters in FRONTIER {
        let layers: Layers =
            format!("conv 240x5, relu, conv 240x5, relu, conv {filters}x5, relu, dense").parse()?;
        let window = WINDOW as usize;
        let arch = Architecture::new(window, window, 0, layers.0)?;
        let tasks: Vec<String> = (0..FRONTIER_TASKS).map(|t| format!("task_{t}")).collect();
        let scaling = Scaling {
            mean: vec![0.0; FRONTIER_TASKS],
            scale: vec![1.0; FRONTIER_TASKS],
        };
        let parameters = Network::random(&arch, FRONTIER_TASKS, 1);
        let bytes = to_onnx(&arch, &parameters, &scaling, &tasks, "");
        let name = format!("frontier {filters}");
        let file = ModelFile::from_bytes(Path::new(&name), bytes)?;
        let spec = file.spec(&ModelOptions::default())?;
        plans.push((filters, arch, Plan::new(&file, &spec)?));
    }
    let lattice = Lattice::genome(WINDOW, STRIDE).ok_or("no lattice")?;
    let mut networks = Vec::new();
    for (filters, arch, plan) in &plans {
        let begun = Instant::now();
        let tables = Tables::build(plan);
        println!(
            "frontier {filters}: {arch}; built in {:.2} s",
            begun.elapsed().as_secs_f64()
        );
        networks.push((*filters, tables));
    }
    let mut workers = Vec::new();
    for (filters, tables) in &networks {
        let mut engines: Vec<Box<dyn Engine>> = Vec::new();
        for _ in 0..THREADS {
            engines.push(Box::new(FastEngine::new(tables, Strand::Forward)));
        }
        // The first pass warms them, the second says how many bases take about a second.
        run(&mut engines, lattice, 65_536, Want::Importance)?;
        let seconds = run(&mut engines, lattice, 65_536, Want::Importance)?.0;
        let bases = (65_536.0 / seconds.max(1e-3)) as u32;
        workers.push((*filters, engines, bases, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, engines, bases, rates) in &mut workers {
            let (seconds, _) = run(engines, lattice, *bases, Want::Importance)?;
            rates.push(f64::from(*bases) * THREADS as f64 / seconds);
        }
    }
    println!("\nfilters\tbases/s (median of {ROUNDS})\tlowest\thighest");
    for (filters, _, _, rates) in workers {
        let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = rates.iter().copied().fold(0.0, f64::max);
        println!("{filters}\t{:.0}\t{lowest:.0}\t{highest:.0}", median(rates));
    }
    Ok(())
}

fn run_network(
    name: &str,
    bytes: Vec<u8>,
    target: &Target,
    parts: &[String],
    runtime: &Runtime,
) -> Result<(), Box<dyn std::error::Error>> {
    let file = ModelFile::from_bytes(Path::new(name), bytes)?;
    let model = Model::open(file, &ModelOptions::default(), runtime)?;
    network(name, &model, target, parts)
}

fn network(
    name: &str,
    model: &Model,
    target: &Target,
    parts: &[String],
) -> Result<(), Box<dyn std::error::Error>> {
    // For profiles: `ism` and `predict` run these parts of the fast engine alone.
    let part = |p: &str| parts.is_empty() || parts.iter().any(|x| x == p);
    let plan = Plan::new(model.file(), model.spec())?;
    let begun = Instant::now();
    let tables = Tables::build(&plan);
    println!(
        "\n{name}: {}; built in {:.2} s",
        plan.describe(),
        begun.elapsed().as_secs_f64()
    );
    let lattice = Lattice::genome(WINDOW, STRIDE).ok_or("no lattice")?;

    // One engine a thread for the whole run, as over a genome; the first pass warms them.
    let mut quick: Vec<Box<dyn Engine>> = Vec::new();
    let mut naive: Vec<Box<dyn Engine>> = Vec::new();
    for _ in 0..THREADS {
        quick.push(Box::new(FastEngine::new(&tables, Strand::Forward)));
        naive.push(Box::new(FullEngine::new(model.another()?, 256)));
    }
    // Sized so that each measurement takes about a second.
    run(&mut quick, lattice, 65_536, Want::Importance)?;
    let seconds = run(&mut quick, lattice, 65_536, Want::Importance)?.0;
    let bases = (65_536.0 / seconds.max(1e-3)) as u32;
    let few = STRIDE * 4; // for the full engine, a thread
    let (mut slow_rates, mut fast_rates, mut predictions) = (vec![], vec![], vec![]);
    let step = Lattice::genome(WINDOW, 1).ok_or("no lattice")?;
    for _ in 0..ROUNDS {
        if parts.is_empty() {
            let (seconds, _) = run(&mut naive, lattice, few, Want::Importance)?;
            slow_rates.push(f64::from(few) * THREADS as f64 / seconds);
        }
        if part("ism") {
            let (seconds, _) = run(&mut quick, lattice, bases, Want::Importance)?;
            fast_rates.push(f64::from(bases) * THREADS as f64 / seconds);
        }
        if name == "paper" && part("predict") {
            let (seconds, windows) = run(&mut quick, step, 4_000_000, Want::Activity)?;
            predictions.push(windows as f64 / seconds);
        }
    }
    let (slow, quick) = (median(slow_rates), median(fast_rates));
    println!(
        "  full {:.1} windows/s ({slow:.0} bases/s), fast {quick:.0} bases/s, ratio {:.0}",
        slow / f64::from(STRIDE),
        quick / slow
    );
    if target.ratio > 0.0 {
        verdict("ratio to full", quick / slow, target.ratio);
    }
    if target.bases > 0.0 {
        verdict("bases/s", quick, target.bases);
    }
    if !predictions.is_empty() {
        verdict(
            "predictions only, stride 1, windows/s",
            median(predictions),
            20e6,
        );
    }
    Ok(())
}

fn verdict(what: &str, found: f64, wanted: f64) {
    let met = if found >= wanted { "met" } else { "MISSED" };
    println!("  {what}: {found:.0}, target {wanted:.0}: {met}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds, and windows scored, of all engines scoring a stretch of so many bases each.
fn run(
    engines: &mut [Box<dyn Engine>],
    lattice: Lattice,
    bases: u32,
    want: Want,
) -> Result<(f64, usize), Box<dyn std::error::Error>> {
    // Behind the window's first bases, so that all have their five windows. Pieces as a run over
    // a genome has them.
    let all: Vec<u8> = codes(bases as usize + 2 * WINDOW as usize);
    let begun = Instant::now();
    let windows = thread::scope(|scope| {
        let workers: Vec<_> = engines
            .iter_mut()
            .map(|engine| {
                let all = &all;
                scope.spawn(move || -> Result<usize, String> {
                    let mut scores = Scores::default();
                    let mut windows = 0;
                    for from in (0..bases).step_by(65_536) {
                        let to = (from + 65_536).min(bases);
                        let wanted = [Interval::new(WINDOW + from, WINDOW + to).ok_or("interval")?];
                        let (origin, len) = Stretch::needs(WINDOW, &wanted);
                        let stretch = Stretch {
                            lattice,
                            codes: &all[origin as usize..origin as usize + len],
                            origin,
                            wanted: &wanted,
                        };
                        engine
                            .score(&stretch, want, &mut scores)
                            .map_err(|e| e.to_string())?;
                        windows += scores.windows.len();
                    }
                    Ok(windows)
                })
            })
            .collect();
        let mut windows = 0;
        for worker in workers {
            windows += worker.join().map_err(|_| "a worker panicked")??;
        }
        Ok::<usize, String>(windows)
    })?;
    Ok((begun.elapsed().as_secs_f64(), windows))
}

/// Random bases, the same every time.
fn codes(n: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 62) as u8
        })
        .collect()
}
