//! The page that sends: what it shows.

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::{
        preflight::warnings,
        send_mailing::{self, Obstacle, SendSituation},
    },
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{MailingState, Overview},
        update::Update,
    },
    mail::preflight::Finding,
    web::staff::{
        logged_in::Member,
        mailings::{planned::Plan, progress::MailingStanding, triggered},
        sending::{
            mail_view::{MailView, ObstacleView, UpdateView},
            send_form::SendForm,
            test_mails_view::{Chosen, Tests},
        },
        staff_page::{Mistakes, StaffPage},
        staff_problem::StaffProblem,
        updates::preflight::{self, Findings},
    },
};

/// The page that sends.
#[derive(Serialize)]
pub struct SendPage {
    pub(super) update: UpdateView,
    /// What the mail is made of, for the form.
    pub(super) versions: String,
    pub(super) mail: Option<MailView>,
    pub(super) preflight: Findings,
    pub(super) sender: Option<SenderView>,
    pub(super) audience: i64,
    /// How many people get it, in words.
    pub(super) people: String,
    pub(super) button_now: String,
    pub(super) button_later: String,
    /// The last mailing of this update.
    pub(super) before: Option<Before>,
    pub(super) obstacle: Option<ObstacleView>,
    pub(super) form: String,
    /// The time zone in which it is planned.
    pub(super) zone: &'static str,
    pub(super) tests: Tests,
    pub(super) typed: SendFormValues,
    /// What the box for warnings stands for, if there is one.
    pub(super) warnings: Option<String>,
    pub(super) errors: Mistakes,
    pub(super) error_now: TickErrors,
    pub(super) error_later: TickErrors,
    /// The field that the page's message leads to, where it is not that of the first mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct SenderView {
    pub(super) name: String,
    pub(super) address: String,
}

#[derive(Serialize)]
pub(super) struct Before {
    pub(super) id: MailingId,
    pub(super) heading: String,
    pub(super) text: String,
}

/// What stood in the form that was sent.
#[derive(Serialize)]
pub(super) struct SendFormValues {
    pub(super) is_later: bool,
    pub(super) again: bool,
    pub(super) warnings: bool,
    pub(super) date: String,
    pub(super) time: String,
}

/// What is told at the boxes to be ticked, of one of the two forms; empty where they were.
#[derive(Default, Serialize)]
pub(super) struct TickErrors {
    pub(super) again: String,
    pub(super) warnings: String,
}

impl SendPage {
    /// The page as it is opened, with who was chosen to get a test.
    pub async fn fresh(
        page: &StaffPage,
        member: &Member,
        id: UpdateId,
        chosen: &Chosen,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let found = situation(page, id).await?;
        Self::of(page, member, found, &SendForm::default(), chosen, errors).await
    }

    /// The page about what was found, with what was sent.
    pub(super) async fn of(
        page: &StaffPage,
        member: &Member,
        found: SendSituation,
        sent: &SendForm,
        chosen: &Chosen,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let SendSituation { draft, audience, earlier, obstacle } = found;
        let tests = Tests::of(page, member, &draft.update, chosen).await?;
        let count = |key: &str| page.plural("send", key, audience);
        let sender = draft.publication.as_ref().map(|publication| &publication.content.sender);
        let error_id = match errors.first() {
            Some(tick @ ("again" | "warnings")) if sent.is_later() => Some(format!("later-{tick}")),
            _ => None,
        };
        Ok(Self {
            versions: draft.versions().to_string(),
            mail: draft.content.as_ref().map(|content| MailView::of(content, &draft.update)),
            preflight: preflight::view(page, draft.update.id, &draft.findings),
            sender: sender
                .map(|sender| SenderView { name: sender.name.clone(), address: sender.written_address() }),
            audience,
            people: count("people"),
            button_now: count("button_now"),
            button_later: count("button_later"),
            before: earlier.first().map(|before| Before::of(page, before)),
            obstacle: obstacle.map(|obstacle| obstacle_view(page, obstacle, &draft.update, audience)),
            // The same number when the form comes back with a mistake: it is still the same form.
            form: Uuid::parse_str(&sent.form).unwrap_or_else(|_| Uuid::now_v7()).to_string(),
            zone: page.time_zone().0.name(),
            tests,
            typed: SendFormValues::of(sent, &draft.findings),
            warnings: warnings::marks(&draft.findings),
            error_now: TickErrors::of(&errors, !sent.is_later()),
            error_later: TickErrors::of(&errors, sent.is_later()),
            error_id,
            errors,
            update: UpdateView::of(draft.update),
        })
    }
}

impl Before {
    fn of(page: &StaffPage, mailing: &Overview) -> Self {
        let heading = match mailing.state {
            MailingState::Cancelled => "before_cancelled",
            _ if mailing.audience == 0 => "before_nobody",
            _ => "before_heading",
        };
        Self {
            id: mailing.id,
            heading: page.text("send", heading).to_owned(),
            text: triggered(page, mailing),
        }
    }
}

impl SendFormValues {
    fn of(sent: &SendForm, findings: &[Finding]) -> Self {
        let short = |text: &str| text.chars().take(40).collect::<String>();
        Self {
            is_later: sent.is_later(),
            again: !sent.again.is_empty(),
            warnings: !sent.warnings.is_empty() && warnings::are_ticked(findings, &sent.warnings),
            date: short(&sent.date),
            time: short(&sent.time),
        }
    }
}

impl TickErrors {
    /// Told at the form that was sent.
    fn of(errors: &Mistakes, was_sent: bool) -> Self {
        let told = |field: &str| errors.text(field).filter(|_| was_sent).unwrap_or_default().to_owned();
        Self { again: told("again"), warnings: told("warnings") }
    }
}

/// What is in the way. `people` are subscribed now.
fn obstacle_view(page: &StaffPage, obstacle: Obstacle, update: &Update, people: i64) -> ObstacleView {
    match obstacle {
        Obstacle::Text(text) => ObstacleView::of_text(page, text, update),
        Obstacle::NoAudience => ObstacleView::NoAudience,
        Obstacle::Open(mailing) => {
            let text = triggered(page, &mailing);
            let lead = match MailingStanding::from(&*mailing).key() {
                "scheduled" | "overdue" => {
                    return ObstacleView::Planned { text, plan: Plan::of(page, &mailing, people) };
                }
                key @ ("starting" | "paused") => key,
                _ => "under_way",
            };
            ObstacleView::UnderWay { id: mailing.id, lead: page.text("send", lead).to_owned(), text }
        }
    }
}

/// What there is to know about an update before it is sent.
pub(super) async fn situation(page: &StaffPage, id: UpdateId) -> Result<SendSituation, StaffProblem> {
    send_mailing::situation(&page.state.app, id, Utc::now()).await?.ok_or(StaffProblem::NOT_FOUND)
}
