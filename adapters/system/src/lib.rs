//! The clock and the id source of the machine, for scim-core.
