//! The store against the model: the same writes on `SqlStore` and `MemoryStore` have the same effects,
//! and the same queries the same answers.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use scim_core::{
    Batch, Change, ChangeFeed, Committed, FeedCursor, Include, Member, MemberDelta, MembersChange,
    MemoryStore, Position, Precondition, Query, Start, Store, StoreError, Write,
};
use scim_schema::{DateTime, Registry};
use serde_json::{Map, Value, json};

use crate::support::*;

const IDS: [&str; 20] = [
    "u0", "u1", "u2", "u3", "u4", "U5", "ü6", "u7", "u8", "u9", "ua", "ub", "uc", "g0", "g1", "g2", "G3",
    "g4", "g5", "g6",
];
const NAMES: [&str; 9] =
    ["ann", "Ann", "BOB", "bob%", "b_b", "Ärger", "a\u{308}rger", "ＣＡＲＬ", "o'neil\"\\"];

/// A type that goes with the id.
fn type_for(id: &str) -> &'static str {
    if id.starts_with(['g', 'G']) { "Group" } else { "User" }
}

fn attributes(name: &'static str) -> BoxedStrategy<Value> {
    let optional = |chance: f64, name: &'static str, value: BoxedStrategy<Value>| {
        (proptest::bool::weighted(chance), value).prop_map(move |(given, v)| (name, given.then_some(v)))
    };
    let text = || select(&NAMES).prop_map(Value::from).boxed();
    let email = (select(&NAMES), select(vec!["work", "home"]), any::<bool>()).prop_map(
        |(name, kind, primary)| json!({"value": format!("{name}@x.org"), "type": kind, "primary": primary}),
    );
    let emails = proptest::collection::vec(email, 1..3).prop_map(Value::from).boxed();
    let enterprise = (text(), 0..3u8).prop_map(|(department, manager)| {
        json!({"department": department, "manager": {"value": format!("u{manager}")}})
    });
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let fields: Vec<BoxedStrategy<(&'static str, Option<Value>)>> = if name == "User" {
        vec![
            optional(
                1.0,
                "userName",
                (text(), 0..4u8).prop_map(|(n, i)| json!(format!("{}{i}", n.as_str().unwrap()))).boxed(),
            )
            .boxed(),
            optional(0.7, "externalId", text()).boxed(),
            optional(0.5, "displayName", text()).boxed(),
            optional(0.4, "title", text()).boxed(),
            optional(0.7, "active", any::<bool>().prop_map(Value::from).boxed()).boxed(),
            optional(0.5, "emails", emails).boxed(),
            optional(0.4, urn, enterprise.boxed()).boxed(),
        ]
    } else {
        vec![optional(1.0, "displayName", text()).boxed(), optional(0.5, "externalId", text()).boxed()]
    };
    fields
        .prop_map(|fields| {
            let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(given.collect::<Map<String, Value>>())
        })
        .boxed()
}

fn some_members() -> impl Strategy<Value = Vec<Member>> {
    let display = proptest::option::of(select(&NAMES).prop_map(str::to_owned));
    let member = (select(&IDS), any::<bool>(), display).prop_map(|(id, typed, display)| Member {
        id: id.to_owned(),
        resource_type: typed.then(|| type_for(id).to_owned()),
        display,
    });
    proptest::collection::vec(member, 0..4)
}

fn some_change_of_members() -> impl Strategy<Value = MembersChange> {
    let ids = proptest::collection::vec(select(&IDS).prop_map(str::to_owned), 0..6);
    prop_oneof![
        Just(MembersChange::Keep),
        some_members().prop_map(MembersChange::Set),
        (any::<bool>(), some_members(), ids)
            .prop_map(|(clear, add, remove)| MembersChange::Delta(MemberDelta { clear, add, remove })),
    ]
}

fn some_write() -> impl Strategy<Value = Write> {
    select(&IDS).prop_flat_map(|id| {
        let name = type_for(id);
        let precondition =
            prop_oneof![4 => Just(Precondition::Any), 1 => (1..4u64).prop_map(Precondition::Version)];
        let document = move |attributes| document(&type_named(name), id, attributes);
        prop_oneof![
            4 => (attributes(name), some_members()).prop_map(move |(attributes, members)| {
                let members = if name == "Group" { members } else { Vec::new() };
                write(name, id, Precondition::Absent, Change::Insert { document: document(attributes), members })
            }),
            4 => (precondition.clone(), proptest::option::of(attributes(name)), some_change_of_members()).prop_map(
                move |(precondition, attributes, members)| {
                    let document = attributes.map(document);
                    let members = if name == "Group" { members } else { MembersChange::Keep };
                    write(name, id, precondition, Change::Update { document, changes: Vec::new(), members })
                }
            ),
            1 => precondition.prop_map(move |p| write(name, id, p, Change::Delete)),
        ]
    })
}

