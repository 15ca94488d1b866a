//! Pages and look-ups in a large directory.

use std::sync::Arc;
use std::time::Instant;

use scim_core::{Matcher, Page, Position, Query, Start};
use scim_filter::{Filter, MatchOptions};
use scim_schema::Resource;

use crate::figures::{Figures, Turn};
use crate::loaded::Loaded;
use crate::ours::Ours;
use crate::{Effort, Result};

/// How many users a page has.
const PAGE: usize = 100;
/// How many pages are asked for, one after the other, before it begins again.
const WALK: usize = 10;

/// `started` has not been asked for anything.
pub(crate) async fn measure(
    ours: &Ours,
    started: &Ours,
    loaded: &Loaded,
    effort: Effort,
    figures: &mut Figures,
) -> Result<()> {
    let engine = loaded.engine;
    let users = loaded.users;
    let deep = users / 10 * 9;
    // The first who asks for a page in the middle by its number: nothing is remembered yet.
    let cold = Directory { ours: started, users, effort };
    let began = Instant::now();
    cold.page(Start::Offset(deep as u64)).await?;
    figures.add(&format!("page/{engine}/index/cold"), "ours", Turn::of(vec![began.elapsed()])?);

    let directory = Directory { ours, users, effort };

    let look_ups = directory.look_ups().await?;
    for round in 1..=effort.rounds {
        println!("pages and look-ups on {engine}, round {round} of {}", effort.rounds);
        for (place, skip) in [("first", 0), ("deep", deep)] {
            let turn = directory.by_index(skip).await?;
            figures.add(&format!("page/{engine}/index/{place}"), "ours", turn);
            let turn = directory.by_cursor(skip).await?;
            figures.add(&format!("page/{engine}/cursor/{place}"), "ours", turn);
        }
        for (attribute, questions) in &look_ups {
            let turn = directory.look_up(questions).await?;
            figures.add(&format!("look-up/{engine}/{attribute}"), "ours", turn);
        }
    }
    Ok(())
}

/// Where the page behind a page begins.
fn behind(question: &Query, page: &Page) -> Result<Start> {
    let last = page.resources.last().ok_or("a page is empty")?;
    Ok(Start::After(Position::of(question, last)))
}

struct Directory<'o> {
    ours: &'o Ours,
    users: usize,
    effort: Effort,
}

impl Directory<'_> {
    /// Pages by their number.
    async fn by_index(&self, skip: usize) -> Result<Turn> {
        let (mut times, began) = (Vec::new(), Instant::now());
        for number in (0..WALK).cycle() {
            let started = Instant::now();
            self.page(Start::Offset((skip + number * PAGE) as u64)).await?;
            times.push(started.elapsed());
            if began.elapsed() >= self.effort.turn / 2 {
                break;
            }
        }
        Turn::of(times)
    }

    /// Each page behind the one before.
    async fn by_cursor(&self, skip: usize) -> Result<Turn> {
        let (question, page) = self.page(Start::Offset(skip as u64)).await?;
        let first = behind(&question, &page)?;
        let mut start = first.clone();
        let (mut times, began) = (Vec::new(), Instant::now());
        // The first page of the walk is asked for above.
        for number in (1..WALK).cycle() {
            if number == 1 {
                start = first.clone();
            }
            let started = Instant::now();
            let (question, page) = self.page(start).await?;
            times.push(started.elapsed());
            start = behind(&question, &page)?;
            if began.elapsed() >= self.effort.turn / 2 {
                break;
            }
        }
        Turn::of(times)
    }

    /// A full page, with the right total.
    async fn page(&self, start: Start) -> Result<(Query, Page)> {
        let question = self.ours.question(start, PAGE, None);
        let page = self.ours.answer(&question).await?;
        if page.resources.len() == PAGE && page.total == self.users as u64 {
            return Ok((question, page));
        }
        Err(format!("a page has {} users, of {} in all", page.resources.len(), page.total).into())
    }

    /// For some users from everywhere, what finds each of them, by attribute.
    async fn look_ups(&self) -> Result<Vec<(&'static str, Vec<Query>)>> {
        let mut some = Vec::new();
        for part in 0..10 {
            let (_, page) = self.page(Start::Offset((self.users / 10 * part) as u64)).await?;
            some.extend(page.resources.into_iter().step_by(5).map(|stored| stored.resource));
        }
        let questions = ["userName", "externalId", "emails.value"].map(|attribute| {
            let questions = some.iter().map(|user| {
                let value = first(user, attribute).ok_or_else(|| format!("a user has no {attribute}"))?;
                self.question(attribute, value)
            });
            Ok((attribute, questions.collect::<Result<_>>()?))
        });
        questions.into_iter().collect()
    }

    fn question(&self, attribute: &str, value: &str) -> Result<Query> {
        let text = format!("{attribute} eq {}", serde_json::to_string(value)?);
        let filter = Filter::parse(&text)?;
        let matcher = Matcher::new(&filter, [self.ours.user()], &MatchOptions::default())?;
        Ok(self.ours.question(Start::Offset(0), PAGE, Some(Arc::new(matcher))))
    }

    async fn look_up(&self, questions: &[Query]) -> Result<Turn> {
        let (mut times, began) = (Vec::new(), Instant::now());
        for question in questions.iter().cycle() {
            let started = Instant::now();
            let page = self.ours.answer(question).await?;
            times.push(started.elapsed());
            if page.total != 1 {
                return Err(format!("{} users are found by one value", page.total).into());
            }
            if began.elapsed() >= self.effort.turn / 2 {
                break;
            }
        }
        Turn::of(times)
    }
}

/// The first text of an attribute or sub-attribute.
fn first<'u>(user: &'u Resource, path: &str) -> Option<&'u str> {
    match path.split_once('.') {
        Some((attribute, part)) => user.get(attribute)?.elements().first()?.get(part)?.as_str(),
        None => user.get(path)?.as_str(),
    }
}
