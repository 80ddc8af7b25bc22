//! The recorder: puts the marks and outcomes of many senders into one commit.
//!
//! A commit waits for the disk, about as long for a hundred changes as for one. So senders do not commit
//! themselves: they tell the recorder, which takes everything that has come together while it was busy, commits it
//! in one go and answers all of them. The order a sender needs is kept, because each waits for its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::Instrument;

use crate::{
    app::mailed_link,
    db::{self, Backend},
    delivery::{
        circuit_breaker::CircuitBreaker, metrics::SendingMetrics, shared::Shared, smtp::problem::RelayProblem,
    },
    domain::{
        consent::{self, ConsentKind},
        ids::{BatchId, DeliveryId, SignupId, WorkerId},
        queue::{
            delivery::{self, DeliveryKind},
            refusals::{self, Refusal},
            transmission::{self, Mark, Marks, Outcome, Settled, Verdict},
        },
        restore::Memory,
        signup,
        staff::link::Mailed,
        token::ConfirmTokenHash,
        watermark::Watermark,
    },
    telemetry::mask_addresses,
};

/// How a transmission ended, with what the consent record wants to know of it.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What it is.
    pub kind: DeliveryKind,
    pub outcome: Outcome,
    /// The batch it was claimed with.
    pub batch: BatchId,
    /// Mails that answer a signup.
    pub answer: Option<SignupAnswer>,
    /// A refusal that may be one of many.
    pub refusal: Option<Refusal>,
}

/// A mail that answers a signup, for the record of consent.
#[derive(Debug, Clone)]
pub struct SignupAnswer {
    pub signup: SignupId,
    /// The message's name.
    pub message_id: String,
    /// What it says: [`ConsentKind::MailAccepted`] of a request to confirm, [`ConsentKind::ToldSubscribed`] of the other.
    pub kind: ConsentKind,
}

/// What a sender is about to do.
#[derive(Debug, Clone, Copy)]
pub struct Intent {
    /// Which delivery it will transmit.
    pub mark: Mark,
    /// Mails that answer a signup: which one. It has to be waiting still.
    pub signup: Option<SignupId>,
    /// Confirmation mails: the token whose hash has to be there before its link is.
    pub confirm_token: Option<ConfirmTokenHash>,
    /// Mails with a one-time link for somebody on the staff: the same of that.
    pub staff_link: Option<Mailed>,
}

struct Entry {
    finished: Option<Finished>,
    intent: Option<Intent>,
    answer: oneshot::Sender<bool>,
}