/// Most of the resources, without regard to order and members that are missing.
fn some_beginning() -> impl Strategy<Value = Vec<Batch>> {
    let inserts: Vec<_> = IDS
        .iter()
        .map(|&id| {
            let insert = (attributes(type_for(id)), some_members()).prop_map(move |(attributes, members)| {
                let members = if type_for(id) == "Group" { members } else { Vec::new() };
                let document = document(&type_named(type_for(id)), id, attributes);
                write(type_for(id), id, Precondition::Absent, Change::Insert { document, members })
            });
            (proptest::bool::weighted(0.9), insert, 0..20i64)
        })
        .collect();
    inserts.prop_map(|inserts| {
        let given = inserts.into_iter().filter(|(given, ..)| *given);
        given.map(|(_, write, now)| Batch { check_members: false, ..batch(vec![write], now) }).collect()
    })
}

fn some_batch() -> impl Strategy<Value = Batch> {
    let writes = prop_oneof![
        4 => proptest::collection::vec(some_write(), 1..2),
        1 => proptest::collection::vec(some_write(), 2..4),
    ];
    // Clocks jump, and often two batches have the same time.
    (writes, 0..20i64, any::<bool>())
        .prop_map(|(writes, now, check_members)| Batch { check_members, ..batch(writes, now) })
}

