//! Services that people come from, known by the names of the columns they export.

use serde::{Deserialize, Serialize};

use super::states::{Means, plain};

/// Where a list was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
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
        self.into()
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
                &["leid", "euid"],
                &["unsubtime"],
                &["cleantime"],
            ],
            Self::Brevo => {
                &[&["emailblacklisted"], &["emailblocklisted"], &["email", "addedtime", "modifiedtime"]]
            }
            Self::CleverReach => &[
                &["registered", "activated"],
                &["activated", "deactivated"],
                &["registrierungsdatum", "aktivierungsdatum"],
                &["registriertam", "aktiviertam"],
            ],
            Self::Rapidmail => &[
                &["recipientlistid"],
                &["status", "activated", "deleted"],
                &["status", "created", "activated"],
                &["createdip", "activatedip"],
            ],
            Self::Listmonk => &[&["uuid", "status", "attributes"]],
            Self::Keila => &[&["status", "externalid", "data"], &["status", "firstname", "data"]],
            Self::Ghost => &[&["subscribedtoemails"]],
            // By the names in its tables, and by the labels that its page writes.
            Self::PhpList => &[
                &["confirmed", "blacklisted"],
                &["htmlemail", "uniqid"],
                &["isthissubscriberconfirmed"],
                &["isthissubscriberblacklisted"],
                &["isthisuserconfirmed"],
                &["isthisuserblacklisted"],
                &["sendthissubscriberhtmlemails"],
            ],
            Self::Sendy => &[&["name", "email", "lastactivity", "status"]],
        }
    }

    /// Columns of which the service says that they hold when somebody agreed or confirmed; the best first.
    ///
    /// None of those that hold when a row was made: Brevo's `ADDED_TIME`, listmonk's and Ghost's `created_at`, phpList's
    /// `entered`, `CleverReach`'s `registered` (and its `activated`, which whoever brings in a list sets as well).
    /// rapidmail's help calls `activated` the time of the confirmation.
    #[must_use]
    pub fn consented_at(self) -> &'static str {
        match self {
            Self::Rundbrief => "consentedat",
            Self::Mailchimp => "confirmtime optintime",
            Self::Rapidmail => "activated",
            Self::Keila => "doubleoptinat",
            Self::Brevo | Self::CleverReach | Self::Listmonk | Self::Ghost | Self::PhpList | Self::Sendy => {
                ""
            }
        }
    }

    /// A column without which that date is only when the row was made: Mailchimp writes `CONFIRM_TIME` also for people
    /// whom somebody has imported, and `OPTIN_TIME` only for those who have filled in a form.
    #[must_use]
    pub fn consented_at_with(self) -> &'static str {
        if self == Self::Mailchimp { "optintime" } else { "" }
    }

    /// Whether its export may hold people who have left without saying so.
    ///
    /// listmonk writes whether somebody is blocked altogether, and not which lists they have left.
    #[must_use]
    pub fn hides_who_left(self) -> bool {
        self == Self::Listmonk
    }

    /// Columns that mean something else in this service than elsewhere.
    pub(super) fn means(self, name: &str) -> Option<Means> {
        // The names of the lists that somebody is on, or "No Lists".
        (self == Self::PhpList && name == "listmembership").then_some(Means::Remarks)
    }

    /// Columns that sound like a state, and are none in this service.
    pub(super) fn passed(self) -> &'static [&'static str] {
        match self {
            Self::PhpList => {
                &["optedin", "didthissubscribermanuallyconfirm", "didthisusermanuallyconfirm", "sendhtml"]
            }
            // Empty also for those whom somebody has imported; `status` says who never confirmed.
            Self::Rapidmail => &["activated"],
            _ => &[],
        }
    }
}
