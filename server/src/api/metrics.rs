//! `/metrics`, in the text format of Prometheus.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, FORWARDED, HeaderName};
use http::request::Parts;
use scim_directory::{DirectoryError, Histogram, Scope};
use scim_sql::Engine;

use super::Api;
use super::access::require;
use super::problem::Problem;
use crate::http::Peer;
use crate::instance::now;
use crate::logging;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Api {
    /// Figures, for who asks on this machine, and else for a key that has `metrics:read`.
    ///
    /// Behind a proxy everybody comes from the proxy's address: there a key is always needed.
    pub(crate) async fn metrics(&self, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        self.figures(&parts).await.unwrap_or_else(Problem::into_response)
    }

    async fn figures(&self, request: &Parts) -> Result<Response, Problem> {
        if self.0.trusted_proxy || !is_from_here(request) {
            let key = self.0.access.authenticate(request, now()).await?;
            require(&key, Scope::MetricsRead)?;
        }
        let mut response = Response::new(Body::from(self.text().await?));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        Ok(response)
    }

    async fn text(&self) -> Result<String, DirectoryError> {
        let directories = self.directories();
        let (waiting, log_end) = (directories.waiting().await?, directories.log_end().await?);
        let mut text = Text::default();
        let engine = match directories.engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        };
        text.family("build_info", "gauge", "Which program this is.");
        text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION")), ("database", engine)], 1);
        text.family(
            "panics_total",
            "counter",
            "Requests and jobs that broke off by a mistake in the program.",
        );
        text.sample("panics_total", &[], logging::panics());
        text.family("event_log_position", "gauge", "The position of the latest event; positions have gaps.");
        text.sample("event_log_position", &[], log_end.number());

        text.family("endpoint_enabled", "gauge", "Whether events are delivered to the endpoint.");
        for endpoint in &waiting {
            let enabled = u64::from(endpoint.enabled);
            text.sample("endpoint_enabled", &[("endpoint", endpoint.endpoint_id.as_str())], enabled);
        }
        text.family("deliveries_pending", "gauge", "Deliveries that wait for an attempt, in all processes.");
        for endpoint in &waiting {
            text.sample(
                "deliveries_pending",
                &[("endpoint", endpoint.endpoint_id.as_str())],
                endpoint.pending,
            );
        }
        let name = "deliveries_oldest_pending_seconds";
        text.family(
            name,
            "gauge",
            "How long ago the change happened that waits the longest; 0 if nothing waits.",
        );
        let now = now();
        for endpoint in &waiting {
            let age =
                endpoint.oldest.map_or(0, |oldest| now.unix_micros().saturating_sub(oldest.unix_micros()));
            let seconds = u64::try_from(age).unwrap_or_default() / 1_000_000;
            text.sample(name, &[("endpoint", endpoint.endpoint_id.as_str())], seconds);
        }

        let metrics = directories.metrics();
        text.family("delivery_attempts_total", "counter", "Attempts of this process, by what they came to.");
        for (outcome, count) in metrics.attempts() {
            text.sample("delivery_attempts_total", &[("outcome", outcome)], count);
        }
        text.family("delivery_attempts_in_flight", "gauge", "Attempts of this process that are under way.");
        text.sample("delivery_attempts_in_flight", &[], metrics.in_flight());
        let name = "deliveries_superseded_total";
        text.family(name, "counter", "Deliveries that gave way to a later event of their subject.");
        text.sample(name, &[], metrics.superseded());
        let name = "commit_to_delivered_seconds";
        text.histogram(
            name,
            "From the commit of a change to its acknowledgement.",
            metrics.commit_to_delivered(),
        );
        let name = "deprovision_latency_seconds";
        text.histogram(
            name,
            "From the commit to the acknowledgement, of user_deleted alone.",
            metrics.deprovision_latency(),
        );
        Ok(text.0)
    }
}

/// Whether a request comes from this machine, and nobody has passed it on.
fn is_from_here(request: &Parts) -> bool {
    let peer = request.extensions.get::<Peer>();
    peer.is_some_and(|peer| peer.0.is_loopback())
        && !request.headers.contains_key(FORWARDED_FOR)
        && !request.headers.contains_key(FORWARDED)
}

/// The answer.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP scimd_{name} {help}\n# TYPE scimd_{name} {kind}");
    }

    /// Values of labels are names and ids, which need no escapes.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "scimd_{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let mut count = 0;
        for (bound, so_far) in histogram.cumulative() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], so_far);
            count = so_far;
        }
        let _ = writeln!(self.0, "scimd_{name}_sum {}", histogram.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), &[], count);
    }
}
