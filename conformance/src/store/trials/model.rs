//! Made-up operations and questions: effects and answers are those of the model.

use super::super::Promise;
use super::super::build::acme;
use super::super::check::{Proof, Wrong, holds};
use super::super::generate::{self, Ask, IDS};
use super::super::invariants;
use super::super::lab::Lab;
use super::super::mirror::Mirror;
use super::{Spec, trial};
use crate::differential::Entropy;

pub(super) fn trials() -> Vec<Spec> {
    let ask = |name: &str, ask: Ask| {
        trial(format!("model: {name}"), Promise::Queries, move |lab| questions(lab, ask))
    };
    vec![
        ask("made-up filters", Ask { filter: 100, sort: 0, positions: false }),
        ask("made-up orders", Ask { filter: 20, sort: 100, positions: false }),
        ask("made-up filters and orders, by index", Ask { filter: 70, sort: 60, positions: false }),
        ask("made-up positions in the order of creation", Ask { filter: 30, sort: 0, positions: true }),
        ask(
            "made-up positions in filtered and ordered answers",
            Ask { filter: 70, sort: 70, positions: true },
        ),
        trial("model: made-up writes have the effects of the model", Promise::Writes, writes),
        trial("model: made-up writes leave a state that holds together", Promise::Edges, state),
        trial("model: answers stay the model's while writes go on", Promise::Queries, between),
    ]
}

async fn begin(lab: Lab, entropy: &mut Entropy<'_>) -> Result<Mirror, Wrong> {
    let mirror = Mirror::new(lab);
    for batch in generate::beginning(entropy) {
        mirror.commit(batch).await?;
    }
    Ok(mirror)
}

async fn questions(lab: Lab, ask: Ask) -> Proof {
    let (seed, cases) = (lab.seed, lab.cases);
    let mut entropy = Entropy::seeded(seed.wrapping_mul(31).wrapping_add((ask.filter + ask.sort * 7) as u64));
    let mirror = begin(lab, &mut entropy).await?;
    let all = mirror.all().await?;
    let mut matched = 0;
    for _ in 0..cases {
        let (words, query) = generate::question(&mut entropy, ask, &all)?;
        matched +=
            mirror.query(&query, &words).await.map_err(|wrong| wrong.of(format!("seed {seed}")))?.total;
    }
    holds("the questions match something", matched > 0 || cases < 10)
}

async fn writes(lab: Lab) -> Proof {
    let (seed, cases) = (lab.seed, lab.cases);
    let mut entropy = Entropy::seeded(seed.wrapping_add(101));
    let mirror = begin(lab, &mut entropy).await?;
    for _ in 0..cases {
        let batch = generate::some_batch(&mut entropy);
        mirror.commit(batch).await.map_err(|wrong| wrong.of(format!("seed {seed}")))?;
    }
    mirror.compare(&IDS).await.map_err(|wrong| wrong.of(format!("seed {seed}")))
}

async fn state(lab: Lab) -> Proof {
    let mut entropy = Entropy::seeded(lab.seed.wrapping_add(202));
    for batch in generate::beginning(&mut entropy) {
        // Members that do not exist are refused here, so that edges have two ends.
        lab.batch(scim_core::Batch { check_members: true, ..batch }).await.ok();
    }
    for i in 0..lab.cases {
        let batch = scim_core::Batch { check_members: true, ..generate::some_batch(&mut entropy) };
        lab.batch(batch).await.ok();
        if i % 50 == 49 {
            invariants::check(&lab, &acme()).await?;
        }
    }
    invariants::check(&lab, &acme()).await
}

async fn between(lab: Lab) -> Proof {
    let (seed, cases) = (lab.seed, lab.cases);
    let mut entropy = Entropy::seeded(seed.wrapping_add(303));
    let mirror = begin(lab, &mut entropy).await?;
    for _ in 0..cases.div_ceil(2) {
        mirror.commit(generate::some_batch(&mut entropy)).await?;
        let all = mirror.all().await?;
        let ask = Ask { filter: 60, sort: 40, positions: entropy.chance(50) };
        let (words, query) = generate::question(&mut entropy, ask, &all)?;
        mirror.query(&query, &words).await.map_err(|wrong| wrong.of(format!("seed {seed}")))?;
    }
    Ok(())
}
