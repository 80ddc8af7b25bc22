//! The consent proof as a file: JSON for programs, or a page to print, which is made letter for letter again to be checked.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use tera::{Context, Tera};

use crate::{
    config::SecretKeys,
    domain::{
        consent::{self, ConsentKind, ConsentMethod},
        locale::Locale,
        proof::{Broken, Link, Proof},
    },
};

/// What a proof is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An HTML page to print, with the JSON inside.
    Page,
    /// For programs.
    Json,
}

/// A proof cannot be written down: a mistake in this version.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As JSON.
    #[error("the proof cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As a page.
    #[error("the page of the proof cannot be made: {0}")]
    Template(#[from] tera::Error),
}

/// A file is no proof. Tell whoever brought it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A page of something else.
    #[error("this page contains no consent proof")]
    Nothing,
    /// What is in it is no proof that this version knows.
    #[error("this is not a consent proof, or it was changed")]
    Unreadable(#[from] serde_json::Error),
}

/// How a file differs from what was sealed and written. Tell whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Changed {
    /// The record itself.
    #[error(transparent)]
    Record(#[from] Broken),
    /// What the page shows is not what was checked.
    #[error(
        "the sealed record in the page is unchanged, but the page around it is not the one this version writes: it was changed, or written by another version"
    )]
    Page,
}

/// The file of a proof; the language is that of the page.
///
/// # Errors
/// [`WriteError`].
pub fn write(proof: &Proof, format: Format, locale: Locale) -> Result<String, WriteError> {
    match format {
        Format::Page => made(proof, locale, &EDITIONS[CURRENT]),
        Format::Json => Ok(serde_json::to_string_pretty(proof)? + "\n"),
    }
}

/// The proof in a file, changed or not: see [`check`].
///
/// # Errors
/// [`ReadError`].
pub fn read(text: &str, format: Format) -> Result<Proof, ReadError> {
    let json = match format {
        Format::Page => json_within(text).ok_or(ReadError::Nothing)?,
        Format::Json => text,
    };
    Ok(serde_json::from_str(json)?)
}

/// Whether a file, and the proof that was [`read`] from it, are as they were sealed by one of these keys and written by this
/// version or one before.
///
/// # Errors
/// [`Changed`] says where they differ first.
pub fn check(keys: &SecretKeys, proof: &Proof, text: &str, format: Format) -> Result<(), Changed> {
    proof.verify(keys)?;
    if format == Format::Page && !is_page_of(proof, text) {
        return Err(Changed::Page);
    }
    Ok(())
}

/// Where the page holds the proof that a program reads.
const BEGIN: &str = "<script type=\"application/json\" id=\"proof\">";
const END: &str = "</script>";

fn json_within(page: &str) -> Option<&str> {
    page.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0))
}

/// Whether a page is the one that is made of this proof, in whichever language, by this version or one before.
fn is_page_of(proof: &Proof, text: &str) -> bool {
    let is_made_by = |edition, locale| made(proof, locale, edition).is_ok_and(|made| made == text);
    EDITIONS.iter().any(|edition| Locale::ALL.into_iter().any(|locale| is_made_by(edition, locale)))
}

/// How pages of proofs are made. A page is checked letter for letter, so the template of a page that somebody may have
/// kept stays as it is: a change is a new edition.
struct Edition {
    template: &'static str,
    time: fn(DateTime<Utc>) -> String,
}

const EDITIONS: [Edition; 3] = [
    Edition {
        template: include_str!("edition_1.html"),
        time: |at| at.to_rfc3339_opts(SecondsFormat::Micros, true),
    },
    Edition { template: include_str!("edition_2.html"), time: written },
    Edition { template: include_str!("edition_3.html"), time: written },
];

/// The edition that new pages are made with.
const CURRENT: usize = EDITIONS.len() - 1;

/// What an edition shows of an event.
#[derive(Serialize)]
struct EventView<'a> {
    kind: ConsentKind,
    method: ConsentMethod,
    what: &'static str,
    how: &'static str,
    at: String,
    email: Option<&'a str>,
    form_page: Option<&'a str>,
    client_ip: Option<&'a str>,
    message_id: Option<&'a str>,
    smtp_code: Option<i16>,
    smtp_text: Option<&'a str>,
    source: Option<&'a str>,
    /// The day alone where a list named no more.
    consented_at: Option<String>,
    publication_version: Option<i32>,
    consent_locale: Option<&'a str>,
    consent_text: Option<&'a str>,
    consent_text_sha256: Option<&'a str>,
    hash: &'a str,
}

