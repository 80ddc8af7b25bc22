//! How much memory the prefix codes of a lossless WebP take (RFC 9649, 3.4 to 3.7). There may be 65,536 groups of them in
//! the smallest picture, and eight bytes of a file make a code of which the decoder keeps 68 KB: less than one megabyte took
//! more than four gigabytes. So they are read here first, without keeping them.

/// Of a group, without its codes. A list of groups that grows is copied.
const GROUP: u64 = 840;
/// Of a code with two symbols, and of what an allocator adds to any.
const SMALL_CODE: u64 = 96;
/// The decoder looks up codes of so many bits in a table of numbers with four bytes, and longer ones in a tree with two nodes
/// of 16 bytes for each.
const TABLE_BITS: usize = 10;

/// The order in which the lengths of the code for lengths stand.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Bytes that the prefix codes of this stream take, or more than `most`. Without a head is the stream that says how much of
/// each pixel is seen. What cannot be read is not kept by the decoder either.
pub fn memory(stream: &[u8], canvas: (u32, u32), has_head: bool, most: u64) -> u64 {
    let mut reader = Reader { stream, at: 0, memory: 0, most };
    let _ = reader.picture(canvas, has_head);
    reader.memory
}

struct Reader<'a> {
    stream: &'a [u8],
    /// In bits.
    at: usize,
    memory: u64,
    most: u64,
}

