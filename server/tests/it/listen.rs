//! `scimd listen`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::Api;
use crate::hook::{Delivered, Hook};
use crate::remote::asking;
use crate::scimd::{Scimd, command, http};
use crate::serve::free_address;

/// A `scimd listen --json` that runs.
struct Listening {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    ready: Value,
}

impl Listening {
    fn start(mut command: Command) -> Self {
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let _ = send.send(line.unwrap());
            }
        });
        let ready = lines.recv_timeout(Duration::from_secs(30)).expect("a line when ready");
        Self { child, lines, ready: serde_json::from_str(&ready).unwrap() }
    }

    fn at(scimd: &Scimd, args: &[&str]) -> Self {
        Self::start(asking(scimd, &[&["listen"], args].concat()))
    }

    fn secret(&self) -> &str {
        self.ready["secret"].as_str().unwrap()
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("a delivery");
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it as Ctrl-C does. It must end well.
    fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn endpoints(api: &Api) -> usize {
    api.get("/webhook_endpoints").await["webhook_endpoints"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_makes_its_endpoint_shows_what_comes_and_cleans_up() {
    let scimd = Scimd::demo(&[]);
    let api = Api::of(&scimd);
    let before = endpoints(&api).await;
    let mut listening = Listening::at(&scimd, &["--type", "user_created"]);
    assert_eq!(endpoints(&api).await, before + 1);
    let id = listening.ready["endpoint_id"].as_str().unwrap();
    let shown = api.get(&format!("/webhook_endpoints/{id}")).await;
    assert_eq!(shown["url"], listening.ready["listening"]);
    assert_eq!(shown["event_types"], json!(["organization.directory.user_created"]));
    scimd.client(0).create_user("ada@example.com").await;
    let line = listening.next();
    assert_eq!((line["verified"].clone(), line["answered"].clone()), (json!(true), json!(200)));
    assert_eq!(line["event"]["data"]["email"], "ada@example.com");
    assert_eq!(line["event_id"], line["event"]["id"]);
    api.deliveries_in(id, "delivered", 1).await;

    // Somebody else's request is not believed.
    let url = listening.ready["listening"].as_str().unwrap();
    let forged = http().post(url).header("webhook-id", "evt_1").body("{}").send().await.unwrap();
    assert_eq!(forged.status(), 400);
    let line = listening.next();
    assert_eq!((line["verified"].clone(), line["problem"].is_string()), (json!(false), true));
    listening.interrupt();
    assert_eq!(endpoints(&api).await, before, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_on_what_came_and_answers_what_the_application_answers() {
    let scimd = Scimd::demo(&[]);
    let (api, app) = (Api::of(&scimd), Hook::start().await);
    let listening = Listening::at(&scimd, &["--forward-to", &app.url]);
    scimd.client(0).create_user("zo\u{eb}@example.com").await;
    let line = listening.next();
    assert_eq!(line["forwarded"]["status"], 200);
    assert_eq!(line["forwarded"]["answer"], "taken");
    let got = app.up_to(1).await.remove(0);
    assert!(got.is_signed_by(listening.secret()), "body and signature as they came");
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("webhook-id"), line["event_id"].as_str().unwrap());

    app.answer(503, "later");
    scimd.client(0).create_user("bob@example.com").await;
    let line = listening.next();
    assert_eq!((line["answered"].clone(), line["forwarded"]["answer"].clone()), (json!(503), json!("later")));
    let id = listening.ready["endpoint_id"].as_str().unwrap();
    let waiting = waiting_with_status(&api, id).await;
    assert_eq!(waiting["status"], 503, "the server heard it too");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_play_a_receiver_in_trouble() {
    let scimd = Scimd::demo(&[]);
    let listening = Listening::at(&scimd, &["--status", "500"]);
    scimd.client(0).create_user("ada@example.com").await;
    let line = listening.next();
    assert_eq!((line["verified"].clone(), line["answered"].clone()), (json!(true), json!(500)));
    let id = listening.ready["endpoint_id"].as_str().unwrap();
    assert_eq!(waiting_with_status(&Api::of(&scimd), id).await["status"], 500);
    let again = listening.next();
    assert_eq!(again["event_id"], line["event_id"], "tried again after five seconds");

    let app = "http://127.0.0.1:9/hook";
    let listening = Listening::at(&scimd, &["--forward-to", app]);
    scimd.client(0).create_user("bob@example.com").await;
    let line = listening.next();
    assert_eq!((line["answered"].clone(), line["forwarded"]["status"].clone()), (json!(502), Value::Null));
    assert!(line["forwarded"]["problem"].as_str().unwrap().contains("can't be reached"), "{line}");
}

/// The delivery that waits for its second attempt.
async fn waiting_with_status(api: &Api, endpoint: &str) -> Value {
    loop {
        let waiting = api.deliveries_in(endpoint, "pending", 1).await.remove(0);
        if !waiting["status"].is_null() {
            return waiting;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// mission: M-66
#[tokio::test(flavor = "multi_thread")]
async fn it_reads_the_log_where_the_server_can_t_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut scimd = Scimd::demo_in(folder.path(), &["--listen", &address]);
    let (api, app) = (Api::of(&scimd), Hook::start().await);
    let reader = api.post("/api_keys", json!({"name": "reader", "scopes": ["events:read"]})).await;
    scimd.client(0).create_user("before@example.com").await;
    scimd.events_up_to(1).await;
    let own = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut command =
        asking(&scimd, &["listen", "--from", "events", "--forward-to", &app.url, "--secret", own]);
    command.env("SCIMD_API_KEY", reader["api_key"].as_str().unwrap());
    let mut listening = Listening::start(command);
    assert_eq!(endpoints(&api).await, 1, "no endpoint is made");
    for n in 0..4 {
        scimd.client(0).create_user(&format!("user{n}@example.com")).await;
        let line = listening.next();
        assert_eq!((line["verified"].clone(), line["answered"].clone()), (json!(true), json!(200)));
        assert_eq!(line["event"]["data"]["email"], format!("user{n}@example.com"));
        if n == 1 {
            // It goes on when the server is there again.
            scimd.kill();
            scimd = Scimd::demo_in(folder.path(), &["--listen", &address]);
        }
    }
    let got = app.up_to(4).await;
    assert!(got.iter().all(|delivered: &Delivered| delivered.is_signed_by(own)));
    let bodies: Vec<Bytes> = got.into_iter().map(|delivered| delivered.body).collect();
    let log = api.get("/events?start=beginning").await;
    let events: Vec<Value> = bodies.iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!(&log["events"].as_array().unwrap()[1..], &events[..]);
    listening.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_is_a_receiver_for_an_endpoint_of_one_s_own() {
    let scimd = Scimd::demo(&[]);
    let own = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut alone = command(&["listen"]);
    alone.env_remove("SCIMD_API_KEY").env("SCIMD_WEBHOOK_SECRET", own);
    let listening = Listening::start(alone);
    assert_eq!((listening.secret(), &listening.ready["endpoint_id"]), (own, &Value::Null));
    let api = Api::of(&scimd);
    let new = json!({"url": listening.ready["listening"], "secret": own});
    api.post("/webhook_endpoints", new).await;
    scimd.client(0).create_user("ada@example.com").await;
    assert_eq!(listening.next()["verified"], true);
}

// mission: M-71
#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_verifies_by_an_ed25519_key_too() {
    let scimd = Scimd::demo(&[]);
    let (api, address) = (Api::of(&scimd), free_address());
    let endpoint = api.endpoint(&format!("http://{address}/")).await;
    let rotate = format!("/webhook_endpoints/{}:rotate_signing_key", endpoint["id"].as_str().unwrap());
    let key = api.post(&rotate, json!({})).await["verifying_key"].clone();
    let port = address.rsplit(':').next().unwrap();
    let mut alone = command(&["listen", "--secret", key.as_str().unwrap(), "--port", port]);
    alone.env_remove("SCIMD_API_KEY");
    let listening = Listening::start(alone);
    assert_eq!((&listening.ready["verifying_key"], &listening.ready["secret"]), (&key, &Value::Null));
    scimd.client(0).create_user("ada@example.com").await;
    assert_eq!(listening.next()["verified"], true);
    // Of another key's signatures none is right.
    api.post(&rotate, json!({"overlap_seconds": 0})).await;
    scimd.client(0).create_user("bob@example.com").await;
    assert_eq!(listening.next()["verified"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_who_what_and_whether_it_is_right() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let id = client.create_user("ada@example.com").await;
    scimd.events_up_to(1).await;
    let mut child = asking(&scimd, &["listen"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().unwrap().unwrap();
    while !next().contains("Ctrl-C") {}
    let mut user = crate::scimd::user("ada@example.com");
    user["title"] = json!("Lead");
    user["displayName"] = json!("Ada");
    client.send(reqwest::Method::PUT, &format!("/Users/{id}"), user).await;
    let mut shown = Vec::new();
    while !shown.last().is_some_and(|line: &String| line.contains("verified")) {
        shown.push(next());
    }
    let text = shown.join("\n");
    assert!(text.contains("user_updated  Ada <ada@example.com>"), "{text}");
    assert!(text.contains("title  nothing → \"Lead\""), "{text}");
    assert!(text.contains("✓ verified") && !text.contains('\u{1b}'), "no colours but on a terminal: {text}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_missing_is_said() {
    let sentence = |args: &[&str], key: Option<&str>| {
        let mut command = command(&[&["listen"], args].concat());
        command.env_remove("SCIMD_API_KEY").env_remove("SCIMD_WEBHOOK_SECRET").env_remove("SCIMD_SERVER");
        command.envs(key.map(|key| ("SCIMD_API_KEY", key)));
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(sentence(&[], None).contains("SCIMD_API_KEY"));
    assert!(sentence(&["--from", "events"], None).contains("events:read"));
    let text = sentence(&["--secret", "hunter2"], None);
    assert!(text.contains("--secret can't be used") && !text.contains("hunter2"), "{text}");
    assert!(sentence(&["--secret", "whpk_AAEC"], None).contains("--secret can't be used"));
    let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    for from in ["webhooks", "events"] {
        let text = sentence(&["--secret", public, "--from", from], Some("skc_x"));
        assert!(text.contains("leave out the API key"), "{text}");
    }
    let text = sentence(&["--server", "https://scim.example.com"], Some("skc_x"));
    assert!(text.contains("--from events"), "{text}");
    assert!(sentence(&["--forward-to", "localhost"], Some("skc_x")).contains("--forward-to must be a URL"));
}
