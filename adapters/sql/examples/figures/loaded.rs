//! Large directories, loaded by `scimd import` and kept for the next run.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scim_test_postgres::{Cluster, Durability};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Options, Result};

/// The database on a server.
pub(crate) const DATABASE: &str = "scimd";
/// How many members the one group has, if there are so many users.
const MEMBERS: usize = 100_000;

/// Where a loaded database is kept, and what it is made with.
pub(crate) struct Kept {
    engine: &'static str,
    home: PathBuf,
    users: usize,
    reload: bool,
    scimd: PathBuf,
    generator: PathBuf,
}

/// A directory with many users and a large group.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) engine: &'static str,
    pub(crate) users: usize,
    home: PathBuf,
    load: Load,
    /// Whether it was there before this run.
    earlier: bool,
}

/// What is kept beside the database when all is in it.
#[derive(Debug, Deserialize, Serialize)]
struct Load {
    directory: String,
    per_second: u64,
    peak_mib: u64,
}

impl Kept {
    pub(crate) fn of(options: &Options, engine: &'static str) -> Result<Self> {
        Ok(Self {
            engine,
            home: std::path::absolute(&options.folder)?.join(format!("{engine}-{}", options.users)),
            users: usize::try_from(options.users)?,
            reload: options.reload,
            scimd: options.scimd.clone(),
            generator: options.generator.clone(),
        })
    }

    fn marker(&self) -> PathBuf {
        self.home.join("loaded.json")
    }

    /// What was loaded before. Half of a load is not worth anything.
    fn found(&self) -> Result<Option<Load>> {
        if !self.reload && self.marker().exists() {
            return Ok(Some(serde_json::from_str(&std::fs::read_to_string(self.marker())?)?));
        }
        if self.home.exists() {
            std::fs::remove_dir_all(&self.home)?;
        }
        std::fs::create_dir(&self.home)?;
        Ok(None)
    }

    /// Loads into the SQLite file of the folder, or into the database of the URL.
    fn load(&self, url: Option<&str>) -> Result<Load> {
        let directory = self.make_directory(url)?;
        let file = self.home.join("users.jsonl");
        println!("making up {} users", self.users);
        self.make_up(&file)?;
        println!("loading {} users into {}", self.users, self.engine);
        let mut import = self.scimd(url);
        import.arg("import").arg(&file).args(["--directory", &directory]).arg("--data").arg(&self.home);
        let output = import.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("scimd import ended with {}: {text}", output.status).into());
        }
        print!("{text}");
        std::fs::remove_file(&file)?;
        let (per_second, peak_mib) = figures(&text).ok_or("scimd import does not say how fast it was")?;
        let load = Load { directory, per_second, peak_mib };
        std::fs::write(self.marker(), serde_json::to_string(&load)?)?;
        Ok(load)
    }

    /// The demonstration makes one when it starts.
    fn make_directory(&self, url: Option<&str>) -> Result<String> {
        let mut demo = self.scimd(url);
        demo.args(["demo", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&self.home);
        let log = self.home.join("demo.log");
        let mut demo = demo.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut line = String::new();
        if let Some(out) = demo.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        Command::new("kill").arg(demo.id().to_string()).status()?;
        demo.wait()?;
        let id = ready.pointer("/directories/0/id").and_then(Value::as_str);
        Ok(id.ok_or_else(|| format!("scimd demo does not start; see {}", log.display()))?.to_owned())
    }

    fn make_up(&self, file: &Path) -> Result<()> {
        let members = MEMBERS.min(self.users).to_string();
        let status = Command::new(&self.generator)
            .args(["--count", &self.users.to_string(), "--groups", "1", "--members", &members])
            .stdout(File::create(file)?)
            .status()?;
        if status.success() { Ok(()) } else { Err("users can't be made up".into()) }
    }

    fn scimd(&self, url: Option<&str>) -> Command {
        let mut command = Command::new(&self.scimd);
        command.stdin(Stdio::null()).env_remove("SCIMD_DATABASE");
        if let Some(url) = url {
            command.env("SCIMD_DATABASE", url);
        }
        command
    }

    fn loaded(&self, load: Load, earlier: bool) -> Loaded {
        Loaded { engine: self.engine, users: self.users, home: self.home.clone(), load, earlier }
    }
}

impl Loaded {
    pub(crate) fn sqlite(kept: &Kept) -> Result<Self> {
        match kept.found()? {
            Some(load) => Ok(kept.loaded(load, true)),
            None => Ok(kept.loaded(kept.load(None)?, false)),
        }
    }

    /// And the server that it is on.
    pub(crate) fn postgres(kept: &Kept) -> Result<(Self, Cluster)> {
        let found = kept.found()?;
        let cluster = Cluster::keep(&kept.home.join("server"), Durability::Full)?;
        if let Some(load) = found {
            return Ok((kept.loaded(load, true), cluster));
        }
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        let load = kept.load(Some(&cluster.url(DATABASE)))?;
        Ok((kept.loaded(load, false), cluster))
    }

    /// The id of the directory.
    pub(crate) fn directory(&self) -> &str {
        &self.load.directory
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.home.join("scimd.db")
    }

    /// What the load came to.
    pub(crate) fn figures(&self) -> Value {
        json!({
            "bench": format!("import/{}", self.engine),
            "impl": "ours",
            "per_second": self.load.per_second,
            "peak_bytes": self.load.peak_mib << 20,
            "users": self.users,
            "earlier": self.earlier,
        })
    }
}

/// The rate and the memory in `12.3 s, 4567 lines a second, peak memory 89 MiB`.
fn figures(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find(|line| line.contains(" lines a second"))?;
    let mut parts = line.split(", ").skip(1);
    let rate = parts.next()?.strip_suffix(" lines a second")?.parse().ok()?;
    let peak = parts.next()?.strip_prefix("peak memory ")?.strip_suffix(" MiB")?.parse().ok()?;
    Some((rate, peak))
}
