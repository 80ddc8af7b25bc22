//! Consent events: the append-only proof of who agreed to what, when and how (Art. 7(1) DSGVO).
//!
//! The database refuses to change or remove an event; see `migrations/0003_consent_events.sql`.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
    ids::{SignupId, SubscriberId},
    locale::Locale,
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "consent_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ConsentKind {
    /// The form was sent with this address.
    Requested,
    /// The relay took the confirmation mail.
    MailAccepted,
    /// The page behind the link in it was opened.
    LinkOpened,
    /// The owner agreed.
    Confirmed,
    /// The owner said "that was not me".
    Declined,
    /// The owner unsubscribed.
    Withdrawn,
    /// Everything about the address was removed.
    Erased,
}

/// By which way it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "consent_method", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ConsentMethod {
    /// The signup form.
    Form,
    /// The mail relay.
    Relay,
    /// A link in a mail.
    Link,
    /// A button on a page of ours.
    Button,
    /// The mail program's own unsubscribe button (RFC 8058).
    OneClick,
    /// The undo button under "unsubscribed".
    Undo,
    /// A file brought in by the operator.
    Import,
    /// The operator, by command.
    Staff,
    /// Another address took its place, whose owner pressed confirm.
    AddressChange,
    /// Nobody: its time was over.
    Retention,
}

/// One event to be recorded. Only `kind`, `method` and the address are always known.
#[derive(Debug, Clone)]
pub struct NewEvent<'a> {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: ConsentKind,
    /// How.
    pub method: ConsentMethod,
    /// Whose consent.
    pub email: &'a EmailAddress,
    /// The signup it belongs to.
    pub signup: Option<SignupId>,
    /// The subscriber it belongs to.
    pub subscriber: Option<SubscriberId>,
    /// The text that was shown.
    pub shown: Option<Shown>,
    /// The page the form stood on.
    pub form_page: Option<&'a str>,
    /// The visitor's IP address, when the operator keeps it (`KEEP_IP_DAYS`).
    pub client_ip: Option<IpAddr>,
    /// Import: where the consent came from.
    pub source: Option<&'a str>,
    /// Import: when it was given.
    pub consented_at: Option<DateTime<Utc>>,
}

/// The day of a consent from a list that named no time of day: such a day is kept as its midnight in UTC.
#[must_use]
pub fn day_alone(consented_at: DateTime<Utc>) -> Option<NaiveDate> {
    (consented_at.time() == NaiveTime::MIN).then(|| consented_at.date_naive())
}

/// The consent text that a visitor had before their eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The publication's version.
    pub version: i32,
    /// The language it was shown in.
    pub locale: Locale,
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
}

impl<'a> NewEvent<'a> {
    /// An event with nothing but what is always known.
    #[must_use]
    pub fn new(kind: ConsentKind, method: ConsentMethod, email: &'a EmailAddress, at: DateTime<Utc>) -> Self {
        Self {
            at,
            kind,
            method,
            email,
            signup: None,
            subscriber: None,
            shown: None,
            form_page: None,
            client_ip: None,
            source: None,
            consented_at: None,
        }
    }
}

