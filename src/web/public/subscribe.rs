//! Signing up: the form, and what becomes of it.

use axum::{
    Form,
    extract::{Request, State},
    http::{Extensions, HeaderMap, StatusCode, header},
    response::{Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    app::sign_up::{self, SignUpError, Taken, Whom},
    domain::{
        actor::Actor,
        address::AddressError,
        locale::Locale,
        signup::{challenge, limits::ClientNetwork},
        token::{self, SentTo},
    },
    web::{
        AppState,
        http::{
            client::{Client, Counted},
            form_body::form_in,
            form_values,
            metrics::FormAnswer,
            problem::{self, Problem},
        },
        page_context::{PageContext, Sample},
        public::{
            captcha::{self, Kept},
            check_mailbox,
            cors::RequestOrigin,
            visitor::Visitor,
        },
    },
};

/// What the form sends. Every field may be missing: a form on somebody's own site may be written by hand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubscribeForm {
    email: String,
    /// In the place of the address: whom a form is about that stands on a page behind an unsubscribe link.
    again: String,
    locale: String,
    /// The page the form stands on.
    page: String,
    /// The version of the consent text it shows.
    consent_version: String,
    /// When it was shown, as a token of ours. Forms on other sites have none.
    shown: String,
    /// A solved challenge, where one was asked for.
    captcha: String,
    /// Not shown to people. Programs fill it in, and now and then what fills in forms for people.
    rb_extra: String,
    /// The same in forms that were copied from us earlier.
    homepage: String,
}

/// `GET /`
pub async fn form(visitor: Visitor, extensions: Extensions, headers: HeaderMap) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let network = network(&visitor.state, Client::of(&extensions, &headers, &visitor.state.proxies));
    let form = SignupForm {
        email: String::new(),
        error: None,
        page: visitor.state.public_url.join("/"),
        consent_version: visitor.publication.version,
        shown: Some(token::shown_token(&visitor.state.app.keys, Utc::now())),
        challenge: captcha::beforehand(&visitor, network.as_ref()).await?,
        captcha: None,
    };
    let page = SignupPage { form };
    Ok(page.with_its_script(visitor.page(&page)?))
}

/// The signup page.
#[derive(Serialize)]
pub struct SignupPage {
    form: SignupForm,
}

#[derive(Clone, Serialize)]
struct SignupForm {
    email: String,
    /// What is wrong with the address, in words.
    error: Option<String>,
    /// Where the form stands or stood.
    page: String,
    consent_version: i32,
    /// When it was shown first, as a token.
    shown: Option<String>,
    /// A challenge to work on while the visitor types.
    challenge: Option<String>,
    /// A challenge that is solved already.
    captcha: Option<String>,
}

impl SignupPage {
    fn with_its_script(&self, answer: Response) -> Response {
        if self.form.challenge.is_some() { captcha::with_script(answer) } else { answer }
    }
}

impl PageContext for SignupPage {
    const TEMPLATE: &'static str = "signup.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let form = SignupForm {
            email: String::new(),
            error: None,
            page: of.public_url.join("/"),
            consent_version: of.publication.version,
            shown: Some("shown".into()),
            challenge: None,
            captcha: None,
        };
        let mistaken = SignupForm {
            email: "maria.muster@".into(),
            error: Some(of.text("error", "email_domain")),
            shown: None,
            captcha: Some("solution".into()),
            ..form.clone()
        };
        let during_a_surge = SignupForm { challenge: Some("{}".into()), ..form.clone() };
        [form, mistaken, during_a_surge].map(|form| Self { form }).into()
    }
}

/// `GET /subscribe`, when somebody reloads the answer to a mistake.
pub async fn back_to_form() -> Redirect {
    Redirect::to("/")
}

/// `POST /subscribe`
///
/// The answer depends on nothing but the form and the site it stands on: what the database knows of the address is not
/// asked (invariant 4).
pub async fn submit(
    State(state): State<AppState>,
    visitor: Result<Visitor, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let count = |answer| state.metrics.signup(answer);
    let visitor = visitor.inspect_err(|problem| count(problem.into()))?;
    let origin = RequestOrigin::of(&visitor, request.headers()).may_send();
    let origin = origin.inspect_err(|problem| count(problem.into()))?;
    let answered = receive_signup(&state, visitor, request).await;
    count(answered.as_ref().map_or_else(FormAnswer::from, |(answer, _)| *answer));
    Ok(origin.may_read(answered.map(|(_, response)| response)))
}

