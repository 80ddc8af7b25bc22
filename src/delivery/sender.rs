//! A sender: one task, one connection to the relay, one message at a time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::{Instrument, Level};

use crate::{
    delivery::{
        circuit_breaker::{Admission, Judgement},
        message_builder::{Message, NoMessage},
        recorder::{Finished, Intent, RecorderHandle, SignupAnswer},
        retry::{MOST_ATTEMPTS, due_after, relay_pause},
        shared::Shared,
        smtp::{
            problem::RelayProblem,
            reply::{self, Reply},
            session::{Envelope, Session, Transmission},
        },
        spans,
        throttle::Permit,
    },
    domain::{
        address::EmailAddress,
        consent::ConsentKind,
        queue::{
            delivery::DeliveryKind,
            refusals::Refusal,
            transmission::{self, Claimed, Mark, Outcome, Verdict},
        },
    },
    telemetry::mask_addresses,
};

/// A connection that had nothing to do for this long is closed, before the relay gets impatient.
const IDLE: Duration = Duration::from_secs(20);

/// How long a message that cannot be made is put off.
const NOT_YET: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// How long a message is put off that the relay refused because of us: so that another one is tried next, in case it
/// was about this one after all.
const LET_OTHERS_TRY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// One of a worker's senders.
pub struct Sender {
    shared: Arc<Shared>,
    recorder: RecorderHandle,
    stopping: watch::Receiver<bool>,
    /// Which of the worker's senders this is, from 0: the last ones give up their connections first.
    slot: usize,
    session: Option<Session>,
    /// Messages that this connection has carried.
    carried: u32,
    /// Whether its message is the only one that may go at the moment.
    on_trial: bool,
    /// Failures of this connection in a row while others work.
    failures: u32,
}

impl Sender {
    pub fn new(
        shared: Arc<Shared>,
        recorder: RecorderHandle,
        stopping: watch::Receiver<bool>,
        slot: usize,
    ) -> Self {
        Self { shared, recorder, stopping, slot, session: None, carried: 0, on_trial: false, failures: 0 }
    }

    /// Sends until the worker stops. Whatever has begun is ended and recorded first.
    pub async fn run(mut self) {
        // How the last transmission ended. It is committed together with the next mark, and before anything else
        // happens on this connection.
        let mut finished: Option<Finished> = None;
        // Permission to start a message that then was not sent: the next one may use it, for half a second. So what is
        // skipped costs hardly anything of the rate.
        let mut permit: Option<Permit> = None;
        loop {
            if std::mem::take(&mut self.on_trial) {
                self.shared.breaker.trial_over();
            }
            let Some(mut job) = self.next_job(&mut finished).await else { break };
            if let Err(pause) = self.connect(&mut finished).await {
                // First back into the buffer, where others find it, then away.
                self.shared.buffer.put_back(job);
                let _ = timeout(pause, stopped(&mut self.stopping)).await;
                continue;
            }
            if self.shared.throttle.is_limited() && !permit.as_ref().is_some_and(Permit::is_fresh) {
                self.settle(&mut finished).await;
                tokio::select! {
                    granted = self.shared.throttle.permit().instrument(self.shared.span.clone()) => {
                        permit = Some(granted);
                    }
                    () = stopped(&mut self.stopping) => {
                        self.shared.buffer.put_back(job);
                        continue;
                    }
                }
                // The wait may have been long; what is urgent by now has it.
                job = self.shared.buffer.swap_for_urgent(job);
            }
            let Some(message) = self.prepare(&job, &mut finished).await else { continue };
            let mark = Mark { id: job.id, batch: job.batch };
            let Message { confirm_token, staff_link, .. } = message;
            let intent = Intent { mark, signup: job.signup, confirm_token, staff_link };
            if self.record(&mut finished, Some(intent)).await {
                permit = None;
                finished = Some(self.transmit(&job, &message).await);
            } else {
                self.shared.buffer.settled(job.batch);
            }
        }
        self.settle(&mut finished).await;
        self.disconnect().await;
    }

