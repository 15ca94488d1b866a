//! The event log, read on from where it was left, and whether all of it was delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::receiver::Receiver;
use super::writer::{Writer, version};
use super::{DIRECTORIES, RECOVERY};
use crate::api::Api;
use crate::scimd::Scimd;

/// How long nothing may come until nothing more is waited for.
const SILENCE: Duration = Duration::from_secs(90);
/// How often to look.
const LOOK: Duration = Duration::from_millis(50);

/// What the log of the server was seen to say.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    /// The events of directories, in the order of the log.
    pub(crate) events: Vec<Value>,
    /// Where to read on.
    after: Option<String>,
    /// The events of each subject, by their place.
    subjects: BTreeMap<String, Vec<usize>>,
    /// Subjects of which the receiver was not seen to have the last event.
    open: BTreeSet<String>,
}

impl EventLog {
    /// Waits until what the writers saw acknowledged was told, and all that was told is delivered; or until
    /// nothing has come for long.
    pub(crate) async fn until_delivered(&mut self, scimd: &Scimd, writers: &[Writer], receiver: &Receiver) {
        let api = Api::of(scimd);
        let groups = group_versions(scimd).await;
        let (mut came, mut last) = ((0, 0), Instant::now());
        while last.elapsed() < SILENCE {
            self.read_on(&api).await;
            let is_told = writers.iter().all(|writer| self.tells(writer))
                && groups.iter().all(|(id, version)| self.last_version(id) >= Some(*version));
            if is_told && self.untold(receiver) == 0 && waiting(&api).await == 0 {
                return;
            }
            let now = (self.events.len(), receiver.count());
            if now != came {
                (came, last) = (now, Instant::now());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read_on(&mut self, api: &Api) {
        loop {
            let after = self.after.as_ref().map(|cursor| format!("&after={cursor}")).unwrap_or_default();
            let mut page = get(api, &format!("/events?limit=100{after}")).await;
            self.after = Some(page["next_cursor"].as_str().unwrap().to_owned());
            let Value::Array(events) = page["events"].take() else { panic!("{page}") };
            for event in events.into_iter().filter(|event| !event["directory_id"].is_null()) {
                let subject = event["subject"].as_str().unwrap().to_owned();
                self.subjects.entry(subject.clone()).or_default().push(self.events.len());
                self.open.insert(subject);
                self.events.push(event);
            }
            if page["has_more"] != true {
                return;
            }
        }
    }

    /// Whether there is an event of each write that was acknowledged.
    fn tells(&self, writer: &Writer) -> bool {
        let model = &writer.model;
        let alive = model.versions.iter().filter(|(id, _)| !model.deleted.contains(*id));
        alive.into_iter().all(|(id, version)| self.last_version(id) >= Some(*version))
            && model.deleted.iter().all(|id| self.last(id).is_some_and(is_removal))
    }

    fn last(&self, subject: &str) -> Option<&Value> {
        self.subjects.get(subject)?.last().and_then(|place| self.events.get(*place))
    }

    fn last_version(&self, subject: &str) -> Option<u64> {
        self.last(subject)?["version"].as_u64()
    }

    /// How many subjects there are of which the receiver has not the last event, which has taken the place of those
    /// before it. It need not have heard at all of who came and went.
    pub(crate) fn untold(&mut self, receiver: &Receiver) -> usize {
        let Self { events, subjects, open, .. } = self;
        let has = |place: &usize| receiver.has(events[*place]["id"].as_str().unwrap());
        open.retain(|subject| !subjects[subject].last().is_some_and(has));
        let has_come_and_gone = |subject: &&String| {
            let places = &subjects[*subject];
            let last = &events[*places.last().unwrap()];
            last["type"].as_str().unwrap().ends_with("_deleted") && !places.iter().any(has)
        };
        open.iter().filter(|subject| !has_come_and_gone(subject)).count()
    }
}

fn is_removal(event: &Value) -> bool {
    event["data"]["reason"] == "removed"
}

async fn group_versions(scimd: &Scimd) -> Vec<(String, u64)> {
    let mut versions = Vec::new();
    for directory in 0..DIRECTORIES {
        let client = scimd.client(directory);
        let list = answered(|| client.get("/Groups?count=500&attributes=meta")).await;
        let groups = list["Resources"].as_array().into_iter().flatten();
        versions
            .extend(groups.map(|group| (group["id"].as_str().unwrap().to_owned(), version(group).unwrap())));
    }
    versions
}

/// How many deliveries wait, at any endpoint; one stands for many.
async fn waiting(api: &Api) -> usize {
    get(api, "/deliveries?state=pending&page_size=1").await["deliveries"].as_array().unwrap().len()
}

async fn get(api: &Api, path: &str) -> Value {
    answered(|| api.send(Method::GET, path, Value::Null)).await
}

/// What comes with 200; 503 for a while, because not every connection to a database that came back has been made
/// again.
async fn answered<F: Future<Output = (StatusCode, Value)>>(ask: impl Fn() -> F) -> Value {
    let begun = Instant::now();
    loop {
        match ask().await {
            (StatusCode::OK, body) => return body,
            (StatusCode::SERVICE_UNAVAILABLE, _) if begun.elapsed() < RECOVERY => {
                tokio::time::sleep(LOOK).await;
            }
            (status, body) => panic!("{status} {body}"),
        }
    }
}
