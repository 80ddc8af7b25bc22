//! Asking the public web, for staff: whether a link leads anywhere, and for a picture of a page from which they paste.
//!
//! A text must not make the service ask what its author could not (server-side request forgery): an address of the
//! public internet, at the ports of the web, and no other; looked at again at every redirect. What is connected to is the
//! very address that was looked at, so a name that leads elsewhere a moment later changes nothing.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName},
    },
};
use url::{Host, Url};

use crate::app::public_address::{is_for_examples, is_public};

/// How long one connection attempt may take: of several addresses, one that says nothing leaves some time for the next.
const CONNECT: Duration = Duration::from_millis(1_250);
/// Of many addresses, so many are tried.
const TRIED: usize = 4;

/// Redirects that are followed: as many as a page should ever have, and some.
pub const REDIRECTS: usize = 5;

/// How long it may take to fetch one thing, redirects included.
const FETCH: Duration = Duration::from_secs(20);

/// Why nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReached {
    /// Its name is not known.
    #[error("no such host")]
    NoHost,
    /// Its name is for examples.
    #[error("the host's name is for examples")]
    Example,
    /// It leads to an address that is not public.
    #[error("the address is not public")]
    Private,
    /// Another port or scheme than those of the web.
    #[error("not an address of the web")]
    NotAsked,
    /// Nobody answered as they should: `refused`, `certificate` or `answer`.
    #[error("no good answer: {0}")]
    Failed(&'static str),
}

