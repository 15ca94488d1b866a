//! One member comes or goes, in groups of all sizes.

use std::time::Instant;

use scim_core::{Member, MemberDelta, MembersChange, Start};

use crate::figures::{Figures, Turn};
use crate::loaded::Loaded;
use crate::ours::Ours;
use crate::pages::behind;
use crate::{Effort, Result};

const SIZES: [usize; 4] = [10, 1000, 10_000, 100_000];

/// The floor is one bare commit. The groups stay in the loaded database, and are afterwards as they were.
pub(crate) async fn measure(
    ours: &Ours,
    loaded: &Loaded,
    effort: Effort,
    figures: &mut Figures,
    mut floor: impl FnMut() -> Result<Turn>,
) -> Result<()> {
    let engine = loaded.engine;
    let mut groups: Vec<Group> = Vec::new();
    let members = ids(ours, SIZES.into_iter().max().unwrap_or_default().min(loaded.users)).await?;
    for size in SIZES {
        // Of a small load all users are the largest group.
        let members = members.get(..size).unwrap_or(&members).to_vec();
        let id = format!("members-{}", members.len());
        println!("a group of {} members on {engine}", members.len());
        ours.group(&id, &members).await?;
        groups.push(Group { id, members });
    }
    for round in 1..=effort.rounds {
        println!("members of groups on {engine}, round {round} of {}", effort.rounds);
        figures.add(&format!("member/{engine}/commit"), "floor", floor()?);
        for group in &groups {
            let bench = format!("member/{engine}/{}", group.members.len());
            figures.add(&bench, "ours", group.turn(ours, effort).await?);
        }
    }
    Ok(())
}

struct Group {
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

/// The ids of the first users.
async fn ids(ours: &Ours, count: usize) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(count);
    let mut start = Start::Offset(0);
    while ids.len() < count {
        let question = ours.question(start, 500.min(count - ids.len()), None);
        let page = ours.answer(&question).await?;
        start = behind(&question, &page)?;
        ids.extend(page.resources.iter().map(|stored| stored.resource.id().to_owned()));
    }
    Ok(ids)
}
