//! Users, groups and events, as the application may ask for them.

use scim_schema::Value;
use scim_sql::params;

use super::Directories;
use super::log::{SELECT_EVENT, read_event};
use crate::error::DirectoryError;
use crate::event::Event;
use crate::id::DirectoryId;
use crate::projection::{Kind, Place, SubjectRow, read_subject};

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

const NO_DIRECTORY: DirectoryError = DirectoryError::NotFound { what: "directory" };

fn rows_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
