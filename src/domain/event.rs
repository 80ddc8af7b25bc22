//! Events: what happened and others may be told of, each written in the transaction that made it happen.
//!
//! An event holds ids and no address: whoever may know more looks it up by them. See `migrations/0030_events.sql` for how to
//! read them without missing one.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    ids::{
        DeliveryId, ImageId, ImportId, MailingId, SharedFileId, SignupId, StaffId, SubscriberId, TemplateId,
        TestRecipientId, UpdateId,
    },
};

/// How long they are kept. What reads them may be away for weeks; their ids outlive what they name by so much.
pub const KEPT: Duration = Duration::days(90);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// A draft came into being: an empty one, or one that was brought in from a file.
    UpdateCreated(UpdateId),
    /// Somebody began to change an update, and their first text is saved. Told once a sitting, as the audit log has it: the
    /// editor saves every few seconds. What it says now is read by the id.
    UpdateChanged(UpdateId),
    /// An earlier text of an update was brought back.
    UpdateRestored(UpdateId),
    /// A draft that was never sent was removed.
    UpdateDeleted(UpdateId),
    /// A template was made or changed.
    TemplateStored(TemplateId),
    /// A template was removed.
    TemplateRemoved(TemplateId),
    /// Items of the checklist of an update were ticked, or are open again.
    ChecklistTicked(UpdateId),
    /// A link was made to look at an update without a login.
    ReviewLinkMade(UpdateId),
    /// Such a link was ended.
    ReviewLinkRevoked(UpdateId),
    /// Somebody behind such a link left a remark.
    RemarkLeft(UpdateId),
    /// A remark was put aside.
    RemarkDone(UpdateId),
    /// Somebody was put on the list of those who get test mails.
    TestRecipientAdded(TestRecipientId),
    /// Somebody was taken off that list.
    TestRecipientRemoved(TestRecipientId),
    /// An image was uploaded.
    ImageAdded(ImageId),
    /// What an image shows, or who made it, was changed.
    ImageDescribed(ImageId),
    /// An image that nothing used was removed: by staff, or by retention.
    ImageRemoved(ImageId),
    /// A file for readers was uploaded.
    FileShared(SharedFileId),
    /// Such a file that nothing used was removed: by staff, or by retention.
    SharedFileRemoved(SharedFileId),
    /// A test mail of an update was queued.
    TestQueued(UpdateId),
    /// It was read from a mail that arrived what the relay's signature covers.
    SignatureSeen,
    /// A mailing was ordered: to begin at once, or at a time to come.
    MailingOrdered(MailingId, UpdateId),
    /// A mailing that had not begun was given another time.
    MailingRescheduled(MailingId),
    /// A mailing that had not begun was given a newer text.
    MailingTextReplaced(MailingId),
    /// A mailing was taken back before it began.
    MailingTakenBack(MailingId),
    /// A mailing was paused.
    MailingPaused(MailingId),
    /// A paused mailing goes on.
    MailingResumed(MailingId),
    /// A mailing began.
    MailingBegun(MailingId),
    /// Every copy of a mailing has ended.
    MailingDone(MailingId),
    /// A mailing was cancelled after it had begun.
    MailingCancelled(MailingId),
    /// Copies of a mailing that were rejected or unknown are sent again.
    MailingRetried(MailingId),
    /// Mailings that were held because the database may be an older one go on.
    RestoreReleased,
    /// The publication has a new version.
    PublicationChanged(i32),
    /// A signup was received. Written for every one alike, whatever is stored of its address (invariant 4).
    SignupReceived(SignupId),
    /// The owner of the address confirmed a signup.
    SignupConfirmed(SignupId, SubscriberId),
    /// The owner of the address declined a signup, or a change of address.
    SignupDeclined(SignupId),
    /// The mails of held signups go out.
    SignupsReleased,
    /// Held signups get no mail.
    SignupsDropped,
    /// Staff called off a signup, or a change of address, because its owner asked them to.
    SignupDiscarded(SignupId),
    /// Signups whose mail did not go out get another one.
    ConfirmationsSentAgain,
    /// Staff looked up what is stored of an address.
    AddressLookedUp,
    /// A consent was withdrawn: no update goes to this subscriber any more.
    SubscriberUnsubscribed(SubscriberId),
    /// Something came back about a mail: about which, if that is certain.
    BounceRecorded(Option<DeliveryId>),
    /// Staff said which mail something is about that came back.
    BounceAssigned(DeliveryId),
    /// Staff put aside what came back and is about nobody for certain.
    BouncesIgnored,
    /// Mail to a subscriber came back for good, or too often.
    SubscriberBounced(SubscriberId),
    /// A subscriber reported mail as spam.
    SubscriberComplained(SubscriberId),
    /// Mail goes to a subscriber again to whom it had come back.
    SubscriberReactivated(SubscriberId),
    /// An unsubscribe was taken back.
    SubscriberResubscribed(SubscriberId),
    /// A subscriber chose another language.
    SubscriberLanguageChanged(SubscriberId),
    /// A subscriber asked for another address. The signup is that of the new address.
    AddressChangeRequested(SignupId, SubscriberId),
    /// A subscriber called off the changes of address that waited.
    AddressChangeCancelled(SubscriberId),
    /// Updates to this subscriber go to another address, whose owner confirmed that. The consent for the old one ended.
    SubscriberAddressChanged(SignupId, SubscriberId),
    /// A link to everything that is stored was sent to a subscriber.
    AccessLinkRequested(SubscriberId),
    /// The proof of a consent was handed out.
    ProofTaken,
    /// The list of all subscribers was handed out.
    SubscribersExported,
    /// The report of a mailing was handed out.
    ReportTaken(MailingId),
    /// An import added subscribers: an uploaded list, or a file by command.
    SubscribersImported(Option<ImportId>),
    /// A list was uploaded.
    ImportUploaded(ImportId),
    /// The dry run of an uploaded list was begun.
    ImportCheckStarted(ImportId),
    /// An import was begun: of an uploaded list, or of a file by command.
    ImportStarted(Option<ImportId>),
    /// A list was read to its end; nothing was brought in yet.
    ImportChecked(ImportId),
    /// An import came to its end.
    ImportDone(ImportId),
    /// An import could not go on.
    ImportFailed(ImportId),
    /// Staff ended an import.
    ImportCancelled(ImportId),
    /// Somebody was added who may log in.
    MemberAdded(StaffId),
    /// A one-time link was made with which a member sets a password.
    MemberLinkMade(StaffId),
    /// A mail with a one-time link was queued for a member.
    MemberLinkOrdered(StaffId),
    /// A mail with a one-time link went out to a member, or is about to.
    MemberLinkMailed(StaffId),
    /// Somebody asked at the login for a mail with a one-time link. Written for every address alike, whoever logs in with it.
    PasswordLinkAsked,
    /// A member may do more, or less, than before.
    MemberRoleChanged(StaffId),
    /// A member may log in no more.
    MemberDisabled(StaffId),
    /// A member may log in again.
    MemberEnabled(StaffId),
    /// A member's second factor was turned off by somebody else.
    MemberSecondFactorReset(StaffId),
    /// A one-time link was made that makes the first admin.
    FirstAdminInvited,
    /// A member became the first admin.
    FirstAdmin(StaffId),
    /// A member's password is another one.
    MemberPasswordSet(StaffId),
    /// A member has another name.
    MemberRenamed(StaffId),
    /// A member ended sessions of their own.
    MemberSessionsEnded(StaffId),
    /// A member turned the second factor on.
    MemberSecondFactorOn(StaffId),
    /// A member turned the own second factor off.
    MemberSecondFactorOff(StaffId),
    /// A member has new recovery codes.
    MemberRecoveryCodesMade(StaffId),
    /// A member logged in, second factor and all.
    MemberLoggedIn(StaffId),
    /// A member logged out.
    MemberLoggedOut(StaffId),
    /// A member gave password and second factor once more.
    MemberReauthenticated(StaffId),
    /// A member's password was right, and the code was not.
    MemberCodeRefused(StaffId),
    /// A member used a recovery code in the place of a code.
    MemberRecoveryCodeUsed(StaffId),
    /// Wrong passwords have come so often that the next attempts for a member have to wait.
    MemberLoginHeld(StaffId),
}

