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
use sqlx::PgConnection;

use crate::{
    domain::{
        address::near_miss,
        consent::{self, ConsentEvent, ConsentMethod},
        erasure,
        publication::{self, Retention},
        record::{self, Record},
        signup::{
            self,
            address_change::{self, Asked},
        },
        subscriber::{self, Subscriber, SubscriberState},
        token::{Access, AccessClaim},
    },
    mail::envelope,
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
    let mut db = state.pool.acquire().await?;
    match owner(&mut db, &visitor, &token).await? {
        Owner::Is(subscriber) => {
            let own = everything(&mut db, &visitor, &subscriber, &token).await?;
            visitor.page("data.html", &own)
        }
        Owner::Answer(answer) => Ok(answer),
    }
}

/// `GET /data/{token}/download`: the same for programs, as a file.
pub async fn download(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let mut db = state.pool.acquire().await?;
    let subscriber = match owner(&mut db, &visitor, &token).await? {
        Owner::Is(subscriber) => subscriber,
        Owner::Answer(answer) => return Ok(answer),
    };
    let record = record::of_address(&mut db, &state.keys, &subscriber.email).await?;
    let file = json!({
        "newsletter": visitor.publication.content.name,
        "made_at": Utc::now(),
        "about": about(&visitor),
        "record": record,
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
pub struct NewAddress {
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
    let Form(sent) = form_in::<NewAddress>(request).await?;
    let mut transaction = state.pool.begin().await?;
    let subscriber = match owner(&mut transaction, &visitor, &token).await? {
        Owner::Is(subscriber) => subscriber,
        Owner::Answer(answer) => return Ok(answer),
    };
    let email = match envelope::parse(&sent.email) {
        Ok(email) => email,
        Err(error) => {
            let message = visitor.text("error", subscribe::error_key(error)).to_owned();
            return mistake(&mut transaction, &visitor, &subscriber, (&token, &sent.email, &message)).await;
        }
    };
    let (shown, names_text) = subscribe::shown(&mut transaction, &visitor, &sent.consent_version).await?;
    let asked = signup::Request {
        email: &email,
        locale: subscriber.locale,
        shown,
        names_text,
        form_page: &state.public_url.join("/data"),
        client_ip: client.filter(|_| state.keeps_ip).and_then(|client| client.address),
        place: subscribe::place(&state, client),
        replaces: Some(subscriber.id),
    };
    match address_change::ask(&mut transaction, &asked, Utc::now()).await? {
        Asked::Now => transaction.commit().await?,
        Asked::SameAddress => {
            let message = visitor.text("data", "same_address").to_owned();
            return mistake(&mut transaction, &visitor, &subscriber, (&token, &sent.email, &message)).await;
        }
        Asked::NotActive => return Err(Problem::AddressNotActive),
    }
    let own = json!({
        "old_address": subscriber.email.as_str(),
        "new_address": email.written(),
        "suggestion": near_miss::suggestion(&email).map(|meant| meant.written()),
        "data_url": format!("/data/{token}?lang={}", visitor.locale),
        "manage_url": manage::path(&visitor, subscriber.id),
    });
    visitor.answer(StatusCode::OK, "address_asked.html", &own)
}

/// `GET /data/{token}/erase`: says what will be gone, and asks.
pub async fn ask_erase(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let mut db = state.pool.acquire().await?;
    match owner(&mut db, &visitor, &token).await? {
        Owner::Is(subscriber) => visitor.page(
            "erase.html",
            &json!({
                "address": subscriber.email.as_str(),
                "action": format!("/data/{token}/erase?lang={}", visitor.locale),
                "back": format!("/data/{token}?lang={}", visitor.locale),
            }),
        ),
        Owner::Answer(answer) => Ok(answer),
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
    let now = Utc::now();
    // What else it may say, it is done: only the owner of the mailbox has this link.
    let is_pressed =
        url::form_urlencoded::parse(&body).any(|(name, value)| name == "action" && value == "erase");
    let method = if is_pressed { ConsentMethod::Button } else { ConsentMethod::Link };
    let mut transaction = state.pool.begin().await?;
    let subscriber = match owner(&mut transaction, &visitor, &token).await? {
        Owner::Is(subscriber) => subscriber,
        Owner::Answer(answer) => return Ok(answer),
    };
    let normalized = subscriber.email.normalized();
    erasure::erase(&mut transaction, &state.keys, &normalized, method, now).await?;
    transaction.commit().await?;
    tracing::info!(subscriber = %subscriber.id, "a subscriber had everything deleted");
    visitor.answer(StatusCode::OK, "nothing_stored.html", &json!({ "is_erased": true }))
}

/// Who came with an access link.
enum Owner {
    /// The subscriber it was sent to.
    Is(Subscriber),
    /// Nobody it opens anything for; what they get to read.
    Answer(Response),
}

async fn owner(db: &mut PgConnection, visitor: &Visitor, token: &str) -> Result<Owner, Problem> {
    let claim = AccessClaim::read(&visitor.state.keys, token).ok_or(Problem::LinkUnknown)?;
    let Some(subscriber) = subscriber::by_id(db, claim.subscriber()).await? else {
        return manage::nothing_stored(visitor).map(Owner::Answer);
    };
    match claim.check(&visitor.state.keys, &subscriber.email.normalized(), Utc::now()) {
        Some(Access::Open) => Ok(Owner::Is(subscriber)),
        Some(Access::Expired) => {
            let own = json!({ "action": manage::path(visitor, subscriber.id) });
            visitor.answer(StatusCode::GONE, "access_expired.html", &own).map(Owner::Answer)
        }
        // It came to an address that was given up since.
        None => Err(Problem::AccessMoved),
    }
}

/// The page again, with what to mend in the form for another address.
async fn mistake(
    db: &mut PgConnection,
    visitor: &Visitor,
    subscriber: &Subscriber,
    (token, email, message): (&str, &str, &str),
) -> Result<Response, Problem> {
    let mut own = everything(db, visitor, subscriber, token).await?;
    own["form"]["email"] = form_values::again(email).into();
    own["form"]["error"] = message.into();
    visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, "data.html", &own)
}

/// Everything stored, as the page shows it.
async fn everything(
    db: &mut PgConnection,
    visitor: &Visitor,
    subscriber: &Subscriber,
    token: &str,
) -> Result<Value, Problem> {
    let content = &visitor.publication.content;
    let record = record::of_address(db, &visitor.state.keys, &subscriber.email).await?;
    let new_address = address_change::waiting(db, subscriber.id, Utc::now()).await?;
    let lang = visitor.locale;
    let links = json!({
        "download": format!("/data/{token}/download?lang={lang}"),
        "address": format!("/data/{token}/address?lang={lang}"),
        "erase": format!("/data/{token}/erase?lang={lang}"),
        "manage": manage::path(visitor, subscriber.id),
    });
    Ok(json!({
        "address": subscriber.email.as_str(),
        "is_active": subscriber.state == SubscriberState::Active,
        "since": manage::since(visitor, subscriber),
        "consented": record.agreed_elsewhere().map(|at| consented(visitor, at)),
        "confirmed_at": content.written_time(subscriber.confirmed_at, lang),
        "language": visitor.text("data", if subscriber.locale.tag() == "de" { "german" } else { "english" }),
        "new_address": new_address.map(|address| address.as_str().to_owned()),
        "events": events(visitor, &record),
        "mails": mails(visitor, &record),
        "time_zone": content.time_zone.0.name(),
        "about": about(visitor),
        "links": links,
        "form": { "email": "", "error": null, "consent_version": visitor.publication.version },
    }))
}

/// The record of consent in words, of former addresses too, oldest first.
fn events(visitor: &Visitor, record: &Record) -> Vec<Value> {
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
fn mails(visitor: &Visitor, record: &Record) -> Vec<Value> {
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
