//! A connection to the mailbox: login, the folders beside it, reading and moving messages.

use std::{fmt, time::Duration};

use async_imap::{Authenticator, Client, Session, error::Error as ImapError};
use futures_util::TryStreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::{BounceMailbox, Credentials},
    inbound::MOST_HELD,
    telemetry::mask_addresses,
    tls,
};

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Characters that are kept of what the server says.
const WORDS: usize = 200;

/// Where messages go that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Recorded, and it is known what it says and of which mail.
    Done,
    /// Recorded, and it waits for a person.
    Unrecognised,
}

impl Folder {
    const fn name(self) -> &'static str {
        match self {
            Folder::Done => "done",
            Folder::Unrecognised => "unrecognised",
        }
    }
}

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
        "the folders for what was read cannot be made ({0}); make Rundbrief/done and Rundbrief/unrecognised by hand"
    )]
    NoPlace(String),
    #[error(
        "the server offers neither MOVE nor UIDPLUS, so that nothing can be moved safely; let reports be delivered by LMTP instead"
    )]
    CannotMove,
    #[error("messages cannot be moved to {0} ({1}); is the mailbox full?")]
    NotMoved(String, String),
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

/// What an error says. Where the server could not be understood, the library's words hold what it sent, and so messages.
fn words(error: &ImapError) -> String {
    let text = match error {
        ImapError::No(text) | ImapError::Bad(text) => text.clone(),
        ImapError::Io(error) if error.kind() == std::io::ErrorKind::Other => {
            "its answer was not understood".to_owned()
        }
        ImapError::Io(error) => error.to_string(),
        ImapError::ConnectionLost => "the server ended the connection".to_owned(),
        _ => "its answer was not understood".to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(WORDS).collect();
    mask_addresses(&text)
}

trait Line: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Line for T {}

/// A connection whose folder is opened.
pub struct Connection {
    session: Session<Box<dyn Line>>,
    /// To what the messages' numbers belong.
    pub validity: Option<u32>,
    /// What `done` and `unrecognised` stand behind.
    place: String,
    can_idle: bool,
    can_move: bool,
}

/// Connects, logs in, makes the folders for what was read, and opens the one to read.
pub async fn open(mailbox: &BounceMailbox) -> Result<Connection, Trouble> {
    let mut session = log_in(connect(mailbox).await?, &mailbox.credentials).await?;
    let offers = in_time(session.capabilities()).await?;
    let can_move = offers.has_str("MOVE");
    if !can_move && !offers.has_str("UIDPLUS") {
        return Err(Trouble::CannotMove);
    }
    let place = place(&mut session).await?;
    let opened = in_time(session.select(&mailbox.folder)).await.map_err(|trouble| match trouble {
        Trouble::Broken(why) => Trouble::NoFolder(mailbox.folder.clone(), why),
        other => other,
    })?;
    Ok(Connection {
        session,
        validity: opened.uid_validity,
        place,
        can_idle: offers.has_str("IDLE"),
        can_move,
    })
}

async fn connect(mailbox: &BounceMailbox) -> Result<Client<Box<dyn Line>>, Trouble> {
    let unreachable = |why: String| Trouble::Unreachable(format!("{}:{}", mailbox.host, mailbox.port), why);
    let connecting = async {
        let stream = TcpStream::connect((mailbox.host.as_str(), mailbox.port)).await?;
        let line: Box<dyn Line> = if mailbox.is_encrypted {
            Box::new(tls::encrypt(&mailbox.host, stream).await?)
        } else {
            Box::new(stream)
        };
        let mut client = Client::new(line);
        match client.read_response().await? {
            Some(_) => Ok(client),
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    };
    match timeout(PATIENCE, connecting).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) if tls::is_plain_text(&error) => {
            Err(unreachable("it does not speak TLS from the first byte; mostly port 993 does".to_owned()))
        }
        Ok(Err(error)) => Err(unreachable(words(&error.into()))),
        Err(_) => Err(unreachable("no answer for a minute".to_owned())),
    }
}

/// `AUTHENTICATE PLAIN` (RFC 4616), by which any password can be sent.
struct Plain<'a>(&'a Credentials);

impl Authenticator for Plain<'_> {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        format!("\0{}\0{}", self.0.user, self.0.password)
    }
}

async fn log_in(
    client: Client<Box<dyn Line>>,
    login: &Credentials,
) -> Result<Session<Box<dyn Line>>, Trouble> {
    let logging_in = async {
        if login.user.is_ascii() && login.password.is_ascii() {
            client.login(&login.user, &login.password).await
        } else {
            client.authenticate("PLAIN", Plain(login)).await
        }
    };
    match timeout(PATIENCE, logging_in).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err((error @ (ImapError::No(_) | ImapError::Bad(_)), _))) => Err(Trouble::Login(words(&error))),
        Ok(Err((error, _))) => Err(error.into()),
        Err(_) => Err(Trouble::Late),
    }
}

