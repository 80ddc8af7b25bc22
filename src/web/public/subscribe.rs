//! Signing up: the form, and what becomes of it.

use axum::{
    Form,
    extract::{Request, State},
    http::{Extensions, HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use url::Url;

use crate::{
    domain::{
        address::AddressError,
        consent::Shown,
        locale::Locale,
        publication,
        signup::{self, challenge, limits::Place},
        subscriber,
        token::{self, SentTo},
    },
    mail::envelope,
    web::{
        AppState,
        http::{
            client::{Client, Counted},
            cors::RequestOrigin,
            form_body::form_in,
            form_values,
            metrics::FormAnswer,
            problem::{self, Problem},
        },
        public::{
            captcha::{self, Kept},
            check_mailbox, manage,
            visitor::Visitor,
        },
    },
};

/// What the form sends. Every field may be missing: a form on somebody's own site may be written by hand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
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

/// The form as the page shows it.
#[derive(Serialize)]
struct Shows<'a> {
    email: &'a str,
    error: Option<&'a str>,
    page: String,
    consent_version: Option<i32>,
    shown: Option<&'a str>,
    /// A challenge to work on while the visitor types.
    challenge: Option<String>,
    /// A challenge that is solved already.
    captcha: Option<&'a str>,
}

/// `GET /`
pub async fn form(visitor: Visitor, extensions: Extensions, headers: HeaderMap) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let place = place(&visitor.state, Client::of(&extensions, &headers, &visitor.state.proxies));
    let form = Shows {
        email: "",
        error: None,
        page: visitor.state.public_url.join("/"),
        consent_version: Some(visitor.publication.version),
        shown: Some(&token::shown_token(&visitor.state.keys, Utc::now())),
        challenge: captcha::beforehand(&visitor, place.as_ref()).await?,
        captcha: None,
    };
    let page = visitor.page("signup.html", &serde_json::json!({ "form": form }))?;
    Ok(if form.challenge.is_some() { captcha::with_script(page) } else { page })
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
    let answered = take(&state, visitor, request).await;
    count(answered.as_ref().map_or_else(FormAnswer::from, |(answer, _)| *answer));
    Ok(origin.may_read(answered.map(|(_, response)| response)))
}

/// Takes a form, and says how it was answered.
async fn take(
    state: &AppState,
    visitor: Visitor,
    request: Request,
) -> Result<(FormAnswer, Response), Problem> {
    visitor.can_sign_up()?;
    let headers = request.headers().clone();
    let client = Client::of(request.extensions(), &headers, &state.proxies);
    let Form(sent) = form_in::<Sent>(request).await?;
    let locale = Locale::from_tag(&sent.locale).unwrap_or(visitor.locale);
    let visitor = Visitor { locale, ..visitor };
    let now = Utc::now();
    let is_masked = !sent.again.is_empty();
    let email = if is_masked {
        let id = token::read_again_token(&state.keys, &sent.again, now).ok_or(Problem::LinkExpired)?;
        let Some(known) = subscriber::by_id(&mut *state.pool.acquire().await?, id).await? else {
            return Ok((FormAnswer::NothingStored, manage::nothing_stored(&visitor)?));
        };
        known.email
    } else {
        match envelope::parse(&sent.email) {
            Ok(email) => email,
            Err(error) => {
                let response = mistake(&visitor, &headers, &sent, place(state, client), error).await?;
                return Ok((FormAnswer::Mistake, response));
            }
        }
    };
    let form_page = form_page(state, &sent, &headers);
    let place = place(state, client);
    let suspicion = suspicion(state, &sent, now);
    let mut transaction = state.pool.begin().await?;
    let standing = state.captcha.standing(&mut transaction, place.as_ref(), now).await?;
    // A proof of work also answers a suspicion: what a person's browser has worked out is no flood.
    if (standing.asks || suspicion.is_some())
        && let Err(refused) = challenge::spend(&mut transaction, &state.keys, &sent.captcha, now).await?
    {
        let masked = is_masked.then(|| email.masked());
        let kept = kept(&visitor, &sent, masked.as_deref(), &form_page);
        if standing.asks || problem::wants_json(&headers) {
            tracing::info!(suspicion, proof_of_work = %refused, "a signup has to bring a proof of work; nothing was kept");
            return Ok((FormAnswer::ProofOfWork, captcha::ask(&visitor, &headers, &kept, now)?));
        }
        tracing::info!(suspicion, "a signup has to be sent with one more press; nothing was kept");
        let own = serde_json::json!({ "form": kept });
        return Ok((
            FormAnswer::PressAgain,
            visitor.answer(StatusCode::FORBIDDEN, "press_again.html", &own)?,
        ));
    }
    let (shown, names_text) = shown(&mut transaction, &visitor, &sent.consent_version).await?;
    let request = signup::Request {
        email: &email,
        locale,
        shown,
        names_text,
        form_page: &form_page,
        client_ip: client.filter(|_| state.keeps_ip).and_then(|client| client.address),
        place,
        replaces: None,
    };
    signup::request(&mut transaction, &request, now).await?;
    transaction.commit().await?;
    let sent_to = SentTo { email, waits: standing.waits, is_masked };
    Ok((FormAnswer::Taken, check_mailbox::answer(&visitor, &headers, &sent_to, now)))
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

/// Where a form came from; nothing when it can only be counted among all there are.
pub fn place(state: &AppState, client: Option<Client>) -> Option<Place> {
    Some(match client?.counted {
        Counted::One(client) => Place::of(&state.keys, client),
        Counted::Likely { client, .. } => Place::likely(&state.keys, client),
        Counted::Everybody(proxy) => Place::of_everybody(&state.keys, proxy),
        Counted::ThisMachine(_) => return None,
    })
}

/// Why a form looks as if a program had sent it. A person's may too: a password manager fills in what is not shown, and
/// who lets the browser fill in the address needs no two seconds. So it is asked for one more press, and never dropped.
fn suspicion(state: &AppState, sent: &Sent, now: DateTime<Utc>) -> Option<&'static str> {
    if !sent.rb_extra.is_empty() || !sent.homepage.is_empty() {
        return Some("the field that nobody sees is filled in");
    }
    // Another process's clock may be ahead of ours.
    let took = token::read_shown_token(&state.keys, &sent.shown).map(|shown| now - shown)?;
    (TimeDelta::zero() <= took && took < state.form_takes).then_some("it was filled in quickly")
}

