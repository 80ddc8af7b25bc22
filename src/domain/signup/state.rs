//! A signup as it is stored, and where it stands.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::{
    address::EmailAddress,
    ids::{SignupId, SubscriberId},
    locale::Locale,
};

/// Where a signup stands. That it has expired follows from the clock and is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "signup_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SignupState {
    /// Nobody has pressed a button yet.
    Waiting,
    /// "Ja, anmelden" was pressed.
    Confirmed,
    /// "Das war ich nicht" was pressed.
    Declined,
    /// Another request took its place before it was answered: for a change of address a newer one, else another signup
    /// of the address that was confirmed.
    Superseded,
    /// Called off: a change of address on the settings page, or whatever it was by staff, because its owner asked them to.
    Cancelled,
    /// A change of address whose subscription ended before it was answered.
    Lapsed,
}

/// A signup as the confirm page and the confirmation mail need it.
#[derive(Debug, Clone)]
pub struct Signup {
    pub id: SignupId,
    /// The address as it was typed.
    pub email: EmailAddress,
    /// The language it was made in.
    pub locale: Locale,
    /// Where it stands.
    pub state: SignupState,
    /// The publication's version whose consent text was shown, or will be by the page behind the link.
    pub publication_version: i32,
    /// The page the form stood on.
    pub form_page: String,
    /// When the form was sent.
    pub requested_at: DateTime<Utc>,
    /// When the links end.
    pub expires_at: DateTime<Utc>,
    /// The subscription that is to move to this address, see [`address_change`](super::address_change).
    pub replaces: Option<SubscriberId>,
    /// Staff entered it.
    pub is_by_staff: bool,
    /// Whether its owner has seen the consent text beside the form, as far as the form said. Else the page behind the link
    /// shows it.
    pub names_text: bool,
}
