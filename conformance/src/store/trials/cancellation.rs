//! Futures that are dropped in mid-call.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use scim_core::{Include, TenantId, Write};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, holds, same};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    vec![
        trial("cancellation: an insert that is dropped is done or not", Promise::Atomic, |lab| {
            dropped(lab, || vec![user("new"), group("h", &["a"])], &["new", "h"])
        }),
        trial("cancellation: an update that is dropped is done or not", Promise::Atomic, |lab| {
            dropped(lab, || vec![titled("a", "x"), delta("g", &["b"], &["a"])], &["a", "g"])
        }),
        trial("cancellation: a delete that is dropped is done or not", Promise::Atomic, |lab| {
            dropped(lab, || vec![delete("User", "b"), delete("User", "a")], &["a", "b"])
        }),
        trial("cancellation: reads that are dropped do no harm", Promise::Reads, reads),
        trial(
            "cancellation: a crowd of dropped commits leaves a state that holds together",
            Promise::Atomic,
            crowd,
        ),
    ]
}

/// Polls a future so many times and then drops it. Says whether it ended.
async fn polled<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        let ended = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(answer) = ended.await {
            return Some(answer);
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    None
}

/// A commit is dropped after no poll, one poll, two polls, … until it ends before. Each time in a tenant of its
/// own, for what was dropped may go on behind our back.
async fn dropped(lab: Lab, writes: fn() -> Vec<Write>, touched: &'static [&'static str]) -> Proof {
    for times in 0..200 {
        let tenant = TenantId::new(format!("t{times}"));
        let first = vec![user("a"), user("b"), group("g", &["a"])];
        lab.store().commit(&tenant, batch(first, 0)).await?;
        // One query is one moment.
        let versions = async || {
            let page = lab.store().query(&tenant, &query(&["User", "Group"], None)?).await?;
            let of = |id: &&str| page.resources.iter().find(|s| s.resource.id() == *id).map(|s| s.version);
            Ok::<_, Wrong>(touched.iter().map(of).collect::<Vec<_>>())
        };
        let before = versions().await?;
        let ended = polled(lab.store().commit(&tenant, batch(writes(), 1)), times).await;
        let over = ended.is_some();
        if let Some(answer) = ended {
            answer?;
        }
        for _ in 0..3 {
            let after = versions().await?;
            let changed = after.iter().zip(&before).filter(|(after, before)| after != before).count();
            holds(
                format!(
                    "after {times} polls all or none of {touched:?} changed: {before:?} became {after:?}"
                ),
                changed == 0 || changed == touched.len(),
            )?;
            if over {
                same("how many an answered commit changed", changed, touched.len())?;
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        settled(&lab, &tenant).await?;
        if over {
            return Ok(());
        }
    }
    Ok(())
}

/// The state holds together, at the latest when what still goes on has come to its end.
async fn settled(lab: &Lab, tenant: &TenantId) -> Proof {
    for _ in 0..50 {
        if invariants::check(lab, tenant).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    invariants::check(lab, tenant).await
}

async fn reads(lab: Lab) -> Proof {
    lab.commit_all((0..20).map(|i| user(&format!("u{i}"))).chain([group("g", &["u1"])]).collect(), 0).await?;
    let before = lab.everything().await?;
    for times in (0..4).cycle().take(200) {
        polled(lab.look_for("User", "u1", Include::ALL), times).await;
        let asked = query(&["User", "Group"], Some("userName pr or members pr"))?;
        polled(lab.query(&asked), times).await;
        polled(lab.store().types_of(&acme(), &["u1".into()]), times).await;
    }
    same("everything", lab.everything().await?, before)?;
    lab.commit(user("new"), 1).await?;
    holds("the store goes on", lab.look("User", "new").await?.is_some())
}

async fn crowd(lab: Lab) -> Proof {
    let tasks: Vec<_> = (0..4_usize)
        .map(|c| {
            let lab = lab.clone();
            tokio::spawn(async move {
                for i in 0..25_usize {
                    let (id, other) = (format!("u{}", (c + i) % 7), format!("u{}", i % 7));
                    let writes = match i % 4 {
                        0 => vec![user(&id), group(&format!("g{c}i{i}"), &[&id])],
                        1 => vec![titled(&id, &i.to_string()), titled(&other, &i.to_string())],
                        2 => vec![delete("User", &id)],
                        _ => vec![user(&other)],
                    };
                    polled(lab.batch(batch(writes, 1)), (c + i) % 5).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(Wrong::new)?;
    }
    settled(&lab, &acme()).await?;
    lab.commit(user("last"), 2).await?;
    holds("the store goes on", lab.look("User", "last").await?.is_some())
}
