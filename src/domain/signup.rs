//! Signups: a visitor's request, waiting for the owner of the address to confirm it.

pub mod address_change;
mod answer;
pub mod challenge;
pub mod discard;
pub mod held;
pub mod limits;
pub mod standing;
mod state;
pub mod surge;
pub mod undelivered;

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    address::{EmailAddress, NormalizedAddress, mailbox},
    bounce,
    consent::{self, ConsentKind, ConsentMethod, NewEvent, Shown},
    event::Event,
    ids::{SignupId, SubscriberId},
    locale::Locale,
    on_request::OnRequest,
    queue::{delivery, withdrawal},
    token::ConfirmTokenHash,
};

pub use self::{
    answer::{confirm, decline},
    state::{Signup, SignupState},
};

use self::limits::ClientNetwork;

/// How long a confirmation link works.
pub const SIGNUP_LIVES: Duration = Duration::days(7);

/// What a visitor sends with the form.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The address, parsed.
    pub email: &'a EmailAddress,
    /// The language to write in.
    pub locale: Locale,
    /// The consent text that stood beside the form, or that the page behind the link will show.
    pub shown: Shown,
    /// Whether the form named that text. Of a form that did not, nobody knows what its visitors have read.
    pub names_text: bool,
    /// The page the form stood on.
    pub form_page: &'a str,
    /// The visitor's IP address, when the operator keeps it.
    pub client_ip: Option<IpAddr>,
    /// Where the form came from, when that can be told.
    pub network: Option<ClientNetwork>,
    /// The subscription that is to move to this address, see [`address_change`]; usually none.
    pub replaces: Option<SubscriberId>,
    /// That staff were asked to enter it, and how, where they say so.
    pub on_request: Option<&'a OnRequest>,
}

/// Takes a request and queues its mail.
///
/// This looks at nothing but the request: whether the address is new, waiting, active, unsubscribed or suppressed
/// is found out when the mail is made. So the answer cannot tell, in status, body or time (invariant 4).
/// The caller commits; after that the request survives kill -9 (invariant 9).
///
/// Where staff ask somebody whether they want to subscribe, it is a signup like any other, with the same limits and the same
/// mail; what they answer decides. The page behind the link shows them the consent text.
pub async fn request(
    db: &mut PgConnection,
    by: &Actor,
    request: &Request<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<SignupId> {
    let is_by_staff = by.is_staff();
    let method = match request.on_request {
        Some(asked) => asked.channel.method(),
        None if is_by_staff => ConsentMethod::Staff,
        None => ConsentMethod::Form,
    };
    let names_text = request.names_text && !is_by_staff;
    let id = SignupId::new();
    let normalized = request.email.normalized();
    sqlx::query!(
        "insert into signups (id, email, email_normalized, locale, publication_version, form_page, requested_at, expires_at,
             client_hmac, range_hmac, replaces, by_staff, mailbox, place_is_shared, names_text)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        id.0,
        request.email.as_str(),
        normalized.as_str(),
        request.locale.tag(),
        request.shown.version,
        request.form_page,
        now,
        now + SIGNUP_LIVES,
        request.network.as_ref().map(|network| network.client.as_slice()),
        request.network.as_ref().map(|network| network.range.as_slice()),
        request.replaces.map(|id| id.0),
        is_by_staff,
        mailbox::of(&normalized),
        request.network.is_some_and(|network| network.of.is_shared()),
        names_text
    )
    .execute(&mut *db)
    .await?;
    let event = NewEvent {
        signup: Some(id),
        shown: names_text.then_some(request.shown),
        form_page: Some(request.form_page),
        client_ip: request.client_ip,
        source: request.on_request.and_then(|asked| asked.note.as_deref()),
        ..NewEvent::new(ConsentKind::Requested, method, request.email, now)
    };
    let told = match request.replaces {
        Some(subscriber) => Event::AddressChangeRequested(id, subscriber),
        None => Event::SignupReceived(id),
    };
    consent::record_and_tell(db, by, &event, &told).await?;
    delivery::enqueue_confirmation(db, id, now).await?;
    Ok(id)
}

