//! Who does something.

use serde::{Deserialize, Serialize};

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
        /// What they may do, as of then.
        role: Role,
    },
    /// Whoever runs commands on the server.
    Command,
    /// The service by itself: what is due, what a retention period ends.
    Service,
}

/// What a member may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    sqlx::Type,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[sqlx(type_name = "staff_role", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Writes, tests and sends.
    Editor,
    /// The same, and people, publication, subscribers, keys and the audit log.
    Admin,
}

impl Role {
    /// The word for it in forms and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Somebody asked for what they may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// They are no staff member.
    #[error("only staff may do this")]
    Staff,
    /// They are no admin.
    #[error("only admins may do this")]
    Admin,
}

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
    /// [`NotPermitted`].
    pub fn require_staff(&self) -> Result<(), NotPermitted> {
        if self.is_staff() { Ok(()) } else { Err(NotPermitted::Staff) }
    }

    /// Refuses everybody but admins, and those who may do all that admins may.
    ///
    /// # Errors
    /// [`NotPermitted`].
    pub fn require_admin(&self) -> Result<(), NotPermitted> {
        match self {
            Actor::Member { role: Role::Admin, .. } | Actor::Command => Ok(()),
            Actor::Member { .. } => Err(NotPermitted::Admin),
            _ => Err(NotPermitted::Staff),
        }
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
