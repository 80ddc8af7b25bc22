//! What the page that sends shows of test mails.

use serde::Serialize;

use crate::{
    app::{send_test, test_recipients},
    db::statement::StatementResult,
    domain::{
        ids::TestRecipientId,
        queue::{
            delivery::{DeliveryState, TestMail},
            reply_meaning,
        },
        update::Update,
    },
    web::{
        http::form_values,
        staff::{logged_in::Member, staff_page::StaffPage},
    },
};

/// Test mails that are shown.
pub(super) const SHOWN: i64 = 8;

/// Who was chosen.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Oneself.
    pub(super) own: bool,
    /// Colleagues on the list, by id.
    pub(super) colleagues: Vec<String>,
    /// An address that was typed.
    pub(super) typed: String,
    /// The form was sent: what is not ticked was unticked.
    is_sent: bool,
}

impl Chosen {
    /// What the form says.
    pub(super) fn read(fields: Vec<(String, String)>) -> Self {
        let mut chosen = Self { is_sent: true, ..Self::default() };
        for (name, value) in fields {
            match name.as_str() {
                "own" => chosen.own = true,
                "to" => chosen.colleagues.push(value),
                "address" => chosen.typed = value,
                _ => {}
            }
        }
        chosen
    }
}

/// What the page that sends shows of test mails: who can be chosen, and what became of the last ones.
#[derive(Serialize)]
pub struct Tests {
    /// The address of whoever looks.
    pub(super) own: String,
    pub(super) own_is_chosen: bool,
    pub(super) typed: String,
    pub(super) colleagues: Vec<RecipientChoice>,
    pub(super) sent: Vec<SentTest>,
    /// Of some it is not known yet what became of them.
    pub(super) are_waiting: bool,
    /// The text was changed after the last one was asked for: none shows what would be sent.
    pub(super) are_old: bool,
}

#[derive(Serialize)]
pub(super) struct RecipientChoice {
    pub(super) id: TestRecipientId,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) is_chosen: bool,
}

#[derive(Serialize)]
pub(super) struct SentTest {
    pub(super) address: String,
    pub(super) state: DeliveryState,
    /// What the reply means, in a sentence.
    pub(super) meaning: Option<String>,
    pub(super) reply: String,
}

impl SentTest {
    fn of(page: &StaffPage, test: TestMail) -> Self {
        let text = test.smtp_text.clone().unwrap_or_default();
        let has_reply =
            test.state != DeliveryState::Skipped && (test.smtp_code.is_some() || !text.is_empty());
        let meaning = reply_meaning::of(test.smtp_code, &text).filter(|_| has_reply);
        let reply = [test.smtp_code.map(|code| code.to_string()), test.smtp_text];
        let reply = reply.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self {
            address: test.address,
            state: test.state,
            meaning: meaning.map(|meaning| page.text("meaning", meaning.key()).to_owned()),
            // What a relay says when all is well helps nobody.
            reply: if test.state == DeliveryState::Accepted { String::new() } else { reply },
        }
    }
}

impl Tests {
    pub async fn of(
        page: &StaffPage,
        member: &Member,
        update: &Update,
        chosen: &Chosen,
    ) -> StatementResult<Self> {
        let pool = &page.state.app.pool;
        let colleagues = test_recipients::list(pool).await?;
        let sent = send_test::tests_of(pool, update.id, SHOWN).await?;
        // What was refused has shown nobody anything.
        let arrives = |state| !matches!(state, DeliveryState::Rejected | DeliveryState::Skipped);
        let shown = sent.iter().filter(|test| arrives(test.state));
        Ok(Self {
            own: member.0.email.clone(),
            own_is_chosen: chosen.own || !chosen.is_sent,
            typed: form_values::again(&chosen.typed),
            colleagues: colleagues
                .into_iter()
                .map(|colleague| RecipientChoice {
                    id: colleague.id,
                    name: colleague.name,
                    email: colleague.email.written(),
                    is_chosen: chosen.colleagues.contains(&colleague.id.to_string()),
                })
                .collect(),
            are_old: shown.clone().next().is_some()
                && shown.clone().all(|test| test.due_at < update.changed_at),
            are_waiting: sent.iter().any(|test| test.state == DeliveryState::Pending),
            sent: sent.into_iter().map(|test| SentTest::of(page, test)).collect(),
        })
    }
}
