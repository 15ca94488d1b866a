//! How strings are compared.

use proptest::prelude::*;
use scim_schema::{fold, normalize, uniqueness_key};

// ledger: 7643-4.1.1-002
#[test]
fn user_names_are_the_same_without_letter_case() {
    let key = |text: &str| uniqueness_key(text, false);
    assert_eq!(key("BJensen"), key("bjensen"));
    assert_eq!(key("JÜRGEN"), key("ju\u{308}rgen"));
    assert_eq!(key("ＢＪｅｎｓｅｎ"), key("bjensen"));
    assert_ne!(key("bjensen"), key("bjensen2"));
    assert_ne!(key("jurgen"), key("jürgen"));
    assert_ne!(uniqueness_key("A", true), uniqueness_key("a", true));
}

proptest! {
    #[test]
    fn folding_is_stable(text in any::<String>()) {
        let once = fold(&text).into_owned();
        prop_assert_eq!(fold(&once).into_owned(), once.clone());
        prop_assert_eq!(fold(&normalize(&text)).into_owned(), once);
    }

    #[test]
    fn keys_are_stable(text in any::<String>(), case_exact: bool) {
        let once = uniqueness_key(&text, case_exact);
        prop_assert_eq!(uniqueness_key(&once, case_exact), once);
    }

    #[test]
    fn ascii_letter_case_never_counts(text in "[ -~]{0,20}") {
        prop_assert_eq!(fold(&text.to_ascii_uppercase()).into_owned(), fold(&text).into_owned());
    }
}

#[test]
fn dates_are_written_with_all_digits_at_both_ends_of_time() {
    let cases = [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_764_127_735_000_000, "2025-11-26T03:28:55Z"),
        (1_764_127_735_120_000, "2025-11-26T03:28:55.120Z"),
        (1_764_127_735_120_001, "2025-11-26T03:28:55.120001Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "10000-01-01T00:00:00Z"),
        (i64::MAX, "294247-01-10T04:00:54.775807Z"),
        (i64::MIN, "-290308-12-21T19:59:05.224192Z"),
        (-62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
        (-62_167_219_200_000_001, "-0001-12-31T23:59:59.999999Z"),
    ];
    for (micros, text) in cases {
        assert_eq!(scim_schema::DateTime::from_unix_micros(micros).to_string(), text);
    }
}
