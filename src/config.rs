//! Every setting of the environment: typed, validated, read once.
//!
//! [`Config::from_env`] reads them all and reports every problem at once, each with the variable's name and the
//! way out, so that an operator corrects the file in one go. A command that needs no relay asks only for what
//! it needs: [`Config`] is made of parts that are also read alone ([`database_url`], [`secret_keys`]).

mod bounce_address;
mod bounce_hooks;
mod bounce_listen;
mod bounce_mailbox;
mod database;
mod dkim_keys;
mod guard;
mod images;
mod secret;
mod signup_limits;
mod smtp_relay;

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use url::Url;

pub use self::{
    bounce_address::BounceAddress,
    bounce_hooks::{BounceHook, HookProof, HookProvider, Topic},
    bounce_listen::BounceListen,
    bounce_mailbox::BounceMailbox,
    database::DatabaseUrl,
    dkim_keys::{DkimKey, DkimSecret, parse_selector},
    guard::{Captcha, Guard},
    images::{ImageStore, S3, S3Credentials},
    secret::{SecretKeys, SecretKeysError},
    signup_limits::SignupLimits,
    smtp_relay::{Credentials, SmtpRelay, SmtpRelayError, TlsMode},
};

/// The whole configuration of a running service. Its debug output holds no secret.
#[derive(Clone)]
pub struct Config {
    /// Where Postgres is (`DATABASE_URL`).
    pub database_url: String,
    /// The URL at which people reach the service, without a trailing slash (`PUBLIC_URL`).
    pub public_url: PublicUrl,
    /// Whether HSTS covers every host below that of `PUBLIC_URL` too
    /// (`HSTS_SUBDOMAINS`, default as [`PublicUrl::has_host_of_its_own`]).
    pub hsts_subdomains: bool,
    /// Size of the connection pool; a worker has connections of its own besides (`DATABASE_CONNECTIONS`, default 20).
    pub database_connections: u32,
    /// Where to listen for HTTP (`LISTEN_ADDR`); `serve` has a default, [`DEFAULT_LISTEN_ADDR`].
    pub listen_addr: Option<SocketAddr>,
    /// Where to listen for Prometheus (`METRICS_ADDR`); nowhere by default.
    pub metrics_addr: Option<SocketAddr>,
    /// Keys for tokens and suppressions (`SECRET_KEY`); the first signs, all of them verify.
    pub secret_keys: SecretKeys,
    /// The relay that accepts our mail (`SMTP_URL`).
    pub smtp: SmtpRelay,
    /// Open SMTP connections at most, 1 to 512 (`SMTP_CONNECTIONS`, default 8).
    pub smtp_connections: usize,
    /// Messages over one connection before a new one is opened; 0 is unlimited (`SMTP_MESSAGES_PER_CONNECTION`).
    pub smtp_messages_per_connection: u32,
    /// Messages per second over all workers together; 0 is unlimited (`SEND_RATE`).
    pub send_rate: u32,
    /// How long the relay may take to answer a command; the limits for the other steps follow from it
    /// (`SMTP_TIMEOUT`, seconds, default 300 as in RFC 5321 §4.5.3.2).
    pub smtp_timeout: Duration,
    /// Networks whose `X-Forwarded-For` is trusted (`TRUSTED_PROXIES`).
    pub trusted_proxies: Vec<IpNet>,
    /// Days to keep a visitor's IP address with the consent record; 0 never records it (`KEEP_IP_DAYS`).
    pub keep_ip_days: u16,
    /// How many mails signups may cause (`SIGNUPS_…`, `CONFIRMATION…`).
    pub signup_limits: SignupLimits,
    /// Protection against bots (`FORM_SECONDS`, `CAPTCHA`, `REQUESTS_PER_CLIENT`).
    pub guard: Guard,
    /// Folder whose files replace built-in mail templates (`EMAIL_TEMPLATES_DIR`).
    pub email_templates_dir: Option<PathBuf>,
    /// Where uploaded pictures are stored (`IMAGE_STORE`).
    pub image_store: ImageStore,
    /// Folder in which the service remembers its database (`STATE_DIR`).
    pub state_dir: PathBuf,
    /// Where mail servers report what they could not deliver (`BOUNCE_ADDRESS`); to the sender's address by default.
    pub bounce_address: Option<BounceAddress>,
    /// Where to take in what comes back (`BOUNCE_LISTEN`); nowhere by default.
    pub bounce_listen: Option<BounceListen>,
    /// The mail providers that tell of what comes back at `/hooks/bounces/…` (`BOUNCE_HOOKS`); none by default.
    pub bounce_hooks: Vec<BounceHook>,
    /// The mailbox to read what comes back from (`BOUNCE_MAILBOX`); none by default.
    pub bounce_mailbox: Option<BounceMailbox>,
    /// The keys with which the service signs mails itself (`DKIM_KEYS`); by default none, and the relay signs.
    pub dkim_keys: Vec<DkimKey>,
    /// The relay's DKIM selector, whose key the preflight looks up in the DNS (`DKIM_SELECTOR`).
    pub dkim_selector: Option<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `database_url` may hold a password.
        f.debug_struct("Config")
            .field("public_url", &self.public_url)
            .field("smtp", &self.smtp)
            .finish_non_exhaustive()
    }
}

