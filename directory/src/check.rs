//! Whether users, groups, memberships and events are those that the change feed makes.

use std::collections::HashMap;

use scim_core::{ChangeKind, FeedCursor, StoreError};
use scim_sql::check::{Finding, compare, rows_against};
use scim_sql::{Database, DatabaseError, Session, SqlStore, params};

use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::event::{EventType, REMOVED};
use crate::projection::Kind;

impl Directories {
    /// Checks what the store holds and what was made of it, as of one moment. The tables must be those of this
    /// version. Answers the rules that were checked, also those that hold.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn check(store: &SqlStore) -> Result<Vec<Finding>, DirectoryError> {
        let database: Database = store.database().clone();
        let store = store.clone();
        let work = move |session: &Session<'_>| {
            let mut findings = store.check_in(session)?;
            findings.extend(check(session, &store)?);
            Ok(findings)
        };
        Ok(database.read::<_, StoreError, _>(work).await?)
    }
}

/// Where the relay is: up to here the projection has what the feed has.
struct Reached {
    cursor: FeedCursor,
    /// A change whose users have not all been told.
    is_half: bool,
    numbers: HashMap<String, i64>,
}

impl Reached {
    fn read(session: &Session<'_>) -> Result<Self, DatabaseError> {
        let select = "SELECT major, minor, fanned_out FROM dir_feed WHERE one = 1";
        let place = session.first(select, params![], |row| {
            Ok::<_, DatabaseError>((row.unsigned(0)?, row.unsigned(1)?, row.text_or_null(2)?.is_some()))
        })?;
        let (major, minor, is_half) = place.unwrap_or_default();
        let cursor = FeedCursor::from_parts(major, minor + u64::from(is_half));
        let numbers = session.all("SELECT id, number FROM dir_directories", params![], |row| {
            Ok::<_, DatabaseError>((row.owned(0)?, row.int(1)?))
        })?;
        Ok(Self { cursor, is_half, numbers: numbers.into_iter().collect() })
    }
}

fn check(session: &Session<'_>, store: &SqlStore) -> Result<Vec<Finding>, StoreError> {
    let reached = Reached::read(session)?;
    let mut findings = vec![
        compare(
            "users and groups are as the feed has them at the relay's place",
            |emit| {
                store.last_changes_in(session, reached.cursor, |entry| {
                    let kind = Kind::of(&entry.resource_type);
                    let number = reached.numbers.get(entry.tenant.as_str());
                    if let (Some(kind), Some(number), true) =
                        (kind, number, entry.kind != ChangeKind::Deleted)
                    {
                        let document = entry.resource.text();
                        let value = format!("{} {} {document}", kind.code(), entry.version);
                        emit(&format!("directory {number} {}", entry.id), &value);
                    }
                    Ok(())
                })
            },
            |emit| {
                let select = "SELECT directory, id, kind, version, document FROM dir_subjects";
                session.query(select, params![], |row| {
                    let value = format!("{} {} {}", row.int(2)?, row.int(3)?, row.text(4)?);
                    emit(&format!("directory {} {}", row.int(0)?, row.text(1)?), &value);
                    Ok::<_, StoreError>(())
                })
            },
        )?,
        compare(
            "memberships are as the feed has them at the relay's place",
            |emit| {
                store.memberships_in(session, reached.cursor, |tenant, holder, member| {
                    if let Some(number) = reached.numbers.get(tenant) {
                        emit(&format!("directory {number} {holder} has {member}"), "");
                    }
                    Ok(())
                })
            },
            |emit| {
                session.query("SELECT directory, holder, member FROM dir_members", params![], |row| {
                    emit(&format!("directory {} {} has {}", row.int(0)?, row.text(1)?, row.text(2)?), "");
                    Ok::<_, StoreError>(())
                })
            },
        )?,
        comings_and_goings(session, store, &reached)?,
    ];
    for (rule, sql) in RULES {
        findings.push(rows_against(session, rule, sql, params![])?);
    }
    let ahead = "SELECT 'position ' || minor FROM dir_feed WHERE one = 1 AND minor > ?1";
    let last = last_position(session, store)?;
    findings.push(rows_against(session, "the relay is not ahead of the feed", ahead, params![last])?);
    if reached.is_half && reached.cursor.parts().1 > last {
        let mut finding = Finding::new("the change that the relay is at is in the feed");
        finding.add(|| format!("position {}", reached.cursor.parts().1));
        findings.push(finding);
    }
    Ok(findings)
}

