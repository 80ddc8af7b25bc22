//! The names that tables, JSON, forms, flags, texts and metrics know things by. What was stored once is read for years: a
//! name here never becomes another one.

use std::fmt::Debug;

use rundbrief::{
    domain::{
        consent::ConsentKind,
        event::Event,
        ids::{
            DeliveryId, ImageId, ImportId, MailingId, SharedFileId, SignupId, StaffId, SubscriberId,
            TemplateId, TestRecipientId, UpdateId,
        },
        import::{
            encoding::Encoding,
            plan::Separator,
            presets::Preset,
            states::{Listed, Means},
            upload::ImportState,
        },
        leave_reason::LeaveReason,
        mailing::{MailingState, PauseKind},
        queue::delivery::{DeliveryKind, DeliveryState},
        restore,
        signature_seen::SignatureVerdict,
        signup::held,
        staff::{Role, audit::Action, notice::Notice},
        subscriber::SubscriberState,
    },
    mail::{preflight::finding::Code, templates::MailKind},
};
use serde::Serialize;
use uuid::Uuid;

/// Every one has the name that it is stored by.
fn named<T: Copy + Debug>(stored: &[(T, &str)], name: fn(T) -> &'static str) {
    for (one, text) in stored {
        assert_eq!(name(*one), *text, "{one:?}");
    }
}

/// Likewise in JSON, but for those with another name there.
fn in_json<T: Serialize + Debug>(stored: &[(T, &str)], others: &[(&str, &str)]) {
    for (one, text) in stored {
        let text = others.iter().find(|(name, _)| name == text).map_or(*text, |(_, json)| *json);
        assert_eq!(serde_json::to_value(one).unwrap(), text, "{one:?}");
    }
}

/// The list of all there are has every one, in this order.
fn listed<T: Copy + Debug + PartialEq>(stored: &[(T, &str)], all: &[T]) {
    assert_eq!(stored.iter().map(|(one, _)| *one).collect::<Vec<_>>(), all);
}

/// Every one is found by its name, and nothing by another.
fn found<T: Copy + Debug + PartialEq>(stored: &[(T, &str)], by_name: fn(&str) -> Option<T>) {
    for (one, text) in stored {
        assert_eq!(by_name(text), Some(*one));
        assert_eq!(by_name(&text.to_uppercase()), None);
    }
    assert_eq!(by_name(""), None);
}

#[test]
fn names_of_consent_kind() {
    let stored = [
        (ConsentKind::Requested, "requested"),
        (ConsentKind::MailAccepted, "mail_accepted"),
        (ConsentKind::LinkOpened, "link_opened"),
        (ConsentKind::Confirmed, "confirmed"),
        (ConsentKind::Declined, "declined"),
        (ConsentKind::Superseded, "superseded"),
        (ConsentKind::Cancelled, "cancelled"),
        (ConsentKind::Lapsed, "lapsed"),
        (ConsentKind::ToldSubscribed, "told_subscribed"),
        (ConsentKind::Withdrawn, "withdrawn"),
        (ConsentKind::Erased, "erased"),
        (ConsentKind::ListedUnsubscribed, "listed_unsubscribed"),
        (ConsentKind::ListedBounced, "listed_bounced"),
        (ConsentKind::ListedComplained, "listed_complained"),
    ];
    named(&stored, ConsentKind::name);
    in_json(&stored, &[]);
}

