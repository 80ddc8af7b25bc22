//! What an upload becomes: looked at, made smaller, and encoded anew.
//!
//! Nothing of the uploaded file is handed on but its pixels. So where a photograph was taken, with what and by whom
//! (EXIF, GPS, XMP, IPTC) is gone, and so is whatever else was hidden in the file. How the camera was held is applied
//! before. Colours of another colour space (ICC) are converted to sRGB, which is what mail programs show; a profile that
//! cannot be used is left out.

use std::{borrow::Cow, io::Cursor};

use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder as _, ImageError, ImageFormat,
    ImageReader, Limits, Pixel, Primitive, RgbImage, RgbaImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    error::LimitErrorKind,
    imageops,
    metadata::Orientation,
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::domain::image::Format;

use super::{
    memory,
    whole::{is_animated, is_of_size, is_quick, is_whole},
};

/// Width in pixels at which mails show a picture, and of the smaller file.
pub const SMALL: u32 = 552;
/// Width of the larger file: the same on screens with twice as many pixels.
pub const LARGE: u32 = 2 * SMALL;
/// A picture that is higher than so many times its width is made narrower.
const TALLEST: u32 = 3;

/// Pixels an upload may have: what good cameras and phones take.
pub const MOST_PIXELS: u64 = 50_000_000;
/// Pixels each side may have.
const MOST_SIDE: u32 = 16_384;
/// Pixels that are made smaller with care. Of more, and be they only high, every few are averaged before: what care takes
/// counts as floating point numbers.
const MOST_WITH_CARE: u64 = 16_000_000;

/// Of photographs. Above it files grow and nobody sees a difference.
const QUALITY: u8 = 82;
/// A picture with up to so many colours is a drawing, unless it is as restless as a photograph. A grey one never has more.
const FEW_COLOURS: usize = 256;

/// Why an upload was not taken. Tell whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no JPEG, PNG or WebP, by its first bytes.
    #[error("no JPEG, PNG or WebP")]
    Kind,
    /// It is a GIF, which moves in mails as long as nobody encodes it anew.
    #[error("a GIF")]
    Gif,
    /// It is a WebP that moves.
    #[error("a WebP that moves")]
    Animated,
    /// It is a photograph as iPhones store it (HEIC), or an AVIF.
    #[error("a HEIC or AVIF")]
    Heic,
    /// It begins as one, and cannot be decoded, or its end is missing.
    #[error("damaged")]
    Damaged,
    /// It has more pixels than are taken.
    #[error("too many pixels")]
    TooManyPixels,
    /// It is a JPEG that would take too much memory, because it is progressive.
    #[error("a progressive JPEG that takes too much memory")]
    Progressive,
    /// It would take too much memory, because its colours have 16 bits.
    #[error("16 bits a colour, which takes too much memory")]
    Deep,
    /// It would take too much memory.
    #[error("takes too much memory")]
    Heavy,
}

impl Refused {
    /// The key of its text, in `staff.images`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Refused::Kind => "refused_kind",
            Refused::Gif => "refused_gif",
            Refused::Animated => "refused_animated",
            Refused::Heic => "refused_heic",
            Refused::Damaged => "refused_damaged",
            Refused::TooManyPixels => "refused_pixels",
            Refused::Progressive => "refused_progressive",
            Refused::Deep => "refused_deep",
            Refused::Heavy => "refused_heavy",
        }
    }
}

/// One of the two files that a picture becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The file.
    pub bytes: Vec<u8>,
}

/// What an upload became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processed {
    /// What both files hold.
    pub format: Format,
    /// At most [`LARGE`] wide.
    pub large: Rendition,
    /// At most [`SMALL`] wide.
    pub small: Rendition,
}

/// Makes the two files of an upload. Takes up to some seconds and [`memory::MOST`], so not among what must answer quickly.
///
/// # Errors
/// [`Refused`].
pub fn process(upload: &[u8]) -> Result<Processed, Refused> {
    let format = format_of(upload)?;
    let (picture, profile) = decode(upload, format)?;
    let large = in_srgb(fit(picture, LARGE), profile.as_deref());
    let (large, format) = match settled(large) {
        Pixels::Photo(rgb) => (DynamicImage::ImageRgb8(rgb), Format::Jpeg),
        // As a PNG it would only grow: what a JPEG leaves out is gone.
        Pixels::Drawing(rgb) if format == ImageFormat::Jpeg => (DynamicImage::ImageRgb8(rgb), Format::Jpeg),
        Pixels::Drawing(rgb) => (DynamicImage::ImageRgb8(rgb), Format::Png),
        Pixels::Transparent(rgba) => (DynamicImage::ImageRgba8(rgba), Format::Png),
    };
    let small = fit(large.clone(), SMALL);
    Ok(Processed { format, small: rendition(&small, format)?, large: rendition(&large, format)? })
}

