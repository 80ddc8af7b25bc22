//! "Meinten Sie …?": addresses whose domain is nearly that of a big mail provider.
//!
//! It looks at what was typed and at nothing else, and it only asks: the mail goes to the address as it was typed.
//! A real domain that looks like a big one (`mail.de`, `gmx.at`, `email.de`) must not be asked about, so the shorter a
//! name is, the less may differ: with up to four letters (`web`, `gmx`) only two that changed places, or one that is
//! there twice.

use super::EmailAddress;

/// Providers that may be meant, and the last labels they have; of those, the first that is nearest is meant.
struct Provider {
    name: &'static str,
    tlds: &'static [&'static str],
    /// Nobody else has a mail service under this name, whatever stands behind it.
    is_only_one: bool,
}

const fn only(name: &'static str, tlds: &'static [&'static str]) -> Provider {
    Provider { name, tlds, is_only_one: true }
}

const fn one_of_many(name: &'static str, tlds: &'static [&'static str]) -> Provider {
    Provider { name, tlds, is_only_one: false }
}

const PROVIDERS: &[Provider] = &[
    only("gmail", &["com"]),
    only(
        "gmx",
        &[
            "de", "net", "at", "ch", "com", "eu", "org", "info", "biz", "li", "fr", "es", "it", "us", "lu",
            "hk", "ca", "ph", "ru", "se", "sg", "tm", "tw", "pt", "cn",
        ],
    ),
    one_of_many("web", &["de"]),
    only("t-online", &["de"]),
    only("googlemail", &["com"]),
    one_of_many("hotmail", &["com", "de", "fr", "it", "es", "at", "ch", "be", "nl"]),
    one_of_many("outlook", &["com", "de", "at", "fr", "it", "es"]),
    one_of_many("live", &["com", "de", "at", "fr", "nl"]),
    one_of_many("msn", &["com"]),
    one_of_many("yahoo", &["com", "de", "fr", "it", "es", "at"]),
    only("icloud", &["com"]),
    one_of_many("me", &["com"]),
    only("freenet", &["de"]),
    only("arcor", &["de"]),
    one_of_many("aol", &["com", "de"]),
    only("posteo", &["de", "net", "org", "eu", "at", "ch"]),
    one_of_many("mailbox", &["org"]),
    only("protonmail", &["com", "ch"]),
    one_of_many("proton", &["me"]),
    only("tutanota", &["com", "de"]),
    only("netcologne", &["de"]),
    only("bluewin", &["ch"]),
    only("fastmail", &["com", "fm"]),
    only("rocketmail", &["com"]),
    only("vodafonemail", &["de"]),
];

/// Domains that are somebody's own and look like one above.
const OTHERS: &[&str] =
    &["mail.com", "email.com", "ymail.com", "cloud.com", "arco.de", "posted.de", "postel.de", "photon.me"];

/// The last labels of two letters that are a country's (ISO 3166, and `eu`, `su`, `uk`).
const COUNTRIES: &str = "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw \
    by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et \
    eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie \
    il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv \
    ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr \
    nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl \
    sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz \
    va vc ve vg vi vn vu wf ws ye yt za zm zw";

/// Others that people have mailboxes under.
const GENERIC: &str = "com net org info biz name pro edu gov mil int mobi coop aero museum email mail online app dev shop blog \
    xyz site store tech cloud world life live digital team group berlin hamburg koeln cologne bayern saarland ruhr nrw wien \
    tirol swiss zuerich gmbh schule eco ngo ong social media news art bio farm earth green foundation community example test";

/// Countries' last labels under which nobody is but who left out or added a letter: `gmail.cm`, `gmail.co`, `gmx.ne`.
const SLIPS: &[(&str, &str)] = &[("cm", "com"), ("co", "com"), ("om", "com"), ("ne", "net"), ("et", "net")];

/// The address that may have been meant.
#[must_use]
pub fn suggestion(address: &EmailAddress) -> Option<EmailAddress> {
    let (local, domain) = address.parts();
    let meant = meant(&domain.to_ascii_lowercase())?;
    EmailAddress::parse(&format!("{local}@{meant}")).ok()
}

/// The domain that may have been meant.
fn meant(domain: &str) -> Option<String> {
    if OTHERS.contains(&domain) {
        return None;
    }
    let bare = domain.strip_prefix("www.").unwrap_or(domain);
    let (name, tld) = bare.rsplit_once('.')?;
    if let Some(provider) = PROVIDERS.iter().find(|provider| provider.name == name) {
        if provider.tlds.contains(&tld) {
            return (bare != domain).then(|| bare.to_owned());
        }
        return with_tld(provider, tld);
    }
    // A provider's whole domain, and something behind it: `gmail.com.de`.
    let doubled = PROVIDERS.iter().filter(|provider| provider.is_only_one).find_map(|provider| {
        let rest = name.strip_prefix(provider.name)?.strip_prefix('.')?;
        provider.tlds.contains(&rest).then(|| format!("{}.{rest}", provider.name))
    });
    doubled.or_else(|| {
        let mut near: Vec<(usize, String)> = PROVIDERS
            .iter()
            .filter_map(|provider| {
                let distance = name_distance(name, provider.name)?;
                let tld = if provider.tlds.contains(&tld) {
                    tld
                } else {
                    provider.tlds.iter().find(|known| is_slip(tld, known))?
                };
                Some((distance, format!("{}.{tld}", provider.name)))
            })
            .collect();
        near.sort_by_key(|(distance, _)| *distance);
        near.into_iter().next().map(|(_, domain)| domain)
    })
}

/// The provider's domain, when this last label is none of its own.
fn with_tld(provider: &Provider, tld: &str) -> Option<String> {
    let slip = provider.tlds.iter().find(|known| is_slip(tld, known));
    let meant = match slip {
        Some(known) => known,
        None if provider.is_only_one || !is_last_label(tld) => {
            provider.tlds.iter().min_by_key(|known| distance(tld, known))?
        }
        None => return None,
    };
    Some(format!("{}.{meant}", provider.name))
}

/// Whether a last label is another one with a slip of the finger in it, and nobody's.
fn is_slip(tld: &str, known: &str) -> bool {
    SLIPS.contains(&(tld, known)) || (!is_last_label(tld) && distance(tld, known) == 1)
}

fn is_last_label(tld: &str) -> bool {
    COUNTRIES.split_ascii_whitespace().chain(GENERIC.split_ascii_whitespace()).any(|known| known == tld)
}

/// How far a name is from a provider's; nothing when it is too far to be meant.
fn name_distance(name: &str, known: &str) -> Option<usize> {
    if known.len() <= 4 {
        return is_swapped_or_doubled(name, known).then_some(1);
    }
    let most = if known.len() >= 9 { 2 } else { 1 };
    // Longer by more than that, it need not be looked at.
    if name.len().abs_diff(known.len()) > most {
        return None;
    }
    let far = distance(name, known);
    // One letter in the place of another makes another word (`armor`, `arcor`), unless their keys are neighbours.
    let is_another_word =
        name.len() == known.len() && far == 1 && known.len() == 5 && !differs_by_a_neighbour(name, known);
    (far <= most && !is_another_word).then_some(far)
}

/// Whether two letters have changed places, or one is there twice.
fn is_swapped_or_doubled(name: &str, known: &str) -> bool {
    let (name, known) = (name.as_bytes(), known.as_bytes());
    if name.len() == known.len() {
        let differing: Vec<usize> = (0..name.len()).filter(|at| name[*at] != known[*at]).collect();
        return matches!(differing[..], [a, b] if b == a + 1 && name[a] == known[b] && name[b] == known[a]);
    }
    name.len() == known.len() + 1
        && (1..name.len())
            .any(|at| name[at] == name[at - 1] && [&name[..at], &name[at + 1..]].concat() == known)
}

/// The rows of keys of a German and of an English keyboard.
const KEYS: [&str; 6] = ["qwertzuiop", "asdfghjkl", "yxcvbnm", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Whether the letters that differ, or have changed places, lie beside each other on a keyboard.
fn differs_by_a_neighbour(name: &str, known: &str) -> bool {
    let differing: Vec<(char, char)> = name.chars().zip(known.chars()).filter(|(a, b)| a != b).collect();
    match differing[..] {
        [(a, b)] => are_neighbours(a, b),
        // Changed places.
        _ => true,
    }
}

fn are_neighbours(a: char, b: char) -> bool {
    KEYS.chunks(3).any(|board| {
        let place = |key: char| board.iter().zip(0_usize..).find_map(|(row, y)| Some((row.find(key)?, y)));
        let (Some((ax, ay)), Some((bx, by))) = (place(a), place(b)) else { return false };
        ax.abs_diff(bx) <= 1 && ay.abs_diff(by) <= 1
    })
}

/// How many letters have to be put in, left out, changed, or change places with their neighbour, to make one of the
/// other (Damerau and Levenshtein, each letter moved once).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = last;
        last = row;
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(domain: &str) -> Option<String> {
        let address = EmailAddress::parse(&format!("Maria.M@{domain}")).unwrap();
        suggestion(&address).map(|meant| meant.as_str().strip_prefix("Maria.M@").unwrap().to_owned())
    }

    #[test]
    fn a_slip_of_the_finger_in_a_big_providers_domain_is_asked_about() {
        for (typed, expected) in [
            ("gmial.com", "gmail.com"),
            ("gamil.com", "gmail.com"),
            ("gmai.com", "gmail.com"),
            ("gmal.com", "gmail.com"),
            ("gmaill.com", "gmail.com"),
            ("gnail.com", "gmail.com"),
            ("gmaul.com", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmail.co", "gmail.com"),
            ("gmail.cm", "gmail.com"),
            ("gmail.comm", "gmail.com"),
            ("gmail.de", "gmail.com"),
            ("gmail.com.de", "gmail.com"),
            ("www.gmail.com", "gmail.com"),
            ("g.mail.com", "gmail.com"),
            ("GMIAL.com", "gmail.com"),
            ("gmial.con", "gmail.com"),
            ("googlemail.de", "googlemail.com"),
            ("goglemail.com", "googlemail.com"),
            ("gmx.ed", "gmx.de"),
            ("gmx.d", "gmx.de"),
            ("gmx.dee", "gmx.de"),
            ("gmx.ner", "gmx.net"),
            ("gmx.nte", "gmx.net"),
            ("gxm.de", "gmx.de"),
            ("gmxx.net", "gmx.net"),
            ("web.d", "web.de"),
            ("web.ed", "web.de"),
            ("wbe.de", "web.de"),
            ("webb.de", "web.de"),
            ("t-online.d", "t-online.de"),
            ("t-onlin.de", "t-online.de"),
            ("t-onlien.de", "t-online.de"),
            ("tonline.de", "t-online.de"),
            ("t.online.de", "t-online.de"),
            ("t-online.com", "t-online.de"),
            ("hotmial.de", "hotmail.de"),
            ("hotmai.com", "hotmail.com"),
            ("hotnail.de", "hotmail.de"),
            ("homail.com", "hotmail.com"),
            ("hotmail.con", "hotmail.com"),
            ("yaho.com", "yahoo.com"),
            ("yahooo.de", "yahoo.de"),
            ("yhaoo.de", "yahoo.de"),
            ("yahoo.d", "yahoo.de"),
            ("outlok.de", "outlook.de"),
            ("outloock.com", "outlook.com"),
            ("oulook.de", "outlook.de"),
            ("outlook.cmo", "outlook.com"),
            ("iclod.com", "icloud.com"),
            ("icloud.de", "icloud.com"),
            ("freent.de", "freenet.de"),
            ("frenet.de", "freenet.de"),
            ("acror.de", "arcor.de"),
            ("poseto.de", "posteo.de"),
            ("mailbox.ogr", "mailbox.org"),
            ("prtonmail.com", "protonmail.com"),
            ("live.ed", "live.de"),
            ("aol.con", "aol.com"),
        ] {
            assert_eq!(meant(typed).as_deref(), Some(expected), "{typed}");
        }
    }

    #[test]
    fn a_domain_that_there_is_is_not_asked_about() {
        for domain in [
            "gmail.com",
            "googlemail.com",
            "gmx.de",
            "gmx.at",
            "gmx.net",
            "gmx.ch",
            "gmx.com",
            "gmx.eu",
            "gmx.org",
            "gmx.info",
            "web.de",
            "web.com",
            "web.at",
            "mail.de",
            "email.de",
            "mail.com",
            "email.com",
            "ymail.com",
            "rocketmail.com",
            "live.de",
            "live.com",
            "live.at",
            "live.se",
            "me.com",
            "mac.com",
            "icloud.com",
            "aol.de",
            "aol.com",
            "msn.com",
            "hotmail.de",
            "hotmail.se",
            "hotmail.co.uk",
            "outlook.de",
            "outlook.dk",
            "outlook.com.br",
            "yahoo.de",
            "yahoo.co.uk",
            "yahoo.com.br",
            "yahoo.ca",
            "t-online.de",
            "online.de",
            "freenet.de",
            "arcor.de",
            "posteo.de",
            "posteo.net",
            "mailbox.org",
            "proton.me",
            "pm.me",
            "protonmail.com",
            "tutanota.com",
            "tuta.io",
            "fastmail.fm",
            "1und1.de",
            "o2mail.de",
            "ewe.net",
            "bluewin.ch",
            "gmx.co.uk",
            "vodafone.de",
            "cloud.com",
            "weg.de",
            "wer.de",
            "wbw.de",
            "gmc.de",
            "gms.de",
            "gm.de",
            "armor.de",
            "zmail.ru",
            "mail.ru",
            "free.fr",
            "orange.fr",
            "libero.it",
            "seznam.cz",
            "wp.pl",
            "example.org",
            "lok-lausitz.example",
            "uni-potsdam.de",
            "b-tu.de",
            "stadt.example",
            "straße.example",
            "gemail.example",
            "live.example",
            "outlook.example",
            "outdoor.de",
            "outdoor.com",
            "postmail.com",
            "hotel.de",
            "online.com",
            "fm.de",
            "m.e.com",
            "web.de.example",
        ] {
            assert_eq!(meant(domain), None, "{domain}");
        }
    }

    #[test]
    fn the_distance_counts_places_changed_as_one() {
        assert_eq!(distance("gmial", "gmail"), 1);
        assert_eq!(distance("gmail", "gmail"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
