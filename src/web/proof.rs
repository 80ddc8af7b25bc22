//! The consent proof as a page to print, for `subscribers show --proof` and for the staff pages: one page, letter for
//! letter, or it could not be checked.

use chrono::{DateTime, SecondsFormat, Utc};
use tera::{Context, Tera};

use crate::domain::{consent, locale::Locale, proof::Proof};

use super::pages::PageError;

/// Where the page holds the proof that a program reads.
const BEGIN: &str = "<script type=\"application/json\" id=\"proof\">";
const END: &str = "</script>";

/// The proof as JSON within a page; nothing when it holds none.
#[must_use]
pub fn json_within(page: &str) -> Option<&str> {
    page.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0))
}

/// Whether a page is the one that is made of this proof, in whichever language.
#[must_use]
pub fn is_page_of(proof: &Proof, text: &str) -> bool {
    Locale::ALL.into_iter().any(|locale| page(proof, locale).is_ok_and(|made| made == text))
}

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
    let mut tera = Tera::new();
    tera.add_raw_template("proof.html", include_str!("templates/proof.html"))?;
    let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
    let events: Vec<serde_json::Value> = proof
        .events
        .iter()
        .map(|link| {
            let mut value = json(serde_json::to_value(&link.event));
            value["at"] = exact(link.event.at).into();
            value["consented_at"] = link.event.consented_at.map(day_or_exact).into();
            value["hash"] = link.hash.as_str().into();
            value
        })
        .collect();
    let mut context = Context::new();
    context.insert("lang", locale.tag());
    context.insert("head", &proof.head);
    context.insert("made_at", &exact(proof.head.made_at));
    context.insert("events", &events);
    context.insert("seal", &proof.seal);
    // In a script element nothing may look like its end.
    let data = serde_json::to_string(proof).unwrap_or_default().replace('<', "\\u003c");
    context.insert("data", &data);
    Ok(tera.render("proof.html", &context)?)
}

/// A moment from a list, or the day alone where the list named no more.
fn day_or_exact(at: DateTime<Utc>) -> String {
    consent::day_alone(at).map_or_else(|| exact(at), |day| day.to_string())
}

/// A moment to the microsecond, in UTC.
#[must_use]
pub fn exact(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
