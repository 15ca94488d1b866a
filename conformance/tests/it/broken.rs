//! Stores that break one promise each: the trials of that promise fail, and none panics or hangs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use scim_conformance::store::{Report, Verdict, suite};
use scim_core::{
    Batch, Capabilities, Cause, Change, ChangeEntry, ChangeFeed, ChangeKind, Committed, DateTime, FeedCursor,
    Include, Member, MemberDelta, MembersChange, MemoryStore, Page, Precondition, Query, ResourceType, Start,
    Store, StoreError, Stored, TenantId, Write,
};
use scim_schema::{UniqueKey, Value};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Nothing,
    // Batches.
    CommitsOneByOne,
    AnswersInReverse,
    PausesWithinBatch,
    // Unique values.
    ComparesLetters,
    ChecksInsertsOnly,
    KeepsKeysOfDeleted,
    UniqueAmongAllTypes,
    UniqueAmongAllTenants,
    LooksThenInserts,
    // Tenants.
    GetsOfOthers,
    QueriesOthers,
    TypesOfOthers,
    WritesToOthers,
    // The feed.
    LosesEntry,
    DoublesEntry,
    ShowsEntryLate,
    ForgetsHolders,
    TellsNoMembers,
    TellsNoCause,
    NeverWakes,
    // Queries.
    RepeatsRow,
    SkipsRow,
    CountsThePage,
    AlwaysMore,
    IgnoresOrder,
    IgnoresFilter,
    // Versions, times and preconditions.
    SkipsVersion,
    TimeGoesBack,
    AlwaysChanges,
    IgnoresVersion,
    IgnoresAbsent,
    // Members.
    NeverChecksMembers,
    AlwaysChecksMembers,
    IncludesAll,
    IncludesNothing,
    SetAdds,
    ForgetsClear,
    ForgetsDisplay,
    KeepsDeletedMembers,
    // Documents.
    Composes,
    CutsText,
    SortsAttributes,
    // All of it.
    AlwaysFails,
    SaysNoFeed,
}

#[derive(Clone, Debug)]
struct Broken {
    flaw: Flaw,
    store: MemoryStore,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    keys: HashMap<(String, UniqueKey), String>,
    times: HashMap<String, DateTime>,
}

impl Broken {
    fn new(flaw: Flaw) -> Self {
        Self { flaw, store: MemoryStore::standard(), notes: Arc::default() }
    }

    fn failure(&self) -> Result<(), StoreError> {
        match self.flaw {
            Flaw::AlwaysFails => Err(StoreError::Other { store: "broken", source: "always".into() }),
            _ => Ok(()),
        }
    }

    fn stored(&self, mut stored: Stored) -> Stored {
        if self.flaw == Flaw::TimeGoesBack
            && let Some(time) = self.notes.lock().unwrap().times.get(stored.resource.id())
        {
            stored.last_modified = *time;
        }
        stored
    }

