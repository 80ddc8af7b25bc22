//! Preflight: what is wrong with an update, looked at before it is sent. A mail cannot be called back.
//!
//! | file | looks at |
//! |---|---|
//! | this | what can be found, and the whole mail: subject, size, imprint, unsubscribe link |
//! | [`text`] | the Markdown: links and their texts, headings, pictures |
//! | [`look`] | the HTML: contrast, pictures without a text |
//! | [`html`] | how HTML is taken apart |
//!
//! [`check`] is a function of what a mailing would freeze and of nothing else. What takes a network or the database
//! (whether links lead anywhere, the sender's DNS, the number of recipients) is looked at in `web`, and told in the same
//! words.

mod html;
mod look;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use crate::{
    domain::{mailing::FrozenContent, publication::Publication, update::Update},
    mail::splice::UNSUBSCRIBE,
};

pub use text::{Target, targets};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is sent until it is mended.
    Error,
    /// Somebody has to say that it is meant so.
    Warning,
    /// Good to know.
    Note,
}

/// Where a finding is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The update's title.
    Title,
    /// Its teaser.
    Teaser,
    /// Its text.
    Body,
    /// Its link.
    Link,
    /// Its picture, and what it shows.
    Image,
    /// The publication.
    Publication,
    /// The operator's own mail templates.
    Templates,
    /// The DNS of the sender's domain.
    Dns,
    /// The people it goes to.
    Recipients,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $level:ident, $place:ident;)+) => {
        /// What can be found. Each has its words in every language, with the way to mend it: `staff.finding`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every one there is.
            pub const ALL: &[Code] = &[$(Code::$name),+];

            /// Its name: the key of its words, and what programs know it by.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// How much it weighs.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Code::$name => Level::$level,)+ }
            }

            /// Where it is mended.
            #[must_use]
            pub fn place(self) -> Place {
                match self { $(Code::$name => Place::$place,)+ }
            }
        }
    };
}

