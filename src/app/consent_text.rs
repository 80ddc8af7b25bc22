//! The consent text that a form stood beside, for the record of consent.

use sqlx::PgConnection;

use crate::domain::{
    consent::Shown,
    locale::Locale,
    publication::{self, Publication},
};

/// The text of the version that a form named, and true, if there ever was that version. Else the current one, and false: of a
/// form that names no text nobody knows what its visitors have read.
pub async fn of_form(
    db: &mut PgConnection,
    current: &Publication,
    named: Option<i32>,
    locale: Locale,
) -> sqlx::Result<(Shown, bool)> {
    let older = match named.filter(|version| *version != current.version) {
        Some(version) => publication::version(db, version).await?,
        None => None,
    };
    let names_text = older.is_some() || named == Some(current.version);
    Ok((of(older.as_ref().unwrap_or(current), locale), names_text))
}

/// The text of a publication in a language.
#[must_use]
pub fn of(publication: &Publication, locale: Locale) -> Shown {
    Shown { version: publication.version, locale, sha256: publication.content.consent_sha256(locale) }
}
