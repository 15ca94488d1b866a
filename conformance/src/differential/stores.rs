//! Stores compared with each other: the same made-up writes, then the same made-up queries.

use std::fmt;
use std::sync::Arc;

use scim_core::{
    Batch, Cause, Change, Document, Include, Matcher, Member, MemberDelta, MembersChange, Page, PageRequest,
    Position, Precondition, Query, Sort, SortKey, Start, Store, StoreError, TenantId, Write,
};
use scim_filter::{Filter, MatchOptions};
use scim_schema::{Attribute, DateTime, Registry, ResourceType, Uniqueness};
use serde_json::{Value, json};

use super::entropy::Entropy;
use super::world::{Form, World, to_product};

/// The first moment of a data set, in microseconds since 1970.
const START: i64 = 1_700_000_000_000_000;

/// Resource types, and writes that fill a store with their resources.
#[derive(Debug)]
pub struct DataSet {
    world: World,
    ids: Vec<String>,
    batches: Vec<Batch>,
    tenant: TenantId,
}

/// A query, and the texts it was made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// The filter.
    pub filter: Option<String>,
    /// `sortBy`, and whether the order is descending.
    pub sort: Option<(String, bool)>,
    /// The query.
    pub query: Query,
}

/// Where two stores differ.
#[derive(Debug)]
#[non_exhaustive]
pub struct StoreDifference {
    /// What was asked of both.
    pub what: String,
    /// The store that differs from the model.
    pub store: String,
    /// Its answer.
    pub got: String,
    /// The model's answer.
    pub expected: String,
    /// The schemas and resource types.
    pub documents: String,
}

impl fmt::Display for StoreDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.documents)?;
        writeln!(f, "asked:    {}", self.what)?;
        writeln!(f, "expected: {}", self.expected)?;
        write!(f, "{}: {}", self.store, self.got)
    }
}

