//! Recording SETs in the transaction of their event.

use std::sync::LazyLock;

use scim_core::{ChangeEntry, Registry};
use scim_set::{Activity, Claims, Content, EventUri, SetEvent, events, subject};
use scim_sql::{Session, Statement, params};

use crate::directories::{read_content, read_event_uris, split};
use crate::error::DirectoryError;
use crate::id::EventId;
use crate::projection::Place;

/// Users and groups are those of the RFC.
static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

/// The SETs of one transaction. They are kept until [`Outbox::finish`], which writes them together.
pub(crate) struct Outbox<'t> {
    session: &'t Session<'t>,
    streams: Vec<Wanting>,
    rows: Vec<Row>,
}

/// A SET that is not written yet.
struct Row {
    stream: i64,
    directory: i64,
    id: String,
    claims: String,
}

/// What a stream wants.
struct Wanting {
    number: i64,
    event_uris: Vec<EventUri>,
    content: Content,
    organizations: Vec<String>,
    directories: Vec<String>,
}

impl<'t> Outbox<'t> {
    pub(crate) fn open(session: &'t Session<'t>) -> Result<Self, DirectoryError> {
        let select = "SELECT number, event_uris, content, organizations, directories FROM dir_set_streams
            WHERE enabled = 1 ORDER BY number";
        let streams = session.all(select, params![], |row| {
            Ok::<_, DirectoryError>(Wanting {
                number: row.int(0)?,
                event_uris: read_event_uris(row.text(1)?),
                content: read_content(row.text(2)?),
                organizations: split(row.text(3)?).collect(),
                directories: split(row.text(4)?).collect(),
            })
        })?;
        Ok(Self { session, streams, rows: Vec::new() })
    }

    /// Appends what an event's change means for each stream that wants to know of it.
    pub(crate) fn append(
        &mut self,
        event: &EventId,
        entry: &ChangeEntry,
        place: &Place,
        activity: Option<Activity>,
    ) {
        for content in [Content::Full, Content::Notice] {
            let streams = || self.streams.iter().filter(|s| s.content == content && s.is_of(place));
            if streams().next().is_none() {
                continue;
            }
            let told = events(entry, &REGISTRY, activity, content);
            for stream in streams() {
                let events: Vec<SetEvent> = told.iter().filter(|e| stream.wants(e.uri)).cloned().collect();
                if !events.is_empty() {
                    // Streams get different SETs of one change, so these have different names.
                    let id = format!("{event}.{}", stream.number);
                    let claims = claims(&id, entry, place, events).to_json();
                    self.rows.push(Row { stream: stream.number, directory: place.number, id, claims });
                }
            }
        }
    }

    /// Writes what was appended, in its order.
    pub(crate) fn finish(self) -> Result<(), DirectoryError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let insert = "INSERT INTO dir_sets (stream, directory, jti, claims) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO NOTHING";
        let mut statements = Vec::with_capacity(self.rows.len());
        for Row { stream, directory, id, claims } in &self.rows {
            statements.push(Statement::new(insert, params![*stream, *directory, id, claims]));
        }
        self.session.batch(&statements)?;
        Ok(())
    }
}

impl Wanting {
    fn is_of(&self, place: &Place) -> bool {
        (self.organizations.is_empty() || self.organizations.contains(&place.organization_id))
            && (self.directories.is_empty() || self.directories.contains(&place.directory_id))
    }

    fn wants(&self, uri: EventUri) -> bool {
        self.event_uris.is_empty() || self.event_uris.iter().any(|wanted| wanted.is_like(uri))
    }
}

fn claims(id: &str, entry: &ChangeEntry, place: &Place, events: Vec<SetEvent>) -> Claims {
    Claims {
        id: id.to_owned(),
        issued_at: entry.time.unix_seconds(),
        transaction: Some(entry.cause.request_id.clone()),
        subject: subject(entry, &REGISTRY),
        events,
        // A stream may have several directories; the subject's path is below the base URL of one.
        more: vec![
            ("organization_id", place.organization_id.clone()),
            ("directory_id", place.directory_id.clone()),
        ],
    }
}
