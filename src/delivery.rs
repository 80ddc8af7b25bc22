//! How mail leaves: a worker claims deliveries, its senders transmit them, its recorder commits the outcomes.
//!
//! ```text
//!             ┌────────────────────────── worker ───────────────────────────┐
//! deliveries ─┼─ claimer ─▶ claim buffer ─▶ sender (one session) ─▶ relay   │
//!             │                               │        ▲                    │
//!             │                        mark, outcome   │ granted            │
//! deliveries ◀┼──────────────────────────── recorder ──┘  (group commit)    │
//!             │  maintenance: fan-out, transitions, recovery                │
//!             └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! A sender goes through the circuit breaker, the connection limit and the throttle before it transmits.
//!
//! Why nothing is lost or sent twice: a delivery is marked `transmitting`, and that is committed, before its
//! message goes out; its outcome is committed before the same connection takes another. Whatever is killed in
//! between leaves a `pending` row in a batch whose lease has run out, which is safe to try again, or a `transmitting`
//! one, which becomes `unknown` and is not tried again by itself.

mod circuit_breaker;
mod claim_buffer;
mod claimer;
mod connection_limit;
mod maintenance;
mod message_builder;
mod metrics;
mod recorder;
mod retry;
mod sender;
mod shared;
mod signing;
mod smtp;
mod spans;
mod throttle;
mod worker;

pub use metrics::SendingMetrics;
pub use smtp::LONGEST_REPLY;
pub use worker::{Settings, Worker};
