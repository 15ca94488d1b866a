//! The program that is measured.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::data::Data;
use crate::{Options, users};

/// How long it may take to be ready or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// The URL in resources; nobody asks it.
const BASE_URL: &str = "https://scim.example.com";
/// The secret of every endpoint.
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Its data, over several runs of it.
#[derive(Debug)]
pub(crate) struct Home {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) data: Data,
    accesses: HashMap<&'static str, Access>,
    /// The key of its interface for programs.
    api_key: String,
    webhooks: Vec<Webhook>,
}

/// How a directory is asked.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// What stands before `/Users`.
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) directory: String,
}

/// An endpoint.
#[derive(Clone, Debug)]
struct Webhook {
    url: String,
    /// How many attempts it has at once; `None` for the default.
    concurrency: Option<usize>,
}

impl Home {
    /// An empty home with directories, each of an organization of its own; what a run before left in the folder is
    /// removed.
    pub(crate) async fn new(options: &Options, name: &str, directories: &[&'static str]) -> Result<Self> {
        let folder = options.folder.join(format!("{name}-{}", options.engine));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("{} can't be removed", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let data = Data::new(options.engine, &folder.join("data"))?;
        let accesses = directories.iter().map(|name| (*name, Access::none())).collect();
        let program = options.scimd.clone();
        let mut home = Self { program, folder, data, accesses, api_key: String::new(), webhooks: Vec::new() };
        // It prints the tokens.
        home.serve().await?.stop()?;
        let printed = std::fs::read_to_string(home.folder.join("printed"))?;
        for (name, access) in &mut home.accesses {
            *access = Access::printed(&printed, name)?;
        }
        let key = printed.lines().find_map(|line| line.strip_prefix("API key  ")?.split(' ').next());
        home.api_key = key.context("no API key was printed")?.to_owned();
        Ok(home)
    }

    pub(crate) fn access(&self, directory: &str) -> Result<&Access> {
        self.accesses.get(directory).with_context(|| format!("there is no directory {directory}"))
    }

    /// From the next start on, events go there as well.
    pub(crate) fn add_webhook(&mut self, url: String, concurrency: Option<usize>) {
        self.webhooks.push(Webhook { url, concurrency });
    }

    /// Lets deliveries of a directory's events wait, or go on.
    pub(crate) async fn pause(&self, scimd: &Scimd, directory: &str, paused: bool) -> Result<()> {
        let id = &self.access(directory)?.directory;
        let listed = self.api(scimd, Method::GET, "/directories", None).await?;
        let directory = find(&listed, "directories", "id", id)?;
        let organization = text(directory, "organization_id")?;
        let verb = if paused { "pause" } else { "resume" };
        let path = format!("/organizations/{organization}/directories/{id}:{verb}_delivery");
        self.api(scimd, Method::POST, &path, None).await.map(drop)
    }

    /// Lets an endpoint have deliveries or none.
    pub(crate) async fn enable(&self, scimd: &Scimd, url: &str, enabled: bool) -> Result<()> {
        let endpoint = self.endpoint(scimd, url).await?;
        let verb = if enabled { "enable" } else { "disable" };
        let path = format!("/webhook_endpoints/{endpoint}:{verb}");
        self.api(scimd, Method::POST, &path, None).await.map(drop)
    }

    /// Gives an endpoint another URL.
    pub(crate) async fn repair(&self, scimd: &Scimd, url: &str, working: &str) -> Result<()> {
        let endpoint = self.endpoint(scimd, url).await?;
        let path = format!("/webhook_endpoints/{endpoint}");
        self.api(scimd, Method::PATCH, &path, Some(json!({ "url": working }))).await.map(drop)
    }

    /// The id of the endpoint with that URL.
    async fn endpoint(&self, scimd: &Scimd, url: &str) -> Result<String> {
        let listed = self.api(scimd, Method::GET, "/webhook_endpoints", None).await?;
        Ok(text(find(&listed, "webhook_endpoints", "url", url)?, "id")?.to_owned())
    }

    /// Asks the interface for programs.
    async fn api(&self, scimd: &Scimd, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let key = format!("Bearer {}", self.api_key);
        let mut headers = vec![("authorization", key.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let path = format!("/api/v1{path}");
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let (status, body) = scimd.connect().await?.ask(method, &path, &headers, body).await?;
        ensure!(status.is_success(), "scimd answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    /// Brings new users into a directory, while no server runs.
    pub(crate) fn import(&self, directory: &str, run: &str, count: u64) -> Result<()> {
        let file = self.folder.join("users.jsonl");
        users::write_file(&file, run, count)?;
        let config = self.configuration("127.0.0.1:0")?;
        let output = Command::new(&self.program)
            .arg("import")
            .arg(&file)
            .arg("--config")
            .arg(&config)
            .args(["--directory", directory])
            .stdin(Stdio::null())
            .output()
            .context("scimd can't be started")?;
        ensure!(output.status.success(), "the import failed: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(&file).context("the file of users can't be removed")
    }

    /// Starts the server, and waits until it is ready.
    pub(crate) async fn serve(&self) -> Result<Scimd> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = self.configuration(&address.to_string())?;
        let printed = File::create(self.folder.join("printed"))?;
        let log = File::create(self.folder.join("log"))?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--config").arg(&config).stdin(Stdio::null()).stdout(printed).stderr(log);
        let mut scimd = Scimd { child: command.spawn().context("scimd can't be started")?, address };
        let begun = Instant::now();
        while !is_ready(address) {
            if let Some(status) = scimd.child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("scimd ended with {status}: {log}");
            }
            ensure!(begun.elapsed() < PATIENCE, "scimd is not ready after {} s", PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(scimd)
    }

    fn configuration(&self, listen: &str) -> Result<PathBuf> {
        let file = self.folder.join("scimd.toml");
        let data = self.folder.join("data");
        let mut text = format!("listen = {listen:?}\nbase_url = {BASE_URL:?}\ndata = {data:?}\n");
        text.push_str("allow_loopback_http = true\n");
        if let Some(url) = self.data.url() {
            text.push_str(&format!("database = {url:?}\n"));
        }
        for name in self.accesses.keys() {
            text.push_str(&format!("[[organization]]\nname = {name:?}\n"));
            text.push_str(&format!("[[organization.directory]]\nname = {name:?}\n"));
        }
        for webhook in &self.webhooks {
            text.push_str(&format!("[[webhook]]\nurl = {:?}\nsecret = {SECRET:?}\n", webhook.url));
            if let Some(concurrency) = webhook.concurrency {
                text.push_str(&format!("concurrency = {concurrency}\n"));
            }
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// The folder and all that is in it are no longer needed.
    pub(crate) fn remove(self) -> Result<()> {
        drop(self.data);
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("{} can't be removed", self.folder.display()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Access {
    fn none() -> Self {
        Self { path: String::new(), token: String::new(), directory: String::new() }
    }

    /// What `scimd` printed of a directory when it made it.
    fn printed(printed: &str, name: &str) -> Result<Self> {
        let mut lines =
            printed.lines().skip_while(|line| line.strip_prefix("directory  ") != Some(name)).skip(1);
        let mut after = |label: &str| {
            let rest = lines.next()?.trim_start().strip_prefix(label)?;
            rest.split_whitespace().next()
        };
        let (url, token) = (after("SCIM base URL"), after("bearer token"));
        let (url, token) = url.zip(token).with_context(|| format!("no token of {name} was printed"))?;
        let path = url.strip_prefix(BASE_URL).context("another URL than the configured one was printed")?;
        let directory = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { path: path.to_owned(), token: token.to_owned(), directory })
    }
}

/// A server that runs. It ends with its owner.
#[derive(Debug)]
pub(crate) struct Scimd {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Scimd {
    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address).await
    }

    /// The most memory that it has had, in MiB.
    pub(crate) fn peak_memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("the kernel does not tell how much memory the server has")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        Ok(peak.context("the kernel tells memory in another way")? / 1024.0)
    }

    /// How long it has used processors.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .context("the server has ended")?;
        // The name of the program, in parentheses, may have spaces. User and system time are the 14th and
        // 15th field, in ticks of 10 ms.
        let (_, fields) = stat.rsplit_once(") ").context("the kernel tells processor time in another way")?;
        let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
        Ok(Duration::from_millis(10) * ticks.sum::<u32>())
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        ensure!(asked.is_ok_and(|status| status.success()), "the server can't be told to stop");
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Scimd {
    fn drop(&mut self) {
        // If it has stopped there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The object in a list that has a text.
fn find<'v>(listed: &'v Value, list: &str, field: &str, wanted: &str) -> Result<&'v Value> {
    let mut objects = listed.get(list).and_then(Value::as_array).into_iter().flatten();
    let found = objects.find(|object| object.get(field).and_then(Value::as_str) == Some(wanted));
    found.with_context(|| format!("{list} has no {field} {wanted}"))
}

fn text<'v>(object: &'v Value, field: &str) -> Result<&'v str> {
    object.get(field).and_then(Value::as_str).with_context(|| format!("there is no {field}"))
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
