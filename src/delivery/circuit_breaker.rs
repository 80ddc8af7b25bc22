//! The gate: whether the relay can be used, since when not, and why.

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
        metrics::Breaker,
        retry::{refused_pause, relay_pause},
        smtp::problem::RelayProblem,
    },
    domain::{address::EmailAddress, ids::MailingId},
    telemetry::mask_addresses,
};

/// One worker's view of the relay, shared by its senders.
pub struct Gate {
    open: watch::Sender<bool>,
    state: Mutex<State>,
    /// Whether refusals may be noted that an acceptance has to delete: of this worker, or of one that died.
    run_may_stand: AtomicBool,
    /// What it is open for, as a circuit breaker, for whoever watches the service.
    breaker: Breaker,
}

#[derive(Default)]
struct State {
    /// Trouble in a row; only an accepted or refused message ends the row, a mere connection does not.
    failures: u32,
    /// When that row began.
    since: Option<Instant>,
    closed: Option<Closed>,
    /// See [`Gate::retire`].
    is_retired: bool,
    /// After a refusal of our mail one message at a time goes, until one of them is not refused like that.
    trial: Option<Trial>,
    /// What the relay gave to everybody.
    said_to_all: Option<SaidToAll>,
    /// Such a run was found, and nobody has put back what was refused in it.
    run_found: bool,
    /// Recipients' domains with a refusal that may be about us or about them.
    suspects: HashSet<(String, String)>,
    /// How often in a row a trial met a suspect that was known.
    same_again: u8,
    /// Those after whose refusal the relay has accepted other mail, and when.
    cleared: HashMap<(String, String), Instant>,
}

/// A reply that the relay gave to everybody.
struct SaidToAll {
    reply: String,
    /// How often people had let this reply stand when that was first looked up.
    let_stand: Option<i64>,
}

impl State {
    fn is_said_to_all(&self, reply: &str) -> bool {
        self.said_to_all.as_ref().is_some_and(|said| said.reply == reply)
    }

    fn lets_in(&self) -> bool {
        self.closed.is_none() && self.trial != Some(Trial::UnderWay)
    }
}

/// Whether somebody tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    Free,
    UnderWay,
}

/// Whom a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The recipients at this domain.
    Them,
    /// Us, as far as can be known.
    Us,
    /// Others are to be tried first.
    AskOthers,
}

/// Trials that may meet the same refusal at the same domain before that counts as an answer.
const MOST_SAME_AGAIN: u8 = 5;

/// Whether a sender may take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It may not.
    Barred,
    /// It may.
    Free,
    /// It may, and is the only one. It says [`Gate::leave`] when it is done with the message.
    OnTrial,
}

/// How long a refusal counts as about a domain's recipients, because other mail was accepted after it. A quota may be used
/// up again later.
const CLEARED: Duration = Duration::from_hours(1);

/// Suspects remembered at most.
const SUSPECTS: usize = 1_000;

/// Why and since when the gate is closed.
#[derive(Debug, Clone)]
pub struct Closed {
    /// When a sender last ran into it; nothing when it was a probe.
    ran_into: Option<Instant>,
    /// When to try it again.
    pub try_again: Instant,
    /// The sender that the relay did not take. It is asked about that before messages are.
    pub sender: Option<EmailAddress>,
    /// The latest trouble.
    problem: RelayProblem,
    /// The mailings that were paused for it. Somebody may have let them go on since, staff or a worker that reaches the
    /// relay; only a fresh refusal pauses them again.
    told: HashSet<MailingId>,
}

impl Gate {
    /// An open gate, which tells this breaker whenever that changes.
    pub fn new(breaker: Breaker) -> Self {
        breaker.is(None, false);
        let (open, run_may_stand) = (watch::Sender::new(true), AtomicBool::new(true));
        Self { open, state: Mutex::default(), run_may_stand, breaker }
    }