    /// What becomes of a write before it is done; an error where there is none.
    async fn write(&self, tenant: &TenantId, write: &mut Write) -> Result<(), StoreError> {
        let resource_type = Arc::clone(&write.resource_type);
        match (self.flaw, write.precondition) {
            (Flaw::IgnoresVersion, Precondition::Version(_)) => write.precondition = Precondition::Any,
            (Flaw::IgnoresAbsent, Precondition::Absent) => {
                let there = self.store.get(tenant, &resource_type, &write.id, Include::NONE).await?;
                if there.is_some() {
                    let gone =
                        Write { precondition: Precondition::Any, change: Change::Delete, ..write.clone() };
                    self.store.commit(tenant, batch(vec![gone])).await?;
                }
            }
            _ => {}
        }
        let stays = self.flaw == Flaw::KeepsKeysOfDeleted || self.flaw == Flaw::UniqueAmongAllTypes;
        let scope = match self.flaw {
            Flaw::UniqueAmongAllTenants => resource_type.name().to_owned(),
            _ => tenant.as_str().to_owned(),
        };
        match &mut write.change {
            Change::Insert { document, members } => {
                if stays || self.flaw == Flaw::UniqueAmongAllTenants {
                    let mut notes = self.notes.lock().unwrap();
                    for key in &document.unique {
                        let owner = notes
                            .keys
                            .entry((scope.clone(), key.clone()))
                            .or_insert_with(|| write.id.clone());
                        if *owner != write.id {
                            return Err(StoreError::Conflict { attribute: key.attribute.clone() });
                        }
                    }
                }
                if self.flaw == Flaw::LooksThenInserts {
                    let page = self.store.query(tenant, &everything(&resource_type)).await?;
                    let taken = page.resources.iter().any(|stored| {
                        resource_type
                            .unique_keys(&stored.resource)
                            .iter()
                            .any(|key| document.unique.contains(key))
                    });
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if taken {
                        return Err(StoreError::Conflict { attribute: "userName".into() });
                    }
                    document.unique.clear();
                }
                self.document(document);
                self.members(members);
            }
            Change::Update { document, members, .. } => {
                if let Some(document) = document {
                    if self.flaw == Flaw::ChecksInsertsOnly {
                        document.unique.clear();
                    }
                    self.document(document);
                }
                match members {
                    MembersChange::Set(set) => {
                        self.members(set);
                        if self.flaw == Flaw::SetAdds {
                            let add = std::mem::take(set);
                            *members =
                                MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() });
                        }
                    }
                    MembersChange::Delta(delta) => {
                        self.members(&mut delta.add);
                        delta.clear &= self.flaw != Flaw::ForgetsClear;
                    }
                    MembersChange::Keep => {}
                }
            }
            Change::Delete => {}
        }
        Ok(())
    }

    fn document(&self, document: &mut scim_core::Document) {
        let attributes = document.resource.attributes_mut();
        match self.flaw {
            Flaw::ComparesLetters => {
                if let Some(name) = attributes.get("userName").and_then(Value::as_str) {
                    document.unique =
                        vec![UniqueKey { attribute: "userName".into(), value: name.to_owned() }];
                }
            }
            Flaw::Composes | Flaw::CutsText => {
                for (_, value) in attributes.iter_mut() {
                    if let Some(text) = value.as_str() {
                        let composed = scim_schema::normalize(text).into_owned();
                        let cut: String = text.chars().take(255).collect();
                        *value = if self.flaw == Flaw::Composes { composed } else { cut }.into();
                    }
                }
            }
            Flaw::SortsAttributes => {
                let mut sorted: Vec<_> = std::mem::take(attributes).into_iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
                *attributes = sorted.into_iter().collect();
            }
            _ => {}
        }
    }

    fn members(&self, members: &mut [Member]) {
        if self.flaw == Flaw::ForgetsDisplay {
            members.iter_mut().for_each(|member| member.display = None);
        }
    }

    async fn commit_as_it_does(
        &self,
        tenant: &TenantId,
        mut batch: Batch,
    ) -> Result<Vec<Committed>, StoreError> {
        self.failure()?;
        for write in &mut batch.writes {
            self.write(tenant, write).await?;
        }
        match self.flaw {
            Flaw::NeverChecksMembers => batch.check_members = false,
            Flaw::AlwaysChecksMembers => batch.check_members = true,
            _ => {}
        }
        let (now, writes) = (batch.now, batch.writes.clone());
        let mut committed = match self.flaw {
            Flaw::CommitsOneByOne | Flaw::PausesWithinBatch => {
                let mut committed = Vec::new();
                for write in writes.clone() {
                    let one = Batch { writes: vec![write], ..batch.clone() };
                    committed.extend(self.store.commit(tenant, one).await?);
                    if self.flaw == Flaw::PausesWithinBatch {
                        tokio::time::sleep(Duration::from_micros(100)).await;
                    }
                }
                committed
            }
            Flaw::WritesToOthers => match self.store.commit(tenant, batch.clone()).await {
                Err(StoreError::NotFound) => self.store.commit(&TenantId::new("acme"), batch).await?,
                answer => answer?,
            },
            Flaw::KeepsDeletedMembers => {
                let mut holders = Vec::new();
                for write in &writes {
                    let all = everything_with_members();
                    let page = self.store.query(tenant, &all).await?;
                    let has = |stored: &Stored| {
                        let members = stored.resource.get("members").map(Value::elements).unwrap_or_default();
                        members.iter().any(|m| m.get("value").and_then(Value::as_str) == Some(&write.id))
                    };
                    if matches!(write.change, Change::Delete) {
                        let held = page.resources.iter().filter(|stored| has(stored));
                        holders
                            .extend(held.map(|stored| (stored.resource.id().to_owned(), write.id.clone())));
                    }
                }
                let committed = self.store.commit(tenant, batch.clone()).await?;
                for (holder, member) in holders {
                    let add = vec![Member::new(member)];
                    let members = MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() });
                    let change = Change::Update { document: None, changes: Vec::new(), members };
                    let resource_type = Arc::clone(&all_types()[1]);
                    let write = Write { resource_type, id: holder, precondition: Precondition::Any, change };
                    let again = Batch { writes: vec![write], check_members: false, ..batch.clone() };
                    self.store.commit(tenant, again).await.ok();
                }
                committed
            }
            _ => self.store.commit(tenant, batch).await?,
        };
        for (done, write) in committed.iter_mut().zip(&writes) {
            match self.flaw {
                Flaw::SkipsVersion => done.version += 1,
                Flaw::AlwaysChanges => done.changed = true,
                Flaw::TimeGoesBack => {
                    done.last_modified = now;
                    self.notes.lock().unwrap().times.insert(write.id.clone(), now);
                }
                _ => {}
            }
        }
        if self.flaw == Flaw::AnswersInReverse {
            committed.reverse();
        }
        Ok(committed)
    }
}

