//! The form of the publication: its fields, what may stand in them, and what is said where it may not.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use serde::Serialize;
use url::Url;

use crate::{
    domain::{
        address::EmailAddress,
        locale::{Locale, languages},
        publication::{
            Accent, AccentError, Content, LONGEST_LINE, LONGEST_TEXT, Logo, Origin, Retention,
            SenderIdentity, SoftBounces, Texts, TimeZone,
        },
    },
    web::staff::staff_page::{Mistakes, StaffPage},
};

/// What the form sends, by the names of its fields.
pub type PublicationForm = HashMap<String, String>;

/// The rows for logos of funders, by the names of their fields.
pub const FUNDERS: [&str; 6] = ["funder_1", "funder_2", "funder_3", "funder_4", "funder_5", "funder_6"];

macro_rules! longest {
    ($($name:ident $tag:ident),+) => {
        &[
            ("name", LONGEST_LINE),
            ("website", LONGEST_LINE),
            ("privacy_url", LONGEST_LINE),
            ("sender_name", LONGEST_LINE),
            ("allowed_origins", LONGEST_TEXT),
            $(
                (concat!(stringify!($tag), "_heading"), LONGEST_LINE),
                (concat!(stringify!($tag), "_teaser"), LONGEST_LINE),
                (concat!(stringify!($tag), "_frequency"), LONGEST_LINE),
                (concat!(stringify!($tag), "_consent"), LONGEST_TEXT),
                (concat!(stringify!($tag), "_imprint"), LONGEST_TEXT),
                (concat!(stringify!($tag), "_funding_notice"), LONGEST_TEXT),
            )+
        ]
    };
}

/// How long the texts may be, by the names of their fields.
const LONGEST: &[(&str, usize)] = languages!(longest);

/// What stands in the fields of the form, by their names; and what there is to say about each logo, as `logo_note`: see
/// [`note_logos`].
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn put(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), text.into());
    }

    /// The names of the fields in which `other` has something else.
    pub fn differing_in(&self, other: &Self) -> Vec<String> {
        let differ = other.0.iter().filter(|(name, text)| self.0.get(*name) != Some(text));
        differ.map(|(name, _)| name.clone()).collect()
    }
}

/// The fields of a publication as the form shows them.
pub fn of(content: &Content) -> Fields {
    let url = |url: &Option<Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
    let written =
        |address: &Option<EmailAddress>| address.as_ref().map(EmailAddress::written).unwrap_or_default();
    let origins = content.allowed_origins.iter().flatten().map(Origin::as_str).collect::<Vec<_>>();
    let mut fields = Fields(BTreeMap::new());
    fields.put("name", &content.name);
    fields.put("locale", content.locale.tag());
    fields.put("website", url(&content.website));
    fields.put("privacy_url", url(&content.privacy_url));
    fields.put("time_zone", content.time_zone.0.name());
    fields.put("accent", if content.accent.is_default() { "" } else { content.accent.as_str() });
    fields.put("sender_name", &content.sender.name);
    fields.put("sender_address", content.sender.written_address());
    fields.put("reply_to", written(&content.sender.reply_to));
    fields.put("unsubscribe_mailto", written(&content.sender.unsubscribe_mailto));
    fields.put("mailing_days", content.retention.mailing_days.to_string());
    fields.put("proof_years", content.retention.proof_years.to_string());
    fields.put("soft_mailings", content.bounces.soft_mailings.to_string());
    fields.put("soft_days", content.bounces.soft_days.to_string());
    fields.put("allowed_origins", origins.join("\n"));
    put_logo(&mut fields, "logo", content.logo.as_ref());
    for (name, number) in FUNDERS.into_iter().zip(0..) {
        put_logo(&mut fields, name, content.funding_logos.get(number));
    }
    for locale in Locale::ALL {
        let texts = content.texts.get(&locale).cloned().unwrap_or_default();
        for (name, text) in texts_by_name(&texts) {
            fields.put(format!("{locale}_{name}"), text);
        }
    }
    fields
}

fn put_logo(fields: &mut Fields, name: &str, logo: Option<&Logo>) {
    let text = |of: fn(&Logo) -> String| logo.map(of).unwrap_or_default();
    fields.put(format!("{name}_note"), "");
    fields.put(format!("{name}_url"), text(|logo| logo.url.to_string()));
    fields.put(format!("{name}_alt"), text(|logo| logo.alt.clone()));
    fields.put(format!("{name}_width"), text(|logo| logo.width.to_string()));
    fields.put(format!("{name}_height"), text(|logo| logo.height.to_string()));
}

