//! Whether the relay's signature covers what unsubscribing with one click needs, as far as somebody has shown the service a
//! mail that arrived ([`crate::mail::received`]). Until then it is not known, and that is said.

use sqlx::PgConnection;

use crate::{
    domain::signature_seen::{self, SignatureVerdict},
    mail::preflight::{Code, Finding},
};

/// What was last seen for mails from `sender_domain` through `relay`; nothing when it was right.
pub async fn check(db: &mut PgConnection, sender_domain: &str, relay: &str) -> sqlx::Result<Option<Finding>> {
    let Some(seen) = signature_seen::latest(db, sender_domain, relay).await? else {
        return Ok(Some(Finding::new(Code::SignatureUnseen)));
    };
    let code = match seen.verdict {
        SignatureVerdict::Right => return Ok(None),
        SignatureVerdict::Unproven => Code::SignatureUnproven,
        SignatureVerdict::Failed => Code::SignatureFailed,
        SignatureVerdict::Incomplete => Code::SignatureIncomplete,
        SignatureVerdict::Unsigned => Code::SignatureNone,
    };
    Ok(Some(Finding::new(code).with("domain", seen.signing_domain).with("headers", seen.missing)))
}
