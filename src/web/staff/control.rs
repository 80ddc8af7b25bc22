//! What staff can do about a mailing: take it back, give it another time, let it begin, pause, resume, cancel, send again.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tracing::Instrument;

use crate::{
    domain::{
        ids::MailingId,
        mailing::{self, Cancelled, MailingError, Overview, PauseKind, Resumed, Retry},
        staff::audit::{self, Action},
    },
    web::AppState,
};

use super::{
    access::Member,
    mailings,
    page::{Id, Mistakes, Page, done, id_in},
    problems::StaffProblem,
    words,
};

/// What can be done at the press of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    TakeBack,
    Pause,
    Resume,
    Cancel,
}

impl Control {
    /// Does it; answers what that was, for the audit log and as a notice.
    async fn apply(
        self,
        db: &mut PgConnection,
        id: MailingId,
        now: DateTime<Utc>,
    ) -> Result<(Action, &'static str), MailingError> {
        const TAKEN_BACK: (Action, &str) = (Action::MailingTakenBack, "taken_back");
        Ok(match self {
            Control::TakeBack => {
                mailing::take_back(db, id, now).await?;
                TAKEN_BACK
            }
            Control::Pause => {
                mailing::pause(db, id, PauseKind::Staff, "paused by staff", now).await?;
                (Action::MailingPaused, "mailing_paused")
            }
            Control::Resume => match mailing::resume(db, id, now).await? {
                Resumed::GoesOn => (Action::MailingResumed, "mailing_resumed"),
                Resumed::Begins => (Action::MailingBegun, "mailing_begun"),
            },
            Control::Cancel => match mailing::cancel(db, id, now).await? {
                Cancelled::Stopped => (Action::MailingCancelled, "mailing_cancelled"),
                Cancelled::TakenBack => TAKEN_BACK,
            },
        })
    }

    /// The notice when it came too late.
    fn too_late(self) -> &'static str {
        if self == Control::TakeBack { "too_late" } else { "mailing_changed" }
    }
}

/// `POST /staff/mailings/{id}/take-back`
pub async fn take_back(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::TakeBack).await
}

/// `POST /staff/mailings/{id}/pause`
pub async fn pause(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Pause).await
}

/// `POST /staff/mailings/{id}/resume`
pub async fn resume(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Resume).await
}

/// `POST /staff/mailings/{id}/cancel`
pub async fn cancel(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Cancel).await
}

async fn control(
    state: &AppState,
    member: &Member,
    id: Id<MailingId>,
    control: Control,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let mut transaction = state.pool.begin().await?;
    let mailing = mailing::overview(&mut transaction, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let page = format!("/staff/mailings/{id}");
    let (action, notice) = match control.apply(&mut transaction, id, now).await {
        Ok(applied) => applied,
        Err(MailingError::Database(error)) => return Err(error.into()),
        // It went on meanwhile, or somebody else was faster: the page shows how it stands.
        Err(_) => return Ok(done(&page, control.too_late())),
    };
    let by = member.actor();
    audit::record(&mut transaction, &by, action, &mailing.subject, &json!({}), now).await?;
    transaction.commit().await?;
    if control == Control::Cancel {
        // Nothing starts any more. What waits is written down as skipped: some of it here, so that the page that follows
        // is right at once where it can be, and the rest by the workers within seconds.
        let mut db = state.pool.acquire().await?;
        for _ in 0..20 {
            if !mailing::skip_leftovers(&mut db, Utc::now()).await? {
                break;
            }
        }
    }
    Ok(done(&page, notice))
}

/// What the form for another time sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentTime {
    date: String,
    time: String,
}

/// `POST /staff/mailings/{id}/time`: another time for a mailing that has not begun.
pub async fn reschedule(
    State(state): State<AppState>,
    page: Page,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<SentTime>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let mut transaction = state.pool.begin().await?;
    let mailing = mailing::overview(&mut transaction, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let at = match words::moment(page.time_zone(), &sent.date, &sent.time, now) {
        Ok(at) => at,
        Err(words::NoMoment(field, key)) => {
            transaction.rollback().await?;
            let mistakes = Mistakes::one(field, page.text("error", key));
            let typed = (sent.date.as_str(), sent.time.as_str());
            let own = mailings::view(&page, &mailing, Some(typed), &mistakes).await?;
            return page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/mailing.html", &own);
        }
    };
    match mailing::reschedule(&mut transaction, id, at).await {
        Ok(()) => {}
        Err(MailingError::Database(error)) => return Err(error.into()),
        Err(_) => return Ok(done(&format!("/staff/mailings/{id}"), "too_late")),
    }
    let details = json!({ "from": mailing.scheduled_at.map(|at| page.long_time(at)), "at": at });
    let by = member.actor();
    audit::record(&mut transaction, &by, Action::MailingRescheduled, &mailing.subject, &details, now).await?;
    transaction.commit().await?;
    Ok(done(&format!("/staff/mailings/{id}"), "mailing_rescheduled"))
}

/// What is to be sent again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentRetry {
    what: String,
}

