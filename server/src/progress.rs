//! What the person who waits sees.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const PERIOD: Duration = Duration::from_secs(10);

/// A bar on a terminal, else a line now and then, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    verb: &'static str,
    total: u64,
    began: Instant,
    first: Option<u64>,
    printed: Instant,
}

impl Progress {
    /// For a piece of work of so many bytes.
    pub(crate) fn new(verb: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} {wide_bar} {percent}% of {total_bytes}, {msg}, {eta} left",
            );
            let bar = ProgressBar::new(total).with_prefix(verb);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let now = Instant::now();
        Self { bar, verb, total, began: now, first: None, printed: now }
    }

    /// So many bytes are done, in which there were so many things since the beginning.
    pub(crate) fn at(&mut self, done: u64, things: u64, what: &str) {
        let first = *self.first.get_or_insert(done);
        let elapsed = self.began.elapsed();
        let rate = per_second(things, elapsed);
        let message = format!("{} {what}, {} a second", HumanCount(things), HumanCount(rate));
        match &self.bar {
            Some(bar) => {
                bar.set_message(message);
                bar.set_position(done.min(self.total));
            }
            None if self.printed.elapsed() >= PERIOD => {
                self.printed = Instant::now();
                let (moved, rest) = (done.saturating_sub(first).max(1), self.total.saturating_sub(done));
                let left = elapsed.mul_f64(rest as f64 / moved as f64);
                let percent = done.saturating_mul(100) / self.total.max(1);
                eprintln!("{}: {percent}%, {message}, {} left", self.verb, HumanDuration(left));
            }
            None => {}
        }
    }

    /// So many bytes are done, of so many.
    pub(crate) fn bytes(&mut self, done: u64, total: u64) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
        self.at(done, done >> 20, "MiB");
    }

    /// Ends the bar. Answers how long it took.
    pub(crate) fn end(self) -> Duration {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.began.elapsed()
    }
}

/// How many in a second.
pub(crate) fn per_second(things: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    things.saturating_mul(1000) / millis
}

/// The most memory that the process ever had, in MiB, where the system says it.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}
