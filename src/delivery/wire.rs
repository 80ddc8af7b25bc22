//! The wire to the relay: TCP without Nagle's delay, TLS where it is asked for, and a look at how far we came.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{
    config::{SmtpRelay, TlsMode},
    delivery::replies::Replies,
};

/// How long a TCP connection and a TLS handshake may take each.
const CONNECT: Duration = Duration::from_secs(30);

/// Bytes that may wait in the kernel for the relay to take them (twice as many in fact, see `man 7 socket`). What is
/// in there has left our hands, so a small number means that we know better how far a message came when the line
/// breaks: only a message whose last bytes are in there can be one that nobody knows about.
/// Smaller ones stall large messages to a relay on the same machine.
const SEND_BUFFER: u32 = 64 * 1024;

/// A byte stream to the relay.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    reads: Arc<AtomicU64>,
    peer: SocketAddr,
    patience: Patience,
    /// Runs while the stream stands still.
    standstill: Option<Pin<Box<Sleep>>>,
    /// Mends replies, where what we read are replies and not lettre's own TLS.
    replies: Option<Replies>,
    /// Mended bytes that nobody had room for yet.
    mended: Vec<u8>,
}

/// How long the stream may stand still.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until it takes more bytes.
    pub writing: Duration,
    /// Until it has bytes for us.
    pub reading: Duration,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Counts how often the stream was asked for bytes.
///
/// An SMTP client reads only after everything it had to write has been handed to the network. So "nobody has
/// read since the message began" means that its final dot has not left, and the message can be sent again; any
/// other breakage leaves that open.
#[derive(Debug, Clone)]
pub struct Reads(Arc<AtomicU64>);

impl Reads {
    /// How often so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wire {
    /// Connects to the relay, with TLS from the first byte where `smtps://` says so.
    pub async fn connect(relay: &SmtpRelay, patience: Patience) -> io::Result<(Self, Reads)> {
        let tcp = tcp(relay).await?;
        // A message is several small writes; Nagle's algorithm would hold each back for the answer to the last.
        tcp.set_nodelay(true)?;
        let peer = tcp.peer_addr()?;
        let stream = match relay.tls {
            TlsMode::Implicit => Stream::Tls(Box::new(timed(tls(&relay.host, tcp)).await?)),
            TlsMode::Required | TlsMode::None => Stream::Plain(tcp),
        };
        let reads = Arc::new(AtomicU64::new(0));
        let replies = (relay.tls != TlsMode::Required).then(Replies::default);
        let wire = Self {
            stream,
            reads: Arc::clone(&reads),
            peer,
            patience,
            standstill: None,
            replies,
            mended: Vec::new(),
        };
        Ok((wire, Reads(reads)))
    }

    /// Passes on mended bytes, as many as there is room for.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>) {
        let room = buf.remaining().min(self.mended.len());
        buf.put_slice(&self.mended[..room]);
        self.mended.drain(..room);
    }

    /// Passes on what became of a read or write, and ends the stream when it has stood still for too long.
    fn within<T>(
        &mut self,
        limit: Duration,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.standstill = None;
            return polled;
        }
        let standstill = self.standstill.get_or_insert_with(|| Box::pin(sleep(limit)));
        standstill
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
    }
}

/// Tries the relay's addresses one after the other, each for its time: the first may lead nowhere.
async fn tcp(relay: &SmtpRelay) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    for address in timed(lookup_host((relay.host.as_str(), relay.port))).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_send_buffer_size(SEND_BUFFER)?;
        match timed(socket.connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn timed<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CONNECT, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn tls(host: &str, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if !self.mended.is_empty() {
            self.pass_on(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let mended = self.replies.as_mut().and_then(|replies| replies.mended(&buf.filled()[before..]));
        if let Some(mended) = mended {
            buf.set_filled(before);
            self.mended = mended;
            self.pass_on(buf);
        }
        let limit = self.patience.reading;
        self.within(limit, cx, polled)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        let limit = self.patience.writing;
        self.within(limit, cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        let limit = self.patience.writing;
        self.within(limit, cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
