//! Directory sync as a domain: directories, normalised users and groups, events, deliveries.
