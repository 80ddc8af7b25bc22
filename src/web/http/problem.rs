//! What can go wrong with a request, with its status and its texts.
//!
//! A handler answers with a [`Problem`]; the middlewares of `public::error_pages` and `staff::error_pages` turn it, and every
//! bare error of the framework, into a page, or into `application/problem+json` (RFC 9457) for programs.

use std::any::Any;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    app::off_runtime::Busy,
    db::statement::{self, Meaning, StatementError},
    web::{http::URLENCODED, renderer::PageError},
};

/// What can go wrong, as a visitor meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A token that is not as it stood in any mail of ours.
    LinkUnknown,
    /// A confirm token of which nothing is stored: altered, or of a signup that is forgotten.
    ConfirmUnknown,
    /// The same in an unsubscribe link. Whoever meets it wants to leave and must get there.
    UnsubscribeUnknown,
    /// A confirm link whose time is over.
    LinkExpired,
    /// A confirm link whose signup was ended with "that was not me".
    LinkEnded,
    /// A link to look at an update whose time is over, or that staff ended.
    ReviewEnded,
    /// A confirm link whose subscription began and has ended.
    LinkLeft,
    /// A confirm link whose subscription goes to another address by now.
    LinkMoved,
    /// A confirm link whose signup, or change of address, staff called off on request.
    LinkDiscarded,
    /// A change of address whose time is over.
    ChangeExpired,
    /// A change of address that was refused with "that was not me".
    ChangeDeclined,
    /// A change of address that a newer one took the place of.
    ChangeSuperseded,
    /// A change of address that was called off on the settings page.
    ChangeCancelled,
    /// A change of address whose subscription has ended.
    ChangeLapsed,
    /// A change of address that has ended; nobody knows how.
    ChangeEnded,
    /// Another address is asked for, and there is no active subscription.
    AddressNotActive,
    /// An access link that came to an address of before.
    AccessMoved,
    /// An unsubscribe that cannot be taken back, because the subscription has ended otherwise.
    UndoOver,
    /// An answer to the question why somebody left, with a form that is too old or not ours.
    QuestionOver,
    /// No such page.
    NotFound,
    /// A page asked for in a way it does not take.
    MethodNotAllowed,
    /// A form from a site that the publication does not name.
    OtherSite,
    /// More bytes than the form takes.
    TooLarge,
    /// A form that cannot be read.
    BadRequest,
    /// A form that is sent as something else than these media types.
    MediaType(&'static str),
    /// The database is away, or the publication is not set up.
    Unavailable,
    /// Too many requests at once.
    Busy,
    /// Too many requests from one client.
    TooMany,
    /// It took too long.
    Timeout,
    /// Our mistake; the log says more under the id of the request.
    Internal,
    /// A template or text that cannot be used, with what is wrong in it. In debug builds alone: they read the source folder.
    BrokenPage(String),
}

impl Problem {
    /// A mistake of ours: logged here, once, in the span of the request, whose id the page shows.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Problem::Internal
    }

    /// The status of its answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Problem::LinkUnknown
            | Problem::ConfirmUnknown
            | Problem::UnsubscribeUnknown
            | Problem::AccessMoved
            | Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::LinkExpired
            | Problem::LinkEnded
            | Problem::ReviewEnded
            | Problem::LinkLeft
            | Problem::LinkMoved
            | Problem::LinkDiscarded
            | Problem::ChangeExpired
            | Problem::ChangeDeclined
            | Problem::ChangeSuperseded
            | Problem::ChangeCancelled
            | Problem::ChangeLapsed
            | Problem::ChangeEnded
            | Problem::AddressNotActive
            | Problem::UndoOver
            | Problem::QuestionOver => StatusCode::GONE,
            Problem::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Problem::OtherSite => StatusCode::FORBIDDEN,
            Problem::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::BadRequest => StatusCode::BAD_REQUEST,
            Problem::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Problem::Unavailable | Problem::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Problem::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Problem::Timeout => StatusCode::REQUEST_TIMEOUT,
            Problem::Internal | Problem::BrokenPage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The table of its texts, under `problem`.
    pub fn key(&self) -> &'static str {
        match self {
            Problem::LinkUnknown => "link_unknown",
            Problem::ConfirmUnknown => "confirm_unknown",
            Problem::UnsubscribeUnknown => "unsubscribe_unknown",
            Problem::LinkExpired => "link_expired",
            Problem::LinkEnded => "link_ended",
            Problem::ReviewEnded => "review_ended",
            Problem::LinkLeft => "link_left",
            Problem::LinkMoved => "link_moved",
            Problem::LinkDiscarded => "link_discarded",
            Problem::ChangeExpired => "change_expired",
            Problem::ChangeDeclined => "change_declined",
            Problem::ChangeSuperseded => "change_superseded",
            Problem::ChangeCancelled => "change_cancelled",
            Problem::ChangeLapsed => "change_lapsed",
            Problem::ChangeEnded => "change_ended",
            Problem::AddressNotActive => "address_not_active",
            Problem::AccessMoved => "access_moved",
            Problem::UndoOver => "undo_over",
            Problem::QuestionOver => "question_over",
            Problem::NotFound => "not_found",
            Problem::MethodNotAllowed => "method_not_allowed",
            Problem::OtherSite => "other_site",
            Problem::TooLarge => "too_large",
            Problem::BadRequest => "bad_request",
            Problem::MediaType(_) => "media_type",
            Problem::Unavailable => "unavailable",
            Problem::Busy => "busy",
            Problem::TooMany => "too_many",
            Problem::Timeout => "timeout",
            Problem::Internal | Problem::BrokenPage(_) => "internal",
        }
    }

    /// The media types that would have been taken; nothing where that is not the problem.
    pub fn taken(&self) -> &'static str {
        if let Problem::MediaType(taken) = self { taken } else { "" }
    }

    /// For the one who is changing a template: what is wrong in it, instead of a page that may need the same template.
    #[must_use]
    pub fn for_its_author(&self) -> Option<Response> {
        let Problem::BrokenPage(what) = self else { return None };
        let what = what.replace('&', "&amp;").replace('<', "&lt;");
        let page = format!("<!doctype html><title>A broken template</title><pre>{what}</pre>");
        Some((self.status(), Html(page)).into_response())
    }

    /// The problem that an answer stands for, if it is not a finished page.
    pub fn of_response(response: &Response) -> Option<Self> {
        problem_of(response)
    }

    /// What a bare error of the framework means, by its status.
    fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::NOT_FOUND => Some(Problem::NotFound),
            StatusCode::METHOD_NOT_ALLOWED => Some(Problem::MethodNotAllowed),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Problem::TooLarge),
            StatusCode::REQUEST_TIMEOUT => Some(Problem::Timeout),
            // Of a file that somebody downloads, not of a page.
            StatusCode::RANGE_NOT_SATISFIABLE => None,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Problem::MediaType(URLENCODED)),
            status if status.is_client_error() => Some(Problem::BadRequest),
            status if status.is_server_error() => {
                Some(Problem::internal(&"the framework answered with an error"))
            }
            _ => None,
        }
    }
}

