use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mpra_score::job::Progress;

/// A progress bar on standard error, drawn only on a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new(quiet: bool) -> Self {
        Self::of(quiet, "bases")
    }

    /// The same for another unit.
    pub fn of(quiet: bool, unit: &str) -> Self {
        let bar = ProgressBar::new(0);
        let visible = !quiet && std::io::stderr().is_terminal();
        bar.set_draw_target(match visible {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        let style = ProgressStyle::with_template(&format!(
            "{{wide_bar}} {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left"
        ));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }
}

impl Progress for Bar {
    fn start(&self, bases: u64) {
        self.0.set_length(bases);
        self.0.reset();
    }

    fn resumed(&self, bases: u64) {
        self.0.set_position(bases);
        self.0.reset_eta();
    }

    fn advance(&self, bases: u64) {
        self.0.inc(bases);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
