//! The publication's colour on its pages: a style sheet of a few custom properties, behind an address that holds the colour.
//!
//! A colour that can be read on white is not readable on every ground of the pages, and not at all on dark ones. So each
//! scheme gets the nearest of its hue that is, on the ground of that scheme where it is hardest to read.

use crate::{
    domain::publication::{Accent, LEAST_CONTRAST, contrast},
    web::asset_files,
};

/// `--desk`, the darkest ground of the light scheme; and `--wash`, the lightest of the dark one.
const LIGHT_GROUND: u32 = 0xe6_edec;
const DARK_GROUND: u32 = 0x1a_2b2f;

const WHITE: u32 = 0xff_ffff;
const BLACK: u32 = 0;

/// The address of the style sheet; nothing for the colour that pages have by themselves.
#[must_use]
pub fn address(accent: &Accent) -> Option<String> {
    let sheet = Colours::of(accent)?.sheet();
    let digits = accent.as_str().trim_start_matches('#');
    Some(format!("/assets/accent-{digits}.{}.css", asset_files::hash(&sheet)))
}

/// The style sheet behind the last part of an address, and the hash in that.
#[must_use]
pub fn find(asked: &str) -> Option<(String, &str)> {
    let (digits, rest) = asked.strip_prefix("accent-")?.split_once('.')?;
    let version = rest.strip_suffix(".css")?;
    let sheet = Colours::of(&Accent::parse(&format!("#{digits}")).ok()?)?.sheet();
    Some((sheet, version))
}

/// What the colour becomes.
#[derive(Debug, PartialEq, Eq)]
struct Colours {
    light: u32,
    light_strong: u32,
    dark: u32,
    dark_strong: u32,
    stamp_far: u32,
    stamp_ripple: u32,
}

impl Colours {
    fn of(accent: &Accent) -> Option<Self> {
        if accent.is_default() {
            return None;
        }
        let colour = u32::from_str_radix(accent.as_str().trim_start_matches('#'), 16).ok()?;
        let light = readable(colour, BLACK, LIGHT_GROUND);
        let dark = readable(colour, WHITE, DARK_GROUND);
        Some(Self {
            light,
            light_strong: mixed(light, BLACK, 70),
            dark,
            dark_strong: mixed(dark, WHITE, 90),
            stamp_far: mixed(light, WHITE, 90),
            stamp_ripple: mixed(light, WHITE, 165),
        })
    }

    fn sheet(&self) -> String {
        let Self { light, light_strong, dark, dark_strong, stamp_far, stamp_ripple } = self;
        format!(
            ":root {{ --accent: #{light:06x}; --accent-strong: #{light_strong:06x}; --stamp-far: #{stamp_far:06x}; \
             --stamp-near: #{light:06x}; --stamp-ripple: #{stamp_ripple:06x}; }}\n\
             @media (prefers-color-scheme: dark) {{ :root {{ --accent: #{dark:06x}; --accent-strong: #{dark_strong:06x}; }} }}\n"
        )
    }
}

/// The same hue with just so much of `end` in it that it can be read on this ground.
fn readable(colour: u32, end: u32, ground: u32) -> u32 {
    let mut mixes = (0..=255).map(|parts| mixed(colour, end, parts));
    mixes.find(|mix| contrast(*mix, ground) >= LEAST_CONTRAST).unwrap_or(end)
}

/// A colour with so many parts of 255 of another one in it.
fn mixed(colour: u32, other: u32, parts: u32) -> u32 {
    let channel = |shift: u32| {
        let (one, other) = ((colour >> shift) & 0xff, (other >> shift) & 0xff);
        ((one * (255 - parts) + other * parts) / 255) << shift
    };
    channel(16) | channel(8) | channel(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grounds on which links and buttons stand, and what is written on buttons, as in rundbrief.css.
    const LIGHT: [u32; 4] = [0xe6_edec, 0xfd_fefd, 0xf1_f6f5, WHITE];
    const DARK: [u32; 4] = [0x0c_1517, 0x14_2225, 0x1a_2b2f, 0x06_272b];

    #[test]
    fn whatever_colour_is_chosen_can_be_read_on_every_ground_of_the_pages() {
        let css = include_str!("assets/rundbrief.css");
        for ground in LIGHT.into_iter().chain(DARK) {
            assert!(css.contains(&format!("#{ground:06x}")), "{ground:06x} is in the style sheet");
        }
        let steps = || (0..=255_u32).step_by(36);
        let colours = steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b))));
        for (red, green, blue) in colours {
            let colour = format!("#{red:02x}{green:02x}{blue:02x}");
            let Ok(accent) = Accent::parse(&colour) else { continue };
            let Some(colours) = Colours::of(&accent) else { continue };
            for (ground, shown) in
                LIGHT.iter().flat_map(|on| [(on, colours.light), (on, colours.light_strong)])
            {
                assert!(contrast(shown, *ground) >= LEAST_CONTRAST, "{colour}: {shown:06x} on {ground:06x}");
            }
            for (ground, shown) in DARK.iter().flat_map(|on| [(on, colours.dark), (on, colours.dark_strong)])
            {
                assert!(contrast(shown, *ground) >= LEAST_CONTRAST, "{colour}: {shown:06x} on {ground:06x}");
            }
        }
    }

    #[test]
    fn an_address_finds_its_style_sheet_and_no_other_does() {
        let accent = Accent::parse("#8B1E3F").unwrap();
        let address = address(&accent).unwrap();
        let (sheet, version) = find(address.strip_prefix("/assets/").unwrap()).unwrap();
        assert_eq!(version, asset_files::hash(&sheet));
        assert!(sheet.contains("--stamp-near: #8b1e3f"), "{sheet}");
        assert_eq!(super::address(&Accent::default()), None);
        for asked in [
            "accent-ffcc00.0123456789ab.css",
            "accent-8b1e3f}.0123456789ab.css",
            "accent-.css",
            "accent-8b1e3f",
        ] {
            assert!(find(asked).is_none(), "{asked}");
        }
    }
}
