//! Whether what is stored agrees with itself. Everything is read once or twice from beginning to end, in
//! constant memory.

mod compare;
mod history;

pub use self::compare::{Emit, compare};

use scim_core::StoreError;
use scim_schema::fold;

use crate::error::DatabaseError;
use crate::index::unique_text;
use crate::params;
use crate::rows;
use crate::session::{Engine, Param, Session};
use crate::store::SqlStore;

/// How many examples are kept.
const EXAMPLES: usize = 5;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static str,
    /// How often.
    pub count: u64,
    /// Some of the places: names and ids, no values.
    pub examples: Vec<String>,
    /// Whether it can be made anew from the documents.
    pub fixable: bool,
}

impl Finding {
    /// A rule that is not broken yet.
    pub fn new(rule: &'static str) -> Self {
        Self { rule, count: 0, examples: Vec::new(), fixable: false }
    }

    /// Counts one.
    pub fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    fn fixable(self) -> Self {
        Self { fixable: true, ..self }
    }
}

/// Counts the rows of a query; the first column of each says where it is.
///
/// # Errors
/// When the database can't answer.
pub fn rows_against(
    session: &Session<'_>,
    rule: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Finding, DatabaseError> {
    let mut finding = Finding::new(rule);
    session.query(sql, params, |row| {
        let place = row.text(0)?;
        finding.add(|| place.to_owned());
        Ok::<_, DatabaseError>(())
    })?;
    Ok(finding)
}

/// How many migrations of each namespace a database has.
///
/// # Errors
/// When the database can't answer, or has no tables of this program.
pub fn versions(session: &Session<'_>) -> Result<Vec<(String, i64)>, DatabaseError> {
    let select = "SELECT namespace, version FROM schema_versions ORDER BY namespace";
    session.all(select, &[], |row| Ok((row.owned(0)?, row.int(1)?)))
}

impl SqlStore {
    /// Checks the store's tables. Answers the rules that were checked, also those that hold.
    ///
    /// # Errors
    /// When the database can't answer.
    pub fn check_in(&self, session: &Session<'_>) -> Result<Vec<Finding>, StoreError> {
        let mut findings = vec![files(session)?];
        findings.push(self.documents(session)?);
        for (rule, table) in [
            ("uniqueness keys are those of the documents", Table::Keys),
            ("index values are those of the documents", Table::Values),
        ] {
            findings.push(self.index_rows(session, rule, table)?.fixable());
        }
        findings.push(rows_against(session, "counts are those of the resources", COUNTS, &[])?.fixable());
        findings.push(rows_against(session, "who has members is there", HOLDERS, &[])?);
        findings.push(rows_against(session, "members are there", MEMBERS, &[])?);
        findings.push(member_keys(session)?);
        findings.push(rows_against(session, "versions grow by one in the change log", VERSIONS, &[])?);
        findings.push(rows_against(session, "resources are as the change log left them", LAST, &[])?);
        let left_out = "changes whose documents are those of resources are their only ones";
        findings.push(rows_against(session, left_out, LEFT_OUT, &[])?);
        findings.push(rows_against(session, "resources are in the change log", UNLOGGED, &[])?);
        findings.push(rows_against(session, "members of changes belong to a change", LOST_MEMBERS, &[])?);
        let gaps = if session.engine() == Engine::Sqlite { GAPS } else { GAPS_IN_POSITIONS };
        findings.push(rows_against(session, "the feed has no gap", gaps, &[])?);
        if session.engine() == Engine::Postgres {
            findings.push(rows_against(
                session,
                "each change has one position, or waits for it",
                POSITIONS,
                &[],
            )?);
        }
        Ok(findings)
    }

    /// Makes uniqueness keys, index values and counts anew from the documents.
    ///
    /// # Errors
    /// [`crate::OpenError::NotUnique`] when two documents have a value that must be unique.
    pub async fn fix(&self) -> Result<(), crate::OpenError> {
        self.rebuild_index().await?;
        let fixed = self.database().write(|session: &Session<'_>| {
            session.execute("DELETE FROM scim_counts", &[])?;
            session.execute(
                "INSERT INTO scim_counts (tenant, type, shard, resources)
                 SELECT tenant, type, 0, count(*) FROM scim_resources GROUP BY tenant, type",
                &[],
            )?;
            Ok::<_, DatabaseError>(())
        });
        fixed.await.map_err(|error| error.into_open_error(self.database().place()))
    }

    fn documents(&self, session: &Session<'_>) -> Result<Finding, StoreError> {
        let mut finding = Finding::new("documents can be read, and name their uniqueness keys");
        let select = "SELECT n, tenant, type, id, document, unique_keys FROM scim_resources";
        session.query(select, &[], |row| {
            let document = rows::parse_document(row.text(4)?);
            let keys = rows::unique_from_text(row.text(5)?);
            let is_right = match (self.registry().resource_type(row.text(2)?), document, keys) {
                (Some(resource_type), Ok(document), Ok(keys)) => {
                    document.id() == row.text(3)?
                        && resource_type.unique_keys(&document).iter().all(|key| keys.contains(key))
                }
                (None, Ok(_), Ok(_)) => true,
                _ => false,
            };
            if !is_right {
                let place = format!("{} {}", row.text(1)?, row.text(3)?);
                finding.add(|| place);
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(finding)
    }

    fn index_rows(
        &self,
        session: &Session<'_>,
        rule: &'static str,
        table: Table,
    ) -> Result<Finding, StoreError> {
        compare(
            rule,
            |emit| {
                let select = "SELECT n, tenant, type, document, unique_keys FROM scim_resources";
                session.query(select, &[], |row| {
                    let (n, tenant, name) = (row.int(0)?, row.text(1)?, row.text(2)?);
                    let label = |attribute: &str| format!("{tenant} {name} {attribute} of row {n}");
                    match table {
                        Table::Keys => {
                            for key in rows::unique_from_text(row.text(4)?).unwrap_or_default() {
                                emit(&label(&key.attribute), &unique_text(&key.value));
                            }
                        }
                        Table::Values => {
                            let Ok(document) = rows::parse_document(row.text(3)?) else { return Ok(()) };
                            for (attribute, value) in self.index().values(name, &document) {
                                emit(&label(&attribute), &value);
                            }
                        }
                    }
                    Ok::<_, StoreError>(())
                })
            },
            |emit| {
                let select = match table {
                    Table::Keys => "SELECT tenant, type, attribute, resource, key FROM scim_unique_keys",
                    Table::Values => "SELECT tenant, type, attribute, resource, value FROM scim_values",
                };
                session.query(select, &[], |row| {
                    let (tenant, name) = (row.text(0)?, row.text(1)?);
                    let label = format!("{tenant} {name} {} of row {}", row.text(2)?, row.int(3)?);
                    emit(&label, row.text(4)?);
                    Ok::<_, StoreError>(())
                })
            },
        )
    }
}

#[derive(Clone, Copy)]
enum Table {
    Keys,
    Values,
}

/// What the engine itself finds.
fn files(session: &Session<'_>) -> Result<Finding, DatabaseError> {
    match session.engine() {
        Engine::Sqlite => {
            let mut finding = Finding::new("the file is sound (PRAGMA integrity_check)");
            session.query("PRAGMA integrity_check(100)", params![], |row| {
                let text = row.text(0)?;
                if text != "ok" {
                    finding.add(|| text.lines().last().unwrap_or_default().to_owned());
                }
                Ok::<_, DatabaseError>(())
            })?;
            Ok(finding)
        }
        Engine::Postgres => {
            let select = "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'amcheck')";
            if session.first(select, &[], |row| row.flag(0))? != Some(true) {
                return Ok(Finding::new(
                    "indexes are sound: not checked, the extension amcheck is not installed",
                ));
            }
            // It stops at the first that is not.
            let check = "SELECT count(bt_index_check(c.oid, true)) FROM pg_index i
                JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
                WHERE a.amname = 'btree' AND c.relnamespace = current_schema()::regnamespace
                    AND i.indisvalid AND c.relpersistence = 'p'";
            session.execute(check, &[])?;
            Ok(Finding::new("indexes are sound (amcheck)"))
        }
    }
}

fn member_keys(session: &Session<'_>) -> Result<Finding, DatabaseError> {
    let mut finding = Finding::new("members are found by their ids");
    session.query("SELECT tenant, holder, member, member_key FROM scim_members", &[], |row| {
        if fold(row.text(2)?) != row.text(3)? {
            let place = format!("{} {} {}", row.text(0)?, row.text(1)?, row.text(2)?);
            finding.add(|| place);
        }
        Ok::<_, DatabaseError>(())
    })?;
    Ok(finding)
}

const COUNTS: &str = "SELECT c.tenant || ' ' || c.type FROM (
        SELECT tenant, type, count(*) AS n FROM scim_resources GROUP BY tenant, type
        UNION ALL
        SELECT tenant, type, -resources AS n FROM scim_counts
    ) AS c GROUP BY c.tenant, c.type HAVING sum(c.n) <> 0";

const HOLDERS: &str = "SELECT m.tenant || ' ' || m.holder FROM scim_members m
    LEFT JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.holder WHERE r.n IS NULL";

const MEMBERS: &str = "SELECT m.tenant || ' ' || m.holder || ' has ' || m.member FROM scim_members m
    LEFT JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.member WHERE r.n IS NULL";

const VERSIONS: &str = "SELECT c.tenant || ' ' || c.id FROM (
        SELECT tenant, id, kind, version,
            lag(version) OVER (PARTITION BY tenant, id ORDER BY seq) AS before
        FROM scim_changes
    ) AS c
    WHERE (c.before IS NULL AND (c.version <> 1 OR c.kind <> 'created'))
        OR (c.before IS NOT NULL AND c.version <> c.before + CASE c.kind WHEN 'deleted' THEN 0 ELSE 1 END)";

const LAST: &str = "SELECT c.tenant || ' ' || c.id FROM (
        SELECT max(seq) AS seq FROM scim_changes GROUP BY tenant, id
    ) AS l
    JOIN scim_changes c ON c.seq = l.seq
    LEFT JOIN scim_resources r ON r.tenant = c.tenant AND r.id = c.id
    WHERE (c.kind = 'deleted' AND r.n IS NOT NULL) OR (c.kind <> 'deleted' AND r.n IS NULL)
        OR r.version <> c.version OR (r.document <> c.document AND c.document <> '') OR r.type <> c.type";

