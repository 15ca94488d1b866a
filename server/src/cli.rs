//! The command line.

mod remote;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scim_conformance::simulators::Provider;

pub(crate) use self::remote::{
    ApiKeyCommand, ApiKeyWhat, AuditCommand, AuditExportOptions, AuditWhat, DeliveriesCommand,
    DeliveriesWhat, DirectoriesCommand, DirectoriesWhat, EndpointSettingsOptions, EndpointsCommand,
    EndpointsWhat, EventFilterOptions, EventsCommand, EventsWhat, ListenOptions, ServerOptions, Source,
    SpanOptions,
};
use crate::config::Config;
use crate::database::{DatabasePlace, DatabaseUrl};
use crate::instance::Files;

const AFTER_HELP: &str = "\
Try it:
  scimd demo                        see users, groups and webhooks arrive from five identity providers
  scimd demo --idp okta --once      play one provider, check that nothing was lost, exit
  scimd demo --json --data ./demo   stay up for a program; one line of JSON says where
  scimd serve --config scimd.toml   run it for real; server/scimd.example.toml shows every key
  SCIMD_DATABASE=postgres://scimd:secret@db/scimd scimd serve --config scimd.toml
                                    the same on PostgreSQL, in as many processes as you like

Look after it:
  scimd import users.jsonl --config scimd.toml --directory \"Acme Okta\"
                                    bring in a large directory; killed, it goes on where it was
  scimd backup nightly.db --config scimd.toml
                                    a consistent copy of the SQLite file, while the server runs
  scimd restore nightly.db --config scimd.toml
                                    put a copy back, while the server does not run
  scimd doctor --config scimd.toml  does all that is stored agree? 0 if so

Operate it while it runs (SCIMD_API_KEY is the key that `scimd serve` printed, or one of `scimd api-key create`):
  scimd listen --forward-to http://localhost:3000/hook
                                    develop your application: see, verify and pass on what is delivered
  scimd endpoints list              where events go, and how that goes
  scimd deliveries list --state exhausted
  scimd endpoints recover we_… --since 2h
  scimd events tail                 what happens, as it happens
  scimd audit export --since 30d > audit.txt
                                    signed proofs of requests, events and acknowledgements";

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
    /// Bring the users and groups of a file into a directory
    #[command(after_help = IMPORT_HELP)]
    Import(ImportOptions),
    /// Copy the SQLite database while the server runs
    #[command(after_help = BACKUP_HELP)]
    Backup(BackupOptions),
    /// Put a copy of the SQLite database in its place
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreOptions),
    /// Check that all that is stored agrees
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorOptions),
    /// Receive webhooks on this machine: show, verify and pass them on
    Listen(ListenOptions),
    /// Webhook endpoints of a running server: make, change, try out, recover
    Endpoints(EndpointsCommand),
    /// The event log of a running server: look, follow, send again
    Events(EventsCommand),
    /// What became of events: deliveries, attempts, answers
    Deliveries(DeliveriesCommand),
    /// Signed proofs of what happened and who acknowledged it
    Audit(AuditCommand),
    /// Directories of a running server: keep their events back, let them go
    Directories(DirectoriesCommand),
    /// Keys of programs that ask a server
    ApiKey(ApiKeyCommand),
}

