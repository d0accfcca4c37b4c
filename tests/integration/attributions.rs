//! Passes backwards through random graphs of the engine's family: contributions add up, and gradients are slopes.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mpra_score::attribution::{
    AttributionSettings, Attributions, Completeness, Explainer, Method, References,
};
use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::{Backward, DagShared};
use mpra_score::ism::{EngineChoice, EngineSettings, Engines, Scores, Strand, Stretch, Want};
use mpra_score::job::Cancel;
use mpra_score::model::{
    Ensemble, Model, ModelFile, ModelOptions, ModelSource, ModelSources, Runtime,
};
use proptest::prelude::*;

use crate::dag_engine::graph;
use crate::fast_engine::{Dice, contig};

fn columns(codes: &[u8]) -> Vec<f32> {
    let column = |code: &u8| {
        (0..4)
            .map(|b| f32::from(u8::from(*code == b)))
            .collect::<Vec<_>>()
    };
    codes.iter().flat_map(column).collect()
}

/// A random graph that is read whole, with a sequence of its window; without these operators.
fn case(seed: u64, without: &[&str]) -> Option<(Model, Vec<u8>, Dice)> {
    let mut dice = Dice(seed);
    let (bytes, window) = graph(&mut dice);
    let has = |name: &&str| {
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    if without.iter().any(has) {
        return None;
    }
    let runtime = Runtime::load(None).unwrap();
    let file = ModelFile::from_bytes(Path::new("random.onnx"), bytes).unwrap();
    let model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
    Backward::plan(model.file(), model.spec()).ok()?;
    let codes = contig(&mut dice, window);
    Some((model, codes, dice))
}

/// Contributions of all bases and tasks against a few shuffles.
fn adds_up(seed: u64) {
    let Some((model, codes, _)) = case(seed, &[]) else {
        return;
    };
    let settings = AttributionSettings {
        method: Method::DeepLift,
        references: References::Shuffles { count: 3, seed },
    };
    let plan = Explainer::plan(&model, settings).unwrap();
    let error = Arc::new(Mutex::new(Completeness::default()));
    let mut explainer = Explainer::new(&plan, settings, error.clone());
    let mut found = vec![0.0; 2 * codes.len() * 4];
    explainer.run(&codes, &[0, 1], &mut found);
    let size: f64 = found.iter().map(|v| v.abs()).sum();
    let error = *error.lock().unwrap();
    assert_eq!(error.sums, 2);
    assert!(
        error.largest <= 1e-3 * size.max(1.0),
        "{seed}: {error:?}, contributions of {size} in all"
    );
}

/// The gradient along a direction against the difference of activities a step forward and one back. Steps over kinks
/// differ; most do not. Near 0 a root's slope is too steep for any step, and so is that of two channels that are
/// normalised where they are nearly equal.
fn slopes(seed: u64) {
    let Some((model, codes, mut dice)) = case(seed, &["Sqrt", "LayerNormalization"]) else {
        return;
    };
    let plan = Backward::plan(model.file(), model.spec()).unwrap();
    let one = NonZeroUsize::MIN;
    let shared = DagShared::new((*plan).clone(), one, one, model.runtime()).unwrap();
    let rounding = shared.rounding(&codes).unwrap();
    let mut backward = Backward::new(&plan);
    // Off the one-hot columns, where values tie in maxima.
    let noise = dice.weights(4 * codes.len(), 0.2);
    let input = columns(&codes).into_iter().zip(noise);
    let input: Vec<f32> = input.map(|(x, v)| x + v).collect();
    backward.input(&input);
    let mut gradients = vec![0.0; 2 * input.len()];
    backward.gradients(&[0, 1], &mut gradients);
    const STEP: f32 = 1.0 / 4096.0;
    let mut errors: Vec<f32> = (0..15)
        .flat_map(|_| {
            let way = dice.weights(input.len(), 1.0);
            let mut at = |step: f32| {
                let there: Vec<f32> = input.iter().zip(&way).map(|(x, v)| x + step * v).collect();
                backward.input(&there).to_vec()
            };
            let (more, less) = (at(STEP), at(-STEP));
            let (twice_more, twice_less) = (at(2.0 * STEP), at(-2.0 * STEP));
            (0..2)
                .map(|task| {
                    let difference = (more[task] - less[task]) / (2.0 * STEP);
                    let wider = (twice_more[task] - twice_less[task]) / (4.0 * STEP);
                    let of_task = &gradients[task * input.len()..][..input.len()];
                    let slope: f32 = of_task.iter().zip(&way).map(|(g, v)| g * v).sum();
                    let size = of_task.iter().map(|g| g * g).sum::<f32>().sqrt();
                    // A twentieth, what rounding makes of the difference, and how much it depends on the step.
                    let room = 0.05 * size
                        + 4.0 * rounding[task] / STEP
                        + 2.0 * (difference - wider).abs();
                    (slope - difference).abs() / room
                })
                .collect::<Vec<_>>()
        })
        .collect();
    errors.sort_by(f32::total_cmp);
    assert!(errors[errors.len() / 2] < 1.0, "{seed}: {errors:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn contributions_add_up_in_random_graphs(seed in any::<u64>()) {
        adds_up(seed);
    }

    #[test]
    fn gradients_of_random_graphs_are_slopes(seed in any::<u64>()) {
        slopes(seed);
    }
}

const EMBEDDED: [&str; 2] = ["default", "paper"];

fn engines(
    name: &str,
    settings: Option<AttributionSettings>,
    strand: Strand,
) -> Box<dyn mpra_score::ism::Engine> {
    let source = ModelSource::from_arg(Some(Path::new(name)));
    let sources = ModelSources::new(vec![source]);
    let model = Ensemble::load(&sources, &ModelOptions::default(), None).unwrap();
    let one = NonZeroUsize::MIN;
    let how = EngineSettings {
        choice: EngineChoice::Auto,
        strand,
        batch: one,
        threads: one,
    };
    let engines = Engines::choose(how, model.members()).unwrap();
    let cancel = Cancel::default();
    match settings {
        None => engines.engine(model.members(), &cancel).unwrap(),
        Some(settings) => {
            let all = Attributions::new(settings, strand, &model, &[0, 2]).unwrap();
            let behind = |n: usize, engine| all.engine(n, engine, &cancel);
            engines
                .engine_behind(model.members(), &cancel, &behind)
                .unwrap()
        }
    }
}

fn score(engine: &mut dyn mpra_score::ism::Engine, codes: &[u8], want: Want) -> Scores {
    let lattice = Lattice::genome(145, 29).unwrap();
    let wanted = [
        Interval::new(300, 320).unwrap(),
        Interval::new(330, 334).unwrap(),
    ];
    let (origin, length) = Stretch::needs(145, &wanted);
    let stretch = Stretch {
        lattice,
        codes: &codes[..length],
        origin,
        wanted: &wanted,
    };
    let mut scores = Scores::default();
    engine.score(&stretch, want, &mut scores).unwrap();
    scores
}

/// Contributions in the tables of an engine: means over windows, of the letter that stands there, no value where none does.
#[test]
fn tables_hold_the_contributions_of_windows() {
    let mut dice = Dice(7);
    let mut codes = contig(&mut dice, 400);
    codes.iter_mut().for_each(|c| *c = (*c).min(3));
    let settings = AttributionSettings {
        method: Method::DeepLift,
        references: References::Uniform,
    };
    for name in EMBEDDED {
        let mut plain = engines(name, None, Strand::Forward);
        let mut explained = engines(name, Some(settings), Strand::Forward);
        let expected = score(plain.as_mut(), &codes, Want::Importance);
        let found = score(explained.as_mut(), &codes, Want::Effects);
        assert_eq!(found.windows, expected.windows);
        for (a, b) in found.activities.iter().zip(&expected.activities) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        // By hand, for one base.
        let sources = ModelSources::new(vec![ModelSource::from_arg(Some(Path::new(name)))]);
        let model = Ensemble::load(&sources, &ModelOptions::default(), None).unwrap();
        let plan = Explainer::plan(&model.members()[0], settings).unwrap();
        let mut explainer = Explainer::new(&plan, settings, Arc::default());
        let origin = 300 - 144;
        let base = 307;
        let mut sum = [0.0; 4];
        let mut windows = 0;
        for start in found
            .windows
            .iter()
            .filter(|s| (**s..**s + 145).contains(&base))
        {
            let window = &codes[(start - origin) as usize..][..145];
            let mut of = vec![0.0; 145 * 4];
            explainer.run(window, &[2], &mut of);
            let column = (base - start) as usize;
            sum.iter_mut()
                .zip(&of[4 * column..])
                .for_each(|(a, b)| *a += b);
            windows += 1;
        }
        assert_eq!(windows, 5);
        for (letter, sum) in sum.into_iter().enumerate() {
            let value = found.effects[[7, letter, 2]];
            assert!((f64::from(value) - sum / 5.0).abs() < 1e-6, "{value} {sum}");
        }
        let code = usize::from(codes[(base - origin) as usize]);
        assert_eq!(found.importance[[7, 2]], found.effects[[7, code, 2]]);
        // Between the wanted intervals there is nothing.
        assert!(found.importance[[25, 0]].is_nan());
    }
}

/// The mean of both strands, each base's letters turned with it.
#[test]
fn both_strands_are_turned_to_each_other() {
    let mut dice = Dice(9);
    let mut codes = contig(&mut dice, 145);
    codes.iter_mut().for_each(|c| *c = (*c).min(3));
    let turned: Vec<u8> = codes.iter().rev().map(|c| 3 - c).collect();
    let settings = AttributionSettings {
        method: Method::GradientInput,
        references: References::Zeros,
    };
    let of = |codes: &[u8], strand: Strand| {
        let lattice = Lattice::genome(145, 145).unwrap();
        let wanted = [Interval::new(145, 290).unwrap()];
        let (origin, length) = Stretch::needs(145, &wanted);
        let mut all = vec![4; length];
        let at = (145 - origin) as usize;
        all[at..at + 145].copy_from_slice(codes);
        let stretch = Stretch {
            lattice,
            codes: &all,
            origin,
            wanted: &wanted,
        };
        let mut scores = Scores::default();
        let mut engine = engines("distilled", Some(settings), strand);
        engine.score(&stretch, Want::Effects, &mut scores).unwrap();
        scores
    };
    let (one, other) = (of(&codes, Strand::Forward), of(&turned, Strand::Forward));
    let both = of(&codes, Strand::Both);
    for base in 0..145 {
        for letter in 0..4 {
            let mean =
                0.5 * (one.effects[[base, letter, 0]] + other.effects[[144 - base, 3 - letter, 0]]);
            assert!((both.effects[[base, letter, 0]] - mean).abs() < 1e-6);
        }
    }
}
