//! A picture in the HTML of a mail.

use crate::domain::hosted::Hosted;

use super::escape::escaped;

/// The tag of a picture, where there is `room` for so many pixels in width.
pub fn tag(address: &str, alt: &str, hosted: &Hosted, room: u16) -> String {
    let size = hosted.size(address).map(|size| shown_size(size, room));
    let (address, alt) = (escaped(address), escaped(alt));
    // Outlook knows no max-width and goes by the attributes. With both of them nothing moves when a picture comes.
    // Where the size is not known, everything but Outlook shows no picture larger than it is.
    let (attributes, style) = match size {
        Some((width, height)) => {
            (format!("width=\"{width}\" height=\"{height}\""), format!("width:{width}px"))
        }
        None => (format!("width=\"{room}\""), "width:auto".to_owned()),
    };
    format!(
        "<img src=\"{address}\" alt=\"{alt}\" {attributes} style=\"display:block;{style};max-width:100%;height:auto;border:0;\">"
    )
}

/// How large a picture is shown where there is so much room: never larger than it is.
#[must_use]
pub fn shown_size((width, height): (u32, u32), room: u16) -> (u16, u16) {
    let shown = width.clamp(1, u32::from(room.max(1)));
    let scaled =
        (u64::from(height) * u64::from(shown) + u64::from(width.max(1)) / 2) / u64::from(width.max(1));
    (u16::try_from(shown).unwrap_or(room), u16::try_from(scaled).unwrap_or(u16::MAX).max(1))
}