/// What it is by its first bytes.
fn format_of(upload: &[u8]) -> Result<ImageFormat, Refused> {
    // ISO 14496-12: the brand stands behind the length and the name of the first box.
    if let Some(brand) = upload.get(8..12).filter(|_| upload[4..8] == *b"ftyp")
        && [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"].iter().any(|known| *known == brand)
    {
        return Err(Refused::Heic);
    }
    match image::guess_format(upload) {
        // Within its frames a decoder follows lengths and sizes that it does not compare with the file's.
        Ok(ImageFormat::WebP) if is_animated(upload) => Err(Refused::Animated),
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => Ok(format),
        Ok(ImageFormat::Gif) => Err(Refused::Gif),
        _ => Err(Refused::Kind),
    }
}

/// The picture the right way up, and its colour profile.
fn decode(upload: &[u8], format: ImageFormat) -> Result<(DynamicImage, Option<Vec<u8>>), Refused> {
    if !is_quick(upload, format) {
        return Err(Refused::Damaged);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(memory::beside(upload));
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| refused(&error))?;
    // By what the head of the file says: no pixel has been unpacked yet.
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Refused::TooManyPixels);
    }
    // How the camera was held is not known yet.
    let factor = factor(width, height).min(factor(height, width));
    if memory::needed(upload, format, &decoder, factor) > memory::MOST {
        return Err(too_heavy(upload, format, &decoder));
    }
    if width == 0 || height == 0 || !is_whole(upload, format) || !is_of_size(upload, format, (width, height))
    {
        return Err(Refused::Damaged);
    }
    let profile = decoder.icc_profile().unwrap_or_default();
    let profile = profile.filter(|profile| profile.len() <= memory::MOST_PROFILE);
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
    // Eight bits a channel from here on. Smaller first: turning fifty million pixels takes long.
    let picture = shrink_for(picture, orientation);
    let mut picture = if picture.color().has_alpha() {
        DynamicImage::ImageRgba8(picture.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    };
    picture.apply_orientation(orientation);
    Ok((picture, profile))
}

/// Why a picture takes more memory than it may: what of it can be saved in another way.
fn too_heavy(upload: &[u8], format: ImageFormat, decoder: &impl ImageDecoder) -> Refused {
    let color = decoder.color_type();
    if format == ImageFormat::Jpeg && memory::is_progressive(upload) {
        Refused::Progressive
    } else if color.bits_per_pixel() > 8 * u16::from(color.channel_count()) {
        Refused::Deep
    } else {
        Refused::Heavy
    }
}

fn refused(error: &ImageError) -> Refused {
    match error {
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => Refused::TooManyPixels,
        ImageError::Limits(_) => Refused::Heavy,
        _ => Refused::Damaged,
    }
}

/// Quickly brings a large picture to about twice of what is kept, and to [`MOST_WITH_CARE`].
fn shrink_for(mut picture: DynamicImage, orientation: Orientation) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (shown_width, shown_height) = if is_turned { (height, width) } else { (width, height) };
    let factor = factor(shown_width, shown_height);
    if factor < 2 {
        return picture;
    }
    // Transparent pixels have colours too, which must not run into their neighbours.
    multiply_by_alpha(&mut picture);
    let smaller = picture.thumbnail_exact((width / factor).max(1), (height / factor).max(1));
    drop(picture);
    if !smaller.color().has_alpha() {
        return smaller;
    }
    let mut smaller = smaller.into_rgba8();
    divide_by_alpha(&mut smaller);
    DynamicImage::ImageRgba8(smaller)
}

/// How many pixels in a row become one before a picture of this size is made smaller with care.
fn factor(shown_width: u32, shown_height: u32) -> u32 {
    let (target, _) = fitting(shown_width, shown_height, LARGE);
    let mut factor = (shown_width / (2 * target).max(1)).max(1);
    while u64::from(shown_width / factor) * u64::from(shown_height / factor) > MOST_WITH_CARE {
        factor += 1;
    }
    factor
}

/// The size of a picture that is to be at most `most` wide, and not taller than it should. Never larger than it is.
fn fitting(width: u32, height: u32, most: u32) -> (u32, u32) {
    let most_height = most * TALLEST;
    let scaled = |side: u32, by: u32, of: u32| {
        let side = (u64::from(side) * u64::from(by) + u64::from(of) / 2) / u64::from(of).max(1);
        u32::try_from(side).unwrap_or(u32::MAX).max(1)
    };
    let (mut to_width, mut to_height) = (width, height);
    if to_width > most {
        (to_width, to_height) = (most, scaled(height, most, width));
    }
    if to_height > most_height {
        (to_width, to_height) = (scaled(width, most_height, height), most_height);
    }
    (to_width, to_height)
}

