//! What the forms of the phone desk send.

use serde::Deserialize;

/// What the forms send; each has some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    pub email: String,
    pub what: String,
    pub channel: String,
    pub note: String,
    pub locale: String,
}
