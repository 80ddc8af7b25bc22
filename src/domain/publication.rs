//! The publication: the newsletter's identity and its legal texts, version by version.

pub mod draft;
mod origin;
mod retention;
mod sender;
mod soft_bounces;
mod theme;

pub use origin::Origin;
pub use retention::Retention;
pub use sender::SenderIdentity;
pub use soft_bounces::SoftBounces;
pub use theme::{Accent, AccentError, LEAST_CONTRAST, Logo, TimeZone, contrast};

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, types::Json};
use url::Url;

use crate::domain::locale::Locale;

/// One version of the publication, as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// Counts up with every change.
    pub version: i32,
    /// When it was applied.
    pub applied_at: DateTime<Utc>,
    /// What it says.
    pub content: Content,
}

/// What a publication file says. Anything may be left out at first; [`Content::missing`] lists what sending needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Name of the newsletter, as readers know it.
    pub name: String,
    /// The language of pages and mails where nothing else is asked for.
    #[serde(default)]
    pub locale: Locale,
    /// The project's own site.
    #[serde(default)]
    pub website: Option<Url>,
    /// Where the privacy policy is (Art. 13 DSGVO).
    #[serde(default)]
    pub privacy_url: Option<Url>,
    /// The sites whose pages may send the signup form. [`Content::origins`] knows what holds when none are named.
    // Left out of the JSON when it is not set: a publication from before there was this field stays what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<Origin>>,
    /// The IANA name of the time zone in which times are written, default `Europe/Berlin`.
    #[serde(default)]
    pub time_zone: TimeZone,
    /// Colour of buttons and links in mails, box and pages, `#rrggbb`; at least 4.5:1 on white.
    #[serde(default)]
    pub accent: Accent,
    /// Who the mail is from.
    #[serde(default)]
    pub sender: SenderIdentity,
    /// A picture at the top of every mail and page.
    #[serde(default)]
    pub logo: Option<Logo>,
    /// The logos of those who pay for the project, under every mail and page.
    // Left out of the JSON when there are none, as `allowed_origins` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funding_logos: Vec<Logo>,
    /// The retention periods that the operator may choose.
    // Left out of the JSON when nobody has chosen, as `allowed_origins` is.
    #[serde(default, skip_serializing_if = "Retention::is_default")]
    pub retention: Retention,
    /// When an address is given up of which mail comes back for reasons that may pass.
    // Left out of the JSON when nobody has chosen, as `allowed_origins` is.
    #[serde(default, skip_serializing_if = "SoftBounces::is_default")]
    pub bounces: SoftBounces,
    /// The wording, by language.
    #[serde(default)]
    pub texts: BTreeMap<Locale, Texts>,
}

/// The wording in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Heading of the signup box.
    #[serde(default)]
    pub heading: String,
    /// The line under it.
    #[serde(default)]
    pub teaser: String,
    /// What the visitor agrees to. Consent events point at exactly this text.
    #[serde(default)]
    pub consent: String,
    /// How often mail comes, in words.
    #[serde(default)]
    pub frequency: String,
    /// Who pays for the project.
    #[serde(default)]
    pub funding_notice: String,
    /// The imprint (§ 5 DDG), several lines.
    #[serde(default)]
    pub imprint: String,
}

/// Characters of a text that stands in a line: names, addresses, headings.
pub const LONGEST_LINE: usize = 500;

/// Characters of a text that may have several lines: consent, imprint, funding notice. Each mail carries them.
pub const LONGEST_TEXT: usize = 10_000;

