//! Requests made to hurt: lists of operations for a user or a group. `cargo xtask hostile` times them.

/// A request.
pub(crate) struct Request {
    pub(crate) name: &'static str,
    /// The operations of about so many repetitions, as JSON.
    pub(crate) operations: fn(usize) -> String,
    /// Whether it is for a group.
    pub(crate) group: bool,
    /// Whether it costs as much as the list and the request multiplied. `max_work` bounds that.
    pub(crate) product: bool,
}

impl Request {
    const fn user(name: &'static str, operations: fn(usize) -> String) -> Self {
        Self { name, operations, group: false, product: false }
    }

    const fn group(name: &'static str, operations: fn(usize) -> String) -> Self {
        Self { group: true, ..Self::user(name, operations) }
    }

    const fn product(self) -> Self {
        Self { product: true, ..self }
    }
}

pub(crate) const REQUESTS: &[Request] = &[
    Request::user("operations", |n| list(n, |_| r#"{"op": "remove", "path": "title"}"#.into())),
    Request::user("operations that add", |n| {
        list(n, |i| add("emails", &format!(r#"[{{"value": "{i}@x.org"}}]"#)))
    }),
    Request::user("operations that merge", |n| {
        list(n, |i| add("name", &format!(r#"{{"givenName": "{i}"}}"#)))
    }),
    Request::user("operations with filters", |n| {
        list(n, |i| replace(&format!("emails[value eq \\\"{i}\\\"].type"), "\"x\""))
    }),
    Request::user("values", |n| one(&add("emails", &list(n, |i| format!(r#"{{"value": "{i}@x.org"}}"#))))),
    Request::user("values without value", |n| {
        one(&add("addresses", &list(n, |i| format!(r#"{{"region": "r{i}"}}"#))))
    })
    .product(),
    Request::user("equal values", |n| one(&add("emails", &list(n, |_| r#"{"value": "a@x.org"}"#.into())))),
    Request::user("primary values", |n| {
        one(&add("emails", &list(n, |i| format!(r#"{{"value": "{i}", "primary": true}}"#))))
    }),
    Request::user("unknown attributes", |n| one(&add_all(&object(n, |i| format!(r#""unknown{i}": 1"#))))),
    Request::user("unknown sub-attributes", |n| {
        one(&add("name", &object(n, |i| format!(r#""unknown{i}": 1"#))))
    }),
    Request::user("unknown extensions", |n| {
        one(&add_all(&object(n, |i| format!(r#""urn:example:e{i}": {{"a": 1}}"#))))
    }),
    Request::user("unknown members of an operation", |n| {
        format!("[{}]", object(n, |i| format!(r#""x{i}": 1"#)))
    }),
    Request::user("keys with filters", |n| {
        one(&add_all(&object(n, |i| format!(r#""emails[type eq \"t{i}\"].value": "v{i}""#))))
    })
    .product(),
    Request::user("dotted keys", |n| one(&add_all(&object(n, |i| format!(r#""name.unknown{i}": "v""#))))),
    Request::user("schemas", |n| one(&add("schemas", &list(n, |i| format!(r#""urn:example:e{i}""#))))),
    Request::user("dots in a path", |n| one(&replace(&format!("a{}", ".a".repeat(n)), "1"))),
    Request::user("brackets in a path", |n| one(&replace(&format!("emails{}", "[type".repeat(n)), "1"))),
    Request::user("parentheses in a path", |n| {
        one(&replace(&format!("emails[{}type pr{}]", "(".repeat(n), ")".repeat(n)), "1"))
    }),
    Request::user("negations in a path", |n| {
        one(&replace(&format!("emails[{}type pr{}]", "not (".repeat(n), ")".repeat(n)), "1"))
    }),
    Request::user("conditions in a path", |n| {
        one(&replace(&format!("emails[{}]", vec!["type pr"; n].join(" or ")), "1"))
    }),
    Request::user("a long value", |n| one(&replace("title", &format!("\"{}\"", "x".repeat(n))))),
    Request::user("a long value of escapes", |n| {
        one(&replace("title", &format!("\"{}\"", "\\u0301".repeat(n))))
    }),
    Request::user("a long user name", |n| one(&replace("userName", &format!("\"{}\"", "\u{301}".repeat(n))))),
    Request::group("members", |n| one(&add("members", &members(n)))),
    Request::group("members replaced", |n| one(&replace("members", &members(n)))),
    Request::group("members removed by list", |n| {
        one(&format!(r#"{{"op": "remove", "path": "members", "value": {}}}"#, members(n)))
    }),
    Request::group("members removed one by one", |n| {
        list(n, |i| remove(&format!("members[value eq \\\"m{i}\\\"]")))
    }),
    Request::group("members removed by name", |n| {
        list(n, |i| remove(&format!("members[display co \\\"{i}\\\"]")))
    })
    .product(),
    Request::group("members added and removed", |n| {
        list(n, |i| match i % 2 {
            0 => add("members", &format!(r#"[{{"value": "m{i}"}}]"#)),
            _ => remove(&format!("members[value eq \\\"m{}\\\"]", i - 1)),
        })
    }),
    Request::group("members cleared and added", |n| {
        list(n, |i| match i % 2 {
            0 => remove("members"),
            _ => add("members", &format!(r#"[{{"value": "m{i}"}}]"#)),
        })
    }),
];

/// Members `m0`, `m1`, and so on, as JSON.
pub(crate) fn members(n: usize) -> String {
    list(n, |i| format!(r#"{{"value": "m{i}", "type": "User"}}"#))
}

fn list(n: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..n).map(item).collect::<Vec<_>>().join(","))
}

fn object(n: usize, member: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", (0..n).map(member).collect::<Vec<_>>().join(","))
}

fn one(operation: &str) -> String {
    format!("[{operation}]")
}

fn add(path: &str, value: &str) -> String {
    format!(r#"{{"op": "add", "path": "{path}", "value": {value}}}"#)
}

fn add_all(value: &str) -> String {
    format!(r#"{{"op": "add", "value": {value}}}"#)
}

fn replace(path: &str, value: &str) -> String {
    format!(r#"{{"op": "replace", "path": "{path}", "value": {value}}}"#)
}

fn remove(path: &str) -> String {
    format!(r#"{{"op": "remove", "path": "{path}"}}"#)
}
