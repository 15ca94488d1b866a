//! `scimd backup` and `scimd restore`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use scim_test_postgres::Cluster;
use serde_json::json;

use super::{Engine, Place, list};

/// What makes an event the event it is, and its id.
fn events(database: &Path) -> BTreeMap<(String, i64, String, i64), String> {
    let connection = Connection::open(database).unwrap();
    let mut statement =
        connection.prepare("SELECT subject, version, type, occurred_at, id FROM dir_events").unwrap();
    let rows = statement
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?)))
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_under_load_is_the_state_of_one_moment() {
    let place = Place::new(Engine::Sqlite);
    let server = place.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (client, stop) = (server.client(0), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut made = 0;
                while !stop.load(Ordering::Relaxed) {
                    let id = client.create_user(&format!("user{writer}-{made}")).await;
                    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                        "displayName": format!("{writer}-{made}"), "members": [{"value": id}]});
                    client.send(reqwest::Method::POST, "/Groups", group).await;
                    made += 1;
                }
                made
            })
        })
        .collect();
    server.events_up_to(40).await;
    let mut copies = Vec::new();
    for n in 0..3 {
        let copy = place.data().join(format!("copy{n}.db"));
        let ran = place.run(&["backup", text(&copy)]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("consistent copy") && ran.out.contains("keys"), "{ran:?}");
        copies.push(copy);
    }
    let again = place.run(&["backup", text(&copies[0])]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{again:?}");
    stop.store(true, Ordering::Relaxed);
    let mut made = 0;
    for writer in writers {
        made += writer.await.unwrap();
    }
    let in_use = place.run(&["restore", text(&copies[0]), "--force"]);
    assert!(in_use.err.contains("in use by another process"), "{in_use:?}");
    Place::stop(server);
    place.is_well();
    let sent = events(&place.database());

    // Nothing is left of the temporary files.
    let names = std::fs::read_dir(place.data()).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));

    let mut before = 0;
    for copy in &copies {
        let restored = Place::beside(&place);
        let ran = restored.run(&["restore", text(copy)]);
        assert_eq!(ran.code, 0, "{ran:?}");
        restored.is_well();
        let users = restored.count("SELECT count(*) FROM scim_resources WHERE type = 'User'");
        assert!(users >= before && users <= made, "{before} {users} {made}");
        before = users;
        let server = restored.serve();
        assert_eq!(list(&server.client(0), "/Users").await.len(), usize::try_from(users).unwrap());
        Place::stop(server);
        restored.is_well();
        for (event, id) in events(&restored.database()) {
            assert_eq!(sent.get(&event), Some(&id), "an event of the same change has the same id: {event:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_restored_copy_have_the_ids_that_they_had() {
    let place = Place::new(Engine::Sqlite);
    // Changes whose events are not made yet: an import does not make them.
    let users: String = (0..100).map(|n| format!("{{\"userName\": \"user{n}\"}}\n")).collect();
    let file = place.file("users.jsonl", &users);
    assert_eq!(place.import(&file, &[]).code, 0);
    let copy = place.data().join("copy.db");
    assert_eq!(place.run(&["backup", text(&copy)]).code, 0);
    let server = place.serve();
    server.events_up_to(100).await;
    Place::stop(server);
    let sent = events(&place.database());
    assert_eq!(sent.len(), 100);

    let restored = Place::beside(&place);
    assert_eq!(restored.run(&["restore", text(&copy)]).code, 0);
    assert_eq!(events(&restored.database()).len(), 0);
    let server = restored.serve();
    server.events_up_to(100).await;
    // What happens from now on is new, also if it has the number of an event that the other server made.
    server.client(0).create_user("another").await;
    server.events_up_to(101).await;
    Place::stop(server);
    let mut again = events(&restored.database());
    again.retain(|event, id| sent.get(event) != Some(id));
    assert_eq!(again.len(), 1);
    assert!(again.values().all(|id| !sent.values().any(|known| known == id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_sound_copies_of_a_known_version_are_restored() {
    let place = Place::new(Engine::Sqlite);
    let copy = place.data().join("copy.db");
    assert_eq!(place.run(&["backup", text(&copy)]).code, 0);
    let restore = |file: &Path, more: &[&str]| {
        let mut args = vec!["restore", text(file)];
        args.extend(more);
        place.run(&args)
    };
    let ran = restore(&copy, &[]);
    assert!(ran.code == 1 && ran.err.contains("--force"), "{ran:?}");
    let before = std::fs::read(place.database()).unwrap();

    let damaged = place.data().join("damaged.db");
    let mut bytes = std::fs::read(&copy).unwrap();
    for byte in &mut bytes[8192..24_576] {
        *byte = 0xa5;
    }
    std::fs::write(&damaged, bytes).unwrap();
    let ran = restore(&damaged, &["--force"]);
    assert!(ran.code == 1 && ran.err.contains("damaged"), "{ran:?}");

    let letter = place.file("letter.txt", "Dear Ada");
    let ran = restore(&letter, &["--force"]);
    assert!(ran.err.contains("is not an SQLite database"), "{ran:?}");
    let ran = restore(&place.data().join("nothing.db"), &["--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");

    let newer = place.data().join("newer.db");
    std::fs::copy(&copy, &newer).unwrap();
    let connection = Connection::open(&newer).unwrap();
    connection
        .execute_batch("UPDATE schema_versions SET version = 99 WHERE namespace = 'directory'")
        .unwrap();
    drop(connection);
    let ran = restore(&newer, &["--force"]);
    assert!(ran.err.contains("newer version") && ran.err.contains("directory tables"), "{ran:?}");
    assert_eq!(std::fs::read(place.database()).unwrap(), before, "nothing was touched");

    let server = place.serve();
    server.client(0).create_user("late").await;
    Place::stop(server);
    let ran = restore(&copy, &["--force"]);
    assert!(ran.code == 0 && ran.out.contains(".before-restore"), "{ran:?}");
    assert_eq!(place.count("SELECT count(*) FROM scim_resources"), 0);
    let aside = place.data().join("scimd.db.before-restore");
    let kept = Connection::open(aside).unwrap();
    let users: i64 = kept.query_row("SELECT count(*) FROM scim_resources", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 1, "what was there before is kept");
    place.is_well();
}

/// As the help says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_has_its_own_programs_for_this() {
    let place = Place::new(Engine::Postgres);
    let users: String = (0..100).map(|n| format!("{{\"userName\": \"user{n}\"}}\n")).collect();
    let file = place.file("users.jsonl", &users);
    assert_eq!(place.import(&file, &[]).code, 0);
    let dump = place.data().join("scimd.dump");
    for (command, program) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
        let ran = place.run(&[command, text(&dump)]);
        assert!(ran.code == 1 && ran.err.contains(program), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
    let cluster = Cluster::shared().unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(cluster.binaries().join(program)).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let url = place.url().unwrap().to_owned();
    run("pg_dump", &["--format=custom", &format!("--file={}", text(&dump)), &url]);
    let restored = Place::beside(&place);
    run("pg_restore", &[&format!("--dbname={}", restored.url().unwrap()), text(&dump)]);
    restored.is_well();
    assert_eq!(restored.count("SELECT count(*) FROM scim_resources"), 100);
    let server = restored.serve();
    server.events_up_to(100).await;
    Place::stop(server);
    restored.is_well();
}
