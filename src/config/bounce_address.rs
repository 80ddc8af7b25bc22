//! Where mail servers report what they could not deliver.

/// `BOUNCE_ADDRESS`, such as `bounces@news.example.org`: each mail's envelope sender is this address with a token behind a
/// plus sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceAddress {
    /// Before the plus sign, in lower case.
    pub local: String,
    /// An A-label domain, in lower case.
    pub domain: String,
}

impl BounceAddress {
    /// Characters before the @, at most: with plus sign and token a local part has 64 (RFC 5321 §4.5.3.1.1).
    const LONGEST: usize = 24;

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || Err(format!("must be an address such as bounces@news.example.org, not {text:?}"));
        let Some((local, domain)) = text.split_once('@') else { return wrong() };
        let is_atom = |atom: &str| {
            !atom.is_empty() && atom.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        let is_label = |label: &str| {
            is_atom(label)
                && !label.starts_with('-')
                && !label.ends_with('-')
                && !label.contains('_')
                && label.len() <= 63
        };
        if !local.split('.').all(is_atom)
            || domain.len() > 180
            || domain.split('.').count() < 2
            || !domain.split('.').all(is_label)
        {
            return wrong();
        }
        if local.len() > Self::LONGEST {
            return Err(format!(
                "may have {} characters before the @, not {}: a token of 39 follows it",
                Self::LONGEST,
                local.len()
            ));
        }
        Ok(Self { local: local.to_ascii_lowercase(), domain: domain.to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_room_for_a_token() {
        let parsed = BounceAddress::parse("Bounces@News.Example.org").unwrap();
        assert_eq!((parsed.local.as_str(), parsed.domain.as_str()), ("bounces", "news.example.org"));
        assert!(BounceAddress::parse(&format!("{}@a.de", "b".repeat(24))).is_ok());
        for wrong in [
            "",
            "bounces",
            "@a.de",
            "b@",
            "b@localhost",
            "b+c@a.de",
            "b..c@a.de",
            "b@a..de",
            "b@-a.de",
            "b c@a.de",
            "<b@a.de>",
            "b@a.de\r\nX: y",
            "bö@a.de",
        ] {
            assert!(BounceAddress::parse(wrong).unwrap_err().contains("such as bounces@"), "{wrong}");
        }
        assert!(BounceAddress::parse(&format!("{}@a.de", "b".repeat(25))).unwrap_err().contains("24"));
    }
}
