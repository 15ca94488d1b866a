//! The data types of RFC 7643 §2.3, value by value.

use scim_schema::{DateTime, Dialect, Leniency, ReadOptions, Report, coerce, is_uri};
use serde_json::json;

use crate::support::{create, located, one, refuses, schema_of, takes, thing, user, value};

fn attribute(kind: &str) -> scim_schema::Attribute {
    schema_of(json!([{"name": "a", "type": kind}])).unwrap().attributes()[0].clone()
}

// ledger: 7643-2.3.2-001
#[test]
fn booleans_are_true_and_false() {
    let boolean = attribute("boolean");
    takes(&boolean, json!(true));
    takes(&boolean, json!(false));
    for other in [json!("yes"), json!(1), json!(0), json!("1"), json!(""), json!([true]), json!({"a": true})]
    {
        refuses(&boolean, other);
    }
    assert_eq!(one(&boolean, json!("True")), Ok(Some(value(json!(true)))), "choice boolean-string");
}

// ledger: 7643-2.3.3-001
#[test]
fn decimals_are_numbers() {
    let decimal = attribute("decimal");
    for number in [json!(3.15), json!(-0.5), json!(7), json!(0)] {
        takes(&decimal, number);
    }
    for other in [json!("3.15"), json!(true), json!([3.15]), json!({})] {
        refuses(&decimal, other);
    }
    // JSON itself has no number without a digit on either side of the point.
    for text in [".5", "5.", "-.5", "1.e3"] {
        assert!(
            scim_schema::parse_json(text.as_bytes(), scim_schema::JsonLimits::default()).is_err(),
            "{text}"
        );
    }
}

// ledger: 7643-2.3.4-001
#[test]
fn integers_have_neither_fraction_nor_exponent() {
    let integer = attribute("integer");
    for number in [json!(-7), json!(0), json!(9_007_199_254_740_993_i64), json!(u64::MAX)] {
        takes(&integer, number);
    }
    let parsed = |text: &str| {
        let mut value = scim_schema::parse_json(text.as_bytes(), scim_schema::JsonLimits::default()).unwrap();
        let dialect = Dialect::default();
        coerce(&mut value, &located(&integer), false, &ReadOptions::new(&dialect), &mut Report::default())
    };
    for text in ["1.5", "1e3", "1E3", "1.0", "-2.0", "10e-1"] {
        assert!(parsed(text).is_err(), "{text}");
    }
    for other in [json!("7"), json!(true), json!(1e300)] {
        refuses(&integer, other);
    }
}

// ledger: 7643-2.3.5-001, 7643-2.3.5-002
#[test]
fn date_times_have_a_date_and_a_time() {
    let date_time = attribute("dateTime");
    for good in [
        "2008-01-23T04:56:22Z",
        "2011-05-13T04:42:34.123456789Z",
        "2011-05-13T04:42:34+02:00",
        "2011-05-13T04:42:34.5-11:30",
        "2011-05-13T04:42:34",
        "2011-12-31T24:00:00Z",
        "2012-02-29T00:00:00Z",
        "12011-05-13T04:42:34Z",
        "-0044-03-15T12:00:00Z",
    ] {
        takes(&date_time, json!(good));
    }
    for bad in [
        "2011-05-13",
        "04:42:34Z",
        "yesterday",
        "",
        "2011-05-13 04:42:34Z",
        "2011-05-13t04:42:34z",
        "2011-13-01T00:00:00Z",
        "2011-02-29T00:00:00Z",
        "2011-05-13T25:00:00Z",
        "2011-05-13T04:60:00Z",
        "2011-05-13T04:42Z",
        "2011-05-13T04:42:34.Z",
        "2011-05-13T04:42:34+15:00",
        "2011-05-13T04:42:34Z ",
        "11-05-13T04:42:34Z",
    ] {
        refuses(&date_time, json!(bad));
    }
    for number in [json!(1_305_261_754), json!(1.5), json!(true), json!(["2008-01-23T04:56:22Z"])] {
        refuses(&date_time, number);
    }
}

