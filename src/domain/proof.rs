//! The consent proof: everything recorded of a consent, in a form that shows whether it was changed afterwards.
//!
//! ```text
//! head ──▶ hash ──▶ event 1, hash ──▶ event 2, hash ──▶ … ──▶ seal
//! ```
//!
//! Each hash covers what stands beside it and the hash before it (SHA-256), so a change breaks the chain where it was
//! made. The seal is an HMAC of the last hash under `SECRET_KEY`: whoever computes the whole chain anew cannot make it.
//! Made for Art. 7(1) DSGVO: the controller has to be able to demonstrate the consent.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{config::SecretKeys, domain::consent::ConsentEvent};

/// What a proof begins with. A later kind of proof gets another number.
const FORMAT: &str = "rundbrief consent proof 1";

/// What the seal's key signs.
const PURPOSE: &str = "consent proof";

/// Of whom and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Which kind of proof this is.
    pub format: String,
    /// The address, as it is known now.
    pub address: String,
    /// The newsletter's name.
    pub publication: String,
    /// What the address is now: a subscriber's state, or nothing.
    pub state: Option<String>,
    /// When the proof was made.
    pub made_at: DateTime<Utc>,
}

impl Head {
    /// The head of a proof made now.
    #[must_use]
    pub fn new(address: &str, publication: &str, state: Option<String>, made_at: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            address: address.to_owned(),
            publication: publication.to_owned(),
            state,
            made_at,
        }
    }
}

/// An event, and the hash of everything up to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The event as it was recorded.
    pub event: ConsentEvent,
    /// SHA-256 in hex of the hash before it and of the event.
    pub hash: String,
}

/// A sealed proof.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Of whom and by whom.
    pub head: Head,
    /// SHA-256 of the head, in hex.
    pub head_hash: String,
    /// What happened, oldest first.
    pub events: Vec<Link>,
    /// HMAC-SHA-256 of the last hash, in hex.
    pub seal: String,
}

/// How a proof differs from what was sealed. Each is for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Not made by this version.
    #[error("this is a proof of another kind: {0:?}")]
    Format(String),
    /// The head says something else than it did.
    #[error("the head was changed: address, newsletter, state, or the time it was made")]
    Head,
    /// An event says something else than it did, or one before it is missing or was put in.
    #[error("event {number} ({at}) was changed, or something before it is missing or was put in")]
    Event {
        /// Counted from 1.
        number: usize,
        /// When it says that it happened.
        at: DateTime<Utc>,
    },
    /// The text beside an event is not the one whose SHA-256 was recorded when it was shown.
    #[error("the text beside event {number} is not the one that was shown: its SHA-256 is another")]
    Text {
        /// Counted from 1.
        number: usize,
    },
    /// The chain is whole and was not made with our key; events may be missing at the end.
    #[error("the seal does not fit: events are missing at the end, or it was made with another SECRET_KEY")]
    Seal,
}

impl Proof {
    /// Chains and seals events under the newest key.
    ///
    /// # Errors
    /// When something cannot be written as JSON; none of ours is like that.
    pub fn seal(keys: &SecretKeys, head: Head, events: Vec<ConsentEvent>) -> serde_json::Result<Self> {
        let mut last = hashed(&[], &head)?;
        let head_hash = hex::encode(last);
        let mut links = Vec::with_capacity(events.len());
        for event in events {
            last = hashed(&last, &event)?;
            links.push(Link { event, hash: hex::encode(last) });
        }
        Ok(Self { head, head_hash, events: links, seal: hex::encode(keys.sign(PURPOSE, &last)) })
    }

    /// Whether this is what was sealed, by one of these keys.
    ///
    /// # Errors
    /// [`Broken`] says where it differs first.
    pub fn verify(&self, keys: &SecretKeys) -> Result<(), Broken> {
        if self.head.format != FORMAT {
            return Err(Broken::Format(self.head.format.clone()));
        }
        let mut last = hashed(&[], &self.head).map_err(|_| Broken::Head)?;
        if hex::encode(last) != self.head_hash {
            return Err(Broken::Head);
        }
        for (link, number) in self.events.iter().zip(1..) {
            let broken = Broken::Event { number, at: link.event.at };
            last = hashed(&last, &link.event).map_err(|_| broken.clone())?;
            if hex::encode(last) != link.hash {
                return Err(broken);
            }
            if !shows_its_text(&link.event) {
                return Err(Broken::Text { number });
            }
        }
        let seal = hex::decode(&self.seal).ok().filter(|seal| seal.len() == 32).ok_or(Broken::Seal)?;
        if keys.verify(PURPOSE, &last, &seal) { Ok(()) } else { Err(Broken::Seal) }
    }
}

/// Whether the text beside an event is the one that was recorded with it.
fn shows_its_text(event: &ConsentEvent) -> bool {
    match (&event.consent_text, &event.consent_text_sha256) {
        (Some(text), Some(recorded)) => hex::encode(Sha256::digest(text.as_bytes())) == *recorded,
        _ => true,
    }
}

