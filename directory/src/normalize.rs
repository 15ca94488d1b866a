//! From SCIM resources to users and groups in one format, whatever provider they come from.

use scim_schema::{ENTERPRISE_USER, Object, Resource, Value};

/// The object that a user is in events and answers.
const USER: &str = "directory_user";
/// The object that a group is.
const GROUP: &str = "directory_group";
/// The object that a user's membership in a group is.
const MEMBERSHIP: &str = "directory_membership";

/// Makes normalised users and groups of SCIM resources.
///
/// Each field is always there; `null` stands for unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Normalizer {
    /// Whether `raw_attributes` carries the SCIM resource. If not it is `null`. Default: yes.
    pub raw_attributes: bool,
}

impl Default for Normalizer {
    fn default() -> Self {
        Self { raw_attributes: true }
    }
}

/// A SCIM resource, and what is known of it beside its attributes.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct Subject<'a> {
    /// The resource, with `meta`.
    pub resource: &'a Resource,
    /// Its organization.
    pub organization_id: &'a str,
    /// Its directory.
    pub directory_id: &'a str,
    /// The version of the resource.
    pub version: u64,
    /// The sequence number of the last event about it.
    pub sequence: u64,
}

/// A group that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct GroupRef {
    /// Its name.
    pub name: Option<String>,
    /// Its id.
    pub id: String,
    /// The provider's own id of it.
    pub external_id: Option<String>,
}

/// How many members a group has, itself, not through groups in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "two counts")]
pub struct MemberCounts {
    /// All of them, groups included.
    pub members: u64,
    /// Those that are users.
    pub users: u64,
}

impl Normalizer {
    /// A user. `groups` are those that the user belongs to, directly and through others; they appear in
    /// order of name and id.
    pub fn user(&self, subject: &Subject<'_>, groups: &[GroupRef]) -> Object {
        let user = Attributes(subject.resource.attributes());
        let enterprise = user.child(ENTERPRISE_USER);
        let name = user.child("name");
        let phones = user.plural("phoneNumbers");
        let external_id = user.text("externalId").unwrap_or(subject.resource.id());

        let mut out = self.start(subject, USER, external_id);
        out.push("email", text(email(&user)));
        out.push("emails", values(&user.plural("emails")));
        out.push("name", full_name(&user, &name).map_or(Value::Null, Value::from));
        out.push("given_name", text(name.text("givenName")));
        out.push("family_name", text(name.text("familyName")));
        out.push("preferred_username", text(user.text("userName")));
        out.push("active", is_active(subject.resource));
        push_groups(&mut out, groups);
        out.push("roles", Vec::new());
        out.push("title", text(user.text("title")));
        out.push("department", text(enterprise.text("department")));
        out.push("division", text(enterprise.text("division")));
        out.push("cost_center", text(enterprise.text("costCenter")));
        out.push("employee_id", text(enterprise.text("employeeNumber")));
        out.push("organization", text(enterprise.text("organization")));
        out.push("manager", manager(&enterprise));
        out.push("phone_number", text(best(&phones)));
        out.push("phone_numbers", values(&phones));
        out.push("address", address(&user));
        out.push("picture", text(best_of(&user.plural("photos"), "photo")));
        out.push("nickname", text(user.text("nickName")));
        out.push("profile", text(user.text("profileUrl")));
        out.push("locale", text(user.text("locale")));
        out.push("language", text(user.text("preferredLanguage")));
        out.push("zoneinfo", text(user.text("timezone")));
        out.push("user_type", text(user.text("userType")));
        out.push("custom_attributes", Object::new());
        self.finish(out, subject)
    }

    /// A group.
    pub fn group(&self, subject: &Subject<'_>, counts: MemberCounts) -> Object {
        let group = Attributes(subject.resource.attributes());
        let external_id = group.text("externalId").unwrap_or(subject.resource.id());
        let name = group.text("displayName");

        let mut out = self.start(subject, GROUP, external_id);
        out.push("name", text(name));
        out.push("display_name", text(name));
        out.push("member_count", counts.members);
        out.push("total_users", counts.users);
        self.finish(out, subject)
    }

    fn start(&self, subject: &Subject<'_>, object: &str, external_id: &str) -> Object {
        let mut out = Object::with_capacity(42);
        out.push("id", subject.resource.id());
        out.push("object", object);
        out.push("organization_id", subject.organization_id);
        out.push("directory_id", subject.directory_id);
        out.push("external_id", external_id);
        out.push("dp_id", external_id);
        out
    }

    fn finish(&self, mut out: Object, subject: &Subject<'_>) -> Object {
        let raw = self.raw_attributes.then(|| Value::Object(subject.resource.attributes().clone()));
        let meta = Attributes(subject.resource.attributes()).child("meta");
        out.push("raw_attributes", raw.unwrap_or_default());
        out.push("created_at", text(meta.text("created")));
        out.push("updated_at", text(meta.text("lastModified")));
        out.push("version", subject.version);
        out.push("sequence", subject.sequence);
        out
    }
}

