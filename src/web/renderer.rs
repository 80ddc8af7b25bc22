//! The pages: templates and wording, built in.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Serialize;
use tera::{Context, Filter, Kwargs, State, Tera, TeraResult, Value};

use crate::{
    domain::{
        address,
        locale::Locale,
        publication::{Content, Logo},
    },
    source::{Live, SourceFile},
    source_file,
    web::{
        accent_css, asset_files, plurals,
        texts::{self, Texts},
    },
};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, source_file!("src/web/templates/", $name))),+]
    };
}

pub(in crate::web) const TEMPLATES: &[(&str, SourceFile)] = built_in!(
    "layout.html",
    "signup.html",
    "captcha.html",
    "captcha_scripts.html",
    "press_again.html",
    "check_mailbox.html",
    "confirm.html",
    "confirmed.html",
    "declined.html",
    "subscribed.html",
    "unsubscribe.html",
    "unsubscribed.html",
    "left.html",
    "resubscribed.html",
    "confirm_change.html",
    "manage.html",
    "access_sent.html",
    "access_expired.html",
    "data.html",
    "address_asked.html",
    "erase.html",
    "nothing_stored.html",
    "review.html",
    "embed.html",
    "box_form.html",
    "box_script.html",
    "problem.html",
    "staff/parts.html",
    "staff/layout.html",
    "staff/login.html",
    "staff/code.html",
    "staff/forgotten.html",
    "staff/welcome.html",
    "staff/start.html",
    "staff/glossary.html",
    "staff/signature.html",
    "staff/signups.html",
    "staff/account.html",
    "staff/second_factor.html",
    "staff/reauth.html",
    "staff/recovery_codes.html",
    "staff/publication.html",
    "staff/publication_changes.html",
    "staff/theme.html",
    "staff/review.html",
    "staff/template.html",
    "staff/template_new.html",
    "staff/templates.html",
    "staff/updates.html",
    "staff/editor.html",
    "staff/editor_dialogs.html",
    "staff/conflict.html",
    "staff/history.html",
    "staff/version.html",
    "staff/people.html",
    "staff/person.html",
    "staff/link.html",
    "staff/subscribers.html",
    "staff/subscribers_list.html",
    "staff/subscriber.html",
    "staff/subscriber_erase.html",
    "staff/bounces.html",
    "staff/bounce.html",
    "staff/phone.html",
    "staff/phone_ask.html",
    "staff/imports.html",
    "staff/import.html",
    "staff/import_columns.html",
    "staff/audit.html",
    "staff/images.html",
    "staff/image.html",
    "staff/image_form.html",
    "staff/files.html",
    "staff/findings.html",
    "staff/preflight.html",
    "staff/problem.html",
    "staff/send.html",
    "staff/obstacle.html",
    "staff/planned_text.html",
    "staff/test_recipients.html",
    "staff/mailings.html",
    "staff/mailing.html",
    "staff/report.html",
    "staff/refusals.html",
    "staff/retry.html",
    "staff/restore.html",
);

static FILES: LazyLock<Vec<SourceFile>> =
    LazyLock::new(|| TEMPLATES.iter().map(|(_, file)| *file).chain(texts::files()).collect());

/// Templates and texts, parsed.
pub struct Renderer {
    parsed: Live<Parsed>,
}

struct Parsed {
    tera: Tera,
    texts: Texts,
    /// All texts of a language, as templates take them: shared by all pages, and not written down anew for each.
    for_templates: BTreeMap<Locale, Value>,
}

/// A page could not be made. Give up on it; the visitor gets the fixed page for that.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template.
    #[error("a page cannot be made: {0}")]
    Template(#[from] tera::Error),
    /// A file of texts.
    #[error("the texts of the pages are broken: {0}")]
    Texts(#[from] toml::de::Error),
}

/// Of the publication, what pages show.
#[derive(Debug, Clone, Serialize)]
pub struct PublicationView {
    name: String,
    website: Option<String>,
    /// Where the privacy policy is.
    pub privacy_url: Option<String>,
    /// Who mails are from.
    pub sender_name: String,
    /// The address they are from.
    pub sender_address: String,
    /// Heading of the signup box.
    pub heading: String,
    /// The line under it.
    pub teaser: String,
    /// What the visitor agrees to.
    pub consent: String,
    /// How often mail comes; empty when nobody said.
    pub frequency: String,
    imprint: String,
    funding_notice: String,
    logo: Option<Logo>,
    funding_logos: Vec<Logo>,
    /// Address of the style sheet with its colour.
    colours: Option<String>,
}

impl PublicationView {
    /// The publication in one language; heading and teaser have words of their own where none are set.
    pub fn new(content: &Content, locale: Locale, pages: &Renderer) -> Self {
        let texts = content.texts(locale);
        let or = |text: String, key: &str| {
            if text.is_empty() { pages.text(locale, "signup", key).to_owned() } else { text }
        };
        Self {
            name: content.name.clone(),
            website: content.website.as_ref().map(ToString::to_string),
            privacy_url: content.privacy_url.as_ref().map(ToString::to_string),
            sender_name: content.sender.name.clone(),
            sender_address: content.sender.written_address(),
            heading: or(texts.heading, "default_heading"),
            teaser: or(texts.teaser, "default_teaser"),
            consent: texts.consent,
            frequency: texts.frequency,
            imprint: texts.imprint,
            funding_notice: texts.funding_notice,
            logo: content.logo.clone(),
            funding_logos: content.funding_logos.clone(),
            colours: accent_css::address(&content.accent),
        }
    }
}

/// What the frame around a staff page shows.
#[derive(Debug, Default, Serialize)]
pub struct Shell {
    /// The section of the navigation that is marked.
    pub section: String,
    /// Who is logged in.
    pub member: Option<ShellMember>,
    /// Key of what was just done, as it stands in the address.
    pub done: String,
    /// That in words; empty for a key that there is not.
    pub notice: String,
    /// That mailings are held.
    pub hold: Option<ShellHold>,
    /// What the session is told until it is read.
    pub told: Vec<ShellNotice>,
}

/// Who is logged in.
#[derive(Debug, Serialize)]
pub struct ShellMember {
    pub name: String,
    pub email: String,
    pub is_admin: bool,
    pub has_second_factor: bool,
}

/// That mailings are held.
#[derive(Debug, Serialize)]
pub struct ShellHold {
    /// Why, in words.
    pub found: String,
}

/// What a session is told.
#[derive(Debug, Serialize)]
pub struct ShellNotice {
    pub id: i64,
    pub text: String,
}

#[derive(Serialize)]
struct LanguageView<'a> {
    tag: &'static str,
    own_name: &'static str,
    /// In the language of the page.
    name: &'a str,
}