codes! {
    /// The publication lacks what sending needs: `fields`.
    PublicationIncomplete = "publication_incomplete", Error, Publication;
    /// A part (`part`) has no imprint.
    ImprintMissing = "imprint_missing", Error, Templates;
    /// A part (`part`) has no link to unsubscribe.
    UnsubscribeMissing = "unsubscribe_missing", Error, Templates;
    /// The HTML has `kilobytes`, more than Gmail shows.
    HtmlTooLarge = "html_too_large", Error, Body;
    /// A picture (`address`) has no text for those who do not see it.
    ImageWithoutAlt = "image_without_alt", Error, Image;
    /// A link (`address`) has no text to press on.
    LinkEmpty = "link_empty", Error, Body;
    /// A link (`address`) leads to a machine or network that readers cannot reach.
    LinkPrivate = "link_private", Error, Body;
    /// Nobody would get it.
    RecipientsNone = "recipients_none", Error, Recipients;

    /// The subject has so many `characters` that phones cut it off.
    SubjectLong = "subject_long", Warning, Title;
    /// The subject shouts.
    SubjectShouting = "subject_shouting", Warning, Title;
    /// There is no teaser to stand beside the subject.
    PreheaderMissing = "preheader_missing", Warning, Teaser;
    /// The teaser says what the subject says.
    PreheaderRepeats = "preheader_repeats", Warning, Teaser;
    /// The text of a picture (`alt`) does not say what it shows.
    AltVague = "alt_vague", Warning, Image;
    /// A picture (`address`) comes without encryption.
    ImageHttp = "image_http", Warning, Image;
    /// A link (`address`) goes without encryption.
    LinkHttp = "link_http", Warning, Body;
    /// The text of a link (`text`) does not say where it leads.
    LinkTextVague = "link_text_vague", Warning, Body;
    /// The text of a link (`text`) is an address other than the one it leads to (`address`).
    LinkTextDiffers = "link_text_differs", Warning, Body;
    /// A link (`address`) leads to a page that is not there: `status`.
    LinkDead = "link_dead", Warning, Body;
    /// A link (`address`) leads to a host that is not there.
    LinkNoHost = "link_no_host", Warning, Body;
    /// A link (`address`) leads to a name that is for examples and will never be there.
    LinkExample = "link_example", Warning, Body;
    /// Behind a link (`address`) nobody answers as it should.
    LinkUnreachable = "link_unreachable", Warning, Body;
    /// A link (`address`) leads on and on.
    LinkLoop = "link_loop", Warning, Body;
    /// A heading (`text`) leaves a level out.
    HeadingSkips = "heading_skips", Warning, Body;
    /// The mail has `count` headings of the first level, and not one.
    HeadingFirst = "heading_first", Warning, Templates;
    /// A text (`text`) can hardly be read: `ratio`.
    ContrastLow = "contrast_low", Warning, Templates;
    /// The HTML has `kilobytes`, nearly what Gmail cuts off.
    HtmlLarge = "html_large", Warning, Body;
    /// There is no funding notice.
    FundingMissing = "funding_missing", Warning, Publication;
    /// A part (`part`) does not show the funding notice.
    FundingNotShown = "funding_not_shown", Warning, Templates;
    /// A part (`part`) does not link to the privacy statement.
    PrivacyNotShown = "privacy_not_shown", Warning, Templates;
    /// A text that was to be replaced (`text`) is still there.
    Placeholder = "placeholder", Warning, Body;
    /// It was sent before, at `at`.
    AlreadySent = "already_sent", Warning, Recipients;
    /// It goes to fewer people than the last one: `now`, `before`.
    RecipientsFell = "recipients_fell", Warning, Recipients;
    /// It goes to more people than the last one: `now`, `before`.
    RecipientsRose = "recipients_rose", Warning, Recipients;
    /// The sender's `domain` has no SPF record.
    SpfMissing = "spf_missing", Warning, Dns;
    /// The sender's `domain` has more than one, so none counts.
    SpfMany = "spf_many", Warning, Dns;
    /// The SPF record of the sender's `domain` lets everybody send in its name.
    SpfOpen = "spf_open", Warning, Dns;
    /// The sender's `domain` has no DMARC record.
    DmarcMissing = "dmarc_missing", Warning, Dns;
    /// The key at `name` is not there.
    DkimMissing = "dkim_missing", Warning, Dns;

    /// The text of a link is a long address (`text`).
    LinkTextAddress = "link_text_address", Note, Body;
    /// A line that is bold as a whole (`text`) stands for a heading.
    BoldHeading = "bold_heading", Note, Body;
    /// Nobody is named who made the picture.
    CreditMissing = "credit_missing", Note, Image;
    /// A link (`address`) was answered with `status`, which says neither that it works nor that it does not.
    LinkUncertain = "link_uncertain", Note, Body;
    /// Some links could not be looked at in the time there was: `count`.
    LinksUnchecked = "links_unchecked", Note, Body;
    /// The DMARC record of the `domain` asks for nothing to be done.
    DmarcNone = "dmarc_none", Note, Dns;
    /// Which DKIM key the relay signs with is not known.
    DkimUnknown = "dkim_unknown", Note, Dns;
    /// The DNS of the `domain` could not be asked.
    DnsUnknown = "dns_unknown", Note, Dns;
    /// It is the first mailing: `now`.
    RecipientsFirst = "recipients_first", Note, Recipients;
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How much it weighs.
    pub level: Level,
    /// Where it is mended.
    pub place: Place,
    /// What goes into its words, by name; see [`Code`].
    pub values: BTreeMap<&'static str, String>,
    /// The line of the update's text, counted from 1.
    pub line: Option<usize>,
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Finding {
    /// A finding without values.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, level: code.level(), place: code.place(), values: BTreeMap::new(), line: None }
    }

    /// With a value, shortened to what a line holds.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value: String = value.into();
        let mut shown: String = value.chars().take(MOST_SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        self.values.insert(name, shown);
        self
    }

    /// In this line of the update's text.
    #[must_use]
    pub fn in_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }

    /// Mended at another place than most of its kind.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// Characters of a value that are shown.
