//! Who keeps the mailboxes of an address: the name under which people know them.

/// Mail servers of those who keep other people's domains too, by how their names end.
const SERVERS: [(&str, &str); 15] = [
    ("google.com", "Google"),
    ("googlemail.com", "Google"),
    ("protection.outlook.com", "Microsoft"),
    ("outlook.com", "Microsoft"),
    ("yahoodns.net", "Yahoo"),
    ("gmx.net", "GMX"),
    ("web.de", "WEB.DE"),
    ("t-online.de", "Telekom"),
    ("kundenserver.de", "IONOS"),
    ("ionos.de", "IONOS"),
    ("rzone.de", "Strato"),
    ("mail.icloud.com", "Apple"),
    ("messagingengine.com", "Fastmail"),
    ("mailbox.org", "mailbox.org"),
    ("posteo.de", "Posteo"),
];

/// Domains that providers give addresses under.
const DOMAINS: [(&str, &[&str]); 9] = [
    ("Google", &["gmail.com", "googlemail.com"]),
    (
        "Microsoft",
        &["outlook.com", "outlook.de", "hotmail.com", "hotmail.de", "live.com", "live.de", "msn.com"],
    ),
    ("Yahoo", &["yahoo.com", "yahoo.de", "ymail.com", "rocketmail.com", "aol.com", "aol.de"]),
    ("GMX", &["gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "gmx.eu"]),
    ("WEB.DE", &["web.de", "email.de"]),
    ("Telekom", &["t-online.de", "magenta.de"]),
    ("Apple", &["icloud.com", "me.com", "mac.com"]),
    ("freenet", &["freenet.de"]),
    ("Posteo", &["posteo.de", "posteo.net"]),
];

/// The provider behind an address with this domain, as far as it can be told; `mta` is the server that spoke for it. Else the
/// domain itself, or the server, or nothing.
#[must_use]
pub fn name(domain: Option<&str>, mta: Option<&str>) -> String {
    let domain = domain.map(str::to_ascii_lowercase).filter(|domain| !domain.is_empty());
    let known = domain.as_deref().and_then(|domain| {
        DOMAINS.iter().find(|(_, own)| own.contains(&domain)).map(|(provider, _)| *provider)
    });
    let mta = mta.map(|mta| mta.trim_matches('.').to_ascii_lowercase()).filter(|mta| !mta.is_empty());
    let behind = mta.as_deref().and_then(|mta| {
        let is_of = |own: &str| mta == own || mta.strip_suffix(own).is_some_and(|rest| rest.ends_with('.'));
        SERVERS.iter().find(|(own, _)| is_of(own)).map(|(_, provider)| *provider)
    });
    known.or(behind).map(str::to_owned).or(domain).or(mta).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_the_address_or_by_its_server() {
        for (domain, mta, expected) in [
            (Some("GMX.de"), None, "GMX"),
            (Some("web.de"), Some("mx-ha.web.de"), "WEB.DE"),
            (Some("verein.example"), Some("aspmx.l.google.com"), "Google"),
            (Some("verein.example"), Some("verein-example.mail.protection.outlook.com."), "Microsoft"),
            (Some("verein.example"), Some("notgoogle.com"), "verein.example"),
            (Some("verein.example"), None, "verein.example"),
            (None, Some("mx00.gmx.net"), "GMX"),
            (None, Some("mx.example"), "mx.example"),
            (None, None, ""),
        ] {
            assert_eq!(name(domain, mta), expected, "{domain:?} {mta:?}");
        }
    }
}
