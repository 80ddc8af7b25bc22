//! Where the service takes in what comes back, from the mail server that receives it.

use std::net::SocketAddr;

/// `BOUNCE_LISTEN`, such as `lmtp://127.0.0.1:2424`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BounceListen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks LMTP (RFC 2033) or SMTP.
    pub is_lmtp: bool,
}

impl BounceListen {
    pub(super) fn parse(text: &str, has_address: bool) -> Result<Self, String> {
        if !has_address {
            return Err(
                "needs BOUNCE_ADDRESS: without it no mail can be recognised that comes back".to_owned()
            );
        }
        let parsed = text.split_once("://").and_then(|(scheme, address)| {
            let is_lmtp = match scheme.to_ascii_lowercase().as_str() {
                "lmtp" => true,
                "smtp" => false,
                _ => return None,
            };
            Some(Self { address: address.trim_end_matches('/').parse().ok()?, is_lmtp })
        });
        parsed.ok_or_else(|| {
            format!("must be lmtp:// or smtp:// with an IP address and a port, such as lmtp://127.0.0.1:2424, not {text:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_protocol_an_address_and_a_port() {
        let lmtp = BounceListen::parse("lmtp://127.0.0.1:2424", true).unwrap();
        assert!(lmtp.is_lmtp && lmtp.address.port() == 2424);
        assert!(!BounceListen::parse("SMTP://[::1]:25/", true).unwrap().is_lmtp);
        for wrong in ["", "127.0.0.1:2424", "lmtp://localhost:2424", "lmtp://127.0.0.1", "imap://127.0.0.1:1"]
        {
            assert!(BounceListen::parse(wrong, true).is_err(), "{wrong}");
        }
        let alone = BounceListen::parse("lmtp://127.0.0.1:2424", false);
        assert!(alone.unwrap_err().contains("BOUNCE_ADDRESS"));
    }
}
