//! What is still to be done before an update can be sent, in words.

use std::collections::BTreeMap;

use crate::{
    domain::update::text::{Unfinished, Writing},
    mail::markdown,
    web::staff::staff_page::StaffPage,
};

/// What is still to be done, by field.
pub fn in_words(page: &StaffPage, writing: &Writing) -> BTreeMap<&'static str, String> {
    let mut words = BTreeMap::new();
    for Unfinished { field, problem } in writing.unfinished() {
        let text = page.text("unfinished", &format!("{field}_{problem}"));
        words.entry(field).or_insert_with(|| text.to_owned());
    }
    if let Err(error) = markdown::check(&writing.body) {
        let line = page.text("unfinished", "body_line").replace("{line}", &error.line.to_string());
        words
            .entry("body")
            .or_insert_with(|| format!("{line} {}", page.text("unfinished", error.code.key())));
    }
    words
}
