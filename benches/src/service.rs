//! All of the service over its store in memory, without a network.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use scim_core::{AuthError, Authenticator, Caller, Environment, MemoryStore, Service, TenantId};
use scim_schema::DateTime;

use crate::population::Population;

const JSON: (&str, &str) = ("content-type", "application/scim+json");

/// The service, and how many users it has.
#[derive(Debug)]
pub struct Served {
    service: Service,
    population: Population,
    users: usize,
}

impl Served {
    /// A service with so many users, each changed once.
    pub fn new(users: usize) -> Self {
        let caller = Caller::new(TenantId::new("tenant"));
        let builder =
            Service::builder(crate::ours::BASE, MemoryStore::standard(), Anyone(caller), Fixed::default());
        let served =
            Self { service: builder.build().expect("a service"), population: Population::default(), users };
        for number in 0..users {
            assert_eq!(served.answer(served.post(number)).status(), StatusCode::CREATED);
            for active in [true, false] {
                assert_eq!(served.answer(served.patch(number, active)).status(), StatusCode::OK);
            }
        }
        served
    }

    /// A request for a user.
    pub fn get(&self, number: usize) -> Request<Bytes> {
        Request::get(path(number)).body(Bytes::new()).expect("a request")
    }

    /// A request that sets `active` of a user; each has been set to false last.
    pub fn patch(&self, number: usize, active: bool) -> Request<Bytes> {
        let operations = serde_json::json!([{"op": "replace", "path": "active", "value": active}]);
        let body = crate::fixtures::patch_body(&operations).to_string();
        Request::patch(path(number)).header(JSON.0, JSON.1).body(body.into()).expect("a request")
    }

    /// A request that makes a user.
    pub fn post(&self, number: usize) -> Request<Bytes> {
        let body = self.population.user(number);
        Request::post("/Users").header(JSON.0, JSON.1).body(body.into()).expect("a request")
    }

    /// A request for a user that there is not yet.
    pub fn post_new(&self) -> Request<Bytes> {
        self.post(self.users)
    }

    /// What the service answers. Its store never waits.
    pub fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.service.handle(request).now_or_never().expect("an answer at once")
    }
}

fn path(number: usize) -> String {
    format!("/Users/{}", id(number))
}

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Lets everybody in.
#[derive(Debug)]
struct Anyone(Caller);

#[async_trait::async_trait]
impl Authenticator for Anyone {
    async fn authenticate(&self, _request: &Parts, _now: DateTime) -> Result<Caller, AuthError> {
        Ok(self.0.clone())
    }
}

/// Ids in order, and a clock that stands.
#[derive(Debug, Default)]
struct Fixed(AtomicUsize);

impl Environment for Fixed {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(1_769_144_182_123_456)
    }

    fn new_id(&self, _resource_type: &str) -> String {
        id(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn request_id(&self) -> String {
        "request".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(response: &Response<Bytes>) -> serde_json::Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn users_come_and_change() {
        let served = Served::new(3);
        let before = json(&served.answer(served.get(1)));
        assert_eq!(before["active"], false);
        let mut after = json(&served.answer(served.patch(1, true)));
        assert_eq!(after["active"], true);
        assert_ne!(after["meta"]["version"], before["meta"]["version"]);
        after["active"] = false.into();
        after["meta"] = before["meta"].clone();
        assert_eq!(before, after);
        let new = served.answer(served.post_new());
        assert_eq!(new.status(), StatusCode::CREATED);
        assert_eq!(json(&new), json(&served.answer(served.get(3))));
    }
}