fn all_types() -> Vec<Arc<ResourceType>> {
    scim_core::Registry::standard().resource_types().to_vec()
}

fn everything(resource_type: &Arc<ResourceType>) -> Query {
    Query { resource_types: vec![Arc::clone(resource_type)], ..everything_with_members() }
}

fn everything_with_members() -> Query {
    Query {
        resource_types: all_types(),
        filter: None,
        sort: None,
        page: scim_core::PageRequest { start: Start::Offset(0), count: usize::MAX },
        include: Include::ALL,
    }
}

fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, now: DateTime::from_unix_micros(0), cause: Cause::default(), check_members: false }
}

#[async_trait]
impl Store for Broken {
    fn capabilities(&self) -> Capabilities {
        Capabilities { change_feed: self.flaw != Flaw::SaysNoFeed }
    }

    async fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        self.failure()?;
        let include = match self.flaw {
            Flaw::IncludesAll => Include::ALL,
            Flaw::IncludesNothing => Include::NONE,
            _ => include,
        };
        let mut stored = self.store.get(tenant, resource_type, id, include).await?;
        if self.flaw == Flaw::GetsOfOthers && stored.is_none() {
            stored = self.store.get(&TenantId::new("acme"), resource_type, id, include).await?;
        }
        Ok(stored.map(|stored| self.stored(stored)))
    }

    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.failure()?;
        let tenant = if self.flaw == Flaw::TypesOfOthers { &TenantId::new("acme") } else { tenant };
        self.store.types_of(tenant, ids).await
    }

    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError> {
        self.failure()?;
        let mut query = query.clone();
        match self.flaw {
            Flaw::IncludesAll => query.include = Include::ALL,
            Flaw::IncludesNothing => query.include = Include::NONE,
            Flaw::IgnoresOrder => query.sort = None,
            Flaw::IgnoresFilter => query.filter = None,
            Flaw::RepeatsRow => {
                if let Start::After(position) = &mut query.page.start {
                    position.id.pop();
                }
            }
            _ => {}
        }
        let mut page = self.store.query(tenant, &query).await?;
        match self.flaw {
            Flaw::QueriesOthers if page.total == 0 => {
                page = self.store.query(&TenantId::new("acme"), &query).await?;
            }
            Flaw::SkipsRow if matches!(query.page.start, Start::After(_)) && page.more_after => {
                page.resources.truncate(page.resources.len().saturating_sub(1).max(1));
                page.resources.rotate_left(1);
            }
            Flaw::CountsThePage => page.total = page.resources.len() as u64,
            Flaw::AlwaysMore => page.more_after |= !page.resources.is_empty(),
            _ => {}
        }
        page.resources = page.resources.into_iter().map(|stored| self.stored(stored)).collect();
        Ok(page)
    }

    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.commit_as_it_does(tenant, batch).await
    }
}

