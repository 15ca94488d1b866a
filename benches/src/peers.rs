//! The work as other Rust libraries do it, each behind the feature that brings it in.

use serde_json::Value;

use crate::check::Unfit;
use crate::fixtures::FilterFixture;

/// `scim-filter` 0.2.3: parses with nom, evaluates on `serde_json`'s values.
#[cfg(feature = "scim-filter-0-2")]
pub mod scim_filter {
    use super::*;

    pub use scim_filter_0_2::parser::Filter;

    /// From text to tree.
    pub fn parse(text: &str) -> Result<Filter<'_>, Unfit> {
        match scim_filter_0_2::parser::filter(text) {
            Ok(("", filter)) => Ok(filter),
            Ok(_) => Err(Unfit::Refused("stops before the end".into())),
            Err(error) => Err(Unfit::refused(error)),
        }
    }

    /// Whether a user matches.
    pub fn matches(filter: &Filter<'_>, user: &Value) -> Result<bool, Unfit> {
        filter.r#match(user).map_err(Unfit::refused)
    }
}

/// `rustauth-scim` 0.3.0: a tokenizer and a descent by hand. To evaluate, it takes the text each time.
#[cfg(feature = "rustauth-scim")]
pub mod rustauth {
    use super::*;

    pub use rustauth_scim::filters::ScimFilterExpression;

    /// From text to tree.
    pub fn parse(text: &str) -> Result<ScimFilterExpression, Unfit> {
        rustauth_scim::filters::parse_filter(text).map_err(unfit)
    }

    /// Whether a user matches.
    pub fn matches(filter: &str, user: &Value) -> Result<bool, Unfit> {
        rustauth_scim::filters::resource_matches_filter(user, filter).map_err(unfit)
    }

    fn unfit(error: rustauth_scim::errors::ScimError) -> Unfit {
        Unfit::refused(error.detail.unwrap_or_default())
    }
}

/// `scim_v2` 1.0.0: parses with LALRPOP, has users as a Rust type.
#[cfg(feature = "scim_v2")]
pub mod scim_v2 {
    use super::*;

    pub use ::scim_v2::filter::Filter;
    pub use ::scim_v2::models::user::User;

    /// From text to tree.
    pub fn parse(text: &str) -> Result<Filter, Unfit> {
        text.parse().map_err(|error: ::scim_v2::filter::ParseError| Unfit::refused(error))
    }

    /// From the bytes of a POST to a user.
    pub fn read_user(body: &[u8]) -> Result<User, Unfit> {
        serde_json::from_slice(body).map_err(Unfit::refused)
    }
}

/// `scim-server` 0.5.3: applies PATCH to `serde_json`'s values; has no filters.
#[cfg(feature = "scim-server")]
pub mod scim_server {
    use ::scim_server::Resource;
    use ::scim_server::providers::{InMemoryStorage, ScimPatchOperations, StandardResourceProvider};

    use super::*;

    /// Carries out PATCH operations.
    pub struct Patcher(StandardResourceProvider<InMemoryStorage>);

    impl Default for Patcher {
        fn default() -> Self {
            Self(StandardResourceProvider::new(InMemoryStorage::new()))
        }
    }

    impl Patcher {
        /// Applies operations to a copy.
        pub fn patch(&self, resource: &Value, operations: &Value) -> Result<Value, Unfit> {
            let mut copy = resource.clone();
            for operation in operations.as_array().into_iter().flatten() {
                self.0.apply_patch_operation(&mut copy, operation).map_err(Unfit::refused)?;
            }
            Ok(copy)
        }
    }

    /// From the bytes of a POST to a validated user.
    pub fn read_user(body: &[u8]) -> Result<Resource, Unfit> {
        let body: Value = serde_json::from_slice(body).map_err(Unfit::refused)?;
        Resource::from_json("User".to_owned(), body).map_err(Unfit::refused)
    }

    /// From a stored resource to the value of an answer.
    pub fn show_user(user: &Resource) -> Result<Value, Unfit> {
        user.to_json().map_err(Unfit::refused)
    }
}

/// How many users match, by a test that may fail.
pub fn count(
    fixture: &FilterFixture,
    users: &[Value],
    test: impl Fn(&Value) -> Result<bool, Unfit>,
) -> Result<(), Unfit> {
    let mut found = 0;
    for user in users {
        found += usize::from(test(user)?);
    }
    crate::check::equal("users match", found, fixture.matches)
}