const MOST_SHOWN: usize = 120;

/// Characters of a subject that phones show in two lines, and most programs on desks in one.
const SUBJECT: usize = 70;

/// Bytes of HTML that Gmail shows; the rest, with the link to unsubscribe, it hides behind another click.
const GMAIL: usize = 102 * 1024;
/// Near enough to say so: some relays and lists add to a mail.
const NEARLY: usize = 90 * 1024;

/// Everything wrong with an update as `frozen` has it, the worst first.
#[must_use]
pub fn check(publication: &Publication, update: &Update, frozen: &FrozenContent) -> Vec<Finding> {
    let mut found = Vec::new();
    subject(frozen, update, &mut found);
    text::check(&update.body, &mut found);
    link_and_picture(update, &mut found);
    let seen = look::check(&frozen.body_html, &mut found);
    whole(publication, frozen, &seen, &mut found);
    sort(&mut found);
    found
}

/// The worst first; otherwise as they were found, and each once.
pub fn sort(found: &mut Vec<Finding>) {
    let mut kept: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found.drain(..) {
        let same = |other: &Finding| {
            (other.code, &other.values, other.place) == (finding.code, &finding.values, finding.place)
        };
        if !kept.iter().any(same) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.level);
    *found = kept;
}

fn subject(frozen: &FrozenContent, update: &Update, found: &mut Vec<Finding>) {
    let subject = frozen.subject.trim();
    let characters = subject.chars().count();
    if characters > SUBJECT {
        found.push(Finding::new(Code::SubjectLong).with("characters", characters.to_string()));
    }
    let letters: Vec<char> = subject.chars().filter(|c| c.is_alphabetic()).collect();
    let is_shouted = letters.len() >= 10 && letters.iter().all(|c| c.is_uppercase());
    if is_shouted || subject.contains("!!") || subject.contains("??") {
        found.push(Finding::new(Code::SubjectShouting));
    }
    let teaser = update.teaser.trim();
    if teaser.is_empty() {
        found.push(Finding::new(Code::PreheaderMissing));
    } else if teaser.trim_end_matches(['.', '!', '?']).eq_ignore_ascii_case(update.title.trim()) {
        found.push(Finding::new(Code::PreheaderRepeats));
    }
}

/// The link and the picture that an update has beside its text.
fn link_and_picture(update: &Update, found: &mut Vec<Finding>) {
    if let Some(link) = update.link.as_ref().filter(|link| text::is_plain_http(link)) {
        found.push(Finding::new(Code::LinkHttp).with("address", link.as_str()).at(Place::Link));
    }
    let Some(image) = &update.image else { return };
    if text::is_plain_http(image) {
        found.push(Finding::new(Code::ImageHttp).with("address", image.as_str()));
    }
    let alt = update.image_alt.as_deref().unwrap_or_default();
    if text::is_vague_alt(alt) {
        found.push(Finding::new(Code::AltVague).with("alt", alt));
    }
    if update.image_credit.as_deref().unwrap_or_default().trim().is_empty() {
        found.push(Finding::new(Code::CreditMissing));
    }
}

