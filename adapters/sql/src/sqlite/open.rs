//! Opening the file: whose it is, whether it is sound, and how it is used.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Options;
use crate::error::{DatabaseError, OpenError};

/// Marks the file as one of ours: `SCIM` in ASCII.
const APPLICATION_ID: i32 = 0x5343_494D;
/// The layout that all namespaces share. A program that knows less must not touch the file.
const LAYOUT: i64 = 1;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Keeps other processes away from the file, until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
}

impl FileLock {
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(OpenError::MissingFolder { folder: folder.to_owned() });
        }
        if path.is_dir() {
            return Err(OpenError::NotADatabase { path: path.to_owned() });
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path(path))
            .map_err(|e| io_error(path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { place: path.display().to_string() }),
            Err(TryLockError::Error(e)) => Err(io_error(path, e)),
        }
    }
}

/// Closing the file would not do: a process that is being started holds a copy of it for a moment.
impl Drop for FileLock {
    fn drop(&mut self) {
        // What fails here ends with the process at the latest.
        let _ = self.file.unlock();
    }
}

/// Opens the writer's connection and checks the file.
pub(super) fn open(options: &Options) -> Result<Connection, OpenError> {
    let path = &options.path;
    let size = check_header(path)?;
    let failed = |e: rusqlite::Error| DatabaseError::from(e).into_open_error(&path.display().to_string());
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(failed)?;
    connection.busy_timeout(options.busy_timeout).map_err(failed)?;
    if connection.is_readonly("main").map_err(failed)? {
        return Err(OpenError::ReadOnly { path: path.clone() });
    }
    check_owner(&connection, path)?;
    check_content(&connection, path, size, options.check_up_to)?;
    configure(&connection, options.bulk).map_err(failed)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .and_then(|()| connection.pragma_update(None, "user_version", LAYOUT))
        .and_then(|()| connection.execute_batch(crate::migrate::VERSIONS_TABLE))
        .and_then(|()| connection.execute_batch("COMMIT"))
        .map_err(failed)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(options: &Options) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "query_only", true)?;
    keep_statements(&connection, 64)?;
    Ok(connection)
}

/// Statements are prepared once. Otherwise SQLite prepares some of them anew for other parameters, which takes
/// longer than running them.
fn keep_statements(connection: &Connection, capacity: usize) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(capacity);
    Ok(())
}

fn configure(connection: &Connection, bulk: bool) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a savepoint keeps to go back to is otherwise written to a file from 64 KiB on.
    connection.pragma_update(None, "temp_store", "memory")?;
    // In KiB; the log in pages of 4 KiB. What is written to a page again and again goes into the file once.
    let (cache, log) = if bulk { (65_536, 20_000) } else { (16_384, 4_000) };
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.pragma_update(None, "wal_autocheckpoint", log)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |row| row.get::<_, i64>(0))?;
    keep_statements(connection, 256)
}

/// The size of the file; 0 if it is not there yet.
pub(super) fn check_header(path: &Path) -> Result<u64, OpenError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(io_error(path, e)),
    };
    let size = file.metadata().map_err(|e| io_error(path, e))?.len();
    let mut start = Vec::with_capacity(MAGIC.len());
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(|e| io_error(path, e))?;
    if start.is_empty() || start == MAGIC {
        return Ok(size);
    }
    Err(OpenError::NotADatabase { path: path.to_owned() })
}

/// Refuses the files of other programs and of newer versions of this one.
pub(super) fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| DatabaseError::from(e).into_open_error(&path.display().to_string());
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let application = pragma("application_id")?;
    if application == i64::from(APPLICATION_ID) {
        let found = pragma("user_version")?;
        if found > LAYOUT {
            return Err(OpenError::FromTheFuture {
                place: path.display().to_string(),
                namespace: "common".into(),
                found,
                known: LAYOUT,
            });
        }
        return Ok(());
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if application != 0 || tables > 0 {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    Ok(())
}

/// Small files are checked whole, big ones by their schema.
fn check_content(connection: &Connection, path: &Path, size: u64, whole: u64) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| DatabaseError::from(e).into_open_error(&path.display().to_string());
    if size > whole {
        let count = "SELECT count(*) FROM sqlite_schema";
        return connection.query_row(count, [], |row| row.get::<_, i64>(0)).map(|_| ()).map_err(failed);
    }
    let check = "PRAGMA quick_check(1)";
    let found: String = connection.query_row(check, [], |row| row.get(0)).map_err(failed)?;
    if found == "ok" {
        return Ok(());
    }
    // The finding may go over several lines; a sentence has one.
    let problem = found.lines().rev().find(|line| !line.is_empty()).unwrap_or("malformed").to_owned();
    Err(OpenError::Damaged { place: path.display().to_string(), problem })
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}

pub(super) fn io_error(path: &Path, error: std::io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            OpenError::Full { place: path.display().to_string() }
        }
        _ => OpenError::Io { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::FileLock;

    #[test]
    fn the_lock_is_given_back_though_a_child_process_has_a_copy_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scim.db");
        let lock = FileLock::take(&path).unwrap();
        let copy = lock.file.try_clone().unwrap();
        drop(lock);
        FileLock::take(&path).unwrap();
        drop(copy);
    }
}