/// What a form said, for the page that asks for a proof of work or one more press; with the address as it may be shown
/// where the form did not name it.
fn kept<'a>(visitor: &Visitor, sent: &'a Sent, masked: Option<&'a str>, form_page: &'a str) -> Kept<'a> {
    Kept {
        email: masked.unwrap_or(&sent.email),
        again: masked.map(|_| sent.again.as_str()),
        page: form_page,
        consent_version: sent.consent_version.parse().ok(),
        shown: genuine_shown(&visitor.state, sent),
    }
}

/// The time the form was shown, if it is ours: it goes on with the form, so that nobody has to type slowly twice.
fn genuine_shown<'a>(state: &AppState, sent: &'a Sent) -> Option<&'a str> {
    token::read_shown_token(&state.keys, &sent.shown).map(|_| sent.shown.as_str())
}

/// The form again, with what to mend. A challenge that was solved stays so: it is used by a signup alone.
async fn mistake(
    visitor: &Visitor,
    headers: &HeaderMap,
    sent: &Sent,
    place: Option<Place>,
    error: AddressError,
) -> Result<Response, Problem> {
    let key = error_key(error);
    let message = visitor.text("error", key);
    if problem::wants_json(headers) {
        let title = visitor.text("signup", "error_heading");
        let mut body = serde_json::json!({
            "title": title, "status": 422, "detail": message,
            "errors": [{ "field": "email", "code": key, "message": message }],
        });
        body["type"] = "about:blank".into();
        let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, media_type, body.to_string()).into_response());
    }
    let typed = form_values::again(&sent.email);
    let solved = challenge::check(&visitor.state.keys, &sent.captcha, Utc::now()).is_ok();
    let challenge = if solved { None } else { captcha::beforehand(visitor, place.as_ref()).await? };
    let form = Shows {
        email: &typed,
        error: Some(message),
        page: form_page(&visitor.state, sent, headers),
        consent_version: Some(visitor.publication.version),
        shown: genuine_shown(&visitor.state, sent),
        challenge,
        captcha: solved.then_some(&sent.captcha),
    };
    let own = serde_json::json!({ "form": form });
    let page = visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, "signup.html", &own)?;
    Ok(if form.challenge.is_some() { captcha::with_script(page) } else { page })
}

/// The consent text that stood beside the form, and true: the version that came with it, if we ever had it. Else the
/// current one, and false.
///
/// # Errors
/// When the database fails.
pub async fn shown(
    db: &mut PgConnection,
    visitor: &Visitor,
    sent_version: &str,
) -> sqlx::Result<(Shown, bool)> {
    let current = visitor.publication.version;
    let sent_version: Option<i32> = sent_version.parse().ok();
    let older = match sent_version.filter(|version| *version != current) {
        Some(version) => publication::version(db, version).await?,
        None => None,
    };
    let names_text = older.is_some() || sent_version == Some(current);
    let publication = older.as_ref().unwrap_or(&visitor.publication);
    let shown = Shown {
        version: publication.version,
        locale: visitor.locale,
        sha256: publication.content.consent_sha256(visitor.locale),
    };
    Ok((shown, names_text))
}

/// The page the form stood on: what the form says, else what the browser says, else our own. Recorded as parsed, so
/// that no odd byte of what was sent gets into the record.
fn form_page(state: &AppState, sent: &Sent, headers: &HeaderMap) -> String {
    let page_in = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        Some(url.to_string()).filter(|page| page.len() <= 500)
    };
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    page_in(&sent.page).or_else(|| page_in(referer?)).unwrap_or_else(|| state.public_url.join("/"))
}
