//! Figures of the work that goes on, for whoever runs the program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scim_webhook::{Failure, Outcome};

/// Counts since the process began. Reading them costs nothing but memory accesses.
#[derive(Debug, Default)]
pub struct Metrics {
    commit_to_delivered: Histogram,
    deprovision_latency: Histogram,
    outcomes: [AtomicU64; OUTCOMES.len()],
    in_flight: AtomicU64,
    superseded: AtomicU64,
}

/// What attempts come to: `delivered`, or why they failed. The first is `delivered`, the last `panic`.
const OUTCOMES: [&str; 9] =
    ["delivered", "status", "redirect", "gone", "timeout", "connect", "protocol", "refused", "panic"];

impl Metrics {
    /// How long it took from the commit of a change to the acknowledgement of its event, for each delivery.
    pub fn commit_to_delivered(&self) -> &Histogram {
        &self.commit_to_delivered
    }

    /// As [`Metrics::commit_to_delivered`], of `user_deleted` alone.
    pub fn deprovision_latency(&self) -> &Histogram {
        &self.deprovision_latency
    }

    /// How many attempts came to what: stable names with their counts. `delivered` is the one that is good.
    pub fn attempts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.outcomes.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// How many attempts are under way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many deliveries gave way to a later event of their subject.
    pub fn superseded(&self) -> u64 {
        self.superseded.load(Ordering::Relaxed)
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an attempt; `None` for one that was broken off by a mistake in this program.
    pub(crate) fn count(&self, outcome: Option<&Outcome>) {
        let name = match outcome {
            Some(Outcome::Delivered { .. }) => "delivered",
            Some(Outcome::Failed { reason, .. }) => Failure::as_str(*reason),
            None => "panic",
        };
        let place = OUTCOMES.iter().position(|known| *known == name);
        // A reason that is new here counts as a failure by status.
        if let Some(count) = self.outcomes.get(place.unwrap_or(1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn delivered(&self, after: Duration, is_urgent: bool) {
        self.commit_to_delivered.observe(after);
        if is_urgent {
            self.deprovision_latency.observe(after);
        }
    }

    pub(crate) fn gave_way(&self, deliveries: usize) {
        self.superseded.fetch_add(u64::try_from(deliveries).unwrap_or_default(), Ordering::Relaxed);
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Up to each bound, and above the last.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// From 5 ms to a day.
const BOUNDS: [Duration; 16] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(24 * 3600),
];

impl Histogram {
    /// For each bound how many took no longer, and in the end, without a bound, how many there were.
    pub fn cumulative(&self) -> Vec<(Option<Duration>, u64)> {
        let mut total = 0;
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        let counts = self.counts.iter().map(|count| {
            total += count.load(Ordering::Relaxed);
            total
        });
        bounds.zip(counts).collect()
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed))
    }

    fn observe(&self, time: Duration) {
        let place = BOUNDS.partition_point(|bound| *bound < time);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_from_its_bound_on() {
        let histogram = Histogram::default();
        for millis in [0, 5, 6, 1000, 90_000_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counts: Vec<u64> = histogram.cumulative().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!(histogram.sum(), Duration::from_millis(90_001_011));
        assert_eq!(histogram.cumulative().last().unwrap().0, None);
    }

    #[test]
    fn attempts_are_counted_by_what_they_come_to() {
        let metrics = Metrics::default();
        metrics.count(Some(&Outcome::Delivered { status: 200 }));
        metrics.count(Some(&Outcome::unanswered(Failure::Timeout)));
        metrics.count(None);
        let counted: Vec<_> = metrics.attempts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("delivered", 1), ("timeout", 1), ("panic", 1)]);
    }
}
