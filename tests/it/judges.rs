//! Every mail the service makes, as files for the programs that judge mail (`make judges`).

use std::{env, fs, path::PathBuf};

use chrono::Utc;
use rundbrief::{
    domain::{
        address::EmailAddress,
        hosted::Hosted,
        ids::{DeliveryId, SignupId, SubscriberId},
        locale::Locale,
        publication::{Content, Logo, Publication},
        signup::{Signup, SignupState},
        staff::secret::OneTimeToken,
        subscriber::{Subscriber, SubscriberState},
        token::ConfirmToken,
        update::UpdateFile,
    },
    mail::{
        message::{Frame, Recipient, message_id},
        templates::MailKind,
    },
};
use uuid::Uuid;

use crate::harness::mail::Mail;
use crate::mails::{PUBLICATION, composer, moment, publication, update};

/// An update with everything that the dialect has, and one with nothing that may be left out.
const UPDATES: [(&str, &str); 3] = [
    (
        "whole",
        "---\ntitle: Zwei Tage in der Lehrwerkstatt\nteaser: Was Auszubildende und Betriebe voneinander mitnehmen.\n\
         date: 2026-12-16\nlink: https://www.example.org/aktuelles/lehrwerkstatt\n\
         image: https://www.example.org/bilder/werkbank.jpg\nimage_alt: Zwei Auszubildende an einer Werkbank\n\
         image_credit: \"Foto: Projekt Werkstatt\"\n---\n\n\
         ## Der erste Tag\n\nAm Montag kamen **zwölf Betriebe** und fünf Schulen zusammen, um über *gute* Ausbildung zu \
         sprechen. Ein [Bericht mit Fotos](https://www.example.org/bericht?a=1&b=2) steht auf unserer Website.\n\n\
         From here on, lines begin with a word that mailboxes split at.\n\n\
         - Werkbänke und Werkzeug\n- Gespräche am Mittag\n\n1. Planen\n2. Bauen\n\n> Ein Zitat über zwei\n> Zeilen.\n\n\
         ![Die Halle am Abend](https://www.example.org/bilder/halle.jpg)\n\n\
         ### Zahlen\n\n| Ort | Tag |\n|:---|---:|\n| Cottbus | 1 |\n| Guben | 2 |\n\n\
         [![Der Hof](https://www.example.org/bilder/hof.jpg)](https://www.example.org/hof).\n\nRückfragen gern an <kontakt@example.org> oder auf <https://www.example.org/kontakt>.\n\n---\n\n\
         ```\nFrom the workshop\n```\n\nBis bald!\n",
    ),
    ("bare", "---\ntitle: Die Werkstatt ist offen\n---\n\nSeit Montag wird wieder gebaut und gelernt.\n"),
    (
        "english",
        "---\ntitle: Two days in the training workshop\nlocale: en\nteaser: What apprentices and companies take home.\n---\n\n\
         From Monday on there is [more to read](https://www.example.org/en/more).\n",
    ),
];

