//! `scimd`: SCIM in, signed webhooks out.

mod api;
mod auth;
mod cli;
mod config;
mod copies;
mod database;
mod demo;
mod doctor;
mod environment;
mod http;
mod import;
mod instance;
mod listen;
mod logging;
mod nats;
mod progress;
mod receiver;
mod remote;
mod routes;
mod serve;
mod shutdown;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command};

/// Most of what a request needs lives for microseconds: see DESIGN.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error.into()),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Demo(options) => demo::run(options).await,
            Command::Serve { config, database } => serve::run(&config, database.url.as_ref()).await,
            Command::Import(options) => import::run(options).await,
            Command::Backup(options) => copies::back_up(options).await,
            Command::Restore(options) => copies::restore(options).await,
            Command::Doctor(options) => doctor::run(options).await,
            Command::Listen(options) => listen::run(options).await,
            Command::Endpoints(command) => remote::endpoints(command).await,
            Command::Events(command) => remote::events(command).await,
            Command::Deliveries(command) => remote::deliveries(command).await,
            Command::Audit(command) => remote::audit(command).await,
            Command::Directories(command) => remote::directories(command).await,
            Command::ApiKey(command) => remote::api_keys(command).await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(error) => failure(&error),
    }
}

/// One sentence, whatever happened.
fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("scimd: {error:#}");
    ExitCode::FAILURE
}
