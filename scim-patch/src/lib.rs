//! SCIM 2.0 PATCH: body, plan, new resource and delta (RFC 7644 section 3.5.2).

mod diff;
mod member;

pub use diff::AttributeChange;
pub use member::{Member, MemberDelta};
