//! The texts of the mails: a snapshot of each, and what every one must contain.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use rundbrief::{
    config::{PublicUrl, SecretKeys},
    domain::{
        address::EmailAddress,
        hosted::Hosted,
        ids::{SubscriberId, UpdateId},
        locale::Locale,
        mailing::FrozenContent,
        publication::{Content, Logo, Publication},
        update::{Update, UpdateFile, UpdateState},
    },
    mail::{
        compose::Composer,
        contexts::PublicationContext,
        markdown,
        merge_fields::{MANAGE, OwnTokens, UNSUBSCRIBE},
        message::Recipient,
        templates::{MailKind, Rendered, Templates},
    },
};
use uuid::Uuid;

use crate::harness::mail::Mail;

const KINDS: [MailKind; 9] = [
    MailKind::Confirmation,
    MailKind::AddressChange,
    MailKind::AddressNotice,
    MailKind::Access,
    MailKind::Invitation,
    MailKind::NewPassword,
    MailKind::AlreadySubscribed,
    MailKind::Welcome,
    MailKind::Update,
];
pub const PUBLICATION: &str = include_str!("../../publication.example.toml");
/// The links of the samples, besides those of the update and of the confirmation.
const WEBSITE: &str = "https://www.example.org/";
const PRIVACY: &str = "https://www.example.org/datenschutz";
const CONFIRM: &str = "https://brief.example.org/confirm/sample";
const LEAVE: &str = "https://brief.example.org/unsubscribe/sample";
const SETTINGS: &str = "https://brief.example.org/manage/sample";
const STAFF_LINK: &str = "https://brief.example.org/staff/welcome/sample";
const FORGOTTEN: &str = "https://brief.example.org/staff/login/forgotten";
const DATA: &str = "https://brief.example.org/data/sample";
const PAGE: &str = "https://www.example.org/aktuelles/lehrwerkstatt";
const PICTURE: &str = "https://www.example.org/bilder/lehrwerkstatt.jpg";
/// No mail program cuts off what is shorter.
const LONGEST_HTML: usize = 90 * 1024;

/// A mail filled with its sample.
pub fn sample(templates: &Templates, kind: MailKind, locale: Locale) -> Rendered {
    let rendered = templates.sample(kind, locale, PublicationContext::sample());
    rendered.expect("the sample fills the template")
}

/// Every mail in every language.
pub fn samples() -> Vec<(MailKind, Locale, Rendered)> {
    let templates = Templates::load(None).unwrap();
    let mut all = Vec::new();
    for kind in KINDS {
        for locale in Locale::ALL {
            all.push((kind, locale, sample(&templates, kind, locale)));
        }
    }
    all
}

pub fn composer() -> Composer {
    let keys = SecretKeys::parse(&STANDARD.encode([7; 32])).unwrap();
    let url = PublicUrl::parse("https://brief.example.org").unwrap();
    Composer::new(Templates::load(None).unwrap(), url, keys)
}

pub fn moment() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-12-16T09:00:00Z").unwrap().to_utc()
}

pub fn publication(file: &str) -> Publication {
    Publication { version: 1, applied_at: moment(), content: Content::parse(file).unwrap() }
}

pub fn update(file: UpdateFile) -> Update {
    Update {
        id: UpdateId(Uuid::nil()),
        slug: "probe".into(),
        state: UpdateState::Draft,
        locale: file.locale,
        title: file.title,
        teaser: file.teaser,
        body: file.body,
        dated: file.date,
        link: file.link,
        image: file.image,
        image_alt: file.image_alt,
        image_credit: file.image_credit,
        created_at: moment(),
        changed_at: moment(),
        changed_by: None,
        version: 1,
    }
}

/// The mail of an update file under the sample publication.
fn composed(file: &str) -> FrozenContent {
    let file = UpdateFile::parse(file, Locale::De).expect("the file is right");
    composer().update(&publication(PUBLICATION), &update(file), &Hosted::default()).expect("the mail is made")
}

/// The values of an attribute, in order.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The opening tags of an element.
fn tags<'a>(html: &'a str, element: &str) -> Vec<&'a str> {
    let start = format!("<{element} ");
    html.match_indices(start.as_str()).filter_map(|(at, _)| html[at..].split('>').next()).collect()
}

