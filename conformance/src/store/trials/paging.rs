//! Pages: by index, by position, and while others write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scim_core::{Page, Position, Query, SortKey, Start};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, found, holds, same};
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Positions, Queries};
    let mut trials = vec![
        trial("paging: by index, pages make up the whole", Queries, by_index),
        trial("paging: a page behind the end is empty and knows the total", Queries, behind_end),
        trial("paging: a count of 0 counts only", Queries, count_zero),
        trial("paging: a count over the total gives all", Queries, count_over),
        trial("paging: the largest numbers are no error", Queries, largest),
        trial("paging: there is more behind and in front as it says", Queries, more),
        trial("paging: the total is that of the filter, on every page", Queries, total),
        trial("paging: a position of what was deleted is still good", Positions, deleted_position),
        trial("paging: a position between resources is good", Positions, between),
        trial("paging: before the first and behind the last there is nothing", Queries, ends),
        trial("paging: over several types, in one order", Queries, types),
        trial("paging: an empty store has an empty page", Queries, empty),
        trial("paging: deep pages by index are right, also after writes", Queries, deep_index),
        trial("paging: a walk from the end by pages in front", Queries, backward_from_end),
    ];
    for walk in WALKS {
        let forward = move |lab| walked(lab, *walk, true);
        let backward = move |lab| walked(lab, *walk, false);
        trials.push(trial(format!("paging: forward by position, {}", walk.name), Queries, forward));
        trials.push(trial(format!("paging: backward by position, {}", walk.name), Queries, backward));
        for (way, forward) in [("forward", true), ("backward", false)] {
            let steps = move |lab| between_steps(lab, *walk, forward);
            let name = format!("paging: {way} while others write between pages, {}", walk.name);
            trials.push(trial(name, Positions, steps));
            let race = move |lab| while_writing(lab, *walk, forward);
            let name = format!("races: paging {way} while others write, {}", walk.name);
            trials.push(trial(name, Positions, race));
        }
    }
    trials
}