const IMPORT_HELP: &str = "\
JSON lines: each line is a user or group as in the body of a POST. Members of groups are named by value
(an id of this directory), externalId, userName or, for groups, displayName:
  {\"schemas\": [\"urn:ietf:params:scim:schemas:core:2.0:User\"], \"externalId\": \"7\", \"userName\": \"ada\"}
  {\"schemas\": [\"urn:ietf:params:scim:schemas:core:2.0:Group\"], \"externalId\": \"g1\", \"displayName\": \"Staff\",
   \"members\": [{\"externalId\": \"7\"}, {\"userName\": \"grace\"}]}       (on one line)
CSV: a header of attribute paths, a user in each row; an empty field is no value:
  userName,name.givenName,\"emails[type eq \"\"work\"\"].value\",active,externalId

A line finds its resource by externalId, else by userName (groups: displayName), and makes it what the line
says; members stay as they are where a line names none. What is as the line says already is not written and
makes no event; so importing a file again changes nothing. Events of an import have cause.initial_sync = true.

The place in the file is kept in the database: start a killed import again, and it goes on. An SQLite database
belongs to one process: stop the server meanwhile. On PostgreSQL it may run.

Exit codes: 0 all lines are in; 3 some were rejected, see the file of rejects; 1 it could not be done.";

const BACKUP_HELP: &str = "\
The copy is as the database was at one moment. It is written under a temporary name, checked, and only then
given its name. The key file is not in it: keep a copy of that too, at another place, since both together
open everything.

PostgreSQL: use pg_dump --format=custom --file=FILE URL, and pg_restore --dbname=URL FILE into an empty database.";

const RESTORE_HELP: &str = "\
The copy is checked first, and nothing is touched if it is damaged or of a newer version. A database that is
there already is replaced only with --force; it is kept beside, with .before-restore at the end of its name.

Events that the server had sent since the copy was made are sent again if their changes are in the copy, with
the same ids: a receiver that remembers webhook-id takes none twice.";

const DOCTOR_HELP: &str = "\
Checks the files of the database, uniqueness keys and index values against the documents, memberships, counts,
the change log and feed, the users, groups and memberships that events were made from, events and deliveries.
It reads one state of the database, and may run beside the server. With --fix, keys, index values and counts
are made anew from the documents; for that the server of an SQLite database must be stopped.

Exit codes: 0 all is well; 1 something is wrong.";

/// Where the data of a server is.
#[derive(Args, Debug)]
pub(crate) struct PlaceOptions {
    /// The configuration file of the server
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    config: Option<PathBuf>,

    /// Instead of a configuration file: the data folder, with the key file and, unless --database says
    /// otherwise, the database scimd.db
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseOption,
}

/// What [`PlaceOptions`] name.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) files: Files,
    /// The public URL of the server, where there is a configuration file.
    pub(crate) base_url: Option<String>,
}

impl PlaceOptions {
    /// From options of another shape, of which there must be one.
    pub(crate) fn new(config: Option<PathBuf>, data: Option<PathBuf>, database: DatabaseOption) -> Self {
        Self { config, data, database }
    }

    pub(crate) fn locate(&self) -> anyhow::Result<Located> {
        let url = self.database.url.as_ref();
        match (&self.config, &self.data) {
            (Some(file), _) => {
                let config = Config::load(file)?;
                let files = Files { database: config.database(url)?, keys: config.data.join("keys") };
                Ok(Located { files, base_url: Some(config.base_url) })
            }
            (None, folder) => {
                let folder = folder.clone().unwrap_or_default();
                let database = match url {
                    Some(url) => url.place()?,
                    None => DatabasePlace::File(folder.join("scimd.db")),
                };
                Ok(Located { files: Files { database, keys: folder.join("keys") }, base_url: None })
            }
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ImportOptions {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// The directory: its name or its id
    #[arg(long, value_name = "NAME")]
    pub(crate) directory: String,

    /// What the file is. Default: by its name, .csv or .jsonl, .ndjson, .json
    #[arg(long, value_enum)]
    format: Option<ImportFormat>,

    /// The resource type of CSV rows, and of lines without schemas
    #[arg(long = "type", value_name = "TYPE", default_value = "User")]
    pub(crate) resource_type: String,

    /// Write the numbers of lines that are not taken, and the reasons, to this file.
    /// Default: the name of the file with .rejects at its end
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Begin at the first line, also if an import of the file was not finished
    #[arg(long)]
    pub(crate) restart: bool,
}

impl ImportOptions {
    pub(crate) fn format(&self) -> anyhow::Result<ImportFormat> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        match self.file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(ImportFormat::Csv),
            Some("jsonl" | "ndjson" | "json") => Ok(ImportFormat::Jsonl),
            _ => anyhow::bail!("what is {}? Say --format jsonl or --format csv", self.file.display()),
        }
    }

    pub(crate) fn rejects(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".rejects");
            name.into()
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// A JSON object in each line
    Jsonl,
    /// A header of attribute paths, and a row for each resource
    Csv,
}

#[derive(Args, Debug)]
pub(crate) struct BackupOptions {
    /// Where the copy goes. It must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) place: PlaceOptions,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreOptions {
    /// The copy
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// Replace the database that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// Make anew what can be made from the documents: uniqueness keys, index values, counts
    #[arg(long)]
    pub(crate) fix: bool,
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
