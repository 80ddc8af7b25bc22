//! An SMTP conversation: commands out, replies in (RFC 5321 §4.2).

use std::{
    fmt::{Display, Write as _},
    io,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use crate::delivery::smtp::{reply::Reply, stream::Stream};

/// Why there is no reply to look at.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// A command before it had failed.
    #[error("not asked")]
    NotAsked,
    /// The time was over.
    #[error("no answer in time")]
    Late,
    /// The connection broke.
    #[error("the line broke: {0}")]
    Broken(String),
    /// Something came that is no reply.
    #[error("the line broke: not an SMTP reply: {0}")]
    Odd(String),
    /// Bytes of a TLS record came where a reply should be.
    #[error("it speaks TLS where a plain SMTP reply should be")]
    Tls,
}

/// RFC 5321 §4.5.3.1.5 allows 512 bytes a line; relays that say more are understood.
const LONGEST_LINE: u64 = 4096;
/// Lines of one reply.
const MOST_LINES: usize = 256;

/// Bytes of a reply that are held, at most.
pub const LONGEST_REPLY: u64 = LONGEST_LINE * MOST_LINES as u64;

/// Both directions of an open connection.
pub struct Conversation(BufReader<Box<dyn Stream>>);

impl Conversation {
    /// A conversation over this stream.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self(BufReader::with_capacity(4096, Box::new(stream)))
    }

    /// The stream, for whoever encrypts it. Bytes that came ahead of the encryption would be taken for encrypted ones
    /// (CVE-2011-0411), so with those there is none.
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.is_quiet().then(|| self.0.into_inner())
    }

    /// Whether nothing came that was not read yet.
    pub fn is_quiet(&self) -> bool {
        self.0.buffer().is_empty()
    }

    /// Sends a command, which ends in CRLF, and reads its reply. Both together may take `limit`.
    pub async fn command(&mut self, command: &str, limit: Duration) -> Result<Reply, Unanswered> {
        let lines = async {
            self.write(command.as_bytes()).await.map_err(broken)?;
            self.read_reply().await
        };
        timeout(limit, lines).await.map_err(|_| Unanswered::Late)?.map(reply)
    }

    /// As [`Conversation::command`], with the lines of the reply apart.
    pub async fn lines(&mut self, command: &str, limit: Duration) -> Result<(u16, Vec<String>), Unanswered> {
        let lines = async {
            self.write(command.as_bytes()).await.map_err(broken)?;
            self.read_reply().await
        };
        timeout(limit, lines).await.map_err(|_| Unanswered::Late)?
    }

    /// Reads the reply to something that was sent before.
    pub async fn reply(&mut self, limit: Duration) -> Result<Reply, Unanswered> {
        timeout(limit, self.read_reply()).await.map_err(|_| Unanswered::Late)?.map(reply)
    }

    /// Sends much. Fails when the stream takes nothing for as long as `standstill`, or not all of it within `limit`.
    /// After an error the last byte has not left this process.
    pub async fn send(
        &mut self,
        mut bytes: &[u8],
        standstill: Duration,
        limit: Duration,
    ) -> Result<(), Unanswered> {
        let stream = self.0.get_mut();
        let all = async {
            while !bytes.is_empty() {
                let written = timeout(standstill, stream.write(bytes)).await.map_err(|_| Unanswered::Late)?;
                match written.map_err(broken)? {
                    0 => return Err(broken(io::ErrorKind::WriteZero.into())),
                    length => bytes = &bytes[length..],
                }
            }
            timeout(standstill, stream.flush()).await.map_err(|_| Unanswered::Late)?.map_err(broken)
        };
        timeout(limit, all).await.map_err(|_| Unanswered::Late)?
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// Code and lines of the next reply. RFC 5321 §4.2 lets a relay leave out the text, and even the space before it;
    /// a text that is not UTF-8 is no reason not to read the code.
    async fn read_reply(&mut self) -> Result<(u16, Vec<String>), Unanswered> {
        let mut lines = Vec::new();
        let mut first_code = None;
        // TLS records begin with their type (RFC 8446 §5.1), and no reply does. A line's end may never come.
        if matches!(self.0.fill_buf().await.map_err(broken)?.first(), Some(0x14..=0x17)) {
            return Err(Unanswered::Tls);
        }
        while lines.len() < MOST_LINES {
            let mut line = Vec::new();
            let read = (&mut self.0).take(LONGEST_LINE).read_until(b'\n', &mut line).await.map_err(broken)?;
            if !line.ends_with(b"\n") {
                let is_too_long = u64::try_from(read).unwrap_or(u64::MAX) >= LONGEST_LINE;
                return Err(if is_too_long {
                    odd(&line)
                } else {
                    broken(io::ErrorKind::UnexpectedEof.into())
                });
            }
            let Some((code, is_last, text)) = parsed(&line) else { return Err(odd(&line)) };
            if *first_code.get_or_insert(code) != code {
                return Err(odd(&line));
            }
            lines.push(text);
            if is_last {
                return Ok((code, lines));
            }
        }
        Err(Unanswered::Odd("a reply without an end".into()))
    }
}