#[test]
fn names_of_events() {
    let id = Uuid::nil();
    let stored = [
        (Event::UpdateCreated(UpdateId(id)), "update_created"),
        (Event::UpdateChanged(UpdateId(id)), "update_changed"),
        (Event::UpdateRestored(UpdateId(id)), "update_restored"),
        (Event::UpdateDeleted(UpdateId(id)), "update_deleted"),
        (Event::TemplateStored(TemplateId(id)), "template_stored"),
        (Event::TemplateRemoved(TemplateId(id)), "template_removed"),
        (Event::ChecklistTicked(UpdateId(id)), "checklist_ticked"),
        (Event::ReviewLinkMade(UpdateId(id)), "review_link_made"),
        (Event::ReviewLinkRevoked(UpdateId(id)), "review_link_revoked"),
        (Event::RemarkLeft(UpdateId(id)), "remark_left"),
        (Event::RemarkDone(UpdateId(id)), "remark_done"),
        (Event::TestRecipientAdded(TestRecipientId(id)), "test_recipient_added"),
        (Event::TestRecipientRemoved(TestRecipientId(id)), "test_recipient_removed"),
        (Event::ImageAdded(ImageId(id)), "image_added"),
        (Event::ImageDescribed(ImageId(id)), "image_described"),
        (Event::ImageRemoved(ImageId(id)), "image_removed"),
        (Event::FileShared(SharedFileId(id)), "file_shared"),
        (Event::SharedFileRemoved(SharedFileId(id)), "shared_file_removed"),
        (Event::TestQueued(UpdateId(id)), "test_queued"),
        (Event::SignatureSeen, "signature_seen"),
        (Event::MailingOrdered(MailingId(id), UpdateId(id)), "mailing_ordered"),
        (Event::MailingRescheduled(MailingId(id)), "mailing_rescheduled"),
        (Event::MailingTextReplaced(MailingId(id)), "mailing_text_replaced"),
        (Event::MailingTakenBack(MailingId(id)), "mailing_taken_back"),
        (Event::MailingPaused(MailingId(id)), "mailing_paused"),
        (Event::MailingResumed(MailingId(id)), "mailing_resumed"),
        (Event::MailingBegun(MailingId(id)), "mailing_begun"),
        (Event::MailingDone(MailingId(id)), "mailing_done"),
        (Event::MailingCancelled(MailingId(id)), "mailing_cancelled"),
        (Event::MailingRetried(MailingId(id)), "mailing_retried"),
        (Event::RestoreReleased, "restore_released"),
        (Event::PublicationChanged(1), "publication_changed"),
        (Event::SignupReceived(SignupId(id)), "signup_received"),
        (Event::SignupConfirmed(SignupId(id), SubscriberId(id)), "signup_confirmed"),
        (Event::SignupDeclined(SignupId(id)), "signup_declined"),
        (Event::SignupsReleased, "signups_released"),
        (Event::SignupsDropped, "signups_dropped"),
        (Event::SignupDiscarded(SignupId(id)), "signup_discarded"),
        (Event::AddressLookedUp, "address_looked_up"),
        (Event::ConfirmationsSentAgain, "confirmations_sent_again"),
        (Event::SubscriberUnsubscribed(SubscriberId(id)), "subscriber_unsubscribed"),
        (Event::BounceRecorded(None), "bounce_recorded"),
        (Event::BounceAssigned(DeliveryId(1)), "bounce_assigned"),
        (Event::BouncesIgnored, "bounces_ignored"),
        (Event::SubscriberBounced(SubscriberId(id)), "subscriber_bounced"),
        (Event::SubscriberComplained(SubscriberId(id)), "subscriber_complained"),
        (Event::SubscriberReactivated(SubscriberId(id)), "subscriber_reactivated"),
        (Event::SubscriberResubscribed(SubscriberId(id)), "subscriber_resubscribed"),
        (Event::SubscriberLanguageChanged(SubscriberId(id)), "subscriber_language_changed"),
        (Event::AddressChangeRequested(SignupId(id), SubscriberId(id)), "address_change_requested"),
        (Event::AddressChangeCancelled(SubscriberId(id)), "address_change_cancelled"),
        (Event::SubscriberAddressChanged(SignupId(id), SubscriberId(id)), "subscriber_address_changed"),
        (Event::AccessLinkRequested(SubscriberId(id)), "access_link_requested"),
        (Event::ProofTaken, "proof_taken"),
        (Event::SubscribersExported, "subscribers_exported"),
        (Event::ReportTaken(MailingId(id)), "report_taken"),
        (Event::SubscribersImported(None), "subscribers_imported"),
        (Event::ImportUploaded(ImportId(id)), "import_uploaded"),
        (Event::ImportCheckStarted(ImportId(id)), "import_check_started"),
        (Event::ImportStarted(None), "import_started"),
        (Event::ImportChecked(ImportId(id)), "import_checked"),
        (Event::ImportDone(ImportId(id)), "import_done"),
        (Event::ImportFailed(ImportId(id)), "import_failed"),
        (Event::ImportCancelled(ImportId(id)), "import_cancelled"),
        (Event::MemberAdded(StaffId(id)), "member_added"),
        (Event::MemberLinkMade(StaffId(id)), "member_link_made"),
        (Event::MemberLinkOrdered(StaffId(id)), "member_link_ordered"),
        (Event::MemberLinkMailed(StaffId(id)), "member_link_mailed"),
        (Event::PasswordLinkAsked, "password_link_asked"),
        (Event::MemberRoleChanged(StaffId(id)), "member_role_changed"),
        (Event::MemberDisabled(StaffId(id)), "member_disabled"),
        (Event::MemberEnabled(StaffId(id)), "member_enabled"),
        (Event::MemberSecondFactorReset(StaffId(id)), "member_second_factor_reset"),
        (Event::FirstAdminInvited, "first_admin_invited"),
        (Event::FirstAdmin(StaffId(id)), "first_admin"),
        (Event::MemberPasswordSet(StaffId(id)), "member_password_set"),
        (Event::MemberRenamed(StaffId(id)), "member_renamed"),
        (Event::MemberSessionsEnded(StaffId(id)), "member_sessions_ended"),
        (Event::MemberSecondFactorOn(StaffId(id)), "member_second_factor_on"),
        (Event::MemberSecondFactorOff(StaffId(id)), "member_second_factor_off"),
        (Event::MemberRecoveryCodesMade(StaffId(id)), "member_recovery_codes_made"),
        (Event::MemberLoggedIn(StaffId(id)), "member_logged_in"),
        (Event::MemberLoggedOut(StaffId(id)), "member_logged_out"),
        (Event::MemberReauthenticated(StaffId(id)), "member_reauthenticated"),
        (Event::MemberCodeRefused(StaffId(id)), "member_code_refused"),
        (Event::MemberRecoveryCodeUsed(StaffId(id)), "member_recovery_code_used"),
        (Event::MemberLoginHeld(StaffId(id)), "member_login_held"),
    ];
    for (event, text) in stored {
        assert_eq!(event.kind(), text);
    }
}

