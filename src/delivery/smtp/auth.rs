//! Logging in to the relay (RFC 4954): PLAIN (RFC 4616), or LOGIN where only that is offered.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    config::{Credentials, TlsMode},
    delivery::smtp::{
        conversation::{Conversation, Unanswered},
        ehlo::Extensions,
        reply::Reply,
    },
};

/// Why we are not logged in.
pub enum AuthError {
    /// It cannot work like this: the words say why.
    Impossible(String),
    /// The relay said no, for now or for good.
    Refused(Reply),
    /// There was no answer.
    Unanswered(Unanswered),
}

/// Logs in. Nothing is sent when the relay offers no way that we know.
pub async fn authenticate(
    relay: &mut Conversation,
    offered: &Extensions,
    login: &Credentials,
    tls: TlsMode,
    limit: Duration,
) -> Result<(), AuthError> {
    let offers = |mechanism: &str| offered.mechanisms.iter().any(|offer| offer == mechanism);
    let mut say =
        async |line: &str| relay.command(&format!("{line}\r\n"), limit).await.map_err(AuthError::Unanswered);
    let reply = if offers("PLAIN") {
        let secret = STANDARD.encode(format!("\0{}\0{}", login.user, login.password));
        match say(&format!("AUTH PLAIN {secret}")).await? {
            // It did not look at what came with the command.
            asked if asked.code == 334 => say(&secret).await?,
            reply => reply,
        }
    } else if offers("LOGIN") {
        // The two questions are always the same, and relays word them as they like.
        let mut reply = say("AUTH LOGIN").await?;
        for answer in [&login.user, &login.password] {
            if reply.code == 334 {
                reply = say(&STANDARD.encode(answer)).await?;
            }
        }
        reply
    } else {
        return Err(AuthError::Impossible(no_way(offered, tls)));
    };
    if (200..300).contains(&reply.code) { Ok(()) } else { Err(AuthError::Refused(reply)) }
}

fn no_way(offered: &Extensions, tls: TlsMode) -> String {
    match (offered.mechanisms.as_slice(), offered.starttls, tls) {
        ([], true, TlsMode::None) => {
            "it offers a login only after STARTTLS, and SMTP_URL says tls=none; write tls=required".into()
        }
        ([], _, _) => {
            "it offers no login (no AUTH in its reply to EHLO); SMTP_URL names a user and password. \
                       Take them out if none are needed, or use the port for submission, mostly 587 or 465"
                .into()
        }
        (mechanisms, _, _) => {
            format!("it offers AUTH {}, and we can do PLAIN and LOGIN", mechanisms.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_cannot_be_says_what_is_offered_and_the_way_out() {
        let offered = |mechanisms: &[&str], starttls| Extensions {
            pipelining: false,
            dsn: false,
            starttls,
            mechanisms: mechanisms.iter().map(ToString::to_string).collect(),
        };
        let named = no_way(&offered(&["CRAM-MD5", "GSSAPI"], false), TlsMode::Implicit);
        assert_eq!(named, "it offers AUTH CRAM-MD5 GSSAPI, and we can do PLAIN and LOGIN");
        assert!(no_way(&offered(&[], true), TlsMode::None).contains("only after STARTTLS"));
        assert!(no_way(&offered(&[], false), TlsMode::Required).contains("no AUTH in its reply to EHLO"));
    }
}
