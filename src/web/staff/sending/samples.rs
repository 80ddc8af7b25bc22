//! The pages that send an update, or replace the text of a planned mailing, as they may be.

use uuid::Uuid;

use crate::{
    domain::{
        ids::{MailingId, TestRecipientId, UpdateId},
        queue::delivery::DeliveryState,
    },
    web::{
        page_context::{PageContext, Sample},
        staff::{
            mailings::planned::Plan,
            sending::{
                mail_view::{MailView, ObstacleView, UpdateView},
                planned_text::{PlannedTextPage, PlannedView, SenderName},
                send_page::{Before, SendFormValues, SendPage, SenderView, TickErrors},
                test_mails_view::{RecipientChoice, SentTest, Tests},
            },
            staff_page::Mistakes,
            updates::preflight::Findings,
        },
    },
};

const MARKS: &str = "0a1b2c3d 4e5f6a7b";

impl PageContext for SendPage {
    const TEMPLATE: &'static str = "staff/send.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let wrong = |field, change: fn(&mut Self)| {
            let mut own = page();
            (own.errors, own.before, own.warnings) =
                (Mistakes::one(field, "Bitte bestätigen."), Some(before()), Some(MARKS.into()));
            change(&mut own);
            own
        };
        let mut first = page();
        let [_, clear] = Findings::samples();
        (first.preflight, first.tests.sent, first.tests.are_waiting) = (clear, Vec::new(), false);
        let mut untitled = page();
        untitled.update.title = String::new();
        let mut unready = page();
        (unready.mail, unready.sender, unready.obstacle) = (None, None, Some(ObstacleView::NoPublication));
        let mut pages = vec![
            first,
            page(),
            untitled,
            unready,
            wrong("warnings", |own| own.error_now = ticks()),
            wrong("again", |own| {
                (own.error_later, own.error_id) = (ticks(), Some("later-again".into()));
                own.typed = SendFormValues { is_later: true, again: true, warnings: true, ..typed() };
            }),
            wrong("date", |own| own.typed.is_later = true),
            wrong("time", |own| own.typed.is_later = true),
            wrong("form", |_| ()),
            wrong("address", |own| own.tests.own_is_chosen = false),
        ];
        pages.extend(obstacles().into_iter().map(|obstacle| Self { obstacle: Some(obstacle), ..page() }));
        pages
    }
}

impl PageContext for PlannedTextPage {
    const TEMPLATE: &'static str = "staff/planned_text.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |change: fn(&mut Self)| {
            let mut own = Self {
                mailing: PlannedView {
                    id: MailingId(Uuid::nil()),
                    state: "Geplant Mo, 30.11., 8:00".into(),
                    frozen_text: "Stand vom 25.11.2026, 14:05.".into(),
                    frozen: "1795000000000000".into(),
                },
                update: update(),
                saved: "Gespeichert am 26.11.2026, 9:00.".into(),
                versions: "3.1".into(),
                mail: Some(mail()),
                sender: Some(SenderName { name: "Projekt".into() }),
                preflight: found(),
                obstacle: None,
                is_same: false,
                warnings: Some(MARKS.into()),
                is_ticked: false,
                errors: Mistakes::default(),
            };
            change(&mut own);
            own
        };
        let mut pages = vec![
            of(|_| ()),
            of(|own| (own.warnings, own.update.title) = (None, String::new())),
            of(|own| own.is_same = true),
            of(|own| (own.mail, own.sender) = (None, None)),
            of(|own| (own.errors, own.is_ticked) = (Mistakes::one("warnings", "Bitte bestätigen."), true)),
        ];
        pages.extend(obstacles().into_iter().map(|obstacle| {
            let mut own = of(|_| ());
            own.obstacle = Some(obstacle);
            own
        }));
        pages
    }
}

fn page() -> SendPage {
    SendPage {
        update: update(),
        versions: "3.1".into(),
        mail: Some(mail()),
        preflight: found(),
        sender: Some(SenderView { name: "Projekt".into(), address: "post@example.org".into() }),
        audience: 1_234,
        people: "1.234 Personen".into(),
        button_now: "Jetzt an 1.234 Personen senden".into(),
        button_later: "Für 1.234 Personen planen".into(),
        before: None,
        obstacle: None,
        form: Uuid::nil().to_string(),
        zone: "Europe/Berlin",
        tests: tests(),
        typed: typed(),
        warnings: None,
        errors: Mistakes::default(),
        error_now: TickErrors::default(),
        error_later: TickErrors::default(),
        error_id: None,
    }
}

fn update() -> UpdateView {
    UpdateView { id: UpdateId(Uuid::nil()), title: "Neues vom Projekt".into(), version: 3 }
}

fn mail() -> MailView {
    MailView { subject: "Neues vom Projekt".into(), preheader: "Es geht voran.".into() }
}

fn found() -> Findings {
    let [found, _] = Findings::samples();
    found
}

fn before() -> Before {
    Before {
        id: MailingId(Uuid::nil()),
        heading: "Dieses Update wurde schon gesendet.".into(),
        text: "Gesendet am 25.11.2026, 14:05, Ada".into(),
    }
}

fn typed() -> SendFormValues {
    let (date, time) = ("2026-11-30".into(), "08:00".into());
    SendFormValues { is_later: false, again: false, warnings: false, date, time }
}

fn ticks() -> TickErrors {
    TickErrors { again: "Bitte bestätigen.".into(), warnings: "Bitte bestätigen.".into() }
}

fn tests() -> Tests {
    let colleague = |is_chosen| RecipientChoice {
        id: TestRecipientId(Uuid::nil()),
        name: "Mia".into(),
        email: "mia@example.org".into(),
        is_chosen,
    };
    let sent = |state, reply: &str| SentTest {
        address: "mia@example.org".into(),
        state,
        meaning: (!reply.is_empty()).then(|| "Dieses Postfach gibt es nicht.".into()),
        reply: reply.into(),
    };
    Tests {
        own: "ada@example.org".into(),
        own_is_chosen: true,
        typed: "maria@".into(),
        colleagues: vec![colleague(true), colleague(false)],
        sent: vec![
            sent(DeliveryState::Accepted, ""),
            sent(DeliveryState::Rejected, "550 unknown user"),
            sent(DeliveryState::Pending, ""),
        ],
        are_waiting: true,
        are_old: true,
    }
}

fn obstacles() -> Vec<ObstacleView> {
    let (id, text) = (MailingId(Uuid::nil()), || "Geplant am 25.11.2026, 14:05, Ada".to_owned());
    let mut all = vec![
        ObstacleView::NoPublication,
        ObstacleView::Missing { fields: vec!["sender.address".into()] },
        ObstacleView::Unfinished { what: vec!["Der Titel fehlt.".into()] },
        ObstacleView::Found,
        ObstacleView::NoAudience,
        ObstacleView::UnderWay { id, lead: "Dieses Update wird gerade gesendet.".into(), text: text() },
    ];
    all.extend(Plan::samples().into_iter().map(|plan| ObstacleView::Planned { text: text(), plan }));
    all
}
