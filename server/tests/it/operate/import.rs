//! `scimd import`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Engine, Place, Ran, list, on_both_engines};

on_both_engines!(
    a_file_is_in_the_directory_and_again_changes_nothing,
    bad_lines_are_rejected_and_the_rest_goes_on,
    a_killed_import_goes_on_where_it_was,
    resources_are_found_by_external_id_else_by_name,
    a_csv_file_is_users,
);

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn user(n: usize) -> Value {
    json!({"schemas": [USER], "externalId": format!("u{n}"), "userName": format!("user{n}@example.com"),
        "emails": [{"type": "work", "value": format!("user{n}@example.com")}], "password": "t1meMa$heen",
        "active": !n.is_multiple_of(7)})
}

fn lines(values: impl IntoIterator<Item = Value>) -> String {
    values.into_iter().fold(String::new(), |mut text, value| {
        writeln!(text, "{value}").unwrap();
        text
    })
}

fn rejects(place: &Place, name: &str) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(place.data().join(name)).unwrap();
    let row = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["line"].as_u64().unwrap(), value["reason"].as_str().unwrap().to_owned())
    };
    text.lines().map(row).collect()
}

fn done(ran: &Ran, created: usize, updated: usize, unchanged: usize, rejected: usize) {
    let expected =
        format!("{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected");
    assert!(ran.out.contains(&expected), "{expected}: {ran:?}");
    assert_eq!(ran.code, if rejected > 0 { 3 } else { 0 }, "{ran:?}");
}

async fn a_file_is_in_the_directory_and_again_changes_nothing(engine: Engine) {
    let place = Place::new(engine);
    // The groups come before some who are in them, and one group before another that it holds.
    let groups = [
        json!({"schemas": [GROUP], "externalId": "g0", "displayName": "All",
            "members": [{"externalId": "g1"}, {"displayName": "Some"}]}),
        json!({"schemas": [GROUP], "externalId": "g1", "displayName": "Staff",
            "members": [{"externalId": "u1"}, {"userName": "USER2@example.com", "display": "Two"},
                {"externalId": "u1"}, {"externalId": "u1400"}]}),
        json!({"schemas": [GROUP], "displayName": "Some", "members": [{"externalId": "u3"}]}),
    ];
    let text = lines((0..700).map(user).chain(groups).chain((700..1500).map(user)));
    let file = place.file("all.jsonl", &text);
    let first = place.import(&file, &[]);
    done(&first, 1503, 0, 0, 0);
    assert!(first.out.contains("lines a second"), "{first:?}");
    place.is_well();
    let changes = place.changes();

    done(&place.import(&file, &[]), 0, 0, 1503, 0);
    assert_eq!(place.changes(), changes, "nothing was written");
    assert_eq!(place.count("SELECT count(*) FROM import_runs"), 0);

    let server = place.serve();
    let client = server.client(0);
    let users = list(&client, "/Users").await;
    assert_eq!(users.len(), 1500);
    assert!(users.iter().all(|u| u.get("password").is_none()));
    let found = list(&client, "/Groups").await;
    let members = |name: &str| {
        let group = found.iter().find(|g| g["displayName"] == name).unwrap();
        group["members"].as_array().unwrap().len()
    };
    assert_eq!((members("All"), members("Staff"), members("Some")), (2, 3, 1));
    let events = server.events_up_to(1503).await;
    let (head, body) = (&events[0], &events[0]["payload"]);
    let cause = if body.is_object() { &body["cause"] } else { &head["cause"] };
    assert_eq!((&cause["kind"], &cause["initial_sync"]), (&json!("import"), &json!(true)), "{head}");
    Place::stop(server);
    place.is_well();
}

