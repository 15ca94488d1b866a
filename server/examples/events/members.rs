//! T32: a PATCH that makes many users members of a group: how long its answer takes without and with an endpoint,
//! and when the event of each member is recorded.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scimd::Home;
use crate::throughput::PATIENCE;
use crate::{Options, Row, users};

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    if !options.wants(Row::T32) {
        return Ok(());
    }
    let members = if options.quick { 2000 } else { 10_000 };
    println!("T32 on {}: a group of {members}", options.engine);
    let receiver = Receiver::start().await?;
    let mut home = Home::new(options, "members", &["Users"]).await?;
    let directory = home.access("Users")?.directory.clone();
    home.import("Users", "users", members)?;
    let scimd = home.serve().await?;
    home.data.wait_for_events(&directory, members, PATIENCE).await?;
    let ids =
        users::ids(&mut scimd.connect().await?, home.access("Users")?, usize::try_from(members)?).await?;
    scimd.stop()?;
    for subscribed in [false, true] {
        if subscribed {
            home.add_webhook(receiver.url(), None);
        }
        let rounds = Rounds { home: &home, receiver: &receiver, ids: &ids, subscribed };
        rounds.measure(options.rounds(3), figures).await?;
    }
    home.remove()
}

struct Rounds<'r> {
    home: &'r Home,
    receiver: &'r Receiver,
    ids: &'r [String],
    subscribed: bool,
}

impl Rounds<'_> {
    async fn measure(&self, rounds: u32, figures: &mut Figures) -> Result<()> {
        let bench = if self.subscribed { "members/subscribed" } else { "members/alone" };
        let access = self.home.access("Users")?;
        let (data, directory) = (&self.home.data, &access.directory);
        let all = u64::try_from(self.ids.len())? + 1;
        let scimd = self.home.serve().await?;
        for _ in 0..rounds {
            let mut connection = scimd.connect().await?;
            let before = data.events(directory)?;
            let group = json!({"schemas": [GROUP], "displayName": "Everybody"}).to_string();
            let created = StatusCode::CREATED;
            let group =
                users::ask(&mut connection, access, Method::POST, "/Groups", group.into(), created).await?;
            let group: Value = serde_json::from_slice(&group)?;
            let path = group.get("id").and_then(Value::as_str).context("a group without an id")?;
            let path = format!("/Groups/{path}?excludedAttributes=members");
            data.wait_for_events(directory, before + 1, PATIENCE).await?;
            let patch = self.patch();
            let begun = Instant::now();
            users::ask(&mut connection, access, Method::PATCH, &path, patch, StatusCode::OK).await?;
            let answered = Instant::now();
            figures.add(&format!("{bench}/patch"), (answered - begun).as_secs_f64() * 1e3, "ms");
            data.wait_for_events(directory, before + 1 + all, PATIENCE).await?;
            figures.add(&format!("{bench}/recorded"), answered.elapsed().as_secs_f64() * 1e3, "ms");
            self.settle().await;
            // The next round finds users without groups.
            let gone = StatusCode::NO_CONTENT;
            // A connection that nothing came over for long is closed.
            let mut connection = scimd.connect().await?;
            let begun = Instant::now();
            users::ask(&mut connection, access, Method::DELETE, &path, Bytes::new(), gone).await?;
            data.wait_for_events(directory, before + 1 + 2 * all, PATIENCE).await?;
            figures.add(&format!("{bench}/deleted"), begun.elapsed().as_secs_f64() * 1e3, "ms");
            self.settle().await;
        }
        scimd.stop()
    }

    async fn settle(&self) {
        if self.subscribed {
            self.receiver.wait_until_quiet(Duration::from_secs(1)).await;
        }
        self.receiver.drain();
    }

    fn patch(&self) -> Bytes {
        let members: Vec<Value> = self.ids.iter().map(|id| json!({"value": id})).collect();
        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": members}]
        });
        patch.to_string().into()
    }
}
