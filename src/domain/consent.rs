//! Consent events: the append-only proof of who agreed to what, when and how (Art. 7(1) DSGVO).
//!
//! The database refuses to change or remove an event; see `migrations/0003_consent_events.sql`.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    address::{EmailAddress, NormalizedAddress},
    event::{self, Event},
    ids::{SignupId, SubscriberId},
    locale::Locale,
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, strum::IntoStaticStr)]
#[sqlx(type_name = "consent_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ConsentKind {
    /// The form was sent with this address.
    Requested,
    /// The relay took the confirmation mail.
    MailAccepted,
    /// The page behind the link in it was opened.
    LinkOpened,
    /// The owner agreed.
    Confirmed,
    /// "That was not me" was said behind the link.
    Declined,
    /// The request was not answered before another one took its place.
    Superseded,
    /// A request was called off before it was answered: for another address by its owner, or any of them by staff on request.
    Cancelled,
    /// A request for another address was not answered before the subscription ended that was to move.
    Lapsed,
    /// The relay took the mail that says "you are subscribed already".
    ToldSubscribed,
    /// The consent ended for this address.
    Withdrawn,
    /// Everything about the address was removed.
    Erased,
    /// A list that was brought in says that the owner left, or was blocked, where the list comes from.
    ListedUnsubscribed,
    /// A list says that mail came back.
    ListedBounced,
    /// A list says that the owner reported mail as spam.
    ListedComplained,
}

impl ConsentKind {
    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
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
    /// A link in a mail; of a POST it is not known whether a button of ours was pressed, and by whom.
    Link,
    /// A button on a page of ours: the request brought what only that page's form has.
    Button,
    /// The mail program's own unsubscribe button (RFC 8058).
    OneClick,
    /// The undo button on the page that answered the unsubscribe; the event names that page.
    Undo,
    /// A file brought in by the operator.
    Import,
    /// A staff member, on the staff pages.
    Staff,
    /// The operator, by command. Earlier versions recorded this as `staff`.
    Command,
    /// A staff member, because the owner of the address asked for it on the telephone; the event's `source` may say more.
    Phone,
    /// The same, by a letter.
    Letter,
    /// The same, face to face.
    InPerson,
    /// The same, by an email to the project.
    Mail,
    /// Another address took its place, whose owner pressed confirm.
    AddressChange,
    /// Nobody: its time was over.
    Retention,
    /// The settings page of the subscription, which every mail links to.
    Settings,
    /// A newer request for another address of the same subscription.
    NewerRequest,
    /// Another signup of the same address, which was confirmed.
    OtherSignup,
    /// The subscription it belonged to ended.
    Withdrawal,
}

