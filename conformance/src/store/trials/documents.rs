//! Documents come back to the letter, and what else a read hands out depends on what it asks for.

use scim_core::{Include, StoreError};
use serde_json::{Value as Json, json};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, holds, same};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let exact = samples().into_iter().map(|(what, attributes)| {
        let run = move |lab: Lab| exact(lab, attributes.clone());
        trial(format!("documents: {what} to the letter"), Promise::Exact, run)
    });
    let mut trials: Vec<Spec> = exact.collect();
    trials.push(trial(
        "documents: NUL is kept to the letter or refused, and does no harm",
        Promise::Exact,
        nul,
    ));
    trials.push(trial(
        "documents: a hundred replacements leave the last one",
        Promise::Exact,
        many_replacements,
    ));
    for (what, include) in [
        ("nothing", Include::NONE),
        ("members", Include { members: true, memberships: false }),
        ("memberships", Include { members: false, memberships: true }),
        ("everything", Include::ALL),
    ] {
        let by_get = move |lab: Lab| include_of_get(lab, include);
        let by_query = move |lab: Lab| include_of_query(lab, include);
        trials.push(trial(
            format!("include: get hands out {what} that is computed"),
            Promise::Carries,
            by_get,
        ));
        trials.push(trial(
            format!("include: query hands out {what} that is computed"),
            Promise::Carries,
            by_query,
        ));
    }
    trials.push(trial(
        "include: what only the filter reads is not handed out",
        Promise::Carries,
        filter_only,
    ));
    trials.push(trial("include: what only the order reads is not handed out", Promise::Carries, order_only));
    trials.push(trial("include: no members and no groups is no attribute", Promise::Carries, none_is_absent));
    trials
}

/// What a document may hold.
fn samples() -> Vec<(&'static str, Json)> {
    let titled = |title: &str| json!({"userName": "a", "title": title});
    let repeated = |text: &str, times: usize| json!({"userName": "a", "title": text.repeat(times)});
    let emails: Vec<Json> =
        (0..1000).map(|i| json!({"value": format!("a{i}@x.org"), "type": "work"})).collect();
    vec![
        ("a user of a name", json!({"userName": "a"})),
        ("a user of many attributes", whole_user()),
        (
            "the enterprise extension",
            json!({"userName": "a", ENTERPRISE: {
            "employeeNumber": "1", "department": "D", "manager": {"value": "m", "$ref": "Users/m", "displayName": "M"}}}),
        ),
        (
            "attributes in an unusual order",
            json!({"title": "t", "userName": "a", "active": true, "nickName": "n"}),
        ),
        (
            "elements in their order",
            json!({"userName": "a", "emails": [
            {"value": "z@x.org"}, {"value": "a@x.org", "primary": true}, {"value": "m@x.org", "type": "home"}]}),
        ),
        (
            "elements that are alike",
            json!({"userName": "a", "emails": [{"value": "a@x.org"}, {"value": "a@x.org"}]}),
        ),
        ("a thousand elements", json!({"userName": "a", "emails": emails})),
        ("true", json!({"userName": "a", "active": true})),
        ("false", json!({"userName": "a", "active": false})),
        ("empty text", titled("")),
        ("blanks at both ends", titled("  a\t\n ")),
        ("quotes and backslashes", titled("a'b\"c\\d`e''\\\\")),
        ("wildcards of patterns", titled("%a_b*?[c]{d}\\%")),
        ("text that looks like SQL", titled("'; DROP TABLE scim_resources; --")),
        ("placeholders of statements", titled("?1 $1 :name @name {} %s")),
        ("text that looks like JSON", titled("{\"a\": [null, 1e5]}")),
        (
            "text that looks like numbers",
            json!({"userName": "007", "title": "1e5", "nickName": "-0", "externalId": "0x1F"}),
        ),
        ("text that looks like a time", titled("2024-02-30T25:61:61Z")),
        ("control characters", titled("\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}\u{1f}\u{7f}\u{85}")),
        ("line separators and marks of byte order", titled("a\r\nb\u{2028}c\u{2029}d\u{feff}e")),
        ("composed characters", json!({"userName": "\u{e4}\u{fc}\u{1e9b}\u{323}", "title": "\u{c5}"})),
        ("decomposed characters", json!({"userName": "a\u{308}u\u{308}", "title": "A\u{30a}"})),
        ("letter case", json!({"userName": "BJensen", "externalId": "AbC", "title": "ÄÖÜ straße STRASSE"})),
        ("dotted and dotless i", titled("İIıi")),
        ("full-width and half-width forms", json!({"userName": "ＢＪｅｎｓｅｎ", "title": "ｱｲｳ"})),
        (
            "characters outside the basic plane",
            titled("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{10ffff}\u{1d11e}"),
        ),
        ("text from right to left", titled("\u{202e}שלום مرحبا\u{202c}")),
        ("long runs of combining marks", repeated("a\u{301}\u{302}\u{303}", 300)),
        ("a text of 32 KiB", repeated("0123456789abcdef", 2048)),
        ("a text of 32 KiB of four bytes each", repeated("\u{1f600}", 8192)),
        ("a name of 1,024 characters of four bytes", json!({"userName": "\u{20000}".repeat(1024)})),
        ("an externalId of 1,024 characters", json!({"userName": "a", "externalId": "e".repeat(1024)})),
        (
            "binary data",
            json!({"userName": "a", "x509Certificates": [{"value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAwTjELMAkGA1UEBhMC+/=="}]}),
        ),
    ]
}

