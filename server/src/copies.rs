//! `scimd backup` and `scimd restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use scim_directory::Directories;
use scim_sql::{Database, SqlStore, Versions};

use crate::cli::{BackupOptions, RestoreOptions};
use crate::database::DatabasePlace;
use crate::instance::Files;
use crate::progress::Progress;

/// Copies the database.
pub(crate) async fn back_up(options: BackupOptions) -> Result<ExitCode> {
    let located = options.place.locate()?;
    let database =
        file(&located.files, "pg_dump --format=custom --file=FILE URL makes a consistent copy of it")?;
    let copy = options.file.clone();
    let time = blocking(move || {
        let mut progress = Progress::new("copying", 0);
        Database::back_up(&database, &copy, |done, all| progress.bytes(done, all))?;
        Ok(progress.end())
    })
    .await?;
    let size = std::fs::metadata(&options.file)?.len();
    println!(
        "{} is a consistent copy of {} MiB, checked, made in {:.1} s",
        options.file.display(),
        size >> 20,
        time.as_secs_f64()
    );
    println!("the key file {} is not in it: keep a copy of that too", located.files.keys.display());
    Ok(ExitCode::SUCCESS)
}

/// Puts a copy in the place of the database.
pub(crate) async fn restore(options: RestoreOptions) -> Result<ExitCode> {
    let located = options.place.locate()?;
    let database = file(&located.files, "pg_restore --dbname=URL FILE brings a dump into an empty one")?;
    let (copy, force) = (options.file.clone(), options.force);
    let target = database.clone();
    let before = blocking(move || {
        ensure!(
            force || !target.exists(),
            "{} is there already; with --force it is replaced, and kept beside",
            target.display()
        );
        check_versions(&copy, &Database::check_copy(&copy)?)?;
        let mut progress = Progress::new("restoring", 0);
        let before = Database::restore(&copy, &target, force, |done, all| progress.bytes(done, all))?;
        progress.end();
        Ok(before)
    })
    .await?;
    println!("{} is what {} holds", database.display(), options.file.display());
    if let Some(before) = before {
        println!("what was there before is in {}", before.display());
    }
    if !located.files.keys.exists() {
        println!("put back the key file that belongs to it: {}", located.files.keys.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The file of the database; for a server one sentence says what to do instead.
fn file(files: &Files, instead: &str) -> Result<PathBuf> {
    match &files.database {
        DatabasePlace::File(path) => Ok(path.clone()),
        DatabasePlace::Server(_) => bail!("the database is one of a PostgreSQL server: {instead}"),
    }
}

/// Refuses the copy of a newer version.
fn check_versions(copy: &Path, found: &Versions) -> Result<()> {
    let mut known = SqlStore::versions();
    known.extend(Directories::versions());
    known.extend(crate::import::versions());
    for (namespace, version) in found {
        let known = known.iter().find(|(name, _)| name == namespace).map_or(0, |(_, known)| *known);
        ensure!(
            usize::try_from(*version).is_ok_and(|version| version <= known),
            "{} was written by a newer version of this program (its {namespace} tables have version {version}, \
             this program knows {known})",
            copy.display()
        );
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the copy could not be finished")?
}
