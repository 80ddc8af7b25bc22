//! `SMTP_URL`: the relay's host and port, TLS, and login.

use url::Url;

/// An SMTP relay as named by `SMTP_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpRelay {
    /// Name or address of the relay; the name its certificate must carry.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Login, if the relay requires one.
    pub credentials: Option<Credentials>,
}

/// How the connection to the relay is protected. There is no "TLS if offered": an attacker can remove the offer (RFC 8314
/// §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first byte (`smtps://`).
    Implicit,
    /// STARTTLS; without it nothing is sent (`smtp://…?tls=required`, the default of `smtp://`).
    Required,
    /// Plain text (`?tls=none`): for a relay on this machine or in a trusted network.
    None,
}

/// A login for a server. Its debug output omits the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Login name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is wrong with `SMTP_URL`. Its value never appears, because it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SmtpRelayError {
    /// Not a URL at all.
    #[error("is not a URL; write it as smtp://user:password@host:587?tls=required")]
    NotAnAddress,
    /// Neither `smtp` nor `smtps`.
    #[error("must begin with smtp:// or smtps://")]
    Scheme,
    /// No host.
    #[error("names no host; write it as smtp://user:password@host:587?tls=required")]
    NoHost,
    /// An unknown `tls` value or another parameter.
    #[error("has an unknown parameter; smtp:// takes tls=required or tls=none, smtps:// takes none")]
    Parameter,
    /// `smtp://` with the port for TLS from the first byte.
    #[error("names port 465, which expects TLS from the first byte: write smtps:// instead of smtp://")]
    EncryptedPort,
    /// A login over an unencrypted connection to another machine.
    #[error("would send its password in clear: use tls=required or smtps://")]
    PasswordInClear,
}

impl SmtpRelay {
    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Parses `smtp://user:pass@host:587?tls=required`, `smtps://host:465` or `smtp://127.0.0.1:25?tls=none`.
    ///
    /// # Errors
    /// [`SmtpRelayError`] says what to write instead.
    pub fn parse(text: &str) -> Result<Self, SmtpRelayError> {
        let url = Url::parse(text).map_err(|_| SmtpRelayError::NotAnAddress)?;
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let tls = match (url.scheme(), parameters.as_slice()) {
            ("smtps", []) => TlsMode::Implicit,
            ("smtp", [] | [("tls", "required")]) => TlsMode::Required,
            ("smtp", [("tls", "none")]) => TlsMode::None,
            ("smtp" | "smtps", _) => return Err(SmtpRelayError::Parameter),
            _ => return Err(SmtpRelayError::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpRelayError::NoHost)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let credentials = match url.username() {
            "" => None,
            user => Some(Credentials {
                user: percent_decoded(user)?,
                password: percent_decoded(url.password().unwrap_or_default())?,
            }),
        };
        let on_this_machine = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if credentials.is_some() && tls == TlsMode::None && !on_this_machine {
            return Err(SmtpRelayError::PasswordInClear);
        }
        let port = url.port().unwrap_or(match tls {
            TlsMode::Implicit => 465,
            TlsMode::Required => 587,
            TlsMode::None => 25,
        });
        // RFC 8314 §3.3. A relay there would wait for our TLS, and we for its greeting.
        if port == 465 && tls != TlsMode::Implicit {
            return Err(SmtpRelayError::EncryptedPort);
        }
        Ok(Self { host, port, tls, credentials })
    }
}

/// Decodes a part of the login, which is percent-encoded in the URL.
pub(super) fn percent_decoded(text: &str) -> Result<String, SmtpRelayError> {
    // The url crate decodes only form data, in which `+` means a space and is written as %2B.
    let pair = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.contains('\u{FFFD}'))
        .ok_or(SmtpRelayError::NotAnAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_documented_forms_are_understood() {
        let submission = SmtpRelay::parse("smtp://user:p%40ss+1@mail.example.org:587?tls=required").unwrap();
        assert_eq!((submission.port, submission.tls), (587, TlsMode::Required));
        assert_eq!(submission.credentials.unwrap().password, "p@ss+1");
        assert_eq!(SmtpRelay::parse("smtps://mail.example.org").unwrap().port, 465);
        assert_eq!(SmtpRelay::parse("smtp://127.0.0.1:25?tls=none").unwrap().tls, TlsMode::None);
    }

    #[test]
    fn an_smtp_address_without_a_word_on_tls_requires_it() {
        assert_eq!(SmtpRelay::parse("smtp://mail.example.org").unwrap().tls, TlsMode::Required);
    }

    #[test]
    fn a_password_never_goes_over_an_open_line() {
        let refused = SmtpRelay::parse("smtp://u:p@mail.example.org?tls=none").unwrap_err();
        assert_eq!(refused, SmtpRelayError::PasswordInClear);
        assert!(SmtpRelay::parse("smtp://u:p@127.0.0.1?tls=none").is_ok());
    }

    #[test]
    fn a_port_that_speaks_tls_from_the_first_byte_is_named_at_once() {
        for url in ["smtp://h:465", "smtp://u:p@h:465?tls=required", "smtp://127.0.0.1:465?tls=none"] {
            let refused = SmtpRelay::parse(url).unwrap_err();
            assert_eq!(refused, SmtpRelayError::EncryptedPort);
            assert!(refused.to_string().contains("write smtps://"), "{refused}");
        }
        assert!(SmtpRelay::parse("smtps://h:465").is_ok());
    }

    #[test]
    fn unknown_words_are_refused_rather_than_ignored() {
        assert_eq!(SmtpRelay::parse("smtp://h?tls=maybe").unwrap_err(), SmtpRelayError::Parameter);
        assert_eq!(SmtpRelay::parse("http://h").unwrap_err(), SmtpRelayError::Scheme);
        assert_eq!(SmtpRelay::parse("mail.example.org").unwrap_err(), SmtpRelayError::NotAnAddress);
    }
}
