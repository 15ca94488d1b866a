//! The product against the naive interpreter of `conformance/`.

use scim_conformance::differential::{self, Entropy};

/// A filter means what the naive interpreter makes of it. The input decides the schemas, the resources and the filter.
pub fn filter_naive(data: &[u8]) {
    if let Err(difference) = differential::compare_filter(&mut Entropy::bytes(data)) {
        panic!("{difference}");
    }
}

/// A PATCH does what the naive interpreter does. The input decides the schemas, the resource and the request.
pub fn patch_naive(data: &[u8]) {
    if let Err(difference) = differential::compare_patch(&mut Entropy::bytes(data)) {
        panic!("{difference}");
    }
}
