//! The mailbox that the service reads what comes back from.

use std::net::IpAddr;

use url::Url;

use super::smtp_relay::{Credentials, percent_decoded};

const EXAMPLE: &str = "imaps://user:password@imap.example.org/INBOX";

/// `BOUNCE_MAILBOX`, such as `imaps://user:password@imap.example.org/INBOX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceMailbox {
    /// Name or address of the server; the name its certificate must carry.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS from the first byte (RFC 8314 §3.2). Without it only for a server on this machine.
    pub is_encrypted: bool,
    /// The login.
    pub credentials: Credentials,
    /// The folder to read, by the server's own name for it.
    pub folder: String,
}

impl BounceMailbox {
    /// The text never stands in an error: it holds a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || format!("is not a mailbox; write it as {EXAMPLE}");
        // In a password they would end what names the server.
        if text.contains(['?', '#']) {
            return Err(format!(
                "has a ? or # in it, which a password has to write as %3F or %23: {EXAMPLE}"
            ));
        }
        let url = Url::parse(text).map_err(|_| unreadable())?;
        let is_encrypted = match url.scheme() {
            "imaps" => true,
            "imap" => false,
            _ => return Err("must begin with imaps://".to_owned()),
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let part = |text: &str| percent_decoded(text).ok().filter(|text| !text.contains(char::is_control));
        let user = part(url.username()).filter(|user| !user.is_empty());
        let password = url.password().and_then(part);
        let (Some(user), Some(password)) = (user, password) else {
            return Err(format!("names no user and password; write it as {EXAMPLE}"));
        };
        if host.is_empty() {
            return Err(unreadable());
        }
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_encrypted && !is_here {
            return Err("would send its password in clear: write imaps://".to_owned());
        }
        let folder = part(url.path().trim_matches('/')).ok_or_else(unreadable)?;
        // A folder's name has other letters in an encoding of its own (RFC 3501 §5.1.3).
        if !folder.chars().all(|c| c == ' ' || c.is_ascii_graphic()) || folder.contains(['*', '%', '"', '\\'])
        {
            return Err(
                "names a folder with letters that cannot be used here; choose one with a-z".to_owned()
            );
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(if is_encrypted { 993 } else { 143 }),
            is_encrypted,
            credentials: Credentials { user, password },
            folder: if folder.is_empty() { "INBOX".to_owned() } else { folder },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_login_a_server_and_a_folder() {
        let read =
            BounceMailbox::parse("imaps://bounces%40example.org:p%3F+1@imap.example.org/INBOX").unwrap();
        assert_eq!((read.host.as_str(), read.port, read.is_encrypted), ("imap.example.org", 993, true));
        assert_eq!(read.credentials.user, "bounces@example.org");
        assert_eq!(read.credentials.password, "p?+1");
        assert_eq!(read.folder, "INBOX");
        assert_eq!(BounceMailbox::parse("imaps://u:p@h").unwrap().folder, "INBOX");
        assert_eq!(
            BounceMailbox::parse("imaps://u:p@h:99/Returned%20mail/").unwrap().folder,
            "Returned mail"
        );
        assert_eq!(BounceMailbox::parse("imap://u:p@[::1]/INBOX").unwrap().port, 143);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (wrong, told) in [
            ("", "is not a mailbox"),
            ("imap.example.org", "is not a mailbox"),
            ("pop3://u:secret@h/INBOX", "imaps://"),
            ("imap://u:secret@imap.example.org/INBOX", "in clear"),
            ("imaps://imap.example.org/INBOX", "no user and password"),
            ("imaps://u@imap.example.org/INBOX", "no user and password"),
            ("imaps://u:secret?x@imap.example.org/INBOX", "%3F"),
            ("imaps://u:secret@h/Zur%C3%BCck", "a-z"),
            ("imaps://u:secret%0D%0Ax@h/INBOX", "no user and password"),
        ] {
            let refused = BounceMailbox::parse(wrong).unwrap_err();
            assert!(refused.contains(told) && !refused.contains("secret"), "{wrong}: {refused}");
        }
    }
}
