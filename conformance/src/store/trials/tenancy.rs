//! Tenants: each call with what belongs to another.

use scim_core::{Include, Position, Start, StoreError, TenantId};
use serde_json::json;

use super::super::Promise;
use super::super::build::*;
use super::super::check::{Proof, found, refused, same};
use super::super::invariants;
use super::super::lab::Lab;
use super::{Need, Spec, trial};

pub(super) fn trials() -> Vec<Spec> {
    let mut trials = vec![
        trial("tenancy: get finds nothing of another tenant", Promise::Tenants, get),
        trial("tenancy: types_of knows nothing of another tenant", Promise::Tenants, types_of),
        trial("tenancy: query without a filter finds nothing of another tenant", Promise::Tenants, query_all),
    ];
    for filter in [
        "id eq \"a\"",
        "userName eq \"a@example.com\"",
        "externalId eq \"e\"",
        "emails.value eq \"a@x.org\"",
        "emails co \"x\"",
        "userName pr",
        "not (userName eq \"zz\")",
        "members.value eq \"a\"",
        "groups.value eq \"g\"",
        "meta.created gt \"1990-01-01T00:00:00Z\"",
    ] {
        let name = format!("tenancy: query by `{filter}` finds nothing of another tenant");
        trials.push(trial(name, Promise::Tenants, move |lab| query_by(lab, filter)));
    }
    for (one, two) in
        [("acme", "ACME"), ("acme", "acme "), ("acme", "acm"), ("a", "%"), ("", "a"), ("ä", "a\u{308}")]
    {
        let name = format!("tenancy: `{one}` and `{}` are two tenants", two.escape_unicode());
        trials.push(trial(name, Promise::Tenants, move |lab| two_names(lab, one, two)));
    }
    trials.extend([
        trial("tenancy: an update of another tenant's resource is NotFound", Promise::Tenants, update),
        trial("tenancy: a delete of another tenant's resource is NotFound", Promise::Tenants, delete_foreign),
        trial("tenancy: a member of another tenant is unknown", Promise::Tenants, foreign_member),
        trial("tenancy: an id is free in another tenant", Promise::Tenants, same_id),
        trial("tenancy: a unique value is free in another tenant", Promise::Unique, same_name),
        trial("tenancy: writes touch nothing of another tenant", Promise::Tenants, untouched),
        trial("tenancy: a delete takes no edges of another tenant", Promise::Tenants, edges),
        trial("tenancy: groups of another tenant are not a user's", Promise::Tenants, foreign_groups),
        trial("tenancy: a position of one tenant shows nothing of it in another", Promise::Tenants, position),
        trial("tenancy: totals and pages count one tenant only", Promise::Tenants, totals),
        trial("tenancy: a hundred tenants are apart", Promise::Tenants, hundred),
        trial("feed: entries name their tenant", Promise::FeedTells, feed).needs(Need::Feed),
    ]);
    trials
}

fn other() -> TenantId {
    TenantId::new("other")
}

async fn fill(lab: &Lab, tenant: &TenantId) -> Proof {
    let ann = json!({"userName": "a@example.com", "externalId": "e", "emails": [{"value": "a@x.org"}]});
    lab.store().commit(tenant, batch(vec![insert("User", "a", &ann), group("g", &["a"])], 0)).await?;
    Ok(())
}

async fn get(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    for (name, id) in [("User", "a"), ("Group", "g")] {
        for include in [Include::ALL, Include::NONE] {
            let got = lab.store().get(&other(), type_named(name), id, include).await?;
            same(id, got, None)?;
        }
    }
    Ok(())
}

async fn types_of(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    let asked = ["a".to_owned(), "g".to_owned()];
    same("the types", lab.store().types_of(&other(), &asked).await?, vec![None, None])
}

async fn query_all(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    for types in [vec!["User"], vec!["Group"], vec!["User", "Group"]] {
        let page = lab.store().query(&other(), &query(&types, None)?).await?;
        same("ids and total", (ids(&page), page.total), (Vec::new(), 0))?;
        same("more", (page.more_after, page.more_before), (false, false))?;
    }
    Ok(())
}

