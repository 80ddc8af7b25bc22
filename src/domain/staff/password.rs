//! Passwords: what one must be like, and how it is stored.
//!
//! The rules follow NIST SP 800-63B §3.1.1 and the OWASP Password Storage Cheat Sheet: at least twelve characters, no
//! rules about which ones, anything may be pasted, nothing expires. What is refused is what guessers try first.
//!
//! Why there is a small list of words and not a large one of passwords: of the passwords in published lists hardly any has
//! twelve characters, and those that do are made of few parts: a word, a year, a row of keys, the same again. So a
//! password is taken apart (`worth`), and each part that a guesser would try counts little, however long it is. That
//! finds `Passwort2026!!` and `qwertzuiop123` without a file of millions, and lets four words in a row pass.
//!
//! What is typed is hashed byte for byte: no Unicode normalisation. Keyboards of today's systems give the same composed
//! characters, and a normalisation that changes with a Unicode version could lock somebody out.

use std::{collections::HashSet, sync::Arc, sync::LazyLock, time::Duration};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::{
    sync::{AcquireError, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use crate::domain::staff::secret::random;

/// Fewest characters.
pub const SHORTEST: usize = 12;
/// Most bytes: enough for any sentence, and nobody makes us hash a book.
pub const LONGEST: usize = 256;
/// What a password must be [`worth`].
const LEAST_WORTH: usize = 8;

/// A password that may be set.
#[derive(Clone)]
pub struct NewPassword(String);

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// Why a password may not be set. Tell whoever chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Fewer than [`SHORTEST`] characters.
    #[error("the password has fewer than 12 characters")]
    TooShort,
    /// More than [`LONGEST`] bytes.
    #[error("the password is longer than 256 bytes")]
    TooLong,
    /// Made of little more than words, names, years and rows of keys that guessers try first.
    #[error(
        "the password is one of those that are guessed first; take several words that do not belong together"
    )]
    TooCommon,
}

impl NewPassword {
    /// Checks a password. `own_words` are those that everybody can guess here: the address, the name, the newsletter's.
    ///
    /// # Errors
    /// [`Weak`] says what to change.
    pub fn check(typed: &str, own_words: &[&str]) -> Result<Self, Weak> {
        if typed.len() > LONGEST {
            return Err(Weak::TooLong);
        }
        if typed.chars().count() < SHORTEST {
            return Err(Weak::TooShort);
        }
        if worth(typed, own_words) < LEAST_WORTH {
            return Err(Weak::TooCommon);
        }
        Ok(Self(typed.to_owned()))
    }
}

/// Words that are in many passwords, in German and English, in lower case, umlauts as two letters.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("password/common_words.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});

/// Rows of keys and of the alphabet; a piece of three or more is no surprise, nor is it backwards.
const ROWS: [&str; 9] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertzuiopue",
    "qwertyuiop",
    "asdfghjkloeae",
    "yxcvbnm",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6zhn",
    "^1234567890ss",
];

/// How much there is to guess in a password, in characters: one for each that nothing explains, three for a common word,
/// one for a word of one's own, a year, a row of keys, or a repetition. The same word counts once.
fn worth(password: &str, own_words: &[&str]) -> usize {
    let own: HashSet<String> = own_words
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .map(plain)
        .filter(|word| word.len() >= 3)
        .collect();
    // The whole address, or the whole name, is no more than one of its words.
    let text = own_words
        .iter()
        .map(|text| plain(text))
        .filter(|text| text.len() >= 6)
        .fold(plain(password), |password, text| password.replace(&text, " "));
    let text: Vec<char> = text.chars().collect();
    let mut seen = HashSet::new();
    let (mut worth, mut at) = (0, 0);
    while at < text.len() {
        let (length, adds) = explained(&text[at..], &own);
        let part: String = text[at..at + length].iter().collect();
        // The same again, and the same character again, is no surprise.
        let is_repeated = if length == 1 { at > 0 && text[at - 1] == text[at] } else { !seen.insert(part) };
        worth += if is_repeated { 0 } else { adds };
        at += length;
    }
    worth
}

/// The longest known part at the beginning of a text: its length, and what it is worth.
fn explained(text: &[char], own: &HashSet<String>) -> (usize, usize) {
    for length in (4..=text.len().min(20)).rev() {
        let part: String = text[..length].iter().collect();
        if own.contains(&part) || is_year(&part) {
            return (length, 1);
        }
        if COMMON.contains(part.as_str()) {
            return (length, 3);
        }
        if is_row(&part) {
            return (length, 1);
        }
    }
    if text.len() >= 3 {
        let part: String = text[..3].iter().collect();
        if own.contains(&part) || is_row(&part) {
            return (3, 1);
        }
    }
    (1, 1)
}

