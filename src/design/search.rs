//! Ways to better sequences, as machines that say which sequences they want to know of, and are told.

use std::collections::HashSet;

use ndarray::{ArrayView1, ArrayView3};

use super::objective::{Goal, Objective};
use super::rules::Rules;
use crate::stats::Random;

/// Smaller gains are within what engines may differ by: of 1, or of the value where that is larger.
pub const LEAST_GAIN: f64 = 1e-5;

/// How sequences are bettered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// The best single change again and again, until none is better.
    Greedy,
    /// The same with so many sequences side by side.
    Beam(usize),
    /// Simulated annealing (Kirkpatrick et al. 1983), then greedy.
    Anneal(Schedule),
}

impl Method {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Beam(_) => "beam",
            Self::Anneal(_) => "anneal",
        }
    }
}

/// How annealing cools: at proposal `i` of `n` the temperature is `first * (last / first)^(i / (n - 1))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Changes proposed.
    pub proposals: usize,
    /// The first and the last temperature, in units of the objective, above 0.
    pub temperatures: (f64, f64),
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            proposals: 2_000,
            temperatures: (0.1, 0.001),
        }
    }
}

impl Schedule {
    fn temperature(&self, proposal: usize) -> f64 {
        let (first, last) = self.temperatures;
        let done = proposal as f64 / self.proposals.saturating_sub(1).max(1) as f64;
        first * (last / first).powf(done)
    }
}

/// A change, and what the sequence is like after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Place of the changed base, from 0.
    pub at: usize,
    /// Code of the base before.
    pub from: u8,
    /// Code of the base after.
    pub to: u8,
    /// Bases that differ from the start.
    pub edits: usize,
    /// The objective, and the activities of all tasks.
    pub objective: f64,
    /// See above.
    pub activities: Vec<f32>,
}

/// A sequence, and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub codes: Vec<u8>,
    pub broken: usize,
    pub edits: usize,
    pub objective: f64,
    pub activities: Vec<f32>,
    pub steps: Vec<Step>,
}

impl Node {
    pub fn start(codes: &[u8], rules: &Rules<'_>) -> Self {
        Self {
            codes: codes.to_vec(),
            broken: rules.broken(codes),
            edits: 0,
            objective: f64::NAN,
            activities: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The sequence after a change, of which nothing more is known yet.
    fn child(&self, change: &Change) -> Self {
        let mut child = self.clone();
        let from = std::mem::replace(&mut child.codes[change.at], change.to);
        (child.broken, child.edits) = (change.broken, change.edits);
        child.steps.push(Step {
            at: change.at,
            from,
            to: change.to,
            edits: change.edits,
            objective: f64::NAN,
            activities: Vec::new(),
        });
        child
    }

    fn tell(&mut self, map: &Map) {
        self.objective = map.objective;
        self.activities.clone_from(&map.activities);
        if let Some(step) = self.steps.last_mut() {
            step.objective = map.objective;
            step.activities.clone_from(&map.activities);
        }
    }
}

/// What is known of a sequence: its activities and what each change of a base does to the objective.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub objective: f64,
    pub activities: Vec<f32>,
    /// `[base, 4]`.
    changes: Vec<f64>,
}

impl Map {
    /// From activities `[task]` and effects `[base, 4, task]`. A base in no window has no effect.
    pub fn new(
        objective: &Objective,
        activities: ArrayView1<'_, f32>,
        effects: ArrayView3<'_, f32>,
    ) -> Self {
        let bases = effects.outer_iter();
        let changes = bases.flat_map(|base| {
            let of = |row: ArrayView1<'_, f32>| objective.change(row);
            base.outer_iter().map(of).collect::<Vec<_>>()
        });
        Self {
            objective: objective.value(activities),
            activities: activities.to_vec(),
            changes: changes.map(|c| if c.is_nan() { 0.0 } else { c }).collect(),
        }
    }

    fn after(&self, at: usize, base: u8) -> f64 {
        self.objective + self.changes[4 * at + usize::from(base)]
    }
}

/// A single change of a sequence, and what is expected of it.
#[derive(Clone, Debug)]
struct Change {
    at: usize,
    to: u8,
    edits: usize,
    broken: usize,
    worth: f64,
}

impl Change {
    /// Whether it is better than what has this much wrong and is worth this.
    fn betters(&self, broken: usize, worth: f64) -> bool {
        let least = LEAST_GAIN * worth.abs().max(1.0);
        self.broken < broken || self.broken == broken && self.worth > worth + least
    }
}

/// What all machines of a job share, and the rules of a start.
pub(super) struct Task<'a> {
    pub rules: Rules<'a>,
    pub goal: Goal,
}

