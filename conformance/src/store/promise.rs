//! What a store promises.

macro_rules! promises {
    ($($(#[$doc:meta])* $promise:ident = $text:literal;)*) => {
        /// A promise of [`Store`](scim_core::Store) or [`ChangeFeed`](scim_core::ChangeFeed), which trials hold
        /// a store to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Promise { $($(#[$doc])* $promise,)* }

        impl Promise {
            /// All promises.
            pub const ALL: &[Self] = &[$(Self::$promise,)*];

            /// What is promised, in the words of the traits' documentation where it has them.
            pub fn text(self) -> &'static str {
                match self { $(Self::$promise => $text,)* }
            }
        }
    };
}

promises! {
    // The obligations of `Store`.
    /// Tenants are apart.
    Tenants = "Every call names the tenant. A resource of another tenant does not exist.";
    /// Batches.
    Atomic = "commit is atomic: all writes of a batch or none, durable before it returns.";
    /// Unique values.
    Unique = "Uniqueness is enforced inside commit, by the engine, never by looking first. A key is unique among the resources of one type and tenant.";
    /// Membership.
    Edges = "Membership is a set of edges. Deleting a resource removes the edges from and to it in the same commit, and each resource that loses a member gets a new version.";
    /// Writes without effect.
    NoChange = "A write that changes nothing leaves version and lastModified as they are and says so.";
    /// Time and versions.
    Monotone = "lastModified of a resource never goes back, whatever now a batch carries; versions grow by one.";
    /// Queries.
    Queries = "query answers what Query::answer answers over all of the tenant's resources.";
    /// What a resource carries.
    Carries = "Resources handed out carry id and meta (see Resource::set_meta); members and inverse attributes such as groups only as far as Include asks for them (see crate::edges).";
    // The obligations of `ChangeFeed`.
    /// The feed and the data are one.
    FeedCommits = "An entry becomes visible with its commit: no entry without its change, no change without its entry.";
    /// No gaps.
    FeedGapless = "A reader that passes the cursor of the last entry it saw never misses an entry, also with several writers: an entry never appears behind a cursor that was handed out.";
    /// No entries for nothing.
    FeedNoChange = "A write that changes nothing makes no entry.";
    /// Entries of a delete.
    FeedDelete = "Deleting a resource makes an entry for it, and one for each resource that lost it as a member.";
    // The documentation of the items.
    /// Exactly once, in order.
    FeedOnce = "Every committed change of a store, exactly once, in commit order for each resource.";
    /// Waiting.
    FeedWait = "wait waits until there is an entry behind the cursor.";
    /// What an entry tells.
    FeedTells = "An entry carries the resource's key, kind, version, document, changes, members that came and went, cause and time.";
    /// Reads.
    Reads = "get gives one resource, or None; types_of has one entry for each id, in order.";
    /// Writes.
    Writes = "The answer of commit has one entry for each write, in order: the version now, when the resource was created and changed, whether anything changed, which members came and went.";
    /// Documents.
    Exact = "A resource's own attributes are what the document said, to the letter.";
    /// Preconditions.
    Preconditions = "A write is done only if its precondition holds; otherwise the commit fails and says why.";
    /// Unknown members.
    UnknownMembers = "check_members: each added member must exist when the batch is done; if not so the commit fails with UnknownMember.";
    /// Positions.
    Positions = "Positions stay good when resources come and go, so that paging while others write neither repeats nor skips what was there all the time.";
    /// Capabilities.
    Capabilities = "capabilities says what the store can do beyond the required.";
    /// Faults.
    Retries = "A call that failed has either had its whole effect or none, so that a client that tries again gets to the same state.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bullets under `# Obligations` of a trait, without markup.
    fn obligations(source: &str) -> Vec<String> {
        let mut bullets: Vec<String> = Vec::new();
        let lines = source.lines().skip_while(|line| *line != "/// # Obligations").skip(1);
        for line in lines.map_while(|line| line.strip_prefix("/// ")) {
            match line.strip_prefix("- ") {
                Some(text) => bullets.push(text.to_owned()),
                None => bullets.last_mut().unwrap().push_str(&line.replace("  ", " ")),
            }
        }
        let link = regex::Regex::new(r"\[`?([^\]`]+)`?\](\([^)]*\))?").unwrap();
        bullets.iter().map(|bullet| link.replace_all(bullet, "$1").replace('`', "")).collect()
    }

    #[test]
    fn each_obligation_of_the_traits_is_a_promise_with_trials() {
        let store = obligations(include_str!("../../../scim-core/src/store.rs"));
        let feed = obligations(include_str!("../../../scim-core/src/feed.rs"));
        assert_eq!((store.len(), feed.len()), (8, 4));
        for obligation in store.iter().chain(&feed) {
            assert!(Promise::ALL.iter().any(|promise| promise.text() == obligation), "{obligation}");
        }
        let trials = crate::store::trials::all();
        for promise in Promise::ALL {
            assert!(trials.iter().any(|trial| trial.promise == *promise), "{promise:?}");
        }
    }
}