/// Where `serve` listens by default.
pub const DEFAULT_LISTEN_ADDR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The service's own URL, as people and mail programs reach it.
///
/// Always http or https, never with a trailing slash, so that `{url}/confirm/…` is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    /// `LIST_ID`, where it is set.
    list_id: Option<String>,
}

impl PublicUrl {
    /// Parses a URL such as `https://news.example.org`.
    ///
    /// # Errors
    /// A message for the operator when it is not an absolute http(s) URL, or has a path, a query, a fragment or a login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim())
            .map_err(|error| format!("is not a URL ({error}); write it as https://news.example.org"))?;
        let plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && matches!(url.path(), "" | "/");
        if url.scheme() == "http" && !is_on_this_machine(&url) {
            return Err("must begin with https://: links contain tokens, and mail programs unsubscribe only over https (RFC 8058)".into());
        }
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
            return Err(
                "must be a plain URL without path, query or login, such as https://news.example.org".into()
            );
        }
        Ok(Self { url, list_id: None })
    }

    /// The full URL of a path that begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }

    /// The URL without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The host's name in A-label form; it is the right-hand side of Message-IDs and the name in EHLO.
    #[must_use]
    pub fn host(&self) -> &str {
        // `parse` refused URLs without a host.
        self.url.host_str().unwrap_or("localhost")
    }

    /// Whether the host looks like one for this service alone, such as `news.example.org`: a name below a domain. Below a
    /// domain itself there may be any sites, and some of them without TLS. What may be a domain itself, such as
    /// `example.co.uk`, counts as one.
    #[must_use]
    pub fn has_host_of_its_own(&self) -> bool {
        let Some(url::Host::Domain(name)) = self.url.host() else { return false };
        let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').collect();
        match labels[..] {
            [country, second, _] => country.len() > 2 || second.len() > 3,
            _ => labels.len() > 3,
        }
    }

    /// Whether people reach the service over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The newsletter's name for mail programs (List-Id, RFC 2919), which readers' filters use: `LIST_ID`, else derived from
    /// the host.
    #[must_use]
    pub fn list_id(&self) -> String {
        self.list_id.clone().unwrap_or_else(|| format!("rundbrief.{}", self.host()))
    }
}

/// Whether a URL leads to this machine, where plain http is as safe as https.
#[must_use]
pub fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Every problem found in the environment, one per line.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not complete:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<String>);