    /// Closes the gate, or keeps it closed for longer. `sender` is the address at which the relay refused to go on.
    pub fn close(&self, problem: RelayProblem, sender: Option<&EmailAddress>) {
        self.shut(&mut self.state(), problem, sender, Some(Instant::now()));
    }

    /// Keeps the gate closed: a probe has shown that the relay cannot be used yet.
    pub fn keep_closed(&self, problem: RelayProblem) {
        self.shut(&mut self.state(), problem, None, None);
    }

    /// Closes the gate: the relay gives this reply to everybody.
    pub fn close_for_run(&self, problem: RelayProblem, reply: &str) {
        {
            let mut state = self.state();
            state.said_to_all = Some(SaidToAll { reply: reply.to_owned(), let_stand: None });
            state.run_found = true;
        }
        self.close(problem, None);
    }

    /// Whether this reply is one that the relay gave to everybody, and nothing has been accepted since.
    pub fn is_said_to_all(&self, reply: &str) -> bool {
        self.state().is_said_to_all(reply)
    }

    /// As [`Gate::is_said_to_all`], of a message that has just got this reply: closes the gate again. After a person has
    /// let a mailing go on, a few others are asked first: the first one may be an address that is gone.
    pub fn is_said_again(&self, reply: &str, problem: RelayProblem, sender: &EmailAddress) -> bool {
        // Under one lock: nothing closes for a run that a person has just let stand.
        let mut state = self.state();
        if !state.is_said_to_all(reply) {
            return false;
        }
        let on_trial = state.trial.is_some() && state.closed.is_none();
        let asks_others = on_trial && state.same_again < MOST_SAME_AGAIN;
        state.same_again = if asks_others { state.same_again + 1 } else { 0 };
        if !asks_others {
            self.shut(&mut state, problem, Some(sender), Some(Instant::now()));
        }
        true
    }

    /// The reply that the relay gave to everybody, where nothing has been accepted since.
    pub fn said_to_all(&self) -> Option<String> {
        self.state().said_to_all.as_ref().map(|said| said.reply.clone())
    }

    /// People have let this reply stand so often. Once more than before: it was about the addresses, and everything goes
    /// again, at once. The gate may have closed for the same words since; if it is closed for others, the next message
    /// shows it.
    pub fn let_stand(&self, reply: &str, times: i64) {
        let mut state = self.state();
        let Some(said) = state.said_to_all.as_mut().filter(|said| said.reply == reply) else { return };
        if *said.let_stand.get_or_insert(times) == times {
            return;
        }
        state.said_to_all = None;
        state.trial = None;
        state.same_again = 0;
        if matches!(state.closed, Some(Closed { problem: RelayProblem::Policy(_), .. })) {
            state.closed = None;
        }
        self.publish(&state);
    }

    /// Says whether refusals may be noted.
    pub fn set_run_may_stand(&self, may: bool) {
        self.run_may_stand.store(may, Ordering::Relaxed);
    }

    /// Whether refusals may be noted.
    pub fn run_may_stand(&self) -> bool {
        self.run_may_stand.load(Ordering::Relaxed)
    }

    /// Whether a run was found since the last question.
    pub fn take_run(&self) -> bool {
        std::mem::take(&mut self.state().run_found)
    }

    /// Whom a refusal at this domain is about that may be about us or about its recipients. About these, when other
    /// mail was accepted after the same one.
    pub fn judge(&self, domain: &str, reply: &str) -> Judgement {
        let suspect = (domain.to_ascii_lowercase(), reply.to_owned());
        let mut state = self.state();
        if state.cleared.get(&suspect).is_some_and(|at| at.elapsed() < CLEARED) {
            return Judgement::Them;
        }
        let on_trial = state.trial.is_some() && state.closed.is_none();
        if on_trial && state.suspects.contains(&suspect) && state.same_again < MOST_SAME_AGAIN {
            state.same_again += 1;
            return Judgement::AskOthers;
        }
        state.same_again = 0;
        if state.suspects.len() < SUSPECTS {
            state.suspects.insert(suspect);
        }
        Judgement::Us
    }

