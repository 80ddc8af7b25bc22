//! Whether links lead anywhere. Each address is asked once, with HEAD and where that is not understood with GET, and
//! what comes behind the headers is not read.
//!
//! A text must not make the service ask what its author could not (server-side request forgery): an address of the
//! public internet, at the ports of the web, and no other; looked at again at every redirect. What is connected to is the
//! very address that was looked at, so a name that leads elsewhere a moment later changes nothing.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::Empty;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName},
    },
};
use url::{Host, Url};

use crate::{
    config::PublicUrl,
    domain::{hosted::Hosted, image, shared_file},
    mail::preflight::{Code, Finding, Target},
};

use super::guard::{is_for_examples, is_public};

/// How long one address may take, and all of them.
const EACH: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(12);

/// Addresses that are asked at the same time.
const AT_ONCE: usize = 10;
/// Addresses of one update that are asked at all.
const MOST: usize = 100;

/// Redirects that are followed: as many as a page should ever have, and some.
const REDIRECTS: usize = 5;

/// How long an answer is remembered, so that looking again costs nobody anything, and how many are.
const REMEMBERED: Duration = Duration::from_mins(5);
const MEMORY: usize = 1_000;

/// What servers see in their logs: who asks, and why.
const USER_AGENT: &str =
    concat!("Rundbrief/", env!("CARGO_PKG_VERSION"), " (checks the links of a newsletter before it is sent)");

/// What became of asking an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It is there.
    Fine,
    /// It is not: 404 or 410.
    Dead(u16),
    /// Its name is not known.
    NoHost,
    /// Its name is for examples.
    Example,
    /// It leads to an address that is not public.
    Private,
    /// Nobody answered as they should; the reason is a key of `staff.preflight_value`.
    Unreachable(&'static str),
    /// Its redirects do not end.
    Loop,
    /// The answer says neither: 403, 500 and others, which servers also give to programs that they do not know.
    Uncertain(u16),
    /// It was not asked: another port, or no time.
    Unasked,
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
type Resolve = dyn Fn(String) -> Resolving + Send + Sync;
type Dial = dyn Fn(SocketAddr) -> SocketAddr + Send + Sync;

/// Asks addresses, and remembers for a while what they answered.
pub struct Links(Arc<Asking>);

struct Asking {
    resolve: Box<Resolve>,
    /// Where a connection to an address really goes: there.
    dial: Box<Dial>,
    tls: Option<TlsConnector>,
    known: Mutex<HashMap<Url, (Instant, LinkState)>>,
    places: Semaphore,
}

impl Default for Links {
    fn default() -> Self {
        Self::new()
    }
}

impl Links {
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
        Self(Arc::new(Asking {
            resolve: Box::new(resolve),
            dial: Box::new(dial),
            tls: tls(trusted),
            known: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }))
    }

    /// Looks at every target; those of our own service without asking. `hosted` knows the pictures and files of ours that the
    /// text names.
    pub async fn check(&self, targets: Vec<Target>, own: &PublicUrl, hosted: &Hosted) -> Vec<Finding> {
        let until = Instant::now() + ALL;
        let mut asked = JoinSet::new();
        let mut states = vec![LinkState::Unasked; targets.len()];
        for (number, target) in targets.iter().enumerate().take(MOST) {
            if let Some(state) = own_state(&target.url, own, hosted) {
                states[number] = state;
                continue;
            }
            let (asking, url) = (Arc::clone(&self.0), target.url.clone());
            asked.spawn(async move { (number, asking.state(url, until).await) });
        }
        while let Some(answered) = asked.join_next().await {
            if let Ok((number, state)) = answered {
                states[number] = state;
            }
        }
        let mut unasked = 0;
        let mut found = Vec::new();
        for (target, state) in targets.iter().zip(states) {
            unasked += usize::from(state == LinkState::Unasked);
            let Some(finding) = finding(&target.url, state) else { continue };
            let finding = finding.at(target.place);
            found.push(target.line.map_or(finding.clone(), |line| finding.in_line(line)));
        }
        if unasked > 0 {
            found.push(Finding::new(Code::LinksUnchecked).with("count", unasked.to_string()));
        }
        found
    }

    /// What becomes of asking one address.
    pub async fn ask(&self, url: &Url) -> LinkState {
        self.0.state(url.clone(), Instant::now() + ALL).await
    }
}

/// What becomes of an address of ours; nothing of those that are not.
fn own_state(url: &Url, own: &PublicUrl, hosted: &Hosted) -> Option<LinkState> {
    if !Url::parse(own.as_str()).is_ok_and(|own| own.origin() == url.origin()) {
        return None;
    }
    let address = own.join(url.path());
    let is_there = if image::file_in(&address, own).is_some() {
        hosted.size(&address).is_some()
    } else if shared_file::file_in(&address, own).is_some() {
        hosted.file(&address).is_some()
    } else {
        true
    };
    Some(if is_there { LinkState::Fine } else { LinkState::Dead(404) })
}

