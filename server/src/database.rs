//! Which database a URL names.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use scim_sql::{Database, Options, PostgresOptions};

const FORMS: &str = "sqlite:///path/to/file, or postgres://user:password@host:port/name";

/// Where the database is. Its text has no password.
#[derive(Clone, Debug)]
pub(crate) enum DatabasePlace {
    /// An SQLite file, for one process.
    File(PathBuf),
    /// A database of a PostgreSQL server, for any number of processes.
    Server(Box<PostgresOptions>),
}

impl DatabasePlace {
    /// Reads `postgres://…`, `sqlite://` and a path, or a path alone. Errors do not repeat the URL.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Server(Box::new(PostgresOptions::new(url)?)));
        }
        let path = match url.split_once("://") {
            Some(("sqlite", path)) => path,
            Some(_) => bail!("the database URL must be one of {FORMS}"),
            None => url.strip_prefix("sqlite:").unwrap_or(url),
        };
        ensure!(!path.is_empty(), "the database URL has no path: {FORMS}");
        ensure!(!path.contains('?'), "the URL of an SQLite database must not have parameters: {FORMS}");
        Ok(Self::File(PathBuf::from(path)))
    }

    /// Opens the database; an SQLite file that is not there is made.
    ///
    /// # Errors
    /// One sentence: what is missing, locked, full, damaged or not to be reached.
    pub(crate) async fn open(&self) -> Result<Database> {
        self.open_for(false).await
    }

    /// As [`DatabasePlace::open`]; `bulk` where a great deal is to be written.
    pub(crate) async fn open_for(&self, bulk: bool) -> Result<Database> {
        match self {
            Self::File(path) => {
                let mut options = Options::new(path.clone());
                options.bulk = bulk;
                // The runtime is tokio's multi-threaded one.
                options.write_here = true;
                Ok(Database::open(options).await?)
            }
            Self::Server(options) => Ok(Database::connect(options.as_ref().clone()).await?),
        }
    }
}

/// A URL from the command line or the environment, which may hold a password: never shown.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// For a parser that must not see an error of it.
    pub(crate) fn keep(text: &str) -> Result<Self, std::convert::Infallible> {
        Ok(Self(text.to_owned()))
    }

    /// What it names.
    pub(crate) fn place(&self) -> Result<DatabasePlace> {
        DatabasePlace::parse(&self.0).context("--database or SCIMD_DATABASE can't be used")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_urls() {
        for (url, path) in
            [("sqlite:///a/b.db", "/a/b.db"), ("sqlite://b.db", "b.db"), ("/a/b.db", "/a/b.db")]
        {
            let place = DatabasePlace::parse(url).unwrap();
            assert!(matches!(&place, DatabasePlace::File(file) if file.as_os_str() == path), "{url}");
        }
        for wrong in ["sqlite://", "mysql://x", "sqlite:///a?mode=ro", "postgres:///x?nonsense=1"] {
            assert!(DatabasePlace::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = "postgres://scimd:hunter2@db.example.com:5433/sync";
        let place = DatabasePlace::parse(url).unwrap();
        assert!(matches!(&place, DatabasePlace::Server(_)));
        let kept = DatabaseUrl::keep(url).unwrap();
        let shown = format!("{place:?} {kept:?}");
        assert!(shown.contains("db.example.com:5433") && !shown.contains("hunter2"), "{shown}");
        for wrong in [
            "postgres://scimd:hunter2@db.example.com:port/sync",
            "postgres://scimd:hunter2@db.example.com/sync?sslmode=require",
            "postgres://scimd:hunter2@db.example.com/sync?hunter=2&hunter2",
            "mysql://scimd:hunter2@db.example.com/sync",
        ] {
            let error = format!("{:#}", DatabaseUrl::keep(wrong).unwrap().place().unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
