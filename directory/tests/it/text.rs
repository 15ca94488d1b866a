//! The text of bodies.

use proptest::prelude::*;
use scim_directory::python_json;
use scim_schema::{Object, Value};

fn text(json: &str) -> String {
    python_json(&serde_json::from_str(json).unwrap())
}

// mission: M-16
#[test]
fn the_text_is_that_of_pythons_json_dumps() {
    // Each right-hand side was written by Python 3: json.dumps(json.loads(left)).
    for (input, expected) in [
        ("{}", "{}"),
        ("[]", "[]"),
        (r#"{"b":[1,{"a":null}],"a":true,"c":[]}"#, r#"{"b": [1, {"a": null}], "a": true, "c": []}"#),
        (r#""Zoë""#, r#""Zo\u00eb""#),
        (r#""🙂 \u007f \/""#, r#""\ud83d\ude42 \u007f /""#),
        (r#""\b\f\n\r\t\u0000\u001f\"\\""#, r#""\b\f\n\r\t\u0000\u001f\"\\""#),
        ("-0.0", "-0.0"),
        ("1.0", "1.0"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("123456789012345680", "123456789012345680"),
        ("12345678901234567890123.0", "1.2345678901234568e+22"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.5e-7", "1.5e-07"),
        ("1e300", "1e+300"),
        ("-18446744073709551615.5", "-1.8446744073709552e+19"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        assert_eq!(text(input), expected, "{input}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| serde_json::Number::from_f64(f).map(Value::Number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Object>())),
        ]
    })
}

proptest! {
    // mission: M-16
    #[test]
    fn the_text_is_ascii_and_reads_back_the_same(value in value()) {
        let text = python_json(&value);
        prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let back: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(python_json(&back), text);
    }
}
