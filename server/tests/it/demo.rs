//! `scimd demo`: for people and for programs.

use serde_json::json;

use crate::scimd::{Scimd, command, user};

// ledger: 7642-3-001
#[test]
fn once_plays_every_provider_and_loses_nothing() {
    let output = command(&["demo", "--once", "--listen", "127.0.0.1:0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for provider in ["Okta", "Microsoft Entra ID", "OneLogin", "JumpCloud", "PingFederate"] {
        assert!(text.contains(provider), "{provider} in {text}");
    }
    assert!(text.contains("Nothing was lost"), "{text}");
    assert!(text.contains("Ada Okafor"), "{text}");
    assert!(text.contains("organization.directory.group_updated"), "{text}");
}

#[tokio::test]
async fn json_says_everything_in_one_line() {
    let scimd = Scimd::demo(&["--directories", "2"]);
    let ready = &scimd.ready;
    assert_eq!(ready["directories"].as_array().unwrap().len(), 2);
    assert!(ready.as_object().unwrap().contains_key("portal_url"));
    assert!(ready["portal_url"].is_null());
    assert!(ready["api_key"].as_str().unwrap().starts_with("skc_"));
    assert_eq!(ready["api_base_url"], format!("{}/api/v1", scimd.root()));
    assert!(ready["webhook_secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(ready["directories"][0]["id"].as_str().unwrap().starts_with("dir_"));
    assert!(std::path::Path::new(ready["data_dir"].as_str().unwrap()).is_dir());
    assert!(ready["pid"].as_u64().unwrap() > 0);
    assert_eq!(scimd.events().await, Vec::<serde_json::Value>::new(), "nothing is played");
}

#[tokio::test]
async fn a_change_arrives_at_the_receiver_as_sent() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let id = client.create_user("ada@example.com").await;
    assert!(id.starts_with("diruser_"));
    let (status, group) = client
        .send(
            reqwest::Method::POST,
            "/Groups",
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": "Engineering",
                "members": [{"value": id}]
            }),
        )
        .await;
    assert_eq!(status, 201);
    assert!(group["id"].as_str().unwrap().starts_with("dirgroup_"));
    let events = scimd.events_up_to(3).await;
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    // The first event of a user and that of a group may be under way at the same time.
    let created = types.iter().position(|kind| *kind == "organization.directory.user_created").unwrap();
    assert!(types.contains(&"organization.directory.group_created"), "{types:?}");
    assert!(types.contains(&"organization.directory.user_updated"), "{types:?}");
    assert_eq!(events[created]["directory_id"], scimd.ready["directories"][0]["id"]);
    assert_eq!(events[created]["data"]["email"], "ada@example.com");
}

#[tokio::test]
async fn a_named_provider_is_played_before_the_line_is_printed() {
    let scimd = Scimd::demo(&["--idp", "okta"]);
    let (_, list) = scimd.client(0).get("/Users?count=0").await;
    assert_eq!(list["totalResults"], 8);
}

#[tokio::test]
async fn tokens_data_and_events_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Scimd::demo_in(folder.path(), &["--directories", "2"]);
    let id = first.client(1).create_user("ada@example.com").await;
    let before = first.events_up_to(1).await;
    first.kill();
    let second = Scimd::demo_in(folder.path(), &[]);
    for directory in [0, 1] {
        for key in ["id", "scim_token"] {
            assert_eq!(
                first.ready["directories"][directory][key],
                second.ready["directories"][directory][key]
            );
        }
    }
    assert_eq!(first.ready["webhook_secret"], second.ready["webhook_secret"]);
    let (status, body) = second.client(1).get(&format!("/Users/{id}")).await;
    assert_eq!((status.as_u16(), body["userName"].as_str()), (200, Some("ada@example.com")));
    assert_eq!(second.events().await, before, "shown again after the restart, and not delivered twice");
    let (status, _) = second.client(1).send(reqwest::Method::POST, "/Users", user("ben@example.com")).await;
    assert_eq!(status, 201);
    assert_eq!(second.events_up_to(2).await.len(), 2);
}

#[test]
fn a_played_folder_is_not_played_again() {
    let folder = tempfile::tempdir().unwrap();
    let play = || {
        let data = folder.path().to_str().unwrap();
        let args = ["demo", "--once", "--idp", "ping", "--data", data, "--listen", "127.0.0.1:0"];
        let output = command(&args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!play().contains("has played here before"));
    assert!(play().contains("PingFederate has played here before"));
}