    /// Asks for a message. To be asked with the message in hand, because it may be the only one.
    pub fn enter(&self) -> Entry {
        let mut state = self.state();
        match state.trial {
            _ if state.closed.is_some() => Entry::Barred,
            None => Entry::Free,
            Some(Trial::UnderWay) => Entry::Barred,
            Some(Trial::Free) => {
                state.trial = Some(Trial::UnderWay);
                self.publish(&state);
                Entry::OnTrial
            }
        }
    }

    /// The message on trial is done with, whatever came of it.
    pub fn leave(&self) {
        let mut state = self.state();
        if state.trial.is_some() {
            state.trial = Some(Trial::Free);
        }
        self.publish(&state);
    }

    /// Tells those who wait whether [`Gate::enter`] would let somebody in. With the state locked, so that what is told last
    /// is what is so.
    fn publish(&self, state: &State) {
        self.open.send_replace(state.lets_in());
        if state.is_retired {
            return;
        }
        let problem = state.closed.as_ref().map(|closed| closed.problem.name());
        self.breaker.is(problem, state.trial.is_some());
    }

    fn shut(
        &self,
        state: &mut State,
        problem: RelayProblem,
        sender: Option<&EmailAddress>,
        ran_into: Option<Instant>,
    ) {
        let now = Instant::now();
        // Several senders run into the same trouble at the same time: that is one failure.
        let waiting = state.closed.as_ref().is_some_and(|closed| closed.try_again > now);
        if !waiting {
            state.failures = state.failures.saturating_add(1);
            let problem = mask_addresses(&problem.to_string());
            tracing::warn!(problem, "the relay cannot be used; trying again by and by");
        }
        state.since.get_or_insert(now);
        let before = state.closed.take();
        let sender = sender.cloned().or_else(|| before.as_ref()?.sender.clone());
        let told = match (&problem, before) {
            (
                RelayProblem::Unreachable(_),
                Some(closed @ Closed { problem: RelayProblem::Unreachable(_), .. }),
            ) => closed.told,
            _ => HashSet::new(),
        };
        let pause: Duration = if let RelayProblem::Policy(_) = problem {
            state.trial.get_or_insert(Trial::Free);
            refused_pause(state.failures)
        } else {
            relay_pause(state.failures)
        };
        state.closed = Some(Closed { ran_into, try_again: now + pause, sender, problem, told });
        self.publish(state);
    }

    /// Opens the gate: a connection could be made. What it is worth shows with the first message.
    pub fn open(&self) {
        let mut state = self.state();
        state.closed = None;
        self.publish(&state);
    }

    /// Somebody has a connection: if the gate was closed for want of one, it opens.
    pub fn reached(&self) {
        if matches!(self.closed(), Some(Closed { problem: RelayProblem::Unreachable(_), sender: None, .. })) {
            self.open();
        }
    }

    /// A message got through to an answer: whatever was wrong is over.
    pub fn works(&self) {
        self.is_well(false);
    }

    /// A message was accepted.
    pub fn accepted(&self) {
        self.is_well(true);
    }

