//! The store's tables. Every look-up starts with the tenant.

use crate::migrate::Migration;

/// The namespace of the migrations.
pub(crate) const NAMESPACE: &str = "scim";

/// How the tables came to be, step by step. A step that has been released never changes.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { up: UP_1, down: DOWN_1 },
    Migration { up: UP_2, down: DOWN_2 },
    Migration { up: UP_3, down: DOWN_3 },
    Migration { up: UP_4, down: DOWN_4 },
];

/// The namespace of the migrations that PostgreSQL has beside those.
pub(crate) const FEED_NAMESPACE: &str = "scim_feed";

/// On PostgreSQL many write at once: the numbers of scim_changes become visible out of order. What is
/// committed is given a position by one reader after the other, see `feed.rs`.
pub(crate) const FEED_MIGRATIONS: &[Migration] = &[Migration { up: FEED_UP_1, down: FEED_DOWN_1 }];

const UP_1: &str = "
-- Resources. Times are microseconds since 1970. `document` is the JSON text of the resource's own
-- attributes: without meta, members and inverse attributes. `label` is its displayName.
-- `unique_keys` is what stands in scim_unique_keys for it: [[attribute, key], ...].
CREATE TABLE scim_resources (
    n INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    label TEXT,
    unique_keys TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX scim_resources_by_id ON scim_resources (tenant, id);
CREATE UNIQUE INDEX scim_resources_by_creation ON scim_resources (tenant, type, created, id);
CREATE INDEX scim_resources_by_change ON scim_resources (tenant, type, modified);

-- How many resources there are, so that totals cost nothing.
CREATE TABLE scim_counts (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    resources INTEGER NOT NULL,
    PRIMARY KEY (tenant, type)
) WITHOUT ROWID, STRICT;

-- Values that must be unique, in the form in which they are compared. The primary key is the judge.
CREATE TABLE scim_unique_keys (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    attribute TEXT NOT NULL,
    key TEXT NOT NULL,
    resource INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attribute, key)
) WITHOUT ROWID, STRICT;

-- Values of indexed attributes, in a form that sorts like the values; long texts are cut.
CREATE TABLE scim_values (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    resource INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attribute, value, resource)
) WITHOUT ROWID, STRICT;

-- Membership edges. `member_key` is the folded form of the member's id.
CREATE TABLE scim_members (
    tenant TEXT NOT NULL,
    holder TEXT NOT NULL,
    position INTEGER NOT NULL,
    member TEXT NOT NULL,
    member_key TEXT NOT NULL,
    member_type TEXT,
    display TEXT,
    PRIMARY KEY (tenant, holder, position)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX scim_members_by_member ON scim_members (tenant, member_key, holder, member);

-- The change log. `document` is as in scim_resources, after the change (of a delete: before it).
-- `changes` is a JSON array of what became different.
CREATE TABLE scim_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    document TEXT NOT NULL,
    changes TEXT,
    cause TEXT NOT NULL,
    request_id TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT;

-- Members that came or went with a change.
CREATE TABLE scim_change_members (
    seq INTEGER NOT NULL,
    added INTEGER NOT NULL,
    position INTEGER NOT NULL,
    member TEXT NOT NULL,
    member_type TEXT,
    display TEXT,
    PRIMARY KEY (seq, added, position)
) WITHOUT ROWID, STRICT;

-- What scim_unique_keys and scim_values were made for.
CREATE TABLE scim_settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;
";

const UP_2: &str = "
-- The total is the sum over the shards: writers that add to different ones do not wait for each other.
ALTER TABLE scim_counts RENAME TO scim_counts_1;
CREATE TABLE scim_counts (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    shard INTEGER NOT NULL,
    resources INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, shard)
) WITHOUT ROWID, STRICT;
INSERT INTO scim_counts (tenant, type, shard, resources) SELECT tenant, type, 0, resources FROM scim_counts_1;
DROP TABLE scim_counts_1;
";

const DOWN_2: &str = "
ALTER TABLE scim_counts RENAME TO scim_counts_2;
CREATE TABLE scim_counts (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    resources INTEGER NOT NULL,
    PRIMARY KEY (tenant, type)
) WITHOUT ROWID, STRICT;
INSERT INTO scim_counts (tenant, type, resources)
    SELECT tenant, type, sum(resources) FROM scim_counts_2 GROUP BY tenant, type;
DROP TABLE scim_counts_2;
";

const UP_3: &str = "
-- Values of indexed attributes, in a form that sorts like the values. `created`, `id` and `resource` are
-- those of the resource, so that the rows of one value are in the order of creation.
DROP TABLE scim_values;
CREATE TABLE scim_values (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    created INTEGER NOT NULL,
    id TEXT NOT NULL,
    resource INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attribute, value, created, id)
) WITHOUT ROWID, STRICT;
-- Its rows are made anew.
DELETE FROM scim_settings WHERE name = 'index';
";

const DOWN_3: &str = "
DROP TABLE scim_values;
CREATE TABLE scim_values (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    resource INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attribute, value, resource)
) WITHOUT ROWID, STRICT;
DELETE FROM scim_settings WHERE name = 'index';
";

