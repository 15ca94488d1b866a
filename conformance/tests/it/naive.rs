//! The naive interpreter: the cases of the suite, and the product compared with it.

mod cases;
mod differential;
