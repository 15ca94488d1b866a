//! The store's tables. Every look-up starts with the tenant.

use crate::sqlite::Migration;

/// The namespace of the migrations.
pub(crate) const NAMESPACE: &str = "scim";

/// How the tables came to be, step by step. A step that has been released never changes.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration { up: UP_1, down: DOWN_1 }];

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

-- Values of indexed attributes, in a form that sorts like the values. `created`, `id` and `resource` are
-- those of the resource, so that the rows of one value are in the order of creation.
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
