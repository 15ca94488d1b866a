//! The least that can be done for the same answer.

use std::collections::HashSet;

use scim_schema::{Resource, Value};

use crate::fixtures::NEW_MEMBER;

/// Walks a filter and counts its tokens: names, operators and numbers, strings with their escapes,
/// parentheses and brackets. It keeps nothing, so no parser can be faster.
pub fn scan(filter: &str) -> usize {
    let bytes = filter.as_bytes();
    let mut tokens = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b' ' => continue,
            b'(' | b')' | b'[' | b']' => {}
            b'"' => at = string_end(bytes, at),
            _ => {
                while bytes.get(at).is_some_and(|byte| !ends_word(*byte)) {
                    at += 1;
                }
            }
        }
        tokens += 1;
    }
    tokens
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    at
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'(' | b')' | b'[' | b']' | b'"')
}

/// The filter of a fixture, written by hand for our resources.
pub fn predicate(id: &str) -> fn(&Resource) -> bool {
    match id {
        "f01_username_eq" => |user| is(user.get("userName"), "bjensen"),
        "f02_okta_probe" => |user| is(user.get("userName"), "bjensen@example.com"),
        "f03_entra_external" => |user| user.external_id() == Some("8aeafa6a-5d3e-4f0b-9c52-0c4f2d5b7e11"),
        "f04_present" => |user| user.get("title").is_some_and(|title| !text(title).is_empty()),
        "f05_subattr_co" => |user| {
            user.get("name").and_then(|name| name.get("familyName")).is_some_and(|n| contains(n, "o'malley"))
        },
        "f06_date_gt" => |user| meta(user, "lastModified") > "2011-05-13T04:42:34Z",
        "f07_and_or_group" => |user| {
            is(user.get("userType"), "employee")
                && (email_contains(user, "example.com") || email_contains(user, "example.org"))
        },
        "f08_not_group" => |user| {
            !(is(user.get("userType"), "employee")
                || email_contains(user, "example.com")
                || email_contains(user, "example.org"))
        },
        "f09_value_path" => work_email_at_example_com,
        "f10_value_path_or" => |user| {
            work_email_at_example_com(user)
                || any(user, "ims", |im| {
                    is(im.get("type"), "xmpp") && im.get("value").is_some_and(|v| contains(v, "@foo.com"))
                })
        },
        "f11_urn_path" => |user| {
            user.get("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
                .and_then(|extension| extension.get("employeeNumber"))
                .is_some_and(|number| text(number) == "701984")
        },
        "f12_long_nest" => |user| {
            user.get("active").and_then(Value::as_bool) == Some(true)
                && (is(user.get("userType"), "employee") || is(user.get("userType"), "contractor"))
                && !(user.get("title").is_some_and(|title| !text(title).is_empty())
                    && user.get("displayName").is_some_and(|n| begins(n, "test") || ends(n, "(bot)")))
                && any(user, "emails", |email| {
                    is(email.get("type"), "work")
                        && email
                            .get("value")
                            .is_some_and(|v| contains(v, "@example.com") || contains(v, "@example.org"))
                })
                && meta(user, "created") >= "2010-01-23T04:56:22Z"
                && user.get("userName").is_some_and(|name| begins(name, "b"))
        },
        other => panic!("no predicate for {other}"),
    }
}

/// An index of members: one comes and goes.
pub fn insert_and_remove(members: &mut HashSet<String>) -> bool {
    members.insert(NEW_MEMBER.to_owned()) && members.remove(NEW_MEMBER)
}

fn work_email_at_example_com(user: &Resource) -> bool {
    any(user, "emails", |email| {
        is(email.get("type"), "work") && email.get("value").is_some_and(|v| contains(v, "@example.com"))
    })
}

fn email_contains(user: &Resource, lower: &str) -> bool {
    any(user, "emails", |email| email.get("value").is_some_and(|value| contains(value, lower)))
}

fn any(user: &Resource, attribute: &str, test: impl Fn(&Value) -> bool) -> bool {
    user.get(attribute).is_some_and(|values| values.elements().iter().any(test))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An instant that the server wrote: always of one length and in UTC, so that texts compare like instants.
fn meta<'u>(user: &'u Resource, name: &str) -> &'u str {
    user.get("meta").and_then(|meta| meta.get(name)).map(text).unwrap_or_default()
}

fn is(value: Option<&Value>, lower: &str) -> bool {
    value.is_some_and(|value| text(value).eq_ignore_ascii_case(lower))
}

fn begins(value: &Value, lower: &str) -> bool {
    let (text, lower) = (text(value).as_bytes(), lower.as_bytes());
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

fn ends(value: &Value, lower: &str) -> bool {
    let (text, lower) = (text(value).as_bytes(), lower.as_bytes());
    let start = text.len().checked_sub(lower.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(lower))
}

fn contains(value: &Value, lower: &str) -> bool {
    let (text, lower) = (text(value).as_bytes(), lower.as_bytes());
    let first = lower.first().copied().unwrap_or_default();
    text.windows(lower.len())
        .any(|part| part[0].to_ascii_lowercase() == first && part.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_sees_every_token() {
        assert_eq!(scan(r#"userName eq "b \" (jensen)""#), 3);
        assert_eq!(scan(r#"not (a[b eq 1] or c.d pr)"#), 12);
        assert_eq!(scan(r#"a eq "never closed \"#), 3);
        assert_eq!(scan(""), 0);
    }

    #[test]
    fn the_predicates_find_the_right_users() {
        let users = crate::corpus::users(0..crate::corpus::USERS);
        for fixture in crate::fixtures::filters() {
            let predicate = predicate(&fixture.id);
            assert_eq!(users.iter().filter(|u| predicate(u)).count(), fixture.matches, "{}", fixture.id);
        }
    }
}