#[async_trait]
impl ChangeFeed for Broken {
    async fn after(&self, cursor: FeedCursor, limit: usize) -> Result<Vec<ChangeEntry>, StoreError> {
        self.failure()?;
        let all = self.store.after(FeedCursor::START, usize::MAX).await?;
        let deleted: HashSet<(String, DateTime)> = all
            .iter()
            .filter(|e| e.kind == ChangeKind::Deleted)
            .map(|e| (e.cause.request_id.clone(), e.time))
            .collect();
        let count = all.len() as u64;
        let mut shown = Vec::new();
        for mut entry in all {
            let number = entry.cursor.parts().1;
            let hidden = match self.flaw {
                Flaw::LosesEntry => number % 5 == 4,
                Flaw::ShowsEntryLate => number % 4 == 2 && count < number + 10,
                Flaw::ForgetsHolders => {
                    entry.kind == ChangeKind::Updated
                        && deleted.contains(&(entry.cause.request_id.clone(), entry.time))
                        && !entry.members_removed.is_empty()
                }
                _ => false,
            };
            if hidden || entry.cursor <= cursor {
                continue;
            }
            match self.flaw {
                Flaw::DoublesEntry if number % 5 == 4 => shown.push(entry.clone()),
                Flaw::TellsNoMembers => entry.members_added.clear(),
                Flaw::TellsNoCause => entry.cause = Cause::default(),
                _ => {}
            }
            shown.push(entry);
        }
        shown.truncate(limit);
        Ok(shown)
    }

    async fn wait(&self, cursor: FeedCursor) -> Result<(), StoreError> {
        if self.flaw == Flaw::NeverWakes {
            std::future::pending::<()>().await;
        }
        self.failure()?;
        self.store.wait(cursor).await
    }
}

/// Runs the trials whose names hold one of the parts on a store with a flaw.
async fn run(flaw: Flaw, only: &[&str]) -> Report {
    let mut stores = suite(move || async move { (Broken::new(flaw), ()) }).with_feed().cases(20);
    for part in only {
        stores = stores.only(part);
    }
    stores.without("durability:", "it keeps everything in memory").run().await
}

/// The failures, none of which may be a panic or a trial that does not end.
fn failures(flaw: Flaw, report: &Report) -> Vec<&str> {
    for trial in report.failures() {
        let Verdict::Failed(why) = &trial.verdict else { continue };
        assert!(
            !why.starts_with("panic") && !why.starts_with("it did not end"),
            "{flaw:?}: {}: {why}",
            trial.name
        );
    }
    report.failures().map(|trial| trial.name.as_str()).collect()
}

/// The flaw makes the trials fail that are meant for it.
async fn finds(flaw: Flaw, trials: &[&str]) {
    let report = run(flaw, trials).await;
    let failed = failures(flaw, &report);
    for part in trials {
        let of: Vec<_> = report.trials.iter().filter(|trial| trial.name.contains(part)).collect();
        assert!(!of.is_empty(), "there is no trial {part}");
        assert!(
            of.iter().any(|trial| failed.contains(&trial.name.as_str())),
            "{flaw:?} passes: {part}\n{report}"
        );
    }
}

#[tokio::test]
async fn without_a_flaw_the_wrapped_store_passes() {
    run(Flaw::Nothing, &[]).await.assert();
}

