//! Challenges: a proof of work that makes signups by the thousand cost something, and a visitor nothing but a moment.
//!
//! They have the shape of ALTCHA's first protocol (<https://altcha.org/docs/v1/>): find the number that, written behind
//! the salt, has a given SHA-256. What is signed is not the hash alone, which let salt and number be cut apart at
//! another place (CVE-2025-68113), but hash and salt, and a salt must end as ours do. A solution is good for ten minutes
//! and for one signup. It is bound to nobody's network: a phone may change that between page and button.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::config::SecretKeys;

/// The largest number to be found. Half as many hashes are tried on average: about 0.1 s on a desk, 0.2 to 1 s on a
/// phone, with the script that we ship.
pub const MAX_NUMBER: u32 = 150_000;

/// How long a challenge may be answered.
const LIVES: Duration = Duration::minutes(10);

/// How long it is known that a challenge was used: until it ends, and for as much longer as clocks may disagree.
const REMEMBERED: Duration = Duration::hours(1);

/// What the signature is for.
const PURPOSE: &str = "captcha";

/// The one algorithm there is.
const ALGORITHM: &str = "SHA-256";

/// What a salt ends in. No number begins with it, so it is clear where the one ends and the other begins.
const END: char = '&';

/// Characters a solution may have; ours have about 300.
const LONGEST: usize = 1_024;

/// A challenge, as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// `SHA-256`.
    pub algorithm: &'static str,
    /// The hash to be found, in hex.
    pub challenge: String,
    /// The largest number that has to be tried.
    pub maxnumber: u32,
    /// What stands before the number: random digits, and when the challenge ends in seconds of Unix time. With six
    /// digits behind it, it fits into one block of SHA-256, which is all that our script can do.
    pub salt: String,
    /// Ours, over hash and salt, in hex.
    pub signature: String,
}

impl Challenge {
    /// A fresh one.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give; nothing safe could be done then.
    #[must_use]
    pub fn mint(keys: &SecretKeys, now: DateTime<Utc>) -> Self {
        let mut random = [0; 16];
        #[expect(clippy::expect_used, reason = "a system without random numbers cannot make challenges")]
        getrandom::fill(&mut random).expect("the operating system gives random numbers");
        let [salt @ .., a, b, c, d] = random;
        // Not quite even, by less than one in ten thousand.
        let number = u32::from_be_bytes([a, b, c, d]) % (MAX_NUMBER + 1);
        Self::with(keys, salt, number, now)
    }

    fn with(keys: &SecretKeys, random: [u8; 12], number: u32, now: DateTime<Utc>) -> Self {
        let salt = format!("{}?expires={}{END}", hex::encode(random), (now + LIVES).timestamp());
        let challenge = hash(&salt, number);
        let signature = hex::encode(keys.sign(PURPOSE, &signed(&challenge, &salt)));
        let challenge = hex::encode(challenge);
        Self { algorithm: ALGORITHM, challenge, maxnumber: MAX_NUMBER, salt, signature }
    }
}

/// A solution as a script sends it: JSON in base64.
#[derive(Deserialize)]
struct Solution {
    algorithm: String,
    challenge: String,
    number: u32,
    salt: String,
    signature: String,
}

/// A challenge of ours that was solved in time. Whether it was used before is not known yet: see [`spend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solved {
    challenge: [u8; 32],
    expires_at: DateTime<Utc>,
}

/// Why a solution is not taken. Ask for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The form came without any.
    #[error("it is missing")]
    Missing,
    /// It is no solution at all.
    #[error("it cannot be read")]
    Unreadable,
    /// It solves no challenge of ours: the number is wrong, or something was altered, put together, or signed by others.
    #[error("it solves no challenge of ours")]
    Wrong,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Another signup has used it.
    #[error("it was used before")]
    Spent,
}