impl Reader<'_> {
    /// Nothing where the decoder gives up too: when the head has another size than the canvas, and at the second transform
    /// of a kind.
    fn picture(&mut self, canvas: (u32, u32), has_head: bool) -> Option<()> {
        if has_head && self.head()? != canvas {
            return None;
        }
        let (mut width, height) = canvas;
        let mut transforms = [false; 4];
        while self.bits(1)? == 1 {
            let transform = self.bits(2)?;
            let is_second = std::mem::replace(&mut transforms[transform as usize], true);
            if is_second {
                return None;
            }
            match transform {
                // By which neighbours a block is predicted; how its colours are.
                0 | 1 => {
                    let block = 1 << (self.bits(3)? + 2);
                    self.inner(width.div_ceil(block), height.div_ceil(block))?;
                }
                // A palette, and several pixels in one when it is small.
                3 => {
                    let colours = self.bits(8)? + 1;
                    self.inner(colours, 1)?;
                    width = width.div_ceil(match colours {
                        ..=2 => 8,
                        3..=4 => 4,
                        5..=16 => 2,
                        _ => 1,
                    });
                }
                _ => {}
            }
        }
        let cached = self.cached()?;
        let mut groups = 1;
        if self.bits(1)? == 1 {
            let block = 1 << (self.bits(3)? + 2);
            groups += self.inner(width.div_ceil(block), height.div_ceil(block))?;
        }
        for _ in 0..groups {
            self.memory += GROUP;
            self.group(cached)?;
            if self.memory > self.most {
                return None;
            }
        }
        Some(())
    }

    /// Width and height.
    fn head(&mut self) -> Option<(u32, u32)> {
        (self.bits(8)? == 0x2f).then_some(())?;
        let size = (self.bits(14)? + 1, self.bits(14)? + 1);
        // Whether it is transparent, and the version.
        self.bits(4)?;
        Some(size)
    }

    /// Passes over a picture within the picture; answers its highest number of red and green together. Pixels that are
    /// copied from others have none that is higher.
    fn inner(&mut self, width: u32, height: u32) -> Option<u32> {
        let cached = self.cached()?;
        let [green, red, blue, alpha, distance] = self.group(cached)?;
        let (mut at, mut highest) = (0, 0);
        let pixels = u64::from(width) * u64::from(height);
        while at < pixels {
            match green.symbol(self)? {
                symbol @ ..256 => {
                    highest = highest.max((red.symbol(self)? << 8) | symbol);
                    blue.symbol(self)?;
                    alpha.symbol(self)?;
                    at += 1;
                }
                symbol @ 256..280 => {
                    at += u64::from(self.number(symbol - 256)?);
                    let symbol = distance.symbol(self)?;
                    self.number(symbol)?;
                }
                _ => at += 1,
            }
        }
        Some(highest)
    }

    /// How many colours are kept to be named again.
    fn cached(&mut self) -> Option<usize> {
        if self.bits(1)? == 0 {
            return Some(0);
        }
        let bits = self.bits(4)?;
        (1..=11).contains(&bits).then_some(1 << bits)
    }

    /// A length or a distance, of which the symbol says how many bits follow.
    fn number(&mut self, symbol: u32) -> Option<u32> {
        if symbol < 4 {
            return Some(symbol + 1);
        }
        if symbol >= 40 {
            return None;
        }
        let more = (symbol - 2) >> 1;
        Some(((2 + (symbol & 1)) << more) + self.bits(more)? + 1)
    }

    /// The codes for green, red, blue, alpha and distance.
    fn group(&mut self, cached: usize) -> Option<[Code; 5]> {
        Some([self.code(280 + cached)?, self.code(256)?, self.code(256)?, self.code(256)?, self.code(40)?])
    }

    fn code(&mut self, alphabet: usize) -> Option<Code> {
        if self.bits(1)? == 1 {
            let has_two = self.bits(1)? == 1;
            let bits = if self.bits(1)? == 1 { 8 } else { 1 };
            let mut symbols = vec![self.bits(bits)?];
            if !has_two {
                return Some(Code::of_one(symbols));
            }
            symbols.push(self.bits(8)?);
            self.memory += SMALL_CODE;
            let mut of_length = [0; 16];
            of_length[1] = 2;
            return Some(Code { of_length, symbols });
        }
        let mut lengths = [0; 19];
        let given = usize::try_from(4 + self.bits(4)?).ok()?;
        for place in &ORDER[..given] {
            lengths[*place] = usize::try_from(self.bits(3)?).ok()?;
        }
        let code = Code::of(self.lengths(&Code::of(&lengths)?, alphabet)?.as_slice())?;
        let longest = code.of_length.iter().rposition(|symbols| *symbols > 0).unwrap_or(0);
        let table = 4_u64 << longest.min(TABLE_BITS);
        let longer: u32 = code.of_length[TABLE_BITS + 1..].iter().sum();
        if code.symbols.len() > 1 {
            self.memory += SMALL_CODE + table + 2 * 16 * u64::from(longer);
        }
        Some(code)
    }

    /// Of each symbol how long its code is; nought for one that has none.
    fn lengths(&mut self, code: &Code, alphabet: usize) -> Option<Vec<usize>> {
        let mut said = alphabet;
        if self.bits(1)? == 1 {
            let bits = 2 + 2 * self.bits(3)?;
            said = usize::try_from(self.bits(bits)?).ok()? + 2;
        }
        let (mut lengths, mut before) = (Vec::with_capacity(alphabet), 8);
        while lengths.len() < alphabet && said > 0 {
            said -= 1;
            let (length, times) = match code.symbol(self)? {
                length @ 0..16 => (usize::try_from(length).ok()?, 1),
                16 => (before, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                _ => (0, 11 + self.bits(7)?),
            };
            if length > 0 {
                before = length;
            }
            lengths.extend((0..times).map(|_| length));
        }
        (lengths.len() <= alphabet).then_some(lengths)
    }

    /// The next bits, at most 24, the first of them the lowest.
    fn bits(&mut self, count: u32) -> Option<u32> {
        let end = self.at + usize::try_from(count).ok()?;
        let bytes = self.stream.get(self.at / 8..end.div_ceil(8))?;
        let word = bytes.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        let bits = (word >> (self.at % 8)) & ((1 << count) - 1);
        self.at = end;
        Some(bits)
    }
}

/// A canonical prefix code.
struct Code {
    /// How many codes there are of each length.
    of_length: [u32; 16],
    /// Those with shorter codes first.
    symbols: Vec<u32>,
}

impl Code {
    /// That of one symbol takes no bit.
    fn of_one(symbols: Vec<u32>) -> Self {
        Self { of_length: [0; 16], symbols }
    }