impl ConsentMethod {
    /// Whether a staff member did it, and nobody else.
    fn is_by_staff(self) -> bool {
        matches!(self, Self::Staff | Self::Phone | Self::Letter | Self::InPerson | Self::Mail)
    }
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
    /// The page the form stood on, or the button.
    pub form_page: Option<&'a str>,
    /// The visitor's IP address, when the operator keeps it (`KEEP_IP_DAYS`).
    pub client_ip: Option<IpAddr>,
    /// Import: where the consent came from. On request: what staff noted of it.
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
pub async fn record(db: &mut PgConnection, event: &NewEvent<'_>) -> sqlx::Result<()> {
    write(db, event, None).await
}

/// Records an event, and tells of it by an [`Event`] in the same statement. So whatever withdraws a consent tells of that,
/// and a signup takes no round trip more.
pub async fn record_and_tell(
    db: &mut PgConnection,
    by: &Actor,
    event: &NewEvent<'_>,
    told: &Event,
) -> sqlx::Result<()> {
    write(db, event, Some((by, told))).await
}

async fn write(
    db: &mut PgConnection,
    event: &NewEvent<'_>,
    told: Option<(&Actor, &Event)>,
) -> sqlx::Result<()> {
    let normalized = event.email.normalized();
    sqlx::query!(
        "with told as (
             insert into events (at, kind, actor, ids) select $1, $15, $16, $17 where $15::text is not null)
         insert into consent_events (at, kind, method, email, email_normalized, signup_id, subscriber_id,
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
        event.consented_at,
        told.map(|(_, told)| told.kind()),
        told.map(|(by, _)| by.kind()),
        told.map(|(_, told)| told.ids())
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records that the relay took the mail that answers a signup, with the relay's reply. `kind` says which mail it was:
/// [`ConsentKind::MailAccepted`] or [`ConsentKind::ToldSubscribed`].
pub async fn record_answer_accepted(
    db: &mut PgConnection,
    kind: ConsentKind,
    signup: SignupId,
    message_id: &str,
    (code, text): (i16, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // Taken from the signup in the same statement: a signup erased meanwhile leaves no trace.
    sqlx::query!(
        "insert into consent_events (at, kind, method, email, email_normalized, signup_id, message_id, smtp_code, smtp_text)
         select $1, $6, 'relay', email, email_normalized, id, $3, $4, $5 from signups where id = $2",
        now,
        signup.0,
        message_id,
        code,
        text,
        kind as ConsentKind
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records an erasure: the HMAC of the address, not the address. The event that tells of it names this record, and the
/// subscriber that is gone.
pub async fn record_erased(
    db: &mut PgConnection,
    by: &Actor,
    address_hmac: &[u8; 32],
    subscriber: Option<SubscriberId>,
    method: ConsentMethod,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with erased as (
             insert into consent_events (at, kind, method, address_hmac) values ($1, 'erased', $2, $3) returning id)
         insert into events (at, kind, actor, ids)
         select $1, $4, $5, jsonb_strip_nulls(jsonb_build_object('consent_event', id, 'subscriber', $6::uuid)) from erased",
        now,
        method as ConsentMethod,
        address_hmac.as_slice(),
        event::SUBSCRIBER_ERASED,
        by.kind(),
        subscriber.map(|id| id.0)
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes every event of an address (Art. 17 DSGVO); answers how many there were.
pub async fn erase(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<i64> {
    let removed =
        sqlx::query_scalar!("select erase_consent_events($1)", address.as_str()).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}

/// Removes every event of these signups, which nobody confirmed; answers how many there were.
pub async fn forget_signups(db: &mut PgConnection, signups: &[uuid::Uuid]) -> sqlx::Result<i64> {
    let removed = sqlx::query_scalar!("select forget_signup_events($1)", signups).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}

/// Forgets IP addresses recorded before a moment; answers how many.
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
    /// The page the form stood on, as far as the form said; or the page of ours with the button.
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
    /// The event claims more than was known: an earlier version wrote `button` also where nobody can know whether one was
    /// pressed, `declined` also where a request for another address was replaced or called off, and `undo` also where
    /// somebody else than who had left may have pressed it, with a forwarded link.
    ///
    /// Left out of JSON when false, so that proofs made before verify as they did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
}

impl ConsentEvent {
    /// What happened, as a key for the pages' texts: the kind, or kind and method where the kind alone would claim an
    /// act of the person that was another's.
    #[must_use]
    pub fn what(&self) -> &'static str {
        use {ConsentKind as Kind, ConsentMethod as Method};
        match (self.kind, self.method) {
            (Kind::Requested, by) if by.is_by_staff() => "requested_by_staff",
            (Kind::Requested, _) => "requested",
            (Kind::MailAccepted, _) => "mail_accepted",
            (Kind::ToldSubscribed, _) => "told_subscribed",
            (Kind::LinkOpened, _) => "link_opened",
            (Kind::Confirmed, Method::Import) => "confirmed_elsewhere",
            (Kind::Confirmed, Method::Undo) => "confirmed_again",
            (Kind::Confirmed, _) => "confirmed",
            (Kind::Declined, _) if self.ambiguous => "ended",
            (Kind::Declined, _) => "declined",
            (Kind::Superseded, _) => "superseded",
            (Kind::Cancelled, by) if by.is_by_staff() => "discarded",
            (Kind::Cancelled, _) => "cancelled",
            (Kind::Lapsed, _) => "lapsed",
            (Kind::Withdrawn, Method::AddressChange) => "moved",
            (Kind::Withdrawn, by) if by.is_by_staff() => "unsubscribed",
            (Kind::Withdrawn, Method::Command | Method::Import | Method::Retention) => "unsubscribed",
            (Kind::Withdrawn, _) => "withdrawn",
            (Kind::Erased, _) => "erased",
            (Kind::ListedUnsubscribed | Kind::ListedBounced | Kind::ListedComplained, _) => self.kind.name(),
        }
    }

    /// By which way it happened, as a key for the pages' texts.
    #[must_use]
    pub fn how(&self) -> &'static str {
        if self.ambiguous {
            return match (self.kind, self.method) {
                (_, ConsentMethod::Undo) => "undo_by_link",
                (ConsentKind::Declined, _) => "unrecorded",
                _ => "link",
            };
        }
        match self.method {
            ConsentMethod::Form => "form",
            ConsentMethod::Relay => "relay",
            ConsentMethod::Link => "link",
            ConsentMethod::Button => "button",
            ConsentMethod::OneClick => "one_click",
            ConsentMethod::Undo if self.form_page.is_some() => "undo_on_page",
            ConsentMethod::Undo => "undo",
            ConsentMethod::Import => "import",
            ConsentMethod::Staff => "staff",
            ConsentMethod::Command => "command",
            ConsentMethod::Phone => "phone",
            ConsentMethod::Letter => "letter",
            ConsentMethod::InPerson => "in_person",
            ConsentMethod::Mail => "mail",
            ConsentMethod::AddressChange => "address_change",
            ConsentMethod::Retention => "retention",
            ConsentMethod::Settings => "settings",
            ConsentMethod::NewerRequest => "newer_request",
            ConsentMethod::OtherSignup => "other_signup",
            ConsentMethod::Withdrawal => "withdrawal",
        }
    }
}

/// Everything recorded of an address, oldest first.
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
             e.consented_at,
             -- A button of ours leaves its page in the record today: a press behind a confirmation link brings with it
             -- when that page was opened, and an unsubscribe names the page. So does what takes one back.
             case e.method
                 when 'button' then case e.kind
                     when 'withdrawn' then e.form_page is null
                     when 'confirmed' then not o.was_opened
                     when 'declined' then not o.was_opened
                     else false
                 end
                 when 'undo' then e.form_page is null
                 else false
             end as "ambiguous!"
           from consent_events e left join publications p on p.version = e.publication_version
           cross join lateral (
               select exists (select from consent_events l where l.email_normalized = e.email_normalized
                              and l.signup_id = e.signup_id and l.kind = 'link_opened') as was_opened) o
           where e.email_normalized = $1 order by e.at, e.id"#,
        address.as_str()
    )
    .fetch_all(db)
    .await
}
