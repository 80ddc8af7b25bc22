//! Which addresses may be asked: those of the public internet. Everything else (this machine, the networks around it,
//! the addresses at which clouds hand out keys) is nothing that a text may have us ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the public internet, by IANA's registries of special-purpose addresses (RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0                                  // this network, RFC 791
        || a >= 224                                          // multicast, reserved, broadcast
        || address.is_private()                              // RFC 1918
        || address.is_loopback()
        || address.is_link_local()                           // also where clouds tell their secrets: 169.254.169.254
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))              // carrier-grade NAT, RFC 6598
        || (a, b, c) == (192, 0, 0)                          // protocol assignments
        || (a, b, c) == (192, 88, 99)                        // 6to4 relays, gone
        || (a == 198 && (b == 18 || b == 19)); //               benchmarking, RFC 2544
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = address.to_ipv4_mapped() {
        return is_public_v4(inside);
    }
    let segments = address.segments();
    match segments {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056): they lead to the IPv4 address that stands in them.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Teredo, ORCHID, benchmarking, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast; all the rest is local, multicast or not given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Whether a name is for examples and tests, and so will never be anybody's (RFC 2606, RFC 6761). Nobody is asked about
/// it: the samples of the demo stay on this machine.
#[must_use]
pub fn is_for_examples(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below =
        |above: &&str| host == **above || host.strip_suffix(*above).is_some_and(|rest| rest.ends_with('.'));
    ["example", "invalid", "test", "example.com", "example.net", "example.org"].iter().any(is_below)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_examples_are_nobodys() {
        for host in ["example.org", "www.example.org.", "WWW.Lok-Lausitz.example", "a.test", "invalid"] {
            assert!(is_for_examples(host), "{host}");
        }
        for host in ["example.de", "myexample.org", "test.de", "contest"] {
            assert!(!is_for_examples(host), "{host}");
        }
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for address in
            ["8.8.8.8", "93.184.216.34", "100.63.0.1", "172.32.0.1", "2a00:1450:4001::1", "2606:2800::1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        assert!(is_public("64:ff9b::808:808".parse().unwrap()), "a public one behind NAT64");
        assert!(is_public("::ffff:8.8.8.8".parse().unwrap()));
    }
}
