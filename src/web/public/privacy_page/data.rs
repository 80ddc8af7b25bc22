//! Everything that is stored of a person, in words.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    app::privacy::PrivacyData,
    domain::{
        consent::{self, ConsentEvent},
        locale::Locale,
        personal_data::PersonalData,
        publication::{self, Content, Retention},
        subscriber::SubscriberState,
    },
    web::{
        page_context::{PageContext, Sample},
        public::{manage, visitor::Visitor},
        renderer::Renderer,
    },
};

/// The page. Its texts are in the visitor's language, its times in the publication's time zone.
#[derive(Clone, Serialize)]
pub struct DataPage {
    address: String,
    is_active: bool,
    /// The day on which it became so.
    since: String,
    /// When consent was given elsewhere, where a list brought the subscription in.
    consented: Option<String>,
    confirmed_at: String,
    /// Of the mails, in words.
    language: String,
    /// The address that waits for its owner.
    new_address: Option<String>,
    events: Vec<EventRow>,
    mails: Vec<MailRow>,
    time_zone: &'static str,
    about: Vec<About>,
    links: Links,
    form: AddressForm,
}

/// One entry of the record of consent.
#[derive(Clone, Serialize)]
struct EventRow {
    at: String,
    what: String,
    how: String,
    /// The address it is about, where that is not the present one.
    former_address: Option<String>,
    /// The consent text that was shown.
    text: Option<String>,
    page: Option<String>,
    client_ip: Option<String>,
    source: Option<String>,
    consented_at: Option<String>,
}

#[derive(Clone, Serialize)]
struct MailRow {
    at: String,
    what: String,
    result: String,
}

/// One thing that a person has to be told about the processing.
#[derive(Clone, Serialize)]
pub struct About {
    label: String,
    text: String,
}

#[derive(Clone, Serialize)]
struct Links {
    download: String,
    /// Where the form for another address sends.
    address: String,
    erase: String,
    manage: String,
}

/// The form for another address.
#[derive(Clone, Serialize)]
struct AddressForm {
    email: String,
    /// What is wrong with the address, in words.
    error: Option<String>,
    consent_version: i32,
}

impl DataPage {
    /// The page behind an access link.
    pub fn of(visitor: &Visitor, own: &PrivacyData, token: &str) -> Self {
        let PrivacyData { subscriber, data: record, new_address } = own;
        let content = &visitor.publication.content;
        let lang = visitor.locale;
        let language = visitor.language(subscriber.locale);
        Self {
            address: subscriber.email.written(),
            is_active: subscriber.state == SubscriberState::Active,
            since: manage::since(visitor, subscriber),
            consented: record.agreed_elsewhere().map(|at| consented(visitor, at)),
            confirmed_at: content.written_time(subscriber.confirmed_at, lang),
            language: language.to_owned(),
            new_address: new_address.as_ref().map(crate::domain::address::EmailAddress::written),
            events: events(visitor, record),
            mails: mails(visitor, record),
            time_zone: content.time_zone.0.name(),
            about: about(content, lang, &visitor.state.renderer),
            links: Links {
                download: format!("/data/{token}/download?lang={lang}"),
                address: format!("/data/{token}/address?lang={lang}"),
                erase: format!("/data/{token}/erase?lang={lang}"),
                manage: manage::path(visitor, subscriber.id),
            },
            form: AddressForm {
                email: String::new(),
                error: None,
                consent_version: visitor.publication.version,
            },
        }
    }

    /// The same, with what is wrong in the form for another address.
    #[must_use]
    pub fn with_mistake(mut self, typed: String, message: &str) -> Self {
        self.form.email = typed;
        self.form.error = Some(message.to_owned());
        self
    }
}

