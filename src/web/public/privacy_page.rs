//! What only the owner of the mailbox may do, by a link that came there within the hour: see and take away everything
//! stored (Art. 15 and 20 DSGVO), have another address, have everything deleted (Art. 17).

use axum::{
    Form,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::privacy::{self, AccessError, NewAddress, NewAddressError, OwnData},
    domain::{
        address::near_miss,
        consent::{self, ConsentEvent},
        personal_data::PersonalData,
        publication::{self, Retention},
        subscriber::SubscriberState,
    },
    web::{
        AppState,
        http::{client::Client, form_body::form_in, form_values, problem::Problem},
        public::{link_token::LinkToken, manage, subscribe, visitor::Visitor},
    },
};

/// `GET /data/{token}`
pub async fn page(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    match privacy::read(&state.app, &token, Utc::now()).await {
        Ok(own) => visitor.page_value("data.html", &everything(&visitor, &own, &token)),
        Err(error) => refused(&visitor, error),
    }
}

/// `GET /data/{token}/download`: the same for programs, as a file.
pub async fn download(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let own = match privacy::read(&state.app, &token, Utc::now()).await {
        Ok(own) => own,
        Err(error) => return refused(&visitor, error),
    };
    let file = json!({
        "newsletter": visitor.publication.content.name,
        "made_at": Utc::now(),
        "about": about(&visitor),
        "record": own.data,
    });
    let text = serde_json::to_string_pretty(&file).map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"newsletter-data.json\""),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    Ok((headers, text).into_response())
}

/// What the form for another address sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    email: String,
    consent_version: String,
}

/// `POST /data/{token}/address`: asks for another address. The new one gets a mail with a button, the old one is told.
pub async fn ask_address(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let client = Client::of(request.extensions(), request.headers(), &state.proxies);
    let Form(sent) = form_in::<Sent>(request).await?;
    let asked = NewAddress {
        typed: &sent.email,
        consent_version: sent.consent_version.parse().ok(),
        locale: visitor.locale,
        page: &state.public_url.join("/data"),
        network: subscribe::network(&state, client),
        client_ip: client.and_then(|client| client.address),
    };
    let now = Utc::now();
    let asked = privacy::ask_address(&state.app, &token, &visitor.publication, &asked, now).await;
    let (subscriber, email) = match asked {
        Ok(asked) => asked,
        Err(NewAddressError::Access(error)) => return refused(&visitor, error),
        Err(NewAddressError::Address(error)) => {
            let message = visitor.text("error", subscribe::error_key(error));
            return mistake(&visitor, &token, &sent.email, message).await;
        }
        Err(NewAddressError::SameAddress) => {
            return mistake(&visitor, &token, &sent.email, visitor.text("data", "same_address")).await;
        }
        Err(NewAddressError::NotActive) => return Err(Problem::AddressNotActive),
        Err(NewAddressError::NotReady(_)) => return Err(Problem::Unavailable),
        Err(NewAddressError::Database(error)) => return Err(error.into()),
    };
    let own = json!({
        "old_address": subscriber.email.as_str(),
        "new_address": email.written(),
        "suggestion": near_miss::suggestion(&email).map(|meant| meant.written()),
        "data_url": format!("/data/{token}?lang={}", visitor.locale),
        "manage_url": manage::path(&visitor, subscriber.id),
    });
    visitor.answer_value(StatusCode::OK, "address_asked.html", &own)
}

/// `GET /data/{token}/erase`: says what will be gone, and asks.
pub async fn ask_erase(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    match privacy::look(&state.app, &token, Utc::now()).await {
        Ok(subscriber) => visitor.page_value(
            "erase.html",
            &json!({
                "address": subscriber.email.as_str(),
                "action": format!("/data/{token}/erase?lang={}", visitor.locale),
                "back": format!("/data/{token}?lang={}", visitor.locale),
            }),
        ),
        Err(error) => refused(&visitor, error),
    }
}

/// `POST /data/{token}/erase`: everything goes but a keyed fingerprint, which keeps imports from bringing the address
/// back.
pub async fn erase(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    body: Bytes,
) -> Result<Response, Problem> {
    // What else it may say, it is done: only the owner of the mailbox has this link.
    let is_pressed =
        url::form_urlencoded::parse(&body).any(|(name, value)| name == "action" && value == "erase");
    match privacy::erase(&state.app, &token, is_pressed, Utc::now()).await {
        Ok(()) => visitor.answer_value(StatusCode::OK, "nothing_stored.html", &json!({ "is_erased": true })),
        Err(error) => refused(&visitor, error),
    }
}

/// What somebody reads whose link opens nothing.
fn refused(visitor: &Visitor, error: AccessError) -> Result<Response, Problem> {
    match error {
        AccessError::Unknown => Err(Problem::LinkUnknown),
        AccessError::NothingStored => visitor.nothing_stored(),
        AccessError::Expired(id) => {
            let own = json!({ "action": manage::path(visitor, id) });
            visitor.answer_value(StatusCode::GONE, "access_expired.html", &own)
        }
        AccessError::Moved => Err(Problem::AccessMoved),
        AccessError::Database(error) => Err(error.into()),
    }
}

