//! How things stood at a place in the feed, by the change log.

use scim_core::{ChangeEntry, FeedCursor, StoreError};

use crate::feed;
use crate::params;
use crate::session::{Engine, Session, int};
use crate::store::SqlStore;

impl SqlStore {
    /// Shows the last change of each resource up to a place in the feed, without members. Those of resources
    /// that were deleted by then are among them.
    ///
    /// # Errors
    /// When the database can't answer, or the first error of `each`.
    pub fn last_changes_in(
        &self,
        session: &Session<'_>,
        cursor: FeedCursor,
        mut each: impl FnMut(ChangeEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let select = format!(
            "SELECT c.seq, {}
             FROM (SELECT max(seq) AS seq FROM {} AS t WHERE t.position <= ?1 GROUP BY t.tenant, t.id) AS l
             JOIN scim_changes c ON c.seq = l.seq",
            feed::columns!(),
            placed(session)
        );
        session.query(&select, params![int(cursor.parts().1)], |row| each(feed::entry(row, self.registry())?))
    }

    /// Shows the memberships at a place in the feed: tenant, holder and member.
    ///
    /// # Errors
    /// When the database can't answer, or the first error of `each`.
    pub fn memberships_in(
        &self,
        session: &Session<'_>,
        cursor: FeedCursor,
        mut each: impl FnMut(&str, &str, &str) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Who is deleted leaves all groups with that change; the groups say so in changes behind it.
        let placed = placed(session);
        let select = format!(
            "SELECT e.tenant, e.holder, e.member FROM (
                 SELECT t.tenant, t.id AS holder, m.member, m.added, row_number() OVER (
                     PARTITION BY t.tenant, t.id, m.member ORDER BY m.seq DESC, m.added DESC) AS place
                 FROM {placed} AS t JOIN scim_change_members m ON m.seq = t.seq WHERE t.position <= ?1
             ) AS e
             LEFT JOIN (
                 SELECT t.tenant, t.id FROM {placed} AS t WHERE t.position <= ?1 AND t.kind = 'deleted'
             ) AS d ON d.tenant = e.tenant AND d.id = e.member
             WHERE e.place = 1 AND e.added = 1 AND d.id IS NULL"
        );
        session.query(&select, params![int(cursor.parts().1)], |row| {
            each(row.text(0)?, row.text(1)?, row.text(2)?)
        })
    }

    /// Shows tenant, type and id of each resource that was created or deleted up to a place in the feed, and
    /// which of the two.
    ///
    /// # Errors
    /// When the database can't answer, or the first error of `each`.
    pub fn comings_and_goings_in(
        &self,
        session: &Session<'_>,
        cursor: FeedCursor,
        mut each: impl FnMut(&str, &str, &str, bool) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let select = format!(
            "SELECT t.tenant, t.type, t.id, CASE t.kind WHEN 'created' THEN 1 ELSE 0 END FROM {} AS t
             WHERE t.position <= ?1 AND t.kind <> 'updated'",
            placed(session)
        );
        session.query(&select, params![int(cursor.parts().1)], |row| {
            each(row.text(0)?, row.text(1)?, row.text(2)?, row.flag(3)?)
        })
    }

    /// The last place in the feed, of changes that have one.
    ///
    /// # Errors
    /// When the database can't answer.
    pub fn last_position_in(&self, session: &Session<'_>) -> Result<FeedCursor, StoreError> {
        let select = format!("SELECT max(t.position) FROM {} AS t", placed(session));
        let last = session.first(&select, &[], |row| row.int_or_null(0))?.flatten().unwrap_or(0);
        Ok(FeedCursor::from_parts(0, last.unsigned_abs()))
    }
}

/// Changes with their places in the feed.
fn placed(session: &Session<'_>) -> &'static str {
    match session.engine() {
        Engine::Sqlite => "(SELECT seq, tenant, type, id, kind, seq AS position FROM scim_changes)",
        Engine::Postgres => {
            "(SELECT c.seq, c.tenant, c.type, c.id, c.kind, p.position
              FROM scim_changes c JOIN scim_positions p ON p.seq = c.seq)"
        }
    }
}
