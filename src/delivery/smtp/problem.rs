//! Problems with the relay that are about us and not about a recipient.

use crate::domain::mailing::PauseKind;

/// Why the relay cannot be used. What is queued keeps waiting.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RelayProblem {
    /// No line, or a line that broke, or a reply that says "not now". Tried again by itself.
    #[error("{}", PauseKind::Unreachable.reason(.0))]
    Unreachable(String),
    /// The relay refuses our login, or wants one. A person has to mend that.
    #[error("{}", PauseKind::Login.reason(.0))]
    Login(String),
    /// The relay refuses our sender address. A person has to mend that.
    #[error("{}", PauseKind::Sender.reason(.0))]
    Sender(String),
    /// The relay refuses our mail whoever it is for: a quota is used up, it does not relay for us, we are on a
    /// blocklist. A person has to mend that, or to wait.
    #[error("{}", PauseKind::Policy.reason(.0))]
    Policy(String),
}

impl RelayProblem {
    /// The kind of pause that it causes.
    pub fn pause_kind(&self) -> PauseKind {
        match self {
            RelayProblem::Unreachable(_) => PauseKind::Unreachable,
            RelayProblem::Login(_) => PauseKind::Login,
            RelayProblem::Sender(_) => PauseKind::Sender,
            RelayProblem::Policy(_) => PauseKind::Policy,
        }
    }

    /// Its name, as metrics and `workers.relay` have it.
    pub fn name(&self) -> &'static str {
        self.pause_kind().name()
    }

    /// The same problem, with its text changed by this.
    #[must_use]
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Unreachable(words) => Self::Unreachable(change(words)),
            Self::Login(words) => Self::Login(change(words)),
            Self::Sender(words) => Self::Sender(change(words)),
            Self::Policy(words) => Self::Policy(change(words)),
        }
    }
}
