//! What the log says of what was taken in, whichever way it came.

use crate::app::take_bounce::Taken;

/// Tells of a message that was taken in.
pub fn tell(taken: Taken) {
    tracing::info!(
        kind = taken.kind.name(),
        is_recognised = taken.is_recognised,
        is_known = taken.is_known,
        consequence = ?taken.consequence,
        "something came back"
    );
}

/// Tells that one was put off.
pub fn tell_full() {
    tracing::warn!(
        "too many reports wait that are about nobody for certain; see: rundbrief bounces list --kind unrecognised"
    );
}