fn snapshots(kind: MailKind) {
    let templates = Templates::load(None).unwrap();
    for locale in Locale::ALL {
        let mail = sample(&templates, kind, locale);
        let name = format!("{}_{locale}", kind.folder());
        insta::assert_snapshot!(
            format!("{name}_text"),
            format!("Subject: {}\n\n{}", mail.subject, mail.text)
        );
        insta::assert_snapshot!(format!("{name}_html"), mail.html);
    }
}

#[test]
fn the_confirmation_reads_as_it_did() {
    snapshots(MailKind::Confirmation);
}

#[test]
fn the_question_about_a_new_address_reads_as_it_did() {
    snapshots(MailKind::AddressChange);
}

#[test]
fn the_notice_of_a_new_address_reads_as_it_did() {
    snapshots(MailKind::AddressNotice);
}

#[test]
fn the_access_link_reads_as_it_did() {
    snapshots(MailKind::Access);
}

#[test]
fn the_invitation_reads_as_it_did() {
    snapshots(MailKind::Invitation);
}

#[test]
fn the_link_for_a_new_password_reads_as_it_did() {
    snapshots(MailKind::NewPassword);
}

#[test]
fn the_answer_to_a_subscriber_reads_as_it_did() {
    snapshots(MailKind::AlreadySubscribed);
}

#[test]
fn the_welcome_reads_as_it_did() {
    snapshots(MailKind::Welcome);
}

#[test]
fn the_update_reads_as_it_did() {
    snapshots(MailKind::Update);
}

#[test]
fn a_whole_update_goes_over_the_wire_as_it_did() {
    let file = "---\ntitle: Grüße aus der Lehrwerkstatt am See\nteaser: Was Auszubildende und Betriebe voneinander lernen.\n\
        date: 2026-12-16\nlink: https://www.lok-lausitz.example/aktuelles/lehrwerkstatt\n\
        image: https://www.lok-lausitz.example/bilder/see.jpg\nimage_alt: Ein See im Morgenlicht\n\
        image_credit: \"Foto: LOK Lausitz\"\n---\n\n## Zwei Tage\n\nEin Absatz mit **Gewicht** und \
        [einem Link](https://www.example.org/?a=1&b=2).\n\n- eins\n- zwei\n\n> Ein Zitat.\n";
    let composer = composer();
    let frame = composer.mailing_frame(&publication(PUBLICATION), &composed(file)).unwrap();
    let to = EmailAddress::parse("Maria.Muster@straße.de").unwrap();
    let tokens = composer.own_tokens(SubscriberId(Uuid::nil()));
    let message = frame.for_recipient(&Recipient {
        to: &to,
        tokens: Some(&tokens),
        message_id: "<probe@brief.example.org>",
        date: moment(),
    });
    let message = String::from_utf8(message).unwrap();
    assert_eq!(message.matches("\r\n").count(), message.matches('\n').count(), "every line ends in CRLF");
    insta::assert_snapshot!("whole_update", message.replace("\r\n", "\n"));
}

#[test]
fn no_html_part_is_so_long_that_a_mail_program_cuts_it() {
    for (kind, locale, mail) in samples() {
        assert!(mail.html.len() <= LONGEST_HTML, "{kind:?} {locale}: {}", mail.html.len());
    }
    // The longest update there can be, of plain prose.
    let paragraph = "Am zweiten Tag zeigte sich, was ein guter Plan wert ist – und was nicht. ".repeat(12);
    let paragraph = format!("{}\n\n", paragraph.trim());
    let body = paragraph.repeat(49_900 / paragraph.len());
    let html = composed(&format!("---\ntitle: Lang\n---\n\n{body}")).body_html;
    assert!((50_000..=LONGEST_HTML).contains(&html.len()), "{}", html.len());
}

#[test]
fn every_table_is_marked_as_mere_layout_except_those_that_hold_data() {
    for (kind, locale, mail) in samples() {
        let tables = tags(&mail.html, "table");
        assert!(tables.len() >= 2, "{kind:?} {locale}");
        for table in tables {
            assert!(table.contains("role=\"presentation\""), "{kind:?} {locale}: {table}");
        }
    }
    let html = composed("---\ntitle: A\n---\n\n| Ort | Tag |\n|---|---|\n| Cottbus | 1 |\n").body_html;
    let data: Vec<&str> =
        html.split("<table ").skip(1).filter(|table| !table.contains("role=\"presentation\"")).collect();
    assert_eq!(data.len(), 1, "{html}");
    assert!(data[0].contains("<th scope=\"col\"") && data[0].contains("Cottbus"), "{}", data[0]);
}

