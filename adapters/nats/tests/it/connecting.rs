//! Who is let in, and what is said where something is not as it must be.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use scim_directory::Outlet as _;
use scim_nats::{Nats, NatsConfig};
use scim_sql::Engine;
use scim_test_nats::Server;

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
