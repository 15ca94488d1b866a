//! The server and its receivers, each a process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::vectors::Delivery;
use crate::workspace::built;

/// How long a process may take to be ready, and an event to be delivered everywhere.
const PATIENCE: Duration = Duration::from_secs(60);
const BASE_URL: &str = "https://scim.example.com";

/// A server that delivers to three receivers.
#[derive(Debug)]
pub(super) struct Stage {
    scimd: Running,
    receivers: Vec<Receiver>,
    /// How the directory is asked.
    path: String,
    token: String,
    api_key: String,
}

#[derive(Debug)]
struct Receiver {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
    log: PathBuf,
    secret: String,
    _process: Running,
}

/// The secrets of the recorder's endpoint.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) old: String,
    pub(super) new: String,
}

/// A process that ends with its owner.
#[derive(Debug)]
struct Running {
    child: Child,
    address: SocketAddr,
}

/// The id of what nobody sent.
const FORGED: &str = "forged";

/// The receivers, the recorder first: what is recorded is what the libraries are asked about.
const RECEIVERS: [(&str, &str); 3] = [("recorder", "/"), ("FastAPI", "/webhook"), ("Express", "/webhook")];

impl Stage {
    /// Starts everything from nothing.
    pub(super) fn start(root: &Path, packages: &Path) -> Result<Self> {
        let folder = packages.join("run");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let places: Vec<(&str, &str, SocketAddr)> = RECEIVERS
            .iter()
            .map(|(name, path)| Ok((*name, *path, free_address()?)))
            .collect::<Result<_>>()?;
        let urls: Vec<String> =
            places.iter().map(|(_, path, address)| format!("http://{address}{path}")).collect();
        let (scimd, printed) = scimd(root, &folder, &urls)?;
        let mut receivers = Vec::new();
        for ((name, path, address), url) in places.into_iter().zip(&urls) {
            let secret = printed_after(&printed, &format!("webhook  {url}"), "signing secret")?;
            let log = folder.join(format!("{name}.jsonl"));
            let process = receiver(root, packages, name, address, &log, &secret)?;
            receivers.push(Receiver { name, address, path, log, secret, _process: process });
        }
        let url = printed_after(&printed, "directory  Vendors", "SCIM base URL")?;
        let path = url.strip_prefix(BASE_URL).context("another URL than the configured one was printed")?;
        let token = printed_after(&printed, "directory  Vendors", "bearer token")?;
        let key = printed.lines().find_map(|line| line.strip_prefix("API key  ")?.split(' ').next());
        let api_key = key.context("scimd printed no API key")?.to_owned();
        Ok(Self { scimd, receivers, path: path.to_owned(), token, api_key })
    }

