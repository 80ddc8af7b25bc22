//! How mail comes in: what mail servers report about mails of ours.
//!
//! | file | holds |
//! |---|---|
//! | [`listener`] | the port that the operator's mail server delivers reports to (`BOUNCE_LISTEN`) |
//! | `session` | the dialogue with it: LMTP or SMTP |

pub mod listener;
mod session;
