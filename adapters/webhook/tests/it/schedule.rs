use scim_webhook::{ATTEMPTS, next_attempt};

// mission: M-70
#[test]
fn attempts_are_made_at_the_times_of_the_table() {
    let mut at = 0;
    let times: Vec<u64> = (0..ATTEMPTS)
        .map(|made| {
            at += next_attempt(made).unwrap().as_secs();
            at
        })
        .collect();
    assert_eq!(times, [0, 5, 305, 2105, 9305, 27305, 63305, 99305]);
    assert_eq!(next_attempt(ATTEMPTS), None);
    assert_eq!(next_attempt(u32::MAX), None);
}