#[test]
fn names_of_encoding() {
    let stored = [(Encoding::Utf8, "utf8"), (Encoding::Windows1252, "windows1252")];
    named(&stored, Encoding::name);
    in_json(&stored, &[]);
    listed(&stored, &Encoding::ALL);
}

#[test]
fn names_of_separator() {
    let stored = [(Separator::Comma, "comma"), (Separator::Semicolon, "semicolon"), (Separator::Tab, "tab")];
    named(&stored, Separator::name);
    in_json(&stored, &[]);
    listed(&stored, &Separator::ALL);
    found(&stored, Separator::from_name);
}

#[test]
fn names_of_preset() {
    let stored = [
        (Preset::Rundbrief, "rundbrief"),
        (Preset::Mailchimp, "mailchimp"),
        (Preset::Brevo, "brevo"),
        (Preset::CleverReach, "cleverreach"),
        (Preset::Rapidmail, "rapidmail"),
        (Preset::Listmonk, "listmonk"),
        (Preset::Keila, "keila"),
        (Preset::Ghost, "ghost"),
        (Preset::PhpList, "phplist"),
        (Preset::Sendy, "sendy"),
    ];
    named(&stored, Preset::name);
    in_json(&stored, &[("cleverreach", "clever_reach"), ("phplist", "php_list")]);
    listed(&stored, &Preset::ALL);
    found(&stored, Preset::from_name);
}

