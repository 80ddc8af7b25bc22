//! The page that sends: everything that matters before a mailing on one page, and a button that says what it does.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};
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
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            formats,
            logged_in::Member,
            mailings::{
                mail_view::{mail, text_obstacle_view},
                planned,
                progress::Standing,
            },
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{
                preflight,
                test_mail::{self, Chosen},
            },
        },
    },
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SendForm {
    /// The number of the form: see [`send_mailing::FormState::form`].
    form: String,
    /// The versions of update and publication that the page has shown.
    version: String,
    /// How many people stood on the button.
    shown: String,
    /// The last mailing of this update that the page has shown.
    after: String,
    /// Ticked: it was sent before, and goes out once more.
    again: String,
    /// Ticked: the warnings are meant so, these ones; see [`warnings::marks`].
    warnings: String,
    /// `later` with date and time, else now.
    when: String,
    date: String,
    time: String,
}

impl SendForm {
    fn is_later(&self) -> bool {
        self.when == "later"
    }

    /// What is asked for, but for the time. `form` is its number.
    fn order(&self, update: UpdateId, form: Uuid) -> Order {
        Order {
            update,
            versions: self.version.parse().ok(),
            at: None,
            again: !self.again.is_empty(),
            page: Some(send_mailing::FormState {
                form,
                people: self.shown.parse().ok(),
                last: self.after.parse().ok(),
                warnings: self.warnings.clone(),
            }),
        }
    }
}

/// What is in the way, as `staff/obstacle.html` shows it. `people` are subscribed now.
fn obstacle_view(page: &StaffPage, obstacle: &Obstacle, update: &Update, people: i64) -> Value {
    match obstacle {
        Obstacle::Text(text) => text_obstacle_view(page, text, update),
        Obstacle::NoAudience => json!({ "kind": "no_audience" }),
        Obstacle::Open(mailing) => {
            let kind = match Standing::from(&**mailing).key() {
                "scheduled" | "overdue" => "planned",
                kind @ ("starting" | "paused") => kind,
                _ => "under_way",
            };
            json!({
                "kind": kind, "id": mailing.id, "text": triggered(page, mailing),
                "plan": planned::Plan::of(page, mailing, people),
            })
        }
    }
}

/// `GET /staff/updates/{id}/send`
pub async fn show(page: StaffPage, member: Member, id: Id<UpdateId>) -> Result<Response, StaffProblem> {
    let found = look(&page, id_in(id)?).await?;
    let own =
        view(&page, &member, &found, &SendForm::default(), &Chosen::default(), &Mistakes::default()).await?;
    page.show_value("staff/send.html", &own)
}

/// What there is to know about an update before it is sent.
pub async fn look(page: &StaffPage, id: UpdateId) -> Result<Situation, StaffProblem> {
    send_mailing::situation(&page.state.app, id, Utc::now()).await?.ok_or(StaffProblem::NOT_FOUND)
}

/// What the page shows.
pub async fn view(
    page: &StaffPage,
    member: &Member,
    found: &Situation,
    sent: &SendForm,
    chosen: &Chosen,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let draft = &found.draft;
    let id = draft.update.id;
    let tests = test_mail::view(member, &mut *page.state.app.pool.acquire().await?, id, chosen).await?;
    let publication = draft.publication.as_ref().map(|publication| &publication.content);
    let obstacle = found.obstacle.as_ref();
    let obstacle = obstacle.map(|obstacle| obstacle_view(page, obstacle, &draft.update, found.audience));
    // The same number when the form comes back with a mistake: it is still the same form.
    let form = Uuid::parse_str(&sent.form).unwrap_or_else(|_| Uuid::now_v7());
    let count = |key: &str| page.plural("send", key, found.audience);
    // Told at the form it was left out of.
    let told = |field: &str, later: bool| {
        errors.text(field).filter(|_| later == sent.is_later()).unwrap_or_default()
    };
    let marks = warnings::marks(&draft.findings);
    let short = |text: &str| text.chars().take(40).collect::<String>();
    let mut own = json!({
        "update": { "id": draft.update.id, "title": draft.update.title, "version": draft.update.version },
        "versions": draft.versions().to_string(),
        "mail": draft.content.as_ref().map(|content| mail(content, &draft.update)),
        "preflight": preflight::view(page, id, &draft.findings),
        "sender": publication.map(|content| json!({
            "name": content.sender.name, "address": content.sender.written_address(),
        })),
        "audience": found.audience,
        "people": count("people"), "button_now": count("button_now"), "button_later": count("button_later"),
        "before": found.earlier.first().map(|before| json!({
            "id": before.id, "text": triggered(page, before),
            "heading": page.text("send", match before.state {
                MailingState::Cancelled => "before_cancelled",
                _ if before.audience == 0 => "before_nobody",
                _ => "before_heading",
            }),
        })),
        "obstacle": obstacle, "form": form, "zone": page.time_zone().0.name(),
        "tests": tests,
        "typed": {
            "is_later": sent.is_later(), "again": !sent.again.is_empty(),
            "warnings": !sent.warnings.is_empty() && warnings::are_ticked(&draft.findings, &sent.warnings),
            "date": short(&sent.date), "time": short(&sent.time),
        },
        "warnings": marks,
        "errors": errors,
        "error_now": { "again": told("again", false), "warnings": told("warnings", false) },
        "error_later": { "again": told("again", true), "warnings": told("warnings", true) },
    });
    if sent.is_later()
        && let Some(tick @ ("again" | "warnings")) = errors.first()
    {
        own["error_id"] = format!("later-{tick}").into();
    }
    Ok(own)
}

/// Who triggered or planned a mailing, and when.
pub fn triggered(page: &StaffPage, mailing: &Overview) -> String {
    let by = mailing.triggered_by.as_deref().unwrap_or_else(|| page.text("audit", "command"));
    let at = page.short_time(mailing.triggered_at);
    let key = if mailing.scheduled_at.is_some() && !mailing.has_grace { "planned_by" } else { "triggered" };
    page.text("mailing", key).replace("{at}", &at).replace("{by}", by)
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
    tell(&page, &found, &ticks, &mut mistakes);
    if let Err(formats::NoMoment(field, key)) = at {
        mistakes.add(field, page.text("error", key));
    }
    tell(&page, &found, &whole, &mut mistakes);
    if form.is_none() {
        mistakes.add("form", page.text("error", "form_old"));
    }
    // What was changed meanwhile is to be looked at as it is now.
    let found = if whole.contains(&Objection::Changed) { look(&page, id).await? } else { found };
    let own = view(&page, &member, &found, &sent, &Chosen::default(), &mistakes).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/send.html", &own)
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

/// What is to be mended, in words.
fn tell(page: &StaffPage, found: &Situation, objections: &[Objection], mistakes: &mut Mistakes) {
    for objection in objections {
        match objection {
            Objection::Warnings { some } => {
                let key = if *some { "warnings_changed" } else { "warnings" };
                mistakes.add("warnings", page.text("error", key));
            }
            Objection::SentBefore => mistakes.add("again", page.text("error", "again")),
            // What somebody has changed since was neither seen nor checked.
            Objection::Changed => mistakes.add("form", page.text("error", "version")),
            Objection::Audience { shown } => {
                let text = page.text("error", "audience").replace("{count}", &page.number(found.audience));
                mistakes.add("form", text.replace("{shown}", &page.number(shown.unwrap_or(0))));
            }
        }
    }
}
