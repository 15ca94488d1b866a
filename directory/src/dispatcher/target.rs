//! Endpoints, as those who deliver see them.

use std::collections::HashMap;
use std::sync::Arc;

use scim_schema::DateTime;
use scim_sql::{Row, Session, params};
use scim_webhook::{Acknowledge, Secret, SigningKey};

use super::numbers::{among_the_first, list};
use crate::directories::{Directories, Key, open_headers};
use crate::endpoint::{Health, Ordering, Profile};
use crate::error::DirectoryError;
use crate::id::EndpointId;
use crate::lock::Lock;

/// An endpoint.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) number: i64,
    pub(super) id: EndpointId,
    pub(super) url: String,
    pub(super) is_enabled: bool,
    pub(super) ordering: Ordering,
    pub(super) rate: Option<u32>,
    pub(super) concurrency: Option<u32>,
    pub(super) health: Health,
    /// Whether there was a notice that deliveries fail, and no success since.
    pub(super) told_failing: bool,
    profile: Profile,
    acknowledge: Acknowledge,
    sealed_headers: Option<Vec<u8>>,
}

/// What an attempt needs to know of its endpoint.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) url: Arc<str>,
    pub(super) secrets: Vec<Secret>,
    pub(super) signing_keys: Vec<SigningKey>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) acknowledge: Acknowledge,
    pub(super) profile: Profile,
}

/// A key of an endpoint as it is in the database.
#[derive(Debug)]
pub(super) struct SealedKey {
    endpoint: i64,
    kind: i64,
    sealed: Vec<u8>,
}

impl SealedKey {
    /// Asks for the keys of the endpoints in the list which is the first parameter, that have not expired at the time
    /// which is the second: the newest first.
    pub(super) fn select(session: &Session<'_>) -> String {
        format!(
            "SELECT endpoint, kind, sealed FROM dir_endpoint_keys
            WHERE endpoint {} AND (expires IS NULL OR expires > ?2) ORDER BY number DESC",
            among_the_first(session)
        )
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Self, DirectoryError> {
        Ok(Self { endpoint: row.int(0)?, kind: row.int(1)?, sealed: row.bytes(2)?.to_vec() })
    }
}

impl Target {
    /// Asks for those that are enabled, as far as that can be seen without a lock.
    pub(super) fn select_enabled() -> String {
        format!("{SELECT} WHERE enabled = 1 ORDER BY number")
    }

    /// Some of them, under locks: one dispatcher at a time claims of an endpoint and records, so that all together
    /// keep its limits and the order of its events.
    pub(super) fn locked(
        session: &Session<'_>,
        numbers: impl IntoIterator<Item = i64>,
        lock: Lock,
    ) -> Result<Vec<Self>, DirectoryError> {
        let numbers = list(session, numbers);
        let select = format!(
            "{SELECT} WHERE number {} ORDER BY number{}",
            among_the_first(session),
            lock.words(session)
        );
        session.all(&select, params![&numbers], Self::read)
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Self, DirectoryError> {
        let number = |at| Ok::<_, DirectoryError>(row.int_or_null(at)?.and_then(|n| u32::try_from(n).ok()));
        let time = |at| Ok::<_, DirectoryError>(row.int_or_null(at)?.map(DateTime::from_unix_micros));
        Ok(Self {
            number: row.int(0)?,
            id: EndpointId::stored(row.owned(1)?),
            url: row.owned(2)?,
            is_enabled: row.flag(3)?,
            ordering: Ordering::parse(row.text(4)?).unwrap_or_default(),
            rate: number(5)?,
            concurrency: number(6)?,
            health: Health {
                failures: number(7)?.unwrap_or_default(),
                failing_since: time(8)?,
                not_before: time(9)?,
                is_slow: row.flag(10)?,
                last_delivered: time(12)?,
            },
            told_failing: row.flag(11)?,
            profile: Profile::parse(row.text(13)?).unwrap_or_default(),
            acknowledge: Acknowledge::parse(row.text(14)?).unwrap_or_default(),
            sealed_headers: row.bytes_or_null(15)?.map(<[u8]>::to_vec),
        })
    }

    /// Writes what attempts said about it.
    pub(super) fn write_health(&self, session: &Session<'_>) -> Result<(), DirectoryError> {
        let update = "UPDATE dir_endpoints
            SET failures = ?2, failing_since = ?3, not_before = ?4, is_slow = ?5, told_failing = ?6,
                last_delivered = ?7
            WHERE number = ?1";
        let Health { failures, failing_since, not_before, is_slow, last_delivered } = self.health;
        let micros = |time: Option<DateTime>| time.map(DateTime::unix_micros);
        let values = params![
            self.number,
            i64::from(failures),
            micros(failing_since),
            micros(not_before),
            is_slow,
            self.told_failing,
            micros(last_delivered)
        ];
        session.execute(update, values)?;
        Ok(())
    }

    /// Disables it.
    pub(super) fn disable(
        &mut self,
        session: &Session<'_>,
        reason: &str,
        at: DateTime,
    ) -> Result<(), DirectoryError> {
        self.is_enabled = false;
        let update = "UPDATE dir_endpoints SET enabled = 0, disabled_reason = ?2, disabled_at = ?3,
                disabled_behind = (SELECT coalesce(max(position), 0) FROM dir_events)
            WHERE number = ?1 AND enabled = 1";
        session.execute(update, params![self.number, reason, at.unix_micros()])?;
        Ok(())
    }

    /// What attempts need to know of some endpoints, whose keys are among these. One is left out whose keys can't be
    /// opened.
    pub(super) fn addresses(
        directories: &Directories,
        targets: &[&Self],
        keys: &[SealedKey],
    ) -> HashMap<i64, Arc<Address>> {
        let ids: HashMap<i64, &Self> = targets.iter().map(|target| (target.number, *target)).collect();
        let mut addresses: HashMap<i64, Address> = HashMap::new();
        for key in keys {
            let Some(target) = ids.get(&key.endpoint) else { continue };
            let Some(bytes) = directories.keys().open(&key.sealed, target.id.as_str()) else { continue };
            let address = addresses.entry(target.number).or_insert_with(|| target.address(directories));
            if key.kind == Key::Secret.code() {
                address.secrets.extend(Secret::from_bytes(&bytes));
            } else {
                address.signing_keys.extend(SigningKey::from_seed(&bytes));
            }
        }
        addresses.retain(|_, address| !address.secrets.is_empty());
        for target in targets.iter().filter(|target| !addresses.contains_key(&target.number)) {
            tracing::error!(endpoint = %target.id, "the endpoint's keys can't be opened with this key file");
        }
        addresses.into_iter().map(|(number, address)| (number, Arc::new(address))).collect()
    }

    fn address(&self, directories: &Directories) -> Address {
        Address {
            url: self.url.as_str().into(),
            secrets: Vec::new(),
            signing_keys: Vec::new(),
            headers: open_headers(directories, self.sealed_headers.as_deref(), self.id.as_str()),
            acknowledge: self.acknowledge,
            profile: self.profile,
        }
    }
}

const SELECT: &str = "SELECT number, id, url, enabled, ordering, rate, concurrency, failures, failing_since,
        not_before, is_slow, told_failing, last_delivered, profile, acknowledge, headers
    FROM dir_endpoints";
