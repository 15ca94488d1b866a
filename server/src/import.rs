//! `scimd import`: a large directory from a file.
//!
//! The file is read in batches; each batch is one transaction, which also moves the place in the file. So an
//! import that is killed goes on where it was, and nothing is done twice. Resources with members come in a
//! second pass, when all who may be members are there.

mod columns;
mod merge;
mod prepare;
mod source;
mod state;

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, stream};
use scim_core::{Cause, StoreError, TenantId};
use scim_directory::{Directories, Directory};
use scim_schema::Dialect;
use scim_sql::Database;
use scim_webhook::Policy;
use tokio::sync::{Mutex, mpsc};

use self::merge::{MergeError, Target};
use self::prepare::{Incoming, Pass, Prepared, Rules};
use self::source::{Place, RawBatch, Source};
use self::state::{Counts, Run, State};
use crate::cli::ImportOptions;
use crate::instance::{Opened, now};
use crate::progress::{Progress, peak_memory, per_second};

/// How many lines are one transaction.
const BATCH: usize = 512;
/// How many batches are read and checked while one is written.
const AHEAD: usize = 2;
/// How often a line is tried again that others were in the way of.
const ATTEMPTS: u32 = 5;
/// The exit code when all is done but some lines were rejected.
const SOME_REJECTED: u8 = 3;

/// Runs until the file is in the directory.
pub(crate) async fn run(options: ImportOptions) -> Result<ExitCode> {
    let format = options.format()?;
    let mut source = Source::open(&options.file, format)?;
    let columns = source.columns()?;
    let located = options.place.locate()?;
    let opened = Opened::open_for(&located.files, Policy::default(), true).await?;
    let database = opened.store.database().clone();
    database.migrate(state::NAMESPACE, state::MIGRATIONS).await?;
    let directory = find_directory(&opened.directories, &options.directory).await?;

    let registry = Arc::clone(opened.store.registry());
    let default_type = registry.resource_type(&options.resource_type).cloned();
    let default_type =
        default_type.with_context(|| format!("there is no resource type {}", options.resource_type))?;
    ensure!(
        columns.is_none() || default_type.membership().is_none(),
        "a CSV file can't hold resources with members; write groups as JSON lines"
    );
    let base = located.base_url.map(|url| format!("{url}/scim/v2/{}", directory.id));
    let dialect = Dialect::default();
    let rules = Rules { store: opened.store.clone(), registry, dialect, base, columns, default_type };

    let run = Run {
        directory: directory.id.as_str().to_owned(),
        fingerprint: format!("{} {}", source.fingerprint, options.resource_type),
    };
    let (state, goes_on) = run.begin(&database, options.restart).await?;
    if goes_on {
        eprintln!("going on behind line {} of an import that was not finished", state.place.lines);
    }
    let rules = Arc::new(rules);
    let cause = Cause { kind: "import".into(), request_id: state.run.clone() };
    let tenant = TenantId::new(directory.id.as_str());
    let target = Target { store: opened.store, tenant, rules: Arc::clone(&rules), cause };
    let rejects = Rejects::open(options.rejects(), state.rejects_bytes)?;
    let before = state.counts;
    let import = Import { database, run, target: Arc::new(target), rules, rejects, state };
    import.finish(source, before).await
}

/// How many migrations the tables of this version have, by namespace.
pub(crate) fn versions() -> Vec<(&'static str, usize)> {
    vec![(state::NAMESPACE, state::MIGRATIONS.len())]
}

async fn find_directory(directories: &Directories, wanted: &str) -> Result<Directory> {
    let all = directories.directories().await?;
    let mut found = all.iter().filter(|d| d.id.as_str() == wanted || d.name == wanted);
    match (found.next(), found.next()) {
        (Some(directory), None) => Ok(directory.clone()),
        (Some(_), Some(_)) => bail!("several directories are called {wanted:?}; give the id of one"),
        (None, _) => {
            let names: Vec<String> = all.iter().map(|d| format!("{} ({})", d.name, d.id)).collect();
            bail!("there is no directory {wanted:?}; there are: {}", names.join(", "))
        }
    }
}

struct Import {
    database: Database,
    run: Run,
    target: Arc<Target>,
    rules: Arc<Rules>,
    rejects: Rejects,
    state: State,
}

