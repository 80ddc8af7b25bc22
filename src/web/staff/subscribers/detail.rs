//! One subscriber: everything stored, the proof of consent, leaving on request, erasure.
//!
//! The audit log names subscribers by their masked address: it cannot be changed and is kept for years, and whoever is
//! erased must not live on in it. A look at a page is not logged; taking the proof, and every change, is.

mod samples;

use axum::{
    Form,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        App,
        erase_address::{self, EraseError, Whose, erase_address},
        find_subscribers,
        take_bounce::{self, ReactivateError},
        take_proof::{self, ProofError, document::Format},
        unsubscribe,
    },
    domain::{
        consent::{self, ConsentEvent},
        ids::SubscriberId,
        personal_data::PersonalData,
        subscriber::{Subscriber, SubscriberState},
        suppression::SuppressionReason,
    },
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            logged_in::Admin,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            subscribers::Row,
        },
    },
};

type Id = staff_page::Id<SubscriberId>;

/// The subscriber that the path names.
async fn named(state: &AppState, id: Id) -> Result<Subscriber, StaffProblem> {
    find_subscribers::by_id(&state.app.pool, id_in(id)?).await?.ok_or(StaffProblem::NOT_FOUND)
}

/// `GET /staff/subscribers/{id}`
pub async fn show(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    page.show(&SubscriberPage::read(&page, id_in(id)?, Mistakes::default()).await?)
}

/// What the form sends that lets mail go to somebody again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reason {
    reason: String,
}

/// Characters that a reason may have.
const LONGEST_REASON: usize = 500;

/// `POST /staff/subscribers/{id}/reactivate`: mail goes there again from where it had come back.
pub async fn reactivate(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<Reason>,
) -> Result<Response, StaffProblem> {
    let subscriber = named(&state, id).await?;
    let back = format!("/staff/subscribers/{}", subscriber.id);
    let reason = sent.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        let errors = Mistakes::one("reason", page.text("error", "reactivate_reason"));
        let own = SubscriberPage::read(&page, subscriber.id, errors).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    }
    let by = member.actor();
    let App { pool, keys, .. } = &state.app;
    match take_bounce::reactivate(pool, keys, &by, &subscriber.email, reason, Utc::now()).await {
        Ok(()) => Ok(done(&back, "subscriber_reactivated")),
        // Something has changed since the form was shown: the page says what.
        Err(ReactivateError::NotBounced | ReactivateError::NoConsent | ReactivateError::Suppressed) => {
            Ok(done(&back, "subscriber_not_reactivated"))
        }
        Err(ReactivateError::Unknown) => Err(StaffProblem::NOT_FOUND),
        Err(ReactivateError::NotAllowed(_)) => Err(StaffProblem::no_gate()),
        Err(ReactivateError::Database(error)) => Err(error.into()),
    }
}

impl SubscriberPage {
    async fn read(page: &StaffPage, id: SubscriberId, errors: Mistakes) -> Result<Self, StaffProblem> {
        let app = &page.state.app;
        let (subscriber, has_left) = unsubscribe::look(app, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
        let record = take_proof::read(&app.pool, &app.keys, &subscriber.email).await?;
        Ok(Self::of(page, (&subscriber, has_left), &record, errors))
    }

    fn of(
        page: &StaffPage,
        (subscriber, has_left): (&Subscriber, bool),
        record: &PersonalData,
        errors: Mistakes,
    ) -> Self {
        Self {
            is_active: subscriber.state == SubscriberState::Active,
            may_leave: !has_left,
            suppressed: record.suppressed,
            consented: record.agreed_elsewhere().map(|at| consented(page, at)),
            events: events(page, record),
            mails: mails(page, record),
            has_proof: !record.consent_events.is_empty(),
            former: record.former_addresses.iter().map(|former| former.address.clone()).collect(),
            subscriber: Row::of(page, subscriber),
            has_bounced: subscriber.state == SubscriberState::Bounced,
            may_reactivate: record.has_agreed() && record.suppressed.is_none(),
            errors,
        }
    }
}

/// A moment of consent from a list, or the day alone where the list named no more.
fn consented(page: &StaffPage, at: DateTime<Utc>) -> String {
    consent::day_alone(at).map_or_else(|| page.short_time(at), |day| page.day(day))
}

/// A text of the page on which subscribers see the same of themselves: staff read what they read.
fn own_text<'a>(page: &'a StaffPage, table: &str, key: &str) -> &'a str {
    page.state.renderer.text(page.locale, &format!("data.{table}"), key)
}

/// What happened to the consent, newest first, of former addresses too.
fn events(page: &StaffPage, record: &PersonalData) -> Vec<EventRow> {
    let mut all: Vec<(Option<&str>, &ConsentEvent)> = Vec::new();
    for former in &record.former_addresses {
        all.extend(former.consent_events.iter().map(|event| (Some(former.address.as_str()), event)));
    }
    all.extend(record.consent_events.iter().map(|event| (None, event)));
    all.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
    all.into_iter().map(|(former, event)| EventRow::of(page, former, event)).collect()
}

