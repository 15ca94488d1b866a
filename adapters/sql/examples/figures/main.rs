//! Measures stores beside the least that can be done for the same, in one run. `cargo xtask bench-store` runs
//! it, and says what the figures should be.

mod bare;
mod documents;
mod figures;
mod loaded;
mod members;
mod memory;
mod ours;
mod pages;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scim_sql::{Database, Options as SqliteOptions, PostgresOptions};
use scim_test_postgres::{Cluster, Durability};

use crate::bare::{BareSqlite, Pgbench};
use crate::documents::Users;
use crate::figures::{Figures, Turn};
use crate::loaded::{Kept, Loaded};
use crate::ours::Ours;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(about = "Measure stores beside the least that can be done for the same")]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Write the figures to this file
    #[arg(long, global = true, value_name = "FILE", default_value = "figures.json")]
    json: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The store on an SQLite file
    Sqlite(Options),
    /// The store on a PostgreSQL server of its own
    Postgres(Options),
    /// The memory store
    Memory {
        /// How many users it gets
        #[arg(long, default_value_t = 100_000)]
        users: usize,
    },
}

#[derive(Args, Debug)]
struct Options {
    /// What to measure: targets by their number
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["T14", "T15", "T16", "T17", "T21"])]
    rows: Vec<Row>,
    /// Where loaded databases are kept
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// How many users a loaded database has
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    users: u64,
    /// Load it again, also if it is there
    #[arg(long)]
    reload: bool,
    /// The program `scimd`, which loads it
    #[arg(long, value_name = "FILE")]
    scimd: PathBuf,
    /// The program that makes up users
    #[arg(long, value_name = "FILE")]
    generator: PathBuf,
    /// Few and short rounds
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Row {
    T14,
    T15,
    T16,
    T17,
    T21,
}

/// How long things are measured. Ours and the floor take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    /// A turn ends after that long,
    pub(crate) turn: Duration,
    /// or when that many users are written.
    pub(crate) users: usize,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            Self { rounds: 2, turn: Duration::from_millis(500), users: 2000 }
        } else {
            Self { rounds: 10, turn: Duration::from_secs(1), users: 8000 }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let mut figures = Figures::default();
    match &cli.what {
        What::Sqlite(options) => sqlite(options, &mut figures).await?,
        What::Postgres(options) => postgres(options, &mut figures).await?,
        What::Memory { users } => memory::measure(*users, &mut figures).await?,
    }
    std::fs::write(&cli.json, figures.to_json()?)?;
    Ok(())
}

async fn sqlite(options: &Options, figures: &mut Figures) -> Result<()> {
    let effort = Effort::of(options);
    std::fs::create_dir_all(&options.folder)?;
    let folder = tempfile::TempDir::new_in(&options.folder)?;
    let floor = BareSqlite::new(&folder.path().join("bare.db"))?;
    let mut users = Users::default();
    if options.rows.contains(&Row::T14) {
        let ours = Ours::new(open(folder.path().join("scim.db")).await?, "acme").await?;
        for round in 1..=effort.rounds {
            println!("inserts on SQLite, round {round} of {}", effort.rounds);
            for together in [1, 16] {
                let bench = format!("post/sqlite/{together}");
                figures.add(&bench, "floor", floor.inserts(together, &users.next(effort.users)?, effort)?);
                figures.add(&bench, "ours", ours.inserts(together, users.next(effort.users)?, effort).await?);
            }
        }
    }
    if !options.rows.iter().any(|row| matches!(row, Row::T16 | Row::T17 | Row::T21)) {
        return Ok(());
    }
    let loaded = Loaded::sqlite(&Kept::of(options, "sqlite")?)?;
    let database = open(loaded.file()).await?;
    with_load(options, &loaded, database, figures, || floor.inserts(1, &users.next(effort.users)?, effort))
        .await
}

/// Opens a file as `scimd` does.
async fn open(path: PathBuf) -> Result<Database> {
    let mut options = SqliteOptions::new(path);
    options.write_here = true;
    Ok(Database::open(options).await?)
}

async fn postgres(options: &Options, figures: &mut Figures) -> Result<()> {
    let effort = Effort::of(options);
    std::fs::create_dir_all(&options.folder)?;
    let mut users = Users::default();
    if options.rows.contains(&Row::T15) {
        let cluster = Cluster::start(Durability::Full)?;
        let database = Database::connect(PostgresOptions::new(&cluster.database()?)?).await?;
        let ours = Ours::new(database, "acme").await?;
        let floor = Pgbench::new(&cluster, users.next(1)?)?;
        for round in 1..=effort.rounds {
            println!("inserts on PostgreSQL, round {round} of {}", effort.rounds);
            for clients in [1, 4, 16] {
                let bench = format!("post/postgres/{clients}");
                figures.add(&bench, "floor", floor.inserts(clients, effort)?);
                figures.add(&bench, "ours", ours.inserts(clients, users.next(effort.users)?, effort).await?);
            }
        }
    }
    if !options.rows.iter().any(|row| matches!(row, Row::T16 | Row::T17 | Row::T21)) {
        return Ok(());
    }
    let (loaded, cluster) = Loaded::postgres(&Kept::of(options, "postgres")?)?;
    let database = Database::connect(PostgresOptions::new(&cluster.url(loaded::DATABASE))?).await?;
    let floor = Pgbench::new(&cluster, users.next(1)?)?;
    with_load(options, &loaded, database, figures, || floor.inserts(1, effort)).await
}

/// What is measured on a loaded database; `floor` commits one row at a time.
async fn with_load(
    options: &Options,
    loaded: &Loaded,
    database: Database,
    figures: &mut Figures,
    floor: impl FnMut() -> Result<Turn>,
) -> Result<()> {
    let effort = Effort::of(options);
    if options.rows.contains(&Row::T21) {
        figures.note(loaded.figures());
    }
    if options.rows == [Row::T21] {
        return Ok(());
    }
    let ours = Ours::new(database.clone(), loaded.directory()).await?;
    // Before pages are measured: they show who is in which group.
    let groups = members::groups(&ours, loaded).await?;
    if options.rows.contains(&Row::T17) {
        let started = Ours::new(database, loaded.directory()).await?;
        pages::measure(&ours, &started, loaded, effort, figures).await?;
    }
    if options.rows.contains(&Row::T16) {
        members::measure(&ours, loaded.engine, &groups, effort, figures, floor).await?;
    }
    Ok(())
}
