//! What a list says of somebody's state: the columns that tell it, and their words, in German and English, of the services
//! that people come from.
//!
//! A value that is not known is never taken for "active".

use serde::{Deserialize, Serialize};

use super::dates;

/// What a list says of somebody, the worst last. Where several columns say something, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// Gets mail.
    Active,
    /// Has never confirmed: there is no consent.
    NeverConfirmed,
    /// Left, or was blocked, disabled or removed.
    Left,
    /// Mail came back.
    Bounced,
    /// Reported mail as spam.
    Complained,
}

/// What the values of a state column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// Words such as `unsubscribed` or `aktiv`.
    Words,
    /// Yes is active, no has left.
    Subscribed,
    /// Yes, or a date, is confirmed; no, or nothing, never was.
    Confirmed,
    /// Yes, or a date, has left; no, or nothing, has not.
    Left,
    /// The same of mail that came back. May be a count.
    Bounced,
    /// The same of complaints.
    Complained,
}

impl Means {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Words, Self::Subscribed, Self::Confirmed, Self::Left, Self::Bounced, Self::Complained];

    /// Its name in forms and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Subscribed => "subscribed",
            Self::Confirmed => "confirmed",
            Self::Left => "left",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|means| means.name() == name)
    }

    /// What a column of this name tells, if it is known to tell a state.
    #[must_use]
    pub fn of_column(name: &str) -> Option<Self> {
        let name = plain(name);
        COLUMNS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(means, _)| *means)
    }

    /// What a value says; nothing when it is not known.
    #[must_use]
    pub fn read(self, value: &str) -> Option<Listed> {
        let word = plain(value);
        let answer = Answer::of(value, &word);
        let gone = match self {
            Self::Words => return word_state(&word),
            Self::Subscribed => {
                return match answer {
                    Some(Answer::Yes) => Some(Listed::Active),
                    Some(Answer::No) => Some(Listed::Left),
                    Some(Answer::Nothing) => None,
                    Some(Answer::Count | Answer::Date) | None => word_state(&word),
                };
            }
            Self::Confirmed => {
                return match answer {
                    Some(Answer::Yes | Answer::Date) => Some(Listed::Active),
                    Some(Answer::No | Answer::Nothing) => Some(Listed::NeverConfirmed),
                    Some(Answer::Count) | None => word_state(&word),
                };
            }
            Self::Left => Listed::Left,
            Self::Bounced => Listed::Bounced,
            Self::Complained => Listed::Complained,
        };
        match answer {
            Some(Answer::No | Answer::Nothing) => Some(Listed::Active),
            Some(Answer::Yes | Answer::Date) => Some(gone),
            Some(Answer::Count) if self != Self::Left => Some(gone),
            Some(Answer::Count) | None => word_state(&word),
        }
    }
}

/// An answer to "did it happen?".
#[derive(Debug, Clone, Copy)]
enum Answer {
    Yes,
    No,
    /// An empty cell, or what databases write for one.
    Nothing,
    /// Another number.
    Count,
    /// When it happened.
    Date,
}

impl Answer {
    fn of(value: &str, word: &str) -> Option<Self> {
        if value.trim().trim_matches(['-', '–', '—']).is_empty() {
            return Some(Self::Nothing);
        }
        match word {
            // A tick or a cross stands for yes; any other sign is not known.
            "" => return ["✓", "✔", "☑", "✗", "✘", "×", "☒"].contains(&value.trim()).then_some(Self::Yes),
            "null" | "none" => return Some(Self::Nothing),
            _ if YES.contains(&word) => return Some(Self::Yes),
            _ if NO.contains(&word) => return Some(Self::No),
            _ => {}
        }
        if word.bytes().all(|byte| byte == b'0') {
            // 0000-00-00 00:00:00
            return Some(Self::Nothing);
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) && value.trim() == word && word.len() < 8 {
            return Some(Self::Count);
        }
        match dates::in_state(value) {
            dates::InState::Date => Some(Self::Date),
            dates::InState::Zero => Some(Self::Nothing),
            dates::InState::None => None,
        }
    }
}

const YES: [&str; 9] = ["yes", "y", "ja", "j", "true", "wahr", "t", "1", "x"];
const NO: [&str; 7] = ["no", "n", "nein", "false", "falsch", "f", "0"];

/// Letters and digits in lower case, umlauts as two letters.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.trim().chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()) {
        match c {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            c => plain.push(c),
        }
    }
    plain
}

/// What a status word says.
fn word_state(word: &str) -> Option<Listed> {
    WORDS.iter().find(|(_, words)| words.contains(&word)).map(|(listed, _)| *listed)
}

