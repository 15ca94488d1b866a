//! Made-up resources, writes and questions.

use scim_core::{
    Batch, Change, Include, Member, MemberDelta, MembersChange, Position, Precondition, Query, SortKey,
    Start, Stored, Write,
};
use serde_json::{Map, Value as Json, json};

use super::build::*;
use super::check::Wrong;
use crate::differential::Entropy;

/// The ids of generated resources: few, so that they meet.
pub(super) const IDS: [&str; 20] = [
    "u0", "u1", "u2", "u3", "u4", "U5", "ü6", "u7", "u8", "u9", "ua", "ub", "uc", "g0", "g1", "g2", "G3",
    "g4", "g5", "g6",
];

/// Texts that meet in odd ways.
const TEXTS: [&str; 14] = [
    "ann",
    "Ann",
    "BOB",
    "bob%",
    "b_b",
    "Ärger",
    "a\u{308}rger",
    "ＣＡＲＬ",
    "o'neil\"\\",
    "",
    "straße",
    "STRASSE",
    "İi",
    "bo",
];

const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Attributes of a resource of a type.
pub(super) fn attributes(entropy: &mut Entropy<'_>, name: &str) -> Json {
    let mut object = Map::new();
    if name == "Group" {
        if entropy.chance(90) {
            object.insert("displayName".into(), text_of(entropy));
        }
        if entropy.chance(50) {
            object.insert("externalId".into(), text_of(entropy));
        }
        return Json::Object(object);
    }
    let number = entropy.below(4);
    object.insert("userName".into(), json!(format!("{}{number}", entropy.pick(&TEXTS))));
    for (attribute, chance) in [("externalId", 70), ("displayName", 50), ("title", 40), ("nickName", 30)] {
        if entropy.chance(chance) {
            object.insert(attribute.into(), text_of(entropy));
        }
    }
    if entropy.chance(70) {
        object.insert("active".into(), json!(entropy.chance(50)));
    }
    if entropy.chance(40) {
        object.insert("name".into(), json!({"familyName": text_of(entropy), "givenName": text_of(entropy)}));
    }
    if entropy.chance(50) {
        let emails: Vec<Json> = (0..1 + entropy.below(3)).map(|_| email(entropy)).collect();
        object.insert("emails".into(), json!(emails));
    }
    if entropy.chance(40) {
        let manager = format!("u{}", entropy.below(3));
        object.insert(URN.into(), json!({"department": text_of(entropy), "manager": {"value": manager}}));
    }
    Json::Object(object)
}

fn text_of(entropy: &mut Entropy<'_>) -> Json {
    json!(entropy.pick(&TEXTS))
}

fn email(entropy: &mut Entropy<'_>) -> Json {
    let mut email = Map::new();
    email.insert("value".into(), json!(format!("{}@x.org", entropy.pick(&TEXTS))));
    if entropy.chance(70) {
        email.insert("type".into(), json!(entropy.pick(&["work", "Work", "home"])));
    }
    if entropy.chance(40) {
        email.insert("primary".into(), json!(entropy.chance(50)));
    }
    Json::Object(email)
}

fn some_members(entropy: &mut Entropy<'_>) -> Vec<Member> {
    let member = |entropy: &mut Entropy<'_>| {
        let id = entropy.pick(&IDS);
        Member {
            id: id.to_owned(),
            resource_type: entropy.chance(50).then(|| type_for(id).to_owned()),
            display: entropy.chance(50).then(|| entropy.pick(&TEXTS).to_owned()),
        }
    };
    (0..entropy.below(4)).map(|_| member(entropy)).collect()
}

fn change_of_members(entropy: &mut Entropy<'_>) -> MembersChange {
    match entropy.below(4) {
        0 => MembersChange::Keep,
        1 => MembersChange::Set(some_members(entropy)),
        _ => MembersChange::Delta(MemberDelta {
            clear: entropy.chance(20),
            add: some_members(entropy),
            remove: (0..entropy.below(6)).map(|_| entropy.pick(&IDS).to_owned()).collect(),
        }),
    }
}

fn some_insert(entropy: &mut Entropy<'_>, id: &'static str) -> Write {
    let name = type_for(id);
    let attributes = attributes(entropy, name);
    let members = if name == "Group" { some_members(entropy) } else { Vec::new() };
    insert_with(name, id, &attributes, members)
}

fn some_write(entropy: &mut Entropy<'_>) -> Write {
    let id = entropy.pick(&IDS);
    let name = type_for(id);
    let precondition = match entropy.below(5) {
        0 => Precondition::Version(1 + entropy.below(4) as u64),
        _ => Precondition::Any,
    };
    match entropy.below(9) {
        0..4 => some_insert(entropy, id),
        4..8 => {
            let document = entropy.chance(60).then(|| document(name, id, &attributes(entropy, name)));
            let members = if name == "Group" { change_of_members(entropy) } else { MembersChange::Keep };
            write(name, id, precondition, Change::Update { document, changes: Vec::new(), members })
        }
        _ => write(name, id, precondition, Change::Delete),
    }
}

/// Most of the resources, without regard to order and members that are missing.
pub(super) fn beginning(entropy: &mut Entropy<'_>) -> Vec<Batch> {
    let mut batches = Vec::new();
    for id in IDS {
        if entropy.chance(90) {
            let write = some_insert(entropy, id);
            let now = entropy.below(20) as i64;
            batches.push(lenient(vec![write], now));
        }
    }
    batches
}

