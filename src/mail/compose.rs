//! Composing: from nouns of the domain to a filled template, and from there to a message.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::{PublicUrl, SecretKeys},
    domain::{
        address::EmailAddress,
        calendar_event::CalendarEvent,
        hosted::{self, Hosted},
        ids::SubscriberId,
        locale::Locale,
        mailing::FrozenContent,
        publication::{Publication, written_date},
        signup::Signup,
        staff::secret::OneTimeToken,
        subscriber::Subscriber,
        token::{ConfirmToken, LinkPurpose, access_token, subscriber_token},
        update::Update,
    },
    mail::{
        contexts::{
            AccessContext, AddressChangeContext, AddressNoticeContext, AlreadySubscribedContext,
            ConfirmationContext, IMAGE_WIDTH, ImageContext, PublicationContext, StaffLinkContext,
            UpdateContext, UpdateMailContext, WelcomeContext,
        },
        markdown::{self, Surroundings},
        merge_fields::{MANAGE, OwnTokens, UNSUBSCRIBE},
        message::{Frame, MessageError, Recipient},
        preheader,
        templates::{MailKind, Rendered, TemplateError, Templates},
    },
};

/// Makes mails. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Composer {
    templates: Templates,
    public_url: PublicUrl,
    keys: SecretKeys,
}