/// A signup by its id.
pub async fn by_id(db: &mut PgConnection, id: SignupId) -> sqlx::Result<Option<Signup>> {
    sqlx::query_as!(
        Signup,
        r#"select id as "id: SignupId", email as "email: EmailAddress", locale as "locale: Locale",
             state as "state: SignupState", publication_version, form_page, requested_at, expires_at,
             replaces as "replaces: SubscriberId", by_staff as is_by_staff, names_text
           from signups where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The signup that a confirm token belongs to. Looking changes nothing.
pub async fn by_token(db: &mut PgConnection, token: ConfirmTokenHash) -> sqlx::Result<Option<Signup>> {
    sqlx::query_as!(
        Signup,
        r#"select s.id as "id: SignupId", s.email as "email: EmailAddress", s.locale as "locale: Locale",
             s.state as "state: SignupState", s.publication_version, s.form_page, s.requested_at, s.expires_at,
             s.replaces as "replaces: SubscriberId", s.by_staff as is_by_staff, s.names_text
           from signups s join confirm_tokens t on t.signup_id = s.id where t.token_sha256 = $1"#,
        token.0.as_slice()
    )
    .fetch_optional(db)
    .await
}

/// Which of these signups still wait for their confirmation. They stay as they are until the transaction ends, so that
/// a mail which is marked in it does not start after somebody declined, or had everything erased.
pub async fn still_waiting(
    db: &mut PgConnection,
    ids: &[SignupId],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<SignupId>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_scalar!(
        r#"select id as "id: SignupId" from signups
           where id = any($1) and state = 'waiting' and expires_at > $2 order by id for share"#,
        &ids,
        now
    )
    .fetch_all(db)
    .await
}

/// Keeps the hash of a token that a confirmation mail is about to carry. Keeping it twice does no harm.
///
/// # Errors
/// When the database fails, or when the signup is gone.
pub async fn keep_token(
    db: &mut PgConnection,
    id: SignupId,
    token: ConfirmTokenHash,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into confirm_tokens (token_sha256, signup_id, created_at) values ($1, $2, $3)
         on conflict (token_sha256) do nothing",
        token.0.as_slice(),
        id.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes signups that nobody confirmed, with their mails and their part of the record of consent. Answers how many
/// there were.
pub(in crate::domain) async fn remove(db: &mut PgConnection, ids: &[uuid::Uuid]) -> sqlx::Result<u64> {
    bounce::forget_signups(db, ids).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    consent::forget_signups(db, ids).await?;
    withdrawal::forget_signups(db, ids).await?;
    let removed = sqlx::query!("delete from signups where id = any($1)", ids).execute(db).await?;
    Ok(removed.rows_affected())
}

/// A signup as `subscribers show` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct ListedSignup {
    pub id: SignupId,
    /// Where it stands.
    pub state: SignupState,
    /// The page the form stood on.
    pub form_page: String,
    /// When the form was sent.
    pub requested_at: DateTime<Utc>,
    /// When its links end or ended.
    pub expires_at: DateTime<Utc>,
    /// When it was answered, or ended unanswered.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it was to move a subscription to this address.
    pub is_address_change: bool,
}

/// The signups of an address, oldest first.
pub async fn of_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Vec<ListedSignup>> {
    sqlx::query_as!(
        ListedSignup,
        r#"select id as "id: SignupId", state as "state: SignupState", form_page, requested_at, expires_at, ended_at,
             replaces is not null as "is_address_change!"
           from signups where email_normalized = $1 order by requested_at"#,
        address.as_str()
    )
    .fetch_all(db)
    .await
}

/// A signup that waits, as staff find it.
#[derive(Debug, Clone)]
pub struct WaitingFound {
    pub email: EmailAddress,
    /// When it was made.
    pub requested_at: DateTime<Utc>,
    /// When its links end.
    pub expires_at: DateTime<Utc>,
}

/// Signups that wait for their confirmation, the newest first, up to `limit`. With a text those whose address, last name in it,
/// or domain begins like it; as [`subscriber::search`](crate::domain::subscriber::search) finds subscribers.
///
/// This looks at every signup of a week that was not confirmed: there are no more that can wait.
pub async fn find_waiting(
    db: &mut PgConnection,
    text: &str,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<WaitingFound>> {
    sqlx::query_as!(
        WaitingFound,
        r#"select email as "email: EmailAddress", requested_at, expires_at from signups
           -- Both, because there is an index for the second.
           where state = 'waiting' and state <> 'confirmed' and expires_at > $1
             and (starts_with(email_normalized, $2)
                  or starts_with(substring(email_normalized from '[^@._+-]*@.*$'), $2)
                  or starts_with(substring(email_normalized from '[^@]*$'), $2))
           order by requested_at desc, id desc limit $3"#,
        now,
        text,
        limit
    )
    .fetch_all(db)
    .await
}

/// How many signups wait for their confirmation.
pub async fn count_waiting(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from signups where state = 'waiting' and expires_at > $1"#,
        now
    )
    .fetch_one(db)
    .await
}
