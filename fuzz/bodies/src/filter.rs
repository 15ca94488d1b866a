//! Filters: parsing, and matching a resource.

use scim_conformance::naive;
use scim_filter::{
    Comparand, Filter, Limits, MatchOptions, Matcher, Options, ParseError, ParseErrorKind, TypedExpr,
};
use scim_schema::{DateTime, Resource};

use crate::{LONGEST_MESSAGE, USER, check_place, resource_type};

/// Limits that a short text can meet.
const TIGHT: Limits = Limits { length: 64, depth: 3, nodes: 6, literal: 8 };

/// A filter prints as one that parses to the same tree; an error points into the text; what the RFC's
/// grammar accepts, the default grammar accepts too, with the same meaning; a text is refused by a limit
/// exactly if it costs more than that limit.
pub fn filter_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let strict = Filter::parse_with(text, &Options::strict());
    let default = Filter::parse(text);
    if let Ok(strict) = &strict {
        assert_eq!(Some(strict), default.as_ref().ok(), "strict accepts what default does not");
    }
    check_naive(text, &default);
    // Escapes may make the canonical text longer than the original, by less than this.
    let wide = 8 * text.len() + 1024;
    let wide = Limits { length: wide, depth: wide, nodes: wide, literal: wide };
    match Filter::parse_with(text, &with(wide)) {
        Ok(filter) => {
            let cost = Cost::of(text, &filter);
            for limits in [Limits::default(), TIGHT] {
                match Filter::parse_with(text, &with(limits)) {
                    Ok(limited) => {
                        assert!(cost.is_within(&limits), "{cost:?} is more than {limits:?}");
                        assert_eq!(limited, filter);
                    }
                    Err(error) => {
                        assert!(!cost.is_within(&limits), "{cost:?}: {error}");
                        assert!(matches!(error.kind(), ParseErrorKind::Limit { .. }), "{error}");
                        check_error(text, &error, &limits);
                    }
                }
            }
            let printed = filter.to_string();
            let again = Filter::parse_with(&printed, &Options { limits: wide, ..Options::strict() })
                .expect("canonical text parses")
                .into_owned();
            let filter = filter.into_owned();
            assert_eq!(filter, again);
            assert_eq!(printed, again.to_string());
            assert_eq!(filter.to_s_expression(), again.to_s_expression());
        }
        Err(error) => {
            check_error(text, &error, &wide);
            let refused = default.expect_err("more room does not make a filter worse");
            check_error(text, &refused, &Limits::default());
            let limit = matches!(refused.kind(), ParseErrorKind::Limit { .. });
            assert!(limit || refused == error, "{refused} is not {error}");
        }
    }
}

/// The naive parser, which has no limits, says the same of a text that keeps within them.
fn check_naive(text: &str, parsed: &Result<Filter<'_>, ParseError>) {
    match parsed {
        Ok(filter) => {
            let naive = naive::parse(text, true).map(|naive| naive.to_s_expression());
            assert_eq!(naive.ok(), Some(filter.to_s_expression()), "the naive parser reads it otherwise");
        }
        Err(error) if matches!(error.kind(), ParseErrorKind::Limit { .. }) => {}
        Err(error) => assert!(naive::parse(text, true).is_err(), "the naive parser accepts it: {error}"),
    }
}

fn with(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

/// An error points at whole characters of the text, says little, and names the limit that was hit.
fn check_error(text: &str, error: &ParseError, limits: &Limits) {
    check_place(text, error.span(), error);
    assert_eq!(error.with_caret(text).matches('\n').count(), 1);
    if let ParseErrorKind::Limit { limit, value } = error.kind() {
        let expected = match *limit {
            "length" => limits.length,
            "depth" => limits.depth,
            "nodes" => limits.nodes,
            "literal" => limits.literal,
            other => panic!("there is no limit '{other}'"),
        };
        assert_eq!(*value, expected);
        assert!(error.to_string().contains(&format!(" {expected} ")), "{error}");
    }
}

/// What a well-formed text costs, counted without the parser.
#[derive(Debug, Default)]
struct Cost {
    length: usize,
    depth: usize,
    nodes: usize,
    literal: usize,
}

impl Cost {
    fn of(text: &str, filter: &Filter<'_>) -> Self {
        let mut cost = Self { length: text.len(), nodes: filter.post_order().len(), ..Self::default() };
        let mut open = 0_usize;
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            let (length, literal) = match first {
                b'"' => {
                    let length = string_length(rest);
                    (length, length - 2)
                }
                b'(' | b'[' => {
                    open += 1;
                    (1, 0)
                }
                b')' | b']' => {
                    open -= 1;
                    (1, 0)
                }
                b' ' => (1, 0),
                _ => {
                    // A URN may have parentheses in it.
                    let is_urn = rest.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"));
                    let ends: &[char] = if is_urn { &[' ', '['] } else { &[' ', '"', '(', ')', '[', ']'] };
                    let length = rest.find(ends).unwrap_or(rest.len());
                    let is_number = first.is_ascii_digit() || first == b'-';
                    (length, if is_number { length } else { 0 })
                }
            };
            cost.literal = cost.literal.max(literal);
            cost.depth = cost.depth.max(open);
            rest = rest.get(length..).expect("tokens end between characters");
        }
        cost
    }

    fn is_within(&self, limits: &Limits) -> bool {
        self.length <= limits.length
            && self.depth <= limits.depth
            && self.nodes <= limits.nodes
            && self.literal <= limits.literal
    }
}

