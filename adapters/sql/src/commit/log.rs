//! The change log, written with the change.

use scim_core::{ChangeKind, Member, Write};

use super::{Commit, Current};
use crate::error::DatabaseError;
use crate::params;
use crate::session::{Engine, Statement};

const LOG: &str = "INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
         changes, cause, request_id, time)
     SELECT tenant, type, id, ?2, version, created, modified, document, ?3, ?4, ?5, ?6
     FROM scim_resources WHERE n = ?1";

/// Of a resource that is created here. Its document is left out until it becomes another.
const LOG_CREATION: &str =
    "INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document, cause,
         request_id, time)
     VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, '', ?6, ?7, ?5)";

/// Puts the document of a resource into the change that created it.
const KEEP_DOCUMENT: &str =
    "UPDATE scim_changes SET document = (SELECT document FROM scim_resources WHERE n = ?1)
     WHERE seq = (SELECT created_by FROM scim_resources WHERE n = ?1) AND document = ''";

const LOG_MEMBER: &str =
    "INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const LOG_MEMBERS_ON_POSTGRES: &str =
    "INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
     SELECT ?1, 1, m.position, m.member, m.member_type, m.display
     FROM unnest(?2, ?3, ?4) WITH ORDINALITY AS m (member, member_type, display, position)";

/// With the members that came or went: the first `?10` of them came.
const LOG_ON_POSTGRES: &str =
    "WITH logged AS (
         INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
             changes, cause, request_id, time)
         SELECT tenant, type, id, ?2, version, created, modified, document, ?3, ?4, ?5, ?6
         FROM scim_resources WHERE n = ?1
         RETURNING seq),
     unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged)
     INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
     SELECT logged.seq, CASE WHEN m.position <= ?10 THEN 1 ELSE 0 END, m.position, m.member, m.member_type, m.display
     FROM logged, unnest(?7, ?8, ?9) WITH ORDINALITY AS m (member, member_type, display, position)";

impl Commit<'_> {
    /// Records a resource before it is in the table. Answers the number of the change.
    pub(super) fn log_creation(&self, write: &Write) -> Result<i64, DatabaseError> {
        let (name, cause) = (write.resource_type.name(), &self.batch.cause);
        let params = params![
            self.tenant,
            name,
            &write.id,
            ChangeKind::Created.as_str(),
            self.batch.now.unix_micros(),
            &cause.kind,
            &cause.request_id
        ];
        Ok(self.session.insert(LOG_CREATION, params, "seq")?.unwrap_or_default())
    }

    /// Records with whom a resource was created.
    pub(super) fn log_first_members(&self, change: i64, members: &[Member]) -> Result<(), DatabaseError> {
        if members.is_empty() {
            return Ok(());
        }
        if self.session.engine() == Engine::Postgres {
            let columns = Columns::of(members.iter());
            let params = params![change, &columns.ids, &columns.types, &columns.displays];
            return self.session.execute(LOG_MEMBERS_ON_POSTGRES, params).map(drop);
        }
        self.log_members(change, 1, members)
    }

    /// What must be done before the first change of a resource behind its creation.
    pub(super) fn keep_document(current: &Current) -> Option<Statement<'static>> {
        (current.version == 1).then(|| Statement::new(KEEP_DOCUMENT, params![current.n]))
    }

    /// Records resources as they are in the table now.
    pub(super) fn log(&self, entries: &[Entry<'_>]) -> Result<(), DatabaseError> {
        self.log_after(Vec::new(), entries)
    }

    /// Runs statements, and then records resources as they are in the table.
    pub(super) fn log_after(
        &self,
        statements: Vec<Statement<'_>>,
        entries: &[Entry<'_>],
    ) -> Result<(), DatabaseError> {
        match self.session.engine() {
            Engine::Sqlite => {
                self.session.batch(&statements)?;
                entries.iter().try_for_each(|entry| self.log_one(entry))
            }
            Engine::Postgres => self.log_together(statements, entries),
        }
    }

    fn log_one(&self, entry: &Entry<'_>) -> Result<(), DatabaseError> {
        let cause = &self.batch.cause;
        let params = params![
            entry.n,
            entry.kind.as_str(),
            entry.changes,
            &cause.kind,
            &cause.request_id,
            self.batch.now.unix_micros()
        ];
        let change = self.session.insert(LOG, params, "seq")?.unwrap_or_default();
        self.log_members(change, 1, entry.added)?;
        self.log_members(change, 0, entry.removed)
    }

    fn log_members(&self, change: i64, is_added: i64, members: &[Member]) -> Result<(), DatabaseError> {
        for (member, position) in members.iter().zip(1i64..) {
            let (kind, display) = (member.resource_type.as_deref(), member.display.as_deref());
            let params = params![change, is_added, position, &member.id, kind, display];
            self.session.execute(LOG_MEMBER, params)?;
        }
        Ok(())
    }

    fn log_together(
        &self,
        statements: Vec<Statement<'_>>,
        entries: &[Entry<'_>],
    ) -> Result<(), DatabaseError> {
        let columns: Vec<Columns<'_>> =
            entries.iter().map(|e| Columns::of(e.added.iter().chain(e.removed))).collect();
        let cause = &self.batch.cause;
        let mut statements: Vec<Statement<'_>> = statements;
        statements
            .extend(entries.iter().zip(&columns).map(|(e, columns)| self.log_statement(cause, e, columns)));
        self.session.batch(&statements).map(|_| ())
    }

    fn log_statement<'a>(
        &self,
        cause: &'a scim_core::Cause,
        entry: &'a Entry<'_>,
        columns: &'a Columns<'_>,
    ) -> Statement<'a> {
        let params = params![
            entry.n,
            entry.kind.as_str(),
            entry.changes,
            &cause.kind,
            &cause.request_id,
            self.batch.now.unix_micros(),
            &columns.ids,
            &columns.types,
            &columns.displays,
            entry.added.len() as u64
        ];
        Statement::new(LOG_ON_POSTGRES, params)
    }
}

/// What is recorded of a change.
pub(super) struct Entry<'e> {
    n: i64,
    kind: ChangeKind,
    changes: Option<&'e str>,
    added: &'e [Member],
    removed: &'e [Member],
}

impl<'e> Entry<'e> {
    pub(super) fn new(current: &Current, kind: ChangeKind) -> Self {
        Self { n: current.n, kind, changes: None, added: &[], removed: &[] }
    }

    pub(super) fn changes(self, changes: Option<&'e str>) -> Self {
        Self { changes, ..self }
    }

    pub(super) fn members(self, added: &'e [Member], removed: &'e [Member]) -> Self {
        Self { added, removed, ..self }
    }
}

/// Members, as arrays.
pub(super) struct Columns<'m> {
    pub(super) ids: Vec<Option<&'m str>>,
    pub(super) types: Vec<Option<&'m str>>,
    pub(super) displays: Vec<Option<&'m str>>,
}

impl<'m> Columns<'m> {
    pub(super) fn of(members: impl Iterator<Item = &'m Member>) -> Self {
        let mut columns = Self { ids: Vec::new(), types: Vec::new(), displays: Vec::new() };
        for member in members {
            columns.ids.push(Some(&member.id));
            columns.types.push(member.resource_type.as_deref());
            columns.displays.push(member.display.as_deref());
        }
        columns
    }
}
