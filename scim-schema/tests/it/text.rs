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
