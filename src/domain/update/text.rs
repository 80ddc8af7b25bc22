//! The text of an update while it is written, and what is still to be mended in it.

use chrono::NaiveDate;
use serde::Serialize;
use url::Url;

use crate::domain::{
    ids::StaffId,
    locale::Locale,
    staff::audit::Actor,
    update::{MAX_BODY, Update},
};

/// Who writes.
#[derive(Debug, Clone)]
pub struct Author {
    pub id: StaffId,
    /// Their name, as others see it beside the text.
    pub name: String,
    /// Them, for the audit log.
    pub actor: Actor,
}

/// What somebody has written so far. Nothing of it has to be finished, or right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writing {
    /// The title.
    pub title: String,
    /// One or two sentences.
    pub teaser: String,
    /// The text, in Markdown.
    pub body: String,
    /// The date it carries.
    pub dated: Option<NaiveDate>,
    /// Its page on the project's site.
    pub link: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
    /// What the picture shows.
    pub image_alt: Option<String>,
    /// Who made it.
    pub image_credit: Option<String>,
    /// Its language.
    pub locale: Locale,
}

/// Bytes of text that are kept of a draft, however much is wrong with it.
const MOST_KEPT: usize = 4 * MAX_BODY;

impl Writing {
    /// Whether nothing has been written yet.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let texts = [&self.title, &self.teaser, &self.body];
        let extras = [&self.link, &self.image, &self.image_alt, &self.image_credit];
        texts.iter().all(|text| text.trim().is_empty()) && extras.iter().all(|extra| extra.is_none())
    }

    /// The writing as it can be kept: one line where it has to be one, no characters that cannot be seen, nothing
    /// endless.
    #[must_use]
    pub fn tidied(self) -> Self {
        let line = |text: String, most: usize| -> String {
            let text: String =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
            text.trim().to_owned()
        };
        let optional =
            |text: Option<String>, most| text.map(|text| line(text, most)).filter(|text| !text.is_empty());
        let body = self.body.replace("\r\n", "\n").replace(['\r', '\u{b}', '\u{c}', '\u{85}'], "\n");
        let mut body: String = body.chars().filter(|c| !c.is_control() || "\n\t".contains(*c)).collect();
        body.truncate(body.floor_char_boundary(MOST_KEPT));
        Self {
            title: line(self.title, 1_000),
            teaser: line(self.teaser, 2_000),
            body: body.trim_end().trim_start_matches('\n').to_owned(),
            dated: self.dated,
            link: optional(self.link, 2_000),
            image: optional(self.image, 2_000),
            image_alt: optional(self.image_alt, 1_000),
            image_credit: optional(self.image_credit, 1_000),
            locale: self.locale,
        }
    }

    /// What has to be mended or added before it can be sent, in the order of the fields. What is in the text itself is
    /// the business of the mail room.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let is_web = |text: &Option<String>| {
            let url = text.as_deref().map(Url::parse);
            url.is_none_or(|url| url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")))
        };
        let longer =
            |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.chars().count() > most);
        let found = [
            (self.title.is_empty(), "title", "missing"),
            (self.title.chars().count() > 200, "title", "too_long"),
            (self.teaser.chars().count() > 400, "teaser", "too_long"),
            (!is_web(&self.link), "link", "no_address"),
            (!is_web(&self.image), "image", "no_address"),
            (self.image.is_some() && self.image_alt.is_none(), "image_alt", "missing"),
            (longer(&self.image_alt, 500), "image_alt", "too_long"),
            (longer(&self.image_credit, 200), "image_credit", "too_long"),
            (self.body.trim().is_empty(), "body", "missing"),
            (self.body.len() > MAX_BODY, "body", "too_long"),
        ];
        found
            .into_iter()
            .filter(|(is_so, ..)| *is_so)
            .map(|(_, field, problem)| Unfinished { field, problem })
            .collect()
    }
}

/// Something that has to be mended or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The field.
    pub field: &'static str,
    /// What is the matter: `missing`, `too_long` or `no_address`.
    pub problem: &'static str,
}

impl Update {
    /// What is written in it.
    #[must_use]
    pub fn writing(&self) -> Writing {
        Writing {
            title: self.title.clone(),
            teaser: self.teaser.clone(),
            body: self.body.clone(),
            dated: self.dated,
            link: self.link.clone(),
            image: self.image.clone(),
            image_alt: self.image_alt.clone(),
            image_credit: self.image_credit.clone(),
            locale: self.locale,
        }
    }
}