    fn is_well(&self, accepted: bool) {
        let mut state = self.state();
        // A message on trial that is put off, or whose recipient is gone, does not show that our mail is taken.
        if state.closed.is_some() || (state.trial.is_some() && !accepted) {
            return;
        }
        state.failures = 0;
        state.since = None;
        state.said_to_all = None;
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

    /// Whether one of these mailings was paused because our mail is refused, and somebody has let it go on: then one
    /// message is tried at once.
    pub fn take_resumed(&self, sending: &[MailingId]) -> bool {
        let mut state = self.state();
        let Some(closed @ Closed { problem: RelayProblem::Policy(_), .. }) = &mut state.closed else {
            return false;
        };
        let before = closed.told.len();
        closed.told.retain(|mailing| !sending.contains(mailing));
        closed.told.len() < before
    }

    /// Why this mailing should pause, if it should: at once when the relay refuses us, and when it has been away for
    /// `patience`; once for the same trouble.
    pub fn reason_to_pause(&self, mailing: MailingId, patience: Duration) -> Option<RelayProblem> {
        let state = self.state();
        let closed = state.closed.as_ref().filter(|closed| !closed.told.contains(&mailing))?;
        let pauses = match closed.problem {
            RelayProblem::Unreachable(_) => state.since.is_some_and(|since| since.elapsed() >= patience),
            RelayProblem::Login(_) | RelayProblem::Sender(_) | RelayProblem::Policy(_) => true,
        };
        pauses.then(|| closed.problem.clone())
    }

    /// This mailing has been paused for what the gate is closed for.
    pub fn told(&self, mailing: MailingId) {
        if let Some(closed) = &mut self.state().closed {
            closed.told.insert(mailing);
        }
    }

    /// Whether a sender ran into it a moment ago: that is fresher than anything a probe could find.
    pub fn is_fresh(&self) -> bool {
        let state = self.state();
        let ran_into = state.closed.as_ref().and_then(|closed| closed.ran_into);
        ran_into.is_some_and(|at| at.elapsed() < Duration::from_secs(1))
    }

    /// Whether [`Gate::enter`] would let somebody in now.
    pub fn is_open(&self) -> bool {
        self.state().lets_in()
    }

    /// What kind of trouble the gate is closed for, if it is.
    pub fn trouble(&self) -> Option<&'static str> {
        self.state().closed.as_ref().map(|closed| closed.problem.name())
    }

    /// Its worker's run has ended: what its last senders meet is not told as the state of the next one.
    pub fn retire(&self) {
        self.state().is_retired = true;
    }

    /// Why the gate is closed, if it is.
    pub fn closed(&self) -> Option<Closed> {
        self.state().closed.clone()
    }