    /// Nothing when it leaves out codes, or has too many.
    fn of(lengths: &[usize]) -> Option<Self> {
        let mut of_length = [0; 16];
        let with_code = (0_u32..).zip(lengths).filter(|(_, length)| **length > 0);
        let mut symbols: Vec<_> = with_code.map(|(symbol, length)| (*length, symbol)).collect();
        symbols.sort_unstable();
        for (length, _) in &symbols {
            of_length[*length] += 1;
        }
        let symbols: Vec<u32> = symbols.into_iter().map(|(_, symbol)| symbol).collect();
        if symbols.len() == 1 {
            return Some(Self::of_one(symbols));
        }
        let taken: u32 = (1..16).map(|length: usize| of_length[length] << (15 - length)).sum();
        (taken == 1 << 15).then_some(Self { of_length, symbols })
    }

    fn symbol(&self, reader: &mut Reader<'_>) -> Option<u32> {
        if let [symbol] = self.symbols[..] {
            return Some(symbol);
        }
        let (mut code, mut first, mut before) = (0, 0, 0);
        for of_this_length in &self.of_length[1..] {
            code = (code << 1) | reader.bits(1)?;
            first <<= 1;
            if code < first + of_this_length {
                return self.symbols.get(usize::try_from(before + code - first).ok()?).copied();
            }
            first += of_this_length;
            before += of_this_length;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, RgbaImage};

    use super::{
        super::process::{Refused, process},
        *,
    };

    const MOST: u64 = 1 << 40;
    const CANVAS: (u32, u32) = (16, 16);

    /// Bits as the format packs them.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, value: u32, bits: u32) {
            self.0.extend((0..bits).map(|at| (value >> at) & 1 == 1));
        }

        fn one_symbol(&mut self, symbol: u32) {
            self.put(0b101, 3);
            self.put(symbol, 8);
        }

