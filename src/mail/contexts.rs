//! What each template is given: typed contexts, and a sample of each that tests and the start-up check render.

use serde::Serialize;

use crate::domain::{
    locale::Locale,
    publication::{Content, Logo},
};

/// The samples' confirmation link.
pub(super) const SAMPLE_CONFIRM_URL: &str = "https://brief.example.org/confirm/sample";
/// The samples' unsubscribe link.
pub(super) const SAMPLE_UNSUBSCRIBE_URL: &str = "https://brief.example.org/unsubscribe/sample";
/// A line of the samples' imprint.
pub(super) const SAMPLE_IMPRINT_LINE: &str = "Marktplatz 17";

/// Of the publication, what every mail shows.
#[derive(Debug, Clone, Serialize)]
pub struct PublicationContext {
    /// Name of the newsletter.
    pub name: String,
    /// The project's site.
    pub website: Option<String>,
    /// Who the mail is from.
    pub sender_name: String,
    /// The address it is from.
    pub sender_address: String,
    /// Where the privacy policy is.
    pub privacy_url: String,
    /// The imprint, several lines.
    pub imprint: String,
    /// Who pays for the project; may be empty.
    pub funding_notice: String,
    /// Colour of buttons and links.
    pub accent: String,
    /// A picture at the top.
    pub logo: Option<Logo>,
}

impl PublicationContext {
    /// The publication in one language.
    #[must_use]
    pub fn new(content: &Content, locale: Locale) -> Self {
        let texts = content.texts(locale);
        Self {
            name: content.name.clone(),
            website: content.website.as_ref().map(ToString::to_string),
            sender_name: content.sender.name.clone(),
            sender_address: content.sender.address.clone(),
            privacy_url: content.privacy_url.as_ref().map(ToString::to_string).unwrap_or_default(),
            imprint: texts.imprint,
            funding_notice: texts.funding_notice,
            accent: content.accent.as_str().to_owned(),
            logo: content.logo.clone(),
        }
    }

    /// The sample with everything that may be missing filled in or, the other way round, left out: templates must do
    /// with both.
    #[must_use]
    fn turned_over(self) -> Self {
        let logo = Logo {
            url: url::Url::parse("https://www.example.org/logo.png")
                .unwrap_or_else(|_| unreachable!("an address")),
            alt: "Projekt Werkstatt".into(),
            width: 180,
            height: 48,
        };
        Self { website: None, funding_notice: String::new(), logo: Some(logo), ..self }
    }

    /// A made-up publication.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: "Werkstattbrief".into(),
            website: Some("https://www.example.org/".into()),
            sender_name: "Projekt Werkstatt".into(),
            sender_address: "brief@example.org".into(),
            privacy_url: "https://www.example.org/datenschutz".into(),
            imprint: format!("Projekt Werkstatt e. V.\n{SAMPLE_IMPRINT_LINE}\n03046 Cottbus"),
            funding_notice: "Gefördert aus Mitteln des Landes".into(),
            accent: "#0b5d4e".into(),
            logo: None,
        }
    }
}

/// For `confirmation/`.
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmationContext {
    /// Language of the mail.
    pub locale: Locale,
    /// See [`PublicationContext`].
    pub publication: PublicationContext,
    /// Where the signup is confirmed.
    pub confirm_url: String,
    /// When it was asked for, as readers see it.
    pub requested_at: String,
    /// Until when the link works, as readers see it.
    pub expires_at: String,
    /// Name of the site it was asked for on: the publication's own, never what a visitor sent (invariant 6).
    pub requested_site: String,
}

/// For `already_subscribed/`.
#[derive(Debug, Clone, Serialize)]
pub struct AlreadySubscribedContext {
    /// Language of the mail.
    pub locale: Locale,
    /// See [`PublicationContext`].
    pub publication: PublicationContext,
    /// When it was asked for, as readers see it.
    pub requested_at: String,
    /// Name of the site it was asked for on.
    pub requested_site: String,
    /// Where the subscription is ended.
    pub unsubscribe_url: String,
}

/// For `welcome/`.
#[derive(Debug, Clone, Serialize)]
pub struct WelcomeContext {
    /// Language of the mail.
    pub locale: Locale,
    /// See [`PublicationContext`].
    pub publication: PublicationContext,
    /// Where the subscription is ended.
    pub unsubscribe_url: String,
    /// The subscriber's own page, where there is one.
    pub manage_url: Option<String>,
}

