//! Printing, and the walks over the tree.

use proptest::prelude::*;
use scim_filter::{Expr, Filter, Limits, Options};

/// Texts of filters of all shapes. Parentheses are put where they are not needed, too.
fn filter_text() -> impl Strategy<Value = String> {
    any_filter(leaf().boxed(), true)
}

fn any_filter(leaf: BoxedStrategy<String>, brackets: bool) -> BoxedStrategy<String> {
    let leaf = if brackets {
        let inner = any_filter(leaf.clone(), false);
        let value_path = (path(), inner.clone()).prop_map(|(p, f)| format!("{p}[{f}]"));
        let entra = (path(), inner, condition()).prop_map(|(p, f, c)| format!("{p}[ {f} ].value{c}"));
        prop_oneof![4 => leaf, 1 => value_path, 1 => entra].boxed()
    } else {
        leaf
    };
    leaf.prop_recursive(6, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} OR {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and ({b})")),
            inner.clone().prop_map(|a| format!("( {a})")),
            inner.clone().prop_map(|a| format!("not({a})")),
            inner.prop_map(|a| format!("Not  ({a} )")),
        ]
    })
    .boxed()
}

fn leaf() -> impl Strategy<Value = String> {
    (path(), condition()).prop_map(|(path, condition)| format!("{path}{condition}"))
}

fn condition() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["eq", "NE", "co", "sw", "eW", "gt", "ge", "lt", "le"]);
    prop_oneof![Just(" pr".to_owned()), (operator, value()).prop_map(|(o, v)| format!(" {o} {v}"))]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-zA-Z0-9_-]{0,8}",
        "[a-z]{1,4}\\.[a-z]{1,4}".prop_map(|p| p),
        Just("members.$ref".to_owned()),
        Just("urn:example:1.0:Thing:name.part".to_owned()),
        Just("not".to_owned()),
    ]
    // A value path can't follow `not` directly, nor can a path be a sub-attribute of brackets.
    .prop_filter("a path before brackets", |p| !p.eq_ignore_ascii_case("not"))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        Just("\"\\u0041\\/\\ud83d\\ude00\\b\\f\\n\\r\\t\\u001f\"".to_owned()),
    ]
}

fn wide() -> Options {
    let limits = Limits { length: usize::MAX, depth: usize::MAX, nodes: usize::MAX, literal: usize::MAX };
    Options { limits, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same_filter(text in filter_text()) {
        let filter = Filter::parse_with(&text, &wide()).map_err(|e| TestCaseError::fail(e.with_caret(&text)))?;
        let printed = filter.to_string();
        // The canonical text needs none of the leniencies.
        let strict = Options { value_path_sub_attribute: false, ..wide() };
        let again = Filter::parse_with(&printed, &strict).map_err(|e| TestCaseError::fail(e.with_caret(&printed)))?;
        prop_assert_eq!(&again, &filter);
        prop_assert_eq!(again.to_string(), printed.as_str());
        prop_assert_eq!(again.to_s_expression(), filter.to_s_expression());
        prop_assert_eq!(filter.clone().into_owned(), filter);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,60}") {
        let parsed = Filter::parse(&text);
        if let Err(error) = &parsed {
            prop_assert!(text.get(error.span()).is_some(), "the span is on character boundaries");
            error.with_caret(&text);
        }
        let _ = scim_filter::Path::parse(&text);
    }

    #[test]
    fn no_mangled_filter_makes_the_parser_panic(text in filter_text(), at in 0usize..200, with in "[ ()\\[\\]\".a-z\\\\0-9é]") {
        let at = text.char_indices().map(|(i, _)| i).nth(at).unwrap_or(text.len());
        let (before, after) = text.split_at(at);
        let mangled = format!("{before}{with}{after}");
        for text in [mangled.as_str(), before, after] {
            if let Err(error) = Filter::parse(text) {
                prop_assert!(text.get(error.span()).is_some(), "the span is on character boundaries");
                error.with_caret(text);
            }
            let _ = scim_filter::Path::parse(text);
        }
    }
}

#[test]
fn filters_are_equal_when_they_say_the_same() {
    let different = [
        "a pr",
        "b pr",
        "not (a pr)",
        "a eq 1",
        "a ne 1",
        "b eq 1",
        "a eq 1.0",
        "a eq \"1\"",
        "a eq true",
        "a eq false",
        "a eq null",
        "a.c eq 1",
        "urn:x:y:a eq 1",
        "a pr and b pr",
        "a pr or b pr",
        "a pr and c pr",
        "a pr and b pr and c pr",
        "a pr and (b pr and c pr)",
        "a[b pr]",
        "c[b pr]",
        "a[c pr]",
        "a pr and c[b pr]",
        "a[b pr and c pr]",
        "a[b pr] and c pr",
    ];
    for (left, one) in different.iter().enumerate() {
        for (right, other) in different.iter().enumerate() {
            let (one, other) = (Filter::parse(one).unwrap(), Filter::parse(other).unwrap());
            assert_eq!(one == other, left == right, "{one} and {other}");
        }
    }
    // Spaces, needless parentheses, the case of operators and escapes say nothing.
    assert_eq!(Filter::parse("a  EQ \"\\u0041\"").unwrap(), Filter::parse("((a eq \"A\"))").unwrap());
    assert_ne!(Filter::parse("A pr").unwrap(), Filter::parse("a pr").unwrap(), "names are as written");
    assert_eq!(format!("{:?}", Filter::parse("a pr").unwrap()), "Filter((pr a))");
}

#[test]
fn canonical_text_has_only_the_parentheses_it_needs() {
    for (text, printed) in [
        ("((a pr))", "a pr"),
        ("a pr and (b pr and c pr)", "a pr and (b pr and c pr)"),
        ("(a pr and b pr) and c pr", "a pr and b pr and c pr"),
        ("a pr or (b pr and c pr)", "a pr or b pr and c pr"),
        ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
        ("NOT(a EQ\"x\\u0022\")", "not (a eq \"x\\\"\")"),
        ("a[ b eq 1.50 ]", "a[b eq 1.50]"),
    ] {
        assert_eq!(Filter::parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn post_order_names_the_attribute_around_a_condition() {
    let text = "title pr and emails[type eq \"work\" or primary eq true] and active eq true";
    let filter = Filter::parse(text).unwrap();
    let steps: Vec<String> = filter
        .post_order()
        .map(|visit| {
            let what = match visit.expr {
                Expr::And(..) => "and".to_owned(),
                Expr::Or(..) => "or".to_owned(),
                Expr::Not(_) => "not".to_owned(),
                Expr::Compare { path, .. } | Expr::Present(path) => path.to_string(),
                Expr::ValuePath { path, .. } => format!("{path}[]"),
            };
            visit.within.map_or(what.clone(), |within| format!("{within}/{what}"))
        })
        .collect();
    let expected =
        ["title", "emails/type", "emails/primary", "emails/or", "emails[]", "and", "active", "and"];
    assert_eq!(steps, expected);
}