/// Whether a user is active: unless `active` says no, or the provider has suspended or archived the account.
pub(crate) fn is_active(resource: &Resource) -> bool {
    let flag = |name: &str| match resource.get(name) {
        Some(Value::Bool(b)) => Some(*b),
        Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => Some(true),
        Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    let is = |name: &str| flag(name) == Some(true);
    flag("active").unwrap_or(true) && !is("suspended") && !is("archived")
}

/// That a user is in a group, or was; `None` for one who is not there any more.
pub(crate) fn membership(group_id: &str, user_id: &str, group: Object, user: Option<Object>) -> Object {
    let mut out = Object::with_capacity(5);
    out.push("object", MEMBERSHIP);
    out.push("group_id", group_id);
    out.push("user_id", user_id);
    out.push("group", group);
    out.push("user", user.map_or(Value::Null, Value::Object));
    out
}

/// `groups`, `group_refs`.
pub(crate) fn push_groups(out: &mut Object, groups: &[GroupRef]) {
    let mut groups: Vec<&GroupRef> = groups.iter().collect();
    groups.sort();
    out.push("groups", group_names(&groups));
    out.push("group_refs", group_refs(&groups));
}

fn group_names(groups: &[&GroupRef]) -> Vec<Value> {
    groups.iter().filter_map(|g| g.name.as_deref()).map(Value::from).collect()
}

fn group_refs(groups: &[&GroupRef]) -> Vec<Value> {
    let reference = |group: &&GroupRef| {
        let mut out = Object::with_capacity(3);
        out.push("id", group.id.as_str());
        out.push("name", text(group.name.as_deref()));
        out.push("external_id", text(group.external_id.as_deref()));
        Value::Object(out)
    };
    groups.iter().map(reference).collect()
}

/// Attributes of a resource or of a complex value. Blank texts count as unknown.
#[derive(Clone, Copy)]
struct Attributes<'a>(&'a Object);

static NOTHING: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);

impl<'a> Attributes<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str).filter(|s| !s.trim().is_empty())
    }

    fn child(&self, name: &str) -> Attributes<'a> {
        Attributes(self.0.get(name).and_then(Value::as_object).unwrap_or(&NOTHING))
    }

    /// The complex values of a multi-valued attribute, the primary one first.
    fn plural(&self, name: &str) -> Vec<Attributes<'a>> {
        let elements = self.0.get(name).map(Value::elements).unwrap_or_default();
        let mut values: Vec<_> = elements.iter().filter_map(Value::as_object).map(Attributes).collect();
        values.sort_by_key(|v| !v.is_primary());
        values
    }

    fn is_primary(&self) -> bool {
        self.0.get("primary").and_then(Value::as_bool) == Some(true)
    }

    fn is_type(&self, name: &str) -> bool {
        self.text("type").is_some_and(|t| t.eq_ignore_ascii_case(name))
    }
}

/// The primary work address, else the primary one, a work one, the first one, a user name that is an address.
fn email<'a>(user: &Attributes<'a>) -> Option<&'a str> {
    let emails = user.plural("emails");
    best(&emails).or_else(|| user.text("userName").filter(|name| is_address(name)))
}

/// The value that stands for all: primary and work, else primary, else work, else the first.
fn best<'a>(values: &[Attributes<'a>]) -> Option<&'a str> {
    best_of(values, "work")
}

fn best_of<'a>(values: &[Attributes<'a>], preferred: &str) -> Option<&'a str> {
    let ranked = values.iter().filter_map(|v| v.text("value").map(|text| (rank(v, preferred), text)));
    // Of equal ones the first counts.
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, text)| text)
}

fn rank(value: &Attributes<'_>, preferred: &str) -> u8 {
    match (value.is_primary(), value.is_type(preferred)) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// The values of a multi-valued attribute, the one that stands for all first, each once.
fn values(attributes: &[Attributes<'_>]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(attributes.len());
    let texts = best(attributes).into_iter().chain(attributes.iter().filter_map(|a| a.text("value")));
    for value in texts.map(Value::from) {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !text.contains(char::is_whitespace)
    })
}

fn full_name(user: &Attributes<'_>, name: &Attributes<'_>) -> Option<String> {
    if let Some(name) = user.text("displayName").or_else(|| name.text("formatted")) {
        return Some(name.to_owned());
    }
    let parts: Vec<&str> = ["givenName", "familyName"].iter().filter_map(|part| name.text(part)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The manager: an id, a name, and an address where the id is one.
fn manager(enterprise: &Attributes<'_>) -> Value {
    let manager = enterprise.child("manager");
    let id = manager.text("value");
    let name = manager.text("displayName");
    if id.is_none() && name.is_none() {
        return Value::Null;
    }
    let mut out = Object::with_capacity(3);
    out.push("id", text(id));
    out.push("name", text(name));
    out.push("email", text(id.filter(|id| is_address(id))));
    Value::Object(out)
}

fn address(user: &Attributes<'_>) -> Value {
    let addresses = user.plural("addresses");
    let Some(address) = addresses.iter().min_by_key(|a| rank(a, "work")) else { return Value::Null };
    let mut out = Object::with_capacity(6);
    for (field, attribute) in [
        ("formatted", "formatted"),
        ("street_address", "streetAddress"),
        ("locality", "locality"),
        ("region", "region"),
        ("postal_code", "postalCode"),
        ("country", "country"),
    ] {
        out.push(field, text(address.text(attribute)));
    }
    Value::Object(out)
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}
