//! Filters and orders on resources that are made to confuse, compared with the model.

use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, holds};
use super::super::lab::Lab;
use super::super::mirror::Mirror;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let mut trials = Vec::new();
    for (what, filters) in FILTERS {
        let run = move |lab| filtered(lab, filters);
        trials.push(trial(format!("filters: {what}"), Promise::Queries, run));
    }
    for (what, build) in [
        ("two hundred conditions joined by or", long_or as fn() -> String),
        ("two hundred conditions joined by and", long_and),
        ("brackets in brackets", deep),
        ("a literal of 4,000 characters", long_literal),
    ] {
        trials.push(trial(format!("filters: {what}"), Promise::Queries, move |lab| built(lab, build)));
    }
    for (what, by) in SORTS {
        for descending in [false, true] {
            let way = if descending { "descending" } else { "ascending" };
            let run = move |lab| ordered(lab, by, descending);
            trials.push(trial(format!("sorting: by {what}, {way}"), Promise::Queries, run));
        }
    }
    trials
}

const FILTERS: &[(&str, &[&str])] = &[
    (
        "eq on text that is not case-exact",
        &[
            "userName eq \"ann\"",
            "userName eq \"ANN\"",
            // The same as a unique value, another one to a filter.
            "userName eq \"ａｎｎ\"",
            "displayName eq \"Straße\"",
            "displayName eq \"STRASSE\"",
            "userName eq \"\"",
            "userName eq \"nobody\"",
            "title eq \"boss\"",
            "nickName eq \"İ\"",
        ],
    ),
    (
        "eq on text that is case-exact",
        &[
            "externalId eq \"Ann\"",
            "externalId eq \"ANN\"",
            "externalId eq \"ann\"",
            "id eq \"u01\"",
            "id eq \"U01\"",
            "externalId eq \"\u{e4}\"",
            "externalId eq \"a\u{308}\"",
        ],
    ),
    (
        "ne, also where there is no value",
        &[
            "userName ne \"ann\"",
            "title ne \"Boss\"",
            "externalId ne \"Ann\"",
            "emails.value ne \"ann@x.org\"",
            "active ne true",
        ],
    ),
    (
        "co",
        &[
            "userName co \"n\"",
            "userName co \"NN\"",
            "emails.value co \"@X\"",
            "displayName co \"ß\"",
            "userName co \"\"",
            "title co \"o\"",
        ],
    ),
    (
        "sw",
        &[
            "userName sw \"a\"",
            "userName sw \"AN\"",
            "displayName sw \"stra\"",
            "externalId sw \"A\"",
            "emails sw \"bob\"",
            "userName sw \"\"",
        ],
    ),
    (
        "ew",
        &[
            "userName ew \"N\"",
            "emails.value ew \".ORG\"",
            "displayName ew \"e\"",
            "externalId ew \"n\"",
            "title ew \"\"",
        ],
    ),
    (
        "gt and ge on text",
        &[
            "userName gt \"b\"",
            "userName ge \"bob\"",
            "userName ge \"BOB\"",
            "externalId gt \"B\"",
            "displayName gt \"\u{e4}\"",
        ],
    ),
    (
        "lt and le on text",
        &[
            "userName lt \"b\"",
            "userName le \"BOB\"",
            "externalId le \"Bob\"",
            "id lt \"u10\"",
            "userName lt \"\u{1f600}\"",
        ],
    ),
    (
        "pr",
        &[
            "userName pr",
            "title pr",
            "emails pr",
            "emails.type pr",
            "name pr",
            "name.familyName pr",
            "members pr",
            "groups pr",
        ],
    ),
    (
        "eq null and ne null",
        &[
            "title eq null",
            "title ne null",
            "emails eq null",
            "emails.type eq null",
            "name.givenName ne null",
        ],
    ),
    (
        "true and false",
        &[
            "active eq true",
            "active eq false",
            "active ne false",
            "active pr",
            "not (active eq true)",
            "emails.primary eq true",
        ],
    ),
    (
        "wildcards of patterns are letters",
        &[
            "userName co \"%\"",
            "userName sw \"a%\"",
            "userName eq \"a%\"",
            "userName co \"_\"",
            "userName eq \"b_b\"",
            "displayName co \"\\\\\"",
            "displayName sw \"50%\"",
            "userName ew \"_b\"",
            "displayName co \"*\"",
            "displayName co \"?\"",
        ],
    ),
    (
        "quotes and what looks like SQL are letters",
        &[
            "displayName eq \"o'neil\"",
            "displayName co \"'\"",
            "displayName co \"\\\"\"",
            "displayName eq \"'; DROP TABLE users; --\"",
            "userName eq \"' OR '1'='1\"",
            "displayName sw \"'\"",
        ],
    ),
    (
        "composed and decomposed characters are alike",
        &[
            "displayName eq \"\u{e4}rger\"",
            "displayName eq \"a\u{308}rger\"",
            "displayName sw \"A\u{308}\"",
            "displayName co \"\u{c4}\"",
            "displayName ew \"GER\"",
        ],
    ),
    (
        "characters outside the basic plane",
        &[
            "displayName co \"\u{1f600}\"",
            "displayName gt \"\u{ffff}\"",
            "displayName sw \"\u{1f600}\"",
            "displayName lt \"\u{e000}\"",
        ],
    ),
    (
        "multi-valued attributes match by any element",
        &[
            "emails.value eq \"ann@x.org\"",
            "emails eq \"BOB@x.org\"",
            "emails.type eq \"HOME\"",
            "emails.value ne \"bob@x.org\"",
            "emails.type eq \"work\" and emails.value sw \"bob\"",
            "phoneNumbers.value pr",
        ],
    ),
    (
        "value paths match by one element",
        &[
            "emails[type eq \"work\"]",
            "emails[type eq \"work\" and value sw \"bob\"]",
            "emails[type eq \"home\" and primary eq true]",
            "emails[value co \"@\" and not (type eq \"work\")]",
            "emails[not (type pr)]",
            "not (emails[type eq \"work\"])",
        ],
    ),
    (
        "complex attributes",
        &[
            "name.familyName eq \"Jensen\"",
            "name.familyName sw \"j\" and name.givenName pr",
            "name.givenName gt \"B\"",
            "not (name.familyName eq \"jensen\")",
        ],
    ),
    (
        "the enterprise extension",
        &[
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"SALES\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department pr",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"u03\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber lt \"5\"",
            "not (urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department sw \"s\")",
        ],
    ),
    (
        "names in any letter case, with and without URN",
        &[
            "USERNAME eq \"ann\"",
            "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ann\"",
            "Emails.Value co \"bob\"",
            "META.created pr",
        ],
    ),
    (
        "times are instants",
        &[
            "meta.created eq \"2023-11-14T22:13:20.000005Z\"",
            "meta.created gt \"2023-11-14T23:13:20.000010+01:00\"",
            "meta.lastModified le \"2023-11-14T17:13:20.000020-05:00\"",
            "meta.lastModified ge \"2023-11-14T22:13:20Z\"",
            "meta.created lt \"2023-11-14T22:13:20.0000050Z\"",
            "meta.created ne \"2023-11-14T22:13:20.000005Z\"",
        ],
    ),
    (
        "meta.resourceType and meta.location",
        &[
            "meta.resourceType eq \"Group\"",
            "meta.resourceType eq \"User\" and userName sw \"a\"",
            "not (meta.resourceType eq \"User\")",
            "meta.resourceType pr",
        ],
    ),
    (
        "members and groups",
        &[
            "members.value eq \"u01\"",
            "members.value eq \"U01\"",
            "members eq \"u02\"",
            "members.display eq \"Label\"",
            "members[value eq \"u01\" and display pr]",
            "groups.value eq \"g1\"",
            "groups.type eq \"indirect\"",
            "groups[value eq \"g0\" and type eq \"indirect\"]",
            "not (groups.value eq \"g1\")",
            "members.value sw \"u\"",
        ],
    ),
    (
        "and binds closer than or",
        &[
            "userName sw \"a\" or userName sw \"b\" and active eq true",
            "(userName sw \"a\" or userName sw \"b\") and active eq true",
            "active eq true and userName sw \"a\" or title pr",
            "title pr and active eq true or userName sw \"b\" and active eq false",
        ],
    ),
    (
        "not",
        &[
            "not (userName sw \"a\")",
            "not (userName eq \"ann\")",
            "not (userName sw \"a\" or userName sw \"b\")",
            "not (not (userName sw \"a\"))",
            "not (title pr) and active eq true",
            "not (emails.value co \"bob\")",
            "userName pr and not (externalId eq \"Ann\")",
            "not (title eq \"boss\" and active eq true)",
        ],
    ),
    (
        "contradictions and tautologies",
        &[
            "userName eq \"ann\" and userName eq \"bob\"",
            "title pr or not (title pr)",
            "userName eq \"ann\" or userName ne \"ann\"",
            "id eq \"u01\" and id ne \"u01\"",
        ],
    ),
    (
        "lookups joined with other conditions",
        &[
            "userName eq \"ann\" and active eq true",
            "userName eq \"ann\" and active eq false",
            "id eq \"u01\" or userName eq \"bob\"",
            "externalId eq \"Ann\" and emails.value ew \"org\"",
            "userName eq \"ann\" or externalId eq \"Bob\" or emails.value eq \"carl@x.org\"",
        ],
    ),
    (
        "references",
        &[
            "members.$ref eq \"Users/u01\"",
            "groups.$ref pr",
            "groups.$ref eq \"Groups/g1\"",
            "profileUrl eq \"https://x.org/Ann\"",
            "profileUrl sw \"https\"",
        ],
    ),
];

