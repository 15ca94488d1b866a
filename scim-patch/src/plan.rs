//! From a body to a plan: everything that can be known without the resource.

mod build;
mod members;
mod schemas;
mod value;

use std::collections::HashSet;

use scim_schema::{Dialect, Membership, ReadOptions, Report, Resource, ResourceType, Value};

use crate::apply::{Outcome, apply};
use crate::body;
use crate::error::PatchError;
use crate::member::MemberDelta;
use crate::step::Step;

/// How strictly a PATCH is read, and the limits it is held to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct PatchOptions<'o> {
    /// How values are read: the dialect, and the limits on strings and lists.
    pub read: ReadOptions<'o>,
    /// How many operations a request may have. Default 1,000.
    pub max_operations: usize,
    /// How many values of lists a request may look at. Default 10,000,000, which is about a second.
    ///
    /// Plain paths, and filters like `value eq "…"`, take steps in proportion to the length of the list
    /// once, and of the request; only other filters on long lists can reach the limit.
    pub max_work: usize,
    /// Whether resources hold their members as an array like any other. Then no [`MemberDelta`] is made.
    /// Default false.
    pub inline_members: bool,
}

impl<'o> PatchOptions<'o> {
    /// The defaults under a dialect.
    pub fn new(dialect: &'o Dialect) -> Self {
        Self {
            read: ReadOptions::new(dialect),
            max_operations: 1000,
            max_work: 10_000_000,
            inline_members: false,
        }
    }
}

/// A PATCH, understood and checked as far as that is possible without the resource.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
pub struct Plan<'t> {
    pub(crate) resource_type: &'t ResourceType,
    pub(crate) steps: Vec<Step<'t>>,
    pub(crate) limits: PlanLimits,
    membership: MembershipPlan,
    only_members: bool,
    /// The membership attribute, if values of it are set by the delta rather than by steps.
    delta_sets: Option<&'t str>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanLimits {
    pub(crate) max_values: usize,
    pub(crate) max_members: usize,
    pub(crate) max_work: usize,
}

/// What a PATCH does to the members of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must know what to load")]
pub enum MembershipPlan {
    /// Nothing.
    Untouched,
    /// Some come or go by id: the present members need not be known. Ids are compared exactly, as `id` is.
    Delta(MemberDelta),
    /// It depends on what the present members are: the resource must carry them.
    NeedsMembers,
}

impl<'t> Plan<'t> {
    /// Reads a PatchOp body (RFC 7644 §3.5.2) for resources of a type.
    ///
    /// Every error that does not depend on the resource is raised here: a malformed body or path, a
    /// target that does not exist or is readOnly, a value of the wrong type, a required attribute taken
    /// away.
    ///
    /// # Errors
    /// [`PatchError`] with the operation and the attribute at fault.
    pub fn new(
        body: &Value,
        resource_type: &'t ResourceType,
        options: &PatchOptions<'_>,
        report: &mut Report,
    ) -> Result<Self, PatchError> {
        let operations = body::operations(body, options, report)?;
        let mut steps = build::steps(operations, resource_type, options, report)?;
        let limits = PlanLimits {
            max_values: options.read.max_values,
            max_members: options.read.max_members,
            max_work: options.max_work,
        };
        let members = resource_type.membership().map(Membership::attribute);
        let touches = |step: &Step<'_>| members.is_some_and(|name| step.is_on(name));
        let only_members = !steps.is_empty() && steps.iter().all(touches);
        let membership = match members {
            Some(name) if steps.iter().any(touches) => {
                let delta = if options.inline_members { None } else { members::delta(&steps, name)? };
                delta.map_or(MembershipPlan::NeedsMembers, MembershipPlan::Delta)
            }
            _ => MembershipPlan::Untouched,
        };
        let mut delta_sets = None;
        if let (MembershipPlan::Delta(delta), Some(name)) = (&membership, members) {
            if delta.add.len() > limits.max_members {
                let last = steps.iter().rfind(|step| touches(step)).map_or(0, |step| step.operation);
                return Err(members::too_many(name, limits.max_members).in_operation(last));
            }
            delta_sets = (!delta.add.is_empty()).then_some(name);
            steps.retain(|step| !step.is_on(name));
        }
        Ok(Self { resource_type, steps, limits, membership, only_members, delta_sets })
    }

    /// What happens to the members.
    pub fn membership(&self) -> &MembershipPlan {
        &self.membership
    }

    /// Whether nothing but members is touched. A plan that does nothing at all touches nothing.
    pub fn touches_only_members(&self) -> bool {
        self.only_members
    }

    /// Whether the resource must carry that readOnly attribute, because the request states its value
    /// and it must be the present one. Matters for attributes that are computed on demand, such as `groups`.
    pub fn compares(&self, attribute: &str) -> bool {
        self.steps.iter().any(|step| step.is_comparison() && step.is_on(attribute))
    }

    /// The attributes and extension containers that the plan is about, each once; with extensions, `schemas`.
    pub(crate) fn attributes(&self) -> Vec<&'t str> {
        let mut names = Vec::with_capacity(self.steps.len().min(16));
        let mut has_extensions = false;
        for step in &self.steps {
            match step.base_attribute() {
                Some(name) if names.contains(&name) => {}
                Some(name) => names.push(name),
                None => has_extensions = true,
            }
        }
        if has_extensions {
            // Where one comes or goes, the others are looked at.
            names.extend(self.resource_type.extensions().iter().map(|extension| extension.schema().id()));
            names.push("schemas");
        }
        names
    }

    /// Applies the plan to a copy of the resource. What is given is never changed, so that a request is
    /// done as a whole or not at all.
    ///
    /// Where [`membership`](Self::membership) is a delta, that delta is the caller's to carry out and
    /// members in the resource stay as they are; where members are needed, the resource must have them,
    /// and the result has the new ones.
    ///
    /// # Errors
    /// [`PatchError`] for what depends on the resource: a filter that selects nothing, an immutable
    /// value, a required attribute that would be left without value.
    pub fn apply(&self, resource: &Resource, report: &mut Report) -> Result<Outcome, PatchError> {
        apply(self, resource, report)
    }

    /// The canonical paths that the request gives values to, once each: attributes with `returned:
    /// request` are shown when they are among them (RFC 7643 §7).
    pub fn set_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for step in &self.steps {
            step.collect_set(&mut paths);
        }
        paths.extend(self.delta_sets.map(str::to_owned));
        let mut seen = HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        paths
    }
}