/// A line of a reply: the code, whether it is the last one, and the text.
fn parsed(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3)?;
    let code: u16 = str::from_utf8(digits).ok()?.parse().ok()?;
    let is_code = digits.iter().all(u8::is_ascii_digit) && (200..600).contains(&code);
    let is_last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned();
    is_code.then_some((code, is_last, text))
}

fn reply((code, lines): (u16, Vec<String>)) -> Reply {
    Reply { code, text: one_line(lines.iter().map(String::as_str)) }
}

fn odd(line: &[u8]) -> Unanswered {
    let text: String = String::from_utf8_lossy(line).chars().take(100).collect();
    Unanswered::Odd(one_line(text.lines()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: io::Error) -> Unanswered {
    Unanswered::Broken(match error.kind() {
        io::ErrorKind::UnexpectedEof => "the relay closed the connection".into(),
        _ => clean(&error),
    })
}

/// A reply's lines as one, short enough to keep.
fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let separator = if text.is_empty() { "" } else { "; " };
        let written = write!(text, "{separator}{line}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.chars().take(500).collect()
}

/// An error's words as they may be kept and shown: the relay may have put anything in them.
pub fn clean(error: &impl Display) -> String {
    one_line(error.to_string().lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// What is read of these bytes, which the relay sends in pieces of this size.
    async fn read(bytes: &[u8], piece: usize) -> Result<Reply, Unanswered> {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            for piece in bytes.chunks(piece) {
                theirs.write_all(piece).await.unwrap();
            }
        });
        Conversation::over(ours).reply(LIMIT).await
    }

    #[tokio::test]
    async fn a_reply_is_read_wherever_the_reads_fall() {
        for piece in [1, 2, 5, 64] {
            for (bytes, code, text) in [
                (b"250 ok\r\n".as_slice(), 250, "ok"),
                (b"250\r\n", 250, ""),
                (b"250 \n", 250, ""),
                (b"250-\r\n250\r\n", 250, ""),
                (b"550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, "5.1.1 no; 5.1.1 such user"),
                (b"250 \xfcbernommen\r\n", 250, "\u{fffd}bernommen"),
                ("250 übernommen\r\n".as_bytes(), 250, "übernommen"),
            ] {
                let reply = read(bytes, piece).await.unwrap();
                assert_eq!((reply.code, reply.text.as_str()), (code, text));
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_from_a_broken_line() {
        for odd in ["hello\r\n", "25\r\n", "99 x\r\n", "2500\r\n", "\r\n", "250-a\r\n550 b\r\n", "600 x\r\n"]
        {
            assert!(matches!(read(odd.as_bytes(), 64).await, Err(Unanswered::Odd(_))), "{odd}");
        }
        for torn in ["", "250", "250 2.1.5 o", "250-a\r\n"] {
            assert!(matches!(read(torn.as_bytes(), 64).await, Err(Unanswered::Broken(_))), "{torn}");
        }
        assert!(matches!(read(&[b'x'; 5000], 64).await, Err(Unanswered::Odd(_))));
        assert!(matches!(read(b"\x15\x03\x01\x00\x02\x02\x46", 64).await, Err(Unanswered::Tls)));
    }

    #[tokio::test]
    async fn what_came_ahead_of_the_encryption_ends_it() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"220 go ahead\r\n250 injected\r\n").await.unwrap();
        let mut conversation = Conversation::over(ours);
        assert_eq!(conversation.command("STARTTLS\r\n", LIMIT).await.unwrap().code, 220);
        assert!(conversation.into_stream().is_none());
    }
}
