//! One member comes or goes, in groups of all sizes.

use std::collections::BTreeSet;
use std::time::Instant;

use scim_core::{Member, MemberDelta, MembersChange, Start};

use crate::figures::{Figures, Turn};
use crate::loaded::Loaded;
use crate::ours::Ours;
use crate::{Effort, Result};

const SIZES: [usize; 4] = [10, 1000, 10_000, 100_000];
/// How many users that follow each other are members of the largest group.
const BLOCK: usize = 500;

/// The groups of the loaded database. They are made if they are not there, and stay in it.
pub(crate) async fn groups(ours: &Ours, loaded: &Loaded) -> Result<Vec<Group>> {
    // Of a small load all users are the largest group.
    let sizes: BTreeSet<usize> = SIZES.iter().map(|size| *size.min(&loaded.users)).collect();
    let all = ids(ours, sizes.last().copied().unwrap_or_default(), loaded.users).await?;
    let mut groups = Vec::new();
    for size in sizes {
        let members: Vec<String> = all.iter().step_by(all.len() / size).take(size).cloned().collect();
        let id = format!("members-{size}");
        println!("a group of {size} members on {}", loaded.engine);
        ours.group(&id, &members).await?;
        groups.push(Group { id, members });
    }
    Ok(groups)
}

/// The floor is one bare commit. The groups are afterwards as they were.
pub(crate) async fn measure(
    ours: &Ours,
    engine: &str,
    groups: &[Group],
    effort: Effort,
    figures: &mut Figures,
    mut floor: impl FnMut() -> Result<Turn>,
) -> Result<()> {
    for round in 1..=effort.rounds {
        println!("members of groups on {engine}, round {round} of {}", effort.rounds);
        figures.add(&format!("member/{engine}/commit"), "floor", floor()?);
        for group in groups {
            let bench = format!("member/{engine}/{}", group.members.len());
            figures.add(&bench, "ours", group.turn(ours, effort).await?);
        }
    }
    Ok(())
}

/// A group to change.
pub(crate) struct Group {
    id: String,
    members: Vec<String>,
}

impl Group {
    /// Members go and come back, one after the other.
    async fn turn(&self, ours: &Ours, effort: Effort) -> Result<Turn> {
        let (mut times, began) = (Vec::new(), Instant::now());
        // Far from each other, so that they are not on one page of the index.
        let far = self.members.iter().cycle().step_by(7919);
        for member in far {
            // One that a run before was killed at.
            self.change(ours, MemberDelta { add: vec![Member::new(member)], ..MemberDelta::default() })
                .await?;
            for delta in [
                MemberDelta { remove: vec![member.clone()], ..MemberDelta::default() },
                MemberDelta { add: vec![Member::new(member)], ..MemberDelta::default() },
            ] {
                let started = Instant::now();
                let changed = self.change(ours, delta).await?;
                times.push(started.elapsed());
                if !changed {
                    return Err("a member did not go or come".into());
                }
            }
            if began.elapsed() >= effort.turn / 2 {
                break;
            }
        }
        Turn::of(times)
    }

    async fn change(&self, ours: &Ours, delta: MemberDelta) -> Result<bool> {
        Ok(ours.change_members(&self.id, MembersChange::Delta(delta)).await?)
    }
}

/// The ids of so many of the users, in blocks over all of the directory: pages at its beginning and deep in it
/// shall have users of the same kind.
async fn ids(ours: &Ours, count: usize, users: usize) -> Result<Vec<String>> {
    let blocks = count.div_ceil(BLOCK);
    let mut ids = Vec::with_capacity(count);
    for block in 0..blocks {
        let question = ours.question(Start::Offset((block * (users / blocks)) as u64), BLOCK, None);
        let page = ours.answer(&question).await?;
        ids.extend(page.resources.iter().map(|stored| stored.resource.id().to_owned()));
    }
    ids.truncate(count);
    Ok(ids)
}