// ledger: 7643-2.3.5-003
#[test]
fn date_times_compare_by_instant() {
    let instant = |text: &str| DateTime::parse(text).unwrap();
    assert_eq!(instant("2011-05-13T04:42:34Z"), instant("2011-05-13T06:42:34.000+02:00"));
    assert_eq!(instant("2011-12-31T24:00:00Z"), instant("2012-01-01T00:00:00Z"));
    assert_eq!(instant("2011-05-13T04:42:34"), instant("2011-05-13T04:42:34Z"));
    assert!(instant("2011-05-13T23:00:00-02:00") > instant("2011-05-14T00:30:00Z"));
    assert!(instant("-0001-01-01T00:00:00Z") < instant("0001-01-01T00:00:00Z"));
}

#[test]
fn what_a_date_time_prints_is_read_as_the_same_instant() {
    for text in [
        "-0102-04-08T14:30:00Z",
        "-0001-01-01T00:00:00Z",
        "0000-02-29T23:59:59.999Z",
        "12011-05-13T04:42:34Z",
    ] {
        assert_eq!(DateTime::parse(text).unwrap().to_string(), text);
    }
}

// ledger: 7643-2.3.6-001, 7643-2.3.6-002
#[test]
fn binaries_are_base64_with_or_without_padding() {
    let binary = attribute("binary");
    for good in ["AQI=", "AQI", "AQ==", "AQ", "AQID", "+/+/", ""] {
        takes(&binary, json!(good));
    }
    for bad in ["***", "A", "AQI-", "_QI=", "AQ=", "A===", "AQ=I", "AQ I", "AQI=\n", "AQID="] {
        refuses(&binary, json!(bad));
    }
    refuses(&binary, json!([1, 2]));
    refuses(&binary, json!(12));
}

// ledger: 7643-2.3.7-001
#[test]
fn references_are_absolute_or_relative_uris() {
    let reference = attribute("reference");
    for good in [
        "https://example.com/p?a=b#c",
        "Users/1",
        "../Users/1",
        "/a",
        "urn:example:1",
        "mailto:a@b",
        "data:image/png;base64,AQ==",
        "https://例え.jp/",
        "a%20b",
    ] {
        takes(&reference, json!(good));
        assert!(is_uri(good));
    }
    for bad in ["::not a uri", "not a uri", "1a:b", "a%2", "a%zz", "<x>", "a\"b", "", ":x", "a\\b", "a\nb"] {
        refuses(&reference, json!(bad));
        assert!(!is_uri(bad), "{bad}");
    }
    refuses(&reference, json!(1));
}

