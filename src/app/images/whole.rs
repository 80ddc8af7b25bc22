//! What a file must be for a decoder to be let at it: it ends where its format says, its parts are of one size, and there are
//! not too many of them. Decoders fill what is missing of a JPEG with grey and say nothing.

use image::ImageFormat;

use super::memory::{chunks, first_chunk};

/// Parts of extended XMP that a JPEG may have: they fill it with 32 MB. A decoder sorts all of them anew with every one.
const MOST_PARTS: usize = 512;
/// Scans that a JPEG may have. Programs write up to a dozen; a decoder goes through the picture for each.
const MOST_SCANS: usize = 100;
/// Pairs of bytes that may begin a scan, wherever in a JPEG a decoder comes upon them. In the film that phones put behind a
/// photograph there is one by chance in 64 KB, which makes 240 in the longest file.
const MOST_STARTS: usize = 512;
/// Texts that a PNG may have. A decoder keeps each of them apart.
const MOST_TEXTS: usize = 4096;

/// Whether its decoder is done with its head in no time, and keeps no more of it than it is long.
#[must_use]
pub fn is_quick(upload: &[u8], format: ImageFormat) -> bool {
    let has_at_most = |most: usize, name: &[u8]| {
        upload.windows(name.len()).filter(|window| *window == name).take(most + 1).count() <= most
    };
    match format {
        ImageFormat::Jpeg => {
            // Adobe's XMP specification, part 3, 1.1.3.1.
            has_at_most(MOST_PARTS, b"http://ns.adobe.com/xmp/extension/\0")
                && has_at_most(MOST_STARTS, b"\xff\xda")
        }
        ImageFormat::Png => {
            let is_text = |name: &[u8]| [b"tEXt", b"zTXt", b"iTXt"].iter().any(|known| *known == name);
            png_chunks(upload).filter(|name| is_text(name)).take(MOST_TEXTS + 1).count() <= MOST_TEXTS
        }
        _ => true,
    }
}

/// Whether a WebP moves, or has parts of one that does (RFC 9649, 2.7.1.1).
#[must_use]
pub fn is_animated(webp: &[u8]) -> bool {
    chunks(webp).any(|(name, data)| match name {
        b"ANIM" | b"ANMF" => true,
        b"VP8X" => data.first().is_some_and(|flags| flags & 0x02 != 0),
        _ => false,
    })
}

/// Whether the picture has the size that its file says. A decoder of lossy WebP makes room by the picture's own head
/// (RFC 6386, 9.1), and compares when it is done.
#[must_use]
pub fn is_of_size(upload: &[u8], format: ImageFormat, size: (u32, u32)) -> bool {
    let lossy = if format == ImageFormat::WebP { first_chunk(upload, *b"VP8 ") } else { None };
    match lossy {
        // The two bits above the size say how it is to be shown.
        Some([_, _, _, _, _, _, w0, w1, h0, h1, ..]) => {
            let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
            size == (side([*w0, *w1]), side([*h0, *h1]))
        }
        Some(_) => false,
        None => true,
    }
}

/// Whether nothing of the end is missing. What stands behind the end does not matter.
#[must_use]
pub fn is_whole(upload: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => jpeg(upload).is_some(),
        ImageFormat::Png => png_chunks(upload).any(|name| name == b"IEND"),
        ImageFormat::WebP => webp(upload).is_some(),
        _ => true,
    }
}