async fn bad_lines_are_rejected_and_the_rest_goes_on(engine: Engine) {
    let place = Place::new(engine);
    let mut text = lines([user(1)]);
    text.push_str("{\"userName\": \n[]\n\n");
    text.push_str(&lines([
        json!({"schemas": [USER], "userName": "x", "active": "perhaps"}),
        json!({"schemas": ["urn:example:other"], "userName": "y"}),
        json!({"schemas": [USER], "externalId": "other", "userName": "user1@example.com"}),
        json!({"schemas": [GROUP], "displayName": "G", "members": [{"externalId": "u1"}, {"externalId": "nobody"}]}),
        json!({"schemas": [GROUP], "displayName": "H", "members": [{"name": "u1"}]}),
        user(2),
    ]));
    let file = place.file("some.jsonl", &text);
    let rejects_file = place.data().join("bad.jsonl");
    let ran = place.import(&file, &["--rejects", rejects_file.to_str().unwrap()]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let found = rejects(&place, "bad.jsonl");
    let mut numbers: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 5, 6, 7, 8, 9], "{found:?}");
    let reason = |line: u64| found.iter().find(|(n, _)| *n == line).unwrap().1.clone();
    assert!(reason(2).contains("JSON"), "{}", reason(2));
    assert_eq!(reason(5), "active: must be true or false");
    assert!(reason(7).contains("another externalId"), "{}", reason(7));
    assert!(reason(8).contains("1 of them are not in the directory"), "{}", reason(8));
    assert!(reason(9).contains("each member needs"), "{}", reason(9));
    assert_eq!(place.count("SELECT count(*) FROM scim_resources"), 3, "two users and the group G");
    place.is_well();
}

async fn a_killed_import_goes_on_where_it_was(engine: Engine) {
    let place = Place::new(engine);
    let group = json!({"schemas": [GROUP], "externalId": "g", "displayName": "G",
        "members": (0..50).map(|n| json!({"externalId": format!("u{n}")})).collect::<Vec<_>>()});
    let mut text = lines((0..20_000).map(user));
    text.push_str("not JSON\n");
    text.push_str(&lines([group]));
    let file = place.file("many.jsonl", &text);
    let mut kills = 0;
    for attempt in 0_u64..200 {
        let mut child = place
            .command(&["import", file.to_str().unwrap(), "--directory", &place.directory])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(250 + attempt * 60));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 3, "{kills} kills");
    // The last one went through, or this one does.
    let last = place.import(&file, &[]);
    assert_eq!(last.code, 3, "{last:?}");
    assert_eq!(place.count("SELECT count(*) FROM scim_resources"), 20_001);
    assert_eq!(place.changes(), 20_001, "nothing was written twice");
    assert_eq!(place.count("SELECT count(*) FROM scim_members"), 50);
    assert_eq!(rejects(&place, "many.jsonl.rejects").len(), 1);
    place.is_well();
}

async fn resources_are_found_by_external_id_else_by_name(engine: Engine) {
    let place = Place::new(engine);
    let server = place.serve();
    let client = server.client(0);
    let id = client.create_user("Ada@example.com").await;
    Place::stop(server);
    let given = |title: &str, name: &str| json!({"schemas": [USER], "externalId": "7", "userName": name, "title": title});
    // By userName, which then has the externalId; by externalId, with another userName.
    let file =
        place.file("a.jsonl", &lines([given("Countess", "ada@EXAMPLE.com"), given("Lady", "lovelace")]));
    done(&place.import(&file, &[]), 0, 2, 0, 0);
    let server = place.serve();
    let (_, found) = server.client(0).get(&format!("/Users/{id}")).await;
    assert_eq!((&found["userName"], &found["title"]), (&json!("lovelace"), &json!("Lady")), "{found}");
    assert_eq!(found["meta"]["version"], "W/\"3\"");
    Place::stop(server);
    place.is_well();
}

async fn a_csv_file_is_users(engine: Engine) {
    let place = Place::new(engine);
    let header = "userName,name.givenName,\"emails[type eq \"\"work\"\"].value\",active,externalId,\
        urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let text = format!(
        "{header}\nada,Ada,ada@example.com,true,1,Engines\ngrace,\"Grace \n\"\"B\"\"\",,False,2,\n,,,,3,\nshort,row\n"
    );
    let file = place.file("users.csv", &text);
    let ran = place.import(&file, &[]);
    done(&ran, 2, 0, 0, 2);
    let found = rejects(&place, "users.csv.rejects");
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 6], "{found:?}");
    let server = place.serve();
    let users = list(&server.client(0), "/Users").await;
    let ada = users.iter().find(|u| u["userName"] == "ada").unwrap();
    assert_eq!(ada["emails"], json!([{"type": "work", "value": "ada@example.com"}]));
    assert_eq!(ada["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"], "Engines");
    let grace = users.iter().find(|u| u["userName"] == "grace").unwrap();
    assert_eq!(grace["name"]["givenName"], "Grace \n\"B\"");
    assert_eq!(grace["active"], false);
    Place::stop(server);
    let group = place.run(&["import", file.to_str().unwrap(), "--directory", "nobody's"]);
    assert!(group.err.contains("there is no directory \"nobody's\""), "{group:?}");
}
