//! Progress bars for a person who watches; nothing for anybody else.

use std::time::Duration;

use coordinator::Status;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Kind;

use crate::output::Output;
use crate::output::pace::Pace;

/// One bar per kind and a line that says what the run waits for.
pub(crate) struct Progress {
    shown: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    kinds: Vec<(Kind, ProgressBar)>,
    line: ProgressBar,
}

impl Progress {
    /// Bars on standard error if a person watches it.
    pub(crate) fn new(output: Output) -> Self {
        if !output.watched {
            return Self { shown: None };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
        let style = ProgressStyle::with_template("{prefix:>14} [{bar:30}] {pos}/{len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = |prefix: &str| {
            let bar = all.add(ProgressBar::new(0).with_style(style.clone()));
            bar.set_prefix(prefix.to_owned());
            bar
        };
        let kinds = Kind::ALL.into_iter().map(|kind| (kind, bar(kind.plural()))).collect();
        let line = all.add(ProgressBar::new(0));
        line.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { shown: Some(Bars { all, kinds, line }) }
    }

    /// Shows where the run stands.
    pub(crate) fn show(&self, status: &Status, pace: Pace) {
        let Some(bars) = &self.shown else { return };
        for (kind, bar) in &bars.kinds {
            let counts = status.counts.of(*kind);
            let phase = status.phases.iter().find(|phase| phase.kind == *kind);
            let reading = phase.is_some_and(|phase| phase.shards > phase.shards_done);
            let estimate = phase.and_then(|phase| phase.estimate).filter(|_| reading).unwrap_or(0);
            bar.set_length(counts.available.max(estimate));
            bar.set_position(counts.migrated + counts.failed + counts.skipped);
            let problems = if counts.failed + counts.skipped > 0 {
                format!("failed {}, skipped {}", counts.failed, counts.skipped)
            } else {
                String::new()
            };
            bar.set_message(problems);
        }
        bars.line.set_message(sentence(status, pace));
    }

    /// Takes the bars away, so that the table stands alone.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.shown {
            drop(bars.all.clear());
        }
    }
}

/// A counter that only a person who watches sees.
pub(crate) fn counting(output: Output, what: &'static str) -> ProgressBar {
    if !output.watched {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    bar.set_style(
        ProgressStyle::with_template("{pos} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.with_message(what)
}

/// Rate, time left and what the run waits for, on one line.
pub(crate) fn sentence(status: &Status, pace: Pace) -> String {
    let mut parts = vec![status.run.status.name().to_owned()];
    if let Some(rate) = pace.per_second.filter(|_| !status.run.status.is_over()) {
        parts.push(format!("{rate:.1} records/s"));
    }
    if let Some(left) = pace.remaining.filter(|_| !status.run.status.is_over()) {
        parts.push(format!("about {} left", length(left)));
    }
    if !status.waiting_for.is_empty() {
        parts.push(format!("waiting for {}", status.waiting_for.join("; ")));
    }
    parts.join(", ")
}

fn length(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match minutes {
        0 => format!("{} s", time.as_secs()),
        1..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}
