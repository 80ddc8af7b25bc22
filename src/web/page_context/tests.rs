//! Every page is made of its samples. A template takes no value that its context lacks: Tera refuses undefined variables.

use std::collections::BTreeSet;

use chrono::Utc;

use crate::{
    config::PublicUrl,
    domain::{
        locale::Locale,
        publication::{Content, Publication},
    },
    web::{
        page_context::{PageContext, Sample},
        public,
        renderer::{
            Frame, LanguageLink, PublicationView, Renderer, Shell, ShellHold, ShellMember, ShellNotice,
            TEMPLATES,
        },
        staff,
    },
};

/// Every page.
fn every_page(tried: &mut Tried) {
    // public
    tried.public::<public::subscribe::SignupPage>();
    tried.public::<public::captcha::CaptchaPage>();
    tried.public::<public::captcha::PressAgainPage>();
    tried.public::<public::check_mailbox::CheckMailboxPage>();
    tried.public::<public::confirm::ConfirmPage>();
    tried.public::<public::confirm::ConfirmChangePage>();
    tried.public::<public::confirm::ConfirmedPage>();
    tried.public::<public::confirm::DeclinedPage>();
    tried.public::<public::confirm::SubscribedPage>();
    tried.public::<public::unsubscribe::UnsubscribePage>();
    tried.public::<public::unsubscribe::UnsubscribedPage>();
    tried.public::<public::unsubscribe::LeftPage>();
    tried.public::<public::unsubscribe::ResubscribedPage>();
    tried.public::<public::manage::ManagePage>();
    tried.public::<public::manage::AccessSentPage>();
    tried.public::<public::privacy_page::AccessExpiredPage>();
    tried.public::<public::privacy_page::data::DataPage>();
    tried.public::<public::privacy_page::AddressAskedPage>();
    tried.public::<public::privacy_page::ErasePage>();
    tried.public::<public::visitor::NothingStoredPage>();
    tried.public::<public::review::ReviewPage>();
    tried.public::<public::embed::EmbedPage>();
    tried.public::<public::embed::FormPiece>();
    tried.public::<public::embed::ScriptPiece>();
    tried.public::<public::error_pages::ProblemPage>();

    // staff: updates
    tried.staff::<staff::updates::UpdatesPage>();
    tried.staff::<staff::updates::editor::EditorPage>();
    tried.staff::<staff::updates::editor::ConflictPage>();
    tried.staff::<staff::updates::history::HistoryPage>();
    tried.staff::<staff::updates::history::VersionPage>();
    tried.staff::<staff::updates::templates::TemplatesPage>();
    tried.staff::<staff::updates::templates::TemplatePage>();
    tried.staff::<staff::updates::templates::NewTemplatePage>();
    tried.staff::<staff::updates::review::ReviewsPage>();
    tried.staff::<staff::updates::preflight::PreflightPage>();
    tried.staff::<staff::updates::test_recipients::TestRecipientsPage>();

    // staff: mailings
    tried.staff::<staff::mailings::MailingsPage>();
    tried.staff::<staff::mailings::detail::MailingPage>();
    tried.staff::<staff::mailings::refusals::RefusalsPage>();
    tried.staff::<staff::mailings::retry::RetryPage>();
    tried.staff::<staff::sending::SendPage>();
    tried.staff::<staff::sending::planned_text::PlannedTextPage>();

    // staff: subscribers
    tried.staff::<staff::subscribers::SubscribersPage>();
    tried.staff::<staff::subscribers::SubscriberListPage>();
    tried.staff::<staff::subscribers::detail::SubscriberPage>();
    tried.staff::<staff::subscribers::detail::ErasePage>();
    tried.staff::<staff::subscribers::signups::SignupsPage>();
    tried.staff::<staff::bounces::BouncesPage>();
    tried.staff::<staff::bounces::BouncePage>();
    tried.staff::<staff::phone::PhonePage>();
    tried.staff::<staff::phone::question::AskPage>();
    tried.staff::<staff::subscribers::import::view::ImportsPage>();
    tried.staff::<staff::subscribers::import::view::ImportPage>();
    tried.staff::<staff::subscribers::import::columns::ColumnsPage>();

    // staff: publication, images
    tried.staff::<staff::publication::PublicationPage>();
    tried.staff::<staff::publication::ChangesPage>();
    tried.staff::<staff::publication::signature::SignaturePage>();
    tried.staff::<staff::publication::theme::ThemePage>();
    tried.staff::<staff::files::FilesPage>();
    tried.staff::<staff::images::ImagesPage>();
    tried.staff::<staff::images::ImagePage>();

    // staff: account, login, members
    tried.staff::<staff::account::AccountPage>();
    tried.staff::<staff::account::second_factor::SecondFactorPage>();
    tried.staff::<staff::account::second_factor::RecoveryCodesPage>();
    tried.stranger::<staff::login::LoginPage>();
    tried.stranger::<staff::login::code::CodePage>();
    tried.stranger::<staff::login::forgotten::ForgottenPage>();
    tried.stranger::<staff::login::one_time_link::WelcomePage>();
    tried.staff::<staff::login::reauth::ReauthPage>();
    tried.staff::<staff::members::PeoplePage>();
    tried.staff::<staff::members::PersonPage>();
    tried.staff::<staff::members::LinkPage>();

    // staff: start, log, restore, errors
    tried.staff::<staff::start::StartPage>();
    tried.staff::<staff::glossary::GlossaryPage>();
    tried.staff::<staff::log::LogPage>();
    tried.staff::<staff::restore::RestorePage>();
    tried.stranger::<staff::error_pages::ProblemPage>();
}

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
    assert_eq!(missing, [""; 0], "each has a PageContext, which `every_page` names");
}