/// Finds or makes the folders for what was read, and answers what stands before their names. Some servers have all folders
/// below INBOX, and each has its own sign between levels.
async fn place(session: &mut Session<Box<dyn Line>>) -> Result<String, Trouble> {
    let roots: Vec<_> = in_time(async { session.list(None, None).await?.try_collect().await }).await?;
    let sign = roots.first().and_then(|root| root.delimiter()).unwrap_or("-").to_owned();
    let places = [format!("Rundbrief{sign}"), format!("INBOX{sign}Rundbrief{sign}")];
    let folders = [Folder::Done, Folder::Unrecognised];
    for place in &places {
        let mut found = 0;
        for folder in folders {
            found += usize::from(exists(session, &format!("{place}{}", folder.name())).await?);
        }
        if found == folders.len() {
            return Ok(place.clone());
        }
    }
    let mut refused = Trouble::NoPlace(String::new());
    'places: for place in places {
        for folder in folders {
            let name = format!("{place}{}", folder.name());
            if exists(session, &name).await? {
                continue;
            }
            match in_time(session.create(&name)).await {
                // So that mail programs show it; no harm when they do not.
                Ok(()) => drop(in_time(session.subscribe(&name)).await),
                Err(Trouble::Broken(why)) => {
                    refused = Trouble::NoPlace(why);
                    continue 'places;
                }
                Err(other) => return Err(other),
            }
        }
        return Ok(place);
    }
    Err(refused)
}

async fn exists(session: &mut Session<Box<dyn Line>>, name: &str) -> Result<bool, Trouble> {
    let pattern = format!("\"{name}\"");
    let found: Vec<_> =
        in_time(async { session.list(None, Some(&pattern)).await?.try_collect().await }).await?;
    Ok(found.iter().any(|found| {
        !found.attributes().iter().any(|attribute| {
            *attribute == async_imap::types::NameAttribute::NoSelect
                || matches!(attribute, async_imap::types::NameAttribute::Extension(name) if name.eq_ignore_ascii_case("\\NonExistent"))
        })
    }))
}

impl Connection {
    /// The messages in the folder, the oldest first.
    pub async fn waiting(&mut self) -> Result<Vec<u32>, Trouble> {
        // Some servers tell of new messages only then.
        in_time(self.session.noop()).await?;
        let found = in_time(self.session.uid_search("UNDELETED")).await?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// A message, of a long one its beginning; nothing when it is gone. It stays unread.
    pub async fn read(&mut self, message: u32) -> Result<Option<Vec<u8>>, Trouble> {
        let what = format!("(UID BODY.PEEK[]<0.{MOST_HELD}>)");
        let found: Vec<_> =
            in_time(async { self.session.uid_fetch(message.to_string(), what).await?.try_collect().await })
                .await?;
        let found = found.iter().find(|fetched| fetched.uid == Some(message) && fetched.body().is_some());
        Ok(found.and_then(|fetched| fetched.body()).map(|body| body[..body.len().min(MOST_HELD)].to_vec()))
    }

    /// Marks messages as read and moves them to one of the folders beside.
    pub async fn move_to(&mut self, folder: Folder, messages: &[u32]) -> Result<(), Trouble> {
        if messages.is_empty() {
            return Ok(());
        }
        let set = messages.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let to = format!("{}{}", self.place, folder.name());
        let moving = async {
            self.store(&set, "+FLAGS.SILENT (\\Seen)").await?;
            if self.can_move {
                return in_time(self.session.uid_mv(&set, &to)).await;
            }
            // What MOVE does, step by step (RFC 6851 §3.3); the copy is there before the original goes.
            in_time(self.session.uid_copy(&set, &to)).await?;
            self.store(&set, "+FLAGS.SILENT (\\Deleted)").await?;
            in_time(async { self.session.uid_expunge(&set).await?.try_collect::<Vec<_>>().await }).await?;
            Ok(())
        };
        moving.await.map_err(|trouble| match trouble {
            Trouble::Broken(why) => Trouble::NotMoved(to.clone(), why),
            other => other,
        })
    }

    async fn store(&mut self, set: &str, flags: &str) -> Result<(), Trouble> {
        in_time(async { self.session.uid_store(set, flags).await?.try_collect::<Vec<_>>().await }).await?;
        Ok(())
    }

    /// Waits until there may be something new, for so long at most. Where the server cannot tell (RFC 2177), it is looked more
    /// often.
    pub async fn wait(mut self, longest: Duration) -> Result<Self, Trouble> {
        let mut is_new = false;
        while let Ok(told) = self.session.unsolicited_responses.try_recv() {
            is_new |= matches!(told, async_imap::types::UnsolicitedResponse::Exists(_));
        }
        if is_new {
            return Ok(self);
        }
        if !self.can_idle {
            tokio::time::sleep(longest / 4).await;
            return Ok(self);
        }
        let mut idle = self.session.idle();
        in_time(idle.init()).await?;
        {
            let (waiting, _interrupt) = idle.wait_with_timeout(longest);
            waiting.await?;
        }
        self.session = in_time(idle.done()).await?;
        Ok(self)
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T, ImapError>>) -> Result<T, Trouble> {
    match timeout(PATIENCE, step).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Trouble::Late),
    }
}
