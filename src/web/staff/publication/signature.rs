//! The relay's DKIM signature: staff show the head of a test mail that has arrived, and are told whether it covers what
//! unsubscribing with one click needs.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::read_signature::{SignatureError, read_signature, sender_domain},
    domain::signature_seen::{self, Seen},
    mail::received::Unusable,
    web::{
        AppState,
        staff::{
            logged_in::Member,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/signature`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &Mistakes::default()).await?;
    page.show_value("staff/signature.html", &own)
}

async fn view(page: &StaffPage, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let domain = sender_domain(page.publication.as_ref());
    let seen = match &domain {
        Some(domain) => {
            let mut db = page.state.pool.acquire().await?;
            signature_seen::latest(&mut db, domain, page.state.app.preflight.relay()).await?
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
    Ok(json!({ "domain": domain, "relay": page.state.app.preflight.relay(), "seen": seen, "errors": errors }))
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
    page: StaffPage,
    member: Member,
    Form(shown): Form<Shown>,
) -> Result<Response, StaffProblem> {
    let error = match read_signature(&state.app, &member.actor(), &shown.head, Utc::now()).await {
        Ok((_, true)) => return Ok(done("/staff/signature", "signature_seen")),
        Ok((_, false)) => return Ok(done("/staff/signature", "signature_older")),
        Err(SignatureError::Database(error)) => return Err(error.into()),
        Err(SignatureError::NotAllowed(_)) => return Err(StaffProblem::no_gate()),
        Err(SignatureError::NoSender) => "head_no_sender",
        Err(SignatureError::Unusable(why)) => match why {
            Unusable::NoHead => "head_none",
            Unusable::NotOurs => "head_not_ours",
            Unusable::OtherSender => "head_other_sender",
            Unusable::NotReceived => "head_not_received",
            Unusable::SignatureCut => "head_signature_cut",
            Unusable::Future => "head_future",
        },
    };
    again(&page, error).await
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = view(page, &Mistakes::one("head", page.text("error", error))).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/signature.html", &own)
}
