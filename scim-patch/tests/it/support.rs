//! What the tests share: resource types, bodies, and one way to run a PATCH.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use scim_patch::{MembershipPlan, Outcome, PATCH_OP, PatchError, PatchErrorKind, PatchOptions, Plan};
use scim_schema::{
    Dialect, JsonLimits, Registry, RegistryBuilder, Report, Resource, ResourceType, Value, parse_json,
};

pub(crate) const ENTERPRISE: &str = scim_schema::ENTERPRISE_USER;
pub(crate) const LAB: &str = "urn:example:scim:schemas:extension:lab:2.0:User";

/// A user with values of several kinds.
pub(crate) const BABS: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "u1", "userName": "bjensen",
    "name": {"givenName": "Barbara", "familyName": "Jensen"}, "title": "Guide", "active": true,
    "emails": [
        {"value": "bjensen@example.com", "type": "work", "primary": true},
        {"value": "babs@jensen.org", "type": "home"}],
    "groups": [{"value": "g1", "display": "Guides"}]}"#;

/// A document of the spec cases.
pub(crate) fn document(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/data/spec").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// User with the enterprise and the lab extension, and Group.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut builder = RegistryBuilder::standard();
    for schema in document("filter-docs.json")["extra_schemas"].as_array().unwrap() {
        builder = builder.schema_json(&schema.to_string()).unwrap();
    }
    builder.extend("User", LAB, false).unwrap().build().unwrap()
});

pub(crate) fn user() -> &'static Arc<ResourceType> {
    REGISTRY.resource_type("User").unwrap()
}

pub(crate) fn group() -> &'static Arc<ResourceType> {
    REGISTRY.resource_type("Group").unwrap()
}

pub(crate) fn value(json: &str) -> Value {
    let limits = JsonLimits { nodes: 10_000_000, ..JsonLimits::default() };
    parse_json(json.as_bytes(), limits).expect("JSON")
}

pub(crate) fn resource(json: &str) -> Resource {
    match value(json) {
        Value::Object(object) => Resource::from_canonical(object),
        _ => panic!("an object"),
    }
}

/// A PatchOp body from the text of its operations.
pub(crate) fn body(operations: &str) -> Value {
    value(&format!(r#"{{"schemas": ["{PATCH_OP}"], "Operations": {operations}}}"#))
}

/// How a test runs a PATCH.
pub(crate) struct Patch {
    pub(crate) resource_type: Arc<ResourceType>,
    pub(crate) dialect: Dialect,
    pub(crate) inline_members: bool,
}

impl Patch {
    pub(crate) fn strict(resource_type: &Arc<ResourceType>) -> Self {
        Self { resource_type: Arc::clone(resource_type), dialect: Dialect::strict(), inline_members: true }
    }

    pub(crate) fn lenient(resource_type: &Arc<ResourceType>) -> Self {
        Self { dialect: Dialect::default(), ..Self::strict(resource_type) }
    }

    pub(crate) fn options(&self) -> PatchOptions<'_> {
        PatchOptions { inline_members: self.inline_members, ..PatchOptions::new(&self.dialect) }
    }

    pub(crate) fn plan(&self, operations: &str) -> Result<Plan<'_>, PatchError> {
        Plan::new(&body(operations), &self.resource_type, &self.options(), &mut Report::default())
    }

    pub(crate) fn run(&self, before: &Resource, operations: &str) -> Result<Outcome, PatchError> {
        self.reported(before, operations).0
    }

    pub(crate) fn reported(
        &self,
        before: &Resource,
        operations: &str,
    ) -> (Result<Outcome, PatchError>, Report) {
        let mut report = Report::default();
        let outcome = Plan::new(&body(operations), &self.resource_type, &self.options(), &mut report)
            .and_then(|plan| plan.apply(before, &mut report));
        self.same_of_text(before, operations, &outcome, &report);
        (outcome, report)
    }

    /// A resource that is still text, of which only a part is read, becomes what one of values becomes.
    fn same_of_text(
        &self,
        before: &Resource,
        operations: &str,
        outcome: &Result<Outcome, PatchError>,
        report: &Report,
    ) {
        let mut packed = before.clone();
        packed.pack();
        let mut of_text = Report::default();
        let again = Plan::new(&body(operations), &self.resource_type, &self.options(), &mut of_text)
            .and_then(|plan| plan.apply(&packed, &mut of_text));
        assert_eq!((&again, of_text.notes()), (outcome, report.notes()));
        if let Ok(again) = again {
            assert_eq!(value(&again.resource.text()), Value::Object(again.resource.into_attributes()));
        }
    }

    /// The resource after a PATCH that must succeed and change something.
    pub(crate) fn changed(&self, before: &str, operations: &str) -> Resource {
        let outcome = self.run(&resource(before), operations).unwrap();
        assert!(outcome.changed, "nothing changed");
        outcome.resource
    }

    /// That a PATCH succeeds and changes nothing.
    pub(crate) fn unchanged(&self, before: &str, operations: &str) {
        let before = resource(before);
        let outcome = self.run(&before, operations).unwrap();
        assert!(!outcome.changed, "{:?}", outcome.changes);
        assert_eq!(outcome.changes, []);
        let mut expected = before;
        scim_schema::finish(&mut expected, &self.resource_type).unwrap();
        assert!(outcome.resource == expected, "changed after all");
    }

    pub(crate) fn refused(&self, before: &str, operations: &str) -> PatchErrorKind {
        self.run(&resource(before), operations).expect_err("an error").kind()
    }
}

/// The values of an attribute as JSON text.
pub(crate) fn json_of(resource: &Resource, name: &str) -> String {
    resource.get(name).map_or_else(|| "nothing".to_owned(), |v| serde_json::to_string(v).unwrap())
}

/// The ids that a membership plan leaves, applied to a set of ids.
pub(crate) fn ids_after(plan: &MembershipPlan, before: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = match plan {
        MembershipPlan::Untouched => before.to_vec(),
        MembershipPlan::Delta(delta) => {
            let kept = before.iter().filter(|id| !delta.clear && !delta.remove.contains(id));
            let mut ids: Vec<String> = kept.cloned().collect();
            ids.extend(delta.add.iter().map(|m| m.id.clone()));
            ids
        }
        MembershipPlan::NeedsMembers => panic!("the members are needed"),
    };
    ids.sort();
    ids.dedup();
    ids
}
