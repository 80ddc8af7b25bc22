//! Preflight: what is wrong with an update, looked at before it is sent. A mail cannot be called back.
//!
//! | file | looks at |
//! |---|---|
//! | this | the whole mail: subject, size, imprint, unsubscribe link |
//! | [`finding`] | what can be found |
//! | `blocks` | the blocks of fields in it: what they lack, when an event is |
//! | [`text`] | the Markdown: links and their texts, headings, pictures |
//! | `wording` | what links and pictures say of themselves |
//! | [`placeholders`] | what was to be replaced |
//! | [`contrast`] | the HTML: contrast, pictures without a text |
//!
//! [`check`] is a function of what a mailing would freeze and of nothing else. What takes a network or the database
//! (whether links lead anywhere, the sender's DNS, the number of recipients) is looked at in `app`, and told in the same
//! words.

mod blocks;
mod contrast;
pub mod finding;
mod placeholders;
mod text;
mod wording;

use std::collections::HashSet;

use url::Url;

use crate::{
    domain::{mailing::FrozenContent, publication::Publication, update::Update},
    mail::{merge_fields::UNSUBSCRIBE, preheader},
};

pub use finding::{Code, Finding, Level, Place};
pub use text::{Target, targets};

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
    text::check(&update.body, publication.content.time_zone, &mut found);
    link_and_picture(update, &mut found);
    let seen = contrast::check(&frozen.body_html, &mut found);
    whole(publication, (&update.body, frozen), &seen, &mut found);
    sort(&mut found);
    found
}

/// The worst first; otherwise as they were found, and each once.
pub fn sort(found: &mut Vec<Finding>) {
    let mut known = HashSet::new();
    let mut kept: Vec<Finding> = std::mem::take(found);
    kept.retain(|finding| known.insert((finding.code, finding.values.clone(), finding.place)));
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
    for (text, place) in [(&update.title, Place::Title), (&update.teaser, Place::Teaser)] {
        found.extend(placeholders::in_text(text).map(|finding| finding.at(place)));
    }
    let teaser = update.teaser.trim();
    if teaser.is_empty() {
        found.push(Finding::new(Code::PreheaderMissing));
    } else if preheader::repeats(teaser, &update.title) {
        found.push(Finding::new(Code::PreheaderRepeats));
    }
}

/// The link and the picture that an update has beside its text.
fn link_and_picture(update: &Update, found: &mut Vec<Finding>) {
    if let Some(link) = update.link.as_ref().filter(|link| wording::is_plain_http(link)) {
        found.push(Finding::new(Code::LinkHttp).with("address", link.as_str()).at(Place::Link));
    }
    if let Some(link) = &update.link {
        found.extend(placeholders::in_address(link).map(|finding| finding.at(Place::Link)));
    }
    let Some(image) = &update.image else { return };
    found.extend(placeholders::in_address(image).map(|finding| finding.at(Place::Image)));
    for said in [&update.image_alt, &update.image_credit].into_iter().flatten() {
        found.extend(placeholders::in_text(said).map(|finding| finding.at(Place::Image)));
    }
    if wording::is_plain_http(image) {
        found.push(Finding::new(Code::ImageHttp).with("address", image.as_str()));
    }
    let alt = update.image_alt.as_deref().unwrap_or_default();
    if wording::is_vague_alt(alt) {
        found.push(Finding::new(Code::AltVague).with("alt", alt));
    }
    if update.image_credit.as_deref().unwrap_or_default().trim().is_empty() {
        found.push(Finding::new(Code::CreditMissing));
    }
}

/// What no mail may be without, in both of its parts.
fn whole(
    publication: &Publication,
    (body, frozen): (&str, &FrozenContent),
    seen: &contrast::Visible,
    found: &mut Vec<Finding>,
) {
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
        let stands = |text: &str| {
            shown.contains(&spaced(text)) || text.lines().all(|line| shown.contains(&spaced(line)))
        };
        if !texts.imprint.trim().is_empty() && !stands(&texts.imprint) {
            lacks(Code::ImprintMissing);
        }
        if !source.contains(UNSUBSCRIBE) {
            lacks(Code::UnsubscribeMissing);
        }
        if !stands(&texts.funding_notice) {
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
    } else {
        found.extend(funding_in(body).map(|text| Finding::new(Code::FundingInText).with("text", text)));
    }
    let size = frozen.body_html.len();
    if size > NEARLY {
        let code = if size > GMAIL { Code::HtmlTooLarge } else { Code::HtmlLarge };
        found.push(Finding::new(code).with("kilobytes", (size / 1024).to_string()));
    }
}

/// How a line begins that names who pays: one that stands by itself, as on a website.
const FUNDING: [&str; 6] =
    ["gefördert ", "kofinanziert ", "finanziert ", "funded by ", "co-funded by ", "supported by "];
/// Characters of such a line, at most: a sentence of the text goes on.
const FUNDING_LINE: usize = 200;

/// The first line of a text that begins as one does that names the funding. A sentence may begin so, too: it is a note.
fn funding_in(body: &str) -> Option<&str> {
    let names = |line: &&str| {
        let words = line.trim_start_matches(['*', '_', '>', '#', ' ']).to_lowercase();
        FUNDING.iter().any(|begin| words.starts_with(begin))
    };
    body.lines().map(str::trim).filter(|line| line.chars().count() <= FUNDING_LINE).find(names)
}

/// A text with every white space alike, so that line breaks do not matter.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::domain::hosted::Hosted;
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
        let frozen = composer().update(&publication, &update, &Hosted::default()).unwrap();
        codes_of(&publication, &update, &frozen)
    }

    /// What is found after a change of what is frozen.
    fn after_freezing(change: impl FnOnce(&mut FrozenContent)) -> Vec<Code> {
        let (publication, update) = (publication(), update());
        let mut frozen = composer().update(&publication, &update, &Hosted::default()).unwrap();
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
        let funded =
            |line: &str| after(|update| update.body = format!("## Der Tag\n\nEs war gut.\n\n{line}"));
        for line in ["Gefördert aus Mitteln der EU", "*Kofinanziert von der Europäischen Union*"] {
            assert_eq!(funded(line), [Code::FundingInText], "{line}");
        }
        assert_eq!(funded("Das Land fördert uns, gefördert wird auch der Nachbar."), []);
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
        let frozen = composer().update(&publication, &update, &Hosted::default()).unwrap();
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