fn texts_by_name(texts: &Texts) -> [(&'static str, &str); 6] {
    [
        ("heading", &texts.heading),
        ("teaser", &texts.teaser),
        ("consent", &texts.consent),
        ("frequency", &texts.frequency),
        ("funding_notice", &texts.funding_notice),
        ("imprint", &texts.imprint),
    ]
}

/// The rows for logos of funders: those with something in them and always the first, and those that are still free.
pub fn funders(fields: &Fields) -> (Vec<&'static str>, Vec<&'static str>) {
    let has = |row: &str, part: &str| !fields.text(&format!("{row}_{part}")).is_empty();
    let is_filled = |row: &str| ["url", "alt", "width", "height"].iter().any(|part| has(row, part));
    FUNDERS.into_iter().partition(|row| *row == FUNDERS[0] || is_filled(row))
}

/// Says something about each logo that a person should know: `say` answers for its address.
pub async fn note_logos<F: Future<Output = Option<String>>>(fields: &mut Fields, say: impl Fn(String) -> F) {
    for name in std::iter::once("logo").chain(FUNDERS) {
        let url = fields.text(&format!("{name}_url")).to_owned();
        if !url.is_empty() {
            fields.put(format!("{name}_note"), say(url).await.unwrap_or_default());
        }
    }
}

/// What was sent, for the form to be shown again.
pub fn again(sent: &PublicationForm) -> Fields {
    let mut fields = of(&Content::default());
    for (name, field) in &mut fields.0 {
        if let Some(text) = sent.get(name) {
            *field = text.chars().take(20_000).collect();
        }
    }
    fields
}

/// A field as its form calls it; each part of a logo is the logo.
pub fn name_of(page: &StaffPage, field: &str) -> String {
    if let Some(rest) = field.strip_prefix("funder_") {
        let number = rest.split('_').next().unwrap_or_default();
        return page.text("publication", "funder").replace("{number}", number);
    }
    if field == "logo" || field.starts_with("logo_") {
        return page.text("publication", "logo").to_owned();
    }
    let in_language = field.split_once('_').and_then(|(tag, name)| Some((Locale::from_tag(tag)?, name)));
    let known = |name: &str| page.text_if_any("publication", name);
    match in_language {
        Some((locale, name)) => known(name).map(|text| format!("{text} ({})", page.language(locale))),
        None => known(field).map(str::to_owned),
    }
    .unwrap_or_else(|| field.to_owned())
}

/// Reads the form.
///
/// # Errors
/// Every mistake, at its field.
pub fn read(page: &StaffPage, sent: &PublicationForm) -> Result<Content, Mistakes> {
    let mut reading = Reading { page, sent, mistakes: Mistakes::default() };
    for &(field, most) in LONGEST {
        if reading.text(field).chars().nth(most).is_some() {
            let text = page.text("publication_error", "too_long");
            reading
                .mistakes
                .add(field, text.replace("{most}", &page.number(most.try_into().unwrap_or(i64::MAX))));
        }
    }
    if !reading.mistakes.is_empty() {
        return Err(reading.mistakes);
    }
    let content = reading.content();
    if reading.mistakes.is_empty() { Ok(content) } else { Err(reading.mistakes) }
}

struct Reading<'a> {
    page: &'a StaffPage,
    sent: &'a PublicationForm,
    mistakes: Mistakes,
}

