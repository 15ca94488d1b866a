//! Who is let in, and what is said where something is not as it must be.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use scim_directory::Outlet as _;
use scim_nats::{Nats, NatsConfig};
use scim_sql::Engine;
use scim_test_nats::Server;
use serde_json::{Value, json};

use crate::support::{STREAM, Site, jetstream};

/// Made up for these tests.
const SEED: &str = "SUACJXGBGFFCLZQOCFFDTY7E3UFPUXM5IPYZDN5FKTUNFNOJ5Q2QAQSTCM";

async fn says(config: NatsConfig) -> String {
    match Nats::new(config).unwrap().check().await {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// The URL with a login.
fn with(server: &Server, login: &str) -> NatsConfig {
    NatsConfig::at(format!("nats://{login}127.0.0.1:{}", server.port()))
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Server::start().unwrap();
    server.stop().unwrap();
    let text = says(with(&server, "ann:hunter2@")).await;
    let start = format!("NATS at 127.0.0.1:{} can't be reached (", server.port());
    assert!(text.starts_with(&start) && text.contains("is nats-server running there"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn who_does_not_answer_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let config = NatsConfig { timeout: Duration::from_millis(200), ..NatsConfig::at(url) };
    let text = says(config).await;
    assert!(text.contains("timed out"), "{text}");
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_apart() {
    let server = Server::without_jetstream().unwrap();
    let text = says(NatsConfig::at(server.url())).await;
    assert!(text.contains("has no JetStream: start nats-server with -js"), "{text}");
}

#[tokio::test]
async fn users_and_tokens_are_let_in() {
    let server = Server::with("authorization { users = [{ user: ann, password: \"p@ss w/rd\" }] }").unwrap();
    assert_eq!(says(with(&server, "ann:p%40ss%20w%2Frd@")).await, "");
    for wrong in ["", "ann:hunter2@", "hunter2@"] {
        let text = says(with(&server, wrong)).await;
        assert!(text.contains("does not let us in") && !text.contains("hunter2"), "{text}");
    }
    let server = Server::with("authorization { token: \"s3cret\" }").unwrap();
    assert_eq!(says(with(&server, "s3cret@")).await, "");
}

#[tokio::test]
async fn a_seed_in_a_file_is_enough() {
    // The public key of the seed.
    let server = Server::with(
        "authorization { users = [{ nkey: UAAPRHYIBP2KYCCTEBYKWFXHMANO5U7DQ7PN2YKCCDOB6T6KN5DXYZHG }] }",
    );
    let server = server.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let config = NatsConfig::at(server.url());
        NatsConfig { credentials_file: Some(path), ..config }
    };
    assert_eq!(says(file("seed", &format!("{SEED}\n"))).await, "");
    let text = says(NatsConfig::at(server.url())).await;
    assert!(text.contains("does not let us in"), "{text}");
    let text = says(file("nonsense", "hunter2")).await;
    assert!(text.contains("nonsense can't be used: it holds neither") && !text.contains("hunter2"), "{text}");
    let missing = NatsConfig { credentials_file: Some("/nowhere".into()), ..NatsConfig::at(server.url()) };
    let text = says(missing).await;
    assert!(text.starts_with("the credentials file /nowhere can't be used: "), "{text}");
}

/// What `issuer` says of `subject`, signed.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let (issuer_key, subject_key) = (issuer.public_key(), subject.public_key());
    let claims =
        json!({"jti": "1", "iat": 1_767_225_600, "iss": issuer_key, "sub": subject_key, "nats": nats});
    let signed = format!("{header}.{}", encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_file_of_credentials_is_enough() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
        "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of_account = json!({"limits": limits, "type": "account", "version": 2});
    // JetStream needs an account of the system beside that of the user.
    let system = KeyPair::new_account();
    let of_user = json!({"subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
    let server = Server::with(&format!(
        "operator: {}\nsystem_account: {system_key}\nresolver: MEMORY\n\
         resolver_preload: {{ {system_key}: {}, {}: {} }}",
        jwt(&operator, &operator, &json!({"type": "operator", "version": 2})),
        jwt(&operator, &system, &json!({"type": "account", "version": 2})),
        account.public_key(),
        jwt(&operator, &account, &of_account),
        system_key = system.public_key(),
    ));
    let server = server.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user.creds");
    let with_file = || NatsConfig { credentials_file: Some(path.clone()), ..NatsConfig::at(server.url()) };
    let write = |user_jwt: &str| {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        );
        std::fs::write(&path, text).unwrap();
    };
    write(&jwt(&account, &user, &of_user));
    assert_eq!(says(with_file()).await, "");
    write(&jwt(&KeyPair::new_account(), &user, &of_user));
    let text = says(with_file()).await;
    assert!(text.contains("does not let us in"), "{text}");
}

#[tokio::test]
async fn a_connection_is_encrypted_where_the_url_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    let server = Server::with(&tls).unwrap();
    let url = format!("tls://localhost:{}", server.port());
    let with_ca = |ca: Option<PathBuf>| NatsConfig { ca_file: ca, ..NatsConfig::at(url.clone()) };
    assert_eq!(says(with_ca(Some(certificate))).await, "");
    let text = says(with_ca(None)).await;
    assert!(text.contains("can't be reached") && text.contains("certificate"), "{text}");
    // A server that does not encrypt is not spoken to.
    let plain = Server::start().unwrap();
    let text = says(NatsConfig::at(format!("tls://localhost:{}", plain.port()))).await;
    assert!(text.contains("can't be reached"), "{text}");
}

#[tokio::test]
async fn a_stream_for_other_subjects_is_not_touched() {
    let server = Server::start().unwrap();
    let other =
        Config { name: STREAM.to_owned(), subjects: vec!["orders.*".to_owned()], ..Config::default() };
    jetstream(&server).await.create_stream(other).await.unwrap();
    let text = says(NatsConfig::at(server.url())).await;
    assert_eq!(
        text,
        "the stream scimd is there and takes orders.*, not scimd.events.>: add that subject to it, or configure \
         another stream or subject prefix"
    );
    let mine = Config { name: "mine".to_owned(), subjects: vec!["scimd.>".to_owned()], ..Config::default() };
    jetstream(&server).await.create_stream(mine).await.unwrap();
    let text = says(NatsConfig { stream: "yours".to_owned(), ..NatsConfig::at(server.url()) }).await;
    assert_eq!(text, "the stream yours can't be made: another stream takes subjects of scimd.events.>");
}

#[tokio::test]
async fn what_is_not_permitted_is_said_at_once() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(1).await;
    let users = "authorization { users = [\
        { user: ann, password: a, permissions: { publish: [\"$JS.API.>\"], subscribe: [\">\"] } },\
        { user: bob, password: b, permissions: { publish: [\"scimd.>\"], subscribe: [\">\"] } }] }";
    let server = Server::with(users).unwrap();
    for (login, what) in [("ann:a@", "scimd.events."), ("bob:b@", "$JS.API.STREAM.INFO.scimd")] {
        let outlet = Nats::new(with(&server, login)).unwrap();
        let begun = std::time::Instant::now();
        let text = outlet.publish(&site.events().await).await.unwrap_err().to_string();
        assert!(text.to_lowercase().contains("permissions violation") && text.contains(what), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not wait for what can't come");
    }
}
