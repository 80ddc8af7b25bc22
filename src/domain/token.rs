//! Tokens: one token, one purpose (invariant 5).
//!
//! | token | made of | lives | stored |
//! |---|---|---|---|
//! | confirm | 32 random bytes | until its signup expires | as SHA-256 |
//! | unsubscribe, manage | the subscriber's id, signed | for ever | not at all |
//! | review | the review link's id, signed | until its link is over, as its row says | not at all |
//! | undo | the subscriber's id and when they left, signed | one hour | not at all |
//! | again | the subscriber's id and a time, signed | one hour; it asks for a confirmation by mail | not at all |
//! | access | the same, and the subscriber's address | one hour | not at all |
//! | leave form | random bytes and a time, signed | one hour | its random bytes, once it is answered |
//! | opened | a time and the confirm token's hash, signed | for its signup | not at all |
//! | shown | a time, signed | for ever: it opens nothing | not at all |
//! | bounce | the delivery's id, signed | for ever: it says what a report is about | not at all |
//! | sent to | an address and a time, encrypted | one hour; it opens nothing | not at all |
//!
//! None of them has a `Display` that shows it; [`ConfirmToken::reveal`] and its like are called where a link is
//! written, and nowhere else.

mod bounce;
mod sent_to;
mod timed;

pub use bounce::{BOUNCE_TOKEN_LENGTH, bounce_token, read_bounce_token};
pub use sent_to::SentTo;
pub use timed::{
    AccessClaim, AccessState, LeaveForm, Undo, access_token, again_token, leave_form_token, read_again_token,
    read_leave_form_token, read_undo_token, undo_token,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    config::SecretKeys,
    domain::ids::{ReviewLinkId, SubscriberId},
};

/// Bytes of a signature that a link carries: half of SHA-256, the least RFC 2104 §5 allows.
const TAG: usize = 16;

/// The secret in a confirmation link.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfirmToken([u8; 32]);

/// What the database keeps of a [`ConfirmToken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmTokenHash(pub [u8; 32]);

impl ConfirmToken {
    /// A fresh one from the operating system's random numbers.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give; nothing safe could be done then.
    #[must_use]
    pub fn mint() -> Self {
        let mut bytes = [0; 32];
        #[expect(clippy::expect_used, reason = "a system without random numbers cannot make tokens")]
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        Self(bytes)
    }

    /// Reads a token from a link; nothing when it is not 32 bytes of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decoded::<32>(text).map(Self)
    }

    /// The token as it stands in the link.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What may be stored of it.
    #[must_use]
    pub fn hash(&self) -> ConfirmTokenHash {
        ConfirmTokenHash(Sha256::digest(self.0).into())
    }
}

impl std::fmt::Debug for ConfirmToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConfirmToken(…)")
    }
}

/// What a subscriber's link may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// End the subscription.
    Unsubscribe,
    /// Open the settings page.
    Manage,
}

impl LinkPurpose {
    fn name(self) -> &'static str {
        match self {
            LinkPurpose::Unsubscribe => "unsubscribe",
            LinkPurpose::Manage => "manage",
        }
    }
}

/// The text of a subscriber's link for one purpose. The same subscriber always gets the same one (under one key).
#[must_use]
pub fn subscriber_token(keys: &SecretKeys, purpose: LinkPurpose, id: SubscriberId) -> String {
    signed_id(keys, purpose.name(), id.0)
}

/// Characters of every [`subscriber_token`].
pub const SUBSCRIBER_TOKEN_LENGTH: usize = 43;

/// Whose link this is, if it was made for this purpose by one of our keys.
#[must_use]
pub fn read_subscriber_token(keys: &SecretKeys, purpose: LinkPurpose, text: &str) -> Option<SubscriberId> {
    read_signed_id(keys, purpose.name(), text).map(SubscriberId)
}

/// The text of a link to look at an update. Whether it still works, the link's row says.
#[must_use]
pub fn review_token(keys: &SecretKeys, id: ReviewLinkId) -> String {
    signed_id(keys, REVIEW, id.0)
}

/// Which link this is, if it is one of ours.
#[must_use]
pub fn read_review_token(keys: &SecretKeys, text: &str) -> Option<ReviewLinkId> {
    read_signed_id(keys, REVIEW, text).map(ReviewLinkId)
}

const REVIEW: &str = "review";

