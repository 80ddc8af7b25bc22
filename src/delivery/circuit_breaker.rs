//! The circuit breaker: whether the relay can be used, since when not, and why.
//!
//! It is *passable* until a sender runs into a problem that is not about one recipient; then it is *tripped*, and nothing
//! is sent until a probe or a sender reaches the relay again. After a refusal of our mail it lets through one message at
//! a time, *on trial*, until one of them is accepted.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    delivery::{
        metrics::BreakerGauges,
        retry::{refused_pause, relay_pause},
        smtp::problem::RelayProblem,
    },
    domain::{address::EmailAddress, ids::MailingId},
    telemetry::mask_addresses,
};

/// One worker's view of the relay, shared by its senders.
pub struct CircuitBreaker {
    /// What [`State::is_passable`] says, for those who wait.
    passable: watch::Sender<bool>,
    state: Mutex<State>,
    /// Whether the database may hold refusals that an acceptance has to delete: of this worker, or of one that died.
    run_may_stand: AtomicBool,
    /// Its state as metrics.
    gauges: BreakerGauges,
}

#[derive(Default)]
struct State {
    /// Failures in a row; only an accepted or refused message ends the row, a mere connection does not.
    failures: u32,
    /// When that row began.
    since: Option<Instant>,
    tripped: Option<Tripped>,
    /// See [`CircuitBreaker::retire`].
    is_retired: bool,
    /// After a refusal of our mail one message at a time goes, until one of them is not refused like that.
    trial: Option<Trial>,
    /// The refusal that the relay gave to everybody.
    uniform_refusal: Option<UniformRefusal>,
    /// Such a run was found, and what was refused in it has not been put back.
    run_found: bool,
    /// Recipients' domains with a refusal that may be about us or about them.
    suspects: HashSet<(String, String)>,
    /// How often in a row a trial met a suspect that was known.
    same_again: u8,
    /// Those after whose refusal the relay has accepted other mail, and when.
    cleared: HashMap<(String, String), Instant>,
}

/// A reply that the relay gave to everybody.
struct UniformRefusal {
    reply: String,
    /// How often people had accepted this reply as one about the addresses when that was first looked up.
    times_accepted: Option<i64>,
}

impl State {
    fn is_uniform_refusal(&self, reply: &str) -> bool {
        self.uniform_refusal.as_ref().is_some_and(|said| said.reply == reply)
    }

    fn is_passable(&self) -> bool {
        self.tripped.is_none() && self.trial != Some(Trial::UnderWay)
    }
}

/// Whether a message is on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    Free,
    UnderWay,
}

/// Whom a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The recipients at this domain.
    Recipients,
    /// Us, as far as can be known.
    Us,
    /// Others are to be tried first.
    TryOthers,
}

/// Trials that may meet the same refusal at the same domain before that trips the breaker again.
const MOST_SAME_AGAIN: u8 = 5;

/// Whether a sender may take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may not.
    Refused,
    /// It may.
    Free,
    /// It may, and is the only one. It calls [`CircuitBreaker::trial_over`] when it is done with the message.
    OnTrial,
}

/// How long a refusal counts as about a domain's recipients, because other mail was accepted after it. A quota may be used
/// up again later.
const CLEARED: Duration = Duration::from_hours(1);

/// Suspects remembered at most.
const SUSPECTS: usize = 1_000;

/// Why and since when nothing is sent.
#[derive(Debug, Clone)]
pub struct Tripped {
    /// When a sender last ran into the problem; `None` when a probe did.
    ran_into: Option<Instant>,
    /// When to probe the relay.
    pub try_again: Instant,
    /// The sender that the relay did not take. It is asked about that before messages are.
    pub sender: Option<EmailAddress>,
    /// The latest problem.
    problem: RelayProblem,
    /// The mailings that were paused for it. Somebody may have let them go on since, staff or a worker that reaches the
    /// relay; only a fresh refusal pauses them again.
    paused: HashSet<MailingId>,
}

impl CircuitBreaker {
    /// A passable breaker, which keeps these metrics up to date.
    pub fn new(gauges: BreakerGauges) -> Self {
        gauges.set(None, false);
        let (passable, run_may_stand) = (watch::Sender::new(true), AtomicBool::new(true));
        Self { passable, state: Mutex::default(), run_may_stand, gauges }
    }