impl Task<'_> {
    /// The best `most` allowed changes of a sequence that lead to none of the `seen`, best first. While
    /// something is wrong with it, only changes that mend count, those that mend most first.
    fn best(&self, node: &Node, map: &Map, most: usize, seen: &HashSet<Vec<u8>>) -> Vec<Change> {
        let mut all: Vec<Change> = Vec::with_capacity(3 * node.codes.len());
        for at in (0..node.codes.len()).filter(|at| self.rules.is_free(*at)) {
            for to in 0..4 {
                if let Some(edits) = self.rules.edits_after(&node.codes, node.edits, at, to) {
                    all.push(Change {
                        at,
                        to,
                        edits,
                        broken: 0,
                        worth: self.goal.worth(map.after(at, to)),
                    });
                }
            }
        }
        // Of equal ones the first stays first.
        all.sort_by(|a, b| b.worth.total_cmp(&a.worth));
        let mut codes = node.codes.clone();
        let strong = codes.iter().filter(|c| matches!(c, 1 | 2)).count();
        let mut chosen = Vec::new();
        for mut change in all {
            if node.broken == 0 && chosen.len() == most {
                break;
            }
            let place = (change.at, change.to);
            let after = (self.rules).broken_after(&mut codes, strong, node.broken, place);
            let Some(after) = after.filter(|n| *n == 0 || *n < node.broken) else {
                continue;
            };
            let before = std::mem::replace(&mut codes[change.at], change.to);
            let new = !seen.contains(&codes);
            codes[change.at] = before;
            if new {
                change.broken = after;
                chosen.push(change);
            }
        }
        chosen.sort_by_key(|c| c.broken);
        chosen.truncate(most);
        chosen
    }
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No allowed change is better.
    NoBetterChange,
    /// As many bases are changed as may be, and no other change of them is better.
    EditsUsed,
    /// The target is reached.
    Reached,
}

impl End {
    /// The word in the column `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoBetterChange => "no_better_change",
            Self::EditsUsed => "edits_used",
            Self::Reached => "reached",
        }
    }
}

/// The best sequences so far, side by side.
struct Beam {
    width: usize,
    nodes: Vec<Node>,
    best: Option<Node>,
    seen: HashSet<Vec<u8>>,
    done: bool,
    /// Ends when nothing is wrong any more.
    mend_only: bool,
}

impl Beam {
    fn new(width: usize, start: Node, mend_only: bool) -> Self {
        Self {
            width,
            seen: HashSet::from([start.codes.clone()]),
            nodes: vec![start],
            best: None,
            done: false,
            mend_only,
        }
    }

    fn advance(&mut self, task: &Task<'_>, maps: &[Map]) {
        for (node, map) in self.nodes.iter_mut().zip(maps) {
            node.tell(map);
            let worth = task.goal.worth(node.objective);
            let better = self.best.as_ref().is_none_or(|best| {
                let before = task.goal.worth(best.objective);
                node.broken < best.broken || node.broken == best.broken && worth > before
            });
            if better {
                self.best = Some(node.clone());
            }
        }
        let Some(best) = &self.best else {
            self.done = true;
            return;
        };
        if self.mend_only && best.broken == 0 {
            self.done = true;
            return;
        }
        let mut changes: Vec<(usize, Change)> = Vec::new();
        for (i, (node, map)) in self.nodes.iter().zip(maps).enumerate() {
            let found = task.best(node, map, self.width, &self.seen);
            changes.extend(found.into_iter().map(|c| (i, c)));
        }
        changes.sort_by(|(_, a), (_, b)| {
            let worth = b.worth.total_cmp(&a.worth);
            a.broken.cmp(&b.broken).then(worth)
        });
        let mut next = Vec::new();
        for (i, change) in &changes {
            if next.len() == self.width {
                break;
            }
            let better = change.betters(best.broken, task.goal.worth(best.objective));
            if next.is_empty() && !better {
                break;
            }
            let child = self.nodes[*i].child(change);
            if self.seen.insert(child.codes.clone()) {
                next.push(child);
            }
        }
        self.done = next.is_empty();
        if !self.done {
            self.nodes = next;
        }
    }
}

/// A walk that takes worse changes, too, the less the cooler it is.
struct Walk {
    schedule: Schedule,
    proposal: usize,
    node: Node,
    best: Option<Node>,
    random: Random,
    done: bool,
}