impl Config {
    /// Reads the whole configuration from the environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with one line for every missing or malformed variable.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::read(&Source::environment())
    }

    /// Reads the whole configuration from `source`; tests and the demo pass their own.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn read(source: &Source) -> Result<Self, ConfigErrors> {
        let mut problems = Vec::new();
        let database_url = required(source, &mut problems, "DATABASE_URL", parse_database_url);
        let list_id = optional(source, &mut problems, "LIST_ID", parse_list_id);
        let public_url = required(source, &mut problems, "PUBLIC_URL", PublicUrl::parse)
            .map(|public_url| PublicUrl { list_id, ..public_url });
        let secret_keys = required(source, &mut problems, "SECRET_KEY", |text| {
            SecretKeys::parse(text).map_err(|error| error.to_string())
        });
        let smtp = required(source, &mut problems, "SMTP_URL", |text| {
            SmtpRelay::parse(text).map_err(|error| error.to_string())
        });
        let listen_addr = optional(source, &mut problems, "LISTEN_ADDR", parse_listen_addr);
        let metrics_addr = optional(source, &mut problems, "METRICS_ADDR", |text| {
            parse_metrics_addr(text, listen_addr.unwrap_or(DEFAULT_LISTEN_ADDR))
        });
        let database_connections =
            optional(source, &mut problems, "DATABASE_CONNECTIONS", |text| number(text, 5, 1000));
        let smtp_connections =
            optional(source, &mut problems, "SMTP_CONNECTIONS", |text| number(text, 1, 512));
        let smtp_messages_per_connection =
            optional(source, &mut problems, "SMTP_MESSAGES_PER_CONNECTION", |text| {
                number(text, 0, 1_000_000)
            });
        let send_rate = optional(source, &mut problems, "SEND_RATE", |text| number(text, 0, 1_000_000));
        let smtp_timeout = optional(source, &mut problems, "SMTP_TIMEOUT", |text| number(text, 1, 3600));
        let keep_ip_days = optional(source, &mut problems, "KEEP_IP_DAYS", |text| number(text, 0, 3650));
        let signup_limits = SignupLimits::read(source, &mut problems);
        let guard = Guard::read(source, &mut problems);
        let hsts_subdomains = optional(source, &mut problems, "HSTS_SUBDOMAINS", |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(format!("must be on or off, not {text:?}")),
        });
        let trusted_proxies = optional(source, &mut problems, "TRUSTED_PROXIES", parse_networks);
        let email_templates_dir = optional(source, &mut problems, "EMAIL_TEMPLATES_DIR", |text| {
            let dir = PathBuf::from(text);
            if dir.is_dir() { Ok(dir) } else { Err(format!("names {text}, which is not a folder")) }
        });
        let image_store = ImageStore::read(source, &mut problems);
        let state_dir = optional(source, &mut problems, "STATE_DIR", |text| {
            let dir = PathBuf::from(text);
            if dir.is_absolute() {
                Ok(dir)
            } else {
                Err("must be an absolute path, such as /var/lib/rundbrief".to_owned())
            }
        })
        .unwrap_or_else(|| default_state_dir(source));
        let bounce_address = optional(source, &mut problems, "BOUNCE_ADDRESS", BounceAddress::parse);
        let bounce_listen = optional(source, &mut problems, "BOUNCE_LISTEN", |text| {
            BounceListen::parse(text, bounce_address.is_some())
        });
        let bounce_hooks = optional(source, &mut problems, "BOUNCE_HOOKS", BounceHook::parse);
        let bounce_mailbox = optional(source, &mut problems, "BOUNCE_MAILBOX", BounceMailbox::parse);
        let dkim_keys = optional(source, &mut problems, "DKIM_KEYS", DkimKey::parse);
        let dkim_selector = optional(source, &mut problems, "DKIM_SELECTOR", parse_selector);
        // Used where logging starts; read here only to report a wrong value.
        let _: Option<()> = optional(source, &mut problems, "LOG_FORMAT", |text| match text {
            "text" | "json" => Ok(()),
            _ => Err("must be text or json".to_owned()),
        });
        let _: Option<()> = optional(source, &mut problems, "RUST_LOG", |text| {
            let parsed = tracing_subscriber::EnvFilter::try_new(text);
            parsed
                .map(drop)
                .map_err(|error| format!("must be a level such as info or rundbrief=debug ({error})"))
        });
        let (Some(database_url), Some(public_url), Some(secret_keys), Some(smtp), true) =
            (database_url, public_url, secret_keys, smtp, problems.is_empty())
        else {
            return Err(ConfigErrors(problems));
        };
        Ok(Self {
            database_url,
            hsts_subdomains: hsts_subdomains.unwrap_or_else(|| public_url.has_host_of_its_own()),
            database_connections: database_connections.unwrap_or(DatabaseUrl::CONNECTIONS),
            public_url,
            listen_addr,
            metrics_addr,
            secret_keys,
            smtp,
            smtp_connections: smtp_connections.unwrap_or(8),
            smtp_messages_per_connection: smtp_messages_per_connection.unwrap_or(0),
            send_rate: send_rate.unwrap_or(0),
            smtp_timeout: Duration::from_secs(smtp_timeout.unwrap_or(300)),
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            keep_ip_days: keep_ip_days.unwrap_or(0),
            signup_limits,
            guard,
            email_templates_dir,
            image_store,
            state_dir,
            bounce_address,
            bounce_listen,
            bounce_hooks: bounce_hooks.unwrap_or_default(),
            bounce_mailbox,
            dkim_keys: dkim_keys.unwrap_or_default(),
            dkim_selector,
        })
    }
}