    /// Waits until the gate is open.
    pub async fn passable(&self) {
        let mut open = self.open.subscribe();
        // The sender lives as long as the gate; an error cannot happen.
        let _ = open.wait_for(|open| *open).await;
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
    fn turned_away(gate: &Gate) {
        let sender = EmailAddress::parse("brief@example.org").unwrap();
        gate.close(RelayProblem::Unreachable("451 4.3.2 not now".into()), Some(&sender));
    }

    /// Lets the trouble have begun a minute earlier.
    fn let_a_minute_pass(gate: &Gate) {
        let mut state = gate.state();
        state.since = state.since.and_then(|since| since.checked_sub(MINUTE));
    }

    #[test]
    fn connections_that_carry_no_message_do_not_end_the_trouble() {
        let (gate, mailing) = (Gate::new(Breaker::default()), MailingId::new());
        turned_away(&gate);
        assert!(gate.reason_to_pause(mailing, Duration::ZERO).is_some());
        assert!(gate.reason_to_pause(mailing, MINUTE).is_none(), "it has just begun");
        let_a_minute_pass(&gate);
        // The relay is asked again, takes the connection, and turns the next MAIL away as well.
        gate.open();
        assert!(
            gate.reason_to_pause(mailing, Duration::ZERO).is_none(),
            "nothing pauses behind an open gate"
        );
        turned_away(&gate);
        assert!(gate.reason_to_pause(mailing, MINUTE).is_some());
    }

    #[test]
    fn a_message_with_an_answer_ends_the_trouble() {
        let (gate, mailing) = (Gate::new(Breaker::default()), MailingId::new());
        turned_away(&gate);
        let_a_minute_pass(&gate);
        gate.open();
        gate.works();
        turned_away(&gate);
        assert!(gate.reason_to_pause(mailing, Duration::ZERO).is_some());
        assert!(gate.reason_to_pause(mailing, MINUTE).is_none(), "this trouble is a new one");
    }

    #[test]
    fn a_mere_connection_opens_a_gate_that_was_closed_for_want_of_one_and_no_other() {
        let gate = Gate::new(Breaker::default());
        turned_away(&gate);
        gate.reached();
        assert!(gate.closed().is_some());
        gate.open();
        gate.close(RelayProblem::Unreachable("nobody answers".into()), None);
        gate.reached();
        assert!(gate.closed().is_none());
    }

    fn refused(gate: &Gate) {
        gate.close(RelayProblem::Policy("550 5.4.5 enough".into()), None);
    }

    #[test]
    fn after_a_refusal_of_our_mail_one_message_goes_at_a_time() {
        let gate = Gate::new(Breaker::default());
        assert_eq!(gate.enter(), Entry::Free);
        refused(&gate);
        assert_eq!(gate.enter(), Entry::Barred);
        gate.open();
        assert_eq!((gate.enter(), gate.enter()), (Entry::OnTrial, Entry::Barred));
        // It came to nothing: the next one.
        gate.leave();
        assert_eq!(gate.enter(), Entry::OnTrial);
        refused(&gate);
        gate.leave();
        assert_eq!(gate.enter(), Entry::Barred);
        gate.open();
        assert_eq!(gate.enter(), Entry::OnTrial);
        gate.accepted();
        gate.leave();
        assert_eq!((gate.enter(), gate.enter()), (Entry::Free, Entry::Free));
    }

    #[test]
    fn a_mailing_that_is_let_go_on_is_tried_at_once_and_once() {
        let (gate, mailing) = (Gate::new(Breaker::default()), MailingId::new());
        refused(&gate);
        gate.told(mailing);
        assert!(!gate.take_resumed(&[MailingId::new()]));
        assert!(gate.take_resumed(&[mailing]));
        assert!(!gate.take_resumed(&[mailing]));
    }

    #[test]
    fn what_one_provider_refuses_while_others_accept_is_about_its_recipients() {
        let gate = Gate::new(Breaker::default());
        assert_eq!(gate.judge("one.example", "550 spam"), Judgement::Us);
        assert_eq!(gate.judge("one.example", "550 spam"), Judgement::Us, "nothing was accepted since");
        gate.accepted();
        assert_eq!(gate.judge("One.example", "550 spam"), Judgement::Them);
        assert_eq!(gate.judge("two.example", "550 spam"), Judgement::Us);
        assert_eq!(gate.judge("one.example", "550 something else"), Judgement::Us);
    }

    #[test]
    fn a_trial_asks_others_before_the_same_refusal_closes_the_gate_again() {
        let gate = Gate::new(Breaker::default());
        assert_eq!(gate.judge("one.example", "550 spam"), Judgement::Us);
        refused(&gate);
        gate.open();
        for _ in 0..MOST_SAME_AGAIN {
            assert_eq!(gate.judge("one.example", "550 spam"), Judgement::AskOthers);
        }
        assert_eq!(gate.judge("one.example", "550 spam"), Judgement::Us);
        assert_eq!(gate.judge("two.example", "550 spam"), Judgement::Us);
    }

    #[test]
    fn what_is_let_stand_closes_nothing_any_more() {
        let gate = Gate::new(Breaker::default());
        let (gone, mailing) = ("550 no such user", MailingId::new());
        let sender = EmailAddress::parse("brief@example.org").unwrap();
        let problem = || RelayProblem::Policy(gone.into());
        gate.close_for_run(problem(), gone);
        gate.let_stand(gone, 3);
        gate.open();
        // Somebody lets it stand, the mailing goes on, and what is refused before that is looked up closes the gate again.
        while gate.is_open() {
            assert!(gate.is_said_again(gone, problem(), &sender));
        }
        gate.let_stand("550 something else", 4);
        assert!(gate.reason_to_pause(mailing, MINUTE).is_some());
        gate.let_stand(gone, 4);
        assert!(gate.is_open());
        assert!(gate.reason_to_pause(mailing, MINUTE).is_none());
        assert!(!gate.is_said_again(gone, problem(), &sender));
    }
}
