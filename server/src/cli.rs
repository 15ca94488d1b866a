//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scim_conformance::simulators::Provider;

use crate::database::DatabaseUrl;

const AFTER_HELP: &str = "\
Try it:
  scimd demo                        see users, groups and webhooks arrive from five identity providers
  scimd demo --idp okta --once      play one provider, check that nothing was lost, exit
  scimd demo --json --data ./demo   stay up for a program; one line of JSON says where
  scimd serve --config scimd.toml   run it for real; server/scimd.example.toml shows every key
  SCIMD_DATABASE=postgres://scimd:secret@db/scimd scimd serve --config scimd.toml
                                    the same on PostgreSQL, in as many processes as you like";

/// Self-hosted directory sync: identity providers write users and groups over SCIM 2.0, the application
/// is told of each change by a signed webhook.
#[derive(Debug, Parser)]
#[command(name = "scimd", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what it does: its own database, simulated identity providers, a webhook receiver
    Demo(DemoOptions),
    /// Serve the directories of a configuration file
    Serve {
        /// The configuration file (TOML); every key is shown in server/scimd.example.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,

        #[command(flatten)]
        database: DatabaseOption,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DatabaseOption {
    /// Keep the data here: sqlite:///path/to/file, for one process, or postgres://user@host:5432/name, which
    /// several processes with the same key file may share. It goes before what the configuration file
    /// says; without either it is the file scimd.db in the data folder. Put a URL with a password into the
    /// environment variable: other users of the machine see the command line
    #[arg(
        long = "database",
        value_name = "URL",
        env = "SCIMD_DATABASE",
        hide_env_values = true,
        value_parser = DatabaseUrl::keep
    )]
    pub(crate) url: Option<DatabaseUrl>,
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// Keep everything in this folder and go on with what is in it. Its file demo.json holds the demo's
    /// tokens and secrets in the clear, readable by its owner only. Default: a fresh folder that is
    /// removed at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseOption,

    /// Listen here; port 0 takes any free port. Default: 127.0.0.1:8080 if it is free, else any free port
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub(crate) listen: Option<SocketAddr>,

    /// How many directories there are at least. Each simulated provider has one of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) directories: u16,

    /// Which identity providers to play, each once, in a directory that has no users yet.
    /// Default: all; with --json none
    #[arg(long, value_enum)]
    pub(crate) idp: Option<Idp>,

    /// Exit when the providers are done: 0 if every change was delivered, verified and is as expected
    #[arg(long)]
    pub(crate) once: bool,

    /// Print one line of JSON on standard output when ready, and nothing else
    #[arg(long, conflicts_with = "once")]
    pub(crate) json: bool,

    /// Deliver every event to this URL too, signed with the demo's webhook secret (a receiver of one's
    /// own, on this machine or by HTTPS)
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Option<String>,
}

impl DemoOptions {
    /// The providers to play.
    pub(crate) fn providers(&self) -> Vec<Provider> {
        match (self.idp, self.json) {
            (None, false) => Idp::All.providers(),
            (None, true) => Vec::new(),
            (Some(idp), _) => idp.providers(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Idp {
    Okta,
    Entra,
    #[value(name = "onelogin")]
    OneLogin,
    #[value(name = "jumpcloud")]
    JumpCloud,
    Ping,
    /// Each of them
    All,
    /// None
    None,
}

impl Idp {
    fn providers(self) -> Vec<Provider> {
        match self {
            Self::Okta => vec![Provider::Okta],
            Self::Entra => vec![Provider::Entra],
            Self::OneLogin => vec![Provider::OneLogin],
            Self::JumpCloud => vec![Provider::JumpCloud],
            Self::Ping => vec![Provider::Ping],
            Self::All => Provider::ALL.to_vec(),
            Self::None => Vec::new(),
        }
    }
}

/// The demo speaks plain HTTP and shows its tokens: it is for this machine alone.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "it must be an address and a port: 127.0.0.1:8080")?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the demo speaks plain HTTP and listens on loopback addresses only; use `scimd serve`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_in_order() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_demo_is_not_for_the_network() {
        assert!(Cli::try_parse_from(["scimd", "demo", "--listen", "0.0.0.0:0"]).is_err());
        assert!(Cli::try_parse_from(["scimd", "demo", "--listen", "[::1]:0"]).is_ok());
    }
}
