//! What must hold after a run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use scim_directory::{Directories, Ordering};
use scim_webhook::next_attempt;
use serde_json::{Value, json};

use super::wire::{Manner, Sent};
use super::{Figures, Listener, World};

pub(super) async fn check(world: &World) -> Figures {
    let site = world.site();
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!(backlog.pending, 0, "all is delivered: {backlog:?}");
    assert_eq!(world.wire.violations(), Vec::<String>::new());
    let said = said(world).await;
    let mut figures = Figures { crashes: world.crashes, ..Figures::default() };
    for listener in &world.listeners {
        let sent = world.wire.sent(&listener.url);
        figures.attempts += sent.len();
        assert_eq!(known(&sent), said, "{listener:?}");
        one_body_for_each_id(&sent, listener);
        figures.duplicates += attempts_are_counted_and_timed(&sent, world, listener);
        let was_well = listener.manner == Manner::Healthy && listener.was_always_on && !world.was_suspended;
        if was_well {
            figures.well += 1;
            in_order(&sent, listener);
            assert_eq!(let_in(&sent), active(&said), "{listener:?}");
            if listener.ordering == Ordering::Strict {
                every_event_arrives(&sent, world).await;
            }
        }
    }
    // Each dispatcher that died had a few attempts under way, and no more than those come twice.
    let slots: usize = world.listeners.iter().map(|listener| listener.concurrency).sum();
    if !world.was_suspended {
        assert!(figures.duplicates <= world.crashes * slots, "{figures:?}");
    }
    let findings = Directories::check(&site.store).await.unwrap();
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.count > 0).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    figures
}

/// Users and groups by id, as the directory says.
async fn said(world: &World) -> BTreeMap<String, Value> {
    let (site, directory) = (world.site(), &world.site().directory.id);
    let users = site.directories.users(directory, None, 1000).await.unwrap();
    let groups = site.directories.groups(directory, None, 1000).await.unwrap();
    users
        .into_iter()
        .chain(groups)
        .map(|v| (v.get("id").and_then(|id| id.as_str()).unwrap().to_owned(), v.into()))
        .collect()
}

/// Users and groups by id, as an application knows them that goes by the event with the greatest `sequence`.
fn known(sent: &[Sent]) -> BTreeMap<String, Value> {
    let mut latest: BTreeMap<&str, &Sent> = BTreeMap::new();
    for sent in sent.iter().filter(|sent| sent.was_processed) {
        let there = latest.entry(sent.subject()).or_insert(sent);
        if there.sequence() < sent.sequence() {
            *there = sent;
        }
    }
    let mut known = BTreeMap::new();
    for (subject, sent) in latest {
        let mut data = sent.body["data"].clone();
        let reason = data.as_object_mut().unwrap().remove("reason");
        let is_gone =
            sent.body["type"] == "organization.directory.group_deleted" || reason == Some(json!("removed"));
        if !is_gone {
            known.insert(subject.to_owned(), data);
        }
    }
    known
}

/// Users that are active.
fn active(said: &BTreeMap<String, Value>) -> BTreeSet<&str> {
    said.iter().filter(|(_, data)| data["active"] == true).map(|(id, _)| id.as_str()).collect()
}

/// Users to whom an application has given access that goes by the types of events: `user_created` gives it, and
/// `user_deleted` ends it.
fn let_in(sent: &[Sent]) -> BTreeSet<&str> {
    let mut last: HashMap<&str, u64> = HashMap::new();
    let mut inside = BTreeSet::new();
    for sent in sent.iter().filter(|sent| sent.was_processed) {
        let before = last.insert(sent.subject(), sent.sequence()).unwrap_or_default();
        assert!(before <= sent.sequence(), "in order");
        match sent.body["type"].as_str().unwrap().rsplit('.').next() {
            Some("user_created") => inside.insert(sent.subject()),
            Some("user_deleted") => inside.remove(sent.subject()),
            _ => false,
        };
    }
    inside
}

/// Of one event there is one text, except that it may tell that its subject came or went.
fn one_body_for_each_id(sent: &[Sent], listener: &Listener) {
    let mut bodies: HashMap<&str, Value> = HashMap::new();
    for sent in sent {
        let mut body = sent.body.clone();
        for field in ["type", "display_name"] {
            body.as_object_mut().unwrap().remove(field);
        }
        body["data"].as_object_mut().unwrap().remove("reason");
        let there = bodies.entry(&sent.event_id).or_insert_with(|| body.clone());
        assert_eq!(*there, body, "{listener:?}");
    }
}

/// The nth attempt comes after the one before it, when the table says at the earliest. Answers how many came again
/// under the same number.
fn attempts_are_counted_and_timed(sent: &[Sent], world: &World, listener: &Listener) -> usize {
    let mut last: HashMap<&str, &Sent> = HashMap::new();
    let mut duplicates = 0;
    for sent in sent {
        if let Some(before) = last.insert(&sent.event_id, sent).filter(|before| before.era == sent.era) {
            let is_next = sent.number == before.number + 1;
            // A lost answer, or one that came after the lease had ended.
            let is_again = sent.number <= before.number && (world.crashes > 0 || world.was_suspended);
            assert!(is_next || is_again, "{} after {}: {listener:?}", sent.number, before.number);
            duplicates += usize::from(is_again);
            if is_next {
                assert!(before.has_failed, "{listener:?}");
                let wait = next_attempt(before.number).expect("there is a further attempt");
                let due = before.at.plus(wait);
                assert!(sent.at >= due, "attempt {} too early: {listener:?}", sent.number);
            }
        }
    }
    duplicates
}

/// Whoever is well and does what each event says, one after the other, has the same in the end.
fn in_order(sent: &[Sent], listener: &Listener) {
    let mut last: HashMap<&str, u64> = HashMap::new();
    for sent in sent {
        let before = last.insert(sent.subject(), sent.sequence()).unwrap_or_default();
        assert!(before <= sent.sequence(), "{} after {before}: {listener:?}", sent.sequence());
    }
}

async fn every_event_arrives(sent: &[Sent], world: &World) {
    let arrived: BTreeSet<&str> = sent.iter().map(|sent| sent.event_id.as_str()).collect();
    for event in world.site().events().await {
        // In strict order only a deletion takes the place of others, and then they had failed.
        assert!(arrived.contains(event.id.as_str()), "{event:?}");
    }
}
