//! Clocks that stand still, go back, or are far off.

use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, holds, same};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Monotone, Queries, Writes};
    vec![
        trial("time: created stays what it was", Writes, created_stays),
        trial("time: lastModified is the time of the batch where that is later", Writes, forward),
        trial("time: lastModified never goes back when the clock does", Monotone, back),
        trial(
            "time: a holder's lastModified never goes back when a member is deleted",
            Monotone,
            holder_back,
        ),
        trial("time: a standing clock lets nothing go back", Monotone, standing),
        trial("time: a far future is not undone by the present", Monotone, future),
        trial("time: microseconds are kept", Writes, microseconds),
        trial("time: times before 1970 and after 2100 are kept", Writes, far_off),
        trial(
            "time: resources are in the order of their creation, not of their commits",
            Queries,
            order_of_creation,
        ),
        trial("time: resources of one moment are in the order of their ids", Queries, ties),
        trial("time: all resources of a batch have its time", Writes, one_moment),
        trial("time: filters find what was changed since a moment", Queries, since),
    ]
}

async fn created_stays(lab: Lab) -> Proof {
    lab.commit(user("a"), 1000).await?;
    for (i, now) in [2000, 5, 3000].into_iter().enumerate() {
        let done = lab.commit(titled("a", &i.to_string()), now).await?;
        same("created", (done.created, lab.get("User", "a").await?.created), (at(1000), at(1000)))?;
    }
    Ok(())
}

async fn forward(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    for now in [1, 2, 1000, 1_000_000] {
        let done = lab.commit(titled("a", &now.to_string()), now).await?;
        same(
            "lastModified",
            (done.last_modified, lab.get("User", "a").await?.last_modified),
            (at(now), at(now)),
        )?;
    }
    Ok(())
}

async fn back(lab: Lab) -> Proof {
    let mut last = lab.commit(user("a"), 1000).await?.last_modified;
    for (i, now) in [5, 1000, 1001, 900, -5_000_000, 5000].into_iter().enumerate() {
        let done = lab.commit(titled("a", &i.to_string()), now).await?;
        holds(format!("{} is not before {last}", done.last_modified), done.last_modified >= last)?;
        holds("it is not before the time of its batch", done.last_modified >= at(now))?;
        same("get", lab.get("User", "a").await?.last_modified, done.last_modified)?;
        last = done.last_modified;
    }
    same("the last", last, at(5000))
}

async fn holder_back(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"])], 1000).await?;
    lab.commit(delete("User", "a"), 5).await?;
    let stored = lab.get("Group", "g").await?;
    same("the version", stored.version, 2)?;
    holds("it is not before", stored.last_modified >= at(1000))
}

async fn standing(lab: Lab) -> Proof {
    let mut last = lab.commit(user("a"), 7).await?.last_modified;
    for i in 0..50 {
        let done = lab.commit(titled("a", &i.to_string()), 7).await?;
        holds("it is not before", done.last_modified >= last)?;
        last = done.last_modified;
    }
    holds("nor is it far off", last <= at(7 + 50))
}

async fn future(lab: Lab) -> Proof {
    let century = 100 * 365 * 86_400 * 1_000_000;
    lab.commit(user("a"), 0).await?;
    lab.commit(titled("a", "x"), century).await?;
    let done = lab.commit(titled("a", "y"), 1).await?;
    holds("it is not before", done.last_modified >= at(century))
}

async fn microseconds(lab: Lab) -> Proof {
    for now in [1, 999_999, 123_456, 1_000_001] {
        let id = format!("u{now}");
        lab.commit(user(&id), now).await?;
        let stored = lab.get("User", &id).await?;
        same("the times", (stored.created, stored.last_modified), (at(now), at(now)))?;
    }
    Ok(())
}

async fn far_off(lab: Lab) -> Proof {
    for (id, year) in [("a", 1), ("b", 1901), ("c", 1969), ("d", 2262), ("e", 9999)] {
        let time = scim_core::DateTime::parse(&format!("{year:04}-12-31T23:59:59.999999Z"));
        let time = super::super::check::found("a time", time)?;
        let now = time.unix_micros() - START;
        lab.commit(user(id), now).await?;
        same(year, lab.get("User", id).await?.created, time)?;
    }
    same("the order", lab.ids(&["User"], None).await?, vec!["a", "b", "c", "d", "e"])
}

async fn order_of_creation(lab: Lab) -> Proof {
    for (id, now) in [("c", 30), ("a", 10), ("d", 40), ("b", 20), ("e", -5)] {
        lab.commit(user(id), now).await?;
    }
    lab.commit(titled("a", "x"), 99).await?;
    same("the order", lab.ids(&["User"], None).await?, vec!["e", "a", "b", "c", "d"])?;
    same("with a filter", lab.ids(&["User"], Some("userName pr")).await?, vec!["e", "a", "b", "c", "d"])
}

async fn ties(lab: Lab) -> Proof {
    for id in ["b", "B", "a", "ä", "_", "aa", "Z", "z", "1"] {
        lab.commit(named(id, &format!("n-{}", id.bytes().map(|b| b.to_string()).collect::<String>())), 0)
            .await?;
    }
    same("the order", lab.ids(&["User"], None).await?, vec!["1", "B", "Z", "_", "a", "aa", "b", "z", "ä"])
}

async fn one_moment(lab: Lab) -> Proof {
    let done = lab.commit_all((0..5).map(|i| user(&format!("u{i}"))).collect(), 77).await?;
    for done in done {
        same("the times", (done.created, done.last_modified), (at(77), at(77)))?;
    }
    Ok(())
}

async fn since(lab: Lab) -> Proof {
    for i in 0..10 {
        lab.commit(user(&format!("u{i}")), i * 1000).await?;
    }
    lab.commit(replace("User", "u2", &json!({"userName": "u2", "title": "x"})), 50_000).await?;
    let filter = format!("meta.lastModified ge \"{}\"", at(8000));
    same(&filter, lab.ids(&["User"], Some(&filter)).await?, vec!["u2", "u8", "u9"])?;
    let filter = format!("meta.created lt \"{}\"", at(2000));
    same(&filter, lab.ids(&["User"], Some(&filter)).await?, vec!["u0", "u1"])
}
