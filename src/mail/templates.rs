//! The mail templates: built in, replaceable by a folder at run time, checked before the first mail.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use serde::Serialize;
use strum::VariantArray;
use tera::{Context, Tera};

use crate::{
    domain::locale::Locale,
    mail::contexts::{
        AccessContext, AddressChangeContext, AddressNoticeContext, AlreadySubscribedContext,
        ConfirmationContext, PublicationContext, SAMPLE_ACCESS_URL, SAMPLE_CONFIRM_URL, SAMPLE_IMPRINT_LINE,
        SAMPLE_MANAGE_URL, SAMPLE_STAFF_LINK_URL, SAMPLE_UNSUBSCRIBE_URL, StaffLinkContext,
        UpdateMailContext, WelcomeContext,
    },
    source::{Live, SourceFile},
    source_file,
};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, source_file!("email_templates/", $name))),+]
    };
}

/// Every template by its path under `email_templates/`.
const BUILT_IN: &[(&str, SourceFile)] = built_in!(
    "layout.html",
    "layout.txt",
    "confirmation/subject.txt",
    "confirmation/body.txt",
    "confirmation/body.html",
    "address_change/subject.txt",
    "address_change/body.txt",
    "address_change/body.html",
    "address_notice/subject.txt",
    "address_notice/body.txt",
    "address_notice/body.html",
    "access/subject.txt",
    "access/body.txt",
    "access/body.html",
    "invitation/subject.txt",
    "invitation/body.txt",
    "invitation/body.html",
    "new_password/subject.txt",
    "new_password/body.txt",
    "new_password/body.html",
    "already_subscribed/subject.txt",
    "already_subscribed/body.txt",
    "already_subscribed/body.html",
    "welcome/subject.txt",
    "welcome/body.txt",
    "welcome/body.html",
    "update/subject.txt",
    "update/body.txt",
    "update/body.html",
);

static FILES: LazyLock<Vec<SourceFile>> = LazyLock::new(|| BUILT_IN.iter().map(|(_, file)| *file).collect());

/// The mails there are, by the name of their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum MailKind {
    /// Asks the owner of an address to confirm.
    Confirmation,
    /// Greets a new subscriber.
    Welcome,
    /// Carries an update.
    Update,
    /// Answers a signup of an address that is subscribed.
    AlreadySubscribed,
    /// Carries the link to everything stored of a subscriber.
    Access,
    /// Asks the owner of an address whether a subscription may move there.
    AddressChange,
    /// Tells a subscriber that another address was asked for.
    AddressNotice,
    /// Carries the one-time link with which somebody on the staff sets their first password.
    Invitation,
    /// Carries the one-time link with which somebody on the staff sets a new one.
    NewPassword,
}

impl MailKind {
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The kind of this folder.
    #[must_use]
    pub fn from_folder(folder: &str) -> Option<Self> {
        folder.parse().ok()
    }

    /// The folder of its templates.
    #[must_use]
    pub fn folder(self) -> &'static str {
        self.into()
    }

    /// Whether it comes because of a subscription, and so can be ended by mail programs (RFC 8058).
    #[must_use]
    pub fn is_part_of_subscription(self) -> bool {
        matches!(self, MailKind::AlreadySubscribed | MailKind::Welcome | MailKind::Update)
    }

    /// The link that no such mail may go out without, as the samples have it.
    fn sample_link(self) -> &'static str {
        match self {
            MailKind::Confirmation | MailKind::AddressChange => SAMPLE_CONFIRM_URL,
            MailKind::AddressNotice => SAMPLE_MANAGE_URL,
            MailKind::Access => SAMPLE_ACCESS_URL,
            MailKind::Invitation | MailKind::NewPassword => SAMPLE_STAFF_LINK_URL,
            MailKind::AlreadySubscribed | MailKind::Welcome | MailKind::Update => SAMPLE_UNSUBSCRIBE_URL,
        }
    }
}

/// A filled template. Text and HTML may hold merge fields (see [`super::merge_fields`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Why a template cannot be used. Tell the operator; trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file of the operator's folder cannot be read.
    #[error("the mail template {path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// A template is not well formed, or uses a variable that is not there.
    #[error("the mail template {name} does not work: {reason}")]
    Broken {
        /// Its path under the folder.
        name: String,
        reason: String,
    },
}

/// The templates, parsed and checked.
#[derive(Clone)]
pub struct Templates {
    parsed: Arc<Live<Tera>>,
    overrides: Option<PathBuf>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Templates")
    }
}

impl Templates {
    /// The built-in templates, with those replaced that `overrides` holds; then fills each with two samples in
    /// each language, so that a mistake shows at the start and not with the first subscriber.
    ///
    /// # Errors
    /// [`TemplateError`] names the file.
    pub fn load(overrides: Option<&Path>) -> Result<Self, TemplateError> {
        let parsed = Live::new(&FILES, || parsed(overrides))?;
        let templates = Self { parsed: Arc::new(parsed), overrides: overrides.map(Path::to_owned) };
        for locale in Locale::ALL {
            let publications = [PublicationContext::sample(), PublicationContext::other_sample()];
            for publication in &publications {
                for &kind in MailKind::ALL {
                    check(kind, &templates.sample(kind, locale, publication.clone())?)?;
                }
                let bare = UpdateMailContext::bare_sample(locale, publication.clone());
                check(MailKind::Update, &templates.render(MailKind::Update, &bare)?)?;
            }
        }
        Ok(templates)
    }