/// Why something could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody answered.
    #[error(transparent)]
    NotReached(#[from] NotReached),
    /// The answer was no: its status.
    #[error("answered with status {0}")]
    Status(u16),
    /// Its redirects do not end.
    #[error("too many redirects")]
    Loop,
    /// It took too long.
    #[error("took too long")]
    Slow,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// Of the answer itself, a redirect's as well.
    pub status: StatusCode,
    /// Where a redirect leads to.
    pub leads_to: Option<Url>,
    /// As much as was asked for, of an answer with a status of success.
    pub body: Bytes,
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
type Resolve = dyn Fn(String) -> Resolving + Send + Sync;
type Dial = dyn Fn(SocketAddr) -> SocketAddr + Send + Sync;

/// A client that asks nobody but the public web.
#[derive(Clone)]
pub struct PublicWeb(Arc<Client>);

struct Client {
    resolve: Box<Resolve>,
    /// Where a connection to an address really goes: there.
    dial: Box<Dial>,
    tls: Option<TlsConnector>,
}

impl Default for PublicWeb {
    fn default() -> Self {
        Self::new()
    }
}

impl PublicWeb {
    /// Asks by the system's resolver.
    #[must_use]
    pub fn new() -> Self {
        Self::with(
            |host| {
                Box::pin(
                    async move { Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) },
                )
            },
            |address| address,
            rustls_native_certs::load_native_certs().certs,
        )
    }

    /// With names that are known otherwise, connections that go elsewhere after everything was looked at, and the
    /// certificates to trust: for tests, in which a server on this machine stands for one of the public internet. No
    /// setting leads here.
    #[must_use]
    pub fn with(
        resolve: impl Fn(String) -> Resolving + Send + Sync + 'static,
        dial: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self(Arc::new(Client { resolve: Box::new(resolve), dial: Box::new(dial), tls: tls(trusted) }))
    }

    /// What is found at an address, of up to `most` bytes. Follows redirects.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: Url, most: usize, user_agent: &str) -> Result<Bytes, FetchError> {
        timeout(FETCH, self.fetch_in_time(url, most, user_agent)).await.unwrap_or(Err(FetchError::Slow))
    }

    async fn fetch_in_time(&self, mut url: Url, most: usize, user_agent: &str) -> Result<Bytes, FetchError> {
        for _ in 0..=REDIRECTS {
            let place = self.locate(&url).await?;
            let answer = self.ask(&url, &place, Method::GET, user_agent, most).await?;
            match answer.leads_to {
                Some(next) => url = next,
                None if answer.status.is_success() => return Ok(answer.body),
                None => return Err(FetchError::Status(answer.status.as_u16())),
            }
        }
        Err(FetchError::Loop)
    }

    /// The addresses of a URL's host, all of them public.
    ///
    /// # Errors
    /// [`NotReached`]
    pub async fn locate(&self, url: &Url) -> Result<Vec<SocketAddr>, NotReached> {
        let port = match (url.scheme(), url.port_or_known_default()) {
            ("http" | "https", Some(port @ (80 | 443))) => Some(port),
            _ => None,
        };
        let ips = match url.host() {
            // However an address was written (2130706433, 0x7f.1), the parser has made these of it.
            Some(Host::Ipv4(ip)) => vec![IpAddr::V4(ip)],
            Some(Host::Ipv6(ip)) => vec![IpAddr::V6(ip)],
            Some(Host::Domain(name)) if is_for_examples(name) => return Err(NotReached::Example),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_owned();
                (self.0.resolve)(name).await.map_err(|_| NotReached::NoHost)?
            }
            None => return Err(NotReached::NoHost),
        };
        if ips.is_empty() {
            return Err(NotReached::NoHost);
        }
        // One of several is enough: which of them readers get is anybody's guess.
        if !ips.iter().all(|ip| is_public(*ip)) {
            return Err(NotReached::Private);
        }
        let port = port.ok_or(NotReached::NotAsked)?;
        Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// One request to what [`locate`](Self::locate) found, and up to `most` bytes of its answer's body; a longer one is none.
    ///
    /// # Errors
    /// [`NotReached`]
    pub async fn ask(
        &self,
        url: &Url,
        place: &[SocketAddr],
        method: Method,
        user_agent: &str,
        most: usize,
    ) -> Result<Answer, NotReached> {
        let stream = self.connect(place).await?;
        let request = request(url, method, user_agent)?;
        if url.scheme() == "http" {
            return exchange(stream, url, request, most).await;
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| NotReached::NoHost)?;
        let tls = self.0.tls.as_ref().ok_or(NotReached::NotAsked)?;
        let stream = tls.connect(name, stream).await.map_err(|error| {
            let said = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            NotReached::Failed(match said {
                Some(rustls::Error::InvalidCertificate(_)) => "certificate",
                Some(_) => "answer",
                None => "refused",
            })
        })?;
        exchange(stream, url, request, most).await
    }

    /// A connection to the first address that takes one.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, NotReached> {
        for address in addresses.iter().take(TRIED) {
            if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect((self.0.dial)(*address))).await {
                return Ok(stream);
            }
        }
        Err(NotReached::Failed("refused"))
    }
}

fn request(url: &Url, method: Method, user_agent: &str) -> Result<Request<Empty<Bytes>>, NotReached> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    Request::builder()
        .method(method)
        .uri(path.parse::<Uri>().map_err(|_| NotReached::NotAsked)?)
        .header(header::HOST, host)
        .header(header::USER_AGENT, user_agent)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| NotReached::NotAsked)
}

/// One request and its answer; the connection ends with it.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &Url,
    request: Request<Empty<Bytes>>,
    most: usize,
) -> Result<Answer, NotReached> {
    let broken = |_| NotReached::Failed("answer");
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(100)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut running = JoinSet::new();
    running.spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let leads_to = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| answer.headers().get(header::LOCATION)?.to_str().ok())
        .flatten()
        .and_then(|to| url.join(to).ok());
    let body =
        if most > 0 && status.is_success() { read(answer.into_body(), most).await? } else { Bytes::new() };
    Ok(Answer { status, leads_to, body })
}

/// Into one piece: a server that sends a byte at a time costs no more than one that does not.
async fn read(mut body: Incoming, most: usize) -> Result<Bytes, NotReached> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NotReached::Failed("answer"))?.into_data() else { continue };
        if read.len() + data.len() > most {
            return Err(NotReached::Failed("answer"));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.into())
}

fn tls(trusted: Vec<CertificateDer<'static>>) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}
