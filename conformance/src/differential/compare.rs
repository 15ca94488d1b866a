//! Both interpreters at work, and what they must agree on.

use std::fmt;

use scim_filter::{Filter, MatchOptions, Matcher, Options};
use scim_patch::{MembershipPlan, Outcome, PatchErrorKind, PatchOptions, Plan};
use scim_schema::{Dialect, Report};
use serde_json::Value;

use super::world::{Sample, World, to_product};
use crate::naive;

/// What became of filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterTally {
    /// How many filters both refused.
    pub refused: u64,
    /// How many filters were evaluated.
    pub filters: u64,
    /// On how many resources in all.
    pub evaluations: u64,
    /// How many of these matched.
    pub matched: u64,
}

impl FilterTally {
    /// Counts what another has counted as well.
    pub fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.filters += other.filters;
        self.evaluations += other.evaluations;
        self.matched += other.matched;
    }
}

/// What became of PATCH requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchTally {
    /// How many requests both refused.
    pub refused: u64,
    /// How many changed the resource.
    pub changed: u64,
    /// How many changed nothing.
    pub unchanged: u64,
    /// How many were carried out as a delta of members as well.
    pub deltas: u64,
}

impl PatchTally {
    /// Counts what another has counted as well.
    pub fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.deltas += other.deltas;
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.refused + self.changed + self.unchanged
    }
}

/// Where the product and the naive interpreter differ, with all that is needed to see it again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub struct Difference {
    /// What they differ in.
    pub what: &'static str,
    /// The schemas and resource types.
    pub documents: Vec<Value>,
    /// The resource.
    pub resource: Option<Value>,
    /// The filter, or the body of the request.
    pub input: String,
    /// What the product makes of it.
    pub product: String,
    /// What the naive interpreter makes of it.
    pub naive: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        for document in &self.documents {
            writeln!(f, "document: {document}")?;
        }
        if let Some(resource) = &self.resource {
            writeln!(f, "resource: {resource}")?;
        }
        writeln!(f, "input:    {}", self.input)?;
        writeln!(f, "product:  {}", self.product)?;
        write!(f, "naive:    {}", self.naive)
    }
}

impl World {
    /// Compares what a filter means: whether it is one, its tree, whether it fits the schemas, and which
    /// resources match. `entra` accepts the form that `Dialect::default` accepts beyond the RFC.
    ///
    /// # Errors
    /// [`Difference`] where they differ.
    pub fn compare_filter(&self, text: &str, entra: bool) -> Result<FilterTally, Box<Difference>> {
        let refused = FilterTally { refused: 1, ..FilterTally::default() };
        let differ = |what, resource: Option<&Value>, product: String, naive: String| {
            let (documents, input) = (self.documents.clone(), text.to_owned());
            Err(Box::new(Difference { what, documents, resource: resource.cloned(), input, product, naive }))
        };
        let options = if entra { Options::default() } else { Options::strict() };
        let (filter, expr) = match (Filter::parse_with(text, &options), naive::parse(text, entra)) {
            (Ok(filter), Ok(expr)) => (filter, expr),
            (Err(_), Err(_)) => return Ok(refused),
            (product, naive) => {
                let product = product.map_or_else(|e| e.to_string(), |filter| filter.to_s_expression());
                let naive = naive.map_or_else(|e| format!("{e:?}"), |expr| expr.to_s_expression());
                return differ("the text is a filter to one of them only", None, product, naive);
            }
        };
        let (product, naive) = (filter.to_s_expression(), expr.to_s_expression());
        if product != naive {
            return differ("the trees differ", None, product, naive);
        }
        let typed = Matcher::new(&filter, &self.product, &MatchOptions::default());
        let matcher = match (typed, naive::check(&expr, &self.types)) {
            (Ok(matcher), Ok(())) => matcher,
            (Err(_), Err(_)) => return Ok(refused),
            (product, naive) => {
                let product = product.map_or_else(|e| e.to_string(), |_| "it fits".to_owned());
                return differ(
                    "the filter fits the schemas for one of them only",
                    None,
                    product,
                    format!("{naive:?}"),
                );
            }
        };
        let mut tally = FilterTally { filters: 1, ..FilterTally::default() };
        for sample in &self.samples {
            let Some(resource_type) = self.types.get(sample.resource_type) else { continue };
            let product = matcher.matches(&resource_type.name, &sample.resource);
            let naive = naive::matches(&expr, resource_type, &sample.json);
            if product != naive {
                return differ(
                    "a resource matches for one of them only",
                    Some(&sample.json),
                    product.to_string(),
                    naive.to_string(),
                );
            }
            tally.evaluations += 1;
            tally.matched += u64::from(product);
        }
        Ok(tally)
    }

    /// Compares what a PATCH request does under the strict dialect: the keyword of the error, or the resource
    /// afterwards and whether it changed; and the delta of members, if there is one.
    ///
    /// # Errors
    /// [`Difference`] where they differ, with as few operations as show it.
    pub fn compare_patch(&self, sample: &Sample, body: &Value) -> Result<PatchTally, Box<Difference>> {
        let result = self.compare_request(sample, body);
        let Err(mut difference) = result else { return result };
        let mut body = body.clone();
        let mut at = 0;
        while let Some(operations) = body.get("Operations").and_then(Value::as_array).cloned()
            && at < operations.len()
        {
            let mut fewer = operations;
            fewer.remove(at);
            let mut smaller = body.clone();
            if let Some(member) = smaller.get_mut("Operations") {
                *member = Value::Array(fewer);
            }
            match self.compare_request(sample, &smaller) {
                Err(other) => (difference, body) = (other, smaller),
                Ok(_) => at += 1,
            }
        }
        Err(difference)
    }

