//! Many writers at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use scim_core::{Change, ChangeFeed, ChangeKind, FeedCursor, Precondition, Store, StoreError};
use serde_json::json;

use crate::support::*;

on_all_kinds! {
    of_64_clients_that_want_one_user_name_one_gets_it,
    sixteen_clients_add_200_members_each_and_none_is_lost,
    no_update_is_lost_when_versions_are_checked,
    a_reader_of_the_feed_sees_each_change_of_eight_writers_once,
    members_that_are_deleted_while_groups_change_leave_nothing_behind,
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
                        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), wait).await;
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
