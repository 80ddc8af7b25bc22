//! What the template of a page is given: a typed context with samples, as the mails have them.

use chrono::Utc;
use serde::Serialize;

use crate::{
    config::PublicUrl,
    domain::{locale::Locale, publication::Publication},
    web::renderer::{Frame, PageError, PublicationView, Renderer, Shell},
};

/// The values of one page, and the template that shows them.
pub trait PageContext: Serialize + Sized {
    /// Path of the template under `templates/`.
    const TEMPLATE: &'static str;

    /// Made-up values, of which a test makes the page in every language: what a template can show or leave out is there
    /// in one sample and missing in another. The first one is the page as it usually is.
    fn samples(of: &Sample<'_>) -> Vec<Self>;
}

/// What samples may be made of.
pub struct Sample<'a> {
    pub publication: &'a Publication,
    pub locale: Locale,
    pub renderer: &'a Renderer,
    pub public_url: &'a PublicUrl,
}

impl Sample<'_> {
    /// The address of somebody who reads the newsletter.
    pub const ADDRESS: &'static str = "maria.muster@example.org";
    /// The same, as pages show it that are not only for its owner.
    pub const MASKED: &'static str = "m…r@example.org";

    /// A text of the pages.
    pub fn text(&self, table: &str, key: &str) -> String {
        self.renderer.text(self.locale, table, key).to_owned()
    }

    /// A moment, as pages write it.
    pub fn time(&self) -> String {
        self.publication.content.written_time(Utc::now(), self.locale)
    }

    /// What a page without an address of its own is made with.
    pub fn frame(&self) -> Frame {
        let publication = PublicationView::new(&self.publication.content, self.locale, self.renderer);
        Frame { locale: self.locale, other_languages: Vec::new(), publication: Some(publication) }
    }
}

#[derive(Serialize)]
struct InShell<'a, P> {
    shell: &'a Shell,
    #[serde(flatten)]
    own: &'a P,
}

impl Renderer {
    /// Makes a page of the public.
    ///
    /// # Errors
    /// [`PageError::Template`], also for values that cannot be written down.
    pub fn render<P: PageContext>(&self, frame: &Frame, own: &P) -> Result<String, PageError> {
        self.render_value(P::TEMPLATE, frame, own)
    }

    /// Makes a staff page, with its shell around it.
    ///
    /// # Errors
    /// [`PageError::Template`], also for values that cannot be written down.
    pub fn render_in_shell<P: PageContext>(
        &self,
        frame: &Frame,
        shell: &Shell,
        own: &P,
    ) -> Result<String, PageError> {
        self.render_value(P::TEMPLATE, frame, &InShell { shell, own })
    }
}

#[cfg(test)]
mod tests;
