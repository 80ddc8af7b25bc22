//! The relay's DKIM signature: staff show the head of a test mail that has arrived, and are told whether it covers what
//! unsubscribing with one click needs.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    domain::{
        signature_seen::{self, Seen},
        staff::audit::{self, Action},
    },
    mail::received::{self, Unusable},
    web::AppState,
};

use super::{
    access::Member,
    page::{Mistakes, Page, done},
    problems::StaffProblem,
};

/// `GET /staff/signature`
pub async fn show(page: Page, _: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &Mistakes::default()).await?;
    page.show("staff/signature.html", &own)
}

/// The domain that mails are from now; nothing before there is a publication with a sender.
fn sender_domain(page: &Page) -> Option<String> {
    let sender = page.publication.as_ref()?.content.sender_address()?;
    Some(sender.parts().1.to_ascii_lowercase())
}

async fn view(page: &Page, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let domain = sender_domain(page);
    let seen = match &domain {
        Some(domain) => {
            let mut db = page.state.pool.acquire().await?;
            signature_seen::latest(&mut db, domain, page.state.surveyor.relay()).await?
        }
        None => None,
    };
    let seen = seen.map(|seen| {
        let Seen { verdict, signing_domain, selector, missing, mail_dated } = seen;
        json!({
            "verdict": verdict.as_str(), "domain": signing_domain, "selector": selector, "missing": missing,
            "dated": page.short_time(mail_dated),
        })
    });
    Ok(json!({ "domain": domain, "relay": page.state.surveyor.relay(), "seen": seen, "errors": errors }))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    head: String,
}

/// `POST /staff/signature`: looks at a head, and keeps what it says.
pub async fn look(
    State(state): State<AppState>,
    page: Page,
    member: Member,
    Form(shown): Form<Shown>,
) -> Result<Response, StaffProblem> {
    let now = Utc::now();
    let Some(domain) = sender_domain(&page) else { return again(&page, "head_no_sender").await };
    let seen = match received::look(&shown.head, &state.public_url.list_id(), &domain, now) {
        Ok(seen) => seen,
        Err(why) => {
            let error = match why {
                Unusable::NoHead => "head_none",
                Unusable::NotOurs => "head_not_ours",
                Unusable::OtherSender => "head_other_sender",
                Unusable::NotReceived => "head_not_received",
                Unusable::Future => "head_future",
            };
            return again(&page, error).await;
        }
    };
    let mut transaction = state.pool.begin().await?;
    let is_kept = signature_seen::keep(&mut transaction, &domain, state.surveyor.relay(), &seen, now).await?;
    if is_kept {
        let details = json!({ "verdict": seen.verdict.as_str() });
        audit::record(&mut transaction, &member.actor(), Action::SignatureSeen, &domain, &details, now)
            .await?;
    }
    transaction.commit().await?;
    Ok(done("/staff/signature", if is_kept { "signature_seen" } else { "signature_older" }))
}

/// The page again, with what to mend.
async fn again(page: &Page, error: &str) -> Result<Response, StaffProblem> {
    let own = view(page, &Mistakes::one("head", page.text("error", error))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/signature.html", &own)
}