#[test]
fn the_html_is_made_for_mail_programs() {
    for (kind, locale, mail) in samples() {
        let html = &mail.html;
        assert!(html.contains(&format!("<html lang=\"{locale}\"")), "{kind:?} {locale}");
        let title = html.split("<title>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        assert!(!title.trim().is_empty(), "{kind:?} {locale} has no title");
        for needed in ["max-width:600px", "prefers-color-scheme:dark", "<meta charset=\"utf-8\">"] {
            assert!(html.contains(needed), "{kind:?} {locale}: {needed}");
        }
        for image in tags(html, "img") {
            assert!(attributes(image, "alt").iter().any(|alt| !alt.is_empty()), "{image}");
        }
    }
}

#[test]
fn every_picture_of_every_mail_has_a_width_that_its_column_has_room_for() {
    let templates = Templates::load(None).unwrap();
    let mut wide = Content::parse(PUBLICATION).unwrap();
    let url = "https://www.example.org/logo.png".parse().unwrap();
    let logo = Logo { url, alt: "Logo".into(), width: 1104, height: 200 };
    (wide.logo, wide.funding_logos) = (Some(logo.clone()), vec![logo; 2]);
    let wide = PublicationContext::new(&wide, Locale::De);
    assert_eq!(wide.logo.as_ref().map(|logo| (logo.width, logo.height)), Some((552, 100)));
    let mut seen = 0;
    for publication in [PublicationContext::other_sample(), wide] {
        for kind in KINDS {
            let mail = templates.sample(kind, Locale::De, publication.clone()).unwrap();
            for image in tags(&mail.html, "img") {
                let width: u16 = attributes(image, "width")[0].parse().unwrap();
                assert!((1..=552).contains(&width), "{kind:?}: {image}");
                seen += 1;
            }
        }
    }
    assert!(seen > KINDS.len(), "{seen}");
}

/// What programs show beside the subject: the first words of the HTML, and those of the text part.
fn first_words(mail: &Rendered) -> (String, String) {
    let body = mail.html.split("<body").nth(1).unwrap().split_once('>').unwrap().1;
    let hidden = body.split("<div style=\"display:none").nth(1).unwrap().split_once('>').unwrap().1;
    let html = hidden.split(['<', '&']).next().unwrap().trim().to_owned();
    assert!(body.trim_start().starts_with("<div style=\"display:none"), "nothing stands before it");
    (html, mail.text.lines().take(3).collect::<Vec<_>>().join(" ").trim().to_owned())
}

#[test]
fn the_inbox_shows_what_the_subject_does_not_say() {
    for (kind, locale, mail) in samples() {
        let (html, text) = first_words(&mail);
        for words in [&html, &text] {
            let title = mail.subject.split(": ").next().unwrap();
            assert!(words.chars().count() > 15, "{kind:?} {locale}: {words:?}");
            assert!(!words.starts_with(title), "{kind:?} {locale}: {words:?} after {:?}", mail.subject);
            assert!(!words.starts_with("Werkstattbrief"), "{kind:?} {locale}: {words:?}");
        }
    }
}

#[test]
fn without_a_teaser_of_its_own_an_update_shows_its_first_sentence_in_the_inbox() {
    let shown = |head: &str| {
        let file = format!(
            "---\ntitle: Die Werkstatt ist offen\n{head}---\n\n## Am See\n\nLiebe Nachbarn,\n\nSeit Montag wird wieder gebaut & gelernt. Mehr dazu bald.\n"
        );
        let mail = composed(&file);
        let preheader =
            mail.body_html.split("mso-hide:all;\">").nth(1).unwrap().trim().lines().next().unwrap();
        (preheader.to_owned(), mail.body_text.lines().next().unwrap().to_owned())
    };
    let sentence = "Seit Montag wird wieder gebaut & gelernt.";
    let both = |text: &str| (text.replace('&', "&amp;"), text.to_owned());
    assert_eq!(shown(""), both(sentence));
    assert_eq!(
        shown("teaser: Die Werkstatt ist offen!\n"),
        both(sentence),
        "the title once more is no teaser"
    );
    assert_eq!(shown("teaser: Fünf Betriebe sind dabei.\n"), both("Fünf Betriebe sind dabei."));
}

#[test]
fn both_parts_hold_the_imprint_and_the_same_facts() {
    let imprint = ["Projekt Werkstatt e. V.", "Marktplatz 17", "03046 Cottbus"];
    let times = ["23. November 2026, 14:05 Uhr", "30. November 2026, 14:05 Uhr"];
    for (kind, locale, mail) in samples() {
        let mut facts = imprint.to_vec();
        facts.extend([PRIVACY, "Werkstattbrief"]);
        match kind {
            MailKind::Confirmation => facts.extend([times[0], times[1], "www.example.org", CONFIRM]),
            MailKind::AddressChange => facts.extend([times[0], times[1], CONFIRM]),
            MailKind::AddressNotice => facts.push(SETTINGS),
            MailKind::Access => facts.extend([DATA, SETTINGS]),
            MailKind::Invitation | MailKind::NewPassword => {
                facts.extend(["Ada Muster", "23. November 2026, 14:35 Uhr", STAFF_LINK, FORGOTTEN]);
            }
            MailKind::AlreadySubscribed => facts.push(times[0]),
            MailKind::Welcome => facts.extend(["Projekt Werkstatt", "brief@example.org"]),
            MailKind::Update => facts.extend([
                "Zwei Tage in der Lehrwerkstatt",
                "Was Auszubildende und Betriebe voneinander mitnehmen.",
                "16. Dezember 2026",
                "Zwei Auszubildende an einer Werkbank",
                "Foto: Projekt Werkstatt",
                "Ein Absatz.",
                PAGE,
                "Gefördert aus Mitteln des Landes",
            ]),
        }
        for fact in facts {
            assert!(mail.text.contains(fact), "{kind:?} {locale}: {fact} is not in the text part");
            assert!(mail.html.contains(fact), "{kind:?} {locale}: {fact} is not in the HTML part");
        }
    }
}

/// The addresses of a mail that stand an odd number of times in the attributes of the HTML and in the text part together.
fn odd_addresses(text: &str, html: &str) -> Vec<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let linked = [attributes(html, "href"), attributes(html, "src")].concat();
    let linked = linked.into_iter().map(|address| address.replace("&amp;", "&"));
    let words = text.split(|c: char| c.is_whitespace() || "()<>[]".contains(c));
    let words = words.map(|word| word.trim_end_matches(['.', ',']).to_owned());
    for address in linked.chain(words).filter(|address| address.starts_with("http")) {
        *times.entry(address).or_default() += 1;
    }
    assert!(times.len() > 2, "{times:?}");
    times.into_iter().filter(|(_, times)| times % 2 == 1).map(|(address, _)| address).collect()
}

