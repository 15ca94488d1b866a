//! What attempts say about their endpoint, and when the next one may be made. Pure.

use std::time::Duration;

use scim_schema::DateTime;
use scim_webhook::{Failure, Outcome, next_attempt};
use sha2::{Digest as _, Sha256};

use crate::endpoint::Health;

/// After so many failures in a row nothing is attempted for a while, and then one attempt at a time.
const BREAKER: u32 = 10;
/// How long nothing is attempted after the tenth failure. The time doubles with each failure after it…
const PAUSE: Duration = Duration::from_secs(30);
/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long a receiver that is overloaded, or does not answer, is left alone at least.
const FLOOR: Duration = Duration::from_secs(60);
/// A receiver's wish to be left alone is heard up to here.
const LONGEST_WISH: Duration = Duration::from_secs(24 * 3600);
/// An endpoint that only fails is disabled after this time.
const PATIENCE: Duration = Duration::from_secs(5 * 24 * 3600);

/// How many attempts an endpoint may have at once, of as many as its settings allow.
pub(super) fn slots(health: &Health, concurrency: usize) -> usize {
    if health.is_slow || is_probed(health) { 1 } else { concurrency }
}

/// Whether the next attempt is one that finds out if the endpoint is back.
pub(super) fn is_probed(health: &Health) -> bool {
    health.failures >= BREAKER
}

/// Until when nothing may be attempted.
pub(super) fn closed_until(health: &Health, now: DateTime) -> Option<DateTime> {
    // Nobody is left alone for longer: the clock was set back.
    health.not_before.filter(|end| *end > now && *end <= now.plus(LONGEST_WISH))
}

/// Takes note of a success.
pub(super) fn succeeded(health: &mut Health, at: DateTime) {
    let last_delivered = health.last_delivered.into_iter().chain([at]).max();
    *health = Health { last_delivered, ..Health::default() };
}

/// Takes note of a failure. `was_probe`: the attempt began after many failures. Answers whether the endpoint has
/// failed for so long that it is to be disabled.
pub(super) fn failed(health: &mut Health, at: DateTime, outcome: &Outcome, was_probe: bool) -> bool {
    let was_open = is_probed(health);
    let since = *health.failing_since.get_or_insert(at);
    // Those that were under way when the tenth failed say nothing new.
    if !was_open || was_probe {
        health.failures = health.failures.saturating_add(1);
        if is_probed(health) {
            let doublings = (health.failures - BREAKER).min(10);
            close(health, at, PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE));
        }
    }
    if wants_rest(outcome) {
        health.is_slow = true;
    }
    if let Outcome::Failed { status: Some(429 | 503), retry_after: Some(wish), .. } = outcome {
        close(health, at, (*wish).min(LONGEST_WISH));
    }
    at >= since.plus(PATIENCE)
}

fn close(health: &mut Health, at: DateTime, pause: Duration) {
    health.not_before = health.not_before.into_iter().chain([at.plus(pause)]).max();
}

/// When a delivery is attempted again of which `made` attempts have failed, the last one at `at`; `None` for never.
pub(super) fn next_due(
    made: u32,
    event_id: &str,
    at: DateTime,
    outcome: Option<&Outcome>,
    jitter: f64,
) -> Option<DateTime> {
    let step = next_attempt(made)?;
    let mut wait = step + step.mul_f64(jitter.clamp(0.0, 1.0) * fraction(event_id, made));
    if let Some(outcome) = outcome {
        if wants_rest(outcome) {
            wait = wait.max(FLOOR);
        }
        if let Outcome::Failed { retry_after: Some(wish), .. } = outcome {
            wait = wait.max((*wish).min(LONGEST_WISH));
        }
    }
    Some(at.plus(wait))
}

fn wants_rest(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed { status: Some(429 | 502 | 504), .. }
            | Outcome::Failed { reason: Failure::Timeout, .. }
    )
}

