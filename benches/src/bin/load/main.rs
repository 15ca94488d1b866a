//! Asks an HTTP server for one kind of thing as fast as it answers, or at a fixed rate, and prints what came of it as a
//! line of JSON. An answer that is not the right one ends it.
//!
//! ```sh
//! load rate --address 127.0.0.1:8080 --path /scim/v2 --token T --work get --ids ids.txt
//! load walk --address 127.0.0.1:8080 --path /scim/v2 --token T --by cursor --count 100 --users 10000
//! ```

mod connection;
mod machine;
mod rate;
mod walk;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Asks an HTTP server
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many requests over several connections
    Rate(rate::Options),
    /// All users, page by page
    Walk(walk::Options),
}

/// Who is asked.
#[derive(Args, Debug)]
struct Server {
    #[arg(long)]
    address: SocketAddr,
    /// What stands before /Users
    #[arg(long, default_value = "")]
    path: String,
    #[arg(long, default_value = "")]
    token: String,
}

impl Server {
    /// A file of the ids of users, one a line.
    fn read_ids(file: &PathBuf) -> Result<Vec<String>> {
        Ok(std::fs::read_to_string(file)?.lines().map(str::to_owned).collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let figures = match Cli::parse().command {
        Command::Rate(options) => rate::run(options).await?,
        Command::Walk(options) => walk::run(options).await?,
    };
    println!("{figures}");
    Ok(())
}
