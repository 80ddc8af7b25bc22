//! What every staff page has: language, publication, who is logged in, navigation, and what went wrong in a form.

use axum::{
    extract::{FromRequestParts, Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Serialize;

use crate::{
    app::page_frame::{self, Around},
    domain::{
        locale::Locale,
        publication::{Publication, TimeZone},
        restore::Hold,
        staff::{Role, notice::Unread, session::Session},
    },
    web::{
        AppState,
        http::{cookies, headers::CSP_FOR_STAFF, problem::problem_json},
        page_context::PageContext,
        public::visitor,
        renderer::{Frame, LanguageLink, PublicationView, Shell, ShellHold, ShellMember, ShellNotice},
        staff::{client_name, formats, staff_problem::StaffProblem},
    },
};

/// A staff page about to be made.
pub struct StaffPage {
    /// The service.
    pub state: AppState,
    /// Its language: `?lang=`, else the one chosen before, else the browser's, else the publication's.
    pub locale: Locale,
    /// The publication; staff may log in before there is one.
    pub publication: Option<Publication>,
    session: Option<Session>,
    /// What its session is told, on each page until it is read.
    notices: Vec<Unread>,
    /// That mailings are held; only for who is logged in.
    hold: Option<Hold>,
    uri: Uri,
    /// The language was chosen just now, and is to be remembered.
    is_language_chosen: bool,
}

impl FromRequestParts<AppState> for StaffPage {
    type Rejection = StaffProblem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let session = parts.extensions.get::<Session>().filter(|session| !session.is_awaiting_code).cloned();
        // Not on the answer to a POST: it may show what is shown only once, and reading a notice leaves it.
        let is_page = parts.method == Method::GET;
        let around = page_frame::around(&state.app.pool, session.as_ref(), is_page).await?;
        Ok(Self::of(state, &parts.uri, &parts.headers, session, around))
    }
}

impl StaffPage {
    /// A page that tells of a problem; without asking the database when that may be the problem.
    pub async fn for_problem(
        state: &AppState,
        asked: &Parts,
        session: Option<Session>,
        may_ask: bool,
    ) -> Self {
        let publication = if may_ask { visitor::publication(state).await.unwrap_or_default() } else { None };
        let around = Around { publication, ..Around::default() };
        Self::of(state, &asked.uri, &asked.headers, session, around)
    }

    fn of(
        state: &AppState,
        uri: &Uri,
        headers: &HeaderMap,
        session: Option<Session>,
        Around { publication, notices, hold }: Around,
    ) -> Self {
        let chosen = query(uri, "lang").and_then(|tag| Locale::from_tag(&tag));
        let locale = chosen
            .or_else(|| cookies::language(headers))
            .or_else(|| visitor::asked_for(None, headers))
            .or_else(|| publication.as_ref().map(|publication| publication.content.locale))
            .unwrap_or_default();
        Self {
            state: state.clone(),
            locale,
            publication,
            session,
            notices,
            hold,
            uri: uri.clone(),
            is_language_chosen: chosen.is_some(),
        }
    }

    /// The answer to a GET: with links to the other languages.
    pub fn show<P: PageContext>(&self, own: &P) -> Result<Response, StaffProblem> {
        let (frame, shell) = (self.frame(self.other_languages()), self.shell());
        Ok(self.respond(StatusCode::OK, self.state.renderer.render_in_shell(&frame, &shell, own)?))
    }

    /// The answer to a POST, which has no address to switch languages at.
    pub fn answer<P: PageContext>(&self, status: StatusCode, own: &P) -> Result<Response, StaffProblem> {
        let (frame, shell) = (self.frame(Vec::new()), self.shell());
        Ok(self.respond(status, self.state.renderer.render_in_shell(&frame, &shell, own)?))
    }

    /// What a script is told that sent what is not taken.
    pub fn refused_json(&self, status: StatusCode, title: &str, detail: &str) -> Response {
        let mut answer = problem_json(status, title, detail, None);
        answer.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.locale.tag()));
        answer
    }

    fn frame(&self, other_languages: Vec<LanguageLink>) -> Frame {
        let publication = self.publication.as_ref();
        let publication =
            publication.map(|one| PublicationView::new(&one.content, self.locale, &self.state.renderer));
        Frame { locale: self.locale, other_languages, publication }
    }

    fn respond(&self, status: StatusCode, html: String) -> Response {
        let mut response =
            (status, [(header::CONTENT_LANGUAGE, self.locale.tag())], Html(html)).into_response();
        // Where passwords are typed there is no script at all.
        if self.session.is_some() {
            let policy = HeaderValue::from_static(CSP_FOR_STAFF);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if self.is_language_chosen {
            cookies::set_language(&self.state, response.headers_mut(), self.locale);
        }
        response
    }

    /// What the frame around the page shows.
    fn shell(&self) -> Shell {
        let path = self.uri.path();
        let section = path.strip_prefix("/staff").unwrap_or_default().split('/').nth(1).unwrap_or_default();
        let member = self.session.as_ref().map(|session| ShellMember {
            name: session.name.clone(),
            email: session.email.clone(),
            is_admin: session.role == Role::Admin,
            has_second_factor: session.has_second_factor,
        });
        // Only texts that there are: what stands in the address is anybody's.
        let done = query(&self.uri, "done").unwrap_or_default();
        let notice = self.text_if_any("done", &done).unwrap_or_default().to_owned();
        let hold = self.hold.map(|hold| {
            let last_seen = hold.last_seen.map(|at| self.short_time(at)).unwrap_or_default();
            ShellHold { found: self.text("hold", hold.reason.name()).replace("{at}", &last_seen) }
        });
        let told = self.notices.iter().map(|notice| self.told(notice)).collect();
        Shell { section: section.to_owned(), member, done, notice, hold, told }
    }

    /// A notice in words: what was done, where and by whom.
    fn told(&self, notice: &Unread) -> ShellNotice {
        let who = match (&notice.client, &notice.by_name) {
            (Some(client), _) if client.is_empty() => self.text("notice", "unknown_device").to_owned(),
            (Some(client), _) => self.text("notice", "device").replace("{client}", &self.client(client)),
            (None, Some(name)) => self.text("notice", "colleague").replace("{name}", name),
            (None, None) => self.text("notice", "command").to_owned(),
        };
        let what = self.text_if_any("notice.what", &notice.what).unwrap_or(&notice.what);
        let text = self.text("notice", "line").replace("{who}", &who).replace("{what}", what);
        ShellNotice { id: notice.id, text: text.replace("{at}", &self.short_time(notice.at)) }
    }

    /// The same page in the other languages.
    fn other_languages(&self) -> Vec<LanguageLink> {
        LanguageLink::to_others(self.locale, |other| {
            let mut kept = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
            {
                if name != "lang" && name != "done" {
                    kept.append_pair(&name, &value);
                }
            }
            format!("?{}", kept.append_pair("lang", other.tag()).finish())
        })
    }

    /// A text of the staff pages that there is, by its table and key.
    pub fn text(&self, table: &str, key: &str) -> &str {
        self.state.renderer.text(self.locale, &format!("staff.{table}"), key)
    }

    /// A text of the staff pages whose key comes from elsewhere, such as from an address.
    pub fn text_if_any(&self, table: &str, key: &str) -> Option<&str> {
        self.state.renderer.text_if_any(self.locale, &format!("staff.{table}"), key)
    }

    /// What a language is called in the one of the page.
    pub fn language(&self, of: Locale) -> &str {
        self.state.renderer.language(self.locale, of)
    }

    /// A text with the form that goes with a number, which stands in it for `{count}`.
    pub fn plural(&self, table: &str, key: &str, count: i64) -> String {
        self.state.renderer.plural(self.locale, &format!("staff.{table}"), key, count)
    }

    /// Whether an admin asks.
    pub fn is_admin(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.role == Role::Admin)
    }

    /// A value of the address, such as that of `next`.
    pub fn query(&self, name: &str) -> Option<String> {
        query(&self.uri, name)
    }

    /// A moment as tables show it, in the publication's time zone: `25.11.2026, 14:05` or `25 Nov 2026, 14:05`.
    pub fn short_time(&self, at: DateTime<Utc>) -> String {
        let at = at.with_timezone(&self.time_zone().0);
        format!("{}, {}", self.day(at.date_naive()), at.format("%H:%M"))
    }

    /// A moment of before, as people say it: `heute um 9:12`, `gestern um 17:40`, `am 25.11.2026 um 14:05`.
    pub fn spoken_time(&self, at: DateTime<Utc>) -> String {
        let zone = self.time_zone().0;
        let (at, today) = (at.with_timezone(&zone), Utc::now().with_timezone(&zone).date_naive());
        let key = match (today - at.date_naive()).num_days() {
            0 => "today",
            1 => "yesterday",
            _ => "day",
        };
        let text = self.text("spoken", key).replace("{time}", &at.format("%-H:%M").to_string());
        text.replace("{day}", &self.day(at.date_naive()))
    }

    /// A browser and its system in words: `Firefox auf Windows`.
    pub fn client(&self, name: &str) -> String {
        match client_name::parts(name) {
            Some((browser, system)) => {
                self.text("account", "client").replace("{browser}", browser).replace("{system}", system)
            }
            None => name.to_owned(),
        }
    }

    /// A day: `25.11.2026` or `25 Nov 2026`.
    pub fn day(&self, day: NaiveDate) -> String {
        let language = self.locale.language();
        language.time(language.short_date, day.and_time(NaiveTime::MIN))
    }

    /// A moment to come, with its weekday: `Mo, 30.11., 8:00`.
    pub fn planned_time(&self, at: DateTime<Utc>) -> String {
        formats::planned_time(self.locale, self.time_zone(), at, Utc::now())
    }

    /// A moment in a sentence, with its time zone: `16. Dezember 2026, 09:00 Uhr (Europe/Berlin)`.
    pub fn long_time(&self, at: DateTime<Utc>) -> String {
        let Some(publication) = &self.publication else { return self.short_time(at) };
        format!("{} ({})", publication.content.written_time(at, self.locale), self.time_zone().0.name())
    }

    /// A number with a mark between its thousands.
    pub fn number(&self, number: i64) -> String {
        self.locale.number(number)
    }

    /// The publication's time zone.
    pub fn time_zone(&self) -> TimeZone {
        self.publication.as_ref().map(|publication| publication.content.time_zone).unwrap_or_default()
    }

    /// What the service is called towards staff: the newsletter's name.
    pub fn issuer(&self) -> &str {
        self.publication.as_ref().map_or("Rundbrief", |publication| &publication.content.name)
    }
}