const LEFT_OUT: &str = "SELECT 'change ' || c.seq FROM scim_changes c
    LEFT JOIN scim_resources r ON r.tenant = c.tenant AND r.id = c.id
    WHERE c.document = '' AND (r.n IS NULL OR r.version <> 1 OR r.created_by IS NULL OR r.created_by <> c.seq)";

const UNLOGGED: &str = "SELECT r.tenant || ' ' || r.id FROM scim_resources r
    LEFT JOIN (SELECT tenant, id FROM scim_changes GROUP BY tenant, id) AS c
        ON c.tenant = r.tenant AND c.id = r.id
    WHERE c.id IS NULL";

const LOST_MEMBERS: &str = "SELECT 'change ' || m.seq FROM scim_change_members m
    LEFT JOIN scim_changes c ON c.seq = m.seq WHERE c.seq IS NULL";

const GAPS: &str = "SELECT 'behind ' || c.before FROM (
        SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM scim_changes
    ) AS c WHERE c.seq <> c.before + 1";

const GAPS_IN_POSITIONS: &str = "SELECT 'behind ' || p.before FROM (
        SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS before FROM scim_positions
    ) AS p WHERE p.position <> p.before + 1
    UNION ALL
    SELECT 'at the end' FROM scim_feed
    WHERE last <> (SELECT coalesce(max(position), 0) FROM scim_positions)";

const POSITIONS: &str = "SELECT 'change ' || x.seq FROM (
        SELECT seq, 1 AS there, 0 AS placed FROM scim_changes
        UNION ALL SELECT seq, 0, 1 FROM scim_positions
        UNION ALL SELECT seq, 0, 1 FROM scim_unsequenced
    ) AS x GROUP BY x.seq HAVING sum(x.there) <> 1 OR sum(x.placed) <> 1";
