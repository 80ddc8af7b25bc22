//! The visitor's IP address, as far as it can be believed, and what to count a request by where it cannot.
//!
//! | the connection is from | `X-Forwarded-For`, read from the right | counted by |
//! |---|---|---|
//! | the outside | whatever it says | the connection's address |
//! | a trusted proxy | the first hop that is no trusted proxy is an address | that address |
//! | a trusted proxy | it is a near address: another proxy, or this network | everybody behind it together |
//! | a trusted proxy | that hop is no text or no address | the proxy's address, as one client |
//! | a trusted proxy that named somebody before | there is no hop, or it says `unknown` | the proxy's address, as one client |
//! | a trusted proxy that never named anybody | there is no hop, or it says `unknown` | everybody behind it together |
//! | a near address that `TRUSTED_PROXIES` does not name | the last hop is an address from outside | that address, which is likely |
//! | a near address that `TRUSTED_PROXIES` does not name | anything else, or nothing | everybody behind it together |
//! | this machine, and no header ever came from it | nothing | all requests there are |
//!
//! So there is always something to count by, whatever a client sends: what stands further left than the hop that decides
//! is never looked at. A client can keep some proxies from naming it (`Connection: x-forwarded-for`, RFC 9110 §7.6.1);
//! behind one that names all others it is then one client, together with all who do the same.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, Once, PoisonError},
};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};
use ipnet::IpNet;

/// Proxies that are remembered to have named somebody, at most. Beyond that every proxy counts as one that has.
const REMEMBERED: usize = 1_024;

/// The proxies in front.
pub struct Proxies {
    /// Whose word about the visitor's address is taken (`TRUSTED_PROXIES`).
    trusted: Vec<IpNet>,
    /// Those of them that have named a visitor since the start, and addresses of this machine from which anything was said
    /// of one.
    naming: Mutex<HashSet<IpAddr>>,
}

impl Proxies {
    /// With these networks trusted.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, naming: Mutex::default() }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    fn has_named_somebody(&self, proxy: IpAddr) {
        let mut naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        if naming.len() < REMEMBERED {
            naming.insert(proxy);
        }
    }

    fn names_visitors(&self, proxy: IpAddr) -> bool {
        let naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        naming.contains(&proxy) || naming.len() >= REMEMBERED
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// What to count it by.
    pub counted: Counted,
    /// The visitor's address, for the record: the connection's, or what a trusted proxy says. Nothing when a trusted
    /// proxy says nothing that can be read.
    pub address: Option<IpAddr>,
}

/// What a request is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// One client.
    One(IpAddr),
    /// Most likely one client: a proxy that nobody named wrote its address.
    Likely {
        /// The address it wrote.
        client: IpAddr,
        /// The proxy. It may as well pass on what its clients write.
        proxy: IpAddr,
    },
    /// Everybody of whom no more is known than the proxy they come through.
    Everybody(IpAddr),
    /// Somebody on this machine, or behind a proxy on it that says nothing of anybody.
    ThisMachine(IpAddr),
}

/// What a hop says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Address(IpAddr),
    /// There is none, or it says that it does not say.
    Nobody,
    Unreadable,
}

impl Client {
    /// The client of a request; nothing when the connection has no address.
    pub fn of(extensions: &Extensions, headers: &HeaderMap, proxies: &Proxies) -> Option<Self> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let peer = peer.ip().to_canonical();
        let mut hops = headers
            .get_all("x-forwarded-for")
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .map(read);
        if !proxies.trusts(peer) {
            return Some(Self { counted: unnamed(peer, hops.next(), proxies), address: Some(peer) });
        }
        let mut proxy = peer;
        loop {
            match hops.next().unwrap_or(Hop::Nobody) {
                Hop::Address(address) if proxies.trusts(address) => proxy = address,
                Hop::Address(address) => {
                    proxies.has_named_somebody(proxy);
                    let counted = if is_near(address) { everybody(address) } else { Counted::One(address) };
                    return Some(Self { counted, address: Some(address) });
                }
                Hop::Nobody if !proxies.names_visitors(proxy) => {
                    return Some(Self { counted: everybody(proxy), address: None });
                }
                Hop::Nobody | Hop::Unreadable => {
                    tell_sometimes(proxy);
                    return Some(Self { counted: Counted::One(proxy), address: None });
                }
            }
        }
    }
}