#[test]
fn each_address_stands_so_often_in_both_parts_that_rspamd_counts_an_even_number() {
    let templates = Templates::load(None).unwrap();
    for kind in KINDS {
        for locale in Locale::ALL {
            for publication in [PublicationContext::sample(), PublicationContext::other_sample()] {
                let mail = templates.sample(kind, locale, publication).unwrap();
                assert_eq!(odd_addresses(&mail.text, &mail.html), [""; 0], "{kind:?} {locale}");
            }
        }
    }
    let mail = composed(
        "---\ntitle: A\nteaser: B\nlink: https://www.example.org/b\nimage: https://www.example.org/c.jpg\nimage_alt: C\n---\n\n\
         [Ein Bericht](https://www.example.org/d?e=1&f=2), noch [einer](https://www.example.org/d?e=1&f=2), \
         <https://www.example.org/g>.\n\n![Bild](https://www.example.org/h.jpg)\n\n\
         [![Bild](https://www.example.org/i.jpg)](https://www.example.org/j)\n\n\
         | A | B |\n|---|---|\n| [k](https://www.example.org/k) | ![l](https://www.example.org/l.jpg) |\n",
    );
    assert_eq!(odd_addresses(&mail.body_text, &mail.body_html), [""; 0], "{}", mail.body_text);
}

#[test]
fn what_only_the_inbox_shows_is_hidden_without_a_colour() {
    for (kind, locale, mail) in samples() {
        let preheader =
            mail.html.split("<div style=\"display:none").nth(1).unwrap().split('>').next().unwrap();
        // In the colour of its ground it would be text in a low contrast, which spam filters count.
        assert!(!preheader.contains("color"), "{kind:?} {locale}: {preheader}");
        assert!(preheader.contains("mso-hide:all"), "{kind:?} {locale}: {preheader}");
    }
}

