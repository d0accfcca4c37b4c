//! Tables of k-mers: the fast engine against the full one over ONNX Runtime and against sums made letter by
//! letter, on random tables and random sequence; the jobs that take such files.

use std::fs;
use std::path::Path;

use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::{FastPlan, KmerEngine, KmerPlan, KmerTables, check_against_full};
use mpra_score::ism::{Engine, FullEngine, Scores, Strand, Stretch, Want};
use mpra_score::model::onnx::{Reduce, kmer_graph};
use mpra_score::model::{BothStrands, Frame, Model, ModelFile, ModelOptions, Runtime};
use proptest::prelude::*;

use crate::fast_engine::{Dice, contig};
use crate::support::jobs;

/// A table with a window around it.
struct Case {
    k: usize,
    weights: Vec<f32>,
    window: usize,
    mean: bool,
    alphabet: &'static str,
    /// Columns before and behind the window.
    around: (usize, usize),
}

impl Case {
    fn random(dice: &mut Dice) -> Self {
        let k = 1 + dice.below(6);
        let scale = [0.01, 1.0, 300.0][dice.below(3)];
        let mut weights = dice.weights(1 << (2 * k), scale);
        // Some tables are mostly without weights.
        if dice.one_in(3) {
            weights
                .iter_mut()
                .for_each(|w| *w *= f32::from(dice.one_in(4)));
        }
        let around = match dice.one_in(3) {
            true => (dice.below(4), dice.below(4)),
            false => (0, 0),
        };
        Self {
            k,
            weights,
            window: k + dice.below(40),
            mean: dice.one_in(2),
            alphabet: ["ACGT", "TGAC"][dice.below(2)],
            around,
        }
    }

    fn model(&self) -> Model {
        let bytes = kmer_graph(self.k, &self.weights, false).to_bytes();
        let file = ModelFile::from_bytes(Path::new("kmers"), bytes).unwrap();
        let (left, right) = self.around;
        let options = ModelOptions {
            alphabet: Some(self.alphabet.into()),
            frame: Some(Frame {
                window: self.window,
                offset: Some(left),
                length: Some(left + self.window + right),
            }),
            reduce: self.mean.then_some(Reduce::Mean),
            ..ModelOptions::default()
        };
        Model::open(file, &options, &Runtime::load(None).unwrap()).unwrap()
    }

    /// The activity of a window, k-mer by k-mer.
    fn activity(&self, codes: &[u8]) -> f64 {
        let row = |code: u8| {
            let letter = "ACGT".as_bytes()[usize::from(code)];
            self.alphabet.bytes().position(|l| l == letter).unwrap()
        };
        let words = codes.windows(self.k).filter(|word| !word.contains(&4));
        let weight = |word: &[u8]| self.weights[word.iter().fold(0, |n, &c| 4 * n + row(c))];
        let sum: f64 = words.map(|word| f64::from(weight(word))).sum();
        let count = self.around.0 + self.window + self.around.1 - self.k + 1;
        if self.mean { sum / count as f64 } else { sum }
    }
}

fn turned(codes: &[u8]) -> Vec<u8> {
    let other = |&code: &u8| if code < 4 { 3 - code } else { 4 };
    codes.iter().rev().map(other).collect()
}

