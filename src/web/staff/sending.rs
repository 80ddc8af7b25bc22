//! The page that sends: everything that matters before a mailing on one page, and a button that says what it does.
//!
//! Beside it, what is done on the way there: test mails, and a newer text for a mailing that is planned.

mod mail_view;
pub mod planned_text;
mod samples;
pub mod send_form;
pub mod test_mail;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::{
        preflight::warnings,
        send_mailing::{self, Objection, Obstacle, Order, Ordered, SendError, Situation, send_mailing},
    },
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{MailingState, Overview},
        update::Update,
    },
    mail::preflight::Finding,
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            formats,
            logged_in::Member,
            mailings::{planned::Plan, progress::Standing, triggered},
            sending::{
                mail_view::{MailView, ObstacleView, UpdateView},
                send_form::{SendForm, tell},
                test_mail::{Chosen, Tests},
            },
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::preflight::{self, Findings},
        },
    },
};

/// `GET /staff/updates/{id}/send`
pub async fn show(page: StaffPage, member: Member, id: Id<UpdateId>) -> Result<Response, StaffProblem> {
    page.show(&SendPage::fresh(&page, &member, id_in(id)?, &Chosen::default(), Mistakes::default()).await?)
}

/// What there is to know about an update before it is sent.
async fn look(page: &StaffPage, id: UpdateId) -> Result<Situation, StaffProblem> {
    send_mailing::situation(&page.state.app, id, Utc::now()).await?.ok_or(StaffProblem::NOT_FOUND)
}

/// The page that sends.
#[derive(Serialize)]
pub struct SendPage {
    update: UpdateView,
    /// What the mail is made of, for the form.
    versions: String,
    mail: Option<MailView>,
    preflight: Findings,
    sender: Option<Sender>,
    audience: i64,
    /// How many people get it, in words.
    people: String,
    button_now: String,
    button_later: String,
    /// The last mailing of this update.
    before: Option<Before>,
    obstacle: Option<ObstacleView>,
    form: String,
    /// The time zone in which it is planned.
    zone: &'static str,
    tests: Tests,
    typed: Typed,
    /// What the box for warnings stands for, if there is one.
    warnings: Option<String>,
    errors: Mistakes,
    error_now: TickErrors,
    error_later: TickErrors,
    /// The field that the page's message leads to, where it is not that of the first mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<String>,
}

#[derive(Serialize)]
struct Sender {
    name: String,
    address: String,
}

#[derive(Serialize)]
struct Before {
    id: MailingId,
    heading: String,
    text: String,
}

/// What stood in the form that was sent.
#[derive(Serialize)]
struct Typed {
    is_later: bool,
    again: bool,
    warnings: bool,
    date: String,
    time: String,
}

/// What is told at the boxes to be ticked, of one of the two forms; empty where they were.
#[derive(Default, Serialize)]
struct TickErrors {
    again: String,
    warnings: String,
}

impl SendPage {
    /// The page as it is opened, with who was chosen to get a test.
    pub async fn fresh(
        page: &StaffPage,
        member: &Member,
        id: UpdateId,
        chosen: &Chosen,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let found = look(page, id).await?;
        Self::of(page, member, found, &SendForm::default(), chosen, errors).await
    }

    async fn of(
        page: &StaffPage,
        member: &Member,
        found: Situation,
        sent: &SendForm,
        chosen: &Chosen,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let Situation { draft, audience, earlier, obstacle } = found;
        let tests = Tests::of(page, member, draft.update.id, chosen).await?;
        let count = |key: &str| page.plural("send", key, audience);
        let sender = draft.publication.as_ref().map(|publication| &publication.content.sender);
        let error_id = match errors.first() {
            Some(tick @ ("again" | "warnings")) if sent.is_later() => Some(format!("later-{tick}")),
            _ => None,
        };
        Ok(Self {
            versions: draft.versions().to_string(),
            mail: draft.content.as_ref().map(|content| MailView::of(content, &draft.update)),
            preflight: preflight::view(page, draft.update.id, &draft.findings),
            sender: sender
                .map(|sender| Sender { name: sender.name.clone(), address: sender.written_address() }),
            audience,
            people: count("people"),
            button_now: count("button_now"),
            button_later: count("button_later"),
            before: earlier.first().map(|before| Before::of(page, before)),
            obstacle: obstacle.map(|obstacle| obstacle_view(page, obstacle, &draft.update, audience)),
            // The same number when the form comes back with a mistake: it is still the same form.
            form: Uuid::parse_str(&sent.form).unwrap_or_else(|_| Uuid::now_v7()).to_string(),
            zone: page.time_zone().0.name(),
            tests,
            typed: Typed::of(sent, &draft.findings),
            warnings: warnings::marks(&draft.findings),
            error_now: TickErrors::of(&errors, !sent.is_later()),
            error_later: TickErrors::of(&errors, sent.is_later()),
            error_id,
            errors,
            update: UpdateView::of(draft.update),
        })
    }
}

impl Before {
    fn of(page: &StaffPage, mailing: &Overview) -> Self {
        let heading = match mailing.state {
            MailingState::Cancelled => "before_cancelled",
            _ if mailing.audience == 0 => "before_nobody",
            _ => "before_heading",
        };
        Self {
            id: mailing.id,
            heading: page.text("send", heading).to_owned(),
            text: triggered(page, mailing),
        }
    }
}

impl Typed {
    fn of(sent: &SendForm, findings: &[Finding]) -> Self {
        let short = |text: &str| text.chars().take(40).collect::<String>();
        Self {
            is_later: sent.is_later(),
            again: !sent.again.is_empty(),
            warnings: !sent.warnings.is_empty() && warnings::are_ticked(findings, &sent.warnings),
            date: short(&sent.date),
            time: short(&sent.time),
        }
    }
}

impl TickErrors {
    /// Told at the form that was sent.
    fn of(errors: &Mistakes, was_sent: bool) -> Self {
        let told = |field: &str| errors.text(field).filter(|_| was_sent).unwrap_or_default().to_owned();
        Self { again: told("again"), warnings: told("warnings") }
    }
}

/// What is in the way. `people` are subscribed now.
fn obstacle_view(page: &StaffPage, obstacle: Obstacle, update: &Update, people: i64) -> ObstacleView {
    match obstacle {
        Obstacle::Text(text) => ObstacleView::of_text(page, text, update),
        Obstacle::NoAudience => ObstacleView::NoAudience,
        Obstacle::Open(mailing) => {
            let text = triggered(page, &mailing);
            let lead = match Standing::from(&*mailing).key() {
                "scheduled" | "overdue" => {
                    return ObstacleView::Planned { text, plan: Plan::of(page, &mailing, people) };
                }
                key @ ("starting" | "paused") => key,
                _ => "under_way",
            };
            ObstacleView::UnderWay { id: mailing.id, lead: page.text("send", lead).to_owned(), text }
        }
    }
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
        let found = look(&page, id).await?;
        let objections = found.objections(&sent.order(id, form.unwrap_or_default()), true);
        (found, objections)
    };
    if let Some(Obstacle::Open(before)) = &found.obstacle {
        let is_planned = matches!(Standing::from(&**before).key(), "scheduled" | "overdue");
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
    let found = if whole.contains(&Objection::Changed) { look(&page, id).await? } else { found };
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
            error @ (SendError::NotAllowed(_) | SendError::SentMeanwhile(_) | SendError::Refused(_)) => {
                StaffProblem::Common(Problem::internal(&error))
            }
        }
    }
}

fn to_mailing(id: MailingId) -> Response {
    Redirect::to(&format!("/staff/mailings/{id}")).into_response()
}
