//! The gate: whether the relay can be used, since when not, and why.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    delivery::{relay::RelayProblem, retry::relay_pause},
    domain::{address::EmailAddress, ids::MailingId},
    telemetry::mask_addresses,
};

/// One worker's view of the relay, shared by its senders.
pub struct Gate {
    open: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Trouble in a row; only an accepted or refused message ends the row, a mere connection does not.
    failures: u32,
    /// When that row began.
    since: Option<Instant>,
    closed: Option<Closed>,
}

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
    /// An open gate.
    pub fn new() -> Self {
        Self { open: watch::Sender::new(true), state: Mutex::default() }
    }

    /// Closes the gate, or keeps it closed for longer. `sender` is the address at which the relay refused to go on.
    pub fn close(&self, problem: RelayProblem, sender: Option<&EmailAddress>) {
        self.shut(problem, sender, Some(Instant::now()));
    }

    /// Keeps the gate closed: a probe has shown that the relay cannot be used yet.
    pub fn keep_closed(&self, problem: RelayProblem) {
        self.shut(problem, None, None);
    }

    fn shut(&self, problem: RelayProblem, sender: Option<&EmailAddress>, ran_into: Option<Instant>) {
        let now = Instant::now();
        let mut state = self.state();
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
        let pause: Duration = relay_pause(state.failures);
        state.closed = Some(Closed { ran_into, try_again: now + pause, sender, problem, told });
        drop(state);
        self.open.send_replace(false);
    }

    /// Opens the gate: a connection could be made. What it is worth shows with the first message.
    pub fn open(&self) {
        self.state().closed = None;
        self.open.send_replace(true);
    }

    /// Somebody has a connection: if the gate was closed for want of one, it opens.
    pub fn reached(&self) {
        if matches!(self.closed(), Some(Closed { problem: RelayProblem::Unreachable(_), sender: None, .. })) {
            self.open();
        }
    }

    /// A message got through to an answer: whatever was wrong is over.
    pub fn works(&self) {
        let mut state = self.state();
        if state.closed.is_none() {
            state.failures = 0;
            state.since = None;
        }
    }

    /// Why this mailing should pause, if it should: at once when the relay refuses us, and when it has been away for
    /// `patience`; once for the same trouble.
    pub fn reason_to_pause(&self, mailing: MailingId, patience: Duration) -> Option<RelayProblem> {
        let state = self.state();
        let closed = state.closed.as_ref().filter(|closed| !closed.told.contains(&mailing))?;
        let pauses = match closed.problem {
            RelayProblem::Unreachable(_) => state.since.is_some_and(|since| since.elapsed() >= patience),
            RelayProblem::Login(_) | RelayProblem::Sender(_) => true,
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
        let (gate, mailing) = (Gate::new(), MailingId::new());
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
        let (gate, mailing) = (Gate::new(), MailingId::new());
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
        let gate = Gate::new();
        turned_away(&gate);
        gate.reached();
        assert!(gate.closed().is_some());
        gate.open();
        gate.close(RelayProblem::Unreachable("nobody answers".into()), None);
        gate.reached();
        assert!(gate.closed().is_none());
    }
}
