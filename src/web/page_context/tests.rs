//! Every page is made of its samples. A template takes no value that its context lacks: Tera refuses undefined variables.

use std::collections::BTreeSet;

use chrono::Utc;

use crate::{
    domain::{
        locale::Locale,
        publication::{Content, Publication},
    },
    web::{
        page_context::{PageContext, Sample},
        public::confirm,
        renderer::{Frame, PublicationView, Renderer, Shell, ShellHold, ShellMember, ShellNotice, TEMPLATES},
        staff::{images, mailings, publication, updates},
    },
};

/// Every page.
fn every_page(tried: &mut Tried) {
    // public
    tried.public::<confirm::DeclinedPage>();

    // staff: updates
    tried.staff::<updates::UpdatesPage>();
    tried.staff::<updates::editor::EditorPage>();
    tried.staff::<updates::editor::ConflictPage>();
    tried.staff::<updates::history::HistoryPage>();
    tried.staff::<updates::history::VersionPage>();
    tried.staff::<updates::preflight::PreflightPage>();
    tried.staff::<updates::test_recipients::ColleaguesPage>();

    // staff: mailings
    tried.staff::<mailings::MailingsPage>();

    // staff: subscribers

    // staff: publication, images
    tried.staff::<publication::PublicationPage>();
    tried.staff::<publication::ChangesPage>();
    tried.staff::<publication::signature::SignaturePage>();
    tried.staff::<publication::theme::LookPage>();
    tried.staff::<images::ImagesPage>();
    tried.staff::<images::ImagePage>();

    // staff: account, login, members

    // staff: start, log, restore, errors
}

/// Templates whose pages have no context of their own yet. The list only becomes shorter.
const NOT_TYPED: &[&str] = &[
    "signup.html",
    "captcha.html",
    "press_again.html",
    "check_mailbox.html",
    "confirm.html",
    "confirmed.html",
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
    "embed.html",
    "box_form.html",
    "box_script.html",
    "problem.html",
    "staff/login.html",
    "staff/code.html",
    "staff/welcome.html",
    "staff/start.html",
    "staff/signups.html",
    "staff/account.html",
    "staff/second_factor.html",
    "staff/reauth.html",
    "staff/recovery_codes.html",
    "staff/people.html",
    "staff/person.html",
    "staff/link.html",
    "staff/subscribers.html",
    "staff/subscriber.html",
    "staff/subscriber_erase.html",
    "staff/imports.html",
    "staff/import.html",
    "staff/import_columns.html",
    "staff/audit.html",
    "staff/problem.html",
    "staff/send.html",
    "staff/planned_text.html",
    "staff/mailing.html",
    "staff/refusals.html",
    "staff/retry.html",
    "staff/restore.html",
];

#[test]
fn every_page_is_made_of_its_samples_in_every_language() {
    let mut tried = Tried::new();
    every_page(&mut tried);
    // What others extend or include is no page, and what is used by name neither.
    let is_part = |name: &str| {
        let named =
            [format!("extends \"{name}\""), format!("include \"{name}\""), format!("import \"{name}\"")];
        let others = TEMPLATES.iter().filter(|(other, _)| *other != name);
        others.into_iter().any(|(_, file)| named.iter().any(|named| file.read().contains(named)))
    };
    let missing: Vec<&str> = TEMPLATES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !tried.templates.contains(name) && !is_part(name) && *name != "staff/parts.html")
        .collect();
    assert_eq!(missing, NOT_TYPED, "each has a PageContext, which `every_page` names");
}

struct Tried {
    renderer: Renderer,
    publications: [Publication; 2],
    templates: BTreeSet<&'static str>,
}

impl Tried {
    fn new() -> Self {
        let whole = Content::parse(include_str!("../../../publication.example.toml")).unwrap();
        let of = |content| Publication { version: 1, applied_at: Utc::now(), content };
        Self {
            renderer: Renderer::load().unwrap(),
            publications: [of(whole), of(Content::default())],
            templates: BTreeSet::new(),
        }
    }

    fn public<P: PageContext>(&mut self) {
        self.each(|renderer, frame, page: &P| renderer.render(frame, page));
    }

    fn staff<P: PageContext>(&mut self) {
        let member = |is_admin| ShellMember {
            name: "Ada Muster".into(),
            email: "ada@example.org".into(),
            is_admin,
            has_second_factor: is_admin,
        };
        let shells = [
            Shell::default(),
            Shell { member: Some(member(false)), ..Shell::default() },
            Shell {
                section: "mailings".into(),
                member: Some(member(true)),
                done: "saved".into(),
                notice: "Gespeichert.".into(),
                hold: Some(ShellHold { found: "Eine andere Datenbank.".into() }),
                told: vec![ShellNotice { id: 7, text: "Jemand hat einen Link gemacht.".into() }],
            },
        ];
        for shell in &shells {
            self.each(|renderer, frame, page: &P| renderer.render_in_shell(frame, shell, page));
        }
    }

    fn each<P: PageContext, E: std::fmt::Display>(
        &mut self,
        make: impl Fn(&Renderer, &Frame, &P) -> Result<String, E>,
    ) {
        for (locale, publication) in
            Locale::ALL.into_iter().flat_map(|locale| self.publications.iter().map(move |one| (locale, one)))
        {
            let samples = P::samples(&Sample { publication, locale, renderer: &self.renderer });
            assert!(!samples.is_empty(), "{} has samples", P::TEMPLATE);
            for (at, page) in samples.iter().enumerate() {
                let view = PublicationView::new(&publication.content, locale);
                let frame =
                    Frame { locale, other_language_url: Some("?lang=en".into()), publication: Some(view) };
                let made = make(&self.renderer, &frame, page);
                made.unwrap_or_else(|error| panic!("{}, sample {at}, {locale}: {error}", P::TEMPLATE));
            }
        }
        self.templates.insert(P::TEMPLATE);
    }
}
