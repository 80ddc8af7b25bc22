//! The relay's DKIM signature: staff show the head of a test mail that has arrived, and are told whether it covers what
//! unsubscribing with one click needs.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::read_signature::{SignatureError, last_seen, read_signature, sender_domain},
    db::statement::StatementResult,
    domain::signature_seen::{SeenSignature, SignatureVerdict},
    mail::received::Unusable,
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/signature`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    page.show(&SignaturePage::of(&page, Mistakes::default()).await?)
}

/// What is known of the relay's signature.
#[derive(Serialize)]
pub struct SignaturePage {
    /// As `host:port`.
    relay: String,
    seen: Option<SeenView>,
    errors: Mistakes,
}

#[derive(Serialize)]
struct SeenView {
    verdict: &'static str,
    domain: String,
    selector: String,
    /// The headers that it does not cover.
    missing: String,
    dated: String,
}

impl SignaturePage {
    async fn of(page: &StaffPage, errors: Mistakes) -> StatementResult<Self> {
        let app = &page.state.app;
        let seen = match sender_domain(page.publication.as_ref()) {
            Some(domain) => last_seen(app, &domain).await?,
            None => None,
        };
        let seen =
            seen.map(|SeenSignature { verdict, signing_domain, selector, missing, mail_dated }| SeenView {
                verdict: verdict.as_str(),
                domain: signing_domain,
                selector,
                missing,
                dated: page.short_time(mail_dated),
            });
        Ok(Self { relay: app.preflight.relay().to_owned(), seen, errors })
    }
}

impl PageContext for SignaturePage {
    const TEMPLATE: &'static str = "staff/signature.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        use SignatureVerdict::{Failed, Incomplete, Right, Unproven, Unsigned};
        let of = |seen, errors| Self { relay: "relay.example.org:587".into(), seen, errors };
        let seen = |verdict: SignatureVerdict| SeenView {
            verdict: verdict.as_str(),
            domain: "example.org".into(),
            selector: if verdict == Unsigned { String::new() } else { "mail2026".into() },
            missing: "List-Unsubscribe, List-Unsubscribe-Post".into(),
            dated: "25.11.2026, 14:05".into(),
        };
        let none = of(None, Mistakes::one("head", "Hier fehlt der Kopf der E-Mail."));
        let verdicts = [Right, Unproven, Failed, Incomplete, Unsigned];
        verdicts
            .map(|verdict| of(Some(seen(verdict)), Mistakes::default()))
            .into_iter()
            .chain([none])
            .collect()
    }
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    head: String,
}

/// `POST /staff/signature`: looks at a head, and keeps what it says.
pub async fn examine(
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
    let own = SignaturePage::of(page, Mistakes::one("head", page.text("error", error))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}