/// The publication of the example file, and one with what may be filled in there. Its domain becomes one that the judges
/// know: they find no addresses under `.example` in a text, and take those that are shown in HTML for forged.
fn publications() -> [(&'static str, Publication); 2] {
    let file = PUBLICATION.replace("lok-lausitz.example", "example.org");
    let mut logos = publication(&file.replace("#unsubscribe_mailto", "unsubscribe_mailto"));
    let logo = |name: &str, alt: &str| Logo {
        url: format!("https://www.example.org/{name}.png").parse().unwrap(),
        alt: alt.into(),
        width: 180,
        height: 48,
    };
    let Content { logo: at_the_top, funding_logos, .. } = &mut logos.content;
    *at_the_top = Some(logo("logo", "LOK Lausitz"));
    *funding_logos = vec![logo("land", "Land Brandenburg")];
    [("", publication(&file)), ("_logos", logos)]
}

/// A mail and the language it is in, by the name of its file.
type Named = (String, Locale, Frame);

/// Every kind of mail in every language.
fn frames(publication: &Publication) -> Vec<Named> {
    let composer = composer();
    let token = ConfirmToken::mint();
    let mut frames = Vec::new();
    for locale in Locale::ALL {
        let mut add = |name: &str, frame| frames.push((format!("{name}_{locale}"), locale, frame));
        let email = EmailAddress::parse("maria.muster@example.org").unwrap();
        let subscriber = Subscriber {
            id: SubscriberId(Uuid::nil()),
            email: email.clone(),
            locale,
            state: SubscriberState::Active,
            confirmed_at: moment(),
            state_changed_at: moment(),
        };
        for (by, is_by_staff) in [("", false), ("_by_staff", true)] {
            let signup = Signup {
                id: SignupId(Uuid::nil()),
                email: email.clone(),
                locale,
                state: SignupState::Waiting,
                publication_version: 1,
                form_page: "/".into(),
                requested_at: moment(),
                expires_at: moment() + chrono::Duration::days(7),
                replaces: None,
                is_by_staff,
                names_text: true,
            };
            let confirmation = composer.confirmation(publication, &signup, &token).unwrap();
            add(&format!("confirmation{by}"), confirmation);
            let known = composer.already_subscribed(publication, &signup).unwrap();
            add(&format!("already_subscribed{by}"), known);
            if !is_by_staff {
                let change = composer.address_change(publication, &signup, &token).unwrap();
                add("address_change", change);
            }
        }
        let notice = composer.address_notice(publication, &subscriber).unwrap();
        add("address_notice", notice);
        if locale == publication.content.locale {
            let link = (&OneTimeToken::mint(), moment());
            for kind in [MailKind::Invitation, MailKind::NewPassword] {
                add(kind.folder(), composer.staff_link(kind, publication, "Ada Muster", link).unwrap());
            }
        }
        add("access", composer.access(publication, &subscriber, moment()).unwrap());
        add("welcome", composer.welcome(publication, &subscriber).unwrap());
        for (name, file) in UPDATES {
            if name == "english" && locale != Locale::En {
                continue;
            }
            let mut file = UpdateFile::parse(file, Locale::De).unwrap();
            file.locale = locale;
            let update = update(file);
            let content = composer.update(publication, &update, &Hosted::default()).unwrap();
            let frame = composer.mailing_frame(publication, &content).unwrap();
            add(&format!("update_{name}"), frame);
            if name == "whole" {
                let test = composer.test_frame(publication, &update, &Hosted::default()).unwrap();
                add("test_mail", test);
            }
        }
    }
    frames
}

/// The bytes of a mail, as a relay gets them.
fn on_the_wire(number: i64, frame: &Frame) -> Vec<u8> {
    let to = EmailAddress::parse("maria.muster@example.org").unwrap();
    let tokens = composer().own_tokens(SubscriberId(Uuid::nil()));
    let message_id = message_id(DeliveryId(number), Uuid::nil(), composer().public_url());
    frame.for_recipient(&Recipient {
        to: &to,
        tokens: Some(&tokens),
        message_id: &message_id,
        date: Utc::now(),
    })
}

#[test]
fn every_mail_names_the_language_it_is_in_and_none_the_sender_to_mail_providers() {
    for (_, publication) in publications() {
        for (name, locale, frame) in frames(&publication) {
            let mail = Mail::parse(&on_the_wire(1, &frame));
            assert_eq!(mail.header("Content-Language").as_deref(), Some(locale.tag()), "{name}");
            assert_eq!(mail.header("Feedback-ID"), None, "{name}");
            assert_eq!(mail.header("List-Help").is_some(), mail.header("List-Id").is_some(), "{name}");
        }
    }
}

/// `JUDGED_MAILS` names the folder, which is emptied; `JUDGED_UPDATES` more update files, separated by white space.
#[test]
#[ignore = "writes the files of make judges"]
fn every_mail_is_written_to_a_folder() {
    let folder = PathBuf::from(env::var_os("JUDGED_MAILS").expect("JUDGED_MAILS names a folder"));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let mut mails: Vec<Named> = Vec::new();
    for (with, publication) in publications() {
        let all = frames(&publication).into_iter();
        mails.extend(all.map(|(name, locale, frame)| (name + with, locale, frame)));
        for path in env::var("JUDGED_UPDATES").unwrap_or_default().split_whitespace().map(PathBuf::from) {
            let file = UpdateFile::parse(&fs::read_to_string(&path).unwrap(), Locale::De).unwrap();
            let update = update(file);
            let content = composer().update(&publication, &update, &Hosted::default()).unwrap();
            let frame = composer().mailing_frame(&publication, &content).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy();
            mails.push((format!("file_{name}{with}"), update.locale, frame));
        }
    }
    for (number, (name, _, frame)) in (1..).zip(mails) {
        fs::write(folder.join(format!("{name}.eml")), on_the_wire(number, &frame)).unwrap();
    }
}