/// What to count a connection by that comes from no trusted proxy.
fn unnamed(peer: IpAddr, last: Option<Hop>, proxies: &Proxies) -> Counted {
    if !is_near(peer) {
        return Counted::One(peer);
    }
    if last.is_some() && peer.is_loopback() {
        proxies.has_named_somebody(peer);
    }
    match last {
        Some(Hop::Address(client)) if !is_near(client) => {
            tell(peer);
            Counted::Likely { client, proxy: peer }
        }
        Some(_) => everybody(peer),
        None if peer.is_loopback() && !proxies.names_visitors(peer) => Counted::ThisMachine(peer),
        // Somebody in this network, or a proxy that says nothing, or that was kept from it.
        None => Counted::Everybody(peer),
    }
}

fn everybody(proxy: IpAddr) -> Counted {
    tell(proxy);
    Counted::Everybody(proxy)
}

/// Tells the operator, once, that visitors cannot be told apart.
fn tell(proxy: IpAddr) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            %proxy,
            "the proxy in front does not say who visitors are, or TRUSTED_PROXIES does not name it; all behind it count together, and limits for one network are several times as large"
        );
    });
}

/// Tells the operator, once, that a proxy names some visitors and not others.
fn tell_sometimes(proxy: IpAddr) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            %proxy,
            "some requests come through this proxy without an X-Forwarded-For that can be read, and others with one; those without count as one client. Let every part of the proxy's configuration set the header"
        );
    });
}

/// Reads a hop; some proxies write the port too.
fn read(hop: &[u8]) -> Hop {
    let Ok(hop) = str::from_utf8(hop.trim_ascii()) else { return Hop::Unreadable };
    // What Squid, nginx on a Unix socket and RFC 7239 §6 write for somebody they do not name.
    if matches!(hop, "" | "-" | "unknown" | "unix:") || hop.starts_with('_') {
        return Hop::Nobody;
    }
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|hop| hop.ip());
    bare.parse()
        .or_else(|_| with_port())
        .map_or(Hop::Unreadable, |hop: IpAddr| Hop::Address(hop.to_canonical()))
}

