//! Many writers at once.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;

use scim_core::{
    Change, ChangeEntry, ChangeFeed, ChangeKind, FeedCursor, Member, MemberDelta, MembersChange,
    Precondition, Store, StoreError, TenantId,
};
use serde_json::json;

use crate::support::*;

on_all_kinds! {
    of_64_clients_that_want_one_user_name_one_gets_it,
    sixteen_clients_add_200_members_each_and_none_is_lost,
    of_many_that_are_inserted_at_once_only_those_fail_that_must,
    no_update_is_lost_when_versions_are_checked,
    a_reader_of_the_feed_sees_each_change_of_eight_writers_once,
    whoever_commits_a_batch_wakes_a_reader,
    members_that_are_deleted_while_groups_change_leave_nothing_behind,
    of_inserts_that_wait_together_each_gets_its_own_answer,
    one_member_that_comes_and_goes_is_told_of_as_it_was,
}

async fn of_64_clients_that_want_one_user_name_one_gets_it(kind: Kind) {
    let f = fixture(kind).await;
    let runtime = tokio::runtime::Handle::current();
    for round in 0..5 {
        let barrier = Arc::new(Barrier::new(64));
        let threads: Vec<_> = (0..64)
            .map(|client| {
                let (store, barrier, runtime) = (f.store.clone(), Arc::clone(&barrier), runtime.clone());
                std::thread::spawn(move || {
                    // Each client spells the name in its own way.
                    let spell = |(i, c): (usize, char)| {
                        if client >> (i % 6) & 1 == 1 { c.to_ascii_uppercase() } else { c }
                    };
                    let name: String = format!("contested{round}").chars().enumerate().map(spell).collect();
                    let write = insert("User", &format!("r{round}c{client}"), json!({"userName": name}));
                    barrier.wait();
                    runtime.block_on(commit(&store, write, round))
                })
            })
            .collect();
        let mut won = 0;
        for thread in tokio::task::spawn_blocking(|| {
            threads.into_iter().map(std::thread::JoinHandle::join).collect::<Vec<_>>()
        })
        .await
        .unwrap()
        {
            match thread.unwrap() {
                Ok(_) => won += 1,
                Err(StoreError::Conflict { attribute }) => assert_eq!(attribute, "userName"),
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(won, 1);
    }
    assert_eq!(f.store.query(&acme(), &query(&["User"], None)).await.unwrap().total, 5);
}

async fn sixteen_clients_add_200_members_each_and_none_is_lost(kind: Kind) {
    let f = fixture(kind).await;
    let users = (0..16).flat_map(|c| (0..200).map(move |i| user(&format!("c{c}m{i}")))).collect();
    f.store.commit(&acme(), batch(users, 0)).await.unwrap();
    commit(&f.store, group("g", &[]), 0).await.unwrap();
    let mut clients = Vec::new();
    for c in 0..16 {
        let store = f.store.clone();
        clients.push(tokio::spawn(async move {
            for i in 0..200 {
                let done = commit(&store, delta("g", &[&format!("c{c}m{i}")], &[]), i).await.unwrap();
                assert_eq!(done.members_added.len(), 1);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let group = get(&f.store, "Group", "g").await.unwrap();
    let members: HashSet<String> = values(&group, "members").into_iter().collect();
    assert_eq!((members.len(), group.version), (3200, 3201));
}

async fn of_many_that_are_inserted_at_once_only_those_fail_that_must(kind: Kind) {
    let f = fixture(kind).await;
    f.store.commit(&acme(), batch(vec![user("there")], 0)).await.unwrap();
    // Of each ten, two want one name, two have one id, and one wants a name that is taken long since.
    let name_of = |i: usize| match i % 10 {
        3 => format!("name {}", i - 1),
        9 => "THERE@example.com".to_owned(),
        _ => format!("name {i}"),
    };
    let id_of = |i: usize| if i % 10 == 7 { format!("id{}", i - 1) } else { format!("id{i}") };
    for round in 0..3 {
        let tasks: Vec<_> = (0..200)
            .map(|i| {
                let (id, name) = (format!("r{round}{}", id_of(i)), name_of(i));
                let name = if name.starts_with("THERE") { name } else { format!("{round} {name}") };
                let write = insert("User", &id, json!({"userName": name, "externalId": format!("e{i}")}));
                let store = f.store.clone();
                tokio::spawn(async move { commit(&store, write, i64::try_from(i).unwrap()).await })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        for (i, ten) in answers.chunks(10).enumerate() {
            let attribute = |at: usize| match &ten[at] {
                Ok(_) => None,
                Err(StoreError::Conflict { attribute }) => Some(attribute.clone()),
                Err(error) => panic!("{i} {at}: {error:?}"),
            };
            for at in [0, 1, 4, 5, 8] {
                assert_eq!(attribute(at), None, "{i} {at}");
            }
            assert_eq!(attribute(9).as_deref(), Some("userName"));
            for (pair, refused) in [([2, 3], "userName"), ([6, 7], "id")] {
                let answers = pair.map(attribute);
                assert_eq!(answers.iter().flatten().collect::<Vec<_>>(), [refused], "{i} {pair:?}");
            }
        }
        let expected = 1 + 140 * (round + 1);
        assert_eq!(f.store.query(&acme(), &query(&["User"], None)).await.unwrap().total, expected);
        let log = f.store.after(FeedCursor::START, 10_000).await.unwrap();
        assert_eq!(log.len() as u64, expected);
    }
    let both = query(&["User"], Some("externalId eq \"e5\""));
    assert_eq!(f.store.query(&acme(), &both).await.unwrap().total, 3);
}

async fn no_update_is_lost_when_versions_are_checked(kind: Kind) {
    let f = fixture(kind).await;
    commit(&f.store, insert("User", "a", json!({"userName": "a", "title": "0"})), 0).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let store = f.store.clone();
        clients.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 25 {
                let stored = get(&store, "User", "a").await.unwrap();
                let count: u64 = stored.resource.get("title").unwrap().as_str().unwrap().parse().unwrap();
                let mut write =
                    replace("User", "a", json!({"userName": "a", "title": (count + 1).to_string()}));
                write.precondition = Precondition::Version(stored.version);
                match commit(&store, write, 1).await {
                    Ok(_) => done += 1,
                    Err(StoreError::VersionMismatch { current }) => assert!(current > stored.version),
                    Err(error) => panic!("{error:?}"),
                }
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let stored = get(&f.store, "User", "a").await.unwrap();
    assert_eq!((stored.resource.get("title").unwrap().as_str(), stored.version), (Some("200"), 201));
}

async fn whoever_commits_a_batch_wakes_a_reader(kind: Kind) {
    let f = fixture(kind).await;
    let waiting = |cursor: FeedCursor| {
        let store = f.store.clone();
        tokio::spawn(async move { store.wait(cursor).await })
    };
    let reader = waiting(FeedCursor::START);
    // It looks, and finds nothing.
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Somebody who does not wait for the answer.
    let tenant = acme();
    let mut commit = f.store.commit(&tenant, batch(vec![user("ann")], 0));
    poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_ready())).await;
    drop(commit);
    tokio::time::timeout(Duration::from_secs(10), reader).await.unwrap().unwrap().unwrap();
    // Somebody who commits it with something else.
    let read = f.store.after(FeedCursor::START, 10).await.unwrap();
    let reader = waiting(read.last().unwrap().cursor);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = f.store.clone();
    let work = move |session: &scim_sql::Session<'_>| {
        store.commit_in(session, &acme(), &batch(vec![user("bob")], 0))
    };
    f.store.database().write(work).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), reader).await.unwrap().unwrap().unwrap();
}

async fn a_reader_of_the_feed_sees_each_change_of_eight_writers_once(kind: Kind) {
    let f = fixture(kind).await;
    let finished = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, finished) = (f.store.clone(), Arc::clone(&finished));
        async move {
            let mut cursor = FeedCursor::START;
            let mut seen = Vec::new();
            loop {
                let over = finished.load(Ordering::SeqCst);
                let some = store.after(cursor, 7).await.unwrap();
                match some.last() {
                    Some(last) => cursor = last.cursor,
                    None if over => return seen,
                    None => {
                        let wait = store.wait(cursor);
                        let _ = tokio::time::timeout(Duration::from_millis(50), wait).await;
                    }
                }
                seen.extend(some);
            }
        }
    });
    let mut writers = Vec::new();
    for w in 0..8 {
        let store = f.store.clone();
        writers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for i in 0..40 {
                let id = format!("w{w}i{}", i / 4);
                let attributes = json!({"userName": id, "title": format!("{i}")});
                let write = match i % 4 {
                    0 => insert("User", &id, attributes),
                    3 => delete("User", &id),
                    _ => replace("User", &id, attributes),
                };
                let kind = match write.change {
                    Change::Insert { .. } => ChangeKind::Created,
                    Change::Update { .. } => ChangeKind::Updated,
                    Change::Delete => ChangeKind::Deleted,
                };
                let done = commit(&store, write, i).await.unwrap();
                acknowledged.push((id, kind, done.version));
                // What fails makes no entry.
                commit(&store, delete("User", "nobody"), i).await.unwrap_err();
            }
            acknowledged
        }));
    }
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    finished.store(true, Ordering::SeqCst);
    let seen = reader.await.unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    // For each resource the order is that of its writes; all writes are there, once.
    let of = |w: usize| {
        let mine = seen.iter().filter(|e| e.id.starts_with(&format!("w{w}i")));
        mine.map(|e| (e.id.clone(), e.kind, e.version)).collect::<Vec<_>>()
    };
    assert_eq!((0..8).flat_map(of).collect::<Vec<_>>(), acknowledged);
    assert_eq!(seen.len(), 320);
}

