//! How mail leaves: workers claim deliveries, senders transmit them, a recorder commits what became of them.
//!
//! ```text
//!             ┌───────────────────────── worker ──────────────────────────┐
//! deliveries ─┼─ claim ─▶ hand ─▶ sender (one connection) ─▶ relay        │
//!             │                     │        ▲                            │
//!             │              mark, outcome   │ granted                    │
//! deliveries ◀┼────────────────── recorder ──┘  (many senders, one commit)│
//!             └───────────────────────────────────────────────────────────┘
//! ```
//!
//! Why nothing is lost or sent twice: a delivery is marked `transmitting`, and that is committed, before its
//! message goes out; its outcome is committed before the same connection takes another. Whatever is killed in
//! between leaves a `pending` row in a batch that nobody has any more, which is safe to try again, or a `transmitting`
//! one, which becomes `unknown` and is not tried again by itself.

mod circuit_breaker;
mod claim_buffer;
mod claimer;
mod connection_limit;
mod maintenance;
mod messages;
mod metrics;
mod recorder;
mod retry;
mod sender;
mod smtp;
mod spans;
mod throttle;
mod worker;

pub use metrics::SendingMetrics;
pub use smtp::LONGEST_REPLY;
pub use worker::{Settings, Worker};