/// One write, or a few. Clocks jump, and often two batches have the same time.
pub(super) fn some_batch(entropy: &mut Entropy<'_>) -> Batch {
    let count = if entropy.chance(80) { 1 } else { 2 + entropy.below(3) };
    let writes = (0..count).map(|_| some_write(entropy)).collect();
    let now = entropy.below(20) as i64;
    Batch { check_members: entropy.chance(50), ..batch(writes, now) }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// A filter for any of the types.
pub(super) fn filter(entropy: &mut Entropy<'_>) -> String {
    let mut filter = String::new();
    for i in 0..1 + entropy.below(3) {
        if i > 0 {
            filter.push_str(if entropy.chance(50) { " and " } else { " or " });
        }
        let term = term(entropy);
        match entropy.below(8) {
            0 => filter.push_str(&format!("not ({term})")),
            1 => {
                let other = self::term(entropy);
                filter.push_str(&format!("({term} or {other})"));
            }
            _ => filter.push_str(&term),
        }
    }
    filter
}

fn term(entropy: &mut Entropy<'_>) -> String {
    const PATHS: [&str; 12] = [
        "userName",
        "externalId",
        "displayName",
        "emails.value",
        "emails",
        "title",
        "EMAILS.type",
        "name.familyName",
        "nickName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName",
    ];
    const OPERATORS: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
    let operator = entropy.pick(&OPERATORS);
    match entropy.below(14) {
        0..5 => format!("{} {operator} {}", entropy.pick(&PATHS), quoted(entropy.pick(&TEXTS))),
        5 => {
            let path = entropy.pick(&["userName", "emails.value"]);
            let text = entropy.pick(&TEXTS);
            let text = if path == "userName" {
                format!("{text}{}", entropy.below(4))
            } else {
                format!("{text}@x.org")
            };
            format!("{path} {} {}", entropy.pick(&["eq", "eq", "sw", "EQ"]), quoted(&text))
        }
        6..8 => {
            let path = entropy.pick(&["id", "groups.value", "groups", "members.value", "members"]);
            format!("{path} {} {}", entropy.pick(&["eq", "ne", "sw"]), quoted(entropy.pick(&IDS)))
        }
        8 => format!("{} pr", entropy.pick(&PATHS)),
        9 => format!("{} eq null", entropy.pick(&PATHS)),
        10 => format!("active {} {}", entropy.pick(&["eq", "ne"]), entropy.chance(50)),
        11 => {
            let inner = match entropy.below(3) {
                0 => format!("type eq \"work\" and value sw {}", quoted(entropy.pick(&TEXTS))),
                1 => format!("value eq {} or primary eq true", quoted(entropy.pick(&TEXTS))),
                _ => "not (type pr)".to_owned(),
            };
            format!("emails[{inner}]")
        }
        12 => {
            let path = entropy.pick(&["meta.lastModified", "meta.created"]);
            let operator = entropy.pick(&["eq", "ne", "gt", "ge", "lt", "le"]);
            format!("{path} {operator} \"{}\"", at(entropy.below(20) as i64))
        }
        _ => format!("meta.resourceType eq \"{}\"", entropy.pick(&["Group", "User", "group"])),
    }
}

/// By what generated questions order.
const SORTS: [&str; 11] = [
    "userName",
    "displayName",
    "emails",
    "active",
    "title",
    "externalId",
    "meta.lastModified",
    "meta.created",
    "id",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "groups.value",
];

/// What a question asks, beside the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) filter: usize,
    pub(super) sort: usize,
    pub(super) positions: bool,
}

/// A question in words, and the question. `all` is everything that there is.
pub(super) fn question(
    entropy: &mut Entropy<'_>,
    ask: Ask,
    all: &[Stored],
) -> Result<(String, Query), Wrong> {
    let types: &[&str] =
        entropy.choose(&[&["User"][..], &["Group"], &["User", "Group"]]).copied().unwrap_or(&["User"]);
    let text = entropy.chance(ask.filter).then(|| filter(entropy));
    let mut words = format!("{types:?} filter {text:?}");
    let mut asked = match query(types, text.as_deref()) {
        Ok(asked) => asked,
        // For instance `active` of groups alone.
        Err(_) => query(&["User", "Group"], text.as_deref())?,
    };
    if entropy.chance(ask.sort) {
        let (by, descending) = (entropy.pick(&SORTS), entropy.chance(50));
        words.push_str(&format!(" sortBy {by} descending {descending}"));
        asked = sorted(asked, by, descending)?;
    }
    asked.include = Include { members: entropy.chance(50), memberships: entropy.chance(50) };
    let count = entropy.pick(&[0, 1, 2, 3, 5, 8, 100]);
    let near = entropy.below(all.len() + 2);
    let kind = if ask.positions { 1 + entropy.below(2) } else { 0 };
    let mut position = match all.get(near) {
        Some(stored) => Position::of(&asked, stored),
        None => Position { key: SortKey::Missing, created: at(1_000_000).unix_micros(), id: "zzz".into() },
    };
    // Between two resources, not only at one.
    if near % 2 == 1 {
        position.id.push('~');
    }
    let start = match kind {
        0 => Start::Offset(near as u64),
        1 => Start::After(position),
        _ => Start::Before(position),
    };
    words.push_str(&format!(" {start:?} count {count} {:?}", asked.include));
    Ok((words, paged(asked, start, count)))
}