async fn members_that_are_deleted_while_groups_change_leave_nothing_behind(kind: Kind) {
    let f = fixture(kind).await;
    let mut writes: Vec<_> = (0..40).map(|i| user(&format!("u{i}"))).collect();
    writes.extend((0..10).map(|i| group(&format!("g{i}"), &[])));
    f.store.commit(&acme(), batch(writes, 0)).await.unwrap();
    let mut tasks = Vec::new();
    for g in 0..10 {
        let store = f.store.clone();
        tasks.push(tokio::spawn(async move {
            for u in 0..40 {
                match commit(&store, delta(&format!("g{g}"), &[&format!("u{u}")], &[]), 1).await {
                    Ok(_) | Err(StoreError::UnknownMember) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }));
    }
    for u in (0..40).step_by(2) {
        commit(&f.store, delete("User", &format!("u{u}")), 2).await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    for g in 0..10 {
        let group = get(&f.store, "Group", &format!("g{g}")).await.unwrap();
        let expected: Vec<String> = (0..40).filter(|u| u % 2 == 1).map(|u| format!("u{u}")).collect();
        assert_eq!(values(&group, "members"), expected);
    }
}

async fn of_inserts_that_wait_together_each_gets_its_own_answer(kind: Kind) {
    let f = fixture(kind).await;
    let tenants = ["acme", "globex", "initech"].map(TenantId::new);
    for tenant in &tenants {
        f.store.commit(tenant, batch(vec![user("taken")], 0)).await.unwrap();
    }
    // Of ten for each tenant three want what is taken, two want the same, and one can't be stored.
    let write = |i: usize, id: &str| match i % 10 {
        0 => insert("User", id, json!({"userName": "TAKEN@example.com"})),
        1 => insert("User", "taken", json!({"userName": id})),
        2 => insert("Group", "taken", json!({"displayName": id})),
        3 | 4 => insert("User", id, json!({"userName": format!("pair {}", i / 10)})),
        5 => insert("User", id, json!({"userName": format!("nul \0 {id}")})),
        6 => insert("Group", id, json!({"displayName": id})),
        7 => insert(
            "User",
            id,
            json!({"userName": id, "displayName": id, "emails": [{"value": "a@example.com"}]}),
        ),
        _ => insert("User", id, json!({"userName": id})),
    };
    let inserts = (0..240).map(|i| {
        let (tenant, id) = (&tenants[i % 3], format!("i{:03}", i / 3));
        let write = write(i / 3, &id);
        let (store, time) = (&f.store, i64::try_from(i).unwrap());
        async move { (i / 3, tenant, write.id.clone(), store.commit(tenant, batch(vec![write], time)).await) }
    });
    let mut expected = HashSet::new();
    let mut pairs = 0;
    for (i, tenant, id, answer) in futures_util::future::join_all(inserts).await {
        match (i % 10, answer) {
            (0, Err(StoreError::Conflict { attribute })) => assert_eq!(attribute, "userName"),
            (1 | 2, Err(StoreError::Conflict { attribute })) => assert_eq!(attribute, "id"),
            (3 | 4, Err(StoreError::Conflict { attribute })) => assert_eq!(attribute, "userName"),
            (5, Err(StoreError::Other { .. })) => {}
            (kind @ (3 | 4 | 6..), Ok(done)) => {
                pairs += usize::from(kind < 5);
                assert_eq!((done.len(), done[0].version, done[0].changed), (1, 1, true));
                expected.insert((tenant.clone(), id, done[0].created));
            }
            (kind, answer) => panic!("{kind}: {answer:?}"),
        }
    }
    assert_eq!((pairs, expected.len()), (24, 24 + 4 * 24));
    let feed = f.store.after(FeedCursor::START, 1000).await.unwrap();
    let seen: HashSet<_> = feed[3..].iter().map(|e| (e.tenant.clone(), e.id.clone(), e.time)).collect();
    assert_eq!((feed.len(), seen), (3 + expected.len(), expected));
    for tenant in &tenants {
        let total = f.store.query(tenant, &query(&["User", "Group"], None)).await.unwrap().total;
        assert_eq!(total, 1 + 8 + 4 * 8);
        let emails = query(&["User"], Some("emails.value eq \"a@example.com\""));
        assert_eq!(f.store.query(tenant, &emails).await.unwrap().total, 8);
    }
}

async fn one_member_that_comes_and_goes_is_told_of_as_it_was(kind: Kind) {
    let f = fixture(kind).await;
    f.store.commit(&acme(), batch(vec![user("a"), user("b"), group("g", &[])], 5)).await.unwrap();
    let member = Member { id: "a".into(), resource_type: Some("User".into()), display: Some("Ann".into()) };
    let add = MemberDelta { add: vec![member.clone()], ..MemberDelta::default() };
    let added = commit(&f.store, members("g", MembersChange::Delta(add)), 5).await.unwrap();
    assert_eq!((added.version, added.last_modified), (2, at(6)));
    assert_eq!((added.members_added, added.members_removed), (vec![member.clone()], vec![]));
    let again = commit(&f.store, delta("g", &["a"], &[]), 7).await.unwrap();
    assert_eq!((again.version, again.changed), (2, false));
    let mut old = delta("g", &["b"], &[]);
    old.precondition = Precondition::Version(1);
    let error = commit(&f.store, old, 7).await.unwrap_err();
    assert!(matches!(error, StoreError::VersionMismatch { current: 2 }), "{error:?}");
    for (write, wanted) in
        [(delta("g", &["nobody"], &[]), "member"), (delta("nothing", &["a"], &[]), "group")]
    {
        match (commit(&f.store, write, 7).await.unwrap_err(), wanted) {
            (StoreError::UnknownMember, "member") | (StoreError::NotFound, "group") => {}
            (error, wanted) => panic!("{wanted}: {error:?}"),
        }
    }
    let mut new = delta("g", &["b"], &[]);
    new.precondition = Precondition::Version(2);
    assert_eq!(commit(&f.store, new, 8).await.unwrap().version, 3);
    let gone = commit(&f.store, delta("g", &[], &["a"]), 9).await.unwrap();
    assert_eq!((gone.version, gone.last_modified), (4, at(9)));
    assert_eq!((gone.members_added, gone.members_removed), (vec![], vec![member.clone()]));
    let never = commit(&f.store, delta("g", &[], &["a"]), 9).await.unwrap();
    assert_eq!((never.version, never.changed), (4, false));
    let stored = get(&f.store, "Group", "g").await.unwrap();
    assert_eq!(values(&stored, "members"), ["b"]);
    let feed = f.store.after(FeedCursor::START, 10).await.unwrap();
    let of = |e: &ChangeEntry| (e.version, e.members_added.clone(), e.members_removed.clone());
    let told: Vec<_> = feed.iter().filter(|e| e.id == "g").map(of).collect();
    let expected = [
        (1, vec![], vec![]),
        (2, vec![member.clone()], vec![]),
        (3, vec![Member::new("b")], vec![]),
        (4, vec![], vec![member]),
    ];
    assert_eq!(told, expected);
    // Each entry has the document that the group had, also the first.
    assert!(feed.iter().all(|e| e.resource.id() == e.id), "{feed:?}");
}
