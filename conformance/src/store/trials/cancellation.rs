//! Futures that are dropped in mid-call.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use scim_core::{Include, Write};

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, holds, same};
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
            dropped(lab, || vec![delete("User", "a"), delete("Group", "g")], &["a", "g"])
        }),
        trial("cancellation: reads that are dropped do no harm", Promise::Reads, reads),
        trial("cancellation: a crowd of dropped commits leaves a state that holds together", Promise::Atomic, crowd),
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

/// A commit is dropped after no poll, one poll, two polls, … until it ends before.
async fn dropped(lab: Lab, writes: fn() -> Vec<Write>, touched: &'static [&'static str]) -> Proof {
    for times in 0..200 {
        lab.commit_all(vec![user("a"), user("b"), group("g", &["a"])], 0).await?;
        let version = async || {
            let mut versions = Vec::new();
            for id in touched {
                let (user, group) = (lab.look("User", id).await?, lab.look("Group", id).await?);
                versions.push(user.or(group).map(|stored| stored.version));
            }
            Ok::<_, super::super::check::Wrong>(versions)
        };
        let before = version().await?;
        let ended = polled(lab.batch(batch(writes(), 1)), times).await;
        let over = ended.is_some();
        if let Some(answer) = ended {
            answer?;
        }
        // It may go on behind our back; a commit that comes later is not done before it.
        for _ in 0..3 {
            let after = version().await?;
            let changed = after.iter().zip(&before).filter(|(after, before)| after != before).count();
            holds(
                format!("after {times} polls all or none of {touched:?} changed: {before:?} became {after:?}"),
                changed == 0 || changed == touched.len(),
            )?;
            if over {
                same("an answered commit is done", changed, touched.len())?;
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        invariants::check(&lab, &acme()).await?;
        if over {
            return Ok(());
        }
        for (name, id) in [("User", "a"), ("User", "b"), ("User", "new"), ("Group", "g"), ("Group", "h")] {
            if lab.look(name, id).await?.is_some() {
                lab.commit(delete(name, id), 2).await?;
            }
        }
    }
    Ok(())
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
        task.await.map_err(super::super::check::Wrong::new)?;
    }
    // What still goes on behind our back comes to its end first.
    lab.commit(user("last"), 2).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    invariants::check(&lab, &acme()).await
}
