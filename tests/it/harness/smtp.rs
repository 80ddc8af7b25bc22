//! The tests' relay: a real SMTP server on loopback that can refuse, delay and cut the connection.
//!
//! Its log says what was delivered: it contains each mail accepted after the final dot, also where the client never saw
//! the reply. Commands sent ahead against RFC 2920 get a 421.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use self::line::Line;

mod line;

/// Where the behaviour is asked, each time just before the server would say yes.
///
/// At `Body` (it is coming in) `Cut` reads its first kilobyte and closes the line, `Delay` and
/// `Silence` come before the reading, all others act as at `Dot`. What the server does not read,
/// the system takes in for it: see [`ROOM`] for how large a mail must be to be cut for certain.
/// At `Dot` (the final dot has come) all but a `Reply` other than 2xx takes the mail at once: after
/// `Cut` and during `Delay` the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub enum Phase { Connect, Ehlo, Auth, Mail, Rcpt, Data, Body, Dot, Quit }

/// What the server does in a [`Phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Gives the usual reply.
    Go,
    /// Gives this reply instead, without the last CRLF; 421 also closes the line.
    Reply(&'static str),
    /// Closes the line without a reply.
    Cut,
    /// Waits, then gives the usual reply.
    Delay(Duration),
    /// Never answers; the line stays open until the client closes it.
    Silence,
    /// Gives the usual reply, one byte per this long.
    Trickle(Duration),
    /// Gives this, without a CRLF, and closes the line.
    Torn(&'static str),
}

/// What [`Behaviour::decide`] holds.
pub type Decide = dyn Fn(Phase, &str) -> Action + Send + Sync;

/// What the server makes of an EHLO after the login. RFC 4954 asks for none, and relays differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondHello {
    /// Answers it.
    Answer,
    /// Refuses it, as `OpenSMTPD` does.
    Refuse,
    /// Answers it, and forgets the login.
    Forget,
}

/// How the server behaves; options are set as in `Behaviour { data_anyway: true, ..behave(f) }`.
#[derive(Clone)]
pub struct Behaviour {
    /// What EHLO offers besides SIZE and AUTH: at first PIPELINING and 8BITMIME.
    pub keywords: Vec<&'static str>,
    /// User and password without which MAIL gets 530.
    pub credentials: Option<(String, String)>,
    /// The line that offers the login: at first `AUTH PLAIN LOGIN`.
    pub offers_login: &'static str,
    /// What an EHLO after the login does.
    pub second_hello: SecondHello,
    /// Lines open at once; one more gets `421 4.7.0` and is closed.
    pub max_connections: usize,
    /// Answers DATA with 354 even if no recipient was accepted (RFC 2920, 3.1), the dot with 554.
    pub data_anyway: bool,
    /// How many mails' text the log keeps; of the others [`Accepted::data`] is empty.
    pub texts_kept: usize,
    /// Gets the recipient at `Rcpt`, the first accepted one at `Data`, `Body` and `Dot`, else `""`.
    pub decide: Arc<Decide>,
}

/// A relay that does what `decide` says and is well-behaved otherwise.
pub fn behave(decide: impl Fn(Phase, &str) -> Action + Send + Sync + 'static) -> Behaviour {
    Behaviour {
        keywords: vec!["PIPELINING", "8BITMIME"],
        credentials: None,
        offers_login: "AUTH PLAIN LOGIN",
        second_hello: SecondHello::Answer,
        max_connections: usize::MAX,
        data_anyway: false,
        texts_kept: usize::MAX,
        decide: Arc::new(decide),
    }
}

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The envelope's sender, without the angle brackets.
    pub from: String,
    /// The envelope's accepted recipients.
    pub to: Vec<String>,
    /// The mail with dots un-stuffed, lines ending in CRLF as they came.
    pub data: Vec<u8>,
    /// When the final dot came.
    pub at: Instant,
    /// False while a held-back reply is yet to come, and for good if the line was cut before it.
    pub replied: bool,
}

/// The lines that the server has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// In total, without those turned away.
    pub opened: usize,
    /// Turned away for [`Behaviour::max_connections`], in total.
    pub refused: usize,
    /// Open now; a line counts as closed from QUIT on.
    pub open: usize,
    /// Most at once.
    pub most: usize,
}

/// A running relay; dropping it closes the port and cuts all lines.
pub struct SmtpServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    /// While running, the task that accepts, which ends when the sender is dropped.
    running: AsyncMutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    /// While stopped, a socket that holds the port but does not listen.
    reserved: AsyncMutex<Option<TcpSocket>>,
}

