//! After the last restart: is what was acknowledged there, and was each change told?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event_log::EventLog;
use super::model::Figures;
use super::receiver::Receiver;
use super::writer::{Writer, seen, version};
use super::{DIRECTORIES, WRITERS};
use crate::scimd::{Client, Scimd};

/// How many attempts at one endpoint can be under way when the process dies (row O3).
const SLOTS: u64 = 4;

/// When nothing more is to come.
pub(crate) async fn check(
    scimd: &Scimd,
    writers: &[Writer],
    log: &mut EventLog,
    receiver: &Receiver,
    figures: &mut Figures,
) {
    assert_eq!(writers.len(), WRITERS);
    let mut directories = Vec::new();
    for directory in 0..DIRECTORIES {
        directories.push(Directory::read(&scimd.client(directory)).await);
    }
    for writer in writers {
        figures.acknowledged += writer.acknowledged;
        figures.unanswered += writer.unanswered;
        figures.unanswered_done += writer.unanswered_done;
        for problem in &writer.problems {
            figures.problem(problem.clone());
        }
        check_writes(writer, &directories[writer.directory], figures);
    }
    for (number, directory) in directories.iter().enumerate() {
        check_invariants(number, directory, writers, figures);
    }
    check_events(&log.events, &directories, figures);
    check_deliveries(log, receiver, figures);
    check_order(&log.events, &scimd.events().await, figures);
}

/// All that a directory shows.
struct Directory {
    id: String,
    users: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
}

impl Directory {
    async fn read(client: &Client) -> Self {
        let id = client.base_url.rsplit('/').next().unwrap().to_owned();
        Self { id, users: all(client, "/Users").await, groups: all(client, "/Groups").await }
    }

    /// The version of each resource.
    fn versions(&self) -> BTreeMap<&str, u64> {
        let resources = self.users.iter().chain(&self.groups);
        resources.map(|(id, body)| (id.as_str(), version(body).unwrap())).collect()
    }
}

async fn all(client: &Client, endpoint: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    loop {
        let (status, page) =
            client.get(&format!("{endpoint}?startIndex={}&count=500", found.len() + 1)).await;
        assert_eq!(status, 200);
        let resources = page["Resources"].as_array().cloned().unwrap_or_default();
        if resources.is_empty() {
            assert_eq!(page["totalResults"], found.len(), "{endpoint}: an id is listed twice");
            return found;
        }
        for resource in resources {
            found.insert(resource["id"].as_str().unwrap().to_owned(), resource);
        }
    }
}

/// Each acknowledged write is visible, or overwritten by a later one.
fn check_writes(writer: &Writer, directory: &Directory, figures: &mut Figures) {
    for (id, user) in &writer.model.users {
        let found = directory.users.get(id);
        if found.map(seen).as_ref() != Some(user) {
            figures.lost_writes += 1;
            figures.problem(format!("user {id} is {:?}, acknowledged was {user:?}", found.map(seen)));
        }
        let acknowledged = writer.model.versions.get(id).copied().unwrap_or_default();
        if found.and_then(version).is_some_and(|version| version < acknowledged) {
            figures.broken_invariants += 1;
            figures.problem(format!("the version of user {id} is lower than it was"));
        }
    }
    for id in &writer.model.deleted {
        if directory.users.contains_key(id) {
            figures.lost_writes += 1;
            figures.problem(format!("user {id} is there, though its deletion was acknowledged"));
        }
    }
    figures.deleted += writer.model.deleted.len();
}

