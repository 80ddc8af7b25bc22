//! Links and forms that work for one hour: signed, with their time inside, and stored nowhere.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    config::SecretKeys,
    domain::{address::NormalizedAddress, ids::SubscriberId},
};

use super::{TAG, decoded};

/// How long all of them work.
const LIVES: Duration = Duration::hours(1);

/// The text of an undo link: for one hour it takes back the unsubscribe that was made at `left_at`, and no other.
///
/// Why not the unsubscribe token itself: newsletters are forwarded, and whoever has that link must not be able to bring
/// somebody back who left. So this one stands in the answer to the request that ended the subscription, and nowhere else.
#[must_use]
pub fn undo_token(keys: &SecretKeys, id: SubscriberId, left_at: DateTime<Utc>) -> String {
    Signed { id: id.0, at: left_at.timestamp_micros() }.write(keys, "undo")
}

/// What an undo link is worth at `now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// It takes back how this subscriber left at this moment.
    For(SubscriberId, DateTime<Utc>),
    /// It was ours, and its hour is over.
    Expired,
}

/// Reads an undo link; nothing when it was not made by us.
#[must_use]
pub fn read_undo_token(keys: &SecretKeys, text: &str, now: DateTime<Utc>) -> Option<Undo> {
    let signed = Signed::read(keys, "undo", text)?;
    let left_at = DateTime::from_timestamp_micros(signed.at)?;
    let is_over = now >= left_at + LIVES;
    Some(if is_over { Undo::Expired } else { Undo::For(SubscriberId(signed.id), left_at) })
}

/// Stands in the form that asks for a fresh confirmation on a page behind an unsubscribe link, in the place of the
/// address: whoever has that link may ask, and is not told the whole address.
#[must_use]
pub fn again_token(keys: &SecretKeys, id: SubscriberId, now: DateTime<Utc>) -> String {
    Signed { id: id.0, at: (now + LIVES).timestamp() }.write(keys, "again")
}

/// Whom such a form is about; nothing when it was not made by us or its hour is over.
#[must_use]
pub fn read_again_token(keys: &SecretKeys, text: &str, now: DateTime<Utc>) -> Option<SubscriberId> {
    let signed = Signed::read(keys, "again", text)?;
    (!signed.is_over(now)).then_some(SubscriberId(signed.id))
}

/// The text of the link to everything that is stored of a subscriber, good for one hour. It goes to their mailbox alone.
///
/// It is bound to the address it is sent to: once the subscription has another one, the old mailbox opens nothing more.
#[must_use]
pub fn access_token(
    keys: &SecretKeys,
    id: SubscriberId,
    address: &NormalizedAddress,
    now: DateTime<Utc>,
) -> String {
    let signed = Signed { id: id.0, at: (now + LIVES).timestamp() };
    let bound_to = &keys.sign(ACCESS_ADDRESS, address.as_str().as_bytes())[..BOUND];
    let claims = [&signed.claims(), bound_to].concat();
    let tag = keys.sign("access", &claims);
    URL_SAFE_NO_PAD.encode([&claims, &tag[..TAG]].concat())
}

/// What recognises the address that an access link is bound to.
const ACCESS_ADDRESS: &str = "access address";
const BOUND: usize = 8;

/// An access link that is ours.
#[derive(Clone, Copy)]
pub struct AccessClaim {
    signed: Signed,
    bound_to: [u8; BOUND],
}

/// What an access link is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessState {
    /// It opens everything.
    Open,
    /// Its hour is over.
    Expired,
}

impl AccessClaim {
    /// Reads a link; nothing when it was not made by us.
    #[must_use]
    pub fn read(keys: &SecretKeys, text: &str) -> Option<Self> {
        let bytes = decoded::<{ CLAIMS + BOUND + TAG }>(text)?;
        let (claims, tag) = bytes.split_at(CLAIMS + BOUND);
        if !keys.verify("access", claims, tag) {
            return None;
        }
        let (signed, bound_to) = claims.split_at(CLAIMS);
        Some(Self { signed: Signed::of(signed.try_into().ok()?), bound_to: bound_to.try_into().ok()? })
    }

    /// Whose it is.
    #[must_use]
    pub fn subscriber(&self) -> SubscriberId {
        SubscriberId(self.signed.id)
    }

    /// What it is worth at `now`; nothing when its subscriber has another address by now.
    #[must_use]
    pub fn check(
        &self,
        keys: &SecretKeys,
        address: &NormalizedAddress,
        now: DateTime<Utc>,
    ) -> Option<AccessState> {
        let fingerprints = keys.sign_with_each(ACCESS_ADDRESS, address.as_str().as_bytes());
        let is_bound = fingerprints.iter().any(|fingerprint| fingerprint[..BOUND] == self.bound_to);
        is_bound.then(|| if self.signed.is_over(now) { AccessState::Expired } else { AccessState::Open })
    }
}

/// Names the question on one page that says "unsubscribed", so that its answer counts once. It is random and tells
/// nothing of who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveForm(pub [u8; 16]);

/// A fresh one, as it stands in the form.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn leave_form_token(keys: &SecretKeys, now: DateTime<Utc>) -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let signed = Signed { id: Uuid::from_bytes(random), at: (now + LIVES).timestamp() };
    Ok(signed.write(keys, "leave form"))
}

