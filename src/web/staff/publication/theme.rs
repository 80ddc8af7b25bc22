//! How the publication makes every mail and every page look: as it is, and as it would be with what somebody has typed and
//! not saved.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Serialize;

use crate::{
    app::change_publication,
    domain::{ids::StaffId, locale::Locale, publication::Publication},
    mail::{contexts::SAMPLE_IMAGE_URL, templates::MailKind},
    web::{
        AppState,
        http::{mail_frame, problem::Problem},
        page_context::{PageContext, Sample},
        public::{samples, visitor::Visitor},
        staff::{
            logged_in::Admin,
            staff_page::StaffPage,
            staff_problem::StaffProblem,
            updates::preview::{self, View},
        },
    },
};

/// Which publication.
const DRAFT: &str = "draft";
const CURRENT: &str = "current";

/// What may be done in the frame of a page: look at it, and switch its language. All its other links lead nowhere: the
/// pages behind them refuse to stand in a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";

/// What is looked at, and how: what the address says.
#[derive(Clone)]
struct Choice {
    /// [`CURRENT`] or [`DRAFT`].
    which: String,
    /// `mails/FOLDER` or `pages/NAME`.
    show: String,
    language: String,
    width: String,
    look: String,
}

impl Choice {
    fn of(page: &StaffPage) -> Self {
        let query = |name: &str, first: &str, other: &str| {
            let said = page.query(name).filter(|said| said == other);
            said.unwrap_or_else(|| first.to_owned())
        };
        let which = query("of", CURRENT, DRAFT);
        let show = page.query("show").filter(|show| all(&which).any(|known| known == *show));
        let language = page.query("language");
        Self {
            which,
            show: show.unwrap_or_else(|| format!("mails/{}", MailKind::Update.folder())),
            language: locale_or_own(page, language).tag().to_owned(),
            width: query("width", "desk", "phone"),
            look: query("look", "light", "dark"),
        }
    }

    fn href(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
        let Self { which, show, language, width, look } = self;
        let pairs = [("of", which), ("show", show), ("language", language), ("width", width), ("look", look)];
        query.extend_pairs(pairs).finish()
    }

    /// One way to look at it: with one thing changed.
    fn way(&self, label: &str, change: impl FnOnce(&mut Self)) -> Way {
        let mut other = self.clone();
        change(&mut other);
        let href = other.href();
        Way { label: label.to_owned(), is_chosen: href == self.href(), href }
    }
}

/// One way to look at it, among others.
#[derive(Serialize)]
struct Way {
    label: String,
    href: String,
    is_chosen: bool,
}

/// Everything there is to look at.
fn all(which: &str) -> impl Iterator<Item = String> {
    let is_draft = which == DRAFT;
    let pages = samples::PAGES.iter().filter(move |page| !(is_draft && is_for_copying(page)));
    let mails = MailKind::ALL.iter().map(|kind| format!("mails/{}", kind.folder()));
    mails.chain(pages.map(|page| format!("pages/{page}")))
}

/// A page to be copied from. Its form names the version of the consent text, and a draft has none.
fn is_for_copying(page: &str) -> bool {
    page == "embed"
}

/// The publication somebody looks at: the one that counts, or what they have typed themselves.
async fn publication(
    page: &StaffPage,
    which: &str,
    who: StaffId,
) -> Result<Option<Publication>, StaffProblem> {
    match which {
        CURRENT => return Ok(page.publication.clone()),
        DRAFT => {}
        _ => return Err(StaffProblem::NOT_FOUND),
    }
    let now = Utc::now();
    let content = change_publication::draft_of(&page.state.app.pool, who, now).await?;
    let version = page.publication.as_ref().map_or(0, |publication| publication.version) + 1;
    Ok(content.map(|content| Publication { version, applied_at: now, content }))
}