const SORTS: &[(&str, &str)] = &[
    ("text", "userName"),
    ("text that is case-exact", "externalId"),
    ("text that many lack", "title"),
    ("the primary element", "emails"),
    ("a sub-attribute", "name.familyName"),
    ("true and false", "active"),
    ("time of creation", "meta.created"),
    ("time of the last change", "meta.lastModified"),
    ("id", "id"),
    ("an attribute of an extension", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
    ("labels of two types", "displayName"),
    ("the groups", "groups.value"),
    ("the members", "members.value"),
];

/// Users and groups with values that are alike, odd, or missing.
async fn people(lab: Lab) -> Result<Mirror, Wrong> {
    let mirror = Mirror::new(lab);
    let names = [
        "Ann",
        "bob",
        "Carl",
        "a%",
        "ab",
        "b_b",
        "bxb",
        "' OR '1'='1",
        "ärger",
        "ÄRGERLICH",
        "zoe",
        "",
        "\u{1f600}",
        "Ann B",
        "annB",
        "x\\y",
    ];
    let labels = [
        "Straße",
        "STRASSE",
        "a\u{308}rger",
        "\u{c4}rger",
        "o'neil",
        "say \"hi\"",
        "'; DROP TABLE users; --",
        "50% off",
        "500",
        "back\\slash",
        "İ",
        "\u{1f600} smile",
        "\u{fb01}x",
        "*?",
        "\u{e000}",
    ];
    let mut number = 0;
    for (i, name) in (0_i64..).zip(names) {
        let mut user = json!({"userName": name});
        let mut put = |name: &str, value: serde_json::Value| {
            user.as_object_mut().map(|user| user.insert(name.to_owned(), value))
        };
        let external = ["Ann", "ann", "Bob", "ANN", "\u{e4}"];
        for (every, attribute, texts) in [
            (2, "externalId", &external[..]),
            (1, "displayName", &labels),
            (3, "title", &["Boss", "boss", "Clerk"]),
            (4, "nickName", &["İ", "i"]),
        ] {
            if i % every == 0 {
                let text = usize::try_from(i / every).ok().and_then(|i| texts.get(i % texts.len())).copied();
                put(attribute, json!(text));
            }
        }
        match i % 3 {
            0 => put("active", json!(i % 2 == 0)),
            1 => put(
                "name",
                json!({"familyName": if i % 2 == 0 { "jensen" } else { "Jansen" }, "givenName": name}),
            ),
            _ => put(
                ENTERPRISE,
                json!({"department": if i % 2 == 0 { "Sales" } else { "support" }, "employeeNumber": i.to_string(), "manager": {"value": format!("u{:02}", i % 4)}}),
            ),
        };
        if i % 2 == 1 || i < 4 {
            let first = json!({"value": format!("{name}@x.org"), "type": "work"});
            let second = json!({"value": format!("bob{i}@y.org"), "type": if i % 4 == 1 { "Home" } else { "other" }, "primary": true});
            let third = json!({"value": "carl@x.org"});
            put("emails", if i % 3 == 0 { json!([first, second, third]) } else { json!([first, second]) });
            put("profileUrl", json!(format!("https://x.org/{i}")));
        }
        mirror.commit(batch(vec![insert("User", &format!("u{i:02}"), &user)], i % 7 * 3)).await?;
        number += 1;
    }
    for i in 0..8_i64 {
        let mut given = plain(&[&format!("u{:02}", i + 1), &format!("u{:02}", (i * 5) % number)]);
        given.push(labelled(&format!("u{:02}", (i * 3 + 2) % number), "User", "Label"));
        if i > 0 {
            given.push(labelled(&format!("g{}", i / 2), "Group", "Label"));
        }
        let label = usize::try_from(i).ok().and_then(|i| labels.get(i * 2)).copied();
        let group = if i == 5 { json!({"externalId": "Ann"}) } else { json!({"displayName": label}) };
        mirror
            .commit(lenient(vec![insert_with("Group", &format!("g{i}"), &group, given)], i * 4 % 11))
            .await?;
    }
    for i in [2, 7, 11] {
        mirror.commit(lenient(vec![delta("g1", &[&format!("u{i:02}")], &[])], 20 + i)).await?;
    }
    Ok(mirror)
}

async fn filtered(lab: Lab, filters: &'static [&'static str]) -> Proof {
    let mirror = people(lab).await?;
    let (mut asked, mut matched) = (0, 0);
    for filter in filters {
        for types in [&["User"][..], &["Group"], &["User", "Group"]] {
            // An attribute that none of the types has is an error before the store is asked.
            let Ok(question) = query(types, Some(filter)) else { continue };
            asked += 1;
            matched += mirror.query(&question, &format!("{types:?} {filter}")).await?.resources.len();
        }
    }
    holds("the trial asks", asked >= filters.len())?;
    holds("the trial's filters match something", matched > 0)
}