/// Whether a cell as a whole says that somebody is not to be mailed.
#[must_use]
pub fn says_no(value: &str) -> bool {
    // Longer than any of the words.
    if value.is_empty() || value.len() > 60 {
        return false;
    }
    let word = plain(value);
    let is_waiting = ["pending", "unconfirmed", "unbestaetigt", "unverified"].contains(&word.as_str());
    is_waiting || word_state(&word).is_some_and(|listed| listed > Listed::NeverConfirmed)
}

/// Whether a value is a plain "no". Single letters and numbers may mean anything elsewhere.
#[must_use]
pub fn is_no(value: &str) -> bool {
    ["no", "nein", "false", "falsch"].contains(&plain(value).as_str())
}

/// Whether all these values are status words, or yes and no.
#[must_use]
pub fn are_like_states<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let mut any = false;
    for value in values.map(str::trim).filter(|value| !value.is_empty()) {
        let word = plain(value);
        if !(YES.contains(&word.as_str()) || NO.contains(&word.as_str()) || word_state(&word).is_some()) {
            return false;
        }
        any = true;
    }
    any
}

/// Whether a column's name sounds like a state, without being known as one.
#[must_use]
pub fn sounds_like_one(name: &str) -> bool {
    let name = plain(name);
    !says_nothing(&name) && (name == "opt" || PARTS.iter().any(|part| name.contains(part)))
}

/// Whether a column of this name, in [`plain`] letters, is known to say nothing of a state.
#[must_use]
pub fn says_nothing(name: &str) -> bool {
    NOTHING.contains(&name)
}

const WORDS: [(Listed, &[&str]); 5] = [
    (
        Listed::Active,
        &[
            "active",
            "aktiv",
            "subscribed",
            "abonniert",
            "angemeldet",
            "enabled",
            "confirmed",
            "bestaetigt",
            "verified",
            "valid",
            "activated",
            "aktiviert",
            "freigeschaltet",
            "optin",
            "optedin",
            "doubleoptin",
            "subscriber",
            "abonnent",
            "abonnentin",
        ],
    ),
    (
        Listed::NeverConfirmed,
        &[
            "pending",
            "unconfirmed",
            "unbestaetigt",
            "nichtbestaetigt",
            "notconfirmed",
            "wartet",
            "wartend",
            "ausstehend",
            "waiting",
            "offen",
            "new",
            "neu",
            "requested",
            "angefragt",
            "unverified",
            "nichtaktiviert",
            "notactivated",
            "awaitingconfirmation",
            "optinpending",
            "doubleoptinpending",
            "bestaetigungausstehend",
            "wartetaufbestaetigung",
            "nonsubscribed",
            "notsubscribed",
            "nonsubscriber",
            "nichtabonniert",
            "nichtangemeldet",
            "transactional",
            "invited",
            "eingeladen",
        ],
    ),
    (
        Listed::Left,
        &[
            "unsubscribed",
            "unsubscribe",
            "abgemeldet",
            "ausgetragen",
            "deaktiviert",
            "deactivated",
            "disabled",
            "inactive",
            "inaktiv",
            "nichtaktiv",
            "notactive",
            "blocklisted",
            "blacklisted",
            "blocked",
            "blockiert",
            "gesperrt",
            "optout",
            "optedout",
            "deleted",
            "geloescht",
            "removed",
            "entfernt",
            "gekuendigt",
            "widerrufen",
            "archived",
            "archiviert",
            "suppressed",
            "suspended",
            "left",
            "cancelled",
            "canceled",
            "revoked",
            "nichtmehrabonniert",
            "abbestellt",
            "ausgeschlossen",
        ],
    ),
    (
        Listed::Bounced,
        &[
            "bounced",
            "bounce",
            "cleaned",
            "bereinigt",
            "hardbounce",
            "hardbounced",
            "softbounce",
            "softbounced",
            "unreachable",
            "unzustellbar",
            "undeliverable",
            "undelivered",
            "nichtzustellbar",
            "unerreichbar",
            "invalid",
            "ungueltig",
        ],
    ),
    (
        Listed::Complained,
        &[
            "complained",
            "complaint",
            "complaints",
            "spam",
            "markedasspam",
            "alsspammarkiert",
            "spamreport",
            "spamreported",
            "reportedspam",
            "reportedasspam",
            "abused",
            "abuse",
            "beschwert",
            "beschwerde",
            "spambeschwerde",
            "junk",
            "spamcomplaint",
            "abusecomplaint",
        ],
    ),
];