    /// Stops sending, or keeps it stopped for longer. `sender` is the envelope sender at which the relay refused to go on.
    pub fn trip(&self, problem: RelayProblem, sender: Option<&EmailAddress>) {
        self.trip_locked(&mut self.state(), problem, sender, Some(Instant::now()));
    }

    /// Keeps sending stopped: a probe has shown that the relay cannot be used yet.
    pub fn keep_tripped(&self, problem: RelayProblem) {
        self.trip_locked(&mut self.state(), problem, None, None);
    }

    /// Stops sending: the relay gives this reply to everybody.
    pub fn trip_for_run(&self, problem: RelayProblem, reply: &str) {
        {
            let mut state = self.state();
            state.uniform_refusal = Some(UniformRefusal { reply: reply.to_owned(), times_accepted: None });
            state.run_found = true;
        }
        self.trip(problem, None);
    }

    /// Whether this reply is one that the relay gave to everybody, and nothing has been accepted since.
    pub fn is_uniform_refusal(&self, reply: &str) -> bool {
        self.state().is_uniform_refusal(reply)
    }

    /// As [`CircuitBreaker::is_uniform_refusal`], for a message that has just got this reply: trips again. After a person
    /// has resumed a mailing, a few other recipients are tried first: the first one may be an address that is gone.
    pub fn is_uniform_again(&self, reply: &str, problem: RelayProblem, sender: &EmailAddress) -> bool {
        // Under one lock: a run that a person has just accepted trips nothing.
        let mut state = self.state();
        if !state.is_uniform_refusal(reply) {
            return false;
        }
        let on_trial = state.trial.is_some() && state.tripped.is_none();
        let tries_others = on_trial && state.same_again < MOST_SAME_AGAIN;
        state.same_again = if tries_others { state.same_again + 1 } else { 0 };
        if !tries_others {
            self.trip_locked(&mut state, problem, Some(sender), Some(Instant::now()));
        }
        true
    }

    /// The reply that the relay gave to everybody, where nothing has been accepted since.
    pub fn uniform_refusal(&self) -> Option<String> {
        self.state().uniform_refusal.as_ref().map(|said| said.reply.clone())
    }

    /// Takes note of how many times people have accepted this refusal as one about the addresses. When that is more than
    /// before, sending goes on at once. The breaker may have tripped for the same words since; if it is tripped for
    /// others, the next message shows it.
    pub fn accept_refusals(&self, reply: &str, times: i64) {
        let mut state = self.state();
        let Some(said) = state.uniform_refusal.as_mut().filter(|said| said.reply == reply) else { return };
        if *said.times_accepted.get_or_insert(times) == times {
            return;
        }
        state.uniform_refusal = None;
        state.trial = None;
        state.same_again = 0;
        if matches!(state.tripped, Some(Tripped { problem: RelayProblem::Policy(_), .. })) {
            state.tripped = None;
        }
        self.publish(&state);
    }

    /// Sets [`CircuitBreaker::run_may_stand`].
    pub fn set_run_may_stand(&self, may: bool) {
        self.run_may_stand.store(may, Ordering::Relaxed);
    }

    /// Whether the database may hold refusals of a run that an acceptance has to end.
    pub fn run_may_stand(&self) -> bool {
        self.run_may_stand.load(Ordering::Relaxed)
    }

    /// Whether a run was found since the last question.
    pub fn take_run_found(&self) -> bool {
        std::mem::take(&mut self.state().run_found)
    }

    /// Whom a refusal at this domain is about that may be about us or about its recipients. About these, when other
    /// mail was accepted after the same one.
    pub fn judge(&self, domain: &str, reply: &str) -> Judgement {
        let suspect = (domain.to_ascii_lowercase(), reply.to_owned());
        let mut state = self.state();
        if state.cleared.get(&suspect).is_some_and(|at| at.elapsed() < CLEARED) {
            return Judgement::Recipients;
        }
        let on_trial = state.trial.is_some() && state.tripped.is_none();
        if on_trial && state.suspects.contains(&suspect) && state.same_again < MOST_SAME_AGAIN {
            state.same_again += 1;
            return Judgement::TryOthers;
        }
        state.same_again = 0;
        if state.suspects.len() < SUSPECTS {
            state.suspects.insert(suspect);
        }
        Judgement::Us
    }