/// Reads one that comes back; nothing when it was not made by us or its hour is over.
#[must_use]
pub fn read_leave_form_token(keys: &SecretKeys, text: &str, now: DateTime<Utc>) -> Option<LeaveForm> {
    let signed = Signed::read(keys, "leave form", text)?;
    (!signed.is_over(now)).then(|| LeaveForm(signed.id.into_bytes()))
}

/// What all of them carry: 16 bytes that name something, a moment, and a signature over both.
#[derive(Clone, Copy)]
struct Signed {
    id: Uuid,
    /// The end of its time, in seconds since 1970; of an undo the moment of leaving, in microseconds.
    at: i64,
}

const CLAIMS: usize = 16 + 8;

impl Signed {
    fn claims(self) -> [u8; CLAIMS] {
        let mut bytes = [0; CLAIMS];
        bytes[..16].copy_from_slice(self.id.as_bytes());
        bytes[16..].copy_from_slice(&self.at.to_be_bytes());
        bytes
    }

    fn of(claims: [u8; CLAIMS]) -> Self {
        let (mut id, mut at) = ([0; 16], [0; 8]);
        id.copy_from_slice(&claims[..16]);
        at.copy_from_slice(&claims[16..]);
        Self { id: Uuid::from_bytes(id), at: i64::from_be_bytes(at) }
    }

    fn write(self, keys: &SecretKeys, purpose: &str) -> String {
        let claims = self.claims();
        let tag = keys.sign(purpose, &claims);
        URL_SAFE_NO_PAD.encode([&claims, &tag[..TAG]].concat())
    }

    /// Reads what was written for this purpose; nothing when it was not made by us.
    fn read(keys: &SecretKeys, purpose: &str, text: &str) -> Option<Self> {
        let bytes = decoded::<{ CLAIMS + TAG }>(text)?;
        let (claims, tag) = bytes.split_at(CLAIMS);
        keys.verify(purpose, claims, tag).then(|| claims.try_into().ok().map(Self::of))?
    }

    fn is_over(self, now: DateTime<Utc>) -> bool {
        now.timestamp() > self.at
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::domain::address::EmailAddress;

    fn keys() -> SecretKeys {
        SecretKeys::parse(&STANDARD.encode([9; 32])).unwrap()
    }

    fn address(text: &str) -> NormalizedAddress {
        EmailAddress::parse(text).unwrap().normalized()
    }

    #[test]
    fn an_undo_link_ends_after_an_hour() {
        let (id, now) =
            (SubscriberId::new(), DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap());
        let token = undo_token(&keys(), id, now);
        assert_eq!(read_undo_token(&keys(), &token, now + Duration::minutes(59)), Some(Undo::For(id, now)));
        assert_eq!(read_undo_token(&keys(), &token, now + Duration::minutes(61)), Some(Undo::Expired));
    }

    #[test]
    fn an_access_link_is_good_for_an_hour_and_for_the_address_it_was_sent_to() {
        let (id, now, maria) = (SubscriberId::new(), Utc::now(), address("maria@example.org"));
        let claim = AccessClaim::read(&keys(), &access_token(&keys(), id, &maria, now)).unwrap();
        assert_eq!(claim.subscriber(), id);
        assert_eq!(claim.check(&keys(), &maria, now + Duration::minutes(59)), Some(AccessState::Open));
        assert_eq!(claim.check(&keys(), &maria, now + Duration::minutes(61)), Some(AccessState::Expired));
        assert_eq!(claim.check(&keys(), &address("otto@example.org"), now), None);
    }

    #[test]
    fn none_of_them_passes_for_another() {
        let (id, now, maria) = (SubscriberId::new(), Utc::now(), address("maria@example.org"));
        let undo = undo_token(&keys(), id, now);
        let access = access_token(&keys(), id, &maria, now);
        let form = leave_form_token(&keys(), now).unwrap();
        let again = again_token(&keys(), id, now);
        assert!(read_leave_form_token(&keys(), &form, now).is_some());
        assert_eq!(read_again_token(&keys(), &again, now + Duration::minutes(59)), Some(id));
        assert_eq!(read_again_token(&keys(), &again, now + Duration::minutes(61)), None);
        for other in [&access, &form, &again] {
            assert_eq!(read_undo_token(&keys(), other, now), None);
        }
        for other in [&undo, &form, &again] {
            assert!(AccessClaim::read(&keys(), other).is_none());
        }
        for other in [&undo, &access, &again] {
            assert_eq!(read_leave_form_token(&keys(), other, now), None);
        }
        for other in [&undo, &access, &form] {
            assert_eq!(read_again_token(&keys(), other, now), None);
        }
    }

    #[test]
    fn every_single_flipped_bit_breaks_an_access_link() {
        let (now, maria) = (Utc::now(), address("maria@example.org"));
        let bytes = URL_SAFE_NO_PAD.decode(access_token(&keys(), SubscriberId::new(), &maria, now)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = URL_SAFE_NO_PAD.encode(flipped);
            assert!(AccessClaim::read(&keys(), &flipped).is_none(), "bit {bit}");
        }
    }
}