const COLUMNS: [(Means, &[&str]); 6] = [
    (
        Means::Words,
        &[
            "status",
            "state",
            "zustand",
            "subscriptionstatus",
            "subscriberstatus",
            "memberstatus",
            "emailstatus",
            "abostatus",
            "abonnementstatus",
            "empfaengerstatus",
            "newsletterstatus",
            "kontaktstatus",
            "contactstatus",
            "userstatus",
            "mailstatus",
            "marketingstatus",
            "emailmarketingstatus",
            "emailsubscriptionstatus",
            "optinstatus",
            "anmeldestatus",
        ],
    ),
    (
        Means::Subscribed,
        &[
            "subscribed",
            "issubscribed",
            "subscribedtoemails",
            "abonniert",
            "angemeldet",
            "aktiv",
            "active",
            "isactive",
            "istaktiv",
            "enabled",
            "isenabled",
            "acceptsmarketing",
            "acceptsemailmarketing",
        ],
    ),
    (
        Means::Confirmed,
        &[
            "confirmed",
            "isconfirmed",
            "bestaetigt",
            "verified",
            "isverified",
            "activated",
            "aktiviert",
            "aktiviertam",
            "activatedat",
            "emailconfirmed",
            "emailverified",
        ],
    ),
    (
        Means::Left,
        &[
            "unsubscribed",
            "unsubscribedat",
            "unsubscribedon",
            "unsubscribetime",
            "unsubscribedate",
            "unsubscribeddate",
            "unsubtime",
            "isunsubscribed",
            "abgemeldet",
            "abgemeldetam",
            "abmeldedatum",
            "abmeldung",
            "abmeldungam",
            "ausgetragen",
            "ausgetragenam",
            "austragungsdatum",
            "deaktiviert",
            "deaktiviertam",
            "deactivated",
            "deactivatedat",
            "disabled",
            "isdisabled",
            "blacklisted",
            "isblacklisted",
            "blocklisted",
            "isblocklisted",
            "blacklist",
            "blocklist",
            "blocked",
            "isblocked",
            "emailblacklisted",
            "emailblocklisted",
            "gesperrt",
            "gesperrtam",
            "blockiert",
            "optout",
            "optoutdate",
            "optouttime",
            "optoutat",
            "optedout",
            "emailoptout",
            "hasoptedoutofemail",
            "deleted",
            "isdeleted",
            "deletedat",
            "geloescht",
            "geloeschtam",
            "widerruf",
            "widerrufen",
            "widerrufenam",
            "gekuendigt",
            "gekuendigtam",
            "emaildisabled",
            "suppressed",
            "donotemail",
            "donotmail",
            "abbestellt",
            "abbestelltam",
        ],
    ),
    (
        Means::Bounced,
        &[
            "bounced",
            "isbounced",
            "bouncedat",
            "bouncetime",
            "bouncedate",
            "hardbounced",
            "hardbounce",
            "cleaned",
            "cleantime",
            "cleanedat",
            "unzustellbar",
            "unreachable",
            "undeliverable",
        ],
    ),
    (
        Means::Complained,
        &[
            "complained",
            "complainedat",
            "complaint",
            "complainttime",
            "spam",
            "markedasspam",
            "spamreport",
            "spamreported",
            "abuse",
            "beschwerde",
            "beschwertam",
            "reportedspam",
        ],
    ),
];

/// Parts of names that sound like a state.
const PARTS: [&str; 75] = [
    "status",
    "state",
    "zustand",
    "austritt",
    "ausgetret",
    "abgang",
    "left",
    "exit",
    "newsletter",
    "abo",
    "mailing",
    "werbung",
    "kontaktverb",
    "anschreib",
    "verstorben",
    "doi",
    "subscri",
    "abonn",
    "optin",
    "optout",
    "optedin",
    "optedout",
    "block",
    "blacklist",
    "sperr",
    "bounce",
    "abgemeld",
    "abmeld",
    "angemeld",
    "anmeld",
    "aktiv",
    "activ",
    "kuendig",
    "delete",
    "geloescht",
    "loesch",
    "complain",
    "beschwer",
    "spam",
    "unsub",
    "austrag",
    "ausgetrag",
    "eingetrag",
    "consent",
    "einwillig",
    "confirm",
    "bestaetig",
    "verif",
    "suppress",
    "donot",
    "widerruf",
    "widerspr",
    "revoke",
    "cancel",
    "storn",
    "disable",
    "enable",
    "reject",
    "deliverab",
    "zustell",
    "reachab",
    "permission",
    "erlaub",
    "zustimm",
    "valid",
    "gueltig",
    "clean",
    "bereinig",
    "archiv",
    "suspend",
    "remove",
    "entfern",
    "abbestell",
    "junk",
    "abuse",
];

