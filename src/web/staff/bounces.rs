//! What came back about mails, for admins: what waits because it is about nobody for certain, and each message to read.

mod samples;

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        App,
        off_runtime::off_runtime,
        sort_bounces::{self, AssignError, Assignment, assign, ignore},
    },
    domain::{
        address::EmailAddress,
        bounce::{
            BounceKind, Consequence, ListedBounce,
            unassigned::{Message, Unassigned},
        },
        ids::{MailingId, SubscriberId},
    },
    mail::incoming,
    web::{
        AppState,
        public::subscribe::error_key,
        staff::{
            logged_in::Admin,
            staff_page::{self, Choice, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

type Id = staff_page::Id<i64>;

/// Messages that are listed of each.
const SHOWN: u8 = 50;

/// `GET /staff/bounces`
pub async fn list(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    page.show(&BouncesPage::of(&page).await?)
}

/// `GET /staff/bounces/{id}`
pub async fn show(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    page.show(&BouncePage::of(&page, id_in(id)?, None).await?)
}

/// What the form sends that says whose a message is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Assigned {
    email: String,
    kind: String,
    sure: String,
}

/// `POST /staff/bounces/{id}/assign`
pub async fn belongs_to(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<Assigned>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut mistakes = Mistakes::default();
    let email = EmailAddress::parse(&sent.email);
    if let Err(error) = &email {
        mistakes.add("email", page.state.renderer.text(page.locale, "error", error_key(*error)));
    }
    let kind = BounceKind::from_name(&sent.kind);
    if kind.is_none() {
        mistakes.add("kind", page.text("error", "bounce_kind"));
    }
    if let (Ok(address), Some(kind)) = (&email, kind) {
        let assignment = Assignment { address, kind, is_sure: !sent.sure.is_empty() };
        let App { pool, keys, .. } = &state.app;
        match assign(pool, keys, &member.actor(), id, assignment, Utc::now()).await {
            Ok(consequence) => return Ok(done("/staff/bounces", told(consequence))),
            Err(AssignError::Known) => return Ok(done("/staff/bounces", "bounce_known")),
            Err(AssignError::NothingSent) => {
                mistakes.add("email", page.text("error", "bounce_nothing_sent"));
            }
            Err(AssignError::NotSure) => mistakes.add("sure", page.text("error", "bounce_sure")),
            Err(AssignError::NotSaid) => mistakes.add("kind", page.text("error", "bounce_kind")),
            Err(other) => return Err(other.into()),
        }
    }
    let own = BouncePage::of(&page, id, Some((sent, mistakes))).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

fn told(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::None => "bounce_assigned",
        Consequence::Bounced => "bounce_assigned_bounced",
        Consequence::Complained => "bounce_assigned_complained",
    }
}

/// `POST /staff/bounces/{id}/ignore`
pub async fn ignore_one(
    State(state): State<AppState>,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let count = ignore(&state.app.pool, &member.actor(), &[id_in(id)?], Utc::now()).await?;
    Ok(done("/staff/bounces", if count > 0 { "bounces_ignored" } else { "bounce_known" }))
}

/// What the button under the list sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listed {
    /// The numbers of the messages that were shown, with blanks between them.
    ids: String,
    sure: String,
}

/// `POST /staff/bounces/ignore`: all that the list had shown.
pub async fn ignore_all(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(sent): Form<Listed>,
) -> Result<Response, StaffProblem> {
    if sent.sure.is_empty() {
        let errors = Mistakes::one("sure", page.text("error", "bounces_sure"));
        let own = BouncesPage { errors, ..BouncesPage::of(&page).await? };
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    }
    let ids: Vec<i64> = sent.ids.split(' ').filter_map(|id| id.parse().ok()).take(SHOWN.into()).collect();
    ignore(&state.app.pool, &member.actor(), &ids, Utc::now()).await?;
    Ok(done("/staff/bounces", "bounces_ignored"))
}

impl From<AssignError> for StaffProblem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::NotAllowed(_) => Self::no_gate(),
            AssignError::Database(error) => error.into(),
            AssignError::Unknown
            | AssignError::Known
            | AssignError::NotSaid
            | AssignError::NotSure
            | AssignError::NothingSent => Self::NOT_FOUND,
        }
    }
}

/// What a kind says, as the person reads it of whom it is.
fn meaning(page: &StaffPage, kind: BounceKind) -> String {
    page.state.renderer.text(page.locale, "data.bounce", kind.name()).to_owned()
}

/// What came back.
#[derive(Serialize)]
pub struct BouncesPage {
    /// How many wait, in words; nothing when none does.
    count: Option<String>,
    waiting: Vec<WaitingRow>,
    /// That there are more than are shown.
    only_newest: Option<String>,
    /// The numbers of those that are shown: nobody decides about what they have not seen.
    ids: String,
    put_aside: Vec<WaitingRow>,
    newest: Vec<NewestRow>,
    errors: Mistakes,
}