/// Why a publication file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The file is not what it should be; the message names the line. Tell the operator.
    #[error("{0}")]
    File(String),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Content {
    /// Reads a publication file (TOML).
    ///
    /// # Errors
    /// [`PublicationError::File`] with the line and what to write there.
    pub fn parse(file: &str) -> Result<Self, PublicationError> {
        let mut content: Content =
            toml::from_str(file).map_err(|error| PublicationError::File(error.to_string()))?;
        if content.name.trim().is_empty() {
            return Err(PublicationError::File("name is empty: write the newsletter's name there".into()));
        }
        for text in content.texts.values_mut() {
            for field in [&mut text.consent, &mut text.imprint, &mut text.funding_notice] {
                *field = field.trim().to_owned();
            }
        }
        // Merge fields, which become a recipient's own links, are made of control characters.
        let value =
            toml::Value::try_from(&content).map_err(|error| PublicationError::File(error.to_string()))?;
        if let Some(field) = field_with_control_character(&value, "") {
            return Err(PublicationError::File(format!("{field} holds a control character")));
        }
        if let Some((field, most)) = too_long(&value, "") {
            return Err(PublicationError::File(format!(
                "{field} is longer than {most} characters; shorten it"
            )));
        }
        let lines = [("name", &content.name), ("sender.name", &content.sender.name)];
        if let Some((field, _)) = lines.iter().find(|(_, text)| text.chars().any(char::is_control)) {
            return Err(PublicationError::File(format!("{field} must be a single line")));
        }
        let urls = [("website", &content.website), ("privacy_url", &content.privacy_url)];
        for (field, url) in urls {
            if url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
                return Err(PublicationError::File(format!("{field} must begin with https://")));
            }
        }
        content.retention.check().map_err(|problem| PublicationError::File(problem.into()))?;
        let bounces = content.bounces.check(content.retention);
        bounces.map_err(|problem| PublicationError::File(problem.into()))?;
        let logo = content.logo.iter().map(|logo| ("logo", logo));
        for (field, logo) in logo.chain(content.funding_logos.iter().map(|logo| ("funding_logos", logo))) {
            logo.check().map_err(|problem| PublicationError::File(format!("{field}{problem}")))?;
        }
        Ok(content)
    }

    /// The fields that sending needs and that are not set, by their names in the file. Empty means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.sender.name.trim().is_empty() {
            missing.push("sender.name".to_owned());
        }
        if self.sender.address.is_none() {
            missing.push("sender.address".to_owned());
        }
        if self.privacy_url.is_none() {
            missing.push("privacy_url".to_owned());
        }
        for locale in Locale::ALL {
            let texts = self.own_texts(locale);
            if texts.is_none_or(|texts| texts.imprint.is_empty()) {
                missing.push(format!("texts.{locale}.imprint"));
            }
            if texts.is_none_or(|texts| texts.consent.is_empty()) {
                missing.push(format!("texts.{locale}.consent"));
            }
        }
        missing
    }

    /// The wording in a language, or in the publication's own where that one is not written.
    #[must_use]
    pub fn texts(&self, locale: Locale) -> Texts {
        self.own_texts(locale).or_else(|| self.own_texts(self.locale)).cloned().unwrap_or_default()
    }

    /// The sites whose pages may send the signup form: those that are named, else the project's own.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        self.allowed_origins.clone().unwrap_or_else(|| self.website.iter().map(Origin::of).collect())
    }

    /// Every logo that pages show, at the top and at the foot.
    pub fn logos(&self) -> impl Iterator<Item = &Logo> {
        self.logo.iter().chain(&self.funding_logos)
    }

    /// SHA-256 of the consent text in a language, as consent events record it.
    #[must_use]
    pub fn consent_sha256(&self, locale: Locale) -> [u8; 32] {
        Sha256::digest(self.texts(locale).consent.as_bytes()).into()
    }

    /// The day of a moment as readers see it, such as `23. November 2026`.
    #[must_use]
    pub fn written_day(&self, at: DateTime<Utc>, locale: Locale) -> String {
        written_date(at.with_timezone(&self.time_zone.0).date_naive(), locale)
    }

    /// A moment as readers see it, such as `23. November 2026, 14:05 Uhr`.
    #[must_use]
    pub fn written_time(&self, at: DateTime<Utc>, locale: Locale) -> String {
        let language = locale.language();
        language.time(language.date_and_time, at.with_timezone(&self.time_zone.0).naive_local())
    }

    fn own_texts(&self, locale: Locale) -> Option<&Texts> {
        self.texts.get(&locale)
    }
}