/// From 0 to 1, the same for the same attempt: so a run can be repeated.
fn fraction(event_id: &str, made: u32) -> f64 {
    let hash = Sha256::new().chain_update(event_id).chain_update(made.to_le_bytes()).finalize();
    let number = hash.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime {
        DateTime::from_unix_micros(seconds * 1_000_000)
    }

    fn status(status: u16) -> Outcome {
        Outcome::Failed { status: Some(status), reason: Failure::Status, retry_after: None }
    }

    fn wish(status: u16, seconds: u64) -> Outcome {
        let retry_after = Some(Duration::from_secs(seconds));
        Outcome::Failed { status: Some(status), reason: Failure::Status, retry_after }
    }

    #[test]
    fn the_tenth_failure_in_a_row_closes_and_each_probe_doubles_the_time() {
        let mut health = Health::default();
        for n in 0..9 {
            assert!(!failed(&mut health, at(n), &status(500), false));
            assert_eq!(closed_until(&health, at(n)), None);
        }
        assert_eq!(slots(&health, 4), 4);
        failed(&mut health, at(9), &status(500), false);
        assert_eq!(closed_until(&health, at(9)), Some(at(39)));
        assert_eq!(slots(&health, 4), 1);
        // Three more were under way.
        for n in 10..13 {
            failed(&mut health, at(n), &status(500), false);
        }
        assert_eq!((health.failures, closed_until(&health, at(13))), (10, Some(at(39))));
        let mut now = 39;
        for pause in [60, 120, 240, 300, 300] {
            assert_eq!(closed_until(&health, at(now)), None);
            failed(&mut health, at(now), &status(500), true);
            assert_eq!(closed_until(&health, at(now)), Some(at(now + pause)));
            now += pause;
        }
        succeeded(&mut health, at(now));
        assert_eq!(health, Health { last_delivered: Some(at(now)), ..Health::default() });
    }

    #[test]
    fn five_days_of_failures_only_disable() {
        let mut health = Health::default();
        let day = 24 * 3600;
        assert!(!failed(&mut health, at(100), &status(500), false));
        assert!(!failed(&mut health, at(99 + 5 * day), &status(500), false));
        let mut other = health;
        assert!(failed(&mut other, at(100 + 5 * day), &status(500), false));
        succeeded(&mut health, at(5 * day));
        assert!(!failed(&mut health, at(100 + 5 * day), &status(500), false));
    }

    #[test]
    fn who_is_overloaded_is_asked_one_thing_at_a_time_and_left_alone_as_long_as_asked() {
        let mut health = Health::default();
        failed(&mut health, at(0), &status(502), false);
        assert_eq!(slots(&health, 4), 1);
        assert_eq!(closed_until(&health, at(0)), None);
        failed(&mut health, at(1), &wish(429, 100), false);
        assert_eq!(closed_until(&health, at(1)), Some(at(101)));
        failed(&mut health, at(2), &wish(503, 10_000_000), false);
        assert_eq!(closed_until(&health, at(2)), Some(at(2 + 24 * 3600)));
        // A clock that was set back by a day does not make it longer.
        assert_eq!(closed_until(&health, at(-24 * 3600)), None);
        // It is a wish of 429 and 503 only.
        let mut other = Health::default();
        failed(&mut other, at(1), &wish(400, 100), false);
        assert_eq!(closed_until(&other, at(1)), None);
    }

    #[test]
    fn the_times_of_the_table_are_exact_without_jitter_and_a_tenth_more_with_it() {
        let due = |made, outcome: &Outcome, jitter| {
            next_due(made, "evt_1", at(0), Some(outcome), jitter).map(|due| due.unix_micros() / 1000)
        };
        for (made, seconds) in [(1, 5), (2, 300), (3, 1800), (4, 7200), (5, 18_000), (6, 36_000), (7, 36_000)]
        {
            assert_eq!(due(made, &status(500), 0.0), Some(seconds * 1000));
            let with = due(made, &status(500), 0.1).unwrap();
            assert!((seconds * 1000..=seconds * 1100).contains(&with), "{with}");
            assert_eq!(due(made, &status(500), 0.1), Some(with));
        }
        assert_eq!(due(8, &status(500), 0.0), None);
        for outcome in [status(429), status(502), status(504), Outcome::unanswered(Failure::Timeout)] {
            assert_eq!(due(1, &outcome, 0.0), Some(60_000));
            assert_eq!(due(2, &outcome, 0.0), Some(300_000));
        }
        assert_eq!(due(1, &wish(400, 77), 0.0), Some(77_000));
        assert_eq!(due(3, &wish(400, 77), 0.0), Some(1_800_000));
        assert_eq!(due(3, &wish(503, 1_000_000), 0.0), Some(24 * 3_600_000));
    }
}