/// A batch whose lines have been looked at.
struct Checked {
    incoming: Vec<Incoming>,
    rejected: Vec<(u64, String)>,
    /// Some are for the pass of the holders.
    holders: bool,
    first: Place,
    next: Place,
}

impl Import {
    async fn finish(mut self, source: Source, before: Counts) -> Result<ExitCode> {
        let mut progress = Progress::new("importing", source.size);
        let source = Arc::new(Mutex::new(source));
        loop {
            self.pass(&source, &mut progress, before).await?;
            let mut next = self.state.clone();
            next.pass = match (self.state.pass, self.state.holders) {
                (Pass::Single, Some(_)) => Pass::Holders,
                (Pass::Holders, _) if self.state.unresolved > 0 => Pass::Late,
                _ => break,
            };
            next.place = self.state.holders.unwrap_or_default();
            self.write(Vec::new(), next).await?;
        }
        let run = self.run.clone();
        self.database.write(move |session| run.end(session)).await?;
        let time = progress.end();
        let counts = self.state.counts;
        let done = counts.all().saturating_sub(before.all());
        println!(
            "{} lines: {} created, {} updated, {} unchanged, {} rejected",
            counts.all(),
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.rejected
        );
        let memory = peak_memory().map_or(String::new(), |mib| format!(", peak memory {mib} MiB"));
        println!("{:.1} s, {} lines a second{memory}", time.as_secs_f64(), per_second(done, time));
        if counts.rejected == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        println!("the rejected lines and the reasons are in {}", self.rejects.path.display());
        Ok(ExitCode::from(SOME_REJECTED))
    }

    /// Reads the file from the place on.
    async fn pass(
        &mut self,
        source: &Arc<Mutex<Source>>,
        progress: &mut Progress,
        before: Counts,
    ) -> Result<()> {
        source.lock().await.seek(self.state.place)?;
        let (send, batches) = mpsc::channel::<Result<(Place, RawBatch)>>(AHEAD);
        let (reading, mut first) = (Arc::clone(source), self.state.place);
        tokio::task::spawn_blocking(move || {
            let mut source = reading.blocking_lock();
            while let Some(batch) = source.batch(BATCH).transpose() {
                let begin = first;
                let batch = batch.map(|batch| {
                    first = batch.next;
                    (begin, batch)
                });
                let failed = batch.is_err();
                if send.blocking_send(batch).is_err() || failed {
                    return;
                }
            }
        });
        let pass = self.state.pass;
        let rules = Arc::clone(&self.rules);
        let batches = stream::unfold(batches, |mut batches| async move {
            let batch = batches.recv().await?;
            Some((batch, batches))
        });
        let checked = batches.map(move |batch| {
            let rules = Arc::clone(&rules);
            async move {
                let (first, batch) = batch?;
                let checked = tokio::task::spawn_blocking(move || check(&rules, first, batch, pass));
                checked.await.context("a line could not be read")
            }
        });
        let mut checked = std::pin::pin!(checked.buffered(AHEAD));
        while let Some(batch) = checked.next().await {
            let batch: Checked = batch?;
            let mut next = self.state.clone();
            next.place = batch.next;
            if batch.holders {
                next.holders = next.holders.or(Some(batch.first));
            }
            next.counts.rejected += batch.rejected.len() as u64;
            next.rejects_bytes = self.reject(&next, &batch.rejected)?;
            self.write(batch.incoming, next).await?;
            let done = self.state.counts.all().saturating_sub(before.all());
            progress.at(self.state.place.at, done, "lines");
        }
        Ok(())
    }