    /// A mail of this kind with made-up content, as this publication makes it look.
    ///
    /// # Errors
    /// [`TemplateError::Broken`].
    pub fn sample(
        &self,
        kind: MailKind,
        locale: Locale,
        publication: PublicationContext,
    ) -> Result<Rendered, TemplateError> {
        match kind {
            MailKind::Confirmation => self.render(kind, &ConfirmationContext::sample(locale, publication)),
            MailKind::AddressChange => self.render(kind, &AddressChangeContext::sample(locale, publication)),
            MailKind::AddressNotice => self.render(kind, &AddressNoticeContext::sample(locale, publication)),
            MailKind::Access => self.render(kind, &AccessContext::sample(locale, publication)),
            MailKind::Invitation | MailKind::NewPassword => {
                self.render(kind, &StaffLinkContext::sample(locale, publication))
            }
            MailKind::AlreadySubscribed => {
                self.render(kind, &AlreadySubscribedContext::sample(locale, publication))
            }
            MailKind::Welcome => self.render(kind, &WelcomeContext::sample(locale, publication)),
            MailKind::Update => self.render(kind, &UpdateMailContext::sample(locale, publication)),
        }
    }

    /// Fills the three templates of a mail.
    ///
    /// # Errors
    /// [`TemplateError::Broken`].
    pub fn render(&self, kind: MailKind, context: &impl Serialize) -> Result<Rendered, TemplateError> {
        let context = Context::from_serialize(context).map_err(|error| TemplateError::Broken {
            name: kind.folder().into(),
            reason: error.to_string(),
        })?;
        let tera = self.parsed.current(&FILES, || parsed(self.overrides.as_deref()))?;
        let fill = |file: &str| {
            let name = format!("{}/{file}", kind.folder());
            tera.render(&name, &context)
                .map_err(|error| TemplateError::Broken { name, reason: error.to_string() })
        };
        Ok(Rendered {
            subject: fill("subject.txt")?.trim().to_owned(),
            text: fill("body.txt")?.trim().to_owned() + "\n",
            html: fill("body.html")?.trim().to_owned() + "\n",
        })
    }
}

/// The built-in templates, with those replaced that `overrides` holds.
fn parsed(overrides: Option<&Path>) -> Result<Tera, TemplateError> {
    let mut sources = Vec::with_capacity(BUILT_IN.len());
    for (name, built_in) in BUILT_IN {
        let own = overrides.map(|dir| dir.join(name)).filter(|path| path.exists());
        let source = match own {
            Some(path) => std::fs::read_to_string(&path)
                .map_err(|error| TemplateError::Unreadable { path: path.clone(), error })?
                .into(),
            None => built_in.read(),
        };
        sources.push((*name, source));
    }
    let mut tera = Tera::new();
    tera.add_raw_templates(sources)
        .map_err(|error| TemplateError::Broken { name: "(see below)".into(), reason: error.to_string() })?;
    Ok(tera)
}

/// Looks for what no mail may go out without (invariant 7) in one filled with a sample.
fn check(kind: MailKind, rendered: &Rendered) -> Result<(), TemplateError> {
    for (file, part) in [("body.txt", &rendered.text), ("body.html", &rendered.html)] {
        for (what, must) in [("the imprint", SAMPLE_IMPRINT_LINE), ("its link", kind.sample_link())] {
            if !part.contains(must) {
                let name = format!("{}/{file}", kind.folder());
                return Err(TemplateError::Broken { name, reason: format!("{what} is missing in it") });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mails say what differs in `{% if locale == "de" %}…{% elif …%}…{% else %}…{% endif %}`: a language without a branch of
    /// its own would silently get that of another.
    #[test]
    fn a_mail_has_a_branch_for_every_language() {
        let mut found = 0;
        for (name, file) in BUILT_IN {
            let text = file.read();
            // Per `if` that is open: whether it asks for the language, and its branches.
            let mut open: Vec<(bool, usize)> = Vec::new();
            for tag in text.split("{%").skip(1).filter_map(|rest| rest.split("%}").next()) {
                let tag = tag.trim_matches('-').trim();
                match tag.split(' ').next().unwrap() {
                    "if" => open.push((tag.starts_with("if locale =="), 1)),
                    "elif" | "else" => {
                        // A `for` may have an `else` too.
                        if let Some((_, branches)) = open.last_mut() {
                            *branches += 1;
                        }
                    }
                    "endif" => {
                        let (is_language, branches) = open.pop().unwrap();
                        found += usize::from(is_language);
                        assert!(!is_language || branches == Locale::ALL.len(), "{name}: {branches} branches");
                    }
                    _ => {}
                }
            }
            assert!(open.is_empty(), "{name}");
        }
        assert!(found > 50, "they are found");
    }
}
