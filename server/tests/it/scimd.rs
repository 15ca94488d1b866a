//! A `scimd` process, and a client of it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a process may take to say that it is ready.
const READY: Duration = Duration::from_secs(60);

/// A process that ends with the test.
pub(crate) struct Scimd {
    child: Child,
    log: PathBuf,
    pub(crate) ready: Value,
    _folder: TempDir,
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimd"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command that must fail; answers the one sentence it says.
pub(crate) fn failure(args: &[&str]) -> String {
    let output = command(args).output().unwrap();
    assert!(!output.status.success(), "{args:?} must fail");
    assert!(output.stdout.is_empty(), "nothing on standard output");
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("scimd: ")).collect();
    assert_eq!(lines.len(), 1, "one sentence: {text}");
    lines[0].to_owned()
}

impl Scimd {
    /// `scimd demo --json` on free ports, with these arguments.
    pub(crate) fn demo(args: &[&str]) -> Self {
        Self::demo_through(&[], args)
    }

    /// The same, started by a command that is given it.
    pub(crate) fn demo_through(through: &[&str], args: &[&str]) -> Self {
        let mut all = vec!["demo", "--json"];
        if !args.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(args);
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = match through {
            [] => command(&all),
            [program, first @ ..] => {
                let mut command = Command::new(program);
                command.args(first).arg(env!("CARGO_BIN_EXE_scimd")).args(&all).stdin(Stdio::null());
                command
            }
        };
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        // A process that is killed leaves its temporary folder behind; this one goes with the test.
        command.env("TMPDIR", folder.path());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (send, line) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let _ = send.send(line);
            let mut rest = String::new();
            let _ = reader.read_to_string(&mut rest);
            assert_eq!(rest, "", "exactly one line on standard output");
        });
        let line = line.recv_timeout(READY).expect("a line when ready");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.wait();
            panic!("not ready: {line} {}", std::fs::read_to_string(&log).unwrap())
        });
        Self { child, log, ready, _folder: folder }
    }

    /// The same in a data folder.
    pub(crate) fn demo_in(data: &Path, args: &[&str]) -> Self {
        let mut all = vec!["--data", data.to_str().unwrap()];
        all.extend(args);
        Self::demo(&all)
    }

    pub(crate) fn client(&self, directory: usize) -> Client {
        let directory = &self.ready["directories"][directory];
        Client {
            base_url: directory["scim_base_url"].as_str().unwrap().to_owned(),
            token: directory["scim_token"].as_str().unwrap().to_owned(),
            http: http(),
        }
    }

    /// Where `/healthz` is.
    pub(crate) fn root(&self) -> String {
        let base = self.ready["directories"][0]["scim_base_url"].as_str().unwrap();
        base.split("/scim/v2").next().unwrap().to_owned()
    }

    pub(crate) async fn events(&self) -> Vec<Value> {
        let url = format!("{}/events", self.ready["receiver_url"].as_str().unwrap());
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the receiver has this many events.
    pub(crate) async fn events_up_to(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let events = self.events().await;
            if events.len() >= count {
                return events;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {count} events", events.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub(crate) fn exit(&mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "still there after {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Scimd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap()
}

/// An identity provider of one directory.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base_url: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

impl Client {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.token)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn create_user(&self, user_name: &str) -> String {
        let (status, body) = self.send(Method::POST, "/Users", user(user_name)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) fn user(user_name: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name})
}

pub(crate) fn is_scim_error(body: &Value, status: u16) -> bool {
    body["schemas"][0] == "urn:ietf:params:scim:api:messages:2.0:Error"
        && body["status"].as_str() == Some(status.to_string().as_str())
}
