//! T30: from a commit to the webhook, alone and while the directory of another organization is loaded.
//!
//! Changes are due at fixed moments, whatever became of those before them, so that a server that falls behind
//! shows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::figures::Figures;
use crate::receiver::{Arrival, Receiver};
use crate::scimd::{Access, Home, Scimd};
use crate::{Options, Row, users};

/// How many changes a second.
const RATE: u32 = 200;
/// How many connections changes are sent over: more than are ever under way.
const CONNECTIONS: usize = 64;
/// How many connections load the other directory; each sends the next user when the last one is answered.
const LOADERS: usize = 4;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A change of one user.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: String,
    /// When it was to be sent.
    pub(crate) due: Instant,
    /// When the client had the answer.
    pub(crate) done: Instant,
}

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    if !options.wants(Row::T30) {
        return Ok(());
    }
    let (seconds, loaded) = if options.quick { (10, 2000) } else { (60, 10_000) };
    println!("T30 on {}: {RATE} changes a second, {seconds} s", options.engine);
    let receiver = Receiver::start().await?;
    let mut home = Home::new(options, "delay", &["Users", "Sync"]).await?;
    let changes = RATE * seconds;
    home.import("Users", "users", u64::from(changes))?;
    let users = home.access("Users")?.clone();
    let scimd = home.serve().await?;
    home.data.wait_for_events(&users.directory, u64::from(changes), PATIENCE).await?;
    let ids = users::ids(&mut scimd.connect().await?, &users, usize::try_from(changes)?).await?;
    scimd.stop()?;
    home.add_webhook(receiver.url(), None);
    let scimd = home.serve().await?;
    for round in 1..=options.rounds(1) {
        for (bench, loaded) in [("delay/alone", 0), ("delay/sync", loaded)] {
            let run = format!("sync{round}");
            let others = load(&scimd, home.access("Sync")?, &run, loaded);
            let changing = change(&scimd, &users, &ids, RATE);
            let (load_time, changes) = tokio::try_join!(others, changing)?;
            receiver.wait_for(ids.len() + loaded, PATIENCE).await?;
            let arrivals = arrivals(receiver.drain())?;
            let delays = |since: fn(&Change) -> Instant, during: Option<Duration>| {
                let begun = changes.first().map(|change| change.due);
                let counted = changes.iter().filter(|change| {
                    begun.zip(during).is_none_or(|(begun, during)| change.due < begun + during)
                });
                counted
                    .map(|change| {
                        let arrival = arrivals.get(&change.id).context("an event is missing")?;
                        Ok(arrival.saturating_duration_since(since(change)))
                    })
                    .collect::<Result<Vec<Duration>>>()
            };
            figures.add_times(bench, &mut delays(|change| change.done, None)?)?;
            figures.add_times(&format!("{bench}/from_send"), &mut delays(|change| change.due, None)?)?;
            let mut answers: Vec<Duration> = changes.iter().map(|c| c.done - c.due).collect();
            figures.add_times(&format!("{bench}/answer"), &mut answers)?;
            if loaded > 0 {
                figures.add(&format!("{bench}/users"), loaded as f64 / load_time.as_secs_f64(), "/s");
                let during = &mut delays(|change| change.done, Some(load_time))?;
                figures.add_times(&format!("{bench}/while_loading"), during)?;
            }
        }
    }
    scimd.stop()?;
    home.remove()
}

/// When the event of each user came.
pub(crate) fn arrivals(arrived: Vec<Arrival>) -> Result<HashMap<String, Instant>> {
    let subject = |arrival: Arrival| {
        let event: Value = serde_json::from_slice(&arrival.body)?;
        let subject = event.get("subject").and_then(Value::as_str).context("an event without a subject")?;
        Ok((subject.to_owned(), arrival.time))
    };
    arrived.into_iter().map(subject).collect()
}

/// Changes each user once, so many a second.
pub(crate) async fn change(scimd: &Scimd, access: &Access, ids: &[String], rate: u32) -> Result<Vec<Change>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(scimd.connect().await?);
    }
    let work = Work {
        access: access.clone(),
        ids: ids.into(),
        next: AtomicU32::new(0),
        begin: Instant::now(),
        rate,
        title: format!("Title {}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros()),
    };
    let work = Arc::new(work);
    let mut working = JoinSet::new();
    for connection in connections {
        working.spawn(work_off(connection, Arc::clone(&work)));
    }
    let mut changes = Vec::with_capacity(ids.len());
    while let Some(done) = working.join_next().await {
        changes.append(&mut done??);
    }
    changes.sort_unstable_by_key(|change: &Change| change.due);
    Ok(changes)
}

/// What the connections share.
struct Work {
    access: Access,
    ids: Arc<[String]>,
    next: AtomicU32,
    begin: Instant,
    rate: u32,
    title: String,
}

/// What falls to one connection.
async fn work_off(mut connection: Connection, work: Arc<Work>) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": work.title}]
    });
    let body = Bytes::from(body.to_string());
    loop {
        let number = work.next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = work.ids.get(usize::try_from(number)?) else { return Ok(changes) };
        let due = work.begin + Duration::from_secs(1) * number / work.rate;
        tokio::time::sleep_until(due.into()).await;
        let (access, path) = (&work.access, format!("/Users/{id}"));
        users::ask(&mut connection, access, Method::PATCH, &path, body.clone(), StatusCode::OK).await?;
        changes.push(Change { id: id.clone(), due, done: Instant::now() });
    }
}

/// Brings new users into a directory over SCIM, as fast as it takes them. How long it took.
async fn load(scimd: &Scimd, access: &Access, run: &str, count: usize) -> Result<Duration> {
    let begun = Instant::now();
    let next = Arc::new(AtomicU32::new(0));
    let mut loading = JoinSet::new();
    for _ in 0..LOADERS.min(count) {
        let (mut connection, access) = (scimd.connect().await?, access.clone());
        let (next, run) = (Arc::clone(&next), run.to_owned());
        loading.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if usize::try_from(number)? >= count {
                    return Ok::<_, anyhow::Error>(());
                }
                let body = Bytes::from(users::document(&run, u64::from(number)).to_string());
                users::ask(&mut connection, &access, Method::POST, "/Users", body, StatusCode::CREATED)
                    .await?;
            }
        });
    }
    while let Some(loaded) = loading.join_next().await {
        loaded??;
    }
    Ok(begun.elapsed())
}
