//! Held signups: how many more there were than a limit allows, and what is to become of their mails. And those whose mail
//! did not go out, and why.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::held_signups::{self, HeldError, Situation, decide_held},
    domain::{
        queue::reply_meaning,
        signup::held::{Choice, HeldFor},
    },
    telemetry::mask_recipient,
    web::{
        AppState,
        staff::{
            logged_in::{Admin, Member},
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// Held signups that are shown.
const SHOWN: i64 = 50;

/// `GET /staff/signups`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &Mistakes::default()).await?;
    page.show_value("staff/signups.html", &own)
}

async fn view(page: &StaffPage, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let now = Utc::now();
    let Situation { held, last_hour } = held_signups::situation(&page.state.pool, now).await?;
    let (newest, undelivered) = held_signups::newest(&page.state.pool, SHOWN, now).await?;
    let reasons: Vec<Value> = held
        .reasons
        .iter()
        .map(|by| {
            json!({
                "name": by.reason.name(),
                "title": page.text("signups.reason", by.reason.name()),
                "text": page.text("signups.about", by.reason.name()),
                "count": page.plural("signups", "count", by.held),
                "since": page.short_time(by.since),
            })
        })
        .collect();
    // Masked for everybody: who decides about a flood has to see what kind of addresses it is, and not whose they are.
    let signups: Vec<Value> = newest
        .iter()
        .map(|signup| {
            json!({
                "address": signup.email.masked(),
                "at": page.short_time(signup.requested_at),
                "page": signup.form_page,
                "reason": signup.reason.map(|reason| page.text("signups.reason", reason.name())),
            })
        })
        .collect();
    let undelivered: Vec<Value> = undelivered
        .iter()
        .map(|signup| {
            // Who administers may mend what the relay complains of; everybody else reads what it means.
            let reply = signup.smtp_text.as_deref().unwrap_or_default();
            let text = if page.is_admin() {
                mask_recipient(reply, signup.email.as_str())
            } else {
                page.text("meaning", reply_meaning::of(signup.smtp_code, reply)).to_owned()
            };
            json!({
                "address": signup.email.masked(),
                "at": page.short_time(signup.requested_at),
                "code": signup.smtp_code, "text": text,
            })
        })
        .collect();
    Ok(json!({
        "reasons": reasons, "signups": signups, "undelivered": undelivered, "errors": errors,
        "is_admin": page.is_admin(),
        // Nobody decides about what came after they looked.
        "until": now.timestamp_micros().to_string(),
        "hour": {
            "signups": page.number(last_hour.signups), "accepted": page.number(last_hour.accepted),
            "skipped": page.number(last_hour.skipped),
        },
    }))
}

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decision {
    reason: String,
    until: String,
    sure: String,
}

impl Decision {
    /// What is decided about; nothing when the form was not ours.
    fn choice(&self) -> Option<Choice> {
        let until = DateTime::from_timestamp_micros(self.until.parse().ok()?)?;
        Some(Choice { only: Some(HeldFor::from_name(&self.reason)?), until })
    }
}

/// `POST /staff/signups/release`: their mails go out.
pub async fn release(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(decision): Form<Decision>,
) -> Result<Response, StaffProblem> {
    let Some(choice) = decision.choice() else { return again(&page, "signups_unknown").await };
    decide_held(&state.pool, &member.actor(), choice, held_signups::Decision::Release, Utc::now()).await?;
    Ok(done("/staff/signups", "signups_released"))
}

/// `POST /staff/signups/drop`: their mails never go out. It cannot be taken back, so it wants a tick.
pub async fn drop_them(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(decision): Form<Decision>,
) -> Result<Response, StaffProblem> {
    let Some(choice) = decision.choice() else { return again(&page, "signups_unknown").await };
    if decision.sure.is_empty() {
        return again(&page, "signups_sure").await;
    }
    decide_held(&state.pool, &member.actor(), choice, held_signups::Decision::Drop, Utc::now()).await?;
    Ok(done("/staff/signups", "signups_dropped"))
}

/// `POST /staff/signups/again`: another mail for those whose mail did not go out.
pub async fn send_again(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(decision): Form<Decision>,
) -> Result<Response, StaffProblem> {
    let until = decision.until.parse().ok().and_then(DateTime::from_timestamp_micros);
    let Some(until) = until else { return again(&page, "signups_unknown").await };
    held_signups::send_again(&state.pool, &member.actor(), until, Utc::now()).await?;
    Ok(done("/staff/signups", "signups_released"))
}

impl From<HeldError> for StaffProblem {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::NotAllowed => Self::no_gate(),
            HeldError::Database(error) => error.into(),
        }
    }
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = view(page, &Mistakes::one("form", page.text("error", error))).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/signups.html", &own)
}
