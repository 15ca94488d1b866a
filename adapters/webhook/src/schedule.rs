//! When to try again.

use std::time::Duration;

/// How many attempts an event gets at most.
pub const ATTEMPTS: u32 = 8;

/// The wait before the next attempt, when `made` attempts have failed. `None`: there is no further one.
///
/// The waits are 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, each counted from the failure before it.
///
/// ```
/// use scim_webhook::next_attempt;
/// assert_eq!(next_attempt(0).map(|d| d.as_secs()), Some(0));
/// assert_eq!(next_attempt(2).map(|d| d.as_secs()), Some(300));
/// assert_eq!(next_attempt(8), None);
/// ```
pub fn next_attempt(made: u32) -> Option<Duration> {
    let seconds = match made {
        0 => 0,
        1 => 5,
        2 => 5 * 60,
        3 => 30 * 60,
        4 => 2 * 3600,
        5 => 5 * 3600,
        6 | 7 => 10 * 3600,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}
