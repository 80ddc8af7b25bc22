//! Whether a file ends where its format says. Decoders fill what is missing of a JPEG with grey and say nothing.

use image::ImageFormat;

/// Parts of extended XMP that a JPEG may have: they fill it with 32 MB. A decoder sorts all of them anew with every one.
const MOST_PARTS: usize = 512;

/// Whether its decoder is done with its head in no time.
#[must_use]
pub fn is_quick(upload: &[u8], format: ImageFormat) -> bool {
    // Adobe's XMP specification, part 3, 1.1.3.1.
    let name = b"http://ns.adobe.com/xmp/extension/\0";
    let parts = upload.windows(name.len()).filter(|window| window == name);
    format != ImageFormat::Jpeg || parts.take(MOST_PARTS + 1).count() <= MOST_PARTS
}

/// Whether nothing of the end is missing. What stands behind the end does not matter.
#[must_use]
pub fn is_whole(upload: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => jpeg(upload).is_some(),
        ImageFormat::Png => png(upload).is_some(),
        ImageFormat::WebP => webp(upload).is_some(),
        _ => true,
    }
}

/// From marker to marker until the end of the image (ITU-T T.81, B.1.1.2). The preview that cameras put into a segment
/// has an end of its own, which is passed over with its segment.
fn jpeg(file: &[u8]) -> Option<()> {
    let mut at = 2;
    loop {
        // Entropy-coded data, or bytes that do not belong there: up to the next marker. FF00 is a coded FF.
        at += file.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        let marker = *file.get(at + 1)?;
        at += match marker {
            0xd9 => return Some(()),
            // A fill byte: the marker follows.
            0xff => 1,
            // Without a length: coded FF, restarts, start, TEM.
            0x00 | 0x01 | 0xd0..=0xd8 => 2,
            _ => 2 + usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?])),
        };
    }
}

/// From chunk to chunk until IEND (W3C PNG, 5.3).
fn png(file: &[u8]) -> Option<()> {
    let mut at = 8_usize;
    loop {
        let head = file.get(at..at.checked_add(8)?)?;
        let length = u32::from_be_bytes(*head.first_chunk()?);
        if &head[4..] == b"IEND" {
            return Some(());
        }
        at = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
    }
}

/// The length in the head of the container, and of the chunks for which a decoder makes room before it reads them
/// (RFC 9649, 2.3 and 2.4).
fn webp(file: &[u8]) -> Option<()> {
    let length = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let mut at = 12;
    while let Some(name) = file.get(at..at + 4)
        && let Some(length) = length(at + 4)
    {
        let end = at.checked_add(8)?.checked_add(length)?;
        if end > file.len() && [b"ICCP", b"EXIF", b"XMP "].iter().any(|known| *known == name) {
            return None;
        }
        at = end.checked_add(length % 2)?;
    }
    (file.len() >= length(4)?.checked_add(8)?).then_some(())
}