/// The first folder of systemd's `StateDirectory=`; else `/var/lib/rundbrief`.
fn default_state_dir(source: &Source) -> PathBuf {
    let given = source.get("STATE_DIRECTORY").unwrap_or_default();
    let given = given.split(':').next().filter(|path| !path.is_empty());
    PathBuf::from(given.unwrap_or("/var/lib/rundbrief"))
}

/// `DKIM_KEYS` alone, for commands that need nothing else.
///
/// # Errors
/// [`ConfigErrors`] when it is missing, or a key cannot be used.
pub fn dkim_keys(source: &Source) -> Result<Vec<DkimKey>, ConfigErrors> {
    alone(source, "DKIM_KEYS", DkimKey::parse)
}

/// `DATABASE_URL` alone, for commands that need nothing else.
///
/// # Errors
/// [`ConfigErrors`] when it is missing or not a Postgres URL.
pub fn database_url(source: &Source) -> Result<String, ConfigErrors> {
    alone(source, "DATABASE_URL", parse_database_url)
}

/// `SECRET_KEY` alone, for commands that recognise suppressed addresses.
///
/// # Errors
/// [`ConfigErrors`] when it is missing or malformed.
pub fn secret_keys(source: &Source) -> Result<SecretKeys, ConfigErrors> {
    alone(source, "SECRET_KEY", |text| SecretKeys::parse(text).map_err(|error| error.to_string()))
}

/// `BOUNCE_ADDRESS` alone, for commands that need nothing else; `None` when it is not set.
///
/// # Errors
/// When it is no address with room for a token.
pub fn bounce_address(source: &Source) -> Result<Option<BounceAddress>, ConfigErrors> {
    let mut problems = Vec::new();
    let address = optional(source, &mut problems, "BOUNCE_ADDRESS", BounceAddress::parse);
    if problems.is_empty() { Ok(address) } else { Err(ConfigErrors(problems)) }
}

/// `PUBLIC_URL` alone, for commands that write a link.
///
/// # Errors
/// [`ConfigErrors`] when it is missing or malformed.
pub fn public_url(source: &Source) -> Result<PublicUrl, ConfigErrors> {
    alone(source, "PUBLIC_URL", PublicUrl::parse)
}

