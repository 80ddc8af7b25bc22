//! Passwords: what one must be like, and how it is stored.
//!
//! The rules follow NIST SP 800-63B §3.1.1 and the OWASP Password Storage Cheat Sheet: at least twelve characters, no
//! rules about which ones, anything may be pasted, nothing expires. What is refused is what guessers try first.
//!
//! Why there is a small list of words and not a large one of passwords: of the passwords in published lists hardly any has
//! twelve characters, and those that do are made of few parts: a word, a year, a row of keys, the same again. So a
//! password is taken apart ([`strength`]), and each part that a guesser would try counts little, however long it is. That
//! finds `Passwort2026!!`, `1q2w3e4r5t6y` and `unbelievable` without a file of millions, and lets three words in a row pass.
//!
//! What is typed is hashed byte for byte: no Unicode normalisation. Keyboards of today's systems give the same composed
//! characters, and a normalisation that changes with a Unicode version could lock somebody out.

mod strength;

use std::{sync::Arc, time::Duration};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::{
    sync::{AcquireError, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tracing::Span;

use crate::domain::staff::secret::random;

/// Fewest characters.
pub const SHORTEST: usize = 12;
/// Most bytes: enough for any sentence, and nobody makes us hash a book.
pub const LONGEST: usize = 256;
/// Bits that there must be to guess, as [`strength::bits`] counts them.
const LEAST_BITS: f64 = 33.0;

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
        if strength::bits(typed, own_words) < LEAST_BITS {
            return Err(Weak::TooCommon);
        }
        Ok(Self(typed.to_owned()))
    }
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
        let span = Span::current();
        let done = spawn_blocking(move || {
            let done = span.in_scope(work);
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

    const OWN: [&str; 4] =
        ["ada.lovelace@lok-lausitz.example", "Ada Lovelace", "LOK Lausitz", "news.lok-lausitz.example"];

    /// Words, names, seasons, clubs and places with years and signs; rows of keys straight, in turns and backwards; the same
    /// again; digits alone; one's own address, name and newsletter.
    #[rustfmt::skip]
    const GUESSED_FIRST: &[&str] = &[
        "121212121212",
        "1q2w3e4r5t6y",
        "unbelievable",
        "123456789012",
        "1234567890123",
        "0987654321098",
        "112233445566",
        "111111111111",
        "123123123123",
        "123321123321",
        "147258369147",
        "789456123000",
        "135791357913",
        "246802468024",
        "314159265358",
        "159753159753",
        "100200300400",
        "010203040506",
        "01.01.1990.01",
        "31121999311299",
        "0123456789abcdef",
        "abcdefghijkl",
        "abcdefghijklmnop",
        "zyxwvutsrqpo",
        "abcabcabcabc",
        "abc123abc123",
        "abcd1234abcd",
        "abcd1234efgh",
        "a1b2c3d4e5f6",
        "a1a1a1a1a1a1",
        "aaaaaaaaaaaa",
        "aaaabbbbcccc",
        "aabbccddeeff",
        "qwertyuiop12",
        "qwertzuiop123",
        "qwertzuiop2024",
        "qwertyuiopasdf",
        "qwertyqwerty",
        "qwertz123456",
        "asdfghjkl123",
        "asdfasdfasdf",
        "asdfjkloeasdf",
        "yxcvbnmyxcvbnm",
        "zxcvbnmasdfgh",
        "poiuztrewqlk",
        "mnbvcxylkjhg",
        "1qaz2wsx3edc",
        "!QAZ2wsx#EDC",
        "qazwsxedcrfv",
        "zaq12wsxcde3",
        "qweasdzxc123",
        "1234qwerasdf",
        "q1w2e3r4t5y6",
        "qayxswedcvfr",
        "12qwaszx34er",
        "Passwort2026!!",
        "P@ssw0rd123456",
        "P@$$w0rd2024",
        "passwordpassword",
        "drowssapdrowssap",
        "Password123!",
        "MeinPasswort1!",
        "meinpasswort2024",
        "Geheimnis2024",
        "geheim123456",
        "letmeinletmein",
        "letmeinplease1",
        "iloveyou123456",
        "iloveyouforever",
        "ichliebedich1",
        "IchLiebeDich2024",
        "changeme1234",
        "welcome123456",
        "Willkommen2026!",
        "Willkommen123",
        "administrator",
        "Administrator1!",
        "Sommer2026!!!",
        "Sommer-2026-!",
        "Winter2025/26",
        "Fruehling2025!",
        "Januar2026!!",
        "September2025",
        "Weihnachten24",
        "football12345",
        "fcbayern2024!",
        "Schalke04ever!",
        "borussiadortmund",
        "starwars1977!",
        "harrypotter123",
        "superman12345",
        "batmanbatman",
        "princess12345",
        "sunshine12345",
        "Schmetterling1",
        "Donaudampfschiff",
        "Regenbogen2024!",
        "Deutschland1990",
        "Dresden2026!!",
        "BerlinBerlin12",
        "FrankfurtamMain1",
        "Leipzig12345!",
        "Lausitz2026!!",
        "LOK-Lausitz-2026",
        "loklausitz2026",
        "Newsletter2026!",
        "Rundbrief2026!",
        "rundbrief1234",
        "Lovelace2026!!",
        "ada.lovelace1815",
        "AdaLovelace123",
        "ada.lovelace@lok-lausitz.example",
        "extraordinary",
        "international",
        "congratulations",
        "Bundesregierung",
        "understanding1",
        "Maximilian1987",
        "Katharina.2003!",
        "michaelmichael",
        "thomas12345678",
        "JenniferLopez1",
        "Alexander1234!",
        "hallohallohallo1",
        "hallo12345678",
        "testtesttest1",
        "test1234test",
        "hahahahahaha",
        "lolololololol",
        "trustno1trustno1",
        "abracadabra123",
        "correcthorsebatterystaple",
        "openthedoor1",
        "P4ssw0rtP4ssw0rt",
        "h4ll0h4ll0h4ll0",
        "0000111122223333",
        "!!!!!!!!!!!!",
        "............",
        "1a2b3c4d5e6f7g",
        "Qwertz!23456",
        "Test!1234567",
        "monkeymonkey12",
        "computer123456",
        "Fussball-WM-2026",
        "Schatzi12345!",
        "P@ssw0rt123456",
        "aaaaaaaaaaaaaaaa",
    ];

    /// Three words or more that do not belong together, in several languages, and what password managers make.
    #[rustfmt::skip]
    const HARD_TO_GUESS: &[&str] = &[
        "rgVbn3kLpQ7x",
        "Kamel tanzt auf Nebelhorn",
        "vier kleine Zebras lesen",
        "トンネルを抜けると雪国であった",
        "Fahrradkette7Blaumeise",
        "d3b0c44298fc1c149afb",
        "x7k2m9q4w1z8",
        "bqzkmvhwtrpd",
        "kXm#9vQz!2Lw",
        "Tulpe-Gabel-Nordwind",
        "Regal Amsel Zement",
        "moosbedeckte Giraffe kocht Suppe",
        "der Dachs kauft Briefmarken",
        "purple otter borrows seven lamps",
        "GlasMurmelHaferTinte",
        "ofen-wolke-ampel-zwerg",
        "7 Enten tragen Stiefel",
        "Zug nach Görlitz verpasst, Kuchen gut",
        "Wer hat die Kokosnuss versteckt?",
        "k3m4n5a7r2e9",
        "hT5$wq9Lm2@x",
        "9f86d081884c7d65",
        "Zimt&Asphalt&Libelle",
        "Brombeere/Teleskop/Ziegel",
        "Meine Tante strickt Leuchttürme",
        "correct ladder battery teapot",
        "mQ4-tZ8-kW2-vB6",
        "Unter der Treppe wohnt ein Igel",
        "pflaume granit oboe ticket",
        "wJ6fBn0sYd3gTk",
        "Grüner Kater, blaue Leiter, Montag",
        "vapor-trombone-cactus",
        "Эхо несёт зелёный чемодан",
        "gehweg.kompass.radieschen",
        "Sieben Schnecken surfen Samstags",
        "zwölf krumme Gurken rechnen",
        "Blech Ahorn Nudel Kran",
        "lemur-quartz-gondola-9",
        "8Tassen+3Kisten+1Schaufel",
        "ein Löffel Rost im Keller",
    ];

    #[test]
    fn what_guessers_try_first_is_refused() {
        assert!(GUESSED_FIRST.len() > 140);
        let passes: Vec<_> = GUESSED_FIRST
            .iter()
            .filter(|password| NewPassword::check(password, &OWN).err() != Some(Weak::TooCommon))
            .map(|password| (password, strength::bits(password, &OWN)))
            .collect();
        assert!(passes.is_empty(), "{passes:?}");
    }

    #[test]
    fn what_is_hard_to_guess_is_taken() {
        assert!(HARD_TO_GUESS.len() > 35);
        let refused: Vec<_> = HARD_TO_GUESS
            .iter()
            .filter(|password| NewPassword::check(password, &OWN).is_err())
            .map(|password| (password, strength::bits(password, &OWN)))
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[test]
    fn the_longest_password_of_any_kind_is_judged_at_once() {
        let begun = std::time::Instant::now();
        for text in [
            "a".repeat(LONGEST),
            "ab".repeat(LONGEST / 2),
            "Kamel1qay".repeat(LONGEST / 9),
            "\u{1F9A9}".repeat(64),
        ] {
            let _ = NewPassword::check(&text, &OWN);
        }
        // In a debug build on a busy machine; a search that grew with a power of the length would take minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_password_with_a_colleagues_name_or_the_projects_is_no_better_for_it() {
        for own in ["Quirin Zapfelmeier", "zapfelmeier@example.org"] {
            assert!(NewPassword::check("Zapfelmeier4711!", &[own]).is_err(), "{own}");
        }
        assert!(NewPassword::check("Flussauenprojekt2026", &["Flussauenprojekt"]).is_err());
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
