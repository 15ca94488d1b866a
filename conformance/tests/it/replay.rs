//! The player of scenarios: what it sends, and what it does not let pass.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use scim_conformance::replay::{Kind, Scenario, load, replay};
use scim_conformance::{BoxError, InProcess, ScimClient, http as test_set};
use serde_json::{Value, json};

use crate::support::{TOKEN, data, memory};

/// A service that answers from a list, and writes down what it was asked.
#[derive(Debug)]
struct Canned {
    answers: Mutex<Vec<(u16, &'static str)>>,
    asked: Mutex<Vec<Request<Bytes>>>,
}

impl Canned {
    fn new(answers: &[(u16, &'static str)]) -> Self {
        let mut answers = answers.to_vec();
        answers.reverse();
        Self { answers: Mutex::new(answers), asked: Mutex::default() }
    }

    fn asked(self) -> Vec<Request<Bytes>> {
        self.asked.into_inner().unwrap()
    }
}

#[async_trait]
impl ScimClient for Canned {
    fn base_url(&self) -> &str {
        "http://h/v2"
    }

    fn token(&self) -> Option<&str> {
        Some("secret")
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answers.lock().unwrap().pop().ok_or("there are no more answers")?;
        let response = Response::builder().status(status).header("x-test", "One").body(body.into());
        Ok(response?)
    }
}

fn scenario(value: Value) -> Scenario {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn requests_are_sent_as_the_scenario_says() {
    let service = Canned::new(&[
        (201, r#"{"id": "1", "n": 7}"#),
        (201, r#"{"id": "2"}"#),
        (201, r#"{"id": "3"}"#),
        (200, r#"{"ok": true}"#),
        (200, r#"{"totalResults": 2}"#),
        (204, ""),
        (204, ""),
        (204, ""),
        (204, ""),
    ]);
    let scenario = scenario(json!({
        "id": "x",
        "given": [
            {"alias": "a", "body": {"userName": "a-{{run}}"}},
            {"alias": "g", "path": "/Groups", "repeat": 2, "body": {"displayName": "g{{i}}"}},
        ],
        "steps": [
            {
                "method": "GET",
                "path": "/Users/{{a.id}} ü/%41",
                "query": {"filter": "userName eq \"a b&c\"", "n": "{{a.n}}"},
                "headers": {"accept": "application/json", "Authorization": null, "X-Run": "{{run|upper}}"},
                "save": "got",
                "expect": {"json": [{"pointer": "/ok", "equals": "{{got.ok}}"}], "headers": {"X-Test": "^one$"}},
            },
            {
                "method": "POST",
                "path": "/.search",
                "raw_query": "filter=a+{{run}}",
                "raw_body": "{not {{base}} json",
                "headers": {"Content-Type": "text/plain"},
                "expect": {"status": [200, 204], "any_of": [[{"pointer": "/totalResults", "equals": 1}], [{"pointer": "/totalResults", "equals": 2}]]},
            },
            {"method": "PATCH", "path": "/Groups/{{g.1.id}}", "body": [{"$each": "g", "of": "{{item.id}}"}], "expect": {"status": [204], "json": [{"pointer": "/x", "exists": true}]}},
        ],
    }));
    replay(&service, &scenario, "r1").await.unwrap();
    let asked = service.asked();
    let lines: Vec<String> = asked.iter().map(|r| format!("{} {}", r.method(), r.uri())).collect();
    assert_eq!(
        lines,
        [
            "POST /Users",
            "POST /Groups",
            "POST /Groups",
            "GET /Users/1%20%C3%BC/%41?filter=userName%20eq%20%22a%20b%26c%22&n=7",
            "POST /.search?filter=a+r1",
            "PATCH /Groups/3",
            "DELETE /Groups/3",
            "DELETE /Groups/2",
            "DELETE /Users/1",
        ]
    );
    let header =
        |at: usize, name: &str| asked[at].headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    assert_eq!(asked[0].body(), r#"{"userName":"a-r1"}"#);
    assert_eq!(asked[2].body(), r#"{"displayName":"g1"}"#);
    assert_eq!(header(0, "authorization").as_deref(), Some("Bearer secret"));
    assert_eq!(header(0, "content-type").as_deref(), Some("application/scim+json"));
    assert_eq!(header(3, "authorization"), None);
    assert_eq!(header(3, "accept").as_deref(), Some("application/json"));
    assert_eq!(header(3, "x-run").as_deref(), Some("R1"));
    assert_eq!(header(3, "content-type"), None);
    assert_eq!(header(4, "content-type").as_deref(), Some("text/plain"));
    assert_eq!(asked[4].body(), "{not http://h/v2 json");
    assert_eq!(asked[5].body(), r#"["2","3"]"#);
}

#[tokio::test]
async fn an_answer_that_is_not_as_expected_fails_the_scenario() {
    for (expect, answer) in [
        (json!({}), (201, "{}")),
        (json!({"status": [201]}), (200, "{}")),
        (json!({"json": [{"pointer": "/a", "equals": 1}]}), (200, r#"{"a": 2}"#)),
        (json!({"json": [{"pointer": "/a", "equals": 1}]}), (200, "<html>")),
        (json!({"json": [{"pointer": "/a", "equals": 1}]}), (200, "")),
        (json!({"json": [{"pointer": "/a", "unheard": 1}]}), (200, r#"{"a": 1}"#)),
        (
            json!({"any_of": [[{"pointer": "/a", "equals": 1}], [{"pointer": "/a", "equals": 3}]]}),
            (200, r#"{"a": 2}"#),
        ),
        (json!({"headers": {"x-test": "^two$"}}), (200, "{}")),
        (json!({"headers": {"x-none": "."}}), (200, "{}")),
        (json!({"status": [200, 404], "if_status": {"404": [{"pointer": "/a", "equals": 1}]}}), (404, "{}")),
        (json!({"status": [404], "json": [{"pointer": "/a", "equals": 1}]}), (404, r#"{"a": 2}"#)),
    ] {
        let steps = json!([{"method": "GET", "path": "/", "expect": expect}]);
        let scenario = scenario(json!({"id": "x", "steps": steps}));
        let failure = replay(&Canned::new(&[answer]), &scenario, "r").await.unwrap_err();
        assert!(failure.to_string().starts_with("step 1 GET /"), "{expect}: {failure}");
    }
    let unknown = json!([{"method": "GET", "path": "/{{nobody.id}}"}]);
    assert!(replay(&Canned::new(&[]), &scenario(json!({"id": "x", "steps": unknown})), "r").await.is_err());
    let silent = json!([{"method": "GET", "path": "/"}]);
    assert!(replay(&Canned::new(&[]), &scenario(json!({"id": "x", "steps": silent})), "r").await.is_err());
}

#[tokio::test]
async fn checks_of_the_hoped_for_answer_are_not_made_of_an_error() {
    let expect = json!({"status": [200, 404], "json": [{"pointer": "/a", "equals": 1}]});
    let steps = json!([{"method": "GET", "path": "/", "expect": expect}]);
    let scenario = scenario(json!({"id": "x", "steps": steps}));
    replay(&Canned::new(&[(404, "{}")]), &scenario, "r").await.unwrap();
}

/// A service whose answers are spoilt on their way.
#[derive(Debug)]
struct Spoilt {
    service: InProcess,
    spoil: fn(&mut Response<Bytes>),
}

#[async_trait]
impl ScimClient for Spoilt {
    fn base_url(&self) -> &str {
        self.service.base_url()
    }

    fn token(&self) -> Option<&str> {
        self.service.token()
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let mut response = self.service.send(request).await?;
        (self.spoil)(&mut response);
        Ok(response)
    }
}

fn spoilt(spoil: fn(&mut Response<Bytes>)) -> Spoilt {
    Spoilt { service: InProcess::new(memory(), Some(TOKEN)), spoil }
}

#[tokio::test]
async fn no_scenario_of_the_corpus_passes_by_itself() {
    let failing = spoilt(|response| *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR);
    for scenario in load(&data("idp-corpus")).unwrap().iter().filter(|s| s.kind == Kind::Push) {
        assert!(replay(&failing, scenario, "r").await.is_err(), "{}", scenario.id);
    }
}

#[tokio::test]
async fn no_scenario_of_the_test_set_passes_by_itself() {
    let by_status = spoilt(|response| *response.status_mut() = StatusCode::OK);
    let by_body = spoilt(|response| *response.body_mut() = r#"{"id": "1"}"#.into());
    let (by_status, by_body) = (test_set::run(&by_status, "p").await, test_set::run(&by_body, "p").await);
    for scenario in test_set::scenarios() {
        let mut failures = by_status.failures.iter().chain(&by_body.failures);
        assert!(failures.any(|(id, _)| *id == scenario.id), "{}", scenario.id);
    }
}
