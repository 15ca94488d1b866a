#![doc = include_str!("../README.md")]

use std::time::{SystemTime, UNIX_EPOCH};

use scim_core::Environment;
use scim_schema::DateTime;
use uuid::Uuid;

/// The machine's wall clock, and UUIDs as ids.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a value without parts, made by its name")]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    /// The wall clock, to the microsecond. A clock that is set before 1970 reads as 1970.
    fn now(&self) -> DateTime {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        DateTime::from_unix_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// A UUID of version 7 (RFC 9562 §5.7) in its usual form: hexadecimal digits and hyphens only, so never with
    /// the text `bulkId` and never in need of an escape in a URL. It begins with the time, so that indexes of ids
    /// grow at their end; 74 bits are random.
    fn new_id(&self, _resource_type: &str) -> String {
        Uuid::now_v7().to_string()
    }
}
