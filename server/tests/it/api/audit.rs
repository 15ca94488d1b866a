//! Audit exports, verified as an auditor does: with the keys that the server publishes and nothing else of ours.

use std::process::Command;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use scim_schema::DateTime;
use scim_set::{Expected, KeySet, VerifyError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Api, id, is_problem, on_both_engines, pointers};
use crate::hook::Hook;
use crate::remote::asking;
use crate::scimd::{Scimd, answer, http};

on_both_engines!(
    an_export_proves_request_event_and_acknowledgement,
    an_export_is_of_what_was_asked_for_and_of_nothing_else,
    a_long_export_is_whole_whoever_it_is_of,
);

const BEGINNING: &str = "2020-01-01T00:00:00Z";

fn now() -> DateTime {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    DateTime::from_unix_micros(i64::try_from(time.as_micros()).unwrap())
}

fn time(value: &Value) -> DateTime {
    DateTime::parse(value.as_str().unwrap()).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

async fn export(api: &Api, body: Value) -> String {
    let response = api.request(Method::POST, "/audit_exports").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.text().await.unwrap()
}

async fn keys(scimd: &Scimd) -> Value {
    answer(http().get(format!("{}/keys", scimd.root()))).await.1
}

/// The claims of a line whose signature is good.
fn claims(line: &str, keys: &Value) -> Option<Value> {
    let (signed, signature) = line.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&decoded(header)?).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let coordinate = |name: &str| decoded(key[name].as_str()?);
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &decoded(signature)?).ok()?;
    let is_ours = header["typ"] == "scimd-audit+jwt" && header["alg"] == "ES256";
    is_ours.then(|| serde_json::from_slice(&decoded(payload)?).ok())?
}

/// The lines of an export that is genuine and whole, and its summary.
fn verified(text: &str, keys: &Value, issuer: &str) -> Option<(Vec<Value>, Value)> {
    let mut previous = Value::Null;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let claims = claims(line, keys)?;
        let follows = claims["index"] == index && claims["previous"] == previous;
        if !follows || claims["iss"] != issuer {
            return None;
        }
        previous = hash(line.as_bytes()).into();
        lines.push(claims);
    }
    let summary = lines.pop()?["summary"].take();
    (summary["events"] == lines.len()).then_some((lines, summary))
}

// mission: M-62
async fn an_export_proves_request_event_and_acknowledgement(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = id(&api.endpoint(&hook.url).await);
    let before = now();
    let user = client.create_user("ada@example.com").await;
    hook.up_to(1).await;
    api.deliveries_in(&endpoint, "delivered", 1).await;
    // The first attempt fails: it is proved too.
    hook.answer(500, "");
    let between = now();
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let request = client.request(Method::PATCH, &format!("/Users/{user}"));
    let patched = request.header("content-type", "application/scim+json").body(patch.to_string());
    let patched = patched.send().await.unwrap();
    assert_eq!(patched.status(), 200);
    let request_id = patched.headers()["x-request-id"].to_str().unwrap().to_owned();
    hook.up_to(2).await;
    hook.answer(200, "gone");
    hook.up_to(3).await;
    let deliveries = api.deliveries_in(&endpoint, "delivered", 2).await;
    let events: Vec<&str> = deliveries.iter().rev().map(|d| d["event_id"].as_str().unwrap()).collect();
    for event in &events {
        // The demo's receiver has it too.
        api.delivered(event, 2).await;
    }
    let after = now();

    let text = export(&api, json!({"since": BEGINNING})).await;
    let keys = keys(&scimd).await;
    let (lines, summary) = verified(&text, &keys, &scimd.root()).unwrap();
    assert_eq!((&summary["events"], &summary["complete"]), (&json!(2), &json!(true)));
    assert_eq!(time(&summary["since"]), DateTime::parse(BEGINNING).unwrap());
    let bodies = hook.deliveries();
    let kinds = ["user_created", "user_deleted"].map(|kind| format!("organization.directory.{kind}"));
    for (place, (line, begun)) in lines.iter().zip([before, between]).enumerate() {
        let event = &line["event"];
        assert_eq!(
            (event["id"].as_str(), event["type"].as_str()),
            (Some(events[place]), Some(&*kinds[place]))
        );
        assert_eq!((&event["subject"], &event["sequence"]), (&json!(user), &json!(place + 1)));
        assert_eq!(event["body_sha256"], hash(&bodies[place].body));
        let told = line["deliveries"].as_array().unwrap();
        assert_eq!(told.len(), 2);
        let told = told.iter().find(|delivery| delivery["endpoint_id"] == endpoint.as_str()).unwrap();
        let last = told["attempts"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["acknowledged"], &last["status"]), (&json!(true), &json!(200)));
        let order =
            [begun, time(&event["occurred_at"]), time(&last["at"]), time(&told["delivered_at"]), after];
        assert!(order.is_sorted(), "{order:?}");
    }
    assert_eq!(lines[1]["event"]["cause"]["request_id"], request_id.as_str());
    let told = lines[1]["deliveries"].as_array().unwrap();
    let told = told.iter().find(|delivery| delivery["endpoint_id"] == endpoint.as_str()).unwrap();
    let outcomes: Vec<Value> = told["attempts"].as_array().unwrap().iter().map(outcome).collect();
    assert_eq!(outcomes, [json!([1, 500, "status", false]), json!([2, 200, null, true])]);

    // Whatever is changed in it is noticed, whatever is left out, and whatever is in another place.
    let all: Vec<&str> = text.lines().collect();
    for (place, line) in all.iter().enumerate() {
        let mut fewer = all.clone();
        fewer.remove(place);
        assert_eq!(verified(&fewer.join("\n"), &keys, &scimd.root()), None, "without line {place}");
        for at in (0..line.len()).step_by(7) {
            let mut changed = line.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(claims(&changed, &keys), None, "byte {at} of line {place}");
        }
    }
    assert_eq!(verified(&[all[1], all[0], all[2]].join("\n"), &keys, &scimd.root()), None);
    assert_eq!(verified("", &keys, &scimd.root()), None);
    let again = export(&api, json!({"since": BEGINNING})).await;
    let spliced = [all[0], again.lines().nth(1).unwrap(), all[2]].join("\n");
    assert_eq!(verified(&spliced, &keys, &scimd.root()), None, "lines of two exports");

    // A line is no security event token, though it is signed with the same key.
    let set_keys = KeySet::parse(&keys.to_string()).unwrap();
    let root = scimd.root();
    let expected = Expected { issuer: &root, audience: "https://app.example.com" };
    assert_eq!(scim_set::verify(all[0], &set_keys, expected), Err(VerifyError::Type));

    // What was signed before the key was replaced stays good; what is signed after it too.
    api.post("/set_keys:rotate", json!({})).await;
    let keys = self::keys(&scimd).await;
    let later = export(&api, json!({"since": BEGINNING})).await;
    for text in [text, later] {
        assert!(verified(&text, &keys, &scimd.root()).is_some());
    }
}