impl<'a> EventView<'a> {
    fn of(Link { event, hash }: &'a Link, time: fn(DateTime<Utc>) -> String) -> Self {
        let consented = |at| consent::day_alone(at).map_or_else(|| time(at), |day| day.to_string());
        Self {
            kind: event.kind,
            method: event.method,
            what: event.what(),
            how: event.how(),
            at: time(event.at),
            email: event.email.as_deref(),
            form_page: event.form_page.as_deref(),
            client_ip: event.client_ip.as_deref(),
            message_id: event.message_id.as_deref(),
            smtp_code: event.smtp_code,
            smtp_text: event.smtp_text.as_deref(),
            source: event.source.as_deref(),
            consented_at: event.consented_at.map(consented),
            publication_version: event.publication_version,
            consent_locale: event.consent_locale.as_deref(),
            consent_text: event.consent_text.as_deref(),
            consent_text_sha256: event.consent_text_sha256.as_deref(),
            hash,
        }
    }
}

fn made(proof: &Proof, locale: Locale, edition: &Edition) -> Result<String, WriteError> {
    let mut tera = Tera::new();
    tera.add_raw_template("proof.html", edition.template)?;
    let events: Vec<EventView> = proof.events.iter().map(|link| EventView::of(link, edition.time)).collect();
    let mut context = Context::new();
    context.insert("lang", locale.tag());
    context.insert("head", &proof.head);
    context.insert("made_at", &(edition.time)(proof.head.made_at));
    context.insert("events", &events);
    context.insert("seal", &proof.seal);
    // In a script element nothing may look like its end.
    let data = serde_json::to_string(proof)?.replace('<', "\\u003c");
    context.insert("data", &data);
    Ok(tera.render("proof.html", &context)?)
}

/// A moment to the second, with its zone. The JSON within the page has it as it was recorded.
#[must_use]
pub fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d, %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;
    use crate::domain::{consent::ConsentEvent, proof::Head};

    fn proof() -> Proof {
        let at: DateTime<Utc> = "2026-11-25T10:00:00.123456Z".parse().unwrap();
        let event = ConsentEvent {
            at,
            kind: ConsentKind::Withdrawn,
            method: ConsentMethod::OneClick,
            email: Some("maria@example.org".into()),
            publication_version: None,
            consent_locale: None,
            consent_text_sha256: None,
            consent_text: None,
            form_page: None,
            client_ip: None,
            message_id: None,
            smtp_code: None,
            smtp_text: None,
            source: None,
            consented_at: None,
            ambiguous: false,
        };
        let keys = SecretKeys::parse(&STANDARD.encode([1; 32])).unwrap();
        let head = Head::new("maria@example.org", "LOK Lausitz", Some("unsubscribed".into()), at);
        Proof::seal(&keys, head, vec![event]).unwrap()
    }

    #[test]
    fn times_are_told_to_the_second_with_their_zone_and_kept_in_full_in_the_record() {
        let page = write(&proof(), Format::Page, Locale::De).unwrap();
        let (visible, record) = page.split_once(BEGIN).unwrap();
        assert!(visible.contains("<dd>2026-11-25, 10:00:00 UTC</dd>"), "{visible}");
        assert!(!visible.contains("123456"), "{visible}");
        assert!(record.contains("2026-11-25T10:00:00.123456Z"), "{record}");
    }

    #[test]
    fn a_page_of_an_earlier_version_is_still_the_page_of_its_proof() {
        for locale in Locale::ALL {
            let before = made(&proof(), locale, &EDITIONS[0]).unwrap();
            assert!(before.contains("<dd>2026-11-25T10:00:00.123456Z</dd>"), "{before}");
            assert!(is_page_of(&proof(), &before));
            assert!(!is_page_of(&proof(), &before.replace("10:00", "11:00")));
        }
    }
}
