//! The commands that ask a running server.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::api::Api;
use crate::hook::Hook;
use crate::scimd::{Scimd, command};

/// A command for a server, with a key in its environment.
pub(crate) fn asking(scimd: &Scimd, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("SCIMD_SERVER", scimd.root()).env("SCIMD_API_KEY", scimd.ready["api_key"].as_str().unwrap());
    command
}

async fn run(scimd: &Scimd, args: &[&str]) -> Output {
    let mut command = asking(scimd, args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a command prints that succeeds.
async fn says(scimd: &Scimd, args: &[&str]) -> String {
    let output = run(scimd, args).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn json_of(scimd: &Scimd, args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    serde_json::from_str(&says(scimd, &args).await).unwrap()
}

/// The one sentence of a command that fails.
async fn refusal(scimd: &Scimd, args: &[&str]) -> String {
    sentence(&run(scimd, args).await)
}

fn sentence(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "it must fail: {text}");
    assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    assert!(text.starts_with("scimd: "), "{text}");
    text
}

#[tokio::test]
async fn endpoints_are_made_changed_tried_and_deleted() {
    let scimd = Scimd::demo(&[]);
    let hook = Hook::start().await;
    let made = json_of(
        &scimd,
        &[
            "endpoints",
            "create",
            "--url",
            &hook.url,
            "--event-type",
            "user_created",
            "--header",
            "x-a: b",
            "--rate",
            "9",
        ],
    )
    .await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["event_types"], json!(["organization.directory.user_created"]));
    assert_eq!((made["header_names"].clone(), made["rate"].clone()), (json!(["x-a"]), json!(9)));
    let list = says(&scimd, &["endpoints", "list"]).await;
    assert!(list.contains(id) && list.contains("user_created") && list.contains("enabled"), "{list}");
    assert!(!list.contains("whsec_"));

    let changed = json_of(
        &scimd,
        &[
            "endpoints",
            "update",
            id,
            "--event-type",
            "all",
            "--rate",
            "none",
            "--header",
            "none",
            "--description",
            "d",
        ],
    )
    .await;
    assert_eq!((changed["event_types"].clone(), changed["rate"].clone()), (json!([]), Value::Null));
    assert_eq!((changed["header_names"].clone(), changed["description"].clone()), (json!([]), json!("d")));
    assert!(refusal(&scimd, &["endpoints", "update", id]).await.contains("nothing is to be changed"));

    hook.answer(201, "thanks");
    let tried = says(&scimd, &["endpoints", "test", id, "--event-type", "group_created"]).await;
    assert!(tried.contains("taken: status 201") && tried.contains("thanks"), "{tried}");
    hook.answer(500, "no\u{1b}[2J");
    let output = run(&scimd, &["endpoints", "test", id]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not taken: status 500") && !text.contains('\u{1b}'), "{text}");
    hook.answer(200, "");

    let rotated = json_of(&scimd, &["endpoints", "rotate-secret", id, "--overlap", "90s"]).await;
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_"));
    let text = says(&scimd, &["endpoints", "rotate-signing-key", id]).await;
    assert!(text.contains("whpk_") && text.contains("v1a"), "{text}");
    let rotated = json_of(&scimd, &["endpoints", "rotate-signing-key", id, "--overlap", "90s"]).await;
    let key = rotated["verifying_key"].as_str().unwrap();
    assert!(!text.contains(key) && rotated["previous_key_expires_at"].is_string());
    let shown = says(&scimd, &["endpoints", "show", id]).await;
    assert!(shown.contains(key), "{shown}");
    let text = says(&scimd, &["endpoints", "rotate-signing-key", id]).await;
    assert!(text.contains("the one before too until"), "{text}");
    let wrong = refusal(&scimd, &["endpoints", "rotate-signing-key", id, "--overlap", "8d"]).await;
    assert!(wrong.contains("overlap_seconds") && wrong.contains("604800"), "{wrong}");
    let text = says(&scimd, &["endpoints", "remove-signing-keys", id]).await;
    assert!(text.contains(id) && !text.contains("whpk_"), "{text}");
    let text = says(&scimd, &["endpoints", "disable", id]).await;
    assert!(text.contains("disabled"), "{text}");
    scimd.client(0).create_user("ada@example.com").await;
    scimd.events_up_to(1).await;
    let text = says(&scimd, &["endpoints", "enable", id, "--replay-missing"]).await;
    assert!(text.contains("1 events of meanwhile"), "{text}");
    assert_eq!(hook.up_to(3).await[2].event()["data"]["email"], "ada@example.com");
    let text = says(&scimd, &["endpoints", "recover", id, "--since", "2h"]).await;
    assert!(text.starts_with("0 deliveries"), "{text}");
    assert_eq!(json_of(&scimd, &["endpoints", "replay", id, "--since", "2h"]).await, json!({"replayed": 0}));
    assert!(refusal(&scimd, &["endpoints", "replay", id, "--since", "soon"]).await.contains("15m"));

    says(&scimd, &["endpoints", "delete", id]).await;
    assert!(refusal(&scimd, &["endpoints", "show", id]).await.contains("there is no such endpoint"));
}

#[tokio::test]
async fn events_deliveries_and_directories_are_shown_and_steered() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    for n in 0..3 {
        client.create_user(&format!("user{n}@example.com")).await;
    }
    let events = scimd.events_up_to(3).await;
    let id = events[0]["id"].as_str().unwrap();
    let list = says(&scimd, &["events", "list", "--type", "user_created"]).await;
    assert!(list.contains(id) && list.contains("user0@example.com"), "{list}");
    let lines = says(&scimd, &["events", "list", "--oldest", "--limit", "2", "--json"]).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<&Value> = lines.iter().map(|event| &event["sequence"]).collect();
    assert_eq!(sequences, [&json!(1), &json!(2)]);
    assert_eq!(json_of(&scimd, &["events", "show", id]).await, events[0]);
    let api = Api::of(&scimd);
    api.delivered(id, 1).await;
    assert_eq!(json_of(&scimd, &["events", "resend", id]).await, json!({"resent": 1}));

    let deliveries = says(&scimd, &["deliveries", "list", "--event", id]).await;
    assert!(deliveries.contains("dlv_"), "{deliveries}");
    let delivery = api.get(&format!("/deliveries?event_id={id}")).await["deliveries"][0].clone();
    let shown = says(&scimd, &["deliveries", "show", delivery["id"].as_str().unwrap()]).await;
    assert!(shown.contains("Beginning of the answer"), "{shown}");
    let wrong = refusal(&scimd, &["deliveries", "list", "--state", "odd"]).await;
    assert!(wrong.contains("pending, delivered"), "{wrong}");

    let directory = scimd.ready["directories"][0]["id"].as_str().unwrap();
    assert!(says(&scimd, &["directories", "list"]).await.contains(directory));
    assert_eq!(json_of(&scimd, &["directories", "pause", directory]).await["delivery_paused"], true);
    let resumed = says(&scimd, &["directories", "resume", directory]).await;
    assert!(resumed.contains("goes on"), "{resumed}");
    assert!(refusal(&scimd, &["directories", "pause", "dir_0"]).await.contains("scimd directories list"));
}

#[tokio::test]
async fn a_tail_shows_what_happens() {
    let scimd = Scimd::demo(&[]);
    let mut child = asking(&scimd, &["events", "tail", "--from-beginning", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 0..3 {
        scimd.client(0).create_user(&format!("user{n}@example.com")).await;
        let (line, rest) =
            tokio::task::spawn_blocking(move || (lines.next().unwrap().unwrap(), lines)).await.unwrap();
        lines = rest;
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["data"]["email"], format!("user{n}@example.com"));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_with_what_to_do() {
    let scimd = Scimd::demo(&[]);
    let without = |name: &str| {
        let mut command = asking(&scimd, &["endpoints", "list"]);
        command.env_remove(name);
        command
    };
    let text = sentence(&without("SCIMD_API_KEY").output().unwrap());
    assert!(text.contains("SCIMD_API_KEY") && text.contains("scimd api-key create"), "{text}");
    let text = sentence(&without("x").env("SCIMD_API_KEY", "skc_hunter2").output().unwrap());
    assert!(text.contains("unknown, expired or revoked") && !text.contains("hunter2"), "{text}");
    let text = sentence(&without("x").env("SCIMD_SERVER", "http://127.0.0.1:9").output().unwrap());
    assert!(text.contains("can't be reached") && text.contains("--server"), "{text}");
    let text = sentence(&without("x").env("SCIMD_SERVER", "scim.example.com").output().unwrap());
    assert!(text.contains("must be a URL"), "{text}");
    let receiver = scimd.ready["receiver_url"].as_str().unwrap();
    let text = sentence(&without("x").env("SCIMD_SERVER", receiver).output().unwrap());
    assert!(text.contains("not as scimd does"), "{text}");
    let file = std::env::temp_dir().join("no-such-key-file");
    let mut command = without("SCIMD_API_KEY");
    let text = sentence(&command.args(["--api-key-file", file.to_str().unwrap()]).output().unwrap());
    assert!(text.contains("no-such-key-file can't be read"), "{text}");
    let api = Api::of(&scimd);
    let weak = api.post("/api_keys", json!({"name": "weak", "scopes": ["events:read"]})).await;
    let text =
        sentence(&without("x").env("SCIMD_API_KEY", weak["api_key"].as_str().unwrap()).output().unwrap());
    assert!(text.contains("webhooks:read") && text.contains("api-key create"), "{text}");
    let text = refusal(&scimd, &["endpoints", "create", "--url", "ftp://x"]).await;
    assert!(text.contains("/url"), "{text}");
}

#[test]
fn help_teaches_with_examples() {
    for command_name in ["endpoints", "events", "deliveries", "directories", "api-key", "listen"] {
        let output = command(&[command_name, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Examples:") && text.contains(&format!("scimd {command_name}")), "{text}");
        assert!(!text.contains("skc_hunter2"));
    }
}

#[tokio::test]
async fn keys_are_made_in_the_database_or_by_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut scimd = Scimd::demo_in(folder.path(), &[]);
    // The server has the file; it can be asked.
    let create = ["api-key", "create", "--name", "one", "--scope", "events:read", "--days", "7"];
    let one = json_of(&scimd, &create).await;
    assert!(one["api_key"].as_str().unwrap().starts_with("skc_"));
    let text = refusal(&scimd, &[&create[..], &["--data", data]].concat()).await;
    assert!(text.contains("SCIMD_API_KEY") && text.contains("keys:write"), "{text}");
    let text = refusal(&scimd, &["api-key", "create", "--name", "x", "--scope", "odd"]).await;
    assert!(text.contains("events:read"), "{text}");
    scimd.terminate();
    scimd.exit(std::time::Duration::from_secs(20));

    // Without the server it is made in the file.
    let local = |args: &[&str]| {
        let mut command = command(args);
        let output = command.args(["--data", data, "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let two = local(&["api-key", "create", "--name", "two", "--scope", "all"]);
    let list = local(&["api-key", "list"]);
    let names: Vec<&str> =
        list["api_keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["demo", "one", "two"]);
    local(&["api-key", "revoke", one["id"].as_str().unwrap()]);

    let scimd = Scimd::demo_in(folder.path(), &[]);
    let api = Api { key: two["api_key"].as_str().unwrap().to_owned(), ..Api::of(&scimd) };
    api.get("/events").await;
    let revoked = Api { key: one["api_key"].as_str().unwrap().to_owned(), ..api.clone() };
    assert_eq!(revoked.send(reqwest::Method::GET, "/events", Value::Null).await.0, 401);
    let text = says(&scimd, &["api-key", "list"]).await;
    assert!(text.contains("revoked") && text.contains("two"), "{text}");
    says(&scimd, &["api-key", "revoke", two["id"].as_str().unwrap()]).await;
    assert_eq!(api.send(reqwest::Method::GET, "/events", Value::Null).await.0, 401);
}
