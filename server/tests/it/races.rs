//! Many clients at once, over real sockets: one wins, and nobody's write is lost.
//!
//! `cargo xtask races` runs this at full size: 64 clients and 500 rounds for one `userName`, 16 clients that add
//! 200 members each.

use std::time::Instant;

use reqwest::Method;
use scim_test_postgres::{Cluster, Durability};
use serde_json::{Value, json};

use crate::crash::{Random, setting};
use crate::scimd::{Client, Scimd, is_scim_error, user};

const CLIENTS: usize = 64;
const EDITORS: u64 = 16;
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    races(&Scimd::demo_in(folder.path(), &["--directories", "1"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_on_postgres() {
    let cluster = Cluster::start(Durability::Full).unwrap();
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.database().unwrap());
    races(&Scimd::demo_in(folder.path(), &["--directories", "1", "--database", &database])).await;
}

async fn races(scimd: &Scimd) {
    let client = scimd.client(0);
    let rounds = setting("SCIMD_RACE_ROUNDS").unwrap_or(12);
    let begun = Instant::now();
    one_name(&client, rounds).await;
    println!("{CLIENTS} clients, {rounds} rounds for one userName: one 201 each, {:?}", begun.elapsed());
    let adds = setting("SCIMD_RACE_ADDS").unwrap_or(8);
    let begun = Instant::now();
    members(&client, adds).await;
    println!("{EDITORS} clients, {adds} members each: all there, {:?}", begun.elapsed());
}

async fn one_name(client: &Client, rounds: u64) {
    let mut random = Random::new(rounds);
    for round in 0..rounds {
        let name = format!("contested-name-of-round-{round}");
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (client, body) = (client.clone(), user(&spelt(&name, &mut random)));
                tokio::spawn(async move { client.send(Method::POST, "/Users", body).await })
            })
            .collect();
        let mut created = 0;
        for task in tasks {
            let (status, body) = task.await.unwrap();
            match status.as_u16() {
                201 => created += 1,
                409 => {
                    assert!(is_scim_error(&body, 409), "{body}");
                    assert_eq!(body["scimType"], "uniqueness");
                }
                _ => panic!("{status} {body}"),
            }
        }
        assert_eq!(created, 1, "round {round}");
    }
    let (_, page) = client.get("/Users?count=0&filter=userName%20sw%20%22contested-name-of-round-%22").await;
    assert_eq!(page["totalResults"], rounds, "one for each round");
}

/// In random case.
fn spelt(name: &str, random: &mut Random) -> String {
    name.chars().map(|c| if random.below(2) == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

async fn members(client: &Client, adds: u64) {
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
    let group = json!({"schemas": schemas, "displayName": "Everybody at once"});
    let (status, group) = client.send(Method::POST, "/Groups", group).await;
    assert_eq!(status, 201);
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    let tasks: Vec<_> = (0..EDITORS)
        .map(|editor| {
            let (client, path) = (client.clone(), path.clone());
            tokio::spawn(async move { add_members(&client, &path, editor, adds).await })
        })
        .collect();
    let mut expected = Vec::new();
    for task in tasks {
        expected.extend(task.await.unwrap());
    }
    let (status, group) = client.get(&path).await;
    assert_eq!(status, 200);
    let mut found: Vec<String> = group["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["value"].as_str().unwrap().to_owned())
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    // Each of them is a version.
    assert_eq!(group["meta"]["version"], format!("W/\"{}\"", 1 + EDITORS * adds));
}

async fn add_members(client: &Client, path: &str, editor: u64, adds: u64) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..adds {
        let id = client.create_user(&format!("member-{editor}-{n}")).await;
        let operation = json!({"op": "add", "path": "members", "value": [{"value": &id}]});
        let body: Value = json!({"schemas": [PATCH], "Operations": [operation]});
        let (status, body) = client.send(Method::PATCH, path, body).await;
        assert!(status.is_success(), "{status} {body}");
        ids.push(id);
    }
    ids
}
