//! Held signups: how many more there were than a limit allows, and what is to become of their mails. And those whose mail
//! did not go out, and why.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    domain::{
        delivery::meaning,
        signup::{
            held::{self, Choice, HeldFor},
            undelivered,
        },
        staff::audit::{self, Action},
    },
    telemetry::mask_recipient,
    web::{
        AppState,
        staff::{
            access::{Admin, Member},
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
    page.show("staff/signups.html", &own)
}

async fn view(page: &StaffPage, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let now = Utc::now();
    let mut db = page.state.pool.acquire().await?;
    let held = held::held(&mut db).await?;
    let newest = held::newest(&mut db, SHOWN).await?;
    let last_hour = held::last_hour(&mut db, now).await?;
    let undelivered = undelivered::undelivered(&mut db, now, SHOWN).await?;
    drop(db);
    let reasons: Vec<Value> = held
        .reasons
        .iter()
        .map(|by| {
            let key = if by.held == 1 { "count_one" } else { "count_many" };
            json!({
                "name": by.reason.name(),
                "title": page.text("signups.reason", by.reason.name()),
                "text": page.text("signups.about", by.reason.name()),
                "count": page.text("signups", key).replace("{count}", &page.number(by.held)),
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
                page.text("meaning", meaning::of(signup.smtp_code, reply)).to_owned()
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
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    let count = held::release(&mut transaction, choice, now).await?;
    note(&mut transaction, &member, Action::WaveReleased, choice, count, now).await?;
    transaction.commit().await?;
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
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    let count = held::drop_held(&mut transaction, choice, now).await?;
    note(&mut transaction, &member, Action::WaveDropped, choice, count, now).await?;
    transaction.commit().await?;
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
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    let count = undelivered::send_again(&mut transaction, until, now).await?;
    if count > 0 {
        let (by, details) = (member.actor(), json!({ "signups": count }));
        audit::record(&mut transaction, &by, Action::ConfirmationsSentAgain, "", &details, now).await?;
    }
    transaction.commit().await?;
    Ok(done("/staff/signups", "signups_released"))
}

/// The line of the audit log, where anything was done.
async fn note(
    db: &mut PgConnection,
    member: &Member,
    action: Action,
    choice: Choice,
    count: u64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut details = json!({ "signups": count });
    if let Some(only) = choice.only {
        details["reason"] = only.name().into();
    }
    audit::record(db, &member.actor(), action, "", &details, now).await
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = view(page, &Mistakes::one("form", page.text("error", error))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/signups.html", &own)
}
