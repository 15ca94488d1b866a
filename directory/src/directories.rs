//! The face of the domain: organizations, directories, tokens, endpoints, and what is known of them.

mod api_keys;
mod audit;
mod credential;
mod endpoint_keys;
mod endpoints;
mod known_tokens;
mod log;
mod messages;
mod reads;
mod retention;
mod sample;
mod set_keys;
mod set_streams;
mod tokens;
mod trial;
mod waiting;

pub use audit::{AuditExtent, AuditPlaces, AuditRange, AuditRecord};
pub(crate) use endpoint_keys::{Key, signing};
pub(crate) use endpoints::{number_of, open_headers, read_event_types, split};
pub(crate) use log::wait_for_events;
pub use log::{Direction, EventFilter, LogPage, LogPosition, LoggedEvent};
pub use reads::UpdatePlace;
pub(crate) use set_streams::{read_content, read_event_uris};
pub use waiting::Waiting;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use scim_core::Cause;
use scim_schema::{DateTime, Object};
use scim_set::SigningKey;
use scim_sql::{Database, DatabaseError, Engine, Row, Session, params};
use scim_webhook::Policy;
use tokio::sync::{Notify, watch};

use self::known_tokens::KnownTokens;
use crate::error::DirectoryError;
use crate::event::{EventOptions, EventType};
use crate::holders::{Burials, end_all_leases};
use crate::id::{DirectoryId, EnvironmentId, OrganizationId, new_id};
use crate::keys::Keys;
use crate::lock::Lock;
use crate::log::{Log, NewEvent};
use crate::metrics::Metrics;
use crate::model::{Directory, NewDirectory, NewOrganization, Organization, Provider};
use crate::normalize::Normalizer;
use crate::projection::Place;
use crate::tables::{MIGRATIONS, NAMESPACE};

/// How long a name may be, in bytes.
const NAME_LIMIT: usize = 256;

/// Organizations and their directories, tokens, endpoints, events. Clones share everything.
///
/// All state is in the database.
#[derive(Clone, Debug)]
pub struct Directories {
    inner: Arc<Inner>,
    normalizer: Normalizer,
    event_options: EventOptions,
    endpoint_policy: Policy,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    keys: Keys,
    environment_id: EnvironmentId,
    /// Told when there may be new deliveries.
    new_deliveries: Notify,
    /// Changes when there are new events.
    written: watch::Sender<()>,
    /// Until when no use of a token is recorded, because the database could not do it: microseconds since
    /// 1970-01-01T00:00:00Z.
    no_records_until: AtomicI64,
    known_tokens: KnownTokens,
    metrics: Metrics,
    burials: Burials,
    /// The key that SETs were last signed with.
    set_key: Mutex<Option<SigningKey>>,
}

