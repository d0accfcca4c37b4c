use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::job::Progress;
use indicatif::{
    HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use super::shared::say;

/// How often a line is logged where there is no terminal to draw on.
const EVERY: Duration = Duration::from_secs(60);
/// Before this nothing is said of the time that is left.
const FIRST: Duration = Duration::from_secs(3);

/// A progress bar on standard error; a line a minute where that is no terminal.
pub struct Bar {
    bar: ProgressBar,
    unit: &'static str,
    quiet: bool,
    /// When the last line was logged; nothing where none is.
    logged: Option<Mutex<Instant>>,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        Self::of(quiet, "bases")
    }

    /// The same for another unit.
    pub fn of(quiet: bool, unit: &'static str) -> Self {
        let bar = ProgressBar::new(0);
        let terminal = std::io::stderr().is_terminal();
        bar.set_draw_target(match !quiet && terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        let style = ProgressStyle::with_template(&format!(
            "{{wide_bar}} {{human_pos}}/{{human_len}} {unit}, {{per_sec}}{{left}}"
        ));
        let left = |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&left(state.elapsed(), state.pos(), state.eta()));
        };
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("left", left));
        Self {
            bar,
            unit,
            quiet,
            logged: (!quiet && !terminal).then(|| Mutex::new(Instant::now())),
        }
    }

    fn log(&self) {
        let Some(logged) = &self.logged else { return };
        let mut last = logged.lock().unwrap_or_else(PoisonError::into_inner);
        let length = self.bar.length().unwrap_or(0);
        if last.elapsed() < EVERY || length == 0 {
            return;
        }
        *last = Instant::now();
        let done = self.bar.position();
        say(format!(
            "{} of {} {} ({:.0}%), {} left",
            HumanCount(done),
            HumanCount(length),
            self.unit,
            100.0 * done as f64 / length as f64,
            HumanDuration(self.bar.eta())
        ));
    }
}

/// What is said of the time that is left: nothing until there is something to tell it by.
fn left(elapsed: Duration, done: u64, eta: Duration) -> String {
    match elapsed >= FIRST && done > 0 {
        true => format!(", {} left", HumanDuration(eta)),
        false => String::new(),
    }
}

impl Progress for Bar {
    fn start(&self, bases: u64) {
        self.bar.set_length(bases);
        self.bar.reset();
    }

    fn resumed(&self, bases: u64) {
        if bases > 0 && !self.quiet {
            let (done, all) = (
                HumanCount(bases),
                HumanCount(self.bar.length().unwrap_or(0)),
            );
            let line = format!("going on: {done} of {all} {} are done", self.unit);
            self.bar.suspend(|| say(line));
        }
        self.bar.set_position(bases);
        self.bar.reset_eta();
    }

    fn advance(&self, bases: u64) {
        self.bar.inc(bases);
        self.log();
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_foretold_at_first() {
        let seconds = Duration::from_secs;
        for (elapsed, done) in [(0, 0), (2, 10), (60, 0)] {
            assert_eq!(left(seconds(elapsed), done, seconds(7200)), "");
        }
        assert_eq!(left(seconds(3), 10, seconds(7200)), ", 2 hours left");
    }
}