impl Reading<'_> {
    fn content(&mut self) -> Content {
        let name = self.line("name");
        if name.is_empty() {
            self.wrong("name", "name");
        }
        let before = self.page.publication.as_ref().map(|publication| publication.content.locale);
        let locale = Locale::from_tag(&self.line("locale")).or(before).unwrap_or_default();
        let mut texts = BTreeMap::new();
        for locale in Locale::ALL {
            let text = |name: &str| self.several(&format!("{locale}_{name}"));
            texts.insert(
                locale,
                Texts {
                    heading: text("heading"),
                    teaser: text("teaser"),
                    consent: text("consent"),
                    frequency: text("frequency"),
                    funding_notice: text("funding_notice"),
                    imprint: text("imprint"),
                },
            );
        }
        let retention = Retention {
            mailing_days: self.number("mailing_days", Retention::MAILING_DAYS),
            proof_years: self.number("proof_years", Retention::PROOF_YEARS),
        };
        let bounces = SoftBounces {
            soft_mailings: self.number("soft_mailings", SoftBounces::SOFT_MAILINGS),
            soft_days: self.number("soft_days", SoftBounces::SOFT_DAYS),
        };
        if self.mistakes.is_empty() && bounces.soft_days >= retention.mailing_days {
            self.wrong("soft_days", "soft_days_reached");
        }
        Content {
            name,
            locale,
            website: self.url("website", "website"),
            privacy_url: self.url("privacy_url", "privacy_url"),
            allowed_origins: self.origins(),
            retention,
            bounces,
            time_zone: self.time_zone(),
            accent: self.accent(),
            sender: SenderIdentity {
                name: self.line("sender_name"),
                address: self.address("sender_address"),
                reply_to: self.address("reply_to"),
                unsubscribe_mailto: self.address("unsubscribe_mailto"),
            },
            logo: self.logo("logo"),
            funding_logos: FUNDERS.into_iter().filter_map(|name| self.logo(name)).collect(),
            texts,
        }
    }

    fn text(&self, name: &str) -> &str {
        self.sent.get(name).map(String::as_str).unwrap_or_default()
    }

    fn line(&self, name: &str) -> String {
        let text: String = self.text(name).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.trim().to_owned()
    }

    fn several(&self, name: &str) -> String {
        let text = self.text(name).replace("\r\n", "\n");
        let text: String = text.chars().filter(|c| !c.is_control() || "\n\t".contains(*c)).collect();
        text.trim().to_owned()
    }

    /// Notes a mistake at a field, in the words of `staff.publication_error`.
    fn wrong(&mut self, field: &'static str, key: &str) {
        self.mistakes.add(field, self.page.text("publication_error", key));
    }

    fn url(&mut self, field: &'static str, name: &str) -> Option<Url> {
        let text = self.line(name);
        if text.is_empty() {
            return None;
        }
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() {
            self.wrong(field, "url");
        }
        url
    }

    fn address(&mut self, field: &'static str) -> Option<EmailAddress> {
        let text = self.line(field);
        if text.is_empty() {
            return None;
        }
        let address = EmailAddress::parse(&text).ok();
        if address.is_none() {
            self.wrong(field, "address");
        }
        address
    }

    fn origins(&mut self) -> Option<Vec<Origin>> {
        let text = self.several("allowed_origins");
        if text.is_empty() {
            return None;
        }
        let mut origins = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Ok(origin) = Origin::parse(line) {
                origins.push(origin);
            } else {
                let text = self.page.text("publication_error", "origin").replace("{origin}", line);
                self.mistakes.add("allowed_origins", text);
            }
        }
        Some(origins)
    }

    /// A number within its bounds. Anything else is a mistake, and the lower bound stands in for it.
    fn number(&mut self, field: &'static str, bounds: RangeInclusive<u16>) -> u16 {
        let number = self.line(field).parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            self.wrong(field, field);
        }
        number.unwrap_or(*bounds.start())
    }

    fn time_zone(&mut self) -> TimeZone {
        let text = self.line("time_zone");
        if text.is_empty() {
            return TimeZone::default();
        }
        let Ok(zone) = text.parse() else {
            self.wrong("time_zone", "time_zone");
            return TimeZone::default();
        };
        TimeZone(zone)
    }

    fn accent(&mut self) -> Accent {
        let text = self.line("accent");
        if text.is_empty() {
            return Accent::default();
        }
        match Accent::parse(&text) {
            Ok(accent) => return accent,
            Err(AccentError::NoColour(_)) => self.wrong("accent", "accent"),
            Err(AccentError::TooPale { contrast, nearest, .. }) => {
                let text = self.page.text("publication_error", "accent_pale");
                let text =
                    text.replace("{contrast}", &format!("{contrast:.1}")).replace("{nearest}", &nearest);
                self.mistakes.add("accent", text);
            }
        }
        Accent::default()
    }

    /// A logo by the beginning of its fields' names; nothing when it has no address.
    fn logo(&mut self, field: &'static str) -> Option<Logo> {
        let url = self.url(field, &format!("{field}_url"))?;
        let alt = self.line(&format!("{field}_alt"));
        if alt.is_empty() {
            self.wrong(field, "logo_alt");
        }
        let pixels =
            |name: &str| self.line(&format!("{field}_{name}")).parse().ok().filter(|n| (1..=600).contains(n));
        let (width, height) = (pixels("width"), pixels("height"));
        let (Some(width), Some(height)) = (width, height) else {
            self.wrong(field, "logo_size");
            return None;
        };
        Some(Logo { url, alt, width, height })
    }
}