#[test]
fn names_of_listed() {
    let stored = [
        (Listed::Active, "subscribed"),
        (Listed::NeverConfirmed, "never_confirmed"),
        (Listed::Left, "left"),
        (Listed::Bounced, "bounced"),
        (Listed::Complained, "complained"),
    ];
    named(&stored, Listed::name);
    in_json(&stored, &[("subscribed", "active")]);
}

#[test]
fn names_of_import_states() {
    let stored = [
        (ImportState::Uploading, "uploading"),
        (ImportState::Uploaded, "uploaded"),
        (ImportState::Checking, "checking"),
        (ImportState::Checked, "checked"),
        (ImportState::Importing, "importing"),
        (ImportState::Done, "done"),
        (ImportState::Failed, "failed"),
        (ImportState::Cancelled, "cancelled"),
    ];
    named(&stored, ImportState::name);
    in_json(&stored, &[]);
}

#[test]
fn names_of_means() {
    let stored = [
        (Means::Words, "words"),
        (Means::Subscribed, "subscribed"),
        (Means::Confirmed, "confirmed"),
        (Means::Left, "left"),
        (Means::Bounced, "bounced"),
        (Means::Complained, "complained"),
        (Means::Remarks, "remarks"),
    ];
    named(&stored, Means::name);
    in_json(&stored, &[]);
    listed(&stored, &Means::ALL);
    found(&stored, Means::from_name);
}

#[test]
fn names_of_leave_reason() {
    let stored = [
        (LeaveReason::TooOften, "too_often"),
        (LeaveReason::NotInteresting, "not_interesting"),
        (LeaveReason::Elsewhere, "elsewhere"),
        (LeaveReason::NotAskedFor, "not_asked_for"),
        (LeaveReason::Other, "other"),
    ];
    named(&stored, LeaveReason::name);
    in_json(&stored, &[]);
    listed(&stored, &LeaveReason::ALL);
    found(&stored, LeaveReason::from_name);
}

#[test]
fn names_of_mailing_state() {
    let stored = [
        (MailingState::Scheduled, "scheduled"),
        (MailingState::Preparing, "preparing"),
        (MailingState::Sending, "sending"),
        (MailingState::Paused, "paused"),
        (MailingState::Done, "done"),
        (MailingState::Cancelled, "cancelled"),
    ];
    named(&stored, MailingState::name);
    in_json(&stored, &[]);
}

#[test]
fn names_of_pause_kind() {
    let stored = [
        (PauseKind::Staff, "staff"),
        (PauseKind::Login, "login"),
        (PauseKind::Sender, "sender"),
        (PauseKind::Policy, "policy"),
        (PauseKind::Unreachable, "unreachable"),
        (PauseKind::Overdue, "overdue"),
    ];
    named(&stored, PauseKind::name);
    in_json(&stored, &[]);
    listed(&stored, &PauseKind::ALL);
}

#[test]
fn names_of_delivery_kind() {
    let stored = [
        (DeliveryKind::Mailing, "mailing"),
        (DeliveryKind::Confirmation, "confirmation"),
        (DeliveryKind::Welcome, "welcome"),
        (DeliveryKind::Access, "access"),
        (DeliveryKind::AddressNotice, "address_notice"),
        (DeliveryKind::Test, "test"),
        (DeliveryKind::Invitation, "invitation"),
        (DeliveryKind::NewPassword, "new_password"),
    ];
    named(&stored, DeliveryKind::name);
    in_json(&stored, &[]);
    listed(&stored, &DeliveryKind::ALL);
}

#[test]
fn names_of_delivery_state() {
    let stored = [
        (DeliveryState::Pending, "pending"),
        (DeliveryState::Accepted, "accepted"),
        (DeliveryState::Rejected, "rejected"),
        (DeliveryState::Unknown, "unknown"),
        (DeliveryState::Skipped, "skipped"),
    ];
    named(&stored, DeliveryState::name);
    in_json(&stored, &[]);
}