    fn compare_request(&self, sample: &Sample, body: &Value) -> Result<PatchTally, Box<Difference>> {
        let (Some(resource_type), Some(product_type)) =
            (self.types.get(sample.resource_type), self.product.get(sample.resource_type))
        else {
            return Ok(PatchTally::default());
        };
        let differ = |what, product: String, naive: String| {
            let (documents, resource) = (self.documents.clone(), Some(sample.json.clone()));
            Err(Box::new(Difference { what, documents, resource, input: body.to_string(), product, naive }))
        };
        let naive = naive::patch(body, resource_type, &sample.json);
        let dialect = Dialect::strict();
        let options = PatchOptions { inline_members: true, ..PatchOptions::new(&dialect) };
        let mut report = Report::default();
        let product = Plan::new(&body.clone().into(), product_type, &options, &mut report)
            .and_then(|plan| plan.apply(&sample.resource, &mut report));
        if sample.resource != to_product(&sample.json) {
            return differ("the given resource was changed", format!("{:?}", sample.resource), String::new());
        }
        let (outcome, patched) = match (product, naive) {
            (Ok(outcome), Ok(patched)) => (outcome, patched),
            (Err(product), Err(naive)) => {
                if !naive.keywords().contains(&keyword(product.kind())) {
                    return differ(
                        "the errors differ",
                        format!("{}: {product}", keyword(product.kind())),
                        naive.keywords().join(", "),
                    );
                }
                return Ok(PatchTally { refused: 1, ..PatchTally::default() });
            }
            (product, naive) => {
                let product =
                    product.map_or_else(|e| format!("{}: {e}", keyword(e.kind())), |o| json(&o).to_string());
                let naive = naive.map_or_else(|e| e.keywords().join(", "), |p| p.resource.to_string());
                return differ("one of them refuses the request", product, naive);
            }
        };
        let (after, expected) = (comparable(&json(&outcome)), comparable(&patched.resource));
        if after != expected {
            return differ("the resources differ", after.to_string(), expected.to_string());
        }
        // Changes are told without members.
        let told = !outcome.changes.is_empty();
        let members_changed = resource_type
            .members
            .as_ref()
            .is_some_and(|name| patched.resource.get(name) != sample.json.get(name));
        if outcome.changed != patched.changed || outcome.changed != (told || members_changed) {
            let product = format!("changed: {}, changes: {:?}", outcome.changed, outcome.changes);
            return differ("whether the resource changed", product, patched.changed.to_string());
        }
        if !outcome.changed && after != comparable(&sample.json) {
            return differ("unchanged, but not the same", after.to_string(), sample.json.to_string());
        }
        let mut tally = PatchTally {
            changed: u64::from(outcome.changed),
            unchanged: u64::from(!outcome.changed),
            ..PatchTally::default()
        };
        let Some(members) = &resource_type.members else { return Ok(tally) };

        // The same with the members kept apart.
        let apart = PatchOptions { inline_members: false, ..options };
        let plan = match Plan::new(&body.clone().into(), product_type, &apart, &mut report) {
            Ok(plan) => plan,
            Err(error) => {
                return differ("refused where members are kept apart", error.to_string(), String::new());
            }
        };
        let MembershipPlan::Delta(delta) = plan.membership() else { return Ok(tally) };
        tally.deltas = 1;
        let mut without = sample.resource.clone();
        without.attributes_mut().remove(members);
        let outcome = match plan.apply(&without, &mut report) {
            Ok(outcome) => outcome,
            Err(error) => {
                return differ("refused where there are no members", error.to_string(), String::new());
            }
        };
        let mut rest = patched.resource.clone();
        if let Some(rest) = rest.as_object_mut() {
            rest.remove(members);
        }
        let (after, expected) = (comparable(&json(&outcome)), comparable(&rest));
        if after != expected {
            return differ("the resources without members differ", after.to_string(), expected.to_string());
        }
        let mut ids = ids(sample.json.get(members));
        ids.retain(|id| !delta.clear && !delta.remove.contains(id));
        ids.extend(delta.add.iter().map(|member| member.id.clone()));
        ids.sort_unstable();
        ids.dedup();
        let mut expected = self::ids(patched.resource.get(members));
        expected.sort_unstable();
        expected.dedup();
        // A delta tells ids apart by letter case and takes them from URIs, too; a list does neither.
        let mut folded: Vec<String> = ids.iter().chain(&expected).map(|id| id.to_lowercase()).collect();
        folded.sort_unstable();
        folded.dedup();
        let by_uri = body.to_string().contains("$ref");
        if ids != expected && folded.len() >= ids.len() && !by_uri {
            return differ("the delta leaves other members", format!("{ids:?}"), format!("{expected:?}"));
        }
        Ok(tally)
    }
}

/// The ids of members; one that is given by its URI only has its id at the end of it.
fn ids(members: Option<&Value>) -> Vec<String> {
    let text = |member: &Value, name: &str| member.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = |member: &Value| {
        text(member, "value").or_else(|| Some(text(member, "$ref")?.rsplit('/').next()?.to_owned()))
    };
    members.and_then(Value::as_array).into_iter().flatten().filter_map(id).collect()
}

fn keyword(kind: PatchErrorKind) -> &'static str {
    kind.scim_type().unwrap_or("413")
}

fn json(outcome: &Outcome) -> Value {
    scim_schema::Value::Object(outcome.resource.attributes().clone()).into()
}

/// Without marks that say nothing, and without regard to the order of `schemas`.
fn comparable(resource: &Value) -> Value {
    let mut resource = naive::without_marks(resource);
    if let Some(Value::Array(urns)) = resource.get_mut("schemas") {
        urns.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    resource
}