    /// Writes lines and moves to the next state, to which is added what they came to.
    async fn write(&mut self, incoming: Vec<Incoming>, next: State) -> Result<()> {
        let lines = Arc::new(incoming);
        match self.attempt(&lines, 0..lines.len(), &next, true).await {
            Ok(_) => {
                // It takes a while to let go of so many values: meanwhile the next ones can be written.
                tokio::task::spawn_blocking(move || drop(lines));
                return Ok(());
            }
            Err(MergeError::Store(error)) if is_of_one_line(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        // One of them is in the way of all: each goes alone. The place moves when all are done.
        let mut next = next;
        for (at, line) in lines.iter().enumerate() {
            let mut attempts = 0;
            next = loop {
                let error = match self.attempt(&lines, at..at + 1, &next, false).await {
                    Ok(to) => break to,
                    Err(MergeError::Store(error)) if is_of_one_line(&error) => error,
                    Err(error) => return Err(failed(error)),
                };
                attempts += 1;
                if matches!(error, StoreError::Conflict { .. }) || attempts == ATTEMPTS {
                    let mut to = next.clone();
                    to.counts.rejected += 1;
                    to.rejects_bytes = self.reject(&next, &[(line.number, reason(&error))])?;
                    break to;
                }
            };
        }
        self.attempt(&lines, 0..0, &next, true).await.map(drop).map_err(failed)
    }

    /// One transaction with some of the lines. Answers the state behind them, which is saved or not.
    async fn attempt(
        &mut self,
        lines: &Arc<Vec<Incoming>>,
        range: Range<usize>,
        next: &State,
        save: bool,
    ) -> Result<State, MergeError> {
        let (run, target, lines) = (self.run.clone(), Arc::clone(&self.target), Arc::clone(lines));
        let (from, next, rejects) = (self.state.clone(), next.clone(), self.rejects.clone());
        let now = now();
        let to = self
            .database
            .write(move |session| {
                let some = lines.get(range.clone()).unwrap_or_default();
                let merged = target.merge(session, some, next.pass, now)?;
                let mut to = next.clone();
                to.counts.add(merged.counts);
                to.unresolved += merged.unresolved;
                to.rejects_bytes = rejects.write(next.rejects_bytes, &merged.rejected)?;
                if !run.advance(session, &from, if save { &to } else { &from })? {
                    return Err(MergeError::Overtaken);
                }
                Ok(to)
            })
            .await?;
        if save {
            self.state = to.clone();
        }
        Ok(to)
    }

    fn reject(&self, state: &State, rejected: &[(u64, String)]) -> Result<u64> {
        let written = self.rejects.write(state.rejects_bytes, rejected);
        written.with_context(|| format!("{} can't be written to", self.rejects.path.display()))
    }
}

fn check(rules: &Rules, first: Place, batch: RawBatch, pass: Pass) -> Checked {
    let mut checked =
        Checked { incoming: Vec::new(), rejected: Vec::new(), holders: false, first, next: batch.next };
    for line in batch.lines {
        match rules.prepare(line, pass) {
            Prepared::Incoming(incoming) => checked.incoming.push(*incoming),
            Prepared::Later(holder) => checked.holders |= holder,
            Prepared::Rejected(number, reason) => checked.rejected.push((number, reason)),
        }
    }
    checked
}

/// Whether it may be the fault of one line.
fn is_of_one_line(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Conflict { .. }
            | StoreError::VersionMismatch { .. }
            | StoreError::UnknownMember
            | StoreError::NotFound
    )
}

fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Conflict { attribute } => format!("{attribute}: another resource has the value"),
        _ => "others changed the same resources again and again".to_owned(),
    }
}

fn failed(error: MergeError) -> anyhow::Error {
    anyhow::Error::new(error).context("the import stopped; start it again to go on where it was")
}

/// The file of rejected lines: JSON lines with number and reason. It is made for the first of them.
///
/// It is written before the place moves in the database, which also keeps its length: what is beyond that is
/// of an attempt that came to nothing, and is cut off.
#[derive(Clone, Debug)]
struct Rejects {
    path: PathBuf,
}

impl Rejects {
    fn open(path: PathBuf, length: u64) -> Result<Self> {
        if length == 0 && path.exists() {
            // Of an import before this one.
            std::fs::remove_file(&path).with_context(|| format!("{} can't be written to", path.display()))?;
        }
        Ok(Self { path })
    }

    /// Adds lines behind so many bytes. Answers how many there are then.
    fn write(&self, length: u64, rejected: &[(u64, String)]) -> std::io::Result<u64> {
        if rejected.is_empty() {
            return Ok(length);
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
        // If somebody has cut it, it goes on where it ends.
        file.set_len(length.min(file.metadata()?.len()))?;
        file.seek(SeekFrom::End(0))?;
        let mut text = String::new();
        for (line, reason) in rejected {
            text.push_str(&serde_json::json!({"line": line, "reason": reason}).to_string());
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        file.stream_position()
    }
}
