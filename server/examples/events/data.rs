//! The database of the program, looked into from outside.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::Connection;
use scim_test_postgres::{Cluster, Durability};

use crate::Engine;

#[derive(Debug)]
pub(crate) enum Data {
    Sqlite(PathBuf),
    /// A server of its own, which waits for the disk as a real one does.
    Postgres(Cluster),
}

/// The name of the database on a server.
const DATABASE: &str = "events";

impl Data {
    pub(crate) fn new(engine: Engine, folder: &Path) -> Result<Self> {
        if engine == Engine::Sqlite {
            return Ok(Self::Sqlite(folder.join("scimd.db")));
        }
        let cluster = Cluster::start(Durability::Full)?;
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        Ok(Self::Postgres(cluster))
    }

    /// Where it is, if it is not a file in the data folder.
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(cluster) => Some(cluster.url(DATABASE)),
        }
    }

    /// How many events a directory has: they are numbered without a gap.
    pub(crate) fn events(&self, directory: &str) -> Result<u64> {
        let select = format!("SELECT sequence FROM dir_directories WHERE id = '{directory}'");
        match self {
            Self::Sqlite(file) => {
                let connection = Connection::open(file)?;
                connection.busy_timeout(Duration::from_secs(10))?;
                let events: i64 = connection.query_row(&select, [], |row| row.get(0))?;
                Ok(u64::try_from(events)?)
            }
            Self::Postgres(cluster) => {
                let events = cluster.sql(DATABASE, &select)?;
                events.trim().parse().context("no number of events")
            }
        }
    }

    /// Waits until a directory has so many events.
    pub(crate) async fn wait_for_events(
        &self,
        directory: &str,
        count: u64,
        patience: Duration,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let events = self.events(directory)?;
            if events >= count {
                return Ok(());
            }
            if begun.elapsed() > patience {
                bail!("{events} of {count} events were recorded in {} s", patience.as_secs());
            }
            let left = count.saturating_sub(events);
            tokio::time::sleep(Duration::from_millis(if left > 20_000 { 500 } else { 5 })).await;
        }
    }
}
