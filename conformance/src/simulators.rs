//! Identity providers that talk to a SCIM service as the real ones do.
//!
//! Each [`Simulator`] plays what one provider sends when an administrator connects an application and the
//! company then lives: connection test, look-ups, new users, a changed profile, groups and their members,
//! a change of role, deactivation and reactivation, deletion. Shapes are those of the recorded traffic in
//! `data/idp-corpus`: PUT or PATCH, capitalised operations, booleans as strings, path-less replace,
//! value-path additions, members removed by value, headers. What must exist at the end is known
//! beforehand ([`Simulator::expected`]), so the service can be held to it.

mod entra;
mod expected;
mod jumpcloud;
mod okta;
mod onelogin;
mod ping;
mod script;
mod staff;

use std::fmt;
use std::str::FromStr;

use http::StatusCode;

use crate::client::{BoxError, ScimClient};
pub use expected::{Expected, ExpectedGroup, ExpectedUser};
use script::Script;

/// An identity provider that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Provider {
    /// Okta: users by PUT of the fetched object or by path-less PATCH, groups by PATCH, never deletes users.
    Okta,
    /// Microsoft Entra ID: PATCH with capitalised operations and booleans as strings.
    Entra,
    /// OneLogin: a customer-edited template with blanks, users by PUT.
    OneLogin,
    /// JumpCloud: a test cycle first, users by PUT, members removed by value.
    JumpCloud,
    /// PingFederate: users by PUT, groups found by reading all pages.
    Ping,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Okta, Self::Entra, Self::OneLogin, Self::JumpCloud, Self::Ping];

    /// The name on command lines and in data: `okta`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Okta => "okta",
            Self::Entra => "entra",
            Self::OneLogin => "onelogin",
            Self::JumpCloud => "jumpcloud",
            Self::Ping => "ping",
        }
    }

    /// The name for people: `Microsoft Entra ID`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Okta => "Okta",
            Self::Entra => "Microsoft Entra ID",
            Self::OneLogin => "OneLogin",
            Self::JumpCloud => "JumpCloud",
            Self::Ping => "PingFederate",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|provider| provider.name() == text).ok_or(UnknownProvider)
    }
}

/// A name that is no provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownProvider;

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the providers are okta, entra, onelogin, jumpcloud and ping")
    }
}

impl std::error::Error for UnknownProvider {}

/// Plays one provider against one empty directory.
#[derive(Debug)]
pub struct Simulator {
    provider: Provider,
    script: Script,
}

impl Simulator {
    /// The simulator of a provider.
    pub fn new(provider: Provider) -> Self {
        let script = match provider {
            Provider::Okta => okta::script(),
            Provider::Entra => entra::script(),
            Provider::OneLogin => onelogin::script(),
            Provider::JumpCloud => jumpcloud::script(),
            Provider::Ping => ping::script(),
        };
        Self { provider, script }
    }

    /// Which provider it plays.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// How many requests it makes.
    pub fn total(&self) -> usize {
        self.script.len()
    }

    /// What exists when it is done, in a directory that was empty before.
    pub fn expected(&self) -> &Expected {
        self.script.expected()
    }

    /// Makes all requests, one after the other, and tells of each one made.
    ///
    /// # Errors
    /// [`SimulationError`] at the first request without an answer, or with one that the provider would
    /// show its administrator as an error.
    pub async fn run(
        &self,
        client: &dyn ScimClient,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<(), SimulationError> {
        self.script.run(client, progress).await
    }
}

/// How far a simulator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Requests made.
    pub done: usize,
    /// Requests to make in all.
    pub total: usize,
    /// What the last one was for: `look up ada@okta.example`.
    pub title: &'a str,
}