/// Whether a text solves a challenge of ours.
///
/// # Errors
/// [`Refused`], but never [`Refused::Spent`].
pub fn check(keys: &SecretKeys, text: &str, now: DateTime<Utc>) -> Result<Solved, Refused> {
    if text.is_empty() {
        return Err(Refused::Missing);
    }
    let solution = read(text).ok_or(Refused::Unreadable)?;
    let challenge = hash(&solution.salt, solution.number);
    let signature = hex::decode(&solution.signature).map_err(|_| Refused::Unreadable)?;
    let is_ours = solution.algorithm == ALGORITHM
        && solution.challenge == hex::encode(challenge)
        && signature.len() == 32
        && keys.verify(PURPOSE, &signed(&challenge, &solution.salt), &signature);
    let expires_at = end_of(&solution.salt).filter(|_| is_ours).ok_or(Refused::Wrong)?;
    if now >= expires_at { Err(Refused::Expired) } else { Ok(Solved { challenge, expires_at }) }
}

/// Uses a solution up, in the transaction of the signup that it is for. When two use the same one, the second waits for
/// the first and is refused.
///
/// # Errors
/// When the database fails. The inner ones are [`Refused`].
pub async fn spend(
    db: &mut PgConnection,
    keys: &SecretKeys,
    text: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Result<(), Refused>> {
    let solved = match check(keys, text, now) {
        Ok(solved) => solved,
        Err(refused) => return Ok(Err(refused)),
    };
    let spent = sqlx::query!(
        "insert into spent_challenges (challenge_sha256, expires_at) values ($1, $2)
         on conflict (challenge_sha256) do nothing",
        solved.challenge.as_slice(),
        solved.expires_at
    )
    .execute(db)
    .await?;
    Ok(if spent.rows_affected() == 1 { Ok(()) } else { Err(Refused::Spent) })
}

/// Forgets which challenges were used, once they have ended for all clocks. Answers how many there were.
pub async fn forget_spent(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let forgotten = sqlx::query!("delete from spent_challenges where expires_at < $1", now - REMEMBERED)
        .execute(db)
        .await?;
    Ok(forgotten.rows_affected())
}

fn read(text: &str) -> Option<Solution> {
    // Looked at first, so that a solution of 10 kB costs no more than a short one.
    let text = Some(text).filter(|text| text.len() <= LONGEST)?;
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}

fn hash(salt: &str, number: u32) -> [u8; 32] {
    Sha256::digest(format!("{salt}{number}")).into()
}

/// What is signed. The hash is always 32 bytes long, so it is clear where the salt begins.
fn signed(challenge: &[u8; 32], salt: &str) -> Vec<u8> {
    [challenge, salt.as_bytes()].concat()
}

/// When the challenge of this salt ends; nothing when it is not written as ours are.
fn end_of(salt: &str) -> Option<DateTime<Utc>> {
    let (_, seconds) = salt.strip_suffix(END)?.split_once("?expires=")?;
    DateTime::from_timestamp(seconds.parse().ok()?, 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NUMBER: u32 = 149_999;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }

    fn challenge() -> Challenge {
        Challenge::with(&SecretKeys::of_bytes(&[1]), [5; 12], NUMBER, now())
    }

    /// The solution of [`challenge`] as a script sends it.
    fn solution() -> Value {
        let Challenge { algorithm, challenge, salt, signature, .. } = challenge();
        json!({ "algorithm": algorithm, "challenge": challenge, "number": NUMBER, "salt": salt, "signature": signature })
    }

    fn checked(solution: &Value) -> Result<Solved, Refused> {
        check(&SecretKeys::of_bytes(&[1]), &STANDARD.encode(solution.to_string()), now())
    }

    #[test]
    fn a_solution_is_good_for_ten_minutes() {
        let text = STANDARD.encode(solution().to_string());
        let after = |minutes, seconds| {
            check(
                &SecretKeys::of_bytes(&[1]),
                &text,
                now() + Duration::minutes(minutes) + Duration::seconds(seconds),
            )
        };
        let solved = after(9, 59).unwrap();
        assert_eq!(solved.expires_at, now() + Duration::minutes(10));
        assert_eq!(after(10, 0), Err(Refused::Expired));
    }

    #[test]
    fn a_solution_outlives_a_rotation_of_keys_and_no_foreign_key_makes_one() {
        let text = STANDARD.encode(solution().to_string());
        assert!(check(&SecretKeys::of_bytes(&[2, 1]), &text, now()).is_ok());
        assert_eq!(check(&SecretKeys::of_bytes(&[2]), &text, now()), Err(Refused::Wrong));
    }

    #[test]
    fn nothing_in_a_solution_can_be_altered() {
        assert!(checked(&solution()).is_ok());
        let later = challenge().salt.replace("expires=1", "expires=2");
        let other = Challenge::with(&SecretKeys::of_bytes(&[1]), [6; 12], 7, now());
        for (field, altered) in [
            ("algorithm", json!("SHA-1")),
            ("challenge", json!(other.challenge)),
            ("challenge", json!("")),
            ("number", json!(NUMBER - 1)),
            ("salt", json!(later)),
            ("salt", json!(other.salt)),
            ("salt", json!("")),
            ("signature", json!(other.signature)),
            ("signature", json!("")),
            // Half a signature would verify elsewhere.
            ("signature", json!(challenge().signature[..32])),
        ] {
            let mut solution = solution();
            solution[field] = altered;
            assert_eq!(checked(&solution), Err(Refused::Wrong), "{solution}");
        }
    }

    #[test]
    fn salt_and_number_cannot_be_cut_apart_at_another_place() {
        let salt = challenge().salt;
        let digits = NUMBER.to_string();
        // The same hash each time: what one of the two loses the other gets.
        let shorter = salt.trim_end_matches('&');
        let cuts = (1..digits.len()).map(|at| (format!("{salt}{}", &digits[..at]), digits[at..].to_owned()));
        for (salt, number) in cuts.chain([(shorter.to_owned(), format!("&{digits}"))]) {
            let mut spliced = solution();
            spliced["salt"] = json!(salt);
            spliced["number"] = number.parse::<u32>().map_or(json!(number), |number| json!(number));
            assert!(matches!(checked(&spliced), Err(Refused::Wrong | Refused::Unreadable)), "{spliced}");
        }
        // A signature over the hash alone, as others have it, would not hold the two together.
        let hash = super::hash(&salt, NUMBER);
        let mut solution = solution();
        solution["signature"] = json!(hex::encode(SecretKeys::of_bytes(&[1]).sign(PURPOSE, &hash)));
        assert_eq!(checked(&solution), Err(Refused::Wrong));
        assert_eq!(end_of(&format!("{salt}1")), None);
    }

    #[test]
    fn what_is_signed_for_another_purpose_is_no_challenge() {
        let Challenge { challenge, salt, .. } = challenge();
        let challenge: [u8; 32] = hex::decode(challenge).unwrap().try_into().unwrap();
        for purpose in ["shown", "unsubscribe", "signup range", ""] {
            let mut solution = solution();
            let signature = SecretKeys::of_bytes(&[1]).sign(purpose, &signed(&challenge, &salt));
            solution["signature"] = json!(hex::encode(signature));
            assert_eq!(checked(&solution), Err(Refused::Wrong), "{purpose}");
        }
    }

    #[test]
    fn what_is_no_solution_at_all_is_told_from_none() {
        assert_eq!(check(&SecretKeys::of_bytes(&[1]), "", now()), Err(Refused::Missing));
        let negative = json!({ "algorithm": "", "challenge": "", "number": -1, "salt": "", "signature": "" });
        for text in ["x", "{}", &STANDARD.encode("{}"), &STANDARD.encode(negative.to_string())] {
            assert_eq!(check(&SecretKeys::of_bytes(&[1]), text, now()), Err(Refused::Unreadable), "{text}");
        }
        let mut long = solution();
        long["more"] = json!("x".repeat(2_000));
        assert_eq!(checked(&long), Err(Refused::Unreadable));
    }

    #[test]
    fn no_two_challenges_are_the_same_and_all_fit_into_one_block() {
        let (one, other) = (
            Challenge::mint(&SecretKeys::of_bytes(&[1]), now()),
            Challenge::mint(&SecretKeys::of_bytes(&[1]), now()),
        );
        assert_ne!(one.salt, other.salt);
        assert_ne!(one.challenge, other.challenge);
        // A block of SHA-256 has 64 bytes, of which nine are the end of the message and its length.
        assert!(one.salt.len() + MAX_NUMBER.to_string().len() <= 55, "{}", one.salt);
    }
}