/// On this machine, or in a network that is not the internet's, where proxies are.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is shared address space (RFC 6598).
            let [a, b, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || (a == 100 && b & 0b1100_0000 == 64)
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The client of a connection from `peer` with these lines of `X-Forwarded-For`.
    fn client(proxies: &Proxies, peer: &str, lines: &[&[u8]]) -> Client {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(ip(peer), 1)));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        }
        Client::of(&extensions, &headers, proxies).unwrap()
    }

    fn counted(peer: &str, lines: &[&[u8]]) -> Counted {
        client(&proxies(), peer, lines).counted
    }

    fn one(address: &str) -> Counted {
        Counted::One(ip(address))
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_appended() {
        for (peer, line, is) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:51234", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::1]:51234", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ] {
            let client = client(&proxies(), peer, &[line.as_bytes()]);
            assert_eq!((client.counted, client.address), (one(is), Some(ip(is))), "{line}");
        }
    }

    #[test]
    fn no_byte_of_a_client_hides_what_the_proxy_appended() {
        for lines in [
            &[&b"\xff, 198.51.100.1"[..]][..],
            &[b"\xff\xfe,\x80, 198.51.100.1"],
            &[b"\xff", b"198.51.100.1"],
            &[b"unknown, 198.51.100.1"],
            &[b",,,,198.51.100.1"],
            &[b"\"198.51.100.2, 198.51.100.1"],
            &[b"10.0.0.1, 198.51.100.1, 10.0.0.9"],
            &[b"1.2.3.4, 5.6.7.8", b"9.9.9.9", b"198.51.100.1"],
        ] {
            assert_eq!(counted("10.0.0.1", lines), one("198.51.100.1"), "{lines:?}");
        }
    }

    #[test]
    fn a_hop_of_a_trusted_proxy_that_cannot_be_read_is_one_client() {
        for line in [&b"\xff"[..], b"nonsense", b"198.51.100.1, \xff", b"1.2.3", b"198.51.100.1;x", b"[::1"] {
            let client = client(&proxies(), "10.0.0.1", &[line]);
            assert_eq!((client.counted, client.address), (one("10.0.0.1"), None), "{line:?}");
        }
        assert_eq!(counted("10.0.0.1", &[b"\xff, 10.0.0.7"]), one("10.0.0.7"), "the one that wrote it");
    }

    #[test]
    fn a_proxy_that_named_somebody_once_is_never_one_that_names_nobody() {
        let proxies = proxies();
        let nobody = |lines: &[&[u8]]| client(&proxies, "10.0.0.1", lines).counted;
        for lines in [&[][..], &[&b""[..]], &[b"unknown"], &[b"-"], &[b"_hidden"], &[b"unix:"]] {
            assert_eq!(nobody(lines), Counted::Everybody(ip("10.0.0.1")), "{lines:?}");
        }
        client(&proxies, "10.0.0.1", &[b"198.51.100.1"]);
        for lines in [&[][..], &[&b""[..]], &[b"unknown"], &[b"198.51.100.9, unknown"]] {
            assert_eq!(nobody(lines), one("10.0.0.1"), "{lines:?}");
        }
        let other = client(&proxies, "10.0.0.2", &[]).counted;
        assert_eq!(other, Counted::Everybody(ip("10.0.0.2")), "another proxy");
    }

    #[test]
    fn near_addresses_that_nobody_named_are_counted_by_what_they_append_or_together() {
        let likely = |proxy, client| Counted::Likely { client: ip(client), proxy: ip(proxy) };
        for proxy in ["127.0.0.1", "172.17.0.1", "100.64.0.3", "::1", "fd00::1", "fe80::1"] {
            assert_eq!(counted(proxy, &[b"1.2.3.4, 198.51.100.1"]), likely(proxy, "198.51.100.1"));
            assert_eq!(counted(proxy, &[b"\xff, 198.51.100.1"]), likely(proxy, "198.51.100.1"));
            for lines in [&[&b"\xff"[..]][..], &[b"unknown"], &[b"198.51.100.1, 192.168.0.1"]] {
                let proxies = proxies();
                for lines in [lines, &[]] {
                    let counted = client(&proxies, proxy, lines).counted;
                    assert_eq!(counted, Counted::Everybody(ip(proxy)), "{lines:?}");
                }
            }
        }
        for here in ["127.0.0.1", "::1"] {
            assert_eq!(
                counted(here, &[]),
                Counted::ThisMachine(ip(here)),
                "nothing was ever said from there"
            );
        }
        assert_eq!(counted("172.17.0.1", &[]), Counted::Everybody(ip("172.17.0.1")));
        // A trusted proxy in front of one that nobody named.
        assert_eq!(counted("10.0.0.1", &[b"1.2.3.4, 172.17.0.1"]), Counted::Everybody(ip("172.17.0.1")));
    }

    #[test]
    fn what_is_remembered_of_proxies_has_an_end() {
        let proxies = proxies();
        for n in 0..3_000_u32 {
            let [.., a, b] = n.to_be_bytes();
            client(&proxies, &format!("10.0.{a}.{b}"), &[b"198.51.100.1"]);
        }
        assert_eq!(proxies.naming.lock().unwrap().len(), REMEMBERED);
        assert!(proxies.names_visitors(ip("10.9.9.9")), "the careful side");
    }
}
