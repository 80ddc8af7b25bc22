//! Why the mailbox cannot be read, in words for a log and for staff pages.

use async_imap::error::Error as ImapError;

use crate::telemetry::mask_addresses;

/// Why the mailbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{0} cannot be reached ({1}); is the server in BOUNCE_MAILBOX right?")]
    Unreachable(String, String),
    #[error(
        "the server refuses the login ({0}); check user and password in BOUNCE_MAILBOX. Where people log in with a second \
         factor, programs need a password of their own"
    )]
    Login(String),
    #[error("there is no folder {0} ({1}); BOUNCE_MAILBOX names another one behind the last /")]
    NoFolder(String, String),
    #[error(
        "nothing can be moved out of the folder {0}: it is only to be read, or is where read messages go to"
    )]
    Fixed(String),
    #[error(
        "the folders for what was read cannot be made ({0}); make Rundbrief/done and Rundbrief/unrecognised by hand"
    )]
    NoPlace(String),
    #[error(
        "the server offers neither MOVE nor UIDPLUS, so that nothing can be moved safely; let reports be delivered by LMTP \
         instead"
    )]
    CannotMove,
    #[error("some messages were recorded and cannot be moved to {0} ({1}); is the mailbox full?")]
    NotMoved(String, String),
    #[error("the server refused a command ({0})")]
    Refused(String),
    #[error("the line broke ({0})")]
    Broken(String),
    #[error("the server did not answer for a minute")]
    Late,
    #[error("the database cannot record it ({0})")]
    Database(#[from] sqlx::Error),
}

impl From<ImapError> for Trouble {
    fn from(error: ImapError) -> Self {
        Trouble::Broken(words(&error))
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        ImapError::Io(error).into()
    }
}

/// Characters that are kept of what the server says.
const WORDS: usize = 200;

/// What an error says. Where the server could not be understood, the library's words hold what it sent, and so messages.
pub fn words(error: &ImapError) -> String {
    match error {
        ImapError::No(text) | ImapError::Bad(text) => clean(text),
        ImapError::Io(error) if error.kind() != std::io::ErrorKind::Other => clean(&error.to_string()),
        ImapError::ConnectionLost => "the server ended the connection".to_owned(),
        _ => "its answer was not understood".to_owned(),
    }
}

/// The server's words in one line, with addresses masked.
pub fn clean(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    mask_addresses(&text).chars().take(WORDS).collect()
}