    /// Asks to send a message. To be called with the message claimed, because it may be the only one let through.
    pub fn admit(&self) -> Admission {
        let mut state = self.state();
        match state.trial {
            _ if state.tripped.is_some() => Admission::Refused,
            None => Admission::Free,
            Some(Trial::UnderWay) => Admission::Refused,
            Some(Trial::Free) => {
                state.trial = Some(Trial::UnderWay);
                self.publish(&state);
                Admission::OnTrial
            }
        }
    }

    /// The message on trial is done with, whatever came of it.
    pub fn trial_over(&self) {
        let mut state = self.state();
        if state.trial.is_some() {
            state.trial = Some(Trial::Free);
        }
        self.publish(&state);
    }

    /// Tells those who wait whether [`CircuitBreaker::admit`] would let a message through. Called with the state locked, so
    /// that what is published last is the latest.
    fn publish(&self, state: &State) {
        self.passable.send_replace(state.is_passable());
        if state.is_retired {
            return;
        }
        let problem = state.tripped.as_ref().map(|tripped| tripped.problem.name());
        self.gauges.set(problem, state.trial.is_some());
    }

    fn trip_locked(
        &self,
        state: &mut State,
        problem: RelayProblem,
        sender: Option<&EmailAddress>,
        ran_into: Option<Instant>,
    ) {
        let now = Instant::now();
        // Several senders run into the same problem at the same time: that is one failure.
        let waiting = state.tripped.as_ref().is_some_and(|tripped| tripped.try_again > now);
        if !waiting {
            state.failures = state.failures.saturating_add(1);
            let problem = mask_addresses(&problem.to_string());
            tracing::warn!(problem, "the relay cannot be used; trying again by and by");
        }
        state.since.get_or_insert(now);
        let before = state.tripped.take();
        let sender = sender.cloned().or_else(|| before.as_ref()?.sender.clone());
        let paused = match (&problem, before) {
            (
                RelayProblem::Unreachable(_),
                Some(tripped @ Tripped { problem: RelayProblem::Unreachable(_), .. }),
            ) => tripped.paused,
            _ => HashSet::new(),
        };
        let pause: Duration = if let RelayProblem::Policy(_) = problem {
            state.trial.get_or_insert(Trial::Free);
            refused_pause(state.failures)
        } else {
            relay_pause(state.failures)
        };
        state.tripped = Some(Tripped { ran_into, try_again: now + pause, sender, problem, paused });
        self.publish(state);
    }

    /// Lets messages through: a connection could be made. What it is worth shows with the first message.
    pub fn reset(&self) {
        let mut state = self.state();
        state.tripped = None;
        self.publish(&state);
    }

    /// A connection was made: if the breaker was tripped for want of one, it is reset.
    pub fn reached(&self) {
        if matches!(self.tripped(), Some(Tripped { problem: RelayProblem::Unreachable(_), sender: None, .. }))
        {
            self.reset();
        }
    }

    /// A message got an answer that is not about us: the failures in a row are over.
    pub fn answered(&self) {
        self.note_success(false);
    }

    /// A message was accepted.
    pub fn accepted(&self) {
        self.note_success(true);
    }

    fn note_success(&self, accepted: bool) {
        let mut state = self.state();
        // A message on trial that is put off, or whose recipient is gone, does not show that our mail is taken.
        if state.tripped.is_some() || (state.trial.is_some() && !accepted) {
            return;
        }
        state.failures = 0;
        state.since = None;
        state.uniform_refusal = None;
        if accepted && !state.suspects.is_empty() {
            if state.cleared.len() >= SUSPECTS {
                state.cleared.clear();
            }
            let suspects = std::mem::take(&mut state.suspects);
            let now = Instant::now();
            state.cleared.extend(suspects.into_iter().map(|suspect| (suspect, now)));
        }
        if state.trial.take().is_some() {
            tracing::info!("the relay takes our mail again");
            self.publish(&state);
        }
    }

    /// Whether staff have resumed one of these mailings that was paused because our mail is refused: then one message is
    /// tried at once. Answers true once for each resumption.
    pub fn any_resumed(&self, sending: &[MailingId]) -> bool {
        let mut state = self.state();
        let Some(tripped @ Tripped { problem: RelayProblem::Policy(_), .. }) = &mut state.tripped else {
            return false;
        };
        let before = tripped.paused.len();
        tripped.paused.retain(|mailing| !sending.contains(mailing));
        tripped.paused.len() < before
    }

