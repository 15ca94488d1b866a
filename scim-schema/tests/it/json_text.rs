//! Values written as JSON text: what serde_json writes is the model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use scim_schema::{JsonLimits, Value, parse_json, plain_length, write_json};
use serde::Serialize;

/// One of each kind of thing that serde knows.
#[derive(Debug, Serialize)]
struct Everything {
    flag: bool,
    small: (i8, u8, i16, u16, i32, u32),
    large: (i64, u64, i128, u128),
    floats: [f64; 6],
    narrow: f32,
    letter: char,
    escaped: &'static str,
    nothing: Option<u8>,
    something: Option<&'static str>,
    unit: (),
    marker: Marker,
    wrapped: Wrapped,
    pair: Pair,
    kinds: Vec<Kind>,
    names: BTreeMap<String, Vec<u8>>,
    empty: BTreeMap<String, u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Marker;

#[derive(Debug, Serialize)]
struct Wrapped(u8);

#[derive(Debug, Serialize)]
struct Pair(u8, String);

#[derive(Debug, Serialize)]
enum Kind {
    Bare,
    One(u8),
    Two(u8, u8),
    Named { first: u8, second: Option<u8> },
}

#[test]
fn every_kind_of_value_is_written_as_serde_json_does() {
    let everything = Everything {
        flag: true,
        small: (i8::MIN, u8::MAX, i16::MIN, u16::MAX, i32::MIN, u32::MAX),
        large: (i64::MIN, u64::MAX, i128::MIN, u128::MAX),
        floats: [0.1, -0.0, 1.0, 1e300, f64::MIN_POSITIVE, f64::NAN],
        narrow: 0.1,
        letter: '"',
        escaped: "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}\u{2028}é😀",
        nothing: None,
        something: Some(""),
        unit: (),
        marker: Marker,
        wrapped: Wrapped(1),
        pair: Pair(1, "two".to_owned()),
        kinds: vec![Kind::Bare, Kind::One(1), Kind::Two(1, 2), Kind::Named { first: 1, second: None }],
        names: BTreeMap::from([("a \"name\"".to_owned(), vec![1, 2]), (String::new(), vec![])]),
        empty: BTreeMap::new(),
        left_out: None,
    };
    assert_eq!(write_json(&everything).unwrap(), serde_json::to_string(&everything).unwrap());
}

#[test]
fn a_map_whose_names_are_no_strings_is_refused() {
    let error = write_json(&BTreeMap::from([([1], 2)])).unwrap_err();
    assert_eq!(error.to_string(), "the name of a member must be a string");
}

#[test]
fn what_needs_an_escape_is_found_at_every_place() {
    for length in 0..40 {
        for place in 0..length {
            for special in ['"', '\\', '\n', '\u{1f}'] {
                let mut text: Vec<char> = vec!['a'; length];
                text[place] = special;
                let text: String = text.into_iter().collect();
                assert_eq!(plain_length(&text, 0), place, "{text:?}");
                assert_eq!(plain_length(&text, place), 0, "{text:?}");
                assert_eq!(plain_length(&text, place + 1), length - place - 1, "{text:?}");
                assert_eq!(write_json(&text).unwrap(), serde_json::to_string(&text).unwrap());
            }
        }
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![any::<String>(), "[a-z\"\\\\\n\u{1}é]{0,24}"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(text.clone(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_written_as_serde_json_does_and_read_again(json in json()) {
        let value = Value::from(json.clone());
        let text = write_json(&value).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&value).unwrap());
        prop_assert_eq!(parse_json(text.as_bytes(), JsonLimits::default()).unwrap(), value);
    }
}
