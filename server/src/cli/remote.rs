//! The commands that ask a server that runs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::DatabaseOption;

const ENDPOINTS_HELP: &str = "\
Examples:
  scimd endpoints create --url https://app.example.com/webhooks/scim
  scimd endpoints create --url https://app.example.com/hr --event-type user_created --event-type user_deleted \\
      --header 'x-api-key: 7431' --rate 20
  scimd endpoints test we_…                     send a made-up event now, and see what the receiver answers
  scimd endpoints rotate-secret we_… --overlap 24h
  scimd endpoints rotate-signing-key we_…       sign with Ed25519 (v1a) too: the receiver verifies with the whpk_…
                                                that is printed, and can't sign with it
  scimd endpoints recover we_… --since 2h       try all again that was given up in the last two hours
  scimd endpoints replay we_… --since 2026-01-31T00:00:00Z
  scimd endpoints update we_… --rate none --event-type all";

const EVENTS_HELP: &str = "\
Examples:
  scimd events list --type user_deleted         the latest first
  scimd events show evt_…                       exactly what is delivered
  scimd events tail                             what happens, as it happens
  scimd events resend evt_… --endpoint we_…";

const DELIVERIES_HELP: &str = "\
Examples:
  scimd deliveries list --state exhausted
  scimd deliveries list --event evt_…           to which endpoints did it go, and what became of it?
  scimd deliveries show dlv_…                   each attempt, and what the receiver answered";

const AUDIT_HELP: &str = "\
A line for each event, in the order of the log: what happened, when the server took up the request (occurred_at),
the SHA-256 of the event's body, its deliveries with each attempt, and who acknowledged it when. The last line says
how many there are. Nothing is encrypted: ids of persons are in it, their names are not.

Each line is a token (JWS, ES256) that any JOSE library verifies with the keys at /keys of the server. `previous` is
the SHA-256 of the line before it, without its end, so that none can be taken out. In Python:

  import base64, hashlib, jwt                                          # PyJWT
  server = 'https://scim.example.com'
  keys, previous = jwt.PyJWKClient(server + '/keys'), None
  for index, line in enumerate(open('audit.txt').read().split()):
      key = keys.get_signing_key_from_jwt(line).key
      claims = jwt.decode(line, key, algorithms=['ES256'], issuer=server)
      assert jwt.get_unverified_header(line)['typ'] == 'scimd-audit+jwt'
      assert (claims['index'], claims['previous']) == (index, previous)
      previous = base64.urlsafe_b64encode(hashlib.sha256(line.encode()).digest()).decode().rstrip('=')
  assert claims['summary']['events'] == index                          # nothing is cut off at the end
  assert claims['summary']['complete']                                 # nothing of that time was forgotten before

Examples:
  scimd audit export --since 30d > audit.txt
  scimd audit export --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z --organization org_… \\
      --type user_deleted --output january.txt";

const DIRECTORIES_HELP: &str = "\
Examples:
  scimd directories list
  scimd directories pause dir_…                 keep its events back while the application is maintained
  scimd directories resume dir_…                let them go";

const API_KEY_HELP: &str = "\
Scopes: directories:read, directories:write, events:read, webhooks:read, webhooks:write, metrics:read, keys:write;
`all` stands for each of them.

Examples:
  scimd api-key create --name billing --scope events:read --config scimd.toml
                                    in the database itself: on SQLite while the server does not run
  SCIMD_API_KEY=skc_… scimd api-key create --name billing --scope events:read
                                    by asking the server that runs, with a key that has keys:write
  scimd api-key list
  scimd api-key revoke skc_…        the id, as the list shows it

The text of a key is shown once. `scimd serve` prints a first key, which may do everything, when there is none.";

const LISTEN_HELP: &str = "\
It makes a webhook endpoint of its own at the server, shows each delivery and whether its signature is right, and
removes the endpoint when it ends. The server must run on this machine and allow http:// to it
(allow_loopback_http = true; `scimd demo` does). Other servers can't reach this machine: --from events reads their
event log instead, and signs here.

Examples:
  scimd listen                                          with SCIMD_API_KEY: show what is delivered
  scimd listen --forward-to http://localhost:3000/hook  pass it on to your application, and show what it answers
  scimd listen --status 500                             see how the server tries again
  scimd listen --from events --server https://scim.example.com --forward-to http://localhost:3000/hook
  scimd listen --secret whsec_… --port 9000             without a key: for an endpoint that you made yourself
  scimd listen --secret whpk_… --port 9000              the same, by its Ed25519 signatures (v1a)";