impl DataSet {
    /// Makes up resource types and about that many resources of them: with memberships of memberships,
    /// with changes and deletions, and with clocks that go back.
    pub fn generate(entropy: &mut Entropy<'_>, resources: usize) -> Self {
        let world = World::generate(entropy, Form::Stored, resources);
        let odd_ids = entropy.chance(40);
        let wild = entropy.chance(30);
        let ids: Vec<String> = (0..world.samples().len())
            .map(|n| {
                if odd_ids {
                    format!("{}{n}", entropy.pick(&["u", "U", "e\u{301}"]))
                } else {
                    format!("u{n}")
                }
            })
            .collect();
        let mut set = Self { world, ids, batches: Vec::new(), tenant: TenantId::new("acme") };
        let mut writes = Vec::new();
        for n in 0..set.ids.len() {
            writes.extend(set.insert(entropy, n, wild));
        }
        for n in 0..set.ids.len() {
            match entropy.weighted(&[70, 12, 12, 6]) {
                0 => {}
                1 => writes.extend(set.replace(entropy, n, wild)),
                2 => writes.extend(set.change_members(entropy, n)),
                _ => writes.extend(set.delete(n)),
            }
        }
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let length = 1 + entropy.below(20);
            let now = DateTime::from_unix_micros(START + i64::try_from(entropy.below(60)).unwrap_or(0));
            let writes: Vec<Write> = writes.by_ref().take(length).collect();
            set.batches.push(Batch { writes, now, cause: Cause::default(), check_members: false });
        }
        set
    }

    /// The resource types.
    pub fn registry(&self) -> &Arc<Registry> {
        self.world.registry()
    }

    /// Paths of some simple attributes, for stores that are told which to index.
    pub fn some_paths(&self, entropy: &mut Entropy<'_>) -> Vec<String> {
        self.paths().into_iter().filter(|_| entropy.chance(50)).collect()
    }

    /// Writes everything.
    ///
    /// # Errors
    /// What the store answers to one of the batches.
    pub async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        for batch in &self.batches {
            store.commit(&self.tenant, batch.clone()).await?;
        }
        Ok(())
    }

    /// Makes up a query; `None` where the filter or the order is one that no query may have. The model must
    /// hold the data.
    ///
    /// # Errors
    /// What the model answers.
    pub async fn question(
        &self,
        entropy: &mut Entropy<'_>,
        model: &dyn Store,
    ) -> Result<Option<Question>, StoreError> {
        let all = self.registry().resource_types();
        let one = entropy.choose(all).filter(|_| entropy.chance(85)).cloned();
        let resource_types = one.map_or_else(|| all.to_vec(), |t| vec![t]);
        let text = (!entropy.chance(8)).then(|| self.filter(entropy));
        let filter = match &text {
            None => None,
            Some(text) => {
                let typed = Filter::parse(text)
                    .ok()
                    .and_then(|f| Matcher::new(&f, &resource_types, &MatchOptions::default()).ok());
                let Some(typed) = typed else { return Ok(None) };
                Some(Arc::new(typed))
            }
        };
        let sort = entropy.chance(50).then(|| {
            let paths = self.paths();
            let path = match entropy.below(6) {
                0 => {
                    entropy.pick(&["meta.created", "meta.lastModified", "id", "groups", "members"]).to_owned()
                }
                _ => entropy.choose(&paths).cloned().unwrap_or_default(),
            };
            (path, entropy.chance(50))
        });
        let order = match &sort {
            None => None,
            Some((path, descending)) => {
                let Ok(order) = Sort::new(path, *descending, &resource_types) else { return Ok(None) };
                Some(order)
            }
        };
        let include = Include { members: entropy.chance(15), memberships: entropy.chance(15) };
        let whole = PageRequest { start: Start::Offset(0), count: usize::MAX };
        let mut query = Query { resource_types, filter, sort: order, page: whole, include: Include::ALL };
        let whole = model.query(&self.tenant, &query).await?;
        query.include = include;
        query.page = PageRequest { start: start(entropy, &query, &whole), count: entropy.below(12) };
        Ok(Some(Question { filter: text, sort, query }))
    }

    /// Asks a store and compares.
    ///
    /// # Errors
    /// [`StoreDifference`].
    pub async fn compare(
        &self,
        question: &Question,
        expected: &Page,
        name: &str,
        store: &dyn Store,
    ) -> Result<(), Box<StoreDifference>> {
        let got = store.query(&self.tenant, &question.query).await;
        if got.as_ref().is_ok_and(|got| got == expected) {
            return Ok(());
        }
        let types: Vec<&str> = question.query.resource_types.iter().map(|t| t.name()).collect();
        let documents: Vec<String> = self.world.documents.iter().map(Value::to_string).collect();
        Err(Box::new(StoreDifference {
            what: format!(
                "{types:?}, filter {:?}, sorted by {:?}, {:?}",
                question.filter, question.sort, question.query.page
            ),
            store: name.to_owned(),
            got: got.map_or_else(|error| format!("{error}"), |page| summary(&page)),
            expected: summary(expected),
            documents: documents.join("\n"),
        }))
    }

    /// The model's answer.
    ///
    /// # Errors
    /// What the model answers instead.
    pub async fn answer(&self, question: &Question, model: &dyn Store) -> Result<Page, StoreError> {
        model.query(&self.tenant, &question.query).await
    }

    /// A filter as the world makes it up, or one on what a store has apart from documents.
    fn filter(&self, entropy: &mut Entropy<'_>) -> String {
        let own = entropy.chance(35).then(|| self.own_term(entropy));
        match own {
            None => self.world.filter(entropy),
            Some(own) => match entropy.below(5) {
                0 => own,
                1 => format!("not ({own})"),
                2 => format!("{own} or {}", self.world.filter(entropy)),
                3 => format!("({}) and not ({own})", self.world.filter(entropy)),
                _ => format!("({}) and {own}", self.world.filter(entropy)),
            },
        }
    }

    fn own_term(&self, entropy: &mut Entropy<'_>) -> String {
        let id = entropy.choose(&self.ids).cloned().unwrap_or_default();
        let id = if entropy.chance(20) { id.to_uppercase() } else { id };
        let id = Value::from(id);
        let time = DateTime::from_unix_micros(START + i64::try_from(entropy.below(62)).unwrap_or(0));
        let time = time.to_string();
        let time = match entropy.below(4) {
            0 => time.replace('Z', "5Z"),
            1 => time.replace('Z', "000+00:00"),
            _ => time,
        };
        let order = entropy.pick(&["eq", "ne", "gt", "ge", "lt", "le"]);
        let any = entropy.pick(&["eq", "eq", "eq", "ne", "sw", "co", "ew", "gt", "le"]);
        match entropy.below(12) {
            0 => format!("id {any} {id}"),
            1 => format!("meta.created {order} \"{time}\""),
            2 => format!("meta.lastModified {order} \"{time}\""),
            3 => format!("meta[created {order} \"{time}\" or resourceType eq \"User\"]"),
            4 => format!("members.value {any} {id}"),
            5 => format!("members[value {any} {id} and not (type eq \"a\")]"),
            6 => entropy
                .pick(&["members pr", "groups pr", "members eq null", "groups.value ne null"])
                .to_owned(),
            7 => format!("groups {any} {id}"),
            8 => format!("groups[type eq \"direct\" and value eq {id}]"),
            9 => format!("groups[not (value eq {id})]"),
            10 => {
                format!("meta.resourceType {any} \"{}\"", entropy.pick(&["User", "Group", "group", "Thing"]))
            }
            _ => format!("groups.value eq {id}"),
        }
    }

    fn insert(&self, entropy: &mut Entropy<'_>, n: usize, wild: bool) -> Option<Write> {
        let document = self.document(entropy, n, n, wild)?;
        let members = self.members(entropy, n);
        self.write(n, Precondition::Absent, Change::Insert { document, members })
    }

    /// The document of another resource of the type, under this one's id.
    fn replace(&self, entropy: &mut Entropy<'_>, n: usize, wild: bool) -> Option<Write> {
        let own = self.world.samples().get(n)?.resource_type;
        let from = entropy.below(self.ids.len());
        let from = if self.world.samples().get(from)?.resource_type == own { from } else { n };
        let document = Some(self.document(entropy, from, n, wild)?);
        let change = Change::Update { document, changes: Vec::new(), members: MembersChange::Keep };
        self.write(n, Precondition::Any, change)
    }

    fn change_members(&self, entropy: &mut Entropy<'_>, n: usize) -> Option<Write> {
        self.type_of(n)?.membership()?;
        let add = self.members(entropy, n);
        let remove = self.members(entropy, n).into_iter().map(|member| member.id).collect();
        let members = MembersChange::Delta(MemberDelta { clear: entropy.chance(10), add, remove });
        self.write(n, Precondition::Any, Change::Update { document: None, changes: Vec::new(), members })
    }

    fn delete(&self, n: usize) -> Option<Write> {
        self.write(n, Precondition::Any, Change::Delete)
    }

    fn write(&self, n: usize, precondition: Precondition, change: Change) -> Option<Write> {
        let id = self.ids.get(n)?.clone();
        Some(Write { resource_type: Arc::clone(self.type_of(n)?), id, precondition, change })
    }

    fn type_of(&self, n: usize) -> Option<&Arc<ResourceType>> {
        self.registry().resource_types().get(self.world.samples().get(n)?.resource_type)
    }

    /// What a store is given of a sample.
    fn document(&self, entropy: &mut Entropy<'_>, from: usize, n: usize, wild: bool) -> Option<Document> {
        let resource_type = self.type_of(n)?;
        let mut json = self.world.samples().get(from)?.json.clone();
        let object = json.as_object_mut()?;
        object.remove("meta");
        for computed in resource_type
            .membership()
            .map(scim_schema::Membership::attribute)
            .into_iter()
            .chain(resource_type.inverses().iter().map(String::as_str))
        {
            object.remove(computed);
        }
        for (name, value) in object.iter_mut().filter(|(name, _)| *name != "schemas") {
            settle(entropy, value, wild);
            let unique = resource_type.attribute(name).is_some_and(|a| a.uniqueness() != Uniqueness::None);
            if let (true, Some(text)) = (unique, value.as_str()) {
                *value = json!(format!("{text}{n}"));
            }
        }
        object.insert("id".into(), json!(self.ids.get(n)?));
        let resource = to_product(&json);
        Some(Document { unique: resource_type.unique_keys(&resource), resource })
    }

    fn members(&self, entropy: &mut Entropy<'_>, n: usize) -> Vec<Member> {
        if self.type_of(n).and_then(|t| t.membership()).is_none() {
            return Vec::new();
        }
        let count = entropy.below(7);
        let member = |_| {
            let id = entropy.choose(&self.ids).filter(|_| !entropy.chance(4)).cloned();
            let mut member = Member::new(id.unwrap_or_else(|| "nobody".to_owned()));
            member.display = entropy.chance(20).then(|| "a".to_owned());
            member
        };
        (0..count).map(member).collect()
    }

    /// All simple attributes that a document holds and anybody may read.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for resource_type in self.registry().resource_types() {
            let computed = |name: &str| {
                ["id", "meta", "schemas"].contains(&name)
                    || resource_type.membership().is_some_and(|m| m.attribute() == name)
                    || resource_type.inverses().iter().any(|inverse| inverse == name)
            };
            for attribute in resource_type.attributes().filter(|a| !computed(a.name())) {
                collect(&mut paths, "", attribute);
            }
            for extension in resource_type.extensions() {
                let prefix = format!("{}:", extension.schema().id());
                extension.schema().attributes().iter().for_each(|a| collect(&mut paths, &prefix, a));
            }
        }
        paths
    }
}