impl Entry {
    /// Whether more is written of it than its mark and its outcome.
    fn needs_transaction(&self) -> bool {
        self.finished.as_ref().is_some_and(|finished| finished.answer.is_some())
            || self.intent.is_some_and(|intent| intent.signup.is_some() || intent.staff_link.is_some())
    }
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
pub fn start(shared: &Shared) -> (RecorderHandle, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(BATCH);
    let recorder = Recorder {
        pool: shared.pool.clone(),
        worker: shared.worker,
        breaker: Arc::clone(&shared.breaker),
        memory: Arc::clone(&shared.memory),
        metrics: Arc::clone(&shared.metrics),
        watermark: None,
        db: None,
        backend: None,
        on_the_way: Vec::new(),
    };
    (RecorderHandle(sender), tokio::spawn(recorder.run(receiver).instrument(shared.span.clone())))
}

struct Recorder {
    pool: PgPool,
    worker: WorkerId,
    breaker: Arc<CircuitBreaker>,
    memory: Arc<Memory>,
    metrics: Arc<SendingMetrics>,
    /// Its own watermark, as of the last commit.
    watermark: Option<Watermark>,
    /// Its connection; another one after an error.
    db: Option<PgConnection>,
    /// The server's side of the last connection.
    backend: Option<Backend>,
    /// What stands in the rows of this worker's batches, as of the last commit.
    on_the_way: Vec<Mark>,
}

impl Recorder {
    async fn run(mut self, mut receiver: mpsc::Receiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH);
        // Nobody is waited for: whoever is not here yet comes along next time, and until then the others are sending.
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            // An outcome must not be lost because the database is away for a moment. All of it may be written twice
            // without harm.
            while !self.try_to_commit(&batch).await {}
            for entry in batch.drain(..) {
                let granted = entry.intent.is_some_and(|intent| self.on_the_way.contains(&intent.mark));
                // A sender that is gone does not wait for the answer; its mark becomes `unknown` with its worker.
                let _ = entry.answer.send(granted);
            }
        }
    }

    /// Commits these; answers false, after a moment's wait, when the database is away.
    async fn try_to_commit(&mut self, batch: &[Entry]) -> bool {
        let begun = Instant::now();
        let done = timeout(COMMIT_WITHIN, self.commit(batch)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if done.is_err() {
            self.metrics.commit_failures.inc();
        }
        match done {
            Ok(()) => {
                self.metrics.commit.observe(begun.elapsed());
                for finished in batch.iter().filter_map(|entry| entry.finished.as_ref()) {
                    self.metrics.ended(finished.kind, &finished.outcome);
                }
                true
            }
            Err(error) if is_refusal(&error) && batch.len() > 1 => {
                tracing::error!(%error, entries = batch.len(), "the database refuses an outcome; trying them one by one");
                for entry in batch {
                    if !Box::pin(self.try_to_commit(std::slice::from_ref(entry))).await {
                        return false;
                    }
                }
                true
            }
            // One that can never be written must not hold up the others. Its delivery becomes `unknown` when its batch
            // is closed.
            Err(error) if is_refusal(&error) => {
                tracing::error!(%error, "an outcome could not be recorded");
                true
            }
            Err(error) => {
                tracing::error!(%error, entries = batch.len(), "outcomes cannot be recorded at the moment; trying again");
                self.db = None;
                sleep(TRY_AGAIN).await;
                false
            }
        }
    }

    /// What belongs to mailings alone is a statement or two, which commit by themselves: one round trip. Confirmations and
    /// one-time links need more, and all of it at once.
    async fn commit(&mut self, batch: &[Entry]) -> sqlx::Result<()> {
        let db = match &mut self.db {
            Some(db) => db,
            none => {
                let mut db = db::connect_by_key(&self.pool).await?;
                // What was sent over the last connection may still be under way there. Written later than what is
                // written now, it would put back old marks.
                if let Some(last) = self.backend {
                    last.end(&mut db).await?;
                }
                self.backend = Backend::of(&mut db).await?;
                // Another server may stand there by now, which lacks what was committed last.
                self.memory.verify(&mut db).await?;
                none.insert(db)
            }
        };
        let last = match self.watermark {
            Some(watermark) => watermark,
            None => *self.watermark.insert(self.memory.register(&mut *db).await?),
        };
        let watermark = Watermark { value: last.value + 1, ..last };
        let run = Run::of(batch);
        let changes_run = !run.refused.is_empty() || (run.ended && self.breaker.run_may_stand());
        if changes_run || batch.iter().any(Entry::needs_transaction) {
            let mut transaction = db.begin().await?;
            let on_the_way = write(&mut transaction, self.worker, batch, &self.on_the_way, watermark).await?;
            let said_to_all =
                if changes_run { run.write(&mut transaction, self.worker).await? } else { None };
            transaction.commit().await?;
            self.on_the_way = on_the_way;
            if changes_run {
                self.breaker.set_run_may_stand(!run.refused.is_empty());
            }
            if let Some(reply) = said_to_all {
                self.breaker.trip_for_run(RelayProblem::Policy(run.words(batch, &reply)), &reply);
            }
        } else {
            self.on_the_way = write(db, self.worker, batch, &self.on_the_way, watermark).await?;
        }
        self.watermark = Some(watermark);
        self.memory.saw(watermark);
        Ok(())
    }
}

/// What a batch does to the worker's run of refusals.
struct Run {
    /// Whether the relay has accepted something.
    ended: bool,
    /// What it has refused since.
    refused: Vec<Refusal>,
}

impl Run {
    fn of(batch: &[Entry]) -> Self {
        let mut run = Self { ended: false, refused: Vec::new() };
        for finished in batch.iter().filter_map(|entry| entry.finished.as_ref()) {
            if finished.outcome.verdict == Verdict::Accepted {
                run.ended = true;
                run.refused.clear();
            }
            run.refused.extend(finished.refusal.clone());
        }
        run
    }