#[derive(Serialize)]
struct WaitingRow {
    id: i64,
    at: String,
    subject: Option<String>,
    meaning: String,
    /// Addresses that it names, a few of them.
    names: Vec<String>,
}

#[derive(Serialize)]
struct NewestRow {
    id: i64,
    at: String,
    address: Option<String>,
    meaning: String,
    said: String,
}

impl BouncesPage {
    async fn of(page: &StaffPage) -> Result<Self, StaffProblem> {
        let queue = sort_bounces::queue(&page.state.app.pool, SHOWN.into()).await?;
        let rows = |list: &[Unassigned]| list.iter().map(|one| WaitingRow::of(page, one)).collect();
        let shown = i64::try_from(queue.waiting.len()).unwrap_or(i64::MAX);
        let only_newest = page.text("bounces", "only_newest").replace("{shown}", &page.number(shown));
        let ids: Vec<String> = queue.waiting.iter().map(|one| one.id.to_string()).collect();
        Ok(Self {
            count: (queue.count > 0).then(|| page.plural("bounces", "count", queue.count)),
            waiting: rows(&queue.waiting),
            only_newest: (queue.count > shown).then_some(only_newest),
            ids: ids.join(" "),
            put_aside: rows(&queue.put_aside),
            newest: queue.newest.iter().map(|one| NewestRow::of(page, one)).collect(),
            errors: Mistakes::default(),
        })
    }
}

impl WaitingRow {
    fn of(page: &StaffPage, one: &Unassigned) -> Self {
        Self {
            id: one.id,
            at: page.short_time(one.received_at),
            subject: one.report.as_deref().and_then(incoming::subject),
            meaning: meaning(page, one.kind),
            names: one.recipients.iter().take(3).cloned().collect(),
        }
    }
}

impl NewestRow {
    fn of(page: &StaffPage, one: &ListedBounce) -> Self {
        let said = [&one.status, &one.diagnostic];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        Self {
            id: one.id,
            at: page.short_time(one.received_at),
            address: one.address.clone(),
            meaning: meaning(page, one.kind),
            said: said.join(" · "),
        }
    }
}

/// One message.
#[derive(Serialize)]
pub struct BouncePage {
    id: i64,
    at: String,
    subject: Option<String>,
    from: Option<String>,
    meaning: String,
    /// How it is known.
    way: String,
    /// Whose mail it was, as long as they are on record.
    subscriber: Option<SubscriberId>,
    address: Option<String>,
    mailing: Option<MailingId>,
    mailing_subject: Option<String>,
    /// What the server said, and which.
    said: String,
    remote_mta: Option<String>,
    /// Addresses that it names.
    names: Vec<String>,
    text: String,
    /// The message as it came; nothing when it is not kept any more.
    source: Option<String>,
    /// It is not known whose it is.
    waits: bool,
    is_ignored: bool,
    meanings: Vec<Choice>,
    typed: String,
    errors: Mistakes,
}

impl BouncePage {
    /// `typed`: what was sent that is to be mended.
    async fn of(
        page: &StaffPage,
        id: i64,
        typed: Option<(Assigned, Mistakes)>,
    ) -> Result<Self, StaffProblem> {
        let message = sort_bounces::message(&page.state.app.pool, id).await?;
        let message = message.ok_or(StaffProblem::NOT_FOUND)?;
        let report = message.report.clone().unwrap_or_default();
        let reading = off_runtime(move || (incoming::readable(&report), report));
        let (readable, report) = reading.await.map_err(|busy| StaffProblem::Common(busy.into()))?;
        let (sent, errors) = typed.unwrap_or_default();
        let said = [&message.status, &message.diagnostic];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        // Where it names one address alone, that is proposed; what it means is for a person to say.
        let proposed = match message.recipients.as_slice() {
            [one] if sent.email.is_empty() => one.clone(),
            _ => sent.email.chars().take(254).collect(),
        };
        Ok(Self {
            id,
            at: page.short_time(message.received_at),
            subject: readable.subject,
            from: readable.from,
            meaning: meaning(page, message.kind),
            way: page.state.renderer.text(page.locale, "data.bounce_way", message.way.name()).to_owned(),
            subscriber: message.subscriber,
            address: message.address.as_ref().map(EmailAddress::written),
            mailing: message.mailing,
            mailing_subject: message.subject.clone(),
            said: said.join(" · "),
            remote_mta: message.remote_mta.clone(),
            names: message.recipients.iter().take(20).cloned().collect(),
            text: readable.text,
            source: message.report.is_some().then(|| String::from_utf8_lossy(&report).into_owned()),
            waits: !message.is_assigned,
            is_ignored: message.is_ignored,
            meanings: meanings(page, &message, &sent.kind),
            typed: proposed,
            errors,
        })
    }
}

fn meanings(page: &StaffPage, message: &Message, chosen: &str) -> Vec<Choice> {
    let choice = |kind: BounceKind| {
        Choice::new(kind.name(), page.text("bounce_means", kind.name()), kind.name() == chosen)
    };
    sort_bounces::meanings(message).into_iter().map(choice).collect()
}
