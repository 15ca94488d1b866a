//! `scimd serve --config FILE`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::scimd::{answer, command, failure, http};

/// A process that serves a configuration file, and what it printed.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) printed: Vec<String>,
    pub(crate) address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, more: &str) -> Served {
    started(folder, &webhook("https://app.example.com/hook", ""), more, None).ready()
}

/// A process whose standard output is read.
pub(crate) struct Started {
    served: Served,
    lines: std::sync::mpsc::Receiver<String>,
    log: std::path::PathBuf,
}

/// An endpoint in the configuration file, with more keys.
pub(crate) fn webhook(url: &str, more: &str) -> String {
    format!("[[webhook]]\nurl = \"{url}\"\n{more}\n")
}

/// Starts a process that may share the folder, which holds its keys, with others.
pub(crate) fn started(folder: &Path, webhooks: &str, more: &str, database: Option<&str>) -> Started {
    let address = free_address();
    let config = folder.join(format!("{}.toml", address.replace([':', '.'], "-")));
    let text = format!(
        "listen = \"{address}\"\nbase_url = \"https://scim.example.com/\"\ndata = \"{}\"\n{more}\
         [[organization]]\nname = \"Acme\"\n[[organization.directory]]\nname = \"Acme Okta\"\nprovider = \"okta\"\n\
         {webhooks}",
        folder.join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = command(&["serve", "--config", config.to_str().unwrap()]);
    if let Some(url) = database {
        command.env("SCIMD_DATABASE", url);
    }
    let log = config.with_extension("log");
    let stderr = std::fs::File::create(&log).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            let _ = send.send(line.unwrap());
        }
    });
    Started { served: Served { child, printed: Vec::new(), address }, lines, log }
}

/// An address at which nobody listens. The port is none that the system gives to who connects: between this look and
/// the start of a server one of the many connections of other tests could get it.
pub(crate) fn free_address() -> String {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 9_000).unwrap();
    loop {
        let step = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = format!("127.0.0.1:{}", 10_000 + (begin + step) % 10_000);
        if std::net::TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

impl Started {
    /// Waits until it answers and has printed what it prints.
    pub(crate) fn ready(self) -> Served {
        let Self { mut served, lines, log } = self;
        let begun = Instant::now();
        while !answers(&served.address) {
            let waited = begun.elapsed() < Duration::from_secs(30);
            assert!(waited, "not answering: {}", std::fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        served.printed = lines.try_iter().collect();
        served
    }
}

/// Whether a request is answered. That somebody listens does not say that all is there that was configured.
fn answers(address: &str) -> bool {
    let ask = || {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: scim.example.com\r\nconnection: close\r\n\r\n")?;
        stream.read_exact(&mut [0])
    };
    ask().is_ok()
}

pub(crate) fn after<'l>(lines: &'l [String], label: &str) -> Option<&'l str> {
    let line = lines.iter().find(|line| line.trim_start().starts_with(label))?;
    line.trim_start().strip_prefix(label)?.split_whitespace().next()
}

#[tokio::test]
async fn tokens_are_printed_once_and_work() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path(), "");
    let base_url = after(&first.printed, "SCIM base URL").unwrap().to_owned();
    let token = after(&first.printed, "bearer token").unwrap().to_owned();
    assert!(after(&first.printed, "signing secret").unwrap().starts_with("whsec_"));
    let path = base_url.strip_prefix("https://scim.example.com").expect("the configured URL").to_owned();
    let url = |address: &str| format!("http://{address}{path}/Users?count=0");
    let (status, body) = answer(http().get(url(&first.address)).bearer_auth(&token)).await;
    assert_eq!(status, 200, "{body}");
    drop(first);
    let second = serve(folder.path(), "");
    assert_eq!(after(&second.printed, "SCIM base URL"), Some(base_url.as_str()));
    assert_eq!(after(&second.printed, "bearer token"), None, "only once");
    assert_eq!(after(&second.printed, "signing secret"), None, "only once");
    let (status, _) = answer(http().get(url(&second.address)).bearer_auth(&token)).await;
    assert_eq!(status, 200);
}

// ledger: 7644-7.6-001, 7644-7.7-001
#[tokio::test]
async fn failed_authentications_are_slowed_down_but_good_tokens_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), "[limits]\nfailed_authentications_per_minute = 3\n");
    let token = after(&served.printed, "bearer token").unwrap();
    let base_url = after(&served.printed, "SCIM base URL").unwrap();
    let path = base_url.strip_prefix("https://scim.example.com").unwrap();
    let url = format!("http://{}{path}/Users", served.address);
    for _ in 0..3 {
        assert_eq!(http().get(&url).bearer_auth("wrong").send().await.unwrap().status(), 401);
    }
    let refused = http().get(&url).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert_eq!(http().get(&url).bearer_auth(token).send().await.unwrap().status(), 200);
}