#[test]
fn no_line_of_an_update_begins_as_the_next_mail_in_an_mbox_file_does() {
    let file = "---\ntitle: From here on\nteaser: From now on\nlocale: en\n---\n\nFrom Monday on\nFrom noon\n\n\
        ```\nFrom code\n>From code\n```\n\n| From | To |\n|---|---|\n| From a | b |\n\n- From a list\n";
    let with_imprint = PUBLICATION.replace("imprint = \"\"\"\nLOK Lausitz", "imprint = \"\"\"\nFrom Lausitz");
    let publication = publication(&with_imprint);
    let parsed = UpdateFile::parse(file, Locale::De).unwrap();
    let content = composer().update(&publication, &update(parsed), &Hosted::default()).unwrap();
    for part in [&content.body_text, &content.body_html] {
        assert!(part.lines().filter(|line| line.starts_with("From ")).count() > 1, "{part}");
    }
    let frame = composer().mailing_frame(&publication, &content).unwrap();
    let to = EmailAddress::parse("maria@example.org").unwrap();
    let message = composer().for_nobody(&frame, &to, "<a@example.org>", moment());
    let message = String::from_utf8(message).unwrap();
    assert!(message.lines().all(|line| !line.trim_start_matches('>').starts_with("From ")), "{message}");
    assert!(message.contains("\r\n=46rom Monday on\r\n"), "{message}");
    let seen = Mail::parse(message.as_bytes());
    let OwnTokens { unsubscribe, manage } = composer().nobodys_tokens();
    let expected = content.body_text.replace(UNSUBSCRIBE, &unsubscribe).replace(MANAGE, &manage);
    assert_eq!(seen.text.replace("\r\n", "\n").trim_end(), expected.trim_end());
}

#[test]
fn the_links_of_a_subscription_stand_once_in_each_part_and_nowhere_before_the_confirmation() {
    for (kind, locale, mail) in samples() {
        let promised = usize::from(kind.is_part_of_subscription());
        let has_none =
            [MailKind::Confirmation, MailKind::AddressChange, MailKind::Invitation, MailKind::NewPassword];
        let settings = usize::from(!has_none.contains(&kind));
        for part in [&mail.text, &mail.html] {
            assert_eq!(part.matches(SETTINGS).count(), settings, "{kind:?} {locale}");
            assert_eq!(part.matches(LEAVE).count(), promised, "{kind:?} {locale}");
            assert_eq!(part.matches("/unsubscribe/").count(), promised, "{kind:?} {locale}");
        }
    }
}

#[test]
fn the_confirmation_advertises_nothing() {
    for (kind, locale, mail) in samples() {
        if matches!(kind, MailKind::Confirmation | MailKind::AddressChange) {
            assert!(!mail.text.contains("Gefördert") && !mail.html.contains("Gefördert"), "{locale}");
            assert!(tags(&mail.html, "img").is_empty(), "{locale}");
        }
    }
}

#[test]
fn nothing_in_a_mail_tells_that_it_was_read() {
    for (kind, locale, mail) in samples() {
        let links: BTreeSet<&str> = attributes(&mail.html, "href").into_iter().collect();
        let expected = match kind {
            MailKind::Confirmation | MailKind::AddressChange => BTreeSet::from([WEBSITE, PRIVACY, CONFIRM]),
            MailKind::AddressNotice => BTreeSet::from([WEBSITE, PRIVACY, SETTINGS]),
            MailKind::Access => BTreeSet::from([WEBSITE, PRIVACY, SETTINGS, DATA]),
            MailKind::Invitation | MailKind::NewPassword => {
                BTreeSet::from([WEBSITE, PRIVACY, STAFF_LINK, FORGOTTEN])
            }
            MailKind::AlreadySubscribed | MailKind::Welcome => {
                BTreeSet::from([WEBSITE, PRIVACY, LEAVE, SETTINGS])
            }
            MailKind::Update => BTreeSet::from([WEBSITE, PRIVACY, LEAVE, SETTINGS, PAGE]),
        };
        assert_eq!(links, expected, "{kind:?} {locale}");
        let pictures: &[&str] = if kind == MailKind::Update { &[PICTURE] } else { &[] };
        assert_eq!(attributes(&mail.html, "src"), pictures, "{kind:?} {locale}");
        for loading in
            ["url(", "@import", "<link", "<script", "<iframe", "<form", " background=\"", " srcset="]
        {
            assert!(!mail.html.contains(loading), "{kind:?} {locale}: {loading}");
        }
    }
}

