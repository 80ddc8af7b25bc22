//! One connection to the tests' relay: the commands, and how its configured behaviour changes the replies.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_buf, sink};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Accepted, Action, Behaviour, Phase, SecondHello, Shared, lock};

const DISORDER: &str = "503 5.5.1 bad sequence of commands";
const NOBODY: &str = "554 5.5.1 no valid recipients";

/// One line. An error from its methods means that it is over, ended by either side.
pub(super) struct Line {
    input: BufReader<TcpStream>,
    /// Replies to a pipelined group, written when no whole command is left in `input`.
    output: Vec<u8>,
    shared: Arc<Shared>,
    /// None if there were too many lines, or after QUIT.
    open: Option<Arc<()>>,
    /// Whether EHLO or HELO came.
    greeted: bool,
    /// Whether PIPELINING was offered.
    groups: bool,
    authenticated: bool,
    /// Sender and accepted recipients of the mail under way.
    mail: Option<(String, Vec<String>)>,
}

impl Line {
    pub(super) fn open(stream: TcpStream, shared: &Arc<Shared>) -> Self {
        let open = Arc::strong_count(&shared.open);
        let fits = open <= lock(&shared.behaviour).max_connections;
        {
            let mut connections = lock(&shared.connections);
            if fits {
                connections.opened += 1;
                connections.most = connections.most.max(open);
            } else {
                connections.refused += 1;
            }
        }
        let _ = stream.set_nodelay(true);
        Self {
            input: BufReader::with_capacity(64 * 1024, stream),
            output: Vec::new(),
            shared: shared.clone(),
            open: fits.then(|| shared.open.clone()),
            greeted: false,
            groups: false,
            authenticated: false,
            mail: None,
        }
    }

    pub(super) async fn talk(mut self) -> io::Result<()> {
        if self.open.is_none() {
            return self.say("421 4.7.0 too many connections").await;
        }
        if !self.answer(Phase::Connect, "", "220 relay.test ESMTP").await? {
            return self.flush().await;
        }
        loop {
            let line = self.read_line().await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let (verb, rest) = (verb.to_ascii_uppercase(), rest.trim());
            let behaviour = self.behaviour();
            let locked = behaviour.credentials.is_some() && !self.authenticated;
            let nobody = self.mail.as_ref().is_some_and(|(_, to)| to.is_empty());
            let more = !self.input.buffer().is_empty();
            match &*verb {
                _ if more && !self.groups => self.say("421 5.5.0 PIPELINING not offered").await?,
                "DATA" if more => self.say("421 5.5.0 DATA not last of its group").await?,
                "EHLO" | "HELO" => self.hello(verb == "EHLO").await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" if !self.greeted || self.mail.is_some() => self.say(DISORDER).await?,
                "MAIL" if locked => self.say("530 5.7.0 authentication required").await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" | "DATA" if self.mail.is_none() => self.say(DISORDER).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" if nobody && !behaviour.data_anyway => self.say(NOBODY).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.mail = None;
                    self.say("250 2.0.0 ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok").await?,
                "VRFY" => self.say("252 2.1.5 send it and see").await?,
                "QUIT" => {
                    self.open = None; // before the reply, lest the client's next line be too many
                    self.answer(Phase::Quit, "", "221 2.0.0 bye").await?;
                    return self.flush().await;
                }
                _ => self.say("500 5.5.2 unknown command").await?,
            }
        }
    }

