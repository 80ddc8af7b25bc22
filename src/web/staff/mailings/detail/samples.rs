//! The page of a mailing as it may be.

use chrono::Utc;
use uuid::Uuid;

use crate::{
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{Counts, MailingState, PauseKind, Progress},
        publication::TimeZone,
    },
    web::{
        page_context::{PageContext, Sample},
        staff::{
            mailings::{
                came_back::CameBackView,
                detail::{MailingPage, MailingView, Summary, WaitingView, When},
                planned::Plan,
                progress::{MailingStanding, ProgressView},
                report::FailureView,
            },
            staff_page::Mistakes,
        },
    },
};

impl PageContext for MailingPage {
    const TEMPLATE: &'static str = "staff/mailing.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let mut pages = vec![
            page(of, MailingState::Sending, None, SOME_WAIT),
            page(of, MailingState::Preparing, None, SOME_WAIT),
            page(of, MailingState::Cancelled, None, SOME_WAIT),
        ];
        pages.extend(paused(of));
        pages.extend(not_begun(of));
        pages.extend(over(of));
        pages
    }
}

const SOME_WAIT: Counts = Counts {
    pending: 900,
    claimed: 100,
    transmitting: 2,
    accepted: 200,
    rejected: 22,
    unknown: 1,
    skipped: 9,
    put_off: 4,
};

const ALL_ENDED: Counts =
    Counts { pending: 0, claimed: 0, transmitting: 0, accepted: 1_202, put_off: 0, ..SOME_WAIT };

/// A mailing that has begun.
fn page(of: &Sample<'_>, state: MailingState, pause_kind: Option<PauseKind>, counts: Counts) -> MailingPage {
    let progress = Progress {
        id: MailingId(Uuid::nil()),
        state,
        audience: 1_234,
        scheduled_at: Some(Utc::now()),
        has_grace: false,
        frozen_at: Utc::now(),
        pause_kind,
        counts,
    };
    let standing = MailingStanding::from(&progress);
    let rate = (state == MailingState::Sending).then_some(12.5);
    let at = || Some("30.11.2026, 08:00".to_owned());
    let is_paused = state == MailingState::Paused;
    MailingPage {
        mailing: MailingView {
            id: progress.id,
            update_id: UpdateId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            state: standing.key(),
            state_text: standing.words(of.renderer, of.locale, TimeZone::default()),
            triggered: "Gesendet am 25.11.2026, 14:05, Ada".into(),
            people: "1.234 Personen".into(),
            planned: at(),
            begun_at: at(),
            grace: None,
            pause_kind,
            paused_at: at().filter(|_| is_paused),
            pause_reason: is_paused.then(|| "connection refused".into()),
            finished_at: at().filter(|_| progress.is_over()),
            is_forgotten: false,
            has_begun: true,
        },
        waiting: None,
        progress: ProgressView::of(of.renderer, of.locale, TimeZone::default(), &progress, rate),
        is_live: !progress.is_over(),
        failures: FailureView::samples(),
        came_back: None,
        has_refusals: false,
        report: None,
        typed: When::typed("2026-11-30", "08:00"),
        zone: "Europe/Berlin",
        errors: Mistakes::default(),
    }
}

fn paused(of: &Sample<'_>) -> Vec<MailingPage> {
    let paused = |kind| page(of, MailingState::Paused, Some(kind), SOME_WAIT);
    let kinds = [PauseKind::Staff, PauseKind::Login, PauseKind::Sender, PauseKind::Unreachable];
    let mut pages: Vec<MailingPage> = kinds.into_iter().map(paused).collect();
    pages.extend([true, false].map(|has_refusals| MailingPage {
        has_refusals,
        ..page(of, MailingState::Paused, Some(PauseKind::Policy), SOME_WAIT)
    }));
    pages
}

fn not_begun(of: &Sample<'_>) -> Vec<MailingPage> {
    let waiting = |state, pause_kind, has_other_text, sender: Option<&str>| {
        let mut own = page(of, state, pause_kind, Counts::default());
        own.waiting = Plan::samples().pop().map(|plan| WaitingView {
            plan,
            frozen: "1764500000000000".into(),
            has_other_text,
            overdue: "Sollte am Mo, 30.11., 8:00 beginnen.".into(),
            button: "Jetzt senden".into(),
            sender: sender.map(str::to_owned),
        });
        own.failures = Vec::new();
        (own.mailing.begun_at, own.mailing.has_begun) = (None, false);
        own
    };
    let planned = || waiting(MailingState::Scheduled, None, true, Some("Projekt"));
    let mut grace = waiting(MailingState::Scheduled, None, false, None);
    (grace.mailing.planned, grace.mailing.grace, grace.mailing.state) = (None, Some(10), "starting");
    let mut at_once = waiting(MailingState::Scheduled, None, false, None);
    at_once.mailing.planned = None;
    let (mut no_date, mut no_time) = (planned(), planned());
    no_date.errors = Mistakes::one("date", "Bitte wählen Sie einen Tag.");
    no_time.errors = Mistakes::one("time", "Diese Zeit ist schon vorbei.");
    let overdue = waiting(MailingState::Paused, Some(PauseKind::Overdue), false, Some("Projekt"));
    vec![planned(), grace, at_once, no_date, no_time, overdue]
}

fn over(of: &Sample<'_>) -> Vec<MailingPage> {
    let over = |state, counts, report| MailingPage { report: Some(report), ..page(of, state, None, counts) };
    let whole = || Summary {
        nobody: None,
        accepted: "1.202 von 1.234 angenommen".into(),
        took: Some("3 Min. 20 Sek.".into()),
        rate: Some("im Schnitt 6 in der Sekunde".into()),
        left: Some("2 Personen".into()),
    };
    let nobody = || Summary {
        nobody: Some("Niemand war angemeldet.".into()),
        accepted: "0 von 0 angenommen".into(),
        took: None,
        rate: None,
        left: None,
    };
    let done = over(MailingState::Done, ALL_ENDED, whole());
    let mut forgotten = over(MailingState::Done, ALL_ENDED, whole());
    (forgotten.mailing.is_forgotten, forgotten.failures) = (true, Vec::new());
    let mut all_well = over(MailingState::Done, Counts { rejected: 0, unknown: 0, ..ALL_ENDED }, whole());
    (all_well.failures, all_well.mailing.planned) = (Vec::new(), None);
    let cancelled = over(MailingState::Cancelled, ALL_ENDED, whole());
    let mut empty = over(MailingState::Cancelled, Counts::default(), nobody());
    (empty.failures, empty.mailing.begun_at, empty.mailing.finished_at) = (Vec::new(), None, None);
    empty.mailing.has_begun = false;
    let mut taken_back = over(MailingState::Cancelled, Counts::default(), nobody());
    taken_back.mailing.state = "taken_back";
    let mut all = vec![done, forgotten, all_well, cancelled, empty, taken_back];
    all.extend(
        CameBackView::samples()
            .into_iter()
            .map(|came_back| MailingPage { came_back, ..over(MailingState::Done, ALL_ENDED, whole()) }),
    );
    all
}
