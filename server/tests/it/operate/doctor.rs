//! `scimd doctor` names what is wrong, whichever rule is broken.

use super::{Engine, Place, on_both_engines};
use crate::scimd::Client;
use serde_json::json;

on_both_engines!(each_damage_is_named, what_comes_from_documents_is_mended);

/// A few users, a group with members, one user gone, all events made.
async fn filled(engine: Engine) -> Place {
    let place = Place::new(engine);
    let server = place.serve();
    let client: Client = server.client(0);
    let mut ids = Vec::new();
    for name in ["ada", "grace", "edsger", "barbara"] {
        ids.push(client.create_user(name).await);
    }
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "G",
        "members": members});
    let (status, _) = client.send(reqwest::Method::POST, "/Groups", group).await;
    assert_eq!(status, 201);
    let (status, _) = client.send(reqwest::Method::DELETE, &format!("/Users/{}", ids[3]), json!(null)).await;
    assert_eq!(status, 204);
    // Four users, a group, four who joined it, one who left, and the group without him.
    server.events_up_to(11).await;
    Place::stop(server);
    place.is_well();
    place
}

/// Damage, the rule that it breaks, how it is undone.
const DAMAGES: &[(&str, &str)] = &[
    ("DELETE FROM scim_unique_keys WHERE key = 'ada'", "uniqueness keys are those of the documents"),
    ("UPDATE scim_unique_keys SET key = 'someone' WHERE key = 'grace'", "uniqueness keys are those"),
    ("DELETE FROM scim_values WHERE attribute = 'displayName'", "index values are those of the documents"),
    (
        "UPDATE scim_counts SET resources = resources + 1 WHERE type = 'User'",
        "counts are those of the resources",
    ),
    (
        "UPDATE scim_members SET member = 'nobody', member_key = 'nobody' WHERE position = 1",
        "members are there",
    ),
    ("UPDATE scim_members SET holder = 'nothing' WHERE position = 2", "who has members is there"),
    ("UPDATE scim_members SET member_key = 'x' WHERE position = 3", "members are found by their ids"),
    (
        "UPDATE scim_changes SET version = version + 1 WHERE kind = 'updated'",
        "versions grow by one in the change log",
    ),
    (
        "UPDATE scim_resources SET version = version + 1 WHERE unique_keys LIKE '%ada%'",
        "resources are as the change log left them",
    ),
    ("UPDATE scim_resources SET document = '{}' WHERE type = 'Group'", "documents can be read"),
    ("DELETE FROM scim_resources WHERE type = 'Group'", "resources are as the change log left them"),
    (
        "DELETE FROM scim_changes WHERE seq = (SELECT min(seq) FROM scim_changes)",
        "resources are in the change log",
    ),
    (
        "UPDATE scim_changes SET document = '' WHERE kind = 'updated'",
        "changes whose documents are those of resources are their only ones",
    ),
    (
        "UPDATE scim_change_members SET seq = seq + 1000000 WHERE position = 1",
        "members of changes belong to a change",
    ),
    (
        "UPDATE dir_subjects SET version = version + 1 WHERE kind = 1",
        "users and groups are as the feed has them",
    ),
    ("DELETE FROM dir_subjects WHERE kind = 1", "users and groups are as the feed has them"),
    ("DELETE FROM dir_members", "memberships are as the feed has them"),
    ("UPDATE dir_subjects SET members = members + 1 WHERE kind = 1", "groups count their members"),
    (
        "DELETE FROM dir_events WHERE version = 1 AND sequence = (SELECT min(sequence) FROM dir_events)",
        "each creation and each removal has its event",
    ),
    (
        "UPDATE dir_events SET sequence = sequence + 5 WHERE sequence = (SELECT max(sequence) FROM dir_events)",
        "events of a directory are numbered without a gap",
    ),
    ("UPDATE dir_deliveries SET subject = 'nobody' WHERE position = 1", "deliveries are of an event"),
    (
        "UPDATE dir_deliveries SET finished = NULL WHERE state = 1",
        "deliveries are either waiting or finished",
    ),
    ("UPDATE dir_feed SET minor = minor + 1000", "the relay is not ahead of the feed"),
    ("UPDATE dir_tokens SET directory = 99", "tokens and directories belong to something"),
];

const DAMAGES_OF_POSTGRES: &[(&str, &str)] = &[
    ("UPDATE scim_feed SET last = last + 1", "the feed has no gap"),
    ("DELETE FROM scim_positions WHERE position = 2", "each change has one position"),
];

const DAMAGES_OF_SQLITE: &[(&str, &str)] = &[(
    "DELETE FROM scim_changes WHERE seq = (SELECT min(seq) + 1 FROM scim_changes)",
    "the feed has no gap",
)];

async fn each_damage_is_named(engine: Engine) {
    let place = filled(engine).await;
    let more = match engine {
        Engine::Sqlite => DAMAGES_OF_SQLITE,
        Engine::Postgres => DAMAGES_OF_POSTGRES,
    };
    for (damage, rule) in DAMAGES.iter().chain(more) {
        let copy = place.copied();
        copy.damage(damage);
        let ran = copy.run(&["doctor"]);
        assert_eq!(ran.code, 1, "{damage}: {ran:?}");
        assert!(ran.out.contains(&format!("not so: {rule}")), "{damage}: {ran:?}");
        assert!(ran.out.contains("for example"), "{ran:?}");
    }
    place.is_well();
}

async fn what_comes_from_documents_is_mended(engine: Engine) {
    let place = filled(engine).await;
    place.damage(
        "DELETE FROM scim_unique_keys WHERE key = 'ada';
         UPDATE scim_values SET value = 'zzz' WHERE attribute = 'active';
         UPDATE scim_counts SET resources = 70",
    );
    let ran = place.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.out.contains("zzz") && !ran.out.contains("ada"), "no values: {ran:?}");
    let ran = place.run(&["doctor", "--fix"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("all is well"), "{ran:?}");
    place.is_well();
    place.damage("DELETE FROM dir_members");
    assert_eq!(place.run(&["doctor", "--fix"]).code, 1);
}

/// A page of an index that holds something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named() {
    let place = filled(Engine::Sqlite).await;
    let copy = place.copied();
    // An index that does not have what its table has: SQLite's own check sees that.
    copy.damage(
        "PRAGMA writable_schema = on;
         UPDATE sqlite_schema SET sql = replace(sql, '(tenant, type, modified)', '(tenant, type, created)')
             WHERE name = 'scim_resources_by_change';
         PRAGMA writable_schema = off;
         UPDATE scim_resources SET modified = modified;",
    );
    let ran = copy.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("integrity_check"), "{ran:?}");
}

/// It reads beside a server that is running.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_run_meanwhile() {
    let place = filled(Engine::Sqlite).await;
    let server = place.serve();
    let client = server.client(0);
    let writing = tokio::spawn(async move {
        for n in 0..200 {
            client.create_user(&format!("user{n}")).await;
        }
    });
    for _ in 0..3 {
        place.is_well();
    }
    writing.await.unwrap();
    let ran = place.run(&["doctor", "--fix"]);
    assert_eq!(ran.code, 0, "nothing to mend: {ran:?}");
    Place::stop(server);
}