    /// The next delivery; nothing when the worker stops. An outcome is not kept waiting for it.
    async fn next_job(&mut self, finished: &mut Option<Finished>) -> Option<Claimed> {
        let shared = Arc::clone(&self.shared);
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if shared.connection_limit.may_send(self.slot)
                && shared.breaker.is_passable()
                && let Some(job) = shared.buffer.pop()
                && let Some(job) = self.admit(job)
            {
                return Some(job);
            }
            self.settle(finished).await;
            if !shared.connection_limit.has_slot(self.slot) {
                self.disconnect().await;
            }
            let mut stopping = self.stopping.clone();
            tokio::select! {
                () = stopped(&mut stopping) => return None,
                waited = timeout(IDLE, async {
                    shared.connection_limit.wait_for_slot(self.slot).await;
                    shared.breaker.wait_until_passable().await;
                    shared.buffer.next().await
                }) => match waited {
                    Ok(job) => if let Some(job) = self.admit(job) { return Some(job) },
                    Err(_) => self.disconnect().await,
                },
            }
        }
    }

    /// Asks the breaker to let this message through, or puts it back: the breaker may have tripped while we waited.
    fn admit(&mut self, job: Claimed) -> Option<Claimed> {
        let admission = if self.shared.connection_limit.may_send(self.slot) {
            self.shared.breaker.admit()
        } else {
            Admission::Refused
        };
        if admission == Admission::Refused {
            self.shared.buffer.put_back(job);
            return None;
        }
        self.on_trial = admission == Admission::OnTrial;
        Some(job)
    }

    async fn prepare(&mut self, job: &Claimed, finished: &mut Option<Finished>) -> Option<Message> {
        let now = Utc::now();
        let preparing = self.shared.message_builder.prepare(job, now);
        let prepared = match job.kind {
            // Of these many, and nothing is logged in there.
            DeliveryKind::Mailing => preparing.await,
            _ => preparing.instrument(spans::attempt(&self.shared.span, job)).await,
        };
        let problem = match prepared {
            Ok(message) => return Some(message),
            Err(problem) => problem,
        };
        self.settle(finished).await;
        let settled = match &problem {
            NoMessage::NotWanted(reason) => self.skip(job, reason).await,
            NoMessage::NotYet(reason) => {
                spans::attempt(&self.shared.span, job)
                    .in_scope(|| tracing::error!(%reason, "a message cannot be made; it waits"));
                self.put_off(job, reason, Utc::now() + NOT_YET).await
            }
            NoMessage::Held(_, until) => self.put_off(job, &problem.to_string(), *until).await,
            NoMessage::Database(_) => Ok(()),
        };
        if matches!(problem, NoMessage::Database(_)) {
            // The delivery stays claimed and comes around again.
            self.shared.buffer.put_back(job.clone());
            sleep(Duration::from_secs(1)).await;
        } else {
            // Also when that could not be written, or nobody knows whether it was: what still waits comes back when its
            // batch is closed.
            self.shared.buffer.settled(job.batch);
            if settled.is_err() {
                sleep(Duration::from_secs(1)).await;
            }
        }
        None
    }

    async fn skip(&self, job: &Claimed, reason: &str) -> sqlx::Result<()> {
        let mut db = self.shared.pool.acquire().await?;
        transmission::skip_claimed(&mut db, self.shared.worker, job.id, reason, Utc::now()).await
    }

    async fn put_off(&self, job: &Claimed, reason: &str, until: DateTime<Utc>) -> sqlx::Result<()> {
        let mut db = self.shared.pool.acquire().await?;
        transmission::put_off_claimed(&mut db, self.shared.worker, job.id, reason, until).await
    }

    /// Opens a connection, unless there is one. When that fails: how long this sender should stay away.
    async fn connect(&mut self, finished: &mut Option<Finished>) -> Result<(), Duration> {
        let most = self.shared.per_connection;
        if self.session.as_ref().is_some_and(Session::is_usable) && (most == 0 || self.carried < most) {
            return Ok(());
        }
        self.settle(finished).await;
        self.disconnect().await;
        let Shared { smtp, ehlo_name, reply_within, metrics, span, .. } = &*self.shared;
        let opened = Session::open(smtp, ehlo_name, *reply_within, metrics).instrument(span.clone()).await;
        let _in_span = span.enter();
        match opened {
            Ok(session) => {
                self.session = Some(session);
                self.carried = 0;
                self.failures = 0;
                self.shared.open_connections.send_modify(|open| *open += 1);
                self.shared.has_reached.store(true, Ordering::Relaxed);
                self.shared.breaker.reached();
                Ok(())
            }
            Err(problem) => {
                self.failures += 1;
                let others_work = *self.shared.open_connections.borrow() > 0;
                if others_work && matches!(problem, RelayProblem::Unreachable(_)) {
                    // The relay takes fewer connections than we would like.
                    tracing::info!(
                        problem = mask_addresses(&problem.to_string()),
                        "the relay takes no further connection"
                    );
                    Err(relay_pause(self.failures))
                } else {
                    self.shared.breaker.trip(problem, None);
                    Err(Duration::ZERO)
                }
            }
        }
    }

    async fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            self.shared.open_connections.send_modify(|open| *open = open.saturating_sub(1));
            if session.is_usable() {
                session.quit().await;
            }
        }
    }

    async fn transmit(&mut self, job: &Claimed, message: &Message) -> Finished {
        let attempt = job.attempts + 1;
        self.carried += 1;
        let transmission = match &mut self.session {
            Some(session) => {
                let Message { from, to, message_id, .. } = message;
                let reads = self.shared.message_builder.reads_reports();
                let report_id = reads.then(|| message_id.trim_matches(['<', '>']));
                session.transmit(Envelope { from, to, report_id }, &message.bytes).await
            }
            None => Transmission::BrokenBefore("there was no connection".into()),
        };
        if !self.session.as_ref().is_some_and(Session::is_usable) {
            self.disconnect().await;
        }
        // An attempt that is accepted has nothing to log, and its span would cost as much as all that is counted of it.
        let is_quiet = matches!(transmission, Transmission::Accepted(_)) && !tracing::enabled!(Level::DEBUG);
        let of_attempt = (!is_quiet).then(|| spans::attempt(&self.shared.span, job));
        let span = of_attempt.as_ref().unwrap_or(&self.shared.span);
        let (outcome, refusal) = span.in_scope(|| self.outcome(job, attempt, message, transmission));
        let kind = match message.confirm_token {
            Some(_) => ConsentKind::MailAccepted,
            None => ConsentKind::ToldSubscribed,
        };
        let message_id = message.message_id.clone();
        let answer = job.signup.map(|signup| SignupAnswer { signup, message_id, kind });
        Finished { kind: job.kind, outcome, batch: job.batch, answer, refusal }
    }

    /// What became of a message, and the refusal that may be one of many.
    fn outcome(
        &self,
        job: &Claimed,
        attempt: i16,
        message: &Message,
        transmission: Transmission,
    ) -> (Outcome, Option<Refusal>) {
        let breaker = &self.shared.breaker;
        let from = Some(&message.from);
        let answered = |reply: Reply| (i16::try_from(reply.code).ok(), reply.text);
        let policy = |reply: &Reply| RelayProblem::Policy(reply::masked(reply));
        let others_first = || Verdict::NotNow(Utc::now() + LET_OTHERS_TRY);
        let mut refusal = None;
        let (verdict, (smtp_code, smtp_text)) = match transmission.masked(&message.to) {
            Transmission::Accepted(reply) => {
                breaker.accepted();
                self.shared.connection_limit.accepted(Instant::now());
                (Verdict::Accepted, answered(reply))
            }
            Transmission::Rejected(reply) => {
                let key = reply::pattern(&reply);
                if breaker.is_uniform_again(&key, policy(&reply), &message.from) {
                    (others_first(), answered(reply))
                } else {
                    breaker.answered();
                    refusal = Some(Refusal { id: job.id, attempt, reply: key });
                    (Verdict::Rejected, answered(reply))
                }
            }
            Transmission::Later(reply) => {
                breaker.answered();
                later(job.kind, attempt, answered(reply))
            }
            Transmission::Overloaded(reply) => {
                match self.shared.connection_limit.overloaded(job.id, Instant::now()) {
                    Some(wait) => {
                        breaker.answered();
                        let wait = chrono::TimeDelta::from_std(wait).unwrap_or(LET_OTHERS_TRY);
                        (Verdict::NotNow(Utc::now() + wait), answered(reply))
                    }
                    None => later(job.kind, attempt, answered(reply)),
                }
            }
            Transmission::Refused(problem, reply) => {
                match breaker.judge(message.to.parts().1, &reply::pattern(&reply)) {
                    Judgement::Recipients => later(job.kind, attempt, answered(reply)),
                    Judgement::TryOthers => (others_first(), answered(reply)),
                    Judgement::Us => {
                        breaker.trip(problem, from);
                        (others_first(), answered(reply))
                    }
                }
            }
            Transmission::BrokenBefore(what) => later(job.kind, attempt, (None, what)),
            Transmission::BrokenAfter(what) => (Verdict::Unknown, (None, what)),
            Transmission::LineEnded(what) => (Verdict::Untried, (None, what)),
            Transmission::Relay(problem) => {
                // Says nothing about this recipient: it waits, due at once, behind the breaker.
                let text = problem.to_string();
                breaker.trip(problem, from);
                (Verdict::Untried, (None, text))
            }
        };
        log(job, verdict, smtp_code, &smtp_text);
        (Outcome { id: job.id, attempt, verdict, smtp_code, smtp_text }, refusal)
    }

    /// Has how the last transmission ended recorded, and the next one marked; answers whether that may begin.
    async fn record(&self, finished: &mut Option<Finished>, intent: Option<Intent>) -> bool {
        let last = finished.as_ref().map(|finished| finished.batch);
        let granted = self.recorder.settle(finished.take(), intent).await;
        if let Some(batch) = last {
            self.shared.buffer.settled(batch);
        }
        granted
    }

    async fn settle(&self, finished: &mut Option<Finished>) {
        if finished.is_some() {
            self.record(finished, None).await;
        }
    }
}