/// Each creation and each removal has made its event, and only they have made such events.
fn comings_and_goings(
    session: &Session<'_>,
    store: &SqlStore,
    reached: &Reached,
) -> Result<Finding, StoreError> {
    compare(
        "each creation and each removal has its event",
        |emit| {
            store.comings_and_goings_in(session, reached.cursor, |tenant, resource_type, id, came| {
                if let (Some(_), Some(number)) = (Kind::of(resource_type), reached.numbers.get(tenant)) {
                    emit(
                        &format!("directory {number} {id} {}", if came { "created" } else { "removed" }),
                        "",
                    );
                }
                Ok(())
            })
        },
        |emit| {
            // A user that is switched off and on again is created and deleted too, for the application.
            let select = "SELECT directory, subject, CASE WHEN type IN (?1, ?2) THEN 1 ELSE 0 END
                FROM dir_events
                WHERE (type IN (?1, ?2) AND version = 1) OR type = ?4
                    OR (type = ?3 AND reason = ?5)";
            let types = params![
                EventType::UserCreated.as_str(),
                EventType::GroupCreated.as_str(),
                EventType::UserDeleted.as_str(),
                EventType::GroupDeleted.as_str(),
                REMOVED
            ];
            session.query(select, types, |row| {
                let what = if row.flag(2)? { "created" } else { "removed" };
                emit(&format!("directory {} {} {what}", row.int(0)?, row.text(1)?), "");
                Ok::<_, StoreError>(())
            })
        },
    )
}

fn last_position(session: &Session<'_>, store: &SqlStore) -> Result<u64, StoreError> {
    store.last_position_in(session).map(|cursor| cursor.parts().1)
}

const RULES: [(&str, &str); 5] = [
    (
        "groups count their members",
        "SELECT 'directory ' || s.directory || ' ' || s.id FROM dir_subjects s
         LEFT JOIN (
             SELECT m.directory, m.holder, count(*) AS members, count(u.id) AS users FROM dir_members m
             LEFT JOIN dir_subjects u ON u.directory = m.directory AND u.id = m.member AND u.kind = 0
             GROUP BY m.directory, m.holder
         ) AS m ON m.directory = s.directory AND m.holder = s.id
         WHERE s.members <> coalesce(m.members, 0) OR s.users <> coalesce(m.users, 0)",
    ),
    (
        "events of a directory are numbered without a gap",
        "SELECT 'directory ' || d.number FROM dir_directories d
         LEFT JOIN (
             SELECT directory, count(*) AS events, max(sequence) AS last, min(sequence) AS first
             FROM dir_events GROUP BY directory
         ) AS e ON e.directory = d.number
         WHERE coalesce(e.events, 0) <> d.sequence OR coalesce(e.last, 0) <> d.sequence
             OR coalesce(e.first, 1) <> 1",
    ),
    (
        "deliveries are of an event and to an endpoint",
        "SELECT 'delivery ' || d.position FROM dir_deliveries d
         LEFT JOIN dir_events e ON e.position = d.event
         LEFT JOIN dir_endpoints w ON w.number = d.endpoint
         WHERE e.position IS NULL OR w.number IS NULL OR e.subject <> d.subject",
    ),
    (
        "deliveries are either waiting or finished",
        "SELECT 'delivery ' || position FROM dir_deliveries
         WHERE state NOT IN (0, 1, 2, 3, 4) OR (state = 0) <> (finished IS NULL) OR attempts < 0
             OR (state IN (1, 2, 3) AND attempts = 0) OR (state <> 0 AND leased_until IS NOT NULL)",
    ),
    (
        "tokens and directories belong to something",
        "SELECT 'token ' || t.id FROM dir_tokens t LEFT JOIN dir_directories d ON d.number = t.directory
         WHERE d.number IS NULL
         UNION ALL
         SELECT 'directory ' || d.id FROM dir_directories d
         LEFT JOIN dir_organizations o ON o.id = d.organization WHERE o.id IS NULL",
    ),
];
