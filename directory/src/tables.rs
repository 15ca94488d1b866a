//! The tables in the database.

use scim_sql::Migration;

/// The name under which the database counts these migrations.
pub(crate) const NAMESPACE: &str = "directory";

/// Times are in microseconds since 1970-01-01T00:00:00Z.
///
/// - `dir_subjects` and `dir_members` are users, groups and memberships as of the feed cursor: what has been
///   told by events, no more and no less. `told` is what the last event said beside the document; `members`
///   and `users` count the members of a group.
///   `updated` is when a subject, or the groups of a user, changed last, by the time of the change; it never goes back.
/// - `dir_events.position` orders all events; they are written under the lock of the row of `dir_feed`, so
///   that a reader who has seen a position has seen all before it. `sequence` has no gap within a directory;
///   events of no directory have none of either. `lane` is that of its deliveries, `reason` why a
///   user is told to be deleted, or was before this update.
/// - `dir_deliveries.state`: see `DeliveryState`. While an attempt is made, `holder` is the dispatcher that
///   makes it; it is that dispatcher's alone until `leased_until`. `lane`: 0 at once, 1 live, 2 in bulk.
///   `told_as` is the type that is said instead of the event's, `told_since` when that happened. `directory` is 0 for events of none. `status`
///   to `elapsed` are of the last attempt; those before it are in `dir_attempts`.
/// - `dir_endpoints`: `failures` in a row since the last success, the first of them at `failing_since`; no
///   attempt before `not_before`; one at a time while `is_slow`; `told_failing` from a notice that deliveries fail
///   until a success; the last event when it was disabled is `disabled_behind`. Lists have a space between their
///   entries.
/// - `dir_endpoint_keys.kind`: 0 an HMAC secret, 1 an Ed25519 key. The one without `expires` is the current.
/// - `dir_feed` has one row: the last entry whose work is done; with `fanned_out` the entry behind it is
///   begun, and its users up to that id have their events.
/// - A lease ends at `leased_until`, or when the holder's process is seen to be gone.
/// - `dir_readers` are programs that read the log beside the dispatchers, and how far each is; a place is
///   its `holder`'s alone until `leased_until`.
/// - `dir_set_streams` are receivers of security event tokens; `url` and `sealed`, the header
///   field `Authorization`, are of those by push,
///   `token_hash` of those by poll. `failures`, `failing_since` and `not_before` as of endpoints; `last_error` is
///   of the last attempt. A stream by push is its `holder`'s alone until `leased_until`.
/// - `dir_sets` are the SETs of streams that wait for an acknowledgement, in order, or were `refused`. `claims`
///   lacks issuer and audience. Who acknowledges one deletes it.
/// - `dir_set_keys` sign SETs. The one without `retired` is the current; of the others only the public half is
///   left.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { up: UP_1, down: DOWN_1 },
    Migration { up: UP_2, down: DOWN_2 },
    Migration { up: UP_3, down: DOWN_3 },
];

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
    delivery_paused INTEGER NOT NULL,
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
    description TEXT NOT NULL,
    event_types TEXT NOT NULL,
    organizations TEXT NOT NULL,
    directories TEXT NOT NULL,
    profile TEXT NOT NULL,
    acknowledge TEXT NOT NULL,
    ordering TEXT NOT NULL,
    headers BLOB,
    rate INTEGER,
    concurrency INTEGER,
    enabled INTEGER NOT NULL,
    disabled_reason TEXT,
    disabled_at INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    not_before INTEGER,
    is_slow INTEGER NOT NULL,
    told_failing INTEGER NOT NULL DEFAULT 0,
    last_delivered INTEGER
) STRICT;

CREATE TABLE dir_endpoint_keys (
    number INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES dir_endpoints (number),
    kind INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
) STRICT;
CREATE INDEX dir_endpoint_keys_of ON dir_endpoint_keys (endpoint, number);

CREATE TABLE dir_api_keys (
    key_id TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    suffix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    last_used INTEGER,
    revoked INTEGER
) WITHOUT ROWID, STRICT;

CREATE TABLE dir_subjects (
    directory INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL,
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
    directory INTEGER REFERENCES dir_directories (number),
    sequence INTEGER,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    reason TEXT,
    body TEXT NOT NULL,
    UNIQUE (directory, sequence)
) STRICT;

