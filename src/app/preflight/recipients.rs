//! How many people an update goes to, beside what is usual.

use sqlx::PgConnection;

use crate::{
    domain::{
        ids::UpdateId,
        mailing::{self, MailingState},
    },
    mail::preflight::{Code, Finding},
};

/// A change by more than so many hundredths is told.
const UNUSUAL: i64 = 20;

/// Mailings that are looked at.
const LOOKED_AT: i64 = 50;

/// Compares the audience, as it was counted just now, with that of the last mailing.
pub async fn check(db: &mut PgConnection, update: UpdateId, audience: i64) -> sqlx::Result<Vec<Finding>> {
    let mailings = mailing::list(&mut *db, LOOKED_AT).await?;
    let mut sent = mailings.iter().filter(|mailing| mailing.state != MailingState::Cancelled);
    let mut found = Vec::new();
    if sent.clone().any(|mailing| mailing.update_id == update) {
        found.push(Finding::new(Code::AlreadySent));
    }
    let about = |code| Finding::new(code).with("now", audience.to_string());
    // How many one that has not begun will go to, nobody knows.
    let last = sent.find(|mailing| mailing.begun_at.is_some());
    match last.map(|last| last.audience) {
        _ if audience == 0 => found.push(Finding::new(Code::RecipientsNone)),
        None => found.push(about(Code::RecipientsFirst)),
        Some(before) => {
            let code = match (audience - before) * 100 {
                change if change < -UNUSUAL * before => Some(Code::RecipientsFell),
                change if change > UNUSUAL * before => Some(Code::RecipientsRose),
                _ => None,
            };
            found.extend(code.map(|code| about(code).with("before", before.to_string())));
        }
    }
    Ok(found)
}
