//! Measures the store beside the bare engine in the same run: `cargo run --release --example figures -- FOLDER USERS`.
//! With `postgres` for FOLDER: on a throw-away PostgreSQL server, beside `pgbench`.

#![expect(clippy::unwrap_used, reason = "an example that may stop at any error")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use scim_core::{
    Batch, Cause, Change, ChangeFeed, Document, FeedCursor, Include, Matcher, Member, MemberDelta,
    MembersChange, PageRequest, Position, Precondition, Query, Start, Store, TenantId, Write,
};
use scim_filter::{Filter, MatchOptions};
use scim_schema::{DateTime, Registry, Resource, ResourceType, Value};
use scim_sql::{Database, PostgresOptions, SqlStore};
use scim_test_postgres::{Cluster, Durability};

const BARE_ROWS: u32 = 2000;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let place = args.next();
    let users: usize = args.next().map_or(20_000, |n| n.parse().unwrap());
    let registry = Arc::new(Registry::standard());
    let bench = |database| {
        let registry = Arc::clone(&registry);
        async move {
            Bench {
                user: Arc::clone(registry.resource_type("User").unwrap()),
                group: Arc::clone(registry.resource_type("Group").unwrap()),
                store: SqlStore::new(database, registry).await.unwrap(),
                tenant: TenantId::new("0b86d5b4-1f64-4a0e-9a8f-8f4b0b0a9c11"),
            }
        }
    };
    if place.as_deref() == Some("postgres") {
        let cluster = Cluster::start(Durability::Full).unwrap();
        let url = cluster.database().unwrap();
        for clients in [1, 4, 16] {
            pgbench(&cluster, clients);
        }
        let bench = bench(Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap()).await;
        bench.run(users).await;
        return;
    }
    let folder = place.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::TempDir::new_in(folder).unwrap();
    let bench = bench(Database::open(folder.path().join("scim.db")).await.unwrap()).await;
    bare(folder.path(), 1);
    bare(folder.path(), 16);
    bench.run(users).await;
}

/// Rows of a similar document, each in a transaction of its own.
fn pgbench(cluster: &Cluster, clients: usize) {
    cluster
        .sql("postgres", "CREATE TABLE IF NOT EXISTS t (n BIGSERIAL, id TEXT PRIMARY KEY, d TEXT)")
        .unwrap();
    let script = cluster.folder().join("bare.sql");
    // A colon would begin a variable.
    let document = serde_json::to_string(&attributes("id")).unwrap().replace(':', " ");
    let insert = format!("INSERT INTO t (id, d) VALUES (gen_random_uuid()::text, '{document}');");
    // The server's folder belongs to the user that it runs as.
    std::fs::write(&script, insert).unwrap();
    let output = Command::new(cluster.binaries().join("pgbench"))
        .args(["-n", "-M", "prepared", "-T", "4", "-U", "scim", "-c", &clients.to_string(), "-f"])
        .arg(&script)
        .arg("-h")
        .arg(cluster.folder())
        .arg("postgres")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tps = text.lines().find(|line| line.starts_with("tps")).unwrap_or_default();
    println!("pgbench, one row a transaction, {clients} clients: {tps}");
}

struct Bench {
    store: SqlStore,
    user: Arc<ResourceType>,
    group: Arc<ResourceType>,
    tenant: TenantId,
}

