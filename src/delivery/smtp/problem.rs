//! Problems with the relay that are about us and not about a recipient.

/// Everything that waits goes on waiting.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RelayProblem {
    /// No line, or a line that broke, or a reply that says "not now". Tried again by itself.
    #[error("the mail relay cannot be reached: {0}")]
    Unreachable(String),
    /// The relay refuses our login, or wants one. A person has to mend that.
    #[error("the mail relay refuses our login: {0}")]
    Login(String),
    /// The relay refuses our sender address. A person has to mend that.
    #[error("the mail relay refuses our sender address: {0}")]
    Sender(String),
    /// The relay refuses our mail whoever it is for: a quota is used up, it does not relay for us, we are on a
    /// blocklist. A person has to mend that, or to wait.
    #[error("the mail relay refuses our mail: {0}")]
    Policy(String),
}

impl RelayProblem {
    /// Its kind, as metrics and `workers.relay` have it.
    pub fn name(&self) -> &'static str {
        match self {
            RelayProblem::Unreachable(_) => "unreachable",
            RelayProblem::Login(_) => "login",
            RelayProblem::Sender(_) => "sender",
            RelayProblem::Policy(_) => "policy",
        }
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