    /// Asks for a change that makes events, and waits until they are delivered everywhere. The answer.
    pub(super) fn change(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let before = self.events()?;
        let path = format!("{}{path}", self.path);
        let (status, answer) = ask(self.scimd.address, method, &path, &self.token, body)?;
        ensure!((200..300).contains(&status), "scimd answered {status} to {method} {path}: {answer}");
        let begun = Instant::now();
        loop {
            let now = self.events()?;
            let new = now.iter().zip(&before).all(|(now, before)| now.len() > before.len());
            if new && now.iter().all(|events| Some(events) == now.first()) {
                return Ok(answer);
            }
            if begun.elapsed() > PATIENCE {
                let had = self.receivers.iter().zip(&now).map(|(r, n)| format!("{}: {}", r.name, n.len()));
                bail!("events of {method} {path} are missing: {}", had.collect::<Vec<_>>().join(", "));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The ids of the events that each receiver has.
    fn events(&self) -> Result<Vec<BTreeSet<String>>> {
        let ids = |receiver: &Receiver| Ok(receiver.log()?.into_iter().map(|line| line.id).collect());
        self.receivers.iter().map(ids).collect()
    }

    /// What was delivered to the recorder.
    pub(super) fn received(&self) -> Result<Vec<Delivery>> {
        self.receivers.first().context("there is no recorder")?.log()
    }

    /// Replaces the secret of each endpoint, while the applications go on with the old one.
    pub(super) fn rotate(&self) -> Result<Secrets> {
        let listed = self.api("GET", "/webhook_endpoints", "")?;
        let listed = listed.get("webhook_endpoints").and_then(Value::as_array).context("no endpoints")?;
        let mut new = Vec::new();
        for receiver in &self.receivers {
            let url = format!("http://{}{}", receiver.address, receiver.path);
            let endpoint = listed.iter().find(|e| e.get("url").and_then(Value::as_str) == Some(&url));
            let id = endpoint.and_then(|e| e.get("id")?.as_str()).context("an endpoint is missing")?;
            let made = self.api("POST", &format!("/webhook_endpoints/{id}:rotate_secret"), "{}")?;
            let secret = made.get("secret").and_then(Value::as_str).context("no secret was made")?;
            ensure!(secret != receiver.secret, "the secret is the same");
            new.push(secret.to_owned());
        }
        let old = &self.receivers.first().context("there is no recorder")?.secret;
        Ok(Secrets { old: old.clone(), new: new.into_iter().next().unwrap_or_default() })
    }

    /// Asks the interface for programs.
    fn api(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let path = format!("/api/v1{path}");
        let (status, answer) = ask(self.scimd.address, method, &path, &self.api_key, body)?;
        ensure!((200..300).contains(&status), "scimd answered {status} to {method} {path}: {answer}");
        serde_json::from_str(&answer).context("unexpected answer")
    }

    /// Sends each application what it must refuse: a delivery with a changed body.
    pub(super) fn forge(&self) -> Result<()> {
        let delivery = self.received()?.pop().context("nothing was delivered")?;
        for receiver in &self.receivers {
            let body = delivery.body.replacen("\"subject\": \"", "\"subject\": \"x", 1);
            ensure!(body != delivery.body, "the body has no subject");
            let headers = [
                ("webhook-id", FORGED),
                ("webhook-timestamp", &delivery.timestamp),
                ("webhook-signature", &delivery.signature),
            ];
            send(receiver.address, "POST", receiver.path, &headers, &body)?;
        }
        Ok(())
    }

    /// Whether each application has accepted every delivery, and refused the forged one.
    pub(super) fn judge_applications(&self) -> Result<bool> {
        let mut good = true;
        for receiver in self.receivers.iter().skip(1) {
            let log = receiver.log()?;
            let is_accepted = |line: &Delivery| (200..300).contains(&line.status);
            let (forged, real): (Vec<&Delivery>, Vec<&Delivery>) =
                log.iter().partition(|line| line.id == FORGED);
            let accepted = real.iter().filter(|line| is_accepted(line)).count();
            let refused = forged.iter().filter(|line| !is_accepted(line)).count();
            println!(
                "{}: accepted {accepted} of {} deliveries, refused {refused} of {} that were forged",
                receiver.name,
                real.len(),
                forged.len()
            );
            for line in &log {
                if is_accepted(line) == (line.id == FORGED) {
                    println!("WRONG  {} answered {} to {}", receiver.name, line.status, line.id);
                }
            }
            good &= accepted == real.len() && refused == forged.len() && !forged.is_empty();
        }
        Ok(good)
    }

    /// Ends the server as an operator does, and then the receivers.
    pub(super) fn stop(mut self) -> Result<()> {
        let id = self.scimd.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        ensure!(asked.is_ok_and(|status| status.success()), "the server can't be told to stop");
        let begun = Instant::now();
        while self.scimd.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Receiver {
    fn log(&self) -> Result<Vec<Delivery>> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let line = |line: &str| serde_json::from_str(line).context("unexpected line of a receiver");
        whole.lines().map(line).collect()
    }
}

impl Running {
    /// Starts a process, and waits until it listens.
    fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stderr(File::create(log)?).spawn();
        let mut running = Self { child: child.with_context(|| format!("{name} can't be started"))?, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = running.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                bail!("{name} is not ready: {}", std::fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server, and waits until it has printed its secrets.
fn scimd(root: &Path, folder: &Path, urls: &[String]) -> Result<(Running, String)> {
    let address = free_address()?;
    let (config, printed) = (folder.join("scimd.toml"), folder.join("printed"));
    let mut text = format!(
        "listen = \"{address}\"\nbase_url = \"{BASE_URL}\"\ndata = {:?}\nallow_loopback_http = true\n\
         [[organization]]\nname = \"Vendors\"\n[[organization.directory]]\nname = \"Vendors\"\n",
        folder.join("data")
    );
    for url in urls {
        text.push_str(&format!("[[webhook]]\nurl = \"{url}\"\n"));
    }
    std::fs::write(&config, text)?;
    let mut command = Command::new(built(root, "debug/scimd"));
    command.arg("serve").arg("--config").arg(&config).stdout(File::create(&printed)?);
    // It listens before it has made what the configuration names, and answers after that.
    let running = Running::start(command, address, &folder.join("scimd.log"))?;
    let begun = Instant::now();
    while !send(address, "GET", "/readyz", &[], "").is_ok_and(|(status, _)| status == 200) {
        ensure!(begun.elapsed() < PATIENCE, "scimd is not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((running, std::fs::read_to_string(&printed)?))
}

fn receiver(
    root: &Path,
    packages: &Path,
    name: &str,
    address: SocketAddr,
    log: &Path,
    secret: &str,
) -> Result<Running> {
    let sources = root.join("conformance/vendors");
    let (python, port) = (packages.join("venv/bin/python"), address.port().to_string());
    let mut command = match name {
        "recorder" => {
            let mut command = Command::new("python3");
            command.arg(sources.join("recorder.py")).arg(&port).arg(log);
            command
        }
        "FastAPI" => {
            let mut command = Command::new(python);
            command.args([
                "-B",
                "-m",
                "uvicorn",
                "fastapi_app:app",
                "--port",
                &port,
                "--log-level",
                "critical",
            ]);
            command.current_dir(&sources);
            command
        }
        _ => {
            // A module finds the packages that are installed beside it.
            let module = packages.join("express_app.mjs");
            std::fs::copy(sources.join("express_app.mjs"), &module)?;
            let mut command = Command::new("node");
            command.arg(module).arg(&port);
            command
        }
    };
    command.env("WEBHOOK_LOG", log).env("SCALEKIT_WEBHOOK_SECRET", secret).stdout(Stdio::null());
    Running::start(command, address, &log.with_extension("stderr"))
}

/// What is printed with a label in the lines after a heading.
fn printed_after(printed: &str, heading: &str, label: &str) -> Result<String> {
    let lines = printed.lines().skip_while(|line| *line != heading).skip(1);
    let mut values = lines
        .take_while(|line| line.starts_with(' '))
        .filter_map(|line| line.trim_start().strip_prefix(label)?.split_whitespace().next());
    values.next().map(str::to_owned).with_context(|| format!("scimd printed no {label} of {heading}"))
}

/// An address that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// One request with a token; status and body of the answer.
fn ask(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> Result<(u16, String)> {
    send(address, method, path, &[("authorization", &format!("Bearer {token}"))], body)
}

/// One request on a connection of its own. Answers with `Content-Length` only.
fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    text.push_str("Content-Type: application/json\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_belongs_to_its_heading() {
        let printed = "directory  A\n  bearer token   t1  (shown this once)\nwebhook  http://x/\n  \
                       signing secret  whsec_1  (shown this once)\nwebhook  http://y/\n  signing secret  whsec_2\n";
        assert_eq!(printed_after(printed, "directory  A", "bearer token").unwrap(), "t1");
        assert_eq!(printed_after(printed, "webhook  http://y/", "signing secret").unwrap(), "whsec_2");
        assert!(printed_after(printed, "directory  A", "signing secret").is_err());
    }
}