    async fn hello(&mut self, extended: bool) -> io::Result<()> {
        let behaviour = self.behaviour();
        match behaviour.second_hello {
            SecondHello::Refuse if self.authenticated => return self.say(DISORDER).await,
            SecondHello::Forget => self.authenticated = false,
            SecondHello::Refuse | SecondHello::Answer => {}
        }
        let mut reply = "250 relay.test".to_owned();
        if extended {
            let mut lines = [&["relay.test"], &*behaviour.keywords].concat();
            lines.extend(behaviour.credentials.as_ref().map(|_| behaviour.offers_login));
            reply = format!("250-{}\r\n250 SIZE 26214400", lines.join("\r\n250-"));
        }
        if self.answer(Phase::Ehlo, "", &reply).await? {
            self.greeted = true;
            self.groups = extended
                && behaviour.keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case("PIPELINING"));
            self.mail = None;
        }
        Ok(())
    }

    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let behaviour = self.behaviour();
        let Some((user, password)) = &behaviour.credentials else {
            return self.say("502 5.5.1 AUTH not offered").await;
        };
        let plain = format!("\0{user}\0{password}");
        let wanted: &[_] = match &*mechanism.to_ascii_uppercase() {
            "PLAIN" => &[("334 ", &plain)],
            "LOGIN" => &[("334 VXNlcm5hbWU6", user), ("334 UGFzc3dvcmQ6", password)],
            _ => return self.say("504 5.5.4 unknown mechanism").await,
        };
        let mut given = Some(first.to_owned()).filter(|first| !first.is_empty());
        let mut right = true;
        for (challenge, want) in wanted {
            if given.is_none() {
                self.say(challenge).await?;
                given = Some(self.read_line().await?);
            }
            right &= given.take() == Some(base64(want.as_bytes()));
        }
        if !right {
            return self.say("535 5.7.8 wrong credentials").await;
        }
        self.authenticated |= self.answer(Phase::Auth, "", "235 2.7.0 welcome").await?;
        Ok(())
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let Some(from) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 bad sender").await;
        };
        if self.answer(Phase::Mail, "", "250 2.1.0 ok").await? {
            self.mail = Some((from, Vec::new()));
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        let Some(to) = path(rest, "TO:").filter(|to| !to.is_empty()) else {
            return self.say("501 5.5.4 bad recipient").await;
        };
        let accepted = self.answer(Phase::Rcpt, &to, "250 2.1.5 ok").await?;
        if let Some((_, recipients)) = self.mail.as_mut().filter(|_| accepted) {
            recipients.push(to);
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        let (from, to) = self.mail.clone().unwrap_or_default();
        let first = to.first().cloned().unwrap_or_default();
        if !self.answer(Phase::Data, &first, "354 go ahead").await? {
            return Ok(());
        }
        let mut action = self.decide(Phase::Body, &first);
        // Past `input`, which would take in more than it is asked for.
        if action == Action::Cut && self.input.get_mut().read(&mut [0; 1024]).await? == 0 {
            return Err(over());
        }
        self.hold(action).await?;
        let data = self.body().await?;
        let at = Instant::now();
        self.mail = None;
        if to.is_empty() {
            return self.say(NOBODY).await;
        }
        if matches!(action, Action::Go | Action::Delay(_)) {
            action = self.decide(Phase::Dot, &first);
        }
        let mut replied = action == Action::Go;
        if let Action::Reply(reply) = action {
            replied = reply.starts_with('2');
            if !replied {
                return self.say(reply).await;
            }
        }
        let place = self.shared.take(Accepted { from, to, data, at, replied });
        let result = self.perform(action, "250 2.0.0 taken").await;
        lock(&self.shared.log)[place].replied = result.is_ok();
        result.map(drop)
    }

    /// The body. Only a line after CRLF can be the final dot, or have been stuffed.
    async fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let start = data.len();
            self.input.read_until(b'\n', &mut data).await?;
            if !data[start..].ends_with(b"\n") {
                return Err(over());
            }
            if data[start] == b'.' && (start == 0 || data[..start].ends_with(b"\r\n")) {
                if &data[start..] == b".\r\n" {
                    data.truncate(start);
                    return Ok(data);
                }
                data.remove(start);
            }
        }
    }

    fn behaviour(&self) -> Arc<Behaviour> {
        lock(&self.shared.behaviour).clone()
    }

    fn decide(&self, phase: Phase, recipient: &str) -> Action {
        (self.behaviour().decide)(phase, recipient)
    }

    /// Does what the behaviour wants at a usual reply; tells whether the reply was of its kind.
    async fn answer(&mut self, phase: Phase, recipient: &str, usual: &str) -> io::Result<bool> {
        self.perform(self.decide(phase, recipient), usual).await
    }

    async fn perform(&mut self, action: Action, usual: &str) -> io::Result<bool> {
        self.hold(action).await?;
        let reply = if let Action::Reply(own) = action { own } else { usual };
        if let Action::Torn(part) = action {
            self.input.get_mut().write_all(part.as_bytes()).await?;
            return Err(over());
        }
        if let Action::Trickle(pause) = action {
            for byte in format!("{usual}\r\n").bytes() {
                sleep(pause).await;
                self.input.get_mut().write_all(&[byte]).await?;
            }
        } else {
            self.say(reply).await?;
        }
        Ok(reply.as_bytes().first() == usual.as_bytes().first())
    }

    /// What an action does before a reply; what was said before goes out first.
    async fn hold(&mut self, action: Action) -> io::Result<()> {
        if matches!(action, Action::Go | Action::Reply(_)) {
            return Ok(());
        }
        self.flush().await?;
        if let Action::Delay(pause) = action {
            sleep(pause).await;
        }
        if action == Action::Silence {
            copy_buf(&mut self.input, &mut sink()).await?;
        }
        if matches!(action, Action::Cut | Action::Silence) { Err(over()) } else { Ok(()) }
    }

    /// Queues a reply, and writes the queue if the client has sent no further command.
    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        if reply.starts_with("421") {
            self.flush().await?;
            return Err(over());
        }
        if !self.input.buffer().contains(&b'\n') {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.input.get_mut().write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }

    async fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.input).take(64 * 1024).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(over());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn over() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// The address in `FROM:<a@b>` or `TO:<a@b>`; parameters after it are taken as they come.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let (start, path) = rest.split_at_checked(keyword.len())?;
    let (path, _) = path.trim_start().strip_prefix('<')?.rsplit_once('>')?;
    start.eq_ignore_ascii_case(keyword).then(|| path.to_owned())
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |i| chunk.get(i).copied().map_or(0, usize::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = char::from(letters[bits >> (18 - 6 * i) & 63]);
            text.push(if i > chunk.len() { '=' } else { letter });
        }
    }
    text
}
