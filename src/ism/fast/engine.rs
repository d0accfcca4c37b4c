use std::sync::Arc;

use super::floats::all_finite;
use super::sources::{Run, between};
use super::strand::OneStrand;
use super::tables::Tables;
use crate::encode::{UNKNOWN, reverse_complement};
use crate::ism::stretch::means;
use crate::ism::sums::Largest;
use crate::ism::{Engine, Scores, Strand, Stretch, Want};
use crate::model::ModelError;

/// Floats of effects that are kept at a time; sets how many windows run at once.
const MOST_EFFECTS: usize = 1 << 18;

/// The fast engine of one thread.
///
/// `Scores::rows` counts the rows run through the head's layers behind the first dense layer: 0
/// where the head is linear, since then no forward pass is made at all.
#[derive(Debug)]
pub struct FastEngine {
    tables: Arc<Tables>,
    strand: OneStrand,
    strands: Strand,
    codes: Vec<u8>,
    reversed: Vec<u8>,
    wanted: Vec<usize>,
    starts: Vec<usize>,
    effects: Vec<f32>,
    other: Vec<f32>,
    importance_sums: Vec<f64>,
    effect_sums: Vec<f64>,
    covered: Vec<u32>,
}

impl FastEngine {
    /// A new engine over shared tables. Cheap: make one a thread.
    pub fn new(tables: &Arc<Tables>, strands: Strand) -> Self {
        Self {
            strand: OneStrand::new(tables),
            tables: tables.clone(),
            strands,
            codes: Vec::new(),
            reversed: Vec::new(),
            wanted: Vec::new(),
            starts: Vec::new(),
            effects: Vec::new(),
            other: Vec::new(),
            importance_sums: Vec::new(),
            effect_sums: Vec::new(),
            covered: Vec::new(),
        }
    }

    /// Scores the windows, which overlap or follow each other closely. `activities` receives
    /// `[window, task]`.
    ///
    /// # Errors
    /// When an activity, of a window or under a change, is NaN or infinite.
    fn run(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        windows: &[i64],
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        let (Some(&first), Some(&last)) = (windows.first(), windows.last()) else {
            return Ok(());
        };
        let (window, tasks, margin) = (
            self.tables.window,
            self.tables.tasks(),
            self.tables.margin(),
        );
        let effects = want != Want::Activity;
        let len = (last - first) as usize + window;
        let from = (first - stretch.origin) as usize;
        // No window reaches into the margins: any base will do, and known ones are in the table.
        let any = 0;
        self.codes.clear();
        self.codes.resize(margin, any);
        self.codes
            .extend_from_slice(&stretch.codes[from..from + len]);
        self.codes.resize(len + 2 * margin, any);
        self.wanted.clear();
        if effects {
            let next = stretch
                .wanted
                .partition_point(|i| i64::from(i.end()) <= first);
            for interval in &stretch.wanted[next..] {
                let a = (i64::from(interval.start()) - first).clamp(0, len as i64) as usize;
                let b = (i64::from(interval.end()) - first).clamp(0, len as i64) as usize;
                if a == len {
                    break;
                }
                let bases = margin + a..margin + b;
                let known = |i: &usize| self.codes[*i] != UNKNOWN;
                self.wanted.extend(bases.filter(known));
            }
        }
        self.starts.clear();
        let start = |w: &i64| margin + (w - first) as usize;
        self.starts.extend(windows.iter().map(start));

        let n = windows.len();
        let table = if effects { n * window * 4 * tasks } else { 0 };
        self.effects.resize(table, 0.0);
        let mut finite = self.strand.run(
            Run {
                codes: &self.codes,
                starts: &self.starts,
                wanted: &self.wanted,
                effects,
            },
            activities,
            &mut self.effects,
        );
        if self.strands == Strand::Both {
            finite &= self.other_strand(activities, effects);
        }
        finite &= all_finite(activities);
        if !finite && let Some(error) = self.unfit(activities, effects) {
            return Err(error);
        }
        if effects {
            self.collect(stretch, want, first);
        }
        Ok(())
    }

    /// The first activity of the run, of a window or under one of its changes, that is NaN or
    /// infinite.
    fn unfit(&self, activities: &[f32], effects: bool) -> Option<ModelError> {
        let (window, tasks) = (self.tables.window, self.tables.tasks());
        let windows = self.starts.iter().zip(activities.chunks_exact(tasks));
        for (w, (&start, activities)) in windows.enumerate() {
            let mut codes = self.codes[start..start + window].to_vec();
            let error = |task: usize, value: f32, codes: &[u8]| {
                ModelError::not_finite(value, self.tables.task(task), codes)
            };
            if let Some(task) = activities.iter().position(|a| !a.is_finite()) {
                return Some(error(task, activities[task], &codes));
            }
            let wanted = between(&self.wanted, start, start + window);
            for column in wanted.iter().map(|at| at - start).filter(|_| effects) {
                let code = codes[column];
                for new in (0..4).filter(|&c| c != code) {
                    let at = ((w * window + column) * 4 + usize::from(new)) * tasks;
                    let effects = &self.effects[at..at + tasks];
                    if let Some(task) = effects.iter().position(|e| !e.is_finite()) {
                        codes[column] = new;
                        return Some(error(task, activities[task] + effects[task], &codes));
                    }
                }
            }
        }
        None
    }