fn finding(url: &Url, state: LinkState) -> Option<Finding> {
    let about = |code| Finding::new(code).with("address", url.as_str());
    match state {
        LinkState::Fine | LinkState::Unasked => None,
        LinkState::Dead(status) => Some(about(Code::LinkDead).with("status", status.to_string())),
        LinkState::NoHost => Some(about(Code::LinkNoHost).with("host", url.host_str().unwrap_or_default())),
        LinkState::Example => Some(about(Code::LinkExample)),
        LinkState::Private => Some(about(Code::LinkPrivate)),
        LinkState::Unreachable(reason) => Some(about(Code::LinkUnreachable).with("reason", reason)),
        LinkState::Loop => Some(about(Code::LinkLoop)),
        LinkState::Uncertain(status) => Some(about(Code::LinkUncertain).with("status", status.to_string())),
    }
}

impl Asking {
    async fn state(&self, mut url: Url, until: Instant) -> LinkState {
        // Not part of what is asked.
        url.set_fragment(None);
        if let Some((at, state)) = self.known().get(&url)
            && at.elapsed() < REMEMBERED
        {
            return *state;
        }
        let Ok(Ok(_place)) = timeout_at(until, self.places.acquire()).await else {
            return LinkState::Unasked;
        };
        let state = match timeout_at(until.min(Instant::now() + EACH), self.follow(url.clone())).await {
            Ok(state) => state,
            Err(_) if Instant::now() >= until => return LinkState::Unasked,
            Err(_) => LinkState::Unreachable("slow"),
        };
        let mut known = self.known();
        if known.len() >= MEMORY {
            known.clear();
        }
        known.insert(url, (Instant::now(), state));
        state
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Url, (Instant, LinkState)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks an address, and those it leads on to.
    async fn follow(&self, mut url: Url) -> LinkState {
        for _ in 0..=REDIRECTS {
            let (status, leads_to) = match self.visit(&url).await {
                Ok(answer) => answer,
                Err(state) => return state,
            };
            let next = leads_to.and_then(|to| url.join(&to).ok());
            match (status.as_u16(), next) {
                (301 | 302 | 303 | 307 | 308, Some(next)) => url = next,
                (200..=299, _) => return LinkState::Fine,
                (status @ (404 | 410), _) => return LinkState::Dead(status),
                (status, _) => return LinkState::Uncertain(status),
            }
        }
        LinkState::Loop
    }

    /// One request, or two: what is not understood, or refused, with HEAD is asked for with GET.
    async fn visit(&self, url: &Url) -> Result<(StatusCode, Option<String>), LinkState> {
        let addresses = self.addresses(url).await?;
        let mut answer = self.request(url, &addresses, Method::HEAD).await?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            answer = self.request(url, &addresses, Method::GET).await?;
        }
        let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        Ok((answer.status(), to.map(str::to_owned)))
    }

    /// The addresses that a link leads to, all of them public.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, LinkState> {
        let port = match (url.scheme(), url.port_or_known_default()) {
            ("http" | "https", Some(port @ (80 | 443))) => Some(port),
            _ => None,
        };
        let ips = match url.host() {
            // However an address was written (2130706433, 0x7f.1), the parser has made these of it.
            Some(Host::Ipv4(ip)) => vec![IpAddr::V4(ip)],
            Some(Host::Ipv6(ip)) => vec![IpAddr::V6(ip)],
            Some(Host::Domain(name)) if is_for_examples(name) => return Err(LinkState::Example),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_owned();
                (self.resolve)(name).await.map_err(|_| LinkState::NoHost)?
            }
            None => return Err(LinkState::NoHost),
        };
        if ips.is_empty() {
            return Err(LinkState::NoHost);
        }
        // One of several is enough: which of them readers get is anybody's guess.
        if !ips.iter().all(|ip| is_public(*ip)) {
            return Err(LinkState::Private);
        }
        let port = port.ok_or(LinkState::Unasked)?;
        Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    async fn request(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
        method: Method,
    ) -> Result<Response<Incoming>, LinkState> {
        let stream = self.connect(addresses).await?;
        if url.scheme() == "http" {
            return exchange(stream, url, method).await;
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| LinkState::NoHost)?;
        let tls = self.tls.as_ref().ok_or(LinkState::Unasked)?;
        let stream = tls.connect(name, stream).await.map_err(|error| {
            let said = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            LinkState::Unreachable(match said {
                Some(rustls::Error::InvalidCertificate(_)) => "certificate",
                Some(_) => "answer",
                None => "refused",
            })
        })?;
        exchange(stream, url, method).await
    }

    /// A connection to the first address that takes one; of many, the first four are tried.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, LinkState> {
        for address in addresses.iter().take(4) {
            // A fourth of the time: one that says nothing leaves some for the next.
            if let Ok(Ok(stream)) = timeout(EACH / 4, TcpStream::connect((self.dial)(*address))).await {
                return Ok(stream);
            }
        }
        Err(LinkState::Unreachable("refused"))
    }
}

/// One request and the head of its answer; the connection ends with it.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &Url,
    method: Method,
) -> Result<Response<Incoming>, LinkState> {
    let broken = |_| LinkState::Unreachable("answer");
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(100)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut running = JoinSet::new();
    running.spawn(connection);
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::builder()
        .method(method)
        .uri(path.parse::<Uri>().map_err(|_| LinkState::Unasked)?)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| LinkState::Unasked)?;
    sender.send_request(request).await.map_err(broken)
}

fn tls(trusted: Vec<CertificateDer<'static>>) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}