/// The server, and how what it says is shown.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerOptions {
    /// The server's URL
    #[arg(
        long,
        value_name = "URL",
        env = "SCIMD_SERVER",
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    pub(crate) server: String,

    /// The API key. Other users of the machine see the command line: put it into the environment variable,
    /// or use --api-key-file
    #[arg(long, value_name = "KEY", env = "SCIMD_API_KEY", hide_env_values = true, global = true)]
    pub(crate) api_key: Option<String>,

    /// Read the API key from this file
    #[arg(long, value_name = "FILE", env = "SCIMD_API_KEY_FILE", global = true)]
    pub(crate) api_key_file: Option<PathBuf>,

    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Webhook endpoints: where events go
#[derive(Args, Debug)]
#[command(after_help = ENDPOINTS_HELP)]
pub(crate) struct EndpointsCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(subcommand)]
    pub(crate) what: EndpointsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointsWhat {
    /// All endpoints, and how their deliveries go
    List,
    /// Make one; its signing secret is shown once
    Create {
        /// Where to deliver: https://…
        #[arg(long, value_name = "URL")]
        url: String,
        #[command(flatten)]
        settings: EndpointSettingsOptions,
        /// Sign with the secret (whsec_…) in this file instead of a new one
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// One endpoint
    Show { id: String },
    /// Change settings; what is not named stays
    Update {
        id: String,
        /// Where to deliver: https://…
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        settings: EndpointSettingsOptions,
    },
    /// Delete one with all that is known of its deliveries
    Delete { id: String },
    /// Start delivering again
    Enable {
        id: String,
        /// Deliver also what happened while it was disabled
        #[arg(long)]
        replay_missing: bool,
    },
    /// Stop delivering
    Disable { id: String },
    /// Sign with a new secret, shown once
    RotateSecret {
        id: String,
        /// How long to sign with the old one too: 90s, 15m, 24h, 7d
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
        /// The secret (whsec_…) in this file instead of a new one
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Sign with a new Ed25519 key (v1a) beside the secret; what the receiver verifies with (whpk_…) is shown
    RotateSigningKey {
        id: String,
        /// How long to sign with the old one too: 90s, 15m, 24h, 7d
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
    },
    /// Stop signing with Ed25519 keys, at once; the secret stays
    RemoveSigningKeys { id: String },
    /// Send a made-up event now, once. Exit code 0 if the receiver took it, else 1
    Test {
        id: String,
        /// What it pretends to be
        #[arg(long, value_name = "TYPE", default_value = "user_created")]
        event_type: String,
    },
    /// Try deliveries again that were given up
    Recover {
        id: String,
        #[command(flatten)]
        span: SpanOptions,
    },
    /// Deliver events that were never meant for the endpoint, and would be now
    Replay {
        id: String,
        #[command(flatten)]
        span: SpanOptions,
    },
}

#[derive(Args, Debug)]
pub(crate) struct EndpointSettingsOptions {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Only events of this type (user_created, …), several times for more; all for what changes about users,
    /// groups and directories
    #[arg(long, value_name = "TYPE")]
    pub(crate) event_type: Vec<String>,
    /// Only events of this organization, several times for more; all for any
    #[arg(long, value_name = "ID")]
    pub(crate) organization: Vec<String>,
    /// Only events of this directory, several times for more; all for any
    #[arg(long, value_name = "ID")]
    pub(crate) directory: Vec<String>,
    /// The shape of the data: standard, or scalekit
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Which answers acknowledge: 2xx, or 200-201
    #[arg(long, value_name = "RULE")]
    pub(crate) acknowledge: Option<String>,
    /// latest: a later event of a user takes the place of one that waits; strict: it waits too
    #[arg(long, value_name = "RULE")]
    pub(crate) ordering: Option<String>,
    /// A header field that each delivery carries, "name: value", several times for more; none for none
    #[arg(long, value_name = "FIELD")]
    pub(crate) header: Vec<String>,
    /// How many attempts each process of the server begins in a second at most; none for no limit
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<String>,
    /// How many attempts are under way at once at most; none for the server's limit
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SpanOptions {
    /// Of events from here on: 2026-01-31T12:00:00Z, or so long ago: 90s, 15m, 24h, 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: String,
    /// Up to here. Default: now
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// The event log
#[derive(Args, Debug)]
#[command(after_help = EVENTS_HELP)]
pub(crate) struct EventsCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(subcommand)]
    pub(crate) what: EventsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsWhat {
    /// The latest events
    List {
        #[command(flatten)]
        filter: EventFilterOptions,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// The oldest first
        #[arg(long)]
        oldest: bool,
    },
    /// One event, exactly as it is delivered
    Show { id: String },
    /// Events as they come, until Ctrl-C
    Tail {
        #[command(flatten)]
        filter: EventFilterOptions,
        /// Begin with the oldest event of the log
        #[arg(long)]
        from_beginning: bool,
    },
    /// Deliver an event again
    Resend {
        id: String,
        /// To this endpoint only. Default: to each that wants it
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
    },
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EventFilterOptions {
    /// Only of this type (user_created, …), several times for more
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only of this organization, several times for more
    #[arg(long, value_name = "ID")]
    pub(crate) organization: Vec<String>,
    /// Only of this directory, several times for more
    #[arg(long, value_name = "ID")]
    pub(crate) directory: Vec<String>,
}

/// What became of events: deliveries and their attempts
#[derive(Args, Debug)]
#[command(after_help = DELIVERIES_HELP)]
pub(crate) struct DeliveriesCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(subcommand)]
    pub(crate) what: DeliveriesWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesWhat {
    /// The latest deliveries
    List {
        /// Only to this endpoint
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
        /// Only of this event
        #[arg(long, value_name = "ID")]
        event: Option<String>,
        /// Only in this state: pending, delivered, exhausted, refused, superseded; several times for more
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// One delivery with its attempts
    Show { id: String },
}

/// Signed proofs of what happened
#[derive(Args, Debug)]
#[command(after_help = AUDIT_HELP)]
pub(crate) struct AuditCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(subcommand)]
    pub(crate) what: AuditWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditWhat {
    /// Events and their deliveries, a signed token on each line
    #[command(after_help = AUDIT_HELP)]
    Export(AuditExportOptions),
}

#[derive(Args, Debug)]
pub(crate) struct AuditExportOptions {
    #[command(flatten)]
    pub(crate) span: SpanOptions,
    /// Only of this organization
    #[arg(long, value_name = "ID")]
    pub(crate) organization: Option<String>,
    /// Only of this directory
    #[arg(long, value_name = "ID")]
    pub(crate) directory: Option<String>,
    /// Only of this type (user_created, …), several times for more
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Write to this file, which must not be there yet, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Directories, and whether their events are delivered
#[derive(Args, Debug)]
#[command(after_help = DIRECTORIES_HELP)]
pub(crate) struct DirectoriesCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(subcommand)]
    pub(crate) what: DirectoriesWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DirectoriesWhat {
    /// All directories
    List,
    /// Keep the events of a directory back; changes are taken and recorded all the same
    Pause { id: String },
    /// Let them go
    Resume { id: String },
}

/// Keys of programs that ask the server
#[derive(Args, Debug)]
#[command(after_help = API_KEY_HELP)]
pub(crate) struct ApiKeyCommand {
    #[command(flatten)]
    pub(crate) server: ServerOptions,

    /// Work on the database of this configuration file instead of asking a server
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "data")]
    pub(crate) config: Option<PathBuf>,

    /// Work on the database in this data folder instead of asking a server
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseOption,

    #[command(subcommand)]
    pub(crate) what: ApiKeyWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyWhat {
    /// Make a key; its text is shown once
    Create {
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// What it may do, several times for more
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// For how many days it is good. Default: without end
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// All keys, without their texts
    List,
    /// End a key, at once
    Revoke { id: String },
}

/// A receiver of webhooks for developers: shows, verifies and passes on what is delivered
#[derive(Args, Debug)]
#[command(after_help = LISTEN_HELP)]
pub(crate) struct ListenOptions {
    #[command(flatten)]
    pub(crate) server: ServerOptions,

    /// The port on this machine; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,

    /// The signing secret (whsec_…), or the verifying key (whpk_…) of an endpoint that you made yourself.
    /// Default: a new secret
    #[arg(long, value_name = "SECRET", env = "SCIMD_WEBHOOK_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,

    #[command(flatten)]
    pub(crate) filter: EventFilterOptions,

    /// Pass each delivery on to this URL, untouched, and answer what it answers
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: Option<String>,

    /// Answer with this status, to see what the server does
    #[arg(
        long,
        value_name = "STATUS",
        conflicts_with = "forward_to",
        value_parser = clap::value_parser!(u16).range(200..600)
    )]
    pub(crate) status: Option<u16>,

    /// Show the whole body of each event
    #[arg(long)]
    pub(crate) body: bool,

    /// Where events come from
    #[arg(long, value_enum, default_value_t = Source::Webhooks)]
    pub(crate) from: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// The server delivers to this machine
    Webhooks,
    /// The event log is followed, and signed here
    Events,
}