impl From<StatementError> for Problem {
    fn from(error: StatementError) -> Self {
        match statement::meaning(&error) {
            Meaning::NotStorable(code) => {
                tracing::info!(code, "a request held what cannot be stored");
                Problem::BadRequest
            }
            Meaning::Away => {
                tracing::error!(%error, "the database cannot be reached");
                Problem::Unavailable
            }
            Meaning::Mistake => Problem::internal(&error),
        }
    }
}

impl From<Busy> for Problem {
    fn from(error: Busy) -> Self {
        match error {
            Busy::TooMuch => Problem::Busy,
            Busy::Panicked(error) => Problem::internal(&error),
        }
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        let problem = Problem::internal(&error);
        if cfg!(debug_assertions) { Problem::BrokenPage(error.to_string()) } else { problem }
    }
}

impl Problem {
    /// In how many seconds trying again may help (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<HeaderValue> {
        matches!(self, Problem::Busy | Problem::Unavailable).then(|| HeaderValue::from_static("5"))
    }
}

/// The bare answer; the error pages dress it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// What a panic becomes.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let what = what.or_else(|| panic.downcast_ref::<String>().cloned());
    Problem::internal(&what.unwrap_or_else(|| "a panic".into())).into_response()
}

fn problem_of(response: &Response) -> Option<Problem> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Pages, problem+json and the health answers are finished; bare errors of the framework are empty or plain text.
    let finished = media_type.is_some_and(|value| value.starts_with("text/html") || value.contains("json"));
    let is_health = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    if finished || is_health { None } else { Problem::of_status(response.status()) }
}

/// Whether a program asks rather than a person: it says that it wants JSON, or it does not say what it wants and sends
/// JSON, or a browser says that a script asks (Fetch Metadata). A script could not follow us to a page.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = value(header::ACCEPT);
    !accept.contains("text/html")
        && (accept.contains("application/json")
            || value(header::CONTENT_TYPE).starts_with("application/json")
            || value(HeaderName::from_static("sec-fetch-mode")) == "cors")
}

/// Problem details (RFC 9457 §3.1): what programs get for a page about a problem.
#[derive(Serialize)]
struct ProblemDetails<'a, E> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(flatten)]
    extension: E,
}

/// An answer in the form of RFC 9457.
pub fn problem_json(status: StatusCode, title: &str, detail: &str, instance: Option<&str>) -> Response {
    of_details(status, title, detail, instance, ())
}

/// The same, with what else a program can do something with (extension members, §3.2).
pub fn extended_problem_json(
    status: StatusCode,
    title: &str,
    detail: &str,
    extension: impl Serialize,
) -> Response {
    of_details(status, title, detail, None, extension)
}

fn of_details(
    status: StatusCode,
    title: &str,
    detail: &str,
    instance: Option<&str>,
    extension: impl Serialize,
) -> Response {
    // No type of its own: the title says no more than the status and the page do.
    let kind = "about:blank";
    let details = ProblemDetails { kind, title, status: status.as_u16(), detail, instance, extension };
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(details)).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Problem, problem_of};

    #[test]
    fn whoever_breaks_a_template_reads_what_is_wrong_where_the_page_would_be() {
        let mut tera = tera::Tera::new();
        let broken = tera.add_raw_template("signup.html", "<p>\n{% if %}").unwrap_err();
        let told = Problem::from(crate::web::renderer::PageError::from(broken)).for_its_author();
        assert_eq!(told.is_some(), cfg!(debug_assertions));
        if let Some(answer) = told {
            assert_eq!(answer.status().as_u16(), 500);
            assert!(problem_of(&answer).is_none(), "nothing dresses it once more");
        }
        assert!(Problem::Internal.for_its_author().is_none());
    }
}
