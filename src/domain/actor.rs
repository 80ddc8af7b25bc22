//! Who does something.

use crate::domain::ids::{StaffId, SubscriberId};

/// Who does something, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody on the public pages. Behind a link from a confirmation mail: whoever holds it.
    Visitor,
    /// Whoever holds a link of this subscriber: from an update, or one that was made from there.
    Subscriber(SubscriberId),
    /// A staff member, on the staff pages.
    Member {
        id: StaffId,
        /// Their address, as it was then.
        email: String,
    },
    /// Whoever runs commands on the server.
    Command,
    /// The service by itself: what is due, what a retention period ends.
    Service,
}

/// Somebody else asked for what only staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only staff may do this")]
pub struct NotStaff;

impl Actor {
    /// What the audit log shows of a command in the place of an address.
    pub const COMMAND: &'static str = "command";
    /// What it shows of what the service does by itself.
    pub const SERVICE: &'static str = "service";

    /// What kind of actor, in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Actor::Visitor => "visitor",
            Actor::Subscriber(_) => "subscriber",
            Actor::Member { .. } => "member",
            Actor::Command => Self::COMMAND,
            Actor::Service => Self::SERVICE,
        }
    }

    /// Whether it is staff, or somebody who may do all that staff may.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        matches!(self, Actor::Member { .. } | Actor::Command)
    }

    /// Refuses everybody but staff, and those who may do all that staff may.
    ///
    /// # Errors
    /// [`NotStaff`].
    pub fn require_staff(&self) -> Result<(), NotStaff> {
        if self.is_staff() { Ok(()) } else { Err(NotStaff) }
    }

    /// Whether it may act for this subscriber: staff, and whoever holds a link of theirs.
    #[must_use]
    pub fn may_act_for(&self, id: SubscriberId) -> bool {
        self.is_staff() || *self == Actor::Subscriber(id)
    }

    /// The staff member, if it is one.
    #[must_use]
    pub fn member(&self) -> Option<StaffId> {
        match self {
            Actor::Member { id, .. } => Some(*id),
            _ => None,
        }
    }
}