/// Rows of the same document in a table of their own, each commit durable.
fn bare(folder: &Path, rows: u32) {
    let connection = Connection::open(folder.join(format!("bare{rows}.db"))).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id TEXT PRIMARY KEY, d TEXT)",
        )
        .unwrap();
    let started = Instant::now();
    for commit in 0..BARE_ROWS / rows {
        connection.execute_batch("BEGIN").unwrap();
        for row in 0..rows {
            let id = format!("{commit:08}-{row:04}-4a0e-9a8f-8f4b0b0a9c11");
            let document = serde_json::to_string(&attributes(&id)).unwrap();
            connection
                .prepare_cached("INSERT INTO t VALUES (?1, ?2)")
                .unwrap()
                .execute([id, document])
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    rate(&format!("bare SQLite, {rows} rows a commit"), BARE_ROWS as usize, started.elapsed());
}

impl Bench {
    async fn run(&self, users: usize) {
        self.inserts(1, 2000).await;
        self.inserts(4, 2000).await;
        self.inserts(16, 1000).await;
        self.load(users).await;
        self.reads(users).await;
        self.pages(users).await;
        self.members().await;
        self.feed().await;
    }

    fn insert(&self, id: String) -> Write {
        let resource = attributes(&id);
        let unique = self.user.unique_keys(&resource);
        let change = Change::Insert { document: Document { resource, unique }, members: Vec::new() };
        Write { resource_type: Arc::clone(&self.user), id, precondition: Precondition::Absent, change }
    }

    async fn commit(&self, writes: Vec<Write>, now: usize) {
        let now = DateTime::from_unix_micros(1_700_000_000_000_000 + now as i64);
        let cause = Cause { kind: "scim".into(), request_id: "0b86d5b4".into() };
        let batch = Batch { writes, now, cause, check_members: true };
        self.store.commit(&self.tenant, batch).await.unwrap();
    }

    /// Durable inserts with the change log, one resource a batch.
    async fn inserts(&self, clients: usize, each: usize) {
        let commits = || *self.store.database().commits().borrow();
        let (started, before) = (Instant::now(), commits());
        let client = |c: usize| async move {
            for i in 0..each {
                self.commit(vec![self.insert(format!("c{clients}-{c}-{i:06}-9a8f-8f4b0b0a9c11"))], i).await;
            }
        };
        futures_util::future::join_all((0..clients).map(client)).await;
        let took = started.elapsed();
        let group = (clients * each) as f64 / (commits() - before) as f64;
        rate(&format!("durable inserts, {clients} clients ({group:.1} a commit)"), clients * each, took);
    }

    async fn load(&self, users: usize) {
        let started = Instant::now();
        for start in (0..users).step_by(500) {
            let some = (start..users.min(start + 500)).map(|i| self.insert(name(i))).collect();
            self.commit(some, 10_000_000 + start).await;
        }
        rate("inserts, 500 a batch", users, started.elapsed());
    }

    async fn reads(&self, users: usize) {
        let started = Instant::now();
        let rounds = 20_000;
        for i in 0..rounds {
            let id = name(i * 7919 % users);
            let found = self.store.get(&self.tenant, &self.user, &id, Include::ALL).await.unwrap();
            assert!(found.is_some());
        }
        rate("get by id, one after the other", rounds, started.elapsed());
        for attribute in ["userName", "externalId", "emails.value"] {
            let started = Instant::now();
            let rounds = 5000;
            for i in 0..rounds {
                let domain = if attribute == "externalId" { "" } else { "@example.com" };
                let text = format!("{attribute} eq \"{}{domain}\"", name(i * 7919 % users));
                let filter = Filter::parse(&text).unwrap();
                let matcher = Matcher::new(&filter, [&self.user], &MatchOptions::default()).unwrap();
                let query = self.query(Some(Arc::new(matcher)), Start::Offset(0));
                assert_eq!(self.store.query(&self.tenant, &query).await.unwrap().total, 1);
            }
            rate(&format!("query {attribute} eq"), rounds, started.elapsed());
        }
    }

    fn query(&self, filter: Option<Arc<Matcher>>, start: Start) -> Query {
        Query {
            resource_types: vec![Arc::clone(&self.user)],
            filter,
            sort: None,
            page: PageRequest { start, count: 100 },
            include: Include { members: true, memberships: false },
        }
    }

    async fn pages(&self, users: usize) {
        for part in [0, 5, 9] {
            let skip = (users * part / 10) as u64;
            let start = Start::Offset(skip);
            let mut last = None;
            let name = format!("page of 100 at {skip}, by index");
            times(&name, 50, async || {
                let page = self.store.query(&self.tenant, &self.query(None, start.clone())).await.unwrap();
                last = page.resources.last().map(|stored| stored.resource.clone());
            })
            .await;
            let Some(id) = last.map(|r| r.id().to_owned()) else { continue };
            let stored = self.store.get(&self.tenant, &self.user, &id, Include::NONE).await.unwrap().unwrap();
            let start = Start::After(Position::of(&self.query(None, Start::Offset(0)), &stored));
            times(&format!("page of 100 behind {skip}, by cursor"), 50, async || {
                self.store.query(&self.tenant, &self.query(None, start.clone())).await.unwrap();
            })
            .await;
        }
    }

    async fn members(&self) {
        for size in [10, 1000, 100_000] {
            let id = format!("g{size}");
            let resource = object(&format!(
                r#"{{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "{id}", "displayName": "{id}"}}"#
            ));
            let members = (0..size).map(|i| Member::new(name(i))).collect();
            let change = Change::Insert { document: Document { resource, unique: Vec::new() }, members };
            let insert = Write {
                resource_type: Arc::clone(&self.group),
                id: id.clone(),
                precondition: Precondition::Absent,
                change,
            };
            let batch = Batch {
                writes: vec![insert],
                now: DateTime::from_unix_micros(0),
                cause: Cause::default(),
                check_members: false,
            };
            self.store.commit(&self.tenant, batch).await.unwrap();
            let mut add = true;
            times(&format!("add or remove one of {size} members"), 200, async || {
                let one = Member::new(name(3));
                let delta = if add {
                    MemberDelta { remove: vec![one.id], ..MemberDelta::default() }
                } else {
                    MemberDelta { add: vec![one], ..MemberDelta::default() }
                };
                add = !add;
                let members = MembersChange::Delta(delta);
                let change = Change::Update { document: None, changes: Vec::new(), members };
                let write = Write {
                    resource_type: Arc::clone(&self.group),
                    id: id.clone(),
                    precondition: Precondition::Any,
                    change,
                };
                self.commit(vec![write], 0).await;
            })
            .await;
        }
    }

    async fn feed(&self) {
        let started = Instant::now();
        let (mut cursor, mut seen) = (FeedCursor::START, 0);
        loop {
            let some = self.store.after(cursor, 500).await.unwrap();
            let Some(last) = some.last() else { break };
            cursor = last.cursor;
            seen += some.len();
        }
        rate("feed entries read, 500 at a time", seen, started.elapsed());
    }
}

fn name(i: usize) -> String {
    format!("{i:08}-1f64-4a0e-9a8f-8f4b0b0a9c11")
}

/// A user of about 1 KB.
fn attributes(id: &str) -> Resource {
    object(&format!(
        r#"{{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "{id}", "externalId": "{id}",
        "userName": "{id}@example.com", "displayName": "Barbara {id}", "active": true, "title": "Tour Guide",
        "name": {{"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara"}},
        "emails": [{{"value": "{id}@example.com", "type": "work", "primary": true}},
                   {{"value": "babs.{id}@jensen.org", "type": "home"}}],
        "addresses": [{{"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood",
                        "region": "CA", "postalCode": "91608", "country": "USA", "primary": true}}],
        "phoneNumbers": [{{"value": "tel:+1-555-555-5555", "type": "work"}}],
        "locale": "en-US", "timezone": "America/Los_Angeles", "userType": "Employee"}}"#
    ))
}

fn object(text: &str) -> Resource {
    let value: Value = serde_json::from_str(text).unwrap();
    Resource::from_canonical(value.as_object().unwrap().clone())
}

fn rate(what: &str, count: usize, took: Duration) {
    println!("{what}: {:.0} a second", count as f64 / took.as_secs_f64());
}

async fn times(what: &str, rounds: usize, mut round: impl AsyncFnMut()) {
    let mut took = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        round().await;
        took.push(started.elapsed());
    }
    took.sort();
    let at = |part: usize| took.get(rounds * part / 100).copied().unwrap_or_default();
    println!("{what}: half within {:?}, 99 of 100 within {:?}", at(50), at(99));
}
