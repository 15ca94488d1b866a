//! The machine's clock, the ids of directory sync, and one id for each request.

use std::future::Future;

use scim_core::{DateTime, Environment};
use scim_system::SystemEnvironment;

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The environment of `scimd`: ids as `diruser_…` and `dirgroup_…`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine;

impl Environment for Machine {
    fn now(&self) -> DateTime {
        SystemEnvironment.now()
    }

    fn new_id(&self, resource_type: &str) -> String {
        scim_directory::new_id(resource_type, self.now())
    }

    /// The id that the request has in the log and in its answer.
    fn request_id(&self) -> String {
        REQUEST_ID.try_with(Clone::clone).unwrap_or_else(|_| new_request_id())
    }
}

/// An id for a request.
pub(crate) fn new_request_id() -> String {
    Machine.new_id("request")
}

/// Runs the handling of a request under its id.
pub(crate) async fn with_request_id<F: Future>(id: String, handling: F) -> F::Output {
    REQUEST_ID.scope(id, handling).await
}
