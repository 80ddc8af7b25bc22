//! How much memory a picture takes, by the head of its file and before anything of it is unpacked. The decoders have no
//! limit that counts all they hold: of a JPEG in several scans the coefficients of the whole picture, of a WebP up to three
//! times its pixels.
//!
//! What the head leaves open counts as the most that it can be.

use image::{ImageDecoder, ImageFormat};

use super::prefix_codes;

const MEGABYTE: u64 = 1024 * 1024;

/// Bytes that the work on a picture may take, its file among them. A progressive JPEG of 24 megapixels fits with the
/// longest file that is taken and no colour left out, and so does every photograph of 50 megapixels that is not progressive.
pub const MOST: u64 = 288 * MEGABYTE;

/// Bytes of an upload.
pub const LONGEST_FILE: usize = 15 * 1024 * 1024;
/// Uploads that are received, or wait to be worked on, at the same time. One is worked on.
pub const RECEIVED: usize = 4;
/// Bytes that all uploads take together.
pub const MOST_OF_ALL: u64 = MOST + (RECEIVED * LONGEST_FILE) as u64;

/// Of a colour profile. Those of cameras and printers have up to two megabytes.
pub const MOST_PROFILE: usize = 4 * 1024 * 1024;

/// Copies of the file: as it came, as the decoder keeps it, and its metadata or its partitions once more.
const COPIES: u64 = 3;
/// What a PNG may unpack beside its pixels, and the profile that is kept of it. For other formats it is more than enough.
const BESIDE: u64 = 20 * MEGABYTE;

/// Bytes that a decoder of PNG may take beside the pixels: for texts, twice, and for a profile, which is compressed.
#[must_use]
pub fn beside(upload: &[u8]) -> u64 {
    2 * upload.len() as u64 + BESIDE - MOST_PROFILE as u64
}

/// Bytes that the work on this picture takes at most, which is first made so many times narrower and lower.
pub fn needed(upload: &[u8], format: ImageFormat, decoder: &impl ImageDecoder, factor: u32) -> u64 {
    let (width, height) = decoder.dimensions();
    let (file, whole) = (upload.len() as u64, decoder.total_bytes());
    let decoders = match format {
        ImageFormat::Jpeg => jpeg(upload, u64::from(width), u64::from(height)),
        ImageFormat::WebP => webp(upload, (width, height), decoder.color_type().has_alpha()),
        // A row at a time, also of one that is interlaced.
        _ => 0,
    };
    let decoding = COPIES * file + whole + decoders;
    // Then there is the file, and the picture in both sizes.
    let shrinking = file + whole + whole / u64::from(factor * factor).max(1);
    decoding.max(shrinking) + BESIDE
}

/// Whether a JPEG is known to be progressive.
#[must_use]
pub fn is_progressive(upload: &[u8]) -> bool {
    Frame::read(upload).is_some_and(|frame| frame.is_progressive)
}

/// What the head of a JPEG says of how it is made up (ITU-T T.81, B.2.2 and B.2.3).
struct Frame {
    is_progressive: bool,
    /// Whether the first scan has all components.
    is_in_one_scan: bool,
    /// Of every component how often it is sampled across and down.
    sampling: Vec<(u64, u64)>,
}

