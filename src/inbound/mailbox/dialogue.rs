//! Commands to the server and what it answers (RFC 3501). A command that the server refuses, and a line that ends, are errors
//! here: the library takes both for an empty answer.

use std::{fmt, time::Duration};

use async_imap::{
    Authenticator, Client, Session,
    error::Error as ImapError,
    imap_proto::{MailboxDatum, RequestId, Response, Status},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    config::{BounceMailbox, Credentials},
    inbound::mailbox::trouble::{Trouble, clean, words},
    tls,
};

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long one address of its name may take to connect: others may answer.
const CONNECT: Duration = Duration::from_secs(15);

trait Line: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Line for T {}

/// A dialogue after the login.
pub struct Dialogue {
    session: Session<Box<dyn Line>>,
    /// How many messages the server says there are, and whether it has said so anew since [`Dialogue::has_news`].
    exists: Option<u32>,
    has_news: bool,
}

impl Dialogue {
    /// Connects and logs in.
    pub async fn open(mailbox: &BounceMailbox) -> Result<Self, Trouble> {
        let session = log_in(connect(mailbox).await?, &mailbox.credentials).await?;
        Ok(Self { session, exists: None, has_news: false })
    }

    /// Runs a command, and hands out all that comes with it, the server's OK last.
    pub async fn command(
        &mut self,
        text: &str,
        mut each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<(), Trouble> {
        let until = Instant::now() + PATIENCE;
        let id = timeout_at(until, self.session.run_command(text)).await.map_err(|_| Trouble::Late)??;
        self.end(&id, until, &mut each).await
    }

    /// Whether the server has told of new messages since this was last asked.
    pub fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Waits until the server tells of new messages (RFC 2177), for so long at most, whatever else it says meanwhile.
    pub async fn idle(&mut self, longest: Duration) -> Result<(), Trouble> {
        let (begun, until) = (Instant::now() + PATIENCE, Instant::now() + longest);
        let id = timeout_at(begun, self.session.run_command("IDLE")).await.map_err(|_| Trouble::Late)??;
        loop {
            match self.next(begun, &mut |_| {}).await? {
                Said::Continue => break,
                Said::End(tag, how) if tag == id => return how,
                Said::Nothing => return Err(Trouble::Late),
                _ => {}
            }
        }
        while !self.has_news {
            match self.next(until, &mut |_| {}).await? {
                Said::End(tag, how) if tag == id => return how,
                Said::Nothing => break,
                _ => {}
            }
        }
        let until = Instant::now() + PATIENCE;
        timeout_at(until, self.session.run_command_untagged("DONE")).await.map_err(|_| Trouble::Late)??;
        self.end(&id, until, &mut |_| {}).await
    }

    /// Reads on up to the server's last word on a command.
    async fn end(
        &mut self,
        id: &RequestId,
        until: Instant,
        each: &mut (impl FnMut(&Response<'_>) + Send),
    ) -> Result<(), Trouble> {
        loop {
            match self.next(until, each).await? {
                Said::End(tag, how) if tag == *id => return how,
                Said::Nothing => return Err(Trouble::Late),
                _ => {}
            }
        }
    }

    /// Reads the next of what the server says, until then.
    async fn next(
        &mut self,
        until: Instant,
        each: &mut (impl FnMut(&Response<'_>) + Send),
    ) -> Result<Said, Trouble> {
        let Ok(response) = timeout_at(until, self.session.read_response()).await else {
            return Ok(Said::Nothing);
        };
        let response = response?.ok_or_else(|| Trouble::from(ImapError::ConnectionLost))?;
        each(response.parsed());
        Ok(match response.parsed() {
            Response::MailboxData(MailboxDatum::Exists(exists)) => {
                self.has_news |= self.exists.is_none_or(|known| *exists > known);
                self.exists = Some(*exists);
                Said::Else
            }
            Response::Expunge(_) => {
                self.exists = self.exists.map(|exists| exists.saturating_sub(1));
                Said::Else
            }
            Response::Continue(_) => Said::Continue,
            Response::Done { tag, status: Status::Ok, .. } => Said::End(tag.clone(), Ok(())),
            Response::Done { tag, outcome, .. } => {
                let why = clean(outcome.information.as_deref().unwrap_or("without a word"));
                Said::End(tag.clone(), Err(Trouble::Refused(why)))
            }
            _ => Said::Else,
        })
    }
}

/// What the server said.
enum Said {
    /// Nothing in time.
    Nothing,
    /// It waits for more.
    Continue,
    /// Its last word on a command.
    End(RequestId, Result<(), Trouble>),
    Else,
}

async fn connect(mailbox: &BounceMailbox) -> Result<Client<Box<dyn Line>>, Trouble> {
    let unreachable = |why: String| Trouble::Unreachable(format!("{}:{}", mailbox.host, mailbox.port), why);
    let connecting = async {
        let stream = connect_any(&mailbox.host, mailbox.port).await?;
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
        Ok(Err(error)) => Err(unreachable(clean(&error.to_string()))),
        Err(_) => Err(unreachable("no answer for a minute".to_owned())),
    }
}

/// Tries the addresses of a name one after the other: the first may lead nowhere.
async fn connect_any(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut failed = std::io::Error::other("the name has no address");
    for address in lookup_host((host, port)).await? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
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
        // A server may repeat what it was sent.
        Ok(Err((ImapError::No(text) | ImapError::Bad(text), _))) => {
            Err(Trouble::Login(clean(&text.replace(&login.password, "…"))))
        }
        Ok(Err((error, _))) => Err(Trouble::Broken(words(&error))),
        Err(_) => Err(Trouble::Late),
    }
}