#[tokio::test]
async fn flaws_of_batches_are_found() {
    let whole = "races: a reader sees a batch whole";
    finds(
        Flaw::CommitsOneByOne,
        &["batches: nothing stays if the last", "batches: three hundred", "feed: a batch that fails"],
    )
    .await;
    finds(
        Flaw::PausesWithinBatch,
        &[whole, "cancellation: an insert that is dropped", "cancellation: a delete"],
    )
    .await;
    finds(
        Flaw::AnswersInReverse,
        &["batches: answers are in the order", "batches: two writes of one resource"],
    )
    .await;
}

#[tokio::test]
async fn flaws_of_unique_values_are_found() {
    finds(
        Flaw::ComparesLetters,
        &["uniqueness: a name is taken in other letter case", "uniqueness: a name is taken in full-width"],
    )
    .await;
    finds(Flaw::ChecksInsertsOnly, &["uniqueness: a name is taken in the same letters"]).await;
    finds(
        Flaw::KeepsKeysOfDeleted,
        &["uniqueness: a delete releases", "batches: a name is free after its release"],
    )
    .await;
    finds(Flaw::UniqueAmongAllTypes, &["uniqueness: an attribute is unique among one type"]).await;
    finds(Flaw::UniqueAmongAllTenants, &["tenancy: a unique value is free"]).await;
    finds(Flaw::LooksThenInserts, &["races: of 32 inserts of one name"]).await;
}

#[tokio::test]
async fn flaws_of_tenancy_are_found() {
    finds(Flaw::GetsOfOthers, &["tenancy: get finds nothing"]).await;
    finds(Flaw::QueriesOthers, &["tenancy: query without a filter", "tenancy: query by `members.value"])
        .await;
    finds(Flaw::TypesOfOthers, &["tenancy: types_of"]).await;
    finds(Flaw::WritesToOthers, &["tenancy: an update of another", "tenancy: a delete of another"]).await;
}

#[tokio::test]
async fn flaws_of_the_feed_are_found() {
    let tailing = "races: a reader of the feed sees each change";
    finds(
        Flaw::LosesEntry,
        &["feed: each change has one entry", "feed: a thousand", tailing, "model: made-up writes leave"],
    )
    .await;
    finds(
        Flaw::DoublesEntry,
        &["feed: each change has one entry", "feed: cursors grow", "model: made-up writes have"],
    )
    .await;
    finds(Flaw::ShowsEntryLate, &["feed: an entry is there as soon as", tailing]).await;
    finds(
        Flaw::ForgetsHolders,
        &["feed: a delete makes an entry for each holder", "feed: the entry of a holder"],
    )
    .await;
    finds(
        Flaw::TellsNoMembers,
        &["feed: created tells all members", "feed: updated tells who", "members: a deleted resource"],
    )
    .await;
    finds(Flaw::TellsNoCause, &["feed: an entry has the cause"]).await;
    finds(Flaw::NeverWakes, &["feed: wait returns where"]).await;
    finds(Flaw::SaysNoFeed, &["capabilities: a change feed"]).await;
}

#[tokio::test]
async fn flaws_of_queries_are_found() {
    let (forward, races) =
        ("paging: forward by position, in the order", "races: paging forward while others write, in the");
    finds(Flaw::RepeatsRow, &[forward, "paging: forward while others", races]).await;
    finds(Flaw::SkipsRow, &[forward, "paging: forward while others", races]).await;
    finds(Flaw::CountsThePage, &["paging: the total is that", "paging: a count of 0", "tenancy: totals"])
        .await;
    finds(Flaw::AlwaysMore, &["paging: there is more", "paging: a count over", "model: made-up filters"])
        .await;
    finds(
        Flaw::IgnoresOrder,
        &["sorting: by text, ascending", "sorting: by the groups, descending", "model: made-up orders"],
    )
    .await;
    finds(
        Flaw::IgnoresFilter,
        &["filters: eq on text", "filters: not", "filters: value paths", "model: made-up filters"],
    )
    .await;
}

