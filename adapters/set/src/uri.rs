//! Event URIs (RFC 9967 §7.4).

macro_rules! event_uris {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A registered event of SCIM.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventUri {
            $($(#[$doc])* $variant,)*
        }

        impl EventUri {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The URI.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("urn:ietf:params:scim:event:", $name),)*
                }
            }
        }
    };
}

event_uris! {
    /// A resource that was there before entered the feed.
    FeedAdd = "feed:add",
    /// A resource left the feed; it is still there.
    FeedRemove = "feed:remove",
    /// A resource was created: all of it.
    CreateFull = "prov:create:full",
    /// A resource was created: the names of its attributes.
    CreateNotice = "prov:create:notice",
    /// A resource changed: what changed, as a PATCH.
    PatchFull = "prov:patch:full",
    /// A resource changed: the names of the attributes that changed.
    PatchNotice = "prov:patch:notice",
    /// A resource was replaced: the body of the PUT.
    PutFull = "prov:put:full",
    /// A resource was replaced: the names of the attributes that changed.
    PutNotice = "prov:put:notice",
    /// A resource was deleted.
    Delete = "prov:delete",
    /// Who the resource stands for is let in again.
    Activate = "prov:activate",
    /// Who the resource stands for is shut out.
    Deactivate = "prov:deactivate",
    /// A request that was answered 202 is done.
    AsyncResponse = "misc:asyncresp",
}

impl EventUri {
    /// Those that [`events`](crate::events()) makes. Every update is told as a PATCH, as §5 recommends; a
    /// stream's filter does not depend on the state of a resource, so that none enters or leaves it.
    pub const MADE: &[Self] = &[
        Self::CreateFull,
        Self::CreateNotice,
        Self::PatchFull,
        Self::PatchNotice,
        Self::Delete,
        Self::Activate,
        Self::Deactivate,
    ];

    /// Whether both tell of the same kind of change, be it `full` or `notice`.
    pub fn is_like(self, other: Self) -> bool {
        let kind = |uri: Self| uri.as_str().trim_end_matches(":full").trim_end_matches(":notice");
        kind(self) == kind(other)
    }

    /// The event of that URI, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|uri| uri.as_str().eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_uri_is_read_as_itself() {
        for uri in EventUri::ALL {
            assert_eq!(EventUri::parse(uri.as_str()), Some(*uri));
        }
        assert_eq!(EventUri::CreateFull.as_str(), "urn:ietf:params:scim:event:prov:create:full");
        assert_eq!(EventUri::parse("urn:ietf:params:scim:event:prov:create"), None);
        assert!(EventUri::CreateFull.is_like(EventUri::CreateNotice));
        assert!(!EventUri::Activate.is_like(EventUri::Deactivate));
    }
}