/// What no mail may be without, in both of its parts.
fn whole(publication: &Publication, frozen: &FrozenContent, seen: &look::Seen, found: &mut Vec<Finding>) {
    let content = &publication.content;
    let missing = content.missing();
    if !missing.is_empty() {
        found.push(Finding::new(Code::PublicationIncomplete).with("fields", missing.join(", ")));
    }
    let texts = content.texts(frozen.locale);
    let parts = [
        ("HTML", spaced(&seen.text), &frozen.body_html),
        ("Text", spaced(&frozen.body_text), &frozen.body_text),
    ];
    for (part, shown, source) in parts {
        let mut lacks = |code: Code| found.push(Finding::new(code).with("part", part));
        if !texts.imprint.trim().is_empty()
            && !texts.imprint.lines().all(|line| shown.contains(&spaced(line)))
        {
            lacks(Code::ImprintMissing);
        }
        if !source.contains(UNSUBSCRIBE) {
            lacks(Code::UnsubscribeMissing);
        }
        if !texts.funding_notice.lines().all(|line| shown.contains(&spaced(line))) {
            lacks(Code::FundingNotShown);
        }
        let is_linked = |url: &Url| match part {
            "HTML" => seen.links.iter().any(|link| link == url.as_str()),
            _ => shown.contains(url.as_str()),
        };
        if content.privacy_url.as_ref().is_some_and(|url| !is_linked(url)) {
            lacks(Code::PrivacyNotShown);
        }
    }
    if texts.funding_notice.trim().is_empty() {
        found.push(Finding::new(Code::FundingMissing));
    }
    let size = frozen.body_html.len();
    if size > NEARLY {
        let code = if size > GMAIL { Code::HtmlTooLarge } else { Code::HtmlLarge };
        found.push(Finding::new(code).with("kilobytes", (size / 1024).to_string()));
    }
}

