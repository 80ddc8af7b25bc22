//! The phone desk, for editors too: how one whole address stands, and what its owner may have done about it. Every address comes
//! and goes in the body of a POST, so that none stands in an address, a history or a log.

mod form;
pub mod question;
mod samples;
mod view;

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Serialize;

use crate::{
    app::phone_desk::{self, AN_HOUR, Came, DeskError, EnterError},
    domain::{
        address::EmailAddress,
        locale::Locale,
        on_request::{BadNote, Channel, OnRequest},
    },
    web::{
        AppState,
        http::form_values,
        public::subscribe::error_key,
        staff::{
            logged_in::Member,
            phone::{
                form::PhoneForm,
                question::{AskPage, What},
                view::Found,
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/phone`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    page.show(&PhonePage::default())
}

/// The address that was typed, or the page with what is wrong with it.
fn address(page: &StaffPage, sent: &PhoneForm) -> Result<EmailAddress, Box<PhonePage>> {
    EmailAddress::parse(&sent.email).map_err(|error| {
        let text = page.state.renderer.text(page.locale, "error", error_key(error));
        Box::new(PhonePage::with_mistake(sent, "email", text.to_owned()))
    })
}

/// `POST /staff/phone`: how an address stands.
pub async fn look_up(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<PhoneForm>,
) -> Result<Response, StaffProblem> {
    let email = match address(&page, &sent) {
        Ok(email) => email,
        Err(own) => return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &*own),
    };
    match phone_desk::look_up(&state.app, &member.actor(), &email, Utc::now()).await {
        Ok(record) => page.answer(StatusCode::OK, &PhonePage::of(&page, &email, &record, false)),
        Err(error) => refused(&page, &sent, error),
    }
}

/// `POST /staff/phone/ask`: asks for what else has to be known, and once more whether it is meant.
pub async fn ask(page: StaffPage, _: Member, Form(sent): Form<PhoneForm>) -> Result<Response, StaffProblem> {
    let email = match address(&page, &sent) {
        Ok(email) => email,
        Err(own) => return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &*own),
    };
    let what = What::from_name(&sent.what).ok_or(StaffProblem::NOT_FOUND)?;
    page.answer(StatusCode::OK, &AskPage::of(&page, what, &email, &sent, Mistakes::default()))
}

/// `POST /staff/phone/again`: the confirmation mail once more.
pub async fn send_again(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<PhoneForm>,
) -> Result<Response, StaffProblem> {
    let email = match address(&page, &sent) {
        Ok(email) => email,
        Err(own) => return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &*own),
    };
    let came = phone_desk::send_again(&state.app, &member.actor(), &email, Utc::now()).await;
    answer(&page, &sent, &email, (came, "phone_sent_again"))
}

/// What was asked for, as the question's form sends it; or the question again, with what to mend.
fn on_request(
    page: &StaffPage,
    what: What,
    sent: &PhoneForm,
) -> Result<(EmailAddress, OnRequest), Box<Response>> {
    let shown = |response: Result<Response, StaffProblem>| {
        Box::new(response.unwrap_or_else(axum::response::IntoResponse::into_response))
    };
    let email =
        address(page, sent).map_err(|own| shown(page.answer(StatusCode::UNPROCESSABLE_ENTITY, &*own)))?;
    let mut mistakes = Mistakes::default();
    let channel = Channel::from_name(&sent.channel);
    if channel.is_none() {
        mistakes.add("channel", page.text("error", "channel"));
    }
    let asked = OnRequest::new(channel.unwrap_or(Channel::Phone), &sent.note);
    if let Err(error) = asked {
        let key = match error {
            BadNote::TooLong => "note_long",
            BadNote::Address => "note_address",
        };
        mistakes.add("note", page.text("error", key));
    }
    if let Some(asked) = asked.ok().filter(|_| mistakes.is_empty()) {
        return Ok((email, asked));
    }
    let own = AskPage::of(page, what, &email, sent, mistakes);
    Err(shown(page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)))
}

/// `POST /staff/phone/unsubscribe`
pub async fn unsubscribe(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<PhoneForm>,
) -> Result<Response, StaffProblem> {
    let (email, asked) = match on_request(&page, What::Unsubscribe, &sent) {
        Ok(asked) => asked,
        Err(response) => return Ok(*response),
    };
    let came = phone_desk::unsubscribe(&state.app, &member.actor(), (&email, &asked), Utc::now()).await;
    answer(&page, &sent, &email, (came, "unsubscribed"))
}

/// `POST /staff/phone/discard`
pub async fn discard(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<PhoneForm>,
) -> Result<Response, StaffProblem> {
    let (email, asked) = match on_request(&page, What::Discard, &sent) {
        Ok(asked) => asked,
        Err(response) => return Ok(*response),
    };
    let came = phone_desk::discard_signup(&state.app, &member.actor(), (&email, &asked), Utc::now()).await;
    answer(&page, &sent, &email, (came, "phone_discarded"))
}

/// `POST /staff/phone/enter`: a signup, which its owner confirms by mail.
pub async fn enter(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<PhoneForm>,
) -> Result<Response, StaffProblem> {
    let (email, asked) = match on_request(&page, What::Enter, &sent) {
        Ok(asked) => asked,
        Err(response) => return Ok(*response),
    };
    let (publication, form_page) = (page.publication.as_ref(), state.public_url.join("/staff/phone"));
    let locale = Locale::from_tag(&sent.locale).or(publication.map(|publication| publication.content.locale));
    let whom = (&email, locale.unwrap_or_default(), &asked);
    let came =
        phone_desk::enter(&state.app, &member.actor(), publication, whom, &form_page, Utc::now()).await;
    match came {
        Ok(came) => answer(&page, &sent, &email, (Ok(came), "phone_entered")),
        Err(EnterError::NotReady) => {
            let mistakes = Mistakes::one("form", page.text("error", "publication_missing"));
            let own = AskPage::of(&page, What::Enter, &email, &sent, mistakes);
            page.answer(StatusCode::CONFLICT, &own)
        }
        Err(EnterError::Desk(error)) => refused(&page, &sent, error),
    }
}

/// Says what came of it: that it is done, on a page without the address; or how it stands.
fn answer(
    page: &StaffPage,
    sent: &PhoneForm,
    email: &EmailAddress,
    (came, notice): (Result<Came, DeskError>, &str),
) -> Result<Response, StaffProblem> {
    match came {
        Ok(Came::Done) => Ok(done("/staff/phone", notice)),
        Ok(Came::Nothing(record)) => {
            page.answer(StatusCode::CONFLICT, &PhonePage::of(page, email, &record, true))
        }
        Err(error) => refused(page, sent, error),
    }
}

fn refused(page: &StaffPage, sent: &PhoneForm, error: DeskError) -> Result<Response, StaffProblem> {
    match error {
        DeskError::TooMany => {
            let text = page.text("error", "phone_too_many").replace("{most}", &page.number(AN_HOUR));
            page.answer(StatusCode::TOO_MANY_REQUESTS, &PhonePage::with_mistake(sent, "form", text))
        }
        DeskError::NotAllowed(_) => Err(StaffProblem::no_gate()),
        DeskError::Database(error) => Err(error.into()),
    }
}

/// The form for an address, and how it stands.
#[derive(Default, Serialize)]
pub struct PhonePage {
    /// As it was typed, or as its owner writes it.
    email: String,
    found: Option<Found>,
    errors: Mistakes,
}

impl PhonePage {
    fn of(page: &StaffPage, email: &EmailAddress, record: &phone_desk::Record, nothing_done: bool) -> Self {
        let found = Some(Found::of(page, record, nothing_done));
        Self { email: email.written(), found, errors: Mistakes::default() }
    }

    fn with_mistake(sent: &PhoneForm, field: &'static str, text: String) -> Self {
        Self { email: form_values::again(&sent.email), found: None, errors: Mistakes::one(field, text) }
    }
}