/// `GET /staff/publication/look`
pub async fn show(page: StaffPage, Admin(member): Admin) -> Result<Response, StaffProblem> {
    let choice = Choice::of(&page);
    // Drafts live for a day; after that there is what counts.
    if choice.which == DRAFT && publication(&page, DRAFT, member.0.staff_id).await?.is_none() {
        return Ok(Redirect::to("/staff/publication/look").into_response());
    }
    let group = |prefix: &'static str, table: &'static str| {
        let of_group = all(&choice.which).filter(move |show| show.starts_with(prefix));
        let ways = of_group.map(|show| {
            let label = page.text(table, show.trim_start_matches(prefix));
            choice.way(label, |choice| choice.show.clone_from(&show))
        });
        ways.collect::<Vec<_>>()
    };
    let text = |table: &str, key: &str| page.text(table, key).to_owned();
    let mut pairs = vec![
        vec![
            choice.way(&text("editor", "desk"), |choice| choice.width = "desk".into()),
            choice.way(&text("editor", "phone"), |choice| choice.width = "phone".into()),
        ],
        Locale::ALL
            .map(|locale| choice.way(page.language(locale), |choice| choice.language = locale.tag().into()))
            .into(),
    ];
    // A page is as light or dark as the system it is looked at on.
    let is_mail = choice.show.starts_with("mails/");
    if is_mail {
        pairs.push(vec![
            choice.way(&text("editor", "light"), |choice| choice.look = "light".into()),
            choice.way(&text("editor", "dark"), |choice| choice.look = "dark".into()),
        ]);
    }
    let Choice { which, show, language, width, look } = &choice;
    let (mails, pages) = (group("mails/", "mails"), group("pages/", "sample_page"));
    let chosen = mails.iter().chain(&pages).find(|way| way.is_chosen).map(|way| way.label.clone());
    page.show(&ThemePage {
        chosen: chosen.unwrap_or_default(),
        mails,
        pages,
        pairs,
        is_draft: which == DRAFT,
        is_mail,
        width: width.clone(),
        src: format!("/staff/publication/{which}/{show}?lang={language}&look={look}"),
    })
}

/// How mails and pages look.
#[derive(Serialize)]
pub struct ThemePage {
    mails: Vec<Way>,
    pages: Vec<Way>,
    /// The label of the mail or page that is looked at.
    chosen: String,
    /// Ways to look at it, of which one or the other holds.
    pairs: Vec<Vec<Way>>,
    is_draft: bool,
    is_mail: bool,
    /// `desk` or `phone`.
    width: String,
    /// Where the frame's content is.
    src: String,
}

impl PageContext for ThemePage {
    const TEMPLATE: &'static str = "staff/theme.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let way = |label: &str, is_chosen| Way { label: label.into(), href: "?of=current".into(), is_chosen };
        let of = |is_mail, is_draft, width: &str| Self {
            mails: vec![way("Neuigkeit", is_mail), way("Bestätigung", false)],
            pages: vec![way("Anmeldung", !is_mail)],
            chosen: if is_mail { "Neuigkeit".into() } else { "Anmeldung".into() },
            pairs: vec![vec![way("Bildschirm", width == "desk"), way("Telefon", width == "phone")]],
            is_draft,
            is_mail,
            width: width.into(),
            src: "/staff/publication/current/mails/update?lang=de&look=light".into(),
        };
        vec![of(true, false, "desk"), of(false, true, "phone")]
    }
}

/// `GET /staff/publication/{of}/mails/{folder}`
pub async fn mail(
    page: StaffPage,
    Admin(member): Admin,
    Path((which, folder)): Path<(String, String)>,
) -> Result<Response, StaffProblem> {
    let kind = MailKind::from_folder(&folder).ok_or(StaffProblem::NOT_FOUND)?;
    let Some(publication) = publication(&page, &which, member.0.staff_id).await? else {
        return Ok(preview::without_publication(&page));
    };
    let rendered = page.state.app.composer.sample(kind, &publication, locale(&page));
    let rendered = rendered.map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    // There is no picture at the made-up address; the one that stands in for it is ours.
    let html = rendered.html.replace(SAMPLE_IMAGE_URL, &page.state.public_url.join("/assets/sample.svg"));
    Ok(mail_frame::html(View::of(&page).lit(&html)))
}

/// `GET /staff/publication/{of}/pages/{name}`
pub async fn sample_page(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Path((which, name)): Path<(String, String)>,
) -> Result<Response, StaffProblem> {
    let Some(publication) = publication(&page, &which, member.0.staff_id).await? else {
        return Ok(preview::without_publication(&page));
    };
    if which == DRAFT && is_for_copying(&name) {
        return Err(StaffProblem::NOT_FOUND);
    }
    let visitor = Visitor { state, locale: locale(&page), publication };
    let mut answer = samples::page(&visitor, &name).map_err(StaffProblem::Common)?;
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(answer)
}

/// The language of what is looked at.
fn locale(page: &StaffPage) -> Locale {
    locale_or_own(page, page.query("lang"))
}

/// The language with this tag, else the publication's own.
fn locale_or_own(page: &StaffPage, tag: Option<String>) -> Locale {
    let own = page.publication.as_ref().map(|publication| publication.content.locale);
    tag.and_then(|tag| Locale::from_tag(&tag)).or(own).unwrap_or_default()
}
