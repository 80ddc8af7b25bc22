//! Spans of sending: of a run of a worker, of work on a mailing, of one attempt to transmit one message. Log lines within
//! them carry their fields.
//!
//! They are of the highest level, whatever the level of the log is: a line about an error has them too.

use tracing::{Span, field::display};

use crate::domain::{
    ids::{MailingId, WorkerId},
    queue::transmission::Claimed,
};

/// Of a run of a worker.
pub fn worker(id: WorkerId) -> Span {
    tracing::error_span!("worker", worker = id.0)
}

/// Of work on a mailing, within the worker's.
pub fn mailing(id: MailingId) -> Span {
    tracing::error_span!("mailing", mailing = %id)
}

/// Of the next attempt at a delivery.
pub fn attempt(worker: &Span, job: &Claimed) -> Span {
    let (kind, attempt) = (job.kind.name(), job.attempts + 1);
    let mailing = job.mailing.map(display);
    tracing::error_span!(parent: worker, "delivery", delivery = job.id.0, kind, attempt, mailing)
}