/// Names of columns that say nothing of a state, whatever they sound like: proofs, dates of a beginning, other channels.
const NOTHING: [&str; 46] = [
    "consentedat",
    "consentsource",
    "confirmedat",
    "statechangedat",
    "einwilligungam",
    "eingewilligtam",
    "einwilligungsdatum",
    "einwilligungsquelle",
    "optindate",
    "optintime",
    "optinsource",
    "optinip",
    "confirmtime",
    "confirmip",
    "bestaetigtam",
    "angemeldetam",
    "anmeldedatum",
    "subscribedat",
    "subscribedon",
    "subscribeddate",
    "subscribedate",
    "subscriptiondate",
    "subscribetime",
    "abonniertam",
    "eingetragenam",
    "optinconfirmip",
    "lastactivity",
    "unsubcampaigntitle",
    "unsubcampaignid",
    "unsubreason",
    "unsubreasonother",
    "cleancampaigntitle",
    "cleancampaignid",
    "unsubscribeurl",
    "unsubscribelink",
    "abmeldelink",
    "complimentaryplan",
    "smsblacklisted",
    "smsblocklisted",
    "whatsappblacklisted",
    "whatsappblocklisted",
    "htmlemail",
    "memberrating",
    "bouncecount",
    "subscribepage",
    "optintimestamp",
];

#[cfg(test)]
mod tests {
    use super::*;
    use Listed::{Active, Bounced, Complained, Left, NeverConfirmed};

    #[test]
    fn invariant_11_what_columns_of_services_say_is_read_and_nothing_else() {
        let cases: &[(&str, &str, Option<Listed>)] = &[
            ("STATUS", "Subscribed", Some(Active)),
            ("STATUS", "unsubscribed", Some(Left)),
            ("STATUS", "cleaned", Some(Bounced)),
            ("STATUS", "Non-Subscribed", Some(NeverConfirmed)),
            ("UNSUB_TIME", "2024-05-01 10:00:00", Some(Left)),
            ("UNSUB_TIME", "", Some(Active)),
            ("CLEAN_TIME", "05/06/2024 1:02 PM", Some(Bounced)),
            ("EMAIL_BLACKLISTED", "yes", Some(Left)),
            ("EMAIL_BLACKLISTED", "NO", Some(Active)),
            ("Status", "Aktiv", Some(Active)),
            ("Status", "Inaktiv", Some(Left)),
            ("Status", "Deaktiviert", Some(Left)),
            ("activated", "1700000000", Some(Active)),
            ("activated", "0", Some(NeverConfirmed)),
            ("deactivated", "0", Some(Active)),
            ("deactivated", "1700000000", Some(Left)),
            ("bounced", "3", Some(Bounced)),
            ("status", "enabled", Some(Active)),
            ("status", "blocklisted", Some(Left)),
            ("status", "disabled", Some(Left)),
            ("subscribed_to_emails", "true", Some(Active)),
            ("subscribed_to_emails", "false", Some(Left)),
            ("subscribed_to_emails", "", None),
            ("deleted_at", "2024-01-01T00:00:00.000Z", Some(Left)),
            ("confirmed", "0", Some(NeverConfirmed)),
            ("blacklisted", "1", Some(Left)),
            ("disabled", "0", Some(Active)),
            ("Status", "Unconfirmed", Some(NeverConfirmed)),
            ("Status", "Marked as spam", Some(Complained)),
            ("Status", "Soft bounced", Some(Bounced)),
            ("status", "unreachable", Some(Bounced)),
            ("status", "abused", Some(Complained)),
            ("Deaktiviert am", "0000-00-00 00:00:00", Some(Active)),
            ("abgemeldet am", "01.03.25", Some(Left)),
            ("gesperrt", "vielleicht", None),
            ("status", "", None),
            ("status", "ja", None),
            ("status", "frei", None),
        ];
        for (column, value, expected) in cases {
            let means = Means::of_column(column).unwrap_or_else(|| panic!("{column}"));
            assert_eq!(means.read(value), *expected, "{column} = {value}");
        }
    }

    #[test]
    fn a_name_that_sounds_like_a_state_is_known_by_its_sound() {
        for name in ["Newsletter-Status 2", "OPT-IN?", "Blacklist Grund", "noch aktiv", "Abgemeldet wann"] {
            assert!(sounds_like_one(name), "{name}");
        }
        for name in ["Name", "Vorname", "confirmed_at", "OPTIN_IP", "Notiz", "PLZ"] {
            assert!(!sounds_like_one(name), "{name}");
        }
        assert!(are_like_states(["ja", "", "Nein"].into_iter()));
        assert!(!are_like_states(["ja", "vielleicht"].into_iter()) && !are_like_states([""].into_iter()));
    }
}