fn outcome(attempt: &Value) -> Value {
    json!([attempt["number"], attempt["status"], attempt["reason"], attempt["acknowledged"]])
}

async fn an_export_is_of_what_was_asked_for_and_of_nothing_else(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    client.create_user("ada@example.com").await;
    scimd.events_up_to(1).await;
    let between = now();
    client.create_user("ben@example.com").await;
    scimd.events_up_to(2).await;
    let directory = api.get("/directories").await["directories"][0].clone();
    let asked = |body: Value| {
        let mut all = json!({"since": BEGINNING});
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (api, scimd) = (&api, &scimd);
        async move {
            let text = export(api, all).await;
            let (lines, summary) = verified(&text, &keys(scimd).await, &scimd.root()).unwrap();
            let sequences = lines.iter().map(|line| line["event"]["sequence"].as_u64().unwrap());
            (sequences.collect::<Vec<_>>(), summary)
        }
    };
    let (nobody, nowhere) = ("org_0000000000000000000000", "dir_0000000000000000000000");
    let (none, summary) = asked(json!({"organization_id": nobody})).await;
    assert_eq!((none.len(), &summary["organization_id"]), (0, &json!(nobody)));
    let (none, summary) = asked(json!({"directory_id": nowhere})).await;
    assert_eq!((none.len(), &summary["directory_id"]), (0, &json!(nowhere)));
    let (mine, _) = asked(json!({"organization_id": directory["organization_id"]})).await;
    assert_eq!(mine, [1, 2]);
    assert_eq!(asked(json!({"directory_id": directory["id"]})).await.0, [1, 2]);
    let (earlier, summary) = asked(json!({"until": between.to_string()})).await;
    assert_eq!((earlier, time(&summary["until"])), (vec![1], between));
    assert_eq!(asked(json!({"since": between.to_string()})).await.0, [2]);
    let types = json!(["organization.directory.user_deleted"]);
    let (deleted, summary) = asked(json!({"event_types": types})).await;
    assert_eq!((deleted.len(), &summary["event_types"]), (0, &types));
    let (all, summary) = asked(json!({"until": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(all, [1, 2]);
    assert!(time(&summary["until"]) <= now(), "what is to come is not proved");

    let wrong = json!({"until": "soon", "organization_id": "canary", "event_types": ["odd"], "odd": 1});
    let problem = api.send(Method::POST, "/audit_exports", wrong).await;
    is_problem(&problem, 400, "invalid_field");
    let mut named = pointers(&problem.1);
    named.sort_unstable();
    assert_eq!(named, ["/event_types/0", "/odd", "/organization_id", "/since", "/until"]);
    let backwards = json!({"since": between.to_string(), "until": BEGINNING});
    is_problem(&api.send(Method::POST, "/audit_exports", backwards).await, 400, "invalid_field");
}

async fn a_long_export_is_whole_whoever_it_is_of(scimd: Scimd) {
    let client = scimd.client(0);
    for n in 0..120 {
        client.create_user(&format!("user{n}@example.com")).await;
    }
    scimd.events_up_to(120).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.txt");
    let mut to_file =
        asking(&scimd, &["audit", "export", "--since", "2h", "--output", file.to_str().unwrap()]);
    let mut to_stdout = asking(&scimd, &["audit", "export", "--since", "2h", "--type", "user_created"]);
    let mut again = asking(&scimd, &["audit", "export", "--since", "2h", "--output", file.to_str().unwrap()]);
    let ran =
        tokio::task::spawn_blocking(move || [&mut to_file, &mut to_stdout, &mut again].map(Command::output));
    let [to_file, to_stdout, again] = ran.await.unwrap().map(Result::unwrap);
    assert!(to_file.status.success() && to_file.stdout.is_empty());
    assert!(to_stdout.status.success());
    assert!(!again.status.success(), "no proof is written over");
    let keys = keys(&scimd).await;
    let texts =
        [std::fs::read(&file).unwrap(), to_stdout.stdout].map(|text| String::from_utf8(text).unwrap());
    for text in texts {
        let (lines, _) = verified(&text, &keys, &scimd.root()).unwrap();
        let sequences: Vec<u64> =
            lines.iter().map(|line| line["event"]["sequence"].as_u64().unwrap()).collect();
        assert!(sequences.into_iter().eq(1..=120));
    }
}