/// Why a simulator stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimulationError {
    /// There was no answer.
    NoAnswer {
        /// What the request was for.
        title: String,
        /// What happened.
        source: BoxError,
    },
    /// The answer is not what the provider takes for success.
    Status {
        /// What the request was for.
        title: String,
        /// The status of the answer.
        status: StatusCode,
        /// The body of the answer, shortened.
        body: String,
    },
    /// The answer lacks what the next requests need.
    Body {
        /// What the request was for.
        title: String,
        /// What is missing.
        missing: String,
    },
}

impl fmt::Display for SimulationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { title, .. } => write!(f, "no answer to \"{title}\""),
            Self::Status { title, status, body } => write!(f, "\"{title}\" was answered {status}: {body}"),
            Self::Body { title, missing } => write!(f, "the answer to \"{title}\" lacks {missing}"),
        }
    }
}

impl std::error::Error for SimulationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoAnswer { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use scim_core::{BearerToken, MemoryStore, Service};
    use scim_system::SystemEnvironment;

    use super::*;
    use crate::client::InProcess;

    fn service() -> Service {
        let tokens = BearerToken::new("secret");
        let base_url = "https://app.example.com/scim/v2";
        Service::builder(base_url, MemoryStore::standard(), tokens, SystemEnvironment).build().unwrap()
    }

    fn client() -> InProcess {
        InProcess::new(service(), Some("secret"))
    }

    #[tokio::test]
    async fn every_provider_leaves_what_it_says() {
        for provider in Provider::ALL {
            let client = client();
            let simulator = Simulator::new(provider);
            let mut steps = Vec::new();
            let mut progress = |step: Progress<'_>| steps.push((step.done, step.total));
            simulator.run(&client, &mut progress).await.unwrap_or_else(|error| panic!("{provider}: {error}"));
            let total = simulator.total();
            assert_eq!(steps, (1..=total).map(|done| (done, total)).collect::<Vec<_>>());
            let differences = simulator.expected().differences(&client).await.unwrap();
            assert_eq!(differences, Vec::<String>::new(), "{provider}");
            assert!(simulator.expected().users.iter().any(|user| !user.active), "{provider} deactivates");
            assert_eq!(simulator.expected().groups.len(), 2);
        }
    }

    #[tokio::test]
    async fn what_is_missing_or_different_is_said() {
        let client = client();
        let simulator = Simulator::new(Provider::Okta);
        let nothing = simulator.expected().differences(&client).await.unwrap();
        assert!(nothing.contains(&"8 users were expected, 0 exist.".to_owned()), "{nothing:?}");
        simulator.run(&client, &mut |_| {}).await.unwrap();
        let list = client.send(request("GET", "/Users?filter=userName%20sw%20%22ada%22", "")).await.unwrap();
        let list: serde_json::Value = serde_json::from_slice(list.body()).unwrap();
        let ada = list["Resources"][0]["id"].as_str().unwrap();
        let patch = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations":[{"op":"replace","path":"active","value":false}]}"#;
        client.send(request("PATCH", &format!("/Users/{ada}"), patch)).await.unwrap();
        let differences = simulator.expected().differences(&client).await.unwrap();
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert!(differences[0].starts_with("The user ada@okta.example is "), "{differences:?}");
        client.send(request("DELETE", &format!("/Users/{ada}"), "")).await.unwrap();
        let differences = simulator.expected().differences(&client).await.unwrap();
        assert!(differences.contains(&"The user ada@okta.example is missing.".to_owned()));
        assert!(differences.iter().any(|sentence| sentence.starts_with("The group Engineering is ")));
    }

    #[tokio::test]
    async fn a_refusal_ends_the_play() {
        let refused = InProcess::new(service(), Some("wrong"));
        let error = Simulator::new(Provider::Ping).run(&refused, &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, SimulationError::Status { status, .. } if status == 401), "{error}");
    }

    fn request(method: &str, uri: &str, body: &'static str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", "Bearer secret")
            .header("content-type", "application/scim+json")
            .body(Bytes::from(body))
            .unwrap()
    }
}