    /// Scores the reverse complement and averages it in. Says whether its effects are all finite.
    fn other_strand(&mut self, activities: &mut [f32], effects: bool) -> bool {
        let (window, tasks) = (self.tables.window, self.tables.tasks());
        let len = self.codes.len();
        self.reversed.resize(len, 0);
        reverse_complement(&self.codes, &mut self.reversed);
        let wanted: Vec<usize> = self.wanted.iter().rev().map(|b| len - 1 - b).collect();
        let mirrored: Vec<usize> = self.starts.iter().rev().map(|s| len - s - window).collect();
        let mut others = vec![0.0; activities.len()];
        self.other.resize(self.effects.len(), 0.0);
        let finite = self.strand.run(
            Run {
                codes: &self.reversed,
                starts: &mirrored,
                wanted: &wanted,
                effects,
            },
            &mut others,
            &mut self.other,
        );
        let windows = activities.chunks_exact_mut(tasks);
        for (activities, others) in windows.zip(others.chunks_exact(tasks).rev()) {
            for (a, b) in activities.iter_mut().zip(others) {
                *a = 0.5 * (*a + b);
            }
        }
        // Window, column and base all run the other way: the tasks do not. Halves first: no sum of
        // finite ones is infinite then.
        for (a, b) in self
            .effects
            .chunks_exact_mut(tasks)
            .zip(self.other.chunks_exact(tasks).rev())
        {
            for (a, b) in a.iter_mut().zip(b) {
                *a = 0.5 * *a + 0.5 * b;
            }
        }
        finite
    }

    /// Adds the run's effects to the sums over windows.
    fn collect(&mut self, stretch: &Stretch<'_>, want: Want, first: i64) {
        let (window, tasks, margin) = (
            self.tables.window,
            self.tables.tasks(),
            self.tables.margin(),
        );
        let origin = i64::from(stretch.span().start());
        for (&start, effects) in self
            .starts
            .iter()
            .zip(self.effects.chunks_exact(window * 4 * tasks))
        {
            for &at in between(&self.wanted, start, start + window) {
                let effects = &effects[(at - start) * 4 * tasks..][..4 * tasks];
                let code = usize::from(self.codes[at]);
                let position = first + (at - margin) as i64;
                let base = (position - origin) as usize;
                self.covered[base] += 1;
                let sums = &mut self.importance_sums[base * tasks..(base + 1) * tasks];
                for (task, sum) in sums.iter_mut().enumerate() {
                    let mut largest = Largest::default();
                    for new in (0..4).filter(|&c| c != code) {
                        largest.add(-effects[new * tasks + task]);
                    }
                    *sum += f64::from(largest.importance());
                }
                if want == Want::Effects {
                    let sums = &mut self.effect_sums[base * 4 * tasks..(base + 1) * 4 * tasks];
                    for (i, (sum, e)) in sums.iter_mut().zip(effects).enumerate() {
                        if i / tasks != code {
                            *sum += f64::from(*e);
                        }
                    }
                }
            }
        }
    }
}

impl Engine for FastEngine {
    fn tasks(&self) -> usize {
        self.tables.tasks()
    }

