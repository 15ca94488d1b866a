//! The bodies of the fuzz targets: plain functions that panic where a promise is broken.
//!
//! ```
//! scim_fuzz::filter_parse(b"emails[type eq \"work\"] and active eq true");
//! ```
//!
//! `fuzz/fuzz_targets` gives them to libFuzzer; `tests/it` runs them over the saved corpus. Both run them by
//! [`on_a_small_stack`], so that recursion on what a client sent is found.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise ends the run with a panic"
)]

mod filter;
mod naive;
mod patch;
mod path;
mod resource;
mod router;
mod webhook;

use std::fmt::Display;
use std::ops::Range;
use std::sync::LazyLock;

use scim_schema::{Registry, Resource, ResourceType};

pub use filter::{filter_match, filter_parse};
pub use naive::{filter_naive, patch_naive};
pub use patch::patch_apply;
pub use path::patch_path;
pub use resource::resource_json;
pub use router::router;
pub use webhook::webhook_url;

/// A body: it takes any bytes.
pub type Body = fn(&[u8]);

/// Every target's name and body.
pub const TARGETS: &[(&str, Body)] = &[
    ("filter_parse", filter_parse),
    ("filter_match", filter_match),
    ("filter_naive", filter_naive),
    ("patch_path", patch_path),
    ("patch_apply", patch_apply),
    ("patch_naive", patch_naive),
    ("resource_json", resource_json),
    ("router", router),
    ("webhook_url", webhook_url),
];

/// The stack a body may use, in bytes.
pub const STACK: usize = 256 * 1024;

/// Error messages are for people and logs, and hold no input.
const LONGEST_MESSAGE: usize = 300;

/// Runs a body on a thread with a stack of [`STACK`] bytes.
///
/// # Panics
/// Where the body does.
pub fn on_a_small_stack(body: Body, data: &[u8]) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || body(data))
            .expect("a thread can be started");
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

static USER: LazyLock<Resource> = LazyLock::new(|| {
    canonical(
        r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"], "id": "1", "userName": "bjensen",
        "externalId": "55", "name": {"givenName": "Barbara", "familyName": "J\u00e9nsen"}, "active": true, "title": "",
        "emails": [{"value": "b@example.com", "type": "work", "primary": true}, {"value": "b@example.org"}],
        "groups": [{"value": "g1", "type": "direct"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "2", "displayName": "Ann"}},
        "meta": {"resourceType": "User", "created": "2024-02-29T12:00:00Z", "version": "W/\"1\""}}"#,
    )
});

static GROUP: LazyLock<Resource> = LazyLock::new(|| {
    canonical(
        r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "g1", "displayName": "Guides",
        "members": [{"value": "1", "type": "User"}, {"value": "2", "type": "User"}, {"value": "g2", "type": "Group"}],
        "meta": {"resourceType": "Group", "created": "2024-02-29T12:00:00Z", "version": "W/\"1\""}}"#,
    )
});

/// An error points at whole characters of the text, and its short message says where.
fn check_place(text: &str, span: Range<usize>, error: &dyn Display) {
    assert!(span.start <= span.end && span.end <= text.len(), "{span:?} is outside of the text");
    assert!(
        text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
        "{span:?} splits a character"
    );
    let message = error.to_string();
    assert!(message.len() <= LONGEST_MESSAGE);
    assert!(message.ends_with(&format!("at byte {}", span.start)), "{message}");
}

fn canonical(json: &str) -> Resource {
    Resource::from_canonical(serde_json::from_str(json).expect("a resource"))
}

fn resource_type(name: &str) -> &'static ResourceType {
    REGISTRY.resource_type(name).expect("a standard resource type")
}
