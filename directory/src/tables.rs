//! The tables in the database.

use scim_sql::Migration;

/// The name under which the database counts these migrations.
pub(crate) const NAMESPACE: &str = "directory";

/// Times are in microseconds since 1970-01-01T00:00:00Z.
///
/// - `dir_subjects` and `dir_members` are users, groups and memberships as of the feed cursor: what has been
///   told by events, no more and no less. `told` is what the last event said beside the document; `members`
///   and `users` count the members of a group.
/// - `dir_events.sequence` has no gap within a directory.
/// - `dir_deliveries.state`: 0 pending, 1 delivered, 2 exhausted, 3 refused for good. While an attempt is made,
///   `holder` is the dispatcher that makes it; it is that dispatcher's alone until `leased_until`.
/// - `dir_feed` has one row: the last entry whose work is done; with `fanned_out` the entry behind it is
///   begun, and its users up to that id have their events.
pub(crate) const MIGRATIONS: &[Migration] =
    &[Migration { up: UP_1, down: DOWN_1 }, Migration { up: UP_2, down: DOWN_2 }];

const UP_1: &str = "
CREATE TABLE dir_settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE dir_organizations (
    id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    external_id TEXT UNIQUE,
    created INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE dir_directories (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    organization TEXT NOT NULL REFERENCES dir_organizations (id),
    name TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created INTEGER NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE dir_tokens (
    key_id TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    directory INTEGER NOT NULL REFERENCES dir_directories (number),
    hash BLOB NOT NULL,
    suffix TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    last_used INTEGER,
    revoked INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX dir_tokens_of ON dir_tokens (directory);

CREATE TABLE dir_endpoints (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    event_types TEXT NOT NULL,
    organization TEXT REFERENCES dir_organizations (id),
    secret BLOB NOT NULL,
    enabled INTEGER NOT NULL,
    disabled_reason TEXT,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE dir_subjects (
    directory INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT,
    external_id TEXT,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    told TEXT NOT NULL,
    members INTEGER NOT NULL,
    users INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (directory, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX dir_subjects_by_kind ON dir_subjects (directory, kind, id);

CREATE TABLE dir_members (
    directory INTEGER NOT NULL,
    holder TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (directory, holder, member)
) WITHOUT ROWID, STRICT;
CREATE INDEX dir_members_by_member ON dir_members (directory, member, holder);

CREATE TABLE dir_events (
    position INTEGER PRIMARY KEY,
    directory INTEGER NOT NULL REFERENCES dir_directories (number),
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (directory, sequence)
) STRICT;

CREATE TABLE dir_deliveries (
    position INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES dir_endpoints (number),
    event INTEGER NOT NULL REFERENCES dir_events (position),
    subject TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    status INTEGER,
    reason TEXT,
    finished INTEGER,
    UNIQUE (event, endpoint)
) STRICT;
CREATE INDEX dir_deliveries_due ON dir_deliveries (endpoint, urgent, due, position) WHERE state = 0;
CREATE INDEX dir_deliveries_first ON dir_deliveries (endpoint, subject, position)
    WHERE state = 0 AND attempts = 0;

CREATE TABLE dir_feed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    major INTEGER NOT NULL,
    minor INTEGER NOT NULL,
    fanned_out TEXT
) STRICT;
INSERT INTO dir_feed (one, major, minor) VALUES (1, 0, 0);
";

const DOWN_1: &str = "
DROP TABLE dir_feed;
DROP TABLE dir_deliveries;
DROP TABLE dir_events;
DROP TABLE dir_members;
DROP TABLE dir_subjects;
DROP TABLE dir_endpoints;
DROP TABLE dir_tokens;
DROP TABLE dir_directories;
DROP TABLE dir_organizations;
DROP TABLE dir_settings;
";

const UP_2: &str = "
ALTER TABLE dir_deliveries ADD COLUMN leased_until INTEGER;
ALTER TABLE dir_deliveries ADD COLUMN holder TEXT;
CREATE INDEX dir_deliveries_leased ON dir_deliveries (leased_until) WHERE leased_until IS NOT NULL;
";

const DOWN_2: &str = "
DROP INDEX dir_deliveries_leased;
ALTER TABLE dir_deliveries DROP COLUMN holder;
ALTER TABLE dir_deliveries DROP COLUMN leased_until;
";

#[cfg(test)]
mod tests {
    use scim_sql::{Database, PostgresOptions, Session, params};

    use super::*;

    #[tokio::test]
    async fn the_tables_go_and_come_back_on_both_engines() {
        let folder = tempfile::tempdir().unwrap();
        let url = scim_test_postgres::Cluster::shared().unwrap().database().unwrap();
        let file = Database::open(folder.path().join("scim.db")).await.unwrap();
        let server = Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap();
        for database in [file, server] {
            for version in [2, 1, 0, 1, 2, 0, 2] {
                database.migrate_to(NAMESPACE, MIGRATIONS, version).await.unwrap();
            }
            let lease = |session: &Session<'_>| {
                session.execute("UPDATE dir_deliveries SET leased_until = 0, holder = ''", params![])
            };
            assert_eq!(database.write(lease).await.unwrap(), 0);
            database.migrate_to(NAMESPACE, MIGRATIONS, 1).await.unwrap();
            assert!(database.write(lease).await.is_err(), "the columns are gone");
        }
    }
}
