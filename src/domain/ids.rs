//! Ids. Each noun has a type of its own, so that a mailing's id cannot be passed for a subscriber's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id. Tell whoever typed it; lists show the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id such as 01a20685-0e12-7093-99c7-1f5e8b799224; the lists show them")]
pub struct NotAnId;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: version 7 of RFC 9562 §5.7, so that ids sort by the time they were made.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|_| NotAnId)
            }
        }
    };
}

uuid_id!(
    /// Names a [signup](super::signup).
    SignupId
);
uuid_id!(
    /// Names a [subscriber](super::subscriber).
    SubscriberId
);
uuid_id!(
    /// Names an [image](super::image).
    ImageId
);
uuid_id!(
    /// Names a [shared file](super::shared_file).
    SharedFileId
);
uuid_id!(
    /// Names an [update](super::update).
    UpdateId
);
uuid_id!(
    /// Names a [mailing](super::mailing).
    MailingId
);

uuid_id!(
    /// Names an [import](super::import::upload) through the staff pages.
    ImportId
);
uuid_id!(
    /// Names a [staff member](super::staff).
    StaffId
);
uuid_id!(
    /// Names a [recipient](super::test_recipient) of test mails.
    TestRecipientId
);
uuid_id!(
    /// Names a [template](super::update::template) of updates.
    TemplateId
);
uuid_id!(
    /// Names a [review link](super::update::review).
    ReviewLinkId
);
uuid_id!(
    /// Names a [remark](super::update::review) of a reviewer.
    RemarkId
);
uuid_id!(
    /// Names a [session](super::staff::session) towards its owner; opens nothing.
    SessionId
);

/// Names a [delivery](super::queue::delivery). Counts up inside the house and never leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct DeliveryId(pub i64);

/// Names a [batch](super::queue::batch) of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct BatchId(pub i64);

/// Names a [worker](super::queue::worker): one run of one process. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct WorkerId(pub i64);