impl Directories {
    /// Uses a database, which may be the one that holds the SCIM resources.
    ///
    /// # Errors
    /// When the tables can't be made or brought up to date; [`DirectoryError::WrongKeys`] when the database
    /// was first used with other keys.
    pub async fn open(database: Database, keys: Keys) -> Result<Self, DirectoryError> {
        database.migrate(NAMESPACE, MIGRATIONS).await?;
        let fingerprint = keys.fingerprint();
        let environment_id = database.write(move |session| begin(session, &fingerprint)).await?;
        let inner = Inner {
            database,
            keys,
            environment_id,
            new_deliveries: Notify::new(),
            written: watch::Sender::new(()),
            no_records_until: AtomicI64::new(i64::MIN),
            known_tokens: KnownTokens::default(),
            metrics: Metrics::default(),
            burials: Burials::default(),
            set_key: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            normalizer: Normalizer::default(),
            event_options: EventOptions::default(),
            endpoint_policy: Policy::default(),
        })
    }

    /// How many migrations the tables of this version have, by namespace.
    pub fn versions() -> Vec<(&'static str, usize)> {
        vec![(NAMESPACE, MIGRATIONS.len())]
    }

    /// Normalises in this way.
    #[must_use]
    pub fn with_normalizer(self, normalizer: Normalizer) -> Self {
        Self { normalizer, ..self }
    }

    /// Tells changes in this way.
    #[must_use]
    pub fn with_event_options(self, event_options: EventOptions) -> Self {
        Self { event_options, ..self }
    }

    /// Allows endpoints what the sender of their deliveries allows.
    #[must_use]
    pub fn with_endpoint_policy(self, policy: Policy) -> Self {
        Self { endpoint_policy: policy, ..self }
    }

    /// Lets endpoints have plain HTTP URLs on this machine, for development.
    #[must_use]
    pub fn with_loopback_http(self, allow: bool) -> Self {
        let endpoint_policy = Policy { allow_loopback_http: allow, ..self.endpoint_policy };
        Self { endpoint_policy, ..self }
    }

    /// The environment that the database is.
    pub fn environment_id(&self) -> &EnvironmentId {
        &self.inner.environment_id
    }

    /// Which engine the database has.
    pub fn engine(&self) -> Engine {
        self.inner.database.engine()
    }

    /// Counts of the work that goes on in this process.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn burials(&self) -> &Burials {
        &self.inner.burials
    }

    /// Creates an organization.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for an empty or overlong name, [`DirectoryError::Taken`] when another
    /// organization has the external id.
    pub async fn create_organization(
        &self,
        new: NewOrganization,
        now: DateTime,
    ) -> Result<Organization, DirectoryError> {
        let organization = fresh_organization(new, now)?;
        let row = organization.clone();
        self.database().write(move |session| insert_organization(session, &row)).await?;
        tracing::info!(organization = %organization.id, "organization created");
        Ok(organization)
    }

    /// The organization with the external id, or without one the oldest of that name; created if it is not
    /// there. Of several processes that ask at the same time, one creates it.
    ///
    /// # Errors
    /// As [`Directories::create_organization`].
    pub async fn find_or_create_organization(
        &self,
        new: NewOrganization,
        now: DateTime,
    ) -> Result<Organization, DirectoryError> {
        let wanted = fresh_organization(new, now)?;
        self.database()
            .write(move |session| {
                exclude(session)?;
                let (column, value) = match &wanted.external_id {
                    Some(external_id) => ("external_id", external_id),
                    None => ("display_name", &wanted.display_name),
                };
                let select =
                    format!("{SELECT_ORGANIZATION} WHERE {column} = ?1 ORDER BY created, id LIMIT 1");
                if let Some(there) = session.first(&select, params![value], read_organization)? {
                    return Ok(there);
                }
                insert_organization(session, &wanted)?;
                Ok(wanted.clone())
            })
            .await
    }

    /// All organizations, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn organizations(&self) -> Result<Vec<Organization>, DirectoryError> {
        self.database()
            .read(|session| {
                let select = format!("{SELECT_ORGANIZATION} ORDER BY created, id");
                session.all(&select, params![], read_organization)
            })
            .await
    }

    /// Creates a directory of an organization. It is enabled at once.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for an empty or overlong name, [`DirectoryError::NotFound`] without the
    /// organization.
    pub async fn create_directory(
        &self,
        organization: &OrganizationId,
        new: NewDirectory,
        now: DateTime,
    ) -> Result<Directory, DirectoryError> {
        let directory = fresh_directory(organization, new, now)?;
        let row = directory.clone();
        self.database().write(move |session| insert_directory(session, &row)).await?;
        tracing::info!(directory = %directory.id, organization = %directory.organization_id, "directory created");
        Ok(directory)
    }

    /// The oldest directory of that name of an organization; created if it is not there. Of several processes
    /// that ask at the same time, one creates it.
    ///
    /// # Errors
    /// As [`Directories::create_directory`].
    pub async fn find_or_create_directory(
        &self,
        organization: &OrganizationId,
        new: NewDirectory,
        now: DateTime,
    ) -> Result<Directory, DirectoryError> {
        let wanted = fresh_directory(organization, new, now)?;
        self.database()
            .write(move |session| {
                exclude(session)?;
                let select = format!(
                    "{SELECT_DIRECTORY} WHERE organization = ?1 AND name = ?2 ORDER BY number LIMIT 1"
                );
                let key = params![wanted.organization_id.as_str(), &wanted.name];
                if let Some(there) = session.first(&select, key, read_directory)? {
                    return Ok(there);
                }
                insert_directory(session, &wanted)?;
                Ok(wanted.clone())
            })
            .await
    }

    /// All directories, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn directories(&self) -> Result<Vec<Directory>, DirectoryError> {
        self.database()
            .read(|session| {
                let select = format!("{SELECT_DIRECTORY} ORDER BY number");
                session.all(&select, params![], read_directory)
            })
            .await
    }

    /// One directory.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn directory(&self, id: &DirectoryId) -> Result<Option<Directory>, DirectoryError> {
        let id = id.clone();
        self.database()
            .look_up(move |session| {
                let select = format!("{SELECT_DIRECTORY} WHERE id = ?1");
                session.first(&select, params![id.as_str()], read_directory)
            })
            .await
    }

    /// Lets the directory's identity provider in, or keeps it out, and tells so by an event.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_directory_enabled(
        &self,
        id: &DirectoryId,
        enabled: bool,
        now: DateTime,
    ) -> Result<(), DirectoryError> {
        let (this, row) = (self.clone(), id.clone());
        self.switch(id, "enabled", enabled, move |session| tell_switched(session, &this, &row, enabled, now))
            .await?;
        self.tell_readers();
        Ok(())
    }

    /// Keeps the events of a directory back, or lets them go. The identity provider is let in all the same, and
    /// what it changes is recorded: nothing is lost while the application is under maintenance.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_delivery_paused(&self, id: &DirectoryId, paused: bool) -> Result<(), DirectoryError> {
        self.switch(id, "delivery_paused", paused, |_| Ok(())).await
    }

    /// Sets a flag of a directory; `then` is done in the same transaction if that changes it.
    async fn switch(
        &self,
        id: &DirectoryId,
        flag: &'static str,
        on: bool,
        then: impl Fn(&Session<'_>) -> Result<(), DirectoryError> + Send + 'static,
    ) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write(move |session| {
                // Before the row of the directory, as the relay does.
                crate::log::lock(session)?;
                let update = format!("UPDATE dir_directories SET {flag} = ?2 WHERE id = ?1 AND {flag} <> ?2");
                if session.execute(&update, params![row.as_str(), on])? > 0 {
                    return then(session);
                }
                let select = format!("{SELECT_DIRECTORY} WHERE id = ?1");
                let found = session.first(&select, params![row.as_str()], read_directory)?;
                found.map(drop).ok_or(DirectoryError::NotFound { what: "directory" })
            })
            .await?;
        tracing::info!(directory = %id, flag, on, "directory switched");
        self.new_deliveries().notify_one();
        Ok(())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    pub(crate) fn event_options(&self) -> EventOptions {
        self.event_options
    }

    pub(crate) fn new_deliveries(&self) -> &Notify {
        &self.inner.new_deliveries
    }
}