CREATE TABLE dir_deliveries (
    position INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES dir_endpoints (number),
    event INTEGER NOT NULL REFERENCES dir_events (position),
    directory INTEGER NOT NULL,
    subject TEXT NOT NULL,
    lane INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    told_as TEXT,
    last_attempt INTEGER,
    status INTEGER,
    reason TEXT,
    excerpt TEXT,
    elapsed INTEGER,
    finished INTEGER,
    leased_until INTEGER,
    holder TEXT,
    UNIQUE (event, endpoint)
) STRICT;
CREATE INDEX dir_deliveries_due ON dir_deliveries (endpoint, lane, directory, due, position) WHERE state = 0;
CREATE INDEX dir_deliveries_of_subject ON dir_deliveries (endpoint, subject, state, event);
CREATE INDEX dir_deliveries_leased ON dir_deliveries (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX dir_deliveries_failed ON dir_deliveries (endpoint, position) WHERE state IN (2, 3);

CREATE TABLE dir_attempts (
    number INTEGER PRIMARY KEY,
    delivery INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    status INTEGER,
    reason TEXT,
    excerpt TEXT,
    elapsed INTEGER
) STRICT;
CREATE INDEX dir_attempts_of ON dir_attempts (delivery, number);

CREATE TABLE dir_readers (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    holder TEXT,
    leased_until INTEGER
) WITHOUT ROWID, STRICT;

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
DROP TABLE dir_readers;
DROP TABLE dir_attempts;
DROP TABLE dir_deliveries;
DROP TABLE dir_events;
DROP TABLE dir_members;
DROP TABLE dir_subjects;
DROP TABLE dir_api_keys;
DROP TABLE dir_endpoint_keys;
DROP TABLE dir_endpoints;
DROP TABLE dir_tokens;
DROP TABLE dir_directories;
DROP TABLE dir_organizations;
DROP TABLE dir_settings;
";

const UP_2: &str = "
CREATE TABLE dir_set_streams (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    audience TEXT NOT NULL,
    url TEXT,
    sealed BLOB,
    token_hash BLOB,
    event_uris TEXT NOT NULL,
    content TEXT NOT NULL,
    organizations TEXT NOT NULL,
    directories TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    disabled_reason TEXT,
    created INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    last_acknowledged INTEGER,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    not_before INTEGER,
    last_error TEXT,
    leased_until INTEGER,
    holder TEXT
) STRICT;

CREATE TABLE dir_sets (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES dir_set_streams (number),
    directory INTEGER NOT NULL,
    jti TEXT NOT NULL,
    claims TEXT NOT NULL,
    refused INTEGER,
    err TEXT,
    description TEXT,
    UNIQUE (stream, jti)
) STRICT;
CREATE INDEX dir_sets_waiting ON dir_sets (stream, position) WHERE refused IS NULL;
CREATE INDEX dir_sets_refused ON dir_sets (stream, position) WHERE refused IS NOT NULL;

CREATE TABLE dir_set_keys (
    number INTEGER PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    sealed BLOB,
    point BLOB NOT NULL,
    created INTEGER NOT NULL,
    retired INTEGER
) STRICT;
";

const DOWN_2: &str = "
DROP TABLE dir_set_keys;
DROP TABLE dir_sets;
DROP TABLE dir_set_streams;
";

/// Of what was there before, the time of its last event is known.
const UP_3: &str = "
ALTER TABLE dir_deliveries ADD COLUMN told_since INTEGER;
ALTER TABLE dir_endpoints ADD COLUMN disabled_behind INTEGER;
UPDATE dir_endpoints SET disabled_behind = coalesce(
    (SELECT max(e.position) FROM dir_events e WHERE e.occurred_at < dir_endpoints.disabled_at), 0)
    WHERE disabled_at IS NOT NULL;
ALTER TABLE dir_subjects ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE dir_subjects SET updated = coalesce(
    (SELECT e.occurred_at FROM dir_events e
        WHERE e.directory = dir_subjects.directory AND e.sequence = dir_subjects.sequence), 0);
CREATE INDEX dir_subjects_by_update ON dir_subjects (directory, kind, updated, id);
";

const DOWN_3: &str = "
DROP INDEX dir_subjects_by_update;
ALTER TABLE dir_subjects DROP COLUMN updated;
ALTER TABLE dir_endpoints DROP COLUMN disabled_behind;
ALTER TABLE dir_deliveries DROP COLUMN told_since;
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
            for version in [3, 2, 1, 0, 3] {
                database.migrate_to(NAMESPACE, MIGRATIONS, version).await.unwrap();
            }
            let lease = |session: &Session<'_>| {
                session.execute("UPDATE dir_deliveries SET leased_until = 0, holder = ''", params![])
            };
            assert_eq!(database.write(lease).await.unwrap(), 0);
            database.migrate_to(NAMESPACE, MIGRATIONS, 0).await.unwrap();
            assert!(database.write(lease).await.is_err(), "the tables are gone");
        }
    }
}
