//! Networks: what counts together when requests from one place are counted.
//!
//! An IPv4 address is one household's or server's. Of IPv6 one gets a /64 at least, and who asks for it a /56 or a /48,
//! which are 256 and 65,536 of those; so all three are counted, the larger ones up to a larger limit.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network that an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its addresses.
    pub addresses: IpNet,
    /// How many times the limit of a single client it has.
    pub times: u32,
}

/// The networks of an address, the smallest first.
#[must_use]
pub fn around(address: IpAddr) -> Vec<Network> {
    let address = address.to_canonical();
    let prefixes: &[(u8, u32)] = if address.is_ipv4() { &[(32, 1)] } else { &[(64, 1), (56, 4), (48, 16)] };
    let network = |&(prefix, times): &(u8, u32)| {
        let addresses = IpNet::new(address, prefix).ok()?.trunc();
        Some(Network { addresses, times })
    };
    prefixes.iter().filter_map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(address: &str) -> Vec<String> {
        let networks = around(address.parse().unwrap());
        networks.iter().map(|network| format!("{} x{}", network.addresses, network.times)).collect()
    }

    #[test]
    fn an_ipv4_address_is_one_network_and_one_of_ipv6_is_in_three() {
        assert_eq!(networks("192.0.2.7"), ["192.0.2.7/32 x1"]);
        assert_eq!(networks("::ffff:192.0.2.7"), ["192.0.2.7/32 x1"]);
        assert_eq!(
            networks("2001:db8:1:203:4:5:6:7"),
            ["2001:db8:1:203::/64 x1", "2001:db8:1:200::/56 x4", "2001:db8:1::/48 x16"]
        );
    }
}
