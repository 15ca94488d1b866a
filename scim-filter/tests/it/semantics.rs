//! What filters mean, requirement by requirement.

use scim_filter::{
    Comparand, ElementMatcher, Filter, FilterErrorKind, MatchOptions, Matcher, Operator, TypedExpr,
};
use scim_schema::{Attribute, DateTime, Mutability, RegistryBuilder, Returned, Value};

use crate::world::{LAB, matches_user, matching, refusal, registry, resource, user};

// ledger: 7644-3.4.2.1-001, 7644-3.4.2.1-002, 7644-3.4.2.1-004
#[test]
fn a_root_query_covers_all_types_and_lacking_attributes_have_no_value() {
    assert_eq!(
        matching("displayName sw \"tour\" or userName eq \"temp4\"").unwrap(),
        ["temp4", "guides", "retired"]
    );
    assert_eq!(matching("members pr").unwrap(), ["guides"]);
    assert_eq!(matching("meta.resourceType eq \"Group\" and displayName pr").unwrap(), ["guides", "retired"]);
    assert_eq!(matching("members pr and userName pr").unwrap(), [""; 0]);
}

// ledger: 7644-3.4.2.2-003
#[test]
fn a_filter_has_an_attribute_an_operator_and_a_value() {
    for text in ["", "   ", "userName", "userName eq", "eq \"x\"", "\"x\" eq userName"] {
        assert!(matching(text).is_err(), "{text}");
    }
}

// ledger: 7644-3.4.2.2-004, 7643-2.1-003
#[test]
fn names_and_operators_are_matched_without_regard_to_case() {
    assert_eq!(matching("USERNAME EQ \"jsmith\" AND Active PR").unwrap(), ["jsmith"]);
    assert_eq!(matching("EMAILS[Type Eq \"home\" OR NOT (VALUE pR)]").unwrap(), ["babs"]);
}

// ledger: 7644-3.4.2.2-010
#[test]
fn booleans_and_binaries_have_no_order() {
    for operator in ["gt", "ge", "lt", "le"] {
        let kind = refusal(&format!("active {operator} true"));
        let operator = Operator::parse(operator).unwrap();
        assert_eq!(kind, FilterErrorKind::Operator { operator, kind: "boolean" });
        let kind = refusal(&format!("x509Certificates.value {operator} \"AA==\""));
        assert_eq!(kind, FilterErrorKind::Operator { operator, kind: "binary" });
    }
}

