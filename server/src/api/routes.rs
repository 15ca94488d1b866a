//! All routes of the API, and the scope that each needs.

use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Method;
use scim_directory::Scope;

use super::call::Call;
use super::problem::Problem;
use super::{Api, PREFIX, api_keys, audit, deliveries, directories, endpoints, events, set_streams};

/// What can be asked.
pub(super) struct Route {
    pub(super) method: Method,
    /// Below the prefix. `{name}` stands for a segment, or for what is before a colon.
    pub(super) path: &'static str,
    /// What a key must allow.
    pub(super) scope: Scope,
    pub(super) run: fn(Api, Call) -> BoxFuture<'static, Result<Response, Problem>>,
}

macro_rules! routes {
    ($($method:ident $path:literal $scope:ident $($run:ident)::+;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            scope: Scope::$scope,
            run: |api, call| Box::pin($($run)::+(api, call)),
        }),*]
    };
}

pub(super) const ROUTES: &[Route] = routes! {
    GET "/webhook_endpoints" WebhooksRead endpoints::list;
    POST "/webhook_endpoints" WebhooksWrite endpoints::create;
    GET "/webhook_endpoints/{id}" WebhooksRead endpoints::show;
    PATCH "/webhook_endpoints/{id}" WebhooksWrite endpoints::update;
    DELETE "/webhook_endpoints/{id}" WebhooksWrite endpoints::delete;
    POST "/webhook_endpoints/{id}:rotate_secret" WebhooksWrite endpoints::rotate_secret;
    POST "/webhook_endpoints/{id}:rotate_signing_key" WebhooksWrite endpoints::rotate_signing_key;
    POST "/webhook_endpoints/{id}:remove_signing_keys" WebhooksWrite endpoints::remove_signing_keys;
    POST "/webhook_endpoints/{id}:test" WebhooksWrite endpoints::test;
    POST "/webhook_endpoints/{id}:enable" WebhooksWrite endpoints::enable;
    POST "/webhook_endpoints/{id}:disable" WebhooksWrite endpoints::disable;
    POST "/webhook_endpoints/{id}:recover" WebhooksWrite endpoints::recover;
    POST "/webhook_endpoints/{id}:replay_missing" WebhooksWrite endpoints::replay_missing;
    GET "/set_streams" WebhooksRead set_streams::list;
    POST "/set_streams" WebhooksWrite set_streams::create;
    GET "/set_streams/{id}" WebhooksRead set_streams::show;
    DELETE "/set_streams/{id}" WebhooksWrite set_streams::delete;
    POST "/set_streams/{id}:enable" WebhooksWrite set_streams::enable;
    POST "/set_streams/{id}:disable" WebhooksWrite set_streams::disable;
    POST "/set_streams/{id}:retry_refused" WebhooksWrite set_streams::retry_refused;
    GET "/set_streams/{id}/refused_sets" WebhooksRead set_streams::refused;
    POST "/set_keys:rotate" WebhooksWrite set_streams::rotate_key;
    DELETE "/set_keys/{kid}" WebhooksWrite set_streams::withdraw_key;
    GET "/events" EventsRead events::list;
    GET "/events/{id}" EventsRead events::show;
    POST "/events/{id}:resend" WebhooksWrite events::resend;
    GET "/deliveries" WebhooksRead deliveries::list;
    GET "/deliveries/{id}" WebhooksRead deliveries::show;
    GET "/deliveries/{id}/attempts" WebhooksRead deliveries::attempts;
    POST "/audit_exports" WebhooksRead audit::export;
    GET "/directories" DirectoriesRead directories::list;
    GET "/organizations/{organization}/directories" DirectoriesRead directories::list_of;
    GET "/organizations/{organization}/directories/{id}" DirectoriesRead directories::show;
    POST "/organizations/{organization}/directories/{id}:pause_delivery" DirectoriesWrite
        directories::pause_delivery;
    POST "/organizations/{organization}/directories/{id}:resume_delivery" DirectoriesWrite
        directories::resume_delivery;
    GET "/organizations/{organization}/directories/{id}/users" DirectoriesRead directories::users;
    GET "/organizations/{organization}/directories/{id}/users/{user}" DirectoriesRead directories::user;
    GET "/organizations/{organization}/directories/{id}/groups" DirectoriesRead directories::groups;
    GET "/organizations/{organization}/directories/{id}/groups/{group}" DirectoriesRead directories::group;
    GET "/api_keys" KeysWrite api_keys::list;
    POST "/api_keys" KeysWrite api_keys::create;
    DELETE "/api_keys/{id}" KeysWrite api_keys::revoke;
};

/// What a method and a path lead to.
pub(super) enum Found {
    /// A route, and the texts at its open places.
    Route(&'static Route, Vec<String>),
    /// A path that has other methods, with commas between.
    Methods(String),
    Nothing,
}

pub(super) fn find(method: &Method, path: &str) -> Found {
    let Some(rest) = path.strip_prefix(PREFIX) else { return Found::Nothing };
    let rest = rest.replace("%3A", ":").replace("%3a", ":");
    let mut allowed = Vec::new();
    for route in ROUTES {
        if let Some(params) = params(route.path, &rest) {
            if route.method == *method {
                return Found::Route(route, params);
            }
            allowed.push(route.method.as_str());
        }
    }
    if allowed.is_empty() { Found::Nothing } else { Found::Methods(allowed.join(", ")) }
}

/// The texts at the open places of a route's path; `None` if the path is another.
fn params(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        let (open, verb) = wanted.split_once(':').unwrap_or((wanted, ""));
        if !open.starts_with('{') {
            if segment != wanted {
                return None;
            }
            continue;
        }
        let (text, given) = segment.split_once(':').unwrap_or((segment, ""));
        if text.is_empty() || given != verb || segment.contains(':') != wanted.contains(':') {
            return None;
        }
        params.push(text.to_owned());
    }
    segments.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> (String, Vec<String>) {
        match find(method, path) {
            Found::Route(route, params) => (route.path.to_owned(), params),
            Found::Methods(methods) => (methods, Vec::new()),
            Found::Nothing => (String::new(), Vec::new()),
        }
    }

    #[test]
    fn a_verb_is_behind_the_colon_and_nothing_is_guessed() {
        let at = |method: Method, path: &str| found(&method, &format!("{PREFIX}{path}"));
        let we = vec!["we_1".to_owned()];
        assert_eq!(
            at(Method::GET, "/webhook_endpoints/we_1"),
            ("/webhook_endpoints/{id}".into(), we.clone())
        );
        let test = ("/webhook_endpoints/{id}:test".to_owned(), we);
        assert_eq!(at(Method::POST, "/webhook_endpoints/we_1:test"), test);
        assert_eq!(at(Method::POST, "/webhook_endpoints/we_1%3Atest"), test);
        assert_eq!(at(Method::PUT, "/webhook_endpoints/we_1").0, "GET, PATCH, DELETE");
        assert_eq!(at(Method::GET, "/webhook_endpoints/we_1:test").0, "POST");
        for path in [
            "",
            "/",
            "/webhook_endpoints/",
            "/webhook_endpoints/a:",
            "/webhook_endpoints/a:b",
            "/webhook_endpoints/:test",
            "/webhook_endpoints/a/b",
            "//webhook_endpoints",
            "/api_keys/a:test:test",
        ] {
            assert_eq!(at(Method::POST, path).0, "", "{path}");
        }
    }
}
