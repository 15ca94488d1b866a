//! The operator's commands: import, backup, restore, doctor, on both engines.

mod backup;
mod doctor;
mod full;
mod import;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rusqlite::Connection;
use scim_core::Environment as _;
use scim_test_postgres::Cluster;
use tempfile::TempDir;

use crate::scimd::{Client, Scimd, command};

/// The data of one installation with a directory.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    /// `None` for the SQLite file of the folder.
    url: Option<String>,
    pub(crate) directory: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Place {
    pub(crate) fn new(engine: Engine) -> Self {
        let url = (engine == Engine::Postgres).then(|| Cluster::shared().unwrap().database().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self { folder, url, directory: String::new() };
        let server = place.serve();
        place.directory = server.ready["directories"][0]["id"].as_str().unwrap().to_owned();
        Self::stop(server);
        place
    }

    /// Another installation with the same keys and no data.
    pub(crate) fn beside(other: &Self) -> Self {
        let url = other.url.as_ref().map(|_| Cluster::shared().unwrap().database().unwrap());
        let folder = tempfile::tempdir().unwrap();
        for file in ["keys", "demo.json"] {
            std::fs::copy(other.data().join(file), folder.path().join(file)).unwrap();
        }
        Self { folder, url, directory: other.directory.clone() }
    }

    /// A copy of an installation that does not run.
    pub(crate) fn copied(&self) -> Self {
        let mut copy = Self::beside(self);
        match &self.url {
            None => {
                std::fs::copy(self.database(), copy.database()).unwrap();
            }
            Some(url) => {
                let (cluster, name) = (Cluster::shared().unwrap(), name_of(url));
                let new =
                    format!("{name}_{}", scim_system::SystemEnvironment.new_id("copy").replace('-', "_"));
                cluster.sql("postgres", &format!("CREATE DATABASE {new} TEMPLATE {name}")).unwrap();
                copy.url = Some(cluster.url(&new));
            }
        }
        copy
    }

    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("scimd.db")
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.data().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn serve(&self) -> Scimd {
        match &self.url {
            Some(url) => Scimd::demo_in(self.data(), &["--database", url]),
            None => Scimd::demo_in(self.data(), &[]),
        }
    }

    pub(crate) fn stop(mut server: Scimd) {
        server.terminate();
        assert!(server.exit(Duration::from_secs(20)).success());
    }

    /// `scimd` with these arguments, for this place.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.arg("--data").arg(self.data());
        if let Some(url) = &self.url {
            command.env("SCIMD_DATABASE", url);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    pub(crate) fn import(&self, file: &Path, more: &[&str]) -> Ran {
        let mut args = vec!["import", file.to_str().unwrap(), "--directory", &self.directory];
        args.extend(more);
        self.run(&args)
    }

    /// Changes the database behind everybody's back. The statements are for both engines.
    pub(crate) fn damage(&self, sql: &str) {
        match &self.url {
            None => {
                let connection = Connection::open(self.database()).unwrap();
                connection.execute_batch(&format!("PRAGMA foreign_keys = off; {sql}")).unwrap();
            }
            Some(url) => {
                let sql = format!("SET session_replication_role = replica; {sql}");
                Cluster::shared().unwrap().sql(name_of(url), &sql).unwrap();
            }
        }
    }

    /// A number that the database holds.
    pub(crate) fn count(&self, select: &str) -> i64 {
        match &self.url {
            None => {
                let connection = Connection::open(self.database()).unwrap();
                connection.query_row(select, [], |row| row.get(0)).unwrap()
            }
            Some(url) => {
                Cluster::shared().unwrap().sql(name_of(url), select).unwrap().trim().parse().unwrap()
            }
        }
    }

    pub(crate) fn changes(&self) -> i64 {
        self.count("SELECT count(*) FROM scim_changes")
    }

    /// `scimd doctor`, which must find nothing.
    pub(crate) fn is_well(&self) {
        let ran = self.run(&["doctor"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("all is well"), "{ran:?}");
    }
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// All that a list says, by pages.
pub(crate) async fn list(client: &Client, path: &str) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    loop {
        let from = all.len() + 1;
        let (status, page) = client.get(&format!("{path}?startIndex={from}&count=500")).await;
        assert_eq!(status, 200, "{page}");
        let found = page["Resources"].as_array().cloned().unwrap_or_default();
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::operate::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::operate::Engine::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
