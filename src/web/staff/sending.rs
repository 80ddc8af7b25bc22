//! The page that sends: everything that matters before a mailing on one page, and a button that says what it does.
//!
//! Beside it, what is done on the way there: test mails, and a newer text for a mailing that is planned.

mod mail_view;
pub mod planned_text;
mod samples;
pub mod send_form;
mod send_page;
pub mod test_mail;
mod test_mails_view;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use uuid::Uuid;

use crate::{
    app::send_mailing::{self, Objection, Obstacle, Order, Ordered, SendError, send_mailing},
    domain::ids::{MailingId, UpdateId},
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            formats,
            logged_in::Member,
            mailings::progress::MailingStanding,
            sending::{
                send_form::{SendForm, tell},
                send_page::situation,
                test_mails_view::Chosen,
            },
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

pub use crate::web::staff::sending::send_page::SendPage;

/// `GET /staff/updates/{id}/send`
pub async fn show(page: StaffPage, member: Member, id: Id<UpdateId>) -> Result<Response, StaffProblem> {
    page.show(&SendPage::fresh(&page, &member, id_in(id)?, &Chosen::default(), Mistakes::default()).await?)
}

/// `POST /staff/updates/{id}/send`: triggers the mailing; a form that comes a second time leads to the same one.
pub async fn send(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<UpdateId>,
    Form(sent): Form<SendForm>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let form = Uuid::parse_str(&sent.form).ok();
    let at = if sent.is_later() {
        formats::moment(page.time_zone(), &sent.date, &sent.time, now).map(Some)
    } else {
        Ok(None)
    };
    let (found, objections) = if let (Some(form), Ok(at)) = (form, &at) {
        let order = Order { at: *at, ..sent.order(id, form) };
        match send_mailing(&state.app, &member.actor(), &order, now).await {
            Ok(Ordered::Now { mailing, .. } | Ordered::Before(mailing)) => return Ok(to_mailing(mailing)),
            Err(SendError::SentMeanwhile(before)) => {
                return Ok(done(&format!("/staff/mailings/{before}"), "sent_before"));
            }
            Err(SendError::Refused(refused)) => *refused,
            Err(error) => return Err(error.into()),
        }
    } else {
        // Its time may have passed since.
        if let Some(form) = form
            && let Some(before) = send_mailing::sent_by(&state.app, form).await?
        {
            return Ok(to_mailing(before));
        }
        let found = situation(&page, id).await?;
        let objections = found.objections(&sent.order(id, form.unwrap_or_default()), true);
        (found, objections)
    };
    if let Some(Obstacle::Open(before)) = &found.obstacle {
        let is_planned = matches!(MailingStanding::from(&**before).key(), "scheduled" | "overdue");
        let told = if is_planned { "planned_before" } else { "sent_before" };
        return Ok(done(&format!("/staff/mailings/{}", before.id), told));
    }
    let mut mistakes = Mistakes::default();
    let (ticks, whole): (Vec<_>, Vec<_>) = objections
        .into_iter()
        .partition(|objection| matches!(objection, Objection::Warnings { .. } | Objection::SentBefore));
    tell(&page, found.audience, &ticks, &mut mistakes);
    if let Err(formats::NoMoment(field, key)) = at {
        mistakes.add(field, page.text("error", key));
    }
    tell(&page, found.audience, &whole, &mut mistakes);
    if form.is_none() {
        mistakes.add("form", page.text("error", "form_old"));
    }
    // What was changed meanwhile is to be looked at as it is now.
    let found = if whole.contains(&Objection::Changed) { situation(&page, id).await? } else { found };
    let own = SendPage::of(&page, &member, found, &sent, &Chosen::default(), mistakes).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

impl From<SendError> for StaffProblem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unknown => StaffProblem::NOT_FOUND,
            SendError::Preflight(error) => error.into(),
            SendError::Database(error) => error.into(),
            // Answered by the page that sends.
            error @ (SendError::NotAllowed(_)
            | SendError::StartTime(_)
            | SendError::SentMeanwhile(_)
            | SendError::Refused(_)) => StaffProblem::Common(Problem::internal(&error)),
        }
    }
}

fn to_mailing(id: MailingId) -> Response {
    Redirect::to(&format!("/staff/mailings/{id}")).into_response()
}