/// Where variables come from: a lookup by name. An empty value counts as missing.
pub struct Source(Box<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Source {
    /// The process's own environment (a `.env` file has been loaded into it before).
    #[must_use]
    pub fn environment() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// A fixed list of pairs.
    #[must_use]
    pub fn pairs(pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Box::new(move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())))
    }

    /// This source, with the process's environment as a fallback for these names only.
    #[must_use]
    pub fn or_environment(self, names: &'static [&'static str]) -> Self {
        let environment = Self::environment();
        Self(Box::new(move |name| {
            (self.0)(name).or_else(|| names.contains(&name).then(|| (environment.0)(name))?)
        }))
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

fn alone<T>(
    source: &Source,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, ConfigErrors> {
    let mut problems = Vec::new();
    required(source, &mut problems, name, parse).ok_or(ConfigErrors(problems))
}

fn required<T>(
    source: &Source,
    problems: &mut Vec<String>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    if source.get(name).is_none() {
        problems.push(format!("{name} is missing; .env.example shows how to write it"));
        return None;
    }
    optional(source, problems, name, parse)
}

fn optional<T>(
    source: &Source,
    problems: &mut Vec<String>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    match parse(&source.get(name)?) {
        Ok(value) => Some(value),
        Err(problem) => {
            problems.push(format!("{name} {problem}"));
            None
        }
    }
}

fn parse_database_url(text: &str) -> Result<String, String> {
    DatabaseUrl::parse(text).map(|_| text.to_owned())
}

fn parse_listen_addr(text: &str) -> Result<SocketAddr, String> {
    SocketAddr::from_str(text)
        .map_err(|_| "must be an IP address and a port such as 127.0.0.1:8080".to_owned())
}

/// An address of its own: everybody reaches that of the pages, through the proxy in front.
fn parse_metrics_addr(text: &str, pages: SocketAddr) -> Result<SocketAddr, String> {
    let address = SocketAddr::from_str(text)
        .map_err(|_| "must be an IP address and a port such as 127.0.0.1:9464".to_owned())?;
    if address.port() == pages.port() && address.port() != 0 {
        return Err("must have another port than LISTEN_ADDR: metrics are not public".to_owned());
    }
    Ok(address)
}

/// A list identifier (RFC 2919 §2): labels and a domain of the owner, separated by dots.
fn parse_list_id(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if text.len() <= 200 && text.contains('.') && text.split('.').all(is_label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be a name that ends in your own domain, such as brief.example.org, without < and >"
            .to_owned())
    }
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            IpNet::from_str(part).or_else(|_| part.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(
                |_| {
                    format!(
                        "contains {part}, which is neither an IP address nor a network such as 10.0.0.0/8"
                    )
                },
            )
        })
        .collect()
}

fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    text.parse::<T>()
        .ok()
        .filter(|value| *value >= least && *value <= most)
        .ok_or_else(|| format!("must be a whole number from {least} to {most}, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_listed_at_once_with_its_variable() {
        let source = Source::pairs(&[
            ("PUBLIC_URL", "ftp://x"),
            ("SMTP_CONNECTIONS", "many"),
            ("SECRET_KEY", "c2hvcnQ="),
        ]);
        let ConfigErrors(problems) = Config::read(&source).unwrap_err();
        for name in ["DATABASE_URL", "PUBLIC_URL", "SECRET_KEY", "SMTP_URL", "SMTP_CONNECTIONS"] {
            assert!(problems.iter().any(|line| line.starts_with(name)), "{name} missing in {problems:?}");
        }
        assert_eq!(problems.len(), 5);
    }

    #[test]
    fn a_host_of_its_own_is_a_name_below_a_domain() {
        let is_own = |url: &str| PublicUrl::parse(url).unwrap().has_host_of_its_own();
        assert!(is_own("https://news.example.org") && is_own("https://a.b.example.org:8443"));
        assert!(!is_own("https://example.org") && !is_own("https://example.org."));
        assert!(is_own("https://brief.example.de") && is_own("https://news.example.co.uk"));
        assert!(!is_own("https://example.co.uk") && !is_own("https://example.com.au"), "domains themselves");
        assert!(!is_own("https://192.0.2.1") && !is_own("http://localhost:8080"));
    }

    #[test]
    fn a_single_address_is_a_network_of_one() {
        assert_eq!(parse_networks("10.0.0.1, ::1").unwrap().len(), 2);
        assert!(parse_networks("10.0.0.0/99").is_err());
    }

    #[test]
    fn joining_never_doubles_the_slash() {
        let url = PublicUrl::parse("https://news.example.org/").unwrap();
        assert_eq!(url.join("/confirm/x"), "https://news.example.org/confirm/x");
    }
}
