//! A dialogue with the mail server that delivers reports: LMTP (RFC 2033) or SMTP (RFC 5321), without encryption and login,
//! which a port on the same machine or in a network of one's own does not need.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::Utc;
use smtp_proto::Request;
use sqlx::PgPool;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use crate::{
    app::take_bounce::{Addressee, Recognition, TakeError, take_bounce},
    inbound::MOST_HELD,
};

/// Bytes of a message.
const MOST: u64 = 50 * 1024 * 1024;
/// Bytes of a line: a command has 512 (RFC 5321 §4.5.3.1.4), with the extensions that we do not offer some more.
const LONGEST_COMMAND: u64 = 2_048;
const LONGEST_LINE: u64 = 1024 * 1024;
/// Recipients of a message. A report has one.
const RECIPIENTS: usize = 10;
/// Commands that were not understood, and recipients that are not ours, until the line is closed.
const MISTAKES: u32 = 20;

/// How long a command may be waited for (RFC 5321 §4.5.3.2.7), and a whole message.
const COMMAND: Duration = Duration::from_mins(5);
const CONTENT: Duration = Duration::from_mins(10);

/// Messages to the bare address, which anybody may send, in a minute: each waits for a person. With a token there is no such
/// limit: of one mail only some are kept.
const BARE_A_MINUTE: u32 = 30;

/// What all sessions share.
pub struct Server {
    is_lmtp: bool,
    pool: PgPool,
    recognition: Recognition,
    bare: Mutex<(Instant, u32)>,
}

impl Server {
    pub fn new(is_lmtp: bool, pool: PgPool, recognition: Recognition) -> Self {
        Self { is_lmtp, pool, recognition, bare: Mutex::new((Instant::now(), 0)) }
    }

    /// Whether one more message to the bare address is taken now.
    fn takes_bare(&self) -> bool {
        let mut bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        if bare.0.elapsed() > Duration::from_mins(1) {
            *bare = (Instant::now(), 0);
        }
        bare.1 += 1;
        bare.1 <= BARE_A_MINUTE
    }
}

/// Holds a dialogue until the other side ends it, says nothing for too long, or the service stops.
pub async fn hold(server: &Server, stream: TcpStream, stop: watch::Receiver<bool>) {
    let (reader, writer) = stream.into_split();
    let mut session = Session {
        server,
        reader: BufReader::with_capacity(16 * 1024, reader),
        writer,
        is_in_transaction: false,
        recipients: Vec::new(),
        mistakes: 0,
    };
    if let Err(error) = session.run(stop).await {
        tracing::debug!(%error, "a line that brings something back broke");
    }
}

struct Session<'a, R, W> {
    server: &'a Server,
    reader: BufReader<R>,
    writer: W,
    /// MAIL was taken.
    is_in_transaction: bool,
    recipients: Vec<Addressee>,
    mistakes: u32,
}