        /// 2,048 codes of eleven bits, said in 64 bits.
        fn many_symbols(&mut self) {
            self.put(0, 1);
            self.put(11, 4);
            for place in &ORDER[..15] {
                self.put(u32::from(*place == 11), 3);
            }
            self.put(1, 1);
            self.put(5, 3);
            self.put(2046, 12);
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit));
            self.0.chunks(8).map(byte).collect()
        }
    }

    /// A picture of 16 by 16 pixels with so many groups of codes.
    fn with_groups(groups: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        for (value, bits) in [(0x2f, 8), (15, 14), (15, 14), (0, 4), (0, 1), (1, 1), (11, 4), (1, 1), (0, 3)]
        {
            writer.put(value, bits);
        }
        writer.put(0, 1);
        for symbol in [(groups - 1) & 0xff, (groups - 1) >> 8, 0, 255, 0] {
            writer.one_symbol(symbol);
        }
        for _ in 0..groups {
            writer.many_symbols();
            (0..4).for_each(|_| writer.one_symbol(0));
        }
        writer.bytes()
    }

    #[test]
    fn every_group_of_codes_is_counted() {
        let of_one = 2048 * 32 + 4096;
        for groups in [1, 300] {
            let memory = memory(&with_groups(groups), CANVAS, true, MOST);
            let least = u64::from(groups) * of_one;
            assert!(memory >= least && memory < least + least / 20, "{groups}: {memory}");
        }
        let bomb = with_groups(65_536);
        assert!(bomb.len() < 1_000_000, "{}", bomb.len());
        let limited = memory(&bomb, CANVAS, true, 10_000_000);
        assert!(limited > 10_000_000 && limited < 10_200_000, "no more is read than must be: {limited}");
        let cut = &with_groups(300)[..2_000];
        assert!(memory(cut, CANVAS, true, MOST) > 100 * of_one, "those that can be read count");
    }

    #[test]
    fn a_stream_is_read_to_the_end_of_its_codes() {
        // With transforms, a palette, colours that are named again, copies of earlier pixels.
        let pictures = [
            RgbaImage::from_fn(200, 150, |x, y| {
                image::Rgba([x, y, x * y / 7, 255].map(|n| n.to_le_bytes()[0]))
            }),
            RgbaImage::from_fn(200, 150, |x, _| image::Rgba(if x < 9 { [9; 4] } else { [200, 3, 3, 255] })),
        ];
        for picture in pictures {
            let mut file = std::io::Cursor::new(Vec::new());
            DynamicImage::from(picture).write_to(&mut file, ImageFormat::WebP).unwrap();
            let file = file.into_inner();
            assert_eq!(&file[12..16], b"VP8L");
            let mut reader = Reader { stream: &file[20..], at: 0, memory: 0, most: MOST };
            assert!(reader.picture((200, 150), true).is_some());
            assert!(reader.memory >= GROUP && reader.memory < 200_000, "{}", reader.memory);
        }
    }

    #[test]
    fn a_small_picture_with_many_codes_is_refused_wherever_its_stream_stands() {
        let stream = with_groups(6_000);
        let chunk = |name: &[u8; 4], data: &[u8]| {
            let length = u32::try_from(data.len()).unwrap().to_le_bytes();
            [&name[..], &length, data, &vec![0; data.len() % 2]].concat()
        };
        let extended = |about: u8| chunk(b"VP8X", &[about, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
        // How much of each pixel is seen is such a stream without its head.
        let opacity = [&[1], &stream[5..]].concat();
        for chunks in [
            chunk(b"VP8L", &stream),
            [extended(0x10), chunk(b"ALPH", &opacity), chunk(b"VP8 ", &[0; 20])].concat(),
            [extended(0x00), chunk(b"VP8L", &stream)].concat(),
        ] {
            let file =
                [&b"RIFF"[..], &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes(), b"WEBP", &chunks];
            assert_eq!(process(&file.concat()).unwrap_err(), Refused::Heavy, "{:?}", &chunks[..4]);
        }
    }

    #[test]
    fn what_is_no_stream_takes_nothing() {
        for stream in [&b""[..], b"\x2f", b"\x2e\0\0\0\0\0\0\0", &[0xff; 100], &[0x2f; 100]] {
            for has_head in [true, false] {
                assert!(memory(stream, CANVAS, has_head, MOST) < 10_000, "{stream:x?}");
            }
        }
    }

    /// The head of a picture of 16 by 16 pixels, and these transforms.
    fn with_transforms(kinds: &[u32]) -> Writer {
        let mut writer = Writer::default();
        for (value, bits) in [(0x2f, 8), (15, 14), (15, 14), (0, 4)] {
            writer.put(value, bits);
        }
        for kind in kinds {
            writer.put(1, 1);
            writer.put(*kind, 2);
            match kind {
                2 => continue,
                3 => writer.put(0, 8),
                _ => writer.put(0, 3),
            }
            writer.put(0, 1);
            (0..5).for_each(|_| writer.one_symbol(0));
        }
        // No further one, no colours that are named again, one group.
        writer.put(0, 3);
        (0..5).for_each(|_| writer.one_symbol(0));
        writer
    }

    #[test]
    fn a_transform_is_read_once() {
        for kinds in [&[][..], &[0, 1, 2, 3], &[3, 2, 1, 0]] {
            assert_eq!(memory(&with_transforms(kinds).bytes(), CANVAS, true, MOST), GROUP, "{kinds:?}");
        }
        for kinds in [[0, 0], [1, 1], [2, 2], [3, 3]] {
            assert_eq!(memory(&with_transforms(&kinds).bytes(), CANVAS, true, MOST), 0, "{kinds:?}");
        }
    }

    #[test]
    fn a_picture_that_is_not_of_the_size_of_its_canvas_is_not_read() {
        let stream = with_transforms(&[0]).bytes();
        for (canvas, memory_of_it) in
            [((16, 16), GROUP), ((16, 15), 0), ((15, 16), 0), ((1 << 24, 1 << 24), 0)]
        {
            assert_eq!(memory(&stream, canvas, true, MOST), memory_of_it, "{canvas:?}");
        }
        // More blocks than 32 bits count: their codes are read until the stream ends.
        let mut writer = Writer::default();
        writer.put(0b00_0001, 6);
        writer.put(0, 1);
        for (value, bits) in [(0b011, 3), (0, 1), (1, 8)] {
            writer.put(value, bits);
        }
        (0..4).for_each(|_| writer.one_symbol(0));
        assert_eq!(memory(&writer.bytes(), (1 << 18, 1 << 18), false, MOST), SMALL_CODE);
    }
}
