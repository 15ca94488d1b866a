//! Readers of the feed beside many writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scim_core::{ChangeKind, FeedCursor};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, holds, same};
use super::super::lab::Lab;
use super::races::together;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::FeedGapless;
    vec![
        trial("races: a reader of the feed sees each change of 8 writers once", FeedGapless, tailing)
            .needs(Need::Feed),
        trial("races: readers of the feed from any cursor see the same rest", FeedGapless, same_rest)
            .needs(Need::Feed),
    ]
}

/// Eight writers of users of their own. Gives what was acknowledged to each.
async fn eight_writers(lab: &Lab) -> Result<Vec<Vec<(String, ChangeKind, u64)>>, Wrong> {
    let tasks = (0..8).map(|w| {
        let lab = lab.clone();
        async move {
            let mut acknowledged = Vec::new();
            for i in 0..24 {
                let id = format!("w{w}i{}", i / 4);
                let (write, kind) = match i % 4 {
                    0 => (user(&id), ChangeKind::Created),
                    3 => (delete("User", &id), ChangeKind::Deleted),
                    _ => (titled(&id, &i.to_string()), ChangeKind::Updated),
                };
                let done = lab.commit(write, i).await?;
                acknowledged.push((id, kind, done.version));
                // What fails makes no entry.
                lab.commit(delete("User", "nobody"), i).await.err();
            }
            Ok(acknowledged)
        }
    });
    together(tasks).await?.into_iter().collect()
}

async fn tailing(lab: Lab) -> Proof {
    let finished = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (lab, finished) = (lab.clone(), Arc::clone(&finished));
        async move {
            let (mut cursor, mut seen) = (FeedCursor::START, Vec::new());
            loop {
                let over = finished.load(Ordering::SeqCst);
                let some = lab.feed()?.after(cursor, 7).await?;
                match some.last() {
                    Some(last) => {
                        holds("cursors grow", last.cursor > cursor)?;
                        cursor = last.cursor;
                    }
                    None if over => return Ok::<_, Wrong>(seen),
                    None => {
                        let wait = lab.feed()?.wait(cursor);
                        tokio::time::timeout(std::time::Duration::from_millis(50), wait).await.ok();
                    }
                }
                seen.extend(some);
            }
        }
    });
    let acknowledged = eight_writers(&lab).await;
    finished.store(true, Ordering::SeqCst);
    let seen = reader.await.map_err(Wrong::new)??;
    for (w, expected) in acknowledged?.into_iter().enumerate() {
        let mine = seen.iter().filter(|entry| entry.id.starts_with(&format!("w{w}i")));
        let told: Vec<_> = mine.map(|entry| (entry.id.clone(), entry.kind, entry.version)).collect();
        same(format!("what the feed tells of writer {w}, and what was acknowledged"), told, expected)?;
    }
    same("how many entries", seen.len(), 192)
}

async fn same_rest(lab: Lab) -> Proof {
    let writing = lab.clone();
    let writer = tokio::spawn(async move { eight_writers(&writing).await.map(|_| ()) });
    // Cursors that are handed out while writers write.
    let mut cursors = vec![(FeedCursor::START, 0)];
    while !writer.is_finished() {
        let some = lab.feed()?.after(FeedCursor::START, 10_000).await?;
        if let Some(last) = some.last() {
            cursors.push((last.cursor, some.len()));
        }
        tokio::task::yield_now().await;
    }
    writer.await.map_err(Wrong::new)??;
    let all = lab.entries().await?;
    same("how many entries", all.len(), 192)?;
    cursors.dedup();
    for (cursor, before) in cursors.into_iter().step_by(3) {
        let rest = lab.entries_after(cursor).await?;
        same(
            format!("how many behind {cursor:?}, of which {before} were in front"),
            rest.len(),
            all.len() - before,
        )?;
        same("the rest", Some(rest.as_slice()), all.get(before..))?;
    }
    Ok(())
}