/// The mails and what came back about them, newest first.
fn mails(page: &StaffPage, record: &PersonalData) -> Vec<MailRow> {
    let mails = record.deliveries.iter().map(|mail| {
        let at = mail.finished_at.unwrap_or(mail.due_at);
        let row = MailRow {
            at: page.short_time(at),
            what: mail.subject.clone().unwrap_or_else(|| own_text(page, "mail", &mail.kind).to_owned()),
            result: own_text(page, "result", mail.state.name()).to_owned(),
            reply: mail.smtp_text.clone(),
            bounce: None,
        };
        (at, row)
    });
    let bounces = record.bounces.iter().map(|bounce| {
        let said = [&bounce.subject, &bounce.status, &bounce.diagnostic];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        let row = MailRow {
            at: page.short_time(bounce.received_at),
            what: own_text(page, "bounce", bounce.kind.name()).to_owned(),
            result: own_text(page, "bounce_way", bounce.way.name()).to_owned(),
            reply: Some(said.join(" · ")).filter(|said| !said.is_empty()),
            bounce: Some(bounce.id),
        };
        (bounce.received_at, row)
    });
    let mut all: Vec<_> = mails.chain(bounces).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.into_iter().map(|(_, row)| row).collect()
}

/// What the buttons under the proof send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    form: String,
}

/// `POST /staff/subscribers/{id}/proof`: the consent proof as a file, to print or for programs. A POST, because the audit
/// log is written.
pub async fn take_proof(
    State(state): State<AppState>,
    Admin(member): Admin,
    id: Id,
    Form(wanted): Form<Wanted>,
) -> Result<Response, StaffProblem> {
    let now = Utc::now();
    let subscriber = named(&state, id).await?;
    let (by, format) = (member.actor(), if wanted.form == "json" { Format::Json } else { Format::Page });
    let by = (&by, Some(&member.0));
    let taken =
        take_proof::take_proof(&state.app.pool, &state.app.keys, by, &subscriber.email, format, now).await;
    let taken = match taken {
        Ok(taken) => taken,
        Err(ProofError::Nothing) => return Err(StaffProblem::NOT_FOUND),
        Err(ProofError::NotAllowed(_)) => return Err(StaffProblem::no_gate()),
        Err(ProofError::Write(error)) => return Err(StaffProblem::Common(Problem::internal(&error))),
        Err(ProofError::Database(error)) => return Err(error.into()),
    };
    let (media_type, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Page => ("text/html; charset=utf-8", "html"),
    };
    // The file's name holds no address: it stays behind in lists of downloads.
    let file = format!("attachment; filename=\"consent-{}.{ending}\"", now.format("%Y-%m-%d-%H%M%S"));
    Ok(([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, file)], taken.text)
        .into_response())
}

/// `GET /staff/subscribers/{id}/erase`: says what that means.
pub async fn ask_erase(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let subscriber = named(&page.state, id).await?;
    let has_account = erase_address::has_account(&page.state.app.pool, &subscriber.email).await?;
    page.show(&ErasePage { subscriber: Row::of(&page, &subscriber), has_account })
}

/// `POST /staff/subscribers/{id}/erase`
pub async fn erase(
    State(state): State<AppState>,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let (by, whose) = (member.actor(), Whose::Subscriber(id_in(id)?));
    match erase_address(&state.app.pool, &state.app.keys, &by, whose, Utc::now()).await {
        Ok(_) => Ok(done("/staff/subscribers", "subscriber_erased")),
        Err(EraseError::Unknown) => Err(StaffProblem::NOT_FOUND),
        Err(EraseError::NotAllowed(_)) => Err(StaffProblem::no_gate()),
        Err(EraseError::Database(error)) => Err(error.into()),
    }
}

/// One subscriber.
#[derive(Serialize)]
pub struct SubscriberPage {
    subscriber: Row,
    is_active: bool,
    may_leave: bool,
    suppressed: Option<SuppressionReason>,
    /// When they agreed elsewhere, where that is what counts.
    consented: Option<String>,
    events: Vec<EventRow>,
    mails: Vec<MailRow>,
    has_proof: bool,
    /// Addresses of before.
    former: Vec<String>,
    /// Mail came back; whether staff may let it go there again.
    has_bounced: bool,
    may_reactivate: bool,
    errors: Mistakes,
}

/// An event of the consent record, in words.
#[derive(Default, Serialize)]
struct EventRow {
    at: String,
    what: String,
    how: String,
    /// Where it is about an address of before.
    former_address: Option<String>,
    text: Option<String>,
    version: Option<i32>,
    page: Option<String>,
    client_ip: Option<String>,
    source: Option<String>,
    consented_at: Option<String>,
    reply: Option<String>,
}

impl EventRow {
    fn of(page: &StaffPage, former: Option<&str>, event: &ConsentEvent) -> Self {
        let reply =
            event.smtp_code.map(|code| format!("{code} {}", event.smtp_text.as_deref().unwrap_or_default()));
        Self {
            at: page.short_time(event.at),
            what: own_text(page, "event", event.what()).to_owned(),
            how: own_text(page, "method", event.how()).to_owned(),
            former_address: former.map(str::to_owned),
            text: event.consent_text.clone(),
            version: event.publication_version,
            page: event.form_page.clone(),
            client_ip: event.client_ip.clone(),
            source: event.source.clone(),
            consented_at: event.consented_at.map(|at| consented(page, at)),
            reply,
        }
    }
}

#[derive(Serialize)]
struct MailRow {
    at: String,
    what: String,
    result: String,
    reply: Option<String>,
    /// The number of what came back.
    bounce: Option<i64>,
}

/// What an erasure means.
#[derive(Serialize)]
pub struct ErasePage {
    subscriber: Row,
    /// Somebody on the staff logs in with this address.
    has_account: bool,
}
