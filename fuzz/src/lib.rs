//! The bodies of the fuzz targets: plain functions that panic where a promise is broken.
//!
//! ```
//! scim_fuzz::filter_parse(b"emails[type eq \"work\"] and active eq true");
//! ```
#![forbid(unsafe_code)]

mod router;

use std::sync::LazyLock;

use scim_filter::{Filter, Limits, MatchOptions, Matcher, Options, Path};
use scim_patch::{PatchOptions, Plan};
use scim_schema::{
    Dialect, Intent, JsonLimits, Object, ReadOptions, Registry, Report, Resource, ResourceType, Value,
    parse_json, read,
};

pub use router::router;

/// Error messages are for people and logs, and hold no input.
const LONGEST_MESSAGE: usize = 300;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

static USER: LazyLock<Resource> = LazyLock::new(|| {
    let json = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"], "id": "1", "userName": "bjensen",
        "externalId": "55", "name": {"givenName": "Barbara", "familyName": "J\u00e9nsen"}, "active": true, "title": "",
        "emails": [{"value": "b@example.com", "type": "work", "primary": true}, {"value": "b@example.org"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "2"}},
        "meta": {"resourceType": "User", "created": "2024-02-29T12:00:00Z", "version": "W/\"1\""}}"#;
    Resource::from_canonical(serde_json::from_str(json).expect("a user"))
});

fn resource_type(name: &str) -> &'static ResourceType {
    REGISTRY.resource_type(name).expect("a standard resource type")
}

/// A filter prints as one that parses to the same tree; an error points into the text; what the RFC's
/// grammar accepts, the default grammar accepts too, with the same meaning.
pub fn filter_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let strict = Filter::parse_with(text, &Options::strict());
    let default = Filter::parse(text);
    if let Ok(strict) = &strict {
        assert_eq!(Some(strict), default.as_ref().ok(), "strict accepts what default does not");
    }
    match default {
        Ok(filter) => {
            // Escapes may make the canonical text longer than the original.
            let wide =
                Limits { length: 8 * text.len() + 1024, literal: 8 * text.len() + 1024, ..Limits::default() };
            let options = Options { limits: wide, ..Options::strict() };
            let printed = filter.to_string();
            let again = Filter::parse_with(&printed, &options).expect("canonical text parses").into_owned();
            let filter = filter.into_owned();
            assert_eq!(filter, again);
            assert_eq!(printed, again.to_string());
            assert!(filter.post_order().len() > 0);
            assert_eq!(filter.to_s_expression(), again.to_s_expression());
        }
        Err(error) => {
            let span = error.span();
            assert!(span.start <= span.end && span.end <= text.len(), "{span:?} is outside of the text");
            assert!(
                text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
                "{span:?} splits a character"
            );
            assert!(error.to_string().len() <= LONGEST_MESSAGE);
            assert!(error.with_caret(text).contains('\n'));
        }
    }
}

/// A filter that can be typed decides: what it says of a resource is the opposite of what its negation says, and its
/// canonical text says the same.
pub fn filter_match(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let typed = |filter: &Filter<'_>| Matcher::new(filter, [resource_type("User")], &MatchOptions::default());
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
}

/// A PATCH path prints as one that parses to the same; resolving it against a resource type does not panic.
pub fn patch_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Path::parse(text) {
        Ok(path) => {
            let printed = path.to_string();
            let path = path.into_owned();
            if printed.len() <= Path::MAX_LENGTH {
                let again = Path::parse(&printed).expect("canonical text parses");
                assert_eq!(path, again.into_owned());
            }
            for name in ["User", "Group"] {
                let _ = resource_type(name).resolve(&path.attribute_path());
            }
        }
        Err(error) => assert!(error.to_string().len() <= LONGEST_MESSAGE),
    }
}

/// A PATCH that is accepted leaves a valid resource, or the very same one and no changes; one that is refused says so in
/// few words. The input is the list of operations.
pub fn patch_apply(data: &[u8]) {
    let Ok(operations) = parse_json(data, JsonLimits::default()) else { return };
    let mut body = Object::default();
    body.insert("schemas", Value::Array(vec![scim_patch::PATCH_OP.into()]));
    body.insert("Operations", operations);
    let body = Value::Object(body);
    for dialect in [Dialect::strict(), Dialect::default()] {
        let options = PatchOptions::new(&dialect);
        let user = resource_type("User");
        let mut report = Report::default();
        let outcome = Plan::new(body.clone(), user, &options, &mut report)
            .and_then(|plan| plan.apply(&USER, &mut report));
        match outcome {
            Ok(outcome) if outcome.changed => {
                let after = Value::Object(outcome.resource.into_attributes());
                read(after, user, Intent::Create, &ReadOptions::new(&dialect), &mut report)
                    .expect("a valid resource stays valid");
            }
            Ok(outcome) => {
                assert_eq!(outcome.changes, []);
                assert_eq!(outcome.resource, *USER);
            }
            Err(error) => assert!(error.reason().len() <= LONGEST_MESSAGE),
        }
    }
}

/// JSON survives a round trip; what is accepted as a resource is canonical: reading it again changes nothing.
pub fn resource_json(data: &[u8]) {
    let value = match parse_json(data, JsonLimits::default()) {
        Ok(value) => value,
        Err(error) => {
            assert!(error.to_string().len() <= LONGEST_MESSAGE);
            return;
        }
    };
    let written = serde_json::to_vec(&value).expect("a value can be written");
    assert_eq!(value, parse_json(&written, JsonLimits::default()).expect("what was written can be read"));
    serde_json::from_slice::<serde_json::Value>(data).expect("we accept no more than JSON");

    for dialect in [Dialect::strict(), Dialect::default()] {
        for name in ["User", "Group"] {
            let read_as = |value: Value| {
                let options = ReadOptions::new(&dialect);
                read(value, resource_type(name), Intent::Create, &options, &mut Report::default())
            };
            match read_as(value.clone()) {
                Ok(resource) => {
                    let canonical = Value::Object(resource.attributes().clone());
                    let again = read_as(canonical.clone()).expect("a canonical resource is valid");
                    assert_eq!(canonical, Value::Object(again.into_attributes()));
                }
                Err(violation) => assert!(violation.reason().len() <= LONGEST_MESSAGE),
            }
        }
    }
}
