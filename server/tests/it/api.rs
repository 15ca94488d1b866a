//! The API below `/api/v1`.

mod audit;
mod directories;
mod endpoints;
mod events;
mod keys;
mod lists;
mod metrics;
mod sending;
mod set_streams;
mod stream;

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use scim_test_postgres::Cluster;
use serde_json::{Value, json};

use crate::scimd::{Scimd, answer, http};

/// Makes two tests of each function, one for each engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::scimd::Scimd::demo(&[])).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::api::on_postgres()).await;
            })*
        }
    };
}
use on_both_engines;

/// A demo on a PostgreSQL database of its own.
fn on_postgres() -> Scimd {
    Scimd::demo(&["--database", &Cluster::shared().unwrap().database().unwrap()])
}

/// A program with an API key.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base_url: String,
    pub(crate) key: String,
}

impl Api {
    pub(crate) fn of(scimd: &Scimd) -> Self {
        let text = |name: &str| scimd.ready[name].as_str().unwrap().to_owned();
        Self { base_url: text("api_base_url"), key: text("api_key") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        http().request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.key)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// What must be 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What must succeed.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.send(Method::POST, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// An endpoint, with its secret.
    pub(crate) async fn endpoint(&self, url: &str) -> Value {
        self.post("/webhook_endpoints", json!({"url": url})).await
    }

    /// Waits until the deliveries to an endpoint are all in a state.
    pub(crate) async fn deliveries_in(&self, endpoint: &str, state: &str, count: usize) -> Vec<Value> {
        self.deliveries(&format!("endpoint_id={endpoint}&state={state}"), count).await
    }

    /// Waits until it is recorded that so many endpoints have an event.
    pub(crate) async fn delivered(&self, event: &str, count: usize) {
        self.deliveries(&format!("event_id={event}&state=delivered"), count).await;
    }

    async fn deliveries(&self, filter: &str, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let list = self.get(&format!("/deliveries?{filter}")).await;
            let list = list["deliveries"].as_array().unwrap().clone();
            if list.len() == count {
                return list;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {count}: {filter}", list.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// That an answer is a problem of that status, with a code and without a value that is not to be repeated.
fn is_problem((status, body): &(StatusCode, Value), expected: u16, code: &str) {
    assert_eq!(status.as_u16(), expected, "{body}");
    assert_eq!(body["status"], expected);
    assert_eq!(body["code"], code, "{body}");
    assert!(body["request_id"].as_str().unwrap().starts_with("req_"), "{body}");
    for name in ["type", "title", "detail"] {
        assert!(body[name].is_string(), "{name} in {body}");
    }
    assert!(body["errors"].is_array());
}

fn pointers(body: &Value) -> Vec<&str> {
    let errors = body["errors"].as_array().unwrap();
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}