/// The length of the string that the text begins with, quotation marks included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.expect("a string has an end") + 2
}

/// A filter that can be typed decides: what it says of a resource is the opposite of what its negation says, and its
/// canonical text says the same. Attributes that it does not use do not matter, and what is necessary for a match
/// holds for a match.
pub fn filter_match(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let matcher = match typed(&filter) {
        Ok(matcher) => matcher,
        Err(error) => {
            assert!(error.to_string().len() <= LONGEST_MESSAGE);
            return;
        }
    };
    let answer = matcher.matches("User", &USER);
    let printed = filter.to_string();
    for (text, expected) in [(printed.clone(), answer), (format!("not ({printed})"), !answer)] {
        // Longer than the original, it may meet a limit.
        let Ok(again) = Filter::parse(&text) else { continue };
        let again = typed(&again).expect("the same filter can be typed again");
        assert_eq!(again.matches("User", &USER), expected);
    }
    assert!(!matcher.matches("Group", &USER), "the filter was not typed for groups");

    let mut attributes = USER.attributes().clone();
    attributes.retain(|name, value| match value.as_object().filter(|_| name.starts_with("urn:")) {
        Some(extension) => extension.keys().any(|inner| matcher.uses(&format!("{name}:{inner}"))),
        None => matcher.uses(name),
    });
    let used = Resource::from_canonical(attributes);
    assert_eq!(matcher.matches("User", &used), answer, "an attribute matters that is not used");

    // The typed tree says the same. Its text may be longer than the original, and meet a limit.
    if let Some(text) = rebuilt(&matcher)
        && let Ok(again) = Filter::parse(&text)
    {
        let again = typed(&again).expect("a filter on the same attributes");
        assert_eq!(again.matches("User", &USER), answer, "{text}");
    }
}

/// A filter with the meaning of the typed tree; `None` where a number of it was too long to be kept.
fn rebuilt(matcher: &Matcher) -> Option<String> {
    let mut stack: Vec<String> = Vec::new();
    let pop = |stack: &mut Vec<String>| stack.pop().expect("children come before parents");
    for visit in matcher.post_order("User") {
        let name = |path: scim_schema::AttributePath<'_>| match visit.within {
            Some(_) => path.sub.unwrap_or("value").to_owned(),
            None => path.to_string(),
        };
        let text = match visit.expr {
            TypedExpr::And | TypedExpr::Or => {
                let (right, left) = (pop(&mut stack), pop(&mut stack));
                format!("({left} {} {right})", if visit.expr == TypedExpr::And { "and" } else { "or" })
            }
            TypedExpr::Not => format!("not ({})", pop(&mut stack)),
            TypedExpr::Constant(true) => "nothing eq null".to_owned(),
            TypedExpr::Constant(false) => "nothing pr".to_owned(),
            TypedExpr::ValuePath(path) => format!("{path}[{}]", pop(&mut stack)),
            TypedExpr::Present(path) => format!("{} pr", name(path)),
            TypedExpr::Extension(urn) => format!("{urn} pr"),
            TypedExpr::Compare { path, operator, value } => {
                let value = match value {
                    Comparand::Null => "null".to_owned(),
                    Comparand::Text { key, .. } => serde_json::to_string(key).expect("a string is JSON"),
                    Comparand::Bool { value, .. } => value.to_string(),
                    Comparand::Number { nearest, exact: true } => nearest.to_string(),
                    Comparand::Number { .. } => return None,
                    Comparand::Instant(value) if value == DateTime::from_unix_micros(value.unix_micros()) => {
                        format!("\"{value}\"")
                    }
                    Comparand::Instant(_) => return None,
                    other => panic!("{other:?} is new"),
                };
                format!("{} {operator} {value}", name(path))
            }
            other => panic!("{other:?} is new"),
        };
        stack.push(text);
    }
    stack.pop()
}

fn typed(filter: &Filter<'_>) -> Result<Matcher, scim_filter::FilterError> {
    Matcher::new(filter, [resource_type("User")], &MatchOptions::default())
}