/// An id in the path.
pub type Id<T> = Result<Path<T>, PathRejection>;

/// The id in the path. A malformed one is answered as an unknown one is.
///
/// # Errors
/// [`StaffProblem::NOT_FOUND`].
pub fn id_in<T>(id: Id<T>) -> Result<T, StaffProblem> {
    id.map(|Path(id)| id).map_err(|_| StaffProblem::NOT_FOUND)
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Leads on after a POST, with a notice of what was done: a key of `staff.done`.
pub fn done(path: &str, notice: &str) -> Response {
    Redirect::to(&format!("{path}?done={notice}")).into_response()
}

/// What can be chosen in a list of a form.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>, selected: bool) -> Self {
        Self { value: value.into(), label: label.into(), selected }
    }
}

/// What is to be mended in a form, by field, in the order of the fields.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<(&'static str, String)>);

impl Mistakes {
    /// Notes a mistake; the first one of a field counts.
    pub fn add(&mut self, field: &'static str, text: impl Into<String>) {
        if self.0.iter().all(|(known, _)| *known != field) {
            self.0.push((field, text.into()));
        }
    }

    /// One mistake.
    pub fn one(field: &'static str, text: impl Into<String>) -> Self {
        Self(vec![(field, text.into())])
    }

    /// The field that gets the focus.
    pub fn first(&self) -> Option<&'static str> {
        self.0.first().map(|(field, _)| *field)
    }

    /// What is to be mended in this field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == field).map(|(_, text)| text.as_str())
    }

    /// What is to be mended, field by field.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, text)| (*field, text.as_str()))
    }

    /// Whether there is nothing to mend.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As templates want it: `errors.FIELD`, and `errors.first` names the field that gets the focus.
impl Serialize for Mistakes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.0.first().map(|(field, _)| ("first", (*field).to_owned()));
        serializer.collect_map(self.0.iter().cloned().chain(first))
    }
}
