//! What the template of a page is given: a typed context with samples, as the mails have.

use serde::Serialize;

use crate::{
    domain::{locale::Locale, publication::Publication},
    web::renderer::Renderer,
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
}

#[cfg(test)]
mod tests;
