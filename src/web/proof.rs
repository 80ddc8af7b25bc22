//! The consent proof as a page to print, for `subscribers show --proof` and for the staff pages: one page, letter for
//! letter, or it could not be checked.

use chrono::{DateTime, SecondsFormat, Utc};
use tera::{Context, Tera};

use crate::{
    domain::{consent, locale::Locale, proof::Proof},
    web::renderer::PageError,
};

/// Where the page holds the proof that a program reads.
const BEGIN: &str = "<script type=\"application/json\" id=\"proof\">";
const END: &str = "</script>";

/// The proof as JSON within a page; nothing when it holds none.
#[must_use]
pub fn json_within(page: &str) -> Option<&str> {
    page.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0))
}

/// Whether a page is the one that is made of this proof, in whichever language, by this version or one before.
#[must_use]
pub fn is_page_of(proof: &Proof, text: &str) -> bool {
    let editions = || EDITIONS.iter().chain([&CURRENT]);
    Locale::ALL
        .into_iter()
        .any(|locale| editions().any(|edition| made(proof, locale, edition).is_ok_and(|made| made == text)))
}

/// How pages of proofs are made. A page is checked letter for letter, so the template of a page that somebody may have
/// kept stays as it is.
struct Edition {
    template: &'static str,
    time: fn(DateTime<Utc>) -> String,
}

const CURRENT: Edition = Edition { template: include_str!("templates/proof.html"), time: written };

/// The editions of before.
const EDITIONS: [Edition; 2] = [
    Edition {
        template: include_str!("proof/edition_1.html"),
        time: |at| at.to_rfc3339_opts(SecondsFormat::Micros, true),
    },
    Edition { template: include_str!("proof/edition_2.html"), time: written },
];

/// A file of the proof for programs.
///
/// # Errors
/// When it cannot be written as JSON; none of ours is like that.
pub fn json(proof: &Proof) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(proof)? + "\n")
}

/// The page.
///
/// # Errors
/// [`PageError`] when the built-in template is broken.
pub fn page(proof: &Proof, locale: Locale) -> Result<String, PageError> {
    made(proof, locale, &CURRENT)
}

fn made(proof: &Proof, locale: Locale, edition: &Edition) -> Result<String, PageError> {
    let mut tera = Tera::new();
    tera.add_raw_template("proof.html", edition.template)?;
    let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
    let events: Vec<serde_json::Value> = proof
        .events
        .iter()
        .map(|link| {
            let mut value = json(serde_json::to_value(&link.event));
            value["what"] = link.event.what().into();
            value["how"] = link.event.how().into();
            value["at"] = (edition.time)(link.event.at).into();
            // The day alone where a list named no more.
            let consented =
                |at| consent::day_alone(at).map_or_else(|| (edition.time)(at), |day| day.to_string());
            value["consented_at"] = link.event.consented_at.map(consented).into();
            value["hash"] = link.hash.as_str().into();
            value
        })
        .collect();
    let mut context = Context::new();
    context.insert("lang", locale.tag());
    context.insert("head", &proof.head);
    context.insert("made_at", &(edition.time)(proof.head.made_at));
    context.insert("events", &events);
    context.insert("seal", &proof.seal);
    // In a script element nothing may look like its end.
    let data = serde_json::to_string(proof).unwrap_or_default().replace('<', "\\u003c");
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
    use crate::{
        config::SecretKeys,
        domain::{
            consent::{ConsentEvent, ConsentKind, ConsentMethod},
            proof::Head,
        },
    };

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
        let page = page(&proof(), Locale::De).unwrap();
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