/// Why a mail could not be made. Give up on it and tell the operator; trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl Composer {
    /// A composer for the service at `public_url`.
    #[must_use]
    pub fn new(templates: Templates, public_url: PublicUrl, keys: SecretKeys) -> Self {
        Self { templates, public_url, keys }
    }

    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The tokens of a subscriber, which stand in every mail of the subscription.
    #[must_use]
    pub fn own_tokens(&self, subscriber: SubscriberId) -> OwnTokens {
        OwnTokens {
            unsubscribe: subscriber_token(&self.keys, LinkPurpose::Unsubscribe, subscriber),
            manage: subscriber_token(&self.keys, LinkPurpose::Manage, subscriber),
        }
    }

    /// The mail that asks the owner of an address to confirm.
    pub fn confirmation(
        &self,
        publication: &Publication,
        signup: &Signup,
        token: &ConfirmToken,
    ) -> Result<Frame, ComposeError> {
        let content = &publication.content;
        let context = ConfirmationContext {
            locale: signup.locale,
            publication: PublicationContext::new(content, signup.locale),
            confirm_url: self.public_url.join(&format!("/confirm/{}", token.reveal())),
            requested_at: content.written_time(signup.requested_at, signup.locale),
            expires_at: content.written_time(signup.expires_at, signup.locale),
            requested_site: self.site(publication),
            is_by_staff: signup.is_by_staff,
        };
        self.frame(
            MailKind::Confirmation,
            signup.locale,
            publication,
            &self.templates.render(MailKind::Confirmation, &context)?,
        )
    }

    /// The mail that asks the owner of an address whether a subscription may move there.
    pub fn address_change(
        &self,
        publication: &Publication,
        signup: &Signup,
        token: &ConfirmToken,
    ) -> Result<Frame, ComposeError> {
        let content = &publication.content;
        let context = AddressChangeContext {
            locale: signup.locale,
            publication: PublicationContext::new(content, signup.locale),
            confirm_url: self.public_url.join(&format!("/confirm/{}", token.reveal())),
            requested_at: content.written_time(signup.requested_at, signup.locale),
            expires_at: content.written_time(signup.expires_at, signup.locale),
        };
        let rendered = self.templates.render(MailKind::AddressChange, &context)?;
        self.frame(MailKind::AddressChange, signup.locale, publication, &rendered)
    }

    /// The mail that tells a subscriber of such a request.
    pub fn address_notice(
        &self,
        publication: &Publication,
        subscriber: &Subscriber,
    ) -> Result<Frame, ComposeError> {
        let context = AddressNoticeContext {
            locale: subscriber.locale,
            publication: PublicationContext::new(&publication.content, subscriber.locale),
            manage_url: self.marked_manage_url(),
        };
        let rendered = self.templates.render(MailKind::AddressNotice, &context)?;
        self.frame(MailKind::AddressNotice, subscriber.locale, publication, &rendered)
    }

    /// The mail with the link to everything stored of a subscriber, good for an hour from `now`.
    pub fn access(
        &self,
        publication: &Publication,
        subscriber: &Subscriber,
        now: DateTime<Utc>,
    ) -> Result<Frame, ComposeError> {
        let token = access_token(&self.keys, subscriber.id, &subscriber.email.normalized(), now);
        let context = AccessContext {
            locale: subscriber.locale,
            publication: PublicationContext::new(&publication.content, subscriber.locale),
            access_url: self.public_url.join(&format!("/data/{token}")),
            manage_url: self.marked_manage_url(),
        };
        let rendered = self.templates.render(MailKind::Access, &context)?;
        self.frame(MailKind::Access, subscriber.locale, publication, &rendered)
    }

    /// A mail with a one-time link for somebody on the staff: [`MailKind::Invitation`] or [`MailKind::NewPassword`]. What
    /// language they read is not known: it is in the publication's.
    pub fn staff_link(
        &self,
        kind: MailKind,
        publication: &Publication,
        name: &str,
        (token, expires_at): (&OneTimeToken, DateTime<Utc>),
    ) -> Result<Frame, ComposeError> {
        let content = &publication.content;
        let context = StaffLinkContext {
            locale: content.locale,
            publication: PublicationContext::new(content, content.locale),
            name: name.to_owned(),
            link_url: self.public_url.join(&format!("/staff/welcome/{}", token.reveal())),
            expires_at: content.written_time(expires_at, content.locale),
            forgotten_url: self.public_url.join("/staff/login/forgotten"),
        };
        self.frame(kind, content.locale, publication, &self.templates.render(kind, &context)?)
    }

    /// The mail that answers a signup of an address that is subscribed already.
    pub fn already_subscribed(
        &self,
        publication: &Publication,
        signup: &Signup,
    ) -> Result<Frame, ComposeError> {
        let context = AlreadySubscribedContext {
            locale: signup.locale,
            publication: PublicationContext::new(&publication.content, signup.locale),
            requested_at: publication.content.written_time(signup.requested_at, signup.locale),
            requested_site: self.site(publication),
            is_by_staff: signup.is_by_staff,
            unsubscribe_url: self.marked_unsubscribe_url(),
            manage_url: self.marked_manage_url(),
        };
        let rendered = self.templates.render(MailKind::AlreadySubscribed, &context)?;
        self.frame(MailKind::AlreadySubscribed, signup.locale, publication, &rendered)
    }

    pub fn welcome(&self, publication: &Publication, subscriber: &Subscriber) -> Result<Frame, ComposeError> {
        let context = WelcomeContext {
            locale: subscriber.locale,
            publication: PublicationContext::new(&publication.content, subscriber.locale),
            unsubscribe_url: self.marked_unsubscribe_url(),
            manage_url: self.marked_manage_url(),
        };
        self.frame(
            MailKind::Welcome,
            subscriber.locale,
            publication,
            &self.templates.render(MailKind::Welcome, &context)?,
        )
    }

    /// What is known of the pictures and files that an update shows, for [`update`](Self::update).
    pub async fn hosted(&self, db: &mut PgConnection, update: &Update) -> sqlx::Result<Hosted> {
        let (image, link) = (update.image.as_deref(), update.link.as_deref());
        let texts = [update.body.as_str(), image.unwrap_or_default(), link.unwrap_or_default()];
        hosted::in_texts(db, &self.public_url, &texts).await
    }

    /// An update, filled in once for everybody: this is what a mailing freezes.
    pub fn update(
        &self,
        publication: &Publication,
        update: &Update,
        hosted: &Hosted,
    ) -> Result<FrozenContent, ComposeError> {
        let content = &publication.content;
        let image = update.image.as_ref().map(|url| {
            let size = hosted.size(url).map(|size| markdown::shown_size(size, IMAGE_WIDTH));
            ImageContext {
                url: url.clone(),
                alt: update.image_alt.clone().unwrap_or_default(),
                credit: update.image_credit.clone(),
                width: size.map_or(IMAGE_WIDTH, |(width, _)| width),
                height: size.map(|(_, height)| height),
            }
        });
        let calendar = |event: &CalendarEvent| {
            let token = event.token(content.time_zone, &self.keys)?;
            Some(self.public_url.join(&format!("/calendar/{token}.ics")))
        };
        let around = Surroundings {
            accent: content.accent.as_str(),
            hosted,
            locale: update.locale,
            calendar: &calendar,
        };
        let context = UpdateMailContext {
            locale: update.locale,
            publication: PublicationContext::new(content, update.locale),
            update: UpdateContext {
                title: update.title.clone(),
                teaser: update.teaser.clone(),
                preheader: preheader::of_update(&update.title, &update.teaser, &update.body),
                date: update.dated.map(|date| written_date(date, update.locale)),
                link: update.link.clone(),
                image,
                body_html: markdown::html_within(&update.body, around),
                body_text: markdown::text_within(&update.body, around),
            },
            unsubscribe_url: self.marked_unsubscribe_url(),
            manage_url: self.marked_manage_url(),
        };
        let rendered = self.templates.render(MailKind::Update, &context)?;
        Ok(FrozenContent {
            publication_version: publication.version,
            locale: update.locale,
            subject: rendered.subject,
            body_text: rendered.text,
            body_html: rendered.html,
        })
    }

    /// Encodes what a mailing froze.
    pub fn mailing_frame(
        &self,
        publication: &Publication,
        content: &FrozenContent,
    ) -> Result<Frame, ComposeError> {
        let rendered = Rendered {
            subject: content.subject.clone(),
            text: content.body_text.clone(),
            html: content.body_html.clone(),
        };
        self.frame(MailKind::Update, content.locale, publication, &rendered)
    }

    /// An update as a test mail: the real thing, with a word before its subject.
    pub fn test_frame(
        &self,
        publication: &Publication,
        update: &Update,
        hosted: &Hosted,
    ) -> Result<Frame, ComposeError> {
        let mut content = self.update(publication, update, hosted)?;
        content.subject = format!("[Test] {}", content.subject);
        self.mailing_frame(publication, &content)
    }

    /// A mail of this kind as the publication makes it look, with made-up content: to be looked at.
    pub fn sample(
        &self,
        kind: MailKind,
        publication: &Publication,
        locale: Locale,
    ) -> Result<Rendered, ComposeError> {
        let publication = PublicationContext::new(&publication.content, locale);
        Ok(self.templates.sample(kind, locale, publication)?)
    }

    /// The tokens of a subscriber who does not exist.
    #[must_use]
    pub fn nobodys_tokens(&self) -> OwnTokens {
        self.own_tokens(SubscriberId(uuid::Uuid::nil()))
    }

    /// The message of an update for a subscriber who does not exist: for previews and tests. Its own links are well
    /// formed and belong to nobody.
    #[must_use]
    pub fn for_nobody(
        &self,
        frame: &Frame,
        to: &EmailAddress,
        message_id: &str,
        date: DateTime<Utc>,
    ) -> Vec<u8> {
        let tokens = self.nobodys_tokens();
        frame.for_recipient(&Recipient { to, tokens: Some(&tokens), message_id, date })
    }

    fn frame(
        &self,
        kind: MailKind,
        locale: Locale,
        publication: &Publication,
        rendered: &Rendered,
    ) -> Result<Frame, ComposeError> {
        Ok(Frame::new(kind, locale, rendered, &publication.content, &self.public_url)?)
    }

    fn marked_unsubscribe_url(&self) -> String {
        self.public_url.join(&format!("/unsubscribe/{UNSUBSCRIBE}"))
    }

    fn marked_manage_url(&self) -> String {
        self.public_url.join(&format!("/manage/{MANAGE}"))
    }

    /// The site that is named in answers to a signup: the project's own, or this service's. Never the page a visitor
    /// sent along, which anybody could make up (invariant 6).
    fn site(&self, publication: &Publication) -> String {
        let website = publication.content.website.as_ref().and_then(|url| url.host_str());
        website.unwrap_or(self.public_url.host()).to_owned()
    }
}

/// The language an update is in when its file names none: the publication's.
#[must_use]
pub fn default_locale(publication: Option<&Publication>) -> Locale {
    publication.map(|publication| publication.content.locale).unwrap_or_default()
}