#[test]
fn invariant_6_what_staff_type_is_data_and_never_a_template() {
    const TITLE: &str = "{{ 7*7 }} {% include \"layout.html\" %} <b>fett</b> & {# still #}";
    let file = "---\ntitle: '{{ 7*7 }} {% include \"layout.html\" %} <b>fett</b> & {# still #}'\n\
        teaser: '{{ publication.name }} <i>x</i>'\n---\n\n{{ 7*7 }} {% raw %} <script>alert(1)</script>\n";
    let mail = composed(file);
    assert_eq!(mail.subject, TITLE);
    for typed in [TITLE, "{{ publication.name }} <i>x</i>", "{{ 7*7 }} {% raw %} <script>alert(1)</script>"] {
        assert!(mail.body_text.contains(typed), "{typed} in {}", mail.body_text);
        let escaped =
            typed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        assert!(mail.body_html.contains(&escaped), "{escaped} in {}", mail.body_html);
    }
    for run in ["<b>fett", "<i>x", "<script"] {
        assert!(!mail.body_html.contains(run), "{run} in {}", mail.body_html);
    }

    let file = PUBLICATION.replace("Musterträger gGmbH", "{{ 7*7 }} <b>Träger</b>");
    let typed = UpdateFile::parse("---\ntitle: A\n---\n\nText\n", Locale::De).unwrap();
    let mail = composer().update(&publication(&file), &update(typed), &Hosted::default()).unwrap();
    assert!(mail.body_text.contains("{{ 7*7 }} <b>Träger</b>"), "{}", mail.body_text);
    assert!(mail.body_html.contains("{{ 7*7 }} &lt;b&gt;Träger&lt;/b&gt;"), "{}", mail.body_html);
}

/// The marks in the two parts of an update's mail; nothing when the file is refused.
fn marks(file: &str) -> Option<(usize, usize)> {
    let parsed = UpdateFile::parse(file, Locale::De).ok()?;
    markdown::check(&parsed.body).ok()?;
    let mail = composer().update(&publication(PUBLICATION), &update(parsed), &Hosted::default()).ok()?;
    assert!(!mail.subject.contains(char::is_control), "{:?}", mail.subject);
    let count = |part: &str| (part.matches(UNSUBSCRIBE).count(), part.matches(MANAGE).count());
    assert_eq!(count(&mail.body_text).1, 1, "the link to the settings page");
    assert_eq!(count(&mail.body_html).1, 1, "the link to the settings page");
    Some((count(&mail.body_text).0, count(&mail.body_html).0))
}

#[test]
fn invariant_6_nothing_that_staff_type_can_pass_for_a_recipients_own_link() {
    assert_eq!(marks("---\ntitle: A\n---\n\nText\n"), Some((1, 1)), "an ordinary update has one mark a part");
    let attacks = [
        "---\ntitle: \"A \\x01\\x02\\x01\"\n---\n\nText\n".to_owned(),
        "---\ntitle: A\nteaser: \"\\u0001\\u0002\\u0001\"\n---\n\nText\n".to_owned(),
        "---\ntitle: A\nlink: \"https://example.org/?\\x01\\x02\\x01\"\n---\n\nText\n".to_owned(),
        format!("---\ntitle: A {UNSUBSCRIBE}\n---\n\nText\n"),
        format!("---\ntitle: A\n---\n\nText {UNSUBSCRIBE}\n"),
        format!("---\ntitle: A\n---\n\n`{UNSUBSCRIBE}`\n"),
        format!("---\ntitle: A {MANAGE}\n---\n\nText\n"),
        format!("---\ntitle: A\n---\n\nText {MANAGE}\n"),
        "---\ntitle: A\n---\n\nText &#1;&#3;&#1;\n".to_owned(),
        "---\ntitle: A\n---\n\nText &#1;&#2;&#1;\n".to_owned(),
        "---\ntitle: A\n---\n\n[Link](https://example.org/?&#1;&#2;&#x1;)\n".to_owned(),
        "---\ntitle: A\n---\n\n![&#1;&#2;&#1;](https://example.org/a.png)\n".to_owned(),
    ];
    for attack in attacks {
        assert!(marks(&attack).is_none_or(|counts| counts == (1, 1)), "{attack:?} gave {:?}", marks(&attack));
    }
}
