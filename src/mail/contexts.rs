//! What each template is given: typed contexts, and a sample of each that tests and the start-up check render.

mod samples;

pub use samples::SAMPLE_IMAGE_URL;
pub(in crate::mail) use samples::{
    SAMPLE_ACCESS_URL, SAMPLE_CONFIRM_URL, SAMPLE_IMPRINT_LINE, SAMPLE_MANAGE_URL, SAMPLE_STAFF_LINK_URL,
    SAMPLE_UNSUBSCRIBE_URL,
};

use serde::Serialize;

use crate::domain::{
    locale::Locale,
    publication::{Content, Logo},
};

/// Of the publication, what every mail shows.
#[derive(Debug, Clone, Serialize)]
pub struct PublicationContext {
    pub name: String,
    pub website: Option<String>,
    pub sender_name: String,
    pub sender_address: String,
    pub privacy_url: String,
    /// The imprint, several lines.
    pub imprint: String,
    /// Who pays for the project; may be empty.
    pub funding_notice: String,
    /// Colour of buttons and links.
    pub accent: String,
    pub logo: Option<Logo>,
    /// Logos of those who pay for the project.
    pub funding_logos: Vec<Logo>,
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
            sender_address: content.sender.written_address(),
            privacy_url: content.privacy_url.as_ref().map(ToString::to_string).unwrap_or_default(),
            imprint: texts.imprint,
            funding_notice: texts.funding_notice,
            accent: content.accent.as_str().to_owned(),
            logo: content.logo.as_ref().map(fitted),
            funding_logos: content.funding_logos.iter().map(fitted).collect(),
        }
    }
}

/// A logo no wider than the column: Outlook goes by the attribute alone.
fn fitted(logo: &Logo) -> Logo {
    let most = IMAGE_WIDTH;
    if logo.width <= most {
        return logo.clone();
    }
    let height = u32::from(logo.height) * u32::from(most) / u32::from(logo.width);
    Logo { width: most, height: u16::try_from(height).unwrap_or(u16::MAX).max(1), ..logo.clone() }
}

/// Width in pixels at which an update's picture is shown, and of a mail's column: 600 less the margins.
pub const IMAGE_WIDTH: u16 = 552;

/// For `confirmation/`.
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmationContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    pub confirm_url: String,
    /// When it was asked for, as readers see it.
    pub requested_at: String,
    /// Until when the link works, as readers see it.
    pub expires_at: String,
    /// Name of the site it was asked for on: the publication's own, never what a visitor sent (invariant 6).
    pub requested_site: String,
    /// Staff entered the address: nobody asked on a site.
    pub is_by_staff: bool,
}

/// For `already_subscribed/`.
#[derive(Debug, Clone, Serialize)]
pub struct AlreadySubscribedContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    /// When it was asked for, as readers see it.
    pub requested_at: String,
    /// Name of the site it was asked for on.
    pub requested_site: String,
    /// Staff entered the address: nobody asked on a site.
    pub is_by_staff: bool,
    pub unsubscribe_url: String,
    pub manage_url: String,
}

/// For `address_change/`.
#[derive(Debug, Clone, Serialize)]
pub struct AddressChangeContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    pub confirm_url: String,
    /// When it was asked for, as readers see it.
    pub requested_at: String,
    /// Until when the link works, as readers see it.
    pub expires_at: String,
}

/// For `address_notice/`. What was typed as the new address is not among it (invariant 6).
#[derive(Debug, Clone, Serialize)]
pub struct AddressNoticeContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    pub manage_url: String,
}

/// For `access/`.
#[derive(Debug, Clone, Serialize)]
pub struct AccessContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    /// Opens everything stored of the subscriber.
    pub access_url: String,
    pub manage_url: String,
}

/// For `invitation/` and `new_password/`, which go to staff.
#[derive(Debug, Clone, Serialize)]
pub struct StaffLinkContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    /// What they are called on the staff pages.
    pub name: String,
    /// The page on which they set their password.
    pub link_url: String,
    /// Until when it works, as readers see it.
    pub expires_at: String,
    /// The page on which they get another one.
    pub forgotten_url: String,
}

/// For `welcome/`.
#[derive(Debug, Clone, Serialize)]
pub struct WelcomeContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    pub unsubscribe_url: String,
    pub manage_url: String,
}

/// For `update/`.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateMailContext {
    pub locale: Locale,
    pub publication: PublicationContext,
    pub update: UpdateContext,
    pub unsubscribe_url: String,
    pub manage_url: String,
}

/// An update as its mail shows it.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateContext {
    pub title: String,
    /// One or two sentences; may be empty.
    pub teaser: String,
    /// What the inbox shows beside the subject: the teaser, or the text's first sentence; may be empty.
    pub preheader: String,
    pub date: Option<String>,
    pub link: Option<String>,
    pub image: Option<ImageContext>,
    /// The body as HTML that is safe to put in.
    pub body_html: String,
    pub body_text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct ImageContext {
    pub url: String,
    pub alt: String,
    pub credit: Option<String>,
    pub width: u16,
    /// Shown height in pixels, where it is known.
    pub height: Option<u16>,
}