    /// Why this mailing should pause, if it should: at once when the relay refuses us, and when it has been away for
    /// `patience`; once for the same problem.
    pub fn reason_to_pause(&self, mailing: MailingId, patience: Duration) -> Option<RelayProblem> {
        let state = self.state();
        let tripped = state.tripped.as_ref().filter(|tripped| !tripped.paused.contains(&mailing))?;
        let pauses = match tripped.problem {
            RelayProblem::Unreachable(_) => state.since.is_some_and(|since| since.elapsed() >= patience),
            RelayProblem::Login(_) | RelayProblem::Sender(_) | RelayProblem::Policy(_) => true,
        };
        pauses.then(|| tripped.problem.clone())
    }

    /// This mailing has been paused for the problem.
    pub fn mailing_paused(&self, mailing: MailingId) {
        if let Some(tripped) = &mut self.state().tripped {
            tripped.paused.insert(mailing);
        }
    }

    /// Whether a sender ran into the problem within the last second: that is newer than anything a probe could find.
    pub fn is_fresh(&self) -> bool {
        let state = self.state();
        let ran_into = state.tripped.as_ref().and_then(|tripped| tripped.ran_into);
        ran_into.is_some_and(|at| at.elapsed() < Duration::from_secs(1))
    }

    /// Whether [`CircuitBreaker::admit`] would let a message through now.
    pub fn is_passable(&self) -> bool {
        self.state().is_passable()
    }

