//! What is given twice: names in JSON text, spellings of a name, values of a list.

use std::time::{Duration, Instant};

use scim_schema::{Dialect, JsonLimits, ReadOptions, ViolationKind, parse_json};
use serde_json::json;

use crate::support::{create, thing, user, value};

/// An object with the names `a0`, `a1` and so on, and one more name.
fn object(count: usize, more: &str) -> String {
    let members: Vec<String> = (0..count).map(|n| format!("\"a{n}\":{n}")).collect();
    format!("{{{},\"{more}\":0}}", members.join(","))
}

#[test]
fn a_name_that_an_object_has_twice_is_found_at_any_size_and_place() {
    for count in 1..100 {
        let limits = JsonLimits::default();
        assert!(parse_json(object(count, "other").as_bytes(), limits).is_ok(), "{count}");
        for twice in [0, count / 2, count - 1] {
            let text = object(count, &format!("a{twice}"));
            let error = parse_json(text.as_bytes(), limits).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the body is not valid JSON: an object has one name twice",
                "{text}"
            );
            // The same name in another object is another member.
            let nested = format!("{{\"x\":{},\"a{twice}\":{}}}", object(count, "b"), object(count, "b"));
            assert!(parse_json(nested.as_bytes(), limits).is_ok(), "{nested}");
        }
    }
}

#[test]
fn two_spellings_of_a_sub_attribute_are_refused_at_any_place_in_the_schema() {
    let subs: Vec<_> = (0..100).map(|n| json!({"name": format!("s{n}")})).collect();
    let wide = thing(json!([{"name": "c", "type": "complex", "subAttributes": subs}]));
    let dialect = Dialect::default();
    let options = ReadOptions::new(&dialect);
    for n in [0, 1, 63, 64, 65, 99] {
        let once = json!({"c": {format!("S{n}"): "x", format!("s{}", (n + 1) % 100): "y"}});
        let read = create(once, &wide, &options).unwrap();
        assert_eq!(read.get("c").unwrap().get(&format!("s{n}")), Some(&value(json!("x"))));
        // An unassigned value is a mention of the name too.
        for first in [json!("x"), json!(null)] {
            let twice = json!({"c": {format!("S{n}"): first, format!("s{n}"): "y"}});
            let error = create(twice, &wide, &options).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ViolationKind::InvalidSyntax, &*format!("c.s{n}")));
        }
    }
}

#[test]
fn equal_values_are_kept_once_in_short_and_long_lists() {
    let addresses = |n: usize| json!({"locality": if n.is_multiple_of(2) { "A" } else { "B" }, "country": format!("C{n}")});
    let dialect = Dialect::default();
    for count in [2, 15, 16, 17, 40] {
        let emails: Vec<_> = (0..count).map(|n| json!({"value": format!("{n}@x"), "type": "work"})).collect();
        let others: Vec<_> = (0..count).map(addresses).collect();
        let mut more = emails.clone();
        more.insert(1, json!({"type": "WORK", "value": "0@X"}));
        more.push(json!({"value": "0@x"}));
        let mut again = others.clone();
        again.push(json!({"country": "C0", "locality": "A"}));
        let body = json!({"userName": "u", "emails": more, "addresses": again});
        let read = create(body, &user(), &ReadOptions::new(&dialect)).unwrap();
        let mut expected = emails;
        expected.push(json!({"value": "0@x"}));
        assert_eq!(read.get("emails"), Some(&value(json!(expected))), "another type is another value");
        assert_eq!(read.get("addresses"), Some(&value(json!(others))));
    }
}

/// Entra ID's JSON text inside `value`, beside members that no schema has and another spelling of one that it has.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test tells an answer from a hang")]
fn an_unwrapped_value_takes_linear_time_and_hides_no_second_spelling() {
    let body = |more: usize| {
        let mut role = json!({"value": r#"{"value": "admin", "displayName": "Administrator"}"#, "type": "a"});
        for n in 0..more {
            role[format!("n{n}")] = json!(0);
        }
        json!({"userName": "u", "roles": [role]})
    };
    let dialect = Dialect::default();
    let options = ReadOptions::new(&dialect);
    let started = Instant::now();
    let read = create(body(150_000), &user(), &options).unwrap();
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
    let expected = json!([{"value": "admin", "display": "Administrator", "type": "a"}]);
    assert_eq!(read.get("roles"), Some(&value(expected)));

    let mut twice = body(0);
    twice["roles"][0]["TYPE"] = json!("b");
    assert_eq!(create(twice, &user(), &options).unwrap_err().path(), "roles.type");
}