/// Nothing that was not sent; unique names; members are users, and `groups` is their inverse.
fn check_invariants(number: usize, directory: &Directory, writers: &[Writer], figures: &mut Figures) {
    figures.users += directory.users.len();
    figures.groups += directory.groups.len();
    let sent: BTreeSet<&str> = writers
        .iter()
        .filter(|writer| writer.directory == number)
        .flat_map(|writer| writer.model.sent.iter().map(String::as_str))
        .collect();
    let mut names = BTreeSet::new();
    for (id, user) in &directory.users {
        let name = user["userName"].as_str().unwrap();
        if !sent.contains(name) {
            figures.phantom_resources += 1;
            figures.problem(format!("user {id} was never sent"));
        }
        if !names.insert(name.to_lowercase()) {
            figures.broken_invariants += 1;
            figures.problem(format!("the userName of user {id} is there twice"));
        }
    }
    let edges = |pairs: Vec<(String, String)>| pairs.into_iter().collect::<BTreeSet<_>>();
    let members = edges(pairs(&directory.groups, "members"));
    let inverse = edges(pairs(&directory.users, "groups"));
    for (group, member) in &members {
        if !directory.users.contains_key(member) {
            figures.broken_invariants += 1;
            figures.problem(format!("member {member} of group {group} does not exist"));
        }
        if !inverse.contains(&(member.clone(), group.clone())) {
            figures.broken_invariants += 1;
            figures.problem(format!("user {member} does not show its group {group}"));
        }
    }
    if members.len() != inverse.len() {
        figures.broken_invariants += 1;
        figures.problem(format!("{} members, but {} groups of users", members.len(), inverse.len()));
    }
}

fn pairs(resources: &BTreeMap<String, Value>, attribute: &str) -> Vec<(String, String)> {
    let values = |(id, body): (&String, &Value)| {
        let values = body[attribute].as_array().cloned().unwrap_or_default();
        let id = id.clone();
        values.into_iter().map(move |value| (id.clone(), value["value"].as_str().unwrap().to_owned()))
    };
    resources.iter().flat_map(values).collect()
}

/// Events by subject, in order of their sequence.
struct Log<'e> {
    subjects: BTreeMap<&'e str, Vec<&'e Value>>,
    /// Numbers of a directory's sequence that are missing.
    gaps: u64,
}

impl<'e> Log<'e> {
    fn new(events: &'e [Value]) -> Self {
        let mut ordered: Vec<&Value> = events.iter().collect();
        ordered.sort_by_key(|event| event["sequence"].as_u64().unwrap());
        let subjects = by_subject(ordered.iter().copied());
        let mut directories: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for event in ordered {
            let directory = event["directory_id"].as_str().unwrap();
            directories.entry(directory).or_default().insert(event["sequence"].as_u64().unwrap());
        }
        let gaps = directories
            .values()
            .map(|numbers| numbers.last().unwrap() - u64::try_from(numbers.len()).unwrap());
        Self { gaps: gaps.sum(), subjects }
    }

    /// The versions that events tell of, in order.
    fn versions(&self, subject: &str) -> Vec<u64> {
        let events = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        let versions: BTreeSet<u64> = events.iter().map(|e| e["version"].as_u64().unwrap()).collect();
        versions.into_iter().collect()
    }
}

fn by_subject<'e>(events: impl IntoIterator<Item = &'e Value>) -> BTreeMap<&'e str, Vec<&'e Value>> {
    let mut subjects: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        subjects.entry(event["subject"].as_str().unwrap()).or_default().push(event);
    }
    subjects
}

/// Every change has its event, and every event its change.
fn check_events(events: &[Value], directories: &[Directory], figures: &mut Figures) {
    figures.events = events.len();
    let log = Log::new(events);
    figures.undelivered_events += usize::try_from(log.gaps).unwrap();
    if log.gaps > 0 {
        figures.problem(format!("{} numbers are missing in the sequences of events", log.gaps));
    }
    let mut alive = BTreeMap::new();
    for directory in directories {
        for (id, version) in directory.versions() {
            alive.insert(id, version);
            let told: BTreeSet<u64> = log.versions(id).into_iter().collect();
            let made: BTreeSet<u64> = (1..=version).collect();
            figures.changes += made.len();
            figures.changes_without_event += made.difference(&told).count();
            figures.events_without_change += told.difference(&made).count();
            if told != made {
                figures.problem(format!("{id} has the version {version}, its events tell of {told:?}"));
            }
        }
        check_last_events(&log, directory, figures);
    }
    for (subject, events) in &log.subjects {
        let removed = events.iter().filter(|e| e["data"]["reason"] == "removed").count();
        let is_alive = alive.contains_key(subject);
        if is_alive && removed > 0 {
            figures.events_without_change += removed;
            figures.problem(format!("{subject} is there, but its removal was told"));
        }
        if !is_alive {
            let versions = log.versions(subject);
            let gone = if subject.starts_with("dirgroup_") { 1 } else { removed };
            figures.changes += versions.len() + 1;
            let whole = (1..=u64::try_from(versions.len()).unwrap()).eq(versions.iter().copied());
            if gone != 1 || !whole {
                figures.changes_without_event += 1;
                figures.problem(format!(
                    "{subject} is gone; its events tell of {versions:?}, gone {gone} times"
                ));
            }
        }
    }
}

