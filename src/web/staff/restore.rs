//! Mailings that are held because the database may be an older one, and letting them go on.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::release_restore::{self, ReleaseError, release_restore},
    domain::restore::How,
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Admin,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/restore`
pub async fn show(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    page.show(&RestorePage::of(&page, Mistakes::default()).await?)
}

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decision {
    open: String,
    sure: String,
}

/// `POST /staff/restore`: lets mailings go on. What is sent cannot be taken back, so it wants a tick.
pub async fn release(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(decision): Form<Decision>,
) -> Result<Response, StaffProblem> {
    let how = match decision.open.as_str() {
        "unknown" => How::AsUnknown,
        "sent" => How::SendOn,
        _ => return again(&page, "restore_unclear").await,
    };
    if how == How::SendOn && decision.sure.is_empty() {
        return again(&page, "restore_sure").await;
    }
    let is_released = release_restore(&state.app.pool, &member.actor(), how, Utc::now()).await?;
    Ok(match (is_released, how) {
        (false, _) => done("/staff/restore", "restore_before"),
        (true, How::SendOn) => done("/staff", "restore_sent"),
        (true, How::AsUnknown) => done("/staff", "restore_unknown"),
    })
}

impl From<ReleaseError> for StaffProblem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::NotAllowed(_) => Self::no_gate(),
            ReleaseError::Database(error) => error.into(),
        }
    }
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = RestorePage::of(page, Mistakes::one("form", page.text("error", error))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

/// Whether mailings are held, and what is open then.
#[derive(Serialize)]
pub struct RestorePage {
    held: Option<Held>,
    open: Open,
    errors: Mistakes,
}

#[derive(Serialize)]
struct Held {
    since: String,
    last_seen: Option<String>,
    /// It was decided, and is being done.
    becomes_unknown: bool,
}

/// Counts.
#[derive(Serialize)]
struct Open {
    mailings: String,
    deliveries: String,
    overdue: String,
}

impl RestorePage {
    async fn of(page: &StaffPage, errors: Mistakes) -> Result<Self, StaffProblem> {
        let (hold, open) = release_restore::situation(&page.state.app.pool, Utc::now()).await?;
        let held = hold.map(|hold| Held {
            since: page.short_time(hold.since),
            last_seen: hold.last_seen.map(|at| page.short_time(at)),
            becomes_unknown: hold.becomes_unknown,
        });
        let open = Open {
            mailings: page.number(open.mailings),
            deliveries: page.number(open.deliveries),
            overdue: page.number(open.overdue),
        };
        Ok(Self { held, open, errors })
    }
}

impl PageContext for RestorePage {
    const TEMPLATE: &'static str = "staff/restore.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let held = |last_seen: Option<&str>, becomes_unknown| Held {
            since: "25.11.2026, 14:05".into(),
            last_seen: last_seen.map(Into::into),
            becomes_unknown,
        };
        let page = |held, errors| {
            let open = Open { mailings: "1".into(), deliveries: "1.234".into(), overdue: "0".into() };
            Self { held, open, errors }
        };
        vec![
            page(None, Mistakes::default()),
            page(Some(held(Some("24.11.2026, 9:12"), false)), Mistakes::default()),
            page(Some(held(None, false)), Mistakes::one("form", "Bitte bestätigen Sie das.")),
            page(Some(held(None, true)), Mistakes::default()),
        ]
    }
}
