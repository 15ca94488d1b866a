//! SCIM spec cases, provider simulators and an HTTP test-set.