#[test]
fn names_of_held_for() {
    let stored = [
        (restore::HoldReason::Another, "another"),
        (restore::HoldReason::Copied, "copied"),
        (restore::HoldReason::Older, "older"),
        (restore::HoldReason::Promoted, "promoted"),
        (restore::HoldReason::Slept, "slept"),
    ];
    named(&stored, restore::HoldReason::name);
    in_json(&stored, &[]);
}

#[test]
fn names_of_signature_verdict() {
    let stored = [
        (SignatureVerdict::Unsigned, "unsigned"),
        (SignatureVerdict::Incomplete, "incomplete"),
        (SignatureVerdict::Failed, "failed"),
        (SignatureVerdict::Unproven, "unproven"),
        (SignatureVerdict::Right, "right"),
    ];
    named(&stored, SignatureVerdict::as_str);
}

#[test]
fn names_of_signup_held_for() {
    let stored = [
        (held::HeldFor::Mailbox, "mailbox"),
        (held::HeldFor::Network, "network"),
        (held::HeldFor::Domain, "domain"),
        (held::HeldFor::All, "all"),
    ];
    named(&stored, held::HeldFor::name);
    in_json(&stored, &[]);
    listed(&stored, &held::HeldFor::ALL);
    found(&stored, held::HeldFor::from_name);
}

#[test]
fn names_of_role() {
    let stored = [(Role::Editor, "editor"), (Role::Admin, "admin")];
    named(&stored, Role::as_str);
    in_json(&stored, &[]);
    found(&stored, Role::parse);
}

#[test]
fn names_of_notice() {
    let stored = [
        (Notice::PersonAdded, "person_added"),
        (Notice::LinkMade, "link_made"),
        (Notice::RoleChanged, "role_changed"),
        (Notice::PersonDisabled, "person_disabled"),
        (Notice::PersonEnabled, "person_enabled"),
        (Notice::FactorReset, "factor_reset"),
        (Notice::OwnFactorOff, "own_factor_off"),
        (Notice::RecoveryCodesMade, "recovery_codes_made"),
        (Notice::SubscribersExported, "subscribers_exported"),
        (Notice::ReportDownloaded, "report_downloaded"),
        (Notice::ProofDownloaded, "proof_downloaded"),
        (Notice::LinkForYou, "link_for_you"),
        (Notice::YourRole, "your_role"),
        (Notice::YourFactorReset, "your_factor_reset"),
    ];
    named(&stored, Notice::name);
}

#[test]
fn names_of_subscriber_state() {
    let stored = [
        (SubscriberState::Active, "active"),
        (SubscriberState::Unsubscribed, "unsubscribed"),
        (SubscriberState::Bounced, "bounced"),
        (SubscriberState::Complained, "complained"),
    ];
    named(&stored, SubscriberState::name);
    in_json(&stored, &[]);
    listed(&stored, &SubscriberState::ALL);
    found(&stored, SubscriberState::from_name);
}

#[test]
fn names_of_mail_kind() {
    let stored = [
        (MailKind::Confirmation, "confirmation"),
        (MailKind::Welcome, "welcome"),
        (MailKind::Update, "update"),
        (MailKind::AlreadySubscribed, "already_subscribed"),
        (MailKind::Access, "access"),
        (MailKind::AddressChange, "address_change"),
        (MailKind::AddressNotice, "address_notice"),
        (MailKind::Invitation, "invitation"),
        (MailKind::NewPassword, "new_password"),
    ];
    named(&stored, MailKind::folder);
    listed(&stored, MailKind::ALL);
    found(&stored, MailKind::from_folder);
}

