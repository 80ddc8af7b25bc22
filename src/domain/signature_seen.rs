//! What was last seen of the relay's DKIM signature on a mail that arrived: whether it covers what unsubscribing with one
//! click needs (RFC 8058 §4).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What a signature is worth for unsubscribing with one click, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, strum::IntoStaticStr)]
#[sqlx(type_name = "signature_verdict", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SignatureVerdict {
    /// There is none.
    Unsigned,
    /// None covers both headers.
    Incomplete,
    /// One covers both, and the receiver did not find it valid.
    Failed,
    /// One covers both; whether it is valid the head does not say.
    Unproven,
    /// One covers both, and the receiver found it valid.
    Right,
}

impl SignatureVerdict {
    /// Its name in the database, the audit log and the texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What was seen on one mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSignature {
    /// What it is worth.
    pub verdict: SignatureVerdict,
    /// The domain that signed (`d=`); empty without a signature.
    pub signing_domain: String,
    /// The name of its key (`s=`); likewise.
    pub selector: String,
    /// The headers that it does not cover, separated by `, `.
    pub missing: String,
    /// When the mail was sent, by its `Date`.
    pub mail_dated: DateTime<Utc>,
}

/// Keeps what was seen on a mail from `sender_domain` while `relay` was set. Returns whether it did: a later mail that was
/// looked at before says more.
pub async fn keep(
    db: &mut PgConnection,
    sender_domain: &str,
    relay: &str,
    seen: &SeenSignature,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let kept = sqlx::query!(
        "insert into signatures_seen
             (sender_domain, relay, verdict, signing_domain, selector, missing, mail_dated, seen_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (sender_domain, relay) do update
             set verdict = excluded.verdict, signing_domain = excluded.signing_domain, selector = excluded.selector,
                 missing = excluded.missing, mail_dated = excluded.mail_dated, seen_at = excluded.seen_at
             where signatures_seen.mail_dated <= excluded.mail_dated",
        sender_domain,
        relay,
        seen.verdict as SignatureVerdict,
        seen.signing_domain,
        seen.selector,
        seen.missing,
        seen.mail_dated,
        now
    )
    .execute(db)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// What was last seen for this sender and relay.
pub async fn latest(
    db: &mut PgConnection,
    sender_domain: &str,
    relay: &str,
) -> sqlx::Result<Option<SeenSignature>> {
    sqlx::query_as!(
        SeenSignature,
        r#"select verdict as "verdict: SignatureVerdict", signing_domain, selector, missing, mail_dated
           from signatures_seen where sender_domain = $1 and relay = $2"#,
        sender_domain,
        relay
    )
    .fetch_optional(db)
    .await
}
