//! Which mailbox an address leads to, as far as the big providers say: for counting mails, and for nothing else.
//!
//! Two spellings of one mailbox stay two addresses everywhere else: each is asked, each confirms for itself. Only the
//! promise "one mail in ten minutes, three a day" is made to a mailbox, so it has to see through what its provider does
//! not tell apart. Where a provider's rule is not known, two mailboxes are rather counted as two.

use super::NormalizedAddress;

/// The domains of a provider, the rule by which it reads what stands before the @, and the domain that stands for all of
/// them where one account has the same name under each.
struct Provider {
    domains: &'static [&'static str],
    rule: Rule,
    one_account: Option<&'static str>,
}

/// What a provider does not tell apart in a local part, besides case and a tag behind `+`.
#[derive(Clone, Copy)]
enum Rule {
    /// Nothing.
    Plain,
    /// Dots: Google.
    NoDots,
    /// Dots, hyphens and underscores: Proton.
    NoSeparators,
    /// A dot is a hyphen: Yandex.
    DotsAreHyphens,
    /// A keyword behind a hyphen, which no name of an account has: Yahoo's disposable addresses.
    HyphenTag,
}

const PROVIDERS: &[Provider] = &[
    Provider {
        domains: &["gmail.com", "googlemail.com"],
        rule: Rule::NoDots,
        one_account: Some("gmail.com"),
    },
    Provider {
        domains: &["icloud.com", "me.com", "mac.com"],
        rule: Rule::Plain,
        one_account: Some("icloud.com"),
    },
    Provider {
        domains: &["proton.me", "protonmail.com", "protonmail.ch", "pm.me"],
        rule: Rule::NoSeparators,
        one_account: Some("proton.me"),
    },
    Provider {
        domains: &["yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"],
        rule: Rule::DotsAreHyphens,
        one_account: Some("yandex.ru"),
    },
    Provider {
        domains: &["mailbox.org", "secure.mailbox.org"],
        rule: Rule::Plain,
        one_account: Some("mailbox.org"),
    },
    Provider { domains: &["ymail.com", "rocketmail.com"], rule: Rule::HyphenTag, one_account: None },
];

/// Domains where `anything@name.DOMAIN` leads to `name@DOMAIN` (Fastmail: "subdomain addressing").
const NAME_IN_DOMAIN: &[&str] = &["fastmail.com", "fastmail.fm"];

/// What the spellings of one mailbox have in common. It looks like an address and may be none: nothing is sent to it.
#[must_use]
pub fn of(address: &NormalizedAddress) -> String {
    let (local, domain) = address.parts();
    let in_domain = NAME_IN_DOMAIN.iter().find_map(|fast| {
        let name = domain.strip_suffix(fast)?.strip_suffix('.')?;
        Some((name, *fast)).filter(|(name, _)| !name.is_empty() && !name.contains('.'))
    });
    let (local, domain) = in_domain.unwrap_or((local, domain));
    let provider = PROVIDERS.iter().find(|provider| provider.domains.contains(&domain));
    let rule = match provider {
        Some(provider) => provider.rule,
        None if is_yahoo(domain) => Rule::HyphenTag,
        None => Rule::Plain,
    };
    let domain = provider.and_then(|provider| provider.one_account).unwrap_or(domain);
    let account = without_tag(local, '+');
    let account = match rule {
        Rule::Plain => account.to_owned(),
        Rule::NoDots => account.replace('.', ""),
        Rule::NoSeparators => account.replace(['.', '-', '_'], ""),
        Rule::DotsAreHyphens => account.replace('.', "-"),
        Rule::HyphenTag => without_tag(account, '-').to_owned(),
    };
    format!("{account}@{domain}")
}

/// What stands before the first mark; everything when nothing does.
fn without_tag(local: &str, mark: char) -> &str {
    local.split_once(mark).map_or(local, |(account, _)| if account.is_empty() { local } else { account })
}

fn is_yahoo(domain: &str) -> bool {
    domain.starts_with("yahoo.")
}

#[cfg(test)]
mod tests {
    use crate::domain::address::EmailAddress;

    fn of(address: &str) -> String {
        super::of(&EmailAddress::parse(address).unwrap().normalized())
    }

    #[test]
    fn spellings_that_one_provider_does_not_tell_apart_are_one_mailbox() {
        for (mailbox, spellings) in [
            (
                "mariamuster@gmail.com",
                &[
                    "MariaMuster@gmail.com",
                    "maria.muster@gmail.com",
                    "m.a.r.i.a.muster@GMAIL.com",
                    "mariamuster+news@gmail.com",
                    "maria.muster@googlemail.com",
                    "Maria.Muster+a+b@GoogleMail.com",
                ][..],
            ),
            ("maria.muster@outlook.com", &["maria.muster+news@outlook.com", "Maria.Muster@outlook.com"]),
            ("maria@hotmail.de", &["maria+1@hotmail.de"]),
            ("maria@live.com", &["MARIA+x@live.com"]),
            ("maria.m@icloud.com", &["maria.m+x@icloud.com", "maria.m@me.com", "maria.m@mac.com"]),
            ("maria@yahoo.de", &["maria-shop@yahoo.de", "maria-a-b@yahoo.de", "maria+a@yahoo.de"]),
            ("maria@ymail.com", &["maria-shop@ymail.com"]),
            ("maria@fastmail.com", &["maria+a@fastmail.com", "news@maria.fastmail.com"]),
            (
                "mariamuster@proton.me",
                &["maria.muster@proton.me", "maria-muster@pm.me", "maria_muster@protonmail.com"],
            ),
            ("maria-m@yandex.ru", &["maria.m@yandex.com", "maria-m@ya.ru"]),
            ("maria@mailbox.org", &["maria+a@mailbox.org", "maria@secure.mailbox.org"]),
            ("maria@posteo.de", &["maria+a@posteo.de"]),
            ("maria.m@gmx.de", &["maria.m+a@gmx.de", "Maria.M@GMX.de"]),
            ("maria@example.org", &["maria+tag@example.org", "MARIA@EXAMPLE.ORG"]),
        ] {
            assert_eq!(of(mailbox), mailbox);
            for spelling in spellings {
                assert_eq!(of(spelling), mailbox, "{spelling}");
            }
        }
    }

    #[test]
    fn what_may_be_two_people_stays_two_mailboxes() {
        for (one, other) in [
            ("maria.m@outlook.com", "mariam@outlook.com"),
            ("maria@outlook.com", "maria@hotmail.com"),
            ("maria.m@gmx.de", "mariam@gmx.de"),
            ("maria@gmx.de", "maria@gmx.net"),
            ("maria-a@web.de", "maria-b@web.de"),
            ("maria.m@example.org", "mariam@example.org"),
            ("maria-a@example.org", "maria-b@example.org"),
            ("+maria@example.org", "+anna@example.org"),
            ("maria@yahoo.de", "maria@yahoo.com"),
            ("a@x.y.fastmail.com", "b@x.y.fastmail.com"),
            ("maria@notgmail.com", "m.aria@notgmail.com"),
        ] {
            assert_ne!(of(one), of(other), "{one} and {other}");
        }
    }
}
