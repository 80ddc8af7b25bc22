//! Signing up: the form, and what becomes of it.

use axum::extract::FromRequest;
use axum::{
    Form,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::PgConnection;
use url::Url;

use crate::{
    domain::{
        address::AddressError,
        consent::Shown,
        locale::Locale,
        publication,
        signup::{self, limits::Place},
    },
    mail::envelope,
};

use super::{
    AppState,
    client::Client,
    origin::RequestOrigin,
    problem::{self, Problem},
    visitor::Visitor,
};

/// What the form sends. Every field may be missing: a form on somebody's own site may be written by hand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    email: String,
    locale: String,
    /// The page the form stands on.
    page: String,
    /// The version of the consent text it shows.
    consent_version: String,
    /// Not shown to people. Who fills it in is a program.
    homepage: String,
}

/// The form as the page shows it.
#[derive(Serialize)]
struct Shows<'a> {
    email: &'a str,
    error: Option<&'a str>,
    page: String,
    consent_version: Option<i32>,
}

/// `GET /`
pub async fn form(visitor: Visitor) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let form = Shows {
        email: "",
        error: None,
        page: visitor.state.public_url.join("/"),
        consent_version: Some(visitor.publication.version),
    };
    visitor.page("signup.html", &serde_json::json!({ "form": form }))
}

/// `GET /subscribe`, when somebody reloads the answer to a mistake.
pub async fn back_to_form() -> Redirect {
    Redirect::to("/")
}

/// `GET /check-mailbox`
pub async fn check_mailbox(visitor: Visitor) -> Result<Response, Problem> {
    visitor.page("check_mailbox.html", &serde_json::json!({}))
}

/// `POST /subscribe`
///
/// The answer depends on nothing but the form and the site it stands on: what the database knows of the address is not
/// asked (invariant 4).
pub async fn submit(
    State(state): State<AppState>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let origin = RequestOrigin::of(&visitor, request.headers()).may_send()?;
    Ok(origin.may_read(take(&state, visitor, request).await))
}

async fn take(state: &AppState, visitor: Visitor, request: Request) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let headers = request.headers().clone();
    let client = Client::of(request.extensions(), &headers, &state.trusted_proxies);
    let Form(sent) = form_in::<Sent>(request).await?;
    let locale = Locale::from_tag(&sent.locale).unwrap_or(visitor.locale);
    let visitor = Visitor { locale, ..visitor };
    let email = match envelope::parse(&sent.email) {
        Ok(email) => email,
        Err(error) => return mistake(&visitor, &headers, &sent, error),
    };
    if sent.homepage.is_empty() {
        let form_page = form_page(state, &sent, &headers);
        let mut transaction = state.pool.begin().await?;
        let shown = shown(&mut transaction, &visitor, &sent.consent_version).await?;
        let client_ip = client.filter(|_| state.keeps_ip).map(|client| client.address);
        let place = client.and_then(Client::to_count).map(|address| Place::of(&state.keys, address));
        let request = signup::Request {
            email: &email,
            locale,
            shown,
            form_page: &form_page,
            client_ip,
            place,
            replaces: None,
        };
        signup::request(&mut transaction, &request, Utc::now()).await?;
        transaction.commit().await?;
    } else {
        tracing::info!("a form came with the trap field filled in; nothing was kept");
    }
    Ok(if problem::wants_json(&headers) {
        (StatusCode::ACCEPTED, axum::Json(serde_json::json!({ "status": "check_mailbox" }))).into_response()
    } else {
        Redirect::to(&format!("/check-mailbox?lang={locale}")).into_response()
    })
}

/// Reads a form.
///
/// # Errors
/// [`Problem::BadRequest`] when it is none.
pub async fn form_in<T: DeserializeOwned>(request: Request) -> Result<Form<T>, Problem> {
    Form::from_request(request, &()).await.map_err(|_| Problem::BadRequest)
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

/// The form again, with what to mend.
fn mistake(
    visitor: &Visitor,
    headers: &HeaderMap,
    sent: &Sent,
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
    // What was typed comes back, as far as it is short enough to be an address.
    let typed: String = sent.email.chars().take(320).collect();
    let form = Shows {
        email: &typed,
        error: Some(message),
        page: form_page(&visitor.state, sent, headers),
        consent_version: Some(visitor.publication.version),
    };
    visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, "signup.html", &serde_json::json!({ "form": form }))
}

/// The consent text the visitor saw: the version that came with the form, if we ever had it, else the current one.
///
/// # Errors
/// When the database fails.
pub async fn shown(db: &mut PgConnection, visitor: &Visitor, sent_version: &str) -> sqlx::Result<Shown> {
    let sent_version = sent_version.parse().ok().filter(|version| *version != visitor.publication.version);
    let older = match sent_version {
        Some(version) => publication::version(db, version).await?,
        None => None,
    };
    let publication = older.as_ref().unwrap_or(&visitor.publication);
    Ok(Shown {
        version: publication.version,
        locale: visitor.locale,
        sha256: publication.content.consent_sha256(visitor.locale),
    })
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
