//! Texts made to hurt: refused or parsed on a small stack, at a cost linear in their length.

use scim_filter::{Filter, Limits, MatchOptions, Matcher, Options, ParseErrorKind, Path, PathError};

use crate::world;

mod texts;

use texts::TEXTS;

/// Without limits, so that the parser itself is tested and not the limits before it.
fn unlimited() -> Options {
    let limits = Limits { length: usize::MAX, depth: usize::MAX, nodes: usize::MAX, literal: usize::MAX };
    Options { limits, ..Options::default() }
}

/// Where something could go wrong: nothing, little, every limit with its neighbours, and far beyond.
const SIZES: &[usize] = &[
    0, 1, 2, 15, 40, 63, 64, 65, 255, 256, 257, 511, 512, 513, 1_000, 1_023, 1_025, 1_500, 4_095, 4_097,
    5_000, 10_000, 16_383, 16_384, 16_385, 20_000, 100_000,
];

/// A debug build on a stack of 128 KiB. Whatever is accepted goes all the way.
#[test]
fn hostile_texts_need_no_stack() {
    let user = world::user();
    let document = world::documents().remove(0).1;
    let run = move || {
        for (name, text) in TEXTS {
            let text = text(100_000);
            if let Ok(filter) = Filter::parse_with(&text, &unlimited()) {
                let printed = filter.to_string();
                assert!(filter.to_s_expression().len() >= printed.len() / 2, "{name}");
                let owned = filter.clone().into_owned();
                assert!(owned == filter, "{name}");
                assert!((1..=text.len()).contains(&filter.post_order().len()), "{name}");
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

/// Around every limit: what is refused that would be a filter without limits is refused by a limit, which is named, with
/// its value, and with a place that is in the text; what is accepted keeps within them.
#[test]
fn hostile_texts_of_any_size_are_accepted_or_meet_a_named_limit() {
    let run = || {
        let limits = Limits::default();
        for size in SIZES {
            for (name, text) in TEXTS {
                let text = text(*size);
                let error = match Filter::parse(&text) {
                    Ok(filter) => {
                        assert!(text.len() <= limits.length, "{name} × {size}");
                        assert!(filter.post_order().len() <= limits.nodes, "{name} × {size}");
                        continue;
                    }
                    Err(error) => error,
                };
                assert!(text.get(error.span()).is_some(), "{name} × {size}: {error}");
                let value = match error.kind() {
                    ParseErrorKind::Limit { limit: "length", value } => (*value, limits.length),
                    ParseErrorKind::Limit { limit: "depth", value } => (*value, limits.depth),
                    ParseErrorKind::Limit { limit: "nodes", value } => (*value, limits.nodes),
                    ParseErrorKind::Limit { limit: "literal", value } => (*value, limits.literal),
                    _ => {
                        assert!(Filter::parse_with(&text, &unlimited()).is_err(), "{name} × {size}: {error}");
                        continue;
                    }
                };
                assert_eq!(value.0, value.1, "{name} × {size}: {error}");
                assert!(text.len() <= limits.length || value.0 == limits.length, "{name} × {size}: {error}");
            }
        }
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap().join().unwrap();
}

/// As filters of a value path, and as paths.
#[test]
fn hostile_paths_of_any_size_are_accepted_or_refused() {
    let run = || {
        for size in SIZES {
            for (name, text) in TEXTS {
                let text = text(*size);
                for text in [format!("emails[{text}]"), format!("emails[{text}].value"), text] {
                    match Path::parse(&text) {
                        Ok(_) => assert!(text.len() <= Path::MAX_LENGTH, "{name} × {size}"),
                        Err(error) => {
                            assert!(text.get(error.span()).is_some(), "{name} × {size}: {error}");
                            let too_long = matches!(error, PathError::TooLong { .. });
                            assert_eq!(too_long, text.len() > Path::MAX_LENGTH, "{name} × {size}: {error}");
                        }
                    }
                }
            }
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

/// A character that the limit cuts in two is not split by the error.
#[test]
fn the_place_of_a_limit_is_a_character() {
    let options = Options { limits: Limits { length: 4, ..Limits::default() }, ..Options::default() };
    let error = Filter::parse_with("a pé", &options).unwrap_err();
    assert_eq!(error.span(), 3..3);
    assert_eq!(error.with_caret("a pé"), "a pé\n   ^");
}
