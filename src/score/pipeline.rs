use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::plan::{self, Plan, Unit};
use super::saturation::SaturationSpool;
use super::sink::{Counts, Sink};
use super::tile::{UnitResult, Worker};
use super::{Layout, Outputs, ScoreError, write_error};
use crate::Error;
use crate::genome::{Fasta, Regions};
use crate::ism::Engine;
use crate::output::OutputDir;
use crate::tracks::bigwig::Encoder;

/// Bases of a unit: large enough that few windows are computed twice at its ends, small enough
/// that a single region keeps several threads busy.
const UNIT: u32 = 8_192;

/// Finished units that may wait for an earlier one, for each thread.
const AHEAD: u64 = 4;

/// Is told how far a job is.
pub trait Progress: Sync {
    /// Scoring begins: so many bases in all.
    fn start(&self, bases: u64);
    /// So many more bases are done.
    fn advance(&self, bases: u64);
    /// Scoring is over.
    fn finish(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

/// A job whose inputs are read and whose output folder is open.
pub(super) struct Job<'a> {
    pub layout: Layout,
    pub outputs: Outputs,
    pub fasta: &'a Fasta,
    pub regions: Regions,
    pub out: OutputDir,
}

/// Hands out units in order, never too far ahead of the one being written.
struct Dispenser<'a> {
    state: Mutex<Dispensed<'a>>,
    room: Condvar,
    ahead: u64,
}

struct Dispensed<'a> {
    plan: Plan<'a>,
    written: u64,
    stop: bool,
}

impl Job<'_> {
    /// Scores everything and finishes every file of the results (still under their temporary
    /// names).
    pub fn run(
        &mut self,
        engines: Vec<Box<dyn Engine>>,
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Counts, Error> {
        let contigs = self.fasta.contigs().clone();
        plan::sort(&mut self.regions.scorable, &contigs);
        let saturation = self.saturation()?;
        let mut sink = Sink::create(&mut self.out, &self.layout, self.outputs, &contigs)?;

        let total = Plan::new(&contigs, &self.regions.scorable, self.layout.lattice, UNIT)
            .flat_map(|unit| unit.wanted())
            .map(|i| u64::from(i.len()))
            .sum();
        progress.start(total);
        let dispenser = Dispenser {
            state: Mutex::new(Dispensed {
                plan: Plan::new(&contigs, &self.regions.scorable, self.layout.lattice, UNIT),
                written: 0,
                stop: false,
            }),
            room: Condvar::new(),
            ahead: AHEAD * engines.len() as u64,
        };
        let mut workers = Vec::with_capacity(engines.len());
        for engine in engines {
            workers.push(Worker {
                layout: &self.layout,
                outputs: &self.outputs,
                contigs: &contigs,
                engine,
                reader: self.fasta.reader()?,
                activity_encoder: Encoder::new(sink.activity_reduction()),
                importance_encoder: Encoder::new(sink.importance_reduction()),
                saturation: saturation.as_ref(),
            });
        }

        let (sender, receiver) = mpsc::channel::<Result<UnitResult, Error>>();
        let outcome = thread::scope(|scope| {
            for mut worker in workers {
                let sender = sender.clone();
                let dispenser = &dispenser;
                scope.spawn(move || {
                    while let Some(unit) = dispenser.next(cancel) {
                        let result = worker.run(&unit);
                        let failed = result.is_err();
                        if sender.send(result).is_err() || failed {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let outcome = write_in_order(&receiver, &dispenser, &mut sink, progress);
            dispenser.stop();
            outcome
        });
        progress.finish();
        outcome?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let counts = sink.finish(&mut self.regions, &self.layout)?;
        if let Some(spool) = saturation {
            let path = self.out.file("saturation.npz");
            spool
                .write_npz(&self.regions.status, &self.layout.tasks, &path)
                .map_err(write_error(&path))?;
        }
        Ok(counts)
    }

    fn saturation(&self) -> Result<Option<SaturationSpool>, Error> {
        if !self.outputs.saturation {
            return Ok(None);
        }
        let length = match (self.regions.common_length(), self.regions.scorable.first()) {
            (Some(length), _) => length,
            (None, None) => 0,
            (None, Some(_)) => return Err(ScoreError::UnequalRegions.into()),
        };
        let folder = self.out.partial();
        SaturationSpool::new(folder, length, self.layout.columns.len())
            .map(Some)
            .map_err(write_error(folder))
    }
}

/// Takes results as they come and writes them in the order of the units.
fn write_in_order(
    receiver: &mpsc::Receiver<Result<UnitResult, Error>>,
    dispenser: &Dispenser<'_>,
    sink: &mut Sink,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for result in receiver {
        let result = result?;
        waiting.insert(result.number, result);
        while let Some(result) = waiting.remove(&next) {
            sink.write(&result)?;
            progress.advance(result.bases);
            next += 1;
            dispenser.written(next);
        }
    }
    Ok(())
}

impl<'a> Dispenser<'a> {
    /// A worker that panicked ends the job when the scope joins it; until then the plan is whole,
    /// since it changes only in `next`.
    fn lock(&self) -> MutexGuard<'_, Dispensed<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unit; `None` when there is no more, or the job has ended.
    fn next(&self, cancel: &AtomicBool) -> Option<Unit> {
        let mut state = self.lock();
        loop {
            if state.stop || cancel.load(Ordering::Relaxed) {
                return None;
            }
            if state.plan.given() < state.written + self.ahead {
                return state.plan.next();
            }
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn written(&self, units: u64) {
        self.lock().written = units;
        self.room.notify_all();
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.room.notify_all();
    }
}