/// A date as readers see it: `23. November 2026` or `23 November 2026`.
#[must_use]
pub fn written_date(date: NaiveDate, locale: Locale) -> String {
    locale.language().time(locale.language().date, date.and_time(NaiveTime::MIN))
}

/// The name of a text that holds a control character other than a line break or a tab.
fn field_with_control_character(value: &toml::Value, name: &str) -> Option<String> {
    match value {
        toml::Value::String(text) => {
            text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)).then(|| name.to_owned())
        }
        toml::Value::Table(table) => table.iter().find_map(|(key, value)| {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            field_with_control_character(value, &name)
        }),
        _ => None,
    }
}

/// The name of a text that is longer than it may be, and how long it may be.
fn too_long(value: &toml::Value, name: &str) -> Option<(String, usize)> {
    let of_part = |key: &str, value| {
        let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        too_long(value, &name)
    };
    match value {
        toml::Value::String(text) => {
            let last = name.rsplit('.').next().unwrap_or_default();
            let has_lines = matches!(last, "consent" | "imprint" | "funding_notice");
            let most = if has_lines { LONGEST_TEXT } else { LONGEST_LINE };
            (text.chars().nth(most).is_some()).then(|| (name.to_owned(), most))
        }
        toml::Value::Table(table) => table.iter().find_map(|(key, value)| of_part(key, value)),
        toml::Value::Array(parts) => {
            parts.iter().zip(1..).find_map(|(value, number)| of_part(&number.to_string(), value))
        }
        _ => None,
    }
}

/// What [`apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// A new version was made.
    New(i32),
    /// The file says what the current version says already.
    Unchanged(i32),
}

/// Lets one at a time change the publication, until the end of the transaction.
pub async fn lock(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1)", CHANGE_LOCK).execute(db).await?;
    Ok(())
}

const CHANGE_LOCK: i64 = 0x5255_4E44_0003;

/// Makes `content` the current version, unless it is that already.
pub async fn apply(db: &mut PgConnection, content: &Content, now: DateTime<Utc>) -> sqlx::Result<Applied> {
    // Field order in the struct is fixed and maps are sorted, so equal content has equal JSON.
    let json = serde_json::to_vec(content).unwrap_or_default();
    let sha256: [u8; 32] = Sha256::digest(&json).into();
    if let Some(current) = current_row(db).await?
        && current.1 == sha256
    {
        return Ok(Applied::Unchanged(current.0));
    }
    let version = sqlx::query_scalar!(
        "insert into publications (applied_at, content, content_sha256) values ($1, $2, $3) returning version",
        now,
        Json(content) as _,
        sha256.as_slice()
    )
    .fetch_one(db)
    .await?;
    Ok(Applied::New(version))
}

async fn current_row(db: &mut PgConnection) -> sqlx::Result<Option<(i32, Vec<u8>)>> {
    let row = sqlx::query!("select version, content_sha256 from publications order by version desc limit 1")
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| (row.version, row.content_sha256)))
}

/// The current version; nothing before the first `publication apply`.
pub async fn current(db: &mut PgConnection) -> sqlx::Result<Option<Publication>> {
    let row = sqlx::query!(
        r#"select version, applied_at, content as "content: Json<Content>"
           from publications order by version desc limit 1"#
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Publication {
        version: row.version,
        applied_at: row.applied_at,
        content: row.content.0,
    }))
}

/// The number of the current version; nothing before there is one.
pub async fn current_version(db: &mut PgConnection) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!("select max(version) from publications").fetch_one(db).await
}

