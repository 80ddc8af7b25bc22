//! Samples of the pages around the publication.

use crate::web::{
    page_context::{PageContext, Sample},
    staff::{
        publication::{
            Change, ChangesPage, Funders, Mistake, PublicationPage, SentField, Version, form, parts,
        },
        staff_page::Mistakes,
    },
};

impl PageContext for PublicationPage {
    const TEMPLATE: &'static str = "staff/publication.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let fields = form::of(&of.publication.content);
        let (shown, more) = form::funders(&fields);
        let usual = Self {
            fields,
            errors: Mistakes::default(),
            summary: Vec::new(),
            version: Some(Version { number: 3, at: "25.11.2026, 14:05".into() }),
            missing: Vec::new(),
            funders: Funders { shown, more },
            base: 3,
        };
        let mut mistakes = Mistakes::one("name", "Bitte geben Sie einen Namen an.");
        for field in ["logo", "funder_1", "de_consent", "en_consent", "allowed_origins", "accent"] {
            mistakes.add(field, "Das geht so nicht.");
        }
        let logos = form::PublicationForm::from([
            ("logo_url".to_owned(), "https://example.org/logo.png".to_owned()),
            ("logo_note".to_owned(), "Auf dunklem Grund ist es nicht zu sehen.".to_owned()),
            ("locale".to_owned(), "en".to_owned()),
        ]);
        let mended = Self {
            fields: form::again(&logos),
            summary: mistakes
                .all()
                .map(|(field, text)| Mistake { field, name: field.to_owned(), text: text.to_owned() })
                .collect(),
            errors: mistakes,
            version: None,
            missing: vec!["Absenderadresse".into(), "Impressum".into()],
            funders: Funders { shown: form::FUNDERS.into(), more: Vec::new() },
            base: 0,
        };
        vec![usual, mended]
    }
}

impl PageContext for ChangesPage {
    const TEMPLATE: &'static str = "staff/publication_changes.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let change = |lang: Option<&str>, is_consent: bool| Change {
            what: "Text der Einwilligung".into(),
            lang: lang.map(str::to_owned),
            parts: parts("Ich möchte Neues lesen.", "Ich will Neues lesen und hören."),
            is_time: !is_consent,
            is_consent,
        };
        let of = |changes: Vec<Change>| Self {
            has_times: changes.iter().any(|change| change.is_time),
            has_consent: changes.iter().any(|change| change.is_consent),
            changes,
            fields: vec![SentField { name: "name".into(), value: "LOK Lausitz".into() }],
            seen: "0123456789abcdef".into(),
        };
        vec![of(vec![change(Some("Deutsch"), true)]), of(vec![change(None, false)])]
    }
}
