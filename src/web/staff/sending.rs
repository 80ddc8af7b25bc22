//! The page that sends: everything that matters before a mailing on one page, and a button that says what it does.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::preflight::warnings,
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{self, FrozenContent, MailingError, MailingState, Order, Ordered, Overview},
        staff::audit::{self, Action},
        update::{self, Update},
    },
    mail::{
        preflight::{Finding, Level},
        preheader,
    },
    web::AppState,
};

use super::{
    access::Member,
    composing::content_of,
    editor,
    page::{Id, Mistakes, Page, done, id_in},
    planned, preflight,
    problems::StaffProblem,
    progress::Standing,
    test_mail::{self, Chosen},
    words,
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// The number of the form: see [`Order::form`].
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

impl Sent {
    fn is_later(&self) -> bool {
        self.when == "later"
    }
}

/// Why there is no button.
pub enum Obstacle {
    NoPublication,
    /// The publication lacks these fields.
    Missing(Vec<String>),
    NoAudience,
    /// The check before a mailing has found something that has to be mended.
    Found,
    /// This is still to be done about the update, by field, in words.
    Unfinished(Map<String, Value>),
    /// A mailing of it is not over: it waits to begin, is under way, or paused.
    Open(Box<Overview>),
}

impl Obstacle {
    /// As `staff/obstacle.html` shows it. `people` are subscribed now.
    pub fn view(&self, page: &Page, people: i64) -> Value {
        match self {
            Obstacle::NoPublication => json!({ "kind": "no_publication" }),
            Obstacle::Missing(fields) => json!({ "kind": "missing", "fields": fields }),
            Obstacle::Unfinished(what) => {
                json!({ "kind": "unfinished", "what": what.values().collect::<Vec<_>>() })
            }
            Obstacle::NoAudience => json!({ "kind": "no_audience" }),
            Obstacle::Found => json!({ "kind": "found" }),
            Obstacle::Open(mailing) => {
                let kind = match Standing::from(&**mailing).key() {
                    "scheduled" | "overdue" => "planned",
                    kind @ ("starting" | "paused") => kind,
                    _ => "under_way",
                };
                json!({
                    "kind": kind, "id": mailing.id, "text": triggered(page, mailing),
                    "plan": planned::view(page, mailing, people),
                })
            }
        }
    }
}

/// What the publication lacks for sending.
pub fn lacking(page: &Page) -> Option<Obstacle> {
    let Some(publication) = &page.publication else { return Some(Obstacle::NoPublication) };
    let missing: Vec<String> = publication.content.missing().iter().map(ToString::to_string).collect();
    (!missing.is_empty()).then_some(Obstacle::Missing(missing))
}

/// What is still to be done about an update.
pub fn unfinished(page: &Page, update: &Update) -> Option<Obstacle> {
    let words = editor::in_words(page, &update.writing());
    (!words.is_empty()).then_some(Obstacle::Unfinished(words))
}

/// How a mail stands in a mailbox.
pub fn mail(content: &FrozenContent, update: &Update) -> Value {
    json!({
        "subject": content.subject,
        "preheader": preheader::of_update(&update.title, &update.teaser, &update.body),
    })
}

/// What the page knows of an update.
struct Situation {
    update: Update,
    content: Option<FrozenContent>,
    audience: i64,
    /// Its last mailing that was not taken back.
    before: Option<Overview>,
    /// What the check before a mailing has found.
    findings: Vec<Finding>,
    obstacle: Option<Obstacle>,
}

/// Looks at the mail, at where its links lead, and at who it goes to. Takes some seconds where links are slow, so it is not
/// done while others wait for their turn; what was seen of links is remembered for some minutes.
pub async fn survey(page: &Page, id: UpdateId) -> Result<Vec<Finding>, StaffProblem> {
    let state = &page.state;
    let Some(publication) = &page.publication else { return Ok(Vec::new()) };
    let update = editor::find(state, id).await?;
    if !update.writing().unfinished().is_empty() {
        return Ok(Vec::new());
    }
    Ok(state.preflight.run(&state.pool, &state.composer, publication, &update).await?)
}

async fn situation(
    page: &Page,
    db: &mut PgConnection,
    id: UpdateId,
    findings: Vec<Finding>,
    now: DateTime<Utc>,
) -> Result<Situation, StaffProblem> {
    let update = update::find(db, &id.to_string()).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let audience = mailing::audience(db, now).await?;
    // By command there may be several: of those that are not over, the one under way matters most.
    let mailings = mailing::of_updates(db, &[id]).await?;
    let open = mailings.iter().filter(|mailing| !mailing.is_over());
    let open = open.min_by_key(|mailing| mailing.is_waiting_to_begin()).cloned();
    let before = mailings.into_iter().next();
    let has_error = findings.iter().any(|finding| finding.level == Level::Error);
    let obstacle = lacking(page)
        .or_else(|| open.map(|mailing| Obstacle::Open(Box::new(mailing))))
        .or_else(|| unfinished(page, &update))
        .or_else(|| (audience == 0).then_some(Obstacle::NoAudience))
        .or_else(|| has_error.then_some(Obstacle::Found));
    let content = content_of(page, db, &update).await?;
    Ok(Situation { update, content, audience, before, findings, obstacle })
}

/// `GET /staff/updates/{id}/send`
pub async fn show(page: Page, member: Member, id: Id<UpdateId>) -> Result<Response, StaffProblem> {
    let own =
        view(&page, &member, id_in(id)?, &Sent::default(), &Chosen::default(), &Mistakes::default()).await?;
    page.show("staff/send.html", &own)
}

/// What the page shows.
pub async fn view(
    page: &Page,
    member: &Member,
    id: UpdateId,
    sent: &Sent,
    chosen: &Chosen,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let findings = survey(page, id).await?;
    let mut db = page.state.pool.acquire().await?;
    let now = Utc::now();
    let found = situation(page, &mut db, id, findings, now).await?;
    let tests = test_mail::view(member, &mut db, id, chosen).await?;
    drop(db);
    let publication = page.publication.as_ref().map(|publication| &publication.content);
    let obstacle = found.obstacle.as_ref().map(|obstacle| obstacle.view(page, found.audience));
    // The same number when the form comes back with a mistake: it is still the same form.
    let form = Uuid::parse_str(&sent.form).unwrap_or_else(|_| Uuid::now_v7());
    let count = |key: &str| {
        let key = if found.audience == 1 { format!("{key}_one") } else { format!("{key}_many") };
        page.text("send", &key).replace("{count}", &page.number(found.audience))
    };
    // Told at the form it was left out of.
    let told = |field: &str, later: bool| {
        errors.text(field).filter(|_| later == sent.is_later()).unwrap_or_default()
    };
    let marks = warnings::marks(&found.findings);
    let short = |text: &str| text.chars().take(40).collect::<String>();
    let mut own = json!({
        "update": { "id": found.update.id, "title": found.update.title, "version": found.update.version },
        "versions": versions(page, &found.update),
        "mail": found.content.as_ref().map(|content| mail(content, &found.update)),
        "preflight": preflight::view(page, id, &found.findings),
        "sender": publication.map(|content| json!({
            "name": content.sender.name, "address": content.sender.address,
        })),
        "audience": found.audience,
        "people": count("people"), "button_now": count("button_now"), "button_later": count("button_later"),
        "before": found.before.as_ref().map(|before| json!({
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
            "warnings": !sent.warnings.is_empty() && warnings::are_ticked(&found.findings, &sent.warnings),
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

/// What the mail on the page is made of. What has another version is another mail.
pub fn versions(page: &Page, update: &Update) -> String {
    let publication = page.publication.as_ref().map_or(0, |publication| publication.version);
    format!("{}.{publication}", update.version)
}

/// Who triggered or planned a mailing, and when.
pub fn triggered(page: &Page, mailing: &Overview) -> String {
    let by = mailing.triggered_by.as_deref().unwrap_or_else(|| page.text("audit", "command"));
    let at = page.short_time(mailing.triggered_at);
    let key = if mailing.scheduled_at.is_some() && !mailing.has_grace { "planned_by" } else { "triggered" };
    page.text("mailing", key).replace("{at}", &at).replace("{by}", by)
}

/// `POST /staff/updates/{id}/send`: triggers the mailing; a form that comes a second time leads to the same one.
pub async fn send(
    State(state): State<AppState>,
    page: Page,
    member: Member,
    id: Id<UpdateId>,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let (by, now) = (member.actor(), Utc::now());
    let findings = survey(&page, id).await?;
    let mut transaction = state.pool.begin().await?;
    mailing::take_turns(&mut transaction, id).await?;
    let form = Uuid::parse_str(&sent.form).ok();
    // Before anything else: what was sent by this form was sent, whatever has changed meanwhile.
    if let Some(form) = form
        && let Some(before) = mailing::of_form(&mut transaction, form).await?
    {
        return Ok(to_mailing(before));
    }
    let found = situation(&page, &mut transaction, id, findings, now).await?;
    if let Some(Obstacle::Open(before)) = &found.obstacle {
        let is_planned = matches!(Standing::from(&**before).key(), "scheduled" | "overdue");
        let told = if is_planned { "planned_before" } else { "sent_before" };
        return Ok(done(&format!("/staff/mailings/{}", before.id), told));
    }
    let (at, mistakes) = read(&page, &sent, &found, now);
    let (Some(form), Some(content), None, true) =
        (form, &found.content, &found.obstacle, mistakes.is_empty())
    else {
        transaction.rollback().await?;
        let own = view(&page, &member, id, &sent, &Chosen::default(), &mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/send.html", &own);
    };
    let after = sent.after.parse::<MailingId>().ok();
    let order = Order { form, update: id, content, at, after, by: member.0.staff_id };
    let ordered = match mailing::order(&mut transaction, &order, now).await {
        Ok(ordered) => ordered,
        Err(MailingError::AlreadyTriggered(before)) => {
            return Ok(done(&format!("/staff/mailings/{before}"), "sent_before"));
        }
        Err(MailingError::Database(error)) => return Err(error.into()),
        // The last subscriber has left just now: the page says so.
        Err(_) => return Ok(Redirect::to(&format!("/staff/updates/{id}/send")).into_response()),
    };
    let mailing = match ordered {
        Ordered::Before(mailing) => mailing,
        Ordered::Now(mailing, people) => {
            let action = if at.is_some() { Action::MailingPlanned } else { Action::MailingSent };
            let details = json!({ "people": people, "at": at, "warnings": warnings::count(&found.findings) });
            audit::record(&mut transaction, &by, action, &content.subject, &details, now).await?;
            mailing
        }
    };
    transaction.commit().await?;
    Ok(to_mailing(mailing))
}

fn to_mailing(id: MailingId) -> Response {
    Redirect::to(&format!("/staff/mailings/{id}")).into_response()
}

/// When it is to begin, and what is to be mended.
fn read(
    page: &Page,
    sent: &Sent,
    found: &Situation,
    now: DateTime<Utc>,
) -> (Option<DateTime<Utc>>, Mistakes) {
    let mut mistakes = Mistakes::default();
    let mut at = None;
    if found.obstacle.is_none() && !warnings::are_ticked(&found.findings, &sent.warnings) {
        let key = if sent.warnings.is_empty() { "warnings" } else { "warnings_changed" };
        mistakes.add("warnings", page.text("error", key));
    }
    if found.before.is_some() && sent.again.is_empty() {
        mistakes.add("again", page.text("error", "again"));
    }
    if sent.is_later() {
        match words::moment(page.time_zone(), &sent.date, &sent.time, now) {
            Ok(moment) => at = Some(moment),
            Err(words::NoMoment(field, key)) => mistakes.add(field, page.text("error", key)),
        }
    }
    let shown = sent.shown.parse::<i64>().ok();
    if found.obstacle.is_none() && sent.version != versions(page, &found.update) {
        // What somebody has changed since was neither seen nor checked.
        mistakes.add("form", page.text("error", "version"));
    } else if found.obstacle.is_none() && shown.is_none_or(|shown| !is_close(shown, found.audience)) {
        let text = page.text("error", "audience").replace("{count}", &page.number(found.audience));
        mistakes.add("form", text.replace("{shown}", &page.number(shown.unwrap_or(0))));
    } else if Uuid::parse_str(&sent.form).is_err() {
        mistakes.add("form", page.text("error", "form_old"));
    }
    (at, mistakes)
}

/// Whether the number that is sent to is the one that was shown, but for a few who came or left meanwhile: two of them,
/// or one in a hundred.
fn is_close(shown: i64, now: i64) -> bool {
    (shown - now).abs() <= (shown / 100).max(2)
}

#[cfg(test)]
mod tests {
    use super::is_close;

    #[test]
    fn a_few_who_come_or_leave_meanwhile_are_no_reason_to_ask_again() {
        assert!(is_close(5, 7) && is_close(5, 3) && !is_close(5, 8));
        assert!(is_close(10_000, 10_100) && is_close(10_000, 9_900) && !is_close(10_000, 10_101));
    }
}
