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
use serde::{Deserialize, Serialize};

use crate::{
    app::privacy::{self, AccessError, NewAddress, NewAddressError},
    domain::{address::near_miss, personal_data::PersonalData},
    web::{
        AppState,
        http::{client::Client, form_body::form_in, form_values, problem::Problem},
        page_context::{PageContext, Sample},
        public::{
            link_token::LinkToken,
            manage,
            privacy_page::data::{About, DataPage, about},
            subscribe,
            visitor::{NothingStoredPage, Visitor},
        },
    },
};

pub mod data;

/// `GET /data/{token}`
pub async fn page(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    match privacy::read(&state.app, &token, Utc::now()).await {
        Ok(own) => visitor.page(&DataPage::of(&visitor, &own, &token)),
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
    let content = &visitor.publication.content;
    let file = Download {
        newsletter: &content.name,
        made_at: Utc::now(),
        about: about(content, visitor.locale, &visitor.state.renderer),
        record: &own.data,
    };
    let text = serde_json::to_string_pretty(&file).map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"newsletter-data.json\""),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    Ok((headers, text).into_response())
}

/// The file.
#[derive(Serialize)]
struct Download<'a> {
    newsletter: &'a str,
    made_at: DateTime<Utc>,
    about: Vec<About>,
    record: &'a PersonalData,
}

/// What the form for another address sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AddressForm {
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
    let Form(sent) = form_in::<AddressForm>(request).await?;
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
    let page = AddressAskedPage {
        old_address: subscriber.email.written(),
        new_address: email.written(),
        suggestion: near_miss::suggestion(&email).map(|meant| meant.written()),
        data_url: format!("/data/{token}?lang={}", visitor.locale),
        manage_url: manage::path(&visitor, subscriber.id),
    };
    visitor.answer(StatusCode::OK, &page)
}

/// Another address was asked for, and has to be confirmed by its owner.
#[derive(Clone, Serialize)]
pub struct AddressAskedPage {
    old_address: String,
    new_address: String,
    /// The one that was meant, perhaps.
    suggestion: Option<String>,
    data_url: String,
    manage_url: String,
}

impl PageContext for AddressAskedPage {
    const TEMPLATE: &'static str = "address_asked.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let usual = Self {
            old_address: Sample::ADDRESS.into(),
            new_address: "maria@example.net".into(),
            suggestion: None,
            data_url: String::new(),
            manage_url: String::new(),
        };
        let mistyped = Self { suggestion: Some("maria@example.org".into()), ..usual.clone() };
        vec![usual, mistyped]
    }
}

/// `GET /data/{token}/erase`: says what will be gone, and asks.
pub async fn ask_erase(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    match privacy::look(&state.app, &token, Utc::now()).await {
        Ok(subscriber) => visitor.page(&ErasePage {
            address: subscriber.email.written(),
            action: format!("/data/{token}/erase?lang={}", visitor.locale),
            back: format!("/data/{token}?lang={}", visitor.locale),
        }),
        Err(error) => refused(&visitor, error),
    }
}

/// Asks whether to erase everything.
#[derive(Serialize)]
pub struct ErasePage {
    address: String,
    action: String,
    back: String,
}

impl PageContext for ErasePage {
    const TEMPLATE: &'static str = "erase.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { address: Sample::ADDRESS.into(), action: String::new(), back: String::new() }]
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
        Ok(()) => visitor.answer(StatusCode::OK, &NothingStoredPage { is_erased: true }),
        Err(error) => refused(&visitor, error),
    }
}

/// What somebody reads whose link opens nothing.
fn refused(visitor: &Visitor, error: AccessError) -> Result<Response, Problem> {
    match error {
        AccessError::Unknown => Err(Problem::LinkUnknown),
        AccessError::NothingStored => visitor.nothing_stored(),
        AccessError::Expired(id) => {
            visitor.answer(StatusCode::GONE, &AccessExpiredPage { action: manage::path(visitor, id) })
        }
        AccessError::Moved => Err(Problem::AccessMoved),
        AccessError::Database(error) => Err(error.into()),
    }
}

/// The hour of a link is over; asks whether to send another one.
#[derive(Serialize)]
pub struct AccessExpiredPage {
    action: String,
}

impl PageContext for AccessExpiredPage {
    const TEMPLATE: &'static str = "access_expired.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { action: String::new() }]
    }
}

/// The page again, with what to mend in the form for another address.
async fn mistake(visitor: &Visitor, token: &str, typed: &str, message: &str) -> Result<Response, Problem> {
    let own = match privacy::read(&visitor.state.app, token, Utc::now()).await {
        Ok(own) => own,
        Err(error) => return refused(visitor, error),
    };
    let page = DataPage::of(visitor, &own, token).with_mistake(form_values::again(typed), message);
    visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}
