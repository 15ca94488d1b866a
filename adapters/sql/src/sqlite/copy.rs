//! Copies of the file, made while it is in use, and the way back.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::open::{self, FileLock, io_error};
use crate::error::{DatabaseError, OpenError};

/// How many pages are copied between two looks at the progress.
const STEP: i32 = 1024;

/// How many migrations of each namespace a file has.
pub type Versions = Vec<(String, i64)>;

/// Copies a file as it is at this moment to one that is not there yet. Whoever uses the file goes on reading
/// and writing. The copy is checked and durable before it has its name. `progress` is told how many bytes are
/// done, and of how many.
pub(crate) fn back_up(
    path: &Path,
    copy: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Versions, OpenError> {
    if copy.exists() {
        return Err(OpenError::Exists { path: copy.to_owned() });
    }
    let part = Part::beside(copy)?;
    let source = open_to_read(path)?;
    open::check_owner(&source, path)?;
    copy_pages(&source, &part.path, progress).map_err(|e| e.into_open_error(&part.place()))?;
    let versions = check_copy(&part.path)?;
    part.become_file(copy)?;
    Ok(versions)
}

/// Checks a copy whole: whether it is one of ours, and sound. Nothing is written beside it.
pub(crate) fn check_copy(path: &Path) -> Result<Versions, OpenError> {
    if let Err(error) = File::open(path) {
        return Err(io_error(path, error));
    }
    let size = open::check_header(path)?;
    let failed = |e: rusqlite::Error| DatabaseError::from(e).into_open_error(&path.display().to_string());
    if size == 0 {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable(path), flags).map_err(failed)?;
    open::check_owner(&connection, path)?;
    let found: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found != "ok" {
        let problem = found.lines().rev().find(|line| !line.is_empty()).unwrap_or("malformed").to_owned();
        return Err(OpenError::Damaged { place: path.display().to_string(), problem });
    }
    let select = "SELECT namespace, version FROM schema_versions ORDER BY namespace";
    let mut statement = connection.prepare(select).map_err(failed)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// Puts a copy in the place of a file that nobody uses. What was there is kept beside it, under the name that
/// is answered.
pub(crate) fn restore(
    copy: &Path,
    path: &Path,
    replace: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<PathBuf>, OpenError> {
    let _lock = FileLock::take(path)?;
    if path.exists() && !replace {
        return Err(OpenError::Exists { path: path.to_owned() });
    }
    let part = Part::beside(path)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(immutable(copy), flags)
        .map_err(DatabaseError::from)
        .and_then(|source| copy_pages(&source, &part.path, progress))
        .map_err(|e| e.into_open_error(&part.place()))?;
    check_copy(&part.path)?;
    let before = if path.exists() { Some(put_aside(path)?) } else { None };
    part.become_file(path)?;
    Ok(before)
}

/// Gives a file another name, together with what is written beside it.
fn put_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let aside = with_end(path, ".before-restore");
    // One that is sound has all in one file then.
    if let Ok(connection) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    }
    for end in ["-wal", "-shm", ""] {
        let (from, to) = (with_end(path, end), with_end(&aside, end));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::remove_file(&to) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(&to, error)),
                _ => {}
            },
            renamed => renamed.map_err(|e| io_error(&from, e))?,
        }
    }
    Ok(aside)
}

/// Opens a file beside whoever owns it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    if let Err(error) = File::open(path) {
        return Err(io_error(path, error));
    }
    open::check_header(path)?;
    let failed = |e: rusqlite::Error| DatabaseError::from(e).into_open_error(&path.display().to_string());
    // Reading writes too: to the file by which processes agree on what is in the log.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

/// Copies all pages of one moment. A transaction holds the moment still: without it, each write of another
/// process would make the copy begin anew.
fn copy_pages(
    source: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), DatabaseError> {
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let page: u64 = source.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // It is worth nothing before it is whole; then it is brought to the disk.
    copy.pragma_update_and_check(None, "journal_mode", "off", |row| row.get::<_, String>(0))?;
    copy.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        let step = backup.step(STEP)?;
        let at = backup.progress();
        let pages = |n: std::ffi::c_int| u64::from(n.unsigned_abs()).saturating_mul(page);
        progress(pages(at.pagecount.saturating_sub(at.remaining)), pages(at.pagecount));
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    drop(backup);
    source.execute_batch("COMMIT")?;
    Ok(())
}

/// A file under a temporary name, gone unless it gets its own.
struct Part {
    path: PathBuf,
}

impl Part {
    fn beside(path: &Path) -> Result<Self, OpenError> {
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(OpenError::MissingFolder { folder: folder.to_owned() });
        }
        let part = with_end(path, &format!(".{}.part", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Others must not read what is in it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&part).map_err(|e| io_error(path, e))?;
        Ok(Self { path: part })
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn become_file(self, path: &Path) -> Result<(), OpenError> {
        let durable = || {
            File::open(&self.path)?.sync_all()?;
            std::fs::rename(&self.path, path)?;
            File::open(folder_of(path))?.sync_all()
        };
        durable().map_err(|e| io_error(path, e))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The URI of a file that nobody writes to: then SQLite makes no files beside it.
fn immutable(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
