//! PATCH paths.

use scim_filter::{Path, PathError};

#[derive(Debug, PartialEq)]
enum Fault {
    Path,
    Filter,
}

fn fault(text: &str) -> Fault {
    let error = Path::parse(text).expect_err(text);
    if error.is_filter() { Fault::Filter } else { Fault::Path }
}

#[test]
fn paths_are_split() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (text, attribute, filter) in [
        ("members", "members", None),
        ("name.givenName", "name.givenName", None),
        ("emails[type eq \"work\"]", "emails", Some("type eq \"work\"")),
        ("emails[ type eq\"work\" ].Value", "emails.Value", Some("type eq \"work\"")),
        ("members[value eq \"a].b[\"].$ref", "members.$ref", Some("value eq \"a].b[\"")),
        (
            "emails[not (type eq \"a\") and (value pr or primary eq true)]",
            "emails",
            Some("not (type eq \"a\") and (value pr or primary eq true)"),
        ),
        (&format!("{urn}:manager.value"), &format!("{urn}:manager.value"), None),
        (&format!("{urn}:devices[count gt 1].serial"), &format!("{urn}:devices.serial"), Some("count gt 1")),
        (urn, urn, None),
        ("urn:example:device:1.0", "urn:example:device:1.0", None),
    ] {
        let path = Path::parse(text).unwrap();
        assert_eq!(path.attribute_path().to_string(), attribute);
        assert_eq!(path.filter().map(ToString::to_string).as_deref(), filter);
        let printed = path.to_string();
        assert_eq!(Path::parse(&printed).unwrap(), path);
        assert_eq!(path.clone().into_owned(), path);
    }
    let path = Path::parse("emails[type eq \"work\"].value").unwrap();
    assert_eq!(path.attribute_path().sub, Some("value"));
}

#[test]
fn paths_are_equal_when_they_say_the_same() {
    let different = ["a", "b", "a.b", "urn:x:y:a", "a[b pr]", "a[c pr]", "a[b pr].c", "a[b pr].d", "c[b pr]"];
    for (left, one) in different.iter().enumerate() {
        for (right, other) in different.iter().enumerate() {
            assert_eq!(
                Path::parse(one).unwrap() == Path::parse(other).unwrap(),
                left == right,
                "{one} and {other}"
            );
        }
    }
    assert_eq!(Path::parse("a[b EQ\"\\u0041\"]").unwrap(), Path::parse("a[ (b eq \"A\") ]").unwrap());
}

// ledger: 7644-3.12-006
#[test]
fn faults_of_the_path_and_of_its_filter_are_told_apart() {
    for text in [
        "",
        " ",
        "emails ",
        "name.givenName.first",
        "emails[type eq \"work\"",
        "emails[type eq \"work",
        "emails[type",
        "emails[type eq \"a]\"",
        "emails]",
        "emails[type eq \"work\"].",
        "emails[type eq \"work\"].value.x",
        "emails[type eq \"work\"]value",
        "emails[type eq \"work\"][type pr]",
        "emails.value[type eq \"work\"]",
        "emails.",
        "[type pr]",
        "x:y",
    ] {
        assert_eq!(fault(text), Fault::Path, "{text}");
    }
    for text in [
        "emails[]",
        "emails[].value",
        "emails[ ]",
        "emails[type zz \"x\"]",
        "emails[type eq]",
        "emails[type eq x].value",
        "emails[(type pr].value",
        "emails[type pr)].value",
        "emails[type pr and].value",
        "emails[members[value pr]].value",
        "emails[type[x pr].y eq \"a\"].value",
    ] {
        assert_eq!(fault(text), Fault::Filter, "{text}");
    }
}

#[test]
fn long_paths_are_refused() {
    let longest = "a".repeat(Path::MAX_LENGTH);
    assert!(Path::parse(&longest).is_ok());
    let error = Path::parse(&format!("{longest}a")).unwrap_err();
    assert_eq!(error, PathError::TooLong { at: Path::MAX_LENGTH });
    assert_eq!(error.to_string(), "the path is longer than 1024 bytes, at byte 1024");
    let split = format!("{}é", "a".repeat(Path::MAX_LENGTH - 1));
    assert_eq!(Path::parse(&split).unwrap_err(), PathError::TooLong { at: Path::MAX_LENGTH - 1 });
}

#[test]
fn errors_say_where() {
    for (text, at) in [
        ("", 0),
        ("1emails", 0),
        ("emails ", 6),
        ("emails.value[type pr]", 12),
        ("emails[type pr", 6),
        ("emails[type pr].", 16),
        ("emails[type pr]x", 15),
        ("emails[type zz \"é\"]", 12),
    ] {
        assert_eq!(Path::parse(text).unwrap_err().span().start, at, "{text}");
    }
}