/// Texts that a schema layer lets through; in a wild data set also long ones, and others that an index
/// has trouble with.
fn settle(entropy: &mut Entropy<'_>, value: &mut Value, wild: bool) {
    match value {
        Value::String(text) => {
            if text.contains('\0') {
                *text = text.replace('\0', "0");
            }
            if wild && entropy.chance(2) {
                *text = match entropy.below(4) {
                    0 => format!("{text}{}", "ab".repeat(130)),
                    1 => "é".repeat(126) + "x",
                    2 => format!("\u{10ffff}{text}"),
                    _ => format!("{text}{}", "é".repeat(127)),
                };
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| settle(entropy, value, wild)),
        Value::Object(members) => members.values_mut().for_each(|value| settle(entropy, value, wild)),
        _ => {}
    }
}

fn collect(paths: &mut Vec<String>, prefix: &str, attribute: &Attribute) {
    let path = format!("{prefix}{}", attribute.name());
    if attribute.is_hidden() {
        return;
    }
    if !attribute.is_complex() {
        paths.push(path);
        return;
    }
    let subs = attribute.sub_attributes().iter().filter(|sub| !sub.is_hidden() && !sub.is_complex());
    paths.extend(subs.map(|sub| format!("{path}.{}", sub.name())));
}

/// A place to begin: a number, or a position of a match or near it.
fn start(entropy: &mut Entropy<'_>, query: &Query, whole: &Page) -> Start {
    let near = entropy.below(whole.resources.len() + 2);
    let position = match whole.resources.get(near) {
        Some(stored) => {
            let mut position = Position::of(query, stored);
            if entropy.chance(30) {
                position.id.push('~');
            }
            position
        }
        None => Position { key: SortKey::Missing, created: START + 1000, id: "zzz".into() },
    };
    match entropy.below(3) {
        0 => Start::Offset(near as u64),
        1 => Start::After(position),
        _ => Start::Before(position),
    }
}

fn summary(page: &Page) -> String {
    let ids: Vec<&str> = page.resources.iter().map(|stored| stored.resource.id()).collect();
    format!("{ids:?} of {}, more after: {}, more before: {}", page.total, page.more_after, page.more_before)
}