/// Waits until the worker stops. The watch's guard is dropped here, before anybody awaits anything else.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

fn later(
    kind: DeliveryKind,
    attempt: i16,
    (code, text): (Option<i16>, String),
) -> (Verdict, (Option<i16>, String)) {
    let random = getrandom::u32().unwrap_or_default();
    // A confirmation is tried until its signup expires; the mark sees to that.
    let most = if kind == DeliveryKind::Confirmation { i16::MAX } else { MOST_ATTEMPTS };
    match due_after(attempt, most, random, Utc::now()) {
        Some(due) => (Verdict::Later(due), (code, text)),
        None => (Verdict::Rejected, (code, format!("given up after {attempt} attempts: {text}"))),
    }
}

/// Which delivery it is, of what and for which mailing stands in the span of the attempt.
fn log(job: &Claimed, verdict: Verdict, code: Option<i16>, text: &str) {
    // Masking costs something, and most messages are accepted and not logged.
    let to = || job.address.as_ref().map(EmailAddress::masked).unwrap_or_default();
    // Relays like to quote the address they refuse.
    let text = || mask_addresses(text);
    match verdict {
        Verdict::Accepted => tracing::debug!(to = to(), "accepted by the relay"),
        Verdict::Rejected => {
            tracing::warn!(to = to(), code, text = text(), "rejected by the relay");
        }
        Verdict::Unknown => {
            tracing::warn!(to = to(), text = text(), "nobody knows whether the relay has it");
        }
        Verdict::Later(due) => {
            tracing::info!(to = to(), code, text = text(), %due, "put off");
        }
        Verdict::NotNow(due) => {
            tracing::info!(to = to(), code, text = text(), %due, "waits, not counted as a try");
        }
        Verdict::Untried => {
            tracing::info!(to = to(), text = text(), "the relay does not take it at the moment");
        }
    }
}