fn is_year(text: &str) -> bool {
    text.len() == 4
        && (text.starts_with("19") || text.starts_with("20"))
        && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_row(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(text) || row.contains(&backwards))
}

/// A text as guessers see it: lower case, umlauts as two letters, and the usual stand-ins for letters undone where they
/// stand among letters. Digits among themselves stay.
fn plain(text: &str) -> String {
    let lower: Vec<char> = text.to_lowercase().chars().collect();
    let is_letter = |at: Option<usize>| at.and_then(|at| lower.get(at)).is_some_and(|c| c.is_alphabetic());
    let mut plain = String::new();
    for (at, c) in lower.iter().enumerate() {
        let stands_in = is_letter(at.checked_sub(1)) && is_letter(Some(at + 1))
            || (at == 0 && is_letter(Some(1)) && !c.is_ascii_digit());
        match (c, stands_in) {
            ('ä', _) => plain.push_str("ae"),
            ('ö', _) => plain.push_str("oe"),
            ('ü', _) => plain.push_str("ue"),
            ('ß', _) => plain.push_str("ss"),
            ('0', true) => plain.push('o'),
            ('1' | '!' | '|', true) => plain.push('i'),
            ('3', true) => plain.push('e'),
            ('4' | '@', true) => plain.push('a'),
            ('5' | '$', true) => plain.push('s'),
            ('7', true) => plain.push('t'),
            (c, _) => plain.push(*c),
        }
    }
    plain
}

/// Argon2id with OWASP's first choice for little memory: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    #[expect(clippy::expect_used, reason = "the numbers are fixed and in range")]
    let params = Params::new(19 * 1024, 2, 1, None).expect("parameters in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// How every hash of today begins.
const TODAY: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// A hash that no password has, as far as anybody knows: what is checked where there is no account, so that the answer takes
/// as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$eILFX4ec5NsM9/FDNWQmeQ$bRiHf8+tkOneu2/F3KIbrxOJCKuj86aJYsciopdLP1k";

/// Hashes at the same time, at most: each takes 19 MiB and a processor.
const AT_A_TIME: usize = 4;
/// How many of them may be for people who are not known: the others wait for nobody else.
const OF_STRANGERS: usize = 3;
/// How long to wait for a place among them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hashes and checks passwords, away from the threads that answer requests, and few at a time: a flood of logins costs
/// 76 MiB and no more. How many may wait is limited where requests are taken in.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
}

/// Who wants a password checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Somebody who is logged in, or who comes from a device that logged in to this account before.
    Known,
    /// Anybody else.
    Stranger,
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many at once; try again in a moment.
    #[error("too many logins at once")]
    Busy,
    /// It did not work, and would not the next time.
    #[error("a password cannot be hashed: {0}")]
    Failed(String),
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password, under parameters of former days: hash it again while it is at hand.
    RightButOld,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_A_TIME)),
            of_strangers: Arc::new(Semaphore::new(OF_STRANGERS)),
        }
    }
}

