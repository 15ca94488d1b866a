//! The product compared with the [naive interpreter](crate::naive), on what a generator makes up.
//!
//! One generator serves tests, the program `scim-differential` and fuzzing: everything it makes up is drawn
//! from an [`Entropy`], which is a seed or a fuzzer's bytes.
//!
//! ```
//! use scim_conformance::differential::{Entropy, compare_filter, compare_patch};
//!
//! compare_filter(&mut Entropy::seeded(7))?;
//! compare_patch(&mut Entropy::bytes(b"whatever a fuzzer comes up with"))?;
//! # Ok::<(), Box<scim_conformance::differential::Difference>>(())
//! ```

mod compare;
mod entropy;
mod filters;
mod requests;
mod stores;
mod values;
mod world;

pub use compare::{Difference, FilterTally, PatchTally};
pub use entropy::Entropy;
pub use stores::{DataSet, Question, StoreDifference};
pub use world::{Form, Sample, World};

/// Makes up schemas, some resources and a filter, and compares what the product and the naive interpreter
/// make of it.
///
/// # Errors
/// [`Difference`] where they differ.
pub fn compare_filter(entropy: &mut Entropy<'_>) -> Result<FilterTally, Box<Difference>> {
    let world = World::generate(entropy, Form::Raw, 6);
    let text = world.filter(entropy);
    world.compare_filter(&text, entropy.chance(50))
}

/// Makes up schemas, a resource and a PATCH request, and compares what the product and the naive interpreter
/// make of it.
///
/// # Errors
/// [`Difference`] where they differ.
pub fn compare_patch(entropy: &mut Entropy<'_>) -> Result<PatchTally, Box<Difference>> {
    let world = World::generate(entropy, Form::Stored, 3);
    let Some(sample) = entropy.choose(world.samples()) else { return Ok(PatchTally::default()) };
    let body = world.request(entropy, sample);
    world.compare_patch(sample, &body)
}