const SELECT_ORGANIZATION: &str = "SELECT id, display_name, external_id, created FROM dir_organizations";

const SELECT_DIRECTORY: &str =
    "SELECT id, organization, name, provider, enabled, created, sequence, delivery_paused
    FROM dir_directories";

fn fresh_organization(new: NewOrganization, now: DateTime) -> Result<Organization, DirectoryError> {
    check_name("display_name", &new.display_name)?;
    if let Some(external_id) = &new.external_id {
        check_name("external_id", external_id)?;
    }
    Ok(Organization {
        id: OrganizationId::random(),
        display_name: new.display_name,
        external_id: new.external_id,
        created: now,
    })
}

fn insert_organization(session: &Session<'_>, row: &Organization) -> Result<(), DirectoryError> {
    let insert = "INSERT INTO dir_organizations (id, display_name, external_id, created)
        VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let external_id = row.external_id.as_deref();
    let values = params![row.id.as_str(), &row.display_name, external_id, row.created.unix_micros()];
    match session.execute(insert, values)? {
        0 => Err(DirectoryError::Taken { field: "external_id" }),
        _ => Ok(()),
    }
}

fn read_organization(row: &Row<'_>) -> Result<Organization, DirectoryError> {
    Ok(Organization {
        id: OrganizationId::stored(row.owned(0)?),
        display_name: row.owned(1)?,
        external_id: row.owned_or_null(2)?,
        created: DateTime::from_unix_micros(row.int(3)?),
    })
}

fn fresh_directory(
    organization: &OrganizationId,
    new: NewDirectory,
    now: DateTime,
) -> Result<Directory, DirectoryError> {
    check_name("name", &new.name)?;
    Ok(Directory {
        id: DirectoryId::random(),
        organization_id: organization.clone(),
        name: new.name,
        provider: new.provider,
        enabled: true,
        delivery_paused: false,
        created: now,
        sequence: 0,
    })
}

fn insert_directory(session: &Session<'_>, row: &Directory) -> Result<(), DirectoryError> {
    let insert = "INSERT INTO dir_directories
            (id, organization, name, provider, state, enabled, delivery_paused, created, sequence)
        SELECT ?1, id, ?3, ?4, 'active', 1, 0, ?5, 0 FROM dir_organizations WHERE id = ?2";
    let values = params![
        row.id.as_str(),
        row.organization_id.as_str(),
        &row.name,
        row.provider.as_str(),
        row.created.unix_micros()
    ];
    match session.execute(insert, values)? {
        0 => Err(DirectoryError::NotFound { what: "organization" }),
        _ => Ok(()),
    }
}