// ledger: 7644-3.4.2.2-012, 7644-3.4.2.2-013
#[test]
fn all_of_a_value_path_applies_to_one_value() {
    let user = r#"{"emails": [{"type": "work", "value": "a@a"}, {"type": "home", "value": "b@b"}]}"#;
    assert!(!matches_user(r#"emails[type eq "work" and value co "b"]"#, user));
    assert!(matches_user(r#"emails.type eq "work" and emails.value co "b""#, user));
    assert!(matches_user(r#"emails[type eq "home" and value co "b"]"#, user));
}

// ledger: 7644-3.4.2.2-014
#[test]
fn a_value_path_is_a_filter_on_sub_attributes() {
    assert_eq!(refusal("emails[userName pr]"), FilterErrorKind::UnknownSubAttribute);
    assert_eq!(refusal("emails[emails.type pr]"), FilterErrorKind::UnknownSubAttribute);
    assert_eq!(refusal("userName[value eq \"x\"]"), FilterErrorKind::NotAValuePath);
    assert_eq!(refusal("emails.value[value eq \"x\"]"), FilterErrorKind::NotAValuePath);
    assert!(Filter::parse("emails[]").is_err());
    assert!(Filter::parse("emails[members[value pr]]").is_err());
    // Where no schema has the attribute, nothing can be said about sub-attributes either.
    assert_eq!(matching("nowhere[userName pr] or userName eq \"temp4\"").unwrap(), ["temp4"]);
}

// ledger: 7644-3.4.2.2-016
#[test]
fn values_are_those_of_json() {
    for value in
        ["'x'", "x", "01", "+1", ".5", "1.", "1e", "-", "True", "NULL", "nullx", "\"a\" \"b\"", "[1]", "{}"]
    {
        assert!(Filter::parse(&format!("title eq {value}")).is_err(), "{value}");
    }
    for value in ["\"x\"", "0", "-1", "1.5e+3", "true", "false", "null"] {
        assert!(Filter::parse(&format!("title eq {value}")).is_ok(), "{value}");
    }
}

// ledger: 7644-3.4.2.2-017
#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    let ast = |text: &str| Filter::parse(text).unwrap().to_s_expression();
    assert_eq!(ast("a pr or b pr and c pr"), "(or (pr a) (and (pr b) (pr c)))");
    assert_eq!(ast("a pr and b pr or c pr"), "(or (and (pr a) (pr b)) (pr c))");
    assert_eq!(ast("(a pr or b pr) and c pr"), "(and (or (pr a) (pr b)) (pr c))");
    assert_eq!(ast("not (a pr) and b pr"), "(and (not (pr a)) (pr b))");
    assert_eq!(ast("not pr or and pr"), "(or (pr not) (pr and))");
}

// ledger: 7644-3.4.2.2-018
#[test]
fn any_value_of_a_multi_valued_attribute_will_do() {
    assert_eq!(matching("emails.value eq \"babs@jensen.org\"").unwrap(), ["babs"]);
    assert_eq!(matching("emails.value eq \"bjensen@example.com\"").unwrap(), ["babs"]);
}

// ledger: 7644-3.4.2.2-019
#[test]
fn a_complex_attribute_needs_a_sub_attribute_unless_it_has_a_value() {
    assert_eq!(refusal("name eq \"x\""), FilterErrorKind::NeedsSubAttribute);
    assert_eq!(refusal("addresses co \"x\""), FilterErrorKind::NeedsSubAttribute);
    assert_eq!(matching("emails co \"example.org\"").unwrap(), ["omalley"]);
}

// ledger: 7644-3.4.2.2-022
#[test]
fn letter_case_counts_where_the_schema_says_so() {
    assert_eq!(matching("userName eq \"JSMITH\"").unwrap(), ["jsmith"]);
    assert_eq!(matching("externalId eq \"Emp-701984\"").unwrap(), ["babs"]);
    assert_eq!(matching("externalId eq \"EMP-701984\"").unwrap(), [""; 0]);
}

// ledger: 7644-3.4.2.2-023
#[test]
fn schemas_can_be_filtered_on() {
    let filter = "schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"";
    assert_eq!(matching(filter).unwrap(), ["babs", "omalley"]);
}

// ledger: 7644-3.4.2.2-024
#[test]
fn a_path_has_at_most_one_sub_attribute() {
    for path in
        ["name.a.b", "name.", ".name", "1name", "na me", "urn:x:y:name.a.b", "x:y", "$name", "name.$x"]
    {
        assert!(Filter::parse(&format!("{path} pr")).is_err(), "{path}");
    }
    for path in ["name.a", "$ref", "members.$ref", "urn:x:y:1.0:name.a", "urn:x:y:1.0", "a-b_c9"] {
        assert!(Filter::parse(&format!("{path} pr")).is_ok(), "{path}");
    }
}

// ledger: 7644-3.10-001, 7644-3.10-002, 7644-3.10-003
#[test]
fn attributes_may_be_qualified_by_their_urn() {
    let qualified = "URN:IETF:params:scim:schemas:core:2.0:USER:NAME.GIVENNAME eq \"barbara\"";
    assert_eq!(matching(qualified).unwrap(), ["babs"]);
    assert_eq!(matching("name.givenName eq \"barbara\"").unwrap(), ["babs"]);
    assert_eq!(matching("employeeNumber eq \"1530\"").unwrap(), ["omalley"]);
}

// ledger: 7643-2.3.6-003, 7643-2.3.7-005, 7643-3.1-016
#[test]
fn binaries_references_and_resource_types_are_case_exact() {
    assert_eq!(matching(&format!("{LAB}:publicKey eq \"AQIDBA==\"")).unwrap(), ["babs"]);
    assert_eq!(matching(&format!("{LAB}:publicKey eq \"aqidba==\"")).unwrap(), [""; 0]);
    assert_eq!(matching("profileUrl eq \"https://login.example.com/bJensen\"").unwrap(), ["babs"]);
    assert_eq!(matching("profileUrl eq \"https://login.example.com/bjensen\"").unwrap(), [""; 0]);
    assert_eq!(matching("meta.resourceType eq \"group\"").unwrap(), [""; 0]);
}

// ledger: 7643-2.4-003
#[test]
fn a_missing_primary_is_false() {
    let user = r#"{"emails": [{"value": "a@a"}]}"#;
    assert!(matches_user("emails[primary eq false]", user));
    assert!(matches_user("emails[primary ne true]", user));
    assert!(matches_user("emails.primary eq \"False\"", user));
    assert!(!matches_user("emails[primary eq true]", user));
    assert!(!matches_user("emails[primary pr]", user));
    assert!(!matches_user("emails.primary eq false", "{}"));
}

// ledger: 7643-4.1.1-017
#[test]
fn hidden_attributes_are_refused_and_told_apart() {
    for filter in [
        "password eq \"x\"",
        "password sw \"x\"",
        "password pr",
        "password eq null",
        "userName eq \"x\" or not (urn:ietf:params:scim:schemas:core:2.0:User:PASSWORD pr)",
        "secret co \"x\"",
    ] {
        assert_eq!(refusal(filter), FilterErrorKind::Sensitive, "{filter}");
    }
    // Nor does the presence of the container tell about the hidden attribute.
    let extension = format!(r#"{{"{LAB}": {{"secret": "x"}}}}"#);
    assert!(!matches_user(&format!("{LAB} pr"), &extension));
    let extension = format!(r#"{{"{LAB}": {{"secret": "x", "badgeNumber": 1}}}}"#);
    assert!(matches_user(&format!("{LAB} pr"), &extension));
    assert_eq!(refusal(&format!("{LAB} eq \"x\"")), FilterErrorKind::ExtensionOperator);
}

#[test]
fn hidden_sub_attributes_do_not_make_an_extension_present() {
    const VAULT: &str = "urn:example:params:scim:schemas:extension:1.0:Vault";
    let schema = format!(
        r#"{{"id": "{VAULT}", "name": "Vault", "attributes": [{{"name": "key", "type": "complex", "subAttributes": [
            {{"name": "label"}}, {{"name": "secret", "mutability": "writeOnly", "returned": "never"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", VAULT, false).unwrap().build().unwrap();
    let text = format!("{VAULT} pr");
    let filter = Filter::parse(&text).unwrap();
    let matcher = Matcher::new(&filter, registry.resource_types(), &MatchOptions::default()).unwrap();
    let matches =
        |key: &str| matcher.matches("User", &resource(&format!(r#"{{"{VAULT}": {{"key": {key}}}}}"#)));
    assert!(!matches(r#"{"secret": "x"}"#));
    assert!(matches(r#"{"secret": "x", "label": "y"}"#));
}

#[test]
fn null_stands_for_unassigned() {
    assert_eq!(refusal("title gt null"), FilterErrorKind::NullOrder);
    assert_eq!(refusal("nowhere co null"), FilterErrorKind::NullOrder);
    assert!(matches_user(
        "emails eq null and emails.type eq null and nowhere eq null",
        r#"{"emails": [null, {}]}"#
    ));
    assert!(matches_user("emails ne null", r#"{"emails": [{"type": "work"}]}"#));
    assert!(matches_user("emails[value eq null and type ne null]", r#"{"emails": [{"type": "work"}]}"#));
    assert!(!matches_user("nowhere ne null", "{}"));
}

#[test]
fn numbers_compare_by_value_and_exactly() {
    let user = format!(r#"{{"{LAB}": {{"badgeNumber": 9007199254740993, "score": 0.1}}}}"#);
    assert!(matches_user("badgeNumber eq 9007199254740993.0", &user));
    assert!(matches_user("badgeNumber gt 9007199254740992", &user));
    assert!(!matches_user("badgeNumber eq 9007199254740992", &user));
    assert!(matches_user("badgeNumber lt 1e400 and badgeNumber gt -1e400", &user));
    assert!(matches_user("score eq 1e-1 and score ge 0.1 and not (score gt 0.1)", &user));
}

#[test]
fn a_number_equals_what_was_made_of_its_own_text() {
    for text in
        ["1e23", "1.8446744073709552e19", "18446744073709551616", "0.1", "9007199254740993.0", "-1e30"]
    {
        let user = format!(r#"{{"{LAB}": {{"score": {text}}}}}"#);
        assert!(matches_user(&format!("score eq {text}"), &user), "{text}");
        assert!(
            !matches_user(&format!("score ne {text} or score gt {text} or score lt {text}"), &user),
            "{text}"
        );
    }
}

#[test]
fn relative_references_compare_with_the_base_url() {
    let options = MatchOptions { base: Some("https://example.com/scim/v2".into()) };
    let registry = registry();
    let group =
        resource(r#"{"members": [{"value": "1", "$ref": "Users/1"}], "meta": {"location": "Groups/9"}}"#);
    let matches = |filter: &str| {
        let filter = Filter::parse(filter).unwrap();
        let matcher = Matcher::new(&filter, registry.resource_types(), &options).unwrap();
        matcher.matches("Group", &group)
    };
    assert!(matches(r#"members.$ref eq "https://example.com/scim/v2/Users/1""#));
    assert!(matches(r#"members[$ref ew "v2/Users/1"]"#));
    assert!(matches(r#"meta.location eq "https://example.com/scim/v2/Groups/9""#));
    assert!(!matches(r#"meta.location eq "Groups/9""#));
    // A store has the relative form: it must know of the base.
    let filter = Filter::parse(r#"meta.location eq "https://example.com/scim/v2/Groups/9""#).unwrap();
    for (options, expected) in [(&options, options.base.as_deref()), (&MatchOptions::default(), None)] {
        let matcher = Matcher::new(&filter, registry.resource_types(), options).unwrap();
        let visit = matcher.post_order("Group").next().unwrap();
        let TypedExpr::Compare { value: Comparand::Text { base, .. }, .. } = visit.expr else {
            panic!("{visit:?}")
        };
        assert_eq!(base, expected);
    }
}

#[test]
fn only_a_missing_primary_counts_as_false() {
    const DESK: &str = "urn:example:Desk";
    let schema = format!(
        r#"{{"id": "{DESK}", "name": "Desk", "attributes": [{{"name": "desks", "type": "complex",
            "multiValued": true, "subAttributes": [{{"name": "free", "type": "boolean"}},
            {{"name": "value", "type": "string"}}, {{"name": "primary", "type": "boolean"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", DESK, false).unwrap().build().unwrap();
    let user = resource(&format!(r#"{{"{DESK}": {{"desks": [{{"value": "1"}}]}}}}"#));
    let matches = |filter: &str| {
        let filter = Filter::parse(filter).unwrap();
        Matcher::new(&filter, registry.resource_types(), &MatchOptions::default())
            .unwrap()
            .matches("User", &user)
    };
    assert!(matches("desks[primary eq false]"));
    assert!(!matches("desks[free eq false]"));
}

#[test]
fn a_stored_date_that_is_none_is_only_unequal() {
    for (operator, matches) in [("eq", false), ("ne", true), ("gt", false), ("ge", false), ("le", false)] {
        let filter = format!(r#"meta.created {operator} "2020-01-01T00:00:00Z""#);
        assert_eq!(matches_user(&filter, r#"{"meta": {"created": "yesterday"}}"#), matches, "{filter}");
    }
}

#[test]
fn a_mistake_names_the_attribute_and_what_it_is_compared_with() {
    for (text, path, message) in [
        ("active eq 5", "active", "active: the attribute is compared with true or false"),
        (
            "meta.created eq 5",
            "meta.created",
            "meta.created: the attribute is compared with a dateTime such as \"2011-05-13T04:42:34Z\"",
        ),
        ("title eq 5", "title", "title: the attribute is compared with a string"),
        ("password eq \"x\"", "password", "password: the attribute can't be filtered on"),
    ] {
        let filter = Filter::parse(text).unwrap();
        let error = Matcher::new(&filter, [&user()], &MatchOptions::default()).unwrap_err();
        assert_eq!((error.path(), error.to_string().as_str()), (path, message), "{text}");
    }
}

#[test]
fn a_store_sees_the_typed_tree() {
    let steps = |filter: &str| -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let matcher = Matcher::new(&filter, [&user()], &MatchOptions::default()).unwrap();
        assert_eq!(matcher.post_order("Group").count(), 0);
        let text = |visit: scim_filter::TypedVisit<'_>| match visit.expr {
            TypedExpr::Compare { path, operator, value } => format!("{path} {operator} {value:?}"),
            TypedExpr::Present(path) => format!("{path} pr"),
            TypedExpr::ValuePath(path) => format!("[{path}]"),
            other => format!("{other:?}"),
        };
        matcher.post_order("User").map(text).collect()
    };
    let folded = |key: &str| format!("Text {{ key: {key:?}, case_exact: false, base: None }}");
    assert_eq!(
        steps(r#"USERNAME eq "ANN" and not (externalId ne "Ab" or title pr)"#),
        [
            format!("userName eq {}", folded("ann")),
            "externalId ne Text { key: \"Ab\", case_exact: true, base: None }".to_owned(),
            "title pr".to_owned(),
            "Or".to_owned(),
            "Not".to_owned(),
            "And".to_owned(),
        ]
    );
    assert_eq!(
        steps(r#"emails[type eq "work" and primary eq "True"] or emails sw "A" or emails eq null"#),
        [
            format!("emails.type eq {}", folded("work")),
            "emails.primary eq Bool { value: true, missing_is_false: true }".to_owned(),
            "And".to_owned(),
            "[emails]".to_owned(),
            format!("emails.value sw {}", folded("a")),
            "Or".to_owned(),
            "emails eq Null".to_owned(),
            "Or".to_owned(),
        ]
    );
    assert_eq!(
        steps(&format!(r#"{LAB} pr and nothing ne "x" and nothing[a pr or b pr] and {LAB}:score lt 2e400"#)),
        [
            format!("Extension({LAB:?})"),
            "Constant(true)".to_owned(),
            "And".to_owned(),
            "Constant(false)".to_owned(),
            "And".to_owned(),
            format!("{LAB}:score lt Number {{ nearest: inf, exact: false }}"),
            "And".to_owned(),
        ]
    );
    let instant = DateTime::parse("2020-01-01T00:00:00Z").unwrap();
    assert_eq!(
        steps(r#"active ne false and meta.created ge "2020-01-01T01:00:00+01:00" and badgeNumber eq 4.2e1"#),
        [
            "active ne Bool { value: false, missing_is_false: false }".to_owned(),
            format!("meta.created ge Instant({instant:?})"),
            "And".to_owned(),
            format!("{LAB}:badgeNumber eq Number {{ nearest: 42.0, exact: true }}"),
            "And".to_owned(),
        ]
    );
    for (number, exact) in [("9007199254740991", true), ("-9007199254740992", false), ("0.1", true)] {
        let step = steps(&format!("badgeNumber gt {number}")).remove(0);
        assert!(step.ends_with(&format!("exact: {exact} }}")), "{step}");
    }
}

#[test]
fn a_matcher_knows_which_attributes_it_reads() {
    let uses = |filter: &str, attribute: &str| {
        let filter = Filter::parse(filter).unwrap();
        let registry = registry();
        Matcher::new(&filter, registry.resource_types(), &MatchOptions::default()).unwrap().uses(attribute)
    };
    assert!(uses("title pr or MEMBERS[value eq \"1\"]", "members"));
    assert!(uses("groups eq \"1\"", "groups"));
    assert!(!uses("groups eq \"1\"", "members"));
    assert!(uses("employeeNumber pr", &format!("{}:employeeNumber", scim_schema::ENTERPRISE_USER)));
    assert!(!uses("employeeNumber pr", "employeeNumber"));
    assert!(uses(&format!("{LAB} pr"), &format!("{LAB}:tags")));
}

#[test]
fn a_resource_of_an_unexpected_type_does_not_match() {
    let filter = Filter::parse("not (title pr)").unwrap();
    let matcher = Matcher::new(&filter, [&user()], &MatchOptions::default()).unwrap();
    assert!(matcher.matches("User", &resource("{}")));
    assert!(!matcher.matches("Group", &resource("{}")));
}

/// Every attribute with every operator and every kind of value: an answer or an error, and no search for
/// what nobody may read.
#[test]
fn every_attribute_with_every_operator() {
    let documents = crate::world::documents();
    let user = user();
    let mut combinations = 0;
    let mut paths = Vec::new();
    let mut collect = |prefix: &str, attributes: &mut dyn Iterator<Item = &Attribute>| {
        for attribute in attributes {
            let hidden =
                |a: &Attribute| a.mutability() == Mutability::WriteOnly || a.returned() == Returned::Never;
            paths.push((format!("{prefix}{}", attribute.name()), hidden(attribute)));
            for sub in attribute.sub_attributes() {
                let path = format!("{prefix}{}.{}", attribute.name(), sub.name());
                paths.push((path, hidden(attribute) || hidden(sub)));
            }
        }
    };
    collect("", &mut user.attributes());
    for extension in user.extensions() {
        collect(&format!("{}:", extension.schema().id()), &mut extension.schema().attributes().iter());
    }
    assert!(paths.len() > 100);
    for (path, hidden) in paths {
        for operator in ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
            for value in
                ["\"x\"", "\"\"", "\"true\"", "\"2020-01-01T00:00:00Z\"", "1", "-1.5e9", "true", "null"]
            {
                let text = format!("{path} {operator} {value}");
                let filter = Filter::parse(&text).unwrap();
                combinations += 1;
                match Matcher::new(&filter, [&user], &MatchOptions::default()) {
                    Ok(matcher) => {
                        assert!(!hidden, "{text}");
                        for (_, document) in &documents {
                            matcher.matches("User", document);
                        }
                    }
                    Err(error) => {
                        // Some are refused for their operator before the attribute is looked up.
                        let expected = error.kind() == FilterErrorKind::Sensitive;
                        assert!(!hidden || expected || value == "null", "{text}: {error}");
                    }
                }
            }
        }
        let present = Filter::parse(&format!("{path} pr")).unwrap().into_owned();
        assert_eq!(Matcher::new(&present, [&user], &MatchOptions::default()).is_err(), hidden, "{path}");
    }
    assert!(combinations > 7000);
}

#[test]
fn an_element_matcher_filters_values_of_one_attribute() {
    let user = user();
    let matcher = |attribute: &str, filter: &str| {
        let attribute = user.resolve_str(attribute).unwrap().attribute().unwrap().attribute;
        ElementMatcher::new(&Filter::parse(filter).unwrap(), attribute, &MatchOptions::default())
    };
    let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();

    let work = matcher("emails", "TYPE eq \"work\" and primary eq \"False\"").unwrap();
    assert!(work.matches(&value(r#"{"type": "Work"}"#)));
    assert!(!work.matches(&value(r#"{"type": "Work", "primary": true}"#)));
    assert_eq!(
        work.eq_terms().unwrap(),
        [("type".to_owned(), Value::from("work")), ("primary".to_owned(), Value::from(false))]
    );
    let tags = matcher("tags", "value eq \"RED\"").unwrap();
    assert!(tags.matches(&Value::from("red")) && !tags.matches(&Value::from("blue")));
    assert_eq!(tags.eq_terms().unwrap(), [("value".to_owned(), Value::from("RED"))]);
    let levels = matcher("levels", "value eq 4.2e1").unwrap();
    assert!(levels.matches(&Value::from(42i64)));
    assert_eq!(levels.eq_terms().unwrap(), [("value".to_owned(), Value::from(42i64))]);
    let name = matcher("name", "givenName eq \"Ann\" and not (familyName pr)").unwrap();
    assert!(name.matches(&value(r#"{"givenName": "ann"}"#)));
    assert!(name.eq_terms().is_none());

    for filter in ["type eq \"a\" or type eq \"b\"", "type ne \"a\"", "type pr", "type eq null"] {
        assert!(matcher("emails", filter).unwrap().eq_terms().is_none(), "{filter}");
    }
    let twice = matcher("emails", "type eq \"a\" and type eq \"b\"").unwrap();
    assert!(twice.eq_terms().is_none());
    let same = matcher("emails", "type eq \"a\" and type eq \"a\"").unwrap();
    assert_eq!(same.eq_terms().unwrap().len(), 1);

    let refused = |attribute: &str, filter: &str| matcher(attribute, filter).unwrap_err().kind();
    assert_eq!(refused("emails", "color eq \"x\""), FilterErrorKind::UnknownSubAttribute);
    assert_eq!(refused("emails", "members[value pr]"), FilterErrorKind::UnknownSubAttribute);
    assert_eq!(refused("nickName", "value eq \"x\""), FilterErrorKind::NotAValuePath);
    let operator = FilterErrorKind::Operator { operator: Operator::Gt, kind: "boolean" };
    assert_eq!(refused("emails", "primary gt true"), operator);
}
