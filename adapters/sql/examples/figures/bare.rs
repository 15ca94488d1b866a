//! The floors: rows of the same documents in a table of their own, each commit durable.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use scim_test_postgres::Cluster;

use crate::documents::User;
use crate::figures::Turn;
use crate::{Effort, Result};

/// The database of the cluster that the floor has its table in.
const DATABASE: &str = "bare";

/// SQLite as the store opens it.
pub(crate) struct BareSqlite {
    connection: Connection,
}

impl BareSqlite {
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE documents (id TEXT PRIMARY KEY, document TEXT NOT NULL)",
        )?;
        Ok(Self { connection })
    }

    /// So many rows a commit.
    pub(crate) fn inserts(&self, together: usize, users: &[User], effort: Effort) -> Result<Turn> {
        let run = |statement| self.connection.prepare_cached(statement)?.execute([]);
        let mut insert = self.connection.prepare_cached("INSERT INTO documents VALUES (?1, ?2)")?;
        let (mut times, began) = (Vec::new(), Instant::now());
        for users in users.chunks_exact(together) {
            let started = Instant::now();
            if together > 1 {
                run("BEGIN IMMEDIATE")?;
            }
            for user in users {
                insert.execute([&user.id, &user.text])?;
            }
            if together > 1 {
                run("COMMIT")?;
            }
            times.push(started.elapsed());
            if began.elapsed() >= effort.turn {
                break;
            }
        }
        Ok(Turn::of(times)?.times(together))
    }
}

/// PostgreSQL's own load generator.
pub(crate) struct Pgbench<'c> {
    cluster: &'c Cluster,
    script: PathBuf,
}

impl<'c> Pgbench<'c> {
    /// Inserts the first of some users, under other ids.
    pub(crate) fn new(cluster: &'c Cluster, users: Vec<User>) -> Result<Self> {
        let user = users.into_iter().next().ok_or("no user to insert")?;
        cluster.sql("postgres", &format!("DROP DATABASE IF EXISTS {DATABASE}"))?;
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        cluster.sql(DATABASE, "CREATE TABLE documents (id TEXT PRIMARY KEY, document TEXT NOT NULL)")?;
        let script = cluster.folder().join("bare.sql");
        // To pgbench a colon before a name is a variable.
        let document = user.text.replace([':', '\''], " ");
        let insert = format!("INSERT INTO documents VALUES (gen_random_uuid()::text, '{document}');");
        std::fs::write(&script, insert)?;
        Ok(Self { cluster, script })
    }

    /// One row a transaction, by so many clients.
    pub(crate) fn inserts(&self, clients: usize, effort: Effort) -> Result<Turn> {
        let folder = tempfile::tempdir()?;
        let (clients, seconds) = (clients.to_string(), effort.turn.as_secs().max(1).to_string());
        let output = Command::new(self.cluster.binaries().join("pgbench"))
            .args(["-n", "-M", "prepared", "-U", "scim", "-c", &clients, "-T", &seconds])
            .args(["-l", "--log-prefix=times", "-f"])
            .arg(&self.script)
            .arg("-h")
            .arg(self.cluster.folder())
            .arg(DATABASE)
            .current_dir(folder.path())
            .output()
            .map_err(|error| format!("pgbench can't be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let rate: f64 = rate.ok_or_else(|| format!("pgbench does not say how fast it was: {text}"))?;
        let mut times = Vec::new();
        for file in std::fs::read_dir(folder.path())? {
            // Client, number, microseconds, and what does not matter here.
            let log = std::fs::read_to_string(file?.path())?;
            let microseconds = log.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            times.extend(microseconds.map(Duration::from_micros));
        }
        let took = Duration::from_secs_f64(times.len() as f64 / rate);
        Turn::within(times, took)
    }
}