/// An order and a filter to walk by.
#[derive(Clone, Copy, Debug)]
struct Walk {
    name: &'static str,
    sort: Option<(&'static str, bool)>,
    filter: Option<&'static str>,
}

const WALKS: &[Walk] = &[
    Walk { name: "in the order of creation", sort: None, filter: None },
    Walk { name: "by name", sort: Some(("userName", false)), filter: None },
    Walk { name: "by name, descending", sort: Some(("userName", true)), filter: None },
    Walk { name: "by a value that many share or lack", sort: Some(("title", false)), filter: None },
    Walk {
        name: "by a value that many share or lack, descending",
        sort: Some(("title", true)),
        filter: None,
    },
    Walk { name: "filtered", sort: None, filter: Some("not (nickName eq \"odd\")") },
    Walk {
        name: "filtered and ordered",
        sort: Some(("displayName", true)),
        filter: Some("userName sw \"U\" and nickName pr"),
    },
];

impl Walk {
    fn query(self) -> Result<Query, Wrong> {
        let asked = query(&["User"], self.filter)?;
        match self.sort {
            Some((by, descending)) => sorted(asked, by, descending),
            None => Ok(asked),
        }
    }
}

/// A user that stays while others come and go.
fn person(i: usize) -> scim_core::Write {
    let mut user = json!({"userName": format!("u{:03}", (i * 37) % 1000), "nickName": if i.is_multiple_of(2) { "even" } else { "odd" }});
    if let Some(user) = user.as_object_mut() {
        if !i.is_multiple_of(3) {
            user.insert("title".into(), json!(["Boss", "boss", "Clerk"].get(i % 3)));
        }
        user.insert("displayName".into(), json!(format!("D{}", i % 7)));
    }
    insert("User", &format!("p{i:03}"), &user)
}

async fn people(lab: &Lab, count: usize) -> Proof {
    for (n, i) in (0..count).step_by(10).enumerate() {
        lab.commit_all((i..count.min(i + 10)).map(person).collect(), n as i64 / 2).await?;
    }
    Ok(())
}

/// One step of a walk; `None` at its end.
async fn step(lab: &Lab, asked: &mut Query, forward: bool) -> Result<(Page, bool), Wrong> {
    let page = lab.query(asked).await?;
    let edge = if forward { page.resources.last() } else { page.resources.first() };
    let more = if forward { page.more_after } else { page.more_before };
    if let Some(edge) = edge {
        let position = Position::of(asked, edge);
        asked.page.start = if forward { Start::After(position) } else { Start::Before(position) };
    }
    holds("there is more only if there was something", !more || !page.resources.is_empty())?;
    Ok((page, more))
}

/// Where a walk begins: in front of everything, or behind it.
fn beginning(walk: Walk, forward: bool) -> Start {
    if forward {
        return Start::Offset(0);
    }
    // Behind everything: what is missing is last, or first in descending order.
    let descending = walk.sort.is_some_and(|(_, descending)| descending);
    let key = if descending { SortKey::Text(String::new()) } else { SortKey::Missing };
    Start::Before(Position { key, created: i64::MAX, id: "\u{10ffff}".into() })
}

async fn walked(lab: Lab, walk: Walk, forward: bool) -> Proof {
    people(&lab, 47).await?;
    let whole = ids(&lab.query(&walk.query()?).await?);
    holds("there is something to walk", whole.len() > 20)?;
    for count in [1, 7, 46, 47, 100] {
        let mut asked = paged(walk.query()?, beginning(walk, forward), count);
        let mut seen = Vec::new();
        loop {
            let (page, more) = step(&lab, &mut asked, forward).await?;
            same("the total", page.total, whole.len() as u64)?;
            holds("the page is not too long", page.resources.len() <= count)?;
            if forward {
                seen.extend(ids(&page));
            } else {
                seen.splice(0..0, ids(&page));
            }
            if !more || seen.len() > whole.len() {
                break;
            }
        }
        same(format!("the walk by {count}"), &seen, &whole)?;
    }
    Ok(())
}

/// Between two pages the resource that the page ended with goes and comes again elsewhere, and others come
/// and go in front and behind. What stays is seen once.
async fn between_steps(lab: Lab, walk: Walk, forward: bool) -> Proof {
    people(&lab, 40).await?;
    let whole = ids(&lab.query(&walk.query()?).await?);
    let mut asked = paged(walk.query()?, beginning(walk, forward), 4);
    let (mut seen, mut moved) = (Vec::new(), Vec::new());
    for round in 0.. {
        let (page, more) = step(&lab, &mut asked, forward).await?;
        seen.extend(ids(&page));
        if !more || round > 100 {
            break;
        }
        let edge = if forward { page.resources.last() } else { page.resources.first() };
        let gone = found("an edge", edge)?.resource.id().to_owned();
        if gone.starts_with('p') {
            lab.commit(delete("User", &gone), 1).await?;
            moved.push(gone);
        }
        let extra = |id: String, name: String| {
            insert("User", &id, &json!({"userName": name, "nickName": "even", "title": "boss"}))
        };
        lab.commit(extra(format!("x{round}"), format!("u0{round}x")), -5).await?;
        lab.commit(extra(format!("y{round}"), format!("u9{round}y")), 50).await?;
    }
    once_each(&seen, &whole, &moved)
}

/// Each of those that stayed was seen once, nobody twice.
fn once_each(seen: &[String], whole: &[String], moved: &[String]) -> Proof {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for id in seen {
        *counts.entry(id.as_str()).or_default() += 1;
    }
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    same("seen more than once", twice, Vec::new())?;
    let missed: Vec<&String> =
        whole.iter().filter(|id| !moved.contains(id) && !counts.contains_key(id.as_str())).collect();
    same("never seen though they were there all the time", missed, Vec::<&String>::new())
}

async fn while_writing(lab: Lab, walk: Walk, forward: bool) -> Proof {
    people(&lab, 60).await?;
    let whole = ids(&lab.query(&walk.query()?).await?);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for w in 0..2 {
        let (lab, stop) = (lab.clone(), Arc::clone(&stop));
        writers.push(tokio::spawn(async move {
            let mut round = 0;
            while !stop.load(Ordering::SeqCst) && round < 400 {
                let id = format!("w{w}r{round}");
                let user = json!({"userName": format!("u{:03}{id}", (round * 173) % 1000), "nickName": "even", "title": "Boss"});
                lab.commit(insert("User", &id, &user), (round as i64 * 7) % 40 - 10).await?;
                // Also those that stay change, in what has no part in the order.
                let kept = lab.get("User", &format!("p{:03}", round % 60)).await?;
                let mut own = kept.resource.clone();
                own.attributes_mut().remove("meta");
                own.attributes_mut().insert("locale", format!("l{round}").as_str());
                let document = scim_core::Document { unique: type_named("User").unique_keys(&own), resource: own };
                let change = scim_core::Change::Update {
                    document: Some(document), changes: Vec::new(), members: scim_core::MembersChange::Keep };
                lab.commit(write("User", kept.resource.id(), scim_core::Precondition::Any, change), 1).await?;
                if round % 2 == 0 {
                    lab.commit(delete("User", &id), 1).await?;
                }
                round += 1;
                tokio::task::yield_now().await;
            }
            Ok::<usize, Wrong>(round)
        }));
    }
    let mut proof = Ok(());
    for _ in 0..3 {
        let mut asked = paged(walk.query()?, beginning(walk, forward), 5);
        let mut seen = Vec::new();
        loop {
            let (page, more) = step(&lab, &mut asked, forward).await?;
            // One page is one view.
            let ids = ids(&page);
            let shown = page.resources.len() as u64;
            holds(format!("the total {} is not less than the page", page.total), page.total >= shown)?;
            seen.extend(ids);
            if !more || seen.len() > 5000 {
                break;
            }
        }
        seen.retain(|id| id.starts_with('p'));
        proof = proof.and_then(|()| once_each(&seen, &whole, &[]));
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.map_err(Wrong::new)??;
    }
    proof
}

async fn by_index(lab: Lab) -> Proof {
    people(&lab, 47).await?;
    for walk in WALKS {
        let whole = ids(&lab.query(&walk.query()?).await?);
        for count in [1, 10, 46] {
            let mut seen = Vec::new();
            while seen.len() < whole.len() {
                let page = lab.query(&paged(walk.query()?, Start::Offset(seen.len() as u64), count)).await?;
                same(
                    format!("{}: the page is full", walk.name),
                    page.resources.len(),
                    count.min(whole.len() - seen.len()),
                )?;
                same("more in front", page.more_before, !seen.is_empty())?;
                seen.extend(ids(&page));
                same("more behind", page.more_after, seen.len() < whole.len())?;
            }
            same(walk.name, &seen, &whole)?;
        }
    }
    Ok(())
}

async fn behind_end(lab: Lab) -> Proof {
    people(&lab, 12).await?;
    for offset in [12, 13, 1000] {
        let page = lab.query(&paged(query(&["User"], None)?, Start::Offset(offset), 5)).await?;
        let told = (ids(&page), page.total, page.more_before, page.more_after);
        same(offset, told, (Vec::new(), 12, true, false))?;
    }
    Ok(())
}

async fn count_zero(lab: Lab) -> Proof {
    people(&lab, 12).await?;
    for (filter, total) in [(None, 12), (Some("nickName eq \"odd\""), 6), (Some("userName eq \"nobody\""), 0)]
    {
        let page = lab.query(&paged(query(&["User"], filter)?, Start::Offset(0), 0)).await?;
        same(
            "ids, total, more behind",
            (ids(&page), page.total, page.more_after),
            (Vec::new(), total, total > 0),
        )?;
    }
    Ok(())
}

async fn count_over(lab: Lab) -> Proof {
    people(&lab, 12).await?;
    let page = lab.query(&paged(query(&["User"], None)?, Start::Offset(0), 13)).await?;
    same("how many, more", (page.resources.len(), page.more_before, page.more_after), (12, false, false))
}

async fn largest(lab: Lab) -> Proof {
    people(&lab, 3).await?;
    for filter in [None, Some("userName pr"), Some("nickName eq \"even\" or nickName eq \"odd\"")] {
        let page = lab.query(&paged(query(&["User"], filter)?, Start::Offset(0), usize::MAX)).await?;
        same("all", (page.resources.len(), page.total), (3, 3))?;
        for offset in [u64::from(u32::MAX), 1 << 63, u64::MAX] {
            let page =
                lab.query(&paged(query(&["User"], filter)?, Start::Offset(offset), usize::MAX)).await?;
            same("none", (page.resources.len(), page.total, page.more_before), (0, 3, true))?;
        }
        let asked = query(&["User"], filter)?;
        let first = lab.query(&asked).await?;
        let position = Position::of(&asked, found("a user", first.resources.first())?);
        let page = lab.query(&paged(asked, Start::After(position), usize::MAX)).await?;
        same("behind the first", page.resources.len(), 2)?;
    }
    Ok(())
}

async fn more(lab: Lab) -> Proof {
    people(&lab, 5).await?;
    for walk in WALKS.iter().filter(|walk| walk.filter.is_none()) {
        let asked = walk.query()?;
        let whole = lab.query(&asked).await?.resources;
        for (i, stored) in whole.iter().enumerate() {
            for count in 0..6 {
                let position = Position::of(&asked, stored);
                let page = lab.query(&paged(asked.clone(), Start::After(position.clone()), count)).await?;
                let told = (page.resources.len(), page.more_before, page.more_after);
                same(format!("{count} behind {i}"), told, (count.min(4 - i), true, i + 1 + count < 5))?;
                let page = lab.query(&paged(asked.clone(), Start::Before(position), count)).await?;
                let told = (page.resources.len(), page.more_before, page.more_after);
                same(format!("{count} in front of {i}"), told, (count.min(i), count < i, true))?;
            }
        }
    }
    Ok(())
}

async fn total(lab: Lab) -> Proof {
    people(&lab, 30).await?;
    for filter in [
        "nickName eq \"odd\"",
        "userName sw \"u\"",
        "title eq \"boss\"",
        "not (title pr)",
        "displayName eq \"d3\"",
    ] {
        let whole = lab.ids(&["User"], Some(filter)).await?;
        holds("it matches some", !whole.is_empty())?;
        for offset in [0, 1, 3, 100] {
            let page = lab.query(&paged(query(&["User"], Some(filter))?, Start::Offset(offset), 2)).await?;
            same(filter, page.total, whole.len() as u64)?;
        }
    }
    Ok(())
}

async fn deleted_position(lab: Lab) -> Proof {
    people(&lab, 9).await?;
    for walk in WALKS.iter().filter(|walk| walk.filter.is_none()) {
        let asked = walk.query()?;
        let whole = lab.query(&asked).await?;
        let middle = found("one in the middle", whole.resources.get(4))?;
        let id = middle.resource.id().to_owned();
        let number: usize = id.trim_start_matches('p').parse().map_err(Wrong::new)?;
        lab.commit(delete("User", &id), 1).await?;
        let position = Position::of(&asked, middle);
        let all = ids(&whole);
        let behind = lab.query(&paged(asked.clone(), Start::After(position.clone()), 100)).await?;
        same(walk.name, Some(ids(&behind).as_slice()), all.get(5..))?;
        let before = lab.query(&paged(asked.clone(), Start::Before(position), 100)).await?;
        same(walk.name, Some(ids(&before).as_slice()), all.get(..4))?;
        let back = lab.batch(scim_core::Batch { now: middle.created, ..batch(vec![person(number)], 0) });
        back.await?;
    }
    Ok(())
}

async fn between(lab: Lab) -> Proof {
    for (id, now) in [("b", 10), ("d", 10), ("f", 20)] {
        lab.commit(user(id), now).await?;
    }
    let at = |now: i64, id: &str| Position {
        key: SortKey::Missing,
        created: at(now).unix_micros(),
        id: id.into(),
    };
    for (position, behind) in [
        (at(9, "z"), vec!["b", "d", "f"]),
        (at(10, "a"), vec!["b", "d", "f"]),
        (at(10, "b"), vec!["d", "f"]),
        (at(10, "c"), vec!["d", "f"]),
        (at(10, "d"), vec!["f"]),
        (at(15, ""), vec!["f"]),
        (at(20, "f"), vec![]),
        (at(21, ""), vec![]),
    ] {
        let asked = query(&["User"], None)?;
        let page = lab.query(&paged(asked.clone(), Start::After(position.clone()), 10)).await?;
        same(format!("behind {position:?}"), ids(&page), behind.clone())?;
        let page = lab.query(&paged(asked, Start::Before(position.clone()), 10)).await?;
        let before = page.resources.iter().all(|stored| !behind.contains(&stored.resource.id()));
        holds(format!("in front of {position:?} is nothing that is behind"), before)?;
        let exact = ["b", "d", "f"].contains(&position.id.as_str()) && position.created != at(15, "").created;
        same("how many", page.resources.len(), 3 - behind.len() - usize::from(exact))?;
    }
    Ok(())
}

async fn ends(lab: Lab) -> Proof {
    people(&lab, 6).await?;
    for walk in WALKS {
        let asked = walk.query()?;
        let whole = lab.query(&asked).await?;
        let first = Position::of(&asked, found("the first", whole.resources.first())?);
        let last = Position::of(&asked, found("the last", whole.resources.last())?);
        let page = lab.query(&paged(asked.clone(), Start::Before(first), 3)).await?;
        same(
            "in front of the first",
            (ids(&page), page.more_before, page.more_after),
            (Vec::new(), false, true),
        )?;
        let page = lab.query(&paged(asked, Start::After(last), 3)).await?;
        same("behind the last", (ids(&page), page.more_before, page.more_after), (Vec::new(), true, false))?;
    }
    Ok(())
}

async fn types(lab: Lab) -> Proof {
    for i in 0..10 {
        lab.commit(if i % 2 == 0 { user(&format!("a{i}")) } else { group(&format!("a{i}"), &[]) }, i / 3)
            .await?;
    }
    let expected: Vec<String> = (0..10).map(|i| format!("a{i}")).collect();
    for types in [["User", "Group"], ["Group", "User"]] {
        let mut asked = paged(query(&types, None)?, Start::Offset(0), 3);
        let mut seen = Vec::new();
        loop {
            let (page, more) = step(&lab, &mut asked, true).await?;
            same("the total", page.total, 10)?;
            seen.extend(ids(&page));
            if !more || seen.len() > expected.len() {
                break;
            }
        }
        same("the walk", &seen, &expected)?;
        let page = lab.query(&paged(query(&types, None)?, Start::Offset(4), 3)).await?;
        same("by index", ids(&page), vec!["a4", "a5", "a6"])?;
    }
    Ok(())
}

async fn empty(lab: Lab) -> Proof {
    for types in [&["User"][..], &["Group"], &["User", "Group"]] {
        for filter in [None, Some("id pr")] {
            let page = lab.query(&query(types, filter)?).await?;
            same("the page", page, Page::default())?;
        }
    }
    same("no types", lab.query(&query(&[], None)?).await?.total, 0)
}

async fn deep_index(lab: Lab) -> Proof {
    let mut expected = Vec::new();
    for i in 0..25 {
        let ids: Vec<String> = (0..100).map(|j| format!("n{:05}", i * 100 + j)).collect();
        lab.commit_all(ids.iter().map(|id| named(id, id)).collect(), i).await?;
        expected.extend(ids);
    }
    let check = async |expected: &[String]| {
        for offset in [0, 999, 1000, 1001, 1500, 1999, 2000, 2003, 2400, 2490, expected.len() - 1] {
            let page = lab.query(&paged(query(&["User"], None)?, Start::Offset(offset as u64), 7)).await?;
            let there = expected.iter().skip(offset).take(7).cloned().collect::<Vec<_>>();
            same(format!("from {offset}"), ids(&page), there)?;
            same("the total", page.total, expected.len() as u64)?;
        }
        Ok::<(), Wrong>(())
    };
    check(&expected).await?;
    // In front, in the middle and at the end, some come and some go.
    for (at, id) in [(-1, "early"), (12, "n01200a"), (99, "late")] {
        lab.commit(named(id, id), at).await?;
        let place = match id {
            "early" => 0,
            "late" => expected.len(),
            _ => found("its place", expected.iter().position(|e| e == "n01200"))? + 1,
        };
        expected.insert(place, id.to_owned());
        check(&expected).await?;
    }
    for gone in ["n00500", "n00999", "n02499", "early"] {
        lab.commit(delete("User", gone), 100).await?;
        expected.retain(|id| id != gone);
        check(&expected).await?;
    }
    lab.commit_all((100..400).map(|i| delete("User", &format!("n{i:05}"))).collect(), 101).await?;
    expected.retain(|id| !("n00100".."n00400").contains(&id.as_str()));
    check(&expected).await
}

async fn backward_from_end(lab: Lab) -> Proof {
    people(&lab, 23).await?;
    let asked = query(&["User"], None)?;
    let whole = lab.query(&asked).await?;
    let mut page =
        paged(asked.clone(), Start::After(Position::of(&asked, found("one", whole.resources.get(18))?)), 10);
    let last = lab.query(&page).await?;
    same("the last page", last.resources.len(), 4)?;
    page.page.start = Start::Before(Position::of(&asked, found("one", last.resources.first())?));
    let before = lab.query(&page).await?;
    same("the page in front of it", Some(ids(&before).as_slice()), ids(&whole).get(9..19))?;
    page.page.start = Start::After(Position::of(&asked, found("one", before.resources.last())?));
    same("and forward again", ids(&lab.query(&page).await?), ids(&last))
}