impl Walk {
    fn advance(&mut self, task: &Task<'_>, map: &Map) {
        self.node.tell(map);
        let worth = |node: &Node| task.goal.worth(node.objective);
        let now = worth(&self.node);
        if self.best.as_ref().is_none_or(|best| now > worth(best)) {
            self.best = Some(self.node.clone());
        }
        let node = &self.node;
        let places = (0..node.codes.len()).flat_map(|at| (0..4u8).map(move |to| (at, to)));
        let changes: Vec<(usize, u8, usize)> = places
            .filter_map(|(at, to)| {
                let edits = task.rules.edits_after(&node.codes, node.edits, at, to)?;
                Some((at, to, edits))
            })
            .collect();
        let mut codes = node.codes.clone();
        let strong = codes.iter().filter(|c| matches!(c, 1 | 2)).count();
        while self.proposal < self.schedule.proposals && !changes.is_empty() {
            let temperature = self.schedule.temperature(self.proposal);
            self.proposal += 1;
            let (at, to, edits) = changes[self.random.below(changes.len() as u64) as usize];
            let gain = task.goal.worth(map.after(at, to)) - now;
            // Drawn in any case: what is proposed next does not depend on what is allowed.
            let drawn = self.random.uniform();
            if gain < 0.0 && drawn >= (gain / temperature).exp() {
                continue;
            }
            if task.rules.broken_after(&mut codes, strong, 0, (at, to)) != Some(0) {
                continue;
            }
            let change = Change {
                at,
                to,
                edits,
                broken: 0,
                worth: now + gain,
            };
            self.node = self.node.child(&change);
            return;
        }
        self.done = true;
    }
}

enum Phase {
    /// The whole search, or what makes an end of annealing.
    Beam(Beam),
    /// What comes before annealing.
    Mend(Beam, Schedule, u64),
    Walk(Walk),
}

/// The search from one start.
pub(super) struct Search<'a> {
    task: Task<'a>,
    phase: Phase,
    start: Option<Map>,
}

impl<'a> Search<'a> {
    /// `number` of the start: each has random numbers of its own.
    pub fn new(task: Task<'a>, method: Method, start: &[u8], seed: u64, number: u64) -> Self {
        let node = Node::start(start, &task.rules);
        let phase = match method {
            Method::Greedy => Phase::Beam(Beam::new(1, node, false)),
            Method::Beam(width) => Phase::Beam(Beam::new(width.max(1), node, false)),
            Method::Anneal(schedule) => {
                let seed = Random::new(seed, number, 0).next();
                Phase::Mend(Beam::new(1, node, true), schedule, seed)
            }
        };
        Self {
            task,
            phase,
            start: None,
        }
    }

    /// The sequences of which maps are wanted; none at the end.
    pub fn wants(&self) -> Vec<&[u8]> {
        let of = |beam: &'_ Beam| match beam.done {
            true => 0,
            false => beam.nodes.len(),
        };
        match &self.phase {
            Phase::Beam(beam) | Phase::Mend(beam, ..) => {
                let nodes = beam.nodes.iter().take(of(beam));
                nodes.map(|node| &node.codes[..]).collect()
            }
            Phase::Walk(walk) => vec![&walk.node.codes],
        }
    }

    /// Takes the maps of the wanted sequences, in their order.
    pub fn advance(&mut self, maps: &[Map]) {
        if self.start.is_none() {
            self.start = maps.first().cloned();
        }
        let next = match &mut self.phase {
            Phase::Beam(beam) => {
                beam.advance(&self.task, maps);
                None
            }
            Phase::Mend(beam, schedule, seed) => {
                beam.advance(&self.task, maps);
                match (beam.done, &beam.best) {
                    (true, Some(best)) if best.broken == 0 => Some(Phase::Walk(Walk {
                        schedule: *schedule,
                        proposal: 0,
                        node: best.clone(),
                        best: None,
                        random: Random::new(*seed, 0, 0),
                        done: false,
                    })),
                    _ => None,
                }
            }
            Phase::Walk(walk) => {
                if let Some(map) = maps.first() {
                    walk.advance(&self.task, map);
                }
                let best = walk.best.take_if(|_| walk.done);
                best.map(|best| Phase::Beam(Beam::new(1, best, false)))
            }
        };
        if let Some(phase) = next {
            self.phase = phase;
        }
    }

    /// Objective and activities of the start.
    pub fn start(&self) -> Option<(f64, &[f32])> {
        let map = self.start.as_ref()?;
        Some((map.objective, &map.activities))
    }

    /// The best sequence, and why the search ended there.
    pub fn best(&self, limit: usize) -> Option<(&Node, End)> {
        let (Phase::Beam(beam) | Phase::Mend(beam, ..)) = &self.phase else {
            return None;
        };
        let best = beam.best.as_ref()?;
        let off = self.task.goal.worth(best.objective).abs();
        let end = match self.task.goal {
            Goal::Target(value) if off <= LEAST_GAIN * value.abs().max(1.0) => End::Reached,
            _ if best.edits == limit => End::EditsUsed,
            _ => End::NoBetterChange,
        };
        Some((best, end))
    }

    /// The rules that it keeps to.
    pub fn rules(&self) -> &Rules<'a> {
        &self.task.rules
    }
}

#[cfg(test)]
mod tests;