#[test]
fn names_of_action() {
    let stored = [
        (Action::LoggedIn, "logged_in"),
        (Action::Reauthenticated, "reauthenticated"),
        (Action::LoggedOut, "logged_out"),
        (Action::LoginHeld, "login_held"),
        (Action::CodeRefused, "code_refused"),
        (Action::RecoveryCodeUsed, "recovery_code_used"),
        (Action::PasswordSet, "password_set"),
        (Action::PasswordChanged, "password_changed"),
        (Action::SecondFactorOn, "second_factor_on"),
        (Action::SecondFactorOff, "second_factor_off"),
        (Action::RecoveryCodesMade, "recovery_codes_made"),
        (Action::SessionsEnded, "sessions_ended"),
        (Action::NameChanged, "name_changed"),
        (Action::FirstAdmin, "first_admin"),
        (Action::MemberAdded, "member_added"),
        (Action::RoleChanged, "role_changed"),
        (Action::MemberDisabled, "member_disabled"),
        (Action::MemberEnabled, "member_enabled"),
        (Action::LinkMade, "link_made"),
        (Action::LinkOrdered, "link_ordered"),
        (Action::LinkMailed, "link_mailed"),
        (Action::SecondFactorReset, "second_factor_reset"),
        (Action::PublicationChanged, "publication_changed"),
        (Action::UpdateBegun, "update_begun"),
        (Action::UpdateSaved, "update_saved"),
        (Action::UpdateRestored, "update_restored"),
        (Action::UpdateDeleted, "update_deleted"),
        (Action::TemplateStored, "template_stored"),
        (Action::TemplateRemoved, "template_removed"),
        (Action::ChecklistTicked, "checklist_ticked"),
        (Action::ReviewLinkMade, "review_link_made"),
        (Action::ReviewLinkRevoked, "review_link_revoked"),
        (Action::RemarkDone, "remark_done"),
        (Action::TestSent, "test_sent"),
        (Action::ColleagueAdded, "colleague_added"),
        (Action::ColleagueRemoved, "colleague_removed"),
        (Action::MailingSent, "mailing_sent"),
        (Action::MailingPlanned, "mailing_planned"),
        (Action::MailingRescheduled, "mailing_rescheduled"),
        (Action::MailingTextTaken, "mailing_text_taken"),
        (Action::MailingTakenBack, "mailing_taken_back"),
        (Action::MailingPaused, "mailing_paused"),
        (Action::MailingBegun, "mailing_begun"),
        (Action::MailingResumed, "mailing_resumed"),
        (Action::RefusalsAccepted, "refusals_accepted"),
        (Action::MailingCancelled, "mailing_cancelled"),
        (Action::MailingRetried, "mailing_retried"),
        (Action::ReportDownloaded, "report_downloaded"),
        (Action::ImageAdded, "image_added"),
        (Action::ImageDescribed, "image_described"),
        (Action::ImageRemoved, "image_removed"),
        (Action::FileShared, "file_shared"),
        (Action::SharedFileRemoved, "shared_file_removed"),
        (Action::AddressLookedUp, "address_looked_up"),
        (Action::ConfirmationSentAgain, "confirmation_sent_again"),
        (Action::SignupDiscarded, "signup_discarded"),
        (Action::SubscriberAsked, "subscriber_asked"),
        (Action::SubscriberUnsubscribed, "subscriber_unsubscribed"),
        (Action::BounceAssigned, "bounce_assigned"),
        (Action::BouncesIgnored, "bounces_ignored"),
        (Action::SubscriberReactivated, "subscriber_reactivated"),
        (Action::SubscriberErased, "subscriber_erased"),
        (Action::ProofDownloaded, "proof_downloaded"),
        (Action::SubscribersExported, "subscribers_exported"),
        (Action::ImportUploaded, "import_uploaded"),
        (Action::ImportChecked, "import_checked"),
        (Action::ImportStarted, "import_started"),
        (Action::ImportCancelled, "import_cancelled"),
        (Action::WaveReleased, "wave_released"),
        (Action::ConfirmationsSentAgain, "confirmations_sent_again"),
        (Action::WaveDropped, "wave_dropped"),
        (Action::RestoreReleased, "restore_released"),
        (Action::SignatureSeen, "signature_seen"),
    ];
    named(&stored, Action::as_str);
    listed(&stored, Action::ALL);
    found(&stored, Action::parse);
}