impl Frame {
    /// Nothing when it is not as the standard says: a decoder may then find another frame than we.
    fn read(file: &[u8]) -> Option<Self> {
        let (mut at, mut frame) = (2, None);
        loop {
            let (0xff, marker) = (*file.get(at)?, *file.get(at + 1)?) else { return None };
            if marker == 0xff {
                // A fill byte: the marker follows.
                at += 1;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
            let segment = file.get(at + 4..at + 2 + length)?;
            match marker {
                0xc0..=0xc2 if frame.is_none() => {
                    let components = segment.get(6..)?.chunks_exact(3);
                    let sampling = components.map(|of| (u64::from(of[1] >> 4), u64::from(of[1] & 0xf)));
                    frame = Some((marker == 0xc2, sampling.collect::<Vec<_>>()));
                }
                // Tables, application data, comments.
                0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => {}
                0xda => {
                    let (is_progressive, sampling) = frame?;
                    let is_in_one_scan = usize::from(*segment.first()?) == sampling.len();
                    return Some(Self { is_progressive, is_in_one_scan, sampling });
                }
                _ => return None,
            }
            at += 2 + length;
        }
    }

    /// The one that takes most.
    fn worst() -> Self {
        Self { is_progressive: true, is_in_one_scan: false, sampling: vec![(4, 4); 4] }
    }

    /// Bytes of all coefficients, of two bytes each, in blocks of 64.
    fn coefficients(&self, width: u64, height: u64) -> u64 {
        let across = self.sampling.iter().map(|of| of.0).max().unwrap_or(1).max(1);
        let down = self.sampling.iter().map(|of| of.1).max().unwrap_or(1).max(1);
        let blocks: u64 = self.sampling.iter().map(|of| of.0 * of.1).sum();
        2 * 64 * blocks * width.div_ceil(8 * across) * height.div_ceil(8 * down)
    }
}

/// Bytes that a decoder of JPEG takes beside the pixels.
fn jpeg(upload: &[u8], width: u64, height: u64) -> u64 {
    // Of each component some rows, before and after they are brought to the picture's width.
    const ROWS: u64 = 600;
    let frame = Frame::read(upload).unwrap_or_else(Frame::worst);
    let rows = ROWS * (width + 32) * frame.sampling.len() as u64;
    // One that comes a component at a time is kept like one that comes in steps.
    let is_kept = frame.is_progressive || !frame.is_in_one_scan;
    rows + if is_kept { frame.coefficients(width, height) } else { 0 }
}

/// Bytes that a decoder of WebP takes beside the pixels. Names of chunks are looked for everywhere: where they stand is for
/// the decoder to say.
fn webp(upload: &[u8], size: (u32, u32), has_alpha: bool) -> u64 {
    let holds = |name: &[u8; 4]| upload.windows(4).any(|window| window == name);
    let tenths_of_a_byte = if has_alpha && holds(b"ALPH") {
        // Brightness and colours, how much of each pixel is seen, and that as the picture it was packed as.
        75
    } else if has_alpha {
        // Transforms of a lossless one, which is unpacked to where it stays.
        10
    } else if holds(b"VP8L") {
        // With an alpha channel, which is dropped.
        50
    } else {
        15
    };
    let pixels = u64::from(size.0) * u64::from(size.1);
    pixels * tenths_of_a_byte / 10 + webp_codes(upload, size)
}

/// Bytes that a decoder of WebP takes for prefix codes: those of the first chunk of each kind (RFC 9649, 2.5 to 2.7).
fn webp_codes(upload: &[u8], canvas: (u32, u32)) -> u64 {
    let lossless =
        first_chunk(upload, *b"VP8L").map_or(0, |data| prefix_codes::memory(data, canvas, true, MOST));
    let opacity = match first_chunk(upload, *b"ALPH") {
        Some([about, data @ ..]) if about & 3 == 1 => prefix_codes::memory(data, canvas, false, MOST),
        _ => 0,
    };
    lossless + opacity
}

/// The data of the first chunk with this name, which is the one that a decoder takes.
pub(super) fn first_chunk(webp: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    chunks(webp).find(|(found, _)| **found == name).map(|(_, data)| data)
}

/// Names and data of the chunks of a WebP, the last of which may be cut (RFC 9649, 2.3 and 2.4).
pub(super) fn chunks(webp: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut bytes = webp.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (data, next) = rest.split_at(length.min(rest.len()));
        bytes = next.get(length % 2..).unwrap_or_default();
        Some((name, data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a JPEG with these components, of which the first scan has so many.
    fn head(start: u8, sampling: &[u8], in_scan: u8) -> Vec<u8> {
        let components = u8::try_from(sampling.len()).unwrap();
        let mut file = vec![0xff, 0xd8, 0xff, 0xfe, 0, 4, 0xff, 0xc2, 0xff, 0xff];
        file.extend([start, 0, 8 + 3 * components, 8, 0x0f, 0xc0, 0x17, 0xa0, components]);
        file.extend(sampling.iter().zip(1..).flat_map(|(of, id)| [id, *of, 0]));
        file.extend([0xff, 0xda, 0, 6 + 2 * in_scan, in_scan]);
        file.extend((1..=in_scan).flat_map(|id| [id, 0]));
        file.extend([0, 63, 0]);
        file
    }

    fn coefficients(file: &[u8]) -> u64 {
        jpeg(file, 6048, 4032) - jpeg(&head(0xc0, &[0x11; 3], 3), 6048, 4032)
    }

    #[test]
    fn of_a_jpeg_in_several_scans_all_coefficients_are_counted() {
        let pixels = 6048 * 4032;
        assert_eq!(coefficients(&head(0xc0, &[0x22, 0x11, 0x11], 3)), 0);
        assert_eq!(coefficients(&head(0xc2, &[0x11; 3], 3)), 6 * pixels);
        assert_eq!(coefficients(&head(0xc2, &[0x22, 0x11, 0x11], 3)), 3 * pixels);
        assert_eq!(
            coefficients(&head(0xc0, &[0x11; 3], 1)),
            6 * pixels,
            "not progressive, and kept all the same"
        );
        // Up to whole blocks.
        let wide = head(0xc2, &[0x41, 0x11, 0x11], 3);
        assert_eq!(jpeg(&wide, 1, 1) - 600 * 33 * 3, 2 * 64 * 6);
        assert!(is_progressive(&head(0xc2, &[0x11; 3], 3)) && !is_progressive(&head(0xc1, &[0x11; 3], 1)));
    }

    #[test]
    fn a_head_that_can_be_read_in_two_ways_counts_as_the_worst() {
        let good = head(0xc0, &[0x11; 3], 3);
        let worst = jpeg(&head(0xc2, &[0x44; 4], 1), 6048, 4032);
        assert!(jpeg(&good, 6048, 4032) < worst);
        for (at, more) in [
            (2, &b"\0"[..]),
            (2, b"\xff\0"),
            (2, b"\xff\xd0\0\x02"),
            (2, b"\xff\x01\0\x02"),
            (2, b"\xff\xfe\0\x01"),
            (2, b"\xff\xfe\xff\xff"),
            (2, b"\xff\xc3\0\x02"),
        ] {
            let mut file = good.clone();
            file.splice(at..at, more.iter().copied());
            assert_eq!(jpeg(&file, 6048, 4032), worst, "{more:x?}");
            assert!(!is_progressive(&file), "it cannot be known");
        }
        let twice = [&good[..good.len() - 14], &head(0xc2, &[0x11; 3], 3)[2..]].concat();
        assert_eq!(jpeg(&twice, 6048, 4032), worst);
        assert_eq!(jpeg(&good[..good.len() - 4], 6048, 4032), worst);
    }

    #[test]
    fn of_a_webp_every_copy_of_its_pixels_is_counted() {
        for (chunks, has_alpha, tenths) in [
            (&b"VP8 "[..], false, 15),
            (b"VP8L", false, 50),
            (b"VP8L", true, 10),
            (b"VP8X ALPH VP8 ", true, 75),
        ] {
            assert_eq!(webp(chunks, (40, 25), has_alpha), 100 * tenths);
        }
    }

    #[test]
    fn of_a_webp_with_any_number_of_chunks_each_is_looked_at_once() {
        // As many names as chunks. To compare each with all would take an hour.
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for number in 0..1_500_000_u32 {
            file.extend([number.to_le_bytes(), [0; 4]].concat());
        }
        file.extend(b"ALPH\x01\0\0\0\x01\0VP8L\x01\0\0\0\x2f");
        assert_eq!(chunks(&file).count(), 1_500_002);
        assert_eq!(webp_codes(&file, (16, 16)), 0);
        assert_eq!(first_chunk(&file, *b"ALPH"), Some(&b"\x01"[..]));
        assert_eq!(first_chunk(&file, *b"VP8L"), Some(&b"\x2f"[..]));
    }
}