async fn query_by(lab: Lab, filter: &'static str) -> Proof {
    fill(&lab, &acme()).await?;
    lab.store().commit(&other(), batch(vec![user("b")], 0)).await?;
    for types in [vec!["User"], vec!["Group"], vec!["User", "Group"]] {
        // Attributes that a type does not have are no filter for it.
        let Ok(asked) = query(&types, Some(filter)) else { continue };
        let theirs = lab.store().query(&other(), &asked).await?;
        let foreign = |id: &String| id != "b";
        let leaked: Vec<String> = ids(&theirs).into_iter().filter(foreign).collect();
        same("what leaks", leaked, Vec::<String>::new())?;
        same("the total", theirs.total, theirs.resources.len() as u64)?;
    }
    Ok(())
}

async fn two_names(lab: Lab, one: &'static str, two: &'static str) -> Proof {
    let (one, two) = (TenantId::new(one), TenantId::new(two));
    fill(&lab, &one).await?;
    same("get", lab.store().get(&two, type_named("User"), "a", Include::ALL).await?, None)?;
    same("the total", lab.store().query(&two, &query(&["User"], None)?).await?.total, 0)?;
    fill(&lab, &two).await?;
    lab.store().commit(&two, batch(vec![delete("User", "a")], 1)).await?;
    let group = lab.store().get(&one, type_named("Group"), "g", Include::ALL).await?;
    let group = found("the first tenant's group", group)?;
    same("its members and version", (values(&group, "members"), group.version), (vec!["a".to_owned()], 1))
}

async fn update(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    for write in [titled("a", "x"), delta("g", &[], &["a"]), set("g", &[]), at_version(1, titled("a", "x"))] {
        let what = format!("{write:?}");
        refused(what, lab.commit_in(&other(), write, 1).await, &StoreError::NotFound)?;
    }
    same("the version", lab.get("User", "a").await?.version, 1)
}

async fn delete_foreign(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    refused("the user", lab.commit_in(&other(), delete("User", "a"), 1).await, &StoreError::NotFound)?;
    refused("the group", lab.commit_in(&other(), delete("Group", "g"), 1).await, &StoreError::NotFound)?;
    same("all", lab.ids(&["User", "Group"], None).await?, vec!["a", "g"])
}

async fn foreign_member(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    let came = lab.commit_in(&other(), group("h", &["a"]), 1).await;
    refused("a new group", came, &StoreError::UnknownMember)?;
    lab.commit_in(&other(), group("h", &[]), 1).await?;
    let came = lab.commit_in(&other(), delta("h", &["a"], &[]), 1).await;
    refused("a delta", came, &StoreError::UnknownMember)
}

async fn same_id(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    let done = lab.commit_in(&other(), group("a", &[]), 1).await?;
    same("the version", done.version, 1)?;
    let asked = ["a".to_owned()];
    same("the type here", lab.store().types_of(&acme(), &asked).await?, vec![Some("User".to_owned())])?;
    same("the type there", lab.store().types_of(&other(), &asked).await?, vec![Some("Group".to_owned())])
}

async fn same_name(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    lab.commit_in(&other(), named("x", "A@example.com"), 1).await?;
    let came = lab.commit_in(&other(), named("y", "a@example.com"), 2).await;
    refused("there", came, &super::super::check::taken("userName"))
}

async fn untouched(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    let (before, _) = lab.everything().await?;
    fill(&lab, &other()).await?;
    for write in
        [titled("a", "x"), delta("g", &["g"], &["a"]), delete("User", "a"), user("b"), delete("Group", "g")]
    {
        lab.commit_in(&other(), write, 5).await?;
    }
    same("everything", lab.everything().await?.0, before)?;
    invariants::check(&lab, &acme()).await?;
    invariants::check(&lab, &other()).await
}