const UP_4: &str = "
-- The change that created the resource. While it is the only one of the resource, its document in scim_changes
-- is empty: it is the resource's. The second change puts it there.
ALTER TABLE scim_resources ADD COLUMN created_by INTEGER;
";

const DOWN_4: &str = "
UPDATE scim_changes SET document = (SELECT r.document FROM scim_resources r
    WHERE r.tenant = scim_changes.tenant AND r.id = scim_changes.id) WHERE document = '';
ALTER TABLE scim_resources DROP COLUMN created_by;
";

const FEED_UP_1: &str = "
-- The last position that was given. Who gives positions locks the row.
CREATE TABLE scim_feed (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO scim_feed (one, last) VALUES (1, 0);

-- Changes without a position.
CREATE TABLE scim_unsequenced (seq BIGINT PRIMARY KEY)
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
INSERT INTO scim_unsequenced (seq) SELECT seq FROM scim_changes;

-- Positions have no gaps and become visible in their order.
CREATE TABLE scim_positions (
    position BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);

-- The rows of counts change all the time: there is room for the next version on the same page.
ALTER TABLE scim_counts SET (fillfactor = 50);
";

const FEED_DOWN_1: &str = "
DROP TABLE scim_positions;
DROP TABLE scim_unsequenced;
DROP TABLE scim_feed;
";

const DOWN_1: &str = "
DROP TABLE scim_settings;
DROP TABLE scim_change_members;
DROP TABLE scim_changes;
DROP TABLE scim_members;
DROP TABLE scim_values;
DROP TABLE scim_unique_keys;
DROP TABLE scim_counts;
DROP TABLE scim_resources;
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, DatabaseError, PostgresOptions, params};

    #[tokio::test]
    async fn counts_survive_the_way_to_shards_and_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = scim_test_postgres::Cluster::shared().unwrap().database().unwrap();
        let server = Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap();
        for database in [Database::open(folder.path().join("db")).await.unwrap(), server] {
            database.migrate_to(NAMESPACE, MIGRATIONS, 1).await.unwrap();
            let insert = "INSERT INTO scim_counts (tenant, type, resources) VALUES ('acme', 'User', ?1)";
            database.write(move |session| session.execute(insert, params![7])).await.unwrap();
            database.migrate_to(NAMESPACE, MIGRATIONS, 2).await.unwrap();
            let insert =
                "INSERT INTO scim_counts (tenant, type, shard, resources) VALUES ('acme', 'User', 3, ?1)";
            database.write(move |session| session.execute(insert, params![-2])).await.unwrap();
            database.migrate_to(NAMESPACE, MIGRATIONS, 1).await.unwrap();
            let sql = "SELECT resources FROM scim_counts WHERE tenant = 'acme' AND type = 'User'";
            let found = database.read(move |session| session.all(sql, &[], |row| row.int(0)));
            assert_eq!(found.await.map_err(|error: DatabaseError| error.to_string()), Ok(vec![5]));
            database.migrate_to(NAMESPACE, MIGRATIONS, 0).await.unwrap();
        }
    }

    #[tokio::test]
    async fn documents_that_the_log_leaves_out_come_back_on_the_way_down() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = scim_test_postgres::Cluster::shared().unwrap().database().unwrap();
        let server = Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap();
        for database in [Database::open(folder.path().join("db")).await.unwrap(), server] {
            let run = async |sql: &'static str| {
                database.write(move |session| session.execute(sql, &[])).await.map(drop).unwrap();
            };
            let documents = async || {
                let sql = "SELECT document FROM scim_changes ORDER BY seq";
                let found = database.read(move |session| session.all(sql, &[], |row| row.owned(0)));
                found.await.map_err(|error: DatabaseError| error.to_string())
            };
            database.migrate_to(NAMESPACE, MIGRATIONS, 3).await.unwrap();
            run("INSERT INTO scim_resources (tenant, type, id, version, created, modified, unique_keys, document)
                 VALUES ('acme', 'User', 'a', 1, 5, 5, '[]', '{\"id\":\"a\"}'),
                     ('acme', 'User', 'b', 2, 6, 6, '[]', '{\"id\":\"b\"}')")
            .await;
            run(
                "INSERT INTO scim_changes (seq, tenant, type, id, kind, version, created, modified, document,
                     cause, request_id, time)
                 VALUES (1, 'acme', 'User', 'a', 'created', 1, 5, 5, '{\"id\":\"a\"}', 'scim', '', 5),
                     (2, 'acme', 'User', 'b', 'created', 1, 5, 5, '{}', 'scim', '', 5),
                     (3, 'acme', 'User', 'b', 'updated', 2, 5, 6, '{\"id\":\"b\"}', 'scim', '', 6)",
            )
            .await;
            let before = documents().await;
            database.migrate_to(NAMESPACE, MIGRATIONS, 4).await.unwrap();
            assert_eq!(documents().await, before);
            run("UPDATE scim_changes SET document = '' WHERE seq = 1").await;
            run("UPDATE scim_resources SET created_by = 1 WHERE id = 'a'").await;
            database.migrate_to(NAMESPACE, MIGRATIONS, 3).await.unwrap();
            assert_eq!(documents().await, before);
        }
    }
}