    /// A second or less for every network measured, and hundreds of windows for each one that is
    /// computed twice at the ends.
    fn stretch(&self) -> u32 {
        32_768
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        let tasks = self.tables.tasks();
        let window = self.tables.window;
        let bases = stretch.span().len() as usize;
        scores.begin(stretch, want, tasks);
        self.importance_sums.clear();
        self.effect_sums.clear();
        self.covered.clear();
        if want != Want::Activity {
            self.covered.resize(bases, 0);
            self.importance_sums.resize(bases * tasks, 0.0);
        }
        if want == Want::Effects {
            self.effect_sums.resize(bases * 4 * tasks, 0.0);
        }
        self.strand.head_rows = 0;

        let most = (MOST_EFFECTS / (window * 4 * tasks)).max(1);
        let windows = &scores.windows;
        // `begin` has made it in one piece.
        let activities = scores.activities.as_slice_mut().unwrap_or_default();
        let stride = windows
            .windows(2)
            .next()
            .map_or(window, |w| (w[1] - w[0]) as usize);
        let most_bases = self.tables.most_bases(want != Want::Activity, stride);
        let mut from = 0;
        while from < windows.len() {
            let mut to = from + 1;
            while to < windows.len()
                && (want == Want::Activity || to - from < most)
                && (windows[to] - windows[from]) as usize <= most_bases
                && windows[to] - windows[to - 1] <= window as i64
            {
                to += 1;
            }
            let activities = &mut activities[from * tasks..to * tasks];
            self.run(stretch, want, &windows[from..to], activities)?;
            from = to;
        }
        scores.rows = self.strand.head_rows;
        let sums = self.importance_sums.chunks_exact(tasks).zip(&self.covered);
        for (values, (sums, &windows)) in scores.importance.outer_iter_mut().zip(sums) {
            means(sums, windows, values);
        }
        let sums = self.effect_sums.chunks_exact(4 * tasks).zip(&self.covered);
        for (values, (sums, &windows)) in scores.effects.outer_iter_mut().zip(sums) {
            means(sums, windows, values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::s;

    use super::*;
    use crate::genome::{Interval, Lattice};
    use crate::ism::fast::simd::Level;
    use crate::ism::fast::{Limits, Plan};
    use crate::model::onnx::{AttributeProto, GraphBuilder, presets};
    use crate::model::{ModelFile, ModelOptions};

    fn plan(builder: &GraphBuilder) -> Plan {
        let file = ModelFile::from_bytes(Path::new("test"), builder.to_bytes()).unwrap();
        let spec = file.spec(&ModelOptions::default()).unwrap();
        Plan::with_limits(&file, &spec, Limits { bytes: 8 << 20 }).unwrap()
    }

    #[test]
    fn every_instruction_set_gives_the_same_values() {
        let codes: Vec<u8> = (0..600usize).map(|i| (i * i / 7 % 4) as u8).collect();
        let wanted = [Interval::new(150, 156).unwrap()];
        for preset in [presets::paper, presets::compact] {
            let plan = plan(&preset(&mut presets::normal_from(5)));
            let tables = Tables::build(&plan);
            for want in [Want::Effects, Want::Activity] {
                let mut all: Vec<Scores> = Vec::new();
                for level in Level::all() {
                    let mut engine = FastEngine::new(&tables, Strand::Both);
                    engine.strand.sources.scratch.level = level;
                    let mut scores = Scores::default();
                    let (origin, len) = Stretch::needs(145, &wanted);
                    let stretch = Stretch {
                        lattice: Lattice::genome(145, 1).unwrap(),
                        codes: &codes[origin as usize..origin as usize + len],
                        origin,
                        wanted: &wanted,
                    };
                    engine.score(&stretch, want, &mut scores).unwrap();
                    assert_eq!(scores.rows, 0, "no forward passes with a linear head");
                    all.push(scores);
                }
                for other in &all[1..] {
                    let close = |a: &f32, b: &f32| {
                        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
                    };
                    ndarray::azip!((a in &other.activities, b in &all[0].activities) close(a, b));
                    ndarray::azip!((a in &other.effects, b in &all[0].effects) close(a, b));
                }
            }
        }
    }

    /// Two convolutions, padded or not, and a dense layer whose weights run along lines, hidden or the last.
    fn smooth(padded: bool, hidden: bool) -> Plan {
        let (window, positions) = (60usize, if padded { 60 } else { 52 });
        let mut normal = presets::normal_from(3);
        let mut many =
            |n: usize, size: f32| -> Vec<f32> { (0..n).map(|_| size * normal()).collect() };
        let pads = || match padded {
            true => vec![AttributeProto::of_ints("pads", &[2, 2])],
            false => vec![],
        };
        let mut g = GraphBuilder::new("smooth");
        g.input("x", &[Err("n"), Ok(4), Ok(window)]);
        g.output("y", &[Err("n"), Ok(2)]);
        let w = g.weight("w1", &[8, 4, 5], &many(160, 0.5));
        let x = g.node("Conv", &["x", &w], pads());
        let x = g.node("Relu", &[&x], vec![]);
        let w = g.weight("w2", &[12, 8, 5], &many(480, 0.3));
        let x = g.node("Conv", &[&x, &w], pads());
        let x = g.node("Relu", &[&x], vec![]);
        let x = g.node("Flatten", &[&x], vec![]);
        let outputs = if hidden { 6 } else { 2 };
        let knots = many(12 * 4 * outputs, 0.1);
        // Channel by channel; three lines between four knots.
        let line = |i: usize| {
            let (c, p, o) = (
                i / outputs / positions,
                i / outputs % positions,
                i % outputs,
            );
            let at = 3.0 * p as f32 / (positions - 1) as f32;
            let (k, part) = ((at as usize).min(2), at - (at as usize).min(2) as f32);
            let knot = |k: usize| knots[(c * 4 + k) * outputs + o];
            knot(k) * (1.0 - part) + knot(k + 1) * part
        };
        let values: Vec<f32> = (0..12 * positions * outputs).map(line).collect();
        let w = g.weight("w3", &[12 * positions, outputs], &values);
        let b = g.weight("b3", &[outputs], &many(outputs, 0.1));
        let gemm = [&*x, &*w, &*b];
        if hidden {
            let x = g.node("Gemm", &gemm, vec![]);
            let x = g.node("Relu", &[&x], vec![]);
            let w = g.weight("w4", &[outputs, 2], &many(2 * outputs, 0.5));
            let b = g.weight("b4", &[2], &[0.1, 0.2]);
            g.node_to("Gemm", &[&x, &w, &b], vec![], "y");
        } else {
            g.node_to("Gemm", &gemm, vec![], "y");
        }
        plan(&g)
    }

    #[test]
    fn weights_along_lines_give_what_weights_by_position_do() {
        let mut codes: Vec<u8> = (0..500usize).map(|i| (i * i / 3 % 4) as u8).collect();
        codes[201..204].fill(UNKNOWN);
        let wanted = [Interval::new(150, 290).unwrap()];
        for (padded, hidden) in [(false, false), (false, true), (true, false), (true, true)] {
            let plan = smooth(padded, hidden);
            let (tables, mut by_position) = (Tables::build(&plan), Tables::build(&plan));
            assert!(tables.reducer.bends.is_some(), "{padded} {hidden}");
            Arc::get_mut(&mut by_position).unwrap().reducer.bends = None;
            for stride in [1, 7, 60] {
                let all: Vec<Scores> = [&tables, &by_position]
                    .into_iter()
                    .map(|tables| {
                        let mut engine = FastEngine::new(tables, Strand::Both);
                        let mut scores = Scores::default();
                        let (origin, len) = Stretch::needs(60, &wanted);
                        let stretch = Stretch {
                            lattice: Lattice::genome(60, stride).unwrap(),
                            codes: &codes[origin as usize..origin as usize + len],
                            origin,
                            wanted: &wanted,
                        };
                        engine.score(&stretch, Want::Effects, &mut scores).unwrap();
                        scores
                    })
                    .collect();
                let close = |a: &f32, b: &f32| {
                    let same = a.is_nan() && b.is_nan() || (a - b).abs() <= 2e-6;
                    assert!(same, "{padded} {hidden} {stride}: {a} {b}");
                };
                assert!(all[0].effects.iter().any(|e| e.abs() > 0.01));
                ndarray::azip!((a in &all[0].effects, b in &all[1].effects) close(a, b));
                ndarray::azip!((a in &all[0].importance, b in &all[1].importance) close(a, b));
            }
        }
    }

    #[test]
    fn long_runs_of_next_windows_have_the_activities_of_each() {
        // Long enough for rings to come round, and no multiple of any number of windows.
        let codes: Vec<u8> = (0..1400usize).map(|i| (i * i / 5 % 4) as u8).collect();
        let wanted = [Interval::new(300, 1101).unwrap()];
        let (origin, len) = Stretch::needs(145, &wanted);
        let stretch = Stretch {
            lattice: Lattice::genome(145, 1).unwrap(),
            codes: &codes[origin as usize..origin as usize + len],
            origin,
            wanted: &wanted,
        };
        let plan = plan(&presets::paper(&mut presets::normal_from(7)));
        let tables = Tables::build(&plan);
        for level in Level::all() {
            let mut engine = FastEngine::new(&tables, Strand::Forward);
            engine.strand.sources.scratch.level = level;
            let (mut run, mut each) = (Scores::default(), Scores::default());
            engine.score(&stretch, Want::Activity, &mut run).unwrap();
            engine.score(&stretch, Want::Importance, &mut each).unwrap();
            let skip = each.windows.partition_point(|w| *w < run.windows[0]);
            assert_eq!(run.windows.len(), 801);
            assert_eq!(run.windows, each.windows[skip..skip + 801]);
            let each = each.activities.slice(s![skip..skip + 801, ..]);
            ndarray::azip!((a in &run.activities, b in &each) assert!(
                (a - b).abs() <= 1e-5 * b.abs().max(1.0),
                "{level:?}: {a} {b}"
            ));
        }
    }

    #[test]
    fn plans_describe_themselves() {
        let text = plan(&presets::paper(&mut presets::normal_from(1))).describe();
        assert_eq!(
            text,
            "table of 7-mers (100 channels, 8 MB), max pool 44, linear head"
        );
        let text = plan(&presets::dragonn(&mut presets::normal_from(1))).describe();
        assert_eq!(
            text,
            "table of 5-mers (120 channels, projected, 3 MB), convolution 120 x 5, \
             convolution 120 x 5, no pool, linear head"
        );
    }
}