/// SHA-256 of the hash before and of a value's JSON. The fields of our types stand in a fixed order, so the same value
/// always has the same JSON.
fn hashed(before: &[u8], value: &impl Serialize) -> serde_json::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(serde_json::to_vec(value)?);
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::consent::{ConsentKind, ConsentMethod};

    fn keys(byte: u8) -> SecretKeys {
        SecretKeys::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    const TEXT: &str = "Ja, ich möchte „das“ bekommen.\nZweite Zeile";

    fn event(kind: ConsentKind, minutes: i64) -> ConsentEvent {
        ConsentEvent {
            at: "2026-11-25T10:00:00.123456Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes),
            kind,
            method: ConsentMethod::Form,
            email: Some("Maria@example.org".into()),
            publication_version: Some(3),
            consent_locale: Some("de".into()),
            consent_text_sha256: Some(hex::encode(Sha256::digest(TEXT))),
            consent_text: Some(TEXT.into()),
            form_page: None,
            client_ip: None,
            message_id: None,
            smtp_code: Some(250),
            smtp_text: Some("2.0.0 Ok".into()),
            source: None,
            consented_at: None,
            ambiguous: false,
        }
    }

    fn proof() -> Proof {
        let made_at = "2026-11-26T08:00:00Z".parse().unwrap();
        let head = Head::new("maria@example.org", "LOK Lausitz", Some("active".into()), made_at);
        let events = vec![
            event(ConsentKind::Requested, 0),
            event(ConsentKind::MailAccepted, 1),
            event(ConsentKind::Confirmed, 5),
        ];
        Proof::seal(&keys(1), head, events).unwrap()
    }

    #[test]
    fn a_proof_holds_after_it_was_written_and_read_and_after_a_rotation_of_the_key() {
        let read: Proof = serde_json::from_str(&serde_json::to_string_pretty(&proof()).unwrap()).unwrap();
        assert_eq!(read.verify(&keys(1)), Ok(()));
        let rotated = format!("{},{}", STANDARD.encode([2; 32]), STANDARD.encode([1; 32]));
        assert_eq!(read.verify(&SecretKeys::parse(&rotated).unwrap()), Ok(()));
        assert_eq!(read.verify(&keys(2)), Err(Broken::Seal));
    }

    #[test]
    fn an_event_is_hashed_as_it_was_before_events_could_be_ambiguous() {
        let event = serde_json::to_string(&event(ConsentKind::Requested, 0)).unwrap();
        assert!(event.ends_with(r#""source":null,"consented_at":null}"#), "{event}");
    }

    #[test]
    fn every_change_shows_where_it_was_made() {
        let changed = |change: fn(&mut Proof)| {
            let mut proof = proof();
            change(&mut proof);
            proof.verify(&keys(1)).unwrap_err()
        };
        assert_eq!(changed(|proof| proof.head.address = "otto@example.org".into()), Broken::Head);
        assert_eq!(changed(|proof| proof.head.state = None), Broken::Head);
        for (number, broken) in [(1, 0), (2, 1), (3, 2)] {
            let mut proof = proof();
            proof.events[broken].event.at += TimeDelta::microseconds(1);
            let at = proof.events[broken].event.at;
            assert_eq!(proof.verify(&keys(1)), Err(Broken::Event { number, at }));
        }
        assert!(matches!(changed(|proof| drop(proof.events.remove(1))), Broken::Event { number: 2, .. }));
        assert!(matches!(changed(|proof| proof.events.swap(0, 1)), Broken::Event { number: 1, .. }));
        assert_eq!(changed(|proof| drop(proof.events.pop())), Broken::Seal);
        assert_eq!(changed(|proof| proof.seal = proof.seal[..32].to_owned()), Broken::Seal);
    }

    #[test]
    fn who_computes_the_chain_anew_has_not_the_seal() {
        let honest = proof();
        let events = honest.events.iter().skip(1).map(|link| link.event.clone()).collect();
        let forged = Proof::seal(&keys(9), honest.head.clone(), events).unwrap();
        assert_eq!(forged.verify(&keys(1)), Err(Broken::Seal));
        let with_old_seal = Proof { seal: honest.seal, ..forged };
        assert_eq!(with_old_seal.verify(&keys(1)), Err(Broken::Seal));
    }

    #[test]
    fn a_text_that_was_not_shown_does_not_pass() {
        let mut events = vec![event(ConsentKind::Requested, 0)];
        events[0].consent_text = Some("Ja, zu allem.".into());
        let proof = Proof::seal(&keys(1), proof().head, events).unwrap();
        assert_eq!(proof.verify(&keys(1)), Err(Broken::Text { number: 1 }));
    }

    #[test]
    fn what_was_put_in_is_no_proof() {
        let mut value = serde_json::to_value(proof()).unwrap();
        value["events"][0]["event"]["note"] = "by hand".into();
        assert!(serde_json::from_value::<Proof>(value).is_err());
    }
}
