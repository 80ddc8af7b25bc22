//! What a request brings along to prove whose it is, and what it comes to.

use crate::app::{
    off_runtime::Busy,
    take_bounce::{TakeError, Taken},
};

/// What the head of a request brings along to prove whose it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Twilio-Email-Event-Webhook-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Twilio-Email-Event-Webhook-Timestamp`.
    pub timestamp: Option<&'a str>,
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// These events; those that say nothing of a mail that came back are not among them.
    Events(Vec<Taken>),
    /// Amazon asks whether it may bring the messages of this topic. Whoever opens the address says yes.
    Asks {
        /// Our topic.
        topic: String,
        /// Where to say yes.
        confirm_at: String,
    },
    /// Amazon brings no more messages of this topic.
    Ended {
        /// Our topic.
        topic: String,
    },
}

/// Why nothing was taken, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The provider is not configured.
    #[error("no such provider is set in BOUNCE_HOOKS")]
    Unknown,
    /// It is not certain that the provider has sent this.
    #[error("{0}")]
    NotTheirs(&'static str),
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Amazon's certificate cannot be fetched; bring it again.
    #[error("the certificate that signs this cannot be fetched; bring it again")]
    NoCertificate,
    /// Too much is being read; bring it again.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// One of its events was not taken; bring all of them again, those that were taken change nothing.
    #[error(transparent)]
    NotTaken(#[from] TakeError),
}