/// The page again, with what to mend in the form for another address.
async fn mistake(visitor: &Visitor, token: &str, typed: &str, message: &str) -> Result<Response, Problem> {
    let own = match privacy::read(&visitor.state.app, token, Utc::now()).await {
        Ok(own) => own,
        Err(error) => return refused(visitor, error),
    };
    let mut own = everything(visitor, &own, token);
    own["form"]["email"] = form_values::again(typed).into();
    own["form"]["error"] = message.into();
    visitor.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "data.html", &own)
}

/// Everything stored, as the page shows it.
fn everything(visitor: &Visitor, own: &OwnData, token: &str) -> Value {
    let OwnData { subscriber, data: record, new_address } = own;
    let content = &visitor.publication.content;
    let lang = visitor.locale;
    let links = json!({
        "download": format!("/data/{token}/download?lang={lang}"),
        "address": format!("/data/{token}/address?lang={lang}"),
        "erase": format!("/data/{token}/erase?lang={lang}"),
        "manage": manage::path(visitor, subscriber.id),
    });
    json!({
        "address": subscriber.email.as_str(),
        "is_active": subscriber.state == SubscriberState::Active,
        "since": manage::since(visitor, subscriber),
        "consented": record.agreed_elsewhere().map(|at| consented(visitor, at)),
        "confirmed_at": content.written_time(subscriber.confirmed_at, lang),
        "language": visitor.language(subscriber.locale),
        "new_address": new_address.as_ref().map(|address| address.as_str().to_owned()),
        "events": events(visitor, record),
        "mails": mails(visitor, record),
        "time_zone": content.time_zone.0.name(),
        "about": about(visitor),
        "links": links,
        "form": { "email": "", "error": null, "consent_version": visitor.publication.version },
    })
}

/// The record of consent in words, of former addresses too, oldest first.
fn events(visitor: &Visitor, record: &PersonalData) -> Vec<Value> {
    let mut all: Vec<(Option<&str>, &ConsentEvent)> = Vec::new();
    for former in &record.former_addresses {
        all.extend(former.consent_events.iter().map(|event| (Some(former.address.as_str()), event)));
    }
    all.extend(record.consent_events.iter().map(|event| (None, event)));
    all.sort_by_key(|(_, event)| event.at);
    let in_words = all.into_iter().map(|(former, event)| {
        json!({
            "at": visitor.publication.content.written_time(event.at, visitor.locale),
            "what": visitor.text("data.event", event.what()),
            "how": visitor.text("data.method", event.how()),
            "former_address": former,
            "text": event.consent_text,
            "page": event.form_page,
            "client_ip": event.client_ip,
            "source": event.source,
            "consented_at": event.consented_at.map(|at| consented(visitor, at)),
        })
    });
    in_words.collect()
}

/// A moment of consent from a list, or the day alone where the list named no more.
fn consented(visitor: &Visitor, at: DateTime<Utc>) -> String {
    let (content, locale) = (&visitor.publication.content, visitor.locale);
    match consent::day_alone(at) {
        Some(day) => publication::written_date(day, locale),
        None => content.written_time(at, locale),
    }
}

/// The mails, newest first.
fn mails(visitor: &Visitor, record: &PersonalData) -> Vec<Value> {
    let in_words = record.deliveries.iter().rev().map(|mail| {
        let at = mail.finished_at.unwrap_or(mail.due_at);
        json!({
            "at": visitor.publication.content.written_time(at, visitor.locale),
            "what": mail.subject.as_deref().unwrap_or_else(|| visitor.text("data.mail", &mail.kind)),
            "result": visitor.text("data.result", &word(&mail.state)),
        })
    });
    in_words.collect()
}

/// What a person has to be told about the processing (Art. 15(1) and (2) DSGVO).
pub fn about(visitor: &Visitor) -> Vec<Value> {
    let content = &visitor.publication.content;
    let text = |key: &str| visitor.text("data.about", key).to_owned();
    let part =
        |key: &str, text: String| json!({ "label": visitor.text("data.about.label", key), "text": text });
    let mut parts = vec![
        part("responsible", content.texts(visitor.locale).imprint),
        part("purpose", text("purpose")),
        part("basis", text("basis")),
        part("recipients", text("recipients")),
        part("retention", times(&text("retention"), content.retention)),
        part("rights", text("rights")),
    ];
    if let Some(url) = &content.privacy_url {
        parts.push(part("privacy", url.to_string()));
    }
    parts
}

/// How long what is kept, in words.
fn times(text: &str, retention: Retention) -> String {
    text.replace("{years}", &retention.proof_years.to_string())
        .replace("{days}", &retention.mailing_days.to_string())
}

/// The name that a value has in the texts.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
