//! The sink: an SMTP server that takes every mail and keeps none.
//!
//! It shares the processors with what is measured, so it does as little as it can: one thread, one buffer for each
//! connection, one write for everything that a read has brought.
//!
//! On standard output it tells, a number a line: its port; then, in microseconds of its own clock, when it had taken
//! the first mail and when each tenth of what it expects; at last, when its standard input has ended, how many mails
//! it has taken.

use std::{
    env, io,
    process::{self, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    runtime,
};

/// Bytes read at once, at most; a command has to be shorter.
const BUFFER: usize = 64 * 1024;

/// How a message ends (RFC 5321 §4.1.1.4).
const END: &[u8; 5] = b"\r\n.\r\n";

/// A sink, as seen from the process that started it. Killed when it is dropped.
pub struct Sink {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its process.
    pub pid: u32,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Sink {
    /// Starts a sink that expects this many mails.
    pub async fn start(expected: u32) -> anyhow::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["sink", &expected.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().context("the sink has ended")?;
        let stdout = child.stdout.take().context("the sink has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.next_line().await?.context("the sink did not start")?.parse()?;
        Ok(Self { port, pid, child, lines })
    }

    /// Waits for the first mail, and at each later call for another tenth; answers when that was, by the sink's clock.
    /// May be dropped while it waits.
    pub async fn tenth(&mut self) -> anyhow::Result<Duration> {
        let line = self.lines.next_line().await?.context("the sink has ended")?;
        Ok(Duration::from_micros(line.parse()?))
    }

    /// Ends it; answers how many mails it has taken.
    pub async fn end(mut self) -> anyhow::Result<u32> {
        drop(self.child.stdin.take());
        let mut last = String::new();
        while let Some(line) = self.lines.next_line().await? {
            last = line;
        }
        let status = self.child.wait().await?;
        ensure!(status.success(), "the sink failed: {status}");
        Ok(last.parse()?)
    }
}

/// The sink itself; ends the process when standard input ends.
pub fn serve(expected: u32) -> anyhow::Result<()> {
    // One thread: with nothing to compute, more of them would only wake each other.
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(accept(expected))
}

async fn accept(expected: u32) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let tally =
        Arc::new(Tally { expected: u64::from(expected), taken: AtomicU64::new(0), started: Instant::now() });
    thread::spawn({
        let tally = Arc::clone(&tally);
        move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            println!("{}", tally.taken.load(Ordering::Relaxed));
            process::exit(0);
        }
    });
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, Arc::clone(&tally)));
    }
}

/// How many mails there were.
struct Tally {
    expected: u64,
    taken: AtomicU64,
    started: Instant,
}

impl Tally {
    /// Counts a mail and answers its number, from 1. Tells when it is the first, or completes a tenth.
    fn count(&self) -> u64 {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let tenth = |mails: u64| mails * 10 / self.expected;
        if before == 0 || tenth(before + 1) > tenth(before) {
            println!("{}", self.started.elapsed().as_micros());
        }
        before + 1
    }
}

/// One connection, until the client closes it.
async fn converse(mut stream: TcpStream, tally: Arc<Tally>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink\r\n").await?;
    let mut turn = Turn::Commands;
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut replies = Vec::with_capacity(512);
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        // The client has gone, or the buffer is full of something that is no command.
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let heard = turn.hear(&buffer[..filled], &mut replies, &tally);
        if !replies.is_empty() {
            stream.write_all(&replies).await?;
            replies.clear();
        }
        buffer.copy_within(heard..filled, 0);
        filled -= heard;
    }
}

/// What the client sends next.
enum Turn {
    Commands,
    Message,
}

impl Turn {
    /// Takes in what the client sent and writes the replies to all of it. Answers how many bytes are dealt with; the
    /// others are to come again, in front of what follows them.
    fn hear(&mut self, sent: &[u8], replies: &mut Vec<u8>, tally: &Tally) -> usize {
        let mut heard = 0;
        loop {
            let rest = &sent[heard..];
            match self {
                Turn::Commands => {
                    let Some(line_end) = rest.iter().position(|&byte| byte == b'\n') else { return heard };
                    heard += line_end + 1;
                    let verb = rest.first_chunk::<4>().map(|verb| verb.map(|c| c.to_ascii_uppercase()));
                    replies.extend_from_slice(reply(verb.as_ref()));
                    if verb.as_ref() == Some(b"DATA") {
                        *self = Turn::Message;
                        // The line end of DATA is also the one before the message: one dot may be all of it.
                        heard -= 2;
                    }
                }
                Turn::Message => {
                    let Some(length) = message_length(rest) else {
                        // The last bytes may be the beginning of the end.
                        return heard + rest.len().saturating_sub(END.len() - 1);
                    };
                    heard += length;
                    *self = Turn::Commands;
                    let accepted = format!("250 2.0.0 Ok: queued as {:X}\r\n", tally.count());
                    replies.extend_from_slice(accepted.as_bytes());
                }
            }
        }
    }
}

/// The reply to a command, by its first four letters.
fn reply(verb: Option<&[u8; 4]>) -> &'static [u8] {
    match verb {
        Some(b"EHLO") => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
        Some(b"MAIL") => b"250 2.1.0 Ok\r\n",
        Some(b"RCPT") => b"250 2.1.5 Ok\r\n",
        Some(b"DATA") => b"354 End data with <CR><LF>.<CR><LF>\r\n",
        Some(b"HELO" | b"RSET" | b"NOOP") => b"250 2.0.0 Ok\r\n",
        Some(b"QUIT") => b"221 2.0.0 Bye\r\n",
        _ => b"502 5.5.2 Not known here\r\n",
    }
}

/// How many bytes there are to the end of the message and with it; nothing when the end has not come yet.
fn message_length(bytes: &[u8]) -> Option<usize> {
    // Wherever the end lies, one byte in five hits it; the other four need not be looked at.
    (END.len() - 1..bytes.len())
        .step_by(END.len())
        .filter(|&at| matches!(bytes[at], b'\r' | b'\n' | b'.'))
        .find_map(|at| {
            let first = at + 1 - END.len();
            let mut around = bytes[first..].windows(END.len()).take(END.len());
            around.position(|window| window == END).map(|offset| first + offset + END.len())
        })
}
