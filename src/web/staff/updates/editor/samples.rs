//! Samples of the pages around writing.

use uuid::Uuid;

use crate::{
    domain::{ids::UpdateId, locale::Locale},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            mailings::planned::Plan,
            updates::{
                editor::{ConflictPage, Difference, EditorPage, EditorUpdate, Fields, Note},
                preview::Preview,
                review::RemarkRow,
                templates,
            },
        },
    },
};

impl EditorUpdate {
    /// A draft, and one that was sent and came by command.
    fn samples() -> [Self; 2] {
        let of = |title: &str, is_draft, changed_by: Option<&str>| Self {
            id: UpdateId(Uuid::nil()),
            version: 7,
            title: title.into(),
            is_draft,
            changed_at: "25.11.2026, 14:05".into(),
            changed_by: changed_by.map(str::to_owned),
        };
        [of("Neues vom Projekt", true, Some("Ada")), of("", false, None)]
    }
}

impl Fields {
    /// With everything, and with nothing written yet.
    pub fn samples() -> [Self; 2] {
        let whole = Self {
            title: "Neues vom Projekt".into(),
            teaser: "Im Herbst hat sich viel getan.".into(),
            body: "## Herbst\n\nViel **Neues**.".into(),
            date: "2026-11-25".into(),
            link: "https://example.org/neues".into(),
            image: "https://example.org/bild.jpg".into(),
            image_alt: "Ein Baum".into(),
            image_credit: "Ada Muster".into(),
            locale: Locale::De,
        };
        let empty = Self {
            title: String::new(),
            teaser: String::new(),
            body: String::new(),
            date: String::new(),
            link: String::new(),
            image: String::new(),
            image_alt: String::new(),
            image_credit: String::new(),
            locale: Locale::En,
        };
        [whole, empty]
    }
}

impl PageContext for EditorPage {
    const TEMPLATE: &'static str = "staff/editor.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |update, writing, unfinished: &[&'static str], others: &[&str], preview| Self {
            update,
            writing,
            unfinished: unfinished.iter().map(|field| (*field, "Das fehlt noch.".to_owned())).collect(),
            others: others.iter().map(|name| (*name).to_owned()).collect(),
            plans: Vec::new(),
            notes: Vec::new(),
            remarks: Vec::new(),
            checks: Vec::new(),
            preview,
            has_visual: true,
        };
        let [draft, sent] = EditorUpdate::samples();
        let [whole, empty] = Fields::samples();
        let [one_way, other_way] = Preview::samples();
        let every_field = ["title", "teaser", "body", "image", "image_alt", "image_credit", "link"];
        let usual = of(draft, whole, &[], &[], one_way);
        let noted = Self {
            plans: Plan::samples(),
            remarks: RemarkRow::samples().into(),
            checks: templates::check_samples(),
            notes: vec![
                Note { text: "Es wird gerade gesendet.".into(), url: Some("/staff/mailings/1".into()) },
                Note { text: "Es wurde gesendet.".into(), url: None },
            ],
            ..of(sent, empty, &every_field, &["Bela"], other_way)
        };
        let [draft, _] = EditorUpdate::samples();
        let [whole, _] = Fields::samples();
        let [one_way, _] = Preview::samples();
        let without = Self { has_visual: false, ..of(draft, whole, &["body"], &["Bela", "Cem"], one_way) };
        vec![usual, noted, without]
    }
}

impl PageContext for ConflictPage {
    const TEMPLATE: &'static str = "staff/conflict.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |others| {
            let ([update, _], [mine, theirs]) = (EditorUpdate::samples(), Fields::samples());
            let message = "Bela hat um 14:05 gespeichert.".into();
            Self { update, message, writing: mine, theirs, others }
        };
        let date = Difference { label: "Datum".into(), mine: "2026-11-25".into(), theirs: String::new() };
        vec![of(Vec::new()), of(vec![date])]
    }
}
