//! scim-core as an actix-web scope.