fn some_filter() -> impl Strategy<Value = String> {
    let literal = || select(&NAMES).prop_map(|name| serde_json::to_string(name).unwrap());
    let operator = || select(vec!["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]);
    let text_path = select(vec![
        "userName",
        "externalId",
        "displayName",
        "emails.value",
        "emails",
        "title",
        "EMAILS.type",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    ]);
    let id_path = select(vec!["id", "groups.value", "groups", "members.value", "members"]);
    let term = prop_oneof![
        6 => (text_path.clone(), operator(), literal()).prop_map(|(p, o, v)| format!("{p} {o} {v}")),
        1 => (select(vec!["userName", "emails.value"]), select(vec!["eq", "sw"]), literal(), 0..4u8).prop_map(
            |(p, o, v, i)| {
                let text: String = serde_json::from_str(&v).unwrap();
                let text = if p == "userName" { format!("{text}{i}") } else { format!("{text}@x.org") };
                format!("{p} {o} {}", serde_json::to_string(&text).unwrap())
            }
        ),
        2 => (id_path, select(vec!["eq", "ne", "sw"]), select(&IDS)).prop_map(|(p, o, v)| format!("{p} {o} \"{v}\"")),
        1 => text_path.prop_map(|p| format!("{p} pr")),
        1 => (select(vec!["eq", "ne"]), any::<bool>()).prop_map(|(o, b)| format!("active {o} {b}")),
        1 => literal().prop_map(|v| format!("emails[type eq \"work\" and value sw {v}]")),
        1 => literal().prop_map(|v| format!("emails[value eq {v} or primary eq true]")),
        1 => (select(vec!["meta.lastModified", "meta.created"]), select(vec!["eq", "gt", "ge", "lt", "le"]), 0..20i64)
            .prop_map(|(p, o, t)| format!("{p} {o} \"{}\"", at(t))),
        1 => Just("meta.resourceType eq \"Group\"".to_owned()),
    ];
    let term = (proptest::bool::weighted(0.15), term)
        .prop_map(|(not, term)| if not { format!("not ({term})") } else { term });
    proptest::collection::vec((term, any::<bool>()), 1..4).prop_map(|terms| {
        let mut text = String::new();
        for (i, (term, and)) in terms.into_iter().enumerate() {
            let joint = if and { " and " } else { " or " };
            text.push_str(if i > 0 { joint } else { "" });
            text.push_str(&term);
        }
        text
    })
}

#[derive(Clone, Debug)]
struct Question {
    types: Vec<&'static str>,
    filter: Option<String>,
    sort: Option<(&'static str, bool)>,
    /// How the page begins, and from which of the matches.
    start: (u8, Index),
    count: usize,
    include: Include,
}

fn some_question() -> impl Strategy<Value = Question> {
    let sort_by = select(vec![
        "userName",
        "displayName",
        "emails",
        "active",
        "title",
        "meta.lastModified",
        "meta.created",
        "id",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        "groups.value",
    ]);
    (
        select(vec![vec!["User"], vec!["Group"], vec!["User", "Group"]]),
        proptest::option::weighted(0.8, some_filter()),
        proptest::option::of((sort_by, any::<bool>())),
        (0..3u8, any::<Index>()),
        0..6usize,
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(|(types, filter, sort, start, count, (members, memberships))| Question {
            types,
            filter,
            sort,
            start,
            count,
            include: Include { members, memberships },
        })
}

/// What can be told of an error without its source.
fn outcome(answer: Result<Vec<Committed>, StoreError>) -> Result<Vec<Committed>, String> {
    answer.map_err(|error| format!("{error}"))
}

/// One write of an unchanged document is a change for the model only; here it is none.
fn without_same_documents(model: &MemoryStore, batch: &mut Batch, rt: &tokio::runtime::Runtime) {
    for write in &mut batch.writes {
        if let Change::Update { document, .. } = &mut write.change
            && let Some(given) = document
            && let Ok(Some(stored)) =
                rt.block_on(model.get(&acme(), &write.resource_type, &write.id, Include::NONE))
        {
            let mut resource = stored.resource;
            resource.attributes_mut().remove("meta");
            if resource == given.resource {
                *document = None;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writes_and_queries_on_sqlite_are_those_of_the_model(case in some_case()) {
        compare(Kind::Sqlite, case)?;
    }

}

proptest! {
    // Each case has a database of its own, which takes its time.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writes_and_queries_on_postgres_are_those_of_the_model(case in some_case()) {
        compare(Kind::Postgres, case)?;
    }
}

type Case = (Vec<Batch>, Vec<Batch>, Vec<Question>);

fn some_case() -> impl Strategy<Value = Case> {
    (
        some_beginning(),
        proptest::collection::vec(some_batch(), 0..25),
        proptest::collection::vec(some_question(), 60),
    )
}

fn compare(kind: Kind, (beginning, batches, questions): Case) -> Result<(), TestCaseError> {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let f = rt.block_on(fixture(kind));
    let model = MemoryStore::new(Registry::standard());
    for mut batch in beginning.into_iter().chain(batches) {
        without_same_documents(&model, &mut batch, &rt);
        // Two writes of one resource in a batch: what is the same is known only in between.
        let mut written = std::collections::HashSet::new();
        batch.writes.retain(|write| written.insert(write.id.clone()));
        let expected = outcome(rt.block_on(model.commit(&acme(), batch.clone())));
        let got = outcome(rt.block_on(f.store.commit(&acme(), batch.clone())));
        prop_assert_eq!(got, expected, "{:?}", batch);
    }
    let expected = rt.block_on(model.after(FeedCursor::START, 10_000)).unwrap();
    let got = rt.block_on(f.store.after(FeedCursor::START, 10_000)).unwrap();
    prop_assert_eq!(got, expected);
    let ids: Vec<String> = IDS.iter().map(|&id| id.to_owned()).collect();
    prop_assert_eq!(
        rt.block_on(f.store.types_of(&acme(), &ids)).unwrap(),
        rt.block_on(model.types_of(&acme(), &ids)).unwrap()
    );
    for id in IDS {
        for include in [Include::ALL, Include::NONE] {
            let resource_type = type_named(type_for(id));
            let got = rt.block_on(f.store.get(&acme(), &resource_type, id, include)).unwrap();
            let expected = rt.block_on(model.get(&acme(), &resource_type, id, include)).unwrap();
            prop_assert_eq!(got, expected);
        }
    }
    for question in questions {
        let query = rt.block_on(query_of(&model, &question));
        let got = rt.block_on(f.store.query(&acme(), &query)).unwrap();
        let expected = rt.block_on(model.query(&acme(), &query)).unwrap();
        prop_assert_eq!(got, expected, "{:?}", question);
    }
    Ok(())
}

/// The query of a question; positions are those of real matches, or between them.
async fn query_of(model: &MemoryStore, question: &Question) -> Query {
    let mut query = query(&question.types, question.filter.as_deref());
    if let Some((by, descending)) = question.sort {
        query = sorted(query, by, descending);
    }
    query.include = question.include;
    // The sort key may need what was not asked for.
    let mut whole = query.clone();
    whole.include = Include::ALL;
    let whole = model.query(&acme(), &whole).await.unwrap();
    let (kind, at) = question.start;
    let near = at.index(whole.resources.len() + 2);
    let position = match whole.resources.get(near) {
        Some(stored) => {
            let mut position = Position::of(&query, stored);
            if near % 2 == 1 {
                position.id.push('~');
            }
            position
        }
        None => Position {
            key: scim_core::SortKey::Missing,
            created: DateTime::parse("2100-01-01T00:00:00Z").unwrap().unix_micros(),
            id: "zzz".into(),
        },
    };
    let start = match kind {
        0 => Start::Offset(near as u64),
        1 => Start::After(position),
        _ => Start::Before(position),
    };
    paged(query, start, question.count)
}