    /// The name of the problem it is tripped for, if it is.
    pub fn problem_name(&self) -> Option<&'static str> {
        self.state().tripped.as_ref().map(|tripped| tripped.problem.name())
    }

    /// Its worker's run has ended: what its last senders meet no longer changes the metrics, which are the next run's.
    pub fn retire(&self) {
        self.state().is_retired = true;
    }

    /// Why nothing is sent, if so.
    pub fn tripped(&self) -> Option<Tripped> {
        self.state().tripped.clone()
    }

    /// Waits until messages are let through.
    pub async fn wait_until_passable(&self) {
        let mut passable = self.passable.subscribe();
        // The watch's sender lives as long as the breaker; an error cannot happen.
        let _ = passable.wait_for(|passable| *passable).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// As when the relay takes the connection and turns the first MAIL away.
    fn turned_away(breaker: &CircuitBreaker) {
        let sender = EmailAddress::parse("brief@example.org").unwrap();
        breaker.trip(RelayProblem::Unreachable("451 4.3.2 not now".into()), Some(&sender));
    }

    /// Lets the failures have begun a minute earlier.
    fn let_a_minute_pass(breaker: &CircuitBreaker) {
        let mut state = breaker.state();
        state.since = state.since.and_then(|since| since.checked_sub(MINUTE));
    }

    #[test]
    fn connections_that_carry_no_message_do_not_end_the_failures_in_a_row() {
        let (breaker, mailing) = (CircuitBreaker::new(BreakerGauges::default()), MailingId::new());
        turned_away(&breaker);
        assert!(breaker.reason_to_pause(mailing, Duration::ZERO).is_some());
        assert!(breaker.reason_to_pause(mailing, MINUTE).is_none(), "it has just begun");
        let_a_minute_pass(&breaker);
        // The relay is asked again, takes the connection, and turns the next MAIL away as well.
        breaker.reset();
        assert!(
            breaker.reason_to_pause(mailing, Duration::ZERO).is_none(),
            "nothing pauses while messages are let through"
        );
        turned_away(&breaker);
        assert!(breaker.reason_to_pause(mailing, MINUTE).is_some());
    }

    #[test]
    fn a_message_with_an_answer_ends_the_failures_in_a_row() {
        let (breaker, mailing) = (CircuitBreaker::new(BreakerGauges::default()), MailingId::new());
        turned_away(&breaker);
        let_a_minute_pass(&breaker);
        breaker.reset();
        breaker.answered();
        turned_away(&breaker);
        assert!(breaker.reason_to_pause(mailing, Duration::ZERO).is_some());
        assert!(breaker.reason_to_pause(mailing, MINUTE).is_none(), "these failures are new");
    }

    #[test]
    fn a_mere_connection_resets_a_breaker_that_tripped_for_want_of_one_and_no_other() {
        let breaker = CircuitBreaker::new(BreakerGauges::default());
        turned_away(&breaker);
        breaker.reached();
        assert!(breaker.tripped().is_some());
        breaker.reset();
        breaker.trip(RelayProblem::Unreachable("nobody answers".into()), None);
        breaker.reached();
        assert!(breaker.tripped().is_none());
    }

    fn refused(breaker: &CircuitBreaker) {
        breaker.trip(RelayProblem::Policy("550 5.4.5 enough".into()), None);
    }

    #[test]
    fn after_a_refusal_of_our_mail_one_message_goes_at_a_time() {
        let breaker = CircuitBreaker::new(BreakerGauges::default());
        assert_eq!(breaker.admit(), Admission::Free);
        refused(&breaker);
        assert_eq!(breaker.admit(), Admission::Refused);
        breaker.reset();
        assert_eq!((breaker.admit(), breaker.admit()), (Admission::OnTrial, Admission::Refused));
        // It came to nothing: the next one.
        breaker.trial_over();
        assert_eq!(breaker.admit(), Admission::OnTrial);
        refused(&breaker);
        breaker.trial_over();
        assert_eq!(breaker.admit(), Admission::Refused);
        breaker.reset();
        assert_eq!(breaker.admit(), Admission::OnTrial);
        breaker.accepted();
        breaker.trial_over();
        assert_eq!((breaker.admit(), breaker.admit()), (Admission::Free, Admission::Free));
    }

    #[test]
    fn a_mailing_that_staff_resume_is_tried_at_once_and_once() {
        let (breaker, mailing) = (CircuitBreaker::new(BreakerGauges::default()), MailingId::new());
        refused(&breaker);
        breaker.mailing_paused(mailing);
        assert!(!breaker.any_resumed(&[MailingId::new()]));
        assert!(breaker.any_resumed(&[mailing]));
        assert!(!breaker.any_resumed(&[mailing]));
    }

    #[test]
    fn what_one_provider_refuses_while_others_accept_is_about_its_recipients() {
        let breaker = CircuitBreaker::new(BreakerGauges::default());
        assert_eq!(breaker.judge("one.example", "550 spam"), Judgement::Us);
        assert_eq!(breaker.judge("one.example", "550 spam"), Judgement::Us, "nothing was accepted since");
        breaker.accepted();
        assert_eq!(breaker.judge("One.example", "550 spam"), Judgement::Recipients);
        assert_eq!(breaker.judge("two.example", "550 spam"), Judgement::Us);
        assert_eq!(breaker.judge("one.example", "550 something else"), Judgement::Us);
    }

    #[test]
    fn a_trial_tries_others_before_the_same_refusal_trips_the_breaker_again() {
        let breaker = CircuitBreaker::new(BreakerGauges::default());
        assert_eq!(breaker.judge("one.example", "550 spam"), Judgement::Us);
        refused(&breaker);
        breaker.reset();
        for _ in 0..MOST_SAME_AGAIN {
            assert_eq!(breaker.judge("one.example", "550 spam"), Judgement::TryOthers);
        }
        assert_eq!(breaker.judge("one.example", "550 spam"), Judgement::Us);
        assert_eq!(breaker.judge("two.example", "550 spam"), Judgement::Us);
    }

    #[test]
    fn refusals_that_staff_have_accepted_trip_nothing_any_more() {
        let breaker = CircuitBreaker::new(BreakerGauges::default());
        let (gone, mailing) = ("550 no such user", MailingId::new());
        let sender = EmailAddress::parse("brief@example.org").unwrap();
        let problem = || RelayProblem::Policy(gone.into());
        breaker.trip_for_run(problem(), gone);
        breaker.accept_refusals(gone, 3);
        breaker.reset();
        // Staff accept it, the mailing goes on, and what is refused before that is looked up trips the breaker again.
        while breaker.is_passable() {
            assert!(breaker.is_uniform_again(gone, problem(), &sender));
        }
        breaker.accept_refusals("550 something else", 4);
        assert!(breaker.reason_to_pause(mailing, MINUTE).is_some());
        breaker.accept_refusals(gone, 4);
        assert!(breaker.is_passable());
        assert!(breaker.reason_to_pause(mailing, MINUTE).is_none());
        assert!(!breaker.is_uniform_again(gone, problem(), &sender));
    }
}
