//! Who the newsletter is from.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::address::EmailAddress;

/// Who the mail is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct SenderIdentity {
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// The address in From and in the envelope, where bounces go. Stored as an empty text when it is not set.
    #[serde(default, deserialize_with = "sender_address", serialize_with = "or_empty")]
    pub address: Option<EmailAddress>,
    /// Where answers go, when not to `address`.
    #[serde(default, deserialize_with = "reply_to")]
    pub reply_to: Option<EmailAddress>,
    /// A mailbox for unsubscribing by mail (RFC 2369 §3.2), if somebody reads it.
    #[serde(default, deserialize_with = "unsubscribe_mailto")]
    pub unsubscribe_mailto: Option<EmailAddress>,
}

impl SenderIdentity {
    /// Where answers go.
    #[must_use]
    pub fn contact(&self) -> Option<&EmailAddress> {
        self.reply_to.as_ref().or(self.address.as_ref())
    }

    /// [`Self::address`] as people write it; empty when it is not set.
    #[must_use]
    pub fn written_address(&self) -> String {
        self.address.as_ref().map(EmailAddress::written).unwrap_or_default()
    }

    /// [`Self::contact`] as people write it; empty when there is none.
    #[must_use]
    pub fn written_contact(&self) -> String {
        self.contact().map(EmailAddress::written).unwrap_or_default()
    }
}

fn sender_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EmailAddress>, D::Error> {
    let typed = String::deserialize(deserializer)?;
    if typed.is_empty() { Ok(None) } else { in_field("sender.address", &typed).map(Some) }
}

fn reply_to<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EmailAddress>, D::Error> {
    optional(deserializer, "sender.reply_to")
}

fn unsubscribe_mailto<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EmailAddress>, D::Error> {
    optional(deserializer, "sender.unsubscribe_mailto")
}

fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
    field: &str,
) -> Result<Option<EmailAddress>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|typed| in_field(field, &typed)).transpose()
}

/// Parses what stands in a field. The error names the field: stored JSON has no lines.
fn in_field<E: de::Error>(field: &str, typed: &str) -> Result<EmailAddress, E> {
    EmailAddress::parse(typed).map_err(|error| E::custom(format!("{field}: {error}")))
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn or_empty<S: Serializer>(address: &Option<EmailAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(address.as_ref().map_or("", EmailAddress::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_sender_reads_and_stays_as_it_was() {
        for stored in [
            r#"{"name":"","address":"","reply_to":null,"unsubscribe_mailto":null}"#,
            r#"{"name":"N","address":"brief@example.org","reply_to":"wir@example.org","unsubscribe_mailto":"ab@example.org"}"#,
        ] {
            let sender: SenderIdentity = serde_json::from_str(stored).unwrap();
            assert_eq!(serde_json::to_string(&sender).unwrap(), stored);
        }
    }

    #[test]
    fn addresses_are_read_in_the_form_that_mail_carries() {
        let sender: SenderIdentity =
            serde_json::from_str(r#"{"address":" Brief@Straße.de ","reply_to":"wir@straße.de"}"#).unwrap();
        assert_eq!(sender.address.as_ref().unwrap().as_str(), "Brief@xn--strae-oqa.de");
        assert_eq!(sender.contact().unwrap().as_str(), "wir@xn--strae-oqa.de");
    }

    #[test]
    fn a_mistake_names_its_field() {
        for field in ["address", "reply_to", "unsubscribe_mailto"] {
            let error =
                serde_json::from_str::<SenderIdentity>(&format!(r#"{{"{field}":"nobody"}}"#)).unwrap_err();
            assert!(error.to_string().starts_with(&format!("sender.{field}: ")), "{error}");
        }
    }
}