impl SentRetry {
    fn retry(&self) -> Option<Retry> {
        match self.what.as_str() {
            "rejected" => Some(Retry::Rejected),
            "unknown" => Some(Retry::Unknown),
            _ => None,
        }
    }
}

/// `GET /staff/mailings/{id}/retry?what=rejected`: says what sending again means, and asks.
pub async fn ask_retry(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.pool.acquire().await?;
    let mailing = mailing::overview(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let asked = SentRetry { what: page.query("what").unwrap_or_default() };
    let Some((what, count)) = to_retry(&mut db, id, &asked).await? else {
        return Ok(done(&format!("/staff/mailings/{id}"), "nothing_to_retry"));
    };
    drop(db);
    page.show("staff/retry.html", &retry_view(&page, &mailing, what, count))
}

fn retry_view(page: &Page, mailing: &Overview, what: Retry, count: i64) -> Value {
    let name = what.state().name();
    let number = |key: &str| {
        let key = if count == 1 { format!("{key}_one") } else { format!("{key}_many") };
        page.text("retry", &key).replace("{count}", &page.number(count))
    };
    json!({
        "id": mailing.id, "subject": mailing.subject, "what": name,
        "lead": number(name), "button": number("button"),
    })
}

/// What may be sent again, and how many of it there are; nothing when there is nothing.
async fn to_retry(
    db: &mut PgConnection,
    id: MailingId,
    asked: &SentRetry,
) -> sqlx::Result<Option<(Retry, i64)>> {
    let Some(what) = asked.retry() else { return Ok(None) };
    let found = mailing::progress(db, &[id]).await?;
    let count = found.first().map_or(0, |progress| match what {
        Retry::Rejected => progress.counts.rejected,
        Retry::Unknown => progress.counts.unknown,
    });
    Ok((count > 0).then_some((what, count)))
}

/// `POST /staff/mailings/{id}/retry`
pub async fn retry(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<SentRetry>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.pool.acquire().await?;
    let mailing = mailing::overview(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let page = format!("/staff/mailings/{id}");
    let Some((what, count)) = to_retry(&mut db, id, &sent).await? else {
        return Ok(done(&page, "nothing_to_retry"));
    };
    drop(db);
    // Nobody's patience decides how many are sent again: it goes on when the browser goes away.
    let work = tokio::spawn(put_back(state, member, mailing, what, count).in_current_span());
    match work.await {
        Ok(Ok(0)) => Ok(done(&page, "nothing_to_retry")),
        Ok(Ok(_)) => Ok(done(&page, "retried")),
        Ok(Err(MailingError::Database(error))) => Err(error.into()),
        Ok(Err(_)) | Err(_) => Ok(done(&page, "mailing_changed")),
    }
}

/// Puts what is to be sent again back into the queue, chunk by chunk; answers how many.
async fn put_back(
    state: AppState,
    member: Member,
    mailing: Overview,
    what: Retry,
    count: i64,
) -> Result<i64, MailingError> {
    let (mut again, mut after) = (0, None);
    let begun: DateTime<Utc> = Utc::now();
    loop {
        let mut transaction = state.pool.begin().await?;
        let chunk = mailing::retry(&mut transaction, mailing.id, what, after, Utc::now()).await?;
        if again == 0 && chunk.count > 0 {
            // In the transaction that begins it. Erased people are among the number and are sent nothing.
            let details = json!({ "what": what.state().name(), "people": count });
            let by = member.actor();
            audit::record(&mut transaction, &by, Action::MailingRetried, &mailing.subject, &details, begun)
                .await?;
        }
        transaction.commit().await?;
        again += chunk.count;
        after = chunk.last;
        if after.is_none() {
            return Ok(again);
        }
    }
}