/// A link to the same page in another language.
#[derive(Debug, Serialize)]
pub struct LanguageLink {
    lang: &'static str,
    /// As the language calls itself.
    name: &'static str,
    url: String,
}

impl LanguageLink {
    /// Links to all languages but one; `url` makes the address of each.
    pub fn to_others(locale: Locale, url: impl Fn(Locale) -> String) -> Vec<Self> {
        let link =
            |other: Locale| Self { lang: other.tag(), name: other.language().own_name, url: url(other) };
        locale.others().map(link).collect()
    }
}

/// What a page is made with, besides its own values.
pub struct Frame {
    /// Its language.
    pub locale: Locale,
    /// Where it is in the other languages; nothing for answers to a POST, which have no address of their own.
    pub other_languages: Vec<LanguageLink>,
    /// The publication; nothing while it cannot be had.
    pub publication: Option<PublicationView>,
}

impl Renderer {
    /// Parses everything that is built in.
    ///
    /// # Errors
    /// [`PageError`] names what is broken.
    pub fn load() -> Result<Self, PageError> {
        Ok(Self { parsed: Live::new(&FILES, Parsed::read)? })
    }

    /// Makes a page of a template and its values; pages are made by their context, see `page_context.rs`.
    ///
    /// # Errors
    /// [`PageError::Template`], also for values that cannot be written down.
    pub fn render_template(
        &self,
        template: &str,
        frame: &Frame,
        own: &impl Serialize,
    ) -> Result<String, PageError> {
        let parsed = self.parsed.current(&FILES, Parsed::read)?;
        let mut context = Context::from_serialize(own)?;
        context.insert("lang", frame.locale.tag());
        context.insert("other_languages", &frame.other_languages);
        context.insert("languages", &self.languages(frame.locale));
        context.insert("publication", &frame.publication);
        context
            .insert_value("t", parsed.for_templates.get(&frame.locale).cloned().unwrap_or_else(Value::none));
        Ok(parsed.tera.render(template, &context)?)
    }

    /// A text that there is, by its table and key.
    #[must_use]
    pub fn text(&self, locale: Locale, table: &str, key: &str) -> &str {
        self.texts().text(locale, table, key)
    }

    /// A text whose key comes from elsewhere, such as from an address.
    #[must_use]
    pub fn text_if_any(&self, locale: Locale, table: &str, key: &str) -> Option<&str> {
        self.texts().text_if_any(locale, table, key)
    }

    /// A text with the form that goes with a number, which stands in it for `{count}`.
    #[must_use]
    pub fn plural(&self, locale: Locale, table: &str, key: &str, count: i64) -> String {
        self.texts().plural(locale, table, key, count)
    }

    /// What a language is called in another one, or in itself where that says nothing.
    #[must_use]
    pub fn language(&self, locale: Locale, of: Locale) -> &str {
        self.text_if_any(locale, "language", of.tag()).unwrap_or(of.language().own_name)
    }

    /// Every language, for templates.
    fn languages(&self, locale: Locale) -> [LanguageView<'_>; Locale::ALL.len()] {
        Locale::ALL.map(|of| LanguageView {
            tag: of.tag(),
            own_name: of.language().own_name,
            name: self.language(locale, of),
        })
    }

    fn texts(&self) -> &Texts {
        let parsed = self.parsed.current(&FILES, Parsed::read).unwrap_or_else(|_| self.parsed.working());
        &parsed.texts
    }
}

/// Lets templates say `{{ person.email | written }}`: an address as its owner writes it.
struct Written;

impl Filter<&str, TeraResult<String>> for Written {
    fn call(&self, text: &str, _: Kwargs, _: &State) -> TeraResult<String> {
        Ok(address::written(text))
    }
}

impl Parsed {
    fn read() -> Result<Self, PageError> {
        let mut tera = Tera::new();
        asset_files::register(&mut tera);
        plurals::register(&mut tera);
        tera.register_filter("written", Written);
        tera.add_raw_templates(TEMPLATES.iter().map(|(name, file)| (*name, file.read())))?;
        let texts = Texts::read()?;
        let for_templates =
            Locale::ALL.map(|locale| Ok((locale, Value::try_from_serializable(&texts.of(locale))?)));
        let for_templates = for_templates.into_iter().collect::<Result<_, tera::Error>>()?;
        Ok(Self { tera, texts, for_templates })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_style_sheet_and_the_script_stay_small() {
        assert!(include_str!("assets/rundbrief.css").len() < 13 * 1024);
        assert!(include_str!("assets/staff.css").len() < 36 * 1024);
        assert!(include_str!("assets/staff-mailing.js").len() < 4 * 1024);
        assert!(include_str!("assets/embed.js").len() < 6 * 1024);
    }
}
