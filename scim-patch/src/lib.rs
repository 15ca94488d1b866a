#![doc = include_str!("../README.md")]

mod apply;
mod body;
mod compare;
mod diff;
mod error;
mod member;
mod plan;
mod step;

pub use apply::Outcome;
pub use body::PATCH_OP;
pub use diff::{AttributeChange, diff};
pub use error::{PatchError, PatchErrorKind};
pub use member::{Member, MemberDelta};
pub use plan::{MembershipPlan, PatchOptions, Plan};