fn fit(picture: DynamicImage, most: u32) -> DynamicImage {
    let (width, height) = fitting(picture.width(), picture.height(), most);
    if (width, height) == (picture.width(), picture.height()) {
        return picture;
    }
    if !picture.color().has_alpha() {
        return picture.resize_exact(width, height, imageops::Lanczos3);
    }
    let mut picture = picture;
    multiply_by_alpha(&mut picture);
    let mut smaller = picture.resize_exact(width, height, imageops::Lanczos3).into_rgba8();
    divide_by_alpha(&mut smaller);
    DynamicImage::ImageRgba8(smaller)
}

/// Makes what is seen less of a pixel count less among its neighbours. A picture without transparency stays as it is.
fn multiply_by_alpha(picture: &mut DynamicImage) {
    match picture {
        DynamicImage::ImageLumaA8(pixels) => multiply(pixels),
        DynamicImage::ImageLumaA16(pixels) => multiply(pixels),
        DynamicImage::ImageRgba8(pixels) => multiply(pixels),
        DynamicImage::ImageRgba16(pixels) => multiply(pixels),
        _ => {}
    }
}

fn multiply<P>(picture: &mut ImageBuffer<P, Vec<P::Subpixel>>)
where
    P: Pixel<Subpixel: Into<u32> + TryFrom<u32>>,
{
    let most: u32 = P::Subpixel::DEFAULT_MAX_VALUE.into();
    for pixel in picture.pixels_mut() {
        let [colours @ .., alpha] = pixel.channels_mut() else { continue };
        let alpha: u32 = (*alpha).into();
        for colour in colours {
            let seen: u32 = ((*colour).into() * alpha + most / 2) / most;
            *colour = P::Subpixel::try_from(seen).unwrap_or(P::Subpixel::DEFAULT_MAX_VALUE);
        }
    }
}

fn divide_by_alpha(picture: &mut RgbaImage) {
    for pixel in picture.pixels_mut() {
        let alpha = u16::from(pixel[3]);
        for channel in 0..3 {
            let whole = (u16::from(pixel[channel]) * 255 + alpha / 2).checked_div(alpha).unwrap_or(0);
            pixel[channel] = u8::try_from(whole).unwrap_or(u8::MAX);
        }
    }
}

/// The picture with the colours that its profile means, as sRGB. Grey and CMYK profiles say nothing about what the
/// decoder made of them, and are left out.
fn in_srgb(picture: DynamicImage, profile: Option<&[u8]>) -> DynamicImage {
    let Some(profile) = profile.and_then(|profile| ColorProfile::new_from_slice(profile).ok()) else {
        return picture;
    };
    if profile.color_space != DataColorSpace::Rgb {
        return picture;
    }
    let layout = if picture.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
    else {
        return picture;
    };
    let mut converted = picture.clone();
    let bytes = match &mut converted {
        DynamicImage::ImageRgb8(rgb) => rgb.as_flat_samples_mut().samples,
        DynamicImage::ImageRgba8(rgba) => rgba.as_flat_samples_mut().samples,
        _ => return picture,
    };
    if transform.transform(picture.as_bytes(), bytes).is_ok() { converted } else { picture }
}

/// What kind of picture it turned out to be.
enum Pixels {
    Photo(RgbImage),
    Drawing(RgbImage),
    Transparent(RgbaImage),
}

fn settled(picture: DynamicImage) -> Pixels {
    if picture.color().has_alpha() {
        let rgba = picture.into_rgba8();
        if rgba.pixels().any(|pixel| pixel[3] != u8::MAX) {
            return Pixels::Transparent(rgba);
        }
        return settled(DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(rgba).into_rgb8()));
    }
    let rgb = picture.into_rgb8();
    if has_few_colours(&rgb) && is_calm(&rgb) { Pixels::Drawing(rgb) } else { Pixels::Photo(rgb) }
}

/// Whether at least half of the pixels are as their neighbour to the left: areas of one colour, as drawings, scanned
/// letters and screenshots have them. In photographs, grey or with few colours, light changes everywhere.
fn is_calm(picture: &RgbImage) -> bool {
    let (mut same, mut all) = (0_usize, 0_usize);
    for row in picture.rows() {
        let row: Vec<_> = row.collect();
        same += row.windows(2).filter(|pair| pair[0] == pair[1]).count();
        all += row.len().saturating_sub(1);
    }
    2 * same >= all
}