/// What the event of an erasure is called. It is written by [`consent::record_erased`](super::consent::record_erased) beside
/// the record of the erasure, and names that: all that is left of the address is the keyed HMAC there.
pub(in crate::domain) const SUBSCRIBER_ERASED: &str = "subscriber_erased";

impl Event {
    /// Its name in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    pub(in crate::domain) fn ids(&self) -> Value {
        match self {
            Event::UpdateCreated(update)
            | Event::UpdateChanged(update)
            | Event::UpdateRestored(update)
            | Event::UpdateDeleted(update)
            | Event::ChecklistTicked(update)
            | Event::ReviewLinkMade(update)
            | Event::ReviewLinkRevoked(update)
            | Event::RemarkLeft(update)
            | Event::RemarkDone(update)
            | Event::TestQueued(update) => json!({ "update": update }),
            Event::TemplateStored(template) | Event::TemplateRemoved(template) => {
                json!({ "template": template })
            }
            Event::TestRecipientAdded(recipient) | Event::TestRecipientRemoved(recipient) => {
                json!({ "test_recipient": recipient })
            }
            Event::ImageAdded(image) | Event::ImageDescribed(image) | Event::ImageRemoved(image) => {
                json!({ "image": image })
            }
            Event::FileShared(file) | Event::SharedFileRemoved(file) => json!({ "shared_file": file }),
            Event::SignatureSeen
            | Event::RestoreReleased
            | Event::SignupsReleased
            | Event::SignupsDropped
            | Event::ConfirmationsSentAgain
            | Event::AddressLookedUp
            | Event::PasswordLinkAsked
            | Event::ProofTaken
            | Event::SubscribersExported
            | Event::FirstAdminInvited
            | Event::BounceRecorded(None)
            | Event::BouncesIgnored
            | Event::ImportStarted(None)
            | Event::SubscribersImported(None) => json!({}),
            Event::MailingOrdered(mailing, update) => json!({ "mailing": mailing, "update": update }),
            Event::MailingRescheduled(mailing)
            | Event::MailingTextReplaced(mailing)
            | Event::MailingTakenBack(mailing)
            | Event::MailingPaused(mailing)
            | Event::MailingResumed(mailing)
            | Event::MailingBegun(mailing)
            | Event::MailingDone(mailing)
            | Event::MailingCancelled(mailing)
            | Event::MailingRetried(mailing)
            | Event::ReportTaken(mailing) => json!({ "mailing": mailing }),
            Event::PublicationChanged(version) => json!({ "publication": version }),
            Event::SignupReceived(signup)
            | Event::SignupDeclined(signup)
            | Event::SignupDiscarded(signup) => json!({ "signup": signup }),
            Event::SignupConfirmed(signup, subscriber)
            | Event::AddressChangeRequested(signup, subscriber)
            | Event::SubscriberAddressChanged(signup, subscriber) => {
                json!({ "signup": signup, "subscriber": subscriber })
            }
            Event::BounceRecorded(Some(delivery)) | Event::BounceAssigned(delivery) => {
                json!({ "delivery": delivery })
            }
            Event::SubscriberUnsubscribed(subscriber)
            | Event::SubscriberBounced(subscriber)
            | Event::SubscriberComplained(subscriber)
            | Event::SubscriberReactivated(subscriber)
            | Event::SubscriberResubscribed(subscriber)
            | Event::SubscriberLanguageChanged(subscriber)
            | Event::AddressChangeCancelled(subscriber)
            | Event::AccessLinkRequested(subscriber) => json!({ "subscriber": subscriber }),
            Event::SubscribersImported(Some(import))
            | Event::ImportUploaded(import)
            | Event::ImportCheckStarted(import)
            | Event::ImportStarted(Some(import))
            | Event::ImportChecked(import)
            | Event::ImportDone(import)
            | Event::ImportFailed(import)
            | Event::ImportCancelled(import) => json!({ "import": import }),
            Event::MemberAdded(member)
            | Event::MemberLinkMade(member)
            | Event::MemberLinkOrdered(member)
            | Event::MemberLinkMailed(member)
            | Event::MemberRoleChanged(member)
            | Event::MemberDisabled(member)
            | Event::MemberEnabled(member)
            | Event::MemberSecondFactorReset(member)
            | Event::FirstAdmin(member)
            | Event::MemberPasswordSet(member)
            | Event::MemberRenamed(member)
            | Event::MemberSessionsEnded(member)
            | Event::MemberSecondFactorOn(member)
            | Event::MemberSecondFactorOff(member)
            | Event::MemberRecoveryCodesMade(member)
            | Event::MemberLoggedIn(member)
            | Event::MemberLoggedOut(member)
            | Event::MemberReauthenticated(member)
            | Event::MemberCodeRefused(member)
            | Event::MemberRecoveryCodeUsed(member)
            | Event::MemberLoginHeld(member) => json!({ "member": member }),
        }
    }
}

/// Writes an event down. To be called in the transaction that makes it happen.
pub async fn record(
    db: &mut PgConnection,
    by: &Actor,
    event: &Event,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into events (at, kind, actor, ids) values ($1, $2, $3, $4)",
        now,
        event.kind(),
        by.kind(),
        event.ids()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes events whose time is over, a thousand at most; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let removed = sqlx::query_scalar!("select forget_events($1)", now - KEPT).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}
