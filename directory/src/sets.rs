//! Security event tokens (RFC 9967): a further reader of what changed, beside webhooks.
//!
//! The relay records a SET for each stream that wants it in the transaction of its event. The transmitter
//! pushes them, and receivers poll for them; what is acknowledged is deleted.

mod outbox;
mod poll;
mod queue;
mod transmitter;

pub(crate) use outbox::Outbox;
pub use transmitter::SetTransmitter;
