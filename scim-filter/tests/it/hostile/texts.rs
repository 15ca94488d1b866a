//! Texts made to hurt. `cargo xtask hostile` times them.

/// A name, and the text of about so many repetitions.
pub(crate) type Text = (&'static str, fn(usize) -> String);

pub(crate) const TEXTS: &[Text] = &[
    ("parentheses", |n| nested(n, "(", "title pr")),
    ("open parentheses", |n| "(".repeat(n)),
    ("open not", |n| "not (".repeat(n)),
    ("closing parentheses", |n| format!("title pr{}", ")".repeat(n))),
    ("not", |n| nested(n, "not (", "title pr")),
    ("not without spaces", |n| nested(n, "not(", "title pr")),
    ("not alone", |n| "not ".repeat(n)),
    ("and", |n| vec!["title pr"; n].join(" and ")),
    ("or", |n| vec!["title pr"; n].join(" or ")),
    ("and or", |n| vec!["title pr and title pr"; n / 2].join(" or ")),
    ("or to the right", |n| format!("{}title pr{}", "title pr or (".repeat(n), ")".repeat(n))),
    ("and of ors", |n| vec!["(title eq \"1\" or title eq \"2\")"; n].join(" and ")),
    ("and of ors without spaces", |n| vec!["(a eq 1 or b eq 2)"; n].join(" and ")),
    ("ors of not", |n| vec!["not (title pr)"; n].join(" or ")),
    ("brackets", |n| format!("emails[{}", "type[".repeat(n))),
    ("open brackets", |n| format!("emails{}", "[".repeat(n))),
    ("value paths", |n| vec!["emails[type eq \"work\" and value pr]"; n].join(" or ")),
    ("value path of ors", |n| format!("emails[{}]", vec!["type pr"; n].join(" or "))),
    ("value path of parentheses", |n| format!("emails[{}]", nested(n, "(", "type pr"))),
    ("sub-attributes behind brackets", |n| vec!["emails[type pr].value pr"; n].join(" or ")),
    ("dots", |n| format!("a{} pr", ".a".repeat(n))),
    ("colons", |n| format!("urn{} pr", ":a".repeat(n))),
    ("urn of dots", |n| format!("urn:a:b:c{} pr", ".a".repeat(n))),
    ("long name", |n| format!("{} pr", "a".repeat(n))),
    ("spaces", |n| " ".repeat(n)),
    ("spaces between", |n| format!("title{0}eq{0}\"x\"{0}", " ".repeat(n))),
    ("spaces before parentheses", |n| format!("{}title pr", "not    ".repeat(n))),
    ("long string", |n| format!("title eq \"{}\"", "x".repeat(n))),
    ("open string", |n| format!("title eq \"{}", "x".repeat(n))),
    ("escapes", |n| format!("title eq \"{}\"", "\\u00e9".repeat(n))),
    ("pairs", |n| format!("title eq \"{}\"", "\\ud83d\\ude00".repeat(n))),
    ("short escapes", |n| format!("title co \"{}\"", "\\n".repeat(n))),
    ("nul in a string", |n| format!("title eq \"{}\"", "\0".repeat(n))),
    ("escaped nul", |n| format!("title eq \"{}\"", "\\u0000".repeat(n))),
    ("strings", |n| vec!["title sw \"xxxxxxxxxxxxxxxx\""; n].join(" or ")),
    ("surrogates", |n| format!("title eq \"{}\"", "\\ud800".repeat(n))),
    ("quotes", |n| "\"".repeat(n)),
    ("backslashes", |n| format!("title eq \"{}", "\\".repeat(n))),
    ("digits", |n| format!("title eq {}", "1".repeat(n))),
    ("exponent", |n| format!("badgeNumber eq 1e{}", "9".repeat(n))),
    ("two byte letters", |n| "é".repeat(n)),
    ("nul", |n| "\0".repeat(n)),
];

fn nested(n: usize, open: &str, inside: &str) -> String {
    format!("{}{inside}{}", open.repeat(n), ")".repeat(n))
}