/// For `update/`.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateMailContext {
    /// Language of the mail.
    pub locale: Locale,
    /// See [`PublicationContext`].
    pub publication: PublicationContext,
    /// The update.
    pub update: UpdateContext,
    /// Where the subscription is ended.
    pub unsubscribe_url: String,
    /// The subscriber's own page, where there is one.
    pub manage_url: Option<String>,
}

/// An update as its mail shows it.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateContext {
    /// Title.
    pub title: String,
    /// One or two sentences; may be empty.
    pub teaser: String,
    /// The date as readers see it.
    pub date: Option<String>,
    /// Its page on the project's site.
    pub link: Option<String>,
    /// Its picture.
    pub image: Option<ImageContext>,
    /// The body as HTML that is safe to put in.
    pub body_html: String,
    /// The body as plain text.
    pub body_text: String,
}

/// A picture.
#[derive(Debug, Clone, Serialize)]
pub struct ImageContext {
    /// Where it lies.
    pub url: String,
    /// What it shows.
    pub alt: String,
    /// Who made it.
    pub credit: Option<String>,
    /// Shown width in pixels.
    pub width: u16,
}

impl ConfirmationContext {
    /// The sample with what may be missing the other way round.
    #[must_use]
    pub fn other_sample(locale: Locale) -> Self {
        let sample = Self::sample(locale);
        Self { publication: sample.publication.turned_over(), ..sample }
    }

    /// A made-up one.
    #[must_use]
    pub fn sample(locale: Locale) -> Self {
        Self {
            locale,
            publication: PublicationContext::sample(),
            confirm_url: SAMPLE_CONFIRM_URL.into(),
            requested_at: "23. November 2026, 14:05 Uhr".into(),
            expires_at: "30. November 2026, 14:05 Uhr".into(),
            requested_site: "www.example.org".into(),
        }
    }
}

impl AlreadySubscribedContext {
    /// The sample with what may be missing the other way round.
    #[must_use]
    pub fn other_sample(locale: Locale) -> Self {
        let sample = Self::sample(locale);
        Self { publication: sample.publication.turned_over(), ..sample }
    }

    /// A made-up one.
    #[must_use]
    pub fn sample(locale: Locale) -> Self {
        Self {
            locale,
            publication: PublicationContext::sample(),
            requested_at: "23. November 2026, 14:05 Uhr".into(),
            requested_site: "www.example.org".into(),
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
        }
    }
}

impl WelcomeContext {
    /// The sample with what may be missing the other way round.
    #[must_use]
    pub fn other_sample(locale: Locale) -> Self {
        let sample = Self::sample(locale);
        let manage_url = Some("https://brief.example.org/manage/sample".into());
        Self { publication: sample.publication.turned_over(), manage_url, ..sample }
    }

    /// A made-up one.
    #[must_use]
    pub fn sample(locale: Locale) -> Self {
        Self {
            locale,
            publication: PublicationContext::sample(),
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
            manage_url: None,
        }
    }
}

impl UpdateMailContext {
    /// The sample with what may be missing the other way round.
    #[must_use]
    pub fn other_sample(locale: Locale) -> Self {
        let sample = Self::sample(locale);
        let update =
            UpdateContext { teaser: String::new(), date: None, link: None, image: None, ..sample.update };
        let manage_url = Some("https://brief.example.org/manage/sample".into());
        Self { publication: sample.publication.turned_over(), update, manage_url, ..sample }
    }

    /// A made-up one with everything filled in.
    #[must_use]
    pub fn sample(locale: Locale) -> Self {
        Self {
            locale,
            publication: PublicationContext::sample(),
            update: UpdateContext {
                title: "Zwei Tage in der Lehrwerkstatt".into(),
                teaser: "Was Auszubildende und Betriebe voneinander mitnehmen.".into(),
                date: Some("16. Dezember 2026".into()),
                link: Some("https://www.example.org/aktuelles/lehrwerkstatt".into()),
                image: Some(ImageContext {
                    url: "https://www.example.org/bilder/lehrwerkstatt.jpg".into(),
                    alt: "Zwei Auszubildende an einer Werkbank".into(),
                    credit: Some("Foto: Projekt Werkstatt".into()),
                    width: super::compose::IMAGE_WIDTH,
                }),
                body_html: "<p style=\"margin:0 0 16px 0;\">Ein Absatz.</p>".into(),
                body_text: "Ein Absatz.".into(),
            },
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
            manage_url: None,
        }
    }
}