/// A version by its number.
pub async fn version(db: &mut PgConnection, version: i32) -> sqlx::Result<Option<Publication>> {
    let row = sqlx::query!(
        r#"select version, applied_at, content as "content: Json<Content>" from publications where version = $1"#,
        version
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Publication {
        version: row.version,
        applied_at: row.applied_at,
        content: row.content.0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_listed_by_its_name_in_the_file() {
        let content = Content::parse("name = \"N\"\n[texts.de]\nimprint = \"I\"\n").unwrap();
        assert_eq!(
            content.missing(),
            [
                "sender.name",
                "sender.address",
                "privacy_url",
                "texts.de.consent",
                "texts.en.imprint",
                "texts.en.consent"
            ]
        );
    }

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_line() {
        let error =
            Content::parse("name = \"N\"\nprivcy_url = \"https://x.example\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("privcy_url"), "{error}");
        let error = Content::parse("name = \"N\"\n[sender]\naddress = \"nobody\"\n").unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("sender.address: the email address has no @"),
            "{error}"
        );
    }

    #[test]
    fn nothing_in_the_file_can_pass_for_a_merge_field() {
        let error =
            Content::parse("name = \"N\"\n[texts.de]\nimprint = \"a\\u0001b\"\n").unwrap_err().to_string();
        assert!(error.contains("texts.de.imprint"), "{error}");
    }

    #[test]
    fn the_website_may_send_forms_unless_others_are_named() {
        let origins = |file: &str| {
            let content = Content::parse(&format!("name = \"N\"\n{file}")).unwrap();
            content.origins().iter().map(|origin| origin.as_str().to_owned()).collect::<Vec<_>>()
        };
        let website = "website = \"https://www.example.org/projekt/\"\n";
        assert_eq!(origins(""), [""; 0]);
        assert_eq!(origins(website), ["https://www.example.org"]);
        assert_eq!(origins(&format!("{website}allowed_origins = []")), [""; 0]);
        assert_eq!(
            origins(&format!(
                "{website}allowed_origins = [\"https://example.org\", \"http://localhost:3000\"]"
            )),
            ["https://example.org", "http://localhost:3000"]
        );
    }

    #[test]
    fn a_site_that_is_no_origin_is_told_with_its_field() {
        let file = "name = \"N\"\nallowed_origins = [\n  \"https://example.org\",\n  \"example.org\",\n]\n";
        let error = Content::parse(file).unwrap_err().to_string();
        assert!(error.contains("allowed_origins: \"example.org\" is not"), "{error}");
    }

    #[test]
    fn a_publication_from_before_there_were_origins_reads_and_stays_as_it_was() {
        let stored = r#"{"name":"N","locale":"de","website":"https://www.example.org/"}"#;
        let content: Content = serde_json::from_str(stored).unwrap();
        assert_eq!(content.origins()[0].as_str(), "https://www.example.org");
        assert!(!serde_json::to_string(&content).unwrap().contains("allowed_origins"));
    }

    #[test]
    fn a_logo_without_words_or_from_a_strange_place_is_refused_with_its_field() {
        let refused =
            |logo: &str| Content::parse(&format!("name = \"N\"\n{logo}\n")).unwrap_err().to_string();
        let error = refused(
            "[[funding_logos]]\nurl = \"https://example.org/l.png\"\nalt = \"\"\nwidth = 9\nheight = 9",
        );
        assert!(error.starts_with("funding_logos needs alt"), "{error}");
        let error = refused("[logo]\nurl = \"data:image/png;base64,AA\"\nalt = \"L\"\nwidth = 9\nheight = 9");
        assert!(error.starts_with("logo.url must begin with https://"), "{error}");
    }

    #[test]
    fn an_accent_too_pale_to_read_is_refused() {
        let error = Content::parse("name = \"N\"\naccent = \"#ffcc00\"\n").unwrap_err().to_string();
        assert!(error.contains("4.5:1") && error.contains("#907300"), "{error}");
    }

    #[test]
    fn times_are_written_in_the_readers_language_and_the_publications_zone() {
        let content = Content::default();
        let at = DateTime::parse_from_rfc3339("2026-07-01T12:05:00Z").unwrap().to_utc();
        assert_eq!(content.written_time(at, Locale::De), "1. Juli 2026, 14:05 Uhr");
        assert_eq!(content.written_time(at, Locale::En), "1 July 2026, 14:05");
    }
}
