//! The recorder: puts the marks and outcomes of many senders into one commit.
//!
//! A commit waits for the disk, about as long for a hundred changes as for one. So senders do not commit
//! themselves: they tell the recorder, which takes everything that has come together while it was busy, commits it
//! in one go and answers all of them. The order a sender needs is kept, because each waits for its answer.

use std::time::Duration;

use chrono::Utc;
use sqlx::{Acquire, PgConnection, PgPool};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{sleep, timeout},
};

use crate::{
    db,
    domain::{
        consent,
        delivery::{self, Mark, Outcome, Settled, Verdict},
        ids::{BatchId, DeliveryId, SignupId, WorkerId},
        signup,
        token::ConfirmTokenHash,
    },
};

/// How a transmission ended, with what the consent record wants to know of it.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The outcome.
    pub outcome: Outcome,
    /// The batch it was claimed with.
    pub batch: BatchId,
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

impl Entry {
    fn is_of_a_signup(&self) -> bool {
        self.finished.as_ref().is_some_and(|finished| finished.confirmation.is_some())
            || self.intent.is_some_and(|intent| intent.confirm_token.is_some())
    }
}

/// Where senders put what has to be committed. Cheap to clone; the recorder ends when the last one is dropped.
#[derive(Clone)]
pub struct RecorderHandle(mpsc::Sender<Entry>);

/// Entries a commit, at most.
const BATCH: usize = 1_000;
/// How often the senders are let through before a commit.
const GATHER: usize = 16;

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
pub fn start(pool: &PgPool, worker: WorkerId) -> (RecorderHandle, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(BATCH);
    let task = tokio::spawn(run(pool.clone(), worker, receiver));
    (RecorderHandle(sender), task)
}

async fn run(base: PgPool, worker: WorkerId, mut receiver: mpsc::Receiver<Entry>) {
    let mut pool = db::by_key(&base);
    let mut batch = Vec::with_capacity(BATCH);
    while take(&mut receiver, &mut batch).await {
        let marked = loop {
            match try_to_commit(&pool, worker, &batch).await {
                Some(marked) => break marked,
                // A connection that hangs would be waited for in the pool too.
                None => pool = db::by_key(&base),
            }
        };
        for entry in batch.drain(..) {
            let granted = entry.intent.is_some_and(|intent| marked.binary_search(&intent.mark.id).is_ok());
            // A sender that is gone does not wait for the answer; its mark becomes `unknown` with its worker.
            let _ = entry.answer.send(granted);
        }
    }
}

/// Takes the next entries; answers false when there will be none.
///
/// Those whose reply is here already are let through first, to come along: the larger the commit, the less it costs
/// each of them. Nobody is waited for.
async fn take(receiver: &mut mpsc::Receiver<Entry>, batch: &mut Vec<Entry>) -> bool {
    if receiver.recv_many(batch, BATCH).await == 0 {
        return false;
    }
    for _ in 0..GATHER {
        yield_now().await;
        while batch.len() < BATCH
            && let Ok(entry) = receiver.try_recv()
        {
            batch.push(entry);
        }
    }
    true
}

/// How long a commit may take. A database that vanished without a word would otherwise be waited for for ever, while
/// the lease lives on over another connection.
const COMMIT_WITHIN: Duration = Duration::from_secs(70);

/// How long to wait before a commit is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Commits these, or says that the database is away, after a moment's wait. An outcome must not be lost for that, so
/// whoever calls this goes on until it is committed. All of it may be written twice without harm.
async fn try_to_commit(pool: &PgPool, worker: WorkerId, batch: &[Entry]) -> Option<Vec<DeliveryId>> {
    let committed = timeout(COMMIT_WITHIN, commit(pool, worker, batch));
    match committed.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
        Ok(marked) => Some(marked),
        Err(error) if is_refusal(&error) && batch.len() > 1 => {
            tracing::error!(%error, entries = batch.len(), "the database refuses an outcome; trying them one by one");
            let mut marked = Vec::new();
            for entry in batch {
                let one = try_to_commit(pool, worker, std::slice::from_ref(entry));
                marked.extend(Box::pin(one).await?);
            }
            marked.sort_unstable();
            Some(marked)
        }
        // One that can never be written must not hold up the others. Its delivery becomes `unknown` when its batch is
        // closed.
        Err(error) if is_refusal(&error) => {
            tracing::error!(%error, "an outcome could not be recorded");
            Some(Vec::new())
        }
        Err(error) => {
            tracing::error!(%error, entries = batch.len(), "outcomes cannot be recorded at the moment; trying again");
            sleep(TRY_AGAIN).await;
            None
        }
    }
}

/// Whether the database is there and will never take this: bad data (class 22) or a broken constraint (class 23).
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// Writes a batch; answers the ids of the deliveries that may be transmitted now, sorted.
///
/// What belongs to mailings alone is a statement or two, which commit by themselves: one round trip. Confirmations
/// need more, and all of it at once.
async fn commit(pool: &PgPool, worker: WorkerId, batch: &[Entry]) -> sqlx::Result<Vec<DeliveryId>> {
    let mut db = pool.acquire().await?;
    if batch.iter().any(Entry::is_of_a_signup) {
        let mut transaction = db.begin().await?;
        let marked = write(&mut transaction, worker, batch).await?;
        transaction.commit().await?;
        Ok(marked)
    } else {
        write(&mut db, worker, batch).await
    }
}

async fn write(db: &mut PgConnection, worker: WorkerId, batch: &[Entry]) -> sqlx::Result<Vec<DeliveryId>> {
    let now = Utc::now();
    let finished = || batch.iter().filter_map(|entry| entry.finished.as_ref());
    let outcomes: Vec<Outcome> = finished().map(|finished| finished.outcome.clone()).collect();
    // Whoever asked and is gone would not send what is marked for it.
    let mut intents: Vec<Intent> =
        batch.iter().filter(|entry| !entry.answer.is_closed()).filter_map(|entry| entry.intent).collect();
    // In one order everywhere, so that a mark and an unsubscribe never wait for each other in a circle.
    intents.sort_unstable_by_key(|intent| intent.mark.id);
    let marks: Vec<Mark> = intents.iter().map(|intent| intent.mark).collect();

    if outcomes.iter().any(|outcome| outcome.verdict.puts_off()) {
        delivery::put_off(&mut *db, worker, &outcomes).await?;
    }
    let Settled { recorded, mut marked } = delivery::settle(&mut *db, worker, &outcomes, &marks, now).await?;
    marked.sort_unstable();
    for finished in finished() {
        let outcome = &finished.outcome;
        if let (Some((signup, message_id)), Verdict::Accepted) = (&finished.confirmation, outcome.verdict)
            && recorded.contains(&outcome.id)
        {
            let reply = (outcome.smtp_code.unwrap_or_default(), outcome.smtp_text.as_str());
            consent::record_mail_accepted(&mut *db, *signup, message_id, reply, now).await?;
        }
    }
    for intent in &intents {
        if let Some((signup, hash)) = intent.confirm_token
            && marked.binary_search(&intent.mark.id).is_ok()
        {
            signup::keep_token(&mut *db, signup, hash, now).await?;
        }
    }
    if marked.len() < marks.len() {
        let refused: Vec<Mark> =
            marks.into_iter().filter(|mark| marked.binary_search(&mark.id).is_err()).collect();
        delivery::settle_unmarked(db, worker, &refused, now).await?;
    }
    Ok(marked)
}
