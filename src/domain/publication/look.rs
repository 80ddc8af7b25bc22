//! How a publication looks and tells the time: accent colour and time zone, checked.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(pub Tz);

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::Europe__Berlin)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map(TimeZone).map_err(|_| {
            serde::de::Error::custom(format!("{name:?} is not a time zone such as \"Europe/Berlin\""))
        })
    }
}

/// A colour on which white text can be read, and which can be read on white (WCAG 2.2, 1.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Accent(String);

impl Default for Accent {
    fn default() -> Self {
        Self("#0b5d4e".into())
    }
}

impl Accent {
    /// The colour as `#rrggbb`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(value) = value else {
            return Err(format!("{text:?} is not a colour such as \"#0b5d4e\""));
        };
        let contrast = 1.05 / (luminance(value) + 0.05);
        if contrast < 4.5 {
            return Err(format!(
                "{text} has a contrast of {contrast:.1}:1 on white; 4.5:1 is the least, so choose a darker one"
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl<'de> Deserialize<'de> for Accent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Accent::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Relative luminance of an `0xrrggbb` colour (WCAG 2.2, definitions).
fn luminance(rgb: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from((rgb >> shift) & 0xff) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}
