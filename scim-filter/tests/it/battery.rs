//! Filters that other implementations get wrong, over two users; and forms that identity providers send.

use scim_filter::{Filter, MatchOptions, Matcher, Options};
use scim_schema::{Registry, Resource};

use crate::world::resource;

fn users() -> [Resource; 2] {
    [
        resource(
            r#"{"userName": "Bjensen", "active": true, "name": {"familyName": "J"},
                "emails": [{"value": "a@x.com", "type": "work"}, {"value": "b@y.com", "type": "home"}],
                "meta": {"lastModified": "2020-01-01T00:00:00Z"}}"#,
        ),
        resource(
            r#"{"userName": "other", "active": false, "title": "", "emails": [],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Eng"},
                "meta": {"lastModified": "2021-01-01T00:00:00+02:00"}}"#,
        ),
    ]
}

fn matching(filter: &str) -> Vec<usize> {
    let filter = Filter::parse(filter).unwrap();
    let registry = Registry::standard();
    let user = registry.resource_type("User").unwrap();
    let matcher = Matcher::new(&filter, [user], &MatchOptions::default()).unwrap();
    let users = users();
    let found = users.iter().enumerate().filter(|(_, u)| matcher.matches("User", u));
    found.map(|(i, _)| i + 1).collect()
}

#[test]
fn filters_that_others_get_wrong() {
    let none: [usize; 0] = [];
    assert_eq!(matching(r#"userName eq "bjensen""#), [1]);
    assert_eq!(matching(r#"emails[type eq "work" and value ew "y.com"]"#), none);
    assert_eq!(matching(r#"emails.type eq "work""#), [1]);
    assert_eq!(matching(r#"emails co "x.com""#), [1]);
    assert_eq!(matching("emails pr"), [1]);
    assert_eq!(matching("title pr"), none);
    assert_eq!(matching(r#"meta.lastModified gt "2020-12-31T22:30:00Z""#), none);
    assert_eq!(matching(r#"meta.lastModified gt "2020-12-31T21:30:00Z""#), [2]);
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    assert_eq!(matching(&format!(r#"{department} eq "eng""#)), [2]);
    assert_eq!(matching(r#"userName eq "a\"b""#), none);
    assert_eq!(matching(r#"nickName ne "x""#), [1, 2]);
    assert_eq!(matching("nickName eq null"), [1, 2]);
    // Ledger choice `ne-multivalued`: one value that differs is enough, and so is none at all.
    assert_eq!(matching(r#"emails.value ne "a@x.com""#), [1, 2]);
    assert_eq!(matching(r#"not (emails.value eq "a@x.com")"#), [2]);
    // A word of the grammar as a value, and as the name of an attribute.
    assert_eq!(matching(r#"name.familyName eq "or" or userName eq "OTHER""#), [2]);
    // A dot and a bracket inside a string are no part of the path.
    assert_eq!(matching(r#"emails[value eq "a.b@c.d]"]"#), none);
}

#[test]
fn entra_puts_a_sub_attribute_behind_the_brackets() {
    assert_eq!(matching(r#"emails[type eq "work"].value co "x""#), [1]);
    assert_eq!(matching(r#"emails[type eq "work"].value eq "b@y.com""#), [0; 0]);
    assert_eq!(matching(r#"emails[type eq "home"].value pr and active eq true"#), [1]);
    for operator in ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
        let text = format!(r#"emails[type eq "a" or type eq "b"].value {operator} "x""#);
        let expected =
            format!(r#"(match emails (and (or (eq type "a") (eq type "b")) ({operator} value "x")))"#);
        assert_eq!(Filter::parse(&text).unwrap().to_s_expression(), expected);
        assert!(Filter::parse_with(&text, &Options::strict()).is_err());
    }
    for text in [
        r#"emails[type eq "work"]."#,
        r#"emails[type eq "work"].value"#,
        r#"emails[type eq "work"].value.x eq "x""#,
        r#"emails[type eq "work"].value[type pr]"#,
        r#"emails[type eq "work"] .value eq "x""#,
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
    let dialect = scim_schema::Dialect::strict();
    assert_eq!(Options::from(&dialect), Options::strict());
    assert_eq!(Options::from(&scim_schema::Dialect::default()), Options::default());
}