#[tokio::test]
async fn flaws_of_versions_and_times_are_found() {
    finds(Flaw::SkipsVersion, &["versions: they begin with 1", "crud: an insert answers"]).await;
    finds(Flaw::TimeGoesBack, &["time: lastModified never goes back", "time: a far future"]).await;
    finds(Flaw::AlwaysChanges, &["versions: the same document changes nothing", "versions: an empty delta"])
        .await;
    finds(Flaw::IgnoresVersion, &["preconditions: Version holds"]).await;
    finds(Flaw::IgnoresAbsent, &["preconditions: Absent fails where the id"]).await;
}

#[tokio::test]
async fn flaws_of_members_are_found() {
    finds(
        Flaw::NeverChecksMembers,
        &["members: unknown ones of an insert", "members: unknown ones of a delta"],
    )
    .await;
    finds(Flaw::AlwaysChecksMembers, &["members: unknown ones are taken"]).await;
    finds(
        Flaw::IncludesAll,
        &[
            "include: get hands out nothing",
            "include: query hands out nothing",
            "include: what only the filter",
        ],
    )
    .await;
    finds(Flaw::IncludesNothing, &["include: get hands out everything", "include: query hands out members"])
        .await;
    finds(Flaw::SetAdds, &["members: setting leaves", "members: setting none"]).await;
    finds(Flaw::ForgetsClear, &["members: a delta clears", "members: a delta that clears and adds"]).await;
    finds(Flaw::ForgetsDisplay, &["members: type and display", "feed: members are told"]).await;
    finds(
        Flaw::KeepsDeletedMembers,
        &["members: a deleted resource is nobody's", "members: who loses a member"],
    )
    .await;
}

#[tokio::test]
async fn flaws_of_documents_are_found() {
    finds(Flaw::Composes, &["documents: decomposed"]).await;
    finds(Flaw::CutsText, &["documents: a text of 32 KiB", "documents: a name of 1,024"]).await;
    finds(Flaw::SortsAttributes, &["documents: attributes in an unusual order"]).await;
}

#[tokio::test]
async fn a_store_that_always_fails_fails_everywhere_and_ends() {
    let report = run(Flaw::AlwaysFails, &[]).await;
    let failed = failures(Flaw::AlwaysFails, &report).len();
    assert_eq!(
        report.passed().map(|trial| trial.name.as_str()).collect::<Vec<_>>(),
        ["capabilities: a change feed is there if and only if it is said"]
    );
    assert!(failed > 500, "{failed}");
}

#[tokio::test]
async fn a_store_that_forgets_when_it_is_closed_is_found() {
    let stores = suite(|| async { (MemoryStore::standard(), ()) }).with_feed().only("durability:");
    let report = stores.reopen(|_| async { MemoryStore::standard() }).run().await;
    assert_eq!(report.passed().count(), 0, "{report}");
}

#[tokio::test]
async fn panics_and_trials_without_end_are_failures() {
    let panics = suite(|| async {
        let folder = tempfile::tempdir().unwrap();
        std::fs::read(folder.path().join("store")).expect("no store today");
        (MemoryStore::standard(), ())
    });
    let report = panics.only("crud: an inserted").run().await;
    assert!(report.to_string().contains("panic: no store today"), "{report}");
    let hangs = suite(|| async {
        std::future::pending::<()>().await;
        (MemoryStore::standard(), ())
    });
    let report = hangs.only("crud: an inserted").time_limit(Duration::from_millis(50)).run().await;
    assert!(report.to_string().contains("it did not end within 0.05 s"), "{report}");
    assert_eq!((report.passed().count(), report.failures().count()), (0, 1));
}

#[test]
fn a_suite_runs_without_a_runtime_and_says_what_it_left_out() {
    let stores = || suite(|| async { (MemoryStore::standard(), ()) });
    let report = stores().with_feed().only("meta:").without("location", "of no concern").run_blocking();
    report.assert();
    assert_eq!((report.passed().count(), report.skipped().count()), (2, 1));
    assert!(
        report.to_string().contains("skipped meta: location is relative to the base URL: of no concern"),
        "{report}"
    );
    // A store that has a feed can't pass without it.
    let report = stores().only("capabilities:").run_blocking();
    assert_eq!(report.failures().count(), 1);
    assert!(stores().names().len() >= 500);
}