/// The grey values of a picture without colours, which become a JPEG of a third of the data.
fn as_grey(picture: &RgbImage) -> Option<Vec<u8>> {
    let is_grey = picture.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    is_grey.then(|| picture.pixels().map(|pixel| pixel[0]).collect())
}

fn has_few_colours(picture: &RgbImage) -> bool {
    let mut colours = std::collections::HashSet::with_capacity(FEW_COLOURS + 1);
    picture.pixels().all(|pixel| {
        colours.insert(pixel.0);
        colours.len() <= FEW_COLOURS
    })
}

fn rendition(picture: &DynamicImage, format: Format) -> Result<Rendition, Refused> {
    let size = (picture.width(), picture.height());
    let mut bytes = Vec::new();
    let encoded = match format {
        Format::Jpeg => {
            let rgb: Cow<'_, RgbImage> = match picture {
                DynamicImage::ImageRgb8(rgb) => Cow::Borrowed(rgb),
                other => Cow::Owned(other.to_rgb8()),
            };
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            match as_grey(&rgb) {
                Some(grey) => encoder.write_image(&grey, size.0, size.1, ExtendedColorType::L8),
                None => encoder.write_image(rgb.as_raw(), size.0, size.1, ExtendedColorType::Rgb8),
            }
        }
        Format::Png => PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(picture.as_bytes(), size.0, size.1, picture.color().into()),
    };
    encoded.map_err(|_| Refused::Damaged)?;
    Ok(Rendition { size, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A photograph: no two pixels alike.
    fn photo(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let byte = |n: u32| u8::try_from(n % 256).unwrap();
            image::Rgb([byte(x * 7 + y), byte(x / 2 + y * 3), byte(x * y / 9)])
        })
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_photograph_becomes_two_jpegs_of_the_mails_width_and_is_never_enlarged() {
        let made = process(&encoded(&photo(2400, 1600).into(), ImageFormat::Jpeg)).unwrap();
        assert_eq!(made.format, Format::Jpeg);
        assert_eq!((made.large.size, made.small.size), ((1104, 736), (552, 368)));
        assert_eq!(image::guess_format(&made.large.bytes).unwrap(), ImageFormat::Jpeg);
        let made = process(&encoded(&photo(300, 200).into(), ImageFormat::WebP)).unwrap();
        assert_eq!((made.format, made.large.size, made.small.size), (Format::Jpeg, (300, 200), (300, 200)));
        let made = process(&encoded(&photo(700, 16_000).into(), ImageFormat::Png)).unwrap();
        assert_eq!((made.large.size, made.small.size), ((145, 3312), (73, 1656)));
    }

    #[test]
    fn what_has_few_colours_or_none_behind_it_becomes_png() {
        let drawing =
            RgbImage::from_fn(1200, 600, |x, _| image::Rgb(if x < 600 { [255; 3] } else { [0, 90, 80] }));
        let made = process(&encoded(&drawing.into(), ImageFormat::Png)).unwrap();
        assert_eq!(made.format, Format::Png);
        let glass =
            RgbaImage::from_fn(1200, 600, |x, y| image::Rgba([200, 30, 30, if x > y { 255 } else { 0 }]));
        let made = process(&encoded(&glass.into(), ImageFormat::WebP)).unwrap();
        assert_eq!(made.format, Format::Png);
        let back = image::load_from_memory(&made.large.bytes).unwrap().into_rgba8();
        let edge = back.pixels().filter(|pixel| pixel[3] > 60 && pixel[3] < 255);
        assert!(edge.clone().count() > 0);
        for pixel in edge {
            assert!(pixel[0] > 180, "no dark fringe around it: {pixel:?}");
        }
        // An alpha channel that says nothing.
        let opaque = RgbaImage::from_fn(600, 600, |x, y| {
            let rgb = photo(1, 1).get_pixel(0, 0).0;
            image::Rgba([rgb[0].wrapping_add((x % 251) as u8), (y % 251) as u8, (x * y % 251) as u8, 255])
        });
        assert_eq!(process(&encoded(&opaque.into(), ImageFormat::Png)).unwrap().format, Format::Jpeg);
    }

    /// A JPEG with an EXIF segment that says how the camera was held, and where.
    fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01".to_vec();
        tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
        tiff.extend(b"GPS 51.7563N 14.3329E Lok Lausitz http://ns.adobe.com/xap/1.0/");
        let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, &tiff, &jpeg[2..]].concat()
    }

    #[test]
    fn where_it_was_taken_is_gone_and_how_the_camera_was_held_is_applied() {
        let upload = with_exif(&encoded(&photo(1600, 800).into(), ImageFormat::Jpeg), 6);
        let made = process(&upload).unwrap();
        assert_eq!(made.small.size, (552, 1104), "on its side no more");
        for rendition in [&made.large, &made.small] {
            for trace in [&b"Exif"[..], b"GPS", b"Lausitz", b"adobe", b"ICC_PROFILE", b"\xff\xe1"] {
                assert!(!rendition.bytes.windows(trace.len()).any(|window| window == trace), "{trace:?}");
            }
        }
    }

    #[test]
    fn colours_of_another_space_are_converted() {
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile).unwrap();
        encoder.write_image(&[0, 200, 0].repeat(100), 10, 10, ExtendedColorType::Rgb8).unwrap();
        let made = process(&bytes).unwrap();
        let back = image::load_from_memory(&made.large.bytes).unwrap().into_rgb8();
        let green = back.get_pixel(5, 5);
        assert!(green[1] > 200 && green[0] == 0, "{green:?}: more green in sRGB than in Display P3");
        assert!(!made.large.bytes.windows(4).any(|window| window == b"iCCP"));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for upload in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"PK\x03\x04zip",
            b"\x1f\x8bgzip, as svgz",
            b"<html><script>alert(1)</script>",
            b"%PDF-1.7",
            b"BM\0\0",
            b"II*\0",
        ] {
            assert_eq!(process(upload).unwrap_err(), Refused::Kind, "{upload:?}");
        }
        assert_eq!(process(b"GIF89a\x01\0\x01\0\0\0\0;").unwrap_err(), Refused::Gif);
        assert_eq!(process(b"\0\0\0\x18ftypheic\0\0\0\0").unwrap_err(), Refused::Heic);
        assert_eq!(process(b"\x89PNG\r\n\x1a\nnothing more").unwrap_err(), Refused::Damaged);
        assert_eq!(process(b"\xff\xd8\xff\xe0nothing more").unwrap_err(), Refused::Damaged);
        assert_eq!(process(b"RIFF\x10\0\0\0WEBPVP8Xnothing").unwrap_err(), Refused::Damaged);
    }

    #[test]
    fn a_file_whose_end_is_missing_is_refused_and_not_filled_up_with_grey() {
        let grey = DynamicImage::ImageRgb8(photo(200, 300)).into_luma8();
        let pictures = [DynamicImage::from(photo(200, 300)), grey.into()];
        for picture in &pictures {
            for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
                let whole = encoded(picture, format);
                assert!(process(&whole).is_ok(), "{format:?}");
                for kept in [whole.len() / 2, whole.len() * 9 / 10, whole.len() - 20] {
                    let cut = &whole[..kept];
                    assert_eq!(process(cut).unwrap_err(), Refused::Damaged, "{format:?} of {kept} bytes");
                    // A download that reserved its room and then broke off.
                    let hollow = [cut, &vec![0; whole.len() - kept]].concat();
                    if format == ImageFormat::Jpeg {
                        assert_eq!(process(&hollow).unwrap_err(), Refused::Damaged, "{kept} bytes and zeros");
                    }
                }
                // What stands behind the end does not matter.
                assert!(process(&[&whole[..], b"more"].concat()).is_ok(), "{format:?}");
            }
        }
        // The end of the preview in the head of a photograph is not its end.
        let jpeg = encoded(&pictures[0], ImageFormat::Jpeg);
        let mut with_preview = with_exif(&jpeg, 1);
        let at = with_preview.windows(4).position(|window| window == b"GPS ").unwrap();
        with_preview[at..at + 2].copy_from_slice(b"\xff\xd9");
        assert!(process(&with_preview).is_ok());
        assert_eq!(process(&with_preview[..jpeg.len() / 2]).unwrap_err(), Refused::Damaged);
    }

    #[test]
    fn a_grey_photograph_becomes_a_grey_jpeg_whatever_it_came_as() {
        let grey = image::GrayImage::from_fn(1200, 800, |x, y| {
            image::Luma([u8::try_from((x * 7 + y * 3 + x * y / 9) % 256).unwrap()])
        });
        let deep = DynamicImage::ImageLuma8(grey.clone()).into_luma16();
        let pictures: [(DynamicImage, ImageFormat); 5] = [
            (grey.clone().into(), ImageFormat::Jpeg),
            (DynamicImage::ImageLuma8(grey.clone()).into_rgb8().into(), ImageFormat::Jpeg),
            (grey.clone().into(), ImageFormat::Png),
            (deep.into(), ImageFormat::Png),
            (DynamicImage::ImageLuma8(grey).into_rgb8().into(), ImageFormat::WebP),
        ];
        for (number, (picture, format)) in pictures.iter().enumerate() {
            let made = process(&encoded(picture, *format)).unwrap();
            assert_eq!(made.format, Format::Jpeg, "{number}: {format:?}");
            if number != 1 {
                let back = image::load_from_memory(&made.large.bytes).unwrap();
                assert_eq!(back.color(), image::ColorType::L8, "{number}");
            }
        }
        // A letter that was scanned: white, with grey at the edges of its strokes.
        let letter = image::GrayImage::from_fn(1104, 400, |x, y| {
            image::Luma([if x % 40 < 30 || y % 30 < 20 { 255 } else { u8::try_from(x * y % 256).unwrap() }])
        });
        assert_eq!(process(&encoded(&letter.clone().into(), ImageFormat::Png)).unwrap().format, Format::Png);
        let as_jpeg = process(&encoded(&letter.into(), ImageFormat::Jpeg)).unwrap();
        assert_eq!(as_jpeg.format, Format::Jpeg, "a JPEG stays one");
    }

    /// A JPEG with four channels as Photoshop writes it for printing: all of one colour, inks inverted (Adobe's segment
    /// APP14, transform 0). Every block has its mean alone.
    fn cmyk_jpeg(inks: [u8; 4], blocks: u8) -> Vec<u8> {
        let in_bits = |number: u32, length: u32| -> String {
            (0..length).rev().map(|at| if (number >> at) & 1 == 1 { '1' } else { '0' }).collect()
        };
        let mut bits = String::new();
        for block in 0..u32::from(blocks) * u32::from(blocks) {
            for ink in inks {
                let mean = if block == 0 { 8 * (i32::from(ink) - 128) } else { 0 };
                let length = 32 - mean.unsigned_abs().leading_zeros();
                let coded = if mean < 0 { mean + (1 << length) - 1 } else { mean };
                bits.push_str(&in_bits(length, 4));
                if length > 0 {
                    bits.push_str(&in_bits(coded.unsigned_abs(), length));
                }
                // No other coefficient.
                bits.push('0');
            }
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let side = 8 * blocks;
        let mut jpeg = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0".to_vec();
        jpeg.extend([&b"\xff\xdb\0\x43\0"[..], &[1; 64]].concat());
        jpeg.extend([0xff, 0xc0, 0, 20, 8, 0, side, 0, side, 4]);
        jpeg.extend((1..=4).flat_map(|channel| [channel, 0x11, 0]));
        // Twelve lengths with four bits each; one code for "nothing more".
        jpeg.extend([0xff, 0xc4, 0, 31, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        jpeg.extend(0..12);
        jpeg.extend([0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        jpeg.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
        for byte in bits.as_bytes().chunks(8) {
            let byte = u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap();
            jpeg.push(byte);
            if byte == 0xff {
                jpeg.push(0);
            }
        }
        jpeg.extend(b"\xff\xd9");
        jpeg
    }

    #[test]
    fn a_jpeg_for_printing_becomes_one_for_screens() {
        // No ink, and then cyan alone, magenta alone, black alone.
        for (inks, rgb) in [
            ([255, 255, 255, 255], [255, 255, 255]),
            ([0, 255, 255, 255], [0, 255, 255]),
            ([255, 0, 255, 255], [255, 0, 255]),
            ([255, 255, 255, 0], [0, 0, 0]),
        ] {
            let made = process(&cmyk_jpeg(inks, 3)).unwrap();
            assert_eq!((made.format, made.large.size), (Format::Jpeg, (24, 24)));
            let back = image::load_from_memory(&made.large.bytes).unwrap();
            assert!(back.color().channel_count() <= 3, "{:?}", back.color());
            let seen = back.into_rgb8().get_pixel(12, 12).0;
            for channel in 0..3 {
                assert!(seen[channel].abs_diff(rgb[channel]) < 8, "{inks:?} became {seen:?}");
            }
        }
    }

    /// A PNG whose pixels are numbers of colours, with how much of each is seen.
    fn palette_png(side: u8, opacity: &[u8], pixel: impl Fn(u8, u8) -> u8) -> Vec<u8> {
        let chunk = |name: &[u8; 4], data: &[u8]| {
            let said = [&name[..], data].concat();
            let crc = said.iter().fold(u32::MAX, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                    if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
                })
            });
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            [&length[..], &said, &(!crc).to_be_bytes()].concat()
        };
        let rows: Vec<u8> = (0..side)
            .flat_map(|y| {
                [0].into_iter()
                    .chain((0..side).map(move |x| (x, y)).map(|(x, y)| pixel(x, y)).collect::<Vec<_>>())
            })
            .collect();
        let (low, high) = rows.iter().fold((1_u32, 0_u32), |(low, high), byte| {
            let low = (low + u32::from(*byte)) % 65_521;
            (low, (high + low) % 65_521)
        });
        let length = u16::try_from(rows.len()).unwrap();
        let stored = [
            &[0x78, 0x01, 0x01][..],
            &length.to_le_bytes(),
            &(!length).to_le_bytes(),
            &rows,
            &((high << 16) | low).to_be_bytes(),
        ];
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend(chunk(b"IHDR", &[0, 0, 0, side, 0, 0, 0, side, 8, 3, 0, 0, 0]));
        png.extend(chunk(b"PLTE", &[255, 255, 255, 0, 90, 80, 200, 30, 30]));
        if !opacity.is_empty() {
            png.extend(chunk(b"tRNS", opacity));
        }
        png.extend(chunk(b"IDAT", &stored.concat()));
        png.extend(chunk(b"IEND", b""));
        png
    }

    #[test]
    fn a_png_with_a_palette_keeps_its_colours_and_what_is_not_seen_of_it() {
        let pixel = |x: u8, _: u8| {
            if x < 40 {
                0
            } else if x < 80 {
                1
            } else {
                2
            }
        };
        let made = process(&palette_png(120, &[], pixel)).unwrap();
        assert_eq!((made.format, made.large.size), (Format::Png, (120, 120)));
        let back = image::load_from_memory(&made.large.bytes).unwrap();
        assert_eq!(back.color(), image::ColorType::Rgb8);
        let back = back.into_rgb8();
        assert_eq!([10, 50, 100].map(|x| back.get_pixel(x, 60).0), [[255; 3], [0, 90, 80], [200, 30, 30]]);
        let made = process(&palette_png(120, &[0], pixel)).unwrap();
        let back = image::load_from_memory(&made.large.bytes).unwrap().into_rgba8();
        assert_eq!((back.get_pixel(10, 60)[3], back.get_pixel(50, 60).0), (0, [0, 90, 80, 255]));
    }

    #[test]
    fn every_depth_becomes_eight_bits_a_channel() {
        let photo16 = DynamicImage::ImageRgb8(photo(600, 400)).into_rgb16();
        assert_eq!(process(&encoded(&photo16.into(), ImageFormat::Png)).unwrap().format, Format::Jpeg);
        let glass =
            RgbaImage::from_fn(600, 400, |x, _| image::Rgba([10, 20, 30, if x < 300 { 0 } else { 255 }]));
        let glass16 = DynamicImage::ImageRgba8(glass).into_rgba16();
        let made = process(&encoded(&glass16.into(), ImageFormat::Png)).unwrap();
        assert_eq!(made.format, Format::Png);
        assert_eq!(image::load_from_memory(&made.large.bytes).unwrap().color(), image::ColorType::Rgba8);
    }

    #[test]
    fn a_bomb_is_refused_by_its_head() {
        // A hundred million pixels, and none of them in the file.
        let mut bomb = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut header = b"IHDR".to_vec();
        header.extend(10_000_u32.to_be_bytes());
        header.extend(10_000_u32.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        bomb.extend(13_u32.to_be_bytes());
        bomb.extend(&header);
        bomb.extend(crc32(&header).to_be_bytes());
        bomb.extend([0, 0, 0, 0]);
        bomb.extend(b"IDAT");
        bomb.extend(crc32(b"IDAT").to_be_bytes());
        assert_eq!(process(&bomb).unwrap_err(), Refused::TooManyPixels);
        // One line of a million pixels.
        let mut header = b"IHDR".to_vec();
        header.extend(1_000_000_u32.to_be_bytes());
        header.extend(1_u32.to_be_bytes());
        header.extend([8, 0, 0, 0, 0]);
        bomb.splice(12..29, header.iter().copied());
        bomb.splice(29..33, crc32(&header).to_be_bytes());
        assert_eq!(process(&bomb).unwrap_err(), Refused::TooManyPixels);
    }

    #[test]
    fn what_would_take_too_much_memory_is_refused_with_what_to_save_in_another_way() {
        // Of each, a head and no pixel.
        let png = |depth: u8, colours: u8| {
            let (width, height) = (8660_u32.to_be_bytes(), 5773_u32.to_be_bytes());
            let header = [&b"IHDR"[..], &width, &height, &[depth, colours, 0, 0, 0]].concat();
            let mut png =
                [&b"\x89PNG\r\n\x1a\n\0\0\0\x0d"[..], &header, &crc32(&header).to_be_bytes()].concat();
            png.extend([&[0; 4][..], b"IDAT", &crc32(b"IDAT").to_be_bytes()].concat());
            png
        };
        assert_eq!(process(&png(16, 6)).unwrap_err(), Refused::Deep);
        assert_eq!(process(&png(8, 6)).unwrap_err(), Refused::Damaged, "it would fit");
        let jpeg = |start: u8, in_scan: u8| {
            let mut jpeg = [&b"\xff\xd8\xff\xdb\0\x43\0"[..], &[1; 64], &[0xff, start, 0, 17, 8]].concat();
            jpeg.extend([5773_u16.to_be_bytes(), 8660_u16.to_be_bytes()].concat());
            jpeg.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xda, 0, 6 + 2 * in_scan, in_scan]);
            jpeg.extend((1..=in_scan).flat_map(|id| [id, 0]));
            jpeg.extend([0, 63, 0]);
            jpeg
        };
        assert_eq!(process(&jpeg(0xc2, 3)).unwrap_err(), Refused::Progressive);
        assert_eq!(process(&jpeg(0xc0, 1)).unwrap_err(), Refused::Heavy);
        assert_eq!(process(&jpeg(0xc0, 3)).unwrap_err(), Refused::Damaged, "it would fit");
    }

    #[test]
    fn of_a_head_nothing_is_done_that_takes_more_than_its_file() {
        // A WebP that says its profile has four gigabytes.
        let picture = encoded(&photo(20, 20).into(), ImageFormat::WebP);
        let extended = [&b"VP8X\x0a\0\0\0\x20\0\0\0\x13\0\0\x13\0\0"[..], &picture[12..], b"ICCP"].concat();
        let with_profile = |length: u32, data: &[u8]| {
            let chunks = [b"WEBP", &extended[..], &length.to_le_bytes(), data].concat();
            let all = u32::try_from(chunks.len()).unwrap().to_le_bytes();
            [&b"RIFF"[..], &all, &chunks].concat()
        };
        assert!(process(&with_profile(4, b"none")).is_ok());
        assert_eq!(process(&with_profile(u32::MAX - 1, b"none")).unwrap_err(), Refused::Damaged);
        // A JPEG with more parts of XMP than a decoder can sort in time.
        let jpeg = encoded(&photo(20, 20).into(), ImageFormat::Jpeg);
        let part = [&b"\xff\xe1\0\x4d"[..], b"http://ns.adobe.com/xmp/extension/\0", &[b'0'; 40]].concat();
        let with_parts = |parts: usize| [&jpeg[..2], &part.repeat(parts), &jpeg[2..]].concat();
        assert!(process(&with_parts(500)).is_ok());
        assert_eq!(process(&with_parts(600)).unwrap_err(), Refused::Damaged);
    }

    #[test]
    fn a_large_picture_with_transparency_keeps_its_colours_at_the_edges() {
        let glass = RgbaImage::from_fn(5200, 400, |x, y| {
            image::Rgba(if (x / 10 + y / 10) % 2 == 0 { [200, 30, 30, 255] } else { [0, 255, 0, 0] })
        });
        let deep = DynamicImage::ImageRgba8(glass.clone()).into_rgba16();
        for picture in [DynamicImage::from(glass), deep.into()] {
            let made = process(&encoded(&picture, ImageFormat::Png)).unwrap();
            let back = image::load_from_memory(&made.large.bytes).unwrap().into_rgba8();
            assert!(back.pixels().filter(|pixel| pixel[3] > 40).count() > 10_000);
            for pixel in back.pixels().filter(|pixel| pixel[3] > 40) {
                assert!(pixel[0] > 180 && pixel[1] < 60, "{pixel:?}");
            }
        }
    }

    #[test]
    fn of_a_file_that_is_two_things_at_once_only_the_picture_is_left() {
        let script = b"<script>alert(document.domain)</script>PK\x03\x04";
        let mut polyglot = encoded(&photo(80, 80).into(), ImageFormat::Jpeg);
        let comment =
            [&[0xff, 0xfe], &u16::try_from(script.len() + 2).unwrap().to_be_bytes()[..], script].concat();
        polyglot.splice(2..2, comment);
        polyglot.extend(script);
        let made = process(&polyglot).unwrap();
        assert!(!made.large.bytes.windows(7).any(|window| window == b"<script"));
        assert!(!made.large.bytes.windows(4).any(|window| window == b"PK\x03\x04"));
    }

    /// As PNG counts it (RFC 2083 §3.4).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |mut crc, byte| {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
            crc
        })
    }
}