    /// Answers the reply that the relay gives to everybody, if there is one.
    async fn write(&self, db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<String>> {
        if self.ended {
            refusals::end_run(&mut *db, worker).await?;
        }
        if self.refused.is_empty() {
            return Ok(None);
        }
        refusals::note_refusals(db, worker, &self.refused).await
    }

    /// The relay's words for this reply.
    fn words(&self, batch: &[Entry], reply: &str) -> String {
        let refusal = self.refused.iter().find(|refusal| refusal.reply == reply);
        let mut outcomes = batch.iter().filter_map(|entry| entry.finished.as_ref()).map(|f| &f.outcome);
        let outcome = outcomes.find(|outcome| refusal.is_some_and(|refusal| refusal.id == outcome.id));
        outcome.map_or_else(String::new, |outcome| {
            let said = format!("{} {}", outcome.smtp_code.unwrap_or_default(), outcome.smtp_text);
            mask_addresses(&said)
        })
    }
}

/// How long a commit may take. A database that vanished without a word would otherwise be waited for for ever, while
/// the lease lives on over another connection.
const COMMIT_WITHIN: Duration = Duration::from_secs(70);

/// How long to wait before a commit is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Whether the database is there and will never take this: bad data (class 22) or a broken constraint (class 23).
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// Writes a batch; answers what is on its way afterwards.
async fn write(
    db: &mut PgConnection,
    worker: WorkerId,
    batch: &[Entry],
    on_the_way: &[Mark],
    watermark: Watermark,
) -> sqlx::Result<Vec<Mark>> {
    let now = Utc::now();
    let finished = || batch.iter().filter_map(|entry| entry.finished.as_ref());
    let outcomes: Vec<Outcome> = finished().map(|finished| finished.outcome.clone()).collect();
    let intents = still_wanted(db, batch, now).await?;
    let marks = Marks { watermark: Some(watermark), ..marks(on_the_way, finished(), &intents) };

    if outcomes.iter().any(|outcome| outcome.verdict.puts_off()) {
        transmission::put_off(&mut *db, worker, &outcomes).await?;
    }
    let Settled { recorded, transmitting } =
        transmission::settle(&mut *db, worker, &outcomes, &marks, now).await?;
    for finished in finished() {
        let outcome = &finished.outcome;
        if let (Some(answer), Verdict::Accepted) = (&finished.answer, outcome.verdict)
            && recorded.contains(&outcome.id)
        {
            let SignupAnswer { signup, message_id, kind } = answer;
            let reply = (outcome.smtp_code.unwrap_or_default(), outcome.smtp_text.as_str());
            consent::record_answer_accepted(&mut *db, *kind, *signup, message_id, reply, now).await?;
        }
    }
    let granted = |mark: &Mark| transmitting.contains(&mark.id);
    for intent in &intents {
        if let (Some(signup), Some(hash)) = (intent.signup, intent.confirm_token)
            && granted(&intent.mark)
        {
            signup::keep_token(&mut *db, signup, hash, now).await?;
        }
    }
    for (mark, link) in intents.iter().filter_map(|intent| Some((&intent.mark, intent.staff_link.as_ref()?)))
    {
        if granted(mark) {
            mailed_link::keep(&mut *db, link, now).await?;
        }
    }
    let answers: Vec<(DeliveryId, bool)> = intents
        .iter()
        .filter(|intent| intent.signup.is_some() && granted(&intent.mark))
        .map(|intent| (intent.mark.id, intent.confirm_token.is_none()))
        .collect();
    if !answers.is_empty() {
        delivery::note_answers(&mut *db, &answers).await?;
    }
    let asked = batch.iter().filter_map(|entry| entry.intent);
    let refused: Vec<DeliveryId> =
        asked.filter(|intent| !granted(&intent.mark)).map(|intent| intent.mark.id).collect();
    if !refused.is_empty() {
        transmission::settle_unmarked(db, worker, &refused, now).await?;
    }
    let Marks { batches, kept, wanted, .. } = marks;
    let elsewhere = on_the_way.iter().filter(|mark| !batches.contains(&mark.batch)).copied();
    Ok(elsewhere.chain(kept.into_iter().chain(wanted).filter(granted)).collect())
}

/// The intents of those who still wait for an answer, without those whose signup has ended.
async fn still_wanted(
    db: &mut PgConnection,
    batch: &[Entry],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Intent>> {
    // Whoever asked and is gone would not send what is marked for it.
    let asked = batch.iter().filter(|entry| !entry.answer.is_closed());
    let mut intents: Vec<Intent> = asked.filter_map(|entry| entry.intent).collect();
    let signups: Vec<SignupId> = intents.iter().filter_map(|intent| intent.signup).collect();
    if !signups.is_empty() {
        let waiting = signup::still_waiting(db, &signups, now).await?;
        intents.retain(|intent| intent.signup.is_none_or(|signup| waiting.contains(&signup)));
    }
    Ok(intents)
}

/// What is to stand in the batches of what has ended and of what goes next.
fn marks<'a>(on_the_way: &[Mark], finished: impl Iterator<Item = &'a Finished>, intents: &[Intent]) -> Marks {
    let ended: Vec<Mark> =
        finished.map(|finished| Mark { id: finished.outcome.id, batch: finished.batch }).collect();
    let wanted: Vec<Mark> = intents.iter().map(|intent| intent.mark).collect();
    let mut batches: Vec<BatchId> = ended.iter().chain(&wanted).map(|mark| mark.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let kept = on_the_way.iter().filter(|mark| batches.contains(&mark.batch) && !ended.contains(mark));
    Marks { kept: kept.copied().collect(), batches, wanted, watermark: None }
}
