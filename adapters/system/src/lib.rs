#![doc = include_str!("../README.md")]

use std::time::{SystemTime, UNIX_EPOCH};

use scim_core::Environment;
use scim_schema::DateTime;
use uuid::Uuid;

/// The machine's wall clock, and random UUIDs as ids.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a value without parts, made by its name")]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    /// The wall clock, to the microsecond. A clock that is set before 1970 reads as 1970.
    fn now(&self) -> DateTime {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        DateTime::from_unix_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// A random UUID in its usual form: hexadecimal digits and hyphens only, so never with the text
    /// `bulkId` and never in need of an escape in a URL.
    fn new_id(&self, _resource_type: &str) -> String {
        Uuid::new_v4().to_string()
    }
}
