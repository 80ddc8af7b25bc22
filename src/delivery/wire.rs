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
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::config::{SmtpRelay, TlsMode};

/// How long a TCP connection and a TLS handshake may take each.
const CONNECT: Duration = Duration::from_secs(30);

/// A byte stream to the relay.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    reads: Arc<AtomicU64>,
    peer: SocketAddr,
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
    pub async fn connect(relay: &SmtpRelay) -> io::Result<(Self, Reads)> {
        let tcp = timed(TcpStream::connect((relay.host.as_str(), relay.port))).await?;
        // A message is several small writes; Nagle's algorithm would hold each back for the answer to the last.
        tcp.set_nodelay(true)?;
        let peer = tcp.peer_addr()?;
        let stream = match relay.tls {
            TlsMode::Implicit => Stream::Tls(Box::new(timed(tls(&relay.host, tcp)).await?)),
            TlsMode::Required | TlsMode::None => Stream::Plain(tcp),
        };
        let reads = Arc::new(AtomicU64::new(0));
        Ok((Self { stream, reads: Arc::clone(&reads), peer }, Reads(reads)))
    }
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
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