/// Pages of staff that say nothing of what they are for: those before somebody is logged in, which say what to do, and those
/// of errors.
const WITHOUT_HELP: [&str; 5] = [
    "staff/login.html",
    "staff/forgotten.html",
    "staff/code.html",
    "staff/welcome.html",
    "staff/problem.html",
];

#[test]
fn every_page_of_staff_says_what_it_is_for_and_what_to_do_next() {
    let own = |(_, file): &&(&str, crate::source::SourceFile)| {
        file.read().contains("extends \"staff/layout.html\"")
    };
    let without: Vec<&str> = TEMPLATES
        .iter()
        .filter(own)
        .filter(|(_, file)| !file.read().contains("{% block help %}"))
        .map(|(name, _)| *name)
        .filter(|name| !WITHOUT_HELP.contains(name))
        .collect();
    assert_eq!(without, [""; 0], "give each a `help` block");
}

struct Tried {
    renderer: Renderer,
    public_url: PublicUrl,
    publications: [Publication; 2],
    templates: BTreeSet<&'static str>,
}

impl Tried {
    fn new() -> Self {
        let whole = Content::parse(include_str!("../../../publication.example.toml")).unwrap();
        let of = |content| Publication { version: 1, applied_at: Utc::now(), content };
        Self {
            renderer: Renderer::load().unwrap(),
            public_url: PublicUrl::parse("https://news.example.org").unwrap(),
            publications: [of(whole), of(Content::default())],
            templates: BTreeSet::new(),
        }
    }

    fn public<P: PageContext>(&mut self) {
        self.each(|renderer, frame, page: &P| renderer.render(frame, page));
    }

    /// A page that also who is not logged in may see.
    fn stranger<P: PageContext>(&mut self) {
        self.in_shell::<P>(&Shell::default());
        self.staff::<P>();
    }

    fn staff<P: PageContext>(&mut self) {
        let member = |is_admin| ShellMember {
            name: "Ada Muster".into(),
            email: "ada@example.org".into(),
            is_admin,
            has_second_factor: is_admin,
        };
        let shells = [
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
            self.in_shell::<P>(shell);
        }
    }

    fn in_shell<P: PageContext>(&mut self, shell: &Shell) {
        self.each(|renderer, frame, page: &P| renderer.render_in_shell(frame, shell, page));
    }

    fn each<P: PageContext, E: std::fmt::Display>(
        &mut self,
        make: impl Fn(&Renderer, &Frame, &P) -> Result<String, E>,
    ) {
        for (locale, publication) in
            Locale::ALL.into_iter().flat_map(|locale| self.publications.iter().map(move |one| (locale, one)))
        {
            let (renderer, public_url) = (&self.renderer, &self.public_url);
            let samples = P::samples(&Sample { publication, locale, renderer, public_url });
            assert!(!samples.is_empty(), "{} has samples", P::TEMPLATE);
            for (at, page) in samples.iter().enumerate() {
                let view = PublicationView::new(&publication.content, locale, &self.renderer);
                let other_languages = LanguageLink::to_others(locale, |other| format!("?lang={other}"));
                let frame = Frame { locale, other_languages, publication: Some(view) };
                let made = make(&self.renderer, &frame, page);
                made.unwrap_or_else(|error| panic!("{}, sample {at}, {locale}: {error}", P::TEMPLATE));
            }
        }
        self.templates.insert(P::TEMPLATE);
    }
}
