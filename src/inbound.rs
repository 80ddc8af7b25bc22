//! How mail comes in: what mail servers report about mails of ours.
//!
//! | file | holds |
//! |---|---|
//! | [`listener`] | the port that the operator's mail server delivers reports to (`BOUNCE_LISTEN`) |
//! | `session` | the dialogue with it: LMTP or SMTP |
//! | [`mailbox`] | the mailbox that reports arrive in (`BOUNCE_MAILBOX`), over IMAP |

pub mod listener;
pub mod mailbox;
mod session;

/// Bytes that are held of a message: as many as are looked at.
const MOST_HELD: usize = 256 * 1024;
