//! The visitor's IP address, as far as it can be believed.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Once,
};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};
use ipnet::IpNet;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address of the connection, or, behind trusted proxies, the last address in `X-Forwarded-For` that is not one
    /// of theirs. What stands further left in that header was written by the visitor.
    pub address: IpAddr,
    /// The address is a proxy's: of one that is trusted and named no visitor, or of one that nobody named.
    is_of_proxy: bool,
}

impl Client {
    /// The client of a request; nothing when the connection has no address.
    pub fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> Option<Self> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut address = peer.ip().to_canonical();
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in forwarded.iter().rev() {
            if !is_trusted(&address) {
                break;
            }
            let Some(hop) = address_in(hop.trim()) else { break };
            address = hop.to_canonical();
        }
        // What is left is a trusted proxy's own address when it wrote none that can be read.
        let is_of_proxy = is_trusted(&address) || (!forwarded.is_empty() && is_near(address));
        Some(Self { address, is_of_proxy })
    }

    /// The address to count signups by, if it tells visitors apart.
    ///
    /// All visitors behind a proxy that `TRUSTED_PROXIES` does not name, or that does not say who they are, would look
    /// like one, and most of them would get no mail. So nobody is counted then, and the operator is told, once.
    pub fn to_count(self) -> Option<IpAddr> {
        static TOLD: Once = Once::new();
        if self.is_of_proxy {
            TOLD.call_once(|| {
                tracing::warn!(
                    proxy = %self.address,
                    "the proxy in front does not say who visitors are, or TRUSTED_PROXIES does not name it; limits on signups from one network are off"
                );
            });
        }
        Some(self.address).filter(|address| !self.is_of_proxy && !address.is_loopback())
    }

    /// What one household or server has: the IPv4 address, or the first address of the IPv6 address's /64.
    pub fn network(address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        }
    }
}

/// The address of a hop; some proxies write the port too.
fn address_in(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().map(|hop| hop.ip());
    hop.parse().or_else(|_| with_port()).ok()
}

/// On this machine, or in a private network, where proxies are.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: Option<&str>) -> Client {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = forwarded {
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        Client::of(&extensions, &headers, &["10.0.0.0/8".parse().unwrap()]).unwrap()
    }

    fn seen(peer: &str, forwarded: &str) -> String {
        client(peer, Some(forwarded)).address.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(seen("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", "198.51.100.1:51234"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]:51234"), "2001:db8::1");
    }

    #[test]
    fn visitors_are_counted_only_where_they_can_be_told_apart() {
        assert!(client("203.0.113.9", None).to_count().is_some());
        assert!(
            client("203.0.113.9", Some("198.51.100.1")).to_count().is_some(),
            "a header anybody can send"
        );
        assert!(client("10.0.0.1", Some("198.51.100.1")).to_count().is_some());
        assert_eq!(client("10.0.0.1", Some("unknown")).to_count(), None, "a proxy that names nobody");
        assert_eq!(client("10.0.0.1", None).to_count(), None, "a proxy that names nobody");
        assert_eq!(client("127.0.0.1", None).to_count(), None);
        assert_eq!(client("127.0.0.1", Some("198.51.100.1")).to_count(), None, "a proxy nobody named");
        assert_eq!(client("172.17.0.1", Some("198.51.100.1")).to_count(), None, "a proxy nobody named");
    }

    #[test]
    fn an_ipv6_64_is_one_network_and_so_is_an_ipv4_address() {
        let network = |address: &str| Client::network(address.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }
}
