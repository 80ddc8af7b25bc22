//! Made-up contexts. The check at the start fills every template with two publications: with what may be missing there,
//! and without.

use crate::domain::{locale::Locale, publication::Logo};

use super::{
    AccessContext, AddressChangeContext, AddressNoticeContext, AlreadySubscribedContext, ConfirmationContext,
    ImageContext, PublicationContext, StaffLinkContext, UpdateContext, UpdateMailContext, WelcomeContext,
};

/// The samples' confirmation link.
pub(in crate::mail) const SAMPLE_CONFIRM_URL: &str = "https://brief.example.org/confirm/sample";
/// The samples' settings link.
pub(in crate::mail) const SAMPLE_MANAGE_URL: &str = "https://brief.example.org/manage/sample";
/// The samples' link to everything stored.
pub(in crate::mail) const SAMPLE_ACCESS_URL: &str = "https://brief.example.org/data/sample";
/// The samples' one-time link for somebody on the staff.
pub(in crate::mail) const SAMPLE_STAFF_LINK_URL: &str = "https://brief.example.org/staff/welcome/sample";
/// The samples' unsubscribe link.
pub(in crate::mail) const SAMPLE_UNSUBSCRIBE_URL: &str = "https://brief.example.org/unsubscribe/sample";
/// The samples' picture; nothing lies there.
pub const SAMPLE_IMAGE_URL: &str = "https://www.example.org/bilder/lehrwerkstatt.jpg";
/// A line of the samples' imprint.
pub(in crate::mail) const SAMPLE_IMPRINT_LINE: &str = "Marktplatz 17";

impl PublicationContext {
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
            funding_logos: Vec::new(),
        }
    }

    /// The sample with everything that may be missing filled in or, the other way round, left out: templates must do
    /// with both.
    #[must_use]
    pub fn other_sample() -> Self {
        let logo = |name: &str, alt: &str| Logo {
            url: url::Url::parse(&format!("https://www.example.org/{name}.png"))
                .unwrap_or_else(|_| unreachable!("an address")),
            alt: alt.into(),
            width: 180,
            height: 48,
        };
        Self {
            website: None,
            funding_notice: String::new(),
            logo: Some(logo("logo", "Projekt Werkstatt")),
            funding_logos: vec![logo("land", "Land Brandenburg"), logo("bund", "Bundesministerium")],
            ..Self::sample()
        }
    }
}

impl ConfirmationContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            confirm_url: SAMPLE_CONFIRM_URL.into(),
            requested_at: "23. November 2026, 14:05 Uhr".into(),
            expires_at: "30. November 2026, 14:05 Uhr".into(),
            requested_site: "www.example.org".into(),
            is_by_staff: false,
        }
    }
}

impl AlreadySubscribedContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            requested_at: "23. November 2026, 14:05 Uhr".into(),
            requested_site: "www.example.org".into(),
            is_by_staff: false,
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
            manage_url: SAMPLE_MANAGE_URL.into(),
        }
    }
}

impl AddressChangeContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            confirm_url: SAMPLE_CONFIRM_URL.into(),
            requested_at: "23. November 2026, 14:05 Uhr".into(),
            expires_at: "30. November 2026, 14:05 Uhr".into(),
        }
    }
}

impl AddressNoticeContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self { locale, publication, manage_url: SAMPLE_MANAGE_URL.into() }
    }
}

impl AccessContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            access_url: SAMPLE_ACCESS_URL.into(),
            manage_url: SAMPLE_MANAGE_URL.into(),
        }
    }
}

impl StaffLinkContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            name: "Ada Muster".into(),
            link_url: SAMPLE_STAFF_LINK_URL.into(),
            expires_at: "23. November 2026, 14:35 Uhr".into(),
            forgotten_url: "https://brief.example.org/staff/login/forgotten".into(),
        }
    }
}

impl WelcomeContext {
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
            manage_url: SAMPLE_MANAGE_URL.into(),
        }
    }
}

impl UpdateMailContext {
    /// A made-up one with everything filled in.
    #[must_use]
    pub fn sample(locale: Locale, publication: PublicationContext) -> Self {
        Self {
            locale,
            publication,
            update: UpdateContext {
                title: "Zwei Tage in der Lehrwerkstatt".into(),
                teaser: "Was Auszubildende und Betriebe voneinander mitnehmen.".into(),
                preheader: "Was Auszubildende und Betriebe voneinander mitnehmen.".into(),
                date: Some("16. Dezember 2026".into()),
                link: Some("https://www.example.org/aktuelles/lehrwerkstatt".into()),
                image: Some(ImageContext {
                    url: SAMPLE_IMAGE_URL.into(),
                    alt: "Zwei Auszubildende an einer Werkbank".into(),
                    credit: Some("Foto: Projekt Werkstatt".into()),
                    width: super::IMAGE_WIDTH,
                    height: None,
                }),
                body_html: "<p style=\"margin:0 0 16px 0;\">Ein Absatz.</p>".into(),
                body_text: "Ein Absatz.".into(),
            },
            unsubscribe_url: SAMPLE_UNSUBSCRIBE_URL.into(),
            manage_url: SAMPLE_MANAGE_URL.into(),
        }
    }

    /// The made-up one without everything that may be missing.
    #[must_use]
    pub fn bare_sample(locale: Locale, publication: PublicationContext) -> Self {
        let sample = Self::sample(locale, publication);
        let update = UpdateContext {
            teaser: String::new(),
            preheader: "Ein Absatz.".into(),
            date: None,
            link: None,
            image: None,
            ..sample.update
        };
        Self { update, ..sample }
    }
}
