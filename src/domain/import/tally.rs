//! Counting what became of lines.

use serde::Serialize;

use crate::domain::subscriber::SubscriberState;

use super::Imported;

/// How many lines came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// New subscribers.
    pub added: u64,
    /// Subscribed already.
    pub known: u64,
    /// Had left, and stay away.
    pub left: u64,
    /// Must not be mailed.
    pub suppressed: u64,
    /// Lines that cannot come in.
    pub bad: u64,
    /// Kept as having left, as the list says.
    #[serde(skip_serializing_if = "is_none")]
    pub listed_unsubscribed: u64,
    /// Kept as bounced, as the list says.
    #[serde(skip_serializing_if = "is_none")]
    pub listed_bounced: u64,
    /// Kept as having complained, as the list says.
    #[serde(skip_serializing_if = "is_none")]
    pub listed_complained: u64,
    /// Left out, because they left, bounced or complained as the list says, and that was chosen.
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: u64,
    /// Left out, because they never confirmed.
    #[serde(skip_serializing_if = "is_none")]
    pub never_confirmed: u64,
    /// Active here, although the list says that they left, bounced or complained. They stay as they are.
    #[serde(skip_serializing_if = "is_none")]
    pub active_here: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Tally {
    /// Counts a line.
    pub fn count(&mut self, outcome: Imported) {
        *match outcome {
            Imported::Added => &mut self.added,
            Imported::AddedAs(SubscriberState::Bounced) => &mut self.listed_bounced,
            Imported::AddedAs(SubscriberState::Complained) => &mut self.listed_complained,
            Imported::AddedAs(_) => &mut self.listed_unsubscribed,
            Imported::LeftOut => &mut self.left_out,
            Imported::Known => &mut self.known,
            Imported::ActiveHere => &mut self.active_here,
            Imported::Left => &mut self.left,
            Imported::Suppressed => &mut self.suppressed,
        } += 1;
    }
}
