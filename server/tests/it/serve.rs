//! `scimd serve --config FILE`.

use std::io::{BufRead as _, BufReader};
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
}

/// An endpoint in the configuration file, with more keys.
pub(crate) fn webhook(url: &str, more: &str) -> String {
    format!("[[webhook]]\nurl = \"{url}\"\n{more}\n")
}

/// Starts a process that may share the folder, which holds its keys, with others.
pub(crate) fn started(folder: &Path, webhooks: &str, more: &str, database: Option<&str>) -> Started {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
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
    let log = std::fs::File::create(config.with_extension("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            let _ = send.send(line.unwrap());
        }
    });
    Started { served: Served { child, printed: Vec::new(), address }, lines }
}

impl Started {
    /// Waits until it listens and has printed what it prints.
    pub(crate) fn ready(self) -> Served {
        let Self { mut served, lines } = self;
        let begun = Instant::now();
        while std::net::TcpStream::connect(&served.address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "not listening");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        served.printed = lines.try_iter().collect();
        served
    }
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
