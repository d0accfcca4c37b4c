//! One strand of a run of windows: activities and effects.

use std::sync::Arc;

use super::floats::{Floats, all_finite};
use super::predict::Predictions;
use super::predictor::Predictor;
use super::sources::{Run, Sources};
use super::tables::Tables;

/// A list without its items, for others that live elsewhere: `collect` keeps the memory.
fn emptied<'b>(mut rows: Vec<&[f32]>) -> Vec<&'b [f32]> {
    rows.clear();
    rows.into_iter().map(|_| &[][..]).collect()
}

/// The state of one thread and strand.
#[derive(Debug)]
pub(super) struct OneStrand {
    tables: Arc<Tables>,
    pub(super) sources: Sources,
    sums: Vec<f32>,
    floats: Floats,
    predictions: Predictions,
    /// Rows of the head beyond its first layer that were run.
    pub(super) head_rows: u64,
}

impl OneStrand {
    pub(super) fn new(tables: &Arc<Tables>) -> Self {
        Self {
            sources: Sources::new(tables),
            sums: Vec::new(),
            floats: Floats::new(),
            predictions: Predictions::default(),
            head_rows: 0,
            tables: tables.clone(),
        }
    }

    /// Scores a run: `activities` receives `[windows, tasks]`; `effects`, where wanted,
    /// `[windows, window, 4, tasks]` for the wanted bases' changes (the base itself and unwanted
    /// bases are left alone). Says whether these effects are all finite.
    pub(super) fn run(
        &mut self,
        run: Run<'_>,
        activities: &mut [f32],
        effects: &mut [f32],
    ) -> bool {
        let tables = self.tables.clone();
        let sources = &mut self.sources;
        sources.scratch.extra.prune();
        if let Some(plan) = &tables.predictor
            && !run.effects
            && tables.is_dense(run.starts.len(), run.codes.len())
        {
            self.predict(plan, run, activities);
            return true;
        }
        sources.begin(run);
        let (tasks, window, reducer) = (tables.tasks(), tables.window, &tables.reducer);
        let level = sources.scratch.level;
        let linear = tables.head.is_linear();
        let mut finite = true;
        let mut spare = Vec::new();
        for (w, &start) in run.starts.iter().enumerate() {
            sources.window(run, start);
            let mut rows = spare;
            let view = sources.view(start, &mut rows);
            let reference = reducer.window(level, view, &mut self.floats);
            let heads = reducer.padded_heads;
            if run.effects {
                self.sums.clear();
                self.sums.resize(view.edits.len() * 3 * heads, 0.0);
                reducer.edits(level, view, &mut self.floats, &mut self.sums);
            }
            spare = emptied(rows);
            let activity = if linear {
                reference[..tasks].to_vec()
            } else {
                self.head_rows += 1;
                tables.head.run(&mut reference.clone(), heads)
            };
            activities[w * tasks..(w + 1) * tasks].copy_from_slice(&activity);
            if !run.effects {
                continue;
            }
            let mut step = heads;
            if !linear {
                self.head_rows += sources.columns.len() as u64 * 3;
                for row in self.sums.chunks_exact_mut(heads) {
                    for (x, r) in row.iter_mut().zip(&reference) {
                        *x += r;
                    }
                }
                self.sums = tables.head.run(&mut self.sums, heads);
                for row in self.sums.chunks_exact_mut(tasks) {
                    for (x, a) in row.iter_mut().zip(&activity) {
                        *x -= a;
                    }
                }
                step = tasks;
            }
            finite &= all_finite(&self.sums);
            let effects = &mut effects[w * window * 4 * tasks..(w + 1) * window * 4 * tasks];
            for (&column, sums) in sources.columns.iter().zip(self.sums.chunks_exact(3 * step)) {
                let code = run.codes[start + column];
                let others = (0..4usize).filter(|&c| c != usize::from(code));
                for (new, sums) in others.zip(sums.chunks_exact(step)) {
                    effects[(column * 4 + new) * tasks..][..tasks].copy_from_slice(&sums[..tasks]);
                }
            }
        }
        finite
    }

    /// Activities of windows that share sliding maxima.
    fn predict(&mut self, plan: &Predictor, run: Run<'_>, activities: &mut [f32]) {
        let (Some(&first), Some(&last)) = (run.starts.first(), run.starts.last()) else {
            return;
        };
        let tables = self.tables.clone();
        let range = (first, last + plan.reach);
        let Sources {
            scratch, shared, ..
        } = &mut self.sources;
        if plan.looks_up {
            // Too many for their rows to be fetched now.
            tables.tabled.known(scratch, run.context(), range, shared);
        } else {
            tables
                .tabled
                .reference(scratch, run.context(), range, shared);
        }
        self.predictions.run(
            &tables, plan, scratch, run.codes, run.starts, shared, activities,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::emptied;

    #[test]
    fn an_emptied_list_keeps_its_memory() {
        let values = [0.0f32; 4];
        let rows: Vec<&[f32]> = vec![&values; 100];
        let at = rows.as_ptr().addr();
        let rows = emptied(rows);
        assert!(rows.is_empty() && rows.capacity() >= 100);
        assert_eq!(rows.as_ptr().addr(), at);
    }
}