/// From marker to marker until the end of the image (ITU-T T.81, B.1.1.2). The preview that cameras put into a segment
/// has an end of its own, which is passed over with its segment. Nothing, too, when there are too many scans.
fn jpeg(file: &[u8]) -> Option<()> {
    let (mut at, mut scans) = (2, 0);
    loop {
        // Entropy-coded data, or bytes that do not belong there: up to the next marker. FF00 is a coded FF.
        at += file.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        let marker = *file.get(at + 1)?;
        scans += usize::from(marker == 0xda);
        if scans > MOST_SCANS {
            return None;
        }
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

/// Names of chunks, of which the last may be cut, to IEND if it comes (W3C PNG, 5.3).
fn png_chunks(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = Some(8_usize);
    std::iter::from_fn(move || {
        let at = next?;
        let head = file.get(at..at.checked_add(8)?)?;
        let (length, name) = head.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        next = if name == b"IEND" { None } else { at.checked_add(12)?.checked_add(length) };
        Some(name)
    })
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

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::{
        super::process::{Refused, process},
        *,
    };

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x, y, x * y].map(|n| n.to_le_bytes()[0])));
        let mut file = std::io::Cursor::new(Vec::new());
        DynamicImage::from(picture).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn webp_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for (name, data) in chunks {
            let length = u32::try_from(data.len()).unwrap().to_le_bytes();
            file.extend([&name[..], &length, data, &vec![0; data.len() % 2]].concat());
        }
        let length = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
        file[4..8].copy_from_slice(&length);
        file
    }

    #[test]
    fn a_webp_that_moves_is_refused_before_a_decoder_sees_it() {
        let still = encoded(ImageFormat::WebP);
        let (still, canvas) = (&still[20..], [0, 0, 0, 39, 0, 0, 29, 0, 0]);
        let flags = |flags: u8| [&[flags][..], &canvas].concat();
        let whole = webp_of(&[(b"VP8X", &flags(0)), (b"VP8L", still)]);
        assert_eq!(process(&whole).unwrap().large.size, (40, 30), "one that could, and does not");
        // A frame as large as can be said, and within it a profile of four gigabytes.
        let frame = [&[0xff; 16][..], b"ICCP\xfe\xff\xff\xffVP8L\xfe\xff\xff\xff\x2f"].concat();
        for chunks in [
            &[(b"VP8X", &flags(0x02)[..]), (b"VP8L", still)][..],
            &[(b"VP8X", &flags(0xff)), (b"ANIM", &[0; 6]), (b"ANMF", &frame)],
            &[(b"VP8X", &flags(0)), (b"VP8L", still), (b"ANMF", &frame)],
            &[(b"VP8X", &flags(0)), (b"ANIM", &[]), (b"VP8L", still)],
            &[(b"VP8L", still), (b"ANMF", &frame)],
            &[(b"ANMF", &frame)],
        ] {
            let file = webp_of(chunks);
            assert_eq!(process(&file).unwrap_err(), Refused::Animated, "{chunks:x?}");
        }
        // The names alone say nothing.
        let named = webp_of(&[(b"VP8X", &flags(0)), (b"VP8L", still), (b"XMP ", b"ANIM ANMF ")]);
        assert!(process(&named).is_ok());
    }

    #[test]
    fn a_lossy_webp_that_is_not_of_the_size_of_its_canvas_is_refused() {
        let lossy = |width: u16, height: u16| {
            [&[0x10, 0, 0, 0x9d, 1, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 10]].concat()
        };
        let on_canvas =
            |data: &[u8]| webp_of(&[(b"VP8X", &[0, 0, 0, 0, 39, 0, 0, 29, 0, 0]), (b"VP8 ", data)]);
        let is_taken = |data: &[u8]| is_of_size(&on_canvas(data), ImageFormat::WebP, (40, 30));
        assert!(is_taken(&lossy(40, 30)));
        assert!(is_taken(&lossy(0x4028, 0x801e)), "it says too how it is to be shown");
        for data in [&lossy(16_383, 16_383)[..], &lossy(40, 31), &lossy(39, 30), &lossy(30, 40), &[], &[0; 9]]
        {
            assert!(!is_taken(data), "{data:x?}");
            assert_eq!(process(&on_canvas(data)).unwrap_err(), Refused::Damaged, "{data:x?}");
        }
        // Nobody compares what is no WebP, or lossless.
        assert!(is_of_size(&on_canvas(&[]), ImageFormat::Png, (40, 30)));
        assert!(is_of_size(&encoded(ImageFormat::WebP), ImageFormat::WebP, (40, 30)));
    }

    #[test]
    fn a_jpeg_with_more_scans_than_any_program_writes_is_refused() {
        let jpeg = encoded(ImageFormat::Jpeg);
        let (picture, end) = jpeg.split_at(jpeg.len() - 2);
        // Codes between the scans keep the decoder at them.
        let again = b"\xff\xfe\0\x02\xff\xda\0\x08\x01\x01\0\0\x3f\0\0";
        let with_scans = |scans: usize| [picture, &again.repeat(scans - 1), end].concat();
        assert!(is_whole(&with_scans(MOST_SCANS), ImageFormat::Jpeg));
        assert!(process(&with_scans(2)).is_ok());
        for scans in [MOST_SCANS + 1, 10_000] {
            assert_eq!(process(&with_scans(scans)).unwrap_err(), Refused::Damaged, "{scans}");
        }
        // Where we pass over a segment, a decoder may find scans all the same.
        let comment = [&b"\xff\xfe\x10\x02"[..], &b"\xff\xda".repeat(0x800)].concat();
        let hidden = [&jpeg[..2], &comment, &jpeg[2..]].concat();
        assert_eq!(process(&hidden).unwrap_err(), Refused::Damaged);
        // A film behind the photograph.
        let film = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]);
        let film: Vec<u8> = film.chain(b"\xff\xda".repeat(300)).collect();
        assert!(process(&[jpeg, film].concat()).is_ok());
    }

    #[test]
    fn a_png_with_thousands_of_texts_is_refused() {
        let png = encoded(ImageFormat::Png);
        for text in [
            &b"\0\0\0\x03tEXta\0b"[..],
            b"\0\0\0\x0bzTXta\0\0\x78\x9c\x03\0\0\0\0\x01",
            b"\0\0\0\x06iTXta\0\0\0\0\0",
        ] {
            let text = [text, &[0; 4]].concat();
            let with_texts = |texts: usize| [&png[..33], &text.repeat(texts), &png[33..]].concat();
            assert!(is_quick(&with_texts(MOST_TEXTS), ImageFormat::Png), "{text:x?}");
            assert_eq!(process(&with_texts(MOST_TEXTS + 1)).unwrap_err(), Refused::Damaged, "{text:x?}");
        }
        let text = [&b"\0\0\0\x03tEXta\0b"[..], &0xdc49_a23b_u32.to_be_bytes()].concat();
        assert!(process(&[&png[..33], &text.repeat(20), &png[33..]].concat()).is_ok());
    }
}
