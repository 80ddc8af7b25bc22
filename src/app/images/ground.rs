//! Whether a picture without a ground of its own can be seen on that of a mail, light and dark.

use std::{io::Cursor, time::Duration};

use image::{ImageFormat, ImageReader};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::Span;

use crate::{
    config::PublicUrl,
    domain::{
        image::{FileName, Format, file_in},
        publication::contrast,
        stored_object::ObjectKey,
    },
};

use super::store::Store;

/// The ground of a mail, as `email_templates/layout.html` has it: light, and dark.
const LIGHT_GROUND: u32 = 0xff_ffff;
const DARK_GROUND: u32 = 0x1e_2125;

/// Below this contrast a shape is hardly to be seen. WCAG 2.2 (1.4.11) asks for 3; colours of logos are often between.
const DARK_LEAST: f64 = 2.0;
const LIGHT_LEAST: f64 = 1.4;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pixels that are looked at, about.
const ENOUGH: usize = 40_000;

/// Where a picture cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vanishing {
    /// It is dark, and vanishes where a mail is shown dark.
    InTheDark,
    /// It is light, and vanishes on white.
    OnWhite,
}

/// Looks at the picture of ours that an address leads to. Of others, and when the store does not answer, nothing is known.
pub async fn find_vanishing(store: &Store, url: &str, own: &PublicUrl) -> Option<Vanishing> {
    let file = file_in(url, own).filter(|file| file.format == Format::Png)?;
    let small = FileName { is_small: true, ..file };
    let bytes = match timeout(PATIENCE, store.get(&ObjectKey::from(&small))).await {
        Ok(Ok(bytes)) => bytes?,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a picture cannot be read, so nobody is told whether it can be seen in the dark");
            return None;
        }
        Err(_) => return None,
    };
    let span = Span::current();
    spawn_blocking(move || span.in_scope(|| vanishing(&bytes))).await.ok()?
}

/// A third of what is not transparent counts: beside a colourful sign, the dark letters of a name are lost alone.
fn vanishing(png: &[u8]) -> Option<Vanishing> {
    let picture = ImageReader::with_format(Cursor::new(png), ImageFormat::Png).decode().ok()?.into_rgba8();
    let pixels: Vec<_> = picture.pixels().step_by(1 + picture.as_raw().len() / 4 / ENOUGH).collect();
    let all = u64::try_from(pixels.len()).unwrap_or(u64::MAX);
    let (mut shown, mut dark, mut light) = (0_u64, 0_u64, 0_u64);
    for pixel in pixels.into_iter().filter(|pixel| pixel[3] >= 128) {
        let colour = u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]]);
        shown += 1;
        dark += u64::from(contrast(colour, DARK_GROUND) < DARK_LEAST);
        light += u64::from(contrast(colour, LIGHT_GROUND) < LIGHT_LEAST);
    }
    // Round corners alone make no picture without a ground.
    if shown == 0 || 20 * (all - shown) < all {
        return None;
    }
    if 3 * dark >= shown {
        Some(Vanishing::InTheDark)
    } else if 2 * light >= shown {
        Some(Vanishing::OnWhite)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, Rgba, RgbaImage};

    use super::*;

    /// A letter of one colour on a ground.
    fn looked_at(letter: [u8; 4], ground: [u8; 4]) -> Option<Vanishing> {
        let picture =
            RgbaImage::from_fn(100, 50, |x, y| Rgba(if x % 10 < 3 && y > 5 { letter } else { ground }));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(picture).write_to(&mut bytes, ImageFormat::Png).unwrap();
        vanishing(&bytes.into_inner())
    }

    #[test]
    fn dark_letters_without_a_ground_vanish_in_the_dark_and_light_ones_on_white() {
        const NOTHING: [u8; 4] = [0; 4];
        for dark in [[0, 0, 0, 255], [0, 51, 153, 255], [40, 40, 40, 255]] {
            assert_eq!(looked_at(dark, NOTHING), Some(Vanishing::InTheDark), "{dark:?}");
            assert_eq!(looked_at(dark, [255; 4]), None, "it brings its ground: {dark:?}");
        }
        for light in [[255; 4], [240, 240, 230, 255]] {
            assert_eq!(looked_at(light, NOTHING), Some(Vanishing::OnWhite), "{light:?}");
            assert_eq!(looked_at(light, [0, 51, 153, 255]), None, "{light:?}");
        }
        for seen in [[200, 30, 30, 255], [0, 140, 120, 255], [240, 140, 0, 255]] {
            assert_eq!(looked_at(seen, NOTHING), None, "{seen:?}");
        }
        assert_eq!(looked_at(NOTHING, NOTHING), None);
    }
}