impl Passwords {
    /// The hash of a new password. Whoever may set one is known, if only by a one-time link.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: &NewPassword) -> Result<String, HashError> {
        self.hash_text(password.0.clone()).await
    }

    /// The hash of a password that was right, under today's parameters.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash_again(&self, typed: &str) -> Result<String, HashError> {
        self.hash_text(typed.to_owned()).await
    }

    async fn hash_text(&self, password: String) -> Result<String, HashError> {
        self.apart(Asking::Known, move || {
            let salt: [u8; 16] = random();
            let hash = argon2().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| HashError::Failed(error.to_string()))
        })
        .await?
    }

    /// Checks a password against the hash of an account, or against nobody's: that takes as long, and is always wrong.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn check(&self, typed: &str, hash: Option<&str>, asking: Asking) -> Result<Checked, HashError> {
        // Longer than any password that was ever set.
        let hash = hash.filter(|_| typed.len() <= LONGEST);
        let typed = if typed.len() <= LONGEST { typed.to_owned() } else { String::new() };
        let (against, is_somebodys) = (hash.unwrap_or(NOBODY).to_owned(), hash.is_some());
        let is_old = !against.starts_with(TODAY);
        let is_right = self
            .apart(asking, move || {
                PasswordVerifier::<str>::verify_password(&argon2(), typed.as_bytes(), &against).is_ok()
            })
            .await?;
        Ok(match (is_right && is_somebodys, is_old) {
            (false, _) => Checked::Wrong,
            (true, false) => Checked::Right,
            (true, true) => Checked::RightButOld,
        })
    }

    /// Does the work on a thread of its own. Whoever asked may go away meanwhile: the place is taken until it is done.
    async fn apart<T: Send + 'static>(
        &self,
        asking: Asking,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = timeout(PATIENCE, self.place(asking)).await;
        let Ok(Ok(place)) = place else { return Err(HashError::Busy) };
        let done = spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|error| HashError::Failed(error.to_string()))
    }

    /// A place; strangers come one after the other to their part of them first.
    async fn place(&self, asking: Asking) -> Result<impl Send + use<>, AcquireError> {
        let of_strangers = match asking {
            Asking::Known => None,
            Asking::Stranger => Some(Arc::clone(&self.of_strangers).acquire_owned().await?),
        };
        Ok((Arc::clone(&self.places).acquire_owned().await?, of_strangers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 3] = ["ada.lovelace@lok-lausitz.example", "Ada Lovelace", "LOK Lausitz"];

    #[test]
    fn what_guessers_try_first_is_refused() {
        for password in [
            "Passwort2026!!",
            "P@ssw0rt123456",
            "passwordpassword",
            "qwertzuiop123",
            "qwertyuiopasdf",
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabc",
            "123456789012",
            "Sommer2026!!!",
            "Willkommen2026!",
            "Lovelace2026!!",
            "ada.lovelace@lok-lausitz.example",
            "LOK-Lausitz-2026",
            "Newsletter2026!",
            "hallohallohallo1",
            "iloveyou123456",
            "1qaz2wsx3edc",
        ] {
            assert_eq!(NewPassword::check(password, &OWN).err(), Some(Weak::TooCommon), "{password}");
        }
    }

    #[test]
    fn what_is_hard_to_guess_is_taken() {
        for password in [
            "rgVbn3kLpQ7x",
            "Kamel tanzt auf Nebelhorn",
            "vier kleine Zebras lesen",
            "トンネルを抜けると雪国であった",
            "Fahrradkette7Blaumeise",
            "d3b0c44298fc1c149afb",
        ] {
            assert!(NewPassword::check(password, &OWN).is_ok(), "{password}: {}", worth(password, &OWN));
        }
    }

    #[test]
    fn length_counts_in_characters_below_and_in_bytes_above() {
        assert_eq!(NewPassword::check("kurz&Gut5wü", &[]).err(), Some(Weak::TooShort));
        assert_eq!(NewPassword::check(&"Kamel tanzt ".repeat(22), &[]).err(), Some(Weak::TooLong));
        assert!(!format!("{:?}", NewPassword::check("rgVbn3kLpQ7x", &[])).contains("rgV"));
    }

    #[tokio::test]
    async fn a_hash_says_its_parameters_and_knows_its_password() {
        let passwords = Passwords::default();
        let password = NewPassword::check("rgVbn3kLpQ7x", &[]).unwrap();
        let hash = passwords.hash(&password).await.unwrap();
        assert!(hash.starts_with(TODAY), "{hash}");
        assert_eq!(
            passwords.check("rgVbn3kLpQ7x", Some(&hash), Asking::Stranger).await.unwrap(),
            Checked::Right
        );
        assert_eq!(
            passwords.check("rgVbn3kLpQ7y", Some(&hash), Asking::Stranger).await.unwrap(),
            Checked::Wrong
        );
        assert_eq!(passwords.check("rgVbn3kLpQ7x", None, Asking::Known).await.unwrap(), Checked::Wrong);
        assert_eq!(
            passwords.check(&"x".repeat(1000), Some(&hash), Asking::Stranger).await.unwrap(),
            Checked::Wrong
        );
    }

    #[tokio::test]
    async fn a_hash_under_weaker_parameters_is_right_but_old() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let hash = weak.hash_password_with_salt(b"rgVbn3kLpQ7x", &[1; 16]).unwrap().to_string();
        let checked =
            Passwords::default().check("rgVbn3kLpQ7x", Some(&hash), Asking::Stranger).await.unwrap();
        assert_eq!(checked, Checked::RightButOld);
    }

    #[tokio::test]
    async fn strangers_never_have_every_place() {
        let passwords = Passwords::default();
        let mut taken = Vec::new();
        for _ in 0..OF_STRANGERS {
            taken.push(passwords.place(Asking::Stranger).await.unwrap());
        }
        let next = timeout(Duration::from_millis(50), passwords.place(Asking::Stranger)).await;
        assert!(next.is_err(), "one more of them has to wait");
        passwords.place(Asking::Known).await.unwrap();
        taken.pop();
        passwords.place(Asking::Stranger).await.unwrap();
    }

    #[test]
    fn nobodys_hash_costs_what_everybodys_does() {
        assert!(NOBODY.starts_with(TODAY));
        assert_eq!(NOBODY.split('$').count(), 6, "salt and hash are there, so that it is computed");
    }
}
