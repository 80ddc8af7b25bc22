//! Error pages of the public pages: in the visitor's language, with the id of the request and a way on.

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;

use crate::web::{
    AppState,
    http::{
        headers::PicturesFrom,
        problem::{Problem, problem_json, wants_json},
        request_log::RequestId,
        route::{Matched, is_of_staff},
    },
    page_context::{PageContext, Sample},
    public::visitor,
    renderer::{Frame, PublicationView},
};

/// Puts a page, or problem+json for programs, in the place of every bare error.
pub async fn render(
    State(state): State<AppState>,
    Extension(Matched { route, holds_token }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().clone();
    let id = request.extensions().get::<RequestId>().cloned();
    let reference = id.as_ref().map_or("", RequestId::as_str);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    let Some(problem) = Problem::of_response(&response) else { return response };
    if let Some(told) = problem.for_its_author() {
        return told;
    }
    let status = problem.status();
    let locale = visitor::asked_for(uri.query(), &asked);
    // While the database is away, asking it for the publication would only take longer; and who asks too often gets no
    // more work done.
    let publication = match problem {
        Problem::Unavailable | Problem::Busy | Problem::TooMany | Problem::Internal | Problem::Timeout => {
            None
        }
        _ => visitor::publication(&state).await.unwrap_or_default(),
    };
    let locale = locale.unwrap_or_else(|| publication.as_ref().map(|p| p.content.locale).unwrap_or_default());
    let text = |key: &str| state.renderer.text(locale, &format!("problem.{}", problem.key()), key).to_owned();
    let way_on = match problem {
        // The page with the button is the way to try again, also after a POST.
        Problem::Unavailable | Problem::Busy | Problem::TooMany | Problem::Timeout
            if method == Method::GET || holds_token =>
        {
            of_ours(uri.path()).to_owned()
        }
        // By our own name: under any other the form there would be another site's again.
        Problem::OtherSite => state.public_url.join(&format!("/?lang={locale}")),
        _ if is_of_staff(uri.path()) => "/staff".to_owned(),
        _ => format!("/?lang={locale}"),
    };
    // Who wants to leave is not sent to the signup form.
    let way_on = (problem != Problem::UnsubscribeUnknown).then_some(way_on);
    let contact = publication.as_ref().map(|publication| publication.content.sender.written_contact());
    let message = text("message")
        .replace("{address}", contact.as_deref().unwrap_or_default())
        .replace("{types}", problem.taken());
    let page = ProblemPage {
        title: text("title"),
        message,
        reference: reference.to_owned(),
        way_on_url: way_on,
        way_on_label: text("way_on"),
    };
    let mut answer = if route.is_for_programs || wants_json(&asked) {
        problem_json(status, &page.title, &page.message, Some(reference))
    } else {
        let content = publication.as_ref().map(|publication| &publication.content);
        let shown = content.map(|content| PublicationView::new(content, locale, &state.renderer));
        let frame = Frame { locale, other_languages: Vec::new(), publication: shown };
        match state.renderer.render(&frame, &page) {
            Ok(html) => {
                let pictures = content.map(PicturesFrom::publication).map(Extension);
                (status, [(header::CONTENT_LANGUAGE, locale.tag())], pictures, Html(html)).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "the error page cannot be made");
                (status, format!("{}\n\n{}\n\n{reference}\n", page.title, page.message)).into_response()
            }
        }
    };
    if let Problem::MediaType(taken) = problem {
        answer.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(taken));
    }
    // What goes with the status and the site that asks, and not with the body.
    for name in [header::ALLOW, header::RETRY_AFTER, header::ACCESS_CONTROL_ALLOW_ORIGIN, header::VARY] {
        if let Some(value) = response.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// A path as a link. `//elsewhere.example/x` is a path in a request, and another site's page in a link (RFC 3986 §4.2);
/// browsers read a backslash as a slash.
fn of_ours(path: &str) -> &str {
    let is_ours = path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    if is_ours { path } else { "/" }
}

/// What went wrong, and a way on.
#[derive(Serialize)]
pub struct ProblemPage {
    title: String,
    message: String,
    /// The id of the request, to quote in a question.
    reference: String,
    way_on_url: Option<String>,
    way_on_label: String,
}

impl PageContext for ProblemPage {
    const TEMPLATE: &'static str = "problem.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let page = |key: &str, reference: &str, way_on_url: Option<&str>| {
            let text = |of_problem| of.text(&format!("problem.{key}"), of_problem);
            Self {
                title: text("title"),
                message: text("message"),
                reference: reference.to_owned(),
                way_on_url: way_on_url.map(str::to_owned),
                way_on_label: text("way_on"),
            }
        };
        vec![page("link_expired", "7h2kq9x4m0vtc3dw", Some("/")), page("unsubscribe_unknown", "", None)]
    }
}

#[cfg(test)]
mod tests {
    use super::of_ours;

    #[test]
    fn no_path_of_a_request_becomes_a_link_to_another_site() {
        for path in ["/", "/check-mailbox", "/a//evil.example"] {
            assert_eq!(of_ours(path), path);
        }
        for path in ["//evil.example/x", "/\\evil.example", "///evil.example", "*", "", "evil.example:443"] {
            assert_eq!(of_ours(path), "/", "{path}");
        }
    }
}