fn read_directory(row: &Row<'_>) -> Result<Directory, DirectoryError> {
    Ok(Directory {
        id: DirectoryId::stored(row.owned(0)?),
        organization_id: OrganizationId::stored(row.owned(1)?),
        name: row.owned(2)?,
        provider: Provider::parse(row.text(3)?).unwrap_or_default(),
        enabled: row.flag(4)?,
        delivery_paused: row.flag(7)?,
        created: DateTime::from_unix_micros(row.int(5)?),
        sequence: row.unsigned(6)?,
    })
}

/// A directory as events show it.
fn directory_data(
    id: &str,
    organization_id: &str,
    (name, provider): (&str, &str),
    enabled: bool,
    now: DateTime,
) -> Object {
    let mut data = Object::with_capacity(8);
    data.push("id", id);
    data.push("object", "directory");
    data.push("organization_id", organization_id);
    data.push("directory_type", "SCIM");
    data.push("name", name);
    data.push("provider", provider);
    data.push("enabled", enabled);
    data.push("updated_at", now.to_string());
    data
}

/// Appends the event that a directory was enabled or disabled.
fn tell_switched(
    session: &Session<'_>,
    directories: &Directories,
    id: &DirectoryId,
    enabled: bool,
    now: DateTime,
) -> Result<(), DirectoryError> {
    let not_found = DirectoryError::NotFound { what: "directory" };
    let place = Place::find(session, id.as_str())?.ok_or(not_found)?;
    let mut log = Log::open(session, directories)?;
    let sequence = log.next_sequence(&place)?;
    let select = format!("{SELECT_DIRECTORY} WHERE id = ?1");
    let directory = session.first(&select, params![id.as_str()], read_directory)?;
    let name = directory.as_ref().map(|directory| directory.name.as_str()).unwrap_or_default();
    let provider = directory.as_ref().map(|directory| directory.provider.as_str()).unwrap_or_default();
    let data = directory_data(id.as_str(), place.organization_id.as_str(), (name, provider), enabled, now);
    let cause = Cause { kind: "api".into(), request_id: new_id("request", now) };
    log.append(NewEvent {
        place: Some(&place),
        event_type: if enabled { EventType::DirectoryEnabled } else { EventType::DirectoryDisabled },
        subject: id.as_str(),
        version: sequence,
        sequence,
        occurred_at: now,
        cause: &cause,
        reason: None,
        changes: Vec::new(),
        data,
    });
    log.finish()
}

/// What is done whenever a process begins to use the database. Answers the id of the environment, which is
/// made when the database is first used.
fn begin(session: &Session<'_>, fingerprint: &str) -> Result<EnvironmentId, DirectoryError> {
    let environment_id =
        EnvironmentId::stored(setting(session, "environment_id", EnvironmentId::random().as_str())?);
    if setting(session, "keys", fingerprint)? != fingerprint {
        return Err(DirectoryError::WrongKeys);
    }
    if session.engine() == Engine::Sqlite {
        // The file is this process's alone.
        end_all_leases(session)?;
    }
    Ok(environment_id)
}

/// The value of a setting. The first process that asks gives it.
fn setting(session: &Session<'_>, name: &str, value: &str) -> Result<String, DirectoryError> {
    let insert = "INSERT INTO dir_settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    session.execute(insert, params![name, value])?;
    let select = "SELECT value FROM dir_settings WHERE name = ?1";
    let found = session.first(select, params![name], |row| row.owned(0))?;
    Ok(found.unwrap_or_default())
}

/// Keeps other transactions that come here out until this one ends.
fn exclude(session: &Session<'_>) -> Result<(), DatabaseError> {
    let select = "SELECT name FROM dir_settings WHERE name = 'environment_id'";
    session.first(&format!("{select}{}", Lock::Wait.words(session)), params![], |_| Ok(())).map(drop)
}

fn check_name(field: &'static str, text: &str) -> Result<(), DirectoryError> {
    let problem = if text.trim().is_empty() {
        "must not be empty"
    } else if text.len() > NAME_LIMIT {
        "is longer than 256 bytes"
    } else if text.chars().any(char::is_control) {
        "must not hold control characters"
    } else {
        return Ok(());
    };
    Err(DirectoryError::Invalid { field, problem })
}
