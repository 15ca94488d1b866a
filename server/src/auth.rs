//! Bearer tokens of directories.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::request::Parts;
use scim_core::{AuthError, Authenticator, Caller, DateTime, bearer_token};
use scim_directory::{Directories, DirectoryId};

use crate::http::Peer;

/// The directory that a request's path names, in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct PathDirectory(pub(crate) DirectoryId);

/// Maps a token to its directory, which must be the path's.
///
/// A token of another directory is answered as an unknown one is: nobody learns which directories exist.
#[derive(Debug)]
pub(crate) struct DirectoryAuthenticator {
    directories: Directories,
    failures: Failures,
}

impl DirectoryAuthenticator {
    /// `failures` says how many failed authentications are answered 401 for each address; more are 429.
    pub(crate) fn new(directories: Directories, failures: Failures) -> Self {
        Self { directories, failures }
    }

    async fn check(&self, request: &Parts, now: DateTime) -> Result<Caller, AuthError> {
        let token = bearer_token(request)?;
        let access = self
            .directories
            .authenticate_token(token, now)
            .await
            .map_err(|error| AuthError::Unavailable {
                retry_after: Some(RETRY_AFTER),
                source: Box::new(error),
            })?
            .ok_or(AuthError::Invalid)?;
        match request.extensions.get::<PathDirectory>() {
            Some(PathDirectory(named)) if *named == access.directory_id => {}
            _ => return Err(AuthError::Invalid),
        }
        if !access.enabled {
            return Err(AuthError::Forbidden("the directory is disabled".to_owned()));
        }
        Ok(Caller { credential: access.token_id.as_str().to_owned(), ..Caller::new(access.tenant()) })
    }
}

#[async_trait]
impl Authenticator for DirectoryAuthenticator {
    /// A good token is let in whatever others at the same address do: the traffic of many customers
    /// comes from the few addresses of their identity provider.
    async fn authenticate(&self, request: &Parts, now: DateTime) -> Result<Caller, AuthError> {
        match self.check(request, now).await {
            Err(error @ (AuthError::Missing | AuthError::Invalid | AuthError::Malformed)) => {
                let peer = request.extensions.get::<Peer>().map(|peer| peer.0);
                match peer.and_then(|peer| self.failures.count(peer, Instant::now())) {
                    Some(retry_after) => Err(AuthError::TooMany { retry_after }),
                    None => Err(error),
                }
            }
            checked => checked,
        }
    }

    fn realm(&self) -> &str {
        "scimd"
    }
}

/// When to try again while the database does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How many addresses are remembered at once; beyond it the oldest minutes are dropped.
const ADDRESSES: usize = 100_000;

/// Counts failed authentications by address, minute for minute.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    per_minute: u32,
    minutes: Arc<Mutex<HashMap<IpAddr, Minute>>>,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    begun: Instant,
    count: u32,
}

impl Failures {
    /// So many are let pass in a minute.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, minutes: Arc::default() }
    }

    /// Counts one; answers when to try again if there are too many.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |minute: &Minute| now.saturating_duration_since(minute.begun) >= MINUTE;
        if minutes.len() >= ADDRESSES && !minutes.contains_key(&network(address)) {
            minutes.retain(|_, minute| !over(minute));
            if minutes.len() >= ADDRESSES {
                // Fail closed: an attack from this many networks is not worth a distinction.
                return Some(MINUTE);
            }
        }
        let minute = minutes.entry(network(address)).or_insert(Minute { begun: now, count: 0 });
        if over(minute) {
            *minute = Minute { begun: now, count: 0 };
        }
        minute.count = minute.count.saturating_add(1);
        (minute.count > self.per_minute).then(|| {
            let left = MINUTE.saturating_sub(now.saturating_duration_since(minute.begun));
            left.max(Duration::from_secs(1))
        })
    }
}

/// One household or machine has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_of_a_minute_has_to_wait() {
        let failures = Failures::new(10);
        let address = IpAddr::from([192, 0, 2, 1]);
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(failures.count(address, now), None);
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(failures.count(address, later), Some(Duration::from_secs(40)));
        assert_eq!(failures.count(IpAddr::from([192, 0, 2, 2]), later), None, "another address");
        assert_eq!(failures.count(address, now + MINUTE), None, "the next minute");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let failures = Failures::new(1);
        let now = Instant::now();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(failures.count(address("2001:db8::1"), now), None);
        assert!(failures.count(address("2001:db8::2"), now).is_some());
        assert_eq!(failures.count(address("2001:db8:0:1::1"), now), None);
    }
}
