//! Filters of 64 KiB that are made to be expensive.

use scim_filter::{Filter, Limits, Options, ParseError};

/// How long the texts are, in bytes.
pub const LENGTH: usize = 64 * 1024;

/// Texts of about [`LENGTH`] bytes by what they repeat.
pub fn filters() -> Vec<(&'static str, String)> {
    let nested = |open: &str, close: &str| {
        let levels = LENGTH / (open.len() + close.len());
        format!("{}a pr{}", open.repeat(levels), close.repeat(levels))
    };
    let chain = |links: &[&str]| {
        let links = links.concat();
        format!("a pr{}", links.repeat(LENGTH / links.len()))
    };
    vec![
        ("parentheses", nested("(", ")")),
        ("parentheses_open", "(".repeat(LENGTH)),
        ("not", nested("not (", ")")),
        ("and", chain(&[" and a pr"])),
        ("or", chain(&[" or a pr"])),
        ("and_or", chain(&[" or a pr", " and a pr"])),
        ("value_paths", chain(&[" or a[b eq 1]"])),
        ("value_path_chain", format!("a[b pr{}]", " or b pr".repeat(LENGTH / 8))),
        ("spaces", format!("a{}pr", " ".repeat(LENGTH))),
        ("dots", format!("a{} pr", ".a".repeat(LENGTH / 2))),
        ("colons", format!("urn{}:a pr", ":a".repeat(LENGTH / 2))),
        ("name", format!("{} pr", "a".repeat(LENGTH))),
        ("string", format!("a eq \"{}\"", "a".repeat(LENGTH))),
        ("escapes", format!("a eq \"{}\"", "\\u0061".repeat(LENGTH / 6))),
        ("digits", format!("a eq {}", "1".repeat(LENGTH))),
        ("quotes", "\"".repeat(LENGTH)),
    ]
}

/// Parses under limits that let all of them through, so that it is not a limit that makes them cheap.
///
/// # Errors
/// Where the text is no filter.
pub fn parse(text: &str) -> Result<Filter<'_>, ParseError> {
    let no_limit = usize::MAX;
    let limits = Limits { length: no_limit, depth: no_limit, nodes: no_limit, literal: no_limit };
    Filter::parse_with(text, &Options { limits, ..Options::default() })
}
