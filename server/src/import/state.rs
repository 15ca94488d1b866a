//! How far an import has come: kept in the database, in the transaction of the writes that it covers.

use anyhow::Result;
use scim_sql::{Database, DatabaseError, Migration, Session, params};
use serde::{Deserialize, Serialize};

use super::prepare::Pass;
use super::source::Place;
use crate::environment::new_request_id;

/// The name under which the database counts the migrations.
pub(super) const NAMESPACE: &str = "import";

/// Imports that are not finished. `state` is JSON.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    up: "CREATE TABLE import_runs (
             directory TEXT NOT NULL,
             fingerprint TEXT NOT NULL,
             state TEXT NOT NULL,
             PRIMARY KEY (directory, fingerprint)
         ) WITHOUT ROWID, STRICT;",
    down: "DROP TABLE import_runs;",
}];

/// What is done of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Identifies the import, in the cause of its changes.
    pub(super) run: String,
    pub(super) pass: Pass,
    pub(super) place: Place,
    /// Where the first line of a type with members begins.
    pub(super) holders: Option<Place>,
    /// How many lines named members that were not there.
    pub(super) unresolved: u64,
    pub(super) counts: Counts,
    /// How much of the file of rejected lines is of lines before the place.
    pub(super) rejects_bytes: u64,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    pub(super) rejected: u64,
}

impl Counts {
    pub(super) fn add(&mut self, more: Self) {
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.rejected += more.rejected;
    }

    /// Lines that something became of.
    pub(super) fn all(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.rejected
    }
}

/// An import: which file into which directory.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) directory: String,
    pub(super) fingerprint: String,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            run: new_request_id(),
            pass: Pass::Single,
            place: Place::default(),
            holders: None,
            unresolved: 0,
            counts: Counts::default(),
            rejects_bytes: 0,
        }
    }

    fn text(&self) -> String {
        // Numbers and short texts always have a text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Run {
    /// Where the import was left, or its beginning. Whether it goes on.
    pub(super) async fn begin(&self, database: &Database, restart: bool) -> Result<(State, bool)> {
        let run = self.clone();
        let fresh = State::new();
        let found = database
            .write(move |session| {
                if restart {
                    run.end(session)?;
                }
                let insert = "INSERT INTO import_runs (directory, fingerprint, state) VALUES (?1, ?2, ?3)
                    ON CONFLICT DO NOTHING";
                session.execute(insert, params![&run.directory, &run.fingerprint, &fresh.text()])?;
                let select = "SELECT state FROM import_runs WHERE directory = ?1 AND fingerprint = ?2";
                let text =
                    session.first(select, params![&run.directory, &run.fingerprint], |row| row.owned(0))?;
                Ok::<_, DatabaseError>(text.unwrap_or_default())
            })
            .await?;
        let state: State = serde_json::from_str(&found)?;
        let goes_on = state.place != Place::default() || state.pass != Pass::Single;
        Ok((state, goes_on))
    }

    /// Moves from one state to the next. `false` if it was not in that state: somebody else moves it too.
    pub(super) fn advance(
        &self,
        session: &Session<'_>,
        from: &State,
        to: &State,
    ) -> Result<bool, DatabaseError> {
        let update = "UPDATE import_runs SET state = ?3
            WHERE directory = ?1 AND fingerprint = ?2 AND state = ?4";
        let (to, from) = (to.text(), from.text());
        Ok(session.execute(update, params![&self.directory, &self.fingerprint, &to, &from])? > 0)
    }

    /// Forgets an import that is finished.
    pub(super) fn end(&self, session: &Session<'_>) -> Result<(), DatabaseError> {
        let delete = "DELETE FROM import_runs WHERE directory = ?1 AND fingerprint = ?2";
        session.execute(delete, params![&self.directory, &self.fingerprint]).map(drop)
    }
}