// ledger: 7643-2.3.7-002
#[test]
fn references_to_resources_are_kept_relative_to_the_service_root() {
    let dialect = Dialect::strict();
    let options = ReadOptions { base: Some("https://h/t/1/v2"), ..ReadOptions::new(&dialect) };
    let group = scim_schema::Registry::standard();
    let members = group.resource_type("Group").unwrap().attribute("members").unwrap().clone();
    let stored = |reference: &str| {
        let mut read = value(json!([{"value": "9", "$ref": reference}]));
        assert!(coerce(&mut read, &located(&members), true, &options, &mut Report::default()).unwrap());
        read.elements()[0].get("$ref").unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(stored("https://h/t/1/v2/Users/9"), "Users/9");
    assert_eq!(stored("Users/9"), "Users/9");
    assert_eq!(stored("https://elsewhere/v2/Users/9"), "https://elsewhere/v2/Users/9");
    assert_eq!(stored("https://h/t/1/v22/Users/9"), "Users/9", "another version of the same service");
    assert_eq!(stored("https://h/t/12/v2/Users/9"), "https://h/t/12/v2/Users/9", "another service");
}

// ledger: 7643-2.4-005
#[test]
fn the_version_in_a_uri_does_not_make_another_resource() {
    let dialect = Dialect::strict();
    let members = scim_schema::Registry::standard();
    let members = members.resource_type("Group").unwrap().attribute("members").unwrap().clone();
    for base in ["https://h/v2", "https://h"] {
        let options = ReadOptions { base: Some(base), ..ReadOptions::new(&dialect) };
        for reference in ["https://h/Users/1", "https://h/v2/Users/1", "https://h/v1/Users/1"] {
            let mut read = value(json!([{"$ref": reference}]));
            assert!(coerce(&mut read, &located(&members), true, &options, &mut Report::default()).unwrap());
            assert_eq!(read, value(json!([{"$ref": "Users/1"}])), "{base} {reference}");
        }
    }
}

// ledger: 7643-2.3.1-001
#[test]
fn strings_are_unicode_and_kept_as_they_are() {
    let string = attribute("string");
    for text in ["", "𝔘𝔫𝔦", "e\u{301}", "\u{e9}", "שלום عربى", "a\nb\tc", "\u{200f}x", "👩‍👩‍👧"]
    {
        takes(&string, json!(text));
    }
    for other in [json!(1), json!(true), json!({"a": 1}), json!(["a"])] {
        refuses(&string, other);
    }
    refuses(&string, json!("nul \u{0} inside"));
    // An unpaired surrogate is no character.
    for text in [r#""\ud800""#, r#""\udc00x""#] {
        assert!(scim_schema::parse_json(text.as_bytes(), scim_schema::JsonLimits::default()).is_err());
    }
    assert!(scim_schema::parse_json(b"\"\xff\"", scim_schema::JsonLimits::default()).is_err());
}

// ledger: 7643-2.3.1-002, 7643-7-006, 7643-7-009
#[test]
fn canonical_values_bind_only_where_asked() {
    let user = user();
    let body = |kind: &str| {
        json!({"schemas": [scim_schema::USER], "userName": "b",
        "emails": [{"value": "b@example.com", "type": kind}]})
    };
    let dialect = Dialect::strict();
    let open = ReadOptions::new(&dialect);
    let kept = create(body("zz"), &user, &open).unwrap();
    assert_eq!(kept.get("emails").unwrap().elements()[0].get("type"), Some(&value(json!("zz"))));
    let kept = create(body("WORK"), &user, &open).unwrap();
    assert_eq!(kept.get("emails").unwrap().elements()[0].get("type"), Some(&value(json!("WORK"))));
    let closed = ReadOptions { enforce_canonical_values: true, ..ReadOptions::new(&dialect) };
    let error = create(body("zz"), &user, &closed).unwrap_err();
    assert_eq!((error.kind(), error.path()), (scim_schema::ViolationKind::InvalidValue, "emails.type"));
    assert!(create(body("work"), &user, &closed).is_ok());
    assert!(create(body("WORK"), &user, &closed).is_ok(), "the attribute is not case-exact");
}

// ledger: 7643-4.1.2-006
#[test]
fn country_codes_bind_only_where_asked() {
    let user = user();
    let body = |country: &str| {
        json!({"schemas": [scim_schema::USER], "userName": "b",
        "addresses": [{"country": country}]})
    };
    let dialect = Dialect::default();
    let lenient = ReadOptions::new(&dialect);
    let kept = create(body("USA"), &user, &lenient).unwrap();
    assert_eq!(kept.get("addresses"), Some(&value(json!([{"country": "USA"}]))));
    let strict = ReadOptions { enforce_country_codes: true, ..ReadOptions::new(&dialect) };
    let error = create(body("USA"), &user, &strict).unwrap_err();
    assert_eq!((error.kind(), error.path()), (scim_schema::ViolationKind::InvalidValue, "addresses.country"));
    for bad in ["us", "XX", "U", "UK", "A1"] {
        assert!(create(body(bad), &user, &strict).is_err(), "{bad}");
    }
    for good in ["US", "DE", "GB", "ZW", "AD"] {
        assert!(create(body(good), &user, &strict).is_ok(), "{good}");
    }
}

#[test]
fn providers_numbers_and_texts_are_coerced_and_counted() {
    let thing =
        thing(json!([{"name": "n", "type": "integer"}, {"name": "s"}, {"name": "d", "type": "decimal"}]));
    let dialect = Dialect::default();
    let mut report = Report::default();
    let body = value(json!({"n": "42", "s": 7, "d": "1.5"}));
    let read = scim_schema::read(
        body,
        &thing,
        scim_schema::Intent::Create,
        &ReadOptions::new(&dialect),
        &mut report,
    )
    .unwrap();
    assert_eq!(read.get("n"), Some(&value(json!(42))));
    assert_eq!(read.get("s"), Some(&value(json!("7"))));
    assert_eq!(read.get("d"), Some(&value(json!(1.5))));
    let coerced: Vec<_> =
        report.notes().iter().filter(|n| n.kind == Leniency::Coerced).map(|n| n.path.as_str()).collect();
    assert_eq!(coerced, ["d", "n", "s"], "in the order of the body");
}
