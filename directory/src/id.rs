//! Identifiers: a prefix that says what it is, and 22 random characters.

use std::fmt;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 22 characters of base 62 hold 131 bits.
const RANDOM: usize = 22;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            const PREFIX: &'static str = $prefix;

            /// Reads one that was given out; `None` if it can't be one.
            pub fn parse(text: &str) -> Option<Self> {
                let random = text.strip_prefix(Self::PREFIX)?;
                let well_formed = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
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
    /// An event.
    EventId,
    "evt_"
);

/// A new id for a resource of this SCIM type: `diruser_…` for `User`, `dirgroup_…` for `Group`.
///
/// ```
/// assert!(scim_directory::new_id("User").starts_with("diruser_"));
/// assert_eq!(scim_directory::new_id("Group").len(), "dirgroup_".len() + 22);
/// ```
pub fn new_id(resource_type: &str) -> String {
    let prefix = match resource_type {
        "User" => "diruser_",
        "Group" => "dirgroup_",
        "request" => "req_",
        _ => "dirres_",
    };
    format!("{prefix}{}", random_text(RANDOM))
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
                Self(format!("{}{}", Self::PREFIX, random_text(RANDOM)))
            }
        }
    )*};
}

made_at_random!(EnvironmentId, OrganizationId, DirectoryId, TokenId, EndpointId);

impl EventId {
    /// The id that a hash gives.
    pub(crate) fn of_hash(hash: [u8; 32]) -> Self {
        let (mut text, mut left) = (String::from(Self::PREFIX), hash);
        for _ in 0..RANDOM {
            // One digit of the hash as a number: the remainder of a long division.
            let mut remainder = 0_u16;
            for byte in &mut left {
                let number = remainder * 256 + u16::from(*byte);
                *byte = u8::try_from(number / 62).unwrap_or_default();
                remainder = number % 62;
            }
            text.extend(ALPHABET.get(usize::from(remainder)).map(|&character| char::from(character)));
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