/// Takes a form, and says how it was answered.
async fn receive_signup(
    state: &AppState,
    visitor: Visitor,
    request: Request,
) -> Result<(FormAnswer, Response), Problem> {
    visitor.can_sign_up()?;
    let headers = request.headers().clone();
    let client = Client::of(request.extensions(), &headers, &state.proxies);
    let Form(sent) = form_in::<SubscribeForm>(request).await?;
    let locale = Locale::from_tag(&sent.locale).unwrap_or(visitor.locale);
    let visitor = Visitor { locale, ..visitor };
    let now = Utc::now();
    let page = form_page(state, &sent, &headers);
    let is_masked = !sent.again.is_empty();
    let form = sign_up::Form {
        whom: if is_masked { Whom::Again(&sent.again) } else { Whom::Typed(&sent.email) },
        locale,
        consent_version: sent.consent_version.parse().ok(),
        page: &page,
        shown: &sent.shown,
        solution: &sent.captcha,
        has_filled_trap: !sent.rb_extra.is_empty() || !sent.homepage.is_empty(),
        network: network(state, client),
        client_ip: client.and_then(|client| client.address),
    };
    match sign_up::sign_up(&state.app, &Actor::Visitor, &visitor.publication, &form, now).await {
        Ok(Taken { email, waits }) => {
            let sent_to = SentTo { email, waits, is_masked };
            Ok((FormAnswer::Taken, check_mailbox::answer(&visitor, &headers, &sent_to, now)))
        }
        Err(SignUpError::Address(error)) => {
            Ok((FormAnswer::Mistake, mistake(&visitor, &headers, &sent, &form, error).await?))
        }
        Err(SignUpError::NothingStored) => Ok((FormAnswer::NothingStored, visitor.nothing_stored()?)),
        Err(SignUpError::ProofOfWork { email, may_press }) => {
            let masked = is_masked.then(|| email.written_masked());
            let kept = kept(&visitor, &sent, masked, &page);
            if !may_press || problem::wants_json(&headers) {
                return Ok((FormAnswer::ProofOfWork, captcha::ask(&visitor, &headers, kept, now)?));
            }
            Ok((FormAnswer::PressAgain, captcha::ask_for_press(&visitor, kept)?))
        }
        Err(SignUpError::NotReady(_)) => Err(Problem::Unavailable),
        Err(SignUpError::NotAllowed | SignUpError::FormExpired) => Err(Problem::LinkExpired),
        Err(SignUpError::Database(error)) => Err(error.into()),
    }
}

/// The text that says what is wrong with an address, by its key under `error`.
pub fn error_key(error: AddressError) -> &'static str {
    match error {
        AddressError::Empty => "email_empty",
        AddressError::TooLong => "email_too_long",
        AddressError::NoAt => "email_no_at",
        AddressError::TwoAt => "email_two_at",
        AddressError::Spaces => "email_spaces",
        AddressError::Domain => "email_domain",
        AddressError::Local => "email_local",
        AddressError::Invalid => "email_invalid",
    }
}

/// The network a form came from; nothing when it can only be counted among all there are.
pub fn network(state: &AppState, client: Option<Client>) -> Option<ClientNetwork> {
    Some(match client?.counted {
        Counted::One(client) => ClientNetwork::of(&state.app.keys, client),
        Counted::Likely { client, .. } => ClientNetwork::likely(&state.app.keys, client),
        Counted::Everybody(proxy) => ClientNetwork::of_everybody(&state.app.keys, proxy),
        Counted::ThisMachine(_) => return None,
    })
}

/// What a form said, for the page that asks for a proof of work or one more press; with the address as it may be shown
/// where the form did not name it.
fn kept(visitor: &Visitor, sent: &SubscribeForm, masked: Option<String>, form_page: &str) -> Kept {
    Kept {
        again: masked.is_some().then(|| sent.again.clone()),
        email: masked.unwrap_or_else(|| sent.email.clone()),
        page: form_page.to_owned(),
        consent_version: sent.consent_version.parse().ok(),
        shown: genuine_shown(&visitor.state, sent),
    }
}

/// The time the form was shown, if it is ours: it goes on with the form, so that nobody has to type slowly twice.
fn genuine_shown(state: &AppState, sent: &SubscribeForm) -> Option<String> {
    token::read_shown_token(&state.app.keys, &sent.shown).map(|_| sent.shown.clone())
}

/// The form again, with what to mend. A challenge that was solved stays so: it is used by a signup alone.
async fn mistake(
    visitor: &Visitor,
    headers: &HeaderMap,
    sent: &SubscribeForm,
    form: &sign_up::Form<'_>,
    error: AddressError,
) -> Result<Response, Problem> {
    let key = error_key(error);
    let message = visitor.text("error", key);
    if problem::wants_json(headers) {
        let title = visitor.text("signup", "error_heading");
        let more = Mistakes { errors: [Mistake { field: "email", code: key, message }] };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(problem::extended_problem_json(status, title, message, more));
    }
    let solved = challenge::check(&visitor.state.app.keys, &sent.captcha, Utc::now()).is_ok();
    let challenge = if solved { None } else { captcha::beforehand(visitor, form.network.as_ref()).await? };
    let form = SignupForm {
        email: form_values::again(&sent.email),
        error: Some(message.to_owned()),
        page: form.page.to_owned(),
        consent_version: visitor.publication.version,
        shown: genuine_shown(&visitor.state, sent),
        challenge,
        captcha: solved.then(|| sent.captcha.clone()),
    };
    let page = SignupPage { form };
    Ok(page.with_its_script(visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)?))
}

/// What a script reads of a form that has to be mended.
#[derive(Serialize)]
struct Mistakes<'a> {
    errors: [Mistake<'a>; 1],
}

#[derive(Serialize)]
struct Mistake<'a> {
    field: &'static str,
    /// The key of the message in the texts.
    code: &'static str,
    message: &'a str,
}

/// The page the form stood on: what the form says, else what the browser says, else our own. Recorded as parsed, so
/// that no odd byte of what was sent gets into the record.
fn form_page(state: &AppState, sent: &SubscribeForm, headers: &HeaderMap) -> String {
    let page_in = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        Some(url.to_string()).filter(|page| page.len() <= 500)
    };
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    page_in(&sent.page).or_else(|| page_in(referer?)).unwrap_or_else(|| state.public_url.join("/"))
}