// ledger: 7644-7.2-001
#[test]
fn a_body_that_does_not_come_is_408() {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), "[limits]\nbody_seconds = 1\n");
    let token = after(&served.printed, "bearer token").unwrap();
    let base_url = after(&served.printed, "SCIM base URL").unwrap();
    let path = base_url.strip_prefix("https://scim.example.com").unwrap();
    let mut stream = std::net::TcpStream::connect(&served.address).unwrap();
    let head = format!(
        "POST {path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("urn:ietf:params:scim:api:messages:2.0:Error"), "{answer}");
}

#[test]
fn a_wrong_configuration_names_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("scimd.toml");
    let sentence = |text: &str| {
        std::fs::write(&config, text).unwrap();
        failure(&["serve", "--config", config.to_str().unwrap()])
    };
    let rest = "base_url = \"https://x.example\"\ndata = \"data\"\n[[organization]]\nname = \"Acme\"\n";
    assert!(sentence(&format!("lisen = \"x\"\n{rest}")).contains("line 1, key lisen"));
    assert!(sentence("data = \"data\"\n").contains("base_url"));
    assert!(sentence(&format!("listen = \"0.0.0.0:8080\"\n{rest}")).contains("trusted_proxy"));
    assert!(sentence("base_url = \"https://x.example\"\ndata = \"d\"\n").contains("[[organization]]"));
    let data = folder.path().join("data");
    let webhook = format!(
        "listen = \"127.0.0.1:0\"\nbase_url = \"https://x.example\"\ndata = {data:?}\n\
         [[organization]]\nname = \"Acme\"\n[[webhook]]\nurl = \"http://127.0.0.1:1/\"\n"
    );
    assert!(sentence(&webhook).contains("https://"));
    let missing = folder.path().join("missing.toml");
    assert!(
        failure(&["serve", "--config", missing.to_str().unwrap()]).contains("missing.toml can't be read")
    );
}

#[tokio::test]
async fn the_first_api_key_is_printed_once_or_given() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path(), "");
    let key = after(&first.printed, "API key").unwrap().to_owned();
    let events = |address: &str| format!("http://{address}/api/v1/events");
    let (status, body) = answer(http().get(events(&first.address)).bearer_auth(&key)).await;
    assert_eq!(status, 200, "{body}");
    drop(first);

    let given = format!("skc_{}_{}", "k".repeat(16), "s".repeat(43));
    let file = folder.path().join("given");
    std::fs::write(&file, format!("{given}\n")).unwrap();
    let more = format!("api_key_file = \"{}\"\n", file.display());
    let second = serve(folder.path(), &more);
    assert_eq!(after(&second.printed, "API key"), None, "only once, and none that was given");
    for key in [&key, &given] {
        assert_eq!(answer(http().get(events(&second.address)).bearer_auth(key)).await.0, 200);
    }
    let keys = format!("http://{}/api/v1/api_keys", second.address);
    let (_, list) = answer(http().get(&keys).bearer_auth(&key)).await;
    let id = list["api_keys"][1]["id"].as_str().unwrap();
    assert_eq!(list["api_keys"][1]["name"], "given at start");
    let revoke = http().delete(format!("{keys}/{id}")).bearer_auth(&key);
    assert_eq!(answer(revoke).await.0, 204);
    drop(second);
    let third = serve(folder.path(), &more);
    let again = answer(http().get(events(&third.address)).bearer_auth(&given)).await;
    assert_eq!(again.0, 401, "what was revoked stays so");
    drop(third);

    std::fs::write(&file, "skc_hunter2").unwrap();
    let config = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let config = config.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let config = config.max_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap()).unwrap();
    let output = command(&["serve", "--config", config.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.contains("api_key_file") && text.contains("43 letters"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn figures_are_for_this_machine_and_for_keys() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), "");
    let key = after(&served.printed, "API key").unwrap();
    let url = format!("http://{}/metrics", served.address);
    let here = http().get(&url).send().await.unwrap();
    assert_eq!(here.status(), 200);
    assert!(here.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = here.text().await.unwrap();
    for line in [
        "# TYPE scimd_build_info gauge",
        "# TYPE scimd_commit_to_delivered_seconds histogram",
        "scimd_panics_total 0",
        "scimd_delivery_attempts_total{outcome=\"delivered\"} 0",
        "scimd_commit_to_delivered_seconds_bucket{le=\"+Inf\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.lines().any(|line| line.starts_with("scimd_deliveries_pending{endpoint=\"we_")), "{text}");
    // Who was passed on by a proxy is not from here.
    let through = || http().get(&url).header("x-forwarded-for", "127.0.0.1");
    let (status, body) = answer(through()).await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (401, Some("unauthenticated")));
    assert_eq!(answer(through().bearer_auth(key)).await.0, 200);
    let weak = http().post(format!("http://{}/api/v1/api_keys", served.address)).bearer_auth(key);
    let weak = weak.json(&serde_json::json!({"name": "x", "scopes": ["events:read"]}));
    let (_, weak) = answer(weak).await;
    assert_eq!(answer(through().bearer_auth(weak["api_key"].as_str().unwrap())).await.0, 403);
    drop(served);
    let served = serve(folder.path(), "trusted_proxy = true\n");
    let (status, _) = answer(http().get(format!("http://{}/metrics", served.address))).await;
    assert_eq!(status, 401, "behind a proxy a key is always needed");
}
