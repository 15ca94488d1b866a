//! Standard Webhooks: signing, verifying, one delivery attempt.
