//! Identifiers: a prefix that says what it is, and 22 characters. Of what there is a great deal of, the first of
//! them are the time.

use std::fmt;

use scim_schema::DateTime;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many characters follow the prefix. So many of base 62 hold 131 bits.
const LENGTH: usize = 22;
/// How many of them are the time, where it is in the id: milliseconds until the year 8893.
const TIME: usize = 8;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            const PREFIX: &'static str = $prefix;

            /// Reads one that was given out; `None` if it can't be one.
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix(Self::PREFIX)?;
                let well_formed = rest.len() == LENGTH && rest.bytes().all(|b| b.is_ascii_alphanumeric());
                well_formed.then(|| Self(text.to_owned()))
            }

            /// One that the database holds.
            pub(crate) fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// An environment: all that one database holds.
    EnvironmentId,
    "env_"
);
id!(
    /// An organization: a customer of the application.
    OrganizationId,
    "org_"
);
id!(
    /// A directory: one identity provider's view of an organization.
    DirectoryId,
    "dir_"
);
id!(
    /// A token of a directory. Not the token itself.
    TokenId,
    "dirsec_"
);
id!(
    /// A webhook endpoint.
    EndpointId,
    "we_"
);
id!(
    /// A key of a program that may ask for what is here. Not the key itself.
    ApiKeyId,
    "skc_"
);
id!(
    /// The delivery of an event to an endpoint.
    DeliveryId,
    "dlv_"
);
id!(
    /// A stream of security event tokens.
    SetStreamId,
    "stream_"
);
id!(
    /// An event.
    EventId,
    "evt_"
);

/// A new id for a resource of this SCIM type that is made now: `diruser_…` for `User`, `dirgroup_…` for `Group`.
///
/// Ids of a later millisecond sort behind earlier ones, so that the indexes of a large directory grow at their end and
/// not everywhere. The other 14 characters are random.
///
/// ```
/// # use scim_schema::DateTime;
/// let now = DateTime::from_unix_micros(1_790_000_000_000_000);
/// assert!(scim_directory::new_id("User", now).starts_with("diruser_0VVrda1w"));
/// assert_eq!(scim_directory::new_id("Group", now).len(), "dirgroup_".len() + 22);
/// ```
pub fn new_id(resource_type: &str, now: DateTime) -> String {
    let prefix = match resource_type {
        "User" => "diruser_",
        "Group" => "dirgroup_",
        "request" => "req_",
        "audit" => "aud_",
        _ => "dirres_",
    };
    let mut id = String::with_capacity(prefix.len() + LENGTH);
    id.push_str(prefix);
    push_time(&mut id, now);
    id.push_str(&random_text(LENGTH - TIME));
    id
}

/// Characters that sort as the times do.
fn push_time(id: &mut String, time: DateTime) {
    let millis = u64::try_from(time.unix_micros() / 1000).unwrap_or(0);
    let powers = (0..TIME as u32).rev().map(|power| 62_u64.pow(power));
    id.extend(powers.filter_map(|power| digit(millis / power % 62)));
}

/// A number below 62 as a character.
fn digit(number: u64) -> Option<char> {
    ALPHABET.get(usize::try_from(number).ok()?).map(|&character| char::from(character))
}

/// Random letters and digits, all equally likely.
pub(crate) fn random_text(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random_bytes::<32>() {
            // 248 is the greatest multiple of 62 that a byte can hold.
            if byte < 248
                && text.len() < length
                && let Some(&character) = ALPHABET.get(usize::from(byte % 62))
            {
                text.push(char::from(character));
            }
        }
    }
    text
}

macro_rules! made_at_random {
    ($($name:ident),*) => {$(
        impl $name {
            /// A new one.
            pub(crate) fn random() -> Self {
                Self(format!("{}{}", Self::PREFIX, random_text(LENGTH)))
            }
        }
    )*};
}

made_at_random!(EnvironmentId, OrganizationId, DirectoryId, TokenId, EndpointId, ApiKeyId, SetStreamId);

impl DeliveryId {
    /// That of a place in the table: the number in digits of base 62.
    pub(crate) fn of(position: u64) -> Self {
        let mut text = String::from(Self::PREFIX);
        let powers = (0..LENGTH as u32).rev().map(|power| 62_u64.checked_pow(power));
        text.extend(powers.filter_map(|power| digit(power.map_or(0, |power| position / power % 62))));
        Self::stored(text)
    }

    /// The place; `None` where there can be none.
    pub(crate) fn position(&self) -> Option<u64> {
        let digits = self.0.strip_prefix(Self::PREFIX)?.bytes();
        digits
            .map(|byte| ALPHABET.iter().position(|a| *a == byte))
            .try_fold(0_u64, |number, digit| number.checked_mul(62)?.checked_add(u64::try_from(digit?).ok()?))
    }
}

impl EventId {
    /// The id that a time and a hash give.
    pub(crate) fn of(time: DateTime, hash: [u8; 32]) -> Self {
        let (mut text, mut left) = (String::from(Self::PREFIX), hash);
        push_time(&mut text, time);
        for _ in TIME..LENGTH {
            // One digit of the hash as a number: the remainder of a long division.
            let mut remainder = 0_u16;
            for byte in &mut left {
                let number = remainder * 256 + u16::from(*byte);
                *byte = u8::try_from(number / 62).unwrap_or_default();
                remainder = number % 62;
            }
            text.extend(digit(u64::from(remainder)));
        }
        Self(text)
    }
}

/// Random bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without random numbers no id or secret can be made safely")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime {
        DateTime::from_unix_micros(millis * 1000)
    }

    #[test]
    fn ids_sort_by_time() {
        let times = [-5, 0, 1, 61, 62, 1_790_000_000_000, 1_790_000_000_001, 62_i64.pow(8) - 1];
        let ids = times.map(|time| new_id("User", at(time)));
        let [early, rest @ ..] = &ids;
        assert!(early.starts_with("diruser_00000000"), "{early}");
        assert!(rest.is_sorted(), "{ids:?}");
        assert!(rest.iter().all(|id| id.len() == "diruser_".len() + LENGTH));
        let events = times.map(|time| EventId::of(at(time), [7; 32]));
        assert!(events.is_sorted(), "{events:?}");
    }

    #[test]
    fn the_id_of_a_delivery_is_its_place() {
        for position in [0, 1, 61, 62, 1_000_000, i64::MAX as u64, u64::MAX] {
            let id = DeliveryId::of(position);
            assert_eq!(DeliveryId::parse(id.as_str()).and_then(|id| id.position()), Some(position));
        }
        assert_eq!(DeliveryId::parse("dlv_zzzzzzzzzzzzzzzzzzzzzz").unwrap().position(), None);
    }

    #[test]
    fn events_of_one_moment_are_told_apart_by_their_hash() {
        let [one, other] = [[7; 32], [8; 32]].map(|hash| EventId::of(at(5), hash));
        assert_ne!(one, other);
        assert_eq!(EventId::of(at(5), [7; 32]), one);
        assert_eq!(EventId::parse(one.as_str()), Some(one));
    }
}