fn signed_id(keys: &SecretKeys, purpose: &str, id: Uuid) -> String {
    let mut bytes = [0; 16 + TAG];
    bytes[..16].copy_from_slice(id.as_bytes());
    bytes[16..].copy_from_slice(&keys.sign(purpose, id.as_bytes())[..TAG]);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_signed_id(keys: &SecretKeys, purpose: &str, text: &str) -> Option<Uuid> {
    let bytes = decoded::<{ 16 + TAG }>(text)?;
    let (id, tag) = bytes.split_at(16);
    keys.verify(purpose, id, tag).then(|| Uuid::from_slice(id).ok())?
}

/// The moment a confirmation page was opened, signed, for the page's form to carry back.
///
/// This is how "link opened" gets into the consent record although a GET changes nothing (invariant 1): the page
/// is told when it was opened, and says so when its button is pressed.
#[must_use]
pub fn opened_token(keys: &SecretKeys, token: ConfirmTokenHash, now: DateTime<Utc>) -> String {
    let mut bytes = [0; 8 + TAG];
    bytes[..8].copy_from_slice(&now.timestamp_micros().to_be_bytes());
    let tag = keys.sign("opened", &[&bytes[..8], &token.0].concat());
    bytes[8..].copy_from_slice(&tag[..TAG]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// When the page behind this confirm token was opened; nothing when the text is not ours.
#[must_use]
pub fn read_opened_token(keys: &SecretKeys, token: ConfirmTokenHash, text: &str) -> Option<DateTime<Utc>> {
    let bytes = decoded::<{ 8 + TAG }>(text)?;
    let (time, tag) = bytes.split_at(8);
    let message = [time, &token.0].concat();
    if !keys.verify("opened", &message, tag) {
        return None;
    }
    DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))
}

/// The moment a signup form was shown, signed, for the form to carry back: who sends it at once is a program.
///
/// It is no secret and may be sent again: it says when, and lets nobody do anything.
#[must_use]
pub fn shown_token(keys: &SecretKeys, now: DateTime<Utc>) -> String {
    let mut bytes = [0; 8 + TAG];
    bytes[..8].copy_from_slice(&now.timestamp_micros().to_be_bytes());
    let tag = keys.sign("shown", &bytes[..8]);
    bytes[8..].copy_from_slice(&tag[..TAG]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// When the form was shown; nothing when the text is not ours.
#[must_use]
pub fn read_shown_token(keys: &SecretKeys, text: &str) -> Option<DateTime<Utc>> {
    let bytes = decoded::<{ 8 + TAG }>(text)?;
    let (time, tag) = bytes.split_at(8);
    if !keys.verify("shown", time, tag) {
        return None;
    }
    DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))
}

/// Exactly `N` bytes of base64url without padding, or nothing. Looks at the length first, so a link of 10 kB costs
/// no more than a short one.
fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn keys() -> SecretKeys {
        SecretKeys::parse(&STANDARD.encode([9; 32])).unwrap()
    }

    #[test]
    fn one_token_one_purpose() {
        let id = SubscriberId::new();
        let token = subscriber_token(&keys(), LinkPurpose::Unsubscribe, id);
        assert_eq!(token.len(), SUBSCRIBER_TOKEN_LENGTH);
        assert_eq!(read_subscriber_token(&keys(), LinkPurpose::Unsubscribe, &token), Some(id));
        assert_eq!(read_subscriber_token(&keys(), LinkPurpose::Manage, &token), None);
        assert_eq!(read_review_token(&keys(), &token), None);
        assert_eq!(read_undo_token(&keys(), &token, Utc::now()), None);
        assert_eq!(read_opened_token(&keys(), ConfirmTokenHash([0; 32]), &token), None);
    }

    #[test]
    fn every_single_flipped_bit_breaks_a_token() {
        let token = subscriber_token(&keys(), LinkPurpose::Unsubscribe, SubscriberId::new());
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = URL_SAFE_NO_PAD.encode(flipped);
            assert_eq!(read_subscriber_token(&keys(), LinkPurpose::Unsubscribe, &flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn an_opening_belongs_to_its_own_confirm_token() {
        let (mine, other) = (ConfirmToken::mint().hash(), ConfirmToken::mint().hash());
        let token = opened_token(&keys(), mine, Utc::now());
        assert!(read_opened_token(&keys(), mine, &token).is_some());
        assert!(read_opened_token(&keys(), other, &token).is_none());
    }

    #[test]
    fn the_time_a_form_was_shown_is_no_opening_and_cannot_be_made_up() {
        let now = DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap();
        let token = shown_token(&keys(), now);
        assert_eq!(read_shown_token(&keys(), &token), Some(now));
        assert_eq!(read_opened_token(&keys(), ConfirmToken::mint().hash(), &token), None);
        let opened = opened_token(&keys(), ConfirmToken::mint().hash(), now);
        assert_eq!(read_shown_token(&keys(), &opened), None);
        let other = SecretKeys::parse(&STANDARD.encode([8; 32])).unwrap();
        assert_eq!(read_shown_token(&other, &token), None);
        for text in ["", "x", &token[1..], &"x".repeat(10_000)] {
            assert_eq!(read_shown_token(&keys(), text), None, "{text}");
        }
    }

    #[test]
    fn a_confirm_token_shows_in_no_debug_output() {
        let token = ConfirmToken::mint();
        assert!(!format!("{token:?}").contains(&token.reveal()[..8]));
        assert_eq!(ConfirmToken::parse(&token.reveal()), Some(token));
        assert_eq!(ConfirmToken::parse(&"x".repeat(10_000)), None);
    }
}
