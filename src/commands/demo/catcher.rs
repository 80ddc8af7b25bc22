//! The mail catcher: an SMTP server that takes everything and delivers nothing. Only addresses that begin with `nobody` it
//! refuses, to show what becomes of a mailing then.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A running catcher.
pub struct Catcher {
    /// The port it listens on, on loopback.
    pub port: u16,
    /// What it has caught.
    pub mails: Mails,
}

/// One mail.
#[derive(Clone)]
pub struct Caught {
    /// Counts up from 1.
    pub number: u64,
    /// When it came.
    pub at: DateTime<Utc>,
    /// The envelope's recipients.
    pub to: String,
    /// The mail as it came over the wire.
    pub source: Arc<Vec<u8>>,
}

/// The newest mails; older ones are dropped, so that a large mailing fits.
#[derive(Clone, Default)]
pub struct Mails(Arc<Mutex<(u64, VecDeque<Caught>)>>);

/// Mails that are kept.
const KEPT: usize = 1_000;

/// Bytes a mail may have.
const LARGEST: usize = 10 * 1024 * 1024;

impl Mails {
    /// How many came in all, and the newest of them, newest first.
    pub fn newest(&self) -> (u64, Vec<Caught>) {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (mails.0, mails.1.iter().rev().cloned().collect())
    }

    /// The mail with this number, while it is kept.
    pub fn get(&self, number: u64) -> Option<Caught> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.1.iter().find(|mail| mail.number == number).cloned()
    }

    fn put(&self, to: String, source: Vec<u8>) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.0 += 1;
        let caught = Caught { number: mails.0, at: Utc::now(), to, source: Arc::new(source) };
        mails.1.push_back(caught);
        if mails.1.len() > KEPT {
            mails.1.pop_front();
        }
    }
}

/// Starts a catcher on a free port.
pub async fn start() -> anyhow::Result<Catcher> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mails = Mails::default();
    let caught = mails.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let caught = caught.clone();
            // A line that breaks is the client's business.
            tokio::spawn(async move { drop(converse(stream, caught).await) });
        }
    });
    Ok(Catcher { port, mails })
}

async fn converse(stream: TcpStream, mails: Mails) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    stream.write_all(b"220 inbox.localhost ESMTP\r\n").await?;
    let mut to: Vec<String> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250-inbox.localhost\r\n250-PIPELINING\r\n250 SIZE 10485760\r\n",
            "HELO" | "NOOP" => b"250 OK\r\n",
            "MAIL" | "RSET" => {
                to.clear();
                b"250 OK\r\n"
            }
            "RCPT" => {
                let address = text.split(['<', '>']).nth(1).unwrap_or_default();
                if address.starts_with("nobody") {
                    b"550 5.1.1 There is no such mailbox here\r\n"
                } else {
                    to.push(address.to_owned());
                    b"250 OK\r\n"
                }
            }
            "DATA" if to.is_empty() => b"554 no valid recipients\r\n",
            "DATA" => {
                stream.write_all(b"354 end with a dot\r\n").await?;
                let source = content(&mut stream).await?;
                mails.put(to.join(", "), source);
                to.clear();
                b"250 OK, in the inbox\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"500 what?\r\n",
        };
        stream.write_all(reply).await?;
    }
}

/// Everything up to the final dot, without the dots that were stuffed in (RFC 5321 §4.5.2).
async fn content(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut source = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 || source.len() > LARGEST {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(source);
        }
        source.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