/// A text with every white space alike, so that line breaks do not matter.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::{
        config::{PublicUrl, SecretKeys},
        domain::{ids::UpdateId, locale::Locale, publication::Content, update::UpdateState},
        mail::{compose::Composer, templates::Templates},
    };

    fn publication() -> Publication {
        let content = Content::parse(include_str!("../../publication.example.toml")).unwrap();
        Publication { version: 1, applied_at: Utc::now(), content }
    }

    fn update() -> Update {
        Update {
            id: UpdateId::new(),
            slug: "a".into(),
            state: UpdateState::Draft,
            locale: Locale::De,
            title: "Zwei Tage in der Lehrwerkstatt".into(),
            teaser: "Was Auszubildende am See gebaut haben.".into(),
            body: "## Der erste Tag\n\nEin [Bericht mit Fotos](https://example.org/a).".into(),
            dated: None,
            link: Some("https://example.org/b".into()),
            image: Some("https://example.org/c.jpg".into()),
            image_alt: Some("Zwei Auszubildende an einer Drehbank".into()),
            image_credit: Some("Foto: Jo Muster".into()),
            created_at: Utc::now(),
            changed_at: Utc::now(),
            changed_by: None,
            version: 1,
        }
    }

    fn composer() -> Composer {
        let keys = SecretKeys::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        Composer::new(
            Templates::load(None).unwrap(),
            PublicUrl::parse("https://news.example.org").unwrap(),
            keys,
        )
    }

    fn codes_of(publication: &Publication, update: &Update, frozen: &FrozenContent) -> Vec<Code> {
        check(publication, update, frozen).iter().map(|finding| finding.code).collect()
    }

    /// What is found after a change of the update.
    fn after(change: impl FnOnce(&mut Update)) -> Vec<Code> {
        let (publication, mut update) = (publication(), update());
        change(&mut update);
        let frozen = composer().update(&publication, &update).unwrap();
        codes_of(&publication, &update, &frozen)
    }

    /// What is found after a change of what is frozen.
    fn after_freezing(change: impl FnOnce(&mut FrozenContent)) -> Vec<Code> {
        let (publication, update) = (publication(), update());
        let mut frozen = composer().update(&publication, &update).unwrap();
        change(&mut frozen);
        codes_of(&publication, &update, &frozen)
    }

    #[test]
    fn in_an_update_as_it_should_be_nothing_is_found_in_either_language() {
        assert_eq!(after(|_| {}), []);
        assert_eq!(after(|update| update.locale = Locale::En), []);
    }

    #[test]
    fn subject_and_preheader() {
        assert_eq!(after(|update| update.title = "wort ".repeat(15).trim().into()), [Code::SubjectLong]);
        assert_eq!(after(|update| update.title = "wort ".repeat(14).trim().into()), []);
        assert_eq!(after(|update| update.title = "JETZT ALLES NEU".into()), [Code::SubjectShouting]);
        assert_eq!(after(|update| update.title = "Endlich!!".into()), [Code::SubjectShouting]);
        assert_eq!(after(|update| update.title = "DGB".into()), []);
        assert_eq!(after(|update| update.teaser = " ".into()), [Code::PreheaderMissing]);
        assert_eq!(after(|update| update.teaser = format!("{}.", update.title)), [Code::PreheaderRepeats]);
    }

    #[test]
    fn the_picture_and_the_link_of_an_update() {
        assert_eq!(after(|update| update.image = Some("http://example.org/c.jpg".into())), [Code::ImageHttp]);
        assert_eq!(after(|update| update.link = Some("http://example.org/b".into())), [Code::LinkHttp]);
        assert_eq!(after(|update| update.image_alt = Some("IMG_2041.JPG".into())), [Code::AltVague]);
        assert_eq!(after(|update| update.image_alt = Some("Bild".into())), [Code::AltVague]);
        assert_eq!(after(|update| update.image_credit = None), [Code::CreditMissing]);
        assert_eq!(
            after(|update| (update.image, update.image_alt, update.image_credit) = (None, None, None)),
            []
        );
    }

    #[test]
    fn what_no_mail_may_be_without() {
        let imprint = |frozen: &mut FrozenContent| {
            frozen.body_text = frozen.body_text.replace("Impressum", "").replace("Musterstadt", "");
            let texts = publication().content.texts(Locale::De);
            let line = texts.imprint.lines().next().unwrap().to_owned();
            frozen.body_text = frozen.body_text.replace(&line, "");
        };
        assert_eq!(after_freezing(imprint), [Code::ImprintMissing]);
        assert_eq!(
            after_freezing(|frozen| frozen.body_html = frozen.body_html.replace(UNSUBSCRIBE, "")),
            [Code::UnsubscribeMissing]
        );
        assert_eq!(
            after_freezing(|frozen| frozen.body_text = frozen.body_text.replace(UNSUBSCRIBE, "")),
            [Code::UnsubscribeMissing]
        );
        let privacy = publication().content.privacy_url.unwrap().to_string();
        assert_eq!(
            after_freezing(|frozen| frozen.body_text = frozen.body_text.replace(&privacy, "")),
            [Code::PrivacyNotShown]
        );
        let funding = publication().content.texts(Locale::De).funding_notice;
        let first = funding.lines().next().unwrap().to_owned();
        assert_eq!(
            after_freezing(|frozen| frozen.body_text = frozen.body_text.replace(&first, "")),
            [Code::FundingNotShown]
        );
    }

    #[test]
    fn the_publication() {
        let (mut publication, update) = (publication(), update());
        publication.content.privacy_url = None;
        publication.content.texts.get_mut(&Locale::De).unwrap().funding_notice = String::new();
        let frozen = composer().update(&publication, &update).unwrap();
        assert_eq!(
            codes_of(&publication, &update, &frozen),
            [Code::PublicationIncomplete, Code::FundingMissing]
        );
    }

    #[test]
    fn size() {
        let padded = |bytes: usize| {
            after_freezing(|frozen| {
                let missing = bytes - frozen.body_html.len();
                frozen.body_html =
                    frozen.body_html.replace("</body>", &format!("{}</body>", " ".repeat(missing)));
            })
        };
        assert_eq!(padded(NEARLY), []);
        assert_eq!(padded(NEARLY + 1), [Code::HtmlLarge]);
        assert_eq!(padded(GMAIL + 1), [Code::HtmlTooLarge]);
    }

    #[test]
    fn the_worst_comes_first_and_each_once() {
        let found = after(|update| {
            update.image_credit = None;
            update.teaser = String::new();
            update.body =
                "[](https://example.org) [hier](https://example.org) [hier](https://example.org)".into();
        });
        assert_eq!(
            found,
            [Code::LinkEmpty, Code::PreheaderMissing, Code::LinkTextVague, Code::CreditMissing]
        );
    }
}
