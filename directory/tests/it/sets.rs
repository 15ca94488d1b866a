//! Security event tokens, over TCP on loopback where they are pushed.

mod fold;
mod poll;
mod push;
mod receiver;
mod streams;

use scim_directory::{SetDelivery, SetStream, SetStreamSettings};
use scim_set::{Expected, KeySet, Verified, verify};
use serde_json::Value;

use crate::support::Site;

pub(crate) const ISSUER: &str = "https://scim.example.com";
pub(crate) const AUDIENCE: &str = "https://app.example.com/sets";

impl Site {
    async fn set_stream(&self, settings: SetStreamSettings) -> SetStream {
        self.directories.create_set_stream(settings, now(self)).await.unwrap().stream
    }
}

fn now(site: &Site) -> scim_schema::DateTime {
    use scim_directory::Clock as _;
    site.clock.now()
}

/// Settings of a stream by push.
fn push_to(url: &str) -> SetStreamSettings {
    let delivery = SetDelivery::Push { url: url.to_owned(), authorization: Some("Bearer push-7".into()) };
    SetStreamSettings { delivery, ..polled() }
}

/// Settings of a stream by poll.
fn polled() -> SetStreamSettings {
    SetStreamSettings { audience: AUDIENCE.into(), ..SetStreamSettings::default() }
}

/// The keys as a receiver has them: from text.
async fn keys(site: &Site) -> KeySet {
    KeySet::parse(&site.directories.set_keys().await.unwrap().to_json()).unwrap()
}

/// A SET as a receiver believes it.
#[track_caller]
fn believed(token: &str, keys: &KeySet) -> Verified {
    verify(token, keys, Expected { issuer: ISSUER, audience: AUDIENCE }).unwrap()
}

/// The events of a SET, without what they have in common before their names.
fn names(set: &Verified) -> Vec<String> {
    let name = |uri: &str| uri.strip_prefix("urn:ietf:params:scim:event:").unwrap().to_owned();
    set.events().map(|(uri, _)| name(uri)).collect()
}

/// The payload of the first event.
fn payload(set: &Verified) -> Value {
    serde_json::to_value(set.events().next().unwrap().1).unwrap()
}
