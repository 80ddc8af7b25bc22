//! Base32 (RFC 4648 §6) without padding, in alphabets of our choice: for what people type, and for what passes through
//! programs that make no difference between upper and lower case.

/// The RFC's alphabet, in lower case.
pub const LOWER_CASE: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of some bytes: five bits a character of the alphabet, no padding.
#[must_use]
pub fn encode(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(alphabet[((held >> bits) & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(alphabet[((held << (5 - bits)) & 31) as usize]));
    }
    text
}

/// The bytes of a text in this alphabet, if it is exactly what [`encode`] makes of `N` bytes.
#[must_use]
pub fn decode<const N: usize>(text: &str, alphabet: &[u8; 32]) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let (mut bytes, mut at, mut held, mut bits) = ([0; N], 0, 0_u32, 0);
    for character in text.bytes() {
        let value = alphabet.iter().position(|known| *known == character)?;
        held = (held << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = u8::try_from((held >> bits) & 0xff).ok()?;
            at += 1;
            held &= (1 << bits) - 1;
        }
    }
    // What is left over carries nothing: another text would mean the same.
    (held == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_comes_back_and_nothing_else_does() {
        // RFC 4648 §10.
        assert_eq!(encode(b"foobar", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "MZXW6YTBOI");
        let bytes: [u8; 24] = std::array::from_fn(|at| u8::try_from(at * 10 + 5).unwrap());
        let text = encode(&bytes, LOWER_CASE);
        assert_eq!(decode(&text, LOWER_CASE), Some(bytes));
        for wrong in ["", "a", &text[1..], &text.to_uppercase(), &text.replace('a', "1"), &text.repeat(1_000)]
        {
            assert!(wrong == text || decode::<24>(wrong, LOWER_CASE).is_none(), "{wrong}");
        }
        let last = text.chars().last().unwrap();
        let others = ('a'..='z').chain('2'..='7').filter(|other| *other != last);
        let same = others.filter(|other| {
            decode(&format!("{}{other}", &text[..text.len() - 1]), LOWER_CASE) == Some(bytes)
        });
        assert_eq!(same.count(), 0, "one text for one value");
    }
}