/// The last event of each user says what the directory shows.
fn check_last_events(log: &Log<'_>, directory: &Directory, figures: &mut Figures) {
    for (id, body) in &directory.users {
        let Some(last) = log.subjects.get(id.as_str()).and_then(|events| events.last()) else { continue };
        let data = &last["data"];
        let refs = data["group_refs"].as_array().into_iter().flatten();
        let groups: BTreeSet<String> = refs.map(|group| group["id"].as_str().unwrap().to_owned()).collect();
        let user = seen(body);
        let same = data["title"].as_str() == user.title.as_deref()
            && groups == user.groups
            && last["directory_id"] == directory.id.as_str();
        if !same {
            figures.changes_without_event += 1;
            figures.problem(format!("the last event of user {id} is {data}, the user is {user:?}"));
        }
    }
}

/// The receiver outside, for which each event takes the place of those before it, has heard of the last state of
/// all, and of nothing else; a repetition is the same event again.
fn check_deliveries(log: &mut EventLog, receiver: &Receiver, figures: &mut Figures) {
    let deliveries = receiver.deliveries();
    figures.deliveries = deliveries.len();
    let untold = log.untold(receiver);
    if untold > 0 {
        figures.undelivered_events += untold;
        figures.problem(format!("the last events of {untold} did not reach the receiver"));
    }
    let logged: BTreeSet<&str> = log.events.iter().map(id_of).collect();
    let unknown = deliveries.keys().filter(|id| !logged.contains(id.as_str())).count();
    if unknown > 0 {
        figures.events_without_change += unknown;
        figures.problem(format!("{unknown} events are in no log"));
    }
    let repeated: usize = deliveries.values().map(|delivered| delivered.count - 1).sum();
    if repeated as u64 > SLOTS * figures.kills {
        figures.problem(format!("{repeated} deliveries came again, more than can have been under way"));
    }
    for (id, delivered) in &deliveries {
        figures.repeated_deliveries += delivered.count - 1;
        let event: Value = serde_json::from_slice(&delivered.body).unwrap();
        if !delivered.constant || event["id"] != id.as_str() {
            figures.broken_invariants += 1;
            figures.problem(format!("event {id} was not the same each time"));
        }
    }
}

/// The receiver of the demo, which wants each event in its order, has those of each user and group as the log has
/// them, and no others.
fn check_order(log: &[Value], received: &[Value], figures: &mut Figures) {
    let received = received.iter().filter(|event| !event["directory_id"].is_null());
    let (log, received) = (by_subject(log), by_subject(received));
    let subjects: BTreeSet<&str> = log.keys().chain(received.keys()).copied().collect();
    for subject in subjects {
        let ids = |of: &BTreeMap<&str, Vec<&Value>>| -> Vec<String> {
            of.get(subject).into_iter().flatten().map(|event| id_of(event).to_owned()).collect()
        };
        let (told, came) = (ids(&log), ids(&received));
        if came != told {
            figures.undelivered_events += 1;
            figures.problem(format!("of {subject} the events {told:?} are logged, and {came:?} came"));
        }
    }
}

fn id_of(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}