async fn built(lab: Lab, build: fn() -> String) -> Proof {
    let mirror = people(lab).await?;
    let page = mirror.query(&query(&["User"], Some(&build()))?, "the filter").await?;
    holds("the filter matches something", !page.resources.is_empty())
}

fn long_or() -> String {
    let mut filter = String::from("userName eq \"ann\"");
    for i in 0..199 {
        filter.push_str(&format!(" or {} eq \"n{i}\"", if i % 2 == 0 { "userName" } else { "title" }));
    }
    filter
}

fn long_and() -> String {
    let mut filter = String::from("userName sw \"a\"");
    for i in 0..199 {
        filter.push_str(&format!(" and {} ne \"n{i}\"", if i % 2 == 0 { "userName" } else { "title" }));
    }
    filter
}

fn deep() -> String {
    let mut filter = String::from("userName sw \"a\"");
    for i in 0..28 {
        filter =
            if i % 2 == 0 { format!("not ({filter})") } else { format!("({filter} or title eq \"n{i}\")") };
    }
    filter
}

fn long_literal() -> String {
    format!("userName eq \"{}\" or userName lt \"{}\"", "x".repeat(4000), "b".repeat(4000))
}

async fn ordered(lab: Lab, by: &'static str, descending: bool) -> Proof {
    let mirror = people(lab).await?;
    let mut asked = 0;
    for types in [&["User"][..], &["Group"], &["User", "Group"]] {
        for filter in [None, Some("externalId pr or id co \"1\""), Some("meta.created pr")] {
            let Ok(question) = query(types, filter).and_then(|question| sorted(question, by, descending))
            else {
                continue;
            };
            mirror.query(&question, &format!("{types:?} {filter:?} by {by}")).await?;
            asked += 1;
        }
    }
    holds("the trial asks", asked > 0)
}
