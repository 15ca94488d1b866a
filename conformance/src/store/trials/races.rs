//! Many writers at once.

use std::collections::BTreeSet;
use std::future::Future;

use scim_core::{Committed, Include, StoreError, TenantId};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, Wrong, found, holds, same};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    use Promise::{Atomic, Edges, Monotone, Preconditions, Tenants, Unique};
    vec![
        trial("races: of 32 inserts of one name one is done", Unique, one_name),
        trial("races: of 32 renames to one name one is done", Unique, one_rename),
        trial("races: of 32 inserts of one id one is done", Preconditions, one_id),
        trial("races: of 32 deletes of one resource one is done", Preconditions, one_delete),
        trial("races: of 32 writes at one version one is done", Preconditions, one_version),
        trial("races: names that go round are never doubled", Unique, going_round),
        trial("races: no update is lost where versions are checked", Preconditions, no_update_lost),
        trial("races: versions grow by one under 8 writers", Monotone, versions),
        trial("races: of members that 8 writers add none is lost", Edges, members_added),
        trial(
            "races: members that come and go in deltas are neither lost nor doubled",
            Edges,
            members_come_and_go,
        ),
        trial("races: members deleted while groups change leave nothing behind", Edges, members_deleted),
        trial("races: groups deleted while members come leave nothing behind", Edges, groups_deleted),
        trial("races: a reader sees a batch whole or not at all", Atomic, whole_batches),
        trial("races: a reader sees a member move from group to group", Atomic, moving_member),
        trial("races: a page's total and resources are of one moment", Atomic, one_moment),
        trial("races: batches over the same resources in opposite order all end", Atomic, opposite_order),
        trial("races: writers of many tenants do not meet", Tenants, many_tenants),
        trial("races: a made-up crowd leaves a state that holds together", Edges, crowd),
    ]
}

/// Runs tasks at the same time and gives what they come to.
pub(super) async fn together<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, Wrong>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut ended = Vec::with_capacity(tasks.len());
    for task in tasks {
        ended.push(task.await.map_err(|error| Wrong::new(format!("a task of the trial: {error}")))?);
    }
    Ok(ended)
}

/// Of many answers one is good and the others are this error.
fn one_of(answers: Vec<Result<Committed, StoreError>>, loses: impl Fn(&StoreError) -> bool) -> Proof {
    let mut won = 0;
    for answer in answers {
        match answer {
            Ok(_) => won += 1,
            Err(error) if loses(&error) => {}
            Err(error) => return Err(Wrong::from(error)),
        }
    }
    same("how many won", won, 1)
}

/// The text, some letters in upper case by the bits of a number.
fn spelt(text: &str, number: usize) -> String {
    let spell = |(i, c): (usize, char)| if number >> (i % 5) & 1 == 1 { c.to_ascii_uppercase() } else { c };
    text.chars().enumerate().map(spell).collect()
}

async fn one_name(lab: Lab) -> Proof {
    for round in 0..5 {
        let tasks = (0..32).map(|client| {
            let lab = lab.clone();
            let write = named(&format!("r{round}c{client}"), &spelt(&format!("contested{round}"), client));
            async move { lab.commit(write, 0).await }
        });
        let lost = |error: &StoreError| matches!(error, StoreError::Conflict { attribute } if attribute == "userName");
        one_of(together(tasks).await?, lost)?;
    }
    same("how many there are", lab.query(&query(&["User"], None)?).await?.total, 5)?;
    invariants::check(&lab, &acme()).await
}

