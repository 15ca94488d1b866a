//! Who may ask: keys with scopes.

use std::time::Instant;

use http::request::Parts;
use scim_core::{AuthError, DateTime, bearer_token};
use scim_directory::{ApiKey, Directories, Scope};

use super::problem::Problem;
use crate::auth::Failures;
use crate::http::Peer;

/// Finds the key of a request.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    directories: Directories,
    failures: Failures,
}

impl Access {
    /// Failed authentications are counted together with those that `failures` counts elsewhere.
    pub(crate) fn new(directories: Directories, failures: Failures) -> Self {
        Self { directories, failures }
    }

    /// The key of a request. A good one is let in whatever others at the same address do.
    pub(crate) async fn authenticate(&self, request: &Parts, now: DateTime) -> Result<ApiKey, Problem> {
        let text = match bearer_token(request) {
            Ok(text) => text,
            Err(AuthError::Malformed) => {
                let detail = "the request must carry one API key, in the Authorization header";
                return Err(self.failed(request, Problem::malformed(detail)));
            }
            Err(AuthError::Missing) => {
                let detail = "an API key is required: Authorization: Bearer skc_…";
                return Err(self.failed(request, Problem::unauthenticated(None, detail)));
            }
            Err(_) => return Err(self.failed(request, wrong_key())),
        };
        match self.directories.authenticate_api_key(text, now).await? {
            Some(key) => Ok(key),
            None => Err(self.failed(request, wrong_key())),
        }
    }

    fn failed(&self, request: &Parts, problem: Problem) -> Problem {
        let peer = request.extensions.get::<Peer>().map(|peer| peer.0);
        let wait = peer.and_then(|peer| self.failures.count(peer, Instant::now()));
        wait.map_or(problem, Problem::too_many)
    }
}

fn wrong_key() -> Problem {
    Problem::unauthenticated(Some("invalid_token"), "the API key is unknown, expired or revoked")
}

/// Whether a key has a scope.
pub(crate) fn require(key: &ApiKey, scope: Scope) -> Result<(), Problem> {
    if key.scopes.contains(&scope) { Ok(()) } else { Err(Problem::forbidden(scope)) }
}
