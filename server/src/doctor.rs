//! `scimd doctor`: does all that is stored agree?

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use scim_core::Registry;
use scim_directory::Directories;
use scim_sql::check::Finding;
use scim_sql::{Database, Engine, SqlStore, StoreOptions};

use crate::cli::DoctorOptions;
use crate::database::DatabasePlace;

/// Checks, and mends where that is asked for.
pub(crate) async fn run(options: DoctorOptions) -> Result<ExitCode> {
    let located = options.place.locate()?;
    let database = match &located.files.database {
        DatabasePlace::File(path) => {
            ensure!(path.exists(), "the database {} is not there", path.display());
            Database::look(path.clone()).await?
        }
        place @ DatabasePlace::Server(_) => place.open().await?,
    };
    check_versions(&database).await?;
    let store = SqlStore::look(database, Registry::standard(), &StoreOptions::default())?;
    let findings = Directories::check(&store).await?;
    drop(store);
    let wrong = report(&findings);
    if wrong == 0 {
        println!("all is well: {} rules hold", findings.len());
        return Ok(ExitCode::SUCCESS);
    }
    let fixable = findings.iter().any(|finding| finding.count > 0 && finding.fixable);
    if !options.fix {
        println!("{wrong} of {} rules are broken", findings.len());
        if fixable {
            println!("what is marked can be made anew: scimd doctor --fix");
        }
        return Ok(ExitCode::FAILURE);
    }
    if fixable {
        let store = SqlStore::new(located.files.database.open().await?, Registry::standard()).await?;
        store.fix().await?;
        println!("made uniqueness keys, index values and counts anew from the documents; looking again");
        let findings = Directories::check(&store).await?;
        let wrong = report(&findings);
        if wrong == 0 {
            println!("all is well: {} rules hold", findings.len());
            return Ok(ExitCode::SUCCESS);
        }
    }
    println!("what is still broken can't be made anew; restore a backup");
    Ok(ExitCode::FAILURE)
}

/// Only tables as this version makes them can be checked.
async fn check_versions(database: &Database) -> Result<()> {
    let versions = database.read(scim_sql::check::versions).await;
    let found = versions.with_context(|| format!("{} has no tables of scimd", database.place()))?;
    let feed_too = |namespace: &str| database.engine() == Engine::Postgres || namespace != "scim_feed";
    let known = SqlStore::versions().into_iter().filter(|(namespace, _)| feed_too(namespace));
    for (namespace, known) in known.chain(Directories::versions()) {
        let there = found.iter().find(|(name, _)| name == namespace).map_or(0, |(_, version)| *version);
        ensure!(
            usize::try_from(there) == Ok(known),
            "the {namespace} tables of {} have version {there}, this program knows {known}: use the scimd that \
             serves it, or start this one once",
            database.place()
        );
    }
    Ok(())
}

/// Prints what is wrong. Answers how many rules are broken.
fn report(findings: &[Finding]) -> usize {
    for finding in findings.iter().filter(|finding| finding.count > 0) {
        let mark = if finding.fixable { " (can be made anew)" } else { "" };
        println!("not so: {}{mark}", finding.rule);
        println!("  {} times; for example:", finding.count);
        for example in &finding.examples {
            println!("    {example}");
        }
    }
    findings.iter().filter(|finding| finding.count > 0).count()
}
