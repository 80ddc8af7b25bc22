//! What a value says of somebody's state: the words of the services that people come from, and of people, in German and
//! English.
//!
//! A value that is not known is never taken for "active".

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::dates;

/// What a list says of somebody, the worst last. Where several columns say something, the worst counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Listed {
    /// Gets mail.
    #[strum(serialize = "subscribed")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// Notes or tags: what they say counts where it tells of leaving, and nothing else does.
    Remarks,
}

impl Listed {
    /// Those that a list can say of everybody in it.
    pub const OF_EVERYBODY: [Self; 4] = [Self::Active, Self::Left, Self::Bounced, Self::Complained];

    /// Its name in forms and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one with this name, of those that a list can say of everybody.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::OF_EVERYBODY.into_iter().find(|listed| listed.name() == name)
    }
}

impl Means {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Words,
        Self::Subscribed,
        Self::Confirmed,
        Self::Left,
        Self::Bounced,
        Self::Complained,
        Self::Remarks,
    ];

    /// Its name in forms and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|means| means.name() == name)
    }

    /// What a value says; nothing when it is not known.
    #[must_use]
    pub fn read(self, value: &str) -> Option<Listed> {
        let word = plain(value);
        let answer = Answer::of(value, &word);
        let gone = match self {
            Self::Words => return word_state(&word),
            Self::Remarks => {
                let as_a_whole = word_state(&word).filter(|listed| *listed > Listed::NeverConfirmed);
                return Some(as_a_whole.max(tells_of_leaving(value)).unwrap_or(Listed::Active));
            }
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

/// What a remark or a tag says in words that mean nothing else: that its owner left, for one.
#[must_use]
pub fn tells_of_leaving(text: &str) -> Option<Listed> {
    static KNOWN: LazyLock<HashMap<&str, Listed>> = LazyLock::new(|| {
        let words =
            REMARKS.iter().flat_map(|(listed, words)| words.split_whitespace().map(|word| (word, *listed)));
        words.collect()
    });
    let mut worst = None;
    let mut before = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // None of the words is longer.
        let word = if word.len() > 40 { String::new() } else { plain(word) };
        worst = worst.max(KNOWN.get(word.as_str()).copied());
        if !before.is_empty() && !word.is_empty() {
            worst = worst.max(KNOWN.get(format!("{before}-{word}").as_str()).copied());
        }
        before = word;
    }
    worst
}

/// Whether the name of a file is one that services, or people, give to lists of those who are not to be mailed.
#[must_use]
pub fn file_tells_of_leaving(name: &str) -> bool {
    let others = [
        "cleaned",
        "unconfirmed",
        "nonsubscribed",
        "unbestaetigt",
        "abmeldungen",
        "sperrliste",
        "suppression",
        "suppressions",
        "austritte",
        "ehemalige",
        "spam",
        "pending",
    ];
    let mut words = name.split(|c: char| !c.is_alphanumeric()).map(plain);
    tells_of_leaving(name).is_some() || words.any(|word| others.contains(&word.as_str()))
}

/// Words of remarks, and pairs of words, that tell of leaving.
const REMARKS: [(Listed, &str); 3] = [
    (
        Listed::Left,
        "abgemeldet abmeldung abmeldungen abmelden abgemeldete abgemeldeter unsubscribed unsubscribe unsubscribes unsub optout optedout \
         opt-out opted-out abbestellt abbestellung abbestellen ausgetragen austragen ausgetreten austritt ausgetretene gekuendigt \
         kuendigung widerrufen widerruf widersprochen widerspruch revoked blacklist blacklisted blocklist blocklisted \
         gesperrt suppressed deaktiviert deactivated inaktiv inactive geloescht deleted verstorben deceased \
         keine-mail keine-mails keine-email keine-emails keine-post keine-newsletter keine-werbung keine-einwilligung kein-mail \
         kein-newsletter keinen-newsletter keinen-kontakt kein-interesse kein-kontakt nicht-mehr nicht-anschreiben \
         nicht-kontaktieren nicht-mailen bitte-nicht will-nicht moechte-nicht moechte-keine moechte-keinen will-keine \
         will-keinen nicht-angemeldet nicht-abonniert nicht-zugestimmt no-mail no-mails no-email no-emails no-newsletter \
         no-consent do-not dont-mail not-subscribed no-longer no-lists",
    ),
    (
        Listed::Bounced,
        "bounced bounce bounces hardbounce hardbounced softbounce softbounced hard-bounce soft-bounce unzustellbar \
         undeliverable undelivered unerreichbar unreachable mailbox-voll postfach-voll nicht-zustellbar",
    ),
    (
        Listed::Complained,
        "complained complaint complaints beschwert beschwerde spambeschwerde as-spam spam-complaint",
    ),
];

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
            "ausgetreten",
            "beendet",
            "abgelaufen",
            "expired",
            "ended",
            "storniert",
            "ruhend",
            "pausiert",
            "paused",
            "verstorben",
            "abgelehnt",
            "declined",
            "denied",
        ],
    ),
    (
        Listed::Bounced,
        &[
            "bounced",
            "bounce",
            "cleaned",
            "bereinigt",
            "gebounct",
            "gebounced",
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
            "unerwuenscht",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::import::columns;
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
            ("Status", "Gebounct", Some(Bounced)),
            ("Status", "Unerwünscht", Some(Complained)),
            ("Status", "Unbestätigt", Some(NeverConfirmed)),
            ("Deaktiviert am", "0000-00-00 00:00:00", Some(Active)),
            ("abgemeldet am", "01.03.25", Some(Left)),
            ("gesperrt", "vielleicht", None),
            ("status", "", None),
            ("status", "ja", None),
            ("status", "frei", None),
        ];
        for (column, value, expected) in cases {
            let means = columns::means(column).unwrap_or_else(|| panic!("{column}"));
            assert_eq!(means.read(value), *expected, "{column} = {value}");
        }
    }

    #[test]
    fn invariant_11_remarks_count_where_they_tell_of_leaving() {
        for (remark, expected) in [
            ("Abgemeldet am 3.4.2025 per Telefon", Left),
            ("VIP; unsubscribed", Left),
            ("\"Blog\",\"global_unsubscribe\"", Left),
            ("bitte NICHT mehr anschreiben", Left),
            ("möchte keinen Newsletter", Left),
            ("opt-out", Left),
            ("No Lists", Left),
            ("verstorben", Left),
            ("Mail kam zurück: Hard Bounce", Bounced),
            ("marked as spam", Complained),
            ("Beschwerde, abgemeldet", Complained),
            ("spam", Complained),
            ("VIP, Blog", Active),
            ("", Active),
            ("Newsletter; Veranstaltungen; ", Active),
        ] {
            assert_eq!(Means::Remarks.read(remark), Some(expected), "{remark}");
        }
    }

    #[test]
    fn a_file_may_be_named_after_those_who_left() {
        for name in [
            "unsubscribed_members_export_ab12.csv",
            "cleaned_members_export_ab12.csv",
            "nonsubscribed_members_export_ab12.csv",
            "rundbrief-marked-as-spam.csv",
            "rundbrief-unconfirmed.csv",
            "Abmeldungen 2025.csv",
            "blacklist.csv",
        ] {
            assert!(file_tells_of_leaving(name), "{name}");
        }
        for name in [
            "subscribed_members_export_ab12.csv",
            "liste.csv",
            "Newsletter Verteiler.csv",
            "rundbrief-active.csv",
        ] {
            assert!(!file_tells_of_leaving(name), "{name}");
        }
    }

    #[test]
    fn values_that_answer_a_question_are_known() {
        assert!(are_like_states(["ja", "", "Nein"].into_iter()));
        assert!(!are_like_states(["ja", "vielleicht"].into_iter()) && !are_like_states([""].into_iter()));
    }
}
