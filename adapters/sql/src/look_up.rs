//! Which queries find their few resources by a key.

use scim_core::Query;
use scim_filter::{Comparand, Operator, TypedExpr};

use crate::index::Index;

/// Whether a query asks for the resources of one text, which are a few that an index finds. With their members
/// they would not be little.
pub(crate) fn is_look_up(query: &Query, index: &Index) -> bool {
    let ([resource_type], Some(filter)) = (query.resource_types.as_slice(), &query.filter) else {
        return false;
    };
    let mut visits = filter.post_order(resource_type.name());
    let (Some(visit), None) = (visits.next(), visits.next()) else { return false };
    let TypedExpr::Compare { path, operator: Operator::Eq, value: Comparand::Text { .. } } = visit.expr
    else {
        return false;
    };
    let path = path.to_string();
    !query.include.members && (path == "id" || index.find(resource_type.name(), &path).is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scim_core::{Include, Matcher, PageRequest, Start};
    use scim_filter::{Filter, MatchOptions};
    use scim_schema::Registry;

    use super::*;
    use crate::index::StoreOptions;

    #[test]
    fn a_look_up_is_for_one_text_in_one_place() {
        let registry = Registry::standard();
        let index = Index::new(&registry, &StoreOptions::default()).unwrap();
        let is_look_up = |name: &str, filter: &str, include| {
            let resource_type = Arc::clone(registry.resource_type(name).unwrap());
            let filter = Filter::parse(filter).unwrap();
            let filter = Matcher::new(&filter, [&resource_type], &MatchOptions::default()).unwrap();
            let page = PageRequest { start: Start::Offset(0), count: 100 };
            let query = Query {
                resource_types: vec![resource_type],
                filter: Some(Arc::new(filter)),
                sort: None,
                page,
                include,
            };
            is_look_up(&query, &index)
        };
        let groups = Include { memberships: true, ..Include::NONE };
        for filter in ["userName eq \"a\"", "externalId eq \"a\"", "id eq \"a\"", "emails.value eq \"a\""] {
            assert!(is_look_up("User", filter, groups), "{filter}");
        }
        for filter in [
            "userName sw \"a\"",
            "userName ne \"a\"",
            "userName pr",
            "userName eq \"a\" or userName eq \"b\"",
            "not (userName eq \"a\")",
            "active eq true",
            "nickName eq \"a\"",
            "meta.resourceType eq \"User\"",
            "groups.value eq \"a\"",
        ] {
            assert!(!is_look_up("User", filter, groups), "{filter}");
        }
        assert!(is_look_up("Group", "displayName eq \"a\"", Include::NONE));
        assert!(!is_look_up("Group", "displayName eq \"a\"", Include::ALL));
    }
}