fn whole_user() -> Json {
    json!({
        "externalId": "701984", "userName": "bjensen@example.com",
        "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
            "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
        "displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://login.example.com/bjensen",
        "title": "Tour Guide", "userType": "Employee", "preferredLanguage": "en-US", "locale": "en-US",
        "timezone": "America/Los_Angeles", "active": true,
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true},
            {"value": "babs@jensen.org", "type": "home"}],
        "phoneNumbers": [{"value": "tel:555-555-5555", "type": "work"}],
        "ims": [{"value": "someaimhandle", "type": "aim"}],
        "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"}],
        "addresses": [{"streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA",
            "postalCode": "91608", "country": "US", "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA",
            "type": "work", "primary": true}],
        "entitlements": [{"value": "all"}], "roles": [{"value": "admin", "display": "Admin"}]
    })
}

async fn exact(lab: Lab, attributes: Json) -> Proof {
    let other = json!({"userName": "other", "title": "other"});
    let expected = letters(&document("User", "a", &attributes).resource);
    let check = async |what: &str| {
        let by_get = lab.look_for("User", "a", Include::NONE).await?;
        let by_get = by_get.ok_or_else(|| Wrong::new("it is gone"))?;
        same(format!("get after {what}"), own_letters(&by_get.resource), expected.as_str())?;
        let page = lab.query(&query(&["User"], None)?).await?;
        let by_query: Vec<String> =
            page.resources.iter().map(|stored| own_letters(&stored.resource)).collect();
        same(format!("query after {what}"), by_query, vec![expected.clone()])
    };
    lab.commit(insert("User", "a", &attributes), 0).await?;
    check("an insert").await?;
    lab.commit(replace("User", "a", &other), 1).await?;
    lab.commit(replace("User", "a", &attributes), 2).await?;
    check("a replacement").await?;
    if lab.handle.feed.is_some() {
        let entries = lab.entries().await?;
        let told: Vec<String> = entries.iter().map(|entry| own_letters(&entry.resource)).collect();
        let other = letters(&document("User", "a", &other).resource);
        same("the feed", told, vec![expected.clone(), other, expected])?;
    }
    Ok(())
}

async fn nul(lab: Lab) -> Proof {
    lab.commit(user("b"), 0).await?;
    let attributes = json!({"userName": "a\u{0}b", "title": "x\u{0}"});
    match lab.commit(insert("User", "a", &attributes), 1).await {
        Ok(_) => {
            let expected = letters(&document("User", "a", &attributes).resource);
            same("what was kept", own_letters(&lab.get("User", "a").await?.resource), expected)?;
        }
        Err(StoreError::Unavailable { .. } | StoreError::Full { .. }) => {
            return Err(Wrong::new("trying again later can't help, yet the error says so"));
        }
        Err(_) => same("what was refused", lab.look("User", "a").await?, None)?,
    }
    lab.commit(user("c"), 2).await?;
    holds("the store goes on", lab.look("User", "c").await?.is_some())
}

async fn many_replacements(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    for i in 0..100 {
        lab.commit(titled("a", &i.to_string()), i).await?;
    }
    let stored = lab.get("User", "a").await?;
    same("title and version", (text(&stored.resource, "title"), stored.version), (Some("99"), 101))
}

async fn people(lab: &Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"]), group("h", &["g"])], 0).await?;
    Ok(())
}

/// What is computed of user and group, as far as it was asked for.
fn check_computed(name: &str, stored: &scim_core::Stored, include: Include) -> Proof {
    let (asked, attribute, expected) = match name {
        "User" => (include.memberships, "groups", vec!["g", "h"]),
        _ => (include.members, "members", vec!["a"]),
    };
    let expected = if asked { expected } else { Vec::new() };
    same(format!("{attribute} with {include:?}"), values(stored, attribute), expected)?;
    same("that the attribute is there", stored.resource.get(attribute).is_some(), asked)?;
    holds("meta is there", stored.resource.get("meta").is_some())
}

async fn include_of_get(lab: Lab, include: Include) -> Proof {
    people(&lab).await?;
    for (name, id) in [("User", "a"), ("Group", "g")] {
        let stored = lab.look_for(name, id, include).await?.ok_or_else(|| Wrong::new("it is not there"))?;
        check_computed(name, &stored, include)?;
    }
    Ok(())
}

async fn include_of_query(lab: Lab, include: Include) -> Proof {
    people(&lab).await?;
    for (name, id) in [("User", "a"), ("Group", "g")] {
        for filter in [format!("id eq \"{id}\""), "externalId eq null and not (id eq \"h\")".to_owned()] {
            let mut asked = query(&[name], Some(&filter))?;
            asked.include = include;
            let page = lab.query(&asked).await?;
            same("the answer", ids(&page), vec![id])?;
            for stored in &page.resources {
                check_computed(name, stored, include)?;
            }
        }
    }
    Ok(())
}

async fn filter_only(lab: Lab) -> Proof {
    people(&lab).await?;
    for (name, filter, expected) in [
        ("Group", "members.value eq \"a\"", "g"),
        ("User", "groups.value eq \"h\"", "a"),
        ("User", "groups pr", "a"),
    ] {
        let page = lab.query(&query(&[name], Some(filter))?).await?;
        same(filter, ids(&page), vec![expected])?;
        for stored in &page.resources {
            check_computed(name, stored, Include::NONE)?;
        }
    }
    Ok(())
}

async fn order_only(lab: Lab) -> Proof {
    people(&lab).await?;
    let page = lab.query(&sorted(query(&["User"], None)?, "groups.value", false)?).await?;
    for stored in &page.resources {
        check_computed("User", stored, Include::NONE)?;
    }
    same("the answer", ids(&page), vec!["a"])
}

async fn none_is_absent(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &[])], 0).await?;
    same("groups", lab.get("User", "a").await?.resource.get("groups"), None)?;
    same("members", lab.get("Group", "g").await?.resource.get("members"), None)
}
