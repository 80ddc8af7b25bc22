//! Services that people come from, known by the names of the columns they export.

use serde::{Deserialize, Serialize};

use super::states::plain;

/// Where a list was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Here.
    Rundbrief,
    /// Mailchimp.
    Mailchimp,
    /// Brevo, formerly Sendinblue.
    Brevo,
    /// `CleverReach`.
    CleverReach,
    /// rapidmail.
    Rapidmail,
    /// listmonk.
    Listmonk,
    /// Keila.
    Keila,
    /// Ghost.
    Ghost,
    /// phpList.
    PhpList,
    /// Sendy.
    Sendy,
}

impl Preset {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Rundbrief,
        Self::Mailchimp,
        Self::Brevo,
        Self::CleverReach,
        Self::Rapidmail,
        Self::Listmonk,
        Self::Keila,
        Self::Ghost,
        Self::PhpList,
        Self::Sendy,
    ];

    /// Its name in forms and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rundbrief => "rundbrief",
            Self::Mailchimp => "mailchimp",
            Self::Brevo => "brevo",
            Self::CleverReach => "cleverreach",
            Self::Rapidmail => "rapidmail",
            Self::Listmonk => "listmonk",
            Self::Keila => "keila",
            Self::Ghost => "ghost",
            Self::PhpList => "phplist",
            Self::Sendy => "sendy",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// The service whose columns these are.
    #[must_use]
    pub fn of_header(header: &[String]) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let has = |name: &&str| names.iter().any(|known| known == name);
        Self::ALL.into_iter().find(|preset| preset.signatures().iter().any(|all| all.iter().all(has)))
    }

    /// Columns that stand together in no other service's export.
    fn signatures(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Rundbrief => &[&["email", "state", "consentedat", "consentsource", "statechangedat"]],
            Self::Mailchimp => &[
                &["memberrating", "optintime"],
                &["emailaddress", "optintime"],
                &["emailaddress", "euid"],
                &["unsubtime"],
                &["cleantime"],
            ],
            Self::Brevo => &[&["emailblacklisted"], &["emailblocklisted"]],
            Self::CleverReach => &[&["registered", "activated"], &["activated", "deactivated"]],
            Self::Rapidmail => &[&["recipientlistid"], &["status", "activated", "deleted"]],
            Self::Listmonk => &[&["uuid", "status", "attributes"]],
            Self::Keila => &[&["status", "externalid", "data"], &["status", "firstname", "data"]],
            Self::Ghost => &[&["subscribedtoemails"]],
            Self::PhpList => &[&["confirmed", "blacklisted"], &["htmlemail", "uniqid"]],
            Self::Sendy => &[&["name", "email", "lastactivity", "status"]],
        }
    }

    /// Columns that say when somebody agreed, in this service; the best first.
    #[must_use]
    pub fn consented_at(self) -> &'static [&'static str] {
        match self {
            Self::Rundbrief => &["consentedat"],
            Self::Mailchimp => &["confirmtime", "optintime"],
            Self::Brevo => &["addedtime", "createdat"],
            Self::CleverReach => &["activated", "registered"],
            Self::Rapidmail => &["activated", "createdon", "created"],
            Self::Listmonk | Self::Ghost => &["createdat"],
            Self::Keila => &["insertedat"],
            Self::PhpList => &["entered", "created"],
            Self::Sendy => &["joined", "timestamp", "date"],
        }
    }

    /// Columns that sound like a state, and are none in this service.
    pub(super) fn passed(self) -> &'static [&'static str] {
        match self {
            Self::PhpList => &["htmlemail", "optedin", "rssfrequency", "sendhtml"],
            Self::Ghost => &["complimentaryplan"],
            Self::CleverReach => &["registered"],
            _ => &[],
        }
    }
}
