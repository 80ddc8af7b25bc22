//! Who asks: their language, and the publication they see.

use axum::{
    Extension,
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    app::change_publication,
    db::statement::StatementResult,
    domain::{locale::Locale, publication::Publication},
    web::{
        AppState,
        http::{headers::PicturesFrom, problem::Problem},
        page_context::{PageContext, Sample},
        renderer::{Frame, LanguageLink, PublicationView},
    },
};

/// A visitor of a page: language and publication are settled.
pub struct Visitor {
    /// The service.
    pub state: AppState,
    /// The language: `?lang=`, else the browser's, else the publication's.
    pub locale: Locale,
    /// The current publication.
    pub publication: Publication,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let Some(publication) = publication(state).await? else {
            tracing::error!("there is no publication yet; run: rundbrief publication apply FILE.toml");
            return Err(Problem::Unavailable);
        };
        let locale = asked_for(parts.uri.query(), &parts.headers).unwrap_or(publication.content.locale);
        Ok(Self { state: state.clone(), locale, publication })
    }
}

impl Visitor {
    /// Whether there is a complete publication to sign up for. Leaving needs no such thing.
    ///
    /// # Errors
    /// [`Problem::Unavailable`]; the log says what is missing.
    pub fn can_sign_up(&self) -> Result<(), Problem> {
        let missing = self.publication.content.missing();
        if missing.is_empty() {
            return Ok(());
        }
        tracing::error!(
            ?missing,
            "the publication is not complete; run: rundbrief publication apply FILE.toml"
        );
        Err(Problem::Unavailable)
    }

    /// A page that can be asked for again: with links to the other languages.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be made.
    pub fn page<P: PageContext>(&self, own: &P) -> Result<Response, Problem> {
        self.page_with("", own)
    }

    /// The same; `more` is what belongs to the page's address besides the language, such as `&to=…`.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be made.
    pub fn page_with<P: PageContext>(&self, more: &str, own: &P) -> Result<Response, Problem> {
        let html = self.state.renderer.render(&self.frame(Some(more)), own)?;
        Ok(self.respond(StatusCode::OK, html))
    }

    /// The answer to a POST: it has no address to switch languages at.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be made.
    pub fn answer<P: PageContext>(&self, status: StatusCode, own: &P) -> Result<Response, Problem> {
        Ok(self.respond(status, self.state.renderer.render(&self.frame(None), own)?))
    }

    /// The page for those of whom nothing is stored (any more).
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be made.
    pub fn nothing_stored(&self) -> Result<Response, Problem> {
        self.answer(StatusCode::GONE, &NothingStoredPage { is_erased: false })
    }

    /// A text of the pages.
    pub fn text(&self, table: &str, key: &str) -> &str {
        self.state.renderer.text(self.locale, table, key)
    }

    /// What a language is called in the one of the page.
    pub fn language(&self, of: Locale) -> &str {
        self.state.renderer.language(self.locale, of)
    }

    /// What is made for the visitor is made with this. With the rest of its address (see [`page_with`](Self::page_with)) the
    /// page has links to the other languages.
    pub fn frame(&self, more: Option<&str>) -> Frame {
        let publication = PublicationView::new(&self.publication.content, self.locale, &self.state.renderer);
        let links = |more| LanguageLink::to_others(self.locale, |other| format!("?lang={other}{more}"));
        let other_languages = more.map(links).unwrap_or_default();
        Frame { locale: self.locale, other_languages, publication: Some(publication) }
    }

    fn respond(&self, status: StatusCode, html: String) -> Response {
        let pictures = Extension(PicturesFrom::publication(&self.publication.content));
        (status, [(header::CONTENT_LANGUAGE, self.locale.tag())], pictures, Html(html)).into_response()
    }
}

/// Nothing is stored of somebody (any more).
#[derive(Serialize)]
pub struct NothingStoredPage {
    /// Just now, because they wanted it.
    pub is_erased: bool,
}

impl PageContext for NothingStoredPage {
    const TEMPLATE: &'static str = "nothing_stored.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        [true, false].map(|is_erased| Self { is_erased }).into()
    }
}

/// The language a request asks for: `?lang=`, else the browser's.
pub fn asked_for(query: Option<&str>, headers: &HeaderMap) -> Option<Locale> {
    let query = query.unwrap_or_default();
    let from_query = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "lang")
        .and_then(|(_, value)| Locale::from_tag(&value));
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    from_query.or_else(|| accept.and_then(Locale::from_accept_language))
}

/// The current publication.
pub async fn publication(state: &AppState) -> StatementResult<Option<Publication>> {
    change_publication::current(&state.app.pool).await
}
