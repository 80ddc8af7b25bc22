//! SMTP to the relay, which takes our mail and passes it on (RFC 5321).
//!
//! ```text
//! session ─▶ open ─▶ ehlo, auth ─▶ conversation ─▶ stream
//!     └────────┴────────▶ reply ─▶ problem
//! ```

mod auth;
mod conversation;
mod ehlo;
mod open;
pub mod problem;
pub mod reply;
mod reports;
pub mod session;
mod stream;

pub use conversation::LONGEST_REPLY;
