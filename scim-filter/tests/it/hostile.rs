//! Texts made to hurt: refused or parsed on a small stack, at a cost linear in their length.

use scim_filter::{Filter, Limits, MatchOptions, Matcher, Options, ParseErrorKind, Path};

use crate::world;

/// Without limits, so that the parser itself is tested and not the limits before it.
fn unlimited() -> Options {
    let limits = Limits { length: usize::MAX, depth: usize::MAX, nodes: usize::MAX, literal: usize::MAX };
    Options { limits, ..Options::default() }
}

/// Hostile texts of about `n` repetitions.
fn texts(n: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, inside: &str| format!("{}{inside}{}", open.repeat(n), ")".repeat(n));
    vec![
        ("parentheses", nested("(", "title pr")),
        ("open parentheses", "(".repeat(n)),
        ("closing parentheses", format!("title pr{}", ")".repeat(n))),
        ("not", nested("not (", "title pr")),
        ("not without spaces", nested("not(", "title pr")),
        ("not alone", "not ".repeat(n)),
        ("and", vec!["title pr"; n].join(" and ")),
        ("or", vec!["title pr"; n].join(" or ")),
        ("and or", vec!["title pr and title pr"; n / 2].join(" or ")),
        ("or to the right", format!("{}title pr{}", "title pr or (".repeat(n), ")".repeat(n))),
        ("and of ors", vec!["(title eq \"1\" or title eq \"2\")"; n].join(" and ")),
        ("brackets", format!("emails[{}", "type[".repeat(n))),
        ("value path of ors", format!("emails[{}]", vec!["type pr"; n].join(" or "))),
        ("value path of parentheses", format!("emails[{}]", nested("(", "type pr"))),
        ("sub-attributes behind brackets", vec!["emails[type pr].value pr"; n].join(" or ")),
        ("dots", format!("a{} pr", ".a".repeat(n))),
        ("colons", format!("urn{} pr", ":a".repeat(n))),
        ("urn of dots", format!("urn:a:b:c{} pr", ".a".repeat(n))),
        ("long name", format!("{} pr", "a".repeat(n))),
        ("spaces", " ".repeat(n)),
        ("spaces between", format!("title{0}eq{0}\"x\"{0}", " ".repeat(n))),
        ("spaces before parentheses", format!("{}title pr", "not    ".repeat(n))),
        ("long string", format!("title eq \"{}\"", "x".repeat(n))),
        ("open string", format!("title eq \"{}", "x".repeat(n))),
        ("escapes", format!("title eq \"{}\"", "\\u00e9".repeat(n))),
        ("surrogates", format!("title eq \"{}\"", "\\ud800".repeat(n))),
        ("quotes", "\"".repeat(n)),
        ("backslashes", format!("title eq \"{}", "\\".repeat(n))),
        ("digits", format!("title eq {}", "1".repeat(n))),
        ("exponent", format!("badgeNumber eq 1e{}", "9".repeat(n))),
        ("two byte letters", "é".repeat(n)),
        ("nul", "\0".repeat(n)),
    ]
}

/// A debug build on a stack of 128 KiB. Whatever is accepted goes all the way.
#[test]
fn hostile_texts_need_no_stack() {
    let user = world::user();
    let document = world::documents().remove(0).1;
    let run = move || {
        for (name, text) in texts(100_000) {
            if let Ok(filter) = Filter::parse_with(&text, &unlimited()) {
                let printed = filter.to_string();
                assert!(filter.to_s_expression().len() >= printed.len() / 2, "{name}");
                let owned = filter.clone().into_owned();
                assert!(owned == filter, "{name}");
                assert!(filter.post_order().len() > 0, "{name}");
                let matcher = Matcher::new(&filter, [&user], &MatchOptions::default());
                if let Ok(matcher) = matcher {
                    matcher.matches("User", &document);
                }
            }
            assert!(Filter::parse(&text).is_err(), "{name}: the default limits refuse it");
            assert!(Path::parse(&text).is_err(), "{name}");
        }
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap().join().unwrap();
}

fn limit(text: &str) -> (&'static str, usize) {
    match Filter::parse(text).expect_err("a limit").kind() {
        ParseErrorKind::Limit { limit, value } => (limit, *value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_hold_at_their_value_and_not_beyond() {
    let Limits { length, depth, nodes, literal } = Limits::default();
    assert!(depth >= 40, "ledger choice filter-depth");

    let nested = |n: usize, open: &str| format!("{}title pr{}", open.repeat(n), ")".repeat(n));
    for open in ["(", "not ("] {
        assert!(Filter::parse(&nested(depth, open)).is_ok());
        assert_eq!(limit(&nested(depth + 1, open)), ("depth", depth));
    }
    let value_path = |n: usize| format!("emails[{}type pr{}]", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&value_path(depth - 1)).is_ok());
    assert_eq!(limit(&value_path(depth)), ("depth", depth));
    // Depth is what is open at one time.
    let wide = vec!["(a pr)"; depth + 1].join(" or ");
    assert!(Filter::parse(&wide).is_ok());

    // n conditions are joined by n - 1 nodes; a `not` is one more.
    let chain = |n: usize| vec!["a pr"; n].join(" and ");
    assert!(Filter::parse(&format!("not ({})", chain(nodes / 2))).is_ok());
    assert_eq!(limit(&chain(nodes / 2 + 1)), ("nodes", nodes));

    let string = |n: usize| format!("title eq \"{}\"", "x".repeat(n));
    assert!(Filter::parse(&string(literal)).is_ok());
    assert_eq!(limit(&string(literal + 1)), ("literal", literal));
    let number = |n: usize| format!("title eq {}", "1".repeat(n));
    assert!(Filter::parse(&number(literal)).is_ok());
    assert_eq!(limit(&number(literal + 1)), ("literal", literal));

    let padded = |n: usize| format!("title pr{}", " ".repeat(n - 8));
    assert!(Filter::parse(&padded(length)).is_ok());
    assert_eq!(limit(&padded(length + 1)), ("length", length));
}

#[test]
fn a_limit_is_named_with_its_value_and_place() {
    let options = Options { limits: Limits { depth: 2, ..Limits::default() }, ..Options::default() };
    let error = Filter::parse_with("title pr and (((a pr)))", &options).unwrap_err();
    assert_eq!(error.to_string(), "the filter is nested deeper than 2 levels, at byte 15");
}
