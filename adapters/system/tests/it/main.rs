//! The machine's clock and ids.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scim_core::Environment;
use scim_system::SystemEnvironment;

// ledger: 7643-3.1-008
#[test]
fn ids_are_unique_and_need_no_escape() {
    let ids: HashSet<String> = (0..1000).map(|_| SystemEnvironment.new_id("User")).collect();
    assert_eq!(ids.len(), 1000);
    for id in ids {
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{id}");
        assert!(!id.contains("bulkId"));
    }
}

#[test]
fn the_clock_is_the_wall_clock_in_microseconds() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = SystemEnvironment.now();
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Duration::from_micros(u64::try_from(now.unix_micros()).unwrap());
    assert!(before.as_micros() <= now.as_micros() && now.as_micros() <= after.as_micros());
}