/// The record of consent in words, of former addresses too, oldest first.
fn events(visitor: &Visitor, record: &PersonalData) -> Vec<EventRow> {
    let mut all: Vec<(Option<&str>, &ConsentEvent)> = Vec::new();
    for former in &record.former_addresses {
        all.extend(former.consent_events.iter().map(|event| (Some(former.address.as_str()), event)));
    }
    all.extend(record.consent_events.iter().map(|event| (None, event)));
    all.sort_by_key(|(_, event)| event.at);
    let in_words = all.into_iter().map(|(former, event)| EventRow {
        at: visitor.publication.content.written_time(event.at, visitor.locale),
        what: visitor.text("data.event", event.what()).to_owned(),
        how: visitor.text("data.method", event.how()).to_owned(),
        former_address: former.map(str::to_owned),
        text: event.consent_text.clone(),
        page: event.form_page.clone(),
        client_ip: event.client_ip.clone(),
        source: event.source.clone(),
        consented_at: event.consented_at.map(|at| consented(visitor, at)),
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

/// The mails and what came back about them, newest first.
fn mails(visitor: &Visitor, record: &PersonalData) -> Vec<MailRow> {
    let written = |at| visitor.publication.content.written_time(at, visitor.locale);
    let mails = record.deliveries.iter().map(|mail| {
        let at = mail.finished_at.unwrap_or(mail.due_at);
        let what = mail.subject.as_deref().unwrap_or_else(|| visitor.text("data.mail", &mail.kind));
        let result = visitor.text("data.result", mail.state.name()).to_owned();
        (at, MailRow { at: written(at), what: what.to_owned(), result })
    });
    let bounces = record.bounces.iter().map(|bounce| {
        let what = visitor.text("data.bounce", bounce.kind.name()).to_owned();
        let result = visitor.text("data.bounce_way", bounce.way.name()).to_owned();
        (bounce.received_at, MailRow { at: written(bounce.received_at), what, result })
    });
    let mut all: Vec<_> = mails.chain(bounces).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.into_iter().map(|(_, row)| row).collect()
}

/// What a person has to be told about the processing (Art. 15(1) and (2) DSGVO).
pub fn about(content: &Content, locale: Locale, renderer: &Renderer) -> Vec<About> {
    let text = |key: &str| renderer.text(locale, "data.about", key).to_owned();
    let part = |key: &str, text: String| About {
        label: renderer.text(locale, "data.about.label", key).to_owned(),
        text,
    };
    let mut parts = vec![
        part("responsible", content.texts(locale).imprint),
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

impl PageContext for DataPage {
    const TEMPLATE: &'static str = "data.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let content = &of.publication.content;
        let usual = Self {
            address: Sample::ADDRESS.into(),
            is_active: true,
            since: content.written_day(Utc::now(), of.locale),
            consented: None,
            confirmed_at: of.time(),
            language: of.renderer.language(of.locale, of.locale).to_owned(),
            new_address: None,
            events: Vec::new(),
            mails: Vec::new(),
            time_zone: content.time_zone.0.name(),
            about: about(content, of.locale, of.renderer),
            links: Links {
                download: String::new(),
                address: String::new(),
                erase: String::new(),
                manage: String::new(),
            },
            form: AddressForm { email: String::new(), error: None, consent_version: of.publication.version },
        };
        let signed_up = EventRow {
            at: of.time(),
            what: of.text("data.event", "requested"),
            how: of.text("data.method", "form"),
            former_address: Some("maria@example.org".into()),
            text: Some("Ja, ich möchte den Newsletter.\nWiderruf jederzeit.".into()),
            page: Some("https://example.org/".into()),
            client_ip: Some("192.0.2.7".into()),
            source: None,
            consented_at: None,
        };
        let brought_in = EventRow {
            at: of.time(),
            what: of.text("data.event", "confirmed"),
            how: of.text("data.method", "import"),
            former_address: None,
            text: None,
            page: None,
            client_ip: None,
            source: Some("Liste vom Stand auf der Messe".into()),
            consented_at: Some(of.time()),
        };
        let mail = MailRow {
            at: of.time(),
            what: "Der Radweg ist fertig".into(),
            result: of.text("data.result", "accepted"),
        };
        let moving = Self {
            new_address: Some("maria@example.net".into()),
            events: vec![signed_up],
            mails: vec![mail],
            ..usual.clone()
        };
        let mistaken = usual.clone().with_mistake("maria@".into(), &of.text("error", "email_domain"));
        let brought_in =
            Self { is_active: false, consented: Some(of.time()), events: vec![brought_in], ..usual.clone() };
        vec![usual, moving, mistaken, brought_in]
    }
}