impl<R: tokio::io::AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<'_, R, W> {
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        self.say("220 rundbrief takes in reports about its mails").await?;
        loop {
            let line = tokio::select! {
                line = timeout(COMMAND, line(&mut self.reader, LONGEST_COMMAND)) => line,
                () = async { drop(stop.wait_for(|stop| *stop).await) } => {
                    return self.say("421 4.3.2 the service is stopping; come again").await;
                }
            };
            let Ok(line) = line else { return self.say("421 4.4.2 nothing came for too long").await };
            let Some(line) = line? else { return Ok(()) };
            if !self.obey(&line).await? {
                return Ok(());
            }
            if self.mistakes > MISTAKES {
                return self.say("421 4.7.0 too many mistakes").await;
            }
        }
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        // Whoever reads no reply keeps no place for ever.
        let line = format!("{reply}\r\n");
        let written = timeout(COMMAND, self.writer.write_all(line.as_bytes())).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn mistake(&mut self, reply: &str) -> io::Result<()> {
        self.mistakes += 1;
        self.say(reply).await
    }

    /// Does what a command says; answers whether the dialogue goes on.
    async fn obey(&mut self, line: &[u8]) -> io::Result<bool> {
        match Request::parse(&mut line.iter()) {
            Ok(Request::Ehlo { .. } | Request::Helo { .. }) if self.server.is_lmtp => {
                self.mistake("500 5.5.1 this is LMTP: LHLO").await?;
            }
            Ok(Request::Lhlo { .. }) if !self.server.is_lmtp => {
                self.mistake("500 5.5.1 this is SMTP: EHLO").await?;
            }
            Ok(Request::Ehlo { .. } | Request::Lhlo { .. }) => {
                self.reset();
                let lines = ["250-rundbrief", "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-8BITMIME"];
                self.say(&format!("{}\r\n250 SIZE {MOST}", lines.join("\r\n"))).await?;
            }
            Ok(Request::Helo { .. }) => {
                self.reset();
                self.say("250 rundbrief").await?;
            }
            Ok(Request::Mail { from }) if from.size as u64 > MOST => {
                self.mistake("552 5.3.4 the message is too large").await?;
            }
            Ok(Request::Mail { .. }) if self.is_in_transaction => {
                self.mistake("503 5.5.1 MAIL was there").await?;
            }
            Ok(Request::Mail { .. }) => {
                self.is_in_transaction = true;
                self.say("250 2.1.0 ok").await?;
            }
            Ok(Request::Rcpt { to }) => self.recipient(&to.address).await?,
            Ok(Request::Data) if self.recipients.is_empty() => self.mistake("503 5.5.1 RCPT first").await?,
            Ok(Request::Data) => return self.take().await,
            Ok(Request::Rset) => {
                self.reset();
                self.say("250 2.0.0 ok").await?;
            }
            Ok(Request::Noop { .. }) => self.say("250 2.0.0 ok").await?,
            Ok(Request::Quit) => {
                self.say("221 2.0.0 bye").await?;
                return Ok(false);
            }
            Ok(_) => self.mistake("502 5.5.1 not done here").await?,
            Err(_) => self.mistake("500 5.5.2 not understood").await?,
        }
        Ok(true)
    }

    fn reset(&mut self) {
        self.is_in_transaction = false;
        self.recipients.clear();
    }

    async fn recipient(&mut self, address: &str) -> io::Result<()> {
        if !self.is_in_transaction {
            return self.mistake("503 5.5.1 MAIL first").await;
        }
        if self.recipients.len() >= RECIPIENTS {
            return self.say("452 4.5.3 too many recipients at once").await;
        }
        match self.server.recognition.addressee(address) {
            None => self.mistake("550 5.1.1 no such return path here").await,
            Some(Addressee::Anybody) if !self.server.takes_bare() => {
                self.say("451 4.7.1 too many reports without a token; come again").await
            }
            Some(addressee) => {
                self.recipients.push(addressee);
                self.say("250 2.1.5 ok").await
            }
        }
    }

    /// Reads a message and has it taken in. LMTP answers for each recipient (RFC 2033 §4.2).
    async fn take(&mut self) -> io::Result<bool> {
        self.say("354 go on").await?;
        let Ok(message) = timeout(CONTENT, content(&mut self.reader)).await else {
            self.say("421 4.4.2 the message took too long").await?;
            return Ok(false);
        };
        let message = message?;
        let recipients = std::mem::take(&mut self.recipients);
        self.reset();
        let mut replies = Vec::new();
        for addressee in recipients {
            replies.push(match &message {
                Content::Whole(message) => self.take_for(addressee, message.clone()).await,
                Content::TooLarge => "552 5.3.4 the message is too large",
            });
        }
        if !self.server.is_lmtp {
            // One reply for all: what was taken in is taken in again, which changes nothing.
            let worst = replies.iter().copied().find(|reply| !reply.starts_with('2'));
            replies = vec![worst.or(replies.first().copied()).unwrap_or("250 2.0.0 ok")];
        }
        for reply in replies {
            self.say(reply).await?;
        }
        Ok(true)
    }

    async fn take_for(&self, addressee: Addressee, message: Vec<u8>) -> &'static str {
        let Server { pool, recognition, .. } = self.server;
        match take_bounce(pool, recognition, addressee, message, Utc::now()).await {
            Ok(taken) => {
                taken.log("port");
                "250 2.0.0 recorded"
            }
            Err(TakeError::Full) => {
                TakeError::log_full();
                "451 4.3.1 too many reports without a token wait; come again"
            }
            Err(TakeError::Busy(_)) => "451 4.3.2 too busy; come again",
            Err(TakeError::Database(error)) => {
                tracing::error!(%error, "what came back cannot be recorded; it is brought again");
                "451 4.3.0 it cannot be recorded now; come again"
            }
        }
    }
}

/// A line with its end; nothing at the end of the stream. One that is too long is an error: where it goes on is not known.
async fn line(reader: &mut (impl AsyncBufRead + Unpin), most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if read as u64 == most => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"))
        }
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

enum Content {
    /// The message, of a longer one its beginning.
    Whole(Vec<u8>),
    TooLarge,
}

/// A message up to the line with a dot alone, with CRLF around it: no other line end is one, or a part of a message could be
/// taken for a message of its own.
async fn content(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Content> {
    let (mut message, mut size) = (Vec::new(), 0);
    let mut follows_crlf = true;
    loop {
        let Some(line) = line(reader, LONGEST_LINE).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if follows_crlf && line == b".\r\n" {
            break;
        }
        size += line.len() as u64;
        let text = if follows_crlf && line.starts_with(b".") { &line[1..] } else { &line };
        let room = MOST_HELD - message.len().min(MOST_HELD);
        message.extend_from_slice(&text[..text.len().min(room)]);
        follows_crlf = line.ends_with(b"\r\n");
    }
    Ok(if size > MOST { Content::TooLarge } else { Content::Whole(message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Option<String> {
        match content(&mut text.as_bytes()).await {
            Ok(Content::Whole(message)) => Some(String::from_utf8(message).unwrap()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_message_ends_with_a_dot_between_crlf_and_nothing_else() {
        assert_eq!(read("a\r\n..b\r\n.\r\nQUIT\r\n").await.unwrap(), "a\r\n.b\r\n");
        assert_eq!(read(".\r\n").await.unwrap(), "");
        for smuggled in ["a\n.\r\nMAIL\r\n.\r\n", "a\r\n.\nMAIL\r\n.\r\n", "a\r.\r\nMAIL\r\n.\r\n"] {
            assert!(read(smuggled).await.unwrap().contains("MAIL"), "{smuggled:?}");
        }
        for cut in ["", "a\r\n", "a\r\n.", "a\r\n.\r"] {
            assert_eq!(read(cut).await, None, "{cut:?}");
        }
    }

    #[tokio::test]
    async fn a_long_message_is_held_no_longer_than_it_is_looked_at() {
        let long = format!("{}.\r\n", format!("{}\r\n", "x".repeat(998)).repeat(2_000));
        assert_eq!(read(&long).await.unwrap().len(), MOST_HELD);
        assert_eq!(read(&format!("{}\r\n.\r\n", "x".repeat(2_000_000))).await, None, "no line is that long");
    }
}