async fn one_rename(lab: Lab) -> Proof {
    lab.commit_all((0..32).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    for round in 0..3 {
        let tasks =
            (0..32).map(|client| {
                let lab = lab.clone();
                let name = spelt(&format!("contested{round}"), client);
                async move {
                    lab.commit(replace("User", &format!("u{client}"), &json!({"userName": name})), 1).await
                }
            });
        one_of(together(tasks).await?, |error| matches!(error, StoreError::Conflict { .. }))?;
    }
    invariants::check(&lab, &acme()).await
}

async fn one_id(lab: Lab) -> Proof {
    for round in 0..3 {
        let tasks = (0..32).map(|client| {
            let lab = lab.clone();
            let write = named(&format!("r{round}"), &format!("r{round}c{client}"));
            async move { lab.commit(write, 0).await }
        });
        let lost =
            |error: &StoreError| matches!(error, StoreError::Conflict { attribute } if attribute == "id");
        one_of(together(tasks).await?, lost)?;
    }
    invariants::check(&lab, &acme()).await
}

async fn one_delete(lab: Lab) -> Proof {
    for _ in 0..3 {
        lab.commit_all(vec![user("a"), group("g", &["a"])], 0).await?;
        let tasks = (0..32).map(|_| {
            let lab = lab.clone();
            async move { lab.commit(delete("User", "a"), 1).await }
        });
        one_of(together(tasks).await?, |error| matches!(error, StoreError::NotFound))?;
        same("the group's version", lab.get("Group", "g").await?.version, 2)?;
        lab.commit(delete("Group", "g"), 2).await?;
    }
    Ok(())
}

async fn one_version(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    for version in 1..4 {
        let tasks = (0..32).map(|client| {
            let lab = lab.clone();
            let write = at_version(version, titled("a", &format!("{version}/{client}")));
            async move { lab.commit(write, 1).await }
        });
        let lost = |error: &StoreError| matches!(error, StoreError::VersionMismatch { current } if *current == version + 1);
        one_of(together(tasks).await?, lost)?;
    }
    same("the version", lab.get("User", "a").await?.version, 4)
}

async fn going_round(lab: Lab) -> Proof {
    lab.commit_all((0..8).map(|i| named(&format!("u{i}"), &format!("n{i}"))).collect(), 0).await?;
    let tasks = (0..8_usize).map(|client| {
        let lab = lab.clone();
        async move {
            for round in 0..20_usize {
                let name = spelt(&format!("n{}", (client + round * 3) % 5), round);
                match lab.commit(replace("User", &format!("u{client}"), &json!({"userName": name})), 1).await
                {
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(Wrong::from(error)),
                }
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    invariants::check(&lab, &acme()).await
}

async fn no_update_lost(lab: Lab) -> Proof {
    lab.commit(titled_insert("a", "0"), 0).await?;
    let tasks = (0..6).map(|_| {
        let lab = lab.clone();
        async move {
            let mut done = 0;
            while done < 15 {
                let stored = lab.get("User", "a").await?;
                let count: u64 =
                    found("a title", text(&stored.resource, "title"))?.parse().map_err(Wrong::new)?;
                match lab.commit(at_version(stored.version, titled("a", &(count + 1).to_string())), 1).await {
                    Ok(_) => done += 1,
                    Err(StoreError::VersionMismatch { current }) => {
                        holds("the current version is a later one", current > stored.version)?;
                    }
                    Err(error) => return Err(Wrong::from(error)),
                }
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    let stored = lab.get("User", "a").await?;
    same("count and version", (text(&stored.resource, "title"), stored.version), (Some("90"), 91))
}

fn titled_insert(id: &str, title: &str) -> scim_core::Write {
    insert("User", id, &json!({"userName": format!("{id}@example.com"), "title": title}))
}

async fn versions(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    let tasks = (0..8).map(|client| {
        let lab = lab.clone();
        async move {
            let mut versions = Vec::new();
            for i in 0..20 {
                let done = lab.commit(titled("a", &format!("{client}/{i}")), i).await?;
                versions.push((done.version, done.last_modified));
            }
            holds(
                "each writer's versions and times grow",
                versions.windows(2).all(|pair| match pair {
                    [a, b] => a.0 < b.0 && a.1 <= b.1,
                    _ => true,
                }),
            )?;
            Ok(versions)
        }
    });
    let mut all: Vec<_> = together(tasks).await?.into_iter().collect::<Result<Vec<_>, Wrong>>()?.concat();
    all.sort_unstable();
    same(
        "all versions",
        all.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        (2..=161).collect::<Vec<_>>(),
    )?;
    holds("times do not go back", all.is_sorted_by_key(|(_, time)| *time))
}

async fn members_added(lab: Lab) -> Proof {
    lab.commit_all((0..8).flat_map(|c| (0..40).map(move |i| user(&format!("c{c}m{i}")))).collect(), 0)
        .await?;
    lab.commit(group("g", &[]), 0).await?;
    let tasks = (0..8).map(|c| {
        let lab = lab.clone();
        async move {
            for i in 0..40 {
                let done = lab.commit(delta("g", &[&format!("c{c}m{i}")], &[]), i).await?;
                same("how many came", done.members_added.len(), 1)?;
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    let stored = lab.get("Group", "g").await?;
    let members: BTreeSet<String> = values(&stored, "members").into_iter().collect();
    same("members and version", (members.len(), stored.version), (320, 321))?;
    invariants::check(&lab, &acme()).await
}

async fn members_come_and_go(lab: Lab) -> Proof {
    lab.commit_all((0..10).map(|i| user(&format!("u{i}"))).chain([group("g", &[])]).collect(), 0).await?;
    let tasks = (0..8_usize).map(|c| {
        let lab = lab.clone();
        async move {
            let mut balance = vec![0_i32; 10];
            for i in 0..20_usize {
                let (add, remove) = ((c * 3 + i) % 10, (c + i * 7) % 10);
                let done = lab.commit(delta("g", &[&format!("u{add}")], &[&format!("u{remove}")]), 1).await?;
                for (members, by) in [(&done.members_added, 1), (&done.members_removed, -1)] {
                    for member in members {
                        let number: usize = member.id.trim_start_matches('u').parse().map_err(Wrong::new)?;
                        if let Some(count) = balance.get_mut(number) {
                            *count += by;
                        }
                    }
                }
            }
            Ok(balance)
        }
    });
    let balances = together(tasks).await?.into_iter().collect::<Result<Vec<_>, Wrong>>()?;
    let members = values(&lab.get("Group", "g").await?, "members");
    for i in 0..10 {
        let sum: i32 = balances.iter().filter_map(|balance| balance.get(i)).sum();
        let there = i32::from(members.contains(&format!("u{i}")));
        same(format!("u{i}: what the answers add up to, and whether it is there"), sum, there)?;
    }
    invariants::check(&lab, &acme()).await
}

async fn members_deleted(lab: Lab) -> Proof {
    let mut writes: Vec<_> = (0..30).map(|i| user(&format!("u{i}"))).collect();
    writes.extend((0..6).map(|i| group(&format!("g{i}"), &[])));
    lab.commit_all(writes, 0).await?;
    let groups = (0..6).map(|g| {
        let lab = lab.clone();
        async move {
            for u in 0..30 {
                match lab.commit(delta(&format!("g{g}"), &[&format!("u{u}")], &[]), 1).await {
                    Ok(_) | Err(StoreError::UnknownMember) => {}
                    Err(error) => return Err(Wrong::from(error)),
                }
            }
            Ok(())
        }
    });
    let groups: Vec<_> = groups.map(tokio::spawn).collect();
    for u in (0..30).step_by(2) {
        lab.commit(delete("User", &format!("u{u}")), 2).await?;
    }
    for group in groups {
        group.await.map_err(Wrong::new)??;
    }
    let expected: Vec<String> = (0..30).filter(|u| u % 2 == 1).map(|u| format!("u{u}")).collect();
    for g in 0..6 {
        same("the members", values(&lab.get("Group", &format!("g{g}")).await?, "members"), expected.clone())?;
    }
    invariants::check(&lab, &acme()).await
}

async fn groups_deleted(lab: Lab) -> Proof {
    lab.commit_all((0..10).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    for round in 0..5 {
        lab.commit(group("g", &[]), round).await?;
        let adders = (0..4).map(|c| {
            let lab = lab.clone();
            async move {
                for i in 0..5 {
                    match lab.commit(delta("g", &[&format!("u{}", (c * 3 + i) % 10)], &[]), 1).await {
                        Ok(_) | Err(StoreError::NotFound) => {}
                        Err(error) => return Err(Wrong::from(error)),
                    }
                }
                Ok(())
            }
        });
        let adders: Vec<_> = adders.map(tokio::spawn).collect();
        tokio::task::yield_now().await;
        lab.commit(delete("Group", "g"), 2).await?;
        for adder in adders {
            adder.await.map_err(Wrong::new)??;
        }
        for i in 0..10 {
            same(
                "groups",
                values(&lab.get("User", &format!("u{i}")).await?, "groups"),
                Vec::<String>::new(),
            )?;
        }
    }
    invariants::check(&lab, &acme()).await
}

/// Runs a reader again and again while a writer writes; both must be content.
async fn beside<W, R>(writer: W, mut read: impl FnMut() -> R) -> Proof
where
    W: Future<Output = Proof> + Send + 'static,
    R: Future<Output = Proof>,
{
    let writer = tokio::spawn(writer);
    let mut proof = Ok(());
    while !writer.is_finished() && proof.is_ok() {
        proof = read().await;
        tokio::task::yield_now().await;
    }
    let written = writer.await.map_err(Wrong::new)?;
    proof.and(written)?;
    read().await
}

async fn whole_batches(lab: Lab) -> Proof {
    lab.commit_all(vec![titled_insert("a", "0"), titled_insert("b", "0")], 0).await?;
    let writing = lab.clone();
    let writer = async move {
        for i in 1..60 {
            let title = i.to_string();
            let pair = if i % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
            writing.commit_all(pair.map(|id| titled(id, &title)).into(), i).await?;
        }
        Ok(())
    };
    beside(writer, || async {
        let page = lab.query(&query(&["User"], None)?).await?;
        let titles: BTreeSet<Option<&str>> =
            page.resources.iter().map(|s| text(&s.resource, "title")).collect();
        same(format!("two titles that change together: {titles:?}"), titles.len(), 1)
    })
    .await
}

async fn moving_member(lab: Lab) -> Proof {
    lab.commit_all(vec![user("a"), group("g", &["a"]), group("h", &[])], 0).await?;
    let writing = lab.clone();
    let writer = async move {
        for i in 0..60 {
            let (from, to) = if i % 2 == 0 { ("g", "h") } else { ("h", "g") };
            writing.commit_all(vec![delta(from, &[], &["a"]), delta(to, &["a"], &[])], i).await?;
        }
        Ok(())
    };
    beside(writer, || async {
        let mut asked = query(&["User", "Group"], None)?;
        asked.include = Include::ALL;
        let page = lab.query(&asked).await?;
        let members: Vec<String> =
            page.resources.iter().flat_map(|stored| values(stored, "members")).collect();
        same("who is a member anywhere", members, vec!["a"])?;
        let holders: Vec<&str> = page
            .resources
            .iter()
            .filter(|stored| !values(stored, "members").is_empty())
            .map(|stored| stored.resource.id())
            .collect();
        let groups: Vec<String> = page.resources.iter().flat_map(|stored| values(stored, "groups")).collect();
        same("groups of the user, and groups that have it", groups, holders)?;
        same("the groups by get", values(&lab.get("User", "a").await?, "groups").len(), 1)
    })
    .await
}

async fn one_moment(lab: Lab) -> Proof {
    let writing = lab.clone();
    let writer = async move {
        for i in 0..60 {
            let id = |n: i64| format!("u{n}");
            let mut writes = vec![user(&id(i * 3)), user(&id(i * 3 + 1)), user(&id(i * 3 + 2))];
            if i > 3 {
                writes.extend((0..3).map(|n| delete("User", &id((i - 4) * 3 + n))));
            }
            writing.commit_all(writes, i).await?;
        }
        Ok(())
    };
    beside(writer, || async {
        for filter in [None, Some("userName pr"), Some("not (title pr)")] {
            let page = lab.query(&query(&["User"], filter)?).await?;
            same("total and resources", page.total, page.resources.len() as u64)?;
            same("batches of three", page.total % 3, 0)?;
        }
        Ok(())
    })
    .await
}

async fn opposite_order(lab: Lab) -> Proof {
    lab.commit_all(
        (0..6).map(|i| user(&format!("u{i}"))).chain([group("g", &[]), group("h", &[])]).collect(),
        0,
    )
    .await?;
    let tasks = (0..8).map(|c| {
        let lab = lab.clone();
        async move {
            for i in 0..12 {
                let title = format!("{c}/{i}");
                let mut writes: Vec<_> = (0..6).map(|u| titled(&format!("u{u}"), &title)).collect();
                writes.push(delta("g", &[&format!("u{}", i % 6)], &[&format!("u{}", (i + c) % 6)]));
                writes.push(delta("h", &[&format!("u{}", (i + c) % 6)], &[&format!("u{}", i % 6)]));
                if c % 2 == 0 {
                    writes.reverse();
                }
                lab.commit_all(writes, 1).await?;
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    same("the versions", lab.get("User", "u3").await?.version, 8 * 12 + 1)?;
    invariants::check(&lab, &acme()).await
}

async fn many_tenants(lab: Lab) -> Proof {
    let tasks = (0..12).map(|t| {
        let lab = lab.clone();
        async move {
            let tenant = TenantId::new(format!("t{t}"));
            for i in 0..8 {
                lab.commit_in(&tenant, named(&format!("u{i}"), &format!("n{i}")), i).await?;
            }
            lab.commit_in(&tenant, group("g", &["u0", "u1"]), 9).await?;
            lab.commit_in(&tenant, delete("User", "u1"), 10).await?;
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    for t in 0..12 {
        let tenant = TenantId::new(format!("t{t}"));
        same("the total", lab.store().query(&tenant, &query(&["User", "Group"], None)?).await?.total, 8)?;
        invariants::check(&lab, &tenant).await?;
    }
    Ok(())
}

async fn crowd(lab: Lab) -> Proof {
    let tasks = (0..8_u64).map(|c| {
        let lab = lab.clone();
        async move {
            let mut entropy = crate::differential::Entropy::seeded(lab.seed.wrapping_add(1000 + c));
            for _ in 0..30 {
                let batch = scim_core::Batch {
                    check_members: true,
                    ..super::super::generate::some_batch(&mut entropy)
                };
                match lab.batch(batch).await {
                    Err(
                        error @ (StoreError::Other { .. }
                        | StoreError::Full { .. }
                        | StoreError::InvalidPosition),
                    ) => {
                        return Err(Wrong::from(error));
                    }
                    _ => tokio::task::yield_now().await,
                }
            }
            Ok(())
        }
    });
    together(tasks).await?.into_iter().collect::<Proof>()?;
    invariants::check(&lab, &acme()).await
}
