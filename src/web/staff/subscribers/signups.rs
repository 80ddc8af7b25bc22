//! Held signups: how many more there were than a limit allows, and what is to become of their mails. And those whose mail
//! did not go out, and why.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::held_signups::{self, HeldError, HeldSituation, decide_held},
    domain::{
        queue::reply_meaning,
        signup::{
            held::{Choice, HeldBy, HeldFor, HeldSignup},
            undelivered::Undelivered,
        },
    },
    telemetry::mask_recipient,
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::{Admin, Member},
            mailings::report,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// Held signups that are shown.
const SHOWN: i64 = 50;

/// `GET /staff/signups`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    page.show(&SignupsPage::of(&page, Mistakes::default()).await?)
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
    decide_held(&state.app.pool, &member.actor(), choice, held_signups::Decision::Release, Utc::now())
        .await?;
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
    decide_held(&state.app.pool, &member.actor(), choice, held_signups::Decision::Drop, Utc::now()).await?;
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
    held_signups::send_again(&state.app.pool, &member.actor(), until, Utc::now()).await?;
    Ok(done("/staff/signups", "signups_released"))
}

impl From<HeldError> for StaffProblem {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::NotAllowed(_) => Self::no_gate(),
            HeldError::Database(error) => error.into(),
        }
    }
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = SignupsPage::of(page, Mistakes::one("form", page.text("error", error))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

/// Held signups by limit, and those whose mail did not go out.
#[derive(Serialize)]
pub struct SignupsPage {
    reasons: Vec<Reason>,
    signups: Vec<HeldRow>,
    undelivered: Vec<UndeliveredRow>,
    is_admin: bool,
    /// Microseconds since 1970. Nobody decides about what came after they looked.
    until: String,
    hour: Hour,
    errors: Mistakes,
}

/// A limit that holds signups.
#[derive(Serialize)]
struct Reason {
    name: &'static str,
    title: String,
    text: String,
    count: String,
    since: String,
}

#[derive(Serialize)]
struct HeldRow {
    /// Masked for everybody: who decides about a flood has to see what kind of addresses it is, and not whose they are.
    address: String,
    at: String,
    page: String,
    reason: Option<String>,
}

#[derive(Serialize)]
struct UndeliveredRow {
    address: String,
    at: String,
    /// What the reply means, in a sentence.
    meaning: Option<String>,
    codes: Option<String>,
    /// The relay's words, for admins.
    words: String,
}

/// Counts of the last hour.
#[derive(Serialize)]
struct Hour {
    signups: String,
    accepted: String,
    skipped: String,
}

impl SignupsPage {
    async fn of(page: &StaffPage, errors: Mistakes) -> Result<Self, StaffProblem> {
        let now = Utc::now();
        let HeldSituation { held, last_hour } = held_signups::situation(&page.state.app.pool, now).await?;
        let (newest, undelivered) = held_signups::newest(&page.state.app.pool, SHOWN, now).await?;
        Ok(Self {
            reasons: held.reasons.iter().map(|by| Reason::of(page, by)).collect(),
            signups: newest.iter().map(|signup| HeldRow::of(page, signup)).collect(),
            undelivered: undelivered.iter().map(|signup| UndeliveredRow::of(page, signup)).collect(),
            is_admin: page.is_admin(),
            until: now.timestamp_micros().to_string(),
            hour: Hour {
                signups: page.number(last_hour.signups),
                accepted: page.number(last_hour.accepted),
                skipped: page.number(last_hour.skipped),
            },
            errors,
        })
    }
}

impl Reason {
    fn of(page: &StaffPage, by: &HeldBy) -> Self {
        let name = by.reason.name();
        Self {
            name,
            title: page.text("signups.reason", name).to_owned(),
            text: page.text("signups.about", name).to_owned(),
            count: page.plural("signups", "count", by.held),
            since: page.short_time(by.since),
        }
    }
}

impl HeldRow {
    fn of(page: &StaffPage, signup: &HeldSignup) -> Self {
        Self {
            address: signup.email.written_masked(),
            at: page.short_time(signup.requested_at),
            page: signup.form_page.clone(),
            reason: signup.reason.map(|reason| page.text("signups.reason", reason.name()).to_owned()),
        }
    }
}

impl UndeliveredRow {
    fn of(page: &StaffPage, signup: &Undelivered) -> Self {
        // Who administers may mend what the relay complains of; everybody else reads what it means.
        let reply = signup.smtp_text.as_deref().unwrap_or_default();
        let meaning = reply_meaning::of(signup.smtp_code, reply);
        let words =
            if page.is_admin() { mask_recipient(reply, signup.email.as_str()) } else { String::new() };
        Self {
            address: signup.email.written_masked(),
            at: page.short_time(signup.requested_at),
            meaning: meaning.map(|meaning| page.text("meaning", meaning.key()).to_owned()),
            codes: report::codes(signup.smtp_code, reply, page.is_admin()),
            words,
        }
    }
}

impl PageContext for SignupsPage {
    const TEMPLATE: &'static str = "staff/signups.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let (at, address) = ("25.11.2026, 14:05", "le…@example.org");
        let reason = || Reason {
            name: HeldFor::ALL[0].name(),
            title: "Viele Anmeldungen".into(),
            text: "In einer Stunde kamen sehr viele.".into(),
            count: "12 Anmeldungen".into(),
            since: at.into(),
        };
        let held = |page: &str, reason: Option<&str>| HeldRow {
            address: address.into(),
            at: at.into(),
            page: page.into(),
            reason: reason.map(Into::into),
        };
        let undelivered = |codes, has_words: bool| UndeliveredRow {
            address: address.into(),
            at: at.into(),
            meaning: Some("Dieses Postfach gibt es nicht.".into()),
            codes,
            words: if has_words { "mailbox unavailable".into() } else { String::new() },
        };
        let page = |has_any: bool, is_admin, errors| Self {
            reasons: has_any.then(reason).into_iter().collect(),
            signups: if has_any {
                vec![held("https://www.example.org/", Some("viele")), held("", None)]
            } else {
                Vec::new()
            },
            undelivered: if has_any {
                vec![undelivered(Some("550".into()), true), undelivered(None, false)]
            } else {
                Vec::new()
            },
            is_admin,
            until: "1764079500000000".into(),
            hour: Hour { signups: "12".into(), accepted: "10".into(), skipped: "1".into() },
            errors,
        };
        vec![
            page(true, true, Mistakes::default()),
            page(true, false, Mistakes::default()),
            page(false, true, Mistakes::default()),
            page(true, true, Mistakes::one("form", "Bitte bestätigen Sie das.")),
        ]
    }
}