/// Records an event.
///
/// # Errors
/// When the database fails.
pub async fn record(db: &mut PgConnection, event: &NewEvent<'_>) -> sqlx::Result<()> {
    let normalized = event.email.normalized();
    sqlx::query!(
        "insert into consent_events (at, kind, method, email, email_normalized, signup_id, subscriber_id,
             publication_version, consent_locale, consent_text_sha256, form_page, client_ip, source, consented_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::inet, $13, $14)",
        event.at,
        event.kind as ConsentKind,
        event.method as ConsentMethod,
        event.email.as_str(),
        normalized.as_str(),
        event.signup.map(|id| id.0),
        event.subscriber.map(|id| id.0),
        event.shown.map(|shown| shown.version),
        event.shown.map(|shown| shown.locale.tag()),
        event.shown.map(|shown| shown.sha256.to_vec()),
        event.form_page,
        event.client_ip.map(|ip| ip.to_string()),
        event.source,
        event.consented_at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records that the relay took the confirmation mail of a signup, with its answer.
///
/// # Errors
/// When the database fails.
pub async fn record_mail_accepted(
    db: &mut PgConnection,
    signup: SignupId,
    message_id: &str,
    (code, text): (i16, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // Taken from the signup in the same statement: a signup erased meanwhile leaves no trace.
    sqlx::query!(
        "insert into consent_events (at, kind, method, email, email_normalized, signup_id, message_id, smtp_code, smtp_text)
         select $1, 'mail_accepted', 'relay', email, email_normalized, id, $3, $4, $5 from signups where id = $2",
        now,
        signup.0,
        message_id,
        code,
        text
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records an erasure: the HMAC of the address, not the address.
///
/// # Errors
/// When the database fails.
pub async fn record_erased(
    db: &mut PgConnection,
    address_hmac: &[u8; 32],
    method: ConsentMethod,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into consent_events (at, kind, method, address_hmac) values ($1, 'erased', $2, $3)",
        now,
        method as ConsentMethod,
        address_hmac.as_slice()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes every event of an address (Art. 17 DSGVO); answers how many there were.
///
/// # Errors
/// When the database fails.
pub async fn erase(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<i64> {
    let removed =
        sqlx::query_scalar!("select erase_consent_events($1)", address.as_str()).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}

/// Removes every event of these signups, which nobody confirmed; answers how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget_signups(db: &mut PgConnection, signups: &[uuid::Uuid]) -> sqlx::Result<i64> {
    let removed = sqlx::query_scalar!("select forget_signup_events($1)", signups).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}

/// Forgets IP addresses recorded before a moment; answers how many.
///
/// # Errors
/// When the database fails.
pub async fn forget_client_ips(db: &mut PgConnection, recorded_before: DateTime<Utc>) -> sqlx::Result<i64> {
    let forgotten =
        sqlx::query_scalar!("select forget_client_ips($1)", recorded_before).fetch_one(db).await?;
    Ok(forgotten.unwrap_or(0))
}

/// One event as it was recorded, for the consent proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: ConsentKind,
    /// How.
    pub method: ConsentMethod,
    /// The address as it was typed.
    pub email: Option<String>,
    /// The publication's version whose text was shown.
    pub publication_version: Option<i32>,
    /// The language it was shown in.
    pub consent_locale: Option<String>,
    /// SHA-256 of that text, in hex.
    pub consent_text_sha256: Option<String>,
    /// The text itself, from the publication's version.
    pub consent_text: Option<String>,
    /// The page the form stood on.
    pub form_page: Option<String>,
    /// The visitor's IP address, while it is kept.
    pub client_ip: Option<String>,
    /// Message-ID of the confirmation mail.
    pub message_id: Option<String>,
    /// The relay's reply code.
    pub smtp_code: Option<i16>,
    /// The relay's reply.
    pub smtp_text: Option<String>,
    /// Import: where the consent came from.
    pub source: Option<String>,
    /// Import: when it was given.
    pub consented_at: Option<DateTime<Utc>>,
}

/// Everything recorded of an address, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Vec<ConsentEvent>> {
    sqlx::query_as!(
        ConsentEvent,
        r#"select e.at, e.kind as "kind: ConsentKind", e.method as "method: ConsentMethod", e.email,
             e.publication_version, e.consent_locale,
             encode(e.consent_text_sha256, 'hex') as consent_text_sha256,
             coalesce(
                 nullif(p.content #>> array['texts', e.consent_locale, 'consent'], ''),
                 p.content #>> array['texts', p.content ->> 'locale', 'consent']
             ) as consent_text,
             e.form_page, host(e.client_ip) as client_ip, e.message_id, e.smtp_code, e.smtp_text, e.source,
             e.consented_at
           from consent_events e left join publications p on p.version = e.publication_version
           where e.email_normalized = $1 order by e.at, e.id"#,
        address.as_str()
    )
    .fetch_all(db)
    .await
}