/// What the server and its lines have in common; each open line holds a clone of `open`.
struct Shared {
    behaviour: Mutex<Arc<Behaviour>>,
    log: Mutex<Vec<Accepted>>,
    count: watch::Sender<usize>,
    connections: Mutex<Connections>,
    open: Arc<()>,
}

impl SmtpServer {
    /// Starts a well-behaved relay on a free port.
    pub async fn start() -> Self {
        Self::start_with(behave(|_, _| Action::Go)).await
    }

    /// Starts a relay with this behaviour on a free port.
    pub async fn start_with(behaviour: Behaviour) -> Self {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into());
        let server = Self {
            addr: socket.local_addr().expect("the relay's address"),
            shared: Arc::new(Shared {
                behaviour: Mutex::new(Arc::new(behaviour)),
                log: Mutex::default(),
                count: watch::Sender::default(),
                connections: Mutex::default(),
                open: Arc::default(),
            }),
            running: AsyncMutex::default(),
            reserved: AsyncMutex::new(Some(socket)),
        };
        server.resume().await;
        server
    }

    /// Where it listens, the same for its whole life.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address for the service's settings, with the login that the relay wants now.
    pub fn url(&self) -> String {
        let behaviour = lock(&self.shared.behaviour).clone();
        let login = behaviour.credentials.as_ref().map(|(user, password)| format!("{user}:{password}@"));
        format!("smtp://{}{}?tls=none", login.unwrap_or_default(), self.addr)
    }

    /// The mails it took, in order.
    pub fn accepted(&self) -> Vec<Accepted> {
        lock(&self.shared.log).clone()
    }

    /// How many mails it took.
    pub fn accepted_count(&self) -> usize {
        lock(&self.shared.log).len()
    }

    /// How many mails each recipient got, by the address as it was written in RCPT.
    pub fn sink_count_per_recipient(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for to in lock(&self.shared.log).iter().flat_map(|mail| &mail.to) {
            *counts.entry(to.clone()).or_default() += 1;
        }
        counts
    }

    /// How many lines it has seen.
    pub fn connections(&self) -> Connections {
        let open = Arc::strong_count(&self.shared.open) - 1;
        Connections { open, ..*lock(&self.shared.connections) }
    }

    /// Changes the behaviour, of open lines too.
    pub fn set(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = Arc::new(behaviour);
    }

    /// Waits until it took at least `n` mails and gives all of them; panics after 30 seconds.
    pub async fn wait_for(&self, n: usize) -> Vec<Accepted> {
        let mut count = self.shared.count.subscribe();
        let enough = count.wait_for(|count| *count >= n);
        let in_time = timeout(Duration::from_secs(30), enough).await.is_ok();
        let (came, lines) = (self.accepted_count(), self.connections());
        assert!(in_time, "{n} mails expected within 30 s, {came} came; {lines:?}");
        self.accepted()
    }

    /// Takes the relay down: on return all lines are cut, and new ones are refused by the system.
    pub async fn stop(&self) {
        if let Some((stop, task)) = self.running.lock().await.take() {
            drop(stop);
            task.await.expect("the relay ends well");
            *self.reserved.lock().await = Some(bind(self.addr));
        }
    }

    /// Brings the relay up again on the same port, with the same log and behaviour.
    pub async fn resume(&self) {
        if let Some(socket) = self.reserved.lock().await.take() {
            let listener = socket.listen(1024).expect("the relay listens");
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(serve(listener, self.shared.clone(), stopped));
            *self.running.lock().await = Some((stop, task));
        }
    }
}

impl Shared {
    /// Logs a mail and gives its place in the log.
    fn take(&self, mut mail: Accepted) -> usize {
        let texts_kept = lock(&self.behaviour).texts_kept;
        let mut log = lock(&self.log);
        if log.len() >= texts_kept {
            mail.data = Vec::new();
        }
        log.push(mail);
        self.count.send_modify(|count| *count += 1);
        log.len() - 1
    }
}

/// Bytes that a line's system buffer is asked to hold before the server reads them.
///
/// Linux doubles this and would let it grow to megabytes otherwise. With a client that keeps its own
/// side to 64 KB, less than 200 KB are on their way when the server stops reading: of a larger mail
/// the end is with the client then.
const ROOM: u32 = 16 * 1024;

fn bind(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("the relay's socket");
    socket.set_recv_buffer_size(ROOM).expect("SO_RCVBUF");
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    socket.bind(addr).expect("the relay's port is free");
    socket
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts lines until the other end of `stopped` is dropped, then cuts them all.
async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = lines.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(lines.spawn(Line::open(stream, &shared).talk())),
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    lines.shutdown().await;
}
