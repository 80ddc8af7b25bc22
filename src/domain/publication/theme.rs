//! How a publication looks and tells the time: accent colour, logos and time zone, checked.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use url::Url;

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

/// A picture of the project or of somebody who pays for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logo {
    /// Where it lies. Readers' browsers and mail programs fetch it there, so it is best on the project's own site.
    pub url: Url,
    /// What it says, for those who do not see it.
    pub alt: String,
    /// Shown width in pixels.
    pub width: u16,
    /// Shown height in pixels.
    pub height: u16,
}

impl Logo {
    /// Looks for what no logo may be without. The problem goes behind the name of its field.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.alt.trim().is_empty() || self.width == 0 || self.height == 0 {
            return Err(" needs alt, what it says, and a width and height above 0");
        }
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(".url must begin with https://");
        }
        Ok(())
    }
}

/// A colour on which white text can be read, and which can be read on white (WCAG 2.2, 1.4.3): of buttons and links in mails,
/// in the signup box and on the public pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Accent(String);

impl Default for Accent {
    fn default() -> Self {
        Self("#0b5d4e".into())
    }
}

impl Accent {
    /// Whether it is the colour that mails have where none was chosen. Pages then have their own.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The colour as `#rrggbb`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a colour such as `#0b5d4e`.
    ///
    /// # Errors
    /// [`AccentError`], with the way out.
    pub fn parse(text: &str) -> Result<Self, AccentError> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(value) = value else {
            return Err(AccentError::NoColour(text.to_owned()));
        };
        let contrast = contrast_on_white(value);
        if contrast < LEAST_CONTRAST {
            let nearest = format!("#{:06x}", darkened(value));
            return Err(AccentError::TooPale { colour: text.to_owned(), contrast, nearest });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// Why a colour was not taken. Tell whoever chose it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AccentError {
    /// It is none.
    #[error("{0:?} is not a colour such as \"#0b5d4e\"")]
    NoColour(String),
    /// White text cannot be read on it.
    #[error(
        "{colour} has a contrast of {contrast:.1}:1 on white, and 4.5:1 is the least; the nearest that has it is \"{nearest}\""
    )]
    TooPale {
        /// The colour.
        colour: String,
        /// Its contrast on white.
        contrast: f64,
        /// The nearest of its hue that passes.
        nearest: String,
    },
}

/// For text of any size (WCAG 2.2, 1.4.3, level AA).
pub const LEAST_CONTRAST: f64 = 4.5;

fn contrast_on_white(rgb: u32) -> f64 {
    contrast(rgb, 0xff_ffff)
}

/// The contrast of two `0xrrggbb` colours, from 1 to 21 (WCAG 2.2, definitions).
#[must_use]
pub fn contrast(one: u32, other: u32) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The same hue with just so much black in it that it can be read on white.
fn darkened(rgb: u32) -> u32 {
    let mixed = |light: u32| {
        let channel = |shift: u32| (((rgb >> shift) & 0xff) * light / 255) << shift;
        channel(16) | channel(8) | channel(0)
    };
    (0..=255).rev().map(mixed).find(|rgb| contrast_on_white(*rgb) >= LEAST_CONTRAST).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_too_pale_is_answered_with_the_nearest_that_passes() {
        for (pale, nearest) in [("#ffcc00", "#907300"), ("#ffffff", "#767676")] {
            let problem = Accent::parse(pale).unwrap_err().to_string();
            assert!(problem.contains(nearest), "{problem}");
            assert!(Accent::parse(nearest).is_ok(), "{nearest}");
        }
        assert!(Accent::parse("#777777").is_err(), "one step lighter than the nearest grey");
        assert_eq!(Accent::parse("#0B5D4E").unwrap().as_str(), "#0b5d4e");
    }
}
