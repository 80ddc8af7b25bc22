//! The recorder: puts the marks and outcomes of many senders into one commit.
//!
//! A commit waits for the disk, about as long for a hundred changes as for one. So senders do not commit
//! themselves: they tell the recorder, which takes everything that has come together while it was busy, writes it
//! in one transaction and answers all of them. The order a sender needs is kept, because each waits for its answer.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use crate::domain::{
    consent,
    delivery::{self, Mark, Outcome, Verdict},
    ids::{SignupId, WorkerId},
    signup,
    token::ConfirmTokenHash,
};

/// How a transmission ended, with what the consent record wants to know of it.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The outcome.
    pub outcome: Outcome,
    /// Confirmation mails: the signup, and the message's name.
    pub confirmation: Option<(SignupId, String)>,
}

/// What a sender is about to do.
#[derive(Debug, Clone, Copy)]
pub struct Intent {
    /// Which delivery it will transmit.
    pub mark: Mark,
    /// Confirmation mails: the token whose hash has to be there before its link is.
    pub confirm_token: Option<(SignupId, ConfirmTokenHash)>,
}

struct Entry {
    finished: Option<Finished>,
    intent: Option<Intent>,
    answer: oneshot::Sender<bool>,
}

/// Where senders put what has to be committed. Cheap to clone; the recorder ends when the last one is dropped.
#[derive(Clone)]
pub struct RecorderHandle(mpsc::Sender<Entry>);

/// Entries a commit, at most.
const BATCH: usize = 1_000;

impl RecorderHandle {
    /// Commits an outcome and the mark of the next delivery, both at once. Answers, after the commit, whether the
    /// next one may be transmitted.
    pub async fn settle(&self, finished: Option<Finished>, intent: Option<Intent>) -> bool {
        let (answer, answered) = oneshot::channel();
        let entry = Entry { finished, intent, answer };
        // A recorder that is gone commits nothing, so nothing may be transmitted.
        if self.0.send(entry).await.is_err() {
            return false;
        }
        answered.await.unwrap_or(false)
    }
}

/// Starts a recorder for one worker.
pub fn start(pool: PgPool, worker: WorkerId) -> (RecorderHandle, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(BATCH);
    let task = tokio::spawn(run(Arc::new(pool), worker, receiver));
    (RecorderHandle(sender), task)
}

async fn run(pool: Arc<PgPool>, worker: WorkerId, mut receiver: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let granted = commit_until_it_works(&pool, worker, &batch).await;
        for entry in batch.drain(..) {
            let granted = entry.intent.is_some_and(|intent| granted.contains(&intent.mark.id.0));
            // A sender that is gone does not wait for the answer; its mark becomes `unknown` with its worker.
            let _ = entry.answer.send(granted);
        }
    }
}

/// How long a commit may take. A database that vanished without a word would otherwise be waited for for ever, while
/// the lease lives on over another connection.
const COMMIT_WITHIN: Duration = Duration::from_secs(70);

/// An outcome must not be lost because the database was away for a while, so this goes on until it is committed. All
/// of it may be written twice without harm.
async fn commit_until_it_works(pool: &PgPool, worker: WorkerId, batch: &[Entry]) -> Vec<i64> {
    let mut pause = Duration::from_millis(100);
    loop {
        let committed = timeout(COMMIT_WITHIN, commit(pool, worker, batch));
        match committed.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(granted) => return granted,
            Err(error) if is_refusal(&error) && batch.len() > 1 => {
                tracing::error!(%error, entries = batch.len(), "the database refuses an outcome; trying them one by one");
                let mut granted = Vec::new();
                for entry in batch {
                    let one = commit_until_it_works(pool, worker, std::slice::from_ref(entry));
                    granted.extend(Box::pin(one).await);
                }
                return granted;
            }
            // One that can never be written must not hold up the others. Its delivery stays as it is until this
            // worker ends, and then becomes `unknown`.
            Err(error) if is_refusal(&error) => {
                tracing::error!(%error, "an outcome could not be recorded");
                return Vec::new();
            }
            Err(error) => {
                tracing::error!(%error, entries = batch.len(), "outcomes cannot be recorded at the moment; trying again");
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

/// Whether the database is there and will never take this: bad data (class 22) or a broken constraint (class 23).
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

async fn commit(pool: &PgPool, worker: WorkerId, batch: &[Entry]) -> sqlx::Result<Vec<i64>> {
    let now = Utc::now();
    let finished: Vec<&Finished> = batch.iter().filter_map(|entry| entry.finished.as_ref()).collect();
    // Whoever asked and is gone would not send what is marked for it.
    let mut intents: Vec<Intent> =
        batch.iter().filter(|entry| !entry.answer.is_closed()).filter_map(|entry| entry.intent).collect();
    // In one order everywhere, so that a mark and an unsubscribe never wait for each other in a circle.
    intents.sort_unstable_by_key(|intent| intent.mark.id);
    let mut transaction = pool.begin().await?;
    if !finished.is_empty() {
        let outcomes: Vec<Outcome> = finished.iter().map(|finished| finished.outcome.clone()).collect();
        let news = delivery::record_outcomes(&mut transaction, worker, &outcomes, now).await?;
        for finished in finished {
            let accepted =
                finished.outcome.verdict == Verdict::Accepted && news.contains(&finished.outcome.id);
            if let (Some((signup, message_id)), true) = (&finished.confirmation, accepted) {
                let reply =
                    (finished.outcome.smtp_code.unwrap_or_default(), finished.outcome.smtp_text.as_str());
                consent::record_mail_accepted(&mut transaction, *signup, message_id, reply, now).await?;
            }
        }
    }
    let mut granted = Vec::new();
    if !intents.is_empty() {
        let marks: Vec<Mark> = intents.iter().map(|intent| intent.mark).collect();
        granted
            .extend(delivery::mark(&mut transaction, worker, &marks, now).await?.into_iter().map(|id| id.0));
        for intent in &intents {
            if let (Some((signup, hash)), true) = (intent.confirm_token, granted.contains(&intent.mark.id.0))
            {
                signup::keep_token(&mut transaction, signup, hash, now).await?;
            }
        }
        if granted.len() < marks.len() {
            let refused: Vec<Mark> = marks.into_iter().filter(|mark| !granted.contains(&mark.id.0)).collect();
            delivery::settle_unmarked(&mut transaction, worker, &refused, now).await?;
        }
    }
    transaction.commit().await?;
    Ok(granted)
}