#[test]
fn names_of_code() {
    let stored = [
        (Code::PublicationIncomplete, "publication_incomplete"),
        (Code::ImprintMissing, "imprint_missing"),
        (Code::UnsubscribeMissing, "unsubscribe_missing"),
        (Code::HtmlTooLarge, "html_too_large"),
        (Code::ImageWithoutAlt, "image_without_alt"),
        (Code::LinkEmpty, "link_empty"),
        (Code::LinkPrivate, "link_private"),
        (Code::BlockLacks, "block_lacks"),
        (Code::EventWeekday, "event_weekday"),
        (Code::EventOrder, "event_order"),
        (Code::RecipientsNone, "recipients_none"),
        (Code::SubjectLong, "subject_long"),
        (Code::SubjectShouting, "subject_shouting"),
        (Code::PreheaderMissing, "preheader_missing"),
        (Code::PreheaderRepeats, "preheader_repeats"),
        (Code::AltVague, "alt_vague"),
        (Code::PictureLight, "picture_light"),
        (Code::ImageHttp, "image_http"),
        (Code::LinkHttp, "link_http"),
        (Code::LinkTextVague, "link_text_vague"),
        (Code::LinkTextDiffers, "link_text_differs"),
        (Code::LinkDead, "link_dead"),
        (Code::LinkNoHost, "link_no_host"),
        (Code::LinkExample, "link_example"),
        (Code::LinkUnreachable, "link_unreachable"),
        (Code::LinkLoop, "link_loop"),
        (Code::HeadingSkips, "heading_skips"),
        (Code::HeadingFirst, "heading_first"),
        (Code::ContrastLow, "contrast_low"),
        (Code::HtmlLarge, "html_large"),
        (Code::FundingMissing, "funding_missing"),
        (Code::FundingNotShown, "funding_not_shown"),
        (Code::PrivacyNotShown, "privacy_not_shown"),
        (Code::Placeholder, "placeholder"),
        (Code::ChecklistOpen, "checklist_open"),
        (Code::BlockUnknown, "block_unknown"),
        (Code::BlockOpen, "block_open"),
        (Code::BlockLine, "block_line"),
        (Code::BlockLong, "block_long"),
        (Code::BlockPosition, "block_position"),
        (Code::BlockMail, "block_mail"),
        (Code::BlockPhone, "block_phone"),
        (Code::EventDate, "event_date"),
        (Code::EventTime, "event_time"),
        (Code::EventNoBegin, "event_no_begin"),
        (Code::EventHour, "event_hour"),
        (Code::MarkLeftOver, "mark_left_over"),
        (Code::AlreadySent, "already_sent"),
        (Code::RecipientsFell, "recipients_fell"),
        (Code::RecipientsRose, "recipients_rose"),
        (Code::SpfMissing, "spf_missing"),
        (Code::SpfMany, "spf_many"),
        (Code::SpfOpen, "spf_open"),
        (Code::DmarcMissing, "dmarc_missing"),
        (Code::DkimMissing, "dkim_missing"),
        (Code::DkimUnpublished, "dkim_unpublished"),
        (Code::DkimOther, "dkim_other"),
        (Code::SignatureIncomplete, "signature_incomplete"),
        (Code::SignatureFailed, "signature_failed"),
        (Code::SignatureNone, "signature_none"),
        (Code::LinkTextAddress, "link_text_address"),
        (Code::BoldHeading, "bold_heading"),
        (Code::PlaceholderMaybe, "placeholder_maybe"),
        (Code::CreditMissing, "credit_missing"),
        (Code::FundingInText, "funding_in_text"),
        (Code::LinkUncertain, "link_uncertain"),
        (Code::LinksUnchecked, "links_unchecked"),
        (Code::DmarcNone, "dmarc_none"),
        (Code::PictureDark, "picture_dark"),
        (Code::DkimUnknown, "dkim_unknown"),
        (Code::SignatureUnseen, "signature_unseen"),
        (Code::SignatureUnproven, "signature_unproven"),
        (Code::DnsUnknown, "dns_unknown"),
        (Code::RecipientsFirst, "recipients_first"),
    ];
    named(&stored, Code::as_str);
    listed(&stored, Code::ALL);
}
