//! Users, groups and events, as the application may ask for them.

use scim_schema::{DateTime, Value};
use scim_sql::params;

use super::Directories;
use super::log::{SELECT_EVENT, read_event};
use crate::error::DirectoryError;
use crate::event::Event;
use crate::id::DirectoryId;
use crate::projection::{Kind, Place, SubjectRow, read_subject};

/// A place in the users or groups of a directory, in the order in which they changed: behind one of that id that changed
/// last at that time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct UpdatePlace {
    /// In microseconds since 1970-01-01T00:00:00Z.
    pub updated: i64,
    /// The id.
    pub id: String,
}

impl UpdatePlace {
    /// Behind all that changed up to a time.
    pub fn after(time: DateTime) -> Self {
        Self { updated: time.unix_micros().saturating_add(1), id: String::new() }
    }
}

impl Directories {
    /// Normalised users of a directory in order of their ids, from behind `after`, at most `limit`.
    ///
    /// They are as of the last event of the directory: `sequence` is that of the last event of the user.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn users(
        &self,
        directory: &DirectoryId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, DirectoryError> {
        self.list(Kind::User, directory, after, limit).await
    }

    /// Normalised groups of a directory, as [`Directories::users`].
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn groups(
        &self,
        directory: &DirectoryId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, DirectoryError> {
        self.list(Kind::Group, directory, after, limit).await
    }

    /// Normalised users of a directory in the order in which they or their groups changed last, each with its place,
    /// from behind `after`, at most `limit`. Who changes meanwhile moves to a later place: who reads on from the last
    /// place misses none of those who were there at the beginning, and may meet one twice.
    ///
    /// Who was deleted is not among them.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn updated_users(
        &self,
        directory: &DirectoryId,
        after: &UpdatePlace,
        limit: usize,
    ) -> Result<Vec<(UpdatePlace, Value)>, DirectoryError> {
        self.updated(Kind::User, directory, after, limit).await
    }

    /// Normalised groups of a directory, as [`Directories::updated_users`].
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn updated_groups(
        &self,
        directory: &DirectoryId,
        after: &UpdatePlace,
        limit: usize,
    ) -> Result<Vec<(UpdatePlace, Value)>, DirectoryError> {
        self.updated(Kind::Group, directory, after, limit).await
    }

    /// One normalised user.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn user(&self, directory: &DirectoryId, id: &str) -> Result<Option<Value>, DirectoryError> {
        self.one(Kind::User, directory, id).await
    }

    /// One normalised group.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn group(&self, directory: &DirectoryId, id: &str) -> Result<Option<Value>, DirectoryError> {
        self.one(Kind::Group, directory, id).await
    }

    /// The events of a directory behind a sequence number, at most `limit`, the oldest first.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn events(
        &self,
        directory: &DirectoryId,
        after_sequence: u64,
        limit: usize,
    ) -> Result<Vec<Event>, DirectoryError> {
        let directory = directory.clone();
        self.database()
            .read(move |session| {
                let select = format!(
                    "{SELECT_EVENT} WHERE d.id = ?1 AND e.sequence > ?2 ORDER BY e.sequence LIMIT ?3"
                );
                let params = params![directory.as_str(), after_sequence, rows_limit(limit)];
                let events = session.all(&select, params, read_event)?;
                Ok(events.into_iter().flatten().map(|logged| logged.event).collect())
            })
            .await
    }

    async fn list(
        &self,
        kind: Kind,
        directory: &DirectoryId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, DirectoryError> {
        let (this, directory, after) =
            (self.clone(), directory.clone(), after.unwrap_or_default().to_owned());
        self.database()
            .read(move |session| {
                let place = Place::find(session, directory.as_str())?.ok_or(NO_DIRECTORY)?;
                let select = "SELECT id FROM dir_subjects
                    WHERE directory = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
                let params = params![place.number, kind.code(), &after, rows_limit(limit)];
                let ids: Vec<String> = session.all(select, params, |row| row.owned(0))?;
                let mut values = Vec::with_capacity(ids.len());
                for id in ids {
                    if let Some(row) = read_subject(session, &place, &id)? {
                        values.push(this.normalized(&place, &row));
                    }
                }
                Ok(values)
            })
            .await
    }

    async fn updated(
        &self,
        kind: Kind,
        directory: &DirectoryId,
        after: &UpdatePlace,
        limit: usize,
    ) -> Result<Vec<(UpdatePlace, Value)>, DirectoryError> {
        let (this, directory, after) = (self.clone(), directory.clone(), after.clone());
        self.database()
            .read(move |session| {
                let place = Place::find(session, directory.as_str())?.ok_or(NO_DIRECTORY)?;
                let params = params![place.number, kind.code(), after.updated, &after.id, rows_limit(limit)];
                let ids: Vec<String> = session.all(SELECT_UPDATED, params, |row| row.owned(0))?;
                let mut values = Vec::with_capacity(ids.len());
                for id in ids {
                    if let Some(row) = read_subject(session, &place, &id)? {
                        let value = this.normalized(&place, &row);
                        values.push((UpdatePlace { updated: row.updated, id }, value));
                    }
                }
                Ok(values)
            })
            .await
    }

    async fn one(
        &self,
        kind: Kind,
        directory: &DirectoryId,
        id: &str,
    ) -> Result<Option<Value>, DirectoryError> {
        let (this, directory, id) = (self.clone(), directory.clone(), id.to_owned());
        self.database()
            .read(move |session| {
                let place = Place::find(session, directory.as_str())?.ok_or(NO_DIRECTORY)?;
                let row = read_subject(session, &place, &id)?.filter(|row| row.kind == kind);
                Ok(row.map(|row| this.normalized(&place, &row)))
            })
            .await
    }

    fn normalized(&self, place: &Place, row: &SubjectRow) -> Value {
        let subject = row.subject(place, row.sequence);
        Value::Object(match row.kind {
            Kind::User => self.normalizer().user(&subject, &row.told.groups),
            Kind::Group => self.normalizer().group(&subject, row.told.counts),
        })
    }
}

const SELECT_UPDATED: &str = "SELECT id FROM dir_subjects
    WHERE directory = ?1 AND kind = ?2 AND (updated, id) > (?3, ?4) ORDER BY updated, id LIMIT ?5";
const NO_DIRECTORY: DirectoryError = DirectoryError::NotFound { what: "directory" };

fn rows_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