async fn edges(lab: Lab) -> Proof {
    fill(&lab, &acme()).await?;
    fill(&lab, &other()).await?;
    lab.commit_in(&other(), delete("User", "a"), 1).await?;
    let here = lab.get("Group", "g").await?;
    same("here", (values(&here, "members"), here.version), (vec!["a".to_owned()], 1))?;
    let there = lab.store().get(&other(), type_named("Group"), "g", Include::ALL).await?;
    let there = found("the group there", there)?;
    same("there", (values(&there, "members"), there.version), (Vec::new(), 2))
}

async fn foreign_groups(lab: Lab) -> Proof {
    lab.commit(user("a"), 0).await?;
    lab.store().commit(&other(), batch(vec![user("a"), group("h", &["a"]), group("i", &["h"])], 0)).await?;
    same("groups", values(&lab.get("User", "a").await?, "groups"), Vec::<String>::new())?;
    same("by group", lab.ids(&["User"], Some("groups.value eq \"h\"")).await?, Vec::<&str>::new())
}

async fn position(lab: Lab) -> Proof {
    lab.commit_all((0..5).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    lab.store().commit(&other(), batch(vec![user("v")], 9)).await?;
    let asked = query(&["User"], None)?;
    let page = lab.query(&asked).await?;
    let stored = found("a user", page.resources.get(1))?;
    let next = paged(asked.clone(), Start::After(Position::of(&asked, stored)), 10);
    same("behind it", ids(&lab.store().query(&other(), &next).await?), vec!["v"])?;
    let before = paged(asked.clone(), Start::Before(Position::of(&asked, stored)), 10);
    same("before it", ids(&lab.store().query(&other(), &before).await?), Vec::<String>::new())
}

async fn totals(lab: Lab) -> Proof {
    lab.commit_all((0..7).map(|i| user(&format!("u{i}"))).collect(), 0).await?;
    lab.store().commit(&other(), batch((0..5).map(|i| user(&format!("u{i}"))).collect(), 0)).await?;
    for (tenant, total) in [(acme(), 7), (other(), 5)] {
        for filter in [None, Some("userName pr"), Some("userName sw \"u\""), Some("title pr or userName pr")]
        {
            let page =
                lab.store().query(&tenant, &paged(query(&["User"], filter)?, Start::Offset(3), 2)).await?;
            same("total, ids", (page.total, ids(&page)), (total, vec!["u3".to_owned(), "u4".to_owned()]))?;
        }
        let beyond = lab.store().query(&tenant, &paged(query(&["User"], None)?, Start::Offset(5), 9)).await?;
        same("behind five", beyond.resources.len() as u64, total - 5)?;
    }
    Ok(())
}

async fn hundred(lab: Lab) -> Proof {
    for i in 0..100 {
        let tenant = TenantId::new(format!("t{i}"));
        lab.store().commit(&tenant, batch(vec![named("a", &format!("n{i}"))], i)).await?;
    }
    for i in (0..100).step_by(7) {
        let tenant = TenantId::new(format!("t{i}"));
        let page = lab.store().query(&tenant, &query(&["User"], None)?).await?;
        let names: Vec<Option<&str>> = page.resources.iter().map(|s| text(&s.resource, "userName")).collect();
        same("the names", names, vec![Some(format!("n{i}").as_str())])?;
    }
    Ok(())
}

async fn feed(lab: Lab) -> Proof {
    for (i, tenant) in ["acme", "other", "acme", "third"].into_iter().enumerate() {
        lab.store().commit(&TenantId::new(tenant), batch(vec![user(&format!("u{i}"))], 0)).await?;
    }
    let entries = lab.entries().await?;
    let told: Vec<(&str, &str)> = entries.iter().map(|e| (e.tenant.as_str(), e.id.as_str())).collect();
    same("tenants and ids", told, vec![("acme", "u0"), ("other", "u1"), ("acme", "u2"), ("third", "u3")])
}