fn random_case(seed: u64) {
    let mut dice = Dice(seed);
    let case = Case::random(&mut dice);
    let window = case.window as u32;
    let contig = contig(&mut dice, 150);
    let mut lattice = Lattice::genome(window, 1 + dice.below(case.window) as u32)
        .unwrap()
        .allowing(dice.below(case.window) as u32);
    let first = dice.below(100) as u32;
    if dice.one_in(2) {
        lattice = lattice.for_region(first);
    }
    let i = |from, to| Interval::new(from, to).unwrap();
    let second = first + 14 + dice.below(30) as u32;
    let wanted = [
        i(first, first + 1 + dice.below(12) as u32),
        i(second, second + 3),
    ];
    let strand = [Strand::Forward, Strand::Both][dice.below(2)];
    let (origin, len) = Stretch::needs(window, &wanted);
    let code = |p: i64| usize::try_from(p).ok().and_then(|p| contig.get(p)).copied();
    let codes: Vec<u8> = (origin..origin + len as i64)
        .map(|p| code(p).unwrap_or(4))
        .collect();
    let stretch = Stretch {
        lattice,
        codes: &codes,
        origin,
        wanted: &wanted,
    };
    let model = case.model();
    let plan = KmerPlan::new(model.file(), model.spec()).unwrap();
    let tables = KmerTables::build(plan, strand);
    let mut fast = KmerEngine::new(&tables);
    let rounding = |codes: &[u8]| tables.rounding(codes);
    let mut full: Box<dyn Engine> = match strand {
        Strand::Forward => Box::new(FullEngine::new(model, 64)),
        Strand::Both => Box::new(FullEngine::new(BothStrands::new(model), 64)),
    };
    check_against_full(&mut fast, full.as_mut(), &[stretch], &rounding)
        .unwrap_or_else(|e| panic!("{seed}: {e}"));
    // And without ONNX Runtime: each change of each window of one base.
    let mut scores = Scores::default();
    fast.score(&stretch, Want::Effects, &mut scores).unwrap();
    let value = |codes: &[u8]| match strand {
        Strand::Forward => case.activity(codes),
        Strand::Both => 0.5 * (case.activity(codes) + case.activity(&turned(codes))),
    };
    let size = f64::from(case.weights.iter().fold(1.0f32, |m, w| m.max(w.abs())));
    for (&start, found) in scores.windows.iter().zip(&scores.activities) {
        let expected = value(stretch.window(start));
        assert!(
            (f64::from(*found) - expected).abs() < 1e-6 * size * 50.0,
            "{seed}"
        );
    }
    for base in wanted.iter().flat_map(|w| w.start()..w.end()) {
        let over = |start: &&i64| (**start..**start + i64::from(window)).contains(&i64::from(base));
        let over: Vec<i64> = scores.windows.iter().filter(over).copied().collect();
        let row = (base - first) as usize;
        let at = (i64::from(base) - origin) as usize;
        for new in 0..4u8 {
            let found = scores.effects[[row, usize::from(new), 0]];
            if over.is_empty() || codes[at] == 4 {
                assert!(found.is_nan(), "{seed}");
                continue;
            }
            let effects = over.iter().map(|&start| {
                let mut mutant = stretch.window(start).to_vec();
                mutant[(i64::from(base) - start) as usize] = new;
                value(&mutant) - value(stretch.window(start))
            });
            let expected = effects.sum::<f64>() / over.len() as f64;
            let error = (f64::from(found) - expected).abs();
            assert!(error < 1e-6 * size * 10.0, "{seed}: {found} {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tables(seed in any::<u64>()) {
        random_case(seed);
    }
}

/// Large weights of the two strands that nearly cancel: the full engine rounds each strand's sum.
#[test]
fn strands_that_cancel_are_no_disagreement() {
    random_case(2416305821148644545);
}

/// Where a stretch begins or ends moves no bit.
#[test]
fn stretches_can_be_cut_anywhere() {
    let mut dice = Dice(5);
    let weights = dice.weights(1 << 12, 1.0);
    let bytes = kmer_graph(6, &weights, false).to_bytes();
    let file = ModelFile::from_bytes(Path::new("kmers"), bytes).unwrap();
    let options = ModelOptions {
        frame: Some(Frame {
            window: 60,
            offset: None,
            length: None,
        }),
        ..ModelOptions::default()
    };
    let spec = file.spec(&options).unwrap();
    assert!(matches!(
        FastPlan::new(&file, &spec),
        Ok(FastPlan::Kmers(_))
    ));
    let tables = KmerTables::build(KmerPlan::new(&file, &spec).unwrap(), Strand::Forward);
    let mut contig = contig(&mut dice, 500);
    contig[200..205].fill(4);
    let score = |from: u32, to: u32| {
        let wanted = [Interval::new(from, to).unwrap()];
        let (origin, len) = Stretch::needs(60, &wanted);
        let stretch = Stretch {
            lattice: Lattice::genome(60, 7).unwrap(),
            codes: &contig[origin as usize..origin as usize + len],
            origin,
            wanted: &wanted,
        };
        let mut scores = Scores::default();
        let mut engine = KmerEngine::new(&tables);
        engine.score(&stretch, Want::Effects, &mut scores).unwrap();
        let bits = |v: &f32| v.to_bits();
        let importance: Vec<u32> = scores.importance.iter().map(bits).collect();
        let effects: Vec<u32> = scores.effects.iter().map(bits).collect();
        (importance, effects)
    };
    let whole = score(100, 400);
    let (mut importance, mut effects) = (Vec::new(), Vec::new());
    for (from, to) in [(100, 101), (101, 187), (187, 260), (260, 400)] {
        let part = score(from, to);
        importance.extend(part.0);
        effects.extend(part.1);
    }
    assert_eq!(whole, (importance, effects));
}

/// The rule of deltaSVM: the k-mers over the variant of the alternative allele less those of the reference.
#[test]
fn variants_in_the_middle_of_a_window_have_the_effects_of_deltasvm() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut dice = Dice(9);
    let bases: Vec<usize> = (0..400).map(|_| dice.below(4)).collect();
    let letter = |code: usize| "ACGT".as_bytes()[code] as char;
    let text: String = bases.iter().map(|&b| letter(b)).collect();
    fs::write(here.join("g.fa"), format!(">c\n{text}\n")).unwrap();
    let words = 4usize.pow(4);
    let weights = dice.weights(words, 1.0);
    let spell = |n: usize| {
        (0..4)
            .rev()
            .map(|i| letter(n >> (2 * i) & 3))
            .collect::<String>()
    };
    // Half of the k-mers: the others have the weights of their reverse complements.
    let reverse = |n: usize| (0..4).fold(0, |all, i| 4 * all + (3 - (n >> (2 * i) & 3)));
    let kept = (0..words).filter(|&n| n <= reverse(n));
    let rows: Vec<String> = kept
        .map(|n| format!("{}\t{}\n", spell(n), weights[n]))
        .collect();
    fs::write(here.join("w.txt"), rows.concat()).unwrap();
    let weight = |word: &[usize]| {
        let n = word.iter().fold(0, |n, &c| 4 * n + c);
        f64::from(weights[n.min(reverse(n))])
    };
    let mut vcf =
        String::from("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    let mut expected = Vec::new();
    for at in (100..300).step_by(13) {
        let new = (bases[at] + 1 + at % 3) % 4;
        vcf += &format!(
            "c\t{}\t.\t{}\t{}\t.\t.\t.\n",
            at + 1,
            letter(bases[at]),
            letter(new)
        );
        let mut word = bases[at - 3..at + 4].to_vec();
        let before: f64 = word.windows(4).map(weight).sum();
        word[3] = new;
        expected.push(word.windows(4).map(weight).sum::<f64>() - before);
    }
    fs::write(here.join("v.vcf"), vcf).unwrap();
    jobs::succeed(
        here,
        "variants --vcf v.vcf --fasta g.fa --model w.txt --windows centre --out scored.vcf",
    );
    let out = fs::read_to_string(here.join("scored.vcf")).unwrap();
    let found: Vec<f64> = (out.lines().filter(|l| !l.starts_with('#')))
        .map(|line| {
            let info = line.split('\t').nth(7).unwrap();
            let field = info.split(';').find_map(|f| f.strip_prefix("MPRA_w="));
            field.unwrap_or_else(|| panic!("{info}")).parse().unwrap()
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}
