//! The face of the domain: organizations, directories, tokens, endpoints, and what is known of them.

mod endpoints;
mod reads;
mod tokens;

pub(crate) use endpoints::read_event_types;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use scim_schema::DateTime;
use scim_sql::Database;
use scim_sql::rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::Notify;

use crate::error::DirectoryError;
use crate::id::{DirectoryId, EnvironmentId, OrganizationId};
use crate::keys::Keys;
use crate::model::{Directory, NewDirectory, NewOrganization, Organization, Provider};
use crate::normalize::Normalizer;
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
    allow_loopback_http: bool,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    keys: Keys,
    environment_id: EnvironmentId,
    /// Told when there may be new deliveries.
    new_deliveries: Notify,
    /// Until when no use of a token is recorded, because the database could not do it: microseconds since
    /// 1970-01-01T00:00:00Z.
    no_records_until: AtomicI64,
}

impl Directories {
    /// Uses a database, which may be the one that holds the SCIM resources.
    ///
    /// # Errors
    /// When the tables can't be made or brought up to date.
    pub async fn open(database: Database, keys: Keys) -> Result<Self, DirectoryError> {
        database.migrate(NAMESPACE, MIGRATIONS).await?;
        let environment_id = database.write_sqlite(environment_id).await?;
        let (new_deliveries, no_records_until) = (Notify::new(), AtomicI64::new(i64::MIN));
        let inner = Inner { database, keys, environment_id, new_deliveries, no_records_until };
        Ok(Self { inner: Arc::new(inner), normalizer: Normalizer::default(), allow_loopback_http: false })
    }

    /// Normalises in this way.
    #[must_use]
    pub fn with_normalizer(self, normalizer: Normalizer) -> Self {
        Self { normalizer, ..self }
    }

    /// Lets endpoints have plain HTTP URLs on this machine, for development.
    #[must_use]
    pub fn with_loopback_http(self, allow: bool) -> Self {
        Self { allow_loopback_http: allow, ..self }
    }

    /// The environment that the database is.
    pub fn environment_id(&self) -> &EnvironmentId {
        &self.inner.environment_id
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
        check_name("display_name", &new.display_name)?;
        if let Some(external_id) = &new.external_id {
            check_name("external_id", external_id)?;
        }
        let organization = Organization {
            id: OrganizationId::random(),
            display_name: new.display_name,
            external_id: new.external_id,
            created: now,
        };
        let row = organization.clone();
        self.database()
            .write_sqlite(move |tx| {
                let insert =
                    "INSERT OR IGNORE INTO dir_organizations (id, display_name, external_id, created)
                     VALUES (?1, ?2, ?3, ?4)";
                let values =
                    params![row.id.as_str(), row.display_name, row.external_id, row.created.unix_micros()];
                match tx.prepare_cached(insert)?.execute(values)? {
                    0 => Err(DirectoryError::Taken { field: "external_id" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(organization = %organization.id, "organization created");
        Ok(organization)
    }

    /// All organizations, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn organizations(&self) -> Result<Vec<Organization>, DirectoryError> {
        let select =
            "SELECT id, display_name, external_id, created FROM dir_organizations ORDER BY created, id";
        let organization = |row: &Row<'_>| {
            Ok(Organization {
                id: OrganizationId::stored(row.get(0)?),
                display_name: row.get(1)?,
                external_id: row.get(2)?,
                created: DateTime::from_unix_micros(row.get(3)?),
            })
        };
        let read = move |db: &Connection| {
            let mut select = db.prepare_cached(select)?;
            let rows = select.query_map([], organization)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database().read_sqlite(read).await
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
        check_name("name", &new.name)?;
        let directory = Directory {
            id: DirectoryId::random(),
            organization_id: organization.clone(),
            name: new.name,
            provider: new.provider,
            enabled: true,
            created: now,
            sequence: 0,
        };
        let row = directory.clone();
        self.database()
            .write_sqlite(move |tx| {
                let insert = "INSERT INTO dir_directories
                        (id, organization, name, provider, state, enabled, created, sequence)
                    SELECT ?1, id, ?3, ?4, 'active', 1, ?5, 0 FROM dir_organizations WHERE id = ?2";
                let values = params![
                    row.id.as_str(),
                    row.organization_id.as_str(),
                    row.name,
                    row.provider.as_str(),
                    row.created.unix_micros()
                ];
                match tx.prepare_cached(insert)?.execute(values)? {
                    0 => Err(DirectoryError::NotFound { what: "organization" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(directory = %directory.id, organization = %directory.organization_id, "directory created");
        Ok(directory)
    }

    /// All directories, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn directories(&self) -> Result<Vec<Directory>, DirectoryError> {
        let read = |db: &Connection| {
            let select = format!("{SELECT_DIRECTORY} ORDER BY number");
            let mut select = db.prepare_cached(&select)?;
            let rows = select.query_map([], read_directory)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database().read_sqlite(read).await
    }

    /// One directory.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn directory(&self, id: &DirectoryId) -> Result<Option<Directory>, DirectoryError> {
        let id = id.clone();
        let read = move |db: &Connection| {
            let select = format!("{SELECT_DIRECTORY} WHERE id = ?1");
            Ok(db.prepare_cached(&select)?.query_row([id.as_str()], read_directory).optional()?)
        };
        self.database().read_sqlite(read).await
    }

    /// Lets the directory's identity provider in, or keeps it out.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_directory_enabled(&self, id: &DirectoryId, enabled: bool) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write_sqlite(move |tx| {
                let update = "UPDATE dir_directories SET enabled = ?2 WHERE id = ?1";
                match tx.prepare_cached(update)?.execute(params![row.as_str(), enabled])? {
                    0 => Err(DirectoryError::NotFound { what: "directory" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(directory = %id, enabled, "directory switched");
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

    pub(crate) fn new_deliveries(&self) -> &Notify {
        &self.inner.new_deliveries
    }
}

const SELECT_DIRECTORY: &str =
    "SELECT id, organization, name, provider, enabled, created, sequence FROM dir_directories";

fn read_directory(row: &Row<'_>) -> Result<Directory, scim_sql::rusqlite::Error> {
    let provider: String = row.get(3)?;
    Ok(Directory {
        id: DirectoryId::stored(row.get(0)?),
        organization_id: OrganizationId::stored(row.get(1)?),
        name: row.get(2)?,
        provider: Provider::parse(&provider).unwrap_or_default(),
        enabled: row.get(4)?,
        created: DateTime::from_unix_micros(row.get(5)?),
        sequence: crate::projection::unsigned(row.get(6)?),
    })
}

/// The id of the environment, which is made when the database is first used.
fn environment_id(tx: &Connection) -> Result<EnvironmentId, DirectoryError> {
    let fresh = EnvironmentId::random();
    let insert = "INSERT OR IGNORE INTO dir_settings (name, value) VALUES ('environment_id', ?1)";
    tx.execute(insert, [fresh.as_str()])?;
    let select = "SELECT value FROM dir_settings WHERE name = 'environment_id'";
    Ok(EnvironmentId::stored(tx.query_row(select, [], |row| row.get(0))?))
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
