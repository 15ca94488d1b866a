//! Error messages: what, where, and nothing that should stay hidden.

use scim_filter::{Filter, Limits, Options, ParseErrorKind};

fn error(text: &str) -> (String, &str) {
    let error = Filter::parse(text).expect_err(text);
    (error.to_string(), text.get(error.span()).expect(text))
}

// ledger: 7644-3.4.2.2-021
#[test]
fn an_unknown_operator_is_named() {
    assert_eq!(
        error("userName regex \"x\""),
        ("the operator 'regex' is not supported, at byte 9".to_owned(), "regex")
    );
    assert_eq!(error("userType eq1 \"x\"").0, "the operator 'eq1' is not supported, at byte 9");
    let (longest, longer) = ("a".repeat(16), "a".repeat(17));
    assert_eq!(
        error(&format!("b {longest} 1")).0,
        format!("the operator '{longest}' is not supported, at byte 2")
    );
    assert_eq!(error(&format!("b {longer} 1")).0, "the operator is not supported, at byte 2");
}

const VALUE: &str =
    "a value is expected: a string in double quotes, a number, true, false or null, at byte 9";

#[test]
fn errors_say_what_and_where() {
    for (text, message, place) in [
        ("  ", "the filter is empty, at byte 2", ""),
        ("userName", "an operator is expected: eq, ne, co, sw, ew, gt, ge, lt, le or pr, at byte 8", ""),
        ("title pr and", "an attribute name, 'not' or '(' is expected, at byte 12", ""),
        ("title pr)", "')' closes nothing, at byte 8", ")"),
        ("ims[$ref1 pr]", "the attribute path is malformed, at byte 4", "$ref1"),
        ("ims[$ref_ pr]", "the attribute path is malformed, at byte 4", "$ref_"),
        ("ims(type pr)", "the attribute path is malformed, at byte 3", "("),
        ("(title pr", "'(' is not closed, at byte 0", "("),
        ("a pr and (b pr", "'(' is not closed, at byte 9", "("),
        ("emails[type pr", "'[' is not closed, at byte 6", "["),
        ("emails[(type pr]", "']' closes nothing, at byte 15", "]"),
        ("name.a.b pr", "the attribute path is malformed, at byte 0", "name.a.b"),
        ("a pr and (1b pr)", "an attribute name, 'not' or '(' is expected, at byte 10", "1b"),
        ("urn::a pr", "the attribute path is malformed, at byte 0", "urn::a"),
        ("urn:a: pr", "the attribute path is malformed, at byte 0", "urn:a:"),
        ("urn:a:b. pr", "the attribute path is malformed, at byte 0", "urn:a:b."),
        ("title eq nullx", VALUE, "nullx"),
        ("title eq 1_", VALUE, "1_"),
        ("title eq \"a", "the string has no closing quotation mark, at byte 9", "\"a"),
        ("title eq \"a\\x\"", "the string holds an unknown escape, at byte 11", "\\x"),
        ("title eq \"é\\ud800\"", "the string holds half of a surrogate pair, at byte 12", "\\ud800"),
        ("title eq \"\\udc00\\udc01\"", "the string holds half of a surrogate pair, at byte 10", "\\udc00"),
        ("title eq \"a\nb\"", "the string holds an unescaped control character, at byte 11", "\n"),
        ("title pr xor a pr", "'and', 'or' or the end is expected, at byte 9", "xor"),
        ("title pr and(a pr)", "a space is expected, at byte 12", "("),
        ("a[b[c pr]]", "a value path can't be inside another one, at byte 3", "["),
    ] {
        assert_eq!(error(text), (message.to_owned(), place), "{text}");
    }
}

#[test]
fn messages_never_repeat_a_value() {
    for text in [
        "title eq hunter2",
        "title eq 'hunter2'",
        "title eq \"hunter2",
        "title eq \"hunter2\\q\"",
        "title eq \"a\" hunter2",
        "title eq \"hunter2\"x",
        "title \"hunter2\"",
        "\"hunter2\" eq title",
        "title averyverylonghunter2word \"x\"",
    ] {
        let message = error(text).0;
        assert!(!message.contains("hunter2"), "{text}: {message}");
    }
}

#[test]
fn a_caret_shows_the_place() {
    let text = "title pr and userName eq Müller";
    let error = Filter::parse(text).unwrap_err();
    assert_eq!(error.kind(), &ParseErrorKind::ValueExpected);
    assert_eq!(error.with_caret(text), "title pr and userName eq Müller\n                         ^^^^^^");
    // A place far into a long text, and control characters.
    let text = format!("{}\tx\u{1b}[2J", "a pr or ".repeat(40));
    let shown = Filter::parse(&text).unwrap_err().with_caret(&text);
    let (line, carets) = shown.split_once('\n').unwrap();
    assert!(line.chars().count() <= 120 && !line.contains(char::is_control), "{line}");
    assert_eq!(carets, format!("{}^^^", " ".repeat(60)));
}

#[test]
fn a_caret_shows_so_much_of_what_follows() {
    let text = format!("title zz {}", "b".repeat(200));
    let shown = Filter::parse(&text).unwrap_err().with_caret(&text);
    let (line, carets) = shown.split_once('\n').unwrap();
    assert_eq!(line, text.get(.."title ".len() + 60).unwrap());
    assert_eq!(carets, "      ^^");
}

#[test]
fn limits_hold_to_the_last_one() {
    let limited = |text: &str, limits: Limits| {
        let options = Options { limits, ..Options::default() };
        match Filter::parse_with(text, &options).map_err(|error| error.kind().clone()) {
            Ok(_) => None,
            Err(ParseErrorKind::Limit { limit, .. }) => Some(limit),
            Err(other) => panic!("{text}: {other}"),
        }
    };
    for text in ["a eq \"1234\"", "a eq \"\\n34\"", "a eq \"12\\t\"", "a eq 1234"] {
        assert_eq!(limited(text, Limits { literal: 4, ..Limits::default() }), None, "{text}");
        assert_eq!(limited(text, Limits { literal: 3, ..Limits::default() }), Some("literal"), "{text}");
    }
    for (nodes, text) in
        [(1, "a pr"), (3, "a pr or b pr"), (3, "a pr and b pr"), (2, "not (a pr)"), (2, "a[b pr]")]
    {
        assert_eq!(limited(text, Limits { nodes, ..Limits::default() }), None, "{text}");
        assert_eq!(limited(text, Limits { nodes: nodes - 1, ..Limits::default() }), Some("nodes"), "{text}");
    }
    for (depth, text) in [(1, "(a pr)"), (2, "((a pr))"), (2, "not (a[b pr])"), (1, "(a pr) and (b pr)")] {
        assert_eq!(limited(text, Limits { depth, ..Limits::default() }), None, "{text}");
        assert_eq!(limited(text, Limits { depth: depth - 1, ..Limits::default() }), Some("depth"), "{text}");
    }
}
